//! Why a task is where it is, in one line: by the own journal where this node serves it, else by listings, heartbeats
//! and what is sealed.

use super::Scene;
use super::node;
use super::node::Beat;
use crate::clock::Timestamp;
use crate::document::Answer;
use crate::document::Heartbeat;
use crate::document::NodeState;
use crate::entry::ClaimName;
use crate::entry::ControlKind;
use crate::entry::ControlName;
use crate::entry::QueuedName;
use crate::escape;
use crate::flow::collect::Whereabouts;
use crate::id::Digest;
use crate::id::NodeName;
use crate::id::TaskId;
use crate::killswitch::IDENTITY;
use crate::killswitch::Origin;
use crate::killswitch::Scope;
use crate::limits;
use crate::outcome::Status;
use crate::place::Lane;
use crate::place::Place;
use crate::share::Listed;
use crate::share::ShareError;
use crate::stage::Stage;
use crate::units;

mod held;
mod here;
mod pooled;
mod quiet;

/// Largest reason beside a refused file that is read, in bytes.
const WHY_BYTES_MAX: usize = 4096;

/// Why a task is where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Because {
    /// A word for programs.
    pub state: &'static str,
    /// One line for a person.
    pub text: String,
    /// A command that gets it further, if there is one.
    pub next: Option<String>,
}

impl Because {
    fn new(state: &'static str, text: impl Into<String>) -> Self {
        Self {
            state,
            text: text.into(),
            next: None,
        }
    }

    fn next(self, command: String) -> Self {
        Self {
            next: Some(command),
            ..self
        }
    }
}

/// Says why a task of this lane is where it is; `None` where nothing of it is to be seen.
///
/// # Errors
/// [`ShareError`]: the share does not answer, and the own journal does not know the task.
pub fn of(scene: &Scene, lane: &Lane, id: TaskId) -> Result<Option<Because>, ShareError> {
    // An unmounted share looks like an empty folder: nothing is said of a task because of that.
    let found = is_there(scene).and_then(|()| scene.sender.find(lane, id, None));
    let found = match found {
        Ok(found) => found,
        Err(error) => {
            let known = here::offline(scene, lane, id);
            return known.map_or(Err(error.clone()), |because| {
                let text = format!("{}; the share does not answer: {error}", because.text);
                Ok(Some(Because { text, ..because }))
            });
        }
    };
    if let Whereabouts::Open(Stage::Inbox, _) = found
        && let Some(because) = held::of(scene, lane, id)
    {
        return Ok(Some(with_cancel(scene, lane, id, because)));
    }
    Ok(match found {
        Whereabouts::Answered(answered) => Some(outcome(&answered.answer)),
        Whereabouts::Doubtful(why) => Some(Because::new(
            "not_believed",
            format!("a result lies there and is not believed: {why}"),
        )),
        Whereabouts::Open(stage, claim) => {
            let because = match here::open(scene, lane, id) {
                Some(because) => because,
                None => open(scene, lane, id, stage, claim.as_ref())?,
            };
            Some(with_cancel(scene, lane, id, because))
        }
        Whereabouts::Absent => match here::open(scene, lane, id) {
            Some(because) => Some(because),
            None => absent(scene, lane, id)?,
        },
    })
}

fn is_there(scene: &Scene) -> Result<(), ShareError> {
    let transport = &*scene.sender.transport;
    if transport.holds(&Place::Root, IDENTITY)? {
        return Ok(());
    }
    Err(ShareError {
        action: "find",
        object: IDENTITY.to_owned(),
        errno: 0,
        why: Some("it is not there: not mounted?"),
    })
}

/// Says how a task ended.
fn outcome(answer: &Answer) -> Because {
    let told = answer.detail.as_ref().or(answer.reason.as_ref());
    let told = told.map_or_else(String::new, |why| {
        format!(": {}", escape::excerpt(why, 300))
    });
    let node = &answer.from;
    let when = answer
        .created
        .map_or_else(String::new, |at| format!(" at {at}"));
    let class = answer
        .class
        .map_or_else(String::new, |class| format!(" ({class})"));
    let (state, text) = match answer.status {
        Status::Ok => (
            "answered",
            format!("answered by {node}{when}: it succeeded"),
        ),
        Status::Rejected => (
            "refused",
            format!("refused by the policy of {node}{when}{told}"),
        ),
        Status::Denied => {
            let who = answer
                .approver
                .as_ref()
                .map_or_else(String::new, |who| format!(" ({who})"));
            ("denied", format!("denied on {node}{who}{when}{told}"))
        }
        Status::Expired => (
            "expired",
            format!("it expired on {node}{when} before it was started{told}"),
        ),
        Status::Cancelled => ("cancelled", format!("it was cancelled{when}{told}")),
        status => (
            "answered",
            format!("answered by {node}{when}: {status}{class}{told}"),
        ),
    };
    Because::new(state, text).next(format!("dispatch show {}", answer.task_id))
}

