//! `dispatch key`, `seal` and `verify` as programs: two hosts are paired, a secret is changed and dropped, and it never
//! goes anywhere but through the pipe.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]
#![expect(
    clippy::disallowed_methods,
    reason = "runs programs and writes their inputs"
)]

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::process::Output;
use std::process::Stdio;

/// Two hosts with a folder of keys each, and one share.
struct Bench {
    dir: tempfile::TempDir,
}

struct Said {
    out: String,
    err: String,
    status: i32,
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let status = output.status.code().unwrap();
        Self {
            out: text(output.stdout),
            err: text(output.stderr),
            status,
        }
    }
}

impl Bench {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("share")).unwrap();
        Self { dir }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn command(&self, host: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dispatch"));
        command
            .env_clear()
            .current_dir(self.dir.path())
            .args(arguments);
        command
            .arg("--side")
            .arg(host)
            .arg("--keys")
            .arg(self.path(host));
        command
            .arg("--root")
            .arg(self.path("share"))
            .stdin(Stdio::null());
        command
    }

    fn run(&self, host: &str, arguments: &[&str]) -> Said {
        self.command(host, arguments).output().unwrap().into()
    }

    fn feed(&self, host: &str, arguments: &[&str], input: &str) -> Said {
        let mut command = self.command(host, arguments);
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

    /// Runs what must succeed.
    fn good(&self, host: &str, arguments: &[&str]) -> Said {
        let said = self.run(host, arguments);
        assert_eq!(said.status, 0, "{arguments:?}: {}", said.err);
        said
    }

    /// Carries the newest key of a link from one host to another.
    fn carry(&self, from: &str, peer: &str, to: &str) -> Said {
        let armour = self.good(from, &["key", "export", peer]).out;
        let said = self.feed(to, &["key", "import"], &armour);
        assert_eq!(said.status, 0, "{}", said.err);
        said
    }

    /// The id, uses and fingerprint of every key of a host.
    fn keys(&self, host: &str) -> Vec<(String, String, String)> {
        let said = self.good(host, &["key", "list", "--json"]);
        let each = said.out.lines().map(|line| {
            let object: serde_json::Value = serde_json::from_str(line).unwrap();
            assert_eq!(object["version"], 1);
            let text = |name: &str| object[name].as_str().unwrap().to_owned();
            let uses = object["use"].to_string();
            (text("kid"), uses, text("fingerprint"))
        });
        each.collect()
    }

    fn secrets(&self, host: &str) -> Vec<String> {
        let read = |path: PathBuf| std::fs::read_to_string(path).unwrap();
        let files = std::fs::read_dir(self.path(host)).unwrap();
        let texts = files.map(|entry| read(entry.unwrap().path()));
        let secret = |text: String| {
            let form: serde_json::Value = serde_json::from_str(&text).unwrap();
            form["secret"].as_str().unwrap().to_owned()
        };
        texts.map(secret).collect()
    }
}

fn is_empty(path: &Path) -> bool {
    std::fs::read_dir(path).unwrap().next().is_none()
}

#[test]
fn two_hosts_are_paired_with_one_command_and_one_pipe() {
    let bench = Bench::new();
    let made = bench.good("devbox", &["key", "new-link", "gpubox"]);
    bench.carry("devbox", "gpubox", "gpubox");
    assert_eq!(bench.keys("devbox"), bench.keys("gpubox"));
    let fingerprint = &bench.keys("devbox")[0].2;
    assert!(made.out.contains(fingerprint), "{}", made.out);
    let again = bench.carry("devbox", "gpubox", "gpubox");
    assert!(again.err.contains("already here"), "{}", again.err);
    let shown = bench.good("gpubox", &["key", "list"]);
    assert!(shown.out.contains(fingerprint), "{}", shown.out);
    for secret in bench.secrets("devbox") {
        assert!(!format!("{}{}{}", made.out, made.err, shown.out).contains(&secret));
    }
    assert!(
        is_empty(&bench.path("share")),
        "nothing was written to the share"
    );
}

