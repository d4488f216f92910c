//! The programs themselves: in a poisoned lane, with a wrong configuration, and on a share that is gone, full or
//! read-only. A clear error, the right status, and nothing half-done.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::path::PathBuf;

use dispatch::exit::Exit;

use super::bench::Bench;
use super::bench::within_a_minute;
use super::plant::ODD;
use super::plant::write;
use crate::programs::Pair;
use crate::programs::Said;

const LANE: &str = "share/devbox-to-gpubox";

/// It ended so, and said something of this, in one piece and without an escape sequence.
fn is(said: &Said, status: Exit, words: &[&str]) {
    let shown = format!("{}\n{}", said.out, said.err);
    assert_eq!(said.status, i32::from(status.code()), "{shown}");
    for word in words {
        assert!(said.err.contains(word), "no '{word}' in: {shown}");
    }
    assert!(
        !shown.contains('\u{1b}') && !said.err.contains("panicked"),
        "{shown}"
    );
}

fn listing(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.is_symlink() {
            found.extend(listing(&path));
        }
        found.push(path);
    }
    found.sort();
    found
}

/// A request is refused or cannot be sent, and leaves nothing on the share.
fn sends_nothing(pair: &Pair, more: &[&str], status: Exit, words: &[&str]) {
    let before = listing(&pair.path("share"));
    let arguments = [&["--to", "gpubox", "--request", "true"], more].concat();
    is(
        &pair.run("dispatch-send", "devbox", &arguments),
        status,
        words,
    );
    assert_eq!(listing(&pair.path("share")), before, "something is left");
}

/// Everything odd, in every folder of a lane, and where logs and heartbeats go.
#[test]
fn a_watcher_serves_through_a_poisoned_share() {
    within_a_minute(|| {
        let pair = Pair::new("require_ack = \"never\"");
        let bench = Bench::new();
        for stage in [
            "inbox",
            "pending-ack",
            "processing",
            "done",
            "rejected",
            "control",
            "tmp",
        ] {
            for (index, (_, _, put)) in ODD.iter().enumerate() {
                let names = [
                    format!("x{index}.json"),
                    format!("0198f1c2-0000-7000-8000-{index:012x}.high.g1.json"),
                    format!(
                        "0198f1c2-0000-7000-8000-{index:012x}.high.g1.gpubox-{index:016x}.json"
                    ),
                    format!("0198f1c2-0000-7000-8000-{index:012x}.ack.alice.{index:016x}.json"),
                ];
                for name in names {
                    put(&bench, &pair.path(LANE).join(stage).join(name));
                }
            }
        }
        symlink("/", pair.path("share/log/gpubox")).unwrap();
        nix::unistd::mkfifo(
            &pair.path("share/heartbeats/gpubox.devbox.json"),
            nix::sys::stat::Mode::from_bits_truncate(0o666),
        )
        .unwrap();
        let (id, _) = pair.send("echo served", &[]);
        is(
            &pair.run("dispatch-watch", "gpubox", &["--once"]),
            Exit::Ok,
            &[],
        );
        let said = pair.run("dispatch", "devbox", &["wait", &id, "--for", "5s"]);
        is(&said, Exit::Ok, &[]);
        assert!(said.out.contains("served"), "{}", said.out);
        // Those who look are not blocked, misled or ended by it either.
        for arguments in [
            &["status"][..],
            &["fsck"],
            &["gc"],
            &["ack"],
            &["log"],
            &["log", "--verify"],
            &["why", &id],
            &["show", &id],
        ] {
            for node in ["devbox", "gpubox"] {
                let said = pair.run("dispatch", node, arguments);
                let shown = format!("{node} {arguments:?}\n{}{}", said.out, said.err);
                assert_ne!(said.status, i32::from(Exit::Bug.code()), "{shown}");
                assert_ne!(said.status, 101, "{shown}");
                assert!(!shown.contains(['\u{1b}', '\u{202e}']), "{shown}");
            }
        }
    });
}

#[test]
fn a_killswitch_that_is_a_fifo_halts_and_does_not_block() {
    within_a_minute(|| {
        let pair = Pair::new("require_ack = \"never\"");
        let mode = nix::sys::stat::Mode::from_bits_truncate(0o666);
        nix::unistd::mkfifo(&pair.path("share/KILLSWITCH"), mode).unwrap();
        pair.send("echo never", &[]);
        is(
            &pair.run("dispatch-watch", "gpubox", &["--once"]),
            Exit::Halted,
            &[],
        );
        assert_eq!(pair.names("inbox").len(), 1);
    });
}

#[test]
fn what_is_wrong_on_the_command_line_or_in_the_file_is_said() {
    let pair = Pair::new("");
    sends_nothing(&pair, &["--no-such-flag"], Exit::Usage, &["--no-such-flag"]);
    sends_nothing(&pair, &["--priority", "urgent"], Exit::Usage, &["urgent"]);
    let config = pair.path("devbox/dispatch.toml");
    let good = std::fs::read_to_string(&config).unwrap();
    for (bad, word) in [
        ("rooot = \"x\"\n", "rooot"),
        ("node = [1, 2\n", "dispatch.toml"),
        ("\u{1b}[2J = 1\n", "dispatch.toml"),
    ] {
        write(&config, format!("{bad}{good}"));
        sends_nothing(&pair, &[], Exit::Config, &[word]);
        is(
            &pair.run("dispatch-watch", "devbox", &["--once"]),
            Exit::Config,
            &[word],
        );
    }
    write(
        &config,
        [b"node = \"\xff\xfe\"\n".as_slice(), good.as_bytes()].concat(),
    );
    sends_nothing(&pair, &[], Exit::Config, &["dispatch.toml"]);
}

