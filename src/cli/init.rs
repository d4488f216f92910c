//! `dispatch init`: lays out a share and writes the first configuration of this node.
//!
//! May be repeated: what is there stays as it is. A crash leaves a share that is partly laid out, or a configuration
//! that is not there yet; the same command finishes either.

mod steps;

use std::path::Path;
use std::path::PathBuf;

use clap::Args as ClapArgs;

use super::failure::Failure;
use super::setup;
use super::setup::Common;
use super::voice::Voice;
use crate::chance::Chance;
use crate::chance::OsChance;
use crate::clock::Clock;
use crate::clock::SystemClock;
use crate::config;
use crate::config::Answers;
use crate::config::Config;
use crate::disk;
use crate::exit::Exit;
use crate::flow::root;
use crate::id::NodeName;
use crate::id::Party;
use crate::place::Lane;
use crate::profile::AgentKind;
use crate::share::Share;
use crate::transport::FolderTransport;

/// Lay out a share and write the first configuration of this node
///
/// Example, on the host that sends: dispatch init --root /mnt/dispatch --side devbox --peer gpubox
///
/// Example, on the host that runs: dispatch init --root /mnt/dispatch --side gpubox --accept devbox
///
/// Example, on a host that sends to a pool: dispatch init --root /mnt/dispatch --side devbox --pool gpu=gpu1,gpu2
///
/// Example, on each host of it: dispatch init --root /mnt/dispatch --side gpu1 --accept devbox --pool gpu=gpu1,gpu2
///
/// An existing configuration is not changed; then its root is laid out for its peers.
#[derive(Debug, ClapArgs)]
pub struct Args {
    /// A node that this one sends to; may be repeated
    #[arg(long = "peer", value_name = "NODE")]
    peers: Vec<NodeName>,
    /// A node whose tasks are run here; may be repeated
    #[arg(long = "accept", value_name = "NODE")]
    accept: Vec<NodeName>,
    /// A pool that this node serves or sends to, with its members; may be repeated
    #[arg(long = "pool", value_name = "NAME=NODE,NODE", value_parser = pool)]
    pools: Vec<(NodeName, Vec<NodeName>)>,
    /// What kind of agent runs tasks: command, claude, codex, gemini, opencode or aider
    #[arg(long, value_name = "KIND", value_parser = kind)]
    agent: Option<AgentKind>,
    /// The group that both hosts share: the root is given to it
    #[arg(long, value_name = "GROUP")]
    group: Option<String>,
    /// Print the configuration instead of writing it, and leave the share alone
    #[arg(long)]
    print: bool,
    /// The program that runs tasks, with its arguments, after '--'
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<String>,
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

fn kind(text: &str) -> Result<AgentKind, String> {
    let known = || {
        AgentKind::ALL
            .iter()
            .map(|kind| kind.as_str())
            .collect::<Vec<_>>()
            .join(", ")
    };
    AgentKind::from_word(text).ok_or_else(|| format!("known kinds: {}", known()))
}

fn pool(text: &str) -> Result<(NodeName, Vec<NodeName>), String> {
    let (name, members) = text
        .split_once('=')
        .ok_or("write NAME=NODE,NODE, such as gpu=gpu1,gpu2")?;
    let name = name.strip_prefix("pool.").unwrap_or(name);
    let name = NodeName::parse(name).map_err(|error| error.to_string())?;
    let members = members.split(',').map(NodeName::parse);
    let members = members.collect::<Result<_, _>>();
    Ok((name, members.map_err(|error| error.to_string())?))
}

/// Runs the command.
///
/// # Errors
/// [`Failure`]; what was made stays, and running it again goes on from there.
pub fn run(args: &Args, voice: &Voice) -> Result<Exit, Failure> {
    let Some(made) = make(args, voice)? else {
        return Ok(Exit::Ok);
    };
    steps::verdict(
        &args.common,
        made.file.as_deref(),
        made.answers.pools.len(),
        voice,
    );
    if let Some(file) = made.file {
        steps::tell(&made.answers, &file, voice);
    }
    Ok(Exit::Ok)
}

/// What was made.
struct Made {
    answers: Answers,
    /// The configuration, where it is new.
    file: Option<PathBuf>,
}

/// Lays out the share and writes the configuration. `None` where it was only to be printed.
fn make(args: &Args, voice: &Voice) -> Result<Option<Made>, Failure> {
    let (config, target) = before(args)?;
    let mut answers = answers(args, &config)?;
    if args.print {
        voice.raw(config::template(&answers).as_bytes())?;
        return Ok(None);
    }
    let root = config.root()?;
    let node = config.node()?;
    // Making it here would hide that the share is not mounted.
    if !is_there(root)? {
        let message = format!("there is no folder '{}'", root.display());
        return Err(Failure::new(Exit::NotFound, message)
            .hint("mount the share there; for a folder of this host alone, make it with mkdir"));
    }
    if let Some(group) = args.group.as_deref().or(config.share.group.as_deref()) {
        hand_over(root, group)?;
    }
    if let Some(wanted) = &config.root_id {
        is_the_one(root, &wanted.to_string())?;
    }
    let identity = lay_out(root, &lanes(node, &answers))?;
    voice.note(&format!(
        "laid out '{}' for {} and its peers",
        root.display(),
        node
    ));
    match &target {
        None => {
            let file = config.file.as_deref().unwrap_or(Path::new("dispatch.toml"));
            voice.note(&format!("kept '{}' as it is", file.display()));
            for peer in args
                .peers
                .iter()
                .chain(&args.accept)
                .filter(|peer| !config.peers.contains_key(peer))
            {
                voice.warn(&format!(
                    "peer '{peer}' is not in '{}': add [peer.{peer}]",
                    file.display()
                ));
            }
            let new = |(pool, _): &&(NodeName, _)| !config.pools.contains_key(pool);
            for (pool, _) in args.pools.iter().filter(new) {
                voice.warn(&format!(
                    "pool '{pool}' is not in '{}': add [pool.{pool}]",
                    file.display()
                ));
            }
        }
        Some(path) => {
            answers.root_id = uuid::Uuid::try_parse(&identity.uuid).ok();
            let text = config::template(&answers);
            write(path, text.as_bytes())?;
            voice.note(&format!("wrote '{}'", path.display()));
        }
    }
    voice.answer(&format!("{}\t{}", identity.uuid, root.display()))?;
    let file = target;
    Ok(Some(Made { answers, file }))
}

/// Returns what is configured so far, and where a file is to be written if there is none.
fn before(args: &Args) -> Result<(Config, Option<PathBuf>), Failure> {
    let mut flags = args.common.flags();
    let named = flags
        .config
        .clone()
        .or_else(|| setup::variable("DISPATCH_CONFIG").map(PathBuf::from));
    if let Some(path) = named.filter(|path| !path.as_os_str().is_empty()) {
        if is_there(&path)? {
            return Ok((setup::load(flags, false)?, None));
        }
        flags.config = Some(PathBuf::from("/dev/null"));
        let path = std::path::absolute(&path).unwrap_or(path);
        return Ok((setup::load(flags, false)?, Some(path)));
    }
    let config = setup::load(flags, false)?;
    if config.file.is_some() {
        return Ok((config, None));
    }
    let path = config::user_file(&setup::variable).ok_or_else(|| {
        Failure::new(
            Exit::Config,
            "there is no home directory to write a configuration to",
        )
        .hint("name a file with --config")
    })?;
    Ok((config, Some(path)))
}

/// Returns whether a file is there; an error other than its absence proves nothing.
fn is_there(path: &Path) -> Result<bool, Failure> {
    match std::fs::metadata(path) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(Failure::new(
            Exit::Io,
            format!("cannot look at '{}': {error}", path.display()),
        )),
    }
}

