//! A member of a pool gives back a claim that it never started and never will.

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
use super::short;
use super::task_id;
use crate::clock::Timestamp;
use crate::entry::ClaimName;
use crate::id::Digest;
use crate::id::Party;
use crate::id::TaskId;
use crate::reason::Refusal;

/// A release, as the member that held the claim sealed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// The member.
    pub from: Party,
    /// The sender of the task.
    pub to: Party,
    /// The task.
    pub task_id: TaskId,
    /// Digest of the whole sealed task file.
    pub task_sha256: Digest,
    /// The claim.
    pub claim: ClaimName,
    /// Why, for people.
    pub reason: String,
    /// When it was given back.
    pub created: Timestamp,
    /// Not to be accepted after this.
    pub expires: Timestamp,
}

impl Release {
    /// Returns where it belongs.
    #[must_use]
    pub fn context(&self) -> Context {
        Context {
            from: self.from.clone(),
            to: self.to.clone(),
            kind: Kind::Release,
        }
    }

    /// Returns the bytes to seal.
    #[must_use]
    pub fn body(&self) -> Vec<u8> {
        Body::of(Kind::Release)
            .parties(&self.from, &self.to)
            .show("task_id", &self.task_id)
            .show("task_sha256", &self.task_sha256)
            .put("claim", self.claim.stem())
            .put("reason", self.reason.clone())
            .show("created", &self.created)
            .show("expires", &self.expires)
            .bytes()
    }

    /// Reads a verified release. Its claim is one of this task by the member that speaks.
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
        let reason = object.text("reason")?;
        let (created, expires) = (object.text("created")?, object.text("expires")?);
        object.finish()?;
        head.check(context)?;
        let task_id = task_id("task_id", &id)?;
        let claim = claim_of(&context.from, task_id, &claim)?;
        let span = Span::parse(&created, &expires)?;
        span.check(rules)?;
        deferred.numbers()?;
        short("reason", &reason, REASON_BYTES_MAX)?;
        deferred.letters()?;
        Ok(Self {
            from: context.from.clone(),
            to: context.to.clone(),
            task_id,
            task_sha256,
            claim,
            reason,
            created: span.created,
            expires: span.expires,
        })
    }
}
