//! The end of a schedule: what must have come of every task.

use dispatch::id::Digest;
use dispatch::id::TaskId;
use dispatch::stage::Stage;

use crate::oracle::Story;
use crate::oracle::stage_of;
use crate::world::State;

impl State {
    /// What must be so once everything has come to rest.
    pub fn judge_end(&mut self) {
        let stories: Vec<(TaskId, Story)> = self
            .oracle
            .stories
            .iter()
            .map(|(id, story)| (*id, story.clone()))
            .collect();
        for (id, story) in stories {
            let Some(file) = story.file else {
                if story.is_told {
                    self.fail(format!("never lost: {id} was told and never published"));
                }
                continue;
            };
            let home = self.server.files[file].home.clone();
            let stage = home.and_then(|(at, _)| stage_of(&self.server.dirs[at].place));
            if !matches!(stage, Some(Stage::Done | Stage::Rejected)) {
                self.fail(format!(
                    "never lost: {id} ends in {stage:?}, not in an outcome"
                ));
            }
        }
    }

    /// The server lost power: what was told must still be what was sent.
    pub fn judge_bytes(&mut self) {
        let torn = self.oracle.stories.iter().find(|(_, story)| {
            let bytes = story.file.map(|file| &self.server.files[file].bytes);
            story.is_told && bytes.is_some_and(|bytes| Digest::of(bytes) != story.digest)
        });
        if let Some((id, _)) = torn {
            let id = *id;
            self.fail(format!("never lost: the bytes of {id} are gone"));
        }
    }

    /// A sender believed an outcome.
    pub fn believed(&mut self, id: TaskId, result: Digest) {
        let Some(story) = self.oracle.stories.get_mut(&id) else {
            return;
        };
        match story.outcome {
            None => story.outcome = Some(result),
            Some(first) if first == result => {}
            Some(_) if self.oracle.rolled_back => {}
            Some(_) => self.fail(format!("one outcome: {id} has a second one")),
        }
    }

    /// Whether every task has come to its end, as far as the server knows.
    pub fn is_settled(&self) -> bool {
        self.oracle.stories.values().all(|story| {
            let Some(file) = story.file else { return true };
            let home = self.server.files[file].home.as_ref();
            let stage = home.and_then(|(at, _)| stage_of(&self.server.dirs[*at].place));
            matches!(stage, Some(Stage::Done | Stage::Rejected))
        }) && self.oracle.stories.iter().all(|(id, story)| {
            story.file.is_none() || self.oracle.rolled_back || self.is_revealed(*id)
        })
    }

    /// Whether an outcome lies under the name people look for. Where a stranger's copy came first, the file that was
    /// sent is the copy, and is set aside long before there is one.
    fn is_revealed(&self, id: TaskId) -> bool {
        let name = format!("{id}.result.json");
        let mut done = self
            .server
            .dirs
            .iter()
            .filter(|dir| stage_of(&dir.place) == Some(Stage::Done));
        done.any(|dir| dir.names.contains_key(&name))
    }
}
