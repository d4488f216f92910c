//! When a heartbeat last advanced, as this host saw it: a look that comes and goes remembers the last one.
//!
//! A file in the state directory, of no worth but this: damaged, absent or of another boot, it is begun anew.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use serde::Deserialize;
use serde::Serialize;

use crate::clock::BootTime;
use crate::disk;
use crate::id::NodeName;
use crate::id::Nonce;

/// Largest file that is read, in bytes.
const BYTES_MAX: usize = 256 * 1024;
/// Nodes that are remembered.
const NODES_MAX: usize = 512;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Seen {
    instance: Option<Nonce>,
    seq: u64,
    /// When this number was seen first.
    first: BootTime,
    /// When the node was last looked at before that, with another number.
    before: Option<BootTime>,
}

/// How a heartbeat moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pace {
    /// For how long it surely did not advance.
    pub still: Duration,
    /// It surely advanced within this time.
    pub moved: Option<Duration>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Memory {
    boot_id: String,
    nodes: BTreeMap<String, Seen>,
}

impl Memory {
    pub(super) fn load(path: &Path, boot_id: &str) -> Self {
        let read = disk::read_bounded(path, BYTES_MAX).ok();
        let known: Option<Self> = read.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        known
            .filter(|known| known.boot_id == boot_id)
            .unwrap_or_else(|| Self {
                boot_id: boot_id.to_owned(),
                nodes: BTreeMap::new(),
            })
    }

    pub(super) fn save(&self, path: &Path) {
        // A sender may have no state directory, and a view needs none.
        if let Ok(bytes) = serde_json::to_vec(self) {
            let _ = disk::replace(path, &bytes, 0o600);
        }
    }

    /// Takes in a look at a node's heartbeat.
    pub(super) fn note(
        &mut self,
        node: &NodeName,
        beat: (Option<Nonce>, u64),
        now: BootTime,
    ) -> Pace {
        let known = self.nodes.get(node.as_str());
        // A number that went back is an old heartbeat that somebody put there again: no advance.
        let same =
            known.filter(|seen| seen.instance == beat.0 && beat.1 <= seen.seq && seen.first <= now);
        let seen = match (same, known) {
            (Some(seen), _) => seen.clone(),
            (None, known) => Seen {
                instance: beat.0,
                seq: beat.1,
                first: now,
                before: known.map(|seen| seen.first),
            },
        };
        let pace = Pace {
            still: now.since(seen.first),
            moved: seen.before.map(|before| now.since(before)),
        };
        if self.nodes.len() < NODES_MAX || known.is_some() {
            self.nodes.insert(node.as_str().to_owned(), seen);
        }
        pace
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_heartbeat_is_still_only_for_as_long_as_it_was_seen_to_be() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("heard.json");
        let node = NodeName::parse("gpubox").unwrap();
        let one = Some(Nonce::from_bits(1));
        let at = |seconds: u64| BootTime(seconds * 1000);
        let mut memory = Memory::load(&path, "boot1");
        assert_eq!(memory.note(&node, (one, 5), at(10)).still, Duration::ZERO);
        memory.save(&path);
        let mut memory = Memory::load(&path, "boot1");
        assert_eq!(
            memory.note(&node, (one, 5), at(80)).still,
            Duration::from_secs(70)
        );
        let pace = memory.note(&node, (one, 6), at(90));
        assert_eq!(pace.still, Duration::ZERO);
        assert_eq!(pace.moved, Some(Duration::from_secs(80)));
        assert_eq!(
            memory.note(&node, (one, 4), at(95)).still,
            Duration::from_secs(5)
        );
        let other = (Some(Nonce::from_bits(2)), 6);
        assert_eq!(memory.note(&node, other, at(200)).still, Duration::ZERO);
        memory.save(&path);
        let mut memory = Memory::load(&path, "boot2");
        let pace = memory.note(&node, other, at(5));
        assert_eq!(
            (pace.still, pace.moved),
            (Duration::ZERO, None),
            "another boot, another clock"
        );
    }
}
