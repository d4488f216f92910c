//! `dispatch config`: every setting in force and where its value came from.

use std::fmt::Write as _;

use clap::Args as ClapArgs;
use serde_json::Value;
use serde_json::json;

use super::failure::Failure;
use super::setup;
use super::setup::Common;
use super::voice::Style;
use super::voice::Voice;
use crate::config;
use crate::config::Config;
use crate::config::Finding;
use crate::config::Origin;
use crate::config::Row;
use crate::escape;
use crate::exit::Exit;

/// Show every setting in force, and where its value came from
///
/// Example: dispatch config peer.devbox
///
/// What is allowed but probably not meant is told on standard error, and so is what nobody may approve, and a file that
/// others could change: the watcher refuses such a file.
#[derive(Debug, ClapArgs)]
pub struct Args {
    /// Only this key, or the keys of this table, such as 'poll' or 'peer.devbox'
    #[arg(value_name = "KEY")]
    only: Option<String>,
    /// Only settings that are not at their default
    #[arg(long)]
    changed: bool,
    /// Print nothing but what is wrong; exit 1 if anything is
    #[arg(long, conflicts_with_all = ["only", "changed", "json"])]
    check: bool,
    /// Print one JSON object per setting
    #[arg(long)]
    json: bool,
    /// Print every key there is, with its default and its meaning, as Markdown
    #[arg(long, conflicts_with_all = ["only", "changed", "json", "check"])]
    reference: bool,
    #[command(flatten)]
    common: Common,
}

impl Args {
    /// Returns the flags every program has.
    #[must_use]
    pub const fn common(&self) -> &Common {
        &self.common
    }
}

/// Runs the command.
///
/// # Errors
/// [`Failure`]: every mistake in the configuration.
pub fn run(args: &Args, voice: &Voice) -> Result<Exit, Failure> {
    if args.reference {
        voice.raw(config::schema::reference().trim_end().as_bytes())?;
        voice.raw(b"\n")?;
        return Ok(Exit::Ok);
    }
    let config = setup::load(args.common.flags(), false)?;
    let doubts = doubts(&config)?;
    if !args.check {
        show(args, &config, voice)?;
    }
    for doubt in &doubts {
        voice.warn(doubt);
    }
    // No fault: a check is silent where nothing is wrong.
    for note in config.notes().iter().filter(|_| !args.check) {
        voice.note(&format!("note: {note}"));
    }
    Ok(if args.check && !doubts.is_empty() {
        Exit::No
    } else {
        Exit::Ok
    })
}

/// Refuses a configuration that others could change, and warns of what is probably not meant: before anything is run
/// by it.
///
/// # Errors
/// [`Failure`] that names the file or folder to blame, or what could not be looked at.
pub fn vet(config: &Config, voice: &Voice) -> Result<(), Failure> {
    if let Some(finding) = finding(config)? {
        let message = format!("cannot trust the configuration: {finding}");
        return Err(Failure::new(Exit::Config, message).hint(
            "it decides what peers may run here: chmod go-w, and let root or this user own it",
        ));
    }
    for doubt in config.warnings() {
        voice.warn(&doubt);
    }
    Ok(())
}

/// Returns what is probably not meant, and who else could change the file.
fn doubts(config: &Config) -> Result<Vec<String>, Failure> {
    let mut found = config.warnings();
    if let Some(finding) = finding(config)? {
        found.push(format!(
            "dispatch-watch refuses this configuration: {finding}"
        ));
    }
    Ok(found)
}

fn finding(config: &Config) -> Result<Option<Finding>, Failure> {
    match &config.file {
        Some(file) => Ok(config::inspect(file, config.root.as_deref())?),
        None => Ok(None),
    }
}