#[test]
fn what_would_endanger_a_secret_is_refused() {
    let bench = Bench::new();
    bench.good("devbox", &["key", "new-link", "gpubox"]);
    let twice = bench.run("devbox", &["key", "new-link", "gpubox"]);
    assert_eq!(twice.status, 73, "{}", twice.err);
    let target = File::create(bench.path("share").join("key.txt")).unwrap();
    let mut export = bench.command("devbox", &["key", "export", "gpubox"]);
    let refused = Said::from(export.stdout(target).output().unwrap());
    assert_eq!(refused.status, 77, "{}", refused.err);
    let written = std::fs::read(bench.path("share").join("key.txt")).unwrap();
    assert!(written.is_empty(), "not one byte went to the share");
    let on_share = bench.path("share").join("keys");
    let on_share = [
        "key",
        "new-link",
        "gpubox",
        "--keys",
        on_share.to_str().unwrap(),
    ];
    let mut command = Command::new(env!("CARGO_BIN_EXE_dispatch"));
    command
        .env_clear()
        .args(on_share)
        .arg("--side")
        .arg("devbox");
    let refused = Said::from(
        command
            .arg("--root")
            .arg(bench.path("share"))
            .output()
            .unwrap(),
    );
    assert_ne!(refused.status, 0);
    assert!(refused.err.contains("lies on the share"), "{}", refused.err);
    let armour = bench.good("devbox", &["key", "export", "gpubox"]).out;
    let stranger = bench.feed("laptop", &["key", "import"], &armour);
    assert_eq!(
        stranger.status, 77,
        "a link of two other nodes: {}",
        stranger.err
    );
    for broken in [&armour[..200], "", &armour.replacen("gpubox", "laptop", 1)] {
        let refused = bench.feed("gpubox", &["key", "import"], broken);
        assert_eq!(refused.status, 65, "{}", refused.err);
    }
    assert!(!bench.path("gpubox").join("devbox--gpubox").is_file());
    assert_eq!(
        bench.run("gpubox", &["key", "list"]).status,
        1,
        "nothing was kept"
    );
    assert_eq!(bench.run("gpubox", &["key", "export", "devbox"]).status, 66);
}

#[test]
fn a_secret_is_changed_in_two_steps_and_dropped() {
    let bench = Bench::new();
    let both = r#"["sign","verify"]"#;
    let only = r#"["verify"]"#;
    let uses = |host: &str| -> Vec<String> {
        let mut keys = bench.keys(host);
        // Ids of one day sort by chance; the order of making is told by who signs at the start.
        keys.sort_by_key(|key| key.0.clone());
        keys.into_iter().map(|key| key.1).collect()
    };
    let sorted = |mut uses: Vec<String>| {
        uses.sort();
        uses
    };
    bench.good("devbox", &["key", "new-link", "gpubox", "--kid", "a1"]);
    bench.carry("devbox", "gpubox", "gpubox");
    assert_eq!(
        bench
            .run("devbox", &["key", "rotate", "gpubox", "--flip"])
            .status,
        1
    );
    bench.good("devbox", &["key", "rotate", "gpubox"]);
    assert_eq!(bench.run("devbox", &["key", "rotate", "gpubox"]).status, 73);
    bench.carry("devbox", "gpubox", "gpubox");
    assert_eq!(uses("devbox"), [both, only]);
    assert_eq!(uses("gpubox"), [both, only]);
    // Either side may go first: both already check both.
    bench.good("gpubox", &["key", "rotate", "devbox", "--flip"]);
    assert_eq!(uses("gpubox"), [only, both]);
    assert_eq!(uses("devbox"), [both, only]);
    bench.good("devbox", &["key", "rotate", "gpubox", "--flip"]);
    assert_eq!(sorted(uses("devbox")), [both, only]);
    for (host, peer) in [("devbox", "gpubox"), ("gpubox", "devbox")] {
        assert_eq!(bench.run(host, &["key", "revoke", peer, "nope"]).status, 66);
        bench.good(host, &["key", "revoke", peer, "a1"]);
        assert_eq!(uses(host), [both]);
        assert!(
            bench
                .path(host)
                .join("devbox--gpubox.a1.key.revoked")
                .is_file()
        );
    }
}

