//! `dispatch init` and `dispatch config`, as programs in a cleared environment.

#![expect(
    clippy::disallowed_methods,
    reason = "runs programs, makes their files"
)]

use std::path::Path;
use std::process::Command;

/// What a program said.
struct Said {
    status: Option<i32>,
    answer: String,
    aside: String,
}

/// Runs `dispatch` with nothing in its environment but a home and these variables.
fn dispatch(home: &Path, vars: &[(&str, &str)], args: &[&str]) -> Said {
    let output = Command::new(env!("CARGO_BIN_EXE_dispatch"))
        .args(args)
        .env_clear()
        .env("HOME", home)
        .envs(vars.iter().copied())
        .current_dir(home)
        .output()
        .expect("the program was built");
    let text =
        |bytes: &[u8]| String::from_utf8_lossy(bytes).replace(&home.display().to_string(), "~");
    Said {
        status: output.status.code(),
        answer: text(&output.stdout),
        aside: text(&output.stderr),
    }
}

fn home() -> tempfile::TempDir {
    let home = tempfile::tempdir().expect("a temporary folder");
    std::fs::create_dir(home.path().join("share")).expect("a folder in it");
    home
}

#[test]
fn what_init_writes_is_in_force_and_free_of_doubts() {
    let home = home();
    let home = home.path();
    let args = [
        "init", "--root", "share", "--side", "gpubox", "--accept", "devbox", "--", "cat",
    ];
    let first = dispatch(home, &[], &args);
    assert_eq!(first.status, Some(0), "{}", first.aside);
    let (id, root) = first.answer.trim_end().split_once('\t').unwrap();
    assert_eq!(root, "~/share");
    let checked = dispatch(home, &[], &["config", "--check"]);
    assert_eq!(
        (
            checked.status,
            checked.answer.as_str(),
            checked.aside.as_str()
        ),
        (Some(0), "", "")
    );
    let rows = dispatch(home, &[], &["config", "--changed"]).answer;
    let keys: Vec<&str> = rows
        .lines()
        .filter_map(|row| row.split_whitespace().next())
        .collect();
    assert_eq!(
        keys,
        [
            "node",
            "root",
            "root_id",
            "peer.devbox.accept",
            "profile.default.agent",
            "profile.default.command"
        ]
    );
    assert!(
        rows.contains(id) && rows.contains("~/.config/dispatch/dispatch.toml:"),
        "{rows}"
    );
    // The other host names the same share: it takes over its identity.
    let other = [
        "init",
        "--root",
        "share",
        "--side",
        "devbox",
        "--peer",
        "gpubox",
        "--config",
        "other.toml",
    ];
    assert_eq!(dispatch(home, &[], &other).answer, first.answer);
    // Once more, by its own file: nothing is asked for and nothing is changed.
    assert_eq!(dispatch(home, &[], &["init"]).answer, first.answer);
}

#[test]
fn a_member_of_a_pool_is_told_what_comes_next_and_what_the_share_is_good_for() {
    let home = home();
    let init = |node: &str, more: &[&str]| {
        let file = format!("{node}.toml");
        let args = ["init", "--root", "share", "--side", node, "--config", &file];
        let said = dispatch(home.path(), &[], &[&args, more].concat());
        assert_eq!(said.status, Some(0), "{}", said.aside);
        said.aside
    };
    let pool = ["--pool", "gpu=gpu1,gpu2"];
    let member = init(
        "gpu1",
        &[&pool[..], &["--accept", "devbox", "--", "cat"]].concat(),
    );
    for told in [
        "the share is good for everything, as far as one host can tell: MULTI",
        "there 'dispatch key export pool.gpu | ssh gpu1 dispatch key import'",
        "[approver.NAME]",
        "'dispatch doctor --pair --with gpu1' on gpu2",
        "dispatch-watch --check && dispatch-watch",
    ] {
        assert!(member.contains(told), "{told}: {member}");
    }
    let sender = init("devbox", &pool);
    for told in [
        "dispatch key new-link pool.gpu' here",
        "'dispatch-watch' here too",
    ] {
        assert!(sender.contains(told), "{told}: {sender}");
    }
    std::fs::create_dir(home.path().join("share/.stfolder")).expect("a mark of Syncthing");
    let refused = init(
        "gpu2",
        &[&pool[..], &["--accept", "devbox", "--", "cat"]].concat(),
    );
    assert!(
        refused.contains("no watcher will serve this share as it is")
            && refused.contains("Syncthing"),
        "{refused}"
    );
}

