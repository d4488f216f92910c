//! Makes the report: what the executor saw, what the agent's listener makes of it, and the log around it.

use std::time::Duration;

use super::Plan;
use super::Report;
use super::StopReason;
use super::folder::Folder;
use super::output::Output;
use super::supervise::Attempt;
use super::watch::Cause;
use super::watch::Seen;
use super::workspace;
use crate::agent::End;
use crate::agent::Verdict;
use crate::clock::BootTime;
use crate::clock::Clock;
use crate::clock::Timestamp;
use crate::escape;
use crate::limits;
use crate::outcome::FailureClass;
use crate::outcome::Layer;
use crate::outcome::Status;
use crate::process::Exit;

/// Letters of a detail.
const DETAIL_LETTERS: usize = 500;

/// One moment on all three clocks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    wall: Timestamp,
    boot: BootTime,
    monotonic: BootTime,
}

impl Moment {
    /// Returns this moment.
    pub fn now(clock: &dyn Clock) -> Self {
        Self {
            wall: clock.wall(),
            boot: clock.boot(),
            monotonic: clock.monotonic(),
        }
    }

    /// Returns how long the host was suspended between `earlier` and this.
    fn suspended_since(self, earlier: Self) -> Duration {
        self.boot
            .since(earlier.boot)
            .saturating_sub(self.monotonic.since(earlier.monotonic))
    }
}

/// Why an attempt was not started.
#[derive(Debug)]
pub(super) struct Refusal {
    status: Status,
    class: Option<FailureClass>,
    detail: String,
}

impl Refusal {
    /// Refuses for a reason of this class.
    pub fn of(class: FailureClass, detail: &str) -> Self {
        Self {
            status: Status::Error,
            class: Some(class),
            detail: detail.to_owned(),
        }
    }

    /// Refuses because it was to be ended before it began.
    pub fn stopped(reason: StopReason) -> Self {
        Self {
            status: status_of(reason),
            class: Some(class_of(reason)),
            detail: format!("stopped before it began: {reason}"),
        }
    }

    /// Refuses because the last look at the killswitch is too long ago.
    pub fn permit_expired() -> Self {
        Self {
            status: Status::Error,
            class: None,
            detail: "permit expired before the agent could be started".to_owned(),
        }
    }
}

const fn status_of(reason: StopReason) -> Status {
    match reason {
        StopReason::Cancel => Status::Cancelled,
        StopReason::Kill
        | StopReason::Shutdown
        | StopReason::ShareLost
        | StopReason::Lease
        | StopReason::Fenced => Status::Killed,
    }
}

const fn class_of(reason: StopReason) -> FailureClass {
    if reason.is_claim_lost() {
        FailureClass::LeaseLost
    } else {
        FailureClass::Stopped
    }
}

/// Returns what the log begins with.
pub(super) fn header(plan: &Plan, folder: &Folder, began: Moment) -> String {
    let mut header = format!(
        "# task {} from {}, attempt {}, profile {} ({})\n# claim {}\n# prepared {}\n",
        plan.task,
        plan.from,
        plan.attempt,
        plan.profile.name,
        plan.profile.agent,
        escape::escape(&plan.claim, false),
        began.wall,
    );
    if let Some(path) = workspace::lasting(&plan.profile.workspace, folder) {
        let shown = escape::escape(&path.to_string_lossy(), false);
        header.push_str(&format!("# works in {shown}\n"));
    }
    header.push_str("# ---\n");
    header
}

/// Reports an attempt that was not started.
pub(super) fn refused(
    output: Option<&Output>,
    began: Moment,
    clock: &dyn Clock,
    refusal: Refusal,
) -> Report {
    let verdict = Verdict {
        class: refusal.class,
        ..Verdict::error(FailureClass::Spawn, &refusal.detail)
    };
    let mut report = blank(verdict, began, Moment::now(clock));
    report.status = refusal.status;
    report.detail = Some(escape::excerpt(&refusal.detail, DETAIL_LETTERS));
    if let Some(output) = output {
        close(output, &mut report);
    }
    report
}

