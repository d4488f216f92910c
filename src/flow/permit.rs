//! An attempt that is ready is let go: after a last look at the share, within half a second of it.
//!
//! What takes time, an executor does before it asks; so the look that a start rests on is as young as can be, and
//! serves all that are ready at once. A crash between the look and the permit leaves an executor that waits, and the
//! next watcher finds it; a permit whose time is over permits nothing.

use super::Error;
use super::Node;
use super::look;
use super::pool;
use super::receipt;
use crate::attempt::Permit;
use crate::attempt::Plan;
use crate::attempt::RunState;
use crate::entry::ClaimName;
use crate::event::Event;
use crate::event::Word;
use crate::id::TaskId;
use crate::journal::Fact;
use crate::planted;
use crate::planted::Bug;

/// Permits what is ready to start. Returns how many were permitted for the first time.
pub(super) fn pass(node: &mut Node) -> Result<usize, Error> {
    let starting: Vec<TaskId> = node.now.starting.keys().copied().collect();
    let mut ready = Vec::new();
    for id in starting {
        match state(node, id)? {
            Some((claim, RunState::Ready)) => ready.push((id, claim)),
            Some((_, RunState::Prepared | RunState::Preparing)) => {}
            // It goes, it is over, or it never will: `finish` looks after it.
            _ => drop(node.now.starting.remove(&id)),
        }
    }
    if ready.is_empty() {
        return Ok(0);
    }
    look(node);
    let mut permitted = 0;
    let mut failed = None;
    for (id, claim) in ready {
        match one(node, id, &claim) {
            Ok(is_first) => permitted += usize::from(is_first),
            Err(error) if error.is_fatal() => return Err(error),
            // One that cannot be told must not hold up the others.
            Err(error) => failed = Some(error),
        }
    }
    failed.map_or(Ok(permitted), Err)
}

fn state(node: &Node, id: TaskId) -> Result<Option<(String, RunState)>, Error> {
    let Some(known) = node.journal.known(id) else {
        return Ok(None);
    };
    let claim = known.claim.clone();
    let state = node.runner.state(&claim)?;
    Ok(Some((claim, state)))
}

/// The last look.
fn look(node: &mut Node) {
    if planted::is(Bug::KillswitchFromMemory) {
        node.now.view.looked = node.clock.boot();
    } else {
        look::to_start(node);
    }
}

/// Lets one go, or makes sure that it never does. Returns whether it was let go for the first time.
fn one(node: &mut Node, id: TaskId, claim: &str) -> Result<bool, Error> {
    if let Some(why) = why_not(node, id) {
        hold_back(node, id, claim, &why)?;
        return Ok(false);
    }
    // On record before it can be true: a start that nobody was told of would be worse than one that was not made.
    let told = node.now.starting.get_mut(&id).and_then(Option::take);
    let is_first = told.is_some();
    if let Some(event) = told {
        node.tell(&event);
        receipt::started(node, id);
    }
    let looked = node.now.view.looked;
    node.runner.permit(claim, &Permit { looked })?;
    Ok(is_first)
}

/// What the last look says against a start of this task.
fn why_not(node: &Node, id: TaskId) -> Option<String> {
    if let Some(trouble) = &node.now.view.trouble {
        return Some(trouble.to_string());
    }
    let known = node.journal.known(id)?;
    // Whatever the share kept us waiting for since the document was read: the window is that of the start.
    if node.clock.wall() > known.expires && !planted::is(Bug::WindowOnce) {
        return Some(format!("its time was over at {}", known.expires));
    }
    // So is its own term: the host may have slept since its lease was looked at.
    if pool::is_over(node, id) {
        return Some("the lease of its claim has run out".to_owned());
    }
    let switch = node.now.view.switch.as_ref()?;
    switch.stops(&known.lane()).map(ToString::to_string)
}

/// It does not start: the run directory is made void, and it waits in line again. An executor that was quicker has its
/// permit from an earlier look, and is ended like everything that runs, if it is to be.
fn hold_back(node: &mut Node, id: TaskId, claim: &str, why: &str) -> Result<(), Error> {
    if !node.runner.void(claim)? {
        return Ok(());
    }
    let mut event = Event::of(Word::ExecKillswitch).task(id).say(why);
    event.claim = ClaimName::parse_stem(claim);
    node.tell(&event);
    node.now.starting.remove(&id);
    node.now.running.remove(&id);
    node.now.handed.remove(&id);
    node.journal.record(Fact::Unstarted { id })?;
    // Neither its marker nor its run directory is used again.
    node.now.suspects.insert(id);
    node.line_up(id);
    Ok(())
}

/// What is told of a start.
pub(super) fn event(plan: &Plan) -> Event {
    let mut event = Event::of(Word::TaskExecStart)
        .task(plan.task)
        .peer(plan.from.clone());
    event.attempt = Some(plan.attempt);
    event.profile = Some(plan.profile.name.clone());
    event.timeout_s = Some(plan.timeout.as_secs());
    event.dangerous = Some(plan.dangerous);
    event.claim = ClaimName::parse_stem(&plan.claim);
    event
}
