//! `dispatch-notify`: tells people and programs what happens on this node.
//!
//! A program of its own, because it is the only one that opens a connection; the watcher neither knows nor waits for
//! it. It reads the configuration and the log of this node and writes below `notify/` in its local state. It touches
//! neither share nor keys.

use std::path::Path;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Condvar;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use clap::Parser;
use nix::sys::stat::Mode;
use nix::sys::stat::umask;
use sd_notify::NotifyState;
use serde_json::json;
use signal_hook::consts::SIGINT;
use signal_hook::consts::SIGTERM;
use signal_hook::iterator::Signals;

use super::config;
use super::failure::Failure;
use super::setup;
use super::setup::Common;
use super::setup::Setup;
use super::voice::Voice;
use crate::audit;
use crate::audit::files::LocalFiles;
use crate::chance::Chance as _;
use crate::chance::OsChance;
use crate::clock::Clock as _;
use crate::clock::SystemClock;
use crate::config::Config;
use crate::destination::Destination;
use crate::disk;
use crate::disk::LockFile;
use crate::exit::Exit;
use crate::id::DestinationName;
use crate::id::NodeName;
use crate::limits;
use crate::notify;
use crate::notify::carry::Again;
use crate::notify::carry::Carrier;
use crate::notify::carry::Poster;
use crate::notify::ledger::Ledger;
use crate::notify::message::Message;
use crate::notify::post::Post;
use crate::notify::post::Told;
use crate::status::Wrong;

/// The name of this program.
const PROGRAM: &str = "dispatch-notify";
/// How long a message that was given up is something wrong.
const DEAD_SHOWN: Duration = Duration::from_secs(24 * 3600);
/// Where commands are looked for, where the environment says nothing.
const PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// Tell people and programs what happens on this node: a webhook, Discord, Slack, Telegram, ntfy, a command
///
/// Example: dispatch-notify --test ops
///
/// Where to, and what, is in the tables [notify.NAME] of dispatch.toml(5). It begins with what happens after it was
/// started for the first time.
#[derive(Debug, Parser)]
#[command(name = PROGRAM, version, max_term_width = 100)]
pub struct Args {
    /// Deliver what is due, then end; 75 where something still waits
    #[arg(long, conflicts_with_all = ["test", "list"])]
    once: bool,
    /// Send a test message to this destination, whatever the hour
    #[arg(long, value_name = "NAME", conflicts_with = "list")]
    test: Option<DestinationName>,
    /// Show each destination, what waits for it and what was given up
    #[arg(long)]
    list: bool,
    /// With --once, --test or --list: print one JSON object for each destination
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    common: Common,
}

/// Runs the program; `poster` posts its requests.
#[must_use]
pub fn main(poster: &dyn Poster) -> ExitCode {
    umask(Mode::from_bits_truncate(0o077));
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => return super::refused(&error, PROGRAM).into(),
    };
    let voice = args.common.voice(PROGRAM);
    let ended = run(&args, poster, &voice).unwrap_or_else(|failure| {
        voice.fail(&failure);
        failure.exit()
    });
    ended.into()
}

fn run(args: &Args, poster: &dyn Poster, voice: &Voice) -> Result<Exit, Failure> {
    let config = setup::load(args.common.flags(), false)?;
    let node = config.node()?.clone();
    let folder = config.state()?.join(notify::DIR);
    if config.notify.is_empty() {
        let message = "no destination is configured";
        return Err(Failure::new(Exit::Config, message).hint(
            "add a table [notify.NAME] to dispatch.toml; docs/NOTIFY.md has one for each service",
        ));
    }
    if args.list {
        return list(args, &config, &folder, voice);
    }
    config::vet(&config, voice)?;
    let handed = setup::variable("CREDENTIALS_DIRECTORY").map(PathBuf::from);
    let path = setup::variable("PATH").and_then(|path| path.into_string().ok());
    let carrier = Carrier {
        poster,
        clock: &SystemClock,
        chance: &OsChance,
        handed: handed.as_deref(),
        path: path.as_deref().unwrap_or(PATH),
    };
    if let Some(name) = &args.test {
        return test(args, &config, name, &node, &carrier, voice);
    }
    disk::make_dir(&folder, 0o700)?;
    let _lock = LockFile::try_take(&folder.join("lock")).map_err(|error| match error {
        disk::Error::Locked { .. } => {
            let message = format!("another dispatch-notify of '{node}' runs on this host");
            Failure::new(Exit::TryAgain, message)
        }
        other => other.into(),
    })?;
    let log = LocalFiles(config.state()?.join(audit::LOG_DIR));
    let mut posts = Vec::new();
    for destination in config.notify.values() {
        let file = file(&folder, destination);
        match Post::open(destination, &node, &log, &carrier, file) {
            Ok(post) => posts.push((destination, post)),
            // One that cannot be served is no reason to be silent everywhere.
            Err(error) => voice.warn(&format!("'{}' is not served: {error}", destination.name)),
        }
    }
    if posts.is_empty() {
        return Err(Failure::new(Exit::Io, "no destination can be served"));
    }
    let unserved = config.notify.len() > posts.len();
    match args.once {
        true => once(args, posts, unserved, voice),
        false => serve(posts, &node, voice),
    }
}

