//! Every odd form of a killswitch on a real directory, and what halt and resume leave.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::fs::symlink;

use nix::errno::Errno;
use nix::sys::stat::Mode;

use super::*;
use crate::disk::AppendFile;
use crate::id::Nonce;
use crate::id::Party;
use crate::share::FolderShare;

struct Bench {
    root: tempfile::TempDir,
    state: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        let bench = Self {
            root: tempfile::tempdir().unwrap(),
            state: tempfile::tempdir().unwrap(),
        };
        disk::create_new(&bench.root.path().join(IDENTITY), b"{}", 0o660).unwrap();
        bench
    }

    fn share(&self) -> FolderShare {
        FolderShare::at(self.root.path())
    }

    fn look(&self) -> State {
        switch(self.state.path()).look(&self.share())
    }

    /// Puts a file into the root and looks.
    fn with(&self, name: &str, bytes: &[u8]) -> State {
        let path = self.root.path().join(name);
        disk::create_new(&path, bytes, 0o660).unwrap();
        let seen = self.look();
        disk::remove(&path).unwrap();
        assert_eq!(self.look().halts(), []);
        seen
    }
}

fn node(name: &str) -> NodeName {
    NodeName::parse(name).unwrap()
}

fn lane(from: &str) -> Lane {
    Lane::new(node(from), Party::from(&node("gpubox")))
}

fn switch(state_dir: &Path) -> Killswitch {
    let nodes = vec![node("devbox"), node("laptop")];
    let lanes = vec![lane("devbox"), lane("laptop")];
    Killswitch::new(node("gpubox"), nodes, lanes, state_dir)
}

/// Starts stop, on every lane, and nothing that runs is ended.
fn assert_stops(state: &State, what: &str) {
    assert!(state.stops_node().is_some(), "{what}");
    assert!(state.stops(&lane("devbox")).is_some(), "{what}");
    assert_eq!(state.kills(&lane("devbox")), None, "{what}");
}

#[test]
fn a_quiet_root_stops_nothing() {
    let bench = Bench::new();
    disk::create_new(&bench.root.path().join(".KILLSWITCH.swp"), b"", 0o660).unwrap();
    assert_eq!(bench.look().halts(), []);
    assert_eq!(bench.look().stops(&lane("devbox")), None);
}

#[test]
fn every_odd_form_of_a_killswitch_stops_starts() {
    type Make = fn(&Path);
    let made: [(&str, Make); 7] = [
        ("directory", |path| disk::make_dir(path, 0o700).unwrap()),
        ("FIFO", |path| {
            nix::unistd::mkfifo(path, Mode::S_IRWXU).unwrap()
        }),
        ("dangling link", |path| symlink("/nowhere", path).unwrap()),
        ("loop of links", |path| symlink(path, path).unwrap()),
        ("link to the right word", |path| {
            let word = path.with_file_name("word");
            disk::create_new(&word, b"kill", 0o600).unwrap();
            symlink(&word, path).unwrap();
        }),
        ("unreadable file", |path| {
            disk::create_new(path, b"maintenance", 0o600).unwrap();
            std::fs::set_permissions(path, PermissionsExt::from_mode(0o000)).unwrap();
        }),
        ("1 GB", |path| {
            let mut file = AppendFile::create(path).unwrap();
            file.cut(1 << 30).unwrap();
        }),
    ];
    for (what, make) in made {
        let bench = Bench::new();
        make(&bench.root.path().join("KILLSWITCH"));
        assert_stops(&bench.look(), what);
        let local = Bench::new();
        make(&local.state.path().join("KILLSWITCH"));
        assert_stops(&local.look(), what);
    }
    let bench = Bench::new();
    for name in ["KILLSWITCH", "killswitch", "KillSwitch.txt", "KILLSWITCH~"] {
        assert_stops(&bench.with(name, b""), name);
    }
}

#[test]
fn a_name_that_is_not_text_stops_starts() {
    use std::os::unix::ffi::OsStrExt;
    let bench = Bench::new();
    let name = std::ffi::OsStr::from_bytes(b"KILLSWITCH.gpubox\xff");
    disk::create_new(&bench.root.path().join(name), b"kill", 0o660).unwrap();
    assert_stops(&bench.look(), "not UTF-8");
}

#[test]
fn whatever_cannot_be_read_stops_starts() {
    let bench = Bench::new();
    let failed = |errno: Errno| ShareError {
        action: "list",
        object: "\u{1b}[2J".to_owned(),
        errno: errno as i32,
        why: None,
    };
    let identity = || entry(IDENTITY, EntryKind::File);
    for errno in [
        Errno::EIO,
        Errno::ESTALE,
        Errno::EACCES,
        Errno::ENOENT,
        Errno::ENOTCONN,
    ] {
        let killswitch = switch(bench.state.path());
        let state = killswitch.judge(Err(&failed(errno)), &|_| Ok(Vec::new()));
        assert_stops(&state, errno.desc());
        assert!(!state.halts()[0].to_string().contains('\x1b'));
        // The entry is listed, and its content is not to be had.
        let listed = [identity(), entry("KILLSWITCH.laptop", EntryKind::File)];
        let state = killswitch.judge(Ok(&listed), &|_| Err(failed(errno)));
        assert!(
            state.stops(&lane("laptop")).is_none(),
            "a known node still narrows"
        );
        let listed = [identity(), entry("KILLSWITCH", EntryKind::File)];
        assert_stops(
            &killswitch.judge(Ok(&listed), &|_| Err(failed(errno))),
            errno.desc(),
        );
    }
    let gone = FolderShare::at(&bench.root.path().join("gone"));
    assert_stops(&switch(bench.state.path()).look(&gone), "no such root");
    let unmounted = tempfile::tempdir().unwrap();
    let empty = FolderShare::at(unmounted.path());
    assert_stops(
        &switch(bench.state.path()).look(&empty),
        "an empty mount point",
    );
    let no_state = switch(&bench.state.path().join("gone"));
    assert_stops(&no_state.look(&bench.share()), "no state directory");
}

