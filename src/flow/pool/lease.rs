//! Leases: a file of fixed size beside each claim, rewritten by its owner for as long as it holds the claim.
//!
//! The beat began before it was asked for, and it counts from there: an owner that hears of a success late goes on no
//! longer than one that hears of it at once. A crash leaves a lease that stands still; a restarted owner goes on with
//! it. While a round takes long, a [`Vigil`] beats beside it.

use super::Error;
use super::Node;
use crate::clock::BootTime;
use crate::clock::Timestamp;
use crate::document::Context;
use crate::document::Kind;
use crate::document::Lease;
use crate::document::Rules;
use crate::entry::ClaimName;
use crate::envelope;
use crate::envelope::Envelope;
use crate::id::Digest;
use crate::id::Nonce;
use crate::id::Party;
use crate::id::TaskId;
use crate::journal::Phase;
use crate::keyring::Keyring;
use crate::limits;
use crate::place::Lane;
use crate::place::Place;
use crate::slots;
use crate::stage::Stage;
use crate::transport::Advance;

mod vigil;

pub use vigil::Vigil;

/// A claim that this node holds.
#[derive(Debug, Clone)]
pub(crate) struct Held {
    lane: Lane,
    claim: ClaimName,
    digest: Digest,
    /// The number of the last beat; not known of a lease from before this process began.
    seq: Option<u64>,
    /// Until when the owner may go on, by the last beat that succeeded.
    until: Option<BootTime>,
    /// When the last beat was tried.
    tried: Option<BootTime>,
    /// What it will hold once it runs; nothing where it is not claimed for a slot.
    pub(super) wants: Option<slots::Running>,
    /// Whether this node has given its word that it never starts it under this name.
    pub(super) disowned: bool,
}

fn processing(lane: &Lane) -> Place {
    Place::Stage(lane.clone(), Stage::Processing)
}

/// Makes the lease of a claim that is about to be made: it is there before the claim.
pub(super) fn make(
    node: &mut Node,
    lane: &Lane,
    claim: &ClaimName,
    digest: Digest,
) -> Result<Held, Error> {
    let began = node.clock.boot();
    let mut held = Held {
        lane: lane.clone(),
        claim: claim.clone(),
        digest,
        seq: Some(1),
        until: None,
        tried: Some(began),
        wants: None,
        disowned: false,
    };
    let sealed = sealed(node, &held, 1)?;
    node.transport
        .found(&processing(lane), &claim.lease(), &sealed)?;
    held.until = Some(began.plus(limits::LEASE_SELF));
    Ok(held)
}

fn sealed(node: &Node, held: &Held, seq: u64) -> Result<Vec<u8>, Error> {
    let lease = text(
        &node.party(),
        node.journal.instance(),
        held,
        starts(node, held),
    );
    let now = node.clock.wall();
    Ok(written(&node.keys, lease, seq, now)?)
}

/// How often the task of a claim was started, as far as this node knows.
fn starts(node: &Node, held: &Held) -> u32 {
    let known = node.journal.known(held.claim.id);
    known.map_or(0, |known| known.starts)
}

/// What a lease says, but for the beat itself.
fn text(from: &Party, instance: Nonce, held: &Held, attempt: u32) -> Lease {
    Lease {
        from: from.clone(),
        to: Party::from(&held.lane.from),
        task_id: held.claim.id,
        task_sha256: held.digest,
        attempt,
        epoch: u64::from(held.claim.generation),
        claim: Some(held.claim.clone()),
        instance: Some(instance),
        seq: None,
        created: Timestamp::from_unix(0),
        expires: Timestamp::from_unix(0),
    }
}

fn written(
    keys: &Keyring,
    lease: Lease,
    seq: u64,
    now: Timestamp,
) -> Result<Vec<u8>, envelope::Error> {
    let lease = Lease {
        seq: Some(seq),
        created: now,
        expires: now.plus(limits::LEASE_TERM),
        ..lease
    };
    envelope::seal_beat(keys, &lease.context(), now, &lease.body())
}

