//! Two doctors on the two sides of a twin mount.

use std::path::Path;
use std::time::Duration;

use nix::libc;

use super::Report;
use super::doctor;
use crate::twin::Manner;
use crate::twin::Twin;
use crate::twin::manner::Burst;
use crate::twin::manner::Exclusive;
use crate::twin::manner::Listing;
use crate::twin::manner::Lost;
use crate::twin::manner::Rename;

/// Both sides' reports.
pub(super) fn both(paths: [&Path; 2], names: [&str; 2], more: &[&str]) -> [Report; 2] {
    let side = |number: usize| {
        let mut words = vec!["--pair", "--within", "30s", "--as", names[number]];
        words.extend(["--with", names[1 - number]]);
        words.extend(more);
        doctor(paths[number], &words)
    };
    std::thread::scope(|scope| {
        let other = scope.spawn(|| side(1));
        [side(0), other.join().unwrap()]
    })
}

/// Two doctors who run these checks on a share of this manner; `None` where nothing can be mounted, which was said.
pub(super) fn seen(only: &str, change: impl FnOnce(&mut Manner)) -> Option<[Report; 2]> {
    let mut manner = Manner::honest();
    change(&mut manner);
    let twin = Twin::mount(manner)?;
    Some(both(
        [&twin.path(0), &twin.path(1)],
        ["a", "b"],
        &["--only", only],
    ))
}

pub(super) fn are(reports: &[Report; 2], verdict: &str, because: u64) {
    for report in reports {
        assert_eq!(report.verdict(), verdict, "{:#}", report.value);
        assert!(report.because().contains(&because), "{:#}", report.value);
    }
}

#[test]
fn two_hosts_prove_an_unknown_filesystem() {
    let Some(twin) = Twin::mount(Manner::honest()) else {
        return;
    };
    let reports = both([&twin.path(0), &twin.path(1)], ["a", "b"], &[]);
    for report in &reports {
        assert_eq!(report.verdict(), "multi", "{:#}", report.value);
        assert_eq!(report.status, 0);
        assert_eq!(report.value["checks"].as_array().unwrap().len(), 25);
        for number in 18..=25 {
            assert_eq!(report.state(number), "pass", "{}", report.said(number));
        }
    }
    assert_eq!(
        std::fs::read_dir(twin.path(1)).unwrap().count(),
        0,
        "nothing is left"
    );
}

#[test]
fn a_client_as_on_nfs3_is_good_for_everything() {
    let mut manner = Manner::like_nfs3();
    manner.attr_ttl = Duration::ZERO;
    let Some(twin) = Twin::mount(manner) else {
        return;
    };
    let reports = both(
        [&twin.path(0), &twin.path(1)],
        ["a", "b"],
        &["--only", "18,19,20"],
    );
    for report in &reports {
        assert_eq!(report.verdict(), "multi", "{:#}", report.value);
        assert_eq!(report.check(20)["facts"]["stale"], 0);
    }
    let plain: u64 = reports[0].check(20)["facts"]["plain_stale"]
        .as_u64()
        .unwrap();
    assert!(plain > 0, "what the rule is for: {}", reports[0].said(20));
}

#[test]
fn a_rename_that_copies_has_two_winners() {
    let Some(reports) = seen("19", |manner| {
        manner.rename = Rename::Copies(Duration::from_millis(3));
    }) else {
        return;
    };
    are(&reports, "refuse", 19);
    assert!(
        reports[0].said(19).contains("won by both"),
        "{}",
        reports[0].said(19)
    );
}

#[test]
fn an_exclusive_create_that_is_not_is_found() {
    let Some(reports) = seen("19", |manner| {
        manner.exclusive = Exclusive::Ignored;
    }) else {
        return;
    };
    are(&reports, "refuse", 19);
    assert!(
        reports[0].said(19).contains("O_EXCL"),
        "{}",
        reports[0].said(19)
    );
}

#[test]
fn listings_that_are_never_fresh_are_refused() {
    let Some(reports) = seen("18", |manner| manner.listing = Listing::Frozen) else {
        return;
    };
    are(&reports, "refuse", 18);
}

#[test]
fn listings_that_lag_are_for_single_nodes() {
    let lag = Duration::from_secs(3);
    let Some(reports) = seen("18,20", |manner| manner.listing = Listing::Cached(lag)) else {
        return;
    };
    for report in &reports {
        assert_eq!(report.verdict(), "single", "{:#}", report.value);
        assert_eq!(report.because(), [18, 20], "{:#}", report.value);
    }
}

#[test]
fn lost_replies_between_two_hosts_do_no_harm() {
    let Some(reports) = seen("18,19,20", |manner| {
        manner.lost = Some(Lost {
            every: 31,
            errno: libc::EIO,
        });
    }) else {
        return;
    };
    for report in &reports {
        assert_eq!(report.verdict(), "multi", "{:#}", report.value);
        assert_eq!(report.state(19), "warn", "{}", report.said(19));
    }
}

#[test]
fn a_file_that_the_other_reads_cannot_be_moved_and_that_is_told() {
    let Some(reports) = seen("22", |manner| {
        manner.busy = Some(Burst {
            every: 1,
            errno: libc::EACCES,
        });
    }) else {
        return;
    };
    for report in &reports {
        assert_eq!(report.state(22), "warn", "{}", report.said(22));
        assert!(report.said(22).contains("EACCES"), "{}", report.said(22));
        assert_eq!(
            report.verdict(),
            "multi",
            "claims wait, and nothing is lost"
        );
    }
}

#[test]
fn a_log_that_is_torn_while_it_grows_is_told() {
    let Some(reports) = seen("21", |manner| manner.torn = true) else {
        return;
    };
    for report in &reports {
        assert_eq!(report.state(21), "warn", "{}", report.said(21));
    }
}

#[test]
fn two_doctors_of_one_name_do_not_pass_for_two_hosts() {
    let dir = tempfile::tempdir().unwrap();
    let reports = both([dir.path(), dir.path()], ["a", "a"], &["--only", "25"]);
    for report in &reports {
        assert_ne!(report.state(25), "pass", "{}", report.said(25));
    }
    let told = reports
        .iter()
        .any(|report| report.said(25).contains("calls itself 'a', too"));
    assert!(told, "{}", reports[0].said(25));
}

#[test]
fn a_host_that_is_not_met_is_no_verdict() {
    for only in [&[][..], &["--only", "18"], &["--only", "3"]] {
        let dir = tempfile::tempdir().unwrap();
        let alone = ["--pair", "--within", "1s", "--as", "a", "--with", "b"];
        let report = doctor(dir.path(), &[&alone, only].concat());
        assert_eq!(report.status, 75, "{:#}", report.value);
        assert!(report.value["verdict"].is_null(), "{:#}", report.value);
        assert_eq!(report.value["alone"], "multi");
        let open = report.value["open"].as_str().unwrap();
        assert!(open.contains("no other doctor came within 1 s"), "{open}");
        if only == ["--only", "18"] {
            assert_eq!(report.said(18), "not run: the other host was not met");
        }
    }
    // What one host alone refuses is refused.
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join(".stfolder")).unwrap();
    let report = doctor(dir.path(), &["--pair", "--within", "1s", "--as", "a"]);
    assert_eq!((report.verdict(), report.status), ("refuse", 1));
}
