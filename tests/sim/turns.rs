//! Who has the turn: every actor is a coroutine on one thread, and only one of them runs at a time. An actor gives its
//! turn away in the middle of any call; who is next is decided by the agenda of the world, so by the seed alone.

use std::any::Any;
use std::cell::RefCell;
use std::panic::AssertUnwindSafe;
use std::panic::catch_unwind;
use std::sync::Arc;
use std::sync::Mutex;

use generator::Generator;
use generator::Gn;

/// What an actor does, from its first call to its last.
pub type Life = Box<dyn FnOnce() + Send>;

/// How the life of an actor went on.
pub enum Turn {
    /// It gave its turn away.
    Waits,
    /// It came to its end.
    Ended,
    /// It was killed between two calls.
    Killed,
    /// The code under test panicked.
    Panicked(String),
}

/// What a killed actor is unwound with.
struct Killed;

#[derive(Default)]
struct Slot {
    life: Option<Life>,
    end: Option<Turn>,
}

/// One coroutine; it lives many lives, one after the other.
struct Body {
    slot: Arc<Mutex<Slot>>,
    turns: Generator<'static, (), ()>,
}

/// Words of stack: a megabyte, of which the kernel gives what is touched.
const STACK_WORDS: usize = 128 * 1024;

thread_local! {
    static IDLE: RefCell<Vec<Body>> = const { RefCell::new(Vec::new()) };
    static SAID: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Keeps what a panic says for the report, instead of printing it.
pub fn keep_panics() {
    std::panic::set_hook(Box::new(|info| {
        SAID.with(|said| *said.borrow_mut() = Some(info.to_string()));
    }));
}

/// Gives the turn away; returns when it is this actor's again.
pub fn give() {
    #[expect(
        deprecated,
        reason = "the scoped form cannot be reached from behind a trait"
    )]
    generator::yield_with(());
}

/// Ends the life of the actor whose turn it is.
pub fn die() -> ! {
    std::panic::resume_unwind(Box::new(Killed))
}

impl Body {
    fn new() -> Self {
        let slot = Arc::new(Mutex::new(Slot::default()));
        let own = Arc::clone(&slot);
        let turns = Gn::new_opt(STACK_WORDS, move || {
            loop {
                let life = own.lock().expect("one thread").life.take();
                if let Some(life) = life {
                    let ended = catch_unwind(AssertUnwindSafe(life));
                    own.lock().expect("one thread").end = Some(Self::end_of(ended));
                }
                give();
            }
        });
        Self { slot, turns }
    }

    fn end_of(ended: Result<(), Box<dyn Any + Send>>) -> Turn {
        let Err(payload) = ended else {
            return Turn::Ended;
        };
        if payload.is::<Killed>() {
            return Turn::Killed;
        }
        let said = SAID.with(|said| said.borrow_mut().take());
        Turn::Panicked(said.unwrap_or_else(|| "a panic without words".to_owned()))
    }
}

/// An actor that is alive.
pub struct Actor {
    body: Option<Body>,
}

impl Actor {
    /// Puts a life into a coroutine; it begins with its first turn.
    pub fn begin(life: Life) -> Self {
        let body = IDLE.with(|idle| idle.borrow_mut().pop());
        let body = body.unwrap_or_else(Body::new);
        body.slot.lock().expect("one thread").life = Some(life);
        Self { body: Some(body) }
    }

    /// Lets it go on until it gives its turn away.
    pub fn take_turn(&mut self) -> Turn {
        let Some(body) = &mut self.body else {
            return Turn::Ended;
        };
        body.turns.resume();
        let end = body.slot.lock().expect("one thread").end.take();
        match end {
            None => Turn::Waits,
            Some(end) => {
                let body = self.body.take();
                IDLE.with(|idle| idle.borrow_mut().extend(body));
                end
            }
        }
    }
}
