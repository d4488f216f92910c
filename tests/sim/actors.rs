//! Who acts: watchers, senders, an approver. Each is the library itself, given the simulated share, clock, chance,
//! journal and executors; nothing here decides anything about a task.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::OnceLock;
use std::time::Duration;

use dispatch::chance::Chance;
use dispatch::clock::BootTime;
use dispatch::clock::Clock;
use dispatch::clock::Timestamp;
use dispatch::document::Ack;
use dispatch::document::Decision;
use dispatch::document::Task;
use dispatch::event::Event;
use dispatch::event::Sink;
use dispatch::flow;
use dispatch::flow::Node;
use dispatch::flow::Settings;
use dispatch::flow::ack;
use dispatch::flow::collect::Whereabouts;
use dispatch::flow::send::Sender;
use dispatch::id::NodeName;
use dispatch::id::Party;
use dispatch::id::Priority;
use dispatch::id::ProfileName;
use dispatch::journal;
use dispatch::journal::Journal;
use dispatch::killswitch::Killswitch;
use dispatch::limits;
use dispatch::place::Lane;
use dispatch::place::Place;
use dispatch::policy::Approver;
use dispatch::policy::PeerPolicy;
use dispatch::policy::Scope;
use dispatch::profile::AgentKind;
use dispatch::profile::Profile;
use dispatch::share::Cache;
use dispatch::stage::Stage;
use dispatch::transport::FolderTransport;
use dispatch::transport::Publish;
use dispatch::transport::Transport;

use crate::disk::SimTape;
use crate::names::keys;
use crate::names::name;
use crate::names::party;
use crate::oracle::Story;
use crate::plan::Caches;
use crate::plan::MS;
use crate::plan::SECOND;
use crate::runner::SimRunner;
use crate::share::SimShare;
use crate::turns::Life;
use crate::verdict::ATTEMPTS_MAX;
use crate::world::Role;
use crate::world::World;

/// Identity of the share.
pub const ROOT_ID: &str = "0198f1c2-0000-7000-8000-00000000abcd";

/// The clocks of a host.
struct SimClock {
    world: Arc<World>,
    host: usize,
}

impl Clock for SimClock {
    fn wall(&self) -> Timestamp {
        self.world.state().wall(self.host)
    }

    fn boot(&self) -> BootTime {
        self.world.state().boot(self.host)
    }

    fn monotonic(&self) -> BootTime {
        self.boot()
    }

    fn sleep(&self, time: Duration) {
        self.world.call(|| format!("sleep {} ms", time.as_millis()));
        self.world
            .sleep(u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
    }
}

/// Events go into the trace.
struct SimSink(Arc<World>);

impl Sink for SimSink {
    fn tell(&self, event: &Event) {
        let line = || format!("  > {} {}", event.word, event.summary.as_str());
        self.0.state().note(line);
    }
}

/// A place of one actor in the world.
#[derive(Clone)]
pub struct Seat {
    pub world: Arc<World>,
    pub host: usize,
}

/// A folder without a halt in it, for every node of every schedule.
fn no_local_halt() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a temporary folder");
        folder.keep()
    })
}

impl Seat {
    pub fn clock(&self) -> Arc<dyn Clock> {
        Arc::new(SimClock {
            world: Arc::clone(&self.world),
            host: self.host,
        })
    }

    pub fn chance(&self) -> Arc<dyn Chance> {
        Arc::clone(&self.world.state().hosts[self.host].chance) as Arc<dyn Chance>
    }

    pub fn transport(&self) -> Arc<dyn Transport> {
        let world = Arc::clone(&self.world);
        let share = Arc::new(SimShare { world });
        Arc::new(FolderTransport::over(share, self.clock(), self.chance()))
    }

    pub fn sender(&self) -> Sender {
        Sender {
            transport: self.transport(),
            clock: self.clock(),
            keys: keys(),
            pools: self.settings().pools,
        }
    }

    /// What this actor does in one life.
    pub fn life(self, role: Role) -> Life {
        match role {
            Role::Watcher => Box::new(move || self.watch()),
            Role::Sender(errand) => Box::new(move || self.run_errand(errand)),
            Role::Approver => Box::new(move || self.approve()),
        }
    }

    /// The lane by which everything is sent.
    pub fn lane(&self) -> Lane {
        self.world.state().lane.clone()
    }

    /// Every lane there is: of the pool, and between each pair of nodes that talk.
    pub fn all_lanes(&self) -> Vec<Lane> {
        let mut lanes = vec![self.lane()];
        let state = self.world.state();
        if state.plan.members > 0 {
            for host in state.hosts.iter().skip(1) {
                let node = name(host.name);
                lanes.push(Lane::new(name("devbox"), Party::from(&node)));
                lanes.push(Lane::new(node, party("devbox")));
            }
        }
        lanes
    }

