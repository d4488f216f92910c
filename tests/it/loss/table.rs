//! Every kind of loss against every promise, with the clock in the test's hand.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use dispatch::chance::SeededChance;
use dispatch::clock::Clock;
use dispatch::clock::SystemClock;
use dispatch::event::Word;
use dispatch::flow::Node;
use dispatch::flow::root;
use dispatch::outcome::Status;
use dispatch::share::FolderShare;
use dispatch::share::PatientShare;
use dispatch::stage::Stage;
use dispatch::transport::FolderTransport;
use nix::errno::Errno;

use super::share::LossyShare;
use super::share::Mood;
use crate::world::OTHER_ID;
use crate::world::World;
use crate::world::lane;

/// Longer than any call takes on a machine that has much else to do.
pub const LONG: Duration = Duration::from_secs(600);
/// What a call that will not return is waited for.
const SHORT: Duration = Duration::from_millis(30);

/// A receiver whose calls are waited for.
pub struct Bench {
    pub world: World,
    pub share: Arc<LossyShare>,
    pub patient: PatientShare,
    pub node: Node,
}

impl Bench {
    pub fn new(seed: u64) -> Self {
        let world = World::new(seed);
        let share = Arc::new(LossyShare::at(&world.root(), world.clock.clone()));
        let patient = PatientShare::over(share.clone(), Arc::new(SystemClock), LONG);
        let mut node = world.node();
        node.transport = Arc::new(FolderTransport::over(
            Arc::new(patient.clone()),
            world.clock.clone(),
            Arc::new(SeededChance::new(seed)),
        ));
        Self {
            world,
            share,
            patient,
            node,
        }
    }

    pub fn rounds(&mut self, count: usize) {
        self.world.rounds(&mut self.node, count);
    }

    pub fn trouble(&self) -> Option<&'static str> {
        let trouble = self.node.view().trouble.as_ref();
        trouble.map(dispatch::flow::Trouble::word)
    }

    /// The server goes: the next call hangs.
    pub fn hang(&self) {
        self.patient.wait_at_most(SHORT);
        self.share.turn(Mood::Gone);
    }

    /// The server is back, and the call that hung has returned.
    pub fn resume(&self) {
        use dispatch::share::Share as _;
        self.share.turn(Mood::Well);
        self.patient.wait_at_most(LONG);
        while self.patient.hang().is_some() {
            std::thread::yield_now();
        }
    }

    fn away(&self) -> PathBuf {
        self.world.root().with_file_name("away")
    }
}

struct Loss {
    what: &'static str,
    /// The word of the trouble.
    word: &'static str,
    /// Whether outcomes can be published meanwhile.
    publishes: bool,
    lose: fn(&Bench),
    mend: fn(&Bench),
}

fn unmount(bench: &Bench) {
    std::fs::rename(bench.world.root(), bench.away()).unwrap();
    std::fs::create_dir(bench.world.root()).unwrap();
}

fn mount(bench: &Bench) {
    // Fails where anything was made in it.
    std::fs::remove_dir(bench.world.root()).unwrap();
    std::fs::rename(bench.away(), bench.world.root()).unwrap();
}

/// Every file and folder below a folder.
fn everything(folder: &std::path::Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(everything(&path));
        }
        all.push(path);
    }
    all.sort();
    all
}

fn mount_another(bench: &Bench) {
    std::fs::rename(bench.world.root(), bench.away()).unwrap();
    std::fs::create_dir(bench.world.root()).unwrap();
    let share = Arc::new(FolderShare::at(&bench.world.root()));
    let chance = Arc::new(SeededChance::new(1));
    let transport = FolderTransport::over(share, bench.world.clock.clone(), chance);
    root::lay_out(&transport, &[lane()], OTHER_ID).unwrap();
}

fn mount_ours(bench: &Bench) {
    let all = everything(&bench.world.root());
    let files: Vec<&PathBuf> = all.iter().filter(|path| path.is_file()).collect();
    assert_eq!(
        files,
        [
            &bench.world.name_of_identity(OTHER_ID),
            &bench.world.root().join("dispatch.json")
        ],
        "it was written to"
    );
    std::fs::rename(
        bench.world.root(),
        bench.world.root().with_file_name("other"),
    )
    .unwrap();
    std::fs::rename(bench.away(), bench.world.root()).unwrap();
}

