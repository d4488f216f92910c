//! The server behind the twin mounts: inodes in memory, and what its manner makes of each call.
#![expect(
    clippy::disallowed_methods,
    reason = "a file server stamps its files with its own time"
)]

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::ffi::OsStr;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::sync::Condvar;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;
use std::time::SystemTime;
use std::time::UNIX_EPOCH;

use nix::libc;

use super::manner::Exclusive;
use super::manner::Manner;
use super::manner::Names;
use super::manner::NoReplace;
use super::manner::Rename;

/// Inode of the root.
pub const ROOT: u64 = 1;

/// What an inode is.
#[derive(Debug, Clone)]
pub enum Kind {
    Dir(BTreeMap<OsString, u64>),
    File(Vec<u8>),
    Link(OsString),
    Odd(u32),
}

/// One inode.
#[derive(Debug, Clone)]
pub struct Node {
    pub kind: Kind,
    pub mode: u32,
    pub owner: (u32, u32),
    pub nlink: u32,
    pub modified: SystemTime,
    pub changed: SystemTime,
    /// Open files of all clients.
    pub open: u32,
    /// The client that alone may open it.
    pub only: Option<usize>,
}

#[derive(Debug)]
pub struct State {
    pub nodes: HashMap<u64, Node>,
    pub manner: Manner,
    /// Which clients get no replies.
    pub silent: [bool; 2],
    next: u64,
    /// Calls counted for what happens now and then.
    changes: u64,
    busy: u64,
    stale: u64,
}

/// The server.
#[derive(Debug)]
pub struct Server {
    state: Mutex<State>,
    released: Condvar,
}

/// A new name: in which folder, and what.
pub type Place<'a> = (u64, &'a OsStr);

impl Server {
    pub fn new(manner: Manner) -> Self {
        let mut state = State {
            nodes: HashMap::new(),
            manner,
            silent: [false; 2],
            next: ROOT + 1,
            changes: 0,
            busy: 0,
            stale: 0,
        };
        let root = state.fresh(Kind::Dir(BTreeMap::new()), 0o777, (0, 0));
        state.nodes.insert(ROOT, root);
        Self {
            state: Mutex::new(state),
            released: Condvar::new(),
        }
    }

