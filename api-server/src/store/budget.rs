//! How long a body may use its connection, and when PostgreSQL has to be told that less is left than its session allows.
//!
//! Kept by [`super::conn::Conn`], asked before each statement. Decides, and sends nothing. To tell it for each statement would
//! be a round trip each: it is told when an eighth of the whole has passed since, which is how much too late the last
//! statement of a request may end.

use std::time::{Duration, Instant};

/// The time of one body.
#[derive(Debug)]
pub(super) struct Budget {
    deadline: Instant,
    /// What a session allows a statement when it is opened.
    longest: Duration,
    /// What it allows now; none is not known.
    allowed: Option<Duration>,
}

impl Budget {
    pub(super) fn new(deadline: Instant, longest: Duration) -> Budget {
        Budget { deadline, longest, allowed: Some(longest) }
    }

    /// For the next body on the same session. What the one before has set may have been rolled back.
    pub(super) fn again(self, deadline: Instant) -> Budget {
        Budget { deadline, allowed: self.allowed.filter(|allowed| *allowed == self.longest), ..self }
    }

    /// What was set may not hold any more.
    pub(super) fn forget(&mut self) {
        self.allowed = self.allowed.filter(|allowed| *allowed == self.longest);
    }

    /// What the session has to be told to allow again, where it allows less.
    pub(super) fn narrowed(self) -> Option<Duration> {
        (self.allowed != Some(self.longest)).then_some(self.longest)
    }

    /// When it is over.
    pub(super) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Before a statement: none when it is over; else what the session has to be told to allow, where that has changed.
    pub(super) fn next(&mut self, now: Instant) -> Option<Option<Duration>> {
        let left = self.deadline.checked_duration_since(now).filter(|left| !left.is_zero())?.min(self.longest);
        let near = self.longest / 8;
        if self.allowed.is_some_and(|allowed| allowed <= left + near && left <= allowed + near) {
            return Some(None);
        }
        // What is all but whole is whole, so that the next body finds it so.
        let wanted = if left + near >= self.longest { self.longest } else { left };
        self.allowed = Some(wanted);
        Some(Some(wanted))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONGEST: Duration = Duration::from_millis(800);

    fn at(start: Instant, millis: u64) -> Instant {
        start + Duration::from_millis(millis)
    }

    fn told(millis: u64) -> Option<Option<Duration>> {
        Some(Some(Duration::from_millis(millis)))
    }

    #[test]
    fn a_session_is_told_when_an_eighth_has_passed() {
        let start = Instant::now();
        let mut budget = Budget::new(start + LONGEST, LONGEST);
        for (millis, expected) in [
            (0, Some(None)),
            (100, Some(None)),
            (101, told(699)),
            (150, Some(None)),
            (400, told(400)),
            (799, told(1)),
            (800, None),
            (900, None),
        ] {
            assert_eq!(budget.next(at(start, millis)), expected, "after {millis} ms");
        }
    }

    #[test]
    fn the_next_body_has_all_of_its_time() {
        let start = Instant::now();
        let mut budget = Budget::new(start + LONGEST, LONGEST);
        assert_eq!(budget.next(at(start, 10)), Some(None));
        let mut budget = budget.again(at(start, 20) + LONGEST);
        assert_eq!(budget.next(at(start, 20)), Some(None), "nothing was set");
        assert_eq!(budget.next(at(start, 420)), told(400));
        let mut budget = budget.again(at(start, 500) + LONGEST);
        assert_eq!(budget.next(at(start, 505)), told(800), "what is all but whole is whole");
        let mut budget = budget.again(at(start, 600) + LONGEST);
        assert_eq!(budget.next(at(start, 605)), Some(None));
    }

    #[test]
    fn what_was_rolled_back_is_told_again() {
        let start = Instant::now();
        let mut budget = Budget::new(start + LONGEST, LONGEST);
        budget.forget();
        assert_eq!(budget.next(start), Some(None), "nothing was set");
        assert_eq!(budget.next(at(start, 400)), told(400));
        budget.forget();
        assert_eq!(budget.next(at(start, 410)), told(390));
    }
}
