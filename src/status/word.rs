//! Tasks of pools that wait for a word of their sender's watcher, where nobody is there to give it.
//!
//! A task that is not idempotent starts in a pool only with a grant of the node that sent it. Without its watcher such
//! a task waits until it expires, and nothing else is wrong.

use super::Liveness;
use super::NodeView;
use super::Scene;
use super::Wrong;
use super::local;
use super::task;
use crate::entry;
use crate::flow::collect::Whereabouts;
use crate::id::TaskId;
use crate::place::Lane;
use crate::place::Place;
use crate::stage::Stage;
use crate::units;

/// Tasks of one lane that are opened to see whether they may be started only once.
const READ_MAX: usize = 16;

/// Looks at the lanes of pools that this node asks or serves.
pub(super) fn look(scene: &Scene, nodes: &[NodeView], wrong: &mut Vec<Wrong>) {
    let lanes = scene.lanes();
    let pooled = lanes
        .iter()
        .filter(|lane| lane.pool().is_some() && scene.is_own(lane));
    for lane in pooled {
        let Some(silence) = silence(scene, nodes, lane) else {
            continue;
        };
        let waits = waiting(scene, lane);
        if waits > 0 {
            let tasks = units::count(waits, "task");
            let verb = if waits == 1 { "needs" } else { "need" };
            let text = format!(
                "{tasks} that may be started only once {verb} the word of {}'s watcher to start, and {silence}",
                lane.from
            );
            wrong.push(Wrong::new("needs_watcher", lane, text));
        }
    }
}

/// Why the sender of a lane lets nothing start, if so.
fn silence(scene: &Scene, nodes: &[NodeView], lane: &Lane) -> Option<String> {
    if lane.from == scene.node {
        let why = "it does not run: 'dispatch-watch' here";
        return (!local::is_served(&scene.state)).then(|| why.to_owned());
    }
    let view = nodes.iter().find(|view| view.name == lane.from)?;
    match (view.liveness, view.heard_s) {
        (Liveness::Silent, Some(ago)) => Some(format!(
            "it is silent, last heard {}",
            super::node::since(ago)
        )),
        (Liveness::Silent, None) => Some("it is silent".to_owned()),
        (Liveness::Never, _) => Some("it has never been heard of".to_owned()),
        _ => None,
    }
}

/// How many tasks were never started and may be started only once, as far as they can be proved.
fn waiting(scene: &Scene, lane: &Lane) -> usize {
    let list = |stage| {
        let place = Place::Stage(lane.clone(), stage);
        scene.sender.transport.list(&place).unwrap_or_default()
    };
    let (inbox, held) = (list(Stage::Inbox), list(Stage::Processing));
    let started = |id: TaskId| {
        held.iter().any(|entry| {
            let is_marker = entry.name.ends_with(".start");
            is_marker && entry::task_of(&entry.name) == Some(id)
        })
    };
    let of = |stage, name: &str| Some((stage, entry::task_of(name)?));
    let queued = inbox
        .iter()
        .filter_map(|entry| of(Stage::Inbox, &entry.name));
    let claims = held
        .iter()
        .filter(|entry| entry::ClaimName::parse(&entry.name).is_some())
        .filter_map(|entry| of(Stage::Processing, &entry.name));
    let once = |(stage, id): &(Stage, TaskId)| {
        let found = task::file(&scene.sender, lane, *id, &Whereabouts::Open(*stage, None));
        let sealed = found.ok().flatten().and_then(|sealed| sealed.read.ok());
        sealed.is_some_and(|(task, _)| !task.idempotent)
    };
    queued
        .chain(claims)
        .filter(|(_, id)| !started(*id))
        .take(READ_MAX)
        .filter(once)
        .count()
}
