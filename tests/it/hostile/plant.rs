//! What a hostile writer may put where a document belongs.

use std::os::unix::fs::symlink;
use std::path::Path;

use nix::sys::stat::Mode;
use nix::sys::stat::SFlag;
use nix::sys::stat::mknod;
use nix::unistd::mkfifo;

use super::bench::Bench;

/// Bytes that must be there afterwards, outside the share.
const TREASURE: &str = "nobody touches this\n";

/// Writes a file.
#[expect(
    clippy::disallowed_methods,
    reason = "a hostile writer does as it likes"
)]
pub fn write(path: &Path, bytes: impl AsRef<[u8]>) {
    std::fs::write(path, bytes).unwrap();
}

/// A file outside the share.
pub fn treasure(bench: &Bench) -> std::path::PathBuf {
    let path = bench.outside("treasure");
    write(&path, TREASURE);
    path
}

/// The file outside is what it was.
pub fn is_untouched(bench: &Bench) {
    let path = bench.outside("treasure");
    assert_eq!(
        std::fs::read_to_string(&path).unwrap_or(TREASURE.into()),
        TREASURE
    );
}

/// What an entry is, as `ls -l` begins its line.
pub fn kind(path: &Path) -> char {
    use std::os::unix::fs::FileTypeExt as _;
    let kind = std::fs::symlink_metadata(path).unwrap().file_type();
    match kind {
        _ if kind.is_symlink() => 'l',
        _ if kind.is_dir() => 'd',
        _ if kind.is_fifo() => 'p',
        _ if kind.is_socket() => 's',
        _ if kind.is_char_device() => 'c',
        _ => '-',
    }
}

/// Puts something at a path.
pub type Plant = fn(&Bench, &Path) -> bool;

/// Everything that is not a regular file. A plant that this host does not allow returns `false`.
pub const ODD: &[(&str, char, Plant)] = &[
    ("F1 fifo", 'p', |_, at| {
        mkfifo(at, Mode::from_bits_truncate(0o666)).is_ok()
    }),
    ("F2 link to a file outside", 'l', |bench, at| {
        symlink(treasure(bench), at).is_ok()
    }),
    ("F3 dangling link", 'l', |_, at| {
        symlink("nowhere", at).is_ok()
    }),
    ("F4 link to itself", 'l', |_, at| {
        symlink(at.file_name().unwrap(), at).is_ok()
    }),
    ("F5 link to a valid task outside", 'l', |bench, at| {
        let (_, bytes) = bench.sealed();
        let good = bench.outside("good.json");
        write(&good, bytes);
        symlink(good, at).is_ok()
    }),
    ("link to a directory", 'l', |bench, at| {
        symlink(bench.outside("state"), at).is_ok()
    }),
    ("F6 directory", 'd', |_, at| std::fs::create_dir(at).is_ok()),
    ("F7 full directory", 'd', |_, at| {
        std::fs::create_dir(at).unwrap();
        write(&at.join("inside"), "kept");
        true
    }),
    ("F8 socket", 's', |_, at| {
        mknod(at, SFlag::S_IFSOCK, Mode::from_bits_truncate(0o666), 0).is_ok()
    }),
    ("F9 device", 'c', |_, at| {
        let null = nix::sys::stat::makedev(1, 3);
        mknod(at, SFlag::S_IFCHR, Mode::from_bits_truncate(0o666), null).is_ok()
    }),
];
