//! What the name and the first bytes of a killswitch say. Pure.
//!
//! `KILLSWITCH`, `KILLSWITCH-<nonce>` and anything that is not understood stop everything; `KILLSWITCH.<x>` and
//! `KILLSWITCH.<x>-<nonce>` stop only `x` where `x` is a node of the configuration, a lane between two of them, or one
//! from such a node to a pool of the configuration.

use std::fmt;

use crate::escape;
use crate::id::NodeName;
use crate::id::Nonce;
use crate::id::Party;
use crate::place::Lane;

/// What every killswitch is called.
const WORD: &str = "KILLSWITCH";

/// What a killswitch stops.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// Every start on every node.
    Everything,
    /// Every start on this node.
    Node(NodeName),
    /// Every start of a task from this lane.
    Lane(Lane),
}

impl fmt::Display for Scope {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Everything => out.pad("everything"),
            Self::Node(node) => out.pad(&format!("node {node}")),
            Self::Lane(lane) => out.pad(&format!("lane {lane}")),
        }
    }
}

/// The name of a killswitch that `dispatch halt` makes; the nonce makes it fresh, so it is never one that a cache
/// remembers as removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HaltName {
    /// What it stops.
    pub scope: Scope,
    /// Of the try that makes it.
    pub nonce: Nonce,
}

impl fmt::Display for HaltName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.scope {
            Scope::Everything => write!(out, "{WORD}-{}", self.nonce),
            Scope::Node(node) => write!(out, "{WORD}.{node}-{}", self.nonce),
            Scope::Lane(lane) => write!(out, "{WORD}.{lane}-{}", self.nonce),
        }
    }
}

/// Returns whether an entry of this name is a killswitch.
pub(super) fn is_switch(name: &str) -> bool {
    let start = name.as_bytes().get(..WORD.len());
    start.is_some_and(|start| start.eq_ignore_ascii_case(WORD.as_bytes()))
}

/// Returns what a killswitch of this name stops, given the nodes and lanes of the configuration.
pub(super) fn scope(name: &str, nodes: &[NodeName], lanes: &[Lane]) -> Scope {
    let lower = name.to_ascii_lowercase();
    let Some(narrow) = lower
        .get(WORD.len()..)
        .and_then(|rest| rest.strip_prefix('.'))
    else {
        return Scope::Everything;
    };
    let known = |narrow: &str| {
        let node = nodes.iter().find(|node| node.as_str() == narrow);
        let lane = || {
            let named = lanes.iter().find(|lane| lane.to_string() == narrow);
            named.cloned().or_else(|| lane_of(narrow, nodes, lanes))
        };
        node.cloned()
            .map(Scope::Node)
            .or_else(|| lane().map(Scope::Lane))
    };
    // A node may be called `x-00112233445566ff`: the whole name first.
    known(narrow)
        .or_else(|| {
            let (narrow, nonce) = narrow.rsplit_once('-')?;
            Nonce::parse(nonce).ok().and_then(|_| known(narrow))
        })
        .unwrap_or(Scope::Everything)
}

/// A lane that others have: from a node that is known to another one, or to a pool that is known. It is no reason to
/// stop here.
fn lane_of(narrow: &str, nodes: &[NodeName], lanes: &[Lane]) -> Option<Lane> {
    let (from, to) = narrow.split_once("-to-")?;
    let from = nodes.iter().find(|node| node.as_str() == from)?;
    let pools = lanes.iter().map(|lane| &lane.to);
    let pool = pools.filter(|to| to.pool().is_some()).cloned();
    let mut all = nodes.iter().map(Party::from).chain(pool);
    let to = all.find(|party| party.as_str() == to)?;
    Some(Lane::new(from.clone(), to))
}

