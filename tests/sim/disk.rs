//! The local disk of a host, as far as the journal needs one: it keeps what was synced, and of the rest what it likes.

use std::sync::Arc;

use dispatch::disk;
use dispatch::journal::Tape;

use crate::world::World;

/// What the journal wrote.
#[derive(Debug, Default)]
pub struct Disk {
    pub durable: Vec<u8>,
    pub pending: Vec<u8>,
    /// Whether a write failed since the process began: its journal then stops it.
    pub has_failed: bool,
}

impl Disk {
    /// The process is gone and the kernel is not: everything written is there.
    pub fn process_died(&mut self) {
        let pending = std::mem::take(&mut self.pending);
        self.durable.extend(pending);
    }

    /// Nothing, half, or all of what was not synced is there.
    pub fn power_cut(&mut self, kept: u64) {
        let pending = std::mem::take(&mut self.pending);
        let keep = match kept {
            0 => 0,
            1 => pending.len() / 2,
            _ => pending.len(),
        };
        self.durable.extend_from_slice(&pending[..keep]);
    }
}

/// The journal of a host, in the hands of one process.
pub struct SimTape {
    pub world: Arc<World>,
    pub host: usize,
}

impl SimTape {
    fn call(&self, what: &'static str, act: impl FnOnce(&mut Disk)) -> Result<(), disk::Error> {
        self.world.call(|| format!("journal {what}"));
        let mut state = self.world.state();
        let rate = state.plan.rates.disk_fails;
        let is_done = if state.goes_wrong(rate) {
            state.cover("local disk fails", || what.to_owned());
            let host = &mut state.hosts[self.host];
            host.disk.has_failed = true;
            state.dice.once_in(2)
        } else {
            act(&mut state.hosts[self.host].disk);
            drop(state);
            self.world.called();
            return Ok(());
        };
        if is_done {
            act(&mut state.hosts[self.host].disk);
        }
        Err(disk::Error::Io {
            action: what,
            path: "journal".into(),
            source: std::io::ErrorKind::StorageFull.into(),
        })
    }
}

impl Tape for SimTape {
    fn append(&mut self, bytes: &[u8]) -> Result<(), disk::Error> {
        self.call("append", |disk| disk.pending.extend_from_slice(bytes))
    }

    fn sync(&mut self) -> Result<(), disk::Error> {
        self.call("sync", |disk| {
            let pending = std::mem::take(&mut disk.pending);
            disk.durable.extend(pending);
        })
    }

    fn replace(&mut self, bytes: &[u8]) -> Result<(), disk::Error> {
        self.call("replace", |disk| {
            disk.durable = bytes.to_vec();
            disk.pending.clear();
        })
    }
}
