//! The life cycle: start, run, and stop in order.

pub mod config;
mod reload;
mod tasks;

use std::{collections::BTreeMap, io, sync::Arc, time::Duration};

use jiff::Timestamp;
use tokio::{
    task::JoinError,
    time::{Instant, MissedTickBehavior, interval, sleep_until},
};
use tracing::Instrument as _;

use self::tasks::Tasks;
use crate::{
    admin::{self, View},
    app::config::Config,
    auth::Account,
    derive::{self, CallCounters},
    event::{Notice, SinkId, SourceId},
    exit::Exit,
    health::Board,
    journal::{Journal, OpenError, fs},
    reload::Reload,
    request::{Request, Requests, Trigger},
    session,
    shutdown::{Signals, Watchdog},
    sink::{self, Outcome},
    systemd, telemetry,
};

/// Options of a run that differ from the service's.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Stop after this many published events.
    pub limit: Option<u64>,
    /// Treat a closed pipe as a clean end, as filters do.
    pub until_closed: bool,
    /// Reloads the configuration.
    pub reload: Option<Reload>,
}

/// Limit for sessions to log out and end.
const LOGOUT: Duration = Duration::from_secs(5);
/// Limit of the wait for sinks before sessions start.
const ASK: Duration = Duration::from_secs(2);
/// Interval of the loss announcements while a sink is down.
const ANNOUNCE: Duration = Duration::from_secs(10);
/// Interval at which calls that are no longer visible may end.
const CALLS: Duration = Duration::from_secs(1);
/// Interval at which secrets are polled while a source or sink fails, and before a source renews its login: they may have
/// been replaced.
const CREDENTIAL_POLL: Duration = Duration::from_secs(10);

/// Runs until a signal, the limit, or a task that exits unexpectedly.
pub async fn run(config: &Config, options: Options) -> Exit {
    let listening =
        || Ok((Signals::listen()?, Requests::listen()?, Watchdog::start(LOGOUT + config.drain_timeout)?));
    let (mut signals, mut requests, watchdog) = match listening() {
        Ok(listening) => listening,
        Err::<_, io::Error>(error) => {
            tracing::error!(%error, "could not listen for signals");
            return Exit::Internal;
        }
    };
    let board = Board::default();
    let calls = CallCounters::default();
    let journal = match open(config, &board, &calls) {
        Ok(journal) => journal,
        Err(error) => {
            tracing::error!(%error, "could not open the journal");
            return Exit::Journal;
        }
    };
    let context = sink::Context {
        retain: config.journal.disk.as_ref().map_or(Duration::ZERO, |disk| disk.retain),
        board,
        limit: options.limit,
        ..sink::Context::new(&config.instance, journal.clone(), config.sinks.keys().cloned().collect())
    };
    tracing::info!(instance = config.instance, journal = %journal.id(), version = env!("CARGO_PKG_VERSION"), "started");
    let view = View::new(config, &context, options.reload.clone()).with_calls(calls);
    let admin = config.admin.clone().map(|admin| {
        let health = context.board.component("admin".to_owned());
        tokio::spawn(admin::run(admin, view.clone(), requests.ask(), health))
    });
    let notifying = tokio::spawn(systemd::notify_systemd(view.clone()));
    let mut running = Running::start(config, &context, view, options).await;
    let reason = running.until_stop(&mut signals, &mut requests).await;
    watchdog.stopping(Signals::NAMES.contains(&reason));
    tracing::info!(reason, "stopping");
    systemd::stopping(reason);
    let exit = running.stop(config.drain_timeout, reason, &mut signals).await;
    for task in admin.into_iter().chain([notifying]) {
        task.abort();
    }
    journal.close();
    exit
}

fn open(config: &Config, board: &Board, counters: &CallCounters) -> Result<Journal, OpenError> {
    let names = |keys: Vec<&String>| keys.into_iter().cloned().collect::<Vec<_>>();
    let (sources, sinks) = (names(config.sources.keys().collect()), names(config.sinks.keys().collect()));
    let calls = derive::calls(config.sources_with_calls(), counters);
    let Some(disk) = &config.journal.disk else {
        return Ok(Journal::memory(config.journal.memory, &sources, &sinks).deriving(&calls));
    };
    let health = Arc::new(board.component("journal".to_owned()));
    let (journal, recovery) =
        Journal::open_with(disk, Arc::new(fs::Disk), &sources, &sinks, health, Some(&calls))?;
    counters.restart();
    for note in recovery.notes {
        tracing::warn!(note, "the journal was repaired");
    }
    Ok(journal)
}

