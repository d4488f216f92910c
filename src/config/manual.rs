//! The reference of all keys as a manual page, dispatch.toml(5).

use crate::config::env;
use crate::config::schema;

const DESCRIPTION: &str = "\
The file says who this node is, where the share is, and what each peer may ask of it. It is TOML. An unknown key is \
an error. A flag beats a variable of the environment, which beats the file, which beats the default; what a peer may \
do comes from the file alone. `dispatch config` shows what is in force and where it came from.";

const VALUES: &str = "\
A duration is a whole number and a unit in quotes: \"500ms\", \"90s\", \"10m\", \"2h\", \"7d\". A size likewise, with \
the units B, KB, KiB, MB, MiB, GB and GiB. Money is US dollars in quotes, such as \"1.50\". A rate is a number in a \
sliding window of a minute, an hour or a day: \"60/h\". A path is absolute or begins with \"~/\".";

const FILES: [(&str, &str); 2] = [
    (
        "$XDG_CONFIG_HOME/dispatch/dispatch.toml",
        "The file of a user; by default below ~/.config.",
    ),
    (
        "/etc/dispatch/dispatch.toml",
        "The file of the host, where the user has none.",
    ),
];

/// Returns the manual page in the man(7) macros.
#[must_use]
pub fn manual() -> String {
    let mut page = String::from(".TH DISPATCH.TOML 5\n");
    let section = |page: &mut String, title: &str| page.push_str(&format!(".SH {title}\n"));
    section(&mut page, "NAME");
    page.push_str("dispatch.toml \\- configuration of a dispatch node\n");
    section(&mut page, "DESCRIPTION");
    page.push_str(&format!("{}\n.PP\n{}\n", plain(DESCRIPTION), plain(VALUES)));
    section(&mut page, "KEYS");
    for table in schema::TABLES {
        let title = match table.header {
            "" => "Above all tables".to_owned(),
            header => format!("[{header}]"),
        };
        page.push_str(&format!(".SS {}\n{}\n", plain(&title), plain(table.about)));
        for key in table.keys {
            let default = match key.default {
                "" => String::new(),
                default => format!(" Default: {default}."),
            };
            let (name, kind) = (plain(key.name), plain(key.kind));
            let text = plain(&format!("{}{default}", key.meaning));
            page.push_str(&format!(".TP\n\\fB{name}\\fR = {kind}\n{text}\n"));
        }
    }
    section(&mut page, "ENVIRONMENT");
    list(&mut page, env::VARIABLES);
    section(&mut page, "FILES");
    list(&mut page, &FILES);
    section(&mut page, "SEE ALSO");
    page.push_str("dispatch(1), dispatch\\-watch(1), dispatch\\-send(1)\n");
    page
}

fn list(page: &mut String, entries: &[(&str, &str)]) {
    for (name, meaning) in entries {
        page.push_str(&format!(
            ".TP\n\\fB{}\\fR\n{}\n",
            plain(name),
            plain(meaning)
        ));
    }
}

/// Makes text safe for man(7): backslashes and hyphens are written out, a line never begins with a control character.
fn plain(text: &str) -> String {
    let text = text
        .replace('`', "")
        .replace('\\', "\\e")
        .replace('-', "\\-");
    if text.starts_with(['.', '\'']) {
        format!("\\&{text}")
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_every_key_and_nothing_that_groff_would_obey() {
        let page = manual();
        for key in schema::TABLES.iter().flat_map(|table| table.keys) {
            assert!(
                page.contains(&format!("\\fB{}\\fR", plain(key.name))),
                "{}",
                key.name
            );
        }
        let requests = [".TH", ".SH", ".SS", ".TP", ".PP"];
        for line in page.lines() {
            let word = line.split_whitespace().next().unwrap_or("");
            assert!(
                !line.starts_with(['.', '\'']) || requests.contains(&word),
                "{line}"
            );
        }
    }
}
