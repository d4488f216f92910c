//! The share as one host sees it: every call of the library becomes requests to the simulated server, through the
//! caches of the host and over a network that loses, delays and repeats.

use std::io::Cursor;
use std::io::Read;
use std::sync::Arc;

use dispatch::clock::Timestamp;
use dispatch::place::Place;
use dispatch::share::Attributes;
use dispatch::share::Listed;
use dispatch::share::Share;
use dispatch::share::ShareError;
use nix::errno::Errno;

use crate::client::Dentry;
use crate::client::Listing;
use crate::plan::Caches;
use crate::plan::Export;
use crate::server::Effect;
use crate::server::File;
use crate::server::Folder;
use crate::server::Op;
use crate::world::State;
use crate::world::World;

/// The share, for the actors of one host.
pub struct SimShare {
    pub world: Arc<World>,
}

fn error(action: &'static str, object: &str, errno: Errno) -> ShareError {
    ShareError {
        action,
        object: object.to_owned(),
        errno: errno as i32,
        why: None,
    }
}

impl State {
    /// The change attribute of a folder, as the server gives it to clients.
    fn attribute(&self, at: Folder) -> u64 {
        let dir = &self.server.dirs[at];
        match self.plan.caches {
            Caches::Ticks => dir.changed / self.plan.tick,
            _ => dir.version,
        }
    }

    fn list(&mut self, at: Folder) -> Result<Listing, Errno> {
        let (attribute, version) = (self.attribute(at), self.server.dirs[at].version);
        let (host, has_caches) = (self.host(), self.plan.caches != Caches::Off);
        if has_caches && let Some(known) = self.hosts[host].client.listings.get(&at).cloned() {
            if known.attribute == attribute && self.server.dirs[at].is_there {
                if known.version != version {
                    self.cover("stale listing", || {
                        format!("of {} names", known.names.len())
                    });
                }
                return Ok(known);
            }
            self.hosts[host].client.renew(at);
        }
        let names = Arc::new(self.server.listing(at)?);
        let listing = Listing {
            attribute,
            version,
            names,
        };
        if has_caches {
            let listings = &mut self.hosts[host].client.listings;
            listings.insert(at, listing.clone());
        }
        Ok(listing)
    }

    /// The file to which a name leads, as the host believes.
    fn lookup(&mut self, at: Folder, name: &str) -> Result<File, Errno> {
        let host = self.host();
        if let Some(known) = self.hosts[host].client.believes(at, name, self.now) {
            let truth = self.server.find(at, name).ok();
            if truth != known.file {
                self.cover("stale name", || format!("{name}: {:?}", known.file));
            }
            return known.file.ok_or(Errno::ENOENT);
        }
        let found = self.server.find(at, name);
        if self.plan.caches != Caches::Off {
            let until = self.now + self.plan.names_kept;
            let dentry = Dentry {
                file: found.ok(),
                until,
            };
            let key = (at, name.to_owned());
            self.hosts[host].client.dentries.insert(key, dentry);
        }
        found
    }
}

impl SimShare {
    fn folder(&self, at: &Place) -> Folder {
        self.world.state().server.folder(at)
    }

    /// A request that changes something.
    fn change(&self, action: &'static str, name: &str, op: Op) -> Result<Effect, ShareError> {
        let step = self.world.state().step_of(&op);
        self.world.ambush(step, false);
        self.world.call(|| format!("{action} {name}"));
        let ended = self.world.request(op);
        self.world.ambush(step, true);
        self.world
            .state()
            .note(|| format!("    {action}: {:?}", ended.as_ref().err()));
        ended.map_err(|errno| error(action, name, errno))
    }

    /// A question. It can fail, and says nothing then.
    fn ask<T>(
        &self,
        action: &'static str,
        name: &str,
        answer: impl FnOnce(&mut State) -> Result<T, Errno>,
    ) -> Result<T, ShareError> {
        self.world.call(|| format!("{action} {name}"));
        self.world.travel();
        let mut state = self.world.state();
        let rate = state.plan.rates.read_fails;
        let refused = state.refuses_questions();
        let answer = if state.goes_wrong(rate) || refused {
            let errno =
                state
                    .dice
                    .one_of(&[Errno::EIO, Errno::ESTALE, Errno::EACCES, Errno::ETIMEDOUT]);
            state.cover("question fails", || format!("{errno}"));
            state.unanswered(name);
            Err(errno)
        } else {
            answer(&mut state)
        };
        drop(state);
        self.world.called();
        answer.map_err(|errno| error(action, name, errno))
    }

