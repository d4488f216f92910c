//! The scratch folder of a check, and the raw calls that checks make in it.
//!
//! Everything lies in `doctor/<nonce>/<check>/` of the share, which everybody else ignores. Unlike the rest of this
//! program, checks may replace, race and reuse names here: that is what they are for.
#![expect(
    clippy::disallowed_methods,
    reason = "the doctor's own scratch folder on the share, removed when it is done"
)]

use std::collections::BTreeMap;
use std::fs::File;
use std::fs::OpenOptions;
use std::io;
use std::io::Read;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

use nix::errno::Errno;
use serde::Deserialize;
use serde::Serialize;

use super::Allows;
use super::Finding;
use super::Needs;
use super::pair::Session;
use super::pair::meet::Search;
use crate::disk;
use crate::share::FolderShare;

/// The folder of all scratch folders.
pub const FOLDER: &str = "doctor";
/// Age of a left scratch folder that a later doctor removes.
const LEFT: Duration = Duration::from_secs(24 * 3600);
/// Largest file that a check reads back.
const READ_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// What a check is told: everything it may need, resolved by whoever asks.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Orders {
    /// The share.
    pub root: PathBuf,
    /// Name of the scratch folder, fresh for each run.
    pub nonce: String,
    /// Fewer rounds, for the start of a watcher.
    pub brief: bool,
    /// The configured identity of the share.
    pub root_id: Option<String>,
    /// Where this node keeps its state.
    pub state: Option<PathBuf>,
    /// Where this node keeps its keys.
    pub keys: Vec<PathBuf>,
    /// Lanes that this node has folders of.
    pub lanes: Vec<String>,
    /// Least free bytes that the configuration asks for.
    pub free_bytes_min: u64,
    /// Whom to look for.
    pub search: Option<Search>,
    /// The other host, once it was met.
    pub session: Option<Session>,
    /// This program, to start a second process of.
    pub program: PathBuf,
}

/// A call that failed where a check could not go on.
#[derive(Debug)]
pub struct Trouble {
    action: &'static str,
    errno: Errno,
}

impl Trouble {
    /// Returns the error number.
    #[must_use]
    pub fn errno(&self) -> Errno {
        self.errno
    }

    /// What it means for a check that it could not go on.
    #[must_use]
    pub fn finding(self) -> Finding {
        let said = format!("cannot {}: {}", self.action, self.errno.desc());
        let refuse = |advice: &str| Finding::fail(said.clone(), advice, Allows::Refuse).for_now();
        match self.errno {
            Errno::EROFS => {
                refuse("it is read-only now: mount it read-write, or look at the server's disk")
            }
            Errno::ENOSPC | Errno::EDQUOT => {
                refuse("free some space, or raise the quota, on the server")
            }
            Errno::EACCES | Errno::EPERM => refuse(
                "both hosts need a common group on the share: 'dispatch init --group GROUP'; \
                 on SMB gid=, dir_mode= and file_mode= of the mount decide",
            ),
            Errno::ENOENT | Errno::ENOTDIR => refuse("is it mounted?"),
            errno => Finding::unknown(said).fact("errno", errno as i32),
        }
    }
}

/// Names the call of an error.
pub fn to<E: Into<io::Error>>(action: &'static str) -> impl FnOnce(E) -> Trouble {
    move |error| Trouble {
        action,
        errno: errno_of(&error.into()),
    }
}

/// Returns the error number of an error.
pub fn errno_of(error: &io::Error) -> Errno {
    error.raw_os_error().map_or(Errno::EIO, Errno::from_raw)
}

/// Errors met, counted by their names.
#[derive(Debug, Default)]
pub struct Tally(BTreeMap<String, u32>);

impl Tally {
    /// Counts one.
    pub fn add(&mut self, errno: Errno) {
        *self.0.entry(format!("{errno:?}")).or_default() += 1;
    }

    /// Returns how many there are.
    #[must_use]
    pub fn total(&self) -> u32 {
        self.0.values().sum()
    }

    /// Returns them as a person reads them: `2x EIO, 1x ESTALE`.
    #[must_use]
    pub fn list(&self) -> String {
        let each = self
            .0
            .iter()
            .map(|(name, count)| format!("{count}x {name}"));
        each.collect::<Vec<_>>().join(", ")
    }
}

/// What a check works with.
#[derive(Debug)]
pub struct Bench {
    /// What it was told.
    pub orders: Orders,
    /// Its own folder on the share.
    pub dir: PathBuf,
}

impl Bench {
    /// Takes orders for one check, and makes its folder where it needs one.
    ///
    /// # Errors
    /// [`Trouble`]
    pub fn take(orders: Orders, check: u8, needs: Needs) -> Result<Self, Trouble> {
        let folder = match (&orders.session, needs) {
            (Some(session), Needs::Pair) => session.folder.as_str(),
            _ => orders.nonce.as_str(),
        };
        let dir = orders
            .root
            .join(FOLDER)
            .join(folder)
            .join(check.to_string());
        if needs != Needs::Nothing {
            patiently("make a folder", || std::fs::create_dir(&dir).or_else(there))?;
        }
        Ok(Self { orders, dir })
    }

