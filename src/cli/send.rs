//! `dispatch-send`: signs a task and publishes it.

mod after;
mod ahead;
mod batch;
pub mod keyed;
mod lineage;
mod pooled;
mod route;

use std::io::Read;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args as ClapArgs;
use clap::ValueEnum;
use serde_json::json;

pub(super) use self::pooled::ASKED;
use super::failure::Failure;
use super::seek;
use super::setup;
use super::setup::Common;
use super::setup::Setup;
use super::voice::Voice;
use super::wait;
use super::wait::Until;
use crate::clock::Timestamp;
use crate::document::Task;
use crate::event::Event;
use crate::event::Word;
use crate::exit::Exit;
use crate::flow::receipt;
use crate::flow::send::Sent;
use crate::id::NodeName;
use crate::id::Party;
use crate::id::Priority;
use crate::id::ProfileName;
use crate::id::TaskId;
use crate::killswitch::Killswitch;
use crate::limits;
use crate::place::Lane;
use crate::place::Place;
use crate::stage::Stage;
use crate::status::dependents::Awaited;
use crate::transport::Publish;
use crate::units;

/// Sign a task and hand it to another host
///
/// Example: dispatch-send --to gpubox --request "run the test suite and report numbers"
///
/// Prints `<id><TAB><path>` as soon as the task is safely on the share. With --wait it prints the answer instead and
/// exits by the outcome; where no answer came in time, the id and 79.
#[derive(Debug, ClapArgs)]
#[command(group(clap::ArgGroup::new("what").required(true).args(["request", "request_file", "batch"])))]
pub struct Args {
    /// Who is asked: a node or a pool of your configuration; any: the node that is fit and free, by its own word
    #[arg(
        long,
        value_name = "NODE|pool.NAME|any",
        required = false,
        required_unless_present = "batch",
        default_value_if("batch", clap::builder::ArgPredicate::IsPresent, Some(""))
    )]
    to: String,
    /// Who asks: this node [default: the configured one, or DISPATCH_FROM]
    #[arg(long, value_name = "NODE")]
    from: Option<NodeName>,
    /// What is asked; '-' reads it from standard input
    #[arg(long, short, value_name = "TEXT", allow_hyphen_values = true)]
    request: Option<String>,
    /// Read what is asked from a file; '-' reads standard input
    #[arg(long, value_name = "FILE")]
    request_file: Option<PathBuf>,
    /// Send each line of a file, a JSON object with these options as members ('-': standard input); nothing is sent
    /// unless all of it is right
    #[arg(long, value_name = "FILE", conflicts_with_all = ["after", "not_before", "wait", "until", "profile", "ack",
          "dangerous", "timeout", "stall", "max_output", "idempotent", "max_attempts", "tags"])]
    batch: Option<PathBuf>,
    /// Go on with a batch that was cut: what was sent is not sent again
    #[arg(long, requires = "batch")]
    resume: bool,
    /// How soon it should run among others: low, normal or high
    #[arg(long, short, value_name = "WORD", default_value_t)]
    priority: Priority,
    /// How it should be run: a profile of the receiver [default: the receiver's]
    #[arg(long, value_name = "NAME")]
    profile: Option<ProfileName>,
    /// Ask a human of the receiver first
    #[arg(long, alias = "require-ack")]
    ack: bool,
    /// Ask for the dangerous mode of the profile; the receiver decides
    #[arg(long, alias = "require-dangerous")]
    dangerous: bool,
    /// Longest running time, such as 90s or 2h
    #[arg(long, value_name = "TIME", value_parser = units::duration)]
    timeout: Option<Duration>,
    /// End it when it shows no sign of work for this long
    #[arg(long, value_name = "TIME", value_parser = units::duration)]
    stall: Option<Duration>,
    /// Most output to keep, such as 2MB
    #[arg(long, value_name = "SIZE", value_parser = units::size)]
    max_output: Option<u64>,
    /// Start it only once this task ended: an id of yours, or the beginning of one; 'ok:' (it succeeded, the default),
    /// 'notok:' or 'any:' before it; several with commas, or repeated
    #[arg(long, value_name = "[WHEN:]ID", value_delimiter = ',', value_parser = after::wish)]
    after: Vec<after::Wish>,
    /// Do not start it earlier: a time from now such as 2h, or 2026-11-20T22:00:00Z
    #[arg(long, value_name = "TIME")]
    not_before: Option<String>,
    /// Do not start it later than this from now
    #[arg(long, value_name = "TIME", value_parser = units::duration, default_value = "24h")]
    expires: Duration,
    /// Running it twice does no harm
    #[arg(long)]
    idempotent: bool,
    /// Most starts, with --idempotent
    #[arg(long, value_name = "N", requires = "idempotent")]
    max_attempts: Option<u32>,
    /// The same piece of work whenever this key is given: send it once, else print the id of the first
    #[arg(long, value_name = "KEY", value_parser = keyed::parse)]
    idempotency_key: Option<String>,
    /// Send it to a pool, or with --to any, although nobody would take it now
    #[arg(long)]
    anyway: bool,
    /// A label to find it by; may be repeated
    #[arg(long = "tag", value_name = "WORD")]
    tags: Vec<String>,
    #[command(flatten)]
    lineage: lineage::Lineage,
    /// Wait for the outcome, at most this long; print the answer and exit by it
    #[arg(long, value_name = "TIME", num_args = 0..=1, require_equals = true,
          default_missing_value = "forever", value_parser = wait::deadline)]
    wait: Option<wait::Deadline>,
    /// Wait until the receiver says under seal that it is so far; exit 80 and name the missing hop where it does not
    #[arg(long, value_name = "STEP", value_enum, conflicts_with = "wait")]
    until: Option<Until>,
    /// How long --until waits
    #[arg(long, value_name = "TIME", value_parser = units::duration, default_value = "60s", requires = "until")]
    deadline: Duration,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// Envelope: 3, or 2 for a watcher of the original
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u8).range(2..=3))]
    schema: u8,
    /// Kept for callers of the original; results always come as files
    #[arg(long, value_name = "HOW", value_enum, hide = true)]
    callback: Option<Callback>,
    #[command(flatten)]
    route: route::Flags,
    #[command(flatten)]
    common: Common,
}

