//! An approver's decision: the task is shown as it was sealed, and the decision is bound to exactly those bytes.

use super::send::Sender;
use crate::chance::Chance;
use crate::clock::Timestamp;
use crate::document::Ack;
use crate::document::Context;
use crate::document::Kind;
use crate::document::Rules;
use crate::document::Task;
use crate::entry::ClaimName;
use crate::entry::ControlKind;
use crate::entry::ControlName;
use crate::envelope;
use crate::envelope::Envelope;
use crate::id::Digest;
use crate::id::NodeName;
use crate::id::Party;
use crate::id::TaskId;
use crate::legacy;
use crate::limits;
use crate::place::Lane;
use crate::place::Place;
use crate::reason::Reason;
use crate::reason::Refusal;
use crate::share::ShareError;
use crate::stage::Stage;
use crate::transport::Publish;

/// A task that waits for an approval, as the share shows it.
#[derive(Debug, Clone)]
pub struct Waiting {
    /// Its lane.
    pub lane: Lane,
    /// Its name in `pending-ack/`.
    pub claim: ClaimName,
    /// Digest of the file, where it could be read.
    pub digest: Option<Digest>,
    /// The task, where this host can verify it. Approvers without the link's key see who asks only by the lane.
    pub task: Result<Task, String>,
}

impl Waiting {
    /// Returns whom a decision is addressed to: who serves the lane; in a pool, the member that holds the task.
    #[must_use]
    pub fn holder(&self) -> Party {
        match self.lane.pool() {
            None => self.lane.to.clone(),
            Some(_) => Party::from(&self.claim.node),
        }
    }
}

/// Lists what waits in these lanes. In a pool each member asks for itself.
///
/// # Errors
/// [`ShareError`]: nothing is known.
pub fn waiting(sender: &Sender, lanes: &[Lane]) -> Result<Vec<Waiting>, ShareError> {
    let mut found = Vec::new();
    for lane in lanes {
        let parked = Place::Stage(lane.clone(), Stage::PendingAck);
        let listing = match sender.transport.list(&parked) {
            Err(error) if error.is_absent() => continue,
            other => other?,
        };
        for claim in listing
            .iter()
            .filter_map(|entry| ClaimName::parse(&entry.name))
        {
            found.push(read(sender, lane, &parked, claim));
        }
    }
    found.sort_by_key(|waiting| (waiting.claim.priority, waiting.claim.id.age_key()));
    Ok(found)
}

fn read(sender: &Sender, lane: &Lane, parked: &Place, claim: ClaimName) -> Waiting {
    let read = sender
        .transport
        .read(parked, &claim.to_string(), limits::TASK_BYTES_MAX)
        .map_err(|error| error.to_string())
        .and_then(|bytes| prove(sender, lane, bytes).map_err(|refusal| refusal.to_string()));
    let (digest, task) = match read {
        Ok((task, digest)) => (Some(digest), Ok(task)),
        Err(why) => (None, Err(why)),
    };
    Waiting {
        lane: lane.clone(),
        claim,
        digest,
        task,
    }
}

/// Proves the task and returns what an approval is bound to: the digest of the file, or of what the original's code
/// covers.
pub(crate) fn prove(
    sender: &Sender,
    lane: &Lane,
    bytes: Vec<u8>,
) -> Result<(Task, Digest), Refusal> {
    let context = Context {
        from: Party::from(&lane.from),
        to: lane.to.clone(),
        kind: Kind::Task,
    };
    let now = sender.clock.wall();
    match Envelope::read(bytes.clone()).verify(&sender.keys, &context, now) {
        Ok(verified) => Ok((verified.task(&Rules::recorded())?, verified.digest())),
        Err(refusal) if refusal.reason == Reason::V2Off => {
            let taken = legacy::read(&bytes, &sender.keys, &context, now, &Rules::recorded())?;
            Ok((taken.task, taken.identity))
        }
        Err(refusal) => Err(refusal),
    }
}

/// Publishes a decision.
///
/// # Errors
/// [`envelope::Error`]: there is no key of this approver, or the decision cannot be sealed; nothing was written.
pub fn decide(
    sender: &Sender,
    chance: &dyn Chance,
    lane: &Lane,
    approver: &NodeName,
    ack: &Ack,
) -> Result<Publish, envelope::Error> {
    let now = sender.clock.wall();
    let sealed = envelope::seal(&sender.keys, &ack.context(), now, &ack.body())?;
    let control = Place::Stage(lane.clone(), Stage::Control);
    let kind = ControlKind::Ack(approver.clone());
    let name = ControlName {
        id: ack.task_id,
        kind,
        nonce: chance.nonce(),
    };
    Ok(sender
        .transport
        .publish(lane, ack.task_id, (&control, &name.to_string()), &sealed))
}

/// Returns the moment until which a decision made now is good, by default.
#[must_use]
pub fn default_expiry(now: Timestamp) -> Timestamp {
    now.plus(limits::ACK_LIFE_DEFAULT)
}

/// Returns the one waiting task of this exact id or unique prefix of at least eight digits.
///
/// # Errors
/// [`Choice`]
pub fn choose<'a>(waiting: &'a [Waiting], text: &str) -> Result<&'a Waiting, Choice> {
    if let Ok(id) = TaskId::parse(text) {
        return waiting
            .iter()
            .find(|one| one.claim.id == id)
            .ok_or(Choice::None);
    }
    let digits = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f' | b'-');
    if text.len() < 8 || !text.bytes().all(digits) {
        return Err(Choice::NotAPrefix);
    }
    let mut matching = waiting
        .iter()
        .filter(|one| one.claim.id.to_string().starts_with(text));
    match (matching.next(), matching.count()) {
        (None, _) => Err(Choice::None),
        (Some(one), 0) => Ok(one),
        (Some(_), more) => Err(Choice::Several(more + 1)),
    }
}

/// Why no task was chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Choice {
    /// Nothing waits under it.
    #[error("no task of that id waits for an approval")]
    None,
    /// More than one does.
    #[error("{0} tasks begin with it; give more digits")]
    Several(usize),
    /// It is neither an id nor the beginning of one.
    #[error("not a task id, nor its first 8 or more digits")]
    NotAPrefix,
}
