//! What an agent can see and touch: its environment, its privileges, other people's files, the sockets of the host.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::os::unix::net::UnixListener;
use std::path::Path;
use std::path::PathBuf;

use dispatch::attempt::Report;
use dispatch::attempt::Runner;
use dispatch::outcome::FailureClass;
use dispatch::outcome::Layer;
use dispatch::outcome::Status;
use dispatch::profile::AgentKind;
use dispatch::profile::Workspace;

use super::host::Host;
use super::host::Level;
use super::host::at_both_levels;
use super::host::plan;
use super::host::skip;

fn write(path: &Path, text: &str) {
    std::fs::File::create_new(path)
        .and_then(|mut file| std::io::Write::write_all(&mut file, text.as_bytes()))
        .unwrap();
}

/// Says so where a layer that a test is about is not available on this host.
fn lacks(report: &Report, layer: Layer) -> bool {
    let lacks = !report.containment.contains(&layer);
    if lacks {
        skip(&format!("no '{layer}' on this host"));
    }
    lacks
}

#[test]
fn the_environment_is_an_allow_list() {
    at_both_levels(|host, _| {
        let mut plan = plan(&["sh", "-c", "env"]);
        plan.profile.env = vec!["NAMED".to_owned(), "NOT_THERE".to_owned()];
        plan.profile
            .set_env
            .insert("OWN".to_owned(), "value with spaces".to_owned());
        let report = host.run(&plan);
        let lines: Vec<&str> = report.final_text.lines().collect();
        for line in [
            "NAMED=passed",
            "OWN=value with spaces",
            "TERM=dumb",
            &format!("DISPATCH_TASK_ID={}", plan.task),
            &format!("DISPATCH_TASK_ROOT={}", plan.task),
            "DISPATCH_TASK_HOP=0",
            "DISPATCH_PROFILE=test",
        ] {
            assert!(lines.contains(&line), "{line}: {lines:?}");
        }
        assert!(!report.final_text.contains("API_TOKEN"), "{lines:?}");
        let home = format!("HOME={}", host.dir.path().display());
        assert!(
            lines.iter().any(|line| line.starts_with(&home)),
            "a home of its own"
        );
    });
}

#[test]
fn an_agent_finds_its_users_home_and_a_command_its_own() {
    let host = Host::new(Level::Full);
    let mut plan = plan(&["sh", "-c", "echo HOME is $HOME"]);
    plan.profile.agent = AgentKind::Aider;
    host.run(&plan);
    assert!(
        host.log(&plan).contains("HOME is /nonexistent\n"),
        "{}",
        host.log(&plan)
    );
}

#[test]
fn privileges_limits_and_mask_are_set() {
    at_both_levels(|host, _| {
        let script =
            "grep NoNewPrivs /proc/self/status; ulimit -c; ulimit -n; umask; ps -o sid= $$ || true";
        let report = host.run(&plan(&["sh", "-c", script]));
        let lines: Vec<&str> = report.final_text.lines().map(str::trim).collect();
        assert_eq!(lines[0], "NoNewPrivs:\t1", "{report:?}");
        assert_eq!(lines[1], "0", "no core dumps");
        assert!(lines[2].parse::<u64>().unwrap() <= 8192, "{lines:?}");
        assert_eq!(lines[3].trim_start_matches('0'), "77");
    });
}

