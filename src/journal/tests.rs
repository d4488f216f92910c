//! The journal forgets nothing it synced, and believes nothing damaged.

use super::*;
use std::time::Duration;

use crate::id::Digest;
use crate::id::NodeName;
use crate::id::Party;
use crate::id::Priority;
use crate::outcome::Status;

fn now() -> Timestamp {
    Timestamp::parse("2026-11-20T06:00:00Z").unwrap()
}

fn id(n: u128) -> TaskId {
    TaskId::from_uuid(uuid::Builder::from_random_bytes(n.to_be_bytes()).into_uuid())
}

fn known() -> Known {
    Known {
        digest: Digest::of(b"task"),
        from: NodeName::parse("devbox").unwrap(),
        to: Party::parse("gpubox").unwrap(),
        priority: Priority::Normal,
        admitted: now(),
        expires: now().plus(limits::LIFE_DEFAULT),
        not_before: None,
        legacy: false,
        claim: "claim-1".into(),
        phase: Phase::Admitted,
        started: now(),
        starts: 0,
        misses: 0,
        attempts_max: 1,
        approval: None,
        outcome: None,
        file: None,
        hold: super::Hold::None,
        back: None,
        tried: Vec::new(),
        spared: 0,
        key: None,
    }
}

fn open(path: &std::path::Path) -> Result<Journal, Error> {
    let (tape, bytes) = FileTape::open(path).unwrap();
    Journal::open(Box::new(tape), &bytes, now(), Nonce::from_bits(7))
}

fn admitted(n: u128) -> Fact {
    Fact::Admitted {
        id: id(n),
        at: now(),
        known: Box::new(known()),
    }
}

fn started(n: u128, attempt: u32) -> Fact {
    Fact::Started {
        id: id(n),
        claim: "claim-1".into(),
        attempt,
        at: now(),
    }
}

#[test]
fn what_was_recorded_is_there_after_reopening_and_rewriting() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal");
    let mut journal = open(&path).unwrap();
    journal.record(admitted(1)).unwrap();
    journal.record(started(1, 1)).unwrap();
    journal.record(admitted(2)).unwrap();
    let decided = Fact::Decided {
        id: id(2),
        claim: "claim-1".into(),
        status: Status::Rejected,
        sealed: "{}".into(),
        at: now(),
    };
    journal.record(decided).unwrap();
    journal
        .record(Fact::Closed {
            id: id(2),
            status: Status::Rejected,
            at: now(),
        })
        .unwrap();
    journal.sync().unwrap();
    for _ in 0..2 {
        let again = open(&path).unwrap();
        assert_eq!(again.known(id(1)).unwrap().phase, Phase::Started);
        assert_eq!(again.known(id(1)).unwrap().starts, 1);
        assert_eq!(again.closed(id(2)).unwrap().status, Status::Rejected);
        assert_eq!(again.instance(), Nonce::from_bits(7));
    }
}

#[test]
fn a_torn_tail_is_cut_and_damage_elsewhere_stops_the_node() {
    let lines = format!(
        "{}{}{}",
        Fact::Born {
            at: now(),
            instance: Nonce::from_bits(1)
        }
        .line(),
        admitted(1).line(),
        started(1, 1).line()
    );
    for cut in 1..=started(1, 1).line().len() {
        let facts = fact::read_all(&lines.as_bytes()[..lines.len() - cut]).unwrap();
        assert_eq!(facts.len(), 2, "cut {cut}");
    }
    let first = Fact::Born {
        at: now(),
        instance: Nonce::from_bits(1),
    }
    .line()
    .len();
    for at in first..first + 40 {
        let mut bytes = lines.clone().into_bytes();
        bytes[at] ^= 1;
        assert!(
            matches!(fact::read_all(&bytes), Err(Error::Damaged { line: 2 })),
            "byte {at}"
        );
    }
}

