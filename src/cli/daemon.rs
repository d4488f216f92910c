//! A node in a process of its own: assembled from a configuration, doing rounds, woken by what can wake it.

use std::collections::BTreeSet;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;

use sd_notify::NotifyState;
use signal_hook::consts::SIGINT;
use signal_hook::consts::SIGTERM;
use signal_hook::iterator::Signals;

use super::ear::Ear;
use super::ear::Heard;
use super::ear::Over;
use super::ear::Pulse;
use super::failure::Failure;
use super::setup;
use super::setup::SHIP_BUDGET;
use super::setup::Setup;
use super::started;
use super::voice::Voice;
use crate::attempt::NEWS;
use crate::attempt::Runner;
use crate::attempt::local::LocalRunner;
use crate::audit::local::LocalLog;
use crate::audit::retire;
use crate::audit::segment::Writer;
use crate::audit::ship::ShareShelf;
use crate::audit::ship::Shipper;
use crate::clock::BootTime;
use crate::disk;
use crate::doctor::Verdict;
use crate::drain;
use crate::event::Event;
use crate::event::Sink;
use crate::event::Word;
use crate::exit::Exit;
use crate::flow;
use crate::flow::Node;
use crate::id::TaskId;
use crate::journal::FileTape;
use crate::journal::Journal;
use crate::keyring::Standing;
use crate::killswitch::Killswitch;
use crate::limits;
use crate::pace::Pace;
use crate::place::Place;
use crate::stage::Stage;
use crate::wake::Wake;
use assembly::launcher;
use assembly::settings;
use ending::Calls;
use errands::Errands;
use exam::Exam;
use ring::Ring;

mod assembly;
mod beside;
mod ending;
mod errands;
mod exam;
mod ring;

/// Longest pause while something is to be found out before all goes on.
const SOON: Duration = Duration::from_secs(1);

/// A node and what surrounds it in a process.
pub(super) struct Daemon {
    node: Node,
    runner: Arc<LocalRunner>,
    log: Arc<LocalLog>,
    shipper: Shipper,
    runs: PathBuf,
    state: PathBuf,
    /// The keys, as last read.
    ring: Ring,
    /// What the share was found to be good for.
    exam: Exam,
    /// When old segments of the log are looked for next.
    retire: BootTime,
    /// What commands of this host leave to it.
    errands: Errands,
    /// Whether it is about to end.
    ends: bool,
}

impl Daemon {
    pub(super) fn assemble(setup: &Setup, state: &Path, adopt: bool) -> Result<Self, Failure> {
        let audit = state.join("audit");
        let log = Arc::new(LocalLog::new(
            &audit,
            &setup.node,
            Writer::Watch,
            Arc::clone(&setup.clock),
            Arc::clone(&setup.chance),
        ));
        let runs = setup.config.runs()?.to_owned();
        let runner = Arc::new(LocalRunner::new(
            runs.clone(),
            launcher(setup, state)?,
            setup::environment(),
            Arc::clone(&setup.clock),
        )?);
        let (tape, bytes) = FileTape::open(&state.join("journal"))?;
        let now = setup.clock.wall();
        let mut journal = Journal::open(Box::new(tape), &bytes, now, setup.chance.nonce())?;
        if adopt {
            journal.adopt()?;
        }
        let mut lanes = setup.lanes_in();
        // One that this node asks can be halted too: then it lets nothing start there.
        lanes.extend(setup.pools().into_iter().map(|asked| asked.lane));
        let killswitch =
            Killswitch::new(setup.node.clone(), setup.config.known_nodes(), lanes, state);
        let (ring, keys) = Ring::open(setup);
        let mut node = Node {
            settings: settings(setup),
            keys,
            transport: Arc::clone(&setup.transport),
            clock: Arc::clone(&setup.clock),
            chance: Arc::clone(&setup.chance),
            runner: Arc::clone(&runner) as Arc<dyn Runner>,
            sink: Arc::clone(&log) as Arc<dyn Sink>,
            killswitch,
            journal,
            now: flow::Memory::default(),
        };
        node.settings.peers.remove(&setup.node);
        node.see_through(setup.cache());
        let can = setup.config.capabilities.iter().cloned();
        node.offer(setup.config.owner.clone(), can.collect());
        node.now.keep = setup.config.share.keep;
        node.now.keep_bytes = setup.config.share.keep_bytes;
        node.begin(&boot_id())?;
        if started::note(setup.config.state_file()?, setup.clock.wall()) {
            let start = Event::of(Word::WatcherStart);
            node.sink
                .tell(&start.say(&format!("slots={}", setup.config.slots)));
        }
        let shipper = Shipper::new(&audit);
        Ok(Self {
            node,
            runner,
            log,
            shipper,
            runs,
            state: state.to_owned(),
            ring,
            exam: Exam::default(),
            retire: setup.clock.boot().plus(limits::SWEEP_SOON),
            errands: Errands::begin(state),
            ends: false,
        })
    }