/// Where the original announced results.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Callback {
    File,
    Discord,
    None,
}

impl Args {
    /// Returns the flags every program has.
    #[must_use]
    pub const fn common(&self) -> &Common {
        &self.common
    }
}

/// Runs the program.
///
/// # Errors
/// [`Failure`]: nothing was published, unless it says so.
pub fn run(args: &Args, voice: &Voice) -> Result<Exit, Failure> {
    vet(args)?;
    let setup = setup(args, voice)?;
    if let Some(path) = &args.batch {
        return batch::run(args, &setup, path, voice);
    }
    let chosen = route::choose(args, &setup, voice)?;
    let to = addressee(args, &setup, chosen.as_ref().map(|chosen| &chosen.to))?;
    let lane = setup.lane_to_party(&to)?;
    let mut task = task(args, &setup, &to)?;
    if let Some(chosen) = chosen {
        task.profile = chosen.profile;
    }
    if task.request.trim().is_empty() {
        return Err(Failure::new(Exit::Data, "there is nothing in the request")
            .hint("say what is to be done: --request 'TEXT', --request-file FILE, or --request - for standard input"));
    }
    setup.check_root()?;
    pooled::look(args, &setup, &lane, voice)?;
    let after = waits(args, &setup, &lane)?;
    after::put(&mut task, &after);
    ahead::look(&setup, &lane, voice);
    if args.callback == Some(Callback::Discord) {
        voice.warn("results come as files; 'discord' is not announced from here");
    }
    if let Some(key) = &args.idempotency_key
        && let Some(earlier) = keyed::earlier(&setup, &lane, key)?
    {
        return keyed::answer(&setup, voice, &lane, earlier, (args.wait, args.json));
    }
    keyed::note(&setup, &lane, &task, None)?;
    let sent = publish(args, &setup, &task, &after)?;
    keyed::note(&setup, &lane, &task, Some(&sent))?;
    if !after.is_empty() {
        after::settle(&setup, sent.id, &sent.publish, voice);
    }
    let path = setup
        .config
        .root()?
        .join(inbox(&sent).path())
        .join(&sent.name);
    match &sent.publish {
        // Printed with how far it came, below.
        Publish::Published if args.until.is_some() && args.json => {}
        Publish::Published if args.wait.is_none() => show(args, voice, &sent, &path, "published")?,
        // The answer is what standard output is for then; whoever loses sight of it has the id all the same.
        Publish::Published => voice.note(&format!("{}\t{}", sent.id, path.display())),
        Publish::Failed(_) => {}
        Publish::Unknown { .. } => show(args, voice, &sent, &path, "unknown")?,
    }
    tell(&setup, &sent, &task, voice);
    warn_if_halted(&setup, &lane, voice);
    pooled::tell_watcher(&setup, &lane, &task);
    match &sent.publish {
        Publish::Published => {}
        Publish::Failed(error) => return Err(Failure::from(error.clone())),
        Publish::Unknown { error, .. } => {
            return Err(Failure::new(
                Exit::TryAgain,
                format!("it is not known whether the task was published: {error}"),
            )
            .hint(format!(
                "'dispatch wait {}' resolves it; do not send it again before",
                sent.id
            )));
        }
    }
    follow(args, &setup, voice, &sent, &path)
}

