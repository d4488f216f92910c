//! F1 to F11 and F16 to F27: what may lie in an inbox.

use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::ffi::OsStrExt as _;
use std::time::Duration;

use dispatch::event::Word;
use dispatch::limits;
use dispatch::stage::Stage;

use super::bench::Bench;
use super::bench::within_a_minute;
use super::plant;
use super::plant::ODD;
use super::plant::kind;
use super::plant::write;

const ID: &str = "0198f1c2-0000-7000-8000-000000000001";

/// A minute passes, and what is old is looked at.
fn a_minute_later(bench: &Bench, node: &mut dispatch::flow::Node) {
    bench
        .clock
        .advance(limits::JUNK_AGE + Duration::from_secs(1));
    bench.rounds(node, 2);
}

/// What was planted is set aside as it is, told of once, and good tasks pass before and after.
fn is_set_aside(
    what: &str,
    name: &OsStr,
    sign: char,
    put: impl Fn(&Bench, &std::path::Path) -> bool,
) {
    let bench = Bench::new();
    let mut node = bench.node();
    let at = bench.path(Stage::Inbox, "").join(name);
    if !put(&bench, &at) {
        eprintln!("skipped: this host does not allow a {what}");
        return;
    }
    bench.serves(&mut node, what);
    assert_eq!(kind(&at), sign, "{what}: it is young and was touched");

    a_minute_later(&bench, &mut node);
    assert_eq!(bench.names(Stage::Inbox), [""; 0], "{what}");
    let aside = bench.only(Stage::Rejected, ".junk");
    assert_eq!(kind(&bench.path(Stage::Rejected, &aside)), sign, "{what}");
    assert_eq!(bench.told(Word::Junk), 1, "{what}");
    for event in bench.sink.events() {
        let said = event.summary.as_str();
        let is_plain = |letter: char| !letter.is_control() && letter != '\u{202e}';
        assert!(said.chars().all(is_plain), "{what}: {said:?}");
    }
    plant::is_untouched(&bench);
    bench.is_quiet(&mut node, what);
    bench.serves(&mut node, what);
    assert_eq!(bench.told(Word::WatcherErr), 0, "{what}");
}

#[test]
fn what_is_not_a_file_is_set_aside_unopened() {
    within_a_minute(|| {
        for (what, sign, put) in ODD {
            is_set_aside(what, OsStr::new("x.json"), *sign, put);
            let like_a_task = format!("{ID}.high.g1.json");
            is_set_aside(what, OsStr::new(&like_a_task), *sign, put);
        }
    });
}

/// Where listings do not tell what an entry is, it is claimed by its name, and refused when it is opened.
#[test]
fn what_is_not_a_file_is_refused_where_listings_do_not_tell() {
    within_a_minute(|| {
        for (what, sign, put) in ODD {
            let bench = Bench::new();
            bench.share.go_blind();
            let mut node = bench.node();
            if !put(
                &bench,
                &bench.path(Stage::Inbox, &format!("{ID}.high.g1.json")),
            ) {
                continue;
            }
            bench.serves(&mut node, what);
            a_minute_later(&bench, &mut node);
            let claim = bench.only(Stage::Rejected, ".json");
            assert!(claim.starts_with(ID), "{what}: {claim}");
            assert_eq!(kind(&bench.path(Stage::Rejected, &claim)), *sign, "{what}");
            let why = bench.path(Stage::Rejected, &bench.only(Stage::Rejected, ".why"));
            let why = std::fs::read_to_string(why).unwrap();
            // A device on a mount that allows none cannot be opened at all (mount(8), nodev).
            let is_met = why.contains("E_TYPE") || (*sign == 'c' && why.contains("E_ACCESS"));
            assert!(is_met, "{what}: {why}");
            assert_eq!(bench.told(Word::TaskReject), 1, "{what}");
            plant::is_untouched(&bench);
            bench.is_quiet(&mut node, what);
        }
    });
}

