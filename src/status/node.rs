//! Nodes: who is alive, and what each says of itself in the heartbeat it seals for this one.
//!
//! A heartbeat may be torn, since it is rewritten in place: it is read again, and never means that a node is dead.
//! Silent is a node whose number did not advance while this host looked, or, where this host did not look before, one
//! whose file the server stamped too long ago.

use std::time::Duration;

use serde::Serialize;

use super::Ground;
use super::Running;
use super::Scene;
use super::Wrong;
use super::ground;
use super::heard::Memory;
use crate::clock::Timestamp;
use crate::disk::LockFile;
use crate::document::Card;
use crate::document::Context;
use crate::document::Heartbeat;
use crate::document::Kind;
use crate::document::NodeState;
use crate::document::Rules;
use crate::envelope::Envelope;
use crate::flow::beat;
use crate::id::NodeName;
use crate::id::Party;
use crate::id::ProfileName;
use crate::limits;
use crate::outcome::words;
use crate::place::Place;

/// File of the state directory that remembers when heartbeats advanced.
const MEMORY: &str = "heard.json";
/// How often a heartbeat that does not verify is read again.
const READINGS: u32 = 4;
/// Pause between two readings: a rewriting takes less.
const READING_PAUSE: Duration = Duration::from_millis(15);

words! {
    /// Whether a node is there.
    Liveness {
        /// Its heartbeat advances, or was written a moment ago.
        Alive = "alive",
        /// Its heartbeat stands still.
        Silent = "silent",
        /// It never wrote one: it may only send.
        Never = "never",
        /// This host has no key that could prove its heartbeat.
        NoKey = "no_key",
        /// Its heartbeat cannot be read or proved.
        Unreadable = "unreadable",
    }
}

/// What can be said of one node.
#[derive(Debug, Clone, Serialize)]
pub struct NodeView {
    /// The node.
    pub name: NodeName,
    /// Whether it is this one.
    pub own: bool,
    /// Whether it is there.
    pub liveness: Liveness,
    /// How long ago the server stamped its heartbeat, in seconds; by this host's clock where the server's time is not
    /// known.
    pub heard_s: Option<u64>,
    /// For how long its heartbeat surely did not advance, in seconds, by this host's own boot clock.
    pub still_s: u64,
    /// Whether a watcher holds the lock of this node; only told of the own node.
    pub watcher: Option<bool>,
    /// What it is willing to do.
    pub state: Option<NodeState>,
    /// Why it is not ready; or why nothing is known of it.
    pub reason: Option<String>,
    /// Version of its program.
    pub version: Option<String>,
    /// How many tasks it may run at once.
    pub slots: Option<u32>,
    /// Tasks that run.
    pub running: Option<u64>,
    /// Tasks that wait for a slot.
    pub queued: Option<u64>,
    /// Tasks that wait for an approval.
    pub pending_ack: Option<u64>,
    /// Free space on the share as it sees it, in bytes.
    pub free_bytes: Option<u64>,
    /// Time between two looks at the inbox, in milliseconds.
    pub poll_ms: Option<u64>,
    /// How far its clock is ahead of the server's, in seconds, at its last heartbeat.
    pub clock_ahead_s: Option<i64>,
    /// Where its audit log stood.
    pub audit: Option<String>,
    /// Profiles that it offers to this node.
    pub profiles: Vec<ProfileName>,
    /// What it says that it can do, and whose it is.
    pub card: Card,
    /// Tasks that run, as it says to this node.
    #[serde(skip)]
    pub tasks: Vec<Running>,
    /// What it says to understand and to serve.
    #[serde(skip)]
    pub extensions: Vec<String>,
}

/// What came of reading a heartbeat.
pub(super) enum Beat {
    /// There is none.
    Absent,
    /// There is one; no key here could prove it.
    NoKey,
    /// There is one; it does not hold.
    Bad(String),
    /// It holds. The time is the server's stamp.
    Good(Box<Heartbeat>, Option<Timestamp>),
}

/// Looks at every known node.
pub(super) fn look(scene: &Scene, ground: &Ground, wrong: &mut Vec<Wrong>) -> Vec<NodeView> {
    let path = scene.state.join(MEMORY);
    let mut memory = Memory::load(&path, &scene.boot_id);
    let mut views = Vec::new();
    for name in scene.nodes() {
        let beat = if *name == scene.node {
            own(scene)
        } else {
            read(scene, name, &scene.node)
        };
        let view = view(scene, ground.now(), name, beat, &mut memory);
        tell(&view, wrong);
        views.push(view);
    }
    memory.save(&path);
    views
}