    fn make(&self, at: &Place, name: &str, bytes: Vec<u8>) -> Result<u64, ShareError> {
        let (at, bytes, size) = (self.folder(at), Arc::new(bytes.clone()), bytes.len());
        let rate = self.world.state().plan.rates.two_steps;
        let in_steps = size > 0 && self.world.state().goes_wrong(rate);
        if !in_steps {
            let made = self.change("create", name, Op::Create(at, name.to_owned(), bytes))?;
            // The line that the bug removes is in the share of the real world, which is not here.
            if let Effect::Made(_, _, file) = made
                && dispatch::planted::is(dispatch::planted::Bug::PublishUnsynced)
            {
                self.world.state().server.leave_unsynced(file);
            }
            if self.world.state().plan.export == Export::Local {
                // A journal that is written for one file is written for what came before it.
                self.world.state().server.sync();
            }
            return Ok(size as u64);
        }
        self.world
            .state()
            .cover("written in steps", || name.to_owned());
        let made = self.change(
            "create",
            name,
            Op::Create(at, name.to_owned(), Arc::default()),
        )?;
        if let Effect::Made(_, _, file) = made {
            let half = Arc::new(bytes[..size / 2].to_vec());
            self.change("write", name, Op::Fill(file, half))?;
            self.change("write", name, Op::Fill(file, bytes))?;
        }
        if self.world.state().plan.export == Export::Local {
            self.world.state().server.sync();
        }
        Ok(size as u64)
    }

    fn bytes(
        &self,
        action: &'static str,
        at: &Place,
        name: &str,
    ) -> Result<Arc<Vec<u8>>, ShareError> {
        let at = self.folder(at);
        self.ask(action, name, |state| {
            let file = state.lookup(at, name)?;
            let data = &state.server.files[file];
            if data.home.is_none() {
                return Err(Errno::ESTALE);
            }
            let bytes = Arc::clone(&data.bytes);
            if name.ends_with(".lease") {
                let looked = (state.host(), name.to_owned());
                state.oracle.looks.insert(looked, state.now);
            }
            Ok(bytes)
        })
    }
}

impl State {
    fn refuses_questions(&self) -> bool {
        use crate::plan::Ill;
        let host = self.host();
        let mut spells = self.plan.spells.iter();
        !self.is_quiet
            && spells.any(|spell| {
                spell.from <= self.now
                    && self.now < spell.to
                    && spell.host.is_none_or(|one| one == host)
                    && matches!(spell.what, Ill::SoftCut | Ill::Refused(_))
            })
    }
}

impl Share for SimShare {
    fn list(&self, at: &Place) -> Result<Vec<Listed>, ShareError> {
        let (folder, path) = (self.folder(at), at.to_string());
        let listing = self.ask("list", &path, |state| {
            let listing = state.list(folder)?;
            state.listed(folder, &listing);
            Ok(listing)
        })?;
        let listed = |(name, kind): &(String, _)| Listed {
            name: name.clone(),
            raw: None,
            kind: *kind,
        };
        Ok(listing.names.iter().map(listed).collect())
    }

    fn create(&self, at: &Place, name: &str, bytes: &[u8]) -> Result<(), ShareError> {
        self.make(at, name, bytes.to_vec()).map(drop)
    }

    fn create_from(&self, at: &Place, name: &str, from: &mut dyn Read) -> Result<u64, ShareError> {
        let mut bytes = Vec::new();
        from.read_to_end(&mut bytes)
            .map_err(|_| error("read", name, Errno::EIO))?;
        self.make(at, name, bytes)
    }

