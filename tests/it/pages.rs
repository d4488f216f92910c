//! Pages that repeat a table of the code agree with it.

use dispatch::exit::Exit;
use dispatch::outcome::FailureClass;
use dispatch::outcome::Remedy;

fn page(name: &str) -> String {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("docs")
        .join(name);
    std::fs::read_to_string(path).expect("a page")
}

#[test]
fn an_agent_session_is_told_every_exit_status() {
    let text = page("AGENTS.md");
    let rows = text.lines().filter_map(|line| line.strip_prefix("| "));
    let told: Vec<u8> = rows
        .filter_map(|row| row.split(' ').next()?.parse().ok())
        .collect();
    let known: Vec<u8> = Exit::TABLE.iter().map(|(exit, _)| exit.code()).collect();
    assert_eq!(told, known);
}

#[test]
fn an_agent_session_is_told_which_failures_pass_and_which_need_somebody() {
    let text = page("AGENTS.md");
    let last = text.split("A failed task names a class.").nth(1).unwrap();
    let mut sentences = last.split(". ");
    for remedy in [Remedy::Later, Remedy::Receiver, Remedy::Sender] {
        let sentence = sentences.next().unwrap();
        for class in FailureClass::ALL {
            let named = sentence.contains(&format!("`{class}`"));
            assert_eq!(named, class.remedy() == remedy, "{class} in: {sentence}");
        }
    }
}
