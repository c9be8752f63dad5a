//! Reloads the configuration while the bridge runs: credentials, certificates and the log level take effect at once, all
//! other changes are reported.

use std::collections::{BTreeMap, BTreeSet};

use secrecy::ExposeSecret as _;
use tracing_subscriber::filter::Targets;
use url::Url;

use crate::{
    app,
    app::config::{Config, Loaded},
    auth::Credentials,
    config::{Flags, Problems, Setting, Settings},
    event::Fingerprints,
    session, sink,
};

/// The keys of a source that [`Reload::read`] applies.
const AT_ONCE: [&str; 6] =
    ["password", "password_file", "totp_secret", "totp_secret_file", "token", "token_file"];

/// The configuration that the bridge was started with.
#[derive(Debug, Clone)]
pub struct Reload {
    flags: Flags,
    settings: Settings,
    accounts: BTreeMap<String, Known>,
    /// By sink: the fingerprint of its current secrets and certificates.
    sinks: BTreeMap<String, u128>,
    fingerprints: Fingerprints,
    /// By key: the fingerprint of a secret that can't be compared by its setting, and needs a restart.
    hidden: BTreeMap<String, u128>,
}

/// The account of a source, and its current credentials.
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

/// The changes that a reload found.
#[derive(Debug, Default)]
pub struct Changes {
    /// Changed credentials of running sources, for the same account.
    pub credentials: Vec<(String, Credentials)>,
    /// Running sinks whose secrets or certificate files have changed.
    pub sinks: Vec<(String, sink::config::Config)>,
    /// Keys whose value differs from that at the start. They need a restart.
    pub later: Vec<String>,
    /// The log level.
    pub level: Option<Targets>,
}

impl Reload {
    /// Remembers `loaded`, which was read with `flags`. Reads certificate files.
    pub fn new(flags: Flags, loaded: &Loaded) -> Self {
        let accounts =
            loaded.config.sources.iter().map(|(name, source)| (name.clone(), source.into())).collect();
        let fingerprints = Fingerprints::default();
        let sinks = secrets(loaded, &fingerprints);
        let hidden = hidden(loaded, &fingerprints);
        Self { flags, settings: loaded.settings.clone(), accounts, sinks, fingerprints, hidden }
    }

    /// Reloads files, environment and flags. If there are problems, nothing changes. Of the sinks, only those that
    /// `includes` accepts are compared.
    pub async fn read(&mut self, includes: impl Fn(&str) -> bool) -> Result<Changes, Problems> {
        let (flags, fingerprints) = (self.flags.clone(), self.fingerprints.clone());
        let read = move || {
            app::config::load(&flags).map(|loaded| {
                let secrets = secrets(&loaded, &fingerprints);
                (loaded, secrets)
            })
        };
        // The disk may hang, which must not block a thread that processes events.
        match tokio::task::spawn_blocking(read).await {
            Ok(read) => read.map(|(loaded, mut secrets)| {
                secrets.retain(|name, _| includes(name));
                self.compare(&loaded, secrets)
            }),
            Err(error) => {
                tracing::error!(panic = error.is_panic(), "could not reload the configuration");
                Ok(Changes::default())
            }
        }
    }

    fn compare(&mut self, loaded: &Loaded, secrets: BTreeMap<String, u128>) -> Changes {
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
        for (name, found) in secrets {
            let (Some(known), Some(sink)) = (self.sinks.get_mut(&name), loaded.config.sinks.get(&name))
            else {
                continue;
            };
            if std::mem::replace(known, found) != found {
                changes.sinks.push((name, sink.clone()));
            }
        }
        changes.level = Some(loaded.config.log.level.clone());
        changes.later = differing(&self.settings, &loaded.settings)
            .filter(|key| !self.is_at_once(key, &loaded.config))
            .map(str::to_owned)
            .collect();
        let hidden = hidden(loaded, &self.fingerprints);
        let others =
            hidden.iter().filter(|(key, secret)| self.hidden.get(*key).is_some_and(|known| known != *secret));
        changes.later.extend(others.map(|(key, _)| key.clone()));
        changes
    }

    /// Returns true if the key takes effect at once: the log level, or a credential of a running source or sink.
    fn is_at_once(&self, key: &str, config: &Config) -> bool {
        if key == "log.level" {
            return true;
        }
        let mut parts = key.splitn(3, '.');
        match (parts.next(), parts.next(), parts.next()) {
            (Some("sources"), Some(name), Some(key)) => {
                self.accounts.contains_key(name) && AT_ONCE.contains(&key)
            }
            (Some("sinks"), Some(name), Some(key)) => {
                let sink = config.sinks.get(name).filter(|_| self.sinks.contains_key(name));
                sink.is_some_and(|sink| sink.kind.reloadable().contains(&key))
            }
            _ => false,
        }
    }
}

/// The fingerprint of each sink's secrets and certificates. Reads the files.
fn secrets(loaded: &Loaded, fingerprints: &Fingerprints) -> BTreeMap<String, u128> {
    let sinks = loaded.config.sinks.iter();
    sinks.map(|(name, sink)| (name.clone(), sink.secrets(fingerprints))).collect()
}

