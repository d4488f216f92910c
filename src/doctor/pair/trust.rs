//! Checks 23 and 25: two clocks, two users, two identities.

use std::os::unix::fs::MetadataExt;

use serde::Deserialize;
use serde::Serialize;

use super::Talk;
use crate::clock::Clock;
use crate::clock::SystemClock;
use crate::disk;
use crate::doctor::Allows;
use crate::doctor::Bench;
use crate::doctor::Finding;
use crate::doctor::State;
use crate::doctor::bench;
use crate::doctor::bench::Trouble;
use crate::doctor::bench::to;
use crate::limits;
use crate::place::Place;
use crate::share::Share;

/// A difference of two clocks worth a word, in seconds.
const SKEW_WARN_S: i64 = 2;

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Side {
    ahead_s: i64,
    uid: u32,
    gid: u32,
}

/// Check 23.
pub(in crate::doctor) fn mapping(bench: &Bench) -> Result<Finding, Trouble> {
    let mut talk = Talk::begin(bench)?;
    let (me, peer) = (talk.session.me.clone(), talk.session.peer.clone());
    let share = bench.share();
    let failed =
        |error: crate::share::ShareError| to("create a file")(std::io::Error::from(error.kind()));
    let server = share
        .server_time(&Place::Root, &format!("now.{me}"))
        .map_err(failed)?;
    let mine = Side {
        ahead_s: SystemClock.wall().unix() - server.unix(),
        uid: nix::unistd::geteuid().as_raw(),
        gid: nix::unistd::getegid().as_raw(),
    };
    // Made by the same code as documents and folders are, whatever the umask.
    let own = bench.folder(&format!("of.{me}"))?;
    let _ = std::fs::set_permissions(&own, std::os::unix::fs::PermissionsExt::from_mode(0o2770));
    let in_own = crate::share::FolderShare::at(&own);
    for name in ["read", "rename", "remove"] {
        in_own.create(&Place::Root, name, b"x").map_err(failed)?;
    }
    let theirs: Side = talk.exchange(&mine)?;
    let other = bench.path(&format!("of.{peer}"));
    let owner = std::fs::symlink_metadata(other.join("read"))
        .map(|meta| (meta.uid(), meta.gid(), meta.mode() & 0o777));
    let mut denied = Vec::new();
    let mut note = |what: &str, result: std::io::Result<()>| {
        if let Err(error) = result {
            denied.push(format!("{what}: {:?}", bench::errno_of(&error)));
        }
    };
    note("read", bench::get(&other.join("read")).map(drop));
    note(
        "rename",
        bench::rename(&other.join("rename"), &own.join("renamed")),
    );
    note("remove", bench::remove(&other.join("remove")));
    let their_denied: Vec<String> = talk.exchange(&denied)?;
    talk.together()?;
    let seen = owner.map_or_else(
        |_| "?".to_owned(),
        |(uid, gid, mode)| format!("{uid}:{gid} mode {mode:04o}"),
    );
    Ok(weigh(&mine, &theirs, &seen, [&denied, &their_denied]))
}