/// Writes the file so that every user of the host can read it, whatever the umask: it holds no secret, and the watcher
/// is often another user than the one who writes it.
fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    use std::os::unix::fs::PermissionsExt as _;
    let open_to_all = |path: &Path, mode: u32| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).map_err(|error| {
            let message = format!("cannot set the mode of '{}': {error}", path.display());
            Failure::new(Exit::CantCreate, message)
        })
    };
    if let Some(folder) = path.parent()
        && !is_there(folder)?
    {
        disk::make_dir(folder, 0o755)?;
        open_to_all(folder, 0o755)?;
    }
    disk::create_new(path, bytes, 0o644)?;
    open_to_all(path, 0o644)
}

/// Puts together what the new file says. Peers of an existing configuration are laid out too.
fn answers(args: &Args, config: &Config) -> Result<Answers, Failure> {
    let mut peers: Vec<(NodeName, bool)> = args
        .accept
        .iter()
        .map(|peer| (peer.clone(), true))
        .collect();
    let given = !args.accept.is_empty() || !args.peers.is_empty();
    let known = config
        .peers
        .keys()
        .filter(|_| config.file.is_some() || !given);
    for peer in args.peers.iter().chain(known) {
        if !peers.iter().any(|(name, _)| name == peer) && config.node.as_ref() != Some(peer) {
            let accept = config.peers.get(peer).is_some_and(|policy| policy.accept);
            peers.push((peer.clone(), accept));
        }
    }
    if let Some((peer, _)) = peers
        .iter()
        .find(|(peer, _)| config.node.as_ref() == Some(peer))
    {
        return Err(Failure::new(
            Exit::Usage,
            format!("'{peer}' is this node itself"),
        ));
    }
    let pools = pools(args, config, &mut peers);
    let agent = match (args.agent, args.command.is_empty()) {
        (None, true) => None,
        (Some(AgentKind::Command), true) => {
            return Err(
                Failure::new(Exit::Usage, "an agent of kind 'command' needs a command")
                    .hint("give the program and its arguments after '--'"),
            );
        }
        (kind, _) => Some((kind.unwrap_or(AgentKind::Command), args.command.clone())),
    };
    Ok(Answers {
        node: Some(config.node()?.clone()),
        root: Some(config.root()?.to_owned()),
        root_id: config.root_id,
        peers,
        pools,
        agent,
    })
}

