//! Whether a share suits a watcher: the remembered verdict of the doctor, or a brief examination, before any start.
//!
//! What passes (full, read-only, no answer) is no reason against starting: the watcher waits for it to be over.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::time::Duration;

use super::doctor;
use super::failure::Failure;
use super::setup::Setup;
use super::voice::Voice;
use crate::clock::SystemClock;
use crate::config::Config;
use crate::doctor::CHECKS;
use crate::doctor::Finding;
use crate::doctor::State;
use crate::doctor::Verdict;
use crate::doctor::remembered::Reason;
use crate::doctor::remembered::Remembered;
use crate::doctor::verdict;
use crate::event::Event;
use crate::event::Word;
use crate::exit::Exit;
use crate::mount::Mount;
use crate::mount::Table;
use crate::process::launch;
use crate::process::launch::Trial;

/// How long the brief examination may take; well under a second on a disk.
const BRIEF: Duration = Duration::from_secs(15);

/// Returns what is known of a share, asking what is not.
///
/// # Errors
/// [`Failure`] where the configuration names no root.
pub fn verdict(setup: &Setup) -> Result<Remembered, Failure> {
    let state = setup.config.state()?;
    let mount = mount(&setup.config);
    let now = setup.clock.wall();
    if let Some(kept) = Remembered::read(state).filter(|kept| kept.holds(mount.as_ref(), now)) {
        return Ok(kept);
    }
    let found = ask(setup)?;
    let judged = remembered(&found, mount, now.unix(), false);
    if !judged.judgement.passing {
        judged.keep(state);
    }
    Ok(judged)
}

/// What is mounted at the root, by its name alone: nothing is touched.
pub(super) fn mount(config: &Config) -> Option<Mount> {
    let root = std::path::absolute(config.root.as_ref()?).ok()?;
    Table::read().ok()?.of(&root).cloned()
}

/// Keeps the verdict of a full examination.
pub(super) fn keep(config: &Config, found: &[(u8, Finding)]) {
    use crate::clock::Clock as _;
    let Ok(state) = config.state() else { return };
    let judged = remembered(found, mount(config), SystemClock.wall().unix(), true);
    // Only where this node has a state: asking about a share makes none.
    if !judged.judgement.passing && crate::disk::ownership(state).is_ok() {
        judged.keep(state);
    }
}

fn remembered(found: &[(u8, Finding)], mount: Option<Mount>, at: i64, full: bool) -> Remembered {
    let judgement = verdict::judge(found.iter().map(|(number, finding)| (*number, finding)));
    let deciding = found
        .iter()
        .filter(|(number, _)| judgement.because.contains(number));
    let reasons = deciding.map(|(number, finding)| Reason {
        number: *number,
        name: CHECKS
            .iter()
            .find(|check| check.number == *number)
            .map_or("", |check| check.name)
            .to_owned(),
        said: finding.said.clone(),
        advice: finding.advice.clone(),
    });
    Remembered {
        program: env!("CARGO_PKG_VERSION").to_owned(),
        mount,
        at,
        full,
        otherwise: otherwise(found),
        reasons: reasons.collect(),
        judgement,
    }
}

/// What a share is good for once what passes is over. Where a check came to nothing, nobody knows whether several
/// claimants are safe there; a node alone is, as far as is known.
fn otherwise(found: &[(u8, Finding)]) -> Verdict {
    let is_unknown = |finding: &Finding| finding.state == State::Unknown;
    let lasts = |finding: &Finding| !finding.passing && !is_unknown(finding);
    let lasting = found.iter().filter(|(_, finding)| lasts(finding));
    let verdict = verdict::judge(lasting.map(|(number, finding)| (*number, finding))).verdict;
    if verdict == Verdict::Multi && found.iter().any(|(_, finding)| is_unknown(finding)) {
        return Verdict::Single;
    }
    verdict
}

/// The checks of a start, in one process that is killed when it takes too long.
fn ask(setup: &Setup) -> Result<Vec<(u8, Finding)>, Failure> {
    Ok(Question::of(&setup.config)?.ask())
}

/// The checks of a start, as a question that any thread can ask.
pub(super) struct Question {
    program: PathBuf,
    orders: Result<String, String>,
}

impl Question {
    pub(super) fn of(config: &Config) -> Result<Self, Failure> {
        let orders = doctor::orders(config, true)?;
        Ok(Self {
            orders: serde_json::to_string(&orders).map_err(|error| error.to_string()),
            program: orders.program,
        })
    }