const LOSSES: &[Loss] = &[
    Loss {
        what: "unmounted: an empty mount point",
        word: "not_ours",
        publishes: false,
        lose: unmount,
        mend: mount,
    },
    Loss {
        what: "hung",
        word: "share_lost",
        publishes: false,
        lose: Bench::hang,
        mend: Bench::resume,
    },
    Loss {
        what: "read-only",
        word: "unwritable",
        publishes: false,
        lose: |bench| bench.share.turn(Mood::Refuses(Errno::EROFS)),
        mend: |bench| bench.share.turn(Mood::Well),
    },
    Loss {
        what: "full",
        word: "unwritable",
        publishes: false,
        lose: |bench| bench.share.turn(Mood::Full(Errno::ENOSPC)),
        mend: |bench| bench.share.turn(Mood::Well),
    },
    Loss {
        what: "a quota is spent",
        word: "unwritable",
        publishes: false,
        lose: |bench| bench.share.turn(Mood::Full(Errno::EDQUOT)),
        mend: |bench| bench.share.turn(Mood::Well),
    },
    Loss {
        what: "another share in its place",
        word: "not_ours",
        publishes: false,
        lose: mount_another,
        mend: mount_ours,
    },
    Loss {
        what: "the clock is ahead",
        word: "clock_off",
        publishes: true,
        lose: |bench| step(bench, 1000),
        mend: |bench| step(bench, -1000),
    },
    Loss {
        what: "the clock is behind",
        word: "clock_back",
        publishes: true,
        lose: |bench| step(bench, -1000),
        mend: |bench| step(bench, 1000),
    },
];

fn step(bench: &Bench, seconds: i64) {
    let wall = bench.world.clock.wall().unix();
    let to = dispatch::clock::Timestamp::from_unix(wall + seconds);
    bench.world.clock.step_wall(to);
}

#[test]
fn each_loss_keeps_each_promise() {
    for (loss, seed) in LOSSES.iter().zip(200..) {
        keeps_its_promises(loss, seed);
    }
}

fn keeps_its_promises(loss: &Loss, seed: u64) {
    let what = loss.what;
    let mut bench = Bench::new(seed);
    let sent = [(); 2].map(|()| bench.world.send(&bench.world.task()));
    bench.rounds(1);
    assert_eq!(bench.world.shop.running(), 2, "{what}");
    let late = bench.world.send(&bench.world.task());
    (loss.lose)(&bench);

    // One ends by itself, in time: that is the executor's business, and needs no share.
    let first = bench.node.run_claims().next().unwrap().to_owned();
    bench.world.shop.finish_one(&first, Status::Timeout);
    bench.rounds(3);
    assert_eq!(bench.trouble(), Some(loss.word), "{what}: it is told");
    assert_eq!(bench.node.running(), 1, "{what}: its slot is free");

    // The other is ended by a local halt.
    let halt = bench.world.state().join("KILLSWITCH");
    std::fs::write(&halt, "kill").unwrap();
    bench.rounds(2);
    assert_eq!(bench.world.shop.running(), 0, "{what}: a local halt works");
    assert_eq!(bench.node.running(), 0, "{what}");
    std::fs::remove_file(&halt).unwrap();
    bench.rounds(30);
    assert!(
        bench.world.shop.starts(late.id).is_empty(),
        "{what}: something started"
    );
    assert_eq!(bench.trouble(), Some(loss.word), "{what}: it lasts");
    let told = bench.world.sink.events().len();
    bench.rounds(30);
    assert!(
        bench.world.sink.events().len() <= told + 1,
        "{what}: told again and again"
    );

    (loss.mend)(&bench);
    let spooled = || sent.iter().filter(|one| bench.world.outcome(one).is_none());
    let open = if loss.publishes { 0 } else { 2 };
    assert_eq!(spooled().count(), open, "{what}: results wait in the spool");
    // A pause between two tries to write is over after so long.
    bench.world.clock.advance(Duration::from_secs(10));
    bench.world.settle(&mut bench.node);
    assert_eq!(bench.trouble(), None, "{what}: it goes on by itself");
    let mut ends: Vec<Status> = sent
        .iter()
        .filter_map(|one| bench.world.status(one))
        .collect();
    ends.sort_by_key(|status| status.as_str());
    assert_eq!(ends, [Status::Killed, Status::Timeout], "{what}");
    assert_eq!(bench.world.status(&late), Some(Status::Ok), "{what}");
    for one in sent.iter().chain([&late]) {
        bench.world.check_end(one, what);
        bench.world.check_starts(one, 1, what);
    }
    assert_eq!(bench.world.told(Word::TaskConflict), 0, "{what}");
    assert!(bench.world.names(Stage::Tmp).is_empty(), "{what}");
}
