//! `dispatch retry`: a task that is over is sent again, as a new task of the same content.

use std::io::BufRead;
use std::io::IsTerminal;
use std::time::Duration;

use clap::Args as ClapArgs;
use serde_json::json;

use super::failure::Failure;
use super::outcome;
use super::seek;
use super::send::keyed;
use super::setup::Common;
use super::setup::Setup;
use super::voice::Voice;
use super::wait;
use crate::document::Answer;
use crate::document::Task;
use crate::event::Event;
use crate::event::Word;
use crate::exit::Exit;
use crate::flow::collect::Whereabouts;
use crate::flow::send::Sent;
use crate::id::Priority;
use crate::id::ProfileName;
use crate::outcome::Remedy;
use crate::outcome::Status;
use crate::place::Place;
use crate::stage::Stage;
use crate::status::task;
use crate::transport::Publish;
use crate::units;

/// Send a task again that is over
///
/// Example: dispatch retry 0198f1c2-8a00-7000-8000-0123456789ab --timeout 2h --wait
///
/// The content is the same, the id is new, and the task says which submission it is and of what. Prints
/// `<id><TAB><path>` as dispatch-send does. A task that is not over is refused with status 1; where it may have run
/// already and was not marked idempotent, it asks first.
#[derive(Debug, ClapArgs)]
pub struct Args {
    /// The task: its id, or a unique beginning of at least 8 digits
    #[arg(value_name = "ID")]
    id: String,
    /// Longest running time this time, such as 90s or 2h
    #[arg(long, value_name = "TIME", value_parser = units::duration)]
    timeout: Option<Duration>,
    /// How it should be run this time: a profile of the receiver
    #[arg(long, value_name = "NAME")]
    profile: Option<ProfileName>,
    /// How soon it should run this time: low, normal or high
    #[arg(long, short, value_name = "WORD")]
    priority: Option<Priority>,
    /// Do not start it later than this from now [default: as long as the first time]
    #[arg(long, value_name = "TIME", value_parser = units::duration)]
    expires: Option<Duration>,
    /// Do not ask, whatever it may repeat
    #[arg(long)]
    yes: bool,
    /// Wait for the outcome, at most this long; print the answer and exit by it
    #[arg(long, value_name = "TIME", num_args = 0..=1, require_equals = true,
          default_missing_value = "forever", value_parser = wait::deadline)]
    wait: Option<wait::Deadline>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
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

/// Runs the command.
///
/// # Errors
/// [`Failure`]: nothing was published, unless it says so.
pub fn run(args: &Args, voice: &Voice) -> Result<Exit, Failure> {
    let setup = Setup::new(&args.common, voice)?;
    setup.check_root()?;
    let wanted = seek::resolve(&setup, &args.id, &setup.lanes_out())?;
    let sender = setup.sender();
    let found = sender.find(&wanted.lane, wanted.id, None)?;
    let answered = match &found {
        Whereabouts::Answered(answered) => answered,
        Whereabouts::Absent => return Err(seek::nowhere(&args.id)),
        Whereabouts::Open(..) | Whereabouts::Doubtful(_) => {
            let text = format!("task {} is not over yet", wanted.id);
            let hint = format!(
                "'dispatch why {}' says where it is, 'dispatch cancel' ends it",
                wanted.id
            );
            return Err(Failure::new(Exit::No, text).hint(hint));
        }
    };
    outcome::record(&setup, voice, &wanted.lane, answered);
    let first = original(&setup, &wanted, &found)?;
    if !args.yes && !confirm(&first, &answered.answer, voice)? {
        return Err(Failure::new(Exit::No, "nothing was sent"));
    }
    let task = again(args, &setup, &first)?;
    keyed::note(&setup, &wanted.lane, &task, None)?;
    let sent = sender.send(&wanted.lane, &task)?;
    keyed::note(&setup, &wanted.lane, &task, Some(&sent))?;
    told(args, &setup, &sent, &task, voice)
}

/// The task as it was sealed: the outcome does not hold what was asked.
fn original(setup: &Setup, wanted: &seek::Wanted, found: &Whereabouts) -> Result<Task, Failure> {
    let sealed = task::file(&setup.sender(), &wanted.lane, wanted.id, found)?;
    let Some(sealed) = sealed else {
        let text = format!("the file of task {} is not to be seen", wanted.id);
        return Err(Failure::new(Exit::NotFound, text)
            .hint("it may have been removed by rule; send the request again with dispatch-send"));
    };
    let (task, _) = sealed.read.map_err(|why| {
        let text = format!("the file of task {} is not believed: {why}", wanted.id);
        Failure::new(Exit::Refused, text)
    })?;
    // What an extension means for a second submission only whoever knows it can say.
    if let Some(name) = task.crit.first() {
        let text = format!("task {} depends on its extension '{name}'", wanted.id);
        return Err(Failure::new(Exit::Refused, text).hint("send it again with dispatch-send"));
    }
    Ok(task)
}

