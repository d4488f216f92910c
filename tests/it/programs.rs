//! The programs together, as a person uses them: two nodes in a folder, real binaries, a cleared environment.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]
#![expect(
    clippy::disallowed_methods,
    reason = "runs programs and writes their inputs"
)]

use std::path::PathBuf;
use std::process::Command;
use std::process::Output;
use std::process::Stdio;

/// Two paired hosts: `devbox` asks, `gpubox` runs requests as lines of shell.
pub struct Pair {
    dir: tempfile::TempDir,
}

pub struct Said {
    pub out: String,
    pub err: String,
    pub status: i32,
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Self {
            status: output.status.code().unwrap(),
            out: text(output.stdout),
            err: text(output.stderr),
        }
    }
}

impl Pair {
    /// `policy` is what stands in gpubox's table for devbox.
    pub fn new(policy: &str) -> Self {
        let pair = Self {
            dir: tempfile::tempdir().unwrap(),
        };
        std::fs::create_dir(pair.path("share")).unwrap();
        let run = format!(
            "[peer.devbox]\naccept = true\n{policy}\n[approver.alice]\nfor = \"all\"\n\
             [profile.default]\nagent = \"command\"\ncommand = [\"/bin/sh\"]\n"
        );
        for (node, rest) in [("devbox", "[peer.gpubox]\n"), ("gpubox", run.as_str())] {
            let home = pair.path(node);
            std::fs::create_dir_all(home.join("keys")).unwrap();
            let text = format!(
                "node = \"{node}\"\nroot = \"{}\"\nstate = \"{home}/state\"\nkeys = \"{home}/keys\"\n{rest}",
                pair.path("share").display(),
                home = home.display(),
            );
            std::fs::write(home.join("dispatch.toml"), text).unwrap();
            pair.good("dispatch", node, &["init"]);
        }
        pair.good(
            "dispatch",
            "devbox",
            &["key", "new-link", "gpubox", "--insecure-key"],
        );
        let armour = pair
            .good("dispatch", "devbox", &["key", "export", "gpubox"])
            .out;
        let said = pair.fed("dispatch", "gpubox", &["key", "import"], &armour);
        assert_eq!(said.status, 0, "{}", said.err);
        pair
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Moves something out of the way.
    pub fn aside(&self, from: &std::path::Path, to: &std::path::Path) {
        let _ = std::fs::remove_file(to);
        let _ = std::fs::remove_dir_all(to);
        std::fs::rename(from, to).unwrap();
    }

    /// Runs a program of the system.
    pub fn shell(&self, program: &str, arguments: &[&str]) -> Said {
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null());
        command.output().unwrap().into()
    }

    pub fn command(&self, program: &str, node: &str, arguments: &[&str]) -> Command {
        let bin = PathBuf::from(env!("CARGO_BIN_EXE_dispatch")).with_file_name(program);
        let mut command = Command::new(bin);
        command
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", self.path(node));
        command.current_dir(self.dir.path()).args(arguments);
        command
            .arg("--config")
            .arg(self.path(node).join("dispatch.toml"));
        // A test that waits for ever tells nothing.
        if arguments.first() == Some(&"wait") && !arguments.contains(&"--for") {
            command.args(["--for", "60s"]);
        }
        command.stdin(Stdio::null());
        command
    }

    pub fn run(&self, program: &str, node: &str, arguments: &[&str]) -> Said {
        self.command(program, node, arguments)
            .output()
            .unwrap()
            .into()
    }

    pub fn fed(&self, program: &str, node: &str, arguments: &[&str], input: &str) -> Said {
        use std::io::Write as _;
        let mut command = self.command(program, node, arguments);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child
            .stdin
            .take()
            .unwrap()
            .write_all(input.as_bytes())
            .unwrap();
        child.wait_with_output().unwrap().into()
    }

    pub fn good(&self, program: &str, node: &str, arguments: &[&str]) -> Said {
        let said = self.run(program, node, arguments);
        assert_eq!(
            said.status, 0,
            "{program} {arguments:?}: {}{}",
            said.out, said.err
        );
        said
    }

    /// Sends a request; returns its id and its path.
    pub fn send(&self, request: &str, more: &[&str]) -> (String, String) {
        let mut arguments = vec!["--to", "gpubox", "--request", request];
        arguments.extend(more);
        let said = self.good("dispatch-send", "devbox", &arguments);
        let (id, path) = said.out.trim_end().split_once('\t').unwrap();
        (id.to_owned(), path.to_owned())
    }

