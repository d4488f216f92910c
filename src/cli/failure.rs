//! From a module's error to what a person reads and a script sees: one place for messages, hints and exit statuses.

use std::fmt;

use crate::attempt;
use crate::audit;
use crate::config;
use crate::disk;
use crate::envelope;
use crate::exit::Exit;
use crate::flow;
use crate::flow::root;
use crate::flow::send;
use crate::id::BadName;
use crate::journal;
use crate::key;
use crate::limits;
use crate::share::ShareError;

/// What a call that hangs means for who made it.
const HANG_MEANS: &str = "it may still happen when the server is back; \
    'dispatch status' shows what this host knows by itself";
/// What to do about one.
const HANG_HELP: &str = "is the file server up? a hard mount waits for it without end; \
    'dispatch halt --local' stops this node without it";

/// A program that could not do what it was asked.
#[derive(Debug)]
pub struct Failure {
    exit: Exit,
    message: String,
    hints: Vec<String>,
}

impl Failure {
    /// Makes a failure.
    #[must_use]
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self {
            exit,
            message: in_words(&message.into()),
            hints: Vec::new(),
        }
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn hint(mut self, text: impl Into<String>) -> Self {
        self.hints.push(text.into());
        self
    }

    /// Returns the status the program ends with.
    #[must_use]
    pub const fn exit(&self) -> Exit {
        self.exit
    }

    /// Returns what to do about it.
    #[must_use]
    pub fn hints(&self) -> &[String] {
        &self.hints
    }

    /// Says why a folder cannot be used as the share. One whose identity is configured was there once: it is away, and
    /// comes back. Of any other it is more likely that its path is wrong, or that it was never laid out.
    pub(super) fn of_root(error: root::Error, title: &str, was_there: bool) -> Self {
        const WHERE: &str = "'dispatch config root' shows where the path comes from";
        let exit = match was_there {
            true => Exit::TryAgain,
            false => Exit::Config,
        };
        match error {
            root::Error::Share(error) if error.is_absent() => {
                let message = format!("cannot use '{title}' as the share: it is not there");
                Self::new(exit, message).hint(format!("is it mounted? {WHERE}"))
            }
            root::Error::Absent(_) if was_there => {
                let message = format!("cannot use '{title}' as the share: it is not mounted there");
                Self::new(exit, message).hint(format!(
                    "the folder is there, and 'dispatch.json' of the share is not in it; {WHERE}"
                ))
            }
            other => other.into(),
        }
    }

    /// Returns whether it may be over by itself: the share is away, or failed.
    #[must_use]
    pub const fn passes(&self) -> bool {
        matches!(self.exit, Exit::TryAgain | Exit::Io)
    }

    /// Makes a failure of an error and everything that caused it.
    fn of(exit: Exit, error: &dyn std::error::Error) -> Self {
        let mut message = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            let text = error.to_string();
            // Some errors show their cause themselves.
            if !message.ends_with(&text) {
                message = format!("{message}: {text}");
            }
            cause = error.source();
        }
        Self::new(exit, message)
    }
}

/// Leaves the number out that Rust adds to the words of a system error: `(os error 13)`.
pub(super) fn in_words(text: &str) -> String {
    const LEAD: &str = " (os error ";
    let mut parts = text.split(LEAD);
    let mut all = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part.split_once(')') {
            Some((number, rest)) if number.bytes().all(|byte| byte.is_ascii_digit()) => {
                all.push_str(rest);
            }
            _ => all.extend([LEAD, part]),
        }
    }
    all
}

