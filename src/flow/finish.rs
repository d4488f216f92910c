//! An executor's report → a decided outcome, or another attempt.

use std::time::Duration;

use super::Error;
use super::Node;
use super::decide;
use super::permit;
use super::pool;
use super::retry;
use super::start;
use crate::attempt::Report;
use crate::attempt::RunState;
use crate::attempt::StopReason;
use crate::clock::Timestamp;
use crate::document::Answer;
use crate::event::Event;
use crate::event::Word;
use crate::history::Tried;
use crate::id::TaskId;
use crate::journal::Fact;
use crate::journal::Phase;
use crate::limits;
use crate::outcome::FailureClass;
use crate::outcome::Status;
use crate::planted;
use crate::planted::Bug;

/// Looks at every attempt that runs. Returns how many ended.
pub(super) fn pass(node: &mut Node) -> Result<usize, Error> {
    let running: Vec<TaskId> = node.now.running.keys().copied().collect();
    let mut ended = 0;
    let mut failed = None;
    for id in running {
        match one(node, id) {
            Ok(true) => {
                node.now.running.remove(&id);
                node.now.handed.remove(&id);
                node.now.stops.remove(&id);
                node.now.starting.remove(&id);
                ended += 1;
            }
            Ok(false) => {}
            Err(error) if error.is_fatal() => return Err(error),
            // One run directory that cannot be read says nothing about the others.
            Err(error) => failed = Some(error),
        }
    }
    failed.map_or(Ok(ended), Err)
}

/// Ends everything that runs; each reports as usual.
pub fn stop_all(node: &mut Node, reason: StopReason) -> Result<(), Error> {
    let running: Vec<TaskId> = node.now.running.keys().copied().collect();
    let mut failed = None;
    for id in running {
        // One that cannot be told must not save the others.
        if let Err(error) = stop(node, id, reason) {
            failed = Some(error);
        }
    }
    failed.map_or(Ok(()), Err)
}

/// Ends one attempt.
pub(super) fn stop(node: &mut Node, id: TaskId, reason: StopReason) -> Result<(), Error> {
    let Some(known) = node.journal.known(id) else {
        return Ok(());
    };
    let claim = known.claim.clone();
    node.runner.stop(&claim, reason)?;
    let event = Event::of(Word::TaskExecStop).task(id).code(reason.as_str());
    node.tell_once("stop", &format!("{claim} {reason}"), &event);
    Ok(())
}

/// Ends one attempt because somebody says so. What is said is told in the outcome, if it ends so.
pub(super) fn stop_for(
    node: &mut Node,
    id: TaskId,
    (reason, status): (StopReason, Status),
    why: &str,
) -> Result<(), Error> {
    let stops = &mut node.now.stops;
    stops.entry(id).or_insert_with(|| (status, why.to_owned()));
    stop(node, id, reason)
}

/// Looks at one attempt. Returns whether it is over. Also used for what a restarted node finds.
pub(super) fn one(node: &mut Node, id: TaskId) -> Result<bool, Error> {
    let Some(known) = node.journal.known(id) else {
        return Ok(true);
    };
    let (claim, phase) = (known.claim.clone(), known.phase);
    if !matches!(phase, Phase::Started | Phase::Finished) {
        // Something failed after its end was on record. Nothing is left but to line it up, where that came after.
        if phase == Phase::Admitted {
            node.line_up(id);
        }
        return Ok(true);
    }
    match node.runner.state(&claim)? {
        RunState::Running => {
            node.now.handed.insert(id);
            Ok(false)
        }
        RunState::Preparing | RunState::Ready => {
            node.now.handed.insert(id);
            if !node.now.starting.contains_key(&id) {
                // Found by a watcher that did not begin it.
                let plan = node.runner.plan(&claim)?;
                let event = plan.map(|plan| permit::event(&plan));
                node.now.starting.insert(id, event);
            }
            never_taken(node, id, &claim, limits::READY_MAX)
        }
        RunState::Prepared => never_taken(node, id, &claim, limits::HAND_OVER_MAX),
        RunState::Void if phase == Phase::Started => {
            never_started(node, id)?;
            Ok(true)
        }
        RunState::Void | RunState::Absent => {
            absent(node, id, &claim, phase)?;
            Ok(true)
        }
        RunState::Finished(report) => {
            reported(node, id, &claim, &report)?;
            Ok(true)
        }
        RunState::Lost => {
            let ended = node.runner.sweep(&claim)?;
            lost(node, id, &claim, ended)?;
            Ok(true)
        }
    }
}

