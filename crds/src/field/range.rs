//! Bounds of texts that hold dates and decimals, said as patterns: JSON Schema has no other word for them.
//!
//! Called by `date` and `decimal` when they publish their schema. Enforced are the bounds themselves, never these.

/// What texts of digits and hyphens from `least` to `greatest`, of one length and form, match.
pub(super) fn fixed(least: &str, greatest: &str) -> String {
    let shared = least.bytes().zip(greatest.bytes()).take_while(|(a, b)| a == b).count();
    let (prefix, least) = least.split_at(shared);
    let greatest = &greatest[shared..];
    let (Some(from), Some(to)) = (least.bytes().next(), greatest.bytes().next()) else { return prefix.to_owned() };
    let (low, high) = (&least[1..], &greatest[1..]);
    let extreme =
        |digit: u8| -> String { low.chars().map(|c| if c.is_ascii_digit() { char::from(digit) } else { c }).collect() };
    let (zeros, nines) = (extreme(b'0'), extreme(b'9'));
    let mut branches = Vec::new();
    let mut middle = (from, to);
    if low != zeros {
        branches.push(format!("{}{}", char::from(from), fixed(low, &nines)));
        middle.0 += 1;
    }
    if high != nines {
        middle.1 -= 1;
    }
    if middle.0 <= middle.1 {
        let any = nines.replace('9', "[0-9]");
        branches.push(format!("{}{any}", class(middle.0, middle.1)));
    }
    if high != nines {
        branches.push(format!("{}{}", char::from(to), fixed(&zeros, high)));
    }
    format!("{prefix}{}", either(branches))
}

fn class(from: u8, to: u8) -> String {
    match from == to {
        true => char::from(from).to_string(),
        false => format!("[{}-{}]", char::from(from), char::from(to)),
    }
}

fn either(branches: Vec<String>) -> String {
    match branches.len() {
        1 => branches.concat(),
        _ => format!("(?:{})", branches.join("|")),
    }
}

/// What decimals from `least` to `greatest` (times 10^scale) match, without superfluous zeros before the point and with
/// up to `scale` places. Where both bounds share their whole part, only the greater one is said.
pub(super) fn decimal(least: i64, greatest: i64, scale: u8) -> String {
    let mut branches = Vec::new();
    if greatest >= 0 {
        branches.push(magnitude(least.max(0).unsigned_abs(), greatest.unsigned_abs(), scale.into()));
    }
    if least < 0 {
        let nearest = greatest.min(0).unsigned_abs();
        branches.push(format!("-{}", magnitude(nearest, least.unsigned_abs(), scale.into())));
    }
    either(branches)
}

fn magnitude(least: u64, greatest: u64, scale: usize) -> String {
    let unit = 10u64.pow(scale as u32);
    let fraction = |value: u64| match scale {
        0 => String::new(),
        _ => format!("{:0scale$}", value % unit).trim_end_matches('0').to_owned(),
    };
    let (first, last) = (least / unit, greatest / unit);
    if first == last {
        return format!("{last}{}", places_up_to(&fraction(greatest), scale));
    }
    let mut branches = vec![format!("{first}{}", places_from(&fraction(least), scale))];
    if first + 1 < last {
        branches.push(format!("{}{}", wholes(first + 1, last - 1), places_from("", scale)));
    }
    branches.push(format!("{last}{}", places_up_to(&fraction(greatest), scale)));
    either(branches)
}

/// Whole numbers of any length from `least` to `greatest`.
fn wholes(least: u64, greatest: u64) -> String {
    let (shortest, longest) = (least.to_string().len(), greatest.to_string().len());
    let branch = |length: usize| {
        let smallest = if length == 1 { 0 } else { 10u64.pow(length as u32 - 1) };
        let largest = 10u64.pow(length as u32) - 1;
        fixed(&least.max(smallest).to_string(), &greatest.min(largest).to_string())
    };
    let mut branches = vec![branch(shortest)];
    if shortest + 1 < longest {
        branches.push(format!("[1-9][0-9]{{{shortest},{}}}", longest - 2));
    }
    if shortest < longest {
        branches.push(branch(longest));
    }
    either(branches)
}

fn up_to(most: usize, digit: &str) -> String {
    match most {
        0 => String::new(),
        _ => format!("{digit}{{0,{most}}}"),
    }
}

