//! What slips between two steps in a pool: a reply that is lost, a lease that runs out, a file that is never readable.
#![expect(clippy::disallowed_methods, reason = "what a stranger does to a share")]

use std::time::Duration;

use dispatch::entry::ClaimName;
use dispatch::event::Word;
use dispatch::limits;
use dispatch::outcome::Status;
use dispatch::stage::Stage;
use nix::errno::Errno;

use super::danger::forged;
use super::danger::plant;
use super::ground::Ground;
use super::zombie::approve;
use crate::world::life::Fault;
use crate::world::life::Life;
use crate::world::runner::Script;

/// The approval is on record, and the move it is for comes to nothing: the next round makes it.
#[test]
fn what_was_approved_is_unparked_though_the_move_was_lost() {
    for fault in [Fault::Fails(Errno::EIO), Fault::DoneButFails(Errno::EIO)] {
        let mut lost = 0;
        for step in 0..40 {
            let ground = Ground::new(60, 1);
            let mut task = ground.idempotent();
            task.require_ack = true;
            let sent = ground.send(&task);
            let life = Life::charmed();
            let mut nodes = vec![ground.start(0, &life).unwrap()];
            ground.rounds(&mut nodes, 3, |_| {});
            assert_eq!(ground.claims(Stage::PendingAck).len(), 1);
            approve(&ground, &sent, "gpu1");
            life.goes_wrong_in(step, fault);
            // The approval is accepted once: no later round reads it again.
            ground.sender_round();
            if nodes[0].round().is_err() {
                // It was the journal that failed: the node stops, which is another story.
                continue;
            }
            ground.advance(Duration::from_secs(1));
            let fired = life.fired();
            lost += usize::from(
                fired
                    .as_ref()
                    .is_some_and(|what| what.contains("rename") && what.contains("pending-ack")),
            );
            let wait = usize::try_from(limits::SLOW_LOOK.as_secs() / 2).unwrap();
            ground.rounds(&mut nodes, wait, |_| {});
            assert_eq!(ground.starts(sent.id), 1, "{fired:?}: {}", ground.picture());
            ground.settle(&mut nodes, Ground::finish_all);
            ground.check_end(&sent, 1, &format!("{fired:?}"));
        }
        assert!(lost > 0, "the move to processing/ never went wrong");
    }
}

/// A sender that looks between a claim and its park lets that claim start. What is parked then comes back under another
/// name, and starts all the same: its member gave its word that the first one never did.
#[test]
fn what_was_granted_before_it_was_parked_is_granted_again() {
    let ground = Ground::new(64, 1);
    let mut task = ground.task();
    task.require_ack = true;
    let sent = ground.send(&task);
    let mut nodes = ground.nodes();
    // Where nothing can be published it stays claimed.
    let (tmp, aside) = (ground.path(Stage::Tmp, ""), ground.root().join("aside"));
    std::fs::rename(&tmp, &aside).unwrap();
    for _ in 0..3 {
        let _ = nodes[0].round();
        ground.advance(Duration::from_secs(1));
    }
    assert_eq!(ground.claims(Stage::Processing).len(), 1);
    std::fs::rename(&aside, &tmp).unwrap();
    ground.sender_round();
    let said = ground.names(Stage::Control);
    assert!(said.iter().any(|name| name.contains(".grant.")), "{said:?}");
    let wait = usize::try_from(limits::SLOW_LOOK.as_secs() / 2).unwrap();
    ground.rounds(&mut nodes, wait, |_| {});
    assert_eq!(ground.claims(Stage::PendingAck).len(), 1);
    approve(&ground, &sent, "gpu1");
    ground.settle(&mut nodes, Ground::finish_all);
    assert_eq!(ground.status(&sent), Some(Status::Ok));
    ground.check_end(&sent, 1, "parked after its grant");
}

/// Nothing begins on a lease that cannot be beaten and is nearly over.
#[test]
fn a_claim_whose_own_term_is_nearly_over_is_not_started() {
    let ground = Ground::new(61, 1);
    let sent = ground.send(&ground.idempotent());
    let mut nodes = ground.nodes();
    // It may start nothing but another task: so this one is claimed, and waits.
    nodes[0].settings.only = Some(ground.task().id);
    ground.rounds(&mut nodes, 1, |_| {});
    let claim: ClaimName = ground.claims(Stage::Processing).remove(0);
    let lease = ground.path(Stage::Processing, &claim.lease());
    let aside = ground.path(Stage::Tmp, "aside");
    std::fs::rename(&lease, &aside).unwrap();
    std::fs::create_dir(&lease).unwrap();
    let beats = limits::LEASE_SELF - limits::LEASE_BEAT * 2;
    ground.rounds(
        &mut nodes,
        usize::try_from(beats.as_secs()).unwrap() + 2,
        |_| {},
    );
    nodes[0].settings.only = None;
    ground.rounds(&mut nodes, 5, |_| {});
    assert_eq!(ground.starts(sent.id), 0, "its executor is ended at once");
    std::fs::remove_dir(&lease).unwrap();
    std::fs::rename(&aside, &lease).unwrap();
    ground.settle(&mut nodes, Ground::finish_all);
    ground.check_end(&sent, 1, "beaten again");
    assert_eq!(ground.status(&sent), Some(Status::Ok));
}

