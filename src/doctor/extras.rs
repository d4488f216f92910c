//! Checks 6 and 12: what the filesystem can do beyond what is used here. For people, and for whoever wonders why it is
//! not used.

use std::fs::Permissions;
use std::os::unix::fs::MetadataExt;
use std::os::unix::fs::PermissionsExt;

use nix::errno::Errno;
use nix::fcntl::Flock;
use nix::fcntl::FlockArg;

use super::Bench;
use super::Finding;
use super::bench;
use super::bench::Trouble;
use super::bench::to;

pub(super) fn extras(bench: &Bench) -> Result<Finding, Trouble> {
    let file = bench.path("file");
    bench.lay(&file, b"")?;
    let meta = std::fs::symlink_metadata(&file).map_err(to("look at a file"))?;
    let word = |worked: Result<(), Errno>| {
        worked.map_or_else(|errno| format!("{errno:?}"), |()| "yes".to_owned())
    };
    let io = |worked: std::io::Result<()>| worked.map_err(|error| bench::errno_of(&error));
    let link = io(std::fs::hard_link(&file, bench.path("link")));
    let symlink = io(std::os::unix::fs::symlink("file", bench.path("symlink")));
    let pipe = nix::unistd::mkfifo(
        &bench.path("pipe"),
        nix::sys::stat::Mode::from_bits_truncate(0o600),
    );
    let no_replace = no_replace(bench)?;
    let private = io(std::fs::set_permissions(
        &file,
        Permissions::from_mode(0o600),
    ));
    let mode = std::fs::symlink_metadata(&file)
        .map_err(to("look at a file"))?
        .mode()
        & 0o777;
    let keeps_modes = private.is_ok() && mode == 0o600;
    let root = nix::unistd::geteuid().is_root();
    let squashed = root && meta.uid() != 0;
    let said = format!(
        "hard links: {}; symbolic links: {}; pipes: {}; rename unless it exists: {no_replace}; modes are {}{}",
        word(link),
        word(symlink),
        word(pipe),
        if keeps_modes { "kept" } else { "not kept" },
        if squashed {
            format!("; root is user {} there (root_squash)", meta.uid())
        } else {
            String::new()
        },
    );
    let finding = Finding::info(said)
        .fact("keeps_modes", keeps_modes)
        .fact("root_squash", squashed)
        .fact("no_replace", no_replace);
    Ok(match keeps_modes {
        true => finding,
        false => finding.advise(
            "modes come from the mount: set file_mode=0660, dir_mode=2770, gid= of the group",
        ),
    })
}

/// Renames onto a file that is there, asking for it not to be replaced. Never used: some clients say yes and replace.
fn no_replace(bench: &Bench) -> Result<&'static str, Trouble> {
    let (one, other) = (bench.path("one"), bench.path("other"));
    for (path, bytes) in [(&one, b"1"), (&other, b"2")] {
        bench.lay(path, bytes)?;
    }
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::RenameFlags;
        let here = rustix::fs::CWD;
        let (from, to) = (bench.path("spare"), bench.path("absent"));
        bench.lay(&from, b"")?;
        // Onto a name that is absent first: where it is there, the kernel answers by itself.
        if rustix::fs::renameat_with(here, &from, here, &to, RenameFlags::NOREPLACE).is_err() {
            return Ok("no (not used)");
        }
        let renamed = rustix::fs::renameat_with(here, &one, here, &other, RenameFlags::NOREPLACE);
        let kept = bench::get(&other).is_ok_and(|bytes| bytes == b"2");
        Ok(match renamed {
            _ if !kept => "says yes and replaces (not used)",
            Err(rustix::io::Errno::EXIST) => "yes (not used)",
            _ => "fails (not used)",
        })
    }
    #[cfg(not(target_os = "linux"))]
    Ok("not asked (not used)")
}

/// Check 12: never used on the share, so never a reason against it.
pub(super) fn locks(bench: &Bench) -> Result<Finding, Trouble> {
    let path = bench.path("lock");
    bench.lay(&path, b"x")?;
    let open = || {
        std::fs::OpenOptions::new()
            .read(true)
            .write(true)
            .open(&path)
    };
    let first = open().map_err(to("open a file"))?;
    let second = open().map_err(to("open a file"))?;
    let held = match Flock::lock(first, FlockArg::LockExclusiveNonblock) {
        Ok(held) => held,
        Err((_, errno)) => {
            return Ok(Finding::info(format!(
                "flock is refused: {} (not used)",
                errno.desc()
            )));
        }
    };
    let excludes = Flock::lock(second, FlockArg::LockExclusiveNonblock).is_err();
    let mandatory = bench::get(&path).is_err();
    drop(held);
    let said = format!(
        "flock {}{} (not used)",
        if excludes {
            "excludes another one"
        } else {
            "excludes nobody"
        },
        if mandatory {
            ", and whoever only reads"
        } else {
            ""
        },
    );
    Ok(Finding::info(said)
        .fact("excludes", excludes)
        .fact("mandatory", mandatory))
}
