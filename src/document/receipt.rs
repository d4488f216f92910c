//! A receiver confirms how far a task has come, where its sender asked for that.

use super::Body;
use super::Context;
use super::Head;
use super::Kind;
use super::Members;
use super::Rules;
use super::Span;
use super::digest;
use super::strict;
use super::task_id;
use crate::clock::Timestamp;
use crate::id::Digest;
use crate::id::Party;
use crate::id::TaskId;
use crate::outcome::words;
use crate::reason::Refusal;

words! {
    /// How far a task has come at its receiver. The end, a refusal included, is a result.
    Step {
        /// It is in the receiver's journal, and a person is asked about it.
        Waiting = "waiting",
        /// It is in the receiver's journal and will be started as soon as there is room for it.
        Accepted = "accepted",
        /// Its agent was let go.
        Started = "started",
    }
}

/// A receipt, as the receiver sealed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// Who received it: a node, or a member of the pool that was asked.
    pub from: Party,
    /// The sender of the task.
    pub to: Party,
    /// The task.
    pub task_id: TaskId,
    /// Digest of the whole sealed task file.
    pub task_sha256: Digest,
    /// What is confirmed; every earlier step is too.
    pub step: Step,
    /// When it was made.
    pub created: Timestamp,
    /// Of no meaning after this.
    pub expires: Timestamp,
}

impl Receipt {
    /// Returns where it belongs.
    #[must_use]
    pub fn context(&self) -> Context {
        Context {
            from: self.from.clone(),
            to: self.to.clone(),
            kind: Kind::Receipt,
        }
    }

    /// Returns the bytes to seal.
    #[must_use]
    pub fn body(&self) -> Vec<u8> {
        Body::of(Kind::Receipt)
            .parties(&self.from, &self.to)
            .show("task_id", &self.task_id)
            .show("task_sha256", &self.task_sha256)
            .show("step", &self.step)
            .show("created", &self.created)
            .show("expires", &self.expires)
            .bytes()
    }

    /// Reads a verified receipt.
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
        let step = Step::from_word(&object.text("step")?)
            .ok_or_else(|| strict::wrong("step", "waiting, accepted or started"))?;
        let (created, expires) = (object.text("created")?, object.text("expires")?);
        object.finish()?;
        head.check(context)?;
        let task_id = task_id("task_id", &id)?;
        let span = Span::parse(&created, &expires)?;
        span.check(rules)?;
        deferred.numbers()?;
        deferred.letters()?;
        Ok(Self {
            from: context.from.clone(),
            to: context.to.clone(),
            task_id,
            task_sha256,
            step,
            created: span.created,
            expires: span.expires,
        })
    }
}
