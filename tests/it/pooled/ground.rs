//! What a pool's member does on ground that is not good enough for several claimants, or no longer known to be.

use super::Hosts;
use crate::twin::Manner;
use crate::twin::Twin;

/// The mount of a program in user space of which nothing is known: SINGLE by its name.
#[test]
fn a_pool_on_a_share_for_single_nodes_is_not_served_and_that_is_said() {
    let Some(twin) = Twin::mount(Manner::honest()) else {
        return;
    };
    let mut hosts = Hosts::new();
    hosts.root = twin.path(0);
    hosts.init();
    hosts.keys();
    hosts.watch("devbox");
    hosts.watch("gpu1");
    let log = hosts.home("gpu1").join("log");
    let said = || std::fs::read_to_string(&log).unwrap_or_default();
    hosts.until("gpu1", "dispatch status --insecure-key", "gpu1");
    for _ in 0..100 {
        if said().contains("serves") {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    let told = said();
    assert!(
        told.contains("pool 'gpu' is not served: the share is SINGLE"),
        "{told}"
    );
    // Tasks of its own lane run, before and after one of the pool came, which stays where it is.
    let own = "dispatch-send --to gpu1 --wait=60s --insecure-key --request hostname";
    let pool = "dispatch-send --to pool.gpu --insecure-key --request hostname";
    for line in [own, pool, own, own] {
        let (code, _, err) = hosts.run("devbox", line);
        assert_eq!(code, 0, "{line}: {err}");
    }
    let inbox = hosts.root.join("devbox-to-pool.gpu/inbox");
    assert_eq!(std::fs::read_dir(inbox).unwrap().count(), 1);
}

#[test]
fn a_share_that_was_lost_is_examined_before_a_pool_is_served_again() {
    let mut hosts = Hosts::new();
    hosts.init();
    hosts.keys();
    for host in ["devbox", "gpu1"] {
        hosts.watch(host);
    }
    let (code, _, err) = hosts.send("echo one", "--wait=90s");
    assert_eq!(code, 0, "{err}");
    // It comes back as something that a program copies to other machines, which check 1 refuses.
    let aside = hosts.home("aside");
    std::fs::rename(&hosts.root, &aside).unwrap();
    let status = "dispatch status --json --insecure-key";
    hosts.until(
        "gpu1",
        "dispatch log --insecure-key --event share_lost",
        "share",
    );
    std::fs::create_dir(hosts.home(".stfolder")).unwrap();
    std::fs::rename(&aside, &hosts.root).unwrap();
    let refused = "dispatch log --insecure-key --event share_refuse";
    hosts.until("gpu1", refused, "Syncthing");
    hosts.until("devbox", status, "Syncthing");
    // And is right again.
    std::fs::remove_dir(hosts.home(".stfolder")).unwrap();
    hosts.until(
        "gpu1",
        "dispatch log --insecure-key --event share_back",
        "MULTI",
    );
    let (code, out, err) = hosts.send("echo two", "--wait=90s");
    assert_eq!((code, out.as_str()), (0, "two\n"), "{err}");
}
