//! `dispatch-watch`: the daemon of a node.
//!
//! Two threads. One does rounds and touches the share; it may hang with a file server. The other never touches the
//! share: it hears signals, keeps the local halt alive, and ends the process when the first does not come back.

use std::path::Path;
use std::time::Duration;

use clap::Args as ClapArgs;

use super::check;
use super::config;
use super::daemon::Daemon;
use super::failure::Failure;
use super::setup;
use super::setup::Common;
use super::setup::Setup;
use super::suit;
use super::voice::Voice;
use crate::disk;
use crate::disk::LockFile;
use crate::exit::Exit;
use crate::limits;
use crate::units;

/// Serve this node: take tasks in, run them, answer
///
/// Example: dispatch-watch --check && dispatch-watch
#[derive(Debug, ClapArgs)]
pub struct Args {
    /// Do rounds until nothing is left to do, then end
    #[arg(long)]
    once: bool,
    /// Look at configuration, keys, share and agents, say what is wrong, and end
    #[arg(long)]
    check: bool,
    /// Serve a share that the doctor refuses: you say that the guarantees need not hold
    #[arg(long)]
    insecure_share: bool,
    /// Take tasks that are older than this node's journal: you say that none of them ran
    #[arg(long)]
    adopt: bool,
    /// Shortest time between two looks at the share
    #[arg(long, value_name = "TIME", value_parser = units::duration)]
    poll: Option<Duration>,
    /// Attempts at once
    #[arg(long, value_name = "N")]
    slots: Option<u32>,
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

/// Runs the program.
///
/// # Errors
/// [`Failure`]
pub fn run(args: &Args, voice: &Voice) -> Result<Exit, Failure> {
    let mut flags = args.common.flags();
    flags.poll = args.poll;
    flags.slots = args.slots;
    let setup = Setup::of(setup::load(flags, false)?, &args.common, voice)?;
    if args.check {
        return check::run(&setup, voice);
    }
    config::vet(&setup.config, voice)?;
    let state = setup.config.state()?.to_owned();
    disk::make_dir(&state, 0o700)?;
    let _lock = LockFile::try_take(&state.join("watch.lock")).map_err(|error| match error {
        disk::Error::Locked { .. } => Failure::new(
            Exit::TryAgain,
            format!("another watcher of '{}' runs on this host", setup.node),
        )
        .hint("one watcher a node is enough, however many peers it has"),
        other => other.into(),
    })?;
    match setup.check_root() {
        // What runs is adopted, ended in time and answered when the share is back. A node that never served is more
        // likely to be told a wrong path.
        Err(failure) if !args.once && has_served(&state) => {
            voice.warn(&format!("{failure}; nothing starts until it is there"));
        }
        other => other?,
    }
    let share = suit::vet(&setup, args.insecure_share, voice)?;
    suit::tell_pools(&setup, share, voice);
    setup.patient.wait_at_most(limits::SHARE_PATIENCE);
    let mut daemon = Daemon::assemble(&setup, &state, args.adopt)?;
    daemon.stand_on(&setup, share, args.insecure_share);
    if args.once {
        daemon.drain(&setup)
    } else {
        daemon.serve(&setup, voice)
    }
}

/// Whether this node has a journal that says anything.
fn has_served(state: &Path) -> bool {
    let journal = disk::open(&state.join("journal"));
    journal.is_ok_and(|file| file.metadata().is_ok_and(|meta| meta.len() > 0))
}
