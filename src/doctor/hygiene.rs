//! Checks 14 and 17: what must not lie on the share, and what must lie on a local disk.

use std::path::Path;
use std::path::PathBuf;

use super::Allows;
use super::Bench;
use super::Finding;
use super::bench::Trouble;
use crate::clock::Clock;
use crate::clock::SystemClock;
use crate::disk;
use crate::key::file::Guard;
use crate::key::file::Storage;
use crate::keyring::Drawer;
use crate::mount::Family;
use crate::mount::Mount;
use crate::mount::Table;
use crate::units;

/// Check 14.
pub(super) fn keys(bench: &Bench) -> Result<Finding, Trouble> {
    let guard = Guard::new(Some(bench.orders.root.clone()), Storage::Local);
    let (mut good, mut bad) = (0, Vec::new());
    for folder in &bench.orders.keys {
        // A folder that is not there, or is another user's, holds none of our keys.
        let Ok(drawer) = Drawer::read(folder, &guard) else {
            continue;
        };
        good += drawer.keys.len();
        bad.extend(drawer.problems.iter().map(ToString::to_string));
    }
    let sys = mount_of(&bench.orders.root).filter(|mount| {
        mount.family() == Family::Nfs
            && !mount
                .value("sec")
                .is_some_and(|sec| sec.starts_with("krb5"))
    });
    let forged = match sys {
        Some(_) => {
            "; with sec=sys root of any client can be any user there: the seals are what protects"
        }
        None => "",
    };
    Ok(match bad.first() {
        Some(problem) => Finding::fail(
            format!("{problem}{forged}"),
            "keys lie on the local disk, mode 0600, in folders that only their owner can change: 'dispatch key list'",
            Allows::Multi,
        ),
        None if bench.orders.keys.is_empty() => {
            Finding::info(format!("no configuration names a folder of keys{forged}"))
        }
        None if good == 0 => Finding::info(format!("there are no keys yet{forged}"))
            .advise("'dispatch key new-link PEER'"),
        None => Finding::pass(format!(
            "{}, off the share and closed to others{forged}",
            units::count(good, "key")
        )),
    })
}

/// Check 17.
pub(super) fn journal(bench: &Bench) -> Result<Finding, Trouble> {
    let Some(state) = &bench.orders.state else {
        return Ok(Finding::info("no configuration names a state directory"));
    };
    let Some(mount) = mount_of(state) else {
        return Ok(Finding::info("this system has no mount table to read"));
    };
    let title = mount.title();
    let wrong = |said: String| {
        let advice = "put the state directory on a disk of this host ('state' in dispatch.toml)";
        Ok(Finding::fail(said, advice, Allows::Refuse))
    };
    match mount.family() {
        Family::Local | Family::Other => {}
        _ => {
            return wrong(format!(
                "the state directory lies on {title}, not on a local disk"
            ));
        }
    }
    if matches!(mount.kind.as_str(), "tmpfs" | "ramfs") {
        let said = format!(
            "the state directory lies in memory ({}): a reboot forgets what was run",
            mount.kind
        );
        return Ok(Finding::warn(
            said,
            "put it on a disk: after a reboot older tasks are refused until you adopt them",
        ));
    }
    if disk::make_dir(state, 0o700).is_err() {
        return Ok(Finding::unknown(format!(
            "'{}' cannot be made by this user",
            state.display()
        )));
    }
    let probe = state.join(format!(
        "doctor-{}-{}",
        std::process::id(),
        SystemClock.unix_ms()
    ));
    let written = disk::create_new(&probe, b"x", 0o600);
    let _ = disk::remove(&probe);
    match written {
        Ok(()) => Ok(Finding::pass(format!(
            "the state directory is on {title}; a file was synced there"
        ))),
        Err(error) => wrong(format!("{error}")),
    }
}

/// What is mounted where a path lies, or will lie once it is made.
fn mount_of(path: &Path) -> Option<Mount> {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let real: PathBuf = absolute
        .ancestors()
        .find_map(|at| std::fs::canonicalize(at).ok())?;
    Table::read().ok()?.of(&real).cloned()
}
