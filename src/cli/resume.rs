//! `dispatch resume`: shows the killswitches that are there, and lifts those that were meant.
//!
//! Only names from its own listing are removed: one made meanwhile stays. Where there are several, they have to be
//! named, or all of them meant, because each may have its own reason.

use super::failure::Failure;
use super::halt::Desk;
use super::mend;
use super::setup::Common;
use super::setup::Setup;
use super::speech::Aloud;
use super::speech::Speech;
use super::voice::Voice;
use crate::escape;
use crate::event::Event;
use crate::event::Word;
use crate::exit::Exit;
use crate::id::ProfileName;
use crate::killswitch;
use crate::killswitch::Halt;
use crate::killswitch::Lifted;
use crate::killswitch::Origin;
use crate::killswitch::Scope;

/// Lift a halt, or show what there is
///
/// Example: dispatch resume --all
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The killswitches to lift, by name; needed where there are several
    #[arg(value_name = "NAME", conflicts_with = "all")]
    names: Vec<String>,
    /// Every killswitch that is listed
    #[arg(long)]
    all: bool,
    /// Those on this node's own disk instead of those on the share
    #[arg(long)]
    local: bool,
    /// Show what there is and lift nothing
    #[arg(long)]
    dry_run: bool,
    /// Use this profile again: what was wrong with its credential or its account is mended
    #[arg(long, value_name = "PROFILE", conflicts_with_all = ["names", "all", "local", "dry_run"])]
    profile: Option<ProfileName>,
    #[command(flatten)]
    common: Common,
}

impl Args {
    /// Returns the flags every program has.
    #[must_use]
    pub const fn common(&self) -> &Common {
        &self.common
    }
}

/// Runs the command.
///
/// # Errors
/// [`Failure`]
pub fn run(args: &Args, voice: &Voice) -> Result<Exit, Failure> {
    if let Some(profile) = &args.profile {
        return mend::ask(&Setup::new(&args.common, voice)?, profile, voice);
    }
    resume(args, &Desk::new(&args.common)?, &mut Aloud(voice))
}

fn resume(args: &Args, desk: &Desk, say: &mut dyn Speech) -> Result<Exit, Failure> {
    let switch = desk.killswitch()?;
    let state = match args.local {
        true => switch.look_local(),
        false => switch.look(desk.share()?),
    };
    let wanted = if args.local {
        Origin::Local
    } else {
        Origin::Share
    };
    let (here, elsewhere): (Vec<&Halt>, Vec<&Halt>) =
        state.halts().iter().partition(|halt| halt.origin == wanted);
    for halt in &here {
        let kill = if halt.kill { ", kills" } else { "" };
        // What lies on this node's disk is seen by this node alone.
        let what = match (halt.origin, &halt.scope) {
            (Origin::Local, Scope::Everything) => "this node".to_owned(),
            (_, scope) => scope.to_string(),
        };
        say.note(&format!(
            "{} stops {what}{kill}: {}",
            halt.entry, halt.reason
        ));
    }
    if here.is_empty() {
        if let Some(halt) = elsewhere.iter().find(|halt| halt.origin == Origin::Unknown) {
            return Err(Failure::new(Exit::Io, format!("cannot look at {halt}")));
        }
        say_rest(&elsewhere, say);
    }
    if args.dry_run {
        return Ok(Exit::Ok);
    }
    let names = chosen(args, &here)?;
    let lifted = match args.local {
        true => killswitch::lift_local(desk.config.state()?, &names)?,
        false => killswitch::lift(desk.share()?, &names)?,
    };
    for name in &lifted.removed {
        let event = Event::of(Word::Resume).say(&format!("lifted {name}"));
        desk.tell(&event, say)?;
        say.answer(&format!("{}\n", escape::escape(name, false)))?;
    }
    report(&lifted, say)?;
    say_rest(&elsewhere, say);
    Ok(Exit::Ok)
}

fn chosen(args: &Args, here: &[&Halt]) -> Result<Vec<String>, Failure> {
    let known: Vec<&String> = here.iter().filter_map(|halt| halt.name.as_ref()).collect();
    if let Some(strange) = args.names.iter().find(|name| !known.contains(name)) {
        let strange = escape::excerpt(strange, 160);
        return Err(Failure::new(
            Exit::NotFound,
            format!("no killswitch '{strange}' is there"),
        )
        .hint("'dispatch resume --dry-run' lists those that are"));
    }
    let no = |why: &str| Err(Failure::new(Exit::No, why));
    match (args.names.is_empty(), args.all, known.len()) {
        (false, ..) => Ok(args.names.clone()),
        (true, _, 0) if here.is_empty() => no("no killswitch is there"),
        (true, _, 0) => no("its name is not text: remove it by hand"),
        (true, true, _) | (true, false, 1) => Ok(known.into_iter().cloned().collect()),
        (true, false, _) => no("there are several: name those to lift, or say --all"),
    }
}

fn report(lifted: &Lifted, say: &mut dyn Speech) -> Result<(), Failure> {
    for name in &lifted.others {
        say.note(&format!("still halted by '{}'", escape::excerpt(name, 160)));
    }
    let Some(((name, why), more)) = lifted.kept.split_first() else {
        return Ok(());
    };
    for (name, why) in more {
        say.warn(&format!("'{}' stays: {why}", escape::excerpt(name, 160)));
    }
    let name = escape::excerpt(name, 160);
    Err(Failure::new(Exit::No, format!("'{name}' stays: {why}"))
        .hint("remove it by hand, with rmdir where it is a directory"))
}

fn say_rest(elsewhere: &[&Halt], say: &mut dyn Speech) {
    for halt in elsewhere {
        let lifts = match halt.origin {
            Origin::Local => " ('dispatch resume --local' lifts it)",
            Origin::Share | Origin::Unknown => "",
        };
        say.note(&format!("still halted: {halt}{lifts}"));
    }
}

#[cfg(test)]
mod tests;
