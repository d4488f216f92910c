//! `inbox/` → `processing/`: takes tasks in, the most urgent and oldest first, a bounded number ahead of free slots.
//!
//! A crash after the rename leaves a file in `processing/` that the journal does not know; `recover` admits it as if it
//! had just arrived.

use std::collections::BTreeMap;

use super::Error;
use super::Node;
use super::hold;
use super::junk;
use super::receive;
use crate::entry;
use crate::entry::ClaimName;
use crate::entry::QueuedName;
use crate::event::Event;
use crate::event::Word;
use crate::id::Priority;
use crate::id::TaskId;
use crate::journal::Known;
use crate::limits;
use crate::place::Lane;
use crate::place::Place;
use crate::share::EntryKind;
use crate::share::Listed;
use crate::stage::Stage;
use crate::transport::Advance;

/// Takes in what this lane's inbox holds, as far as there is room. Returns how many were taken.
pub(super) fn pass(node: &mut Node, lane: &Lane) -> Result<usize, Error> {
    let inbox = Place::Stage(lane.clone(), Stage::Inbox);
    let most = limits::INBOX_NAMES_MAX;
    let (listing, is_part) = match node.transport.list_part(&inbox, most) {
        // A lane of a peer that never sent anything is not laid out yet.
        Err(error) if error.is_absent() => return Ok(0),
        other => other?,
    };
    note_flood(node, lane, is_part);
    node.saw(&inbox, &listing);
    let (mut queued, unknown) = sort(node, lane, listing);
    junk::pass(node, lane, unknown)?;
    if queued.iter().any(|entry| !entry.is_due) {
        let control = node.controls(lane)?;
        hold::leave_closed(node, lane, &mut queued, &control);
    }
    if backlog(node, lane) >= limits::PASS_ENTRIES_MAX {
        return Ok(0);
    }
    let mut room = room(node, lane);
    let mut taken = 0;
    for entry in queued {
        let left = room.entry(entry.name.priority).or_default();
        if *left == 0 {
            continue;
        }
        if taken == limits::PASS_ENTRIES_MAX {
            break;
        }
        if take(node, lane, &inbox, &entry)? {
            // What was refused or parked takes nobody's place: forged tasks would keep good ones out of the line.
            let ticket = node.ticket(entry.name.id);
            let is_in_line = ticket.is_some_and(|ticket| node.now.waiting.contains(&ticket));
            // One that was just told it may start is in line a moment later.
            let known = node.journal.known(entry.name.id);
            if is_in_line || known.is_some_and(Known::waits) {
                *left -= 1;
            }
            taken += 1;
        }
    }
    Ok(taken)
}

/// Says once that a peer has put more into its inbox than one look takes; it is served in parts.
pub(super) fn note_flood(node: &mut Node, lane: &Lane, is_part: bool) {
    let state = lane.to_string();
    if is_part {
        let why = "more lies in this inbox than one look takes: it is served in parts, each in its own order";
        let event = Event::of(Word::WatcherErr).peer(&lane.from).say(why);
        node.tell_once("flood", &state, &event);
    } else {
        node.is_over("flood", &state);
    }
}

/// An entry of an inbox: its name on the share, and what the name means.
pub(super) struct Queued {
    pub file: String,
    pub name: QueuedName,
    /// Whether its name lets it be opened now.
    pub is_due: bool,
}

/// Tells tasks from everything else, and puts them in order.
pub(super) fn sort(node: &Node, lane: &Lane, listing: Vec<Listed>) -> (Vec<Queued>, Vec<Listed>) {
    let now = node.clock.wall();
    let legacy = receive::accepts_v2(node, lane);
    let (mut queued, mut unknown) = (Vec::new(), Vec::new());
    for entry in listing {
        let name = QueuedName::parse(&entry.name).or_else(|| {
            let id = entry::legacy_task(&entry.name).filter(|_| legacy)?;
            Some(QueuedName {
                id,
                priority: Priority::Normal,
                generation: 1,
                not_before: None,
            })
        });
        match name {
            Some(name) if entry.kind == EntryKind::File && entry.raw.is_none() => {
                let is_due = name.not_before.is_none_or(|moment| moment <= now);
                queued.push(Queued {
                    file: entry.name,
                    name,
                    is_due,
                });
            }
            _ => unknown.push(entry),
        }
    }
    queued.sort_by_key(|entry| (entry.name.priority, entry.name.id.age_key()));
    (queued, unknown)
}

/// How many outcomes of this lane wait to be delivered. Where that does not work, nothing more is taken in: each task
/// that is refused makes one more of them.
pub(super) fn backlog(node: &Node, lane: &Lane) -> usize {
    let decided = node.now.decided.iter();
    decided.filter(|id| is_of(node, lane, **id)).count()
}

fn is_of(node: &Node, lane: &Lane, id: TaskId) -> bool {
    let known = node.journal.known(id);
    known.is_some_and(|known| known.lane() == *lane)
}

/// How many more tasks of each priority of this lane may wait in `processing/`. Each lane has room of its own: the
/// tasks of one peer may wait for days.
fn room(node: &Node, lane: &Lane) -> BTreeMap<Priority, usize> {
    let mut room: BTreeMap<Priority, usize> = Priority::ALL
        .iter()
        .map(|priority| (*priority, limits::ADMITTED_AHEAD_MAX))
        .collect();
    let waiting = node.now.waiting.iter();
    for (priority, _, _) in waiting.filter(|(_, _, id)| is_of(node, lane, *id)) {
        let left = room.entry(*priority).or_default();
        *left = left.saturating_sub(1);
    }
    room
}

fn take(node: &mut Node, lane: &Lane, inbox: &Place, entry: &Queued) -> Result<bool, Error> {
    let claim: ClaimName = entry
        .name
        .claimed_by(&node.settings.node, node.chance.nonce());
    let processing = Place::Stage(lane.clone(), Stage::Processing);
    match node
        .transport
        .advance((inbox, &entry.file), (&processing, &claim.to_string()))
    {
        Advance::Moved => {
            let now = node.clock.boot();
            node.now.fresh.took(inbox, &entry.file, now);
            receive::task(node, lane, &claim)?;
            Ok(true)
        }
        // Somebody removed it, or it comes late and is then found in processing/.
        Advance::NotMine => {
            node.search_again(lane);
            Ok(false)
        }
        Advance::Unknown(error) | Advance::Hopeless(error) => Err(error.into()),
    }
}
