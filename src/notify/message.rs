//! What is told: one event, several at once, or a test; with an id by which a receiver knows a repetition.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::Serialize;

use crate::audit::Record;
use crate::clock::Timestamp;
use crate::event::Event;
use crate::event::Word;
use crate::id::NodeName;
use crate::id::ProfileName;

/// Events that are told as a number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct More {
    /// The id of the last of them.
    pub last: String,
    /// When the first was told in the log.
    pub since: Timestamp,
    /// When the last was.
    pub until: Timestamp,
    /// How many of each.
    pub counts: BTreeMap<Word, u64>,
}

impl More {
    /// Counts an event.
    pub fn add(slot: &mut Option<Self>, record: &Record) {
        let more = slot.get_or_insert_with(|| Self {
            last: String::new(),
            since: record.ts,
            until: record.ts,
            counts: BTreeMap::new(),
        });
        more.last = id_of(record);
        more.until = record.ts;
        *more.counts.entry(record.event.word).or_default() += 1;
    }

    /// Counts what another one counts, too; `other` is the later one.
    pub fn join(slot: &mut Option<Self>, other: Self) {
        let Some(more) = slot else {
            *slot = Some(other);
            return;
        };
        more.since = more.since.min(other.since);
        if more.until <= other.until {
            (more.last, more.until) = (other.last, other.until);
        }
        for (word, count) in other.counts {
            *more.counts.entry(word).or_default() += count;
        }
    }

    /// Returns how many there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.values().sum()
    }
}

/// What a message tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// One event, with the profile of its task where that is known.
    Event(Box<Event>, Option<ProfileName>),
    /// Several, as numbers.
    More(More),
    /// Nothing: somebody tries whether it arrives.
    Test,
}

/// One message to a destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The same for every try and every repetition, another for every event.
    pub id: String,
    /// The node that tells.
    pub node: NodeName,
    /// When it happened, by that node's clock.
    pub at: Timestamp,
    /// What is told.
    pub content: Content,
}

impl Message {
    /// Makes the message of a record.
    #[must_use]
    pub fn of(record: &Record, profile: Option<ProfileName>) -> Self {
        let event = record.event.clone();
        let profile = event.profile.clone().or(profile);
        Self {
            id: id_of(record),
            node: record.session.clone(),
            at: record.ts,
            content: Content::Event(Box::new(event), profile),
        }
    }

    /// Makes the message of several events.
    #[must_use]
    pub fn of_more(node: &NodeName, more: More) -> Self {
        Self {
            id: format!("{}+", more.last),
            node: node.clone(),
            at: more.until,
            content: Content::More(more),
        }
    }

    /// Makes a test message; `nonce` makes its id its own.
    #[must_use]
    pub fn test(node: &NodeName, at: Timestamp, nonce: u64) -> Self {
        Self {
            id: format!("test-{nonce:016x}"),
            node: node.clone(),
            at,
            content: Content::Test,
        }
    }
}

/// Returns the id of an event: the place of its line, which no other line ever has.
#[must_use]
pub fn id_of(record: &Record) -> String {
    let segment = record.link.segment.to_string();
    let stem = segment.trim_end_matches(".jsonl");
    format!("{}.{stem}.{}", record.session, record.link.seq)
}
