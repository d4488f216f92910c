//! The sender's leave to start: one claim at a time, whatever lies on the share and wherever the node dies.

#![allow(clippy::unwrap_used, reason = "tests")]
#![expect(clippy::disallowed_methods, reason = "what a stranger does to a share")]

mod bench;
mod crash;
mod hostile;

use dispatch::event::Word;
use dispatch::limits;
use dispatch::stage::Stage;

use self::bench::Bench;
use self::bench::Said;
use crate::world::life::Life;

fn is_refused(said: &Said, why: &str) -> bool {
    matches!(said, Said::Refused(reason) if reason.contains(why))
}

#[test]
fn a_claim_is_granted_once_and_the_same_after_a_restart() {
    let bench = Bench::new();
    let sent = bench.send();
    let mut node = bench.node();
    bench.look(&mut node);
    assert_eq!(
        bench.names(Stage::Control),
        [""; 0],
        "nothing before it is claimed"
    );
    let claim = bench.claim("gpu1", &sent);
    bench.look(&mut node);
    assert_eq!(bench.said(&claim, &sent), Said::Start);
    for _ in 0..3 {
        bench.look(&mut node);
    }
    drop(node);
    bench.look(&mut bench.node());
    assert_eq!(bench.controls("grant").len(), 1, "said once");
    assert_eq!(bench.sink.count(Word::TaskGrant), 1);
    // Somebody removes what was said: the next life of the node says the same again.
    let lost = bench.controls("grant");
    std::fs::remove_file(bench.path(Stage::Control, &lost[0])).unwrap();
    bench.look(&mut bench.node());
    assert_eq!(bench.said(&claim, &sent), Said::Start);
    assert_ne!(bench.controls("grant"), lost, "a name is never used again");
    assert_eq!(
        bench.sink.count(Word::TaskGrant),
        1,
        "it is the same decision"
    );
}

#[test]
fn another_claim_is_refused_until_the_first_is_given_back() {
    let bench = Bench::new();
    let (sent, mut node) = (bench.send(), bench.node());
    let first = bench.claim("gpu1", &sent);
    bench.look(&mut node);
    let again = bench.give_back(&first, &sent);
    let second = bench.claim("gpu2", &again);
    bench.look(&mut node);
    assert_eq!(bench.said(&second, &sent), Said::Start);
    assert_eq!(bench.sink.count(Word::TaskRelease), 1);
    // Taken over without a word of its member: it may have run.
    let third = bench.copy("gpu1", &again, &second);
    bench.look(&mut node);
    assert!(is_refused(&bench.said(&third, &sent), "another claim"));
    assert_eq!(bench.sink.count(Word::TaskWithhold), 1);
    assert_eq!(bench.said(&second, &sent), Said::Start);
    let known = node.journal.granted(sent.id).unwrap();
    assert_eq!(known.claim, Some(second.stem()));
    assert_eq!(known.spent, [first.stem(), third.stem()]);
}

#[test]
fn a_claim_that_was_never_granted_leaves_the_way_free_for_the_next() {
    let bench = Bench::new();
    let sent = bench.send();
    // The sender's node was away: the member waited in vain.
    let first = bench.claim("gpu1", &sent);
    let again = bench.give_back(&first, &sent);
    let second = bench.claim("gpu2", &again);
    bench.look(&mut bench.node());
    assert_eq!(bench.said(&second, &sent), Said::Start);
    assert_eq!(bench.said(&first, &sent), Said::Nothing);
}

#[test]
fn an_idempotent_task_needs_no_word() {
    let bench = Bench::new();
    let mut task = bench.task();
    task.idempotent = true;
    let sent = bench.send_task(&task);
    bench.claim("gpu1", &sent);
    let mut node = bench.node();
    bench.look(&mut node);
    assert_eq!(bench.names(Stage::Control), [""; 0]);
    assert!(node.journal.granted(sent.id).is_none());
}

#[test]
fn a_task_older_than_the_record_is_refused_and_one_that_is_over_is_left() {
    let bench = Bench::new();
    let sent = bench.send();
    let claim = bench.claim("gpu1", &sent);
    bench.wait(limits::SKEW.as_secs() + 10);
    bench.medium.wipe();
    let mut node = bench.node();
    bench.look(&mut node);
    assert!(is_refused(&bench.said(&claim, &sent), "record begins"));
    // The operator says that nothing of it ever ran.
    let bench = Bench::new();
    let sent = bench.send();
    let claim = bench.claim("gpu1", &sent);
    bench.wait(limits::SKEW.as_secs() + 10);
    bench.medium.wipe();
    let mut node = bench.node();
    node.journal.adopt().unwrap();
    bench.look(&mut node);
    assert_eq!(bench.said(&claim, &sent), Said::Start);
    let late = bench.send();
    bench.claim("gpu2", &late);
    bench.wait(limits::LIFE_DEFAULT.as_secs() + 10);
    bench.look(&mut node);
    assert!(node.journal.granted(late.id).is_none());
}

#[test]
fn a_halted_sender_lets_nothing_start() {
    let bench = Bench::new();
    let sent = bench.send();
    let claim = bench.claim("gpu1", &sent);
    let mut node = bench.node();
    for switch in ["KILLSWITCH", "KILLSWITCH.devbox-to-pool.gpu"] {
        let path = bench.world.root().join(switch);
        std::fs::write(&path, "").unwrap();
        bench.look(&mut node);
        assert_eq!(bench.said(&claim, &sent), Said::Nothing, "{switch}");
        std::fs::remove_file(path).unwrap();
    }
    bench.look(&mut node);
    assert_eq!(bench.said(&claim, &sent), Said::Start);
}

#[test]
fn an_idle_look_is_one_listing_now_and_then_and_a_waiting_claim_is_looked_at_every_round() {
    let bench = Bench::new();
    let mut node = bench.node();
    let calls = |node: &mut dispatch::flow::Node, rounds: u64| {
        let life = Life::noting();
        node.transport = bench.world.transport(&life);
        for _ in 0..rounds {
            bench.wait(1);
            node.round().unwrap();
        }
        life.count("devbox-to-pool.gpu/processing")
    };
    calls(&mut node, 60);
    assert_eq!(calls(&mut node, 60), 6);
    assert!(!node.expects_claims());
    node.expect_claims();
    assert!(node.expects_claims());
    assert_eq!(calls(&mut node, 60), 60);
    let sent = bench.send();
    bench.claim("gpu1", &sent);
    bench.wait(1);
    node.round().unwrap();
    assert_eq!(bench.controls("grant").len(), 1, "at once");
    bench.wait(limits::GRANT_EAGER.as_secs());
    calls(&mut node, 10);
    assert!(
        !node.expects_claims(),
        "an answered claim costs no more than none"
    );
    assert_eq!(calls(&mut node, 60), 6);
}
