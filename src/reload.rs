//! Reloads the configuration while the bridge runs, or compares it.
//!
//! Everything is read and checked first: a configuration with a problem changes nothing. Credentials, certificates and the log
//! level take effect at once, the rules of a sink at the place in the journal that [`crate::sink::Switches`] marks. All other
//! keys need a restart. What was applied is in force from then on; everything else is reported again at each reload.

mod difference;
mod part;
mod snapshot;

use std::sync::Arc;

use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing_subscriber::filter::Targets;

pub use self::difference::{Difference, Differences};
use self::{part::Part, snapshot::Snapshot};
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
mod tests;
