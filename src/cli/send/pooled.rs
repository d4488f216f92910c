//! What a sender to a pool is told before and after: whether anybody is there, and who lets the task start.

use super::Args;
use crate::cli::failure::Failure;
use crate::cli::scene;
use crate::cli::setup::Setup;
use crate::cli::voice::Voice;
use crate::disk;
use crate::document::Task;
use crate::exit::Exit;
use crate::id::ProfileName;
use crate::place::Lane;
use crate::status::local;
use crate::status::pool;
use crate::status::pool::Outlook;

/// File of the state directory by which a running watcher is told that a task was sent to a pool.
pub(in crate::cli) const ASKED: &str = "asked-a-pool";

/// Refuses what no member would take now, and says what else is missing.
pub(super) fn look(args: &Args, setup: &Setup, lane: &Lane, voice: &Voice) -> Result<(), Failure> {
    let Some(asked) = setup.pools().into_iter().find(|asked| asked.lane == *lane) else {
        return Ok(());
    };
    if args.schema == 2 {
        let why = "a pool takes no envelope of version 2";
        return Err(Failure::new(Exit::Usage, why).hint("leave out --schema 2"));
    }
    let to = &lane.to;
    let found = pool::outlook(&scene::of(setup)?, &asked, args.profile.as_ref());
    let told = match (found, &args.profile) {
        (Outlook::Good, _) => None,
        (Outlook::Stopped(why), _) => {
            voice.warn(&format!(
                "no member of {to} starts anything now: {why}; it waits in the inbox"
            ));
            None
        }
        (Outlook::Nobody(told), _) => Some(format!("no member of {to} is alive: {told}")),
        (Outlook::NoProfile(offered), Some(profile)) => {
            let offered: Vec<&str> = offered.iter().map(ProfileName::as_str).collect();
            let offered = offered.join(", ");
            Some(format!(
                "no member of {to} offers profile '{profile}'; offered: {offered}"
            ))
        }
        (Outlook::NoProfile(_), None) => {
            Some(format!("no member of {to} takes anything from this node"))
        }
    };
    match told {
        Some(told) if args.anyway => voice.warn(&format!("{told}; it waits in the inbox")),
        Some(told) => {
            return Err(Failure::new(Exit::TryAgain, told).hint(
                "nothing was sent; --anyway leaves it in the inbox until a member takes it",
            ));
        }
        None => {}
    }
    if !args.idempotent && !setup.is_watched() {
        warn_unwatched(setup, lane, voice)?;
    }
    Ok(())
}

/// Nobody would let it start.
fn warn_unwatched(setup: &Setup, lane: &Lane, voice: &Voice) -> Result<(), Failure> {
    let is_new = matches!(local::journal(setup.config.state()?), Ok(None));
    let by_when = if is_new { " within two minutes" } else { "" };
    voice.warn(&format!(
        "{} starts this only with a word of this node's watcher, which does not run: \
         start 'dispatch-watch'{by_when}; or, where running it twice does no harm, send with --idempotent",
        lane.to
    ));
    Ok(())
}

/// Tells the watcher of this node that a task may wait for its word soon. Without it the watcher finds out by itself, a
/// little later.
pub(super) fn tell_watcher(setup: &Setup, lane: &Lane, task: &Task) {
    if lane.pool().is_none() || task.idempotent {
        return;
    }
    if let Ok(state) = setup.config.state() {
        let _ = disk::replace(&state.join(ASKED), b"", 0o600);
    }
}
