//! Names of log files and places in a chain.
//!
//! `<writer>-<yyyymmdd>-<instance>-<n>.jsonl`: the day it was begun, eight hexadecimal digits that only this begin has
//! used, and a number that grows by one from segment to segment of a writer, over days and restarts. One file has
//! one writer for ever.

use std::fmt;

use serde::Deserialize;
use serde::Serialize;

use crate::clock::Timestamp;
use crate::document::AuditHead;
use crate::id::BadName;
use crate::id::Digest;
use crate::outcome::words;

words! {
    /// Who writes a chain of segments on a node.
    Writer {
        /// The watcher: one process at a time.
        Watch = "watch",
        /// The commands people and programs run; they take turns.
        Cli = "cli",
    }
}

/// Name of one file of a log. Sorts by writer, then by number.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SegmentName {
    /// Who writes it.
    pub writer: Writer,
    /// Grows by one from segment to segment of a writer; the first is 1.
    pub number: u32,
    day: [u8; 8],
    instance: u32,
}

impl SegmentName {
    /// Makes the name of a segment begun at `now`; `instance` is random.
    #[must_use]
    pub fn new(writer: Writer, now: Timestamp, instance: u32, number: u32) -> Self {
        Self {
            writer,
            number,
            day: compact_day(now),
            instance,
        }
    }

    /// Parses a name from a listing; `None` where it is not of this class.
    #[must_use]
    pub fn from_file(name: &str) -> Option<Self> {
        let mut fields = name.strip_suffix(".jsonl")?.split('-');
        let writer = Writer::from_word(fields.next()?)?;
        let day: [u8; 8] = fields.next()?.as_bytes().try_into().ok()?;
        day.iter().all(u8::is_ascii_digit).then_some(())?;
        let instance = u32::from_str_radix(fields.next()?, 16).ok()?;
        let number = fields.next()?.parse().ok()?;
        let parsed = Self {
            writer,
            number,
            day,
            instance,
        };
        // Other spellings of a number come back changed.
        (number > 0 && fields.next().is_none() && parsed.to_string() == name).then_some(parsed)
    }

    /// Returns the day it was begun, `YYYYMMDD`.
    #[must_use]
    pub fn day(&self) -> &str {
        std::str::from_utf8(&self.day).unwrap_or("00000000")
    }

    /// Returns whether it was begun on the day of `now`.
    #[must_use]
    pub fn is_of_day(&self, now: Timestamp) -> bool {
        self.day == compact_day(now)
    }
}

/// Returns the day as file names write it, `YYYYMMDD`.
fn compact_day(now: Timestamp) -> [u8; 8] {
    let mut day = *b"00000000";
    let digits = now
        .day()
        .into_bytes()
        .into_iter()
        .filter(u8::is_ascii_digit);
    for (place, digit) in day.iter_mut().zip(digits) {
        *place = digit;
    }
    day
}

impl fmt::Display for SegmentName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "{}-{}-{:08x}-{}.jsonl",
            self.writer,
            self.day(),
            self.instance,
            self.number
        )
    }
}

impl TryFrom<String> for SegmentName {
    type Error = BadName;
    fn try_from(text: String) -> Result<Self, BadName> {
        Self::from_file(&text).ok_or(BadName {
            what: "log segment",
            text,
            rule: "<writer>-<yyyymmdd>-<8 hex>-<n>.jsonl",
        })
    }
}

impl From<SegmentName> for String {
    fn from(name: SegmentName) -> String {
        name.to_string()
    }
}

/// A place in a chain: this line of this file has this digest. Whoever knows the head of a chain can tell whether
/// anything before it was changed.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// The file.
    pub segment: SegmentName,
    /// Number of the line in the whole chain of its writer, from 1.
    pub seq: u64,
    /// Digest of the line, its newline included.
    pub sha256: Digest,
}

impl Head {
    /// Takes a head out of a sealed document; `None` where it names no segment of ours.
    #[must_use]
    pub fn from_sealed(sealed: &AuditHead) -> Option<Self> {
        Some(Self {
            segment: SegmentName::from_file(&sealed.segment)?,
            seq: sealed.seq,
            sha256: sealed.sha256,
        })
    }

    /// Returns the head as sealed documents carry it.
    #[must_use]
    pub fn to_sealed(&self) -> AuditHead {
        AuditHead {
            segment: self.segment.to_string(),
            seq: self.seq,
            sha256: self.sha256,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_travels_in_a_sealed_document() {
        let now = Timestamp::parse("2026-11-20T06:00:00Z").unwrap();
        let head = Head {
            segment: SegmentName::new(Writer::Watch, now, 1, 2),
            seq: 3,
            sha256: Digest::of(b"x"),
        };
        let mut sealed = head.to_sealed();
        assert_eq!(Head::from_sealed(&sealed), Some(head));
        sealed.segment = "../../etc/passwd".to_owned();
        assert_eq!(Head::from_sealed(&sealed), None);
    }

    #[test]
    fn segment_names_have_one_spelling_and_sort_by_number() {
        let now = Timestamp::parse("2026-11-20T06:00:00Z").unwrap();
        let name = SegmentName::new(Writer::Watch, now, 0xab, 9);
        assert_eq!(name.to_string(), "watch-20261120-000000ab-9.jsonl");
        assert_eq!(
            SegmentName::from_file(&name.to_string()),
            Some(name.clone())
        );
        assert!(name < SegmentName::new(Writer::Watch, now, 0, 10));
        for bad in [
            "watch-20261120-000000ab-09.jsonl",
            "watch-20261120-000000ab-0.jsonl",
            "watch-20261120-000000AB-1.jsonl",
            "watch-20261120-+00000ab-1.jsonl",
            "watch-2026-11-20-000000ab-1.jsonl",
            "root-20261120-000000ab-1.jsonl",
            "watch-20261120-000000ab-1-2.jsonl",
            "watch-20261120-000000ab-1.json",
        ] {
            assert_eq!(SegmentName::from_file(bad), None, "{bad}");
        }
    }
}
