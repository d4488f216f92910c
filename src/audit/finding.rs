//! What can be wrong in a log, and how it is said. Findings are data: a log that somebody changed is read on.

use std::fmt;

use crate::escape;
use crate::id::Digest;

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// Bytes at the end without a newline: being written, or cut by a crash. No break of the chain by itself.
    Torn,
    /// A file without a single line. No break by itself.
    Empty,
    /// A line of a newer format; its link is checked, its event is not. No break by itself.
    Newer {
        /// The version of the line.
        version: u32,
    },
    /// A complete line that no writer wrote.
    NotARecord {
        /// Why, for a person.
        why: String,
    },
    /// A line above the bound.
    TooLong,
    /// A file above the bound.
    Endless,
    /// The file is there and cannot be read.
    Unread {
        /// Why, for a person.
        why: String,
    },
    /// This line, or the one before it, was changed: the digest does not match.
    Changed {
        /// What the line says of the line before it.
        told: Digest,
        /// The digest of the line before it.
        found: Digest,
    },
    /// Lines are missing before this one.
    Missing {
        /// Number of the first missing line.
        first: u64,
        /// Number of the last missing line.
        last: u64,
    },
    /// A line that is not in its turn: inserted, repeated or moved.
    OutOfOrder {
        /// The number due.
        due: u64,
        /// The number found.
        found: u64,
    },
    /// A line that says it belongs to another file.
    OtherSegment {
        /// The file it names.
        told: String,
    },
    /// A line that says it was told by another node.
    OtherNode {
        /// The node it names.
        told: String,
    },
    /// The file does not begin as a beginning: its first lines are gone.
    NoBeginning,
    /// A line in the middle says that a file begins with it.
    BeginsAgain,
    /// The file before this one is gone.
    LostSegment {
        /// The file it names.
        before: String,
    },
    /// The files before this one were removed by rule, and the log says so. No break by itself.
    Retired {
        /// The last of them.
        last: String,
    },
    /// Another file goes on from the same place.
    Branch {
        /// The other file.
        other: String,
    },
    /// The writer began a second chain, as after a loss of its local state.
    SecondChain,
    /// A file that is no segment lies among them.
    Stray,
    /// A head that its node had sealed names a file that is gone.
    HeadLost {
        /// Number of the line it names.
        seq: u64,
    },
    /// A head that its node had sealed lies beyond the end: the log was cut.
    HeadBeyond {
        /// Number of the line it names.
        seq: u64,
        /// Number of the last line that is there.
        last: u64,
    },
    /// The line that its node had sealed as its head has other bytes: the log was rewritten.
    HeadDiffers {
        /// Number of the line.
        seq: u64,
    },
    /// More findings in the same file than are listed.
    More {
        /// How many.
        count: u64,
    },
}

impl Fault {
    /// Returns whether it means that something told is missing, changed or added.
    #[must_use]
    pub const fn is_break(&self) -> bool {
        !matches!(
            self,
            Self::Torn | Self::Empty | Self::Newer { .. } | Self::Retired { .. }
        )
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |text: &str| escape::excerpt(text, 80);
        match self {
            Self::Torn => out.write_str("ends in a torn line"),
            Self::Empty => out.write_str("holds no line"),
            Self::Newer { version } => {
                write!(out, "written by a newer program (version {version})")
            }
            Self::NotARecord { why } => write!(out, "not a record: {}", shown(why)),
            Self::TooLong => out.write_str("not a record: the line is too long"),
            Self::Endless => out.write_str("the file is too long; the rest was not read"),
            Self::Unread { why } => write!(out, "cannot be read: {}", shown(why)),
            Self::Changed { told, found } => write!(
                out,
                "this line or the one before it was changed: digest {}… where {}… is due",
                found.short(),
                told.short()
            ),
            Self::Missing { first, last } => write!(out, "records {first} to {last} are missing"),
            Self::OutOfOrder { due, found } => {
                write!(out, "out of order: record {found} where {due} is due")
            }
            Self::OtherSegment { told } => write!(out, "belongs to '{}'", shown(told)),
            Self::OtherNode { told } => write!(out, "told by another node: '{}'", shown(told)),
            Self::NoBeginning => out.write_str("its beginning is missing"),
            Self::BeginsAgain => out.write_str("out of order: a beginning in the middle"),
            Self::LostSegment { before } => {
                write!(out, "the segment before it is missing: '{}'", shown(before))
            }
            Self::Retired { last } => {
                write!(
                    out,
                    "what came before was removed by rule, up to '{}'",
                    shown(last)
                )
            }
            Self::Branch { other } => {
                write!(out, "'{}' goes on from the same place", shown(other))
            }
            Self::SecondChain => out.write_str("begins a second chain of the same writer"),
            Self::Stray => out.write_str("not a segment of a log"),
            Self::HeadLost { seq } => {
                write!(out, "missing, though its node had sealed its record {seq}")
            }
            Self::HeadBeyond { seq, last } => write!(
                out,
                "cut: ends at record {last}, though its node had sealed its record {seq}"
            ),
            Self::HeadDiffers { seq } => {
                write!(
                    out,
                    "rewritten: record {seq} is not the one its node had sealed"
                )
            }
            Self::More { count } => write!(out, "{count} more findings"),
        }
    }
}

/// Something wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The file, as it is named.
    pub file: String,
    /// The line in the file, from 1, where it has one.
    pub line: Option<u64>,
    /// What is wrong.
    pub fault: Fault,
}

impl fmt::Display for Finding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&escape::excerpt(&self.file, 160))?;
        if let Some(line) = self.line {
            write!(out, ":{line}")?;
        }
        write!(out, ": {}", self.fault)
    }
}
