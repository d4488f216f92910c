//! The sealed task itself, wherever it lies: read once, proved, shown.

use crate::clock::Timestamp;
use crate::document::Task;
use crate::entry;
use crate::entry::ClaimName;
use crate::entry::QueuedName;
use crate::flow::ack;
use crate::flow::collect::Whereabouts;
use crate::flow::send::Sender;
use crate::id::Digest;
use crate::id::TaskId;
use crate::limits;
use crate::place::Lane;
use crate::place::Place;
use crate::share::ShareError;
use crate::stage::Stage;

/// A task file on the share.
#[derive(Debug, Clone)]
pub struct Sealed {
    /// Where it lies.
    pub place: Place,
    /// Its name there.
    pub name: String,
    /// The task and what its outcome must name; or why it is not believed.
    pub read: Result<(Task, Digest), String>,
    /// When it came there, by the server's clock.
    pub since: Option<Timestamp>,
}

/// Finds the file of a task, by where it was found.
///
/// # Errors
/// [`ShareError`]: nothing is known now.
pub fn file(
    sender: &Sender,
    lane: &Lane,
    id: TaskId,
    found: &Whereabouts,
) -> Result<Option<Sealed>, ShareError> {
    let places = match found {
        Whereabouts::Answered(answered) => vec![
            answered.place.clone(),
            Place::Stage(lane.clone(), Stage::Rejected),
        ],
        Whereabouts::Open(stage, _) => vec![Place::Stage(lane.clone(), *stage)],
        Whereabouts::Doubtful(_) | Whereabouts::Absent => [Stage::Done, Stage::Rejected]
            .map(|stage| Place::Stage(lane.clone(), stage))
            .to_vec(),
    };
    let wanted = match found {
        Whereabouts::Answered(answered) => answered.answer.claim.as_ref(),
        Whereabouts::Open(_, claim) => claim.as_ref(),
        Whereabouts::Doubtful(_) | Whereabouts::Absent => None,
    };
    for place in places {
        let listing = match sender.transport.list(&place) {
            Err(error) if error.is_absent() => continue,
            other => other?,
        };
        let is_it = |name: &str| match wanted {
            Some(claim) => claim.to_string() == name,
            None => {
                ClaimName::parse(name).is_some_and(|claim| claim.id == id)
                    || QueuedName::parse(name).is_some_and(|queued| queued.id == id)
                    || entry::legacy_task(name) == Some(id)
            }
        };
        if let Some(entry) = listing.into_iter().find(|entry| is_it(&entry.name)) {
            return Ok(Some(read(sender, lane, place, entry.name)));
        }
    }
    Ok(None)
}

fn read(sender: &Sender, lane: &Lane, place: Place, name: String) -> Sealed {
    let read = sender
        .transport
        .read(&place, &name, limits::TASK_BYTES_MAX)
        .map_err(|error| error.to_string())
        .and_then(|bytes| ack::prove(sender, lane, bytes).map_err(|refusal| refusal.to_string()));
    let since = sender.transport.attributes(&place, &name).ok();
    Sealed {
        since: since.map(|seen| seen.changed),
        place,
        name,
        read,
    }
}
