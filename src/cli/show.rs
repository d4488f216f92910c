//! `dispatch show`: everything about one task.
//!
//! Whatever an agent or a peer wrote is escaped; only a log that goes to a pipe or a file is given as it is, because
//! that is what it was asked for, and only after its digest was the one the sealed result names.

mod log;

use std::io::IsTerminal;

use clap::Args as ClapArgs;
use serde_json::Value;
use serde_json::json;

use super::failure::Failure;
use super::outcome;
use super::scene;
use super::seek;
use super::seek::Wanted;
use super::setup::Common;
use super::setup::Setup;
use super::voice::Style;
use super::voice::Voice;
use crate::document::Answer;
use crate::document::Task;
use crate::escape;
use crate::exit::Exit;
use crate::flow::collect::Answered;
use crate::flow::collect::Whereabouts;
use crate::id::Digest;
use crate::status::Scene;
use crate::status::record::Recorded;
use crate::status::task;
use crate::status::task::Sealed;
use crate::status::why;
use crate::units;

/// Show everything about one task: what was asked, where it is, what came of it
///
/// Example: dispatch show 0198f1c2-8a00-7000-8000-0123456789ab --log | less
///
/// Exits 0 where the task is known, whatever came of it. --log prints the log of the run: escaped on a terminal, as it
/// is into a pipe or a file, and only if it is the one that the signed result names.
#[derive(Debug, ClapArgs)]
pub struct Args {
    /// The task: its id, or a unique beginning of at least 8 digits
    #[arg(value_name = "ID")]
    id: String,
    /// Print one JSON object
    #[arg(long, conflicts_with_all = ["log", "request"])]
    json: bool,
    /// Print the log of the run, and nothing else
    #[arg(long, conflicts_with = "request")]
    log: bool,
    /// Print the whole request, and nothing else
    #[arg(long)]
    request: bool,
    #[command(flatten)]
    common: Common,
}

impl Args {
    /// Returns the flags every program has.
    #[must_use]
    pub const fn common(&self) -> &Common {
        &self.common
    }
}

/// What is known of the task.
struct Facts {
    wanted: Wanted,
    found: Whereabouts,
    sealed: Option<Sealed>,
    conflict: Option<Recorded>,
}

/// Runs the command.
///
/// # Errors
/// [`Failure`]
pub fn run(args: &Args, voice: &Voice) -> Result<Exit, Failure> {
    let setup = Setup::new(&args.common, voice)?;
    let scene = scene::of(&setup)?;
    let wanted = seek::anywhere(&setup, &scene, &args.id)?;
    let sender = setup.sender();
    let found = sender.find(&wanted.lane, wanted.id, None)?;
    let sealed = task::file(&sender, &wanted.lane, wanted.id, &found)?;
    let conflict = match &found {
        Whereabouts::Answered(answered) => outcome::record(&setup, voice, &wanted.lane, answered),
        _ => None,
    };
    let facts = Facts {
        wanted,
        found,
        sealed,
        conflict,
    };
    if args.log {
        return log::print(&setup, &facts, voice);
    }
    if args.request {
        let task = task(&facts)?;
        voice.raw(shown(&task.request, std::io::stdout().is_terminal()).as_bytes())?;
        return Ok(Exit::Ok);
    }
    if args.json {
        voice.answer(&as_json(&scene, &facts).to_string())?;
    } else {
        let known = show(&scene, &facts, voice)?;
        if !known {
            return Err(seek::nowhere(&args.id));
        }
    }
    Ok(Exit::Ok)
}

/// A text as it is, or escaped for a terminal, with an end of line.
fn shown(text: &str, terminal: bool) -> String {
    let text = if terminal {
        escape::escape(text, true)
    } else {
        text.to_owned()
    };
    let end = if text.ends_with('\n') { "" } else { "\n" };
    format!("{text}{end}")
}

