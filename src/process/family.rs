//! Finding, ending and reaping descendants.
//!
//! A subreaper (PR_SET_CHILD_SUBREAPER) becomes the parent of every orphan below it, so the parents' chain
//! always leads here, whatever sessions and double forks a program used. A stopped process cannot fork: so all
//! are stopped until a listing shows nobody new, and only then killed. Signals go through pidfds, which cannot
//! hit a reused number.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::signal::Signal;
use nix::sys::wait::WaitPidFlag;
use nix::sys::wait::WaitStatus;
use nix::sys::wait::waitpid;
use nix::unistd::Pid;

use super::Error;
use super::Exit;
use super::to;
use crate::clock::Clock;

/// Between two looks at processes that are about to end.
const LOOK: Duration = Duration::from_millis(1);

/// Bytes of a process' environment that are searched for a mark.
const ENVIRON_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// One line of the process table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// The process.
    pub pid: i32,
    /// Its parent.
    pub parent: i32,
    /// Whether it has ended and only waits to be reaped.
    pub ended: bool,
    /// When it started, in clock ticks since boot: with `pid`, its identity.
    pub started: u64,
}

/// Makes this process the parent of every orphan below it, and untraceable by programs of the same user.
///
/// # Errors
/// [`Error::System`]; also where /proc cannot be read, because then nobody below could be found.
pub fn become_subreaper() -> Result<(), Error> {
    nix::sys::prctl::set_child_subreaper(true).map_err(to("become the parent of orphans"))?;
    nix::sys::prctl::set_dumpable(false).map_err(to("refuse tracing"))?;
    row(std::process::id().cast_signed()).map_or_else(
        || {
            Err(Error::Refused {
                action: "read /proc",
                why: "it does not list this process".to_owned(),
            })
        },
        |_| Ok(()),
    )
}

/// Returns the row of one process, if there is such a process.
#[must_use]
pub fn row(pid: i32) -> Option<Row> {
    let mut text = Vec::new();
    let file = File::open(format!("/proc/{pid}/stat")).ok()?;
    file.take(4096).read_to_end(&mut text).ok()?;
    parse_stat(pid, &String::from_utf8_lossy(&text))
}

/// Parses /proc/PID/stat. The name in parentheses may hold anything, also parentheses: the last one counts (proc(5)).
fn parse_stat(pid: i32, text: &str) -> Option<Row> {
    let mut fields = text.rsplit_once(')')?.1.split_ascii_whitespace();
    let state = fields.next()?;
    let parent = fields.next()?.parse().ok()?;
    let started = fields.nth(17)?.parse().ok()?;
    Some(Row {
        pid,
        parent,
        ended: matches!(state, "Z" | "X" | "x"),
        started,
    })
}

/// Returns the numbers of all processes that /proc shows.
fn pids() -> Vec<i32> {
    let Ok(entries) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect()
}

/// Returns every living descendant of `root`, without it.
#[must_use]
pub fn descendants(root: i32) -> Vec<Row> {
    let mut children: BTreeMap<i32, Vec<Row>> = BTreeMap::new();
    for row in pids().into_iter().filter_map(row) {
        children.entry(row.parent).or_default().push(row);
    }
    let mut found = Vec::new();
    let mut open = vec![root];
    while let Some(parent) = open.pop() {
        for row in children.remove(&parent).unwrap_or_default() {
            open.push(row.pid);
            found.push(row);
        }
    }
    found.retain(|row| !row.ended);
    found
}

/// Sends a polite signal to the agent's process group, and wakes what is stopped so that it can act on it.
pub fn ask(group: i32) {
    for signal in [Signal::SIGTERM, Signal::SIGCONT] {
        // A group that is gone needs no signal.
        let _ = nix::sys::signal::killpg(Pid::from_raw(group), signal);
    }
}

/// Kills one child of this process. It is not reaped yet, so the number is still its own.
pub fn kill(child: i32) {
    let _ = nix::sys::signal::kill(Pid::from_raw(child), Signal::SIGKILL);
}

