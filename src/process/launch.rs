//! Starting programs: a contained agent's first stage, a detached executor, a brief tool such as git.
#![expect(
    clippy::disallowed_methods,
    reason = "this module is the one that starts programs"
)]

use std::ffi::OsStr;
use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Child;
use std::process::ChildStderr;
use std::process::ChildStdout;
use std::process::Command;
use std::process::Stdio;
use std::time::Duration;

use super::Error;
use super::channel::Orders;
use super::stage;
use super::to;
use crate::clock::Clock;

/// This very program, even when its file was replaced meanwhile (proc(5)).
const OURSELVES: &str = "/proc/self/exe";

/// How often a brief tool is looked at.
const TOOL_LOOK: Duration = Duration::from_millis(5);
/// How long the pipes of a tool that has ended are read.
const TOOL_LINGER: Duration = Duration::from_secs(2);

/// How long a killed process may take to go.
const TRIAL_END: Duration = Duration::from_secs(2);

/// Bytes of a brief tool's output that are kept.
const TOOL_OUTPUT_MAX: u64 = 1024 * 1024;

/// Closes every descriptor but the three streams. Those that whoever started us left open would else be the agent's,
/// too.
///
/// Only for the very beginning of a program, when nothing in it can own one yet.
pub fn close_inherited() {
    let listed = std::fs::read_dir("/proc/self/fd").into_iter().flatten();
    let open: Vec<i32> = listed
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect();
    for descriptor in open.into_iter().filter(|descriptor| *descriptor > 2) {
        // The descriptor of the listing itself is closed by now: EBADF.
        let _ = nix::unistd::close(descriptor);
    }
}

/// The first stage of an agent, and the ends of its pipes.
#[derive(Debug)]
pub struct Contained {
    /// Its process: the session and group of the agent carry the same number.
    pub pid: i32,
    /// The socket to its stages.
    pub control: UnixStream,
    /// Standard output of the agent.
    pub stdout: ChildStdout,
    /// Standard error of the agent.
    pub stderr: ChildStderr,
}

/// Starts the first stage. Must be called from a thread that lives as long as the agent may: the death signal of
/// PR_SET_PDEATHSIG fires when the *thread* that started it ends.
///
/// # Errors
/// [`Error`]; then nothing was started.
pub fn contained() -> Result<Contained, Error> {
    let (control, theirs) = UnixStream::pair().map_err(to("make a socket pair"))?;
    let mut child = Command::new(OURSELVES)
        .args([stage::FLAG, stage::Name::Contain.as_str()])
        .env_clear()
        .stdin(OwnedFd::from(theirs))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(start(OURSELVES))?;
    match (child.stdout.take(), child.stderr.take()) {
        (Some(stdout), Some(stderr)) => Ok(Contained {
            pid: pid_of(&child),
            control,
            stdout,
            stderr,
        }),
        _ => Err(Error::Refused {
            action: "start a stage",
            why: "it has no pipes".to_owned(),
        }),
    }
}

/// Starts the next stage with the same socket and pipes. Returns its process.
pub(super) fn stage(name: stage::Name) -> Result<i32, Error> {
    Command::new(OURSELVES)
        .args([stage::FLAG, name.as_str()])
        .spawn()
        .map(|child| pid_of(&child))
        .map_err(start(OURSELVES))
}

/// Lets go of the agent's pipes, which only the agent and what it starts shall hold open: their end is waited for.
pub(super) fn release_pipes() -> Result<(), Error> {
    let nothing = std::fs::OpenOptions::new()
        .write(true)
        .open("/dev/null")
        .map_err(to("open /dev/null"))?;
    nix::unistd::dup2_stdout(&nothing).map_err(to("let go of a pipe"))?;
    nix::unistd::dup2_stderr(&nothing).map_err(to("let go of a pipe"))
}

