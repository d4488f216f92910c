//! `dispatch-exec`: runs one attempt under supervision, from a run directory that a watcher prepared.
//!
//! A crash leaves the run directory taken and without a report; the watcher then calls the outcome indeterminate.
use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use clap::Parser;

use super::failure::Failure;
use super::failure::in_words;
use super::hand;
use super::setup::Common;
use super::setup::Setup;
use super::voice::Voice;
use crate::attempt::Report;
use crate::attempt::folder::Folder;
use crate::attempt::layers;
use crate::attempt::local;
use crate::attempt::supervise::Executor;
use crate::chance::OsChance;
use crate::clock::SystemClock;
use crate::exit::Exit;
use crate::outcome::Status;
use crate::process::launch;
use crate::process::stage;

/// How this program calls itself.
const PROGRAM: &str = "dispatch-exec";

/// Longest line that is read from the socket: a stem and its line feed.
const LINE_BYTES_MAX: u64 = 256;

/// Run one task under supervision
///
/// Example: dispatch-exec --layers
///
/// With a task file: proves it with this node's keys, asks its policy and its journal, runs it, and prints the answer,
/// under every rule of the watcher. With --run: runs the attempt of a directory that dispatch-watch prepared.
#[derive(Debug, Parser)]
#[command(name = "dispatch-exec", version)]
pub struct Args {
    /// A sealed task file
    #[arg(value_name = "TASKFILE", group = "what")]
    task: Option<PathBuf>,
    /// Run the attempt of this run directory, as dispatch-watch prepared it
    #[arg(long, value_name = "DIR", group = "what")]
    run: Option<PathBuf>,
    /// Read the name of a run directory below --runs from standard input, and run it: for socket activation
    #[arg(long, requires = "runs", group = "what")]
    socket: bool,
    /// The directory of run directories, for --socket
    #[arg(long, value_name = "DIR")]
    runs: Option<PathBuf>,
    /// Show which layers of containment are available here, and why others are not
    #[arg(long, group = "what")]
    layers: bool,
    #[command(flatten)]
    common: Common,
}

/// Runs the program, or the stage of it that its first argument names.
#[must_use]
pub fn main() -> ExitCode {
    if let Some(status) = stage::enter(std::env::args_os()) {
        return status;
    }
    launch::close_inherited();
    match Args::try_parse() {
        Ok(args) => start(&args),
        Err(error) => super::refused(&error, PROGRAM),
    }
    .into()
}

fn start(args: &Args) -> Exit {
    let voice = args.common.voice(PROGRAM);
    run(args, &voice).unwrap_or_else(|failure| {
        voice.fail(&failure);
        failure.exit()
    })
}

/// Runs what the arguments say.
///
/// # Errors
/// [`Failure`]; how the task ended is no error.
pub fn run(args: &Args, voice: &Voice) -> Result<Exit, Failure> {
    let executor = executor()
        .map_err(|error| Failure::new(Exit::Bug, format!("cannot catch signals: {error}")))?;
    if args.layers {
        return show_layers(&executor, voice);
    }
    if let Some(path) = &args.task {
        return hand::run(path, &Setup::new(&args.common, voice)?, voice);
    }
    let folder = match (&args.run, &args.runs) {
        (Some(path), _) => Folder::at(path.clone()),
        (None, Some(runs)) if args.socket => folder_from_socket(runs)?,
        _ => {
            return Err(Failure::new(Exit::Usage, "nothing is named to run")
                .hint("name a sealed task file, or see what is here with --layers"));
        }
    };
    // Detached from the watcher's terminal and its signals. Where we lead a group already, we are.
    let _ = nix::unistd::setsid();
    let Some(report) = executor.run(&folder)? else {
        return Ok(Exit::TryAgain);
    };
    // Behind a socket we may be another user than the watcher, who then could not remove it.
    if args.socket
        && let Err(error) = folder.clear()
    {
        voice.warn(&error.to_string());
    }
    Ok(status_of(&report))
}

/// Returns an executor with the system's time, randomness and environment, that ends its agent on SIGTERM and SIGINT.
///
/// # Errors
/// The error of sigaction(2).
pub fn executor() -> std::io::Result<Executor> {
    let halt = Arc::new(AtomicBool::new(false));
    for signal in [
        signal_hook::consts::SIGTERM,
        signal_hook::consts::SIGINT,
        signal_hook::consts::SIGHUP,
    ] {
        signal_hook::flag::register(signal, Arc::clone(&halt))?;
    }
    // Names and values that are not UTF-8 are left out: no profile can name them.
    let environment: BTreeMap<String, String> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    Ok(Executor {
        clock: Arc::new(SystemClock),
        chance: Arc::new(OsChance),
        environment,
        halt,
    })
}

fn folder_from_socket(runs: &Path) -> Result<Folder, Failure> {
    let malformed = |why: String| Failure::new(Exit::Data, why);
    let mut line = String::new();
    std::io::stdin()
        .take(LINE_BYTES_MAX)
        .read_to_string(&mut line)
        .map_err(|error| malformed(format!("cannot read standard input: {error}")))?;
    // The watcher, another user, reads what we write into the run directory through its group.
    nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o027));
    local::find(runs, line.trim_end_matches('\n')).map_err(|error| malformed(error.to_string()))
}

fn show_layers(executor: &Executor, voice: &Voice) -> Result<Exit, Failure> {
    let found = layers::probe(&*executor.clock)
        .map_err(|error| Failure::new(Exit::No, error.to_string()))?;
    for (layer, why) in found {
        let why = why.map_or("available".to_owned(), |why| {
            format!("not here: {}", in_words(&why))
        });
        // Padding counts for text only.
        voice.answer(&format!("{:<10} {why}", layer.to_string()))?;
    }
    Ok(Exit::Ok)
}

fn status_of(report: &Report) -> Exit {
    if report.status == Status::Ok {
        Exit::Ok
    } else {
        Exit::No
    }
}
