//! A watcher that starts asks what its share is good for, and holds to the answer.

use crate::programs::Pair;

/// A pair whose share a sync program copies elsewhere.
fn synced() -> Pair {
    let pair = Pair::new("");
    std::fs::create_dir(pair.path("share").join(".stfolder")).unwrap();
    pair
}

#[test]
fn a_watcher_refuses_a_share_that_must_not_be_served() {
    let pair = synced();
    let (id, _) = pair.send("echo hello", &[]);
    for arguments in [["--once"], ["--check"]] {
        let said = pair.run("dispatch-watch", "gpubox", &arguments);
        assert_eq!(said.status, 78, "{}{}", said.out, said.err);
        let text = format!("{}{}", said.out, said.err);
        assert!(
            text.contains("check 1, mount") && text.contains("Syncthing"),
            "{text}"
        );
        assert!(text.contains("dispatch doctor"), "{text}");
    }
    let said = pair.run("dispatch-watch", "gpubox", &["--once", "--insecure-share"]);
    assert_eq!(said.status, 0, "{}", said.err);
    assert!(
        said.err
            .contains("warning: a refused share is served all the same"),
        "{}",
        said.err
    );
    assert_eq!(
        pair.good("dispatch", "devbox", &["wait", &id]).out,
        "hello\n"
    );
    let log = pair.good("dispatch", "gpubox", &["log"]).out;
    assert!(log.contains("share_refuse"), "{log}");
}

#[test]
fn a_verdict_is_remembered_until_the_doctor_is_asked_again() {
    let pair = synced();
    assert_eq!(pair.run("dispatch-watch", "gpubox", &["--once"]).status, 78);
    std::fs::remove_dir(pair.path("share").join(".stfolder")).unwrap();
    assert_eq!(
        pair.run("dispatch-watch", "gpubox", &["--once"]).status,
        78,
        "remembered"
    );
    let said = pair.run("dispatch", "gpubox", &["doctor"]);
    assert!(said.out.contains("MULTI"), "{}{}", said.out, said.err);
    pair.good("dispatch-watch", "gpubox", &["--once"]);
    let checked = pair.run("dispatch-watch", "gpubox", &["--check"]).out;
    assert!(
        checked.contains("doctor") && checked.contains("MULTI"),
        "{checked}"
    );
    let folder = std::fs::read_dir(pair.path("share").join("doctor"));
    assert!(folder.is_err(), "no scratch is left");
}
