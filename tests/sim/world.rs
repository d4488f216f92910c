//! The world of one schedule: time, agenda, server, hosts, and whose turn it is. All of it follows from the seed.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;

use dispatch::chance::SeededChance;
use dispatch::clock::BootTime;
use dispatch::clock::Timestamp;
use dispatch::id::TaskId;
use dispatch::place::Lane;

use crate::client::Client;
use crate::dice::Dice;
use crate::disk::Disk;
use crate::net::Fate;
use crate::oracle::Oracle;
use crate::plan::Deed;
use crate::plan::MS;
use crate::plan::Plan;
use crate::plan::SECOND;
use crate::runner::Runs;
use crate::server::Folder;
use crate::server::Op;
use crate::server::Server;
use crate::turns;
use crate::turns::Actor;

/// Wall time at the beginning.
const BASE: i64 = 1_795_500_000;
/// Time since boot at the beginning.
const BOOT: u64 = 1_000 * SECOND;

/// Something on the agenda.
#[derive(Debug, Clone)]
pub enum Item {
    /// It is the turn of this actor, unless its token changed.
    Turn(usize, u64),
    /// An actor begins (again).
    Begin(usize),
    /// A request is executed that its client has long given up, or that travels twice.
    Late(Op),
    /// The lease of an attempt may be over.
    Lease(usize, String),
    /// An executor has its agent ready.
    Come(usize, String),
    /// An executor has waited long enough for a permit.
    Tire(usize, String),
    /// An executor sees its permit.
    Take(usize, String),
    /// An agent ends.
    End(usize, String),
    /// Something happens by itself.
    Deed(Deed),
    /// A killswitch is made, with its number and whether it kills.
    Halt(usize, bool),
    /// It is removed.
    Resume,
    /// A stranger copies the task of this errand.
    Copy(usize),
    /// Nothing goes wrong from now on.
    Quiet,
}

/// What kind of actor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Watcher,
    Sender(usize),
    Approver,
}

/// An actor, alive or not.
pub struct Cast {
    pub role: Role,
    pub host: usize,
    pub actor: Option<Actor>,
    pub token: u64,
    pub is_doomed: bool,
    /// The request that it waits for.
    pub in_flight: Option<Op>,
    /// Whether its last life ended by itself.
    pub is_done: bool,
}

/// A host: what survives its processes.
pub struct Host {
    pub name: &'static str,
    pub client: Client,
    pub disk: Disk,
    pub runs: Runs,
    pub chance: Arc<SeededChance>,
    /// Seconds by which its wall clock is wrong.
    pub offset: i64,
    pub booted: u64,
    pub boots: u32,
    /// When its wall clock was stepped last.
    pub stepped: Option<u64>,
    /// Open tasks of its node, as its last round left them; `None` before the first.
    pub open: Option<usize>,
    pub rounds: u64,
    /// Until when it stands still, with its clocks, and for how long it has in all.
    pub still_until: u64,
    pub stood_still: u64,
}

/// Everything.
pub struct State {
    pub plan: Plan,
    pub dice: Dice,
    pub now: u64,
    agenda: BTreeMap<(u64, u64), Item>,
    count: u64,
    pub server: Server,
    pub hosts: Vec<Host>,
    pub cast: Vec<Cast>,
    pub current: Option<usize>,
    pub oracle: Oracle,
    pub is_quiet: bool,
    pub is_ending: bool,
    pub server_offset: i64,
    /// What becomes of the next request, where that is not left to chance.
    pub forced: Option<Fate>,
    /// Until when somebody is held up in a duel.
    pub held_until: u64,
    /// No request comes to the server before this.
    pub down_until: u64,
    /// When the one host of a local share lost power last.
    local_cut: u64,
    pub violation: Option<String>,
    pub trace: Option<Vec<String>>,
    pub print: u64,
    pub steps: u64,
    pub coverage: BTreeMap<&'static str, u64>,
    /// Names that may be made again by a request that travels twice.
    pub restless: BTreeSet<(Folder, String)>,
    /// The lane by which everything is sent.
    pub lane: Lane,
    /// The task of each errand, once its sender made it, and when.
    pub ids: Vec<Option<TaskId>>,
    pub made: Vec<Option<i64>>,
}

/// The world, as its parts share it.
pub struct World(Mutex<State>);

impl World {
    /// Puts a state into its lock; one thread uses it.
    pub fn new(state: State) -> Arc<Self> {
        Arc::new(Self(Mutex::new(state)))
    }

    /// The state, for a moment: never across a turn.
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Lets time pass for the actor whose turn it is. Others act meanwhile; it may not live to see the end of it.
    pub fn pass(&self, time: u64) {
        self.wait(time, false);
    }

    /// As [`World::pass`]; but the turn goes round in any case.
    pub fn sleep(&self, time: u64) {
        self.wait(time, true);
    }

