//! The manual pages and completions are generated from the command line itself, committed, and fresh.
//!
//! `UPDATE_DOCS=1 cargo test --test it docs` writes them again.
#![expect(
    clippy::disallowed_methods,
    reason = "rewrites generated files of the source tree when asked to"
)]

use std::collections::BTreeMap;
use std::path::Path;
use std::path::PathBuf;

use clap::Command;
use clap_complete::Shell;
use dispatch::config;
use dispatch::config::env::VARIABLES;
use dispatch::exit::Exit;

/// Generated files: path below the root of the package, and text.
type Files = BTreeMap<String, String>;

/// Returns a page for each program, for each verb of the front door, and for each command below one.
fn pages(commands: &[Command]) -> Files {
    let mut files = Files::new();
    for command in commands {
        // A program that is also a verb has one page, that of the program, which comes later.
        add_pages(&mut files, named(command.clone()));
    }
    files
}

/// Adds the page of a command and of each command below it.
fn add_pages(files: &mut Files, command: Command) {
    for verb in command.get_subcommands().filter(|verb| !verb.is_hide_set()) {
        let name = format!("{}-{}", command.get_name(), verb.get_name());
        add_pages(files, verb.clone().name(name));
    }
    files.insert(format!("man/{}.1", command.get_name()), page(command));
}

/// Returns a command with its usage lines and subcommands worked out.
fn named(command: Command) -> Command {
    let mut command = command.disable_help_subcommand(true);
    command.build();
    command
}

/// Renders one page. The generator writes no date; none is wanted, it would never be fresh.
fn page(command: Command) -> String {
    let mut text = Vec::new();
    let page = clap_mangen::Man::new(command).manual("dispatch");
    page.render(&mut text).expect("rendering into memory");
    let mut text = String::from_utf8(text).expect("UTF-8");
    text.push_str(".SH \"SEE ALSO\"\n\\fBdispatch\\fR(7)\n");
    text
}

/// Returns the completions of each program for each shell, under the names under which shells look for them.
fn completions(commands: &[Command]) -> Files {
    let mut files = Files::new();
    for command in commands {
        let name = command.get_name().to_owned();
        for (shell, path) in [
            (Shell::Bash, format!("completions/bash/{name}")),
            (Shell::Zsh, format!("completions/zsh/_{name}")),
            (Shell::Fish, format!("completions/fish/{name}.fish")),
        ] {
            let mut text = Vec::new();
            clap_complete::generate(shell, &mut command.clone(), &name, &mut text);
            files.insert(path, String::from_utf8(text).expect("UTF-8"));
        }
    }
    files
}

/// Escapes text for a manual page: no line may begin with a control character, no dash may become a hyphen.
fn roff(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-");
    let bold = |(index, part): (usize, &str)| match index % 2 {
        1 => format!("\\fB{part}\\fR"),
        _ => part.to_owned(),
    };
    let text: String = text.split('`').enumerate().map(bold).collect();
    match text.starts_with(['.', '\'']) {
        true => format!("\\&{text}"),
        false => text,
    }
}

/// Returns rows of a definition list.
fn rows<'a>(rows: impl IntoIterator<Item = (String, &'a str)>) -> String {
    let row = |(term, text): (String, &str)| format!(".TP\n.B {}\n{}\n", roff(&term), roff(text));
    rows.into_iter().map(row).collect()
}

/// Replaces what stands between two marks of a hand-written page.
fn fill(page: &str, mark: &str, rows: &str) -> String {
    let (begin, end) = (
        format!(".\\\" begin {mark}\n"),
        format!(".\\\" end {mark}\n"),
    );
    let (before, rest) = page.split_once(&begin).expect("a begin mark");
    let (_, after) = rest.split_once(&end).expect("an end mark");
    format!("{before}{begin}{rows}{end}{after}")
}

/// Returns the overview, with its tables made anew.
fn overview(page: &str, commands: &[Command]) -> String {
    let about = |command: &Command| {
        let about = command.get_about().map(ToString::to_string);
        about.unwrap_or_default()
    };
    let abouts: Vec<(String, String)> = commands
        .iter()
        .map(|command| (command.get_name().to_owned(), about(command)))
        .collect();
    let programs = abouts
        .iter()
        .map(|(name, about)| (name.clone(), about.as_str()));
    let statuses = Exit::TABLE
        .iter()
        .map(|(exit, text)| (exit.code().to_string(), *text));
    let variables = VARIABLES
        .iter()
        .map(|(name, text)| ((*name).to_owned(), *text));
    let page = fill(page, "programs", &rows(programs));
    let page = fill(&page, "environment", &rows(variables));
    fill(&page, "statuses", &rows(statuses))
}

/// Returns the files below a directory, as paths from the root of the package.
fn present(root: &Path, directory: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut waiting = vec![PathBuf::from(directory)];
    while let Some(directory) = waiting.pop() {
        let Ok(list) = std::fs::read_dir(root.join(&directory)) else {
            continue;
        };
        for entry in list.map(|entry| entry.expect("a readable entry")) {
            let path = directory.join(entry.file_name());
            match entry.file_type().expect("a file type").is_dir() {
                true => waiting.push(path),
                false => found.push(path.to_str().expect("a UTF-8 path").to_owned()),
            }
        }
    }
    found
}

