//! Twin mounts: one file server in memory, mounted twice, with the caches of a real kernel on either side. The two
//! mounts are two hosts as far as any program can tell, and the server misbehaves as it is told ([`Manner`]).
//!
//! `Twin::mount(Manner::honest())` answers `None`, and says so, where this machine cannot mount (no root, no
//! `/dev/fuse`). `twin.path(0)` and `twin.path(1)` are the two hosts' folders; `twin.change(|manner| ..)` changes the
//! server's ways from then on; `twin.hang(0)` withholds every reply from a host until `twin.resume(0)`. A process
//! that waits for a withheld reply cannot be killed before it comes (as on a hard mount it could): resume before
//! waiting for it. Everything is unmounted when the value is dropped.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]
#![allow(dead_code, reason = "a kit: not every test needs all of it")]

mod client;
mod itself;
pub mod manner;
mod memory;
mod server;

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use fuser::BackgroundSession;
use fuser::MountOption;
use fuser::SessionACL;
use nix::mount::MntFlags;

pub use self::manner::Manner;
use self::memory::Client;
use self::server::Server;

/// Threads that answer one mount.
const THREADS: usize = 8;

/// One server, mounted twice.
pub struct Twin {
    server: Arc<Server>,
    sessions: Vec<BackgroundSession>,
    dir: tempfile::TempDir,
}

impl Twin {
    /// Mounts a server of this manner twice; `None` where this machine cannot, which is said on stderr.
    pub fn mount(manner: Manner) -> Option<Self> {
        Self::mount_as(manner, "server:/export")
    }

    /// As [`Twin::mount`], under another name in the mount table: programs in user space are told apart by it.
    pub fn mount_as(manner: Manner, source: &str) -> Option<Self> {
        let server = Arc::new(Server::new(manner));
        let dir = tempfile::tempdir().unwrap();
        let mut sessions = Vec::new();
        for (which, name) in ["a", "b"].into_iter().enumerate() {
            let path = dir.path().join(name);
            std::fs::create_dir(&path).unwrap();
            let mut config = fuser::Config::default();
            config.mount_options = vec![
                MountOption::FSName(source.to_owned()),
                MountOption::DefaultPermissions,
            ];
            config.acl = SessionACL::All;
            config.n_threads = Some(THREADS);
            let client = Client::new(Arc::clone(&server), which);
            match fuser::spawn_mount(client, &path, &config) {
                Ok(session) => sessions.push(session),
                Err(error) => {
                    let why = format!("NOT RUN: cannot mount with FUSE here: {error}\n");
                    // Past the harness, which swallows what a passing test prints.
                    let _ = std::io::stderr().write_all(why.as_bytes());
                    return None;
                }
            }
        }
        Some(Self {
            server,
            sessions,
            dir,
        })
    }

    /// The folder as a host sees it: 0 or 1.
    pub fn path(&self, host: usize) -> PathBuf {
        self.dir.path().join(["a", "b"][host])
    }

    /// Changes the server's ways.
    pub fn change(&self, change: impl FnOnce(&mut Manner)) {
        change(&mut self.server.lock().manner);
    }

    /// Withholds every reply from a host.
    pub fn hang(&self, host: usize) {
        self.server.silence(host, true);
    }

    /// Gives a host its replies again, those withheld first.
    pub fn resume(&self, host: usize) {
        self.server.silence(host, false);
    }
}

impl Drop for Twin {
    fn drop(&mut self) {
        for host in 0..2 {
            self.resume(host);
            // Whoever still has something open there keeps it; the name is free at once.
            let _ = nix::mount::umount2(&self.path(host), MntFlags::MNT_DETACH);
        }
        self.sessions.clear();
    }
}
