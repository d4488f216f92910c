//! The checks that look at one thing each: every one of them fails where that thing is wrong, with its own verdict.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use super::doctor;
use super::pairs::are;
use super::pairs::both;
use super::pairs::seen;
use crate::twin::Manner;
use crate::twin::Twin;
use crate::twin::manner::Listing;

/// Check 10: a client that does not even show what it did itself.
#[test]
fn a_listing_without_own_changes_is_refused() {
    let mut manner = Manner::honest();
    manner.listing = Listing::Blind(Duration::from_secs(60));
    let Some(twin) = Twin::mount(manner) else {
        return;
    };
    let report = doctor(&twin.path(0), &["--only", "10"]);
    assert_eq!(report.verdict(), "refuse", "{:#}", report.value);
    assert_eq!(report.because(), [10], "{:#}", report.value);
    assert_eq!(report.value["passing"], false);
    assert!(
        report
            .said(10)
            .contains("of this very host were not in the next listing"),
        "{}",
        report.said(10)
    );
}

/// Check 14: a key that others can read, and one that others can replace. The share is not to blame.
#[test]
fn keys_that_others_can_read_fail_and_leave_the_verdict() {
    let dir = tempfile::tempdir().unwrap();
    let (root, keys) = (dir.path().join("share"), dir.path().join("keys"));
    for folder in [&root, &keys] {
        std::fs::create_dir(folder).unwrap();
        let closed = std::fs::Permissions::from_mode(0o700);
        std::fs::set_permissions(folder, closed).unwrap();
    }
    let ask = |keys: &Path| doctor(&root, &["--only", "14", "--keys", keys.to_str().unwrap()]);
    let good = ask(&keys);
    assert_eq!(good.state(14), "info", "{}", good.said(14));
    let open = keys.join("a--b.k.key");
    std::fs::write(&open, "{}").unwrap();
    std::fs::set_permissions(&open, std::fs::Permissions::from_mode(0o644)).unwrap();
    let wide = dir.path().join("wide");
    std::fs::create_dir(&wide).unwrap();
    std::fs::set_permissions(&wide, std::fs::Permissions::from_mode(0o777)).unwrap();
    std::fs::write(wide.join("a--b.k.key"), "{}").unwrap();
    for (folder, why) in [(&keys, "its mode is 0644"), (&wide, "others can write to")] {
        let report = ask(folder);
        assert_eq!(report.state(14), "fail", "{}", report.said(14));
        assert!(report.said(14).contains(why), "{}", report.said(14));
        assert_eq!((report.verdict(), report.status), ("multi", 1));
    }
}

/// Check 17: a journal on a share is no journal.
#[test]
fn a_state_directory_that_is_not_on_a_local_disk_is_refused() {
    let Some(twin) = Twin::mount(Manner::honest()) else {
        return;
    };
    let root = tempfile::tempdir().unwrap();
    let state = twin.path(0).join("state");
    let words = ["--only", "17", "--state", state.to_str().unwrap()];
    let report = doctor(root.path(), &words);
    assert_eq!(report.verdict(), "refuse", "{:#}", report.value);
    assert_eq!(report.because(), [17], "{:#}", report.value);
    assert!(
        report.said(17).contains("not on a local disk"),
        "{}",
        report.said(17)
    );
}

/// Check 23: two users, one of whom cannot read what the other made. It can be set right, so it is for now.
#[test]
fn files_that_the_other_host_cannot_read_are_refused_for_now() {
    let Some(reports) = seen("23", |manner| manner.closed = Some("read")) else {
        return;
    };
    are(&reports, "refuse", 23);
    for report in &reports {
        assert_eq!(report.value["passing"], true, "{:#}", report.value);
        assert!(
            report.said(23).contains("may not read: EACCES"),
            "{}",
            report.said(23)
        );
    }
}

/// Check 24: what a holder writes is not seen in time, so that it would be taken for dead while it lives.
#[test]
fn beats_that_arrive_too_late_are_for_single_nodes() {
    let Some(reports) = seen("24", |manner| manner.data_ttl = Duration::from_secs(60)) else {
        return;
    };
    are(&reports, "single", 24);
    for report in &reports {
        assert!(
            report.said(24).contains("while the holder still beat"),
            "{}",
            report.said(24)
        );
    }
}

/// Check 25: two hosts that mean two shares, and two that have one name.
#[test]
fn two_nodes_of_other_shares_or_of_one_name_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let config = |name: &str, digit: &str| {
        let file = dir.path().join(format!("{name}.toml"));
        let id = "0198f1c2-0000-7000-8000-00000000000X".replace('X', digit);
        std::fs::write(&file, format!("node = \"{name}\"\nroot_id = \"{id}\"\n")).unwrap();
        file.to_str().unwrap().to_owned()
    };
    let root = tempfile::tempdir().unwrap();
    let files = [config("a", "1"), config("b", "2")];
    let side = |number: usize| {
        let names = ["a", "b"];
        let words = [
            "--pair",
            "--within",
            "30s",
            "--only",
            "25",
            "--config",
            &files[number],
            "--as",
            names[number],
            "--with",
            names[1 - number],
        ];
        doctor(root.path(), &words)
    };
    let reports = std::thread::scope(|scope| {
        let other = scope.spawn(|| side(1));
        [side(0), other.join().unwrap()]
    });
    are(&reports, "refuse", 25);
    assert!(
        reports[0]
            .said(25)
            .contains("configured for different shares"),
        "{}",
        reports[0].said(25)
    );
    let reports = both([root.path(), root.path()], ["a", "a"], &["--only", "25"]);
    for report in &reports {
        assert_eq!(report.verdict(), "refuse", "{:#}", report.value);
    }
}
