//! Why a task of a pool is where it is: who could take it, who holds it, and whose word it waits for.

use super::Because;
use super::Scene;
use super::quiet::QUIET_S;
use super::quiet::Silence;
use crate::document::Task;
use crate::entry::ClaimName;
use crate::entry::QueuedName;
use crate::flow::Asked;
use crate::flow::collect::Whereabouts;
use crate::id::NodeName;
use crate::id::TaskId;
use crate::killswitch::Origin;
use crate::limits;
use crate::place::Lane;
use crate::place::Place;
use crate::share::ShareError;
use crate::stage::Stage;
use crate::status::Liveness;
use crate::status::NodeView;
use crate::status::local;
use crate::status::node;
use crate::status::node::Beat;
use crate::status::node::since;
use crate::status::pool;
use crate::status::task;
use crate::units;

/// A task that lies open in the lane of a pool, as somebody sees it who does not hold it.
pub(super) fn open(
    scene: &Scene,
    lane: &Lane,
    id: TaskId,
    stage: Stage,
    claim: Option<&ClaimName>,
) -> Result<Because, ShareError> {
    if let Some(halt) = halted(scene, lane) {
        let because = Because::new("halted", format!("halted by {halt}"));
        return Ok(because.next("dispatch resume".to_owned()));
    }
    match claim {
        None => queued(scene, lane, id),
        Some(claim) => Ok(held(scene, lane, stage, claim)),
    }
}

fn halted(scene: &Scene, lane: &Lane) -> Option<String> {
    let transport = &*scene.sender.transport;
    let listing = transport.list(&Place::Root);
    let peek = |name: &str| transport.peek(&Place::Root, name, limits::KILLSWITCH_BYTES_MAX);
    let switch = scene.killswitch.judge(listing.as_deref(), &peek);
    let halt = switch.stops(lane);
    let halt = halt.filter(|halt| halt.origin == Origin::Share);
    halt.map(ToString::to_string)
}

/// The task itself, where this node can prove it.
fn task(scene: &Scene, lane: &Lane, claim: &ClaimName, stage: Stage) -> Option<Task> {
    let found = Whereabouts::Open(stage, Some(claim.clone()));
    let sealed = task::file(&scene.sender, lane, claim.id, &found).ok()??;
    sealed.read.ok().map(|(task, _)| task)
}

fn queued(scene: &Scene, lane: &Lane, id: TaskId) -> Result<Because, ShareError> {
    let to = &lane.to;
    let inbox = Place::Stage(lane.clone(), Stage::Inbox);
    let listing = scene.sender.transport.list(&inbox)?;
    let names = listing
        .iter()
        .filter_map(|entry| QueuedName::parse(&entry.name));
    let names: Vec<QueuedName> = names.collect();
    let mine = names.iter().find(|name| name.id == id);
    let wall = scene.sender.clock.wall();
    if let Some(moment) = mine
        .and_then(|name| name.not_before)
        .filter(|at| *at > wall)
    {
        let text = match started_before(scene, lane, id).as_slice() {
            [] => format!("it is not taken before {moment}"),
            before => format!(
                "attempt {} is not taken before {moment}: it was started on {} before, without an end",
                before.len() + 1,
                names_of(before)
            ),
        };
        return Ok(Because::new("not_before", text));
    }
    let rank = |name: &QueuedName| (name.priority, name.id.age_key());
    let ahead = mine.map_or(0, |mine| {
        names.iter().filter(|name| rank(name) < rank(mine)).count()
    });
    let line = match ahead {
        0 => "it is the next".to_owned(),
        1 => format!("1 of {} is before it", names.len()),
        _ => format!("{ahead} of {} are before it", names.len()),
    };
    let line = match started_before(scene, lane, id).as_slice() {
        [] => line,
        before => format!("{line}; it was started on {} before", names_of(before)),
    };
    let asked = scene.asked().into_iter().find(|asked| asked.lane == *lane);
    let Some(asked) = asked else {
        return Ok(Because::new(
            "queued",
            format!("not yet taken by {to}; {line}"),
        ));
    };
    let found = Whereabouts::Open(Stage::Inbox, None);
    let sealed = task::file(&scene.sender, lane, id, &found)?;
    let needs_word = sealed
        .and_then(|sealed| sealed.read.ok())
        .is_some_and(|(task, _)| !task.idempotent);
    if needs_word && !local::is_served(&scene.state) {
        return Ok(unwatched(format!("not yet taken by {to}")));
    }
    Ok(untaken(scene, &asked, &line))
}

/// The members on which a task was started, by the markers that are kept until it is committed.
fn started_before(scene: &Scene, lane: &Lane, id: TaskId) -> Vec<NodeName> {
    let processing = Place::Stage(lane.clone(), Stage::Processing);
    let listing = scene.sender.transport.list(&processing);
    let listing = listing.unwrap_or_default();
    let marks = listing.iter().filter_map(|entry| {
        let claim = ClaimName::parse_stem(entry.name.strip_suffix(".start")?)?;
        (claim.id == id).then_some(claim.node)
    });
    marks.collect()
}

fn names_of(nodes: &[NodeName]) -> String {
    let names: Vec<&str> = nodes.iter().map(NodeName::as_str).collect();
    names.join(" and ")
}

/// A task that this node's watcher must let start, and there is none.
fn unwatched(lead: String) -> Because {
    let text = format!(
        "{lead}: it is not idempotent, so this node's watcher must let it start, and none runs"
    );
    Because::new("needs_watcher", text).next("dispatch-watch".to_owned())
}

