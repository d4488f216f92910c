//! A share that is waited for, but not for ever: every call of another share, made by a thread that may hang.
//!
//! A call that did not return in time fails with ETIMEDOUT, which is an unknown outcome like any other (R3): it may
//! happen later. Whatever is read or written in pieces is bounded by the piece, not by the whole. A crash leaves what
//! the call itself leaves.

use std::io::Read;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::mpsc::Receiver;
use std::sync::mpsc::Sender;
use std::sync::mpsc::channel;
use std::time::Duration;

use super::Attributes;
use super::Hang;
use super::Listed;
use super::Share;
use super::ShareError;
use super::errand::Errand;
use super::errand::Heard;
use super::folder::object;
use crate::clock::Clock;
use crate::clock::Timestamp;
use crate::place::Place;

/// Bytes that go to or come from the share by one call of a stream.
const PIECE: usize = 256 * 1024;

/// A share whose calls are waited for at most so long.
#[derive(Clone)]
pub struct PatientShare {
    inner: Arc<dyn Share>,
    errand: Arc<Errand>,
}

impl PatientShare {
    /// Puts a bound on another share. Nothing is touched yet.
    #[must_use]
    pub fn over(inner: Arc<dyn Share>, clock: Arc<dyn Clock>, patience: Duration) -> Self {
        let errand = Arc::new(Errand::new(clock, patience));
        Self { inner, errand }
    }

    /// Waits at most so long for each call from now on.
    pub fn wait_at_most(&self, patience: Duration) {
        self.errand.wait_at_most(patience);
    }

    /// Gives up early from now on, also what is waited for at this moment: the process is to end.
    pub fn hurry(&self) {
        self.errand.hurry();
    }

    /// Returns how many calls have returned so far: as long as it grows, the share is slow and not lost.
    #[must_use]
    pub fn returned(&self) -> u64 {
        self.errand.returned()
    }

    /// Does something else that touches the share, under the same bound.
    ///
    /// # Errors
    /// [`ShareError`]: it did not return in time, and may still happen.
    pub fn errand<T: Send + 'static>(
        &self,
        action: &'static str,
        object: &str,
        act: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, ShareError> {
        self.errand.run(action, &|| object.to_owned(), act)
    }

    fn call<T: Send + 'static>(
        &self,
        action: &'static str,
        (at, name): (&Place, &str),
        act: impl FnOnce(&dyn Share, &Place, &str) -> Result<T, ShareError> + Send + 'static,
    ) -> Result<T, ShareError> {
        let inner = Arc::clone(&self.inner);
        let (place, file) = (at.clone(), name.to_owned());
        let shown = || object(at, name.as_bytes());
        self.errand
            .run(action, &shown, move || act(&*inner, &place, &file))?
    }
}

impl Share for PatientShare {
    fn list(&self, at: &Place) -> Result<Vec<Listed>, ShareError> {
        self.call("list", (at, ""), |share, at, _| share.list(at))
    }

    fn list_part(&self, at: &Place, max: usize) -> Result<(Vec<Listed>, bool), ShareError> {
        self.call("list", (at, ""), move |share, at, _| {
            share.list_part(at, max)
        })
    }

    fn create(&self, at: &Place, name: &str, bytes: &[u8]) -> Result<(), ShareError> {
        let bytes = bytes.to_vec();
        self.call("create", (at, name), move |share, at, name| {
            share.create(at, name, &bytes)
        })
    }

    fn create_from(&self, at: &Place, name: &str, from: &mut dyn Read) -> Result<u64, ShareError> {
        let inner = Arc::clone(&self.inner);
        let (place, file) = (at.clone(), name.to_owned());
        let shown = || object(at, name.as_bytes());
        let (give, pieces) = channel();
        let act = move |ask: Sender<Heard<_>>| {
            let want = move || ask.send(Heard::Wants).is_ok();
            let mut pipe = Pipe {
                want,
                pieces,
                piece: Vec::new(),
                read: 0,
            };
            inner.create_from(&place, &file, &mut pipe)
        };
        self.errand.talk("create", &shown, act, || {
            let mut piece = Vec::new();
            let read = from.take(PIECE as u64).read_to_end(&mut piece);
            // Nobody takes it any more where the call failed meanwhile.
            let _ = give.send(read.map(|_| piece));
        })?
    }

    fn rename(&self, from: (&Place, &str), to: (&Place, &str)) -> Result<(), ShareError> {
        let (place, target) = (to.0.clone(), to.1.to_owned());
        self.call("rename", from, move |share, at, name| {
            share.rename((at, name), (&place, &target))
        })
    }

    fn rename_raw(&self, from: (&Place, &[u8]), to: (&Place, &str)) -> Result<(), ShareError> {
        let (place, target, name) = (to.0.clone(), to.1.to_owned(), from.1.to_vec());
        self.call("rename", (from.0, ""), move |share, at, _| {
            share.rename_raw((at, &name), (&place, &target))
        })
    }

