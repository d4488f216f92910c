//! What a start needs in a pool beside what every start needs: a lease that lasts, an attempt that is left, and for
//! what is not idempotent the word of the sender's node that this very claim may start.
//!
//! A grant is sealed, about one claim, and lies in `control/` until the task is closed: nothing of it is lost by a
//! crash. What is in memory here is only when we began to ask, and what was read.

use super::Error;
use super::Node;
use super::fence;
use super::lease;
use super::release;
use super::starts_in;
use crate::clock::BootTime;
use crate::clock::Timestamp;
use crate::document::Context;
use crate::document::Grant;
use crate::document::Kind;
use crate::document::Permission;
use crate::document::Rules;
use crate::entry::ClaimName;
use crate::entry::ControlKind;
use crate::entry::ControlName;
use crate::envelope::Envelope;
use crate::event::Event;
use crate::event::Word;
use crate::flow::decide;
use crate::flow::finish;
use crate::id::Party;
use crate::id::TaskId;
use crate::journal::Back;
use crate::journal::Known;
use crate::journal::Phase;
use crate::limits;
use crate::outcome::FailureClass;
use crate::outcome::Status;
use crate::place::Lane;
use crate::place::Place;
use crate::planted;
use crate::planted::Bug;
use crate::reason::Reason;
use crate::reason::Refusal;
use crate::stage::Stage;

/// A claim that needs a grant.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    claim: ClaimName,
    since: BootTime,
    answer: Option<(Permission, Timestamp)>,
}

/// Reads the grants that lie in `control/` for claims of this member.
pub(super) fn read(node: &mut Node, lane: &Lane, control: &[ControlName]) -> Result<(), Error> {
    let mine = ControlKind::Grant(node.settings.node.clone());
    let mut reads = 0;
    for name in control.iter().filter(|name| name.kind == mine) {
        let waits = node.journal.known(name.id).is_some_and(|known| {
            known.phase == Phase::Admitted && known.lane() == *lane && known.outcome.is_none()
        });
        let has_answer = node
            .now
            .pool
            .grants
            .get(&name.id)
            .is_some_and(|asked| asked.answer.is_some());
        let file = name.to_string();
        if !waits || has_answer || node.is_wanting(lane, &file) {
            continue;
        }
        reads += 1;
        if reads > limits::PASS_ENTRIES_MAX {
            break;
        }
        match proved(node, lane, name) {
            Ok(Some(grant)) => accept(node, lane, file, &grant),
            Ok(None) => {}
            Err(refusal) => {
                let event = Event::of(Word::DocumentReject)
                    .task(name.id)
                    .peer(&lane.from)
                    .code(refusal.reason.as_str())
                    .say(&refusal.to_string());
                node.find_wanting(lane, file, &event);
            }
        }
    }
    Ok(())
}

/// Reads and proves one grant. `None`: not readable now.
fn proved(node: &Node, lane: &Lane, name: &ControlName) -> Result<Option<Grant>, Refusal> {
    let control = Place::Stage(lane.clone(), Stage::Control);
    let file = name.to_string();
    let bytes = match node
        .transport
        .read(&control, &file, limits::CONTROL_BYTES_MAX)
    {
        Ok(bytes) => bytes,
        Err(error) if error.why.is_some() => {
            return Err(Refusal::new(Reason::Type, &error.to_string()));
        }
        Err(_) => return Ok(None),
    };
    let context = Context {
        from: Party::from(&lane.from),
        to: node.party(),
        kind: Kind::Grant,
    };
    let now = node.clock.wall();
    let grant = Envelope::read(bytes)
        .verify(&node.keys, &context, now)?
        .grant(&Rules::at(now))?;
    let digest = node.journal.known(name.id).map(|known| known.digest);
    if grant.task_id != name.id || digest != Some(grant.task_sha256) {
        let why = "the grant is about another task or other bytes";
        return Err(Refusal::new(Reason::Digest, why));
    }
    Ok(Some(grant))
}

fn accept(node: &mut Node, lane: &Lane, file: String, grant: &Grant) {
    let id = grant.task_id;
    let claim = node.journal.known(id).map(|known| known.claim.clone());
    if claim != Some(grant.claim.stem()) {
        // An earlier claim of ours, which was given back: it says nothing about this one.
        let names = node.now.wanting.entry(lane.clone()).or_default();
        names.insert(file);
        return;
    }
    let since = node.clock.boot();
    let asked = node.now.pool.grants.entry(id).or_insert_with(|| Asked {
        claim: grant.claim.clone(),
        since,
        answer: None,
    });
    asked.answer = Some((grant.decision, grant.expires));
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
    if lease::held(node, id).is_none() {
        // A lane that this node does not serve any more: its claims are left to expire.
        return Ok(false);
    }
    if known.starts >= finish::allowed_attempts(node, id) {
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
    let fresh = Asked {
        claim: claim.clone(),
        since: now,
        answer: None,
    };
    let asked = node
        .now
        .pool
        .grants
        .entry(id)
        .or_insert_with(|| fresh.clone());
    if asked.claim != *claim {
        *asked = fresh;
    }
    let (since, answer) = (asked.since, asked.answer);
    match answer {
        Some((Permission::Start, expires)) if node.clock.wall() <= expires => return Ok(true),
        Some((Permission::Refuse, _)) => {
            refused(node, id)?;
            return Ok(false);
        }
        _ => {}
    }
    if answer.is_some() || now.since(since) >= limits::GRANT_PATIENCE {
        let why = "its sender's node did not let it start in time".to_owned();
        release::give_back(node, id, never_ran(why))?;
    } else {
        let event = Event::of(Word::TaskGrantWait).claim(claim);
        let event = event.say("waits for its sender's node to let it start");
        node.tell_once("grant", &claim.to_string(), &event);
    }
    Ok(false)
}

/// How a task that was not started under its claim is given back.
pub(super) const fn never_ran(why: String) -> Back {
    Back {
        not_before: None,
        ran: false,
        why,
    }
}

/// Another claim may have been started.
fn refused(node: &mut Node, id: TaskId) -> Result<(), Error> {
    let why = "its sender's node let another claim of it start, whose end is not known; it is not run again";
    let Some(mut answer) = decide::blank(node, id, Status::Indeterminate) else {
        return Ok(());
    };
    answer.class = Some(FailureClass::ExecutorLost);
    answer.detail = Some(why.to_owned());
    decide::decide(node, id, answer)
}

/// No attempt is left: others started it, or this node did, and nobody knows how that ended.
pub(super) fn used_up(node: &mut Node, id: TaskId, is_idempotent: bool) -> Result<(), Error> {
    let starts = node.journal.known(id).map_or(0, |known| known.starts);
    let (status, detail) = if is_idempotent {
        let why = format!("it was started {starts} times, and none of them came to an end");
        (Status::Poison, why)
    } else {
        let why = "it was started, and how that ended is not known; it is not run again";
        (Status::Indeterminate, why.to_owned())
    };
    let Some(mut answer) = decide::blank(node, id, status) else {
        return Ok(());
    };
    answer.class = Some(FailureClass::ExecutorLost);
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
        if node.transport.holds(&processing, &marker)? {
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
    let starts = known.starts.max(starts_in(&listing, id, Some(claim)));
    if starts >= finish::allowed_attempts(node, id) {
        // It was not started under this claim, and never will be.
        node.transport.remove(&processing, &marker)?;
        used_up(node, id, is_idempotent)?;
        return Ok(None);
    }
    Ok(Some(starts + 1))
}
