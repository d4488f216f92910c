//! `dispatch demo`: two nodes on this machine, a task from one to the other, every hop as it happens, the answer.
//!
//! The nodes are real: each has its own configuration, keys, state and `dispatch-watch` process; the task runs under a
//! real `dispatch-exec`. Only the network is missing.

use std::ffi::OsStr;
use std::fs::File;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args as ClapArgs;
use clap::ValueEnum;

use super::failure::Failure;
use super::hops::Hops;
use super::outcome;
use super::role;
use super::setup;
use super::setup::Common;
use super::setup::Setup;
use super::voice::Style;
use super::voice::Voice;
use crate::clock::Clock;
use crate::clock::SystemClock;
use crate::disk;
use crate::document::Ack;
use crate::document::Decision;
use crate::document::Task;
use crate::escape;
use crate::exit::Exit;
use crate::flow::ack;
use crate::flow::collect::Answered;
use crate::flow::root;
use crate::flow::send::Sent;
use crate::id::KeyId;
use crate::id::NodeName;
use crate::id::Party;
use crate::key::Alg;
use crate::key::Key;
use crate::key::file::Guard;
use crate::key::file::Storage;
use crate::process::launch;
use crate::process::launch::Companion;
use crate::transport::Publish;

/// Longest time the demo takes before it says what it saw and gives up.
const PATIENCE: Duration = Duration::from_secs(30);
/// The same for a real agent.
const AGENT_PATIENCE: Duration = Duration::from_secs(300);
/// How long the last lines of the log are waited for.
const LAST_HOPS: Duration = Duration::from_secs(2);
/// How often it looks.
const LOOK: Duration = Duration::from_millis(4);

/// Watch a task travel between two nodes on this machine
///
/// Example: dispatch demo --ack
///
/// Makes two nodes in a fresh folder, each with its own configuration, keys and watcher, sends a task from one to the
/// other, shows every hop and the answer, and cleans up.
#[derive(Debug, ClapArgs)]
pub struct Args {
    /// What runs the task
    #[arg(long, value_enum, value_name = "AGENT", default_value_t = Agent::Command)]
    agent: Agent,
    /// What is asked [default: a line of shell for 'command', a question for an agent]
    #[arg(long, value_name = "TEXT")]
    request: Option<String>,
    /// Show the approval gate: the task waits until an approver signs
    #[arg(long)]
    ack: bool,
    /// Leave everything in place, and say where
    #[arg(long)]
    keep: bool,
    #[command(flatten)]
    common: Common,
}

/// What runs the task of the demo.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Agent {
    /// The shell; needs nothing installed
    Command,
    /// Claude Code, if it is installed
    Claude,
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
    let clock = SystemClock;
    let began = clock.boot();
    let stage = Scene::build(args)?;
    voice.answer(&format!(
        "two nodes, devbox and gpubox, share {}",
        stage.share().display()
    ))?;
    let result = stage.play(args, voice);
    if args.keep {
        voice.answer(&format!("kept: {}", stage.folder.display()))?;
        voice.answer(&format!(
            "try:  dispatch status --config {}",
            stage.config("devbox").display()
        ))?;
    } else {
        disk::remove_tree(&stage.folder)?;
    }
    let exit = result?;
    let total = u64::try_from(clock.boot().since(began).as_millis()).unwrap_or(u64::MAX);
    let cleaned = if args.keep {
        ""
    } else {
        ", everything cleaned up"
    };
    voice.answer(&format!("total {}{cleaned}", outcome::seconds(total)))?;
    Ok(exit)
}

/// The folder of the demo.
struct Scene {
    folder: PathBuf,
}

impl Scene {
    /// Lays out the share, the two nodes and what they know of each other.
    fn build(args: &Args) -> Result<Self, Failure> {
        let unique = format!("dispatch-demo-{}", uuid::Uuid::new_v4().as_simple());
        let folder = std::env::temp_dir().join(&unique[..22]);
        disk::make_dir(&folder, 0o700)?;
        let scene = Self { folder };
        disk::make_dir(&scene.share(), 0o770)?;
        let command = scene.agent(args)?;
        let policy = if args.ack { "always" } else { "dangerous" };
        let gpubox = format!(
            "poll = \"50ms\"\npoll_idle = \"250ms\"\n\n[peer.devbox]\naccept = true\nrequire_ack = \"{policy}\"\n\n\
             [approver.alice]\nfor = \"all\"\n\n{command}"
        );
        let devbox = "poll = \"50ms\"\npoll_idle = \"250ms\"\n\n[peer.gpubox]\n".to_owned();
        for (node, rest) in [("devbox", devbox), ("gpubox", gpubox)] {
            let home = scene.folder.join(node);
            disk::make_dir(&home.join("keys"), 0o700)?;
            disk::make_dir(&home.join("state"), 0o700)?;
            let text = format!(
                "node = \"{node}\"\nroot = \"{}\"\nstate = \"{}\"\nkeys = \"{}\"\n{rest}",
                scene.share().display(),
                home.join("state").display(),
                home.join("keys").display(),
            );
            disk::create_new(&scene.config(node), text.as_bytes(), 0o600)?;
        }
        scene.pair()?;
        Ok(scene)
    }