    fn wait(&self, time: u64, gives: bool) {
        let mut state = self.state();
        let Some(me) = state.current else {
            state.now += time;
            return;
        };
        let until = state.now + time;
        if state.cast[me].is_doomed {
            drop(state);
            turns::die();
        }
        if !gives && state.next_at().is_none_or(|next| next > until) {
            state.now = until;
            return;
        }
        state.wake(me, until);
        drop(state);
        turns::give();
        let mut state = self.state();
        state.current = Some(me);
        if state.cast[me].is_doomed {
            drop(state);
            turns::die();
        }
    }

    /// A call begins: the process may die before it.
    pub fn call(&self, what: impl FnOnce() -> String) {
        let mut state = self.state();
        state.steps += 1;
        let rate = state.plan.rates.dies_before;
        state.note(what);
        let pause = state.plan.rates.pause;
        if state.goes_wrong(pause) {
            let time = state.dice.spread(SECOND, 180 * SECOND);
            state.cover("pause", || format!("pauses for {} s", time / SECOND));
            drop(state);
            self.pass(time);
            state = self.state();
        }
        if state.goes_wrong(rate) {
            state.cover("death before a call", || "dies".to_owned());
            state.death();
            drop(state);
            turns::die();
        }
    }

    /// A call was executed: the process may die before it hears of it.
    pub fn called(&self) {
        let mut state = self.state();
        let rate = state.plan.rates.dies_after;
        if state.current.is_some() && state.goes_wrong(rate) {
            state.cover("death after a call", || "dies".to_owned());
            state.death();
            drop(state);
            turns::die();
        }
    }
}

impl State {
    /// A world at its first moment, in which nothing is on the agenda.
    pub fn new(plan: Plan) -> Self {
        let seed = plan.seed;
        let mut server = Server::default();
        server.may_forget = plan.export != crate::plan::Export::Sync;
        let names: &[&'static str] = match plan.members {
            0 => &["devbox", "gpubox"],
            members => &["devbox", "gpu1", "gpu2", "gpu3"][..=members],
        };
        let hosts = names.iter().enumerate().map(|(number, name)| Host {
            name,
            client: Client::default(),
            disk: Disk::default(),
            runs: Runs::default(),
            chance: Arc::new(SeededChance::new(seed.wrapping_mul(16) + number as u64 + 1)),
            offset: 0,
            booted: 0,
            boots: 0,
            stepped: None,
            open: None,
            rounds: 0,
            still_until: 0,
            stood_still: 0,
        });
        Self {
            dice: Dice::new(seed ^ 0x5DEE_CE66),
            now: 0,
            agenda: BTreeMap::new(),
            count: 0,
            server,
            hosts: hosts.collect(),
            cast: Vec::new(),
            current: None,
            oracle: Oracle::default(),
            is_quiet: false,
            is_ending: false,
            server_offset: 0,
            forced: None,
            held_until: 0,
            down_until: 0,
            local_cut: u64::MAX,
            violation: None,
            trace: None,
            print: seed,
            steps: 0,
            coverage: BTreeMap::new(),
            restless: BTreeSet::new(),
            lane: crate::names::lane_of(plan.members),
            ids: vec![None; plan.errands.len()],
            made: vec![None; plan.errands.len()],
            plan,
        }
    }

    /// Puts something on the agenda.
    pub fn at(&mut self, time: u64, item: Item) {
        self.count += 1;
        self.agenda.insert((time, self.count), item);
    }

    /// When the next thing happens.
    pub fn next_at(&self) -> Option<u64> {
        self.agenda.first_key_value().map(|((time, _), _)| *time)
    }

    /// Takes the next thing off the agenda; time is then.
    pub fn next(&mut self) -> Option<Item> {
        let ((time, _), item) = self.agenda.pop_first()?;
        self.now = self.now.max(time);
        Some(item)
    }

    /// Gives an actor its turn at a moment.
    pub fn wake(&mut self, actor: usize, time: u64) {
        self.cast[actor].token += 1;
        let token = self.cast[actor].token;
        self.at(time, Item::Turn(actor, token));
    }

    /// Whether something that goes wrong once in so many times goes wrong now.
    pub fn goes_wrong(&mut self, once_in: u64) -> bool {
        !self.is_quiet && self.current.is_some() && self.dice.once_in(once_in)
    }

    /// The host of the actor whose turn it is.
    pub fn host(&self) -> usize {
        self.current.map_or(0, |actor| self.cast[actor].host)
    }

    /// Writes a line of the trace, where there is one.
    pub fn note(&mut self, line: impl FnOnce() -> String) {
        let actor = self.current.map_or(99, |actor| actor as u64);
        self.print = (self.print ^ self.now.wrapping_mul(31) ^ actor)
            .wrapping_mul(0x0000_0100_0000_01B3)
            .rotate_left(23);
        if self.trace.is_none() {
            return;
        }
        let who = match self
            .current
            .map(|actor| (self.cast[actor].role, self.cast[actor].host))
        {
            None => "share".to_owned(),
            Some((Role::Watcher, host)) => format!("watch@{}", self.hosts[host].name),
            Some((Role::Sender(errand), _)) => format!("sender{errand}"),
            Some((Role::Approver, _)) => "approver".to_owned(),
        };
        let line = format!("{:>12.4} {who:<13} {}", self.now as f64 / 1e6, line());
        if let Some(trace) = &mut self.trace {
            trace.push(line);
        }
    }

