//! What the documents tell people to type exists: every command, verb and long option they name in code.

use std::path::Path;

use clap::Command;

/// Pages that show command lines.
fn pages() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    for directory in ["", "docs", "docs/design"] {
        let list = std::fs::read_dir(root.join(directory)).expect("a readable directory");
        for entry in list.map(|entry| entry.expect("a readable entry")) {
            let path = entry.path();
            if path.extension().is_some_and(|end| end == "md") {
                let name = entry.file_name().to_string_lossy().into_owned();
                found.push((
                    name,
                    std::fs::read_to_string(path).expect("a readable page"),
                ));
            }
        }
    }
    found
}

/// Returns the pieces of a page that are code: spans in backquotes, and the lines of fenced blocks.
fn code(page: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let mut fenced = false;
    for (number, line) in page.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if fenced {
            let line = line.trim_start();
            found.push((number + 1, line.strip_prefix("$ ").unwrap_or(line)));
        } else {
            let spans = line.split('`').skip(1).step_by(2);
            found.extend(spans.map(|span| (number + 1, span)));
        }
    }
    found
}

/// Returns the first word of a command line that no command knows.
fn unknown(line: &str, commands: &[Command]) -> Option<String> {
    // What follows a comment, a pipe or the like is another matter.
    let line = line
        .split([';', '|', '&', '#', '>', '<'])
        .next()
        .unwrap_or("");
    let mut words = line.split_whitespace();
    let program = words.next()?;
    if program != "dispatch" && !program.starts_with("dispatch-") {
        return None;
    }
    let same = |command: &&Command| command.get_name() == program;
    // Other words with this beginning are names of files and units.
    let mut command = commands.iter().find(same)?;
    let mut at_verb = true;
    for word in words {
        let plain = word.chars().all(|c| c.is_ascii_lowercase() || c == '-');
        if let Some(option) = word.strip_prefix("--") {
            let name = option
                .split(['=', '[', ']', ',', '.', ')'])
                .next()
                .unwrap_or("");
            let known = |arg: &clap::Arg| {
                let aliases = arg.get_all_aliases().unwrap_or_default();
                arg.get_long() == Some(name) || aliases.contains(&name)
            };
            let built_in = ["help", "version", ""].contains(&name);
            if !built_in && !command.get_arguments().any(known) {
                return Some(word.to_owned());
            }
        } else if at_verb && plain && command.has_subcommands() {
            match command.find_subcommand(word) {
                Some(verb) => command = verb,
                None if command.is_subcommand_required_set() => return Some(word.to_owned()),
                None => at_verb = false,
            }
        } else {
            at_verb = false;
        }
    }
    None
}

#[test]
fn every_command_line_of_the_documents_is_one() {
    let commands = dispatch::cli::commands();
    let mut wrong = Vec::new();
    for (name, page) in pages() {
        for (line, text) in code(&page) {
            if let Some(word) = unknown(text, &commands) {
                wrong.push(format!("{name}:{line}: no such word '{word}': {text}"));
            }
        }
    }
    assert!(wrong.is_empty(), "\n  {}\n", wrong.join("\n  "));
}

#[test]
fn self_test_a_word_that_is_no_command_is_found() {
    let commands = [
        Command::new("dispatch")
            .subcommand_required(true)
            .subcommand(
                Command::new("key")
                    .subcommand_required(true)
                    .subcommand(Command::new("list")),
            )
            .subcommand(Command::new("wait").arg(clap::Arg::new("x").long("for"))),
        Command::new("dispatch-wait").arg(clap::Arg::new("x").long("for").alias("during")),
    ];
    for good in [
        "dispatch wait --for 90s ID",
        "dispatch-wait --during=2s | dispatch nonsense",
        "dispatch key list",
        "dispatch",
        "dispatch.toml",
        "ls --frobnicate",
    ] {
        assert_eq!(unknown(good, &commands), None, "{good}");
    }
    for bad in [
        "dispatch frobnicate",
        "dispatch key lost",
        "dispatch-wait --frobnicate",
        "dispatch wait ID --fro",
    ] {
        assert!(unknown(bad, &commands).is_some(), "{bad}");
    }
    let page = "`a` b `c`\n```\n$ d\n```\n`e`";
    assert_eq!(code(page), [(1, "a"), (1, "c"), (3, "d"), (5, "e")]);
}
