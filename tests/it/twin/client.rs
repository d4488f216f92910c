//! One mount of the server: what the kernel asks, answered with the memory of this client.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::ffi::OsString;
use std::time::Duration;

use fuser::Errno;
use fuser::FileHandle;
use fuser::FileType;
use fuser::FopenFlags;
use fuser::Generation;
use fuser::INodeNo;
use fuser::InitFlags;
use fuser::RenameFlags;
use fuser::Request;
use nix::libc;

use super::manner::Exclusive;
use super::manner::Listing;
use super::memory::Client;
use super::memory::attr_of;
use super::memory::errno;
use super::memory::kind_of;
use super::server::Kind;
use super::server::ROOT;

impl Client {
    fn entry(&self, found: Result<u64, i32>, reply: fuser::ReplyEntry) {
        let ino = match found {
            Ok(ino) => ino,
            Err(raw) => return reply.error(errno(raw)),
        };
        let name_ttl = self.server.lock().manner.name_ttl;
        match self.attr(ino) {
            Ok((attr, ttl)) => reply.entry_with_ttls(&ttl, &name_ttl, &attr, Generation(0)),
            Err(error) => reply.error(error),
        }
    }

    fn tell(&self, ino: u64, reply: fuser::ReplyAttr) {
        match self.attr(ino) {
            Ok((attr, ttl)) => reply.attr(&ttl, &attr),
            Err(error) => reply.error(error),
        }
    }

    fn done(result: Result<(), i32>, reply: fuser::ReplyEmpty) {
        match result {
            Ok(()) => reply.ok(),
            Err(raw) => reply.error(errno(raw)),
        }
    }

    /// Makes an entry with the ownership that a new one gets; the group of the folder where that has the bit.
    fn make(
        &self,
        req: &Request,
        at: (u64, &OsStr),
        kind: Kind,
        mode: u32,
        exclusive: bool,
    ) -> Result<u64, i32> {
        let mut state = self.server.lock();
        let parent = state.nodes.get(&at.0).ok_or(libc::ESTALE)?;
        let set = parent.mode & libc::S_ISGID != 0;
        let group = if set { parent.owner.1 } else { req.gid() };
        let is_dir = matches!(kind, Kind::Dir(_));
        let mode = if !state.manner.modes {
            0o755
        } else if set && is_dir {
            mode | libc::S_ISGID
        } else {
            mode
        };
        let mut node = state.fresh(kind, mode & 0o7777, (req.uid(), group));
        let is_closed = state.manner.closed.is_some_and(|closed| *at.1 == *closed);
        node.only = is_closed.then_some(self.which);
        let ino = state.make(at, node, exclusive)?;
        state.lose()?;
        drop(state);
        self.noted(at.0, None, Some((at.1, ino)));
        Ok(ino)
    }
}

impl fuser::Filesystem for Client {
    fn init(&mut self, _: &Request, config: &mut fuser::KernelConfig) -> std::io::Result<()> {
        // Cached pages are dropped when the times of a file changed, as close-to-open has it.
        let _ = config.add_capabilities(InitFlags::FUSE_AUTO_INVAL_DATA);
        Ok(())
    }

    fn lookup(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: fuser::ReplyEntry) {
        self.server.withhold(self.which);
        let (found, absent_ttl) = {
            let state = self.server.lock();
            (state.find(parent.0, name), state.manner.absent_ttl)
        };
        let loose = self.server.lock().manner.exclusive == Exclusive::Ignored;
        if found.is_none() && loose {
            // What it answers is old when it arrives: the other client creates meanwhile.
            std::thread::sleep(Duration::from_millis(20));
        }
        match found {
            Some(ino) => self.entry(Ok(ino), reply),
            None if absent_ttl.is_zero() => reply.error(Errno::ENOENT),
            None => {
                // An entry without an inode: the kernel remembers that there is none.
                let state = self.server.lock();
                let attr = attr_of(0, &state.nodes[&ROOT]);
                reply.entry(&absent_ttl, &attr, Generation(0));
            }
        }
    }

