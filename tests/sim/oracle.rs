//! The guarantees, judged from the truth of the server and of the executors, never from what the code believes.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use dispatch::document::Condition;
use dispatch::entry::ClaimName;
use dispatch::entry::ControlKind;
use dispatch::entry::ControlName;
use dispatch::entry::QueuedName;
use dispatch::id::Digest;
use dispatch::id::TaskId;
use dispatch::limits;
use dispatch::place::Place;
use dispatch::stage::Stage;

use crate::plan::Export;
use crate::plan::MS;
use crate::plan::SECOND;
use crate::runner::Run;
use crate::server::Effect;
use crate::server::File;
use crate::server::Folder;
use crate::verdict::ATTEMPTS_MAX;
use crate::world::State;

/// What is known of one task, from outside.
#[derive(Debug, Clone)]
pub struct Story {
    pub errand: usize,
    pub digest: Digest,
    /// The one task file, once it is published.
    pub file: Option<File>,
    /// Its sender was told that it is published.
    pub is_told: bool,
    /// Its sender was told that it is not.
    pub is_denied: bool,
    /// Agents started, by attempt.
    pub starts: BTreeMap<u32, u32>,
    /// Attempts that cost nothing, because a provider said when to come again or a credential was refused.
    pub spared: u32,
    /// When a provider said to come again.
    pub reset: Option<i64>,
    /// Renames into `done/` or `rejected/`.
    pub commits: u32,
    /// When an approval of an approver lay in `control/`.
    pub approved: Option<u64>,
    /// When cancels of its sender came to lie in `control/`, and their names.
    pub cancels: Vec<(u64, ControlName)>,
    /// When the marker of its latest start was made.
    pub marked: u64,
    /// When a listing of `control/` without that cancel excused its start.
    pub excused: u64,
    /// The first outcome its sender believed.
    pub outcome: Option<Digest>,
    /// What it waits for.
    pub after: Option<(TaskId, Condition)>,
}

/// What must never happen, and what is needed to see it.
#[derive(Debug, Default)]
pub struct Oracle {
    pub stories: BTreeMap<TaskId, Story>,
    /// Since when the root has held a killswitch without a break.
    pub halted: Option<u64>,
    /// The server forgot what it had acknowledged, against what the guarantees ask of it.
    pub rolled_back: bool,
    /// Files that a stranger put where the code writes, and since when.
    pub squatters: BTreeMap<File, u64>,
    /// Claims that were taken over, and when first.
    pub taken: BTreeMap<ClaimName, u64>,
    /// When the marker of a claim was made.
    pub marks: BTreeMap<ClaimName, u64>,
    /// Claims under which an agent was started.
    pub ran: BTreeSet<String>,
    /// Markers that lay there when a claim was taken over, by its file.
    pub marked_before: BTreeMap<File, Vec<String>>,
    /// When the owner of a claim beat its lease, by the name of the lease.
    pub beats: BTreeMap<String, Vec<u64>>,
    /// When a host last looked at a lease.
    pub looks: BTreeMap<(usize, String), u64>,
    /// Names may have been made again, because the server forgot them.
    pub names_forgotten: bool,
}

impl Oracle {
    /// The task of a file.
    fn of_file(&mut self, file: File) -> Option<(TaskId, &mut Story)> {
        let mut stories = self.stories.iter_mut();
        stories
            .find(|(_, story)| story.file == Some(file))
            .map(|(id, story)| (*id, story))
    }
}

/// The stage of a folder, with the days of `done/` among them.
pub fn stage_of(place: &Place) -> Option<Stage> {
    match place {
        Place::Stage(_, stage) => Some(*stage),
        Place::Day(..) => Some(Stage::Done),
        _ => None,
    }
}

fn is_switch(name: &str) -> bool {
    name.to_ascii_uppercase().starts_with("KILLSWITCH")
}

impl State {
    /// Looks at what a request did.
    pub fn judge(&mut self, effect: &Effect) {
        match effect {
            Effect::Made(at, name, _) => self.judge_made(*at, name),
            Effect::Moved {
                from,
                to,
                name,
                file,
                replaced,
            } => self.judge_move(*from, *to, name, *file, *replaced),
            Effect::Gone(at, name, file) => {
                if let Some((id, _)) = self.oracle.of_file(*file) {
                    self.fail(format!("never lost: the file of {id} was removed"));
                }
                // Who looks from now on sees that there is none.
                self.oracle.looks.retain(|(_, lease), _| lease != name);
                if self.server.dirs[*at].place == Place::Root && is_switch(name) {
                    self.note_halts();
                }
            }
            Effect::Other => {}
        }
    }

