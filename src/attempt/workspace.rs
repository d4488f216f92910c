//! The directories an agent works in.
//!
//! A worktree is made by git with hooks and the settings of users and system off, and is left where it is when
//! the attempt's spool is discarded, among the run directories: what the agent made there is the point of it,
//! and git must not be run by us inside a directory whose settings an agent could write. `git worktree list`
//! shows them, and removing the directory is enough (`git worktree prune` then forgets it).

use std::ffi::OsStr;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

use super::folder::Folder;
use super::surroundings::Places;
use crate::clock::Clock;
use crate::disk;
use crate::process;
use crate::process::channel::Grants;
use crate::process::launch;
use crate::profile::Workspace;

/// How long git may take to make a worktree.
const GIT_PATIENCE: Duration = Duration::from_secs(120);

/// Why there is no place to work.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// The local disk failed.
    #[error(transparent)]
    Disk(#[from] disk::Error),
    /// The directory of the profile is not there.
    #[error("cannot work in '{}': {why}", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// git could not be run.
    #[error(transparent)]
    Process(#[from] process::Error),
    /// git refused.
    #[error("cannot make a worktree of '{}': {why}", path.display())]
    Git {
        /// The repository.
        path: PathBuf,
        /// What git said.
        why: String,
    },
}

/// Makes the directories of an attempt.
///
/// # Errors
/// [`Error`]; then the agent has nowhere to work and is not started.
pub(super) fn furnish(
    workspace: &Workspace,
    folder: &Folder,
    search: &str,
    clock: &dyn Clock,
) -> Result<Places, Error> {
    let run = absolute(folder.path())?;
    let mut places = Places {
        work: run.join("work"),
        home: run.join("home"),
        tmp: run.join("tmp"),
        run,
        repository: Grants::default(),
    };
    disk::make_dir(&places.home, 0o700)?;
    disk::make_dir(&places.tmp, 0o700)?;
    match workspace {
        Workspace::Empty => disk::make_dir(&places.work, 0o700)?,
        Workspace::Dir(path) => places.work = absolute(path)?,
        Workspace::Worktree(repository) => {
            places.work = worktree_of(&places.run);
            places.repository = add_worktree(&absolute(repository)?, &places.work, search, clock)?;
        }
    }
    Ok(places)
}

/// Returns where the worktree of an attempt is: among the run directories, under a name that is none of theirs.
fn worktree_of(run: &Path) -> PathBuf {
    run.parent()
        .unwrap_or(run)
        .join("worktrees")
        .join(run.file_name().unwrap_or_default())
}

fn absolute(path: &Path) -> Result<PathBuf, Error> {
    let refuse = |why: String| Error::Directory {
        path: path.to_owned(),
        why,
    };
    let real = path
        .canonicalize()
        .map_err(|error| refuse(error.to_string()))?;
    if real.is_dir() {
        Ok(real)
    } else {
        Err(refuse("it is not a directory".to_owned()))
    }
}

fn add_worktree(
    repository: &Path,
    work: &Path,
    search: &str,
    clock: &dyn Clock,
) -> Result<Grants, Error> {
    if let Some(parent) = work.parent() {
        disk::make_dir(parent, 0o700)?;
    }
    let add = ["worktree", "add", "--quiet", "--detach"].map(OsStr::new);
    let mut args = add.to_vec();
    args.extend([work.as_os_str(), OsStr::new("HEAD")]);
    git(repository, &args, search, clock)?;
    let asked = ["rev-parse", "--path-format=absolute", "--git-common-dir"].map(OsStr::new);
    let said = git(repository, &asked, search, clock)?;
    let common = PathBuf::from(String::from_utf8_lossy(&said).trim_end_matches('\n'));
    // Enough to commit. Not the settings and hooks, which a person's git would run later.
    let write = ["objects", "refs", "logs", "worktrees"];
    Ok(Grants {
        read: vec![common.clone()],
        write: write.iter().map(|name| common.join(name)).collect(),
    })
}

/// Runs git on a repository of the receiver, without hooks, prompts, or anybody's settings but the repository's.
fn git(
    repository: &Path,
    args: &[&OsStr],
    search: &str,
    clock: &dyn Clock,
) -> Result<Vec<u8>, Error> {
    let mut owner = std::ffi::OsString::from("safe.directory=");
    owner.push(repository);
    let mut argv: Vec<&OsStr> = ["git", "-c", "core.hooksPath=/dev/null", "-c"]
        .map(OsStr::new)
        .to_vec();
    argv.extend([&owner, OsStr::new("-c"), OsStr::new("core.fsmonitor=false")]);
    argv.extend([OsStr::new("-C"), repository.as_os_str()]);
    argv.extend(args);
    let env = [
        ("PATH", search),
        ("LC_ALL", "C"),
        ("GIT_CONFIG_NOSYSTEM", "1"),
        ("GIT_CONFIG_GLOBAL", "/dev/null"),
        ("GIT_TERMINAL_PROMPT", "0"),
    ];
    let output = launch::tool(&argv, &env, GIT_PATIENCE, clock)?;
    if output.success {
        return Ok(output.stdout);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(Error::Git {
        path: repository.to_owned(),
        why: crate::escape::excerpt(said.trim(), 300),
    })
}

/// Returns the working directory that is still there when the attempt's spool is gone, if it is.
pub(super) fn lasting(workspace: &Workspace, folder: &Folder) -> Option<PathBuf> {
    match workspace {
        Workspace::Empty => None,
        Workspace::Dir(path) => Some(path.clone()),
        Workspace::Worktree(_) => Some(worktree_of(folder.path())),
    }
}
