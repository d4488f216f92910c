//! `dispatch key export` and `import`: a secret goes from one host to another through a pipe.

use std::io::IsTerminal as _;
use std::io::Read as _;
use std::path::PathBuf;

use clap::Args as ClapArgs;
use zeroize::Zeroizing;

use super::Cabinet;
use super::armour;
use super::line;
use crate::cli::failure::Failure;
use crate::cli::setup::Common;
use crate::cli::voice::Voice;
use crate::exit::Exit;
use crate::id::KeyId;
use crate::id::Party;
use crate::key::Alg;
use crate::key::Key;

/// Write the key of a link to standard output
///
/// Example: dispatch key export gpubox | ssh gpubox dispatch key import
///
/// What is written is the secret. It belongs into a pipe to the other host, and nowhere else.
/// Of a key that signs, it is the public half alone; the secret one never leaves its host.
#[derive(Debug, ClapArgs)]
#[command(verbatim_doc_comment)]
pub(super) struct Export {
    /// The other end: a node, pool.NAME or approver.NAME
    #[arg(value_name = "PEER")]
    peer: Party,
    /// The key to write [default: the newest of the link]
    #[arg(long, value_name = "ID")]
    kid: Option<KeyId>,
    #[command(flatten)]
    pub(super) common: Common,
}

/// Read keys from standard input and keep them
///
/// Example: dispatch key export gpubox | ssh gpubox dispatch key import
#[derive(Debug, ClapArgs)]
#[command(verbatim_doc_comment)]
pub(super) struct Import {
    /// Read the text of the original's hmac.key instead: the version 2 key of the link to this node
    #[arg(long, value_name = "NODE")]
    v2: Option<Party>,
    #[command(flatten)]
    pub(super) common: Common,
}

pub(super) fn export(args: &Export, cabinet: &Cabinet, voice: &Voice) -> Result<Exit, Failure> {
    let file = stdout_file();
    if let Some(path) = &file
        && let Some(root) = &cabinet.config.root
    {
        let root = root.canonicalize().unwrap_or_else(|_| root.clone());
        if path.starts_with(&root) {
            let message = format!(
                "'{}' lies on the share: a key never goes there",
                path.display()
            );
            return Err(Failure::new(Exit::Refused, message).hint(format!(
                "pipe it: dispatch key export {} | ssh HOST dispatch key import",
                args.peer
            )));
        }
    }
    let held = cabinet.of_link(&args.peer);
    let wanted = |key: &Key| args.kid.as_ref().is_none_or(|kid| *kid == key.kid);
    let mut found = held
        .into_iter()
        .filter(|(_, key)| wanted(key) && key.alg != Alg::V2);
    // A public half of theirs is of interest only where it is named.
    let found = found.find(|(_, key)| args.kid.is_some() || key.can_sign());
    let (_, key) = found.ok_or_else(|| Cabinet::no_key(&args.peer))?;
    if let Some(half) = key.public_half() {
        voice.raw(armour::wrap(&half).as_bytes())?;
        voice.note(&format!("exported the public half of {}", line(key)));
        return Ok(Exit::Ok);
    }
    if let Some(path) = &file {
        voice.warn(&format!(
            "the secret is written to '{}': remove it when it is imported",
            path.display()
        ));
    }
    if std::io::stdout().is_terminal() {
        voice.warn("the secret goes to this terminal and its scrollback: a pipe would be better");
    }
    voice.raw(armour::wrap(key).as_bytes())?;
    voice.note(&format!("exported {}", line(key)));
    Ok(Exit::Ok)
}

/// Returns the file that standard output is, if it is one.
#[cfg(target_os = "linux")]
fn stdout_file() -> Option<PathBuf> {
    // A pipe or a terminal resolves to "pipe:[7]" or to a device; only a file of a disk is of interest (proc(5)).
    let path = std::fs::read_link("/proc/self/fd/1").ok()?;
    std::fs::metadata("/proc/self/fd/1")
        .ok()?
        .is_file()
        .then_some(path)
}

