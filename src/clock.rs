//! The only reader of time.
//!
//! Three clocks, for three questions. *Wall* time (UTC) is what people and other hosts read; it steps, and no
//! safety decision between hosts rests on it. *Boot* time (CLOCK_BOOTTIME, clock_gettime(2)) never steps and counts
//! through a suspend: leases and permits use it. *Monotonic* time stops during a suspend: an agent's running time
//! uses it.

use std::fmt;
use std::sync::Mutex;
use std::time::Duration;

use chrono::DateTime;
use chrono::NaiveDate;
use chrono::NaiveDateTime;
use chrono::Timelike as _;
use chrono::Utc;
use serde::Deserialize;
use serde::Serialize;

/// A moment in UTC, to the second, as documents write it: `2026-11-20T06:00:00Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// Why a text is not a moment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a UTC time of the form YYYY-MM-DDThh:mm:ssZ: '{0}'")]
pub struct BadTimestamp(pub String);

impl Timestamp {
    /// Makes a moment from seconds since 1970.
    #[must_use]
    pub const fn from_unix(seconds: i64) -> Self {
        Self(seconds)
    }

    /// Returns seconds since 1970.
    #[must_use]
    pub const fn unix(self) -> i64 {
        self.0
    }

    /// Parses exactly `YYYY-MM-DDThh:mm:ssZ`: no offset, no fraction, no leap second, real calendar dates only.
    ///
    /// # Errors
    /// [`BadTimestamp`] for everything else.
    pub fn parse(text: &str) -> Result<Self, BadTimestamp> {
        let bad = || BadTimestamp(text.chars().take(40).collect());
        let shape = b"dddd-dd-ddTdd:dd:ddZ";
        let fits = |(byte, want): (&u8, &u8)| match want {
            b'd' => byte.is_ascii_digit(),
            other => byte == other,
        };
        if text.len() != shape.len() || !text.as_bytes().iter().zip(shape).all(fits) {
            return Err(bad());
        }
        let number = |range: std::ops::Range<usize>| text[range].parse::<u32>().map_err(|_| bad());
        let year = i32::try_from(number(0..4)?).map_err(|_| bad())?;
        NaiveDate::from_ymd_opt(year, number(5..7)?, number(8..10)?)
            .and_then(|day| {
                let (hour, minute) = (number(11..13).ok()?, number(14..16).ok()?);
                day.and_hms_opt(hour, minute, number(17..19).ok()?)
            })
            .map(|moment: NaiveDateTime| Self(moment.and_utc().timestamp()))
            .ok_or_else(bad)
    }

    /// Returns this moment later by `life`.
    #[must_use]
    pub fn plus(self, life: Duration) -> Self {
        Self(
            self.0
                .saturating_add(i64::try_from(life.as_secs()).unwrap_or(i64::MAX)),
        )
    }

    /// Returns this moment earlier by `life`.
    #[must_use]
    pub fn minus(self, life: Duration) -> Self {
        Self(
            self.0
                .saturating_sub(i64::try_from(life.as_secs()).unwrap_or(i64::MAX)),
        )
    }

    /// Returns how long after `earlier` this is; zero where it is not after.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_secs(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// Returns the day, `YYYY-MM-DD`.
    #[must_use]
    pub fn day(self) -> String {
        self.to_string().chars().take(10).collect()
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match DateTime::<Utc>::from_timestamp(self.0, 0) {
            Some(moment) => write!(out, "{}", moment.format("%Y-%m-%dT%H:%M:%SZ")),
            None => out.write_str("9999-12-31T23:59:59Z"),
        }
    }
}

impl Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// Milliseconds of CLOCK_BOOTTIME: comparable on one host within one boot, nowhere else.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Default,
)]
#[serde(transparent)]
pub struct BootTime(pub u64);

impl BootTime {
    /// Returns how long after `earlier` this is; zero where it is not after.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// Returns this moment later by `time`.
    #[must_use]
    pub fn plus(self, time: Duration) -> Self {
        Self(
            self.0
                .saturating_add(u64::try_from(time.as_millis()).unwrap_or(u64::MAX)),
        )
    }
}

/// Where time comes from. The system's, or a test's.
pub trait Clock: Send + Sync {
    /// Returns UTC now.
    fn wall(&self) -> Timestamp;
    /// Returns milliseconds since 1970, for ids: those made later sort later, also within a second.
    fn unix_ms(&self) -> u64 {
        u64::try_from(self.wall().unix()).unwrap_or(0) * 1000
    }
    /// Returns the minute of the day as the clocks on the walls of this host show it: for what people mean by a time of
    /// day.
    fn local_minute(&self) -> u16 {
        let seconds = self.wall().unix().rem_euclid(24 * 3600);
        u16::try_from(seconds / 60).unwrap_or(0)
    }
    /// Returns time since boot, counting suspends.
    fn boot(&self) -> BootTime;
    /// Returns time since boot, not counting suspends.
    fn monotonic(&self) -> BootTime;
    /// Waits. A simulated clock lets others act meanwhile.
    fn sleep(&self, time: Duration);
}

