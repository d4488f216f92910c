//! Cuts a log into lines without believing anything about it: bounded memory, bounded length, digests as it goes.
//!
//! Another host, a crash or an attacker may have left a torn tail, holes of NULs (a client that lost pages), a line
//! without end, or a file without end. Each becomes a [`Piece`]; only the failure of a read is an error.

use std::io;
use std::io::BufRead;
use std::io::BufReader;
use std::io::Read;

use sha2::Digest as _;
use sha2::Sha256;

use crate::id::Digest;
use crate::limits;

/// Most bytes of one segment that are read: its size when it is closed, and the record that closed it.
pub const BYTES_MAX: u64 = limits::SEGMENT_BYTES_MAX + limits::RECORD_BYTES_MAX as u64;

/// What lies between two newlines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// A complete line, its newline included.
    Whole(Vec<u8>),
    /// A complete line above [`limits::RECORD_BYTES_MAX`].
    TooLong,
    /// Bytes at the end without a newline: a write in progress, or one that a crash cut.
    Torn,
    /// The file goes on beyond [`BYTES_MAX`]; the rest is not read.
    Endless,
}

/// One line of a file, or what is in the place of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Its number in the file, from 1.
    pub number: u64,
    /// Offset of the byte after it.
    pub end: u64,
    /// Digest of its bytes, its newline included.
    pub digest: Digest,
    /// What it is.
    pub content: Content,
}

/// Reads pieces one after another.
pub struct Pieces<R> {
    from: BufReader<io::Take<R>>,
    number: u64,
    offset: u64,
    ended: bool,
}

impl<R: Read> Pieces<R> {
    /// Starts at the beginning of a file.
    pub fn new(from: R) -> Self {
        Self::from_offset(from, 0)
    }

    /// Starts in a reader that already stands at `offset`, at the beginning of a line.
    pub fn from_offset(from: R, offset: u64) -> Self {
        // One byte more than may be there, so that a file without end is told from one that is exactly full.
        let rest = (BYTES_MAX + 1).saturating_sub(offset);
        Self {
            from: BufReader::with_capacity(64 * 1024, from.take(rest)),
            number: 0,
            offset,
            ended: false,
        }
    }

    /// Returns the next piece, or `None` at the end.
    ///
    /// # Errors
    /// Whatever the reader says; the same piece is not read again.
    pub fn next_piece(&mut self) -> io::Result<Option<Piece>> {
        if self.ended {
            return Ok(None);
        }
        let (mut bytes, mut hasher, mut length) = (Vec::new(), Sha256::new(), 0_u64);
        let complete = loop {
            let chunk = match self.from.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                other => other?,
            };
            if chunk.is_empty() {
                break false;
            }
            let found = chunk.iter().position(|byte| *byte == b'\n');
            let used = found.map_or(chunk.len(), |at| at + 1);
            let part = &chunk[..used];
            hasher.update(part);
            length += used as u64;
            if length <= limits::RECORD_BYTES_MAX as u64 {
                bytes.extend_from_slice(part);
            }
            self.from.consume(used);
            if found.is_some() {
                break true;
            }
        };
        self.ended = !complete;
        if length == 0 {
            return Ok(None);
        }
        self.number += 1;
        self.offset += length;
        let content = if self.offset > BYTES_MAX {
            self.ended = true;
            Content::Endless
        } else if !complete {
            Content::Torn
        } else if length > limits::RECORD_BYTES_MAX as u64 {
            Content::TooLong
        } else {
            Content::Whole(bytes)
        };
        Ok(Some(Piece {
            number: self.number,
            end: self.offset,
            digest: Digest::from_bytes(hasher.finalize().into()),
            content,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contents(bytes: &[u8]) -> Vec<Content> {
        let mut pieces = Pieces::new(bytes);
        let mut found = Vec::new();
        while let Some(piece) = pieces.next_piece().unwrap() {
            found.push(piece.content);
        }
        found
    }

    #[test]
    fn only_complete_lines_of_bounded_length_are_lines() {
        let longest = limits::RECORD_BYTES_MAX;
        let fits = [vec![b'x'; longest - 1], vec![b'\n']].concat();
        let over = [vec![b'x'; longest], vec![b'\n']].concat();
        assert_eq!(contents(&fits), [Content::Whole(fits.clone())]);
        assert_eq!(contents(&over), [Content::TooLong]);
        assert_eq!(
            contents(b"a\n\nb"),
            [
                Content::Whole(b"a\n".to_vec()),
                Content::Whole(b"\n".to_vec()),
                Content::Torn
            ]
        );
        assert_eq!(contents(b""), []);
    }

    #[test]
    fn a_file_without_end_is_read_to_its_bound_in_bounded_memory() {
        let mut pieces = Pieces::new(io::repeat(0));
        let piece = pieces.next_piece().unwrap().unwrap();
        assert_eq!(piece.content, Content::Endless);
        assert_eq!(pieces.next_piece().unwrap(), None);
    }

    #[test]
    fn digests_and_offsets_are_of_the_whole_line() {
        let mut pieces = Pieces::new(&b"a\nbc\n"[..]);
        let first = pieces.next_piece().unwrap().unwrap();
        assert_eq!((first.digest, first.end), (Digest::of(b"a\n"), 2));
        let second = pieces.next_piece().unwrap().unwrap();
        assert_eq!((second.number, second.end), (2, 5));
    }
}
