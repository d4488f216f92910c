//! Listings that are true in the end, where a client may hide a change for ever (`docs/QUEUE.md`, Fresh listings).
//!
//! A client keeps a listing together with the time of the folder's last change. A second change within the same tick of
//! the server's clock leaves that time as it is, and what it brought stays hidden until a third. So a listing that
//! showed something new is not believed for long: a moment later, when no further change can share that tick, this
//! node changes the folder itself, by a scratch name that it makes and removes, and the next listing is read from
//! the server. Where this node moved something out of the folder after it was listed, that was such a change. Nothing
//! depends on whether the scratch name could be made; a crash leaves one, which everybody ignores and gc removes.

use std::collections::BTreeMap;
use std::hash::DefaultHasher;
use std::hash::Hash as _;
use std::hash::Hasher as _;

use super::Node;
use crate::chance::Chance;
use crate::clock::BootTime;
use crate::entry;
use crate::limits;
use crate::place::Place;
use crate::share::Cache;
use crate::share::Listed;
use crate::transport::Transport;

/// What is remembered of one folder that is listened to.
#[derive(Debug, Clone, Copy)]
struct Sight {
    /// A sum over its names: the same names, the same sum, in whatever order.
    print: u64,
    /// When it is to be stirred, because the last change that was seen may hide another.
    settle: Option<BootTime>,
    /// When this node last changed it itself.
    stirred: BootTime,
}

/// What somebody who listens to folders remembers of them.
#[derive(Debug, Default)]
pub struct Fresh {
    cache: Cache,
    seen: BTreeMap<Place, Sight>,
}

impl Fresh {
    /// Begins to listen through this cache.
    #[must_use]
    pub const fn through(cache: Cache) -> Self {
        Self {
            cache,
            seen: BTreeMap::new(),
        }
    }

    /// Notes a listing that was just made. Returns whether it holds other names than the one before.
    pub fn saw(&mut self, at: &Place, listing: &[Listed], now: BootTime) -> bool {
        let names = listing
            .iter()
            .filter(|entry| !entry::is_scratch(&entry.name));
        let print = names.fold(0_u64, |sum, entry| sum.wrapping_add(print_of(&entry.name)));
        let is_stamped = self.cache == Cache::Stamped;
        let settle = |sight: &mut Sight| {
            sight.settle = is_stamped.then(|| now.plus(limits::TICK_MAX));
        };
        let Some(sight) = self.seen.get_mut(at) else {
            let mut sight = Sight {
                print,
                settle: None,
                stirred: now,
            };
            settle(&mut sight);
            self.seen.insert(at.clone(), sight);
            return false;
        };
        let is_new = sight.print != print;
        if is_new {
            sight.print = print;
            settle(sight);
        }
        is_new
    }

    /// Notes that this node moved an entry out of a folder after listing it: the next listing is true.
    pub fn took(&mut self, at: &Place, name: &str, now: BootTime) {
        if let Some(sight) = self.seen.get_mut(at) {
            sight.print = sight.print.wrapping_sub(print_of(name));
            sight.settle = None;
            sight.stirred = now;
        }
    }

    /// Returns the folders to be stirred now, and takes them for stirred: those whose last change may hide another, and
    /// all of them now and then, sooner where there is work.
    pub fn due(&mut self, now: BootTime, is_busy: bool) -> Vec<Place> {
        if self.cache == Cache::None {
            return Vec::new();
        }
        let net = if is_busy {
            limits::STIR_BUSY
        } else {
            limits::STIR_IDLE
        };
        let mut due = Vec::new();
        for (at, sight) in &mut self.seen {
            let is_settled = sight.settle.is_some_and(|when| when <= now);
            if is_settled || now.since(sight.stirred) >= net {
                sight.settle = None;
                sight.stirred = now;
                due.push(at.clone());
            }
        }
        due
    }

    /// Forgets a folder that is not listened to for the time being.
    pub fn leave(&mut self, at: &Place) {
        self.seen.remove(at);
    }
}

fn print_of(name: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    hasher.finish()
}

/// Changes a folder by a name that comes and goes. That it cannot be made where this node may only read is no fault;
/// what cannot be removed is ignored by everybody.
pub fn stir(transport: &dyn Transport, chance: &dyn Chance, at: &Place) {
    let name = entry::scratch(chance.nonce());
    // Also after an error it may be there.
    let _ = transport.found(at, &name, b"");
    let _ = transport.remove(at, &name);
}

/// Changes a folder before a look on which a start rests, where a client may take a listing for new that is not (R5).
pub(super) fn stir_stamped(node: &Node, at: &Place) {
    if node.now.fresh.cache == Cache::Stamped {
        stir(&*node.transport, &*node.chance, at);
    }
}

impl Node {
    /// Says through what this node sees the share; a disk of its own, where nobody does.
    pub fn see_through(&mut self, cache: Cache) {
        self.now.fresh = Fresh::through(cache);
    }

    /// Notes a listing of a folder that is listened to.
    pub(super) fn saw(&mut self, at: &Place, listing: &[Listed]) {
        let now = self.clock.boot();
        self.now.news |= self.now.fresh.saw(at, listing, now);
    }
}

/// Stirs what is due, after all looks of a round, so that the next round reads it anew.
pub(super) fn pass(node: &mut Node, is_busy: bool) {
    let now = node.clock.boot();
    for at in node.now.fresh.due(now, is_busy) {
        stir(&*node.transport, &*node.chance, &at);
    }
}
