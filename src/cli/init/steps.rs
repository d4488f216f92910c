//! What is said after a share was laid out: what it is good for, and what comes next on this host.

use std::path::Path;

use crate::cli::failure::Failure;
use crate::cli::setup;
use crate::cli::setup::Common;
use crate::cli::setup::Setup;
use crate::cli::suit;
use crate::cli::voice::Voice;
use crate::config::Answers;
use crate::doctor::Verdict;
use crate::id::NodeName;

/// Says what the share is good for, by the checks of a watcher's start. It refuses nothing here: the watcher does.
pub(super) fn verdict(common: &Common, config: Option<&Path>, pools: usize, voice: &Voice) {
    match examined(common, config, voice) {
        Ok((Verdict::Multi, word)) => {
            voice.note(&format!("the share is good for everything, as far as one host can tell: {word}"));
        }
        Ok((_, word)) if pools > 0 => voice.warn(&format!(
            "no pool is served on this share: {word}; 'dispatch doctor --pair' on two hosts may prove more"
        )),
        Ok((_, word)) => voice.note(&format!("the share is good for lanes between two nodes: {word}")),
        Err(failure) => {
            voice.warn(&format!("no watcher will serve this share as it is: {failure}"));
            for hint in failure.hints() {
                voice.note(&format!("hint: {hint}"));
            }
        }
    }
}

fn examined(
    common: &Common,
    config: Option<&Path>,
    voice: &Voice,
) -> Result<(Verdict, String), Failure> {
    let mut flags = common.flags();
    if let Some(config) = config {
        flags.config = Some(config.to_owned());
    }
    let setup = Setup::of(setup::load(flags, false)?, common, voice)?;
    let word = suit::in_a_word(&setup)?;
    Ok((suit::verdict(&setup)?.judgement.verdict, word))
}

/// Says what comes next here.
pub(super) fn tell(answers: &Answers, file: &Path, voice: &Voice) {
    let Some(me) = &answers.node else { return };
    let mut steps = Vec::new();
    let (served, asked): (Vec<_>, Vec<_>) = answers
        .pools
        .iter()
        .partition(|(_, members)| members.contains(me));
    let serves = |peer: &NodeName| asked.iter().any(|(_, members)| members.contains(peer));
    let accepted = || answers.peers.iter().filter(|(_, accept)| *accept);
    for (pool, members) in &asked {
        let members: Vec<&str> = members.iter().map(NodeName::as_str).collect();
        steps.push(format!(
            "'dispatch key new-link pool.{pool}' here, and carry the key to {}; then one for each of them, \
             for what it answers: 'dispatch key new-link {}' here, and carry it to that host",
            members.join(" and "),
            members.first().unwrap_or(&"NODE"),
        ));
        steps.push(
            "'dispatch-watch' here too: it lets a task start in the pool that may be started only once".to_owned(),
        );
    }
    for (peer, accept) in &answers.peers {
        if serves(peer) {
            continue;
        }
        match served.iter().find(|_| *accept) {
            None => steps.push(format!(
                "'dispatch key new-link {peer}' on one host, and carry the key to the other one"
            )),
            Some((pool, _)) => steps.push(format!(
                "take in two keys that {peer} makes: there 'dispatch key export pool.{pool} | ssh {me} dispatch key \
                 import', and the same with 'dispatch key export {me}'"
            )),
        }
    }
    if accepted().count() > 0 {
        steps.push(format!(
            "who may approve here, for tasks that ask for an approval: [approver.NAME] with for = \"all\" in '{}', \
             then 'dispatch key new-link approver.NAME' here; or require_ack = \"never\" for the peer, which refuses \
             such tasks",
            file.display()
        ));
    }
    for (pool, members) in &served {
        let others = members.iter().filter(|member| *member != me);
        let others: Vec<&str> = others.map(NodeName::as_str).collect();
        if let Some(other) = others.first() {
            steps.push(format!(
                "'dispatch doctor --pair --with {other}' here and 'dispatch doctor --pair --with {me}' on {other}, at \
                 the same time: pool.{pool} needs MULTI between all its members"
            ));
        }
    }
    if accepted().count() > 0 {
        steps.push("'dispatch-watch --check && dispatch-watch' runs what comes in".to_owned());
    }
    if answers.peers.is_empty() {
        steps.push(
            "make a peer known with a [peer.NAME] table, then run 'dispatch init' again".to_owned(),
        );
    }
    for step in steps {
        voice.note(&format!("next: {step}"));
    }
}
