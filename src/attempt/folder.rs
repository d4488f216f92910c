//! The run directory of one attempt: everything the watcher and the executor say to each other.
//!
//! | name | by | what |
//! |---|---|---|
//! | `task.json`, `request`, `plan.json` | watcher | what to run; `plan.json` is written last |
//! | `lock` | watcher | made empty; locked by the executor for as long as it lives |
//! | `ready` | executor | empty: the agent waits for nothing but the word to go |
//! | `permit` | watcher | when it last saw that starts are allowed, replaced as a whole |
//! | `running` | whoever is first | an executor's identity, or the word `void` |
//! | `stop` | watcher | why to end it |
//! | `lease` | watcher | in a pool: until when it may run, replaced as a whole |
//! | `stdin`, `home/`, `tmp/`, `work/` | executor | what the agent gets |
//! | `log` | executor | what the agent wrote |
//! | `report.json` | executor | how it ended; whole or not there |
//! | `complaints` | executor | what it said on standard error: why there is no report, for a person |
//!
//! An executor holds `lock` from the moment it comes. The agent is started only by who made `running`: that is one
//! exclusive create, after the permit was seen to be good, and until then the watcher can make the directory void.
//! Whether an executor lives is decided by its lock, which the kernel drops however it ends, also across a reboot,
//! and which can be asked for by another user. `running` holds its identity before anything is started; so an empty
//! one that nobody holds means that nothing was.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::path::PathBuf;

use serde::Deserialize;
use serde::Serialize;

use super::Error;
use super::Permit;
use super::Plan;
use super::Report;
use super::RunState;
use super::StopReason;
use crate::clock::BootTime;
use crate::disk;
use crate::disk::LockFile;
use crate::limits;

/// Largest plan and report that are read.
const DOCUMENT_BYTES_MAX: usize = limits::RESULT_BYTES_MAX;

/// What `running` holds when nobody may take the directory any more.
const VOID: &[u8] = b"void\n";

/// Who may look into run directories.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// This user alone.
    Owner,
    /// Also the group: the executor runs as another user.
    Group,
}

/// One run directory.
#[derive(Debug, Clone)]
pub struct Folder {
    path: PathBuf,
}

/// A run directory that one living executor holds. Nobody else prepares anything in it.
#[derive(Debug)]
pub struct Held<'a> {
    folder: &'a Folder,
    _lock: LockFile,
}

#[derive(Debug, Serialize, Deserialize)]
struct Identity {
    pid: u32,
    boot_id: String,
}

pub(super) fn failed(error: disk::Error) -> Error {
    let why = error.to_string();
    match error {
        disk::Error::Io {
            action,
            path,
            source,
        } => Error::Disk {
            action,
            path,
            source,
        },
        disk::Error::TooLarge { path, .. }
        | disk::Error::NotAFile { path }
        | disk::Error::Locked { path } => Error::Format { path, why },
    }
}

impl Folder {
    /// Names the run directory at `path`.
    #[must_use]
    pub const fn at(path: PathBuf) -> Self {
        Self { path }
    }

    /// Returns its path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the path of a member.
    #[must_use]
    pub fn member(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Makes the directory with what is to be run.
    ///
    /// # Errors
    /// [`Error::Disk`]; also where the directory was prepared before.
    ///
    /// # Durability
    /// The name of the directory is on disk when it returns, so that what an executor writes into it is found again.
    /// What is to be run is not: it is worth nothing after a crash.
    pub fn prepare(
        &self,
        plan: &Plan,
        task: &[u8],
        request: &str,
        audience: Audience,
    ) -> Result<(), Error> {
        let (dir_mode, file_mode) = match audience {
            Audience::Owner => (0o700, 0o600),
            Audience::Group => (0o2770, 0o660),
        };
        disk::make_dir(&self.path, dir_mode).map_err(failed)?;
        set_mode(&self.path, dir_mode)?;
        let orders = serde_json::to_vec_pretty(plan).map_err(|error| Error::Format {
            path: self.member("plan.json"),
            why: error.to_string(),
        })?;
        for (name, bytes) in [
            ("task.json", task),
            ("request", request.as_bytes()),
            ("lock", b"".as_slice()),
            ("plan.json", &orders),
        ] {
            let path = self.member(name);
            disk::create_volatile(&path, bytes, file_mode).map_err(failed)?;
            set_mode(&path, file_mode)?;
        }
        match self.path.parent() {
            Some(parent) => disk::sync_dir(parent).map_err(failed),
            None => Ok(()),
        }
    }

    /// Holds the directory for this process as long as the value lives. `None`: somebody else does, or it was taken
    /// before, or it is void.
    ///
    /// # Errors
    /// [`Error::Disk`]
    pub fn hold(&self) -> Result<Option<Held<'_>>, Error> {
        let lock = match LockFile::try_take(&self.member("lock")) {
            Err(disk::Error::Locked { .. }) => return Ok(None),
            other => other.map_err(failed)?,
        };
        let is_over = self.is_there("running")? || self.is_there("ready")?;
        Ok((!is_over).then_some(Held {
            folder: self,
            _lock: lock,
        }))
    }

