//! Whether the node of a sender shows a sign of life: it must grant the start of what is not idempotent. A hint that
//! saves useless claims, and nothing else rests on it.

use super::Node;
use crate::clock::BootTime;
use crate::document::Context;
use crate::document::Kind;
use crate::document::Rules;
use crate::envelope::Envelope;
use crate::flow::beat;
use crate::id::NodeName;
use crate::id::Party;
use crate::limits;
use crate::place::Place;

/// What was last seen of a sender's node.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sign {
    /// When its heartbeat was last read.
    looked: BootTime,
    /// The number of its last beat.
    seq: Option<u64>,
    /// When that number was seen to change.
    alive: Option<BootTime>,
}

/// Whether the node of a sender is alive, as far as its heartbeat tells. It is read again after a while.
pub(super) fn is_alive(node: &mut Node, from: &NodeName) -> bool {
    let now = node.clock.boot();
    let before = node.now.pool.senders.get(from).copied();
    let sign = match before {
        Some(sign) if now.since(sign.looked) < limits::BEAT_BUSY => sign,
        before => {
            let sign = look(node, from, before, now);
            node.now.pool.senders.insert(from.clone(), sign);
            sign
        }
    };
    sign.alive
        .is_some_and(|alive| now.since(alive) < limits::SILENT_AFTER)
}

fn look(node: &Node, from: &NodeName, before: Option<Sign>, now: BootTime) -> Sign {
    let seen = read(node, from);
    let (seq, fresh) = (
        seen.map(|(seq, _)| seq),
        seen.is_some_and(|(_, fresh)| fresh),
    );
    let alive = match before {
        Some(before) if before.seq == seq || seq.is_none() => before.alive,
        Some(_) => Some(now),
        // The first look knows nothing of change; its own word of when it was written is as good a hint.
        None => fresh.then_some(now),
    };
    Sign {
        looked: now,
        seq: seq.or(before.and_then(|before| before.seq)),
        alive,
    }
}

/// The number of its heartbeat for this node, and whether it says that it is of now.
fn read(node: &Node, from: &NodeName) -> Option<(u64, bool)> {
    let context = Context {
        from: Party::from(from),
        to: node.party(),
        kind: Kind::Heartbeat,
    };
    let name = beat::file(from, &node.settings.node);
    let place = Place::Heartbeats;
    let bytes = node
        .transport
        .read(&place, &name, limits::CONTROL_BYTES_MAX)
        .ok()?;
    let now = node.clock.wall();
    let verified = Envelope::read(bytes)
        .verify(&node.keys, &context, now)
        .ok()?;
    let card = verified.heartbeat(&Rules::recorded()).ok()?;
    let fresh = now.since(card.created) < limits::SILENT_AFTER + limits::SKEW;
    Some((card.seq, fresh))
}
