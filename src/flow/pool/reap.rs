//! A claim that nobody beats is taken, and only then is it asked whether it may have been started: never started, or
//! idempotent with attempts left → `inbox/`; else an outcome says that its end is not known.
//!
//! A crash after the take leaves `<claim>.r<nonce>.json`, which somebody takes again after a term and judges anew: what
//! a predecessor may have seen counts for nothing.

use std::collections::BTreeSet;

use super::Error;
use super::Node;
use super::lease;
use super::look::Dead;
use super::look::Sight;
use super::permit;
use super::starts_in;
use crate::clock::BootTime;
use crate::entry::ClaimName;
use crate::event::Event;
use crate::event::Word;
use crate::flow::receive;
use crate::flow::receive::Proved;
use crate::flow::receive::Reading;
use crate::journal::Fact;
use crate::limits;
use crate::place::Lane;
use crate::place::Place;
use crate::planted;
use crate::planted::Bug;
use crate::share::Listed;
use crate::stage::Stage;
use crate::transport::Advance;

/// Copies of closed tasks that are dealt with at one look.
const COPIES_MAX: usize = 8;

/// Takes dead claims over and decides about them: a bounded number, by first taking them all and then looking once. One
/// that had a lease comes first, since planting that costs more; then any. Returns whether some are left.
pub(super) fn all(
    node: &mut Node,
    lane: &Lane,
    mut dead: Vec<Dead>,
    began: BootTime,
) -> Result<bool, Error> {
    let start = node.chance.bits() % (dead.len().max(1) as u64);
    dead.rotate_left(usize::try_from(start).unwrap_or(0));
    dead.sort_by_key(|(stage, claim, _)| {
        let key = (lane.clone(), *stage, claim.clone());
        let sight = node.now.pool.sights.get(&key);
        !sight.is_some_and(Sight::had_lease)
    });
    let processing = Place::Stage(lane.clone(), Stage::Processing);
    let before = if planted::is(Bug::ReaperReadsFirst) && !dead.is_empty() {
        Some(node.transport.list(&processing)?)
    } else {
        None
    };
    let Taken {
        claims,
        is_more,
        mut failed,
    } = take_some(node, lane, dead, began);
    if claims.is_empty() {
        return failed.map_or(Ok(is_more), Err);
    }
    // From here on the old owners can neither start nor commit. Only now, after this client changed that folder:
    // whatever they started before shows.
    let listing = match before {
        Some(before) => before,
        None => node.transport.list(&processing)?,
    };
    for (claim, was_taken) in claims {
        let forgets = planted::is(Bug::TakeoverForgets) && was_taken;
        let listing = if forgets { &[][..] } else { &listing };
        let decided = judge(node, lane, &claim, listing).and_then(|()| lease::pass(node));
        match decided {
            Ok(()) => {}
            Err(error) if error.is_fatal() => return Err(error),
            // It is taken again after a term; the others are decided now.
            Err(error) => failed = Some(error),
        }
    }
    failed.map_or(Ok(is_more), Err)
}

/// What was taken at one look.
struct Taken {
    /// The new names, and whether each had been taken before.
    claims: Vec<(ClaimName, bool)>,
    /// Whether some are left.
    is_more: bool,
    /// What ended it; those that were taken before are decided all the same.
    failed: Option<Error>,
}

fn take_some(node: &mut Node, lane: &Lane, dead: Vec<Dead>, began: BootTime) -> Taken {
    let is_more = dead.len() > limits::PASS_ENTRIES_MAX;
    let (mut ids, mut copies) = (BTreeSet::new(), 0);
    let mut taken = Taken {
        claims: Vec::new(),
        is_more,
        failed: None,
    };
    for (stage, claim, why) in dead.into_iter().take(limits::PASS_ENTRIES_MAX) {
        // Of a task that this node holds every other claim is a copy, and of several copies one is enough at a time:
        // the rest is left alone until that one is over, and the gate sets it aside then.
        let is_closed = node.journal.closed(claim.id).is_some();
        if node.journal.known(claim.id).is_some() || (!is_closed && !ids.insert(claim.id)) {
            continue;
        }
        // Whether the server rolled back is asked of each copy of what is closed, which costs listings.
        copies += usize::from(is_closed);
        // Somebody may have planted thousands: the killswitch is looked at in between.
        if copies > COPIES_MAX || node.clock.boot().since(began) >= limits::HALT_LOOK {
            taken.is_more = true;
            break;
        }
        let key = (lane.clone(), stage, claim);
        node.now.pool.sights.remove(&key);
        let took = take(node, lane, stage, &key.2, why);
        let beaten = took.and_then(|found| {
            taken.claims.extend(found);
            lease::pass(node)
        });
        if let Err(error) = beaten {
            taken.failed = Some(error);
            break;
        }
    }
    taken
}