#[test]
fn every_source_is_named_in_json() {
    let home = home();
    let vars = [
        ("DISPATCH_ROOT", "/mnt/d"),
        ("DISPATCH_SIDE", "a"),
        ("DISPATCH_MAX_PARALLEL", "3"),
    ];
    let origin = |args: &[&str]| {
        let said = dispatch(home.path(), &vars, &[&["config", "--json"], args].concat());
        let row: serde_json::Value = serde_json::from_str(said.answer.trim_end()).unwrap();
        assert_eq!(row["version"], 1);
        (
            row["value"].clone(),
            row["origin"]["kind"].as_str().unwrap().to_owned(),
        )
    };
    assert_eq!(origin(&["slots"]), (3.into(), "environment".into()));
    assert_eq!(
        origin(&["root", "--root", "/else"]),
        ("/else".into(), "flag".into())
    );
    assert_eq!(origin(&["poll"]), ("500ms".into(), "default".into()));
    assert_eq!(origin(&["peer.b.accept"]), (false.into(), "default".into()));
}

#[test]
fn mistakes_end_with_the_status_of_their_kind() {
    let home = home();
    let home = home.path();
    let status = |vars: &[(&str, &str)], args: &[&str]| dispatch(home, vars, args).status;
    assert_eq!(status(&[], &["config", "--colour"]), Some(64));
    assert_eq!(status(&[], &["config", "colour"]), Some(66));
    assert_eq!(status(&[("DISPATCH_POLL_SEC", "x")], &["config"]), Some(78));
    assert_eq!(
        status(&[("DISPATCH_CONFIG", "absent.toml")], &["config"]),
        Some(78)
    );
    assert_eq!(
        status(&[], &["init", "--root", "absent", "--side", "a"]),
        Some(66)
    );
    assert_eq!(status(&[], &["init", "--root", "share"]), Some(78));

    std::fs::write(
        home.join("bad.toml"),
        "node = \"a\"\n[peer.b]\nacept = true\n",
    )
    .unwrap();
    let said = dispatch(home, &[], &["config", "--config", "bad.toml"]);
    assert_eq!(said.status, Some(78));
    let wanted = "dispatch: error: ~/bad.toml:3:1: unknown key 'acept' in [peer.b]; the nearest is 'accept'\n";
    assert_eq!(said.aside, wanted);
}

#[test]
fn a_file_that_others_may_change_is_a_doubt() {
    use std::os::unix::fs::PermissionsExt as _;
    let home = home();
    let file = home.path().join("open.toml");
    std::fs::write(&file, "node = \"a\"\n").unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o666)).unwrap();
    let said = dispatch(
        home.path(),
        &[],
        &["config", "--config", "open.toml", "--check"],
    );
    assert_eq!((said.status, said.answer.as_str()), (Some(1), ""));
    assert!(
        said.aside
            .contains("'~/open.toml' can be written by others (mode 0666)"),
        "{}",
        said.aside
    );
}

#[test]
fn a_watcher_does_not_run_by_a_file_that_others_may_change() {
    use std::os::unix::fs::PermissionsExt as _;
    let home = home();
    let home = home.path();
    let made = [
        "init", "--root", "share", "--side", "a", "--peer", "b", "--config", "a.toml",
    ];
    assert_eq!(dispatch(home, &[], &made).status, Some(0));
    let watch = ["watch", "--once", "--config", "a.toml"];
    let said = dispatch(home, &[], &watch);
    assert_eq!(said.status, Some(0), "{}", said.aside);
    let file = home.join("a.toml");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o666)).unwrap();
    let said = dispatch(home, &[], &watch);
    assert_eq!(said.status, Some(78));
    assert!(
        said.aside
            .contains("cannot trust the configuration: '~/a.toml'"),
        "{}",
        said.aside
    );
}

#[test]
fn the_reference_is_that_of_the_documentation() {
    let home = home();
    let said = dispatch(home.path(), &[], &["config", "--reference"]);
    let document = include_str!("../../docs/CONFIG.md");
    assert!(
        document.contains(said.answer.trim_end()),
        "docs/CONFIG.md: 'dispatch config --reference' goes under 'Keys'"
    );
}
