//! `dispatch key new-sign`: makes a pair of halves, of which the signing one never leaves this host.

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

/// Make a key that signs what this node, or an approver, says to a node or a pool
///
/// Example: dispatch key new-sign gpubox
/// Example: dispatch key new-sign gpubox --as approver.alice
///
/// The other end gets the public half alone ('dispatch key export'): it can check what is signed
/// here, and cannot make it. An approver's key is made where the approver works, and nothing but
/// its public half is ever on the node that holds the tasks.
/// Where something else seals already, the new key only checks until 'dispatch key rotate PEER
/// --flip', so that the other end has time to import it.
#[derive(Debug, ClapArgs)]
#[command(verbatim_doc_comment)]
pub(super) struct NewSign {
    /// Who is to check the signatures: a node or pool.NAME
    #[arg(value_name = "PEER")]
    peer: Party,
    /// Who signs [default: this node]
    #[arg(long = "as", value_name = "approver.NAME")]
    signer: Option<Party>,
    /// The id of the key [default: k, the day, four random digits]
    #[arg(long, value_name = "ID")]
    kid: Option<KeyId>,
    /// Make another one although this link has a key that signs
    #[arg(long)]
    another: bool,
    #[command(flatten)]
    pub(super) common: Common,
}

pub(super) fn run(args: &NewSign, cabinet: &Cabinet, voice: &Voice) -> Result<Exit, Failure> {
    let peers = peers(args, cabinet)?;
    // The other end of the link, by which the other commands find it from here.
    let named = args.signer.as_ref().unwrap_or(&args.peer);
    let same_link = |key: &Key| peers.iter().all(|peer| key.peers.contains(peer));
    let mut held = cabinet.of_link(named);
    held.retain(|(_, key)| same_link(key) && key.can_sign() && key.method().is_some());
    if !args.another
        && let Some((path, _)) = held.iter().find(|(_, key)| key.alg == Alg::Ed25519)
    {
        let message = format!(
            "'{}' has a key that signs for '{}' already: '{}'",
            peers[0],
            peers[1],
            path.display()
        );
        return Err(Failure::new(Exit::CantCreate, message)
            .hint(format!(
                "carry its public half with 'dispatch key export {named}'"
            ))
            .hint(format!(
                "'dispatch key rotate {named}' changes it; --another makes one beside it"
            )));
    }
    let kid = args.kid.clone().map_or_else(|| cabinet.fresh_kid(), Ok)?;
    let made = Key::new(kid, Alg::Ed25519, peers, cabinet.moment(named), secret()?);
    let mut key =
        made.map_err(|error| Failure::new(Exit::Usage, format!("cannot make that key: {error}")))?;
    let waits = held.iter().any(|(_, key)| key.uses.contains(&Use::Sign));
    if waits {
        key.uses = vec![Use::Verify];
    }
    let path = cabinet.keep(&key)?;
    voice.answer(&format!("{}\t{}", line(&key), path.display()))?;
    let host = match args.peer.node() {
        Some(node) => node.to_string(),
        None => "EACH-MEMBER".to_owned(),
    };
    voice.note(&format!(
        "next: dispatch key export {named} --kid {} | ssh {host} dispatch key import",
        key.kid
    ));
    if waits {
        voice.note(&format!(
            "then here: dispatch key rotate {named} --flip; until then what seals now goes on"
        ));
    }
    if args.signer.is_none() {
        voice.note(&format!(
            "then on {host}: require_signature = true in [peer.{}]",
            key.peers[0]
        ));
    }
    Ok(Exit::Ok)
}

/// Returns who signs, and for whom.
fn peers(args: &NewSign, cabinet: &Cabinet) -> Result<[Party; 2], Failure> {
    let usage = |message: String| Failure::new(Exit::Usage, message);
    match &args.signer {
        _ if args.peer.approver().is_some() => Err(usage(format!(
            "cannot sign for '{}': an approver holds no tasks",
            args.peer
        ))
        .hint(format!(
            "'dispatch key new-sign NODE --as {}' makes the key of that approver for a node",
            args.peer
        ))),
        Some(signer) if signer.approver().is_none() || args.peer.node().is_none() => {
            Err(usage(format!(
                "cannot sign as '{signer}' for '{}': only an approver's name can be taken, for a node",
                args.peer
            )))
        }
        Some(signer) => Ok([signer.clone(), args.peer.clone()]),
        None => cabinet.link(&args.peer),
    }
}
