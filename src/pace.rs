//! How long to wait until the next look at the share: soon after work, then slower and slower.
//!
//! Pure: the time since the last sign of work goes in, a pause comes out. Whoever waits for something on the share
//! paces himself by this: the watcher for tasks, a sender for outcomes. The bound that is in force is a promise
//! (heartbeats tell it), so chance only ever shortens a pause, by up to a quarter, lest a hundred nodes look in step.

use std::time::Duration;

use crate::chance::Chance;
use crate::clock::BootTime;
use crate::limits;

/// How long after a sign of work looks follow one another as fast as they may.
const ALERT: Duration = Duration::from_secs(10);
/// After this long without any sign of work the longest pause is in force.
const RESTING: Duration = Duration::from_secs(600);

/// The pauses of somebody who looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rhythm {
    /// While there is work.
    pub busy: Duration,
    /// When there has been none for some seconds; never shorter than `busy`.
    pub idle: Duration,
    /// When there has been none for ten minutes; never shorter than `idle`.
    pub rest: Duration,
}

impl Rhythm {
    /// Returns the rhythm of somebody who waits for one thing and does not rest: he watches more closely than a node
    /// without work, since a person waits behind him.
    #[must_use]
    pub fn of_a_wait(self) -> Self {
        let idle = self.idle.min(limits::HALT_LOOK).max(self.busy);
        Self {
            busy: self.busy,
            idle,
            rest: self.idle.max(idle),
        }
    }

    /// Returns the longest pause after being without a sign of work for this long. Growing by half of the time that
    /// went by makes each pause half as long again as the one before.
    #[must_use]
    pub fn after(&self, quiet: Duration) -> Duration {
        if quiet >= RESTING {
            return self.rest.max(self.idle).max(self.busy);
        }
        let grown = self.busy + quiet.saturating_sub(ALERT) / 2;
        grown.min(self.idle.max(self.busy))
    }

    /// Returns the longest pause while the share has been failing for this long.
    fn failing(&self, lost: Duration) -> Duration {
        let slowest = limits::LOST_LOOK.max(self.rest);
        (self.busy + lost / 2).min(slowest)
    }
}

/// Where somebody who looks is in his rhythm.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    rhythm: Rhythm,
    stirred: BootTime,
    lost: Option<BootTime>,
}

impl Pace {
    /// Begins as after work.
    #[must_use]
    pub const fn new(rhythm: Rhythm, now: BootTime) -> Self {
        Self {
            rhythm,
            stirred: now,
            lost: None,
        }
    }

    /// Notes a sign of work: something moved, something changed, or a local writer was heard.
    pub const fn stir(&mut self, now: BootTime) {
        self.stirred = now;
    }

    /// Notes whether the share fails. When it answers again, that is a sign of work.
    pub fn lose(&mut self, is_lost: bool, now: BootTime) {
        match (self.lost, is_lost) {
            (None, true) => self.lost = Some(now),
            (Some(_), false) => {
                self.lost = None;
                self.stirred = now;
            }
            _ => {}
        }
    }

    /// Returns the longest pause that is in force at `now`, for somebody under whom something runs or not: what runs is
    /// looked after as often as the killswitch demands.
    #[must_use]
    pub fn bound(&self, now: BootTime, runs: bool) -> Duration {
        let pause = match self.lost {
            Some(since) => self.rhythm.failing(now.since(since)),
            None => self.rhythm.after(now.since(self.stirred)),
        };
        if runs {
            pause.min(limits::HALT_LOOK)
        } else {
            pause
        }
    }