    fn share(&self) -> PathBuf {
        self.folder.join("share")
    }

    fn config(&self, node: &str) -> PathBuf {
        self.folder.join(node).join("dispatch.toml")
    }

    /// The profile under which gpubox runs tasks of the demo.
    fn agent(&self, args: &Args) -> Result<String, Failure> {
        let profile = |kind: &str, program: &Path, more: &str| {
            format!(
                "[profile.default]\nagent = \"{kind}\"\ncommand = [\"{}\"]\n{more}",
                program.display()
            )
        };
        match args.agent {
            Agent::Command => Ok(profile("command", Path::new("/bin/sh"), "")),
            Agent::Claude => {
                let path = setup::variable("PATH").unwrap_or_default();
                let found = std::env::split_paths(&path)
                    .map(|folder| folder.join("claude"))
                    .find(|path| std::fs::metadata(path).is_ok_and(|meta| meta.is_file()));
                let found = found.ok_or_else(|| {
                    Failure::new(Exit::NotFound, "'claude' is not found in PATH")
                        .hint("install Claude Code, or run the demo without --agent")
                })?;
                let names = "env = [\"ANTHROPIC_API_KEY\", \"ANTHROPIC_BASE_URL\", \"CLAUDE_CODE_OAUTH_TOKEN\"]\n";
                Ok(profile("claude", &found, names))
            }
        }
    }

    /// One secret for the link, one for the approver, each written on both sides; none on the share.
    fn pair(&self) -> Result<(), Failure> {
        let (devbox, gpubox) = (Party::parse("devbox")?, Party::parse("gpubox")?);
        let alice = Party::parse("approver.alice")?;
        let now = SystemClock.wall();
        for (kid, peers) in [
            ("link1", [devbox, gpubox.clone()]),
            ("alice1", [alice, gpubox]),
        ] {
            let mut secret = vec![0; 32];
            getrandom::fill(&mut secret).map_err(|error| {
                Failure::new(Exit::Bug, format!("cannot get randomness: {error}"))
            })?;
            let key = Key::new(KeyId::parse(kid)?, Alg::Hs256, peers, now, secret)
                .map_err(|error| Failure::new(Exit::Bug, error.to_string()))?;
            let guard = Guard::new(Some(self.share()), Storage::Insecure);
            for node in ["devbox", "gpubox"] {
                guard.write(&self.folder.join(node).join("keys"), &key)?;
            }
        }
        Ok(())
    }

    fn setup(&self, node: &str, voice: &Voice) -> Result<Setup, Failure> {
        let common = Common {
            config: Some(self.config(node)),
            insecure_key: true,
            ..Common::default()
        };
        Setup::new(&common, voice)
    }

    fn watcher(&self, node: &str) -> Result<Companion, Failure> {
        let home = self.folder.join(node);
        let program = role::program("dispatch-watch", &home)?;
        let output = File::options()
            .append(true)
            .create(true)
            .open(home.join("watch.log"))
            .map_err(|error| {
                Failure::new(Exit::CantCreate, format!("cannot make a log: {error}"))
            })?;
        let config = self.config(node);
        let args = [
            OsStr::new("--config"),
            config.as_os_str(),
            OsStr::new("--insecure-key"),
        ];
        let environment = setup::environment();
        let env: Vec<(&str, &str)> = environment
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        launch::companion(&program, &args, &env, output)
            .map_err(|error| Failure::new(Exit::Io, error.to_string()))
    }

    fn play(&self, args: &Args, voice: &Voice) -> Result<Exit, Failure> {
        let devbox = self.setup("devbox", voice)?;
        let gpubox = self.setup("gpubox", voice)?;
        let mut lanes = devbox.lanes_out();
        lanes.extend(gpubox.lanes_out());
        root::lay_out(
            &*devbox.transport,
            &lanes,
            &uuid::Uuid::new_v4().to_string(),
        )?;
        let mut watchers = Vec::new();
        for node in ["gpubox", "devbox"] {
            watchers.push((node, self.watcher(node)?));
        }
        let mut hops = Hops::begin(&self.folder.join("gpubox").join("state").join("audit"));
        let sent = send(args, &devbox, voice, &mut hops)?;
        let answered = self.wait(
            args,
            &devbox,
            &gpubox,
            &sent,
            voice,
            &mut hops,
            &mut watchers,
        )?;
        let answer = &answered.answer;
        hops.show(
            voice,
            "verified",
            &format!("result {} sealed by {}", short(&answered), answer.from),
        )?;
        for line in escape::escape(&answer.final_text, true).lines() {
            voice.answer(&format!("    {}", voice.styled(Style::Bold, line)))?;
        }
        voice.answer(&format!("contained by: {}", answer.containment.join(", ")))?;
        voice.note(&outcome::summary(voice, answer));
        for (_, watcher) in watchers {
            watcher.end();
        }
        Ok(outcome::exit(answer))
    }

