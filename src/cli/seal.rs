//! `dispatch seal`: puts a seal under a document that somebody else wrote. For scripts and for other implementations.

use std::io::Read as _;

use clap::Args as ClapArgs;

use super::failure::Failure;
use super::setup;
use super::setup::Common;
use super::verify::moment;
use super::voice::Voice;
use crate::clock::Clock;
use crate::clock::SystemClock;
use crate::clock::Timestamp;
use crate::document::Context;
use crate::document::Kind;
use crate::document::strict;
use crate::envelope;
use crate::exit::Exit;
use crate::id::Party;
use crate::limits;

/// Seal a document read from standard input
///
/// Example: dispatch seal <ack.json >sealed.json
///
/// The input is one JSON object without "auth"; where it belongs is what it says itself. What a
/// reader would refuse is not sealed. The bytes are kept as they are, but for white space at both
/// ends.
#[derive(Debug, ClapArgs)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// Pad a heartbeat or a lease to its fixed size
    #[arg(long)]
    beat: bool,
    /// Choose the key as if it were this moment, such as 2026-11-20T06:00:00Z
    #[arg(long, value_name = "TIME", value_parser = moment)]
    now: Option<Timestamp>,
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

/// Runs the command.
///
/// # Errors
/// [`Failure`]: nothing was written.
pub fn run(args: &Args, voice: &Voice) -> Result<Exit, Failure> {
    let mut input = Vec::new();
    let most = limits::RESULT_BYTES_MAX;
    let read = std::io::stdin()
        .lock()
        .take(most as u64 + 1)
        .read_to_end(&mut input);
    read.map_err(|error| Failure::new(Exit::Io, format!("cannot read standard input: {error}")))?;
    if input.len() > most {
        return Err(bad(&format!("more than {most} bytes")));
    }
    let context = context(&input)?;
    let body = body(&input).ok_or_else(|| bad("not one JSON object"))?;
    let config = setup::load(args.common.flags(), false)?;
    let keys = setup::keys(&config, args.common.insecure_key, voice)?;
    let now = args.now.unwrap_or_else(|| SystemClock.wall());
    let sealed = match args.beat {
        true => envelope::seal_beat(&keys, &context, now, &body)?,
        false => envelope::seal(&keys, &context, now, &body)?,
    };
    voice.raw(&sealed)?;
    Ok(Exit::Ok)
}

fn bad(why: &str) -> Failure {
    Failure::new(Exit::Data, format!("cannot seal standard input: {why}"))
}

fn context(input: &[u8]) -> Result<Context, Failure> {
    let refuse = |refusal: envelope::Refusal| bad(&refusal.to_string());
    let (mut object, _) = strict::read(input).map_err(refuse)?;
    if object.names().any(|name| name == "auth") {
        return Err(bad("it has a seal already"));
    }
    let kind = object.text("kind").map_err(refuse)?;
    let kind = Kind::from_word(&kind).ok_or_else(|| bad("'kind' is not a kind of document"))?;
    let mut party = |name| {
        let text = object.text(name).map_err(refuse)?;
        Party::parse(&text).map_err(|error| bad(&error.to_string()))
    };
    Ok(Context {
        from: party("from")?,
        to: party("to")?,
        kind,
    })
}

/// Makes the bytes that are sealed of an object: from its brace and a line feed to its last member.
fn body(input: &[u8]) -> Option<Vec<u8>> {
    let inside = input
        .trim_ascii()
        .strip_prefix(b"{")?
        .strip_suffix(b"}")?
        .trim_ascii_end();
    let first = inside
        .iter()
        .position(|byte| *byte == b'\n')
        .filter(|at| inside[..*at].trim_ascii().is_empty());
    let members = first.map_or(inside, |at| &inside[at + 1..]);
    Some([b"{\n", members].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_of_a_written_object_are_kept() {
        assert_eq!(
            body(b"{\n  \"a\": 1,\n  \"b\": 2\n}\n").unwrap(),
            b"{\n  \"a\": 1,\n  \"b\": 2"
        );
        assert_eq!(body(b" {\"a\":{}} ").unwrap(), b"{\n\"a\":{}");
        assert_eq!(body(b"{ \r\n\"a\": \"\n\"}").unwrap(), b"{\n\"a\": \"\n\"");
        assert!(body(b"[]").is_none() && body(b"").is_none() && body(b"{").is_none());
    }
}
