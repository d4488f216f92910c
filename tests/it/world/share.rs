//! A share seen by one process, whose calls can go wrong.

use std::collections::HashMap;
use std::io::Read;
use std::sync::Arc;
use std::sync::Mutex;

use dispatch::clock::BootTime;
use dispatch::clock::Clock;
use dispatch::clock::ManualClock;
use dispatch::clock::SystemClock;
use dispatch::clock::Timestamp;
use dispatch::entry::ClaimName;
use dispatch::entry::QueuedName;
use dispatch::place::Place;
use dispatch::share::Attributes;
use dispatch::share::Listed;
use dispatch::share::Share;
use dispatch::share::ShareError;
use dispatch::stage;
use dispatch::stage::Move;
use nix::errno::Errno;

use super::life::Callee;
use super::life::Life;
use super::life::Way;

/// A share seen by one process.
pub struct FaultShare {
    inner: Arc<dyn Share>,
    life: Arc<Life>,
    clock: Arc<ManualClock>,
    /// What this process saw of a folder, and did not change since.
    seen: Mutex<HashMap<String, Vec<Listed>>>,
}

/// Where a manual clock begins.
const BEGAN: BootTime = BootTime(1_000_000);

fn error(action: &'static str, object: &str, errno: Errno) -> ShareError {
    ShareError {
        action,
        object: object.to_owned(),
        errno: errno as i32,
        why: None,
    }
}

impl FaultShare {
    pub fn over(inner: Arc<dyn Share>, life: Arc<Life>, clock: Arc<ManualClock>) -> Self {
        Self {
            inner,
            life,
            clock,
            seen: Mutex::default(),
        }
    }

    fn call<T>(
        &self,
        action: &'static str,
        object: &str,
        act: impl FnOnce() -> Result<T, ShareError>,
    ) -> Result<T, ShareError> {
        match self.life.step(Callee::Share, &format!("{action} {object}")) {
            Way::Well | Way::Stale => act(),
            Way::Dead => Err(error(action, object, Errno::EIO)),
            Way::Fail(errno) => Err(error(action, object, errno)),
            Way::DieAfter => {
                let _ = act();
                Err(error(action, object, Errno::EIO))
            }
            Way::DoAndFail(errno) => {
                let _ = act();
                Err(error(action, object, errno))
            }
        }
    }

    /// The folder stamps by the clock of this machine; the server of this world has the world's.
    fn in_this_world(&self, stamp: Timestamp) -> Timestamp {
        // Not the wall clock of a host, which a test may step.
        let passed = self.clock.boot().since(BEGAN);
        let now = Timestamp::parse(super::BEGAN).unwrap().plus(passed);
        let shift = now.unix() - SystemClock.wall().unix();
        Timestamp::from_unix(stamp.unix() + shift)
    }

    fn changed(&self, at: &Place) {
        self.seen.lock().unwrap().remove(&at.path());
    }
}

/// Holds the move of a task file against the table of legal moves; only a pool gives back.
fn check_move(from: (&Place, &str), to: &Place) {
    let (Place::Stage(lane, source), Place::Stage(_, target)) = (from.0, to) else {
        return;
    };
    let is_task = ClaimName::parse(from.1).is_some() || QueuedName::parse(from.1).is_some();
    let mut moves = Move::ALL
        .iter()
        .filter(|by| lane.pool().is_some() || !matches!(by, Move::Return | Move::Adopt));
    assert!(
        !is_task || moves.any(|by| stage::next(*source, *by) == Some(*target)),
        "no move leads {} from {source} to {target}",
        from.1
    );
}

impl Share for FaultShare {
    fn list(&self, at: &Place) -> Result<Vec<Listed>, ShareError> {
        let path = at.path();
        match self.life.step(Callee::Share, &format!("list {path}")) {
            Way::Stale => {
                let seen = self.seen.lock().unwrap().get(&path).cloned();
                seen.map_or_else(|| self.inner.list(at), Ok)
            }
            Way::Well => {
                let listed = self.inner.list(at)?;
                self.seen.lock().unwrap().insert(path, listed.clone());
                Ok(listed)
            }
            Way::Fail(errno) | Way::DoAndFail(errno) => Err(error("list", &path, errno)),
            Way::Dead | Way::DieAfter => Err(error("list", &path, Errno::EIO)),
        }
    }

