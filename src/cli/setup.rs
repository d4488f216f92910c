//! From flags, environment and file to the things a command works with. The only reader of the environment.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;

use super::failure::Failure;
use super::voice::Colour;
use super::voice::Voice;
use crate::audit::HEADS_FILE;
use crate::audit::HeadsSeen;
use crate::audit::head::Noted;
use crate::audit::local::LocalLog;
use crate::audit::segment::Writer;
use crate::audit::ship::ShareShelf;
use crate::audit::ship::Shipper;
use crate::chance::Chance;
use crate::chance::OsChance;
use crate::clock::Clock;
use crate::clock::SystemClock;
use crate::config;
use crate::config::Config;
use crate::disk;
use crate::disk::LockFile;
use crate::document::AuditHead;
use crate::document::Context;
use crate::document::Kind;
use crate::document::Rules;
use crate::envelope::Envelope;
use crate::event::Event;
use crate::event::Sink;
use crate::event::Word;
use crate::exit::Exit;
use crate::flow::Asked;
use crate::flow::beat;
use crate::flow::lanes;
use crate::flow::root;
use crate::flow::send::Sender;
use crate::id::NodeName;
use crate::id::Party;
use crate::key::file::Guard;
use crate::key::file::Storage;
use crate::keyring::Drawer;
use crate::keyring::Keyring;
use crate::limits;
use crate::place::Lane;
use crate::place::Place;
use crate::share::Cache;
use crate::share::FolderShare;
use crate::share::PatientShare;
use crate::share::ROOT;
use crate::share::Share;
use crate::share::mounted_as;
use crate::transport::FolderTransport;
use crate::transport::Transport;

/// Bytes of the audit log copied to the share at once.
pub const SHIP_BUDGET: u64 = 1024 * 1024;

/// Most of the mount table that is read, in bytes.
const MOUNTS_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Flags that every program takes.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Common options")]
pub struct Common {
    /// Read this configuration instead of the usual dispatch.toml
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The shared folder
    #[arg(long, value_name = "DIR")]
    pub root: Option<PathBuf>,
    /// The name of this node
    #[arg(long, value_name = "NODE")]
    pub side: Option<NodeName>,
    /// Where this node keeps its own state
    #[arg(long, value_name = "DIR")]
    pub state: Option<PathBuf>,
    /// Where this node keeps its keys
    #[arg(long, value_name = "DIR")]
    pub keys: Option<PathBuf>,
    /// Accept keys that lie on a network disk; never on the share itself
    #[arg(long)]
    pub insecure_key: bool,
    /// Say nothing beside the answer and errors
    #[arg(short, long)]
    pub quiet: bool,
    /// When to use colour
    #[arg(long, value_enum, value_name = "WHEN", default_value_t)]
    pub color: Colour,
}

impl Common {
    /// Returns the voice of a program with these flags.
    #[must_use]
    pub fn voice(&self, program: &'static str) -> Voice {
        Voice::of(program, self.quiet, self.color, is_plain())
    }

    /// Returns the flags as the configuration takes them.
    #[must_use]
    pub fn flags(&self) -> config::Flags {
        config::Flags {
            config: self.config.clone(),
            root: self.root.clone(),
            node: self.side.clone().map(|node| (node, "--side")),
            state: self.state.clone(),
            keys: self.keys.clone(),
            ..config::Flags::default()
        }
    }
}

/// Returns whether the environment asks for no colour.
fn is_plain() -> bool {
    variable("NO_COLOR").is_some_and(|value| !value.is_empty())
        || variable("TERM").is_some_and(|value| value == "dumb")
}

/// Returns the voice of a program whose flags are not known.
#[must_use]
pub fn plain_voice(program: &'static str) -> Voice {
    Voice::of(program, false, Colour::Auto, is_plain())
}

/// Reads one variable of the environment.
#[must_use]
pub fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}

/// Returns the whole environment, as far as it is text.
#[must_use]
pub fn environment() -> BTreeMap<String, String> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