    /// Counts that something out of the ordinary happened, and writes it down.
    pub fn cover(&mut self, what: &'static str, line: impl FnOnce() -> String) {
        *self.coverage.entry(what).or_default() += 1;
        self.note(|| format!("  ! {what}: {}", line()));
    }

    /// The first thing that must never happen ends the schedule.
    pub fn fail(&mut self, what: String) {
        self.note(|| format!("VIOLATION: {what}"));
        if self.violation.is_none() {
            self.violation = Some(what);
        }
    }

    /// The actor whose turn it is dies: alone, or its host with it.
    fn death(&mut self) {
        let Some(me) = self.current else { return };
        let host = self.cast[me].host;
        let share = self.plan.rates.host_share;
        if self.dice.once_in(share) {
            self.power_cut(host);
        } else {
            self.hosts[host].disk.process_died();
            self.bury(me, 10 * SECOND);
        }
    }

    /// An actor is gone; what it had asked for may still be executed, and a watcher is started again.
    fn bury(&mut self, actor: usize, within: u64) {
        self.leaves(actor);
        if self.cast[actor].role == Role::Watcher {
            let delay = self.dice.spread(100 * MS, within);
            self.at(self.now + delay, Item::Begin(actor));
        }
    }

    /// The same, and it comes back so much later.
    pub fn bury_for(&mut self, actor: usize, delay: u64) {
        self.leaves(actor);
        self.at(self.now + delay, Item::Begin(actor));
    }

    fn leaves(&mut self, actor: usize) {
        self.cast[actor].is_doomed = true;
        if let Some(op) = self.cast[actor].in_flight.take()
            && self.dice.once_in(2)
            && !self.is_restless(&op)
        {
            let delay = self.dice.spread(MS, 20 * SECOND);
            self.at(self.now + delay, Item::Late(op));
        }
    }

    /// A host loses power: its processes, its executors, and whatever was not synced.
    pub fn power_cut(&mut self, host: usize) {
        self.cover("power cut", || format!("host {host}"));
        let kept = self.dice.within(0, 2);
        self.hosts[host].disk.power_cut(kept);
        self.hosts[host].runs.power_cut();
        self.hosts[host].client = Client::default();
        self.hosts[host].booted = self.now;
        self.hosts[host].boots += 1;
        // Where the share is a directory of the host itself, both nodes are on it.
        let is_local = self.plan.export == crate::plan::Export::Local;
        if is_local && self.local_cut != self.now {
            self.local_cut = self.now;
            for other in 0..self.hosts.len() {
                self.power_cut(other);
            }
            self.roll_back();
            return;
        }
        let here: Vec<usize> = (0..self.cast.len())
            .filter(|actor| self.cast[*actor].host == host && self.cast[*actor].actor.is_some())
            .filter(|actor| !self.cast[*actor].is_doomed)
            .collect();
        for actor in here {
            self.bury(actor, 30 * SECOND);
            if Some(actor) != self.current {
                self.wake(actor, self.now);
            }
        }
    }

    /// The server comes back with some of its last changes forgotten.
    pub fn roll_back(&mut self) {
        let pending = self.server.pending() as u64;
        let lost = self.dice.within(0, pending);
        self.server.forget(usize::try_from(lost).unwrap_or(0));
        self.server.sync();
        if lost > 0 {
            self.cover("rollback", || format!("{lost} changes are gone"));
            self.forgotten();
        }
    }

    /// UTC on a host.
    pub fn wall(&self, host: usize) -> Timestamp {
        self.wall_at(host, self.now)
    }

    /// UTC on a host at an earlier moment, by its clock as it goes now.
    pub fn wall_at(&self, host: usize, time: u64) -> Timestamp {
        let seconds = i64::try_from(time / SECOND).unwrap_or(0);
        Timestamp::from_unix(BASE + seconds + self.hosts[host].offset)
    }

    /// Time since boot on a host.
    pub fn boot(&self, host: usize) -> BootTime {
        let since = self.now - self.hosts[host].booted;
        BootTime((BOOT + since).saturating_sub(self.hosts[host].stood_still) / MS)
    }

    /// What the server stamps its entries with, for a moment of the simulation.
    pub fn stamp(&self, time: u64) -> Timestamp {
        let ticks = time / self.plan.tick * self.plan.tick;
        let seconds = i64::try_from(ticks / SECOND).unwrap_or(0);
        Timestamp::from_unix(BASE + seconds + self.server_offset)
    }
}
