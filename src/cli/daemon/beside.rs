//! The thread that keeps the vigil: it beats the leases that a long round is late with, over a handle of the share of
//! its own, and does nothing else.

use std::sync::Arc;
use std::sync::mpsc::RecvTimeoutError;
use std::sync::mpsc::Sender;
use std::sync::mpsc::channel;
use std::time::Duration;

use super::Failure;
use super::Setup;
use crate::attempt::local::LocalRunner;
use crate::flow::Vigil;
use crate::limits;
use crate::share::FolderShare;
use crate::share::PatientShare;
use crate::share::Share as _;
use crate::transport::FolderTransport;

/// Time between two looks whether a round is late.
const PAUSE: Duration = Duration::from_secs(2);

/// Keeps the vigil until what is returned is dropped.
pub(super) fn keep(
    setup: &Setup,
    vigil: Arc<Vigil>,
    runner: &Arc<LocalRunner>,
) -> Result<Sender<()>, Failure> {
    let (alive, end) = channel();
    let root = setup.config.root()?.to_owned();
    let (clock, chance) = (Arc::clone(&setup.clock), Arc::clone(&setup.chance));
    let runner = Arc::clone(runner);
    std::thread::spawn(move || {
        let mut last: Option<PatientShare> = None;
        while end.recv_timeout(PAUSE) == Err(RecvTimeoutError::Timeout) {
            let hangs = last.as_ref().is_some_and(|share| share.hang().is_some());
            // At most one call of this thread hangs.
            if hangs || !vigil.is_wanted(clock.boot()) {
                continue;
            }
            let folder = Arc::new(FolderShare::at(&root));
            let share = PatientShare::over(folder, Arc::clone(&clock), limits::SHARE_PATIENCE);
            last = Some(share.clone());
            let (clock, chance) = (Arc::clone(&clock), Arc::clone(&chance));
            let transport = FolderTransport::over(Arc::new(share), Arc::clone(&clock), chance);
            vigil.keep(&transport, &*clock, &*runner);
        }
    });
    Ok(alive)
}
