//! An attempt that failed → the next one, by what it failed of; and profiles under which nothing starts for a while.
//!
//! Only what may be started more than once is tried again: that an agent reports a failure does not say that it did
//! nothing before. What is decided here is one record (*again* or *returned*), so that a crash leaves the attempt
//! either running out its report or waiting for the next.

use super::Error;
use super::Node;
use super::finish;
use crate::attempt::Report;
use crate::clock::Timestamp;
use crate::event::Event;
use crate::event::Word;
use crate::history::Tried;
use crate::id::ProfileName;
use crate::id::TaskId;
use crate::journal::Fact;
use crate::journal::Known;
use crate::journal::Pause;
use crate::limits;
use crate::outcome::Again;
use crate::outcome::FailureClass;
use crate::outcome::Status;
use crate::planted;
use crate::planted::Bug;

/// What follows from a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Next {
    /// It is the outcome as it is.
    Over,
    /// It is the outcome, under this status and with these words before its own.
    GivenUp(Status, String),
    /// Another attempt, not before this.
    Again(Tried, Option<Timestamp>),
}

/// What the failure is called where the executor's report does not say.
fn class_of(report: &Report) -> FailureClass {
    report.class.unwrap_or(match report.status {
        Status::Timeout => FailureClass::Timeout,
        Status::Stalled => FailureClass::Stalled,
        _ => FailureClass::Agent,
    })
}

/// Says what follows from the report of an attempt that was started.
pub(super) fn after(node: &Node, id: TaskId, report: &Report) -> Next {
    let failed = matches!(
        report.status,
        Status::Error | Status::Timeout | Status::Stalled
    );
    let Some(known) = node.journal.known(id).filter(|_| failed) else {
        return Next::Over;
    };
    let mut allowed = finish::allowed_attempts(node, id);
    if planted::is(Bug::FailedRunsAgain) {
        allowed = allowed.max(3);
    }
    let class = class_of(report);
    let again = class.again();
    if allowed <= 1 || again == Again::Never || node.now.stops.contains_key(&id) {
        return Next::Over;
    }
    let was_shortened = || {
        let mut tried = known.tried.iter();
        tried.any(|tried| tried.class == Some(FailureClass::PromptTooLong))
    };
    if again == Again::Shorter && was_shortened() {
        return Next::Over;
    }
    let reset = report.retry_at.filter(|_| again == Again::AtReset);
    let mut free = (reset.is_some() || again == Again::Mended) && known.spared < limits::SPARED_MAX;
    if planted::is(Bug::FailureUncounted) {
        free = true;
    }
    let counted = known.counted();
    if !free && counted >= allowed {
        let why = format!("given up after {counted} attempts; the last one");
        return Next::GivenUp(Status::Poison, why);
    }
    let tried = Tried {
        attempt: known.starts,
        at: report.began,
        status: report.status,
        class: Some(class),
        elapsed_ms: report.elapsed_ms,
        free,
    };
    when(node, known, reset, again, tried)
}

/// When the next attempt may come, if it may at all.
fn when(node: &Node, known: &Known, reset: Option<Timestamp>, again: Again, tried: Tried) -> Next {
    let (retry, now) = (&node.settings.retry, node.clock.wall());
    let status = tried.status;
    let not_before = match (again, reset) {
        // What holds it is the pause of its profile, where that ends in time.
        (Again::Mended, _) if tried.free && now.plus(retry.mend) <= known.expires => {
            return Next::Again(tried, None);
        }
        (Again::Mended, _) if tried.free => now.plus(retry.mend),
        (_, Some(reset)) if reset > now.plus(retry.wait_max) => {
            let why = format!("not tried again: {reset} is further away than this node waits; it");
            return Next::GivenUp(status, why);
        }
        (_, Some(_)) if planted::is(Bug::ResetIgnored) => now,
        (_, Some(reset)) => reset.max(now).plus(retry.spread(node.chance.bits())),
        (_, None) => now.plus(retry.after(known.counted(), node.chance.bits())),
    };
    if not_before > known.expires {
        let expires = known.expires;
        let why = format!("not tried again: it expires at {expires}, before its next attempt; it");
        return Next::GivenUp(status, why);
    }
    Next::Again(tried, Some(not_before))
}

/// What is known of an attempt whose executor vanished.
pub(super) fn vanished(node: &Node, known: &Known) -> Tried {
    let elapsed = node.clock.wall().since(known.started);
    Tried {
        attempt: known.starts,
        at: known.started,
        status: Status::Indeterminate,
        class: Some(FailureClass::ExecutorLost),
        elapsed_ms: u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX),
        free: false,
    }
}