/// Reports an attempt that ran, or could not be executed at the last moment.
pub(super) fn finished(attempt: &Attempt, seen: Seen, layers: Vec<Layer>, began: Moment) -> Report {
    let clock = &*attempt.executor.clock;
    if let Some(why) = seen.never_began {
        let refusal = Refusal::of(FailureClass::Spawn, &why);
        return refused(Some(attempt.output), began, clock, refusal);
    }
    let (listener, gathered) = attempt.output.gather();
    let (exit_code, signal) = match seen.exit {
        Some(Exit::Code(code)) => (Some(code), None),
        Some(Exit::Signal(number)) => (None, Some(number)),
        None => (None, None),
    };
    let end = End {
        exit_code,
        signal,
        stdout_head: gathered.stdout_head,
        stdout_tail: gathered.stdout_tail,
        stderr_tail: gathered.stderr_tail,
        stopped_by_us: !matches!(seen.cause, None | Some(Cause::Lingers)),
    };
    let verdict = match listener {
        Some(listener) => listener.verdict(&end),
        None => Verdict::no_result(&end),
    };
    let mut report = blank(verdict, began, Moment::now(clock));
    report.started = true;
    report.exit_code = exit_code;
    report.signal = signal;
    report.elapsed_ms = millis(seen.elapsed);
    report.output_bytes = gathered.bytes;
    report.containment = layers;
    report.leftovers = seen.leftovers;
    let mut remarks = Vec::new();
    if let Some((status, class, why)) = seen.cause.and_then(|cause| ended_by(cause, attempt.plan)) {
        report.status = status;
        report.class = Some(class);
        remarks.push(why);
    } else {
        remarks.extend(report.detail.take());
    }
    if seen.cause == Some(Cause::Lingers) {
        remarks.push("ended because it stayed after its final result".to_owned());
    }
    if gathered.long_lines > 0 {
        remarks.push(format!("{} lines too long to be read", gathered.long_lines));
    }
    if seen.remaining > 0 {
        remarks.push(format!("{} processes could not be ended", seen.remaining));
    }
    report.detail =
        (!remarks.is_empty()).then(|| escape::excerpt(&remarks.join("; "), DETAIL_LETTERS));
    close(attempt.output, &mut report);
    report
}

/// Returns what it means that we ended the agent; nothing where its own result stands.
fn ended_by(cause: Cause, plan: &Plan) -> Option<(Status, FailureClass, String)> {
    Some(match cause {
        Cause::Lingers => return None,
        Cause::Timeout => (
            Status::Timeout,
            FailureClass::Timeout,
            format!("ended after its time of {} s", plan.timeout.as_secs_f64()),
        ),
        Cause::Stalled => (
            Status::Stalled,
            FailureClass::Stalled,
            format!(
                "ended after {} s without output",
                plan.stall.unwrap_or_default().as_secs_f64()
            ),
        ),
        Cause::Flood => (
            Status::Error,
            FailureClass::Flood,
            format!(
                "ended after more than {} times its cap of {} bytes of output",
                limits::FLOOD_FACTOR,
                plan.max_output_bytes
            ),
        ),
        Cause::Stop(reason) => (
            status_of(reason),
            class_of(reason),
            format!("stopped: {reason}"),
        ),
    })
}

/// Returns a report of nothing but a verdict and two moments.
fn blank(verdict: Verdict, began: Moment, ended: Moment) -> Report {
    Report {
        version: 1,
        started: false,
        status: verdict.status,
        class: verdict.class,
        detail: verdict.detail,
        retry_at: verdict.retry_at,
        exit_code: None,
        signal: None,
        began: began.wall,
        ended: ended.wall,
        elapsed_ms: 0,
        suspended_ms: millis(ended.suspended_since(began)),
        output_bytes: 0,
        output_truncated: false,
        log_sha256: crate::id::Digest::of(b""),
        log_bytes: 0,
        final_text: bounded(verdict.final_text),
        containment: Vec::new(),
        leftovers: 0,
        model: verdict.model,
        turns: verdict.turns,
        tokens: verdict.tokens,
        cost_microusd: verdict.cost_microusd,
        session: verdict.session,
        denials: verdict.denials,
    }
}

/// Ends the log with what the report says, and notes the log in the report. A log that cannot be read back is
/// as none: how the agent ended is worth reporting all the same.
fn close(output: &Output, report: &mut Report) {
    let mut footer = format!(
        "# ---\n# ended {} after {} ms: {}",
        report.ended, report.elapsed_ms, report.status
    );
    if let Some(class) = report.class {
        footer.push_str(&format!(" ({class})"));
    }
    if let Some(detail) = &report.detail {
        footer.push_str(&format!("\n# {detail}"));
    }
    footer.push('\n');
    match output.close(&footer) {
        Ok((digest, bytes, truncated)) => {
            report.log_sha256 = digest;
            report.log_bytes = bytes;
            report.output_truncated = truncated;
        }
        Err(_) => report.output_truncated = true,
    }
}

/// Cuts an answer to its bound, between two characters.
fn bounded(mut text: String) -> String {
    let mut end = text.len().min(limits::FINAL_TEXT_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    text
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
