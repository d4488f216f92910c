//! Which events a destination is told of.

use crate::destination::Filter;
use crate::event::Event;
use crate::event::Word;
use crate::id::NodeName;
use crate::id::ProfileName;

/// Returns whether an event of `node` is wanted; `profile` is that of its task, where it is known.
#[must_use]
pub fn takes(
    filter: &Filter,
    node: &NodeName,
    event: &Event,
    profile: Option<&ProfileName>,
) -> bool {
    let events = &filter.events;
    let peer = event.peer.as_ref();
    (events.is_empty() || events.iter().any(|choice| choice.takes(event.word)))
        && (filter.peers.is_empty() || peer.is_some_and(|peer| filter.peers.contains(peer)))
        && (filter.lanes.is_empty()
            || lane(node, event).is_some_and(|lane| filter.lanes.contains(&lane)))
        && (filter.profiles.is_empty()
            || profile.is_some_and(|profile| filter.profiles.contains(profile)))
        && (filter.outcomes.is_empty()
            || event
                .status
                .is_none_or(|status| filter.outcomes.contains(&status)))
}

/// Returns the lane that an event is of: towards this node, unless it is one that only a sender tells.
#[must_use]
pub fn lane(node: &NodeName, event: &Event) -> Option<String> {
    event.task?;
    let peer = event.peer.as_ref()?;
    let sends = matches!(
        event.word,
        Word::TaskSend
            | Word::TaskOutcome
            | Word::TaskConflict
            | Word::TaskGrant
            | Word::TaskWithhold
    );
    Some(match sends {
        true => format!("{node}-to-{peer}"),
        false => format!("{peer}-to-{node}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::destination::Choice;
    use crate::destination::Topic;
    use crate::id::Party;
    use crate::id::TaskId;
    use crate::outcome::Status;

    fn event(word: Word, status: Option<Status>) -> Event {
        let id = TaskId::parse("0198f1c2-0000-7000-8000-000000000001").unwrap();
        let event = Event::of(word).task(id);
        Event {
            status,
            ..event.peer(Party::parse("devbox").unwrap())
        }
    }

    fn takes(filter: &Filter, event: &Event) -> bool {
        let node = NodeName::parse("gpubox").unwrap();
        let gpu = ProfileName::parse("gpu").unwrap();
        super::takes(filter, &node, event, Some(&gpu))
    }

    #[test]
    fn each_part_of_a_filter_must_agree() {
        let end = event(Word::TaskExecEnd, Some(Status::Error));
        let ask = event(Word::TaskPendingAck, None);
        let all = Filter::default();
        assert!(takes(&all, &end) && takes(&all, &ask));
        assert!(!takes(&all, &event(Word::TaskAdmit, None)));
        let filter = |change: &dyn Fn(&mut Filter)| {
            let mut filter = Filter::default();
            change(&mut filter);
            filter
        };
        let ok_only = filter(&|one| one.outcomes = vec![Status::Ok]);
        assert!(!takes(&ok_only, &end));
        assert!(takes(&ok_only, &ask), "it is no end of a task");
        let others = filter(&|one| one.peers = vec![Party::parse("laptop").unwrap()]);
        assert!(!takes(&others, &end));
        let cpu = filter(&|one| one.profiles = vec![ProfileName::parse("cpu").unwrap()]);
        assert!(!takes(&cpu, &end));
        let lane = filter(&|one| one.lanes = vec!["devbox-to-gpubox".to_owned()]);
        assert!(takes(&lane, &end));
        assert!(!takes(&lane, &event(Word::TaskOutcome, Some(Status::Ok))));
        let starts = filter(&|one| one.events = vec![Choice::Topic(Topic::Starts)]);
        assert!(!takes(&starts, &end));
        let everything = filter(&|one| one.events = Vec::new());
        assert!(takes(&everything, &event(Word::Gc, None)));
    }
}
