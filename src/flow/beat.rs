//! Heartbeats: what a node tells each peer about itself, sealed, rewritten in place; and what it learns from its own
//! file.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use super::Error;
use super::Node;
use super::Trouble;
use super::lanes;
use crate::clock::BootTime;
use crate::document::AFTER;
use crate::document::Card;
use crate::document::Context;
use crate::document::Heartbeat;
use crate::document::Kind;
use crate::document::NodeState;
use crate::document::Rules;
use crate::document::RunningTask;
use crate::envelope;
use crate::envelope::Envelope;
use crate::event::Event;
use crate::event::Word;
use crate::id::NodeName;
use crate::id::Nonce;
use crate::id::Party;
use crate::journal::Phase;
use crate::limits;
use crate::place::Place;
use crate::policy::PeerPolicy;

/// Most tasks named in one heartbeat: it has a fixed size.
const TASKS_MAX: usize = 16;

/// The beats of this node.
#[derive(Debug, Default)]
pub(crate) struct Beats {
    seq: u64,
    /// What the numbers that others see begin with: more than any that an earlier life of this node can have told.
    base: u64,
    last: Option<BootTime>,
    /// When the own files were last read.
    watched: Option<BootTime>,
    last_state: Option<String>,
    boot_id: String,
    /// Instances of others that were seen in files of ours, by peer.
    foreign: BTreeMap<NodeName, (Nonce, u64)>,
    /// Peers in whose file such an instance advances.
    twins: BTreeSet<NodeName>,
    is_foreign: bool,
}

impl Beats {
    /// Whether a second node of our name is alive: it beats for every peer, as this one does.
    pub(crate) const fn is_foreign(&self) -> bool {
        self.is_foreign
    }

    /// Whether one seems to serve this peer. A peer can make such beats itself, since it shares the secret: so they
    /// hold up its own tasks, and nobody else's.
    pub(crate) fn is_foreign_to(&self, peer: &NodeName) -> bool {
        self.twins.contains(peer)
    }
}

/// The name of the heartbeat of `node` for `peer`.
#[must_use]
pub fn file(node: &NodeName, peer: &NodeName) -> String {
    format!("{node}.{peer}.json")
}

/// Says which boot this is, as heartbeats carry it.
pub(super) fn set_boot_id(node: &mut Node, boot_id: &str) {
    boot_id.clone_into(&mut node.now.beats.boot_id);
}

/// Beats if it is time: at once when the state changed, else by the pace of work or idleness. Returns whether it was.
pub(super) fn pass(node: &mut Node) -> Result<bool, Error> {
    let now = node.clock.boot();
    let pace = if node.running() + node.waiting() > 0 {
        limits::BEAT_BUSY
    } else {
        limits::BEAT_IDLE
    };
    let state = format!("{:?}", state(node));
    let changed = node.now.beats.last_state.as_ref() != Some(&state);
    // Rounds are as far apart as beats at times: one that is nearly due does not wait for the next round.
    let due = node
        .now
        .beats
        .last
        .is_none_or(|last| now.since(last) >= pace * 3 / 4);
    if !due && !changed {
        return Ok(false);
    }
    let watches = is_watch_due(node, now);
    node.now.beats.last = Some(now);
    node.now.beats.last_state = Some(state);
    if node.now.beats.seq == 0 {
        // No node beats four times a second for as long as it lives.
        let now = u64::try_from(node.clock.wall().unix()).unwrap_or(0);
        node.now.beats.base = now.saturating_mul(4);
    }
    node.now.beats.seq += 1;
    let peers: Vec<NodeName> = node.settings.peers.keys().cloned().collect();
    let (mut failed, mut beaten) = (None, 0);
    for peer in peers {
        let context = Context {
            from: node.party(),
            to: Party::from(&peer),
            kind: Kind::Heartbeat,
        };
        if node.keys.signing(&context, node.clock.wall()).is_none() {
            continue;
        }
        beaten += 1;
        if watches {
            watch_for_twin(node, &peer, &context);
        }
        let card = card(node, &peer);
        let sealed = envelope::seal_beat(&node.keys, &context, node.clock.wall(), &card.body())?;
        let name = file(&node.settings.node, &peer);
        if let Err(error) = node.transport.beat(&Place::Heartbeats, &name, &sealed) {
            failed = Some(error);
        }
    }
    let beats = &mut node.now.beats;
    beats.is_foreign = !beats.twins.is_empty() && beats.twins.len() >= beaten;
    failed.map_or(Ok(true), |error| Err(error.into()))
}

/// Whether this is a beat before which the own files are read: the first ones, since a second node of this name is most
/// often started by mistake beside one that runs, then one a minute.
fn is_watch_due(node: &mut Node, now: BootTime) -> bool {
    const FIRST_ONES: u64 = 8;
    let beats = &mut node.now.beats;
    let watched = beats.watched;
    let is_due = beats.seq < FIRST_ONES
        || watched.is_none_or(|last| now.since(last) >= limits::SLOW_LOOK)
        || !beats.foreign.is_empty();
    if is_due {
        beats.watched = Some(now);
    }
    is_due
}

