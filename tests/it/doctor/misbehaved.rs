//! One host on a twin mount that misbehaves.

use std::time::Duration;

use nix::libc;

use super::Report;
use super::doctor;
use crate::twin::Manner;
use crate::twin::Twin;
use crate::twin::manner::Burst;
use crate::twin::manner::Exclusive;
use crate::twin::manner::Lost;
use crate::twin::manner::Names;
use crate::twin::manner::NoReplace;
use crate::twin::manner::Rename;

/// The doctor on a share of this manner; `None` where nothing can be mounted, which was said.
fn seen(change: impl FnOnce(&mut Manner)) -> Option<Report> {
    let mut manner = Manner::honest();
    change(&mut manner);
    let twin = Twin::mount(manner)?;
    Some(doctor(&twin.path(0), &[]))
}

/// A share of which only the name is unknown.
fn is_unknown_but_good(report: &Report) {
    assert_eq!(
        (report.verdict(), report.because()),
        ("single", vec![1]),
        "{:#}",
        report.value
    );
    assert_eq!(report.status, 0);
}

#[test]
fn an_unknown_filesystem_that_does_everything_right_is_for_single_nodes() {
    let Some(report) = seen(|_| {}) else { return };
    is_unknown_but_good(&report);
    for number in [3, 4, 7, 8, 10, 15] {
        assert_eq!(report.state(number), "pass", "{}", report.said(number));
    }
}

#[test]
fn an_object_store_is_refused_by_its_name() {
    let Some(twin) = Twin::mount_as(Manner::honest(), "s3fs") else {
        return;
    };
    let report = doctor(&twin.path(0), &[]);
    assert_eq!(
        (report.verdict(), report.because()),
        ("refuse", vec![1]),
        "{:#}",
        report.value
    );
}

#[test]
fn a_rename_that_copies_is_refused() {
    let Some(report) = seen(|manner| manner.rename = Rename::Copies(Duration::from_millis(1)))
    else {
        return;
    };
    assert_eq!(
        (report.verdict(), report.because()),
        ("refuse", vec![4]),
        "{:#}",
        report.value
    );
    assert_eq!(
        (report.status, &report.value["passing"]),
        (1, &false.into())
    );
}

#[test]
fn a_rename_that_overwrites_another_name_is_refused() {
    let Some(report) = seen(|manner| manner.names = Names::Cut(40)) else {
        return;
    };
    assert_eq!(report.verdict(), "refuse", "{:#}", report.value);
    assert!(report.because().contains(&7), "{:?}", report.because());
}

#[test]
fn no_exclusive_create_is_refused() {
    let Some(report) = seen(|manner| manner.exclusive = Exclusive::Unsupported) else {
        return;
    };
    assert_eq!(report.verdict(), "refuse", "{:#}", report.value);
    assert!(report.because().contains(&3), "{:?}", report.because());
}

#[test]
fn what_is_not_used_is_told_and_does_not_count() {
    let Some(report) = seen(|manner| {
        manner.no_replace = NoReplace::Unsupported;
        manner.names = Names::Folded;
        manner.modes = false;
    }) else {
        return;
    };
    is_unknown_but_good(&report);
    assert!(
        report.said(6).contains("unless it exists: no"),
        "{}",
        report.said(6)
    );
    assert!(
        report.said(6).contains("modes are not kept"),
        "{}",
        report.said(6)
    );
    assert!(
        report.said(7).contains("upper and lower case are one"),
        "{}",
        report.said(7)
    );
}

#[test]
fn lost_replies_are_told_of_and_do_no_harm() {
    for errno in [libc::EIO, libc::ENOENT] {
        let Some(report) = seen(|manner| manner.lost = Some(Lost { every: 23, errno })) else {
            return;
        };
        assert_eq!(report.verdict(), "single", "{:#}", report.value);
        assert_eq!(report.state(4), "warn", "{}", report.said(4));
    }
}

#[test]
fn an_error_that_only_close_tells_is_found() {
    for errno in [libc::EDQUOT, libc::ENOSPC] {
        let Some(report) = seen(|manner| manner.close_errno = Some(errno)) else {
            return;
        };
        assert_eq!(report.verdict(), "refuse", "{:#}", report.value);
        assert!(report.because().contains(&8), "{:#}", report.value);
        assert!(report.said(8).contains("close said"), "{}", report.said(8));
        assert_eq!(report.value["passing"], true, "room can be made");
    }
}

#[test]
fn files_that_are_held_are_waited_for() {
    for errno in [libc::EACCES, libc::EBUSY] {
        let Some(report) = seen(|manner| manner.busy = Some(Burst { every: 2, errno })) else {
            return;
        };
        is_unknown_but_good(&report);
    }
}

#[test]
fn handles_that_go_away_are_opened_again() {
    let stale = Burst {
        every: 97,
        errno: libc::ESTALE,
    };
    let Some(report) = seen(|manner| manner.stale = Some(stale)) else {
        return;
    };
    assert_eq!(report.verdict(), "single", "{:#}", report.value);
}

#[test]
fn a_share_that_is_read_only_or_full_is_refused_for_now() {
    for change in [
        (|manner: &mut Manner| manner.read_only = true) as fn(&mut Manner),
        |manner: &mut Manner| manner.full = true,
    ] {
        let Some(report) = seen(change) else { return };
        assert_eq!(report.verdict(), "refuse", "{:#}", report.value);
        assert_eq!(report.value["passing"], true, "{:#}", report.value);
        assert_eq!(report.status, 1);
    }
}

#[test]
fn a_clock_that_is_far_off_is_told() {
    for (ahead_s, state) in [(30, "warn"), (-30, "warn"), (600, "fail"), (-600, "fail")] {
        let Some(report) = seen(|manner| manner.ahead_s = ahead_s) else {
            return;
        };
        assert_eq!(report.state(11), state, "{}", report.said(11));
        assert_eq!(report.verdict(), "single", "not the share's fault");
    }
}

#[test]
fn coarse_times_are_told() {
    let Some(report) = seen(|manner| manner.tick = Duration::from_secs(2)) else {
        return;
    };
    assert_eq!(report.state(9), "warn", "{}", report.said(9));
}

#[test]
fn a_server_that_does_not_answer_hangs_nobody() {
    let Some(twin) = Twin::mount(Manner::honest()) else {
        return;
    };
    twin.hang(0);
    let report = std::thread::scope(|scope| {
        let asked = scope.spawn(|| doctor(&twin.path(0), &[]));
        // Whatever waits inside the kernel goes when the replies come; the doctor has long answered by then.
        let report = asked.join().unwrap();
        twin.resume(0);
        report
    });
    assert_eq!(report.verdict(), "refuse", "{:#}", report.value);
    assert_eq!(report.value["passing"], true);
    assert_eq!(
        report.check(2)["facts"]["hung"],
        true,
        "{}",
        report.check(2)
    );
    assert!(report.said(2).contains("killed"), "{}", report.said(2));
}
