//! The keys of a watcher that goes on for long: read again when their folders or files change, and as long as any of
//! them cannot be read.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::Setup;
use super::setup;
use crate::disk;
use crate::key::file::SUFFIX;
use crate::keyring::Cabinet;
use crate::keyring::Keyring;
use crate::limits;

/// What a folder or a key file looked like: its inode and when it was last changed (stat(2): ctime also tells a mode
/// that was set right).
type Stamp = Option<(u64, i64, i64)>;

/// The keys, as last read.
#[derive(Default)]
pub(super) struct Ring {
    cabinet: Cabinet,
    seen: Vec<Stamp>,
    /// Whether everything could be read.
    is_whole: bool,
    /// What was told at the last read.
    told: BTreeSet<String>,
}

impl Ring {
    /// Reads the keys at the beginning. What is wrong with any was told when the program was set up.
    pub(super) fn open(setup: &Setup) -> (Self, Keyring) {
        let mut ring = Self::default();
        let keys = ring.look(setup).map(|(keys, _)| keys);
        (ring, keys.unwrap_or_default())
    }

    /// Reads them where something changed or could not be read. Returns those in force, and what is new to be told.
    pub(super) fn look(&mut self, setup: &Setup) -> Option<(Keyring, Vec<String>)> {
        // Before reading: what changes meanwhile is read again.
        let seen = stamps(setup);
        if seen == self.seen && self.is_whole {
            return None;
        }
        let root = setup::real_root(&setup.config, &setup.patient);
        let guard = setup::guard(root, setup.insecure_key);
        let (keys, problems) = self.cabinet.read(&setup.config.keys, &guard);
        self.seen = seen;
        self.is_whole = keys.is_whole();
        let told = std::mem::replace(&mut self.told, problems.iter().cloned().collect());
        let fresh = problems.into_iter().filter(|one| !told.contains(one));
        Some((keys, fresh.collect()))
    }
}

/// Adding, replacing and moving a file aside all change its folder; a file that was half-written, or had the wrong
/// mode, changes by itself.
fn stamps(setup: &Setup) -> Vec<Stamp> {
    let mut all = Vec::new();
    for folder in &setup.config.keys {
        all.push(stamp(folder));
        let names = disk::list(folder).unwrap_or_default();
        let keys = names.iter().filter(|name| name.ends_with(SUFFIX));
        let keys = keys.take(limits::PASS_ENTRIES_MAX);
        all.extend(keys.map(|name| stamp(&folder.join(name))));
    }
    all
}

fn stamp(path: &Path) -> Stamp {
    let meta = std::fs::symlink_metadata(path).ok()?;
    Some((meta.ino(), meta.ctime(), meta.ctime_nsec()))
}
