//! Several nodes serve one addressee: each task is claimed by one, a claim that nobody beats is taken over, and whoever
//! comes back late finds that it does not count.

#![allow(clippy::unwrap_used, reason = "tests")]

mod copies;
mod danger;
mod death;
mod fit;
mod flood;
mod fsck;
pub mod ground;
mod judge;
mod memory;
mod slips;
mod vigil;
mod zombie;

use std::time::Duration;

use dispatch::event::Word;
use dispatch::outcome::Status;
use dispatch::stage::Stage;

use self::ground::Ground;

#[test]
fn each_task_is_claimed_by_one_member_and_into_a_free_slot() {
    for seed in 0..8 {
        let ground = Ground::new(seed, 3);
        let tasks: Vec<_> = (0..12).map(|_| ground.send(&ground.idempotent())).collect();
        let mut nodes = ground.nodes();
        ground.rounds(&mut nodes, 1, |_| {});
        // Two slots each, and nothing is claimed ahead of them.
        assert_eq!(
            ground.claims(Stage::Processing).len(),
            6,
            "{}",
            ground.picture()
        );
        assert_eq!(ground.running(), 6);
        ground.settle(&mut nodes, Ground::finish_all);
        for sent in &tasks {
            ground.check_end(sent, 1, "shared out");
            assert_eq!(ground.status(sent), Some(Status::Ok));
            assert_eq!(ground.starts(sent.id), 1);
        }
        let busy = ground
            .members
            .iter()
            .filter(|member| member.sink.count(Word::TaskExecStart) > 0);
        assert_eq!(busy.count(), 3);
    }
}

#[test]
fn what_is_not_idempotent_starts_with_a_grant_and_never_without() {
    let ground = Ground::new(1, 2);
    ground.let_start(false);
    let sent = ground.send(&ground.task());
    let mut nodes = ground.nodes();
    ground.rounds(&mut nodes, 30, |_| {});
    assert_eq!(ground.starts(sent.id), 0);
    assert_eq!(
        ground.claims(Stage::Processing).len(),
        1,
        "{}",
        ground.picture()
    );
    ground.let_start(true);
    ground.settle(&mut nodes, Ground::finish_all);
    ground.check_end(&sent, 1, "granted");
    assert_eq!(ground.status(&sent), Some(Status::Ok));
}

#[test]
fn a_member_that_dies_while_it_runs_is_found_and_the_task_run_again() {
    let ground = Ground::new(2, 2);
    let sent = ground.send(&ground.idempotent());
    let mut first = vec![ground.node(0)];
    ground.rounds(&mut first, 3, |_| {});
    assert_eq!(ground.members[0].shop.running(), 1, "{}", ground.picture());
    drop(first);
    let mut second = vec![ground.node(1)];
    ground.rounds(&mut second, 110, |_| {});
    assert_eq!(ground.starts(sent.id), 1, "taken before its term");
    ground.rounds(&mut second, Ground::a_term(), |_| {});
    assert_eq!(
        ground.members[1].shop.running(),
        1,
        "{}\n{}",
        ground.picture(),
        ground.told(1)
    );
    // Its executor ended the agent long before.
    assert_eq!(ground.members[0].shop.running(), 0);
    ground.settle(&mut second, Ground::finish_all);
    ground.check_end(&sent, 2, "run again");
    assert_eq!(ground.outcome(&sent).unwrap().attempt, 2);
    assert_eq!(ground.members[1].sink.count(Word::TaskTake), 1);
    // The dead one comes back: what it made does not count and is kept.
    let mut both = vec![ground.node(0), second.pop().unwrap()];
    ground.rounds(&mut both, 70, |_| {});
    ground.check_end(&sent, 2, "come back");
    let late = ground.names(Stage::Done);
    let late = late.iter().filter(|file| file.contains(".late."));
    assert_eq!(late.count(), 2, "{}", ground.picture());
    assert!(ground.members[0].shop.stems().is_empty());
    ground.advance(Duration::from_secs(1));
}

#[test]
fn a_claim_that_no_grant_comes_for_is_released_and_given_back() {
    let ground = Ground::new(3, 1);
    ground.let_start(false);
    let sent = ground.send(&ground.task());
    let mut nodes = ground.nodes();
    ground.rounds(&mut nodes, 58, |_| {});
    assert_eq!(ground.claims(Stage::Processing).len(), 1);
    // The sender's node falls silent: what is given back is not claimed again.
    ground.silence_sender();
    ground.rounds(&mut nodes, 10, |_| {});
    let inbox = ground.names(Stage::Inbox);
    assert_eq!(inbox.len(), 1, "{}", ground.picture());
    assert!(inbox[0].contains(".g2."), "{inbox:?}");
    assert!(
        ground.names(Stage::Processing).is_empty(),
        "{}",
        ground.picture()
    );
    let control = ground.names(Stage::Control);
    assert!(
        control.iter().any(|file| file.contains(".release.gpu1.")),
        "{control:?}"
    );
    assert_eq!(ground.starts(sent.id), 0);
}
