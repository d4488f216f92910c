//! The sender says that what a task of its waited for has come about, and hands over what the others answered.

use serde_json::Value;
use serde_json::json;

use super::Body;
use super::Context;
use super::Head;
use super::Kind;
use super::Members;
use super::Object;
use super::Rules;
use super::Span;
use super::at_most;
use super::digest;
use super::range;
use super::strict;
use super::task_id;
use crate::clock::Timestamp;
use crate::id::Digest;
use crate::id::Party;
use crate::id::TaskId;
use crate::limits;
use crate::outcome::Status;
use crate::reason::Refusal;

/// What another task came to, as far as it is handed on. Text of an agent: data, with no authority.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prior {
    /// The task.
    pub id: TaskId,
    /// How it ended.
    pub status: Status,
    /// The beginning of its answer.
    pub text: String,
    /// Whether the answer is longer.
    pub is_cut: bool,
}

/// That a task may be started, as its sender sealed it. A document that is not there means: not yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ready {
    /// The sender of the task.
    pub from: Party,
    /// The node that serves the lane; in a pool, a member.
    pub to: Party,
    /// The task.
    pub task_id: TaskId,
    /// Digest of the whole sealed task file.
    pub task_sha256: Digest,
    /// What the tasks it waited for came to.
    pub prior: Vec<Prior>,
    /// When it was decided.
    pub created: Timestamp,
    /// Not to be accepted after this.
    pub expires: Timestamp,
}

impl Ready {
    /// Returns where it belongs.
    #[must_use]
    pub fn context(&self) -> Context {
        Context {
            from: self.from.clone(),
            to: self.to.clone(),
            kind: Kind::Ready,
        }
    }

    /// Returns the bytes to seal.
    #[must_use]
    pub fn body(&self) -> Vec<u8> {
        let prior = |one: &Prior| {
            json!({
                "id": one.id,
                "status": one.status,
                "text": one.text,
                "truncated": one.is_cut,
            })
        };
        let prior: Vec<Value> = self.prior.iter().map(prior).collect();
        Body::of(Kind::Ready)
            .parties(&self.from, &self.to)
            .show("task_id", &self.task_id)
            .show("task_sha256", &self.task_sha256)
            .put("prior", prior)
            .show("created", &self.created)
            .show("expires", &self.expires)
            .bytes()
    }

    /// Reads a verified document of this kind.
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
        let prior = object.required_list("prior")?.into_iter().map(take);
        let prior = prior.collect::<Result<Vec<_>, _>>()?;
        let (created, expires) = (object.text("created")?, object.text("expires")?);
        object.finish()?;
        head.check(context)?;
        let task_id = self::task_id("task_id", &id)?;
        let prior = prior.into_iter().map(|(id, status, text, is_cut)| {
            let id = self::task_id("prior.id", &id)?;
            Ok(Prior {
                id,
                status,
                text,
                is_cut,
            })
        });
        let prior = prior.collect::<Result<Vec<_>, Refusal>>()?;
        let span = Span::parse(&created, &expires)?;
        span.check(rules)?;
        deferred.numbers()?;
        at_most("prior", &prior, limits::AFTER_MAX)?;
        if prior.iter().map(|one| one.text.len()).sum::<usize>() > limits::PRIOR_BYTES_MAX {
            let most = limits::PRIOR_BYTES_MAX;
            return Err(range("prior", &format!("at most {most} bytes of text")));
        }
        deferred.letters()?;
        Ok(Self {
            from: context.from.clone(),
            to: context.to.clone(),
            task_id,
            task_sha256,
            prior,
            created: span.created,
            expires: span.expires,
        })
    }
}

/// Takes one answer apart; its id is judged when its turn comes.
fn take(value: Value) -> Result<(String, Status, String, bool), Refusal> {
    let mut object = Object::inside("prior", value)?;
    let id = object.text("id")?;
    let status = Status::from_word(&object.text("status")?)
        .ok_or_else(|| strict::wrong("prior.status", "a status"))?;
    let (text, is_cut) = (object.text("text")?, object.flag("truncated")?);
    object.finish()?;
    Ok((id, status, text, is_cut))
}
