//! What arrives, what is tried again, what is refused, and what a crash leaves.

use std::io::Read as _;
use std::net::TcpListener;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::AtomicI32;
use std::sync::atomic::Ordering;
use std::time::Duration;

use dispatch::clock::Clock as _;
use dispatch::clock::SystemClock;
use dispatch::clock::Timestamp;
use dispatch::destination::Destination;
use dispatch::destination::Service;
use dispatch::destination::Url;
use dispatch::id::DestinationName;
use dispatch::notify::carry::Again;
use dispatch::notify::carry::Poster;
use dispatch::notify::carry::Request;
use dispatch::notify::http::Network;
use dispatch::notify::webhook;
use dispatch::outcome::Status;

use super::Host;
use super::SECRET;
use super::TASK;
use super::ended;
use super::server::Answer;
use super::server::Server;
use crate::programs::Said;

#[test]
fn a_webhook_gets_signed_json() {
    let server = Server::new(Vec::new());
    let host = Host::with_webhook(&server.url("/hook?x=1"), "");
    host.ends(Status::Ok);
    let said = host.run(&["--once"]);
    assert_eq!((said.status, said.err.as_str()), (0, "ops: 1 delivered\n"));
    let got = server.next();
    assert_eq!(got.path, "/hook?x=1");
    let body = got.json();
    assert_eq!(
        (&body["version"], &body["event"]),
        (&1.into(), &"task_exec_end".into())
    );
    assert_eq!(
        (&body["task_id"], &body["outcome"]),
        (&TASK.into(), &"ok".into())
    );
    assert_eq!(got.headers["dispatch-id"], body["id"].as_str().unwrap());
    let signature = &got.headers["dispatch-signature"];
    let time = signature
        .strip_prefix("t=")
        .unwrap()
        .split(',')
        .next()
        .unwrap();
    let time = Timestamp::from_unix(time.parse().unwrap());
    assert!(SystemClock.wall().since(time) < Duration::from_secs(60));
    assert_eq!(
        *signature,
        webhook::signature(SECRET.as_bytes(), time, &got.body)
    );
    let other = webhook::signature(b"another secret..", time, &got.body);
    assert_ne!(*signature, other);
    assert!(!String::from_utf8(got.body).unwrap().contains(SECRET));
    assert_eq!(host.run(&["--once"]).status, 0);
    assert!(!server.has_more(), "once is enough");
}

#[test]
fn it_is_tried_again_after_500_and_429_with_the_same_id() {
    let server = Server::new(vec![
        Answer::Status(500, ""),
        Answer::Status(429, "Retry-After: 7\r\n"),
    ]);
    let host = Host::with_webhook(&server.url("/"), "");
    host.ends(Status::Error);
    let mut ids = Vec::new();
    for (status, trouble) in [(75, Some("500")), (75, Some("429")), (0, None)] {
        let said = host.run(&["--once"]);
        assert_eq!(said.status, status, "{}", said.err);
        let state = host.state();
        let told = state["trouble"].as_str();
        assert_eq!(told.is_some(), trouble.is_some(), "{state}");
        assert!(
            told.unwrap_or_default()
                .contains(trouble.unwrap_or_default())
        );
        ids.push(server.next().json()["id"].clone());
    }
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
}

fn post(port: u16, change: impl Fn(&mut Destination)) -> Result<(), (String, Again)> {
    let mut to = Destination::of(DestinationName::parse("x").unwrap(), Service::Webhook);
    to.allow_private = true;
    change(&mut to);
    let request = Request {
        url: Url::parse(&format!("http://localhost:{port}/t0psecret")).unwrap(),
        headers: Vec::new(),
        body: b"{}".to_vec(),
    };
    let answer = Network.post(&to, &request);
    answer.map_err(|refused| (refused.why, refused.again))
}

#[test]
fn what_a_server_answers_decides_whether_to_try_again() {
    let body = "HTTP/1.1 429 X\r\nContent-Length: 19\r\n\r\n{\"retry_after\":1.5}";
    let telegram =
        "HTTP/1.1 429 X\r\nContent-Length: 35\r\n\r\n{\"parameters\":{\"retry_after\":1000}}";
    let says = |text: &'static str| {
        Answer::Call(Box::new(move |mut stream| {
            let _ = std::io::Write::write_all(&mut stream, text.as_bytes());
        }))
    };
    let server = Server::new(vec![
        Answer::Status(204, ""),
        Answer::Status(429, "Retry-After: 7\r\n"),
        Answer::Status(503, "Retry-After: Fri, 31 Dec 1999 23:59:59 GMT\r\n"),
        says(body),
        says(telegram),
        Answer::Status(400, ""),
        Answer::Status(404, ""),
        says("nonsense\r\n\r\n"),
        says(""),
    ]);
    let again = |_| post(server.port, |_| {}).map_err(|(_, again)| again);
    let after = |seconds| Err(Again::After(Some(Duration::from_secs(seconds))));
    let wanted = [
        Ok(()),
        after(7),
        Err(Again::After(None)),
        after(2),
        after(1000),
        Err(Again::Never),
        Err(Again::After(None)),
        Err(Again::After(None)),
        Err(Again::After(None)),
    ];
    for (at, wanted) in wanted.into_iter().enumerate() {
        assert_eq!(again(at), wanted, "{at}");
    }
}

