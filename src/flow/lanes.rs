//! Which lanes a node has to do with, from its configuration: those it serves and those of the pools it asks.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use crate::id::Digest;
use crate::id::NodeName;
use crate::id::Party;
use crate::place::Lane;
use crate::policy::PeerPolicy;

/// Pools by name, with their members.
pub type Pools = BTreeMap<NodeName, BTreeSet<NodeName>>;

/// A lane in which a node asks a pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The lane.
    pub lane: Lane,
    /// The name of the pool.
    pub pool: NodeName,
    /// The members that may answer: peers of this node, never itself.
    pub members: BTreeSet<NodeName>,
    /// The word by which a member says that it serves this pool, with this list of members.
    pub mark: String,
}

/// Returns the words by which a member says in its heartbeats which pools it serves, each with the beginning of the
/// digest of its list of members: so a sender notices that two hosts mean different members.
#[must_use]
pub fn marks(node: &NodeName, pools: &Pools) -> Vec<String> {
    let mine = pools.iter().filter(|(_, members)| members.contains(node));
    mine.map(|(pool, members)| mark(pool, members)).collect()
}

/// Returns the word for one pool.
#[must_use]
pub fn mark(pool: &NodeName, members: &BTreeSet<NodeName>) -> String {
    let list: Vec<&str> = members.iter().map(NodeName::as_str).collect();
    let digest = Digest::of(list.join(" ").as_bytes());
    format!("{}={}", Party::of_pool(pool), digest.short())
}

/// Returns the lanes that `node` serves: its own, one for each peer; and of each pool that it is a member of, one for
/// each peer whose tasks it accepts. The task of a peer that may ask nothing is left to members that know better.
#[must_use]
pub fn served(node: &NodeName, peers: &BTreeMap<NodeName, PeerPolicy>, pools: &Pools) -> Vec<Lane> {
    let me = Party::from(node);
    let peers = || peers.iter().filter(|(peer, _)| *peer != node);
    let own = peers().map(|(peer, _)| Lane::new(peer.clone(), me.clone()));
    let mine = pools.iter().filter(|(_, members)| members.contains(node));
    let pooled = mine.flat_map(|(pool, _)| {
        let accepted = peers().filter(|(_, policy)| policy.accept);
        accepted.map(|(peer, _)| Lane::new(peer.clone(), Party::of_pool(pool)))
    });
    own.chain(pooled).collect()
}

/// Returns the lanes in which `node` asks pools. A pool of which it knows no member but itself answers nothing.
#[must_use]
pub fn asked(node: &NodeName, peers: &BTreeMap<NodeName, PeerPolicy>, pools: &Pools) -> Vec<Asked> {
    let asked = pools.iter().map(|(pool, members)| Asked {
        lane: Lane::new(node.clone(), Party::of_pool(pool)),
        pool: pool.clone(),
        mark: mark(pool, members),
        members: members
            .iter()
            .filter(|member| *member != node && peers.contains_key(*member))
            .cloned()
            .collect(),
    });
    asked.filter(|asked| !asked.members.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> NodeName {
        NodeName::parse(text).unwrap()
    }

    fn peers(names: &[(&str, bool)]) -> BTreeMap<NodeName, PeerPolicy> {
        let policy = |accept| PeerPolicy {
            accept,
            ..PeerPolicy::default()
        };
        names
            .iter()
            .map(|(peer, accept)| (name(peer), policy(*accept)))
            .collect()
    }

    fn pools() -> Pools {
        let members = ["gpu1", "gpu2"].map(name);
        Pools::from([(name("gpu"), members.into())])
    }

    fn shown(lanes: impl IntoIterator<Item = Lane>) -> Vec<String> {
        lanes.into_iter().map(|lane| lane.to_string()).collect()
    }

    #[test]
    fn a_member_serves_the_pool_for_whom_it_accepts_and_its_own_lanes_for_all() {
        let peers = peers(&[("devbox", true), ("laptop", false)]);
        let lanes = served(&name("gpu1"), &peers, &pools());
        let expected = ["devbox-to-gpu1", "laptop-to-gpu1", "devbox-to-pool.gpu"];
        assert_eq!(shown(lanes.clone()), expected);
        assert_eq!(lanes[2].pool(), Some(name("gpu")));
        assert!(lanes[0].pool().is_none());
        let outside = served(&name("gpu3"), &peers, &pools());
        assert_eq!(shown(outside), ["devbox-to-gpu3", "laptop-to-gpu3"]);
    }

    #[test]
    fn a_sender_asks_the_members_it_knows_and_a_member_never_itself() {
        let known = peers(&[("gpu1", false), ("gpu2", false)]);
        let found = asked(&name("devbox"), &known, &pools());
        assert_eq!(found[0].lane.to_string(), "devbox-to-pool.gpu");
        assert_eq!(marks(&name("gpu1"), &pools()), [found[0].mark.as_str()]);
        assert!(marks(&name("devbox"), &pools()).is_empty());
        let other = BTreeMap::from([(name("gpu"), ["gpu1", "gpu3"].map(name).into())]);
        assert_ne!(marks(&name("gpu1"), &other), marks(&name("gpu1"), &pools()));
        assert_eq!(found[0].members, ["gpu1", "gpu2"].map(name).into());
        let found = asked(&name("gpu1"), &known, &pools());
        assert_eq!(found[0].members, ["gpu2"].map(name).into());
        assert!(asked(&name("gpu1"), &peers(&[("devbox", true)]), &pools()).is_empty());
    }
}
