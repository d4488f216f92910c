//! One schedule from its first moment to its verdict.

use std::collections::BTreeMap;
use std::sync::Arc;

use dispatch::flow::collect::Whereabouts;
use dispatch::flow::root;
use dispatch::journal::Journal;
use dispatch::place::Place;
use dispatch::stage::Stage;

use crate::actors::ROOT_ID;
use crate::actors::Seat;
use crate::client::Client;
use crate::duel;
use crate::plan::Deed;
use crate::plan::Export;
use crate::plan::MS;
use crate::plan::Plan;
use crate::plan::SECOND;
use crate::server::Effect;
use crate::server::Op;
use crate::turns::Actor;
use crate::turns::Turn;
use crate::world::Cast;
use crate::world::Item;
use crate::world::Role;
use crate::world::State;
use crate::world::World;

/// What came of a schedule.
pub struct Verdict {
    pub violation: Option<String>,
    pub trace: Vec<String>,
    pub coverage: BTreeMap<&'static str, u64>,
    pub steps: u64,
    /// A fingerprint of everything that happened.
    pub print: u64,
}

/// The name of every killswitch: what is made, removed and made again has a past in the caches of clients.
const SWITCH: &str = "KILLSWITCH";

/// More steps than any schedule takes.
const STEPS_MAX: u64 = 60_000;

/// Runs the schedule of a plan.
pub fn run(plan: Plan, is_traced: bool) -> Verdict {
    let mut state = State::new(plan);
    state.trace = is_traced.then(Vec::new);
    let world = World::new(state);
    lay_out(&world);
    cast(&world);
    act(&world);
    end(&world);
    let mut state = world.state();
    Verdict {
        violation: state.violation.take(),
        trace: state.trace.take().unwrap_or_default(),
        coverage: std::mem::take(&mut state.coverage),
        steps: state.steps,
        print: state.print,
    }
}

/// An empty share, and a receiver whose journal is older than any task.
fn lay_out(world: &Arc<World>) {
    world.state().is_quiet = true;
    let seat = Seat {
        world: Arc::clone(world),
        host: 0,
    };
    let lanes = seat.all_lanes();
    root::lay_out(&*seat.transport(), &lanes, ROOT_ID).expect("a share without faults");
    let mut state = world.state();
    for host in 0..state.hosts.len() {
        let born = dispatch::journal::Fact::Born {
            at: state.wall(host).minus(std::time::Duration::from_secs(3600)),
            instance: dispatch::id::Nonce::from_bits(host as u64),
        };
        state.hosts[host].disk.durable = born.line().into_bytes();
    }
    state.now = 0;
    state.hosts[0].client = Client::default();
    state.server.sync();
    state.is_quiet = false;
}

/// Who takes part, and what will happen by itself.
fn cast(world: &Arc<World>) {
    let mut state = world.state();
    let plan = state.plan.clone();
    let mut enter = |role, host, at| {
        state.cast.push(Cast {
            role,
            host,
            actor: None,
            token: 0,
            is_doomed: false,
            in_flight: None,
            is_done: false,
        });
        let actor = state.cast.len() - 1;
        state.at(at, Item::Begin(actor));
    };
    // In a pool the sender's node grants; a node that is only asked needs none to ask it.
    let first = usize::from(plan.members == 0);
    for host in first..=plan.members.max(1) {
        enter(Role::Watcher, host, 0);
    }
    for (number, errand) in plan.errands.iter().enumerate() {
        enter(Role::Sender(number), 0, errand.at);
    }
    if plan.denies > 0 {
        enter(Role::Approver, 0, 0);
    }
    for (at, deed) in &plan.deeds {
        state.at(*at, Item::Deed(*deed));
    }
    for (number, (at, stays, kills)) in plan.halts.iter().enumerate() {
        state.at(*at, Item::Halt(number, *kills));
        state.at(at + stays, Item::Resume);
    }
    for (number, errand) in plan.errands.iter().enumerate() {
        for copy in 0..errand.copies {
            let at = errand.at + SECOND * (1 + 5 * u64::from(copy));
            state.at(at, Item::Copy(number));
        }
    }
    state.at(plan.quiet_from, Item::Quiet);
}