/// Returns the file that standard output is, if it is one.
#[cfg(not(target_os = "linux"))]
const fn stdout_file() -> Option<PathBuf> {
    None
}

pub(super) fn import(args: &Import, cabinet: &Cabinet, voice: &Voice) -> Result<Exit, Failure> {
    if std::io::stdin().is_terminal() {
        voice.note(
            "reading from this terminal: paste what 'dispatch key export' wrote, then press Ctrl-D",
        );
    }
    let text = read()?;
    let keys = match &args.v2 {
        Some(peer) => vec![original(&text, peer, cabinet)?],
        None => armour::unwrap(&text).map_err(|error| {
            Failure::new(
                Exit::Data,
                format!("cannot import from standard input: {error}"),
            )
            .hint("pipe what 'dispatch key export' writes on the other host")
        })?,
    };
    for key in &keys {
        check(key, cabinet)?;
    }
    for key in &keys {
        let same = |held: &&(PathBuf, Key)| {
            held.1.kid == key.kid && held.1.sorted_peers() == key.sorted_peers()
        };
        match cabinet.keys.iter().find(same) {
            Some((path, held)) if held.fingerprint() == key.fingerprint() => {
                voice.note(&format!("already here: '{}'", path.display()));
                voice.answer(&format!("{}\t{}", line(held), path.display()))?;
            }
            Some((path, _)) => {
                let message = format!(
                    "another key has the id '{}' for that link: '{}'",
                    key.kid,
                    path.display()
                );
                return Err(Failure::new(Exit::CantCreate, message)
                    .hint("compare 'dispatch key list' on both hosts, and revoke one of the two"));
            }
            None => {
                let path = cabinet.keep(key)?;
                voice.answer(&format!("{}\t{}", line(key), path.display()))?;
            }
        }
    }
    Ok(Exit::Ok)
}

fn read() -> Result<Zeroizing<String>, Failure> {
    let fail = |why: String| {
        Failure::new(
            Exit::Data,
            format!("cannot read keys from standard input: {why}"),
        )
    };
    let most = armour::TEXT_BYTES_MAX;
    // Set aside at once, so that growing leaves no copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(most + 1));
    let mut input = std::io::stdin().lock().take(most as u64 + 1);
    input
        .read_to_end(&mut bytes)
        .map_err(|error| fail(error.to_string()))?;
    if bytes.len() > most {
        return Err(fail(format!("more than {most} bytes")));
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| fail("it is not text".to_owned()))?;
    Ok(Zeroizing::new(text.to_owned()))
}

/// The original has one key for everything, a line of text; here it is a key of one link.
fn original(text: &str, peer: &Party, cabinet: &Cabinet) -> Result<Key, Failure> {
    let secret = text.trim().as_bytes().to_vec();
    let key = Key::new(
        cabinet.fresh_kid()?,
        Alg::V2,
        cabinet.link(peer)?,
        cabinet.now,
        secret,
    );
    key.map_err(|error| {
        Failure::new(
            Exit::Data,
            format!("cannot import a version 2 key: {error}"),
        )
    })
}

/// A link of two other nodes has no business here. Keys of approvers and pools may be held by any host that needs them.
fn check(key: &Key, cabinet: &Cabinet) -> Result<(), Failure> {
    let me = Party::from(cabinet.config.node()?);
    let nodes_only = key.peers.iter().all(|peer| peer.node().is_some());
    if !nodes_only || key.peers.contains(&me) {
        return Ok(());
    }
    let [one, other] = key.sorted_peers();
    let message =
        format!("the key is of the link between '{one}' and '{other}', and this node is '{me}'");
    Err(Failure::new(Exit::Refused, message)
        .hint("if this host goes by another name, set 'node' in dispatch.toml or give --side"))
}
