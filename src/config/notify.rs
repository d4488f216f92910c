//! Reads `[notify.NAME]`: what each service needs, and that no secret stands in the configuration.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use toml::Spanned;

use crate::config::Config;
use crate::config::file::Field;
use crate::config::file::NotifyTable;
use crate::config::nearest;
use crate::config::read::Reading;
use crate::config::tables::count;
use crate::config::tables::time;
use crate::destination::Choice;
use crate::destination::Destination;
use crate::destination::Filter;
use crate::destination::Scheme;
use crate::destination::Service;
use crate::destination::Url;
use crate::id::DestinationName;
use crate::id::Party;
use crate::limits;

/// Shortest time that a try may be given.
const TIMEOUT_MIN: Duration = Duration::from_secs(1);
/// Longest name or id of a chat.
const CHAT_LETTERS_MAX: usize = 64;

/// Reads every table into `config`.
pub(super) fn fill(
    config: &mut Config,
    tables: BTreeMap<Spanned<DestinationName>, NotifyTable>,
    reading: &mut Reading<'_>,
) {
    for (at, (name, table)) in tables.into_iter().enumerate() {
        let (name, span) = (name.get_ref().clone(), name.span());
        if at == limits::NOTIFY_DESTINATIONS_MAX {
            reading.problem(&span, format!("there are more than {at} destinations"));
        }
        let Some(made) = destination(config, reading, &name, table, &span) else {
            continue;
        };
        lacking(&made, reading, &span);
        config.notify.insert(name, made);
    }
}

/// Reads one table; `None` where it does not say what it is.
fn destination(
    config: &Config,
    reading: &mut Reading<'_>,
    name: &DestinationName,
    table: NotifyTable,
    header: &Range<usize>,
) -> Option<Destination> {
    let key = |key: &str| format!("notify.{name}.{key}");
    let Some(service) = reading.value(&key("service"), table.service) else {
        let known: Vec<&str> = Service::ALL.iter().map(|one| one.as_str()).collect();
        let known = known.join(", ");
        reading.problem(
            header,
            format!("notify.{name}.service is missing: one of {known}"),
        );
        return None;
    };
    let base = Destination::of(name.clone(), service);
    let allow_private = reading.value(&key("allow_private"), table.allow_private);
    let allow_private = allow_private.unwrap_or(base.allow_private);
    let filter = Filter {
        events: choices(reading, &key("events"), table.events).unwrap_or(base.filter.events),
        lanes: lanes(reading, &key("lanes"), table.lanes),
        peers: peers(config, reading, &key("peers"), table.peers),
        profiles: reading
            .value(&key("profiles"), table.profiles)
            .unwrap_or_default(),
        outcomes: reading
            .value(&key("outcomes"), table.outcomes)
            .unwrap_or_default(),
    };
    Some(Destination {
        url: url(reading, &key("url"), table.url, allow_private),
        url_file: reading.path(&key("url_file"), table.url_file),
        secret_file: reading.path(&key("secret_file"), table.secret_file),
        token_file: reading.path(&key("token_file"), table.token_file),
        ca: reading.path(&key("ca"), table.ca),
        chat: chat(reading, &key("chat"), table.chat),
        command: reading
            .program(&key("command"), table.command)
            .unwrap_or_default(),
        timeout: time(
            reading,
            &key("timeout"),
            table.timeout,
            TIMEOUT_MIN,
            limits::NOTIFY_TIMEOUT_MAX,
        )
        .unwrap_or(base.timeout),
        allow_private,
        filter,
        quiet: reading
            .value(&key("quiet"), table.quiet)
            .map(|hours| hours.0),
        urgent: choices(reading, &key("urgent"), table.urgent).unwrap_or(base.urgent),
        rate: reading
            .value(&key("rate"), table.rate)
            .map_or(base.rate, |rate| rate.0),
        tries: count(reading, &key("tries"), table.tries, 1, 100).unwrap_or(base.tries),
        name: base.name,
        service,
    })
}

/// Notes what a service needs and was not given, and where two settings say the same.
fn lacking(made: &Destination, reading: &mut Reading<'_>, header: &Range<usize>) {
    let (name, service) = (&made.name, made.service);
    let mut need = |is_there: bool, key: &str| {
        if !is_there {
            reading.problem(header, format!("notify.{name}: '{service}' needs {key}"));
        }
    };
    match service {
        Service::Webhook => need(made.secret_file.is_some(), "secret_file"),
        Service::Telegram => {
            need(made.token_file.is_some(), "token_file");
            need(made.chat.is_some(), "chat");
        }
        Service::Command => need(!made.command.is_empty(), "command"),
        Service::Discord | Service::Slack | Service::Ntfy => {}
    }
    let has_address = made.url.is_some() || made.url_file.is_some();
    if !matches!(service, Service::Telegram | Service::Command) {
        need(has_address, "url or url_file");
    }
    if made.url.is_some() && made.url_file.is_some() {
        reading.problem(header, format!("notify.{name} has both url and url_file"));
    }
}

/// Takes an address. Its text is not repeated: it may be a secret that should not have been there.
fn url(
    reading: &mut Reading<'_>,
    key: &str,
    field: Field<String>,
    allow_private: bool,
) -> Option<Url> {
    let (text, span) = reading.spanned(key, field)?;
    match Url::parse(&text) {
        Ok(url) if url.scheme() == Scheme::Http && !allow_private => {
            let why = "is not encrypted; only with allow_private = true";
            reading.problem(&span, format!("{key}: the address {why}"));
            None
        }
        Ok(url) => Some(url),
        Err(why) => {
            reading.problem(&span, format!("{key}: {why}"));
            None
        }
    }
}