/// No run directory: the watcher ended before it made one, and nothing was started. But where this process made or saw
/// it, where it had ended, or where something still runs, somebody removed it, and starting again would be the second
/// time.
fn absent(node: &mut Node, id: TaskId, claim: &str, phase: Phase) -> Result<(), Error> {
    let ended = node.runner.sweep(claim)?;
    if ended > 0 || phase == Phase::Finished || node.now.handed.contains(&id) {
        return lost(node, id, claim, ended);
    }
    never_started(node, id)
}

/// A start that did not happen is told: it costs the task nothing but time, and somebody wonders where that went.
fn never_started(node: &mut Node, id: TaskId) -> Result<(), Error> {
    let why = "no executor took it";
    node.tell(&Event::of(Word::ExecSpawnErr).task(id).say(why));
    start::missed(node, id, why)
}

/// An executor that died or hangs before it took its run directory will never report. Making sure loses nothing.
fn never_taken(node: &mut Node, id: TaskId, claim: &str, most: Duration) -> Result<bool, Error> {
    // Orders that cannot be read (a full disk, while they were written) are nothing to wait for.
    let plan = node.runner.plan(claim).ok().flatten();
    let handed = plan.map(|plan| plan.handed);
    let now = node.clock.boot();
    if handed.is_some_and(|handed| now.since(handed) < most) {
        return Ok(false);
    }
    if !node.runner.void(claim)? {
        return Ok(false);
    }
    never_started(node, id)?;
    Ok(true)
}

fn reported(node: &mut Node, id: TaskId, claim: &str, report: &Report) -> Result<(), Error> {
    // A crash or a failed seal after this fact leads here once more.
    let known = node.journal.known(id);
    if known.is_some_and(|known| known.phase == Phase::Started) {
        if !report.started && !is_final(report) {
            start::late(node, id)?;
            return let_go(node, claim);
        }
        if report.class == Some(FailureClass::LeaseLost) && may_go_elsewhere(node, id)? {
            let Some(tried) = node
                .journal
                .known(id)
                .map(|known| retry::cut_off(known, report))
            else {
                return Ok(());
            };
            let why = "its member lost touch with the share";
            return pool::release::try_elsewhere(node, id, tried, why);
        }
        retry::pause_profile(node, claim, report)?;
        if let retry::Next::Again(tried, not_before) = retry::after(node, id, report) {
            retry::tell(node, id, &tried, not_before);
            return again(node, id, claim, tried, not_before);
        }
        node.journal.record(Fact::Finished { id })?;
    }
    let Some(mut answer) = decide::blank(node, id, report.status) else {
        return Ok(());
    };
    fill(&mut answer, report);
    // After a crash the same follows from the same report, but for another attempt: that was decided against.
    if let retry::Next::GivenUp(status, why) = retry::after(node, id, report) {
        answer.status = status;
        let said = report.detail.as_deref().unwrap_or("says no more");
        answer.detail = Some(format!("{why} failed: {said}"));
    }
    if let Some((status, why)) = node.now.stops.get(&id)
        && *status == report.status
    {
        answer.detail = Some(why.clone());
    }
    decide::decide(node, id, answer)
}

/// Whether a task whose own term ran out is still held here, and may be started once more.
fn may_go_elsewhere(node: &mut Node, id: TaskId) -> Result<bool, Error> {
    let Some(known) = node.journal.known(id) else {
        return Ok(false);
    };
    if !pool::is_pooled(known) || known.counted() >= allowed_attempts(node, id) {
        return Ok(false);
    }
    let lane = known.lane();
    Ok(!pool::fence::is_gone(node, &lane, id)?)
}

/// Whether trying again would only show the same: a layer or a program that is missing here.
const fn is_final(report: &Report) -> bool {
    matches!(
        report.class,
        Some(FailureClass::Containment | FailureClass::Spawn)
    ) || matches!(report.status, Status::Cancelled | Status::Killed)
}

