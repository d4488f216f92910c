//! Which node a task is sent to where its sender names none: pure, the same answer for the same cards.
//!
//! Score = capability (1 or 0) x availability x the weight that the sender's configuration gives the node. Everything
//! comes from verified heartbeats and local configuration. A choice is where a task is *offered*: the node that is
//! chosen judges it like any other, so a choice that was out of date costs time, never safety.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use serde::Serialize;

use crate::document::Card;
use crate::document::NodeState;
use crate::id::CapabilityName;
use crate::id::NodeName;
use crate::id::ProfileName;
use crate::outcome::words;

words! {
    /// How ready a node is to take one more task.
    Availability {
        /// Nothing runs or waits there.
        Ready = "ready",
        /// It is silent or stopped in order, and can be woken.
        Sleeping = "sleeping",
        /// It works, and has a free slot.
        Busy = "busy",
        /// Every slot is in use or spoken for.
        Full = "full",
        /// It takes nothing: drained, halted, degraded, silent, not heard of.
        Away = "away",
    }
}

impl Availability {
    /// Returns its part of the score, in thousandths.
    #[must_use]
    pub const fn factor(self) -> u32 {
        match self {
            Self::Ready => 1000,
            Self::Sleeping => 800,
            Self::Busy => 500,
            Self::Full | Self::Away => 0,
        }
    }
}

/// What the sender wants of a node.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Wanted {
    /// All of these.
    pub needs: BTreeSet<CapabilityName>,
    /// This profile; any, where `None`.
    pub profile: Option<ProfileName>,
    /// A node of this owner; anybody's, where `None`.
    pub owner: Option<NodeName>,
}

/// What is known of one node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The node.
    pub node: NodeName,
    /// Whether its heartbeat advances.
    pub alive: bool,
    /// What it said last; `None` where nothing of it can be believed.
    pub said: Option<Said>,
    /// Why not, or how long ago it said it; for people.
    pub told: String,
    /// Whether the sender can wake it.
    pub wakes: bool,
    /// How much the sender prefers it, in percent.
    pub weight: u32,
}

/// What a node said of itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Said {
    /// What it is willing to do.
    pub state: Option<NodeState>,
    /// Why, for people.
    pub reason: Option<String>,
    /// How many tasks it may run at once.
    pub slots: u64,
    /// Tasks that run or wait for a slot.
    pub open: u64,
    /// Profiles that the sender may name.
    pub profiles: Vec<ProfileName>,
    /// What it can do, and whose it is.
    pub card: Card,
}

/// What came of one candidate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Judged {
    /// The node.
    pub node: NodeName,
    /// Score in thousandths; 0: not chosen.
    pub score: u32,
    /// How ready it is.
    pub availability: Availability,
    /// The profile that the task has to name there; `None` where any will do.
    pub profile: Option<ProfileName>,
    /// Slots that are free.
    pub free: u64,
    /// What is missing for it to be chosen; empty where nothing is.
    pub missing: Vec<String>,
    /// Whether it could do the task, were it there and free.
    pub fits: bool,
}

/// Returns the capability that no node declares, if there is one: a misspelt word finds nobody, for ever.
#[must_use]
pub fn unknown<'a>(wanted: &'a Wanted, all: &[Candidate]) -> Option<&'a CapabilityName> {
    let known = known(all);
    wanted.needs.iter().find(|need| !known.contains(*need))
}

/// Returns every capability that some node declares.
#[must_use]
pub fn known(all: &[Candidate]) -> BTreeSet<CapabilityName> {
    let cards = all.iter().filter_map(|one| Some(&one.said.as_ref()?.card));
    cards
        .flat_map(|card| card.node.iter().chain(card.profiles.values().flatten()))
        .cloned()
        .collect()
}

/// Judges every candidate, best first: by score, then by free slots, then by name.
#[must_use]
pub fn rank(wanted: &Wanted, all: &[Candidate]) -> Vec<Judged> {
    let mut judged: Vec<Judged> = all.iter().map(|one| judge(wanted, one)).collect();
    judged.sort_by_key(|one| {
        let is_full = one.availability == Availability::Full;
        let order = (one.score, one.fits, one.fits && is_full, one.free);
        (Reverse(order), one.node.clone())
    });
    judged
}