/// Who is asked: who was chosen, else who was named.
fn addressee(args: &Args, setup: &Setup, chosen: Option<&Party>) -> Result<Party, Failure> {
    let to = match chosen {
        Some(chosen) => chosen.clone(),
        None => Party::parse(&args.to).map_err(|error| unknown(setup, &error.to_string()))?,
    };
    if to.node().as_ref() == Some(&setup.node) {
        return Err(
            Failure::new(Exit::Usage, format!("cannot send from '{to}' to itself"))
                .hint("give --from, or set 'node' in dispatch.toml to the name of this host"),
        );
    }
    Ok(to)
}

/// Waits for what the caller wants to wait for.
fn follow(
    args: &Args,
    setup: &Setup,
    voice: &Voice,
    sent: &Sent,
    path: &Path,
) -> Result<Exit, Failure> {
    let wanted = seek::Wanted {
        id: sent.id,
        lane: sent.lane.clone(),
        digest: Some(sent.digest),
    };
    if let Some(until) = args.until {
        let reached = wait::until(setup, voice, (&wanted, sent.digest), until, args.deadline);
        if args.json {
            let is_so = matches!(reached, Ok(Exit::Ok));
            let state = if is_so { until.as_str() } else { "published" };
            show(args, voice, sent, path, state)?;
        }
        return reached;
    }
    let Some(deadline) = args.wait else {
        return Ok(Exit::Ok);
    };
    let exit = wait::one(setup, voice, &wanted, deadline, args.json);
    let is_answered = !matches!(exit, Err(_) | Ok(Exit::StillRunning | Exit::TryAgain));
    if !is_answered && (exit.is_err() || !args.json) {
        // No answer: then this is what there is, as without --wait.
        show(args, voice, sent, path, "published")?;
    }
    exit
}

/// What contradicts itself on the command line.
fn vet(args: &Args) -> Result<(), Failure> {
    if args.schema == 2 && args.until.is_some_and(|until| until != Until::Finished) {
        let why = "an envelope of version 2 cannot ask for receipts";
        return Err(Failure::new(Exit::Usage, why).hint("leave out --schema 2, or use --wait"));
    }
    Ok(())
}

fn setup(args: &Args, voice: &Voice) -> Result<Setup, Failure> {
    let mut flags = args.common.flags();
    if let Some(from) = &args.from {
        flags.node = Some((from.clone(), "--from"));
    }
    Setup::of(setup::load(flags, true)?, &args.common, voice)
}

fn unknown(setup: &Setup, why: &str) -> Failure {
    let known: Vec<&str> = setup.config.known_peers().map(NodeName::as_str).collect();
    Failure::new(Exit::NotFound, why).hint(format!("known peers: {}", known.join(", ")))
}

fn task(args: &Args, setup: &Setup, to: &Party) -> Result<Task, Failure> {
    let now = setup.clock.wall();
    let id = setup.chance.task_id(setup.clock.unix_ms());
    let (from, to) = (Party::from(&setup.node), to.clone());
    let mut task = Task::new(id, from, to, now, request(args)?);
    task.expires = now.plus(args.expires);
    task.not_before = args
        .not_before
        .as_deref()
        .map(|text| moment(text, now))
        .transpose()?;
    task.priority = args.priority;
    task.profile.clone_from(&args.profile);
    task.require_ack = args.ack;
    task.require_dangerous = args.dangerous;
    task.timeout_s = args.timeout.map(|time| time.as_secs().max(1));
    task.stall_s = args.stall.map(|time| time.as_secs().max(1));
    task.max_output_bytes = args.max_output;
    task.idempotent = args.idempotent;
    task.max_attempts = args.max_attempts;
    task.idempotency_key.clone_from(&args.idempotency_key);
    task.tags.clone_from(&args.tags);
    args.lineage.mark(&mut task)?;
    if args.until.is_some_and(|until| until != Until::Finished) {
        let nothing = serde_json::Map::new();
        task.ext
            .insert(receipt::EXTENSION.to_owned(), nothing.into());
    }
    Ok(task)
}

/// Reads a moment: a time from now, or the moment itself.
fn moment(text: &str, now: Timestamp) -> Result<Timestamp, Failure> {
    let from_now = units::duration(text).map(|time| now.plus(time));
    from_now
        .ok()
        .or_else(|| Timestamp::parse(text).ok())
        .ok_or_else(|| {
            let why = format!("'{}' is no time", crate::escape::excerpt(text, 60));
            Failure::new(Exit::Usage, why)
                .hint("a time from now such as 2h, or a moment such as 2026-11-20T22:00:00Z")
        })
}

