//! The real share: a mounted folder.
//!
//! Every call resolves its folder anew below the configured root, so that a remounted share is found and a held
//! descriptor never serves an old world (measured: a kept directory descriptor stays stale 30 s on NFS, for ever on
//! SMB). No component below the root may be a link: openat2(2) with RESOLVE_NO_SYMLINKS, or one O_NOFOLLOW step per
//! component where the kernel lacks it. The root itself may be reached through links: it is the operator's own word.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io::Read;
use std::io::Write;
use std::os::fd::AsFd;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::PoisonError;

use rustix::fs::AtFlags;
use rustix::fs::FileType;
use rustix::fs::Mode;
use rustix::fs::OFlags;
use rustix::io::Errno;

use super::Attributes;
use super::EntryKind;
use super::Listed;
use super::ROOT;
use super::Share;
use super::ShareError;
use super::anchor::Anchor;
use super::anchor::OTHER_GROUND;
use crate::clock::Timestamp;
use crate::disk;
use crate::escape;
use crate::limits;
use crate::place::Place;
use crate::planted;
use crate::planted::Bug;

/// Documents are for both hosts, which often have two uids and one group.
const DOCUMENT_MODE: u32 = 0o660;
/// Folders keep the group of the root (set-group-ID, inode(7)).
const FOLDER_MODE: u32 = 0o2770;

/// A share mounted at a path.
#[derive(Debug)]
pub struct FolderShare {
    root: PathBuf,
    /// Descriptors of the files this process beats: rewriting through a held one is one WRITE on NFS, reopening three
    /// calls.
    beats: Mutex<HashMap<String, File>>,
    /// What every call must find at the root.
    anchor: Mutex<Option<Anchor>>,
}

/// How much of a stream is written before it is made durable, so that each step of a large one is bounded by itself.
const DURABLE_STEP: u64 = 8 * 1024 * 1024;

/// Names the call and the object of a failed system call.
fn failed<'a, E: Into<Errno>>(
    action: &'static str,
    at: &'a Place,
    name: &'a [u8],
) -> impl Fn(E) -> ShareError + 'a {
    move |error| ShareError {
        action,
        object: object(at, name),
        errno: error.into().raw_os_error(),
        why: None,
    }
}

/// Names an object for a person.
pub(super) fn object(at: &Place, name: &[u8]) -> String {
    let name = escape::escape_bytes(name);
    match at {
        Place::Root if name.is_empty() => ROOT.to_owned(),
        Place::Root => name,
        place if name.is_empty() => place.to_string(),
        place => format!("{place}{name}"),
    }
}

fn errno_of(error: &std::io::Error) -> Errno {
    Errno::from_io_error(error).unwrap_or(Errno::IO)
}

