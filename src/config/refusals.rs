//! Every mistake is refused with its place and with what was probably meant.

use crate::config::Error;
use crate::config::tests::Host;

fn refusal(text: &str) -> String {
    Host::new(Some(text)).refusal()
}

#[test]
fn an_unknown_key_is_refused_with_its_place_and_the_key_that_was_meant() {
    assert_eq!(
        refusal("node = \"a\"\n\n[peer.devbox]\naccept = true\n  timout_max = \"5m\"\n"),
        "dispatch.toml:5:3: unknown key 'timout_max' in [peer.devbox]; the nearest is 'timeout_max'"
    );
    let said = refusal("colour = 1\n");
    assert!(
        said.starts_with("dispatch.toml:1:1: unknown key 'colour'; known: node, root,"),
        "{said}"
    );
    let said = refusal("[profile.x]\ncommand = [\"true\"]\nagent = \"claud\"\n");
    assert_eq!(
        said,
        "dispatch.toml:3:9: unknown word 'claud' in [profile.x]; the nearest is 'claude'"
    );
    assert!(refusal("[profile.x]\nworkspace = { dri = \"/\" }").contains("'dri'"));
}

#[test]
fn a_value_of_the_wrong_kind_says_what_was_wanted() {
    let said = refusal("poll = 5\n");
    assert!(
        said.starts_with("dispatch.toml:1:8: ") && said.contains("\"90s\""),
        "{said}"
    );
    assert!(refusal("poll = \"5\"\n").contains("'5' is not a duration"));
    assert!(refusal("node = \"a-to-b\"\n").contains("is not a node name"));
    assert!(refusal("[peer.A]\n").contains("dispatch.toml:1:7: 'A' is not a node name"));
    assert!(refusal("slots = -1\n").contains("expected a whole number"));
    assert!(refusal("slots = \n").starts_with("dispatch.toml:1:"));
    assert!(refusal("node = \"a\"\nnode = \"b\"\n").starts_with("dispatch.toml:2:1: "));
}

#[test]
fn one_reading_shows_every_mistake() {
    let said = refusal(
        r#"
node = "gpubox"
root = "mnt"
state = "/a/../b"
keys = "/mnt\u0007"
slots = 0
poll = "2m"
[share]
free_min = "9999999GiB"
[peer.devbox]
accept = true
profiles = ["gpu", "gpu", "gup"]
default_profile = "other"
timeout_max = "9d"
output_max = "0B"
[peer.gpubox]
[approver.alice]
[approver.bob]
for = ["devbx"]
[profile.gpu]
resources = ["gpu0", "gpu0"]
env = ["A=B", "DISPATCH_ROOT", "HOME"]
set = { CREDENTIALS_DIRECTORY = "/x" }
require_layers = ["wrapper"]
workspace = { dir = "work" }
[profile.other]
command = []
read = ["~"]
"#,
    );
    for expected in [
        "dispatch.toml:3:8: root 'mnt' is not an absolute path",
        "dispatch.toml:4:9: state '/a/../b' holds '..'",
        "dispatch.toml:5:8: keys '/mnt\\u{7}' holds a control character",
        "dispatch.toml:6:9: slots must be from 1 to 256",
        "dispatch.toml:7:8: poll must be from 50ms to 1m",
        "dispatch.toml:9:12: share.free_min must be from",
        "dispatch.toml:12:12: peer.devbox.profiles names 'gpu' twice",
        "dispatch.toml:12:27: peer 'devbox' may use profile 'gup', which does not exist; the nearest is 'gpu'",
        "dispatch.toml:13:19: peer.devbox.default_profile 'other' is not in peer.devbox.profiles",
        "dispatch.toml:14:15: peer.devbox.timeout_max must be from 1s to 7d",
        "dispatch.toml:15:14: peer.devbox.output_max must be from 1B to 1GiB",
        "dispatch.toml:16:7: peer 'gpubox' is this node itself",
        "dispatch.toml:17:11: approver.alice.for is missing",
        "dispatch.toml:19:7: approver 'bob' speaks for peer 'devbx', which does not exist; the nearest is 'devbox'",
        "dispatch.toml:20:10: profile.gpu.command is missing",
        "dispatch.toml:21:13: profile.gpu.resources names 'gpu0' twice",
        "dispatch.toml:22:7: profile.gpu.env 'A=B' is not the name of a variable",
        "dispatch.toml:22:7: profile.gpu.env 'DISPATCH_ROOT' is never given to an agent",
        "dispatch.toml:23:7: profile.gpu.set 'CREDENTIALS_DIRECTORY' is never given to an agent",
        "dispatch.toml:24:18: profile.gpu.require_layers demands a wrapper",
        "dispatch.toml:25:13: profile.gpu.workspace 'work' is not an absolute path",
        "dispatch.toml:27:11: profile.other.command names no program",
    ] {
        assert!(said.contains(expected), "missing: {expected}\n{said}");
    }
    let line = |said: &str| {
        said.split(':')
            .nth(1)
            .and_then(|line| line.parse::<u32>().ok())
    };
    let lines: Vec<Option<u32>> = said.lines().map(line).collect();
    assert_eq!(lines.len(), 22, "{said}");
    assert!(lines.is_sorted(), "in the order of the file:\n{said}");
}