#[test]
fn a_redirect_is_not_followed() {
    let aim = Server::new(Vec::new());
    let location: &'static str =
        Box::leak(format!("Location: {}\r\n", aim.url("/metadata")).into_boxed_str());
    let moved = [301, 302, 303, 307, 308].map(|status| Answer::Status(status, location));
    let server = Server::new(moved.into());
    let host = Host::with_webhook(&server.url("/"), "");
    for _ in 0..5 {
        host.ends(Status::Ok);
    }
    let said = host.run(&["--once"]);
    assert_eq!(said.status, 1, "{}", said.err);
    assert_eq!(
        said.err.matches("which is not followed").count(),
        5,
        "{}",
        said.err
    );
    assert!(!aim.has_more());
    let state = host.state();
    assert_eq!(
        (&state["given_up"], &state["waiting"]),
        (&5.into(), &0.into())
    );
}

#[test]
fn a_server_that_drips_is_cut_off() {
    let server = Server::new(vec![Answer::Drip]);
    let (why, again) = post(server.port, |to| to.timeout = Duration::from_secs(1)).unwrap_err();
    assert_eq!(
        (why.as_str(), again),
        ("it did not answer in time", Again::After(None))
    );
}

#[test]
fn what_is_near_is_not_connected_to() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    // By number, by name, in other clothes.
    for name in [
        "127.0.0.1",
        "localhost",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "0.0.0.0",
        "127.1",
    ] {
        let host = Host::new(&format!(
            "[notify.ops]\nservice = \"webhook\"\nurl = \"https://{name}:{port}/t0psecret\"\n\
             secret_file = \"SECRET\"\n"
        ));
        let said = host.run(&["--test", "ops"]);
        assert_eq!(said.status, 75, "{name}: {}", said.err);
        assert!(
            said.err.contains("not a public one"),
            "{name}: {}",
            said.err
        );
        assert!(!said.err.contains("t0psecret"), "{}", said.err);
    }
    assert!(listener.accept().is_err(), "nobody knocked");
    let (why, _) = post(port, |to| to.allow_private = false).unwrap_err();
    assert!(why.contains("not a public one"), "{why}");
}

#[test]
fn what_is_to_be_encrypted_is_never_sent_in_the_clear() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let host = Host::new(&format!(
        "[notify.ops]\nservice = \"webhook\"\nurl = \"https://127.0.0.1:{port}/\"\n\
         secret_file = \"SECRET\"\nallow_private = true\n"
    ));
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut first = [0];
        stream.read_exact(&mut first).unwrap();
        first[0]
    });
    let said = host.run(&["--test", "ops", "--json"]);
    assert_eq!(said.status, 75, "{}", said.err);
    assert!(said.out.contains("\"delivered\":false"), "{}", said.out);
    // The handshake of TLS (RFC 8446, 5.1), not the P of POST.
    assert_eq!(server.join().unwrap(), 22);
}

#[test]
fn a_crash_between_delivery_and_note_repeats_the_id() {
    let victim = Arc::new(AtomicI32::new(0));
    let pid = Arc::clone(&victim);
    // The request is here, and whoever sent it never hears of that.
    let kill = Answer::Call(Box::new(move |_stream| {
        let mut found = 0;
        while found == 0 {
            found = pid.load(Ordering::SeqCst);
        }
        let pid = nix::unistd::Pid::from_raw(found);
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).unwrap();
    }));
    let server = Server::new(vec![kill]);
    let host = Host::with_webhook(&server.url("/"), "");
    host.ends(Status::Ok);
    let mut child = host
        .command(&["--once"])
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    victim.store(i32::try_from(child.id()).unwrap(), Ordering::SeqCst);
    assert_eq!(child.wait().unwrap().code(), None, "it was killed");
    let first = server.next().json();
    assert_eq!(host.run(&["--once"]).status, 0);
    assert_eq!(server.next().json()["id"], first["id"]);
    assert_eq!(host.run(&["--once"]).status, 0);
    assert!(!server.has_more());
}

