//! Habits of the original that its users have in their fingers: what is left out, what matches nothing or too much,
//! what a killswitch leaves alone.

#![expect(
    clippy::disallowed_methods,
    reason = "runs programs, and writes their configuration"
)]

use std::path::PathBuf;
use std::process::Command;

use dispatch::outcome::Status;

use crate::programs::Pair;
use crate::programs::Said;
use crate::world::World;

#[test]
fn what_is_left_out_is_said_with_what_to_give() {
    let pair = Pair::new("");
    let send = |variables: &[(&str, &str)]| -> Said {
        let bin = PathBuf::from(env!("CARGO_BIN_EXE_dispatch")).with_file_name("dispatch-send");
        let mut command = Command::new(bin);
        command.env_clear().env("HOME", pair.path("empty"));
        command.envs(variables.iter().copied());
        command.args(["--to", "gpubox", "--request", "x"]);
        let output = command.output().expect("a program that runs");
        output.into()
    };
    let said = send(&[("DISPATCH_FROM", "devbox"), ("DISPATCH_NODE_B", "gpubox")]);
    assert_eq!((said.status, said.out.as_str()), (78, ""), "{}", said.err);
    assert!(said.err.contains("DISPATCH_ROOT"), "{}", said.err);
    let share = pair.path("share").display().to_string();
    let said = send(&[
        ("DISPATCH_ROOT", share.as_str()),
        ("DISPATCH_NODE_B", "gpubox"),
    ]);
    assert_eq!((said.status, said.out.as_str()), (78, ""), "{}", said.err);
    assert!(said.err.contains("--side"), "{}", said.err);
}

/// An agent that sends a task sends it on behalf of the one that it runs, and a circle ends at the next receiver.
#[test]
fn what_an_agent_sends_is_made_on_behalf_of_its_task() {
    let pair = Pair::new("");
    let parent = "0198f1c2-8a00-7000-8000-0123456789ab";
    let send = |variables: &[(&str, &str)], more: &[&str]| -> Said {
        let words = [&["--to", "gpubox", "--request", "x"][..], more].concat();
        let mut command = pair.command("dispatch-send", "devbox", &words);
        command.envs(variables.iter().copied());
        command.output().expect("a program that runs").into()
    };
    let sealed = |said: &Said| -> serde_json::Value {
        let (_, path) = said.out.trim_end().split_once('\t').expect(&said.err);
        serde_json::from_slice(&std::fs::read(path).expect("a published task")).expect("one object")
    };
    let inside = [("DISPATCH_TASK_ID", parent), ("DISPATCH_TASK_HOP", "1")];
    let task = sealed(&send(&inside, &[]));
    assert_eq!(task["hop"], 2);
    assert_eq!(
        (&task["parent"], &task["root"]),
        (&parent.into(), &parent.into())
    );

    let task = sealed(&send(
        &[],
        &["--parent", parent, "--correlation", "nightly"],
    ));
    assert_eq!(
        (&task["hop"], &task["correlation"]),
        (&0.into(), &"nightly".into())
    );
    assert_eq!(task["parent"], parent);

    let wrong = send(&[("DISPATCH_TASK_ID", "me")], &[]);
    assert_eq!(
        (wrong.status, wrong.out.as_str()),
        (65, ""),
        "{}",
        wrong.err
    );
}

#[test]
fn every_wish_of_the_command_line_is_in_the_sealed_task() {
    let pair = Pair::new("");
    let wishes = [
        "--priority=high --profile=gpu --ack --dangerous --timeout=2h --stall=90s",
        "--max-output=2MB --expires=3h --idempotent --max-attempts=2 --tag=nightly --tag=x86",
    ];
    let wishes: Vec<&str> = wishes.iter().flat_map(|line| line.split(' ')).collect();
    let (id, path) = pair.send("run the tests", &wishes);
    let file = std::fs::read(path).expect("a published task");
    let task: serde_json::Value = serde_json::from_slice(&file).expect("one object");
    for (member, want) in [
        ("schema", serde_json::json!(3)),
        ("id", id.into()),
        ("from", "devbox".into()),
        ("to", "gpubox".into()),
        ("priority", "high".into()),
        ("profile", "gpu".into()),
        ("require_ack", true.into()),
        ("require_dangerous", true.into()),
        ("timeout_s", 7200.into()),
        ("stall_s", 90.into()),
        ("max_output_bytes", 2_000_000.into()),
        ("idempotent", true.into()),
        ("max_attempts", 2.into()),
        ("tags", serde_json::json!(["nightly", "x86"])),
        ("request", "run the tests".into()),
    ] {
        assert_eq!(task[member], want, "{member}");
    }
    let time = |member: &str| {
        let text = task[member].as_str().expect("a time");
        dispatch::clock::Timestamp::parse(text).expect("a time")
    };
    let life = time("expires").unix() - time("created").unix();
    assert_eq!(life, 3 * 3600);
}

