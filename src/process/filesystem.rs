//! Filesystem rules of the kernel (landlock(7)): what is not granted is denied, for the agent and all it starts.
//!
//! Keys, journal and share are denied by not being granted. Abstract sockets and signals to processes outside
//! are denied where the kernel can (Linux 6.12), sockets with a path where it can (Linux 7.1); before that such
//! a socket can be reached although its path cannot be read (measured on Linux 6.18), which is why sockets are
//! also hidden by mounts.

use landlock::ABI;
use landlock::Access;
use landlock::AccessFs;
use landlock::BitFlags;
use landlock::CompatLevel;
use landlock::Compatible;
use landlock::PathBeneath;
use landlock::PathFd;
use landlock::Ruleset;
use landlock::RulesetAttr;
use landlock::RulesetCreatedAttr;
use landlock::RulesetStatus;
use landlock::Scope;

use super::Error;
use super::channel::Grants;

/// The newest interface this was written for; an older kernel enforces what it knows.
const NEWEST: ABI = ABI::V9;

/// Puts the rules in force for this process and all it starts. There is no way back.
///
/// # Errors
/// [`Error::Refused`]: the kernel has no Landlock, or it is off; nothing is in force.
pub fn restrict(grants: &Grants) -> Result<(), Error> {
    match ruleset(grants) {
        Ok(RulesetStatus::NotEnforced) => Err(refused("not in this kernel, or off".to_owned())),
        Ok(_) => Ok(()),
        Err(error) => Err(refused(error.to_string())),
    }
}

fn refused(why: String) -> Error {
    Error::Refused {
        action: "set filesystem rules",
        why,
    }
}

fn ruleset(grants: &Grants) -> Result<RulesetStatus, landlock::RulesetError> {
    let read = AccessFs::from_read(NEWEST) | AccessFs::ResolveUnix;
    let write = AccessFs::from_all(NEWEST);
    let rules = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(write)?
        .scope(Scope::from_all(NEWEST))?
        .create()?
        .add_rules(beneath(&grants.read, read))?
        .add_rules(beneath(&grants.write, write))?;
    Ok(rules.restrict_self()?.ruleset)
}

/// One rule per path that can be opened; on a file only the rights that a file can have.
fn beneath(
    paths: &[std::path::PathBuf],
    access: BitFlags<AccessFs>,
) -> impl Iterator<Item = Result<PathBeneath<PathFd>, landlock::RulesetError>> {
    paths.iter().filter_map(move |path| {
        let directory = std::fs::metadata(path).ok()?.is_dir();
        let fits = if directory {
            access
        } else {
            access & AccessFs::from_file(NEWEST)
        };
        Some(Ok(PathBeneath::new(PathFd::new(path).ok()?, fits)))
    })
}
