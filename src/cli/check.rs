//! `dispatch-watch --check`: what a watcher would stumble over, found before it starts.

use std::collections::BTreeSet;

use super::failure::Failure;
use super::setup::Setup;
use super::suit;
use super::voice::Style;
use super::voice::Voice;
use crate::clock::Timestamp;
use crate::config;
use crate::disk;
use crate::doctor::Verdict;
use crate::doctor::remembered::Remembered;
use crate::document::Context;
use crate::document::Kind;
use crate::exit::Exit;
use crate::id::NodeName;
use crate::id::Party;
use crate::key::Key;
use crate::key::Use;
use crate::place::Lane;
use crate::place::Place;
use crate::stage::Stage;
use crate::units;

/// Looks at configuration, keys, share and profiles. Exits 0 where nothing is in the way, 75 where only the
/// share is away.
///
/// # Errors
/// [`Failure`] where stdout cannot be written.
pub fn run(setup: &Setup, voice: &Voice) -> Result<Exit, Failure> {
    let mut table = Table { voice, bad: 0 };
    let share = setup.check_root().map(|()| setup.transport.title());
    let is_there = share.is_ok();
    let is_away = share.as_ref().is_err_and(Failure::passes);
    table.row("share", share)?;
    table.row("state", state(setup))?;
    if is_there {
        table.row("doctor", verdict(setup))?;
    } else {
        table.note("doctor", &remembered(setup))?;
    }
    if let Some(file) = &setup.config.file {
        let root = setup.config.root.as_deref();
        let finding = match config::inspect(file, root) {
            Ok(None) => Ok(file.display().to_string()),
            Ok(Some(finding)) => Err(Failure::new(
                Exit::Config,
                format!("{}: {}", finding.path.display(), finding.why),
            )),
            Err(error) => Err(error.into()),
        };
        table.row("configuration", finding)?;
    }
    let peers: Vec<NodeName> = setup.config.known_peers().cloned().collect();
    if peers.is_empty() {
        table.row(
            "peers",
            Err(Failure::new(
                Exit::Config,
                "none is configured: nobody can ask anything",
            )),
        )?;
    }
    for peer in peers {
        table.row(&format!("peer {peer}"), link(setup, &peer, is_there))?;
    }
    for (pool, members) in &setup.config.pools {
        let found = pooled(setup, pool, members, is_there);
        table.row(&format!("pool {pool}"), found)?;
    }
    approvals(setup, &mut table)?;
    // A node that nobody may ask runs nothing.
    let is_asked = setup.config.peers.values().any(|policy| policy.accept);
    let profiles = setup.config.profiles.values();
    for profile in profiles.filter(|_| is_asked) {
        let program = profile.command.first().map_or("", String::as_str);
        table.row(&format!("profile {}", profile.name), find_program(program))?;
    }
    Ok(match table.bad {
        0 => Exit::Ok,
        1 if is_away => Exit::TryAgain,
        _ => Exit::Config,
    })
}

struct Table<'a> {
    voice: &'a Voice,
    bad: u32,
}

impl Table<'_> {
    fn row(&mut self, what: &str, found: Result<String, Failure>) -> Result<(), Failure> {
        let (word, text) = match found {
            Ok(text) => (self.voice.styled(Style::Green, "ok  "), text),
            Err(failure) => {
                self.bad += 1;
                let hints: String = failure
                    .hints()
                    .iter()
                    .map(|hint| format!(" ({hint})"))
                    .collect();
                (
                    self.voice.styled(Style::Red, "FAIL"),
                    format!("{failure}{hints}"),
                )
            }
        };
        self.voice.answer(&format!("{word} {what:<18} {text}"))
    }
}

impl Table<'_> {
    /// Something that is in the way of nothing, and worth knowing.
    fn note(&self, what: &str, text: &str) -> Result<(), Failure> {
        let word = self.voice.styled(Style::Yellow, "note");
        self.voice.answer(&format!("{word} {what:<18} {text}"))
    }
}

fn state(setup: &Setup) -> Result<String, Failure> {
    let state = setup.config.state()?;
    disk::make_dir(state, 0o700)?;
    let free = disk::free_bytes(state)?;
    Ok(format!(
        "{} ({} free)",
        state.display(),
        units::about_size(free)
    ))
}

