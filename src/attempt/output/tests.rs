//! What is kept of an agent's output, and what its listener is given.

use std::sync::Arc;
use std::sync::Mutex;

use super::*;
use crate::agent::End;
use crate::agent::Verdict;
use crate::clock::ManualClock;
use crate::clock::Timestamp;

/// Remembers the lines it is given.
struct Recorder(Arc<Mutex<Vec<Vec<u8>>>>);

impl Listener for Recorder {
    fn line(&mut self, line: &[u8]) {
        self.0.lock().unwrap().push(line.to_vec());
    }

    fn has_result(&self) -> bool {
        self.0.lock().unwrap().iter().any(|line| line == b"result")
    }

    fn verdict(self: Box<Self>, _end: &End) -> Verdict {
        Verdict::ok(String::new())
    }
}

struct Bench {
    output: Output,
    lines: Arc<Mutex<Vec<Vec<u8>>>>,
    path: PathBuf,
    clock: Arc<ManualClock>,
    _dir: tempfile::TempDir,
}

fn bench(cap: u64) -> Bench {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    let lines = Arc::default();
    let clock = Arc::new(ManualClock::at(Timestamp::from_unix(0)));
    let listener = Box::new(Recorder(Arc::clone(&lines)));
    let output = Output::begin(&path, "# head\n", cap, listener, clock.clone()).unwrap();
    Bench {
        output,
        lines,
        path,
        clock,
        _dir: dir,
    }
}

impl Bench {
    fn log(&self) -> String {
        let (digest, bytes, _) = self.output.close("# foot\n").unwrap();
        let text = std::fs::read_to_string(&self.path).unwrap();
        assert_eq!(digest, Digest::of(text.as_bytes()));
        assert_eq!(bytes, u64::try_from(text.len()).unwrap());
        text
    }
}

#[test]
fn streams_are_told_apart_line_by_line() {
    let bench = bench(1000);
    bench.output.push(Stream::Out, b"one\nhal");
    bench.output.push(Stream::Err, b"careful\nand ");
    bench.output.push(Stream::Out, b"f\n");
    bench.output.push(Stream::Err, b"more");
    let text = bench.log();
    let expected = "# head\none\nstderr: careful\nhalf\nstderr: and more\n# foot\n";
    assert_eq!(text, expected);
    assert_eq!(*bench.lines.lock().unwrap(), [b"one", b"half".as_slice()]);
}

#[test]
fn nothing_but_a_line_feed_ends_a_line_and_the_last_needs_none() {
    let bench = bench(1000);
    bench.output.push(
        Stream::Out,
        "{\"a\":\"x\u{2028}y\u{85}z\"}\r\n\nlast".as_bytes(),
    );
    let (_, gathered) = bench.output.gather();
    let lines = bench.lines.lock().unwrap();
    assert_eq!(lines.len(), 3);
    assert_eq!(lines[0], "{\"a\":\"x\u{2028}y\u{85}z\"}\r".as_bytes());
    assert_eq!(lines[2], b"last");
    assert_eq!(gathered.long_lines, 0);
}

#[test]
fn a_line_that_is_too_long_is_counted_and_the_next_one_is_read() {
    let bench = bench(1000);
    for _ in 0..=limits::LINE_BYTES_MAX / PIECE_BYTES_MAX {
        bench.output.push(Stream::Out, &[b'x'; PIECE_BYTES_MAX]);
    }
    bench.output.push(Stream::Out, b"x\nresult\n");
    assert!(bench.output.signs().2, "the result is seen");
    let (_, gathered) = bench.output.gather();
    assert_eq!(*bench.lines.lock().unwrap(), [b"result"]);
    assert_eq!(gathered.long_lines, 1);
    assert_eq!(gathered.stdout_tail.len(), limits::TAIL_BYTES);
    assert_eq!(gathered.stdout_head.len(), limits::HEAD_BYTES);
}

#[test]
fn the_log_keeps_head_and_tail_within_its_cap() {
    let bench = bench(100);
    for number in 0..1000 {
        bench
            .output
            .push(Stream::Out, format!("{number}\n").as_bytes());
    }
    let (_, bytes, _) = bench.output.signs();
    let text = bench.log();
    assert!(text.starts_with("# head\n0\n1\n2\n"), "{text}");
    assert!(text.ends_with("\n998\n999\n# foot\n"), "{text}");
    let marker = format!("\n# --- {} bytes left out ---\n", bytes - 100);
    assert!(text.contains(&marker), "{text}");
    assert_eq!(text.len(), "# head\n# foot\n".len() + 100 + marker.len());
    assert_eq!(bench.lines.lock().unwrap().len(), 1000, "read to the last");
}

#[test]
fn the_start_can_be_followed_while_it_runs() {
    let bench = bench(1000);
    bench.output.push(Stream::Out, b"first\nsec");
    let text = std::fs::read_to_string(&bench.path).unwrap();
    assert_eq!(text, "# head\nfirst\n");
}

#[test]
fn only_the_end_of_a_line_is_a_sign_of_work() {
    let bench = bench(1000);
    let begin = bench.output.signs().0;
    bench.clock.advance(std::time::Duration::from_secs(1));
    bench.output.push(Stream::Out, b"...");
    assert_eq!(bench.output.signs().0, begin);
    bench.output.push(Stream::Err, b"10 %\r");
    assert_eq!(bench.output.signs().0, bench.clock.monotonic());
}
