//! The first verified outcome of a task, as its sender's node saw it: whatever comes later and differs is a conflict.
//!
//! One small file a task in the state directory, made once by an exclusive create. A crash leaves it whole or absent;
//! a torn one says nothing, and is written anew.

use std::io::ErrorKind;
use std::path::Path;

use serde::Deserialize;
use serde::Serialize;

use crate::clock::Timestamp;
use crate::disk;
use crate::flow::collect::Answered;
use crate::id::Digest;
use crate::id::TaskId;
use crate::limits;
use crate::outcome::Status;

/// Folder of the records below the state directory.
pub const FOLDER: &str = "outcomes";
/// Largest record, in bytes.
const BYTES_MAX: usize = 4096;

/// What is recorded of an outcome.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recorded {
    /// Digest of the whole sealed result.
    pub sha256: Digest,
    /// How the task ended.
    pub status: Status,
    /// The claim it belongs to, without `.json`.
    pub claim: Option<String>,
    /// When it was seen first.
    pub at: Timestamp,
}

/// How an outcome compares with what was seen before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Noted {
    /// It is the first.
    First,
    /// It is the one that is known.
    Same,
    /// Another one was first.
    Conflict(Recorded),
}

/// Records an outcome, or compares it with the one on record.
///
/// # Durability
/// A first outcome is on disk when it returns.
///
/// # Errors
/// [`disk::Error`]: nothing is known of an earlier one.
pub fn note(state: &Path, answered: &Answered, now: Timestamp) -> Result<Noted, disk::Error> {
    let folder = state.join(FOLDER);
    let path = folder.join(answered.answer.task_id.to_string());
    let fresh = Recorded {
        sha256: answered.digest,
        status: answered.answer.status,
        claim: answered.answer.claim.as_ref().map(|claim| claim.stem()),
        at: now,
    };
    disk::make_dir(&folder, 0o700)?;
    // Plain words, digits and a time.
    let text = serde_json::to_string(&fresh).expect("a record is plain data");
    match disk::create_new(&path, format!("{text}\n").as_bytes(), 0o600) {
        Ok(()) => {
            // Now and then, so that the folder does not grow for ever where nobody sweeps.
            if answered.digest.to_string().starts_with("00") {
                let _ = prune(state, now.minus(limits::RECORD_AGE));
            }
            return Ok(Noted::First);
        }
        Err(error) if error.is(ErrorKind::AlreadyExists) => {}
        Err(error) => return Err(error),
    }
    match read(state, answered.answer.task_id)? {
        Some(known) if known.sha256 == fresh.sha256 => Ok(Noted::Same),
        Some(known) => Ok(Noted::Conflict(known)),
        // Torn by a crash while it was made: what it said is lost, so this one is the first that is known.
        None => {
            disk::replace(&path, format!("{text}\n").as_bytes(), 0o600)?;
            Ok(Noted::First)
        }
    }
}

/// Removes records of outcomes that were seen before this. Returns how many there were. A record says when it was made;
/// one that cannot be read says nothing, and stays.
///
/// # Errors
/// [`disk::Error`]
pub fn prune(state: &Path, before: Timestamp) -> Result<Vec<TaskId>, disk::Error> {
    let mut gone = Vec::new();
    for id in old(state, before)? {
        disk::remove(&state.join(FOLDER).join(id.to_string()))?;
        gone.push(id);
    }
    Ok(gone)
}

/// Returns the tasks whose records were made before this.
///
/// # Errors
/// [`disk::Error`]
pub fn old(state: &Path, before: Timestamp) -> Result<Vec<TaskId>, disk::Error> {
    let mut found = Vec::new();
    for name in disk::list(&state.join(FOLDER)).unwrap_or_default() {
        let Ok(id) = TaskId::parse(&name) else {
            continue;
        };
        // Made after the task was: a young id need not be read.
        let is_young = id
            .made()
            .is_some_and(|made| Timestamp::from_unix(made) >= before);
        if !is_young && read(state, id)?.is_some_and(|known| known.at < before) {
            found.push(id);
        }
    }
    Ok(found)
}

/// Returns the outcome on record; `None` where there is none, or none that can be read.
///
/// # Errors
/// [`disk::Error`]
pub fn read(state: &Path, id: TaskId) -> Result<Option<Recorded>, disk::Error> {
    let path = state.join(FOLDER).join(id.to_string());
    match disk::read_bounded(&path, BYTES_MAX) {
        Ok(bytes) => Ok(serde_json::from_slice(&bytes).ok()),
        Err(error) if error.is(ErrorKind::NotFound) => Ok(None),
        Err(error) => Err(error),
    }
}
