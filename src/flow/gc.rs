//! What is old: outcomes of earlier days move to `done/<day>/`, what nobody needs any more is removed.
//!
//! Only the node that serves a lane does this, and never to a task that its journal holds open; in `tmp/` the sender
//! does it, too. Files that an outcome needs are only ever renamed, unless the operator says how long to keep them. A
//! pass is bounded; a crash leaves a task whose files lie in two folders, and the next pass moves the rest, since the
//! result goes last and its day never changes. Age is the time in the id, or what the server stamped; never this host's
//! clock.

mod days;
mod over;

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::time::Duration;

pub use days::Weights;
pub(super) use days::trashed;

use super::Error;
use super::Node;
use crate::clock::Timestamp;
use crate::entry;
use crate::entry::ClaimName;
use crate::event::Event;
use crate::event::Word;
use crate::id::TaskId;
use crate::journal::Journal;
use crate::limits;
use crate::place::Lane;
use crate::place::Place;
use crate::share::EntryKind;
use crate::share::Listed;
use crate::share::ShareError;
use crate::stage::Stage;
use crate::transport::Advance;
use crate::transport::Transport;

/// Entries whose stamp is asked for in one pass, at least.
const ASKED_MAX: usize = 4096;

/// What a pass may do.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// Remove days of `done/`, and what lies in `rejected/`, once they are older; never, where `None`.
    pub keep: Option<Duration>,
    /// Take the oldest days of `done/` away while the others are larger than this, in bytes; never, where `None`.
    pub keep_bytes: Option<u64>,
    /// Only say what would be done.
    pub dry_run: bool,
    /// Most entries that are touched.
    pub entries_max: usize,
}

/// One thing that was done, or would be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// What: `age`, `late`, `part`, `scratch`, `marker`, `lease`, `control`, `expire`, `remove`.
    pub what: &'static str,
    /// The entry, from the root.
    pub path: String,
}

/// What a pass did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Swept {
    /// What was done, in order.
    pub steps: Vec<Step>,
    /// Whether the bound was reached, so that there may be more.
    pub more: bool,
    /// Outcomes that are still in `done/` itself.
    pub left: usize,
}

impl Swept {
    /// Returns how often a thing was done.
    #[must_use]
    pub fn count(&self, what: &str) -> usize {
        self.steps.iter().filter(|step| step.what == what).count()
    }
}

/// Sweeps a lane that this node serves.
///
/// # Errors
/// [`ShareError`]: what was done before stays done.
pub fn served(
    transport: &dyn Transport,
    lane: &Lane,
    journal: &Journal,
    rules: Rules,
    weights: &mut Weights,
) -> Result<Swept, ShareError> {
    let mut broom = Broom::new(transport, lane, rules)?;
    broom.parts()?;
    broom.done(journal)?;
    broom.markers(journal)?;
    broom.leases()?;
    broom.controls(journal)?;
    broom.scratch()?;
    broom.days(rules.keep)?;
    if let Some(most) = rules.keep_bytes {
        broom.weigh(most, weights)?;
    }
    broom.rejected(journal, rules.keep.unwrap_or(limits::REJECTED_AGE))?;
    Ok(broom.swept)
}

/// Sweeps the half-written documents of a lane in which this node sends.
///
/// # Errors
/// [`ShareError`]: what was done before stays done.
pub fn sent(transport: &dyn Transport, lane: &Lane, rules: Rules) -> Result<Swept, ShareError> {
    let mut broom = Broom::new(transport, lane, rules)?;
    broom.parts()?;
    Ok(broom.swept)
}

/// Returns which of these run directories belong to closed tasks.
#[must_use]
pub fn idle_runs(journal: &Journal, stems: &[String]) -> Vec<String> {
    let is_idle = |stem: &&String| {
        ClaimName::parse_stem(stem).is_some_and(|claim| {
            journal.known(claim.id).is_none()
                && (journal.closed(claim.id).is_some() || journal.left(claim.id).is_some())
        })
    };
    stems.iter().filter(is_idle).cloned().collect()
}

