//! One line of a batch: the options of `dispatch-send`, by their names with `_` for `-`, and a name for the task.

use std::fs::File;
use std::io::BufRead;
use std::io::BufReader;
use std::io::Cursor;
use std::io::Read;
use std::path::Path;
use std::path::PathBuf;

use clap::Arg;
use clap::ArgAction;
use clap::Args as _;
use clap::Command;
use clap::FromArgMatches;
use serde_json::Value;

use super::Args;
use super::after;
use crate::cli::failure::Failure;
use crate::document::strict;
use crate::escape;
use crate::exit::Exit;
use crate::limits;

/// Options that are about the whole command.
const OUTER: &[&str] = &[
    "batch",
    "resume",
    "wait",
    "until",
    "json",
    "from",
    "schema",
    "callback",
    // A batch has its own record of what was sent.
    "idempotency-key",
    "config",
    "root",
    "side",
    "state",
    "keys",
    "insecure-key",
    "quiet",
    "color",
    "colour",
    "help",
    "version",
];
/// Longest line: a request in which every letter is escaped.
const LINE_BYTES_MAX: u64 = 4 * limits::TASK_BYTES_MAX as u64;
/// Most that is read from standard input, which is kept until all is sent.
const STDIN_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Longest name of a task.
const NAME_BYTES_MAX: usize = 64;

/// A line that was understood.
pub(super) struct Line {
    /// Which it is, from 0. Blank lines do not count.
    pub number: usize,
    /// Which line of the file it is, from 0.
    pub at: usize,
    /// What the batch calls the task.
    pub name: Option<String>,
    /// What it waits for: names, or ids.
    pub after: Vec<after::Wish>,
    /// Everything else, as the command line says it.
    pub args: Args,
}

/// Where the lines come from; they are read several times.
pub(super) enum Source {
    File(PathBuf),
    Whole(Vec<u8>),
}

impl Source {
    pub(super) fn of(path: &Path) -> Result<Self, Failure> {
        if path != Path::new("-") {
            let is_file = std::fs::metadata(path).is_ok_and(|meta| meta.is_file());
            let shown = path.display();
            return match is_file {
                true => Ok(Self::File(path.to_owned())),
                false => Err(Failure::new(
                    Exit::NotFound,
                    format!("cannot read the batch '{shown}': it is no regular file"),
                )
                .hint("'-' reads standard input")),
            };
        }
        let mut bytes = Vec::new();
        let read = std::io::stdin()
            .take(STDIN_BYTES_MAX + 1)
            .read_to_end(&mut bytes);
        read.map_err(|error| {
            let why = format!("cannot read the batch from standard input: {error}");
            Failure::new(Exit::NotFound, why)
        })?;
        if bytes.len() as u64 > STDIN_BYTES_MAX {
            let why = format!("standard input holds more than {STDIN_BYTES_MAX} bytes");
            return Err(Failure::new(Exit::Data, why).hint("put it into a file: --batch FILE"));
        }
        Ok(Self::Whole(bytes))
    }

    /// Opens it from its beginning.
    pub(super) fn open(&self) -> Result<Box<dyn BufRead + '_>, Failure> {
        match self {
            Self::Whole(bytes) => Ok(Box::new(Cursor::new(bytes))),
            Self::File(path) => match File::open(path) {
                Ok(file) => Ok(Box::new(BufReader::new(file))),
                Err(error) => {
                    let why = format!("cannot read the batch '{}': {error}", path.display());
                    Err(Failure::new(Exit::NotFound, why))
                }
            },
        }
    }

    /// Reads its lines, one at a time.
    pub(super) fn lines<'a>(&'a self, outer: &'a Args) -> Result<Lines<'a>, Failure> {
        Ok(Lines {
            source: self,
            outer,
            command: Args::augment_args(Command::new("line").no_binary_name(true)),
            from: self.open()?,
            at: 0,
            number: 0,
        })
    }

    /// A failure with the line that it is about.
    pub(super) fn at(&self, at: usize, failure: &Failure) -> Failure {
        let what = match self {
            Self::File(path) => format!("'{}'", path.display()),
            Self::Whole(_) => "standard input".to_owned(),
        };
        let exit = match failure.exit() {
            Exit::Usage => Exit::Data,
            exit => exit,
        };
        Failure::new(exit, format!("line {} of {what}: {failure}", at + 1))
    }
}

/// The lines of a batch.
pub(super) struct Lines<'a> {
    source: &'a Source,
    outer: &'a Args,
    command: Command,
    from: Box<dyn BufRead + 'a>,
    at: usize,
    number: usize,
}

