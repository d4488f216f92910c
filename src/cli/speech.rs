//! What a command says, apart from where it goes: the voice of the program, or a test that listens.

use super::failure::Failure;
use super::voice::Voice;

/// Takes what a command says.
pub(super) trait Speech {
    /// Takes bytes of the answer.
    fn answer(&mut self, text: &str) -> Result<(), Failure>;
    /// Takes something beside the answer.
    fn note(&mut self, text: &str);
    /// Takes a warning.
    fn warn(&mut self, text: &str);
    /// Returns whether anybody still reads the answer.
    fn is_heard(&self) -> bool;
}

/// The voice of the program.
pub(super) struct Aloud<'a>(pub &'a Voice);

impl Speech for Aloud<'_> {
    fn answer(&mut self, text: &str) -> Result<(), Failure> {
        self.0.raw(text.as_bytes())
    }

    fn note(&mut self, text: &str) {
        self.0.note(text);
    }

    fn warn(&mut self, text: &str) {
        self.0.warn(text);
    }

    fn is_heard(&self) -> bool {
        self.0.is_heard()
    }
}

/// A listener: the answer, and everything else a line each.
#[cfg(test)]
#[derive(Debug, Default)]
pub(super) struct Heard {
    pub out: String,
    pub aside: String,
}

#[cfg(test)]
impl Speech for Heard {
    fn answer(&mut self, text: &str) -> Result<(), Failure> {
        self.out.push_str(text);
        Ok(())
    }

    fn note(&mut self, text: &str) {
        self.aside.push_str(&format!("{text}\n"));
    }

    fn warn(&mut self, text: &str) {
        self.note(&format!("warning: {text}"));
    }

    fn is_heard(&self) -> bool {
        true
    }
}
