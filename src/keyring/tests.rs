//! Which key speaks where, and when.

use super::*;
use crate::document::Kind;
use crate::key::Storage;

fn party(text: &str) -> Party {
    Party::parse(text).unwrap()
}

fn key(kid: &str, one: &str, other: &str, created: i64) -> Key {
    let peers = [party(one), party(other)];
    let (kid, created) = (KeyId::parse(kid).unwrap(), Timestamp::from_unix(created));
    Key::new(kid, Alg::Hs256, peers, created, (0..32).collect()).unwrap()
}

fn place(from: &str, to: &str, kind: Kind) -> Context {
    let (from, to) = (party(from), party(to));
    Context { from, to, kind }
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix(seconds)
}

#[test]
fn a_key_speaks_only_for_its_parties_and_its_kinds() {
    let link = key("k", "devbox", "gpubox", 0);
    let approver = key("k", "approver.alice", "gpubox", 0);
    let pool = key("k", "devbox", "pool.gpu", 0);
    for kind in Kind::ALL {
        let serves = |key: &Key, from: &str, to: &str| key.serves(&place(from, to, *kind));
        assert_eq!(
            serves(&link, "devbox", "gpubox"),
            *kind != Kind::Ack,
            "{kind}"
        );
        assert_eq!(
            serves(&link, "gpubox", "devbox"),
            *kind != Kind::Ack,
            "{kind}"
        );
        assert!(!serves(&link, "devbox", "devbox"));
        assert!(!serves(&link, "laptop", "gpubox"));
        assert_eq!(
            serves(&approver, "approver.alice", "gpubox"),
            *kind == Kind::Ack
        );
        assert!(!serves(&approver, "gpubox", "approver.alice"));
        assert!(!serves(&approver, "approver.bob", "gpubox"));
        assert_eq!(serves(&pool, "devbox", "pool.gpu"), *kind == Kind::Task);
        assert!(!serves(&pool, "pool.gpu", "devbox"));
    }
}

#[test]
fn rotation_overlaps_and_the_newest_signing_key_signs() {
    let (old, mut new) = (
        key("a", "devbox", "gpubox", 1),
        key("b", "devbox", "gpubox", 2),
    );
    new.uses = vec![Use::Verify];
    let here = place("devbox", "gpubox", Kind::Task);
    let kids = |ring: &Keyring, now| {
        let verifies = |kid| {
            ring.verifying(&KeyId::parse(kid).unwrap(), &here, now)
                .is_some()
        };
        let signs = ring.signing(&here, now).map(|key| key.kid.to_string());
        (signs, verifies("a"), verifies("b"))
    };
    let ring = Keyring::of(vec![old.clone(), new.clone()]);
    assert_eq!(kids(&ring, at(9)), (Some("a".to_owned()), true, true));
    new.uses = vec![Use::Sign, Use::Verify];
    let ring = Keyring::of(vec![old.clone(), new.clone()]);
    assert_eq!(kids(&ring, at(9)), (Some("b".to_owned()), true, true));
    new.not_before = Some(at(10));
    let mut ending = old;
    ending.not_after = Some(at(20));
    let ring = Keyring::of(vec![new, ending]);
    assert_eq!(kids(&ring, at(9)), (Some("a".to_owned()), true, false));
    assert_eq!(kids(&ring, at(10)), (Some("b".to_owned()), true, true));
    assert_eq!(kids(&ring, at(21)), (Some("b".to_owned()), false, true));
    assert!(Keyring::default().signing(&here, at(0)).is_none());
}

#[test]
fn a_key_of_the_original_never_makes_or_checks_a_seal() {
    let mut old = key("k", "devbox", "gpubox", 0);
    old.alg = Alg::V2;
    let ring = Keyring::of(vec![old]);
    let here = place("devbox", "gpubox", Kind::Task);
    assert!(ring.signing(&here, at(1)).is_none());
    assert!(
        ring.verifying(&KeyId::parse("k").unwrap(), &here, at(1))
            .is_none()
    );
    let legacy = |one: &str, other: &str| {
        ring.legacy(&party(one), &party(other), at(1), Use::Verify)
            .count()
    };
    assert_eq!(legacy("gpubox", "devbox"), 1);
    assert_eq!(legacy("gpubox", "laptop"), 0);
    assert_eq!(legacy("gpubox", "gpubox"), 0);
}

#[test]
fn one_bad_file_does_not_hide_the_others() {
    let dir = tempfile::tempdir().unwrap();
    let guard = Guard::new(None, Storage::Local);
    guard
        .write(dir.path(), &key("a", "devbox", "gpubox", 0))
        .unwrap();
    guard
        .write(dir.path(), &key("b", "devbox", "gpubox", 0))
        .unwrap();
    disk::create_new(&dir.path().join("broken.key"), b"{", 0o600).unwrap();
    disk::create_new(&dir.path().join("notes.txt"), b"", 0o644).unwrap();
    let text = key("a", "gpubox", "devbox", 5).text();
    disk::create_new(&dir.path().join("z.key"), text.as_bytes(), 0o600).unwrap();
    let drawer = Drawer::read(dir.path(), &guard).unwrap();
    assert_eq!(drawer.ring().keys().len(), 2);
    let problems: Vec<String> = drawer.problems.iter().map(ToString::to_string).collect();
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert!(problems[0].contains("broken.key") && problems[1].contains("same id"));
    assert!(Drawer::read(&dir.path().join("none"), &guard).is_err());
}

#[test]
fn nothing_shows_a_secret() {
    let key = key("a", "devbox", "gpubox", 0);
    let shown = format!("{key:?} {:?}", Keyring::of(vec![key.clone()]));
    assert!(
        !shown.contains("000102") && !shown.contains("[0, 1, 2"),
        "{shown}"
    );
    assert!(shown.contains(&key.fingerprint()));
}