#[test]
fn an_id_is_admitted_once_and_an_attempt_started_once() {
    let dir = tempfile::tempdir().unwrap();
    let mut journal = open(&dir.path().join("journal")).unwrap();
    journal.record(admitted(1)).unwrap();
    assert!(matches!(
        journal.record(admitted(1)),
        Err(Error::Contradiction { .. })
    ));
    assert!(matches!(
        journal.record(started(1, 2)),
        Err(Error::Contradiction { .. })
    ));
    journal.record(started(1, 1)).unwrap();
    assert!(matches!(
        journal.record(started(1, 1)),
        Err(Error::Contradiction { .. })
    ));
    journal.record(Fact::Unstarted { id: id(1) }).unwrap();
    journal.record(started(1, 1)).unwrap();
}

#[test]
fn after_a_failed_sync_nothing_more_is_believed() {
    struct BadTape;
    impl Tape for BadTape {
        fn append(&mut self, _: &[u8]) -> Result<(), disk::Error> {
            Ok(())
        }
        fn sync(&mut self) -> Result<(), disk::Error> {
            Err(disk::Error::TooLarge {
                path: "x".into(),
                max: 0,
            })
        }
        fn replace(&mut self, _: &[u8]) -> Result<(), disk::Error> {
            Ok(())
        }
    }
    let born = Fact::Born {
        at: now(),
        instance: Nonce::from_bits(1),
    }
    .line();
    let mut journal = Journal::open(
        Box::new(BadTape),
        born.as_bytes(),
        now(),
        Nonce::from_bits(1),
    )
    .unwrap();
    journal.record(admitted(1)).unwrap();
    assert!(matches!(journal.sync(), Err(Error::Disk(_))));
    assert!(matches!(journal.sync(), Err(Error::Broken)));
    assert!(matches!(journal.record(admitted(2)), Err(Error::Broken)));
}

/// A clock that was a month ahead while the host started must not open the way for a replay once it is right again.
#[test]
fn a_clock_that_is_ahead_for_a_moment_makes_nothing_forgotten() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal");
    let mut journal = open(&path).unwrap();
    journal.record(admitted(1)).unwrap();
    let (status, at) = (Status::Ok, now());
    journal
        .record(Fact::Closed {
            id: id(1),
            status,
            at,
        })
        .unwrap();
    journal.sync().unwrap();
    drop(journal);
    let ahead = known().expires.plus(limits::MEMORY_AFTER_EXPIRY * 2);
    let (tape, bytes) = FileTape::open(&path).unwrap();
    drop(Journal::open(Box::new(tape), &bytes, ahead, Nonce::from_bits(1)).unwrap());
    assert!(open(&path).unwrap().closed(id(1)).is_some());
}

#[test]
fn closed_tasks_are_forgotten_only_when_they_cannot_be_replayed() {
    let dir = tempfile::tempdir().unwrap();
    let mut journal = open(&dir.path().join("journal")).unwrap();
    journal.record(admitted(1)).unwrap();
    journal
        .record(Fact::Closed {
            id: id(1),
            status: Status::Ok,
            at: now(),
        })
        .unwrap();
    journal.forget(known().expires);
    assert!(journal.closed(id(1)).is_some());
    let later = known().expires.plus(limits::MEMORY_AFTER_EXPIRY * 2);
    journal.record(Fact::Seen { at: later }).unwrap();
    journal.forget(later);
    assert!(journal.closed(id(1)).is_none());
}

/// A member of a pool gives a task back and takes it again: what it started before counts, and what it approved holds.
#[test]
fn what_left_is_remembered_and_may_come_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal");
    let mut journal = open(&path).unwrap();
    journal.record(admitted(1)).unwrap();
    journal.record(started(1, 1)).unwrap();
    let back = Back {
        not_before: None,
        ran: true,
        why: "the executor vanished".into(),
        tried: None,
    };
    journal.record(Fact::Returned { id: id(1), back }).unwrap();
    journal.sync().unwrap();
    drop(journal);
    // Between the record and the move: it is still this node's to give back.
    let mut journal = open(&path).unwrap();
    assert_eq!(journal.known(id(1)).unwrap().phase, Phase::Returned);
    let (at, left) = (now(), id(1));
    journal.record(Fact::Left { id: left, at }).unwrap();
    assert!(matches!(
        journal.record(Fact::Left { id: left, at }),
        Err(Error::Contradiction { .. })
    ));
    journal.sync().unwrap();
    drop(journal);
    for _ in 0..2 {
        let again = open(&path).unwrap();
        assert!(again.known(left).is_none() && again.closed(left).is_none());
        assert_eq!(again.left(left).unwrap().starts, 1);
    }
    let mut journal = open(&path).unwrap();
    journal.record(admitted(1)).unwrap();
    assert!(journal.left(left).is_none());
}

