//! The sender of a task wants it ended.

use super::Body;
use super::Context;
use super::Head;
use super::Kind;
use super::Members;
use super::Rules;
use super::Span;
use super::ack::REASON_BYTES_MAX;
use super::digest;
use super::short;
use super::task_id;
use crate::clock::Timestamp;
use crate::id::Digest;
use crate::id::Party;
use crate::id::TaskId;
use crate::reason::Refusal;

/// A cancel, as the task's sender sealed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cancel {
    /// The sender of the task.
    pub from: Party,
    /// Its recipient.
    pub to: Party,
    /// The task.
    pub task_id: TaskId,
    /// Digest of the whole sealed task file, where the canceller still knows it.
    pub task_sha256: Option<Digest>,
    /// Why, for people.
    pub reason: String,
    /// When it was asked.
    pub created: Timestamp,
    /// Not to be accepted after this.
    pub expires: Timestamp,
}

impl Cancel {
    /// Returns where it belongs.
    #[must_use]
    pub fn context(&self) -> Context {
        Context {
            from: self.from.clone(),
            to: self.to.clone(),
            kind: Kind::Cancel,
        }
    }

    /// Returns the bytes to seal.
    #[must_use]
    pub fn body(&self) -> Vec<u8> {
        Body::of(Kind::Cancel)
            .parties(&self.from, &self.to)
            .show("task_id", &self.task_id)
            .maybe_show("task_sha256", self.task_sha256.as_ref())
            .put("reason", self.reason.clone())
            .show("created", &self.created)
            .show("expires", &self.expires)
            .bytes()
    }

    /// Reads a verified cancel.
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
        let task_sha256 = object.maybe_text("task_sha256")?;
        let task_sha256 = task_sha256
            .map(|text| digest("task_sha256", &text))
            .transpose()?;
        let reason = object.text("reason")?;
        let (created, expires) = (object.text("created")?, object.text("expires")?);
        object.finish()?;
        head.check(context)?;
        let task_id = task_id("task_id", &id)?;
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
            reason,
            created: span.created,
            expires: span.expires,
        })
    }
}
