//! The file names of a share: everything a scan needs is in the name, and no name is ever used twice.
//!
//! | name | where | what |
//! |---|---|---|
//! | `<id>.<nonce>.part` | `tmp/` | a document being written |
//! | `<id>.<priority>.g<N>[.n<epoch>].json` | `inbox/` | [`QueuedName`] |
//! | `<id>.<priority>.g<N>.<node>-<nonce>[.r<nonce>].json` | every later stage | [`ClaimName`] |
//! | `<claim>.start` | `processing/` | somebody was about to start it |
//! | `<claim>.result.json`, `<claim>.log`, `<claim>.late.*` | `done/` | what came of one claim |
//! | `<id>.result.json`, `<id>.log` | `done/` | the same, revealed under the name people look for |
//! | `<claim>.lease` | `processing/` of a pool | the claim is alive while this changes |
//! | `<id>.ack.<approver>.<nonce>.json`, `<id>.cancel.<nonce>.json` | `control/` | [`ControlName`] |
//! | `<id>.receipt.<node>.<nonce>.json` | `control/` | [`ControlName`] |
//! | `<id>.cancel.<member>.<nonce>.json`, `.grant.`, `.release.` | `control/` of a pool | [`ControlName`] |
//! | `<id>.json` | `inbox/`, where a peer may send v2 | a task of the original |
//!
//! The fields are parsed from the right, because an id never holds a dot and neither does a node name.

use std::fmt;

use crate::clock::Timestamp;
use crate::id::NodeName;
use crate::id::Nonce;
use crate::id::Priority;
use crate::id::TaskId;

/// Name of a published task that waits in `inbox/`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct QueuedName {
    /// The task.
    pub id: TaskId,
    /// As the sender signed it; the signed body wins where the two disagree.
    pub priority: Priority,
    /// How often it was returned to `inbox/`, plus one: nothing but a fresh name.
    pub generation: u32,
    /// Not to be opened before this moment.
    pub not_before: Option<Timestamp>,
}

impl QueuedName {
    /// Parses a name from a listing; `None` where it is not of this class.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        let mut fields = name.strip_suffix(".json")?.split('.');
        let (id, priority, generation) = (fields.next()?, fields.next()?, fields.next()?);
        let not_before = match fields.next() {
            None => None,
            Some(field) => Some(Timestamp::from_unix(plain_number(
                field.strip_prefix('n')?,
            )?)),
        };
        fields.next().is_none().then_some(())?;
        Some(Self {
            id: TaskId::parse(id).ok()?,
            priority: priority.parse().ok()?,
            generation: generation_of(generation)?,
            not_before,
        })
    }

    /// Returns the name under which `node` takes this entry in the try that owns `nonce`.
    #[must_use]
    pub fn claimed_by(&self, node: &NodeName, nonce: Nonce) -> ClaimName {
        ClaimName {
            id: self.id,
            priority: self.priority,
            generation: self.generation,
            node: node.clone(),
            nonce,
            taken: None,
        }
    }
}

impl fmt::Display for QueuedName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}.{}.g{}", self.id, self.priority, self.generation)?;
        if let Some(moment) = self.not_before {
            write!(out, ".n{}", moment.unix())?;
        }
        out.write_str(".json")
    }
}

/// Name of a task file that a node holds or held. Also the identity of that hold: the fencing token.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClaimName {
    /// The task.
    pub id: TaskId,
    /// As in the queued name.
    pub priority: Priority,
    /// As in the queued name.
    pub generation: u32,
    /// Who claimed it.
    pub node: NodeName,
    /// Of the try that claimed it.
    pub nonce: Nonce,
    /// Of the try that took it over, if somebody did. A take keeps the rest of the name.
    pub taken: Option<Nonce>,
}

