//! What stands at the root, as far as this host can tell without asking the server.
//!
//! A path can lead to another filesystem from one call to the next: the share is unmounted and its empty mount point is
//! left, or another share is mounted over it. A descriptor of the root that is opened for each call tells which mount
//! it is in: device, inode and mount id by statx(2), with AT_STATX_DONT_SYNC, which costs no call to the server. Before
//! Linux 6.8 a mount id may be given again after an unmount; there, each change of the mount table (proc(5): poll(2) on
//! mountinfo) has the identity file compared once more, through that very descriptor, by what stat(2) says of it: a
//! file that several hosts open is one that they wait for (docs/LABORATORY.md, Samba).

use std::os::fd::BorrowedFd;

use rustix::io::Errno;

/// What a call fails with that would reach another filesystem.
#[cfg(target_os = "linux")]
pub(super) const OTHER_GROUND: nix::errno::Errno = nix::errno::Errno::EREMCHG;
/// What a call fails with that would reach another filesystem.
#[cfg(not(target_os = "linux"))]
pub(super) const OTHER_GROUND: nix::errno::Errno = nix::errno::Errno::ENXIO;

/// A mounted root, as it was when somebody looked.
#[derive(Debug)]
pub(super) struct Anchor {
    #[cfg(target_os = "linux")]
    mount: mount::Mount,
}

impl Anchor {
    /// Takes a root as it is now.
    pub(super) fn cast(root: BorrowedFd<'_>) -> Result<Self, Errno> {
        #[cfg(not(target_os = "linux"))]
        let _ = root;
        Ok(Self {
            #[cfg(target_os = "linux")]
            mount: mount::Mount::of(root)?,
        })
    }

    /// Returns whether this root is the same.
    pub(super) fn holds(&mut self, root: BorrowedFd<'_>) -> Result<bool, Errno> {
        #[cfg(target_os = "linux")]
        return self.mount.is_still(root);
        #[cfg(not(target_os = "linux"))]
        {
            let _ = root;
            Ok(true)
        }
    }
}

#[cfg(target_os = "linux")]
mod mount {
    use std::fs::File;
    use std::os::fd::BorrowedFd;

    use rustix::event::PollFd;
    use rustix::event::PollFlags;
    use rustix::fs::AtFlags;
    use rustix::fs::StatxFlags;
    use rustix::io::Errno;

    /// The file that is compared where a mount id says too little.
    const IDENTITY: &str = "dispatch.json";
    /// Ids of mounts that are never given again (statx(2), Linux 6.8).
    const MNT_ID_UNIQUE: StatxFlags = StatxFlags::from_bits_retain(0x4000);

    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    struct Ground {
        device: (u32, u32),
        inode: u64,
        mount: u64,
    }

