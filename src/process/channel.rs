//! What a supervisor and the stages of its agent say to each other, and how: length and JSON over a socket pair.
//!
//! A frame is never read beyond its end, because the next stage reads from the same socket. The agent itself
//! never has the socket: it is close-on-exec where the agent begins.

use std::io;
use std::io::Read;
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use serde::Deserialize;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Exit;
use crate::outcome::Layer;

/// Largest frame, in bytes: an environment and an argument list fit (execve(2) takes far less of either).
const FRAME_BYTES_MAX: usize = 4 * 1024 * 1024;

/// What the agent is and how it is held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Orders {
    /// Program (an absolute path) and arguments.
    pub argv: Vec<String>,
    /// The whole environment.
    pub env: Vec<(String, String)>,
    /// Working directory.
    pub cwd: PathBuf,
    /// The file that becomes its standard input.
    pub stdin: PathBuf,
    /// Whether it gets PID, mount and IPC namespaces of its own.
    pub namespaces: bool,
    /// Directories and sockets to cover where it has a mount namespace.
    pub hide: Vec<PathBuf>,
    /// A directory to lay over `/tmp` where it has a mount namespace.
    pub tmp: Option<PathBuf>,
    /// Filesystem rules, where it gets them.
    pub grants: Option<Grants>,
    /// A cgroup to enter first.
    pub cgroup: Option<PathBuf>,
}

/// What of the filesystem the agent may use; everything else is denied. Paths that do not exist are left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Grants {
    /// Files and directories it may read and execute, with all below them.
    pub read: Vec<PathBuf>,
    /// Files and directories it may also write.
    pub write: Vec<PathBuf>,
}

/// What a stage tells the supervisor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Word {
    /// A stage began and asks for its orders.
    Hello,
    /// These layers are in force, for the sender and all it will start.
    InForce(Vec<Layer>),
    /// This layer could not be put in force; the agent can go without it.
    Unavailable(Layer, String),
    /// Everything is prepared; the next thing is the agent, if told to go.
    Ready,
    /// The stage cannot go on, and why. Its process ends.
    Failed {
        /// Whether it may work without namespaces.
        of_namespaces: bool,
        /// What was attempted, on what, why it failed.
        why: String,
    },
    /// The agent ended, seen by the first process of its PID namespace.
    Ended(Exit),
}

/// What the supervisor tells a stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// The answer to [`Word::Hello`].
    Orders(Box<Orders>),
    /// The answer to [`Word::Ready`]: become the agent.
    Go,
}

/// Sends one frame.
///
/// # Errors
/// The error of write(2), or `InvalidInput` where the message is too large or not UTF-8.
pub fn send<T: Serialize>(mut to: &UnixStream, message: &T) -> io::Result<()> {
    let mut frame = vec![0; 4];
    serde_json::to_writer(&mut frame, message)?;
    let length = frame.len() - 4;
    match u32::try_from(length) {
        Ok(prefix) if length <= FRAME_BYTES_MAX => {
            frame[..4].copy_from_slice(&prefix.to_be_bytes())
        }
        _ => return Err(io::ErrorKind::InvalidInput.into()),
    }
    to.write_all(&frame)
}

/// Receives one frame, and not a byte more.
///
/// # Errors
/// The error of read(2); `UnexpectedEof` where the other side is gone; `InvalidData` where it is not such a message.
pub fn receive<T: DeserializeOwned>(mut from: &UnixStream) -> io::Result<T> {
    let mut prefix = [0; 4];
    from.read_exact(&mut prefix)?;
    let length = usize::try_from(u32::from_be_bytes(prefix)).unwrap_or(usize::MAX);
    if length > FRAME_BYTES_MAX {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut frame = vec![0; length];
    from.read_exact(&mut frame)?;
    serde_json::from_slice(&frame).map_err(io::Error::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_end_where_they_end() {
        let (here, there) = UnixStream::pair().unwrap();
        send(&here, &Word::Hello).unwrap();
        send(&here, &Word::Ended(Exit::Signal(9))).unwrap();
        assert_eq!(receive::<Word>(&there).unwrap(), Word::Hello);
        assert_eq!(
            receive::<Word>(&there).unwrap(),
            Word::Ended(Exit::Signal(9))
        );
        drop(here);
        assert_eq!(
            receive::<Word>(&there).unwrap_err().kind(),
            io::ErrorKind::UnexpectedEof
        );
    }

    #[test]
    fn a_frame_that_is_too_long_or_no_message_is_refused() {
        let (mut here, there) = UnixStream::pair().unwrap();
        here.write_all(&u32::MAX.to_be_bytes()).unwrap();
        assert!(receive::<Word>(&there).is_err());
        let (mut here, there) = UnixStream::pair().unwrap();
        here.write_all(b"\0\0\0\x02[]").unwrap();
        assert!(receive::<Word>(&there).is_err());
    }
}
