//! The table of keys against the types that are read, the defaults that are used, and the documentation.

use std::collections::BTreeSet;

use crate::config::Config;
use crate::config::env;
use crate::config::render;
use crate::config::schema::TABLES;
use crate::config::schema::reference;
use crate::config::tests::Host;
use crate::destination::Destination;
use crate::destination::Service;
use crate::id::DestinationName;
use crate::id::NodeName;
use crate::policy::Approver;
use crate::policy::PeerPolicy;
use crate::policy::Scope;
use crate::profile::AgentKind;
use crate::profile::Profile;

fn concrete(header: &str) -> String {
    match header {
        "" => String::new(),
        header => format!("[{}]\n", header.replace("NAME", "x")),
    }
}

/// The reader itself lists what it knows when it meets a key that resembles none.
#[test]
fn the_table_lists_exactly_the_keys_that_are_read() {
    for table in TABLES {
        let text = format!("{}qqqqqqqqqqqqqqqqqq = 1\n", concrete(table.header));
        let said = Host::new(Some(&text)).load().unwrap_err().to_string();
        let (_, known) = said.split_once("known: ").unwrap();
        let known: BTreeSet<&str> = known.split(", ").collect();
        let mut listed: BTreeSet<&str> = table.keys.iter().map(|key| key.name).collect();
        if table.header.is_empty() {
            listed.extend([
                "watch", "share", "retry", "peer", "pool", "approver", "profile", "notify",
            ]);
        }
        assert_eq!(known, listed, "[{}]", table.header);
    }
}

#[test]
fn the_table_has_the_defaults_that_are_used() {
    let config = Config::default();
    let mut profile = Profile::of_kind(
        PeerPolicy::default().default_profile,
        AgentKind::Command,
        vec![],
    );
    profile.slots = config.slots;
    let approver = Approver {
        scope: Scope::All,
        may_grant_dangerous: false,
    };
    let name = DestinationName::parse("x").unwrap();
    let destination = Destination::of(name, Service::Webhook);
    let used = [
        render::top(&config),
        render::watch(&config),
        render::share(&config),
        render::retry(&config),
        render::of_peer(&PeerPolicy::default()),
        render::of_pool(
            &["gpu1", "gpu2"]
                .map(|name| NodeName::parse(name).unwrap())
                .into(),
        ),
        render::of_approver(&approver),
        render::of_profile(&profile),
        render::of_destination(&destination),
    ];
    for (table, used) in TABLES.iter().zip(used) {
        let names: Vec<&str> = used.iter().map(|(name, _)| *name).collect();
        let listed: Vec<&str> = table.keys.iter().map(|key| key.name).collect();
        assert_eq!(names, listed, "[{}]", table.header);
        for (key, (name, value)) in table.keys.iter().zip(used) {
            // What depends on other settings has no default of its own.
            if ["keys", "members", "for", "command", "slots", "service"].contains(&name)
                && key.default.is_empty()
            {
                continue;
            }
            assert_eq!(
                key.default,
                value.unwrap_or_default(),
                "{}.{name}",
                table.header
            );
        }
    }
}

/// A whole file made of the examples, so that each of them is known to be accepted.
fn examples() -> String {
    let mut text = String::new();
    for table in TABLES {
        text.push_str(&concrete(table.header));
        // A destination has one of the two.
        let keys = table.keys.iter().filter(|key| key.name != "url_file");
        for key in keys {
            text.push_str(&format!("{} = {}\n", key.name, key.example));
        }
    }
    text.push_str("[peer.gpu1]\n[peer.gpu2]\n[peer.devbox]\n[profile.gpu]\ncommand = [\"true\"]\n[profile.default]\ncommand = [\"true\"]\n");
    text
}

#[test]
fn every_example_is_accepted_and_what_is_shown_can_be_read_back() {
    let host = Host::new(Some(&examples()));
    let config = host.load().unwrap();
    let mut shown = String::new();
    let mut table = String::new();
    for row in render::render(&config) {
        let (head, name) = row.key.rsplit_once('.').unwrap_or(("", &row.key));
        if head != table {
            table = head.to_owned();
            shown.push_str(&format!("[{head}]\n"));
        }
        if let Some(value) = row.value {
            shown.push_str(&format!("{name} = {value}\n"));
        }
    }
    let mut again = Host::new(Some(&shown)).load().unwrap();
    (again.file, again.origins) = (config.file.clone(), config.origins.clone());
    assert_eq!(again, config, "{shown}");
}

#[test]
fn an_example_is_not_the_default() {
    for table in TABLES {
        for key in table.keys {
            assert_ne!(key.default, key.example, "{}.{}", table.header, key.name);
            assert!(!key.meaning.is_empty() && !key.kind.is_empty());
        }
    }
}

#[test]
fn the_documentation_has_every_key_and_every_variable() {
    let document = include_str!("../../../docs/CONFIG.md");
    for line in reference().lines().filter(|line| !line.is_empty()) {
        assert!(
            document.contains(line),
            "docs/CONFIG.md lacks the line\n{line}"
        );
    }
    for (name, meaning) in env::VARIABLES {
        let line = format!("| `{name}` | {meaning} |");
        assert!(
            document.contains(&line),
            "docs/CONFIG.md lacks the line\n{line}"
        );
    }
}
