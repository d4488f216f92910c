//! Where the log files of one node are read from: its own disk, or `log/<node>/` on the share. Reads only.

use std::io::Read;
use std::io::Seek;
use std::io::SeekFrom;
use std::path::PathBuf;

use crate::audit::Error;
use crate::audit::segment::SegmentName;
use crate::disk;
use crate::entry;
use crate::id::NodeName;
use crate::place::Place;
use crate::share::Share;

/// The log files of one node.
pub trait LogFiles {
    /// Returns every name that is there, litter left out.
    ///
    /// # Errors
    /// [`Error::Disk`], [`Error::Share`]
    fn names(&self) -> Result<Vec<String>, Error>;

    /// Opens one at an offset.
    ///
    /// # Errors
    /// [`Error::Disk`], [`Error::Share`], [`Error::Read`]
    fn open(&self, name: &SegmentName, offset: u64) -> Result<Box<dyn Read + Send>, Error>;

    /// Returns the size of one in bytes.
    ///
    /// # Errors
    /// [`Error::Disk`], [`Error::Share`], [`Error::Read`]
    fn size(&self, name: &SegmentName) -> Result<u64, Error>;

    /// Returns the segments that are there, by writer and number.
    ///
    /// # Errors
    /// As [`LogFiles::names`].
    fn segments(&self) -> Result<Vec<SegmentName>, Error> {
        let names = self.names()?;
        let mut found: Vec<_> = names
            .iter()
            .filter_map(|name| SegmentName::from_file(name))
            .collect();
        found.sort();
        Ok(found)
    }
}

/// The log that this node wrote, on its own disk.
#[derive(Debug, Clone)]
pub struct LocalFiles(pub PathBuf);

impl LogFiles for LocalFiles {
    fn names(&self) -> Result<Vec<String>, Error> {
        let mut names = match disk::list(&self.0) {
            // Nothing was ever told here.
            Err(error) if error.is(std::io::ErrorKind::NotFound) => Vec::new(),
            other => other?,
        };
        names.retain(|name| name != super::local::TURN && !entry::is_litter(name));
        Ok(names)
    }

    fn open(&self, name: &SegmentName, offset: u64) -> Result<Box<dyn Read + Send>, Error> {
        let path = self.0.join(name.to_string());
        let mut file = disk::open(&path)?;
        match file.seek(SeekFrom::Start(offset)) {
            Ok(_) => Ok(Box::new(file)),
            Err(source) => Err(Error::Read { path, source }),
        }
    }

    fn size(&self, name: &SegmentName) -> Result<u64, Error> {
        let path = self.0.join(name.to_string());
        match disk::open(&path)?.metadata() {
            Ok(seen) => Ok(seen.len()),
            Err(source) => Err(Error::Read { path, source }),
        }
    }
}

/// The copy of a node's log on the share. Whoever can write there can change it; the heads show it.
pub struct ShareFiles<'a> {
    /// The share.
    pub share: &'a dyn Share,
    /// Whose log.
    pub node: NodeName,
}

impl LogFiles for ShareFiles<'_> {
    fn names(&self) -> Result<Vec<String>, Error> {
        let listed = match self.share.list(&Place::Log(self.node.clone())) {
            // A node that has told nothing yet has no folder. Where it had one, its sealed heads say so.
            Err(error) if error.is_absent() => Vec::new(),
            other => other?,
        };
        let mut names: Vec<String> = listed.into_iter().map(|entry| entry.name).collect();
        names.retain(|name| !entry::is_litter(name));
        Ok(names)
    }

    fn open(&self, name: &SegmentName, offset: u64) -> Result<Box<dyn Read + Send>, Error> {
        let file_name = name.to_string();
        let at = Place::Log(self.node.clone());
        let mut file = self.share.open(&at, &file_name)?;
        // A stream cannot seek; what was read before is read over.
        std::io::copy(&mut (&mut file).take(offset), &mut std::io::sink()).map_err(|source| {
            Error::Read {
                path: PathBuf::from(at.path()).join(&file_name),
                source,
            }
        })?;
        Ok(file)
    }

    fn size(&self, name: &SegmentName) -> Result<u64, Error> {
        let at = Place::Log(self.node.clone());
        Ok(self.share.attributes(&at, &name.to_string())?.bytes)
    }
}
