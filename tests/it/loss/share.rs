//! A real folder whose server can go away, or take nothing.

use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::sync::Condvar;
use std::sync::Mutex;

use dispatch::clock::Clock;
use dispatch::clock::ManualClock;
use dispatch::clock::Timestamp;
use dispatch::place::Place;
use dispatch::share::Attributes;
use dispatch::share::FolderShare;
use dispatch::share::Listed;
use dispatch::share::Share;
use dispatch::share::ShareError;
use nix::errno::Errno;

/// What the server does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mood {
    /// It answers.
    #[default]
    Well,
    /// It does not.
    Gone,
    /// It takes nothing.
    Refuses(Errno),
    /// It takes names and no bytes.
    Full(Errno),
}

/// A real folder.
pub struct LossyShare {
    inner: FolderShare,
    clock: Arc<ManualClock>,
    began: (Timestamp, dispatch::clock::BootTime),
    mood: Mutex<Mood>,
    moved: Condvar,
}

/// What a call does to the share.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Does {
    Read,
    Name,
    Bytes,
}

type Done<T> = Result<T, ShareError>;

impl LossyShare {
    pub fn at(root: &Path, clock: Arc<ManualClock>) -> Self {
        Self {
            inner: FolderShare::at(root),
            began: (clock.wall(), clock.boot()),
            clock,
            mood: Mutex::default(),
            moved: Condvar::new(),
        }
    }

    pub fn turn(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
        self.moved.notify_all();
    }

    fn go(&self, does: Does) -> Done<()> {
        let mood = self.mood.lock().unwrap();
        let mood = *self
            .moved
            .wait_while(mood, |mood| *mood == Mood::Gone)
            .unwrap();
        let errno = match mood {
            Mood::Refuses(errno) if does != Does::Read => errno,
            Mood::Full(errno) if does == Does::Bytes => errno,
            _ => return Ok(()),
        };
        Err(ShareError {
            action: "write",
            object: "it".to_owned(),
            errno: errno as i32,
            why: None,
        })
    }

    /// The server has the clock of this world, whatever is done to that of a host.
    fn now(&self) -> Timestamp {
        self.began.0.plus(self.clock.boot().since(self.began.1))
    }
}

impl Share for LossyShare {
    fn list(&self, at: &Place) -> Done<Vec<Listed>> {
        self.go(Does::Read)?;
        self.inner.list(at)
    }
    fn create(&self, at: &Place, name: &str, bytes: &[u8]) -> Done<()> {
        self.go(if bytes.is_empty() {
            Does::Name
        } else {
            Does::Bytes
        })?;
        self.inner.create(at, name, bytes)
    }
    fn create_from(&self, at: &Place, name: &str, from: &mut dyn Read) -> Done<u64> {
        self.go(Does::Bytes)?;
        self.inner.create_from(at, name, from)
    }
    fn rename(&self, from: (&Place, &str), to: (&Place, &str)) -> Done<()> {
        self.go(Does::Name)?;
        self.inner.rename(from, to)
    }
    fn rename_raw(&self, from: (&Place, &[u8]), to: (&Place, &str)) -> Done<()> {
        self.go(Does::Name)?;
        self.inner.rename_raw(from, to)
    }
    fn read(&self, at: &Place, name: &str, max: usize) -> Done<Vec<u8>> {
        self.go(Does::Read)?;
        self.inner.read(at, name, max)
    }
    fn open(&self, at: &Place, name: &str) -> Done<Box<dyn Read + Send>> {
        self.go(Does::Read)?;
        self.inner.open(at, name)
    }
    fn peek(&self, at: &Place, name: &str, max: usize) -> Done<Vec<u8>> {
        self.go(Does::Read)?;
        self.inner.peek(at, name, max)
    }
    fn remove(&self, at: &Place, name: &str) -> Done<()> {
        self.go(Does::Name)?;
        self.inner.remove(at, name)
    }
    fn make_dir(&self, at: &Place) -> Done<()> {
        self.go(Does::Name)?;
        self.inner.make_dir(at)
    }
    fn remove_dir(&self, at: &Place) -> Done<()> {
        self.go(Does::Name)?;
        self.inner.remove_dir(at)
    }
    fn sync(&self, at: &Place) -> Done<()> {
        self.go(Does::Read)?;
        self.inner.sync(at)
    }
    fn beat(&self, at: &Place, name: &str, bytes: &[u8]) -> Done<()> {
        // In place: a full server takes it.
        self.go(Does::Name)?;
        self.inner.beat(at, name, bytes)
    }
    fn extend(&self, at: &Place, name: &str, offset: u64, bytes: &[u8]) -> Done<()> {
        self.go(Does::Bytes)?;
        self.inner.extend(at, name, offset, bytes)
    }
    fn attributes(&self, at: &Place, name: &str) -> Done<Attributes> {
        self.go(Does::Read)?;
        let changed = self.now();
        Ok(Attributes {
            changed,
            ..self.inner.attributes(at, name)?
        })
    }
    fn server_time(&self, at: &Place, scratch: &str) -> Done<Timestamp> {
        self.go(Does::Name)?;
        self.inner.server_time(at, scratch)?;
        Ok(self.now())
    }
    fn free_bytes(&self) -> Done<u64> {
        self.go(Does::Read)?;
        self.inner.free_bytes()
    }
    fn title(&self) -> String {
        self.inner.title()
    }
    fn anchor(&self) -> Done<()> {
        self.inner.anchor()
    }
}
