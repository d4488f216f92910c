//! `dispatch-notify` as a program, against a server on loopback and a log that is really written.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]
#![expect(
    clippy::disallowed_methods,
    reason = "runs programs and writes their inputs"
)]

mod delivery;
mod encrypted;
mod poison;
mod server;

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;
use std::process::Stdio;
use std::sync::Arc;

use dispatch::audit::LocalLog;
use dispatch::audit::Writer;
use dispatch::chance::OsChance;
use dispatch::clock::SystemClock;
use dispatch::event::Event;
use dispatch::event::Sink as _;
use dispatch::event::Word;
use dispatch::id::NodeName;
use dispatch::id::Party;
use dispatch::id::TaskId;
use dispatch::outcome::Status;

use crate::programs::Said;

/// The key of every signature here.
const SECRET: &str = "0123456789abcdef-of-a-test";
/// The task of every event here.
const TASK: &str = "0198f1c2-0000-7000-8000-000000000001";

/// One node with a log and destinations.
struct Host {
    dir: tempfile::TempDir,
}

impl Host {
    /// `tables` are those of the destinations; `SECRET` in them stands for a file of that name.
    fn new(tables: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let host = Self { dir };
        let secret = host.secret("secret", SECRET, 0o600);
        let text = format!(
            "node = \"gpubox\"\nroot = \"{}\"\nstate = \"{}\"\n[peer.devbox]\n{}\n",
            host.path("share").display(),
            host.path("state").display(),
            tables.replace("SECRET", &secret.display().to_string()),
        );
        std::fs::write(host.path("dispatch.toml"), text).unwrap();
        host
    }

    /// A host with one webhook, which has already begun to follow the log.
    fn with_webhook(url: &str, more: &str) -> Self {
        let host = Self::new(&format!(
            "[notify.ops]\nservice = \"webhook\"\nurl = \"{url}\"\nsecret_file = \"SECRET\"\n\
             allow_private = true\n{more}"
        ));
        assert_eq!(host.run(&["--once"]).status, 0);
        host
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn secret(&self, name: &str, text: &str, mode: u32) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let bin = env!("CARGO_BIN_EXE_dispatch-notify");
        let mut command = Command::new(bin);
        command
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .args(arguments)
            .arg("--config")
            .arg(self.path("dispatch.toml"))
            .stdin(Stdio::null());
        command
    }

    fn run(&self, arguments: &[&str]) -> Said {
        self.command(arguments).output().unwrap().into()
    }

    /// Returns where the destination `ops` stands.
    fn state(&self) -> serde_json::Value {
        let said = self.run(&["--list", "--json"]);
        serde_json::from_str(&said.out).unwrap()
    }

    /// A watcher that begins, tells this and ends.
    fn tell(&self, event: &Event) {
        let (audit, node) = (self.path("state/audit"), NodeName::parse("gpubox").unwrap());
        let (clock, chance) = (Arc::new(SystemClock), Arc::new(OsChance));
        let log = LocalLog::new(&audit, &node, Writer::Watch, clock, chance);
        log.tell(event);
        assert_eq!(log.losses().events, 0);
    }

    fn ends(&self, status: Status) {
        self.tell(&ended(status));
    }
}

/// A task of devbox that ended.
fn ended(status: Status) -> Event {
    let event = Event::of(Word::TaskExecEnd).task(TaskId::parse(TASK).unwrap());
    let event = event.peer(Party::parse("devbox").unwrap());
    Event {
        status: Some(status),
        ..event
    }
}
