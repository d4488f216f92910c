//! The sender of a task lets one claim of a pool start, or refuses it.

use super::Body;
use super::Context;
use super::Head;
use super::Kind;
use super::Members;
use super::Rules;
use super::Span;
use super::ack::REASON_BYTES_MAX;
use super::claim_of;
use super::digest;
use super::maybe_short;
use super::strict;
use super::task_id;
use crate::clock::Timestamp;
use crate::entry::ClaimName;
use crate::id::Digest;
use crate::id::Party;
use crate::id::TaskId;
use crate::outcome::words;
use crate::reason::Refusal;

words! {
    /// What the sender decided about a claim.
    Permission {
        /// It may be started, once.
        Start = "start",
        /// It must not be started: another claim of the task may have been.
        Refuse = "refuse",
    }
}

/// A grant, as the task's sender sealed it. It is about one claim and no other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The sender of the task.
    pub from: Party,
    /// The member that holds the claim.
    pub to: Party,
    /// The task.
    pub task_id: TaskId,
    /// Digest of the whole sealed task file.
    pub task_sha256: Digest,
    /// The claim.
    pub claim: ClaimName,
    /// What was decided.
    pub decision: Permission,
    /// Why, for people.
    pub reason: Option<String>,
    /// When it was decided.
    pub created: Timestamp,
    /// No start after this.
    pub expires: Timestamp,
}

impl Grant {
    /// Returns where it belongs.
    #[must_use]
    pub fn context(&self) -> Context {
        Context {
            from: self.from.clone(),
            to: self.to.clone(),
            kind: Kind::Grant,
        }
    }

    /// Returns the bytes to seal.
    #[must_use]
    pub fn body(&self) -> Vec<u8> {
        Body::of(Kind::Grant)
            .parties(&self.from, &self.to)
            .show("task_id", &self.task_id)
            .show("task_sha256", &self.task_sha256)
            .put("claim", self.claim.stem())
            .show("decision", &self.decision)
            .maybe("reason", self.reason.clone())
            .show("created", &self.created)
            .show("expires", &self.expires)
            .bytes()
    }

    /// Reads a verified grant. Its claim is one of this task by the member it is addressed to.
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
        let claim = object.text("claim")?;
        let decision = Permission::from_word(&object.text("decision")?)
            .ok_or_else(|| strict::wrong("decision", "start or refuse"))?;
        let reason = object.maybe_text("reason")?;
        let (created, expires) = (object.text("created")?, object.text("expires")?);
        object.finish()?;
        head.check(context)?;
        let task_id = task_id("task_id", &id)?;
        let claim = claim_of(&context.to, task_id, &claim)?;
        let span = Span::parse(&created, &expires)?;
        span.check(rules)?;
        deferred.numbers()?;
        maybe_short("reason", reason.as_deref(), REASON_BYTES_MAX)?;
        deferred.letters()?;
        Ok(Self {
            from: context.from.clone(),
            to: context.to.clone(),
            task_id,
            task_sha256,
            claim,
            decision,
            reason,
            created: span.created,
            expires: span.expires,
        })
    }
}