struct Running {
    context: sink::Context,
    view: View,
    options: Options,
    accounts: BTreeMap<String, Account>,
    started: Vec<SourceId>,
    retry: Trigger,
    resync: Trigger,
    reconnect: Trigger,
    sessions: Tasks<()>,
    sinks: Tasks<Outcome>,
    /// Sinks that ended with undelivered events, and their number.
    undelivered: Vec<(String, u64)>,
    exit: Exit,
}

impl Running {
    async fn start(config: &Config, context: &sink::Context, view: View, options: Options) -> Self {
        let mut sinks = Tasks::new();
        for (id, (name, config)) in (0..).map(SinkId).zip(&config.sinks) {
            let task = sink::spawn(context, id, config);
            sinks.spawn(name.clone(), task.instrument(telemetry::span::sink(name)));
        }
        let mut running = Self {
            context: context.clone(),
            view,
            options,
            accounts: BTreeMap::new(),
            started: Vec::new(),
            retry: context.retry.clone(),
            resync: Trigger::default(),
            reconnect: Trigger::default(),
            sessions: Tasks::new(),
            sinks,
            undelivered: Vec::new(),
            exit: Exit::Clean,
        };
        // A broker may hold sequence numbers that the journal has lost: sessions wait until each sink has asked its broker,
        // or has had no answer.
        let mut opened = context.opened.subscribe();
        let asked = opened.wait_for(|opened| *opened >= context.sinks.len());
        let _ = tokio::time::timeout(ASK, asked).await;
        for (name, config) in &config.sources {
            if let Some(id) = context.journal.source(name) {
                running.start_source(id, name, config);
            }
        }
        running
    }

    fn start_source(&mut self, id: SourceId, name: &str, config: &session::config::Config) {
        self.started.push(id);
        let context = &self.context;
        let health = context.board.component(format!("source/{name}"));
        context.journal.notice(id, &Notice::Started { version: env!("CARGO_PKG_VERSION") });
        let account = match session::account_with(config, config.token_cache.clone()) {
            Ok(account) => account,
            Err(error) => {
                // Found only when the files are read: reporting it beats restarting in a loop.
                health.failing(&error.to_string());
                return;
            }
        };
        let (stop, retry) = (context.stop.sessions_token().clone(), self.retry.subscribe());
        let (span, renewing) = (telemetry::span::source(name), account.clone());
        let renewal = async move { renewing.renew(stop, retry).await };
        self.sessions.spawn(format!("{name} renewal"), renewal.instrument(span.clone()));
        let journal = context.journal.clone();
        let stop = context.stop.clone();
        let (retry, resync, reconnect) =
            (self.retry.subscribe(), self.resync.subscribe(), self.reconnect.subscribe());
        let findings = session::Findings::default();
        let source = session::Source {
            id,
            config: config.clone(),
            account: account.clone(),
            journal,
            health,
            stop,
            retry,
            resync,
            reconnect,
            findings: findings.clone(),
            board: context.board.clone(),
            sinks: context.sinks.to_vec(),
        };
        self.sessions.spawn(format!("{name} session"), session::run(source).instrument(span));
        self.view.admit(name, account.clone(), findings);
        self.accounts.insert(name.to_owned(), account);
    }

