//! The killswitch: whether anything may start now, and whether what runs must end.
//!
//! It is a directory entry, because anybody who can see the share can make one: any entry of the root whose name
//! starts with `KILLSWITCH`, in any case, of any type. Only its presence in a fresh listing counts; its content can
//! make it stricter (first word `kill`) and never weaker. Whatever cannot be listed or read stops starts: an
//! unmounted share looks like an empty folder, so a root without its identity file is no answer either. The same
//! entries in the local state directory work when the share does not. This module never decides that starting is
//! safe, only that it is not.

mod name;
mod switch;

use std::fmt;
use std::io::Read;
use std::path::Path;
use std::path::PathBuf;

pub use name::HaltName;
pub use name::Scope;
pub use switch::Lifted;
pub use switch::engage;
pub use switch::engage_local;
pub use switch::lift;
pub use switch::lift_local;

use crate::disk;
use crate::escape;
use crate::id::NodeName;
use crate::limits;
use crate::place::Lane;
use crate::place::Place;
use crate::share::EntryKind;
use crate::share::Listed;
use crate::share::Share;
use crate::share::ShareError;

/// The file that says that a root is a share of ours; without it the listing is of something else.
pub const IDENTITY: &str = "dispatch.json";
/// Most killswitches whose content is read in one look.
const READ_MAX: usize = 64;

/// Where a halt comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// An entry of the root of the share.
    Share,
    /// An entry of this node's state directory.
    Local,
    /// The root or the state directory could not be read, or is not what it should be.
    Unknown,
}

/// One reason not to start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Halt {
    /// Where it comes from.
    pub origin: Origin,
    /// The entry, or what was looked at, escaped.
    pub entry: String,
    /// The name by which it can be removed, exactly as listed; `None` where it has none that is text.
    pub name: Option<String>,
    /// What it stops.
    pub scope: Scope,
    /// Whether it also ends what runs.
    pub kill: bool,
    /// What its maker wrote, or what failed; escaped, short.
    pub reason: String,
}

impl fmt::Display for Halt {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}", self.entry, self.reason)
    }
}

/// What one look saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    node: NodeName,
    halts: Vec<Halt>,
}

impl State {
    /// Returns every halt, also those of other nodes.
    #[must_use]
    pub fn halts(&self) -> &[Halt] {
        &self.halts
    }

    /// Returns the halt that stops everything this node starts, if there is one.
    #[must_use]
    pub fn stops_node(&self) -> Option<&Halt> {
        self.halts.iter().find(|halt| self.is_mine(halt))
    }

    /// Returns the halt that stops a start from this lane, if there is one.
    #[must_use]
    pub fn stops(&self, lane: &Lane) -> Option<&Halt> {
        self.halts.iter().find(|halt| self.reaches(halt, lane))
    }

    /// Returns the halt that ends what runs from this lane, if there is one.
    #[must_use]
    pub fn kills(&self, lane: &Lane) -> Option<&Halt> {
        let mut kills = self.halts.iter().filter(|halt| halt.kill);
        kills.find(|halt| self.reaches(halt, lane))
    }

    fn is_mine(&self, halt: &Halt) -> bool {
        match &halt.scope {
            Scope::Everything => true,
            Scope::Node(node) => *node == self.node,
            Scope::Lane(_) => false,
        }
    }

    fn reaches(&self, halt: &Halt, lane: &Lane) -> bool {
        self.is_mine(halt) || halt.scope == Scope::Lane(lane.clone())
    }
}

/// Looks for killswitches on behalf of one node.
#[derive(Debug, Clone)]
pub struct Killswitch {
    node: NodeName,
    nodes: Vec<NodeName>,
    lanes: Vec<Lane>,
    state_dir: PathBuf,
}

