//! What a sender asked to be told while its task goes on: sealed receipts in `control/`.
//!
//! They inform and hold up nothing: they are written behind everything else of a round, and tried again while the task
//! is open. A crash forgets those that were not written yet; each confirms the earlier steps too, and the last word
//! about a task is its result.

use std::collections::BTreeSet;

use super::Error;
use super::Node;
use super::send::Sender;
use crate::document::Context;
use crate::document::Kind;
use crate::document::Receipt;
use crate::document::Rules;
use crate::document::Step;
use crate::document::Task;
use crate::entry::ControlKind;
use crate::entry::ControlName;
use crate::envelope;
use crate::envelope::Envelope;
use crate::id::Digest;
use crate::id::NodeName;
use crate::id::Party;
use crate::id::TaskId;
use crate::limits;
use crate::place::Lane;
use crate::place::Place;
use crate::share::Listed;
use crate::stage::Stage;
use crate::transport::Publish;

/// The extension of a task by which its sender asks for receipts (`docs/ENVELOPE.md`).
pub const EXTENSION: &str = "receipts";

/// A task whose sender wants to be told how far it is.
#[derive(Debug)]
pub(crate) struct Told {
    lane: Lane,
    digest: Digest,
    /// How far it is.
    step: Step,
    /// The last step that was confirmed.
    said: Option<Step>,
}

/// Notes how far a task is, if its sender asked for that.
pub(super) fn note(node: &mut Node, lane: &Lane, task: &Task, digest: Digest, step: Step) {
    if task.ext.contains_key(EXTENSION) {
        let told = node.now.receipts.entry(task.id).or_insert_with(|| Told {
            lane: lane.clone(),
            digest,
            step,
            said: None,
        });
        told.step = told.step.max(step);
    }
}

/// Notes that the agent of a task was let go.
pub(super) fn started(node: &mut Node, id: TaskId) {
    if let Some(told) = node.now.receipts.get_mut(&id) {
        told.step = Step::Started;
    }
}

/// Writes what is to be confirmed.
pub(super) fn pass(node: &mut Node) -> Result<(), Error> {
    let journal = &node.journal;
    let is_open = |id: &TaskId| {
        let known = journal.known(*id);
        known.is_some_and(|known| known.outcome.is_none())
    };
    node.now.receipts.retain(|id, _| is_open(id));
    let due: Vec<TaskId> = node
        .now
        .receipts
        .iter()
        .filter(|(_, told)| told.said < Some(told.step))
        .map(|(id, _)| *id)
        .take(limits::PASS_ENTRIES_MAX)
        .collect();
    let mut failed = Ok(());
    for id in due {
        // What fails in the lane of one peer is no reason to keep the others waiting.
        failed = failed.and(write(node, id));
    }
    failed
}

fn write(node: &mut Node, id: TaskId) -> Result<(), Error> {
    let Some(told) = node.now.receipts.get(&id) else {
        return Ok(());
    };
    let (lane, step, now) = (told.lane.clone(), told.step, node.clock.wall());
    let receipt = Receipt {
        from: node.party(),
        to: Party::from(&lane.from),
        task_id: id,
        task_sha256: told.digest,
        step,
        created: now,
        expires: now.plus(limits::LIFE_MAX),
    };
    let sealed = envelope::seal(&node.keys, &receipt.context(), now, &receipt.body())?;
    let name = ControlName {
        id,
        kind: ControlKind::Receipt(node.settings.node.clone()),
        nonce: node.chance.nonce(),
    };
    let control = Place::Stage(lane.clone(), Stage::Control);
    let to = (&control, &*name.to_string());
    match node.transport.publish(&lane, id, to, &sealed) {
        Publish::Published => {}
        Publish::Failed(error) | Publish::Unknown { error, .. } => return Err(error.into()),
    }
    // Removed with everything else about the task when it is over.
    node.now.controls.insert(lane);
    if let Some(told) = node.now.receipts.get_mut(&id) {
        told.said = Some(step);
    }
    Ok(())
}

impl Sender {
    /// Returns the furthest step of a task that its receiver, or a member of the pool that was asked, confirmed under
    /// seal, by a listing of `control/`. What cannot be read or proved confirms nothing.
    #[must_use]
    pub fn receipt(
        &self,
        lane: &Lane,
        listing: &[Listed],
        (id, digest): (TaskId, Digest),
    ) -> Option<Receipt> {
        let control = Place::Stage(lane.clone(), Stage::Control);
        let speakers = self.receivers(lane);
        let plain = listing.iter().filter(|entry| entry.raw.is_none());
        plain
            .filter_map(|entry| ControlName::parse(&entry.name))
            .filter(|name| name.id == id)
            .filter_map(|name| match name.kind.clone() {
                ControlKind::Receipt(node) if speakers.contains(&node) => Some((name, node)),
                _ => None,
            })
            // Whoever can write there can plant any number, and each costs a read.
            .take(limits::PASS_ENTRIES_MAX)
            .filter_map(|(name, node)| self.confirmed(lane, &control, &name, &node))
            .filter(|receipt| receipt.task_sha256 == digest && receipt.task_id == id)
            .max_by_key(|receipt| receipt.step)
    }

    /// Who may confirm a task in a lane.
    fn receivers(&self, lane: &Lane) -> BTreeSet<NodeName> {
        if let Some(node) = lane.to.node() {
            return BTreeSet::from([node]);
        }
        let members = lane.pool().and_then(|pool| self.pools.get(&pool));
        members.cloned().unwrap_or_default()
    }

    fn confirmed(
        &self,
        lane: &Lane,
        control: &Place,
        name: &ControlName,
        node: &NodeName,
    ) -> Option<Receipt> {
        let most = limits::CONTROL_BYTES_MAX;
        let bytes = self.transport.read(control, &name.to_string(), most).ok()?;
        let context = Context {
            from: Party::from(node),
            to: Party::from(&lane.from),
            kind: Kind::Receipt,
        };
        let verified = Envelope::read(bytes).verify(&self.keys, &context, self.clock.wall());
        verified.ok()?.receipt(&Rules::recorded()).ok()
    }
}
