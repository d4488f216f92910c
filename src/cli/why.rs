//! `dispatch why`: one line that says why a task is where it is.

use clap::Args as ClapArgs;
use serde_json::json;

use super::failure::Failure;
use super::scene;
use super::seek;
use super::setup::Common;
use super::setup::Setup;
use super::voice::Voice;
use crate::escape;
use crate::exit::Exit;
use crate::limits;
use crate::status::why;

/// Say in one line why a task is where it is
///
/// Example: dispatch why 0198f1c2-8a00-7000-8000-0123456789ab
///
/// Exits 0 where it is known, 66 where nothing of the task is to be seen.
#[derive(Debug, ClapArgs)]
pub struct Args {
    /// The task: its id, or a unique beginning of at least 8 digits
    #[arg(value_name = "ID")]
    id: String,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
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
    let setup = Setup::new(&args.common, voice)?;
    let scene = scene::of(&setup)?;
    let wanted = seek::anywhere(&setup, &scene, &args.id)?;
    let Some(because) = why::of(&scene, &wanted.lane, wanted.id)? else {
        return Err(seek::nowhere(&args.id));
    };
    if let Some(ahead) = setup.clock_ahead(&wanted.lane) {
        let way = if ahead > 0 { "ahead of" } else { "behind" };
        voice.warn(&format!(
            "the clock of this host is {} s {way} the file server's; \
             documents that differ by more than {} s are refused",
            ahead.unsigned_abs(),
            limits::SKEW.as_secs()
        ));
    }
    if args.json {
        let line = json!({"version": 1, "id": wanted.id, "lane": wanted.lane.to_string(),
            "state": because.state, "why": because.text, "next": because.next});
        voice.answer(&line.to_string())?;
    } else {
        voice.answer(&escape::escape(&because.text, false))?;
        if let Some(next) = &because.next {
            voice.note(&format!("try: {next}"));
        }
    }
    Ok(Exit::Ok)
}
