//! Two hosts at one share: how they meet, how they talk, and the checks that need both (18 to 25).
//!
//! They talk through the share alone. A *bell* is a file of one writer that grows by a byte a word: its size is asked
//! of the server whatever a client remembers, and nobody has to see a listing to hear it, because listings are what is
//! being examined. A *note* is a file under a name that nobody looked for before its bell rang.

mod claims;
pub mod meet;
mod open;
mod see;
mod trust;

use std::path::PathBuf;
use std::time::Duration;

use nix::errno::Errno;
use serde::Deserialize;
use serde::Serialize;
use serde::de::DeserializeOwned;

pub(super) use self::claims::competing;
pub(super) use self::claims::decisive;
pub(super) use self::open::held;
pub(super) use self::open::lease;
pub(super) use self::see::tail;
pub(super) use self::see::visible;
pub(super) use self::trust::identity;
pub(super) use self::trust::mapping;

use super::Bench;
use super::Finding;
use super::bench;
use super::bench::Trouble;
use super::bench::to;
use crate::clock;

/// How long one waits for a word of the other.
const HEAR: Duration = Duration::from_secs(20);
/// How long a listing is trusted to show a bell before it is looked for by its name.
const BY_NAME: Duration = Duration::from_secs(3);
/// How long one waits for the other to come to the same check: it may have waited for its last one to be killed.
const COME: Duration = Duration::from_secs(100);
/// Pause between two looks for a word; short, because two changes within one tick of the server are what hides some.
const LOOK: Duration = Duration::from_micros(300);
/// After so long without a word the folder is poked, in case its listing hides the first one.
const POKE: Duration = Duration::from_millis(500);

/// Two hosts that met.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Name of the common scratch folder.
    pub folder: String,
    /// This side.
    pub me: String,
    /// The other side.
    pub peer: String,
    /// Whether this side begins.
    pub leads: bool,
}

/// One side of a conversation about one check.
pub(super) struct Talk<'a> {
    pub bench: &'a Bench,
    pub session: Session,
    said: u64,
    heard: u64,
}

fn nobody(errno: Errno) -> Trouble {
    to::<std::io::Error>("hear the other host")(errno.into())
}

impl<'a> Talk<'a> {
    /// Comes to a check, and waits for the other side to come to it.
    pub fn begin(bench: &'a Bench) -> Result<Self, Trouble> {
        let session = bench
            .orders
            .session
            .clone()
            .ok_or_else(|| nobody(Errno::ENOTCONN))?;
        let mut talk = Self {
            bench,
            session,
            said: 0,
            heard: 0,
        };
        talk.ring()?;
        talk.wait(COME)?;
        Ok(talk)
    }

    /// Returns whether this side begins.
    pub fn leads(&self) -> bool {
        self.session.leads
    }

    fn bell(&self, whose: &str) -> PathBuf {
        self.bench.path(&format!("bell.{whose}"))
    }