fn entry(name: &str, kind: EntryKind) -> Listed {
    Listed {
        name: name.to_owned(),
        raw: None,
        kind,
    }
}

#[test]
fn a_known_name_narrows_and_the_first_word_kills() {
    let bench = Bench::new();
    let all = bench.with("KILLSWITCH", b"kill: fire");
    assert!(all.kills(&lane("devbox")).is_some());
    assert_eq!(all.halts()[0].reason, "kill: fire");
    let me = bench.with("KILLSWITCH.gpubox", b"kill");
    assert!(me.kills(&lane("laptop")).is_some());
    let peer = bench.with("KILLSWITCH.devbox-00112233445566ff", b"kill");
    assert_eq!(peer.halts().len(), 1);
    assert_eq!(
        peer.stops(&lane("devbox")),
        None,
        "it is for devbox, not for its tasks"
    );
    let one = bench.with("KILLSWITCH.devbox-to-gpubox", b"kill");
    assert!(one.kills(&lane("devbox")).is_some());
    assert_eq!((one.stops(&lane("laptop")), one.stops_node()), (None, None));
    let reason = bench.with("KILLSWITCH", "é\u{1b}[31m".repeat(40).as_bytes());
    assert!(!reason.halts()[0].reason.contains('\x1b'));
    assert!(reason.halts()[0].reason.len() < 400);
}

#[test]
fn a_flood_of_killswitches_costs_bounded_reads() {
    let bench = Bench::new();
    let mut listed = vec![entry(IDENTITY, EntryKind::File)];
    listed.extend((0..1000).map(|n| entry(&format!("KILLSWITCH.{n}"), EntryKind::File)));
    let reads = std::cell::Cell::new(0);
    let state = switch(bench.state.path()).judge(Ok(&listed), &|_| {
        reads.set(reads.get() + 1);
        Ok(Vec::new())
    });
    assert_stops(&state, "flood");
    assert_eq!(reads.get(), READ_MAX);
}

#[test]
fn halt_and_resume_touch_only_what_they_name() {
    let bench = Bench::new();
    let share = bench.share();
    let halt = |bits, scope| HaltName {
        scope,
        nonce: Nonce::from_bits(bits),
    };
    let (first, second) = (
        halt(1, Scope::Everything),
        halt(2, Scope::Node(node("gpubox"))),
    );
    engage(&share, &first, false, "kill is not the first word\nhere").unwrap();
    assert_stops(&bench.look(), "halted");
    engage(&share, &second, true, "fire").unwrap();
    assert!(bench.look().kills(&lane("devbox")).is_some());
    let again = engage(&share, &second, true, "fire");
    assert_eq!(again, Ok(()), "a call that failed and happened");
    assert!(
        engage(&share, &first, true, "fire").is_err(),
        "a halt is no kill"
    );

    disk::make_dir(&bench.root.path().join("KILLSWITCH.d"), 0o700).unwrap();
    let names = [
        first.to_string(),
        "KILLSWITCH.d".to_owned(),
        IDENTITY.to_owned(),
    ];
    let lifted = lift(&share, &names).unwrap();
    assert_eq!(lifted.removed, [first.to_string()]);
    assert_eq!(lifted.kept[0].0, "KILLSWITCH.d");
    assert_eq!(lifted.others, [second.to_string()]);
    assert!(bench.look().stops_node().is_some());
    assert!(
        share
            .list(&Place::Root)
            .unwrap()
            .iter()
            .any(|entry| entry.name == IDENTITY)
    );
}

#[test]
fn the_local_halt_works_without_the_share() {
    let bench = Bench::new();
    let scope = Scope::Everything;
    let nonce = Nonce::from_bits(7);
    let halt = HaltName { scope, nonce };
    engage_local(bench.state.path(), &halt, true, "cable").unwrap();
    let state = switch(bench.state.path()).look_local();
    let kill = state.kills(&lane("devbox")).unwrap();
    assert_eq!(
        (kill.origin, kill.reason.as_str()),
        (Origin::Local, "kill: cable")
    );
    let lifted = lift_local(bench.state.path(), &[halt.to_string()]).unwrap();
    assert_eq!(lifted.removed, [halt.to_string()]);
    assert_eq!(switch(bench.state.path()).look_local().halts(), []);
}
