//! The root of a share: laid out once, and recognised by its names.
//!
//! A listing of the root is needed before every start anyway, because a killswitch is an entry of it. So the identity
//! is a name in it too, beside the file `dispatch.json` that says the same for people, and for roots that have no such
//! name. Nobody opens either in daily work: a file that several hosts keep opening is passed from lease to lease, and
//! Samba 4.17 then answers a client nothing for 5 to 9 s at a time (docs/LABORATORY.md).

use serde::Deserialize;
use serde::Serialize;

use crate::killswitch::IDENTITY;
use crate::place::Lane;
use crate::place::Place;
use crate::share::EntryKind;
use crate::share::Listed;
use crate::share::ShareError;
use crate::transport::Transport;

/// Version of the layout.
const LAYOUT: u32 = 1;
/// What the name of an identity begins with; the version of the layout and the UUID follow, with a dot before each.
const NAMED: &str = "dispatch";

/// The identity of a root: an unmounted share, or another one at its place, is recognised by it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Version of the layout: 1. A newer one is refused.
    pub layout: u32,
    /// The share.
    pub uuid: String,
}

impl Identity {
    /// Returns the name that tells it in a listing.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{NAMED}.{}.{}", self.layout, self.uuid)
    }

    fn is_plain(&self) -> bool {
        let uuid = uuid::Uuid::try_parse(&self.uuid);
        uuid.is_ok_and(|uuid| uuid.to_string() == self.uuid)
    }

    /// Reads it from an entry of a root, if its name is one.
    fn named(entry: &Listed) -> Option<Self> {
        let (layout, uuid) = (entry.name.strip_prefix(NAMED)?)
            .strip_prefix('.')?
            .split_once('.')?;
        let identity = Self {
            layout: layout.parse().ok()?,
            uuid: uuid::Uuid::try_parse(uuid).ok()?.to_string(),
        };
        let is_exact = identity.name() == entry.name && entry.raw.is_none();
        (is_exact && entry.kind == EntryKind::File).then_some(identity)
    }
}

/// Why a folder is not a share of ours.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The share failed.
    #[error(transparent)]
    Share(#[from] ShareError),
    /// There is no identity in it.
    #[error("no '{IDENTITY}' in '{0}' (not mounted?)")]
    Absent(String),
    /// The identity cannot be read.
    #[error("cannot understand '{IDENTITY}' in '{0}'")]
    Damaged(String),
    /// It is laid out by a newer version.
    #[error("'{0}' has layout {1}, this program knows {LAYOUT}")]
    Newer(String, u32),
}

/// Reads the identity of a root.
///
/// # Errors
/// [`Error`]
pub fn identity(transport: &dyn Transport) -> Result<Identity, Error> {
    // Whatever is proved of it here holds for the calls that follow.
    transport.anchor()?;
    identity_in(transport, &transport.list(&Place::Root)?)
}

/// Returns whether a listing is that of a root that was laid out.
pub(super) fn is_laid_out(listing: &[Listed]) -> bool {
    let mut found = listing.iter().filter(|entry| entry.name == IDENTITY);
    found.any(|entry| entry.kind == EntryKind::File && entry.raw.is_none())
}

/// Returns the identity of a root by a fresh listing of it; its file is read where no name in it says which, or several
/// do.
pub(super) fn identity_in(
    transport: &dyn Transport,
    listing: &[Listed],
) -> Result<Identity, Error> {
    if !is_laid_out(listing) {
        return Err(Error::Absent(transport.title()));
    }
    let mut named = listing.iter().filter_map(Identity::named);
    let identity = match (named.next(), named.next()) {
        (Some(only), None) => only,
        _ => written(transport)?,
    };
    if identity.layout > LAYOUT {
        return Err(Error::Newer(transport.title(), identity.layout));
    }
    Ok(identity)
}

/// Returns the identity that the file of a root says, whatever its names say.
///
/// # Errors
/// [`Error`]
pub fn written(transport: &dyn Transport) -> Result<Identity, Error> {
    let bytes = transport.read(&Place::Root, IDENTITY, 4096)?;
    let identity: Option<Identity> = serde_json::from_slice(&bytes).ok();
    // A name is made of it, and it is shown: nothing but the one spelling of a UUID.
    identity
        .filter(Identity::is_plain)
        .ok_or_else(|| Error::Damaged(transport.title()))
}

/// Lays out a root: its identity if it has none, the common folders, and the folders of these lanes. May be repeated.
///
/// # Errors
/// [`Error`]; what was made stays.
pub fn lay_out(transport: &dyn Transport, lanes: &[Lane], uuid: &str) -> Result<Identity, Error> {
    let identity = match identity(transport) {
        Err(Error::Absent(_)) => {
            let fresh = Identity {
                layout: LAYOUT,
                uuid: uuid.to_owned(),
            };
            // A plain struct of a number and a string.
            let text = serde_json::to_string(&fresh).expect("an identity is plain data");
            transport.found(&Place::Root, IDENTITY, format!("{text}\n").as_bytes())?;
            self::identity(transport)?
        }
        other => other?,
    };
    transport.found(&Place::Root, &identity.name(), b"")?;
    transport.make_dir(&Place::Heartbeats)?;
    transport.make_dir(&Place::Logs)?;
    for place in lanes.iter().flat_map(Place::of_lane) {
        transport.make_dir(&place)?;
    }
    transport.sync(&Place::Root)?;
    Ok(identity)
}
