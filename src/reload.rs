//! Reloads the configuration while the bridge runs, or compares it.
//!
//! Everything is read and checked first: a configuration with a problem changes nothing. Credentials, certificates and the log
//! level take effect at once, the rules of a sink at the place in the journal that [`crate::sink::Switches`] marks. All other
//! keys need a restart. What was applied is in force from then on; everything else is reported again at each reload.

mod difference;
mod snapshot;

use std::sync::Arc;

use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing_subscriber::filter::Targets;

pub use self::difference::{Difference, Differences};
use self::snapshot::{Part, Snapshot};
use crate::{
    app,
    app::config::Loaded,
    auth::Credentials,
    config::{Flags, Problems},
    event::Fingerprints,
    sink::{self, NewRules},
};

/// The configuration in force. Clones share it.
#[derive(Debug, Clone)]
pub struct Reload {
    flags: Flags,
    fingerprints: Fingerprints,
    state: Arc<Mutex<State>>,
    /// The disk may hang: one comparison at a time, so that they don't use up the threads that read the journal.
    comparing: Arc<Semaphore>,
}

#[derive(Debug)]
struct State {
    in_force: Snapshot,
    last: LastReload,
}

/// The outcome of the last reload. The start counts as one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LastReload {
    /// The configuration was valid.
    pub is_successful: bool,
    /// The time of the last reload with a valid configuration.
    pub succeeded: Timestamp,
}

/// A valid configuration that was read again.
#[derive(Debug)]
pub struct Candidate {
    loaded: Loaded,
    snapshot: Snapshot,
}

/// The reason why a configuration was not read.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// It is invalid.
    #[error(transparent)]
    Invalid(#[from] Problems),
    /// The thread that reads it has panicked, or was cancelled.
    #[error("the configuration could not be read")]
    Unread,
    /// Another comparison is running.
    #[error("another comparison has not finished; the disk with the configuration may be slow")]
    Busy,
}

/// What a reload has to change. It counts as in force.
#[derive(Debug, Default)]
pub struct Changes {
    /// Changed credentials of running sources, for the same account.
    pub credentials: Vec<(String, Credentials)>,
    /// Running sinks whose secrets or certificate files have changed.
    pub sinks: Vec<(String, sink::config::Config)>,
    /// Running sinks whose rules have changed.
    pub rules: Vec<(String, NewRules)>,
    /// The log level. `None` keeps the current one.
    pub level: Option<Targets>,
    /// All differences.
    pub differences: Differences,
}

impl Reload {
    /// Remembers `loaded`, which was read with `flags` and is in force. Reads certificate files.
    pub fn new(flags: Flags, loaded: &Loaded) -> Self {
        let fingerprints = Fingerprints::default();
        let last = LastReload { is_successful: true, succeeded: Timestamp::now() };
        let state = State { in_force: Snapshot::new(loaded, &fingerprints), last };
        Self {
            flags,
            fingerprints,
            state: Arc::new(Mutex::new(state)),
            comparing: Arc::new(Semaphore::new(1)),
        }
    }

    /// Reads files, environment and flags, and applies all that needs no restart.
    pub async fn apply(&self) -> Result<Changes, Failure> {
        let found = self.read(None).await;
        let mut state = self.state.lock();
        state.last.is_successful = found.is_ok();
        let found = found?;
        state.last.succeeded = Timestamp::now();
        let changes = Changes {
            rules: state.rules(&found),
            level: Some(found.loaded.config.log.level.clone()),
            differences: state.in_force.compare(&found.snapshot),
            ..state.secrets(&found, |_| true)
        };
        state.in_force.advance(&found.snapshot, |_| true);
        Ok(changes)
    }

    /// Reads files, environment and flags, and applies only credentials of sources, and secrets and certificates of the sinks that
    /// `includes` accepts.
    pub async fn apply_secrets(&self, includes: impl Fn(&str) -> bool) -> Result<Changes, Failure> {
        let found = self.read(None).await?;
        let mut state = self.state.lock();
        let changes = state.secrets(&found, &includes);
        state.in_force.advance(&found.snapshot, |part| match part {
            Part::Credentials(_) => true,
            Part::Secrets(sink) => includes(sink),
            Part::Log | Part::Rules(_) | Part::Dialling => false,
        });
        Ok(changes)
    }

    /// Compares files, environment and flags with what is in force, as [`Reload::apply`] does, and changes nothing.
    pub async fn compare(&self) -> Result<Differences, Failure> {
        let permit = Arc::clone(&self.comparing).try_acquire_owned().map_err(|_| Failure::Busy)?;
        match self.read(Some(permit)).await {
            Ok(found) => Ok(self.state.lock().in_force.compare(&found.snapshot)),
            Err(Failure::Invalid(problems)) => {
                let problems = problems.iter().map(ToString::to_string).collect();
                Ok(Differences { problems, ..Differences::default() })
            }
            Err(failure) => Err(failure),
        }
    }

    /// Returns the outcome of the last reload.
    pub fn last(&self) -> LastReload {
        self.state.lock().last
    }