/// Makes a failure of what clap says of a command line: its tips and its usage are hints.
pub(super) fn of_command_line(text: &str) -> Failure {
    let (mut said, mut hints) = (Vec::new(), Vec::new());
    let mut usage = "'--help' shows what there is".to_owned();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        if let Some(line) = line.strip_prefix("error: ") {
            said.push(line);
        } else if let Some(tip) = line.trim_start().strip_prefix("tip: ") {
            // Where a flag is not known, clap would have it passed as a value, which nobody means.
            if !tip.starts_with("to pass") {
                hints.push(tip.to_owned());
            }
        } else if let Some(line) = line.strip_prefix("Usage: ") {
            usage = format!("usage: {line}");
        } else if !line.starts_with("For more information") {
            said.push(line);
        }
    }
    hints.push(usage);
    let failure = Failure::new(Exit::Usage, said.join("\n"));
    hints.into_iter().fold(failure, Failure::hint)
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.message)
    }
}

impl From<config::Error> for Failure {
    fn from(error: config::Error) -> Self {
        let failure = Self::of(Exit::Config, &error);
        match &error {
            config::Error::Missing { key: "node" } => failure
                .hint("run 'dispatch init' to write a configuration, or give --side NODE"),
            config::Error::Missing { key: "root" } => failure
                .hint("run 'dispatch init', give --root DIR, or set DISPATCH_ROOT to a folder both hosts mount"),
            config::Error::Missing { .. } => {
                failure.hint("'dispatch config' shows every setting and where it came from")
            }
            config::Error::UnknownPeer { nearest, .. } => {
                let failure = Self { exit: Exit::NotFound, ..failure };
                match nearest {
                    Some(near) => failure.hint(format!("did you mean '{near}'?")),
                    None => failure.hint("a peer is made known by a [peer.NAME] table in dispatch.toml"),
                }
            }
            _ => failure,
        }
    }
}

impl From<ShareError> for Failure {
    fn from(error: ShareError) -> Self {
        use nix::errno::Errno;
        let failure = Self::of(Exit::Io, &error);
        match error.kind() {
            Errno::ENOENT | Errno::ENOTDIR => failure.hint(
                "is the share mounted, and laid out? 'dispatch init' lays out a root and its lanes",
            ),
            Errno::EACCES | Errno::EPERM => failure
                .hint("both hosts need a common group on the share: 'dispatch init --group GROUP'"),
            Errno::ENOSPC | Errno::EDQUOT => {
                failure.hint("free some space on the share; nothing was published")
            }
            Errno::EROFS => failure.hint("the share is mounted read-only"),
            _ if error.is_hang() => {
                let waited = limits::SHARE_PATIENCE_COMMAND.as_secs();
                let message = format!("{} (waited {waited} s)", failure.message);
                let failure = Self {
                    exit: Exit::TryAgain,
                    message,
                    ..failure
                };
                failure.hint(HANG_MEANS).hint(HANG_HELP)
            }
            _ if error.is_other_ground() => Self {
                exit: Exit::TryAgain,
                ..failure
            }
            .hint("the share was mounted anew meanwhile; try again"),
            Errno::ESTALE | Errno::ENOTCONN | Errno::EHOSTDOWN => Self {
                exit: Exit::TryAgain,
                ..failure
            }
            .hint("the file server does not answer as it should; try again"),
            _ => failure,
        }
    }
}

impl From<root::Error> for Failure {
    fn from(error: root::Error) -> Self {
        match error {
            root::Error::Share(error) => error.into(),
            root::Error::Absent(_) => Self::of(Exit::Config, &error).hint(
                "either the share is not mounted there, or it is not laid out yet: 'dispatch init'",
            ),
            other => Self::of(Exit::Config, &other),
        }
    }
}

impl From<disk::Error> for Failure {
    fn from(error: disk::Error) -> Self {
        let exit = if matches!(error, disk::Error::Locked { .. }) {
            Exit::TryAgain
        } else {
            Exit::Io
        };
        Self::of(exit, &error)
    }
}

impl From<key::Error> for Failure {
    fn from(error: key::Error) -> Self {
        Self::of(Exit::Refused, &error)
    }
}

impl From<envelope::Error> for Failure {
    fn from(error: envelope::Error) -> Self {
        match &error {
            envelope::Error::NoKey { .. } => Self::of(Exit::Refused, &error).hint(
                "'dispatch key list' shows the keys of this host; 'dispatch key new-link PEER' makes one for a link",
            ),
            envelope::Error::Refused { .. } => Self::of(Exit::Data, &error),
        }
    }
}

