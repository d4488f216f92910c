//! Which key speaks where, and when.

#![expect(clippy::disallowed_methods, reason = "moves folders of keys about")]

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

/// A guard that cannot look at any key, as in a process without descriptors.
fn blind() -> Guard {
    Guard::new(None, Storage::Local).asking(|_| Err(nix::errno::Errno::EMFILE.into()))
}

fn kids(ring: &Keyring) -> Vec<String> {
    let mut kids: Vec<String> = ring.keys().iter().map(|key| key.kid.to_string()).collect();
    kids.sort();
    kids
}

#[test]
fn a_key_that_cannot_be_read_now_is_kept_and_one_that_is_gone_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let folders = [dir.path().join("keys")];
    let guard = Guard::new(None, Storage::Local);
    let old = guard
        .write(&folders[0], &key("a", "devbox", "gpubox", 0))
        .unwrap();
    guard
        .write(&folders[0], &key("b", "devbox", "gpubox", 0))
        .unwrap();
    let mut cabinet = Cabinet::default();
    let (ring, told) = cabinet.read(&folders, &guard);
    assert_eq!((kids(&ring), told.len()), (vec!["a".into(), "b".into()], 0));
    assert!(ring.is_whole() && !ring.is_kept());
    let (ring, told) = cabinet.read(&folders, &blind());
    assert_eq!((kids(&ring), told.len()), (vec!["a".into(), "b".into()], 2));
    assert!(ring.is_kept() && !ring.is_whole());
    // A folder that can be listed and does not name a key is an answer.
    disk::remove(&old).unwrap();
    let (ring, _) = cabinet.read(&folders, &blind());
    assert_eq!(kids(&ring), ["b"], "a revoked key lives on");
    // One that was never read is not known, and not on the ring.
    guard
        .write(&folders[0], &key("c", "devbox", "gpubox", 0))
        .unwrap();
    let (ring, _) = cabinet.read(&folders, &blind());
    assert_eq!(kids(&ring), ["b"]);
    let (ring, told) = cabinet.read(&folders, &guard);
    assert_eq!((kids(&ring), told.len()), (vec!["b".into(), "c".into()], 0));
    assert!(ring.is_whole());
}

#[test]
fn a_folder_that_cannot_be_listed_keeps_its_keys_and_one_that_is_gone_does_not() {
    let dir = tempfile::tempdir().unwrap();
    let folders = ["keys", "none"].map(|name| dir.path().join(name));
    let guard = Guard::new(None, Storage::Local);
    guard
        .write(&folders[0], &key("a", "devbox", "gpubox", 0))
        .unwrap();
    let mut cabinet = Cabinet::default();
    let (ring, told) = cabinet.read(&folders, &guard);
    assert!(ring.is_whole(), "a folder that never was: {told:?}");
    let aside = dir.path().join("aside");
    std::fs::rename(&folders[0], &aside).unwrap();
    disk::create_new(&folders[0], b"", 0o600).unwrap();
    let (ring, told) = cabinet.read(&folders, &guard);
    assert_eq!((kids(&ring), told.len()), (vec!["a".into()], 1), "{told:?}");
    assert!(ring.is_kept());
    disk::remove(&folders[0]).unwrap();
    for _ in 0..2 {
        let (ring, told) = cabinet.read(&folders, &guard);
        assert_eq!((kids(&ring), told.len()), (vec![], 1), "{told:?}");
        assert!(ring.is_kept(), "what it will hold is not known");
    }
    std::fs::rename(&aside, &folders[0]).unwrap();
    let (ring, _) = cabinet.read(&folders, &guard);
    assert_eq!(kids(&ring), ["a"]);
    assert!(ring.is_whole());
}

#[test]
fn a_drawer_says_what_it_could_not_read() {
    let dir = tempfile::tempdir().unwrap();
    let guard = Guard::new(None, Storage::Local);
    guard
        .write(dir.path(), &key("a", "devbox", "gpubox", 0))
        .unwrap();
    disk::create_new(&dir.path().join("broken.key"), b"{", 0o600).unwrap();
    let drawer = Drawer::read(dir.path(), &guard).unwrap();
    assert!(
        drawer.ring().is_whole(),
        "a file that is no key is an answer"
    );
    let drawer = Drawer::read(dir.path(), &blind()).unwrap();
    assert!(!drawer.ring().is_whole() && !drawer.ring().is_kept());
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
