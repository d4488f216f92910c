//! The node of a sender to a pool, and two members made of nothing but their keys: what they would write is written by
//! the test, well or badly.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use dispatch::chance::Chance;
use dispatch::chance::SeededChance;
use dispatch::clock::Clock;
use dispatch::clock::Timestamp;
use dispatch::document::Context;
use dispatch::document::Kind;
use dispatch::document::Lease;
use dispatch::document::Permission;
use dispatch::document::Release;
use dispatch::document::Rules;
use dispatch::document::Task;
use dispatch::entry::ClaimName;
use dispatch::entry::ControlKind;
use dispatch::entry::ControlName;
use dispatch::entry::QueuedName;
use dispatch::envelope;
use dispatch::envelope::Envelope;
use dispatch::event::Memory;
use dispatch::event::Sink;
use dispatch::flow;
use dispatch::flow::Node;
use dispatch::flow::Settings;
use dispatch::flow::root;
use dispatch::flow::send::Sender;
use dispatch::flow::send::Sent;
use dispatch::id::KeyId;
use dispatch::id::Party;
use dispatch::journal::Journal;
use dispatch::key::Alg;
use dispatch::key::Key;
use dispatch::keyring::Keyring;
use dispatch::killswitch::Killswitch;
use dispatch::limits;
use dispatch::place::Lane;
use dispatch::place::Place;
use dispatch::policy::PeerPolicy;
use dispatch::stage::Stage;

use crate::world::ROOT_ID;
use crate::world::World;
use crate::world::life::Life;
use crate::world::name;
use crate::world::runner::Workshop;
use crate::world::tape::Medium;

/// The members of the pool.
pub const MEMBERS: [&str; 2] = ["gpu1", "gpu2"];

/// What a sender says about a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    Start,
    Refused(String),
    Nothing,
}

/// A share with one pool, and the sender's host.
pub struct Bench {
    pub world: World,
    pub medium: Medium,
    pub sink: Arc<Memory>,
    chance: Arc<SeededChance>,
}

pub fn party(text: &str) -> Party {
    Party::parse(text).unwrap()
}

pub fn lane() -> Lane {
    Lane::new(name("devbox"), party("pool.gpu"))
}

fn key(kid: &str, other: &str, first: u8) -> Key {
    let (kid, made) = (KeyId::parse(kid).unwrap(), Timestamp::from_unix(0));
    let secret = (first..first + 32).collect();
    Key::new(
        kid,
        Alg::Hs256,
        [party("devbox"), party(other)],
        made,
        secret,
    )
    .unwrap()
}

/// What the sender holds: the key of the pool, and one for each member.
pub fn keys() -> Keyring {
    Keyring::of(vec![
        key("p", "pool.gpu", 1),
        key("a", "gpu1", 50),
        key("b", "gpu2", 100),
    ])
}

/// What whoever can write to the share may hold beside: the key of a node that is no member.
pub fn keys_of_a_stranger() -> Keyring {
    Keyring::of(vec![
        key("p", "pool.gpu", 7),
        key("a", "gpu1", 8),
        key("c", "gpu3", 150),
    ])
}

impl Bench {
    pub fn new() -> Self {
        let bench = Self {
            world: World::new(11),
            medium: Medium::default(),
            sink: Arc::default(),
            chance: Arc::new(SeededChance::new(4)),
        };
        let transport = bench.world.transport(&Life::charmed());
        let answers = MEMBERS.map(|member| Lane::new(name(member), party("devbox")));
        let lanes = [&[lane()], &answers[..]].concat();
        root::lay_out(&*transport, &lanes, ROOT_ID).unwrap();
        // The node has run before: its record is older than any task here.
        drop(bench.start(&Life::charmed()).unwrap());
        bench.wait(600);
        bench
    }

    pub fn wait(&self, seconds: u64) {
        self.world.clock.advance(Duration::from_secs(seconds));
    }

