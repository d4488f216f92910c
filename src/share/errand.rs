//! A thread that may hang in the kernel, so that nobody else has to.
//!
//! A call on a hard mount whose server is gone does not return, and no signal but SIGKILL ends it (nfs(5), `hard`). So
//! one thread makes the calls, and its callers wait for a bounded time. A call that is given up is not undone: it may
//! happen when the server is back, and its outcome is unknown. There is never a second thread: while one call hangs,
//! every other fails at once, and names the one that hangs; when it returns, the thread serves again.

use std::panic::AssertUnwindSafe;
use std::panic::catch_unwind;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Receiver;
use std::sync::mpsc::RecvTimeoutError;
use std::sync::mpsc::Sender;
use std::sync::mpsc::channel;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::signal::SigSet;

use super::Hang;
use super::ShareError;
use crate::clock::BootTime;
use crate::clock::Clock;
use crate::limits;

/// How often one who waits looks whether he is told to hurry.
const LOOK: Duration = Duration::from_millis(100);

type Job = Box<dyn FnOnce() + Send>;

/// What one who waits hears from the thread.
pub(super) enum Heard<T> {
    /// The call needs the next piece of what it writes.
    Wants,
    /// The call returned.
    Done(T),
}

/// The call that the thread is in.
#[derive(Debug, Clone)]
struct Doing {
    action: &'static str,
    object: String,
    since: BootTime,
    /// Its caller has given it up.
    is_given_up: bool,
}

/// The thread and what is known of it.
pub(super) struct Errand {
    clock: Arc<dyn Clock>,
    /// How long a caller waits, in milliseconds.
    patience_ms: AtomicU64,
    is_hurried: AtomicBool,
    /// One caller at a time.
    turn: Mutex<Option<Sender<Job>>>,
    doing: Arc<Mutex<Option<Doing>>>,
    returned: Arc<AtomicU64>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Errand {
    /// Makes the desk; the thread comes with the first call.
    pub(super) fn new(clock: Arc<dyn Clock>, patience: Duration) -> Self {
        let errand = Self {
            clock,
            patience_ms: AtomicU64::new(0),
            is_hurried: AtomicBool::new(false),
            turn: Mutex::new(None),
            doing: Arc::default(),
            returned: Arc::default(),
        };
        errand.wait_at_most(patience);
        errand
    }

    pub(super) fn wait_at_most(&self, patience: Duration) {
        let ms = u64::try_from(patience.as_millis()).unwrap_or(u64::MAX);
        self.patience_ms.store(ms, Ordering::Relaxed);
    }

    pub(super) fn hurry(&self) {
        self.is_hurried.store(true, Ordering::Relaxed);
    }

    /// How many calls have returned so far.
    pub(super) fn returned(&self) -> u64 {
        self.returned.load(Ordering::Relaxed)
    }

    fn patience(&self) -> Duration {
        let patience = Duration::from_millis(self.patience_ms.load(Ordering::Relaxed));
        if self.is_hurried.load(Ordering::Relaxed) {
            patience.min(limits::SHARE_PATIENCE_ENDING)
        } else {
            patience
        }
    }

    /// The call that its caller has given up and that has not returned yet.
    pub(super) fn hang(&self) -> Option<Hang> {
        let doing = lock(&self.doing).clone()?;
        doing.is_given_up.then(|| Hang {
            action: doing.action,
            object: doing.object,
            lasts: self.clock.boot().since(doing.since),
        })
    }

    /// Makes a call and waits for it.
    pub(super) fn run<T: Send + 'static>(
        &self,
        action: &'static str,
        object: &dyn Fn() -> String,
        act: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, ShareError> {
        self.talk(action, object, |_| act(), || {})
    }

    /// Makes a call that asks its caller for something on the way: `act` is given what to ask with, `answer` is called
    /// for each question.
    pub(super) fn talk<T: Send + 'static>(
        &self,
        action: &'static str,
        object: &dyn Fn() -> String,
        act: impl FnOnce(Sender<Heard<T>>) -> T + Send + 'static,
        mut answer: impl FnMut(),
    ) -> Result<T, ShareError> {
        let mut turn = lock(&self.turn);
        if let Some(hang) = self.hang() {
            return Err(hang.error());
        }
        let (say, hear) = channel();
        let (doing, returned) = (Arc::clone(&self.doing), Arc::clone(&self.returned));
        *lock(&self.doing) = Some(Doing {
            action,
            object: object(),
            since: self.clock.boot(),
            is_given_up: false,
        });
        let busy = Busy { doing, returned };
        let job: Job = Box::new(move || {
            let done = act(say.clone());
            drop(busy);
            // Nobody listens any more where the call was given up.
            let _ = say.send(Heard::Done(done));
        });
        if let Err(error) = hand_over(&mut turn, job) {
            return Err(ShareError {
                action,
                object: object(),
                errno: error.raw_os_error().unwrap_or(Errno::EAGAIN as i32),
                why: None,
            });
        }
        loop {
            match self.hear(&hear) {
                Some(Heard::Wants) => answer(),
                Some(Heard::Done(done)) => return Ok(done),
                None => return Err(self.give_up(action, object)),
            }
        }
    }