/// Everything that happens, until all is over or something must not have.
fn act(world: &Arc<World>) {
    let (mut jumps, mut rest) = (0, None);
    let plan = world.state().plan.clone();
    // In a pool what was left behind is taken after a term.
    let at_most = if plan.members == 0 { 90 } else { 500 } * SECOND;
    let mut patience = plan.quiet_from + at_most;
    loop {
        let mut state = world.state();
        if state.violation.is_some() {
            return;
        }
        if state.steps > STEPS_MAX {
            let steps = state.steps;
            return state.fail(format!("it does not come to an end: {steps} steps"));
        }
        if !state.is_quiet && duel::is_one(plan.seed) && is_at_rest(&state) && state.is_over() {
            // Nothing is left that could still be ambushed.
            state.calms();
        }
        if state.is_quiet && is_at_rest(&state) {
            // A little longer: what is over stays over.
            let until = *rest.get_or_insert(state.now + 40 * SECOND);
            if state.now >= until {
                return;
            }
        } else {
            rest = None;
        }
        if state.is_quiet && rest.is_none() && state.now > patience {
            jumps += 1;
            if !jump(&mut state, jumps) {
                return;
            }
            patience = state.now + at_most;
        }
        let Some(item) = state.next() else {
            return state.fail("nothing is left to happen".to_owned());
        };
        if state.waits_for_host(&item) {
            continue;
        }
        drop(state);
        happen(world, item);
    }
}

/// Whether nothing is left to do.
fn is_at_rest(state: &State) -> bool {
    let is_idle = |host: &crate::world::Host| host.open == Some(0);
    let senders = state
        .cast
        .iter()
        .filter(|cast| matches!(cast.role, Role::Sender(_)))
        .all(|cast| cast.is_done || cast.token > 0);
    senders && state.is_settled() && state.hosts.iter().skip(1).all(is_idle)
}

/// Time that passes over everything that may wait: approvals, not-before, expiry. False where that did not help.
fn jump(state: &mut State, jumps: u64) -> bool {
    match jumps {
        1 => {
            // A client that never asks again would miss what came in the same tick: its memory ends some day.
            for host in &mut state.hosts {
                host.client = Client::default();
            }
            state.cover("caches had to go", String::new);
        }
        2 => {
            state.cover("waited for expiry", String::new);
            state.now += 25 * 3600 * SECOND;
        }
        3 => {}
        _ => {
            if !state.oracle.rolled_back {
                state.judge_end();
                let open: Vec<_> = state.hosts.iter().map(|host| host.open).collect();
                state.fail(format!("liveness: something is left open: {open:?}"));
            }
            return false;
        }
    }
    true
}

fn happen(world: &Arc<World>, item: Item) {
    match item {
        Item::Turn(actor, token) => turn(world, actor, token),
        Item::Begin(actor) => begin(world, actor),
        other => {
            let mut state = world.state();
            state.current = None;
            match other {
                Item::Late(op) => state.comes_late(&op),
                Item::Lease(host, stem) => state.lease_ends(host, &stem),
                Item::Come(host, stem) => state.comes(host, &stem),
                Item::Tire(host, stem) => state.tires(host, &stem),
                Item::Take(host, stem) => state.takes(host, &stem),
                Item::End(host, stem) => state.ends(host, &stem),
                Item::Deed(deed) => state.does(deed),
                Item::Halt(number, kills) => state.halts(number, kills),
                Item::Resume => state.resumes(),
                Item::Copy(errand) => state.copies(errand),
                Item::Quiet => state.calms(),
                Item::Turn(..) | Item::Begin(_) => {}
            }
        }
    }
}