/// An instance that is not ours and advances in a file of ours is a second node of our name. One that stands still is
/// the trace of an earlier life.
fn watch_for_twin(node: &mut Node, peer: &NodeName, context: &Context) {
    let name = file(&node.settings.node, peer);
    let Ok(bytes) = node
        .transport
        .read(&Place::Heartbeats, &name, limits::CONTROL_BYTES_MAX)
    else {
        return;
    };
    let now = node.clock.wall();
    let Some(seen) = Envelope::read(bytes)
        .verify(&node.keys, context, now)
        .ok()
        .and_then(|verified| verified.heartbeat(&Rules::recorded()).ok())
    else {
        return;
    };
    let Some(instance) = seen
        .instance
        .filter(|instance| *instance != node.journal.instance())
    else {
        node.now.beats.foreign.remove(peer);
        node.now.beats.twins.remove(peer);
        return;
    };
    let before = node
        .now
        .beats
        .foreign
        .insert(peer.clone(), (instance, seen.seq));
    let advances = before.is_some_and(|(known, seq)| known == instance && seq < seen.seq);
    if advances && node.now.beats.twins.insert(peer.clone()) {
        let why = "a second node of this name beats for it; its tasks wait";
        node.tell(&Event::of(Word::HeartbeatForeign).peer(peer).say(why));
    }
}

/// Says that this watcher ends, so that nobody waits for it: the last beat of this instance. What fails is not tried
/// again; then peers find it silent.
pub(super) fn farewell(node: &mut Node) -> Result<(), Error> {
    node.now.leaving = true;
    pass(node).map(drop)
}

fn state(node: &Node) -> (NodeState, Option<String>) {
    if node.now.leaving {
        let why = match node.running() {
            0 => "its watcher was stopped".to_owned(),
            _ => "its watcher was stopped; what runs goes on without it".to_owned(),
        };
        return (NodeState::Draining, Some(why));
    }
    let trouble = node.now.view.trouble.as_ref();
    let reason = trouble.map(|trouble| match trouble {
        Trouble::Draining(why) if why.is_empty() => "drained by its operator".to_owned(),
        Trouble::Draining(why) => format!("drained by its operator: {why}"),
        other => crate::escape::excerpt(&other.to_string(), 200),
    });
    let state = match trouble {
        Some(Trouble::Halted(_)) => NodeState::Halted,
        Some(Trouble::Draining(_)) => NodeState::Draining,
        Some(_) => NodeState::Degraded,
        None if node.running() >= node.settings.slots as usize => NodeState::Busy,
        None => NodeState::Ready,
    };
    (state, reason)
}

/// What this node understands beyond the first revision of the format, and the pools that it serves.
fn understood(node: &Node) -> Vec<String> {
    let none = lanes::Pools::new();
    let pools = match node.may_pool() {
        true => &node.settings.pools,
        false => &none,
    };
    let mut words = vec![AFTER.to_owned()];
    words.extend(lanes::marks(&node.settings.node, pools));
    words
}

fn card(node: &Node, peer: &NodeName) -> Heartbeat {
    let (state, reason) = state(node);
    let mine = |phase: Phase| {
        node.journal
            .open_tasks()
            .filter(|(_, known)| known.phase == phase)
            .count() as u64
    };
    // A peer sees its own tasks by id; how many others run here is a number only.
    let tasks = node
        .journal
        .open_tasks()
        .filter(|(_, known)| known.phase == Phase::Started && known.from == *peer)
        .take(TASKS_MAX)
        .map(|(id, known)| RunningTask {
            id,
            attempt: known.starts,
            started: known.started,
        })
        .collect();
    let allowed = node.settings.peers.get(peer);
    Heartbeat {
        from: node.party(),
        to: Party::from(peer),
        boot_id: node.now.beats.boot_id.clone(),
        seq: node.now.beats.base.saturating_add(node.now.beats.seq),
        created: node.clock.wall(),
        accepts: if allowed.is_some_and(|peer| peer.v2) {
            vec![2, 3]
        } else {
            vec![3]
        },
        killswitch: state == NodeState::Halted,
        running: node.running() as u64,
        queued: node.waiting() as u64,
        pending_ack: mine(Phase::Parked),
        clock_skew_ms: node.now.skew.told_ms(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        instance: Some(node.journal.instance()),
        free_bytes: node.now.view.free_bytes,
        slots: Some(node.settings.slots),
        poll_ms: Some(node.settings.poll_ms),
        state: Some(state),
        reason,
        tasks,
        audit: node.sink.head(),
        extensions: understood(node),
        profiles: allowed
            .filter(|peer| peer.accept)
            .map(|peer| peer.profiles.iter().take(TASKS_MAX).cloned().collect())
            .unwrap_or_default(),
        card: offer(node, allowed),
    }
}

/// What this node can do for a peer: of profiles, only those that it may use.
fn offer(node: &Node, peer: Option<&PeerPolicy>) -> Card {
    let mut card = node.now.card.clone();
    card.stopped = node.now.leaving;
    for name in peer
        .filter(|peer| peer.accept)
        .into_iter()
        .flat_map(|peer| &peer.profiles)
    {
        let profile = node.settings.profiles.get(name);
        let can = profile.map(|profile| profile.capabilities.iter().cloned());
        let can: BTreeSet<_> = can.into_iter().flatten().collect();
        if !can.is_empty() {
            card.profiles.insert(name.clone(), can);
        }
    }
    card
}
