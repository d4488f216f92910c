//! Receipts: what a sender that asked is told under seal, and what `--until` makes of it.
#![allow(clippy::unwrap_used, reason = "tests")]
#![expect(
    clippy::disallowed_methods,
    reason = "what a stranger does to a share; starts the programs"
)]

use dispatch::document::Receipt;
use dispatch::document::Step;
use dispatch::document::Task;
use dispatch::flow::receipt;
use dispatch::flow::send::Sent;
use dispatch::outcome::Status;
use dispatch::stage::Stage;

use crate::programs::Pair;
use crate::world::World;
use crate::world::lane;
use crate::world::life::Life;
use crate::world::stage;

/// A task whose sender wants to be told.
fn asking(world: &World) -> Task {
    let mut task = world.task();
    let nothing = serde_json::Map::new();
    task.ext
        .insert(receipt::EXTENSION.to_owned(), nothing.into());
    task
}

fn confirmed(world: &World, sent: &Sent) -> Option<Receipt> {
    let sender = world.sender(&Life::charmed());
    let listing = sender.transport.list(&stage(Stage::Control)).unwrap();
    sender.receipt(&lane(), &listing, (sent.id, sent.digest))
}

fn step(world: &World, sent: &Sent) -> Option<Step> {
    confirmed(world, sent).map(|receipt| receipt.step)
}

#[test]
fn a_sender_that_asks_is_told_how_far_its_task_is() {
    let world = World::new(900);
    let mut task = asking(&world);
    task.require_ack = true;
    let sent = world.send(&task);
    assert_eq!(step(&world, &sent), None, "nobody has it");
    let mut node = world.node();
    world.rounds(&mut node, 2);
    assert_eq!(step(&world, &sent), Some(Step::Waiting));
    world.approve(&sent);
    world.rounds(&mut node, 3);
    assert!(step(&world, &sent) >= Some(Step::Accepted));
    world.rounds(&mut node, 3);
    assert_eq!(step(&world, &sent), Some(Step::Started));
    world.settle(&mut node);
    assert_eq!(world.status(&sent), Some(Status::Ok));
    world.check_end(&sent, "nothing of the receipts is left");
    assert!(world.names(Stage::Control).is_empty());
}

#[test]
fn who_does_not_ask_is_told_nothing() {
    let world = World::new(901);
    let sent = world.send(&world.task());
    let mut node = world.node();
    world.rounds(&mut node, 4);
    assert!(world.names(Stage::Control).is_empty());
    world.settle(&mut node);
    world.check_end(&sent, "no receipts");
}

#[test]
fn a_receipt_that_is_not_about_this_very_task_confirms_nothing() {
    let world = World::new(902);
    let sent = world.send(&asking(&world));
    let other = world.send(&asking(&world));
    let mut node = world.node();
    world.rounds(&mut node, 2);
    let names = world.names(Stage::Control);
    let of = |id: &dispatch::id::TaskId| {
        let name = names.iter().find(|name| name.starts_with(&id.to_string()));
        world.path(Stage::Control, name.unwrap())
    };
    // One that speaks of another task, under this one's name.
    std::fs::copy(of(&other.id), of(&sent.id)).unwrap();
    let listed: Vec<_> = names
        .iter()
        .filter(|name| name.starts_with(&sent.id.to_string()))
        .collect();
    assert_eq!(listed.len(), 1);
    assert_eq!(step(&world, &sent), None);
    // One that is about the same id and other bytes.
    let mut altered = other.clone();
    altered.digest = sent.digest;
    assert_eq!(step(&world, &altered), None);
    // One that was cut.
    std::fs::write(of(&other.id), "{").unwrap();
    assert_eq!(step(&world, &other), None);
}

#[test]
fn a_receipt_that_cannot_be_written_holds_up_nothing() {
    let world = World::new(903);
    let sent = world.send(&asking(&world));
    let mut node = world.node();
    let (control, aside) = (world.path(Stage::Control, ""), world.root().join("aside"));
    std::fs::rename(&control, &aside).unwrap();
    std::fs::write(world.root().join("devbox-to-gpubox/control"), "").unwrap();
    world.rounds(&mut node, 3);
    std::fs::remove_file(world.root().join("devbox-to-gpubox/control")).unwrap();
    std::fs::rename(&aside, &control).unwrap();
    world.settle(&mut node);
    assert_eq!(world.status(&sent), Some(Status::Ok));
}

#[test]
fn until_ends_with_the_sealed_word_or_names_the_missing_hop() {
    let pair = Pair::new("");
    let send = |more: &[&str]| {
        let to = ["--to", "gpubox", "--request", "echo hello"];
        pair.run("dispatch-send", "devbox", &[&to[..], more].concat())
    };
    let said = send(&["--until", "accepted", "--deadline", "1s"]);
    assert_eq!(said.status, 80, "{}{}", said.out, said.err);
    assert!(said.out.contains('\t'), "the id is there: {}", said.out);
    assert!(
        said.err.contains("was not accepted within 1 s"),
        "{}",
        said.err
    );
    assert!(said.err.contains("gpubox"), "{}", said.err);

    let said = send(&["--until", "started", "--schema", "2"]);
    assert_eq!(said.status, 64, "{}", said.err);

    let mut watcher = pair
        .command("dispatch-watch", "gpubox", &["--poll", "100ms"])
        .spawn()
        .unwrap();
    let said = send(&["--until", "started", "--deadline", "60s", "--json"]);
    let finished = send(&["--until", "finished", "--deadline", "60s"]);
    let refused = send(&[
        "--until",
        "accepted",
        "--profile",
        "none",
        "--deadline",
        "60s",
    ]);
    watcher.kill().unwrap();
    watcher.wait().unwrap();
    assert_eq!(said.status, 0, "{}", said.err);
    let told: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(told["state"], "started");
    assert_eq!(finished.status, 0, "{}", finished.err);
    assert_eq!(refused.status, 77, "{}", refused.err);
}
