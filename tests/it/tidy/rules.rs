//! Rules that look at one file at a time, and the one about files that nobody compiles.

use super::Source;

/// Longest file of code, in lines.
const LINES_MAX: usize = 500;
/// Longest program: it hands over to the library.
const PROGRAM_LINES_MAX: usize = 20;
/// Longest line of code, in characters.
const COLUMNS_MAX: usize = 120;

/// Words that say that something is not finished. In two halves, so that this file does not contain them.
const UNFINISHED: &[&str] = &[
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("XX", "X:"),
    concat!("dbg", "!("),
    concat!("todo", "!("),
    concat!("unimple", "mented!("),
    concat!("#[ig", "nore"),
];

/// Directories that exist on one machine only. In two halves, as above.
const PRIVATE_PLACES: &[&str] = &[concat!("/wo", "rk"), concat!("/ro", "ot")];
/// Parts of host names that only one network knows.
const PRIVATE_HOSTS: &[&str] = &[
    ".internal",
    ".intranet",
    ".corp",
    ".lan",
    concat!("regis", "try."),
    concat!("artifac", "tory"),
    concat!("nex", "us."),
    concat!("pro", "xy."),
    concat!("mir", "ror."),
];

/// Code is at most 500 lines a file, a program 20.
pub fn small(source: &Source) -> Vec<String> {
    let script = source.path.starts_with("scripts/") || source.path.starts_with(".ci/");
    let most = match source.path.starts_with("src/bin/") {
        true => PROGRAM_LINES_MAX,
        false => LINES_MAX,
    };
    let lines = source.text.lines().count();
    let too_long = (source.is_rust() || script) && lines > most;
    let complaint = format!("{}: {lines} lines, at most {most}", source.path);
    too_long.then_some(complaint).into_iter().collect()
}

/// No line of `src/` is over 120 columns, but for tables of test cases.
pub fn narrow(source: &Source) -> Vec<String> {
    let table = source.path.contains("/tests/") || source.path.ends_with("/tests.rs");
    let code = source.is_rust() && source.path.starts_with("src/") && !table;
    let wide = |line: &str| code && line.chars().count() > COLUMNS_MAX;
    lines_where(
        source,
        wide,
        "over 120 columns (comments: scripts/wrap-comments)",
    )
}

/// Every Rust file begins with `//!`, which says what it owns.
pub fn opens_with_its_purpose(source: &Source) -> Vec<String> {
    let bad = source.is_rust() && !source.text.starts_with("//! ");
    let complaint = format!("{}: begin with `//!`: what this file owns", source.path);
    bad.then_some(complaint).into_iter().collect()
}

/// Nothing waits to be finished, and no test is switched off.
pub fn finished(source: &Source) -> Vec<String> {
    let code = source.is_rust() || source.path.ends_with(".sh") || source.path.ends_with(".md");
    let left = |line: &str| code && UNFINISHED.iter().any(|word| line.contains(word));
    lines_where(source, left, "unfinished")
}

/// A `use` names one thing, so that imports can be read and merged line by line.
pub fn one_use_per_line(source: &Source) -> Vec<String> {
    let list = |line: &str| {
        let code = line.trim_start().trim_start_matches("pub ");
        source.is_rust() && code.starts_with("use ") && code.contains('{')
    };
    lines_where(source, list, "one `use` per line, without braces")
}

/// No tracked text names a directory or a host that exists on one machine only.
pub fn portable(source: &Source) -> Vec<String> {
    let private = |line: &str| {
        PRIVATE_PLACES.iter().any(|place| is_absolute(line, place)) || hosts(line).any(is_private)
    };
    lines_where(source, private, "names a place of one machine")
}

/// Every Rust file is declared by a `mod` line of its parent: a test nobody compiles shows nothing.
pub fn forgotten(tree: &[Source]) -> Vec<String> {
    let text_of = |path: &str| tree.iter().find(|source| source.path == path);
    let declares = |path: &str, child: &str| {
        let declared = format!("mod {child};");
        text_of(path).is_some_and(|source| {
            let lines = source.text.lines().map(str::trim);
            let mut names = lines.map(|line| {
                line.trim_start_matches("pub(crate) ")
                    .trim_start_matches("pub ")
            });
            names.any(|line| line == declared)
        })
    };
    let mut complaints = Vec::new();
    for path in tree
        .iter()
        .filter(|source| source.is_rust())
        .map(|source| source.path.as_str())
    {
        let inside = ["src/", "tests/"].iter().any(|top| path.starts_with(top));
        let Some((directory, file)) = path.rsplit_once('/').filter(|_| inside) else {
            continue;
        };
        let (family, child) = match file.trim_end_matches(".rs") {
            "lib" | "main" => continue,
            "mod" => directory.rsplit_once('/').unwrap_or((directory, "")),
            child => (directory, child),
        };
        if family == "tests" && file != "mod.rs" || family == "src/bin" {
            continue;
        }
        let parents = ["/mod.rs", "/main.rs", "/lib.rs", ".rs"].map(|end| format!("{family}{end}"));
        if !parents.iter().any(|parent| declares(parent, child)) {
            complaints.push(format!(
                "{path}: no `mod {child};` anywhere: nobody compiles it"
            ));
        }
    }
    complaints
}

/// Returns a complaint for each line that `bad` picks.
fn lines_where(source: &Source, bad: impl Fn(&str) -> bool, what: &str) -> Vec<String> {
    let lines = source.text.lines().enumerate();
    let picked = lines.filter(|(_, line)| bad(line));
    picked
        .map(|(number, line)| format!("{}:{}: {what}: {line}", source.path, number + 1))
        .collect()
}

