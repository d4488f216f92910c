//! Two nodes in one folder, driven by the real programs in a cleared environment.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::BTreeMap;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::process::Stdio;
use std::sync::Arc;

use dispatch::attempt::local::Launcher;
use dispatch::attempt::local::LocalRunner;
use dispatch::chance::OsChance;
use dispatch::clock::Clock;
use dispatch::clock::SystemClock;
use dispatch::event;
use dispatch::flow::Memory;
use dispatch::flow::Node;
use dispatch::flow::Settings;
use dispatch::flow::root;
use dispatch::flow::send::Sender;
use dispatch::id::KeyId;
use dispatch::id::NodeName;
use dispatch::id::Nonce;
use dispatch::id::Party;
use dispatch::journal::FileTape;
use dispatch::journal::Journal;
use dispatch::key::Alg;
use dispatch::key::Key;
use dispatch::key::file::Guard;
use dispatch::key::file::Storage;
use dispatch::keyring::Drawer;
use dispatch::killswitch::Killswitch;
use dispatch::place::Lane;
use dispatch::policy::PeerPolicy;
use dispatch::share::FolderShare;
use dispatch::transport::FolderTransport;

/// Identity of the share.
const IDENTITY: &str = "00000000-0000-4000-8000-00000000005f";

/// What a program did.
pub struct Out {
    pub code: i32,
    pub out: String,
    pub err: String,
}

pub struct Pair {
    pub dir: tempfile::TempDir,
}

impl Pair {
    /// Lays out the share and two nodes; `rule` is when gpubox wants an approval.
    pub fn new(rule: &str) -> Self {
        let pair = Self {
            dir: tempfile::tempdir().unwrap(),
        };
        let gpubox = format!(
            "[peer.devbox]\naccept = true\nrequire_ack = \"{rule}\"\n[approver.alice]\nfor = \"all\"\n\
             [profile.default]\nagent = \"command\"\ncommand = [\"/bin/sh\"]\n"
        );
        for (node, rest) in [("devbox", "[peer.gpubox]\n"), ("gpubox", &gpubox)] {
            let home = pair.home(node);
            for folder in ["keys", "state"] {
                dispatch::disk::make_dir(&home.join(folder), 0o700).unwrap();
            }
            let text = format!(
                "node = \"{node}\"\nroot = \"{}\"\nroot_id = \"{IDENTITY}\"\nstate = \"{}\"\nkeys = \"{}\"\n{rest}",
                pair.share().display(),
                home.join("state").display(),
                home.join("keys").display()
            );
            let config = home.join("dispatch.toml");
            dispatch::disk::create_new(&config, text.as_bytes(), 0o600).unwrap();
            let peers = [party("devbox"), party("gpubox")];
            let kid = KeyId::parse("link1").unwrap();
            let now = SystemClock.wall();
            let secret = (1..33).collect();
            let key = Key::new(kid, Alg::Hs256, peers, now, secret).unwrap();
            let guard = Guard::new(Some(pair.share()), Storage::Insecure);
            guard.write(&home.join("keys"), &key).unwrap();
        }
        dispatch::disk::make_dir(&pair.share(), 0o770).unwrap();
        let sender = pair.sender("devbox");
        let back = Lane::new(NodeName::parse("gpubox").unwrap(), party("devbox"));
        root::lay_out(&*sender.transport, &[lane(), back], IDENTITY).unwrap();
        pair
    }

    pub fn share(&self) -> PathBuf {
        self.dir.path().join("share")
    }

    pub fn home(&self, node: &str) -> PathBuf {
        self.dir.path().join(node)
    }

    pub fn in_lane(&self, path: &str) -> PathBuf {
        self.share().join("devbox-to-gpubox").join(path)
    }

    /// What a program of this node works with.
    pub fn sender(&self, node: &str) -> Sender {
        let guard = Guard::new(Some(self.share()), Storage::Insecure);
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let share = Arc::new(FolderShare::at(&self.share()));
        Sender {
            transport: Arc::new(FolderTransport::over(
                share,
                Arc::clone(&clock),
                Arc::new(OsChance),
            )),
            clock,
            keys: Drawer::read(&self.home(node).join("keys"), &guard)
                .unwrap()
                .ring(),
            pools: std::collections::BTreeMap::new(),
        }
    }