    fn getattr(&self, _: &Request, ino: INodeNo, _: Option<FileHandle>, reply: fuser::ReplyAttr) {
        self.server.withhold(self.which);
        self.tell(ino.0, reply);
    }

    fn setattr(
        &self,
        _: &Request,
        ino: INodeNo,
        mode: Option<u32>,
        uid: Option<u32>,
        gid: Option<u32>,
        size: Option<u64>,
        _: Option<fuser::TimeOrNow>,
        mtime: Option<fuser::TimeOrNow>,
        _: Option<std::time::SystemTime>,
        _: Option<FileHandle>,
        _: Option<std::time::SystemTime>,
        _: Option<std::time::SystemTime>,
        _: Option<std::time::SystemTime>,
        _: Option<fuser::BsdFileFlags>,
        reply: fuser::ReplyAttr,
    ) {
        self.server.withhold(self.which);
        {
            let mut state = self.server.lock();
            if let Err(raw) = state.changing() {
                return reply.error(errno(raw));
            }
            let keeps = state.manner.modes;
            if size.is_some() || mtime.is_some() {
                state.touch(ino.0);
            } else {
                state.mark(ino.0);
            }
            if let Some(node) = state.nodes.get_mut(&ino.0) {
                node.mode = mode
                    .filter(|_| keeps)
                    .map_or(node.mode, |mode| mode & 0o7777);
                node.owner = (uid.unwrap_or(node.owner.0), gid.unwrap_or(node.owner.1));
                if let (Some(size), Kind::File(data)) = (size, &mut node.kind) {
                    data.resize(usize::try_from(size).unwrap_or(0), 0);
                }
            }
        }
        self.tell(ino.0, reply);
    }

    fn readlink(&self, _: &Request, ino: INodeNo, reply: fuser::ReplyData) {
        match self.server.lock().nodes.get(&ino.0).map(|node| &node.kind) {
            Some(Kind::Link(target)) => reply.data(target.as_encoded_bytes()),
            _ => reply.error(Errno::EINVAL),
        }
    }

    fn mknod(
        &self,
        req: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        umask: u32,
        _: u32,
        reply: fuser::ReplyEntry,
    ) {
        self.server.withhold(self.which);
        let kind = match mode & libc::S_IFMT {
            libc::S_IFREG => Kind::File(Vec::new()),
            _ => Kind::Odd(mode),
        };
        let made = self.make(req, (parent.0, name), kind, mode & !umask, true);
        self.entry(made, reply);
    }

    fn mkdir(
        &self,
        req: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        umask: u32,
        reply: fuser::ReplyEntry,
    ) {
        self.server.withhold(self.which);
        let kind = Kind::Dir(BTreeMap::new());
        let made = self.make(req, (parent.0, name), kind, mode & !umask, true);
        self.entry(made, reply);
    }

    fn unlink(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: fuser::ReplyEmpty) {
        self.server.withhold(self.which);
        let result = self.server.lock().unlink(parent.0, name);
        self.noted(parent.0, Some(name), None);
        Self::done(result, reply);
    }

    fn rmdir(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: fuser::ReplyEmpty) {
        self.server.withhold(self.which);
        let result = self.server.lock().rmdir(parent.0, name);
        self.noted(parent.0, Some(name), None);
        Self::done(result, reply);
    }

    fn symlink(
        &self,
        req: &Request,
        parent: INodeNo,
        name: &OsStr,
        target: &std::path::Path,
        reply: fuser::ReplyEntry,
    ) {
        self.server.withhold(self.which);
        let kind = Kind::Link(target.as_os_str().to_owned());
        self.entry(self.make(req, (parent.0, name), kind, 0o777, true), reply);
    }

