//! A decided outcome reaches the share: log, result, the commit rename, the reveal, the cleaning up.
//!
//! Every step may be repeated: names are unique, bytes come from the journal and the spool, and a fresh listing of
//! `done/` says how far an earlier try came.

mod log;
mod whose;

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use nix::errno::Errno;

use self::log::has_log;
use self::log::is_our_log;
use self::whose::holds;
use self::whose::is_ours;
use super::Error;
use super::Node;
use super::gc;
use super::pool;
use crate::attempt;
use crate::attempt::RunState;
use crate::clock::BootTime;
use crate::entry;
use crate::entry::ClaimName;
use crate::event::Event;
use crate::event::Word;
use crate::id::Digest;
use crate::id::TaskId;
use crate::journal::Fact;
use crate::journal::Known;
use crate::journal::Outcome;
use crate::limits;
use crate::place::Lane;
use crate::place::Place;
use crate::planted;
use crate::planted::Bug;
use crate::share::ShareError;
use crate::stage::Stage;
use crate::transport::Advance;
use crate::transport::Publish;

/// Commits what is decided, lane by lane, with one listing of `done/` each. Returns how many tasks were closed, and
/// whether a lane was left alone that took nothing before.
pub(super) fn pass(node: &mut Node) -> Result<(usize, bool), Error> {
    look_again(node);
    whose::forget(node);
    let mut lanes: BTreeMap<Lane, Vec<TaskId>> = BTreeMap::new();
    for id in &node.now.decided {
        if let Some(known) = node.journal.known(*id) {
            // A bounded number of each lane: what cannot be delivered in one must not crowd out the others.
            let ids = lanes.entry(known.lane()).or_default();
            if ids.len() < limits::PASS_ENTRIES_MAX {
                ids.push(*id);
            }
        }
    }
    let (mut closed, mut failed, mut rests) = (0, None, false);
    for (lane, ids) in lanes {
        let began = node.clock.boot();
        let count = ids.len();
        let pause = node.now.commit_again.get(&lane);
        if pause.is_some_and(|pause| began < pause.until && count <= pause.count) {
            rests = true;
            continue;
        }
        match in_lane(node, &lane, ids) {
            Ok((some, None)) => {
                closed += some;
                node.now.commit_again.remove(&lane);
            }
            Ok((some, Some(error))) => {
                closed += some;
                rest(node, &lane, count - some, began);
                failed = Some(error);
            }
            Err(error) if error.is_fatal() => return Err(error),
            // What fails in one lane must not hold up the others.
            Err(error) => {
                rest(node, &lane, count, began);
                failed = Some(error);
            }
        }
    }
    failed.map_or(Ok((closed, rests)), Err)
}

/// A lane that took nothing, and cost time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pause {
    /// When it is tried again.
    until: BootTime,
    /// How many outcomes waited for it. One more is a reason to try at once.
    count: usize,
}

/// Everything else of the node waits while a lane is tried that takes nothing (a folder whose rights are wrong costs
/// seconds): so a lane gets at most a third of the time.
fn rest(node: &mut Node, lane: &Lane, count: usize, began: BootTime) {
    let now = node.clock.boot();
    let until = now.plus((now.since(began) * 2).min(limits::COMMIT_PAUSE_MAX));
    let pause = Pause { until, count };
    node.now.commit_again.insert(lane.clone(), pause);
}

/// Files that were nowhere are looked for again without haste: a listing may have been stale, a server may roll back.
fn look_again(node: &mut Node) {
    let now = node.clock.boot();
    let due: Vec<TaskId> = node
        .now
        .orphans
        .iter()
        .filter(|(_, again)| **again <= now)
        .map(|(id, _)| *id)
        .collect();
    for id in due {
        node.now.orphans.remove(&id);
        node.now.decided.insert(id);
    }
}

