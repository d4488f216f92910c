//! F33: what may lie where an outcome, a heartbeat or a log is to be written.

use std::os::unix::fs::symlink;
use std::path::Path;

use dispatch::document::Task;
use dispatch::event::Word;
use dispatch::limits;
use dispatch::outcome::Status;
use dispatch::share::Share as _;
use dispatch::stage::Stage;
use nix::errno::Errno;

use super::bench::Bench;
use super::bench::lane;
use super::bench::within_a_minute;
use super::hands::LOG;
use super::inbox::sparse;
use super::plant;
use super::plant::ODD;
use super::plant::kind;
use super::plant::write;

/// A task is sent; what will be its public result and log is there already.
fn squatted(what: &str, sign: char, result: bool, put: impl Fn(&Bench, &Path) -> bool) {
    let bench = Bench::new();
    let mut node = bench.node();
    let sent = bench.send();
    let ending = if result { "result.json" } else { "log" };
    let public = bench.path(Stage::Done, &format!("{}.{ending}", sent.id));
    if !put(&bench, &public) {
        return;
    }
    bench.serves_this(&mut node, &sent, what);
    assert_eq!(kind(&public), '-', "{what}");
    let log = std::fs::read(bench.path(Stage::Done, &format!("{}.log", sent.id)));
    assert_eq!(log.unwrap(), LOG, "{what}");
    assert_eq!(bench.told(Word::TaskSquat), 1, "{what}: an alarm");
    let aside = bench.only(Stage::Rejected, ".junk");
    assert_eq!(kind(&bench.path(Stage::Rejected, &aside)), sign, "{what}");
    plant::is_untouched(&bench);
    bench.is_quiet(&mut node, what);
    bench.serves(&mut node, what);
}

#[test]
fn a_squatter_under_a_public_name_is_set_aside() {
    within_a_minute(|| {
        for result in [true, false] {
            for (what, sign, put) in ODD {
                squatted(what, *sign, result, put);
            }
            squatted("a file", '-', result, |_, at| {
                write(at, "{\"status\": \"ok\"}");
                true
            });
            squatted("an empty file", '-', result, |_, at| {
                write(at, "");
                true
            });
        }
    });
}

/// A server may refuse to let a file be read that is ours, once or for a while. Setting it aside for that would make
/// its name anew, and what asked for it may come a second time: the outcome was lost then.
#[test]
fn an_outcome_that_may_not_be_read_for_a_while_is_not_taken_for_a_squatter() {
    // Revealed; and under the names of its claim, because the commit could not be made.
    for is_committed in [true, false] {
        let bench = Bench::new();
        let mut node = bench.node();
        let sent = bench.send();
        bench.rounds(&mut node, 1);
        let ours = format!("{}/done/{}", lane(), sent.id);
        bench.share.fail("read", &ours, Errno::EACCES);
        if !is_committed {
            let claims = format!("{}/processing/", lane());
            bench.share.fail("rename", &claims, Errno::EIO);
        }
        bench.rounds(&mut node, 20);
        assert_eq!(bench.names(Stage::Rejected), [""; 0]);
        bench.share.mend();
        bench.clock.advance(limits::COMMIT_PAUSE_MAX);
        bench.rounds(&mut node, 2);
        let answer = bench.answer(&sent).map(|it| it.status);
        assert_eq!(answer, Some(Status::Ok), "{is_committed}");
        assert_eq!(bench.told(Word::TaskSquat), 0, "{is_committed}");
        assert!(node.is_quiet(), "{is_committed}: it is closed");
    }
}

/// A squatter that nobody may read is one too, a minute later; meanwhile it holds up nobody else, however many there
/// are.
#[test]
fn a_squatter_that_may_not_be_read_is_set_aside_in_the_end() {
    let bench = Bench::new();
    let mut node = bench.node();
    let sent = [(); 5].map(|()| bench.send());
    for sent in &sent {
        let public = format!("{}.result.json", sent.id);
        write(&bench.path(Stage::Done, &public), "{}");
        let public = format!("{}/done/{public}", lane());
        bench.share.fail("read", &public, Errno::EACCES);
    }
    bench.rounds(&mut node, 10);
    assert_eq!(bench.told(Word::TaskSquat), 0);
    bench.serves(&mut node, "beside them");
    bench.clock.advance(limits::JUNK_AGE);
    bench.rounds(&mut node, 1);
    assert_eq!(bench.told(Word::TaskSquat), 5);
    // What lies there now is ours, and has a minute of its own.
    bench.rounds(&mut node, 10);
    assert_eq!(bench.told(Word::TaskSquat), 5);
    bench.share.mend();
    bench.rounds(&mut node, 2);
    for sent in &sent {
        let answer = bench.answer(sent).map(|it| it.status);
        assert_eq!(answer, Some(Status::Ok));
    }
}

/// A file can claim any size and cost nothing. Its digest is never computed over more than the log could be.
#[test]
fn a_planted_log_of_exbibytes_does_not_hold_up_the_node_or_the_reader() {
    within_a_minute(|| {
        let size = |at: &Path| sparse(at).set_len(1 << 40).is_ok();
        squatted("a sparse file", '-', false, |_, at| size(at));
        let bench = Bench::new();
        let mut node = bench.node();
        let sent = bench.send();
        bench.serves_this(&mut node, &sent, "log");
        let log = bench.path(Stage::Done, &format!("{}.log", sent.id));
        bench.share.clear(&log);
        assert!(size(&log));
        let sender = bench.sender();
        let found = sender.outcome(&lane(), sent.id, Some(sent.digest));
        let found = found.unwrap().unwrap().unwrap();
        let mut shown = Vec::new();
        sender.log(&found, &mut shown).unwrap_err();
        assert_eq!(shown, b"");
    });
}

