//! `date`, and the calendar that `timestamp` and the SQL texts share.
//!
//! Held as days since 1970-01-01 in the proleptic Gregorian calendar, years 0001 to 9999. The two conversions are
//! `days_from_civil` and `civil_from_days` of Howard Hinnant's "chrono-Compatible Low-Level Date Algorithms".

use serde_json::{Value as Json, json};

use super::{FieldKind, Kind, KindRow, ORDERED, bounds, range, string, write_null, write_quoted};
use crate::collection::FieldSpec;
use crate::filter::Op;
use crate::problem::Problems;
use crate::sql::ColumnType;
use crate::value::Value;

/// The row in the table of kinds.
pub const ROW: KindRow = KindRow { name: "date", options: &["minimum", "maximum"], build };

/// 0001-01-01.
pub const MIN_DATE: i32 = -719_162;
/// 9999-12-31.
pub const MAX_DATE: i32 = 2_932_896;

/// The form of a date, years 0001 to 9999: the published pattern without anchors. Which day a month has, a pattern does not say.
pub const PATTERN: &str =
    concat!("(?:[1-9][0-9]{3}|0[1-9][0-9]{2}|00[1-9][0-9]|000[1-9])", "-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])");
const RULE: &str = "must be a date such as 2024-01-31, years 0001 to 9999";

/// A `date` field.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Date {
    /// The first day, in days since 1970-01-01.
    pub minimum: Option<i32>,
    /// The last day, in days since 1970-01-01.
    pub maximum: Option<i32>,
}

fn build(spec: &FieldSpec, problems: &mut Problems) -> Option<Kind> {
    let before = problems.len();
    let (minimum, maximum) = bounds::read(spec, problems, date);
    (problems.len() == before).then_some(Kind::Date(Date { minimum, maximum }))
}

fn date(json: &Json, problems: &mut Problems) -> Option<i32> {
    read(string("a string that holds a date", json, problems)?, problems)
}

fn read(text: &str, problems: &mut Problems) -> Option<i32> {
    let days = parse_date(text);
    if days.is_none() {
        problems.add("malformed", RULE);
    }
    days
}

/// Days since 1970-01-01 of a text such as `2024-01-31`; `None` for another form, a day that is not, and the year 0000.
pub fn parse_date(text: &str) -> Option<i32> {
    let bytes = text.as_bytes();
    if bytes.len() != 10 || bytes[4] != b'-' || bytes[7] != b'-' {
        return None;
    }
    let (year, month, day) = (digits(&bytes[..4])?, digits(&bytes[5..7])?, digits(&bytes[8..])?);
    let exists = year >= 1 && (1..=12).contains(&month) && (1..=days_in_month(year, month)).contains(&day);
    exists.then(|| days_from_civil(year, month, day))
}

/// Appends the day as `2024-01-31`. Days outside the years 0001 to 9999 are written as the nearest one inside.
pub fn write_date(days: i32, out: &mut Vec<u8>) {
    let (year, month, day) = civil_from_days(days.clamp(MIN_DATE, MAX_DATE));
    write_two(year / 100, out);
    write_two(year % 100, out);
    out.push(b'-');
    write_two(month, out);
    out.push(b'-');
    write_two(day, out);
}

/// The number that ASCII digits say; `None` when there is another byte.
pub(super) fn digits(bytes: &[u8]) -> Option<i32> {
    bytes.iter().try_fold(0, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + i32::from(byte - b'0')))
}

/// Appends a number below 100 as two digits.
pub(super) fn write_two(number: i32, out: &mut Vec<u8>) {
    out.extend_from_slice(&[b'0' + (number / 10) as u8, b'0' + (number % 10) as u8]);
}

fn days_in_month(year: i32, month: i32) -> i32 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01 of a day that exists.
fn days_from_civil(year: i32, month: i32, day: i32) -> i32 {
    // The year begins in March, so that the leap day is its last.
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// Year, month and day of days since 1970-01-01.
fn civil_from_days(days: i32) -> (i32, i32, i32) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year_of_era + era * 400 + i32::from(month <= 2), month, day)
}

impl FieldKind for Date {
    fn name(&self) -> &'static str {
        ROW.name
    }

    fn column(&self) -> ColumnType {
        ColumnType::Date
    }

    fn operators(&self) -> &'static [Op] {
        ORDERED
    }

    fn sortable(&self) -> bool {
        true
    }

    fn key_bytes(&self) -> Option<usize> {
        Some(10)
    }

    fn parse(&self, json: &Json, problems: &mut Problems) -> Option<Value<'static>> {
        let days = date(json, problems)?;
        let before = problems.len();
        bounds::judge(days, (self.minimum, self.maximum), problems, write_date);
        (problems.len() == before).then_some(Value::Date(days))
    }

    fn parse_parameter(&self, text: &str, problems: &mut Problems) -> Option<Value<'static>> {
        read(text, problems).map(Value::Date)
    }

    fn write_json(&self, value: &Value<'_>, out: &mut Vec<u8>) {
        match value {
            Value::Date(days) => write_quoted(out, |out| write_date(*days, out)),
            _ => write_null(out),
        }
    }

    fn json_schema(&self) -> Json {
        let text = |days: i32| {
            let mut out = Vec::new();
            write_date(days, &mut out);
            String::from_utf8_lossy(&out).into_owned()
        };
        let pattern = match (self.minimum, self.maximum) {
            (None, None) => PATTERN.to_owned(),
            (least, greatest) => range::fixed(&text(least.unwrap_or(MIN_DATE)), &text(greatest.unwrap_or(MAX_DATE))),
        };
        json!({ "type": "string", "format": "date", "pattern": format!("^{pattern}$") })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(days: i32) -> String {
        let mut out = Vec::new();
        write_date(days, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn known_days() {
        let cases = [
            ("0001-01-01", MIN_DATE),
            ("0004-02-29", -718_008),
            ("1582-10-15", -141_427),
            ("1600-02-29", -135_081),
            ("1900-02-28", -25_509),
            ("1900-03-01", -25_508),
            ("1969-12-31", -1),
            ("1970-01-01", 0),
            ("2000-02-29", 11_016),
            ("2000-03-01", 11_017),
            ("2024-02-29", 19_782),
            ("2038-01-19", 24_855),
            ("9999-12-31", MAX_DATE),
        ];
        for (date, days) in cases {
            assert_eq!(parse_date(date), Some(days), "{date}");
            assert_eq!(text(days), date);
        }
    }

    #[test]
    fn every_day_is_the_day_after_the_one_before() {
        let (mut year, mut month, mut day) = (1, 1, 1);
        for days in MIN_DATE..=MAX_DATE {
            assert_eq!(civil_from_days(days), (year, month, day));
            assert_eq!(days_from_civil(year, month, day), days);
            day += 1;
            if day > days_in_month(year, month) {
                (month, day) = (month + 1, 1);
            }
            if month > 12 {
                (year, month) = (year + 1, 1);
            }
        }
        assert_eq!((year, month, day), (10_000, 1, 1));
    }
}
