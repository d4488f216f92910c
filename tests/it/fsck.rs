//! `dispatch fsck`: a healthy lane has no findings wherever its tasks are, every illegal picture has one, and what is
//! mended is gone.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "tests, and what somebody else does to a share"
)]

use std::os::unix::fs::symlink;

use dispatch::entry::ClaimName;
use dispatch::flow::fsck;
use dispatch::flow::fsck::Code;
use dispatch::flow::fsck::Finding;
use dispatch::flow::send::Sent;
use dispatch::stage::Stage;

use crate::world::World;
use crate::world::life::Life;
use crate::world::tape::Kept;

fn codes(found: &[Finding]) -> Vec<Code> {
    let mut codes: Vec<Code> = found.iter().map(|finding| finding.code).collect();
    codes.dedup();
    codes
}

/// A world with a task that is over, one that runs and one that waits for an approval.
fn busy() -> (World, [Sent; 3]) {
    let world = World::new(61);
    let over = world.send(&world.task());
    let mut node = world.node();
    world.settle(&mut node);
    let runs = world.send(&world.task());
    let mut task = world.task();
    task.require_ack = true;
    let waits = world.send(&task);
    world.rounds(&mut node, 1);
    world.crash(Some(node), Kept::Everything);
    (world, [over, runs, waits])
}

fn file_of(world: &World, at: Stage, sent: &Sent) -> String {
    let mine = |name: &String| name.starts_with(&sent.id.to_string());
    let is_claim = |name: &String| ClaimName::parse(name).is_some();
    let names = world.names(at).into_iter();
    names.filter(is_claim).find(mine).unwrap()
}

/// What is found after somebody did something to a busy share.
fn after(harm: impl Fn(&World, &[Sent; 3])) -> (World, Vec<Finding>) {
    let (world, sent) = busy();
    assert_eq!(world.survey(), [], "{}", world.picture());
    harm(&world, &sent);
    let found = world.survey();
    (world, found)
}

fn finds(code: Code, harm: impl Fn(&World, &[Sent; 3])) {
    let (world, found) = after(harm);
    assert_eq!(codes(&found), [code], "{found:?}\n{}", world.picture());
    assert!(!code.remedy().is_empty());
}

#[test]
fn one_task_in_two_folders_is_found() {
    finds(Code::TwoPlaces, |world, [_, runs, _]| {
        let file = file_of(world, Stage::Processing, runs);
        let copy = world.path(Stage::Inbox, &format!("{}.normal.g2.json", runs.id));
        std::fs::copy(world.path(Stage::Processing, &file), copy).unwrap();
    });
}

#[test]
fn a_result_without_its_task_and_a_task_without_its_result_are_found() {
    finds(Code::ResultWithoutTask, |world, [over, ..]| {
        let file = file_of(world, Stage::Done, over);
        std::fs::remove_file(world.path(Stage::Done, &file)).unwrap();
    });
    finds(Code::TaskWithoutResult, |world, [over, ..]| {
        let result = format!("{}.result.json", over.id);
        std::fs::remove_file(world.path(Stage::Done, &result)).unwrap();
    });
}

#[test]
fn a_result_that_cannot_be_believed_is_found() {
    finds(Code::BadSeal, |world, [over, ..]| {
        let path = world.path(Stage::Done, &format!("{}.result.json", over.id));
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, text.replace("\"ok\"", "\"error\"")).unwrap();
    });
}

#[test]
fn a_result_sealed_with_a_revoked_key_is_told_from_a_forged_one() {
    finds(Code::KeyGone, |world, [over, ..]| {
        let path = world.path(Stage::Done, &format!("{}.result.json", over.id));
        let text = std::fs::read_to_string(&path).unwrap();
        let (before, after) = text.split_once("hs256:").unwrap();
        let (_, after) = after.split_once(':').unwrap();
        std::fs::write(&path, format!("{before}hs256:gone:{after}")).unwrap();
    });
}

#[test]
fn names_that_mean_nothing_are_found() {
    for stage in [
        Stage::PendingAck,
        Stage::Processing,
        Stage::Done,
        Stage::Rejected,
        Stage::Control,
    ] {
        finds(Code::UnknownName, |world, _| {
            std::fs::write(world.path(stage, "notes.txt"), "").unwrap();
        });
        finds(Code::UnknownName, |world, _| {
            std::fs::create_dir(world.path(stage, "folder")).unwrap();
        });
    }
}

#[test]
fn links_are_found() {
    finds(Code::Link, |world, _| {
        symlink("/etc/passwd", world.path(Stage::Inbox, "link.json")).unwrap();
    });
    let (_, found) = after(|world, _| {
        let control = world.path(Stage::Control, "");
        std::fs::remove_dir(&control).unwrap();
        symlink(
            world.state(),
            control.to_str().unwrap().trim_end_matches('/'),
        )
        .unwrap();
    });
    assert_eq!(codes(&found), [Code::Link]);
}

#[test]
fn a_claim_of_another_node_is_found() {
    let (_, found) = after(|world, _| {
        let planted = format!("{}.normal.g1.other-00000000000000aa.json", world.task().id);
        std::fs::write(world.path(Stage::Processing, &planted), "").unwrap();
    });
    assert_eq!(codes(&found), [Code::ForeignClaim, Code::Stray]);
}

#[test]
fn what_the_journal_knows_and_the_share_does_not_is_found_and_the_other_way_round() {
    finds(Code::MissingFile, |world, [_, runs, _]| {
        let file = file_of(world, Stage::Processing, runs);
        let marker = file.replace(".json", ".start");
        std::fs::remove_file(world.path(Stage::Processing, &file)).unwrap();
        std::fs::remove_file(world.path(Stage::Processing, &marker)).unwrap();
    });
    finds(Code::Stray, |world, _| {
        let planted = format!("{}.normal.g1.gpubox-00000000000000aa.json", world.task().id);
        std::fs::write(world.path(Stage::Processing, &planted), "").unwrap();
    });
}

#[test]
fn a_missing_folder_and_a_lone_marker_are_found_and_mended() {
    let (world, found) = after(|world, _| {
        std::fs::remove_dir(world.path(Stage::Tmp, "")).unwrap();
        let marker = format!(
            "{}.normal.g1.gpubox-00000000000000aa.start",
            world.task().id
        );
        std::fs::write(world.path(Stage::Processing, &marker), "").unwrap();
    });
    assert_eq!(codes(&found), [Code::NoFolder, Code::LoneMarker]);
    let transport = world.transport(&Life::charmed());
    for finding in &found {
        assert!(finding.is_mendable());
        assert!(fsck::mend(&*transport, finding).unwrap());
    }
    assert_eq!(world.survey(), []);
}

#[test]
fn a_part_is_not_removed_before_its_time() {
    let (world, _) = busy();
    let part = dispatch::entry::part(world.task().id, dispatch::id::Nonce::from_bits(1));
    std::fs::write(world.path(Stage::Tmp, &part), "").unwrap();
    assert_eq!(world.survey(), []);
    // The clock of this host runs days ahead; that of the server does not.
    world
        .clock
        .step_wall(dispatch::clock::Timestamp::parse("2999-01-01T00:00:00Z").unwrap());
    let found = world.survey_all();
    assert!(codes(&found).contains(&Code::OldPart), "{found:?}");
    let transport = world.transport(&Life::charmed());
    let old = found
        .iter()
        .find(|finding| finding.code == Code::OldPart)
        .unwrap();
    assert!(!fsck::mend(&*transport, old).unwrap());
    assert!(world.names(Stage::Tmp).contains(&part));
}
