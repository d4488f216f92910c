//! `dispatch-send --to any`: looks at the cards of every known node, chooses one, says why, and wakes it where it
//! sleeps.

use std::collections::BTreeSet;
use std::ffi::OsStr;

use clap::Args as ClapArgs;
use serde_json::json;

use crate::cli::failure::Failure;
use crate::cli::scene;
use crate::cli::setup;
use crate::cli::setup::Setup;
use crate::cli::voice::Voice;
use crate::config::nearest;
use crate::exit::Exit;
use crate::id::CapabilityName;
use crate::id::NodeName;
use crate::id::Party;
use crate::id::ProfileName;
use crate::process::launch;
use crate::route;
use crate::route::Availability;
use crate::route::Candidate;
use crate::route::Judged;
use crate::route::Said;
use crate::route::Wanted;
use crate::status;
use crate::status::Liveness;
use crate::status::NodeView;
use crate::status::node::since;

/// The word that leaves the choice to the program.
pub(super) const ANY: &str = "any";

/// What is asked of a node that is to be chosen.
#[derive(Debug, ClapArgs)]
pub(super) struct Flags {
    /// With --to any: what the node must be able to do; several with commas, all must match
    #[arg(long, value_name = "CAPABILITY", value_delimiter = ',', value_parser = capability)]
    need: Vec<CapabilityName>,
    /// With --to any: only nodes of this owner
    #[arg(long, value_name = "NAME")]
    owner: Option<NodeName>,
    /// With --to any: show every known node, its score, and what it lacks; with --json one line before the answer
    #[arg(long)]
    explain: bool,
}

/// Words are written in any case; names have one.
fn capability(text: &str) -> Result<CapabilityName, String> {
    let text = text.trim().to_ascii_lowercase();
    CapabilityName::parse(&text).map_err(|error| error.to_string())
}

/// A node, and the profile that the task has to name there.
pub(super) struct Chosen {
    pub to: Party,
    pub profile: Option<ProfileName>,
}

/// Chooses, where `--to any` says so; `None` where an addressee is named.
pub(super) fn choose(
    args: &super::Args,
    setup: &Setup,
    voice: &Voice,
) -> Result<Option<Chosen>, Failure> {
    let flags = &args.route;
    if args.to != ANY {
        if !flags.need.is_empty() || flags.owner.is_some() || flags.explain {
            let message = "--need, --owner and --explain choose a node, and one is named";
            return Err(Failure::new(Exit::Usage, message).hint("say --to any"));
        }
        return Ok(None);
    }
    let wanted = Wanted {
        needs: flags.need.iter().cloned().collect::<BTreeSet<_>>(),
        profile: args.profile.clone(),
        owner: flags.owner.clone(),
    };
    setup.check_root()?;
    let all = candidates(setup)?;
    if let Some(need) = route::unknown(&wanted, &all) {
        return Err(unknown(need, &all));
    }
    let ranked = route::rank(&wanted, &all);
    if flags.explain {
        explain(&ranked, args.json, voice)?;
    }
    for one in ranked.iter().filter(|one| one.score > 0) {
        if one.availability == Availability::Sleeping && !wake(setup, &one.node, voice) {
            continue;
        }
        return Ok(Some(chosen(one, voice)));
    }
    let waits = ranked.iter().find(|one| one.fits).filter(|_| args.anyway);
    if let Some(one) = waits {
        voice.warn(&format!(
            "{} takes nothing now, it waits in its inbox: {}",
            one.node,
            one.missing.join(", ")
        ));
        return Ok(Some(chosen(one, voice)));
    }
    if !flags.explain {
        explain(&ranked, false, voice)?;
    }
    let message = "no known node takes this now; nothing was sent";
    let hint = match ranked.iter().any(|one| one.fits) {
        true => "--anyway leaves it with one that could do it, until it can",
        false => "'dispatch status' shows the nodes; capabilities are set in dispatch.toml of each",
    };
    Err(Failure::new(Exit::TryAgain, message).hint(hint))
}

fn chosen(one: &Judged, voice: &Voice) -> Chosen {
    let by = match &one.profile {
        Some(profile) => format!(" (profile {profile})"),
        None => String::new(),
    };
    voice.note(&format!("chosen: {}{by}, {}", one.node, one.availability));
    Chosen {
        to: Party::from(&one.node),
        profile: one.profile.clone(),
    }
}

