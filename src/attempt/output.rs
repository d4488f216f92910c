//! What the agent writes: drained always, kept within its cap, handed line by line to the agent's listener.
//!
//! The log holds complete lines of both streams in the order they were read, those of standard error marked.
//! Its start is written as it comes, so that it can be followed; once the cap is near, the end is held in
//! memory and put behind a marker when the agent is gone. Lines of standard output are read to the last
//! whatever the cap, because the result comes last. Nothing here waits: a full disk cuts the log, never the
//! draining.

use std::collections::VecDeque;
use std::io::Read;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use sha2::Digest as _;

use super::Error;
use super::folder::failed;
use super::folder::set_mode;
use crate::agent::Listener;
use crate::clock::BootTime;
use crate::clock::Clock;
use crate::disk;
use crate::disk::AppendFile;
use crate::id::Digest;
use crate::limits;

/// A line without an end is written to the log in pieces of this size.
const PIECE_BYTES_MAX: usize = 64 * 1024;

/// Bytes of standard error kept for the verdict.
const STDERR_TAIL_BYTES: usize = 16 * 1024;

/// What marks a line of standard error in the log.
const STDERR_MARK: &[u8] = b"stderr: ";

/// Which pipe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}

/// The last bytes of something.
#[derive(Debug)]
struct Tail {
    bytes: VecDeque<u8>,
    max: usize,
    dropped: u64,
}

impl Tail {
    fn new(max: usize) -> Self {
        Self {
            bytes: VecDeque::new(),
            max,
            dropped: 0,
        }
    }

    fn push(&mut self, bytes: &[u8]) {
        let skipped = bytes.len().saturating_sub(self.max);
        self.bytes.extend(&bytes[skipped..]);
        let over = self.bytes.len().saturating_sub(self.max);
        self.bytes.drain(..over);
        self.dropped += u64::try_from(skipped + over).unwrap_or(u64::MAX);
    }

    fn to_vec(&self) -> Vec<u8> {
        self.bytes.iter().copied().collect()
    }
}

/// Cuts a stream into lines at line feeds alone: U+2028 and others may stand inside a JSON string.
#[derive(Debug, Default)]
struct Lines {
    open: Vec<u8>,
    skipping: bool,
    skipped: u64,
}

impl Lines {
    fn push(&mut self, mut chunk: &[u8], line: &mut dyn FnMut(&[u8])) {
        while let Some(end) = chunk.iter().position(|byte| *byte == b'\n') {
            let (head, rest) = chunk.split_at(end);
            self.grow(head);
            if !std::mem::take(&mut self.skipping) {
                line(&self.open);
            }
            self.open.clear();
            chunk = &rest[1..];
        }
        self.grow(chunk);
    }

    fn grow(&mut self, bytes: &[u8]) {
        if self.skipping {
            return;
        }
        if self.open.len() + bytes.len() > limits::LINE_BYTES_MAX {
            self.skipping = true;
            self.skipped += 1;
            self.open = Vec::new();
        } else {
            self.open.extend_from_slice(bytes);
        }
    }

    fn end(&mut self, line: &mut dyn FnMut(&[u8])) {
        if !self.skipping && !self.open.is_empty() {
            line(&self.open);
        }
        self.open = Vec::new();
    }
}

/// The log file.
struct Log {
    file: AppendFile,
    path: PathBuf,
    /// Bytes that still go to the file at once.
    room: usize,
    tail: Tail,
    /// Lines that are not complete yet, per stream.
    open: [Vec<u8>; 2],
    /// The stream whose line is written in part.
    torn: Option<Stream>,
    failed: bool,
}

impl Log {
    fn append(&mut self, bytes: &[u8]) {
        // After an error nothing more: a hole in the middle would not be seen.
        self.failed = self.failed || self.file.append(bytes).is_err();
    }

    fn keep(&mut self, bytes: &[u8]) {
        let (now, later) = bytes.split_at(bytes.len().min(self.room));
        if !now.is_empty() {
            self.append(now);
            self.room -= now.len();
        }
        self.tail.push(later);
    }

