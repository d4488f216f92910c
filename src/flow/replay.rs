//! A task whose id this node has seen: the same file under another name goes on where it was, a copy is set aside,
//! other bytes are an alarm.

use super::Error;
use super::Node;
use super::fresh;
use super::receive::Proved;
use super::refuse;
use crate::entry;
use crate::entry::ClaimName;
use crate::journal::Closed;
use crate::journal::Fact;
use crate::journal::Phase;
use crate::place::Lane;
use crate::place::Place;
use crate::stage::Stage;
use crate::transport::Advance;

/// A server that rolled back shows a task again whose outcome was committed: if the result is still there, the commit
/// is made again. Returns whether it was.
fn commit_again(
    node: &Node,
    lane: &Lane,
    claim: &ClaimName,
    closed: &Closed,
) -> Result<bool, Error> {
    let (done, rejected) = (
        Place::Stage(lane.clone(), Stage::Done),
        Place::Stage(lane.clone(), Stage::Rejected),
    );
    let file = format!("{}.json", closed.claim);
    let result = format!("{}.result.json", closed.claim);
    let public = entry::public_result(claim.id);
    let listing = node.transport.list(&done)?;
    let is_there = |name: &str| listing.iter().any(|entry| entry.name == name);
    if !(is_there(&result) || is_there(&public))
        || is_there(&file)
        || node.transport.holds(&rejected, &file)?
    {
        return Ok(false);
    }
    let home = if closed.status.never_ran() {
        rejected
    } else {
        done
    };
    let processing = Place::Stage(lane.clone(), Stage::Processing);
    let moved = node
        .transport
        .advance((&processing, &claim.to_string()), (&home, &file));
    Ok(moved == Advance::Moved)
}

/// Deals with a task whose id this node has seen. Returns whether it had.
pub(super) fn is_known(
    node: &mut Node,
    lane: &Lane,
    claim: &ClaimName,
    proved: &Proved,
) -> Result<bool, Error> {
    let id = proved.task.id;
    if let Some(closed) = node.journal.closed(id).cloned() {
        let same = closed.digest == proved.digest;
        if same && commit_again(node, lane, claim, &closed)? {
            return Ok(true);
        }
        refuse::copy(node, lane, claim, proved.digest, same)?;
        return Ok(true);
    }
    let Some(known) = node.journal.known(id) else {
        return Ok(false);
    };
    if known.digest != proved.digest || known.lane() != *lane {
        refuse::copy(node, lane, claim, proved.digest, false)?;
        return Ok(true);
    }
    let held = ClaimName::parse_stem(known.file.as_ref().unwrap_or(&known.claim));
    let committed = ClaimName::parse_stem(&known.claim);
    let (phase, is_decided) = (known.phase, known.outcome.is_some());
    if is_decided {
        // Its file is back, or may be: the commit is tried again at once.
        node.now.orphans.remove(&id);
        node.now.decided.insert(id);
    }
    if held.as_ref() == Some(claim) {
        if matches!(phase, Phase::Parked | Phase::Returned) {
            // Somebody moved it here under its own name: it is in line again, and parked again where it must wait.
            let stem = claim.stem();
            node.journal.record(Fact::Held { id, claim: stem })?;
            node.line_up(id);
        }
        return Ok(true);
    }
    // The outcome of a task that waited for an approval is committed from where it waited.
    let homes: &[Stage] = match phase {
        Phase::Returned => &[],
        Phase::Parked => &[Stage::PendingAck],
        _ if is_decided => &[
            Stage::Processing,
            Stage::PendingAck,
            Stage::Done,
            Stage::Rejected,
        ],
        _ => &[Stage::Processing],
    };
    for home in homes {
        // Committed, and not closed because it could not be revealed yet: then it bears the name of its claim.
        let held = match home {
            Stage::Done | Stage::Rejected => &committed,
            _ => &held,
        };
        let home = Place::Stage(lane.clone(), *home);
        let Some(held) = held else { continue };
        // After a change of our own: a stale listing would set aside the one file there is (R5).
        fresh::stir(&*node.transport, &*node.chance, &home);
        if node.transport.holds(&home, &held.to_string())? {
            refuse::copy(node, lane, claim, proved.digest, true)?;
            return Ok(true);
        }
    }
    // Its generation successor, or the server rolled back and this is the one file there is: the journal's state goes
    // on.
    let stem = claim.stem();
    let waits = matches!(phase, Phase::Admitted | Phase::Parked | Phase::Returned);
    let fact = if waits {
        Fact::Held { id, claim: stem }
    } else {
        Fact::Found { id, file: stem }
    };
    node.journal.record(fact)?;
    if waits {
        // After a rollback it may be a name under which it was started before: its marker and its run directory are not
        // there any more, so that nothing but a fresh name tells the two starts apart (R1).
        node.now.suspects.insert(id);
        node.line_up(id);
    }
    Ok(true)
}
