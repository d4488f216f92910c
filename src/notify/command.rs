//! A program of this host that takes messages: JSON on its standard input, a bounded time, and the end of all it
//! started.

use std::ffi::OsStr;

use crate::destination::Destination;
use crate::notify::carry::Carrier;
use crate::notify::carry::Refused;
use crate::process::Error;
use crate::process::Exit;
use crate::process::feed;
use crate::process::feed::Feed;

/// EX_TEMPFAIL of sysexits.h: try again later.
const TEMPFAIL: u8 = 75;

/// Runs the command of a destination once.
///
/// # Errors
/// [`Refused`]: for now where it could not be started, took too long, was ended by a signal or says so (status 75); for
/// good where it says that it failed.
pub fn run(carrier: &Carrier<'_>, to: &Destination, body: &[u8]) -> Result<(), Refused> {
    let argv: Vec<&OsStr> = to.command.iter().map(OsStr::new).collect();
    let mark = format!("{:016x}", carrier.chance.bits());
    let feed = Feed {
        argv: &argv,
        path: carrier.path,
        mark: ("DISPATCH_NOTIFY", &mark),
        input: body,
        patience: to.timeout,
    };
    match feed::fed(&feed, carrier.clock) {
        Ok(Exit::Code(0)) => Ok(()),
        Ok(Exit::Code(TEMPFAIL)) => Err(Refused::for_now("the command asks for another try")),
        Ok(Exit::Code(code)) => Err(Refused::for_good(format!(
            "the command ended with status {code}"
        ))),
        Ok(Exit::Signal(signal)) => Err(Refused::for_now(format!(
            "signal {signal} ended the command"
        ))),
        Err(Error::TooSlow { seconds, .. }) => Err(Refused::for_now(format!(
            "the command was ended after {seconds} s"
        ))),
        Err(error) => Err(Refused::for_now(error.to_string())),
    }
}