/// What came of an attempt that was ended because its node did not beat.
pub(super) fn cut_off(known: &Known, report: &Report) -> Tried {
    Tried {
        attempt: known.starts,
        at: report.began,
        status: report.status,
        class: report.class,
        elapsed_ms: report.elapsed_ms,
        free: false,
    }
}

/// Tells that a task waits for its next attempt.
pub(super) fn tell(node: &Node, id: TaskId, tried: &Tried, not_before: Option<Timestamp>) {
    let mut event = Event::of(Word::TaskRetry).task(id);
    event.attempt = Some(tried.attempt);
    event.status = Some(tried.status);
    event.class = tried.class;
    let class = tried.class.map_or("error", FailureClass::as_str);
    let when = match not_before {
        Some(moment) => format!("not before {moment}"),
        None => "once its profile may be used again".to_owned(),
    };
    let cost = if tried.free {
        ", which costs none,"
    } else {
        ""
    };
    node.tell(&event.say(&format!(
        "attempt {}{cost} failed ({class}); again {when}",
        tried.attempt
    )));
}

/// Whether the next attempt is to have the shortest prompt there is.
pub(super) fn is_brief(known: &Known) -> bool {
    let mut tried = known.tried.iter();
    tried.any(|tried| tried.class == Some(FailureClass::PromptTooLong))
}

/// Notes that nothing of a profile is worth starting for now, where a report says so: the next task would fail of the
/// same, and where that is not idempotent it would be spent.
pub(super) fn pause_profile(node: &mut Node, claim: &str, report: &Report) -> Result<(), Error> {
    let (class, now) = (class_of(report), node.clock.wall());
    let retry = node.settings.retry;
    let until = match (class.again(), report.retry_at) {
        _ if !report.started || report.status == Status::Ok => return Ok(()),
        (Again::Mended, _) => now.plus(retry.mend),
        (Again::AtReset, Some(_)) if planted::is(Bug::ResetIgnored) => return Ok(()),
        (Again::AtReset, Some(reset)) if reset > now => reset.min(now.plus(retry.wait_max)),
        _ => return Ok(()),
    };
    // Orders that cannot be read say nothing of the profile; then the next attempt under it does.
    let Some(plan) = node.runner.plan(claim).ok().flatten() else {
        return Ok(());
    };
    let profile = plan.profile.name;
    let held = node.journal.paused(&profile);
    if held.is_some_and(|held| held.until >= until) {
        return Ok(());
    }
    let why = report.detail.as_deref().unwrap_or(class.as_str());
    let pause = Pause {
        at: now,
        until,
        class,
        why: crate::escape::excerpt(why, 200),
    };
    let mut event = Event::of(Word::ProfilePause);
    event.profile = Some(profile.clone());
    event.class = Some(class);
    let event = event.say(&format!(
        "nothing starts under '{profile}' until {until}: {}",
        pause.why
    ));
    node.journal.record(Fact::Paused { profile, pause })?;
    node.tell(&event);
    Ok(())
}

/// Ends the pauses whose time has passed.
pub(super) fn end_pauses(node: &mut Node) -> Result<(), Error> {
    let now = node.clock.wall();
    let over: Vec<ProfileName> = node
        .journal
        .all_paused()
        .filter(|(_, pause)| pause.until <= now)
        .map(|(profile, _)| profile.clone())
        .collect();
    for profile in over {
        mend(node, &profile, "its time has passed")?;
    }
    Ok(())
}

/// Lets a profile be used again. Returns whether it was paused.
fn mend(node: &mut Node, profile: &ProfileName, why: &str) -> Result<bool, Error> {
    if node.journal.paused(profile).is_none() {
        return Ok(false);
    }
    let (profile, at) = (profile.clone(), node.clock.wall());
    let mut event = Event::of(Word::ProfileResume);
    event.profile = Some(profile.clone());
    let event = event.say(&format!("'{profile}' may be used again: {why}"));
    node.journal.record(Fact::Mended { profile, at })?;
    node.tell(&event);
    Ok(true)
}

impl Node {
    /// Lets a profile be used again, because somebody says that what was wrong with it is mended. Returns whether it
    /// was paused.
    ///
    /// # Errors
    /// [`Error::Journal`]
    pub fn mend(&mut self, profile: &ProfileName) -> Result<bool, Error> {
        let was_paused = mend(self, profile, "somebody says so")?;
        self.journal.sync()?;
        Ok(was_paused)
    }

    /// Whether nothing may be started under the profile that a task was proved to need.
    pub(super) fn is_paused_for(&self, id: TaskId) -> bool {
        let profile = self.now.profiles.get(&id);
        profile.is_some_and(|profile| self.journal.paused(profile).is_some())
    }
}
