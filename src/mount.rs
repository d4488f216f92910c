//! The mount table of this host, read without touching what is mounted: a lost server hangs whoever looks at its path,
//! never whoever reads `/proc/self/mountinfo` (proc(5)).
//!
//! What a filesystem is good for is not decided here, only which kind it is.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::Path;
use std::path::PathBuf;

use serde::Deserialize;
use serde::Serialize;

use crate::disk;

/// The table of this process.
const TABLE: &str = "/proc/self/mountinfo";
/// Largest table that is read: a host of containers has thousands of lines.
const TABLE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// What a filesystem is, as far as its name tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Family {
    /// NFS of any version.
    Nfs,
    /// SMB, by cifs.ko.
    Smb,
    /// A cluster filesystem that keeps its clients coherent.
    Cluster,
    /// A disk, or memory, of this host.
    Local,
    /// FAT: made for one machine.
    Fat,
    /// A folder that a hypervisor or container passes through.
    Passed,
    /// sshfs.
    Sshfs,
    /// An object store or a sync program that looks like a filesystem.
    Store,
    /// Any other program in user space.
    Fuse,
    /// Not known here.
    Other,
}

/// One line of the table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mount {
    /// Number of the mount, unique while it is mounted.
    pub id: u32,
    /// Where it is mounted.
    pub point: PathBuf,
    /// Type of the filesystem, with its subtype: `nfs4`, `fuse.sshfs`.
    pub kind: String,
    /// What is mounted: `server:/export`, `//server/share`, a device.
    pub source: String,
    /// Options of the mount and of the filesystem, in that order.
    pub options: Vec<String>,
}

impl Mount {
    /// Returns the kind of filesystem.
    #[must_use]
    pub fn family(&self) -> Family {
        let kind = self.kind.as_str();
        let program = kind.strip_prefix("fuse.").or(kind.strip_prefix("fuseblk."));
        match program.unwrap_or(kind) {
            "nfs" | "nfs4" => Family::Nfs,
            "cifs" | "smb3" | "smbfs" => Family::Smb,
            "ceph" | "lustre" | "gpfs" | "beegfs" | "ocfs2" | "gfs2" | "ceph-fuse" => {
                Family::Cluster
            }
            "ext2" | "ext3" | "ext4" | "xfs" | "btrfs" | "zfs" | "f2fs" | "bcachefs" | "jfs"
            | "tmpfs" | "ramfs" | "overlay" | "ecryptfs" | "hostfs" | "apfs" | "hfs" | "ufs" => {
                Family::Local
            }
            "vfat" | "msdos" | "exfat" => Family::Fat,
            "9p" | "virtiofs" | "drvfs" | "vboxsf" | "vmhgfs" | "vmhgfs-fuse" | "prl_fs"
            | "grpcfuse" | "osxfs" => Family::Passed,
            "sshfs" => Family::Sshfs,
            "s3fs"
            | "rclone"
            | "gcsfuse"
            | "goofys"
            | "geesefs"
            | "mount-s3"
            | "blobfuse"
            | "blobfuse2"
            | "davfs"
            | "davfs2"
            | "google-drive-ocamlfuse"
            | "onedriver"
            | "dropbox"
            | "insync"
            | "seadrive"
            | "gvfsd-fuse" => Family::Store,
            "fuse" | "fuseblk" => match self.source.as_str() {
                "s3fs" | "rclone" | "gcsfuse" | "goofys" | "mountpoint-s3" | "blobfuse2" => {
                    Family::Store
                }
                _ => Family::Fuse,
            },
            _ if program.is_some() => Family::Fuse,
            _ => Family::Other,
        }
    }

    /// Returns whether an option is set, as `name` or `name=value`.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.options.iter().any(|option| key(option) == name)
    }

    /// Returns the value of an option; the last one counts.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&str> {
        let found = self.options.iter().rev();
        let mut found = found.filter(|option| key(option) == name);
        found.next()?.split_once('=').map(|(_, value)| value)
    }

    /// Returns the type and the source as a person would name them.
    #[must_use]
    pub fn title(&self) -> String {
        let version = self.value("vers").map(|vers| format!(" {vers}"));
        format!(
            "{}{} '{}'",
            self.kind,
            version.unwrap_or_default(),
            self.source
        )
    }
}

fn key(option: &str) -> &str {
    option.split_once('=').map_or(option, |(key, _)| key)
}

/// The mounts of this host, oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Table(Vec<Mount>);

impl Table {
    /// Reads the table.
    ///
    /// # Errors
    /// [`disk::Error`]: there is no such file on other systems than Linux.
    pub fn read() -> Result<Self, disk::Error> {
        let bytes = disk::read_bounded(Path::new(TABLE), TABLE_BYTES_MAX)?;
        Ok(Self::parse(&bytes))
    }

    /// Reads the lines of a table; one that is not understood is left out.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Self {
        let lines = bytes.split(|byte| *byte == b'\n');
        Self(lines.filter_map(mount).collect())
    }

    /// Returns what is mounted where this path lies. The path is taken as it is written: resolve links first, where
    /// that cannot hang.
    #[must_use]
    pub fn of(&self, path: &Path) -> Option<&Mount> {
        let above = self.0.iter().filter(|mount| path.starts_with(&mount.point));
        // The longest; of several at one place the last one mounted, which covers the others.
        above.max_by_key(|mount| mount.point.as_os_str().len())
    }

    /// Returns what is mounted below this path.
    #[must_use]
    pub fn below(&self, path: &Path) -> Vec<&Mount> {
        let inside = |mount: &&Mount| mount.point != path && mount.point.starts_with(path);
        self.0.iter().filter(inside).collect()
    }
}

