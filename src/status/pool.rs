//! Pools: who would run a task now, and which member holds what.
//!
//! A claim is a name in a listing, so anybody could have made it; its age is by the server's stamp of its lease. Only
//! what members seal in their heartbeats is told as theirs.

use std::collections::BTreeSet;

use serde::Serialize;

use super::Liveness;
use super::NodeView;
use super::Scene;
use super::Wrong;
use super::node;
use super::why;
use crate::clock::Timestamp;
use crate::document::NodeState;
use crate::entry::ClaimName;
use crate::entry::QueuedName;
use crate::flow::Asked;
use crate::id::NodeName;
use crate::id::ProfileName;
use crate::id::TaskId;
use crate::place::Lane;
use crate::place::Place;
use crate::stage::Stage;
use crate::units;

/// Claims that are told of one lane.
const CLAIMS_MAX: usize = 256;
/// A heartbeat names at most this many profiles and words.
const NAMED_MAX: usize = 16;

/// A member of a pool, as this node sees it.
#[derive(Debug, Clone, Serialize)]
pub struct MemberView {
    /// The node.
    pub node: NodeName,
    /// Whether it is there; `None` where this node is not told.
    pub liveness: Option<Liveness>,
    /// How many more tasks it could run now, as it says.
    pub free: Option<u64>,
}

/// A claim on a task of a pool.
#[derive(Debug, Clone, Serialize)]
pub struct ClaimView {
    /// The task.
    pub id: TaskId,
    /// The lane.
    pub lane: String,
    /// Whose name it bears.
    pub member: NodeName,
    /// Whether another took it over.
    pub taken: bool,
    /// Where it lies.
    pub stage: &'static str,
    /// Whether it was started, or was about to be.
    pub started: bool,
    /// How long ago its lease last changed, in seconds.
    pub beaten_s: Option<u64>,
}

/// A pool.
#[derive(Debug, Clone, Serialize)]
pub struct PoolView {
    /// Its name.
    pub pool: NodeName,
    /// Its members.
    pub members: Vec<MemberView>,
    /// Tasks that wait in the inboxes of its lanes that this node sees.
    pub queued: usize,
    /// The claims in them.
    pub claims: Vec<ClaimView>,
}

/// What becomes of a task that is sent to a pool now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outlook {
    /// A member may take it.
    Good,
    /// No member is alive.
    Nobody(String),
    /// Members are alive, and none of them starts anything now.
    Stopped(String),
    /// None of those that are offers this profile; these are offered.
    NoProfile(BTreeSet<ProfileName>),
}

/// Looks at every pool that this node serves or asks.
pub(super) fn look(
    scene: &Scene,
    nodes: &[NodeView],
    now: Timestamp,
    wrong: &mut Vec<Wrong>,
) -> Vec<PoolView> {
    let mut views = Vec::new();
    for (pool, members) in &scene.pools {
        let lanes = scene.lanes();
        let mine = lanes
            .iter()
            .filter(|lane| lane.pool().as_ref() == Some(pool));
        let mut view = PoolView {
            pool: pool.clone(),
            members: members
                .iter()
                .map(|name| member(scene, name, nodes))
                .collect(),
            queued: 0,
            claims: Vec::new(),
        };
        for lane in mine {
            // What cannot be read is told with the lane.
            view.queued += queued(scene, lane);
            view.claims.extend(claims(scene, lane, now));
        }
        let is_away = |member: &MemberView| {
            matches!(member.liveness, Some(Liveness::Silent | Liveness::Never))
        };
        if view.queued > 0 && view.members.iter().all(is_away) {
            let about = crate::id::Party::of_pool(pool);
            let tasks = units::count(view.queued, "task");
            let verb = if view.queued == 1 { "waits" } else { "wait" };
            let text = format!("{tasks} {verb} in its inbox, and no member is alive");
            wrong.push(Wrong::new("unserved", about, text));
        }
        views.push(view);
    }
    for asked in scene.asked() {
        let members = nodes
            .iter()
            .filter(|view| asked.members.contains(&view.name) && view.liveness == Liveness::Alive);
        if let Some(why) = stopped(scene, &asked.lane, &members.collect::<Vec<_>>()) {
            wrong.push(Wrong::new("halted", &asked.lane.to, why));
        }
        for view in nodes
            .iter()
            .filter(|view| asked.members.contains(&view.name))
        {
            if let Some(why) = disagreement(&asked, view) {
                let about = crate::id::Party::of_pool(&asked.pool);
                wrong.push(Wrong::new("pool_members", about, why));
            }
        }
    }
    views
}

fn member(scene: &Scene, name: &NodeName, nodes: &[NodeView]) -> MemberView {
    let view = nodes.iter().find(|view| view.name == *name);
    let own = *name == scene.node;
    MemberView {
        node: name.clone(),
        liveness: view
            .map(|view| view.liveness)
            .filter(|liveness| own || *liveness != Liveness::NoKey),
        free: view.and_then(free),
    }
}