    /// Says that the agent can go at once.
    ///
    /// # Errors
    /// [`Error::Disk`]
    pub fn be_ready(&self) -> Result<(), Error> {
        disk::create_volatile(&self.member("ready"), b"", 0o640).map_err(failed)
    }

    /// See [`super::Runner::permit`].
    ///
    /// # Errors
    /// [`Error::Disk`]
    ///
    /// # Durability
    /// None: it is worth nothing after a crash, and an fsync(2) would use it up.
    pub fn permit(&self, permit: &Permit) -> Result<(), Error> {
        let path = self.member("permit");
        let bytes = serde_json::to_vec(permit).map_err(|error| Error::Format {
            path: path.clone(),
            why: error.to_string(),
        })?;
        disk::replace_volatile(&path, &bytes, 0o640).map_err(failed)?;
        set_mode(&path, 0o640)
    }

    /// Returns the permit that was last given. What cannot be read or understood permits nothing.
    #[must_use]
    pub fn permitted(&self) -> Option<Permit> {
        let bytes = disk::read_bounded(&self.member("permit"), 1024).ok()?;
        serde_json::from_slice(&bytes).ok()
    }

    /// Returns whether somebody took it or made it void: then whoever holds it and did not must not start anything. So
    /// must one that cannot tell.
    #[must_use]
    pub fn is_decided(&self) -> bool {
        self.is_there("running").unwrap_or(true)
    }

    fn is_there(&self, name: &str) -> Result<bool, Error> {
        match disk::ownership(&self.member(name)) {
            Ok(_) => Ok(true),
            Err(error) if error.is(io::ErrorKind::NotFound) => Ok(false),
            Err(error) => Err(failed(error)),
        }
    }

    /// See [`super::Runner::void`].
    ///
    /// # Errors
    /// [`Error::Disk`]
    pub fn void(&self) -> Result<bool, Error> {
        match disk::create_new(&self.member("running"), VOID, 0o640) {
            Ok(()) => Ok(true),
            Err(error) if error.is(io::ErrorKind::AlreadyExists) => {
                Ok(self.state()? == RunState::Void)
            }
            Err(error) if error.is(io::ErrorKind::NotFound) => Ok(true),
            Err(error) => Err(failed(error)),
        }
    }

    /// See [`super::Runner::state`].
    ///
    /// # Errors
    /// [`Error::Disk`], [`Error::Format`].
    pub fn state(&self) -> Result<RunState, Error> {
        let held = LockFile::is_held(&self.member("lock")).map_err(failed)?;
        if let Some(report) = self.readable_report()? {
            // While the executor lives, its agent may: then this may be the agent's word instead of the executor's.
            return Ok(match held {
                true => RunState::Running,
                false => RunState::Finished(Box::new(report)),
            });
        }
        let Some(taker) = self.read("running", DOCUMENT_BYTES_MAX)? else {
            return self.state_before_it_is_taken(held);
        };
        if taker == VOID {
            return Ok(RunState::Void);
        }
        if LockFile::is_held(&self.member("lock")).map_err(failed)? {
            return Ok(RunState::Running);
        }
        // It may have ended between the looks, report first, lock last.
        Ok(match self.readable_report()? {
            Some(report) => RunState::Finished(Box::new(report)),
            None if taker.is_empty() => RunState::Void,
            None => RunState::Lost,
        })
    }