#[test]
fn only_in_a_pool_may_others_have_started_it_meanwhile() {
    let dir = tempfile::tempdir().unwrap();
    let mut journal = open(&dir.path().join("journal")).unwrap();
    let pooled = Known {
        to: Party::parse("pool.gpu").unwrap(),
        ..known()
    };
    journal
        .record(Fact::Admitted {
            id: id(1),
            at: now(),
            known: Box::new(pooled),
        })
        .unwrap();
    journal.record(admitted(2)).unwrap();
    journal.record(started(1, 3)).unwrap();
    assert!(journal.record(started(2, 3)).is_err());
    journal.record(Fact::Unstarted { id: id(1) }).unwrap();
    assert!(journal.record(started(1, 2)).is_err());
    journal.record(started(1, 3)).unwrap();
}

fn granted(number: u128, claim: &str) -> Fact {
    Fact::Granted {
        id: id(number),
        digest: Digest::of(b"task"),
        expires: now(),
        claim: claim.into(),
        at: now(),
    }
}

fn refused(number: u128, claim: &str) -> Fact {
    Fact::Refused {
        id: id(number),
        digest: Digest::of(b"task"),
        expires: now(),
        claim: claim.into(),
        at: now(),
    }
}

fn released(number: u128, claim: &str) -> Fact {
    Fact::Released {
        id: id(number),
        claim: claim.into(),
        at: now(),
    }
}

#[test]
fn of_two_claims_of_a_task_one_may_be_started_and_none_that_was_given_back() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal");
    let mut journal = open(&path).unwrap();
    for fact in [
        released(1, "a"),
        granted(1, "a"),
        granted(1, "a"),
        granted(2, "b"),
    ] {
        let wrong = fact == released(1, "a");
        assert_eq!(journal.record(fact).is_err(), wrong);
    }
    assert!(journal.record(granted(1, "b")).is_err(), "two at once");
    assert!(journal.record(released(1, "b")).is_err(), "not the one");
    assert!(journal.record(refused(1, "a")).is_err(), "it may run");
    journal.record(refused(1, "b")).unwrap();
    journal.record(released(1, "a")).unwrap();
    for spent in ["a", "b"] {
        assert!(journal.record(granted(1, spent)).is_err(), "{spent}");
    }
    let other = Fact::Granted {
        id: id(1),
        digest: Digest::of(b"other"),
        expires: now(),
        claim: "c".into(),
        at: now(),
    };
    assert!(journal.record(other).is_err(), "other bytes");
    journal.record(granted(1, "c")).unwrap();
    journal.sync().unwrap();
    // Replayed, and again from what a rewriting keeps.
    for _ in 0..2 {
        let again = open(&path).unwrap();
        let known = again.granted(id(1)).unwrap();
        assert_eq!(known.claim.as_deref(), Some("c"));
        assert_eq!(known.spent, ["b", "a"]);
        assert_eq!(again.granted(id(2)).unwrap().claim.as_deref(), Some("b"));
    }
}

#[test]
fn claims_of_one_task_are_remembered_in_a_bounded_number_and_grants_for_a_bounded_time() {
    let dir = tempfile::tempdir().unwrap();
    let mut journal = open(&dir.path().join("journal")).unwrap();
    for number in 0..limits::CLAIMS_MAX * 2 {
        journal.record(refused(1, &number.to_string())).unwrap();
    }
    assert_eq!(
        journal.granted(id(1)).unwrap().spent.len(),
        limits::CLAIMS_MAX
    );
    assert!(
        journal.record(granted(1, "fresh")).is_err(),
        "beyond it nothing is granted"
    );
    let late = now().plus(limits::MEMORY_AFTER_EXPIRY);
    journal
        .record(Fact::Seen {
            at: late.plus(Duration::from_secs(9)),
        })
        .unwrap();
    journal.forget(late);
    assert!(journal.granted(id(1)).is_some());
    journal.forget(late.plus(Duration::from_secs(1)));
    assert!(journal.granted(id(1)).is_none());
}