fn begin(world: &Arc<World>, actor: usize) {
    let mut state = world.state();
    if state.cast[actor].actor.is_some() && state.cast[actor].is_doomed {
        // Its body is not cold yet.
        let soon = state.now + MS;
        return state.at(soon, Item::Begin(actor));
    }
    if state.cast[actor].actor.is_some() {
        return;
    }
    let (role, host) = (state.cast[actor].role, state.cast[actor].host);
    state.cast[actor].is_doomed = false;
    drop(state);
    let seat = Seat {
        world: Arc::clone(world),
        host,
    };
    let life = Actor::begin(seat.life(role));
    let mut state = world.state();
    state.current = Some(actor);
    state.note(|| "begins".to_owned());
    state.cast[actor].actor = Some(life);
    let now = state.now;
    state.wake(actor, now);
}

fn turn(world: &Arc<World>, actor: usize, token: u64) {
    let mut state = world.state();
    if state.cast[actor].token != token {
        return;
    }
    let Some(mut life) = state.cast[actor].actor.take() else {
        return;
    };
    // A doomed actor has its body back while it is unwound.
    state.current = Some(actor);
    drop(state);
    let turn = life.take_turn();
    let mut state = world.state();
    let mut lasts = false;
    match turn {
        Turn::Waits => lasts = true,
        Turn::Ended => {
            state.cast[actor].is_done = true;
            if state.cast[actor].role == Role::Watcher && !state.is_ending {
                let host = state.cast[actor].host;
                state.hosts[host].disk.process_died();
                let again = state.now + state.dice.within(1, 5) * SECOND;
                state.at(again, Item::Begin(actor));
            }
        }
        Turn::Killed => {
            state.cast[actor].is_done = state.cast[actor].role != Role::Watcher;
            let host = state.cast[actor].host;
            if state.cast[actor].role == Role::Watcher {
                state.hosts[host].open = None;
            }
        }
        Turn::Panicked(said) => state.fail(format!("panic: {said}")),
    }
    if lasts {
        state.cast[actor].actor = Some(life);
    }
    state.current = None;
}

/// Everybody is sent home; then the sender looks for the last time, with eyes that remember nothing.
fn end(world: &Arc<World>) {
    world.state().is_ending = true;
    let actors = world.state().cast.len();
    for actor in 0..actors {
        // Each gives its turn away a few times at most, since it is doomed.
        world.state().cast[actor].is_doomed = true;
        while world.state().cast[actor].actor.is_some() {
            let token = world.state().cast[actor].token;
            turn(world, actor, token);
        }
    }
    let mut state = world.state();
    if state.violation.is_some() {
        return;
    }
    if !state.oracle.rolled_back {
        state.judge_end();
    }
    state.current = None;
    state.is_quiet = true;
    for host in &mut state.hosts {
        host.client = Client::default();
    }
    let ids: Vec<_> = state
        .oracle
        .stories
        .iter()
        .filter(|(_, story)| story.file.is_some())
        .map(|(id, story)| (*id, story.digest))
        .collect();
    drop(state);
    let seat = Seat {
        world: Arc::clone(world),
        host: 0,
    };
    let sender = seat.sender();
    for (id, digest) in ids {
        let found = sender.find(&seat.lane(), id, Some(digest));
        let mut state = world.state();
        if let Ok(Whereabouts::Answered(found)) = found {
            state.believed(id, found.digest);
            if found.name != format!("{id}.result.json") && !state.oracle.rolled_back {
                state.fail(format!(
                    "one outcome: that of {id} is not under its public name"
                ));
            }
            state.note(|| format!("{id} ended: {}", found.answer.status));
            let word = found.answer.status.as_str();
            state.cover(word, String::new);
        } else if !state.oracle.rolled_back {
            state.fail(format!(
                "one outcome: none that can be believed for {id}: {found:?}"
            ));
        }
    }
    let mut state = world.state();
    for host in 0..state.hosts.len() {
        if let Err(error) = Journal::read(&state.hosts[host].disk.durable) {
            state.fail(format!("the journal at the end: {error}"));
        }
    }
}

