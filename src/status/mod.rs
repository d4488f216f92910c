//! Views: what one host can say about nodes, lanes and tasks. They look; they change nothing but their own memory of
//! when a heartbeat last advanced.
//!
//! | file | question |
//! |---|---|
//! | [`figures`] | how long things take, how they end, what they cost |
//! | `ground` | is the share there, ours, with room, not halted |
//! | [`node`] | who is alive, and what does it say of itself |
//! | [`lane`] | how much lies where |
//! | [`pool`] | who would run a task of a pool now, and who holds what |
//! | [`local`] | what does this node's own journal say |
//! | [`why`] | why is this task where it is |
//! | [`task`] | what was asked, as it was sealed |
//! | `word` | who must let tasks of a pool start, and is not there |
//! | [`record`] | which outcome of a task was seen first |
//!
//! Whatever a stranger could have written is verified or counted, never shown as it is. A share that does not answer
//! makes a report shorter, never wrong.

pub mod dependents;
pub mod figures;
mod ground;
mod heard;
pub mod lane;
pub mod local;
pub mod node;
pub mod pool;
pub mod record;
pub mod task;
pub mod why;
mod word;

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Serialize;

pub use ground::Ground;
pub use lane::LaneView;
pub use local::LocalView;
pub use node::Liveness;
pub use node::NodeView;
pub use pool::PoolView;

use crate::clock::Timestamp;
use crate::flow::Asked;
use crate::flow::Pools;
use crate::flow::lanes;
use crate::flow::send::Sender;
use crate::id::NodeName;
use crate::id::Party;
use crate::id::ProfileName;
use crate::id::TaskId;
use crate::killswitch::Killswitch;
use crate::place::Lane;
use crate::policy::Approver;
use crate::policy::PeerPolicy;
use crate::profile::Profile;

/// Version of the report as `--json` shows it.
const VERSION: u32 = 1;

/// What a view is made from: this node's configuration, its keys, the share.
pub struct Scene {
    /// This node.
    pub node: NodeName,
    /// The nodes it knows, with what they may ask, without itself.
    pub peers: BTreeMap<NodeName, PeerPolicy>,
    /// Pools that it serves or asks, with their members.
    pub pools: Pools,
    /// Who may approve here.
    pub approvers: BTreeMap<NodeName, Approver>,
    /// How tasks are run here.
    pub profiles: BTreeMap<ProfileName, Profile>,
    /// Attempts at once here.
    pub slots: u32,
    /// Free bytes on the share below which nothing is claimed.
    pub free_bytes_min: u64,
    /// Identity of the share; any where `None`.
    pub root_id: Option<String>,
    /// The share, the time, the keys.
    pub sender: Sender,
    /// Who stops it.
    pub killswitch: Killswitch,
    /// State directory of this node.
    pub state: PathBuf,
    /// Run directories of this node.
    pub runs: PathBuf,
    /// This boot of this host.
    pub boot_id: String,
}

impl Scene {
    /// Returns this node and its peers.
    pub fn nodes(&self) -> impl Iterator<Item = &NodeName> {
        std::iter::once(&self.node).chain(self.peers.keys())
    }

    /// Returns every lane between two known nodes, those of this node first.
    #[must_use]
    pub fn lanes(&self) -> Vec<Lane> {
        let mut lanes: Vec<Lane> = self
            .nodes()
            .flat_map(|from| self.nodes().map(move |to| (from, to)))
            .filter(|(from, to)| from != to)
            .map(|(from, to)| Lane::new(from.clone(), Party::from(to)))
            .collect();
        lanes.extend(
            lanes::served(&self.node, &self.peers, &self.pools)
                .into_iter()
                .filter(is_pooled),
        );
        lanes.extend(self.asked().into_iter().map(|asked| asked.lane));
        lanes.sort_by_key(|lane| (!self.is_own(lane), lane.clone()));
        lanes
    }

    /// Returns whether this node sends or serves in a lane.
    #[must_use]
    pub fn is_own(&self, lane: &Lane) -> bool {
        lane.from == self.node || self.serves(lane)
    }

    /// Returns whether this node serves a lane, alone or with others.
    #[must_use]
    pub fn serves(&self, lane: &Lane) -> bool {
        match lane.pool() {
            None => lane.to == Party::from(&self.node),
            Some(pool) => {
                let members = self.pools.get(&pool);
                members.is_some_and(|members| members.contains(&self.node))
            }
        }
    }

    /// Returns the pools that this node asks.
    #[must_use]
    pub fn asked(&self) -> Vec<Asked> {
        lanes::asked(&self.node, &self.peers, &self.pools)
    }
}

fn is_pooled(lane: &Lane) -> bool {
    lane.pool().is_some()
}

/// A task that runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Running {
    /// The task.
    pub id: TaskId,
    /// Where.
    pub on: NodeName,
    /// Whose it is.
    pub from: Option<NodeName>,
    /// Which start it is, from 1, where that is told by somebody who can be believed.
    pub attempt: Option<u32>,
    /// UTC at the start, likewise.
    pub started: Option<Timestamp>,
    /// Who says so: `journal` and `heartbeat` are proved, `listing` is what lies on the share.
    pub source: &'static str,
}

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Wrong {
    /// A word for programs.
    pub code: &'static str,
    /// The node or lane it is about.
    pub about: String,
    /// One line for a person.
    pub text: String,
}

