//! What the people around a pool are told when something keeps its tasks waiting.

use super::Hosts;
use super::MEMBERS;
use super::id_of;

#[test]
fn a_pool_whose_members_are_halted_is_told_to_its_sender() {
    let mut hosts = Hosts::new();
    hosts.init();
    hosts.keys();
    for member in MEMBERS {
        hosts.watch(member);
    }
    // Alive, both of them.
    let (code, _, err) = hosts.send("echo one", "--idempotent --wait=90s");
    assert_eq!((code, err.contains("starts anything")), (0, false), "{err}");
    for member in MEMBERS {
        let halt = format!("dispatch halt --node {member} --reason cooling-{member}");
        hosts.good("devbox", &halt);
    }
    let (code, out, err) = hosts.send("echo two", "--idempotent");
    assert_eq!(code, 0, "{err}");
    assert!(
        err.contains("no member of pool.gpu starts anything now"),
        "{err}"
    );
    for member in MEMBERS {
        assert!(err.contains(&format!("cooling-{member}")), "{err}");
    }
    let id = id_of(&out);
    let why = hosts.good("devbox", &format!("dispatch why {id} --insecure-key"));
    assert!(
        why.contains("no member of pool.gpu starts anything now"),
        "{why}"
    );
    let (code, status, _) = hosts.run("devbox", "dispatch status --insecure-key");
    assert!(
        code == 1 && status.contains("pool.gpu: halted by KILLSWITCH.gpu1"),
        "{status}"
    );
    hosts.good("devbox", "dispatch resume --all");
    hosts.good("devbox", "dispatch halt --lane pool.gpu --reason cooling");
    let (_, _, err) = hosts.send("echo three", "--idempotent");
    assert!(err.contains("cooling; it waits in the inbox"), "{err}");
}

#[test]
fn what_waits_for_a_word_or_an_approval_that_nobody_gives_is_wrong() {
    let mut hosts = Hosts::new();
    hosts.init();
    hosts.keys();
    hosts.watch("gpu1");
    let (code, _, err) = hosts.send("echo once", "");
    assert_eq!(code, 0, "{err}");
    let why = "1 task that may be started only once needs the word of devbox's watcher to start";
    for (host, whose) in [("devbox", "does not run"), ("gpu1", "never been heard of")] {
        let status = hosts.until(host, "dispatch status --insecure-key", why);
        assert!(status.contains(whose), "{host}: {status}");
    }
    let (code, out, err) = hosts.send("echo asked", "--idempotent --ack");
    assert_eq!(code, 0, "{err}");
    let id = id_of(&out);
    let why = format!("dispatch why {id} --insecure-key");
    hosts.until("devbox", &why, "waits for an approval");
    let (code, status, _) = hosts.run("gpu1", "dispatch status --insecure-key");
    assert_eq!(code, 1);
    assert!(
        status.contains("1 task waits here for an approval that nobody may give"),
        "{status}"
    );
    let note = "a task of peer 'devbox' that asks for an approval waits here until it expires";
    let (_, _, err) = hosts.run("gpu1", "dispatch config");
    assert!(err.contains(note), "{err}");
    let check = hosts.good("gpu1", "dispatch-watch --check --insecure-key");
    assert!(check.contains(note), "{check}");
    let file = hosts.home("gpu1").join(".config/dispatch/dispatch.toml");
    let mut text = std::fs::read_to_string(&file).unwrap();
    text.push_str("\n[approver.alice]\nfor = \"all\"\n");
    std::fs::write(&file, text).unwrap();
    let (code, check, _) = hosts.run("gpu1", "dispatch-watch --check --insecure-key");
    assert_eq!(code, 78);
    assert!(
        check.contains("FAIL approver alice") && check.contains("new-link approver.alice"),
        "{check}"
    );
    hosts.good(
        "gpu1",
        "dispatch key new-link approver.alice --insecure-key",
    );
    hosts.good("gpu1", "dispatch-watch --check --insecure-key");
}