fn show(args: &Args, config: &Config, voice: &Voice) -> Result<(), Failure> {
    let rows: Vec<Row> = config::render(config)
        .into_iter()
        .filter(|row| {
            args.only
                .as_deref()
                .is_none_or(|only| covers(only, &row.key))
        })
        .filter(|row| !args.changed || row.origin != Origin::Default)
        .collect();
    if let (Some(only), true, false) = (&args.only, rows.is_empty(), args.changed) {
        let shown = escape::excerpt(only, 60);
        return Err(
            Failure::new(Exit::NotFound, format!("there is no setting '{shown}'"))
                .hint("'dispatch config --reference' prints every key there is"),
        );
    }
    if args.json {
        return rows
            .iter()
            .try_for_each(|row| voice.answer(&object(row).to_string()));
    }
    let key_width = rows.iter().map(|row| row.key.len()).max().unwrap_or(0);
    let value_width = rows
        .iter()
        .map(|row| shown(row).chars().count())
        .max()
        .unwrap_or(0)
        .min(48);
    for row in &rows {
        let mut line = String::new();
        let value = shown(row);
        // A String takes whatever is written to it.
        let _ = write!(line, "{:key_width$}  {value:value_width$}  ", row.key);
        let style = if row.origin == Origin::Default {
            Style::Dim
        } else {
            Style::Plain
        };
        line.push_str(&voice.styled(style, &row.origin.to_string()));
        voice.answer(&line)?;
    }
    Ok(())
}

/// Returns whether a key is `only` or lies in the table `only`.
fn covers(only: &str, key: &str) -> bool {
    key.strip_prefix(only.trim_end_matches('.'))
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

fn shown(row: &Row) -> String {
    row.value
        .as_deref()
        .map_or_else(|| "-".to_owned(), |value| escape::escape(value, false))
}

/// Returns a setting as `--json` shows it: a versioned contract, which may only grow.
fn object(row: &Row) -> Value {
    let origin = match &row.origin {
        Origin::Default => json!({"kind": "default"}),
        Origin::File { path, line } => {
            json!({"kind": "file", "file": path.display().to_string(), "line": line})
        }
        Origin::Variable(name) => json!({"kind": "environment", "name": name}),
        Origin::Flag(name) => json!({"kind": "flag", "name": name}),
    };
    json!({"version": 1, "key": row.key, "value": value(row), "origin": origin})
}

/// Returns the value with its own type; a text in TOML's spelling is a text here.
fn value(row: &Row) -> Value {
    let parsed = row.value.as_ref().and_then(|value| {
        let table: toml::Table = toml::from_str(&format!("value = {value}")).ok()?;
        serde_json::to_value(table.get("value")?).ok()
    });
    parsed.unwrap_or(Value::Null)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(key: &str, value: Option<&str>) -> Row {
        Row {
            key: key.to_owned(),
            value: value.map(str::to_owned),
            origin: Origin::Variable("DISPATCH_ROOT"),
        }
    }

    #[test]
    fn a_table_covers_its_keys_and_not_its_namesakes() {
        assert!(
            covers("peer.a", "peer.a.rate")
                && covers("peer", "peer.a.rate")
                && covers("poll", "poll")
        );
        assert!(!covers("poll", "poll_idle") && !covers("peer.a", "peer.ab.rate"));
    }

    #[test]
    fn json_keeps_the_type_of_a_value() {
        let typed = |text| value(&row("k", Some(text)));
        assert_eq!(typed("2"), json!(2));
        assert_eq!(typed("true"), json!(true));
        assert_eq!(typed("\"10m\""), json!("10m"));
        assert_eq!(typed("[\"a\", \"b\"]"), json!(["a", "b"]));
        assert_eq!(typed("{ dir = \"/x\" }"), json!({"dir": "/x"}));
        assert_eq!(value(&row("k", None)), Value::Null);
        let origin = json!({"kind": "environment", "name": "DISPATCH_ROOT"});
        let shown = json!({"version": 1, "key": "root", "value": null, "origin": origin});
        assert_eq!(object(&row("root", None)), shown);
    }
}
