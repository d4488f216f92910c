//! Which module may import which: `layers.txt`, and the imports of the tree read as text.
//!
//! It wants one `use crate::module::Item;` per line and knows top-level modules only; a macro could evade it.

use super::Source;
use std::collections::BTreeMap;
use std::collections::BTreeSet;

/// The table: every module with what it may import.
#[derive(Debug)]
pub struct Table(BTreeMap<String, BTreeSet<String>>);

impl Table {
    /// Parses the table. A module may name only modules on earlier lines, so a table that parses has no cycle.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut table: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let lines = text
            .lines()
            .map(|line| line.split('#').next().unwrap_or(""));
        for line in lines.filter(|line| !line.trim().is_empty()) {
            let (module, imports) = line.split_once(':').ok_or(format!("no colon: {line}"))?;
            let mut allowed = BTreeSet::new();
            for import in imports.split_whitespace() {
                if import == "*" {
                    allowed.extend(table.keys().cloned());
                } else if table.contains_key(import) {
                    allowed.insert(import.to_owned());
                } else {
                    return Err(format!("{module}: {import} is not on an earlier line"));
                }
            }
            if table.insert(module.trim().to_owned(), allowed).is_some() {
                return Err(format!("{module} stands there twice"));
            }
        }
        Ok(Self(table))
    }
}

/// Returns what breaks the table: forbidden imports, modules without a line, lines without a module.
pub fn violations(table: &Table, tree: &[Source]) -> Vec<String> {
    let mut complaints = Vec::new();
    let mut seen = BTreeSet::new();
    for source in tree {
        let Some(module) = module_of(&source.path) else {
            continue;
        };
        seen.insert(module.to_owned());
        let Some(allowed) = table.0.get(module) else {
            complaints.push(format!("{}: {module} is not in layers.txt", source.path));
            continue;
        };
        for (number, line) in source.text.lines().enumerate() {
            let at = format!("{}:{}", source.path, number + 1);
            for named in named_modules(line) {
                if named.is_empty() {
                    complaints.push(format!(
                        "{at}: write one `use crate::module::Item;` per line"
                    ));
                } else if named != module && !allowed.contains(named) {
                    complaints.push(format!("{at}: {module} may not import {named}"));
                }
            }
            if climbs_out(&source.path, line) {
                complaints.push(format!(
                    "{at}: name another module by `crate::`, not `super::`"
                ));
            }
        }
    }
    let unused = table.0.keys().filter(|module| !seen.contains(*module));
    complaints.extend(unused.map(|module| format!("layers.txt: there is no module {module}")));
    complaints
}

/// Returns the top-level module of a path; `None` for what is no module or is exempt (`lib.rs`, programs).
fn module_of(path: &str) -> Option<&str> {
    let inside = path.strip_prefix("src/")?.strip_suffix(".rs")?;
    let top = inside.split('/').next()?;
    (!["lib", "main", "bin"].contains(&top)).then_some(top)
}

/// Returns what follows each `crate::` of a line, up to its comment.
fn named_modules(line: &str) -> impl Iterator<Item = &str> {
    let code = line.split("//").next().unwrap_or("");
    code.split("crate::").skip(1).map(|rest| {
        let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
        &rest[..end.unwrap_or(rest.len())]
    })
}

/// Returns whether an unindented chain of `super::` leaves the top-level module: indented ones belong to an inner one.
fn climbs_out(path: &str, line: &str) -> bool {
    let depth = path.trim_end_matches("/mod.rs").matches('/').count();
    let way_out = "super::".repeat(depth);
    line.starts_with(|first: char| !first.is_whitespace())
        && line
            .split("//")
            .next()
            .is_some_and(|code| code.contains(&way_out))
}

#[test]
fn self_test_a_cycle_is_refused() {
    assert!(Table::parse("a:\nb: a\nc: *").is_ok());
    assert!(Table::parse("a: b\nb: a").is_err(), "a names a later line");
    assert!(Table::parse("a: a").is_err(), "a names itself");
    assert!(Table::parse("a:\na:").is_err(), "twice");
    assert!(Table::parse("a").is_err(), "no colon");
}

#[test]
fn self_test_each_forbidden_import_is_found() {
    let table = Table::parse("clock:\nid: clock\nflow: *").expect("a good table");
    let good = [
        Source::of("src/clock.rs", "use std::fmt;\n/// [`crate::id::TaskId`]\n"),
        Source::of(
            "src/id.rs",
            "use crate::clock::Clock;\nuse crate::id::Other;\n",
        ),
        Source::of(
            "src/flow/claim.rs",
            "use super::Claim;\nuse crate::id::TaskId;\n",
        ),
        Source::of("src/flow/tests/mod.rs", "use super::*;\n"),
        Source::of("src/lib.rs", "use crate::anything::Goes;\n"),
        Source::of("tests/it/main.rs", "use crate::anything::Goes;\n"),
    ];
    assert_eq!(violations(&table, &good), Vec::<String>::new());
    for (path, line) in [
        ("src/clock.rs", "use crate::id::TaskId;"),
        ("src/clock.rs", "    let x = crate::flow::tick();"),
        ("src/clock.rs", "use crate::{id, flow};"),
        ("src/clock.rs", "use super::id::TaskId;"),
        ("src/flow/mod.rs", "use super::id::TaskId;"),
        ("src/flow/claim.rs", "use super::super::id::TaskId;"),
        ("src/flow/tests/mod.rs", "use super::super::id::TaskId;"),
        ("src/stray.rs", "use std::fmt;"),
    ] {
        let mut tree: Vec<Source> = good.iter().map(|s| Source::of(&s.path, &s.text)).collect();
        tree.push(Source::of(path, line));
        assert_eq!(violations(&table, &tree).len(), 1, "{path}: {line}");
    }
    assert_eq!(
        violations(&table, &good[..2]),
        ["layers.txt: there is no module flow"]
    );
}
