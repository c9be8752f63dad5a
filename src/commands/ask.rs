//! Asking the bridge that runs, over its admin endpoint.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use reqwest::StatusCode;
use url::Url;

use crate::{
    admin, api,
    config::{Flags, load, load_listen},
};

/// The endpoint answers at once, or something is wrong.
const PATIENCE: Duration = Duration::from_secs(5);

/// What it was, and whether it means well.
pub(super) struct Answer {
    pub(super) good: bool,
    pub(super) body: String,
}

/// Where the bridge listens that has this configuration. A configuration that can't be read, perhaps since it was
/// edited, is no reason not to ask: then it is the usual place.
pub(super) fn place(at: Option<&Url>, flags: &Flags) -> Result<Url, String> {
    if let Some(at) = at {
        return Ok(at.clone());
    }
    let listen = match load(flags) {
        Ok(loaded) => match loaded.config.admin {
            Some(admin) => admin.listen,
            None => return Err("[admin] listen is \"off\": there is nobody to ask".to_owned()),
        },
        Err(_) => match load_listen(flags).as_deref() {
            Some("off") => return Err("[admin] listen is \"off\": there is nobody to ask".to_owned()),
            Some(listen) => listen.parse().unwrap_or(admin::config::DEFAULT),
            None => admin::config::DEFAULT,
        },
    };
    Url::parse(&format!("http://{}/", reachable(listen))).map_err(|error| error.to_string())
}

/// Of "every address", this machine's.
pub(super) fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

/// Gets a path. The error is a sentence with the remedy.
pub(super) async fn get(place: &Url, path: &str) -> Result<Answer, String> {
    let failed = |error: reqwest::Error| {
        let why = if error.is_timeout() {
            format!("not within {PATIENCE:?}")
        } else {
            api::innermost(&error).into()
        };
        format!("no bridge answers at {place}: {why}; does it run, and is that its [admin] listen?")
    };
    // A client can't be made without one, though no TLS is spoken. That there is one already is no fault.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().timeout(PATIENCE).no_proxy().build().map_err(failed)?;
    let url = place.join(path).map_err(|error| error.to_string())?;
    let answer = client.get(url).send().await.map_err(failed)?;
    let status = answer.status();
    if status == StatusCode::MISDIRECTED_REQUEST {
        return Err(format!(
            "the bridge at {place} does not answer to this host name: ask by IP address, or add the name to [admin] hosts"
        ));
    }
    // The two that a bridge gives to these questions.
    if status != StatusCode::OK && status != StatusCode::SERVICE_UNAVAILABLE {
        return Err(format!(
            "what answers at {place} is no cti-bridge (HTTP {status}): is that its [admin] listen?"
        ));
    }
    Ok(Answer { good: status.is_success(), body: answer.text().await.map_err(failed)? })
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
    fn without_a_configuration_it_is_asked_at_the_usual_place() {
        let flags = Flags { config: Some("/nowhere/config.toml".into()), ..Flags::default() };
        assert_eq!(place(None, &flags).unwrap().as_str(), "http://127.0.0.1:9464/");
    }
}
