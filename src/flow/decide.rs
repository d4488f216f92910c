//! An outcome is decided: sealed once, journalled with its bytes, then on its way to the share whatever happens.

use super::Error;
use super::Node;
use crate::document::Answer;
use crate::document::Context;
use crate::document::Kind;
use crate::entry::ClaimName;
use crate::envelope;
use crate::event::Event;
use crate::event::Word;
use crate::history;
use crate::history::Tried;
use crate::id::Party;
use crate::id::TaskId;
use crate::journal::Fact;
use crate::journal::Known;
use crate::legacy;
use crate::outcome::Status;
use crate::planted;
use crate::planted::Bug;

/// Decides an outcome without a run: refused, denied, expired, cancelled, or not known.
pub(super) fn without_run(
    node: &mut Node,
    id: TaskId,
    status: Status,
    reason: Option<&str>,
    detail: &str,
) -> Result<(), Error> {
    let Some(mut answer) = blank(node, id, status) else {
        return Ok(());
    };
    answer.reason = reason.map(str::to_owned);
    answer.detail = Some(detail.to_owned());
    decide(node, id, answer)
}

/// Returns an answer about a task with the parties and the claim filled in.
pub(super) fn blank(node: &Node, id: TaskId, status: Status) -> Option<Answer> {
    let known = node.journal.known(id)?;
    let to = Party::from(&known.from);
    let mut answer = Answer::new(node.party(), to, (id, known.digest), status);
    answer.attempt = known.starts;
    answer.claim = ClaimName::parse_stem(&known.claim);
    answer.approver = known
        .approval
        .as_ref()
        .map(|approval| Party::of_approver(&approval.approver));
    Some(answer)
}

/// Seals an answer and journals it, durably. From here on the outcome does not change.
pub(super) fn decide(node: &mut Node, id: TaskId, mut answer: Answer) -> Result<(), Error> {
    let Some(known) = node.journal.known(id) else {
        return Ok(());
    };
    let (claim, is_legacy) = (known.claim.clone(), known.legacy);
    let now = node.clock.wall();
    answer.created = Some(now);
    tell_attempts(known, &mut answer);
    answer.audit = node.sink.head();
    let context = Context {
        from: answer.from.clone(),
        to: answer.to.clone(),
        kind: Kind::Result,
    };
    // A peer that speaks only the original's language has no key for a sealed result.
    let sealed = if is_legacy && node.keys.signing(&context, now).is_none() {
        legacy::outcome(&answer, now)
    } else {
        envelope::seal(&node.keys, &context, now, &answer.body())?
    };
    node.step_out(id);
    let status = answer.status;
    // Sealed documents are UTF-8: their writer made them from strings.
    let sealed = String::from_utf8_lossy(&sealed).into_owned();
    node.journal.record(Fact::Decided {
        id,
        claim,
        status,
        sealed,
        at: now,
    })?;
    if !planted::is(Bug::DecisionUnsynced) {
        node.journal.sync()?;
    }
    node.now.decided.insert(id);
    node.now.not_before.remove(&id);
    let mut event = Event::of(word(status)).task(id).peer(answer.to.clone());
    event.status = Some(status);
    event.class = answer.class;
    event.elapsed_ms = answer.started.map(|_| answer.elapsed_ms);
    event.tokens = answer.tokens;
    event.cost_microusd = answer.cost_microusd;
    if let Some(code) = &answer.reason {
        event = event.code(code);
    }
    let said = answer
        .detail
        .clone()
        .unwrap_or_else(|| status.as_str().to_owned());
    node.tell(&event.say(&said));
    Ok(())
}

/// Puts the attempts before the last one into the outcome, and that one behind them.
fn tell_attempts(known: &Known, answer: &mut Answer) {
    let mut tried = known.tried.clone();
    let Some(last) = tried.last().map(|last| last.attempt) else {
        return;
    };
    if last < answer.attempt {
        let status = match answer.status {
            Status::Poison => Status::Error,
            status => status,
        };
        let this = Tried {
            attempt: answer.attempt,
            at: answer.started.unwrap_or(known.started),
            status,
            class: answer.class,
            elapsed_ms: answer.elapsed_ms,
            free: false,
        };
        history::add(&mut tried, this);
    }
    answer.tell_history(&tried);
}

const fn word(status: Status) -> Word {
    match status {
        Status::Rejected => Word::TaskReject,
        Status::Denied => Word::TaskDeny,
        Status::Expired => Word::TaskExpire,
        Status::Cancelled => Word::TaskCancel,
        _ => Word::TaskExecEnd,
    }
}
