//! `cti-bridge check`: tests every step from the configuration to the sinks, and reports problems with their remedies.
//!
//! ```text
//! config → secrets → journal
//! source: dns → tcp → tls ─┬▶ api → login → otp → profile ─┬▶ session → event
//!                          └▶ websocket ───────────────────┘
//! sink:   connect ─┬▶ stream
//!                  └▶ publish
//! ```
//!
//! **Guarantees.** It runs the code of the running bridge, so both report the same problems in the same words. Every step is
//! bounded. A failed stage skips only those that need it. It is safe beside a running bridge: its session has no `uaType`, so
//! it takes over no other; its token is its own and is logged out at the end; the journal is only inspected, and a temporary
//! file is written beside it; no stream is created or changed; what it publishes is of class `status`.
//!
//! **Not its job.** It neither retries nor repairs anything.

mod account;
mod journal;
mod net;
mod report;
mod session;
mod sink;
pub mod step;

use std::{io::Write, net::SocketAddr, time::Duration};

use parking_lot::{Mutex, MutexGuard};

pub use self::report::{Format, Report};
use self::step::{Component, Fault, Found, Stage};
use crate::{
    app::config::{Config, Loaded},
    auth::Account,
    commands::logout,
    config::Problems,
    journal::inspect::LockState,
    session as sessions,
};

/// Limit of steps without a limit of their own.
const PATIENCE: Duration = Duration::from_secs(10);

/// What to check.
#[derive(Debug, Clone, Default)]
pub struct Scope {
    /// Only what needs no network.
    pub offline: bool,
    /// These sources; if neither these nor `sinks` are named, all.
    pub sources: Vec<String>,
    /// These sinks.
    pub sinks: Vec<String>,
    /// How long to wait for an event of each source. `None` skips the wait.
    pub wait: Option<Duration>,
}

/// Loads the configuration and the files it names. Returns `None` if it cannot be used.
pub fn configuration<W: Write>(
    report: &mut Report<W>,
    load: impl FnOnce() -> Result<Loaded, Problems>,
) -> Option<Config> {
    let sentences = |is_file: bool, problems: &Problems| -> Vec<String> {
        problems.iter().filter(|problem| problem.is_file == is_file).map(ToString::to_string).collect()
    };
    let mut files = None;
    report.step_now(&Component::Bridge, Stage::Config, || match load() {
        Ok(loaded) => {
            let found = Found::well(summary(&loaded)).warn(loaded.warnings);
            files = Some(Ok((loaded.config, Found::well("every file it names can be read"))));
            Ok(((), found))
        }
        Err(problems) => {
            let (settings, unreadable) = (sentences(false, &problems), sentences(true, &problems));
            if !unreadable.is_empty() {
                files = Some(Err(Fault::from_messages(unreadable)));
            }
            if settings.is_empty() {
                Ok(((), Found::well("its settings are right")))
            } else {
                Err(Fault::from_messages(settings))
            }
        }
    });
    let Some(files) = files else {
        report.skip(&Component::Bridge, Stage::Secrets, "config");
        return None;
    };
    report.step_now(&Component::Bridge, Stage::Secrets, || files)
}

fn summary(loaded: &Loaded) -> String {
    let file = loaded.file.as_ref().map_or_else(|| "no file".to_owned(), |file| file.display().to_string());
    let plural = |count: usize| if count == 1 { "" } else { "s" };
    let (sources, sinks) = (loaded.config.sources.len(), loaded.config.sinks.len());
    format!("{file}: {sources} source{}, {sinks} sink{}", plural(sources), plural(sinks))
}

/// The logins of the check, which are logged out however it ends.
#[derive(Debug)]
pub struct CheckSessions {
    accounts: Mutex<Vec<(String, Account)>>,
    bridge: Option<SocketAddr>,
}

impl CheckSessions {
    /// `bridge`: the admin endpoint of a bridge that may run beside the check.
    pub fn new(bridge: Option<SocketAddr>) -> Self {
        Self { accounts: Mutex::default(), bridge }
    }

