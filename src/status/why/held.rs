//! What is said of a task that waits for others: by the record of its sender, else by what it says of itself.

use super::Because;
use crate::flow::collect::Whereabouts;
use crate::id::TaskId;
use crate::place::Lane;
use crate::stage::Stage;
use crate::status::Scene;
use crate::status::dependents;
use crate::status::dependents::Waiting;
use crate::status::dependents::Word;
use crate::status::local;
use crate::status::record;
use crate::status::task;

/// Tasks that are named in one line.
const NAMED_MAX: usize = 4;

/// Why a task lies in `inbox/` and is not opened, where that is because it waits for others.
pub(super) fn of(scene: &Scene, lane: &Lane, id: TaskId) -> Option<Because> {
    let mine = (lane.from == scene.node)
        .then(|| dependents::read(&scene.state, id))
        .flatten();
    mine.map_or_else(|| sealed(scene, lane, id), |waiting| owed(scene, &waiting))
}

/// By the record of this node, which owes it the word.
fn owed(scene: &Scene, waiting: &Waiting) -> Option<Because> {
    match waiting.said.as_ref().map(|said| said.word) {
        Some(Word::Ready) => return None,
        Some(Word::Ended) => {
            let why = waiting.said.as_ref()?.why.clone().unwrap_or_default();
            let text = format!(
                "it can never start, {} is asked to end it: {why}",
                waiting.to
            );
            return Some(Because::new("after_failed", text));
        }
        Some(Word::Late) => {
            return Some(Because::new(
                "expired",
                "its time was over before it could start",
            ));
        }
        None => {}
    }
    let open: Vec<String> = waiting
        .after
        .iter()
        .filter(|one| !matches!(record::read(&scene.state, one.id), Ok(Some(_))))
        .map(|one| format!("{} ({})", one.id, one.when))
        .collect();
    let text = match open.len() {
        0 => "what it waited for is over; the word of this node is due".to_owned(),
        1 => format!("it waits for {}, which is not over", open[0]),
        many if many <= NAMED_MAX => {
            format!("it waits for {}, which are not over", open.join(", "))
        }
        many => {
            let named = open[..NAMED_MAX].join(", ");
            format!(
                "it waits for {named} and {} more, which are not over",
                many - NAMED_MAX
            )
        }
    };
    let because = Because::new("after", text);
    if local::is_served(&scene.state) {
        return Some(because);
    }
    Some(because.next(format!("dispatch wait {}", waiting.id)))
}

/// By the task itself: what its sender says is not known here.
fn sealed(scene: &Scene, lane: &Lane, id: TaskId) -> Option<Because> {
    let found = Whereabouts::Open(Stage::Inbox, None);
    let sealed = task::file(&scene.sender, lane, id, &found).ok()??;
    let after = sealed.read.ok()?.0.after();
    let first = after.first()?;
    let more = match after.len() {
        1 => String::new(),
        many => format!(" and {} more", many - 1),
    };
    let text = format!(
        "it waits until {} says that {} ({}){more} came about",
        lane.from, first.id, first.when
    );
    Some(Because::new("after", text))
}