/// Reads the request, never more of it than a task may hold.
fn request(args: &Args) -> Result<String, Failure> {
    let limit = limits::REQUEST_BYTES_MAX as u64 + 1;
    let mut bytes = Vec::new();
    let file = match (&args.request, &args.request_file) {
        (Some(text), _) if text != "-" => return Ok(text.clone()),
        (Some(_), _) => None,
        (None, Some(path)) => Some(path).filter(|path| *path != Path::new("-")),
        (None, None) => return Err(Failure::new(Exit::Usage, "there is no request")),
    };
    let (source, read) = match file {
        None => (
            "standard input".to_owned(),
            std::io::stdin()
                .take(limit)
                .read_to_end(&mut bytes)
                .map(drop),
        ),
        Some(path) => (
            format!("'{}'", path.display()),
            read_file(path, limit, &mut bytes),
        ),
    };
    read.map_err(|error| {
        let message = format!("cannot read the request from {source}: {error}");
        Failure::new(Exit::NotFound, message)
    })?;
    if bytes.len() > limits::REQUEST_BYTES_MAX {
        let most = limits::REQUEST_BYTES_MAX;
        return Err(Failure::new(
            Exit::Data,
            format!("the request from {source} is larger than {most} bytes"),
        )
        .hint(
            "put large material where the other host can read it, and say where in the request",
        ));
    }
    String::from_utf8(bytes).map_err(|_| {
        Failure::new(
            Exit::Data,
            format!("the request from {source} is not UTF-8"),
        )
    })
}

fn read_file(path: &Path, limit: u64, into: &mut Vec<u8>) -> std::io::Result<()> {
    std::fs::File::open(path)?.take(limit).read_to_end(into)?;
    Ok(())
}

fn publish(args: &Args, setup: &Setup, task: &Task, after: &[Awaited]) -> Result<Sent, Failure> {
    let sender = setup.sender();
    let lane = Lane::new(setup.node.clone(), task.to.clone());
    if args.schema == 2 {
        return Ok(sender.send_legacy(&lane, task)?);
    }
    let sealed = sender.prepare(&lane, task)?;
    after::record(setup, task, (&sealed, None), after)?;
    Ok(sender.put(sealed))
}

/// What the task is to wait for.
fn waits(args: &Args, setup: &Setup, lane: &Lane) -> Result<Vec<Awaited>, Failure> {
    let after = after::find(setup, &args.after)?;
    if after.is_empty() {
        return Ok(after);
    }
    if args.schema == 2 {
        let why = "a watcher of the original knows nothing of --after";
        return Err(Failure::new(Exit::Usage, why).hint("leave out --schema 2"));
    }
    after::look(setup, lane)?;
    Ok(after)
}

fn inbox(sent: &Sent) -> Place {
    Place::Stage(sent.lane.clone(), Stage::Inbox)
}

/// The audit record of a sender: a convenience, never a reason to fail.
fn tell(setup: &Setup, sent: &Sent, task: &Task, voice: &Voice) {
    let word = Event::of(Word::TaskSend)
        .task(sent.id)
        .peer(sent.lane.to.clone());
    let mut event = word.quote(&format!("-> {}: ", sent.lane.to), &task.request);
    event.digest = Some(sent.digest);
    match setup.log() {
        Ok(log) => log.tell(&event),
        Err(failure) => voice.warn(&format!("not recorded in the audit log: {failure}")),
    }
}

/// A task that lands in a halted queue is not lost, but its sender should know why nothing happens.
fn warn_if_halted(setup: &Setup, lane: &Lane, voice: &Voice) {
    let (Some(to), Ok(listing)) = (lane.to.node(), setup.transport.list(&Place::Root)) else {
        return;
    };
    // The question is what stops the other node; the local halts of this one do not.
    let switch = Killswitch::new(
        to,
        vec![setup.node.clone()],
        vec![lane.clone()],
        Path::new("/"),
    );
    let peek = |name: &str| {
        let most = limits::KILLSWITCH_BYTES_MAX;
        setup.transport.peek(&Place::Root, name, most)
    };
    if let Some(halt) = switch.judge(Ok(&listing), &peek).stops(lane) {
        voice.warn(&format!(
            "nothing starts there now: {halt}; 'dispatch resume' lifts it"
        ));
    }
}

fn show(args: &Args, voice: &Voice, sent: &Sent, path: &Path, state: &str) -> Result<(), Failure> {
    if args.json {
        let line = json!({"version": 1, "id": sent.id, "state": state, "to": sent.lane.to,
            "sha256": sent.digest, "path": path});
        return voice.answer(&line.to_string());
    }
    voice.answer(&format!("{}\t{}", sent.id, path.display()))
}

/// Returns a task id or the unique beginning of one, as commands take it.
///
/// # Errors
/// [`Failure`] for text that is neither.
pub fn id(text: &str) -> Result<TaskId, Failure> {
    Ok(TaskId::parse(text)?)
}