impl ClaimName {
    /// Parses a name from a listing; `None` where it is not of this class.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::parse_stem(name.strip_suffix(".json")?)
    }

    /// Parses a claim without its `.json`, as results and markers carry it.
    #[must_use]
    pub fn parse_stem(stem: &str) -> Option<Self> {
        let mut fields = stem.split('.');
        let (id, priority, generation) = (fields.next()?, fields.next()?, fields.next()?);
        let (node, nonce) = fields.next()?.rsplit_once('-')?;
        let taken = match fields.next() {
            None => None,
            Some(field) => Some(Nonce::parse(field.strip_prefix('r')?).ok()?),
        };
        fields.next().is_none().then_some(())?;
        Some(Self {
            id: TaskId::parse(id).ok()?,
            priority: priority.parse().ok()?,
            generation: generation_of(generation)?,
            node: NodeName::parse(node).ok()?,
            nonce: Nonce::parse(nonce).ok()?,
            taken,
        })
    }

    /// Returns the name without `.json`: what results, logs and markers of this claim begin with.
    #[must_use]
    pub fn stem(&self) -> String {
        let name = self.to_string();
        name.strip_suffix(".json")
            .map_or(name.clone(), str::to_owned)
    }

    /// Returns the name of its start marker in `processing/`.
    #[must_use]
    pub fn marker(&self) -> String {
        format!("{}.start", self.stem())
    }

    /// Returns the name of its lease in `processing/`: that of the claim as its owner made it, also when it was taken.
    #[must_use]
    pub fn lease(&self) -> String {
        format!("{}.lease", self.untaken().stem())
    }

    /// Returns the claim that a lease in a listing belongs to.
    #[must_use]
    pub fn of_lease(name: &str) -> Option<Self> {
        Self::parse_stem(name.strip_suffix(".lease")?).filter(|claim| claim.taken.is_none())
    }

    /// Returns the claim that a start marker in a listing belongs to.
    #[must_use]
    pub fn of_marker(name: &str) -> Option<Self> {
        Self::parse_stem(name.strip_suffix(".start")?)
    }

    /// Returns the name of its result in `done/`, before it is revealed.
    #[must_use]
    pub fn result(&self) -> String {
        format!("{}.result.json", self.stem())
    }

    /// Returns the name of its log in `done/`, before it is revealed.
    #[must_use]
    pub fn log(&self) -> String {
        format!("{}.log", self.stem())
    }

    /// Returns the name of its result in `done/` where it was late: another claim of the task has the outcome.
    #[must_use]
    pub fn late_result(&self) -> String {
        format!("{}.late.result.json", self.stem())
    }

    /// Returns the name of its log in `done/` where it was late.
    #[must_use]
    pub fn late_log(&self) -> String {
        format!("{}.late.log", self.stem())
    }

    /// Returns the name after somebody took it over in the try that owns `nonce`.
    #[must_use]
    pub fn taken_by(&self, nonce: Nonce) -> Self {
        Self {
            taken: Some(nonce),
            ..self.clone()
        }
    }

    /// Returns the name as its owner made it, before anybody took it over.
    #[must_use]
    pub fn untaken(&self) -> Self {
        Self {
            taken: None,
            ..self.clone()
        }
    }

    /// Returns the same task held by `node` in a new try: for parking and unparking.
    #[must_use]
    pub fn again_by(&self, node: &NodeName, nonce: Nonce) -> Self {
        Self {
            node: node.clone(),
            nonce,
            taken: None,
            ..self.clone()
        }
    }

    /// Returns the queued name of the next generation.
    #[must_use]
    pub fn returned(&self, not_before: Option<Timestamp>) -> QueuedName {
        QueuedName {
            id: self.id,
            priority: self.priority,
            generation: self.generation.saturating_add(1),
            not_before,
        }
    }
}

impl fmt::Display for ClaimName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "{}.{}.g{}.{}-{}",
            self.id, self.priority, self.generation, self.node, self.nonce
        )?;
        if let Some(nonce) = self.taken {
            write!(out, ".r{nonce}")?;
        }
        out.write_str(".json")
    }
}

/// What a control document asks for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ControlKind {
    /// A decision of this approver.
    Ack(NodeName),
    /// The sender wants the task ended; in a pool, by this member.
    Cancel(Option<NodeName>),
    /// The sender lets a claim of this member start, or not.
    Grant(NodeName),
    /// This member gives a claim back.
    Release(NodeName),
    /// This node confirms how far the task has come.
    Receipt(NodeName),
}

