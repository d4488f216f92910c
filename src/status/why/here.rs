//! Why a task waits on this very node: its journal knows, and is read beside the watcher.

use super::Because;
use super::Scene;
use crate::attempt::local;
use crate::document::Task;
use crate::flow::ack;
use crate::id::ProfileName;
use crate::id::TaskId;
use crate::journal::Journal;
use crate::journal::Known;
use crate::journal::Pause;
use crate::journal::Phase;
use crate::killswitch::Origin;
use crate::limits;
use crate::place::Lane;
use crate::place::Place;
use crate::slots;
use crate::stage::Stage;

/// What the journal alone says of a task, when the share does not answer.
pub(super) fn offline(scene: &Scene, lane: &Lane, id: TaskId) -> Option<Because> {
    let journal = journal(scene, lane)?;
    if let Some(closed) = journal.closed(id) {
        let text = format!("this node closed it as {}", closed.status);
        return Some(Because::new("answered", text));
    }
    journal
        .known(id)
        .map(|known| phase(scene, &journal, lane, id, known))
}

/// What the journal and the share say of a task that has no outcome on the share yet.
pub(super) fn open(scene: &Scene, lane: &Lane, id: TaskId) -> Option<Because> {
    let journal = journal(scene, lane)?;
    let known = journal.known(id)?;
    let because = phase(scene, &journal, lane, id, known);
    if matches!(because.state, "waiting" | "publishing" | "not_before")
        && !super::super::local::is_served(&scene.state)
    {
        let text = format!("{}; no watcher runs on this node", because.text);
        return Some(Because { text, ..because }.next("dispatch-watch".to_owned()));
    }
    Some(because)
}

fn journal(scene: &Scene, lane: &Lane) -> Option<Journal> {
    if !scene.serves(lane) {
        return None;
    }
    super::super::local::journal(&scene.state).ok().flatten()
}

fn phase(scene: &Scene, journal: &Journal, lane: &Lane, id: TaskId, known: &Known) -> Because {
    match known.phase {
        Phase::Started => Because::new(
            "running",
            format!(
                "it runs here since {} (attempt {})",
                known.started, known.starts
            ),
        ),
        Phase::Finished => {
            Because::new("publishing", "it ended here, its outcome is being decided")
        }
        Phase::Decided => {
            let status = known
                .outcome
                .as_ref()
                .map_or("decided", |outcome| outcome.status.as_str());
            Because::new(
                "publishing",
                format!("its outcome here is {status}, not yet on the share"),
            )
        }
        Phase::Parked => parked(scene, lane, id, known),
        Phase::Admitted | Phase::Returned => waiting(scene, journal, lane, id, known),
    }
}

fn parked(scene: &Scene, lane: &Lane, id: TaskId, known: &Known) -> Because {
    let dangerous = task(scene, lane, known).is_some_and(|task| task.require_dangerous);
    let may: Vec<&str> = scene
        .approvers
        .iter()
        .filter(|(_, approver)| approver.may_approve(&lane.from, dangerous))
        .map(|(name, _)| name.as_str())
        .collect();
    let who = if may.is_empty() {
        "and no approver is configured for it".to_owned()
    } else {
        format!("of {}", may.join(" or "))
    };
    let text = match &known.approval {
        Some(_) => "it is approved and goes on at the next look".to_owned(),
        None => format!("it waits for an approval {who}, until {}", known.expires),
    };
    let danger = if dangerous { " --dangerous" } else { "" };
    Because::new("pending_ack", text).next(format!("dispatch-ack{danger} {id}"))
}

fn waiting(scene: &Scene, journal: &Journal, lane: &Lane, id: TaskId, known: &Known) -> Because {
    if let Some(halt) = halted(scene, lane) {
        return Because::new("halted", format!("halted by {halt}"))
            .next("dispatch resume".to_owned());
    }
    if let Some(drained) = super::super::local::drained(&scene.state) {
        let text = format!("this node is {drained}");
        return Because::new("draining", text).next("dispatch undrain".to_owned());
    }
    let now = scene.sender.clock.wall();
    if let Some(moment) = known.not_before.filter(|moment| *moment > now) {
        let text = match known.tried.last() {
            Some(tried) => format!(
                "attempt {} failed ({}); it is not tried again before {moment}",
                tried.attempt,
                tried
                    .class
                    .map_or(tried.status.as_str(), |class| class.as_str())
            ),
            None => format!("it is not started before {moment}"),
        };
        return Because::new("not_before", text);
    }
    if now > known.expires {
        return Because::new("expired", format!("it expired at {}", known.expires));
    }
    if let Some((profile, pause)) = paused(scene, journal, lane, known) {
        let (until, class) = (pause.until, pause.class);
        let text = format!(
            "profile '{profile}' is paused here until {until} ({class}): {}",
            crate::escape::excerpt(&pause.why, 200)
        );
        let because = Because::new("profile_paused", text);
        return because.next(format!("dispatch resume --profile {profile}"));
    }
    if let Some(wait) = slot(scene, journal, lane, known) {
        return Because::new("waiting", format!("it {wait}{}", place(journal, id, known)));
    }
    if lane.pool().is_some() && known.attempts_max == 1 {
        let from = &lane.from;
        let text =
            format!("it starts when the watcher of {from} has let it, at the next look after that");
        return Because::new("needs_grant", text);
    }
    Because::new("waiting", "it starts at the next look")
}

