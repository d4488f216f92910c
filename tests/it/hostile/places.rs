//! F35 and F36: folders that are missing, full, read-only, somewhere else, or not ours; and everything called
//! KILLSWITCH.

use std::os::unix::fs::symlink;
use std::time::Duration;

use dispatch::event::Word;
use dispatch::flow::Trouble;
use dispatch::flow::root;
use dispatch::limits;
use dispatch::outcome::Status;
use dispatch::stage::Stage;
use nix::errno::Errno;

use super::bench::Bench;
use super::bench::ROOT_ID;
use super::bench::lane;
use super::bench::within_a_minute;
use super::plant::ODD;
use super::plant::write;

#[expect(
    clippy::disallowed_methods,
    reason = "a hostile writer does as it likes"
)]
fn shift(from: &std::path::Path, to: &std::path::Path) {
    std::fs::rename(from, to).unwrap();
}

/// F35: what cannot be set aside stays where it is, is told of once, and holds up nobody.
#[test]
fn nothing_can_be_put_into_rejected() {
    for errno in [
        Errno::ENOENT,
        Errno::EROFS,
        Errno::ENOSPC,
        Errno::EDQUOT,
        Errno::EACCES,
    ] {
        let bench = Bench::new();
        let mut node = bench.node();
        let folder = format!("{}/rejected", lane());
        bench.share.fail("write", &folder, errno);
        for number in 0..20 {
            write(&bench.path(Stage::Inbox, &format!("junk{number}")), "junk");
            let id = bench.id();
            write(
                &bench.path(Stage::Inbox, &format!("{id}.high.g1.json")),
                "{}",
            );
        }
        bench.serves(&mut node, "rejected/");
        bench.clock.advance(limits::JUNK_AGE * 2);
        bench.serves(&mut node, "rejected/, later");
        assert!(
            bench.told(Word::WatcherErr) <= 4,
            "{errno}: {}",
            bench.told(Word::WatcherErr)
        );
        bench.is_quiet(&mut node, "rejected/");
        bench.share.mend();
        bench.rounds(&mut node, 14);
        assert_eq!(bench.names(Stage::Inbox), [""; 0], "{errno}: mended");
        assert_eq!(bench.names(Stage::Processing), [""; 0], "{errno}: mended");
    }
}

/// The same when the folder is truly gone, and comes back.
#[test]
fn a_stage_folder_is_gone() {
    for stage in [
        Stage::Rejected,
        Stage::Tmp,
        Stage::Control,
        Stage::PendingAck,
        Stage::Done,
    ] {
        let bench = Bench::new();
        let mut node = bench.node();
        let folder = bench.path(stage, "");
        write(&bench.path(Stage::Inbox, "junk"), "junk");
        let good = bench.send();
        bench.rounds(&mut node, 1);
        std::fs::remove_dir(&folder).unwrap();
        bench.rounds(&mut node, 3);
        bench.clock.advance(limits::JUNK_AGE);
        bench.rounds(&mut node, 3);
        assert!(bench.ran(good.id), "{stage}");
        assert!(
            bench.told(Word::WatcherErr) <= 3,
            "{stage}: {}",
            bench.told(Word::WatcherErr)
        );
        bench.is_quiet(&mut node, stage.as_str());
        std::fs::create_dir(&folder).unwrap();
        bench.rounds(&mut node, 4);
        bench.clock.advance(limits::JUNK_AGE);
        bench.rounds(&mut node, 4);
        assert_eq!(
            bench.answer(&good).map(|it| it.status),
            Some(Status::Ok),
            "{stage}"
        );
        bench.serves(&mut node, stage.as_str());
        assert_eq!(bench.hands.starts().len(), 2, "{stage}");
    }
}

/// F36: a lane or a stage that is a link is not followed; the other lane is served all the while.
#[test]
fn a_lane_is_replaced_by_a_link() {
    let parts = [
        "",
        "/inbox",
        "/processing",
        "/pending-ack",
        "/done",
        "/rejected",
        "/tmp",
        "/control",
    ];
    for part in parts {
        let bench = Bench::new();
        let mut node = bench.node();
        bench.rounds(&mut node, 1);
        let sent = bench.send();
        let (folder, away) = (
            bench.root().join(format!("{}{part}", lane())),
            bench.outside("away"),
        );
        shift(&folder, &away);
        symlink(&away, &folder).unwrap();
        let before = listing(&away);
        let other = bench.send_task(&bench.task_from("laptop", "of the other lane"));
        bench.serves_this(&mut node, &other, part);
        bench.rounds(&mut node, 2);
        if ["", "/inbox", "/processing", "/control"].contains(&part) {
            assert!(!bench.ran(sent.id), "{part}: it was followed");
        }
        assert_eq!(listing(&away), before, "{part}: written through a link");
        assert!(
            bench.told(Word::WatcherErr) <= 3,
            "{part}: {}",
            bench.told(Word::WatcherErr)
        );
        bench.is_quiet(&mut node, part);
        bench.share.clear(&folder);
        shift(&away, &folder);
        bench.rounds(&mut node, 4);
        assert_eq!(
            bench.answer(&sent).map(|it| it.status),
            Some(Status::Ok),
            "{part}: back"
        );
    }
}