/// Notes how full `done/` of a lane was found. Where it is crowded, the next pass comes soon.
pub(super) fn note_crowd(node: &mut Node, names: usize) {
    // Log, result and task of each.
    if names <= limits::DONE_CROWD * 3 || node.now.crowded {
        return;
    }
    node.now.crowded = true;
    let soon = node.clock.boot().plus(limits::SWEEP_CROWD);
    node.now.sweep = Some(node.now.sweep.map_or(soon, |due| due.min(soon)));
}

/// The watcher's own passes: rare but where `done/` is crowded, and bounded.
pub(super) fn now_and_then(node: &mut Node) -> Result<(), Error> {
    let now = node.clock.boot();
    let due = *node.now.sweep.get_or_insert(now.plus(limits::SWEEP_SOON));
    if now < due {
        return Ok(());
    }
    node.now.sweep = Some(now.plus(limits::SWEEP_PAUSE));
    node.journal.forget(node.clock.wall());
    let rules = Rules {
        keep: node.now.keep,
        keep_bytes: node.now.keep_bytes,
        dry_run: false,
        entries_max: limits::PASS_ENTRIES_MAX,
    };
    let (mut failed, mut is_crowded, mut more) = (None, false, false);
    for lane in node.lanes() {
        let swept = match served(
            &*node.transport,
            &lane,
            &node.journal,
            rules,
            &mut node.now.weights,
        ) {
            Ok(swept) => swept,
            // One lane that is in disorder must not keep the others from being swept.
            Err(error) => {
                failed = Some(error);
                continue;
            }
        };
        is_crowded |= swept.left > limits::DONE_CROWD;
        more |= swept.more;
        if !swept.steps.is_empty() {
            node.tell(&told(&lane, &swept));
        }
    }
    node.now.crowded = is_crowded;
    match (more, is_crowded) {
        (true, true) => node.now.sweep = Some(now.plus(limits::SWEEP_CROWD)),
        (true, false) | (false, true) => node.now.sweep = Some(now.plus(limits::SWEEP_SOON)),
        (false, false) => {}
    }
    for stem in idle_runs(&node.journal, &node.runner.list()?) {
        node.runner.discard(&stem)?;
    }
    failed.map_or(Ok(()), |error| Err(error.into()))
}

/// Says what a pass did, for the audit log.
#[must_use]
pub fn told(lane: &Lane, swept: &Swept) -> Event {
    let mut event = Event::of(Word::Gc).peer(&lane.from);
    event.count = Some(swept.steps.len() as u64);
    let removed = swept.steps.len() - swept.count("age") - swept.count("late");
    event.say(&format!(
        "{lane}: {} files moved to their days, {} marked late, {removed} removed",
        swept.count("age"),
        swept.count("late")
    ))
}

struct Broom<'a> {
    transport: &'a dyn Transport,
    lane: &'a Lane,
    rules: Rules,
    now: Timestamp,
    /// Tasks with a file in an open stage; listed when first needed.
    open: Option<BTreeSet<TaskId>>,
    /// How often the server was asked for the stamp of an entry.
    asked: usize,
    swept: Swept,
}

impl<'a> Broom<'a> {
    fn new(transport: &'a dyn Transport, lane: &'a Lane, rules: Rules) -> Result<Self, ShareError> {
        Ok(Self {
            transport,
            lane,
            rules,
            now: transport.server_time(lane)?,
            open: None,
            asked: 0,
            swept: Swept::default(),
        })
    }

    fn place(&self, stage: Stage) -> Place {
        Place::Stage(self.lane.clone(), stage)
    }

    fn is_full(&mut self) -> bool {
        let full = self.swept.steps.len() >= self.rules.entries_max;
        self.swept.more |= full;
        full
    }

    fn step(&mut self, what: &'static str, at: &Place, name: &str) {
        let path = format!(
            "{at}{}",
            crate::escape::excerpt(name, limits::NAME_BYTES_MAX)
        );
        self.swept.steps.push(Step { what, path });
    }

