//! The configuration, read again while the bridge runs: credentials and the log's level take effect at once,
//! everything else is named.

use std::collections::{BTreeMap, BTreeSet};

use tracing_subscriber::filter::Targets;
use url::Url;

use crate::{
    auth::Credentials,
    config::{self, Flags, Loaded, Problems, Setting, Settings},
    session,
};

/// The keys of a source that [`Reload::read`] puts into effect.
const AT_ONCE: [&str; 6] =
    ["password", "password_file", "totp_secret", "totp_secret_file", "token", "token_file"];

/// What the bridge was started with.
#[derive(Debug, Clone)]
pub struct Reload {
    flags: Flags,
    settings: Settings,
    accounts: BTreeMap<String, Known>,
}

/// Whose the credentials are, and what they are at present.
#[derive(Debug, Clone)]
struct Known {
    base: Url,
    username: String,
    credentials: Credentials,
}

impl From<&session::config::Config> for Known {
    fn from(source: &session::config::Config) -> Self {
        let session::config::Config { base, username, credentials, .. } = source.clone();
        Self { base, username, credentials }
    }
}

/// What another reading brought.
#[derive(Debug, Default)]
pub struct Changes {
    /// Of sources that run: the same account's, and other than before.
    pub credentials: Vec<(String, Credentials)>,
    /// Keys that have another value than at the start. They wait for the next one.
    pub later: Vec<String>,
    /// The log's level.
    pub level: Option<Targets>,
}

impl Reload {
    /// `flags` is where `loaded` was read from.
    pub fn new(flags: Flags, loaded: &Loaded) -> Self {
        let accounts =
            loaded.config.sources.iter().map(|(name, source)| (name.clone(), source.into())).collect();
        Self { flags, settings: loaded.settings.clone(), accounts }
    }

    /// Reads everything again: files, environment, flags. With problems nothing changes.
    pub async fn read(&mut self) -> Result<Changes, Problems> {
        let flags = self.flags.clone();
        // Files may lie on a disk that stands still: not on a thread that carries events.
        match tokio::task::spawn_blocking(move || config::load(&flags)).await {
            Ok(loaded) => loaded.map(|loaded| self.compare(&loaded)),
            Err(error) => {
                tracing::error!(panic = error.is_panic(), "the configuration could not be read again");
                Ok(Changes::default())
            }
        }
    }

    fn compare(&mut self, loaded: &Loaded) -> Changes {
        let mut changes = Changes::default();
        for (name, known) in &mut self.accounts {
            let Some(source) = loaded.config.sources.get(name) else { continue };
            let found = Known::from(source);
            let same_account = (&found.base, &found.username) == (&known.base, &known.username)
                && found.credentials.is_same_method(&known.credentials);
            if same_account && !found.credentials.is_same(&known.credentials) {
                changes.credentials.push((name.clone(), found.credentials.clone()));
                *known = found;
            }
        }
        changes.level = Some(loaded.config.log.level.clone());
        changes.later = differing(&self.settings, &loaded.settings)
            .filter(|key| !self.is_at_once(key))
            .map(str::to_owned)
            .collect();
        changes
    }

    /// Whether the key is the log's level, or one of a running source's credentials.
    fn is_at_once(&self, key: &str) -> bool {
        if key == "log.level" {
            return true;
        }
        let mut parts = key.splitn(3, '.');
        matches!((parts.next(), parts.next(), parts.next()), (Some("sources"), Some(name), Some(key))
            if self.accounts.contains_key(name) && AT_ONCE.contains(&key))
    }
}

/// Keys that one of the two lacks, or has another value of, in order. Secrets all look alike here.
fn differing<'a>(before: &'a Settings, after: &'a Settings) -> impl Iterator<Item = &'a str> {
    let of = |settings: &'a Settings| -> BTreeSet<(&'a str, &'a str)> {
        settings.iter().map(|Setting { key, value, .. }| (key.as_str(), value.as_str())).collect()
    };
    let keys: BTreeSet<&str> = of(before).symmetric_difference(&of(after)).map(|(key, _)| *key).collect();
    keys.into_iter()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::{fs, path::Path};

    use super::*;

    const FILE: &str = "[sources.a]\nurl = \"https://pbx.example\"\nusername = \"ada\"\npassword_file = \"a.password\"\n\
                        [sources.b]\nurl = \"https://pbx.example\"\nusername = \"bob\"\npassword = \"b\"\n\
                        [sinks.out]\ntype = \"stdout\"\n";

    fn write(directory: &Path, config: &str, password: &str) {
        fs::write(directory.join("config.toml"), config).unwrap();
        fs::write(directory.join("a.password"), password).unwrap();
    }

    fn start(directory: &Path) -> Reload {
        let flags = Flags { config: Some(directory.join("config.toml")), ..Flags::default() };
        let loaded = config::load(&flags).unwrap();
        Reload::new(flags, &loaded)
    }

    fn names(changes: &Changes) -> Vec<&str> {
        changes.credentials.iter().map(|(name, _)| name.as_str()).collect()
    }

    #[tokio::test]
    async fn a_new_password_is_found_once_and_everything_else_is_named() {
        let directory = tempfile::tempdir().unwrap();
        write(directory.path(), FILE, "old");
        let mut reload = start(directory.path());
        let changes = reload.read().await.unwrap();
        assert!(changes.credentials.is_empty() && changes.later.is_empty(), "{changes:?}");

        write(directory.path(), &FILE.replace("\"b\"", "\"c\""), "new");
        let changes = reload.read().await.unwrap();
        assert_eq!((names(&changes), &changes.later), (vec!["a", "b"], &vec![]));
        assert!(!format!("{changes:?} {reload:?}").contains("new"));
        assert!(names(&reload.read().await.unwrap()).is_empty(), "it is known by now");

        let other = FILE.replace("bob", "eve").replace("[sinks.out]", "ua_type = \"desktop\"\n[sinks.out]");
        write(directory.path(), &other, "new");
        let changes = reload.read().await.unwrap();
        assert!(names(&changes).is_empty(), "another user's password is not for this account: {changes:?}");
        assert_eq!(changes.later, ["sources.b.ua_type", "sources.b.username"]);
    }

    #[tokio::test]
    async fn what_can_not_be_read_changes_nothing() {
        let directory = tempfile::tempdir().unwrap();
        write(directory.path(), FILE, "old");
        let mut reload = start(directory.path());
        write(directory.path(), FILE, "");
        assert!(reload.read().await.unwrap_err().to_string().contains("a.password"));
        write(directory.path(), FILE, "new");
        assert_eq!(names(&reload.read().await.unwrap()), ["a"]);
    }
}
