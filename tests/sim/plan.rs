//! What a seed means: the share, who does what and when, and what goes wrong how often. Each seed draws its own small
//! set of faults (Groce and others, "Swarm testing", 2012): where everything goes wrong, nothing gets far enough.

use dispatch::policy::Retry;

use crate::dice::Dice;
use crate::duel;
use crate::duel::Ambush;
use crate::waits;
use dispatch::document::Condition;

/// A millisecond, in the microseconds of the simulation.
pub const MS: u64 = 1_000;
/// A second.
pub const SECOND: u64 = 1_000 * MS;

/// What the server does with what it acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Export {
    /// It is on its disk.
    Sync,
    /// It may be forgotten until somebody syncs: a directory on the disk of the host itself.
    Local,
    /// It may be forgotten at any time (exports(5), `async`).
    Async,
}

/// What clients remember.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caches {
    /// NFSv3: the change attribute is a timestamp with coarse ticks, so a cached listing can be stale until the next
    /// change (measured on Linux 6.1: 34 of 40 folders).
    Ticks,
    /// NFSv4: the change attribute counts every change.
    Counted,
    /// No caches of names.
    Off,
}

/// How often something goes wrong: once in so many calls, never where 0.
#[derive(Debug, Clone, Default)]
pub struct Rates {
    pub refused: u64,
    pub lost_reply: u64,
    pub no_reply_cache: u64,
    pub late: u64,
    pub twice: u64,
    pub hang: u64,
    pub two_steps: u64,
    pub read_fails: u64,
    pub disk_fails: u64,
    pub runner_fails: u64,
    pub dies_before: u64,
    pub dies_after: u64,
    /// Of deaths, how many are of the whole host.
    pub host_share: u64,
    pub pause: u64,
}

/// A stretch of time in which something is wrong for one host, or for all.
#[derive(Debug, Clone)]
pub struct Spell {
    pub from: u64,
    pub to: u64,
    pub host: Option<usize>,
    pub what: Ill,
}

/// What is wrong in a spell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ill {
    /// Nothing can be created; renames work.
    Full(i32),
    /// No call comes through; it hangs until the end of the spell (a hard mount).
    Cut,
    /// No call comes through; it fails after a while, and may be executed later (a soft mount).
    SoftCut,
    /// Whatever is asked is refused.
    Refused(i32),
}

/// Something that happens by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    /// The server restarts; with rollback, where the export allows it.
    ServerRestarts,
    /// The wall clock of a host steps by so many seconds.
    ClockStep(usize, i64),
    /// The server's own clock steps.
    ServerStep(i64),
    /// A host loses power.
    PowerCut(usize),
    /// All that clients remember goes away.
    Forget,
}

/// One task and what its sender wants of it.
#[derive(Debug, Clone)]
pub struct Errand {
    pub at: u64,
    pub idempotent: bool,
    pub needs_ack: bool,
    pub cancel_after: Option<u64>,
    pub lives: u64,
    pub priority: u8,
    pub not_before: u64,
    /// Someone copies the sealed file into the lane again.
    pub copies: u8,
    /// All errands of the plan are the same piece of work.
    pub keyed: bool,
    /// It waits for another errand to end so.
    pub after: Option<(usize, Condition)>,
}

/// How nodes try again: so soon that much happens within a schedule.
pub fn retry() -> Retry {
    let seconds = std::time::Duration::from_secs;
    Retry {
        pause: seconds(2),
        pause_max: seconds(5),
        wait_max: seconds(60),
        mend: seconds(15),
    }
}

/// What executors do.
#[derive(Debug, Clone)]
pub struct Work {
    /// Longest time until one takes its run directory.
    pub takes: u64,
    /// Longest time an agent works.
    pub works: u64,
    /// One in so many never comes; one in so many vanishes; one in so many cannot be started.
    pub never: u64,
    pub vanishes: u64,
    pub broken: u64,
    pub fails: u64,
}

