//! `dispatch drain` and `dispatch undrain`: this node finishes what runs and takes nothing new, and takes work again.
//!
//! A file in the node's own state directory, so neither needs the share. Another node is drained there, by its own
//! operator: nobody who can only send to a node may make the work of others wait.

use std::path::Path;
use std::time::Duration;

use serde_json::json;

use super::failure::Failure;
use super::halt::Desk;
use super::setup::Common;
use super::speech::Aloud;
use super::speech::Speech;
use super::voice::Voice;
use crate::drain;
use crate::event::Event;
use crate::event::Word;
use crate::exit::Exit;
use crate::id::NodeName;
use crate::journal::Phase;
use crate::status::local;
use crate::units;

/// Pause between two looks at the journal.
const LOOK: Duration = Duration::from_millis(500);

/// Take in and start nothing new on this node; what runs is finished
///
/// Example: dispatch drain --until-empty --reason "new driver"
///
/// It lasts until 'dispatch undrain', through every restart. What waits stays where it is; of a pool it goes back to
/// the other members. Peers see it in 'dispatch status' and 'dispatch why'.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// This node; another one is drained on its own host
    #[arg(value_name = "NODE")]
    node: Option<NodeName>,
    /// Why; everybody who looks sees it
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,
    /// Wait until nothing runs and every outcome is on the share
    #[arg(long)]
    until_empty: bool,
    /// Wait at most this long, then exit with 79
    #[arg(long = "for", value_name = "TIME", value_parser = units::duration, requires = "until_empty")]
    at_most: Option<Duration>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    common: Common,
}