/// Loads the configuration.
///
/// # Errors
/// [`Failure`]: every mistake that was found.
pub fn load(flags: config::Flags, sending: bool) -> Result<Config, Failure> {
    let cwd = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/"));
    let sources = config::Sources {
        flags,
        lookup: &variable,
        cwd,
        sending,
    };
    Ok(config::load(&sources)?)
}

/// What a command works with.
pub struct Setup {
    /// The configuration.
    pub config: Config,
    /// This node.
    pub node: NodeName,
    /// The share, as primitive operations; a server that is gone makes them fail after a while.
    pub share: Arc<dyn Share>,
    /// The same, as what is waited for so long and not longer.
    pub patient: PatientShare,
    /// The share, as a queue.
    pub transport: Arc<dyn Transport>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub chance: Arc<dyn Chance>,
    /// The keys of this node.
    pub keys: Keyring,
    /// Whether keys on a network disk are accepted.
    pub insecure_key: bool,
}

impl Setup {
    /// Loads the configuration and the keys; does not touch the share.
    ///
    /// # Errors
    /// [`Failure`]
    pub fn new(common: &Common, voice: &Voice) -> Result<Self, Failure> {
        Self::of(load(common.flags(), false)?, common, voice)
    }

    /// Makes a setup of a loaded configuration.
    ///
    /// # Errors
    /// [`Failure`]
    pub fn of(config: Config, common: &Common, voice: &Voice) -> Result<Self, Failure> {
        let node = config.node()?.clone();
        let patient = reach(config.root()?);
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let chance: Arc<dyn Chance> = Arc::new(OsChance);
        let share: Arc<dyn Share> = Arc::new(patient.clone());
        let transport = Arc::new(FolderTransport::over(
            Arc::clone(&share),
            Arc::clone(&clock),
            Arc::clone(&chance),
        ));
        let root = real_root(&config, &patient);
        let (keys, problems) = read_keys(&config, root, common.insecure_key)?;
        for problem in problems {
            voice.warn(&problem);
        }
        Ok(Self {
            config,
            node,
            share,
            patient,
            transport,
            clock,
            chance,
            keys,
            insecure_key: common.insecure_key,
        })
    }

    /// Returns how far a listing of the share may be behind, by what it is mounted with.
    #[must_use]
    pub fn cache(&self) -> Cache {
        let Some(root) = real_root(&self.config, &self.patient) else {
            return Cache::Stamped;
        };
        Cache::of_mount(&mounts(), &root)
    }

    /// Returns whether the modes on the share say anything. An SMB client shows made-up ones, the same for every file,
    /// and the server decides by its own.
    #[must_use]
    pub fn has_modes(&self) -> bool {
        let Some(root) = real_root(&self.config, &self.patient) else {
            return true;
        };
        !matches!(mounted_as(&mounts(), &root), Some("cifs" | "smb3"))
    }

    /// Makes sure that the folder is our share.
    ///
    /// # Errors
    /// [`Failure`]: not mounted, not laid out, or another share than the configured one.
    pub fn check_root(&self) -> Result<(), Failure> {
        let found = root::identity(&*self.transport).map_err(|error| {
            let was_there = self.config.root_id.is_some();
            Failure::of_root(error, &self.transport.title(), was_there)
        })?;
        match self.config.root_id {
            Some(wanted) if wanted.to_string() != found.uuid => Err(Failure::new(
                Exit::Config,
                format!(
                    "'{}' is another share: its identity is {}, configured is {wanted}",
                    self.transport.title(),
                    found.uuid
                ),
            )
            .hint("is the right share mounted there? else correct root_id in dispatch.toml")),
            _ => Ok(()),
        }
    }

    /// Returns by how many seconds this host's clock is ahead of the server's, where that is worth telling.
    #[must_use]
    pub fn clock_ahead(&self, lane: &Lane) -> Option<i64> {
        if self.share.hang().is_some() {
            return None;
        }
        let server = self.transport.server_time(lane).ok()?;
        let ahead = self.clock.wall().unix().saturating_sub(server.unix());
        (ahead.unsigned_abs() > limits::SKEW_TOLD.as_secs()).then_some(ahead)
    }

