//! Figures of a span of time, from the records of the audit log alone: no outcome is opened, nothing is written.

use std::collections::BTreeMap;
use std::collections::HashMap;

use serde::Serialize;

use crate::clock::Timestamp;
use crate::event::Event;
use crate::event::Word;
use crate::id::NodeName;
use crate::id::Party;
use crate::id::ProfileName;
use crate::id::TaskId;
use crate::outcome::Status;

/// Durations that are kept for percentiles, of each group; more are counted all the same.
const SAMPLES_MAX: usize = 100_000;
/// Tasks that are followed from their admission to their end at once.
const OPEN_MAX: usize = 200_000;

/// The words that figures are made from.
pub const WORDS: &[Word] = &[
    Word::TaskAdmit,
    Word::TaskExecStart,
    Word::TaskExecEnd,
    Word::TaskReject,
    Word::TaskDeny,
    Word::TaskExpire,
    Word::TaskCancel,
];

/// Whose tasks are counted together.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Group {
    /// The node that served them.
    pub node: NodeName,
    /// Who sent them, where that is known.
    pub sender: Option<Party>,
    /// How they were run; `None` where they never were.
    pub profile: Option<ProfileName>,
}

/// The middle and the far end of some durations, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Spread {
    /// Half of them were no longer.
    pub p50_ms: u64,
    /// Of twenty, nineteen were no longer.
    pub p95_ms: u64,
}

/// What came of one group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Figures {
    /// Whose.
    #[serde(flatten)]
    pub group: Group,
    /// Outcomes, by status.
    pub ended: BTreeMap<&'static str, u64>,
    /// Outcomes in all.
    pub total: u64,
    /// Successes of all that ran, in thousandths; `None` where none ran.
    pub success_permille: Option<u64>,
    /// Running time of those that ran.
    pub ran: Option<Spread>,
    /// From the admission to the first start.
    pub waited: Option<Spread>,
    /// Tokens, as agents report them.
    pub tokens: u64,
    /// Millionths of a US dollar, as agents report them.
    pub cost_microusd: u64,
}

#[derive(Debug, Default)]
struct Heap {
    ended: BTreeMap<&'static str, u64>,
    ran: Vec<u64>,
    waited: Vec<u64>,
    tokens: u64,
    cost_microusd: u64,
}

#[derive(Debug, Default)]
struct Open {
    admitted: Option<Timestamp>,
    waited: Option<u64>,
    profile: Option<ProfileName>,
}

/// Counts records, oldest first.
#[derive(Debug, Default)]
pub struct Tally {
    heaps: BTreeMap<Group, Heap>,
    open: HashMap<(NodeName, TaskId), Open>,
}

impl Tally {
    /// Takes a record of this node.
    pub fn take(&mut self, node: &NodeName, at: Timestamp, event: &Event) {
        let Some(id) = event.task else {
            return;
        };
        let key = (node.clone(), id);
        match event.word {
            Word::TaskAdmit | Word::TaskExecStart => {
                if self.open.len() >= OPEN_MAX && !self.open.contains_key(&key) {
                    return;
                }
                let open = self.open.entry(key).or_default();
                if event.word == Word::TaskAdmit {
                    open.admitted.get_or_insert(at);
                    return;
                }
                open.profile.clone_from(&event.profile);
                let waited = open.admitted.map(|from| at.since(from).as_millis());
                let waited = waited.and_then(|millis| u64::try_from(millis).ok());
                open.waited = open.waited.or(waited);
            }
            _ => {
                let Some(status) = event.status else {
                    return;
                };
                let open = self.open.remove(&key).unwrap_or_default();
                self.end(node, event, status, open);
            }
        }
    }

    fn end(&mut self, node: &NodeName, event: &Event, status: Status, open: Open) {
        let group = Group {
            node: node.clone(),
            sender: event.peer.clone(),
            profile: open.profile,
        };
        let heap = self.heaps.entry(group).or_default();
        *heap.ended.entry(status.as_str()).or_default() += 1;
        let keep = |list: &mut Vec<u64>, value: Option<u64>| {
            if list.len() < SAMPLES_MAX {
                list.extend(value);
            }
        };
        keep(&mut heap.ran, event.elapsed_ms);
        keep(&mut heap.waited, open.waited);
        heap.tokens = heap.tokens.saturating_add(event.tokens.unwrap_or(0));
        let cost = event.cost_microusd.unwrap_or(0);
        heap.cost_microusd = heap.cost_microusd.saturating_add(cost);
    }

