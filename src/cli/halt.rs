//! `dispatch halt`: stops new starts, everywhere or for one node or lane; with `--kill` also ends what runs.
//!
//! It needs no key, no journal and no queue, and with `--local` no share, because it must work when those do not. It
//! makes one entry and sees it in a listing; nodes obey at their next look.

use std::path::Path;
use std::sync::Arc;

use super::failure::Failure;
use super::setup;
use super::setup::Common;
use super::speech::Aloud;
use super::speech::Speech;
use super::voice::Voice;
use crate::audit;
use crate::audit::LocalLog;
use crate::audit::Writer;
use crate::chance::Chance;
use crate::chance::OsChance;
use crate::clock::Clock;
use crate::clock::SystemClock;
use crate::config;
use crate::config::Config;
use crate::escape;
use crate::event::Event;
use crate::event::Sink;
use crate::event::Word;
use crate::exit::Exit;
use crate::flow::lanes;
use crate::flow::root;
use crate::id::NodeName;
use crate::id::Party;
use crate::killswitch;
use crate::killswitch::HaltName;
use crate::killswitch::IDENTITY;
use crate::killswitch::Killswitch;
use crate::killswitch::Scope;
use crate::place::Lane;
use crate::place::Place;
use crate::share::Share;

/// What to do where the share is away.
const LOCAL_HELP: &str = "'dispatch halt --local' stops this node without the share; \
    a node that does not see the share starts nothing";

/// Stop new starts; touch KILLSWITCH in the root does the same
///
/// Example: dispatch halt --node gpubox --reason "new driver"
///
/// Example: dispatch halt --lane pool.gpu
///
/// Nodes obey at their next look, and say so in 'dispatch status'. A node that does not find the name of the node or
/// lane in its own configuration stops altogether.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Also end what runs
    #[arg(long)]
    kill: bool,
    /// Only this node; of a pool that it is a member of, the other members go on
    #[arg(long, value_name = "NODE", group = "which")]
    node: Option<NodeName>,
    /// Only tasks from this lane, such as devbox-to-gpubox or devbox-to-pool.gpu; pool.gpu means every lane to it
    #[arg(long, value_name = "LANE|pool.NAME", group = "which")]
    lane: Option<String>,
    /// Only this node, by a file on its own disk: works without the share
    #[arg(long, group = "which")]
    local: bool,
    /// Why; everybody who looks sees it
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,
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

/// What halting and resuming work with: no key, no journal, and a share only where one is configured.
pub(super) struct Desk {
    pub config: Config,
    pub share: Option<Arc<dyn Share>>,
    pub clock: Arc<dyn Clock>,
    pub chance: Arc<dyn Chance>,
}

impl Desk {
    pub(super) fn new(common: &Common) -> Result<Self, Failure> {
        let config = setup::load(common.flags(), false)?;
        let share = |root: &Path| Arc::new(setup::reach(root)) as Arc<dyn Share>;
        Ok(Self {
            share: config.root.as_deref().map(share),
            config,
            clock: Arc::new(SystemClock),
            chance: Arc::new(OsChance),
        })
    }

    /// Returns the killswitches as this configuration reads them.
    pub(super) fn killswitch(&self) -> Result<Killswitch, Failure> {
        let nodes = self.config.known_nodes();
        let node = self.config.node()?.clone();
        Ok(Killswitch::new(
            node,
            nodes,
            self.lanes()?,
            self.config.state()?,
        ))
    }

    pub(super) fn share(&self) -> Result<&dyn Share, Failure> {
        let missing = config::Error::Missing { key: "root" };
        self.share.as_deref().ok_or_else(|| missing.into())
    }

    /// Makes sure that what is made in the root is seen by others: in the folder below a share that is not mounted,
    /// nobody would see it.
    fn is_mounted(&self, share: &dyn Share) -> Result<(), Failure> {
        let was_there = self.config.root_id.is_some();
        let title = share.title();
        let listing = share.list(&Place::Root).map_err(|error| match was_there {
            true => Failure::of_root(error.into(), &title, was_there),
            false => error.into(),
        })?;
        match listing.iter().any(|entry| entry.name == IDENTITY) {
            true => Ok(()),
            false => {
                let error = root::Error::Absent(title.clone());
                Err(Failure::of_root(error, &title, was_there))
            }
        }
    }

    /// Every lane between this node and a peer, in both directions, and every lane of a pool that it serves or asks.
    fn lanes(&self) -> Result<Vec<Lane>, Failure> {
        let node = self.config.node()?;
        let (peers, pools) = (&self.config.peers, &self.config.pools);
        let to_peers = self.config.known_peers().map(Party::from);
        let asked = lanes::asked(node, peers, pools).into_iter();
        Ok(lanes::served(node, peers, pools)
            .into_iter()
            .chain(to_peers.map(|to| Lane::new(node.clone(), to)))
            .chain(asked.map(|asked| asked.lane))
            .collect())
    }

