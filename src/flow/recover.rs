//! What a crash left → one of the ordinary steps: from the journal once, when a node begins; from the share before
//! anything is started, and again whenever a move came to nothing that was known.

use std::collections::BTreeSet;

use super::Error;
use super::Node;
use super::finish;
use super::park;
use super::pool;
use super::receive;
use crate::attempt::RunState;
use crate::entry::ClaimName;
use crate::event::Event;
use crate::event::Word;
use crate::id::TaskId;
use crate::journal::Phase;
use crate::limits;
use crate::place::Lane;
use crate::place::Place;
use crate::share::Listed;
use crate::slots;
use crate::stage::Stage;

/// Rebuilds from the journal what was only in memory.
///
/// # Errors
/// [`Error`]: the local disk failed.
pub fn from_journal(node: &mut Node) -> Result<(), Error> {
    let open: Vec<(TaskId, Phase)> = node
        .journal
        .open_tasks()
        .map(|(id, known)| (id, known.phase))
        .collect();
    for (id, phase) in open {
        if let Some(known) = node.journal.known(id) {
            let (from, at) = (known.from.clone(), known.admitted);
            node.now.admissions.entry(from).or_default().push(at);
        }
        match phase {
            Phase::Admitted => {
                node.now.suspects.insert(id);
                node.line_up(id);
            }
            Phase::Started | Phase::Finished => {
                hold(node, id);
                match started(node, id) {
                    Ok(()) => {}
                    Err(error) if error.is_fatal() => return Err(error),
                    // It stays among those that run and is asked about in every round; the node serves the others.
                    Err(error) => {
                        let event = Event::of(Word::TaskExecErr).task(id);
                        node.tell(&event.say(&error.to_string()));
                    }
                }
            }
            Phase::Decided => {
                node.now.decided.insert(id);
            }
            Phase::Parked | Phase::Returned => {}
        }
    }
    pool::lease::resume(node);
    discard_leftovers(node);
    Ok(())
}

/// Removes run directories of tasks that went on without them: a crash came between the record and the removal. Those
/// of tasks that the journal does not know are somebody's evidence and stay.
fn discard_leftovers(node: &Node) {
    for stem in node.runner.list().unwrap_or_default() {
        let Some(claim) = ClaimName::parse_stem(&stem) else {
            continue;
        };
        let known = node.journal.known(claim.id);
        let is_needed = known.is_some_and(|known| known.claim == stem);
        let journal = &node.journal;
        let is_remembered = known.is_some()
            || journal.closed(claim.id).is_some()
            || journal.left(claim.id).is_some();
        if is_needed || !is_remembered {
            continue;
        }
        let is_over = match node.runner.state(&stem) {
            Ok(RunState::Prepared | RunState::Preparing | RunState::Ready) => {
                matches!(node.runner.void(&stem), Ok(true))
            }
            Ok(RunState::Void | RunState::Finished(_) | RunState::Lost) => true,
            _ => false,
        };
        if is_over {
            // What stays is tried again when this node starts anew.
            let _ = node.runner.discard(&stem);
        }
    }
}

/// Puts a task among those that run, with what it holds as far as that is known.
fn hold(node: &mut Node, id: TaskId) {
    let Some(known) = node.journal.known(id) else {
        return;
    };
    let plan = node.runner.plan(&known.claim).ok().flatten();
    let default =
        || crate::id::ProfileName::parse("default").expect("a plain word is a profile name");
    let (profile, resources) = plan.map_or_else(
        || (default(), Vec::new()),
        |plan| (plan.profile.name, plan.profile.resources),
    );
    let held = slots::Running {
        task: id,
        profile,
        resources,
    };
    node.now.running.insert(id, held);
}

/// A start is on record: what came of it is in its run directory.
fn started(node: &mut Node, id: TaskId) -> Result<(), Error> {
    let Some(known) = node.journal.known(id) else {
        return Ok(());
    };
    let claim = known.claim.clone();
    // An executor that is still on its way, or will never come, finds the directory void. One that has come is let go
    // by a look of this watcher, or not at all.
    if matches!(
        node.runner.state(&claim)?,
        RunState::Prepared | RunState::Absent
    ) {
        node.runner.void(&claim)?;
    }
    node.now.suspects.insert(id);
    if finish::one(node, id)? {
        node.now.running.remove(&id);
    }
    Ok(())
}