fn task(facts: &Facts) -> Result<&Task, Failure> {
    match facts.sealed.as_ref().map(|sealed| &sealed.read) {
        Some(Ok((task, _))) => Ok(task),
        Some(Err(why)) => Err(Failure::new(
            Exit::Refused,
            format!("the task is not believed: {why}"),
        )),
        None => Err(Failure::new(
            Exit::NotFound,
            "its task file is not to be seen",
        )),
    }
}

fn as_json(scene: &Scene, facts: &Facts) -> Value {
    let task = task(facts).ok();
    let because = match &facts.found {
        Whereabouts::Answered(_) => None,
        _ => why::of(scene, &facts.wanted.lane, facts.wanted.id)
            .ok()
            .flatten(),
    };
    let answered = match &facts.found {
        Whereabouts::Answered(answered) => Some(answered),
        _ => None,
    };
    json!({
        "version": 1,
        "id": facts.wanted.id,
        "lane": facts.wanted.lane.to_string(),
        "file": facts.sealed.as_ref().map(|sealed| format!("{}{}", sealed.place, sealed.name)),
        "since": facts.sealed.as_ref().and_then(|sealed| sealed.since),
        "state": because.as_ref().map_or("answered", |because| because.state),
        "why": because.map(|because| because.text),
        "task": task.map(|task| json!({
            "from": task.from, "to": task.to, "created": task.created, "expires": task.expires,
            "priority": task.priority, "profile": task.profile, "require_ack": task.require_ack,
            "require_dangerous": task.require_dangerous, "timeout_s": task.timeout_s,
            "idempotent": task.idempotent, "not_before": task.not_before, "parent": task.parent,
            "correlation": task.correlation, "tags": task.tags, "request": task.request,
        })),
        "result": answered.map(|answered| outcome::json(&answered.answer)),
        "result_file": answered.map(|answered| format!("{}{}", answered.place, answered.name)),
        "result_sha256": answered.map(|answered| answered.digest),
        "conflict": facts.conflict,
    })
}

/// Shows it to a person. Returns whether anything was to be seen.
fn show(scene: &Scene, facts: &Facts, voice: &Voice) -> Result<bool, Failure> {
    let id = facts.wanted.id;
    let because = match &facts.found {
        Whereabouts::Answered(_) => None,
        _ => why::of(scene, &facts.wanted.lane, id)?,
    };
    if because.is_none() && facts.sealed.is_none() {
        return Ok(false);
    }
    line(voice, "task", &id.to_string())?;
    line(voice, "lane", &facts.wanted.lane.to_string())?;
    if let Some(sealed) = &facts.sealed {
        line(voice, "file", &format!("{}{}", sealed.place, sealed.name))?;
        match &sealed.read {
            Ok((task, digest)) => asked(voice, task, *digest)?,
            Err(why) => line(voice, "sealed by", &format!("not believed: {why}"))?,
        }
    }
    if let Some(because) = because {
        line(voice, "why", &because.text)?;
    }
    if let Whereabouts::Answered(answered) = &facts.found {
        voice.answer("")?;
        came(voice, answered)?;
        if let Some(first) = &facts.conflict {
            let text = format!(
                "another outcome was seen first, at {}: {} (sha256 {})",
                first.at,
                first.status,
                first.sha256.short()
            );
            line(voice, "CONFLICT", &voice.styled(Style::Red, &text))?;
        }
    }
    Ok(true)
}

fn line(voice: &Voice, name: &str, text: &str) -> Result<(), Failure> {
    voice.answer(format!("{name:<13}{text}").trim_end())
}

fn maybe(voice: &Voice, name: &str, text: Option<String>) -> Result<(), Failure> {
    text.map_or(Ok(()), |text| {
        line(voice, name, &escape::escape(&text, false))
    })
}

