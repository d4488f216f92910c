//! Key files: who else could read or replace one is asked before it is believed, as sshd's StrictModes does.
//!
//! A key file is opened without following a link, must be a regular file with one name, owned by this user or root,
//! closed to group and others, in directories that only this user or root can change, on a local disk, and not on the
//! share. A directory above the one it lies in may be writable by all if it is sticky and root's, as /tmp is: there,
//! nobody can replace an entry of another (unlink(2), EPERM). Nothing here prints a secret. A crash while a key is
//! written leaves a file that is not a key; it is reported and not used.

use std::fs::File;
use std::fs::Metadata;
use std::fs::OpenOptions;
use std::io;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::path::PathBuf;

use nix::fcntl::OFlag;
use zeroize::Zeroizing;

use super::Error;
use super::FILE_BYTES_MAX;
use super::Key;
use super::place;
use crate::disk;

/// The end of the name of a key file; a file named otherwise is none.
pub const SUFFIX: &str = ".key";
/// The end of the name of a key that was revoked.
const REVOKED: &str = ".revoked";
const GROUP_AND_OTHERS: u32 = 0o077;
const WRITE_OF_OTHERS: u32 = 0o022;
const STICKY: u32 = 0o1000;

/// Whether a key may lie where other machines can read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Storage {
    /// Only on a local disk that no known sync program copies.
    #[default]
    Local,
    /// Anywhere but on the share: the operator said so explicitly.
    Insecure,
}

/// The conditions under which a key file is used.
#[derive(Debug, Clone)]
pub struct Guard {
    /// The root of the share, below which no key may lie; `None` where no share is configured yet.
    pub root: Option<PathBuf>,
    /// What kind of disk it may lie on.
    pub storage: Storage,
    /// Whether the root is a path without links, or must be taken by its words because it cannot be resolved now.
    is_resolved: bool,
    remote: fn(&File) -> io::Result<Option<&'static str>>,
}

impl Guard {
    /// Returns the conditions for a node whose share is at `root`.
    #[must_use]
    pub fn new(root: Option<PathBuf>, storage: Storage) -> Self {
        let remote = place::remote;
        Self {
            root,
            storage,
            is_resolved: false,
            remote,
        }
    }

    /// Takes the root as it is and never touches it: a share whose server is gone hangs whoever resolves its path.
    #[must_use]
    pub fn with_resolved(root: Option<PathBuf>, storage: Storage) -> Self {
        Self {
            is_resolved: true,
            ..Self::new(root, storage)
        }
    }

    /// Asks this instead of the system on which filesystem a key lies.
    #[cfg(test)]
    pub(crate) fn asking(self, remote: fn(&File) -> io::Result<Option<&'static str>>) -> Self {
        Self { remote, ..self }
    }

    /// Reads a key file, after every check.
    ///
    /// # Errors
    /// [`Error`], one variant for each condition.
    pub fn read(&self, path: &Path) -> Result<Key, Error> {
        let real = self.check_directories(path)?;
        let file = open(&real)?;
        let meta = file.metadata().map_err(at("stat", &real))?;
        check_file(&real, &meta)?;
        self.check_disk(&real, &file)?;
        let mut bytes = Zeroizing::new(Vec::with_capacity(FILE_BYTES_MAX + 1));
        file.take(FILE_BYTES_MAX as u64 + 1)
            .read_to_end(&mut bytes)
            .map_err(at("read", &real))?;
        if bytes.len() > FILE_BYTES_MAX {
            return Err(Error::TooLarge(real));
        }
        Key::parse(&bytes).map_err(|source| Error::Content { path: real, source })
    }

    /// Writes a key into a directory of keys under a name of its own, mode 0600, and returns the path. The directory is
    /// held to the same conditions as when the key is read back.
    ///
    /// # Errors
    /// [`Error`]; [`Error::Disk`] of kind `AlreadyExists` where the file is there.
    ///
    /// # Durability
    /// The key is on disk when it returns.
    pub fn write(&self, directory: &Path, key: &Key) -> Result<PathBuf, Error> {
        // Nothing is made on a share, not even the directory that would be refused next.
        if let Some(above) = directory.ancestors().find_map(|at| at.canonicalize().ok()) {
            self.check_share(&above, &directory.join(name(key)))?;
        }
        disk::make_dir(directory, 0o700)?;
        let real = self.check_place(&directory.join(name(key)))?;
        disk::create_new(&real, key.text().as_bytes(), 0o600)?;
        Ok(real)
    }

    /// Replaces a key file by the same key with other uses or another end.
    ///
    /// # Errors
    /// [`Error`]; then the old file is there, or the new one.
    ///
    /// # Durability
    /// The new content is on disk when it returns.
    pub fn rewrite(&self, path: &Path, key: &Key) -> Result<(), Error> {
        let real = self.check_place(path)?;
        Ok(disk::replace(&real, key.text().as_bytes(), 0o600)?)
    }

    /// Moves a key file aside, to `<name>.revoked`, where nothing reads it any more.
    ///
    /// # Errors
    /// [`Error`]; then the key may still be in force, and the copy may be there as well.
    ///
    /// # Durability
    /// The key is out of force on disk when it returns.
    pub fn revoke(&self, path: &Path) -> Result<PathBuf, Error> {
        let key = self.read(path)?;
        let mut aside = path.as_os_str().to_owned();
        aside.push(REVOKED);
        let aside = PathBuf::from(aside);
        match disk::create_new(&aside, key.text().as_bytes(), 0o600) {
            Err(error) if error.is(io::ErrorKind::AlreadyExists) => {}
            other => other?,
        }
        disk::remove(path)?;
        disk::sync_dir(path.parent().unwrap_or(Path::new("/")))?;
        Ok(aside)
    }