    pub fn names(&self, stage: &str) -> Vec<String> {
        let folder = self.path("share").join("devbox-to-gpubox").join(stage);
        let entries = std::fs::read_dir(folder).unwrap();
        entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    }
}

#[test]
fn a_task_travels_and_its_answer_decides_the_exit_status() {
    let pair = Pair::new("");
    let (good, path) = pair.send("echo forty-two", &[]);
    assert!(
        path.ends_with(&format!("devbox-to-gpubox/inbox/{good}.normal.g1.json")),
        "{path}"
    );
    let (bad, _) = pair.send("echo no; exit 3", &["--priority", "high"]);
    let early = pair.run("dispatch", "devbox", &["wait", &good, "--for", "0s"]);
    assert_eq!(early.status, 79, "{}", early.err);
    pair.good("dispatch-watch", "gpubox", &["--once"]);
    let said = pair.good("dispatch", "devbox", &["wait", &good]);
    assert_eq!(said.out, "forty-two\n");
    let said = pair.run("dispatch", "devbox", &["wait", &bad, "--json"]);
    assert_eq!(said.status, 1);
    let answer: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(
        (&answer["status"], &answer["exit_code"]),
        (&"error".into(), &3.into())
    );
    assert_eq!(answer["class"], "exit_status");
    let done = pair.names("done");
    assert!(done.contains(&format!("{good}.result.json")) && done.contains(&format!("{good}.log")));
    for stage in ["tmp", "inbox", "processing", "pending-ack"] {
        assert!(
            pair.names(stage).is_empty(),
            "{stage}: {:?}",
            pair.names(stage)
        );
    }
    let said = pair.good("dispatch", "gpubox", &["log", "--verify"]);
    assert!(said.out.contains("gpubox"), "{}", said.out);
}

#[test]
fn a_typo_in_the_addressee_is_an_error_that_lists_known_peers() {
    let pair = Pair::new("");
    let said = pair.run(
        "dispatch-send",
        "devbox",
        &["--to", "gpubx", "--request", "x"],
    );
    assert_eq!(said.status, 66);
    assert!(said.err.contains("known peers: gpubox"), "{}", said.err);
    assert!(said.err.contains("did you mean 'gpubox'?"), "{}", said.err);
    assert!(!pair.path("share").join("devbox-to-gpubx").is_dir());
}

#[test]
fn what_policy_refuses_is_answered_and_never_runs() {
    let pair = Pair::new("");
    let (id, _) = pair.send("touch ran", &["--dangerous"]);
    pair.good("dispatch-watch", "gpubox", &["--once"]);
    let said = pair.run("dispatch", "devbox", &["wait", &id]);
    assert_eq!(said.status, 77, "{}", said.err);
    assert!(
        said.err
            .contains("peer.devbox.dangerous on gpubox is false"),
        "{}",
        said.err
    );
}

#[test]
fn an_approval_is_shown_asked_for_and_signed() {
    let pair = Pair::new("require_ack = \"always\"");
    pair.good("dispatch", "gpubox", &["key", "new-link", "approver.alice"]);
    let (id, _) = pair.send("echo approved", &[]);
    pair.good("dispatch-watch", "gpubox", &["--once"]);
    assert_eq!(pair.names("pending-ack").len(), 1);
    let shown = pair.good("dispatch-ack", "gpubox", &["--show", &id]);
    assert!(shown.out.contains("echo approved"), "{}", shown.out);
    let refused = pair.run("dispatch-ack", "gpubox", &[&id]);
    assert_eq!(refused.status, 64, "no terminal, no --yes: {}", refused.err);
    pair.good("dispatch-ack", "gpubox", &[&id, "--yes"]);
    pair.good("dispatch-watch", "gpubox", &["--once"]);
    assert_eq!(
        pair.good("dispatch", "devbox", &["wait", &id]).out,
        "approved\n"
    );
    let (id, _) = pair.send("echo denied", &[]);
    pair.good("dispatch-watch", "gpubox", &["--once"]);
    pair.good(
        "dispatch-ack",
        "gpubox",
        &[&id, "--deny", "--reason", "not today", "--yes"],
    );
    pair.good("dispatch-watch", "gpubox", &["--once"]);
    let said = pair.run("dispatch", "devbox", &["wait", &id]);
    assert_eq!(said.status, 77);
    assert!(said.err.contains("not today"), "{}", said.err);
}