/// Every key that the host has, as a file.
fn key_file(pair: &Pair) -> PathBuf {
    let keys = listing(&pair.path("devbox/keys"));
    let mut keys = keys.into_iter().filter(|path| path.is_file());
    keys.next().unwrap()
}

#[test]
fn a_key_that_others_can_read_or_that_is_no_file_is_not_used() {
    within_a_minute(|| {
        let pair = Pair::new("");
        let key = key_file(&pair);
        std::fs::set_permissions(&key, PermissionsExt::from_mode(0o644)).unwrap();
        sends_nothing(&pair, &[], Exit::Refused, &["644"]);
        std::fs::set_permissions(&key, PermissionsExt::from_mode(0o600)).unwrap();
        let secret = std::fs::read(&key).unwrap();
        nix::unistd::unlink(&key).unwrap();
        let bench = Bench::new();
        for (what, _, put) in ODD {
            if put(&bench, &key) {
                let said = pair.run(
                    "dispatch-send",
                    "devbox",
                    &["--to", "gpubox", "--request", "true"],
                );
                assert_eq!(
                    said.status,
                    i32::from(Exit::Refused.code()),
                    "{what}: {}",
                    said.err
                );
                let aside = pair.path("devbox").join("aside");
                pair.aside(&key, &aside);
            }
        }
        write(&key, secret);
        std::fs::set_permissions(&key, PermissionsExt::from_mode(0o600)).unwrap();
        pair.send("true", &[]);
    });
}

#[test]
fn a_key_on_the_share_is_not_used() {
    let pair = Pair::new("");
    let keys = pair.path("share/keys");
    std::fs::create_dir(&keys).unwrap();
    let key = key_file(&pair);
    let copy = keys.join(key.file_name().unwrap());
    write(&copy, std::fs::read(&key).unwrap());
    std::fs::set_permissions(&copy, PermissionsExt::from_mode(0o600)).unwrap();
    let keys = keys.display().to_string();
    sends_nothing(
        &pair,
        &["--keys", &keys],
        Exit::Config,
        &["lies on the share"],
    );
    // A detour does not help.
    let detour = pair.path("detour");
    symlink(&keys, &detour).unwrap();
    let detour = detour.display().to_string();
    sends_nothing(&pair, &["--keys", &detour], Exit::Refused, &["share"]);
}

#[test]
fn a_share_that_is_not_there_is_said_and_not_made() {
    let pair = Pair::new("");
    let away = pair.path("away");
    pair.aside(&pair.path("share"), &away);
    for program in ["dispatch-send", "dispatch-watch"] {
        let arguments: &[&str] = match program {
            "dispatch-send" => &["--to", "gpubox", "--request", "true"],
            _ => &["--once"],
        };
        is(
            &pair.run(program, "devbox", arguments),
            Exit::Config,
            &["share"],
        );
        assert!(!pair.path("share").is_dir(), "it was made");
    }
    std::fs::create_dir(pair.path("share")).unwrap();
    sends_nothing(&pair, &[], Exit::Config, &["dispatch.json"]);
    is(
        &pair.run("dispatch-watch", "gpubox", &["--once"]),
        Exit::Config,
        &["dispatch.json"],
    );
    assert_eq!(
        listing(&pair.path("share")).len(),
        0,
        "something was made in it"
    );
}

/// Runs lines of shell in a mount namespace of their own; `None` where this host does not allow one. Root only: in a
/// user namespace the folders of root belong to nobody, and keys below them are rightly refused.
fn in_a_namespace(pair: &Pair, lines: &str) -> Option<Said> {
    let is_root = nix::unistd::Uid::effective().is_root();
    if !is_root || pair.shell("unshare", &["-m", "true"]).status != 0 {
        eprintln!("skipped: no mount namespace here");
        return None;
    }
    Some(pair.shell("unshare", &["-m", "sh", "-c", lines]))
}

/// The line of shell that sends from devbox and prints the status.
fn send_line(pair: &Pair) -> String {
    let bin = PathBuf::from(env!("CARGO_BIN_EXE_dispatch")).with_file_name("dispatch-send");
    let config = pair.path("devbox/dispatch.toml");
    format!(
        "{} --to gpubox --request true --config {} </dev/null; echo status=$?",
        bin.display(),
        config.display()
    )
}

#[test]
fn a_read_only_share_is_said() {
    let pair = Pair::new("");
    let (share, send) = (pair.path("share"), send_line(&pair));
    let share = share.display();
    let lines =
        format!("mount --bind {share} {share} && mount -o remount,ro,bind {share} && {send}");
    let Some(said) = in_a_namespace(&pair, &lines) else {
        return;
    };
    assert!(said.out.contains("status=74"), "{}{}", said.out, said.err);
    assert!(said.err.contains("ead-only"), "{}", said.err);
    assert_eq!(pair.names("inbox").len() + pair.names("tmp").len(), 0);
}

#[test]
fn a_full_share_is_said_and_keeps_no_half_of_a_task() {
    let pair = Pair::new("");
    let (share, send) = (pair.path("share"), send_line(&pair));
    let share = share.display();
    let lines = format!(
        "cp -a {share} {share}.old && mount -t tmpfs -o size=256k,mode=2770 none {share} && \
         cp -a {share}.old/. {share}/ && dd if=/dev/zero of={share}/fill bs=4k 2>/dev/null; {send}; \
         find {share}/devbox-to-gpubox -type f"
    );
    let Some(said) = in_a_namespace(&pair, &lines) else {
        return;
    };
    assert!(said.out.contains("status=74"), "{}{}", said.out, said.err);
    assert!(said.err.contains("space"), "{}", said.err);
    assert!(
        !said.out.contains("devbox-to-gpubox"),
        "left behind: {}",
        said.out
    );
}