/// Becomes the agent. Returns only if that failed, and why.
pub(super) fn replace(orders: &Orders, stdin: File) -> Error {
    let Some((program, args)) = orders.argv.split_first() else {
        return Error::Refused {
            action: "start the agent",
            why: "its command is empty".to_owned(),
        };
    };
    let source = Command::new(program)
        .args(args)
        .env_clear()
        .envs(orders.env.iter().map(|(name, value)| (name, value)))
        .stdin(stdin)
        .exec();
    start(program)(source)
}

/// Starts a program that outlives its starter, with exactly this environment and no standard streams. The
/// caller reaps it with [`Child::try_wait`]; the program itself begins a session.
///
/// # Errors
/// [`Error::Start`]
pub fn detached<K: AsRef<OsStr>, V: AsRef<OsStr>>(
    program: &Path,
    args: &[&OsStr],
    env: impl IntoIterator<Item = (K, V)>,
    stderr: Option<File>,
) -> Result<Child, Error> {
    Command::new(program)
        .args(args)
        .env_clear()
        .envs(env)
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(stderr.map_or_else(Stdio::null, Stdio::from))
        .spawn()
        .map_err(start(&program.to_string_lossy()))
}

/// What a brief tool left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolOutput {
    /// Whether it exited with status 0.
    pub success: bool,
    /// The start of its standard output.
    pub stdout: Vec<u8>,
    /// The start of its standard error.
    pub stderr: Vec<u8>,
}

/// Runs a tool in its own process group and waits at most `patience`; then the group is killed.
///
/// # Errors
/// [`Error::Start`], [`Error::TooSlow`].
pub fn tool(
    argv: &[&OsStr],
    env: &[(&str, &str)],
    patience: Duration,
    clock: &dyn Clock,
) -> Result<ToolOutput, Error> {
    let (program, args) = argv.split_first().ok_or_else(|| Error::Refused {
        action: "run a tool",
        why: "its command is empty".to_owned(),
    })?;
    let name = program.to_string_lossy();
    let mut child = Command::new(program)
        .args(args)
        .env_clear()
        .envs(env.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .map_err(start(&name))?;
    let readers = (drain(child.stdout.take()), drain(child.stderr.take()));
    let began = clock.monotonic();
    let mut finished = None;
    while finished.is_none() && clock.monotonic().since(began) < patience {
        finished = child.try_wait().map_err(start(&name))?;
        if finished.is_none() {
            clock.sleep(TOOL_LOOK);
        }
    }
    // Also where it finished: what it left behind in its group would hold the pipes open.
    let group = nix::unistd::Pid::from_raw(pid_of(&child));
    let _ = nix::sys::signal::killpg(group, nix::sys::signal::Signal::SIGKILL);
    let status = match finished {
        Some(status) => status,
        None => {
            let _ = child.wait();
            return Err(Error::TooSlow {
                program: name.into_owned(),
                seconds: patience.as_secs(),
            });
        }
    };
    // What left its group may hold the pipes open for ever: then what was said is not known.
    let late = clock.monotonic();
    let gather = |reader: Option<std::thread::JoinHandle<Vec<u8>>>| {
        let reader = reader?;
        while !reader.is_finished() {
            if clock.monotonic().since(late) > TOOL_LINGER {
                return None;
            }
            clock.sleep(TOOL_LOOK);
        }
        reader.join().ok()
    };
    Ok(ToolOutput {
        success: status.success(),
        stdout: gather(readers.0).unwrap_or_default(),
        stderr: gather(readers.1).unwrap_or_default(),
    })
}

/// Reads a pipe to its end and keeps the start.
fn drain(pipe: Option<impl Read + Send + 'static>) -> Option<std::thread::JoinHandle<Vec<u8>>> {
    let mut pipe = pipe?;
    Some(std::thread::spawn(move || {
        let mut kept = Vec::new();
        let _ = (&mut pipe).take(TOOL_OUTPUT_MAX).read_to_end(&mut kept);
        let _ = std::io::copy(&mut pipe, &mut std::io::sink());
        kept
    }))
}

pub(super) fn pid_of(child: &Child) -> i32 {
    // Linux pids are below 2^22 (proc(5), pid_max).
    i32::try_from(child.id()).unwrap_or(i32::MAX)
}

pub(super) fn start(program: &str) -> impl FnOnce(std::io::Error) -> Error {
    let program = program.to_owned();
    move |source| Error::Start { program, source }
}

/// How a trial ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trial {
    /// By itself.
    Finished(ToolOutput),
    /// It took too long, was killed, and is gone.
    Killed,
    /// It took too long, was killed, and is still there: it waits inside the kernel for a server that does not answer.
    Stuck,
}