    /// Returns what sends, waits and looks.
    #[must_use]
    pub fn sender(&self) -> Sender {
        Sender {
            transport: Arc::clone(&self.transport),
            clock: Arc::clone(&self.clock),
            keys: self.keys.clone(),
            pools: self.config.pools.clone(),
        }
    }

    /// Returns the log for events of commands.
    ///
    /// # Errors
    /// [`Failure`] where no state directory is known.
    pub fn log(&self) -> Result<Arc<dyn Sink>, Failure> {
        let dir = self.config.state()?.join("audit");
        Ok(Arc::new(LocalLog::new(
            &dir,
            &self.node,
            Writer::Cli,
            Arc::clone(&self.clock),
            Arc::clone(&self.chance),
        )))
    }

    /// Copies the log of this host's commands to the share where no watcher does. A convenience: what fails is copied
    /// another time.
    pub fn ship_log(&self) {
        let Ok(state) = self.config.state() else {
            return;
        };
        if !self.is_watched() {
            let shelf = ShareShelf::new(&*self.share, &self.node);
            let _ = Shipper::new(&state.join("audit")).pass(&shelf, SHIP_BUDGET);
        }
    }

    /// Remembers where a peer's log stood, as it sealed it: from then on it cannot take back what it wrote. A
    /// convenience; what fails is remembered another time.
    pub fn remember(&self, peer: &Party, head: Option<&AuditHead>) {
        let (Some(node), Some(head), Ok(state)) = (peer.node(), head, self.config.state()) else {
            return;
        };
        let noted = HeadsSeen::remember(&state.join(HEADS_FILE), &node, head);
        if let (Ok(Noted::Conflict), Ok(log)) = (noted, self.log()) {
            let event = Event::of(Word::LogAltered).peer(peer.clone());
            log.tell(&event.say("its log is not the one it sealed before"));
        }
    }

    /// Reads the peers' heartbeats and remembers where their logs stood. What cannot be read or proved says nothing.
    pub fn remember_heartbeats(&self) {
        for peer in self.config.known_peers() {
            let context = Context {
                from: Party::from(peer),
                to: Party::from(&self.node),
                kind: Kind::Heartbeat,
            };
            let name = beat::file(peer, &self.node);
            let most = limits::CONTROL_BYTES_MAX;
            let Ok(bytes) = self.transport.read(&Place::Heartbeats, &name, most) else {
                continue;
            };
            let verified = Envelope::read(bytes).verify(&self.keys, &context, self.clock.wall());
            if let Ok(heartbeat) = verified.and_then(|one| one.heartbeat(&Rules::recorded())) {
                self.remember(&heartbeat.from, heartbeat.audit.as_ref());
            }
        }
    }

    /// Returns the lane to a peer.
    ///
    /// # Errors
    /// [`Failure`] that lists the known peers.
    pub fn lane_to(&self, peer: &NodeName) -> Result<Lane, Failure> {
        self.config.peer(peer)?;
        Ok(Lane::new(self.node.clone(), Party::from(peer)))
    }

    /// Returns the lane to a node or a pool.
    ///
    /// # Errors
    /// [`Failure`] that lists what is known.
    pub fn lane_to_party(&self, to: &Party) -> Result<Lane, Failure> {
        let Some(pool) = to.pool() else {
            let node = NodeName::parse(to.as_str())?;
            return self.lane_to(&node);
        };
        if let Some(asked) = self.pools().into_iter().find(|asked| asked.pool == pool) {
            return Ok(asked.lane);
        }
        let known: Vec<&str> = self.config.pools.keys().map(NodeName::as_str).collect();
        let hint = match (self.config.pools.contains_key(&pool), known.is_empty()) {
            (true, _) => "it has no other member that is a peer here".to_owned(),
            (false, true) => format!("add [pool.{pool}] with its members to dispatch.toml"),
            (false, false) => format!("known pools: {}", known.join(", ")),
        };
        let message = format!("'{to}' is not a pool that this node can send to");
        Err(Failure::new(Exit::NotFound, message).hint(hint))
    }

    /// Returns whether a watcher of this node runs, as far as that can be told.
    #[must_use]
    pub fn is_watched(&self) -> bool {
        let state = self.config.state();
        state.is_ok_and(|state| LockFile::is_held(&state.join("watch.lock")).unwrap_or(true))
    }

