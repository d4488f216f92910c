//! Puts the sources together: finds and reads the one file, lays environment and flags over it, fills in the rest.

use std::io::Read as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

use nix::fcntl::OFlag;

use crate::config::Config;
use crate::config::Error;
use crate::config::check;
use crate::config::env;
use crate::config::env::Environment;
use crate::config::overlay;
use crate::config::read::Reading;
use crate::config::tables;
use crate::id::NodeName;
use crate::limits;

/// A path that stands for a file without a word in it.
pub(super) const NO_FILE: &str = "/dev/null";
/// Where the file of the whole host is.
const SYSTEM_FILE: &str = "/etc/dispatch/dispatch.toml";

/// What the command line says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Flags {
    /// `--config`
    pub config: Option<PathBuf>,
    /// `--root`
    pub root: Option<PathBuf>,
    /// `--side`, or `--from` of a sender: the name of this node, and the flag that said so.
    pub node: Option<(NodeName, &'static str)>,
    /// `--state`
    pub state: Option<PathBuf>,
    /// `--keys`
    pub keys: Option<PathBuf>,
    /// `--poll`
    pub poll: Option<Duration>,
    /// `--slots`
    pub slots: Option<u32>,
}

/// Everything a configuration is made of.
pub struct Sources<'a> {
    /// The command line.
    pub flags: Flags,
    /// The environment.
    pub lookup: &'a env::Lookup<'a>,
    /// What a relative path of a flag or a variable is relative to.
    pub cwd: PathBuf,
    /// Whether the program sends tasks: then `DISPATCH_FROM` names this node before `DISPATCH_SIDE`.
    pub sending: bool,
}

/// Reads the configuration.
///
/// # Errors
/// [`Error::Read`], [`Error::Unfit`] for the file; [`Error::Invalid`] with every mistake found in it, in the
/// environment and in the flags.
pub fn load(sources: &Sources<'_>) -> Result<Config, Error> {
    let mut problems = Vec::new();
    let environment = env::read(sources.lookup, sources.sending, &mut problems);
    let mut config = Config::default();
    if let Some((path, text)) = find(sources, &environment)? {
        let mut reading = Reading::new(&path, &text, environment.home.as_deref());
        let file = reading.parse()?;
        let mentions = tables::fill(&mut config, file, &mut reading);
        overlay::fill_profiles(&mut config, &environment);
        // A flag may rename this node; what the file says about itself is checked as it stands.
        check::names(&config, &mentions, &mut reading);
        config.origins = std::mem::take(&mut reading.origins);
        problems.extend(reading.sorted());
        config.file = Some(path);
    } else {
        overlay::fill_profiles(&mut config, &environment);
    }
    overlay::lay_over(&mut config, sources, &environment);
    overlay::know_the_pair(&mut config, &environment);
    overlay::fill_in(&mut config, &environment);
    problems.extend(overlay::bounds(&config));
    problems.extend(check::places(&config));
    if problems.is_empty() {
        Ok(config)
    } else {
        Err(Error::Invalid(problems))
    }
}

/// Returns where the configuration of the user belongs; `None` where there is no home directory.
#[must_use]
pub fn user_file(lookup: &env::Lookup<'_>) -> Option<PathBuf> {
    env::read(lookup, false, &mut Vec::new()).user_file()
}

/// Returns the file that is read, with its text: the one that was named, else the first that exists.
fn find(
    sources: &Sources<'_>,
    environment: &Environment,
) -> Result<Option<(PathBuf, String)>, Error> {
    if let Some(named) = sources
        .flags
        .config
        .as_ref()
        .or(environment.config.as_ref())
    {
        let path = sources.cwd.join(named);
        let text = read_text(&path)?;
        return Ok(Some((path, text)));
    }
    let of_user = environment.user_file();
    for path in of_user.into_iter().chain([PathBuf::from(SYSTEM_FILE)]) {
        match read_text(&path) {
            Ok(text) => return Ok(Some((path, text))),
            Err(Error::Read { source, .. }) if is_absent(&source) => (),
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

/// Returns whether an error proves that there is no such file. A home of `/dev/null`, as some services have, does.
fn is_absent(error: &std::io::Error) -> bool {
    use std::io::ErrorKind;
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

/// Reads a regular file of bounded size.
fn read_text(path: &Path) -> Result<String, Error> {
    if path == Path::new(NO_FILE) {
        return Ok(String::new());
    }
    let failed = |source| Error::Read {
        path: path.to_owned(),
        source,
    };
    let unfit = |why| Error::Unfit {
        path: path.to_owned(),
        why,
    };
    // A FIFO of this name must not hang the program (open(2), O_NONBLOCK).
    let flags = (OFlag::O_CLOEXEC | OFlag::O_NONBLOCK).bits();
    let file = std::fs::OpenOptions::new()
        .read(true)
        .custom_flags(flags)
        .open(path)
        .map_err(failed)?;
    if !file.metadata().map_err(failed)?.is_file() {
        return Err(unfit("it is not a regular file"));
    }
    let mut bytes = Vec::new();
    file.take(limits::CONFIG_BYTES_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if bytes.len() as u64 > limits::CONFIG_BYTES_MAX {
        return Err(unfit("it is larger than 1 MiB"));
    }
    String::from_utf8(bytes).map_err(|_| unfit("it is not UTF-8"))
}
