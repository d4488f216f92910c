//! `dispatch wait`: waits for outcomes; one, several, any of them, all that are open.

mod patience;

use std::time::Duration;

use clap::Args as ClapArgs;
use serde_json::json;

use self::patience::Wait;
use super::failure::Failure;
use super::outcome;
use super::setup::Common;
use super::setup::Setup;
use super::voice::Voice;
use crate::entry::ClaimName;
use crate::entry::QueuedName;
use crate::exit::Exit;
use crate::flow::collect::Answered;
use crate::flow::collect::Whereabouts;
use crate::id::Digest;
use crate::id::TaskId;
use crate::place::Lane;
use crate::place::Place;
use crate::share::ShareError;
use crate::stage::Stage;
use crate::status::Scene;
use crate::status::local;
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

/// A task that is waited for.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// The task.
    pub id: TaskId,
    /// Its lane.
    pub lane: Lane,
    /// Digest of the sealed task, where this process made it.
    pub digest: Option<Digest>,
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
            false => named(setup, &args.ids),
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
            && let Some(answered) = look(setup, voice, wanted, &mut wait)?
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
        for one in wanted {
            if !near.contains(&one.id) {
                left.push(one);
                continue;
            }
            match look(setup, voice, &one, &mut wait)? {
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
) -> Result<Option<Box<Answered>>, Failure> {
    let found = setup
        .sender()
        .outcome(&wanted.lane, wanted.id, wanted.digest);
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
            for id in ids_in(setup, &lane, stage)? {
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

fn ids_in(setup: &Setup, lane: &Lane, stage: Stage) -> Result<Vec<TaskId>, ShareError> {
    ids_at(setup, &Place::Stage(lane.clone(), stage))
}

fn ids_at(setup: &Setup, place: &Place) -> Result<Vec<TaskId>, ShareError> {
    let listing = match setup.transport.list(place) {
        Err(error) if error.is_absent() => return Ok(Vec::new()),
        other => other?,
    };
    let id = |name: &str| {
        let queued = QueuedName::parse(name).map(|name| name.id);
        queued
            .or_else(|| ClaimName::parse(name).map(|claim| claim.id))
            .or_else(|| {
                name.strip_suffix(".result.json")
                    .and_then(|id| TaskId::parse(id).ok())
            })
            .or_else(|| crate::entry::legacy_task(name))
            .or_else(|| {
                let (id, _nonce) = name.strip_suffix(".part")?.split_once('.')?;
                TaskId::parse(id).ok()
            })
    };
    Ok(listing.iter().filter_map(|entry| id(&entry.name)).collect())
}

/// Finds the lanes of named tasks among those this node sends in.
///
/// # Errors
/// [`Failure`]: no such task, or several.
pub fn named(setup: &Setup, texts: &[String]) -> Result<Vec<Wanted>, Failure> {
    texts
        .iter()
        .map(|text| resolve(setup, text, &setup.lanes_out()))
        .collect()
}

/// Finds the one task in these lanes whose id is, or begins with, this text.
///
/// # Errors
/// [`Failure`]: no such task, several, or neither an id nor the beginning of one.
pub fn resolve(setup: &Setup, text: &str, lanes: &[Lane]) -> Result<Wanted, Failure> {
    let whole = TaskId::parse(text).ok();
    let digits = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f' | b'-');
    if whole.is_none() && (text.len() < 8 || !text.bytes().all(digits)) {
        let message = format!(
            "'{}' is not a task id, nor its first 8 or more digits",
            crate::escape::excerpt(text, 60)
        );
        return Err(Failure::new(Exit::Usage, message)
            .hint("'dispatch log' shows the ids of what was sent and taken in"));
    }
    let mut found: Vec<Wanted> = Vec::new();
    for lane in lanes {
        let stages = [
            Stage::Inbox,
            Stage::PendingAck,
            Stage::Processing,
            Stage::Done,
            Stage::Rejected,
            Stage::Tmp,
        ];
        for stage in stages {
            for id in ids_in(setup, lane, stage)? {
                let fits = id.to_string().starts_with(text);
                if fits && !found.iter().any(|one| one.id == id && one.lane == *lane) {
                    found.push(Wanted {
                        id,
                        lane: lane.clone(),
                        digest: None,
                    });
                }
            }
        }
    }
    if let Some(id) = whole.filter(|_| found.is_empty()) {
        found = aged(setup, id, lanes)?;
    }
    match (found.len(), whole, lanes) {
        (1, _, _) => Ok(found.remove(0)),
        // Moved to a day of done/, or its publication is not known: with one lane there is only one place to wait.
        (0, Some(id), [lane]) => Ok(Wanted {
            id,
            lane: lane.clone(),
            digest: None,
        }),
        (0, _, _) => Err(nowhere(text)),
        (more, _, _) => Err(
            Failure::new(Exit::Usage, format!("{more} tasks begin with '{text}'"))
                .hint("give more digits"),
        ),
    }
}

/// Looks for a whole id in the days of `done/`.
fn aged(setup: &Setup, id: TaskId, lanes: &[Lane]) -> Result<Vec<Wanted>, Failure> {
    for lane in lanes {
        for place in setup.sender().done_places(lane, id)? {
            if ids_at(setup, &place)?.contains(&id) {
                let lane = lane.clone();
                let digest = None;
                return Ok(vec![Wanted { id, lane, digest }]);
            }
        }
    }
    Ok(Vec::new())
}

/// Says that nothing of a task is to be seen.
pub(super) fn nowhere(text: &str) -> Failure {
    Failure::new(Exit::NotFound, format!("no task '{text}' is to be seen"))
        .hint("'dispatch status' lists what is there")
}

/// Finds a task in any lane of this node; where the share does not answer, by the own journal and a whole id.
///
/// # Errors
/// As [`resolve`].
pub(super) fn seek(setup: &Setup, scene: &Scene, text: &str) -> Result<Wanted, Failure> {
    let mut lanes = setup.lanes_out();
    lanes.extend(setup.lanes_in());
    let failure = match setup.check_root() {
        Ok(()) => match resolve(setup, text, &lanes) {
            Err(failure) if failure.exit() == Exit::NotFound => failure,
            other => return other,
        },
        Err(failure) => failure,
    };
    let id = TaskId::parse(text).ok();
    let journal = local::journal(&scene.state).ok().flatten();
    let lane = id.zip(journal).and_then(|(id, journal)| {
        let known = journal.known(id)?;
        Some((id, known.lane()))
    });
    lane.map_or(Err(failure), |(id, lane)| {
        let digest = None;
        Ok(Wanted { id, lane, digest })
    })
}
