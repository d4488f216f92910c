//! How two doctors find each other: each writes `doctor/<name>.hello` with a fresh nonce, and repeats the other's nonce
//! once it has read it. Who reads his own nonce from the other has met him, whatever was left there before.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use nix::errno::Errno;
use serde::Deserialize;
use serde::Serialize;

use super::Session;
use crate::clock;
use crate::clock::Clock;
use crate::clock::SystemClock;
use crate::doctor::Allows;
use crate::doctor::Finding;
use crate::doctor::Orders;
use crate::doctor::bench;
use crate::doctor::bench::Trouble;
use crate::doctor::bench::to;
use crate::id::NodeName;

/// Hellos that are looked at: whoever can write to the share can make more.
const HELLOS: usize = 64;
/// Pause between two looks.
const LOOK: Duration = Duration::from_millis(50);
/// How long a listing is trusted before a hello is looked for by its name; a name that is looked for too early is
/// remembered as absent, for 30 s on NFS, so it is not done often.
const BY_NAME: Duration = Duration::from_secs(8);
const BY_NAME_AGAIN: Duration = Duration::from_secs(7);
/// How long both keep their hello after they met, so that the slower one reads it.
const LINGER: Duration = Duration::from_millis(1500);
/// A name seen by opening it, but not in the listing for so long, is hidden by the listing.
const HIDDEN: Duration = Duration::from_secs(5);

/// What a host says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    name: String,
    nonce: String,
    /// The nonce of whom it has read.
    echo: Option<String>,
}

/// Whom to look for, and how long.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Search {
    /// The name of this side.
    pub me: String,
    /// The only one who is wanted; `None`: whoever comes.
    pub only: Option<String>,
    /// Names that are looked for even where no listing shows them.
    pub known: Vec<String>,
    /// Seconds to wait.
    pub wait_s: u64,
}

fn file(orders: &Orders, name: &str) -> PathBuf {
    orders
        .root
        .join(bench::FOLDER)
        .join(format!("{name}.hello"))
}

/// Writes the own hello anew, beside the others' view of it, and puts it in place.
fn say(orders: &Orders, hello: &Hello, turn: u32) -> Result<(), Trouble> {
    let text = serde_json::to_vec(hello)
        .map_err(|_| to::<std::io::Error>("say hello")(Errno::EINVAL.into()))?;
    let fresh = bench::scratch(orders).join(format!("hello.{turn}"));
    let _ = bench::remove(&fresh);
    bench::put(&fresh, &text).map_err(to("say hello"))?;
    let target = file(orders, &hello.name);
    let mut last = bench::rename(&fresh, &target);
    for _ in 0..20 {
        if last.is_ok() {
            break;
        }
        // Somebody reads it at this moment, and the server lets nobody replace what is open (SMB).
        std::thread::sleep(LOOK);
        last = bench::rename(&fresh, &target);
    }
    last.map_err(to("say hello"))
}

