//! Reads the text of one file: from bytes to typed fields, with the place of every value and of every mistake.

use std::ops::Range;
use std::ops::RangeInclusive;
use std::path::Component;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

use crate::config::Error;
use crate::config::Origin;
use crate::config::Origins;
use crate::config::Problem;
use crate::config::file::Field;
use crate::config::file::File;
use crate::config::file::Paths;
use crate::config::nearest;
use crate::escape;

/// A file being read: collects origins and mistakes on the way.
pub(super) struct Reading<'a> {
    path: Arc<PathBuf>,
    text: &'a str,
    home: Option<&'a Path>,
    pub(super) origins: Origins,
    problems: Vec<Problem>,
}

impl<'a> Reading<'a> {
    /// Begins to read `text`, the content of `path`; `home` is what `~` stands for.
    pub(super) fn new(path: &Path, text: &'a str, home: Option<&'a Path>) -> Self {
        Self {
            path: Arc::new(path.to_owned()),
            text,
            home,
            origins: Origins::default(),
            problems: Vec::new(),
        }
    }

    /// Parses the text into typed fields.
    pub(super) fn parse(&self) -> Result<File, Error> {
        toml::from_str(self.text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            Error::Invalid(vec![
                self.found(at, explain(error.message(), self.table(at))),
            ])
        })
    }

    fn line(&self, at: usize) -> usize {
        let before = self.text.get(..at).unwrap_or(self.text);
        before.matches('\n').count() + 1
    }

    fn origin(&self, at: usize) -> Origin {
        Origin::File {
            path: Arc::clone(&self.path),
            line: self.line(at),
        }
    }

    /// Returns the header of the table that a place lies in; empty above the first.
    fn table(&self, at: usize) -> &str {
        let before = self.text.get(..at).unwrap_or(self.text);
        let mut lines = before.lines().rev().map(str::trim);
        lines.find(|line| line.starts_with('[')).unwrap_or("")
    }

    fn found(&self, at: usize, message: String) -> Problem {
        let before = self.text.get(..at).unwrap_or(self.text);
        let line = before.rsplit('\n').next().unwrap_or(before);
        Problem {
            origin: self.origin(at),
            column: Some(line.chars().count() + 1),
            message,
        }
    }

    /// Notes a mistake at a place.
    pub(super) fn problem(&mut self, span: &Range<usize>, message: String) {
        let found = self.found(span.start, message);
        self.problems.push(found);
    }

    /// Returns the mistakes in the order of the file.
    pub(super) fn sorted(mut self) -> Vec<Problem> {
        let place = |problem: &Problem| match problem.origin {
            Origin::File { line, .. } => (line, problem.column),
            _ => (0, None),
        };
        self.problems.sort_by_key(place);
        self.problems
    }

    /// Takes a field and records where it came from.
    pub(super) fn spanned<T>(&mut self, key: &str, field: Field<T>) -> Option<(T, Range<usize>)> {
        let field = field?;
        let span = field.span();
        self.origins.record(key, self.origin(span.start));
        Some((field.into_inner(), span))
    }

    /// Takes the value of a field and records where it came from.
    pub(super) fn value<T>(&mut self, key: &str, field: Field<T>) -> Option<T> {
        self.spanned(key, field).map(|(value, _)| value)
    }

    /// Takes a value that must lie within bounds; `show` writes a bound as the file would.
    pub(super) fn within<T: PartialOrd>(
        &mut self,
        key: &str,
        field: Option<(T, Range<usize>)>,
        bounds: RangeInclusive<T>,
        show: impl Fn(&T) -> String,
    ) -> Option<T> {
        let (value, span) = field?;
        if !bounds.contains(&value) {
            let (least, most) = (show(bounds.start()), show(bounds.end()));
            self.problem(&span, format!("{key} must be from {least} to {most}"));
        }
        Some(value)
    }

    /// Takes a word that must not be empty.
    pub(super) fn word(&mut self, key: &str, field: Field<String>) -> Option<String> {
        let (word, span) = self.spanned(key, field)?;
        if word.is_empty() || word.chars().any(char::is_control) {
            self.problem(
                &span,
                format!("{key} must be a word, without control characters"),
            );
        }
        Some(word)
    }

    /// Takes an absolute path; a leading `~/` stands for the home directory.
    pub(super) fn path(&mut self, key: &str, field: Field<String>) -> Option<PathBuf> {
        let (text, span) = self.spanned(key, field)?;
        self.absolute(key, &text, &span)
    }

    /// Takes absolute paths.
    pub(super) fn paths(&mut self, key: &str, field: Field<Paths>) -> Option<Vec<PathBuf>> {
        let (list, span) = self.spanned(key, field)?;
        Some(
            list.0
                .iter()
                .filter_map(|text| self.absolute(key, text, &span))
                .collect(),
        )
    }

    /// Checks one path; notes what is wrong with it.
    pub(super) fn absolute(
        &mut self,
        key: &str,
        text: &str,
        span: &Range<usize>,
    ) -> Option<PathBuf> {
        match absolute(text, self.home) {
            Ok(path) => Some(path),
            Err(why) => {
                let shown = escape::excerpt(text, 60);
                self.problem(span, format!("{key} '{shown}' {why}"));
                None
            }
        }
    }

    /// Takes a program and its arguments: a bare word is looked for on PATH, anything with a slash must be absolute.
    /// An empty list is left to the caller.
    pub(super) fn program(&mut self, key: &str, field: Field<Vec<String>>) -> Option<Vec<String>> {
        let (mut argv, span) = self.spanned(key, field)?;
        if argv.iter().any(|word| word.contains('\0')) {
            self.problem(&span, format!("{key} holds a NUL character"));
        }
        match argv.first().map(String::as_str) {
            Some("") => self.problem(&span, format!("{key} names no program")),
            Some(program) if program.contains('/') => {
                let program = program.to_owned();
                // A path that is not UTF-8 cannot come out of a TOML file and a UTF-8 home.
                if let Some(path) = self.absolute(key, &program, &span)
                    && let Some(first) = argv.first_mut()
                {
                    *first = path.to_string_lossy().into_owned();
                }
            }
            Some(_) | None => (),
        }
        Some(argv)
    }

    /// Notes every value that stands twice in a list.
    pub(super) fn no_twice<T: PartialEq + std::fmt::Display>(
        &mut self,
        key: &str,
        list: &[T],
        span: &Range<usize>,
    ) {
        for (at, value) in list.iter().enumerate() {
            if list.iter().take(at).any(|earlier| earlier == value) {
                self.problem(span, format!("{key} names '{value}' twice"));
            }
        }
    }
}