/// Take work again on this node
///
/// Example: dispatch undrain
#[derive(Debug, clap::Args)]
pub struct UndrainArgs {
    /// This node
    #[arg(value_name = "NODE")]
    node: Option<NodeName>,
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

impl UndrainArgs {
    /// Returns the flags every program has.
    #[must_use]
    pub const fn common(&self) -> &Common {
        &self.common
    }
}

/// Runs `dispatch drain`.
///
/// # Errors
/// [`Failure`]
pub fn run(args: &Args, voice: &Voice) -> Result<Exit, Failure> {
    let desk = Desk::new(&args.common)?;
    let mut say = Aloud(voice);
    engage(args, &desk, &mut say)?;
    if !args.until_empty {
        return Ok(Exit::Ok);
    }
    wait(args, &desk, &mut say)
}

/// Runs `dispatch undrain`.
///
/// # Errors
/// [`Failure`]
pub fn undrain(args: &UndrainArgs, voice: &Voice) -> Result<Exit, Failure> {
    lift(args, &Desk::new(&args.common)?, &mut Aloud(voice))
}

fn engage(args: &Args, desk: &Desk, say: &mut dyn Speech) -> Result<(), Failure> {
    own(desk, args.node.as_ref())?;
    let state = desk.config.state()?;
    drain::engage(state, &args.reason, desk.clock.wall())?;
    let node = desk.config.node()?;
    let because = match args.reason.as_str() {
        "" => String::new(),
        reason => format!(": {reason}"),
    };
    let event = Event::of(Word::Drain).say(&format!("{node} takes nothing new{because}"));
    desk.tell(&event, say)?;
    let open = open(state)?;
    let rest = match open.runs {
        0 => "nothing runs".to_owned(),
        1 => "the task that runs is finished".to_owned(),
        more => format!("the {more} tasks that run are finished"),
    };
    say.note(&format!("{node} takes in and starts nothing new; {rest}"));
    if open.waits > 0 {
        let waits = units::count(open.waits, "task");
        say.note(&format!("{waits} taken in before are kept and not started"));
    }
    say.note("'dispatch undrain' lifts it");
    let file = state.join(drain::FILE);
    match args.json {
        false => say.answer(&format!("{}\n", file.display())),
        true => {
            let line = json!({"version": 1, "node": node, "drained": true, "file": file,
                "running": open.runs, "waiting": open.waits});
            say.answer(&format!("{line}\n"))
        }
    }
}

fn lift(args: &UndrainArgs, desk: &Desk, say: &mut dyn Speech) -> Result<Exit, Failure> {
    own(desk, args.node.as_ref())?;
    let node = desk.config.node()?;
    if !drain::lift(desk.config.state()?)? {
        say.note(&format!("{node} was not drained"));
        return Ok(Exit::Ok);
    }
    let event = Event::of(Word::Undrain).say(&format!("{node} takes work again"));
    desk.tell(&event, say)?;
    say.note(&format!("{node} takes work again, from the next look on"));
    Ok(Exit::Ok)
}

/// Makes sure that this node is meant.
fn own(desk: &Desk, named: Option<&NodeName>) -> Result<(), Failure> {
    let node = desk.config.node()?;
    match named.filter(|named| *named != node) {
        None => Ok(()),
        Some(named) => {
            let message = format!("cannot drain '{named}' from '{node}'");
            Err(Failure::new(Exit::Usage, message).hint(format!(
                "run 'dispatch drain' on the host of {named}; 'dispatch halt --node {named}' stops it from here"
            )))
        }
    }
}

/// What is open on a node, by its journal.
#[derive(Debug, Default, PartialEq, Eq)]
struct Open {
    /// Tasks that run, or whose outcome is not on the share yet, or that are on their way back to a pool.
    runs: usize,
    /// Tasks that were taken in and wait.
    waits: usize,
}

fn open(state: &Path) -> Result<Open, Failure> {
    let read = local::journal(state).map_err(|why| Failure::new(Exit::Io, why))?;
    let mut open = Open::default();
    for (_, known) in read.iter().flat_map(|journal| journal.open_tasks()) {
        match known.phase {
            Phase::Admitted | Phase::Parked => open.waits += 1,
            Phase::Started | Phase::Finished | Phase::Decided | Phase::Returned => open.runs += 1,
        }
    }
    Ok(open)
}

/// Waits until nothing is left. A watcher may be in the middle of a round that began before the drain: so it is also
/// waited until it has seen it.
fn wait(args: &Args, desk: &Desk, say: &mut dyn Speech) -> Result<Exit, Failure> {
    let state = desk.config.state()?;
    let began = desk.clock.boot();
    let mut told = None;
    loop {
        let is_served = local::is_served(state);
        // Asked first: what a round that began before the drain has started is in the journal by then.
        let is_seen = drain::is_seen(state);
        let left = open(state)?.runs;
        if left == 0 && (is_seen || !is_served) {
            say.note("nothing runs, and every outcome is on the share");
            return Ok(Exit::Ok);
        }
        if left > 0 && !is_served {
            let left = units::count(left, "task");
            let message = format!("{left} not over, and no watcher runs to finish them");
            return Err(Failure::new(Exit::TryAgain, message).hint(
                "start 'dispatch-watch' here: it takes nothing new while the node is drained",
            ));
        }
        if drain::look(state).is_none() {
            let message = "the drain was lifted meanwhile";
            return Err(Failure::new(Exit::No, message));
        }
        if args
            .at_most
            .is_some_and(|most| desk.clock.boot().since(began) >= most)
        {
            say.note(&format!("{} not over yet", units::count(left, "task")));
            return Ok(Exit::StillRunning);
        }
        if told.replace(left) != Some(left) && left > 0 {
            say.note(&format!("{} left", units::count(left, "task")));
        }
        desk.clock.sleep(LOOK);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use clap::Parser;

    use super::*;
    use crate::chance::SeededChance;
    use crate::cli::speech::Heard;
    use crate::clock::ManualClock;
    use crate::clock::Timestamp;
    use crate::config::Config;

    #[derive(Parser)]
    struct Drain {
        #[command(flatten)]
        args: Args,
    }

    fn desk(state: &Path) -> Desk {
        let now = Timestamp::parse("2026-11-20T06:00:00Z").unwrap();
        let config = Config {
            node: Some(NodeName::parse("gpubox").unwrap()),
            state: Some(state.to_owned()),
            ..Config::default()
        };
        Desk {
            config,
            share: None,
            clock: Arc::new(ManualClock::at(now)),
            chance: Arc::new(SeededChance::new(1)),
        }
    }

    fn args(words: &[&str]) -> Args {
        let all = std::iter::once(&"drain").chain(words);
        Drain::try_parse_from(all).unwrap().args
    }

    #[test]
    fn only_the_own_node_is_drained_and_without_a_watcher_it_is_empty_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let (desk, mut say) = (desk(dir.path()), Heard::default());
        let other = engage(&args(&["devbox"]), &desk, &mut say).unwrap_err();
        assert_eq!(other.exit(), Exit::Usage);
        assert_eq!(drain::look(dir.path()), None, "and nothing is changed");
        let words = ["gpubox", "--reason", "new driver", "--until-empty"];
        engage(&args(&words), &desk, &mut say).unwrap();
        assert_eq!(drain::look(dir.path()).unwrap().reason, "new driver");
        assert_eq!(wait(&args(&words), &desk, &mut say).unwrap(), Exit::Ok);
        assert!(say.out.ends_with("DRAIN\n"), "{}", say.out);
    }
}
