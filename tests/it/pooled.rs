//! A pool of two members from nothing, with the real programs and the commands of the README: three hosts, one share.
#![allow(clippy::unwrap_used, reason = "tests")]
#![expect(clippy::disallowed_methods, reason = "starts the programs")]

use std::io::Write as _;
use std::path::PathBuf;
use std::process::Child;
use std::process::Command;
use std::process::Output;
use std::process::Stdio;
use std::time::Duration;

#[cfg(target_os = "linux")]
mod ground;

/// Three hosts: each has a home of its own, and all see one folder.
struct Hosts {
    dir: tempfile::TempDir,
    root: PathBuf,
    watchers: Vec<Child>,
}

const MEMBERS: [&str; 2] = ["gpu1", "gpu2"];

impl Hosts {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("share")).unwrap();
        for host in ["devbox", "gpu1", "gpu2"] {
            dispatch::disk::make_dir(&dir.path().join(host).join("keys"), 0o700).unwrap();
        }
        Self {
            root: dir.path().join("share"),
            dir,
            watchers: Vec::new(),
        }
    }

    fn home(&self, host: &str) -> PathBuf {
        self.dir.path().join(host)
    }

    fn command(&self, host: &str, line: &str) -> Command {
        let mut words = line.split_whitespace();
        let program = match words.next().unwrap() {
            "dispatch" => env!("CARGO_BIN_EXE_dispatch"),
            "dispatch-send" => env!("CARGO_BIN_EXE_dispatch-send"),
            "dispatch-ack" => env!("CARGO_BIN_EXE_dispatch-ack"),
            "dispatch-watch" => env!("CARGO_BIN_EXE_dispatch-watch"),
            other => panic!("{other}"),
        };
        let mut command = Command::new(program);
        command
            .args(words)
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("DISPATCH_KEYS", self.home(host).join("keys"))
            .env("HOME", self.home(host));
        command
    }

    fn run(&self, host: &str, line: &str) -> (i32, String, String) {
        Self::told(self.command(host, line).output().unwrap())
    }

    fn told(output: Output) -> (i32, String, String) {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let code = output.status.code().unwrap_or(-1);
        (code, text(output.stdout), text(output.stderr))
    }

    fn good(&self, host: &str, line: &str) -> String {
        let (code, out, err) = self.run(host, line);
        assert_eq!(code, 0, "{host}: {line}\n{out}\n{err}");
        out
    }

    /// `dispatch key export PEER | ssh HOST dispatch key import`
    fn carry(&self, peer: &str, from: &str, to: &str) {
        let secret = self.good(from, &format!("dispatch key export {peer} --insecure-key"));
        let mut import = self.command(to, "dispatch key import --insecure-key");
        import
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let mut child = import.spawn().unwrap();
        child
            .stdin
            .take()
            .unwrap()
            .write_all(secret.as_bytes())
            .unwrap();
        assert!(child.wait().unwrap().success(), "{peer} to {to}");
    }

    fn init(&self) {
        let root = self.root.display().to_string();
        let pool = "--pool gpu=gpu1,gpu2";
        self.good(
            "devbox",
            &format!("dispatch init --root {root} --side devbox {pool}"),
        );
        for member in MEMBERS {
            self.good(
                member,
                &format!(
                    "dispatch init --root {root} --side {member} --accept devbox {pool} -- /bin/sh"
                ),
            );
        }
    }

    fn keys(&self) {
        self.good("devbox", "dispatch key new-link pool.gpu --insecure-key");
        for member in MEMBERS {
            self.good(
                "devbox",
                &format!("dispatch key new-link {member} --insecure-key"),
            );
            self.carry("pool.gpu", "devbox", member);
            self.carry(member, "devbox", member);
        }
    }

    fn watch(&mut self, host: &str) {
        let log = std::fs::File::create(self.home(host).join("log")).unwrap();
        let mut watch = self.command(host, "dispatch-watch --insecure-key");
        watch.stdout(Stdio::null()).stderr(log);
        self.watchers.push(watch.spawn().unwrap());
    }

    /// Sends a line of shell to the pool; tried again while nobody is there.
    fn send(&self, request: &str, more: &str) -> (i32, String, String) {
        for _ in 0..150 {
            let mut send = self.command("devbox", "dispatch-send --to pool.gpu --insecure-key");
            send.args(more.split_whitespace())
                .args(["--request", request]);
            let told = Self::told(send.output().unwrap());
            if told.0 != 75 {
                return told;
            }
            std::thread::sleep(Duration::from_millis(200));
        }
        panic!("no member is ever there");
    }

    fn until(&self, host: &str, line: &str, wanted: &str) -> String {
        let mut last = String::new();
        for _ in 0..150 {
            let (_, out, err) = self.run(host, line);
            last = out + &err;
            if last.contains(wanted) {
                return last;
            }
            std::thread::sleep(Duration::from_millis(200));
        }
        panic!("'{line}' on {host} never says '{wanted}':\n{last}");
    }
}

impl Drop for Hosts {
    fn drop(&mut self) {
        for watcher in &mut self.watchers {
            let _ = watcher.kill();
            let _ = watcher.wait();
        }
    }
}

fn id_of(out: &str) -> String {
    out.split('\t').next().unwrap().to_owned()
}

