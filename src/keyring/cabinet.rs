//! The directories of keys of a node that goes on for long: what cannot be read for a while is remembered as it was.
//!
//! A file that is gone from a directory that can be listed is a key that is out of force. A file or a directory that
//! cannot be read is not known: its keys are kept as last read, and the ring says so ([`Standing`]). Nothing here
//! writes.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::path::PathBuf;

use super::Drawer;
use super::Keyring;
use super::Standing;
use crate::disk;
use crate::key::Guard;
use crate::key::Key;

/// Directories of keys, as last read.
#[derive(Debug, Default)]
pub struct Cabinet {
    drawers: BTreeMap<PathBuf, Drawer>,
}

impl Cabinet {
    /// Reads these directories anew. Returns the keys in force, and what is to be told of the others.
    pub fn read(&mut self, directories: &[PathBuf], guard: &Guard) -> (Keyring, Vec<String>) {
        let (mut keys, mut told, mut standing) = (Vec::new(), Vec::new(), Standing::Whole);
        for directory in directories {
            let before = self.drawers.remove(directory);
            let found = match Drawer::read(directory, guard) {
                Ok(drawer) => Found::Listed(drawer),
                Err(error) => closed(directories, directory, before.is_some(), error),
            };
            let (drawer, of_it) = match found {
                Found::Listed(drawer) => merged(before.as_ref(), drawer),
                Found::Nothing => continue,
                Found::Unread(why, keeps) => {
                    told.push(why.clone());
                    let kept = before.unwrap_or_default();
                    let keys = if keeps { kept.keys } else { Vec::new() };
                    let drawer = Drawer {
                        keys,
                        ..Drawer::default()
                    };
                    (drawer, Standing::Kept(why))
                }
            };
            told.extend(drawer.problems.iter().map(ToString::to_string));
            keys.extend(drawer.keys.iter().map(|(_, key)| key.clone()));
            standing = worse(standing, of_it);
            self.drawers.insert(directory.clone(), drawer);
        }
        (Keyring::of(keys).standing_as(standing), told)
    }
}

/// What came of a directory.
enum Found {
    Listed(Drawer),
    /// None of ours, or not there, and never was.
    Nothing,
    /// Not known, and whether its keys are kept.
    Unread(String, bool),
}

/// A directory that cannot be listed. One that is absent, or closed to this user where there is another, is none of
/// ours unless this process has read it before: that of the host is root's alone where a service manager hands the keys
/// over. One that was there and is absent takes its keys with it, but what it will hold is not known.
fn closed(all: &[PathBuf], directory: &Path, was_read: bool, error: disk::Error) -> Found {
    let is_absent = error.is(io::ErrorKind::NotFound);
    let is_closed = error.is(io::ErrorKind::PermissionDenied) && all.len() > 1;
    if !was_read && (is_absent || is_closed) {
        return Found::Nothing;
    }
    let why = if is_absent {
        format!("the keys of '{}' are gone with it", directory.display())
    } else {
        error.to_string()
    };
    Found::Unread(why, !is_absent)
}

/// Adds to what was read what is only unread now, as it was before.
fn merged(before: Option<&Drawer>, mut drawer: Drawer) -> (Drawer, Standing) {
    let held = before.map_or(&[][..], |before| &before.keys);
    let kept: Vec<(PathBuf, Key)> = held
        .iter()
        .filter(|(path, _)| drawer.unread.contains(path))
        .cloned()
        .collect();
    let why = drawer.problems.iter().find(|problem| problem.is_passing());
    let standing = match (why.map(ToString::to_string), kept.is_empty()) {
        (None, _) => Standing::Whole,
        (Some(why), true) => Standing::Part(why),
        (Some(why), false) => Standing::Kept(why),
    };
    for (path, key) in kept {
        drawer.add(path, key);
    }
    (drawer, standing)
}

fn worse(one: Standing, other: Standing) -> Standing {
    match (&one, &other) {
        (Standing::Kept(_), _) | (_, Standing::Whole) | (Standing::Part(_), Standing::Part(_)) => {
            one
        }
        _ => other,
    }
}