/// Looks for another doctor until one is met or the time is over. The scratch folder of this run must be there.
///
/// # Errors
/// [`Trouble`]
pub fn meet(orders: &Orders, search: &Search) -> Result<Finding, Trouble> {
    let began = clock::precise();
    let mut mine = Hello {
        name: search.me.clone(),
        nonce: orders.nonce.clone(),
        echo: None,
    };
    let mut turn = 0;
    say(orders, &mine, turn)?;
    let mut by_name = BY_NAME;
    let mut hidden: BTreeMap<String, Duration> = BTreeMap::new();
    while clock::precise().saturating_sub(began) < Duration::from_secs(search.wait_s) {
        if read(orders, &search.me).is_some_and(|hello| hello.nonce != mine.nonce) {
            // It looks for a name that is not its own, and must see this one to know the same.
            say(orders, &mine, turn + 1)?;
            SystemClock.sleep(LINGER);
            let _ = bench::remove(&file(orders, &search.me));
            let said = format!("another doctor here calls itself '{}', too", search.me);
            let advice = "give each node a name of its own ('node' in dispatch.toml, --as)";
            return Ok(Finding::fail(said, advice, Allows::Refuse));
        }
        let listed = names(orders, &search.me);
        let looked = clock::precise().saturating_sub(began);
        let blind = looked >= by_name;
        if blind {
            by_name = looked + BY_NAME_AGAIN;
        }
        // What was found once is there: no look makes it absent.
        let mut all = candidates(search, &listed, blind);
        all.extend(hidden.keys().filter(|name| !listed.contains(name)).cloned());
        for name in all {
            let Some(theirs) = read(orders, &name) else {
                continue;
            };
            let waited = clock::precise().saturating_sub(began);
            if !listed.contains(&name) {
                hidden.entry(name.clone()).or_insert(waited);
            }
            if theirs.nonce == mine.nonce
                || theirs.echo.as_ref().is_some_and(|echo| *echo != mine.nonce)
            {
                continue;
            }
            if mine.echo.as_ref() != Some(&theirs.nonce) {
                mine.echo = Some(theirs.nonce.clone());
                turn += 1;
                say(orders, &mine, turn)?;
            }
            if theirs.echo.as_ref() == Some(&mine.nonce) {
                let unseen = hidden
                    .get(&name)
                    .is_some_and(|since| waited.saturating_sub(*since) > HIDDEN);
                return met(orders, &mine, &theirs, unseen);
            }
        }
        SystemClock.sleep(LOOK);
    }
    let _ = bench::remove(&file(orders, &search.me));
    if let Some(name) = hidden
        .keys()
        .next()
        .filter(|name| !names(orders, &search.me).contains(name))
    {
        let said = format!("'{name}.hello' of the other host is there, and no listing shows it");
        let advice = "a listing must show what others did: mount without a cache of listings";
        return Ok(Finding::fail(said, advice, Allows::Refuse));
    }
    Ok(
        Finding::unknown(format!("no other doctor came within {} s", search.wait_s))
            .advise("run 'dispatch doctor --pair' on both hosts at the same time, with different --as names"),
    )
}

fn met(orders: &Orders, mine: &Hello, theirs: &Hello, unseen: bool) -> Result<Finding, Trouble> {
    let leads = (&mine.name, &mine.nonce) < (&theirs.name, &theirs.nonce);
    let session = Session {
        folder: if leads {
            mine.nonce.clone()
        } else {
            theirs.nonce.clone()
        },
        me: mine.name.clone(),
        peer: theirs.name.clone(),
        leads,
    };
    SystemClock.sleep(LINGER);
    let _ = bench::remove(&file(orders, &mine.name));
    let value = serde_json::to_value(&session).unwrap_or_default();
    let finding = if unseen {
        let said = "the other host's file was not in the listing while it was there";
        Finding::warn(said, "listings lag behind here")
    } else {
        Finding::pass(format!("met '{}'", theirs.name))
    };
    Ok(finding.fact("session", value))
}

/// Returns whose hello is in the listing, but our own.
fn names(orders: &Orders, me: &str) -> Vec<String> {
    let listed = bench::list(&orders.root.join(bench::FOLDER)).unwrap_or_default();
    let names = listed.iter().filter_map(|name| name.strip_suffix(".hello"));
    let names = names.filter(|name| *name != me && NodeName::parse(name).is_ok());
    names.take(HELLOS).map(str::to_owned).collect()
}

/// Those that are listed, and those that were named: a listing may be what is wrong here.
fn candidates(search: &Search, listed: &[String], blind: bool) -> Vec<String> {
    let named = search.known.iter().chain(&search.only).filter(|_| blind);
    let mut all: Vec<String> = listed.iter().chain(named).cloned().collect();
    all.retain(|name| *name != search.me && search.only.as_ref().is_none_or(|only| only == name));
    all.sort();
    all.dedup();
    all
}

fn read(orders: &Orders, name: &str) -> Option<Hello> {
    let bytes = bench::get(&file(orders, name)).ok()?;
    let hello: Hello = serde_json::from_slice(&bytes).ok()?;
    // It becomes the name of a folder: only what a nonce is made of.
    let is_nonce =
        hello.nonce.len() == 16 && hello.nonce.bytes().all(|byte| byte.is_ascii_hexdigit());
    (hello.name == name && is_nonce).then_some(hello)
}
