//! A call that hangs, with a gate that a test opens and shuts.

use super::*;
use crate::clock::SystemClock;
use crate::share::FolderShare;
use std::sync::Condvar;

/// A share whose lists, creations and streams stand at a gate.
struct Gated {
    inner: FolderShare,
    gate: Arc<Gate>,
}

#[derive(Default)]
struct Gate {
    is_shut: Mutex<bool>,
    moved: Condvar,
}

impl Gate {
    fn shut(&self, shut: bool) {
        *self.is_shut.lock().unwrap() = shut;
        self.moved.notify_all();
    }

    fn pass(&self) {
        let shut = self.is_shut.lock().unwrap();
        drop(self.moved.wait_while(shut, |shut| *shut).unwrap());
    }
}

struct GatedReader(Box<dyn Read + Send>, Arc<Gate>);

impl Read for GatedReader {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        self.1.pass();
        self.0.read(into)
    }
}

impl Share for Gated {
    fn list(&self, at: &Place) -> Result<Vec<Listed>, ShareError> {
        self.gate.pass();
        self.inner.list(at)
    }
    fn create(&self, at: &Place, name: &str, bytes: &[u8]) -> Result<(), ShareError> {
        self.gate.pass();
        self.inner.create(at, name, bytes)
    }
    fn create_from(&self, at: &Place, name: &str, from: &mut dyn Read) -> Result<u64, ShareError> {
        self.gate.pass();
        self.inner.create_from(at, name, from)
    }
    fn rename(&self, from: (&Place, &str), to: (&Place, &str)) -> Result<(), ShareError> {
        self.inner.rename(from, to)
    }
    fn rename_raw(&self, from: (&Place, &[u8]), to: (&Place, &str)) -> Result<(), ShareError> {
        self.inner.rename_raw(from, to)
    }
    fn read(&self, at: &Place, name: &str, max: usize) -> Result<Vec<u8>, ShareError> {
        self.inner.read(at, name, max)
    }
    fn open(&self, at: &Place, name: &str) -> Result<Box<dyn Read + Send>, ShareError> {
        let inner = self.inner.open(at, name)?;
        Ok(Box::new(GatedReader(inner, Arc::clone(&self.gate))))
    }
    fn peek(&self, at: &Place, name: &str, max: usize) -> Result<Vec<u8>, ShareError> {
        self.inner.peek(at, name, max)
    }
    fn remove(&self, at: &Place, name: &str) -> Result<(), ShareError> {
        self.inner.remove(at, name)
    }
    fn make_dir(&self, at: &Place) -> Result<(), ShareError> {
        self.inner.make_dir(at)
    }
    fn remove_dir(&self, at: &Place) -> Result<(), ShareError> {
        self.inner.remove_dir(at)
    }
    fn sync(&self, at: &Place) -> Result<(), ShareError> {
        self.inner.sync(at)
    }
    fn beat(&self, at: &Place, name: &str, bytes: &[u8]) -> Result<(), ShareError> {
        self.inner.beat(at, name, bytes)
    }
    fn extend(&self, at: &Place, name: &str, offset: u64, bytes: &[u8]) -> Result<(), ShareError> {
        self.inner.extend(at, name, offset, bytes)
    }
    fn attributes(&self, at: &Place, name: &str) -> Result<Attributes, ShareError> {
        self.inner.attributes(at, name)
    }
    fn server_time(&self, at: &Place, scratch: &str) -> Result<Timestamp, ShareError> {
        self.inner.server_time(at, scratch)
    }
    fn free_bytes(&self) -> Result<u64, ShareError> {
        self.inner.free_bytes()
    }
    fn title(&self) -> String {
        self.inner.title()
    }
}

/// Long enough to never end by itself in a test that passes.
const LONG: Duration = Duration::from_secs(600);
/// What a call that stands at the gate is waited for.
const SHORT: Duration = Duration::from_millis(60);

fn bench(patience: Duration) -> (tempfile::TempDir, Arc<Gate>, PatientShare) {
    let dir = tempfile::tempdir().unwrap();
    let gate = Arc::new(Gate::default());
    let inner = Arc::new(Gated {
        inner: FolderShare::at(dir.path()),
        gate: Arc::clone(&gate),
    });
    let share = PatientShare::over(inner, Arc::new(SystemClock), patience);
    (dir, gate, share)
}

