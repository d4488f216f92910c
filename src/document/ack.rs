//! An approver's decision about one task, bound to the task's exact bytes.

use super::Body;
use super::Context;
use super::Head;
use super::Kind;
use super::Members;
use super::Rules;
use super::Span;
use super::at_most;
use super::digest;
use super::maybe_short;
use super::strict;
use super::task_id;
use crate::clock::Timestamp;
use crate::id::Digest;
use crate::id::Party;
use crate::id::TaskId;
use crate::outcome::words;
use crate::reason::Refusal;

const GRANTS_MAX: usize = 8;
/// Longest reason of a decision or a cancel, in bytes.
pub(super) const REASON_BYTES_MAX: usize = 1024;

words! {
    /// What the approver decided.
    Decision {
        /// It may run.
        Approve = "approve",
        /// It must not run.
        Deny = "deny",
    }
}

words! {
    /// What an approval allows beyond running at all.
    Allowance {
        /// The profile's dangerous mode.
        Dangerous = "dangerous",
    }
}

/// A decision, as its approver sealed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ack {
    /// The approver.
    pub from: Party,
    /// The node that holds the task.
    pub to: Party,
    /// The task.
    pub task_id: TaskId,
    /// Digest of the whole sealed task file.
    pub task_sha256: Digest,
    /// What was decided.
    pub decision: Decision,
    /// What is allowed beyond running.
    pub grants: Vec<Allowance>,
    /// Why, for people.
    pub reason: Option<String>,
    /// When it was decided.
    pub created: Timestamp,
    /// Not to be accepted after this.
    pub expires: Timestamp,
}

impl Ack {
    /// Returns where it belongs.
    #[must_use]
    pub fn context(&self) -> Context {
        Context {
            from: self.from.clone(),
            to: self.to.clone(),
            kind: Kind::Ack,
        }
    }

    /// Returns the bytes to seal.
    #[must_use]
    pub fn body(&self) -> Vec<u8> {
        Body::of(Kind::Ack)
            .parties(&self.from, &self.to)
            .show("task_id", &self.task_id)
            .show("task_sha256", &self.task_sha256)
            .show("decision", &self.decision)
            .list("grants", &self.grants)
            .maybe("reason", self.reason.clone())
            .show("created", &self.created)
            .show("expires", &self.expires)
            .bytes()
    }

    /// Reads a verified decision.
    ///
    /// # Errors
    /// As [`super::Task::read`], without `E_CRIT` and `E_POLICY`.
    pub fn read(members: Members<'_>, rules: &Rules) -> Result<Self, Refusal> {
        let Members {
            mut object,
            deferred,
            context,
        } = members;
        let head = Head::take(&mut object)?;
        let id = object.text("task_id")?;
        let task_sha256 = digest("task_sha256", &object.text("task_sha256")?)?;
        let decision = Decision::from_word(&object.text("decision")?)
            .ok_or_else(|| strict::wrong("decision", "approve or deny"))?;
        let grants = strict::texts("grants", object.required_list("grants")?)?
            .iter()
            .map(|word| Allowance::from_word(word).ok_or_else(|| strict::wrong("grants", "known")))
            .collect::<Result<Vec<_>, _>>()?;
        let reason = object.maybe_text("reason")?;
        let (created, expires) = (object.text("created")?, object.text("expires")?);
        object.finish()?;
        head.check(context)?;
        let task_id = task_id("task_id", &id)?;
        let span = Span::parse(&created, &expires)?;
        span.check(rules)?;
        deferred.numbers()?;
        at_most("grants", &grants, GRANTS_MAX)?;
        maybe_short("reason", reason.as_deref(), REASON_BYTES_MAX)?;
        deferred.letters()?;
        Ok(Self {
            from: context.from.clone(),
            to: context.to.clone(),
            task_id,
            task_sha256,
            decision,
            grants,
            reason,
            created: span.created,
            expires: span.expires,
        })
    }
}