fn judge(wanted: &Wanted, one: &Candidate) -> Judged {
    let (availability, hindrance) = availability(one);
    let mut missing: Vec<String> = Vec::new();
    let mut profile = None;
    if let Some(said) = &one.said {
        match fitting(wanted, said) {
            Ok(found) => profile = found,
            Err(lacks) => missing.extend(lacks),
        }
        if let Some(owner) = &wanted.owner
            && said.card.owner.as_ref() != Some(owner)
        {
            let whose = said.card.owner.as_ref();
            missing.push(whose.map_or_else(
                || "it names no owner".to_owned(),
                |whose| format!("it belongs to {whose}"),
            ));
        }
    }
    let fits = one.said.is_some() && missing.is_empty();
    missing.extend(hindrance);
    let score = if fits {
        availability.factor() * one.weight / 100
    } else {
        0
    };
    let said = one.said.as_ref();
    Judged {
        node: one.node.clone(),
        score,
        availability,
        profile,
        free: said.map_or(0, |said| said.slots.saturating_sub(said.open)),
        missing,
        fits,
    }
}

/// How ready a node is, and what keeps it from being so.
fn availability(one: &Candidate) -> (Availability, Option<String>) {
    let away = |why: String| (Availability::Away, Some(why));
    let Some(said) = &one.said else {
        return away(one.told.clone());
    };
    let reason = said.reason.as_deref().unwrap_or("it says no reason");
    let rests = said.card.stopped || !one.alive;
    match said.state {
        // A drain outlives the watcher, so waking its host would not help.
        Some(NodeState::Draining) if !said.card.stopped => away(format!("drained: {reason}")),
        _ if rests && one.wakes => (Availability::Sleeping, None),
        _ if said.card.stopped => away("its watcher was stopped, and nothing wakes it".to_owned()),
        _ if rests => away(format!("{}, and nothing wakes it", one.told)),
        Some(NodeState::Halted) => away(format!("halted: {reason}")),
        Some(NodeState::Degraded) => away(format!("degraded: {reason}")),
        _ if said.open == 0 && said.slots > 0 => (Availability::Ready, None),
        _ if said.open < said.slots => (Availability::Busy, None),
        _ => {
            let text = format!("at its limit: {} open, {} slots", said.open, said.slots);
            (Availability::Full, Some(text))
        }
    }
}

/// The profile to name, if one has to be named; or what is missing for every one of them.
fn fitting(wanted: &Wanted, said: &Said) -> Result<Option<ProfileName>, Vec<String>> {
    if said.profiles.is_empty() {
        return Err(vec!["it takes nothing from this node".to_owned()]);
    }
    if let Some(profile) = &wanted.profile
        && !said.profiles.contains(profile)
    {
        return Err(vec![format!("no profile {profile}")]);
    }
    let lacks = |profile: Option<&ProfileName>| -> Vec<&CapabilityName> {
        let more = profile.and_then(|name| said.card.profiles.get(name));
        let has = |need: &CapabilityName| {
            said.card.node.contains(need) || more.is_some_and(|more| more.contains(need))
        };
        wanted.needs.iter().filter(|need| !has(need)).collect()
    };
    if let Some(profile) = &wanted.profile {
        let lacking = lacks(Some(profile));
        return match lacking.is_empty() {
            true => Ok(Some(profile.clone())),
            false => Err(named(&lacking)),
        };
    }
    if lacks(None).is_empty() {
        return Ok(None);
    }
    let each = said.profiles.iter().map(|name| (lacks(Some(name)), name));
    match each.min_by_key(|(lacking, name)| (lacking.len(), (*name).clone())) {
        Some((lacking, name)) if lacking.is_empty() => Ok(Some(name.clone())),
        Some((lacking, _)) => Err(named(&lacking)),
        None => Err(Vec::new()),
    }
}

