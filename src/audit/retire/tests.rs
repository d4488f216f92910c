//! What is removed by rule is no break, and nothing else passes for it.

use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::audit::chain;
use crate::audit::chain::Report;
use crate::audit::files::LocalFiles;
use crate::audit::files::ShareFiles;
use crate::audit::ship::ShareShelf;
use crate::audit::ship::Shipper;
use crate::chance::SeededChance;
use crate::clock::Clock as _;
use crate::clock::ManualClock;
use crate::share::FolderShare;

struct Bench {
    dir: tempfile::TempDir,
    clock: Arc<ManualClock>,
    share: FolderShare,
    node: NodeName,
}

impl Bench {
    /// A log of five days, a segment each, copied to a share.
    fn new() -> (Self, LocalLog) {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("share")).unwrap();
        let now = Timestamp::parse("2026-11-20T23:00:00Z").unwrap();
        let bench = Self {
            clock: Arc::new(ManualClock::at(now)),
            share: FolderShare::at(&dir.path().join("share")),
            node: NodeName::parse("gpubox").unwrap(),
            dir,
        };
        let chance = Arc::new(SeededChance::new(3));
        let (audit, clock) = (bench.audit(), bench.clock.clone());
        let log = LocalLog::new(&audit, &bench.node, Writer::Watch, clock, chance);
        for _ in 0..5 {
            for _ in 0..3 {
                log.tell(&Event::of(Word::WatcherStart));
            }
            bench.clock.advance(Duration::from_secs(86_400));
        }
        bench.ship();
        (bench, log)
    }

    fn audit(&self) -> std::path::PathBuf {
        self.dir.path().join("audit")
    }

    fn ship(&self) {
        let shelf = ShareShelf::new(&self.share, &self.node);
        Shipper::new(&self.audit()).pass(&shelf, u64::MAX).unwrap();
    }

    fn retire(&self, log: &LocalLog, days: u64) -> usize {
        let before = self.clock.wall().minus(Duration::from_secs(days * 86_400));
        retire(&self.audit(), log, (&self.share, &self.node), before).unwrap()
    }

    fn here(&self) -> Report {
        chain::verify(&self.node, &LocalFiles(self.audit()), &[]).unwrap()
    }

    fn there(&self) -> Report {
        let files = ShareFiles {
            share: &self.share,
            node: self.node.clone(),
        };
        chain::verify(&self.node, &files, &[]).unwrap()
    }
}

#[test]
fn old_segments_go_here_and_on_the_share_and_the_chain_still_verifies() {
    let (bench, log) = Bench::new();
    let heads: Vec<_> = bench
        .here()
        .segments
        .iter()
        .map(|one| one.head.clone())
        .collect();
    assert_eq!(bench.retire(&log, 3), 2);
    bench.ship();
    for report in [bench.here(), bench.there()] {
        assert!(report.is_whole(), "{report:?}");
        let found: Vec<String> = report.findings().map(ToString::to_string).collect();
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains("was removed by rule"), "{found:?}");
        // Three that are left, and the one that says so.
        assert_eq!(report.segments.len(), 4);
    }
    // A head that a peer remembers of a segment that went is no break either.
    let heads: Vec<_> = heads.into_iter().flatten().collect();
    let files = LocalFiles(bench.audit());
    assert!(
        chain::verify(&bench.node, &files, &heads)
            .unwrap()
            .is_whole()
    );
    assert_eq!(bench.retire(&log, 3), 0, "once");
}

#[test]
fn the_newest_stays_whatever_its_age() {
    let (bench, log) = Bench::new();
    bench.clock.advance(Duration::from_secs(400 * 86_400));
    assert_eq!(bench.retire(&log, 3), 4);
    assert!(bench.here().is_whole());
}

#[test]
fn a_segment_that_nobody_told_of_is_missed() {
    let (bench, log) = Bench::new();
    let names = segments_of(&bench.audit()).unwrap();
    assert_eq!(bench.retire(&log, 3), 2);
    bench.ship();
    // One more than was told.
    bench
        .share
        .remove(&Place::Log(bench.node.clone()), &names[2].to_string())
        .unwrap();
    assert!(!bench.there().is_whole());
    assert!(bench.here().is_whole());
}

#[test]
fn a_pass_that_was_interrupted_leaves_no_break() {
    let (bench, log) = Bench::new();
    let names = segments_of(&bench.audit()).unwrap();
    let aside = bench.dir.path().join("aside");
    std::fs::copy(bench.audit().join(names[1].to_string()), &aside).unwrap();
    assert_eq!(bench.retire(&log, 3), 2);
    // As if the power had failed between the two removals.
    std::fs::copy(&aside, bench.audit().join(names[1].to_string())).unwrap();
    assert!(bench.here().is_whole(), "{:?}", bench.here());
    assert_eq!(bench.retire(&log, 3), 1);
    assert!(bench.here().is_whole(), "{:?}", bench.here());
}