    fn push(&mut self, stream: Stream, chunk: &[u8]) {
        let mut open = std::mem::take(&mut self.open[stream as usize]);
        open.extend_from_slice(chunk);
        let whole = match open.iter().rposition(|byte| *byte == b'\n') {
            Some(end) => end + 1,
            None if open.len() > PIECE_BYTES_MAX => open.len(),
            None => 0,
        };
        let rest = open.split_off(whole);
        self.emit(stream, &open);
        self.open[stream as usize] = rest;
    }

    fn emit(&mut self, stream: Stream, text: &[u8]) {
        if text.is_empty() {
            return;
        }
        let mut written = Vec::with_capacity(text.len() + STDERR_MARK.len());
        let goes_on = self.torn == Some(stream);
        if self.torn.is_some() && !goes_on {
            written.push(b'\n');
        }
        for (index, line) in text.split_inclusive(|byte| *byte == b'\n').enumerate() {
            if stream == Stream::Err && !(goes_on && index == 0) {
                written.extend_from_slice(STDERR_MARK);
            }
            written.extend_from_slice(line);
        }
        self.torn = (text.last() != Some(&b'\n')).then_some(stream);
        self.keep(&written);
    }

    fn close(&mut self, footer: &str) {
        for stream in [Stream::Out, Stream::Err] {
            let rest = std::mem::take(&mut self.open[stream as usize]);
            self.emit(stream, &rest);
        }
        if self.tail.dropped > 0 {
            let marker = format!("\n# --- {} bytes left out ---\n", self.tail.dropped);
            self.append(marker.as_bytes());
        }
        let tail = self.tail.to_vec();
        self.append(&tail);
        if self.torn.is_some() {
            self.append(b"\n");
        }
        self.append(footer.as_bytes());
        self.failed = self.failed || self.file.sync().is_err();
    }
}

/// What was gathered from an agent that is gone.
#[derive(Debug)]
pub(super) struct Gathered {
    /// First bytes of standard output.
    pub stdout_head: Vec<u8>,
    /// Last bytes of standard output.
    pub stdout_tail: Vec<u8>,
    /// Last bytes of standard error.
    pub stderr_tail: Vec<u8>,
    /// Bytes on both pipes.
    pub bytes: u64,
    /// Lines of standard output that were too long to be read.
    pub long_lines: u64,
}

struct Inner {
    log: Log,
    listener: Option<Box<dyn Listener>>,
    lines: Lines,
    stdout_head: Vec<u8>,
    stdout_tail: Tail,
    stderr_tail: Tail,
}

/// What the watching thread needs to know at any moment, without waiting for a disk or a listener.
#[derive(Debug, Default)]
struct Signs {
    last_ms: AtomicU64,
    bytes: AtomicU64,
    has_result: AtomicBool,
}

/// Shared between the two threads that drain and the one that watches.
#[derive(Clone)]
pub(super) struct Output {
    inner: Arc<Mutex<Inner>>,
    signs: Arc<Signs>,
    clock: Arc<dyn Clock>,
}