    /// Tells the audit log, durably; what cannot be told is said.
    pub(super) fn tell(&self, event: &Event, say: &mut dyn Speech) -> Result<(), Failure> {
        let log = LocalLog::new(
            &self.config.state()?.join(audit::LOG_DIR),
            self.config.node()?,
            Writer::Cli,
            Arc::clone(&self.clock),
            Arc::clone(&self.chance),
        );
        log.tell(event);
        let unsynced = log.sync().err().map(|error| error.to_string());
        if let Some(why) = log.losses().last.or(unsynced) {
            say.warn(&format!("this is not in the log: {why}"));
        }
        Ok(())
    }
}

/// Runs the command.
///
/// # Errors
/// [`Failure`]
pub fn run(args: &Args, voice: &Voice) -> Result<Exit, Failure> {
    halt(args, &Desk::new(&args.common)?, &mut Aloud(voice))
}

pub(super) fn halt(args: &Args, desk: &Desk, say: &mut dyn Speech) -> Result<Exit, Failure> {
    for scope in scopes(args, desk)? {
        one(args, desk, scope, say)?;
    }
    Ok(Exit::Ok)
}

fn one(args: &Args, desk: &Desk, scope: Scope, say: &mut dyn Speech) -> Result<(), Failure> {
    let nonce = desk.chance.nonce();
    let name = HaltName { scope, nonce };
    let (place, what) = match args.local {
        true => {
            let state = desk.config.state()?;
            killswitch::engage_local(state, &name, args.kill, &args.reason)?;
            let place = state.join(name.to_string()).display().to_string();
            (place, "this node".to_owned())
        }
        false => {
            let share = desk.share()?;
            desk.is_mounted(share)
                .and_then(|()| Ok(killswitch::engage(share, &name, args.kill, &args.reason)?))
                .map_err(|failure| failure.hint(LOCAL_HELP))?;
            (format!("{}/{name}", share.title()), name.scope.to_string())
        }
    };
    let event = Event::of(Word::Halt)
        .code(if args.kill { "kill" } else { "halt" })
        .say(&format!("{what} by {name}{}", because(&args.reason)));
    desk.tell(&event, say)?;
    let rest = match args.kill {
        true => "and what runs is being ended",
        false => "what runs goes on; --kill ends it",
    };
    let means = match args.local {
        true => "nothing starts on it".to_owned(),
        false => means(&name.scope, &desk.config),
    };
    say.note(&format!(
        "halted {what}, from the next look on: {means}; {rest}"
    ));
    let local = if args.local { " --local" } else { "" };
    say.note(&format!("'dispatch resume{local} {name}' lifts it"));
    say.answer(&format!("{place}\n"))
}

/// Says what a halt stops, and what not.
fn means(scope: &Scope, config: &Config) -> String {
    match scope {
        Scope::Everything => "nothing starts on any node of this share".to_owned(),
        Scope::Node(node) => {
            let pools = config.pools.iter();
            let serves = pools.filter(|(_, members)| members.contains(node) && members.len() > 1);
            let pools: Vec<String> = serves.map(|(pool, _)| format!("pool.{pool}")).collect();
            match pools.as_slice() {
                [] => format!("nothing starts on {node}"),
                _ => format!(
                    "nothing starts on {node} (the other members of {} go on)",
                    pools.join(" and ")
                ),
            }
        }
        Scope::Lane(lane) if lane.pool().is_some() => {
            let Lane { from, to, .. } = lane;
            format!("no task of {from} starts on any member of {to}, they wait in its inbox")
        }
        Scope::Lane(lane) => {
            let Lane { from, to, .. } = lane;
            format!("no task of {from} starts on {to}")
        }
    }
}

fn because(reason: &str) -> String {
    match reason {
        "" => String::new(),
        reason => format!(": {reason}"),
    }
}

/// What is meant: one thing, or every lane to a pool.
fn scopes(args: &Args, desk: &Desk) -> Result<Vec<Scope>, Failure> {
    if let Some(node) = &args.node {
        if node != desk.config.node()? && !desk.config.known_nodes().contains(node) {
            desk.config.peer(node)?;
        }
        return Ok(vec![Scope::Node(node.clone())]);
    }
    let Some(text) = &args.lane else {
        return Ok(vec![Scope::Everything]);
    };
    let lanes = desk.lanes()?;
    let known: Vec<String> = lanes.iter().map(ToString::to_string).collect();
    let is_meant = |lane: &Lane| {
        let is_pool = lane.pool().is_some() && lane.to.as_str() == text;
        is_pool || lane.to_string() == *text
    };
    let meant: Vec<Scope> = lanes
        .into_iter()
        .filter(is_meant)
        .map(Scope::Lane)
        .collect();
    if meant.is_empty() {
        let text = escape::excerpt(text, 80);
        let message = format!("'{text}' is not a lane of this node");
        return Err(
            Failure::new(Exit::NotFound, message).hint(format!("known lanes: {}", known.join(" ")))
        );
    }
    Ok(meant)
}
