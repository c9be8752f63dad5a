//! Requests to a running simulator.

use std::time::Duration;

use reqwest::StatusCode;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use url::Url;

use crate::{api, exit::Exit, text::PeerText};

/// The simulator answers at once, or something is wrong.
const PATIENCE: Duration = Duration::from_secs(5);

/// The simulator that a request goes to.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Target {
    /// The simulator's address
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080")]
    url: Url,
    /// The user that the simulator was started with
    #[arg(long, default_value = "bridge")]
    username: String,
    /// The user's password
    #[arg(long, default_value = "bridge")]
    password: SecretString,
}

/// The reason why the simulator did not do it.
#[derive(Debug, thiserror::Error)]
pub(super) enum RequestError {
    #[error(
        "no simulator answers at {url}: {reason}; start one with `cti-bridge simulate`, or give its address with --url"
    )]
    Unreachable { url: Url, reason: PeerText, source: reqwest::Error },
    #[error(
        "the simulator at {0} refused the user or the password: give those it was started with (--username, --password)"
    )]
    Credentials(Url),
    #[error("the simulator at {url} refused the request: {reason}")]
    Refused { url: Url, reason: PeerText },
    #[error(
        "the server at {url} is not a simulator of this version (HTTP {status}): give the address that `cti-bridge simulate` printed with --url"
    )]
    NotASimulator { url: Url, status: StatusCode },
    #[error(
        "the simulator at {0} has no session that may receive the event: connect a bridge, then try again"
    )]
    NoSession(Url),
}

impl RequestError {
    pub(super) const fn exit(&self) -> Exit {
        match self {
            Self::Credentials(_) => Exit::Refused,
            Self::Unreachable { .. }
            | Self::Refused { .. }
            | Self::NotASimulator { .. }
            | Self::NoSession(_) => Exit::Unavailable,
        }
    }
}

#[derive(Deserialize)]
struct Sent {
    sessions: usize,
}

#[derive(Deserialize)]
struct Envelope {
    message: String,
}

impl Target {
    /// Returns the number of sessions that the event or call goes to, in words.
    pub(super) async fn post(&self, path: &str, body: &impl Serialize) -> Result<String, RequestError> {
        let url = || self.url.clone();
        let unreachable = |source: reqwest::Error| {
            let reason = if source.is_timeout() {
                PeerText::new(&format!("not within {PATIENCE:?}"))
            } else {
                api::innermost(&source)
            };
            RequestError::Unreachable { url: url(), reason, source }
        };
        // That there is one already is no fault.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder().timeout(PATIENCE).no_proxy().build().map_err(unreachable)?;
        let mut endpoint = url();
        endpoint.set_path(path);
        let request =
            client.post(endpoint).basic_auth(&self.username, Some(self.password.expose_secret())).json(body);
        let answer = request.send().await.map_err(unreachable)?;
        let status = answer.status();
        let body = answer.text().await.map_err(unreachable)?;
        if status == StatusCode::UNAUTHORIZED {
            return Err(RequestError::Credentials(url()));
        }
        match serde_json::from_str(&body) {
            Ok(Sent { sessions: 0 }) => return Err(RequestError::NoSession(url())),
            Ok(Sent { sessions: 1 }) => return Ok("1 session".to_owned()),
            Ok(Sent { sessions }) => return Ok(format!("{sessions} sessions")),
            Err(_) => {}
        }
        let is_ours = matches!(
            status,
            StatusCode::BAD_REQUEST | StatusCode::FORBIDDEN | StatusCode::MISDIRECTED_REQUEST
        );
        match serde_json::from_str(&body) {
            Ok(Envelope { message }) if is_ours => {
                Err(RequestError::Refused { url: url(), reason: PeerText::new(&message) })
            }
            _ => Err(RequestError::NotASimulator { url: url(), status }),
        }
    }
}