/// Whether it is to be sent: where it may have run and is not marked idempotent, a person says so.
fn confirm(first: &Task, answer: &Answer, voice: &Voice) -> Result<bool, Failure> {
    let helps = answer.class.map(crate::outcome::FailureClass::remedy);
    if helps == Some(Remedy::Sender) {
        voice.warn("the same request failed of itself, and may fail so again");
    }
    if answer.status != Status::Indeterminate || first.idempotent {
        return Ok(true);
    }
    let text = "it may have run already, what it did is not known, and it is not marked idempotent";
    if !std::io::stdin().is_terminal() {
        return Err(Failure::new(Exit::Usage, text).hint("--yes sends it again all the same"));
    }
    voice.warn(text);
    voice.note(&format!(
        "Send task {} again? Type 'yes':",
        first.id.short()
    ));
    let mut line = String::new();
    std::io::stdin()
        .lock()
        .read_line(&mut line)
        .map_err(|error| Failure::new(Exit::Io, format!("cannot read the answer: {error}")))?;
    Ok(line.trim() == "yes")
}

/// The next submission of the same work.
fn again(args: &Args, setup: &Setup, first: &Task) -> Result<Task, Failure> {
    let now = setup.clock.wall();
    let mut task = first.clone();
    task.id = setup.chance.task_id(setup.clock.unix_ms());
    task.created = now;
    task.expires = now.plus(
        args.expires
            .unwrap_or_else(|| first.expires.since(first.created)),
    );
    // It has been waited for.
    task.not_before = None;
    task.attempt = first
        .attempt
        .checked_add(1)
        .ok_or_else(|| Failure::new(Exit::Data, "it was submitted too often to be counted"))?;
    task.root = first.root.or(Some(first.id));
    task.parent = Some(first.id);
    task.priority = args.priority.unwrap_or(first.priority);
    task.profile = args.profile.clone().or_else(|| first.profile.clone());
    let timeout = args.timeout.map(|time| time.as_secs().max(1));
    task.timeout_s = timeout.or(first.timeout_s);
    Ok(task)
}

fn told(
    args: &Args,
    setup: &Setup,
    sent: &Sent,
    task: &Task,
    voice: &Voice,
) -> Result<Exit, Failure> {
    let inbox = Place::Stage(sent.lane.clone(), Stage::Inbox);
    let path = setup.config.root()?.join(inbox.path()).join(&sent.name);
    let state = match &sent.publish {
        Publish::Published => "published",
        Publish::Unknown { .. } => "unknown",
        Publish::Failed(error) => return Err(Failure::from(error.clone())),
    };
    if let Ok(log) = setup.log() {
        let event = Event::of(Word::TaskSend)
            .task(sent.id)
            .peer(sent.lane.to.clone());
        let lead = format!("-> {} (submission {}): ", sent.lane.to, task.attempt);
        log.tell(&event.quote(&lead, &task.request));
    }
    let is_published = matches!(sent.publish, Publish::Published);
    if let (Some(deadline), true) = (args.wait, is_published) {
        voice.note(&format!("{}\t{}", sent.id, path.display()));
        let wanted = seek::Wanted {
            id: sent.id,
            lane: sent.lane.clone(),
            digest: Some(sent.digest),
        };
        return wait::one(setup, voice, &wanted, deadline, args.json);
    }
    if args.json {
        let line = json!({"version": 1, "id": sent.id, "state": state, "to": sent.lane.to,
            "sha256": sent.digest, "path": path, "attempt": task.attempt, "parent": task.parent});
        voice.answer(&line.to_string())?;
    } else {
        voice.answer(&format!("{}\t{}", sent.id, path.display()))?;
    }
    if let Publish::Unknown { error, .. } = &sent.publish {
        let text = format!("it is not known whether the task was published: {error}");
        return Err(Failure::new(Exit::TryAgain, text).hint(format!(
            "'dispatch wait {}' resolves it; do not send it again before",
            sent.id
        )));
    }
    Ok(Exit::Ok)
}
