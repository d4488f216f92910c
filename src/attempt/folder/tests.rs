//! Run directories as a crash or a stranger may leave them.

use super::*;

fn folder() -> (tempfile::TempDir, Folder) {
    let dir = tempfile::tempdir().unwrap();
    let folder = Folder::at(dir.path().join("run"));
    disk::make_dir(folder.path(), 0o700).unwrap();
    disk::create_new(&folder.member("lock"), b"", 0o600).unwrap();
    (dir, folder)
}

#[test]
fn an_executor_that_died_before_it_named_itself_started_nothing() {
    let (_dir, folder) = folder();
    disk::create_new(&folder.member("running"), b"", 0o600).unwrap();
    assert_eq!(folder.state().unwrap(), RunState::Void);
    assert!(folder.hold().unwrap().is_none());
    let held = LockFile::try_take(&folder.member("lock")).unwrap();
    assert_eq!(folder.state().unwrap(), RunState::Running, "not yet");
    drop(held);
}

#[test]
fn who_took_it_lives_as_long_as_its_lock() {
    let (_dir, folder) = folder();
    assert_eq!(folder.state().unwrap(), RunState::Prepared);
    let taken = folder.hold().unwrap().unwrap();
    assert!(taken.take().unwrap());
    assert_eq!(folder.state().unwrap(), RunState::Running);
    assert!(!folder.void().unwrap());
    assert!(folder.hold().unwrap().is_none());
    drop(taken);
    assert_eq!(folder.state().unwrap(), RunState::Lost);
    assert!(folder.hold().unwrap().is_none(), "nobody takes it again");
    assert!(!folder.void().unwrap());
}

#[test]
fn who_holds_it_has_not_started_anything_until_it_is_taken() {
    let (_dir, folder) = folder();
    let held = folder.hold().unwrap().unwrap();
    assert_eq!(folder.state().unwrap(), RunState::Preparing);
    assert!(folder.hold().unwrap().is_none(), "one at a time");
    assert!(!folder.is_decided());
    folder.be_ready().unwrap();
    assert_eq!(folder.state().unwrap(), RunState::Ready);
    drop(held);
    assert_eq!(folder.state().unwrap(), RunState::Prepared, "it died");
    assert!(
        folder.hold().unwrap().is_none(),
        "what it prepared is not prepared once more"
    );
    assert!(folder.void().unwrap());
    assert!(folder.is_decided());
    let (_dir, folder) = self::folder();
    let held = folder.hold().unwrap().unwrap();
    assert!(folder.void().unwrap());
    assert!(!held.take().unwrap());
}

#[test]
fn the_last_permit_counts_and_nonsense_is_none() {
    let (_dir, folder) = folder();
    assert_eq!(folder.permitted(), None);
    for looked in [BootTime(1), BootTime(2)] {
        folder.permit(&Permit { looked }).unwrap();
        assert_eq!(folder.permitted(), Some(Permit { looked }));
    }
    disk::replace(&folder.member("permit"), b"{", 0o600).unwrap();
    assert_eq!(folder.permitted(), None);
}

#[test]
fn a_report_counts_when_its_executor_has_ended() {
    let (_dir, folder) = folder();
    let taken = folder.hold().unwrap().unwrap();
    assert!(taken.take().unwrap());
    let clock = crate::clock::SystemClock;
    let refusal = crate::attempt::summary::Refusal::permit_expired();
    let began = crate::attempt::summary::Moment::now(&clock);
    let report = crate::attempt::summary::refused(None, began, &clock, refusal);
    folder.finish(&report).unwrap();
    assert_eq!(folder.state().unwrap(), RunState::Running);
    drop(taken);
    let finished = RunState::Finished(Box::new(report));
    assert_eq!(folder.state().unwrap(), finished);
}

#[test]
fn a_report_that_is_not_one_is_no_outcome_and_holds_nothing_up() {
    let (_dir, folder) = folder();
    let report = folder.member("report.json");
    disk::create_new(&report, b"{}", 0o600).unwrap();
    assert!(matches!(folder.report(), Err(Error::Format { .. })));
    assert_eq!(folder.state().unwrap(), RunState::Prepared);
    let taken = folder.hold().unwrap().unwrap();
    assert!(taken.take().unwrap());
    assert_eq!(folder.state().unwrap(), RunState::Running);
    drop(taken);
    assert_eq!(folder.state().unwrap(), RunState::Lost);
    disk::replace(&report, &vec![b' '; 5 * 1024 * 1024], 0o600).unwrap();
    assert_eq!(folder.state().unwrap(), RunState::Lost, "of any size");
}

#[test]
fn the_first_reason_to_stop_stays_and_nonsense_is_a_reason_too() {
    let (_dir, folder) = folder();
    assert_eq!(folder.stop_reason(), None);
    folder.ask_to_stop(StopReason::Cancel).unwrap();
    folder.ask_to_stop(StopReason::Kill).unwrap();
    assert_eq!(folder.stop_reason(), Some(StopReason::Cancel));
    disk::replace(&folder.member("stop"), b"\xff", 0o600).unwrap();
    assert_eq!(folder.stop_reason(), Some(StopReason::Kill));
    disk::remove(&folder.member("stop")).unwrap();
    disk::make_dir(&folder.member("stop"), 0o700).unwrap();
    assert_eq!(folder.stop_reason(), Some(StopReason::Kill));
}

#[test]
fn closed_directories_are_removed_and_links_are_not_followed() {
    let (dir, folder) = folder();
    let outside = dir.path().join("outside");
    disk::make_dir(&outside, 0o500).unwrap();
    let inner = folder.member("work/a/b");
    disk::make_dir(&inner, 0o700).unwrap();
    disk::create_new(&inner.join("file"), b"x", 0o400).unwrap();
    std::os::unix::fs::symlink(&outside, folder.member("work/a/link")).unwrap();
    for path in ["work/a/b", "work/a"] {
        set_mode(&folder.member(path), 0o500).unwrap();
    }
    folder.remove().unwrap();
    assert_eq!(folder.state().unwrap(), RunState::Absent);
    assert_eq!(disk::ownership(&outside).unwrap().1, 0o500, "untouched");
}

#[test]
fn a_reason_to_stop_is_never_read_before_it_is_written() {
    for _ in 0..50 {
        let (_dir, folder) = folder();
        let seen = std::thread::scope(|scope| {
            let reader = scope.spawn(|| {
                loop {
                    if let Some(reason) = folder.stop_reason() {
                        return reason;
                    }
                }
            });
            folder.ask_to_stop(StopReason::Cancel).unwrap();
            reader.join().unwrap()
        });
        assert_eq!(seen, StopReason::Cancel);
        folder.ask_to_stop(StopReason::Kill).unwrap();
        assert_eq!(
            folder.stop_reason(),
            Some(StopReason::Cancel),
            "the first stays"
        );
    }
}