/// Returns whether a line names `place` as an absolute path, not as the tail of another one.
fn is_absolute(line: &str, place: &str) -> bool {
    line.match_indices(place).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + place.len()..].chars().next();
        let inner = |c: char| c.is_alphanumeric() || "._-})>/*]~$".contains(c);
        let longer = |c: char| c.is_alphanumeric() || "_-.".contains(c);
        !before.is_some_and(inner) && !after.is_some_and(longer)
    })
}

/// Returns the host of every URL of a line.
fn hosts(line: &str) -> impl Iterator<Item = &str> {
    line.split("://").skip(1).map(|rest| {
        let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || ".-@".contains(c)));
        &rest[..end.unwrap_or(rest.len())]
    })
}

/// Returns whether a host is known on one network only. Loopback is everybody's.
fn is_private(host: &str) -> bool {
    let numbers: Vec<Option<u8>> = host.split('.').map(|part| part.parse().ok()).collect();
    let private_address = match numbers[..] {
        [Some(10), Some(_), Some(_), Some(_)] => true,
        [Some(172), Some(second), Some(_), Some(_)] => (16..32).contains(&second),
        [Some(192), Some(168), Some(_), Some(_)] => true,
        _ => false,
    };
    private_address
        || PRIVATE_HOSTS
            .iter()
            .any(|part| format!("{host}.").contains(part))
}

#[test]
fn self_test_a_long_file_is_found() {
    assert!(small(&Source::of("src/a.rs", &"x\n".repeat(500))).is_empty());
    assert_eq!(small(&Source::of("src/a.rs", &"x\n".repeat(501))).len(), 1);
    assert_eq!(
        small(&Source::of("src/bin/a.rs", &"x\n".repeat(21))).len(),
        1
    );
    assert!(small(&Source::of("docs/a.md", &"x\n".repeat(900))).is_empty());
}

#[test]
fn self_test_a_wide_line_is_found() {
    assert!(narrow(&Source::of("src/a.rs", &"\u{e4}".repeat(120))).is_empty());
    assert!(narrow(&Source::of("src/a/tests/rows.rs", &"a".repeat(121))).is_empty());
    assert_eq!(narrow(&Source::of("src/a.rs", &"a".repeat(121))).len(), 1);
}

#[test]
fn self_test_a_file_without_purpose_is_found() {
    assert!(opens_with_its_purpose(&Source::of("src/a.rs", "//! Owns a.\n")).is_empty());
    assert_eq!(
        opens_with_its_purpose(&Source::of("src/a.rs", "use b;\n")).len(),
        1
    );
}

#[test]
fn self_test_each_unfinished_word_is_found() {
    for word in UNFINISHED {
        assert_eq!(
            finished(&Source::of("src/a.rs", &format!("// {word}"))).len(),
            1,
            "{word}"
        );
    }
    assert!(finished(&Source::of("src/a.rs", "// the method of todos")).is_empty());
}

#[test]
fn self_test_a_brace_list_is_found() {
    assert!(one_use_per_line(&Source::of("src/a.rs", "use a::B;\n    pub use c::D;")).is_empty());
    assert_eq!(
        one_use_per_line(&Source::of("src/a.rs", "use a::{B, C};\npub use d::{E};")).len(),
        2
    );
}

#[test]
fn self_test_each_private_place_is_found() {
    let [work, top] = [PRIVATE_PLACES[0], PRIVATE_PLACES[1]];
    for good in [
        format!("see /srv{work} and {top}s"),
        format!("${{root}}{work}/x"),
        "http://127.0.0.1:8080/v1".to_owned(),
        "https://docs.rs/nix".to_owned(),
    ] {
        assert!(portable(&Source::of("a.md", &good)).is_empty(), "{good}");
    }
    for bad in [
        format!("cd {work}/x"),
        format!("\"{top}\""),
        format!("{top}/.cargo"),
        ["http", "10.1.2.3/x"].join("://"),
        ["http", "192.168.0.1"].join("://"),
        ["https", "172.20.0.1:80/"].join("://"),
        ["https", "crates.internal/index"].join("://"),
        format!("https://{}npm.example/x", PRIVATE_HOSTS[4]),
    ] {
        assert_eq!(portable(&Source::of("a.md", &bad)).len(), 1, "{bad}");
    }
}

#[test]
fn self_test_a_forgotten_file_is_found() {
    let tree = [
        Source::of("src/lib.rs", "pub mod a;\nmod b;"),
        Source::of("src/a.rs", "mod tests;"),
        Source::of("src/a/tests.rs", ""),
        Source::of("src/b/mod.rs", "pub(crate) mod c;"),
        Source::of("src/b/c.rs", ""),
        Source::of("src/bin/x.rs", ""),
        Source::of("tests/it/main.rs", "mod y;"),
        Source::of("tests/it/y.rs", ""),
    ];
    assert_eq!(forgotten(&tree), Vec::<String>::new());
    for lost in ["src/d.rs", "src/a/more.rs", "src/e/mod.rs", "tests/it/z.rs"] {
        let mut tree: Vec<Source> = tree.iter().map(|s| Source::of(&s.path, &s.text)).collect();
        tree.push(Source::of(lost, ""));
        assert_eq!(forgotten(&tree).len(), 1, "{lost}");
    }
}