impl Iterator for Lines<'_> {
    type Item = Result<Line, Failure>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let mut text = Vec::new();
            let read = (&mut self.from)
                .take(LINE_BYTES_MAX + 1)
                .read_until(b'\n', &mut text);
            let at = self.at;
            self.at += 1;
            let wrong = |why: String| self.source.at(at, &Failure::new(Exit::Data, why));
            match read {
                Ok(0) => return None,
                Ok(_) if text.len() as u64 > LINE_BYTES_MAX => {
                    let why = format!("it is longer than {LINE_BYTES_MAX} bytes");
                    return Some(Err(wrong(why)));
                }
                Ok(_) if text.trim_ascii().is_empty() => continue,
                Ok(_) => {}
                Err(error) => return Some(Err(wrong(format!("cannot read it: {error}")))),
            }
            let line = self.line(&text).map_err(wrong);
            self.number += 1;
            return Some(line);
        }
    }
}

impl Lines<'_> {
    fn line(&self, text: &[u8]) -> Result<Line, String> {
        let (mut object, _) = strict::read(text).map_err(|refusal| refusal.to_string())?;
        let plain = |refusal: crate::reason::Refusal| refusal.to_string();
        let name = object.maybe_text("name").map_err(plain)?;
        if let Some(name) = &name {
            check_name(name)?;
        }
        let wishes = match object.take("after") {
            None => Vec::new(),
            Some(Value::String(text)) => text.split(',').map(str::to_owned).collect(),
            Some(Value::Array(list)) => strict::texts("after", list).map_err(plain)?,
            Some(_) => return Err("'after' is not a list of texts".to_owned()),
        };
        let after = wishes.iter().map(|text| after::wish(text));
        let after = after.collect::<Result<_, _>>()?;
        let mut words = Vec::new();
        let names: Vec<String> = object.names().cloned().collect();
        for member in names {
            let value = object.take(&member).unwrap_or_default();
            self.words(&member, value, &mut words)?;
        }
        if !words.iter().any(|word| word.starts_with("--to=")) {
            words.push(format!("--to={}", self.outer.to));
        }
        let matches = self.command.clone().try_get_matches_from(words);
        let args = matches.and_then(|matches| Args::from_arg_matches(&matches));
        let args = args.map_err(|error| first_line(&error.render().to_string()))?;
        if args.to.is_empty() {
            return Err("it says no 'to', and neither does the command line".to_owned());
        }
        if args.request.as_deref() == Some("-")
            || args.request_file.as_deref() == Some(Path::new("-"))
        {
            return Err("a line of a batch cannot read its request from standard input".to_owned());
        }
        Ok(Line {
            number: self.number,
            at: self.at.saturating_sub(1),
            name,
            after,
            args,
        })
    }

    /// The words of the command line that a member stands for.
    fn words(&self, member: &str, value: Value, words: &mut Vec<String>) -> Result<(), String> {
        let shown = escape::excerpt(member, 60);
        let long = match member {
            "tags" => "tag".to_owned(),
            other => other.replace('_', "-"),
        };
        let is_meant = |arg: &&Arg| arg.get_long() == Some(&*long) && !member.contains('-');
        let known = self.command.get_arguments().find(is_meant);
        let Some(arg) = known.filter(|_| !OUTER.contains(&&*long)) else {
            return Err(format!("unknown member '{shown}'"));
        };
        let text = |value: Value| match value {
            Value::String(text) => Ok(text),
            Value::Number(number) => Ok(number.to_string()),
            _ => Err(format!("'{shown}' is not a text or a number")),
        };
        match (arg.get_action(), value) {
            (ArgAction::SetTrue, Value::Bool(is_set)) => {
                words.extend(is_set.then(|| format!("--{long}")));
            }
            (ArgAction::SetTrue, _) => return Err(format!("'{shown}' is not true or false")),
            (ArgAction::Append, Value::Array(list)) => {
                for value in list {
                    words.push(format!("--{long}={}", text(value)?));
                }
            }
            (_, value) => words.push(format!("--{long}={}", text(value)?)),
        }
        Ok(())
    }
}

fn check_name(name: &str) -> Result<(), String> {
    let plain = |letter: char| !letter.is_control() && !matches!(letter, ':' | ',');
    if (1..=NAME_BYTES_MAX).contains(&name.len()) && name.chars().all(plain) {
        return Ok(());
    }
    Err(format!(
        "'name' is not 1 to {NAME_BYTES_MAX} bytes without ':' and ','"
    ))
}

/// What clap says, without its advice about a command line that nobody typed.
fn first_line(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    line.strip_prefix("error: ").unwrap_or(line).to_owned()
}
