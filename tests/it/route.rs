//! A task that names no node goes to the one that is fit and free, by what each seals of itself; or nowhere, and it is
//! said what is missing.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::BTreeMap;

use dispatch::clock::Timestamp;
use dispatch::document::Card;
use dispatch::document::Heartbeat;
use dispatch::document::NodeState;
use dispatch::document::Rules;
use dispatch::document::RunningTask;
use dispatch::envelope;
use dispatch::envelope::Envelope;
use dispatch::id::CapabilityName;
use dispatch::id::Party;
use dispatch::id::ProfileName;
use dispatch::id::TaskId;

use crate::drain::Watcher;
use crate::drain::program;
use crate::drain::until;
use crate::programs::Pair;

/// Puts text at the beginning or the end of a node's configuration.
fn configure(pair: &Pair, node: &str, first: &str, last: &str) {
    let config = pair.path(node).join("dispatch.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    let text = format!("{first}{text}{last}");
    dispatch::disk::replace(&config, text.as_bytes(), 0o600).unwrap();
}

/// Lets gpubox serve until its peers have heard of it, and end in order.
fn serve_and_end(pair: &Pair) {
    let watcher = Watcher::start(pair, &program("dispatch-watch"));
    until("it is heard of", || {
        let said = pair.run("dispatch", "devbox", &["status", "gpubox"]);
        said.out.contains("ready")
    });
    watcher.end();
}

const ANY: [&str; 4] = ["--to", "any", "--request", "echo routed"];

fn ask<'a>(more: &[&'a str]) -> Vec<&'a str> {
    ANY.iter().chain(more).copied().collect()
}

#[test]
fn a_task_finds_the_node_that_can_do_it_and_wakes_it_where_it_sleeps() {
    let pair = Pair::new("");
    let card = "capabilities = [\"gpu\"]\nowner = \"alice\"\n";
    configure(&pair, "gpubox", card, "capabilities = [\"cargo\"]\n");
    let said = pair.run("dispatch-send", "devbox", &ask(&["--need", "gpu"]));
    assert_eq!(said.status, 66, "nobody was heard of: {}", said.err);
    serve_and_end(&pair);
    let said = pair.run("dispatch-send", "devbox", &ask(&["--need", "GPU,cargo"]));
    assert_eq!(said.status, 75, "{}", said.err);
    assert!(said.err.contains("and nothing wakes it"), "{}", said.err);
    assert!(pair.names("inbox").is_empty(), "nothing was sent");
    let woken = pair.path("devbox").join("woken");
    let hook = format!(
        "wake = [\"/bin/sh\", \"-c\", \"echo $DISPATCH_WAKE > {}\"]\n",
        woken.display()
    );
    configure(&pair, "devbox", "", &hook);
    let words = [
        "--need",
        "GPU,cargo",
        "--owner",
        "alice",
        "--explain",
        "--json",
    ];
    let said = pair.good("dispatch-send", "devbox", &ask(&words));
    let mut lines = said.out.lines();
    let route: serde_json::Value = serde_json::from_str(lines.next().unwrap()).unwrap();
    let first = &route["route"][0];
    assert_eq!(first["node"], "gpubox");
    assert_eq!(first["availability"], "sleeping");
    assert_eq!(
        (&first["score"], &first["profile"]),
        (&800.into(), &"default".into())
    );
    let answer: serde_json::Value = serde_json::from_str(lines.next().unwrap()).unwrap();
    assert_eq!(answer["to"], "gpubox");
    assert_eq!(std::fs::read_to_string(&woken).unwrap(), "gpubox\n");
    pair.good("dispatch-watch", "gpubox", &["--once"]);
    let id = answer["id"].as_str().unwrap();
    assert_eq!(
        pair.good("dispatch", "devbox", &["wait", id]).out,
        "routed\n"
    );
}

