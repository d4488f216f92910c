//! One program, several names: each program here can play every role, by the name it is called with.
//!
//! `cargo run -- demo` builds one program and needs three; an installation has them all side by side.

use std::path::Path;
use std::path::PathBuf;

use super::failure::Failure;
use crate::disk;
use crate::exit::Exit;

/// Returns a path under which the program `name` can be started: beside this program, or a link to it in `state`.
///
/// # Errors
/// [`Failure`] where this program's own path is not known or the link cannot be made.
pub fn program(name: &str, state: &Path) -> Result<PathBuf, Failure> {
    let ours = std::env::current_exe()
        .map_err(|error| Failure::new(Exit::Bug, format!("cannot find this program: {error}")))?;
    let beside = ours.with_file_name(name);
    if disk::ownership(&beside).is_ok_and(|(_, mode, is_dir)| !is_dir && mode & 0o111 != 0) {
        return Ok(beside);
    }
    let bin = state.join("bin");
    disk::make_dir(&bin, 0o700)?;
    let link = bin.join(name);
    disk::link(&ours, &link)?;
    Ok(link)
}

/// Returns the role that a program was called as: the last part of its path.
#[must_use]
pub fn called(arg0: Option<&std::ffi::OsStr>) -> Option<String> {
    Path::new(arg0?).file_name()?.to_str().map(str::to_owned)
}