    fn list_part(&self, at: &Place, max: usize) -> Result<(Vec<Listed>, bool), ShareError> {
        let path = at.path();
        match self.life.step(Callee::Share, &format!("list {path}")) {
            Way::Stale => {
                let seen = self.seen.lock().unwrap().get(&path).cloned();
                seen.map_or_else(|| self.inner.list_part(at, max), |seen| Ok((seen, false)))
            }
            Way::Well => {
                let (listed, is_part) = self.inner.list_part(at, max)?;
                self.seen.lock().unwrap().insert(path, listed.clone());
                Ok((listed, is_part))
            }
            Way::Fail(errno) | Way::DoAndFail(errno) => Err(error("list", &path, errno)),
            Way::Dead | Way::DieAfter => Err(error("list", &path, Errno::EIO)),
        }
    }

    fn create(&self, at: &Place, name: &str, bytes: &[u8]) -> Result<(), ShareError> {
        self.changed(at);
        self.call("create", name, || self.inner.create(at, name, bytes))
    }

    fn create_from(&self, at: &Place, name: &str, from: &mut dyn Read) -> Result<u64, ShareError> {
        self.changed(at);
        self.call("create", name, || self.inner.create_from(at, name, from))
    }

    fn rename(&self, from: (&Place, &str), to: (&Place, &str)) -> Result<(), ShareError> {
        check_move(from, to.0);
        self.changed(from.0);
        self.changed(to.0);
        let what = format!("{}{} {}{}", from.0, from.1, to.0, to.1);
        self.call("rename", &what, || self.inner.rename(from, to))
    }

    fn rename_raw(&self, from: (&Place, &[u8]), to: (&Place, &str)) -> Result<(), ShareError> {
        self.changed(from.0);
        self.changed(to.0);
        self.call("rename", to.1, || self.inner.rename_raw(from, to))
    }

    fn read(&self, at: &Place, name: &str, max: usize) -> Result<Vec<u8>, ShareError> {
        self.call("read", name, || self.inner.read(at, name, max))
    }

    fn open(&self, at: &Place, name: &str) -> Result<Box<dyn Read + Send>, ShareError> {
        self.call("open", name, || self.inner.open(at, name))
    }

    fn peek(&self, at: &Place, name: &str, max: usize) -> Result<Vec<u8>, ShareError> {
        self.call("peek", name, || self.inner.peek(at, name, max))
    }

    fn remove(&self, at: &Place, name: &str) -> Result<(), ShareError> {
        self.changed(at);
        self.call("remove", name, || self.inner.remove(at, name))
    }

    fn make_dir(&self, at: &Place) -> Result<(), ShareError> {
        self.call("make", &at.path(), || self.inner.make_dir(at))
    }

    fn remove_dir(&self, at: &Place) -> Result<(), ShareError> {
        self.call("remove", &at.path(), || self.inner.remove_dir(at))
    }

    fn sync(&self, at: &Place) -> Result<(), ShareError> {
        self.call("sync", &at.path(), || self.inner.sync(at))
    }

    fn beat(&self, at: &Place, name: &str, bytes: &[u8]) -> Result<(), ShareError> {
        self.call("beat", name, || self.inner.beat(at, name, bytes))
    }

    fn extend(&self, at: &Place, name: &str, offset: u64, bytes: &[u8]) -> Result<(), ShareError> {
        self.call("extend", name, || {
            self.inner.extend(at, name, offset, bytes)
        })
    }

    fn attributes(&self, at: &Place, name: &str) -> Result<Attributes, ShareError> {
        let seen = self.call("stat", name, || self.inner.attributes(at, name))?;
        Ok(Attributes {
            changed: self.in_this_world(seen.changed),
            ..seen
        })
    }

    fn server_time(&self, at: &Place, scratch: &str) -> Result<Timestamp, ShareError> {
        let now = self.call("time", scratch, || self.inner.server_time(at, scratch))?;
        Ok(self.in_this_world(now))
    }

    fn free_bytes(&self) -> Result<u64, ShareError> {
        self.call("free", "", || self.inner.free_bytes())
    }

    fn title(&self) -> String {
        self.inner.title()
    }

    fn anchor(&self) -> Result<(), ShareError> {
        self.inner.anchor()
    }
}
