//! `dispatch key new-link`: makes the secret of a link and keeps it here.

use clap::Args as ClapArgs;

use super::Cabinet;
use super::line;
use super::secret;
use crate::cli::failure::Failure;
use crate::cli::setup::Common;
use crate::cli::voice::Voice;
use crate::exit::Exit;
use crate::id::KeyId;
use crate::id::NodeName;
use crate::id::Party;
use crate::key::Alg;
use crate::key::Key;

/// Make a secret for the link to a node, a pool or an approver
///
/// Example: dispatch key new-link gpubox
///
/// The other end of an approver's link is the node that holds the tasks: run this there.
/// That of a pool's link is the node that sends: run this there, and carry it to each member.
/// Prints the link, the id, the fingerprint and the file, with tabs between. The key never
/// leaves this host by itself: 'dispatch key export' carries it.
#[derive(Debug, ClapArgs)]
#[command(verbatim_doc_comment)]
pub(super) struct NewLink {
    /// The other end: a node, pool.NAME or approver.NAME
    #[arg(value_name = "PEER")]
    peer: Party,
    /// The id of the key [default: k, the day, four random digits]
    #[arg(long, value_name = "ID")]
    kid: Option<KeyId>,
    /// Make another one although this link has a key that signs
    #[arg(long)]
    another: bool,
    #[command(flatten)]
    pub(super) common: Common,
}

pub(super) fn run(args: &NewLink, cabinet: &Cabinet, voice: &Voice) -> Result<Exit, Failure> {
    let peers = cabinet.link(&args.peer)?;
    if !args.another
        && let Some((path, key)) = cabinet
            .of_link(&args.peer)
            .iter()
            .find(|held| held.1.alg == Alg::Hs256)
    {
        let message = format!(
            "the link to '{}' has a key already: '{}'",
            args.peer,
            path.display()
        );
        return Err(Failure::new(Exit::CantCreate, message)
            .hint(format!(
                "its fingerprint is {}; carry it with 'dispatch key export {}'",
                key.fingerprint(),
                args.peer
            ))
            .hint(format!(
                "'dispatch key rotate {}' changes the secret; --another makes one beside it",
                args.peer
            )));
    }
    let kid = args.kid.clone().map_or_else(|| cabinet.fresh_kid(), Ok)?;
    let made = Key::new(
        kid,
        Alg::Hs256,
        peers,
        cabinet.moment(&args.peer),
        secret()?,
    );
    let key =
        made.map_err(|error| Failure::new(Exit::Usage, format!("cannot make that link: {error}")))?;
    let path = cabinet.keep(&key)?;
    voice.answer(&format!("{}\t{}", line(&key), path.display()))?;
    match args.peer.pool() {
        None => voice.note(&next(&args.peer)),
        Some(pool) => next_of_pool(&pool, cabinet, voice),
    }
    if args
        .peer
        .node()
        .is_some_and(|node| !cabinet.is_known(&node))
    {
        voice.note(&format!(
            "'{}' is not a peer in dispatch.toml yet: add [peer.{}]",
            args.peer, args.peer
        ));
    }
    Ok(Exit::Ok)
}

/// The key of a pool goes to every member, and seals tasks alone: outcomes need the link to each of them.
fn next_of_pool(pool: &NodeName, cabinet: &Cabinet, voice: &Voice) {
    let me = cabinet.config.node.as_ref();
    let Some(members) = cabinet.config.pools.get(pool) else {
        voice.note(&format!(
            "'pool.{pool}' is not in dispatch.toml yet: add [pool.{pool}]"
        ));
        return;
    };
    for member in members.iter().filter(|member| Some(*member) != me) {
        voice.note(&format!(
            "next: dispatch key export pool.{pool} | ssh {member} dispatch key import"
        ));
    }
    for member in members.iter().filter(|member| Some(*member) != me) {
        if cabinet.of_link(&Party::from(member)).is_empty() {
            voice.note(&format!(
                "and for what {member} answers: dispatch key new-link {member}"
            ));
        }
    }
}

fn next(peer: &Party) -> String {
    let host = if peer.node().is_some() {
        peer.as_str()
    } else {
        "HOST"
    };
    format!("next: dispatch key export {peer} | ssh {host} dispatch key import")
}