#[test]
fn a_log_that_turns_over_is_followed_to_the_end() {
    let server = Server::new(Vec::new());
    let host = Host::with_webhook(&server.url("/"), "");
    let mut daemon = host.command(&[]).stderr(Stdio::null()).spawn().unwrap();
    let outcomes = [Status::Ok, Status::Error, Status::Timeout, Status::Killed];
    for status in outcomes {
        // Each in a file of its own, as after a restart of the watcher; the one before it is removed by rule.
        host.ends(status);
        let got = server.next().json();
        assert_eq!(got["outcome"], status.as_str());
        let audit = host.path("state/audit");
        for entry in std::fs::read_dir(audit).unwrap() {
            std::fs::remove_file(entry.unwrap().path()).unwrap();
        }
    }
    let second = host.run(&["--once"]);
    assert_eq!(second.status, 75, "one at a time: {}", second.err);
    let pid = nix::unistd::Pid::from_raw(i32::try_from(daemon.id()).unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
    assert_eq!(daemon.wait().unwrap().code(), Some(0));
    assert_eq!(host.state()["delivered"], outcomes.len());
}

#[test]
fn a_full_disk_stops_no_message() {
    let server = Server::new(Vec::new());
    let host = Host::with_webhook(&server.url("/"), "");
    host.tell(&ended(Status::Ok));
    let own = host.command(&["--once"]);
    let mut words: Vec<_> = vec![own.get_program().to_owned()];
    words.extend(own.get_args().map(ToOwned::to_owned));
    // Every write to a file fails from now on (setrlimit(2), RLIMIT_FSIZE).
    let mut starved = std::process::Command::new("/bin/sh");
    let script = "trap '' XFSZ; ulimit -f 0; exec \"$@\"";
    starved.args(["-c", script, "sh"]).args(words).env_clear();
    let said: Said = starved.output().unwrap().into();
    assert_eq!(said.status, 0, "{}", said.err);
    assert_eq!(
        said.err.matches("a restart will repeat").count(),
        1,
        "{}",
        said.err
    );
    let first = server.next().json();
    // And so it does, with the same id.
    assert_eq!(host.run(&["--once"]).status, 0);
    assert_eq!(server.next().json()["id"], first["id"]);
}

#[test]
fn a_secret_that_others_can_read_is_not_used_and_none_is_shown() {
    let server = Server::new(Vec::new());
    let host = Host::with_webhook(&server.url("/"), "");
    for (text, mode) in [
        (SECRET, 0o644),
        ("short", 0o600),
        ("two\nlines-of-a-secret", 0o600),
    ] {
        host.secret("secret", text, mode);
        let said = host.run(&["--test", "ops"]);
        assert_eq!(said.status, 75, "{}", said.err);
        assert!(
            said.err.contains("cannot use '") && !said.err.contains(text),
            "{}",
            said.err
        );
    }
    assert!(!server.has_more());
    host.secret("secret", SECRET, 0o600);
    let said = host.run(&["--test", "ops"]);
    assert_eq!((said.status, said.out.as_str()), (0, "delivered to ops\n"));
    assert_eq!(server.next().json()["kind"], "test");
}

#[test]
fn a_command_gets_the_same_json_and_no_environment() {
    let host = Host::new(
        "[notify.ops]\nservice = \"command\"\n\
         command = [\"/bin/sh\", \"-c\", \"env > $0.env; exec cat > $0\", \"OUT\"]\n",
    );
    let out = host.path("out");
    let config = host.path("dispatch.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, text.replace("OUT", out.to_str().unwrap())).unwrap();
    let mut command = host.command(&["--test", "ops"]);
    let status = command
        .env("TOKEN_OF_SOMETHING", "x")
        .output()
        .unwrap()
        .status;
    assert_eq!(status.code(), Some(0));
    let body: serde_json::Value = serde_json::from_slice(&std::fs::read(&out).unwrap()).unwrap();
    assert_eq!(
        (&body["version"], &body["kind"]),
        (&1.into(), &"test".into())
    );
    let env = std::fs::read_to_string(out.with_extension("env")).unwrap();
    assert!(
        !env.contains("TOKEN_OF_SOMETHING") && env.contains("PATH="),
        "{env}"
    );
}

/// The user agent is what only the code has that opens connections.
#[test]
fn only_this_program_can_open_a_connection() {
    let agent = concat!("dispatch-notify/", env!("CARGO_PKG_VERSION"));
    let holds = |program: &str| {
        let path = std::path::Path::new(env!("CARGO_BIN_EXE_dispatch")).with_file_name(program);
        let mut grep = std::process::Command::new("grep");
        let found = grep.args(["-qaF", agent]).arg(path).status().unwrap();
        found.code() == Some(0)
    };
    assert!(holds("dispatch-notify"));
    for program in [
        "dispatch",
        "dispatch-watch",
        "dispatch-exec",
        "dispatch-send",
        "dispatch-ack",
    ] {
        assert!(!holds(program), "{program}");
    }
}
