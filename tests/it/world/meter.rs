//! A share that counts: calls by kind, names that listings showed, and what a Linux client would send to an NFSv4.2
//! server for them.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::io::Read;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use dispatch::clock::Timestamp;
use dispatch::place::Place;
use dispatch::share::Attributes;
use dispatch::share::Listed;
use dispatch::share::Share;
use dispatch::share::ShareError;

/// Names in one READDIR (measured: 700 to 1200 at 128 KiB).
const NAMES_PER_REPLY: usize = 700;

/// What was asked of a share.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bill {
    /// Calls, by kind and folder.
    pub calls: BTreeMap<String, usize>,
    /// Names that listings showed.
    pub names: usize,
    /// Remote calls that a client of NFSv4.2 makes for them.
    pub remote: usize,
}

impl Bill {
    /// Returns the calls of one kind.
    pub fn of(&self, kind: &str) -> usize {
        let calls = self.calls.iter();
        calls
            .filter(|(call, _)| call.split(' ').next() == Some(kind))
            .map(|(_, count)| count)
            .sum()
    }

    /// Returns all calls.
    pub fn all(&self) -> usize {
        self.calls.values().sum()
    }
}

/// A share that counts what is asked of it.
pub struct Meter {
    inner: Arc<dyn Share>,
    bill: Mutex<Bill>,
    /// What this client keeps of folders.
    kept: Mutex<HashMap<String, Vec<Listed>>>,
    /// How much later it is at the server than it is.
    later: Mutex<Duration>,
    /// Most names that one listing of a part takes, if that is fewer than is asked for.
    most: Mutex<usize>,
}

impl Meter {
    pub fn over(inner: Arc<dyn Share>) -> Arc<Self> {
        Arc::new(Self {
            inner,
            bill: Mutex::default(),
            kept: Mutex::default(),
            later: Mutex::default(),
            most: Mutex::new(usize::MAX),
        })
    }

    /// Lets everything that is there grow older by this much, as the server tells it.
    pub fn age(&self, by: Duration) {
        *self.later.lock().unwrap() += by;
    }

    /// Lets a listing of a part take fewer names than is asked for.
    pub fn narrow(&self, most: usize) {
        *self.most.lock().unwrap() = most;
    }

    /// Returns what was asked since the last time this was asked.
    pub fn bill(&self) -> Bill {
        std::mem::take(&mut self.bill.lock().unwrap())
    }

    fn count(&self, kind: &str, at: &str, remote: usize) {
        let mut bill = self.bill.lock().unwrap();
        *bill.calls.entry(format!("{kind} {at}")).or_default() += 1;
        bill.remote += remote;
    }

    fn change(&self, kind: &str, at: &Place, remote: usize) {
        self.count(kind, &at.path(), remote);
        self.kept.lock().unwrap().remove(&at.path());
    }
}

impl Share for Meter {
    fn list(&self, at: &Place) -> Result<Vec<Listed>, ShareError> {
        let listed = self.inner.list(at);
        let mut remote = 1;
        if let Ok(listed) = &listed {
            let mut sorted = listed.clone();
            sorted.sort();
            self.bill.lock().unwrap().names += listed.len();
            let before = self.kept.lock().unwrap().insert(at.path(), sorted.clone());
            if before.as_ref() != Some(&sorted) {
                remote += listed.len() / NAMES_PER_REPLY + 1;
            }
        }
        self.count("list", &at.path(), remote);
        listed
    }

    fn list_part(&self, at: &Place, max: usize) -> Result<(Vec<Listed>, bool), ShareError> {
        let max = max.min(*self.most.lock().unwrap());
        let mut listed = self.list(at)?;
        let is_part = listed.len() > max;
        listed.truncate(max);
        Ok((listed, is_part))
    }

    fn create(&self, at: &Place, name: &str, bytes: &[u8]) -> Result<(), ShareError> {
        // OPEN, CLOSE, and WRITE where there is something to write.
        self.change("create", at, if bytes.is_empty() { 2 } else { 3 });
        self.inner.create(at, name, bytes)
    }

    fn create_from(&self, at: &Place, name: &str, from: &mut dyn Read) -> Result<u64, ShareError> {
        self.change("create", at, 4);
        self.inner.create_from(at, name, from)
    }

    fn rename(&self, from: (&Place, &str), to: (&Place, &str)) -> Result<(), ShareError> {
        self.kept.lock().unwrap().remove(&to.0.path());
        self.change("rename", from.0, 1);
        self.inner.rename(from, to)
    }

    fn rename_raw(&self, from: (&Place, &[u8]), to: (&Place, &str)) -> Result<(), ShareError> {
        self.kept.lock().unwrap().remove(&to.0.path());
        self.change("rename", from.0, 1);
        self.inner.rename_raw(from, to)
    }

    fn read(&self, at: &Place, name: &str, max: usize) -> Result<Vec<u8>, ShareError> {
        self.count("read", &at.path(), 3);
        self.inner.read(at, name, max)
    }

    fn open(&self, at: &Place, name: &str) -> Result<Box<dyn Read + Send>, ShareError> {
        self.count("open", &at.path(), 3);
        self.inner.open(at, name)
    }

    fn peek(&self, at: &Place, name: &str, max: usize) -> Result<Vec<u8>, ShareError> {
        self.count("peek", &at.path(), 3);
        self.inner.peek(at, name, max)
    }

    fn remove(&self, at: &Place, name: &str) -> Result<(), ShareError> {
        self.change("remove", at, 1);
        self.inner.remove(at, name)
    }

    fn make_dir(&self, at: &Place) -> Result<(), ShareError> {
        self.count("make", &at.path(), 2);
        self.inner.make_dir(at)
    }

    fn remove_dir(&self, at: &Place) -> Result<(), ShareError> {
        self.count("remove_dir", &at.path(), 1);
        self.inner.remove_dir(at)
    }

    fn sync(&self, at: &Place) -> Result<(), ShareError> {
        self.count("sync", &at.path(), 1);
        self.inner.sync(at)
    }

    fn beat(&self, at: &Place, name: &str, bytes: &[u8]) -> Result<(), ShareError> {
        self.count("beat", &at.path(), 2);
        self.inner.beat(at, name, bytes)
    }

    fn extend(&self, at: &Place, name: &str, offset: u64, bytes: &[u8]) -> Result<(), ShareError> {
        self.count("extend", &at.path(), 4);
        self.inner.extend(at, name, offset, bytes)
    }

    fn attributes(&self, at: &Place, name: &str) -> Result<Attributes, ShareError> {
        self.count("stat", &at.path(), 2);
        self.inner.attributes(at, name)
    }

    fn server_time(&self, at: &Place, scratch: &str) -> Result<Timestamp, ShareError> {
        self.change("time", at, 5);
        let later = *self.later.lock().unwrap();
        Ok(self.inner.server_time(at, scratch)?.plus(later))
    }

    fn free_bytes(&self) -> Result<u64, ShareError> {
        self.count("free", "", 2);
        self.inner.free_bytes()
    }

    fn title(&self) -> String {
        self.inner.title()
    }
}
