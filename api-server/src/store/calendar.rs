//! Dates and timestamps as SQLite keeps them: `2024-01-31`, `2024-01-31T12:00:00.000000Z`.
//!
//! Called by [`super::encode`] and [`super::decode`]. Years 0001 to 9999 of the proleptic Gregorian calendar, by
//! Howard Hinnant's `civil_from_days` and `days_from_civil`. Reads only what it writes.

const DAY: i64 = 86_400_000_000;

/// Days since 1970-01-01 as text.
pub(super) fn write_date(days: i32) -> String {
    let days = i64::from(days) + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

/// Microseconds since 1970 as text.
pub(super) fn write_timestamp(micros: i64) -> String {
    // Years 0001 to 9999 have fewer than four million days.
    let date = write_date(micros.div_euclid(DAY) as i32);
    let within = micros.rem_euclid(DAY);
    let (seconds, fraction) = (within / 1_000_000, within % 1_000_000);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{date}T{hour:02}:{minute:02}:{second:02}.{fraction:06}Z")
}

/// Days since 1970-01-01 of a date's text.
pub(super) fn read_date(text: &str) -> Option<i32> {
    let b = text.as_bytes();
    let form = b.len() == 10 && b[4] == b'-' && b[7] == b'-';
    let (year, month, day) = (digits(b.get(..4)?)?, digits(b.get(5..7)?)?, digits(b.get(8..10)?)?);
    if !form || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let shifted = if month > 2 { month - 3 } else { month + 9 };
    let day_of_year = (153 * shifted + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    i32::try_from(era * 146_097 + day_of_era - 719_468).ok()
}

/// Microseconds since 1970 of a timestamp's text.
pub(super) fn read_timestamp(text: &str) -> Option<i64> {
    let days = i64::from(read_date(text.get(..10)?)?);
    let b = text.as_bytes().get(10..)?;
    let form = b.len() == 17 && b[0] == b'T' && b[3] == b':' && b[6] == b':' && b[9] == b'.' && b[16] == b'Z';
    if !form {
        return None;
    }
    let (hour, minute, second) = (digits(&b[1..3])?, digits(&b[4..6])?, digits(&b[7..9])?);
    let in_range = hour < 24 && minute < 60 && second < 60;
    let seconds = (hour * 60 + minute) * 60 + second;
    in_range.then_some(days * DAY + seconds * 1_000_000 + digits(&b[10..16])?)
}

fn digits(bytes: &[u8]) -> Option<i64> {
    bytes.iter().try_fold(0, |n, b| b.is_ascii_digit().then(|| n * 10 + i64::from(b - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for days in (-719_162..=2_932_896).step_by(97).chain([0, -1, 59, 60, 11_016, 2_932_896]) {
            assert_eq!(read_date(&write_date(days)), Some(days), "{}", write_date(days));
        }
        for micros in [0, -1, 1, -62_135_596_800_000_000, 253_402_300_799_999_999, 951_782_400_000_000] {
            assert_eq!(read_timestamp(&write_timestamp(micros)), Some(micros), "{}", write_timestamp(micros));
        }
        assert_eq!(write_timestamp(951_782_399_999_999), "2000-02-28T23:59:59.999999Z");
        assert_eq!(write_date(11_016), "2000-02-29");
    }

    #[test]
    fn other_texts_are_refused() {
        for text in ["", "2024-1-31", "2024-13-01", "2024/01/01", "20240131", "2024-01-3x", "éé24-01-01"] {
            assert_eq!(read_date(text), None, "{text}");
        }
        for text in ["2024-01-31", "2024-01-31T12:00:00Z", "2024-01-31 12:00:00.000000Z", "2024-01-31T25:00:00.000000Z"]
        {
            assert_eq!(read_timestamp(text), None, "{text}");
        }
    }
}
