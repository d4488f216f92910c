//! The local disk: keys, journal, spool, audit. Nothing here ever touches a share.
//!
//! Together with `share` this is the only code that creates, renames, syncs, locks or removes files. Every write is
//! checked up to and including close(2), because quotas and network disks report a full disk that late (close(2),
//! NOTES). A failed fsync(2) is final for that file: the kernel may have dropped the data and say "ok" the next time.
#![expect(
    clippy::disallowed_methods,
    reason = "this module is the owner of local file operations"
)]

use std::fs::DirBuilder;
use std::fs::File;
use std::fs::OpenOptions;
use std::io;
use std::io::Read;
use std::io::Write;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::fs::MetadataExt;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::path::PathBuf;

use nix::fcntl::OFlag;

/// What failed on the local disk.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A call failed.
    #[error("cannot {action} '{}': {source}", path.display())]
    Io {
        /// What was attempted.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// The file is larger than its reader is willing to read.
    #[error("cannot read '{}': more than {max} bytes", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The bound.
        max: usize,
    },
    /// The entry is not a regular file (a link, a FIFO, a directory, ...).
    #[error("cannot read '{}': not a regular file", path.display())]
    NotAFile {
        /// The entry.
        path: PathBuf,
    },
    /// Somebody else holds the lock.
    #[error("cannot lock '{}': another process holds it", path.display())]
    Locked {
        /// The lock file.
        path: PathBuf,
    },
}

impl Error {
    /// Returns whether the file simply was not there (or, for an exclusive create, was there already).
    #[must_use]
    pub fn is(&self, kind: io::ErrorKind) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == kind)
    }
}

/// Names the call and the path of an `io::Error`.
fn at<'a>(action: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> Error + 'a {
    move |source| Error::Io {
        action,
        path: path.to_owned(),
        source,
    }
}

/// Closes a file and reports what close(2) reports.
///
/// # Errors
/// The error of close(2): for a file just written, the data may be lost.
pub fn close(file: File) -> io::Result<()> {
    nix::unistd::close(file).map_err(io::Error::from)
}

fn exclusive(path: &Path, mode: u32) -> Result<File, Error> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .custom_flags(OFlag::O_NOFOLLOW.bits())
        .open(path)
        .map_err(at("create", path))
}

/// Creates a file that must not exist yet, with these bytes.
///
/// # Errors
/// [`Error::Io`]; of kind `AlreadyExists` where the name is taken. After any other error the file may exist, whole or
/// not.
///
/// # Durability
/// The bytes and the name are on disk when it returns.
pub fn create_new(path: &Path, bytes: &[u8], mode: u32) -> Result<(), Error> {
    let mut file = exclusive(path, mode)?;
    file.write_all(bytes).map_err(at("write", path))?;
    file.sync_all().map_err(at("sync", path))?;
    close(file).map_err(at("close", path))?;
    sync_parent(path)
}

/// Creates a file that must not exist yet, with these bytes, and leaves it to the kernel when they reach the disk. For
/// what is worth nothing after a crash.
///
/// # Errors
/// As [`create_new`].
pub fn create_volatile(path: &Path, bytes: &[u8], mode: u32) -> Result<(), Error> {
    let mut file = exclusive(path, mode)?;
    file.write_all(bytes).map_err(at("write", path))?;
    close(file).map_err(at("close", path))
}

/// Replaces a file as a whole: readers see the old bytes or the new ones.
///
/// # Errors
/// [`Error::Io`]; the old file is untouched unless the error came from syncing the directory.
///
/// # Durability
/// The new bytes are on disk under the name when it returns.
pub fn replace(path: &Path, bytes: &[u8], mode: u32) -> Result<(), Error> {
    let (file, fresh) = beside(path, bytes, mode)?;
    file.sync_all().map_err(at("sync", &fresh))?;
    close(file).map_err(at("close", &fresh))?;
    std::fs::rename(&fresh, path).map_err(at("rename", &fresh))?;
    sync_parent(path)
}

/// As [`replace`], and leaves it to the kernel when the bytes reach the disk. For what is worth nothing after a crash.
///
/// # Errors
/// [`Error::Io`]; the old file is untouched.
pub fn replace_volatile(path: &Path, bytes: &[u8], mode: u32) -> Result<(), Error> {
    let (file, fresh) = beside(path, bytes, mode)?;
    close(file).map_err(at("close", &fresh))?;
    std::fs::rename(&fresh, path).map_err(at("rename", &fresh))
}

/// Writes a new file beside the one it is to replace. Returns it with its name.
fn beside(path: &Path, bytes: &[u8], mode: u32) -> Result<(File, PathBuf), Error> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let fresh = path.with_file_name(name);
    match std::fs::remove_file(&fresh) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(at("remove", &fresh)(error));
        }
        _ => {}
    }
    let mut file = exclusive(&fresh, mode)?;
    file.write_all(bytes).map_err(at("write", &fresh))?;
    Ok((file, fresh))
}

