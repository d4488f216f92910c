//! `processing/` ⇄ `pending-ack/`: a task waits for a decision, and a sealed decision is accepted once.
//!
//! An approval has effect only when it is in the journal, synced; a crash before that asks again, a crash after it
//! unparks.

use super::Error;
use super::Node;
use super::decide;
use super::pool;
use super::receive;
use super::receive::Reading;
use crate::document::Ack;
use crate::document::Allowance;
use crate::document::Context;
use crate::document::Decision;
use crate::document::Kind;
use crate::document::Rules;
use crate::entry::ClaimName;
use crate::entry::ControlKind;
use crate::entry::ControlName;
use crate::envelope::Envelope;
use crate::escape;
use crate::event::Event;
use crate::event::Word;
use crate::id::Digest;
use crate::id::NodeName;
use crate::id::Party;
use crate::id::TaskId;
use crate::journal::Approval;
use crate::journal::Fact;
use crate::journal::Known;
use crate::journal::Phase;
use crate::limits;
use crate::outcome::Status;
use crate::place::Lane;
use crate::place::Place;
use crate::policy::Terms;
use crate::reason::Reason;
use crate::reason::Refusal;
use crate::stage::Stage;
use crate::transport::Advance;

/// What a summary has room for beside the beginning of a request.
const WHY_LETTERS: usize = limits::SUMMARY_LETTERS_MAX - limits::QUOTE_LETTERS_MAX - 2;

/// What whoever shall decide about a task is told of it.
pub(super) struct Asks<'a> {
    /// Why an approval is needed.
    pub why: &'a str,
    /// What it would be run with.
    pub terms: &'a Terms,
    /// What it asks for.
    pub request: &'a str,
}

impl Asks<'_> {
    fn event(&self) -> Event {
        let why = escape::excerpt(self.why, WHY_LETTERS);
        Event {
            profile: Some(self.terms.profile.clone()),
            dangerous: Some(self.terms.dangerous),
            ..Event::of(Word::TaskPendingAck).quote(&format!("{why}: "), self.request)
        }
    }
}

/// Moves an admitted task to `pending-ack/`.
pub(super) fn park(node: &mut Node, id: TaskId, asks: &Asks<'_>) -> Result<(), Error> {
    pool::release::disown(node, id)?;
    let Some(known) = node.journal.known(id) else {
        return Ok(());
    };
    let Some(claim) = ClaimName::parse_stem(&known.claim) else {
        return Ok(());
    };
    let lane = known.lane();
    let parked = claim.again_by(&node.settings.node, node.chance.nonce());
    let (from, to) = ((Stage::Processing, &claim), (Stage::PendingAck, &parked));
    match pool::lease::carry(node, &lane, from, to)? {
        Advance::Moved => {
            node.step_out(id);
            node.journal.record(Fact::Parked {
                id,
                claim: parked.stem(),
            })?;
            node.tell(&asks.event().claim(&parked).peer(&lane.from));
            Ok(())
        }
        // It stays admitted and in line; the start finds that it needs an approval and parks it then.
        Advance::NotMine => {
            node.search_again(&lane);
            Ok(())
        }
        Advance::Unknown(error) | Advance::Hopeless(error) => {
            node.search_again(&lane);
            Err(error.into())
        }
    }
}

/// Whether an accepted approval covers a start now. It holds for the digest, so through all generations.
pub(super) fn is_approved(node: &Node, known: &Known, terms: &Terms) -> bool {
    known.approval.as_ref().is_some_and(|approval| {
        let allowed = node.settings.approvers.get(&approval.approver);
        allowed.is_some_and(|allowed| allowed.may_approve(&known.from, terms.dangerous))
            && (approval.dangerous || !terms.dangerous)
    })
}

/// Moves an approved task back to `processing/`.
pub(super) fn unpark(node: &mut Node, id: TaskId) -> Result<(), Error> {
    let Some(known) = node.journal.known(id) else {
        return Ok(());
    };
    let Some(claim) = ClaimName::parse_stem(&known.claim) else {
        return Ok(());
    };
    let lane = known.lane();
    let held = claim.again_by(&node.settings.node, node.chance.nonce());
    let (from, to) = ((Stage::PendingAck, &claim), (Stage::Processing, &held));
    match pool::lease::carry(node, &lane, from, to)? {
        Advance::Moved => {
            node.journal.record(Fact::Held {
                id,
                claim: held.stem(),
            })?;
            node.line_up(id);
            Ok(())
        }
        Advance::NotMine => {
            node.search_again(&lane);
            Ok(())
        }
        Advance::Unknown(error) | Advance::Hopeless(error) => {
            node.search_again(&lane);
            Err(error.into())
        }
    }
}