    /// Returns the figures of every group, by node, sender and profile.
    #[must_use]
    pub fn figures(self) -> Vec<Figures> {
        self.heaps.into_iter().map(of).collect()
    }
}

fn of((group, heap): (Group, Heap)) -> Figures {
    // Who never ran was neither a success nor a failure of the agent.
    let never = [
        Status::Rejected,
        Status::Denied,
        Status::Expired,
        Status::Cancelled,
    ];
    let total: u64 = heap.ended.values().sum();
    let count = |status: &Status| heap.ended.get(status.as_str()).copied().unwrap_or(0);
    let ran = total - never.iter().map(count).sum::<u64>();
    let ok = count(&Status::Ok);
    Figures {
        group,
        total,
        success_permille: (ok * 1000).checked_div(ran),
        ran: spread(heap.ran),
        waited: spread(heap.waited),
        tokens: heap.tokens,
        cost_microusd: heap.cost_microusd,
        ended: heap.ended,
    }
}

/// Percentiles by the nearest rank.
fn spread(mut list: Vec<u64>) -> Option<Spread> {
    list.sort_unstable();
    let rank = |percent: usize| {
        let at = (list.len() * percent).div_ceil(100).max(1);
        list.get(at - 1).copied()
    };
    Some(Spread {
        p50_ms: rank(50)?,
        p95_ms: rank(95)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u32) -> TaskId {
        TaskId::parse(&format!("0198f1c2-7a52-7000-8000-{number:012}")).unwrap()
    }

    #[test]
    fn percentiles_are_by_the_nearest_rank() {
        assert_eq!(spread(Vec::new()), None);
        let one = spread(vec![7]).unwrap();
        assert_eq!((one.p50_ms, one.p95_ms), (7, 7));
        let many = spread((1..=100).rev().collect()).unwrap();
        assert_eq!((many.p50_ms, many.p95_ms), (50, 95));
    }

    #[test]
    fn tasks_are_counted_by_node_sender_and_profile_and_what_never_ran_spoils_no_share() {
        let node = NodeName::parse("gpubox").unwrap();
        let devbox = Party::parse("devbox").unwrap();
        let at = Timestamp::from_unix;
        let mut tally = Tally::default();
        for number in 0..4 {
            let admit = Event::of(Word::TaskAdmit).task(id(number));
            tally.take(&node, at(100), &admit.peer(devbox.clone()));
            let mut start = Event::of(Word::TaskExecStart).task(id(number));
            start.profile = Some(ProfileName::parse("rust").unwrap());
            tally.take(&node, at(105), &start);
            let end = Event::of(Word::TaskExecEnd).task(id(number));
            let mut end = end.peer(devbox.clone());
            let is_ok = number > 0;
            end.status = Some(if is_ok { Status::Ok } else { Status::Error });
            (end.elapsed_ms, end.tokens) = (Some(1000), Some(10));
            end.cost_microusd = Some(5);
            tally.take(&node, at(110), &end);
        }
        let mut refused = Event::of(Word::TaskReject).task(id(9)).peer(devbox);
        refused.status = Some(Status::Rejected);
        tally.take(&node, at(111), &refused);
        let figures = tally.figures();
        assert_eq!(figures.len(), 2);
        let (never, rust) = (&figures[0], &figures[1]);
        assert_eq!((never.total, never.success_permille), (1, None));
        assert_eq!((rust.total, rust.success_permille), (4, Some(750)));
        assert_eq!((rust.tokens, rust.cost_microusd), (40, 20));
        assert_eq!(rust.waited.unwrap().p95_ms, 5000);
        assert_eq!(rust.ended, BTreeMap::from([("error", 1), ("ok", 3)]));
    }
}
