//! What the journal knows of one task, and how a fact changes it.

use serde::Deserialize;
use serde::Serialize;

use super::Approval;
use super::Back;
use super::Fact;
use super::Key;
use super::Prior;
use crate::clock::Timestamp;
use crate::history;
use crate::history::Tried;
use crate::id::Digest;
use crate::id::NodeName;
use crate::id::Party;
use crate::id::Priority;
use crate::limits;
use crate::outcome::Status;
use crate::place::Lane;

/// How far an open task has come on this node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// In `processing/`, waiting for a slot.
    Admitted,
    /// In `pending-ack/`, waiting for an approval.
    Parked,
    /// An executor may exist for its current claim.
    Started,
    /// The agent is dead; its report and log are in the spool.
    Finished,
    /// The outcome is decided; its sealed bytes are in the spool.
    Decided,
    /// On its way back to `inbox/`, under the next generation; or gone from here ([`super::Journal::left`]).
    Returned,
}

/// All that is known of an open task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Known {
    /// Digest of the whole task file.
    pub digest: Digest,
    /// Who sent it.
    pub from: NodeName,
    /// To whom: this node, or a pool it belongs to.
    pub to: Party,
    /// How soon it wants to run.
    pub priority: Priority,
    /// When it was admitted.
    pub admitted: Timestamp,
    /// No start after this.
    pub expires: Timestamp,
    /// Not to be started before this.
    pub not_before: Option<Timestamp>,
    /// Whether it came in the envelope of the original.
    pub legacy: bool,
    /// The claim without `.json`: the name of its file, and of its run directory once started.
    pub claim: String,
    /// How far it has come.
    pub phase: Phase,
    /// When the current or last attempt was started; the time of admission before that.
    pub started: Timestamp,
    /// Attempts that were started and count.
    pub starts: u32,
    /// Starts that were proved not to have happened, one after another.
    pub misses: u32,
    /// Most attempts, by its own word and by policy when it was admitted.
    #[serde(default = "once")]
    pub attempts_max: u32,
    /// The approval that was accepted.
    pub approval: Option<Approval>,
    /// The outcome, once decided.
    pub outcome: Option<Outcome>,
    /// The claim under which its file lies now, where that is not `claim`.
    pub file: Option<String>,
    /// Whether it waits for its sender to say that others have ended.
    #[serde(default, skip_serializing_if = "Hold::is_none")]
    pub hold: Hold,
    /// How it is given back, while that is under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub back: Option<Back>,
    /// What came of its attempts that are over, the latest last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tried: Vec<Tried>,
    /// How many starts cost no attempt.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub spared: u32,
    /// What it shares with every other submission of the same work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Key>,
}

/// Whether a task waits for the end of others.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Hold {
    /// It waits for none.
    #[default]
    None,
    /// Its sender has not said yet that it may be started.
    Waits,
    /// It has, and handed on what they came to.
    Over(Vec<Prior>),
}

impl Hold {
    const fn is_none(&self) -> bool {
        matches!(self, Self::None)
    }
}

/// An outcome that is decided: the sealed bytes wait here until they are on the share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outcome {
    /// How it ended.
    pub status: Status,
    /// The sealed result, whole.
    pub sealed: String,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the signature that serde asks for"
)]
const fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// A journal of an earlier version does not say: then nothing is started twice.
const fn once() -> u32 {
    1
}

impl Known {
    /// Returns whether it may not be started before its sender says so.
    #[must_use]
    pub fn waits(&self) -> bool {
        self.hold == Hold::Waits
    }

    /// Returns the lane it came by.
    #[must_use]
    pub fn lane(&self) -> Lane {
        Lane::new(self.from.clone(), self.to.clone())
    }

    /// Returns how many starts count against the most attempts.
    #[must_use]
    pub const fn counted(&self) -> u32 {
        self.starts.saturating_sub(self.spared)
    }

    /// Notes what came of an attempt.
    fn try_over(&mut self, tried: Option<&Tried>) {
        if let Some(tried) = tried {
            self.spared = self.spared.saturating_add(u32::from(tried.free));
            history::add(&mut self.tried, tried.clone());
        }
    }

    /// Returns whether a copy of its file that comes back would be refused by its own time: no window that is forgiven
    /// is open any more.
    #[must_use]
    pub fn is_beyond_return(&self, now: Timestamp) -> bool {
        self.expires.plus(limits::SKEW) < now
    }