fn choices(reading: &mut Reading<'_>, key: &str, field: Field<Vec<String>>) -> Option<Vec<Choice>> {
    let (words, span) = reading.spanned(key, field)?;
    let mut chosen = Vec::new();
    for word in &words {
        match word.parse() {
            Ok(choice) => chosen.push(choice),
            Err(why) => {
                let near = nearest(word, Choice::known());
                let hint = near.map_or(String::new(), |near| format!("; the nearest is '{near}'"));
                reading.problem(&span, format!("{key}: {why}{hint}"));
            }
        }
    }
    reading.no_twice(key, &words, &span);
    Some(chosen)
}

fn lanes(reading: &mut Reading<'_>, key: &str, field: Field<Vec<String>>) -> Vec<String> {
    let Some((lanes, span)) = reading.spanned(key, field) else {
        return Vec::new();
    };
    for lane in &lanes {
        let ends = lane.split_once("-to-");
        let is_lane =
            |(from, to): (&str, &str)| Party::parse(from).is_ok() && Party::parse(to).is_ok();
        if !ends.is_some_and(is_lane) {
            let shown = crate::escape::excerpt(lane, 60);
            reading.problem(
                &span,
                format!("{key}: '{shown}' is not a lane such as 'a-to-b'"),
            );
        }
    }
    lanes
}

/// Takes the other sides, each of which must be known: a misspelt one would never be told of.
fn peers(
    config: &Config,
    reading: &mut Reading<'_>,
    key: &str,
    field: Field<Vec<Party>>,
) -> Vec<Party> {
    let Some((peers, span)) = reading.spanned(key, field) else {
        return Vec::new();
    };
    let known = |party: &Party| {
        let peer = party
            .node()
            .is_some_and(|node| config.peers.contains_key(&node));
        peer || party
            .pool()
            .is_some_and(|pool| config.pools.contains_key(&pool))
    };
    for party in peers.iter().filter(|party| !known(party)) {
        reading.problem(
            &span,
            format!("{key}: '{party}' is neither a peer nor a pool here"),
        );
    }
    peers
}

fn chat(reading: &mut Reading<'_>, key: &str, field: Field<String>) -> Option<String> {
    let (text, span) = reading.spanned(key, field)?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'@' | b'-' | b'_');
    if text.is_empty() || text.len() > CHAT_LETTERS_MAX || !text.bytes().all(plain) {
        reading.problem(
            &span,
            format!("{key} must be the id of a chat, or @ and its name"),
        );
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use crate::config::tests::Host;

    fn refusal(text: &str) -> String {
        Host::new(Some(text)).refusal()
    }

    #[test]
    fn each_service_says_what_it_needs() {
        let said = refusal("[notify.x]\n");
        assert!(
            said.contains("notify.x.service is missing: one of webhook, discord"),
            "{said}"
        );
        for (service, needs) in [
            ("webhook", &["secret_file", "url or url_file"][..]),
            ("discord", &["url or url_file"]),
            ("slack", &["url or url_file"]),
            ("telegram", &["token_file", "chat"]),
            ("ntfy", &["url or url_file"]),
            ("command", &["command"]),
        ] {
            let said = refusal(&format!("[notify.x]\nservice = \"{service}\"\n"));
            assert_eq!(said.lines().count(), needs.len(), "{said}");
            for need in needs {
                assert!(
                    said.contains(&format!("'{service}' needs {need}")),
                    "{said}"
                );
            }
        }
    }

    #[test]
    fn an_address_that_is_refused_is_not_repeated() {
        let ntfy = "[notify.x]\nservice = \"ntfy\"\nurl = ";
        for (url, why) in [
            ("https://user:pass@x/t0psecret", "names a user"),
            ("http://x/t0psecret", "allow_private"),
            ("x/t0psecret", "must begin with https"),
        ] {
            let said = refusal(&format!("{ntfy}\"{url}\"\n"));
            assert!(said.contains(why) && !said.contains("t0psecret"), "{said}");
        }
        let home = format!("{ntfy}\"http://home/t\"\nallow_private = true\n");
        assert!(Host::new(Some(&home)).load().is_ok());
    }

    #[test]
    fn what_would_never_match_is_refused() {
        let said = refusal(
            "[notify.x]\nservice = \"command\"\ncommand = [\"true\"]\n\
             events = [\"aproval\"]\npeers = [\"nobody\"]\nlanes = [\"here\"]\nquiet = \"late\"\n",
        );
        assert!(said.contains("\"22:00-07:00\""), "{said}");
        let said = refusal(
            "[notify.x]\nservice = \"command\"\ncommand = [\"true\"]\n\
             events = [\"aprovals\"]\npeers = [\"nobody\"]\nlanes = [\"here\"]\n",
        );
        for part in [
            "'aprovals' is neither a topic nor an event; the nearest is 'approvals'",
            "'nobody' is neither a peer nor a pool",
            "'here' is not a lane",
        ] {
            assert!(said.contains(part), "{said}");
        }
    }

    #[test]
    fn what_means_nothing_or_tells_too_much_is_warned_of() {
        let slack = "[notify.x]\nservice = \"slack\"\nurl = \"https://x/y\"\nchat = \"1\"\n";
        let found = Host::new(Some(slack)).load().unwrap().warnings();
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(
            found[0].contains("notify.x.chat means nothing to 'slack'"),
            "{found:?}"
        );
        assert!(found[1].contains("use url_file"), "{found:?}");
    }

    #[test]
    fn no_secret_lies_on_the_share() {
        let said = refusal(
            "root = \"/mnt/d\"\n[notify.x]\nservice = \"webhook\"\nurl = \"https://x/\"\n\
             secret_file = \"/mnt/d/x.secret\"\n",
        );
        assert!(said.contains("lies on the share"), "{said}");
    }
}
