//! A cgroup of one's own: everything in it ends with one write, whatever it forked (cgroups(7), Linux 5.14).
//!
//! Named after the attempt, so that it is found again when its executor is gone. Only where the host gave us
//! the right to make one: root, `Delegate=yes`, or a systemd user session. A crash leaves an empty directory
//! below the executor's own cgroup, which goes when the unit goes.

use std::fs::File;
use std::fs::OpenOptions;
use std::io::Read;
use std::io::Write;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

use super::Error;
use crate::clock::Clock;

/// What the names of our cgroups begin with.
const PREFIX: &str = "dispatch.";

/// Between two looks at a cgroup that is about to be empty.
const LOOK: Duration = Duration::from_millis(1);

/// A cgroup made for one agent; removed when dropped.
#[derive(Debug)]
pub struct Cgroup {
    path: PathBuf,
}

fn on(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::Path {
        action,
        path,
        source,
    }
}

fn read(path: &Path) -> Result<String, Error> {
    let mut text = String::new();
    File::open(path)
        .and_then(|file| file.take(1024 * 1024).read_to_string(&mut text))
        .map_err(on("read", path))?;
    Ok(text)
}

fn write(path: &Path, text: &str) -> Result<(), Error> {
    OpenOptions::new()
        .write(true)
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(on("write", path))
}

impl Cgroup {
    /// Makes the cgroup of this name below our own.
    ///
    /// # Errors
    /// [`Error`]: no unified hierarchy, not delegated to us, or a kernel without `cgroup.kill`.
    pub fn create(name: &str) -> Result<Self, Error> {
        let path = own_directory()?.join(format!("{PREFIX}{name}"));
        std::fs::create_dir(&path).map_err(on("make cgroup", &path))?;
        let made = Self { path };
        // Asked of the kernel now, not when it matters.
        read(&made.path.join("cgroup.procs"))?;
        std::fs::metadata(made.path.join("cgroup.kill"))
            .map_err(on("find", &made.path.join("cgroup.kill")))?;
        Ok(made)
    }

    /// Finds the cgroup of this name below our own, where an executor left it.
    #[must_use]
    pub fn find(name: &str) -> Option<Self> {
        let path = own_directory().ok()?.join(format!("{PREFIX}{name}"));
        std::fs::metadata(&path).ok()?;
        Some(Self { path })
    }

    /// Ends everything in it and waits until it is empty, at most for `patience`.
    pub fn end(&self, patience: Duration, clock: &dyn Clock) {
        let began = clock.monotonic();
        let empty =
            || read(&self.path.join("cgroup.procs")).is_ok_and(|processes| processes.is_empty());
        while self.kill().is_ok() && !empty() && clock.monotonic().since(began) < patience {
            clock.sleep(LOOK);
        }
    }

    /// Returns the directory, for `join`.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Ends everything in it.
    ///
    /// # Errors
    /// [`Error::Path`]
    pub fn kill(&self) -> Result<(), Error> {
        write(&self.path.join("cgroup.kill"), "1")
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        // Busy only while something in it is not reaped; then the unit removes it.
        let _ = std::fs::remove_dir(&self.path);
    }
}

/// Moves this process into a cgroup.
///
/// # Errors
/// [`Error::Path`]: not permitted, or gone.
pub(super) fn join(path: &Path) -> Result<(), Error> {
    write(&path.join("cgroup.procs"), "0")
}

/// Returns whether a service manager runs us, and nothing else, in a unit of our own template: then it ends the whole
/// group with us (systemd.kill(5), KillMode=control-group, which our unit sets).
#[must_use]
pub fn is_own_unit() -> bool {
    read(Path::new("/proc/self/cgroup")).is_ok_and(|membership| names_own_unit(&membership))
}

fn names_own_unit(membership: &str) -> bool {
    let own = |line: &str| {
        let unit = line.rsplit('/').next().unwrap_or_default();
        // With the old hierarchies the service manager's own is the one of this name (cgroups(7)).
        (line.starts_with("0::/") || line.contains(":name=systemd:/"))
            && unit.starts_with("dispatch-exec@")
            && unit.ends_with(".service")
    };
    membership.lines().any(own)
}

/// Finds the directory of our own cgroup in the unified hierarchy, wherever that is mounted.
fn own_directory() -> Result<PathBuf, Error> {
    let refused = |why: &str| Error::Refused {
        action: "make a cgroup",
        why: why.to_owned(),
    };
    let membership = read(Path::new("/proc/self/cgroup"))?;
    let inside = membership
        .lines()
        .find_map(|line| line.strip_prefix("0::/"))
        .ok_or_else(|| refused("not in a unified hierarchy"))?;
    let mounts = read(Path::new("/proc/self/mountinfo"))?;
    let mountpoint = mounts
        .lines()
        .find_map(unified_mountpoint)
        .ok_or_else(|| refused("no unified hierarchy is mounted"))?;
    Ok(Path::new(mountpoint).join(inside))
}

/// Returns the mount point of a line of mountinfo that mounts a whole cgroup2 hierarchy (proc(5)).
fn unified_mountpoint(line: &str) -> Option<&str> {
    let (place, kind) = line.split_once(" - ")?;
    kind.starts_with("cgroup2 ").then_some(())?;
    let mut fields = place.split(' ').skip(3);
    let (root, mountpoint) = (fields.next()?, fields.next()?);
    (root == "/").then_some(mountpoint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_unified_hierarchy_counts() {
        let whole = "35 24 0:30 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw";
        let part = "35 24 0:30 /x /sys/fs/cgroup rw - cgroup2 cgroup2 rw";
        let old = "36 24 0:31 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids";
        assert_eq!(unified_mountpoint(whole), Some("/sys/fs/cgroup"));
        assert_eq!(unified_mountpoint(part), None);
        assert_eq!(unified_mountpoint(old), None);
    }

    #[test]
    fn a_unit_of_our_template_is_known_by_its_name() {
        let unit = "0::/system.slice/system-dispatch\\x2dexec.slice/dispatch-exec@3-7-0.service\n";
        assert!(names_own_unit(unit));
        assert!(names_own_unit(
            "1:name=systemd:/system.slice/dispatch-exec@1.service"
        ));
        assert!(!names_own_unit(
            "0::/system.slice/dispatch-watch@gpubox.service"
        ));
        assert!(!names_own_unit("4:memory:/dispatch-exec@1.service"));
        assert!(!names_own_unit("0::/dispatch-exec@1.service/session"));
    }
}