#[test]
fn what_nobody_can_do_is_said_and_changes_nothing() {
    let pair = Pair::new("");
    configure(&pair, "gpubox", "capabilities = [\"gpu\"]\n", "");
    configure(
        &pair,
        "devbox",
        "",
        "wake = [\"/bin/sh\", \"-c\", \"sleep 60\"]\nwake_within = \"1s\"\n",
    );
    serve_and_end(&pair);
    let said = pair.run("dispatch-send", "devbox", &ask(&["--need", "gpi"]));
    assert_eq!(said.status, 66, "{}", said.err);
    assert!(said.err.contains("did you mean 'gpu'?"), "{}", said.err);
    let said = pair.run("dispatch-send", "devbox", &ask(&["--need", "no such word"]));
    assert_eq!(said.status, 64, "{}", said.err);
    let said = pair.run("dispatch-send", "devbox", &ask(&["--owner", "bob"]));
    assert_eq!(said.status, 75, "{}", said.err);
    assert!(said.err.contains("it names no owner"), "{}", said.err);
    let said = pair.run("dispatch-send", "devbox", &ask(&["--explain"]));
    assert_eq!(said.status, 75, "a hook that hangs is ended: {}", said.err);
    assert!(said.err.contains("cannot wake gpubox"), "{}", said.err);
    assert!(said.err.contains("0.800  sleeping"), "{}", said.err);
    pair.good("dispatch", "gpubox", &["drain", "--reason", "new disks"]);
    pair.good("dispatch-watch", "gpubox", &["--once"]);
    let said = pair.run("dispatch-send", "devbox", &ask(&["--need", "gpu"]));
    assert_eq!(said.status, 75, "{}", said.err);
    assert!(
        said.err.contains("drained by its operator: new disks"),
        "{}",
        said.err
    );
    let words = ["--to", "gpubox", "--request", "x", "--need", "gpu"];
    let said = pair.run("dispatch-send", "devbox", &words);
    assert_eq!(said.status, 64, "{}", said.err);
    assert!(pair.names("inbox").is_empty() && pair.names("tmp").is_empty());
}

#[test]
fn nobody_is_called_any() {
    let pair = Pair::new("");
    configure(&pair, "devbox", "", "[peer.any]\n");
    let said = pair.run("dispatch", "devbox", &["status"]);
    assert_eq!(said.status, 78, "{}", said.err);
    assert!(said.err.contains("the word means"), "{}", said.err);
}

/// The longest names, as many as the configuration lets anybody declare.
fn full_card() -> Card {
    let can = |from: usize, to: usize| {
        let names = (from..to).map(|number| format!("{number:0>32}"));
        names.map(|name| CapabilityName::parse(&name).unwrap())
    };
    let profiles = (0..16).map(|number| {
        let name = ProfileName::parse(&format!("profile-{number:0>24}")).unwrap();
        (name, can(16 + number, 17 + number).collect())
    });
    Card {
        owner: Some(crate::world::name("alice")),
        stopped: true,
        node: can(0, 16).collect(),
        profiles: profiles.collect::<BTreeMap<_, _>>(),
    }
}

#[test]
fn the_fullest_card_still_fits_a_heartbeat_and_is_read_back() {
    let now = Timestamp::parse("2026-11-20T06:00:00Z").unwrap();
    let id = TaskId::parse("0198f1c2-7a52-7000-8000-000000000001").unwrap();
    let card = full_card();
    let task = RunningTask {
        id,
        attempt: 1,
        started: now,
    };
    let beat = Heartbeat {
        from: Party::parse("gpubox").unwrap(),
        to: Party::parse("devbox").unwrap(),
        boot_id: "0198f1c2-7a52-4000-8000-000000000001".to_owned(),
        seq: 1 << 40,
        created: now,
        accepts: vec![2, 3],
        killswitch: false,
        running: 16,
        queued: 1000,
        pending_ack: 16,
        clock_skew_ms: 100,
        version: "0.1.0".to_owned(),
        instance: None,
        free_bytes: Some(1 << 50),
        slots: Some(16),
        poll_ms: Some(1000),
        state: Some(NodeState::Busy),
        reason: Some("x".repeat(200)),
        tasks: vec![task; 16],
        audit: None,
        extensions: Vec::new(),
        profiles: card.profiles.keys().cloned().collect(),
        card: card.clone(),
    };
    let keys = crate::world::keys();
    let sealed = envelope::seal_beat(&keys, &beat.context(), now, &beat.body()).unwrap();
    let verified = Envelope::read(sealed).verify(&keys, &beat.context(), now);
    let read = verified.unwrap().heartbeat(&Rules::recorded()).unwrap();
    assert_eq!(read.card, card);
    assert_eq!((read.running, read.queued), (16, 1000), "numbers stay");
}