    /// Begins with what the share was found to be good for when the program started.
    pub(super) fn stand_on(&mut self, setup: &Setup, share: Verdict, insecure: bool) {
        self.exam = Exam::of(setup, share, insecure);
        self.node.fit(self.exam.fitness());
    }

    /// Starts nothing but this task.
    pub(super) fn only(&mut self, id: TaskId) {
        self.node.settings.only = Some(id);
    }

    /// Returns why nothing starts, if so.
    pub(super) fn trouble(&self) -> Option<&flow::Trouble> {
        self.node.view().trouble.as_ref()
    }

    /// Rounds until nothing moves any more.
    pub(super) fn drain(mut self, setup: &Setup) -> Result<Exit, Failure> {
        self.rounds_until(setup, |_| false)?;
        if matches!(self.trouble(), Some(flow::Trouble::Halted(_))) {
            return Ok(Exit::Halted);
        }
        if !self.node.is_quiet() {
            let message = "some files could not be set aside, or outcomes not published, and it was waited long enough";
            return Err(Failure::new(Exit::TryAgain, message).hint(
                "'dispatch log' says what failed; it goes on from there when started again",
            ));
        }
        Ok(Exit::Ok)
    }

    /// Rounds until this is so, or nothing moves any more; where something is left and nothing runs, not for ever.
    pub(super) fn rounds_until(
        &mut self,
        setup: &Setup,
        is_so: impl Fn(&Node) -> bool,
    ) -> Result<(), Failure> {
        let mut wake = Wake::new();
        wake.on(&self.runs);
        let mut moved = setup.clock.boot();
        loop {
            let round = self.round(setup)?;
            let now = setup.clock.boot();
            if round.worked() || self.node.running() > 0 {
                moved = now;
            }
            let is_stuck = now.since(moved) >= limits::DRAIN_PATIENCE;
            if is_so(&self.node) || is_stuck || (!round.worked() && self.node.is_quiet()) {
                self.end();
                return Ok(());
            }
            wake.follow(self.run_folders(), NEWS);
            if !round.worked() {
                wake.wait(Duration::from_millis(50));
            }
        }
    }

    fn round(&mut self, setup: &Setup) -> Result<flow::Round, Failure> {
        self.reload_keys(setup);
        super::mend::honour(&self.state, &mut self.node)?;
        self.errands.look(&self.state, &mut self.node);
        self.exam.look(setup, &mut self.node);
        let drained = drain::look(&self.state);
        let is_drained = drained.is_some();
        let ends = self.ends.then(|| "its watcher is about to end".to_owned());
        self.node.drain(drained.map(|drain| drain.reason).or(ends));
        let round = self.node.round()?;
        if is_drained && !drain::is_seen(&self.state) {
            // For whoever waits until the node is empty; a disk that fails is told of by the journal.
            let _ = drain::note_seen(&self.state);
        }
        self.exam.note(&mut self.node);
        self.errands.tend(setup, &self.node);
        if self.trouble().is_some_and(flow::Trouble::is_lost) {
            // Not ours, or not there: nothing of this node goes to it.
            return Ok(round);
        }
        let shelf = ShareShelf::new(&*setup.share, &setup.node);
        // The copy is for others; what fails is copied by a later round.
        let Ok(passed) = self.shipper.pass(&shelf, SHIP_BUDGET) else {
            return Ok(round);
        };
        for segment in passed.altered {
            let event = Event::of(Word::LogAltered);
            self.log
                .tell(&event.say(&format!("{segment} on the share is not what was written")));
        }
        let mut heads = self.shipper.heads();
        let head = heads.find(|head| head.segment.writer == Writer::Watch);
        if let Some(head) = head.cloned() {
            self.log.note_copied(head);
        }
        drop(heads);
        self.retire_log(setup);
        Ok(round)
    }

