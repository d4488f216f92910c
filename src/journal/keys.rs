//! Which task holds an idempotency key. Rebuilt from the facts about tasks; forgotten with them.

use std::collections::HashMap;

use super::Key;
use crate::id::Digest;
use crate::id::TaskId;

/// The latest task of each key.
#[derive(Debug, Default)]
pub(super) struct Keys(HashMap<Digest, (u32, TaskId)>);

impl Keys {
    /// Notes that a task has a key. Of several submissions the latest is the one that counts.
    pub(super) fn note(&mut self, id: TaskId, key: Option<Key>) {
        let Some(key) = key else { return };
        let held = self.0.entry(key.mark).or_insert((key.submission, id));
        if key.submission >= held.0 {
            *held = (key.submission, id);
        }
    }

    /// Returns the task that has a key.
    pub(super) fn get(&self, mark: &Digest) -> Option<TaskId> {
        self.0.get(mark).map(|(_, id)| *id)
    }

    /// Forgets those of tasks that are forgotten.
    pub(super) fn retain(&mut self, is_known: impl Fn(&TaskId) -> bool) {
        self.0.retain(|_, (_, id)| is_known(id));
    }
}