    fn settings(&self, node: &str, peers: &[&str]) -> Settings {
        let peers = peers.iter().map(|peer| (name(peer), PeerPolicy::default()));
        Settings {
            node: name(node),
            peers: peers.collect(),
            pools: BTreeMap::from([(name("gpu"), MEMBERS.map(name).into())]),
            ..self.world.settings.clone()
        }
    }

    fn assemble(
        &self,
        life: &Arc<Life>,
        settings: Settings,
        medium: &Medium,
        keys: Keyring,
    ) -> Result<Node, flow::Error> {
        let (tape, bytes) = medium.reel(life.clone());
        let (clock, state) = (self.world.clock.clone(), self.world.state());
        let shop = Workshop::new(clock.clone(), medium.clone());
        let mut node = Node {
            keys,
            transport: self.world.transport(life),
            clock: clock.clone(),
            chance: self.chance.clone(),
            runner: shop.seen_by(life.clone()),
            sink: self.sink.clone() as Arc<dyn Sink>,
            killswitch: Killswitch::new(settings.node.clone(), vec![], vec![lane()], &state),
            journal: Journal::open(tape, &bytes, clock.wall(), self.chance.nonce())?,
            now: flow::Memory::default(),
            settings,
        };
        node.begin("0198f1c2-0000-4000-8000-00000000b007")?;
        Ok(node)
    }

    /// Starts the sender's node.
    pub fn start(&self, life: &Arc<Life>) -> Result<Node, flow::Error> {
        let settings = self.settings("devbox", &MEMBERS);
        self.assemble(life, settings, &self.medium, keys())
    }

    pub fn node(&self) -> Node {
        self.start(&Life::charmed()).unwrap()
    }

    /// A look of the sender's node at whatever is there, now.
    pub fn look(&self, node: &mut Node) {
        self.wait(limits::GRANT_LOOK.as_secs());
        node.round().unwrap();
    }

    pub fn task(&self) -> Task {
        let now = self.world.clock.wall();
        let id = self
            .chance
            .task_id(u64::try_from(now.unix()).unwrap() * 1000);
        Task::new(
            id,
            party("devbox"),
            party("pool.gpu"),
            now,
            "run".to_owned(),
        )
    }

    pub fn send(&self) -> Sent {
        self.send_task(&self.task())
    }

    pub fn send_task(&self, task: &Task) -> Sent {
        let sender = Sender {
            transport: self.world.transport(&Life::charmed()),
            clock: self.world.clock.clone(),
            keys: keys(),
            pools: std::collections::BTreeMap::new(),
        };
        sender.send(&lane(), task).unwrap()
    }

    pub fn path(&self, stage: Stage, file: &str) -> PathBuf {
        self.world
            .root()
            .join(Place::Stage(lane(), stage).path())
            .join(file)
    }

    pub fn names(&self, stage: Stage) -> Vec<String> {
        let transport = self.world.transport(&Life::charmed());
        let listing = transport.list(&Place::Stage(lane(), stage)).unwrap();
        listing.into_iter().map(|entry| entry.name).collect()
    }

    /// The name of a fresh claim.
    pub fn claim_name(&self, member: &str, sent: &Sent) -> ClaimName {
        let queued = QueuedName::parse(&sent.name).unwrap();
        queued.claimed_by(&name(member), self.chance.nonce())
    }

    /// Writes a lease of a claim, sealed by that member or whoever speaks for it.
    pub fn lease(&self, claim: &ClaimName, sent: &Sent, keys: &Keyring) {
        self.lease_saying(claim, sent, keys, claim);
    }

    /// Writes a lease whose text is about another claim than its name.
    pub fn lease_saying(&self, file: &ClaimName, sent: &Sent, keys: &Keyring, said: &ClaimName) {
        let now = self.world.clock.wall();
        let lease = Lease {
            from: Party::from(&said.node),
            to: party("devbox"),
            task_id: said.id,
            task_sha256: sent.digest,
            attempt: 0,
            epoch: 1,
            claim: Some(said.clone()),
            instance: None,
            seq: Some(1),
            created: now,
            expires: now.plus(limits::LEASE_TERM),
        };
        let sealed = envelope::seal_beat(keys, &lease.context(), now, &lease.body()).unwrap();
        std::fs::write(self.path(Stage::Processing, &file.lease()), sealed).unwrap();
    }