impl Killswitch {
    /// Takes what the configuration knows: this node, every node and every lane it names, and the state directory. A
    /// killswitch that names anything else stops everything.
    #[must_use]
    pub fn new(
        node: NodeName,
        mut nodes: Vec<NodeName>,
        lanes: Vec<Lane>,
        state_dir: &Path,
    ) -> Self {
        nodes.push(node.clone());
        Self {
            node,
            nodes,
            lanes,
            state_dir: state_dir.to_owned(),
        }
    }

    /// Lists the root and the state directory afresh and reads what is there.
    #[must_use]
    pub fn look(&self, share: &dyn Share) -> State {
        let listed = share.list(&Place::Root);
        self.judge(listed.as_deref(), &|name| {
            share.peek(&Place::Root, name, limits::KILLSWITCH_BYTES_MAX)
        })
    }

    /// Looks at the state directory alone; for a node whose share does not answer at all.
    #[must_use]
    pub fn look_local(&self) -> State {
        State {
            node: self.node.clone(),
            halts: self.local(),
        }
    }

    /// Judges a fresh listing of the root, or the failure to get one; `peek` reads the beginning of an entry.
    #[must_use]
    pub fn judge(
        &self,
        listed: Result<&[Listed], &ShareError>,
        peek: &dyn Fn(&str) -> Result<Vec<u8>, ShareError>,
    ) -> State {
        let mut halts = self.local();
        match listed {
            Err(error) => halts.push(unknown("the root", &error.to_string())),
            Ok(entries) => {
                if !entries.iter().any(|entry| entry.name == IDENTITY) {
                    halts.push(unknown("the root", "holds no dispatch.json: not mounted?"));
                }
                let switches = entries.iter().filter(|entry| name::is_switch(&entry.name));
                for (count, entry) in switches.enumerate() {
                    let text = match entry.kind {
                        _ if count >= READ_MAX || entry.raw.is_some() => Err("unread".to_owned()),
                        EntryKind::Dir => Err("a directory".to_owned()),
                        EntryKind::Odd => Err("not a regular file".to_owned()),
                        EntryKind::File => peek(&entry.name).map_err(|error| error.to_string()),
                    };
                    let mut halt = self.halt(Origin::Share, &entry.name, text);
                    halt.name = halt.name.filter(|_| entry.raw.is_none());
                    halts.push(halt);
                }
            }
        }
        let node = self.node.clone();
        State { node, halts }
    }

    fn local(&self) -> Vec<Halt> {
        let names = match disk::list(&self.state_dir) {
            Ok(names) => names,
            Err(error) => return vec![unknown("the state directory", &error.to_string())],
        };
        let switches = names
            .iter()
            .filter(|name| name::is_switch(name))
            .take(READ_MAX);
        let halt = |name: &String| {
            let text = peek_local(&self.state_dir.join(name));
            self.halt(Origin::Local, name, text)
        };
        switches.map(halt).collect()
    }

    fn halt(&self, origin: Origin, entry: &str, text: Result<Vec<u8>, String>) -> Halt {
        let (kill, reason) = match &text {
            Ok(bytes) => name::content(bytes),
            // What cannot be read stops starts; only a word that was read ends what runs.
            Err(why) => (
                false,
                escape::excerpt(why, 2 * limits::KILLSWITCH_BYTES_MAX),
            ),
        };
        Halt {
            origin,
            entry: escape::excerpt(entry, limits::NAME_BYTES_MAX),
            name: Some(entry.to_owned()),
            scope: name::scope(entry, &self.nodes, &self.lanes),
            kill,
            reason,
        }
    }
}

fn unknown(what: &str, why: &str) -> Halt {
    Halt {
        origin: Origin::Unknown,
        entry: what.to_owned(),
        name: None,
        scope: Scope::Everything,
        kill: false,
        reason: escape::excerpt(why, limits::SUMMARY_LETTERS_MAX),
    }
}

fn peek_local(path: &Path) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let file = disk::open(path).map_err(|error| error.to_string())?;
    match file
        .take(limits::KILLSWITCH_BYTES_MAX as u64)
        .read_to_end(&mut bytes)
    {
        Ok(_) => Ok(bytes),
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(test)]
mod tests;
