//! Documents that can be found, and links and names in them that lead somewhere.

use super::Source;

/// Every document below `docs/` is linked from the README or from the map, so that a reader comes upon it.
pub fn unlinked(tree: &[Source]) -> Vec<String> {
    let mut linked = Vec::new();
    for source in tree
        .iter()
        .filter(|source| ["README.md", "ARCHITECTURE.md"].contains(&source.path.as_str()))
    {
        linked.extend(targets(source).into_iter().map(|(_, target)| target));
    }
    let documents = tree
        .iter()
        .filter(|source| source.path.starts_with("docs/") && source.path.ends_with(".md"));
    let lost = documents.filter(|source| !linked.contains(&source.path));
    lost.map(|source| {
        format!(
            "{}: linked from neither README.md nor ARCHITECTURE.md",
            source.path
        )
    })
    .collect()
}

/// Every relative link of a document leads to a file or a directory of the tree.
pub fn dead(tree: &[Source]) -> Vec<String> {
    let mut complaints = Vec::new();
    for source in tree.iter().filter(|source| source.path.ends_with(".md")) {
        for (line, target) in targets(source) {
            if !leads_somewhere(tree, &target) {
                complaints.push(format!("{}:{line}: there is no {target}", source.path));
            }
        }
    }
    complaints
}

/// Every path in backquotes in ARCHITECTURE.md and CONTRIBUTING.md is there: a map of another house is worse than none.
pub fn missing_from_the_tree(tree: &[Source]) -> Vec<String> {
    let mut complaints = Vec::new();
    let maps = ["ARCHITECTURE.md", "CONTRIBUTING.md"];
    for source in tree
        .iter()
        .filter(|source| maps.contains(&source.path.as_str()))
    {
        for (number, line) in source.text.lines().enumerate() {
            for path in line
                .split('`')
                .skip(1)
                .step_by(2)
                .filter(|text| is_path(text))
            {
                if !leads_somewhere(tree, path.trim_end_matches('/')) {
                    complaints.push(format!(
                        "{}:{}: there is no {path}",
                        source.path,
                        number + 1
                    ));
                }
            }
        }
    }
    complaints
}

/// Returns whether a text in backquotes is a path of this tree rather than a place on a share or a pattern.
fn is_path(text: &str) -> bool {
    let tops = [
        "src/",
        "tests/",
        "docs/",
        "scripts/",
        "systemd/",
        "man/",
        "completions/",
        "fuzz/",
        "benches/",
        ".ci/",
    ];
    tops.iter().any(|top| text.starts_with(top)) && !text.contains(['*', '<', ' ', '{', ':'])
}

/// Returns whether a path is a file of the tree or a directory with a file in it.
fn leads_somewhere(tree: &[Source], path: &str) -> bool {
    let inside = format!("{path}/");
    tree.iter()
        .any(|source| source.path == path || source.path.starts_with(&inside))
}

/// Returns the relative link targets of a document with their lines, as paths from the root.
fn targets(source: &Source) -> Vec<(usize, String)> {
    let directory = source
        .path
        .rsplit_once('/')
        .map_or("", |(directory, _)| directory);
    let mut found = Vec::new();
    let mut fenced = false;
    for (number, line) in source.text.lines().enumerate() {
        fenced ^= line.trim_start().starts_with("```");
        for link in line.split("](").skip(1).filter(|_| !fenced) {
            let target = link.split([')', '#', ' ']).next().unwrap_or("");
            if !target.is_empty() && !target.contains("://") && !target.starts_with("mailto:") {
                found.push((number + 1, resolve(directory, target)));
            }
        }
    }
    found
}

/// Joins a relative target to a directory of the tree.
fn resolve(directory: &str, target: &str) -> String {
    let mut parts: Vec<&str> = directory
        .split('/')
        .filter(|part| !part.is_empty())
        .collect();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            name => parts.push(name),
        }
    }
    parts.join("/")
}

#[test]
fn self_test_a_document_nobody_links_is_found() {
    let mut tree = vec![
        Source::of("README.md", "see [the queue](docs/QUEUE.md#moves)"),
        Source::of("docs/QUEUE.md", ""),
    ];
    assert!(unlinked(&tree).is_empty());
    tree.push(Source::of("docs/design/001-x.md", ""));
    assert_eq!(unlinked(&tree).len(), 1);
}

#[test]
fn self_test_a_dead_link_is_found() {
    let text =
        "[a](../README.md) [b](design/x.md) [c](https://docs.rs) [d](#here)\n```\n[e](no)\n```\n";
    let mut tree = vec![Source::of("docs/A.md", text), Source::of("README.md", "")];
    assert_eq!(dead(&tree), ["docs/A.md:1: there is no docs/design/x.md"]);
    tree.push(Source::of("docs/design/x.md", ""));
    assert!(dead(&tree).is_empty());
}

#[test]
fn self_test_a_name_without_a_file_is_found() {
    let text = "`src/a.rs` `src/gone.rs` `src/flow/` `inbox/` `tests/*.rs`";
    let tree = [
        Source::of("ARCHITECTURE.md", text),
        Source::of("src/a.rs", ""),
        Source::of("src/flow/b.rs", ""),
    ];
    assert_eq!(
        missing_from_the_tree(&tree),
        ["ARCHITECTURE.md:1: there is no src/gone.rs"]
    );
}
