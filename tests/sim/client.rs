//! What one host remembers of the share, as kernels do: listings, where a name led, that a name was absent, stamps. A
//! host believes its memory by the rules measured on Linux 6.1 over NFSv3, NFSv4.2 and SMB.

use std::collections::HashMap;
use std::sync::Arc;

use dispatch::share::EntryKind;

use crate::server::File;
use crate::server::Folder;

/// The names of a folder, as they were when its change attribute was this.
#[derive(Debug, Clone)]
pub struct Listing {
    pub attribute: u64,
    /// The true count of changes it was read at, which no client can see.
    pub version: u64,
    pub names: Arc<Vec<(String, EntryKind)>>,
}

/// Where a name led, or that it led nowhere, and until when this is believed.
#[derive(Debug, Clone, Copy)]
pub struct Dentry {
    pub file: Option<File>,
    pub until: u64,
}

/// The memory of one host. A host that is switched off loses it.
#[derive(Debug, Default)]
pub struct Client {
    pub listings: HashMap<Folder, Listing>,
    pub dentries: HashMap<(Folder, String), Dentry>,
}

impl Client {
    /// Forgets what an own change of a folder makes doubtful.
    pub fn changed(&mut self, at: Folder, name: &str) {
        self.listings.remove(&at);
        self.dentries.remove(&(at, name.to_owned()));
    }

    /// A folder was found to have changed: where its names lead is asked anew.
    pub fn renew(&mut self, at: Folder) {
        self.dentries.retain(|(folder, _), _| *folder != at);
    }

    /// What is believed of a name now.
    pub fn believes(&self, at: Folder, name: &str, now: u64) -> Option<Dentry> {
        if self.dentries.is_empty() {
            return None;
        }
        let known = self.dentries.get(&(at, name.to_owned()))?;
        (now < known.until).then_some(*known)
    }
}