impl State {
    /// Something happens by itself.
    fn does(&mut self, deed: Deed) {
        if self.is_quiet {
            return;
        }
        match deed {
            Deed::ServerRestarts => {
                self.cover("server restarts", String::new);
                self.down_until = self.now + self.dice.spread(100 * MS, 20 * SECOND);
                self.server.lose_unsynced();
                self.judge_bytes();
                if self.plan.export == Export::Async {
                    self.roll_back();
                }
            }
            Deed::ClockStep(host, seconds) => {
                self.cover("clock steps", || format!("host {host} by {seconds} s"));
                self.hosts[host].offset += seconds;
                self.hosts[host].stepped = Some(self.now);
            }
            Deed::ServerStep(seconds) => {
                self.cover("server clock steps", || format!("by {seconds} s"));
                self.server_offset += seconds;
            }
            Deed::PowerCut(host) => self.power_cut(host),
            Deed::Forget => {
                for host in &mut self.hosts {
                    host.client = Client::default();
                }
            }
        }
    }

    fn halts(&mut self, number: usize, kills: bool) {
        self.cover("killswitch", || format!("{number}, kills: {kills}"));
        let root = self.server.folder(&Place::Root);
        let text: &[u8] = if kills { b"kill: now\n" } else { b"" };
        let op = Op::Create(root, SWITCH.to_owned(), Arc::new(text.to_vec()));
        let _ = self.execute(&op);
    }

    fn resumes(&mut self) {
        let root = self.server.folder(&Place::Root);
        let _ = self.execute(&Op::Remove(root, SWITCH.to_owned()));
    }

    /// A stranger puts a copy of a sealed task into the lane, under a name of his own.
    fn copies(&mut self, errand: usize) {
        let Some(id) = self.ids[errand] else { return };
        let Some(file) = self.oracle.stories.get(&id).and_then(|story| story.file) else {
            return;
        };
        let bytes = Arc::clone(&self.server.files[file].bytes);
        let nonce = dispatch::id::Nonce::from_bits(self.dice.bits());
        let claim = format!("{id}.normal.g1.gpubox-{nonce}.json");
        let (stage, name) = match self.dice.within(0, 5) {
            0 => (Stage::Processing, claim),
            1 => (Stage::PendingAck, claim),
            2 => (Stage::Inbox, format!("{id}.high.g7.json")),
            4 | 5 => return self.squats(id),
            _ => (Stage::Inbox, format!("{id}.normal.g2.json")),
        };
        self.cover("copy of a task", || format!("{stage}/{name}"));
        let at = self.server.folder(&Place::Stage(self.lane.clone(), stage));
        let _ = self.execute(&Op::Create(at, name, bytes));
    }

    /// A stranger takes the name under which people will look for the outcome.
    fn squats(&mut self, id: dispatch::id::TaskId) {
        self.cover("squatter", || id.to_string());
        let done = self
            .server
            .folder(&Place::Stage(self.lane.clone(), Stage::Done));
        let bytes = Arc::new(b"not a result".to_vec());
        let op = Op::Create(done, format!("{id}.result.json"), bytes);
        if let Ok(Effect::Made(_, _, file)) = self.execute(&op) {
            let now = self.now;
            self.oracle.squatters.insert(file, now);
            // The name is used twice by that, against R1: what such a stranger costs is an outcome that can be found,
            // should the request that sets his file aside come again once the true one has its place.
            self.restless.insert((done, format!("{id}.result.json")));
        }
    }

    /// Nothing goes wrong any more; what is wrong is put right.
    fn calms(&mut self) {
        self.cover("quiet", String::new);
        self.is_quiet = true;
        for host in &mut self.hosts {
            host.offset = 0;
            // Whatever its last round left: the next one tells.
            host.open = None;
        }
        self.server_offset = 0;
        self.resumes();
        for actor in 0..self.cast.len() {
            let cast = &self.cast[actor];
            if cast.role == Role::Watcher && cast.actor.is_none() {
                let soon = self.now + SECOND;
                self.at(soon, Item::Begin(actor));
            }
        }
    }
}