    /// Whether whoever replaced a file must have known of it. Between a look and a rename a stranger can always come.
    fn is_old_enough(&self, file: File) -> bool {
        let is_prompt = self.plan.rates.hang == 0
            && self.plan.rates.pause == 0
            && self.plan.spells.is_empty()
            && self.plan.members == 0;
        let since = self.oracle.squatters.get(&file);
        since.is_none_or(|since| {
            is_prompt && self.down_until <= *since && self.now > since + 10 * SECOND
        })
    }

    /// A lease was rewritten by its owner.
    pub fn beaten(&mut self, name: &str) {
        if self.current.is_some() && name.ends_with(".lease") {
            let beats = self.oracle.beats.entry(name.to_owned()).or_default();
            beats.push(self.now);
        }
    }

    /// A claim was taken over: when it was last looked at, its owner must not have beaten for as long as others
    /// wait. (What it beats between that look and the take, nobody can know.)
    fn judge_take(&mut self, name: &str) {
        let Some(claim) = ClaimName::parse(name).filter(|claim| claim.taken.is_some()) else {
            return;
        };
        self.cover("takeover", || name.to_owned());
        if self.oracle.taken.contains_key(&claim.untaken()) {
            // What was taken and left has no lease; whoever takes it again has waited as well.
            return;
        }
        self.oracle.taken.insert(claim.untaken(), self.now);
        let is_own = self.hosts[self.host()].name == claim.node.as_str();
        let lease = claim.untaken().lease();
        let looked = self.oracle.looks.get(&(self.host(), lease.clone()));
        let looked = looked.copied().unwrap_or(self.now);
        let beats = self.oracle.beats.get(&lease);
        let beat = beats.and_then(|all| all.iter().rev().find(|beat| **beat <= looked));
        let Some(beat) = beat.filter(|_| self.current.is_some() && !is_own) else {
            return;
        };
        if looked < beat + 110 * SECOND {
            let before = (looked - beat) / SECOND;
            self.fail(format!(
                "{name} was taken, and its owner had beaten {before} s before it was looked at"
            ));
        }
    }

    fn note_halts(&mut self) {
        let root = self.server.folder(&Place::Root);
        let is_halted = self.server.dirs[root]
            .names
            .keys()
            .any(|name| is_switch(name));
        self.oracle.halted = match (self.oracle.halted, is_halted) {
            (Some(since), true) => Some(since),
            (None, true) => Some(self.now),
            (_, false) => None,
        };
    }

    fn judge_made(&mut self, at: Folder, name: &str) {
        let place = self.server.dirs[at].place.clone();
        if place == Place::Root {
            self.note_halts();
        }
        if let Place::Stage(_, Stage::Processing) = place
            && let Some(claim) = name.strip_suffix(".start").and_then(ClaimName::parse_stem)
            && let Some(story) = self.oracle.stories.get_mut(&claim.id)
        {
            story.marked = self.now;
            self.oracle.marks.insert(claim, self.now);
        }
        let is_new = self.server.ever.insert((at, name.to_owned()));
        if !is_new
            && self.current.is_some()
            && name.ends_with(".start")
            && !self.oracle.names_forgotten
        {
            self.fail(format!("R1: the marker {name} was made before"));
        }
        self.beaten(name);
    }

    fn judge_move(
        &mut self,
        from: Folder,
        to: Folder,
        name: &str,
        file: File,
        replaced: Option<File>,
    ) {
        if let Some(other) = replaced {
            let same = self.server.files[other].bytes == self.server.files[file].bytes;
            if same && let Some((_, story)) = self.oracle.of_file(other) {
                // A copy of the very same bytes took its place, as one that a stranger made and that was committed as
                // the task itself: nothing is lost by that.
                story.file = Some(file);
                return;
            }
            if let Some((id, _)) = self.oracle.of_file(other) {
                self.fail(format!(
                    "never lost: the file of {id} was replaced by {name}"
                ));
            } else if !same && self.is_old_enough(other) {
                self.fail(format!("R7: {name} was replaced by other bytes"));
            }
        }
        let (from, place) = (
            stage_of(&self.server.dirs[from].place),
            self.server.dirs[to].place.clone(),
        );
        let stage = stage_of(&place);
        if from == Some(Stage::Tmp) && stage == Some(Stage::Inbox) {
            self.published(name, file);
        }
        if stage == Some(Stage::Control) {
            self.decided_upon(name);
        }
        self.judge_take(name);
        self.judge_return(stage, name, file);
        let is_new = self.server.ever.insert((to, name.to_owned()));
        let Some((id, story)) = self.oracle.of_file(file) else {
            return;
        };
        let was_open = from.is_some_and(Stage::is_open);
        let is_open = stage.is_some_and(Stage::is_open);
        let is_over = matches!(stage, Some(Stage::Done | Stage::Rejected));
        if was_open && is_over {
            story.commits += 1;
        }
        let commits = story.commits;
        if !is_open && !is_over {
            self.fail(format!("never lost: the file of {id} was moved to {place}"));
        }
        if from.is_some_and(|from| matches!(from, Stage::Done | Stage::Rejected)) && is_open {
            self.fail(format!(
                "what is over stays over: {id} was moved to {place}"
            ));
        }
        if commits > 1 {
            self.fail(format!("one outcome: {id} was committed {commits} times"));
        }
        if !is_new && !self.oracle.names_forgotten {
            self.fail(format!("R1: the name {place}{name} was used before"));
        }
        if was_open && stage == Some(Stage::Done) {
            self.committed(id, &place, name);
        }
    }

