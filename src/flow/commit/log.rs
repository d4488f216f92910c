//! Which log belongs to an outcome: the one whose digest its sealed result names. Reads, and changes nothing.

use std::io::Read;

use nix::errno::Errno;

use super::whose::seen;
use crate::flow::Error;
use crate::flow::Node;
use crate::id::Digest;
use crate::id::TaskId;
use crate::journal::Outcome;
use crate::place::Place;
use crate::share::ShareError;

/// Whether the result names a log. A quotation mark inside a text is escaped, so this is the member itself.
pub(super) fn has_log(outcome: &Outcome) -> bool {
    outcome.sealed.contains("\"log_sha256\": \"")
}

/// How many bytes the log has that the result names. As with the digest, this is the member itself.
fn log_bytes(outcome: &Outcome) -> Option<u64> {
    let (_, after) = outcome.sealed.split_once("\"log_bytes\": ")?;
    let digits = after
        .split(|letter: char| !letter.is_ascii_digit())
        .next()?;
    digits.parse().ok()
}

/// A log under the public name is ours when the sealed result names its digest. Logs may be large: streamed, not
/// loaded; and no further than ours would reach, since a planted one can claim any size.
pub(super) fn is_our_log(
    node: &mut Node,
    done: &Place,
    (id, name): (TaskId, &str),
    outcome: &Outcome,
) -> Result<bool, Error> {
    use sha2::Digest as _;
    let Some(size) = log_bytes(outcome) else {
        return Ok(false);
    };
    let opened = node.transport.open(done, name);
    let Some(from) = seen(node, (id, name), opened)? else {
        return Ok(false);
    };
    let mut from = from.take(size.saturating_add(1));
    let mut hasher = sha2::Sha256::new();
    let mut chunk = vec![0; 64 * 1024];
    loop {
        match from.read(&mut chunk) {
            Ok(0) => break,
            Ok(read) => hasher.update(&chunk[..read]),
            Err(error) => {
                return Err(Error::Share(ShareError {
                    action: "read",
                    object: format!("{done}{name}"),
                    errno: error.raw_os_error().unwrap_or(Errno::EIO as i32),
                    why: None,
                }));
            }
        }
    }
    let digest = Digest::from_bytes(hasher.finalize().into());
    Ok(outcome
        .sealed
        .contains(&format!("\"log_sha256\": \"{digest}\"")))
}