/// The tasks of one lane; what fails for one is tried for the next, a few times.
fn in_lane(
    node: &mut Node,
    lane: &Lane,
    ids: Vec<TaskId>,
) -> Result<(usize, Option<Error>), Error> {
    const FAILURES_MAX: usize = 3;
    let done = Place::Stage(lane.clone(), Stage::Done);
    let names: BTreeSet<String> = node
        .transport
        .list(&done)?
        .into_iter()
        .map(|entry| entry.name)
        .collect();
    gc::note_crowd(node, names.len());
    let (mut ready, mut failures, mut failed) = (Vec::new(), 0, None);
    for id in ids {
        match one(node, lane, &done, &names, id) {
            Ok(true) => ready.push(id),
            // Of one file alone: it holds up nothing else, however many there are.
            Ok(false) | Err(Error::Barred(_)) => {}
            Err(error) if error.is_fatal() => return Err(error),
            Err(error) => {
                let is_of_the_folder =
                    matches!(&error, Error::Share(error) if error.is_of_the_folder());
                failed = Some(error);
                failures += 1;
                if failures == FAILURES_MAX || is_of_the_folder {
                    break;
                }
            }
        }
    }
    let mut closed = 0;
    if !ready.is_empty() {
        node.transport.sync(&done)?;
        closed = close(node, lane, &ready)?;
    }
    Ok((closed, failed))
}

/// One task, as far as it goes. Returns whether it is committed and revealed.
fn one(
    node: &mut Node,
    lane: &Lane,
    done: &Place,
    names: &BTreeSet<String>,
    id: TaskId,
) -> Result<bool, Error> {
    let Some(known) = node.journal.known(id).cloned() else {
        return Ok(false);
    };
    let Some(claim) = ClaimName::parse_stem(&known.claim) else {
        return Ok(false);
    };
    let Some(outcome) = &known.outcome else {
        return Ok(false);
    };
    let is_revealed =
        names.contains(&entry::public_result(id)) && is_ours(node, done, id, outcome)?;
    if planted::is(Bug::CommitFirst) && !move_file(node, lane, &known, &claim, outcome)? {
        return Ok(false);
    }
    if !is_revealed {
        upload(node, lane, done, names, &claim, outcome)?;
    }
    if !move_file(node, lane, &known, &claim, outcome)? {
        return Ok(false);
    }
    if !is_revealed && is_answered_by_another(lane, names, &claim) {
        let event = Event::of(Word::TaskLate).claim(&claim);
        node.tell(&event.say("another claim of this task was answered before"));
        return Ok(true);
    }
    if !is_revealed {
        reveal(node, lane, done, names, &claim, outcome)?;
        // Anybody can plant a name that can be guessed: what counts is what lies there now.
        if !planted::is(Bug::RevealUnread) && !is_ours(node, done, id, outcome)? {
            return Ok(false);
        }
        node.tell(&Event::of(Word::TaskReveal).claim(&claim).peer(&lane.from));
    }
    Ok(true)
}

/// Whether, in a pool, another claim of this task was committed and answered: somebody copied its file. That answer
/// stays what people find; ours lies beside it under the name of its claim.
fn is_answered_by_another(lane: &Lane, names: &BTreeSet<String>, claim: &ClaimName) -> bool {
    let is_other = |name: &String| {
        ClaimName::parse(name).is_some_and(|other| other.id == claim.id && other != *claim)
    };
    lane.pool().is_some()
        && names.contains(&entry::public_result(claim.id))
        && names.range(claim.id.to_string()..).take(64).any(is_other)
}

fn published(publish: Publish) -> Result<(), ShareError> {
    match publish {
        Publish::Published => Ok(()),
        Publish::Failed(error) | Publish::Unknown { error, .. } => Err(error),
    }
}