#[test]
fn names_that_are_not_ours_are_set_aside() {
    let long = "x".repeat(250) + ".json";
    let legacy = format!("{ID}.json");
    let upper = format!("{}.normal.g1.json", ID.to_uppercase());
    let names: &[(&str, &[u8])] = &[
        ("F16 line feed", b"x\n2026-11-20 forged line.json"),
        ("F17 escape sequences", b"\x1b[2J\x1b]0;owned\x07.json"),
        ("F18 not UTF-8", b"\xff\xfe\x80.json"),
        ("F18 half a character", b"x\xe6\xbc.json"),
        ("F19 right-to-left", "\u{202e}nosj.x".as_bytes()),
        ("F20 dash", b"-rf.json"),
        ("F20 two dashes", b"--help"),
        ("F21 hidden", b".hidden.json"),
        ("F22 dots", b"..json"),
        ("F22 three dots", b"..."),
        ("F23 temporary", b"x.json.tmp"),
        ("F24 upper case", b"x.JSON"),
        ("F24 upper-case id", upper.as_bytes()),
        ("F25 device of Windows", b"con.json"),
        ("F25 trailing dot", b"x.json."),
        ("F25 trailing space", b"x.json "),
        ("F26 255 bytes", long.as_bytes()),
        ("v2 name where v2 is off", legacy.as_bytes()),
        ("shell", b"$(touch owned);`id`|&.json"),
        ("only spaces", b"   "),
        ("NUL as text", b"%00.json"),
        (
            "generation 0",
            b"0198f1c2-0000-7000-8000-000000000001.normal.g0.json",
        ),
        ("path in a name", b"..\\..\\etc\\passwd.json"),
    ];
    for (what, name) in names {
        is_set_aside(what, OsStr::from_bytes(name), '-', |_, at| {
            write(at, "{}");
            true
        });
    }
}

#[test]
fn litter_of_clients_is_left_alone() {
    let bench = Bench::new();
    let mut node = bench.node();
    let litter = [".nfs000000000123", "._x.json", "Thumbs.db", "~$x.json"];
    for name in litter {
        write(&bench.path(Stage::Inbox, name), "litter");
    }
    a_minute_later(&bench, &mut node);
    assert_eq!(bench.names(Stage::Inbox).len(), litter.len());
    bench.is_quiet(&mut node, "litter");
}

/// F11: refused by its size, without reading it.
#[test]
fn a_sparse_file_of_ten_gibibytes_costs_nothing() {
    within_a_minute(|| {
        for name in [format!("{ID}.high.g1.json"), "x.json".to_owned()] {
            let bench = Bench::new();
            let mut node = bench.node();
            let file = sparse(&bench.path(Stage::Inbox, &name));
            file.set_len(10 << 30).unwrap();
            bench.serves(&mut node, "sparse");
            a_minute_later(&bench, &mut node);
            assert_eq!(bench.names(Stage::Inbox), [""; 0]);
            if name != "x.json" {
                let event = rejected(&bench);
                assert_eq!(event, "E_SIZE");
            }
        }
    });
}

#[expect(
    clippy::disallowed_methods,
    reason = "a hostile writer does as it likes"
)]
pub fn sparse(path: &std::path::Path) -> File {
    File::create(path).unwrap()
}

/// The code of the one task that was refused.
pub fn rejected(bench: &Bench) -> String {
    let events = bench.sink.events();
    let mut codes = events
        .iter()
        .filter(|event| event.word == Word::TaskReject)
        .map(|event| event.code.clone().unwrap().as_str().to_owned());
    let code = codes.next().unwrap();
    assert_eq!(codes.next(), None);
    code
}

/// F27.
#[test]
fn a_task_under_the_name_of_another_is_refused() {
    let bench = Bench::new();
    let mut node = bench.node();
    let (id, bytes) = bench.sealed();
    write(
        &bench.path(Stage::Inbox, &format!("{ID}.high.g1.json")),
        bytes,
    );
    bench.serves(&mut node, "another name");
    assert_eq!(rejected(&bench), "E_NAME_ID");
    assert!(!bench.ran(id), "it ran");
    assert!(bench.only(Stage::Rejected, ".json").starts_with(ID));
    assert!(
        !bench
            .names(Stage::Done)
            .iter()
            .any(|name| name.starts_with(ID))
    );
}

/// A sealed task that asks for too much is answered, but never in the name of another.
#[test]
fn a_task_that_asks_too_much_does_not_answer_for_another() {
    let bench = Bench::new();
    let mut node = bench.node();
    let mut asks = bench.task_from("devbox", "too long");
    asks.timeout_s = Some(2 * limits::TIMEOUT_MAX.as_secs());
    let key = super::bench::key("k1", "devbox");
    let context = asks.context();
    let bytes = dispatch::seal::seal(key.secret(), &key.kid, &context, &asks.body());
    let good = bench.send();
    let name = format!("{}.high.g1.json", good.id);
    write(&bench.path(Stage::Inbox, &name), bytes);
    bench.serves_this(&mut node, &good, "behind a name that was taken");
    assert_eq!(rejected(&bench), "E_NAME_ID");
}

/// The name says high and generation 7; the sealed body decides, and it says low.
#[test]
fn the_sealed_body_wins_over_the_name() {
    let bench = Bench::new();
    let mut node = bench.node();
    let (id, bytes) = bench.sealed();
    write(
        &bench.path(Stage::Inbox, &format!("{id}.high.g7.json")),
        bytes,
    );
    bench.serves(&mut node, "another priority");
    assert!(bench.ran(id));
}

