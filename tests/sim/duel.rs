//! Duels: schedules of a pool in which one member is held up, or dies, at the very step of a claim on which the order
//! of two members turns, while another takes that claim over. Chance alone brings a takeover and a start together too
//! seldom. Every thirty-second seed is one.

use dispatch::stage::Stage;
use nix::errno::Errno;

use crate::dice::Dice;
use crate::net::Fate;
use crate::oracle::stage_of;
use crate::plan::Caches;
use crate::plan::Deed;
use crate::plan::Errand;
use crate::plan::Export;
use crate::plan::MS;
use crate::plan::Plan;
use crate::plan::Rates;
use crate::plan::SECOND;
use crate::plan::Work;
use crate::server::Op;
use crate::turns;
use crate::world::Item;
use crate::world::State;
use crate::world::World;

/// One seed in so many is a duel.
pub const EVERY: u64 = 32;
const FIRST: u64 = 6;

/// A step of a member with a claim of a pool, or of the sender's node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The lease of a claim to come is made.
    Lease,
    /// The claim: out of `inbox/`.
    Claim,
    /// The word of the sender's node is published.
    Grant,
    /// The marker of a start is made.
    Mark,
    /// An executor is started.
    Start,
    /// A claim that nobody beats is taken.
    Take,
    /// A claim goes back to `inbox/`.
    Return,
    /// What was taken becomes an own claim.
    Adopt,
    /// The task file goes to `done/` or `rejected/`.
    Commit,
    /// A lease is rewritten.
    Beat,
}

/// What comes over whoever takes that step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// Its host stands still, with every clock of it and what runs there, as a virtual machine that is moved.
    Freezes,
    /// Its process does.
    Pauses,
    /// Its process dies, and is started again so much later.
    Dies,
    /// Its request is given up, and executed so much later.
    Late,
}

/// Something that lies in wait for a step.
#[derive(Debug, Clone)]
pub struct Ambush {
    pub step: Step,
    /// Whether it comes after the step was executed.
    pub is_after: bool,
    pub how: How,
    pub lasts: u64,
    /// So many such steps are let by.
    pub lets_by: u32,
    /// What happens elsewhere so much later.
    pub meanwhile: Option<(u64, Deed)>,
}

/// Whether a seed means a duel. No seed of the corpus from before there were any does.
pub const fn is_one(seed: u64) -> bool {
    seed % EVERY == FIRST
}

/// The seed of a duel by its number.
pub const fn number(number: u64) -> u64 {
    number.wrapping_mul(EVERY).wrapping_add(FIRST)
}

/// Draws the duel of a seed.
pub fn of(seed: u64) -> Plan {
    let dice = &mut Dice::new(seed);
    let members = dice.one_of(&[2, 2, 3]);
    let rare = |dice: &mut Dice| {
        if dice.once_in(8) {
            dice.spread(100, 1000)
        } else {
            0
        }
    };
    let rates = Rates {
        lost_reply: rare(dice),
        late: rare(dice),
        read_fails: rare(dice),
        host_share: 3,
        ..Rates::default()
    };
    Plan {
        seed,
        export: Export::Sync,
        caches: dice.one_of(&[Caches::Ticks, Caches::Ticks, Caches::Counted, Caches::Off]),
        tick: dice.one_of(&[1, 4, 4, 10, 1000]) * MS,
        names_kept: dice.one_of(&[1, 5, 30, 60]) * SECOND,
        rates,
        spells: Vec::new(),
        deeds: Vec::new(),
        errands: vec![errand(dice)],
        work: Work {
            takes: 50 * MS,
            works: dice.one_of(&[1, 20, 200]) * SECOND,
            never: 0,
            vanishes: dice.one_of(&[0, 0, 2]),
            broken: 0,
            fails: 3,
        },
        halts: Vec::new(),
        denies: 0,
        poll: dice.one_of(&[2, 10]) * SECOND,
        slots: 1,
        latency: dice.one_of(&[2_000, 20_000, 100_000]),
        quiet_from: 900 * SECOND,
        resolves: true,
        members,
        ambushes: ambushes(dice, members),
    }
}