    fn remove(&mut self, what: &'static str, at: &Place, name: &str) -> Result<(), ShareError> {
        if !self.rules.dry_run {
            self.transport.remove(at, name)?;
        }
        self.step(what, at, name);
        Ok(())
    }

    fn rename(
        &mut self,
        what: &'static str,
        from: (&Place, &str),
        to: (&Place, &str),
    ) -> Result<(), ShareError> {
        if !self.rules.dry_run {
            match self.transport.advance(from, to) {
                Advance::Moved => {}
                // A person or another pass moved it.
                Advance::NotMine => return Ok(()),
                Advance::Unknown(error) | Advance::Hopeless(error) => return Err(error),
            }
        }
        self.step(what, from.0, from.1);
        Ok(())
    }

    /// Whether the server stamped an entry longer ago. What cannot be asked is not old (R10).
    fn is_older(&mut self, at: &Place, name: &str, than: Duration) -> bool {
        let stamp = self.stamp(at, name);
        stamp.is_some_and(|stamp| self.now.since(stamp) > than)
    }

    /// When the server stamped an entry. A pass asks a bounded number of times.
    fn stamp(&mut self, at: &Place, name: &str) -> Option<Timestamp> {
        if !self.may_ask() {
            return None;
        }
        Some(self.transport.attributes(at, name).ok()?.changed)
    }

    /// Whether the server may be asked once more in this pass.
    fn may_ask(&mut self) -> bool {
        let may = self.asked < ASKED_MAX.max(self.rules.entries_max);
        self.asked += usize::from(may);
        may
    }

    /// Documents that were never published.
    fn parts(&mut self) -> Result<(), ShareError> {
        let tmp = self.place(Stage::Tmp);
        for entry in self.transport.list(&tmp)? {
            if self.is_full() {
                break;
            }
            let is_part = entry.kind == EntryKind::File && entry.name.ends_with(".part");
            if is_part && self.is_older(&tmp, &entry.name, limits::TMP_AGE) {
                self.remove("part", &tmp, &entry.name)?;
            }
        }
        Ok(())
    }

    /// Outcomes of earlier days, and what a lost claim left.
    fn done(&mut self, journal: &Journal) -> Result<(), ShareError> {
        let done = self.place(Stage::Done);
        let mut tasks: BTreeMap<TaskId, Vec<String>> = BTreeMap::new();
        for entry in self.transport.list(&done)? {
            if let Some(id) = task_of(&entry) {
                tasks.entry(id).or_default().push(entry.name);
            }
        }
        let rejected: BTreeSet<String> = self
            .transport
            .list(&self.place(Stage::Rejected))?
            .into_iter()
            .map(|entry| entry.name)
            .collect();
        self.swept.left = tasks.len();
        // In a crowd the oldest go, and as many that the next outcome does not make a crowd again.
        let mut spare = match tasks.len() {
            crowd if crowd > limits::DONE_CROWD => crowd - limits::DONE_CROWD * 3 / 4,
            _ => 0,
        };
        for (id, mut names) in tasks {
            if self.is_full() {
                break;
            }
            // Its commit may be under way.
            if journal.known(id).is_some() {
                continue;
            }
            self.late(&done, id, &mut names, &rejected)?;
            let day = match self.day_of(&done, id, &names) {
                None if spare > 0 => self.day_in_a_crowd(&done, id, &names),
                day => day,
            };
            if let Some(day) = day {
                self.age(&done, id, &names, &rejected, day)?;
                self.swept.left -= 1;
                spare = spare.saturating_sub(1);
            }
        }
        Ok(())
    }