/// Log first, then the result that names its digest. What somebody else put under these names is set aside.
fn upload(
    node: &mut Node,
    lane: &Lane,
    done: &Place,
    names: &BTreeSet<String>,
    claim: &ClaimName,
    outcome: &Outcome,
) -> Result<(), Error> {
    let log = claim.log();
    let is_up = if names.contains(&log) {
        let is_up = is_our_log(node, done, (claim.id, &log), outcome)?;
        if !is_up {
            expel(node, lane, done, &log, claim)?;
        }
        is_up
    } else {
        let public = entry::public_log(claim.id);
        // In a pool it may be another's log with the same bytes: ours only where our claim is committed.
        let may_be_ours = lane.pool().is_none() || names.contains(&claim.to_string());
        may_be_ours
            && names.contains(&public)
            && is_our_log(node, done, (claim.id, &public), outcome)?
    };
    if !is_up && has_log(outcome) {
        match node.runner.log(&claim.stem()) {
            Ok(mut from) => {
                published(
                    node.transport
                        .upload(lane, claim.id, (done, &log), &mut *from),
                )?
            }
            // An outcome without its log is better than none, but only where the log is gone for good.
            Err(error) if is_gone(&error) => {}
            Err(_) if node.runner.state(&claim.stem())? == RunState::Absent => {}
            Err(error) => return Err(error.into()),
        }
    }
    let result = claim.result();
    let mut is_up = names.contains(&result);
    if is_up && !holds(node, done, (claim.id, &result), outcome)? {
        expel(node, lane, done, &result, claim)?;
        is_up = false;
    }
    if !is_up {
        let bytes = outcome.sealed.as_bytes();
        published(
            node.transport
                .publish(lane, claim.id, (done, &result), bytes),
        )?;
    }
    Ok(())
}

/// Whether a log is gone for good: removed, or something else in its place. Only the agent's user can have done that.
fn is_gone(error: &attempt::Error) -> bool {
    match error {
        attempt::Error::Disk { source, .. } => source.kind() == std::io::ErrorKind::NotFound,
        attempt::Error::Format { .. } => true,
        attempt::Error::Spawn { .. } => false,
    }
}

/// The commit: one rename of the one task file. Returns whether it is done.
fn move_file(
    node: &mut Node,
    lane: &Lane,
    known: &Known,
    claim: &ClaimName,
    outcome: &Outcome,
) -> Result<bool, Error> {
    let to = if outcome.status.never_ran() || known.starts == 0 {
        Stage::Rejected
    } else {
        Stage::Done
    };
    let target = Place::Stage(lane.clone(), to);
    let target_name = claim.to_string();
    let file = known
        .file
        .as_ref()
        .map_or_else(|| target_name.clone(), |stem| format!("{stem}.json"));
    let mut last = None;
    for stage in [Stage::Processing, Stage::PendingAck] {
        let source = Place::Stage(lane.clone(), stage);
        match node
            .transport
            .advance((&source, &file), (&target, &target_name))
        {
            Advance::Moved => {
                let mut event = Event::of(Word::TaskCommit).claim(claim).peer(&lane.from);
                event.status = Some(outcome.status);
                node.tell(&event);
                return Ok(true);
            }
            Advance::NotMine => {}
            // The claim can be read by anybody, and somebody put a folder under it.
            Advance::Unknown(error) if error.kind() == Errno::EISDIR => {
                expel(node, lane, &target, &target_name, claim)?;
                last = Some(error);
            }
            Advance::Unknown(error) | Advance::Hopeless(error) => last = Some(error),
        }
    }
    if let Some(error) = last {
        return Err(error.into());
    }
    if lane.pool().is_some() {
        if pool::fence::is_gone(node, lane, claim.id)? {
            pool::fence::keep_late(node, lane, claim)?;
        }
        return Ok(false);
    }
    // Nowhere: somebody removed or renamed it, or a rolled-back server will show it in inbox/ again. The outcome waits
    // in the journal; the file is looked for again in a minute, and when this node starts anew.
    let event = Event::of(Word::TaskLate)
        .claim(claim)
        .say("its task file is gone from the share");
    node.tell_once("gone", &target_name, &event);
    node.now.decided.remove(&claim.id);
    if known.is_beyond_return(node.clock.wall()) && node.now.gone.contains(&claim.id) {
        return give_up(node, lane, claim, outcome).map(|()| false);
    }
    node.now.gone.insert(claim.id);
    let again = node.clock.boot().plus(limits::SLOW_LOOK);
    node.now.orphans.insert(claim.id, again);
    node.search_again(lane);
    Ok(false)
}

