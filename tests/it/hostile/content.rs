//! What may stand in a file: every defect of the envelope's corpus, put into an inbox, is refused by a node with its
//! code and never reaches an executor; and a good task is behind each.

use std::time::Duration;

use dispatch::clock::Timestamp;
use dispatch::event::Word;
use dispatch::limits;
use dispatch::stage::Stage;

use super::bench::Bench;
use super::plant::write;
use crate::vectors;

/// The id of the published task.
const ID: &str = "3f2504e0-4f89-41d3-9a0c-0305e82c3301";

/// A bench at the moment of the suite, with its keys.
fn bench() -> Bench {
    let mut bench = Bench::new();
    bench.keys = vectors::ring();
    let now = Timestamp::parse("2026-11-20T06:10:00Z").unwrap();
    bench.clock.step_wall(now);
    bench
}

/// How the code of a defect shows: in `.why` beside what proved nothing, or in the outcome of what was proved.
fn codes(bench: &Bench) -> Vec<String> {
    let events = bench.sink.events();
    let refused = events
        .iter()
        .filter(|event| matches!(event.word, Word::TaskReject | Word::TaskExpire));
    let code = |event: &dispatch::event::Event| event.code.clone().unwrap().as_str().to_owned();
    refused.map(code).collect()
}

#[test]
fn every_defect_is_refused_with_its_code_and_runs_nothing() {
    let corpus = vectors::corpus();
    assert!(corpus.len() >= 65, "{}", corpus.len());
    for (name, expected, file) in corpus {
        let bench = bench();
        let mut node = bench.node();
        write(
            &bench.path(Stage::Inbox, &format!("{ID}.high.g1.json")),
            &file,
        );
        bench.rounds(&mut node, 2);
        // What may be the beginning of a task is given a minute for the rest.
        bench
            .clock
            .advance(limits::JUNK_AGE + Duration::from_secs(1));
        bench.rounds(&mut node, 3);
        assert_eq!(bench.hands.requests(), [""; 0], "{name}: it ran");
        let codes = codes(&bench);
        assert_eq!(codes, [expected], "{name}");
        assert_eq!(bench.names(Stage::Inbox), [""; 0], "{name}");
        assert_eq!(bench.names(Stage::Processing), [""; 0], "{name}");
        assert!(
            bench.only(Stage::Rejected, ".json").starts_with(ID),
            "{name}: kept"
        );
    }
}

/// All of them at once, and good tasks in between.
#[test]
fn good_tasks_pass_through_all_of_them() {
    let bench = bench();
    let mut node = bench.node();
    for (number, (_, _, file)) in vectors::corpus().into_iter().enumerate() {
        let id = format!("0198f1c2-0000-7000-8000-{number:012x}");
        write(
            &bench.path(Stage::Inbox, &format!("{id}.high.g1.json")),
            file,
        );
    }
    bench.serves(&mut node, "the corpus");
    assert_eq!(bench.hands.starts().len(), 1);
    bench
        .clock
        .advance(limits::JUNK_AGE + Duration::from_secs(1));
    bench.serves(&mut node, "the corpus, later");
    bench.is_quiet(&mut node, "the corpus");
}