#[test]
fn nobody_sends_to_himself() {
    let pair = Pair::new("");
    let said = pair.run(
        "dispatch-send",
        "devbox",
        &["--to", "devbox", "--request", "x"],
    );
    assert_eq!((said.status, said.out.as_str()), (64, ""), "{}", said.err);
    assert!(said.err.contains("to itself"), "{}", said.err);
}

#[test]
fn what_waits_is_listed_and_an_id_must_mean_one_of_it() {
    let pair = Pair::new("require_ack = \"always\"");
    let sent: Vec<String> = (0..3).map(|_| pair.send("echo late", &[]).0).collect();
    pair.good("dispatch-watch", "gpubox", &["--once"]);
    let listed = pair.good("dispatch-ack", "gpubox", &["--json"]).out;
    let listed: Vec<serde_json::Value> = listed
        .lines()
        .map(|line| serde_json::from_str(line).expect("an object a line"))
        .collect();
    let mut ids: Vec<&str> = listed.iter().filter_map(|one| one["id"].as_str()).collect();
    ids.sort_unstable();
    assert_eq!(ids, sent, "ids of one host sort by age");
    for one in &listed {
        assert_eq!(
            (&one["from"], &one["request"]),
            (&"devbox".into(), &"echo late".into())
        );
        assert_eq!(one["priority"], "normal");
        assert!(
            one["created"].is_string() && one["sha256"].is_string(),
            "{one}"
        );
    }

    // The first eight digits are the same for a minute, so for two of three.
    let same = |pair: &&[String]| pair[0][..8] == pair[1][..8];
    let twins = sent.windows(2).find(same).expect("two of one minute");
    let said = pair.run("dispatch-ack", "gpubox", &[&twins[0][..8], "--yes"]);
    assert_eq!((said.status, said.out.as_str()), (64, ""), "{}", said.err);
    assert!(said.err.contains("give more digits"), "{}", said.err);
    for nobody in ["0198f1c2-0000-7000-8000-000000000001", "00000000"] {
        let said = pair.run("dispatch-ack", "gpubox", &[nobody, "--yes"]);
        assert_eq!((said.status, said.out.as_str()), (66, ""), "{}", said.err);
    }
    let control = pair.names("control");
    assert_eq!(control, [""; 0], "nothing was decided");
}

#[test]
fn what_runs_is_left_alone_by_a_plain_killswitch() {
    let world = World::new(52);
    let sent = world.send(&world.task());
    let mut node = world.node();
    world.rounds(&mut node, 1);
    assert_eq!(world.shop.running(), 1);
    std::fs::write(world.root().join("KILLSWITCH"), "stop it").expect("a killswitch");
    world.rounds(&mut node, 5);
    assert_eq!(world.shop.running(), 1);
    world.shop.finish_all(Status::Ok);
    world.rounds(&mut node, 5);
    assert_eq!(world.status(&sent), Some(Status::Ok));
}

#[test]
fn a_task_file_is_not_run_by_hand_under_a_killswitch() {
    let pair = Pair::new("");
    let (_, path) = pair.send("echo never", &[]);
    pair.good("dispatch", "devbox", &["halt", "--reason", "new driver"]);
    let said = pair.run("dispatch-exec", "gpubox", &[&path]);
    assert_eq!((said.status, said.out.as_str()), (69, ""), "{}", said.err);
    assert!(said.err.contains("new driver"), "{}", said.err);
}

#[test]
fn an_agent_that_is_not_there_is_found_before_the_start() {
    let pair = Pair::new("");
    let good = pair.run("dispatch-watch", "gpubox", &["--check"]);
    assert!(good.out.contains("ok   profile default"), "{}", good.out);
    let config = pair.path("gpubox").join("dispatch.toml");
    let text = std::fs::read_to_string(&config).expect("a configuration");
    std::fs::write(&config, text.replace("/bin/sh", "no-such-agent")).expect("a configuration");
    let said = pair.run("dispatch-watch", "gpubox", &["--check"]);
    assert_eq!(said.status, 78, "{}", said.out);
    assert!(
        said.out.contains("'no-such-agent' is not found in PATH"),
        "{}",
        said.out
    );
}
