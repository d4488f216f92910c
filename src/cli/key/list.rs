//! `dispatch key list`: what this host holds, by fingerprint; a secret is never shown.

use clap::Args as ClapArgs;
use serde_json::json;

use super::Cabinet;
use crate::cli::failure::Failure;
use crate::cli::setup::Common;
use crate::cli::voice::Voice;
use crate::exit::Exit;
use crate::key::Key;
use crate::key::Use;

/// Show the keys of this host, by their fingerprints
///
/// Example: dispatch key list --json
///
/// Both hosts of a link must show the same fingerprint, also where one holds the public half.
#[derive(Debug, ClapArgs)]
#[command(verbatim_doc_comment)]
pub(super) struct List {
    /// Print one JSON object for each key
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    pub(super) common: Common,
}

pub(super) fn run(args: &List, cabinet: &Cabinet, voice: &Voice) -> Result<Exit, Failure> {
    if cabinet.keys.is_empty() && !args.json {
        let folders: Vec<String> = cabinet
            .config
            .keys
            .iter()
            .map(|at| at.display().to_string())
            .collect();
        voice.note(&format!("no keys in {}", folders.join(", ")));
        return Ok(Exit::No);
    }
    let row = |key: &Key| {
        let [one, other] = key.sorted_peers();
        let ways = [
            one.to_string(),
            other.to_string(),
            key.kid.to_string(),
            key.alg.to_string(),
        ];
        (ways, uses(key), window(key, cabinet))
    };
    let width = |column: usize| {
        cabinet
            .keys
            .iter()
            .map(|(_, key)| row(key).0[column].len())
            .max()
            .unwrap_or(0)
    };
    let widths = [width(0), width(1), width(2), width(3)];
    for (path, key) in &cabinet.keys {
        let (words, uses, window) = row(key);
        if args.json {
            let object = json!({
                "version": 1, "peers": key.sorted_peers(), "kid": key.kid, "alg": key.alg, "use": key.uses,
                "created": key.created, "not_before": key.not_before, "not_after": key.not_after,
                "good_now": window.is_empty(), "fingerprint": key.fingerprint(), "file": path,
                "signer": key.signer(), "secret": key.can_sign(),
            });
            voice.answer(&object.to_string())?;
            continue;
        }
        let columns: Vec<String> = words
            .iter()
            .zip(widths)
            .map(|(word, width)| format!("{word:width$}"))
            .collect();
        let columns = columns.join("  ");
        let line = format!(
            "{columns}  {uses:11}  {}  {}{}{window}",
            key.fingerprint(),
            path.display(),
            half(key)
        );
        voice.answer(&line)?;
    }
    Ok(Exit::Ok)
}

fn uses(key: &Key) -> &'static str {
    match (
        key.uses.contains(&Use::Sign),
        key.uses.contains(&Use::Verify),
    ) {
        (true, true) => "sign+verify",
        (true, false) => "sign",
        (false, _) => "verify",
    }
}

/// Says whose signatures a key is for, and whether they can be made here.
fn half(key: &Key) -> String {
    match key.signer() {
        Some(signer) if key.can_sign() => format!("  ('{signer}' signs with it, here)"),
        Some(signer) => format!("  (public half: '{signer}' signs with it)"),
        None => String::new(),
    }
}

fn window(key: &Key, cabinet: &Cabinet) -> String {
    match (key.not_before, key.not_after) {
        (Some(from), _) if cabinet.now < from => format!("  (not before {from})"),
        (_, Some(until)) if cabinet.now > until => format!("  (ended {until})"),
        _ => String::new(),
    }
}