fn errand(dice: &mut Dice) -> Errand {
    Errand {
        keyed: false,
        at: dice.within(0, 3) * SECOND,
        idempotent: dice.once_in(2),
        needs_ack: false,
        cancel_after: None,
        lives: 24 * 3600,
        priority: 1,
        not_before: 0,
        copies: 0,
        after: None,
    }
}

/// One for the member that claims first, most often one for whoever takes that claim over, and some more.
fn ambushes(dice: &mut Dice, members: usize) -> Vec<Ambush> {
    use Step::Adopt;
    use Step::Beat;
    use Step::Claim;
    use Step::Commit;
    use Step::Grant;
    use Step::Lease;
    use Step::Mark;
    use Step::Return;
    use Step::Start;
    use Step::Take;
    const OWNERS: &[Step] = &[
        Mark, Mark, Mark, Mark, Start, Start, Start, Beat, Claim, Commit, Lease,
    ];
    const TAKERS: &[Step] = &[Take, Take, Take, Return, Adopt];
    const ANY: &[Step] = &[Lease, Claim, Grant, Mark, Start, Take, Return, Commit, Beat];
    let mut all = match dice.within(0, 2) {
        // An owner on its way to its marker meets whoever is about to take the claim.
        0 => vec![
            held(dice, (Mark, false, How::Freezes), (150, 400)),
            held(dice, (Take, false, How::Pauses), (0, 60)),
        ],
        // What may have been started is taken, and left by whoever took it.
        1 => vec![
            held(dice, (Mark, true, How::Dies), (150, 400)),
            held(dice, (Take, true, How::Dies), (130, 400)),
        ],
        _ => vec![ambush(dice, OWNERS, members), ambush(dice, TAKERS, members)],
    };
    if dice.once_in(3) {
        all.push(ambush(dice, ANY, members));
    }
    all
}

/// One that is sure, for so many seconds.
fn held(
    dice: &mut Dice,
    (step, is_after, how): (Step, bool, How),
    (least, most): (u64, u64),
) -> Ambush {
    Ambush {
        step,
        is_after,
        how,
        lasts: dice.within(least * SECOND + MS, most * SECOND),
        lets_by: 0,
        meanwhile: None,
    }
}

fn ambush(dice: &mut Dice, steps: &[Step], members: usize) -> Ambush {
    let how = dice.one_of(&[
        How::Freezes,
        How::Freezes,
        How::Freezes,
        How::Pauses,
        How::Dies,
        How::Late,
    ]);
    let longest = dice.one_of(&[10, 100, 200, 400, 400]);
    let host = usize::try_from(dice.within(1, members as u64)).unwrap_or(1);
    let step = Deed::ClockStep(host, i64::try_from(dice.within(100, 1000)).unwrap_or(100));
    Ambush {
        step: dice.one_of(steps),
        is_after: how != How::Late && dice.once_in(2),
        how,
        lasts: dice.within(MS, longest * SECOND),
        lets_by: u32::from(dice.once_in(4)),
        meanwhile: dice.once_in(4).then(|| (dice.within(1, 60) * SECOND, step)),
    }
}

impl State {
    /// Which step a request is, where anything lies in wait.
    pub fn step_of(&self, op: &Op) -> Option<Step> {
        if self.plan.ambushes.is_empty() {
            return None;
        }
        match op {
            Op::Create(_, name, _) if name.ends_with(".lease") => Some(Step::Lease),
            Op::Create(_, name, _) if name.ends_with(".start") => Some(Step::Mark),
            Op::Write(_, name, ..) if name.ends_with(".lease") => Some(Step::Beat),
            Op::Rename(from, name, to, new) => self.step_of_move((*from, name), (*to, new)),
            _ => None,
        }
    }

