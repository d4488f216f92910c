//! The programs: arguments in, text out. The only layer that prints, reads the environment or exits.
//!
//! Every program is the same code under another name ([`role`]); each verb has one file with its arguments and its run
//! function. The text of `--help` is the text of the man page.
#![expect(
    clippy::disallowed_methods,
    reason = "this layer reads the environment, and decides the exit status"
)]

pub mod ack;
pub mod cancel;
mod check;
pub mod config;
mod daemon;
pub mod demo;
pub mod deps;
pub mod doctor;
pub mod drain;
mod ear;
#[cfg(target_os = "linux")]
pub mod exec;
pub mod failure;
mod foreign;
pub mod fsck;
pub mod gc;
pub mod halt;
#[cfg(target_os = "linux")]
mod hand;
pub mod hops;
pub mod init;
pub mod key;
pub mod log;
mod mend;
pub mod notify;
pub mod outcome;
pub mod resume;
pub mod retry;
pub mod role;
mod scene;
pub mod seal;
pub mod seek;
pub mod send;
pub mod setup;
pub mod show;
mod speech;
mod started;
pub mod stats;
pub mod status;
mod suit;
mod tend;
pub mod verify;
pub mod voice;
pub mod wait;
pub mod watch;
pub mod why;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::CommandFactory;
use clap::FromArgMatches;
use clap::Parser;
use clap::Subcommand;
use nix::sys::stat::Mode;
use nix::sys::stat::umask;

use self::failure::Failure;
use self::setup::Common;
use self::voice::Voice;
use crate::exit::Exit;

/// Hand signed work from one host to another through nothing but a shared folder
///
/// Example: dispatch demo
///
/// Exit statuses are listed in dispatch(7).
#[derive(Debug, Parser)]
#[command(
    name = "dispatch",
    version,
    max_term_width = 100,
    subcommand_required = true,
    arg_required_else_help = true
)]
pub struct Front {
    #[command(subcommand)]
    word: Word,
}

/// What the first word names.
#[derive(Debug, Subcommand)]
#[expect(clippy::large_enum_variant, reason = "there is one in a process")]
enum Word {
    #[command(flatten)]
    Own(Verb),
    #[command(external_subcommand)]
    Foreign(Vec<OsString>),
}

/// What the front door does.
#[derive(Debug, Subcommand)]
#[expect(clippy::large_enum_variant, reason = "there is one in a process")]
enum Verb {
    Demo(demo::Args),
    Init(init::Args),
    Config(config::Args),
    Send(send::Args),
    Watch(watch::Args),
    Ack(ack::Args),
    Wait(wait::Args),
    Show(show::Args),
    Retry(retry::Args),
    Cancel(cancel::Args),
    Status(status::Args),
    Deps(deps::Args),
    Why(why::Args),
    Stats(stats::Args),
    Log(log::Args),
    Doctor(doctor::Args),
    Fsck(fsck::Args),
    Halt(halt::Args),
    Resume(resume::Args),
    Drain(drain::Args),
    Undrain(drain::UndrainArgs),
    Key(key::Args),
    Seal(seal::Args),
    Verify(verify::Args),
    Gc(gc::Args),
}

impl Verb {
    const fn common(&self) -> &Common {
        match self {
            Self::Demo(args) => args.common(),
            Self::Init(args) => args.common(),
            Self::Config(args) => args.common(),
            Self::Send(args) => args.common(),
            Self::Watch(args) => args.common(),
            Self::Ack(args) => args.common(),
            Self::Wait(args) => args.common(),
            Self::Show(args) => args.common(),
            Self::Retry(args) => args.common(),
            Self::Cancel(args) => args.common(),
            Self::Status(args) => args.common(),
            Self::Deps(args) => args.common(),
            Self::Why(args) => args.common(),
            Self::Stats(args) => args.common(),
            Self::Log(args) => args.common(),
            Self::Doctor(args) => args.common(),
            Self::Fsck(args) => args.common(),
            Self::Halt(args) => args.common(),
            Self::Resume(args) => args.common(),
            Self::Drain(args) => args.common(),
            Self::Undrain(args) => args.common(),
            Self::Key(args) => args.common(),
            Self::Seal(args) => args.common(),
            Self::Verify(args) => args.common(),
            Self::Gc(args) => args.common(),
        }
    }

    fn run(&self, voice: &Voice) -> Result<Exit, Failure> {
        match self {
            Self::Demo(args) => demo::run(args, voice),
            Self::Init(args) => init::run(args, voice),
            Self::Config(args) => config::run(args, voice),
            Self::Send(args) => send::run(args, voice),
            Self::Watch(args) => watch::run(args, voice),
            Self::Ack(args) => ack::run(args, voice),
            Self::Wait(args) => wait::run(args, voice),
            Self::Show(args) => show::run(args, voice),
            Self::Retry(args) => retry::run(args, voice),
            Self::Cancel(args) => cancel::run(args, voice),
            Self::Status(args) => status::run(args, voice),
            Self::Deps(args) => deps::run(args, voice),
            Self::Why(args) => why::run(args, voice),
            Self::Stats(args) => stats::run(args, voice),
            Self::Log(args) => log::run(args, voice),
            Self::Doctor(args) => doctor::run(args, voice),
            Self::Fsck(args) => fsck::run(args, voice),
            Self::Halt(args) => halt::run(args, voice),
            Self::Resume(args) => resume::run(args, voice),
            Self::Drain(args) => drain::run(args, voice),
            Self::Undrain(args) => drain::undrain(args, voice),
            Self::Key(args) => key::run(args, voice),
            Self::Seal(args) => seal::run(args, voice),
            Self::Verify(args) => verify::run(args, voice),
            Self::Gc(args) => gc::run(args, voice),
        }
    }
}

