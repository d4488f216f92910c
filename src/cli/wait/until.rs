//! `dispatch-send --until`: waits for the receiver's sealed word of how far a task is.

use std::time::Duration;

use clap::ValueEnum;

use super::Deadline;
use super::patience::Wait;
use crate::cli::failure::Failure;
use crate::cli::outcome;
use crate::cli::scene;
use crate::cli::seek::Wanted;
use crate::cli::setup::Setup;
use crate::cli::voice::Voice;
use crate::document::Step;
use crate::escape;
use crate::exit::Exit;
use crate::flow::collect::Answered;
use crate::flow::collect::Looked;
use crate::id::Digest;
use crate::place::Lane;
use crate::place::Place;
use crate::stage::Stage;
use crate::status::why;

/// How far a task is to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Until {
    /// The receiver has it in its journal
    Delivered,
    /// It will be started as soon as there is room
    Accepted,
    /// Its agent was let go
    Started,
    /// It is over
    Finished,
}

impl Until {
    /// The first receipt that says so; none does of an end.
    const fn step(self) -> Option<Step> {
        match self {
            Self::Delivered => Some(Step::Waiting),
            Self::Accepted => Some(Step::Accepted),
            Self::Started => Some(Step::Started),
            Self::Finished => None,
        }
    }

    /// Returns the word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Accepted => "accepted",
            Self::Started => "started",
            Self::Finished => "finished",
        }
    }
}

/// Waits until a task of this process is so far, and says who confirmed it. Where it is over before, its outcome
/// decides: one that never ran was not accepted.
///
/// # Errors
/// [`Failure`]: [`Exit::Unconfirmed`] with the hop that is missing, after `at_most`.
pub fn until(
    setup: &Setup,
    voice: &Voice,
    (wanted, digest): (&Wanted, Digest),
    until: Until,
    at_most: Duration,
) -> Result<Exit, Failure> {
    let here = std::slice::from_ref(wanted);
    let mut wait = Wait::begin(setup, here, Deadline::After(at_most));
    let control = Place::Stage(wanted.lane.clone(), Stage::Control);
    let done = Place::Stage(wanted.lane.clone(), Stage::Done);
    wait.listen(&[done, control.clone()]);
    loop {
        let near = wait.glance(voice, here)?;
        if near.contains(&wanted.id)
            && let Some(answered) =
                super::look(setup, voice, wanted, &mut wait, &mut Looked::default())?
        {
            return over(voice, until, &answered);
        }
        if let (Some(step), Some(listing)) = (until.step(), wait.list(voice, &control)) {
            let sender = setup.sender();
            let receipt = sender.receipt(&wanted.lane, &listing, (wanted.id, digest));
            if let Some(receipt) = receipt.filter(|receipt| receipt.step >= step) {
                voice.note(&format!(
                    "{} {} by {}",
                    wanted.id.short(),
                    until.as_str(),
                    receipt.from
                ));
                return Ok(Exit::Ok);
            }
        }
        if !wait.pause() {
            return Err(missing(setup, wanted, until, at_most));
        }
    }
}

/// It is over: then everything before was so too, unless it never ran.
fn over(voice: &Voice, until: Until, answered: &Answered) -> Result<Exit, Failure> {
    let answer = &answered.answer;
    voice.note(&outcome::summary(voice, answer));
    if until == Until::Finished || (until != Until::Delivered && answer.status.never_ran()) {
        return Ok(outcome::exit(answer));
    }
    Ok(Exit::Ok)
}

/// The hop that is missing, as `dispatch why` finds it.
fn missing(setup: &Setup, wanted: &Wanted, until: Until, at_most: Duration) -> Failure {
    let because = scene::of(setup).and_then(|scene| Ok(why::of(&scene, &wanted.lane, wanted.id)?));
    let (text, next) = match because {
        Ok(Some(because)) => (because.text, because.next),
        Ok(None) => ("nothing of it is to be seen on the share".to_owned(), None),
        Err(failure) => (failure.to_string(), None),
    };
    let next = next.unwrap_or_else(|| format!("dispatch wait {}", wanted.id));
    let message = format!(
        "{} was not {} within {} s: {}",
        wanted.id.short(),
        until.as_str(),
        at_most.as_secs(),
        escape::escape(&text, false)
    );
    let still = still(&wanted.lane, until);
    Failure::new(Exit::Unconfirmed, message).hint(format!("{still}; try '{next}'"))
}

fn still(lane: &Lane, until: Until) -> String {
    match until {
        Until::Finished => format!("it stays with {}", lane.to),
        _ => format!("it stays in the queue of {}", lane.to),
    }
}