/// How many more tasks a member could run now, as it says.
pub(super) fn free(view: &NodeView) -> Option<u64> {
    let ready = matches!(view.state, Some(NodeState::Ready | NodeState::Busy));
    let slots = u64::from(view.slots?);
    let used = view.running?.saturating_add(view.queued?);
    (view.liveness == Liveness::Alive).then(|| if ready { slots.saturating_sub(used) } else { 0 })
}

/// What a member that is alive says otherwise than this node's configuration.
fn disagreement(asked: &Asked, view: &NodeView) -> Option<String> {
    if view.liveness != Liveness::Alive || view.extensions.len() >= NAMED_MAX {
        return None;
    }
    let (name, _) = asked.mark.split_once('=')?;
    let beginning = format!("{name}=");
    let said = view
        .extensions
        .iter()
        .find(|word| word.starts_with(&beginning));
    match said {
        None => Some(format!(
            "{} does not serve it, by its own configuration",
            view.name
        )),
        Some(said) if *said != asked.mark => {
            Some(format!("{} has another list of its members", view.name))
        }
        Some(_) => None,
    }
}

fn queued(scene: &Scene, lane: &Lane) -> usize {
    let inbox = Place::Stage(lane.clone(), Stage::Inbox);
    let listing = scene.sender.transport.list(&inbox).unwrap_or_default();
    let tasks = listing
        .iter()
        .filter(|entry| QueuedName::parse(&entry.name).is_some());
    tasks.count()
}

/// The claims in a lane, oldest task first.
pub(super) fn claims(scene: &Scene, lane: &Lane, now: Timestamp) -> Vec<ClaimView> {
    let transport = &*scene.sender.transport;
    let processing = Place::Stage(lane.clone(), Stage::Processing);
    let held = transport.list(&processing).unwrap_or_default();
    let parked = Place::Stage(lane.clone(), Stage::PendingAck);
    let parked = transport.list(&parked).unwrap_or_default();
    let is_there = |name: &str| held.iter().any(|entry| entry.name == name);
    let stages = [(Stage::Processing, &held), (Stage::PendingAck, &parked)];
    let mut found = Vec::new();
    for (stage, listing) in stages {
        let claims = listing
            .iter()
            .filter_map(|entry| ClaimName::parse(&entry.name));
        for claim in claims.take(CLAIMS_MAX) {
            let beaten = transport.attributes(&processing, &claim.lease()).ok();
            found.push(ClaimView {
                id: claim.id,
                lane: lane.to_string(),
                member: claim.node.clone(),
                taken: claim.taken.is_some(),
                stage: stage.as_str(),
                started: is_there(&claim.untaken().marker()),
                beaten_s: beaten.map(|seen| now.since(seen.changed).as_secs()),
            });
        }
    }
    found.sort_by_key(|claim| claim.id.age_key());
    found
}

/// Asks who would take a task that is sent to a pool now.
#[must_use]
pub fn outlook(scene: &Scene, asked: &Asked, profile: Option<&ProfileName>) -> Outlook {
    let now = scene.sender.transport.server_time(&asked.lane);
    let now = now.unwrap_or_else(|_| scene.sender.clock.wall());
    let views = node::some(scene, asked.members.iter(), now);
    let alive: Vec<&NodeView> = views.iter().filter(|view| is_there(view)).collect();
    if alive.is_empty() {
        let told: Vec<String> = views.iter().map(told).collect();
        return Outlook::Nobody(told.join(", "));
    }
    let takes = |view: &&NodeView| match profile {
        // A heartbeat that is full may not name them all.
        Some(_) if view.profiles.len() >= NAMED_MAX => true,
        Some(name) => view.profiles.contains(name),
        None => !view.profiles.is_empty(),
    };
    if alive.iter().any(takes) {
        let why = stopped(scene, &asked.lane, &alive);
        return why.map_or(Outlook::Good, Outlook::Stopped);
    }
    let offered = alive.iter().flat_map(|view| view.profiles.iter().cloned());
    Outlook::NoProfile(offered.collect())
}

/// Why none of the members that are alive starts anything of a lane now, if that is so.
pub(super) fn stopped(scene: &Scene, lane: &Lane, alive: &[&NodeView]) -> Option<String> {
    let why = |view: &&NodeView| {
        let beat = node::read(scene, &view.name, &scene.node);
        why::hindrance(scene, lane, &view.name, &beat).map(|because| because.text)
    };
    let all: Option<BTreeSet<String>> = alive.iter().map(why).collect();
    let all: Vec<String> = all?.into_iter().collect();
    (!all.is_empty()).then(|| all.join("; "))
}

fn is_there(view: &NodeView) -> bool {
    // One whose heartbeat cannot be read just now may well be there.
    matches!(view.liveness, Liveness::Alive | Liveness::Unreadable)
}

/// Why a member counts as away.
pub(super) fn told(view: &NodeView) -> String {
    let name = &view.name;
    match (view.liveness, view.heard_s) {
        (Liveness::Silent, Some(ago)) => {
            format!("{name} is silent, last heard {}", node::since(ago))
        }
        (Liveness::NoKey, _) => format!("there is no key for {name}"),
        (Liveness::Never, _) => format!("{name} has never been heard of"),
        (liveness, _) => format!("{name} is {liveness}"),
    }
}
