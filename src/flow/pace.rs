//! How closely starts may follow one another.
//!
//! Two executors that begin at once on a busy host take each other's time, and both find their permits over; tried
//! again together they would do so for ever (measured on a host with one processor). So after a start that came too
//! late they go one by one for a while. Decides nothing else; a crash forgets it.

use std::time::Duration;

use crate::clock::BootTime;
use crate::limits;

/// When the last start was made, and when the last one came too late.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Pace {
    started: Option<BootTime>,
    late: Option<BootTime>,
}

impl Pace {
    /// Notes a start.
    pub(crate) fn started(&mut self, now: BootTime) {
        self.started = Some(now);
    }

    /// Notes that one came too late.
    pub(crate) fn late(&mut self, now: BootTime) {
        self.late = Some(now);
    }

    /// Returns whether another start may be made now.
    pub(crate) fn may_start(&self, now: BootTime) -> bool {
        let is_within = |moment: Option<BootTime>, span: Duration| {
            moment.is_some_and(|moment| now.since(moment) < span)
        };
        !is_within(self.late, limits::LATE_CARE) || !is_within(self.started, limits::LATE_APART)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn starts_go_one_by_one_for_a_while_after_one_came_too_late() {
        let at = |ms| {
            BootTime::default()
                .plus(Duration::from_secs(1000))
                .plus(Duration::from_millis(ms))
        };
        let mut pace = Pace::default();
        pace.started(at(0));
        assert!(pace.may_start(at(0)), "nothing was late");
        pace.late(at(0));
        assert!(!pace.may_start(at(499)));
        assert!(pace.may_start(at(500)));
        pace.started(at(4_900));
        assert!(!pace.may_start(at(4_999)));
        assert!(pace.may_start(at(5_000)), "it is long ago");
    }
}