fn unknown(need: &CapabilityName, all: &[Candidate]) -> Failure {
    let known = route::known(all);
    let message = format!("no known node declares '{need}'; nothing was sent");
    let words = || known.iter().map(CapabilityName::as_str);
    let hint = match (nearest(need.as_str(), words()), known.is_empty()) {
        (Some(near), _) => format!("did you mean '{near}'?"),
        (None, true) => "no node declares any: 'capabilities' in dispatch.toml of each".to_owned(),
        (None, false) => format!("known: {}", words().collect::<Vec<_>>().join(", ")),
    };
    Failure::new(Exit::NotFound, message).hint(hint)
}

fn candidates(setup: &Setup) -> Result<Vec<Candidate>, Failure> {
    let scene = scene::of(setup)?;
    let views = status::peers(&scene, setup.config.known_peers());
    Ok(views.iter().map(|view| candidate(setup, view)).collect())
}

fn candidate(setup: &Setup, view: &NodeView) -> Candidate {
    let way = setup.config.peers.get(&view.name).map(|peer| &peer.way);
    let is_proved = matches!(view.liveness, Liveness::Alive | Liveness::Silent);
    let told = match (view.liveness, view.heard_s) {
        (Liveness::Silent, Some(ago)) => format!("silent, last heard {}", since(ago)),
        (Liveness::Never, _) => "it has never been heard of".to_owned(),
        (Liveness::NoKey, _) => "there is no key for it".to_owned(),
        (Liveness::Unreadable, _) => "its heartbeat cannot be believed".to_owned(),
        (liveness, _) => liveness.to_string(),
    };
    let open = view.running.unwrap_or(0) + view.queued.unwrap_or(0);
    Candidate {
        node: view.name.clone(),
        alive: view.liveness == Liveness::Alive,
        said: is_proved.then(|| Said {
            state: view.state,
            reason: view.reason.clone(),
            slots: view.slots.map_or(1, u64::from),
            open,
            profiles: view.profiles.clone(),
            card: view.card.clone(),
        }),
        told,
        wakes: way.is_some_and(|way| !way.wake.is_empty()),
        weight: way.map_or(100, |way| way.weight),
    }
}

fn explain(ranked: &[Judged], json: bool, voice: &Voice) -> Result<(), Failure> {
    if json {
        return voice.answer(&json!({"version": 1, "route": ranked}).to_string());
    }
    let width = ranked.iter().map(|one| one.node.as_str().len()).max();
    let width = width.unwrap_or(0).max(4);
    let row = |node: &str, score: &str, is: &str, free: &str, rest: &str| {
        format!("{node:width$}  {score:>5}  {is:8}  {free:>4}  {rest}")
    };
    voice.note(row("NODE", "SCORE", "IS", "FREE", "MISSING").trim_end());
    for one in ranked {
        let score = format!("{}.{:03}", one.score / 1000, one.score % 1000);
        let missing = one.missing.join(", ");
        let line = row(
            one.node.as_str(),
            &score,
            one.availability.as_str(),
            &one.free.to_string(),
            &crate::escape::escape(&missing, false),
        );
        voice.note(line.trim_end());
    }
    Ok(())
}

/// Runs what wakes a node. Returns whether it went well; what it says is not shown, only that it failed.
fn wake(setup: &Setup, node: &NodeName, voice: &Voice) -> bool {
    let Some(way) = setup.config.peers.get(node).map(|peer| &peer.way) else {
        return false;
    };
    let argv: Vec<&OsStr> = way.wake.iter().map(OsStr::new).collect();
    // An empty one would mean the current directory (execvp(3)).
    let path = setup::variable("PATH").filter(|path| !path.is_empty());
    let path = path.map_or("/usr/local/bin:/usr/bin:/bin".to_owned(), |path| {
        path.to_string_lossy().into_owned()
    });
    let env = [("PATH", &*path), ("DISPATCH_WAKE", node.as_str())];
    match launch::tool(&argv, &env, way.wake_within, &*setup.clock) {
        Ok(output) if output.success => {
            voice.note(&format!("{node} sleeps: told it to wake"));
            return true;
        }
        Ok(_) => voice.warn(&format!("cannot wake {node}: its wake program failed")),
        Err(error) => voice.warn(&format!("cannot wake {node}: {error}")),
    }
    false
}
