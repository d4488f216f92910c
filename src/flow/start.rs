//! A task is handed to an executor: proved again, marked, looked around for, journalled. The agent goes when `permit`
//! says so.
//!
//! The order of the steps is the guarantee (`docs/QUEUE.md`, Start): a crash between any two of them leaves something
//! that `recover` can tell apart.

use super::Error;
use super::Node;
use super::cancel;
use super::decide;
use super::hold;
use super::park;
use super::permit;
use super::pool;
use super::receipt;
use super::receive;
use super::receive::Proved;
use super::receive::Reading;
use super::retry;
use super::submission;
use crate::attempt::Lineage;
use crate::attempt::Plan;
use crate::document::Step;
use crate::document::Task;
use crate::entry::ClaimName;
use crate::event::Event;
use crate::event::Word;
use crate::id::Party;
use crate::id::TaskId;
use crate::journal::Fact;
use crate::journal::Known;
use crate::journal::Phase;
use crate::limits;
use crate::outcome::FailureClass;
use crate::outcome::Status;
use crate::place::Lane;
use crate::place::Place;
use crate::planted;
use crate::planted::Bug;
use crate::policy::Terms;
use crate::policy::Verdict;
use crate::slots;
use crate::stage::Stage;

/// Hands over what may start now. Returns how many were handed to an executor.
pub(super) fn pass(node: &mut Node) -> Result<usize, Error> {
    let mut started = 0;
    let (mut broken, mut failed) = (Vec::new(), None);
    let line: Vec<TaskId> = node.now.waiting.iter().map(|(_, _, id)| *id).collect();
    for id in line {
        if slots::free(node.settings.slots, &running(node)) == 0 {
            break;
        }
        if !is_due(node, id)
            || broken
                .iter()
                .any(|lane| lane_of(node, id).as_ref() == Some(lane))
        {
            continue;
        }
        match attempt(node, id) {
            Ok(true) => started += 1,
            Ok(false) => {}
            Err(error) if error.is_fatal() => return Err(error),
            // What fails in one lane must not hold up the others.
            Err(error) => {
                if let Some(lane) = lane_of(node, id) {
                    node.search_again(&lane);
                    broken.push(lane);
                }
                failed = Some(error);
            }
        }
    }
    failed.map_or(Ok(started), Err)
}

fn lane_of(node: &Node, id: TaskId) -> Option<Lane> {
    node.journal.known(id).map(Known::lane)
}

fn running(node: &Node) -> Vec<slots::Running> {
    node.now.running.values().cloned().collect()
}

/// Whether it may be tried now: its lane is not halted, and neither its not-before nor a pause after a miss holds it.
pub(super) fn is_due(node: &Node, id: TaskId) -> bool {
    let Some(known) = node.journal.known(id) else {
        return false;
    };
    let halted = node
        .now
        .view
        .switch
        .as_ref()
        .is_some_and(|s| s.stops(&known.lane()).is_some());
    known.phase == Phase::Admitted
        && (!known.waits() || planted::is(Bug::HoldIgnored))
        && node.settings.only.is_none_or(|only| only == id)
        && known
            .not_before
            .is_none_or(|moment| moment <= node.clock.wall())
        && node
            .now
            .not_before
            .get(&id)
            .is_none_or(|moment| *moment <= node.clock.boot())
        && !node.now.beats.is_foreign_to(&known.from)
        && !halted
        && !lacks_room(node, id)
        && !node.is_paused_for(id)
}

/// Whether it was proved before and what its profile needs is still held: then nothing of the share is asked.
fn lacks_room(node: &Node, id: TaskId) -> bool {
    let profile = node.now.profiles.get(&id);
    let profile = profile.and_then(|name| node.settings.profiles.get(name));
    profile
        .is_some_and(|profile| slots::wait(node.settings.slots, profile, &running(node)).is_some())
}

