//! Durations as people write them in specs: `250ms`, `5s`, `2m`, `1h`, `30d`.
//!
//! Called by the operator. One number and one unit, as in the server's own settings, and days.

use std::time::Duration;

/// The pattern that custom resources ask for, some decades long at most. What matches it is parsed.
pub const PATTERN: &str = "^([0-9]{1,12}ms|[0-9]{1,9}s|[0-9]{1,7}m|[0-9]{1,5}h|[0-9]{1,4}d)$";

/// The duration that a text says; `None` when it is none, or longer than 100 years.
pub fn parse(text: &str) -> Option<Duration> {
    let end = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(end);
    let number: u64 = number.parse().ok()?;
    let unit = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    number.checked_mul(unit).filter(|millis| *millis <= 3_155_760_000_000).map(Duration::from_millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_custom_resource_may_say_is_parsed() {
        let pattern = regex::Regex::new(PATTERN).unwrap();
        for (unit, digits) in [("ms", 12), ("s", 9), ("m", 7), ("h", 5), ("d", 4)] {
            let (longest, longer) =
                (format!("{}{unit}", "9".repeat(digits)), format!("{}{unit}", "9".repeat(digits + 1)));
            assert!(pattern.is_match(&longest) && parse(&longest).is_some(), "{longest}");
            assert!(!pattern.is_match(&longer), "{longer}");
            assert!(pattern.is_match(&format!("0{unit}")));
        }
        for text in ["", "5", "s", "-5s", "1.5h", "5 s", "1h30m", "5w"] {
            assert!(!pattern.is_match(text), "{text}");
        }
    }

    #[test]
    fn one_number_and_one_unit() {
        for (text, seconds) in [("1500ms", 1.5), ("5s", 5.0), ("2m", 120.0), ("1h", 3600.0), ("30d", 2_592_000.0)] {
            assert_eq!(parse(text), Some(Duration::from_secs_f64(seconds)), "{text}");
        }
        for text in ["", "5", "s", "-5s", "1.5h", "5 s", "1h30m", "5w", "99999999999999999999s", "36526d"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