/// The name of a claim can be read as soon as the task is claimed; what is planted under it is not believed either.
#[test]
fn a_squatter_under_the_names_of_a_claim_is_set_aside() {
    within_a_minute(|| {
        for (what, _, put) in ODD {
            for ending in ["result.json", "log", "json"] {
                let mut bench = Bench::new();
                bench.settings.slots = 1;
                let mut node = bench.node();
                let sent = bench.send();
                bench.rounds(&mut node, 1);
                let claim = bench.only(Stage::Processing, ".json");
                let stem = claim.strip_suffix(".json").unwrap();
                if !put(
                    &bench,
                    &bench.path(Stage::Done, &format!("{stem}.{ending}")),
                ) {
                    continue;
                }
                bench.rounds(&mut node, 3);
                let answer = bench.answer(&sent).map(|it| it.status);
                assert_eq!(answer, Some(Status::Ok), "{what}.{ending}");
                let log = bench.path(Stage::Done, &format!("{}.log", sent.id));
                assert_eq!(std::fs::read(log).unwrap(), LOG, "{what}.{ending}");
                plant::is_untouched(&bench);
                bench.is_quiet(&mut node, what);
                bench.serves(&mut node, what);
            }
        }
    });
}

/// Results and logs that lie in done/ for tasks nobody sent say nothing, and a result for a task that waits is no
/// result.
#[test]
fn a_forged_result_is_no_result() {
    let bench = Bench::new();
    let mut node = bench.node();
    let waiting = Task {
        require_ack: true,
        ..bench.task_from("devbox", "asks first")
    };
    let sent = bench.send_task(&waiting);
    let other = bench.send();
    bench.serves_this(&mut node, &other, "other");
    let real = std::fs::read(bench.path(Stage::Done, &format!("{}.result.json", other.id)));
    // A real result of another task, under this task's names.
    write(
        &bench.path(Stage::Done, &format!("{}.result.json", sent.id)),
        real.unwrap(),
    );
    let found = bench
        .sender()
        .outcome(&lane(), sent.id, Some(sent.digest))
        .unwrap();
    assert!(!matches!(found, Some(Ok(_))), "it was believed");
}

/// The name of a heartbeat, by who reads it.
const BEATS: [&str; 2] = [
    "heartbeats/gpubox.devbox.json",
    "heartbeats/gpubox.laptop.json",
];

#[test]
fn a_heartbeat_is_never_written_through_what_somebody_planted() {
    within_a_minute(|| {
        let hard =
            |bench: &Bench, at: &Path| std::fs::hard_link(plant::treasure(bench), at).is_ok();
        let odd = ODD.iter().map(|(what, _, put)| (*what, *put));
        for (what, put) in odd.chain([("F10 hard link", hard as plant::Plant)]) {
            let bench = Bench::new();
            if !put(&bench, &bench.root().join(BEATS[0])) {
                continue;
            }
            let mut node = bench.node();
            bench.serves(&mut node, what);
            plant::is_untouched(&bench);
            assert_eq!(bench.told(Word::WatcherErr), 1, "{what}");
            bench.is_quiet(&mut node, what);
            let good = std::fs::read(bench.root().join(BEATS[1])).unwrap();
            assert_eq!(
                good.len(),
                dispatch::limits::BEAT_BYTES,
                "{what}: the other is written"
            );
        }
    });
}

#[test]
fn a_forged_heartbeat_is_no_second_node() {
    let bench = Bench::new();
    let mut node = bench.node();
    for turn in 0..20 {
        let forged = format!("{{\"instance\": \"ffffffffffffffff\", \"seq\": {turn}}}");
        write(&bench.root().join(BEATS[0]), forged.repeat(100));
        bench.rounds(&mut node, 6);
    }
    assert_eq!(bench.told(Word::HeartbeatForeign), 0);
    bench.serves(&mut node, "forged heartbeats");
}

/// The copy of the audit log goes to `log/<node>/`, and nowhere else.
#[test]
fn a_log_is_never_written_through_what_somebody_planted() {
    within_a_minute(|| {
        let logs = dispatch::place::Place::Log(super::bench::name("gpubox"));
        let bench = Bench::new();
        let elsewhere = bench.outside("elsewhere");
        std::fs::create_dir(&elsewhere).unwrap();
        symlink(&elsewhere, bench.root().join("log/gpubox")).unwrap();
        bench.share.make_dir(&logs).unwrap_err();
        bench
            .share
            .extend(&logs, "a.jsonl", 0, b"line\n")
            .unwrap_err();
        assert_eq!(std::fs::read_dir(&elsewhere).unwrap().count(), 0);

        for (what, _, put) in ODD {
            let bench = Bench::new();
            bench.share.make_dir(&logs).unwrap();
            if put(&bench, &bench.root().join("log/gpubox/a.jsonl")) {
                let written = bench.share.extend(&logs, "a.jsonl", 0, b"line\n");
                written.expect_err(what);
                plant::is_untouched(&bench);
            }
        }
        let bench = Bench::new();
        bench.share.make_dir(&logs).unwrap();
        std::fs::hard_link(
            plant::treasure(&bench),
            bench.root().join("log/gpubox/a.jsonl"),
        )
        .unwrap();
        bench
            .share
            .extend(&logs, "a.jsonl", 0, b"line\n")
            .unwrap_err();
        plant::is_untouched(&bench);
    });
}
