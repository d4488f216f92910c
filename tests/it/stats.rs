//! Figures of what ended, for people, for programs and for node_exporter.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::BTreeSet;

use crate::programs::Pair;

#[test]
fn what_ended_is_counted_and_what_waits_is_shown() {
    let pair = Pair::new("");
    let said = pair.good("dispatch", "gpubox", &["stats"]);
    assert!(said.out.contains("no task ended here"), "{}", said.out);
    pair.send("echo good", &[]);
    pair.send("exit 3", &[]);
    pair.send("echo never", &["--dangerous"]);
    pair.good("dispatch-watch", "gpubox", &["--once"]);
    pair.send("echo later", &[]);
    let said = pair.good("dispatch", "gpubox", &["stats", "--json"]);
    let sums: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    let tasks = sums["tasks"].as_array().unwrap();
    let of = |profile: serde_json::Value| {
        let found = tasks.iter().find(|one| one["profile"] == profile);
        found.unwrap_or_else(|| panic!("{profile}: {}", said.out))
    };
    let ran = of("default".into());
    assert_eq!(
        (&ran["sender"], &ran["total"]),
        (&"devbox".into(), &2.into())
    );
    assert_eq!(ran["success_permille"], 500);
    assert_eq!(
        (&ran["ended"]["ok"], &ran["ended"]["error"]),
        (&1.into(), &1.into())
    );
    assert!(ran["ran"]["p95_ms"].as_u64() >= ran["ran"]["p50_ms"].as_u64());
    assert_eq!(of(serde_json::Value::Null)["ended"]["rejected"], 1);
    let lane = |name: &str| {
        let lanes = sums["lanes"].as_array().unwrap();
        lanes.iter().find(|lane| lane["lane"] == name).unwrap()["queued"].clone()
    };
    assert_eq!(lane("devbox-to-gpubox"), 1);
    let said = pair.good("dispatch", "gpubox", &["stats", "--since", "1h"]);
    assert!(said.out.contains("50.0 % succeeded; ran "), "{}", said.out);
}

#[test]
fn the_metrics_are_those_of_the_page_and_node_exporter_could_read_them() {
    let pair = Pair::new("");
    pair.send("echo good", &[]);
    pair.good("dispatch-watch", "gpubox", &["--once"]);
    let file = pair.path("dispatch.prom");
    let path = file.to_str().unwrap();
    let said = pair.run(
        "dispatch",
        "gpubox",
        &["stats", "--prometheus", "dispatch.txt"],
    );
    assert_eq!(said.status, 64, "{}", said.err);
    // As the unit calls it: no key is needed.
    let words = ["stats", "--keys", "/nonexistent", "--prometheus", path];
    let said = pair.good("dispatch", "gpubox", &words);
    assert_eq!(said.out, "");
    let (_, mode, _) = dispatch::disk::ownership(&file).unwrap();
    assert_eq!(mode, 0o644, "another user reads it");
    let text = std::fs::read_to_string(&file).unwrap();
    let mut told = BTreeSet::new();
    let mut typed = None;
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert_eq!(kind, "gauge");
            typed = Some(name.to_owned());
            assert!(told.insert(name.to_owned()), "{name} twice");
        } else if !line.starts_with('#') {
            let (name, rest) = line.split_once('{').unwrap();
            assert_eq!(Some(name), typed.as_deref(), "under its type");
            let (_, value) = rest.split_once("} ").unwrap();
            assert!(value.parse::<f64>().is_ok(), "{line}");
        }
    }
    let sample = "dispatch_ended_tasks{node=\"gpubox\",sender=\"devbox\",profile=\"default\",status=\"ok\"} 1";
    assert!(text.lines().any(|line| line == sample), "{text}");
    let page = include_str!("../../docs/STATS.md");
    let rows = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `dispatch_"));
    let listed: BTreeSet<String> = rows
        .map(|row| format!("dispatch_{}", row.split('`').next().unwrap()))
        .collect();
    assert_eq!(told, listed);
}
