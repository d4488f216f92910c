//! How far this host's clock is from the file server's, and whether it is fit to judge documents by.
//!
//! A document is valid in a window of UTC, which forgives [`limits::SKEW`]. A node whose clock is further off would
//! refuse what is good and take what is over, for good; so it does nothing new until its clock is right. The server's
//! clock is the one thing that all nodes can see; where a peer's heartbeat shows that the peer agrees with this host,
//! it is the server that is wrong, and nothing stops. No two hosts are compared for anything else (R9).

use super::Node;
use super::beat;
use crate::clock::BootTime;
use crate::clock::Timestamp;
use crate::document::Context;
use crate::document::Kind;
use crate::document::Rules;
use crate::envelope::Envelope;
use crate::event::Event;
use crate::event::Word;
use crate::id::NodeName;
use crate::id::Party;
use crate::limits;
use crate::place::Place;

/// What is known of the clocks.
#[derive(Debug, Default)]
pub(crate) struct Skew {
    /// When they were last compared.
    compared: Option<BootTime>,
    /// Seconds by which this host is ahead of the server.
    ahead_s: Option<i64>,
    /// Whether that is more than is forgiven, and no peer agrees with this host.
    is_off: bool,
    /// The clocks of this host when it last looked at both.
    base: Option<(Timestamp, BootTime)>,
}

impl Skew {
    /// Has them compared at the next chance. What was found stays in force until then.
    pub(crate) fn forget(&mut self) {
        self.compared = None;
    }

    /// By how many seconds the clock is ahead, where that is too much to start anything.
    pub(crate) fn stops(&self) -> Option<i64> {
        self.ahead_s.filter(|_| self.is_off)
    }

    /// Whether the server's clock says that this one is right.
    pub(crate) fn vouches(&self) -> bool {
        self.ahead_s
            .is_some_and(|ahead| ahead.unsigned_abs() <= limits::SKEW.as_secs())
    }

    /// The difference without a sign, as heartbeats tell it, in milliseconds.
    pub(crate) fn told_ms(&self) -> u64 {
        self.ahead_s.map_or(0, i64::unsigned_abs) * 1000
    }

    /// Whether the wall clock stepped since the last look.
    fn has_stepped(&mut self, wall: Timestamp, boot: BootTime) -> bool {
        let base = self.base.replace((wall, boot));
        base.is_some_and(|(wall_then, boot_then)| {
            let passed = i64::try_from(boot.since(boot_then).as_secs()).unwrap_or(i64::MAX);
            let told = wall.unix().saturating_sub(wall_then.unix());
            told.abs_diff(passed) >= limits::CLOCK_STEP.as_secs()
        })
    }

    fn is_due(&self, now: BootTime) -> bool {
        let is_doubtful = self
            .ahead_s
            .is_none_or(|ahead| ahead.unsigned_abs() > limits::SKEW_TOLD.as_secs());
        let pause = if is_doubtful {
            limits::SLOW_LOOK
        } else {
            limits::SKEW_LOOK
        };
        self.compared.is_none_or(|last| now.since(last) >= pause)
    }
}

/// Compares the clocks where it is time: at the beginning, hourly, when the share is back, when the wall clock steps,
/// and once a minute while they differ.
pub(super) fn pass(node: &mut Node) {
    let (wall, boot) = (node.clock.wall(), node.clock.boot());
    let has_stepped = node.now.skew.has_stepped(wall, boot);
    if !has_stepped && !node.now.skew.is_due(boot) {
        return;
    }
    node.now.skew.compared = Some(boot);
    if has_stepped {
        // Whatever was found before says nothing of the clock as it is now; it goes on to stop what it stopped.
        node.now.skew.ahead_s = node.now.skew.stops();
    }
    let lanes = node.lanes();
    let server = lanes
        .iter()
        .find_map(|lane| node.transport.server_time(lane).ok());
    let Some(server) = server else {
        return;
    };
    let ahead = ahead_of(node.clock.wall(), server);
    let is_far = |seconds: i64| seconds.unsigned_abs() > limits::SKEW.as_secs();
    let is_off = is_far(ahead) && !peers_ahead(node).any(|peer| !is_far(peer - ahead));
    let skew = &mut node.now.skew;
    (skew.ahead_s, skew.is_off) = (Some(ahead), is_off);
    if ahead.unsigned_abs() <= limits::SKEW_TOLD.as_secs() {
        node.is_over("skew", "");
        return;
    }
    let way = if ahead > 0 { "ahead of" } else { "behind" };
    let most = limits::SKEW.as_secs();
    let text = format!(
        "this clock is {} s {way} the file server's; documents that differ by more than {most} s are refused",
        ahead.unsigned_abs()
    );
    node.tell_once("skew", way, &Event::of(Word::ClockSkew).say(&text));
}

fn ahead_of(wall: Timestamp, server: Timestamp) -> i64 {
    wall.unix().saturating_sub(server.unix())
}

/// How far the clocks of peers were ahead of the server's when each last wrote its heartbeat.
fn peers_ahead(node: &Node) -> impl Iterator<Item = i64> {
    let peers = node.settings.peers.keys();
    peers.filter_map(|peer| {
        let name = beat::file(peer, &node.settings.node);
        let most = limits::CONTROL_BYTES_MAX;
        let bytes = node.transport.read(&Place::Heartbeats, &name, most).ok()?;
        let created = created(node, peer, bytes)?;
        let stamped = node
            .transport
            .attributes(&Place::Heartbeats, &name)
            .ok()?
            .changed;
        Some(ahead_of(created, stamped))
    })
}

/// When a heartbeat was written, by the clock of its node.
fn created(node: &Node, peer: &NodeName, bytes: Vec<u8>) -> Option<Timestamp> {
    let context = Context {
        from: Party::from(peer),
        to: node.party(),
        kind: Kind::Heartbeat,
    };
    let verified = Envelope::read(bytes).verify(&node.keys, &context, node.clock.wall());
    let heartbeat = verified.ok()?.heartbeat(&Rules::recorded()).ok()?;
    Some(heartbeat.created)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_step_of_the_wall_clock_is_noticed_and_time_that_passes_is_not() {
        let at = |wall: i64, boot: u64| (Timestamp::from_unix(wall), BootTime(boot * 1000));
        let mut skew = Skew::default();
        let mut look = |(wall, boot)| skew.has_stepped(wall, boot);
        assert!(!look(at(1000, 10)), "the first look");
        assert!(!look(at(1060, 70)));
        assert!(!look(at(1064, 70)), "a slow correction");
        assert!(look(at(1164, 70)), "set ahead");
        assert!(look(at(1000, 71)), "set back");
        assert!(!look(at(4600, 3671)), "an hour");
    }

    #[test]
    fn it_is_compared_hourly_and_more_often_while_it_differs() {
        let mut skew = Skew::default();
        let now = BootTime(1_000_000);
        assert!(skew.is_due(now), "never compared");
        (skew.compared, skew.ahead_s) = (Some(now), Some(2));
        assert!(!skew.is_due(now.plus(Duration::from_secs(3599))));
        assert!(skew.is_due(now.plus(Duration::from_secs(3600))));
        skew.ahead_s = Some(-31);
        assert!(!skew.is_due(now.plus(Duration::from_secs(59))));
        assert!(skew.is_due(now.plus(Duration::from_secs(60))));
        assert_eq!((skew.told_ms(), skew.stops()), (31_000, None));
    }
}