/// Accepts the decisions that lie in `control/` of a lane for tasks that wait for one.
pub(super) fn decisions(
    node: &mut Node,
    lane: &Lane,
    control: &[ControlName],
) -> Result<(), Error> {
    let mut reads = 0;
    for name in control {
        let ControlKind::Ack(approver) = &name.kind else {
            continue;
        };
        let waits = node.journal.known(name.id).is_some_and(|known| {
            known.phase == Phase::Parked && known.approval.is_none() && known.lane() == *lane
        });
        let file = name.to_string();
        if !waits || node.is_wanting(lane, &file) {
            continue;
        }
        reads += 1;
        if reads > limits::PASS_ENTRIES_MAX {
            break;
        }
        match read(node, lane, name, approver) {
            Ok(Some((ack, digest))) => accept(node, name.id, approver, &ack, digest)?,
            Ok(None) => {}
            Err(refusal) => {
                let event = Event::of(Word::DocumentReject)
                    .task(name.id)
                    .peer(Party::of_approver(approver))
                    .code(refusal.reason.as_str())
                    .say(&refusal.to_string());
                node.find_wanting(lane, file, &event);
            }
        }
    }
    Ok(())
}

/// Finishes what was approved and not yet unparked: a crash or a lost reply came in between.
pub(super) fn unpark_approved(node: &mut Node, lane: &Lane) -> Result<(), Error> {
    let approved: Vec<TaskId> = node
        .journal
        .open_tasks()
        .filter(|(_, known)| known.phase == Phase::Parked && known.approval.is_some())
        .filter(|(_, known)| known.lane() == *lane)
        .map(|(id, _)| id)
        .collect();
    for id in approved {
        unpark(node, id)?;
    }
    Ok(())
}

/// Reads and proves one decision. `None`: not readable now.
fn read(
    node: &Node,
    lane: &Lane,
    name: &ControlName,
    approver: &NodeName,
) -> Result<Option<(Ack, Digest)>, Refusal> {
    let refuse = |reason, detail: &str| Err(Refusal::new(reason, detail));
    let Some(known) = node.journal.known(name.id) else {
        return Ok(None);
    };
    let Some(allowed) = node.settings.approvers.get(approver) else {
        return refuse(Reason::Peer, &format!("approver '{approver}'"));
    };
    let control = Place::Stage(lane.clone(), Stage::Control);
    let bytes = match node
        .transport
        .read(&control, &name.to_string(), limits::CONTROL_BYTES_MAX)
    {
        Ok(bytes) => bytes,
        Err(error) if error.why.is_some() => return refuse(Reason::Type, &error.to_string()),
        Err(_) => return Ok(None),
    };
    let from = Party::of_approver(approver);
    let context = Context {
        from,
        to: node.party(),
        kind: Kind::Ack,
    };
    let now = node.clock.wall();
    let verified = Envelope::read(bytes).verify(&node.keys, &context, now)?;
    let ack = verified.ack(&Rules::at(now))?;
    if ack.task_id != name.id || ack.task_sha256 != known.digest {
        return refuse(
            Reason::Digest,
            "the decision is about another task or other bytes",
        );
    }
    let dangerous = ack.grants.contains(&Allowance::Dangerous);
    if ack.decision == Decision::Approve && !allowed.may_approve(&known.from, dangerous) {
        return refuse(
            Reason::Policy,
            &format!(
                "approver '{approver}' may not decide this for tasks of {}",
                known.from
            ),
        );
    }
    if ack.decision == Decision::Approve && !dangerous && asks_for_danger(node, lane, name.id) {
        let why = "it does not grant the dangerous mode, which the task asks for";
        return refuse(Reason::Policy, why);
    }
    Ok(Some((ack, verified.digest())))
}

/// Whether a parked task asks for the dangerous mode. Where that cannot be read now, the start finds out.
fn asks_for_danger(node: &Node, lane: &Lane, id: TaskId) -> bool {
    let Some(known) = node.journal.known(id) else {
        return false;
    };
    let parked = Place::Stage(lane.clone(), Stage::PendingAck);
    match receive::read(node, lane, &parked, &format!("{}.json", known.claim)) {
        Reading::Proved(proved) if proved.digest == known.digest => {
            receive::terms_of(receive::terms(node, &known.from, &proved))
                .is_some_and(|(terms, _)| terms.dangerous)
        }
        _ => false,
    }
}

/// The first valid decision is final.
fn accept(
    node: &mut Node,
    id: TaskId,
    approver: &NodeName,
    ack: &Ack,
    digest: Digest,
) -> Result<(), Error> {
    let party = Party::of_approver(approver);
    if ack.decision == Decision::Deny {
        let reason = ack
            .reason
            .clone()
            .unwrap_or_else(|| format!("denied by {approver}"));
        let mut answer = match decide::blank(node, id, Status::Denied) {
            Some(answer) => answer,
            None => return Ok(()),
        };
        answer.approver = Some(party);
        answer.detail = Some(reason);
        return decide::decide(node, id, answer);
    }
    let dangerous = ack.grants.contains(&Allowance::Dangerous);
    let approval = Approval {
        approver: approver.clone(),
        dangerous,
        ack: digest,
        expires: ack.expires,
    };
    node.journal.record(Fact::Approved { id, approval })?;
    node.journal.sync()?;
    let mut event = Event::of(Word::TaskAck)
        .task(id)
        .say(&format!("approved by {approver}"));
    event.approver = Some(party);
    event.digest = Some(digest);
    event.dangerous = Some(dangerous);
    node.tell(&event);
    unpark(node, id)
}
