//! What an examination found: the verdict, where there is one, and how it is told.

use serde_json::Value;
use serde_json::json;

use crate::cli::failure::Failure;
use crate::cli::voice::Style;
use crate::cli::voice::Voice;
use crate::doctor::Check;
use crate::doctor::Finding;
use crate::doctor::Orders;
use crate::doctor::State;
use crate::doctor::Verdict;
use crate::doctor::pair::meet::Search;
use crate::doctor::verdict::Judgement;
use crate::escape;
use crate::exit::Exit;

/// Version of `--json`.
const VERSION: u32 = 1;
/// What an examination found.
pub(in crate::cli) struct Examination {
    /// Checks with their findings and the milliseconds they took.
    pub found: Vec<(&'static Check, Finding, u64)>,
    /// What it comes to, as far as checks were run.
    pub judgement: Judgement,
    /// Why the checks of two hosts were not run, or not all of them, where they were asked for.
    pub open: Option<String>,
}

/// The fact of a finding of a check that was not run.
const NOT_RUN: &str = "not_run";

pub(super) fn not_run(why: &str) -> Finding {
    Finding::unknown(format!("not run: {why}")).fact(NOT_RUN, true)
}

pub(super) fn is_not_run(finding: &Finding) -> bool {
    finding.facts.get(NOT_RUN).is_some_and(|fact| fact == true)
}

/// What to start on the other host.
pub(super) fn invitation(orders: &Orders, search: &Search) -> String {
    let me = &search.me;
    let anew = |name: &str| {
        let root = orders.root.display();
        format!(
            "start 'dispatch doctor --pair --as {name} --with {me} --root DIR' there, where DIR is '{root}' here"
        )
    };
    match (&search.only, search.known.as_slice()) {
        (Some(other), known) if known.contains(other) => {
            format!("start 'dispatch doctor --pair --with {me}' on {other}")
        }
        (Some(other), _) => anew(other),
        (None, []) => anew("NAME"),
        (None, known) => format!(
            "start 'dispatch doctor --pair --with {me}' on {}",
            known.join(" or ")
        ),
    }
}

impl Examination {
    /// The status of the program.
    pub(in crate::cli) fn exit(&self) -> Exit {
        let failed = self
            .found
            .iter()
            .any(|(_, finding, _)| finding.state == State::Fail);
        match self.judgement.verdict {
            Verdict::Refuse => Exit::No,
            _ if failed => Exit::No,
            _ if self.open.is_some() => Exit::TryAgain,
            _ => Exit::Ok,
        }
    }

    /// The verdict that was asked for. Of two hosts that did not meet there is none, unless one alone refuses the
    /// share.
    fn verdict(&self) -> Option<Verdict> {
        let verdict = self.judgement.verdict;
        let is_known = self.open.is_none() || verdict == Verdict::Refuse;
        is_known.then_some(verdict)
    }

    /// The findings that hold the verdict down.
    pub(in crate::cli) fn because(&self) -> impl Iterator<Item = (&'static Check, &Finding)> {
        let named = |check: &&'static Check| self.judgement.because.contains(&check.number);
        let all = self
            .found
            .iter()
            .map(|(check, finding, _)| (*check, finding));
        all.filter(move |(check, _)| named(check))
    }

    pub(super) fn json(&self, orders: &Orders) -> Value {
        let checks: Vec<Value> = self.found.iter().map(row).collect();
        json!({
            "version": VERSION,
            "verdict": self.verdict(),
            "open": self.open,
            "alone": self.judgement.verdict,
            "passing": self.judgement.passing,
            "because": self.judgement.because,
            "root": orders.root.display().to_string(),
            "checks": checks,
        })
    }

    pub(super) fn show(&self, orders: &Orders, voice: &Voice) -> Result<(), Failure> {
        voice.answer(&format!("{}", orders.root.display()))?;
        for (check, finding, _) in &self.found {
            let (style, word) = match finding.state {
                State::Pass => (Style::Green, "pass"),
                State::Info => (Style::Plain, "info"),
                State::Warn => (Style::Yellow, "WARN"),
                State::Unknown => (Style::Yellow, "????"),
                State::Fail => (Style::Red, "FAIL"),
            };
            let word = voice.styled(style, word);
            voice.answer(&format!(
                "{word}  {:>2} {:<17} {}",
                check.number,
                check.name,
                shown(&finding.said)
            ))?;
            let notable = !matches!(finding.state, State::Pass);
            if let Some(advice) = finding.advice.as_ref().filter(|_| notable) {
                voice.answer(&format!("{:27} -> {}", "", shown(advice)))?;
            }
        }
        voice.answer("")?;
        if let Some(why) = self.open.as_ref().filter(|_| self.verdict().is_none()) {
            return self.show_open(orders, why, voice);
        }
        let verdict = self.judgement.verdict;
        let style = match verdict {
            Verdict::Multi => Style::Green,
            Verdict::Single => Style::Yellow,
            Verdict::Refuse => Style::Red,
        };
        let now = if self.judgement.passing {
            ", for now"
        } else {
            ""
        };
        let means = match verdict {
            Verdict::Multi => "everything works, pools included",
            Verdict::Single => "lanes between single nodes work, pools do not",
            Verdict::Refuse => "not usable",
        };
        voice.answer(&format!(
            "{}  {means}{now}",
            voice.styled(style, &verdict.to_string())
        ))?;
        self.show_reasons(voice)
    }

    /// Says that two hosts did not meet, what to do about it, and what the checks of this one show.
    fn show_open(&self, orders: &Orders, why: &str, voice: &Voice) -> Result<(), Failure> {
        let lead = voice.styled(Style::Yellow, "NOT MET");
        voice.answer(&format!("{lead}  {}", shown(why)))?;
        if let Some(search) = &orders.search {
            let there = invitation(orders, search);
            voice.answer(&format!("  {there}, and this again here, at the same time"))?;
        }
        let ran = self
            .found
            .iter()
            .any(|(_, finding, _)| !is_not_run(finding));
        if ran {
            let alone = self.judgement.verdict;
            voice.answer(&format!(
                "  the checks of this host alone say {alone}; nothing is known of the two together"
            ))?;
        }
        self.show_reasons(voice)
    }

    fn show_reasons(&self, voice: &Voice) -> Result<(), Failure> {
        for (check, finding) in self.because() {
            voice.answer(&format!(
                "  check {}, {}: {}",
                check.number,
                check.name,
                shown(&finding.said)
            ))?;
        }
        Ok(())
    }
}

/// What a check said may be what the other host said: never believed by a terminal.
pub(in crate::cli) fn shown(text: &str) -> String {
    escape::excerpt(text, 600)
}

fn row((check, finding, took): &(&'static Check, Finding, u64)) -> Value {
    json!({
        "number": check.number,
        "name": check.name,
        "shows": check.shows,
        "state": finding.state,
        "said": finding.said,
        "advice": finding.advice,
        "allows": finding.allows,
        "passing": finding.passing,
        "facts": finding.facts,
        "ms": took,
    })
}
