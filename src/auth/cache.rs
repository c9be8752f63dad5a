//! A token that outlives the process, so that a restart needs no login and leaves no token behind.

use std::{fs, io, path::PathBuf, time::Duration};

use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use tracing::{debug, warn};
use url::Url;

use super::{clock::Moment, token::Token};
use crate::secret_file::{self, SecretFile};

/// The file with an account's token. Any problem with it costs a login and nothing else.
pub(super) struct Cache {
    path: PathBuf,
    /// The API's base, without user info.
    url: String,
    username: String,
}

/// The content of the file. That of another account is ignored until the next login replaces it.
#[derive(Deserialize)]
struct Stored {
    url: String,
    username: String,
    token: SecretString,
    received: Timestamp,
    /// Seconds; `None` if the PBX did not say.
    lifetime: Option<u64>,
}

#[derive(Serialize)]
struct Storing<'a> {
    url: &'a str,
    username: &'a str,
    token: &'a str,
    received: Timestamp,
    lifetime: Option<u64>,
}

/// The reason why the file is not used.
#[derive(Debug, thiserror::Error)]
enum Unusable {
    #[error("{0}")]
    Read(io::Error),
    #[error("others may read it: chmod 600, or remove it")]
    Open,
    #[error("not a token cache: remove it, or name another file")]
    Content,
    #[error("it belongs to another account or PBX: give each source its own file")]
    Foreign,
}

impl Cache {
    pub(super) fn new(path: PathBuf, url: &Url, username: &str) -> Self {
        Self { path, url: url.to_string(), username: username.to_owned() }
    }

    /// The token, if it may still be valid. It has yet to be proven.
    pub(super) fn load(&self, now: Moment) -> Option<Token> {
        match self.read(now) {
            Ok(token) => token.filter(|token| token.is_fresh(now)),
            Err(reason) => {
                warn!(path = %self.path.display(), %reason, "token cache ignored; the next login replaces it");
                None
            }
        }
    }

    fn read(&self, now: Moment) -> Result<Option<Token>, Unusable> {
        let text = match fs::read_to_string(&self.path) {
            Ok(text) => SecretString::from(text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Unusable::Read(error)),
        };
        if !secret_file::is_private(&self.path).map_err(Unusable::Read)? {
            return Err(Unusable::Open);
        }
        // The parser's message could quote the token.
        let stored: Stored = serde_json::from_str(text.expose_secret()).map_err(|_| Unusable::Content)?;
        if stored.url != self.url || stored.username != self.username {
            return Err(Unusable::Foreign);
        }
        let received = now.earlier(stored.received);
        Ok(Some(Token::cached(stored.token, received, stored.lifetime.map(Duration::from_secs))))
    }

    /// Keeps a token whose one-time password is given. Cancel safe: the file holds the old one or the new one.
    pub(super) async fn save(&self, token: &Token) {
        let storing = Storing {
            url: &self.url,
            username: &self.username,
            token: token.secret().expose_secret(),
            received: token.received().wall,
            lifetime: token.lifetime().map(|lifetime| lifetime.as_secs()),
        };
        // Serializing strings and numbers cannot fail.
        let text = SecretString::from(serde_json::to_string(&storing).unwrap_or_default());
        let path = self.path.clone();
        // A disk may hang, which must not block a thread that carries events.
        let written = tokio::task::spawn_blocking(move || SecretFile::replace(&path, &text)).await;
        match written {
            Ok(Ok(())) => debug!(path = %self.path.display(), "token cached"),
            Ok(Err(error)) => warn!(%error, "could not cache the token: the next start will log in again"),
            Err(error) => warn!(%error, "could not cache the token: the next start will log in again"),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::{fs::Permissions, os::unix::fs::PermissionsExt as _};

    use jiff::SignedDuration;

    use super::*;

    fn now() -> Moment {
        let wall = Timestamp::from_second(1_796_000_000).unwrap();
        Moment { wall, uptime: SignedDuration::from_hours(1) }
    }

    fn cache(directory: &tempfile::TempDir, username: &str) -> Cache {
        let url = Url::parse("https://pbx.example/api/").unwrap();
        Cache::new(directory.path().join("pbx1.token"), &url, username)
    }

    #[tokio::test]
    async fn a_token_comes_back_as_it_was_and_only_its_owner_may_read_it() {
        let directory = tempfile::tempdir().unwrap();
        let cache = cache(&directory, "ada");
        assert!(cache.load(now()).is_none(), "nothing there yet");
        let token = Token::cached("planted".into(), now(), Some(Duration::from_hours(24)));
        cache.save(&token).await;
        cache.save(&token).await;
        let loaded = cache.load(now()).unwrap();
        assert!(loaded.is_same(&token) && loaded.is_ours() && loaded.is_renewed());
        assert_eq!((loaded.received(), loaded.lifetime()), (token.received(), token.lifetime()));
        assert_eq!(fs::metadata(&cache.path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(
            cache.load(now().after(Duration::from_hours(24)).unwrap()).is_none(),
            "it has ended meanwhile"
        );
    }

    #[tokio::test]
    async fn an_untrustworthy_file_is_not_a_token() {
        let directory = tempfile::tempdir().unwrap();
        let ours = cache(&directory, "ada");
        let token = Token::cached("planted".into(), now(), None);
        ours.save(&token).await;
        let reason = |cache: &Cache| cache.read(now()).map(|_| ()).unwrap_err().to_string();
        assert!(reason(&cache(&directory, "bob")).contains("another account"));
        fs::set_permissions(&ours.path, Permissions::from_mode(0o644)).unwrap();
        assert!(reason(&ours).contains("chmod 600"));
        fs::set_permissions(&ours.path, Permissions::from_mode(0o600)).unwrap();
        for content in ["", "{}", "planted", r#"{"token":"planted","url":7}"#] {
            fs::write(&ours.path, content).unwrap();
            let reason = reason(&ours);
            assert!(reason.contains("remove it") && !reason.contains("planted"), "{reason}");
        }
        ours.save(&token).await;
        assert!(ours.load(now()).is_some(), "the next login mends it");
    }
}
