//! Quantities as people write them: `"90s"`, `"2MB"`, `"60/h"`, `"1.50"`. Each has one meaning and is shown the way it
//! is read, so that what a program prints can be pasted back.
//!
//! A number without its unit is refused: 600 of what is a question, not a setting.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// Why a text is not a quantity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{}' is not {what}", crate::escape::excerpt(.text, 40))]
pub struct BadQuantity {
    /// The text as given; shown escaped.
    pub text: String,
    /// What it was to be, with examples.
    pub what: &'static str,
}

/// What a duration looks like.
pub const DURATION: &str = "a duration such as \"500ms\", \"90s\", \"10m\", \"2h\" or \"7d\"";
/// What a size looks like.
pub const SIZE: &str = "a size such as \"64KiB\", \"2MB\" or \"1GB\"";
/// What an amount of money looks like.
pub const MONEY: &str = "an amount such as \"1.50\", with at most six decimals";
/// What a rate looks like.
pub const RATE: &str = "a rate such as \"10/m\", \"60/h\" or \"500/d\"";

const TIMES: [(&str, u64); 5] = [
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1000),
    ("ms", 1),
];

const SIZES: [(&str, u64); 7] = [
    ("GiB", 1 << 30),
    ("GB", 1_000_000_000),
    ("MiB", 1 << 20),
    ("MB", 1_000_000),
    ("KiB", 1 << 10),
    ("KB", 1000),
    ("B", 1),
];

/// Splits `12ab` and multiplies by the unit; digits first, no sign, no fraction, no space, no overflow.
fn scaled(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let (_, factor) = units.iter().find(|(name, _)| *name == unit)?;
    number.parse::<u64>().ok()?.checked_mul(*factor)
}

/// Shows a number in the largest unit that divides it.
fn unscaled(number: u64, units: &[(&str, u64)], smallest: &str) -> String {
    units
        .iter()
        .find(|(_, factor)| number != 0 && number.is_multiple_of(*factor))
        .map_or_else(
            || format!("{number}{smallest}"),
            |(name, factor)| format!("{}{name}", number / factor),
        )
}

/// Parses a duration.
///
/// # Errors
/// [`BadQuantity`] for everything but digits and one unit.
pub fn duration(text: &str) -> Result<Duration, BadQuantity> {
    scaled(text, &TIMES)
        .map(Duration::from_millis)
        .ok_or_else(|| bad(text, DURATION))
}

/// Shows a duration as [`duration`] reads it; what is below a millisecond is dropped.
#[must_use]
pub fn show_duration(time: Duration) -> String {
    unscaled(
        u64::try_from(time.as_millis()).unwrap_or(u64::MAX),
        &TIMES,
        "s",
    )
}

/// Parses a size in bytes.
///
/// # Errors
/// [`BadQuantity`] for everything but digits and one unit.
pub fn size(text: &str) -> Result<u64, BadQuantity> {
    scaled(text, &SIZES).ok_or_else(|| bad(text, SIZE))
}

/// Returns a size as people read it, rounded: `41.3 GiB`.
#[must_use]
pub fn about_size(bytes: u64) -> String {
    const STEPS: [(u64, &str); 4] = [
        (1 << 40, "TiB"),
        (1 << 30, "GiB"),
        (1 << 20, "MiB"),
        (1 << 10, "KiB"),
    ];
    let step = STEPS.iter().find(|(size, _)| bytes >= *size);
    step.map_or_else(
        || format!("{bytes} bytes"),
        |(size, unit)| {
            let tenths = u128::from(bytes) * 10 / u128::from(*size);
            format!("{}.{} {unit}", tenths / 10, tenths % 10)
        },
    )
}

/// Shows a size as [`size`] reads it.
#[must_use]
pub fn show_size(bytes: u64) -> String {
    unscaled(bytes, &SIZES, "B")
}

/// Returns a number of things as people say it: `1 task`, `2 tasks`.
#[must_use]
pub fn count(number: usize, thing: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {thing}{plural}")
}

/// Returns a duration as people read it: `250 ms`, `3.0 s`, `90 s`, `12 min`, `3 h`.
#[must_use]
pub fn about_duration(time: Duration) -> String {
    let (ms, s) = (time.as_millis(), time.as_secs());
    match s {
        0 => format!("{ms} ms"),
        1..=9 => format!("{}.{} s", ms / 1000, ms % 1000 / 100),
        10..=119 => format!("{s} s"),
        120..=7199 => format!("{} min", s / 60),
        7200..=172_799 => format!("{} h", s / 3600),
        _ => format!("{} d", s / 86_400),
    }
}

