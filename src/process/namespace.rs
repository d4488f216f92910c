//! Namespaces: the kernel's own promise that nothing outlives the first process, and a view without the host's
//! sockets.
//!
//! As root the namespaces are made directly; otherwise inside a user namespace that maps only our own user and
//! group, so that files keep their owner. Capabilities in it are needed for two mounts and dropped before the
//! agent.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;

use nix::mount::MsFlags;
use nix::mount::mount;
use nix::sched::CloneFlags;
use nix::unistd::getegid;
use nix::unistd::geteuid;
use rustix::thread::CapabilitySet;
use rustix::thread::CapabilitySets;

use super::Error;
use super::channel::Orders;
use super::to;

/// What even a root agent does not need, and what would undo its containment: mounts, tracing, the kernel itself.
const TAKEN_FROM_ROOT: [CapabilitySet; 6] = [
    CapabilitySet::SYS_ADMIN,
    CapabilitySet::SYS_PTRACE,
    CapabilitySet::SYS_MODULE,
    CapabilitySet::SYS_RAWIO,
    CapabilitySet::SYS_BOOT,
    CapabilitySet::MAC_ADMIN,
];

/// Enters new PID, mount and IPC namespaces; the next process started is number 1 in them.
///
/// # Errors
/// [`Error`]: not permitted here (user namespaces may be off or restricted), or no such kernel feature.
pub fn enter() -> Result<(), Error> {
    let inner = CloneFlags::CLONE_NEWPID | CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWIPC;
    let (user, group) = (geteuid(), getegid());
    if !(user.is_root() && nix::sched::unshare(inner).is_ok()) {
        nix::sched::unshare(inner | CloneFlags::CLONE_NEWUSER).map_err(to("make namespaces"))?;
        // user_namespaces(7): an unprivileged writer must give up setgroups(2) before it maps its group.
        write_proc("/proc/self/setgroups", "deny")?;
        write_proc("/proc/self/uid_map", &format!("{user} {user} 1"))?;
        write_proc("/proc/self/gid_map", &format!("{group} {group} 1"))?;
    }
    // Nothing mounted here may show up outside.
    mount(
        None::<&Path>,
        "/",
        None::<&Path>,
        MsFlags::MS_REC | MsFlags::MS_PRIVATE,
        None::<&Path>,
    )
    .map_err(to("make mounts private"))?;
    if !user.is_root() {
        // The next stage is reached by execve(2), which takes the namespace's capabilities from any user but root
        // unless they are ambient (capabilities(7)).
        let mut sets = rustix::thread::capabilities(None).map_err(to("read capabilities"))?;
        sets.inheritable = CapabilitySet::SYS_ADMIN;
        rustix::thread::set_capabilities(None, sets).map_err(to("set capabilities"))?;
        rustix::thread::configure_capability_in_ambient_set(CapabilitySet::SYS_ADMIN, true)
            .map_err(to("keep the capability to mount"))?;
    }
    Ok(())
}

fn write_proc(path: &'static str, text: &str) -> Result<(), Error> {
    OpenOptions::new()
        .write(true)
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(|source| Error::Path {
            action: "write",
            path: path.into(),
            source,
        })
}

/// As process 1: mounts a /proc of this namespace and covers what is to be hidden.
///
/// # Errors
/// [`Error`]; then the namespace is not usable, because the old /proc knows no process of it.
pub fn furnish(orders: &Orders) -> Result<(), Error> {
    if nix::unistd::getpid().as_raw() != 1 {
        return Err(Error::Refused {
            action: "enter a PID namespace",
            why: format!("this is process {}", nix::unistd::getpid()),
        });
    }
    let tight = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some("proc"), "/proc", Some("proc"), tight, None::<&Path>)
        .map_err(to("mount a private /proc"))?;
    if let Some(tmp) = &orders.tmp {
        mount(
            Some(tmp.as_path()),
            "/tmp",
            None::<&Path>,
            MsFlags::MS_BIND,
            None::<&Path>,
        )
        .map_err(to("mount a private /tmp"))?;
    }
    for path in &orders.hide {
        cover(path)?;
    }
    if !geteuid().is_root() {
        rustix::thread::clear_ambient_capability_set().map_err(to("drop capabilities"))?;
        let none = CapabilitySets {
            effective: CapabilitySet::empty(),
            permitted: CapabilitySet::empty(),
            inheritable: CapabilitySet::empty(),
        };
        rustix::thread::set_capabilities(None, none).map_err(to("drop capabilities"))?;
    }
    Ok(())
}

/// Covers a directory with an empty one, anything else with /dev/null.
fn cover(path: &Path) -> Result<(), Error> {
    let on = |source: nix::Error| Error::Path {
        action: "cover",
        path: path.to_owned(),
        source: source.into(),
    };
    match std::fs::symlink_metadata(path) {
        Ok(kind) if kind.is_dir() => mount(
            Some("tmpfs"),
            path,
            Some("tmpfs"),
            MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC | MsFlags::MS_RDONLY,
            Some("size=4k,nr_inodes=4,mode=0755"),
        )
        .map_err(on),
        Ok(kind) if !kind.is_symlink() => mount(
            Some("/dev/null"),
            path,
            None::<&Path>,
            MsFlags::MS_BIND,
            None::<&Path>,
        )
        .map_err(on),
        // Not there, not ours to see, or a link to something that is covered under its own name.
        _ => Ok(()),
    }
}

/// Just before the agent: takes from root what would undo the containment. Other users have no capabilities by now.
///
/// # Errors
/// [`Error::System`]
pub fn drop_capabilities(orders: &Orders) -> Result<(), Error> {
    if !geteuid().is_root() || !(orders.namespaces || orders.grants.is_some()) {
        return Ok(());
    }
    let held = rustix::thread::capabilities(None).map_err(to("read capabilities"))?;
    if !held.effective.contains(CapabilitySet::SETPCAP) {
        return Ok(());
    }
    for capability in TAKEN_FROM_ROOT {
        rustix::thread::remove_capability_from_bounding_set(capability)
            .map_err(to("drop capabilities"))?;
    }
    Ok(())
}
