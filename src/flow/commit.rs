//! A decided outcome reaches the share: log, result, the commit rename, the reveal, the cleaning up.
//!
//! Every step may be repeated: names are unique, bytes come from the journal and the spool, and a fresh listing of
//! `done/` says how far an earlier try came.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::io::Read;

use nix::errno::Errno;

use super::Error;
use super::Node;
use super::gc;
use super::pool;
use crate::attempt;
use crate::attempt::RunState;
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
use crate::share::ShareError;
use crate::stage::Stage;
use crate::transport::Advance;
use crate::transport::Publish;

/// Commits what is decided, lane by lane, with one listing of `done/` each. Returns how many tasks were closed.
pub(super) fn pass(node: &mut Node) -> Result<usize, Error> {
    look_again(node);
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
    let (mut closed, mut failed) = (0, None);
    for (lane, ids) in lanes {
        match in_lane(node, &lane, ids) {
            Ok((count, None)) => closed += count,
            Ok((count, Some(error))) => {
                closed += count;
                failed = Some(error);
            }
            Err(error) if error.is_fatal() => return Err(error),
            // What fails in one lane must not hold up the others.
            Err(error) => failed = Some(error),
        }
    }
    failed.map_or(Ok(closed), Err)
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
            Ok(false) => {}
            Err(error) if error.is_fatal() => return Err(error),
            Err(error) => {
                failed = Some(error);
                failures += 1;
                if failures == FAILURES_MAX {
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
    if !is_revealed {
        upload(node, lane, done, names, &claim, outcome)?;
    }
    if !move_file(node, lane, &known, &claim, outcome)? {
        return Ok(false);
    }
    if !is_revealed {
        reveal(node, lane, done, names, &claim, outcome)?;
        // Anybody can plant a name that can be guessed: what counts is what lies there now.
        if !is_ours(node, done, id, outcome)? {
            return Ok(false);
        }
        node.tell(&Event::of(Word::TaskReveal).claim(&claim).peer(&lane.from));
    }
    Ok(true)
}

/// Whether the public name holds the very bytes that were decided.
fn is_ours(node: &Node, done: &Place, id: TaskId, outcome: &Outcome) -> Result<bool, Error> {
    holds(node, done, &entry::public_result(id), outcome)
}

fn holds(node: &Node, done: &Place, name: &str, outcome: &Outcome) -> Result<bool, Error> {
    match node.transport.read(done, name, limits::RESULT_BYTES_MAX) {
        Ok(bytes) => Ok(bytes == outcome.sealed.as_bytes()),
        Err(error) => not_ours(error),
    }
}

/// What cannot be ours by what it is: absent, not a file, too large, not readable. Any other failure says nothing
/// (R10).
fn not_ours(error: ShareError) -> Result<bool, Error> {
    let is_answer = error.why.is_some()
        || matches!(
            error.kind(),
            Errno::ENOENT | Errno::EISDIR | Errno::ELOOP | Errno::ENXIO | Errno::EACCES
        );
    if is_answer {
        Ok(false)
    } else {
        Err(error.into())
    }
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
        let is_up = is_our_log(node, done, &log, outcome)?;
        if !is_up {
            expel(node, lane, done, &log, claim)?;
        }
        is_up
    } else {
        let public = entry::public_log(claim.id);
        // In a pool it may be another's log with the same bytes: ours only where our claim is committed.
        let may_be_ours = lane.pool().is_none() || names.contains(&claim.to_string());
        may_be_ours && names.contains(&public) && is_our_log(node, done, &public, outcome)?
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
    if is_up && !holds(node, done, &result, outcome)? {
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

/// Whether the result names a log. A quotation mark inside a text is escaped, so this is the member itself.
fn has_log(outcome: &Outcome) -> bool {
    outcome.sealed.contains("\"log_sha256\": \"")
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
    let again = node.clock.boot().plus(limits::SLOW_LOOK);
    node.now.orphans.insert(claim.id, again);
    node.search_again(lane);
    Ok(false)
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
    if names.contains(&public) {
        expel(node, lane, done, &public, claim)?;
    }
    let public_log = entry::public_log(claim.id);
    if names.contains(&public_log) && !is_our_log(node, done, &public_log, outcome)? {
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

/// How many bytes the log has that the result names. As with the digest, this is the member itself.
fn log_bytes(outcome: &Outcome) -> Option<u64> {
    let (_, after) = outcome.sealed.split_once("\"log_bytes\": ")?;
    let digits = after
        .split(|letter: char| !letter.is_ascii_digit())
        .next()?;
    digits.parse().ok()
}

/// A log under the public name is ours when the sealed result names its digest. Logs may be large: streamed, not
/// loaded; and no further than ours would reach, since a planted one can claim any size.
fn is_our_log(node: &Node, done: &Place, name: &str, outcome: &Outcome) -> Result<bool, Error> {
    use sha2::Digest as _;
    let Some(size) = log_bytes(outcome) else {
        return Ok(false);
    };
    let mut from = match node.transport.open(done, name) {
        Ok(from) => from.take(size.saturating_add(1)),
        Err(error) => return not_ours(error),
    };
    let mut hasher = sha2::Sha256::new();
    let mut chunk = vec![0; 64 * 1024];
    loop {
        match from.read(&mut chunk) {
            Ok(0) => break,
            Ok(read) => hasher.update(&chunk[..read]),
            Err(error) => {
                return Err(Error::Share(ShareError {
                    action: "read",
                    object: format!("{done}{name}"),
                    errno: error.raw_os_error().unwrap_or(Errno::EIO as i32),
                    why: None,
                }));
            }
        }
    }
    let digest = Digest::from_bytes(hasher.finalize().into());
    Ok(outcome
        .sealed
        .contains(&format!("\"log_sha256\": \"{digest}\"")))
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
        pool::lease::let_go(node, *id);
        // After a crash its run directory is found among those of closed tasks.
        let _ = node.runner.discard(&claim);
    }
    Ok(ids.len())
}
