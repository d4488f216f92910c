//! `scripts/verify-seal` agrees with the library, and never puts a secret where other users could read it.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]
#![expect(clippy::disallowed_methods, reason = "runs a script")]

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;

const SECRET: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
/// The derived key of the published task: as secret as what it is derived from.
const DERIVED: &str = "d9ddc214dd80d8bdb1c24a8fee5ac707289d14886f2ad8e9a9730462a5c19c41";
const TOOLS: &[&str] = &[
    "od", "tr", "sed", "head", "tail", "cut", "wc", "cat", "printf",
];

fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn which(program: &str) -> Option<PathBuf> {
    let found = |dir: &&str| Path::new(dir).join(program).metadata().is_ok();
    let dir = ["/usr/bin", "/bin", "/usr/local/bin"].into_iter();
    dir.clone()
        .find(found)
        .map(|dir| Path::new(dir).join(program))
}

/// A directory of programs that write down their arguments before they do their work.
struct Bench {
    dir: tempfile::TempDir,
}

impl Bench {
    fn with(hash: &str) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let arguments = dir.path().join("arguments");
        std::fs::create_dir(dir.path().join("bin")).unwrap();
        for tool in TOOLS.iter().chain([&hash]) {
            let real = which(tool)?;
            let text = format!(
                "#!/bin/sh\nprintf '%s\\n' \"$@\" >>{}\nexec {} \"$@\"\n",
                arguments.display(),
                real.display()
            );
            let path = dir.path().join("bin").join(tool);
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        }
        let key = format!(
            "{{\n  \"schema\": 1,\n  \"kid\": \"k2026a\",\n  \"alg\": \"hs256\",\n  \"secret\": \"{SECRET}\"\n}}\n"
        );
        std::fs::write(dir.path().join("key"), key).unwrap();
        Some(Self { dir })
    }

    fn run(&self, file: &Path, from: &str, to: &str, kind: &str) -> (String, Option<i32>) {
        let output = Command::new("/bin/sh")
            .arg(here("scripts/verify-seal"))
            .arg(file)
            .arg(self.dir.path().join("key"))
            .args([from, to, kind])
            .env_clear()
            .env("PATH", self.dir.path().join("bin"))
            .output()
            .unwrap();
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(errors, "");
        let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        (said, output.status.code())
    }

    fn changed(&self, change: impl FnOnce(String) -> String) -> PathBuf {
        let text = std::fs::read_to_string(here("tests/vectors/task.json")).unwrap();
        let path = self.dir.path().join("changed.json");
        std::fs::write(&path, change(text)).unwrap();
        path
    }
}

fn agrees(bench: &Bench) {
    let ok = ("ok".to_owned(), Some(0));
    for (kind, from, to) in [
        ("task", "devbox", "gpubox"),
        ("ack", "approver.alice", "gpubox"),
        ("result", "gpubox", "devbox"),
        ("heartbeat", "gpubox", "devbox"),
        ("cancel", "devbox", "gpubox"),
        ("lease", "gpubox", "devbox"),
    ] {
        let file = here(&format!("tests/vectors/{kind}.json"));
        assert_eq!(bench.run(&file, from, to, kind), ok, "{kind}");
        let reflected = bench.run(&file, to, from, kind);
        assert_eq!(reflected, ("E_MAC".to_owned(), Some(77)), "{kind}");
    }
}

#[test]
#[expect(clippy::print_stderr, reason = "a test that skips itself says so")]
fn the_script_agrees_on_every_published_document_with_either_program() {
    for hash in ["openssl", "sha256sum"] {
        match Bench::with(hash) {
            Some(bench) => agrees(&bench),
            None => eprintln!("skipped: {hash} or a tool beside it is not installed"),
        }
    }
}

#[test]
#[expect(clippy::print_stderr, reason = "a test that skips itself says so")]
fn the_script_names_what_is_wrong_and_no_argument_holds_a_secret() {
    let Some(bench) = Bench::with("openssl") else {
        eprintln!("skipped: openssl or a tool beside it is not installed");
        return;
    };
    type Change = fn(String) -> String;
    let changes: [(&str, i32, Change); 8] = [
        ("E_MAC", 77, |text| text.replacen("tests", "Tests", 1)),
        ("E_KID", 77, |text| text.replacen("k2026a", "k2026c", 1)),
        ("E_FRAME", 65, |text| text.replacen("hs256", "none", 1)),
        ("E_FRAME", 65, |text| text.replace('\n', "\r\n")),
        ("E_FRAME", 65, |text| format!("\u{feff}{text}")),
        ("E_FRAME", 65, |text| text.trim_end().to_owned()),
        ("E_FRAME", 65, |text| text.replacen("7b\"\n", "7B\"\n", 1)),
        ("E_FRAME", 65, |text| text.chars().take(1).collect()),
    ];
    for (expected, status, change) in changes {
        let file = bench.changed(change);
        let said = bench.run(&file, "devbox", "gpubox", "task");
        assert_eq!(said, (expected.to_owned(), Some(status)));
    }
    let file = here("tests/vectors/task.json");
    assert_eq!(bench.run(&file, "devbox", "gpubox", "task").0, "ok");
    let arguments = std::fs::read_to_string(bench.dir.path().join("arguments")).unwrap();
    assert!(
        arguments.contains("-sha256"),
        "the arguments were written down"
    );
    assert!(!arguments.contains(SECRET) && !arguments.contains(DERIVED));
}

/// With the public half alone: the same answers as the suite of signed documents gives.
#[test]
#[expect(clippy::print_stderr, reason = "a test that skips itself says so")]
fn the_script_checks_signatures_with_a_public_half() {
    let tools = ["mktemp", "rm", "openssl"].map(which);
    let (true, Some(bench)) = (tools.iter().all(Option::is_some), Bench::with("openssl")) else {
        eprintln!("skipped: openssl or a tool beside it is not installed");
        return;
    };
    for (name, path) in ["mktemp", "rm"].iter().zip(tools) {
        let link = bench.dir.path().join("bin").join(name);
        std::os::unix::fs::symlink(path.unwrap(), link).unwrap();
    }
    let suite = std::fs::read(here("tests/vectors/ed25519.json")).unwrap();
    let suite: serde_json::Value = serde_json::from_slice(&suite).unwrap();
    let key = &suite["keys"][1];
    let form = serde_json::json!({
        "schema": 1, "kid": key["kid"], "alg": "ed25519", "signer": key["signer"], "public": key["public_hex"],
    });
    std::fs::write(bench.dir.path().join("key"), form.to_string()).unwrap();
    let cases = ["ok", "bad"].map(|list| suite[list].as_array().unwrap().clone());
    let of_key = |case: &&serde_json::Value| case["from"] == "devbox" && case["to"] == "gpubox";
    for case in cases.concat().iter().filter(of_key) {
        let text = |name: &str| case[name].as_str().unwrap_or_default();
        let bytes = base64::Engine::decode(&base64::prelude::BASE64_STANDARD, text("file_b64"));
        let file = bench.dir.path().join("signed.json");
        std::fs::write(&file, bytes.unwrap()).unwrap();
        let (said, status) = bench.run(&file, text("from"), text("to"), text("kind"));
        let expected = case
            .get("expect")
            .map_or("ok", |code| code.as_str().unwrap());
        assert_eq!(said, expected, "{}", text("name"));
        let known = [("ok", 0), ("E_FRAME", 65), ("E_KID", 77), ("E_MAC", 77)];
        assert!(known.contains(&(said.as_str(), status.unwrap())));
    }
}