/// Parses an amount of money into millionths; never through a floating-point number.
///
/// # Errors
/// [`BadQuantity`] for everything but digits, and a point with one to six digits after it.
pub fn money(text: &str) -> Result<u64, BadQuantity> {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    if !digits(whole) || !digits(part) || part.len() > 6 {
        return Err(bad(text, MONEY));
    }
    let micros = || {
        let whole = whole.parse::<u64>().ok()?.checked_mul(1_000_000)?;
        whole.checked_add(format!("{part:0<6}").parse().ok()?)
    };
    micros().ok_or_else(|| bad(text, MONEY))
}

/// Shows an amount as [`money`] reads it, with at least two decimals.
#[must_use]
pub fn show_money(micros: u64) -> String {
    let part = format!("{:06}", micros % 1_000_000);
    let short = part.trim_end_matches('0');
    format!("{}.{short:0<2}", micros / 1_000_000)
}

/// At most so many in any window of this length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// How many; at least one.
    pub count: u32,
    /// The sliding window: a minute, an hour or a day.
    pub window: Duration,
}

const WINDOWS: [(&str, u64); 3] = [("m", 60), ("h", 3600), ("d", 86_400)];

impl FromStr for Rate {
    type Err = BadQuantity;
    fn from_str(text: &str) -> Result<Self, BadQuantity> {
        let parse = || {
            let (count, unit) = text.split_once('/')?;
            let (_, seconds) = WINDOWS.iter().find(|(name, _)| *name == unit)?;
            let digits = count.bytes().all(|byte| byte.is_ascii_digit());
            let count = count.parse().ok().filter(|count| digits && *count > 0)?;
            Some(Self {
                count,
                window: Duration::from_secs(*seconds),
            })
        };
        parse().ok_or_else(|| bad(text, RATE))
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = WINDOWS
            .iter()
            .find(|(_, seconds)| *seconds == self.window.as_secs())
            .map_or("?", |(name, _)| name);
        write!(out, "{}/{unit}", self.count)
    }
}

fn bad(text: &str, what: &'static str) -> BadQuantity {
    BadQuantity {
        text: text.to_owned(),
        what,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_quantity_has_one_meaning() {
        assert_eq!(duration("90s").unwrap(), Duration::from_secs(90));
        assert_eq!(duration("250ms").unwrap(), Duration::from_millis(250));
        assert_eq!(size("64KiB").unwrap(), 65_536);
        assert_eq!(size("2MB").unwrap(), 2_000_000);
        assert_eq!(money("1.5").unwrap(), 1_500_000);
        assert_eq!(money("0.000001").unwrap(), 1);
        assert_eq!("60/h".parse::<Rate>().unwrap().count, 60);
        assert_eq!(show_duration(Duration::ZERO), "0s");
        let about = |ms| about_duration(Duration::from_millis(ms));
        assert_eq!(
            [about(3010), about(250), about(90_400)],
            ["3.0 s", "250 ms", "90 s"]
        );
        assert_eq!([about(720_000), about(7_200_000)], ["12 min", "2 h"]);
        assert_eq!([count(1, "task"), count(0, "task")], ["1 task", "0 tasks"]);
        assert_eq!(show_money(1_500_000), "1.50");
    }

    #[test]
    fn what_could_mean_two_things_is_refused() {
        for text in [
            "",
            "5",
            "5 s",
            "-5s",
            "+5s",
            "1.5h",
            "5S",
            "1h30m",
            "s",
            "99999999999999999d",
        ] {
            assert!(duration(text).is_err(), "{text}");
        }
        for text in ["", "5", "5M", "5mb", "5 MB", "1.5MB", "99999999999GiB"] {
            assert!(size(text).is_err(), "{text}");
        }
        for text in [
            "",
            ".",
            "1.",
            ".5",
            "1e3",
            "-1",
            "1.0000001",
            "$1",
            "99999999999999999999",
        ] {
            assert!(money(text).is_err(), "{text}");
        }
        for text in ["", "60", "60/s", "0/h", "+6/h", "/h", "6/ h"] {
            assert!(text.parse::<Rate>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_can_be_read_back(number in 0u64..=u64::MAX / 2) {
            let time = Duration::from_millis(number);
            prop_assert_eq!(duration(&show_duration(time)).unwrap(), time);
            prop_assert_eq!(size(&show_size(number)).unwrap(), number);
            prop_assert_eq!(money(&show_money(number)).unwrap(), number);
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,20}") {
            let _ = (duration(&text), size(&text), money(&text), text.parse::<Rate>());
        }
    }
}
