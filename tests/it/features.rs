//! `docs/FEATURES.md` is whole and true: every row once, every mark backed, everything it names there, and counted.
//!
//! `UPDATE_DOCS=1 cargo test --test it features` counts the marks anew.
#![expect(
    clippy::disallowed_methods,
    reason = "rewrites the counts of a document when asked to"
)]

use std::collections::BTreeMap;
use std::path::Path;

const PAGE: &str = "docs/FEATURES.md";
/// The systems: as the page calls them, the letter of their rows, and how many there are.
const SYSTEMS: &[(&str, char, usize)] = &[
    ("claude-dispatch, the original", 'C', 96),
    ("ats-dispatch", 'A', 77),
    ("MikeSquared Dispatch", 'B', 99),
    ("swarmkit task", 'D', 62),
    ("gstack-dispatch-daemon", 'E', 66),
];
/// The marks, in the order in which they are counted.
const MARKS: &[&str] = &["done", "other", "gateway", "not yet"];

/// One row of the tables.
#[derive(Debug)]
struct Row<'a> {
    key: &'a str,
    mark: &'a str,
    feature: &'a str,
    here: &'a str,
    shown: &'a str,
}

/// Returns the rows of a page, and a complaint for each line that looks like one and is none.
fn rows(page: &str) -> (Vec<Row<'_>>, Vec<String>) {
    let (mut rows, mut wrong) = (Vec::new(), Vec::new());
    for line in page.lines() {
        let inside = line
            .strip_prefix('|')
            .and_then(|rest| rest.strip_suffix('|'));
        let cells: Vec<&str> = inside
            .map(|cells| cells.split('|').map(str::trim).collect())
            .unwrap_or_default();
        if !cells.first().is_some_and(|first| is_key(first)) {
            continue;
        }
        match cells[..] {
            [key, mark, feature, here, shown] => rows.push(Row {
                key,
                mark,
                feature,
                here,
                shown,
            }),
            _ => wrong.push(format!("{}: not five cells: {line}", cells[0])),
        }
    }
    (rows, wrong)
}