/// Removes a lease. What stays is removed by whoever sees that no claim lies beside it.
pub(super) fn remove(node: &Node, lane: &Lane, claim: &ClaimName) {
    let _ = node.transport.remove(&processing(lane), &claim.lease());
}

/// Notes that a claim is held from now on.
pub(super) fn hold(node: &mut Node, held: Held) {
    node.now.pool.held.insert(held.claim.id, held);
}

/// Lets go of a claim that is committed, given back or lost.
pub(in crate::flow) fn let_go(node: &mut Node, id: TaskId) {
    vigil::forget(node, id);
    if let Some(held) = node.now.pool.held.remove(&id) {
        remove(node, &held.lane, &held.claim);
    }
    node.now.pool.grants.remove(&id);
}

/// The claim under which this node holds a task.
pub(super) fn held(node: &Node, id: TaskId) -> Option<&ClaimName> {
    node.now.pool.held.get(&id).map(|held| &held.claim)
}

/// Until when the owner of a claim may go on.
pub(in crate::flow) fn until(node: &Node, id: TaskId) -> Option<BootTime> {
    node.now.pool.held.get(&id)?.until
}

/// Resumes the leases of what the journal holds open: a node that was away beats on where nobody took its claims. Those
/// of a lane that it does not serve any more are left to the others.
pub(in crate::flow) fn resume(node: &mut Node) {
    let lanes = node.lanes();
    let open: Vec<Held> = node
        .journal
        .open_tasks()
        .filter(|(_, known)| super::is_pooled(known) && lanes.contains(&known.lane()))
        .filter_map(|(id, known)| {
            let file = known.file.as_ref().unwrap_or(&known.claim);
            Some(Held {
                lane: known.lane(),
                claim: ClaimName::parse_stem(file)?,
                digest: known.digest,
                seq: None,
                until: None,
                tried: None,
                wants: (known.phase == Phase::Admitted).then(|| unknown_wants(id)),
                disowned: false,
            })
        })
        .collect();
    for held in open {
        hold(node, held);
    }
}

/// A slot of a profile that is not known before the task is read again.
fn unknown_wants(task: TaskId) -> slots::Running {
    slots::Running {
        task,
        profile: crate::id::ProfileName::parse("default").expect("a plain word is a profile name"),
        resources: Vec::new(),
    }
}

/// Beats every lease whose time it is. Asked often, so that no long step of a round lets a lease run out.
pub(in crate::flow) fn pass(node: &mut Node) -> Result<(), Error> {
    vigil::take_up(node);
    let beaten = due(node);
    vigil::leave(node);
    beaten
}

fn due(node: &mut Node) -> Result<(), Error> {
    const FAILURES_MAX: usize = 3;
    let now = node.clock.boot();
    let due: Vec<TaskId> = node
        .now
        .pool
        .held
        .iter()
        .filter(|(_, held)| {
            held.tried
                .is_none_or(|tried| now.since(tried) >= limits::LEASE_BEAT)
        })
        .map(|(id, _)| *id)
        .collect();
    let (mut failed, mut failures) = (None, 0);
    for id in due {
        if is_stale(node, id) {
            let_go(node, id);
            continue;
        }
        match beat(node, id) {
            Ok(()) => {}
            Err(error) if error.is_fatal() => return Err(error),
            Err(error) => {
                failed = Some(error);
                failures += 1;
                // Each may wait for a server.
                if failures == FAILURES_MAX {
                    break;
                }
            }
        }
    }
    failed.map_or(Ok(()), Err)
}

/// Whether nothing is behind a claim: it was refused, or it failed before it was on record and is looked for.
fn is_stale(node: &Node, id: TaskId) -> bool {
    let is_stray = |held: &Held| {
        let stray = (held.lane.clone(), held.claim.clone());
        node.now.strays.contains_key(&stray)
    };
    let held = node.now.pool.held.get(&id);
    node.journal.known(id).is_none() && !held.is_some_and(is_stray)
}

