//! Each condition of a key file, broken alone.

use std::os::unix::fs::PermissionsExt as _;

use super::*;
use crate::clock::Timestamp;
use crate::id::KeyId;
use crate::id::Party;
use crate::key::Alg;
use crate::key::Use;

fn key() -> Key {
    let peers = ["devbox", "gpubox"].map(|name| Party::parse(name).unwrap());
    let secret = (0..32).collect();
    let made = Timestamp::from_unix(1_795_161_219);
    Key::new(KeyId::parse("k1").unwrap(), Alg::Hs256, peers, made, secret).unwrap()
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// A directory of keys with one good key in it.
struct Bench {
    dir: tempfile::TempDir,
    path: PathBuf,
    guard: Guard,
}

impl Bench {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let guard = Guard::new(Some(dir.path().join("share")), Storage::Local);
        let path = guard.write(&dir.path().join("keys"), &key()).unwrap();
        Self { dir, path, guard }
    }

    fn keys(&self) -> PathBuf {
        self.dir.path().join("keys")
    }

    fn refusal(&self) -> Error {
        self.guard.read(&self.path).unwrap_err()
    }
}

#[test]
fn a_key_that_was_written_is_read_back_and_closed_to_others() {
    let bench = Bench::new();
    assert_eq!(bench.guard.read(&bench.path).unwrap(), key());
    assert_eq!(bench.path.file_name().unwrap(), "devbox--gpubox.k1.key");
    let mode = std::fs::metadata(&bench.path).unwrap().mode() & 0o7777;
    assert_eq!(mode, 0o600);
    let again = bench.guard.write(&bench.keys(), &key());
    assert!(matches!(again, Err(Error::Disk(error)) if error.is(io::ErrorKind::AlreadyExists)));
}

#[test]
fn links_and_other_kinds_of_files_are_not_keys() {
    let bench = Bench::new();
    let link = bench.keys().join("link.key");
    std::os::unix::fs::symlink(&bench.path, &link).unwrap();
    assert!(matches!(bench.guard.read(&link), Err(Error::Link(_))));
    let directory = bench.keys().join("dir.key");
    std::fs::create_dir(&directory).unwrap();
    assert!(matches!(
        bench.guard.read(&directory),
        Err(Error::NotAFile(_))
    ));
    let pipe = bench.keys().join("pipe.key");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRUSR).unwrap();
    assert!(matches!(bench.guard.read(&pipe), Err(Error::NotAFile(_))));
    std::fs::hard_link(&bench.path, bench.keys().join("other")).unwrap();
    assert!(matches!(bench.refusal(), Error::Linked { links: 2, .. }));
}

#[test]
fn a_key_that_others_can_read_or_replace_is_not_used() {
    let bench = Bench::new();
    for mode in [0o640, 0o604, 0o620, 0o602, 0o610, 0o601] {
        set_mode(&bench.path, mode);
        assert!(matches!(bench.refusal(), Error::Mode { .. }), "{mode:o}");
    }
    set_mode(&bench.path, 0o400);
    assert!(bench.guard.read(&bench.path).is_ok());
    for mode in [0o770, 0o707, 0o1777, 0o1770] {
        set_mode(&bench.keys(), mode);
        assert!(
            matches!(bench.refusal(), Error::DirectoryMode { .. }),
            "{mode:o}"
        );
    }
    set_mode(&bench.keys(), 0o755);
    set_mode(bench.dir.path(), 0o777);
    assert!(matches!(bench.refusal(), Error::DirectoryMode { .. }));
    set_mode(bench.dir.path(), 0o755);
    assert!(bench.guard.read(&bench.path).is_ok());
}

/// Needs root, to give files away; says so where it is not.
#[test]
#[expect(clippy::print_stderr, reason = "a test that skips itself says so")]
fn a_key_of_somebody_else_is_not_used() {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("skipped: only root can give a file away");
        return;
    }
    let bench = Bench::new();
    let give = |path: &Path, to: u32| std::os::unix::fs::chown(path, Some(to), None).unwrap();
    give(&bench.path, 12345);
    assert!(matches!(bench.refusal(), Error::Owner { owner: 12345, .. }));
    give(&bench.path, 0);
    give(&bench.keys(), 12345);
    assert!(matches!(
        bench.refusal(),
        Error::DirectoryOwner { owner: 12345, .. }
    ));
    give(&bench.keys(), 0);
    // A sticky directory above is tolerated only where it is root's.
    set_mode(bench.dir.path(), 0o1777);
    assert!(bench.guard.read(&bench.path).is_ok());
    give(bench.dir.path(), 12345);
    assert!(matches!(bench.refusal(), Error::DirectoryOwner { .. }));
    give(bench.dir.path(), 0);
    set_mode(bench.dir.path(), 0o700);
    // What systemd hands to a unit: readable through an ACL, whose mask shows as the group's bits.
    std::os::unix::fs::chown(&bench.path, Some(0), Some(0)).unwrap();
    set_mode(&bench.path, 0o440);
    assert!(bench.guard.read(&bench.path).is_ok());
    std::os::unix::fs::chown(&bench.path, Some(0), Some(12345)).unwrap();
    assert!(matches!(bench.refusal(), Error::Mode { .. }));
}