#[test]
fn approvers_and_the_original_have_keys_of_their_own() {
    let bench = Bench::new();
    bench.good("gpubox", &["key", "new-link", "approver.alice"]);
    let carried = bench.carry("gpubox", "approver.alice", "devbox");
    assert!(
        carried.out.starts_with("approver.alice gpubox\t"),
        "{}",
        carried.out
    );
    let text = format!("{}\n", "ab".repeat(32));
    let said = bench.feed("gpubox", &["key", "import", "--v2", "devbox"], &text);
    assert_eq!(said.status, 0, "{}", said.err);
    let shown = bench.good("gpubox", &["key", "list"]).out;
    assert!(
        shown.contains("  v2  ") || shown.contains("  v2     "),
        "{shown}"
    );
    let short = bench.feed("gpubox", &["key", "import", "--v2", "devbox"], "secret\n");
    assert_eq!(short.status, 65, "{}", short.err);
    // A key of the original is no key of a link.
    assert_eq!(bench.run("gpubox", &["key", "export", "devbox"]).status, 66);
    bench.good("gpubox", &["key", "new-link", "devbox"]);
}

/// What every key of a host says of itself, by its id.
fn listed(bench: &Bench, host: &str, kid: &str) -> serde_json::Value {
    let said = bench.good(host, &["key", "list", "--json"]);
    let each = said
        .out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap());
    let mut each = each.filter(|key: &serde_json::Value| key["kid"] == kid);
    each.next().unwrap()
}

#[test]
fn of_a_key_that_signs_only_the_public_half_leaves_its_host() {
    let bench = Bench::new();
    bench.good("devbox", &["key", "new-link", "gpubox", "--kid", "a1"]);
    bench.carry("devbox", "gpubox", "gpubox");
    let made = bench.good("devbox", &["key", "new-sign", "gpubox", "--kid", "s1"]);
    assert!(
        made.err.contains("--flip"),
        "the link goes on: {}",
        made.err
    );
    let twice = bench.run("devbox", &["key", "new-sign", "gpubox"]);
    assert_eq!(twice.status, 73, "{}", twice.err);
    let armour = bench.carry("devbox", "gpubox", "gpubox");
    assert!(armour.out.contains("\ts1\t"), "{}", armour.out);
    let seed = std::fs::read_to_string(bench.path("devbox").join("devbox--gpubox.s1.key"));
    let seed: serde_json::Value = serde_json::from_str(&seed.unwrap()).unwrap();
    let seed = seed["secret"].as_str().unwrap().to_owned();
    let theirs = std::fs::read_to_string(bench.path("gpubox").join("devbox--gpubox.s1.key"));
    let theirs = theirs.unwrap();
    assert!(
        !theirs.contains(&seed) && !theirs.contains("\"secret\""),
        "{theirs}"
    );
    let sent = bench.good("devbox", &["key", "export", "gpubox", "--kid", "s1"]);
    assert!(!format!("{}{}{}", sent.out, sent.err, made.out).contains(&seed));
    let (here, there) = (
        listed(&bench, "devbox", "s1"),
        listed(&bench, "gpubox", "s1"),
    );
    assert_eq!(here["fingerprint"], there["fingerprint"]);
    assert_eq!(
        (&here["secret"], &there["secret"]),
        (&true.into(), &false.into())
    );
    assert_eq!(
        (&here["signer"], &there["signer"]),
        (&"devbox".into(), &"devbox".into())
    );
    // Both were made to check only, until the one that signs is let sign; the shared secret goes on for the answers.
    assert_eq!(here["use"], serde_json::json!(["verify"]));
    bench.good("devbox", &["key", "rotate", "gpubox", "--flip"]);
    let both = serde_json::json!(["sign", "verify"]);
    assert_eq!(listed(&bench, "devbox", "s1")["use"], both);
    assert_eq!(listed(&bench, "devbox", "a1")["use"], both);
    // The other host has nothing to let sign but the shared secret.
    assert_eq!(
        bench
            .run("gpubox", &["key", "rotate", "devbox", "--flip"])
            .status,
        1
    );
}