/// Steps 1 to 5. Returns whether an executor was started.
fn attempt(node: &mut Node, id: TaskId) -> Result<bool, Error> {
    let Some(known) = node.journal.known(id).cloned() else {
        return Ok(false);
    };
    let Some(claim) = ClaimName::parse_stem(&known.claim) else {
        return Ok(false);
    };
    let Some((proved, terms)) = prove(node, id, &known, &claim)? else {
        return Ok(false);
    };
    let Some(profile) = node.settings.profiles.get(&terms.profile).cloned() else {
        return Ok(false);
    };
    if node.journal.paused(&profile.name).is_some() && pool::is_pooled(&known) {
        pool::release::unfit(node, id, "its member's profile is paused")?;
        return Ok(false);
    }
    if node.journal.paused(&profile.name).is_some()
        || slots::wait(node.settings.slots, &profile, &running(node)).is_some()
    {
        node.now.profiles.insert(id, profile.name);
        return Ok(false);
    }
    let Some((claim, number)) = mark(node, &known, claim, proved.task.idempotent)? else {
        return Ok(false);
    };
    if !planted::is(Bug::CancelUnseen) && cancel::is_wanted(node, id)? {
        return Ok(false);
    }
    let at = node.clock.wall();
    node.journal.record(Fact::Started {
        id,
        claim: claim.stem(),
        attempt: number,
        at,
    })?;
    if !planted::is(Bug::StartUnsynced) {
        node.journal.sync()?;
    }
    node.step_out(id);
    let plan = Plan {
        version: 1,
        task: id,
        claim: claim.stem(),
        attempt: number,
        brief: retry::is_brief(&known),
        from: Party::from(&known.from),
        lineage: lineage(&proved.task),
        profile: profile.clone(),
        dangerous: terms.dangerous,
        timeout: terms.timeout,
        stall: terms.stall,
        max_output_bytes: terms.max_output_bytes,
        handed: node.clock.boot(),
        lease: pool::lease::until(node, id),
        prior: hold::handed_on(&known),
    };
    hand_over(node, &plan, &proved)
}

fn lineage(task: &Task) -> Lineage {
    Lineage {
        hop: task.hop,
        root: task.root,
        correlation: task.correlation.clone(),
    }
}

/// Step 1: the claimed bytes, read and judged once more.
fn prove(
    node: &mut Node,
    id: TaskId,
    known: &Known,
    claim: &ClaimName,
) -> Result<Option<(Proved, Terms)>, Error> {
    let lane = known.lane();
    let processing = Place::Stage(lane.clone(), Stage::Processing);
    let Reading::Proved(proved) = receive::read(node, &lane, &processing, &claim.to_string())
    else {
        // Perhaps it lies under another name: a reply that came late, or a person's hand.
        node.search_again(&lane);
        return Ok(None);
    };
    if proved.digest != known.digest {
        // Somebody replaced the file under a claim of ours: nothing that was admitted is here any more.
        let event = Event::of(Word::TaskReuse)
            .claim(claim)
            .say("replaced while it waited");
        node.tell_once("replaced", &claim.to_string(), &event);
        return Ok(None);
    }
    if let Err(refusal) = receive::window(node, &proved.task, proved.legacy) {
        let (code, why) = (refusal.reason.as_str(), refusal.to_string());
        let status = if code == "E_EXPIRED" {
            Status::Expired
        } else {
            Status::Rejected
        };
        decide::without_run(node, id, status, Some(code), &why)?;
        return Ok(None);
    }
    if let Some(first) = submission::first_after_all(node, id, known, &proved.task) {
        submission::refuse(node, id, first)?;
        return Ok(None);
    }
    let verdict = receive::terms(node, &known.from, &proved);
    if let Verdict::Reject(denial) = &verdict {
        if pool::is_pooled(known) {
            // Admitted by other terms than those of now: another member may have what this one lacks.
            pool::release::unfit(node, id, &denial.sentence)?;
            return Ok(None);
        }
        let code = denial.code.as_str();
        decide::without_run(node, id, Status::Rejected, Some(code), &denial.sentence)?;
        return Ok(None);
    }
    let why = match &verdict {
        Verdict::NeedsAck(_, why) => why.clone(),
        _ => String::new(),
    };
    let Some((terms, needs_ack)) = receive::terms_of(verdict) else {
        return Ok(None);
    };
    if needs_ack && !planted::is(Bug::ApprovalAssumed) && !park::is_approved(node, known, &terms) {
        let asks = park::Asks {
            why: &why,
            terms: &terms,
            request: &proved.task.request,
        };
        park::park(node, id, &asks)?;
        return Ok(None);
    }
    // Approved since, or before this process began.
    receipt::note(node, &lane, &proved.task, proved.digest, Step::Accepted);
    Ok(Some((*proved, terms)))
}