    /// Removes segments of the log that are no longer kept, once an hour. What fails is tried an hour later.
    fn retire_log(&mut self, setup: &Setup) {
        let now = setup.clock.boot();
        let Some(keep) = setup.config.watch.keep_log.filter(|_| now >= self.retire) else {
            return;
        };
        self.retire = now.plus(limits::SWEEP_PAUSE);
        let before = setup.clock.wall().minus(keep);
        let share = (&*setup.share, &setup.node);
        let audit = self.state.join("audit");
        if let Err(error) = retire::retire(&audit, &self.log, share, before) {
            let event = Event::of(Word::WatcherErr);
            self.log.tell(&event.say(&error.to_string()));
        }
    }

    /// A key that was added, rotated or revoked counts from the next round on.
    fn reload_keys(&mut self, setup: &Setup) {
        let Some((keys, problems)) = self.ring.look(setup) else {
            return;
        };
        for problem in problems {
            self.log.tell(&Event::of(Word::KeyRefuse).say(&problem));
        }
        self.node.renew_keys(keys);
    }

    /// Where the reports of what runs will appear.
    fn run_folders(&self) -> BTreeSet<PathBuf> {
        let claims = self.node.run_claims();
        claims.map(|claim| self.runs.join(claim)).collect()
    }

    fn end(&mut self) {
        // Others may start what waits here; what cannot be given back now is taken over when its lease has run out.
        let _ = self.node.give_back("its member stops");
        let mut event = Event::of(Word::WatcherStop);
        if self.node.running() > 0 {
            let rest = format!("{} left to executors", count(self.node.running(), "task"));
            event = event.say(&rest);
        }
        self.node.sink.tell(&event);
        let _ = self.log.sync();
    }

    /// Serves until a signal says otherwise.
    pub(super) fn serve(mut self, setup: &Setup, voice: &Voice) -> Result<Exit, Failure> {
        let cannot = |error| Failure::new(Exit::Bug, format!("cannot catch signals: {error}"));
        let mut signals = Signals::new([SIGTERM, SIGINT]).map_err(cannot)?;
        let (end_signals, calls) = (signals.handle(), Calls::default());
        let mut wake = Wake::new();
        self.watch_folders(setup, &mut wake);
        watch_share(setup, &mut wake)?;
        let (bell, pulse) = (wake.bell(), Arc::new(Pulse::default()));
        let ear = Ear {
            share: setup.patient.clone(),
            pulse: Arc::clone(&pulse),
            runner: Arc::clone(&self.runner),
            killswitch: self.node.killswitch.clone(),
            clock: Arc::clone(&setup.clock),
            within: ending::within(&setup.config.watch),
        };
        voice.note(&format!(
            "{} serves {} in {}, slots {}",
            setup.node,
            count(self.node.settings.peers.len(), "peer"),
            setup.transport.title(),
            setup.config.slots
        ));
        // Ends with this function: nobody waits for it, since it may wait for the share.
        let _beside = beside::keep(setup, self.node.vigil(), &self.runner)?;
        let (tell, heard) = channel();
        let over = Over(tell.clone());
        let calls = &calls;
        std::thread::scope(|scope| {
            scope.spawn(move || {
                for _ in signals.forever() {
                    calls.another(setup);
                    bell.ring();
                    let _ = tell.send(Heard::Signal);
                }
            });
            let worker = scope.spawn(move || {
                let _over = over;
                self.rounds(setup, calls, &pulse, wake)
            });
            ear.listen(voice, &heard);
            let ended = worker.join().unwrap_or_else(|_| {
                let panicked = "the rounds of the watcher panicked";
                Err(Failure::new(Exit::Bug, panicked))
            });
            end_signals.close();
            ended
        })
    }

    /// What this host itself writes beside the share wakes the watcher at once: local halts, reports of executors,
    /// keys.
    fn watch_folders(&self, setup: &Setup, wake: &mut Wake) {
        wake.on(&self.state);
        wake.on(&self.runs);
        for folder in &setup.config.keys {
            wake.on(folder);
        }
    }

