//! `dispatch resume --profile NAME`: somebody says that what was wrong with a profile is mended.
//!
//! The watcher owns the journal, so the wish is a file in the state directory that it looks for while a profile is
//! paused, and removes. It names the pause it is about: one that is found later ends no other pause.

use std::path::Path;
use std::path::PathBuf;

use super::failure::Failure;
use super::setup::Setup;
use super::voice::Voice;
use crate::clock::Timestamp;
use crate::disk;
use crate::exit::Exit;
use crate::flow;
use crate::flow::Node;
use crate::id::ProfileName;
use crate::status::local;

/// A wish holds one time.
const WISH_BYTES_MAX: usize = 64;

fn path(state: &Path, profile: &ProfileName) -> PathBuf {
    state.join(format!("mend.{profile}"))
}

/// Asks this node's watcher to use a profile again.
pub(super) fn ask(setup: &Setup, profile: &ProfileName, voice: &Voice) -> Result<Exit, Failure> {
    let state = setup.config.state()?;
    let journal = local::journal(state).map_err(|why| Failure::new(Exit::Io, why))?;
    let pause = journal.and_then(|journal| journal.paused(profile).cloned());
    let Some(pause) = pause else {
        let text = format!("profile '{profile}' is not paused on {}", setup.node);
        return Err(Failure::new(Exit::No, text));
    };
    disk::replace(
        &path(state, profile),
        pause.at.to_string().as_bytes(),
        0o600,
    )?;
    let when = if local::is_served(state) {
        "at the watcher's next look"
    } else {
        "when a watcher runs here"
    };
    voice.note(&format!(
        "profile '{profile}' ({}) is used again {when}",
        pause.class
    ));
    Ok(Exit::Ok)
}

/// Honours the wishes that lie there. One that cannot be read or removed is looked at again.
pub(super) fn honour(state: &Path, node: &mut Node) -> Result<(), flow::Error> {
    let paused: Vec<(ProfileName, Timestamp)> = node
        .journal
        .all_paused()
        .map(|(profile, pause)| (profile.clone(), pause.at))
        .collect();
    for (profile, at) in paused {
        let wish = path(state, &profile);
        let Ok(bytes) = disk::read_bounded(&wish, WISH_BYTES_MAX) else {
            continue;
        };
        if bytes == at.to_string().as_bytes() {
            node.mend(&profile)?;
        }
        let _ = disk::remove(&wish);
    }
    Ok(())
}