/// Makes the names in a directory durable.
///
/// # Errors
/// [`Error::Io`]
pub fn sync_dir(path: &Path) -> Result<(), Error> {
    let dir = File::open(path).map_err(at("open", path))?;
    dir.sync_all().map_err(at("sync", path))
}

fn sync_parent(path: &Path) -> Result<(), Error> {
    sync_dir(
        path.parent()
            .filter(|parent| *parent != Path::new(""))
            .unwrap_or(Path::new(".")),
    )
}

/// Opens a regular file for reading: never follows a link, never blocks on a FIFO.
///
/// # Errors
/// [`Error::Io`], [`Error::NotAFile`].
pub fn open(path: &Path) -> Result<File, Error> {
    let file = OpenOptions::new()
        .read(true)
        .custom_flags((OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC).bits())
        .open(path)
        .map_err(|error| match error.raw_os_error() {
            // O_NOFOLLOW on a link is ELOOP, a socket is ENXIO: open(2).
            Some(libc_code) if is_not_a_file(libc_code) => Error::NotAFile {
                path: path.to_owned(),
            },
            _ => at("open", path)(error),
        })?;
    let kind = file.metadata().map_err(at("stat", path))?;
    if kind.is_file() {
        Ok(file)
    } else {
        Err(Error::NotAFile {
            path: path.to_owned(),
        })
    }
}

fn is_not_a_file(code: i32) -> bool {
    [nix::errno::Errno::ELOOP, nix::errno::Errno::ENXIO]
        .iter()
        .any(|errno| *errno as i32 == code)
}

/// Reads a whole regular file of at most `max` bytes.
///
/// # Errors
/// [`Error::Io`], [`Error::NotAFile`], [`Error::TooLarge`].
pub fn read_bounded(path: &Path, max: usize) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    let limit = u64::try_from(max).unwrap_or(u64::MAX).saturating_add(1);
    open(path)?
        .take(limit)
        .read_to_end(&mut bytes)
        .map_err(at("read", path))?;
    if bytes.len() > max {
        return Err(Error::TooLarge {
            path: path.to_owned(),
            max,
        });
    }
    Ok(bytes)
}

/// Makes a directory and its parents, each with this mode whatever the umask; an existing directory is left as it is.
///
/// # Errors
/// [`Error::Io`]
pub fn make_dir(path: &Path, mode: u32) -> Result<(), Error> {
    DirBuilder::new()
        .recursive(true)
        .mode(mode)
        .create(path)
        .map_err(at("make directory", path))
}

/// Lists the names in a directory, sorted; names that are not UTF-8 are left out (we make none).
///
/// # Errors
/// [`Error::Io`]
pub fn list(path: &Path) -> Result<Vec<String>, Error> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(path).map_err(at("list", path))? {
        let entry = entry.map_err(at("list", path))?;
        names.extend(entry.file_name().into_string());
    }
    names.sort();
    Ok(names)
}

/// Makes `link` a symbolic link to `target`, replacing an older link as a whole.
///
/// # Errors
/// [`Error::Io`]
pub fn link(target: &Path, link: &Path) -> Result<(), Error> {
    if std::fs::read_link(link).is_ok_and(|old| old == target) {
        return Ok(());
    }
    let mut name = link.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let fresh = link.with_file_name(name);
    remove(&fresh)?;
    std::os::unix::fs::symlink(target, &fresh).map_err(at("link", &fresh))?;
    std::fs::rename(&fresh, link).map_err(at("rename", &fresh))
}

/// Removes a file; one that is not there is as good.
///
/// # Errors
/// [`Error::Io`]
pub fn remove(path: &Path) -> Result<(), Error> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(at("remove", path)(error)),
        _ => Ok(()),
    }
}

/// Removes a directory with all that is in it, following no link; one that is not there is as good.
///
/// # Errors
/// [`Error::Io`]
pub fn remove_tree(path: &Path) -> Result<(), Error> {
    match std::fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(at("remove", path)(error)),
        _ => Ok(()),
    }
}

/// Returns free bytes of the filesystem that holds `path`.
///
/// # Errors
/// [`Error::Io`]
pub fn free_bytes(path: &Path) -> Result<u64, Error> {
    fs2::available_space(path).map_err(at("ask for the free space of", path))
}

/// Returns owner, mode bits and whether it is a directory, without following a link.
///
/// # Errors
/// [`Error::Io`]
pub fn ownership(path: &Path) -> Result<(u32, u32, bool), Error> {
    let meta = std::fs::symlink_metadata(path).map_err(at("stat", path))?;
    Ok((
        meta.uid(),
        meta.permissions().mode() & 0o7777,
        meta.is_dir(),
    ))
}

/// An exclusive lock between processes of this host, on a file that holds nothing else.
///
/// flock(2): gone when the holder is gone, however it went. Never used on a share, where it is emulated or mandatory.
#[derive(Debug)]
pub struct LockFile {
    _file: File,
}

/// How long a question may hold a lock, on a host that has no time for whoever asked.
const QUESTION_LOOKS: u32 = 100;
const QUESTION_LOOK: std::time::Duration = std::time::Duration::from_millis(2);

