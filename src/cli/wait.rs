//! `dispatch wait`: waits for outcomes; one, several, any of them, all that are open.

mod patience;
mod until;

use std::time::Duration;

use clap::Args as ClapArgs;
use serde_json::json;

use self::patience::Wait;
pub use self::until::Until;
pub use self::until::until;
use super::failure::Failure;
use super::outcome;
use super::seek;
use super::seek::Wanted;
use super::setup::Common;
use super::setup::Setup;
use super::voice::Voice;
use crate::exit::Exit;
use crate::flow::collect::Answered;
use crate::flow::collect::Looked;
use crate::flow::collect::Whereabouts;
use crate::stage::Stage;
use crate::units;

/// Pause between two looks at a share that does not answer yet.
const LOOK: Duration = Duration::from_secs(1);

/// Wait for the outcome of tasks
///
/// Example: dispatch wait --for 90s 0198f1c2-8a00-7000-8000-0123456789ab
///
/// Prints the answers and exits by the outcome: 0 success, 1 failure, 77 refused or denied. With --for, 79 says that it
/// is still queued or running: ask again.
#[derive(Debug, ClapArgs)]
pub struct Args {
    /// Task ids, or unique beginnings of at least 8 digits
    #[arg(value_name = "ID", required_unless_present = "all")]
    ids: Vec<String>,
    /// Wait for every open task of this node
    #[arg(long, conflicts_with = "ids")]
    all: bool,
    /// End with the first outcome
    #[arg(long)]
    any: bool,
    /// Wait at most this long
    #[arg(long = "for", value_name = "TIME", value_parser = units::duration)]
    at_most: Option<Duration>,
    /// Print one JSON object a task
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

/// Until when to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deadline {
    /// As long as it takes.
    Never,
    /// This long.
    After(Duration),
}

/// Parses `--wait[=TIME]`.
///
/// # Errors
/// The text of what is wrong with it.
pub fn deadline(text: &str) -> Result<Deadline, String> {
    if text == "forever" {
        return Ok(Deadline::Never);
    }
    units::duration(text)
        .map(Deadline::After)
        .map_err(|error| error.to_string())
}

/// Runs the command.
///
/// # Errors
/// [`Failure`]
pub fn run(args: &Args, voice: &Voice) -> Result<Exit, Failure> {
    let setup = Setup::new(&args.common, voice)?;
    let deadline = args.at_most.map_or(Deadline::Never, Deadline::After);
    let began = setup.clock.boot();
    let wanted = find(&setup, args, deadline, voice)?;
    let deadline = match deadline {
        Deadline::Never => deadline,
        Deadline::After(time) => {
            Deadline::After(time.saturating_sub(setup.clock.boot().since(began)))
        }
    };
    if wanted.is_empty() {
        voice.note("no task of this node is open");
    }
    if let ([one_wanted], false) = (wanted.as_slice(), args.any) {
        return one(&setup, voice, one_wanted, deadline, args.json);
    }
    several(&setup, voice, wanted, deadline, args)
}

/// Finds the tasks that are meant. A share that does not answer is waited for, as everything else is.
fn find(
    setup: &Setup,
    args: &Args,
    deadline: Deadline,
    voice: &Voice,
) -> Result<Vec<Wanted>, Failure> {
    let began = setup.clock.boot();
    let mut is_told = false;
    loop {
        let found = setup.check_root().and_then(|()| match args.all {
            true => open(setup),
            false => seek::named(setup, &args.ids),
        });
        let over = match deadline {
            Deadline::Never => false,
            Deadline::After(time) => setup.clock.boot().since(began) >= time,
        };
        match found {
            Err(failure) if failure.passes() && !over => {
                if !is_told {
                    voice.warn(&format!("{failure}; waiting until it is back"));
                    is_told = true;
                }
                setup.clock.sleep(LOOK);
            }
            other => {
                if is_told && other.is_ok() {
                    voice.note("the share is back");
                }
                return other;
            }
        }
    }
}

/// Waits for one task and shows its outcome.
///
/// # Errors
/// [`Failure`]
pub fn one(
    setup: &Setup,
    voice: &Voice,
    wanted: &Wanted,
    deadline: Deadline,
    as_json: bool,
) -> Result<Exit, Failure> {
    let mut wait = Wait::begin(setup, std::slice::from_ref(wanted), deadline);
    loop {
        let near = wait.glance(voice, std::slice::from_ref(wanted))?;
        if near.contains(&wanted.id)
            && let Some(answered) = look(setup, voice, wanted, &mut wait, &mut Looked::default())?
        {
            return show(voice, &answered, as_json);
        }
        if !wait.pause() {
            return still_open(setup, voice, wanted, as_json);
        }
    }
}

