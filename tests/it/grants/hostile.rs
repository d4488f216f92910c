//! Whoever can write to the share: replays, copies, forgeries, removals. It costs time, or an outcome that says that
//! nothing is known; it never makes a second start.

use std::collections::BTreeMap;

use dispatch::document::Release;
use dispatch::entry::ControlKind;
use dispatch::entry::ControlName;
use dispatch::envelope;
use dispatch::event::Word;
use dispatch::id::Nonce;
use dispatch::limits;
use dispatch::seal;
use dispatch::stage::Stage;

use super::bench::Bench;
use super::bench::Said;
use super::bench::keys;
use super::bench::keys_of_a_stranger;
use super::bench::lane;
use super::bench::party;
use super::is_refused;
use crate::world::life::Life;
use crate::world::name;

#[test]
fn a_lease_that_its_member_did_not_seal_proves_nothing() {
    let bench = Bench::new();
    let (sent, mut node) = (bench.send(), bench.node());
    let claim = bench.claim("gpu1", &sent);
    let lease = bench.path(Stage::Processing, &claim.lease());
    let real = std::fs::read(&lease).unwrap();
    let other = bench.claim_name("gpu2", &sent);
    bench.lease(&claim, &sent, &keys_of_a_stranger());
    bench.look(&mut node);
    assert_eq!(bench.said(&claim, &sent), Said::Nothing, "another key");
    // The seal of a member counts for its own claims only.
    bench.lease_saying(&claim, &sent, &keys(), &other);
    bench.look(&mut node);
    assert_eq!(bench.said(&claim, &sent), Said::Nothing, "another member");
    let earlier = bench.claim_name("gpu1", &sent);
    bench.lease_saying(&claim, &sent, &keys(), &earlier);
    bench.look(&mut node);
    assert_eq!(
        bench.said(&claim, &sent),
        Said::Nothing,
        "another claim of it"
    );
    std::fs::write(&lease, &real[..100]).unwrap();
    bench.look(&mut node);
    assert_eq!(bench.said(&claim, &sent), Said::Nothing, "torn");
    assert!(node.journal.granted(sent.id).is_none());
    assert!(bench.sink.count(Word::DocumentReject) <= 2, "told once");
    // It stays a claim that waits: when its member has rewritten it, it is granted.
    std::fs::write(&lease, &real).unwrap();
    bench.look(&mut node);
    assert_eq!(bench.said(&claim, &sent), Said::Start);
}

#[test]
fn a_node_that_is_no_member_gets_no_word() {
    let bench = Bench::new();
    let (sent, mut node) = (bench.send(), bench.node());
    let claim = bench.claim_name("gpu3", &sent);
    bench.lease(&claim, &sent, &keys_of_a_stranger());
    let from = bench.path(Stage::Inbox, &sent.name);
    std::fs::rename(from, bench.path(Stage::Processing, &claim.to_string())).unwrap();
    bench.look(&mut node);
    assert_eq!(bench.names(Stage::Control), [""; 0]);
    assert!(node.journal.granted(sent.id).is_none());
}

#[test]
fn of_two_claims_with_good_leases_one_may_start() {
    let bench = Bench::new();
    let (sent, mut node) = (bench.send(), bench.node());
    let first = bench.claim("gpu1", &sent);
    let second = bench.copy("gpu2", &sent, &first);
    bench.look(&mut node);
    let said = [&first, &second].map(|claim| bench.said(claim, &sent));
    let starts = said.iter().filter(|said| **said == Said::Start).count();
    assert_eq!(starts, 1, "{said:?}");
    assert!(
        said.iter().any(|said| is_refused(said, "another claim")),
        "{said:?}"
    );
}

