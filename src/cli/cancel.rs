//! `dispatch cancel`: the sender of a task wants it ended, signed.

use clap::Args as ClapArgs;
use serde_json::json;

use super::failure::Failure;
use super::outcome;
use super::scene;
use super::seek;
use super::seek::Wanted;
use super::setup::Common;
use super::setup::Setup;
use super::voice::Voice;
use super::wait;
use super::wait::Deadline;
use crate::document::Cancel;
use crate::event::Event;
use crate::event::Word;
use crate::exit::Exit;
use crate::flow::cancel;
use crate::flow::collect::Whereabouts;
use crate::id::Digest;
use crate::id::Party;
use crate::limits;
use crate::place::Lane;
use crate::stage::Stage;
use crate::status::task;
use crate::status::why;
use crate::transport::Publish;

/// Ask the receiver to end a task, wherever it is
///
/// Example: dispatch cancel 0198f1c2-8a00-7000-8000-0123456789ab --reason "wrong branch" --wait
///
/// The wish is signed, and honoured at the receiver's next look: before a start, or by ending what runs. A task that is
/// already answered cannot be cancelled: exit status 1.
#[derive(Debug, ClapArgs)]
pub struct Args {
    /// The task: its id, or a unique beginning of at least 8 digits
    #[arg(value_name = "ID")]
    id: String,
    /// Why; the result says it
    #[arg(long, value_name = "TEXT", default_value = "no reason given")]
    reason: String,
    /// Wait for the outcome, at most TIME
    #[arg(long, value_name = "TIME", num_args = 0..=1, require_equals = true,
          default_missing_value = "forever", value_parser = wait::deadline)]
    wait: Option<Deadline>,
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
/// [`Failure`]
pub fn run(args: &Args, voice: &Voice) -> Result<Exit, Failure> {
    let setup = Setup::new(&args.common, voice)?;
    setup.check_root()?;
    let wanted = seek::resolve(&setup, &args.id, &setup.lanes_out())?;
    let sender = setup.sender();
    let found = sender.find(&wanted.lane, wanted.id, None)?;
    match &found {
        Whereabouts::Answered(answered) => {
            outcome::record(&setup, voice, &wanted.lane, answered);
            let told = outcome::summary(voice, &answered.answer);
            if args.json {
                voice.answer(&outcome::json(&answered.answer).to_string())?;
            }
            voice.note(&format!("already answered: {told}"));
            return Ok(Exit::No);
        }
        Whereabouts::Absent => {
            let because = why::of(&scene::of(&setup)?, &wanted.lane, wanted.id)?;
            let Some(because) = because else {
                return Err(seek::nowhere(&args.id));
            };
            let text = format!("there is nothing to cancel: {}", because.text);
            return Err(Failure::new(Exit::NotFound, text));
        }
        Whereabouts::Open(..) | Whereabouts::Doubtful(_) => {}
    }
    let sealed = task::file(&sender, &wanted.lane, wanted.id, &found)?;
    let digest = sealed.and_then(|sealed| Some(sealed.read.ok()?.1));
    publish(args, &setup, &wanted, digest)?;
    tell(args, &wanted, &found, voice)?;
    match args.wait {
        Some(deadline) => wait::one(
            &setup,
            voice,
            &Wanted { digest, ..wanted },
            deadline,
            args.json,
        ),
        None => Ok(Exit::Ok),
    }
}

fn publish(
    args: &Args,
    setup: &Setup,
    wanted: &Wanted,
    digest: Option<Digest>,
) -> Result<(), Failure> {
    for to in addressees(setup, &wanted.lane) {
        publish_to(args, setup, wanted, digest, to)?;
    }
    if let Ok(log) = setup.log() {
        let event = Event::of(Word::TaskCancel).task(wanted.id);
        log.tell(&event.peer(wanted.lane.to.clone()).say(&args.reason));
    }
    Ok(())
}

/// Whom a cancel is written to: the node that serves the lane, or each member of the pool.
fn addressees(setup: &Setup, lane: &Lane) -> Vec<Party> {
    let asked = setup.pools().into_iter().find(|asked| asked.lane == *lane);
    asked.map_or_else(
        || vec![lane.to.clone()],
        |asked| asked.members.iter().map(Party::from).collect(),
    )
}

fn publish_to(
    args: &Args,
    setup: &Setup,
    wanted: &Wanted,
    digest: Option<Digest>,
    to: Party,
) -> Result<(), Failure> {
    let now = setup.clock.wall();
    let wish = Cancel {
        from: Party::from(&wanted.lane.from),
        to,
        task_id: wanted.id,
        task_sha256: digest,
        reason: args.reason.clone(),
        created: now,
        // As long as any task may live: a receiver that comes back late must not run what was cancelled.
        expires: now.plus(limits::LIFE_MAX),
    };
    match cancel::send(&setup.sender(), &*setup.chance, &wanted.lane, &wish)? {
        Publish::Published => Ok(()),
        Publish::Failed(error) => Err(error.into()),
        Publish::Unknown { error, .. } => Err(Failure::new(Exit::TryAgain, error.to_string())
            .hint("it is not known whether the cancel arrived; asking again does no harm")),
    }
}

fn tell(args: &Args, wanted: &Wanted, found: &Whereabouts, voice: &Voice) -> Result<(), Failure> {
    let to = &wanted.lane.to;
    let then = match found {
        Whereabouts::Open(Stage::Inbox, _) => format!("{to} ends it when it takes it in"),
        Whereabouts::Open(Stage::PendingAck, _) => {
            format!("it waits for an approval; {to} ends that at its next look")
        }
        Whereabouts::Open(..) => {
            format!("{to} ends it at its next look: before it starts, or while it runs")
        }
        _ => format!("{to} is asked to end it"),
    };
    if args.json && args.wait.is_none() {
        let line =
            json!({"version": 1, "id": wanted.id, "state": "cancel_published", "then": then});
        return voice.answer(&line.to_string());
    }
    voice.note(&format!("cancel of {} is published; {then}", wanted.id));
    Ok(())
}
