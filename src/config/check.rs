//! What only the whole configuration can tell: names that must exist elsewhere in it, settings that an agent cannot
//! honour, places that must not overlap.

use crate::agent::shortfalls;
use crate::config::Config;
use crate::config::Problem;
use crate::config::nearest;
use crate::config::read::Reading;
use crate::config::tables::Mentions;
use crate::destination::Service;
use crate::id::NodeName;
use crate::policy::AckRule;
use crate::policy::PeerPolicy;

/// Checks names that the file mentions against the names it defines.
pub(super) fn names(config: &Config, mentions: &Mentions, reading: &mut Reading<'_>) {
    for (peer, profile, span) in &mentions.profiles {
        if config.profiles.contains_key(profile) {
            continue;
        }
        let known = config.profiles.keys().map(|name| name.as_str());
        let hint = nearest(profile.as_str(), known).map_or_else(
            || format!("there is no [profile.{profile}]"),
            |near| format!("the nearest is '{near}'"),
        );
        reading.problem(
            span,
            format!("peer '{peer}' may use profile '{profile}', which does not exist; {hint}"),
        );
    }
    for (approver, peer, span) in &mentions.approved {
        if config.peers.contains_key(peer) {
            continue;
        }
        let known = config.peers.keys().map(NodeName::as_str);
        let hint = nearest(peer.as_str(), known).map_or_else(
            || format!("there is no [peer.{peer}]"),
            |near| format!("the nearest is '{near}'"),
        );
        reading.problem(
            span,
            format!("approver '{approver}' speaks for peer '{peer}', which does not exist; {hint}"),
        );
    }
    members(config, mentions, reading);
    for (name, span) in &mentions.tables {
        for why in config
            .profiles
            .get(name)
            .map(shortfalls)
            .unwrap_or_default()
        {
            reading.problem(span, format!("profile.{name}: {why}"));
        }
    }
    for (peer, span) in &mentions.peers {
        if peer.as_str() == "any" {
            reading.problem(
                span,
                "peer 'any': the word means that a node is chosen".to_owned(),
            );
        }
        if config.node.as_ref() == Some(peer) {
            reading.problem(span, format!("peer '{peer}' is this node itself"));
        }
    }
}

/// Checks that a node which sends to a pool can hear each member: what a member says is sealed with the key of the two.
fn members(config: &Config, mentions: &Mentions, reading: &mut Reading<'_>) {
    for (pool, member, span) in &mentions.members {
        let serves = config.node.as_ref().is_some_and(|me| {
            let members = config.pools.get(pool);
            members.is_some_and(|members| members.contains(me))
        });
        if serves || config.peers.contains_key(member) {
            continue;
        }
        let known = config.peers.keys().map(NodeName::as_str);
        let hint = nearest(member.as_str(), known).map_or_else(
            || format!("there is no [peer.{member}]"),
            |near| format!("the nearest is '{near}'"),
        );
        reading.problem(
            span,
            format!(
                "pool '{pool}' has the member '{member}', which is no peer of this node; {hint}"
            ),
        );
    }
}

/// Checks that nothing which must be local lies on the share: authority is local.
pub(super) fn places(config: &Config) -> Vec<Problem> {
    let Some(root) = &config.root else {
        return Vec::new();
    };
    let mut local = vec![
        ("state", config.state.as_ref()),
        ("state_file", config.state_file.as_ref()),
    ];
    local.push(("watch.runs", config.watch.runs.as_ref()));
    for destination in config.notify.values() {
        let secrets = destination.secrets();
        local.extend(secrets.map(|(_, path)| ("notify", Some(path))));
    }
    local.extend(config.keys.iter().map(|path| ("keys", Some(path))));
    local
        .into_iter()
        .filter_map(|(key, path)| Some((key, path?)))
        .filter(|(_, path)| path.starts_with(root))
        .map(|(key, path)| Problem {
            origin: config.origins.of(key).clone(),
            column: None,
            message: format!(
                "{key} '{}' lies on the share '{}'",
                path.display(),
                root.display()
            ),
        })
        .collect()
}

impl Config {
    /// Returns what is allowed but probably not meant, a sentence each.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let mut found = Vec::new();
        for (name, peer) in self.peers.iter().filter(|(_, peer)| peer.accept) {
            let waits = |dangerous| match peer.require_ack {
                AckRule::Always => true,
                AckRule::Dangerous => dangerous || (peer.v2 && peer.v2_require_ack),
                AckRule::Asked | AckRule::Never => false,
            };
            if (waits(false) || (peer.dangerous && waits(true)))
                && self.approvers_of(name, peer.dangerous).next().is_none()
            {
                found.push(format!(
                    "tasks of peer '{name}' wait for an approval, and no approver may give it"
                ));
            }
            if peer.dangerous && !matches!(peer.require_ack, AckRule::Always | AckRule::Dangerous) {
                found.push(format!(
                    "dangerous tasks of peer '{name}' run without an approval"
                ));
            }
            for profile in peer
                .profiles
                .iter()
                .filter_map(|name| self.profiles.get(name))
            {
                if profile.require_ack && peer.require_ack == AckRule::Never {
                    let profile = &profile.name;
                    found.push(format!(
                        "profile '{profile}' demands an approval that peer '{name}' never gets: its tasks are refused"
                    ));
                }
            }
        }
        for (name, destination) in &self.notify {
            let service = destination.service;
            let idle = destination.idle().into_iter();
            found.extend(
                idle.map(|key| format!("notify.{name}.{key} means nothing to '{service}'")),
            );
            let is_secret = matches!(service, Service::Discord | Service::Slack);
            if is_secret && destination.url.is_some() {
                found.push(format!(
                    "the address of '{name}' is a secret, and stands in the configuration: use url_file"
                ));
            }
        }
        found
    }

    /// Returns what nobody may approve here, a sentence each: allowed, and no fault as long as nobody asks for it.
    #[must_use]
    pub fn notes(&self) -> Vec<String> {
        let asks = |peer: &PeerPolicy| match peer.require_ack {
            AckRule::Dangerous | AckRule::Asked => peer.accept,
            // The first is a doubt already, and the second refuses what asks.
            AckRule::Always | AckRule::Never => false,
        };
        let peers = self.peers.iter().filter(|(_, peer)| asks(peer));
        let alone = peers.filter(|(name, _)| self.approvers_of(name, false).next().is_none());
        alone
            .map(|(name, _)| {
                format!(
                    "a task of peer '{name}' that asks for an approval waits here until it expires: \
                     nobody may give it. Name an approver with [approver.NAME], or set require_ack = \"never\" \
                     to refuse such tasks"
                )
            })
            .collect()
    }
}