/// Returns whether a text is a letter of a system and digits.
fn is_key(text: &str) -> bool {
    let mut letters = text.chars();
    let first = letters.next();
    let digits = letters.as_str();
    SYSTEMS.iter().any(|(_, letter, _)| first == Some(*letter))
        && !digits.is_empty()
        && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// Every number of every system is there once, in its order, and no other.
fn numbered(rows: &[Row<'_>]) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    for row in rows {
        *seen.entry(row.key).or_default() += 1;
    }
    for (name, letter, count) in SYSTEMS {
        let wanted: Vec<String> = (1..=*count).map(|n| format!("{letter}{n:02}")).collect();
        for key in &wanted {
            match seen.remove(key.as_str()) {
                Some(1) => {}
                Some(more) => wrong.push(format!("{key} is there {more} times")),
                None => wrong.push(format!("{key} of {name} is missing")),
            }
        }
        let order = rows.iter().filter(|row| row.key.starts_with(*letter));
        if !order.is_sorted_by_key(|row| row.key) {
            wrong.push(format!("the rows of {name} are out of order"));
        }
    }
    wrong.extend(seen.keys().map(|key| format!("{key} is no row")));
    wrong
}

/// Every mark is one, and says what it has to: how, what is missing, what shows it.
fn marked(rows: &[Row<'_>]) -> Vec<String> {
    let mut wrong = Vec::new();
    for row in rows {
        let key = row.key;
        if !MARKS.contains(&row.mark) {
            wrong.push(format!("{key}: no such mark: '{}'", row.mark));
        }
        if row.feature.is_empty() || row.here.is_empty() {
            wrong.push(format!("{key}: an empty cell"));
        }
        if row.mark == "done" && row.shown.is_empty() {
            wrong.push(format!("{key}: done, and no test shows it"));
        }
        if (row.mark == "not yet") != row.here.contains("missing") && row.mark != "gateway" {
            wrong.push(format!(
                "{key}: 'not yet' says what is missing, nothing else does"
            ));
        }
    }
    wrong
}

/// Returns the pieces of a text that are code.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// Every test and script that is said to show something is there.
fn shown(root: &Path, rows: &[Row<'_>]) -> Vec<String> {
    let mut wrong = Vec::new();
    for row in rows {
        let outside: String = row.shown.split('`').step_by(2).collect();
        if !outside.trim().is_empty() {
            wrong.push(format!("{}: not the name of a test: {outside}", row.key));
        }
        let names = code(row.shown).filter(|name| !is_there(root, name));
        wrong.extend(names.map(|name| format!("{}: there is no {name}", row.key)));
    }
    wrong
}

/// Returns whether a name such as `journey::trouble::a_test` is that of a test in the file of that path, or a path with
/// a file.
fn is_there(root: &Path, name: &str) -> bool {
    if name.contains('/') {
        return root.join(name).is_file();
    }
    let Some((module, test)) = name.rsplit_once("::") else {
        return false;
    };
    let path = module.replace("::", "/");
    let outer = path.strip_suffix("/tests");
    let files = std::iter::once(path.as_str())
        .chain(outer)
        .flat_map(|path| {
            ["tests/it", "src"]
                .into_iter()
                .flat_map(move |top| [format!("{top}/{path}.rs"), format!("{top}/{path}/mod.rs")])
        });
    files
        .filter_map(|file| std::fs::read_to_string(root.join(file)).ok())
        .any(|text| has_test(&text, test))
}

/// Returns whether a text has a function of this name that is a test.
fn has_test(text: &str, name: &str) -> bool {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let head = format!("fn {name}(");
    let at = lines.iter().position(|line| line.starts_with(&head));
    let Some(at) = at else { return false };
    let above = lines[..at].iter().rev();
    let mut attributes = above.take_while(|line| line.starts_with(['#', '/']));
    attributes.any(|line| *line == "#[test]")
}

/// Every command that is named has a manual page, every path a file.
fn named(root: &Path, page: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    for span in page.lines().flat_map(code) {
        let is_path = ["src/", "docs/", "tests/", "scripts/", "systemd/", ".ci/"];
        if is_path.iter().any(|top| span.starts_with(top)) && !root.join(span).exists() {
            wrong.push(format!("there is no {span}"));
        }
        let words: Vec<&str> = span.split(' ').collect();
        let page = match words[..] {
            ["dispatch", verb, ..] => format!("dispatch-{verb}"),
            [program, ..] if program.starts_with("dispatch-") => {
                program.split('@').next().unwrap_or("").to_owned()
            }
            _ => continue,
        };
        if !root.join(format!("man/{page}.1")).is_file() {
            wrong.push(format!("there is no command for `{span}`"));
        }
    }
    wrong
}

/// Returns the table of counts.
fn counts(rows: &[Row<'_>]) -> String {
    let count = |letter: Option<char>, mark: &str| {
        let of = |row: &&Row<'_>| {
            row.mark == mark && letter.is_none_or(|letter| row.key.starts_with(letter))
        };
        rows.iter().filter(of).count()
    };
    let line = |name: &str, span: &str, letter: Option<char>| {
        let each: Vec<usize> = MARKS.iter().map(|mark| count(letter, mark)).collect();
        let cells: String = each.iter().map(|number| format!(" {number} |")).collect();
        format!(
            "| {name} |{span} |{cells} {} |\n",
            each.iter().sum::<usize>()
        )
    };
    let each = SYSTEMS.iter().map(|(name, letter, last)| {
        line(
            name,
            &format!(" {letter}01 to {letter}{last}"),
            Some(*letter),
        )
    });
    let each: String = each.collect();
    format!("{each}{}", line("**all five**", "", None))
}

/// Returns the page with its counts made anew; as it is, where it has no table for them.
fn counted(page: &str, counts: &str) -> String {
    let head = format!("| system | rows | {} | all |\n", MARKS.join(" | "));
    let rule = "|---|---|---|---|---|---|---|\n";
    let Some((before, rest)) = page.split_once(&format!("{head}{rule}")) else {
        return page.to_owned();
    };
    let old = rest.split_inclusive('\n');
    let old: usize = old
        .take_while(|line| line.starts_with('|'))
        .map(str::len)
        .sum();
    format!("{before}{head}{rule}{counts}{}", &rest[old..])
}

/// Returns everything that is wrong with a page.
fn complaints(root: &Path, page: &str) -> Vec<String> {
    let (rows, mut wrong) = rows(page);
    wrong.extend(numbered(&rows));
    wrong.extend(marked(&rows));
    wrong.extend(shown(root, &rows));
    wrong.extend(named(root, page));
    let counts = counts(&rows);
    if !page.contains(&counts) || counted(page, &counts) != page {
        let how = "UPDATE_DOCS=1 cargo test --test it features";
        wrong.push(format!("the counts are wrong; run: {how}"));
    }
    wrong
}

#[test]
fn every_row_is_there_once_and_what_it_names_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut page = std::fs::read_to_string(root.join(PAGE)).expect("the page");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        page = counted(&page, &counts(&rows(&page).0));
        std::fs::write(root.join(PAGE), &page).expect("a writable page");
    }
    let wrong = complaints(root, &page);
    assert!(wrong.is_empty(), "\n  {}\n", wrong.join("\n  "));
}

/// Returns a page that is as it should be, over the tree of this package.
fn sound() -> String {
    let mut page = format!(
        "| system | rows | {} | all |\n|---|---|---|---|---|---|---|\n",
        MARKS.join(" | ")
    );
    for (_, letter, last) in SYSTEMS {
        page.push('\n');
        for number in 1..=*last {
            let test = "`features::self_test_what_is_wrong_is_found`";
            page.push_str(&format!(
                "| {letter}{number:02} | done | a | `dispatch key list` | {test} |\n"
            ));
        }
    }
    let counts = counts(&rows(&page).0);
    counted(&page, &counts)
}

#[test]
fn self_test_what_is_wrong_is_found() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let good = sound();
    assert_eq!(complaints(root, &good), Vec::<String>::new());
    let test = "`features::self_test_what_is_wrong_is_found` |\n";
    let row = format!("| C07 | done | a | `dispatch key list` | {test}");
    let told = |new: &str| {
        let page = good.replacen(&row, new, 1);
        assert_ne!(page, good);
        complaints(root, &page).join("\n")
    };
    for (new, want) in [
        (
            String::new(),
            "C07 of claude-dispatch, the original is missing",
        ),
        (format!("{row}{row}"), "C07 is there 2 times"),
        (row.replace("C07", "C97"), "C97 is no row"),
        (row.replace("C07", "C7"), "C7 is no row"),
        (row.replace("done", "soon"), "C07: no such mark: 'soon'"),
        (row.replace("done", "other"), "the counts are wrong"),
        (row.replace("done", "not yet"), "says what is missing"),
        (row.replace(test, " |\n"), "C07: done, and no test shows it"),
        (
            row.replace("_found`", "_lost`"),
            "there is no features::self_test_what_is_wrong_is_lost",
        ),
        // A function, and no test.
        (
            row.replace("self_test_what_is_wrong_is_found", "counted"),
            "there is no features::counted",
        ),
        (
            row.replace("`features", "features"),
            "C07: not the name of a test",
        ),
        (
            row.replace("key list", "frobnicate"),
            "no command for `dispatch frobnicate`",
        ),
        (
            row.replace("dispatch key list", "src/gone.rs"),
            "there is no src/gone.rs",
        ),
        (row.replace(" a |", " a | b |"), "C07: not five cells"),
        (row.replace(" a |", " |"), "C07: an empty cell"),
    ] {
        let told = told(&new);
        assert!(told.contains(want), "{want}: {told}");
    }
    let recounted = counted(
        &good.replacen("| 96 |", "| 95 |", 1),
        &counts(&rows(&good).0),
    );
    assert_eq!(recounted, good);
    assert!(is_there(root, "scripts/check-units") && !is_there(root, "scripts/gone"));
    assert!(
        is_there(root, "id::tests::ids_have_one_spelling"),
        "beside what it tests"
    );
    assert!(
        is_there(root, "legacy::tests::the_published_code_of_version_2"),
        "in a file"
    );
}