    fn step_of_move(&self, from: (usize, &str), to: (usize, &str)) -> Option<Step> {
        let stage = |at: usize| stage_of(&self.server.dirs[at].place);
        let is_taken = |name: &str| {
            dispatch::entry::ClaimName::parse(name).is_some_and(|claim| claim.taken.is_some())
        };
        let is_task = !to.1.ends_with(".result.json") && !to.1.ends_with(".log");
        match (stage(from.0)?, stage(to.0)?) {
            (Stage::Inbox, Stage::Processing) => Some(Step::Claim),
            (Stage::Processing, Stage::Inbox) => Some(Step::Return),
            (_, Stage::Processing) if is_taken(to.1) => Some(Step::Take),
            (Stage::Processing, Stage::Processing) if is_taken(from.1) => Some(Step::Adopt),
            (Stage::Processing, Stage::Done | Stage::Rejected) if is_task => Some(Step::Commit),
            (Stage::Tmp, Stage::Control) if to.1.contains(".grant.") => Some(Step::Grant),
            _ => None,
        }
    }

    /// A host stands still for so long.
    fn freeze(&mut self, host: usize, time: u64) {
        self.hosts[host].still_until = self.now + time;
        self.hosts[host].stood_still += time;
    }

    /// Hosts that stand still go on within so long: just while another is about to take what they hold.
    fn free_others(&mut self, own: usize, within: u64) {
        for host in 0..self.hosts.len() {
            let goes_on = self.now + self.dice.within(MS, within.max(MS));
            let early = self.hosts[host].still_until.saturating_sub(goes_on);
            if host == own || early == 0 {
                continue;
            }
            self.hosts[host].still_until = goes_on;
            self.hosts[host].stood_still -= early;
            for actor in 0..self.cast.len() {
                if self.cast[actor].host == host && self.cast[actor].actor.is_some() {
                    self.wake(actor, goes_on);
                }
            }
        }
    }

    /// Whether an item is of a host that stands still; then it comes when the host goes on.
    pub fn waits_for_host(&mut self, item: &Item) -> bool {
        let host = match item {
            Item::Turn(actor, token) if self.cast[*actor].token == *token => self.cast[*actor].host,
            Item::Begin(actor) => self.cast[*actor].host,
            Item::Lease(host, _) | Item::Take(host, _) | Item::End(host, _) => *host,
            _ => return false,
        };
        let until = self.hosts[host].still_until;
        let waits = until > self.now;
        if waits {
            self.at(until, item.clone());
        }
        waits
    }

    /// Whether whoever was held up has had time to go on.
    pub fn is_over(&self) -> bool {
        self.now >= self.held_until + 60 * SECOND
    }
}

impl World {
    /// What lies in wait for this step comes over whoever takes it.
    pub fn ambush(&self, step: Option<Step>, is_after: bool) {
        let Some(step) = step else { return };
        let mut state = self.state();
        let (Some(me), false) = (state.current, state.is_quiet) else {
            return;
        };
        let mut ambushes = state.plan.ambushes.iter_mut().enumerate();
        let found = ambushes.find(|(_, one)| one.step == step && one.is_after == is_after);
        let Some((number, found)) = found else { return };
        if found.lets_by > 0 {
            found.lets_by -= 1;
            return;
        }
        let it = state.plan.ambushes.remove(number);
        let host = state.cast[me].host;
        state.held_until = state.held_until.max(state.now + it.lasts);
        if let Some((later, deed)) = it.meanwhile {
            let at = state.now + later;
            state.at(at, Item::Deed(deed));
        }
        if step == Step::Take && !is_after {
            state.free_others(host, it.lasts);
        }
        let line = || format!("{step:?} for {} ms", it.lasts / MS);
        match it.how {
            How::Freezes => {
                state.cover("host stands still", line);
                state.freeze(host, it.lasts);
            }
            How::Pauses => state.cover("held up at a step", line),
            How::Dies => {
                state.cover("death at a step", line);
                state.hosts[host].disk.process_died();
                state.bury_for(me, it.lasts);
                drop(state);
                turns::die();
            }
            How::Late => {
                state.cover("late at a step", line);
                state.forced = Some(Fate::Late(Errno::ETIMEDOUT, it.lasts));
                return;
            }
        }
        drop(state);
        self.pass(it.lasts);
    }
}