    /// Asks, in a process that is killed when it takes too long.
    pub(super) fn ask(&self) -> Vec<(u8, Finding)> {
        let unknown = |why: String| {
            vec![(
                2,
                Finding::unknown(why).advise("'dispatch doctor' says more"),
            )]
        };
        let text = match &self.orders {
            Ok(text) => text,
            Err(why) => return unknown(why.clone()),
        };
        let number = doctor::BRIEF.to_string();
        let words = ["doctor", "--check", &number, "--orders", text].map(OsStr::new);
        match launch::trial(&self.program, &words, BRIEF, &SystemClock) {
            Ok(Trial::Finished(output)) => serde_json::from_slice(&output.stdout)
                .unwrap_or_else(|error| unknown(error.to_string())),
            Ok(_) => unknown(format!(
                "the share gave no answer within {} s",
                BRIEF.as_secs()
            )),
            Err(error) => unknown(error.to_string()),
        }
    }
}

/// What is known of a share that was just examined again. What a full examination of this mount found before still
/// counts, unless the share is refused now: a name alone proves less than two hosts did.
pub(super) fn again(setup: &Setup, found: &[(u8, Finding)], mount: Option<Mount>) -> Remembered {
    let now = setup.clock.wall();
    let judged = remembered(found, mount, now.unix(), false);
    if judged.judgement.verdict == Verdict::Refuse {
        return judged;
    }
    let kept = setup.config.state().ok().and_then(Remembered::read);
    kept.filter(|kept| kept.full && kept.holds(judged.mount.as_ref(), now))
        .unwrap_or(judged)
}

/// Says what decides, in one sentence.
pub(super) fn because(known: &Remembered) -> String {
    let shown = |reason: &Reason| {
        let said = super::doctor::shown(&reason.said);
        format!("check {}, {}: {said}", reason.number, reason.name)
    };
    let all: Vec<String> = known.reasons.iter().map(shown).collect();
    all.join("; ")
}

/// Refuses a share that must not be served, unless the operator said otherwise; warns of what passes. Returns what the
/// share is good for.
///
/// # Errors
/// [`Failure`]: the share is refused; it names the check.
pub fn vet(setup: &Setup, insecure: bool, voice: &Voice) -> Result<Verdict, Failure> {
    let known = verdict(setup)?;
    let judgement = &known.judgement;
    let Some(reason) = known
        .reasons
        .first()
        .filter(|_| judgement.verdict == Verdict::Refuse)
    else {
        return Ok(judgement.verdict);
    };
    let said = format!(
        "check {}, {}: {}",
        reason.number,
        reason.name,
        super::doctor::shown(&reason.said)
    );
    if judgement.passing {
        voice.warn(&format!("nothing starts until the share is right ({said})"));
        return Ok(known.otherwise);
    }
    if insecure {
        let text = format!("a refused share is served all the same: {said}");
        voice.warn(&text);
        setup.log()?.tell(&Event::of(Word::ShareRefuse).say(&text));
        return Ok(Verdict::Single);
    }
    Err(refusal(setup, &known, &said))
}

/// Says which pools this node does not serve, where the share is not good enough for several claimants: a pool needs
/// one winner of two hosts, and a listing that is true.
pub fn tell_pools(setup: &Setup, share: Verdict, voice: &Voice) {
    if share.allows_pools() {
        return;
    }
    let pools = setup.config.pools.iter();
    for (pool, _) in pools.filter(|(_, members)| members.contains(&setup.node)) {
        voice.warn(&format!(
            "pool '{pool}' is not served: the share is {share} ('dispatch doctor --pair' may prove more)"
        ));
    }
}

/// The failure of a refused share.
pub(super) fn refusal(setup: &Setup, known: &Remembered, said: &str) -> Failure {
    let title = setup.transport.title();
    let failure = Failure::new(
        Exit::Config,
        format!("the share '{title}' is refused by {said}"),
    );
    let advice = known
        .reasons
        .iter()
        .filter_map(|reason| reason.advice.as_ref());
    advice.fold(failure, |failure, advice| failure.hint(advice)).hint(
        "'dispatch doctor' says more, docs/SHARES.md what is supported; --insecure-share serves it all the same",
    )
}

/// Says in a word what a share is good for.
///
/// # Errors
/// [`Failure`] where it is refused.
pub fn in_a_word(setup: &Setup) -> Result<String, Failure> {
    let known = verdict(setup)?;
    let why = because(&known);
    if known.judgement.verdict == Verdict::Refuse {
        return Err(refusal(setup, &known, &why));
    }
    let lead = known.judgement.verdict.to_string();
    Ok(if why.is_empty() {
        lead
    } else {
        format!("{lead} ({why})")
    })
}
