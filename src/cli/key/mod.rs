//! `dispatch key`: makes, carries, shows, changes and drops the keys of links.
//!
//! A secret is never an argument, never on the share, and never shown; it goes from host to host through a pipe. Every
//! key file is written and read under the conditions of [`crate::key::file`].

mod armour;
mod carry;
mod change;
mod list;
mod make;
mod sign;

use std::path::PathBuf;
use std::time::Duration;

use clap::Args as ClapArgs;
use clap::Subcommand;

use super::failure::Failure;
use super::setup;
use super::setup::Common;
use super::voice::Voice;
use crate::chance::Chance;
use crate::chance::OsChance;
use crate::clock::Clock;
use crate::clock::SystemClock;
use crate::clock::Timestamp;
use crate::config::Config;
use crate::disk;
use crate::exit::Exit;
use crate::id::KeyId;
use crate::id::NodeName;
use crate::id::Party;
use crate::key::Alg;
use crate::key::Guard;
use crate::key::Key;
use crate::key::Storage;
use crate::keyring::Drawer;

/// Make, carry and drop the keys of links
///
/// Two hosts are paired with one command and one pipe, on either of them:
///
///   dispatch key new-link gpubox
///   dispatch key export gpubox | ssh gpubox dispatch key import
///
/// With a key that signs, the other end can check what this end says, and cannot say it:
///
///   dispatch key new-sign gpubox
#[derive(Debug, ClapArgs)]
#[command(verbatim_doc_comment)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    NewLink(make::NewLink),
    NewSign(sign::NewSign),
    Export(carry::Export),
    Import(carry::Import),
    List(list::List),
    Rotate(change::Rotate),
    Revoke(change::Revoke),
}

impl Args {
    /// Returns the flags every program has.
    #[must_use]
    pub const fn common(&self) -> &Common {
        match &self.verb {
            Verb::NewLink(args) => &args.common,
            Verb::NewSign(args) => &args.common,
            Verb::Export(args) => &args.common,
            Verb::Import(args) => &args.common,
            Verb::List(args) => &args.common,
            Verb::Rotate(args) => &args.common,
            Verb::Revoke(args) => &args.common,
        }
    }
}

/// Runs the command.
///
/// # Errors
/// [`Failure`]; what was done before it is said.
pub fn run(args: &Args, voice: &Voice) -> Result<Exit, Failure> {
    let cabinet = Cabinet::open(args.common(), voice)?;
    match &args.verb {
        Verb::NewLink(args) => make::run(args, &cabinet, voice),
        Verb::NewSign(args) => sign::run(args, &cabinet, voice),
        Verb::Export(args) => carry::export(args, &cabinet, voice),
        Verb::Import(args) => carry::import(args, &cabinet, voice),
        Verb::List(args) => list::run(args, &cabinet, voice),
        Verb::Rotate(args) => change::rotate(args, &cabinet, voice),
        Verb::Revoke(args) => change::revoke(args, &cabinet, voice),
    }
}

/// The keys of this host, and where a new one goes.
struct Cabinet {
    config: Config,
    guard: Guard,
    /// Keys in force, by file; those of the folder that is searched first come first.
    keys: Vec<(PathBuf, Key)>,
    now: Timestamp,
}

