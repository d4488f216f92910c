//! The configuration of one node: every setting, every default, and where each value came from.
//!
//! Values come from flags, the environment, one TOML file and the defaults below, in this order of strength. The
//! environment and the flags are handed in by `cli`; this module reads one file and writes none. What a task may do is
//! policy and comes from the file alone. `docs/CONFIG.md` is the reference, checked against [`schema`].

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

use crate::destination::Destination;
use crate::id::CapabilityName;
use crate::id::DestinationName;
use crate::id::NodeName;
use crate::id::ProfileName;
use crate::limits;
use crate::outcome::words;
use crate::pace::Rhythm;
use crate::policy::Approver;
use crate::policy::PeerPolicy;
use crate::policy::Receiver;
use crate::policy::Retry;
use crate::profile::Profile;

mod check;
pub mod env;
mod error;
mod file;
mod load;
mod manual;
mod nearest;
mod notify;
mod origin;
mod overlay;
mod profiles;
mod read;
#[cfg(test)]
mod refusals;
mod render;
mod safety;
pub mod schema;
mod tables;
mod template;
#[cfg(test)]
mod tests;

pub use error::Error;
pub use error::Problem;
pub use load::Flags;
pub use load::Sources;
pub use load::load;
pub use load::user_file;
pub use manual::manual;
pub use nearest::nearest;
pub use origin::Origin;
pub use origin::Origins;
pub use render::Row;
pub use render::render;
pub use safety::Finding;
pub use safety::inspect;
pub use template::Answers;
pub use template::template;

words! {
    /// What a watcher does with running attempts when it is told to end.
    OnShutdown {
        /// They go on; the next watcher adopts them.
        Leave = "leave",
        /// They are waited for, as long as `stop_within` allows; what is left then goes on.
        Finish = "finish",
        /// They are ended, and their outcome says so.
        Stop = "stop",
    }
}

/// How attempts are started.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Executor {
    /// The watcher starts the executor as its own child process.
    #[default]
    Spawn,
    /// Another unit, often of another user, starts it for whoever connects to this socket.
    Socket(PathBuf),
}

/// Settings of the watcher.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watch {
    /// What becomes of running attempts at its end.
    pub on_shutdown: OnShutdown,
    /// How long its end may take for their sake.
    pub stop_within: Duration,
    /// How attempts are started.
    pub executor: Executor,
    /// The executor program; `None`: the `dispatch-exec` beside this program.
    pub exec_bin: Option<PathBuf>,
    /// Where run directories lie; `None` only while `state` is not known.
    pub runs: Option<PathBuf>,
    /// How long the segments of this node's audit log are kept; for ever, where `None`.
    pub keep_log: Option<Duration>,
}

impl Default for Watch {
    fn default() -> Self {
        Self {
            on_shutdown: OnShutdown::Leave,
            stop_within: Duration::from_secs(60),
            executor: Executor::Spawn,
            exec_bin: None,
            runs: None,
            keep_log: None,
        }
    }
}

/// Settings of the folders on the share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Share {
    /// The group that both hosts share; `None`: that of the root.
    pub group: Option<String>,
    /// Free space below which nothing new is claimed, in bytes.
    pub free_bytes_min: u64,
    /// How long what runs may go on while the share is lost; to its own bounds where `None`.
    pub lost_max: Option<Duration>,
    /// How long outcomes are kept; for ever, where `None`.
    pub keep: Option<Duration>,
    /// How many bytes of outcomes of earlier days are kept in each lane; any number, where `None`.
    pub keep_bytes: Option<u64>,
}

impl Default for Share {
    fn default() -> Self {
        Self {
            group: None,
            free_bytes_min: limits::FREE_BYTES_MIN,
            lost_max: None,
            keep: None,
            keep_bytes: None,
        }
    }
}