    /// Hands something over that nobody waits for, such as closing a file.
    pub(super) fn post(&self, job: impl FnOnce() + Send + 'static) {
        if let Some(jobs) = lock(&self.turn).as_ref() {
            let _ = jobs.send(Box::new(job));
        }
    }

    /// Waits for a word of the thread; `None` where none came in time, or the thread is no more.
    fn hear<T>(&self, hear: &Receiver<Heard<T>>) -> Option<Heard<T>> {
        let mut waited = Duration::ZERO;
        loop {
            let left = self.patience().saturating_sub(waited);
            if left.is_zero() {
                return None;
            }
            let slice = left.min(LOOK);
            match hear.recv_timeout(slice) {
                Ok(word) => return Some(word),
                Err(RecvTimeoutError::Timeout) => waited += slice,
                Err(RecvTimeoutError::Disconnected) => return None,
            }
        }
    }

    /// The late call may still happen: for its caller this is a failure whose outcome is unknown (R3).
    fn give_up(&self, action: &'static str, object: &dyn Fn() -> String) -> ShareError {
        if let Some(doing) = lock(&self.doing).as_mut() {
            doing.is_given_up = true;
        }
        Hang {
            action,
            object: object(),
            lasts: self.patience(),
        }
        .error()
    }
}

/// Gives a job to the thread, which is made where there is none.
fn hand_over(jobs: &mut Option<Sender<Job>>, job: Job) -> std::io::Result<()> {
    let mut job = job;
    if let Some(sender) = jobs.as_ref() {
        match sender.send(job) {
            Ok(()) => return Ok(()),
            Err(back) => job = back.0,
        }
    }
    let (sender, work) = channel::<Job>();
    let name = "share".to_owned();
    std::thread::Builder::new().name(name).spawn(move || {
        // A signal that the kernel gives to a thread in the kernel's hands waits until the server is back.
        let _ = SigSet::all().thread_block();
        for job in work {
            // A bug in one call is not the end of all others: its caller hears that nobody answers.
            let _ = catch_unwind(AssertUnwindSafe(job));
        }
    })?;
    // The thread has just begun, and ends only with its jobs.
    let _ = sender.send(job);
    *jobs = Some(sender);
    Ok(())
}

/// Says that a call is over when it is dropped, however the call ended.
struct Busy {
    doing: Arc<Mutex<Option<Doing>>>,
    returned: Arc<AtomicU64>,
}

impl Drop for Busy {
    fn drop(&mut self) {
        *lock(&self.doing) = None;
        self.returned.fetch_add(1, Ordering::Relaxed);
    }
}
