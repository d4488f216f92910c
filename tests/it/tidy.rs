//! The rules of the house, read from the tree as text. Each rule is a pure function in [`rules`], [`layers`] or
//! [`links`] with a test of its own that shows it can fail; here they are applied to the real files.

mod layers;
mod links;
mod rules;

use std::path::Path;
use std::path::PathBuf;

/// One file of the tree: its path from the root of the package, with `/`, and its text.
#[derive(Debug)]
pub struct Source {
    pub path: String,
    pub text: String,
}

impl Source {
    /// Makes a source for a self-test.
    #[cfg(test)]
    pub fn of(path: &str, text: &str) -> Self {
        Self {
            path: path.to_owned(),
            text: text.to_owned(),
        }
    }

    /// Returns whether this is Rust.
    pub fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }
}

/// Returns the root of the package.
fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Reads every text file below the root that git would track: what `.gitignore` names is left out.
fn tree() -> Vec<Source> {
    let ignored = std::fs::read_to_string(root().join(".gitignore")).expect("a .gitignore");
    let ignored: Vec<PathBuf> = ignored
        .lines()
        .filter_map(|line| line.strip_prefix('/'))
        .map(|line| root().join(line))
        .collect();
    let mut found = Vec::new();
    let mut todo = vec![root()];
    while let Some(directory) = todo.pop() {
        let list = std::fs::read_dir(&directory).expect("a readable directory");
        for entry in list.map(|entry| entry.expect("a readable entry")) {
            let path = entry.path();
            let kind = entry.file_type().expect("a file type");
            if ignored.contains(&path) || entry.file_name() == ".git" {
                continue;
            }
            if kind.is_dir() {
                todo.push(path);
            } else if kind.is_file() {
                found.extend(source(&path));
            }
        }
    }
    found.sort_by(|one, other| one.path.cmp(&other.path));
    assert!(found.iter().any(|source| source.path == "src/lib.rs"));
    found
}

/// Reads one file; `None` where it is not text.
fn source(path: &Path) -> Option<Source> {
    let text = String::from_utf8(std::fs::read(path).expect("a readable file")).ok()?;
    let path = path.strip_prefix(root()).expect("below the root");
    let path = path.to_str().expect("a UTF-8 path").to_owned();
    Some(Source { path, text })
}

/// Fails with every complaint at once.
fn none(complaints: Vec<String>) {
    assert!(complaints.is_empty(), "\n  {}\n", complaints.join("\n  "));
}

/// Applies a rule that looks at one file at a time.
fn each(rule: impl Fn(&Source) -> Vec<String>) {
    none(tree().iter().flat_map(rule).collect());
}

#[test]
fn layer_table_has_no_cycle() {
    let text = std::fs::read_to_string(root().join("layers.txt")).expect("layers.txt");
    layers::Table::parse(&text).expect("a table that is its own proof");
}

#[test]
fn modules_import_only_what_the_table_allows() {
    let text = std::fs::read_to_string(root().join("layers.txt")).expect("layers.txt");
    let table = layers::Table::parse(&text).expect("a table that is its own proof");
    none(layers::violations(&table, &tree()));
}

#[test]
fn files_stay_small() {
    each(rules::small);
}

#[test]
fn lines_stay_narrow() {
    each(rules::narrow);
}

#[test]
fn every_file_says_what_it_owns() {
    each(rules::opens_with_its_purpose);
}

#[test]
fn nothing_is_left_undone() {
    each(rules::finished);
}

#[test]
fn one_use_per_line() {
    each(rules::one_use_per_line);
}

#[test]
fn nothing_names_the_machine_it_was_made_on() {
    each(rules::portable);
}

#[test]
fn no_file_is_forgotten() {
    none(rules::forgotten(&tree()));
}

#[test]
fn every_document_can_be_found() {
    none(links::unlinked(&tree()));
}

#[test]
fn every_link_leads_somewhere() {
    none(links::dead(&tree()));
}

#[test]
fn what_the_map_names_is_there() {
    none(links::missing_from_the_tree(&tree()));
}