/// F12, F13: whatever a writer does meanwhile, a read is bounded, ends, and never takes the process with it.
#[test]
fn a_file_that_grows_and_shrinks_while_it_is_read() {
    use dispatch::share::Share as _;
    let bench = Bench::new();
    let path = bench.path(Stage::Inbox, "x");
    let file = sparse(&path);
    let place = dispatch::place::Place::Stage(super::bench::lane(), Stage::Inbox);
    std::thread::scope(|scope| {
        let writer = scope.spawn(move || {
            for turn in 0_u64..20_000 {
                file.set_len(if turn % 2 == 0 { 3 * 4096 } else { turn % 4096 })
                    .unwrap();
            }
        });
        let mut reads = 0;
        while !writer.is_finished() || reads == 0 {
            if let Ok(bytes) = bench.share.read(&place, "x", 8192) {
                assert!(bytes.len() <= 8192);
            }
            reads += 1;
        }
    });
}

/// F12, F13: half of a task is left in peace, and is a task when the rest is there; for ever half, it is set aside.
#[test]
fn half_a_task_waits_a_minute_for_the_rest() {
    let bench = Bench::new();
    let mut node = bench.node();
    let (id, bytes) = bench.sealed();
    let half = bytes.len() / 2;
    write(
        &bench.path(Stage::Inbox, &format!("{id}.high.g1.json")),
        &bytes[..half],
    );
    bench.serves(&mut node, "half");
    assert!(!bench.ran(id));
    let claim = bench.only(Stage::Processing, ".json");
    write(&bench.path(Stage::Processing, &claim), &bytes);
    bench.rounds(&mut node, 4);
    assert!(bench.ran(id), "whole, and it does not run");

    let (id, bytes) = bench.sealed();
    write(
        &bench.path(Stage::Inbox, &format!("{id}.high.g1.json")),
        &bytes[..half],
    );
    bench.serves(&mut node, "half for ever");
    a_minute_later(&bench, &mut node);
    assert!(!bench.ran(id));
    assert!(
        bench
            .only(Stage::Rejected, ".json")
            .starts_with(&id.to_string())
    );
    bench.is_quiet(&mut node, "half for ever");
}

/// F14: what is started is what was proved, though the file is replaced behind it.
#[test]
fn replaced_after_it_was_proved() {
    let mut bench = Bench::new();
    bench.settings.slots = 1;
    let mut node = bench.node();
    bench.share.fail(
        "create",
        &format!("{}/processing", super::bench::lane()),
        nix::errno::Errno::EACCES,
    );
    let task = bench.task_from("devbox", "what was proved");
    let sent = bench.send_task(&task);
    bench.rounds(&mut node, 2);
    assert!(!bench.ran(sent.id), "its marker could not be made");
    let claim = bench.only(Stage::Processing, ".json");
    let other = {
        let other = dispatch::document::Task {
            request: "what was put there".to_owned(),
            ..task
        };
        let file = bench.path(Stage::Inbox, &bench.send_task(&other).name);
        let bytes = std::fs::read(&file).unwrap();
        bench.share.clear(&file);
        bytes
    };
    write(&bench.path(Stage::Processing, &claim), other);
    bench.share.mend();
    bench.rounds(&mut node, 3);
    assert_eq!(bench.hands.requests(), [""; 0]);
    assert_eq!(bench.told(Word::TaskReuse), 1, "an alarm");
    bench.serves(&mut node, "behind it");
}

/// F10: a second name for a task of another is a copy; for any other file it is what its bytes are: nothing proved.
#[test]
fn a_hard_link_is_what_its_bytes_are() {
    let bench = Bench::new();
    let mut node = bench.node();
    let parked = bench.task_from("devbox", "asks first");
    let parked = bench.send_task(&dispatch::document::Task {
        require_ack: true,
        ..parked
    });
    bench.rounds(&mut node, 1);
    let held = bench.path(Stage::PendingAck, &bench.only(Stage::PendingAck, ".json"));
    std::fs::hard_link(&held, bench.path(Stage::Inbox, &parked.name)).unwrap();
    let treasure = plant::treasure(&bench);
    std::fs::hard_link(
        &treasure,
        bench.path(Stage::Inbox, &format!("{ID}.high.g1.json")),
    )
    .unwrap();
    bench.serves(&mut node, "hard links");
    assert!(!bench.ran(parked.id), "it ran without approval");
    assert_eq!(bench.told(Word::TaskDuplicate), 1);
    assert_eq!(rejected(&bench), "E_FRAME");
    assert_eq!(
        bench.names(Stage::PendingAck).len(),
        1,
        "the task itself still waits"
    );
    plant::is_untouched(&bench);
}
