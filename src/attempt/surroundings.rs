//! What an agent sees: its environment, the files it may use, the sockets it may not reach. All from the receiver's
//! profile, nothing from the task.

use std::collections::BTreeMap;
use std::path::Path;
use std::path::PathBuf;

use super::Plan;
use crate::agent::Invocation;
use crate::outcome::Layer;
use crate::process::channel::Grants;
use crate::profile::AgentKind;
use crate::profile::Profile;

/// The variable that marks every process of an attempt, for [`super::Runner::sweep`].
pub const MARK: &str = "DISPATCH_RUN";

/// Variables that pass without being named in the profile. None of them carries a credential.
const PASSED: [&str; 6] = ["PATH", "LANG", "LC_ALL", "TZ", "USER", "LOGNAME"];

/// Where programs are looked for when nobody says.
pub(super) const PATH_DEFAULT: &str =
    "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin";

/// Readable for every agent: the system, and nothing of a person. Of `/etc` all but [`ETC_KEPT`].
const SYSTEM: [&str; 15] = [
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/opt",
    "/nix",
    "/snap",
    "/proc",
    "/sys",
    "/var/lib/ca-certificates",
    "/run/systemd/resolve",
    "/run/nscd",
];

/// What of `/etc` holds secrets. The kernel's rules only ever grant, so the rest is granted one by one.
const ETC_KEPT: [&str; 7] = [
    "dispatch",
    "shadow",
    "gshadow",
    "ssh",
    "sudoers",
    "ppp",
    "krb5.keytab",
];

/// Devices every agent may use; what the mode bits of the others allow is not for agents.
const DEVICES: [&str; 10] = [
    "/dev/null",
    "/dev/zero",
    "/dev/full",
    "/dev/random",
    "/dev/urandom",
    "/dev/tty",
    "/dev/ptmx",
    "/dev/pts",
    "/dev/shm",
    "/dev/fd",
];

/// Beginnings of the names of accelerator devices.
const ACCELERATORS: [&str; 3] = ["nvidia", "dri", "kfd"];

/// Brokers: whoever reaches one of these can have a process started outside every containment.
/// And where keys are: what is not granted is denied, but only where the kernel has such rules.
const BROKERS: [&str; 17] = [
    "/run/user",
    "/run/dbus",
    "/run/docker.sock",
    "/run/docker",
    "/run/containerd",
    "/run/podman",
    "/run/crio",
    "/run/libvirt",
    "/run/lxd.socket",
    "/run/snapd.socket",
    "/run/systemd/private",
    "/run/screen",
    "/run/dispatch",
    "/run/dispatch-exec.sock",
    "/run/credentials",
    "/etc/dispatch",
    "/var/spool/cron",
];

/// Brokers in the shared temporary directory, by the beginning of their names.
const TMP_BROKERS: [&str; 6] = [".X11-unix", ".ICE-unix", "tmux-", "ssh-", "screen", "dbus-"];

/// Where the agent's own things are, in its run directory.
#[derive(Debug, Clone)]
pub(super) struct Places {
    /// The run directory.
    pub run: PathBuf,
    /// The working directory.
    pub work: PathBuf,
    /// The home that it has unless the profile passes another.
    pub home: PathBuf,
    /// Its temporary directory.
    pub tmp: PathBuf,
    /// Directories of a repository that its worktree needs to read, and to write.
    pub repository: Grants,
}

/// Returns the variables that pass from the executor's environment, and before from the watcher's. An agent finds the
/// credential of its user below HOME; a command has no business there.
pub(super) fn passed(profile: &Profile) -> impl Iterator<Item = &str> {
    let home = (profile.agent != AgentKind::Command).then_some("HOME");
    let named = profile.env.iter().map(String::as_str);
    PASSED.into_iter().chain(home).chain(named)
}

/// Returns the environment of the agent. Later entries win: the allow-list, the agent's kind, the profile, the marks.
pub(super) fn environment(
    plan: &Plan,
    invocation: &Invocation,
    own: &BTreeMap<String, String>,
    places: &Places,
) -> BTreeMap<String, String> {
    let text = |path: &Path| path.to_string_lossy().into_owned();
    let mut env = BTreeMap::from([
        ("PATH".to_owned(), PATH_DEFAULT.to_owned()),
        ("LANG".to_owned(), "C.UTF-8".to_owned()),
        ("TERM".to_owned(), "dumb".to_owned()),
        ("HOME".to_owned(), text(&places.home)),
        ("TMPDIR".to_owned(), text(&places.tmp)),
    ]);
    for name in passed(&plan.profile) {
        if let Some(value) = own.get(name) {
            env.insert(name.to_owned(), value.clone());
        }
    }
    env.extend(invocation.env.iter().cloned());
    env.extend(plan.profile.set_env.clone());
    env.insert("DISPATCH_TASK_ID".to_owned(), plan.task.to_string());
    // By these a task that the agent sends is known as made on behalf of this one, and a circle of agents ends.
    let lineage = &plan.lineage;
    let root = lineage.root.unwrap_or(plan.task);
    env.insert("DISPATCH_TASK_HOP".to_owned(), lineage.hop.to_string());
    env.insert("DISPATCH_TASK_ROOT".to_owned(), root.to_string());
    if let Some(label) = &lineage.correlation {
        env.insert("DISPATCH_TASK_CORRELATION".to_owned(), label.clone());
    }
    env.insert("DISPATCH_PROFILE".to_owned(), plan.profile.name.to_string());
    env.insert(MARK.to_owned(), plan.claim.clone());
    env
}