/// `ID PARENT MAJOR:MINOR ROOT POINT OPTIONS [FIELDS..] - TYPE SOURCE OPTIONS`
fn mount(line: &[u8]) -> Option<Mount> {
    let words: Vec<&[u8]> = line.split(|byte| *byte == b' ').collect();
    let dash = words.iter().position(|word| *word == b"-")?;
    let [id, _, _, _, point, options, ..] = words[..dash] else {
        return None;
    };
    let [kind, source, rest @ ..] = &words[dash + 1..] else {
        return None;
    };
    let text = |bytes: &[u8]| plain(bytes).to_string_lossy().into_owned();
    let mut all: Vec<String> = text(options).split(',').map(str::to_owned).collect();
    if let Some(more) = rest.first() {
        all.extend(text(more).split(',').map(str::to_owned));
    }
    Some(Mount {
        id: std::str::from_utf8(id).ok()?.parse().ok()?,
        point: PathBuf::from(plain(point)),
        kind: text(kind),
        source: text(source),
        options: all,
    })
}

/// Blanks and the like stand as `\040` in the table.
fn plain(bytes: &[u8]) -> OsString {
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((first, tail)) = rest.split_first() {
        let octal = |digits: &[u8]| {
            let text = std::str::from_utf8(digits).ok()?;
            u8::from_str_radix(text, 8).ok()
        };
        match tail.get(..3).and_then(octal) {
            Some(byte) if *first == b'\\' => {
                out.push(byte);
                rest = &tail[3..];
            }
            _ => {
                out.push(*first);
                rest = tail;
            }
        }
    }
    OsString::from_vec(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECORDED: &str = "\
22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 254:0 / / rw,relatime - ext4 /dev/vda rw,discard
61 27 0:52 / /mnt/a rw,relatime shared:30 - nfs 10.99.0.1:/export \
rw,vers=3,rsize=131072,namlen=255,hard,proto=tcp,timeo=600,retrans=2,sec=sys,local_lock=none,addr=10.99.0.1
62 27 0:53 / /mnt/b rw,relatime - nfs4 10.99.0.1:/ rw,vers=4.2,soft,nocto,acdirmax=120
63 27 0:54 / /mnt/with\\040blank rw - cifs //10.99.0.254/share rw,vers=3.1.1,cache=strict,username=root,soft,nounix
64 27 0:55 / /mnt/s rw - fuse.sshfs dev@host:/srv rw,user_id=0,group_id=0
65 27 0:56 / /mnt/r rw - fuse.rclone remote: rw
66 27 0:57 / /mnt/t rw - fuse.twin server:/export rw,default_permissions,allow_other
67 61 0:58 / /mnt/a/inner rw - tmpfs tmpfs rw
68 27 0:59 / /mnt/a rw - tmpfs cover rw
69 27 0:60 / /mnt/p rw - fuse s3fs rw
not a line of a table
";

    fn table() -> Table {
        Table::parse(RECORDED.as_bytes())
    }

    #[test]
    fn recorded_lines_are_understood() {
        let table = table();
        let at = |path: &str| table.of(Path::new(path)).unwrap();
        assert_eq!(at("/home/x").kind, "ext4");
        assert_eq!(at("/mnt/b/q").value("vers"), Some("4.2"));
        assert!(at("/mnt/b").has("nocto") && at("/mnt/b").has("soft"));
        assert_eq!(at("/mnt/with blank/x").source, "//10.99.0.254/share");
        assert_eq!(at("/mnt/a/inner/y").kind, "tmpfs");
        assert_eq!(
            at("/mnt/a").source,
            "cover",
            "the last one mounted covers the others"
        );
        assert_eq!(
            at("/mnt/ab").kind,
            "ext4",
            "a name that merely begins alike"
        );
        let below: Vec<u32> = table
            .below(Path::new("/mnt/a"))
            .iter()
            .map(|mount| mount.id)
            .collect();
        assert_eq!(below, [67]);
    }

    #[test]
    fn each_kind_has_its_family() {
        let table = table();
        let of = |path: &str| table.of(Path::new(path)).unwrap().family();
        assert_eq!(of("/"), Family::Local);
        assert_eq!(of("/mnt/b"), Family::Nfs);
        assert_eq!(of("/mnt/with blank"), Family::Smb);
        assert_eq!(of("/mnt/s"), Family::Sshfs);
        assert_eq!(of("/mnt/r"), Family::Store);
        assert_eq!(of("/mnt/p"), Family::Store);
        assert_eq!(of("/mnt/t"), Family::Fuse);
        assert_eq!(of("/proc"), Family::Other);
        assert_eq!(
            table.of(Path::new("/mnt/b")).unwrap().title(),
            "nfs4 4.2 '10.99.0.1:/'"
        );
    }

    #[test]
    fn nonsense_is_left_out() {
        for bad in [
            "",
            "-",
            "1 2 - x",
            "1 2 3 4 /p rw -",
            "x 1 0:1 / /p rw - ext4 d rw",
            "\\\\\\ - - -",
        ] {
            assert_eq!(Table::parse(bad.as_bytes()), Table::default(), "{bad}");
        }
    }
}
