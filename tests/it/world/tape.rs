//! A journal in memory that a crash robs of what was not synced.

use std::sync::Arc;
use std::sync::Mutex;

use dispatch::disk;
use dispatch::journal::Tape;

use super::life::Callee;
use super::life::Life;
use super::life::Way;

/// What of the unsynced bytes is there after a crash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// Nothing: the host lost power.
    Nothing,
    /// Everything: only the process died.
    Everything,
    /// Half of it: torn.
    Half,
}

#[derive(Debug, Default)]
struct Bytes {
    durable: Vec<u8>,
    pending: Vec<u8>,
}

/// The medium: it survives every process.
#[derive(Debug, Clone, Default)]
pub struct Medium(Arc<Mutex<Bytes>>);

impl Medium {
    /// What a crash leaves.
    pub fn crash(&self, kept: Kept) {
        let mut bytes = self.0.lock().unwrap();
        let pending = std::mem::take(&mut bytes.pending);
        let keep = match kept {
            Kept::Nothing => 0,
            Kept::Everything => pending.len(),
            Kept::Half => pending.len() / 2,
        };
        bytes.durable.extend_from_slice(&pending[..keep]);
    }

    /// What a power cut would leave now.
    pub fn durable(&self) -> Vec<u8> {
        self.0.lock().unwrap().durable.clone()
    }

    /// Forgets everything.
    pub fn wipe(&self) {
        *self.0.lock().unwrap() = Bytes::default();
    }

    /// What another process reads now.
    pub fn written(&self) -> Vec<u8> {
        let bytes = self.0.lock().unwrap();
        [bytes.durable.clone(), bytes.pending.clone()].concat()
    }

    /// Opens it for one process.
    pub fn reel(&self, life: Arc<Life>) -> (Box<dyn Tape>, Vec<u8>) {
        let reel = Reel {
            medium: self.clone(),
            life,
        };
        (Box::new(reel), self.durable())
    }
}

struct Reel {
    medium: Medium,
    life: Arc<Life>,
}

impl Reel {
    fn call(&self, what: &'static str, act: impl FnOnce(&mut Bytes)) -> Result<(), disk::Error> {
        let failed = Err(disk::Error::Io {
            action: what,
            path: "journal".into(),
            source: std::io::ErrorKind::BrokenPipe.into(),
        });
        let mut bytes = self.medium.0.lock().unwrap();
        match self.life.step(Callee::Tape, what) {
            Way::Well | Way::Stale => {
                act(&mut bytes);
                Ok(())
            }
            Way::DieAfter | Way::DoAndFail(_) => {
                act(&mut bytes);
                failed
            }
            Way::Dead | Way::Fail(_) => failed,
        }
    }
}

impl Tape for Reel {
    fn append(&mut self, added: &[u8]) -> Result<(), disk::Error> {
        self.call("append", |bytes| bytes.pending.extend_from_slice(added))
    }

    fn sync(&mut self) -> Result<(), disk::Error> {
        self.call("sync", |bytes| {
            let pending = std::mem::take(&mut bytes.pending);
            bytes.durable.extend(pending);
        })
    }

    fn replace(&mut self, whole: &[u8]) -> Result<(), disk::Error> {
        self.call("replace", |bytes| {
            bytes.durable = whole.to_vec();
            bytes.pending.clear();
        })
    }
}