    fn state_before_it_is_taken(&self, held: bool) -> Result<RunState, Error> {
        if held {
            return Ok(match self.is_there("ready")? {
                true => RunState::Ready,
                false => RunState::Preparing,
            });
        }
        match disk::ownership(&self.path) {
            Ok(_) => Ok(RunState::Prepared),
            Err(error) if error.is(io::ErrorKind::NotFound) => Ok(RunState::Absent),
            Err(error) => Err(failed(error)),
        }
    }

    /// Returns the plan.
    ///
    /// # Errors
    /// [`Error::Disk`], [`Error::Format`]: not there, not whole, or of another version.
    pub fn plan(&self) -> Result<Plan, Error> {
        let bytes = disk::read_bounded(&self.member("plan.json"), DOCUMENT_BYTES_MAX);
        let plan: Plan = self.parse("plan.json", &bytes.map_err(failed)?)?;
        if plan.version == 1 {
            return Ok(plan);
        }
        Err(Error::Format {
            path: self.member("plan.json"),
            why: format!("version {} is not known", plan.version),
        })
    }

    /// Returns the request.
    ///
    /// # Errors
    /// [`Error::Disk`], [`Error::Format`].
    pub fn request(&self) -> Result<String, Error> {
        let path = self.member("request");
        let bytes = disk::read_bounded(&path, limits::TASK_BYTES_MAX).map_err(failed)?;
        String::from_utf8(bytes).map_err(|error| Error::Format {
            path,
            why: error.to_string(),
        })
    }

    /// Returns the report, once there is one.
    ///
    /// # Errors
    /// [`Error::Disk`], [`Error::Format`].
    pub fn report(&self) -> Result<Option<Report>, Error> {
        self.read("report.json", DOCUMENT_BYTES_MAX)?
            .map(|bytes| self.parse("report.json", &bytes))
            .transpose()
    }

    /// The report, if it is one. It is written whole or not at all: where somebody or a broken disk changed it, it will
    /// not become readable, and what the agent did is not known.
    fn readable_report(&self) -> Result<Option<Report>, Error> {
        match self.report() {
            Err(Error::Format { .. }) => Ok(None),
            report => report,
        }
    }

    /// Writes the report: the end of the attempt.
    ///
    /// # Errors
    /// [`Error::Disk`]
    ///
    /// # Durability
    /// It is on disk when it returns.
    pub fn finish(&self, report: &Report) -> Result<(), Error> {
        let path = self.member("report.json");
        let bytes = serde_json::to_vec_pretty(report).map_err(|error| Error::Format {
            path: path.clone(),
            why: error.to_string(),
        })?;
        disk::replace(&path, &bytes, 0o640).map_err(failed)
    }

    /// Asks whoever runs it to end it. The first reason stays.
    ///
    /// # Errors
    /// [`Error::Disk`]
    pub fn ask_to_stop(&self, reason: StopReason) -> Result<(), Error> {
        let path = self.member("stop");
        match disk::ownership(&path) {
            Ok(_) => return Ok(()),
            Err(error) if error.is(io::ErrorKind::NotFound) => {}
            Err(error) => return Err(failed(error)),
        }
        // As a whole: who runs it looks at any moment, and takes a file without a word for the order to kill.
        disk::replace(&path, format!("{reason}\n").as_bytes(), 0o640).map_err(failed)?;
        set_mode(&path, 0o640)
    }

    /// Returns why it is to be ended, if it is. A file that cannot be read or understood is a request to stop
    /// all the same.
    #[must_use]
    pub fn stop_reason(&self) -> Option<StopReason> {
        match disk::read_bounded(&self.member("stop"), 64) {
            Err(error) if error.is(io::ErrorKind::NotFound) => None,
            Err(_) => Some(StopReason::Kill),
            Ok(word) => {
                let word = String::from_utf8_lossy(&word);
                Some(StopReason::from_word(word.trim()).unwrap_or(StopReason::Kill))
            }
        }
    }