fn fill(answer: &mut Answer, report: &Report) {
    answer.exit_code = report.exit_code;
    answer.signal = report.signal;
    answer.started = report.started.then_some(report.began);
    answer.finished = Some(report.ended);
    answer.elapsed_ms = report.elapsed_ms;
    answer.suspended_ms = Some(report.suspended_ms).filter(|ms| *ms > 0);
    answer.output_bytes = report.output_bytes;
    answer.output_truncated = report.output_truncated;
    answer.log_sha256 = Some(report.log_sha256);
    answer.log_bytes = Some(report.log_bytes);
    answer.final_text.clone_from(&report.final_text);
    answer.containment = report.containment.iter().map(ToString::to_string).collect();
    answer.class = report.class;
    answer.detail.clone_from(&report.detail);
    answer.retry_at = report.retry_at;
    answer.model.clone_from(&report.model);
    answer.turns = report.turns;
    answer.tokens = report.tokens;
    answer.cost_microusd = report.cost_microusd;
    answer.session.clone_from(&report.session);
    answer.denials = report.denials;
    answer.leftovers = Some(u64::from(report.leftovers)).filter(|count| *count > 0);
}

/// The executor vanished without a report: what the agent did is not known. Its leftovers are ended; then the task runs
/// again only if that does no harm.
fn lost(node: &mut Node, id: TaskId, claim: &str, ended: u32) -> Result<(), Error> {
    let mut event = Event::of(Word::TaskExecSweep)
        .task(id)
        .say("the executor vanished");
    event.count = Some(u64::from(ended));
    // What cannot be sealed or written down comes here again in every round.
    node.tell_once("lost", &format!("{claim} {ended}"), &event);
    let allowed = allowed_attempts(node, id);
    let Some(known) = node.journal.known(id) else {
        return Ok(());
    };
    let starts = known.counted();
    if starts < allowed {
        let tried = retry::vanished(node, known);
        if pool::is_pooled(known) {
            return pool::release::try_elsewhere(node, id, tried, "the executor vanished");
        }
        return again(node, id, claim, tried, None);
    }
    let (status, detail) = if allowed > 1 {
        (
            Status::Poison,
            format!("the executor vanished in each of {starts} attempts"),
        )
    } else {
        let why = "the executor vanished; what the agent did is not known, and it is not run again";
        (Status::Indeterminate, why.to_owned())
    };
    let Some(mut answer) = decide::blank(node, id, status) else {
        return Ok(());
    };
    answer.class = Some(FailureClass::ExecutorLost);
    answer.detail = Some(detail);
    decide::decide(node, id, answer)
}

/// How often the task may be started in all, by its own word and by policy now. Not known: once.
pub(super) fn allowed_attempts(node: &Node, id: TaskId) -> u32 {
    let Some(known) = node.journal.known(id) else {
        return 1;
    };
    if planted::is(Bug::LostRunsAgain) {
        return 3;
    }
    let policy = node.settings.peers.get(&known.from);
    policy.map_or(1, |peer| known.attempts_max.min(peer.attempts_max))
}

/// Puts it in line for its next attempt. Nothing of the share is asked: whether the share answers now says nothing
/// about the task. The start takes a fresh claim, as after every start that was interrupted.
fn again(
    node: &mut Node,
    id: TaskId,
    claim: &str,
    tried: Tried,
    not_before: Option<Timestamp>,
) -> Result<(), Error> {
    let Some(known) = node.journal.known(id) else {
        return Ok(());
    };
    if pool::is_pooled(known) {
        return pool::release::try_again(node, id, tried, not_before);
    }
    let file = known.file.as_deref().unwrap_or(claim).to_owned();
    node.journal.record(Fact::Again {
        id,
        claim: file,
        not_before,
        tried: Some(tried),
    })?;
    node.now.suspects.insert(id);
    node.line_up(id);
    let_go(node, claim)
}

/// Removes a run directory that is over. One that stays is no reason to stop: the next start takes a fresh name, and
/// what is left is removed when this node starts anew.
fn let_go(node: &mut Node, claim: &str) -> Result<(), Error> {
    match node.discard(claim) {
        Err(error) if error.is_fatal() => Err(error),
        _ => Ok(()),
    }
}
