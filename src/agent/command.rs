//! Any program: the bare request on standard input, success is exit status 0, the answer is its standard output.

use crate::outcome::FailureClass;

use super::answer;
use super::ask::Ask;
use super::ask::Invocation;
use super::verdict::End;
use super::verdict::Listener;
use super::verdict::Verdict;

/// EX_TEMPFAIL of sysexits.h: a program asks to be run again later.
const TEMPFAIL: u8 = 75;

/// Returns what to execute: the profile's command as it stands. The request comes without any text around it,
/// so that a script can read it.
pub(super) fn invocation(ask: &Ask) -> Invocation {
    Invocation::of(ask, Vec::new(), ask.request.as_bytes().to_vec())
}

/// Judges a program by its exit status alone.
#[derive(Debug)]
pub(super) struct CommandListener;

impl Listener for CommandListener {
    fn line(&mut self, _line: &[u8]) {}

    fn has_result(&self) -> bool {
        false
    }

    fn verdict(self: Box<Self>, end: &End) -> Verdict {
        let final_text = answer::tail(&end.stdout_tail);
        let because = end
            .remark()
            .map_or(String::new(), |line| format!(": {line}"));
        let failed = |class: FailureClass| Verdict {
            final_text: final_text.clone(),
            ..Verdict::error(class, &format!("{}{because}", end.manner()))
        };
        let verdict = match (end.exit_code, end.signal) {
            (Some(0), None) => Verdict::ok(final_text),
            (Some(TEMPFAIL), None) => failed(FailureClass::TryAgain),
            (Some(_), None) => failed(FailureClass::ExitStatus),
            (None, None) => failed(FailureClass::NoResult),
            (_, Some(_)) => failed(FailureClass::Signal),
        };
        verdict.unless_stopped(end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Status;

    fn judged(exit_code: Option<u8>, signal: Option<u8>, stopped_by_us: bool) -> Verdict {
        let end = End {
            exit_code,
            signal,
            stopped_by_us,
            stdout_tail: b"half\nan answer\n\n".to_vec(),
            stderr_tail: b"first\n\x1b[31mlast\n".to_vec(),
            ..End::default()
        };
        Box::new(CommandListener).verdict(&end)
    }

    #[test]
    fn only_exit_status_zero_is_a_success() {
        let ok = judged(Some(0), None, false);
        assert_eq!((ok.status, ok.class), (Status::Ok, None));
        assert_eq!(ok.final_text, "half\nan answer");
        for (code, signal, ours, class) in [
            (Some(3), None, false, FailureClass::ExitStatus),
            (Some(75), None, false, FailureClass::TryAgain),
            (None, Some(9), false, FailureClass::Signal),
            (None, None, false, FailureClass::NoResult),
            (Some(0), None, true, FailureClass::Stopped),
        ] {
            let verdict = judged(code, signal, ours);
            assert_eq!(
                (verdict.status, verdict.class),
                (Status::Error, Some(class))
            );
            assert_eq!(
                verdict.final_text, "half\nan answer",
                "what it wrote is kept"
            );
        }
        let detail = judged(Some(3), None, false).detail.unwrap();
        assert_eq!(detail, "exit status 3: \\u{1b}[31mlast");
    }
}