/// Returns the pools that were named, and those of an existing configuration. A node that only sends to one knows its
/// members as peers.
fn pools(
    args: &Args,
    config: &Config,
    peers: &mut Vec<(NodeName, bool)>,
) -> Vec<(NodeName, Vec<NodeName>)> {
    let known = config.pools.iter();
    let known = known.map(|(pool, members)| (pool.clone(), members.iter().cloned().collect()));
    let mut pools: Vec<(NodeName, Vec<NodeName>)> = args.pools.clone();
    pools.extend(known.filter(|(pool, _)| !args.pools.iter().any(|(name, _)| name == pool)));
    for (_, members) in &pools {
        let serves = config.node.as_ref().is_some_and(|me| members.contains(me));
        let unknown = |member: &&NodeName| !peers.iter().any(|(peer, _)| peer == *member);
        let new: Vec<NodeName> = members.iter().filter(unknown).cloned().collect();
        if !serves {
            peers.extend(new.into_iter().map(|member| (member, false)));
        }
    }
    pools
}

/// Every lane this node may have to do with: to and from each peer, from itself to each pool, and to each pool that it
/// serves from each peer.
fn lanes(node: &NodeName, answers: &Answers) -> Vec<Lane> {
    let me = Party::from(node);
    let peers = || answers.peers.iter().map(|(peer, _)| peer);
    let mut lanes: Vec<Lane> = peers()
        .flat_map(|peer| {
            [
                Lane::new(node.clone(), Party::from(peer)),
                Lane::new(peer.clone(), me.clone()),
            ]
        })
        .collect();
    for (pool, members) in &answers.pools {
        let to = Party::of_pool(pool);
        if members.contains(node) {
            let senders = answers.peers.iter().filter(|(_, accept)| *accept);
            lanes.extend(senders.map(|(peer, _)| Lane::new(peer.clone(), to.clone())));
        } else {
            lanes.push(Lane::new(node.clone(), to));
        }
    }
    lanes
}