fn named(lacking: &[&CapabilityName]) -> Vec<String> {
    lacking.iter().map(|need| format!("no {need}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn can(words: &[&str]) -> BTreeSet<CapabilityName> {
        let parsed = words.iter().map(|word| CapabilityName::parse(word));
        parsed.map(Result::unwrap).collect()
    }

    fn wanted(needs: &[&str]) -> Wanted {
        Wanted {
            needs: can(needs),
            ..Wanted::default()
        }
    }

    fn profile(name: &str) -> ProfileName {
        ProfileName::parse(name).unwrap()
    }

    fn node(name: &str, open: u64, words: &[&str]) -> Candidate {
        Candidate {
            node: NodeName::parse(name).unwrap(),
            alive: true,
            said: Some(Said {
                state: Some(NodeState::Ready),
                slots: 2,
                open,
                profiles: vec![profile("default"), profile("rust")],
                card: Card {
                    node: can(words),
                    ..Card::default()
                },
                ..Said::default()
            }),
            told: "silent".to_owned(),
            wakes: false,
            weight: 100,
        }
    }

    fn order(wanted: &Wanted, all: &[Candidate]) -> Vec<(String, u32)> {
        let ranked = rank(wanted, all);
        let row = |one: Judged| (one.node.to_string(), one.score);
        ranked.into_iter().map(row).collect()
    }

    #[test]
    fn the_score_is_capability_by_availability_by_weight_and_ties_are_broken_by_name() {
        let mut sleeps = node("sleeper", 0, &["gpu"]);
        (sleeps.alive, sleeps.wakes) = (false, true);
        let mut liked = node("liked", 1, &["gpu"]);
        liked.weight = 150;
        let all = [
            node("plain", 0, &[]),
            node("full", 2, &["gpu"]),
            node("busy", 1, &["gpu"]),
            sleeps,
            liked,
            node("zeta", 0, &["gpu"]),
            node("alpha", 0, &["gpu"]),
        ];
        let expected = [
            ("alpha", 1000),
            ("zeta", 1000),
            ("sleeper", 800),
            ("liked", 750),
            ("busy", 500),
            ("full", 0),
            ("plain", 0),
        ];
        let expected: Vec<(String, u32)> = expected
            .iter()
            .map(|(name, score)| ((*name).to_owned(), *score))
            .collect();
        assert_eq!(order(&wanted(&["gpu"]), &all), expected);
        let mut turned = all.to_vec();
        turned.reverse();
        assert_eq!(order(&wanted(&["gpu"]), &turned), expected, "in any order");
    }

    #[test]
    fn what_is_missing_is_said_of_every_node() {
        let mut drained = node("drained", 0, &["gpu"]);
        drained.said.as_mut().unwrap().state = Some(NodeState::Draining);
        drained.said.as_mut().unwrap().reason = Some("new disks".to_owned());
        let mut silent = node("silent", 0, &["gpu"]);
        silent.alive = false;
        let mut never = node("never", 0, &[]);
        (never.said, never.wakes) = (None, true);
        never.told = "it has never been heard of".to_owned();
        let ask = Wanted {
            owner: Some(NodeName::parse("alice").unwrap()),
            ..wanted(&["gpu", "rust"])
        };
        let all = [drained, silent, never, node("weak", 0, &[])];
        let ranked = rank(&ask, &all);
        let missing = |name: &str| {
            let found = ranked.iter().find(|one| one.node.as_str() == name);
            found.unwrap().missing.join(", ")
        };
        assert!(ranked.iter().all(|one| one.score == 0));
        assert_eq!(missing("weak"), "no gpu, no rust, it names no owner");
        assert!(missing("drained").ends_with("drained: new disks"));
        assert!(missing("silent").ends_with("silent, and nothing wakes it"));
        assert_eq!(missing("never"), "it has never been heard of");
        assert_eq!(unknown(&ask, &all).unwrap().as_str(), "rust");
        assert_eq!(unknown(&wanted(&["gpu"]), &all), None);
    }

    #[test]
    fn a_profile_is_named_only_where_it_is_what_makes_the_difference() {
        let mut one = node("one", 0, &["gpu"]);
        let card = &mut one.said.as_mut().unwrap().card;
        card.profiles.insert(profile("rust"), can(&["cargo"]));
        // Not offered to this sender: what it can do does not count.
        card.profiles.insert(profile("secret"), can(&["nuclear"]));
        let chosen = |needs: &[&str]| rank(&wanted(needs), std::slice::from_ref(&one)).remove(0);
        assert_eq!(chosen(&["gpu"]).profile, None);
        assert_eq!(chosen(&["gpu", "cargo"]).profile, Some(profile("rust")));
        assert_eq!(chosen(&["nuclear"]).score, 0);
        let ask = Wanted {
            profile: Some(profile("default")),
            ..wanted(&["cargo"])
        };
        assert_eq!(
            rank(&ask, std::slice::from_ref(&one))[0].missing,
            ["no cargo"]
        );
    }

    #[test]
    fn a_node_that_stopped_in_order_sleeps_where_it_can_be_woken_and_a_drained_one_never_does() {
        let mut one = node("one", 0, &[]);
        one.wakes = true;
        let said = one.said.as_mut().unwrap();
        (said.state, said.card.stopped) = (Some(NodeState::Draining), true);
        assert_eq!(
            judge(&wanted(&[]), &one).availability,
            Availability::Sleeping
        );
        one.wakes = false;
        assert_eq!(judge(&wanted(&[]), &one).availability, Availability::Away);
        one.said.as_mut().unwrap().card.stopped = false;
        (one.alive, one.wakes) = (false, true);
        assert_eq!(judge(&wanted(&[]), &one).availability, Availability::Away);
    }
}
