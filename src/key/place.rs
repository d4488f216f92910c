//! Which filesystems hold secrets badly: those that another machine, or another program, can read behind our back.

use std::fs::File;
use std::io;
use std::path::Path;

/// Filesystem types of statfs(2) whose files other machines or user programs serve, with the name to show.
#[cfg(target_os = "linux")]
const REMOTE: &[(u32, &str)] = &[
    (0x6969, "NFS"),
    (0xFE53_4D42, "SMB"),
    (0xFF53_4D42, "SMB"),
    (0x517B, "SMB"),
    (0x6573_5546, "FUSE"),
    (0x0102_1997, "9P"),
    (0x5346_414F, "AFS"),
    (0x6B41_4653, "AFS"),
    (0x00C3_6400, "Ceph"),
    (0x7375_7245, "Coda"),
    (0x564C, "NCP"),
    (0x0BD0_0BD0, "Lustre"),
    (0x4750_4653, "GPFS"),
    (0x0116_1970, "GFS2"),
    (0x7461_636F, "OCFS2"),
    (0x2003_0528, "OrangeFS"),
    (0x786F_4256, "a shared folder of VirtualBox"),
    (0xBACB_ACBC, "a shared folder of VMware"),
];

/// What sync programs leave at the top of a folder that they copy to other machines.
const SYNC_MARKERS: &[(&str, &str)] = &[
    (".stfolder", "Syncthing"),
    (".dropbox", "Dropbox"),
    (".sync_root", "a sync program"),
    (".nextcloudsync.log", "Nextcloud"),
    (".owncloudsync.log", "ownCloud"),
    (".OneDrive", "OneDrive"),
];

/// Returns the name of the filesystem of an open file if it is not a local disk.
#[cfg(target_os = "linux")]
pub(super) fn remote(file: &File) -> io::Result<Option<&'static str>> {
    let kind = nix::sys::statfs::fstatfs(file)?.filesystem_type();
    // The width and sign of f_type differ between architectures; the magic numbers are 32 bits (statfs(2)).
    let magic = (kind.0 as u64 & 0xFFFF_FFFF) as u32;
    let known = REMOTE.iter().find(|(number, _)| *number == magic);
    Ok(known.map(|(_, name)| *name))
}

/// Returns the name of the filesystem of an open file if it is not a local disk.
#[cfg(not(target_os = "linux"))]
pub(super) fn remote(file: &File) -> io::Result<Option<&'static str>> {
    use nix::sys::statfs::fstatfs;
    let name = fstatfs(file)?.filesystem_type_name().to_ascii_lowercase();
    let known = [
        ("nfs", "NFS"),
        ("smb", "SMB"),
        ("fuse", "FUSE"),
        ("webdav", "WebDAV"),
        ("afp", "AFP"),
    ];
    let known = known.into_iter().find(|(part, _)| name.contains(part));
    Ok(known.map(|(_, name)| name))
}

/// Returns the name of the program that copies this directory elsewhere, if one marked it.
pub fn synced(directory: &Path) -> Option<&'static str> {
    let marked = |marker: &str| std::fs::symlink_metadata(directory.join(marker)).is_ok();
    let known = SYNC_MARKERS.iter().find(|(marker, _)| marked(marker));
    known.map(|(_, name)| *name)
}