#[test]
fn keys_and_share_cannot_be_read_or_written() {
    at_both_levels(|host, level| {
        let (keys, share) = (host.dir.path().join("keys"), host.dir.path().join("share"));
        let open = host.dir.path().join("open");
        for dir in [&keys, &share, &open] {
            std::fs::create_dir(dir).unwrap();
        }
        write(&keys.join("link.key"), "the secret");
        write(&open.join("data"), "the data");
        let script = format!(
            "cat {0}/link.key; ls {0}; echo forged >{1}/task; cat {2}/data; echo new >{2}/new; \
             echo kept >kept && cat kept; echo home >~/file; echo tmp >$TMPDIR/file; \
             kill -0 1 && echo signalled; true",
            keys.display(),
            share.display(),
            open.display()
        );
        let mut plan = plan(&["sh", "-c", &script]);
        plan.profile.read.push(open.clone());
        let report = host.run(&plan);
        if lacks(&report, Layer::Landlock) {
            return;
        }
        assert_eq!(report.status, Status::Ok, "{report:?}");
        assert!(!report.final_text.contains("secret"), "{report:?}");
        assert!(
            report.final_text.contains("the data"),
            "{}",
            host.log(&plan)
        );
        assert!(report.final_text.contains("kept"));
        assert_eq!(std::fs::read_dir(&share).unwrap().count(), 0, "{level:?}");
        assert_eq!(std::fs::read_dir(&open).unwrap().count(), 1, "{level:?}");
    });
}

#[test]
fn the_run_directory_itself_is_not_the_agents() {
    let host = Host::new(Level::Full);
    let script = "cat ../plan.json; echo '{}' >../report.json; echo cancel >../stop; ls ..; true";
    let plan = plan(&["sh", "-c", script]);
    let report = host.run(&plan);
    if lacks(&report, Layer::Landlock) {
        return;
    }
    assert_eq!(report.final_text, "", "{}", host.log(&plan));
    assert_eq!(report.status, Status::Ok);
}

#[test]
fn other_processes_are_not_there_in_a_namespace() {
    let host = Host::new(Level::Full);
    let script = "echo /proc/[0-9]*; echo $$";
    let report = host.run(&plan(&["sh", "-c", script]));
    if lacks(&report, Layer::PidNamespace) {
        return;
    }
    assert_eq!(report.final_text, "/proc/1 /proc/2\n2", "{report:?}");
}

#[test]
fn a_layer_that_is_demanded_and_not_there_starts_nothing() {
    at_both_levels(|host, level| {
        let sign = host.dir.path().join("sign");
        let mut plan = plan(&["sh", "-c", &format!("echo began >{}", sign.display())]);
        plan.profile.write = vec![host.dir.path().to_owned()];
        plan.profile.require_layers = match level {
            Level::Full => vec![Layer::OtherUser],
            Level::Basic => vec![Layer::PidNamespace, Layer::MountNamespace],
        };
        let report = host.run(&plan);
        assert!(!report.started, "{report:?}");
        assert_eq!(report.class, Some(FailureClass::Containment));
        let detail = report.detail.unwrap();
        assert!(
            detail.contains(plan.profile.require_layers[0].as_str()),
            "{detail}"
        );
        assert!(std::fs::symlink_metadata(&sign).is_err(), "{level:?}");
    });
}

#[test]
fn a_broker_in_a_hidden_place_cannot_be_reached_from_a_namespace() {
    let Some(place) = ["/run/user", "/run/docker.sock"]
        .into_iter()
        .map(PathBuf::from)
        .find(|path| std::fs::metadata(path).is_ok() || nix::unistd::geteuid().is_root())
    else {
        skip("no /run/user here, and not root");
        return;
    };
    let dir = place.join("dispatch-test");
    if std::fs::create_dir_all(&dir).is_err() {
        skip("/run/user cannot be written here");
        return;
    }
    let socket = dir.join(format!("broker.{}", std::process::id()));
    let _broker = UnixListener::bind(&socket).unwrap();
    let host = Host::new(Level::Full);
    let script = format!("test -e {} && echo found; true", socket.display());
    // With the rules of the filesystem off, so that it is the mount that hides it.
    let mut plan = plan(&["sh", "-c", &script]);
    plan.profile.write = vec![PathBuf::from("/")];
    let report = host.run(&plan);
    dispatch::disk::remove_tree(&dir).unwrap();
    if lacks(&report, Layer::MountNamespace) {
        return;
    }
    assert_eq!(report.final_text, "", "{report:?}");
}

