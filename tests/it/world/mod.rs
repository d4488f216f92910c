//! Two hosts and a share in one process: real documents in a real folder, with time, chance, journal and executors
//! that a test holds in its hand. Every process has a [`Life`], and can die or be lied to at any step.

#![allow(clippy::unwrap_used, reason = "a world of tests")]

pub mod coarse;
mod days;
mod identity;
pub mod life;
pub mod meter;
pub mod runner;
pub mod share;
pub mod tape;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use dispatch::attempt::Runner;
use dispatch::chance::Chance;
use dispatch::chance::SeededChance;
use dispatch::clock::Clock;
use dispatch::clock::ManualClock;
use dispatch::clock::Timestamp;
use dispatch::document::Ack;
use dispatch::document::Allowance;
use dispatch::document::Answer;
use dispatch::document::Cancel;
use dispatch::document::Decision;
use dispatch::document::Task;
use dispatch::event::Memory;
use dispatch::event::Sink;
use dispatch::event::Word;
use dispatch::flow;
use dispatch::flow::Node;
use dispatch::flow::Settings;
use dispatch::flow::ack;
use dispatch::flow::cancel;
use dispatch::flow::fsck;
use dispatch::flow::fsck::Finding;
use dispatch::flow::fsck::Own;
use dispatch::flow::fsck::Survey;
use dispatch::flow::root;
use dispatch::flow::send::Sender;
use dispatch::flow::send::Sent;
use dispatch::id::Digest;
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

use self::life::Life;
use self::runner::Workshop;
use self::share::FaultShare;
use self::tape::Kept;
use self::tape::Medium;

/// Identity of the share.
pub const ROOT_ID: &str = "0198f1c2-0000-7000-8000-00000000abcd";
/// Another share's.
pub const OTHER_ID: &str = "0198f1c2-0000-7000-8000-00000000ffff";

/// When a world begins, by every clock in it.
const BEGAN: &str = "2026-11-20T06:00:00Z";

/// Two hosts and a share.
pub struct World {
    dir: tempfile::TempDir,
    pub clock: Arc<ManualClock>,
    pub chance: Arc<SeededChance>,
    pub medium: Medium,
    pub shop: Workshop,
    pub sink: Arc<Memory>,
    pub settings: Settings,
    pub share: Arc<dyn Share>,
}

pub fn name(text: &str) -> NodeName {
    NodeName::parse(text).unwrap()
}

fn party(text: &str) -> Party {
    Party::parse(text).unwrap()
}

/// The lane of everything here.
pub fn lane() -> Lane {
    Lane::new(name("devbox"), party("gpubox"))
}

pub fn stage(stage: Stage) -> Place {
    Place::Stage(lane(), stage)
}

fn key(kid: &str, alg: Alg, one: &str) -> Key {
    let (kid, made) = (KeyId::parse(kid).unwrap(), Timestamp::from_unix(0));
    let secret = match alg {
        Alg::V2 => "0123456789abcdef".repeat(4).into_bytes(),
        _ => (1..=32).collect(),
    };
    Key::new(kid, alg, [party(one), party("gpubox")], made, secret).unwrap()
}

pub fn keys() -> Keyring {
    Keyring::of(vec![
        key("k1", Alg::Hs256, "devbox"),
        key("old", Alg::V2, "devbox"),
        key("k2", Alg::Hs256, "approver.alice"),
        key("k3", Alg::Hs256, "approver.mallory"),
    ])
}

