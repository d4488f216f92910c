//! What a view is made from, taken from the configuration.

use super::daemon::boot_id;
use super::failure::Failure;
use super::setup::Setup;
use crate::killswitch::Killswitch;
use crate::status::Scene;

/// Returns what views look from.
///
/// # Errors
/// [`Failure`] where the configuration lacks something.
pub(super) fn of(setup: &Setup) -> Result<Scene, Failure> {
    let config = &setup.config;
    let state = config.state()?.to_owned();
    let mut peers = config.peers.clone();
    peers.remove(&setup.node);
    let mut lanes = setup.lanes_in();
    lanes.extend(setup.lanes_out());
    let nodes = config.known_nodes();
    Ok(Scene {
        node: setup.node.clone(),
        peers,
        pools: config.pools.clone(),
        approvers: config.approvers.clone(),
        profiles: config.profiles.clone(),
        slots: config.slots,
        free_bytes_min: config.share.free_bytes_min,
        root_id: config.root_id.map(|id| id.to_string()),
        sender: setup.sender(),
        killswitch: Killswitch::new(setup.node.clone(), nodes, lanes, &state),
        runs: config.runs()?.to_owned(),
        state,
        boot_id: boot_id(),
    })
}
