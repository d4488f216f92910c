//! The stages between a supervisor and its agent, each a fresh, single-threaded execution of this program.
//!
//! * *contain*: own session, no new privileges, limits, death signal; then either becomes the agent's stage, or
//!   enters
//!   namespaces and starts
//! * *init*, process 1 of the PID namespace: private /proc, hidden sockets, reaps, tells how the agent ended;
//! * *agent*: filesystem rules, working directory, standard input, environment, and execve(2).
//!
//! A stage that loses its supervisor ends: before its death signal is set by the end of the socket, after that by the
//! signal. Nothing is printed: what fails is said over the socket.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::process::ExitCode;

use nix::sys::prctl;
use nix::sys::resource::Resource;
use nix::sys::resource::getrlimit;
use nix::sys::resource::setrlimit;
use nix::sys::signal::SigSet;
use nix::sys::signal::Signal;

use super::Error;
use super::Exit;
use super::channel;
use super::channel::Answer;
use super::channel::Orders;
use super::channel::Word;
use super::family;
use super::filesystem;
use super::launch;
use super::namespace;
use super::to;
use crate::outcome::Layer;
use crate::outcome::words;

/// The first argument of a stage.
pub const FLAG: &str = "--stage";

/// Open files an agent may have; runtimes of agents need more than the usual 1024.
const OPEN_FILES: u64 = 8192;

/// Exit status of a stage that could not go on; the reason went over the socket.
const FAILED: u8 = 125;

words! {
    /// The stages, by the word on the command line.
    Name {
        /// The first.
        Contain = "contain",
        /// Process 1 of a PID namespace.
        Init = "init",
        /// The last before the agent.
        Agent = "agent",
    }
}

/// Runs a stage if this program was started as one. To be called first thing in `main`, before any thread is started.
#[must_use]
pub fn enter(args: impl IntoIterator<Item = OsString>) -> Option<ExitCode> {
    let mut args = args.into_iter().skip(1);
    args.next().filter(|first| first == FLAG)?;
    let name = args
        .next()
        .and_then(|name| Name::from_word(name.to_str()?))?;
    launch::close_inherited();
    let Some(control) = control() else {
        return Some(ExitCode::from(FAILED));
    };
    let done = match name {
        Name::Contain => contain(&control),
        Name::Init => init(&control).map_err(|why| (why, true)),
        Name::Agent => agent(&control).map_err(|why| (why, false)),
    };
    Some(done.unwrap_or_else(|(why, of_namespaces)| {
        // Where even this cannot be said, the supervisor sees the end of the socket.
        let why = why.to_string();
        let _ = channel::send(&control, &Word::Failed { of_namespaces, why });
        ExitCode::from(FAILED)
    }))
}

/// Takes the socket from standard input. The copy is close-on-exec; the agent's own standard input replaces the
/// original.
fn control() -> Option<UnixStream> {
    let copy = io::stdin().as_fd().try_clone_to_owned().ok()?;
    let socket = UnixStream::from(copy);
    socket.peer_addr().ok()?;
    Some(socket)
}

fn say(control: &UnixStream, word: &Word) -> Result<(), Error> {
    channel::send(control, word).map_err(to("speak to the supervisor"))
}

fn orders(control: &UnixStream) -> Result<Orders, Error> {
    say(control, &Word::Hello)?;
    match channel::receive(control).map_err(to("hear the supervisor"))? {
        Answer::Orders(orders) => Ok(*orders),
        Answer::Go => Err(Error::Refused {
            action: "begin",
            why: "told to go before the orders".to_owned(),
        }),
    }
}

fn contain(control: &UnixStream) -> Result<ExitCode, (Error, bool)> {
    let plainly = |why| (why, false);
    hold().map_err(plainly)?;
    // If the supervisor died before the death signal was set, this ends at the end of the socket.
    let orders = orders(control).map_err(plainly)?;
    say(
        control,
        &Word::InForce(vec![Layer::Session, Layer::DeathSignal]),
    )
    .map_err(plainly)?;
    if let Some(cgroup) = &orders.cgroup {
        match super::cgroup::join(cgroup) {
            Ok(()) => say(control, &Word::InForce(vec![Layer::Cgroup])),
            Err(why) => say(control, &Word::Unavailable(Layer::Cgroup, why.to_string())),
        }
        .map_err(plainly)?;
    }
    if !orders.namespaces {
        return become_agent(control, &orders).map_err(plainly);
    }
    namespace::enter().map_err(|why| (why, true))?;
    deafen().map_err(plainly)?;
    let init = launch::stage(Name::Init).map_err(|why| (why, true))?;
    launch::release_pipes().map_err(|why| (why, true))?;
    // Its end is reported by itself; what is left to say is said by our own status.
    Ok(match family::wait(init) {
        Some(Exit::Code(code)) => ExitCode::from(code),
        _ => ExitCode::from(FAILED),
    })
}

