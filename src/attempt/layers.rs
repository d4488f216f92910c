//! Finds out which layers of containment this host gives, by preparing an agent and not letting it go.

use std::path::PathBuf;

use super::contain;
use crate::clock::Clock;
use crate::outcome::Layer;
use crate::process::channel::Grants;
use crate::process::channel::Orders;
use crate::process::family;

/// Why layers could not be found out.
#[derive(Debug, thiserror::Error)]
#[error("cannot prepare an agent: {0}")]
pub struct Error(String);

/// Returns every layer with why it is not available, or `None` where it is. Nothing is executed.
///
/// Must be called where [`super::supervise::Executor::run`] may be: from the main thread of such a program.
///
/// # Errors
/// [`Error`]: not even the layers that need nothing could be had.
pub fn probe(clock: &dyn Clock) -> Result<Vec<(Layer, Option<String>)>, Error> {
    let subreaper = family::become_subreaper();
    let orders = |namespaces| Orders {
        argv: vec!["/bin/true".to_owned()],
        env: Vec::new(),
        cwd: PathBuf::from("/"),
        stdin: PathBuf::from("/dev/null"),
        namespaces,
        hide: Vec::new(),
        tmp: None,
        grants: Some(Grants::default()),
        cgroup: None,
    };
    let name = format!("probe.{}", std::process::id());
    let mut agent =
        contain::prepare(&name, &orders, clock).map_err(|why| Error(why.to_string()))?;
    let (layers, mut missing) = (agent.layers.clone(), std::mem::take(&mut agent.missing));
    agent.abandon(clock);
    if let Err(why) = &subreaper {
        missing.insert(Layer::Subreaper, why.to_string());
    }
    let found = Layer::ALL.iter().map(|layer| {
        let why = match layer {
            Layer::Subreaper if subreaper.is_ok() => None,
            layer if layers.contains(layer) => None,
            Layer::OtherUser => Some("only through the socket of a service manager".to_owned()),
            Layer::Wrapper => Some("only where a profile names one".to_owned()),
            layer => Some(
                missing
                    .remove(layer)
                    .unwrap_or("not in this kernel".to_owned()),
            ),
        };
        (*layer, why)
    });
    Ok(found.collect())
}
