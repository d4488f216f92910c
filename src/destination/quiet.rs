//! Quiet hours: a part of each day, by the local time of the host.

use std::fmt;
use std::str::FromStr;

/// Minutes of a day.
const DAY: u16 = 24 * 60;

/// From one time of day until another; past midnight where the second is the earlier one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quiet {
    from: u16,
    until: u16,
}

/// Why a text is not a part of a day.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a part of a day such as \"22:00-07:00\"")]
pub struct BadQuiet(pub String);

impl Quiet {
    /// Returns whether a minute of the day lies in it.
    #[must_use]
    pub const fn holds(self, minute: u16) -> bool {
        let minute = minute % DAY;
        if self.from <= self.until {
            self.from <= minute && minute < self.until
        } else {
            minute >= self.from || minute < self.until
        }
    }
}

impl FromStr for Quiet {
    type Err = BadQuiet;
    fn from_str(text: &str) -> Result<Self, BadQuiet> {
        let time = |text: &str| {
            let (hour, minute) = text.split_once(':')?;
            let number = |text: &str| {
                let digits = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
                text.parse::<u16>().ok().filter(|_| digits)
            };
            let (hour, minute) = (number(hour)?, number(minute)?);
            (hour < 24 && minute < 60).then_some(hour * 60 + minute)
        };
        let parse = || {
            let (from, until) = text.split_once('-')?;
            let (from, until) = (time(from)?, time(until)?);
            (from != until).then_some(Self { from, until })
        };
        parse().ok_or_else(|| BadQuiet(crate::escape::excerpt(text, 40)))
    }
}

impl fmt::Display for Quiet {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { from, until } = self;
        let (h, m, to_h, to_m) = (from / 60, from % 60, until / 60, until % 60);
        write!(out, "{h:02}:{m:02}-{to_h:02}:{to_m:02}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_night_goes_past_midnight() {
        let night: Quiet = "22:00-07:30".parse().unwrap();
        assert_eq!(night.to_string(), "22:00-07:30");
        for (minute, quiet) in [
            (21 * 60 + 59, false),
            (22 * 60, true),
            (0, true),
            (7 * 60 + 29, true),
            (7 * 60 + 30, false),
            (12 * 60, false),
        ] {
            assert_eq!(night.holds(minute), quiet, "{minute}");
        }
        let noon: Quiet = "12:00-13:00".parse().unwrap();
        assert!(noon.holds(12 * 60) && !noon.holds(13 * 60) && !noon.holds(0));
    }

    #[test]
    fn only_a_part_of_a_day_is_read() {
        for bad in [
            "",
            "22-7",
            "22:00",
            "24:00-07:00",
            "22:60-07:00",
            "07:00-07:00",
            "+1:00-02:00",
        ] {
            assert!(bad.parse::<Quiet>().is_err(), "{bad}");
        }
    }
}
