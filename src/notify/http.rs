//! Posts requests over HTTP and HTTPS: the only code that opens a connection, and linked into `dispatch-notify` alone.
//!
//! A name is looked up once for each try, and unless the destination allows otherwise every address it leads to must be
//! public; the connection goes to one of those that were judged. No redirect is followed, no proxy is asked, no
//! connection is kept, and one bound holds for all of it, from the name to the last byte of the answer. Of the answer
//! only the status is believed, and how long to wait.

use std::io::Read as _;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use ureq::Agent;
use ureq::Body;
use ureq::Error;
use ureq::config::Config;
use ureq::http::Response;
use ureq::http::Uri;
use ureq::tls::PemItem;
use ureq::tls::RootCerts;
use ureq::tls::TlsConfig;
use ureq::unversioned::resolver::DefaultResolver;
use ureq::unversioned::resolver::ResolvedSocketAddrs;
use ureq::unversioned::resolver::Resolver;
use ureq::unversioned::transport::DefaultConnector;
use ureq::unversioned::transport::NextTimeout;

use crate::destination::Destination;
use crate::disk;
use crate::limits;
use crate::notify::carry::Again;
use crate::notify::carry::Poster;
use crate::notify::carry::Refused;
use crate::notify::carry::Request;
use crate::notify::network;

/// Largest file of certificates, in bytes.
const CA_BYTES_MAX: usize = 4 * 1024 * 1024;
/// A server that is not the one it is called by.
const UNPROVED: &str = "it could not prove its name (TLS)";
/// What a name led to that may not be connected to.
const PRIVATE: &str = "its address is not a public one; only with allow_private = true";

/// Posts with the network of this host.
#[derive(Debug, Default)]
pub struct Network;

impl Poster for Network {
    fn post(&self, to: &Destination, request: &Request) -> Result<(), Refused> {
        let agent = agent(to)?;
        let mut post = agent
            .post(request.url.as_str())
            .header("Content-Type", "application/json; charset=utf-8");
        for (name, value) in &request.headers {
            post = post.header(*name, value.as_str());
        }
        let response = post
            .send(request.body.as_slice())
            .map_err(|error| failed(&error))?;
        judge(response)
    }
}

fn agent(to: &Destination) -> Result<Agent, Refused> {
    let mut tls = TlsConfig::builder();
    if let Some(ca) = &to.ca {
        tls = tls.root_certs(certificates(ca)?);
    }
    let config = Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .proxy(None)
        .user_agent(concat!("dispatch-notify/", env!("CARGO_PKG_VERSION")))
        .timeout_global(Some(to.timeout))
        .max_idle_connections(0)
        .max_response_header_size(16 * 1024)
        .tls_config(tls.build())
        .build();
    let resolver = Judged {
        allow_private: to.allow_private,
        inner: DefaultResolver::default(),
    };
    Ok(Agent::with_parts(config, DefaultConnector::new(), resolver))
}

fn certificates(path: &Path) -> Result<RootCerts, Refused> {
    let cannot = |why: String| Refused::for_now(format!("cannot use its certificates: {why}"));
    let pem = disk::read_bounded(path, CA_BYTES_MAX).map_err(|error| cannot(error.to_string()))?;
    let items = ureq::tls::parse_pem(&pem);
    let found: Vec<_> = items
        .filter_map(|item| match item {
            Ok(PemItem::Certificate(certificate)) => Some(certificate),
            _ => None,
        })
        .collect();
    if found.is_empty() {
        return Err(cannot(format!("'{}' holds none", path.display())));
    }
    Ok(RootCerts::from(found))
}

/// Looks a name up, and judges what it leads to.
#[derive(Debug)]
struct Judged {
    allow_private: bool,
    inner: DefaultResolver,
}

/// An address that must not be connected to.
#[derive(Debug, thiserror::Error)]
#[error("{PRIVATE}")]
struct Private;

impl Resolver for Judged {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, Error> {
        let found = self.inner.resolve(uri, config, timeout);
        let found = found.map_err(|error| match error {
            Error::Io(_) => Error::HostNotFound,
            other => other,
        })?;
        // One that is private among others is as bad: which of them is taken depends on who answers first.
        let near = |at: &std::net::SocketAddr| !network::is_public(at.ip());
        if !self.allow_private && found.iter().any(near) {
            return Err(Error::Other(Box::new(Private)));
        }
        Ok(found)
    }
}

/// Puts an error into words that show neither address nor token.
fn failed(error: &Error) -> Refused {
    match error {
        // A name may lead elsewhere tomorrow, and the configuration may be put right.
        Error::Other(inner) if inner.is::<Private>() => Refused::for_now(PRIVATE),
        Error::HostNotFound => Refused::for_now("its name cannot be looked up"),
        Error::Timeout(_) => Refused::for_now("it did not answer in time"),
        Error::Io(error) if error.kind() == std::io::ErrorKind::TimedOut => {
            Refused::for_now("it did not answer in time")
        }
        // What rustls refuses comes as this kind.
        Error::Io(error) if error.kind() == std::io::ErrorKind::InvalidData => {
            Refused::for_now(UNPROVED)
        }
        Error::Io(error) => Refused::for_now(format!("no connection: {}", error.kind())),
        Error::Rustls(_) | Error::Tls(_) => Refused::for_now(UNPROVED),
        Error::BadUri(_) | Error::Http(_) => Refused::for_good("its address cannot be used"),
        Error::Protocol(_) | Error::LargeResponseHeader(..) => {
            Refused::for_now("its answer is not HTTP")
        }
        _ => Refused::for_now("no connection"),
    }
}

/// Decides by the status of an answer.
fn judge(mut response: Response<Body>) -> Result<(), Refused> {
    let status = response.status().as_u16();
    let why = format!("it answered with status {status}");
    match status {
        200..=299 => Ok(()),
        300..=399 => Err(Refused::for_good(format!(
            "{why}: it leads elsewhere, which is not followed"
        ))),
        408 | 425 | 429 | 500..=599 => {
            let again = Again::After(pause(&mut response));
            Err(Refused { why, again })
        }
        // A token or a channel that is wrong can be put right while the message waits.
        401 | 403 | 404 | 410 => Err(Refused::for_now(why)),
        _ => Err(Refused::for_good(why)),
    }
}

/// Returns how long the server asks to wait: `Retry-After` in seconds (RFC 9110, 10.2.3), or `retry_after` of Telegram
/// and Discord.
fn pause(response: &mut Response<Body>) -> Option<Duration> {
    let header = response.headers().get("Retry-After");
    let seconds = header.and_then(|value| value.to_str().ok()?.trim().parse::<u64>().ok());
    seconds.or_else(|| said(response)).map(Duration::from_secs)
}

fn said(response: &mut Response<Body>) -> Option<u64> {
    let mut bytes = Vec::new();
    let reader = response.body_mut().as_reader();
    let most = limits::NOTIFY_ANSWER_BYTES_MAX;
    reader.take(most).read_to_end(&mut bytes).ok()?;
    let answer: Value = serde_json::from_slice(&bytes).ok()?;
    let outer = answer.get("retry_after");
    let found = outer.or_else(|| answer.get("parameters")?.get("retry_after"))?;
    // A fraction counts as the next second. Whatever it says is bounded by whoever waits.
    let seconds = found.as_f64()?.ceil();
    (0.0..1e6).contains(&seconds).then_some(seconds as u64)
}