fn settings() -> Settings {
    let default = ProfileName::parse("default").unwrap();
    let mut profile =
        Profile::of_kind(default.clone(), AgentKind::Command, vec!["true".to_owned()]);
    profile.dangerous = true;
    let devbox = PeerPolicy {
        accept: true,
        dangerous: true,
        v2: true,
        v2_require_ack: false,
        ..PeerPolicy::default()
    };
    let alice = Approver {
        scope: Scope::All,
        may_grant_dangerous: true,
    };
    Settings {
        node: name("gpubox"),
        slots: 2,
        peers: BTreeMap::from([(name("devbox"), devbox)]),
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

/// Whether this is the public name of a result.
fn is_public(file: &str) -> bool {
    let stem = file.strip_suffix(".result.json");
    stem.is_some_and(|stem| TaskId::parse(stem).is_ok())
}

/// A directory in memory where there is one: thousands of worlds sync all they write.
fn folder() -> tempfile::TempDir {
    let builder = tempfile::Builder::new();
    builder
        .tempdir_in("/dev/shm")
        .or_else(|_| tempfile::tempdir())
        .unwrap()
}

impl World {
    /// Lays out a share and switches both hosts on. The receiver has served before, so that its journal is older than
    /// any task here.
    pub fn new(seed: u64) -> Self {
        let dir = folder();
        let (root, state) = (dir.path().join("share"), dir.path().join("state"));
        std::fs::create_dir(&root).unwrap();
        std::fs::create_dir(&state).unwrap();
        let clock = Arc::new(ManualClock::at(Timestamp::parse(BEGAN).unwrap()));
        let medium = Medium::default();
        let world = Self {
            share: Arc::new(FolderShare::at(&root)),
            dir,
            chance: Arc::new(SeededChance::new(seed + 1)),
            shop: Workshop::new(clock.clone(), medium.clone()),
            medium,
            clock,
            sink: Arc::default(),
            settings: settings(),
        };
        root::lay_out(&*world.transport(&Life::charmed()), &[lane()], ROOT_ID).unwrap();
        drop(world.journal(&Life::charmed()).unwrap());
        world.clock.advance(Duration::from_secs(600));
        world
    }

    pub fn root(&self) -> PathBuf {
        self.dir.path().join("share")
    }

    pub fn state(&self) -> PathBuf {
        self.dir.path().join("state")
    }

    /// A moment that many seconds from now.
    pub fn clock_in(&self, seconds: u64) -> Timestamp {
        self.clock.wall().plus(Duration::from_secs(seconds))
    }

    /// Where a file of the lane lies.
    pub fn path(&self, at: Stage, file: &str) -> PathBuf {
        self.root().join(stage(at).path()).join(file)
    }

    /// The names in a folder of the lane, sorted.
    pub fn names(&self, at: Stage) -> Vec<String> {
        days::names(&self.path(at, ""))
    }

    /// The one name in a folder of the lane.
    pub fn only(&self, at: Stage) -> String {
        let names = self.names(at);
        assert_eq!(names.len(), 1, "{at}: {names:?}");
        names[0].clone()
    }

    pub fn transport(&self, life: &Arc<Life>) -> Arc<dyn Transport> {
        let share = Arc::new(FaultShare::over(
            self.share.clone(),
            life.clone(),
            self.clock.clone(),
        ));
        let (clock, chance) = (self.clock.clone(), self.chance.clone());
        Arc::new(FolderTransport::over(share, clock, chance))
    }

    pub fn journal(&self, life: &Arc<Life>) -> Result<Journal, dispatch::journal::Error> {
        let (tape, bytes) = self.medium.reel(life.clone());
        Journal::open(tape, &bytes, self.clock.wall(), self.chance.nonce())
    }

    /// Starts a watcher of the receiver; an error only where its life ended meanwhile.
    pub fn start(&self, life: &Arc<Life>) -> Result<Node, flow::Error> {
        let mut node = Node {
            settings: self.settings.clone(),
            keys: keys(),
            transport: self.transport(life),
            clock: self.clock.clone(),
            chance: self.chance.clone(),
            runner: self.runner(life),
            sink: self.sink.clone() as Arc<dyn Sink>,
            killswitch: Killswitch::new(
                name("gpubox"),
                vec![name("devbox")],
                vec![lane()],
                &self.state(),
            ),
            journal: self.journal(life)?,
            now: flow::Memory::default(),
        };
        node.begin("0198f1c2-0000-4000-8000-00000000b007")?;
        Ok(node)
    }

    /// Starts a watcher to which nothing will happen.
    pub fn node(&self) -> Node {
        self.start(&Life::charmed()).unwrap()
    }

    fn runner(&self, life: &Arc<Life>) -> Arc<dyn Runner> {
        self.shop.seen_by(life.clone())
    }

    pub fn sender(&self, life: &Arc<Life>) -> Sender {
        Sender {
            transport: self.transport(life),
            clock: self.clock.clone(),
            keys: keys(),
            pools: std::collections::BTreeMap::new(),
        }
    }

    pub fn task(&self) -> Task {
        let now = self.clock.wall();
        let id = self
            .chance
            .task_id(u64::try_from(now.unix()).unwrap() * 1000);
        Task::new(
            id,
            party("devbox"),
            party("gpubox"),
            now,
            "run the tests".to_owned(),
        )
    }

    pub fn send(&self, task: &Task) -> Sent {
        let sent = self.sender(&Life::charmed()).send(&lane(), task).unwrap();
        assert_eq!(sent.publish, Publish::Published);
        sent
    }

    /// Publishes a decision of an approver.
    pub fn decide(
        &self,
        who: &str,
        id: TaskId,
        digest: Digest,
        decision: Decision,
        grants: &[Allowance],
    ) {
        let now = self.clock.wall();
        let ack = Ack {
            from: Party::of_approver(&name(who)),
            to: party("gpubox"),
            task_id: id,
            task_sha256: digest,
            decision,
            grants: grants.to_vec(),
            reason: None,
            created: now,
            expires: ack::default_expiry(now),
        };
        let sender = self.sender(&Life::charmed());
        let sent = ack::decide(&sender, &*self.chance, &lane(), &name(who), &ack).unwrap();
        assert_eq!(sent, Publish::Published);
    }

    pub fn approve(&self, sent: &Sent) {
        self.decide("alice", sent.id, sent.digest, Decision::Approve, &[]);
    }

    pub fn cancel(&self, sent: &Sent) {
        let now = self.clock.wall();
        let cancel = Cancel {
            from: party("devbox"),
            to: party("gpubox"),
            task_id: sent.id,
            task_sha256: Some(sent.digest),
            reason: "not needed".to_owned(),
            created: now,
            expires: now.plus(Duration::from_secs(3600)),
        };
        let sender = self.sender(&Life::charmed());
        let made = cancel::send(&sender, &*self.chance, &lane(), &cancel).unwrap();
        assert_eq!(made, Publish::Published);
    }

    /// Rounds, a second apart, with agents that end well between them, until the share holds nothing open.
    pub fn settle(&self, node: &mut Node) {
        for _ in 0..200 {
            node.round().unwrap();
            self.shop.finish_all(Status::Ok);
            self.clock.advance(Duration::from_secs(1));
            if self.is_settled() && node.is_quiet() && node.waiting() == 0 {
                return;
            }
        }
        panic!("it does not come to an end: {}", self.picture());
    }

    fn is_settled(&self) -> bool {
        let open = [Stage::Inbox, Stage::PendingAck, Stage::Processing];
        open.iter().all(|at| self.names(*at).is_empty())
    }

    /// Rounds without anything happening between them.
    pub fn rounds(&self, node: &mut Node, count: usize) {
        for _ in 0..count {
            node.round().unwrap();
            self.clock.advance(Duration::from_secs(1));
        }
    }

    /// The host or the process of the watcher dies.
    pub fn crash(&self, node: Option<Node>, kept: Kept) {
        drop(node);
        self.medium.crash(kept);
    }

    /// What the sender finds.
    pub fn outcome(&self, sent: &Sent) -> Option<Answer> {
        let sender = self.sender(&Life::charmed());
        let found = sender.outcome(&lane(), sent.id, Some(sent.digest)).unwrap();
        found.map(|found| found.unwrap().answer)
    }

    pub fn status(&self, sent: &Sent) -> Option<Status> {
        self.outcome(sent).map(|answer| answer.status)
    }

    pub fn told(&self, word: Word) -> usize {
        self.sink.count(word)
    }

    /// What `dispatch fsck` finds on the receiving node, but for the age of files: that is the real clock's.
    pub fn survey(&self) -> Vec<Finding> {
        let mut found = self.survey_all();
        found.retain(|finding| finding.code != fsck::Code::OldPart);
        found
    }

    pub fn survey_all(&self) -> Vec<Finding> {
        let journal = Journal::read(&self.medium.written()).unwrap();
        fsck::survey(&Survey {
            transport: &*self.transport(&Life::charmed()),
            keys: &keys(),
            clock: &*self.clock,
            lanes: &[lane()],
            own: Some(Own {
                node: &name("gpubox"),
                journal: &journal,
                runs: &self.shop.stems(),
            }),
        })
    }

    /// Everything that lies in the lane, for a message.
    pub fn picture(&self) -> String {
        let all = Stage::ALL
            .iter()
            .map(|at| format!("{at}: {:?}", self.names(*at)));
        format!(
            "{}\nruns: {:?}",
            all.collect::<Vec<_>>().join("\n"),
            self.shop.stems()
        )
    }

    /// What must hold of a task that is over, whatever happened on the way.
    pub fn check_end(&self, sent: &Sent, context: &str) {
        let shown = || format!("{context}\n{}", self.picture());
        let answer = self.outcome(sent);
        assert!(answer.is_some(), "no outcome: {}", shown());
        let id = sent.id.to_string();
        let results = self.names(Stage::Done).into_iter();
        let results =
            results.filter(|file| file.starts_with(&id) && file.ends_with(".result.json"));
        assert_eq!(results.count(), 1, "outcome documents: {}", shown());
        let files = [Stage::Done, Stage::Rejected]
            .map(|at| self.names(at))
            .concat();
        let files = files
            .iter()
            .filter(|file| dispatch::entry::ClaimName::parse(file).is_some());
        assert!(
            files.filter(|file| file.starts_with(&id)).count() >= 1,
            "{}",
            shown()
        );
        self.check_always(context);
        assert!(self.is_settled(), "something is left open: {}", shown());
        assert!(self.shop.stems().is_empty(), "run directories: {}", shown());
        assert_eq!(self.survey(), [], "fsck: {}", shown());
    }

    /// What must hold at any moment.
    pub fn check_always(&self, context: &str) {
        let faults = self.shop.faults();
        assert!(faults.is_empty(), "{context}: {faults:?}");
        // Nothing is revealed before its commit.
        let files = [Stage::Done, Stage::Rejected]
            .map(|at| self.names(at))
            .concat();
        for public in self
            .names(Stage::Done)
            .iter()
            .filter(|file| is_public(file))
        {
            let file = days::find(&self.path(Stage::Done, ""), public);
            let bytes = std::fs::read(file).unwrap();
            let claim = serde_json::from_slice::<serde_json::Value>(&bytes).unwrap();
            let file = format!("{}.json", claim["claim"].as_str().unwrap());
            assert!(
                files.contains(&file),
                "{context}: {public} before its commit"
            );
        }
    }

    /// Started at most once per attempt, and at most `attempts` times in all.
    pub fn check_starts(&self, sent: &Sent, attempts: usize, context: &str) {
        let starts = self.shop.starts(sent.id);
        assert!(
            starts.iter().all(|count| *count <= 1) && starts.len() <= attempts,
            "{context}: {starts:?}"
        );
    }
}
