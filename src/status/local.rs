//! What this node's own journal says, read beside the watcher that owns it. Nothing is locked, nothing is written.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;

use super::Running;
use super::Scene;
use super::Wrong;
use crate::clock::Timestamp;
use crate::disk;
use crate::disk::LockFile;
use crate::drain;
use crate::id::NodeName;
use crate::id::TaskId;
use crate::journal::Journal;
use crate::journal::Known;
use crate::journal::Phase;
use crate::units;

/// What the own journal says.
#[derive(Debug, Clone, Serialize)]
pub struct LocalView {
    /// Whether a watcher serves this node.
    pub watcher: bool,
    /// Why it is drained, if it is; the words of its operator, and since when.
    pub drained: Option<String>,
    /// Tasks that wait for a slot.
    pub waiting: usize,
    /// Tasks that wait for an approval.
    pub parked: usize,
    /// Tasks that run.
    pub running: usize,
    /// Tasks that ended and whose outcome is not yet on the share.
    pub ending: usize,
    /// Those of them whose outcome is decided and waits in the local spool.
    pub spooled: usize,
    /// When the oldest of these was decided.
    pub spooled_since: Option<Timestamp>,
    /// Closed tasks that are remembered, so that none runs again.
    pub remembered: usize,
    /// The tasks that run.
    #[serde(skip)]
    pub started: Vec<Running>,
}

/// Reads the journal of a state directory; `None` where there is none.
///
/// # Errors
/// The text of what is wrong with it.
pub fn journal(state: &Path) -> Result<Option<Journal>, String> {
    let bytes = match disk::read_bounded(&state.join("journal"), usize::MAX - 1) {
        Err(error) if error.is(std::io::ErrorKind::NotFound) => return Ok(None),
        other => other.map_err(|error| error.to_string())?,
    };
    Journal::read(&bytes)
        .map(Some)
        .map_err(|error| error.to_string())
}

/// Returns whether a watcher of this node runs.
#[must_use]
pub fn is_served(state: &Path) -> bool {
    LockFile::is_held(&state.join("watch.lock")).unwrap_or(false)
}

/// Says that a node is drained, since when and why, by its own file.
#[must_use]
pub fn drained(state: &Path) -> Option<String> {
    let drain = drain::look(state)?;
    let since = drain
        .since
        .map_or_else(String::new, |at| format!(" since {at}"));
    let why = match drain.reason.as_str() {
        "" => String::new(),
        why => format!(": {why}"),
    };
    Some(format!("drained{since}{why}"))
}

/// When an outcome was decided, by its own word: it was sealed then.
fn decided_at((_, known): (TaskId, &Known)) -> Option<Timestamp> {
    let sealed = &known.outcome.as_ref()?.sealed;
    let whole: serde_json::Value = serde_json::from_str(sealed).ok()?;
    Timestamp::parse(whole.get("created")?.as_str()?).ok()
}

pub(super) fn look(scene: &Scene, wrong: &mut Vec<Wrong>) -> Option<LocalView> {
    if let Some(drained) = drained(&scene.state) {
        let text = format!("{drained}; 'dispatch undrain' lifts it");
        wrong.push(Wrong::new("draining", &scene.node, text));
    }
    let journal = match journal(&scene.state) {
        Ok(journal) => journal?,
        Err(why) => {
            wrong.push(Wrong::new("journal", &scene.node, why));
            return None;
        }
    };
    let count = |phases: &[Phase]| {
        let open = journal.open_tasks();
        open.filter(|(_, known)| phases.contains(&known.phase))
            .count()
    };
    let started = journal
        .open_tasks()
        .filter(|(_, known)| known.phase == Phase::Started)
        .map(|(id, known)| Running {
            id,
            on: scene.node.clone(),
            from: Some(known.from.clone()),
            attempt: Some(known.starts),
            started: Some(known.started),
            source: "journal",
        })
        .collect();
    let view = LocalView {
        watcher: is_served(&scene.state),
        drained: drained(&scene.state),
        waiting: count(&[Phase::Admitted]),
        parked: count(&[Phase::Parked]),
        running: count(&[Phase::Started]),
        ending: count(&[Phase::Finished, Phase::Decided]),
        spooled: count(&[Phase::Decided]),
        spooled_since: journal.open_tasks().filter_map(decided_at).min(),
        remembered: journal.remembered(),
        started,
    };
    let open = view.waiting + view.running + view.ending;
    if open > 0 && !view.watcher {
        let verb = if open == 1 { "is" } else { "are" };
        let tasks = units::count(open, "task");
        let text = format!("{tasks} {verb} open here, and no watcher runs: 'dispatch-watch' here");
        wrong.push(Wrong::new("unserved", &scene.node, text));
    }
    tell_unapprovable(scene, &journal, wrong);
    for (profile, pause) in journal.all_paused() {
        let (until, class, why) = (pause.until, pause.class, &pause.why);
        let text = format!(
            "nothing starts under profile '{profile}' until {until} ({class}: {why}): \
             'dispatch resume --profile {profile}' once it is mended"
        );
        wrong.push(Wrong::new("profile_paused", &scene.node, text));
    }
    Some(view)
}

/// Tasks that wait for an approval which nobody may give: they would wait until they expire.
fn tell_unapprovable(scene: &Scene, journal: &Journal, wrong: &mut Vec<Wrong>) {
    let mut lanes: BTreeMap<String, (NodeName, usize)> = BTreeMap::new();
    let is_parked = |known: &&Known| known.phase == Phase::Parked && known.approval.is_none();
    for known in journal
        .open_tasks()
        .map(|(_, known)| known)
        .filter(is_parked)
    {
        // Whether it is dangerous is not on record: somebody who may approve the others may deny it, too.
        let mut approvers = scene.approvers.values();
        if !approvers.any(|approver| approver.may_approve(&known.from, false)) {
            let lane = lanes.entry(known.lane().to_string());
            lane.or_insert_with(|| (known.from.clone(), 0)).1 += 1;
        }
    }
    for (lane, (from, number)) in lanes {
        let verb = if number == 1 { "waits" } else { "wait" };
        let tasks = units::count(number, "task");
        let text = format!(
            "{tasks} {verb} here for an approval that nobody may give: \
             no [approver.NAME] in dispatch.toml speaks for {from}"
        );
        wrong.push(Wrong::new("no_approver", lane, text));
    }
}