#[test]
fn a_claim_that_is_played_again_after_it_was_given_back_is_not_granted() {
    let bench = Bench::new();
    let (sent, mut node) = (bench.send(), bench.node());
    let first = bench.claim("gpu1", &sent);
    let file = bench.path(Stage::Processing, &first.to_string());
    let lease = bench.path(Stage::Processing, &first.lease());
    let (task, sealed) = (
        std::fs::read(&file).unwrap(),
        std::fs::read(&lease).unwrap(),
    );
    let again = bench.give_back(&first, &sent);
    // Its file and its lease as they were, while its release lies there.
    std::fs::write(&file, task).unwrap();
    std::fs::write(&lease, sealed).unwrap();
    bench.look(&mut node);
    assert!(node.journal.granted(sent.id).is_none());
    let second = bench.claim("gpu2", &again);
    bench.look(&mut node);
    assert_eq!(bench.said(&second, &sent), Said::Start);
    // And when the release is taken away: the first is refused then, for it is not the one.
    for release in bench.controls("release") {
        std::fs::remove_file(bench.path(Stage::Control, &release)).unwrap();
    }
    bench.look(&mut bench.node());
    assert_eq!(bench.said(&second, &sent), Said::Start);
    assert!(is_refused(&bench.said(&first, &sent), "another claim"));
}

#[test]
fn a_release_counts_only_from_the_member_that_held_the_claim_and_for_that_claim() {
    let bench = Bench::new();
    let (sent, mut node) = (bench.send(), bench.node());
    let first = bench.claim("gpu1", &sent);
    bench.look(&mut node);
    let release = |claim: &dispatch::entry::ClaimName, from: &str, nonce| {
        let now = bench.world.clock_in(0);
        let made = Release {
            from: party(from),
            to: party("devbox"),
            task_id: sent.id,
            task_sha256: sent.digest,
            claim: claim.clone(),
            reason: "forged".to_owned(),
            created: now,
            expires: now.plus(limits::LIFE_MAX),
        };
        // As a reader would refuse to seal it, by hand.
        let (keys, context) = (keys(), made.context());
        let key = keys.signing(&context, now).unwrap();
        let bytes = seal::seal(key.secret(), &key.kid, &context, &made.body());
        let name = ControlName {
            id: sent.id,
            kind: ControlKind::Release(first.node.clone()),
            nonce: Nonce::from_bits(nonce),
        };
        std::fs::write(bench.path(Stage::Control, &name.to_string()), bytes).unwrap();
    };
    release(&first, "gpu2", 1);
    release(&bench.claim_name("gpu1", &sent), "gpu1", 2);
    release(&first.taken_by(Nonce::from_bits(9)), "gpu1", 3);
    let second = bench.copy("gpu2", &sent, &first);
    bench.look(&mut node);
    assert!(is_refused(&bench.said(&second, &sent), "another claim"));
    assert_eq!(bench.sink.count(Word::TaskRelease), 0);
}

#[test]
fn a_word_about_another_claim_task_or_member_is_no_leave_to_start() {
    let bench = Bench::new();
    let (sent, mut node) = (bench.send(), bench.node());
    let claim = bench.claim("gpu1", &sent);
    bench.look(&mut node);
    let word = bench.controls("grant").remove(0);
    let bytes = std::fs::read(bench.path(Stage::Control, &word)).unwrap();
    let other_task = bench.send();
    let other_claim = bench.claim("gpu1", &other_task);
    let played = ControlName {
        id: other_task.id,
        kind: ControlKind::Grant(name("gpu1")),
        nonce: Nonce::from_bits(5),
    };
    std::fs::write(bench.path(Stage::Control, &played.to_string()), &bytes).unwrap();
    assert_eq!(bench.said(&other_claim, &other_task), Said::Nothing);
    let later = bench.claim_name("gpu1", &sent);
    assert_eq!(
        bench.said(&later, &sent),
        Said::Nothing,
        "a grant is about one claim"
    );
    let theirs = ControlName {
        id: sent.id,
        kind: ControlKind::Grant(name("gpu2")),
        nonce: Nonce::from_bits(6),
    };
    std::fs::write(bench.path(Stage::Control, &theirs.to_string()), &bytes).unwrap();
    assert_eq!(
        bench.said(&bench.claim_name("gpu2", &sent), &sent),
        Said::Nothing
    );
    assert_eq!(bench.said(&claim, &sent), Said::Start);
    // Nor one that is over.
    bench.wait(limits::LIFE_DEFAULT.as_secs() + 10);
    assert_eq!(bench.said(&claim, &sent), Said::Nothing);
}

