//! Check 8: that write, sync and close tell when data is lost, and that there is room.

use std::io::Write;

use super::Allows;
use super::Bench;
use super::Finding;
use super::State;
use super::bench;
use super::bench::Trouble;
use super::bench::to;
use crate::disk;
use crate::units;

/// What is written to see whether a quota allows it.
const BYTES: usize = 1024 * 1024;
/// Fewest inodes that are worth a word.
const INODES_MIN: u64 = 1000;

pub(super) fn durability(bench: &Bench) -> Result<Finding, Trouble> {
    let bytes: Vec<u8> = (0..BYTES)
        .map(|at| u8::try_from(at % 251).unwrap_or(0))
        .collect();
    let path = bench.path("mebibyte");
    bench.lay(&path, b"")?;
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .open(&path)
        .map_err(to("open a file"))?;
    file.write_all(&bytes).map_err(to("write 1 MiB"))?;
    file.sync_all().map_err(to("sync 1 MiB"))?;
    if let Err(error) = disk::close(file) {
        let errno = bench::errno_of(&error);
        let said = format!(
            "write and sync said yes, close said: {}; nothing can be published",
            errno.desc()
        );
        let advice = "free some space, or raise the quota of this user and group, on the server";
        return Ok(Finding::fail(said, advice, Allows::Refuse)
            .for_now()
            .fact("errno", errno as i32));
    }
    let new = bench.path("renamed");
    let renamed = bench::rename(&path, &new);
    let there = bench::list(&bench.dir).map_err(to("list a folder"))?;
    if !there.iter().any(|name| name == "renamed") {
        renamed.map_err(to("rename a file"))?;
    }
    let read = bench::get(&new).map_err(to("read a file"))?;
    if read != bytes {
        let said = format!(
            "{} of {BYTES} bytes came back after sync, close and rename",
            read.len()
        );
        let advice =
            "what was acknowledged is lost: use another filesystem, or mount without write caching";
        return Ok(Finding::fail(said, advice, Allows::Refuse));
    }
    let synced = disk::sync_dir(&bench.dir);
    let _ = bench::remove(&new);
    let room = nix::sys::statvfs::statvfs(&bench.dir).map_err(to("ask for free space"))?;
    let free = room.blocks_available().saturating_mul(room.fragment_size());
    let inodes = room.files_available();
    let no_inodes = room.files() > 0 && inodes < INODES_MIN;
    let said = format!(
        "1 MiB written, synced, closed, renamed and read back; {} free{}",
        units::about_size(free),
        if synced.is_err() {
            "; a folder cannot be synced"
        } else {
            ""
        },
    );
    let finding = Finding::pass(said)
        .fact("free_bytes", free)
        .fact("free_inodes", inodes);
    if free < bench.orders.free_bytes_min || no_inodes {
        let advice =
            "free some space on the server: nothing starts below share.free_min, or without inodes";
        return Ok(Finding {
            state: State::Warn,
            ..finding.advise(advice)
        }
        .for_now());
    }
    Ok(finding)
}