/// What the share is good for, and when that was found out, where it was not now.
fn verdict(setup: &Setup) -> Result<String, Failure> {
    let now = setup.clock.wall();
    let kept = last(setup).filter(|(_, at)| *at < now);
    let word = suit::in_a_word(setup)?;
    Ok(
        match kept.filter(|kept| last(setup).as_ref() == Some(kept)) {
            Some((_, at)) => {
                let ago = units::about_duration(now.since(at));
                format!("{word}, as it was found {ago} ago ('dispatch doctor' looks anew)")
            }
            None => word,
        },
    )
}

/// The verdict that is remembered, whatever it holds for, and its time.
fn last(setup: &Setup) -> Option<(Verdict, Timestamp)> {
    let kept = Remembered::read(setup.config.state().ok()?)?;
    Some((kept.judgement.verdict, Timestamp::from_unix(kept.at)))
}

/// What is known of a share that is not there.
fn remembered(setup: &Setup) -> String {
    let Some((verdict, at)) = last(setup) else {
        return "not asked: the share is not there".to_owned();
    };
    let ago = units::about_duration(setup.clock.wall().since(at));
    format!(
        "not asked: the share is not there; when it was last examined, {ago} ago, it was {verdict}"
    )
}

/// A peer needs a key, and its two lanes.
fn link(setup: &Setup, peer: &NodeName, is_there: bool) -> Result<String, Failure> {
    let (me, other) = (Party::from(&setup.node), Party::from(peer));
    let context = Context {
        from: me,
        to: other,
        kind: Kind::Result,
    };
    let Some(key) = setup.keys.signing(&context, setup.clock.wall()) else {
        return Err(
            Failure::new(Exit::Config, "there is no key for this link").hint(format!(
                "'dispatch key new-link {peer}' here, or 'dispatch key import' of theirs"
            )),
        );
    };
    for lane in setup.lanes_in().iter().filter(|lane| lane.from == *peer) {
        laid_out(setup, lane, is_there)?;
    }
    let accepts = setup
        .config
        .peers
        .get(peer)
        .is_some_and(|policy| policy.accept);
    signed(setup, peer, &Party::from(&setup.node))?;
    let what = if accepts {
        "may ask"
    } else {
        "may not ask anything; is only sent to"
    };
    Ok(format!("key {}, {what}", key.kid))
}

/// Where only signed tasks of a peer are taken, a public half must be here to check them with.
fn signed(setup: &Setup, peer: &NodeName, to: &Party) -> Result<(), Failure> {
    let policy = setup.config.peers.get(peer);
    if !policy.is_some_and(|policy| policy.accept && policy.require_signature) {
        return Ok(());
    }
    let context = Context {
        from: Party::from(peer),
        to: to.clone(),
        kind: Kind::Task,
    };
    let now = setup.clock.wall();
    let checks = |key: &&Key| {
        key.signer().is_some() && key.serves(&context) && key.is_good(now, Use::Verify)
    };
    if setup.keys.keys().iter().any(|key| checks(&key)) {
        return Ok(());
    }
    let message = format!(
        "only signed tasks of '{peer}' are taken, and no public half of its key for '{to}' is here"
    );
    Err(Failure::new(Exit::Config, message).hint(format!(
        "on {peer}: 'dispatch key new-sign {to}', and carry the public half here"
    )))
}

/// Makes sure that a lane is there. A share that is away is told once, by its own row.
fn laid_out(setup: &Setup, lane: &Lane, is_there: bool) -> Result<(), Failure> {
    if is_there {
        let inbox = Place::Stage(lane.clone(), Stage::Inbox);
        setup.transport.list(&inbox)?;
    }
    Ok(())
}

