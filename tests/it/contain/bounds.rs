//! Every bound on an agent is kept and named: time, silence, flood, an end after the result.

use std::time::Duration;

use dispatch::clock::Clock;
use dispatch::clock::SystemClock;
use dispatch::limits;
use dispatch::outcome::FailureClass;
use dispatch::outcome::Status;
use dispatch::profile::AgentKind;

use super::host::Host;
use super::host::Level;
use super::host::adversary;
use super::host::at_both_levels;
use super::host::plan;
use super::host::survivors;

#[test]
fn a_flood_is_ended_and_its_log_stays_within_the_cap() {
    at_both_levels(|host, _| {
        let plan = adversary("flood");
        let report = host.run(&plan);
        assert_eq!(report.status, Status::Error, "{report:?}");
        assert_eq!(report.class, Some(FailureClass::Flood));
        assert!(report.output_truncated);
        assert!(report.output_bytes > limits::FLOOD_FACTOR * plan.max_output_bytes);
        assert!(
            report.log_bytes < plan.max_output_bytes + 4096,
            "{report:?}"
        );
        assert!(host.log(&plan).contains("bytes left out ---"));
        assert_eq!(survivors(&plan), [0; 0]);
    });
}

#[test]
fn silence_is_not_work_and_neither_is_a_trickle_without_a_line() {
    at_both_levels(|host, _| {
        for name in ["silent", "trickle"] {
            let mut plan = adversary(name);
            plan.stall = Some(Duration::from_millis(400));
            let report = host.run(&plan);
            assert_eq!(report.status, Status::Stalled, "{name}: {report:?}");
            assert_eq!(report.class, Some(FailureClass::Stalled));
            assert_eq!(survivors(&plan), [0; 0]);
        }
    });
}

#[test]
fn time_is_over_when_it_is_over_whatever_the_agent_writes() {
    let host = Host::new(Level::Full);
    for name in ["silent", "trickle"] {
        let mut plan = adversary(name);
        plan.timeout = Duration::from_millis(500);
        let began = SystemClock.monotonic();
        let report = host.run(&plan);
        assert_eq!(report.status, Status::Timeout, "{name}: {report:?}");
        assert!(report.elapsed_ms >= 500, "{report:?}");
        // Generous to a busy machine: only that it is not a matter of the program's own time.
        assert!(SystemClock.monotonic().since(began) < Duration::from_secs(15));
    }
}

#[test]
fn standard_input_may_be_closed_or_left_unread() {
    let host = Host::new(Level::Full);
    let mut plan = adversary("closed-input");
    let report = host.run(&plan);
    assert_eq!(report.status, Status::Ok, "{report:?}");
    plan = super::host::plan(&["true"]);
    let big = "x".repeat(limits::REQUEST_BYTES_MAX);
    host.start(&plan, &big);
    assert_eq!(host.finished(&plan).status, Status::Ok);
}

#[test]
fn an_agent_that_has_its_result_and_stays_is_ended_and_its_result_stands() {
    let host = Host::new(Level::Full);
    let result = concat!(
        r#"{"type":"result","subtype":"success","is_error":false,"num_turns":1,"result":"done","#,
        r#""session_id":"s","usage":{"input_tokens":1,"output_tokens":1}}"#
    );
    let init = r#"{"type":"system","subtype":"init","session_id":"s","model":"m"}"#;
    let script = format!("cat >/dev/null; echo '{init}'; echo '{result}'; exec sleep 120");
    let mut plan = plan(&["sh", "-c", &script]);
    plan.profile.agent = AgentKind::Claude;
    // Later than the result, earlier than the linger: whichever comes first, the result stands.
    plan.timeout = Duration::from_secs(1);
    let report = host.run(&plan);
    assert_eq!(report.status, Status::Ok, "{report:?}");
    assert_eq!(report.final_text, "done");
    assert!(report.detail.unwrap().contains("stayed"));
    assert_eq!(survivors(&plan), [0; 0]);
}

#[test]
fn the_end_of_a_long_output_is_kept_and_the_answer_is_its_end() {
    let host = Host::new(Level::Full);
    let mut plan = plan(&["sh", "-c", "seq 1 40000; echo the end"]);
    plan.max_output_bytes = 100_000;
    let report = host.run(&plan);
    assert_eq!(report.status, Status::Ok, "{report:?}");
    assert!(report.output_truncated);
    assert!(
        report.final_text.ends_with("the end"),
        "the last lines are there"
    );
    let log = host.log(&plan);
    assert!(
        log.contains("\n1\n2\n3\n") && log.contains("\nthe end\n"),
        "head and tail"
    );
}