    /// Returns the pause until the next look: the bound, less up to a quarter of it.
    #[must_use]
    pub fn next(&self, now: BootTime, runs: bool, chance: &dyn Chance) -> Duration {
        let bound = self.bound(now, runs);
        // 0 to 255 of 1024.
        let part = u32::try_from(chance.bits() % 256).unwrap_or(0);
        (bound - bound * part / 1024).max(limits::POLL_MIN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chance::SeededChance;
    use crate::clock::Clock as _;
    use crate::clock::ManualClock;
    use crate::clock::Timestamp;

    const RHYTHM: Rhythm = Rhythm {
        busy: Duration::from_millis(500),
        idle: Duration::from_secs(5),
        rest: Duration::from_secs(15),
    };

    fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn pauses_are_short_after_work_then_half_as_long_again_then_long() {
        assert_eq!(RHYTHM.after(secs(0)), RHYTHM.busy);
        assert_eq!(RHYTHM.after(secs(10)), RHYTHM.busy);
        let (mut quiet, mut last) = (secs(10), RHYTHM.busy);
        loop {
            quiet += last;
            let next = RHYTHM.after(quiet);
            if next == RHYTHM.idle {
                break;
            }
            assert_eq!(next, last * 3 / 2);
            last = next;
        }
        assert_eq!(RHYTHM.after(secs(599)), RHYTHM.idle);
        assert_eq!(RHYTHM.after(secs(600)), RHYTHM.rest);
    }

    #[test]
    fn a_sign_of_work_snaps_back() {
        let clock = ManualClock::at(Timestamp::from_unix(0));
        let mut pace = Pace::new(RHYTHM, clock.boot());
        clock.advance(secs(3600));
        assert_eq!(pace.bound(clock.boot(), false), RHYTHM.rest);
        pace.stir(clock.boot());
        assert_eq!(pace.bound(clock.boot(), false), RHYTHM.busy);
    }

    #[test]
    fn what_runs_is_looked_after_whatever_the_rhythm() {
        let slow = Rhythm {
            busy: secs(60),
            idle: secs(60),
            rest: secs(60),
        };
        let clock = ManualClock::at(Timestamp::from_unix(0));
        let mut pace = Pace::new(slow, clock.boot());
        assert_eq!(pace.bound(clock.boot(), true), limits::HALT_LOOK);
        pace.lose(true, clock.boot());
        clock.advance(secs(3600));
        assert_eq!(pace.bound(clock.boot(), true), limits::HALT_LOOK);
    }

    #[test]
    fn a_share_that_fails_is_asked_less_and_less_and_its_return_is_news() {
        let clock = ManualClock::at(Timestamp::from_unix(0));
        let mut pace = Pace::new(RHYTHM, clock.boot());
        pace.lose(true, clock.boot());
        assert_eq!(pace.bound(clock.boot(), false), RHYTHM.busy);
        clock.advance(secs(20));
        pace.lose(true, clock.boot());
        assert_eq!(pace.bound(clock.boot(), false), RHYTHM.busy + secs(10));
        clock.advance(secs(600));
        assert_eq!(pace.bound(clock.boot(), false), limits::LOST_LOOK);
        pace.lose(false, clock.boot());
        assert_eq!(pace.bound(clock.boot(), false), RHYTHM.busy);
    }

    #[test]
    fn chance_only_shortens_and_by_a_quarter_at_most() {
        let (clock, chance) = (
            ManualClock::at(Timestamp::from_unix(0)),
            SeededChance::new(7),
        );
        let pace = Pace::new(RHYTHM, clock.boot());
        clock.advance(secs(3600));
        let pauses: Vec<Duration> = (0..1000)
            .map(|_| pace.next(clock.boot(), false, &chance))
            .collect();
        assert!(pauses.iter().all(|pause| *pause <= RHYTHM.rest));
        assert!(pauses.iter().all(|pause| *pause >= RHYTHM.rest * 3 / 4));
        let (least, most) = (pauses.iter().min().unwrap(), pauses.iter().max().unwrap());
        assert!(
            *most - *least > secs(3),
            "they are spread: {least:?} {most:?}"
        );
    }

    #[test]
    fn who_waits_for_one_thing_looks_more_closely() {
        let waiting = RHYTHM.of_a_wait();
        assert_eq!(waiting.after(secs(60)), secs(2));
        assert_eq!(waiting.after(secs(3600)), RHYTHM.idle);
        let slow = Rhythm {
            busy: secs(4),
            ..RHYTHM
        };
        assert_eq!(slow.of_a_wait().after(secs(60)), secs(4));
    }
}
