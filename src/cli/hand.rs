//! `dispatch-exec TASKFILE`: runs one task file by hand, under every rule of the watcher.
//!
//! The file is proved with this node's keys, judged by its policy, looked up in its journal, and run and answered like
//! any other task of its lane; only nothing else is started meanwhile. A file from elsewhere is handed in at the lane's
//! `inbox/` first, so that what it comes to is where its sender looks.

use std::path::Path;

use super::daemon::Daemon;
use super::failure::Failure;
use super::outcome;
use super::setup::Setup;
use super::voice::Voice;
use crate::disk;
use crate::disk::LockFile;
use crate::document::Context;
use crate::document::Kind;
use crate::document::Rules;
use crate::document::Task;
use crate::entry::QueuedName;
use crate::envelope::Envelope;
use crate::escape;
use crate::exit::Exit;
use crate::flow::Trouble;
use crate::id::Party;
use crate::limits;
use crate::place::Lane;
use crate::place::Place;
use crate::reason::Reason;
use crate::stage::Stage;
use crate::transport::Publish;

/// Runs the task of a file and prints its answer.
///
/// # Errors
/// [`Failure`]; nothing ran unless it says so.
pub fn run(path: &Path, setup: &Setup, voice: &Voice) -> Result<Exit, Failure> {
    setup.check_root()?;
    let bytes = disk::read_bounded(path, limits::TASK_BYTES_MAX)
        .map_err(|error| Failure::new(Exit::NotFound, error.to_string()))?;
    let (lane, task) = prove(setup, &bytes, path)?;
    let state = setup.config.state()?.to_owned();
    disk::make_dir(&state, 0o700)?;
    let _lock = LockFile::try_take(&state.join("watch.lock")).map_err(|error| match error {
        disk::Error::Locked { .. } => Failure::new(
            Exit::TryAgain,
            format!("the watcher of '{}' runs", setup.node),
        )
        .hint("it runs what is in its lanes by itself; stop it to run a task by hand"),
        other => other.into(),
    })?;
    if !lies_in(setup, &lane, path)? {
        hand_in(setup, &lane, &task, &bytes)?;
    }
    let mut daemon = Daemon::assemble(setup, &state, false)?;
    daemon.only(task.id);
    daemon.rounds_until(setup, |node| {
        node.journal.closed(task.id).is_some()
            || matches!(node.view().trouble, Some(Trouble::Halted(_)))
    })?;
    if let Some(trouble) = daemon.trouble() {
        return Err(Failure::new(
            Exit::Halted,
            format!("task {} was not started: {trouble}", task.id),
        ));
    }
    // The outcome is read as its sender reads it: from the share, by its seal.
    match setup.sender().outcome(&lane, task.id, None)? {
        Some(Ok(answered)) => {
            outcome::show(voice, &answered.answer)?;
            Ok(outcome::exit(&answered.answer))
        }
        Some(Err(why)) => Err(Failure::new(
            Exit::Io,
            format!("the answer was written and is not believed: {why}"),
        )),
        None => Err(Failure::new(
            Exit::TryAgain,
            "the answer is not to be seen yet",
        )),
    }
}

/// Finds the lane whose key made the seal. The file's own word on who sent it is never asked.
fn prove(setup: &Setup, bytes: &[u8], path: &Path) -> Result<(Lane, Task), Failure> {
    let shown = escape::excerpt(&path.display().to_string(), 120);
    let mut why = format!("'{shown}' is sealed by none of this node's peers");
    for lane in setup.lanes_in() {
        let context = Context {
            from: Party::from(&lane.from),
            to: lane.to.clone(),
            kind: Kind::Task,
        };
        let read = Envelope::read(bytes.to_vec()).verify(&setup.keys, &context, setup.clock.wall());
        match read.and_then(|verified| verified.task(&Rules::recorded())) {
            Ok(task) => return Ok((lane, task)),
            Err(refusal) if matches!(refusal.reason, Reason::Kid | Reason::Mac) => {}
            Err(refusal) => why = format!("cannot run '{shown}': {refusal}"),
        }
    }
    Err(Failure::new(Exit::Refused, why)
        .hint("'dispatch verify' checks a document against one link"))
}

/// Whether the file is a task in its own lane already, so that the rounds find it.
fn lies_in(setup: &Setup, lane: &Lane, path: &Path) -> Result<bool, Failure> {
    let real = |path: &Path| std::fs::canonicalize(path).ok();
    let Some(folder) = real(path).and_then(|path| path.parent().map(Path::to_owned)) else {
        return Ok(false);
    };
    let root = setup.config.root()?;
    let open = Stage::ALL.iter().filter(|stage| stage.is_open());
    Ok(open
        .map(|stage| root.join(Place::Stage(lane.clone(), *stage).path()))
        .any(|place| real(&place).as_deref() == Some(&*folder)))
}

fn hand_in(setup: &Setup, lane: &Lane, task: &Task, bytes: &[u8]) -> Result<(), Failure> {
    let inbox = Place::Stage(lane.clone(), Stage::Inbox);
    let name = QueuedName {
        id: task.id,
        priority: task.priority,
        generation: 1,
        not_before: task.not_before,
    };
    match setup
        .transport
        .publish(lane, task.id, (&inbox, &name.to_string()), bytes)
    {
        Publish::Published => Ok(()),
        Publish::Failed(error) | Publish::Unknown { error, .. } => Err(error.into()),
    }
}