    /// Starts a command without waiting for its end.
    pub fn start(&self, node: &str, args: &[&str]) -> std::process::Child {
        let mut command = self.command(node, env!("CARGO_BIN_EXE_dispatch"), args);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().unwrap()
    }

    fn command(&self, node: &str, program: &str, args: &[&str]) -> Command {
        let mut command = Command::new(program);
        command
            .args(args)
            .arg("--config")
            .arg(self.home(node).join("dispatch.toml"))
            .arg("--insecure-key")
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", self.dir.path());
        command
    }

    fn run(&self, node: &str, program: &str, args: &[&str]) -> Out {
        let done = self.command(node, program, args).output().unwrap();
        Out {
            code: done.status.code().unwrap_or(-1),
            out: String::from_utf8(done.stdout).unwrap(),
            err: String::from_utf8(done.stderr).unwrap(),
        }
    }

    pub fn dispatch(&self, node: &str, args: &[&str]) -> Out {
        self.run(node, env!("CARGO_BIN_EXE_dispatch"), args)
    }

    pub fn watch(&self, node: &str, args: &[&str]) -> Out {
        self.run(node, env!("CARGO_BIN_EXE_dispatch-watch"), args)
    }

    /// Lets gpubox do all there is to do.
    pub fn serve(&self) {
        let done = self.run("gpubox", env!("CARGO_BIN_EXE_dispatch-watch"), &["--once"]);
        assert!(matches!(done.code, 0 | 69), "{}", done.err);
    }

    /// Lets gpubox do all there is to do, while something else happens.
    pub fn serve_aside(&self) -> std::process::Child {
        Command::new(env!("CARGO_BIN_EXE_dispatch-watch"))
            .args(["--once", "--insecure-key", "--config"])
            .arg(self.home("gpubox").join("dispatch.toml"))
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", self.dir.path())
            .spawn()
            .unwrap()
    }

    /// Returns gpubox as a node under another clock.
    pub fn node(&self, clock: Arc<dyn Clock>) -> Node {
        let sender = self.sender("gpubox");
        let state = self.home("gpubox").join("state");
        let (tape, bytes) = FileTape::open(&state.join("journal")).unwrap();
        let now = clock.wall();
        let instance = Nonce::from_bits(1);
        let runner = LocalRunner::new(
            state.join("runs"),
            Launcher::Spawn(PathBuf::from("/bin/false")),
            BTreeMap::new(),
            Arc::clone(&clock),
        );
        let devbox = NodeName::parse("devbox").unwrap();
        let gpubox = NodeName::parse("gpubox").unwrap();
        Node {
            settings: Settings {
                node: gpubox.clone(),
                slots: 1,
                peers: BTreeMap::from([(devbox.clone(), PeerPolicy::default())]),
                pools: BTreeMap::new(),
                approvers: BTreeMap::new(),
                profiles: BTreeMap::new(),
                root_id: None,
                free_bytes_min: 0,
                lost_max: None,
                poll_ms: 1000,
                only: None,
                retry: dispatch::policy::Retry::default(),
            },
            keys: sender.keys,
            transport: sender.transport,
            clock,
            chance: Arc::new(OsChance),
            runner: Arc::new(runner.unwrap()),
            sink: Arc::new(event::Memory::default()),
            killswitch: Killswitch::new(gpubox, vec![devbox], vec![lane()], &state),
            journal: Journal::open(Box::new(tape), &bytes, now, instance).unwrap(),
            now: Memory::default(),
        }
    }

    /// Sends a line of shell from devbox and returns its id.
    pub fn send(&self, request: &str) -> String {
        let sent = self.dispatch("devbox", &["send", "--to", "gpubox", "--request", request]);
        assert_eq!(sent.code, 0, "{}", sent.err);
        sent.out.split('\t').next().unwrap().to_owned()
    }
}

pub fn party(text: &str) -> Party {
    Party::parse(text).unwrap()
}

pub fn lane() -> Lane {
    Lane::new(NodeName::parse("devbox").unwrap(), party("gpubox"))
}

/// Names in a folder, sorted.
pub fn names(folder: &Path) -> Vec<String> {
    dispatch::disk::list(folder).unwrap_or_default()
}
