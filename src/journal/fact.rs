//! The facts a node records, and their lines: eight digits of SHA-256 over the JSON, a blank, the JSON, a line feed.

use serde::Deserialize;
use serde::Serialize;

use super::Closed;
use super::Error;
use super::Granted;
use super::Known;
use crate::clock::Timestamp;
use crate::history::Tried;
use crate::id::Digest;
use crate::id::NodeName;
use crate::id::Nonce;
use crate::id::ProfileName;
use crate::id::TaskId;
use crate::outcome::FailureClass;
use crate::outcome::Status;

/// An approval that was verified and accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Approval {
    /// Who approved.
    pub approver: NodeName,
    /// Whether the dangerous mode was granted.
    pub dangerous: bool,
    /// Digest of the sealed ack.
    pub ack: Digest,
    /// Until when it could be accepted; once accepted it holds.
    pub expires: Timestamp,
}

/// How a task of a pool is given back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Back {
    /// Not to be claimed before this.
    pub not_before: Option<Timestamp>,
    /// Whether it was started under this claim. Its marker stays then; else it goes, and the claim is released.
    pub ran: bool,
    /// Why, for people.
    pub why: String,
    /// What came of the attempt under this claim, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tried: Option<Tried>,
}

/// What makes two tasks submissions of the same work: sender, addressee and the idempotency key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Key {
    /// Digest over the three.
    pub mark: Digest,
    /// Which submission of it this task is, by the sender's count.
    pub submission: u32,
}

/// A profile under which nothing is started for now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pause {
    /// Since when.
    pub at: Timestamp,
    /// Until when, unless somebody ends it before.
    pub until: Timestamp,
    /// What an attempt under it failed of.
    pub class: FailureClass,
    /// What that attempt said, for people.
    pub why: String,
}

/// What a task that another waited for came to, as its sender handed it on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prior {
    /// The task.
    pub id: TaskId,
    /// How it ended.
    pub status: Status,
    /// The beginning of its answer.
    pub text: String,
    /// Whether the answer is longer.
    pub truncated: bool,
}

/// Something this node decided or did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "fact", rename_all = "lowercase", deny_unknown_fields)]
pub enum Fact {
    /// The journal began.
    Born {
        /// When.
        at: Timestamp,
        /// The instance of this node.
        instance: Nonce,
    },
    /// Tasks older than the journal are accepted: the operator says that none of them ran.
    Adopted,
    /// The wall clock read this.
    Seen {
        /// The time.
        at: Timestamp,
    },
    /// A task was proved and admitted.
    Admitted {
        /// The task.
        id: TaskId,
        /// When.
        at: Timestamp,
        /// All that is known of it.
        known: Box<Known>,
    },
    /// Its file has a new name in `processing/` (unparked, taken, found again).
    Held {
        /// The task.
        id: TaskId,
        /// The claim without `.json`.
        claim: String,
    },
    /// It waits for an approval.
    Parked {
        /// The task.
        id: TaskId,
        /// The claim without `.json`, in `pending-ack/`.
        claim: String,
    },
    /// An approval was accepted.
    Approved {
        /// The task.
        id: TaskId,
        /// The approval.
        approval: Approval,
    },
    /// Its sender says that what it waited for has come about.
    Ready {
        /// The task.
        id: TaskId,
        /// What the others came to.
        prior: Vec<Prior>,
        /// When.
        at: Timestamp,
    },
    /// An executor may exist from now on.
    Started {
        /// The task.
        id: TaskId,
        /// The claim it runs under.
        claim: String,
        /// Which attempt.
        attempt: u32,
        /// When.
        at: Timestamp,
    },
    /// It is proved that the executor never started the agent; the attempt does not count.
    Unstarted {
        /// The task.
        id: TaskId,
    },
    /// The agent is dead and its output is durable in the spool; the slot is free.
    Finished {
        /// The task.
        id: TaskId,
    },
    /// It ran without an outcome and may run again: it waits for its next attempt, whose start takes a fresh claim.
    Again {
        /// The task.
        id: TaskId,
        /// The claim without `.json` under which its file lies now.
        claim: String,
        /// Not to be started before this.
        not_before: Option<Timestamp>,
        /// What came of the attempt, where that is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tried: Option<Tried>,
    },
    /// Nothing is started under a profile for now.
    Paused {
        /// The profile.
        profile: ProfileName,
        /// Why, and until when.
        pause: Pause,
    },
    /// A profile may be used again: somebody says so, or its time has passed.
    Mended {
        /// The profile.
        profile: ProfileName,
        /// When.
        at: Timestamp,
    },
    /// The outcome is decided and its sealed bytes are in the spool.
    Decided {
        /// The task.
        id: TaskId,
        /// The claim the outcome belongs to.
        claim: String,
        /// The outcome.
        status: Status,
        /// The sealed result, whole: what is uploaded after a crash is the very same bytes.
        sealed: String,
        /// When.
        at: Timestamp,
    },
    /// Its file lies under another name than its outcome belongs to: a server rolled back, and it was admitted again.
    Found {
        /// The task.
        id: TaskId,
        /// The claim without `.json` under which the file lies now.
        file: String,
    },
    /// It goes back to `inbox/` under the next generation, and is never started under its present claim from now on.
    Returned {
        /// The task.
        id: TaskId,
        /// How and why.
        back: Back,
    },
    /// It is not this node's any more: it was given back, or another member of its pool took it.
    Left {
        /// The task.
        id: TaskId,
        /// When.
        at: Timestamp,
    },
    /// The outcome is committed and revealed.
    Closed {
        /// The task.
        id: TaskId,
        /// The outcome.
        status: Status,
        /// When.
        at: Timestamp,
    },
    /// As a sender: this claim of a pool may be started.
    Granted {
        /// The task.
        id: TaskId,
        /// Digest of the whole task file.
        digest: Digest,
        /// No start after this.
        expires: Timestamp,
        /// The claim without `.json`.
        claim: String,
        /// When.
        at: Timestamp,
    },
    /// As a sender: this claim of a pool must not be started.
    Refused {
        /// The task.
        id: TaskId,
        /// Digest of the whole task file.
        digest: Digest,
        /// No start after this.
        expires: Timestamp,
        /// The claim without `.json`.
        claim: String,
        /// When.
        at: Timestamp,
    },
    /// As a sender: the claim that was granted never started and never will, its member says.
    Released {
        /// The task.
        id: TaskId,
        /// The claim without `.json`.
        claim: String,
        /// When.
        at: Timestamp,
    },
    /// What was granted of a task, as a rewritten journal begins with it.
    Grants {
        /// The task.
        id: TaskId,
        /// What was decided.
        granted: Box<Granted>,
    },
    /// An open task, as a rewritten journal begins with it.
    Open {
        /// The task.
        id: TaskId,
        /// All that is known of it.
        known: Box<Known>,
    },
    /// A closed task, as a rewritten journal begins with it.
    Shut {
        /// The task.
        id: TaskId,
        /// What is remembered of it.
        closed: Closed,
    },
}

