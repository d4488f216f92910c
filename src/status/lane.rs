//! Lanes: how much lies where, by fresh listings alone. No task is opened.

use std::collections::BTreeSet;

use serde::Serialize;

use super::Scene;
use super::Wrong;
use crate::clock::Timestamp;
use crate::entry;
use crate::entry::ClaimName;
use crate::entry::QueuedName;
use crate::id::NodeName;
use crate::id::Party;
use crate::id::TaskId;
use crate::place::Lane;
use crate::place::Place;
use crate::share::Listed;
use crate::share::ShareError;
use crate::stage::Stage;

/// Results whose id does not say their day: so many are asked for it.
const ASKED_MAX: usize = 64;

/// What lies in a lane.
#[derive(Debug, Clone, Serialize)]
pub struct LaneView {
    /// Its name.
    pub lane: String,
    /// Who sends.
    pub from: NodeName,
    /// Who serves.
    pub to: Party,
    /// In `inbox/`.
    pub queued: usize,
    /// In `pending-ack/`.
    pub pending_ack: usize,
    /// In `processing/`: admitted or running.
    pub processing: usize,
    /// Of these, how many were about to be started or are.
    pub started: usize,
    /// Results of tasks of today, by the server's day.
    pub done_today: usize,
    /// Tasks in `rejected/`: refused, denied, expired, cancelled before they ran.
    pub rejected: usize,
    /// Entries of `inbox/` that are no tasks.
    pub junk: usize,
    /// Documents being written, or left half written.
    pub parts: usize,
    /// The tasks in `processing/`.
    #[serde(skip)]
    pub held: BTreeSet<TaskId>,
    /// Those of them with a start marker.
    #[serde(skip)]
    pub marked: BTreeSet<TaskId>,
}

/// Looks at every lane that can be seen.
pub(super) fn look(scene: &Scene, now: Timestamp, wrong: &mut Vec<Wrong>) -> Vec<LaneView> {
    let mut views = Vec::new();
    for lane in scene.lanes() {
        match one(scene, &lane, now) {
            Ok(Some(view)) => {
                if view.junk > 0 && scene.is_own(&lane) {
                    let text = match view.junk {
                        1 => "1 entry of its inbox is no task".to_owned(),
                        more => format!("{more} entries of its inbox are no tasks"),
                    };
                    wrong.push(Wrong::new("junk", &view.lane, text));
                }
                views.push(view);
            }
            // A lane of others may be closed to this one, and need not be there.
            Ok(None) => {}
            Err(_) if !scene.is_own(&lane) => {}
            Err(error) => wrong.push(Wrong::new("unreadable", &lane, error.to_string())),
        }
    }
    views
}

fn one(scene: &Scene, lane: &Lane, now: Timestamp) -> Result<Option<LaneView>, ShareError> {
    let list = |stage| {
        scene
            .sender
            .transport
            .list(&Place::Stage(lane.clone(), stage))
    };
    let inbox = match list(Stage::Inbox) {
        Err(error) if error.is_absent() => return Ok(None),
        other => other?,
    };
    let legacy = |name: &str| entry::legacy_task(name).is_some() || name.ends_with(".json.tmp");
    let queued = |entry: &&Listed| {
        QueuedName::parse(&entry.name).is_some() || entry::legacy_task(&entry.name).is_some()
    };
    let junk = |entry: &&Listed| {
        entry.raw.is_some()
            || !(queued(entry) || legacy(&entry.name) || entry::is_litter(&entry.name))
    };
    let processing = list(Stage::Processing)?;
    let held: BTreeSet<TaskId> = claims(&processing).map(|claim| claim.id).collect();
    let marked: BTreeSet<TaskId> = processing
        .iter()
        .filter_map(|entry| ClaimName::parse_stem(entry.name.strip_suffix(".start")?))
        .map(|claim| claim.id)
        .filter(|id| held.contains(id))
        .collect();
    Ok(Some(LaneView {
        lane: lane.to_string(),
        from: lane.from.clone(),
        to: lane.to.clone(),
        queued: inbox.iter().filter(queued).count(),
        pending_ack: claims(&list(Stage::PendingAck)?).count(),
        processing: held.len(),
        started: marked.len(),
        done_today: done_today(scene, lane, now)?,
        rejected: claims(&list(Stage::Rejected)?).count(),
        junk: inbox.iter().filter(junk).count(),
        parts: list(Stage::Tmp)?
            .iter()
            .filter(|entry| entry.name.ends_with(".part"))
            .count(),
        held,
        marked,
    }))
}

fn claims(listing: &[Listed]) -> impl Iterator<Item = ClaimName> {
    listing
        .iter()
        .filter_map(|entry| ClaimName::parse(&entry.name))
}

/// Older days are moved away by and by, so the listing is short; an id of version 4 does not say its day.
fn done_today(scene: &Scene, lane: &Lane, now: Timestamp) -> Result<usize, ShareError> {
    let done = Place::Stage(lane.clone(), Stage::Done);
    let today = now.day();
    let mut asked = 0;
    let mut count = 0;
    for entry in scene.sender.transport.list(&done)? {
        let Some(id) = entry
            .name
            .strip_suffix(".result.json")
            .and_then(|id| TaskId::parse(id).ok())
        else {
            continue;
        };
        let day = match id.made() {
            Some(made) => Some(Timestamp::from_unix(made).day()),
            None if asked < ASKED_MAX => {
                asked += 1;
                let seen = scene.sender.transport.attributes(&done, &entry.name);
                seen.ok().map(|seen| seen.changed.day())
            }
            None => None,
        };
        count += usize::from(day.as_ref() == Some(&today));
    }
    Ok(count)
}