/// Somebody removed the file, and its time is over: should it come back, nothing would run it, and the journal still
/// knows it as closed. Its outcome lies in `done/` under the claim's name, where no reader believes it without the
/// file.
fn give_up(
    node: &mut Node,
    lane: &Lane,
    claim: &ClaimName,
    outcome: &Outcome,
) -> Result<(), Error> {
    let event = Event::of(Word::TaskLate)
        .claim(claim)
        .peer(&lane.from)
        .say("its task file never came back; closed without it");
    node.tell(&event);
    let at = node.clock.wall();
    node.journal.record(Fact::Closed {
        id: claim.id,
        status: outcome.status,
        at,
    })?;
    node.now.gone.remove(&claim.id);
    node.now.orphans.remove(&claim.id);
    let _ = node.runner.discard(&claim.stem());
    Ok(())
}

/// Makes the outcome visible under the name people look for.
fn reveal(
    node: &mut Node,
    lane: &Lane,
    done: &Place,
    names: &BTreeSet<String>,
    claim: &ClaimName,
    outcome: &Outcome,
) -> Result<(), Error> {
    let public = entry::public_result(claim.id);
    if names.contains(&public) && !planted::is(Bug::RevealReplaces) {
        expel(node, lane, done, &public, claim)?;
    }
    let public_log = entry::public_log(claim.id);
    if names.contains(&public_log) && !is_our_log(node, done, (claim.id, &public_log), outcome)? {
        expel(node, lane, done, &public_log, claim)?;
    }
    let log = has_log(outcome).then(|| (claim.log(), public_log));
    for (from, to) in log.into_iter().chain([(claim.result(), public)]) {
        match node.transport.advance((done, &from), (done, &to)) {
            Advance::Moved | Advance::NotMine => {}
            Advance::Unknown(error) | Advance::Hopeless(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Somebody else's bytes under a name of ours: set aside, never overwritten, with an alarm.
fn expel(
    node: &mut Node,
    lane: &Lane,
    done: &Place,
    name: &str,
    claim: &ClaimName,
) -> Result<(), Error> {
    let rejected = Place::Stage(lane.clone(), Stage::Rejected);
    let short = Digest::of(name.as_bytes()).short();
    let aside = format!("{short}-{}.junk", node.chance.nonce());
    let event = Event::of(Word::TaskSquat)
        .claim(claim)
        .say(&format!("{name} was set aside"));
    node.tell(&event);
    // What comes to lie there next is another file.
    node.now.barred.remove(&(claim.id, name.to_owned()));
    Ok(node
        .transport
        .expel((done, name.as_bytes()), (&rejected, &aside))?)
}

/// Cleans up and forgets: markers and control documents on the share, the run directory here.
fn close(node: &mut Node, lane: &Lane, ids: &[TaskId]) -> Result<usize, Error> {
    let processing = Place::Stage(lane.clone(), Stage::Processing);
    let control = Place::Stage(lane.clone(), Stage::Control);
    let documents = if node.now.controls.contains(lane) {
        node.transport.list(&control).unwrap_or_default()
    } else {
        Vec::new()
    };
    let markers = pool::markers(node, lane, ids)?;
    for id in ids {
        pool::lease::pass(node)?;
        let Some(known) = node.journal.known(*id) else {
            continue;
        };
        let claim = known.claim.clone();
        let Some(status) = known.outcome.as_ref().map(|outcome| outcome.status) else {
            continue;
        };
        // Also of a task that was never started: a marker may be all that a start came to.
        let mut removed = vec![(&processing, format!("{claim}.start"))];
        removed.extend(
            markers
                .iter()
                .filter(|(of, _)| of == id)
                .map(|(_, name)| (&processing, name.clone())),
        );
        let about = documents
            .iter()
            .filter(|entry| entry.name.starts_with(&id.to_string()));
        removed.extend(about.map(|entry| (&control, entry.name.clone())));
        for (place, name) in removed {
            if node.transport.remove(place, &name).is_err() {
                node.search_again(lane);
            }
        }
        let at = node.clock.wall();
        node.journal.record(Fact::Closed {
            id: *id,
            status,
            at,
        })?;
        node.now.decided.remove(id);
        node.now.gone.remove(id);
        pool::lease::let_go(node, *id);
        // After a crash its run directory is found among those of closed tasks.
        let _ = node.runner.discard(&claim);
    }
    Ok(ids.len())
}
