//! The sender of a task that waits for others: says that it may be started, or ends it.
//!
//! Whether the conditions hold is decided from outcomes that were proved, and only once all are known or one cannot
//! hold any more. What is said is one sealed document (in a pool one for each member): a [`Ready`], which hands over
//! what the others answered, or a cancel with the task that failed as its reason. Saying it twice does no harm:
//! outcomes do not change, so it is the same.
//!
//! Nothing is kept here. The caller has on record what waits for what before the task is published, and asks again
//! until it knows that the word is there.

use super::cancel;
use super::send::Sender;
use crate::chance::Chance;
use crate::clock::Timestamp;
use crate::document::Answer;
use crate::document::Cancel;
use crate::document::Condition;
use crate::document::Prior;
use crate::document::Ready;
use crate::document::tidy;
use crate::entry::ControlKind;
use crate::entry::ControlName;
use crate::envelope;
use crate::id::Digest;
use crate::id::Party;
use crate::id::TaskId;
use crate::limits;
use crate::outcome::Status;
use crate::place::Lane;
use crate::place::Place;
use crate::planted;
use crate::planted::Bug;
use crate::stage::Stage;
use crate::transport::Publish;

/// A task that waits for others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dependent {
    /// The task.
    pub id: TaskId,
    /// Its lane.
    pub lane: Lane,
    /// Digest of the sealed task.
    pub digest: Digest,
    /// No start after this: what is said later is of no use to anybody.
    pub expires: Timestamp,
}

/// What is known of one task that another waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upstream {
    /// The task.
    pub id: TaskId,
    /// How it must end.
    pub when: Condition,
    /// How it ended; `None` as long as it is not over.
    pub ended: Option<Status>,
}

/// What follows for the task that waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resolution {
    /// Nothing yet.
    Waits,
    /// It may be started.
    Ready,
    /// It can never start: this task ended so.
    Never(TaskId, Status),
}

/// Returns what follows from what is known. One condition that cannot hold is enough to end it.
#[must_use]
pub fn judge(after: &[Upstream]) -> Resolution {
    let holds = |one: &Upstream, ended: Status| {
        one.when.holds(ended) || (planted::is(Bug::ReadyAnyhow) && one.when == Condition::Ok)
    };
    let over = after.iter().filter_map(|one| Some((one, one.ended?)));
    let mut failed = over.filter(|(one, ended)| !holds(one, *ended));
    if let Some((one, ended)) = failed.next() {
        return Resolution::Never(one.id, ended);
    }
    match after.iter().all(|one| one.ended.is_some()) {
        true => Resolution::Ready,
        false => Resolution::Waits,
    }
}

/// Returns what of an answer is handed on, where so many share the room.
#[must_use]
pub fn excerpt(answer: &Answer, among: usize) -> Prior {
    let most = (limits::PRIOR_BYTES_MAX / among.max(1)).min(limits::PRIOR_ONE_MAX);
    let text = tidy(&answer.final_text, most);
    Prior {
        id: answer.task_id,
        status: answer.status,
        is_cut: text.len() < answer.final_text.len(),
        text,
    }
}

/// Returns why a task was ended that can never start, as its outcome says it.
#[must_use]
pub fn reason(upstream: TaskId, ended: Status) -> String {
    format!("it waited for {upstream}, which ended as {ended}")
}

/// Says that a task may be started.
///
/// # Errors
/// [`envelope::Error`]: it cannot be sealed for any member; nobody was told.
///
/// # Durability
/// As the worst of what is returned.
pub fn let_go(
    sender: &Sender,
    chance: &dyn Chance,
    task: &Dependent,
    prior: &[Prior],
) -> Result<Publish, envelope::Error> {
    let now = sender.clock.wall();
    let control = Place::Stage(task.lane.clone(), Stage::Control);
    let mut worst = Publish::Published;
    let (mut told, mut failed) = (0, None);
    for to in addressees(sender, &task.lane) {
        let member = task.lane.pool().and_then(|_| to.node());
        let ready = Ready {
            from: Party::from(&task.lane.from),
            to,
            task_id: task.id,
            task_sha256: task.digest,
            prior: prior.to_vec(),
            created: now,
            expires: now.plus(limits::LIFE_MAX),
        };
        // A member without a key yet cannot be told; that keeps nobody else waiting, and the word is given once.
        let sealed = match envelope::seal(&sender.keys, &ready.context(), now, &ready.body()) {
            Ok(sealed) => sealed,
            Err(error) => {
                failed = Some(error);
                continue;
            }
        };
        told += 1;
        let name = ControlName {
            id: task.id,
            kind: ControlKind::Ready(member),
            nonce: chance.nonce(),
        };
        let to = (&control, &*name.to_string());
        let publish = sender.transport.publish(&task.lane, task.id, to, &sealed);
        if !matches!(publish, Publish::Published) {
            worst = publish;
        }
    }
    match failed {
        Some(error) if told == 0 => Err(error),
        _ => Ok(worst),
    }
}

/// Ends a task that can never start.
///
/// # Errors
/// As [`let_go`].
pub fn end(
    sender: &Sender,
    chance: &dyn Chance,
    task: &Dependent,
    why: &str,
) -> Result<Publish, envelope::Error> {
    let now = sender.clock.wall();
    let mut worst = Publish::Published;
    for to in addressees(sender, &task.lane) {
        let wish = Cancel {
            from: Party::from(&task.lane.from),
            to,
            task_id: task.id,
            task_sha256: Some(task.digest),
            reason: why.to_owned(),
            created: now,
            expires: now.plus(limits::LIFE_MAX),
        };
        let publish = cancel::send(sender, chance, &task.lane, &wish)?;
        if !matches!(publish, Publish::Published) {
            worst = publish;
        }
    }
    Ok(worst)
}

/// Whom it is said to: the node that serves the lane, or each member of the pool.
fn addressees(sender: &Sender, lane: &Lane) -> Vec<Party> {
    let Some(pool) = lane.pool() else {
        return vec![lane.to.clone()];
    };
    let members = sender.pools.get(&pool).into_iter().flatten();
    let others = members.filter(|member| **member != lane.from);
    others.map(Party::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(when: Condition, ended: Option<Status>) -> Upstream {
        let id = TaskId::parse("3f2504e0-4f89-41d3-9a0c-0305e82c3301").unwrap();
        Upstream { id, when, ended }
    }

    #[test]
    fn one_condition_that_cannot_hold_ends_it_and_all_must_hold_to_let_it_go() {
        let (ok, failed) = (Some(Status::Ok), Some(Status::Error));
        let never = |status| Resolution::Never(one(Condition::Ok, None).id, status);
        for (after, follows) in [
            (vec![one(Condition::Ok, ok)], Resolution::Ready),
            (vec![one(Condition::Ok, None)], Resolution::Waits),
            (
                vec![one(Condition::Ok, ok), one(Condition::Any, None)],
                Resolution::Waits,
            ),
            (
                vec![one(Condition::Any, None), one(Condition::Ok, failed)],
                never(Status::Error),
            ),
            (vec![one(Condition::NotOk, ok)], never(Status::Ok)),
            (
                vec![one(Condition::NotOk, failed), one(Condition::Any, ok)],
                Resolution::Ready,
            ),
        ] {
            assert_eq!(judge(&after), follows, "{after:?}");
        }
    }
}