impl FolderShare {
    /// Takes the path of a mounted share. Nothing is touched yet.
    #[must_use]
    pub fn at(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            beats: Mutex::new(HashMap::new()),
            anchor: Mutex::new(None),
        }
    }

    /// Lets a root pass that is what was anchored, where anything was.
    fn check(&self, root: OwnedFd) -> Result<OwnedFd, Errno> {
        let mut anchor = self.anchor.lock().unwrap_or_else(PoisonError::into_inner);
        match anchor.as_mut().map(|anchor| anchor.holds(root.as_fd())) {
            None | Some(Ok(true)) => Ok(root),
            Some(Ok(false)) => Err(Errno::from_raw_os_error(OTHER_GROUND as i32)),
            Some(Err(error)) => Err(error),
        }
    }

    /// Opens a folder. As a mere handle (O_PATH) this costs no call to the server; opened for reading it forces NFS to
    /// ask for the folder's attributes, which is what makes the listing fresh.
    fn folder(&self, at: &Place, handle: bool) -> Result<OwnedFd, Errno> {
        let how = OFlags::DIRECTORY | OFlags::CLOEXEC;
        #[cfg(target_os = "linux")]
        let how = if handle { how | OFlags::PATH } else { how };
        #[cfg(not(target_os = "linux"))]
        let _ = handle;
        let path = at.path();
        if path.is_empty() {
            return self.check(rustix::fs::open(&self.root, how, Mode::empty())?);
        }
        #[cfg(target_os = "linux")]
        let root_how = OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::PATH;
        #[cfg(not(target_os = "linux"))]
        let root_how = OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = self.check(rustix::fs::open(&self.root, root_how, Mode::empty())?)?;
        below(root, &path, how)
    }

    fn handle(&self, action: &'static str, at: &Place, name: &str) -> Result<OwnedFd, ShareError> {
        self.folder(at, true)
            .map_err(failed(action, at, name.as_bytes()))
    }

    /// Opens a regular file and nothing else.
    fn regular(&self, action: &'static str, at: &Place, name: &str) -> Result<File, ShareError> {
        let folder = self.handle(action, at, name)?;
        let how =
            OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
        let odd = ShareError {
            action,
            object: object(at, name.as_bytes()),
            errno: Errno::LOOP.raw_os_error(),
            why: Some("not a regular file"),
        };
        let fd = match rustix::fs::openat(folder, name, how, Mode::empty()) {
            // A socket, or a device without a driver (open(2)): it will never be readable.
            Err(Errno::NXIO) => return Err(odd),
            opened => opened.map_err(failed(action, at, name.as_bytes()))?,
        };
        let kind = rustix::fs::fstat(&fd).map_err(failed(action, at, name.as_bytes()))?;
        if FileType::from_raw_mode(kind.st_mode) == FileType::RegularFile {
            return Ok(File::from(fd));
        }
        Err(odd)
    }

    /// Creates a file exclusively, with the mode of documents whatever the umask.
    fn fresh(&self, at: &Place, name: &str) -> Result<File, ShareError> {
        let folder = self.handle("create", at, name)?;
        let how =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(folder, name, how, Mode::from_raw_mode(DOCUMENT_MODE))
            .map_err(failed("create", at, name.as_bytes()))?;
        let made = rustix::fs::fstat(&fd).map_err(failed("create", at, name.as_bytes()))?;
        if made.st_mode & 0o777 != DOCUMENT_MODE {
            // A narrower umask, or a filesystem without modes (SMB, FAT), which refuses or ignores this: doctor tells.
            let _ = rustix::fs::fchmod(&fd, Mode::from_raw_mode(DOCUMENT_MODE));
        }
        Ok(File::from(fd))
    }

    fn finish(file: File, at: &Place, name: &str) -> Result<(), ShareError> {
        let named = |action| {
            move |error: std::io::Error| {
                failed::<Errno>(action, at, name.as_bytes())(errno_of(&error))
            }
        };
        if !planted::is(Bug::PublishUnsynced) {
            file.sync_all().map_err(named("sync"))?;
        }
        // On NFS a full disk or a spent quota may be reported only here (close(2)); dropping a File would hide it.
        disk::close(file).map_err(named("close"))
    }
}

/// Opens a folder below another without following any link.
fn below(root: OwnedFd, path: &str, how: OFlags) -> Result<OwnedFd, Errno> {
    #[cfg(target_os = "linux")]
    {
        let resolve = rustix::fs::ResolveFlags::BENEATH | rustix::fs::ResolveFlags::NO_SYMLINKS;
        match rustix::fs::openat2(&root, path, how, Mode::empty(), resolve) {
            // Kernels before 5.6, and system-call filters that do not know openat2(2).
            Err(Errno::NOSYS | Errno::PERM) => {}
            opened => return opened,
        }
    }
    let mut folder = root;
    let mut parts = path.split('/').peekable();
    while let Some(part) = parts.next() {
        let last = parts.peek().is_none();
        #[cfg(target_os = "linux")]
        let step = if last { how } else { how | OFlags::PATH };
        #[cfg(not(target_os = "linux"))]
        let step = {
            let _ = last;
            how
        };
        folder = rustix::fs::openat(&folder, part, step | OFlags::NOFOLLOW, Mode::empty())?;
    }
    Ok(folder)
}

