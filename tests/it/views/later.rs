//! A share whose server says that it is later than it is: for what depends on age alone.

use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use dispatch::chance::OsChance;
use dispatch::clock::SystemClock;
use dispatch::clock::Timestamp;
use dispatch::place::Place;
use dispatch::share::Attributes;
use dispatch::share::FolderShare;
use dispatch::share::Listed;
use dispatch::share::Share;
use dispatch::share::ShareError;
use dispatch::transport::FolderTransport;

struct Later {
    share: FolderShare,
    by: Duration,
}

/// Returns the share of a folder, so many hours later.
pub fn transport(root: &Path, hours: u64) -> FolderTransport {
    let later = Later {
        share: FolderShare::at(root),
        by: Duration::from_secs(hours * 3600),
    };
    FolderTransport::over(Arc::new(later), Arc::new(SystemClock), Arc::new(OsChance))
}

type Done<T> = Result<T, ShareError>;

impl Share for Later {
    fn list(&self, at: &Place) -> Done<Vec<Listed>> {
        self.share.list(at)
    }

    fn create(&self, at: &Place, name: &str, bytes: &[u8]) -> Done<()> {
        self.share.create(at, name, bytes)
    }

    fn create_from(&self, at: &Place, name: &str, from: &mut dyn Read) -> Done<u64> {
        self.share.create_from(at, name, from)
    }

    fn rename(&self, from: (&Place, &str), to: (&Place, &str)) -> Done<()> {
        self.share.rename(from, to)
    }

    fn rename_raw(&self, from: (&Place, &[u8]), to: (&Place, &str)) -> Done<()> {
        self.share.rename_raw(from, to)
    }

    fn read(&self, at: &Place, name: &str, max: usize) -> Done<Vec<u8>> {
        self.share.read(at, name, max)
    }

    fn open(&self, at: &Place, name: &str) -> Done<Box<dyn Read + Send>> {
        self.share.open(at, name)
    }

    fn peek(&self, at: &Place, name: &str, max: usize) -> Done<Vec<u8>> {
        self.share.peek(at, name, max)
    }

    fn remove(&self, at: &Place, name: &str) -> Done<()> {
        self.share.remove(at, name)
    }

    fn make_dir(&self, at: &Place) -> Done<()> {
        self.share.make_dir(at)
    }

    fn remove_dir(&self, at: &Place) -> Done<()> {
        self.share.remove_dir(at)
    }

    fn sync(&self, at: &Place) -> Done<()> {
        self.share.sync(at)
    }

    fn beat(&self, at: &Place, name: &str, bytes: &[u8]) -> Done<()> {
        self.share.beat(at, name, bytes)
    }

    fn extend(&self, at: &Place, name: &str, offset: u64, bytes: &[u8]) -> Done<()> {
        self.share.extend(at, name, offset, bytes)
    }

    fn attributes(&self, at: &Place, name: &str) -> Done<Attributes> {
        self.share.attributes(at, name)
    }

    fn server_time(&self, at: &Place, scratch: &str) -> Done<Timestamp> {
        let now = self.share.server_time(at, scratch)?;
        Ok(now.plus(self.by))
    }

    fn free_bytes(&self) -> Done<u64> {
        self.share.free_bytes()
    }

    fn title(&self) -> String {
        self.share.title()
    }
}