/// All that a seed decides before the first call.
#[derive(Debug, Clone)]
pub struct Plan {
    pub seed: u64,
    pub export: Export,
    pub caches: Caches,
    /// Length of a tick of the server's timestamps.
    pub tick: u64,
    /// How long a client believes that a name is absent, or where it led.
    pub names_kept: u64,
    pub rates: Rates,
    pub spells: Vec<Spell>,
    pub deeds: Vec<(u64, Deed)>,
    pub errands: Vec<Errand>,
    pub work: Work,
    /// When a killswitch is made, and for how long it stays.
    pub halts: Vec<(u64, u64, bool)>,
    /// One in so many decisions is a denial; 0: there is no approver.
    pub denies: u64,
    pub poll: u64,
    pub slots: u32,
    pub latency: u64,
    /// Nothing goes wrong after this.
    pub quiet_from: u64,
    /// The sender resolves a publication whose outcome it does not know.
    pub resolves: bool,
    /// Members of a pool, to which everything is sent; 0: to one node alone.
    pub members: usize,
    /// What lies in wait in a duel.
    pub ambushes: Vec<Ambush>,
}

impl Plan {
    /// Draws the plan of a seed.
    pub fn of(seed: u64) -> Self {
        if duel::is_one(seed) {
            return duel::of(seed);
        }
        let dice = &mut Dice::new(seed);
        let members = dice.one_of(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 2, 3]);
        let quiet_from = if members == 0 {
            dice.within(6, 25) * SECOND
        } else {
            dice.within(30, 240) * SECOND
        };
        let export = dice.one_of(&[
            Export::Sync,
            Export::Sync,
            Export::Sync,
            Export::Local,
            Export::Async,
        ]);
        let caches = match export {
            Export::Local => Caches::Off,
            _ => dice.one_of(&[Caches::Ticks, Caches::Ticks, Caches::Counted, Caches::Off]),
        };
        let mut errands: Vec<Errand> = (0..dice.one_of(&[1, 1, 1, 2, 2, 3]))
            .map(|_| errand(dice, quiet_from, members > 0))
            .collect();
        // The members of a pool do not know one another's keys.
        let keyed = members == 0 && seed % 4 == 1;
        errands.iter_mut().for_each(|errand| errand.keyed = keyed);
        waits::tie(seed, &mut errands);
        let often = dice.one_of(&[2, 3, 4, 8]);
        Self {
            seed,
            export,
            caches,
            tick: dice.one_of(&[1, 4, 4, 10, 1000]) * MS,
            names_kept: dice.one_of(&[1, 5, 30, 60]) * SECOND,
            rates: rates(dice, often, if members == 0 { 1 } else { 6 }),
            spells: spells(dice, often, quiet_from, members),
            deeds: deeds(dice, often, (quiet_from, members), export),
            errands,
            work: work(dice),
            halts: halts(dice, quiet_from),
            denies: dice.one_of(&[0, 3, 5, 5]),
            poll: if members == 0 {
                dice.one_of(&[200, 500, 1000, 1000, 2000]) * MS
            } else {
                dice.one_of(&[1000, 5000, 10_000]) * MS
            },
            slots: dice.one_of(&[1, 1, 2]),
            latency: dice.one_of(&[200, 2_000, 2_000, 20_000, 100_000]),
            quiet_from,
            resolves: dice.once_in(2),
            members,
            ambushes: Vec::new(),
        }
    }
}

fn errand(dice: &mut Dice, quiet_from: u64, is_pooled: bool) -> Errand {
    Errand {
        at: dice.within(0, quiet_from / 2),
        idempotent: dice.once_in(3),
        needs_ack: dice.once_in(4),
        cancel_after: dice.once_in(4).then(|| dice.spread(MS, 10 * SECOND)),
        lives: if dice.once_in(6) {
            dice.within(2, 40)
        } else {
            24 * 3600
        },
        priority: u8::try_from(dice.within(0, 2)).unwrap_or(1),
        not_before: if dice.once_in(8) {
            dice.within(1, 10)
        } else {
            0
        },
        // In a pool a stranger's copy may be claimed by another member, so that only a grant keeps it from running.
        copies: if dice.once_in(6) && !is_pooled { 2 } else { 0 },
        keyed: false,
        after: None,
    }
}

