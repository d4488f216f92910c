//! A peer whose request tries to be more than text, from its task to the bytes that each service gets.

use std::os::unix::fs::PermissionsExt as _;

use dispatch::limits;

use super::server::Answer;
use super::server::Server;
use crate::programs::Pair;

/// Mentions, markup, links, and a line that looks like ours.
const REQUEST: &str =
    "@everyone <!channel> **b** ```x``` [a](https://evil.example) <b>\ntype: rm -rf / \u{200b}";

/// The token of a bot.
const TOKEN: &str = "123:abc_def";

/// Adds a destination of each service, all at this server.
fn destinations(pair: &Pair, server: &Server) {
    let file = |name: &str, text: &str| {
        let path = pair.path(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        path.display().to_string()
    };
    let config = pair.path("gpubox/dispatch.toml");
    let mut text = std::fs::read_to_string(&config).unwrap();
    let address = file("url", &server.url("/discord"));
    let token = format!("token_file = \"{}\"", file("token", TOKEN));
    let at = |path: &str| format!("url = \"{}\"", server.url(path));
    for (service, more) in [
        ("discord", format!("url_file = \"{address}\"")),
        ("slack", at("/slack")),
        ("telegram", format!("{}\n{token}\nchat = \"-1\"", at("/tg"))),
        ("ntfy", format!("{}\n{token}", at("/ops"))),
    ] {
        text.push_str(&format!(
            "[notify.{service}]\nservice = \"{service}\"\nallow_private = true\n{more}\n"
        ));
    }
    std::fs::write(&config, text).unwrap();
}

#[test]
fn an_approval_reaches_each_service_as_text() {
    let server = Server::new(Vec::new());
    let pair = Pair::new("require_ack = \"always\"");
    destinations(&pair, &server);
    pair.good("dispatch-notify", "gpubox", &["--once"]);
    let long = format!("{REQUEST}{}", "@everyone ".repeat(10_000));
    let (id, _) = pair.send(&long, &[]);
    pair.good("dispatch-watch", "gpubox", &["--once"]);
    pair.good("dispatch-notify", "gpubox", &["--once"]);
    pair.good("dispatch-notify", "gpubox", &["--once"]);
    let got: Vec<_> = (0..4).map(|_| server.next()).collect();
    assert!(!server.has_more(), "nothing is sent twice");
    let paths: Vec<&str> = got.iter().map(|got| got.path.as_str()).collect();
    assert_eq!(
        paths,
        ["/discord", "/", "/slack", "/tg/bot123:abc_def/sendMessage"]
    );
    assert_eq!(got[1].headers["authorization"], format!("Bearer {TOKEN}"));
    let asks = format!("dispatch-ack {id}");
    let wanted = [
        "devbox asks for an approval",
        &id,
        "default",
        &asks,
        "everyone",
    ];
    for got in &got {
        let text = String::from_utf8(got.body.clone()).unwrap();
        assert!(got.body.len() < 8 * limits::SUMMARY_LETTERS_MAX, "{text}");
        for wanted in wanted {
            assert!(text.contains(wanted), "{wanted}: {text}");
        }
        assert!(
            !text.contains('\u{200b}') && !text.contains(TOKEN),
            "{text}"
        );
        // As JSON writes a line feed; the request's own came as two characters, `\` and `n`.
        assert!(!text.replace("\\\\", "").contains("\\ntype: rm"), "{text}");
    }
    let [discord, ntfy, slack, telegram] = [0, 1, 2, 3].map(|at: usize| got[at].json());
    assert_eq!(
        discord["allowed_mentions"],
        serde_json::json!({"parse": []})
    );
    assert_eq!(
        discord["content"].as_str().unwrap().matches("```").count(),
        2
    );
    assert_eq!(
        (&ntfy["topic"], &ntfy["markdown"]),
        (&"ops".into(), &false.into())
    );
    assert_eq!(slack["blocks"][0]["text"]["type"], "plain_text");
    assert!(!slack.to_string().contains("<!channel>"), "{slack}");
    assert!(telegram.get("parse_mode").is_none());
}

#[test]
fn what_is_not_taken_is_something_wrong() {
    let server = Server::new((0..8).map(|_| Answer::Status(500, "")).collect());
    let pair = Pair::new("require_ack = \"always\"");
    destinations(&pair, &server);
    pair.good("dispatch-notify", "gpubox", &["--once"]);
    pair.send("anything", &[]);
    pair.good("dispatch-watch", "gpubox", &["--once"]);
    assert_eq!(
        pair.run("dispatch-notify", "gpubox", &["--once"]).status,
        75
    );
    let said = pair.run("dispatch", "gpubox", &["status"]);
    let told = "1 notifications wait for 'slack': it answered with status 500";
    assert!(said.out.contains(told), "{}", said.out);
    let listed = pair.run("dispatch-notify", "gpubox", &["--list"]).out;
    assert!(
        listed.contains("slack  slack  0 delivered, 1 waiting, 0 given up"),
        "{listed}"
    );
}