    /// Returns the lanes in which this node sends, those to pools included.
    #[must_use]
    pub fn lanes_out(&self) -> Vec<Lane> {
        let nodes = self.config.known_peers().map(Party::from);
        let lanes = nodes.map(|to| Lane::new(self.node.clone(), to));
        let pools = self.pools().into_iter().map(|asked| asked.lane);
        lanes.chain(pools).collect()
    }

    /// Returns the lanes that this node serves, those of its pools included.
    #[must_use]
    pub fn lanes_in(&self) -> Vec<Lane> {
        lanes::served(&self.node, &self.config.peers, &self.config.pools)
    }

    /// Returns the lanes in which this node asks a pool.
    #[must_use]
    pub fn pools(&self) -> Vec<Asked> {
        lanes::asked(&self.node, &self.config.peers, &self.config.pools)
    }
}

/// Returns the share at a path, with the patience of a command. Nothing is touched yet.
#[must_use]
pub fn reach(root: &Path) -> PatientShare {
    let patience = limits::SHARE_PATIENCE_COMMAND;
    PatientShare::over(
        Arc::new(FolderShare::at(root)),
        Arc::new(SystemClock),
        patience,
    )
}

/// Returns the path of the root without links, or by its words where it cannot be resolved in time.
#[must_use]
pub fn real_root(config: &Config, share: &PatientShare) -> Option<PathBuf> {
    let root = config.root.clone()?;
    let wanted = root.clone();
    let found = share.errand("find", ROOT, move || wanted.canonicalize().ok());
    Some(found.ok().flatten().unwrap_or(root))
}

/// Reads the keys of every folder that is there; a key that is not fit is told of and not used.
///
/// # Errors
/// [`Failure`] where a folder is there and cannot be listed.
pub fn keys(config: &Config, insecure: bool, voice: &Voice) -> Result<Keyring, Failure> {
    let root = config.root.as_deref().map(reach);
    let root = root.and_then(|share| real_root(config, &share));
    let (keys, problems) = read_keys(config, root, insecure)?;
    for problem in problems {
        voice.warn(&problem);
    }
    Ok(keys)
}

/// Reads the keys of every folder that is there. Returns those that are fit, and what is wrong with the others. `root`
/// is that of the share, resolved as far as that is possible ([`real_root`]): it is not touched.
///
/// # Errors
/// [`Failure`] where a folder is there and cannot be listed, unless it is not ours.
pub fn read_keys(
    config: &Config,
    root: Option<PathBuf>,
    insecure: bool,
) -> Result<(Keyring, Vec<String>), Failure> {
    let guard = guard(root, insecure);
    let (mut all, mut problems) = (Vec::new(), Vec::new());
    for folder in &config.keys {
        match Drawer::read(folder, &guard) {
            Ok(drawer) => {
                problems.extend(drawer.problems.iter().map(ToString::to_string));
                all.extend(drawer.keys.into_iter().map(|(_, key)| key));
            }
            Err(error) if is_not_ours(config, &error) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok((Keyring::of(all), problems))
}

/// Returns the conditions under which a key of this node is used. `root` is that of the share ([`real_root`]).
pub(super) fn guard(root: Option<PathBuf>, insecure: bool) -> Guard {
    let storage = if insecure {
        Storage::Insecure
    } else {
        Storage::Local
    };
    Guard::with_resolved(root, storage)
}

/// Returns whether a folder of keys is none of ours: absent; or closed to this user where there is another folder. That
/// of the host is root's alone where a service manager hands the keys to the watcher.
pub(super) fn is_not_ours(config: &Config, error: &disk::Error) -> bool {
    let closed = error.is(std::io::ErrorKind::PermissionDenied);
    error.is(std::io::ErrorKind::NotFound) || (closed && config.keys.len() > 1)
}

/// Returns what is mounted here, as proc(5) has it.
fn mounts() -> String {
    let table = disk::read_bounded(Path::new("/proc/self/mountinfo"), MOUNTS_BYTES_MAX);
    String::from_utf8_lossy(&table.unwrap_or_default()).into_owned()
}