    fn add(&self, source: String, account: &Account) {
        self.lock().push((source, account.clone()));
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(String, Account)>> {
        self.accounts.lock()
    }

    /// Logs out the tokens of the check.
    pub async fn log_out(&self) {
        let accounts = std::mem::take(&mut *self.lock());
        for (source, account) in accounts {
            logout::log_out(&account, &source, self.bridge).await;
        }
    }
}

/// Checks everything after the configuration. May be dropped at any time; call [`CheckSessions::log_out`] then.
pub async fn walk<W: Write>(report: &mut Report<W>, config: &Config, scope: &Scope, opened: &CheckSessions) {
    let inspection =
        report.step(&Component::Bridge, Stage::Journal, journal::place(&config.journal)).await.flatten();
    if scope.offline {
        return;
    }
    let all = scope.sources.is_empty() && scope.sinks.is_empty();
    for (name, settings) in config.sources.iter().filter(|(name, _)| all || scope.sources.contains(name)) {
        source(report, &Component::Source(name.clone()), settings, scope.wait, opened).await;
        opened.log_out().await;
    }
    for (name, settings) in config.sinks.iter().filter(|(name, _)| all || scope.sinks.contains(name)) {
        let component = Component::Sink(name.clone());
        let journal = inspection.as_ref().and_then(|inspection| {
            let dir = config.journal.disk.as_ref()?.dir.clone();
            Some((inspection.journal?, dir, inspection.lock == LockState::InUse))
        });
        if sink::walk(report, &component, (name, config), journal).await.is_none() {
            for stage in sink::stages(settings) {
                report.skip(&component, stage, Stage::Connect.name());
            }
        }
    }
}

/// Checks a source, from its host name to its first event.
async fn source<W: Write>(
    report: &mut Report<W>,
    component: &Component,
    config: &sessions::config::Config,
    wait: Option<Duration>,
    opened: &CheckSessions,
) {
    use Stage as S;

    const CTI: [Stage; 7] = [S::Api, S::Login, S::Otp, S::Profile, S::Websocket, S::Session, S::Event];
    let skip = |report: &mut Report<W>, stages: &[Stage], needs: Stage| {
        for stage in stages.iter().filter(|stage| **stage != S::Event || wait.is_some()) {
            report.skip(component, *stage, needs.name());
        }
    };
    if let Err(failed) = connection(report, component, config).await {
        let is_secure = config.base.scheme() == "https";
        let between =
            [S::Tcp, S::Tls].into_iter().filter(|stage| *stage > failed && (is_secure || *stage != S::Tls));
        skip(report, &between.chain(CTI).collect::<Vec<_>>(), failed);
        return;
    }
    let grant = grant(report, component, config, opened, &skip).await;
    let socket = report.step(component, S::Websocket, session::open(config)).await;
    let (Some(grant), Some(mut socket)) = (&grant, socket) else {
        let needs = if grant.is_none() { S::Profile } else { S::Websocket };
        skip(report, &[S::Session, S::Event], needs);
        return;
    };
    let accepted = session::log_in(&mut socket, grant, config.login_timeout);
    if report.step(component, S::Session, accepted).await.is_none() {
        skip(report, &[S::Event], S::Session);
    } else if let Some(wait) = wait {
        report.step(component, S::Event, session::event(&mut socket, wait)).await;
    }
    socket.close().await;
}

/// Checks host name, connection and certificate. The error is the failed stage.
async fn connection<W: Write>(
    report: &mut Report<W>,
    component: &Component,
    config: &sessions::config::Config,
) -> Result<(), Stage> {
    let (target, limits) = (config.target(), config.limits());
    let resolved = net::resolve(&target, &limits);
    let addresses = report.step(component, Stage::Dns, resolved).await.ok_or(Stage::Dns)?;
    let reached = net::reach(&target, &addresses, &limits);
    let tcp = report.step(component, Stage::Tcp, reached).await.ok_or(Stage::Tcp)?;
    if config.base.scheme() == "https" {
        let secured = net::secure(&target, tcp, &limits);
        report.step(component, Stage::Tls, secured).await.ok_or(Stage::Tls)?;
    }
    Ok(())
}

/// Checks the API, and logs in.
async fn grant<W: Write>(
    report: &mut Report<W>,
    component: &Component,
    config: &sessions::config::Config,
    opened: &CheckSessions,
    skip: &impl Fn(&mut Report<W>, &[Stage], Stage),
) -> Option<crate::auth::Grant> {
    let probed = async {
        match sessions::client(config) {
            Ok(client) => account::probe(&client).await,
            Err(error) => Err(error.into()),
        }
    };
    let Some(ahead) = report.step(component, Stage::Api, probed).await else {
        skip(report, &[Stage::Login, Stage::Otp, Stage::Profile], Stage::Api);
        return None;
    };
    let account = match sessions::account(config) {
        Ok(account) => account,
        Err(error) => {
            report.step_now::<()>(component, Stage::Login, || Err(error.into()));
            skip(report, &[Stage::Otp, Stage::Profile], Stage::Login);
            return None;
        }
    };
    if let Component::Source(name) = component {
        opened.add(name.clone(), &account);
    }
    match account::login(report, component, &account, config, ahead).await {
        Ok(grant) => Some(grant),
        Err(failed) => {
            let after: Vec<Stage> =
                [Stage::Otp, Stage::Profile].into_iter().filter(|stage| *stage > failed).collect();
            skip(report, &after, failed);
            None
        }
    }
}