/// Looks at some peers only.
pub fn some<'a>(
    scene: &Scene,
    names: impl Iterator<Item = &'a NodeName>,
    now: Timestamp,
) -> Vec<NodeView> {
    let path = scene.state.join(MEMORY);
    let mut memory = Memory::load(&path, &scene.boot_id);
    let views = names.map(|name| {
        let beat = read(scene, name, &scene.node);
        view(scene, now, name, beat, &mut memory)
    });
    let views = views.collect();
    memory.save(&path);
    views
}

/// The newest heartbeat of this node itself, with the tasks of all.
fn own(scene: &Scene) -> Beat {
    let mut best = Beat::Absent;
    for peer in scene.peers.keys() {
        match (read(scene, &scene.node, peer), &mut best) {
            (Beat::Good(fresh, at), Beat::Good(known, known_at)) => {
                let mut tasks = std::mem::take(&mut known.tasks);
                tasks.extend(fresh.tasks.iter().cloned());
                if at > *known_at {
                    (*known, *known_at) = (fresh, at);
                }
                known.tasks = tasks;
            }
            (fresh @ Beat::Good(..), best) | (fresh @ Beat::Bad(_), best @ Beat::Absent) => {
                *best = fresh;
            }
            _ => {}
        }
    }
    best
}

/// Reads what `from` wrote for `to`.
pub(super) fn read(scene: &Scene, from: &NodeName, to: &NodeName) -> Beat {
    let sender = &scene.sender;
    let name = beat::file(from, to);
    let context = Context {
        from: Party::from(from),
        to: Party::from(to),
        kind: Kind::Heartbeat,
    };
    let mut doubt = Beat::Absent;
    for reading in 0..READINGS {
        if reading > 0 {
            sender.clock.sleep(READING_PAUSE);
        }
        let read = sender
            .transport
            .read(&Place::Heartbeats, &name, limits::CONTROL_BYTES_MAX);
        let bytes = match read {
            Ok(bytes) => bytes,
            Err(error) if error.is_absent() => return Beat::Absent,
            Err(error) => {
                doubt = Beat::Bad(error.to_string());
                continue;
            }
        };
        let now = sender.clock.wall();
        if !sender.keys.knows(&context, now) {
            return Beat::NoKey;
        }
        let heartbeat = Envelope::read(bytes)
            .verify(&sender.keys, &context, now)
            .and_then(|verified| verified.heartbeat(&Rules::recorded()));
        match heartbeat {
            Ok(heartbeat) => {
                let seen = sender.transport.attributes(&Place::Heartbeats, &name);
                return Beat::Good(Box::new(heartbeat), seen.ok().map(|seen| seen.changed));
            }
            Err(refusal) => doubt = Beat::Bad(refusal.to_string()),
        }
    }
    doubt
}

fn view(
    scene: &Scene,
    now: Timestamp,
    name: &NodeName,
    beat: Beat,
    memory: &mut Memory,
) -> NodeView {
    let own = *name == scene.node;
    let lock = scene.state.join("watch.lock");
    let watcher = own.then(|| LockFile::is_held(&lock).ok()).flatten();
    let mut view = NodeView {
        name: name.clone(),
        own,
        liveness: Liveness::Never,
        heard_s: None,
        still_s: 0,
        watcher,
        state: None,
        reason: None,
        version: None,
        slots: None,
        running: None,
        queued: None,
        pending_ack: None,
        free_bytes: None,
        poll_ms: None,
        clock_ahead_s: None,
        audit: None,
        profiles: Vec::new(),
        card: Card::default(),
        tasks: Vec::new(),
        extensions: Vec::new(),
    };
    match beat {
        Beat::Absent => {}
        Beat::NoKey => view.liveness = Liveness::NoKey,
        Beat::Bad(why) => {
            view.liveness = Liveness::Unreadable;
            view.reason = Some(why);
        }
        Beat::Good(heartbeat, stamped) => {
            fill(&mut view, *heartbeat, (stamped, now), scene, memory);
        }
    }
    view
}

/// For how long a heartbeat surely did not advance, with this look taken in.
pub(super) fn still(scene: &Scene, name: &NodeName, heartbeat: &Heartbeat) -> Duration {
    let path = scene.state.join(MEMORY);
    let mut memory = Memory::load(&path, &scene.boot_id);
    let now = scene.sender.clock.boot();
    let pace = memory.note(name, (heartbeat.instance, heartbeat.seq), now);
    memory.save(&path);
    pace.still
}

