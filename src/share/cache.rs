//! How far a listing by this client can be behind the server for good: by the kind of filesystem the share is mounted
//! with, as the kernel names it. Reads nothing itself.

use std::path::Path;
use std::path::PathBuf;

/// What a client keeps of a folder it listed, and by what it learns that this is out of date.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Cache {
    /// Nothing is kept that could be out of date: a disk of this host.
    #[default]
    None,
    /// By a number that the server counts up with every change, or by its word (NFSv4 and SMB; measured: 0 of 340 and 0
    /// of 60 changes hidden). A server whose filesystem does not count gives a time instead, and does not say so.
    Counted,
    /// By a time, which two changes may share: the second stays hidden until the next one (NFSv3, measured: 34 of 40
    /// folders). What is not known is taken for this.
    Stamped,
}

impl Cache {
    /// Returns that of the mount in which `root` lies, from the text of `/proc/self/mountinfo` (proc(5)). Links in the
    /// path are the caller's to resolve.
    #[must_use]
    pub fn of_mount(mountinfo: &str, root: &Path) -> Self {
        mounted_as(mountinfo, root).map_or(Self::Stamped, Self::of_kind)
    }

    /// Returns that of a filesystem type, as the kernel names it.
    #[must_use]
    pub fn of_kind(kind: &str) -> Self {
        const OWN: &[&str] = &[
            "bcachefs", "btrfs", "ext2", "ext3", "ext4", "f2fs", "hostfs", "jfs", "overlay",
            "ramfs", "tmpfs", "xfs", "zfs",
        ];
        match kind {
            "nfs4" | "cifs" | "smb3" => Self::Counted,
            kind if OWN.contains(&kind) => Self::None,
            _ => Self::Stamped,
        }
    }
}

/// Returns the type of the filesystem in which `root` lies, as the kernel names it, from the text of
/// `/proc/self/mountinfo`.
#[must_use]
pub fn mounted_as<'a>(mountinfo: &'a str, root: &Path) -> Option<&'a str> {
    let mut best: Option<(PathBuf, &str)> = None;
    for line in mountinfo.lines() {
        // Optional fields end at a lone hyphen; the type follows.
        let Some((before, after)) = line.split_once(" - ") else {
            continue;
        };
        let (Some(point), Some(kind)) = (before.split(' ').nth(4), after.split(' ').next()) else {
            continue;
        };
        let point = PathBuf::from(unescaped(point));
        // Of two mounts on one folder the later one is seen.
        let is_nearer = best
            .as_ref()
            .is_none_or(|(nearest, _)| point.components().count() >= nearest.components().count());
        if root.starts_with(&point) && is_nearer {
            best = Some((point, kind));
        }
    }
    best.map(|(_, kind)| kind)
}

/// Blank, tab, newline and backslash are written in octal there.
fn unescaped(field: &str) -> String {
    let mut text = field.to_owned();
    for (written, meant) in [
        ("\\040", " "),
        ("\\011", "\t"),
        ("\\012", "\n"),
        ("\\134", "\\"),
    ] {
        text = text.replace(written, meant);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
22 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw
40 22 0:41 / /mnt/old rw,relatime shared:20 - nfs srv:/export rw,vers=3,proto=tcp
41 22 0:42 / /mnt/new rw,relatime shared:21 - nfs4 srv:/ rw,vers=4.2
42 22 0:43 / /mnt/win\\040share rw - cifs //srv/share rw,vers=3.1.1
43 22 0:44 / /mnt/far rw - fuse.sshfs me@far: rw
44 41 0:45 / /mnt/new/scratch rw - tmpfs none rw
45 22 0:46 / /mnt/twice rw - nfs srv:/a rw
46 45 0:47 / /mnt/twice rw - ext4 /dev/vdb rw
nonsense
";

    #[test]
    fn the_nearest_mount_says_how_listings_age() {
        for (root, cache) in [
            ("/srv/dispatch", Cache::None),
            ("/mnt/old/dispatch", Cache::Stamped),
            ("/mnt/older", Cache::None),
            ("/mnt/new", Cache::Counted),
            ("/mnt/new/scratch/x", Cache::None),
            ("/mnt/win share/q", Cache::Counted),
            ("/mnt/far", Cache::Stamped),
            ("/mnt/twice/x", Cache::None),
        ] {
            assert_eq!(Cache::of_mount(MOUNTS, Path::new(root)), cache, "{root}");
        }
        assert_eq!(Cache::of_mount("", Path::new("/x")), Cache::Stamped);
    }
}