    fn cache(&self) -> Cache {
        match self.world.state().plan.caches {
            Caches::Ticks => Cache::Stamped,
            Caches::Counted => Cache::Counted,
            Caches::Off => Cache::None,
        }
    }

    pub fn settings(&self) -> Settings {
        let default = ProfileName::parse("default").expect("a profile");
        let profile =
            Profile::of_kind(default.clone(), AgentKind::Command, vec!["true".to_owned()]);
        let policy = PeerPolicy {
            accept: self.host > 0,
            attempts_max: ATTEMPTS_MAX,
            ..PeerPolicy::default()
        };
        let alice = Approver {
            scope: Scope::All,
            may_grant_dangerous: true,
        };
        let state = self.world.state();
        let members: BTreeSet<NodeName> = match state.plan.members {
            0 => BTreeSet::new(),
            _ => state
                .hosts
                .iter()
                .skip(1)
                .map(|host| name(host.name))
                .collect(),
        };
        let peers = match self.host {
            0 => members.iter().cloned().collect(),
            _ => vec![name("devbox")],
        };
        let pools = match state.plan.members {
            0 => BTreeMap::new(),
            _ => BTreeMap::from([(name("gpu"), members)]),
        };
        Settings {
            node: name(state.hosts[self.host].name),
            slots: state.plan.slots,
            peers: peers
                .into_iter()
                .map(|peer| (peer, policy.clone()))
                .collect(),
            pools,
            approvers: BTreeMap::from([(name("alice"), alice)]),
            profiles: BTreeMap::from([(default, profile)]),
            root_id: Some(ROOT_ID.to_owned()),
            free_bytes_min: 0,
            lost_max: None,
            only: None,
            retry: crate::plan::retry(),
            poll_ms: state.plan.poll / MS,
        }
    }

    fn node(&self) -> Result<Node, flow::Error> {
        let tape = Box::new(SimTape {
            world: Arc::clone(&self.world),
            host: self.host,
        });
        let (bytes, boots) = {
            let mut state = self.world.state();
            let host = &mut state.hosts[self.host];
            host.disk.process_died();
            host.disk.has_failed = false;
            (host.disk.durable.clone(), host.boots)
        };
        let now = self.clock().wall();
        let journal = Journal::open(tape, &bytes, now, self.chance().nonce())?;
        let settings = self.settings();
        let me = settings.node.clone();
        let peers = settings.peers.keys().cloned().collect();
        let killswitch = Killswitch::new(me, peers, settings.lanes(), no_local_halt());
        let mut node = Node {
            settings,
            keys: keys(),
            transport: self.transport(),
            clock: self.clock(),
            chance: self.chance(),
            runner: Arc::new(SimRunner {
                world: Arc::clone(&self.world),
                host: self.host,
            }),
            sink: Arc::new(SimSink(Arc::clone(&self.world))),
            killswitch,
            journal,
            now: flow::Memory::default(),
        };
        node.see_through(self.cache());
        node.begin(&format!("0198f1c2-0000-4000-8000-{boots:012x}"))?;
        Ok(node)
    }

    /// A watcher from its start to its end: as the daemon does, without what only a real host has.
    fn watch(self) {
        let error = match self.watch_until_it_fails() {
            Ok(()) => return,
            Err(error) => error,
        };
        let mut state = self.world.state();
        let is_logic = matches!(
            error,
            flow::Error::Journal(
                journal::Error::Contradiction { .. } | journal::Error::Damaged { .. }
            )
        );
        if is_logic {
            return state.fail(format!("the journal: {error}"));
        }
        if !state.hosts[self.host].disk.has_failed {
            return state.fail(format!("a watcher stopped for nothing: {error}"));
        }
        state.note(|| format!("stops: {error}"));
    }

    fn watch_until_it_fails(&self) -> Result<(), flow::Error> {
        let mut node = self.node()?;
        let poll = Duration::from_micros(self.world.state().plan.poll);
        let mut pause = poll;
        loop {
            let round = node.round()?;
            {
                let mut state = self.world.state();
                let host = &mut state.hosts[self.host];
                host.open = Some(node.journal.open_tasks().count());
                host.rounds += 1;
                if state.is_ending {
                    return Ok(());
                }
            }
            if round.worked() {
                pause = poll;
                continue;
            }
            pause = (pause * 3 / 2).min(poll.max(Duration::from_secs(15)));
            if node.running() > 0 {
                pause = pause.min(limits::HALT_LOOK);
            }
            self.clock().sleep(pause);
        }
    }

