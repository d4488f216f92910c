//! What a start needs in a pool beside what every start needs: a lease that lasts, an attempt that is left, and for
//! what is not idempotent the word of the sender's node that this very claim may start.
//!
//! A grant is sealed, about one claim, and lies in `control/` until the task is closed: nothing of it is lost by a
//! crash. What is in memory here is only when we began to ask, and what was read.

use std::collections::BTreeSet;

use super::Error;
use super::Node;
use super::fence;
use super::lease;
use super::release;
use super::starts_in;
use crate::attempt::RunState;
use crate::clock::BootTime;
use crate::entry::ClaimName;
use crate::entry::ControlKind;
use crate::entry::ControlName;
use crate::event::Event;
use crate::event::Word;
use crate::flow::decide;
use crate::flow::finish;
use crate::flow::granted;
use crate::flow::granted::Said;
use crate::id::TaskId;
use crate::journal::Back;
use crate::journal::Known;
use crate::limits;
use crate::outcome::FailureClass;
use crate::outcome::Status;
use crate::place::Lane;
use crate::place::Place;
use crate::planted;
use crate::planted::Bug;
use crate::stage::Stage;

/// A claim that needs a grant.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    claim: ClaimName,
    since: BootTime,
}

/// Which tasks the sender's node has said something about to this member, by the names of the documents.
pub(super) fn note(node: &mut Node, lane: &Lane, control: &[ControlName]) {
    let mine = ControlKind::Grant(node.settings.node.clone());
    let said: BTreeSet<TaskId> = control
        .iter()
        .filter(|name| name.kind == mine)
        .map(|name| name.id)
        .collect();
    node.now.pool.said.insert(lane.clone(), said);
}

/// Whether a claim may be started now, as far as the pool is concerned; and what follows where it never will.
pub(in crate::flow) fn may_start(
    node: &mut Node,
    id: TaskId,
    claim: &ClaimName,
    is_idempotent: bool,
) -> Result<bool, Error> {
    let Some(known) = node.journal.known(id) else {
        return Ok(false);
    };
    if !node.may_pool() || lease::held(node, id).is_none() {
        // A share that is in doubt; or a lane that this node does not serve any more: its claims are left to expire.
        return Ok(false);
    }
    if known.counted() >= finish::allowed_attempts(node, id) {
        used_up(node, id, is_idempotent)?;
        return Ok(false);
    }
    if !is_idempotent && !is_granted(node, id, claim)? {
        return Ok(false);
    }
    lasts(node, id)
}

/// Whether the lease lasts long enough to begin anything; it is beaten first where it does not.
fn lasts(node: &mut Node, id: TaskId) -> Result<bool, Error> {
    let enough = |node: &Node| {
        let least = node.clock.boot().plus(limits::LEASE_BEAT * 2);
        lease::until(node, id).is_some_and(|until| until >= least)
    };
    if !enough(node) {
        lease::beat(node, id)?;
    }
    Ok(enough(node))
}

fn is_granted(node: &mut Node, id: TaskId, claim: &ClaimName) -> Result<bool, Error> {
    let now = node.clock.boot();
    let asked = node.now.pool.grants.get(&id);
    let since = match asked.filter(|asked| asked.claim == *claim) {
        Some(asked) => asked.since,
        None => {
            let (claim, since) = (claim.clone(), now);
            node.now.pool.grants.insert(id, Asked { claim, since });
            since
        }
    };
    match said(node, id, claim)? {
        Said::Start => return Ok(true),
        Said::Refused(why) => {
            refused(node, id, &why)?;
            return Ok(false);
        }
        Said::Nothing => {}
    }
    if now.since(since) >= limits::GRANT_PATIENCE {
        let why = "its sender's node did not let it start in time".to_owned();
        release::give_back(node, id, never_ran(why))?;
    } else {
        let event = Event::of(Word::TaskGrantWait).claim(claim);
        let event = event.say("waits for its sender's node to let it start");
        node.tell_once("grant", &claim.to_string(), &event);
    }
    Ok(false)
}