    fn check_place(&self, path: &Path) -> Result<PathBuf, Error> {
        let real = self.check_directories(path)?;
        let directory = real.parent().unwrap_or(Path::new("/"));
        let open = File::open(directory).map_err(at("open", directory))?;
        self.check_disk(&real, &open)?;
        Ok(real)
    }

    /// Checks every directory above a key file, and returns the file's real path.
    fn check_directories(&self, path: &Path) -> Result<PathBuf, Error> {
        let directory = match path.parent() {
            Some(parent) if parent != Path::new("") => parent,
            _ => Path::new("."),
        };
        let directory = directory.canonicalize().map_err(at("find", directory))?;
        let real = directory.join(path.file_name().unwrap_or_default());
        self.check_share(&directory, &real)?;
        for above in directory.ancestors() {
            check_directory(&real, above, above == directory)?;
            if self.storage == Storage::Local
                && let Some(program) = place::synced(above)
            {
                return Err(Error::Synced {
                    path: real,
                    directory: above.to_owned(),
                    program,
                });
            }
        }
        Ok(real)
    }

    fn check_share(&self, directory: &Path, path: &Path) -> Result<(), Error> {
        let Some(root) = &self.root else {
            return Ok(());
        };
        // A root that cannot be resolved is taken by its words: an unmounted share holds no keys.
        let root = match self.is_resolved {
            true => root.clone(),
            false => root.canonicalize().unwrap_or_else(|_| root.clone()),
        };
        if !directory.starts_with(&root) {
            return Ok(());
        }
        let path = path.to_owned();
        Err(Error::OnShare { path, root })
    }

    fn check_disk(&self, real: &Path, file: &File) -> Result<(), Error> {
        if self.storage == Storage::Insecure {
            return Ok(());
        }
        let kind = (self.remote)(file).map_err(at("ask for the filesystem of", real))?;
        kind.map_or(Ok(()), |kind| {
            Err(Error::Remote {
                path: real.to_owned(),
                kind,
            })
        })
    }
}

fn at<'a>(action: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> Error + 'a {
    move |source| Error::Io {
        action,
        path: path.to_owned(),
        source,
    }
}

fn open(path: &Path) -> Result<File, Error> {
    let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
    let opened = OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits())
        .open(path);
    opened.map_err(|source| match source.raw_os_error() {
        // open(2): ELOOP for a link under O_NOFOLLOW, ENXIO for a socket.
        Some(code) if code == nix::errno::Errno::ELOOP as i32 => Error::Link(path.to_owned()),
        Some(code) if code == nix::errno::Errno::ENXIO as i32 => Error::NotAFile(path.to_owned()),
        // Of a stranger's file it does not matter what it holds: closed or open, it is no key of ours.
        Some(code) if code == nix::errno::Errno::EACCES as i32 => match stranger(path) {
            Some(owner) => Error::Owner {
                path: path.to_owned(),
                owner,
            },
            None => at("open", path)(source),
        },
        _ => at("open", path)(source),
    })
}

/// Returns who owns a file, where that is neither this user nor root.
fn stranger(path: &Path) -> Option<u32> {
    let meta = std::fs::symlink_metadata(path).ok()?;
    Some(meta.uid()).filter(|owner| !is_ours(*owner))
}

/// Returns whether a user could already do everything here: this user, or root.
fn is_ours(owner: u32) -> bool {
    owner == 0 || owner == nix::unistd::geteuid().as_raw()
}

fn check_file(path: &Path, meta: &Metadata) -> Result<(), Error> {
    let path = path.to_owned();
    if !meta.is_file() {
        return Err(Error::NotAFile(path));
    }
    if meta.nlink() != 1 {
        let links = meta.nlink();
        return Err(Error::Linked { path, links });
    }
    if !is_ours(meta.uid()) {
        let owner = meta.uid();
        return Err(Error::Owner { path, owner });
    }
    let mode = meta.mode() & 0o7777;
    // systemd gives a unit's user its credentials by an ACL, whose mask shows as the group's bits: 0440 root:root
    // (systemd.exec(5), credentials; acl(5), "Correspondence").
    let credential = mode == 0o440 && meta.uid() == 0 && meta.gid() == 0;
    if mode & GROUP_AND_OTHERS != 0 && !credential {
        return Err(Error::Mode { path, mode });
    }
    Ok(())
}

fn check_directory(path: &Path, directory: &Path, is_parent: bool) -> Result<(), Error> {
    let meta = std::fs::symlink_metadata(directory).map_err(at("stat", directory))?;
    let (path, directory) = (path.to_owned(), directory.to_owned());
    let (owner, mode) = (meta.uid(), meta.mode() & 0o7777);
    if !is_ours(owner) {
        return Err(Error::DirectoryOwner {
            path,
            directory,
            owner,
        });
    }
    let harmless = !is_parent && mode & STICKY != 0 && owner == 0;
    if mode & WRITE_OF_OTHERS != 0 && !harmless {
        return Err(Error::DirectoryMode {
            path,
            directory,
            mode,
        });
    }
    Ok(())
}

/// Returns the name of a key's file. It is for people; nothing is ever read from it.
#[must_use]
pub fn name(key: &Key) -> String {
    let [one, other] = key.sorted_peers();
    format!("{one}--{other}.{}{SUFFIX}", key.kid)
}

#[cfg(test)]
mod tests;
