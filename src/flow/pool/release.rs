//! A claim of our own that will not be started, or ran in vain → `inbox/`, for whoever is free.
//!
//! First the record that it will not be started under this claim, then the sealed word of it, then the move. A crash in
//! between leads on from the record; whoever takes the claim meanwhile finds a claim that never starts.

use super::Error;
use super::Node;
use super::candidate::Left;
use super::fence;
use super::is_pooled;
use super::permit;
use crate::clock::Timestamp;
use crate::entry::ClaimName;
use crate::event::Event;
use crate::event::Word;
use crate::flow::granted;
use crate::history::Tried;
use crate::id::TaskId;
use crate::journal::Back;
use crate::journal::Fact;
use crate::journal::Phase;
use crate::limits;
use crate::outcome::FailureClass;
use crate::place::Place;
use crate::stage::Stage;
use crate::transport::Advance;

/// Gives a claim back.
pub(in crate::flow) fn give_back(node: &mut Node, id: TaskId, back: Back) -> Result<(), Error> {
    node.step_out(id);
    node.journal.record(Fact::Returned { id, back })?;
    node.journal.sync()?;
    node.now.suspects.remove(&id);
    node.now.not_before.remove(&id);
    finish(node, id)
}

/// Another attempt, by whoever is free, after a pause that grows with the attempts.
pub(in crate::flow) fn try_elsewhere(
    node: &mut Node,
    id: TaskId,
    tried: Tried,
    why: &str,
) -> Result<(), Error> {
    let starts = node.journal.known(id).map_or(1, |known| known.starts);
    let pause = limits::RETRY_PAUSE * starts.max(1);
    let back = Back {
        not_before: Some(node.clock.wall().plus(pause)),
        ran: true,
        why: why.to_owned(),
        tried: Some(tried),
    };
    give_back(node, id, back)
}

/// Another attempt after one that failed, by whoever is free then.
pub(in crate::flow) fn try_again(
    node: &mut Node,
    id: TaskId,
    tried: Tried,
    not_before: Option<Timestamp>,
) -> Result<(), Error> {
    let class = tried.class.map_or("error", FailureClass::as_str);
    let back = Back {
        not_before,
        ran: true,
        why: format!("attempt {} failed: {class}", tried.attempt),
        tried: Some(tried),
    };
    give_back(node, id, back)
}

/// Gives the word that a claim never starts under the name it has, before it gets another one for the time that it is
/// parked: its sender may have looked in between and let it start, and the next name would be one claim too many.
pub(in crate::flow) fn disown(node: &mut Node, id: TaskId) -> Result<(), Error> {
    let Some(known) = node.journal.known(id).filter(|known| is_pooled(known)) else {
        return Ok(());
    };
    let Some(claim) = ClaimName::parse_stem(&known.claim) else {
        return Ok(());
    };
    let is_said = node.now.pool.held.get(&id).is_some_and(|it| it.disowned);
    if known.attempts_max != 1 || is_said {
        return Ok(());
    }
    let (lane, digest) = (known.lane(), known.digest);
    granted::release(node, &lane, &claim, digest, "it waits for an approval")?;
    if let Some(held) = node.now.pool.held.get_mut(&id) {
        held.disowned = true;
    }
    Ok(())
}

/// Gives back what this member admitted and would not take in now: its profile, or what its policy allows, is not what
/// it was.
pub(in crate::flow) fn unfit(node: &mut Node, id: TaskId, why: &str) -> Result<(), Error> {
    give_back(node, id, permit::never_ran(why.to_owned()))
}

/// Gives back what waits for a start here: this node drains or stops. What waits for an approval stays: the approval is
/// addressed to this node.
pub(in crate::flow) fn all(node: &mut Node, why: &str) -> Result<(), Error> {
    let waiting: Vec<TaskId> = node
        .journal
        .open_tasks()
        .filter(|(_, known)| is_pooled(known) && known.phase == Phase::Admitted)
        .map(|(id, _)| id)
        .collect();
    each(waiting, |id| {
        give_back(node, id, permit::never_ran(why.to_owned()))
    })
}

/// Goes on with what is on its way back.
pub(in crate::flow) fn pass(node: &mut Node) -> Result<(), Error> {
    let returned: Vec<TaskId> = node
        .journal
        .open_tasks()
        .filter(|(_, known)| is_pooled(known) && known.phase == Phase::Returned)
        .map(|(id, _)| id)
        .collect();
    each(returned, |id| finish(node, id))
}

/// What fails for one is tried for the next.
fn each(ids: Vec<TaskId>, mut act: impl FnMut(TaskId) -> Result<(), Error>) -> Result<(), Error> {
    let mut failed = None;
    for id in ids {
        match act(id) {
            Ok(()) => {}
            Err(error) if error.is_fatal() => return Err(error),
            Err(error) => failed = Some(error),
        }
    }
    failed.map_or(Ok(()), Err)
}

fn finish(node: &mut Node, id: TaskId) -> Result<(), Error> {
    let Some(known) = node.journal.known(id).cloned() else {
        return Ok(());
    };
    let stem = known.file.as_ref().unwrap_or(&known.claim);
    let (Some(back), Some(claim)) = (&known.back, ClaimName::parse_stem(stem)) else {
        return Ok(());
    };
    let lane = known.lane();
    let processing = Place::Stage(lane.clone(), Stage::Processing);
    if !back.ran {
        // What may be started once in all needs the word of this member that this claim was not.
        if known.attempts_max == 1 {
            granted::release(node, &lane, &claim, known.digest, &back.why)?;
        }
    }
    let is_free = back.tried.as_ref().is_some_and(|tried| tried.free);
    if !back.ran || is_free {
        // Before anybody can claim it again: a marker counts as a start.
        node.transport
            .remove(&processing, &format!("{}.start", known.claim))?;
    }
    let inbox = Place::Stage(lane.clone(), Stage::Inbox);
    let queued = claim.returned(back.not_before);
    match node.transport.advance(
        (&processing, &claim.to_string()),
        (&inbox, &queued.to_string()),
    ) {
        Advance::Moved => {
            let event = Event::of(Word::TaskReturn).claim(&claim).peer(&lane.from);
            node.tell(&event.say(&back.why));
            // Others come first: what kept it from being started here may not keep it there.
            let later = node.clock.boot().plus(limits::REAP_LOOK);
            let left = (lane, queued.to_string());
            node.now.pool.passed_over.insert(left, Left::Until(later));
            fence::forget(node, id)
        }
        Advance::NotMine => {
            if fence::is_gone(node, &lane, id)? {
                fence::leave(node, id, "another member took it before it was given back")?;
            }
            Ok(())
        }
        Advance::Unknown(error) | Advance::Hopeless(error) => Err(error.into()),
    }
}
