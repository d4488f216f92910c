//! Which task is meant: by its id, or by the beginning of one.

use std::collections::BTreeSet;

use super::failure::Failure;
use super::setup::Setup;
use crate::entry::ClaimName;
use crate::entry::QueuedName;
use crate::exit::Exit;
use crate::id::Digest;
use crate::id::TaskId;
use crate::place::Lane;
use crate::place::Place;
use crate::share::ShareError;
use crate::stage::Stage;
use crate::status::Scene;
use crate::status::local;
/// A task that somebody means.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// The task.
    pub id: TaskId,
    /// Its lane.
    pub lane: Lane,
    /// Digest of the sealed task, where this process made it.
    pub digest: Option<Digest>,
}

/// The tasks of which something is to be seen in a stage.
pub(super) fn ids_in(setup: &Setup, lane: &Lane, stage: Stage) -> Result<Vec<TaskId>, ShareError> {
    ids_at(setup, &Place::Stage(lane.clone(), stage))
}

fn ids_at(setup: &Setup, place: &Place) -> Result<Vec<TaskId>, ShareError> {
    let listing = match setup.transport.list(place) {
        Err(error) if error.is_absent() => return Ok(Vec::new()),
        other => other?,
    };
    let id = |name: &str| {
        let queued = QueuedName::parse(name).map(|name| name.id);
        queued
            .or_else(|| ClaimName::parse(name).map(|claim| claim.id))
            .or_else(|| {
                name.strip_suffix(".result.json")
                    .and_then(|id| TaskId::parse(id).ok())
            })
            .or_else(|| crate::entry::legacy_task(name))
            .or_else(|| {
                let (id, _nonce) = name.strip_suffix(".part")?.split_once('.')?;
                TaskId::parse(id).ok()
            })
    };
    Ok(listing.iter().filter_map(|entry| id(&entry.name)).collect())
}

/// Finds the lanes of named tasks among those this node sends in.
///
/// # Errors
/// [`Failure`]: no such task, or several.
pub fn named(setup: &Setup, texts: &[String]) -> Result<Vec<Wanted>, Failure> {
    let lanes = setup.lanes_out();
    for text in texts {
        whole(text)?;
    }
    let seen = seen(setup, &lanes)?;
    texts
        .iter()
        .map(|text| among(setup, text, &lanes, &seen))
        .collect()
}

/// Finds the one task in these lanes whose id is, or begins with, this text.
///
/// # Errors
/// [`Failure`]: no such task, several, or neither an id nor the beginning of one.
pub fn resolve(setup: &Setup, text: &str, lanes: &[Lane]) -> Result<Wanted, Failure> {
    whole(text)?;
    among(setup, text, lanes, &seen(setup, lanes)?)
}

/// The id that a text is, if it is a whole one; an error where it is not even the beginning of one.
fn whole(text: &str) -> Result<Option<TaskId>, Failure> {
    let whole = TaskId::parse(text).ok();
    let digits = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f' | b'-');
    if whole.is_some() || (text.len() >= 8 && text.bytes().all(digits)) {
        return Ok(whole);
    }
    let message = format!(
        "'{}' is not a task id, nor its first 8 or more digits",
        crate::escape::excerpt(text, 60)
    );
    Err(Failure::new(Exit::Usage, message)
        .hint("'dispatch log' shows the ids of what was sent and taken in"))
}

/// Every task of which something is to be seen in these lanes. Each folder is listed once, however many are looked for.
fn seen(setup: &Setup, lanes: &[Lane]) -> Result<BTreeSet<(TaskId, Lane)>, ShareError> {
    let stages = [
        Stage::Inbox,
        Stage::PendingAck,
        Stage::Processing,
        Stage::Done,
        Stage::Rejected,
        Stage::Tmp,
    ];
    let mut seen = BTreeSet::new();
    for lane in lanes {
        for stage in stages {
            let ids = ids_in(setup, lane, stage)?.into_iter();
            seen.extend(ids.map(|id| (id, lane.clone())));
        }
    }
    Ok(seen)
}

fn among(
    setup: &Setup,
    text: &str,
    lanes: &[Lane],
    seen: &BTreeSet<(TaskId, Lane)>,
) -> Result<Wanted, Failure> {
    let whole = whole(text)?;
    let fitting = seen
        .iter()
        .filter(|(id, _)| id.to_string().starts_with(text));
    let mut found: Vec<Wanted> = fitting
        .map(|(id, lane)| Wanted {
            id: *id,
            lane: lane.clone(),
            digest: None,
        })
        .collect();
    if let Some(id) = whole.filter(|_| found.is_empty()) {
        found = aged(setup, id, lanes)?;
    }
    match (found.len(), whole, lanes) {
        (1, _, _) => Ok(found.remove(0)),
        // Moved to a day of done/, or its publication is not known: with one lane there is only one place to wait.
        (0, Some(id), [lane]) => Ok(Wanted {
            id,
            lane: lane.clone(),
            digest: None,
        }),
        (0, _, _) => Err(nowhere(text)),
        (more, _, _) => Err(
            Failure::new(Exit::Usage, format!("{more} tasks begin with '{text}'"))
                .hint("give more digits"),
        ),
    }
}

/// Looks for a whole id in the days of `done/`.
fn aged(setup: &Setup, id: TaskId, lanes: &[Lane]) -> Result<Vec<Wanted>, Failure> {
    for lane in lanes {
        for place in setup.sender().done_places(lane, id)? {
            if ids_at(setup, &place)?.contains(&id) {
                let lane = lane.clone();
                let digest = None;
                return Ok(vec![Wanted { id, lane, digest }]);
            }
        }
    }
    Ok(Vec::new())
}

/// Says that nothing of a task is to be seen.
pub(super) fn nowhere(text: &str) -> Failure {
    Failure::new(Exit::NotFound, format!("no task '{text}' is to be seen"))
        .hint("'dispatch status' lists what is there")
}

/// Finds a task in any lane of this node; where the share does not answer, by the own journal and a whole id.
///
/// # Errors
/// As [`resolve`].
pub(super) fn anywhere(setup: &Setup, scene: &Scene, text: &str) -> Result<Wanted, Failure> {
    let mut lanes = setup.lanes_out();
    lanes.extend(setup.lanes_in());
    let failure = match setup.check_root() {
        Ok(()) => match resolve(setup, text, &lanes) {
            Err(failure) if failure.exit() == Exit::NotFound => failure,
            other => return other,
        },
        Err(failure) => failure,
    };
    let id = TaskId::parse(text).ok();
    let journal = local::journal(&scene.state).ok().flatten();
    let lane = id.zip(journal).and_then(|(id, journal)| {
        let known = journal.known(id)?;
        Some((id, known.lane()))
    });
    lane.map_or(Err(failure), |(id, lane)| {
        let digest = None;
        Ok(Wanted { id, lane, digest })
    })
}