/// The programs that are a verb of the front door under a name of their own.
const PROGRAMS: &[(&str, &str)] = &[
    ("dispatch-send", "send"),
    ("dispatch-watch", "watch"),
    ("dispatch-ack", "ack"),
];

/// Runs the program that this process was called as, or `name` where the call says nothing.
#[must_use]
pub fn main(name: &'static str) -> ExitCode {
    let called = role::called(std::env::args_os().next().as_deref());
    let role = called.as_deref().unwrap_or(name);
    #[cfg(target_os = "linux")]
    if role == "dispatch-exec"
        || std::env::args_os()
            .nth(1)
            .is_some_and(|arg| arg == crate::process::stage::FLAG)
    {
        // Before the mask: the last stage before an agent has set the agent's own, which is narrower.
        return exec::main();
    }
    // Documents on the share are for the group; everything local is given its own, narrower mode.
    let given = umask(Mode::from_bits_truncate(0o007));
    let program = PROGRAMS
        .iter()
        .find(|(program, _)| *program == role)
        .copied();
    let status = match program {
        Some((program, verb)) => alone(program, verb),
        None => front(given),
    };
    status.into()
}

/// The front door.
fn front(given: Mode) -> Exit {
    const PROGRAM: &str = "dispatch";
    match Front::try_parse().map(|front| front.word) {
        Ok(Word::Own(verb)) => run(&verb, PROGRAM),
        Ok(Word::Foreign(words)) => {
            umask(given);
            let own = Verb::augment_subcommands(clap::Command::new(PROGRAM));
            let failure = foreign::run(&words, &own);
            setup::plain_voice(PROGRAM).fail(&failure);
            failure.exit()
        }
        Err(error) => refused(&error, PROGRAM),
    }
}

/// A program of one verb: the verb's own command under the program's name.
fn alone(program: &'static str, verb: &str) -> Exit {
    let Some(command) = command(program, verb) else {
        return Exit::Bug;
    };
    let matches = match command.try_get_matches() {
        Ok(matches) => matches,
        Err(error) => return refused(&error, program),
    };
    let parsed = match verb {
        "send" => send_args(&matches).map(Verb::Send),
        "watch" => of::<watch::Args>(&matches).map(Verb::Watch),
        _ => of::<ack::Args>(&matches).map(Verb::Ack),
    };
    match parsed {
        Ok(verb) => run(&verb, program),
        Err(error) => refused(&error, program),
    }
}

fn send_args(matches: &clap::ArgMatches) -> Result<send::Args, clap::Error> {
    of::<send::Args>(matches)
}

fn of<A: FromArgMatches>(matches: &clap::ArgMatches) -> Result<A, clap::Error> {
    A::from_arg_matches(matches)
}

fn command(program: &'static str, verb: &str) -> Option<clap::Command> {
    let front = Front::command();
    let command = front.find_subcommand(verb)?.clone();
    Some(
        command
            .name(program)
            .bin_name(program)
            .version(env!("CARGO_PKG_VERSION"))
            .max_term_width(100),
    )
}

/// Returns every command, for man pages and completions.
#[must_use]
pub fn commands() -> Vec<clap::Command> {
    let mut all = vec![Front::command()];
    all.extend(
        PROGRAMS
            .iter()
            .filter_map(|(program, verb)| command(program, verb)),
    );
    #[cfg(target_os = "linux")]
    all.push(exec::Args::command());
    all.push(notify::Args::command());
    all
}

fn run(verb: &Verb, program: &'static str) -> Exit {
    let voice = verb.common().voice(program);
    match verb.run(&voice) {
        Ok(exit) => exit,
        Err(failure) => {
            voice.fail(&failure);
            failure.exit()
        }
    }
}

/// What clap says of a command line: help and version are answers, everything else is a usage error in our voice.
fn refused(error: &clap::Error, program: &'static str) -> Exit {
    use clap::error::ErrorKind;
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => match error.print() {
            Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Exit::Io,
            _ => Exit::Ok,
        },
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            let _ = error.print();
            Exit::Usage
        }
        _ => {
            let failure = failure::of_command_line(&error.render().to_string());
            setup::plain_voice(program).fail(&failure);
            failure.exit()
        }
    }
}

/// Ends the process at once, from a thread that cannot wait for the others.
fn leave(exit: Exit) -> ! {
    std::process::exit(i32::from(exit.code()))
}