/// Finds a program as execvp(3) would, and returns its path.
pub(super) fn find_program(program: &str, search: &str, work: &Path) -> Option<PathBuf> {
    use std::os::unix::fs::PermissionsExt;
    let runs = |path: &PathBuf| {
        std::fs::metadata(path)
            .is_ok_and(|kind| kind.is_file() && kind.permissions().mode() & 0o111 != 0)
    };
    if program.contains('/') {
        return Some(work.join(program)).filter(runs);
    }
    search
        .split(':')
        .filter(|dir| dir.starts_with('/'))
        .map(|dir| Path::new(dir).join(program))
        .find(runs)
}

/// Returns whether the agent gets filesystem rules. Under such rules nobody can mount anything (landlock(7)), so that
/// neither a wrapper nor a sandbox of the agent's own could be built: where there is one it takes their place, unless
/// the profile demands the rules all the same.
pub(super) fn is_ruled(plan: &Plan) -> bool {
    let profile = &plan.profile;
    // codex builds a bubblewrap around each of its commands (measured, 0.169), unless it is told not to.
    let brings_its_own = profile.agent == AgentKind::Codex
        && !plan.dangerous
        && profile.permission_mode.as_deref() != Some("danger-full-access");
    profile.require_layers.contains(&Layer::Landlock)
        || (profile.wrapper.is_empty() && !brings_its_own)
}

/// Returns what the agent may use of the filesystem. `programs` are those of its command line.
pub(super) fn grants(
    plan: &Plan,
    places: &Places,
    env: &BTreeMap<String, String>,
    programs: &[PathBuf],
    tmp_is_private: bool,
) -> Grants {
    let mut read: Vec<PathBuf> = SYSTEM.iter().map(PathBuf::from).collect();
    let kept = |name: &str| ETC_KEPT.iter().any(|start| name.starts_with(start));
    read.extend(named(Path::new("/etc"), &|name| !kept(name)));
    read.extend(programs.iter().flat_map(|program| program_files(program)));
    read.extend(plan.profile.read.clone());
    read.extend(places.repository.read.clone());
    let mut write: Vec<PathBuf> = DEVICES.iter().map(PathBuf::from).collect();
    write.extend(beginning_with(Path::new("/dev"), &ACCELERATORS));
    write.extend([places.work.clone(), places.home.clone(), places.tmp.clone()]);
    if tmp_is_private {
        write.push(PathBuf::from("/tmp"));
    }
    write.extend(plan.profile.write.clone());
    write.extend(places.repository.write.clone());
    if let Some(home) = foreign_home(env, places) {
        let (dirs, files) = home_files(plan.profile.agent);
        read.extend([".gitconfig", ".config/git"].map(|name| home.join(name)));
        write.extend(dirs.iter().chain(files).map(|name| home.join(name)));
    }
    Grants { read, write }
}

/// Returns the home of the agent where it is not the one in its run directory.
fn foreign_home<'a>(env: &'a BTreeMap<String, String>, places: &Places) -> Option<&'a Path> {
    let home = env.get("HOME").map(Path::new)?;
    (home.is_absolute() && home != places.home).then_some(home)
}

/// Makes the directories an agent keeps in its user's home, where they are missing: a path that is not there cannot be
/// granted, and Claude Code runs no hook where it cannot make its own (measured, 2.1). What cannot be made stays away.
pub(super) fn make_home(kind: AgentKind, env: &BTreeMap<String, String>, places: &Places) {
    let dirs = home_files(kind).0;
    let Some(home) = foreign_home(env, places).filter(|home| home.is_dir()) else {
        return;
    };
    for name in dirs {
        let _ = crate::disk::make_dir(&home.join(name), 0o700);
    }
}