    /// A member claims a task as it should: first the lease, then the file.
    pub fn claim(&self, member: &str, sent: &Sent) -> ClaimName {
        let claim = self.claim_name(member, sent);
        self.lease(&claim, sent, &keys());
        let from = self.path(Stage::Inbox, &sent.name);
        std::fs::rename(from, self.path(Stage::Processing, &claim.to_string())).unwrap();
        claim
    }

    /// A claim whose file is a copy of the task, as whoever can write to the share may make one.
    pub fn copy(&self, member: &str, sent: &Sent, of: &ClaimName) -> ClaimName {
        let claim = self.claim_name(member, sent);
        self.lease(&claim, sent, &keys());
        let file = |claim: &ClaimName| self.path(Stage::Processing, &claim.to_string());
        std::fs::copy(file(of), file(&claim)).unwrap();
        claim
    }

    /// What the sender says about a claim, as its member hears it: a refusal counts more than a leave to start.
    pub fn said(&self, claim: &ClaimName, sent: &Sent) -> Said {
        let context = Context {
            from: party("devbox"),
            to: Party::from(&claim.node),
            kind: Kind::Grant,
        };
        let mine = ControlKind::Grant(claim.node.clone());
        let (keys, now) = (keys(), self.world.clock.wall());
        let mut said = Said::Nothing;
        for file in self.names(Stage::Control) {
            let is_mine = ControlName::parse(&file)
                .is_some_and(|name| name.id == claim.id && name.kind == mine);
            if !is_mine {
                continue;
            }
            let bytes = std::fs::read(self.path(Stage::Control, &file)).unwrap();
            let read = Envelope::read(bytes)
                .verify(&keys, &context, now)
                .and_then(|verified| verified.grant(&Rules::at(now)));
            let Ok(grant) = read else { continue };
            if grant.claim != *claim || grant.task_sha256 != sent.digest {
                continue;
            }
            match grant.decision {
                Permission::Refuse => return Said::Refused(grant.reason.unwrap()),
                Permission::Start => said = Said::Start,
            }
        }
        said
    }

    /// A member gives a claim back: the release, then the file, then the lease.
    pub fn give_back(&self, claim: &ClaimName, sent: &Sent) -> Sent {
        self.release(claim, sent);
        let name = claim.returned(None).to_string();
        let from = self.path(Stage::Processing, &claim.to_string());
        std::fs::rename(from, self.path(Stage::Inbox, &name)).unwrap();
        std::fs::remove_file(self.path(Stage::Processing, &claim.lease())).unwrap();
        Sent {
            name,
            ..sent.clone()
        }
    }

    pub fn release(&self, claim: &ClaimName, sent: &Sent) {
        let now = self.world.clock.wall();
        let release = Release {
            from: Party::from(&claim.node),
            to: party("devbox"),
            task_id: claim.id,
            task_sha256: sent.digest,
            claim: claim.clone(),
            reason: "no slot".to_owned(),
            created: now,
            expires: now.plus(limits::LIFE_MAX),
        };
        let sealed = envelope::seal(&keys(), &release.context(), now, &release.body()).unwrap();
        let name = ControlName {
            id: claim.id,
            kind: ControlKind::Release(claim.node.clone()),
            nonce: self.chance.nonce(),
        };
        std::fs::write(self.path(Stage::Control, &name.to_string()), sealed).unwrap();
    }

    /// Files in `control/` of one kind, by the word in their names.
    pub fn controls(&self, word: &str) -> Vec<String> {
        let word = format!(".{word}.");
        let mut names = self.names(Stage::Control);
        names.retain(|name| name.contains(&word));
        names
    }
}
