//! What this node sent that waits for the end of other tasks, and what was said of it.
//!
//! One small file a task in the state directory, written before the task is published: so no task waits for a word that
//! nobody knows to owe it. It is replaced as a whole when the word is decided, and again when it is on the share. A
//! crash leaves the earlier text, and the same is decided and said again.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::Path;
use std::path::PathBuf;

use serde::Deserialize;
use serde::Serialize;

use crate::clock::Timestamp;
use crate::disk;
use crate::document::Condition;
use crate::flow::resolve::Dependent;
use crate::id::Digest;
use crate::id::NodeName;
use crate::id::Party;
use crate::id::TaskId;
use crate::limits;
use crate::outcome::words;
use crate::place::Lane;

/// Folder of the records below the state directory.
pub const FOLDER: &str = "after";
/// Largest record, in bytes.
const BYTES_MAX: usize = 128 * 1024;

words! {
    /// What was decided about a task that waited.
    Word {
        /// It may be started.
        Ready = "ready",
        /// It can never start: it was asked to end.
        Ended = "ended",
        /// Its time was over before that.
        Late = "late",
    }
}

/// One task that another waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Awaited {
    /// The task.
    pub id: TaskId,
    /// To whom it was sent.
    pub to: Party,
    /// Digest of the sealed task, where it is known.
    pub sha256: Option<Digest>,
    /// How it must end.
    pub when: Condition,
}

/// What was decided, and whether it is on the share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// What.
    pub word: Word,
    /// Why, where it was ended.
    pub why: Option<String>,
    /// When it was decided.
    pub at: Timestamp,
    /// Whether it is known to be on the share.
    pub published: bool,
}

/// A task that waits, or waited, for others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    /// Version of this format: 1.
    pub version: u32,
    /// The task.
    pub id: TaskId,
    /// To whom it was sent.
    pub to: Party,
    /// Digest of the sealed task.
    pub sha256: Digest,
    /// No start after this.
    pub expires: Timestamp,
    /// What its batch calls it.
    pub name: Option<String>,
    /// What it waits for.
    pub after: Vec<Awaited>,
    /// What was decided.
    pub said: Option<Said>,
}

impl Waiting {
    /// Returns whether something is still to be decided or said.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.said.as_ref().is_none_or(|said| !said.published)
    }

    /// Returns it as the flow knows it, sent by this node.
    #[must_use]
    pub fn dependent(&self, from: &NodeName) -> Dependent {
        Dependent {
            id: self.id,
            lane: Lane::new(from.clone(), self.to.clone()),
            digest: self.sha256,
            expires: self.expires,
        }
    }
}

fn path(state: &Path, id: TaskId) -> PathBuf {
    state.join(FOLDER).join(id.to_string())
}

/// Writes a record.
///
/// # Durability
/// It is on disk when it returns.
///
/// # Errors
/// [`disk::Error`]: the earlier text may still be there.
pub fn write(state: &Path, waiting: &Waiting) -> Result<(), disk::Error> {
    disk::make_dir(&state.join(FOLDER), 0o700)?;
    // Plain words, digits and times.
    let text = serde_json::to_string(waiting).expect("a record is plain data");
    disk::replace(
        &path(state, waiting.id),
        format!("{text}\n").as_bytes(),
        0o600,
    )
}

/// Removes the record of a task that was not published.
///
/// # Errors
/// [`disk::Error`]
pub fn forget(state: &Path, id: TaskId) -> Result<(), disk::Error> {
    disk::remove(&path(state, id))
}

/// Returns the record of a task; `None` where there is none that can be read.
#[must_use]
pub fn read(state: &Path, id: TaskId) -> Option<Waiting> {
    let bytes = disk::read_bounded(&path(state, id), BYTES_MAX).ok()?;
    let waiting: Waiting = serde_json::from_slice(&bytes).ok()?;
    (waiting.version == 1 && waiting.id == id).then_some(waiting)
}

/// Returns every record that can be read; those of tasks that expired long ago are removed.
///
/// # Errors
/// [`disk::Error`]: the folder cannot be listed.
pub fn all(state: &Path, now: Timestamp) -> Result<BTreeMap<TaskId, Waiting>, disk::Error> {
    let names = match disk::list(&state.join(FOLDER)) {
        Err(error) if error.is(ErrorKind::NotFound) => return Ok(BTreeMap::new()),
        other => other?,
    };
    let mut found = BTreeMap::new();
    for id in names.iter().filter_map(|name| TaskId::parse(name).ok()) {
        let Some(waiting) = read(state, id) else {
            continue;
        };
        if waiting.expires.plus(limits::MEMORY_AFTER_EXPIRY) < now {
            forget(state, id)?;
        } else {
            found.insert(id, waiting);
        }
    }
    Ok(found)
}