impl From<send::Error> for Failure {
    fn from(error: send::Error) -> Self {
        match error {
            send::Error::Seal(error) => error.into(),
            send::Error::Legacy(_) => Self::of(Exit::Usage, &error)
                .hint("version 2 protects only the request and its priority; use --schema 3"),
            send::Error::NoLegacyKey(_) => Self::of(Exit::Refused, &error)
                .hint("'dispatch key import --v2' takes in the original's hmac.key"),
        }
    }
}

impl From<journal::Error> for Failure {
    fn from(error: journal::Error) -> Self {
        Self::of(Exit::Io, &error).hint(
            "nothing is started without a journal that can be trusted; see docs/QUEUE.md, 'the journal is lost'",
        )
    }
}

impl From<attempt::Error> for Failure {
    fn from(error: attempt::Error) -> Self {
        Self::of(Exit::Io, &error)
    }
}

impl From<audit::Error> for Failure {
    fn from(error: audit::Error) -> Self {
        Self::of(Exit::Io, &error)
    }
}

impl From<BadName> for Failure {
    fn from(error: BadName) -> Self {
        Self::of(Exit::Usage, &error)
    }
}

impl From<flow::Error> for Failure {
    fn from(error: flow::Error) -> Self {
        match error {
            flow::Error::Journal(error) => error.into(),
            flow::Error::Share(error) => error.into(),
            flow::Error::Seal(error) => error.into(),
            flow::Error::Attempt(error) => error.into(),
            error @ flow::Error::Barred(_) => Self::of(Exit::Io, &error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_system_error_is_said_in_words() {
        assert_eq!(
            in_words("cannot read 'a': Permission denied (os error 13)"),
            "cannot read 'a': Permission denied"
        );
        assert_eq!(
            in_words("a (os error 2), b (os error x), c"),
            "a, b (os error x), c"
        );
    }

    #[test]
    fn a_share_that_fails_is_never_said_to_be_a_wrong_configuration() {
        use nix::errno::Errno;
        let failed = |errno: Errno| ShareError {
            action: "list",
            object: "x".to_owned(),
            errno: errno as i32,
            why: None,
        };
        for (errno, exit) in [
            (Errno::EIO, Exit::Io),
            (Errno::ESTALE, Exit::TryAgain),
            (Errno::ETIMEDOUT, Exit::TryAgain),
            (Errno::ENOTCONN, Exit::TryAgain),
            (Errno::EACCES, Exit::Io),
        ] {
            for was_there in [false, true] {
                let error = root::Error::Share(failed(errno));
                let failure = Failure::of_root(error, "/mnt", was_there);
                assert_eq!((failure.exit(), failure.passes()), (exit, true), "{errno}");
            }
        }
        for error in [
            root::Error::Share(failed(Errno::ENOENT)),
            root::Error::Absent("/mnt".to_owned()),
        ] {
            let failure = Failure::of_root(error, "/mnt", true);
            assert_eq!(failure.exit(), Exit::TryAgain, "{failure}");
        }
        let never = root::Error::Absent("/mnt".to_owned());
        assert_eq!(Failure::of_root(never, "/mnt", false).exit(), Exit::Config);
    }

    #[test]
    fn what_clap_says_is_said_in_our_voice() {
        let text = "error: unexpected argument '--too' found\n\n  tip: a similar argument exists: '--to'\n\n\
            Usage: dispatch-send --to <NODE>\n\nFor more information, try '--help'.\n";
        let failure = of_command_line(text);
        assert_eq!(failure.to_string(), "unexpected argument '--too' found");
        let hints = [
            "a similar argument exists: '--to'",
            "usage: dispatch-send --to <NODE>",
        ];
        assert_eq!(failure.hints(), hints);
        assert_eq!(failure.exit(), Exit::Usage);
    }
}