    fn rename(
        &self,
        _: &Request,
        parent: INodeNo,
        name: &OsStr,
        newparent: INodeNo,
        newname: &OsStr,
        flags: RenameFlags,
        reply: fuser::ReplyEmpty,
    ) {
        self.server.withhold(self.which);
        if flags.contains(RenameFlags::RENAME_EXCHANGE) {
            return reply.error(Errno::EINVAL);
        }
        let no_replace = flags.contains(RenameFlags::RENAME_NOREPLACE);
        let (from, to) = ((parent.0, name), (newparent.0, newname));
        let result = self.server.rename(from, to, no_replace);
        let moved = self.server.lock().find(newparent.0, newname);
        if result.is_ok() {
            self.noted(parent.0, Some(name), None);
            self.noted(newparent.0, None, moved.map(|ino| (newname, ino)));
        }
        Self::done(result, reply);
    }

    fn link(
        &self,
        _: &Request,
        ino: INodeNo,
        newparent: INodeNo,
        newname: &OsStr,
        reply: fuser::ReplyEntry,
    ) {
        self.server.withhold(self.which);
        let linked = self.server.lock().link(ino.0, (newparent.0, newname));
        self.noted(newparent.0, None, Some((newname, ino.0)));
        self.entry(linked.map(|()| ino.0), reply);
    }

    fn open(&self, _: &Request, ino: INodeNo, _: fuser::OpenFlags, reply: fuser::ReplyOpen) {
        self.server.withhold(self.which);
        let fresh = {
            let mut state = self.server.lock();
            let only = state.nodes.get(&ino.0).and_then(|node| node.only);
            match only {
                Some(maker) if maker != self.which => Err(libc::EACCES),
                _ => state.not_stale(),
            }
        };
        match fresh {
            Ok(()) => reply.opened(FileHandle(self.opened(ino.0)), FopenFlags::empty()),
            Err(raw) => reply.error(errno(raw)),
        }
    }

    fn create(
        &self,
        req: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        umask: u32,
        flags: i32,
        reply: fuser::ReplyCreate,
    ) {
        self.server.withhold(self.which);
        let exclusive = flags & libc::O_EXCL != 0;
        let kind = Kind::File(Vec::new());
        let made = self.make(req, (parent.0, name), kind, mode & !umask, exclusive);
        let seen = made.map_err(errno).and_then(|ino| self.attr(ino));
        match seen {
            Ok((attr, ttl)) => {
                let handle = FileHandle(self.opened(attr.ino.0));
                reply.created(&ttl, &attr, Generation(0), handle, FopenFlags::empty());
            }
            Err(error) => reply.error(error),
        }
    }

    fn read(
        &self,
        _: &Request,
        ino: INodeNo,
        _: FileHandle,
        offset: u64,
        size: u32,
        _: fuser::OpenFlags,
        _: Option<fuser::LockOwner>,
        reply: fuser::ReplyData,
    ) {
        self.server.withhold(self.which);
        let state = self.server.lock();
        let torn = state.manner.torn && state.is_new(ino.0);
        match state.nodes.get(&ino.0).map(|node| &node.kind) {
            Some(Kind::File(data)) => {
                let mut data = self.remembered(ino.0, data, state.manner.data_ttl);
                if torn && data.len() > 2 {
                    let (from, to) = (data.len() / 2, data.len() - 1);
                    data[from..to].fill(0);
                }
                let start = usize::try_from(offset)
                    .unwrap_or(usize::MAX)
                    .min(data.len());
                let most = usize::try_from(size).unwrap_or(usize::MAX);
                let end = start.saturating_add(most).min(data.len());
                reply.data(&data[start..end]);
            }
            _ => reply.error(Errno::ESTALE),
        }
    }

    fn write(
        &self,
        _: &Request,
        ino: INodeNo,
        fh: FileHandle,
        offset: u64,
        data: &[u8],
        _: fuser::WriteFlags,
        _: fuser::OpenFlags,
        _: Option<fuser::LockOwner>,
        reply: fuser::ReplyWrite,
    ) {
        self.server.withhold(self.which);
        let written = self.server.lock().write(ino.0, offset, data);
        match written {
            Ok(()) => {
                self.memory().written.insert(fh.0);
                reply.written(u32::try_from(data.len()).unwrap_or(u32::MAX));
            }
            Err(raw) => reply.error(errno(raw)),
        }
    }