/// Runs this very program as `dispatch`, with these words, for what may hang; whatever happens, it returns soon after
/// `patience`. A process that cannot be killed is left behind: nobody else could end it either.
///
/// # Errors
/// [`Error::Start`]
pub fn trial(
    program: &Path,
    words: &[&OsStr],
    patience: Duration,
    clock: &dyn Clock,
) -> Result<Trial, Error> {
    let name = program.to_string_lossy();
    let mut child = Command::new(program)
        .arg0("dispatch")
        .args(words)
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .map_err(start(&name))?;
    let reader = drain(child.stdout.take());
    if let Some(status) = wait_for(&mut child, patience, clock).map_err(start(&name))? {
        // What a check started in its group would hold the pipe open.
        let group = nix::unistd::Pid::from_raw(pid_of(&child));
        let _ = nix::sys::signal::killpg(group, nix::sys::signal::Signal::SIGKILL);
        let stdout = reader
            .and_then(|reader| reader.join().ok())
            .unwrap_or_default();
        return Ok(Trial::Finished(ToolOutput {
            success: status.success(),
            stdout,
            stderr: Vec::new(),
        }));
    }
    let group = nix::unistd::Pid::from_raw(pid_of(&child));
    let _ = nix::sys::signal::killpg(group, nix::sys::signal::Signal::SIGKILL);
    let gone = wait_for(&mut child, TRIAL_END, clock).map_err(start(&name))?;
    Ok(gone.map_or(Trial::Stuck, |_| Trial::Killed))
}

pub(super) fn wait_for(
    child: &mut Child,
    patience: Duration,
    clock: &dyn Clock,
) -> std::io::Result<Option<std::process::ExitStatus>> {
    let began = clock.monotonic();
    loop {
        let over = clock.monotonic().since(began) >= patience;
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if over {
            return Ok(None);
        }
        clock.sleep(TOOL_LOOK);
    }
}

/// Becomes another program, with the streams, the environment and the directory of this one; returns only to say why
/// not.
pub fn instead(program: &Path, args: &[std::ffi::OsString]) -> Error {
    let name = program.to_string_lossy();
    start(&name)(Command::new(program).args(args).exec())
}

/// Starts a program beside this one, with its output in a file. It is ended by [`Companion`] being dropped.
///
/// # Errors
/// [`Error::Start`]
pub fn companion(
    program: &Path,
    args: &[&OsStr],
    env: &[(&str, &str)],
    output: File,
) -> Result<Companion, Error> {
    let name = program.to_string_lossy();
    let errors = output.try_clone().map_err(start(&name))?;
    let child = Command::new(program)
        .args(args)
        .env_clear()
        .envs(env.iter().copied())
        .stdin(Stdio::null())
        .stdout(output)
        .stderr(errors)
        .process_group(0)
        .spawn()
        .map_err(start(&name))?;
    Ok(Companion(child))
}

/// A program that lives no longer than this value.
#[derive(Debug)]
pub struct Companion(Child);

impl Companion {
    /// Returns whether it has ended.
    pub fn is_over(&mut self) -> bool {
        !matches!(self.0.try_wait(), Ok(None))
    }

    /// Asks it to end, and waits for that.
    pub fn end(mut self) {
        self.ask();
        let _ = self.0.wait();
    }

    fn ask(&self) {
        let pid = nix::unistd::Pid::from_raw(pid_of(&self.0));
        // Not reaped yet, so the number is still its own.
        let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM);
    }
}

impl Drop for Companion {
    fn drop(&mut self) {
        if !self.is_over() {
            self.ask();
            let _ = self.0.wait();
        }
    }
}
