//! Prints the log of a run: nothing before its digest is the one that the sealed result names.

use std::io::IsTerminal;
use std::io::Write;

use sha2::Digest as _;

use super::Facts;
use crate::cli::failure::Failure;
use crate::cli::setup::Setup;
use crate::cli::voice::Voice;
use crate::escape;
use crate::exit::Exit;
use crate::flow::collect::LogError;
use crate::flow::collect::Whereabouts;
use crate::id::Digest;

/// Prints the log, once it is known to be the one that the result names.
pub(super) fn print(setup: &Setup, facts: &Facts, voice: &Voice) -> Result<Exit, Failure> {
    let Whereabouts::Answered(answered) = &facts.found else {
        return Err(Failure::new(
            Exit::NotFound,
            "there is no log to show: it has no outcome that is proved",
        )
        .hint(format!("'dispatch why {}' says why", facts.wanted.id)));
    };
    let mut out = Out {
        voice,
        terminal: std::io::stdout().is_terminal(),
        hasher: sha2::Sha256::new(),
        line: Vec::new(),
        failure: None,
    };
    let copied = setup.sender().log(answered, &mut out);
    if let Some(failure) = out.failure.take() {
        return Err(failure);
    }
    match copied {
        Ok(_) => {}
        Err(LogError::None) => {
            return Err(Failure::new(Exit::NotFound, LogError::None.to_string()));
        }
        Err(error @ LogError::Differs) => {
            return Err(Failure::new(Exit::Refused, error.to_string()));
        }
        Err(LogError::Share(error)) => return Err(error.into()),
        Err(error @ LogError::Write(_)) => return Err(Failure::new(Exit::Io, error.to_string())),
    }
    out.end()?;
    // It was read twice, to check and to show: what was shown is checked as well.
    let read = Digest::from_bytes(out.hasher.finalize().into());
    if answered.answer.log_sha256 == Some(read) {
        Ok(Exit::Ok)
    } else {
        Err(Failure::new(
            Exit::Refused,
            "the log was changed while it was read: do not believe it",
        ))
    }
}

/// Where a log goes: escaped line by line on a terminal, else as it is.
struct Out<'a> {
    voice: &'a Voice,
    terminal: bool,
    hasher: sha2::Sha256,
    line: Vec<u8>,
    failure: Option<Failure>,
}

impl Out<'_> {
    fn tell(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        if self.terminal {
            let text = escape::escape(&String::from_utf8_lossy(bytes), true);
            self.voice.raw(text.as_bytes())
        } else {
            self.voice.raw(bytes)
        }
    }

    fn end(&mut self) -> Result<(), Failure> {
        let line = std::mem::take(&mut self.line);
        self.tell(&line)
    }
}

impl Write for Out<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.hasher.update(bytes);
        self.line.extend_from_slice(bytes);
        // Whole lines, so that no letter is cut in two.
        let whole = self.line.iter().rposition(|byte| *byte == b'\n');
        let whole = whole.map_or(0, |at| at + 1);
        let ready = if whole == 0 && self.line.len() > 1024 * 1024 {
            self.line.len()
        } else {
            whole
        };
        let rest = self.line.split_off(ready);
        let ready = std::mem::replace(&mut self.line, rest);
        if let Err(failure) = self.tell(&ready) {
            self.failure = Some(failure);
            return Err(std::io::Error::other("standard output failed"));
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