impl Cabinet {
    fn open(common: &Common, voice: &Voice) -> Result<Self, Failure> {
        let config = setup::load(common.flags(), false)?;
        let storage = match common.insecure_key {
            true => Storage::Insecure,
            false => Storage::Local,
        };
        let root = config.root.as_deref().map(setup::reach);
        let root = root.and_then(|share| setup::real_root(&config, &share));
        let guard = Guard::with_resolved(root, storage);
        let mut keys = Vec::new();
        for folder in &config.keys {
            match Drawer::read(folder, &guard) {
                Ok(drawer) => {
                    let problems = drawer.problems.iter();
                    problems.for_each(|problem| voice.warn(&problem.to_string()));
                    keys.extend(drawer.keys);
                }
                Err(error) if setup::is_not_ours(&config, &error) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let now = SystemClock.wall();
        Ok(Self {
            config,
            guard,
            keys,
            now,
        })
    }

    /// Returns the two ends of the link from this node to a party.
    fn link(&self, peer: &Party) -> Result<[Party; 2], Failure> {
        let me = Party::from(self.config.node()?);
        if me == *peer {
            let message = format!("cannot make a link from '{peer}' to itself");
            return Err(Failure::new(Exit::Usage, message)
                .hint("name the other node; --side says which node this is"));
        }
        Ok([me, peer.clone()])
    }

    /// Returns the keys this host holds for the link to a party, newest first. What is named may also be an approver or
    /// a pool whose link is with another node.
    fn of_link(&self, peer: &Party) -> Vec<&(PathBuf, Key)> {
        let mine = self.config.node.as_ref().map(Party::from);
        let fits = |key: &Key| {
            let named = key.peers.contains(peer);
            let other_end = mine.as_ref().is_some_and(|me| key.peers.contains(me));
            named && (other_end || peer.node().is_none())
        };
        let mut held: Vec<_> = self.keys.iter().filter(|(_, key)| fits(key)).collect();
        held.sort_by(|(_, one), (_, other)| {
            (other.created, &other.kid).cmp(&(one.created, &one.kid))
        });
        held
    }

    /// Returns those of them that make seals here, by a method: a public half of the other end is none.
    fn makers(&self, peer: &Party, alg: Alg) -> Vec<&(PathBuf, Key)> {
        let mut held = self.of_link(peer);
        held.retain(|(_, key)| key.alg == alg && key.can_sign());
        held
    }

    /// Returns when a key is made that is to be the newest of a link: later than the others by their own words,
    /// whatever the clock says.
    fn moment(&self, peer: &Party) -> Timestamp {
        let held = self.of_link(peer);
        held.first().map_or(self.now, |(_, newest)| {
            self.now.max(newest.created.plus(Duration::from_secs(1)))
        })
    }

    fn no_key(peer: &Party) -> Failure {
        Failure::new(
            Exit::NotFound,
            format!("no key for the link to '{peer}' is here"),
        )
        .hint(format!(
            "'dispatch key new-link {peer}' makes one; 'dispatch key list' shows what is here"
        ))
    }

    /// Returns the folder that new keys go to: the first of ours that exists; else, for root, the first that is
    /// searched, and for everybody else the last. Credentials of a service manager are never written.
    fn folder(&self) -> Result<PathBuf, Failure> {
        let credentials = setup::variable("CREDENTIALS_DIRECTORY").map(PathBuf::from);
        let mut folders = self
            .config
            .keys
            .iter()
            .filter(|folder| Some(*folder) != credentials.as_ref());
        let user = nix::unistd::geteuid();
        let ours = |folder: &&PathBuf| {
            disk::ownership(folder).is_ok_and(|(owner, _, is_dir)| is_dir && owner == user.as_raw())
        };
        let chosen = folders.clone().find(ours).or_else(|| match user.is_root() {
            true => folders.next(),
            false => folders.next_back(),
        });
        chosen.cloned().ok_or_else(|| {
            Failure::new(Exit::Config, "no folder for keys is known")
                .hint("give --keys DIR, or set 'keys' in dispatch.toml")
        })
    }

    /// Keeps a key; one of the same id between the same parties must not be here yet.
    fn keep(&self, key: &Key) -> Result<PathBuf, Failure> {
        Ok(self.guard.write(&self.folder()?, key)?)
    }

    /// Makes an id: the day it was made and four digits that nobody else has, so that two hosts that make a key for one
    /// link on one day do not mean different secrets by the same id.
    fn fresh_kid(&self) -> Result<KeyId, Failure> {
        let day = self.now.day().replace('-', "");
        Ok(KeyId::parse(&format!(
            "k{day}{:04x}",
            OsChance.bits() & 0xFFFF
        ))?)
    }

    fn is_known(&self, peer: &NodeName) -> bool {
        self.config.peers.contains_key(peer)
    }
}

/// Shows one key in a line: link, id, fingerprint.
fn line(key: &Key) -> String {
    let [one, other] = key.sorted_peers();
    format!("{one} {other}\t{}\t{}", key.kid, key.fingerprint())
}

/// Makes a secret from the kernel's randomness.
///
/// # Source
/// getrandom(2): 32 bytes are given whole, or not at all.
fn secret() -> Result<Vec<u8>, Failure> {
    let mut bytes = vec![0; crate::key::SECRET_BYTES_MIN];
    getrandom::fill(&mut bytes).map_err(|error| {
        Failure::new(
            Exit::Io,
            format!("cannot get random bytes from the kernel: {error}"),
        )
    })?;
    Ok(bytes)
}
