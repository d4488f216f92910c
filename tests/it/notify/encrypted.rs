//! A server that proves its name with a certificate of its own, and ones that do not. Needs openssl; says so where it
//! is not there.
#![expect(clippy::print_stderr, reason = "says what was skipped")]

use std::io::BufRead as _;
use std::io::BufReader;
use std::io::Write as _;
use std::path::Path;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;

use super::Host;

/// A server of one connection behind TLS, which answers 200 whatever comes.
struct Encrypted {
    child: Child,
    port: u16,
}

impl Encrypted {
    fn new(folder: &Path) -> Self {
        let mut child = Command::new("openssl")
            .args(["s_server", "-accept", "127.0.0.1:0", "-naccept", "1"])
            .args(["-cert", "cert.pem", "-key", "key.pem"])
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let port = lines.by_ref().find_map(|line| {
            let line = line.unwrap();
            line.strip_prefix("ACCEPT ")?
                .rsplit(':')
                .next()?
                .parse()
                .ok()
        });
        // What it prints is read, or it would wait for that.
        std::thread::spawn(move || lines.for_each(drop));
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
        child.stdin.as_mut().unwrap().write_all(answer).unwrap();
        let port = port.unwrap();
        Self { child, port }
    }
}

impl Drop for Encrypted {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Makes a certificate for `localhost`. Returns whether openssl is there.
fn certificate(folder: &Path) -> bool {
    let made = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=localhost",
        ])
        .args(["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"])
        .args(["-addext", "subjectAltName=DNS:localhost"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .args(["-keyout", "key.pem", "-out", "cert.pem"])
        .current_dir(folder)
        .stderr(Stdio::null())
        .status();
    made.is_ok_and(|status| status.success())
}

#[test]
fn a_server_must_prove_the_name_it_is_called_by() {
    let folder = tempfile::tempdir().unwrap();
    if !certificate(folder.path()) {
        eprintln!("skipped: openssl is not installed");
        return;
    }
    let ca = format!("ca = \"{}\"\n", folder.path().join("cert.pem").display());
    for (name, ca, wanted) in [
        ("localhost", ca.as_str(), 0),
        // The certificate is for another name, or nobody vouches for it.
        ("127.0.0.1", ca.as_str(), 75),
        ("localhost", "", 75),
    ] {
        let server = Encrypted::new(folder.path());
        let host = Host::new(&format!(
            "[notify.ops]\nservice = \"webhook\"\nurl = \"https://{name}:{}/\"\n\
             secret_file = \"SECRET\"\nallow_private = true\n{ca}",
            server.port
        ));
        let said = host.run(&["--test", "ops"]);
        assert_eq!(said.status, wanted, "{name} {ca}: {}", said.err);
        assert_eq!(
            said.err.contains("could not prove its name"),
            wanted == 75,
            "{}",
            said.err
        );
    }
}
