//! Quantities as the API server stores them: `0.5` is `500m`, `1024Mi` is `1Gi`.
//!
//! Called by the planners, so that what they plan equals what was stored and nothing is applied again. Judges nothing:
//! a text that is no quantity stays as it is, and the API server says what is wrong with it.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

/// How the suffix was written; the stored text keeps the family.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Format {
    /// Ki, Mi, Gi, Ti, Pi, Ei.
    Binary,
    /// n, u, m, none, k, M, G, T, P, E.
    Decimal,
    /// e3, E-6.
    Exponent,
}

const BINARY: [&str; 7] = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
const DECIMAL: [(&str, i32); 10] =
    [("n", -9), ("u", -6), ("m", -3), ("", 0), ("k", 3), ("M", 6), ("G", 9), ("T", 12), ("P", 15), ("E", 18)];

/// Nothing is finer than this power of ten.
const NANO: i32 = -9;

/// Where binary quantities end, in nanos.
const LARGEST: i128 = i64::MAX as i128 * 1_000_000_000;

/// The text of one quantity, such as a metric's target.
pub fn canonical(text: &str) -> String {
    stored(text, 1)
}

/// Quantities of resources by name: the API server rounds these up to thousandths.
pub fn resources(quantities: &BTreeMap<String, String>) -> Json {
    quantities.iter().map(|(name, quantity)| (name.clone(), json!(stored(quantity, 1_000_000)))).collect()
}

/// The text, after rounding up to a multiple of `part` nanos.
fn stored(text: &str, part: i128) -> String {
    let amount = parse(text).map(|(nanos, format)| (round_up(nanos, part) * part, format));
    amount.and_then(|(nanos, format)| write(nanos, format)).unwrap_or_else(|| text.to_owned())
}

/// How many parts there are, a broken one counted whole.
fn round_up(nanos: i128, part: i128) -> i128 {
    nanos / part + nanos.signum() * i128::from(nanos % part != 0)
}

/// The amount in nanos, rounded away from zero.
fn parse(text: &str) -> Option<(i128, Format)> {
    let text = text.trim();
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let end = unsigned.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(unsigned.len());
    let (number, suffix) = unsigned.split_at(end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if fraction.contains('.') || (whole.is_empty() && fraction.is_empty()) {
        return None;
    }
    let digits: i128 = format!("0{whole}{fraction}").parse().ok()?;
    let places = i32::try_from(fraction.len()).ok()?;
    let (factor, power, format) = suffix_of(suffix)?;
    let exact = digits.checked_mul(factor)?;
    let scale = power.checked_sub(places)?.checked_sub(NANO)?;
    let nanos = match scale {
        0.. => exact.checked_mul(ten_to(scale)?)?,
        _ => round_up(exact, ten_to(-scale)?),
    };
    let nanos = if format == Format::Binary { nanos.min(LARGEST) } else { nanos };
    Some((if text.starts_with('-') { -nanos } else { nanos }, format))
}

/// What a suffix multiplies by: an integer and a power of ten.
fn suffix_of(suffix: &str) -> Option<(i128, i32, Format)> {
    if let Some((_, power)) = DECIMAL.iter().find(|(name, _)| *name == suffix) {
        return Some((1, *power, Format::Decimal));
    }
    if let Some(step) = BINARY.iter().position(|name| *name == suffix) {
        return Some((1 << (10 * step), 0, Format::Binary));
    }
    let power = suffix.strip_prefix(['e', 'E'])?;
    Some((1, power.parse().ok()?, Format::Exponent))
}

fn ten_to(power: i32) -> Option<i128> {
    10_i128.checked_pow(u32::try_from(power).ok()?)
}

/// The shortest text of the family, without a fraction. `None` when no suffix is large enough.
fn write(nanos: i128, format: Format) -> Option<String> {
    if nanos == 0 {
        return Some("0".to_owned());
    }
    let one = ten_to(-NANO)?;
    if format == Format::Binary && nanos % one == 0 && (nanos / one).abs() >= 1024 {
        let (mut amount, mut step) = (nanos / one, 0);
        while amount % 1024 == 0 && step + 1 < BINARY.len() {
            (amount, step) = (amount / 1024, step + 1);
        }
        return Some(format!("{amount}{}", BINARY[step]));
    }
    let (mut amount, mut power) = (nanos, NANO);
    while amount % 1000 == 0 {
        (amount, power) = (amount / 1000, power + 3);
    }
    match format {
        Format::Exponent if power == 0 => Some(amount.to_string()),
        Format::Exponent => Some(format!("{amount}e{power}")),
        _ => DECIMAL.iter().find(|(_, known)| *known == power).map(|(name, _)| format!("{amount}{name}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Left as written; right as an API server 1.34 stores it, or at least takes it and leaves it so.
    #[test]
    fn texts_are_as_the_api_server_stores_them() {
        let cases = [
            ("0.5", "500m"),
            ("1024Mi", "1Gi"),
            ("1000m", "1"),
            ("100m", "100m"),
            ("1", "1"),
            ("0", "0"),
            ("0Mi", "0"),
            ("1.5Gi", "1536Mi"),
            ("1000Mi", "1000Mi"),
            ("1000M", "1G"),
            ("1024", "1024"),
            ("512Ki", "512Ki"),
            ("1500k", "1500k"),
            ("0.1", "100m"),
            (".5", "500m"),
            ("1.", "1"),
            ("+2", "2"),
            ("1e3", "1e3"),
            ("1E3", "1e3"),
            ("1000e3", "1e6"),
            ("12e2", "1200"),
            ("100e-3", "100e-3"),
            ("1E", "1E"),
            ("0.5Ki", "512"),
            ("0.5Mi", "512Ki"),
            ("2048Ki", "2Mi"),
            ("0.1Ki", "102400m"),
            ("1.0001Gi", "1073849198182400u"),
            ("500u", "500u"),
            ("1n", "1n"),
            ("0.1n", "1n"),
            ("007", "7"),
            ("128974848", "128974848"),
            ("129e6", "129e6"),
            ("123Mi", "123Mi"),
            ("16Ei", "9223372036854775807"),
            ("8388608Ti", "9223372036854775807"),
        ];
        for (text, stored) in cases {
            assert_eq!(canonical(text), stored, "{text}");
            assert_eq!(canonical(stored), stored, "{text}, again");
        }
    }

    #[test]
    fn resources_have_no_more_than_three_places() {
        let cases = [("500u", "1m"), ("1n", "1m"), ("1.0001Gi", "1073849198183m"), ("0.5", "500m"), ("-1n", "-1m")];
        for (text, stored) in cases {
            let map = BTreeMap::from([("cpu".to_owned(), text.to_owned())]);
            assert_eq!(resources(&map), json!({ "cpu": stored }), "{text}");
        }
    }

    #[test]
    fn what_is_no_quantity_stays() {
        for text in
            ["", "m", "1.2.3", "1 Gi", "1gi", "1e", "1e1.5", "--1", "1e999", "9999999999999999999999999999999999"]
        {
            assert_eq!(canonical(text), text);
        }
    }
}
