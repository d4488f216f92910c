//! A claim of our own that another member has: what runs is ended, what it made is kept as late, and the task is
//! forgotten, though not how often it was started here.
//!
//! Nothing of this decides which attempt counts: that the file is gone did. A crash in between leaves an attempt whose
//! commit comes to nothing, which leads here once more.

use super::Error;
use super::Node;
use super::lease;
use crate::attempt::StopReason;
use crate::entry::ClaimName;
use crate::event::Event;
use crate::event::Word;
use crate::flow::finish;
use crate::id::TaskId;
use crate::journal::Fact;
use crate::journal::Phase;
use crate::place::Lane;
use crate::place::Place;
use crate::stage::Stage;
use crate::transport::Advance;

/// Whether the file of a claim is gone from where this node holds it: seen after an own change to that folder, since a
/// listing may else be of the past (R5). The change is the removal of our own lease, which is made again where the
/// claim is still ours.
pub(in crate::flow) fn is_gone(node: &mut Node, lane: &Lane, id: TaskId) -> Result<bool, Error> {
    let Some(known) = node.journal.known(id) else {
        return Ok(false);
    };
    let stem = known.file.as_ref().unwrap_or(&known.claim).clone();
    let file = format!("{stem}.json");
    let processing = Place::Stage(lane.clone(), Stage::Processing);
    node.transport
        .remove(&processing, &format!("{stem}.lease"))?;
    let mut is_there = node.transport.holds(&processing, &file)?;
    if !is_there {
        let parked = Place::Stage(lane.clone(), Stage::PendingAck);
        is_there = node.transport.holds(&parked, &file)?;
    }
    if is_there {
        lease::hurry(node, id);
        lease::beat(node, id)?;
    }
    Ok(!is_there)
}

/// Another has the claim of this task: ends what runs, or forgets what waits.
pub(super) fn lost(node: &mut Node, id: TaskId) -> Result<(), Error> {
    match node.journal.known(id).map(|known| known.phase) {
        Some(Phase::Admitted | Phase::Parked | Phase::Returned) => {
            leave(node, id, "another member took it")
        }
        // Its report comes, is decided, and cannot be committed.
        Some(Phase::Started) => finish::stop(node, id, StopReason::Fenced),
        Some(Phase::Finished | Phase::Decided) | None => Ok(()),
    }
}

/// Forgets a task that is not ours any more and does not run.
pub(super) fn leave(node: &mut Node, id: TaskId, why: &str) -> Result<(), Error> {
    let Some(known) = node.journal.known(id) else {
        return Ok(());
    };
    let (stem, lane, phase) = (known.claim.clone(), known.lane(), known.phase);
    let ran = known.back.as_ref().is_some_and(|back| back.ran);
    if matches!(phase, Phase::Admitted | Phase::Returned) && !ran {
        // Never started under this claim: a marker of it must not count as a start.
        let processing = Place::Stage(lane, Stage::Processing);
        node.transport
            .remove(&processing, &format!("{stem}.start"))?;
    }
    let mut event = Event::of(Word::TaskLate).task(id).say(why);
    event.claim = ClaimName::parse_stem(&stem);
    node.tell(&event);
    forget(node, id)
}

/// Records that a task is not ours any more, and lets go of what is left of it here.
pub(super) fn forget(node: &mut Node, id: TaskId) -> Result<(), Error> {
    let Some(known) = node.journal.known(id) else {
        return Ok(());
    };
    let stem = known.claim.clone();
    node.step_out(id);
    let at = node.clock.wall();
    node.journal.record(Fact::Left { id, at })?;
    lease::let_go(node, id);
    node.now.not_before.remove(&id);
    node.now.decided.remove(&id);
    node.now.orphans.remove(&id);
    node.now.suspects.remove(&id);
    node.is_over("grant", &stem);
    match node.discard(&stem) {
        Err(error) if error.is_fatal() => Err(error),
        // What stays is removed when this node starts anew.
        _ => Ok(()),
    }
}

/// The outcome of a claim that another has: its log and its result are kept under names that say so.
pub(in crate::flow) fn keep_late(
    node: &mut Node,
    lane: &Lane,
    claim: &ClaimName,
) -> Result<(), Error> {
    let done = Place::Stage(lane.clone(), Stage::Done);
    for (from, to) in [
        (claim.log(), claim.late_log()),
        (claim.result(), claim.late_result()),
    ] {
        match node.transport.advance((&done, &from), (&done, &to)) {
            // It had no log, or a sweep was faster.
            Advance::Moved | Advance::NotMine => {}
            Advance::Unknown(error) | Advance::Hopeless(error) => return Err(error.into()),
        }
    }
    node.transport.sync(&done)?;
    let event = Event::of(Word::TaskLate).claim(claim).peer(&lane.from);
    node.tell(&event.say("another member has it; what came of this claim is kept as late"));
    forget(node, claim.id)
}