impl Wrong {
    fn new(code: &'static str, about: impl ToString, text: String) -> Self {
        Self {
            code,
            about: about.to_string(),
            text,
        }
    }
}

/// What one host can see.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Version of this form: 1. It may grow.
    pub version: u32,
    /// The node that looked.
    pub node: NodeName,
    /// When, by its own clock.
    pub at: Timestamp,
    /// The share.
    pub share: Ground,
    /// What its own journal says; `None` where it has none.
    pub local: Option<LocalView>,
    /// Every node that it knows.
    pub nodes: Vec<NodeView>,
    /// Every lane that it can see.
    pub lanes: Vec<LaneView>,
    /// Every pool that it serves or asks.
    pub pools: Vec<PoolView>,
    /// Every task that runs, as far as that is told.
    pub running: Vec<Running>,
    /// What is wrong; empty where all is well.
    pub wrong: Vec<Wrong>,
}

/// Looks at everything once.
#[must_use]
pub fn survey(scene: &Scene) -> Report {
    let mut report = without_share(scene, None);
    report.share = ground::look(scene, &mut report.wrong);
    if !report.share.is_usable() {
        return report;
    }
    report.nodes = node::look(scene, &report.share, &mut report.wrong);
    report.lanes = lane::look(scene, report.share.now(), &mut report.wrong);
    report.pools = pool::look(scene, &report.nodes, report.share.now(), &mut report.wrong);
    word::look(scene, &report.nodes, &mut report.wrong);
    tell_unserved(&mut report);
    report.running = running(scene, &report);
    report
}

/// Looks at the heartbeats of some nodes only, by this host's own clock.
pub fn peers<'a>(scene: &Scene, names: impl Iterator<Item = &'a NodeName>) -> Vec<NodeView> {
    node::some(scene, names, scene.sender.clock.wall())
}

/// Says what can be said without the share: because it does not answer, or not yet.
#[must_use]
pub fn without_share(scene: &Scene, trouble: Option<String>) -> Report {
    let mut wrong = Vec::new();
    let local = local::look(scene, &mut wrong);
    if let Some(trouble) = &trouble {
        wrong.push(Wrong::new("share_lost", "the share", trouble.clone()));
    }
    let mut report = Report {
        version: VERSION,
        node: scene.node.clone(),
        at: scene.sender.clock.wall(),
        share: Ground::unknown(scene.sender.transport.title(), trouble),
        local,
        nodes: Vec::new(),
        lanes: Vec::new(),
        pools: Vec::new(),
        running: Vec::new(),
        wrong,
    };
    report.running = running(scene, &report);
    report
}

/// The journal first, then what nodes seal, then what merely lies there: the first to name a task is believed.
fn running(scene: &Scene, report: &Report) -> Vec<Running> {
    let mut all: BTreeMap<TaskId, Running> = BTreeMap::new();
    let journal = report.local.iter().flat_map(|local| &local.started);
    let sealed = report.nodes.iter().flat_map(|node| &node.tasks);
    // A heartbeat is a moment old: the own journal knows better, and so does a fresh listing.
    let gone = |task: &&Running| {
        let lane = report.lanes.iter().find(|lane| {
            Some(&lane.from) == task.from.as_ref() && lane.to == Party::from(&task.on)
        });
        (task.on == scene.node && report.local.is_some())
            || lane.is_some_and(|lane| !lane.held.contains(&task.id))
    };
    for task in journal.chain(sealed.filter(|task| !gone(task))) {
        all.entry(task.id).or_insert_with(|| task.clone());
    }
    for lane in &report.lanes {
        // The journal and the files move at different moments; the node itself knows better.
        let on = lane.to.node().filter(|on| *on != scene.node);
        for (id, on) in lane.marked.iter().filter_map(|id| Some((*id, on.clone()?))) {
            all.entry(id).or_insert_with(|| Running {
                id,
                on,
                from: Some(lane.from.clone()),
                attempt: None,
                started: None,
                source: "listing",
            });
        }
    }
    all.into_values().collect()
}

/// Work that waits where nobody is.
fn tell_unserved(report: &mut Report) {
    for lane in report.lanes.iter().filter(|lane| lane.queued > 0) {
        let Some(node) = report
            .nodes
            .iter()
            .find(|node| lane.to == Party::from(&node.name))
        else {
            continue;
        };
        let why = match node.liveness {
            Liveness::Never if node.watcher == Some(true) => continue,
            Liveness::Never => format!("{} has never been heard of", node.name),
            Liveness::Silent => format!("{} is silent", node.name),
            Liveness::Alive | Liveness::NoKey | Liveness::Unreadable => continue,
        };
        let tasks = if lane.queued == 1 {
            "task waits"
        } else {
            "tasks wait"
        };
        let text = format!(
            "{} {tasks} in its inbox, and nobody serves it: {why}",
            lane.queued
        );
        report.wrong.push(Wrong::new("unserved", &lane.lane, text));
    }
}