    /// Says a word without content.
    pub fn ring(&mut self) -> Result<(), Trouble> {
        self.said += 1;
        let path = self.bell(&self.session.me);
        let bytes = vec![b'.'; usize::try_from(self.said).unwrap_or(0)];
        let mut last = grow(&path, &bytes);
        for _ in 0..5 {
            if last.is_ok() {
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
            last = grow(&path, &bytes);
        }
        last.map_err(to("ring"))
    }

    fn is_listed(&self, bell: &std::path::Path) -> bool {
        let name = bell
            .file_name()
            .map(|name| name.to_string_lossy().into_owned());
        bench::list(&self.bench.dir)
            .is_ok_and(|names| names.iter().any(|one| Some(one) == name.as_ref()))
    }

    /// Waits for the next word.
    pub fn hear(&mut self) -> Result<(), Trouble> {
        self.wait(HEAR)
    }

    fn wait(&mut self, patience: Duration) -> Result<(), Trouble> {
        let bell = self.bell(&self.session.peer);
        let began = clock::precise();
        let mut poked = 0;
        let mut by_name = 1;
        loop {
            let waited = clock::precise().saturating_sub(began);
            // A name that is looked for before it is there is remembered as absent, 30 s and more: the listing first,
            // and the name only where no listing shows it.
            let is_there = self.heard > 0 || self.is_listed(&bell) || waited > BY_NAME * by_name;
            by_name += u32::from(waited > BY_NAME * by_name);
            if is_there && size(&bell).is_ok_and(|size| size > self.heard) {
                break;
            }
            if waited > patience {
                return Err(nobody(Errno::ETIMEDOUT));
            }
            if waited > POKE * (poked + 1) {
                poked += 1;
                let _ = poke(self.bench, poked);
            }
            if waited > Duration::from_millis(20) {
                // Opening the folder makes an NFS client forget that the bell is not there yet.
                let _ = bench::list(&self.bench.dir);
                std::thread::sleep(Duration::from_millis(2));
            }
            std::thread::sleep(LOOK);
        }
        self.heard += 1;
        Ok(())
    }

    /// Both come here before either goes on.
    pub fn together(&mut self) -> Result<(), Trouble> {
        self.ring()?;
        self.hear()
    }

    /// Says something.
    pub fn tell<T: Serialize>(&mut self, what: &T) -> Result<(), Trouble> {
        let text = serde_json::to_vec(what).map_err(|_| nobody(Errno::EINVAL))?;
        let name = format!("note.{}.{}", self.said + 1, self.session.me);
        self.bench.lay(&self.bench.path(&name), &text)?;
        self.ring()
    }

    /// Hears something.
    pub fn told<T: DeserializeOwned>(&mut self) -> Result<T, Trouble> {
        self.hear()?;
        let name = format!("note.{}.{}", self.heard, self.session.peer);
        let path = self.bench.path(&name);
        let mut last = Errno::ENOENT;
        for _ in 0..50 {
            match bench::get(&path) {
                Ok(bytes) => {
                    if let Ok(value) = serde_json::from_slice(&bytes) {
                        return Ok(value);
                    }
                }
                Err(error) => last = bench::errno_of(&error),
            }
            let _ = bench::list(&self.bench.dir);
            std::thread::sleep(Duration::from_millis(20));
        }
        Err(nobody(last))
    }

    /// Tells and is told.
    pub fn exchange<T: Serialize + DeserializeOwned>(&mut self, mine: &T) -> Result<T, Trouble> {
        self.tell(mine)?;
        self.told()
    }

    /// The leader's finding is that of both.
    pub fn agree(&mut self, mine: Option<Finding>) -> Result<Finding, Trouble> {
        match mine {
            Some(finding) => {
                self.tell(&finding)?;
                Ok(finding)
            }
            None => self.told(),
        }
    }
}

/// Makes a file as long as this.
fn grow(path: &std::path::Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::os::unix::fs::FileExt;
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = std::fs::OpenOptions::new();
    let file = options
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o660)
        .open(path)?;
    file.write_all_at(bytes, 0)?;
    // Closing writes back to the server, where the other side asks for the size.
    crate::disk::close(file)
}

/// Asks the server for the size of a file.
fn size(path: &std::path::Path) -> std::io::Result<u64> {
    let file = std::fs::File::open(path)?;
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::AtFlags;
        use rustix::fs::StatxFlags;
        let flags = AtFlags::EMPTY_PATH | AtFlags::STATX_FORCE_SYNC;
        Ok(rustix::fs::statx(&file, c"", flags, StatxFlags::SIZE)?.stx_size)
    }
    #[cfg(not(target_os = "linux"))]
    Ok(file.metadata()?.len())
}

/// Changes a folder, so that this client looks at it anew (docs/QUEUE.md, R5).
fn poke(bench: &Bench, number: u32) -> Result<(), Trouble> {
    let me = bench
        .orders
        .session
        .as_ref()
        .map_or("", |session| session.me.as_str());
    let path = bench.path(&format!("poke.{me}.{number}"));
    bench.lay(&path, b"")?;
    let _ = bench::remove(&path);
    Ok(())
}