fn several(
    setup: &Setup,
    voice: &Voice,
    mut wanted: Vec<Wanted>,
    deadline: Deadline,
    args: &Args,
) -> Result<Exit, Failure> {
    let mut wait = Wait::begin(setup, &wanted, deadline);
    let mut worst = Exit::Ok;
    loop {
        let mut left = Vec::new();
        let near = wait.glance(voice, &wanted)?;
        let mut looked = Looked::default();
        for one in wanted {
            if !near.contains(&one.id) {
                left.push(one);
                continue;
            }
            match look(setup, voice, &one, &mut wait, &mut looked)? {
                Some(answered) => {
                    let exit = show(voice, &answered, args.json)?;
                    if args.any {
                        return Ok(exit);
                    }
                    worst = if worst == Exit::Ok { exit } else { worst };
                }
                None => left.push(one),
            }
        }
        if left.is_empty() {
            return Ok(worst);
        }
        wanted = left;
        if !wait.pause() {
            let mut exit = Exit::StillRunning;
            for one in &wanted {
                exit = still_open(setup, voice, one, args.json)?;
            }
            return Ok(exit);
        }
    }
}

fn show(voice: &Voice, answered: &Answered, as_json: bool) -> Result<Exit, Failure> {
    if as_json {
        voice.answer(&outcome::json(&answered.answer).to_string())?;
    } else {
        outcome::show(voice, &answered.answer)?;
    }
    Ok(outcome::exit(&answered.answer))
}

/// One look. A share that does not answer is waited for, and told of once; doubt is told of once and looked at again.
fn look(
    setup: &Setup,
    voice: &Voice,
    wanted: &Wanted,
    wait: &mut Wait,
    looked: &mut Looked,
) -> Result<Option<Box<Answered>>, Failure> {
    let found = setup
        .sender()
        .outcome_among(&wanted.lane, wanted.id, wanted.digest, looked);
    match found {
        Ok(Some(Ok(answered))) => {
            setup.remember(&answered.answer.from, answered.answer.audit.as_ref());
            outcome::record(setup, voice, &wanted.lane, &answered);
            return Ok(Some(answered));
        }
        Ok(Some(Err(doubt))) => wait.tell(voice, &format!("not believed: {doubt}")),
        Ok(None) => {}
        Err(error) if error.is_hopeless() => return Err(error.into()),
        Err(error) => wait.lose(voice, &error.into()),
    }
    Ok(None)
}

/// Says where a task is for which the wait was too short. Where the share is away, nobody knows whether it is still
/// open.
fn still_open(
    setup: &Setup,
    voice: &Voice,
    wanted: &Wanted,
    as_json: bool,
) -> Result<Exit, Failure> {
    let found = setup.check_root().and_then(|()| {
        let sender = setup.sender();
        Ok(sender.find(&wanted.lane, wanted.id, wanted.digest)?)
    });
    let exit = match found {
        Ok(_) => Exit::StillRunning,
        Err(_) => Exit::TryAgain,
    };
    let state = match &found {
        Ok(Whereabouts::Open(Stage::Inbox, _)) => "queued",
        Ok(Whereabouts::Open(Stage::PendingAck, _)) => "waits for an approval",
        Ok(Whereabouts::Open(_, _)) => "taken in or running",
        Ok(Whereabouts::Absent) => "nowhere to be seen",
        Ok(Whereabouts::Doubtful(_)) => "answered, but the answer cannot be believed",
        Ok(Whereabouts::Answered(_)) => "just answered",
        Err(_) => "not known: the share is away",
    };
    if as_json {
        let line = json!({"version": 1, "id": wanted.id, "state": "open", "where": state});
        voice.answer(&line.to_string())?;
        return Ok(exit);
    }
    let more = match exit {
        Exit::StillRunning => format!("'dispatch why {}' says more", wanted.id),
        _ => format!("'dispatch wait {}' resolves it when it is back", wanted.id),
    };
    voice.note(&format!("{} {state}; {more}", wanted.id.short()));
    Ok(exit)
}

/// Returns every open task of this node, over all lanes.
fn open(setup: &Setup) -> Result<Vec<Wanted>, Failure> {
    let mut found = Vec::new();
    for lane in setup.lanes_out() {
        for stage in [Stage::Inbox, Stage::PendingAck, Stage::Processing] {
            for id in seek::ids_in(setup, &lane, stage)? {
                found.push(Wanted {
                    id,
                    lane: lane.clone(),
                    digest: None,
                });
            }
        }
    }
    Ok(found)
}