/// Returns what differs between the tree and what is generated: stale, missing, and left over.
fn stale(root: &Path, wanted: &Files) -> Vec<String> {
    let same = |(path, text): &(&String, &String)| {
        std::fs::read_to_string(root.join(path)).is_ok_and(|there| there == **text)
    };
    let differing = wanted.iter().filter(|pair| !same(pair));
    let mut stale: Vec<String> = differing.map(|(path, _)| path.clone()).collect();
    let there = ["man", "completions"].map(|directory| present(root, directory));
    stale.extend(
        there
            .concat()
            .into_iter()
            .filter(|path| !wanted.contains_key(path)),
    );
    stale
}

/// Makes the tree what is generated.
fn write(root: &Path, wanted: &Files) {
    for path in stale(root, wanted) {
        let place = root.join(&path);
        match wanted.get(&path) {
            None => std::fs::remove_file(place).expect("a removable file"),
            Some(text) => {
                let directory = place.parent().expect("a directory");
                std::fs::create_dir_all(directory).expect("a directory");
                std::fs::write(place, text).expect("a writable file");
            }
        }
    }
}

/// Returns everything that is generated for these commands.
fn generated(root: &Path, commands: &[Command]) -> Files {
    let mut files = pages(commands);
    files.extend(completions(commands));
    let path = "man/dispatch.7";
    let page = std::fs::read_to_string(root.join(path)).expect("the overview");
    files.insert(path.to_owned(), overview(&page, commands));
    files.insert("man/dispatch.toml.5".to_owned(), config::manual());
    files
}

#[test]
fn pages_and_completions_are_fresh() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let wanted = generated(root, &dispatch::cli::commands());
    if std::env::var_os("UPDATE_DOCS").is_some() {
        write(root, &wanted);
    }
    let stale = stale(root, &wanted);
    assert!(
        stale.is_empty(),
        "\n  {}\n\nrun: UPDATE_DOCS=1 cargo test --test it docs\n",
        stale.join("\n  ")
    );
}

/// A unit with a flag that its program does not know starts nothing, and says so to nobody.
#[test]
fn what_a_unit_starts_is_a_command_line_that_its_program_takes() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let units = present(root, "systemd");
    let mut seen = 0;
    for unit in units.iter().filter(|path| path.ends_with(".service")) {
        let text = std::fs::read_to_string(root.join(unit)).expect("a unit");
        let starts = text
            .lines()
            .filter_map(|line| line.strip_prefix("ExecStart="));
        for start in starts {
            let start = start.replace("%i", "node");
            let words: Vec<&str> = start.split_whitespace().collect();
            let program = words[0].rsplit('/').next().expect("a program");
            let mut commands = dispatch::cli::commands().into_iter();
            let command = commands.find(|command| command.get_name() == program);
            let parsed = command.expect(program).try_get_matches_from(&words);
            assert!(parsed.is_ok(), "{unit}: {}", parsed.expect_err("an error"));
            seen += 1;
        }
    }
    assert!(seen >= 5, "{seen}");
}

#[test]
fn self_test_a_stale_page_is_found_and_repaired() {
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let root = scratch.path();
    std::fs::create_dir(root.join("man")).expect("a directory");
    let marks = ["programs", "environment", "statuses"];
    let page: String = marks
        .map(|mark| format!(".\\\" begin {mark}\nleft over\n.\\\" end {mark}\n"))
        .concat();
    std::fs::write(root.join("man/dispatch.7"), page).expect("a file");
    let nested = Command::new("all").about("Waits for everything");
    let verb = Command::new("wait")
        .about("Waits for - a result")
        .subcommand(nested);
    let front = Command::new("dispatch")
        .about("The front door")
        .subcommand(verb);
    let commands = [front, Command::new("dispatch-send").about("Sends")];
    let wanted = generated(root, &commands);
    let pages: Vec<&str> = wanted.keys().map(String::as_str).collect();
    for path in [
        "man/dispatch.1",
        "man/dispatch-wait.1",
        "man/dispatch-wait-all.1",
        "man/dispatch-send.1",
        "completions/zsh/_dispatch-send",
    ] {
        assert!(pages.contains(&path), "{pages:?}");
    }
    assert!(!pages.contains(&"man/dispatch-help.1"), "{pages:?}");
    let overview = &wanted["man/dispatch.7"];
    assert!(
        overview.contains(".TP\n.B 75\n") && !overview.contains("left over"),
        "{overview}"
    );
    assert_eq!(
        stale(root, &wanted).len(),
        wanted.len(),
        "nothing is there yet"
    );
    write(root, &wanted);
    assert_eq!(stale(root, &wanted), Vec::<String>::new());
    std::fs::write(root.join("man/dispatch-gone.1"), "").expect("a file");
    std::fs::write(root.join("man/dispatch.1"), "edited").expect("a file");
    assert_eq!(stale(root, &wanted).len(), 2);
    write(root, &wanted);
    assert_eq!(stale(root, &wanted), Vec::<String>::new());
}
