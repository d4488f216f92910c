//! Files that hold a secret of a destination: a key, a token, an address. Read anew for every try, so that a new one
//! counts at once, and believed only where nobody else could have read or written it.

use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use zeroize::Zeroizing;

use crate::disk;
use crate::limits;
use crate::notify::Error;

const OTHERS: u32 = 0o007;
const GROUP: u32 = 0o070;

/// Reads a secret: one line, of a regular file that is this user's or root's and closed to all others. Where a service
/// manager handed over a copy of that name (systemd.exec(5), `LoadCredential=`), `handed` is its folder, and the copy
/// is read; it is root's, and what an access list lets this user read of it shows as a mode of its group.
///
/// # Errors
/// [`Error::Secret`], [`Error::Disk`]
pub fn read(path: &Path, handed: Option<&Path>) -> Result<Zeroizing<String>, Error> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let copy = handed.map(|folder| folder.join(format!("notify_{name}")));
    let copy = copy.filter(|copy| disk::ownership(copy).is_ok());
    let closed_to = if copy.is_some() {
        OTHERS
    } else {
        OTHERS | GROUP
    };
    let path = copy.as_deref().unwrap_or(path);
    let bad = |why: String| Error::Secret {
        path: path.to_owned(),
        why,
    };
    let file = disk::open(path)?;
    let meta = file.metadata().map_err(|error| bad(error.to_string()))?;
    let us = nix::unistd::geteuid().as_raw();
    if meta.uid() != us && meta.uid() != 0 {
        return Err(bad(format!("it belongs to user {}", meta.uid())));
    }
    let mode = meta.mode() & 0o7777;
    if mode & closed_to != 0 {
        return Err(bad(format!(
            "others can read or write it (mode {mode:04o})"
        )));
    }
    let most = limits::NOTIFY_SECRET_BYTES_MAX;
    let mut text = Zeroizing::new(String::with_capacity(most + 1));
    let read = file.take(most as u64 + 1).read_to_string(&mut text);
    read.map_err(|error| bad(error.to_string()))?;
    if text.len() > most {
        return Err(bad(format!("it has more than {most} bytes")));
    }
    let line = Zeroizing::new(text.trim_end_matches(['\r', '\n']).to_owned());
    if line.is_empty()
        || line
            .chars()
            .any(|letter| letter.is_control() || letter == ' ')
    {
        return Err(bad("it is not one line without spaces".to_owned()));
    }
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn file(dir: &Path, name: &str, text: &str, mode: u32) -> std::path::PathBuf {
        let path = dir.join(name);
        disk::replace(&path, text.as_bytes(), 0o600).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    #[test]
    fn only_what_nobody_else_can_read_is_a_secret() {
        let dir = tempfile::tempdir().unwrap();
        let good = file(dir.path(), "good", "s3cret\n", 0o600);
        assert_eq!(read(&good, None).unwrap().as_str(), "s3cret");
        for (name, text, mode) in [
            ("group", "s3cret", 0o640),
            ("world", "s3cret", 0o604),
            ("empty", "\n", 0o600),
            ("lines", "one\ntwo\n", 0o600),
            ("long", &"x".repeat(5000), 0o600),
        ] {
            let path = file(dir.path(), name, text, mode);
            assert!(
                matches!(read(&path, None), Err(Error::Secret { .. })),
                "{name}"
            );
        }
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(&good, &link).unwrap();
        assert!(read(&link, None).is_err());
        assert!(read(&dir.path().join("absent"), None).is_err());
    }

    #[test]
    fn a_copy_that_was_handed_over_comes_first() {
        let (dir, handed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let own = file(dir.path(), "ops.secret", "mine", 0o600);
        assert_eq!(read(&own, Some(handed.path())).unwrap().as_str(), "mine");
        file(handed.path(), "notify_ops.secret", "handed", 0o440);
        assert_eq!(read(&own, Some(handed.path())).unwrap().as_str(), "handed");
    }
}