/// What one may do with the other's files, and how far their clocks are apart.
fn weigh(mine: &Side, theirs: &Side, seen: &str, denied: [&[String]; 2]) -> Finding {
    let [denied, their_denied] = denied;
    let skew = mine.ahead_s - theirs.ahead_s;
    let said = format!(
        "the clocks differ by {} s; user {}:{} here, {}:{} there; the other's file is {seen} here",
        skew.abs(),
        mine.uid,
        mine.gid,
        theirs.uid,
        theirs.gid
    );
    if let Some(one) = denied.first().or(their_denied.first()) {
        let whose = if denied.is_empty() {
            "the other host may not"
        } else {
            "this host may not"
        };
        let said = format!("{whose} {one} of the other's files; {said}");
        let advice = "both users need one group on the share, with the same number on both hosts: \
                      'dispatch init --group GROUP', and umask or ACL that leave the group its rights";
        return Finding::fail(said, advice, Allows::Refuse).for_now();
    }
    let forgiven = i64::try_from(limits::SKEW.as_secs()).unwrap_or(i64::MAX);
    let advice =
        "keep both clocks with NTP; documents are refused when they differ by more than 120 s";
    let finding = match skew.abs() {
        off if off > forgiven => Finding {
            state: State::Fail,
            ..Finding::warn(said, advice)
        },
        off if off > SKEW_WARN_S => Finding::warn(said, advice),
        _ => Finding::pass(said),
    };
    finding.fact("skew_s", skew)
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Card {
    name: String,
    host: String,
    boot: String,
    version: String,
    root_id: Option<String>,
}

/// Check 25.
pub(in crate::doctor) fn identity(bench: &Bench) -> Result<Finding, Trouble> {
    let mut talk = Talk::begin(bench)?;
    let boot = disk::read_bounded(std::path::Path::new("/proc/sys/kernel/random/boot_id"), 64)
        .unwrap_or_default();
    let mine = Card {
        name: talk.session.me.clone(),
        host: nix::unistd::gethostname()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default(),
        boot: String::from_utf8_lossy(&boot).trim().to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        root_id: bench.orders.root_id.clone(),
    };
    let theirs: Card = talk.exchange(&mine)?;
    talk.together()?;
    Ok(compare(&mine, &theirs))
}

fn compare(mine: &Card, theirs: &Card) -> Finding {
    if mine.name == theirs.name {
        let said = format!("both nodes are called '{}'", mine.name);
        return Finding::fail(
            said,
            "give each node a name of its own ('node' in dispatch.toml, --as)",
            Allows::Refuse,
        );
    }
    if let (Some(one), Some(other)) = (&mine.root_id, &theirs.root_id)
        && one != other
    {
        let said = format!("the two hosts are configured for different shares: {one} and {other}");
        return Finding::fail(said, "correct root_id in one dispatch.toml", Allows::Refuse);
    }
    let here = if mine.boot == theirs.boot {
        "the same host"
    } else {
        "another host"
    };
    let said = format!(
        "'{}' on {} and '{}' on {here}, {}",
        mine.name, mine.host, theirs.name, theirs.host
    );
    if mine.version != theirs.version {
        let said = format!("{said}; versions {} and {}", mine.version, theirs.version);
        return Finding::warn(said, "install the same version on both");
    }
    Finding::pass(said).fact("same_host", mine.boot == theirs.boot)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rights_and_clocks_are_weighed() {
        let side = |ahead_s| Side {
            ahead_s,
            uid: 1,
            gid: 1,
        };
        let good: [&[String]; 2] = [&[], &[]];
        let state = |ahead| weigh(&side(ahead), &side(0), "1:1", good).state;
        assert_eq!(
            (state(0), state(30), state(-30)),
            (State::Pass, State::Warn, State::Warn)
        );
        assert_eq!((state(121), state(-600)), (State::Fail, State::Fail));
        let one = ["rename: EACCES".to_owned()];
        let denied: [&[String]; 2] = [&[], &one];
        let finding = weigh(&side(0), &side(0), "1:1", denied);
        assert_eq!((finding.allows, finding.passing), (Allows::Refuse, true));
        assert!(
            finding.said.contains("the other host may not")
                || finding.said.contains("this host may not")
        );
    }

    #[test]
    fn two_nodes_have_two_names_one_share_and_one_version() {
        let card = |name: &str, root_id: &str, version: &str| Card {
            name: name.to_owned(),
            host: "h".to_owned(),
            boot: name.to_owned(),
            version: version.to_owned(),
            root_id: Some(root_id.to_owned()),
        };
        let mine = card("a", "1", "0.1.0");
        let with = |theirs: &Card| compare(&mine, theirs);
        assert_eq!(with(&card("b", "1", "0.1.0")).state, State::Pass);
        assert_eq!(with(&card("b", "1", "0.2.0")).state, State::Warn);
        assert_eq!(with(&card("b", "2", "0.1.0")).allows, Allows::Refuse);
        assert_eq!(with(&card("a", "1", "0.1.0")).allows, Allows::Refuse);
    }
}
