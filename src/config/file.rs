//! The shape of the file: which keys exist and what type each has. What they mean together is checked in `read`.
//!
//! Unknown keys are refused everywhere: a policy with a misspelt line must not pass for one without it.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::Deserialize;
use serde::Deserializer;
use serde::de;
use toml::Spanned;

use crate::config::OnShutdown;
use crate::destination::Quiet;
use crate::destination::Service;
use crate::id::CapabilityName;
use crate::id::DestinationName;
use crate::id::NodeName;
use crate::id::Party;
use crate::id::Priority;
use crate::id::ProfileName;
use crate::id::ResourceName;
use crate::outcome::Layer;
use crate::outcome::Status;
use crate::policy::AckRule;
use crate::policy::Scope;
use crate::profile::AgentKind;
use crate::profile::Workspace;
use crate::units;
use crate::units::Rate;

/// A value that may be absent and knows its place in the text.
pub(super) type Field<T> = Option<Spanned<T>>;

/// Makes a type that is written in quotes and parsed by a function.
macro_rules! quoted {
    ($($name:ident($inner:ty) = $parse:expr, $expected:expr;)+) => {$(
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub(super) struct $name(pub(super) $inner);

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                struct Visitor;
                impl de::Visitor<'_> for Visitor {
                    type Value = $name;
                    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                        out.write_str($expected)
                    }
                    fn visit_str<E: de::Error>(self, text: &str) -> Result<$name, E> {
                        let parsed: Result<$inner, _> = ($parse)(text);
                        parsed.map($name).map_err(E::custom)
                    }
                }
                from.deserialize_str(Visitor)
            }
        }
    )+};
}

quoted! {
    Time(Duration) = units::duration, units::DURATION;
    Size(u64) = units::size, units::SIZE;
    Money(u64) = units::money, units::MONEY;
    Quota(Rate) = Rate::from_str, units::RATE;
    Hours(Quiet) = Quiet::from_str, "a part of a day such as \"22:00-07:00\"";
    Identity(uuid::Uuid) = uuid::Uuid::try_parse, "a UUID in quotes";
}

/// `for` of an approver: `"all"` or a list of peers.
#[derive(Debug, Clone)]
pub(super) struct For(pub(super) Scope);

impl<'de> Deserialize<'de> for For {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = For;
            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("\"all\" or a list of peers")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<For, E> {
                if text == "all" {
                    return Ok(For(Scope::All));
                }
                Err(E::invalid_value(de::Unexpected::Str(text), &self))
            }
            fn visit_seq<A: de::SeqAccess<'de>>(self, mut list: A) -> Result<For, A::Error> {
                let mut peers = Vec::new();
                while let Some(peer) = list.next_element::<NodeName>()? {
                    peers.push(peer);
                }
                Ok(For(Scope::Peers(peers)))
            }
        }
        from.deserialize_any(Visitor)
    }
}

/// One path or a list of them.
#[derive(Debug, Clone)]
pub(super) struct Paths(pub(super) Vec<String>);

impl<'de> Deserialize<'de> for Paths {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Paths;
            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("a path in quotes or a list of paths")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Paths, E> {
                Ok(Paths(vec![text.to_owned()]))
            }
            fn visit_seq<A: de::SeqAccess<'de>>(self, mut list: A) -> Result<Paths, A::Error> {
                let mut paths = Vec::new();
                while let Some(path) = list.next_element()? {
                    paths.push(path);
                }
                Ok(Paths(paths))
            }
        }
        from.deserialize_any(Visitor)
    }
}

/// The whole file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct File {
    pub(super) node: Field<NodeName>,
    pub(super) root: Field<String>,
    pub(super) root_id: Field<Identity>,
    pub(super) state: Field<String>,
    pub(super) state_file: Field<String>,
    pub(super) keys: Field<Paths>,
    pub(super) poll: Field<Time>,
    pub(super) poll_idle: Field<Time>,
    pub(super) poll_rest: Field<Time>,
    pub(super) slots: Field<u32>,
    pub(super) capabilities: Field<Vec<CapabilityName>>,
    pub(super) owner: Field<NodeName>,
    pub(super) watch: WatchTable,
    pub(super) share: ShareTable,
    pub(super) retry: RetryTable,
    pub(super) peer: BTreeMap<Spanned<NodeName>, PeerTable>,
    pub(super) pool: BTreeMap<Spanned<NodeName>, PoolTable>,
    pub(super) approver: BTreeMap<Spanned<NodeName>, ApproverTable>,
    pub(super) profile: BTreeMap<Spanned<ProfileName>, ProfileTable>,
    pub(super) notify: BTreeMap<Spanned<DestinationName>, NotifyTable>,
}

