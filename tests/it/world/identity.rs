//! By what the root of the world is recognised.
#![expect(clippy::disallowed_methods, reason = "what a stranger does to a share")]

use std::path::PathBuf;

use dispatch::flow::root::Identity;

use super::World;

impl World {
    /// The entry of the root that tells the identity in a listing.
    pub fn name_of_identity(&self, uuid: &str) -> PathBuf {
        let (layout, uuid) = (1, uuid.to_owned());
        self.root().join(Identity { layout, uuid }.name())
    }

    /// Makes the root another share, as far as a name tells.
    pub fn rename_identity(&self, uuid: &str) {
        let mut entries = std::fs::read_dir(self.root()).unwrap();
        let named = entries.find_map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            name.starts_with("dispatch.1.").then_some(path)
        });
        std::fs::rename(named.unwrap(), self.name_of_identity(uuid)).unwrap();
    }
}