/// What each kind of agent keeps in the home of its user and may write there: directories and files.
fn home_files(kind: AgentKind) -> (&'static [&'static str], &'static [&'static str]) {
    match kind {
        AgentKind::Command => (&[], &[]),
        AgentKind::Claude => (&[".claude"], &[".claude.json"]),
        AgentKind::Codex => (&[".codex"], &[]),
        AgentKind::Gemini => (&[".gemini"], &[]),
        AgentKind::Opencode => (
            &[
                ".config/opencode",
                ".local/share/opencode",
                ".local/state/opencode",
                ".cache/opencode",
            ],
            &[],
        ),
        AgentKind::Aider => (&[".aider"], &[".aider.conf.yml"]),
    }
}

/// Returns what a program needs to run besides the system: itself, the programs beside it, and the modules it
/// belongs to. Not simply its directory, which may be somebody's home.
fn program_files(program: &Path) -> Vec<PathBuf> {
    let real = program.canonicalize().unwrap_or(program.to_owned());
    let mut files = vec![program.to_owned(), real.clone()];
    files.extend(
        [program, &real]
            .iter()
            .filter_map(|path| path.parent())
            .filter(|dir| dir.file_name().is_some_and(|name| name == "bin"))
            .map(Path::to_owned),
    );
    // A node program lives in a tree of modules, any of which it may load.
    files.extend(
        real.ancestors()
            .filter(|dir| dir.file_name().is_some_and(|name| name == "node_modules"))
            .map(Path::to_owned),
    );
    files
}

/// Returns what to cover where there is a mount namespace. What the agent needs is never covered.
pub(super) fn hidden(needed: &[PathBuf]) -> Vec<PathBuf> {
    let brokers = BROKERS.iter().map(PathBuf::from);
    brokers
        .chain(beginning_with(Path::new("/tmp"), &TMP_BROKERS))
        .filter(|path| !needed.iter().any(|need| need.starts_with(path)))
        .collect()
}

/// Returns whether a private temporary directory can be laid over `/tmp` without covering anything the agent needs.
pub(super) fn tmp_is_free(needed: &[PathBuf]) -> bool {
    !needed.iter().any(|need| need.starts_with("/tmp"))
}

fn beginning_with(dir: &Path, beginnings: &[&str]) -> Vec<PathBuf> {
    named(dir, &|name| {
        beginnings.iter().any(|start| name.starts_with(start))
    })
}

fn named(dir: &Path, wanted: &dyn Fn(&str) -> bool) -> Vec<PathBuf> {
    let names = crate::disk::list(dir).unwrap_or_default();
    names
        .into_iter()
        .filter(|name| wanted(name))
        .map(|name| dir.join(name))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_home_is_never_granted_for_the_sake_of_a_program_in_it() {
        let files = program_files(Path::new("/home/somebody/agent.sh"));
        assert!(
            !files.contains(&PathBuf::from("/home/somebody")),
            "{files:?}"
        );
        let files = program_files(Path::new("/home/somebody/.local/bin/agent"));
        assert!(files.contains(&PathBuf::from("/home/somebody/.local/bin")));
        assert!(!files.contains(&PathBuf::from("/home/somebody/.local")));
    }

    #[test]
    fn keys_and_password_hashes_are_not_part_of_the_system() {
        let names = [
            "dispatch",
            "shadow",
            "shadow-",
            "gshadow",
            "sudoers.d",
            "ssh",
        ];
        for name in names {
            assert!(ETC_KEPT.iter().any(|kept| name.starts_with(kept)), "{name}");
        }
        assert!(
            !SYSTEM.contains(&"/etc") && !SYSTEM.contains(&"/var") && !SYSTEM.contains(&"/run")
        );
    }

    #[test]
    fn what_a_profile_names_is_not_hidden() {
        let docker = PathBuf::from("/run/docker.sock");
        assert!(hidden(&[]).contains(&docker));
        assert!(!hidden(std::slice::from_ref(&docker)).contains(&docker));
        let inside = PathBuf::from("/run/user/1000/spool");
        assert!(!hidden(&[inside]).contains(&PathBuf::from("/run/user")));
        assert!(tmp_is_free(&[docker]) && !tmp_is_free(&[PathBuf::from("/tmp/x")]));
    }

    #[test]
    fn programs_are_found_as_a_shell_would() {
        let work = Path::new("/");
        let found = find_program("sh", "relative:/nonexistent:/bin", work);
        assert_eq!(found, Some(PathBuf::from("/bin/sh")));
        assert_eq!(
            find_program("/bin/sh", "", work),
            Some(PathBuf::from("/bin/sh"))
        );
        assert_eq!(
            find_program("bin/sh", "", work),
            Some(PathBuf::from("/bin/sh"))
        );
        assert_eq!(find_program("passwd", "/etc", work), None, "not executable");
        assert_eq!(find_program("sh", "", work), None);
    }
}