/// `[watch]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct WatchTable {
    pub(super) on_shutdown: Field<OnShutdown>,
    pub(super) stop_within: Field<Time>,
    pub(super) executor: Field<String>,
    pub(super) exec_bin: Field<String>,
    pub(super) runs: Field<String>,
    pub(super) keep_log: Field<Time>,
}

/// `[share]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ShareTable {
    pub(super) group: Field<String>,
    pub(super) free_min: Field<Size>,
    pub(super) lost_max: Field<Time>,
    pub(super) keep: Field<Time>,
    pub(super) keep_size: Field<Size>,
}

/// `[retry]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RetryTable {
    pub(super) pause: Field<Time>,
    pub(super) pause_max: Field<Time>,
    pub(super) wait_max: Field<Time>,
    pub(super) mend: Field<Time>,
}

/// `[peer.NAME]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct PeerTable {
    pub(super) accept: Field<bool>,
    pub(super) profiles: Field<Vec<Spanned<ProfileName>>>,
    pub(super) default_profile: Field<ProfileName>,
    pub(super) timeout_max: Field<Time>,
    pub(super) output_max: Field<Size>,
    pub(super) request_max: Field<Size>,
    pub(super) require_ack: Field<AckRule>,
    pub(super) dangerous: Field<bool>,
    pub(super) life_max: Field<Time>,
    pub(super) rate: Field<Quota>,
    pub(super) queue_max: Field<u32>,
    pub(super) v2: Field<bool>,
    pub(super) v2_require_ack: Field<bool>,
    pub(super) require_signature: Field<bool>,
    pub(super) hop_max: Field<u32>,
    pub(super) priority_max: Field<Priority>,
    pub(super) attempts_max: Field<u32>,
    pub(super) wake: Field<Vec<String>>,
    pub(super) wake_within: Field<Time>,
    pub(super) weight: Field<u32>,
}

/// `[pool.NAME]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct PoolTable {
    pub(super) members: Field<Vec<Spanned<NodeName>>>,
}

/// `[approver.NAME]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ApproverTable {
    #[serde(rename = "for")]
    pub(super) scope: Field<For>,
    pub(super) may_grant_dangerous: Field<bool>,
}

/// `[profile.NAME]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ProfileTable {
    pub(super) agent: Field<AgentKind>,
    pub(super) command: Field<Vec<String>>,
    pub(super) model: Field<String>,
    pub(super) permission_mode: Field<String>,
    pub(super) max_turns: Field<u32>,
    pub(super) max_cost_usd: Field<Money>,
    pub(super) env: Field<Vec<String>>,
    pub(super) set: Field<BTreeMap<String, String>>,
    pub(super) workspace: Field<Workspace>,
    pub(super) wrapper: Field<Vec<String>>,
    pub(super) timeout: Field<Time>,
    pub(super) stall: Field<Time>,
    pub(super) grace: Field<Time>,
    pub(super) max_output: Field<Size>,
    pub(super) slots: Field<u32>,
    pub(super) resources: Field<Vec<ResourceName>>,
    pub(super) require_layers: Field<Vec<Layer>>,
    pub(super) read: Field<Paths>,
    pub(super) write: Field<Paths>,
    pub(super) project_settings: Field<bool>,
    pub(super) dangerous: Field<bool>,
    pub(super) require_ack: Field<bool>,
    pub(super) capabilities: Field<Vec<CapabilityName>>,
}

/// `[notify.NAME]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct NotifyTable {
    pub(super) service: Field<Service>,
    pub(super) url: Field<String>,
    pub(super) url_file: Field<String>,
    pub(super) secret_file: Field<String>,
    pub(super) token_file: Field<String>,
    pub(super) ca: Field<String>,
    pub(super) chat: Field<String>,
    pub(super) command: Field<Vec<String>>,
    pub(super) timeout: Field<Time>,
    pub(super) allow_private: Field<bool>,
    pub(super) events: Field<Vec<String>>,
    pub(super) lanes: Field<Vec<String>>,
    pub(super) peers: Field<Vec<Party>>,
    pub(super) profiles: Field<Vec<ProfileName>>,
    pub(super) outcomes: Field<Vec<Status>>,
    pub(super) quiet: Field<Hours>,
    pub(super) urgent: Field<Vec<String>>,
    pub(super) rate: Field<Quota>,
    pub(super) tries: Field<u32>,
}