    /// A task file came into the inbox.
    fn published(&mut self, name: &str, file: File) {
        let Some(queued) = QueuedName::parse(name) else {
            return;
        };
        let digest = Digest::of(&self.server.files[file].bytes);
        let Some(story) = self.oracle.stories.get_mut(&queued.id) else {
            return;
        };
        if story.is_denied {
            self.fail(format!(
                "{} was published after its sender was told that it was not",
                queued.id
            ));
        } else if digest != story.digest && self.oracle.rolled_back {
            // The server forgot its last bytes and the rename of it, and that rename travelled twice. Its reader proves
            // nothing by it and sets it aside.
            self.cover("published in part", || queued.id.to_string());
        } else if digest != story.digest {
            self.fail(format!("{} was published with other bytes", queued.id));
        } else {
            story.file = Some(file);
        }
    }

    /// A decision or a wish came into `control/`.
    fn decided_upon(&mut self, name: &str) {
        let Some(control) = ControlName::parse(name) else {
            return;
        };
        let now = self.now;
        let Some(story) = self.oracle.stories.get_mut(&control.id) else {
            return;
        };
        match control.kind {
            ControlKind::Ack(_) => story.approved = story.approved.or(Some(now)),
            ControlKind::Cancel(_) => story.cancels.push((now, control)),
            _ => {}
        }
    }

    /// The commit into `done/`: whoever looks now must find a result.
    fn committed(&mut self, id: TaskId, place: &Place, name: &str) {
        let stem = name.strip_suffix(".json").unwrap_or(name);
        let done = self.server.folder(place);
        let result = self.server.dirs[done]
            .names
            .get(&format!("{stem}.result.json"))
            .or_else(|| {
                self.server.dirs[done]
                    .names
                    .get(&format!("{id}.result.json"))
            });
        let bytes = result.map(|file| self.server.files[*file].bytes.clone());
        let is_whole = bytes
            .as_ref()
            .is_some_and(|bytes| bytes.ends_with(b"\"\n}\n"));
        if !is_whole && !self.oracle.rolled_back {
            self.fail(format!("one outcome: {id} was committed without a result"));
        }
    }

    /// A listing was served: one that hides a cancel from a watcher excuses what follows from it.
    pub fn listed(&mut self, at: Folder, listing: &crate::client::Listing) {
        if stage_of(&self.server.dirs[at].place) != Some(Stage::Control) {
            return;
        }
        let now = self.now;
        for story in self.oracle.stories.values_mut() {
            let is_shown = |name: &ControlName| {
                let name = name.to_string();
                listing.names.iter().any(|(one, _)| *one == name)
            };
            if story.cancels.iter().any(|(_, name)| !is_shown(name)) {
                story.excused = now;
            }
        }
    }

    /// Whether a start is on record on the disk of its host, and whether the outcome of its task is decided there.
    fn on_record(&self, host: usize, id: TaskId, stem: &str) -> (bool, bool) {
        let durable = String::from_utf8_lossy(&self.hosts[host].disk.durable).into_owned();
        // As the subject: an outcome may name another task.
        let subject = format!("\"id\":\"{id}\"");
        let of_this = |line: &&str| line.contains(&subject);
        let is_on_record = durable
            .lines()
            .filter(of_this)
            .any(|line| line.contains(&format!("\"{stem}\"")) && line.contains("\"started\""));
        // A decision that could not be committed, because another member had the claim, was left.
        let left = durable
            .lines()
            .filter(of_this)
            .any(|line| line.contains("\"fact\":\"left\""));
        let is_decided = !left
            && durable.lines().filter(of_this).any(|line| {
                line.contains("\"fact\":\"decided\"") || line.contains("\"fact\":\"shut\"")
            });
        (is_on_record, is_decided)
    }

