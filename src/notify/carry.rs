//! One try: from a message to a request as its destination wants it, and on its way.

use std::path::Path;
use std::time::Duration;

use zeroize::Zeroizing;

use crate::chance::Chance;
use crate::clock::Clock;
use crate::destination::Destination;
use crate::destination::Scheme;
use crate::destination::Service;
use crate::destination::Url;
use crate::notify::Error;
use crate::notify::command;
use crate::notify::discord;
use crate::notify::message::Message;
use crate::notify::ntfy;
use crate::notify::secret;
use crate::notify::slack;
use crate::notify::telegram;
use crate::notify::text::Text;
use crate::notify::webhook;

/// Where bots of Telegram are served.
const TELEGRAM: &str = "https://api.telegram.org";

/// A request that posts one message. It holds secrets and is never shown.
pub struct Request {
    /// Where to.
    pub url: Url,
    /// Headers beside those that every request has.
    pub headers: Vec<(&'static str, Zeroizing<String>)>,
    /// What is posted; JSON.
    pub body: Vec<u8>,
}

/// Whether it is worth trying again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Again {
    /// Not before this time, where the receiver said so.
    After(Option<Duration>),
    /// It will never be taken.
    Never,
}

/// Why a message was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct Refused {
    /// For a person; without address, token or anything a server said.
    pub why: String,
    /// Whether to try again.
    pub again: Again,
}

impl Refused {
    /// Makes a refusal that a later try may overcome.
    #[must_use]
    pub fn for_now(why: impl Into<String>) -> Self {
        let again = Again::After(None);
        let why = why.into();
        Self { why, again }
    }

    /// Makes a refusal for good.
    #[must_use]
    pub fn for_good(why: impl Into<String>) -> Self {
        let again = Again::Never;
        let why = why.into();
        Self { why, again }
    }
}

/// Posts requests.
pub trait Poster: Send + Sync {
    /// Posts one, within the time and the addresses that the destination allows.
    ///
    /// # Errors
    /// [`Refused`]; it may have arrived.
    fn post(&self, to: &Destination, request: &Request) -> Result<(), Refused>;
}

/// What carries messages of one process.
pub struct Carrier<'a> {
    /// Posts requests.
    pub poster: &'a dyn Poster,
    /// Time.
    pub clock: &'a dyn Clock,
    /// Randomness.
    pub chance: &'a dyn Chance,
    /// Where a service manager put copies of secrets.
    pub handed: Option<&'a Path>,
    /// Where commands are looked for.
    pub path: &'a str,
}

impl Carrier<'_> {
    /// Tries once to deliver a message.
    ///
    /// # Errors
    /// [`Refused`]; it may have arrived.
    pub fn carry(&self, to: &Destination, message: &Message) -> Result<(), Refused> {
        if to.service == Service::Command {
            return command::run(self, to, &webhook::body(message));
        }
        // What is wrong with a file can be put right while the message waits.
        let request = self.request(to, message);
        let request = request.map_err(|error| Refused::for_now(error.to_string()))?;
        self.poster.post(to, &request)
    }

    /// Writes the request for a message.
    ///
    /// # Errors
    /// [`Error`]: a secret or an address that cannot be used.
    pub fn request(&self, to: &Destination, message: &Message) -> Result<Request, Error> {
        let text = Text::of(message);
        let plain = |url, body| Request {
            url,
            headers: Vec::new(),
            body,
        };
        match to.service {
            Service::Webhook | Service::Command => {
                let body = webhook::body(message);
                let secret = self.secret(to, to.secret_file.as_deref(), "secret_file")?;
                let signature = webhook::signature(secret.as_bytes(), self.clock.wall(), &body);
                let headers = vec![
                    (webhook::ID, Zeroizing::new(message.id.clone())),
                    (webhook::SIGNATURE, Zeroizing::new(signature)),
                ];
                let url = self.address(to)?;
                Ok(Request { url, headers, body })
            }
            Service::Discord => Ok(plain(self.address(to)?, discord::body(&text))),
            Service::Slack => Ok(plain(self.address(to)?, slack::body(&text))),
            Service::Telegram => {
                let chat = to.chat.as_deref().ok_or_else(|| lacking(to, "chat"))?;
                Ok(plain(self.bot(to)?, telegram::body(&text, chat)))
            }
            Service::Ntfy => {
                let found = ntfy::server_and_topic(&self.address(to)?);
                let (server, topic) = found.ok_or_else(|| lacking(to, "a topic in its address"))?;
                let mut request = plain(server, ntfy::body(&text, &topic));
                if let Some(file) = &to.token_file {
                    let token = secret::read(file, self.handed)?;
                    let bearer = Zeroizing::new(format!("Bearer {}", token.as_str()));
                    request.headers.push(("Authorization", bearer));
                }
                Ok(request)
            }
        }
    }

    fn secret(
        &self,
        to: &Destination,
        file: Option<&Path>,
        key: &'static str,
    ) -> Result<Zeroizing<String>, Error> {
        let file = file.ok_or_else(|| lacking(to, key))?;
        let secret = secret::read(file, self.handed)?;
        if secret.len() < SECRET_BYTES_MIN && key == "secret_file" {
            return Err(Error::Secret {
                path: file.to_owned(),
                why: format!("it has less than {SECRET_BYTES_MIN} bytes"),
            });
        }
        Ok(secret)
    }

    /// Returns the address of a destination: the configured one, or that in its file, held to the same rules.
    fn address(&self, to: &Destination) -> Result<Url, Error> {
        if let Some(url) = &to.url {
            return Ok(url.clone());
        }
        let file = to.url_file.as_deref().ok_or_else(|| lacking(to, "url"))?;
        let url = parsed(to, &secret::read(file, self.handed)?)?;
        if url.scheme() == Scheme::Http && !to.allow_private {
            return Err(Error::Secret {
                path: file.to_owned(),
                why: "its address is not encrypted; only with allow_private = true".to_owned(),
            });
        }
        Ok(url)
    }

    /// Returns the address that a bot posts to, which holds its token.
    fn bot(&self, to: &Destination) -> Result<Url, Error> {
        let token = self.secret(to, to.token_file.as_deref(), "token_file")?;
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b':' | b'-' | b'_');
        if !token.bytes().all(plain) {
            return Err(Error::Secret {
                path: to.token_file.clone().unwrap_or_default(),
                why: "it is not the token of a bot".to_owned(),
            });
        }
        let server = match (&to.url, &to.url_file) {
            (None, None) => parsed(to, TELEGRAM)?,
            _ => self.address(to)?,
        };
        let path = Zeroizing::new(format!("/bot{}/sendMessage", token.as_str()));
        server.below(&path).map_err(|source| Error::Address {
            name: to.name.to_string(),
            source,
        })
    }
}

/// Shortest key of a signature, in bytes.
const SECRET_BYTES_MIN: usize = 16;

fn lacking(to: &Destination, key: &'static str) -> Error {
    let name = to.name.to_string();
    Error::Lacking { name, key }
}

fn parsed(to: &Destination, text: &str) -> Result<Url, Error> {
    Url::parse(text).map_err(|source| Error::Address {
        name: to.name.to_string(),
        source,
    })
}