#[test]
fn a_pool_has_members_and_who_sends_to_it_knows_them() {
    let said = refusal(
        "[peer.gpu1]\n[pool.gpu]\nmembers = [\"gpu1\", \"gpu1\", \"gpu3\", \"cpu\"]\n[pool.cpu]\n",
    );
    let expected = [
        "dispatch.toml:3:11: pool.gpu.members names 'gpu1' twice",
        "dispatch.toml:3:28: pool 'gpu' has the member 'gpu3', which is no peer of this node; \
         the nearest is 'gpu1'",
        "dispatch.toml:3:36: pool 'gpu' has the member 'cpu', which is no peer of this node; \
         there is no [peer.cpu]",
        "dispatch.toml:4:7: pool.cpu.members must name 1 to 64 nodes",
    ];
    assert_eq!(said.lines().collect::<Vec<_>>(), expected);
    let member = "node = \"gpu1\"\n[pool.gpu]\nmembers = [\"gpu1\", \"gpu2\"]\n";
    assert!(
        Host::new(Some(member)).load().is_ok(),
        "a member need not know the others"
    );
}

#[test]
fn an_accepted_peer_needs_a_profile_that_exists() {
    let said = refusal("[peer.devbox]\naccept = true\n[profile.gpu]\ncommand = [\"true\"]\n");
    assert_eq!(
        said,
        "dispatch.toml:1:7: peer 'devbox' may use profile 'default', which does not exist; \
         there is no [profile.default]"
    );
    assert!(
        Host::new(Some("[peer.devbox]\n[profile.gpu]\ncommand = [\"true\"]\n"))
            .load()
            .is_ok()
    );
}

#[test]
fn a_bound_that_the_agent_cannot_keep_is_refused() {
    let said =
        refusal("[profile.x]\nagent = \"codex\"\nmax_turns = 3\npermission_mode = \"yolo\"\n");
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines.len(), 2, "{said}");
    assert!(
        lines[0].starts_with("dispatch.toml:1:10: profile.x: agent 'codex' has no limit of turns"),
        "{said}"
    );
    assert!(lines[1].contains("has no permission mode 'yolo'"), "{said}");
}

#[test]
fn what_is_local_may_not_lie_on_the_share() {
    let host = Host::new(Some("root = \"/mnt/d\"\nstate = \"/mnt/d/state\"\n"))
        .with(&[("DISPATCH_KEYS", "/mnt/d/keys")]);
    let said = host.refusal();
    assert!(
        said.contains("dispatch.toml:2: state '/mnt/d/state' lies on the share '/mnt/d'"),
        "{said}"
    );
    assert!(
        said.contains("$DISPATCH_KEYS: keys '/mnt/d/keys' lies on the share"),
        "{said}"
    );
}

#[test]
fn a_variable_that_makes_no_sense_is_named() {
    let host = Host::new(None).with(&[
        ("DISPATCH_POLL_SEC", "soon"),
        ("DISPATCH_MAX_PARALLEL", "0"),
        ("DISPATCH_SIDE", "../x"),
        ("DISPATCH_NODE_A", ""),
    ]);
    let said = host.refusal();
    assert!(
        said.contains("$DISPATCH_POLL_SEC: 'soon' is not a number of seconds"),
        "{said}"
    );
    assert!(said.contains("$DISPATCH_MAX_PARALLEL: '0'"), "{said}");
    assert!(
        said.contains("$DISPATCH_SIDE: '../x' is not a node name"),
        "{said}"
    );
    assert_eq!(said.lines().count(), 3);
}

#[test]
fn a_file_that_was_named_must_be_there_and_be_a_file() {
    let mut host = Host::new(None);
    host.flags.config = Some("/nonexistent/dispatch.toml".into());
    assert!(matches!(host.load(), Err(Error::Read { .. })));
    host.flags.config = Some("/".into());
    assert!(matches!(
        host.load(),
        Err(Error::Unfit { .. } | Error::Read { .. })
    ));
    host.flags.config = Some("/dev/zero".into());
    assert!(matches!(host.load(), Err(Error::Unfit { .. })));
    host.flags.config = Some("/dev/null".into());
    assert_eq!(host.load().unwrap().peers.len(), 0);
    // Nobody named one, and the home of some services is no folder.
    let host = Host::new(None).with(&[("HOME", "/dev/null")]);
    assert_eq!(host.load().unwrap().file, None);
}

#[test]
fn what_is_probably_not_meant_is_said() {
    let text = "[peer.devbox]\naccept = true\nrequire_ack = \"always\"\n[profile.default]\ncommand = [\"true\"]\n";
    let warnings = Host::new(Some(text)).load().unwrap().warnings();
    assert_eq!(
        warnings,
        ["tasks of peer 'devbox' wait for an approval, and no approver may give it"]
    );
    let text = format!("{text}[approver.alice]\nfor = \"all\"\n");
    assert!(Host::new(Some(&text)).load().unwrap().warnings().is_empty());
}

proptest::proptest! {
    #[test]
    fn no_text_panics(text in "[a-z\\[\\].= \"\n0-9{}_~/#é]{0,80}") {
        let _ = Host::new(Some(&text)).load();
        let _ = Host::new(Some(&format!("[peer.a]\n{text}"))).load();
    }
}
