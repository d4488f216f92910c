//! `dispatch init` on a share of its own: two hosts, repetition, and what it must not do.

use super::*;
use clap::Parser;

#[derive(Debug, Parser)]
struct Program {
    #[command(flatten)]
    args: Args,
}

/// Runs `dispatch init` with a share and a configuration of this folder.
fn init(folder: &Path, node: &str, more: &[&str]) -> Result<(), Failure> {
    let file = |name: &str| folder.join(name).display().to_string();
    let (root, config) = (file("share"), file(&format!("{node}.toml")));
    let given = [
        "init", "--quiet", "--root", &root, "--side", node, "--config", &config,
    ];
    let program = Program::try_parse_from(given.iter().chain(more)).unwrap();
    make(&program.args, &program.args.common().voice("dispatch")).map(drop)
}

fn load(folder: &Path, node: &str) -> Config {
    let config = Some(folder.join(format!("{node}.toml")));
    setup::load(
        config::Flags {
            config,
            ..config::Flags::default()
        },
        false,
    )
    .unwrap()
}

fn name(text: &str) -> NodeName {
    NodeName::parse(text).unwrap()
}

#[test]
fn two_hosts_lay_out_one_share_and_write_a_file_each() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    std::fs::create_dir(folder.join("share")).unwrap();
    init(folder, "devbox", &["--peer", "gpubox"]).unwrap();
    init(
        folder,
        "gpubox",
        &["--accept", "devbox", "--", "/bin/run", "-x"],
    )
    .unwrap();
    let (sender, runner) = (load(folder, "devbox"), load(folder, "gpubox"));
    assert!(sender.root_id.is_some());
    assert_eq!(sender.root_id, runner.root_id);
    assert!(!sender.peer(&name("gpubox")).unwrap().accept);
    assert!(runner.peer(&name("devbox")).unwrap().accept);
    assert_eq!(
        runner.profiles.values().next().unwrap().command,
        ["/bin/run", "-x"]
    );
    for place in [
        "devbox-to-gpubox/inbox",
        "gpubox-to-devbox/inbox",
        "heartbeats",
        "dispatch.json",
    ] {
        assert!(
            is_there(&folder.join("share").join(place)).unwrap(),
            "{place}"
        );
    }
}

#[test]
fn what_is_there_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    std::fs::create_dir(folder.join("share")).unwrap();
    init(folder, "devbox", &["--peer", "gpubox"]).unwrap();
    let before = load(folder, "devbox");
    init(folder, "devbox", &["--accept", "laptop"]).unwrap();
    assert_eq!(load(folder, "devbox"), before);
}

#[test]
fn a_share_that_is_not_mounted_is_not_made() {
    let folder = tempfile::tempdir().unwrap();
    let failure = init(folder.path(), "devbox", &["--peer", "gpubox"]).unwrap_err();
    assert_eq!(failure.exit(), Exit::NotFound);
    assert!(!is_there(&folder.path().join("share")).unwrap());
    assert!(
        !is_there(&folder.path().join("devbox.toml")).unwrap(),
        "nothing half done"
    );
}

#[test]
fn an_agent_of_kind_command_needs_its_command() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("share")).unwrap();
    let failure = init(folder.path(), "n", &["--agent", "command"]).unwrap_err();
    assert_eq!(failure.exit(), Exit::Usage);
    let failure = init(folder.path(), "n", &["--accept", "n"]).unwrap_err();
    assert_eq!(failure.exit(), Exit::Usage);
}

#[test]
fn the_watcher_can_read_the_file_and_nobody_else_can_change_it() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let deep = folder.path().join("etc");
    let path = deep.join("dispatch.toml");
    write(&path, b"").unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&deep), mode(&path)), (0o755, 0o644));
    assert!(
        write(&path, b"").is_err(),
        "what is there is never overwritten"
    );
}

#[test]
fn the_second_node_need_not_own_the_root_that_its_group_has_already() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("share");
    std::fs::create_dir(&root).unwrap();
    let ours = nix::unistd::getgid().to_string();
    hand_over(&root, &ours).unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode(&root), 0o2770);
    // What it has beyond that is another's choice, and only the owner could change it.
    std::fs::set_permissions(&root, std::fs::Permissions::from_mode(0o2775)).unwrap();
    hand_over(&root, &ours).unwrap();
    assert_eq!(mode(&root), 0o2775);
    assert_eq!(
        hand_over(&root, "no-such").unwrap_err().exit(),
        Exit::NotFound
    );
}

#[test]
fn a_pool_is_laid_out_by_its_members_and_by_who_sends_to_it() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    std::fs::create_dir(folder.join("share")).unwrap();
    init(folder, "devbox", &["--pool", "gpu=gpu1,gpu2"]).unwrap();
    let sender = load(folder, "devbox");
    assert_eq!(sender.pools[&name("gpu")].len(), 2);
    assert!(
        !sender.peer(&name("gpu2")).unwrap().accept,
        "known, so that its outcomes are"
    );
    let there = |place: &str| is_there(&folder.join("share").join(place)).unwrap();
    assert!(there("devbox-to-pool.gpu/inbox") && there("devbox-to-gpu1/inbox"));
    let member = [
        "--accept",
        "laptop",
        "--pool",
        "pool.gpu=gpu1,gpu2",
        "--",
        "/bin/run",
    ];
    init(folder, "gpu1", &member).unwrap();
    assert!(there("laptop-to-pool.gpu/processing") && !there("gpu1-to-pool.gpu"));
    let member = load(folder, "gpu1");
    assert!(
        member.peer(&name("gpu2")).is_err(),
        "members need no key of each other"
    );
    // Again, from what is written.
    init(folder, "gpu1", &[]).unwrap();
    let failure = Program::try_parse_from(["init", "--pool", "gpu"]).unwrap_err();
    assert!(failure.to_string().contains("gpu=gpu1,gpu2"), "{failure}");
}
