//! What one client remembers: its own listings, where the kernel is not to ask the server, and open handles.
#![expect(
    clippy::disallowed_methods,
    reason = "the age of a cached listing is measured with the real clock"
)]

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::collections::HashSet;
use std::ffi::OsStr;
use std::ffi::OsString;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;
use std::time::Instant;

use fuser::Errno;
use fuser::FileAttr;
use fuser::FileType;
use fuser::INodeNo;
use nix::libc;

use super::manner::Listing;
use super::server::Kind;
use super::server::Node;
use super::server::Server;

/// What a client remembers of a folder.
struct View {
    names: BTreeMap<OsString, u64>,
    taken: Instant,
}

#[derive(Default)]
pub(super) struct Memory {
    /// Listings being read, by handle.
    pub(super) reading: HashMap<u64, Vec<(OsString, u64)>>,
    /// Files written since they were opened, by handle.
    pub(super) written: HashSet<u64>,
    views: HashMap<u64, View>,
    contents: HashMap<u64, (Vec<u8>, Instant)>,
    pub(super) last: u64,
}

/// One client of the server.
pub struct Client {
    pub(super) server: Arc<Server>,
    pub(super) which: usize,
    memory: Mutex<Memory>,
}

impl Client {
    pub fn new(server: Arc<Server>, which: usize) -> Self {
        Self {
            server,
            which,
            memory: Mutex::new(Memory::default()),
        }
    }

    pub(super) fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn attr(&self, ino: u64) -> Result<(FileAttr, Duration), Errno> {
        let state = self.server.lock();
        let node = state.nodes.get(&ino).ok_or(Errno::ESTALE)?;
        let ttl = match node.kind {
            // As on NFS, opening a folder asks for its attributes anew.
            Kind::Dir(_) => Duration::ZERO,
            _ => state.manner.attr_ttl,
        };
        Ok((attr_of(ino, node), ttl))
    }

    /// Puts a change of this client into its own memory of a folder.
    pub(super) fn noted(&self, dir: u64, gone: Option<&OsStr>, made: Option<(&OsStr, u64)>) {
        if matches!(self.server.lock().manner.listing, Listing::Blind(_)) {
            return;
        }
        if let Some(view) = self.memory().views.get_mut(&dir) {
            if let Some(name) = gone {
                view.names.remove(name);
            }
            if let Some((name, ino)) = made {
                view.names.insert(name.to_owned(), ino);
            }
        }
    }

    /// What this client shows of a file: what it read before, where that is young enough and the file is large.
    pub(super) fn remembered(&self, ino: u64, data: &[u8], most: Duration) -> Vec<u8> {
        const LARGE: usize = 4096;
        if most.is_zero() || data.len() < LARGE {
            return data.to_vec();
        }
        let mut memory = self.memory();
        let seen = memory.contents.entry(ino);
        let (bytes, taken) = seen.or_insert_with(|| (data.to_vec(), Instant::now()));
        if taken.elapsed() > most {
            (*bytes, *taken) = (data.to_vec(), Instant::now());
        }
        bytes.clone()
    }

    /// The listing that this client shows.
    pub(super) fn listing(&self, dir: u64) -> Result<Vec<(OsString, u64)>, Errno> {
        let (fresh, manner) = {
            let state = self.server.lock();
            (state.list(dir).map_err(errno)?, state.manner.listing)
        };
        let most = match manner {
            Listing::Fresh | Listing::Kernel => return Ok(fresh),
            Listing::Cached(most) | Listing::Blind(most) => most,
            Listing::Frozen => Duration::MAX,
        };
        let mut memory = self.memory();
        let view = memory.views.entry(dir).or_insert_with(|| View {
            names: fresh.iter().cloned().collect(),
            taken: Instant::now(),
        });
        if view.taken.elapsed() > most {
            view.names = fresh.into_iter().collect();
            view.taken = Instant::now();
        }
        Ok(view.names.clone().into_iter().collect())
    }

    pub(super) fn opened(&self, ino: u64) -> u64 {
        if let Some(node) = self.server.lock().nodes.get_mut(&ino) {
            node.open += 1;
        }
        let mut memory = self.memory();
        memory.last += 1;
        memory.last
    }
}

pub(super) fn errno(raw: i32) -> Errno {
    Errno::from_i32(raw)
}

pub(super) fn kind_of(kind: &Kind) -> FileType {
    match kind {
        Kind::Dir(_) => FileType::Directory,
        Kind::File(_) => FileType::RegularFile,
        Kind::Link(_) => FileType::Symlink,
        Kind::Odd(mode) if mode & libc::S_IFMT == libc::S_IFIFO => FileType::NamedPipe,
        Kind::Odd(_) => FileType::Socket,
    }
}

pub(super) fn attr_of(ino: u64, node: &Node) -> FileAttr {
    let size = match &node.kind {
        Kind::File(data) => data.len(),
        Kind::Link(target) => target.len(),
        _ => 4096,
    };
    let size = u64::try_from(size).unwrap_or(u64::MAX);
    FileAttr {
        ino: INodeNo(ino),
        size,
        blocks: size.div_ceil(512),
        atime: node.modified,
        mtime: node.modified,
        ctime: node.changed,
        crtime: node.modified,
        kind: kind_of(&node.kind),
        perm: u16::try_from(node.mode & 0o7777).unwrap_or(0),
        nlink: node.nlink,
        uid: node.owner.0,
        gid: node.owner.1,
        rdev: 0,
        blksize: 4096,
        flags: 0,
    }
}
