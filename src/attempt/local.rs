//! Runs attempts on this host: a directory of run directories, and one executor per attempt that outlives the
//! watcher.
//!
//! Nothing is kept in memory that matters: a restarted watcher finds everything again in the run directories. A
//! crash between prepare and launch leaves a prepared directory that nobody takes; the watcher voids it.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::File;
use std::fs::OpenOptions;
use std::io::Read;
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::path::PathBuf;
use std::process::Child;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use super::Error;
use super::Permit;
use super::Plan;
use super::RunState;
use super::Runner;
use super::StopReason;
use super::folder::Audience;
use super::folder::Folder;
use super::folder::failed;
use super::folder::set_mode;
use super::surroundings;
use crate::clock::BootTime;
use crate::clock::Clock;
use crate::disk;
use crate::entry::ClaimName;
use crate::limits;
use crate::process::cgroup::Cgroup;
use crate::process::family;
use crate::process::launch;

/// How long a service manager may take to accept a connection.
const ACCEPT_PATIENCE: Duration = Duration::from_secs(2);

/// How an executor comes into being.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Launcher {
    /// This program is started as `PROGRAM --run DIR`, detached, under the watcher's own user.
    Spawn(PathBuf),
    /// The stem is written to this socket, where a service manager starts `dispatch-exec --socket` for each
    /// connection: in a unit of its own, and possibly as another user.
    Socket(PathBuf),
}

/// Runs attempts on this host.
pub struct LocalRunner {
    runs: PathBuf,
    launcher: Launcher,
    environment: BTreeMap<String, String>,
    clock: Arc<dyn Clock>,
    children: Mutex<Vec<Child>>,
}

impl std::fmt::Debug for LocalRunner {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Never the environment: it may hold credentials.
        out.debug_struct("LocalRunner")
            .field("runs", &self.runs)
            .field("launcher", &self.launcher)
            .finish_non_exhaustive()
    }
}

impl LocalRunner {
    /// Uses the directory `runs`, which is made if need be. `environment` is the watcher's own: what profiles
    /// name passes from it to an executor that is spawned. One that a service manager starts has the
    /// environment of its unit.
    ///
    /// # Errors
    /// [`Error::Disk`]
    pub fn new(
        runs: PathBuf,
        launcher: Launcher,
        environment: BTreeMap<String, String>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Error> {
        let mode = match launcher {
            Launcher::Spawn(_) => 0o700,
            // What is made below belongs to the group of the executor, too.
            Launcher::Socket(_) => 0o2770,
        };
        disk::make_dir(&runs, mode).map_err(failed)?;
        set_mode(&runs, mode)?;
        Ok(Self {
            runs,
            launcher,
            environment,
            clock,
            children: Mutex::new(Vec::new()),
        })
    }

    /// Returns the run directory of a stem.
    ///
    /// # Errors
    /// [`Error::Format`]: not a claim stem, so not a name that could be ours.
    pub fn folder(&self, stem: &str) -> Result<Folder, Error> {
        find(&self.runs, stem)
    }

    fn launch(&self, folder: &Folder, plan: &Plan) -> Result<(), Error> {
        match &self.launcher {
            Launcher::Spawn(program) => self.spawn(program, folder, plan),
            Launcher::Socket(path) => connect(path, &plan.claim).map_err(|source| Error::Spawn {
                program: path.display().to_string(),
                source,
            }),
        }
    }

    fn spawn(&self, program: &Path, folder: &Folder, plan: &Plan) -> Result<(), Error> {
        let env = surroundings::passed(&plan.profile)
            .filter_map(|name| Some((name, self.environment.get(name)?)));
        let args = [OsStr::new("--run"), folder.path().as_os_str()];
        let child = launch::detached(program, &args, env, complaints(folder)).map_err(|error| {
            Error::Spawn {
                program: program.display().to_string(),
                source: std::io::Error::other(error),
            }
        })?;
        self.children().push(child);
        Ok(())
    }

    fn children(&self) -> std::sync::MutexGuard<'_, Vec<Child>> {
        let mut children = self.children.lock().unwrap_or_else(PoisonError::into_inner);
        // Executors that have ended are reaped whenever somebody asks; an error means there is nothing to reap.
        children.retain_mut(|child| matches!(child.try_wait(), Ok(None)));
        children
    }
}

