//! The sender's wish to end a task: a sealed document in `control/`, honoured before a start and while it runs.

use super::Error;
use super::Node;
use super::decide;
use super::finish;
use super::send::Sender;
use crate::attempt::StopReason;
use crate::chance::Chance;
use crate::document::Cancel;
use crate::document::Context;
use crate::document::Kind;
use crate::document::Rules;
use crate::entry::ControlKind;
use crate::entry::ControlName;
use crate::envelope;
use crate::envelope::Envelope;
use crate::event::Event;
use crate::event::Word;
use crate::id::Party;
use crate::id::TaskId;
use crate::journal::Phase;
use crate::limits;
use crate::outcome::Status;
use crate::place::Lane;
use crate::place::Place;
use crate::reason::Reason;
use crate::reason::Refusal;
use crate::stage::Stage;
use crate::transport::Publish;

/// Publishes a cancel. In a pool each member is told in a document of its own.
///
/// # Errors
/// [`envelope::Error`]: there is no key, or the reason cannot be sealed; nothing was written.
pub fn send(
    sender: &Sender,
    chance: &dyn Chance,
    lane: &Lane,
    cancel: &Cancel,
) -> Result<Publish, envelope::Error> {
    let now = sender.clock.wall();
    let sealed = envelope::seal(&sender.keys, &cancel.context(), now, &cancel.body())?;
    let control = Place::Stage(lane.clone(), Stage::Control);
    let name = ControlName {
        id: cancel.task_id,
        kind: kind_for(lane, &cancel.to),
        nonce: chance.nonce(),
    };
    Ok(sender
        .transport
        .publish(lane, cancel.task_id, (&control, &name.to_string()), &sealed))
}

/// How a cancel for a party is named in a lane.
fn kind_for(lane: &Lane, to: &Party) -> ControlKind {
    ControlKind::Cancel(lane.pool().and_then(|_| to.node()))
}

/// Honours the cancels that lie in `control/` of a lane.
pub(super) fn pass(node: &mut Node, lane: &Lane, control: &[ControlName]) -> Result<(), Error> {
    let mut reads = 0;
    let wish = kind_for(lane, &node.party());
    for name in control {
        let open = name.kind == wish
            && node
                .journal
                .known(name.id)
                .is_some_and(|known| known.outcome.is_none() && known.lane() == *lane);
        if !open || node.is_wanting(lane, &name.to_string()) {
            continue;
        }
        reads += 1;
        if reads > limits::PASS_ENTRIES_MAX {
            break;
        }
        if let Some(cancel) = proved(node, lane, name) {
            honour(node, name.id, &cancel)?;
        }
    }
    Ok(())
}

/// Looks once more, between marker and start. Returns whether the task is cancelled; then its outcome is decided.
pub(super) fn is_wanted(node: &mut Node, id: TaskId) -> Result<bool, Error> {
    let Some(known) = node.journal.known(id) else {
        return Ok(false);
    };
    let lane = known.lane();
    let control = Place::Stage(lane.clone(), Stage::Control);
    let names: Vec<ControlName> = node
        .transport
        .list(&control)?
        .iter()
        .filter_map(|entry| ControlName::parse(&entry.name))
        .filter(|name| name.id == id)
        .collect();
    pass(node, &lane, &names)?;
    Ok(node
        .journal
        .known(id)
        .is_none_or(|known| known.outcome.is_some()))
}

pub(super) fn proved(node: &mut Node, lane: &Lane, name: &ControlName) -> Option<Cancel> {
    match read(node, lane, name) {
        Ok(cancel) => cancel,
        Err(refusal) => {
            let event = Event::of(Word::DocumentReject)
                .task(name.id)
                .peer(&lane.from)
                .code(refusal.reason.as_str())
                .say(&refusal.to_string());
            node.find_wanting(lane, name.to_string(), &event);
            None
        }
    }
}

fn read(node: &Node, lane: &Lane, name: &ControlName) -> Result<Option<Cancel>, Refusal> {
    let control = Place::Stage(lane.clone(), Stage::Control);
    let bytes = match node
        .transport
        .read(&control, &name.to_string(), limits::CONTROL_BYTES_MAX)
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
        kind: Kind::Cancel,
    };
    let now = node.clock.wall();
    let cancel = Envelope::read(bytes)
        .verify(&node.keys, &context, now)?
        .cancel(&Rules::at(now))?;
    let known = node.journal.known(name.id);
    let other_bytes = match (&cancel.task_sha256, known) {
        (Some(digest), Some(known)) => *digest != known.digest,
        _ => false,
    };
    if cancel.task_id != name.id || other_bytes {
        return Err(Refusal::new(
            Reason::Digest,
            "the cancel is about another task",
        ));
    }
    Ok(Some(cancel))
}

fn honour(node: &mut Node, id: TaskId, cancel: &Cancel) -> Result<(), Error> {
    let Some(known) = node.journal.known(id) else {
        return Ok(());
    };
    let why = format!("cancelled by {}: {}", cancel.from, cancel.reason);
    match known.phase {
        Phase::Started => {
            let how = (StopReason::Cancel, Status::Cancelled);
            finish::stop_for(node, id, how, &why)
        }
        Phase::Admitted | Phase::Parked | Phase::Returned => {
            decide::without_run(node, id, Status::Cancelled, None, &why)
        }
        // It ended before the wish came.
        Phase::Finished | Phase::Decided => Ok(()),
    }
}