#[test]
fn a_task_file_runs_by_hand_once_and_only_if_it_is_proved() {
    let pair = Pair::new("");
    let (id, path) = pair.send("echo x >> \"$HOME\"/../ran; echo by hand", &[]);
    let copy = pair.path("copy.json");
    std::fs::copy(&path, &copy).unwrap();
    let said = pair.good("dispatch-exec", "gpubox", &[&path]);
    assert_eq!(said.out, "by hand\n");
    let again = pair.good("dispatch-exec", "gpubox", &[copy.to_str().unwrap()]);
    assert_eq!(
        again.out, "by hand\n",
        "the answer it had, not a second run"
    );
    let starts = pair
        .good("dispatch", "gpubox", &["log", "--event", "task_exec_start"])
        .out;
    assert_eq!(starts.lines().count(), 1, "{starts}");
    let forged = std::fs::read_to_string(&copy)
        .unwrap()
        .replace("by hand", "by fist");
    std::fs::write(&copy, forged).unwrap();
    let said = pair.run("dispatch-exec", "gpubox", &[copy.to_str().unwrap()]);
    assert_eq!(said.status, 77, "{}", said.err);
    assert_eq!(
        pair.good("dispatch", "devbox", &["wait", &id]).out,
        "by hand\n"
    );
}

#[test]
fn a_halt_holds_everything_back_and_says_so() {
    let pair = Pair::new("");
    pair.good("dispatch", "devbox", &["halt", "--reason", "new driver"]);
    let said = pair.good(
        "dispatch-send",
        "devbox",
        &["--to", "gpubox", "--request", "echo late"],
    );
    assert!(said.err.contains("new driver"), "{}", said.err);
    let id = said.out.split('\t').next().unwrap().to_owned();
    let watch = pair.run("dispatch-watch", "gpubox", &["--once"]);
    assert_eq!(watch.status, 69, "{}", watch.err);
    assert_eq!(pair.names("inbox").len(), 1, "it stays where it was");
    pair.good("dispatch", "gpubox", &["resume"]);
    pair.good("dispatch-watch", "gpubox", &["--once"]);
    assert_eq!(
        pair.good("dispatch", "devbox", &["wait", &id]).out,
        "late\n"
    );
}

#[test]
fn the_flags_and_variables_of_the_original_still_work() {
    let pair = Pair::new("");
    let bin = PathBuf::from(env!("CARGO_BIN_EXE_dispatch")).with_file_name("dispatch-send");
    let said: Said = Command::new(bin)
        .env_clear()
        .env("HOME", pair.path("devbox"))
        .env("DISPATCH_ROOT", pair.path("share"))
        .env("DISPATCH_NODE_A", "devbox")
        .env("DISPATCH_NODE_B", "gpubox")
        .args([
            "--to",
            "gpubox",
            "--from",
            "devbox",
            "--request",
            "echo old ways",
        ])
        .args(["--priority", "low", "--callback", "file", "--keys"])
        .arg(pair.path("devbox").join("keys"))
        .output()
        .unwrap()
        .into();
    assert_eq!(said.status, 0, "{}", said.err);
    let id = said.out.split('\t').next().unwrap();
    pair.good("dispatch-watch", "gpubox", &["--once", "--side", "gpubox"]);
    assert_eq!(
        pair.good("dispatch", "devbox", &["wait", id]).out,
        "old ways\n"
    );
}

#[test]
fn a_second_watcher_of_one_node_says_so_and_ends() {
    let pair = Pair::new("");
    let state = pair.path("gpubox").join("state");
    std::fs::create_dir_all(&state).unwrap();
    let held = dispatch::disk::LockFile::try_take(&state.join("watch.lock")).unwrap();
    let said = pair.run("dispatch-watch", "gpubox", &["--once"]);
    assert_eq!(said.status, 75);
    assert!(
        said.err.contains("another watcher of 'gpubox' runs"),
        "{}",
        said.err
    );
    drop(held);
    pair.good("dispatch-watch", "gpubox", &["--once"]);
}

#[test]
fn the_demo_ends_well_and_leaves_nothing() {
    let pair = Pair::new("");
    let tmp = pair.path("tmp");
    std::fs::create_dir(&tmp).unwrap();
    for more in [[].as_slice(), &["--ack"]] {
        let bin = PathBuf::from(env!("CARGO_BIN_EXE_dispatch"));
        let said: Said = Command::new(bin)
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("TMPDIR", &tmp)
            .arg("demo")
            .args(more)
            .output()
            .unwrap()
            .into();
        assert_eq!(said.status, 0, "{}{}", said.out, said.err);
        for hop in [
            "sealed",
            "published",
            "admitted",
            "started",
            "answered",
            "verified",
        ] {
            assert!(said.out.contains(hop), "{hop}: {}", said.out);
        }
        assert!(said.out.contains("6 x 7 = 42"), "{}", said.out);
        assert_eq!(
            std::fs::read_dir(&tmp).unwrap().count(),
            0,
            "everything is cleaned up"
        );
    }
}

