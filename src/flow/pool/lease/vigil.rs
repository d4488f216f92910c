//! Beats beside the rounds: a round that takes long (a large upload, a call that hangs) must not let the claims of a
//! node that is well run out.
//!
//! A round leaves here what it holds; whoever keeps the vigil beats what the rounds are late with, over a share handle
//! of his own, and the next round takes up what came of it. It prolongs only what is still good, only while the file of
//! the claim is seen where it belongs, and only for a while: a node whose rounds never come back lets its claims go.
//! All of it is in memory.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use super::Held;
use super::Node;
use super::processing;
use super::starts;
use super::text;
use super::written;
use crate::attempt::Runner;
use crate::clock::BootTime;
use crate::clock::Clock;
use crate::document::Lease;
use crate::flow::root;
use crate::id::TaskId;
use crate::keyring::Keyring;
use crate::limits;
use crate::place::Place;
use crate::stage::Stage;
use crate::transport::Transport;

/// What the rounds leave to whoever keeps the vigil.
#[derive(Debug, Default)]
pub struct Vigil(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    charges: BTreeMap<TaskId, Charge>,
    keys: Keyring,
    /// The share that was proved.
    identity: Option<String>,
    /// When a round last came by.
    seen: BootTime,
}

/// A claim to be beaten.
#[derive(Debug, Clone)]
struct Charge {
    held: Held,
    lease: Lease,
    /// The run directory of its attempt, where one runs.
    run: Option<String>,
}

impl Charge {
    /// Whether the rounds are late with it, and it is still good.
    fn is_late(&self, now: BootTime) -> bool {
        let late = limits::LEASE_BEAT + limits::LEASE_BEAT / 2;
        let is_good = self.held.until.is_some_and(|until| now < until);
        is_good
            && self
                .held
                .tried
                .is_some_and(|tried| now.since(tried) >= late)
    }
}

impl Vigil {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns whether there is anything to beat now.
    #[must_use]
    pub fn is_wanted(&self, now: BootTime) -> bool {
        let state = self.state();
        let waits = now.since(state.seen) < limits::VIGIL_MAX;
        waits && state.charges.values().any(|charge| charge.is_late(now))
    }

    /// Beats what the rounds are late with. Returns how many beats succeeded. The transport must be one that nobody
    /// else waits for, and that holds no descriptor from before: a lease may have been made anew.
    pub fn keep(&self, transport: &dyn Transport, clock: &dyn Clock, runner: &dyn Runner) -> usize {
        let now = clock.boot();
        if !self.is_wanted(now) {
            return 0;
        }
        let (late, keys, identity) = {
            let mut state = self.state();
            let late: Vec<TaskId> = state
                .charges
                .iter()
                .filter(|(_, charge)| charge.is_late(now))
                .map(|(id, _)| *id)
                .collect();
            for id in &late {
                if let Some(charge) = state.charges.get_mut(id) {
                    charge.held.tried = Some(now);
                }
            }
            (late, state.keys.clone(), state.identity.clone())
        };
        // What is mounted there now need not be what was proved.
        let found = root::identity(transport).ok().map(|found| found.uuid);
        if found.is_none() || found != identity {
            return 0;
        }
        let mut beaten = 0;
        for id in late {
            beaten += usize::from(self.beat(id, &keys, transport, clock, runner).is_some());
        }
        beaten
    }

    fn beat(
        &self,
        id: TaskId,
        keys: &Keyring,
        transport: &dyn Transport,
        clock: &dyn Clock,
        runner: &dyn Runner,
    ) -> Option<()> {
        let charge = self.state().charges.get(&id)?.clone();
        let (lane, claim) = (&charge.held.lane, &charge.held.claim);
        let here = processing(lane);
        let parked = Place::Stage(lane.clone(), Stage::PendingAck);
        let file = claim.to_string();
        if !transport.holds(&here, &file).ok()? && !transport.holds(&parked, &file).ok()? {
            // Whether it is lost is for a round to find out, after a change of its own.
            return None;
        }
        let began = clock.boot();
        let seq = charge.held.seq? + 1;
        let sealed = written(keys, charge.lease.clone(), seq, clock.wall()).ok()?;
        transport.beat(&here, &claim.lease(), &sealed).ok()?;
        let until = began.plus(limits::LEASE_SELF);
        let mut state = self.state();
        // Given away meanwhile, or held under another claim: what was written is removed as a lease without a claim.
        let now = state
            .charges
            .get_mut(&id)
            .filter(|now| now.held.claim == *claim)?;
        now.held.seq = Some(seq);
        now.held.until = Some(until);
        now.held.tried = Some(began);
        let run = now.run.clone();
        drop(state);
        if let Some(run) = run {
            // Where that fails, the earlier deadline stands.
            runner.extend(&run, until).ok()?;
        }
        Some(())
    }
}

/// Takes up what was beaten since the last round.
pub(super) fn take_up(node: &mut Node) {
    let Some(vigil) = node.now.vigil.clone() else {
        return;
    };
    let state = vigil.state();
    for (id, held) in &mut node.now.pool.held {
        let Some(charge) = state.charges.get(id) else {
            continue;
        };
        let beaten = &charge.held;
        if beaten.claim == held.claim && beaten.seq > held.seq {
            held.seq = beaten.seq;
            held.until = held.until.max(beaten.until);
            held.tried = held.tried.max(beaten.tried);
        }
    }
}

/// Leaves what is held now.
pub(super) fn leave(node: &Node) {
    let Some(vigil) = &node.now.vigil else {
        return;
    };
    let charges = node.now.pool.held.iter().map(|(id, held)| {
        let known = node.journal.known(*id);
        let runs = known.filter(|_| node.now.running.contains_key(id));
        let charge = Charge {
            held: held.clone(),
            lease: text(
                &node.party(),
                node.journal.instance(),
                held,
                starts(node, held),
            ),
            run: runs.map(|known| known.claim.clone()),
        };
        (*id, charge)
    });
    let charges = charges.collect();
    *vigil.state() = State {
        charges,
        keys: node.keys.clone(),
        identity: node.now.view.identity.clone(),
        seen: node.clock.boot(),
    };
}

/// A claim is not held any more.
pub(super) fn forget(node: &Node, id: TaskId) {
    if let Some(vigil) = &node.now.vigil {
        vigil.state().charges.remove(&id);
    }
}