/// Waits until the call that hangs has returned.
fn until_back(share: &PatientShare) {
    while share.hang().is_some() {
        std::thread::yield_now();
    }
}

#[test]
fn a_call_that_hangs_is_given_up_the_others_fail_at_once_and_it_serves_again_by_itself() {
    let (_dir, gate, share) = bench(SHORT);
    share.create(&Place::Root, "a", b"1").unwrap();
    gate.shut(true);
    let error = share.list(&Place::Heartbeats).unwrap_err();
    assert!(error.is_hang());
    assert_eq!(
        error.to_string(),
        "cannot list 'heartbeats/' on the share: the file server does not answer"
    );
    let hang = share.hang().unwrap();
    assert_eq!((hang.action, hang.object.as_str()), ("list", "heartbeats/"));
    assert!(
        hang.to_string()
            .starts_with("'list' of 'heartbeats/' has not returned for ")
    );
    // At once, whatever the patience; and they say what hangs, the same each time.
    share.wait_at_most(LONG);
    for _ in 0..2 {
        assert_eq!(share.read(&Place::Root, "a", 9), Err(error.clone()));
        assert_eq!(share.free_bytes(), Err(error.clone()));
    }
    gate.shut(false);
    until_back(&share);
    assert_eq!(share.read(&Place::Root, "a", 9), Ok(b"1".to_vec()));
}

#[test]
fn a_call_that_was_given_up_may_still_happen() {
    let (dir, gate, share) = bench(SHORT);
    gate.shut(true);
    assert!(
        share
            .create(&Place::Root, "late", b"x")
            .unwrap_err()
            .is_hang()
    );
    assert!(dir.path().read_dir().unwrap().next().is_none());
    gate.shut(false);
    until_back(&share);
    assert_eq!(std::fs::read(dir.path().join("late")).unwrap(), b"x");
}

#[test]
fn streams_go_piece_by_piece_both_ways_and_a_lost_piece_ends_them() {
    let (_dir, gate, share) = bench(LONG);
    let bytes: Vec<u8> = (0..3 * PIECE + 17).map(|at| at.to_le_bytes()[0]).collect();
    let written = share.create_from(&Place::Root, "log", &mut bytes.as_slice());
    assert_eq!(written, Ok(bytes.len() as u64));
    let mut read = Vec::new();
    let mut reader = share.open(&Place::Root, "log").unwrap();
    reader.read_to_end(&mut read).unwrap();
    assert!(read == bytes);
    let mut reader = share.open(&Place::Root, "log").unwrap();
    share.wait_at_most(SHORT);
    gate.shut(true);
    let kind = |error: std::io::Error| error.kind();
    assert_eq!(
        reader.read(&mut [0; 9]).map_err(kind),
        Err(std::io::ErrorKind::TimedOut)
    );
    gate.shut(false);
    until_back(&share);
    let again = reader.read(&mut [0; 9]).map_err(kind);
    assert_eq!(
        again,
        Err(std::io::ErrorKind::TimedOut),
        "a piece is missing"
    );
}

#[test]
fn a_source_that_fails_makes_no_file_that_looks_whole() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::from_raw_os_error(5))
        }
    }
    let (_dir, _gate, share) = bench(LONG);
    let error = share
        .create_from(&Place::Root, "log", &mut Broken)
        .unwrap_err();
    assert_eq!(error.errno, 5);
}

#[test]
fn one_who_waits_is_told_to_hurry() {
    let (_dir, gate, share) = bench(LONG);
    gate.shut(true);
    std::thread::scope(|scope| {
        let waits = scope.spawn(|| share.list(&Place::Root));
        share.hurry();
        assert!(waits.join().unwrap().unwrap_err().is_hang());
    });
    gate.shut(false);
}

#[test]
fn a_call_that_panics_costs_one_call() {
    let (_dir, _gate, share) = bench(LONG);
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let failed = share.errand("find", "it", || panic!("a bug"));
    std::panic::set_hook(hook);
    assert!(failed.map(|(): ()| ()).is_err());
    until_back(&share);
    assert_eq!(share.list(&Place::Root).map(|all| all.len()), Ok(0));
}