/// A process that can be signalled without mistaking another for it.
enum Handle {
    Fd(OwnedFd),
    /// Before Linux 5.3, or out of descriptors.
    Number(i32),
}

impl Handle {
    fn open(pid: i32) -> Option<Self> {
        let number = rustix::process::Pid::from_raw(pid)?;
        match rustix::process::pidfd_open(number, rustix::process::PidfdFlags::empty()) {
            Ok(fd) => Some(Self::Fd(fd)),
            Err(rustix::io::Errno::SRCH) => None,
            Err(_) => Some(Self::Number(pid)),
        }
    }

    fn send(&self, signal: rustix::process::Signal) {
        // The only error that can come is that it has ended meanwhile.
        let _ = match self {
            Self::Fd(fd) => rustix::process::pidfd_send_signal(fd, signal),
            Self::Number(pid) => rustix::process::Pid::from_raw(*pid)
                .map_or(Ok(()), |pid| rustix::process::kill_process(pid, signal)),
        };
    }
}

/// What a sweep found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Swept {
    /// Processes that were killed.
    pub ended: BTreeSet<i32>,
    /// Processes that were still there when patience was over (in uninterruptible sleep, or forking too fast).
    pub remaining: u32,
}

/// Ends every descendant of this process, except by stopping itself: freezes to a fixpoint, kills, reaps, and
/// again, until none is left or `patience` is over. `reap` is called to reap children of this process.
pub fn end_all(patience: Duration, clock: &dyn Clock, reap: &mut dyn FnMut()) -> Swept {
    let ourselves = std::process::id().cast_signed();
    let began = clock.monotonic();
    let in_time = || clock.monotonic().since(began) < patience;
    let mut swept = Swept::default();
    loop {
        let mut held: BTreeMap<i32, Handle> = BTreeMap::new();
        loop {
            let before = held.len();
            freeze(ourselves, &mut held);
            if held.len() == before || !in_time() {
                break;
            }
        }
        for handle in held.values() {
            handle.send(rustix::process::Signal::KILL);
        }
        swept.ended.extend(held.keys());
        reap();
        let left = descendants(ourselves);
        if left.is_empty() {
            return swept;
        }
        if !in_time() {
            swept.remaining = u32::try_from(left.len()).unwrap_or(u32::MAX);
            return swept;
        }
        clock.sleep(LOOK);
    }
}

/// Stops every descendant of `root` that is not held yet, each as soon as it is seen, youngest first: a program that
/// forks and ends for ever is always the youngest, and lives for about as long as a listing takes.
fn freeze(root: i32, held: &mut BTreeMap<i32, Handle>) {
    let mut parents: BTreeMap<i32, i32> = BTreeMap::new();
    let mut listed = pids();
    listed.sort_unstable_by(|one, other| other.cmp(one));
    for pid in listed {
        let Some(found) = row(pid).filter(|found| !found.ended) else {
            continue;
        };
        if held.contains_key(&pid) || !descends(found, root, &mut parents) {
            continue;
        }
        let Some(handle) = Handle::open(pid) else {
            continue;
        };
        // Between the look and the handle the number may have become somebody else's.
        if row(pid).is_some_and(|again| again.started == found.started) {
            handle.send(rustix::process::Signal::STOP);
            held.insert(pid, handle);
        }
    }
}

/// Follows the chain of parents to `root`, or to an end. Parents once seen are remembered: whose parent has ended
/// meanwhile has another one now, and is seen with it in the next pass.
fn descends(found: Row, root: i32, parents: &mut BTreeMap<i32, i32>) -> bool {
    parents.insert(found.pid, found.parent);
    let mut at = found.parent;
    // No chain is longer than there are processes.
    for _ in 0..=i32::from(i16::MAX) {
        if at == root {
            return true;
        }
        if at <= 1 {
            return false;
        }
        at = match parents.get(&at) {
            Some(parent) => *parent,
            None => match row(at) {
                Some(row) => *parents.entry(at).or_insert(row.parent),
                None => return false,
            },
        };
    }
    false
}

