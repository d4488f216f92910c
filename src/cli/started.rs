//! When the watcher last started: a service that restarts in a loop must not fill the audit log with its starts.
//!
//! The note is a courtesy to the log. Losing it, or never being able to write it, costs nothing but a line more.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use serde_json::json;

use crate::clock::Timestamp;
use crate::disk;

/// Starts closer together than this are one, as far as the log is concerned.
const LOOP: Duration = Duration::from_secs(120);
const NOTE_BYTES_MAX: usize = 4096;

/// Notes this start. Returns whether it is worth a line in the log: the one before is long ago, or not known.
///
/// # Durability
/// The note is on disk when it returns, unless it could not be written.
#[must_use]
pub fn note(path: &Path, now: Timestamp) -> bool {
    let before = last(path);
    let text = format!("{}\n", json!({"last_start": now.unix()}));
    let noted = disk::replace(path, text.as_bytes(), 0o600);
    // A clock that was set back makes a start of the future: nothing is known of how long ago that is.
    let recent = |before: Timestamp| before <= now && now.since(before) <= LOOP;
    noted.is_err() || !before.is_some_and(recent)
}

/// Reads the note; the original wrote seconds with a fraction.
fn last(path: &Path) -> Option<Timestamp> {
    let bytes = disk::read_bounded(path, NOTE_BYTES_MAX).ok()?;
    let note: Value = serde_json::from_slice(&bytes).ok()?;
    let seconds = note.get("last_start")?.as_f64()?;
    // Saturates: what does not fit is no moment of this century, and so not a recent one.
    #[expect(clippy::cast_possible_truncation, reason = "whole seconds are enough")]
    Some(Timestamp::from_unix(seconds as i64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loop_is_logged_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.json");
        let at = |seconds: i64| note(&path, Timestamp::from_unix(1_800_000_000 + seconds));
        assert!(at(0), "the first start");
        assert!(
            !at(5) && !at(100) && !at(220),
            "each within two minutes of the one before"
        );
        assert!(at(341));
        assert!(at(10), "the clock was set back");
    }

    #[test]
    fn the_note_of_the_original_is_read_and_any_other_is_no_note() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.json");
        let with = |text: &str| {
            disk::replace(&path, text.as_bytes(), 0o600).unwrap();
            note(&path, Timestamp::from_unix(1_800_000_060))
        };
        assert!(!with("{\"last_start\": 1800000000.25}"));
        for text in ["", "[]", "{}"] {
            assert!(with(text), "{text}");
        }
        for value in ["\"x\"", "null", "1e300", "-1e300"] {
            assert!(with(&format!("{{\"last_start\": {value}}}")), "{value}");
        }
        assert!(note(
            Path::new("/nonexistent/folder/state.json"),
            Timestamp::from_unix(0)
        ));
    }
}
