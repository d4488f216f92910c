//! The figures as the text format of Prometheus. Every value is a gauge: figures are of a window of time, not since
//! ever. Labels are names of this program's own kinds, which hold nothing to be escaped.

use super::Sums;
use super::seconds;
use crate::status::figures::Figures;
use crate::status::figures::Spread;

/// Samples of one metric: labels and value.
type Samples = Vec<(String, String)>;

/// Returns every metric, with its help and its type.
pub(super) fn page(sums: &Sums) -> String {
    let mut text = String::new();
    for (name, help, samples) in of_node(sums).into_iter().chain(of_tasks(sums)) {
        text.push_str(&format!("# HELP dispatch_{name} {help}\n"));
        text.push_str(&format!("# TYPE dispatch_{name} gauge\n"));
        for (labels, value) in samples {
            text.push_str(&format!("dispatch_{name}{{{labels}}} {value}\n"));
        }
    }
    text
}

type Metric = (&'static str, &'static str, Samples);

fn of_node(sums: &Sums) -> Vec<Metric> {
    let one = |value: String| vec![(format!("node=\"{}\"", sums.node), value)];
    let flag = |is: bool| one(u8::from(is).to_string());
    vec![
        (
            "stats_timestamp_seconds",
            "When these figures were made.",
            one(sums.at.unix().to_string()),
        ),
        (
            "stats_window_seconds",
            "Time that the figures of ended tasks cover.",
            one(sums.window_s.to_string()),
        ),
        (
            "share_usable",
            "Whether the share could be listed.",
            flag(sums.share),
        ),
        (
            "drained",
            "Whether the node takes nothing new.",
            flag(sums.drained),
        ),
        (
            "queue_tasks",
            "Tasks that lie in a lane, by stage.",
            queue(sums),
        ),
    ]
}

fn queue(sums: &Sums) -> Samples {
    let mut samples = Samples::new();
    for lane in &sums.lanes {
        let stages = [
            ("inbox", lane.queued),
            ("pending-ack", lane.pending_ack),
            ("processing", lane.processing),
        ];
        for (stage, count) in stages {
            let labels = format!("lane=\"{}\",stage=\"{stage}\"", lane.lane);
            samples.push((labels, count.to_string()));
        }
    }
    samples
}

fn of_tasks(sums: &Sums) -> Vec<Metric> {
    let each = |value: fn(&Figures) -> String| -> Samples {
        let tasks = sums.tasks.iter();
        tasks.map(|one| (labels(one), value(one))).collect()
    };
    vec![
        (
            "ended_tasks",
            "Tasks that ended within the window, by status.",
            ended(sums),
        ),
        (
            "run_seconds",
            "Running time of tasks that ended within the window.",
            spread(sums, |one| one.ran),
        ),
        (
            "wait_seconds",
            "From admission to start, of tasks that ended within the window.",
            spread(sums, |one| one.waited),
        ),
        (
            "used_tokens",
            "Tokens that agents report, within the window.",
            each(|one| one.tokens.to_string()),
        ),
        (
            "cost_usd",
            "US dollars that agents report, within the window.",
            each(|one| {
                let micro = one.cost_microusd;
                format!("{}.{:06}", micro / 1_000_000, micro % 1_000_000)
            }),
        ),
    ]
}

fn labels(one: &Figures) -> String {
    let of = |text: Option<String>| text.unwrap_or_default();
    let group = &one.group;
    let sender = of(group.sender.as_ref().map(ToString::to_string));
    let profile = of(group.profile.as_ref().map(ToString::to_string));
    let node = &group.node;
    format!("node=\"{node}\",sender=\"{sender}\",profile=\"{profile}\"")
}

fn ended(sums: &Sums) -> Samples {
    let mut samples = Samples::new();
    for one in &sums.tasks {
        for (word, count) in &one.ended {
            let labels = format!("{},status=\"{word}\"", labels(one));
            samples.push((labels, count.to_string()));
        }
    }
    samples
}

fn spread(sums: &Sums, pick: fn(&Figures) -> Option<Spread>) -> Samples {
    let mut samples = Samples::new();
    for one in &sums.tasks {
        let Some(it) = pick(one) else {
            continue;
        };
        for (quantile, millis) in [("0.5", it.p50_ms), ("0.95", it.p95_ms)] {
            let labels = format!("{},quantile=\"{quantile}\"", labels(one));
            samples.push((labels, seconds(millis)));
        }
    }
    samples
}
