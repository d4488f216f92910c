//! The configuration from all its sources: what beats what, and the original's environment alone.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

use crate::config::*;
use crate::policy::AckRule;
use crate::policy::PeerPolicy;
use crate::profile::AgentKind;
use crate::profile::Workspace;

/// A home directory with a configuration file, and an environment made by hand.
pub(super) struct Host {
    pub(super) home: tempfile::TempDir,
    vars: BTreeMap<&'static str, OsString>,
    pub(super) flags: Flags,
    pub(super) sending: bool,
}

impl Host {
    /// A host whose only file is this one, or none.
    pub(super) fn new(file: Option<&str>) -> Self {
        let home = tempfile::tempdir().unwrap();
        let mut host = Self {
            vars: [("HOME", home.path().as_os_str().to_owned())].into(),
            home,
            flags: Flags::default(),
            sending: false,
        };
        match file {
            Some(text) => {
                let path = host.home.path().join("dispatch.toml");
                std::io::Write::write_all(&mut create(&path), text.as_bytes()).unwrap();
                host.flags.config = Some(path);
            }
            // The file of the machine that runs the test must not be read.
            None => assert!(!Path::new("/etc/dispatch/dispatch.toml").is_file()),
        }
        host
    }

    pub(super) fn with(mut self, vars: &[(&'static str, &str)]) -> Self {
        self.vars.extend(
            vars.iter()
                .map(|(name, value)| (*name, OsString::from(value))),
        );
        self
    }

    pub(super) fn load(&self) -> Result<Config, Error> {
        load(&Sources {
            flags: self.flags.clone(),
            lookup: &|name| self.vars.get(name).cloned(),
            cwd: PathBuf::from("/somewhere"),
            sending: self.sending,
        })
    }

    /// The whole message of a refusal, with the folder of the file cut away.
    pub(super) fn refusal(&self) -> String {
        let folder = format!("{}/", self.home.path().display());
        self.load().unwrap_err().to_string().replace(&folder, "")
    }
}

fn create(path: &Path) -> std::fs::File {
    std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(path)
        .unwrap()
}

pub(super) fn name(text: &str) -> NodeName {
    NodeName::parse(text).unwrap()
}

const FULL: &str = r#"
node = "gpubox"
root = "/mnt/dispatch"
root_id = "0198f1c2-0000-7000-8000-000000000000"
state = "~/state"
poll = "2s"
slots = 4

[watch]
on_shutdown = "stop"
executor = "/run/dispatch/exec.sock"

[share]
group = "dispatch"
free_min = "1GiB"
lost_max = "30m"

[peer.devbox]
accept = true
profiles = ["default", "gpu"]
default_profile = "gpu"
timeout_max = "5m"
require_ack = "always"
dangerous = true
rate = "60/h"
priority_max = "normal"

[peer.laptop]

[approver.alice]
for = ["devbox"]
may_grant_dangerous = true

[approver.root]
for = "all"

[profile.default]
command = ["~/bin/run", "--flag"]
set = { CI = "1" }

[profile.gpu]
agent = "claude"
workspace = { worktree = "~/repo" }
timeout = "2h"
stall = "5m"
max_output = "2MB"
max_cost_usd = "1.50"
resources = ["gpu0"]
require_layers = ["pidns"]
slots = 1
"#;

#[test]
fn a_whole_file_means_what_it_says() {
    let host = Host::new(Some(FULL));
    let config = host.load().unwrap();
    let home = host.home.path();
    assert_eq!(config.node().unwrap(), &name("gpubox"));
    assert_eq!(config.state().unwrap(), home.join("state"));
    assert_eq!(config.runs().unwrap(), home.join("state/runs"));
    assert_eq!(
        (config.poll, config.poll_idle),
        (Duration::from_secs(2), Duration::from_secs(5))
    );
    assert_eq!(config.watch.on_shutdown, OnShutdown::Stop);
    assert_eq!(
        config.watch.executor,
        Executor::Socket("/run/dispatch/exec.sock".into())
    );
    assert_eq!(config.share.free_bytes_min, 1 << 30);
    assert_eq!(config.share.lost_max, Some(Duration::from_secs(1800)));

    let devbox = config.peer(&name("devbox")).unwrap();
    assert_eq!(devbox.default_profile.as_str(), "gpu");
    assert_eq!(
        (devbox.timeout_max, devbox.require_ack),
        (Some(Duration::from_secs(300)), AckRule::Always)
    );
    assert_eq!(devbox.rate.to_string(), "60/h");
    assert_eq!(
        config.peer(&name("laptop")).unwrap(),
        &PeerPolicy::default()
    );
    let approvers: Vec<_> = config
        .approvers_of(&name("devbox"), true)
        .map(NodeName::as_str)
        .collect();
    assert_eq!(approvers, ["alice"]);

    let default = &config.profiles[&devbox.profiles[0]];
    assert_eq!(
        default.command,
        [home.join("bin/run").to_str().unwrap(), "--flag"]
    );
    assert_eq!((default.agent, default.slots), (AgentKind::Command, 4));
    let gpu = &config.profiles[&devbox.profiles[1]];
    assert_eq!(gpu.command, ["claude"]);
    assert_eq!(gpu.workspace, Workspace::Worktree(home.join("repo")));
    assert_eq!((gpu.max_cost_microusd, gpu.slots), (Some(1_500_000), 1));
}

#[test]
fn a_flag_beats_the_environment_beats_the_file_beats_the_default() {
    let origin = |host: &Host, key: &str| host.load().unwrap().origins.of(key).to_string();
    let file = Some("node = \"x\"\nroot = \"/file\"\n\n[peer.a]\n");
    let mut host = Host::new(file);
    assert!(origin(&host, "root").ends_with("dispatch.toml:2"));
    assert_eq!(origin(&host, "slots"), "default");
    host = host.with(&[("DISPATCH_ROOT", "share"), ("DISPATCH_MAX_PARALLEL", "7")]);
    assert_eq!(origin(&host, "root"), "$DISPATCH_ROOT");
    assert_eq!(
        host.load().unwrap().root().unwrap(),
        Path::new("/somewhere/share")
    );
    assert_eq!(host.load().unwrap().slots, 7);
    host.flags.root = Some("/flag".into());
    host.flags.slots = Some(3);
    assert_eq!(origin(&host, "root"), "--root");
    assert_eq!(host.load().unwrap().root().unwrap(), Path::new("/flag"));
    assert_eq!(
        (host.load().unwrap().slots, origin(&host, "slots").as_str()),
        (3, "--slots")
    );
}

#[test]
fn the_environment_of_the_original_is_enough_to_send_and_runs_nothing() {
    let mut host = Host::new(None).with(&[
        ("DISPATCH_ROOT", "/mnt/share"),
        ("DISPATCH_NODE_A", "devbox"),
        ("DISPATCH_NODE_B", "gpubox"),
        ("DISPATCH_POLL_SEC", "3"),
        ("DISPATCH_MAX_PARALLEL", "4"),
        ("DISPATCH_AGENT_BIN", "/opt/claude"),
        ("DISPATCH_EXEC_BIN", "/opt/dispatch-exec"),
        ("DISPATCH_STATE_FILE", "/tmp/state.json"),
        ("DISPATCH_FROM", "devbox"),
        ("DISPATCH_SIDE", "gpubox"),
    ]);
    let config = host.load().unwrap();
    assert_eq!(
        (config.file.as_ref(), config.node().unwrap().as_str()),
        (None, "gpubox")
    );
    assert_eq!(
        config
            .known_peers()
            .map(NodeName::as_str)
            .collect::<Vec<_>>(),
        ["devbox"]
    );
    assert_eq!(
        (config.poll, config.poll_idle),
        (Duration::from_secs(3), Duration::from_secs(3))
    );
    assert_eq!(config.slots, 4);
    assert_eq!(
        config.watch.exec_bin.as_deref(),
        Some(Path::new("/opt/dispatch-exec"))
    );
    assert_eq!(
        config.state_file.as_deref(),
        Some(Path::new("/tmp/state.json"))
    );
    let profile = config.profiles.values().next().unwrap();
    assert_eq!((profile.agent, profile.slots), (AgentKind::Claude, 4));
    assert_eq!(profile.command, ["/opt/claude"]);
    assert!(
        config.peers.values().all(|peer| !peer.accept),
        "sending needs no policy, running does"
    );

    host.sending = true;
    assert_eq!(host.load().unwrap().node().unwrap().as_str(), "devbox");
    host.flags.node = Some((name("gpubox"), "--from"));
    assert_eq!(host.load().unwrap().node().unwrap().as_str(), "gpubox");
}

#[test]
fn the_names_that_the_original_makes_up_count_only_among_themselves() {
    let peers = |vars: &[(&'static str, &str)]| {
        let config = Host::new(None).with(vars).load().unwrap();
        config.known_peers().cloned().collect::<Vec<_>>()
    };
    assert_eq!(peers(&[]), [name("a"), name("b")]);
    assert_eq!(peers(&[("DISPATCH_SIDE", "a")]), [name("b")]);
    assert_eq!(peers(&[("DISPATCH_SIDE", "gpubox")]), []);
    let named = [("DISPATCH_SIDE", "gpubox"), ("DISPATCH_NODE_A", "devbox")];
    assert_eq!(peers(&named), [name("devbox")]);
}

#[test]
fn three_lines_of_policy_let_the_original_run_its_agent() {
    let host = Host::new(Some("[peer.devbox]\naccept = true\nv2 = true\n")).with(&[
        ("DISPATCH_ROOT", "/mnt/share"),
        ("DISPATCH_NODE_A", "devbox"),
        ("DISPATCH_NODE_B", "gpubox"),
        ("DISPATCH_SIDE", "gpubox"),
        ("DISPATCH_AGENT_BIN", "/opt/claude"),
    ]);
    let config = host.load().unwrap();
    let devbox = config.peer(&name("devbox")).unwrap();
    assert!(devbox.accept && devbox.v2);
    assert_eq!(
        config.profiles[&devbox.default_profile].command,
        ["/opt/claude"]
    );
    assert!(
        !config.peers.contains_key(&name("a")),
        "a file makes no nodes up"
    );
}

#[test]
fn a_program_named_in_the_file_is_not_replaced_by_a_variable() {
    let text = "[profile.default]\nagent = \"claude\"\ncommand = [\"/bin/claude\"]\n";
    let host = Host::new(Some(text)).with(&[("DISPATCH_AGENT_BIN", "/opt/other")]);
    let config = host.load().unwrap();
    assert_eq!(
        config.profiles.values().next().unwrap().command,
        ["/bin/claude"]
    );
}

#[test]
fn a_peer_that_is_not_known_is_an_error_with_the_nearest_one() {
    let config = Host::new(Some("node = \"gpubox\"\n[peer.devbox]\n[peer.laptop]\n"))
        .load()
        .unwrap();
    let Err(Error::UnknownPeer { nearest, known, .. }) = config.peer(&name("devbx")) else {
        panic!("a typo makes no lane");
    };
    assert_eq!((nearest, known.len()), (Some(name("devbox")), 2));
    let said = config.peer(&name("gpubox")).unwrap_err().to_string();
    assert_eq!(
        said,
        "'gpubox' is not a peer of this node; known peers: devbox, laptop"
    );
}

#[test]
fn places_follow_the_service_manager_and_the_home_of_the_user() {
    let host = Host::new(Some("node = \"n\"\n"));
    let home = host.home.path().to_owned();
    let config = host.load().unwrap();
    assert_eq!(
        config.state().unwrap(),
        home.join(".local/state/dispatch/n")
    );
    assert_eq!(
        config.keys,
        [
            Path::new("/etc/dispatch/keys").to_owned(),
            home.join(".config/dispatch/keys")
        ]
    );
    let mut host = host.with(&[
        ("STATE_DIRECTORY", "/var/lib/dispatch"),
        ("CREDENTIALS_DIRECTORY", "/run/credentials/x"),
    ]);
    let config = host.load().unwrap();
    assert_eq!(config.state().unwrap(), Path::new("/var/lib/dispatch/n"));
    assert_eq!(config.keys[0], Path::new("/run/credentials/x"));
    host.flags.keys = Some("/my/keys".into());
    assert_eq!(host.load().unwrap().keys, [Path::new("/my/keys")]);
}
