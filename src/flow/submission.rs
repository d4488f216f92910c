//! A second task of one sender for the same piece of work → refused, with the id of the first.
//!
//! The idempotency key says that it is the same work. Who holds a key is a part of the journal's record of a task, so
//! it is remembered exactly as long as the task, and survives what the journal survives.

use serde_json::json;

use super::Error;
use super::Node;
use super::decide;
use crate::document::Task;
use crate::id::Digest;
use crate::id::TaskId;
use crate::journal::Key;
use crate::journal::Known;
use crate::outcome::Status;
use crate::place::Lane;
use crate::planted;
use crate::planted::Bug;
use crate::reason::Reason;

/// Returns what a task shares with other submissions of its work, where it has a key.
#[must_use]
pub fn key(lane: &Lane, task: &Task) -> Option<Key> {
    let text = task.idempotency_key.as_deref()?;
    Some(Key {
        mark: mark(lane, text),
        submission: task.attempt,
    })
}

/// Returns the digest over sender, addressee and key. Neither of the first two can hold a line feed.
#[must_use]
pub fn mark(lane: &Lane, key: &str) -> Digest {
    Digest::of(format!("{}\n{}\n{key}", lane.from, lane.to).as_bytes())
}

/// Returns the task of which this one is a second submission.
pub(super) fn first(node: &Node, id: TaskId, known: &Known) -> Option<TaskId> {
    standing(node, id, known.key.as_ref()?)
}

/// Returns the task of which one that waits for its start is a second submission: it was admitted as that, without a
/// key of its own, and a crash came before its refusal was on record.
pub(super) fn first_after_all(
    node: &Node,
    id: TaskId,
    known: &Known,
    task: &Task,
) -> Option<TaskId> {
    if known.key.is_some() {
        return None;
    }
    standing(node, id, &key(&known.lane(), task)?)
}

fn standing(node: &Node, id: TaskId, key: &Key) -> Option<TaskId> {
    if planted::is(Bug::KeyIgnored) {
        return None;
    }
    let first = node.journal.submitted(key)?;
    (first != id).then_some(first)
}

/// Refuses an admitted task, because another one is the same work.
pub(super) fn refuse(node: &mut Node, id: TaskId, first: TaskId) -> Result<(), Error> {
    let Some(mut answer) = decide::blank(node, id, Status::Rejected) else {
        return Ok(());
    };
    answer.reason = Some(Reason::Duplicate.as_str().to_owned());
    answer.detail = Some(format!(
        "task {first} has the same idempotency key, and is open or may have run"
    ));
    let of = json!({ "of": first });
    answer.ext.insert("duplicate".to_owned(), of);
    decide::decide(node, id, answer)
}
