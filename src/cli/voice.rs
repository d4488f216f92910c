//! One voice: stdout is the answer, stderr is everything else; colour only for people.
//!
//! Nothing here panics when a pipe is closed or a disk is full, as `println!` would: a reader that went away is a
//! success, any other failure of stdout is told once, through the exit status.

use std::io::IsTerminal;
use std::io::Write;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;

use super::failure::Failure;
use super::failure::in_words;
use crate::exit::Exit;

/// When to use colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Colour {
    /// On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// A style of text on a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// As it is.
    Plain,
    /// What matters most.
    Bold,
    /// What matters least.
    Dim,
    /// Good.
    Green,
    /// Worth a look.
    Yellow,
    /// Bad.
    Red,
}

/// How a program speaks.
#[derive(Debug)]
pub struct Voice {
    program: &'static str,
    quiet: bool,
    colour: [bool; 2],
    broken: AtomicBool,
}

impl Voice {
    /// Makes the voice of a program.
    #[must_use]
    pub fn of(program: &'static str, quiet: bool, colour: Colour, plain: bool) -> Self {
        let on = |terminal: bool| match colour {
            Colour::Always => true,
            Colour::Never => false,
            Colour::Auto => terminal && !plain,
        };
        let colour = [
            on(std::io::stdout().is_terminal()),
            on(std::io::stderr().is_terminal()),
        ];
        Self {
            program,
            quiet,
            colour,
            broken: AtomicBool::new(false),
        }
    }

    /// Returns the program's name.
    #[must_use]
    pub const fn program(&self) -> &'static str {
        self.program
    }

    /// Writes a line of the answer.
    ///
    /// # Errors
    /// [`Failure`] where stdout cannot be written; not where its reader went away.
    pub fn answer(&self, line: &str) -> Result<(), Failure> {
        self.raw(format!("{line}\n").as_bytes())
    }

    /// Writes bytes of the answer as they are.
    ///
    /// # Errors
    /// As [`Voice::answer`].
    pub fn raw(&self, bytes: &[u8]) -> Result<(), Failure> {
        if self.broken.load(Ordering::Relaxed) {
            return Ok(());
        }
        let mut out = std::io::stdout().lock();
        match out.write_all(bytes).and_then(|()| out.flush()) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => {
                self.broken.store(true, Ordering::Relaxed);
                Ok(())
            }
            Err(error) => {
                self.broken.store(true, Ordering::Relaxed);
                Err(Failure::new(
                    Exit::Io,
                    format!("cannot write to standard output: {error}"),
                ))
            }
        }
    }

    /// Returns whether the reader of stdout is still there, as far as the last line told.
    #[must_use]
    pub fn is_heard(&self) -> bool {
        !self.broken.load(Ordering::Relaxed)
    }

    /// Says something beside the answer; nothing with `--quiet`.
    pub fn note(&self, text: &str) {
        if !self.quiet {
            self.stderr(text);
        }
    }

    /// Warns.
    pub fn warn(&self, text: &str) {
        let lead = self.paint(1, Style::Yellow, "warning:");
        let text = in_words(text);
        self.stderr(&format!("{}: {lead} {text}", self.program));
    }

    /// Says what failed, and what to do about it.
    pub fn fail(&self, failure: &Failure) {
        let lead = self.paint(1, Style::Red, "error:");
        self.stderr(&format!("{}: {lead} {failure}", self.program));
        for hint in failure.hints() {
            let lead = self.paint(1, Style::Bold, "hint:");
            self.stderr(&format!("{}: {lead} {hint}", self.program));
        }
    }

    /// Returns text in a style, as stdout takes it.
    #[must_use]
    pub fn styled(&self, style: Style, text: &str) -> String {
        self.paint(0, style, text)
    }

    /// Returns text in a style, as stderr takes it.
    #[must_use]
    pub fn styled_aside(&self, style: Style, text: &str) -> String {
        self.paint(1, style, text)
    }

    fn paint(&self, stream: usize, style: Style, text: &str) -> String {
        let code = match style {
            Style::Plain => return text.to_owned(),
            Style::Bold => 1,
            Style::Dim => 2,
            Style::Green => 32,
            Style::Yellow => 33,
            Style::Red => 31,
        };
        if self.colour[stream] {
            format!("\u{1b}[{code}m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    }

    fn stderr(&self, text: &str) {
        // Nobody is left to tell when stderr fails.
        let _ = std::io::stderr()
            .lock()
            .write_all(format!("{text}\n").as_bytes());
    }
}
