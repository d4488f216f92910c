//! Whether anybody but the user of the watcher and root could change what the configuration says.
//!
//! The file decides what peers may run here. Like sshd with `StrictModes` (sshd_config(5)), the watcher refuses one
//! that others can write, or replace by way of a folder above it.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::path::PathBuf;

use crate::config::Error;
use crate::config::load::NO_FILE;

/// Why a file must not be trusted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{}' {why}", path.display())]
pub struct Finding {
    /// The file, or the folder above it that is to blame.
    pub path: PathBuf,
    /// What is wrong with it.
    pub why: String,
}

/// Looks at a configuration file and every folder above it, as named and as it really lies. `root` is the share: a
/// configuration that lies on it can be changed by every host.
///
/// # Errors
/// [`Error::Read`] where something cannot be looked at: that is not a pass.
pub fn inspect(path: &Path, root: Option<&Path>) -> Result<Option<Finding>, Error> {
    if path == Path::new(NO_FILE) {
        return Ok(None);
    }
    let euid = nix::unistd::geteuid().as_raw();
    let failed = |at: &Path, source| Error::Read {
        path: at.to_owned(),
        source,
    };
    let real = path.canonicalize().map_err(|source| failed(path, source))?;
    if root.is_some_and(|root| real.starts_with(root)) {
        let why = "lies on the share, where every host can change it".to_owned();
        return Ok(Some(Finding { path: real, why }));
    }
    let folders = real.ancestors().skip(1).chain(path.ancestors().skip(1));
    let entries =
        std::iter::once(real.as_path()).chain(folders.filter(|folder| folder.is_absolute()));
    for entry in entries {
        let facts = std::fs::metadata(entry).map_err(|source| failed(entry, source))?;
        if let Some(why) = weakness(facts.uid(), facts.mode(), facts.is_dir(), euid) {
            return Ok(Some(Finding {
                path: entry.to_owned(),
                why,
            }));
        }
    }
    Ok(None)
}

/// Says what is weak about one entry.
fn weakness(owner: u32, mode: u32, is_dir: bool, euid: u32) -> Option<String> {
    if owner != 0 && owner != euid {
        return Some(format!(
            "belongs to user {owner}, who could change it; only root and user {euid} may own it"
        ));
    }
    // In a sticky folder only the owner of an entry may replace it (chmod(1), restricted deletion flag).
    let sticky = is_dir && mode & 0o1000 != 0;
    let shown = mode & 0o7777;
    (mode & 0o022 != 0 && !sticky).then(|| format!("can be written by others (mode {shown:04o})"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn only_the_user_and_root_may_own_it_and_nobody_else_may_write() {
        assert_eq!(weakness(1000, 0o100_644, false, 1000), None);
        assert_eq!(weakness(0, 0o100_644, false, 1000), None);
        assert!(
            weakness(1001, 0o100_600, false, 1000)
                .unwrap()
                .contains("user 1001")
        );
        assert!(
            weakness(1000, 0o100_664, false, 1000)
                .unwrap()
                .contains("0664")
        );
        assert!(weakness(1000, 0o100_602, false, 1000).is_some());
        assert!(
            weakness(1000, 0o101_666, false, 1000).is_some(),
            "sticky means nothing on a file"
        );
        assert_eq!(weakness(0, 0o041_777, true, 1000), None);
        assert!(weakness(0, 0o040_777, true, 1000).is_some());
    }

    #[test]
    fn a_folder_above_it_is_as_dangerous_as_the_file() {
        let base = tempfile::tempdir().unwrap();
        let base = base.path().canonicalize().unwrap();
        let mode = |path: &Path, mode| {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        };
        let (folder, file) = (base.join("etc"), base.join("etc/dispatch.toml"));
        std::fs::create_dir(&folder).unwrap();
        std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&file)
            .unwrap();
        mode(&folder, 0o755);
        mode(&file, 0o644);
        assert_eq!(inspect(&file, Some(Path::new("/mnt/share"))).unwrap(), None);
        assert_eq!(inspect(&file, Some(&base)).unwrap().unwrap().path, file);
        mode(&folder, 0o775);
        assert_eq!(inspect(&file, None).unwrap().unwrap().path, folder);
        // By way of a link in a safe folder it is the same file.
        let link = base.join("link.toml");
        std::os::unix::fs::symlink(&file, &link).unwrap();
        assert_eq!(inspect(&link, None).unwrap().unwrap().path, folder);
        mode(&folder, 0o755);
        mode(&file, 0o666);
        assert_eq!(inspect(&link, None).unwrap().unwrap().path, file);
        assert!(inspect(&base.join("absent"), None).is_err());
    }
}
