//! The server: one tree of folders and files, as it is at this moment. It never lies; what lies are caches and lost
//! replies. What it has acknowledged and not made durable it can forget, last things first.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;

use dispatch::place::Place;
use dispatch::share::EntryKind;
use nix::errno::Errno;

/// A folder, by its number.
pub type Folder = usize;
/// A file, by its number: it keeps it through every rename.
pub type File = usize;

/// One request that changes something, as it travels.
#[derive(Debug, Clone)]
pub enum Op {
    /// Creates a file that must not exist; its bytes come with it or in a [`Op::Fill`].
    Create(Folder, String, Arc<Vec<u8>>),
    /// Writes the bytes of a file that was created before, through its handle.
    Fill(File, Arc<Vec<u8>>),
    /// Renames, replacing what is there, as POSIX does.
    Rename(Folder, String, Folder, String),
    /// Removes a file.
    Remove(Folder, String),
    /// Makes a folder.
    MakeFolder(Folder),
    /// Writes at an offset, creating the file if needed, and cuts it off behind where asked.
    Write(Folder, String, u64, Arc<Vec<u8>>),
}

/// What a request did.
#[derive(Debug, Clone)]
pub enum Effect {
    /// A file came into being.
    Made(Folder, String, File),
    /// A file moved; another one may have been under the new name.
    Moved {
        from: Folder,
        to: Folder,
        name: String,
        file: File,
        replaced: Option<File>,
    },
    /// A name is gone.
    Gone(Folder, String, File),
    /// Bytes or folders changed.
    Other,
}

/// A folder and its names.
#[derive(Debug, Clone)]
pub struct Dir {
    pub place: Place,
    pub names: BTreeMap<String, File>,
    pub is_there: bool,
    /// Counts every change.
    pub version: u64,
    /// When it changed last, in microseconds.
    pub changed: u64,
}

/// A file and its bytes.
#[derive(Debug, Clone)]
pub struct Data {
    pub bytes: Arc<Vec<u8>>,
    pub changed: u64,
    /// Where it is named now.
    pub home: Option<(Folder, String)>,
    /// Whether the bytes would survive the server.
    pub is_synced: bool,
}

/// How to take one change back.
#[derive(Debug, Clone)]
struct Undo {
    dirs: Vec<(Folder, u64, u64)>,
    names: Vec<(Folder, String, Option<File>)>,
    data: Option<(File, Arc<Vec<u8>>)>,
}

/// The tree.
#[derive(Debug, Default)]
pub struct Server {
    pub dirs: Vec<Dir>,
    numbers: BTreeMap<Place, Folder>,
    pub files: Vec<Data>,
    undo: Vec<Undo>,
    /// Whether changes are kept so that they can be taken back.
    pub may_forget: bool,
    /// Every name that was ever made, by folder.
    pub ever: BTreeSet<(Folder, String)>,
    now: u64,
}

impl Server {
    /// Returns the number of a folder, whether it exists or not.
    pub fn folder(&mut self, place: &Place) -> Folder {
        if let Some(number) = self.numbers.get(place) {
            return *number;
        }
        let number = self.dirs.len();
        self.dirs.push(Dir {
            place: place.clone(),
            names: BTreeMap::new(),
            is_there: *place == Place::Root,
            version: 0,
            changed: 0,
        });
        self.numbers.insert(place.clone(), number);
        number
    }

    /// Returns the file under a name.
    pub fn find(&self, at: Folder, name: &str) -> Result<File, Errno> {
        let dir = &self.dirs[at];
        if !dir.is_there {
            return Err(Errno::ENOENT);
        }
        dir.names.get(name).copied().ok_or(Errno::ENOENT)
    }

    /// Returns what a listing of a folder shows now: names, and whether each is a file.
    pub fn listing(&self, at: Folder) -> Result<Vec<(String, EntryKind)>, Errno> {
        let dir = &self.dirs[at];
        if !dir.is_there {
            return Err(Errno::ENOENT);
        }
        let mut all: Vec<_> = dir
            .names
            .keys()
            .map(|name| (name.clone(), EntryKind::File))
            .collect();
        for other in self.dirs.iter().filter(|other| other.is_there) {
            let name = match (&dir.place, &other.place) {
                (Place::Stage(lane, dispatch::stage::Stage::Done), Place::Day(of, day))
                    if lane == of =>
                {
                    day.clone()
                }
                (Place::Root, Place::Lane(lane)) => lane.to_string(),
                (Place::Root, Place::Heartbeats | Place::Logs) => other.place.path(),
                _ => continue,
            };
            all.push((name, EntryKind::Dir));
        }
        Ok(all)
    }

    /// Executes one request at a moment in microseconds.
    pub fn execute(&mut self, op: &Op, now: u64) -> Result<Effect, Errno> {
        self.now = now;
        match op {
            Op::Create(at, name, bytes) => self.create(*at, name, bytes),
            Op::Fill(file, bytes) => {
                self.keep(Vec::new(), Some(*file));
                // A write that comes again writes the same bytes at the same place; it never cuts off what came after.
                if bytes.len() >= self.files[*file].bytes.len() {
                    self.files[*file].bytes = Arc::clone(bytes);
                }
                self.files[*file].changed = now;
                Ok(Effect::Other)
            }
            // rename(2): under the name it has already, a file stays where it is.
            Op::Rename(from, name, to, new) if from == to && name == new => {
                self.find(*from, name).map(|_| Effect::Other)
            }
            Op::Rename(from, name, to, new) => self.rename(*from, name, *to, new),
            Op::Remove(at, name) => {
                let file = self.find(*at, name)?;
                self.keep(vec![(*at, name.clone(), Some(file))], None);
                self.dirs[*at].names.remove(name);
                self.files[file].home = None;
                self.touch(*at);
                Ok(Effect::Gone(*at, name.clone(), file))
            }
            Op::MakeFolder(at) => {
                if self.dirs[*at].is_there {
                    return Err(Errno::EEXIST);
                }
                self.dirs[*at].is_there = true;
                let above = match &self.dirs[*at].place {
                    Place::Day(lane, _) => Place::Stage(lane.clone(), dispatch::stage::Stage::Done),
                    Place::Stage(lane, _) => Place::Lane(lane.clone()),
                    _ => Place::Root,
                };
                let above = self.folder(&above);
                self.touch(above);
                Ok(Effect::Other)
            }
            Op::Write(at, name, offset, bytes) => self.write(*at, name, *offset, bytes),
        }
    }

