//! The time of the week in which gated steps may begin, in UTC. Pure.

use k8s_openapi::jiff::Timestamp;
use mainstay_crds::backend::{Weekday, WindowSpec};
use mainstay_crds::duration;

const DAY: i64 = 86_400;
const MINUTE: i64 = 60;

/// How a window stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Window {
    /// Steps may begin.
    Open,
    /// It opens at this second of the Unix time.
    Closed(i64),
    /// What it says is no time.
    Wrong,
}

/// How the window stands now.
pub fn window(spec: &WindowSpec, now: Timestamp) -> Window {
    let (Some(start), Some(length)) = (start(&spec.start), duration::parse(&spec.duration)) else {
        return Window::Wrong;
    };
    let Ok(length) = i64::try_from(length.as_secs()) else { return Window::Wrong };
    let now = now.as_second();
    let today = now.div_euclid(DAY);
    let reach = length / DAY + 1;
    if reach > 366 {
        return Window::Open;
    }
    let opens = |day: i64| (spec.days.is_empty() || spec.days.contains(&weekday(day))).then_some(day * DAY + start);
    if (today - reach..=today).filter_map(opens).any(|opened| opened <= now && now < opened + length) {
        return Window::Open;
    }
    (today..=today + 7).filter_map(opens).find(|opens| *opens > now).map_or(Window::Wrong, Window::Closed)
}

/// Seconds from midnight to `HH:MM`.
fn start(text: &str) -> Option<i64> {
    let (hours, minutes) = text.split_once(':')?;
    let (hours, minutes): (i64, i64) = (hours.parse().ok()?, minutes.parse().ok()?);
    ((0..24).contains(&hours) && (0..60).contains(&minutes)).then_some((hours * 60 + minutes) * MINUTE)
}

/// The day of the week of a day since 1970-01-01, which was a Thursday.
fn weekday(day: i64) -> Weekday {
    match (day + 3).rem_euclid(7) {
        0 => Weekday::Mon,
        1 => Weekday::Tue,
        2 => Weekday::Wed,
        3 => Weekday::Thu,
        4 => Weekday::Fri,
        5 => Weekday::Sat,
        _ => Weekday::Sun,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_opens_and_closes() {
        let cases = [
            // 2026-01-01 is a Thursday.
            ("02:00", "2h", &[][..], "2026-01-01T01:59:59Z", Some("2026-01-01T02:00:00Z")),
            ("02:00", "2h", &[], "2026-01-01T02:00:00Z", None),
            ("02:00", "2h", &[], "2026-01-01T03:59:59Z", None),
            ("02:00", "2h", &[], "2026-01-01T04:00:00Z", Some("2026-01-02T02:00:00Z")),
            ("23:00", "2h", &[], "2026-01-01T00:30:00Z", None),
            ("23:00", "2h", &[Weekday::Wed], "2026-01-01T00:30:00Z", None),
            ("23:00", "2h", &[Weekday::Thu], "2026-01-01T00:30:00Z", Some("2026-01-01T23:00:00Z")),
            ("00:00", "1d", &[Weekday::Sun], "2026-01-01T12:00:00Z", Some("2026-01-04T00:00:00Z")),
            ("00:00", "1h", &[Weekday::Thu], "2026-01-01T12:00:00Z", Some("2026-01-08T00:00:00Z")),
        ];
        for (start, duration, days, now, opens) in cases {
            let spec = WindowSpec { start: start.to_owned(), duration: duration.to_owned(), days: days.to_vec() };
            let expected =
                opens.map_or(Window::Open, |at| Window::Closed(at.parse::<Timestamp>().unwrap().as_second()));
            assert_eq!(window(&spec, now.parse().unwrap()), expected, "{start} {duration} {days:?} {now}");
        }
        for (start, duration) in [("25:00", "2h"), ("2", "2h"), ("02:00", "two"), ("02:-1", "1h")] {
            let spec = WindowSpec { start: start.to_owned(), duration: duration.to_owned(), days: Vec::new() };
            assert_eq!(window(&spec, Timestamp::UNIX_EPOCH), Window::Wrong, "{start} {duration}");
        }
    }
}
