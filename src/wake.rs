//! Shortens a wait: inotify tells of local writers at once. It is deaf to other hosts (inotify(7)), so it is never the
//! truth; a fresh listing is, at the latest when the wait is over.

use std::collections::BTreeSet;
use std::path::Path;
use std::path::PathBuf;
use std::sync::mpsc::Receiver;
use std::sync::mpsc::RecvTimeoutError;
use std::sync::mpsc::Sender;
use std::sync::mpsc::SyncSender;
use std::sync::mpsc::TrySendError;
use std::sync::mpsc::channel;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use notify::RecursiveMode;
use notify::Watcher as _;

use crate::entry;

/// Something to wait on that may end early.
pub struct Wake {
    sender: SyncSender<()>,
    receiver: Receiver<()>,
    /// Kept alive: dropping it ends the watching.
    watcher: Option<notify::RecommendedWatcher>,
    /// Watches the short-lived folders.
    follower: Option<notify::RecommendedWatcher>,
    followed: BTreeSet<PathBuf>,
    /// Kept alive: dropping it ends the thread that watches the share.
    far: Option<Sender<()>>,
}

/// Ends a wait from another thread.
#[derive(Debug, Clone)]
pub struct Bell(SyncSender<()>);

impl Bell {
    /// Ends the present wait, or the next one.
    pub fn ring(&self) {
        match self.0.try_send(()) {
            Ok(()) | Err(TrySendError::Full(()) | TrySendError::Disconnected(())) => {}
        }
    }
}

impl Wake {
    /// Makes a wait that nothing ends early yet. Where the system gives no watcher, it is a plain wait.
    #[must_use]
    pub fn new() -> Self {
        let (sender, receiver) = sync_channel(1);
        Self {
            watcher: watcher(Bell(sender.clone()), is_of_a_name),
            follower: None,
            sender,
            receiver,
            followed: BTreeSet::new(),
            far: None,
        }
    }

    /// Ends waits when a name appears, changes or goes in this folder. A folder that cannot be watched is left to the
    /// timer. Never call it for the share, which may hang: adding a watch resolves the path.
    pub fn on(&mut self, folder: &Path) {
        if let Some(watcher) = &mut self.watcher {
            let _ = watcher.watch(folder, RecursiveMode::NonRecursive);
        }
    }

    /// Ends waits when a local writer changes something in these folders of the share, and no longer in those of an
    /// earlier call. A thread of its own adds the watches: where the share hangs, so does it, and nobody else.
    pub fn on_share(&mut self, folders: Vec<PathBuf>) {
        let (keep, gone) = channel::<()>();
        let bell = self.bell();
        let work = move || {
            let Some(mut watcher) = watcher(bell, |event| !is_scratch(event)) else {
                return;
            };
            for folder in folders {
                let _ = watcher.watch(&folder, RecursiveMode::NonRecursive);
            }
            // Nothing is ever sent: this ends when nobody wants to be woken any more.
            let _ = gone.recv();
        };
        let named = std::thread::Builder::new().name("share-watch".to_owned());
        // Without the thread there is the timer.
        self.far = named.spawn(work).ok().map(|_| keep);
    }

    /// Watches exactly these short-lived folders from now on, and forgets those it followed before. Only these names
    /// are news; the same in every call.
    pub fn follow(&mut self, folders: BTreeSet<PathBuf>, news: &'static [&'static str]) {
        if self.follower.is_none() && !folders.is_empty() {
            let is_news = move |event: &notify::Event| {
                let names = || event.paths.iter().filter_map(|path| path.file_name());
                let is_named = names().any(|name| news.iter().any(|one| name == *one));
                is_of_a_name(event) && (is_named || event.paths.is_empty())
            };
            self.follower = watcher(self.bell(), is_news);
        }
        let Some(watcher) = &mut self.follower else {
            return;
        };
        for gone in self.followed.difference(&folders) {
            // The watch went with the folder; this only frees what the library remembers.
            let _ = watcher.unwatch(gone);
        }
        for fresh in folders.difference(&self.followed) {
            let _ = watcher.watch(fresh, RecursiveMode::NonRecursive);
        }
        self.followed = folders;
    }

    /// Returns what ends a wait by hand.
    #[must_use]
    pub fn bell(&self) -> Bell {
        Bell(self.sender.clone())
    }

    /// Waits at most this long. Returns whether something ended the wait early.
    pub fn wait(&self, at_most: Duration) -> bool {
        match self.receiver.recv_timeout(at_most) {
            Ok(()) => true,
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => false,
        }
    }
}