fn rates(dice: &mut Dice, often: u64, rarer: u64) -> Rates {
    let mut rate = |most: u64| {
        if dice.once_in(often) {
            dice.spread(rarer * most, rarer * 40 * most)
        } else {
            0
        }
    };
    Rates {
        refused: rate(8),
        lost_reply: rate(4),
        no_reply_cache: rate(4),
        late: rate(8),
        twice: rate(4),
        hang: rate(16),
        two_steps: rate(2),
        read_fails: rate(8),
        disk_fails: rate(64),
        runner_fails: rate(16),
        dies_before: rate(16),
        dies_after: rate(16),
        host_share: 3,
        pause: rate(32),
    }
}

fn spells(dice: &mut Dice, often: u64, quiet_from: u64, members: usize) -> Vec<Spell> {
    use nix::errno::Errno;
    let mut spells = Vec::new();
    while spells.len() < 3 && dice.once_in(often) {
        let from = dice.within(0, quiet_from);
        let most = if members == 0 { 30 } else { 200 } * SECOND;
        let to = (from + dice.spread(100 * MS, most)).min(quiet_from);
        let errno = |dice: &mut Dice, from: &[Errno]| dice.one_of(from) as i32;
        let what = match dice.within(0, 3) {
            0 => Ill::Full(errno(dice, &[Errno::ENOSPC, Errno::EDQUOT])),
            1 => Ill::Cut,
            2 => Ill::SoftCut,
            _ => Ill::Refused(errno(
                dice,
                &[
                    Errno::EACCES,
                    Errno::ESTALE,
                    Errno::EIO,
                    Errno::EROFS,
                    Errno::ENOTCONN,
                ],
            )),
        };
        let host = dice.once_in(2).then(|| a_host(dice, members));
        spells.push(Spell {
            from,
            to,
            host,
            what,
        });
    }
    spells
}

/// Any host: the sender's, or one that serves.
fn a_host(dice: &mut Dice, members: usize) -> usize {
    usize::try_from(dice.within(0, members.max(1) as u64)).unwrap_or(0)
}

fn deeds(
    dice: &mut Dice,
    often: u64,
    (quiet_from, members): (u64, usize),
    export: Export,
) -> Vec<(u64, Deed)> {
    let mut deeds = Vec::new();
    let at = |dice: &mut Dice| dice.within(0, quiet_from);
    if dice.once_in(if export == Export::Sync { often } else { 2 }) {
        deeds.push((at(dice), Deed::ServerRestarts));
    }
    while deeds.len() < 4 && dice.once_in(often + 1) {
        let size = i64::try_from(dice.spread(1, 4000)).unwrap_or(1);
        let step = if dice.once_in(2) { size } else { -size };
        let host = a_host(dice, members);
        let deed = match dice.within(0, 4) {
            0 | 1 => Deed::ClockStep(host, step),
            2 => Deed::ServerStep(step),
            3 => Deed::PowerCut(host),
            _ => Deed::Forget,
        };
        deeds.push((at(dice), deed));
    }
    deeds
}

fn work(dice: &mut Dice) -> Work {
    let mut sometimes = |most: u64| if dice.once_in(3) { most } else { 0 };
    let (never, vanishes, broken, fails) = (sometimes(3), sometimes(2), sometimes(4), sometimes(3));
    Work {
        takes: dice.one_of(&[1, 50, 50, 400, 1500]) * MS,
        works: dice.one_of(&[50, 1000, 5000, 20_000, 60_000]) * MS,
        never,
        vanishes,
        broken,
        fails,
    }
}

fn halts(dice: &mut Dice, quiet_from: u64) -> Vec<(u64, u64, bool)> {
    let count = if dice.once_in(3) {
        dice.within(1, 3)
    } else {
        0
    };
    let mut at = 0;
    (0..count)
        .map(|_| {
            at += dice.within(0, quiet_from / 2);
            let stays = dice.spread(MS, quiet_from);
            let halt = (at, stays, dice.once_in(4));
            at += stays;
            halt
        })
        .collect()
}