/// Expands `~/` and checks that a path is absolute and plain.
pub(super) fn absolute(text: &str, home: Option<&Path>) -> Result<PathBuf, &'static str> {
    let path = match (text.strip_prefix("~/"), home) {
        _ if text.chars().any(char::is_control) => return Err("holds a control character"),
        (Some(rest), Some(home)) => home.join(rest),
        (Some(_), None) => return Err("begins with '~', and there is no home directory here"),
        (None, _) if text == "~" => home
            .map(Path::to_owned)
            .ok_or("begins with '~', and there is no home directory here")?,
        (None, _) => PathBuf::from(text),
    };
    if !path.is_absolute() {
        return Err("is not an absolute path");
    }
    // What `..` means depends on the symbolic links before it, so a reader cannot tell where such a path leads.
    if path.components().any(|part| part == Component::ParentDir) {
        return Err("holds '..'");
    }
    Ok(path)
}

/// Puts a parser's words into ours: names the unknown word, the table it is in, and the known word nearest to it.
fn explain(message: &str, table: &str) -> String {
    let quoted: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    let place = if table.is_empty() {
        String::new()
    } else {
        format!(" in {}", escape::excerpt(table, 60))
    };
    let known = || quoted.iter().skip(1).copied();
    let unknown = |what: &str, word: &str| {
        let hint = match nearest(word, known()) {
            Some(near) => format!("the nearest is '{near}'"),
            None => format!("known: {}", known().collect::<Vec<_>>().join(", ")),
        };
        format!(
            "unknown {what} '{}'{place}; {hint}",
            escape::excerpt(word, 40)
        )
    };
    match quoted.first() {
        Some(word) if message.starts_with("unknown field") => unknown("key", word),
        Some(word) if message.starts_with("unknown variant") => unknown("word", word),
        _ => escape::excerpt(
            &message.replace("expected u32", "expected a whole number"),
            300,
        ),
    }
}