    /// Reads everything. The permit is kept until that is done, also if the caller is gone.
    async fn read(&self, permit: Option<OwnedSemaphorePermit>) -> Result<Candidate, Failure> {
        let (flags, fingerprints) = (self.flags.clone(), self.fingerprints.clone());
        let read = move || -> Result<Candidate, Problems> {
            let loaded = app::config::load(&flags)?;
            let snapshot = Snapshot::new(&loaded, &fingerprints);
            drop(permit);
            Ok(Candidate { loaded, snapshot })
        };
        // The disk may hang, which must not block a thread that processes events.
        match tokio::task::spawn_blocking(read).await {
            Ok(read) => Ok(read?),
            Err(error) => {
                tracing::error!(panic = error.is_panic(), "could not reload the configuration");
                Err(Failure::Unread)
            }
        }
    }
}

impl State {
    fn secrets(&self, found: &Candidate, includes: impl Fn(&str) -> bool) -> Changes {
        let credentials = self.in_force.credentials(&found.snapshot);
        let sinks = self.in_force.secrets(&found.snapshot).filter(|sink| includes(sink));
        Changes {
            credentials: credentials
                .map(|(name, credentials)| (name.to_owned(), credentials.clone()))
                .collect(),
            sinks: sinks.filter_map(|sink| found.sink(sink)).collect(),
            ..Changes::default()
        }
    }

    fn rules(&self, found: &Candidate) -> Vec<(String, NewRules)> {
        let rules = self.in_force.rules(&found.snapshot).filter_map(|(sink, fingerprint)| {
            let (name, config) = found.sink(sink)?;
            Some((name, NewRules { config, fingerprint }))
        });
        rules.collect()
    }
}