#[test]
fn a_key_that_signs_is_changed_in_two_steps_and_dropped() {
    let bench = Bench::new();
    let alice = "approver.alice";
    let new = ["key", "new-sign", "gpubox", "--as", alice, "--kid", "s1"];
    let made = bench.good("devbox", &new);
    assert!(
        made.out.starts_with("approver.alice gpubox\ts1\t"),
        "{}",
        made.out
    );
    assert!(
        !made.err.contains("--flip"),
        "nothing else seals there: {}",
        made.err
    );
    bench.carry("devbox", alice, "gpubox");
    let both = serde_json::json!(["sign", "verify"]);
    assert_eq!(listed(&bench, "devbox", "s1")["use"], both);
    let next = bench.good("devbox", &["key", "rotate", alice]).out;
    let next = next.split('\t').nth(1).unwrap();
    assert_eq!(listed(&bench, "devbox", next)["signer"], alice);
    let waits = serde_json::json!(["verify"]);
    assert_eq!(listed(&bench, "devbox", next)["use"], waits);
    let carried = bench.carry("devbox", alice, "gpubox");
    assert!(carried.out.contains(next), "the newest: {}", carried.out);
    bench.good("devbox", &["key", "rotate", alice, "--flip"]);
    assert_eq!(listed(&bench, "devbox", next)["use"], both);
    assert_eq!(listed(&bench, "devbox", "s1")["use"], waits);
    // The other host holds public halves: nothing to change, and nothing to change it with.
    assert_eq!(bench.run("gpubox", &["key", "rotate", alice]).status, 66);
    for host in ["devbox", "gpubox"] {
        bench.good(host, &["key", "revoke", alice, "s1"]);
    }
    for usage in [
        ["key", "new-sign", "gpubox", "--as", "laptop"],
        ["key", "new-sign", "pool.gpu", "--as", alice],
        ["key", "new-sign", alice, "--kid", "x"],
        ["key", "new-sign", "devbox", "--kid", "x"],
    ] {
        assert_eq!(bench.run("devbox", &usage).status, 64, "{usage:?}");
    }
}

/// `dispatch verify` says what the suite says, and `dispatch seal` makes what is in the suite.
#[test]
fn documents_are_sealed_and_verified_by_hand() {
    let bench = Bench::new();
    let key = r#"{"schema":1,"kid":"k2026a","alg":"hs256","peers":["devbox","gpubox"],
        "secret":"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
        "created":"2026-01-01T00:00:00Z","use":["sign","verify"]}"#;
    std::fs::create_dir(bench.path("gpubox")).unwrap();
    let path = bench.path("gpubox").join("k.key");
    std::fs::write(&path, key).unwrap();
    let closed = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(&path, closed).unwrap();
    let task = format!("{}/tests/vectors/task.json", env!("CARGO_MANIFEST_DIR"));
    let verify = |file: &str, from: &str, to: &str, more: &[&str]| {
        let place = ["verify", file, "--kind", "task", "--from", from, "--to", to];
        let said = bench.run("gpubox", &[&place, more].concat());
        (said.out.trim().to_owned(), said.status)
    };
    let ok = ("ok".to_owned(), 0);
    let now = ["--now", "2026-11-20T06:10:00Z"];
    assert_eq!(verify(&task, "devbox", "gpubox", &now), ok);
    assert_eq!(verify(&task, "devbox", "gpubox", &["--any-time"]), ok);
    let late = verify(
        &task,
        "devbox",
        "gpubox",
        &["--now", "2026-11-21T06:10:00Z"],
    );
    assert_eq!(late, ("E_EXPIRED".to_owned(), 77));
    assert_eq!(
        verify(&task, "gpubox", "devbox", &now),
        ("E_MAC".to_owned(), 77)
    );
    assert_eq!(
        verify(&task, "laptop", "gpubox", &now),
        ("E_KID".to_owned(), 77)
    );
    assert_eq!(verify("none.json", "devbox", "gpubox", &now).1, 66);
    let text = std::fs::read_to_string(&task).unwrap();
    let cut = bench.path("cut.json");
    std::fs::write(&cut, &text[..300]).unwrap();
    let cut = verify(cut.to_str().unwrap(), "devbox", "gpubox", &now);
    assert_eq!(cut, ("E_FRAME".to_owned(), 65));
    let body = text.split(",\n  \"auth\"").next().unwrap();
    let sealed = bench.feed("gpubox", &["seal"], &format!("{body}\n}}\n"));
    assert_eq!(sealed.out, text, "{}", sealed.err);
    let refused = bench.feed("gpubox", &["seal"], &text);
    assert_eq!((refused.out.as_str(), refused.status), ("", 65));
    let other = body.replacen("gpubox", "laptop", 1);
    let refused = bench.feed("gpubox", &["seal"], &format!("{other}\n}}\n"));
    assert_eq!((refused.out.as_str(), refused.status), ("", 77));
}