fn listing(folder: &std::path::Path) -> Vec<String> {
    let mut names = Vec::new();
    let mut todo = vec![folder.to_owned()];
    while let Some(folder) = todo.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            names.push(path.display().to_string());
            if path.is_dir() {
                todo.push(path);
            }
        }
    }
    names.sort();
    names
}

/// F36: an empty mount point, or a root whose identity is not a file of ours.
#[test]
fn a_root_without_its_identity_is_not_our_share() {
    within_a_minute(|| {
        let identity = |bench: &Bench| bench.root().join("dispatch.json");
        for index in 0..=ODD.len() {
            let bench = Bench::new();
            let mut node = bench.node();
            bench.rounds(&mut node, 1);
            let sent = bench.send();
            shift(&identity(&bench), &bench.outside("identity"));
            let what = ODD.get(index).map_or("nothing", |odd| odd.0);
            if ODD
                .get(index)
                .is_some_and(|odd| !(odd.2)(&bench, &identity(&bench)))
            {
                continue;
            }
            bench
                .clock
                .advance(limits::SLOW_LOOK + Duration::from_secs(1));
            bench.rounds(&mut node, 3);
            assert!(!bench.ran(sent.id), "{what}: it ran");
            assert_eq!(
                bench.names(Stage::Inbox).len(),
                1,
                "{what}: it was taken in"
            );
            let trouble = node.view().trouble.clone();
            let is_stop = matches!(trouble, Some(Trouble::NotOurs(_) | Trouble::ShareLost(_)));
            assert!(is_stop, "{what}: {trouble:?}");
            assert_eq!(bench.told(Word::ShareLost), 1, "{what}");
            bench.is_quiet(&mut node, what);
            match what {
                "F6 directory" => std::fs::remove_dir(identity(&bench)).unwrap(),
                "F7 full directory" => shift(&identity(&bench), &bench.outside("full")),
                "nothing" => {}
                _ => bench.share.clear(&identity(&bench)),
            }
            shift(&bench.outside("identity"), &identity(&bench));
            bench.serves_this(&mut node, &sent, what);
        }
    });
}

/// The share went away and another is mounted in its place.
#[test]
fn another_root_is_not_our_share() {
    let bench = Bench::new();
    let mut node = bench.node();
    bench.rounds(&mut node, 1);
    shift(&bench.root(), &bench.outside("ours"));
    std::fs::create_dir(bench.root()).unwrap();
    let uuid = ROOT_ID.replace("abcd", "ffff");
    root::lay_out(&*bench.transport(), &[lane()], &uuid).unwrap();
    bench
        .clock
        .advance(limits::SLOW_LOOK + Duration::from_secs(1));
    let sent = bench.send();
    bench.rounds(&mut node, 3);
    assert!(!bench.ran(sent.id));
    assert!(matches!(node.view().trouble, Some(Trouble::NotOurs(_))));
    bench.is_quiet(&mut node, "another root");
    assert_eq!(
        listing(&bench.root().join("heartbeats")),
        [""; 0],
        "it beats there"
    );
}

/// The mount is gone: its path is an empty folder, or nothing.
#[test]
fn an_empty_mount_point_stays_empty() {
    for is_there in [true, false] {
        let bench = Bench::new();
        let mut node = bench.node();
        bench.rounds(&mut node, 1);
        shift(&bench.root(), &bench.outside("ours"));
        if is_there {
            std::fs::create_dir(bench.root()).unwrap();
        }
        bench.rounds(&mut node, 3);
        bench.is_quiet(&mut node, "unmounted");
        if is_there {
            assert_eq!(listing(&bench.root()), [""; 0], "something was made in it");
            std::fs::remove_dir(bench.root()).unwrap();
        }
        shift(&bench.outside("ours"), &bench.root());
        // Sender and receiver are one process here: what is mounted is proved by the next round of the receiver.
        bench.rounds(&mut node, 1);
        bench.serves(&mut node, "mounted again");
        assert_eq!(
            (bench.told(Word::ShareLost), bench.told(Word::ShareBack)),
            (1, 1)
        );
    }
}

/// Any entry of that name, of any type, in any case: nothing starts, nothing blocks, nothing is followed.
#[test]
fn everything_called_killswitch_stops() {
    within_a_minute(|| {
        for name in [
            "KILLSWITCH",
            "killswitch.txt",
            "KillSwitch-x\n",
            "KILLSWITCH.other",
        ] {
            for (what, _, put) in ODD {
                let bench = Bench::new();
                let mut node = bench.node();
                let switch = bench.root().join(name);
                if !put(&bench, &switch) {
                    continue;
                }
                let sent = bench.send();
                bench.rounds(&mut node, 3);
                assert!(!bench.ran(sent.id), "{name:?}, {what}: it ran");
                assert_eq!(bench.told(Word::HaltSeen), 1, "{name:?}, {what}");
                bench.is_quiet(&mut node, what);
                shift(&switch, &bench.outside("switch"));
                bench.serves_this(&mut node, &sent, what);
            }
        }
    });
}