/// Name of a document in `control/`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ControlName {
    /// The task it is about.
    pub id: TaskId,
    /// What it asks for.
    pub kind: ControlKind,
    /// Of the try that wrote it.
    pub nonce: Nonce,
}

impl ControlName {
    /// Parses a name from a listing; `None` where it is not of this class.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        let fields: Vec<&str> = name.strip_suffix(".json")?.split('.').collect();
        let (id, kind, nonce) = match fields.as_slice() {
            [id, "cancel", nonce] => (id, ControlKind::Cancel(None), nonce),
            [id, word, name, nonce] => {
                let name = NodeName::parse(name).ok()?;
                let kind = match *word {
                    "ack" => ControlKind::Ack(name),
                    "cancel" => ControlKind::Cancel(Some(name)),
                    "grant" => ControlKind::Grant(name),
                    "release" => ControlKind::Release(name),
                    "receipt" => ControlKind::Receipt(name),
                    _ => return None,
                };
                (id, kind, nonce)
            }
            _ => return None,
        };
        Some(Self {
            id: TaskId::parse(id).ok()?,
            kind,
            nonce: Nonce::parse(nonce).ok()?,
        })
    }
}

impl fmt::Display for ControlName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (word, name) = match &self.kind {
            ControlKind::Ack(approver) => ("ack", Some(approver)),
            ControlKind::Cancel(member) => ("cancel", member.as_ref()),
            ControlKind::Grant(member) => ("grant", Some(member)),
            ControlKind::Release(member) => ("release", Some(member)),
            ControlKind::Receipt(node) => ("receipt", Some(node)),
        };
        write!(out, "{}.{word}.", self.id)?;
        if let Some(name) = name {
            write!(out, "{name}.")?;
        }
        write!(out, "{}.json", self.nonce)
    }
}

/// Returns the public name of a result in `done/`.
#[must_use]
pub fn public_result(id: TaskId) -> String {
    format!("{id}.result.json")
}

/// Returns the public name of a log in `done/`.
#[must_use]
pub fn public_log(id: TaskId) -> String {
    format!("{id}.log")
}

/// Returns the name of a document that is being written.
#[must_use]
pub fn part(id: TaskId, nonce: Nonce) -> String {
    format!("{id}.{nonce}.part")
}

/// Returns the task that a file is about, by its name alone: every name of ours begins with the id.
#[must_use]
pub fn task_of(name: &str) -> Option<TaskId> {
    TaskId::parse(name.split_once('.')?.0).ok()
}

/// Begins the name of a scratch file, made and removed in a folder so that the next listing of it is a true one.
const SCRATCH: &str = ".poke-";

/// Returns the name of a scratch file.
#[must_use]
pub fn scratch(nonce: Nonce) -> String {
    format!("{SCRATCH}{nonce}")
}

/// Returns whether this is the name of a scratch file, of any node.
#[must_use]
pub fn is_scratch(name: &str) -> bool {
    let nonce = name.strip_prefix(SCRATCH);
    nonce.is_some_and(|nonce| Nonce::parse(nonce).is_ok())
}

/// Returns the task of a file named as the original names tasks, `<uuid>.json`.
#[must_use]
pub fn legacy_task(name: &str) -> Option<TaskId> {
    TaskId::parse(name.strip_suffix(".json")?).ok()
}

/// Returns whether a name is litter that clients, editors and sync tools are known to leave; it is left alone.
///
/// # Source
/// Silly renames of NFS (`.nfs*`) and FUSE, deleted-but-open files of SMB, macOS and Windows folder files, conflict
/// copies and temporaries of sync tools.
#[must_use]
pub fn is_litter(name: &str) -> bool {
    const PREFIXES: &[&str] = &[
        ".nfs",
        ".fuse_hidden",
        ".smbdelete",
        "._",
        ".#",
        ".syncthing.",
        "~$",
    ];
    const NAMES: &[&str] = &[
        ".ds_store",
        ".appledouble",
        "thumbs.db",
        "desktop.ini",
        ".stfolder",
    ];
    let lower = name.to_ascii_lowercase();
    PREFIXES.iter().any(|prefix| lower.starts_with(prefix))
        || NAMES.contains(&lower.as_str())
        || lower.contains(".sync-conflict-")
        || lower.ends_with(".partial")
        || is_scratch(name)
}