/// The first layer: what needs no privilege and no kernel feature.
fn hold() -> Result<(), Error> {
    nix::unistd::setsid().map_err(to("begin a session"))?;
    setrlimit(Resource::RLIMIT_CORE, 0, 0).map_err(to("forbid core dumps"))?;
    // Never RLIMIT_AS: runtimes with a compiler inside reserve far more address space than they use.
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).map_err(to("read limits"))?;
    let files = OPEN_FILES.min(hard);
    setrlimit(Resource::RLIMIT_NOFILE, files, files).map_err(to("limit open files"))?;
    prctl::set_no_new_privs().map_err(to("forbid new privileges"))?;
    prctl::set_pdeathsig(Signal::SIGKILL).map_err(to("set the death signal"))
}

/// Blocks the polite signals: they are sent to the whole group and meant for the agent. Undone just before the agent.
fn deafen() -> Result<(), Error> {
    let mut deaf = SigSet::empty();
    for signal in [
        Signal::SIGTERM,
        Signal::SIGINT,
        Signal::SIGHUP,
        Signal::SIGQUIT,
    ] {
        deaf.add(signal);
    }
    deaf.thread_block().map_err(to("block signals"))
}

fn init(control: &UnixStream) -> Result<ExitCode, Error> {
    prctl::set_pdeathsig(Signal::SIGKILL).map_err(to("set the death signal"))?;
    let orders = orders(control)?;
    namespace::furnish(&orders)?;
    say(
        control,
        &Word::InForce(vec![Layer::PidNamespace, Layer::MountNamespace]),
    )?;
    prctl::set_dumpable(false).map_err(to("refuse tracing"))?;
    let agent = launch::stage(Name::Agent)?;
    launch::release_pipes()?;
    let mut status = FAILED;
    // Process 1 inherits every orphan of the namespace, and when it ends the kernel ends all others: so it
    // stays until they are gone by themselves or the supervisor ends it.
    while let Some((pid, exit)) = family::wait_any() {
        if pid == agent {
            say(control, &Word::Ended(exit))?;
            status = match exit {
                Exit::Code(code) => code,
                Exit::Signal(number) => 128_u8.saturating_add(number),
            };
        }
    }
    Ok(ExitCode::from(status))
}

fn agent(control: &UnixStream) -> Result<ExitCode, Error> {
    prctl::set_pdeathsig(Signal::SIGKILL).map_err(to("set the death signal"))?;
    let orders = orders(control)?;
    become_agent(control, &orders)
}

fn become_agent(control: &UnixStream, orders: &Orders) -> Result<ExitCode, Error> {
    let on = |action, path: &std::path::Path| {
        let path = path.to_owned();
        move |source| Error::Path {
            action,
            path,
            source,
        }
    };
    let stdin = File::open(&orders.stdin).map_err(on("open", &orders.stdin))?;
    std::env::set_current_dir(&orders.cwd).map_err(on("enter", &orders.cwd))?;
    be_the_first_to_go();
    nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o077));
    namespace::drop_capabilities(orders)?;
    if let Some(grants) = &orders.grants {
        match filesystem::restrict(grants) {
            Ok(()) => say(control, &Word::InForce(vec![Layer::Landlock]))?,
            Err(why) => say(
                control,
                &Word::Unavailable(Layer::Landlock, why.to_string()),
            )?,
        }
    }
    SigSet::empty()
        .thread_set_mask()
        .map_err(to("unblock signals"))?;
    say(control, &Word::Ready)?;
    match channel::receive(control).map_err(to("hear the supervisor"))? {
        Answer::Go => Err(launch::replace(orders, stdin)),
        Answer::Orders(_) => Err(Error::Refused {
            action: "begin",
            why: "given orders twice".to_owned(),
        }),
    }
}

/// Where memory runs out, the agent is to go before those who watch it (proc(5), oom_score_adj). Not worth
/// failing for.
fn be_the_first_to_go() {
    let _ = std::fs::OpenOptions::new()
        .write(true)
        .open("/proc/self/oom_score_adj")
        .and_then(|mut file| std::io::Write::write_all(&mut file, b"500"));
}
