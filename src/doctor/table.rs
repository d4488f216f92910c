//! Check 1: the filesystem and its options, from the mount table alone.

use super::Allows;
use super::Bench;
use super::Finding;
use super::bench::Trouble;
use super::verdict::UNPROVED;
use crate::key;
use crate::mount::Family;
use crate::mount::Mount;
use crate::mount::Table;

/// Longest time in seconds that a client may believe in a folder's attributes before it is worth a word: the default
/// of nfs(5).
const DIR_MAX_S: u64 = 60;

pub(super) fn mount(bench: &Bench) -> Result<Finding, Trouble> {
    let Ok(table) = Table::read() else {
        return Ok(Finding::info(
            "this system has no mount table to read; other checks decide",
        ));
    };
    let root =
        std::path::absolute(&bench.orders.root).unwrap_or_else(|_| bench.orders.root.clone());
    // What hangs here is killed and told of as such.
    let real = std::fs::canonicalize(&root).unwrap_or(root);
    let Some(mount) = table.of(&real) else {
        return Ok(Finding::unknown(format!(
            "'{}' is in no mount of this host",
            real.display()
        )));
    };
    let finding = judge(mount)
        .fact("kind", mount.kind.as_str())
        .fact("source", mount.source.as_str());
    if let Some(inner) = table.below(&real).first() {
        let said = format!(
            "{}; and '{}' is mounted inside it",
            finding.said,
            inner.point.display()
        );
        let advice =
            "all folders of a share lie in one mount: a rename between two mounts fails (EXDEV)";
        return Ok(Finding::fail(said, advice, Allows::Refuse));
    }
    match real.ancestors().find_map(key::synced) {
        Some(program) => Ok(Finding::fail(
            format!("{}; {program} copies it to other machines", finding.said),
            "each machine has a copy of its own, and two renames win: share it over NFS or SMB instead",
            Allows::Refuse,
        )),
        None => Ok(finding),
    }
}

/// Judges a line of the table.
pub(super) fn judge(mount: &Mount) -> Finding {
    let title = mount.title();
    match mount.family() {
        _ if mount.has("ro") => {
            let advice = "mount it read-write";
            Finding::fail(format!("{title} is mounted read-only"), advice, Allows::Refuse).for_now()
        }
        Family::Nfs => nfs(mount, title),
        Family::Smb => smb(mount, title),
        Family::Cluster => Finding::pass(format!("{title}, a cluster filesystem; not measured by us"))
            .advise("prove it with 'dispatch doctor --pair' on two hosts"),
        Family::Local => Finding::pass(format!("{title}, of this host: good for nodes on this host alone")),
        Family::Sshfs => Finding::warn(
            format!("{title}: its clients cache listings by themselves, and some servers rename in two steps"),
            "fine for lanes between single nodes; for pools, export the folder over NFS or SMB",
        )
        .allowing(Allows::Single),
        Family::Store => Finding::fail(
            format!("{title}: an object store or sync program; its rename is a copy and a delete"),
            "two nodes can both win a task: share a folder over NFS or SMB instead",
            Allows::Refuse,
        ),
        Family::Fat => Finding::warn(
            format!("{title}: made for one machine"),
            "share a folder of a disk with a journal (ext4, xfs) over NFS or SMB",
        )
        .allowing(Allows::Single),
        Family::Passed => Finding::warn(
            format!("{title}: passed through by a hypervisor; its caches are its own"),
            "prove it with 'dispatch doctor --pair' from both sides, or mount over NFS",
        )
        .allowing(Allows::Single)
        .fact(UNPROVED, true),
        Family::Fuse | Family::Other => Finding::warn(
            format!("{title}: a filesystem that nothing is known of here"),
            "prove it with 'dispatch doctor --pair' on two hosts",
        )
        .allowing(Allows::Single)
        .fact(UNPROVED, true),
    }
}

