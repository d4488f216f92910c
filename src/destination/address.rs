//! Addresses of destinations: strictly read, shown without what may be secret in them.

use std::fmt;

/// Longest address, in bytes.
const LONGEST: usize = 2000;

/// How a server is talked to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// In the clear; only to this host or a private network.
    Http,
    /// Encrypted, and the server proves its name.
    Https,
}

/// Why a text is not an address. It does not hold the text, which may be a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the address {0}")]
pub struct BadAddress(pub &'static str);

/// An address, as RFC 3986 has it, of a server and a path on it. No user, no password, no fragment. `Debug` and
/// [`Url::origin`] show no path: in the address of a Slack or Discord channel that is the password.
#[derive(Clone, PartialEq, Eq)]
pub struct Url {
    text: String,
    scheme: Scheme,
    /// Where scheme, host and port end.
    origin: usize,
}

impl Url {
    /// Reads an address.
    ///
    /// # Errors
    /// [`BadAddress`]
    pub fn parse(text: &str) -> Result<Self, BadAddress> {
        if text.len() > LONGEST || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(BadAddress("is longer than 2000 characters or not ASCII"));
        }
        let (scheme, rest) = if let Some(rest) = text.strip_prefix("https://") {
            (Scheme::Https, rest)
        } else if let Some(rest) = text.strip_prefix("http://") {
            (Scheme::Http, rest)
        } else {
            return Err(BadAddress("must begin with https:// or http://"));
        };
        if text.contains(['#', '\\', '"', '<', '>', '`', '{', '}', '|', '^']) {
            return Err(BadAddress("holds a character that no address has"));
        }
        let length = rest.find(['/', '?']).unwrap_or(rest.len());
        let authority = rest.get(..length).unwrap_or_default();
        if authority.contains('@') {
            return Err(BadAddress("names a user"));
        }
        if !is_authority(authority) {
            return Err(BadAddress("names no server"));
        }
        let origin = text.len() - rest.len() + length;
        let mut text = text.to_owned();
        if !text[origin..].starts_with('/') {
            text.insert(origin, '/');
        }
        Ok(Self {
            text,
            scheme,
            origin,
        })
    }

    /// Returns the whole address. It may be a secret.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns how the server is talked to.
    #[must_use]
    pub const fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Returns scheme, host and port, which may be shown.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.text[..self.origin]
    }

    /// Returns an address on the same server, below this one's path.
    ///
    /// # Errors
    /// [`BadAddress`]
    pub fn below(&self, path: &str) -> Result<Self, BadAddress> {
        Self::parse(&format!("{}{path}", self.text.trim_end_matches('/')))
    }
}

fn is_authority(text: &str) -> bool {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let Some((host, port)) = rest.split_once(']') else {
                return false;
            };
            if host.parse::<std::net::Ipv6Addr>().is_err() {
                return false;
            }
            ("v6", port)
        }
        None => match text.find(':') {
            Some(at) => text.split_at(at),
            None => (text, ""),
        },
    };
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    let is_port = |text: &str| {
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        digits && text.parse::<u16>().is_ok_and(|port| port > 0)
    };
    !host.is_empty()
        && host.bytes().all(plain)
        && (port.is_empty() || port.strip_prefix(':').is_some_and(is_port))
}

impl fmt::Debug for Url {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}/...", self.origin())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_server_and_a_path() {
        let url = Url::parse("https://hooks.example.com:8443/services/T0/B0/secret?x=1").unwrap();
        assert_eq!(url.origin(), "https://hooks.example.com:8443");
        assert_eq!(url.scheme(), Scheme::Https);
        assert_eq!(format!("{url:?}"), "https://hooks.example.com:8443/...");
        assert_eq!(
            Url::parse("http://[::1]").unwrap().as_str(),
            "http://[::1]/"
        );
        assert_eq!(Url::parse("https://x?a").unwrap().as_str(), "https://x/?a");
        let base = Url::parse("https://api.telegram.org").unwrap();
        let below = base.below("/bot1:x/sendMessage").unwrap();
        assert_eq!(
            below.as_str(),
            "https://api.telegram.org/bot1:x/sendMessage"
        );
    }

    #[test]
    fn what_could_mean_another_server_is_no_address() {
        for bad in [
            "",
            "ftp://x/",
            "HTTPS://x/",
            "https://",
            "https:///x",
            "https://user@x/",
            "https://good.example@evil.example/",
            "https://x:/",
            "https://x:0/",
            "https://x:99999/",
            "https://x:+80/",
            "https://x\\@y/",
            "https://x y/",
            "https://x/\r\nHost: y",
            "https://x/#y",
            "https://[::1/",
            "https://[x]/",
            "https://ex\u{e4}mple/",
        ] {
            assert!(Url::parse(bad).is_err(), "{bad}");
        }
        assert!(Url::parse(&format!("https://x/{}", "a".repeat(2000))).is_err());
    }
}