fn fill(
    view: &mut NodeView,
    heartbeat: Heartbeat,
    (stamped, today): (Option<Timestamp>, Timestamp),
    scene: &Scene,
    memory: &mut Memory,
) {
    let now = scene.sender.clock.boot();
    let pace = memory.note(&view.name, (heartbeat.instance, heartbeat.seq), now);
    let ago = today.since(stamped.unwrap_or(heartbeat.created));
    let fresh = ago < limits::SILENT_AFTER;
    let moved = pace
        .moved
        .is_some_and(|within| within < limits::SILENT_AFTER);
    let dead = view.watcher == Some(false);
    view.liveness = if pace.still < limits::SILENT_AFTER && (fresh || moved) && !dead {
        Liveness::Alive
    } else {
        Liveness::Silent
    };
    view.heard_s = Some(ago.as_secs());
    view.still_s = pace.still.as_secs();
    view.clock_ahead_s = stamped.map(|at| heartbeat.created.unix().saturating_sub(at.unix()));
    let from = Some(scene.node.clone()).filter(|_| !view.own);
    view.tasks = heartbeat
        .tasks
        .iter()
        .map(|task| Running {
            id: task.id,
            on: view.name.clone(),
            from: from.clone(),
            attempt: Some(task.attempt),
            started: Some(task.started),
            source: "heartbeat",
        })
        .collect();
    view.audit = heartbeat
        .audit
        .as_ref()
        .map(|head| format!("{} #{} {}", head.segment, head.seq, head.sha256.short()));
    view.state = heartbeat.state;
    view.reason = heartbeat.reason;
    view.version = Some(heartbeat.version);
    view.slots = heartbeat.slots;
    view.running = Some(heartbeat.running);
    view.queued = Some(heartbeat.queued);
    view.pending_ack = Some(heartbeat.pending_ack);
    view.free_bytes = heartbeat.free_bytes;
    view.poll_ms = heartbeat.poll_ms;
    view.profiles = heartbeat.profiles;
    view.card = heartbeat.card;
    view.extensions = heartbeat.extensions;
}

fn tell(view: &NodeView, wrong: &mut Vec<Wrong>) {
    let mut say = |code, text: String| wrong.push(Wrong::new(code, &view.name, text));
    let ago = view
        .heard_s
        .map_or_else(String::new, |ago| format!(", last heard {}", since(ago)));
    match view.liveness {
        Liveness::Silent if view.own && view.watcher == Some(true) => {
            say(
                "silent",
                format!("its watcher runs, but cannot write its heartbeat{ago}"),
            );
        }
        Liveness::Silent if view.own => say("silent", format!("no watcher runs here{ago}")),
        Liveness::Silent => say("silent", format!("its heartbeat stands still{ago}")),
        Liveness::NoKey => say("no_key", "no key here can prove its heartbeat".to_owned()),
        Liveness::Unreadable => {
            let why = view.reason.as_deref().unwrap_or("unknown");
            say(
                "unreadable",
                format!("its heartbeat cannot be believed: {why}"),
            );
        }
        Liveness::Alive => {
            let reason = view.reason.as_deref().unwrap_or("it says no reason");
            match view.state {
                Some(NodeState::Halted) => say("node_halted", format!("starts nothing: {reason}")),
                Some(NodeState::Degraded) => say("degraded", format!("takes nothing: {reason}")),
                // Its own file says so, with or without a watcher.
                Some(NodeState::Draining) if !view.own => {
                    let why = view.reason.as_deref().map(|why| format!(": {why}"));
                    say(
                        "draining",
                        format!("takes nothing new{}", why.unwrap_or_default()),
                    );
                }
                _ => {}
            }
        }
        Liveness::Never => {}
    }
    let silent = view.liveness == Liveness::Silent;
    if let Some(ahead) = view
        .clock_ahead_s
        .filter(|ahead| ahead.abs() > ground::SKEW_TOLD_S)
        && !view.own
        && !silent
    {
        say(
            "clock_skew",
            format!(
                "its clock is {} the file server's{}",
                ground::off(ahead),
                ground::SKEW_MEANS
            ),
        );
    }
}

/// Says how long ago something was.
#[must_use]
pub fn since(seconds: u64) -> String {
    match seconds {
        0..=119 => format!("{seconds} s ago"),
        120..=7199 => format!("{} min ago", seconds / 60),
        7200..=172_799 => format!("{} h ago", seconds / 3600),
        _ => format!("{} d ago", seconds / 86_400),
    }
}
