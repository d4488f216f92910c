//! The same where several nodes serve a lane.

use dispatch::clock::Clock;
use dispatch::document::Answer;
use dispatch::flow::send::Sent;
use dispatch::outcome::FailureClass;
use dispatch::outcome::Status;

use crate::pool::ground::Ground;
use crate::pool::ground::lane;

fn outcome(ground: &Ground, sent: &Sent) -> Answer {
    let found = ground.sender().outcome(&lane(), sent.id, Some(sent.digest));
    found.unwrap().unwrap().unwrap().answer
}

#[test]
fn a_failed_attempt_of_a_pool_is_followed_by_another_until_none_is_left() {
    let ground = Ground::new(671, 2);
    let sent = ground.send(&ground.idempotent());
    let mut nodes = ground.nodes();
    ground.settle(&mut nodes, |ground| {
        for member in &ground.members {
            member.shop.fail_all(FailureClass::Overloaded, None);
        }
    });
    let answer = outcome(&ground, &sent);
    assert_eq!(answer.status, Status::Poison);
    assert_eq!(ground.starts(sent.id), 3);
}

#[test]
fn who_has_no_credential_leaves_it_to_the_others() {
    let ground = Ground::new(672, 2);
    let mut nodes = ground.nodes();
    let sent: Vec<Sent> = (0..4).map(|_| ground.send(&ground.idempotent())).collect();
    ground.settle(&mut nodes, |ground| {
        ground.members[0].shop.fail_all(FailureClass::Auth, None);
        ground.members[1].shop.finish_all(Status::Ok);
    });
    for sent in &sent {
        assert_eq!(outcome(&ground, sent).status, Status::Ok);
        assert!(ground.starts(sent.id) <= 2);
    }
}

#[test]
fn what_a_provider_puts_off_costs_no_attempt_in_a_pool_either() {
    let ground = Ground::new(673, 2);
    let sent = ground.send(&ground.idempotent());
    let mut nodes = ground.nodes();
    let failed = std::cell::Cell::new(0);
    ground.settle(&mut nodes, |ground| {
        if ground.running() == 0 {
            return;
        }
        failed.set(failed.get() + 1);
        if failed.get() > 4 {
            return ground.finish_all();
        }
        for member in &ground.members {
            let reset = member.clock.wall().plus(std::time::Duration::from_secs(30));
            member.shop.fail_all(FailureClass::RateLimit, Some(reset));
        }
    });
    assert_eq!(outcome(&ground, &sent).status, Status::Ok);
    assert_eq!(ground.starts(sent.id), 5);
}