fn kind_of(kind: FileType) -> EntryKind {
    match kind {
        FileType::RegularFile | FileType::Unknown => EntryKind::File,
        FileType::Directory => EntryKind::Dir,
        _ => EntryKind::Odd,
    }
}

impl Share for FolderShare {
    fn list(&self, at: &Place) -> Result<Vec<Listed>, ShareError> {
        super::whole(at, self.list_part(at, limits::LIST_NAMES_MAX)?)
    }

    fn list_part(&self, at: &Place, max: usize) -> Result<(Vec<Listed>, bool), ShareError> {
        let folder = self.folder(at, false).map_err(failed("list", at, b""))?;
        let mut found = Vec::new();
        // Dir::new takes this descriptor: no second open, so the listing is of the folder just revalidated.
        for entry in rustix::fs::Dir::new(folder).map_err(failed("list", at, b""))? {
            let entry = entry.map_err(failed("list", at, b""))?;
            let bytes = entry.file_name().to_bytes();
            if bytes == b"." || bytes == b".." {
                continue;
            }
            if found.len() == max {
                return Ok((found, true));
            }
            let (name, raw) = match std::str::from_utf8(bytes) {
                Ok(name) => (name.to_owned(), None),
                Err(_) => (escape::escape_bytes(bytes), Some(bytes.to_vec())),
            };
            found.push(Listed {
                name,
                raw,
                kind: kind_of(entry.file_type()),
            });
        }
        Ok((found, false))
    }

    fn create(&self, at: &Place, name: &str, bytes: &[u8]) -> Result<(), ShareError> {
        let mut file = self.fresh(at, name)?;
        file.write_all(bytes)
            .map_err(|error| failed::<Errno>("write", at, name.as_bytes())(errno_of(&error)))?;
        Self::finish(file, at, name)
    }

    fn create_from(&self, at: &Place, name: &str, from: &mut dyn Read) -> Result<u64, ShareError> {
        let mut file = self.fresh(at, name)?;
        let named =
            |error: std::io::Error| failed::<Errno>("write", at, name.as_bytes())(errno_of(&error));
        let mut copied = 0;
        loop {
            let step = std::io::copy(&mut from.take(DURABLE_STEP), &mut file).map_err(named)?;
            copied += step;
            if step < DURABLE_STEP {
                break;
            }
            file.sync_data().map_err(named)?;
        }
        Self::finish(file, at, name)?;
        Ok(copied)
    }

    fn rename(&self, from: (&Place, &str), to: (&Place, &str)) -> Result<(), ShareError> {
        self.rename_raw((from.0, from.1.as_bytes()), to)
    }

    fn rename_raw(&self, from: (&Place, &[u8]), to: (&Place, &str)) -> Result<(), ShareError> {
        let named = failed("rename", from.0, from.1);
        let source = self.folder(from.0, true).map_err(&named)?;
        let target = self.folder(to.0, true).map_err(&named)?;
        rustix::fs::renameat(source, OsStr::from_bytes(from.1), target, to.1).map_err(&named)
    }

    fn read(&self, at: &Place, name: &str, max: usize) -> Result<Vec<u8>, ShareError> {
        let file = self.regular("read", at, name)?;
        let named = failed::<Errno>("read", at, name.as_bytes());
        let too_large = ShareError {
            action: "read",
            object: object(at, name.as_bytes()),
            errno: Errno::FBIG.raw_os_error(),
            why: Some("larger than any document of its kind"),
        };
        // Refused by its size before a byte is read: a sparse file costs nothing to make.
        let size = file
            .metadata()
            .map_err(|error| named(errno_of(&error)))?
            .len();
        let limit = u64::try_from(max).unwrap_or(u64::MAX);
        if size > limit {
            return Err(too_large);
        }
        let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
        file.take(limit.saturating_add(1))
            .read_to_end(&mut bytes)
            .map_err(|error| named(errno_of(&error)))?;
        if bytes.len() > max {
            Err(too_large)
        } else {
            Ok(bytes)
        }
    }