#[test]
fn a_request_comes_from_standard_input_under_either_flag() {
    let pair = Pair::new("");
    for flag in ["--request", "--request-file"] {
        let arguments = ["--to", "gpubox", flag, "-"];
        let said = pair.fed(
            "dispatch-send",
            "devbox",
            &arguments,
            "echo through the pipe",
        );
        assert_eq!(said.status, 0, "{flag}: {}", said.err);
        let id = said.out.split('\t').next().unwrap();
        let shown = pair.good("dispatch", "devbox", &["show", id]).out;
        assert!(shown.contains("echo through the pipe"), "{shown}");
    }
    let arguments = ["--to", "gpubox", "--request-file", "no-such"];
    let said = pair.run("dispatch-send", "devbox", &arguments);
    assert_eq!(said.status, 66);
    assert!(said.err.contains("'no-such'"), "{}", said.err);
}

#[test]
fn a_program_named_after_a_verb_is_that_verb() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("dispatch-hello");
    std::fs::write(&program, "#!/bin/sh\necho \"$1\"; umask; exit 7\n").unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let run = |arguments: &[&str]| -> Said {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dispatch"));
        command.env_clear().env("PATH", folder.path());
        command.args(arguments).output().unwrap().into()
    };
    let said = run(&["hello", "--its-own"]);
    assert_eq!(said.status, 7, "{}", said.err);
    let mut lines = said.out.lines();
    assert_eq!(lines.next(), Some("--its-own"));
    // Ours is 007; the other program has the one that was given.
    assert_ne!(lines.next(), Some("0007"));
    let said = run(&["statuz"]);
    assert_eq!(said.status, 64);
    assert!(said.err.starts_with("dispatch: error: "), "{}", said.err);
    assert!(said.err.contains("'dispatch status'"), "{}", said.err);
    let said = run(&["../hello"]);
    assert_eq!(said.status, 64, "{}", said.err);
    // A verb though it has a program of its own, which is beside this one.
    let said = run(&["exec", "--version"]);
    assert!(said.out.starts_with("dispatch-exec "), "{}", said.err);
}

#[test]
fn every_program_says_in_one_voice_that_its_command_line_is_wrong() {
    let bin = PathBuf::from(env!("CARGO_BIN_EXE_dispatch"));
    for program in [
        "dispatch-send",
        "dispatch-watch",
        "dispatch-ack",
        "dispatch-exec",
    ] {
        let mut command = Command::new(bin.with_file_name(program));
        let said: Said = command.arg("--no-such").output().unwrap().into();
        assert_eq!(said.status, 64, "{program}: {}", said.err);
        for line in said.err.lines() {
            let ours = ["error", "hint"].map(|kind| format!("{program}: {kind}: "));
            assert!(ours.iter().any(|lead| line.starts_with(lead)), "{line}");
        }
    }
}

#[test]
fn an_answer_that_cannot_be_written_is_told_and_a_reader_that_left_is_not() {
    for arguments in [&["--layers"][..], &["--help"]] {
        let bin = PathBuf::from(env!("CARGO_BIN_EXE_dispatch")).with_file_name("dispatch-exec");
        let full = std::fs::File::options()
            .write(true)
            .open("/dev/full")
            .unwrap();
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let status = |out: Stdio| {
            let mut command = Command::new(&bin);
            command.args(arguments).stdout(out).stderr(Stdio::null());
            command.status().unwrap().code()
        };
        assert_eq!(status(full.into()), Some(74), "{arguments:?}");
        assert_eq!(status(writer.into()), Some(0), "{arguments:?}");
    }
}

#[test]
fn an_empty_request_is_refused_with_what_to_type() {
    let pair = Pair::new("");
    for request in ["", "  \n"] {
        let args = ["--to", "gpubox", "--request", request];
        let said = pair.run("dispatch-send", "devbox", &args);
        assert_eq!((said.status, said.out.as_str()), (65, ""), "{}", said.err);
        assert!(said.err.contains("hint: say what is to be done: --request"));
    }
}
