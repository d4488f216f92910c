//! `dispatch-ack`: lists what waits for an approval, shows it, approves or denies it, sealed.

use std::collections::BTreeSet;
use std::io::BufRead;
use std::io::IsTerminal;

use clap::Args as ClapArgs;
use serde_json::json;

use super::failure::Failure;
use super::setup::Common;
use super::setup::Setup;
use super::voice::Style;
use super::voice::Voice;
use crate::document::Ack;
use crate::document::Allowance;
use crate::document::Context;
use crate::document::Decision;
use crate::document::Kind;
use crate::document::Task;
use crate::escape;
use crate::event::Event;
use crate::event::Word;
use crate::exit::Exit;
use crate::flow::ack;
use crate::flow::ack::Waiting;
use crate::id::NodeName;
use crate::id::Party;
use crate::place::Lane;
use crate::transport::Publish;

/// List, show, approve or deny what waits for an approval
///
/// Example: dispatch-ack, then dispatch-ack 0198f1c2
///
/// Without an id: lists what waits. With one: shows the request, asks, and publishes a signed approval.
#[derive(Debug, ClapArgs)]
pub struct Args {
    /// The task: its id, or a unique beginning of at least 8 digits
    #[arg(value_name = "ID")]
    id: Option<String>,
    /// Deny instead of approve
    #[arg(long)]
    deny: bool,
    /// Why it is denied
    #[arg(long, value_name = "TEXT", requires = "deny")]
    reason: Option<String>,
    /// Allow the dangerous mode, if the task asks for it
    #[arg(long)]
    dangerous: bool,
    /// Do not ask: for automation
    #[arg(long, short)]
    yes: bool,
    /// Only show it
    #[arg(long, conflicts_with_all = ["deny", "yes"])]
    show: bool,
    /// Decide as this approver [default: the one whose key this host holds]
    #[arg(long = "as", value_name = "NAME")]
    approver: Option<NodeName>,
    /// The node that waits [default: this node]
    #[arg(long, value_name = "NODE")]
    on: Option<NodeName>,
    /// Print JSON
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

/// Runs the program.
///
/// # Errors
/// [`Failure`]
pub fn run(args: &Args, voice: &Voice) -> Result<Exit, Failure> {
    let setup = Setup::new(&args.common, voice)?;
    setup.check_root()?;
    let mut waiting = ack::waiting(&setup.sender(), &lanes(args, &setup)?)?;
    let node = Party::from(args.on.as_ref().unwrap_or(&setup.node));
    waiting.retain(|one| one.holder() == node);
    let Some(text) = &args.id else {
        return list(&waiting, args, &setup, voice);
    };
    let chosen = ack::choose(&waiting, text).map_err(|choice| {
        let shown = escape::excerpt(text, 60);
        let exit = if choice == ack::Choice::None {
            Exit::NotFound
        } else {
            Exit::Usage
        };
        Failure::new(exit, format!("'{shown}': {choice}"))
            .hint("'dispatch-ack' without an id lists what waits")
    })?;
    show(chosen, args, voice)?;
    if args.show {
        return Ok(Exit::Ok);
    }
    let approver = approver(args, &setup, chosen)?;
    if !args.yes && !confirm(args, chosen, &approver, voice)? {
        voice.note("nothing was decided");
        return Ok(Exit::No);
    }
    decide(args, &setup, chosen, &approver, voice)
}

/// The lanes whose waiting tasks are looked at: those this node serves, or those to another node that this host
/// approves for.
fn lanes(args: &Args, setup: &Setup) -> Result<Vec<Lane>, Failure> {
    match &args.on {
        None => Ok(setup.lanes_in()),
        Some(node) if *node == setup.node => Ok(setup.lanes_in()),
        Some(node) => {
            let to = setup.lane_to(node)?.to;
            let senders = setup
                .config
                .known_peers()
                .chain(std::iter::once(&setup.node));
            let of_it = |(_, members): &(&NodeName, &BTreeSet<NodeName>)| members.contains(node);
            let pools = setup.config.pools.iter().filter(of_it);
            let pools: Vec<Party> = pools.map(|(pool, _)| Party::of_pool(pool)).collect();
            let lanes = |from: &NodeName| {
                let from = from.clone();
                let all = std::iter::once(&to).chain(&pools);
                all.map(|to| Lane::new(from.clone(), to.clone()))
                    .collect::<Vec<Lane>>()
            };
            Ok(senders
                .filter(|from| *from != node)
                .flat_map(lanes)
                .collect())
        }
    }
}

fn list(waiting: &[Waiting], args: &Args, setup: &Setup, voice: &Voice) -> Result<Exit, Failure> {
    let node = args.on.as_ref().unwrap_or(&setup.node);
    for one in waiting {
        let id = one.claim.id;
        let line = match &one.task {
            Ok(task) if args.json => json!({"version": 1, "id": id, "from": one.lane.from,
                "to": one.lane.to, "on": one.holder(), "priority": task.priority, "dangerous": task.require_dangerous,
                "created": task.created, "expires": task.expires, "sha256": one.digest,
                "request": task.request})
            .to_string(),
            Ok(task) => {
                let danger = if task.require_dangerous {
                    " DANGEROUS"
                } else {
                    ""
                };
                let request = escape::excerpt(&task.request, 80);
                format!(
                    "{id}  {:<12} {:<6}{danger}  {request}",
                    one.lane.from, task.priority
                )
            }
            Err(why) if args.json => {
                json!({"version": 1, "id": id, "from": one.lane.from, "problem": why}).to_string()
            }
            Err(why) => format!("{id}  {:<12} cannot be shown: {why}", one.lane.from),
        };
        voice.answer(&line)?;
    }
    if waiting.is_empty() {
        voice.note(&format!("nothing waits for an approval on {node}"));
        if *node == setup.node {
            voice.note("try: dispatch-ack --on NODE");
        }
    }
    Ok(Exit::Ok)
}

fn show(chosen: &Waiting, args: &Args, voice: &Voice) -> Result<(), Failure> {
    let task = readable(chosen)?;
    if args.json {
        return Ok(());
    }
    let danger = if task.require_dangerous {
        "asks for the DANGEROUS mode"
    } else {
        "no"
    };
    let profile = task
        .profile
        .as_ref()
        .map_or("the default", |name| name.as_str());
    let lines = [
        format!("task       {}", task.id),
        format!("from       {} (proved by its seal)", task.from),
        format!("created    {}, expires {}", task.created, task.expires),
        format!("profile    {profile}"),
        format!(
            "dangerous  {}",
            voice.styled(
                if task.require_dangerous {
                    Style::Red
                } else {
                    Style::Plain
                },
                danger
            )
        ),
        format!(
            "sha256     {}",
            chosen
                .digest
                .map_or_else(String::new, |digest| digest.to_string())
        ),
        voice.styled(
            Style::Dim,
            "request    as it was sealed; anything odd is escaped:",
        ),
    ];
    for line in lines {
        voice.answer(&line)?;
    }
    for line in escape::escape(&task.request, true).lines() {
        voice.answer(&format!("  | {line}"))?;
    }
    Ok(())
}

fn readable(chosen: &Waiting) -> Result<&Task, Failure> {
    chosen.task.as_ref().map_err(|why| {
        Failure::new(
            Exit::Refused,
            format!(
                "task {} cannot be shown, so it cannot be decided: {why}",
                chosen.claim.id
            ),
        )
    })
}

/// The approver to decide as: named, or the only one whose key is here.
fn approver(args: &Args, setup: &Setup, chosen: &Waiting) -> Result<NodeName, Failure> {
    if let Some(name) = &args.approver {
        return Ok(name.clone());
    }
    let now = setup.clock.wall();
    let mut names: Vec<NodeName> = setup
        .keys
        .keys()
        .iter()
        .flat_map(|key| key.peers.iter())
        .filter_map(|party| party.approver().and_then(|name| NodeName::parse(name).ok()))
        .filter(|name| {
            let from = Party::of_approver(name);
            let context = Context {
                from,
                to: chosen.holder(),
                kind: Kind::Ack,
            };
            setup.keys.signing(&context, now).is_some()
        })
        .collect();
    names.sort();
    names.dedup();
    match names.as_slice() {
        [one] => Ok(one.clone()),
        [] => Err(
            Failure::new(Exit::Refused, "this host holds no approver's key").hint(format!(
                "'dispatch key new-sign {0} --as approver.NAME' makes one here, \
             'dispatch key export approver.NAME' carries its public half to {0}",
                chosen.holder()
            )),
        ),
        _ => {
            let names: Vec<&str> = names.iter().map(NodeName::as_str).collect();
            Err(Failure::new(
                Exit::Usage,
                format!("several approvers have keys here: {}", names.join(", ")),
            )
            .hint("say which with --as NAME"))
        }
    }
}

fn confirm(
    args: &Args,
    chosen: &Waiting,
    approver: &NodeName,
    voice: &Voice,
) -> Result<bool, Failure> {
    if !std::io::stdin().is_terminal() {
        return Err(Failure::new(Exit::Usage, "there is no terminal to ask on")
            .hint("--yes decides without asking"));
    }
    let verb = if args.deny { "Deny" } else { "Approve" };
    voice.note(&format!(
        "{verb} task {} as {approver}? Type 'yes':",
        chosen.claim.id.short()
    ));
    let mut line = String::new();
    std::io::stdin()
        .lock()
        .read_line(&mut line)
        .map_err(|error| Failure::new(Exit::Io, format!("cannot read the answer: {error}")))?;
    Ok(line.trim() == "yes")
}

fn decide(
    args: &Args,
    setup: &Setup,
    chosen: &Waiting,
    approver: &NodeName,
    voice: &Voice,
) -> Result<Exit, Failure> {
    let task = readable(chosen)?;
    let Some(digest) = chosen.digest else {
        return Ok(Exit::TryAgain);
    };
    if task.require_dangerous && !args.dangerous && !args.deny {
        return Err(
            Failure::new(Exit::Usage, "the task asks for the dangerous mode")
                .hint("add --dangerous to allow it, or --deny"),
        );
    }
    let now = setup.clock.wall();
    let ack = Ack {
        from: Party::of_approver(approver),
        to: chosen.holder(),
        task_id: task.id,
        task_sha256: digest,
        decision: if args.deny {
            Decision::Deny
        } else {
            Decision::Approve
        },
        grants: if args.dangerous && !args.deny {
            vec![Allowance::Dangerous]
        } else {
            Vec::new()
        },
        reason: args.reason.clone(),
        created: now,
        expires: ack::default_expiry(now),
    };
    let published = ack::decide(
        &setup.sender(),
        &*setup.chance,
        &chosen.lane,
        approver,
        &ack,
    )?;
    let (word, verb) = if args.deny {
        (Word::TaskDeny, "denied")
    } else {
        (Word::TaskAck, "approved")
    };
    match published {
        Publish::Published => {}
        Publish::Failed(error) | Publish::Unknown { error, .. } => return Err(error.into()),
    }
    let mut event = Event::of(word).task(task.id).peer(&chosen.lane.from);
    event.approver = Some(ack.from.clone());
    event.digest = Some(digest);
    if let Ok(log) = setup.log() {
        log.tell(&event.say(&format!("{verb} by {approver}")));
    }
    if args.json {
        let line = json!({"version": 1, "id": task.id, "decision": verb, "approver": approver});
        voice.answer(&line.to_string())?;
    } else {
        voice.note(&format!(
            "{verb} {} as {approver}; {} acts on it at its next look",
            task.id,
            chosen.holder()
        ));
    }
    Ok(Exit::Ok)
}
