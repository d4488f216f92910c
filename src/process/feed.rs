//! A program that is handed something and ends soon: whatever it does, nothing of it is left.
#![expect(
    clippy::disallowed_methods,
    reason = "this module starts programs, as `launch` does"
)]

use std::ffi::OsStr;
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::process::Command;
use std::process::ExitStatus;
use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::Signal;
use nix::sys::signal::killpg;
use nix::unistd::Pid;

use super::Error;
use super::Exit;
use super::family;
use super::launch::pid_of;
use super::launch::start;
use super::launch::wait_for;
use crate::clock::Clock;

/// How long what it leaves behind may take to go.
const END: Duration = Duration::from_secs(2);

/// A program that is handed something and ends soon.
pub struct Feed<'a> {
    /// The program and its arguments.
    pub argv: &'a [&'a OsStr],
    /// Its `PATH`; beside the mark all it has of an environment.
    pub path: &'a str,
    /// A variable with a value that nothing else has: by it what it leaves behind is found.
    pub mark: (&'a str, &'a str),
    /// What it reads; at most 64 KiB.
    pub input: &'a [u8],
    /// How long it may take.
    pub patience: Duration,
}

/// Runs a program with something on its standard input. Whatever happens, its process group and everything that carries
/// its mark is ended before this returns. What it says is not kept.
///
/// # Errors
/// [`Error::Start`], [`Error::TooSlow`]
pub fn fed(feed: &Feed<'_>, clock: &dyn Clock) -> Result<Exit, Error> {
    let (program, args) = feed.argv.split_first().ok_or_else(|| Error::Refused {
        action: "run a command",
        why: "it is empty".to_owned(),
    })?;
    let name = program.to_string_lossy();
    let mut child = Command::new(program)
        .args(args)
        .env_clear()
        .envs([("PATH", feed.path), feed.mark])
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .map_err(start(&name))?;
    // Also to one that reads nothing: a message fits the buffer of a pipe (64 KiB, pipe(7)), so this does not wait.
    if let Some(mut pipe) = child.stdin.take() {
        let _ = pipe.write_all(feed.input);
    }
    let finished = wait_for(&mut child, feed.patience, clock).map_err(start(&name));
    let _ = killpg(Pid::from_raw(pid_of(&child)), Signal::SIGKILL);
    let mark = format!("{}={}", feed.mark.0, feed.mark.1);
    let _ = family::end_marked(&mark, END, clock);
    if !matches!(finished, Ok(Some(_))) {
        let _ = child.wait();
    }
    match finished? {
        Some(status) => Ok(exit_of(status)),
        None => Err(Error::TooSlow {
            program: name.into_owned(),
            seconds: feed.patience.as_secs(),
        }),
    }
}

fn exit_of(status: ExitStatus) -> Exit {
    let low = |number: i32| number.to_le_bytes()[0];
    match (status.code(), status.signal()) {
        (Some(code), _) => Exit::Code(low(code)),
        (None, signal) => Exit::Signal(low(signal.unwrap_or(0))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;

    fn run(script: &str, mark: &str, patience: Duration) -> Result<Exit, Error> {
        let argv = ["/bin/sh", "-c", script].map(OsStr::new);
        let feed = Feed {
            argv: &argv,
            path: "/usr/bin:/bin",
            mark: ("FED_MARK", mark),
            input: b"hello",
            patience,
        };
        fed(&feed, &SystemClock)
    }

    #[test]
    fn it_reads_what_it_is_handed_and_says_how_it_ended() {
        let long = Duration::from_secs(60);
        let said = run("read -r x; test \"$x\" = hello && exit 7", "read", long);
        assert_eq!(said.unwrap(), Exit::Code(7));
        assert_eq!(run("exec true", "unread", long).unwrap(), Exit::Code(0));
        assert_eq!(run("kill -9 $$", "signal", long).unwrap(), Exit::Signal(9));
        assert!(matches!(run("env", "env", long), Ok(Exit::Code(0))));
    }

    #[test]
    fn what_it_left_behind_ends_with_it() {
        let long = Duration::from_secs(60);
        let script = "setsid sleep 600 & setsid setsid sleep 600 & exit 0";
        assert_eq!(run(script, "family-a1", long).unwrap(), Exit::Code(0));
        assert_eq!(family::marked("FED_MARK=family-a1"), Vec::<i32>::new());
        let slow = run(
            "setsid sleep 600 & sleep 600",
            "family-b2",
            Duration::from_millis(200),
        );
        assert!(matches!(slow, Err(Error::TooSlow { .. })));
        assert_eq!(family::marked("FED_MARK=family-b2"), Vec::<i32>::new());
    }
}
