//! A server whose clock ticks slowly, and clients that believe a listing as long as the folder's change time stays the
//! same: what NFSv3 does (measured). Only listings are cached; time is the world's.

use std::collections::HashMap;
use std::io::Read;
use std::sync::Arc;
use std::sync::Mutex;

use dispatch::clock::Clock;
use dispatch::clock::Timestamp;
use dispatch::place::Place;
use dispatch::share::Attributes;
use dispatch::share::Listed;
use dispatch::share::Share;
use dispatch::share::ShareError;

/// The one server.
pub struct Server {
    inner: Arc<dyn Share>,
    clock: Arc<dyn Clock>,
    /// When each folder was last changed.
    changed: Mutex<HashMap<String, Stamp>>,
}

/// Ticks since boot.
type Stamp = u128;

impl Server {
    /// Puts the server before a share.
    pub fn over(inner: Arc<dyn Share>, clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self {
            inner,
            clock,
            changed: Mutex::default(),
        })
    }

    /// Mounts it once more.
    pub fn client(self: &Arc<Self>) -> Arc<dyn Share> {
        Arc::new(Client {
            server: self.clone(),
            kept: Mutex::default(),
        })
    }

    /// Ticks of ten milliseconds, as of a kernel at 100 Hz.
    fn now(&self) -> Stamp {
        let start = dispatch::clock::BootTime::default();
        self.clock.boot().since(start).as_millis() / 10
    }

    fn touch(&self, at: &Place) {
        let now = self.now();
        self.changed.lock().unwrap().insert(at.path(), now);
    }

    fn stamp(&self, at: &Place) -> Stamp {
        *self.changed.lock().unwrap().entry(at.path()).or_default()
    }
}

/// One host's mount of it.
struct Client {
    server: Arc<Server>,
    kept: Mutex<HashMap<String, (Stamp, Vec<Listed>)>>,
}

impl Client {
    /// An own change: this client knows that what it keeps is old.
    fn change(&self, at: &Place) {
        self.kept.lock().unwrap().remove(&at.path());
        self.server.touch(at);
    }
}

impl Share for Client {
    fn list(&self, at: &Place) -> Result<Vec<Listed>, ShareError> {
        let stamp = self.server.stamp(at);
        if let Some((kept, listing)) = self.kept.lock().unwrap().get(&at.path())
            && *kept == stamp
        {
            return Ok(listing.clone());
        }
        let listing = self.server.inner.list(at)?;
        let kept = (stamp, listing.clone());
        self.kept.lock().unwrap().insert(at.path(), kept);
        Ok(listing)
    }

    fn create(&self, at: &Place, name: &str, bytes: &[u8]) -> Result<(), ShareError> {
        self.change(at);
        self.server.inner.create(at, name, bytes)
    }

    fn create_from(&self, at: &Place, name: &str, from: &mut dyn Read) -> Result<u64, ShareError> {
        self.change(at);
        self.server.inner.create_from(at, name, from)
    }

    fn rename(&self, from: (&Place, &str), to: (&Place, &str)) -> Result<(), ShareError> {
        self.change(from.0);
        self.change(to.0);
        self.server.inner.rename(from, to)
    }

    fn rename_raw(&self, from: (&Place, &[u8]), to: (&Place, &str)) -> Result<(), ShareError> {
        self.change(from.0);
        self.change(to.0);
        self.server.inner.rename_raw(from, to)
    }

    fn read(&self, at: &Place, name: &str, max: usize) -> Result<Vec<u8>, ShareError> {
        self.server.inner.read(at, name, max)
    }

    fn open(&self, at: &Place, name: &str) -> Result<Box<dyn Read + Send>, ShareError> {
        self.server.inner.open(at, name)
    }

    fn peek(&self, at: &Place, name: &str, max: usize) -> Result<Vec<u8>, ShareError> {
        self.server.inner.peek(at, name, max)
    }

    fn remove(&self, at: &Place, name: &str) -> Result<(), ShareError> {
        self.change(at);
        self.server.inner.remove(at, name)
    }

    fn make_dir(&self, at: &Place) -> Result<(), ShareError> {
        self.server.inner.make_dir(at)
    }

    fn remove_dir(&self, at: &Place) -> Result<(), ShareError> {
        self.server.inner.remove_dir(at)
    }

    fn sync(&self, at: &Place) -> Result<(), ShareError> {
        self.server.inner.sync(at)
    }

    fn beat(&self, at: &Place, name: &str, bytes: &[u8]) -> Result<(), ShareError> {
        self.server.inner.beat(at, name, bytes)
    }

    fn extend(&self, at: &Place, name: &str, offset: u64, bytes: &[u8]) -> Result<(), ShareError> {
        self.server.inner.extend(at, name, offset, bytes)
    }

    fn attributes(&self, at: &Place, name: &str) -> Result<Attributes, ShareError> {
        self.server.inner.attributes(at, name)
    }

    fn server_time(&self, at: &Place, scratch: &str) -> Result<Timestamp, ShareError> {
        self.change(at);
        self.server.inner.server_time(at, scratch)
    }

    fn free_bytes(&self) -> Result<u64, ShareError> {
        self.server.inner.free_bytes()
    }

    fn title(&self) -> String {
        self.server.inner.title()
    }
}
