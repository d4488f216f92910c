//! The last verdict of a mount, kept in the state directory: a watcher that starts again need not ask again.
//!
//! It holds for the same filesystem at the same place with the same options, for this version of the program, for a
//! week. Losing it costs an examination.

use std::path::Path;
use std::time::Duration;

use serde::Deserialize;
use serde::Serialize;

use super::verdict::Judgement;
use super::verdict::Verdict;
use crate::clock::Timestamp;
use crate::disk;
use crate::mount::Mount;

/// Its file in the state directory.
pub const FILE: &str = "doctor.json";
/// How long it is believed.
const HOLDS: Duration = Duration::from_secs(7 * 24 * 3600);
/// Largest file that is read.
const BYTES_MAX: usize = 64 * 1024;

/// A finding that decides, as it was told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// Number of the check.
    pub number: u8,
    /// Its name.
    pub name: String,
    /// What was measured.
    pub said: String,
    /// What to change.
    pub advice: Option<String>,
}

/// A verdict that is remembered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remembered {
    /// Version of the program that drew it.
    pub program: String,
    /// What was mounted; its number changes with each mounting and is left out.
    pub mount: Option<Mount>,
    /// When.
    pub at: i64,
    /// Whether every check was asked, not only those of a start.
    pub full: bool,
    /// The verdict.
    pub judgement: Judgement,
    /// What the verdict would be without what passes.
    pub otherwise: Verdict,
    /// Why.
    pub reasons: Vec<Reason>,
}

impl Remembered {
    /// Returns whether it speaks of this mount, now, and was drawn by this program.
    #[must_use]
    pub fn holds(&self, mount: Option<&Mount>, now: Timestamp) -> bool {
        let same = match (&self.mount, mount) {
            (Some(one), Some(other)) => {
                (&one.point, &one.kind, &one.source, &one.options)
                    == (&other.point, &other.kind, &other.source, &other.options)
            }
            (one, other) => one.is_none() && other.is_none(),
        };
        let at = Timestamp::from_unix(self.at);
        // A clock that was set back makes it one of the future: then nothing is known of its age.
        same && self.program == env!("CARGO_PKG_VERSION") && at <= now && now.since(at) <= HOLDS
    }

    /// Keeps it. A convenience: what cannot be written is asked for again.
    pub fn keep(&self, state: &Path) {
        if let Ok(text) = serde_json::to_vec(self) {
            let _ = disk::replace(&state.join(FILE), &text, 0o600);
        }
    }

    /// Reads what was kept; `None` where there is nothing or nothing that can be understood.
    #[must_use]
    pub fn read(state: &Path) -> Option<Self> {
        let bytes = disk::read_bounded(&state.join(FILE), BYTES_MAX).ok()?;
        serde_json::from_slice(&bytes).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mount::Table;

    #[test]
    fn a_verdict_holds_for_its_mount_and_a_week() {
        let table = Table::parse(b"61 27 0:52 / /mnt rw - nfs4 s:/ rw,vers=4.2\n");
        let mount = table.of(Path::new("/mnt")).unwrap();
        let kept = Remembered {
            program: env!("CARGO_PKG_VERSION").to_owned(),
            mount: Some(mount.clone()),
            at: 1_800_000_000,
            full: true,
            judgement: Judgement {
                verdict: Verdict::Single,
                because: vec![1],
                passing: false,
            },
            otherwise: Verdict::Single,
            reasons: Vec::new(),
        };
        let dir = tempfile::tempdir().unwrap();
        kept.keep(dir.path());
        let read = Remembered::read(dir.path()).unwrap();
        assert_eq!(read, kept);
        let at = |days: i64| Timestamp::from_unix(1_800_000_000 + days * 86_400);
        let again = Mount {
            id: 99,
            ..mount.clone()
        };
        assert!(read.holds(Some(&again), at(6)), "mounted again");
        assert!(!read.holds(Some(&again), at(8)));
        assert!(!read.holds(Some(&again), at(-1)));
        assert!(!read.holds(None, at(1)));
        let soft = Table::parse(b"61 27 0:52 / /mnt rw - nfs4 s:/ rw,vers=4.2,soft\n");
        assert!(
            !read.holds(soft.of(Path::new("/mnt")), at(1)),
            "with other options"
        );
        let older = Remembered {
            program: "0.0.1".to_owned(),
            ..kept
        };
        assert!(!older.holds(Some(mount), at(1)));
    }
}