fn file(folder: &Path, destination: &Destination) -> PathBuf {
    folder.join(format!("{}.json", destination.name))
}

/// Delivers what is due to one destination after another.
fn once(
    args: &Args,
    posts: Vec<(&Destination, Post<'_>)>,
    unserved: bool,
    voice: &Voice,
) -> Result<Exit, Failure> {
    let mut exit = if unserved { Exit::Io } else { Exit::Ok };
    for (destination, mut post) in posts {
        let before = (post.ledger().delivered, post.ledger().dead);
        let mut tell = |told: Told| say(voice, destination, &told);
        while post.pass(&mut tell) == Some(Duration::ZERO) {}
        post.close(&mut tell);
        let ledger = post.ledger();
        if args.json {
            voice.answer(&state(destination, Some(ledger)).to_string())?;
        }
        if exit == Exit::Ok && !ledger.queue.is_empty() {
            exit = Exit::TryAgain;
        } else if exit == Exit::Ok && ledger.dead > before.1 {
            exit = Exit::No;
        }
        let sent = ledger.delivered - before.0;
        if sent > 0 {
            voice.note(&format!("{}: {sent} delivered", destination.name));
        }
    }
    Ok(exit)
}

/// Somebody asks all threads to end.
#[derive(Default)]
struct Stop {
    asked: Mutex<bool>,
    bell: Condvar,
}

impl Stop {
    fn ask(&self) {
        *self.asked.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.bell.notify_all();
    }

    /// Waits, at most this long. Returns whether to end.
    fn wait(&self, most: Duration) -> bool {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.bell.wait_timeout_while(asked, most, |asked| !*asked);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

/// Serves all destinations until a signal says otherwise, each by itself: one that is slow keeps no other waiting.
fn serve(
    posts: Vec<(&Destination, Post<'_>)>,
    node: &NodeName,
    voice: &Voice,
) -> Result<Exit, Failure> {
    let cannot = |error| Failure::new(Exit::Bug, format!("cannot catch signals: {error}"));
    let mut signals = Signals::new([SIGTERM, SIGINT]).map_err(cannot)?;
    let names: Vec<&str> = posts.iter().map(|(to, _)| to.name.as_str()).collect();
    voice.note(&format!("{node} tells {}", names.join(", ")));
    let stop = Stop::default();
    std::thread::scope(|scope| {
        for (destination, mut post) in posts {
            let stop = &stop;
            scope.spawn(move || {
                let mut tell = |told: Told| say(voice, destination, &told);
                loop {
                    let wait = post.pass(&mut tell).unwrap_or(limits::NOTIFY_LOOK);
                    if stop.wait(wait.min(limits::NOTIFY_LOOK)) {
                        break;
                    }
                }
                post.close(&mut tell);
            });
        }
        let _ = sd_notify::notify(&[NotifyState::Ready]);
        signals.forever().next();
        let _ = sd_notify::notify(&[NotifyState::Stopping]);
        stop.ask();
    });
    Ok(Exit::Ok)
}

fn say(voice: &Voice, destination: &Destination, told: &Told) {
    let name = &destination.name;
    match told {
        Told::Failing(why) => voice.warn(&format!("{name}: {why}; it is tried again")),
        Told::Delivering => voice.note(&format!("{name}: delivered again")),
        Told::GivenUp(dead) => voice.warn(&format!("{name}: gave up {}: {}", dead.id, dead.why)),
        Told::Unread(why) => voice.warn(&format!("{name}: {why}")),
        Told::Unsaved(why) => voice.warn(&format!(
            "{name}: a restart will repeat what is sent now: {why}"
        )),
    }
}

fn test(
    args: &Args,
    config: &Config,
    name: &DestinationName,
    node: &NodeName,
    carrier: &Carrier<'_>,
    voice: &Voice,
) -> Result<Exit, Failure> {
    let Some(destination) = config.notify.get(name) else {
        let known: Vec<&str> = config.notify.keys().map(DestinationName::as_str).collect();
        let message = format!("there is no destination '{name}'");
        return Err(Failure::new(Exit::NotFound, message)
            .hint(format!("known destinations: {}", known.join(", "))));
    };
    let message = Message::test(node, SystemClock.wall(), OsChance.bits());
    let tried = carrier.carry(destination, &message);
    if args.json {
        let why = tried.as_ref().err().map(|refused| refused.why.as_str());
        let answer = json!({
            "version": 1,
            "destination": name,
            "service": destination.service,
            "id": message.id,
            "delivered": tried.is_ok(),
            "why": why,
        });
        voice.answer(&answer.to_string())?;
    }
    match tried {
        Ok(()) if args.json => Ok(Exit::Ok),
        Ok(()) => {
            voice.answer(&format!("delivered to {name}"))?;
            Ok(Exit::Ok)
        }
        Err(refused) => {
            let exit = match refused.again {
                Again::Never => Exit::No,
                Again::After(_) => Exit::TryAgain,
            };
            let message = format!("'{name}' took no test message: {refused}");
            Err(Failure::new(exit, message))
        }
    }
}

/// Returns where a destination stands, as `--json` shows it: a versioned contract, which may only grow.
fn state(destination: &Destination, ledger: Option<&Ledger>) -> serde_json::Value {
    let of = |get: fn(&Ledger) -> u64| ledger.map_or(0, get);
    json!({
        "version": 1,
        "destination": destination.name,
        "service": destination.service,
        "begun": ledger.is_some(),
        "delivered": of(|one| one.delivered),
        "waiting": of(|one| one.queue.len() as u64),
        "more": of(|one| one.more.as_ref().map_or(0, |more| more.count())),
        "trouble": ledger.and_then(|one| one.trouble.as_deref()),
        "given_up": of(|one| one.dead),
        "last_given_up": ledger.and_then(|one| one.last_dead.as_ref()),
    })
}

fn list(args: &Args, config: &Config, folder: &Path, voice: &Voice) -> Result<Exit, Failure> {
    for destination in config.notify.values() {
        let ledger = Ledger::load(&file(folder, destination))?;
        if args.json {
            voice.answer(&state(destination, ledger.as_ref()).to_string())?;
            continue;
        }
        let (name, service) = (&destination.name, destination.service);
        let Some(ledger) = ledger else {
            voice.answer(&format!("{name}  {service}  never started"))?;
            continue;
        };
        let more = ledger.more.as_ref().map_or(0, |more| more.count());
        let waiting = ledger.queue.len() as u64 + more;
        voice.answer(&format!(
            "{name}  {service}  {} delivered, {waiting} waiting, {} given up",
            ledger.delivered, ledger.dead
        ))?;
        if let Some(trouble) = &ledger.trouble {
            voice.answer(&format!("    {trouble}"))?;
        }
        if let Some(dead) = &ledger.last_dead {
            voice.answer(&format!(
                "    gave up {} at {}: {}",
                dead.id, dead.at, dead.why
            ))?;
        }
    }
    Ok(Exit::Ok)
}

/// Returns what is wrong with destinations, for `dispatch status`: one that does not take what waits, or from which a
/// message was kept for good within a day. What cannot be read here, as by another user, says nothing.
pub(super) fn wrong(setup: &Setup) -> Vec<Wrong> {
    let Ok(state) = setup.config.state() else {
        return Vec::new();
    };
    let folder = state.join(notify::DIR);
    let now = setup.clock.wall();
    let mut found = Vec::new();
    for destination in setup.config.notify.values() {
        let Ok(Some(ledger)) = Ledger::load(&file(&folder, destination)) else {
            continue;
        };
        let name = &destination.name;
        let mut say = |text: String| {
            found.push(Wrong {
                code: "notify",
                about: setup.node.to_string(),
                text,
            });
        };
        if let Some(trouble) = ledger.trouble.filter(|_| !ledger.queue.is_empty()) {
            let waiting = ledger.queue.len();
            say(format!(
                "{waiting} notifications wait for '{name}': {trouble}"
            ));
        }
        if let Some(dead) = ledger
            .last_dead
            .filter(|dead| now.since(dead.at) < DEAD_SHOWN)
        {
            say(format!(
                "a notification for '{name}' was given up at {}: {}",
                dead.at, dead.why
            ));
        }
    }
    found
}

impl From<notify::Error> for Failure {
    fn from(error: notify::Error) -> Self {
        let exit = match &error {
            notify::Error::Disk(_) | notify::Error::Log(_) | notify::Error::Format { .. } => {
                Exit::Io
            }
            _ => Exit::Config,
        };
        let failure = Self::new(exit, error.to_string());
        match error {
            notify::Error::Format { .. } => failure
                .hint("remove the file to begin anew: what waits in it is lost, nothing else"),
            _ => failure,
        }
    }
}