    /// The day an outcome moves to where others need its place: once it could be seen for a while.
    fn day_in_a_crowd(&mut self, done: &Place, id: TaskId, names: &[String]) -> Option<String> {
        let made = id.made().map(Timestamp::from_unix);
        if made.is_some_and(|made| self.now.since(made) <= limits::DONE_YOUNG) {
            return None;
        }
        let public = entry::public_result(id);
        let revealed = names.contains(&public).then(|| self.stamp(done, &public));
        let revealed = revealed.flatten()?;
        (self.now.since(revealed) > limits::DONE_YOUNG).then(|| made.unwrap_or(revealed).day())
    }

    /// Gives what a lost claim left a name that says so: its task has another outcome.
    fn late(
        &mut self,
        done: &Place,
        id: TaskId,
        names: &mut [String],
        rejected: &BTreeSet<String>,
    ) -> Result<(), ShareError> {
        if !names.contains(&entry::public_result(id)) {
            return Ok(());
        }
        let all: BTreeSet<String> = names.iter().cloned().collect();
        for name in names {
            let Some((stem, end)) = [".result.json", ".log"]
                .iter()
                .find_map(|end| Some((name.strip_suffix(end)?.to_owned(), *end)))
            else {
                continue;
            };
            let file = format!("{stem}.json");
            if ClaimName::parse_stem(&stem).is_none()
                || all.contains(&file)
                || rejected.contains(&file)
            {
                continue;
            }
            let late = format!("{stem}.late{end}");
            self.rename("late", (done, name), (done, &late))?;
            if !self.rules.dry_run {
                *name = late;
            }
        }
        Ok(())
    }

    /// The day an outcome moves to, once it is old enough. A day never changes: it is that of the id, or of the stamp
    /// of the file that moves last.
    fn day_of(&mut self, done: &Place, id: TaskId, names: &[String]) -> Option<String> {
        let moment = match id.made() {
            Some(made) => Timestamp::from_unix(made),
            None => {
                let last = in_order(id, names).last().cloned()?;
                self.stamp(done, last)?
            }
        };
        // Not revealed, and not known to be open: it may have been taken in since the journal was read.
        if !names.contains(&entry::public_result(id)) {
            let last = in_order(id, names).last().cloned()?;
            if !self.is_older(done, last, limits::DONE_AGE) {
                return None;
            }
        }
        let old = self.now.since(moment) > limits::DONE_AGE && moment.day() < self.now.day();
        old.then(|| moment.day())
    }

    fn age(
        &mut self,
        done: &Place,
        id: TaskId,
        names: &[String],
        rejected: &BTreeSet<String>,
        day: String,
    ) -> Result<(), ShareError> {
        let day = Place::Day(self.lane.clone(), day);
        if !self.rules.dry_run {
            self.transport.make_dir(&day)?;
        }
        // The file of a task that was refused goes with its outcome, and before it.
        let own = format!("{id}.");
        let refused = rejected
            .range(own.clone()..)
            .take_while(|name| name.starts_with(&own));
        let refused = refused.filter(|name| ClaimName::parse(name).is_some());
        let place = self.place(Stage::Rejected);
        for name in refused {
            self.rename("age", (&place, name), (&day, name))?;
        }
        for name in in_order(id, names) {
            self.rename("age", (done, name), (&day, name))?;
        }
        if !self.rules.dry_run {
            self.transport.sync(&day)?;
        }
        Ok(())
    }
}

/// The task that a file of ours is about, by its name.
fn task_of(entry: &Listed) -> Option<TaskId> {
    (entry.raw.is_none() && entry.kind == EntryKind::File)
        .then(|| entry::task_of(&entry.name))
        .flatten()
}

/// The files of a task in the order in which they move: what people look for last.
fn in_order(id: TaskId, names: &[String]) -> Vec<&String> {
    let public = entry::public_result(id);
    let rank = |name: &str| match name {
        name if name == public => 3,
        name if name.ends_with(".result.json") => 2,
        name if name.ends_with(".json") => 1,
        _ => 0,
    };
    let mut sorted: Vec<&String> = names.iter().collect();
    sorted.sort_by_key(|name| (rank(name), (*name).clone()));
    sorted
}