/// The configuration of one node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The file that was read, if there was one.
    pub file: Option<PathBuf>,
    /// The name of this node.
    pub node: Option<NodeName>,
    /// The shared folder.
    pub root: Option<PathBuf>,
    /// Identity of the root; another one is refused. `None`: the first one seen is taken.
    pub root_id: Option<uuid::Uuid>,
    /// Local state: journal, spool, audit.
    pub state: Option<PathBuf>,
    /// Where the watcher notes its last start.
    pub state_file: Option<PathBuf>,
    /// Folders in which keys are looked for, first match wins.
    pub keys: Vec<PathBuf>,
    /// Time between two looks at the share while there is work.
    pub poll: Duration,
    /// Longest time between two looks when there has been none for some seconds.
    pub poll_idle: Duration,
    /// Longest time between two looks when there has been none for ten minutes.
    pub poll_rest: Duration,
    /// Attempts at once.
    pub slots: u32,
    /// What this node can do, as told to its peers.
    pub capabilities: Vec<CapabilityName>,
    /// Whose node it is, as told to its peers.
    pub owner: Option<NodeName>,
    /// Settings of the watcher.
    pub watch: Watch,
    /// Settings of the share.
    pub share: Share,
    /// How what failed is tried again.
    pub retry: Retry,
    /// Every node this one knows, with what it may ask.
    pub peers: BTreeMap<NodeName, PeerPolicy>,
    /// Every pool this node serves or sends to, with its members.
    pub pools: BTreeMap<NodeName, BTreeSet<NodeName>>,
    /// Everybody who may approve, and for whom.
    pub approvers: BTreeMap<NodeName, Approver>,
    /// How tasks are run.
    pub profiles: BTreeMap<ProfileName, Profile>,
    /// Where notifications go.
    pub notify: BTreeMap<DestinationName, Destination>,
    /// Where each value came from.
    pub origins: Origins,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            file: None,
            node: None,
            root: None,
            root_id: None,
            state: None,
            state_file: None,
            keys: Vec::new(),
            poll: Duration::from_millis(500),
            poll_idle: Duration::from_secs(5),
            poll_rest: Duration::from_secs(15),
            slots: 2,
            capabilities: Vec::new(),
            owner: None,
            watch: Watch::default(),
            share: Share::default(),
            retry: Retry::default(),
            peers: BTreeMap::new(),
            pools: BTreeMap::new(),
            approvers: BTreeMap::new(),
            profiles: BTreeMap::new(),
            notify: BTreeMap::new(),
            origins: Origins::default(),
        }
    }
}

impl Config {
    /// Returns the name of this node.
    ///
    /// # Errors
    /// [`Error::Missing`]
    pub fn node(&self) -> Result<&NodeName, Error> {
        self.node.as_ref().ok_or(Error::Missing { key: "node" })
    }

    /// Returns the shared folder.
    ///
    /// # Errors
    /// [`Error::Missing`]
    pub fn root(&self) -> Result<&Path, Error> {
        self.root.as_deref().ok_or(Error::Missing { key: "root" })
    }

    /// Returns the folder of local state.
    ///
    /// # Errors
    /// [`Error::Missing`]
    pub fn state(&self) -> Result<&Path, Error> {
        self.state.as_deref().ok_or(Error::Missing { key: "state" })
    }

    /// Returns the folder of run directories.
    ///
    /// # Errors
    /// [`Error::Missing`]
    pub fn runs(&self) -> Result<&Path, Error> {
        self.watch
            .runs
            .as_deref()
            .ok_or(Error::Missing { key: "state" })
    }

    /// Returns the file in which the watcher notes its last start.
    ///
    /// # Errors
    /// [`Error::Missing`]
    pub fn state_file(&self) -> Result<&Path, Error> {
        self.state_file
            .as_deref()
            .ok_or(Error::Missing { key: "state" })
    }

    /// Returns the pauses between two looks at the share.
    #[must_use]
    pub const fn rhythm(&self) -> Rhythm {
        Rhythm {
            busy: self.poll,
            idle: self.poll_idle,
            rest: self.poll_rest,
        }
    }

    /// Returns every known peer, sorted. Two nodes may share one file, so this node's own name may stand in it.
    pub fn known_peers(&self) -> impl Iterator<Item = &NodeName> {
        let me = self.node.as_ref();
        self.peers.keys().filter(move |name| Some(*name) != me)
    }

    /// Returns every other node that this one knows of: its peers, and the members of the pools it serves or asks.
    #[must_use]
    pub fn known_nodes(&self) -> Vec<NodeName> {
        let members = self.pools.values().flatten();
        let all: BTreeSet<&NodeName> = self.known_peers().chain(members).collect();
        let others = all
            .into_iter()
            .filter(|name| Some(*name) != self.node.as_ref());
        others.cloned().collect()
    }

    /// Returns the policy of a peer. A name that is not known is an error, never a new lane.
    ///
    /// # Errors
    /// [`Error::UnknownPeer`] with the known ones and the nearest.
    pub fn peer(&self, name: &NodeName) -> Result<&PeerPolicy, Error> {
        let known = || self.known_peers().map(NodeName::as_str);
        match self.peers.get(name) {
            Some(peer) if self.node.as_ref() != Some(name) => Ok(peer),
            _ => Err(Error::UnknownPeer {
                name: name.clone(),
                nearest: nearest(name.as_str(), known())
                    .and_then(|near| NodeName::parse(near).ok()),
                known: self.known_peers().cloned().collect(),
            }),
        }
    }

    /// Returns the receiving side that [`crate::policy::judge`] takes.
    ///
    /// # Errors
    /// [`Error::Missing`] where this node has no name.
    pub fn receiver(&self) -> Result<Receiver<'_>, Error> {
        Ok(Receiver {
            node: self.node()?,
            peers: &self.peers,
            profiles: &self.profiles,
        })
    }

    /// Returns the approvers who may decide about a task of `peer`.
    pub fn approvers_of(
        &self,
        peer: &NodeName,
        dangerous: bool,
    ) -> impl Iterator<Item = &NodeName> {
        self.approvers
            .iter()
            .filter(move |(_, approver)| approver.may_approve(peer, dangerous))
            .map(|(name, _)| name)
    }
}
