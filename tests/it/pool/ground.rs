//! Several members, a sender and a share in one process: each host has its clocks, its journal, its executors and its
//! life, and each can die, sleep or be cut off by itself.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use dispatch::chance::Chance;
use dispatch::chance::SeededChance;
use dispatch::clock::Clock;
use dispatch::clock::ManualClock;
use dispatch::clock::Timestamp;
use dispatch::document::Task;
use dispatch::entry::ClaimName;
use dispatch::event::Memory;
use dispatch::event::Sink;
use dispatch::flow;
use dispatch::flow::Node;
use dispatch::flow::Settings;
use dispatch::flow::root;
use dispatch::flow::send::Sender;
use dispatch::flow::send::Sent;
use dispatch::id::KeyId;
use dispatch::id::NodeName;
use dispatch::id::Party;
use dispatch::id::ProfileName;
use dispatch::id::TaskId;
use dispatch::journal::Journal;
use dispatch::key::Alg;
use dispatch::key::Key;
use dispatch::keyring::Keyring;
use dispatch::killswitch::Killswitch;
use dispatch::limits;
use dispatch::outcome::Status;
use dispatch::place::Lane;
use dispatch::place::Place;
use dispatch::policy::Approver;
use dispatch::policy::PeerPolicy;
use dispatch::policy::Scope;
use dispatch::profile::AgentKind;
use dispatch::profile::Profile;
use dispatch::share::FolderShare;
use dispatch::share::Share;
use dispatch::stage::Stage;
use dispatch::transport::FolderTransport;
use dispatch::transport::Publish;
use dispatch::transport::Transport;

use crate::world::ROOT_ID;
use crate::world::life::Life;
use crate::world::name;
use crate::world::runner::Workshop;
use crate::world::share::FaultShare;
use crate::world::tape::Kept;
use crate::world::tape::Medium;

/// A host.
pub struct Host {
    pub name: NodeName,
    pub clock: Arc<ManualClock>,
    pub medium: Medium,
    pub shop: Workshop,
    pub settings: Settings,
    pub sink: Arc<Memory>,
    state: PathBuf,
}

/// Members `gpu1`, `gpu2`, ... of the pool `gpu`, the sender `devbox`, and a share.
pub struct Ground {
    dir: tempfile::TempDir,
    pub(super) chance: Arc<SeededChance>,
    pub(super) share: Arc<dyn Share>,
    pub members: Vec<Host>,
    pub(super) sender: Host,
    sender_node: RefCell<Option<Node>>,
}

pub fn party(text: &str) -> Party {
    Party::parse(text).unwrap()
}

/// The lane of the pool.
pub fn lane() -> Lane {
    Lane::new(name("devbox"), party("pool.gpu"))
}

pub fn stage(stage: Stage) -> Place {
    Place::Stage(lane(), stage)
}

/// Everything that is sealed here, in one ring: who may speak as whom is for the keys to say.
fn keys(count: usize) -> Keyring {
    let made = Timestamp::from_unix(0);
    let key = |kid: &str, one: &str, other: &str| {
        let secret = (1..=32).collect();
        let peers = [party(one), party(other)];
        Key::new(KeyId::parse(kid).unwrap(), Alg::Hs256, peers, made, secret).unwrap()
    };
    let mut all = vec![key("pool", "devbox", "pool.gpu")];
    for number in 1..=count {
        let member = format!("gpu{number}");
        all.push(key(&format!("link{number}"), "devbox", &member));
        all.push(key(&format!("alice{number}"), "approver.alice", &member));
    }
    Keyring::of(all)
}

fn settings(node: &str, peers: &[NodeName], count: usize, accept: bool) -> Settings {
    let default = ProfileName::parse("default").unwrap();
    let profile = Profile::of_kind(default.clone(), AgentKind::Command, vec!["true".to_owned()]);
    let policy = PeerPolicy {
        accept,
        attempts_max: 3,
        ..PeerPolicy::default()
    };
    let alice = Approver {
        scope: Scope::All,
        may_grant_dangerous: true,
    };
    let members: BTreeSet<NodeName> = (1..=count).map(|n| name(&format!("gpu{n}"))).collect();
    Settings {
        node: name(node),
        slots: 2,
        peers: peers
            .iter()
            .map(|peer| (peer.clone(), policy.clone()))
            .collect(),
        pools: BTreeMap::from([(name("gpu"), members)]),
        approvers: BTreeMap::from([(name("alice"), alice)]),
        profiles: BTreeMap::from([(default, profile)]),
        root_id: Some(ROOT_ID.to_owned()),
        free_bytes_min: 0,
        lost_max: None,
        only: None,
        retry: dispatch::policy::Retry::default(),
        poll_ms: 1000,
    }
}