/// Makes what watches folders, where the system gives it.
fn watcher(
    bell: Bell,
    matters: impl Fn(&notify::Event) -> bool + Send + 'static,
) -> Option<notify::RecommendedWatcher> {
    // An error, such as an overflow of the queue, is a reason to look. A look itself is none: to open a folder for
    // listing is an event too (IN_OPEN), and would wake its own waiter without end.
    notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        if event.map_or(true, |event| !event.kind.is_access() && matters(&event)) {
            bell.ring();
        }
    })
    .ok()
}

/// Whether an event is more than bytes written to a file: what this process appends to its own journal would wake it
/// after every round. What counts is created, renamed or removed as a whole.
fn is_of_a_name(event: &notify::Event) -> bool {
    use notify::event::EventKind;
    use notify::event::ModifyKind;
    let is_of_bytes = matches!(
        event.kind,
        EventKind::Modify(ModifyKind::Data(_) | ModifyKind::Metadata(_))
    );
    !is_of_bytes && !is_scratch(event)
}

/// Whether an event is about nothing but scratch names, which are made to be seen through, not to be seen: those of
/// this very process would wake it without end.
fn is_scratch(event: &notify::Event) -> bool {
    let name = |path: &PathBuf| Some(path.file_name()?.to_str()?.to_owned());
    let mut names = event.paths.iter().map(name);
    !event.paths.is_empty() && names.all(|name| name.is_some_and(|name| entry::is_scratch(&name)))
}

impl Default for Wake {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Nonce;

    #[test]
    fn a_look_at_a_folder_does_not_wake_its_own_waiter_and_a_change_does() {
        let folder = tempfile::tempdir().unwrap();
        let mut wake = Wake::new();
        wake.on(folder.path());
        for _ in 0..10 {
            assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        }
        assert!(
            !wake.wait(Duration::from_millis(100)),
            "a listing ended the wait"
        );
        let scratch = folder.path().join(entry::scratch(Nonce::from_bits(7)));
        tempfile::NamedTempFile::new_in("/tmp")
            .unwrap()
            .persist(scratch)
            .unwrap();
        assert!(
            !wake.wait(Duration::from_millis(100)),
            "a scratch name ended the wait"
        );
        if wake.watcher.is_some() {
            tempfile::NamedTempFile::new_in(folder.path()).unwrap();
            assert!(
                wake.wait(Duration::from_secs(10)),
                "a new file did not end the wait"
            );
        }
        wake.bell().ring();
        assert!(wake.wait(Duration::from_secs(10)));
    }

    #[test]
    fn bytes_that_are_appended_and_names_that_are_no_news_wake_nobody() {
        let folder = tempfile::tempdir().unwrap();
        let mut journal = tempfile::NamedTempFile::new_in(folder.path()).unwrap();
        let run = tempfile::tempdir().unwrap();
        let mut wake = Wake::new();
        wake.on(folder.path());
        wake.follow(BTreeSet::from([run.path().to_owned()]), &["ready"]);
        std::io::Write::write_all(&mut journal, b"a line").unwrap();
        let named = |name: &str| {
            let file = tempfile::NamedTempFile::new_in("/tmp").unwrap();
            file.persist(run.path().join(name)).unwrap();
        };
        named("stdin");
        assert!(!wake.wait(Duration::from_millis(100)), "no news");
        if wake.follower.is_some() {
            named("ready");
            assert!(wake.wait(Duration::from_secs(10)), "news");
        }
    }
}
