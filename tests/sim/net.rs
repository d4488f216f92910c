//! What happens to a call on its way: nothing, or a reply is lost, or it is refused, or it comes late, or twice.

use nix::errno::Errno;

use crate::plan::Export;
use crate::plan::Ill;
use crate::plan::MS;
use crate::plan::SECOND;
use crate::server::Effect;
use crate::server::Op;
use crate::world::Item;
use crate::world::State;
use crate::world::World;

/// What becomes of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    Well,
    /// Not executed.
    Refused(Errno),
    /// Executed; the reply is lost and the client gives up.
    LostReply(Errno),
    /// Executed; the reply is lost, the client asks again, and the server has forgotten that it did it.
    AskedAgain,
    /// The client gives up; it is executed so much later.
    Late(Errno, u64),
    /// A copy of it is executed so much later.
    Twice(u64),
}

/// Errors with which servers and kernels refuse.
const REFUSALS: [Errno; 7] = [
    Errno::EIO,
    Errno::EACCES,
    Errno::ESTALE,
    Errno::ENOSPC,
    Errno::EDQUOT,
    Errno::EBUSY,
    Errno::ETIMEDOUT,
];

impl State {
    /// What is wrong for a host now.
    fn ill(&self, host: usize) -> Option<(Ill, u64)> {
        if self.is_quiet {
            return None;
        }
        let mut spells = self.plan.spells.iter();
        let now = spells.find(|spell| {
            spell.from <= self.now
                && self.now < spell.to
                && spell.host.is_none_or(|one| one == host)
        });
        now.map(|spell| (spell.what, spell.to))
    }

    fn fate(&mut self, op: &Op) -> Fate {
        if let Some(forced) = self.forced.take() {
            return forced;
        }
        let rates = self.plan.rates.clone();
        let delay = self.dice.spread(MS, 60 * SECOND);
        match self.ill(self.host()).map(|(ill, _)| ill) {
            Some(Ill::Full(errno)) if !matches!(op, Op::Rename(..) | Op::Remove(..)) => {
                return Fate::Refused(Errno::from_raw(errno));
            }
            Some(Ill::Refused(errno)) => return Fate::Refused(Errno::from_raw(errno)),
            Some(Ill::SoftCut) if self.dice.once_in(2) => return Fate::Late(Errno::EIO, delay),
            Some(Ill::SoftCut) => return Fate::Refused(Errno::EIO),
            _ => {}
        }
        if self.goes_wrong(rates.refused) {
            let errno = self.dice.one_of(&REFUSALS);
            // A rename needs no space.
            let full = matches!(errno, Errno::ENOSPC | Errno::EDQUOT);
            if full && matches!(op, Op::Rename(..) | Op::Remove(..)) {
                return Fate::Refused(Errno::EIO);
            }
            Fate::Refused(errno)
        } else if self.is_restless(op) {
            Fate::Well
        } else if self.goes_wrong(rates.lost_reply) {
            Fate::LostReply(self.dice.one_of(&[Errno::EIO, Errno::ETIMEDOUT]))
        } else if self.goes_wrong(rates.no_reply_cache) {
            Fate::AskedAgain
        } else if self.goes_wrong(rates.late) {
            Fate::Late(self.dice.one_of(&[Errno::EIO, Errno::ETIMEDOUT]), delay)
        } else if self.plan.export != Export::Sync && matches!(op, Op::Create(..)) {
            // A folder that could not be synced is a reason to rename once more.
            Fate::Well
        } else if self.goes_wrong(rates.twice) {
            Fate::Twice(delay)
        } else {
            Fate::Well
        }
    }

    /// Whether a copy of the request that made this name may still be on its way. Then the rename of it comes once and
    /// in time: a name whose creation and whose rename both come again, in this order and seconds later, is beyond any
    /// protocol over names (docs/TESTING.md, What is not simulated).
    pub fn is_restless(&self, op: &Op) -> bool {
        match op {
            Op::Rename(from, name, ..) => self.restless.contains(&(*from, name.clone())),
            _ => false,
        }
    }

