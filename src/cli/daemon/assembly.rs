//! What a watcher is assembled from, taken from the configuration.

use std::path::Path;

use crate::attempt::local::Launcher;
use crate::cli::failure::Failure;
use crate::cli::role;
use crate::cli::setup::Setup;
use crate::config::Executor;
use crate::flow::Settings;

/// What the node is and allows.
pub(super) fn settings(setup: &Setup) -> Settings {
    Settings {
        node: setup.node.clone(),
        slots: setup.config.slots,
        peers: setup.config.peers.clone(),
        pools: setup.config.pools.clone(),
        approvers: setup.config.approvers.clone(),
        profiles: setup.config.profiles.clone(),
        root_id: setup.config.root_id.map(|id| id.to_string()),
        free_bytes_min: setup.config.share.free_bytes_min,
        lost_max: setup.config.share.lost_max,
        only: None,
        retry: setup.config.retry,
        poll_ms: u64::try_from(setup.config.poll.as_millis()).unwrap_or(u64::MAX),
    }
}

/// The executor: the configured one, else the program beside this one, else this one under the executor's name.
pub(super) fn launcher(setup: &Setup, state: &Path) -> Result<Launcher, Failure> {
    if let Executor::Socket(path) = &setup.config.watch.executor {
        return Ok(Launcher::Socket(path.clone()));
    }
    if let Some(program) = &setup.config.watch.exec_bin {
        return Ok(Launcher::Spawn(program.clone()));
    }
    Ok(Launcher::Spawn(role::program("dispatch-exec", state)?))
}
