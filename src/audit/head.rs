//! The heads that nodes have sealed, remembered on this node's own disk.
//!
//! A head comes out of a verified heartbeat or result, so its node cannot take it back; from then on a log that does
//! not lead to it was cut or rewritten. One small file, replaced as a whole: a crash leaves the old one or the new one.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use serde::Serialize;

use crate::audit::Error;
use crate::audit::segment::Head;
use crate::disk;
use crate::disk::LockFile;
use crate::document::AuditHead;
use crate::id::NodeName;

/// Most heads remembered of one node: one for each of its newest segments.
const HEADS_MAX: usize = 32;
/// Largest file that is read, in bytes.
const FILE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Version of the file.
const VERSION: u32 = 1;

/// What a noted head means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Noted {
    /// Further than what was known: remembered.
    New,
    /// Nothing new: an older or the same place.
    Known,
    /// The same place with other bytes: its node, or somebody with its key, rewrote its log. The first one is kept.
    Conflict,
}

/// The last heads seen, by node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeadsSeen {
    version: u32,
    nodes: BTreeMap<NodeName, Vec<Head>>,
}

impl Default for HeadsSeen {
    fn default() -> Self {
        Self {
            version: VERSION,
            nodes: BTreeMap::new(),
        }
    }
}

impl HeadsSeen {
    /// Reads the file; none is as good as an empty one.
    ///
    /// # Errors
    /// [`Error::Disk`], [`Error::Format`]
    pub fn load(path: &Path) -> Result<Self, Error> {
        let bytes = match disk::read_bounded(path, FILE_BYTES_MAX) {
            Err(error) if error.is(std::io::ErrorKind::NotFound) => return Ok(Self::default()),
            other => other?,
        };
        let bad = |why: String| Error::Format {
            path: path.to_owned(),
            why,
        };
        let seen: Self = serde_json::from_slice(&bytes).map_err(|why| bad(why.to_string()))?;
        if seen.version == VERSION {
            Ok(seen)
        } else {
            Err(bad(format!("version {} is not known", seen.version)))
        }
    }

    /// Writes the file.
    ///
    /// # Durability
    /// On disk, as a whole, when it returns.
    ///
    /// # Errors
    /// [`Error::Disk`], [`Error::Format`]
    pub fn save(&self, path: &Path) -> Result<(), Error> {
        let bytes = serde_json::to_vec(self).map_err(|why| Error::Format {
            path: path.to_owned(),
            why: why.to_string(),
        })?;
        Ok(disk::replace(path, &bytes, 0o600)?)
    }

    /// Remembers a head out of a verified document of `node`, in the file. Processes of one host take turns; nothing is
    /// written where nothing is new.
    ///
    /// # Durability
    /// A new head is on disk when it returns.
    ///
    /// # Errors
    /// [`Error::Disk`], [`Error::Format`]
    pub fn remember(path: &Path, node: &NodeName, sealed: &AuditHead) -> Result<Noted, Error> {
        let Some(head) = Head::from_sealed(sealed) else {
            return Ok(Noted::Known);
        };
        let _turn = LockFile::take(&path.with_extension("lock"))?;
        let mut seen = Self::load(path)?;
        let noted = seen.note(node, &head);
        if noted == Noted::New {
            seen.save(path)?;
        }
        Ok(noted)
    }

    /// Remembers a head that `node` has sealed. The caller has verified the seal.
    pub fn note(&mut self, node: &NodeName, head: &Head) -> Noted {
        let known = self.nodes.entry(node.clone()).or_default();
        if let Some(at) = known.iter().position(|one| one.segment == head.segment) {
            let one = &known[at];
            if head.seq < one.seq || head == one {
                return Noted::Known;
            }
            if head.seq == one.seq {
                return Noted::Conflict;
            }
            known.remove(at);
        }
        known.push(head.clone());
        if known.len() > HEADS_MAX {
            known.remove(0);
        }
        Noted::New
    }

    /// Returns the heads of a node, the one noted last at the end.
    #[must_use]
    pub fn of(&self, node: &NodeName) -> &[Head] {
        self.nodes.get(node).map_or(&[], Vec::as_slice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::segment::SegmentName;
    use crate::audit::segment::Writer;
    use crate::clock::Timestamp;
    use crate::id::Digest;

    fn head(number: u32, seq: u64, bytes: &[u8]) -> Head {
        let day = Timestamp::parse("2026-11-20T06:00:00Z").unwrap();
        Head {
            segment: SegmentName::new(Writer::Watch, day, 7, number),
            seq,
            sha256: Digest::of(bytes),
        }
    }

    #[test]
    fn only_what_leads_further_is_remembered_and_nothing_is_taken_back() {
        let node = NodeName::parse("gpubox").unwrap();
        let mut seen = HeadsSeen::default();
        assert_eq!(seen.note(&node, &head(1, 5, b"a")), Noted::New);
        assert_eq!(seen.note(&node, &head(1, 5, b"a")), Noted::Known);
        assert_eq!(seen.note(&node, &head(1, 4, b"b")), Noted::Known);
        assert_eq!(seen.note(&node, &head(1, 5, b"b")), Noted::Conflict);
        assert_eq!(seen.note(&node, &head(1, 6, b"c")), Noted::New);
        assert_eq!(seen.note(&node, &head(2, 7, b"d")), Noted::New);
        assert_eq!(seen.of(&node), [head(1, 6, b"c"), head(2, 7, b"d")]);
        for number in 3..100 {
            seen.note(&node, &head(number, 7, b"e"));
        }
        assert_eq!(seen.of(&node).len(), HEADS_MAX);
        assert_eq!(seen.of(&node).last(), Some(&head(99, 7, b"e")));
    }

    #[test]
    fn several_processes_remember_what_each_has_seen() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("heads.json");
        let node = NodeName::parse("gpubox").unwrap();
        std::thread::scope(|scope| {
            for number in 1..=8 {
                let (path, node) = (&path, &node);
                scope.spawn(move || {
                    let sealed = head(number, 9, b"x").to_sealed();
                    assert_eq!(
                        HeadsSeen::remember(path, node, &sealed).unwrap(),
                        Noted::New
                    );
                    assert_eq!(
                        HeadsSeen::remember(path, node, &sealed).unwrap(),
                        Noted::Known
                    );
                });
            }
        });
        assert_eq!(HeadsSeen::load(&path).unwrap().of(&node).len(), 8);
        let other = head(1, 9, b"y").to_sealed();
        assert_eq!(
            HeadsSeen::remember(&path, &node, &other).unwrap(),
            Noted::Conflict
        );
    }

    #[test]
    fn the_file_reads_back_and_a_strange_one_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("heads.json");
        let node = NodeName::parse("gpubox").unwrap();
        assert_eq!(HeadsSeen::load(&path).unwrap(), HeadsSeen::default());
        let mut seen = HeadsSeen::default();
        seen.note(&node, &head(1, 5, b"a"));
        seen.save(&path).unwrap();
        assert_eq!(HeadsSeen::load(&path).unwrap(), seen);
        disk::replace(&path, br#"{"version":2,"nodes":{}}"#, 0o600).unwrap();
        assert!(matches!(HeadsSeen::load(&path), Err(Error::Format { .. })));
    }
}