/// Returns whether the first bytes of a killswitch say `kill`, and its reason as a person may see it.
pub(super) fn content(bytes: &[u8]) -> (bool, String) {
    // `echo kill > KILLSWITCH` in Windows PowerShell writes UTF-16 with a byte order mark.
    let text = match bytes.strip_prefix(b"\xff\xfe") {
        Some(wide) => {
            let units = wide
                .chunks_exact(2)
                .map(|pair| u16::from_le_bytes([pair[0], pair[1]]));
            char::decode_utf16(units)
                .map(|unit| unit.unwrap_or('\u{fffd}'))
                .collect()
        }
        None => String::from_utf8_lossy(bytes).into_owned(),
    };
    let text = text.trim_start_matches('\u{feff}').trim();
    let ends_word =
        |letter: char| letter.is_whitespace() || matches!(letter, ':' | ',' | '.' | ';');
    let first = text.split(ends_word).next().unwrap_or_default();
    let reason = match text {
        "" | "kill" | "kill:" | "halt:" => "no reason given".to_owned(),
        text => escape::escape(text, false),
    };
    (first.eq_ignore_ascii_case("kill"), reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_name_of_the_configuration_narrows() {
        let node = |name| NodeName::parse(name).unwrap();
        let lane = Lane::new(node("devbox"), Party::from(&node("gpubox")));
        let nodes = [node("gpubox"), node("a-00112233445566ff")];
        let of = |name: &str| scope(name, &nodes, std::slice::from_ref(&lane));
        for all in [
            "KILLSWITCH",
            "KILLSWITCH-00112233445566ff",
            "KILLSWITCH.",
            "killswitch.txt",
            "KILLSWITCH.other",
            "KILLSWITCH.gpubox.txt",
            "KILLSWITCH.gpubox~",
            "KILLSWITCH.gpubox-1",
            "KILLSWITCHgpubox",
            "KILLSWITCH.gpubox-to-devbox",
            "KILLSWITCH.\u{212a}",
        ] {
            assert!(is_switch(all));
            assert_eq!(of(all), Scope::Everything, "{all}");
        }
        assert_eq!(of("killswitch.GPUBOX"), Scope::Node(node("gpubox")));
        assert_eq!(
            of("KILLSWITCH.a-00112233445566ff"),
            Scope::Node(nodes[1].clone())
        );
        for scope in [
            Scope::Everything,
            Scope::Node(node("gpubox")),
            Scope::Lane(lane.clone()),
        ] {
            let nonce = Nonce::from_bits(0xff);
            let name = HaltName { scope, nonce };
            let text = name.to_string();
            assert_eq!(of(&text), name.scope);
        }
        assert!(
            !is_switch("KILLSWITC") && !is_switch("_KILLSWITCH") && !is_switch("KILL\u{17f}WITCH")
        );
    }

    #[test]
    fn a_lane_of_others_is_no_reason_to_stop_here() {
        let node = |name| NodeName::parse(name).unwrap();
        let pool = Party::of_pool(&node("gpu"));
        // As a member sees it that accepts nothing of 'laptop'.
        let lanes = [Lane::new(node("devbox"), pool.clone())];
        let nodes = ["gpu1", "gpu2", "devbox", "laptop"].map(node);
        let of = |name: &str| scope(name, &nodes, &lanes);
        let lane = |from, to: &Party| Scope::Lane(Lane::new(node(from), to.clone()));
        let other = Party::from(&node("gpu2"));
        for (name, scope) in [
            ("KILLSWITCH.devbox-to-pool.gpu", lane("devbox", &pool)),
            ("KILLSWITCH.laptop-to-pool.gpu", lane("laptop", &pool)),
            ("KILLSWITCH.devbox-to-gpu2", lane("devbox", &other)),
            (
                "KILLSWITCH.devbox-to-gpu2-00112233445566ff",
                lane("devbox", &other),
            ),
            ("KILLSWITCH.devbox-to-pool.lab", Scope::Everything),
            ("KILLSWITCH.stranger-to-pool.gpu", Scope::Everything),
            ("KILLSWITCH.devbox-to-stranger", Scope::Everything),
        ] {
            assert_eq!(of(name), scope, "{name}");
        }
    }

    #[test]
    fn only_the_first_word_kills() {
        for kill in [
            &b"kill"[..],
            b"KILL\n",
            b" \n kill: now",
            b"\xef\xbb\xbfkill",
            b"\xff\xfek\0i\0l\0l\0\r\0\n\0",
        ] {
            assert!(content(kill).0, "{kill:?}");
        }
        for stop in [
            &b""[..],
            b"please kill",
            b"killed it",
            b"kill-switch test",
            b"\0kill",
            b"\xff\xfek",
        ] {
            assert!(!content(stop).0, "{stop:?}");
        }
        assert_eq!(content(b"a\x1b[2J\xff").1, "a\\u{1b}[2J\u{fffd}");
        assert_eq!(content(b"").1, "no reason given");
    }
}