impl Candidate {
    fn sink(&self, name: &str) -> Option<(String, sink::config::Config)> {
        Some((name.to_owned(), self.loaded.config.sinks.get(name)?.clone()))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::{fs, path::Path, time::Duration};

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

    /// The keys that need a restart.
    fn later(changes: &Changes) -> Vec<&str> {
        changes.differences.restart.iter().map(|difference| difference.key.as_str()).collect()
    }

    #[tokio::test]
    async fn a_new_password_is_found_once_and_other_keys_are_named() {
        let directory = tempfile::tempdir().unwrap();
        write(directory.path(), FILE, "old");
        let reload = start(directory.path());
        let changes = reload.apply().await.unwrap();
        assert!(changes.credentials.is_empty() && changes.differences.is_empty(), "{changes:?}");

        write(directory.path(), &FILE.replace("\"b\"", "\"c\""), "new");
        let changes = reload.apply().await.unwrap();
        assert_eq!((names(&changes), later(&changes)), (vec!["a", "b"], vec![]));
        assert!(!format!("{changes:?} {reload:?}").contains("new"));
        assert!(names(&reload.apply().await.unwrap()).is_empty(), "it is known by now");

        let other = FILE.replace("bob", "eve").replace("[sinks.out]", "ua_type = \"desktop\"\n[sinks.out]");
        write(directory.path(), &other, "new");
        let changes = reload.apply().await.unwrap();
        assert!(names(&changes).is_empty(), "a password of another user was applied: {changes:?}");
        assert_eq!(later(&changes), ["sources.b.ua_type", "sources.b.username"]);
    }

    #[tokio::test]
    async fn masked_secrets_that_need_a_restart_are_named() {
        let directory = tempfile::tempdir().unwrap();
        let admin = "[admin]\nactions = true\ntoken = \"0123456789abcdef\"\n";
        let proxy = FILE.replace("[sources.b]", "proxy = \"http://u:one@proxy:1\"\n[sources.b]");
        write(directory.path(), &format!("{proxy}{admin}"), "old");
        let reload = start(directory.path());
        assert!(reload.compare().await.unwrap().is_empty());
        let other = format!("{proxy}{admin}").replace("abcdef", "fedcba").replace("one", "two");
        write(directory.path(), &other, "old");
        let changes = reload.apply().await.unwrap();
        assert_eq!(later(&changes), ["admin.token", "sources.a.proxy"]);
        assert_eq!(changes.differences, reload.compare().await.unwrap(), "they are not in force");
    }

    #[tokio::test]
    async fn an_unreadable_configuration_changes_nothing() {
        let directory = tempfile::tempdir().unwrap();
        write(directory.path(), FILE, "old");
        let reload = start(directory.path());
        write(directory.path(), FILE, "");
        assert!(reload.apply().await.unwrap_err().to_string().contains("a.password"));
        write(directory.path(), FILE, "new");
        assert_eq!(names(&reload.apply().await.unwrap()), ["a"]);
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
        let reload = start(directory.path());
        let more = SINKS
            .replace("\"o\"", "\"p\"")
            .replace("[sinks.other]", "stream = \"s\"\nca_file = \"ca.pem\"\n[sinks.other]");
        let authority = rcgen::generate_simple_self_signed(vec!["ca".to_owned()]).unwrap();
        fs::write(directory.path().join("ca.pem"), authority.cert.pem()).unwrap();
        put(&more, "planted");
        let changes = reload.apply_secrets(|sink| sink == "bus").await.unwrap();
        assert_eq!(
            (found(&changes), changes.differences.is_empty()),
            (vec!["bus".to_owned()], true),
            "the rest waits for a request"
        );
        assert!(!format!("{changes:?} {reload:?}").contains("planted"));
        let changes = reload.apply().await.unwrap();
        assert_eq!(found(&changes), ["other"], "the first is known by now");
        assert_eq!(later(&changes), ["sinks.bus.stream"]);
        let authority = rcgen::generate_simple_self_signed(vec!["another".to_owned()]).unwrap();
        fs::write(directory.path().join("ca.pem"), authority.cert.pem()).unwrap();
        assert_eq!(found(&reload.apply().await.unwrap()), ["bus"], "a file of the same name was replaced");
    }
    #[cfg(feature = "nats")]
    #[tokio::test]
    async fn rules_are_in_force_once_applied_and_all_else_is_reported_again() {
        let sink = "[sinks.bus]\ntype = \"nats\"\nheartbeat = \"10s\"\n[sinks.other]\ntype = \"stdout\"\n[log]\nlevel = \"info\"\n";
        let directory = tempfile::tempdir().unwrap();
        let put = |sink: &str| {
            write(directory.path(), &FILE.replace("[sinks.out]\ntype = \"stdout\"\n", sink), "old");
        };
        let rules = |changes: &Changes| {
            changes
                .rules
                .iter()
                .map(|(name, rules)| (name.clone(), rules.config.heartbeat))
                .collect::<Vec<_>>()
        };
        put(sink);
        let reload = start(directory.path());
        assert!(reload.compare().await.unwrap().is_empty());
        let other = sink
            .replace("\"10s\"", "\"5s\"\nsubject = \"x.{source}.{class}.{slug}.{entity}\"\nstream = \"s\"")
            .replace("info", "debug\"\nformat = \"json");
        put(&other);
        let differences = reload.compare().await.unwrap();
        let keys = |of: &[Difference]| of.iter().map(|difference| difference.key.clone()).collect::<Vec<_>>();
        assert_eq!(keys(&differences.reload), ["log.level", "sinks.bus.heartbeat", "sinks.bus.subject"]);
        assert_eq!(keys(&differences.restart), ["log.format", "sinks.bus.stream"]);
        let heartbeat = &differences.reload[1];
        assert_eq!((heartbeat.from.as_deref(), heartbeat.to.as_deref()), (Some("\"10s\""), Some("\"5s\"")));
        assert!(heartbeat.origin.as_ref().unwrap().ends_with("config.toml:11"), "{heartbeat:?}");
        let changes = reload.apply().await.unwrap();
        assert_eq!(changes.differences, differences);
        assert_eq!(rules(&changes), [("bus".to_owned(), Some(Duration::from_secs(5)))]);
        let differences = reload.compare().await.unwrap();
        assert_eq!(
            (differences.reload.len(), keys(&differences.restart)),
            (0, vec!["log.format".to_owned(), "sinks.bus.stream".to_owned()])
        );
        assert!(rules(&reload.apply().await.unwrap()).is_empty(), "they are in force by now");
        // Another type of sink is another sink.
        put(&other.replace("[sinks.other]\ntype = \"stdout\"", "[sinks.other]\ntype = \"nats\"\nheartbeat = \"1s\"\nsubject = \"y.{source}.{class}.{slug}.{entity}\""));
        let changes = reload.apply().await.unwrap();
        assert!(
            rules(&changes).is_empty() && later(&changes).contains(&"sinks.other.heartbeat"),
            "{changes:?}"
        );
    }

    #[tokio::test]
    async fn another_kind_of_credentials_needs_a_restart() {
        let directory = tempfile::tempdir().unwrap();
        write(directory.path(), FILE, "old");
        let reload = start(directory.path());
        write(
            directory.path(),
            &FILE.replace("password = \"b\"", "auth = \"legacy\"\npassword_file = \"a.password\""),
            "old",
        );
        let changes = reload.apply().await.unwrap();
        assert_eq!(
            (names(&changes), later(&changes)),
            (vec![], vec!["sources.b.auth", "sources.b.password", "sources.b.password_file"])
        );
    }

    #[tokio::test]
    async fn a_configuration_with_a_problem_is_reported_and_changes_nothing() {
        let directory = tempfile::tempdir().unwrap();
        write(directory.path(), FILE, "old");
        let reload = start(directory.path());
        let before = reload.last();
        write(directory.path(), &FILE.replace("stdout", "stdin"), "new");
        let differences = reload.compare().await.unwrap();
        assert!(differences.problems[0].contains("config.toml:"), "{differences:?}");
        assert_eq!(reload.last(), before, "a comparison is no reload");
        reload.apply().await.unwrap_err();
        assert_eq!(reload.last(), LastReload { is_successful: false, ..before });
        write(directory.path(), FILE, "new");
        assert_eq!(names(&reload.apply().await.unwrap()), ["a"]);
        assert!(reload.last().is_successful && reload.last().succeeded > before.succeeded);
    }
}