/// Takes a claim over. Returns its new name, and whether it had been taken before; `None` where another was faster.
fn take(
    node: &Node,
    lane: &Lane,
    stage: Stage,
    claim: &ClaimName,
    why: &str,
) -> Result<Option<(ClaimName, bool)>, Error> {
    let taken = claim.taken_by(node.chance.nonce());
    let from = Place::Stage(lane.clone(), stage);
    let processing = Place::Stage(lane.clone(), Stage::Processing);
    match node.transport.advance(
        (&from, &claim.to_string()),
        (&processing, &taken.to_string()),
    ) {
        Advance::Moved => {}
        // Its owner came back, or another member was faster.
        Advance::NotMine => return Ok(None),
        Advance::Unknown(error) | Advance::Hopeless(error) => return Err(error.into()),
    }
    let event = Event::of(Word::TaskTake).claim(&taken).peer(&lane.from);
    node.tell(&event.say(why));
    Ok(Some((taken, claim.taken.is_some())))
}

fn judge(node: &mut Node, lane: &Lane, taken: &ClaimName, listing: &[Listed]) -> Result<(), Error> {
    let id = taken.id;
    let processing = Place::Stage(lane.clone(), Stage::Processing);
    let proved = match receive::read(node, lane, &processing, &taken.to_string()) {
        // Nothing is known of it now: it is taken again after a term.
        Reading::Unknown => return Ok(()),
        Reading::Proved(proved) if proved.task.id == id && node.journal.closed(id).is_none() => {
            proved
        }
        // It proves nothing, or it is a copy of what this node has closed: the gate says what becomes of it.
        _ => {
            if let Some(own) = adopt(node, lane, taken)? {
                receive::task(node, lane, &own)?;
            }
            return Ok(());
        }
    };
    let starts = starts_in(listing, id, None);
    let most = attempts_of(node, lane, &proved);
    if starts == 0 || (proved.task.idempotent && starts < most) {
        return give_back(node, lane, taken, starts);
    }
    let Some(own) = adopt(node, lane, taken)? else {
        return Ok(());
    };
    let mut known = receive::fresh(node, lane, &own, proved.digest, Some(&proved.task));
    known.starts = starts;
    let at = known.admitted;
    node.journal.record(Fact::Admitted {
        id,
        at,
        known: Box::new(known),
    })?;
    permit::used_up(node, id, proved.task.idempotent)
}

/// How often a task may be started in all, by its own word and by the policy of this node.
fn attempts_of(node: &Node, lane: &Lane, proved: &Proved) -> u32 {
    if !proved.task.idempotent {
        return 1;
    }
    let most = node
        .settings
        .peers
        .get(&lane.from)
        .map_or(1, |peer| peer.attempts_max);
    let asked = proved.task.max_attempts.unwrap_or(most);
    asked.min(most).max(1)
}

/// Back to `inbox/`, at once where it was never started, else after a pause. The lease of the old claim goes; markers
/// stay until the task is committed.
fn give_back(node: &mut Node, lane: &Lane, taken: &ClaimName, starts: u32) -> Result<(), Error> {
    let pause = limits::RETRY_PAUSE * starts;
    let not_before = (starts > 0).then(|| node.clock.wall().plus(pause));
    let queued = taken.returned(not_before);
    let processing = Place::Stage(lane.clone(), Stage::Processing);
    let inbox = Place::Stage(lane.clone(), Stage::Inbox);
    match node.transport.advance(
        (&processing, &taken.to_string()),
        (&inbox, &queued.to_string()),
    ) {
        Advance::Moved => {
            lease::remove(node, lane, taken);
            let mut event = Event::of(Word::TaskReturn).claim(taken).peer(&lane.from);
            event.attempt = Some(starts);
            let why = if starts == 0 {
                "it was never started"
            } else {
                "it was started, and may be again"
            };
            node.tell(&event.say(why));
            Ok(())
        }
        Advance::NotMine => Ok(()),
        Advance::Unknown(error) | Advance::Hopeless(error) => Err(error.into()),
    }
}

/// Makes what was taken a claim of this node. `None`: another member has it.
fn adopt(node: &mut Node, lane: &Lane, taken: &ClaimName) -> Result<Option<ClaimName>, Error> {
    let own = taken.again_by(&node.settings.node, node.chance.nonce());
    let (from, to) = ((Stage::Processing, taken), (Stage::Processing, &own));
    match lease::carry(node, lane, from, to)? {
        Advance::Moved => {
            let event = Event::of(Word::TaskAdopt).claim(&own).peer(&lane.from);
            node.tell(&event.say(&format!("it was held as {}", taken.stem())));
            Ok(Some(own))
        }
        Advance::NotMine => Ok(None),
        Advance::Unknown(error) | Advance::Hopeless(error) => {
            node.search_again(lane);
            Err(error.into())
        }
    }
}
