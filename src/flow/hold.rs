//! A task that waits for the end of others: held until its sender says that it may be started.
//!
//! It waits in `inbox/`, closed, under a name that is not opened before it expires; a document in `control/` that
//! seems to be about it opens it earlier. Where it is open, for whatever reason, it waits in `processing/` and in no
//! line. What lets it go is one sealed document of its sender about these very bytes, and that is in the journal before
//! it has effect: a crash before reads the document again, a crash after has it on record.

use std::collections::BTreeSet;

use super::Error;
use super::Node;
use super::admit::Queued;
use super::pool;
use crate::attempt;
use crate::document::Context;
use crate::document::Kind;
use crate::document::Ready;
use crate::document::Rules;
use crate::entry::ControlKind;
use crate::entry::ControlName;
use crate::envelope::Envelope;
use crate::event::Event;
use crate::event::Word;
use crate::id::Digest;
use crate::id::NodeName;
use crate::id::Party;
use crate::id::TaskId;
use crate::journal::Fact;
use crate::journal::Hold;
use crate::journal::Known;
use crate::journal::Phase;
use crate::journal::Prior;
use crate::limits;
use crate::place::Lane;
use crate::place::Place;
use crate::reason::Reason;
use crate::reason::Refusal;
use crate::stage::Stage;

/// Who is meant by a document of a sender that is written for each member of a pool.
fn member(node: &Node, lane: &Lane) -> Option<NodeName> {
    lane.pool().map(|_| node.settings.node.clone())
}

/// Leaves out what is not to be opened yet and about which its sender says nothing.
pub(super) fn leave_closed(
    node: &Node,
    lane: &Lane,
    queued: &mut Vec<Queued>,
    control: &[ControlName],
) {
    let me = member(node, lane);
    let (ready, cancel) = (ControlKind::Ready(me.clone()), ControlKind::Cancel(me));
    let called: BTreeSet<TaskId> = control
        .iter()
        .filter(|name| name.kind == ready || name.kind == cancel)
        .map(|name| name.id)
        .collect();
    queued.retain(|entry| entry.is_due || called.contains(&entry.name.id));
}

/// Lets go what waits, where its sender says so.
pub(super) fn pass(node: &mut Node, lane: &Lane, control: &[ControlName]) -> Result<(), Error> {
    let kind = ControlKind::Ready(member(node, lane));
    let mut reads = 0;
    for name in control.iter().filter(|name| name.kind == kind) {
        let known = node.journal.known(name.id);
        let known = known.filter(|known| known.waits() && known.outcome.is_none());
        let Some(digest) = known.filter(|it| it.lane() == *lane).map(|it| it.digest) else {
            continue;
        };
        reads += 1;
        if reads > limits::PASS_ENTRIES_MAX {
            break;
        }
        if let Some(ready) = proved(node, lane, name, digest) {
            let_go(node, name.id, &ready)?;
        }
    }
    give_up(node, lane)
}

fn let_go(node: &mut Node, id: TaskId, ready: &Ready) -> Result<(), Error> {
    let prior = ready.prior.iter().map(|one| Prior {
        id: one.id,
        status: one.status,
        text: one.text.clone(),
        truncated: one.is_cut,
    });
    node.journal.record(Fact::Ready {
        id,
        prior: prior.collect(),
        at: node.clock.wall(),
    })?;
    node.journal.sync()?;
    let event = Event::of(Word::TaskReady).task(id).peer(ready.from.clone());
    node.tell(&event.say("what it waited for has come about"));
    let phase = node.journal.known(id).map(|known| known.phase);
    if phase == Some(Phase::Admitted) {
        node.line_up(id);
    }
    Ok(())
}

/// A claim of a pool that is not ready holds a slot for nothing: its document was there when it was claimed, and cannot
/// be read now.
fn give_up(node: &mut Node, lane: &Lane) -> Result<(), Error> {
    if lane.pool().is_none() {
        return Ok(());
    }
    let now = node.clock.wall();
    let late = node.journal.open_tasks().filter(|(_, known)| {
        let since = now.since(known.admitted);
        known.waits()
            && known.phase == Phase::Admitted
            && known.lane() == *lane
            && since >= limits::READY_PATIENCE
    });
    for id in late.map(|(id, _)| id).collect::<Vec<_>>() {
        let why = "its sender's word that it may be started cannot be read";
        pool::release::unfit(node, id, why)?;
    }
    Ok(())
}

/// What the agent of a task is given of those that it waited for.
pub(super) fn handed_on(known: &Known) -> Vec<attempt::Prior> {
    let Hold::Over(prior) = &known.hold else {
        return Vec::new();
    };
    let one = |one: &Prior| attempt::Prior {
        id: one.id,
        status: one.status,
        text: one.text.clone(),
        truncated: one.truncated,
    };
    prior.iter().map(one).collect()
}

/// Whether the sender says of the task with these bytes that it may be started.
pub(super) fn is_ready(
    node: &mut Node,
    lane: &Lane,
    id: TaskId,
    digest: Digest,
    control: &[ControlName],
) -> bool {
    let kind = ControlKind::Ready(member(node, lane));
    let about = |name: &&ControlName| name.id == id && name.kind == kind;
    let mut names = control.iter().filter(about).take(limits::PASS_ENTRIES_MAX);
    names.any(|name| proved(node, lane, name, digest).is_some())
}

/// Reads and proves one document; what proves nothing is told once.
fn proved(node: &mut Node, lane: &Lane, name: &ControlName, digest: Digest) -> Option<Ready> {
    let file = name.to_string();
    if node.is_wanting(lane, &file) {
        return None;
    }
    match read(node, lane, name, digest) {
        Ok(ready) => ready,
        Err(refusal) => {
            let event = Event::of(Word::DocumentReject)
                .task(name.id)
                .peer(&lane.from)
                .code(refusal.reason.as_str())
                .say(&refusal.to_string());
            node.find_wanting(lane, file, &event);
            None
        }
    }
}

/// `None`: not readable now.
fn read(
    node: &Node,
    lane: &Lane,
    name: &ControlName,
    digest: Digest,
) -> Result<Option<Ready>, Refusal> {
    let control = Place::Stage(lane.clone(), Stage::Control);
    let most = Kind::Ready.bytes_max();
    let bytes = match node.transport.read(&control, &name.to_string(), most) {
        Ok(bytes) => bytes,
        Err(error) if error.why.is_some() => {
            return Err(Refusal::new(Reason::Type, &error.to_string()));
        }
        Err(_) => return Ok(None),
    };
    let context = Context {
        from: Party::from(&lane.from),
        to: node.party(),
        kind: Kind::Ready,
    };
    let now = node.clock.wall();
    let verified = Envelope::read(bytes).verify(&node.keys, &context, now)?;
    let peer = node.settings.peers.get(&lane.from);
    if peer.is_some_and(|peer| peer.require_signature) && !verified.is_signed() {
        // It decides when a signed task starts, and what it is told.
        let why = "the word about a task that waits";
        return Err(Refusal::new(Reason::Unsigned, why));
    }
    let ready = verified.ready(&Rules::at(now))?;
    if ready.task_id != name.id || ready.task_sha256 != digest {
        let why = "it is about another task or other bytes";
        return Err(Refusal::new(Reason::Digest, why));
    }
    Ok(Some(ready))
}