    /// An identity file, as far as it can be told from another without opening it.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    struct Seen {
        inode: u64,
        size: u64,
        written: (i64, u32),
        changed: (i64, u32),
    }

    #[derive(Debug)]
    pub(super) struct Mount {
        /// `None` where this kernel does not tell; then nothing is noticed.
        ground: Option<Ground>,
        /// Whether a mount id may be given again after an unmount.
        forgets_ids: bool,
        /// Tells when any mount changed; only where ids are given again.
        table: Option<File>,
        identity: Option<Seen>,
        is_lost: bool,
    }

    impl Mount {
        pub(super) fn of(root: BorrowedFd<'_>) -> Result<Self, Errno> {
            let seen = ground(root)?;
            let mut mount = Self {
                ground: seen.map(|(ground, _)| ground),
                forgets_ids: seen.is_some_and(|(_, is_unique)| !is_unique),
                table: None,
                identity: None,
                is_lost: false,
            };
            if mount.forgets_ids {
                // Opened before the identity is read: what changes meanwhile is seen.
                mount.table = File::open("/proc/self/mountinfo").ok();
                mount.identity = identity(root)?;
            }
            Ok(mount)
        }

        pub(super) fn is_still(&mut self, root: BorrowedFd<'_>) -> Result<bool, Errno> {
            let Some(known) = self.ground else {
                return Ok(true);
            };
            if self.is_lost {
                return Ok(false);
            }
            let now = ground(root)?.map(|(ground, _)| ground);
            let is_same = now == Some(known)
                && (!self.forgets_ids || !self.has_changed() || identity(root)? == self.identity);
            // A change of the table is told once.
            self.is_lost = !is_same && self.forgets_ids;
            Ok(is_same)
        }

        /// Whether any mount changed since this was asked last; also where it cannot be asked.
        fn has_changed(&self) -> bool {
            let Some(table) = &self.table else {
                return true;
            };
            let mut asked = [PollFd::new(table, PollFlags::PRI)];
            let now = rustix::event::Timespec::default();
            match rustix::event::poll(&mut asked, Some(&now)) {
                Ok(_) => !asked[0].revents().is_empty(),
                Err(_) => true,
            }
        }
    }

    /// Returns what a root is in, and whether its mount has an id of its own for ever.
    fn ground(root: BorrowedFd<'_>) -> Result<Option<(Ground, bool)>, Errno> {
        let how = AtFlags::EMPTY_PATH | AtFlags::STATX_DONT_SYNC;
        let what = StatxFlags::INO | StatxFlags::MNT_ID | MNT_ID_UNIQUE;
        let seen = match rustix::fs::statx(root, "", how, what) {
            // A kernel or a system-call filter that does not know statx(2).
            Err(Errno::NOSYS | Errno::PERM | Errno::INVAL) => return Ok(None),
            seen => seen?,
        };
        let ground = Ground {
            device: (seen.stx_dev_major, seen.stx_dev_minor),
            inode: seen.stx_ino,
            mount: seen.stx_mnt_id,
        };
        Ok(Some((ground, seen.stx_mask & MNT_ID_UNIQUE.bits() != 0)))
    }

    fn identity(root: BorrowedFd<'_>) -> Result<Option<Seen>, Errno> {
        let what = StatxFlags::INO | StatxFlags::SIZE | StatxFlags::MTIME | StatxFlags::CTIME;
        match rustix::fs::statx(root, IDENTITY, AtFlags::SYMLINK_NOFOLLOW, what) {
            Err(Errno::NOENT) => Ok(None),
            seen => seen.map(|seen| {
                Some(Seen {
                    inode: seen.stx_ino,
                    size: seen.stx_size,
                    written: (seen.stx_mtime.tv_sec, seen.stx_mtime.tv_nsec),
                    changed: (seen.stx_ctime.tv_sec, seen.stx_ctime.tv_nsec),
                })
            }),
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;
        use std::io::Write as _;
        use std::os::fd::AsFd as _;
        use std::path::Path;

        fn write(dir: &Path, text: &str) {
            let mut how = std::fs::OpenOptions::new();
            let file = how.create(true).truncate(true).write(true);
            let mut file = file.open(dir.join(IDENTITY)).unwrap();
            file.write_all(text.as_bytes()).unwrap();
        }

        #[test]
        fn another_folder_is_another_ground_and_a_changed_table_compares_the_identity() {
            let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
            for dir in [&one, &other] {
                write(dir.path(), "ours");
            }
            let (one_fd, other_fd) = (
                File::open(one.path()).unwrap(),
                File::open(other.path()).unwrap(),
            );
            let mut mount = Mount::of(one_fd.as_fd()).unwrap();
            assert_eq!(mount.is_still(one_fd.as_fd()), Ok(true));
            assert_eq!(mount.is_still(other_fd.as_fd()), Ok(false));
            assert_eq!(mount.is_still(one_fd.as_fd()), Ok(true), "mounted back");
            // As a kernel before 6.8 tells it, without a table: the identity is compared each time.
            let mut mount = Mount::of(one_fd.as_fd()).unwrap();
            mount.identity = identity(one_fd.as_fd()).unwrap();
            mount.forgets_ids = true;
            assert_eq!(mount.is_still(one_fd.as_fd()), Ok(true));
            write(one.path(), "theirs");
            assert_eq!(mount.is_still(one_fd.as_fd()), Ok(false));
        }
    }
}
