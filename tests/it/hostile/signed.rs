//! Keys that sign: who holds only the public half, or only the secret that both sides of a link share, can make nothing
//! that counts where a signature does.

use std::time::Duration;

use dispatch::clock::Timestamp;
use dispatch::document::Decision;
use dispatch::flow::send::Sent;
use dispatch::id::KeyId;
use dispatch::key::Alg;
use dispatch::key::Key;
use dispatch::keyring::Keyring;
use dispatch::outcome::Status;

use super::approval::decide;
use super::bench::Bench;
use super::bench::key;
use super::bench::name;
use super::bench::party;

/// A key with which a party signs for the receiver.
fn signing(kid: &str, who: &str) -> Key {
    let (kid, made) = (KeyId::parse(kid).unwrap(), Timestamp::from_unix(0));
    let peers = [party(who), party("gpubox")];
    Key::new(kid, Alg::Ed25519, peers, made, (1..=32).collect()).unwrap()
}

fn half(key: &Key) -> Key {
    key.public_half().unwrap()
}

fn status(bench: &Bench, sent: &Sent) -> Option<(Status, Option<String>)> {
    let answer = bench.answer(sent)?;
    Some((answer.status, answer.reason))
}

/// The receiver, a member of a pool, or a thief of the shared secret can make a task of the sender's; it is not run.
#[test]
fn a_task_that_is_only_sealed_does_not_run_where_signatures_are_required() {
    let mut bench = Bench::new();
    let link = key("k1", "devbox");
    let seed = signing("s1", "devbox");
    let peer = bench.settings.peers.get_mut(&name("devbox")).unwrap();
    peer.require_signature = true;
    bench.keys = Keyring::of(vec![link.clone(), half(&seed)]);
    let mut node = bench.node();
    // What a holder of the shared secret makes.
    let forged = bench.send();
    bench.rounds(&mut node, 4);
    assert!(!bench.ran(forged.id), "it ran");
    let (refused, why) = status(&bench, &forged).unwrap();
    assert_eq!(refused, Status::Rejected);
    assert!(why.unwrap().contains("E_UNSIGNED"));
    // What the sender makes, who alone holds the seed.
    bench.keys = Keyring::of(vec![link, seed]);
    let good = bench.send();
    bench.rounds(&mut node, 4);
    assert!(bench.ran(good.id), "the signed task waits");
    assert_eq!(status(&bench, &good).map(|it| it.0), Some(Status::Ok));
}

/// A signed task is taken without any word of policy, and without a shared secret for it.
#[test]
fn a_node_that_only_checks_takes_what_is_signed_and_can_make_none_of_it() {
    let mut bench = Bench::new();
    let seed = signing("s1", "devbox");
    let answers = key("k1", "devbox");
    bench.keys = Keyring::of(vec![answers.clone(), half(&seed)]);
    let mut node = bench.node();
    bench.keys = Keyring::of(vec![answers, seed]);
    let good = bench.send();
    bench.rounds(&mut node, 4);
    assert_eq!(status(&bench, &good).map(|it| it.0), Some(Status::Ok));
}

/// The watcher holds the public half of its approver alone: what alice signs is an approval, and what is sealed with
/// any secret the node ever held for her is none.
#[test]
fn an_approval_counts_only_with_the_seed_that_is_not_here() {
    let mut bench = Bench::new();
    let link = key("k1", "devbox");
    let seed = signing("s3", "approver.alice");
    bench.keys = Keyring::of(vec![link.clone(), half(&seed)]);
    let mut node = bench.node();
    let mut task = bench.task_from("devbox", "asks first");
    task.require_ack = true;
    let sent = bench.send_task(&task);
    bench.rounds(&mut node, 2);
    let approve = |bench: &Bench| {
        let an_hour = Duration::from_secs(3600);
        decide(
            bench,
            "alice",
            &sent,
            sent.digest,
            Decision::Approve,
            an_hour,
        );
    };
    bench.keys = Keyring::of(vec![link.clone(), key("k3", "approver.alice")]);
    approve(&bench);
    bench.rounds(&mut node, 4);
    assert!(!bench.ran(sent.id), "it ran without an approval");
    bench.keys = Keyring::of(vec![link, seed]);
    approve(&bench);
    bench.rounds(&mut node, 4);
    assert!(bench.ran(sent.id), "the approved task waits");
    bench.keys = Keyring::of(vec![key("k1", "devbox")]);
    assert_eq!(status(&bench, &sent).map(|it| it.0), Some(Status::Ok));
}