impl Host {
    fn new(dir: &tempfile::TempDir, settings: Settings) -> Self {
        let clock = Arc::new(ManualClock::at(
            Timestamp::parse("2026-11-20T06:00:00Z").unwrap(),
        ));
        let medium = Medium::default();
        let state = dir.path().join(settings.node.as_str());
        std::fs::create_dir(&state).unwrap();
        Self {
            name: settings.node.clone(),
            shop: Workshop::new(clock.clone(), medium.clone()),
            clock,
            medium,
            settings,
            sink: Arc::default(),
            state,
        }
    }
}

impl Ground {
    /// Lays out a share and switches every host on; each has served before.
    pub fn new(seed: u64, count: usize) -> Self {
        let builder = tempfile::Builder::new();
        let dir = builder
            .tempdir_in("/dev/shm")
            .or_else(|_| tempfile::tempdir())
            .unwrap();
        let root = dir.path().join("share");
        std::fs::create_dir(&root).unwrap();
        let names: Vec<NodeName> = (1..=count).map(|n| name(&format!("gpu{n}"))).collect();
        let member = |node: &NodeName| {
            Host::new(
                &dir,
                settings(node.as_str(), &[name("devbox")], count, true),
            )
        };
        let members: Vec<Host> = names.iter().map(member).collect();
        let sender = Host::new(&dir, settings("devbox", &names, count, false));
        let ground = Self {
            share: Arc::new(FolderShare::at(&root)),
            dir,
            chance: Arc::new(SeededChance::new(seed + 1)),
            members,
            sender,
            sender_node: RefCell::new(None),
        };
        let mut lanes = vec![lane()];
        for member in &names {
            lanes.push(Lane::new(name("devbox"), Party::from(member)));
            lanes.push(Lane::new(member.clone(), party("devbox")));
        }
        let charmed = Life::charmed();
        root::lay_out(
            &*ground.transport(&ground.sender, &charmed),
            &lanes,
            ROOT_ID,
        )
        .unwrap();
        for host in ground.members.iter().chain([&ground.sender]) {
            drop(ground.journal(host, &charmed).unwrap());
        }
        ground.advance(Duration::from_secs(600));
        let node = ground.node_of(&ground.sender, &charmed).unwrap();
        *ground.sender_node.borrow_mut() = Some(node);
        ground.sender_round();
        ground
    }

    /// All hosts grow older together; executors end what is overdue.
    pub fn advance(&self, time: Duration) {
        for host in self.members.iter().chain([&self.sender]) {
            host.clock.advance(time);
            host.shop.end_overdue();
        }
    }

    pub fn transport(&self, host: &Host, life: &Arc<Life>) -> Arc<dyn Transport> {
        let share = Arc::new(FaultShare::over(
            self.share.clone(),
            life.clone(),
            host.clock.clone(),
        ));
        Arc::new(FolderTransport::over(
            share,
            host.clock.clone(),
            self.chance.clone(),
        ))
    }

    fn journal(&self, host: &Host, life: &Arc<Life>) -> Result<Journal, dispatch::journal::Error> {
        let (tape, bytes) = host.medium.reel(life.clone());
        Journal::open(tape, &bytes, host.clock.wall(), self.chance.nonce())
    }

    fn node_of(&self, host: &Host, life: &Arc<Life>) -> Result<Node, flow::Error> {
        let lanes = host.settings.lanes();
        let peers: Vec<NodeName> = host.settings.peers.keys().cloned().collect();
        let mut node = Node {
            settings: host.settings.clone(),
            keys: keys(self.members.len()),
            transport: self.transport(host, life),
            clock: host.clock.clone(),
            chance: self.chance.clone(),
            runner: host.shop.seen_by(life.clone()),
            sink: host.sink.clone() as Arc<dyn Sink>,
            killswitch: Killswitch::new(host.name.clone(), peers, lanes, &host.state),
            journal: self.journal(host, life)?,
            now: flow::Memory::default(),
        };
        node.begin("0198f1c2-0000-4000-8000-00000000b007")?;
        Ok(node)
    }

    /// Starts the watcher of a member; an error only where its life ended meanwhile.
    pub fn start(&self, member: usize, life: &Arc<Life>) -> Result<Node, flow::Error> {
        self.node_of(&self.members[member], life)
    }

    /// Starts the watcher of a member to which nothing will happen.
    pub fn node(&self, member: usize) -> Node {
        self.start(member, &Life::charmed()).unwrap()
    }

    /// Watchers of all members to which nothing will happen.
    pub fn nodes(&self) -> Vec<Node> {
        (0..self.members.len())
            .map(|member| self.node(member))
            .collect()
    }

    /// The host or the process of a member's watcher dies.
    pub fn crash(&self, member: usize, node: Option<Node>, kept: Kept) {
        drop(node);
        self.members[member].medium.crash(kept);
    }

    /// Starts the sender's node anew.
    pub fn restart_sender(&self) {
        let node = self.asker();
        *self.sender_node.borrow_mut() = Some(node);
    }