    /// Returns a path in its folder.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Returns its folder as a share of its own: what is measured is the code that works.
    #[must_use]
    pub fn share(&self) -> FolderShare {
        FolderShare::at(&self.dir)
    }

    /// Returns `few` in brief, else `many`.
    #[must_use]
    pub fn rounds(&self, few: usize, many: usize) -> usize {
        if self.orders.brief { few } else { many }
    }

    /// Makes a folder in its folder. It may be there: the reply of the first try may have been lost.
    ///
    /// # Errors
    /// [`Trouble`]
    pub fn folder(&self, name: &str) -> Result<PathBuf, Trouble> {
        let path = self.path(name);
        patiently("make a folder", || {
            std::fs::create_dir(&path).or_else(there)
        })?;
        Ok(path)
    }

    /// Makes a file for a check to work on; tried again where a call fails in passing, which is another check's matter.
    ///
    /// # Errors
    /// [`Trouble`]
    pub fn lay(&self, path: &Path, bytes: &[u8]) -> Result<(), Trouble> {
        patiently("create a file", || {
            let made = put(path, bytes);
            if made.is_err() {
                // Made, but not as it should be: away with it, and again.
                let _ = remove(path);
            }
            made
        })
    }
}

/// Tries a few times what may fail in passing.
fn patiently(action: &'static str, run: impl Fn() -> io::Result<()>) -> Result<(), Trouble> {
    let mut last = run();
    for _ in 0..4 {
        let Err(error) = &last else { break };
        let final_ones = [
            Errno::EROFS,
            Errno::ENOSPC,
            Errno::EDQUOT,
            Errno::EACCES,
            Errno::EPERM,
        ];
        if final_ones.contains(&errno_of(error)) {
            break;
        }
        last = run();
    }
    last.map_err(to(action))
}

fn there(error: io::Error) -> io::Result<()> {
    match error.kind() {
        io::ErrorKind::AlreadyExists => Ok(()),
        _ => Err(error),
    }
}

/// Returns the scratch folder of a run.
#[must_use]
pub fn scratch(orders: &Orders) -> PathBuf {
    orders.root.join(FOLDER).join(&orders.nonce)
}

/// Makes the scratch folder of a run, for both hosts, and removes what earlier runs left a day ago.
///
/// # Errors
/// [`Trouble`]
pub fn prepare(orders: &Orders) -> Result<(), Trouble> {
    let all = orders.root.join(FOLDER);
    for (path, made) in [(&all, false), (&scratch(orders), true)] {
        match std::fs::create_dir(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && !made => {}
            other => other.map_err(to("make a folder in it"))?,
        }
        // The other host is another user of the same group. Filesystems without modes refuse or ignore this.
        let _ = std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o2770));
    }
    let now = std::fs::symlink_metadata(scratch(orders))
        .map_err(to("look at a folder"))?
        .ctime();
    for name in list(&all).map_err(to("list a folder"))? {
        let path = all.join(&name);
        let Ok(seen) = std::fs::symlink_metadata(&path) else {
            continue;
        };
        let age = u64::try_from(now.saturating_sub(seen.ctime())).unwrap_or(0);
        if age > LEFT.as_secs() && is_ours(&name) {
            let _ = disk::remove_tree(&path);
        }
    }
    Ok(())
}

/// Names that a doctor makes: a nonce, or the file of one that looks for another.
fn is_ours(name: &str) -> bool {
    name.len() == 16 && name.bytes().all(|byte| byte.is_ascii_hexdigit())
        || name.ends_with(".hello")
}

/// Removes the scratch folder of a run, and the folder of all where it is empty. Best effort: files that a client still
/// keeps open (`.nfs*`) go with a later doctor.
pub fn clean(orders: &Orders) {
    let _ = disk::remove_tree(&scratch(orders));
    let _ = std::fs::remove_dir(orders.root.join(FOLDER));
}

/// Lists a folder afresh: opened anew, read to the end.
///
/// # Errors
/// The error of the call.
pub fn list(path: &Path) -> io::Result<Vec<String>> {
    let names = std::fs::read_dir(path)?.map(|entry| {
        let name = entry?.file_name();
        Ok(name.to_string_lossy().into_owned())
    });
    names.collect()
}

/// Renames, once.
///
/// # Errors
/// The error of the call.
pub fn rename(from: &Path, to: &Path) -> io::Result<()> {
    std::fs::rename(from, to)
}

/// Removes a file.
///
/// # Errors
/// The error of the call.
pub fn remove(path: &Path) -> io::Result<()> {
    std::fs::remove_file(path)
}

/// Creates a file that must not be there, for writing.
///
/// # Errors
/// The error of the call.
pub fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .mode(0o660)
        .open(path)
}

/// Creates a file with these bytes: written, synced, closed, each step checked.
///
/// # Errors
/// The error of the first step that failed.
pub fn put(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = create(path)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    disk::close(file)
}

/// Reads a file by its name, opened anew.
///
/// # Errors
/// The error of the call.
pub fn get(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(nix::fcntl::OFlag::O_NOFOLLOW.bits())
        .open(path)?;
    file.take(READ_BYTES_MAX).read_to_end(&mut bytes)?;
    Ok(bytes)
}