/// Why no member takes a task that could be taken.
fn untaken(scene: &Scene, asked: &Asked, line: &str) -> Because {
    let to = &asked.lane.to;
    let now = super::now(scene, &asked.lane);
    let views = node::some(scene, asked.members.iter(), now);
    let alive: Vec<&NodeView> = views
        .iter()
        .filter(|view| view.liveness == Liveness::Alive)
        .collect();
    if alive.is_empty() {
        let told: Vec<String> = views.iter().map(pool::told).collect();
        let text = format!(
            "not yet taken: no member of {to} is alive: {}",
            told.join(", ")
        );
        return Because::new("unserved", text);
    }
    if let Some(why) = pool::stopped(scene, &asked.lane, &alive) {
        let text = format!("not yet taken: no member of {to} starts anything now: {why}");
        return Because::new("halted", text).next("dispatch status".to_owned());
    }
    let names: Vec<&str> = alive.iter().map(|view| view.name.as_str()).collect();
    let names = names.join(", ");
    let free: u64 = alive.iter().filter_map(|view| pool::free(view)).sum();
    if free == 0 {
        let text = format!("not yet taken: no slot is free on the members alive ({names}); {line}");
        return Because::new("queued", text);
    }
    let slots = units::count(usize::try_from(free).unwrap_or(usize::MAX), "slot");
    let text = format!("not yet taken by {to} ({names} alive, {slots} free); {line}");
    Because::new("queued", text)
}

fn held(scene: &Scene, lane: &Lane, stage: Stage, claim: &ClaimName) -> Because {
    let member = &claim.node;
    let now = super::now(scene, lane);
    let view = pool::claims(scene, lane, now);
    let view = view.into_iter().find(|view| view.id == claim.id);
    let beaten = view.as_ref().and_then(|view| view.beaten_s);
    let lease = beaten.map_or_else(
        || "it has no lease".to_owned(),
        |ago| format!("its lease last changed {}", since(ago)),
    );
    if claim.taken.is_some() {
        let text = format!("a member took it over from {member}, and gives it back or ends it");
        return Because::new("taken_over", text);
    }
    let is_started = view.is_some_and(|view| view.started);
    if beaten.is_none_or(|ago| ago > QUIET_S) {
        let silence = Silence {
            is_started,
            once: task(scene, lane, claim, stage).map(|task| !task.idempotent),
            beaten,
            is_last: others_alive(scene, lane, member).is_some_and(|others| others == 0),
        };
        return silence.told(member);
    }
    if stage == Stage::PendingAck {
        let text = format!(
            "{member} holds it, and waits for an approval by one of its approvers \
             ('dispatch-watch --check' there names them); {lease}"
        );
        let command = format!("dispatch-ack --on {member} {}", claim.id);
        return Because::new("pending_ack", text).next(command);
    }
    if let Some(since) = runs_since(scene, member, claim.id) {
        let text = format!("it runs on {member} since {since}; {lease}");
        return Because::new("running", text);
    }
    if is_started {
        let text = format!("it is started on {member}, or about to be; {lease}");
        return Because::new("running", text);
    }
    let beat = node::read(scene, member, &scene.node);
    if let Some(other) = super::hindrance(scene, lane, member, &beat) {
        let text = format!("held by {member}, not started: {}; {lease}", other.text);
        return Because { text, ..other };
    }
    if lane.from == scene.node
        && task(scene, lane, claim, stage).is_some_and(|task| !task.idempotent)
    {
        return ungranted(scene, claim, &lease);
    }
    let text = format!("held by {member}, not started yet; {lease}");
    Because::new("waiting", text)
}

/// How many other members of a pool are alive, where this node asks it.
fn others_alive(scene: &Scene, lane: &Lane, member: &NodeName) -> Option<usize> {
    let asked = scene
        .asked()
        .into_iter()
        .find(|asked| asked.lane == *lane)?;
    let others = asked.members.iter().filter(|name| *name != member);
    let views = node::some(scene, others, super::now(scene, lane));
    let alive = views.iter().filter(|view| view.liveness == Liveness::Alive);
    Some(alive.count())
}

/// When a member says that it began to run a task, where it tells this node.
fn runs_since(scene: &Scene, member: &NodeName, id: TaskId) -> Option<String> {
    let Beat::Good(heartbeat, _) = node::read(scene, member, &scene.node) else {
        return None;
    };
    let mut tasks = heartbeat.tasks.iter();
    let task = tasks.find(|task| task.id == id)?;
    Some(format!("{} (attempt {})", task.started, task.attempt))
}

/// A claim that waits for the word of this very node.
fn ungranted(scene: &Scene, claim: &ClaimName, lease: &str) -> Because {
    let member = &claim.node;
    let journal = local::journal(&scene.state).ok().flatten();
    let granted = journal
        .as_ref()
        .and_then(|journal| journal.granted(claim.id));
    let stem = claim.stem();
    match granted {
        Some(granted) if granted.claim.as_ref() == Some(&stem) => {
            let text = format!("held by {member}, which may start it at its next look; {lease}");
            Because::new("granted", text)
        }
        Some(granted) if granted.is_spent(&stem) || granted.claim.is_some() => {
            let text = format!(
                "held by {member}, which must not start it: another claim of it may have; \
                 it ends as indeterminate; {lease}"
            );
            Because::new("withheld", text)
        }
        _ if !local::is_served(&scene.state) => unwatched(format!("held by {member}")),
        _ => {
            let text =
                format!("held by {member}, waits for this node's watcher to let it start; {lease}");
            Because::new("needs_grant", text)
        }
    }
}
