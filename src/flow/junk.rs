//! What nobody understands in `inbox/`: after a minute it is moved aside, unread, under a name of ours; never deleted,
//! never descended into.
//!
//! The minute is counted by the server's clock where it can be asked, so that a sender who writes slowly (another tool,
//! a person's editor) is not disturbed, and so that a single pass can clear what is old.

use super::Error;
use super::Node;
use crate::entry;
use crate::event::Event;
use crate::event::Word;
use crate::id::Digest;
use crate::limits;
use crate::place::Lane;
use crate::place::Place;
use crate::reason::Reason;
use crate::share::Listed;
use crate::stage::Stage;

/// Moves what is old enough, a bounded number per pass.
pub(super) fn pass(node: &mut Node, lane: &Lane, unknown: Vec<Listed>) -> Result<(), Error> {
    const FAILURES_MAX: usize = 8;
    let mut junk: Vec<Listed> = unknown
        .into_iter()
        .filter(|entry| !is_left_alone(node, lane, entry))
        .collect();
    node.now.junk.retain(|(place, name), _| {
        place != lane
            || junk
                .iter()
                .take(limits::JUNK_PER_PASS_MAX)
                .any(|entry| entry.name == *name)
    });
    if junk.is_empty() {
        return Ok(());
    }
    let server = node.transport.server_time(lane).ok();
    if server.is_some() && junk.len() > limits::JUNK_PER_PASS_MAX {
        // Beginning anywhere: what cannot be moved must not keep the rest from being looked at.
        let start = node.chance.bits() % junk.len() as u64;
        junk.rotate_left(usize::try_from(start).unwrap_or(0));
    }
    let inbox = Place::Stage(lane.clone(), Stage::Inbox);
    let rejected = Place::Stage(lane.clone(), Stage::Rejected);
    let (mut moved, mut failures) = (Vec::new(), 0);
    for entry in junk.into_iter().take(limits::JUNK_PER_PASS_MAX) {
        if !is_old(node, lane, &inbox, &entry, server) {
            continue;
        }
        let raw = entry
            .raw
            .clone()
            .unwrap_or_else(|| entry.name.clone().into_bytes());
        let aside = format!("{}-{}.junk", Digest::of(&raw).short(), node.chance.nonce());
        match node.transport.expel((&inbox, &raw), (&rejected, &aside)) {
            Ok(()) => {
                let now = node.clock.boot();
                node.now.fresh.took(&inbox, &entry.name, now);
                moved.push((entry.name, aside));
            }
            // A directory across mounts, or a folder that takes nothing now: it stays, and is told of once.
            Err(error) => {
                let event = Event::of(Word::WatcherErr)
                    .peer(&lane.from)
                    .say(&error.to_string());
                node.tell_once("junk", &format!("{lane} {}", error.gist()), &event);
                failures += 1;
                if failures == FAILURES_MAX {
                    break;
                }
            }
        }
    }
    if failures == 0 && !moved.is_empty() {
        node.is_over("junk", &format!("{lane} "));
    }
    tell(node, lane, &moved);
    Ok(())
}

/// Known litter is ignored; so is a v2 name where the peer may send v2, which never comes here.
fn is_left_alone(node: &Node, lane: &Lane, entry: &Listed) -> bool {
    let legacy = node
        .settings
        .peers
        .get(&lane.from)
        .is_some_and(|peer| peer.v2);
    entry.raw.is_none()
        && (entry::is_litter(&entry.name)
            || entry::QueuedName::parse(&entry.name).is_some_and(|_| entry.kind == crate::share::EntryKind::File)
            // The original's temporary name: it becomes a task by rename.
            || (legacy && entry.name.ends_with(".json.tmp")))
}

fn is_old(
    node: &mut Node,
    lane: &Lane,
    inbox: &Place,
    entry: &Listed,
    server: Option<crate::clock::Timestamp>,
) -> bool {
    if let (Some(server), None) = (server, &entry.raw)
        && let Ok(seen) = node.transport.attributes(inbox, &entry.name)
    {
        return server.since(seen.changed) >= limits::JUNK_AGE;
    }
    let now = node.clock.boot();
    let first = *node
        .now
        .junk
        .entry((lane.clone(), entry.name.clone()))
        .or_insert(now);
    now.since(first) >= limits::JUNK_AGE
}

/// One event for a few, one for all of many: a flood of names must not become a flood of lines.
fn tell(node: &Node, lane: &Lane, moved: &[(String, String)]) {
    const ONE_BY_ONE: usize = 4;
    let event = |text: &str| {
        Event::of(Word::Junk)
            .peer(&lane.from)
            .code(Reason::Name.as_str())
            .say(text)
    };
    for (name, aside) in moved.iter().take(ONE_BY_ONE) {
        let name = crate::escape::excerpt(name, 60);
        node.tell(&event(&format!("'{name}' is now rejected/{aside}")));
    }
    if moved.len() > ONE_BY_ONE {
        let mut event = event("and more entries that are not tasks");
        event.count = Some((moved.len() - ONE_BY_ONE) as u64);
        node.tell(&event);
    }
}