impl Output {
    /// Begins the log with `header`.
    ///
    /// # Errors
    /// [`Error::Disk`]
    pub fn begin(
        path: &Path,
        header: &str,
        cap: u64,
        listener: Box<dyn Listener>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Error> {
        let cap = usize::try_from(cap).unwrap_or(usize::MAX);
        let tail = limits::TAIL_BYTES.min(cap / 2);
        let mut file = AppendFile::create_volatile(path).map_err(failed)?;
        set_mode(path, 0o640)?;
        file.append(header.as_bytes()).map_err(failed)?;
        let inner = Inner {
            log: Log {
                file,
                path: path.to_owned(),
                room: cap - tail,
                tail: Tail::new(tail),
                open: [Vec::new(), Vec::new()],
                torn: None,
                failed: false,
            },
            listener: Some(listener),
            lines: Lines::default(),
            stdout_head: Vec::new(),
            stdout_tail: Tail::new(limits::TAIL_BYTES),
            stderr_tail: Tail::new(STDERR_TAIL_BYTES),
        };
        let output = Self {
            inner: Arc::new(Mutex::new(inner)),
            signs: Arc::default(),
            clock,
        };
        output.touch();
        Ok(output)
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads a pipe to its end. Returns at the end or at an error, which is as good.
    pub fn drain(&self, stream: Stream, mut pipe: impl Read) {
        let mut chunk = vec![0; PIECE_BYTES_MAX];
        loop {
            match pipe.read(&mut chunk) {
                Ok(0) => return,
                Ok(length) => self.push(stream, &chunk[..length]),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(_) => return,
            }
        }
    }

    fn push(&self, stream: Stream, chunk: &[u8]) {
        let length = u64::try_from(chunk.len()).unwrap_or(u64::MAX);
        self.signs.bytes.fetch_add(length, Ordering::Relaxed);
        // A carriage return ends a line of a progress display.
        if chunk.iter().any(|byte| matches!(byte, b'\n' | b'\r')) {
            self.touch();
        }
        let mut guard = self.inner();
        let inner = &mut *guard;
        inner.log.push(stream, chunk);
        if stream == Stream::Err {
            inner.stderr_tail.push(chunk);
            return;
        }
        let room = limits::HEAD_BYTES - inner.stdout_head.len();
        inner
            .stdout_head
            .extend_from_slice(&chunk[..chunk.len().min(room)]);
        inner.stdout_tail.push(chunk);
        let Inner {
            listener, lines, ..
        } = inner;
        if let Some(listener) = listener {
            lines.push(chunk, &mut |line| listener.line(line));
            let has_result = listener.has_result();
            self.signs.has_result.store(has_result, Ordering::Relaxed);
        }
    }

    /// Starts the time of silence anew: the agent begins now.
    pub fn touch(&self) {
        let now = self.clock.monotonic();
        self.signs.last_ms.store(now.0, Ordering::Relaxed);
    }

    /// Returns when the last line came, bytes so far, and whether the final result was given.
    pub fn signs(&self) -> (BootTime, u64, bool) {
        (
            BootTime(self.signs.last_ms.load(Ordering::Relaxed)),
            self.signs.bytes.load(Ordering::Relaxed),
            self.signs.has_result.load(Ordering::Relaxed),
        )
    }

    /// Ends the reading: the last line, and what the verdict is made from. What comes later is only counted.
    pub fn gather(&self) -> (Option<Box<dyn Listener>>, Gathered) {
        let mut guard = self.inner();
        let inner = &mut *guard;
        let mut listener = inner.listener.take();
        if let Some(listener) = &mut listener {
            inner.lines.end(&mut |line| listener.line(line));
        }
        let gathered = Gathered {
            stdout_head: std::mem::take(&mut inner.stdout_head),
            stdout_tail: inner.stdout_tail.to_vec(),
            stderr_tail: inner.stderr_tail.to_vec(),
            bytes: self.signs.bytes.load(Ordering::Relaxed),
            long_lines: inner.lines.skipped,
        };
        (listener, gathered)
    }

    /// Ends the log. Returns its digest, its size, and whether it lacks something.
    ///
    /// # Errors
    /// [`Error::Disk`]: it cannot be read back.
    ///
    /// # Durability
    /// The log is on disk when it returns, unless it lacks something for want of space.
    pub fn close(&self, footer: &str) -> Result<(Digest, u64, bool), Error> {
        let mut inner = self.inner();
        inner.log.close(footer);
        let truncated = inner.log.tail.dropped > 0 || inner.log.failed;
        let (digest, bytes) = digest_of(&inner.log.path)?;
        Ok((digest, bytes, truncated))
    }
}

/// Reads a file through and returns its digest and size.
///
/// # Errors
/// [`Error::Disk`], [`Error::Format`].
pub(super) fn digest_of(path: &Path) -> Result<(Digest, u64), Error> {
    let mut file = disk::open(path).map_err(failed)?;
    let (mut hasher, mut chunk, mut bytes) = (sha2::Sha256::new(), vec![0; 65536], 0);
    loop {
        match file.read(&mut chunk) {
            Ok(0) => return Ok((Digest::from_bytes(hasher.finalize().into()), bytes)),
            Ok(length) => {
                hasher.update(&chunk[..length]);
                bytes += u64::try_from(length).unwrap_or(0);
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(source) => {
                return Err(Error::Disk {
                    action: "read",
                    path: path.to_owned(),
                    source,
                });
            }
        }
    }
}

#[cfg(test)]
mod tests;