/// What was asked.
fn asked(voice: &Voice, task: &Task, digest: Digest) -> Result<(), Failure> {
    line(
        voice,
        "sealed by",
        &format!("{}, sha256 {digest}", task.from),
    )?;
    line(
        voice,
        "created",
        &format!("{}, expires {}", task.created, task.expires),
    )?;
    line(voice, "priority", task.priority.as_str())?;
    maybe(
        voice,
        "profile",
        task.profile.as_ref().map(ToString::to_string),
    )?;
    maybe(
        voice,
        "not before",
        task.not_before.map(|at| at.to_string()),
    )?;
    let mut wishes = Vec::new();
    for (is, what) in [
        (task.require_ack, "an approval first"),
        (task.require_dangerous, "the dangerous mode"),
        (task.idempotent, "may run twice"),
    ] {
        wishes.extend(is.then_some(what));
    }
    maybe(
        voice,
        "asks for",
        (!wishes.is_empty()).then(|| wishes.join(", ")),
    )?;
    maybe(voice, "parent", task.parent.map(|id| id.to_string()))?;
    maybe(voice, "correlation", task.correlation.clone())?;
    maybe(
        voice,
        "tags",
        (!task.tags.is_empty()).then(|| task.tags.join(", ")),
    )?;
    line(voice, "request", &escape::excerpt(&task.request, 200))
}

/// What came of it.
fn came(voice: &Voice, answered: &Answered) -> Result<(), Failure> {
    let answer = &answered.answer;
    line(
        voice,
        "outcome",
        &format!("{} on {} (proved by its seal)", answer.status, answer.from),
    )?;
    line(
        voice,
        "result",
        &format!("{}{}", answered.place, answered.name),
    )?;
    maybe(voice, "class", answer.class.map(|class| class.to_string()))?;
    maybe(voice, "reason", answer.reason.clone())?;
    maybe(voice, "detail", answer.detail.clone())?;
    maybe(voice, "retry at", answer.retry_at.map(|at| at.to_string()))?;
    maybe(voice, "decided", answer.created.map(|at| at.to_string()))?;
    for tried in answer.history() {
        line(voice, "attempt", &outcome::attempt(&tried))?;
    }
    ran(voice, answer)?;
    maybe(
        voice,
        "approver",
        answer.approver.as_ref().map(ToString::to_string),
    )?;
    if !answer.final_text.is_empty() {
        line(voice, "answer", "")?;
        for text in escape::escape(&answer.final_text, true).lines() {
            voice.answer(&format!("  | {text}"))?;
        }
    }
    Ok(())
}

/// The run, where there was one.
fn ran(voice: &Voice, answer: &Answer) -> Result<(), Failure> {
    let (Some(started), Some(finished)) = (answer.started, answer.finished) else {
        return Ok(());
    };
    let elapsed = outcome::seconds(answer.elapsed_ms);
    line(
        voice,
        "ran",
        &format!(
            "{started} to {finished}, {elapsed}, attempt {}",
            answer.attempt
        ),
    )?;
    maybe(
        voice,
        "exit code",
        answer.exit_code.map(|code| code.to_string()),
    )?;
    maybe(
        voice,
        "signal",
        answer.signal.map(|signal| signal.to_string()),
    )?;
    maybe(voice, "model", answer.model.clone())?;
    maybe(voice, "turns", answer.turns.map(|turns| turns.to_string()))?;
    maybe(
        voice,
        "tokens",
        answer.tokens.map(|tokens| tokens.to_string()),
    )?;
    let cost = answer.cost_microusd;
    maybe(
        voice,
        "cost",
        cost.map(|cost| format!("{} USD", units::show_money(cost))),
    )?;
    maybe(voice, "session", answer.session.clone())?;
    maybe(
        voice,
        "denials",
        answer.denials.map(|count| count.to_string()),
    )?;
    maybe(voice, "contained by", Some(answer.containment.join(", ")))?;
    maybe(
        voice,
        "leftovers",
        answer
            .leftovers
            .map(|count| format!("{count} processes were ended")),
    )?;
    let cut = if answer.output_truncated { ", cut" } else { "" };
    let bytes = answer.log_bytes.unwrap_or(0);
    let wrote = answer.output_bytes;
    line(
        voice,
        "log",
        &format!("{bytes} bytes; the agent wrote {wrote}{cut}"),
    )
}