    fn rename(&self, from: (&Place, &str), to: (&Place, &str)) -> Result<(), ShareError> {
        let (source, target) = (self.folder(from.0), self.folder(to.0));
        let op = Op::Rename(source, from.1.to_owned(), target, to.1.to_owned());
        let what = format!("{}{} -> {}{}", from.0, from.1, to.0, to.1);
        // The kernel looks the source up first, and may believe that it is not there.
        let is_unknown = {
            let state = self.world.state();
            let host = state.host();
            let client = &state.hosts[host].client;
            let known = client.believes(source, from.1, state.now);
            known.is_some_and(|known| known.file.is_none())
        };
        if is_unknown {
            self.world
                .state()
                .cover("stale name", || format!("rename {what}"));
            return Err(error("rename", &what, Errno::ENOENT));
        }
        self.change("rename", &what, op).map(drop)
    }

    fn rename_raw(&self, from: (&Place, &[u8]), to: (&Place, &str)) -> Result<(), ShareError> {
        let name = String::from_utf8_lossy(from.1).into_owned();
        self.rename((from.0, &name), to)
    }

    fn read(&self, at: &Place, name: &str, max: usize) -> Result<Vec<u8>, ShareError> {
        let bytes = self.bytes("read", at, name)?;
        if bytes.len() > max {
            return Err(error("read", name, Errno::EFBIG));
        }
        Ok(bytes.to_vec())
    }

    fn open(&self, at: &Place, name: &str) -> Result<Box<dyn Read + Send>, ShareError> {
        let bytes = self.bytes("open", at, name)?;
        Ok(Box::new(Cursor::new(bytes.to_vec())))
    }

    fn peek(&self, at: &Place, name: &str, max: usize) -> Result<Vec<u8>, ShareError> {
        let mut bytes = self.bytes("peek", at, name)?.to_vec();
        bytes.truncate(max);
        Ok(bytes)
    }

    fn remove(&self, at: &Place, name: &str) -> Result<(), ShareError> {
        let op = Op::Remove(self.folder(at), name.to_owned());
        match self.change("remove", name, op) {
            Err(failed) if failed.is_absent() => Ok(()),
            other => other.map(drop),
        }
    }

    fn make_dir(&self, at: &Place) -> Result<(), ShareError> {
        let op = Op::MakeFolder(self.folder(at));
        match self.change("make", &at.path(), op) {
            Err(failed) if failed.kind() == Errno::EEXIST => Ok(()),
            other => other.map(drop),
        }
    }

    fn remove_dir(&self, at: &Place) -> Result<(), ShareError> {
        Err(error("remove", &at.path(), Errno::ENOTEMPTY))
    }

    fn sync(&self, at: &Place) -> Result<(), ShareError> {
        if self.world.state().plan.export == Export::Sync {
            return Ok(());
        }
        self.ask("sync", &at.path(), |state| {
            if state.plan.export == Export::Local {
                state.server.sync();
            }
            Ok(())
        })
    }

    fn beat(&self, at: &Place, name: &str, bytes: &[u8]) -> Result<(), ShareError> {
        let op = Op::Write(
            self.folder(at),
            name.to_owned(),
            0,
            Arc::new(bytes.to_vec()),
        );
        self.change("beat", name, op).map(drop)
    }

    fn extend(&self, at: &Place, name: &str, offset: u64, bytes: &[u8]) -> Result<(), ShareError> {
        let op = Op::Write(
            self.folder(at),
            name.to_owned(),
            offset,
            Arc::new(bytes.to_vec()),
        );
        self.change("extend", name, op).map(drop)
    }

    fn attributes(&self, at: &Place, name: &str) -> Result<Attributes, ShareError> {
        let at = self.folder(at);
        self.ask("stat", name, |state| {
            let file = state.lookup(at, name)?;
            let data = &state.server.files[file];
            Ok(Attributes {
                bytes: data.bytes.len() as u64,
                changed: state.stamp(data.changed),
            })
        })
    }

    fn server_time(&self, _at: &Place, _scratch: &str) -> Result<Timestamp, ShareError> {
        self.ask("time", "", |state| Ok(state.stamp(state.now)))
    }

    fn free_bytes(&self) -> Result<u64, ShareError> {
        self.ask("free", "", |_| Ok(u64::MAX / 2))
    }

    fn title(&self) -> String {
        "share".to_owned()
    }
}