/// Fractions that are not less than `least`, which does not end in 0.
fn places_from(least: &str, scale: usize) -> String {
    if scale == 0 {
        return String::new();
    }
    if least.is_empty() {
        return format!("(?:\\.[0-9]{{1,{scale}}})?");
    }
    let mut branches = vec![format!("{least}{}", up_to(scale - least.len(), "[0-9]"))];
    for (position, digit) in least.bytes().enumerate().filter(|(_, digit)| *digit < b'9') {
        let greater = class(digit + 1, b'9');
        branches.push(format!("{}{greater}{}", &least[..position], up_to(scale - position - 1, "[0-9]")));
    }
    format!("\\.{}", either(branches))
}

/// Fractions that are not greater than `greatest`, which does not end in 0.
fn places_up_to(greatest: &str, scale: usize) -> String {
    if scale == 0 {
        return String::new();
    }
    if greatest.is_empty() {
        return format!("(?:\\.0{{1,{scale}}})?");
    }
    let mut branches = vec![format!("{greatest}{}", up_to(scale - greatest.len(), "0"))];
    for (position, digit) in greatest.bytes().enumerate() {
        let shared = &greatest[..position];
        if position > 0 {
            branches.push(shared.to_owned());
        }
        if digit > b'0' {
            let rest = up_to(scale - position - 1, "[0-9]");
            branches.push(format!("{shared}{}{rest}", class(b'0', digit - 1)));
        }
    }
    format!("(?:\\.{})?", either(branches))
}

#[cfg(test)]
mod tests {
    use regex::Regex;

    use super::*;
    use crate::field::date::{MAX_DATE, write_date};
    use crate::field::decimal::write_decimal;

    fn text(write: impl Fn(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn decimals_match_exactly_when_they_are_between() {
        let bounds = [
            (1, 9999),
            (0, 1000),
            (0, 9999),
            (-9999, 9999),
            (100, 9999),
            (105, 9999),
            (-250, 1234),
            (-9999, -1),
            (-300, -50),
            (99, 101),
            (0, 0),
            (-1, 0),
            (1999, 2100),
            (990, 9999),
            (-9999, 5),
            (1, 200),
            (909, 8080),
        ];
        for (least, greatest) in bounds {
            for scale in [0u8, 2, 3] {
                let regex = Regex::new(&format!("^{}$", decimal(least, greatest, scale))).unwrap();
                for value in -9999..=9999i64 {
                    let canonical = text(|out| write_decimal(value, scale, out));
                    let mut forms = vec![canonical.clone()];
                    if scale > 0 {
                        forms.push(canonical.trim_end_matches('0').trim_end_matches('.').to_owned());
                    }
                    for form in forms.iter().filter(|form| !matches!(form.as_str(), "-" | "")) {
                        // Of 0.1 to 0.9 only the 0.9 is said.
                        let unit = 10i64.pow(scale.into());
                        let shared = (least > 0 || greatest < 0) && least / unit == greatest / unit;
                        let inside = (least..=greatest).contains(&value);
                        if shared && !inside {
                            continue;
                        }
                        assert_eq!(regex.is_match(form), inside, "{form} in {least}..{greatest} at {scale}: {regex}");
                    }
                }
            }
        }
    }

    #[test]
    fn dates_match_exactly_when_they_are_between() {
        let bounds =
            [(10_957, MAX_DATE), (0, 19_782), (10_957, 10_957), (-719_162, 0), (19_723, 19_753), (11_016, 11_017)];
        for (least, greatest) in bounds {
            let pattern = fixed(&text(|out| write_date(least, out)), &text(|out| write_date(greatest, out)));
            let regex = Regex::new(&format!("^{pattern}$")).unwrap();
            for day in (-719_162..=MAX_DATE)
                .step_by(97)
                .chain(least - 40..(least + 40).min(MAX_DATE))
                .chain(greatest - 40..MAX_DATE.min(greatest + 40))
            {
                if (-719_162..=MAX_DATE).contains(&day) {
                    let date = text(|out| write_date(day, out));
                    assert_eq!(regex.is_match(&date), (least..=greatest).contains(&day), "{date}: {pattern}");
                }
            }
        }
    }
}