    /// Extends the time until which it may run.
    ///
    /// # Errors
    /// [`Error::Disk`]
    ///
    /// # Durability
    /// It is on disk when it returns, though CLOCK_BOOTTIME does not outlive the host.
    pub fn extend(&self, until: BootTime) -> Result<(), Error> {
        let path = self.member("lease");
        let text = format!("{}\n", until.0);
        disk::replace(&path, text.as_bytes(), 0o640).map_err(failed)?;
        set_mode(&path, 0o640)
    }

    /// Returns until when it may run, as last extended. What cannot be read or understood extends nothing.
    #[must_use]
    pub fn lease(&self) -> Option<BootTime> {
        let bytes = disk::read_bounded(&self.member("lease"), 64).ok()?;
        let text = String::from_utf8(bytes).ok()?;
        text.strip_suffix('\n')?.parse().ok().map(BootTime)
    }

    /// Removes what the agent made, as the user it ran as: its directories may be closed to the watcher. What
    /// the watcher reads stays.
    ///
    /// # Errors
    /// [`Error::Disk`]
    pub fn clear(&self) -> Result<(), Error> {
        for name in ["work", "home", "tmp"] {
            remove_tree(&self.member(name))?;
        }
        Ok(())
    }

    /// Removes the directory.
    ///
    /// # Errors
    /// [`Error::Disk`]
    pub fn remove(&self) -> Result<(), Error> {
        remove_tree(&self.path)
    }

    fn read(&self, name: &str, max: usize) -> Result<Option<Vec<u8>>, Error> {
        match disk::read_bounded(&self.member(name), max) {
            Err(error) if error.is(io::ErrorKind::NotFound) => Ok(None),
            Err(disk::Error::TooLarge { path, max }) => Err(Error::Format {
                path,
                why: format!("larger than {max} bytes"),
            }),
            other => other.map(Some).map_err(failed),
        }
    }

    fn parse<T: serde::de::DeserializeOwned>(&self, name: &str, bytes: &[u8]) -> Result<T, Error> {
        serde_json::from_slice(bytes).map_err(|error| Error::Format {
            path: self.member(name),
            why: error.to_string(),
        })
    }
}

impl Held<'_> {
    /// Takes the directory: from now on what became of the agent is told by a report, or is not known. `false`: it is
    /// void.
    ///
    /// # Errors
    /// [`Error::Disk`]
    ///
    /// # Durability
    /// That it was taken is on disk when it returns.
    pub fn take(&self) -> Result<bool, Error> {
        let path = self.folder.member("running");
        let identity = Identity {
            pid: std::process::id(),
            boot_id: boot_id(),
        };
        let bytes = serde_json::to_vec(&identity).map_err(|error| Error::Format {
            path: path.clone(),
            why: error.to_string(),
        })?;
        match disk::create_new(&path, &bytes, 0o640) {
            Err(error) if error.is(io::ErrorKind::AlreadyExists) => Ok(false),
            other => other.map_err(failed).map(|()| true),
        }
    }
}

/// Sets a mode whatever the umask.
pub(super) fn set_mode(path: &Path, mode: u32) -> Result<(), Error> {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).map_err(|source| {
        Error::Disk {
            action: "set the mode of",
            path: path.to_owned(),
            source,
        }
    })
}

/// Removes a tree. Programs make directories that even their owner may not change, such as the module cache of
/// Go: those are opened up first. Follows no link.
pub(super) fn remove_tree(root: &Path) -> Result<(), Error> {
    if disk::remove_tree(root).is_ok() {
        return Ok(());
    }
    let mut open = vec![root.to_owned()];
    while let Some(dir) = open.pop() {
        // What cannot be changed stays, and the removal says so.
        let _ = set_mode(&dir, 0o700);
        for entry in std::fs::read_dir(&dir).into_iter().flatten().flatten() {
            // The kind of an entry is that of a link itself, not of what it leads to.
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                open.push(entry.path());
            }
        }
    }
    disk::remove_tree(root).map_err(failed)
}

/// Returns the identity of this boot, for a person who looks into the directory; empty where the kernel does not say.
fn boot_id() -> String {
    disk::read_bounded(Path::new("/proc/sys/kernel/random/boot_id"), 64)
        .map(|bytes| String::from_utf8_lossy(&bytes).trim().to_owned())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests;
