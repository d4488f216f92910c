//! Whether one more attempt may start now: slots of the node, slots of its profile, exclusive resources.
//!
//! Pure arithmetic over what runs; the caller keeps the list. A slot is free when the agent is dead and its output is
//! journalled, so whatever is in the list counts, finished uploads or not.

use std::fmt;

use crate::id::ProfileName;
use crate::id::ResourceName;
use crate::id::TaskId;
use crate::profile::Profile;

/// An attempt that holds a slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Running {
    /// Its task.
    pub task: TaskId,
    /// Its profile.
    pub profile: ProfileName,
    /// The resources it holds: those of its profile at the time it started.
    pub resources: Vec<ResourceName>,
}

/// What an attempt waits for. The first of these that applies is named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wait {
    /// All slots of the node are in use.
    Node {
        /// Attempts that run.
        used: usize,
        /// The setting `slots`.
        slots: u32,
    },
    /// All slots of the profile are in use.
    Profile {
        /// The profile.
        profile: ProfileName,
        /// Attempts of it that run.
        used: usize,
        /// Its setting `slots`.
        slots: u32,
    },
    /// Another attempt holds a resource the profile needs.
    Resource {
        /// The resource.
        resource: ResourceName,
        /// The task that holds it.
        holder: TaskId,
    },
}

impl fmt::Display for Wait {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Node { used, slots } => {
                write!(out, "waits for a slot: {used} of {slots} are in use")
            }
            Self::Profile {
                profile,
                used,
                slots,
            } => write!(
                out,
                "waits for a slot of its profile: {used} of {slots} are in use (profile.{profile}.slots)"
            ),
            Self::Resource { resource, holder } => {
                write!(
                    out,
                    "waits for resource '{resource}', held by task {holder}"
                )
            }
        }
    }
}

/// Returns what an attempt under `profile` waits for, or `None` where it may start now. `slots` is the node's.
#[must_use]
pub fn wait(slots: u32, profile: &Profile, running: &[Running]) -> Option<Wait> {
    if running.len() >= capacity(slots) {
        return Some(Wait::Node {
            used: running.len(),
            slots,
        });
    }
    let used = running
        .iter()
        .filter(|other| other.profile == profile.name)
        .count();
    if used >= capacity(profile.slots) {
        return Some(Wait::Profile {
            profile: profile.name.clone(),
            used,
            slots: profile.slots,
        });
    }
    profile.resources.iter().find_map(|resource| {
        running
            .iter()
            .find(|other| other.resources.contains(resource))
            .map(|other| Wait::Resource {
                resource: resource.clone(),
                holder: other.task,
            })
    })
}

/// Returns how many attempts may start now whatever their profile; zero where the node is full.
#[must_use]
pub fn free(slots: u32, running: &[Running]) -> usize {
    capacity(slots).saturating_sub(running.len())
}

fn capacity(slots: u32) -> usize {
    usize::try_from(slots).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::AgentKind;
    use proptest::prelude::*;

    fn profile(name: &str, slots: u32, resources: &[&str]) -> Profile {
        let name = ProfileName::parse(name).unwrap();
        let mut profile = Profile::of_kind(name, AgentKind::Command, vec!["true".into()]);
        profile.slots = slots;
        profile.resources = resources
            .iter()
            .map(|r| ResourceName::parse(r).unwrap())
            .collect();
        profile
    }

    fn run(number: u128, of: &Profile) -> Running {
        let id = uuid::Builder::from_random_bytes(number.to_be_bytes()).into_uuid();
        Running {
            task: TaskId::from_uuid(id),
            profile: of.name.clone(),
            resources: of.resources.clone(),
        }
    }

    #[test]
    fn the_thing_it_waits_for_is_named() {
        let gpu = profile("gpu", 2, &["gpu0"]);
        let any = profile("any", 1, &[]);
        assert_eq!(wait(2, &gpu, &[]), None);
        let first = run(1, &gpu);
        assert_eq!(
            wait(2, &gpu, std::slice::from_ref(&first)),
            Some(Wait::Resource {
                resource: gpu.resources[0].clone(),
                holder: first.task
            })
        );
        assert_eq!(wait(2, &any, std::slice::from_ref(&first)), None);
        let both = [first, run(2, &any)];
        assert!(matches!(
            wait(3, &any, &both),
            Some(Wait::Profile { used: 1, .. })
        ));
        assert!(matches!(
            wait(2, &any, &both),
            Some(Wait::Node { used: 2, slots: 2 })
        ));
        assert_eq!(free(3, &both), 1);
        assert_eq!(free(1, &both), 0);
    }

    proptest! {
        /// Starts whatever may start, in any order, and looks at every bound afterwards.
        #[test]
        fn no_bound_is_ever_exceeded(slots in 1u32..6, wants in prop::collection::vec(0usize..4, 0..40)) {
            let profiles = [
                profile("a", 1, &[]), profile("b", 3, &["gpu0"]),
                profile("c", 2, &["gpu0", "gpu1"]), profile("d", 9, &[]),
            ];
            let mut running: Vec<Running> = Vec::new();
            for (number, want) in wants.iter().enumerate() {
                let wanted = &profiles[*want];
                if wait(slots, wanted, &running).is_none() {
                    running.push(run(number as u128, wanted));
                }
            }
            prop_assert!(running.len() <= slots as usize);
            for of in &profiles {
                prop_assert!(running.iter().filter(|r| r.profile == of.name).count() <= of.slots as usize);
            }
            for name in ["gpu0", "gpu1"] {
                let held = running.iter().filter(|r| r.resources.iter().any(|x| x.as_str() == name)).count();
                prop_assert!(held <= 1);
            }
        }
    }
}