fn nfs(mount: &Mount, title: String) -> Finding {
    let old = !mount
        .value("vers")
        .is_some_and(|vers| vers.starts_with('4'))
        && mount.kind != "nfs4";
    if mount.has("nocto") {
        let said =
            format!("{title} with nocto: a folder opened anew is not asked for at the server");
        return Finding::fail(
            said,
            "remove nocto from the options of the mount",
            Allows::Refuse,
        );
    }
    let mut words = Vec::new();
    let mut advice = Vec::new();
    if mount.has("soft") || mount.has("softerr") {
        words.push("soft: calls fail while the server is away, and may be executed later");
        advice.push("mount hard (the default); the watcher bounds its own waiting");
    }
    if mount.has("noac") || mount.has("sync") {
        words.push("noac or sync: every call waits for the server, and none has to");
        advice.push("remove noac and sync: nothing here depends on them");
    }
    let max = mount
        .value("acdirmax")
        .and_then(|value| value.parse().ok())
        .unwrap_or(DIR_MAX_S);
    if max > DIR_MAX_S {
        words.push("acdirmax is above its default of 60 s");
        advice.push("leave acdirmax at its default");
    }
    let said = |words: &[&str]| match words.is_empty() {
        true => title.clone(),
        false => format!("{title}; {}", words.join("; ")),
    };
    let finding = match advice.is_empty() {
        true => Finding::pass(said(&words)),
        false => Finding::warn(said(&words), advice.join("; ")),
    };
    if old {
        // The change attribute of version 3 is the ctime: two changes in one tick look like one (check 10).
        return finding.fact("needs_poke", true);
    }
    finding.fact("needs_poke", false)
}

fn smb(mount: &Mount, title: String) -> Finding {
    let cache = mount.value("cache").unwrap_or("strict");
    if cache == "loose" || mount.has("cache=ro") {
        let said = format!("{title} with cache={cache}: what others write is not seen");
        return Finding::fail(said, "use cache=strict, the default", Allows::Refuse);
    }
    if mount.has("multiuser") || mount.has("nostrictsync") {
        let said = format!("{title} with multiuser or nostrictsync");
        return Finding::warn(
            said,
            "nostrictsync: a sync says nothing of the server's disk; remove it",
        );
    }
    Finding::pass(format!("{title}, cache={cache}")).fact("needs_poke", false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::State;

    fn line(rest: &str) -> Finding {
        let text = format!("61 27 0:52 / /mnt rw,relatime - {rest}\n");
        let table = Table::parse(text.as_bytes());
        judge(table.of(std::path::Path::new("/mnt")).unwrap())
    }

    #[test]
    fn each_filesystem_is_judged_by_its_name_and_options() {
        let cases = [
            ("nfs4 s:/ rw,vers=4.2,hard", State::Pass, Allows::Multi),
            ("nfs s:/e rw,vers=3,hard", State::Pass, Allows::Multi),
            (
                "nfs s:/e rw,vers=3,soft,timeo=10",
                State::Warn,
                Allows::Multi,
            ),
            ("nfs4 s:/ rw,vers=4.1,noac", State::Warn, Allows::Multi),
            (
                "nfs4 s:/ rw,vers=4.1,acdirmax=600",
                State::Warn,
                Allows::Multi,
            ),
            ("nfs s:/e rw,vers=3,nocto", State::Fail, Allows::Refuse),
            ("nfs4 s:/ ro,vers=4.1", State::Fail, Allows::Refuse),
            (
                "cifs //s/e rw,vers=3.1.1,cache=strict,soft",
                State::Pass,
                Allows::Multi,
            ),
            ("cifs //s/e rw,cache=loose", State::Fail, Allows::Refuse),
            (
                "cifs //s/e rw,cache=strict,nostrictsync",
                State::Warn,
                Allows::Multi,
            ),
            ("ext4 /dev/vda rw", State::Pass, Allows::Multi),
            ("ceph 1.2.3.4:/ rw", State::Pass, Allows::Multi),
            ("fuse.sshfs h:/d rw", State::Warn, Allows::Single),
            ("fuse.rclone r: rw", State::Fail, Allows::Refuse),
            ("fuse.juicefs JuiceFS:x rw", State::Warn, Allows::Single),
            ("vfat /dev/sdb1 rw", State::Warn, Allows::Single),
            ("virtiofs share rw", State::Warn, Allows::Single),
            ("newfs x rw", State::Warn, Allows::Single),
        ];
        for (text, state, allows) in cases {
            let finding = line(text);
            assert_eq!(
                (finding.state, finding.allows),
                (state, allows),
                "{text}: {}",
                finding.said
            );
            assert!(
                finding.state == State::Pass || finding.advice.is_some(),
                "{text}"
            );
        }
        assert_eq!(line("nfs s:/e rw,vers=3").facts["needs_poke"], true);
        assert_eq!(line("nfs4 s:/ rw,vers=4.2").facts["needs_poke"], false);
    }
}
