//! The real folder, with the server's clock moved along with the test's, and with failures on demand.

use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;

use dispatch::clock::Clock;
use dispatch::clock::ManualClock;
use dispatch::clock::SystemClock;
use dispatch::clock::Timestamp;
use dispatch::place::Place;
use dispatch::share::Attributes;
use dispatch::share::EntryKind;
use dispatch::share::FolderShare;
use dispatch::share::Listed;
use dispatch::share::Share;
use dispatch::share::ShareError;
use nix::errno::Errno;

/// Calls of this kind, on objects whose path begins so, fail with this.
pub type Failing = (&'static str, String, Errno);

/// A real folder that can be bent.
pub struct BentShare {
    inner: FolderShare,
    clock: Arc<ManualClock>,
    began: Timestamp,
    /// Seconds by which this world is ahead of the machine it is tested on.
    shift: i64,
    failing: Mutex<Vec<Failing>>,
    is_blind: AtomicBool,
}

impl BentShare {
    /// Bends a folder; both clocks agree at the moment `began` of the test's.
    pub fn at(root: &Path, clock: Arc<ManualClock>, began: Timestamp) -> Self {
        Self {
            inner: FolderShare::at(root),
            began,
            shift: began.unix() - SystemClock.wall().unix(),
            clock,
            failing: Mutex::default(),
            is_blind: AtomicBool::new(false),
        }
    }

    /// Makes calls fail from now on; `write` is every call that changes something.
    pub fn fail(&self, action: &'static str, path: &str, errno: Errno) {
        self.failing
            .lock()
            .unwrap()
            .push((action, path.to_owned(), errno));
    }

    /// Makes everything work again.
    pub fn mend(&self) {
        self.failing.lock().unwrap().clear();
    }

    /// Listings no longer tell what kind an entry is, as on a filesystem that does not know (readdir(3), DT_UNKNOWN).
    pub fn go_blind(&self) {
        self.is_blind.store(true, Ordering::Relaxed);
    }

    fn in_this_world(&self, stamp: Timestamp) -> Timestamp {
        Timestamp::from_unix(stamp.unix() + self.shift)
    }

    /// Removes a file that a test made.
    pub fn clear(&self, path: &Path) {
        nix::unistd::unlink(path).unwrap();
    }

    fn call(&self, action: &'static str, at: &Place, name: &str) -> Result<(), ShareError> {
        let path = format!("{}/{name}", at.path());
        let is_write = !matches!(action, "list" | "read");
        let failing = self.failing.lock().unwrap();
        let found = failing.iter().find(|(what, prefix, _)| {
            (*what == action || (*what == "write" && is_write)) && path.starts_with(prefix)
        });
        found.map_or(Ok(()), |(_, _, errno)| {
            Err(ShareError {
                action,
                object: path.clone(),
                errno: *errno as i32,
                why: None,
            })
        })
    }
}

impl Share for BentShare {
    fn list(&self, at: &Place) -> Result<Vec<Listed>, ShareError> {
        self.call("list", at, "")?;
        let mut found = self.inner.list(at)?;
        if self.is_blind.load(Ordering::Relaxed) {
            found
                .iter_mut()
                .for_each(|entry| entry.kind = EntryKind::File);
        }
        Ok(found)
    }

    fn create(&self, at: &Place, name: &str, bytes: &[u8]) -> Result<(), ShareError> {
        self.call("create", at, name)?;
        self.inner.create(at, name, bytes)
    }

    fn create_from(&self, at: &Place, name: &str, from: &mut dyn Read) -> Result<u64, ShareError> {
        self.call("create", at, name)?;
        self.inner.create_from(at, name, from)
    }

    fn rename(&self, from: (&Place, &str), to: (&Place, &str)) -> Result<(), ShareError> {
        self.call("rename", from.0, from.1)?;
        self.call("rename", to.0, to.1)?;
        self.inner.rename(from, to)
    }

    fn rename_raw(&self, from: (&Place, &[u8]), to: (&Place, &str)) -> Result<(), ShareError> {
        self.call("rename", from.0, &String::from_utf8_lossy(from.1))?;
        self.call("rename", to.0, to.1)?;
        self.inner.rename_raw(from, to)
    }

    fn read(&self, at: &Place, name: &str, max: usize) -> Result<Vec<u8>, ShareError> {
        self.call("read", at, name)?;
        self.inner.read(at, name, max)
    }

    fn open(&self, at: &Place, name: &str) -> Result<Box<dyn Read + Send>, ShareError> {
        self.call("read", at, name)?;
        self.inner.open(at, name)
    }

    fn peek(&self, at: &Place, name: &str, max: usize) -> Result<Vec<u8>, ShareError> {
        self.call("read", at, name)?;
        self.inner.peek(at, name, max)
    }

    fn remove(&self, at: &Place, name: &str) -> Result<(), ShareError> {
        self.call("remove", at, name)?;
        self.inner.remove(at, name)
    }

    fn make_dir(&self, at: &Place) -> Result<(), ShareError> {
        self.call("make", at, "")?;
        self.inner.make_dir(at)
    }

    fn remove_dir(&self, at: &Place) -> Result<(), ShareError> {
        self.call("remove", at, "")?;
        self.inner.remove_dir(at)
    }

    fn sync(&self, at: &Place) -> Result<(), ShareError> {
        self.call("sync", at, "")?;
        self.inner.sync(at)
    }

    fn beat(&self, at: &Place, name: &str, bytes: &[u8]) -> Result<(), ShareError> {
        self.call("beat", at, name)?;
        self.inner.beat(at, name, bytes)
    }

    fn extend(&self, at: &Place, name: &str, offset: u64, bytes: &[u8]) -> Result<(), ShareError> {
        self.call("extend", at, name)?;
        self.inner.extend(at, name, offset, bytes)
    }

    fn attributes(&self, at: &Place, name: &str) -> Result<Attributes, ShareError> {
        self.call("read", at, name)?;
        let seen = self.inner.attributes(at, name)?;
        Ok(Attributes {
            changed: self.in_this_world(seen.changed),
            ..seen
        })
    }

    fn server_time(&self, at: &Place, scratch: &str) -> Result<Timestamp, ShareError> {
        self.call("create", at, scratch)?;
        let seen = self.inner.server_time(at, scratch)?;
        let passed = self.clock.wall().since(self.began);
        Ok(self.in_this_world(seen).plus(passed))
    }

    fn free_bytes(&self) -> Result<u64, ShareError> {
        self.call("list", &Place::Root, "")?;
        self.inner.free_bytes()
    }

    fn title(&self) -> String {
        self.inner.title()
    }

    fn anchor(&self) -> Result<(), ShareError> {
        self.inner.anchor()
    }
}
