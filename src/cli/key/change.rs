//! `dispatch key rotate` and `revoke`: changing a secret without an hour in which nothing is believed.
//!
//! A new key is first made for checking only and carried to the other host. Then each side lets it sign, in any order,
//! because both already believe it. The old one is dropped when nothing sealed with it can be alive any more.

use std::path::PathBuf;

use clap::Args as ClapArgs;

use super::Cabinet;
use super::line;
use super::secret;
use crate::cli::failure::Failure;
use crate::cli::setup::Common;
use crate::cli::voice::Voice;
use crate::exit::Exit;
use crate::id::KeyId;
use crate::id::Party;
use crate::key::Alg;
use crate::key::Key;
use crate::key::Use;
use crate::limits;

/// Change the secret of a link, in two steps
///
/// 1. dispatch key rotate gpubox
///    dispatch key export gpubox | ssh gpubox dispatch key import
/// 2. on both hosts, in any order: dispatch key rotate PEER --flip
///
/// After a week, on both: dispatch key revoke PEER OLD-ID
#[derive(Debug, ClapArgs)]
#[command(verbatim_doc_comment)]
pub(super) struct Rotate {
    /// The other end: a node, pool.NAME or approver.NAME
    #[arg(value_name = "PEER")]
    peer: Party,
    /// The second step: sign with the newest key, and only check with the others
    #[arg(long)]
    flip: bool,
    /// Which of the link's keys: the shared secret, or those that sign [default: in the first step
    /// those of the newest, in the second both]
    #[arg(long, value_name = "hs256|ed25519", value_parser = alg)]
    alg: Option<Alg>,
    #[command(flatten)]
    pub(super) common: Common,
}

/// Drop a key: nothing sealed with it is believed any more
///
/// Example: dispatch key revoke gpubox k20260102a1b2
///
/// The file is moved aside, to '<name>.revoked'.
#[derive(Debug, ClapArgs)]
#[command(verbatim_doc_comment)]
pub(super) struct Revoke {
    /// The other end: a node, pool.NAME or approver.NAME
    #[arg(value_name = "PEER")]
    peer: Party,
    /// Which key of the link
    #[arg(value_name = "ID")]
    kid: KeyId,
    #[command(flatten)]
    pub(super) common: Common,
}

fn alg(word: &str) -> Result<Alg, String> {
    let known = Alg::from_word(word).filter(|alg| *alg != Alg::V2);
    known.ok_or_else(|| "one of hs256, ed25519".to_owned())
}

pub(super) fn rotate(args: &Rotate, cabinet: &Cabinet, voice: &Voice) -> Result<Exit, Failure> {
    // A shared secret and a key that signs are changed apart: neither takes the place of the other.
    let groups: Vec<_> = [Alg::Ed25519, Alg::Hs256]
        .into_iter()
        .filter(|alg| args.alg.is_none_or(|wanted| wanted == *alg))
        .map(|alg| cabinet.makers(&args.peer, alg))
        .filter(|held| !held.is_empty())
        .collect();
    let newest = groups.iter().max_by_key(|held| held[0].1.created);
    let Some((newest_path, newest)) = newest.map(|held| held[0]) else {
        return Err(Cabinet::no_key(&args.peer));
    };
    if args.flip {
        let mut changed = false;
        for held in &groups {
            changed |= flip(held, cabinet, voice)?;
        }
        if !changed {
            voice.note("nothing to change: the newest key is the only one that signs");
            return Ok(Exit::No);
        }
        voice.note("a running watcher takes notice by itself");
        return Ok(Exit::Ok);
    }
    if !newest.uses.contains(&Use::Sign) {
        let message = format!(
            "'{}' waits to sign already: a rotation has begun",
            newest_path.display()
        );
        return Err(Failure::new(Exit::CantCreate, message).hint(format!(
            "carry it to the other host, then 'dispatch key rotate {} --flip' on both",
            args.peer
        )));
    }
    let made = Key::new(
        cabinet.fresh_kid()?,
        newest.alg,
        order(newest),
        cabinet.moment(&args.peer),
        secret()?,
    );
    let mut key =
        made.map_err(|error| Failure::new(Exit::Bug, format!("cannot make a key: {error}")))?;
    key.uses = vec![Use::Verify];
    let path = cabinet.keep(&key)?;
    voice.answer(&format!("{}\t{}", line(&key), path.display()))?;
    voice.note(&format!(
        "next: dispatch key export {} --kid {} | ssh HOST dispatch key import",
        args.peer, key.kid
    ));
    voice.note(&match key.signer() {
        Some(_) => format!("then here: dispatch key rotate {} --flip", args.peer),
        None => format!(
            "then on both hosts: dispatch key rotate PEER --flip (here: {})",
            args.peer
        ),
    });
    Ok(Exit::Ok)
}

/// Returns the two parties of a key as a new one is made of them: who signs comes first.
fn order(key: &Key) -> [Party; 2] {
    let [one, other] = key.peers.clone();
    if key.signer() == Some(&other) {
        [other, one]
    } else {
        [one, other]
    }
}

/// Lets the newest of these keys sign, and the others check alone. Returns whether that changed anything.
fn flip(held: &[&(PathBuf, Key)], cabinet: &Cabinet, voice: &Voice) -> Result<bool, Failure> {
    let [(path, newest), old @ ..] = held else {
        return Ok(false);
    };
    // The new key signs before the old ones stop: a crash between leaves two that sign, of which the newer does.
    let uses = vec![Use::Sign, Use::Verify];
    if newest.uses == uses && !old.iter().any(|(_, key)| key.uses.contains(&Use::Sign)) {
        return Ok(false);
    }
    if newest.uses != uses {
        cabinet.guard.rewrite(path, &newest.with_uses(uses))?;
    }
    for (path, key) in old {
        if key.uses.contains(&Use::Sign) {
            cabinet
                .guard
                .rewrite(path, &key.with_uses(vec![Use::Verify]))?;
        }
    }
    voice.answer(&format!("{}\t{}", line(newest), path.display()))?;
    let days = limits::LIFE_MAX.as_secs() / 86_400;
    for (_, key) in old {
        let kid = &key.kid;
        voice.note(&format!(
            "key '{kid}' only checks now; in {days} days nothing of it is alive: revoke it then"
        ));
    }
    Ok(true)
}

pub(super) fn revoke(args: &Revoke, cabinet: &Cabinet, voice: &Voice) -> Result<Exit, Failure> {
    let held = cabinet.of_link(&args.peer);
    let found = held.iter().find(|(_, key)| key.kid == args.kid);
    let Some((path, key)) = found else {
        let known: Vec<&str> = held.iter().map(|(_, key)| key.kid.as_str()).collect();
        if known.is_empty() {
            return Err(Cabinet::no_key(&args.peer));
        }
        let message = format!(
            "no key '{}' for the link to '{}' is here",
            args.kid, args.peer
        );
        return Err(Failure::new(Exit::NotFound, message)
            .hint(format!("ids of this link: {}", known.join(", "))));
    };
    let aside = cabinet.guard.revoke(path)?;
    voice.answer(&format!("{}\t{}", line(key), aside.display()))?;
    let signs =
        |(_, other): &&&(PathBuf, Key)| other.kid != key.kid && other.uses.contains(&Use::Sign);
    if key.uses.contains(&Use::Sign) && !held.iter().any(|held| signs(&held)) {
        voice.warn(&format!(
            "no key of the link to '{}' signs any more: nothing can be sent there",
            args.peer
        ));
    }
    voice.note("revoke it on the other host too; a running watcher takes notice by itself");
    Ok(Exit::Ok)
}