    /// Returns what is remembered once it is not this node's any more: how often it was started, what was approved.
    pub(super) fn leave(mut self) -> Self {
        self.phase = Phase::Returned;
        (self.back, self.outcome, self.file) = (None, None, None);
        self
    }

    /// Returns whether it is not this node's any more.
    pub(super) fn has_left(&self) -> bool {
        self.phase == Phase::Returned && self.back.is_none()
    }

    fn start(&mut self, claim: &str, attempt: u32, at: Timestamp) -> Result<(), &'static str> {
        if self.phase != Phase::Admitted {
            return Err("it is not waiting for a start");
        }
        // In a pool others may have started it meanwhile.
        let is_next = attempt == self.starts + 1;
        if !is_next && (self.to.pool().is_none() || attempt <= self.starts) {
            return Err("the attempt is not the next one");
        }
        claim.clone_into(&mut self.claim);
        self.phase = Phase::Started;
        self.starts = attempt;
        self.started = at;
        Ok(())
    }

    /// It is in line again, under a fresh claim.
    fn again(&mut self, claim: &str, not_before: Option<Timestamp>) {
        claim.clone_into(&mut self.claim);
        self.file = None;
        self.phase = Phase::Admitted;
        self.misses = 0;
        self.not_before = not_before.or(self.not_before);
    }

    pub(super) fn apply(&mut self, fact: &Fact) -> Result<(), &'static str> {
        let decided = self.outcome.is_some();
        match fact {
            Fact::Held { claim, .. } => {
                self.claim.clone_from(claim);
                if matches!(self.phase, Phase::Parked | Phase::Returned) {
                    self.phase = Phase::Admitted;
                }
            }
            Fact::Parked { claim, .. } if self.phase == Phase::Admitted => {
                self.claim.clone_from(claim);
                self.phase = Phase::Parked;
                // It waits for a decision: whatever was decided before did not cover what it asks for.
                self.approval = None;
            }
            Fact::Approved { .. } if self.approval.is_some() => {
                return Err("it has an approval already");
            }
            Fact::Approved { approval, .. } => self.approval = Some(approval.clone()),
            Fact::Ready { prior, .. } if self.hold == Hold::Waits && !decided => {
                self.hold = Hold::Over(prior.clone());
            }
            Fact::Started {
                claim, attempt, at, ..
            } => {
                if decided {
                    return Err("it is not waiting for a start");
                }
                self.start(claim, *attempt, *at)?;
            }
            Fact::Unstarted { .. } if self.phase == Phase::Started => {
                self.phase = Phase::Admitted;
                self.starts = self.starts.saturating_sub(1);
                self.misses = self.misses.saturating_add(1);
                if let Some(file) = self.file.take() {
                    self.claim = file;
                }
            }
            Fact::Again {
                claim,
                not_before,
                tried,
                ..
            } if matches!(self.phase, Phase::Started | Phase::Finished) && !decided => {
                self.try_over(tried.as_ref());
                self.again(claim, *not_before);
            }
            Fact::Finished { .. } if self.phase == Phase::Started => self.phase = Phase::Finished,
            Fact::Decided {
                claim,
                status,
                sealed,
                ..
            } if !decided => {
                self.claim.clone_from(claim);
                self.outcome = Some(Outcome {
                    status: *status,
                    sealed: sealed.clone(),
                });
                self.phase = Phase::Decided;
            }
            Fact::Found { file, .. } => self.file = (*file != self.claim).then(|| file.clone()),
            Fact::Returned { back, .. } if !decided && self.phase != Phase::Parked => {
                self.try_over(back.tried.as_ref());
                self.back = Some(back.clone());
                self.phase = Phase::Returned;
            }
            _ => return Err("it is in another phase"),
        }
        Ok(())
    }
}

/// What is remembered of a closed task, so that it never runs again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Closed {
    /// Digest of the whole task file.
    pub digest: Digest,
    /// When it expired or will expire.
    pub expires: Timestamp,
    /// Its outcome.
    pub status: Status,
    /// The claim its outcome belongs to.
    pub claim: String,
    /// What it shares with every other submission of the same work, where an agent may have run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Key>,
}
