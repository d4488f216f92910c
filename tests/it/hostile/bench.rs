//! A receiver on a real folder whose clock, share and executors a test holds in its hand.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use dispatch::chance::Chance;
use dispatch::chance::SeededChance;
use dispatch::clock::Clock;
use dispatch::clock::ManualClock;
use dispatch::clock::Timestamp;
use dispatch::document::Answer;
use dispatch::document::Task;
use dispatch::event::Memory;
use dispatch::event::Sink;
use dispatch::event::Word;
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
use dispatch::journal::FileTape;
use dispatch::journal::Journal;
use dispatch::key::Alg;
use dispatch::key::Key;
use dispatch::keyring::Keyring;
use dispatch::killswitch::Killswitch;
use dispatch::outcome::Status;
use dispatch::place::Lane;
use dispatch::place::Place;
use dispatch::policy::Approver;
use dispatch::policy::PeerPolicy;
use dispatch::policy::Scope;
use dispatch::profile::AgentKind;
use dispatch::profile::Profile;
use dispatch::stage::Stage;
use dispatch::transport::FolderTransport;
use dispatch::transport::Publish;
use dispatch::transport::Transport;

use super::bent::BentShare;
use super::hands::Hands;

/// Identity of the share.
pub const ROOT_ID: &str = "0198f1c2-0000-7000-8000-00000000abcd";

pub fn name(text: &str) -> NodeName {
    NodeName::parse(text).unwrap()
}

pub fn party(text: &str) -> Party {
    Party::parse(text).unwrap()
}

/// The lane of `from` to the receiver.
pub fn lane_of(from: &str) -> Lane {
    Lane::new(name(from), party("gpubox"))
}

/// The lane of nearly everything here.
pub fn lane() -> Lane {
    lane_of("devbox")
}

/// A secret of the link between the receiver and another.
pub fn key(kid: &str, other: &str) -> Key {
    let (kid, made) = (KeyId::parse(kid).unwrap(), Timestamp::from_unix(0));
    let peers = [party(other), party("gpubox")];
    Key::new(kid, Alg::Hs256, peers, made, (1..=32).collect()).unwrap()
}

fn keys() -> Keyring {
    Keyring::of(vec![
        key("k1", "devbox"),
        key("k2", "laptop"),
        key("k3", "approver.alice"),
        key("k4", "approver.mallory"),
    ])
}