/// A task that lies open, as somebody sees it who does not serve it.
fn open(
    scene: &Scene,
    lane: &Lane,
    id: TaskId,
    stage: Stage,
    claim: Option<&ClaimName>,
) -> Result<Because, ShareError> {
    let Some(to) = lane.to.node() else {
        return pooled::open(scene, lane, id, stage, claim);
    };
    let beat = node::read(scene, &to, &scene.node);
    if stage == Stage::PendingAck {
        let because = Because::new("pending_ack", format!("it waits on {to} for an approval"));
        let hindrance = hindrance(scene, lane, &to, &beat);
        let text = match hindrance {
            Some(other) => format!("{}; {}", because.text, other.text),
            None => because.text.clone(),
        };
        let command = format!("dispatch-ack --on {to} {id}");
        return Ok(Because { text, ..because }.next(command));
    }
    if let Beat::Good(heartbeat, _) = &beat
        && let Some(task) = heartbeat.tasks.iter().find(|task| task.id == id)
    {
        return Ok(Because::new(
            "running",
            format!(
                "it runs on {to} since {} (attempt {})",
                task.started, task.attempt
            ),
        ));
    }
    let marked =
        stage == Stage::Processing && claim.is_some_and(|claim| is_marked(scene, lane, claim));
    if let Some(hindrance) = hindrance(scene, lane, &to, &beat) {
        let text = match (stage, marked) {
            (Stage::Inbox, _) => format!("not yet taken: {}", hindrance.text),
            (_, true) => format!("it was about to run or ran on {to}: {}", hindrance.text),
            (_, false) => format!("taken in by {to}, not started: {}", hindrance.text),
        };
        return Ok(Because { text, ..hindrance });
    }
    if stage == Stage::Inbox {
        return queued(scene, lane, &to, id, &beat);
    }
    Ok(match (&beat, marked) {
        (_, true) => Because::new("running", format!("it is started on {to}, or about to be")),
        (Beat::Good(beat, _), false) => Because::new("waiting", waits_for_slot(&to, beat)),
        (_, false) => Because::new(
            "waiting",
            format!("taken in by {to}, waits for a slot there"),
        ),
    })
}

fn waits_for_slot(to: &NodeName, beat: &Heartbeat) -> String {
    match beat.slots.map(u64::from) {
        Some(slots) if beat.running >= slots => {
            let verb = if beat.queued == 1 { "waits" } else { "wait" };
            let tasks = units::count(usize::try_from(beat.queued).unwrap_or(usize::MAX), "task");
            format!(
                "taken in by {to}, waits for a slot: {} of {slots} are in use, {tasks} {verb}",
                beat.running
            )
        }
        _ => {
            format!("taken in by {to}, starts at its next look, or waits for a profile or resource")
        }
    }
}

fn is_marked(scene: &Scene, lane: &Lane, claim: &ClaimName) -> bool {
    let processing = Place::Stage(lane.clone(), Stage::Processing);
    let held = scene.sender.transport.holds(&processing, &claim.marker());
    held.unwrap_or(false)
}

/// What keeps the receiver from doing anything at all, as far as it is known.
pub(super) fn hindrance(scene: &Scene, lane: &Lane, to: &NodeName, beat: &Beat) -> Option<Because> {
    let transport = &*scene.sender.transport;
    let listing = transport.list(&Place::Root);
    let peek = |name: &str| transport.peek(&Place::Root, name, limits::KILLSWITCH_BYTES_MAX);
    let switch = scene.killswitch.judge(listing.as_deref(), &peek);
    let halts = switch.halts().iter();
    let mut halts = halts.filter(|halt| halt.origin == Origin::Share);
    let reaches = |scope: &Scope| {
        *scope == Scope::Everything
            || *scope == Scope::Node(to.clone())
            || *scope == Scope::Lane(lane.clone())
    };
    if let Some(halt) = halts.find(|halt| reaches(&halt.scope)) {
        let because = Because::new("halted", format!("halted by {halt}"));
        return Some(because.next("dispatch resume".to_owned()));
    }
    match beat {
        Beat::Absent if scene.is_own(lane) && lane.from == scene.node => Some(Because::new(
            "unserved",
            format!("{to} has never been heard of: does 'dispatch-watch' run there?"),
        )),
        Beat::Good(heartbeat, stamped) => {
            let now = now(scene, lane);
            let ago = now.since(stamped.unwrap_or(heartbeat.created));
            let still = node::still(scene, to, heartbeat);
            if ago.max(still) >= limits::SILENT_AFTER {
                let ago = node::since(ago.as_secs());
                let text = format!("{to} is silent, last heard {ago}");
                return Some(Because::new("silent", text));
            }
            let reason = heartbeat.reason.as_deref().unwrap_or("it says no reason");
            match heartbeat.state {
                Some(NodeState::Halted) => Some(Because::new(
                    "halted",
                    format!("{to} starts nothing: {reason}"),
                )),
                Some(NodeState::Degraded) => Some(Because::new(
                    "degraded",
                    format!("{to} takes nothing: {reason}"),
                )),
                Some(NodeState::Draining) => Some(Because::new(
                    "draining",
                    format!("{to} takes nothing new: {reason}"),
                )),
                _ => None,
            }
        }
        Beat::Bad(why) => Some(Because::new(
            "unreadable",
            format!("the heartbeat of {to} cannot be believed: {why}"),
        )),
        _ => None,
    }
}