    /// An agent is started, at this very moment.
    pub fn starts(&mut self, host: usize, run: &Run) {
        let (id, attempt, stem) = (run.plan.task, run.plan.attempt, run.plan.claim.clone());
        self.cover("agent started", || stem.clone());
        let (is_on_record, is_decided) = self.on_record(host, id, &stem);
        let (now, halted) = (self.now, self.oracle.halted);
        let looked = run
            .permit
            .as_ref()
            .map_or(run.plan.handed, |permit| permit.looked);
        let ago = self.boot(host).since(looked);
        let ago = u64::try_from(ago.as_micros()).unwrap_or(0) + MS;
        let wall = self.wall_at(host, now.saturating_sub(ago));
        let Some(story) = self.oracle.stories.get_mut(&id) else {
            return self.fail(format!("nothing runs unproved: {stem} is of no sent task"));
        };
        *story.starts.entry(attempt).or_default() += 1;
        let story = story.clone();
        let errand = self.plan.errands[story.errand].clone();
        let total: u32 = story.starts.values().sum();
        // The members of a pool number their attempts by the markers they see: where one turned out to be of a claim
        // that was never started and went, two attempts bear the same number, each under a claim of its own.
        if self.plan.members == 0 && story.starts.values().any(|count| *count > 1) {
            self.fail(format!(
                "started at most once: {id} attempt {attempt} again"
            ));
        }
        self.judge_claim(&stem);
        self.judge_retry(host, id, wall.unix());
        if total > ATTEMPTS_MAX + story.spared && !self.oracle.rolled_back {
            self.fail(format!("started at most once: {id} has {total} attempts"));
        }
        if total > 1 && !errand.idempotent {
            self.fail(format!("started at most once: {id} is not idempotent"));
        }
        if !is_on_record {
            self.fail(format!("{stem} was started and is not on record"));
        }
        if is_decided {
            self.fail(format!("{id} was started after its outcome was decided"));
        }
        if run.task != story.digest {
            self.fail(format!("nothing runs unproved: other bytes for {id}"));
        }
        if errand.needs_ack && story.approved.is_none() {
            self.fail(format!(
                "nothing runs unproved: {id} ran without an approval"
            ));
        }
        if halted.is_some_and(|since| now > since + limits::PERMIT_LIFE.as_millis() as u64 * MS) {
            let since = halted.unwrap_or(0);
            self.fail(format!(
                "stop means stop: {id} started {} ms after the killswitch",
                (now - since) / MS
            ));
        }
        self.judge_cancels(host, &story);
        self.judge_waits(id, &story);
        let expires = self.oracle_expiry(&story, &errand);
        // A clock that steps between the last look and the start is nobody's fault.
        let stepped = self.hosts[host].stepped.is_some_and(|at| now < at + SECOND);
        if wall.unix() > expires && !stepped {
            self.fail(format!(
                "nothing runs unproved: {id} started {} s after it expired",
                wall.unix() - expires
            ));
        }
    }

    fn oracle_expiry(&self, story: &Story, errand: &crate::plan::Errand) -> i64 {
        let made = self.made.get(story.errand).copied().flatten().unwrap_or(0);
        made + i64::try_from(errand.lives).unwrap_or(0)
    }

    /// The server forgot something: what it holds now is where the story goes on.
    pub fn forgotten(&mut self) {
        self.oracle.names_forgotten = true;
        self.note_halts();
        if self.plan.export == Export::Async {
            self.oracle.rolled_back = true;
        }
        let server = &self.server;
        for story in self.oracle.stories.values_mut() {
            let Some(file) = story.file else { continue };
            let home = server.files[file].home.as_ref();
            let stage = home.and_then(|(at, _)| stage_of(&server.dirs[*at].place));
            match stage {
                Some(stage) if stage.is_open() => story.commits = 0,
                Some(Stage::Tmp) | None => {
                    story.commits = 0;
                    story.file = None;
                    if self.plan.export == Export::Async {
                        story.is_told = false;
                    }
                }
                _ => {}
            }
        }
        let stories = self.oracle.stories.iter();
        let lost = stories.filter(|(_, story)| story.is_told && story.file.is_none());
        let lost: Vec<TaskId> = lost.map(|(id, _)| *id).collect();
        for id in lost {
            self.fail(format!("never lost: {id} was told and is gone"));
        }
    }
}
