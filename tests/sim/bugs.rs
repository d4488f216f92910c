//! Planted bugs: each must be caught within a number of schedules, else the simulation has lost its teeth.

#[cfg(feature = "planted")]
use dispatch::planted::Bug;

use crate::workers::Order;

/// Plants a bug for this thread, or takes away what is planted. False where there is no such bug here.
pub fn plant(name: Option<&str>) -> bool {
    #[cfg(feature = "planted")]
    {
        let bug = name.and_then(Bug::from_word);
        dispatch::planted::plant(bug);
        bug.is_some() == name.is_some()
    }
    #[cfg(not(feature = "planted"))]
    {
        if let Some(name) = name {
            println!("cannot plant '{name}': built without the feature 'planted'");
        }
        name.is_none()
    }
}

/// Runs schedules until one bug is caught. Says whether it was.
pub fn one(name: &str, order: &Order) -> bool {
    if !plant(Some(name)) {
        return false;
    }
    plant(None);
    let order = Order {
        bug: Some(name.to_owned()),
        ..order.clone()
    };
    let tally = crate::workers::run(&order);
    match tally.bad.first() {
        Some((seed, what)) => {
            println!(
                "{name:<24} caught after {:>7} schedules, {:>4} ms, seed {seed}: {what}",
                tally.schedules, tally.ms
            );
            true
        }
        None => {
            println!("{name:<24} NOT caught in {} schedules", tally.schedules);
            false
        }
    }
}

/// Every bug that can be planted.
#[cfg(feature = "planted")]
pub fn each(order: &Order) -> bool {
    let missed = Bug::ALL.iter().filter(|bug| !one(bug.as_str(), order));
    let missed: Vec<&str> = missed.map(|bug| bug.as_str()).collect();
    println!(
        "{} bugs planted, {} not caught {missed:?}",
        Bug::ALL.len(),
        missed.len()
    );
    missed.is_empty()
}

/// Without the feature there is nothing to catch.
#[cfg(not(feature = "planted"))]
pub fn each(_: &Order) -> bool {
    println!("no bug can be planted: built without the feature 'planted'");
    false
}