/// The server's time where it can be asked.
fn now(scene: &Scene, lane: &Lane) -> Timestamp {
    let asked = scene.sender.transport.server_time(lane);
    asked.unwrap_or_else(|_| scene.sender.clock.wall())
}

/// A task in `inbox/` of a receiver that serves it.
fn queued(
    scene: &Scene,
    lane: &Lane,
    to: &NodeName,
    id: TaskId,
    beat: &Beat,
) -> Result<Because, ShareError> {
    let inbox = Place::Stage(lane.clone(), Stage::Inbox);
    let listing = scene.sender.transport.list(&inbox)?;
    let names: Vec<QueuedName> = listing
        .iter()
        .filter_map(|entry| QueuedName::parse(&entry.name))
        .collect();
    let Some(mine) = names.iter().find(|name| name.id == id) else {
        return Ok(Because::new("queued", format!("not yet taken by {to}")));
    };
    if let Some(moment) = mine.not_before.filter(|at| *at > scene.sender.clock.wall()) {
        let text = format!("it asked not to be taken before {moment}");
        return Ok(Because::new("not_before", text));
    }
    let place = |name: &QueuedName| (name.priority, name.id.age_key());
    let ahead = names
        .iter()
        .filter(|name| place(name) < place(mine))
        .count();
    let poll = match beat {
        Beat::Good(beat, _) => beat.poll_ms.map_or_else(String::new, |ms| {
            let poll = units::about_duration(std::time::Duration::from_millis(ms));
            format!(", which looks every {poll} or slower")
        }),
        _ => String::new(),
    };
    let text = match ahead {
        0 => format!(
            "not yet taken by {to}{poll}; it is the next of {}",
            names.len()
        ),
        _ => format!(
            "not yet taken by {to}{poll}; {ahead} of {} are before it",
            names.len()
        ),
    };
    Ok(Because::new("queued", text))
}

/// A wish to end it that lies there and had no effect yet.
fn with_cancel(scene: &Scene, lane: &Lane, id: TaskId, because: Because) -> Because {
    let control = Place::Stage(lane.clone(), Stage::Control);
    let listing = scene.sender.transport.list(&control).unwrap_or_default();
    let is_wish = |entry: &Listed| {
        ControlName::parse(&entry.name)
            .is_some_and(|name| name.id == id && matches!(name.kind, ControlKind::Cancel(_)))
    };
    if listing.iter().any(is_wish) {
        let text = format!(
            "{}; a cancel lies there and is not yet honoured",
            because.text
        );
        return Because { text, ..because };
    }
    because
}

/// A task that lies in no stage: half published, or refused before it was proved.
fn absent(scene: &Scene, lane: &Lane, id: TaskId) -> Result<Option<Because>, ShareError> {
    let transport = &*scene.sender.transport;
    let rejected = Place::Stage(lane.clone(), Stage::Rejected);
    let refused = transport
        .list(&rejected)?
        .iter()
        .filter_map(|entry| ClaimName::parse(&entry.name))
        .find(|claim| claim.id == id);
    if let Some(claim) = refused {
        let name = claim.to_string();
        let why = transport
            .read(&rejected, &name, limits::TASK_BYTES_MAX)
            .and_then(|bytes| {
                let why = format!("{}.why", Digest::of(&bytes));
                transport.read(&rejected, &why, WHY_BYTES_MAX)
            });
        let told = why
            .ok()
            .and_then(|bytes| serde_json::from_slice::<serde_json::Value>(&bytes).ok())
            .and_then(|why| {
                Some(format!(
                    ": {}",
                    escape::excerpt(why.get("why")?.as_str()?, 300)
                ))
            })
            .unwrap_or_else(|| "; its outcome is not there yet".to_owned());
        return Ok(Some(Because::new(
            "set_aside",
            format!("set aside by {}{told}", claim.node),
        )));
    }
    let tmp = Place::Stage(lane.clone(), Stage::Tmp);
    let prefix = format!("{id}.");
    let half = transport
        .list(&tmp)?
        .into_iter()
        .find(|entry| entry.name.starts_with(&prefix) && entry.name.ends_with(".part"));
    Ok(half.map(|entry| {
        let text = format!(
            "only half published: {tmp}{} was never moved to inbox/; nobody will run it",
            entry.name
        );
        Because::new("half_published", text)
    }))
}
