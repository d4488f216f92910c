//! Idempotency keys on the sender's side: which task was sent under which key, so that the same command twice sends
//! once.
//!
//! One small file a key in the state directory, made before the task is published. A crash between the two leaves a
//! record of a task that was perhaps never published; then it is sent anew, and the receiver, which remembers keys too,
//! takes one of the two.

use std::path::Path;
use std::path::PathBuf;

use serde::Deserialize;
use serde::Serialize;
use serde_json::json;

use crate::cli::failure::Failure;
use crate::cli::seek;
use crate::cli::setup::Setup;
use crate::cli::voice::Voice;
use crate::cli::wait;
use crate::clock::Timestamp;
use crate::disk;
use crate::document::Task;
use crate::exit::Exit;
use crate::flow::collect::Whereabouts;
use crate::flow::send::Sent;
use crate::flow::submission;
use crate::id::Digest;
use crate::id::TaskId;
use crate::limits;
use crate::outcome::Status;
use crate::place::Lane;
use crate::status::task;
use crate::transport::Publish;

/// Folder of the records below the state directory.
const FOLDER: &str = "submissions";
/// Largest record, in bytes.
const BYTES_MAX: usize = 4096;
/// Longest key, in bytes.
const KEY_BYTES_MAX: usize = 128;

/// What is recorded under a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The task.
    pub id: TaskId,
    /// Digest of the sealed task, once it is published.
    pub sha256: Option<Digest>,
    /// When it expires.
    pub expires: Timestamp,
}

/// Takes a key from the command line.
///
/// # Errors
/// What a key must be.
pub fn parse(text: &str) -> Result<String, String> {
    let is_bad = |letter: char| letter.is_control();
    if text.is_empty() || text.len() > KEY_BYTES_MAX || text.chars().any(is_bad) {
        return Err(format!(
            "a key is 1 to {KEY_BYTES_MAX} bytes of text without control characters"
        ));
    }
    Ok(text.to_owned())
}

fn path(state: &Path, lane: &Lane, key: &str) -> PathBuf {
    state
        .join(FOLDER)
        .join(submission::mark(lane, key).to_string())
}

fn read(path: &Path) -> Result<Option<Record>, disk::Error> {
    match disk::read_bounded(path, BYTES_MAX) {
        // Torn by a crash while it was made: then nothing was published yet.
        Ok(bytes) => Ok(serde_json::from_slice(&bytes).ok()),
        Err(error) if error.is(std::io::ErrorKind::NotFound) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Returns the task that was sent under this key and still stands for it, with where it is.
///
/// # Errors
/// [`Failure`]: whether there is one cannot be known now; nothing should be sent.
pub fn earlier(
    setup: &Setup,
    lane: &Lane,
    key: &str,
) -> Result<Option<(Record, Whereabouts)>, Failure> {
    let Some(record) = read(&path(setup.config.state()?, lane, key))? else {
        return Ok(None);
    };
    let forgotten = record.expires.plus(limits::MEMORY_AFTER_EXPIRY);
    if record.sha256.is_none() || setup.clock.wall() > forgotten {
        return Ok(None);
    }
    let found = setup.sender().find(lane, record.id, record.sha256)?;
    if let Whereabouts::Answered(answered) = &found {
        let (status, attempt) = (answered.answer.status, answered.answer.attempt);
        // What ended without a start has given its key back.
        if status.never_ran() || (status == Status::Cancelled && attempt == 0) {
            return Ok(None);
        }
    }
    Ok(Some((record, found)))
}

/// Records that a task is about to be sent under its key; `sent` is `None` before it is.
///
/// # Durability
/// The record is on disk when it returns.
///
/// # Errors
/// [`Failure`]: the local disk failed; nothing should be sent.
pub fn note(setup: &Setup, lane: &Lane, task: &Task, sent: Option<&Sent>) -> Result<(), Failure> {
    let Some(key) = task.idempotency_key.as_deref() else {
        return Ok(());
    };
    let state = setup.config.state()?;
    let path = path(state, lane, key);
    let is_failed = sent.is_some_and(|sent| matches!(sent.publish, Publish::Failed(_)));
    if is_failed {
        disk::remove(&path)?;
        return Ok(());
    }
    let record = Record {
        id: task.id,
        // Where it is not known whether it was published, the same command sends it again: its receiver runs one of
        // the two.
        sha256: sent
            .filter(|sent| matches!(sent.publish, Publish::Published))
            .map(|sent| sent.digest),
        expires: task.expires,
    };
    disk::make_dir(&state.join(FOLDER), 0o700)?;
    // Plain words, digits and a time.
    let text = serde_json::to_string(&record).expect("a record is plain data");
    disk::replace(&path, format!("{text}\n").as_bytes(), 0o600)?;
    // Now and then, so that the folder does not grow for ever.
    if sent.is_some_and(|sent| sent.digest.to_string().starts_with('0')) {
        prune(state, setup.clock.wall());
    }
    Ok(())
}

/// Removes what is remembered by nobody any more. What cannot be removed stays until the next time.
fn prune(state: &Path, now: Timestamp) {
    let folder = state.join(FOLDER);
    for name in disk::list(&folder).unwrap_or_default() {
        let path = folder.join(name);
        let record = read(&path).ok().flatten();
        if record.is_some_and(|it| it.expires.plus(limits::MEMORY_AFTER_EXPIRY) < now) {
            let _ = disk::remove(&path);
        }
    }
}

/// Answers with the task that was sent before instead of sending another one.
///
/// # Errors
/// [`Failure`]
pub fn answer(
    setup: &Setup,
    voice: &Voice,
    lane: &Lane,
    (record, found): (Record, Whereabouts),
    (wait, as_json): (Option<wait::Deadline>, bool),
) -> Result<Exit, Failure> {
    let id = record.id;
    voice.note(&format!(
        "task {id} was sent under this key before; nothing is sent"
    ));
    if let Some(deadline) = wait {
        let wanted = seek::Wanted {
            id,
            lane: lane.clone(),
            digest: record.sha256,
        };
        return wait::one(setup, voice, &wanted, deadline, as_json);
    }
    let sealed = task::file(&setup.sender(), lane, id, &found)?;
    let root = setup.config.root()?;
    let path = sealed.map(|sealed| root.join(sealed.place.path()).join(sealed.name));
    if as_json {
        let line = json!({"version": 1, "id": id, "state": "known", "to": lane.to,
            "sha256": record.sha256, "path": path});
        voice.answer(&line.to_string())?;
        return Ok(Exit::Ok);
    }
    let path = path.map_or_else(String::new, |path| path.display().to_string());
    voice.answer(&format!("{id}\t{path}"))?;
    Ok(Exit::Ok)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_a_short_line() {
        assert_eq!(parse("build 7").unwrap(), "build 7");
        for bad in ["", "a\nb", "a\u{7f}", &"x".repeat(129)] {
            assert!(parse(bad).is_err(), "{bad:?}");
        }
    }
}