/// Returns the run directory of a stem below `runs`.
///
/// # Errors
/// [`Error::Format`]: not a claim stem.
pub fn find(runs: &Path, stem: &str) -> Result<Folder, Error> {
    if ClaimName::parse_stem(stem).is_some() {
        return Ok(Folder::at(runs.join(stem)));
    }
    Err(Error::Format {
        path: runs.to_owned(),
        why: format!("'{}' is not a claim", crate::escape::excerpt(stem, 80)),
    })
}

/// Opens the file in which an executor complains about what it cannot report. Without one it runs as well.
fn complaints(folder: &Folder) -> Option<File> {
    let path = folder.member("complaints");
    disk::create_volatile(&path, b"", 0o600).ok()?;
    OpenOptions::new().append(true).open(path).ok()
}

/// Hands a stem to a service manager and waits until it has been taken off our hands.
fn connect(path: &Path, stem: &str) -> std::io::Result<()> {
    let mut socket = UnixStream::connect(path)?;
    socket.set_write_timeout(Some(ACCEPT_PATIENCE))?;
    socket.write_all(format!("{stem}\n").as_bytes())?;
    socket.shutdown(std::net::Shutdown::Write)
}

impl Runner for LocalRunner {
    fn start(&self, plan: &Plan, task: &[u8], request: &str) -> Result<(), Error> {
        let folder = self.folder(&plan.claim)?;
        let audience = match self.launcher {
            Launcher::Spawn(_) => Audience::Owner,
            Launcher::Socket(_) => Audience::Group,
        };
        folder.prepare(plan, task, request, audience)?;
        self.launch(&folder, plan)
    }

    fn permit(&self, stem: &str, permit: &Permit) -> Result<(), Error> {
        self.folder(stem)?.permit(permit)
    }

    fn state(&self, stem: &str) -> Result<RunState, Error> {
        drop(self.children());
        self.folder(stem)?.state()
    }

    fn plan(&self, stem: &str) -> Result<Option<Plan>, Error> {
        let folder = self.folder(stem)?;
        match folder.state()? {
            RunState::Absent => Ok(None),
            _ => folder.plan().map(Some),
        }
    }

    fn void(&self, stem: &str) -> Result<bool, Error> {
        self.folder(stem)?.void()
    }

    fn stop(&self, stem: &str, reason: StopReason) -> Result<(), Error> {
        self.folder(stem)?.ask_to_stop(reason)
    }

    fn extend(&self, stem: &str, until: BootTime) -> Result<(), Error> {
        self.folder(stem)?.extend(until)
    }

    fn sweep(&self, stem: &str) -> Result<u32, Error> {
        let folder = self.folder(stem)?;
        let mark = format!("{}={stem}", surroundings::MARK);
        // Where it had a cgroup, also those that hide: clearing the environment does not leave a cgroup.
        if let Some(cgroup) = Cgroup::find(stem) {
            cgroup.end(limits::SWEEP_PATIENCE, &*self.clock);
        }
        let swept = family::end_marked(&mark, limits::SWEEP_PATIENCE, &*self.clock);
        if swept.remaining > 0 {
            return Err(Error::Disk {
                action: "end every process of",
                path: folder.path().to_owned(),
                source: std::io::ErrorKind::TimedOut.into(),
            });
        }
        Ok(u32::try_from(swept.ended.len()).unwrap_or(u32::MAX))
    }

    fn log(&self, stem: &str) -> Result<Box<dyn Read>, Error> {
        let path = self.folder(stem)?.member("log");
        Ok(Box::new(disk::open(&path).map_err(failed)?))
    }

    fn free_bytes(&self) -> u64 {
        disk::free_bytes(&self.runs).unwrap_or(u64::MAX)
    }

    fn list(&self) -> Result<Vec<String>, Error> {
        let mut names = disk::list(&self.runs).map_err(failed)?;
        names.retain(|name| ClaimName::parse_stem(name).is_some());
        Ok(names)
    }

    fn discard(&self, stem: &str) -> Result<(), Error> {
        self.folder(stem)?.remove()
    }
}