    #[expect(clippy::too_many_arguments, reason = "the cast of the demo")]
    fn wait(
        &self,
        args: &Args,
        devbox: &Setup,
        gpubox: &Setup,
        sent: &Sent,
        voice: &Voice,
        hops: &mut Hops,
        watchers: &mut [(&str, Companion)],
    ) -> Result<Box<Answered>, Failure> {
        let patience = if args.agent == Agent::Command {
            PATIENCE
        } else {
            AGENT_PATIENCE
        };
        let clock = SystemClock;
        let began = clock.boot();
        while clock.boot().since(began) < patience {
            for hop in hops.fresh() {
                hops.show(voice, hop.word, &hop.text)?;
                if hop.word == "parked" {
                    approve(devbox, gpubox, voice, hops)?;
                }
            }
            if let Some(Ok(answered)) =
                devbox
                    .sender()
                    .outcome(&sent.lane, sent.id, Some(sent.digest))?
            {
                return self.last_hops(hops, voice).map(|()| answered);
            }
            if let Some((node, _)) = watchers
                .iter_mut()
                .find_map(|(node, watcher)| watcher.is_over().then_some((*node, ())))
            {
                return Err(self.died(node));
            }
            clock.sleep(LOOK);
        }
        Err(Failure::new(
            Exit::No,
            format!("no answer within {} s", patience.as_secs()),
        )
        .hint("run it with --keep and look at gpubox/watch.log there"))
    }

    /// The result is seen before the line that tells of it is written; the story is shown to its end.
    fn last_hops(&self, hops: &mut Hops, voice: &Voice) -> Result<(), Failure> {
        let clock = SystemClock;
        let began = clock.boot();
        while !hops.is_told() && clock.boot().since(began) < LAST_HOPS {
            for hop in hops.fresh() {
                hops.show(voice, hop.word, &hop.text)?;
            }
            clock.sleep(LOOK);
        }
        Ok(())
    }

    fn died(&self, node: &str) -> Failure {
        let log = self.folder.join(node).join("watch.log");
        let said = disk::read_bounded(&log, 64 * 1024).unwrap_or_default();
        let said = escape::escape(&String::from_utf8_lossy(&said), true);
        Failure::new(
            Exit::Bug,
            format!("the watcher of {node} ended: {}", said.trim()),
        )
    }
}

fn short(answered: &Answered) -> String {
    answered
        .answer
        .log_sha256
        .map_or_else(String::new, |digest| digest.short())
}

fn send(args: &Args, devbox: &Setup, voice: &Voice, hops: &mut Hops) -> Result<Sent, Failure> {
    let request = args.request.clone().unwrap_or_else(|| match args.agent {
        Agent::Command => "echo \"6 x 7 = $((6 * 7)), says $(uname -sn)\"".to_owned(),
        Agent::Claude => "What is 6 times 7? Answer with one short sentence.".to_owned(),
    });
    let now = devbox.clock.wall();
    let id = devbox.chance.task_id(devbox.clock.unix_ms());
    let (from, to) = (Party::from(&devbox.node), Party::parse("gpubox")?);
    let task = Task::new(id, from, to, now, request.clone());
    let lane = devbox.lane_to(&NodeName::parse("gpubox")?)?;
    hops.show(
        voice,
        "asked",
        &format!("devbox -> gpubox: {}", escape::excerpt(&request, 70)),
    )?;
    let sent = devbox.sender().send(&lane, &task)?;
    hops.show(
        voice,
        "sealed",
        &format!("task {} sha256 {}", sent.id, sent.digest.short()),
    )?;
    match &sent.publish {
        Publish::Published => {
            hops.show(
                voice,
                "published",
                &format!("{}/inbox/{}", sent.lane, sent.name),
            )?;
        }
        Publish::Failed(error) | Publish::Unknown { error, .. } => {
            return Err(error.clone().into());
        }
    }
    Ok(sent)
}

/// What a person does with `dispatch-ack`.
fn approve(devbox: &Setup, gpubox: &Setup, voice: &Voice, hops: &Hops) -> Result<(), Failure> {
    let waiting = ack::waiting(&gpubox.sender(), &gpubox.lanes_in())?;
    let Some(one) = waiting.first() else {
        return Ok(());
    };
    let (Ok(task), Some(digest)) = (&one.task, one.digest) else {
        return Ok(());
    };
    let alice = NodeName::parse("alice")?;
    let now = devbox.clock.wall();
    let decision = Ack {
        from: Party::of_approver(&alice),
        to: one.lane.to.clone(),
        task_id: task.id,
        task_sha256: digest,
        decision: Decision::Approve,
        grants: Vec::new(),
        reason: None,
        created: now,
        expires: ack::default_expiry(now),
    };
    let sender = devbox.sender();
    match ack::decide(&sender, &*devbox.chance, &one.lane, &alice, &decision)? {
        Publish::Published => hops.show(voice, "signed", "alice approves these very bytes"),
        Publish::Failed(error) | Publish::Unknown { error, .. } => Err(error.into()),
    }
}