/// Looks through `processing/` and `pending-ack/` of a lane for files the journal does not know, and admits them as if
/// they had just arrived. Also finishes what was approved and not yet unparked, and clears markers that mark nothing.
///
/// # Errors
/// [`Error`]: nothing is known of this lane; it is looked through again.
pub fn strays(node: &mut Node, lane: &Lane) -> Result<(), Error> {
    for stage in [Stage::Processing, Stage::PendingAck] {
        let place = Place::Stage(lane.clone(), stage);
        let listing = match node.transport.list(&place) {
            Err(error) if error.is_absent() => continue,
            other => other?,
        };
        let mut unexpected: Vec<ClaimName> = listing
            .iter()
            // A folder or a link under such a name too: it is refused by what it is when it is opened.
            .filter_map(|entry| ClaimName::parse(&entry.name))
            .filter(|claim| !is_expected(node, stage, claim))
            .filter(|claim| !node.now.strays.contains_key(&(lane.clone(), claim.clone())))
            .collect();
        if unexpected.len() > limits::PASS_ENTRIES_MAX {
            unexpected.truncate(limits::PASS_ENTRIES_MAX);
            node.search_again(lane);
        }
        for claim in unexpected {
            stray(node, lane, stage, &claim)?;
        }
        if stage == Stage::Processing {
            clear_markers(node, &place, &listing);
        }
    }
    park::unpark_approved(node, lane)?;
    // What lies there is removed with the tasks it is about.
    match node.controls(lane) {
        Err(Error::Share(error)) if error.is_absent() => Ok(()),
        other => other.map(drop),
    }
}

/// Markers whose claim is not there: a crash came between a move and the removal. Only this node reads them.
fn clear_markers(node: &Node, place: &Place, listing: &[Listed]) {
    let names: BTreeSet<&str> = listing.iter().map(|entry| entry.name.as_str()).collect();
    let stale = names.iter().filter(|name| {
        name.strip_suffix(".start").is_some_and(|stem| {
            ClaimName::parse_stem(stem).is_some_and(|claim| {
                !names.contains(claim.to_string().as_str())
                    && node
                        .journal
                        .known(claim.id)
                        .is_none_or(|known| known.claim != stem)
            })
        })
    });
    for name in stale.take(limits::PASS_ENTRIES_MAX) {
        // What stays is cleared by the next look.
        let _ = node.transport.remove(place, name);
    }
}

/// Whether the journal says that this file lies here.
fn is_expected(node: &Node, stage: Stage, claim: &ClaimName) -> bool {
    let stem = claim.stem();
    node.journal.known(claim.id).is_some_and(|known| {
        let file = known.file.as_ref().unwrap_or(&known.claim);
        let home = known.phase == Phase::Parked;
        *file == stem
            && (home == (stage == Stage::PendingAck)
                || (known.outcome.is_some() && node.now.decided.contains(&claim.id)))
    })
}

fn stray(node: &mut Node, lane: &Lane, stage: Stage, claim: &ClaimName) -> Result<(), Error> {
    if stage == Stage::Processing {
        return receive::task(node, lane, claim);
    }
    // Whatever lies in pending-ack/ without our knowing goes through the gate like everything else.
    let fresh = claim.again_by(&node.settings.node, node.chance.nonce());
    let from = Place::Stage(lane.clone(), Stage::PendingAck);
    let to = Place::Stage(lane.clone(), Stage::Processing);
    match node
        .transport
        .advance((&from, &claim.to_string()), (&to, &fresh.to_string()))
    {
        crate::transport::Advance::Moved => receive::task(node, lane, &fresh),
        crate::transport::Advance::NotMine => Ok(()),
        crate::transport::Advance::Unknown(error) | crate::transport::Advance::Hopeless(error) => {
            Err(error.into())
        }
    }
}
