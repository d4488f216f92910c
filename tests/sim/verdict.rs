//! The end of a schedule: what must have come of every task.

use std::collections::BTreeMap;

use dispatch::entry::ClaimName;
use dispatch::entry::ControlKind;
use dispatch::entry::ControlName;
use dispatch::entry::QueuedName;
use dispatch::id::Digest;
use dispatch::id::TaskId;
use dispatch::limits;
use dispatch::place::Place;
use dispatch::stage::Stage;

use crate::oracle::Story;
use crate::oracle::stage_of;
use crate::server::File;
use crate::world::State;

/// How often a task may be started that may be started again.
pub const ATTEMPTS_MAX: u32 = 3;

impl Story {
    /// Returns the story of a task of which nothing has happened yet.
    pub const fn of(errand: usize, digest: Digest) -> Self {
        Self {
            errand,
            digest,
            file: None,
            is_told: false,
            is_denied: false,
            starts: BTreeMap::new(),
            spared: 0,
            reset: None,
            commits: 0,
            approved: None,
            cancels: Vec::new(),
            marked: 0,
            excused: 0,
            outcome: None,
            after: None,
        }
    }
}

impl State {
    /// An agent is started under a claim: only once, and not where another had taken it before its marker was there,
    /// for who took it saw no marker then and gave it to the next.
    pub fn judge_claim(&mut self, stem: &str) {
        if !self.oracle.ran.insert(stem.to_owned()) {
            self.fail(format!("started at most once: {stem} again"));
        }
        let Some(claim) = ClaimName::parse_stem(stem) else {
            return;
        };
        let (marked, taken) = (self.oracle.marks.get(&claim), self.oracle.taken.get(&claim));
        if self.oracle.names_forgotten {
            return;
        }
        match (marked, taken) {
            (None, _) => self.fail(format!("{stem} was started without a marker")),
            (Some(marked), Some(taken)) if taken < marked => self.fail(format!(
                "started at most once: {stem} was taken before its marker was made, and started"
            )),
            _ => {}
        }
    }

    /// An agent is started: not before the time that its provider named, and not for work that was begun under another
    /// id.
    pub fn judge_retry(&mut self, host: usize, id: TaskId, wall: i64) {
        let Some(story) = self.oracle.stories.get(&id) else {
            return;
        };
        let total: u32 = story.starts.values().sum();
        let stepped = self.hosts[host].stepped.is_some();
        if let Some(reset) = story.reset.filter(|reset| wall < *reset)
            && !stepped
            && self.plan.members == 0
        {
            self.fail(format!(
                "{id} comes before the time that was named, by {} s",
                reset - wall
            ));
        }
        if total > 1 {
            self.cover("tried again", || id.to_string());
        }
        let is_keyed = self.plan.errands.iter().all(|errand| errand.keyed);
        let is_keyed = is_keyed && !self.oracle.rolled_back;
        let mut others = self.oracle.stories.iter();
        let other = others.find(|(other, story)| **other != id && !story.starts.is_empty());
        if let Some((other, _)) = other.filter(|_| is_keyed) {
            self.fail(format!("one key, one run: {id} is started, as {other} was"));
        }
    }

    /// What must be so once everything has come to rest.
    pub fn judge_end(&mut self) {
        let stories: Vec<(TaskId, Story)> = self
            .oracle
            .stories
            .iter()
            .map(|(id, story)| (*id, story.clone()))
            .collect();
        let ran = stories.iter().any(|(_, story)| !story.starts.is_empty());
        if ran && stories.len() > 1 && self.plan.errands.iter().all(|errand| errand.keyed) {
            self.cover("same work again", String::new);
        }
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

    /// An agent is started on a host: no cancel for it lay there before the marker was made.
    pub fn judge_cancels(&mut self, host: usize, story: &Story) {
        let me = self.hosts[host].name;
        let is_for_me = |name: &ControlName| match &name.kind {
            ControlKind::Cancel(Some(member)) => member.as_str() == me,
            _ => true,
        };
        let found = story
            .cancels
            .iter()
            .find(|(since, name)| *since < story.marked && is_for_me(name));
        // A wish that seems to come from the future is refused: where the clocks of the two differed by minutes.
        let differ = self.hosts[0].wrong_by + self.hosts[host].wrong_by;
        if let Some((_, name)) = found
            && story.excused < story.marked
            && differ < limits::SKEW.as_secs()
        {
            self.fail(format!(
                "{} started, although {name} was there before its marker",
                name.id
            ));
        }
    }

    /// Markers of a task that lie in `processing/` now.
    fn markers(&mut self, id: TaskId) -> Vec<String> {
        let place = Place::Stage(self.lane.clone(), Stage::Processing);
        let at = self.server.folder(&place);
        let names = self.server.dirs[at].names.range(id.to_string()..);
        names
            .map(|(name, _)| name)
            .take_while(|name| name.starts_with(&id.to_string()))
            .filter(|name| name.ends_with(".start"))
            .cloned()
            .collect()
    }

    /// A task file moved to this stage and name. What was taken over while the markers of as many starts as are allowed
    /// lay there must not go back to `inbox/`: whoever took it looked after that, and they lie there still.
    pub fn judge_return(&mut self, to: Option<Stage>, name: &str, file: File) {
        let claim = ClaimName::parse(name);
        if let Some(taken) = claim.filter(|claim| claim.taken.is_some()) {
            let markers = self.markers(taken.id);
            self.oracle.marked_before.insert(file, markers);
            return;
        }
        let before = self.oracle.marked_before.remove(&file);
        let queued = QueuedName::parse(name).filter(|_| to == Some(Stage::Inbox));
        let (Some(before), Some(queued)) = (before, queued) else {
            return;
        };
        let story = self.oracle.stories.get(&queued.id);
        let errand = story.map(|story| &self.plan.errands[story.errand]);
        let most = match errand {
            Some(errand) if errand.idempotent => ATTEMPTS_MAX,
            Some(_) => 1,
            None => return,
        };
        let now = self.markers(queued.id);
        let still = before.iter().filter(|name| now.contains(name)).count();
        if still >= most as usize && !self.oracle.names_forgotten {
            self.fail(format!(
                "started at most once: {} goes back to inbox/ with the marker of a start that was there when it was taken",
                queued.id
            ));
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