/// Rewrites one lease, and lets its attempt run on for as long as that counts.
pub(super) fn beat(node: &mut Node, id: TaskId) -> Result<(), Error> {
    let Some(mut held) = node.now.pool.held.get(&id).cloned() else {
        return Ok(());
    };
    let began = node.clock.boot();
    let seq = held.seq.map_or_else(|| resumed(node, &held), |seq| seq + 1);
    held.tried = Some(began);
    held.seq = Some(seq);
    node.now.pool.held.insert(id, held.clone());
    let sealed = sealed(node, &held, seq)?;
    node.transport
        .beat(&processing(&held.lane), &held.claim.lease(), &sealed)?;
    let until = began.plus(limits::LEASE_SELF);
    held.until = Some(until);
    node.now.pool.held.insert(id, held);
    if node.now.running.contains_key(&id)
        && let Some(known) = node.journal.known(id)
    {
        node.runner.extend(&known.claim, until)?;
    }
    Ok(())
}

/// The number a lease goes on with that an earlier process wrote.
fn resumed(node: &Node, held: &Held) -> u64 {
    let context = Context {
        from: node.party(),
        to: Party::from(&held.lane.from),
        kind: Kind::Lease,
    };
    let name = held.claim.lease();
    let read = node
        .transport
        .read(&processing(&held.lane), &name, limits::CONTROL_BYTES_MAX);
    read.ok()
        .and_then(|bytes| {
            let verified = Envelope::read(bytes).verify(&node.keys, &context, node.clock.wall());
            verified.ok()?.lease(&Rules::recorded()).ok()?.seq
        })
        .unwrap_or(0)
        .saturating_add(1)
}

/// Moves a file that this node holds to another claim of its own. In a pool the lease of the new claim is there first,
/// and that of the old one goes last.
pub(in crate::flow) fn carry(
    node: &mut Node,
    lane: &Lane,
    from: (Stage, &ClaimName),
    to: (Stage, &ClaimName),
) -> Result<Advance, Error> {
    let source = Place::Stage(lane.clone(), from.0);
    let target = Place::Stage(lane.clone(), to.0);
    let (old, new) = (from.1.to_string(), to.1.to_string());
    if lane.pool().is_none() {
        return Ok(node.transport.advance((&source, &old), (&target, &new)));
    }
    let id = to.1.id;
    let known = node.journal.known(id).map(|known| known.digest);
    let digest = known.or_else(|| node.now.pool.held.get(&id).map(|held| held.digest));
    let mut fresh = make(node, lane, to.1, digest.unwrap_or_else(|| Digest::of(b"")))?;
    let moved = node.transport.advance((&source, &old), (&target, &new));
    match &moved {
        Advance::Moved => {
            let before = node.now.pool.held.remove(&id);
            fresh.wants = before.and_then(|held| held.wants);
            hold(node, fresh);
            remove(node, lane, from.1);
        }
        Advance::NotMine => remove(node, lane, to.1),
        // The file may be under either name: both leases stay until a look has told.
        Advance::Unknown(_) | Advance::Hopeless(_) => {}
    }
    Ok(moved)
}

/// Notes what a claim will hold once it runs.
pub(super) fn wants(node: &mut Node, id: TaskId, running: Option<slots::Running>) {
    if let Some(held) = node.now.pool.held.get_mut(&id) {
        held.wants = running;
    }
}

/// Beats at the next chance.
pub(super) fn hurry(node: &mut Node, id: TaskId) {
    if let Some(held) = node.now.pool.held.get_mut(&id) {
        held.tried = None;
    }
}

/// The lanes in which this node holds a claim.
pub(super) fn is_held_in(node: &Node, lane: &Lane) -> bool {
    node.now.pool.held.values().any(|held| held.lane == *lane)
}
