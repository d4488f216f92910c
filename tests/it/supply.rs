//! What may come from outside: every crate of `Cargo.lock` is on the list in `crates.txt`, comes from crates.io with a
//! checksum, and may be given on under its licence.
#![expect(
    clippy::disallowed_methods,
    reason = "asks cargo for the licences; no code under test is started"
)]

use std::collections::BTreeMap;
use std::process::Command;

/// Licences that let this package be used, changed and given on under its own.
const PERMITTED: &[&str] = &[
    "MIT",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "Zlib",
    "Unicode-3.0",
    "Unlicense",
    "CC0-1.0",
    // Of data, not code: the list of certificate authorities.
    "CDLA-Permissive-2.0",
];

/// Reads a file of the package.
fn read(name: &str) -> String {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    std::fs::read_to_string(path).expect(name)
}

/// Returns the list: name to licence.
fn listed(text: &str) -> BTreeMap<String, String> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let pairs = lines.map(|line| line.split_once(": ").expect("`name: licence`"));
    pairs
        .map(|(name, licence)| (name.to_owned(), licence.to_owned()))
        .collect()
}

/// Returns what is wrong with a lock file against the list.
fn complaints(lock: &str, list: &BTreeMap<String, String>) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut names = Vec::new();
    for package in lock.split("[[package]]").skip(1) {
        let field = |key: &str| {
            let line = package.lines().find_map(|line| line.strip_prefix(key));
            line.and_then(|rest| rest.strip_prefix(" = \"")?.strip_suffix('"'))
        };
        let name = field("name").unwrap_or("");
        if name == env!("CARGO_PKG_NAME") {
            continue;
        }
        names.push(name.to_owned());
        if !list.contains_key(name) {
            wrong.push(format!("{name}: not in crates.txt"));
        }
        if field("source") != Some("registry+https://github.com/rust-lang/crates.io-index") {
            wrong.push(format!("{name}: not from crates.io"));
        }
        if field("checksum").is_none_or(|sum| sum.len() != 64) {
            wrong.push(format!("{name}: no checksum"));
        }
    }
    let unused = list.keys().filter(|name| !names.contains(name));
    wrong.extend(unused.map(|name| format!("{name}: in crates.txt, but not in Cargo.lock")));
    wrong
}

/// Returns whether one alternative of every part of an SPDX expression is permitted (`/` is an old spelling of OR).
fn may_be_used(licence: &str) -> bool {
    let flat = licence.replace(['(', ')'], "").replace('/', " OR ");
    let permitted = |part: &str| PERMITTED.contains(&part.trim());
    flat.split(" AND ")
        .all(|part| part.split(" OR ").any(permitted))
}

/// Asks cargo for name and licence of what is built on this platform; what was built needs no network.
fn licences_of_this_platform() -> BTreeMap<String, String> {
    let host = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let asked = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--locked", "--offline"])
        .args(["--filter-platform", &host])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo metadata");
    let said = String::from_utf8_lossy(&asked.stderr).into_owned();
    assert!(asked.status.success(), "{said}");
    let tree: serde_json::Value = serde_json::from_slice(&asked.stdout).expect("JSON");
    let packages = tree["packages"].as_array().expect("packages");
    let outside = packages
        .iter()
        .filter(|package| !package["source"].is_null());
    let text = |value: &serde_json::Value| value.as_str().unwrap_or("none").to_owned();
    outside
        .map(|package| (text(&package["name"]), text(&package["license"])))
        .collect()
}

#[test]
fn every_crate_is_known() {
    let wrong = complaints(&read("Cargo.lock"), &listed(&read("crates.txt")));
    assert!(wrong.is_empty(), "\n  {}\n", wrong.join("\n  "));
}

#[test]
fn every_licence_may_be_used() {
    for (name, licence) in listed(&read("crates.txt")) {
        assert!(may_be_used(&licence), "{name}: {licence}");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn every_licence_is_the_one_declared() {
    let list = listed(&read("crates.txt"));
    for (name, licence) in licences_of_this_platform() {
        assert_eq!(
            list.get(&name),
            Some(&licence),
            "crates.txt wants: {name}: {licence}"
        );
    }
}

#[test]
fn self_test_a_strange_crate_is_found() {
    let list = listed("# about\na: MIT");
    let entry = |name: &str, source: &str| {
        let sum = "0".repeat(64);
        format!("[[package]]\nname = \"{name}\"\nsource = \"{source}\"\nchecksum = \"{sum}\"\n")
    };
    let home = "registry+https://github.com/rust-lang/crates.io-index";
    let good = entry("a", home);
    assert_eq!(complaints(&good, &list), Vec::<String>::new());
    assert_eq!(complaints("", &list).len(), 1, "a line without a crate");
    let bare = good.replace("checksum", "sum");
    for bad in [entry("b", home) + &good, entry("a", "git+https://x"), bare] {
        assert_eq!(complaints(&bad, &list).len(), 1, "{bad}");
    }
}

#[test]
fn self_test_a_licence_that_binds_is_found() {
    for good in [
        "MIT",
        "MIT/Apache-2.0",
        "GPL-3.0 OR MIT",
        "(MIT OR ISC) AND Unicode-3.0",
    ] {
        assert!(may_be_used(good), "{good}");
    }
    for bad in ["GPL-3.0", "MIT AND GPL-3.0", "none", ""] {
        assert!(!may_be_used(bad), "{bad}");
    }
}