    /// Runs until there is a reason to stop.
    async fn until_stop(&mut self, signals: &mut Signals, requests: &mut Requests) -> &'static str {
        let (mut announce, mut credentials) = (interval(ANNOUNCE), interval(CREDENTIAL_POLL));
        let mut calls = interval(CALLS);
        for interval in [&mut credentials, &mut calls] {
            interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        }
        loop {
            tokio::select! {
                signal = signals.next() => return signal,
                request = requests.next() => self.pass_on(request).await,
                _ = credentials.tick() => self.poll_credentials().await,
                Some((name, ended)) = self.sinks.next() => return self.sink_ended(&name, ended),
                Some((name, ended)) = self.sessions.next() => {
                    tracing::error!(task = name, panicked = ended.is_err(), "task exited unexpectedly");
                    self.exit = Exit::Internal;
                    return "task exited unexpectedly";
                }
                _ = announce.tick() => self.context.journal.announce_losses(),
                _ = calls.tick() => self.context.journal.tick(Timestamp::now()),
            }
        }
    }

    async fn pass_on(&mut self, request: Request) {
        match request {
            Request::Retry => {
                tracing::info!(
                    "SIGHUP received: reloading the configuration, retrying failed components now"
                );
                systemd::reloading();
                self.reload().await;
                if std::env::var_os("CREDENTIALS_DIRECTORY").is_some_and(|directory| !directory.is_empty()) {
                    tracing::info!("credentials loaded by systemd change only with a restart");
                }
                self.retry.fire();
                systemd::reloaded();
            }
            Request::Resync => {
                tracing::info!("resync requested: every live session reads the PBX's state again");
                self.resync.fire();
            }
            Request::Reconnect => {
                tracing::info!("reconnect requested: reopening all sessions, retrying failed components now");
                self.reconnect.fire();
                self.retry.fire();
            }
        }
    }

    fn sink_ended(&mut self, name: &str, ended: Result<Outcome, JoinError>) -> &'static str {
        match ended {
            Ok(Outcome::LimitReached) => "the limit is reached",
            Ok(Outcome::Drained) => "drained",
            Ok(Outcome::Undelivered(count)) => {
                self.undelivered.push((name.to_owned(), count));
                self.exit = self.exit.worse(Exit::Undelivered);
                "undelivered"
            }
            Ok(Outcome::Gone(reason)) => {
                if !self.options.until_closed {
                    tracing::error!(sink = name, reason, "the destination of the sink is gone");
                    self.exit = Exit::Internal;
                }
                "a sink's destination is gone"
            }
            Err(_) => {
                tracing::error!(sink = name, "sink task panicked");
                self.exit = Exit::Internal;
                "task exited unexpectedly"
            }
        }
    }

    /// Stops sessions first, then drivers and their links; a second signal or the deadline ends everything at once.
    async fn stop(mut self, drain: Duration, reason: &'static str, signals: &mut Signals) -> Exit {
        let stop = self.context.stop.clone();
        stop.end_sessions();
        let logged_out = Instant::now() + LOGOUT;
        tokio::select! {
            () = async { while self.sessions.next().await.is_some() {} } => {}
            () = sleep_until(logged_out) => tracing::warn!("sessions did not end in time"),
            _ = signals.next() => stop.at_once(),
        }
        for account in std::mem::take(&mut self.accounts).into_values().filter(|_| !stop.is_draining()) {
            tokio::select! {
                () = account.logout(logged_out.saturating_duration_since(Instant::now())) => {}
                _ = signals.next() => stop.at_once(),
            }
        }
        for id in &self.started {
            self.context.journal.notice(*id, &Notice::Stopping { reason });
        }
        stop.drain();
        let deadline = Instant::now() + drain;
        let mut is_late = false;
        loop {
            tokio::select! {
                next = self.sinks.next() => match next {
                    Some((name, ended)) => drop(self.sink_ended(&name, ended)),
                    None => break,
                },
                _ = signals.next() => stop.at_once(),
                () = sleep_until(deadline), if !is_late => {
                    tracing::warn!(?drain, "the drain deadline has passed");
                    is_late = true;
                    stop.at_once();
                }
            }
        }
        self.report_undelivered();
        self.exit
    }

    /// Reports undelivered events: those that are safe on disk, and those that are lost with the process.
    fn report_undelivered(&self) {
        let journal = &self.context.journal;
        if !self.undelivered.is_empty() && !journal.is_durable() {
            // The disk may accept writes again by now.
            journal.sync();
        }
        for (name, count) in &self.undelivered {
            let (sink, is_durable) = (name.as_str(), journal.is_durable());
            let at_risk = self.context.sink(name).and_then(|sink| journal.at_risk(sink));
            let lost = at_risk.as_ref().map_or(0, |(_, lost)| *lost).min(*count);
            if let Some((cause, _)) = at_risk {
                tracing::error!(
                    sink,
                    count = lost,
                    cause,
                    "undelivered events were lost because the journal's disk refused them: free space or replace the disk"
                );
            } else if !is_durable {
                tracing::warn!(
                    sink,
                    count,
                    "undelivered events were lost because the journal is in memory: set [journal] dir, or a longer `drain_timeout`"
                );
                continue;
            }
            if *count > lost {
                tracing::warn!(
                    sink,
                    count = count - lost,
                    "stopped with undelivered events: they are in the journal and will be delivered after the next start"
                );
            }
        }
    }
}