#[test]
fn a_pool_that_is_not_whole_says_what_is_missing() {
    let hosts = Hosts::new();
    hosts.init();
    let (code, out, _) = hosts.run("devbox", "dispatch-watch --check --insecure-key");
    assert_eq!(code, 78, "{out}");
    assert!(out.contains("FAIL pool gpu"), "{out}");
    assert!(
        out.contains("'dispatch key new-link pool.gpu' on devbox"),
        "{out}"
    );
    let (code, _, err) = hosts.run("devbox", "dispatch key new-link pool.gpu --insecure-key");
    assert_eq!(code, 0, "{err}");
    assert!(
        err.contains("dispatch key export pool.gpu | ssh gpu2 dispatch key import"),
        "{err}"
    );
    assert!(err.contains("dispatch key new-link gpu1"), "{err}");
    let (_, out, _) = hosts.run("gpu1", "dispatch-watch --check --insecure-key");
    assert!(
        out.contains("no key for tasks from 'devbox' to 'pool.gpu'"),
        "{out}"
    );
    hosts.carry("pool.gpu", "devbox", "gpu1");
    let (_, out, _) = hosts.run("gpu1", "dispatch-watch --check --insecure-key");
    assert!(out.contains("ok   pool gpu"), "{out}");
    assert!(out.contains("FAIL peer devbox"), "{out}");
    // Nobody there: nothing is sent.
    let send = "dispatch-send --to pool.gpu --request true --insecure-key";
    let (code, out, err) = hosts.run("devbox", send);
    assert_eq!((code, out.as_str()), (75, ""), "{err}");
    assert!(err.contains("no member of pool.gpu is alive"), "{err}");
    let (code, out, err) = hosts.run("devbox", &format!("{send} --anyway"));
    assert_eq!(code, 0, "{err}");
    assert!(
        err.contains("starts this only with a word of this node's watcher"),
        "{err}"
    );
    let (_, why, _) = hosts.run(
        "devbox",
        &format!("dispatch why {} --insecure-key", id_of(&out)),
    );
    assert!(
        why.contains("this node's watcher must let it start, and none runs"),
        "{why}"
    );
    let (code, _, err) = hosts.run(
        "devbox",
        "dispatch-send --to pool.gup --request x --insecure-key",
    );
    assert_eq!(code, 66, "{err}");
    assert!(err.contains("known pools: gpu"), "{err}");
}

#[test]
fn a_pool_from_nothing_runs_what_is_sent_to_it() {
    let mut hosts = Hosts::new();
    hosts.init();
    hosts.keys();
    for member in MEMBERS {
        let config = hosts.home(member).join(".config/dispatch/dispatch.toml");
        let mut file = std::fs::OpenOptions::new()
            .append(true)
            .open(config)
            .unwrap();
        writeln!(file, "\n[approver.alice]\nfor = \"all\"").unwrap();
        hosts.good(
            member,
            "dispatch key new-link approver.alice --insecure-key",
        );
    }
    for host in ["devbox", "gpu1", "gpu2"] {
        hosts.good(host, "dispatch-watch --check --insecure-key");
    }
    for host in ["devbox", "gpu1", "gpu2"] {
        hosts.watch(host);
    }
    let (code, out, err) = hosts.send("echo forty-two", "--wait=90s");
    assert_eq!((code, out.as_str()), (0, "forty-two\n"), "{err}");
    let (code, out, err) = hosts.send("echo again", "--idempotent --wait=90s");
    assert_eq!((code, out.as_str()), (0, "again\n"), "{err}");

    let other = "dispatch-send --to pool.gpu --profile lab --request x --insecure-key";
    let (code, _, err) = hosts.run("devbox", other);
    assert_eq!(code, 75, "{err}");
    assert!(
        err.contains("offers profile 'lab'; offered: default"),
        "{err}"
    );
}

mod told;

#[test]
fn what_a_member_parks_or_runs_is_decided_and_ended_there() {
    let mut hosts = Hosts::new();
    hosts.init();
    hosts.keys();
    for member in MEMBERS {
        let config = hosts.home(member).join(".config/dispatch/dispatch.toml");
        let mut file = std::fs::OpenOptions::new()
            .append(true)
            .open(config)
            .unwrap();
        writeln!(file, "\n[approver.alice]\nfor = \"all\"").unwrap();
        hosts.good(
            member,
            "dispatch key new-link approver.alice --insecure-key",
        );
    }
    for host in ["devbox", "gpu1", "gpu2"] {
        hosts.watch(host);
    }
    let (code, out, err) = hosts.send("echo approved", "--ack");
    assert_eq!(code, 0, "{err}");
    let id = id_of(&out);
    let why = format!("dispatch why {id} --insecure-key");
    let told = hosts.until("devbox", &why, "waits for an approval");
    let member = MEMBERS
        .into_iter()
        .find(|member| told.contains(&format!("{member} holds it")));
    let member = member.unwrap();
    let other = MEMBERS.into_iter().find(|other| *other != member).unwrap();
    assert!(
        !hosts
            .good(other, "dispatch-ack --insecure-key")
            .contains(&id)
    );
    hosts.good(member, &format!("dispatch-ack {id} --yes --insecure-key"));
    let wait = format!("dispatch wait --for 90s {id} --insecure-key");
    assert_eq!(hosts.good("devbox", &wait), "approved\n");

    let (_, out, _) = hosts.send("sleep 100", "");
    let id = id_of(&out);
    let why = format!("dispatch why {id} --insecure-key");
    hosts.until("devbox", &why, "it runs on gpu");
    let status = hosts.run("devbox", "dispatch status --insecure-key").1;
    assert!(status.contains("pool.gpu"), "{status}");
    assert!(
        status
            .lines()
            .any(|line| line.contains(&id) && line.contains("started")),
        "{status}"
    );
    let cancel = format!("dispatch cancel {id} --wait=90s --insecure-key");
    let (code, _, err) = hosts.run("devbox", &cancel);
    assert_eq!(code, 1, "{err}");
    assert!(err.contains("cancelled"), "{err}");
}
