//! What this node's own journal says, read beside the watcher that owns it. Nothing is locked, nothing is written.

use std::path::Path;

use serde::Serialize;

use super::Running;
use super::Scene;
use super::Wrong;
use crate::clock::Timestamp;
use crate::disk;
use crate::disk::LockFile;
use crate::id::TaskId;
use crate::journal::Journal;
use crate::journal::Known;
use crate::journal::Phase;

/// What the own journal says.
#[derive(Debug, Clone, Serialize)]
pub struct LocalView {
    /// Whether a watcher serves this node.
    pub watcher: bool,
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

/// When an outcome was decided, by its own word: it was sealed then.
fn decided_at((_, known): (TaskId, &Known)) -> Option<Timestamp> {
    let sealed = &known.outcome.as_ref()?.sealed;
    let whole: serde_json::Value = serde_json::from_str(sealed).ok()?;
    Timestamp::parse(whole.get("created")?.as_str()?).ok()
}

pub(super) fn look(scene: &Scene, wrong: &mut Vec<Wrong>) -> Option<LocalView> {
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
        let text = format!("{open} tasks are open here, and no watcher runs");
        wrong.push(Wrong::new("unserved", &scene.node, text));
    }
    Some(view)
}