    fn rounds(
        mut self,
        setup: &Setup,
        calls: &Calls,
        pulse: &Pulse,
        mut wake: Wake,
    ) -> Result<Exit, Failure> {
        let _ = sd_notify::notify(&[NotifyState::Ready]);
        let mut pace = Pace::new(setup.config.rhythm(), setup.clock.boot());
        let mut was_lost = false;
        while !calls.any() {
            pulse.beat();
            self.tell_pace(&pace, setup.clock.boot());
            let round = self.round(setup)?;
            pulse.beat();
            wake.follow(self.run_folders(), NEWS);
            // Tied to a completed round, not to a timer: a watcher that hangs is found out.
            let status = self.status(setup);
            let _ = sd_notify::notify(&[NotifyState::Watchdog, NotifyState::Status(&status)]);
            let is_lost = self.trouble().is_some_and(flow::Trouble::is_lost);
            if was_lost && !is_lost {
                // What was watched went with the mount.
                watch_share(setup, &mut wake)?;
            }
            was_lost = is_lost;
            pulse.see(self.trouble().filter(|_| is_lost));
            self.wait(setup, round, &mut pace, &wake);
        }
        let _ = sd_notify::notify(&[NotifyState::Stopping]);
        self.finish_up(setup, calls, pulse, &mut wake)?;
        self.node.leave();
        self.end();
        Ok(Exit::Ok)
    }

    /// Waits for the next round: until its time comes, or a local writer or a signal ends the wait.
    fn wait(&self, setup: &Setup, round: flow::Round, pace: &mut Pace, wake: &Wake) {
        let now = setup.clock.boot();
        let trouble = self.node.view().trouble.as_ref();
        pace.lose(trouble.is_some_and(flow::Trouble::is_lost), now);
        if round.worked() || round.news {
            pace.stir(now);
        }
        let pause = pace.next(now, self.node.running() > 0, &*setup.chance);
        let most = [self.node.patience(), self.errands.patience(now)];
        let pause = most.into_iter().flatten().fold(pause, Duration::min);
        let is_unsure = self.exam.is_open() || self.node.keys.is_kept();
        let pause = if is_unsure { pause.min(SOON) } else { pause };
        if !round.calls_for_another() && wake.wait(pause) {
            pace.stir(setup.clock.boot());
        }
        setup.clock.sleep(limits::LOOK_GAP);
    }

    /// Heartbeats tell the longest pause that can come before the next of them.
    fn tell_pace(&mut self, pace: &Pace, now: BootTime) {
        let runs = self.node.running() > 0;
        let bound = pace.bound(now.plus(limits::BEAT_IDLE), runs);
        self.node.settings.poll_ms = u64::try_from(bound.as_millis()).unwrap_or(u64::MAX);
    }

    fn status(&self, setup: &Setup) -> String {
        let view = self.node.view();
        let trouble = view.trouble.as_ref();
        if let (Some(trouble), Some(since)) = (trouble, view.lost_since) {
            let lasts = setup.clock.boot().since(since).as_secs();
            let hang = setup.share.hang().map(|hang| format!("; {hang}"));
            return format!("{trouble}; for {lasts} s{}", hang.unwrap_or_default());
        }
        trouble.map_or_else(
            || {
                let part = match self.node.keys.standing() {
                    Standing::Part(why) => format!("; {why}"),
                    _ => String::new(),
                };
                let (running, waiting) = (self.node.running(), self.node.waiting());
                format!("{running} running, {waiting} waiting{part}")
            },
            ToString::to_string,
        )
    }
}

/// So do local writers on the share: inboxes, control, killswitch.
fn watch_share(setup: &Setup, wake: &mut Wake) -> Result<(), Failure> {
    let root = setup.config.root()?;
    let mut folders = vec![root.to_owned()];
    for lane in setup.lanes_in() {
        let heard = [Stage::Inbox, Stage::Control].map(|stage| Place::Stage(lane.clone(), stage));
        folders.extend(heard.iter().map(|place| root.join(place.path())));
    }
    wake.on_share(folders);
    Ok(())
}

fn count(number: usize, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {what}{plural}")
}

/// This boot of this host (random(4)); anything unique will do where there is no such file.
pub(super) fn boot_id() -> String {
    disk::read_bounded(Path::new("/proc/sys/kernel/random/boot_id"), 64)
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .map_or_else(
            || "00000000-0000-4000-8000-000000000000".to_owned(),
            |id| id.trim().to_owned(),
        )
}