    fn task(&self, errand: usize) -> Task {
        let clock = self.clock();
        let now = clock.wall();
        let id = self
            .chance()
            .task_id(u64::try_from(now.unix()).unwrap_or(0) * 1000);
        let (from, to) = (party("devbox"), self.lane().to);
        let mut task = Task::new(id, from, to, now, format!("errand {errand}"));
        let mut state = self.world.state();
        let wish = state.plan.errands[errand].clone();
        task.idempotent = wish.idempotent;
        task.idempotency_key = wish.keyed.then(|| "the work".to_owned());
        task.max_attempts = wish.idempotent.then_some(ATTEMPTS_MAX);
        task.require_ack = wish.needs_ack;
        task.expires = now.plus(Duration::from_secs(wish.lives));
        task.priority = Priority::ALL[usize::from(wish.priority) % Priority::ALL.len()];
        task.not_before =
            (wish.not_before > 0).then(|| now.plus(Duration::from_secs(wish.not_before)));
        state.ids[errand] = Some(id);
        state.made[errand] = Some(now.unix());
        task
    }

    /// A sender: sends, perhaps cancels, waits for the outcome.
    fn run_errand(self, errand: usize) {
        let sender = self.sender();
        let mut task = self.task(errand);
        let id = task.id;
        self.depend(errand, &mut task);
        // Sealed twice for the oracle: the seal of the same task by the same clock is the same.
        self.expect(errand, &task);
        let Ok(sent) = sender.send(&self.lane(), &task) else {
            let mut state = self.world.state();
            state.oracle.stories.remove(&id);
            return;
        };
        let mut publish = sent.publish.clone();
        if let Publish::Unknown { part, .. } = &publish
            && self.world.state().plan.resolves
        {
            self.clock().sleep(Duration::from_secs(1));
            let inbox = Place::Stage(self.lane(), Stage::Inbox);
            publish = sender
                .transport
                .resume(&self.lane(), part, (&inbox, &sent.name));
        }
        self.told(sent.id, &publish);
        let wish = self.world.state().plan.errands[errand].clone();
        if let Some(after) = wish.cancel_after {
            self.clock().sleep(Duration::from_micros(after));
            self.cancel(&sender, &task);
        }
        self.tend(&sender, &sent, &task);
        self.wait(&sender, &sent);
    }

    fn expect(&self, errand: usize, task: &Task) {
        let context = dispatch::document::Context {
            from: Party::from(&self.lane().from),
            to: self.lane().to,
            kind: dispatch::document::Kind::Task,
        };
        let now = self.clock().wall();
        let Ok(sealed) = dispatch::envelope::seal(&keys(), &context, now, &task.body()) else {
            return;
        };
        let mut story = Story::of(errand, dispatch::id::Digest::of(&sealed));
        story.after = task.after().first().map(|after| (after.id, after.when));
        self.world.state().oracle.stories.insert(task.id, story);
    }

    fn told(&self, id: dispatch::id::TaskId, publish: &Publish) {
        let mut state = self.world.state();
        state.note(|| format!("was told: {publish:?}"));
        let forgets = state.plan.export == crate::plan::Export::Async;
        let Some(story) = state.oracle.stories.get_mut(&id) else {
            return;
        };
        match publish {
            Publish::Published => {
                // What an `async` export forgot meanwhile is nobody's promise.
                story.is_told = !forgets || story.file.is_some();
                if story.file.is_none() && !forgets {
                    state.fail(format!("{id} is said to be published and is not"));
                }
            }
            Publish::Failed(_) => story.is_denied = true,
            Publish::Unknown { .. } => {}
        }
    }

    fn wait(&self, sender: &Sender, sent: &flow::send::Sent) {
        for look in 0..6_u64 {
            self.clock().sleep(Duration::from_secs(2 << look));
            if let Ok(Whereabouts::Answered(found)) =
                sender.find(&self.lane(), sent.id, Some(sent.digest))
            {
                let mut state = self.world.state();
                state.believed(sent.id, found.digest);
                state.note(|| format!("found its outcome: {}", found.answer.status));
            }
            if self.world.state().is_ending {
                return;
            }
        }
    }

    /// An approver looks what waits, and decides.
    fn approve(self) {
        let sender = self.sender();
        loop {
            let pause = {
                let mut state = self.world.state();
                if state.is_ending {
                    return;
                }
                state.dice.within(500 * MS, 8 * SECOND)
            };
            self.clock().sleep(Duration::from_micros(pause));
            let Ok(waiting) = ack::waiting(&sender, &[self.lane()]) else {
                continue;
            };
            for one in waiting {
                let (Some(digest), Ok(_)) = (one.digest, &one.task) else {
                    continue;
                };
                let denies = self.world.state().plan.denies;
                let is_denied = self.world.state().dice.once_in(denies);
                let now = self.clock().wall();
                let ack = Ack {
                    from: Party::of_approver(&name("alice")),
                    to: Party::from(&one.claim.node),
                    task_id: one.claim.id,
                    task_sha256: digest,
                    decision: if is_denied {
                        Decision::Deny
                    } else {
                        Decision::Approve
                    },
                    grants: Vec::new(),
                    reason: None,
                    created: now,
                    expires: ack::default_expiry(now),
                };
                let _ = ack::decide(&sender, &*self.chance(), &self.lane(), &name("alice"), &ack);
            }
        }
    }
}
