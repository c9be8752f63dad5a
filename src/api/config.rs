//! The API's address and time limits.

use std::{fmt, time::Duration};

use url::Url;

use crate::tls::Trust;

/// The settings for the REST API of one PBX.
#[derive(Clone)]
pub struct Config {
    /// The API's base URL, such as `https://pbx.example/api/`. A missing trailing slash is added; user
    /// info, query and fragment are dropped.
    pub base: Url,
    /// The TLS trust settings.
    pub trust: Trust,
    /// `http://[user:password@]host:port`. The environment's `HTTPS_PROXY` is never read: it would
    /// send the password through a host that is not in our configuration.
    pub proxy: Option<Url>,
    /// The limit for TCP and TLS together.
    pub connect_timeout: Duration,
    /// The limit for one request. The middleware waits 30 s for each call to its backend, so less
    /// than [`Config::REQUEST_TIMEOUT`] cuts off logins that would have succeeded.
    pub request_timeout: Duration,
    /// The largest `/user/me`, in bytes. It carries the user's settings, which may hold an image.
    pub max_answer: usize,
}

impl Config {
    /// The default of `connect_timeout`.
    pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
    /// The default of `request_timeout`.
    pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(40);

    /// The default of `max_answer`.
    pub const MAX_ANSWER: usize = 64 << 20;

    /// The API at `base` with the operating system's trust, no proxy and the usual time limits.
    pub fn at(base: Url) -> Self {
        Self {
            base,
            trust: Trust::default(),
            proxy: None,
            connect_timeout: Self::CONNECT_TIMEOUT,
            request_timeout: Self::REQUEST_TIMEOUT,
            max_answer: Self::MAX_ANSWER,
        }
    }

    /// The base with a trailing slash, so that joining a path keeps `/api`.
    pub(super) fn root(&self) -> Url {
        let mut root = bare(&self.base);
        if !root.path().ends_with('/') {
            let path = format!("{}/", root.path());
            root.set_path(&path);
        }
        root
    }
}

/// The URL without the parts that may be secret: user info, query, fragment.
pub(super) fn bare(url: &Url) -> Url {
    let mut bare = url.clone();
    // Both fail only for a URL that can't have user info at all.
    let _ = bare.set_username("");
    let _ = bare.set_password(None);
    bare.set_query(None);
    bare.set_fragment(None);
    bare
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("base", &bare(&self.base).as_str())
            .field("trust", &self.trust)
            .field("proxy", &self.proxy.as_ref().map(|proxy| bare(proxy).to_string()))
            .field("connect_timeout", &self.connect_timeout)
            .field("request_timeout", &self.request_timeout)
            .field("max_answer", &self.max_answer)
            .finish()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_base_without_a_slash_keeps_its_last_segment() {
        for base in
            ["https://pbx.example/api", "https://pbx.example/api/", "https://u:p@pbx.example/api?x=1#y"]
        {
            let root = Config::at(Url::parse(base).unwrap()).root();
            assert_eq!(root.join("login").unwrap().as_str(), "https://pbx.example/api/login");
        }
    }

    #[test]
    fn debug_hides_user_info() {
        let mut config = Config::at(Url::parse("https://planted1:planted2@pbx.example/api").unwrap());
        config.proxy = Some(Url::parse("http://planted3:planted4@proxy.example:3128").unwrap());
        let debug = format!("{config:?}");
        assert!(!debug.contains("planted"), "{debug}");
        assert!(debug.contains("proxy.example"), "{debug}");
    }
}
