//! Why a document or a file from a share is not acted on: one code and one sentence for each reason.
//!
//! The codes are a contract (`docs/ENVELOPE.md`): they stand in audit logs, in `rejected/*.why` and in sealed outcomes.
//! A refusal is data, not an error of this program.

use std::fmt;

use crate::escape::excerpt;
use crate::outcome::words;

words! {
    /// Why something was refused.
    Reason {
        /// Not the exact shape of a sealed document.
        Frame = "E_FRAME",
        /// Larger than its kind may be.
        Size = "E_SIZE",
        /// No usable key of that id for these parties and this kind.
        Kid = "E_KID",
        /// The seal does not match.
        Mac = "E_MAC",
        /// Sealed as one kind, says another.
        Kind = "E_KIND",
        /// Another version of the format.
        Schema = "E_SCHEMA",
        /// Not strict JSON, or not the members of its kind.
        Json = "E_JSON",
        /// A value outside its bounds.
        Range = "E_RANGE",
        /// A control character.
        Ctrl = "E_CTRL",
        /// A character that reorders or hides text.
        Bidi = "E_BIDI",
        /// Not a task id.
        Id = "E_ID",
        /// Says another sender or recipient than its place.
        Lane = "E_LANE",
        /// Not a moment in UTC.
        Time = "E_TIME",
        /// Made later than now.
        Future = "E_FUTURE",
        /// Its time is over.
        Expired = "E_EXPIRED",
        /// It ends before it begins, or lives longer than allowed.
        Ttl = "E_TTL",
        /// Asks for more than the receiver allows.
        Policy = "E_POLICY",
        /// An envelope of the original, which this node does not take from this peer.
        V2Off = "E_V2_OFF",
        /// Not signed, where the receiver takes only what is.
        Unsigned = "E_UNSIGNED",
        /// Demands an extension that is not understood here.
        Crit = "E_CRIT",
        /// Not a regular file.
        Type = "E_TYPE",
        /// Not a file name of ours.
        Name = "E_NAME",
        /// The file name and the document disagree about the id.
        NameId = "E_NAME_ID",
        /// This very document was seen before.
        Replay = "E_REPLAY",
        /// Another document was seen under this id.
        IdReuse = "E_ID_REUSE",
        /// It lies where no record of this node put it.
        Stray = "E_STRAY",
        /// It cannot be opened.
        Access = "E_ACCESS",
        /// It speaks about other bytes than those on record.
        Digest = "E_DIGEST",
        /// The sender has too much waiting.
        Quota = "E_QUOTA",
        /// Nobody of that name is configured.
        Peer = "E_PEER",
        /// Older than this node's memory: whether it ran already cannot be known.
        Cold = "E_COLD",
        /// Another task of its sender has its idempotency key.
        Duplicate = "E_DUPLICATE",
    }
}

impl Reason {
    /// Returns what the code means, as a plain sentence without a full stop.
    #[must_use]
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::Frame => {
                "it does not have the exact shape of a sealed document: cut short, re-formatted, or not one at all"
            }
            Self::Size => "it is larger than a document of its kind may be",
            Self::Kid => "no usable key with that id is held for these two parties and this kind",
            Self::Mac => "the seal does not match: changed bytes, another key, or another place",
            Self::Kind => "it was sealed as one kind and calls itself another",
            Self::Schema => "it is written in another version of the format",
            Self::Json => "it is not strict JSON with exactly the members of its kind",
            Self::Range => "a value in it is outside its bounds",
            Self::Ctrl => "it holds a control character",
            Self::Bidi => "it holds a character that reorders or hides text",
            Self::Id => "an id in it is not a lower-case UUID of version 4 or 7",
            Self::Lane => "it names another sender or recipient than the place it lies in",
            Self::Time => "a time in it is not a real moment of the form YYYY-MM-DDThh:mm:ssZ",
            Self::Future => "it was made later than now: a clock is wrong",
            Self::Expired => "its time is over",
            Self::Ttl => "it ends before it begins, or lives longer than allowed",
            Self::Policy => "it asks for more than the receiver allows",
            Self::V2Off => "it is a version 2 envelope, and those are not taken from this peer",
            Self::Unsigned => "it is not signed, and only signed tasks are taken from this peer",
            Self::Crit => "it demands an extension that is not understood here",
            Self::Type => "it is not a regular file",
            Self::Name => "its file name is not one of ours",
            Self::NameId => "its file name and its content disagree about the id",
            Self::Replay => "it was seen before",
            Self::IdReuse => "another document was seen under its id",
            Self::Stray => "it lies where no record of this node put it",
            Self::Access => "it cannot be opened",
            Self::Digest => "it speaks about other bytes than those on record",
            Self::Quota => "its sender has too much waiting here",
            Self::Peer => "nobody of that name is configured here",
            Self::Duplicate => "another task of its sender has its idempotency key",
            Self::Cold => {
                "it is older than the memory of this node, which cannot know whether it ran already"
            }
        }
    }

    /// Returns whether the bytes may be a good document of somebody this node does not trust, or trusts with less,
    /// rather than a malformed one.
    #[must_use]
    pub const fn is_about_trust(self) -> bool {
        matches!(
            self,
            Self::Kid
                | Self::Mac
                | Self::Future
                | Self::Expired
                | Self::Ttl
                | Self::Policy
                | Self::V2Off
                | Self::Unsigned
                | Self::Replay
                | Self::IdReuse
                | Self::Stray
                | Self::Digest
                | Self::Quota
                | Self::Peer
        )
    }
}

/// A refusal: the code, and what in particular.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Refusal {
    /// The code.
    pub reason: Reason,
    /// What in particular, in a few words safe to show; may be empty.
    pub detail: String,
}

impl Refusal {
    /// Makes a refusal. The detail is escaped and cut here, since it may quote what a stranger wrote.
    #[must_use]
    pub fn new(reason: Reason, detail: &str) -> Self {
        Self {
            reason,
            detail: excerpt(detail, 200),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}", self.reason, self.reason.sentence())?;
        if self.detail.is_empty() {
            return Ok(());
        }
        write!(out, " ({})", self.detail)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_its_own_sentence_and_a_detail_cannot_move_the_cursor() {
        let mut sentences: Vec<_> = Reason::ALL.iter().map(|one| one.sentence()).collect();
        sentences.sort_unstable();
        sentences.dedup();
        assert_eq!(sentences.len(), Reason::ALL.len());
        let shown = Refusal::new(Reason::Json, "unknown member '\u{1b}[2J'").to_string();
        assert!(
            shown.starts_with("E_JSON: ") && shown.contains("\\u{1b}"),
            "{shown}"
        );
    }
}