/// What the sender's node says about a claim. Read when it counts, so that a grant whose time is over is none; and not
/// asked for where no such document lies there.
fn said(node: &mut Node, id: TaskId, claim: &ClaimName) -> Result<Said, Error> {
    let Some(known) = node.journal.known(id) else {
        return Ok(Said::Nothing);
    };
    let (lane, digest) = (known.lane(), known.digest);
    let seen = node.now.pool.said.get(&lane);
    if !seen.is_some_and(|seen| seen.contains(&id)) {
        return Ok(Said::Nothing);
    }
    let control = node.controls(&lane)?;
    Ok(granted::said(node, &lane, claim, digest, &control))
}

/// How a task that was not started under its claim is given back.
pub(super) const fn never_ran(why: String) -> Back {
    Back {
        not_before: None,
        ran: false,
        why,
        tried: None,
    }
}

/// Another claim may have been started.
fn refused(node: &mut Node, id: TaskId, why: &str) -> Result<(), Error> {
    let why = format!("it may have been started under another claim, and is not run again: {why}");
    let Some(mut answer) = decide::blank(node, id, Status::Indeterminate) else {
        return Ok(());
    };
    answer.class = Some(FailureClass::ExecutorLost);
    answer.detail = Some(crate::escape::excerpt(&why, 500));
    decide::decide(node, id, answer)
}

/// No attempt is left: others started it, or this node did, and nobody knows how that ended.
pub(super) fn used_up(node: &mut Node, id: TaskId, is_idempotent: bool) -> Result<(), Error> {
    let starts = node.journal.known(id).map_or(0, |known| known.starts);
    let (status, detail) = if is_idempotent {
        let why = format!("it was started {starts} times, and none of them came to a good end");
        (Status::Poison, why)
    } else {
        let why = "it was started, and how that ended is not known; it is not run again";
        (Status::Indeterminate, why.to_owned())
    };
    let Some(mut answer) = decide::blank(node, id, status) else {
        return Ok(());
    };
    let known = node.journal.known(id);
    let last = known.and_then(|known| known.tried.last()?.class);
    answer.class = last.or(Some(FailureClass::ExecutorLost));
    answer.detail = Some(detail);
    decide::decide(node, id, answer)
}

/// The marker of a start, and what the listing shows that holds it: the claim beside it, else another has it; and the
/// starts of others. Returns which attempt it is; `None` where nothing is started.
pub(in crate::flow) fn mark(
    node: &mut Node,
    known: &Known,
    claim: &ClaimName,
    is_idempotent: bool,
) -> Result<Option<u32>, Error> {
    let id = claim.id;
    let processing = Place::Stage(known.lane(), Stage::Processing);
    let marker = claim.marker();
    if node.now.suspects.contains(&id) {
        // A marker from a start that did not happen: neither it nor its run directory is used twice.
        // The run directory is on this host's own disk: a listing that does not show our own marker yet does not hide
        // it.
        let is_left = node.runner.state(&claim.stem())? != RunState::Absent;
        if is_left || node.transport.holds(&processing, &marker)? {
            let why = "a start of it did not happen".to_owned();
            release::give_back(node, id, never_ran(why))?;
            return Ok(None);
        }
        node.now.suspects.remove(&id);
    }
    let listing = if planted::is(Bug::MarkerAfterCheck) {
        let before = node.transport.list(&processing)?;
        node.transport.mark(&processing, &marker)?;
        before
    } else {
        node.transport.mark(&processing, &marker)?
    };
    let name = claim.to_string();
    if !listing.iter().any(|entry| entry.name == name) {
        fence::leave(node, id, "another member took it before it was started")?;
        return Ok(None);
    }
    let marked = starts_in(&listing, id, Some(claim));
    let starts = known.starts.max(marked);
    // What cost nothing left no marker.
    if known.counted().max(marked) >= finish::allowed_attempts(node, id) {
        // It was not started under this claim, and never will be.
        node.transport.remove(&processing, &marker)?;
        used_up(node, id, is_idempotent)?;
        return Ok(None);
    }
    Ok(Some(starts + 1))
}