/// Who may approve here, and whether what they sign could be proved; and what nobody may approve.
fn approvals(setup: &Setup, table: &mut Table<'_>) -> Result<(), Failure> {
    let config = &setup.config;
    for name in config.approvers.keys() {
        let context = Context {
            from: Party::of_approver(name),
            to: Party::from(&setup.node),
            kind: Kind::Ack,
        };
        let now = setup.clock.wall();
        let mut keys = setup.keys.keys().iter();
        let key = keys.find(|key| key.serves(&context) && key.is_good(now, Use::Verify));
        let message =
            "there is no key of this approver here: what is signed with it proves nothing";
        let found = key.map(|key| format!("key {}", key.kid)).ok_or_else(|| {
            Failure::new(Exit::Config, message)
                .hint(format!("'dispatch key new-link approver.{name}' here"))
                .hint(format!(
                    "or, so that nothing here can approve: 'dispatch key new-sign {} \
                     --as approver.{name}' where {name} works, and its public half here",
                    setup.node
                ))
        });
        table.row(&format!("approver {name}"), found)?;
    }
    for note in config.notes() {
        table.note("approvals", &note)?;
    }
    for doubt in config.warnings() {
        table.note("policy", &doubt)?;
    }
    Ok(())
}

/// A pool needs a key for each direction in which tasks come, and what its members say needs a key of theirs; those of
/// peers are checked by themselves.
fn pooled(
    setup: &Setup,
    pool: &NodeName,
    members: &BTreeSet<NodeName>,
    is_there: bool,
) -> Result<String, Failure> {
    let now = setup.clock.wall();
    let task = |from: &NodeName| Context {
        from: Party::from(from),
        to: Party::of_pool(pool),
        kind: Kind::Task,
    };
    let missing = |from: &NodeName| {
        let message = format!("there is no key for tasks from '{from}' to 'pool.{pool}'");
        Failure::new(Exit::Config, message).hint(format!(
            "'dispatch key new-link pool.{pool}' on {from}, then carry it to each member"
        ))
    };
    let is_pool = |lane: &&Lane| lane.pool().as_ref() == Some(pool);
    let mut said = Vec::new();
    if members.contains(&setup.node) {
        let served = setup.lanes_in();
        for lane in served.iter().filter(is_pool) {
            let keys = setup.keys.keys().iter();
            let mut keys = keys.filter(|key| key.serves(&task(&lane.from)));
            if !keys.any(|key| key.is_good(now, Use::Verify)) {
                return Err(missing(&lane.from));
            }
            signed(setup, &lane.from, &Party::of_pool(pool))?;
            laid_out(setup, lane, is_there)?;
            said.push(format!("serves {}", lane.from));
        }
        if said.is_empty() {
            let why = "this node is a member, and accepts the tasks of no peer";
            return Err(Failure::new(Exit::Config, why).hint("set accept = true for a peer"));
        }
    }
    let asked = setup.pools();
    if let Some(asked) = asked.iter().find(|asked| asked.pool == *pool) {
        match setup.keys.signing(&task(&setup.node), now) {
            Some(key) => {
                laid_out(setup, &asked.lane, is_there)?;
                let names: Vec<&str> = asked.members.iter().map(NodeName::as_str).collect();
                said.push(format!(
                    "key {}, is served by {}",
                    key.kid,
                    names.join(" and ")
                ));
            }
            // A member that does not send needs none.
            None if !said.is_empty() => {}
            None => return Err(missing(&setup.node)),
        }
    }
    Ok(said.join("; "))
}

/// Finds a program the way execvp(3) does, with the PATH of this process: a service manager's may be shorter.
fn find_program(program: &str) -> Result<String, Failure> {
    if program.contains('/') {
        return is_program(program.as_ref())
            .then(|| program.to_owned())
            .ok_or_else(|| Failure::new(Exit::Config, format!("'{program}' is not a program")));
    }
    let path = super::setup::variable("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .map(|folder| folder.join(program))
        .find(|path| is_program(path))
        .map(|path| path.display().to_string())
        .ok_or_else(|| {
            Failure::new(Exit::Config, format!("'{program}' is not found in PATH"))
                .hint("give its full path in the profile's command")
        })
}

fn is_program(path: &std::path::Path) -> bool {
    // A link leads to a program as good as any.
    std::fs::metadata(path).is_ok_and(|meta| {
        use std::os::unix::fs::PermissionsExt as _;
        meta.is_file() && meta.permissions().mode() & 0o111 != 0
    })
}
