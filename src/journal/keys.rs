//! Which task holds an idempotency key. Rebuilt from the facts about tasks; forgotten with them.

use std::collections::HashMap;

use super::Key;
use crate::id::Digest;
use crate::id::TaskId;

/// The tasks of each key: its submissions, the latest first.
#[derive(Debug, Default)]
pub(super) struct Keys(HashMap<Digest, Vec<(u32, TaskId)>>);

impl Keys {
    /// Notes that a task has a key.
    pub(super) fn note(&mut self, id: TaskId, key: Option<Key>) {
        let Some(key) = key else { return };
        let held = self.0.entry(key.mark).or_default();
        held.retain(|(_, other)| *other != id);
        held.push((key.submission, id));
        held.sort_by_key(|(submission, _)| std::cmp::Reverse(*submission));
    }

    /// A task gives its key back: it ended without a start. Who had it before has it still.
    pub(super) fn give_back(&mut self, id: TaskId, key: Option<Key>) {
        if let Some(held) = key.and_then(|key| self.0.get_mut(&key.mark)) {
            held.retain(|(_, other)| *other != id);
        }
    }

    /// Returns the tasks that have a key, the latest submission first.
    pub(super) fn get(&self, mark: &Digest) -> impl Iterator<Item = TaskId> {
        self.0.get(mark).into_iter().flatten().map(|(_, id)| *id)
    }

    /// Forgets those of tasks that are forgotten.
    pub(super) fn retain(&mut self, is_known: impl Fn(&TaskId) -> bool) {
        self.0.retain(|_, held| {
            held.retain(|(_, id)| is_known(id));
            !held.is_empty()
        });
    }
}