    fn flush(
        &self,
        _: &Request,
        _: INodeNo,
        fh: FileHandle,
        _: fuser::LockOwner,
        reply: fuser::ReplyEmpty,
    ) {
        self.server.withhold(self.which);
        let written = self.memory().written.contains(&fh.0);
        let late = self.server.lock().manner.close_errno.filter(|_| written);
        Self::done(late.map_or(Ok(()), Err), reply);
    }

    fn release(
        &self,
        _: &Request,
        ino: INodeNo,
        fh: FileHandle,
        _: fuser::OpenFlags,
        _: Option<fuser::LockOwner>,
        _: bool,
        reply: fuser::ReplyEmpty,
    ) {
        self.memory().written.remove(&fh.0);
        let mut state = self.server.lock();
        if let Some(node) = state.nodes.get_mut(&ino.0) {
            node.open = node.open.saturating_sub(1);
        }
        state.forget(ino.0);
        reply.ok();
    }

    fn fsync(&self, _: &Request, _: INodeNo, _: FileHandle, _: bool, reply: fuser::ReplyEmpty) {
        self.server.withhold(self.which);
        reply.ok();
    }

    fn fsyncdir(&self, _: &Request, _: INodeNo, _: FileHandle, _: bool, reply: fuser::ReplyEmpty) {
        self.server.withhold(self.which);
        reply.ok();
    }

    fn opendir(&self, _: &Request, ino: INodeNo, _: fuser::OpenFlags, reply: fuser::ReplyOpen) {
        self.server.withhold(self.which);
        let cached = self.server.lock().manner.listing == Listing::Kernel;
        let listing = match self.listing(ino.0) {
            Ok(listing) => listing,
            Err(error) => return reply.error(error),
        };
        let mut memory = self.memory();
        memory.last += 1;
        let handle = memory.last;
        memory.reading.insert(handle, listing);
        let flags = if cached {
            FopenFlags::FOPEN_CACHE_DIR | FopenFlags::FOPEN_KEEP_CACHE
        } else {
            FopenFlags::empty()
        };
        reply.opened(FileHandle(handle), flags);
    }

    fn readdir(
        &self,
        _: &Request,
        ino: INodeNo,
        fh: FileHandle,
        offset: u64,
        mut reply: fuser::ReplyDirectory,
    ) {
        self.server.withhold(self.which);
        let names = self
            .memory()
            .reading
            .get(&fh.0)
            .cloned()
            .unwrap_or_default();
        let mut entries = vec![
            (OsString::from("."), ino.0, FileType::Directory),
            (OsString::from(".."), ino.0, FileType::Directory),
        ];
        {
            let state = self.server.lock();
            for (name, ino) in names {
                let node = state.nodes.get(&ino);
                let kind = node.map_or(FileType::RegularFile, |node| kind_of(&node.kind));
                entries.push((name, ino, kind));
            }
        }
        let from = usize::try_from(offset).unwrap_or(usize::MAX);
        for (index, (name, ino, kind)) in entries.into_iter().enumerate().skip(from) {
            let next = u64::try_from(index + 1).unwrap_or(u64::MAX);
            if reply.add(INodeNo(ino), next, kind, &name) {
                break;
            }
        }
        reply.ok();
    }

    fn releasedir(
        &self,
        _: &Request,
        _: INodeNo,
        fh: FileHandle,
        _: fuser::OpenFlags,
        reply: fuser::ReplyEmpty,
    ) {
        self.memory().reading.remove(&fh.0);
        reply.ok();
    }

    fn statfs(&self, _: &Request, _: INodeNo, reply: fuser::ReplyStatfs) {
        self.server.withhold(self.which);
        let free = if self.server.lock().manner.full {
            0
        } else {
            1 << 22
        };
        reply.statfs(1 << 23, free, free, 1 << 20, 1 << 19, 4096, 255, 4096);
    }
}
