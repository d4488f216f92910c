//! How an outcome is shown: the answer on stdout, its circumstances beside it, the exit status by what happened.

use serde_json::Value;
use serde_json::json;

use super::failure::Failure;
use super::setup::Setup;
use super::voice::Style;
use super::voice::Voice;
use crate::document::Answer;
use crate::escape;
use crate::event::Event;
use crate::event::Word;
use crate::exit::Exit;
use crate::flow::collect::Answered;
use crate::history::Tried;
use crate::outcome::Status;
use crate::place::Lane;
use crate::status::record;
use crate::status::record::Noted;
use crate::status::record::Recorded;

/// Returns the status a program ends with after this outcome.
#[must_use]
pub const fn exit(answer: &Answer) -> Exit {
    match answer.status {
        Status::Ok => Exit::Ok,
        Status::Rejected | Status::Denied => Exit::Refused,
        _ => Exit::No,
    }
}

/// Shows an outcome to a person: the answer as it is on stdout, escaped; the rest on stderr.
///
/// # Errors
/// [`Failure`] where stdout cannot be written.
pub fn show(voice: &Voice, answer: &Answer) -> Result<(), Failure> {
    if !answer.final_text.is_empty() {
        let text = escape::escape(&answer.final_text, true);
        let end = if text.ends_with('\n') { "" } else { "\n" };
        voice.raw(format!("{text}{end}").as_bytes())?;
    }
    voice.note(&summary(voice, answer));
    Ok(())
}

/// Records the first outcome of a task of this node; another one later is an alarm, and the first is returned.
pub(super) fn record(
    setup: &Setup,
    voice: &Voice,
    lane: &Lane,
    answered: &Answered,
) -> Option<Recorded> {
    if lane.from != setup.node {
        return None;
    }
    let state = setup.config.state().ok()?;
    let id = answered.answer.task_id;
    let event = |word: Word| {
        let mut event = Event::of(word).task(id).peer(lane.to.clone());
        event.status = Some(answered.answer.status);
        event.digest = Some(answered.digest);
        event
    };
    let tell = |event: &Event| {
        if let Ok(log) = setup.log() {
            log.tell(event);
        }
    };
    match record::note(state, answered, setup.clock.wall()) {
        Ok(Noted::First) => tell(&event(Word::TaskOutcome)),
        Ok(Noted::Same) => {}
        Ok(Noted::Conflict(first)) => {
            let text = format!(
                "another outcome was seen first: {} sha256 {}",
                first.status,
                first.sha256.short()
            );
            tell(&event(Word::TaskConflict).say(&text));
            voice.warn(&format!("conflict about {}: {text}", id.short()));
            return Some(first);
        }
        Err(error) => voice.warn(&format!("the outcome is not recorded: {error}")),
    }
    None
}

/// Returns one line about an outcome.
#[must_use]
pub fn summary(voice: &Voice, answer: &Answer) -> String {
    let style = if answer.status == Status::Ok {
        Style::Green
    } else {
        Style::Red
    };
    let mut line = format!(
        "{} {} on {}",
        answer.task_id.short(),
        voice.styled_aside(style, answer.status.as_str()),
        answer.from
    );
    if answer.started.is_some() {
        line.push_str(&format!(" after {}", seconds(answer.elapsed_ms)));
    }
    if let Some(class) = answer.class {
        line.push_str(&format!(" ({class})"));
    }
    let why = answer.detail.as_ref().or(answer.reason.as_ref());
    if let Some(why) = why.filter(|_| answer.status != Status::Ok) {
        line.push_str(&format!(": {}", escape::excerpt(why, 300)));
    }
    if let Some(moment) = answer.retry_at {
        line.push_str(&format!("; worth trying again at {moment}"));
    }
    line
}

/// Returns a duration as people read it.
#[must_use]
pub fn seconds(ms: u64) -> String {
    match ms {
        0..=999 => format!("{ms} ms"),
        1000..=119_999 => format!("{}.{} s", ms / 1000, ms % 1000 / 100),
        _ => format!("{} min {} s", ms / 60_000, ms % 60_000 / 1000),
    }
}

/// Returns one line about an attempt of several.
#[must_use]
pub fn attempt(tried: &Tried) -> String {
    let class = tried
        .class
        .map_or_else(String::new, |class| format!(" ({class})"));
    let free = if tried.free { ", cost none" } else { "" };
    format!(
        "{} at {}: {}{class} after {}{free}",
        tried.attempt,
        tried.at,
        tried.status,
        seconds(tried.elapsed_ms)
    )
}

/// The attempts of a task, where there were several.
fn history(answer: &Answer) -> Value {
    let attempts = answer.history();
    let all = attempts.iter().map(|tried| {
        json!({"attempt": tried.attempt, "at": tried.at, "status": tried.status, "class": tried.class,
            "elapsed_ms": tried.elapsed_ms, "free": tried.free})
    });
    all.collect()
}

/// Returns an outcome as `--json` shows it: a versioned contract, which may only grow.
#[must_use]
pub fn json(answer: &Answer) -> Value {
    json!({
        "version": 1,
        "id": answer.task_id,
        "state": "answered",
        "status": answer.status,
        "class": answer.class,
        "reason": answer.reason,
        "detail": answer.detail,
        "retry_at": answer.retry_at,
        "from": answer.from,
        "attempt": answer.attempt,
        "history": history(answer),
        "exit_code": answer.exit_code,
        "signal": answer.signal,
        "started": answer.started,
        "finished": answer.finished,
        "elapsed_ms": answer.elapsed_ms,
        "suspended_ms": answer.suspended_ms,
        "output_bytes": answer.output_bytes,
        "output_truncated": answer.output_truncated,
        "log_bytes": answer.log_bytes,
        "log_sha256": answer.log_sha256,
        "task_sha256": answer.task_sha256,
        "containment": answer.containment,
        "leftovers": answer.leftovers,
        "model": answer.model,
        "turns": answer.turns,
        "tokens": answer.tokens,
        "cost_microusd": answer.cost_microusd,
        "session": answer.session,
        "denials": answer.denials,
        "approver": answer.approver,
        "created": answer.created,
        "final_text": answer.final_text,
    })
}
