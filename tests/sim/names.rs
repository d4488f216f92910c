//! Who is who: the names of hosts, the lane between them, the keys.

use dispatch::clock::Timestamp;
use dispatch::id::KeyId;
use dispatch::id::NodeName;
use dispatch::id::Party;
use dispatch::key::Alg;
use dispatch::key::Key;
use dispatch::keyring::Keyring;
use dispatch::place::Lane;

pub fn name(text: &str) -> NodeName {
    NodeName::parse(text).expect("a name")
}

pub fn party(text: &str) -> Party {
    Party::parse(text).expect("a party")
}

/// The lane of everything: to a node alone, or to a pool.
pub fn lane_of(members: usize) -> Lane {
    let to = if members == 0 { "gpubox" } else { "pool.gpu" };
    Lane::new(name("devbox"), party(to))
}

fn key(kid: &str, one: &str, other: &str) -> Key {
    let (kid, made) = (
        KeyId::parse(kid).expect("a key id"),
        Timestamp::from_unix(0),
    );
    let ends = [party(one), party(other)];
    Key::new(kid, Alg::Hs256, ends, made, (1..=32).collect()).expect("a key")
}

/// One ring for everybody: who may speak as whom is for the seals to say.
pub fn keys() -> Keyring {
    let mut all = vec![key("pool", "devbox", "pool.gpu")];
    for (number, node) in ["gpubox", "gpu1", "gpu2", "gpu3"].into_iter().enumerate() {
        all.push(key(&format!("link{number}"), "devbox", node));
        all.push(key(&format!("alice{number}"), "approver.alice", node));
    }
    Keyring::of(all)
}