fn generation_of(field: &str) -> Option<u32> {
    u32::try_from(plain_number(field.strip_prefix('g')?)?)
        .ok()
        .filter(|number| *number > 0)
}

/// A decimal number in its shortest spelling, so that two names never mean the same entry.
fn plain_number(field: &str) -> Option<i64> {
    let number: i64 = field.parse().ok()?;
    (number >= 0 && number.to_string() == field).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits;

    const ID: &str = "0198f1c2-0000-7000-8000-000000000001";

    #[test]
    fn names_round_trip_and_nothing_else_parses() {
        for name in [
            format!("{ID}.normal.g1.json"),
            format!("{ID}.high.g12.n1795161219.json"),
        ] {
            assert_eq!(QueuedName::parse(&name).unwrap().to_string(), name);
            assert!(ClaimName::parse(&name).is_none(), "{name}");
        }
        for name in [
            format!("{ID}.low.g3.gpu-box_1-00112233445566ff.json"),
            format!("{ID}.low.g3.gpubox-00112233445566ff.rffeeddccbbaa9988.json"),
        ] {
            assert_eq!(ClaimName::parse(&name).unwrap().to_string(), name);
            assert!(QueuedName::parse(&name).is_none(), "{name}");
        }
        for bad in [
            format!("{ID}.normal.g01.json"),
            format!("{ID}.normal.g0.json"),
            format!("{ID}.normal.g1.n-5.json"),
            format!("{ID}.urgent.g1.json"),
            format!("{ID}.json"),
            format!("{ID}.normal.g1.x.json"),
            format!("{ID}.normal.g1.json.json"),
        ] {
            assert!(
                QueuedName::parse(&bad).is_none() && ClaimName::parse(&bad).is_none(),
                "{bad}"
            );
        }
    }

    #[test]
    fn control_names_round_trip_and_nothing_else_parses() {
        let nonce = "00112233445566ff";
        for middle in [
            "cancel",
            "cancel.gpubox",
            "ack.alice",
            "grant.gpu-box_1",
            "release.gpubox",
        ] {
            let name = format!("{ID}.{middle}.{nonce}.json");
            assert_eq!(ControlName::parse(&name).unwrap().to_string(), name);
        }
        for middle in [
            "ack",
            "grant",
            "release",
            "lend.gpubox",
            "grant.a.b",
            "cancel.",
        ] {
            let name = format!("{ID}.{middle}.{nonce}.json");
            assert!(ControlName::parse(&name).is_none(), "{name}");
        }
    }

    #[test]
    fn a_lease_keeps_the_name_of_the_claim_that_its_owner_made() {
        let own = format!("{ID}.low.g3.gpubox-00112233445566ff");
        let claim = ClaimName::parse_stem(&own).unwrap();
        let taken = claim.taken_by(Nonce::from_bits(7));
        assert_eq!(taken.lease(), format!("{own}.lease"));
        assert_eq!(ClaimName::of_lease(&claim.lease()), Some(claim.clone()));
        assert_eq!(
            ClaimName::of_lease(&format!("{}.lease", taken.stem())),
            None
        );
        assert_eq!(ClaimName::of_marker(&claim.marker()), Some(claim));
    }

    #[test]
    fn the_longest_name_fits_the_shortest_limit() {
        let claim = ClaimName {
            id: TaskId::parse(ID).unwrap(),
            priority: Priority::Normal,
            generation: 999,
            node: NodeName::parse(&"n".repeat(32)).unwrap(),
            nonce: Nonce::from_bits(1),
            taken: Some(Nonce::from_bits(2)),
        };
        assert!(claim.result().len() + ".late".len() <= limits::NAME_BYTES_MAX);
    }
}