#[test]
fn other_bytes_under_a_granted_id_are_an_alarm() {
    let bench = Bench::new();
    let mut task = bench.task();
    let sent = bench.send_task(&task);
    let mut node = bench.node();
    bench.claim("gpu1", &sent);
    bench.look(&mut node);
    task.request = "something else".to_owned();
    let other = bench.send_task(&task);
    let claim = bench.claim("gpu2", &other);
    bench.look(&mut node);
    assert!(is_refused(
        &bench.said(&claim, &other),
        "another task of this id"
    ));
    assert_eq!(bench.sink.count(Word::TaskReuse), 1);
}

/// The granted claim was given back, and then other bytes come under the id: they are refused before anything is made
/// of that release, which is not about them.
#[test]
fn other_bytes_under_a_granted_id_are_refused_though_its_claim_was_given_back() {
    let bench = Bench::new();
    let mut task = bench.task();
    let sent = bench.send_task(&task);
    let mut node = bench.node();
    let first = bench.claim("gpu1", &sent);
    bench.look(&mut node);
    let again = bench.give_back(&first, &sent);
    task.request = "something else".to_owned();
    let other = bench.send_task(&task);
    let second = bench.claim("gpu2", &other);
    bench.look(&mut node);
    assert!(is_refused(
        &bench.said(&second, &other),
        "another task of this id"
    ));
    assert_eq!(bench.sink.count(Word::TaskRelease), 0);
    assert_eq!(
        node.journal.granted(sent.id).unwrap().claim,
        Some(first.stem())
    );
    // The task that was granted is free to go on.
    let third = bench.claim("gpu2", &again);
    bench.look(&mut node);
    assert_eq!(bench.said(&third, &sent), Said::Start);
}

#[test]
fn claims_that_prove_nothing_are_not_read_again_and_again() {
    let bench = Bench::new();
    let (sent, mut node) = (bench.send(), bench.node());
    let real = bench.claim("gpu1", &sent);
    bench.look(&mut node);
    for number in 0..200_u64 {
        let fake = real.again_by(&real.node, Nonce::from_bits(number));
        std::fs::write(bench.path(Stage::Processing, &fake.to_string()), "x").unwrap();
        std::fs::write(bench.path(Stage::Processing, &fake.lease()), "x").unwrap();
    }
    for _ in 0..60 {
        bench.wait(1);
        node.round().unwrap();
    }
    let life = Life::noting();
    node.transport = bench.world.transport(&life);
    for _ in 0..60 {
        bench.wait(1);
        node.round().unwrap();
    }
    let read = life.count(".lease");
    assert!((1..=200).contains(&read), "{read} leases in a minute");
}

#[test]
fn a_flood_of_claims_names_and_documents_costs_a_bounded_look() {
    let bench = Bench::new();
    let (sent, mut node) = (bench.send(), bench.node());
    let real = bench.claim("gpu1", &sent);
    for number in 0..600_u64 {
        let fake = real.again_by(&real.node, Nonce::from_bits(number));
        std::fs::write(bench.path(Stage::Processing, &fake.to_string()), "x").unwrap();
        std::fs::write(bench.path(Stage::Processing, &fake.lease()), "x").unwrap();
        let kind = ControlKind::Release(name("gpu1"));
        let (id, nonce) = (sent.id, Nonce::from_bits(number));
        let name = ControlName { id, kind, nonce };
        std::fs::write(bench.path(Stage::Control, &name.to_string()), "x").unwrap();
    }
    let life = Life::noting();
    node.transport = bench.world.transport(&life);
    bench.look(&mut node);
    assert!(
        life.count("read") <= 3 * limits::PASS_ENTRIES_MAX,
        "{}",
        life.count("read")
    );
    for _ in 0..40 {
        bench.look(&mut node);
    }
    assert_eq!(bench.said(&real, &sent), Said::Start, "it has its turn");
    assert_eq!(node.journal.granted(sent.id).unwrap().spent, [""; 0]);
    let pools: BTreeMap<_, _> = node.settings.pools.clone();
    assert_eq!(pools.len(), 1);
    let context = dispatch::document::Context {
        from: party("pool.gpu"),
        to: party("devbox"),
        kind: dispatch::document::Kind::Lease,
    };
    let unsealed = envelope::seal(&keys(), &context, bench.world.clock_in(0), b"{");
    assert!(unsealed.is_err(), "the key of {} seals tasks alone", lane());
}