#[test]
fn a_key_on_the_share_is_not_used_under_whatever_path() {
    let bench = Bench::new();
    let share = bench.dir.path().join("share");
    std::fs::create_dir(&share).unwrap();
    let refused = bench.guard.write(&share.join("keys"), &key());
    assert!(matches!(refused, Err(Error::OnShare { .. })));
    assert_eq!(
        disk::list(&share).unwrap(),
        [""; 0],
        "nothing was made there"
    );
    std::fs::create_dir(share.join("keys")).unwrap();
    let hidden = bench.dir.path().join("innocent");
    std::os::unix::fs::symlink(share.join("keys"), &hidden).unwrap();
    assert!(matches!(
        bench.guard.write(&hidden, &key()),
        Err(Error::OnShare { .. })
    ));
    let insecure = Guard::new(Some(share.clone()), Storage::Insecure);
    let refused = insecure.write(&share.join("keys"), &key());
    assert!(
        matches!(refused, Err(Error::OnShare { .. })),
        "no option allows it"
    );
}

#[test]
fn a_key_that_other_machines_can_read_is_used_only_on_demand() {
    let mut bench = Bench::new();
    bench.guard.remote = |_| Ok(Some("NFS"));
    assert!(matches!(bench.refusal(), Error::Remote { kind: "NFS", .. }));
    bench.guard.storage = Storage::Insecure;
    assert!(bench.guard.read(&bench.path).is_ok());
    let mut bench = Bench::new();
    std::fs::create_dir(bench.dir.path().join(".stfolder")).unwrap();
    assert!(matches!(
        bench.refusal(),
        Error::Synced {
            program: "Syncthing",
            ..
        }
    ));
    bench.guard.storage = Storage::Insecure;
    assert!(bench.guard.read(&bench.path).is_ok());
}

#[test]
fn content_that_is_not_a_key_is_named_without_quoting_it() {
    let bench = Bench::new();
    let written = |text: &str| {
        disk::replace(&bench.path, text.as_bytes(), 0o600).unwrap();
        bench
            .guard
            .read(&bench.path)
            .map_err(|error| error.to_string())
    };
    let good = key().text().to_string();
    assert!(written(&good).is_ok());
    let secret = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
    for (from, to, expected) in [
        (secret, "0001", "2 bytes, fewer than 32"),
        (secret, &*"00".repeat(32), "one byte repeated"),
        (secret, &*"ab".repeat(600), "600 bytes, more than 512"),
        (secret, "zz", "not hexadecimal"),
        ("\"schema\": 1", "\"schema\": 2", "schema 2"),
        ("\"gpubox\"", "\"devbox\"", "two parties"),
        ("\"sign\",\n    \"verify\"", "", "use is empty"),
        ("\"hs256\"", "\"none\"", "not a key file"),
        ("\"kid\"", "\"extra\": 1, \"kid\"", "not a key file"),
        (
            "\"created\"",
            "\"not_before\": \"2026-11-20T06:00:00Z\", \"not_after\": \"2026-11-20T06:00:00Z\", \"created\"",
            "not later",
        ),
    ] {
        let error = written(&good.replacen(from, to, 1)).unwrap_err();
        assert!(error.contains(expected), "{error}");
        assert!(!error.contains("000102"), "{error}");
    }
    let error = written(&format!("{good}{}", " ".repeat(FILE_BYTES_MAX))).unwrap_err();
    assert!(error.contains("more than 8192"), "{error}");
    assert!(written("").is_err());
}

#[test]
fn a_revoked_key_is_out_of_the_way_and_a_rewritten_one_is_whole() {
    let bench = Bench::new();
    let mut other = key();
    other.uses = vec![Use::Verify];
    bench.guard.rewrite(&bench.path, &other).unwrap();
    assert_eq!(bench.guard.read(&bench.path).unwrap(), other);
    let aside = bench.guard.revoke(&bench.path).unwrap();
    assert_eq!(
        disk::list(&bench.keys()).unwrap(),
        ["devbox--gpubox.k1.key.revoked"]
    );
    assert_eq!(bench.guard.read(&aside).unwrap(), other);
}