    fn read(&self, at: &Place, name: &str, max: usize) -> Result<Vec<u8>, ShareError> {
        self.call("read", (at, name), move |share, at, name| {
            share.read(at, name, max)
        })
    }

    fn open(&self, at: &Place, name: &str) -> Result<Box<dyn Read + Send>, ShareError> {
        let reader = self.call("open", (at, name), |share, at, name| share.open(at, name))?;
        Ok(Box::new(Reader {
            errand: Arc::clone(&self.errand),
            object: object(at, name.as_bytes()),
            inner: Some(Arc::new(Mutex::new(reader))),
            failed: None,
        }))
    }

    fn peek(&self, at: &Place, name: &str, max: usize) -> Result<Vec<u8>, ShareError> {
        self.call("read", (at, name), move |share, at, name| {
            share.peek(at, name, max)
        })
    }

    fn remove(&self, at: &Place, name: &str) -> Result<(), ShareError> {
        self.call("remove", (at, name), |share, at, name| {
            share.remove(at, name)
        })
    }

    fn make_dir(&self, at: &Place) -> Result<(), ShareError> {
        self.call("make", (at, ""), |share, at, _| share.make_dir(at))
    }

    fn remove_dir(&self, at: &Place) -> Result<(), ShareError> {
        self.call("remove", (at, ""), |share, at, _| share.remove_dir(at))
    }

    fn sync(&self, at: &Place) -> Result<(), ShareError> {
        self.call("sync", (at, ""), |share, at, _| share.sync(at))
    }

    fn beat(&self, at: &Place, name: &str, bytes: &[u8]) -> Result<(), ShareError> {
        let bytes = bytes.to_vec();
        self.call("write", (at, name), move |share, at, name| {
            share.beat(at, name, &bytes)
        })
    }

    fn extend(&self, at: &Place, name: &str, offset: u64, bytes: &[u8]) -> Result<(), ShareError> {
        let bytes = bytes.to_vec();
        self.call("write", (at, name), move |share, at, name| {
            share.extend(at, name, offset, &bytes)
        })
    }

    fn attributes(&self, at: &Place, name: &str) -> Result<Attributes, ShareError> {
        self.call("stat", (at, name), |share, at, name| {
            share.attributes(at, name)
        })
    }

    fn server_time(&self, at: &Place, scratch: &str) -> Result<Timestamp, ShareError> {
        self.call("stat", (at, scratch), |share, at, name| {
            share.server_time(at, name)
        })
    }

    fn free_bytes(&self) -> Result<u64, ShareError> {
        self.call("ask", (&Place::Root, ""), |share, _, _| share.free_bytes())
    }

    fn title(&self) -> String {
        self.inner.title()
    }

    fn anchor(&self) -> Result<(), ShareError> {
        self.call("find", (&Place::Root, ""), |share, _, _| share.anchor())
    }

    fn hang(&self) -> Option<Hang> {
        self.errand.hang()
    }
}

/// What the thread reads from while it writes to the share: each piece is fetched by the one who waits, so that his
/// reader stays in his own thread.
struct Pipe<W> {
    want: W,
    pieces: Receiver<std::io::Result<Vec<u8>>>,
    piece: Vec<u8>,
    read: usize,
}

impl<W: FnMut() -> bool> Read for Pipe<W> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        if self.read == self.piece.len() {
            let gone = || std::io::Error::from(std::io::ErrorKind::TimedOut);
            if !(self.want)() {
                return Err(gone());
            }
            self.piece = self.pieces.recv().map_err(|_| gone())??;
            self.read = 0;
        }
        let left = &self.piece[self.read..];
        let count = left.len().min(into.len());
        into[..count].copy_from_slice(&left[..count]);
        self.read += count;
        Ok(count)
    }
}

/// An open file of the share. Also closing it is left to the thread.
struct Reader {
    errand: Arc<Errand>,
    object: String,
    /// There until it is dropped.
    inner: Option<Arc<Mutex<Box<dyn Read + Send>>>>,
    /// After a piece was given up, what follows it would be the wrong bytes.
    failed: Option<i32>,
}

impl Read for Reader {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        if let Some(errno) = self.failed {
            return Err(std::io::Error::from_raw_os_error(errno));
        }
        let (inner, most) = (self.inner.clone(), into.len().min(PIECE));
        let act = move || {
            let mut piece = vec![0; most];
            let Some(inner) = inner else {
                return Ok(Vec::new());
            };
            let mut inner = inner.lock().unwrap_or_else(PoisonError::into_inner);
            let count = inner.read(&mut piece)?;
            piece.truncate(count);
            Ok::<_, std::io::Error>(piece)
        };
        match self.errand.run("read", &|| self.object.clone(), act) {
            Ok(piece) => {
                let piece = piece?;
                into[..piece.len()].copy_from_slice(&piece);
                Ok(piece.len())
            }
            Err(error) => {
                self.failed = Some(error.errno);
                Err(std::io::Error::from_raw_os_error(error.errno))
            }
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        if let Some(inner) = self.inner.take() {
            self.errand.post(move || drop(inner));
        }
    }
}

#[cfg(test)]
mod tests;