    /// Executes a request at the server, and judges what it did.
    pub fn execute(&mut self, op: &Op) -> Result<Effect, Errno> {
        let done = self.server.execute(op, self.now);
        if let Ok(effect) = &done {
            self.judge(effect);
            if let Op::Write(_, name, ..) = op {
                self.beaten(name);
            }
        }
        done
    }

    fn own_change(&mut self, op: &Op) {
        let client = {
            let host = self.host();
            &mut self.hosts[host].client
        };
        match op {
            Op::Create(at, name, _) | Op::Remove(at, name) | Op::Write(at, name, ..) => {
                client.changed(*at, name);
            }
            Op::Rename(from, name, to, new) => {
                client.changed(*from, name);
                client.changed(*to, new);
            }
            Op::Fill(..) | Op::MakeFolder(_) => {}
        }
    }
}

impl World {
    /// Waits as long as a call of this moment takes, half of it before the server sees it.
    pub fn travel(&self) {
        let mut state = self.state();
        let latency = state.plan.latency;
        let mut time = state.dice.within(latency / 4, latency);
        let hang = state.plan.rates.hang;
        if state.goes_wrong(hang) {
            let more = state.dice.spread(100 * MS, 90 * SECOND);
            state.cover("call hangs", || format!("{more} us"));
            time += more;
        }
        let host = state.host();
        match state.ill(host) {
            Some((Ill::Cut, until)) => {
                state.cover("cut off", || "waits for the server".to_owned());
                time += until - state.now;
            }
            Some((Ill::SoftCut, _)) => time += state.dice.within(1, 5) * SECOND,
            _ => {}
        }
        time += state.down_until.saturating_sub(state.now);
        drop(state);
        self.pass(time);
    }

    /// One request that changes something: how it ends for the client, whatever it did.
    pub fn request(&self, op: Op) -> Result<Effect, Errno> {
        let fate = {
            let mut state = self.state();
            state.own_change(&op);
            let fate = state.fate(&op);
            if let Some(me) = state.current {
                state.cast[me].in_flight = Some(op.clone());
            }
            fate
        };
        self.travel();
        let mut state = self.state();
        if let Some(me) = state.current {
            state.cast[me].in_flight = None;
        }
        let ended = state.meets(&op, fate);
        state.own_change(&op);
        drop(state);
        self.called();
        ended
    }
}

impl State {
    fn meets(&mut self, op: &Op, fate: Fate) -> Result<Effect, Errno> {
        match fate {
            Fate::Well => self.execute(op),
            Fate::Refused(errno) => {
                self.cover("refused", || format!("{errno}"));
                Err(errno)
            }
            Fate::LostReply(errno) => {
                let done = self.execute(op);
                self.cover("reply lost", || format!("{errno}, in truth {done:?}"));
                Err(errno)
            }
            Fate::AskedAgain => {
                let first = self.execute(op);
                self.cover("asked again, no reply cache", || format!("{first:?}"));
                // An exclusive create carries a verifier by which the server knows its own (RFC 1813, 3.3.8).
                match op {
                    Op::Create(..) | Op::Fill(..) | Op::Write(..) => first,
                    _ => self.execute(op),
                }
            }
            Fate::Late(errno, delay) => {
                self.cover("executed late", || format!("in {} ms", delay / MS));
                let late = Self::without_bytes(op);
                self.at(self.now + delay, Item::Late(late));
                Err(errno)
            }
            Fate::Twice(delay) => {
                let done = self.execute(op);
                self.cover("executed twice", || format!("again in {} ms", delay / MS));
                let late = Self::without_bytes(op);
                if let Op::Create(at, name, _) = op {
                    self.restless.insert((*at, name.clone()));
                }
                self.at(self.now + delay, Item::Late(late));
                done
            }
        }
    }

    /// A create that comes late makes an empty file: whoever would write to it has gone on.
    pub fn without_bytes(op: &Op) -> Op {
        match op {
            Op::Create(at, name, _) => Op::Create(*at, name.clone(), std::sync::Arc::default()),
            other => other.clone(),
        }
    }

    /// A request comes that nobody waits for.
    pub fn comes_late(&mut self, op: &Op) {
        let done = self.execute(op);
        self.cover("late request", || format!("{op:?}: {done:?}"));
    }
}
