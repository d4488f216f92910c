//! Where the facts are kept: a file on the local disk, or a simulated one.

use std::path::Path;
use std::path::PathBuf;

use crate::disk;

/// An append-only record with one writer.
pub trait Tape: Send {
    /// Adds bytes; not durable before [`Tape::sync`].
    ///
    /// # Errors
    /// [`disk::Error`]: a part may have been added.
    fn append(&mut self, bytes: &[u8]) -> Result<(), disk::Error>;

    /// Makes all bytes durable.
    ///
    /// # Errors
    /// [`disk::Error`]: bytes added since the last sync may be lost.
    fn sync(&mut self) -> Result<(), disk::Error>;

    /// Replaces the whole record; durable when it returns.
    ///
    /// # Errors
    /// [`disk::Error`]
    fn replace(&mut self, bytes: &[u8]) -> Result<(), disk::Error>;
}

/// No tape at all: for a journal that is only read, which refuses every fact before it comes here.
#[derive(Debug)]
pub(super) struct NoTape;

impl Tape for NoTape {
    fn append(&mut self, _bytes: &[u8]) -> Result<(), disk::Error> {
        Ok(())
    }

    fn sync(&mut self) -> Result<(), disk::Error> {
        Ok(())
    }

    fn replace(&mut self, _bytes: &[u8]) -> Result<(), disk::Error> {
        Ok(())
    }
}

/// The tape in a file.
#[derive(Debug)]
pub struct FileTape {
    path: PathBuf,
    file: Option<disk::AppendFile>,
}

impl FileTape {
    /// Opens the tape and returns what is on it; an absent file is an empty tape.
    ///
    /// # Errors
    /// [`disk::Error`]
    pub fn open(path: &Path) -> Result<(Self, Vec<u8>), disk::Error> {
        let bytes = match disk::read_bounded(path, usize::MAX - 1) {
            Ok(bytes) => bytes,
            Err(error) if error.is(std::io::ErrorKind::NotFound) => Vec::new(),
            Err(error) => return Err(error),
        };
        Ok((
            Self {
                path: path.to_owned(),
                file: None,
            },
            bytes,
        ))
    }

    fn file(&mut self) -> Result<&mut disk::AppendFile, disk::Error> {
        let file = match self.file.take() {
            Some(file) => file,
            None => match disk::AppendFile::open(&self.path) {
                Err(error) if error.is(std::io::ErrorKind::NotFound) => {
                    disk::AppendFile::create(&self.path)?
                }
                other => other?,
            },
        };
        Ok(self.file.insert(file))
    }
}

impl Tape for FileTape {
    fn append(&mut self, bytes: &[u8]) -> Result<(), disk::Error> {
        self.file()?.append(bytes)
    }

    fn sync(&mut self) -> Result<(), disk::Error> {
        self.file()?.sync()
    }

    fn replace(&mut self, bytes: &[u8]) -> Result<(), disk::Error> {
        self.file = None;
        disk::replace(&self.path, bytes, 0o600)
    }
}