    fn touch(&mut self, at: Folder) {
        self.dirs[at].version += 1;
        self.dirs[at].changed = self.now;
    }

    /// Remembers how to take a change of these names back.
    fn keep(&mut self, names: Vec<(Folder, String, Option<File>)>, data: Option<File>) {
        if !self.may_forget {
            return;
        }
        let stamp = |(at, _, _): &(Folder, String, Option<File>)| {
            (*at, self.dirs[*at].version, self.dirs[*at].changed)
        };
        let dirs = names.iter().map(stamp).collect();
        let data = data.map(|file| (file, Arc::clone(&self.files[file].bytes)));
        self.undo.push(Undo { dirs, names, data });
    }

    fn create(&mut self, at: Folder, name: &str, bytes: &Arc<Vec<u8>>) -> Result<Effect, Errno> {
        if !self.dirs[at].is_there {
            return Err(Errno::ENOENT);
        }
        if self.dirs[at].names.contains_key(name) {
            return Err(Errno::EEXIST);
        }
        self.keep(vec![(at, name.to_owned(), None)], None);
        let file = self.files.len();
        self.files.push(Data {
            bytes: Arc::clone(bytes),
            changed: self.now,
            home: Some((at, name.to_owned())),
            is_synced: true,
        });
        self.dirs[at].names.insert(name.to_owned(), file);
        self.touch(at);
        Ok(Effect::Made(at, name.to_owned(), file))
    }

    fn rename(&mut self, from: Folder, name: &str, to: Folder, new: &str) -> Result<Effect, Errno> {
        let file = self.find(from, name)?;
        if !self.dirs[to].is_there {
            return Err(Errno::ENOENT);
        }
        let replaced = self.dirs[to].names.get(new).copied();
        self.keep(
            vec![
                (from, name.to_owned(), Some(file)),
                (to, new.to_owned(), replaced),
            ],
            None,
        );
        self.dirs[from].names.remove(name);
        self.dirs[to].names.insert(new.to_owned(), file);
        if let Some(other) = replaced {
            self.files[other].home = None;
        }
        self.files[file].home = Some((to, new.to_owned()));
        self.files[file].changed = self.now;
        self.touch(from);
        self.touch(to);
        Ok(Effect::Moved {
            from,
            to,
            name: new.to_owned(),
            file,
            replaced,
        })
    }

    fn write(
        &mut self,
        at: Folder,
        name: &str,
        offset: u64,
        bytes: &Arc<Vec<u8>>,
    ) -> Result<Effect, Errno> {
        let file = match self.find(at, name) {
            Ok(file) => file,
            Err(_) => match self.create(at, name, &Arc::default())? {
                Effect::Made(_, _, file) => file,
                _ => return Err(Errno::EIO),
            },
        };
        self.keep(Vec::new(), Some(file));
        let offset = usize::try_from(offset).unwrap_or(0);
        let mut whole = self.files[file].bytes.to_vec();
        whole.resize(whole.len().max(offset + bytes.len()), b' ');
        whole[offset..offset + bytes.len()].copy_from_slice(bytes);
        self.files[file].bytes = Arc::new(whole);
        self.files[file].changed = self.now;
        Ok(Effect::Other)
    }

    /// Changes that could still be taken back.
    pub fn pending(&self) -> usize {
        self.undo.len()
    }

    /// Makes everything durable, names and bytes.
    pub fn sync(&mut self) {
        self.undo.clear();
    }

    /// Forgets its last changes. Bytes that were never synced are gone in any case.
    pub fn forget(&mut self, count: usize) {
        for _ in 0..count {
            let Some(undo) = self.undo.pop() else { break };
            if let Some((file, bytes)) = undo.data {
                self.files[file].bytes = bytes;
            }
            for (at, name, before) in undo.names.into_iter().rev() {
                match before {
                    Some(file) => {
                        self.dirs[at].names.insert(name.clone(), file);
                        self.files[file].home = Some((at, name));
                    }
                    None => {
                        if let Some(file) = self.dirs[at].names.remove(&name)
                            && self.files[file].home.as_ref() == Some(&(at, name))
                        {
                            self.files[file].home = None;
                        }
                    }
                }
            }
            for (at, version, changed) in undo.dirs {
                // Servers mix the time into the attribute, so that it does not repeat after a crash.
                self.dirs[at].version = version + 1_000_000;
                self.dirs[at].changed = changed;
            }
        }
    }

    /// The bytes of a file were not synced by whoever wrote them.
    pub fn leave_unsynced(&mut self, file: File) {
        self.files[file].is_synced = false;
    }

    /// The server loses power: what was never synced is empty afterwards.
    pub fn lose_unsynced(&mut self) {
        for file in self.files.iter_mut().filter(|file| !file.is_synced) {
            file.bytes = Arc::default();
            file.is_synced = true;
        }
    }
}
