//! The file that `dispatch init` writes: what was asked for as settings, everything else as comments with its default.

use std::path::PathBuf;

use crate::config::render::quoted;
use crate::config::schema;
use crate::config::schema::Key;
use crate::id::NodeName;
use crate::profile::AgentKind;

/// What is known when the file is written.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Answers {
    /// The name of this node.
    pub node: Option<NodeName>,
    /// The shared folder.
    pub root: Option<PathBuf>,
    /// The identity of the root.
    pub root_id: Option<uuid::Uuid>,
    /// The nodes it knows, and whether their tasks are accepted.
    pub peers: Vec<(NodeName, bool)>,
    /// The pools it serves or sends to, with their members.
    pub pools: Vec<(NodeName, Vec<NodeName>)>,
    /// How tasks are run: the kind of agent and its command, which may be empty where the kind implies one.
    pub agent: Option<(AgentKind, Vec<String>)>,
}

const HEAD: &str = "\
# Configuration of dispatch on this node: see dispatch.toml(5) or docs/CONFIG.md. `dispatch config` shows what is in
# force and where each value came from; flags and variables of the environment beat this file. Unknown keys are refused.
# A line that begins with '#' directly before a key shows its default, or an example where nothing is set by default.
";

/// Returns the text of a configuration file.
#[must_use]
pub fn template(answers: &Answers) -> String {
    let mut text = HEAD.to_owned();
    for table in schema::TABLES {
        let (family, named) = table.header.split_once('.').unwrap_or((table.header, ""));
        let about = wrapped(table.about);
        let mut section = |header: &str, said: &[(&str, String)]| {
            text.push_str(&format!("\n{about}{header}"));
            for key in table.keys {
                let value = said
                    .iter()
                    .find(|(name, _)| *name == key.name)
                    .map(|(_, value)| value.as_str());
                text.push_str(&line(key, value));
            }
        };
        match (family, named) {
            ("", _) => section("", &of_node(answers)),
            ("peer", _) if !answers.peers.is_empty() => {
                for (peer, accept) in &answers.peers {
                    section(
                        &format!("[peer.{peer}]\n"),
                        &[("accept", accept.to_string())],
                    );
                }
            }
            ("pool", _) if !answers.pools.is_empty() => {
                for (pool, members) in &answers.pools {
                    let members: Vec<String> = members.iter().map(quoted).collect();
                    section(
                        &format!("[pool.{pool}]\n"),
                        &[("members", format!("[{}]", members.join(", ")))],
                    );
                }
            }
            ("profile", _) if answers.agent.is_some() => {
                section("[profile.default]\n", &of_agent(answers))
            }
            (_, "") => section(&format!("[{}]\n", table.header), &[]),
            (family, _) => section(&format!("#[{family}.name]\n"), &[]),
        }
    }
    text
}

fn of_node(answers: &Answers) -> Vec<(&'static str, String)> {
    let node = answers.node.as_ref().map(|node| ("node", quoted(node)));
    let root = answers
        .root
        .as_ref()
        .map(|root| ("root", quoted(&root.display())));
    let root_id = answers.root_id.as_ref().map(|id| ("root_id", quoted(id)));
    [node, root, root_id].into_iter().flatten().collect()
}

fn of_agent(answers: &Answers) -> Vec<(&'static str, String)> {
    let Some((kind, command)) = &answers.agent else {
        return Vec::new();
    };
    let words: Vec<String> = command.iter().map(quoted).collect();
    let command = (!words.is_empty()).then(|| ("command", format!("[{}]", words.join(", "))));
    [("agent", quoted(kind))]
        .into_iter()
        .chain(command)
        .collect()
}

/// Writes one key: its meaning as a comment, then its value, or its default as a comment.
fn line(key: &Key, value: Option<&str>) -> String {
    let comment = wrapped(&key.meaning.replace('`', ""));
    match value {
        Some(value) => format!("{comment}{} = {value}\n", key.name),
        None if key.default.is_empty() => format!("{comment}#{} = {}\n", key.name, key.example),
        None => format!("{comment}#{} = {}\n", key.name, key.default),
    }
}

/// Breaks a text into comment lines of at most 100 letters.
fn wrapped(text: &str) -> String {
    let mut lines = String::new();
    let mut line = String::from("#");
    for word in text.split_whitespace() {
        if line.len() + word.len() >= 100 {
            lines.push_str(&line);
            lines.push('\n');
            line = String::from("#");
        }
        line.push(' ');
        line.push_str(word);
    }
    lines + &line + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::config::tests::Host;

    fn load(text: &str) -> Config {
        let mut config = Host::new(Some(text))
            .with(&[("HOME", "/home/u")])
            .load()
            .unwrap();
        (config.file, config.origins) = (None, crate::config::Origins::default());
        config
    }

    fn answers() -> Answers {
        Answers {
            node: Some(NodeName::parse("gpubox").unwrap()),
            root: Some("/mnt/\"odd\" name".into()),
            root_id: Some(uuid::Uuid::from_u128(7)),
            peers: vec![
                (NodeName::parse("devbox").unwrap(), true),
                (NodeName::parse("laptop").unwrap(), false),
            ],
            pools: vec![(
                NodeName::parse("gpu").unwrap(),
                vec![
                    NodeName::parse("gpubox").unwrap(),
                    NodeName::parse("gpu2").unwrap(),
                ],
            )],
            agent: Some((AgentKind::Claude, vec!["/opt/claude".to_owned()])),
        }
    }

    #[test]
    fn what_init_writes_says_what_was_asked_for_and_nothing_else() {
        let plain = "node = \"gpubox\"\nroot = '/mnt/\"odd\" name'\n\
            root_id = \"00000000-0000-0000-0000-000000000007\"\n\
            [peer.devbox]\naccept = true\n[peer.laptop]\n\
            [pool.gpu]\nmembers = [\"gpubox\", \"gpu2\"]\n\
            [profile.default]\nagent = \"claude\"\ncommand = [\"/opt/claude\"]\n";
        assert_eq!(load(&template(&answers())), load(plain));
        assert_eq!(load(&template(&Answers::default())), load(""));
    }

    #[test]
    fn every_default_in_the_comments_is_the_default() {
        // A destination has no meaning before it is told what it is.
        let text = template(&answers());
        let (mut text, _) = text
            .split_once("#[notify.name]")
            .map(|(text, rest)| (text.to_owned(), rest))
            .unwrap();
        let tables = schema::TABLES
            .iter()
            .filter(|table| table.header != "notify.NAME");
        let keys = tables.flat_map(|table| table.keys);
        for key in keys.filter(|key| !key.default.is_empty()) {
            let line = format!("\n#{} = {}\n", key.name, key.default);
            // Two tables may have a key of one name and one default: then one pass has uncommented both.
            text = text.replace(&line, &line.replace('#', ""));
            let answered = key.name == "agent";
            assert!(text.contains(&line.replace('#', "")) || answered, "{line}");
        }
        text = text
            .replace("#[approver.name]\n", "")
            .replace("\nmay_grant_dangerous", "\n#may_grant_dangerous");
        assert_eq!(load(&text), load(&template(&answers())));
    }

    #[test]
    fn lines_fit_a_terminal() {
        assert!(
            template(&answers())
                .lines()
                .all(|line| line.chars().count() <= 120)
        );
    }
}
