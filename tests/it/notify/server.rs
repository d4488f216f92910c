//! A server on loopback that answers as it is told and keeps what it got. HTTP as far as a test needs it.

use std::collections::BTreeMap;
use std::io::BufRead;
use std::io::BufReader;
use std::io::Read;
use std::io::Write;
use std::net::TcpListener;
use std::net::TcpStream;
use std::sync::mpsc::Receiver;
use std::sync::mpsc::channel;
use std::time::Duration;

/// Longest that anything is waited for: a test that hangs tells nothing.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// One request, with the names of its headers in lower case.
pub struct Got {
    pub path: String,
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

impl Got {
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// What becomes of a connection after its request was read.
pub enum Answer {
    /// This status and these headers.
    Status(u16, &'static str),
    /// A byte now and then, for ever.
    Drip,
    /// Done by the test itself, which gets the request first.
    Call(Box<dyn Fn(TcpStream) + Send>),
}

/// The server. It gives its answers one after another, and 200 when it has none left.
pub struct Server {
    pub port: u16,
    got: Receiver<Got>,
}

impl Server {
    pub fn new(answers: Vec<Answer>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let (tell, got) = channel();
        std::thread::spawn(move || {
            let mut answers = answers.into_iter();
            for stream in listener.incoming() {
                let Ok(stream) = stream else { return };
                let Some(request) = read(&stream) else {
                    continue;
                };
                if tell.send(request).is_err() {
                    return;
                }
                answer(stream, answers.next().unwrap_or(Answer::Status(200, "")));
            }
        });
        Self { port, got }
    }

    /// Waits for the next request.
    pub fn next(&self) -> Got {
        self.got.recv_timeout(PATIENCE).expect("a request")
    }

    /// Returns whether a request came that was not asked for. Whoever sends has ended before this is asked.
    pub fn has_more(&self) -> bool {
        self.got.try_recv().is_ok()
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }
}

fn read(stream: &TcpStream) -> Option<Got> {
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let path = line.split(' ').nth(1)?.to_owned();
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else {
            break;
        };
        headers.insert(name.to_lowercase(), value.to_owned());
    }
    let length: usize = headers.get("content-length")?.parse().ok()?;
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Got {
        path,
        headers,
        body,
    })
}

fn answer(mut stream: TcpStream, answer: Answer) {
    match answer {
        Answer::Status(status, headers) => {
            let text = format!(
                "HTTP/1.1 {status} X\r\n{headers}Content-Length: 0\r\nConnection: close\r\n\r\n"
            );
            let _ = stream.write_all(text.as_bytes());
        }
        Answer::Drip => {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nX-Slow: ");
            // Ends when the other side has had enough.
            while stream.write_all(b"x").is_ok() {
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        Answer::Call(act) => act(stream),
    }
}
