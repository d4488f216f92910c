//! Makes and removes killswitches, on the share and in the local state directory.
//!
//! A halt is there when a fresh listing shows it, not when a call said so. Lifting removes only names that its caller
//! was shown: a killswitch that somebody makes meanwhile stays. Nothing here waits for a node to obey.

use std::path::Path;

use crate::disk;
use crate::killswitch::HaltName;
use crate::killswitch::name;
use crate::limits;
use crate::place::Place;
use crate::share::Share;
use crate::share::ShareError;

/// Bytes of a reason that are written; readers look at the first [`limits::KILLSWITCH_BYTES_MAX`].
const TEXT_BYTES_MAX: usize = 1024;

/// Bytes that hold the first word and its end.
const WORD_BYTES: usize = "kill:".len();

/// What became of the names that were to be removed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lifted {
    /// Gone.
    pub removed: Vec<String>,
    /// Still there, with the reason.
    pub kept: Vec<(String, String)>,
    /// Killswitches that are there and were not to be removed.
    pub others: Vec<String>,
}

/// Makes a killswitch on the share and sees it there.
///
/// # Durability
/// Other hosts see it at their next fresh listing.
///
/// # Errors
/// [`ShareError`] where a listing does not show it, or where its content did not arrive: then it stops starts at least.
pub fn engage(
    share: &dyn Share,
    halt: &HaltName,
    kill: bool,
    reason: &str,
) -> Result<(), ShareError> {
    let (name, text) = (halt.to_string(), text(kill, reason));
    let made = share.create(&Place::Root, &name, text.as_bytes());
    let made = made.and_then(|()| share.sync(&Place::Root));
    let is_there = share
        .list(&Place::Root)?
        .iter()
        .any(|entry| entry.name == name);
    match made {
        Ok(()) if is_there => Ok(()),
        Ok(()) => Err(ShareError {
            action: "find",
            object: name,
            errno: 0,
            why: Some("it was made and is not listed"),
        }),
        // The call failed and yet may have happened. Without its first word a kill would be a mere halt.
        Err(error) => match share.peek(&Place::Root, &name, limits::KILLSWITCH_BYTES_MAX) {
            Ok(start)
                if is_there && text.as_bytes().starts_with(&start) && start.len() >= WORD_BYTES =>
            {
                Ok(())
            }
            _ => Err(error),
        },
    }
}

/// Makes a killswitch in the state directory of this node.
///
/// # Durability
/// On disk when it returns.
///
/// # Errors
/// [`disk::Error`]
pub fn engage_local(
    state_dir: &Path,
    halt: &HaltName,
    kill: bool,
    reason: &str,
) -> Result<(), disk::Error> {
    disk::make_dir(state_dir, 0o700)?;
    let path = state_dir.join(halt.to_string());
    disk::create_new(&path, text(kill, reason).as_bytes(), 0o600)
}

/// Removes these entries of the root and looks what is left.
///
/// # Errors
/// [`ShareError`] where the root cannot be listed afterwards: then nothing is known.
pub fn lift(share: &dyn Share, names: &[String]) -> Result<Lifted, ShareError> {
    let mut failures = Vec::new();
    for name in names.iter().filter(|name| name::is_switch(name)) {
        let failure = share.remove(&Place::Root, name).err();
        failures.push((name, failure.map(|error| error.to_string())));
    }
    let _ = share.sync(&Place::Root);
    let listed = share.list(&Place::Root)?;
    let left = listed.into_iter().map(|entry| entry.name);
    Ok(told(&failures, left.collect()))
}

/// Removes these entries of the state directory and looks what is left.
///
/// # Errors
/// [`disk::Error`] where the directory cannot be listed afterwards.
pub fn lift_local(state_dir: &Path, names: &[String]) -> Result<Lifted, disk::Error> {
    let mut failures = Vec::new();
    for name in names.iter().filter(|name| name::is_switch(name)) {
        let failure = disk::remove(&state_dir.join(name)).err();
        failures.push((name, failure.map(|error| error.to_string())));
    }
    disk::sync_dir(state_dir)?;
    Ok(told(&failures, disk::list(state_dir)?))
}

fn told(tries: &[(&String, Option<String>)], left: Vec<String>) -> Lifted {
    let mut lifted = Lifted::default();
    for (name, failure) in tries {
        if left.contains(name) {
            let why = failure.clone().unwrap_or("it is still listed".to_owned());
            lifted.kept.push(((*name).clone(), why));
        } else {
            lifted.removed.push((*name).clone());
        }
    }
    let asked = |name: &String| tries.iter().any(|(one, _)| *one == name);
    let others = left.into_iter().filter(|name| name::is_switch(name));
    lifted.others = others.filter(|name| !asked(name)).collect();
    lifted
}

/// The first word decides, so a reason that begins with `kill` must not be the first word.
fn text(kill: bool, reason: &str) -> String {
    let word = if kill { "kill:" } else { "halt:" };
    let mut text = format!("{word} {}", reason.replace(['\n', '\r'], " "));
    while text.len() >= TEXT_BYTES_MAX {
        text.pop();
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}