/// The clocks of this host.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

fn clock_ms(id: nix::time::ClockId) -> BootTime {
    // clock_gettime(2) fails only for a clock that does not exist; then there is no time to tell.
    let spec = nix::time::clock_gettime(id).unwrap_or(nix::sys::time::TimeSpec::new(0, 0));
    let whole = u64::try_from(spec.tv_sec()).unwrap_or(0) * 1000;
    BootTime(whole + u64::try_from(spec.tv_nsec()).unwrap_or(0) / 1_000_000)
}

/// Returns time since boot in nanoseconds, not counting suspends: to measure how long a call took, never to decide.
#[must_use]
pub fn precise() -> Duration {
    // As above: a clock that exists is always readable.
    let spec = nix::time::clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC)
        .unwrap_or(nix::sys::time::TimeSpec::new(0, 0));
    let nanos = u32::try_from(spec.tv_nsec()).unwrap_or(0);
    Duration::new(u64::try_from(spec.tv_sec()).unwrap_or(0), nanos)
}

impl Clock for SystemClock {
    fn wall(&self) -> Timestamp {
        Timestamp(Utc::now().timestamp())
    }

    fn unix_ms(&self) -> u64 {
        u64::try_from(Utc::now().timestamp_millis()).unwrap_or(0)
    }

    fn local_minute(&self) -> u16 {
        let now = chrono::Local::now();
        u16::try_from(now.hour() * 60 + now.minute()).unwrap_or(0)
    }

    fn boot(&self) -> BootTime {
        #[cfg(target_os = "linux")]
        let id = nix::time::ClockId::CLOCK_BOOTTIME;
        // macOS: CLOCK_MONOTONIC counts while asleep (clock_gettime(3) there).
        #[cfg(not(target_os = "linux"))]
        let id = nix::time::ClockId::CLOCK_MONOTONIC;
        clock_ms(id)
    }

    fn monotonic(&self) -> BootTime {
        clock_ms(nix::time::ClockId::CLOCK_MONOTONIC)
    }

    fn sleep(&self, time: Duration) {
        std::thread::sleep(time);
    }
}

/// A clock that moves only when told to; sleeping moves it.
#[derive(Debug)]
pub struct ManualClock {
    now: Mutex<(i64, u64)>,
}

impl ManualClock {
    /// Starts at `wall`, with 1000 s since boot.
    #[must_use]
    pub fn at(wall: Timestamp) -> Self {
        Self {
            now: Mutex::new((wall.unix() * 1000, 1_000_000)),
        }
    }

    /// Moves every clock on.
    pub fn advance(&self, time: Duration) {
        let mut now = self
            .now
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let ms = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        now.0 = now.0.saturating_add_unsigned(ms);
        now.1 = now.1.saturating_add(ms);
    }

    /// Steps the wall clock alone, as an administrator or NTP does.
    pub fn step_wall(&self, to: Timestamp) {
        self.now
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .0 = to.unix() * 1000;
    }
}

impl Clock for ManualClock {
    fn wall(&self) -> Timestamp {
        let now = self
            .now
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        Timestamp(now.0.div_euclid(1000))
    }

    fn boot(&self) -> BootTime {
        BootTime(
            self.now
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner)
                .1,
        )
    }

    fn monotonic(&self) -> BootTime {
        self.boot()
    }

    fn sleep(&self, time: Duration) {
        self.advance(time);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_milliseconds_are_those_of_the_second() {
        let now = || u64::try_from(Utc::now().timestamp_millis()).unwrap();
        let before = now();
        let between = SystemClock.unix_ms();
        assert!((before..=now()).contains(&between));
    }

    #[test]
    fn only_the_one_spelling_of_a_moment_is_read() {
        for good in ["2026-11-20T06:00:00Z", "2024-02-29T23:59:59Z"] {
            assert_eq!(Timestamp::parse(good).unwrap().to_string(), good);
        }
        for bad in [
            "2026-11-20T06:00:60Z",
            "2026-02-30T06:00:00Z",
            "2026-11-20T06:00:00+01:00",
            "2026-11-20T06:00:00.0Z",
            "2026-11-20 06:00:00Z",
            "+026-11-20T06:00:00Z",
            "",
        ] {
            assert!(Timestamp::parse(bad).is_err(), "{bad}");
        }
    }
}