impl Fact {
    /// Returns the task it is about.
    #[must_use]
    pub const fn task(&self) -> Option<TaskId> {
        match self {
            Self::Born { .. }
            | Self::Adopted
            | Self::Seen { .. }
            | Self::Paused { .. }
            | Self::Mended { .. } => None,
            Self::Admitted { id, .. }
            | Self::Held { id, .. }
            | Self::Parked { id, .. }
            | Self::Approved { id, .. }
            | Self::Ready { id, .. }
            | Self::Started { id, .. }
            | Self::Unstarted { id }
            | Self::Finished { id }
            | Self::Again { id, .. }
            | Self::Decided { id, .. }
            | Self::Found { id, .. }
            | Self::Returned { id, .. }
            | Self::Left { id, .. }
            | Self::Closed { id, .. }
            | Self::Granted { id, .. }
            | Self::Refused { id, .. }
            | Self::Released { id, .. }
            | Self::Grants { id, .. }
            | Self::Open { id, .. }
            | Self::Shut { id, .. } => Some(*id),
        }
    }

    /// Returns its time, where it has one.
    #[must_use]
    pub const fn at(&self) -> Option<Timestamp> {
        match self {
            Self::Born { at, .. }
            | Self::Seen { at }
            | Self::Admitted { at, .. }
            | Self::Ready { at, .. }
            | Self::Started { at, .. }
            | Self::Decided { at, .. }
            | Self::Left { at, .. }
            | Self::Granted { at, .. }
            | Self::Refused { at, .. }
            | Self::Released { at, .. }
            | Self::Mended { at, .. }
            | Self::Closed { at, .. } => Some(*at),
            Self::Paused { pause, .. } => Some(pause.at),
            _ => None,
        }
    }

    /// Returns its word.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Born { .. } => "born",
            Self::Adopted => "adopted",
            Self::Seen { .. } => "seen",
            Self::Admitted { .. } => "admitted",
            Self::Held { .. } => "held",
            Self::Parked { .. } => "parked",
            Self::Approved { .. } => "approved",
            Self::Ready { .. } => "ready",
            Self::Started { .. } => "started",
            Self::Unstarted { .. } => "unstarted",
            Self::Finished { .. } => "finished",
            Self::Again { .. } => "again",
            Self::Paused { .. } => "paused",
            Self::Mended { .. } => "mended",
            Self::Decided { .. } => "decided",
            Self::Found { .. } => "found",
            Self::Returned { .. } => "returned",
            Self::Left { .. } => "left",
            Self::Closed { .. } => "closed",
            Self::Granted { .. } => "granted",
            Self::Refused { .. } => "refused",
            Self::Released { .. } => "released",
            Self::Grants { .. } => "grants",
            Self::Open { .. } => "open",
            Self::Shut { .. } => "shut",
        }
    }

    /// Returns its line, with the line feed.
    #[must_use]
    pub fn line(&self) -> String {
        // Strings, numbers and maps with string keys: serialising cannot fail.
        let json = serde_json::to_string(self).expect("a fact is plain data");
        format!("{} {json}\n", Digest::of(json.as_bytes()).short())
    }
}

/// Reads every line. A torn or damaged last line is dropped: it was never synced.
pub(super) fn read_all(bytes: &[u8]) -> Result<Vec<Fact>, Error> {
    let mut facts = Vec::new();
    let mut lines = bytes
        .split_inclusive(|byte| *byte == b'\n')
        .enumerate()
        .peekable();
    while let Some((number, line)) = lines.next() {
        match read_line(line) {
            Some(fact) => facts.push(fact),
            None if lines.peek().is_none() => break,
            None => return Err(Error::Damaged { line: number + 1 }),
        }
    }
    Ok(facts)
}

fn read_line(line: &[u8]) -> Option<Fact> {
    let text = std::str::from_utf8(line).ok()?.strip_suffix('\n')?;
    let (check, json) = text.split_once(' ')?;
    (Digest::of(json.as_bytes()).short() == check).then_some(())?;
    serde_json::from_str(json).ok()
}
