//! Reads `[profile.NAME]`: how tasks of one name are run.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use crate::config::file::Field;
use crate::config::file::ProfileTable;
use crate::config::read::Reading;
use crate::config::tables::RUN_MIN;
use crate::config::tables::count;
use crate::config::tables::size;
use crate::config::tables::time;
use crate::escape;
use crate::id::ProfileName;
use crate::limits;
use crate::outcome::Layer;
use crate::profile::AgentKind;
use crate::profile::Profile;
use crate::profile::Workspace;

/// Longest time between the polite signal and the final one.
const GRACE_MAX: Duration = Duration::from_secs(600);

/// Reads one `[profile.NAME]`; `header` is the place of its name, `node_slots` the bound where it says none.
pub(super) fn profile(
    reading: &mut Reading<'_>,
    name: &ProfileName,
    table: ProfileTable,
    header: &Range<usize>,
    node_slots: u32,
) -> Profile {
    let key = |key: &str| format!("profile.{name}.{key}");
    let agent = reading
        .value(&key("agent"), table.agent)
        .unwrap_or(AgentKind::Command);
    let command = command(reading, &key("command"), table.command, agent, header);
    let base = Profile::of_kind(name.clone(), agent, command);
    let run = |reading: &mut Reading<'_>, name, field, least| {
        time(reading, &key(name), field, least, limits::RUN_MAX)
    };
    let flag =
        |reading: &mut Reading<'_>, name, field| reading.value(&key(name), field).unwrap_or(false);
    let wrapper = reading
        .program(&key("wrapper"), table.wrapper)
        .unwrap_or_default();
    let resources = distinct(reading, &key("resources"), table.resources);
    let layers = layers(
        reading,
        &key("require_layers"),
        table.require_layers,
        &wrapper,
    );
    Profile {
        model: reading.word(&key("model"), table.model),
        permission_mode: reading.word(&key("permission_mode"), table.permission_mode),
        max_turns: count(reading, &key("max_turns"), table.max_turns, 1, u32::MAX),
        max_cost_microusd: reading
            .value(&key("max_cost_usd"), table.max_cost_usd)
            .map(|money| money.0),
        env: variables(reading, &key("env"), table.env),
        set_env: assignments(reading, &key("set"), table.set),
        workspace: workspace(reading, &key("workspace"), table.workspace),
        wrapper,
        timeout: run(reading, "timeout", table.timeout, RUN_MIN).unwrap_or(base.timeout),
        stall: run(reading, "stall", table.stall, RUN_MIN),
        grace: time(
            reading,
            &key("grace"),
            table.grace,
            Duration::ZERO,
            GRACE_MAX,
        )
        .unwrap_or(base.grace),
        max_output_bytes: size(
            reading,
            &key("max_output"),
            table.max_output,
            1,
            limits::OUTPUT_BYTES_MAX,
        )
        .unwrap_or(base.max_output_bytes),
        slots: count(reading, &key("slots"), table.slots, 1, limits::SLOTS_MAX)
            .unwrap_or(node_slots),
        resources,
        require_layers: layers,
        read: reading.paths(&key("read"), table.read).unwrap_or_default(),
        write: reading
            .paths(&key("write"), table.write)
            .unwrap_or_default(),
        project_settings: flag(reading, "project_settings", table.project_settings),
        dangerous: flag(reading, "dangerous", table.dangerous),
        require_ack: flag(reading, "require_ack", table.require_ack),
        capabilities: distinct(reading, &key("capabilities"), table.capabilities),
        ..base
    }
}

/// Takes the command. Only a kind of agent that implies its program can do without one.
fn command(
    reading: &mut Reading<'_>,
    key: &str,
    field: Field<Vec<String>>,
    agent: AgentKind,
    header: &Range<usize>,
) -> Vec<String> {
    let span = field.as_ref().map(toml::Spanned::span);
    let command = reading.program(key, field).unwrap_or_default();
    match span {
        Some(span) if command.is_empty() => {
            reading.problem(&span, format!("{key} names no program"));
        }
        None if agent == AgentKind::Command => {
            let what = "a program and its arguments";
            reading.problem(header, format!("{key} is missing: {what}"));
        }
        _ => (),
    }
    command
}

/// Takes a list in which nothing stands twice.
pub(super) fn distinct<T: PartialEq + std::fmt::Display>(
    reading: &mut Reading<'_>,
    key: &str,
    field: Field<Vec<T>>,
) -> Vec<T> {
    let Some((list, span)) = reading.spanned(key, field) else {
        return Vec::new();
    };
    reading.no_twice(key, &list, &span);
    list
}

fn layers(
    reading: &mut Reading<'_>,
    key: &str,
    field: Field<Vec<Layer>>,
    wrapper: &[String],
) -> Vec<Layer> {
    let span = field.as_ref().map(toml::Spanned::span);
    let layers = distinct(reading, key, field);
    if let Some(span) = span
        && layers.contains(&Layer::Wrapper)
        && wrapper.is_empty()
    {
        let why = "demands a wrapper and there is none: nothing would ever start";
        reading.problem(&span, format!("{key} {why}"));
    }
    layers
}

fn workspace(reading: &mut Reading<'_>, key: &str, field: Field<Workspace>) -> Workspace {
    let Some((workspace, span)) = reading.spanned(key, field) else {
        return Workspace::default();
    };
    let mut absolute = |path: PathBuf| {
        let text = path.to_string_lossy().into_owned();
        reading.absolute(key, &text, &span).unwrap_or(path)
    };
    match workspace {
        Workspace::Empty => Workspace::Empty,
        Workspace::Dir(path) => Workspace::Dir(absolute(path)),
        Workspace::Worktree(path) => Workspace::Worktree(absolute(path)),
    }
}

/// Says why an agent must not be given a variable, if so.
fn unfit_variable(name: &str) -> Option<&'static str> {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if name.is_empty() || !name.bytes().all(word) || name.as_bytes()[0].is_ascii_digit() {
        Some("is not the name of a variable")
    } else if name.starts_with("DISPATCH_") || name == "CREDENTIALS_DIRECTORY" {
        // They lead to the share, to the state and to the keys.
        Some("is never given to an agent")
    } else {
        None
    }
}

fn variables(reading: &mut Reading<'_>, key: &str, field: Field<Vec<String>>) -> Vec<String> {
    let span = field.as_ref().map_or(0..0, toml::Spanned::span);
    let names = distinct(reading, key, field);
    for name in &names {
        if let Some(why) = unfit_variable(name) {
            reading.problem(
                &span,
                format!("{key} '{}' {why}", escape::excerpt(name, 40)),
            );
        }
    }
    names
}

fn assignments(
    reading: &mut Reading<'_>,
    key: &str,
    field: Field<BTreeMap<String, String>>,
) -> BTreeMap<String, String> {
    let Some((set, span)) = reading.spanned(key, field) else {
        return BTreeMap::new();
    };
    for (name, value) in &set {
        let why = unfit_variable(name).or(value.contains('\0').then_some("holds a NUL character"));
        if let Some(why) = why {
            reading.problem(
                &span,
                format!("{key} '{}' {why}", escape::excerpt(name, 40)),
            );
        }
    }
    set
}
