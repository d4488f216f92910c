//! Signatures as a person sets them up: two hosts, real programs, and nothing on the one that checks that could sign.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]
#![expect(
    clippy::disallowed_methods,
    reason = "reads what lies about and runs a script"
)]

use super::programs::Pair;

/// Carries what a host exports to the other one.
fn carry(pair: &Pair, peer: &str) {
    let armour = pair
        .good("dispatch", "devbox", &["key", "export", peer])
        .out;
    let said = pair.fed("dispatch", "gpubox", &["key", "import"], &armour);
    assert_eq!(said.status, 0, "{}", said.err);
}

/// The secrets in the files of keys of a host.
fn secrets(pair: &Pair, host: &str) -> Vec<String> {
    let files = std::fs::read_dir(pair.path(host).join("keys")).unwrap();
    let read = |entry: std::io::Result<std::fs::DirEntry>| std::fs::read(entry.unwrap().path());
    let forms = files.map(|entry| serde_json::from_slice(&read(entry).unwrap()).unwrap());
    let secret = |form: serde_json::Value| Some(form.get("secret")?.as_str()?.to_owned());
    forms.filter_map(secret).collect()
}

#[test]
fn a_node_that_holds_only_public_halves_takes_nothing_that_it_could_have_made() {
    let pair = Pair::new("require_ack = \"always\"\nrequire_signature = true");
    let check = pair.run("dispatch-watch", "gpubox", &["--check"]);
    let said = format!("{}{}", check.out, check.err);
    assert!(
        said.contains("no public half of its key for 'gpubox'"),
        "{said}"
    );
    let (id, _) = pair.send("echo sealed", &[]);
    pair.good("dispatch-watch", "gpubox", &["--once"]);
    let refused = pair.run("dispatch", "devbox", &["wait", &id]);
    assert_eq!(refused.status, 77, "{}", refused.err);
    let setting = "peer.devbox.require_signature on gpubox is true";
    assert!(refused.err.contains(setting), "{}", refused.err);

    pair.good("dispatch", "devbox", &["key", "new-sign", "gpubox"]);
    carry(&pair, "gpubox");
    pair.good("dispatch", "devbox", &["key", "rotate", "gpubox", "--flip"]);
    let alice = ["key", "new-sign", "gpubox", "--as", "approver.alice"];
    pair.good("dispatch", "devbox", &alice);
    carry(&pair, "approver.alice");
    let check = pair.run("dispatch-watch", "gpubox", &["--check"]);
    let said = format!("{}{}", check.out, check.err);
    assert!(
        !said.contains("public half") && !said.contains("no key of this approver"),
        "{said}"
    );
    // Of three keys, gpubox has the secret of the one that both share.
    let (here, there) = (secrets(&pair, "devbox"), secrets(&pair, "gpubox"));
    assert_eq!((here.len(), there.len()), (3, 1));
    assert!(here.contains(&there[0]));

    let (id, path) = pair.send("echo signed", &[]);
    let text = std::fs::read_to_string(path).unwrap();
    assert!(text.contains("\"auth\": \"ed25519:"), "{text}");
    pair.good("dispatch-watch", "gpubox", &["--once"]);
    assert_eq!(pair.names("pending-ack").len(), 1);
    let none = pair.run("dispatch-ack", "gpubox", &[&id, "--yes"]);
    assert_eq!(none.status, 77, "the node cannot approve: {}", none.err);
    let there = ["--on", "gpubox", &id, "--yes"];
    pair.good("dispatch-ack", "devbox", &there);
    pair.good("dispatch-watch", "gpubox", &["--once"]);
    let said = pair.good("dispatch", "devbox", &["wait", &id]);
    assert_eq!(said.out, "signed\n");
}

/// Two implementations make the same signatures and refuse the same defects.
#[test]
#[expect(clippy::print_stderr, reason = "a test that skips itself says so")]
fn the_suite_of_signed_documents_is_made_and_judged_without_this_program() {
    let here = |path: &str| std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    let run = |arguments: &[&str]| {
        let mut command = std::process::Command::new("python3");
        command.arg(here("scripts/sign-vectors")).args(arguments);
        command.output()
    };
    let Ok(made) = run(&[]) else {
        eprintln!("skipped: python3 is not installed");
        return;
    };
    assert!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
    let kept = std::fs::read(here("tests/vectors/ed25519.json")).unwrap();
    assert!(
        made.stdout == kept,
        "scripts/sign-vectors makes another suite"
    );
    let judged = run(&["--check"]).unwrap();
    assert_eq!(String::from_utf8_lossy(&judged.stdout), "ok\n");
}