fn halted(scene: &Scene, lane: &Lane) -> Option<String> {
    let transport = &*scene.sender.transport;
    let listing = transport.list(&Place::Root);
    let peek = |name: &str| transport.peek(&Place::Root, name, limits::KILLSWITCH_BYTES_MAX);
    let state = scene.killswitch.judge(listing.as_deref(), &peek);
    let halt = state
        .stops(lane)
        .filter(|halt| halt.origin != Origin::Unknown);
    halt.map(ToString::to_string)
}

/// The profile it needs, where nothing is started under that for now.
fn paused(
    scene: &Scene,
    journal: &Journal,
    lane: &Lane,
    known: &Known,
) -> Option<(ProfileName, Pause)> {
    // Read only where it matters: the task has to be proved for it.
    journal.all_paused().next()?;
    let name = profile_of(scene, lane, known)?;
    let pause = journal.paused(&name)?.clone();
    Some((name, pause))
}

/// The profile that a task asks for, or gets.
fn profile_of(scene: &Scene, lane: &Lane, known: &Known) -> Option<ProfileName> {
    let task = task(scene, lane, known);
    let default = scene
        .peers
        .get(&lane.from)
        .map(|peer| peer.default_profile.clone());
    task.and_then(|task| task.profile).or(default)
}

/// What it waits for, by the same arithmetic that the watcher uses.
fn slot(scene: &Scene, journal: &Journal, lane: &Lane, known: &Known) -> Option<slots::Wait> {
    let name = profile_of(scene, lane, known)?;
    let profile = scene.profiles.get(&name)?;
    let running: Vec<slots::Running> = journal
        .open_tasks()
        .filter(|(_, known)| known.phase == Phase::Started)
        .map(|(id, known)| holder(scene, id, known, &profile.name))
        .collect();
    slots::wait(scene.slots, profile, &running)
}

/// What a running attempt holds, by its orders; where they cannot be read, a slot of the node.
fn holder(scene: &Scene, id: TaskId, known: &Known, fallback: &ProfileName) -> slots::Running {
    let plan = local::find(&scene.runs, &known.claim)
        .and_then(|folder| folder.plan())
        .ok();
    slots::Running {
        task: id,
        resources: plan
            .as_ref()
            .map_or_else(Vec::new, |plan| plan.profile.resources.clone()),
        profile: plan.map_or_else(|| fallback.clone(), |plan| plan.profile.name),
    }
}

fn place(journal: &Journal, id: TaskId, known: &Known) -> String {
    let mine = (known.priority, id.age_key());
    let ahead = journal
        .open_tasks()
        .filter(|(_, other)| other.phase == Phase::Admitted)
        .filter(|(other_id, other)| (other.priority, other_id.age_key()) < mine)
        .count();
    match ahead {
        0 => "; it is the next".to_owned(),
        1 => "; 1 task is before it".to_owned(),
        more => format!("; {more} tasks are before it"),
    }
}

/// The task itself, where it can be read and proved.
fn task(scene: &Scene, lane: &Lane, known: &Known) -> Option<Task> {
    let file = known.file.as_ref().unwrap_or(&known.claim);
    let name = format!("{file}.json");
    [Stage::Processing, Stage::PendingAck]
        .into_iter()
        .find_map(|stage| {
            let place = Place::Stage(lane.clone(), stage);
            let bytes = scene
                .sender
                .transport
                .read(&place, &name, limits::TASK_BYTES_MAX)
                .ok()?;
            ack::prove(&scene.sender, lane, bytes)
                .ok()
                .map(|(task, _)| task)
        })
}