#[test]
fn a_worktree_is_fresh_detached_and_outlasts_the_spool() {
    let host = Host::new(Level::Full);
    let repository = host.dir.path().join("repository");
    let made = format!(
        "set -e; git init -q {0}; cd {0}; git config user.name t; git config user.email t@t; \
         echo one >file; git add file; git commit -qm one; \
         printf '#!/bin/sh\\necho hooked >%s/hooked\\n' {1} >.git/hooks/post-checkout; \
         chmod 755 .git/hooks/post-checkout",
        repository.display(),
        host.dir.path().display()
    );
    let mut plan1 = plan(&["sh", "-c", &made]);
    plan1.profile.write = vec![host.dir.path().to_owned()];
    let report = host.run(&plan1);
    assert_eq!(report.status, Status::Ok, "{}", host.log(&plan1));

    let script = "cat file; echo two >file; git commit -qam two && git log --oneline | wc -l; \
                  echo x >$(git rev-parse --git-common-dir)/hooks/evil; true";
    let mut plan2 = plan(&["sh", "-c", script]);
    plan2.profile.workspace = Workspace::Worktree(repository.clone());
    let report = host.run(&plan2);
    assert_eq!(report.status, Status::Ok, "{}", host.log(&plan2));
    assert_eq!(report.final_text, "one\n2", "{}", host.log(&plan2));
    assert!(
        std::fs::metadata(host.dir.path().join("hooked")).is_err(),
        "no hook ran"
    );
    if !lacks(&report, Layer::Landlock) {
        let evil = repository.join(".git/hooks/evil");
        assert!(
            std::fs::metadata(evil).is_err(),
            "hooks are out of its reach"
        );
    }
    host.runner.discard(&plan2.claim).unwrap();
    let kept = host.dir.path().join("runs/worktrees").join(&plan2.claim);
    assert_eq!(std::fs::read_to_string(kept.join("file")).unwrap(), "two\n");

    let mut plan3 = plan(&["true"]);
    plan3.profile.workspace = Workspace::Worktree(host.dir.path().join("nowhere"));
    let report = host.run(&plan3);
    assert!(!report.started, "{report:?}");
    assert!(report.detail.unwrap().contains("nowhere"));
}

#[test]
fn nothing_but_the_three_streams_is_inherited() {
    at_both_levels(|host, _| {
        // The shell expands the pattern itself; 3 is its own look at the directory.
        let leaked = std::fs::File::open("/dev/null").unwrap();
        let open = nix::fcntl::FcntlArg::F_SETFD(nix::fcntl::FdFlag::empty());
        nix::fcntl::fcntl(&leaked, open).unwrap();
        let report = host.run(&plan(&["sh", "-c", "echo /proc/self/fd/*"]));
        let found: Vec<&str> = report.final_text.split(' ').collect();
        assert!(found.len() <= 4, "{report:?}");
    });
}

#[test]
fn rules_of_the_filesystem_make_way_for_a_sandbox_that_has_to_mount() {
    let host = Host::new(Level::Full);
    let mut wrapped = plan(&["sh", "-c", "echo inside"]);
    wrapped.profile.wrapper = vec!["env".to_owned(), "WRAPPED=yes".to_owned()];
    let report = host.run(&wrapped);
    assert_eq!(report.final_text, "inside", "{report:?}");
    assert!(report.containment.contains(&Layer::Wrapper));
    assert!(!report.containment.contains(&Layer::Landlock));

    let mut own = plan(&["sh", "-c", "echo inside"]);
    own.profile.agent = AgentKind::Codex;
    assert!(!host.run(&own).containment.contains(&Layer::Landlock));
    own.profile.require_layers = vec![Layer::Landlock];
    let demanded = host.again(&mut own);
    assert_eq!(
        demanded.started,
        demanded.containment.contains(&Layer::Landlock)
    );
    own.profile.require_layers = Vec::new();
    own.dangerous = true;
    let bare = host.again(&mut own);
    if !lacks(&bare, Layer::Landlock) {
        assert!(
            bare.started,
            "codex is told not to build one, so the rules are in force"
        );
    }
}
