//! A client of the running bridge's admin endpoint.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use reqwest::StatusCode;
use url::Url;

use crate::{
    admin, api,
    app::config::{load, load_listen},
    config::Flags,
    text::PeerText,
};

/// The endpoint answers at once, or something is wrong.
const PATIENCE: Duration = Duration::from_secs(5);

/// An answer of the endpoint.
pub(super) struct Answer {
    /// Status 200; otherwise the body says what is wrong.
    pub(super) is_success: bool,
    pub(super) body: String,
}

/// Why there is no answer; each says the remedy.
#[derive(Debug, thiserror::Error)]
pub(super) enum AdminClientError {
    #[error("[admin] listen is \"off\": there is no endpoint to ask")]
    Off,
    #[error(
        "no bridge answers at {place}: {reason}; check that it is running and that this is its [admin] listen"
    )]
    Unreachable { place: Url, reason: PeerText, source: reqwest::Error },
    #[error(
        "the bridge at {0} does not answer to this host name: ask by IP address, or add the name to [admin] hosts"
    )]
    Misdirected(Url),
    #[error(
        "the server at {place} is not a cti-bridge (HTTP {status}): check that this is its [admin] listen"
    )]
    NotABridge { place: Url, status: StatusCode },
    #[error(transparent)]
    Url(#[from] url::ParseError),
}

/// The endpoint of the bridge that has this configuration. A configuration that can't be read, perhaps since it was
/// edited, is no reason not to ask: then it is the default endpoint.
pub(super) fn endpoint(at: Option<&Url>, flags: &Flags) -> Result<Url, AdminClientError> {
    if let Some(at) = at {
        return Ok(at.clone());
    }
    let listen = match load(flags) {
        Ok(loaded) => loaded.config.admin.ok_or(AdminClientError::Off)?.listen,
        Err(_) => match load_listen(flags).as_deref() {
            Some("off") => return Err(AdminClientError::Off),
            Some(listen) => listen.parse().unwrap_or(admin::config::DEFAULT),
            None => admin::config::DEFAULT,
        },
    };
    Ok(Url::parse(&format!("http://{}/", reachable(listen)))?)
}

/// The loopback address in place of "every address".
pub(super) fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

/// Gets a path.
pub(super) async fn get(place: &Url, path: &str) -> Result<Answer, AdminClientError> {
    let unreachable = |source: reqwest::Error| {
        let reason = if source.is_timeout() {
            PeerText::new(&format!("not within {PATIENCE:?}"))
        } else {
            api::innermost(&source)
        };
        AdminClientError::Unreachable { place: place.clone(), reason, source }
    };
    // A client can't be made without one, though no TLS is spoken. That there is one already is no fault.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().timeout(PATIENCE).no_proxy().build().map_err(unreachable)?;
    let answer = client.get(place.join(path)?).send().await.map_err(unreachable)?;
    match answer.status() {
        // The two that a bridge gives to these questions.
        status @ (StatusCode::OK | StatusCode::SERVICE_UNAVAILABLE) => {
            Ok(Answer { is_success: status.is_success(), body: answer.text().await.map_err(unreachable)? })
        }
        StatusCode::MISDIRECTED_REQUEST => Err(AdminClientError::Misdirected(place.clone())),
        status => Err(AdminClientError::NotABridge { place: place.clone(), status }),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn every_address_is_reached_at_this_machine() {
        for (listen, expected) in
            [("0.0.0.0:1", "127.0.0.1:1"), ("[::]:2", "[::1]:2"), ("192.0.2.1:3", "192.0.2.1:3")]
        {
            assert_eq!(reachable(listen.parse().unwrap()).to_string(), expected);
        }
    }

    #[test]
    fn without_a_configuration_the_default_address_is_used() {
        let flags = Flags { config: Some("/nowhere/config.toml".into()), ..Flags::default() };
        assert_eq!(endpoint(None, &flags).unwrap().as_str(), "http://127.0.0.1:9464/");
    }
}