    /// Starts the sender's node anew, and hands it out.
    pub fn asker(&self) -> Node {
        self.silence_sender();
        self.node_of(&self.sender, &Life::charmed()).unwrap()
    }

    /// A round of the sender's node: it beats, and lets claims start.
    pub fn sender_round(&self) {
        if let Some(node) = self.sender_node.borrow_mut().as_mut() {
            node.expect_claims();
            node.round().unwrap();
        }
    }

    /// Whether the sender's node lets claims start. It beats all the same.
    pub fn let_start(&self, on: bool) {
        let mut node = self.sender_node.borrow_mut();
        let pools = self.sender.settings.pools.clone();
        node.as_mut().unwrap().settings.pools = if on { pools } else { BTreeMap::new() };
    }

    /// The sender's node is switched off.
    pub fn silence_sender(&self) {
        *self.sender_node.borrow_mut() = None;
    }

    pub fn keys(&self) -> Keyring {
        keys(self.members.len())
    }

    /// A task to the pool, as the sender makes it.
    pub fn task(&self) -> Task {
        let now = self.sender.clock.wall();
        let made = u64::try_from(now.unix()).unwrap() * 1000;
        let id = self.chance.task_id(made);
        let request = "run the tests".to_owned();
        Task::new(id, party("devbox"), party("pool.gpu"), now, request)
    }

    /// One that may be started three times.
    pub fn idempotent(&self) -> Task {
        let mut task = self.task();
        task.idempotent = true;
        task.max_attempts = Some(3);
        task
    }

    /// The one who sends.
    pub fn sender(&self) -> Sender {
        Sender {
            transport: self.transport(&self.sender, &Life::charmed()),
            clock: self.sender.clock.clone(),
            keys: self.keys(),
            pools: self.sender.settings.pools.clone(),
        }
    }

    pub fn chance(&self) -> &SeededChance {
        &self.chance
    }

    pub fn send(&self, task: &Task) -> Sent {
        let sent = self.sender().send(&lane(), task).unwrap();
        assert_eq!(sent.publish, Publish::Published);
        sent
    }

    pub fn root(&self) -> PathBuf {
        self.dir.path().join("share")
    }

    pub fn path(&self, at: Stage, file: &str) -> PathBuf {
        self.root().join(stage(at).path()).join(file)
    }

    /// The names in a folder of the lane, sorted.
    pub fn names(&self, at: Stage) -> Vec<String> {
        let listing = self.share.list(&stage(at)).unwrap();
        let mut names: Vec<String> = listing.into_iter().map(|entry| entry.name).collect();
        names.sort();
        names
    }

    /// The claims in a folder of the lane.
    pub fn claims(&self, at: Stage) -> Vec<ClaimName> {
        let names = self.names(at);
        names
            .iter()
            .filter_map(|file| ClaimName::parse(file))
            .collect()
    }

    /// Rounds of the sender and of these members, a second apart; `meanwhile` happens between them.
    pub fn rounds(&self, nodes: &mut [Node], count: usize, mut meanwhile: impl FnMut(&Self)) {
        for _ in 0..count {
            self.sender_round();
            for node in nodes.iter_mut() {
                node.round().unwrap();
            }
            meanwhile(self);
            self.check_always();
            self.advance(Duration::from_secs(1));
        }
    }

    /// Rounds until every task has its outcome and nothing is left open.
    pub fn settle(&self, nodes: &mut [Node], mut meanwhile: impl FnMut(&Self)) {
        for _ in 0..1500 {
            self.rounds(nodes, 1, &mut meanwhile);
            let quiet = nodes
                .iter()
                .all(|node| node.is_quiet() && node.waiting() == 0);
            if quiet && self.is_settled() {
                return;
            }
        }
        panic!("it does not come to an end: {}", self.picture());
    }

    pub fn is_settled(&self) -> bool {
        let open = [Stage::Inbox, Stage::PendingAck, Stage::Processing];
        open.iter().all(|at| self.names(*at).is_empty())
    }

    /// Every agent that runs anywhere ends well.
    pub fn finish_all(&self) {
        for member in &self.members {
            member.shop.finish_all(Status::Ok);
        }
    }

    /// How many agents run, anywhere.
    pub fn running(&self) -> usize {
        self.members
            .iter()
            .map(|member| member.shop.running())
            .sum()
    }

    /// How often it was started, by everybody.
    pub fn starts(&self, id: TaskId) -> usize {
        let shops = self
            .members
            .iter()
            .map(|member| member.shop.starts(id).len());
        shops.sum()
    }

    /// Longer than a claim that nobody beats may lie.
    pub fn a_term() -> usize {
        usize::try_from((limits::LEASE_TERM + limits::SLOW_LOOK * 2).as_secs()).unwrap()
    }
}