    pub fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits as long as this client gets no replies.
    pub fn withhold(&self, client: usize) {
        let mut state = self.lock();
        while state.silent[client] {
            state = self
                .released
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Stops or starts replying to a client.
    pub fn silence(&self, client: usize, silent: bool) {
        self.lock().silent[client] = silent;
        self.released.notify_all();
    }

    /// Renames, in the manner of the server.
    pub fn rename(&self, from: Place<'_>, to: Place<'_>, no_replace: bool) -> Result<(), i32> {
        let mut state = self.lock();
        state.changing()?;
        let kept = no_replace && state.manner.no_replace == NoReplace::Kept;
        if no_replace && state.manner.no_replace == NoReplace::Unsupported {
            return Err(libc::EINVAL);
        }
        let source = state.find(from.0, from.1).ok_or(libc::ENOENT)?;
        if kept && state.find(to.0, to.1).is_some() {
            return Err(libc::EEXIST);
        }
        state.not_busy(source)?;
        match state.manner.rename {
            Rename::Atomic => {
                state.remove_name(from.0, from.1)?;
                state.replace_name(to.0, to.1, source)?;
            }
            Rename::Copies(pause) => {
                let mut copy = state.nodes[&source].clone();
                copy.nlink = 1;
                let copied = state.add(copy);
                state.replace_name(to.0, to.1, copied)?;
                drop(state);
                std::thread::sleep(pause);
                state = self.lock();
                // Gone already: whoever removed it, the copy is there.
                let _ = state.remove_name(from.0, from.1);
            }
        }
        state.touch(from.0);
        state.touch(to.0);
        state.lose()
    }
}

impl State {
    /// Whether a file was written a moment ago.
    pub fn is_new(&self, ino: u64) -> bool {
        let written = self.nodes.get(&ino).map(|node| node.modified);
        let age = written.and_then(|written| self.now().duration_since(written).ok());
        age.is_some_and(|age| age < Duration::from_millis(100))
    }

    /// The server's time, in its own steps.
    fn now(&self) -> SystemTime {
        let real = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let step = self.manner.tick.as_nanos().max(1);
        let nanos = real.as_nanos() / step * step;
        let exact = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        let ahead = Duration::from_secs(self.manner.ahead_s.unsigned_abs());
        if self.manner.ahead_s < 0 {
            UNIX_EPOCH + exact.saturating_sub(ahead)
        } else {
            UNIX_EPOCH + exact + ahead
        }
    }

    pub fn fresh(&self, kind: Kind, mode: u32, owner: (u32, u32)) -> Node {
        let now = self.now();
        let nlink = if matches!(kind, Kind::Dir(_)) { 2 } else { 1 };
        Node {
            kind,
            mode,
            owner,
            nlink,
            modified: now,
            changed: now,
            open: 0,
            only: None,
        }
    }

    fn add(&mut self, node: Node) -> u64 {
        let ino = self.next;
        self.next += 1;
        self.nodes.insert(ino, node);
        ino
    }

    /// The name as this server keeps it.
    fn kept(&self, name: &OsStr) -> OsString {
        match self.manner.names {
            Names::Cut(most) if name.len() > most => {
                OsStr::from_bytes(&name.as_bytes()[..most]).to_owned()
            }
            _ => name.to_owned(),
        }
    }

    fn children(&self, dir: u64) -> Result<&BTreeMap<OsString, u64>, i32> {
        match self.nodes.get(&dir).map(|node| &node.kind) {
            Some(Kind::Dir(children)) => Ok(children),
            Some(_) => Err(libc::ENOTDIR),
            None => Err(libc::ESTALE),
        }
    }

    /// The name under which an entry is found: in another case where those are the same here.
    fn stored(&self, dir: u64, name: &OsStr) -> Option<OsString> {
        let children = self.children(dir).ok()?;
        let name = self.kept(name);
        if children.contains_key(&name) {
            return Some(name);
        }
        let folded = |one: &OsStr| one.to_ascii_lowercase();
        let same =
            |one: &&OsString| self.manner.names == Names::Folded && folded(one) == folded(&name);
        children.keys().find(same).cloned()
    }

    pub fn find(&self, dir: u64, name: &OsStr) -> Option<u64> {
        let stored = self.stored(dir, name)?;
        self.children(dir).ok()?.get(&stored).copied()
    }

    /// Every entry of a folder.
    pub fn list(&self, dir: u64) -> Result<Vec<(OsString, u64)>, i32> {
        let children = self.children(dir)?;
        Ok(children
            .iter()
            .map(|(name, ino)| (name.clone(), *ino))
            .collect())
    }

    /// Refuses a change where the server takes none.
    pub fn changing(&self) -> Result<(), i32> {
        if self.manner.read_only {
            Err(libc::EROFS)
        } else {
            Ok(())
        }
    }

    /// Whether the reply to a change that was just made gets lost.
    pub fn lose(&mut self) -> Result<(), i32> {
        self.changes += 1;
        match self.manner.lost {
            Some(lost) if self.changes.is_multiple_of(lost.every) => Err(lost.errno),
            _ => Ok(()),
        }
    }

    fn not_busy(&mut self, ino: u64) -> Result<(), i32> {
        let Some(burst) = self.manner.busy else {
            return Ok(());
        };
        if self.nodes.get(&ino).is_none_or(|node| node.open == 0) {
            return Ok(());
        }
        self.busy += 1;
        if self.busy.is_multiple_of(burst.every) {
            return Err(burst.errno);
        }
        Ok(())
    }

    /// Whether this open finds a handle that is gone.
    pub fn not_stale(&mut self) -> Result<(), i32> {
        let Some(burst) = self.manner.stale else {
            return Ok(());
        };
        self.stale += 1;
        if self.stale.is_multiple_of(burst.every) {
            return Err(burst.errno);
        }
        Ok(())
    }

    pub fn touch(&mut self, ino: u64) {
        let now = self.now();
        if let Some(node) = self.nodes.get_mut(&ino) {
            node.modified = now;
            node.changed = now;
        }
    }

    /// Marks a change of an inode's own attributes.
    pub fn mark(&mut self, ino: u64) {
        let now = self.now();
        if let Some(node) = self.nodes.get_mut(&ino) {
            node.changed = now;
        }
    }

    fn remove_name(&mut self, dir: u64, name: &OsStr) -> Result<u64, i32> {
        let stored = self.stored(dir, name).ok_or(libc::ENOENT)?;
        match self.nodes.get_mut(&dir).map(|node| &mut node.kind) {
            Some(Kind::Dir(children)) => children.remove(&stored).ok_or(libc::ENOENT),
            _ => Err(libc::ENOTDIR),
        }
    }

    fn replace_name(&mut self, dir: u64, name: &OsStr, ino: u64) -> Result<(), i32> {
        if let Ok(old) = self.remove_name(dir, name) {
            self.dropped(old);
        }
        let name = self.kept(name);
        match self.nodes.get_mut(&dir).map(|node| &mut node.kind) {
            Some(Kind::Dir(children)) => {
                children.insert(name, ino);
                Ok(())
            }
            _ => Err(libc::ENOTDIR),
        }
    }

    fn dropped(&mut self, ino: u64) {
        self.mark(ino);
        if let Some(node) = self.nodes.get_mut(&ino) {
            node.nlink = node.nlink.saturating_sub(1);
        }
        self.forget(ino);
    }

    /// Lets go of an inode that has neither name nor open file; clients that hold it get ESTALE.
    pub fn forget(&mut self, ino: u64) {
        let gone = |node: &Node| node.nlink == 0 && node.open == 0;
        if self.nodes.get(&ino).is_some_and(gone) {
            self.nodes.remove(&ino);
        }
    }

    /// Makes an entry. `exclusive`: only where there is none.
    pub fn make(&mut self, at: Place<'_>, node: Node, exclusive: bool) -> Result<u64, i32> {
        self.changing()?;
        if exclusive && self.manner.exclusive == Exclusive::Unsupported {
            return Err(libc::ENOTSUP);
        }
        if let Some(found) = self.find(at.0, at.1) {
            let ignored =
                self.manner.exclusive == Exclusive::Ignored && matches!(node.kind, Kind::File(_));
            return if exclusive && !ignored {
                Err(libc::EEXIST)
            } else {
                Ok(found)
            };
        }
        let ino = self.add(node);
        self.replace_name(at.0, at.1, ino)?;
        self.touch(at.0);
        Ok(ino)
    }

    pub fn unlink(&mut self, dir: u64, name: &OsStr) -> Result<(), i32> {
        self.changing()?;
        let ino = self.find(dir, name).ok_or(libc::ENOENT)?;
        if matches!(self.nodes[&ino].kind, Kind::Dir(_)) {
            return Err(libc::EISDIR);
        }
        self.not_busy(ino)?;
        self.remove_name(dir, name)?;
        self.dropped(ino);
        self.touch(dir);
        self.lose()
    }

    pub fn rmdir(&mut self, dir: u64, name: &OsStr) -> Result<(), i32> {
        self.changing()?;
        let ino = self.find(dir, name).ok_or(libc::ENOENT)?;
        if !self.children(ino)?.is_empty() {
            return Err(libc::ENOTEMPTY);
        }
        self.remove_name(dir, name)?;
        self.nodes.remove(&ino);
        self.touch(dir);
        self.lose()
    }

    pub fn link(&mut self, ino: u64, at: Place<'_>) -> Result<(), i32> {
        self.changing()?;
        if self.find(at.0, at.1).is_some() {
            return Err(libc::EEXIST);
        }
        self.replace_name(at.0, at.1, ino)?;
        if let Some(node) = self.nodes.get_mut(&ino) {
            node.nlink += 1;
        }
        self.touch(at.0);
        self.mark(ino);
        self.lose()
    }

    pub fn write(&mut self, ino: u64, offset: u64, bytes: &[u8]) -> Result<(), i32> {
        self.changing()?;
        if self.manner.full {
            return Err(libc::ENOSPC);
        }
        let start = usize::try_from(offset).map_err(|_| libc::EFBIG)?;
        match self.nodes.get_mut(&ino).map(|node| &mut node.kind) {
            Some(Kind::File(data)) => {
                let end = start + bytes.len();
                if data.len() < end {
                    data.resize(end, 0);
                }
                data[start..end].copy_from_slice(bytes);
            }
            _ => return Err(libc::ESTALE),
        }
        self.touch(ino);
        Ok(())
    }
}