fn is_contended(error: &io::Error) -> bool {
    error.raw_os_error() == fs2::lock_contended_error().raw_os_error()
}

impl LockFile {
    /// Takes the lock, or says soon that somebody else has it. Whoever asks whether it is held ([`LockFile::is_held`])
    /// holds it for a moment, as flock(2) knows no question; that is waited for, so that a question takes it from
    /// nobody (measured: one executor in sixty was told that another had its run directory).
    ///
    /// # Errors
    /// [`Error::Locked`], [`Error::Io`].
    pub fn try_take(path: &Path) -> Result<Self, Error> {
        for _ in 1..QUESTION_LOOKS {
            match Self::try_take_at_once(path) {
                Err(Error::Locked { .. }) => std::thread::sleep(QUESTION_LOOK),
                other => return other,
            }
        }
        Self::try_take_at_once(path)
    }

    /// Takes the lock, or says at once that somebody has it, be it to ask. For who comes back anyway.
    ///
    /// # Errors
    /// [`Error::Locked`], [`Error::Io`].
    pub fn try_take_at_once(path: &Path) -> Result<Self, Error> {
        let file = Self::file(path)?;
        match fs2::FileExt::try_lock_exclusive(&file) {
            Ok(()) => Ok(Self { _file: file }),
            Err(error) if is_contended(&error) => Err(Error::Locked {
                path: path.to_owned(),
            }),
            Err(error) => Err(at("lock", path)(error)),
        }
    }

    /// Takes the lock, waiting for it. Only for locks that are held briefly.
    ///
    /// # Errors
    /// [`Error::Io`]
    pub fn take(path: &Path) -> Result<Self, Error> {
        let file = Self::file(path)?;
        fs2::FileExt::lock_exclusive(&file).map_err(at("lock", path))?;
        Ok(Self { _file: file })
    }

    /// Returns whether somebody holds the lock of this file. No such file: nobody does.
    ///
    /// # Errors
    /// [`Error::Io`]
    pub fn is_held(path: &Path) -> Result<bool, Error> {
        let file = match open(path) {
            Err(error) if error.is(io::ErrorKind::NotFound) => return Ok(false),
            other => other?,
        };
        // Shared, so that two who ask at once do not take each other for the holder.
        match fs2::FileExt::try_lock_shared(&file) {
            Ok(()) => Ok(false),
            Err(error) if is_contended(&error) => Ok(true),
            Err(error) => Err(at("lock", path)(error)),
        }
    }

    fn file(path: &Path) -> Result<File, Error> {
        OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(OFlag::O_NOFOLLOW.bits())
            .open(path)
            .map_err(at("open", path))
    }
}

/// A file that only grows, with one writer.
#[derive(Debug)]
pub struct AppendFile {
    file: File,
    path: PathBuf,
}

impl AppendFile {
    /// Creates a new one, mode 0600.
    ///
    /// # Errors
    /// [`Error::Io`]; of kind `AlreadyExists` where the name is taken.
    ///
    /// # Durability
    /// The name is durable when it returns.
    pub fn create(path: &Path) -> Result<Self, Error> {
        let file = Self::create_volatile(path)?;
        sync_parent(path)?;
        Ok(file)
    }

    /// As [`AppendFile::create`], but the name is durable only after [`sync_dir`].
    ///
    /// # Errors
    /// As [`AppendFile::create`].
    pub fn create_volatile(path: &Path) -> Result<Self, Error> {
        let file = OpenOptions::new()
            .append(true)
            .create_new(true)
            .mode(0o600)
            .custom_flags(OFlag::O_NOFOLLOW.bits())
            .open(path)
            .map_err(at("create", path))?;
        Ok(Self {
            file,
            path: path.to_owned(),
        })
    }

    /// Opens an existing one for more.
    ///
    /// # Errors
    /// [`Error::Io`]
    pub fn open(path: &Path) -> Result<Self, Error> {
        let file = OpenOptions::new()
            .append(true)
            .custom_flags(OFlag::O_NOFOLLOW.bits())
            .open(path)
            .map_err(at("open", path))?;
        Ok(Self {
            file,
            path: path.to_owned(),
        })
    }

    /// Appends with one write(2). Not durable before [`AppendFile::sync`].
    ///
    /// # Errors
    /// [`Error::Io`]; a part may have been written.
    pub fn append(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.file
            .write_all(bytes)
            .map_err(at("append to", &self.path))
    }

    /// Makes what was appended durable (fdatasync(2): the data and the size, not the times).
    ///
    /// # Errors
    /// [`Error::Io`]: what was appended may be lost, now or after the next crash; do not append more to this file.
    pub fn sync(&self) -> Result<(), Error> {
        self.file.sync_data().map_err(at("sync", &self.path))
    }

    /// Cuts the file to `length`, dropping a torn last record that a crash left.
    ///
    /// # Errors
    /// [`Error::Io`]
    pub fn cut(&mut self, length: u64) -> Result<(), Error> {
        self.file.set_len(length).map_err(at("cut", &self.path))?;
        self.file.sync_all().map_err(at("sync", &self.path))
    }
}

#[cfg(test)]
mod tests;