/// Step 2: the marker, and a fresh listing that shows it beside the claim. Where a marker may be there from a start
/// that did not happen, the file is moved to a fresh name first: neither markers nor run directories are used twice.
/// Returns under which claim it is started, and which attempt it is.
fn mark(
    node: &mut Node,
    known: &Known,
    claim: ClaimName,
    is_idempotent: bool,
) -> Result<Option<(ClaimName, u32)>, Error> {
    if pool::is_pooled(known) {
        if !pool::permit::may_start(node, claim.id, &claim, is_idempotent)? {
            return Ok(None);
        }
        let number = pool::permit::mark(node, known, &claim, is_idempotent)?;
        return Ok(number.map(|number| (claim, number)));
    }
    let processing = Place::Stage(known.lane(), Stage::Processing);
    let mut claim = claim;
    if known.misses > 0 || node.now.suspects.contains(&claim.id) {
        let nonce = if planted::is(Bug::ClaimNameReused) {
            claim.nonce
        } else {
            node.chance.nonce()
        };
        let fresh = claim.again_by(&node.settings.node, nonce);
        let (from, to) = (claim.to_string(), fresh.to_string());
        match node
            .transport
            .advance((&processing, &from), (&processing, &to))
        {
            crate::transport::Advance::Moved => {}
            _ => {
                node.search_again(&known.lane());
                return Ok(None);
            }
        }
        node.now.suspects.remove(&fresh.id);
        node.journal.record(Fact::Held {
            id: fresh.id,
            claim: fresh.stem(),
        })?;
        if node.transport.remove(&processing, &claim.marker()).is_err() {
            node.search_again(&known.lane());
        }
        // Voided, or of an attempt that is over: nobody asks for it under the fresh name.
        node.journal.sync()?;
        let _ = node.runner.discard(&claim.stem());
        claim = fresh;
    }
    let listing = node.transport.mark(&processing, &claim.marker())?;
    let name = claim.to_string();
    if listing.iter().any(|entry| entry.name == name) {
        return Ok(Some((claim, known.starts + 1)));
    }
    // The claim is gone: a person moved it, or the server rolled back. The marker says nothing to anybody now.
    node.transport.remove(&processing, &claim.marker()).ok();
    let event = Event::of(Word::TaskLate)
        .claim(&claim)
        .say("its file is gone from processing/");
    node.tell_once("gone", &name, &event);
    node.search_again(&known.lane());
    Ok(None)
}

/// Step 5.
fn hand_over(node: &mut Node, plan: &Plan, proved: &Proved) -> Result<bool, Error> {
    let id = plan.task;
    let held = slots::Running {
        task: id,
        profile: plan.profile.name.clone(),
        resources: plan.profile.resources.clone(),
    };
    // Before anything can fail: what is on record as started is looked at in every round.
    node.now.running.insert(id, held);
    match node.runner.start(plan, &proved.bytes, &proved.task.request) {
        Ok(()) => {
            node.now.handed.insert(id);
            let event = permit::event(plan).quote("", &proved.task.request);
            node.now.starting.insert(id, Some(event));
            Ok(true)
        }
        Err(error) => {
            let event = Event::of(Word::ExecSpawnErr)
                .task(id)
                .say(&error.to_string());
            node.tell(&event);
            // Voided: nothing can have started under this name; else the executor has it and is found by its run
            // directory.
            if node.runner.void(&plan.claim)? {
                node.now.running.remove(&id);
                missed(node, id, &error.to_string())?;
            }
            Ok(false)
        }
    }
}

/// A start that provably did not happen: it costs no attempt, and is tried again with growing pauses, a few times.
pub(super) fn missed(node: &mut Node, id: TaskId, why: &str) -> Result<(), Error> {
    node.journal.record(Fact::Unstarted { id })?;
    let misses = node.now.misses.entry(id).or_default();
    *misses += 1;
    let misses = *misses;
    if misses >= limits::MISSES_MAX {
        node.now.misses.remove(&id);
        let Some(mut answer) = decide::blank(node, id, Status::Error) else {
            return Ok(());
        };
        answer.class = Some(FailureClass::Spawn);
        answer.detail = Some(format!("it could not be started {misses} times: {why}"));
        return decide::decide(node, id, answer);
    }
    try_again_later(node, id, misses);
    Ok(())
}

/// A start whose permit was over before the agent could go. That says how busy this host is and nothing about the task,
/// so it is never given up for it.
pub(super) fn late(node: &mut Node, id: TaskId) -> Result<(), Error> {
    node.journal.record(Fact::Unstarted { id })?;
    let misses = node.journal.known(id).map_or(0, |known| known.misses);
    try_again_later(node, id, misses);
    Ok(())
}

fn try_again_later(node: &mut Node, id: TaskId, misses: u32) {
    // Neither its marker nor its run directory is used again.
    node.now.suspects.insert(id);
    let pause = limits::MISS_PAUSE * misses.min(8);
    node.now
        .not_before
        .insert(id, node.clock.boot().plus(pause));
    node.line_up(id);
}
