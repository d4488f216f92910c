//! `dispatch verify`: says whether one file is a document that this host would take. Touches no share but the file.

use std::io::Read as _;
use std::path::Path;
use std::path::PathBuf;

use clap::Args as ClapArgs;

use super::failure::Failure;
use super::setup;
use super::setup::Common;
use super::voice::Voice;
use crate::clock::Clock;
use crate::clock::SystemClock;
use crate::clock::Timestamp;
use crate::disk;
use crate::document::Context;
use crate::document::Kind;
use crate::document::Rules;
use crate::envelope::Envelope;
use crate::exit::Exit;
use crate::id::Party;
use crate::reason::Refusal;

/// Say whether a file is a document this host would take
///
/// Example: dispatch verify task.json --kind task --from devbox --to gpubox
///
/// Prints 'ok', or the code of the first check that fails (docs/ENVELOPE.md, section 7). Policy
/// beyond the default bounds is not asked. Ends with 65 where the file is malformed and 77 where
/// it is not trusted.
#[derive(Debug, ClapArgs)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// The file; '-' reads standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// What it is to be: task, ack, result, heartbeat, cancel or lease
    #[arg(long, value_name = "WORD", value_parser = kind)]
    kind: Kind,
    /// Who is to have written it
    #[arg(long, value_name = "PARTY")]
    from: Party,
    /// For whom
    #[arg(long, value_name = "PARTY")]
    to: Party,
    /// Judge as of this moment, such as 2026-11-20T06:00:00Z
    #[arg(long, value_name = "TIME", value_parser = moment)]
    now: Option<Timestamp>,
    /// Do not compare its times with any clock
    #[arg(long, conflicts_with = "now")]
    any_time: bool,
    #[command(flatten)]
    common: Common,
}

impl Args {
    /// Returns the flags every program has.
    #[must_use]
    pub const fn common(&self) -> &Common {
        &self.common
    }
}

fn kind(word: &str) -> Result<Kind, String> {
    let words: Vec<&str> = Kind::ALL.iter().map(|kind| kind.as_str()).collect();
    Kind::from_word(word).ok_or_else(|| format!("one of {}", words.join(", ")))
}

/// Parses a moment of the command line.
pub(super) fn moment(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse(text).map_err(|error| error.to_string())
}

/// Runs the command.
///
/// # Errors
/// [`Failure`] where there was nothing to judge.
pub fn run(args: &Args, voice: &Voice) -> Result<Exit, Failure> {
    let config = setup::load(args.common.flags(), false)?;
    let keys = setup::keys(&config, args.common.insecure_key, voice)?;
    let bytes = read(&args.file, args.kind.bytes_max())?;
    let (from, to, kind) = (args.from.clone(), args.to.clone(), args.kind);
    let now = args.now.unwrap_or_else(|| SystemClock.wall());
    let rules = if args.any_time {
        Rules::recorded()
    } else {
        Rules::at(now)
    };
    let opened = Envelope::read(bytes).verify(&keys, &Context { from, to, kind }, now);
    match opened.and_then(|sealed| sealed.check(&rules)) {
        Ok(()) => {
            voice.answer("ok")?;
            Ok(Exit::Ok)
        }
        Err(refusal) => refused(&refusal, voice),
    }
}

fn refused(refusal: &Refusal, voice: &Voice) -> Result<Exit, Failure> {
    voice.answer(refusal.reason.as_str())?;
    voice.note(&refusal.to_string());
    Ok(if refusal.reason.is_about_trust() {
        Exit::Refused
    } else {
        Exit::Data
    })
}

/// Reads a file, one byte beyond its bound at most: the check of the size is the document's own.
fn read(path: &Path, most: usize) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let limit = most as u64 + 1;
    let read = if path == Path::new("-") {
        std::io::stdin().lock().take(limit).read_to_end(&mut bytes)
    } else {
        let file =
            disk::open(path).map_err(|error| match error.is(std::io::ErrorKind::NotFound) {
                true => Failure::new(Exit::NotFound, error.to_string()),
                false => error.into(),
            })?;
        file.take(limit).read_to_end(&mut bytes)
    };
    read.map_err(|error| {
        Failure::new(
            Exit::Io,
            format!("cannot read '{}': {error}", path.display()),
        )
    })?;
    Ok(bytes)
}
