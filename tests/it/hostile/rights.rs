//! F15: what this user may not read, move or change. As root, the thread of the test takes the rights of another user
//! for its calls to files (setfsuid(2)); root itself may do everything.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use dispatch::event::Word;
use dispatch::limits;
use dispatch::stage::Stage;
use nix::unistd::Gid;
use nix::unistd::Uid;
use nix::unistd::setfsgid;
use nix::unistd::setfsuid;

use super::bench::Bench;
use super::inbox::rejected;
use super::plant::write;

const NOBODY: u32 = 65534;

/// Does something as a user who is not root.
fn as_a_user(act: impl FnOnce()) {
    if Uid::effective().is_root() {
        setfsgid(Gid::from_raw(NOBODY));
        setfsuid(Uid::from_raw(NOBODY));
        act();
        as_root(|| ());
    } else {
        act();
    }
}

/// Does something as root in between. Returns whether that is possible.
fn as_root(act: impl FnOnce()) -> bool {
    if !Uid::effective().is_root() {
        eprintln!("skipped: a case that needs root to make it");
        return false;
    }
    let before = setfsuid(Uid::from_raw(0));
    let group = setfsgid(Gid::from_raw(0));
    act();
    setfsgid(group);
    setfsuid(before);
    true
}

fn mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
}

fn a_minute_later(bench: &Bench, node: &mut dispatch::flow::Node) {
    bench
        .clock
        .advance(limits::JUNK_AGE + Duration::from_secs(1));
    bench.rounds(node, 3);
}

/// A task that may not be read, its own or another user's, is waited for, then set aside, and told of once.
#[test]
fn a_task_that_may_not_be_read() {
    as_a_user(|| {
        for is_foreign in [false, true] {
            let bench = Bench::new();
            let mut node = bench.node();
            let sent = bench.send();
            let file = bench.path(Stage::Inbox, &sent.name);
            mode(&file, 0o000);
            let foreign = || {
                std::os::unix::fs::chown(&file, Some(0), Some(0)).unwrap();
                mode(&file, 0o600);
            };
            if is_foreign && !as_root(foreign) {
                continue;
            }
            bench.serves(&mut node, "may not be read");
            assert!(!bench.ran(sent.id));
            a_minute_later(&bench, &mut node);
            assert_eq!(rejected(&bench), "E_ACCESS");
            assert!(
                bench
                    .only(Stage::Rejected, ".json")
                    .starts_with(&sent.id.to_string())
            );
            bench.is_quiet(&mut node, "may not be read");
        }
    });
}

/// It may be read before the minute is over: then it runs.
#[test]
fn a_task_whose_mode_is_corrected_in_time() {
    as_a_user(|| {
        let bench = Bench::new();
        let mut node = bench.node();
        let sent = bench.send();
        mode(&bench.path(Stage::Inbox, &sent.name), 0o000);
        bench.rounds(&mut node, 3);
        let claim = bench.path(Stage::Processing, &bench.only(Stage::Processing, ".json"));
        mode(&claim, 0o660);
        bench.serves_this(&mut node, &sent, "corrected");
    });
}

/// Another user's folder cannot be moved to another folder by rename(2); it stays, and holds up nobody.
#[test]
fn a_folder_of_another_user_stays_where_it_is() {
    as_a_user(|| {
        let bench = Bench::new();
        let mut node = bench.node();
        let made = as_root(|| {
            for number in 0..limits::JUNK_PER_PASS_MAX + 8 {
                let folder = bench.path(Stage::Inbox, &format!("folder{number}"));
                std::fs::create_dir(&folder).unwrap();
                mode(&folder, 0o700);
            }
        });
        if !made {
            return;
        }
        write(&bench.path(Stage::Inbox, "junk"), "junk");
        a_minute_later(&bench, &mut node);
        bench.serves(&mut node, "foreign folders");
        assert_eq!(bench.told(Word::WatcherErr), 1);
        bench.is_quiet(&mut node, "foreign folders");
    });
}

/// F35, with real modes: folders in which this user may create nothing.
#[test]
fn a_folder_in_which_nothing_may_be_made() {
    as_a_user(|| {
        for stage in [Stage::Rejected, Stage::Control, Stage::PendingAck] {
            let bench = Bench::new();
            let mut node = bench.node();
            let folder = bench.path(stage, "");
            mode(&folder, 0o500);
            write(&bench.path(Stage::Inbox, "junk"), "junk");
            let id = bench.id();
            write(
                &bench.path(Stage::Inbox, &format!("{id}.high.g1.json")),
                "{}",
            );
            bench.serves(&mut node, stage.as_str());
            a_minute_later(&bench, &mut node);
            bench.serves(&mut node, stage.as_str());
            assert!(bench.told(Word::WatcherErr) <= 2, "{stage}");
            bench.is_quiet(&mut node, stage.as_str());
            mode(&folder, 0o700);
            bench.rounds(&mut node, 14);
            assert_eq!(bench.names(Stage::Processing), [""; 0], "{stage}");
        }
    });
}

/// A lane or a root that may not be listed stops what needs it, and nothing else.
#[test]
fn a_folder_that_may_not_be_listed() {
    as_a_user(|| {
        let bench = Bench::new();
        let mut node = bench.node();
        bench.rounds(&mut node, 1);
        let sent = bench.send();
        let inbox = bench.path(Stage::Inbox, "");
        mode(&inbox, 0o000);
        let other = bench.send_task(&bench.task_from("laptop", "of the other lane"));
        bench.serves_this(&mut node, &other, "an inbox");
        bench.is_quiet(&mut node, "an inbox");
        mode(&inbox, 0o700);
        bench.serves_this(&mut node, &sent, "an inbox, mended");

        mode(&bench.root(), 0o000);
        bench.rounds(&mut node, 2);
        assert_eq!(bench.told(Word::ShareLost), 1);
        bench.is_quiet(&mut node, "the root");
        mode(&bench.root(), 0o700);
        bench.serves(&mut node, "the root, mended");
    });
}