/// Returns the processes of any parent whose initial environment holds `mark` (`NAME=value`) as one variable.
#[must_use]
pub fn marked(mark: &str) -> Vec<i32> {
    let ourselves = std::process::id().cast_signed();
    let living = |pid: &i32| row(*pid).is_some_and(|row| !row.ended);
    pids()
        .into_iter()
        .filter(|pid| *pid != ourselves && is_marked(*pid, mark) && living(pid))
        .collect()
}

/// Ends every process that carries `mark` in its environment, to a fixpoint. For what a dead supervisor left
/// behind; a process that cleared its environment is not found. Returns how many were killed and how many
/// remained.
#[must_use]
pub fn end_marked(mark: &str, patience: Duration, clock: &dyn Clock) -> Swept {
    let began = clock.monotonic();
    let mut swept = Swept::default();
    loop {
        let found = marked(mark);
        if found.is_empty() {
            return swept;
        }
        if clock.monotonic().since(began) >= patience {
            swept.remaining = u32::try_from(found.len()).unwrap_or(u32::MAX);
            return swept;
        }
        let handles: Vec<(i32, Handle)> = found
            .into_iter()
            .filter_map(|pid| Handle::open(pid).map(|handle| (pid, handle)))
            .collect();
        for (pid, handle) in &handles {
            // The number is checked again now that it cannot change hands.
            if is_marked(*pid, mark) {
                handle.send(rustix::process::Signal::STOP);
                handle.send(rustix::process::Signal::KILL);
                swept.ended.insert(*pid);
            }
        }
        clock.sleep(LOOK);
    }
}

fn is_marked(pid: i32, mark: &str) -> bool {
    let mut environ = Vec::new();
    File::open(format!("/proc/{pid}/environ"))
        .and_then(|file| file.take(ENVIRON_BYTES_MAX).read_to_end(&mut environ))
        .is_ok_and(|_| {
            environ
                .split(|byte| *byte == 0)
                .any(|variable| variable == mark.as_bytes())
        })
}

/// Reaps every child of this process that has ended. Returns the exit of `direct`, if it was among them.
pub fn reap(direct: i32) -> Option<Exit> {
    let mut seen = None;
    while let Some((pid, exit)) = next(None, Some(WaitPidFlag::WNOHANG)) {
        if pid == direct {
            seen = Some(exit);
        }
    }
    seen
}

/// Waits for one child. Returns `None` where there is no such child.
#[must_use]
pub fn wait(pid: i32) -> Option<Exit> {
    next(Some(Pid::from_raw(pid)), None).map(|(_, exit)| exit)
}

/// Waits for any child. Returns `None` where there is none left.
#[must_use]
pub fn wait_any() -> Option<(i32, Exit)> {
    next(None, None)
}

fn next(pid: Option<Pid>, flags: Option<WaitPidFlag>) -> Option<(i32, Exit)> {
    loop {
        match waitpid(pid, flags) {
            Ok(WaitStatus::Exited(pid, code)) => {
                // exit(3): the low eight bits.
                return Some((pid.as_raw(), Exit::Code(code.to_le_bytes()[0])));
            }
            Ok(WaitStatus::Signaled(pid, signal, _)) => {
                let number = u8::try_from(signal as i32).unwrap_or(u8::MAX);
                return Some((pid.as_raw(), Exit::Signal(number)));
            }
            Ok(WaitStatus::StillAlive) => return None,
            Ok(_) | Err(Errno::EINTR) => {}
            Err(_) => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_does_not_confuse_the_table() {
        let text = "7 (a) (b) S 3 7 7 0 -1 4194560 0 0 0 0 0 0 0 0 20 0 1 0 12345 0 0";
        let row = parse_stat(7, text).unwrap();
        assert_eq!((row.parent, row.started, row.ended), (3, 12345, false));
        assert!(parse_stat(7, "7 (a) Z").is_none());
    }

    #[test]
    fn this_process_is_in_the_table_and_below_its_parent() {
        let ourselves = row(std::process::id().cast_signed()).unwrap();
        assert!(
            descendants(ourselves.parent)
                .iter()
                .any(|row| row.pid == ourselves.pid)
        );
        assert!(row(i32::MAX).is_none());
    }
}
