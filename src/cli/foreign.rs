//! Verbs that are programs of their own: `dispatch VERB` is `dispatch-VERB`, beside this program or in `PATH`.
//!
//! The other program takes the place of this one, with everything it was given; nothing is added, nothing is left.

use std::ffi::OsString;
use std::path::Path;
use std::path::PathBuf;

use super::failure::Failure;
use super::setup;
use crate::config;
use crate::disk;
use crate::escape;
use crate::exit::Exit;
use crate::process::launch;

/// Becomes the program of this verb; returns only to say why it could not. `own` has the verbs that are built in.
pub fn run(words: &[OsString], own: &clap::Command) -> Failure {
    let (verb, args) = match words.split_first() {
        Some((verb, args)) => (verb.to_string_lossy(), args),
        None => return Failure::new(Exit::Usage, "no verb is given"),
    };
    match find(&verb) {
        Some(program) => Failure::new(Exit::Io, launch::instead(&program, args).to_string()),
        None => unknown(&verb, own),
    }
}

fn unknown(verb: &str, own: &clap::Command) -> Failure {
    let shown = escape::excerpt(verb, 60);
    let failure = Failure::new(
        Exit::Usage,
        format!("there is no verb '{shown}', and no program 'dispatch-{shown}' in PATH"),
    );
    let verbs = own.get_subcommands().map(clap::Command::get_name);
    match config::nearest(verb, verbs) {
        Some(near) => failure.hint(format!("did you mean 'dispatch {near}'?")),
        None => failure.hint("'dispatch --help' lists the verbs"),
    }
}

/// Returns the program of a verb. A verb is a word, so that none leads out of the folders that are looked through.
fn find(verb: &str) -> Option<PathBuf> {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if verb.is_empty() || !verb.bytes().all(is_word) {
        return None;
    }
    let name = format!("dispatch-{verb}");
    let beside = std::env::current_exe().ok();
    let beside = beside.iter().map(|ours| ours.with_file_name(&name));
    let path = setup::variable("PATH").unwrap_or_default();
    // A program of whatever directory this happens to be would be a trap.
    let folders = std::env::split_paths(&path).filter(|folder| folder.is_absolute());
    let in_path = folders.map(|folder| folder.join(&name));
    beside.chain(in_path).find(|file| is_program(file))
}

fn is_program(file: &Path) -> bool {
    disk::ownership(file).is_ok_and(|(_, mode, is_dir)| !is_dir && mode & 0o111 != 0)
}