fn settings() -> Settings {
    let default = ProfileName::parse("default").unwrap();
    let profile = Profile::of_kind(default.clone(), AgentKind::Command, vec!["true".to_owned()]);
    let accepts = PeerPolicy {
        accept: true,
        ..PeerPolicy::default()
    };
    let alice = Approver {
        scope: Scope::All,
        may_grant_dangerous: false,
    };
    Settings {
        node: name("gpubox"),
        slots: 4,
        peers: ["devbox", "laptop"]
            .map(|peer| (name(peer), accepts.clone()))
            .into(),
        pools: BTreeMap::new(),
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

/// Runs a test that must not block: it has a minute.
pub fn within_a_minute(act: impl FnOnce() + Send + 'static) {
    let (done, over) = mpsc::channel();
    let worker = std::thread::spawn(move || {
        act();
        let _ = done.send(());
    });
    match over.recv_timeout(Duration::from_secs(60)) {
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("it blocks"),
        _ => worker
            .join()
            .unwrap_or_else(|why| std::panic::resume_unwind(why)),
    }
}

/// A share, its receiver's disk, and those who send.
pub struct Bench {
    dir: tempfile::TempDir,
    pub clock: Arc<ManualClock>,
    pub chance: Arc<SeededChance>,
    pub share: Arc<BentShare>,
    pub sink: Arc<Memory>,
    pub hands: Arc<Hands>,
    pub settings: Settings,
    pub keys: Keyring,
}

impl Bench {
    /// Lays out a share. The receiver has served before: its journal is older than any task here.
    pub fn new() -> Self {
        // In memory where that is possible: everything is synced.
        let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
        let dir = dir.unwrap();
        for part in ["share", "state"] {
            std::fs::create_dir(dir.path().join(part)).unwrap();
        }
        let start = Timestamp::parse("2026-11-20T06:00:00Z").unwrap();
        let clock = Arc::new(ManualClock::at(start));
        let served = Duration::from_secs(600);
        let share = BentShare::at(&dir.path().join("share"), clock.clone(), start.plus(served));
        let bench = Self {
            share: Arc::new(share),
            dir,
            chance: Arc::new(SeededChance::new(7)),
            sink: Arc::default(),
            hands: Arc::new(Hands::new(clock.clone())),
            clock,
            settings: settings(),
            keys: keys(),
        };
        let lanes = ["devbox", "laptop"].map(lane_of);
        root::lay_out(&*bench.transport(), &lanes, ROOT_ID).unwrap();
        drop(bench.journal());
        bench.clock.advance(served);
        bench
    }

    pub fn root(&self) -> PathBuf {
        self.dir.path().join("share")
    }

    /// A place on the receiver's own disk, outside the share.
    pub fn outside(&self, file: &str) -> PathBuf {
        self.dir.path().join(file)
    }

    /// A file in the lane.
    pub fn path(&self, stage: Stage, file: &str) -> PathBuf {
        let folder = Place::Stage(lane(), stage).path();
        self.root().join(folder).join(file)
    }

    /// The names in a folder of the lane, lossily, sorted.
    pub fn names(&self, stage: Stage) -> Vec<String> {
        let entries = std::fs::read_dir(self.path(stage, "")).unwrap();
        let name = |entry: std::io::Result<std::fs::DirEntry>| {
            entry.unwrap().file_name().to_string_lossy().into_owned()
        };
        let mut names: Vec<String> = entries.map(name).collect();
        names.sort();
        names
    }

    /// The one name in a folder that ends so.
    pub fn only(&self, stage: Stage, ending: &str) -> String {
        let mut names = self.names(stage);
        names.retain(|name| name.ends_with(ending));
        assert_eq!(names.len(), 1, "{stage}: {names:?}");
        names.remove(0)
    }

    pub fn transport(&self) -> Arc<dyn Transport> {
        let (share, clock) = (self.share.clone(), self.clock.clone());
        Arc::new(FolderTransport::over(share, clock, self.chance.clone()))
    }

    fn journal(&self) -> Journal {
        let (tape, bytes) = FileTape::open(&self.outside("state/journal")).unwrap();
        Journal::open(
            Box::new(tape),
            &bytes,
            self.clock.wall(),
            self.chance.nonce(),
        )
        .unwrap()
    }

    /// Starts a watcher.
    pub fn node(&self) -> Node {
        let peers: Vec<NodeName> = self.settings.peers.keys().cloned().collect();
        let lanes = ["devbox", "laptop"].map(lane_of).to_vec();
        let state = self.outside("state");
        let mut node = Node {
            settings: self.settings.clone(),
            keys: self.keys.clone(),
            transport: self.transport(),
            clock: self.clock.clone(),
            chance: self.chance.clone(),
            runner: self.hands.clone(),
            sink: self.sink.clone() as Arc<dyn Sink>,
            killswitch: Killswitch::new(name("gpubox"), peers, lanes, &state),
            journal: self.journal(),
            now: flow::Memory::default(),
        };
        node.begin("0198f1c2-0000-4000-8000-00000000b007").unwrap();
        node
    }

    pub fn sender(&self) -> Sender {
        Sender {
            transport: self.transport(),
            clock: self.clock.clone(),
            keys: self.keys.clone(),
            pools: std::collections::BTreeMap::new(),
        }
    }

    /// The time of this world.
    pub fn clock_now(&self) -> Timestamp {
        self.clock.wall()
    }

    pub fn id(&self) -> TaskId {
        let now = u64::try_from(self.clock.wall().unix()).unwrap();
        self.chance.task_id(now * 1000)
    }

    pub fn task_from(&self, from: &str, request: &str) -> Task {
        let now = self.clock.wall();
        Task::new(
            self.id(),
            party(from),
            party("gpubox"),
            now,
            request.to_owned(),
        )
    }

    pub fn send_task(&self, task: &Task) -> Sent {
        let lane = Lane::new(task.from.node().unwrap(), party("gpubox"));
        let sent = self.sender().send(&lane, task).unwrap();
        assert_eq!(sent.publish, Publish::Published);
        sent
    }

    /// Publishes a good task.
    pub fn send(&self) -> Sent {
        self.send_task(&self.task_from("devbox", "good"))
    }

    /// The sealed bytes of a good task that is sent nowhere.
    pub fn sealed(&self) -> (TaskId, Vec<u8>) {
        let sent = self.send();
        let file = self.path(Stage::Inbox, &sent.name);
        let bytes = std::fs::read(&file).unwrap();
        self.share.clear(&file);
        (sent.id, bytes)
    }

    /// Rounds, a second apart.
    pub fn rounds(&self, node: &mut Node, count: usize) {
        for _ in 0..count {
            node.round().unwrap();
            self.clock.advance(Duration::from_secs(1));
        }
    }

    /// Whether an agent was ever started for a task.
    pub fn ran(&self, id: TaskId) -> bool {
        self.hands.starts().contains(&id)
    }

    /// A good task is published, starts within two rounds, and its answer is found.
    pub fn serves(&self, node: &mut Node, context: &str) {
        let good = self.send();
        self.serves_this(node, &good, context);
    }

    /// A good task that lies there starts within two rounds, and its answer is found.
    pub fn serves_this(&self, node: &mut Node, good: &Sent, context: &str) {
        let before = self.clock.boot();
        self.rounds(node, 2);
        assert!(self.ran(good.id), "{context}: the good task waits");
        let slept = self.clock.boot().since(before);
        assert!(
            slept < Duration::from_secs(6),
            "{context}: two rounds took {slept:?}"
        );
        self.rounds(node, 2);
        let answer = self.answer(good).map(|answer| answer.status);
        assert_eq!(answer, Some(Status::Ok), "{context}");
    }

    /// What the sender finds.
    pub fn answer(&self, sent: &Sent) -> Option<Answer> {
        let found = self
            .sender()
            .outcome(&sent.lane, sent.id, Some(sent.digest));
        found.unwrap().map(|found| found.unwrap().answer)
    }

    pub fn told(&self, word: Word) -> usize {
        self.sink.count(word)
    }

    /// Nothing more is told, however long one waits: a state is reported once.
    pub fn is_quiet(&self, node: &mut Node, context: &str) {
        let wait = |node: &mut Node| {
            for _ in 0..70 {
                node.round().unwrap();
                self.clock.advance(Duration::from_secs(5));
            }
        };
        // What comes round only now and then may have its first say.
        wait(node);
        let before = self.sink.events().len();
        wait(node);
        let more: Vec<String> = self.sink.events()[before..]
            .iter()
            .map(|event| format!("{} {}", event.word, event.summary.as_str()))
            .collect();
        assert!(more.is_empty(), "{context}: told again: {more:#?}");
    }
}