    fn open(&self, at: &Place, name: &str) -> Result<Box<dyn Read + Send>, ShareError> {
        Ok(Box::new(self.regular("open", at, name)?))
    }

    fn peek(&self, at: &Place, name: &str, max: usize) -> Result<Vec<u8>, ShareError> {
        let mut bytes = vec![0; max];
        let file = self.regular("read", at, name)?;
        let read = file
            .read_at(&mut bytes, 0)
            .map_err(|error| failed::<Errno>("read", at, name.as_bytes())(errno_of(&error)))?;
        bytes.truncate(read);
        Ok(bytes)
    }

    fn remove(&self, at: &Place, name: &str) -> Result<(), ShareError> {
        self.beats
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&object(at, name.as_bytes()));
        let folder = self.handle("remove", at, name)?;
        match rustix::fs::unlinkat(folder, name, AtFlags::empty()) {
            // A retransmitted REMOVE reports ENOENT although it was the one that removed (NFSv3, measured).
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(failed("remove", at, name.as_bytes())(error)),
        }
    }

    fn make_dir(&self, at: &Place) -> Result<(), ShareError> {
        let path = at.path();
        let Some((parent, name)) = path
            .rsplit_once('/')
            .map(|(parent, name)| (parent.to_owned(), name))
            .or_else(|| (!path.is_empty()).then_some((String::new(), path.as_str())))
        else {
            return Ok(());
        };
        let named = failed("make", at, b"");
        let root = self.folder(&Place::Root, true).map_err(&named)?;
        let folder = if parent.is_empty() {
            root
        } else {
            below(root, &parent, OFlags::DIRECTORY | OFlags::CLOEXEC).map_err(&named)?
        };
        let mode = Mode::from_raw_mode(FOLDER_MODE);
        match rustix::fs::mkdirat(&folder, name, mode) {
            Ok(()) => {
                let made =
                    below(folder, name, OFlags::DIRECTORY | OFlags::CLOEXEC).map_err(&named)?;
                // mkdir(2) drops the set-group-ID bit of its mode on some systems, and the umask narrows the rest.
                let _ = rustix::fs::fchmod(&made, mode);
                Ok(())
            }
            Err(Errno::EXIST) => self.folder(at, true).map(drop).map_err(&named),
            Err(error) => Err(named(error)),
        }
    }

    fn remove_dir(&self, at: &Place) -> Result<(), ShareError> {
        let path = at.path();
        let root = self
            .folder(&Place::Root, true)
            .map_err(failed("remove", at, b""))?;
        match rustix::fs::unlinkat(root, path, AtFlags::REMOVEDIR) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(failed("remove", at, b"")(error)),
        }
    }

    fn sync(&self, at: &Place) -> Result<(), ShareError> {
        let folder = self.folder(at, false).map_err(failed("sync", at, b""))?;
        match rustix::fs::fsync(folder) {
            // Not every filesystem can sync a directory; those that cannot make names durable by themselves or not at
            // all.
            Ok(()) | Err(Errno::INVAL | Errno::NOTSUP | Errno::BADF | Errno::ACCESS) => Ok(()),
            Err(error) => Err(failed("sync", at, b"")(error)),
        }
    }

    fn beat(&self, at: &Place, name: &str, bytes: &[u8]) -> Result<(), ShareError> {
        let named =
            |error: std::io::Error| failed::<Errno>("write", at, name.as_bytes())(errno_of(&error));
        // A held descriptor leads to what was mounted when it was opened.
        self.handle("write", &Place::Root, "")?;
        let mut beats = self.beats.lock().unwrap_or_else(PoisonError::into_inner);
        let key = object(at, name.as_bytes());
        let file = match beats.remove(&key) {
            Some(file) => file,
            None => self.writable(at, name)?,
        };
        // Dropped on error: the next beat opens it by name again (ESTALE after a server's restart).
        file.write_all_at(bytes, 0).map_err(named)?;
        file.sync_data().map_err(named)?;
        beats.insert(key, file);
        Ok(())
    }

    fn extend(&self, at: &Place, name: &str, offset: u64, bytes: &[u8]) -> Result<(), ShareError> {
        let file = self.writable(at, name)?;
        file.write_all_at(bytes, offset)
            .map_err(|error| failed::<Errno>("write", at, name.as_bytes())(errno_of(&error)))?;
        Self::finish(file, at, name)
    }

    fn attributes(&self, at: &Place, name: &str) -> Result<Attributes, ShareError> {
        let folder = self.handle("stat", at, name)?;
        let seen = rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW).map_err(failed(
            "stat",
            at,
            name.as_bytes(),
        ))?;
        Ok(Attributes {
            bytes: u64::try_from(seen.st_size).unwrap_or(0),
            changed: Timestamp::from_unix(seen.st_ctime),
        })
    }

    fn server_time(&self, at: &Place, scratch: &str) -> Result<Timestamp, ShareError> {
        let file = self.fresh(at, scratch)?;
        let seen = rustix::fs::fstat(&file).map_err(failed("stat", at, scratch.as_bytes()))?;
        drop(file);
        self.remove(at, scratch)?;
        Ok(Timestamp::from_unix(seen.st_ctime))
    }

    fn free_bytes(&self) -> Result<u64, ShareError> {
        let root = self
            .folder(&Place::Root, false)
            .map_err(failed("ask", &Place::Root, b""))?;
        let seen = rustix::fs::fstatvfs(root).map_err(failed("ask", &Place::Root, b""))?;
        Ok(seen.f_bavail.saturating_mul(seen.f_frsize))
    }

    fn title(&self) -> String {
        self.root.display().to_string()
    }

    fn anchor(&self) -> Result<(), ShareError> {
        let named = failed("find", &Place::Root, b"");
        #[cfg(target_os = "linux")]
        let how = OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::PATH;
        #[cfg(not(target_os = "linux"))]
        let how = OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = rustix::fs::open(&self.root, how, Mode::empty()).map_err(&named)?;
        let mut anchor = self.anchor.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = anchor.as_mut() {
            if known.holds(root.as_fd()).map_err(&named)? {
                return Ok(());
            }
            // Opened below another root.
            let mut beats = self.beats.lock().unwrap_or_else(PoisonError::into_inner);
            beats.clear();
        }
        *anchor = Some(Anchor::cast(root.as_fd()).map_err(&named)?);
        Ok(())
    }
}

impl FolderShare {
    /// Opens a file of which this process is the one writer, creating it if needed.
    fn writable(&self, at: &Place, name: &str) -> Result<File, ShareError> {
        let folder = self.handle("open", at, name)?;
        let how =
            OFlags::WRONLY | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(folder, name, how, Mode::from_raw_mode(DOCUMENT_MODE))
            .map_err(failed("open", at, name.as_bytes()))?;
        let made = rustix::fs::fstat(&fd).map_err(failed("open", at, name.as_bytes()))?;
        // A second name would be written as well: a stranger may have made it a name of somebody else's file.
        if FileType::from_raw_mode(made.st_mode) != FileType::RegularFile || made.st_nlink > 1 {
            return Err(ShareError {
                action: "open",
                object: object(at, name.as_bytes()),
                errno: Errno::LOOP.raw_os_error(),
                why: Some("not a regular file with one name"),
            });
        }
        if made.st_mode & 0o777 != DOCUMENT_MODE {
            let _ = rustix::fs::fchmod(&fd, Mode::from_raw_mode(DOCUMENT_MODE));
        }
        Ok(File::from(fd))
    }
}
