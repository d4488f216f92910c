//! The doctor on a local folder and on twin mounts that misbehave on purpose: each fault is found by its check, and
//! gets the verdict it deserves.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]
#![expect(
    clippy::disallowed_methods,
    reason = "runs the real program, as a person does"
)]

#[cfg(target_os = "linux")]
mod faults;
#[cfg(target_os = "linux")]
mod misbehaved;
#[cfg(target_os = "linux")]
mod pairs;
mod start;

use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// What `dispatch doctor --json` said.
struct Report {
    status: i32,
    value: Value,
}

impl Report {
    fn verdict(&self) -> &str {
        self.value["verdict"].as_str().unwrap()
    }

    fn because(&self) -> Vec<u64> {
        let list = self.value["because"].as_array().unwrap();
        list.iter().map(|number| number.as_u64().unwrap()).collect()
    }

    fn check(&self, number: u64) -> &Value {
        let mut checks = self.value["checks"].as_array().unwrap().iter();
        checks.find(|check| check["number"] == number).unwrap()
    }

    fn state(&self, number: u64) -> &str {
        self.check(number)["state"].as_str().unwrap()
    }

    fn said(&self, number: u64) -> &str {
        self.check(number)["said"].as_str().unwrap()
    }
}

fn doctor(root: &Path, more: &[&str]) -> Report {
    let home = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_dispatch"))
        .args(["doctor", "--json", "--root"])
        .arg(root)
        .args(more)
        .env_clear()
        .env("HOME", home.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let value = serde_json::from_slice(&output.stdout);
    Report {
        status: output.status.code().unwrap(),
        value: value.unwrap_or_else(|error| panic!("{error}: {said}")),
    }
}

#[test]
fn a_local_folder_is_good_for_everything_and_left_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let report = doctor(dir.path(), &[]);
    assert_eq!(report.verdict(), "multi", "{:#}", report.value);
    assert_eq!(report.status, 0);
    assert_eq!(report.value["version"], 1);
    assert_eq!(report.because(), [0_u64; 0]);
    let numbers: Vec<u64> = (1..=17).collect();
    let checks = report.value["checks"].as_array().unwrap();
    let found: Vec<u64> = checks
        .iter()
        .map(|check| check["number"].as_u64().unwrap())
        .collect();
    assert_eq!(found, numbers);
    for check in checks {
        let state = check["state"].as_str().unwrap();
        assert!(["pass", "info", "warn"].contains(&state), "{check:#}");
    }
    assert_eq!(
        std::fs::read_dir(dir.path()).unwrap().count(),
        0,
        "nothing is left"
    );
}

#[test]
fn a_folder_that_is_not_there_is_refused_for_now() {
    let dir = tempfile::tempdir().unwrap();
    let report = doctor(&dir.path().join("nothing"), &[]);
    assert_eq!(report.verdict(), "refuse");
    assert_eq!(report.value["passing"], true);
    assert_eq!(report.status, 1);
    assert_eq!(report.state(2), "fail");
}

#[test]
fn an_identity_that_is_no_name_is_told_and_two_that_differ_are_refused() {
    const OURS: &str = "0198f1c2-0000-7000-8000-00000000abcd";
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
    write(
        "dispatch.json",
        &format!(r#"{{"layout":1,"uuid":"{OURS}"}}"#),
    );
    let report = doctor(dir.path(), &["--only", "2"]);
    assert_eq!(report.verdict(), "multi", "{:#}", report.value);
    assert_eq!(report.state(2), "warn");
    assert!(report.said(2).contains(&format!("dispatch.1.{OURS}")));

    let other = "0198f1c2-0000-7000-8000-00000000eeee";
    write(&format!("dispatch.1.{other}"), "");
    let report = doctor(dir.path(), &["--only", "2"]);
    assert_eq!(report.verdict(), "refuse", "{:#}", report.value);
    assert_eq!(report.because(), [2]);
    assert!(report.said(2).contains(OURS) && report.said(2).contains(other));
}

#[test]
fn a_folder_that_a_program_copies_elsewhere_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join(".stfolder")).unwrap();
    let root = dir.path().join("share");
    std::fs::create_dir(&root).unwrap();
    let report = doctor(&root, &[]);
    assert_eq!((report.verdict(), report.because()), ("refuse", vec![1]));
    assert!(report.said(1).contains("Syncthing"), "{}", report.said(1));
    assert_eq!(report.value["passing"], false);
}