/// Gives the root to the common group, with the bit that makes everything below it inherit that group. Only its owner
/// may; the second node of a pair is often another user, and finds done what it asks for.
fn hand_over(root: &Path, group: &str) -> Result<(), Failure> {
    use std::os::unix::fs::MetadataExt as _;
    use std::os::unix::fs::PermissionsExt as _;
    const SHARED: u32 = 0o2770;
    let failed = |why: &dyn std::fmt::Display| {
        let root = root.display();
        Failure::new(
            Exit::CantCreate,
            format!("cannot give '{root}' to group '{group}': {why}"),
        )
        .hint(format!(
            "its owner can: chgrp {group} {root} && chmod 2770 {root}; \
             on SMB the options gid= and dir_mode= of the mount decide"
        ))
    };
    let found = group_id(group)?;
    let there = std::fs::metadata(root).map_err(|error| failed(&error))?;
    if there.gid() == found.as_raw() && there.mode() & SHARED == SHARED {
        return Ok(());
    }
    nix::unistd::chown(root, None, Some(found)).map_err(|errno| failed(&errno.desc()))?;
    std::fs::set_permissions(root, std::fs::Permissions::from_mode(SHARED))
        .map_err(|error| failed(&error))
}

/// Returns the number of a group that is given by its name or by that number, as chgrp takes it.
fn group_id(group: &str) -> Result<nix::unistd::Gid, Failure> {
    let found = nix::unistd::Group::from_name(group).map_err(|errno| {
        let message = format!("cannot look up group '{group}': {}", errno.desc());
        Failure::new(Exit::Io, message)
    })?;
    let number = || group.parse().ok().map(nix::unistd::Gid::from_raw);
    found.map(|found| found.gid).or_else(number).ok_or_else(|| {
        Failure::new(
            Exit::NotFound,
            format!("there is no group '{group}' on this host"),
        )
        .hint("make it with the same number on both hosts: groupadd --gid NUMBER GROUP")
    })
}

/// A share that is named in the configuration is not laid out a second time: what is there now is its empty mount
/// point, or another share.
fn is_the_one(root: &Path, wanted: &str) -> Result<(), Failure> {
    let clock: std::sync::Arc<dyn Clock> = std::sync::Arc::new(SystemClock);
    let chance: std::sync::Arc<dyn Chance> = std::sync::Arc::new(OsChance);
    let share: std::sync::Arc<dyn Share> = std::sync::Arc::new(setup::reach(root));
    let found = match root::identity(&FolderTransport::over(share, clock, chance)) {
        Ok(found) if found.uuid == wanted => return Ok(()),
        Ok(found) => format!("its identity is {}", found.uuid),
        Err(root::Error::Absent(_)) => "there is nothing of it (not mounted?)".to_owned(),
        Err(error) => return Err(error.into()),
    };
    let message = format!(
        "cannot lay out '{}' as the share {wanted}: {found}",
        root.display()
    );
    Err(Failure::new(Exit::Config, message).hint(
        "mount the share that 'root_id' names; for a new one, take 'root_id' out of the configuration first",
    ))
}

fn lay_out(root: &Path, lanes: &[Lane]) -> Result<root::Identity, Failure> {
    let clock: std::sync::Arc<dyn Clock> = std::sync::Arc::new(SystemClock);
    let chance: std::sync::Arc<dyn Chance> = std::sync::Arc::new(OsChance);
    let share: std::sync::Arc<dyn Share> = std::sync::Arc::new(setup::reach(root));
    let fresh = chance.task_id(clock.unix_ms()).to_string();
    let transport = FolderTransport::over(share, clock, chance);
    Ok(root::lay_out(&transport, lanes, &fresh)?)
}

#[cfg(test)]
mod tests;
