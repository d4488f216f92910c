//! The drain of a node: it finishes what runs, takes nothing in and starts nothing, until it is lifted.
//!
//! A file in the node's own state directory, so that it works without the share and outlives every restart. Its
//! presence is what counts: whatever cannot be read is a drain. Only the node itself is drained by it: a peer may ask
//! for work, and never that other work waits. This module starts and stops nothing; a watcher looks before each round.

use std::io::ErrorKind;
use std::path::Path;

use crate::clock::Timestamp;
use crate::disk;
use crate::escape;

/// The file whose presence drains the node.
pub const FILE: &str = "DRAIN";
/// The file by which a watcher says that it has seen the drain: nothing starts after it was made.
const SEEN: &str = "DRAIN.seen";
/// Bytes of the file that are read and written.
const BYTES_MAX: usize = 512;
/// Letters of a reason that are shown.
const REASON_LETTERS_MAX: usize = 120;

/// A drain, as its file tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drain {
    /// UTC when it began, where that is told.
    pub since: Option<Timestamp>,
    /// Why, in its operator's words; escaped, may be empty.
    pub reason: String,
}

/// Drains the node of this state directory; one that is drained already gets the new reason.
///
/// # Durability
/// On disk when it returns.
///
/// # Errors
/// [`disk::Error`]
pub fn engage(state: &Path, reason: &str, now: Timestamp) -> Result<(), disk::Error> {
    disk::make_dir(state, 0o700)?;
    disk::remove(&state.join(SEEN))?;
    let mut text = format!("{now} {}", reason.replace(['\n', '\r'], " "));
    while text.len() >= BYTES_MAX {
        text.pop();
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
    disk::replace(&state.join(FILE), text.as_bytes(), 0o600)
}

/// Lifts the drain. Returns whether there was one.
///
/// # Durability
/// On disk when it returns.
///
/// # Errors
/// [`disk::Error`]
pub fn lift(state: &Path) -> Result<bool, disk::Error> {
    if look(state).is_none() {
        return Ok(false);
    }
    disk::remove(&state.join(FILE))?;
    disk::remove(&state.join(SEEN))?;
    disk::sync_dir(state)?;
    Ok(true)
}

/// Returns the drain of the node of this state directory, if it is drained.
#[must_use]
pub fn look(state: &Path) -> Option<Drain> {
    let bytes = match disk::read_bounded(&state.join(FILE), BYTES_MAX) {
        Ok(bytes) => bytes,
        Err(error) if error.is(ErrorKind::NotFound) => return None,
        Err(error) => {
            let reason = escape::excerpt(&error.to_string(), REASON_LETTERS_MAX);
            return Some(Drain {
                since: None,
                reason,
            });
        }
    };
    let text = String::from_utf8_lossy(&bytes);
    let text = text.trim();
    let (first, rest) = text.split_once(' ').unwrap_or((text, ""));
    let since = Timestamp::parse(first).ok();
    let reason = if since.is_some() { rest } else { text };
    Some(Drain {
        since,
        reason: escape::excerpt(reason, REASON_LETTERS_MAX),
    })
}

/// Notes, as the watcher of the node, that the drain is seen: nothing is taken in or started from here on.
///
/// # Errors
/// [`disk::Error`]
pub fn note_seen(state: &Path) -> Result<(), disk::Error> {
    disk::replace_volatile(&state.join(SEEN), b"", 0o600)
}

/// Returns whether the watcher of the node has seen the drain.
#[must_use]
pub fn is_seen(state: &Path) -> bool {
    disk::read_bounded(&state.join(SEEN), BYTES_MAX).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drain_is_there_from_its_file_on_and_gone_with_it() {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("state");
        let now = Timestamp::parse("2026-11-20T06:00:00Z").unwrap();
        assert_eq!(look(&state), None, "no directory, no drain");
        engage(&state, "new\ndisks", now).unwrap();
        let drain = look(&state).unwrap();
        assert_eq!(drain.since, Some(now));
        assert_eq!(drain.reason, "new disks");
        note_seen(&state).unwrap();
        assert!(is_seen(&state));
        engage(&state, "", now).unwrap();
        assert!(!is_seen(&state), "a new drain is to be seen anew");
        assert_eq!(look(&state).unwrap().reason, "");
        assert!(lift(&state).unwrap());
        assert_eq!(look(&state), None);
        assert!(!lift(&state).unwrap(), "twice is no mistake");
    }

    #[test]
    fn whatever_lies_there_drains() {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path();
        disk::create_new(&state.join(FILE), b"touched by hand \x1b[1m", 0o600).unwrap();
        let drain = look(state).unwrap();
        assert_eq!(drain.since, None);
        assert!(!drain.reason.contains('\x1b'), "{}", drain.reason);
        lift(state).unwrap();
        disk::make_dir(&state.join(FILE), 0o700).unwrap();
        assert!(look(state).is_some(), "a folder is no reason to start");
        disk::remove_tree(&state.join(FILE)).unwrap();
        disk::create_new(&state.join(FILE), &[b'x'; 4096], 0o600).unwrap();
        assert!(look(state).is_some(), "nor is a file that is too large");
    }
}
