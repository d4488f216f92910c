//! Containment and supervision, with real programs that do not want to end. Each must be bounded, be named in
//! the report, and leave nothing: with namespaces, and without, where only the sweep of the subreaper finds
//! what escaped.

mod bounds;
mod host;
mod life;
mod walls;

use dispatch::attempt::Report;
use dispatch::attempt::RunState;
use dispatch::attempt::Runner;
use dispatch::attempt::StopReason;
use dispatch::outcome::FailureClass;
use dispatch::outcome::Layer;
use dispatch::outcome::Status;
use std::time::Duration;

use host::Level;
use host::adversary;
use host::at_both_levels;
use host::plan;
use host::survivors;

fn holds(report: &Report, level: Level) {
    let inside = report.containment.contains(&Layer::PidNamespace);
    assert!(level == Level::Full || !inside, "{report:?}");
    for layer in [Layer::Session, Layer::DeathSignal, Layer::Subreaper] {
        assert!(report.containment.contains(&layer), "{layer}: {report:?}");
    }
}

#[test]
fn a_command_answers_from_its_standard_output() {
    at_both_levels(|host, level| {
        let plan = plan(&["sh", "-c", "cat; echo; echo to stderr >&2; exit 0"]);
        let report = host.run(&plan);
        assert_eq!(report.status, Status::Ok, "{report:?}");
        assert!(report.started);
        assert_eq!(report.exit_code, Some(0));
        assert_eq!(report.final_text, "the request");
        assert_eq!(report.leftovers, 0);
        holds(&report, level);
        let log = host.log(&plan);
        assert!(log.starts_with("# task "), "{log}");
        assert!(log.contains("\nthe request\n"), "{log}");
        assert!(log.contains("\nstderr: to stderr\n"), "{log}");
        assert_eq!(report.log_sha256, dispatch::id::Digest::of(log.as_bytes()));
        host.runner.discard(&plan.claim).unwrap();
        assert_eq!(host.runner.state(&plan.claim).unwrap(), RunState::Absent);
    });
}

#[test]
fn a_failing_command_is_told_from_one_that_a_signal_ended() {
    at_both_levels(|host, _| {
        let report = host.run(&plan(&["sh", "-c", "exit 3"]));
        assert_eq!(report.class, Some(FailureClass::ExitStatus), "{report:?}");
        assert_eq!(report.exit_code, Some(3));
        let report = host.run(&plan(&["sh", "-c", "kill -SEGV $$"]));
        assert_eq!(report.class, Some(FailureClass::Signal), "{report:?}");
        assert_eq!(report.signal, Some(11));
    });
}

#[test]
fn what_escapes_its_session_is_ended_and_counted() {
    at_both_levels(|host, level| {
        let plan = adversary("setsid");
        let report = host.run(&plan);
        assert_eq!(report.status, Status::Ok, "{report:?}");
        assert!(report.leftovers >= 2, "{report:?}");
        assert_eq!(survivors(&plan), [0; 0], "{level:?}");
    });
}

#[test]
fn whoever_ignores_the_polite_signal_is_ended_by_the_other() {
    at_both_levels(|host, level| {
        let mut plan = adversary("ignore-term");
        plan.timeout = Duration::from_millis(500);
        let report = host.run(&plan);
        assert_eq!(report.status, Status::Timeout, "{report:?}");
        assert_eq!(report.class, Some(FailureClass::Timeout));
        assert!(
            report.elapsed_ms >= 800,
            "its grace was respected: {report:?}"
        );
        assert_eq!(survivors(&plan), [0; 0], "{level:?}");
    });
}

#[test]
fn chains_orphans_and_forkers_do_not_get_away() {
    at_both_levels(|host, level| {
        for (name, sign) in [
            ("deep", "deep"),
            ("orphans", "orphaned"),
            ("reforker", "forking"),
            ("stopped", "stopping"),
        ] {
            let plan = adversary(name);
            host.begin(&plan, sign);
            host.runner.stop(&plan.claim, StopReason::Cancel).unwrap();
            let report = host.finished(&plan);
            assert_eq!(report.status, Status::Cancelled, "{name}: {report:?}");
            assert_eq!(report.class, Some(FailureClass::Stopped));
            assert_eq!(survivors(&plan), [0; 0], "{name}, {level:?}");
            if name == "orphans" {
                assert!(report.leftovers > 0, "{report:?}");
            }
        }
    });
}

#[test]
fn a_pipe_held_open_does_not_hold_the_report() {
    at_both_levels(|host, level| {
        let plan = adversary("pipe-holder");
        let report = host.run(&plan);
        assert_eq!(report.status, Status::Ok, "{report:?}");
        assert_eq!(report.final_text, "answer");
        assert_eq!(report.leftovers, 1);
        assert_eq!(survivors(&plan), [0; 0], "{level:?}");
    });
}