/// A server that answers late shows what an owner wrote meanwhile: its term counts from the answer, not from the
/// question.
#[test]
fn a_lease_that_was_beaten_while_it_was_read_is_good_for_a_whole_term() {
    let ground = Ground::new(64, 2);
    ground.send(&ground.idempotent());
    let mut first = vec![ground.node(0)];
    ground.rounds(&mut first, 3, |_| {});
    drop(first);
    let lease = ground.claims(Stage::Processing).remove(0).lease();
    let life = Life::charmed();
    let mut second = vec![ground.start(1, &life).unwrap()];
    let (path, hosts) = (ground.path(Stage::Processing, &lease), &ground.members);
    let clocks: Vec<_> = hosts.iter().map(|host| host.clock.clone()).collect();
    life.is_held_up(&format!("read {lease}"), move || {
        for clock in clocks {
            clock.advance(limits::SHARE_PATIENCE);
        }
        std::fs::write(&path, b"the next beat").unwrap();
    });
    let term = usize::try_from(limits::LEASE_TERM.as_secs()).unwrap();
    ground.rounds(&mut second, term, |_| {});
    assert_eq!(ground.members[1].sink.count(Word::TaskTake), 0);
    let look = usize::try_from(limits::REAP_LOOK.as_secs()).unwrap();
    ground.rounds(&mut second, look * 2, |_| {});
    assert_eq!(ground.members[1].sink.count(Word::TaskTake), 1);
}

/// What a member cannot take in is not read again and again.
#[test]
fn what_is_left_in_the_line_is_not_read_at_every_look() {
    let ground = Ground::new(62, 1);
    let mut nodes = ground.nodes();
    for number in 0..20 {
        let mut task = ground.idempotent();
        // Of another time, without a profile here, and the half of a task.
        match number % 3 {
            0 => task.created = task.created.plus(limits::SKEW + Duration::from_secs(3600)),
            1 => task.profile = Some(dispatch::id::ProfileName::parse("lab").unwrap()),
            _ => {}
        }
        task.expires = task.created.plus(limits::LIFE_DEFAULT);
        let sent = ground.send(&task);
        if number % 3 == 2 {
            let file = ground.path(Stage::Inbox, &sent.name);
            let half = std::fs::read(&file).unwrap()[..60].to_vec();
            std::fs::remove_file(&file).unwrap();
            plant(&file, &half);
        }
    }
    let reads = |nodes: &mut [dispatch::flow::Node], rounds| {
        let life = Life::noting();
        nodes[0].transport = ground.transport(&ground.members[0], &life);
        ground.rounds(nodes, rounds, |_| {});
        life.count("read 0")
    };
    reads(&mut nodes, 5);
    let minute = reads(&mut nodes, 40);
    assert!((1..=20 * 4).contains(&minute), "{minute} reads");
}

/// A claim in this member's name that cannot be read is looked at again at a bounded pace, and blocks nothing.
#[test]
fn what_cannot_be_read_in_processing_is_tried_again_without_haste() {
    let ground = Ground::new(63, 1);
    let sent = ground.send(&ground.idempotent());
    for _ in 0..20 {
        let claim = forged(&ground, &sent.name, "gpu1");
        plant(
            &ground.path(Stage::Processing, &claim.to_string()),
            b"{\n  \"schema\": 3,",
        );
    }
    let mut nodes = ground.nodes();
    let life = Life::noting();
    nodes[0].transport = ground.transport(&ground.members[0], &life);
    for _ in 0..200 {
        ground.sender_round();
        nodes[0].round().unwrap();
        ground.advance(Duration::from_millis(50));
    }
    assert!(ground.starts(sent.id) <= 1);
    // Ten seconds of quick rounds: every file about once a second.
    assert!(life.count("read 0") <= 20 * 16, "{}", life.count("read 0"));
}

/// An executor that never comes costs time and no attempt, also where a start needs a grant: the member says that its
/// claim never started, and the next claim is granted.
#[test]
fn a_start_that_did_not_happen_is_granted_again() {
    for (seed, count, require_ack) in [(70, 1, false), (71, 2, false), (72, 1, true)] {
        let ground = Ground::new(seed, count);
        let mut task = ground.task();
        task.require_ack = require_ack;
        let sent = ground.send(&task);
        let script = |script| {
            for member in &ground.members {
                member.shop.script(script);
            }
        };
        script(Script::Never);
        let mut nodes = ground.nodes();
        if require_ack {
            ground.rounds(&mut nodes, 3, |_| {});
            approve(&ground, &sent, "gpu1");
        }
        ground.rounds(&mut nodes, 60, |_| {});
        assert_eq!(ground.starts(sent.id), 0);
        script(Script::Prompt);
        ground.settle(&mut nodes, Ground::finish_all);
        ground.check_end(&sent, 1, "granted again");
        let outcome = ground.outcome(&sent).unwrap();
        assert_eq!(outcome.status, Status::Ok, "{:?}", outcome.detail);
    }
}