/// The fingerprints of secrets that need a restart: the settings show them all masked.
fn hidden(loaded: &Loaded, fingerprints: &Fingerprints) -> BTreeMap<String, u128> {
    let token = loaded.config.admin.as_ref().and_then(|admin| admin.token.as_ref());
    let token = token.map(|token| ("admin.token".to_owned(), fingerprints.of(&token.expose_secret())));
    let proxies = loaded.config.sources.iter().filter_map(|(name, source)| {
        let proxy = source.proxy.as_ref().filter(|proxy| proxy.user_info().is_some())?;
        Some((format!("sources.{name}.proxy"), fingerprints.of(proxy.with_user_info())))
    });
    proxies.chain(token).collect()
}

/// The keys whose values differ, or that only one of the two has, in order. Secrets compare equal, as they are masked.
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
        let loaded = app::config::load(&flags).unwrap();
        Reload::new(flags, &loaded)
    }

    fn names(changes: &Changes) -> Vec<&str> {
        changes.credentials.iter().map(|(name, _)| name.as_str()).collect()
    }

    #[tokio::test]
    async fn a_new_password_is_found_once_and_other_keys_are_named() {
        let directory = tempfile::tempdir().unwrap();
        write(directory.path(), FILE, "old");
        let mut reload = start(directory.path());
        let changes = reload.read(|_| true).await.unwrap();
        assert!(changes.credentials.is_empty() && changes.later.is_empty(), "{changes:?}");

        write(directory.path(), &FILE.replace("\"b\"", "\"c\""), "new");
        let changes = reload.read(|_| true).await.unwrap();
        assert_eq!((names(&changes), &changes.later), (vec!["a", "b"], &vec![]));
        assert!(!format!("{changes:?} {reload:?}").contains("new"));
        assert!(names(&reload.read(|_| true).await.unwrap()).is_empty(), "it is known by now");

        let other = FILE.replace("bob", "eve").replace("[sinks.out]", "ua_type = \"desktop\"\n[sinks.out]");
        write(directory.path(), &other, "new");
        let changes = reload.read(|_| true).await.unwrap();
        assert!(names(&changes).is_empty(), "a password of another user was applied: {changes:?}");
        assert_eq!(changes.later, ["sources.b.ua_type", "sources.b.username"]);
    }

    #[tokio::test]
    async fn masked_secrets_that_need_a_restart_are_named() {
        let directory = tempfile::tempdir().unwrap();
        let admin = "[admin]\nactions = true\ntoken = \"0123456789abcdef\"\n";
        let proxy = FILE.replace("[sources.b]", "proxy = \"http://u:one@proxy:1\"\n[sources.b]");
        write(directory.path(), &format!("{proxy}{admin}"), "old");
        let mut reload = start(directory.path());
        assert!(reload.read(|_| true).await.unwrap().later.is_empty());
        let other = format!("{proxy}{admin}").replace("abcdef", "fedcba").replace("one", "two");
        write(directory.path(), &other, "old");
        assert_eq!(reload.read(|_| true).await.unwrap().later, ["admin.token", "sources.a.proxy"]);
    }

    #[tokio::test]
    async fn an_unreadable_configuration_changes_nothing() {
        let directory = tempfile::tempdir().unwrap();
        write(directory.path(), FILE, "old");
        let mut reload = start(directory.path());
        write(directory.path(), FILE, "");
        assert!(reload.read(|_| true).await.unwrap_err().to_string().contains("a.password"));
        write(directory.path(), FILE, "new");
        assert_eq!(names(&reload.read(|_| true).await.unwrap()), ["a"]);
    }

    #[cfg(feature = "nats")]
    #[tokio::test]
    async fn a_sink_with_new_secrets_is_found_once_on_request() {
        const SINKS: &str = "[sinks.bus]\ntype = \"nats\"\nusername = \"u\"\npassword_file = \"bus.password\"\n\
                             [sinks.other]\ntype = \"nats\"\nsubject = \"x.{source}.{class}.{slug}\"\nusername = \"u\"\npassword = \"o\"\n";
        let directory = tempfile::tempdir().unwrap();
        let put = |config: &str, password: &str| {
            write(directory.path(), &FILE.replace("[sinks.out]\ntype = \"stdout\"\n", config), "old");
            fs::write(directory.path().join("bus.password"), password).unwrap();
        };
        let found =
            |changes: &Changes| changes.sinks.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
        put(SINKS, "old");
        let mut reload = start(directory.path());
        let more = SINKS
            .replace("\"o\"", "\"p\"")
            .replace("[sinks.other]", "stream = \"s\"\nca_file = \"ca.pem\"\n[sinks.other]");
        let authority = rcgen::generate_simple_self_signed(vec!["ca".to_owned()]).unwrap();
        fs::write(directory.path().join("ca.pem"), authority.cert.pem()).unwrap();
        put(&more, "planted");
        let changes = reload.read(|sink| sink == "bus").await.unwrap();
        assert_eq!(
            (found(&changes), &changes.later),
            (vec!["bus".to_owned()], &vec!["sinks.bus.stream".to_owned()])
        );
        assert!(!format!("{changes:?} {reload:?}").contains("planted"));
        assert_eq!(found(&reload.read(|_| true).await.unwrap()), ["other"], "the first is known by now");
        let authority = rcgen::generate_simple_self_signed(vec!["another".to_owned()]).unwrap();
        fs::write(directory.path().join("ca.pem"), authority.cert.pem()).unwrap();
        assert_eq!(
            found(&reload.read(|_| true).await.unwrap()),
            ["bus"],
            "a file of the same name was replaced"
        );
    }
}
