//! The status of the bridge.

use std::{collections::BTreeMap, sync::Arc};

use calls::Outcome;
use jiff::Timestamp;
use parking_lot::Mutex;
use serde::Serialize;
use tokio::time::Instant;

use super::{
    certificates::Ends,
    history::{self, History, Hour},
    recent::{self, EventStatus, NoticeStatus},
    reload::{NewRulesStatus, ReloadStatus},
};
use crate::{
    app::config::Config,
    auth::{self, Account},
    derive::{CallCounters, CallCounts},
    event::{DriftKind, EndReason, GapReason, Seq, SinkId, SourceId},
    health::{Board, Health, State},
    journal::{DiskUse, EventCount, Gaps, Journal, Ledger, Stats},
    reload::Reload,
    session::{Finding, Findings},
    sink,
};

/// Access to the state of all components. Clones share it.
#[derive(Debug, Clone)]
pub struct View {
    config: Arc<Config>,
    journal: Journal,
    board: Board,
    counters: sink::Counters,
    switches: sink::Switches,
    pub(super) reload: Option<Reload>,
    accounts: Arc<Mutex<BTreeMap<String, (Account, Findings)>>>,
    pub(super) certificates: Ends,
    history: History,
    calls: CallCounters,
    started: Timestamp,
}

/// The journal makes no progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("journal thread stalled for {seconds} s; the disk may be hung")]
pub struct Stalled {
    /// Time since its thread last made progress.
    pub seconds: u64,
}

/// The status of the bridge.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// The bridge's name.
    pub instance: String,
    /// The version of the program.
    pub version: &'static str,
    /// The commit it was built from.
    pub commit: &'static str,
    /// When it started.
    pub started: Timestamp,
    /// The time of this status.
    pub now: Timestamp,
    /// Whether every component is active.
    pub ready: bool,
    /// The last reload of the configuration. `None` for a process that has none.
    pub reload: Option<ReloadStatus>,
    /// The journal.
    pub journal: JournalStatus,
    /// The PBXs.
    pub sources: Vec<SourceStatus>,
    /// The brokers.
    pub sinks: Vec<SinkStatus>,
    /// The last notices, newest first.
    pub notices: Vec<NoticeStatus>,
    /// The last events, newest first; without their arguments.
    pub events: Vec<EventStatus>,
    /// The last gaps, newest first: also those whose notice is not among the last any more.
    pub gaps: Vec<NoticeStatus>,
    /// The last hour, a value a minute.
    pub history: Hour,
}

/// The journal.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct JournalStatus {
    /// The first half of every event's id.
    pub id: String,
    /// Whether undelivered events survive the process: there is a directory, and its disk accepts writes.
    pub durable: bool,
    /// `disk`, `memory`, or `disk_refuses` while its disk accepts no writes, so that new events are in memory.
    pub place: &'static str,
    /// The health of its disk; `None` in memory.
    #[serde(flatten)]
    pub health: Option<Health>,
    /// Size in bytes.
    pub bytes: u64,
    /// Maximum size in bytes.
    pub max_bytes: u64,
    /// Number of files.
    pub segments: usize,
    /// Bytes of the newest records, which are in memory too.
    pub memory_bytes: usize,
    /// When it will be full at the rate of the last minutes; `None` while it does not fill.
    pub full_at: Option<Timestamp>,
}

/// One PBX.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SourceStatus {
    /// Its name.
    pub name: String,
    /// Its API.
    pub url: String,
    /// The service account.
    pub username: String,
    /// The health of its session.
    #[serde(flatten)]
    pub health: Option<Health>,
    /// Sessions since the start.
    pub sessions: u64,
    /// Session ends, by reason.
    pub session_ends: BTreeMap<EndReason, u64>,
    /// Gaps since the start, by reason.
    pub gaps: BTreeMap<GapReason, Gaps>,
    /// When a session was last known to be intact.
    pub last_seen: Option<Timestamp>,
    /// The newest sequence number.
    pub newest_sequence: Seq,
    /// Events since the start.
    pub events: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Malformed frames.
    pub bad_frames: u64,
    /// The account's token and logins; `None` if its files cannot be read.
    pub account: Option<AccountStatus>,
    /// Its calls since the start. `None` if they are not derived.
    pub calls: Option<CallsStatus>,
    /// Differences between its events and the catalogue, at most 100.
    pub drift: Vec<Finding>,
    /// Events by name.
    #[serde(skip)]
    pub by_name: Vec<EventCount>,
    /// Sampled events that differ from the catalogue, by name and kind.
    #[serde(skip)]
    pub drift_counts: BTreeMap<(&'static str, DriftKind), u64>,
}

/// The calls of a PBX.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CallsStatus {
    /// Calls that go on.
    pub going_on: u64,
    /// Calls that began.
    pub started: u64,
    /// Calls that ended, by outcome.
    pub ended: BTreeMap<Outcome, u64>,
    /// All counters, for the metrics.
    #[serde(skip)]
    pub counts: CallCounts,
}

impl From<CallCounts> for CallsStatus {
    fn from(counts: CallCounts) -> Self {
        let mut ended: BTreeMap<Outcome, u64> =
            Outcome::ALL.into_iter().map(|outcome| (outcome, 0)).collect();
        for ((outcome, _), count) in &counts.ended {
            *ended.entry(*outcome).or_default() += count;
        }
        Self { going_on: counts.going_on, started: counts.started, ended, counts }
    }
}

/// An account's token and logins.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AccountStatus {
    /// When the token ends.
    pub token_expires: Option<Timestamp>,
    /// When it is renewed.
    pub token_renews: Option<Timestamp>,
    /// Successful logins.
    pub logins_succeeded: u64,
    /// Refused logins.
    pub logins_refused: u64,
    /// Logins without a valid answer.
    pub logins_unanswered: u64,
    /// How far the PBX's clock is ahead of ours, in seconds.
    pub clock_ahead: f64,
}

/// One sink.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SinkStatus {
    /// Its name.
    pub name: String,
    /// `nats`, `kafka` or `stdout`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The health of its driver.
    #[serde(flatten)]
    pub health: Option<Health>,
    /// Records it has not acknowledged.
    pub lag_events: u64,
    /// Age of the oldest of them, in seconds.
    pub lag_seconds: f64,
    /// The number of the rules in force: 1 for those of the start, one more for each reload that changes them.
    pub generation: u64,
    /// Reloaded rules that are not in force yet.
    pub new_rules: Option<NewRulesStatus>,
    /// Connections that were opened.
    pub connections: u64,
    /// Attempts and connections that failed.
    pub failures: u64,
    /// Dead letters that the broker refused as well.
    pub letters_refused: u64,
    /// When the last heartbeat was handed over.
    pub heartbeat: Option<Timestamp>,
    /// Filtered records since the start, by route.
    pub filtered: BTreeMap<String, u64>,
    /// The outcome of every record since the journal was created, by source.
    pub ledger: BTreeMap<String, LedgerStatus>,
    /// The counters of its driver since the start.
    #[serde(skip)]
    pub counted: sink::SinkCounts,
}

/// The outcome of a source's records at a sink.
#[derive(Debug, Serialize)]
pub struct LedgerStatus {
    /// Records that are not settled.
    pub pending: u64,
    /// Records that are settled.
    #[serde(flatten)]
    pub ledger: Ledger,
    /// Records since the start: published, left out, dead letters.
    #[serde(skip)]
    pub settled: [u64; 3],
}

impl View {
    /// The view of a bridge that starts now.
    pub fn new(config: &Config, context: &sink::Context, reload: Option<Reload>) -> Self {
        Self {
            config: Arc::new(config.clone()),
            journal: context.journal.clone(),
            board: context.board.clone(),
            counters: context.counters.clone(),
            switches: context.switches.clone(),
            reload,
            accounts: Arc::default(),
            certificates: Ends::default(),
            history: History::new(),
            calls: CallCounters::default(),
            started: Timestamp::now(),
        }
    }

    /// Shows these counters of calls.
    #[must_use]
    pub fn with_calls(self, calls: CallCounters) -> Self {
        Self { calls, ..self }
    }

    /// Adds the account of a source, and where differences between its events and the catalogue are collected.
    pub fn admit(&self, source: &str, account: Account, findings: Findings) {
        self.accounts.lock().insert(source.to_owned(), (account, findings));
    }

    /// Keeps slow values up to date. Never ends.
    pub(super) async fn keep(self) {
        let certificates = self.certificates.clone().keep((*self.config).clone());
        tokio::join!(certificates, history::sample(self));
    }

    /// The health of every component.
    pub fn parts(&self) -> BTreeMap<String, Health> {
        self.board.snapshot()
    }

    /// Whether the process makes progress.
    pub fn lives(&self) -> Result<(), Stalled> {
        self.journal.stalled_for().map_or(Ok(()), |time| Err(Stalled { seconds: time.as_secs() }))
    }

    /// The status of the bridge.
    pub fn status(&self) -> Status {
        let (stats, mut parts) = (self.journal.stats(), self.parts());
        let ready = is_ready(&parts);
        let now = Timestamp::now();
        let names = self.journal.sources();
        let mut status = Status {
            instance: self.config.instance.clone(),
            version: env!("CARGO_PKG_VERSION"),
            commit: env!("BUILD_COMMIT"),
            started: self.started,
            now,
            ready,
            reload: self.reload.as_ref().map(|reload| reload.last().into()),
            journal: self.journal_status(&stats, parts.remove("journal")),
            sources: self.sources(&stats, &mut parts),
            sinks: self.sinks(&stats, &mut parts, now),
            notices: recent::notices(&stats, &names),
            events: recent::events(&stats, &names),
            gaps: Vec::new(),
            history: Hour::default(),
        };
        self.history.complete(Instant::now(), &mut status);
        status
    }

    fn journal_status(&self, stats: &Stats, health: Option<Health>) -> JournalStatus {
        let memory = self.config.journal.memory as u64;
        let in_memory = DiskUse { bytes: stats.memory as u64, max_bytes: memory, segments: 0 };
        let DiskUse { bytes, max_bytes, segments } = stats.disk.unwrap_or(in_memory);
        JournalStatus {
            id: self.journal.id().to_string(),
            durable: self.journal.is_durable(),
            place: match (self.journal.is_durable(), &self.config.journal.disk) {
                (true, _) => "disk",
                (false, Some(_)) => "disk_refuses",
                (false, None) => "memory",
            },
            health,
            bytes,
            max_bytes,
            segments,
            memory_bytes: stats.memory,
            full_at: None,
        }
    }

    fn sources(&self, stats: &Stats, parts: &mut BTreeMap<String, Health>) -> Vec<SourceStatus> {
        let accounts = self.accounts.lock().clone();
        let source = |(name, config): (&String, &crate::session::config::Config)| {
            let admitted = accounts.get(name);
            let seen = stats.sources.get(self.journal.source(name)?.index())?.clone();
            Some(SourceStatus {
                name: name.clone(),
                url: config.base.to_string(),
                username: config.username.clone(),
                health: parts.remove(&format!("source/{name}")),
                sessions: seen.sessions,
                session_ends: seen.ends,
                gaps: seen.gaps,
                last_seen: seen.seen,
                newest_sequence: seen.newest,
                events: seen.events.iter().map(|counted| counted.live + counted.snapshot).sum(),
                bytes: seen.bytes,
                bad_frames: seen.bad_frames,
                calls: self.calls.read(name).map(CallsStatus::from),
                account: admitted.map(|(account, _)| account.stats().into()),
                drift: admitted.map(|(_, findings)| findings.list()).unwrap_or_default(),
                drift_counts: admitted.map(|(_, findings)| findings.counts()).unwrap_or_default(),
                by_name: seen.events,
            })
        };
        self.config.sources.iter().filter_map(source).collect()
    }

    fn sinks(&self, stats: &Stats, parts: &mut BTreeMap<String, Health>, now: Timestamp) -> Vec<SinkStatus> {
        let sources = self.journal.sources();
        let sink = |(sink, (name, config)): (SinkId, (&String, &sink::config::Config))| {
            let (seen, counted) = (stats.sinks.get(sink.index())?, self.counters.sink(sink).read());
            let ledger = sources.iter().zip(0_u16..).map(|(source, id)| {
                let (ledger, pending) = self.journal.ledger(sink, SourceId(id));
                let settled = counted.settled.get(usize::from(id)).copied().unwrap_or_default();
                (source.clone(), LedgerStatus { pending, ledger, settled })
            });
            let rules = self.switches.state(name);
            let age = seen.oldest.map_or(0.0, |oldest| now.duration_since(oldest).as_secs_f64().max(0.0));
            Some(SinkStatus {
                name: name.clone(),
                kind: config.kind.type_name(),
                health: parts.remove(&format!("sink/{name}")),
                lag_events: seen.pending,
                lag_seconds: age,
                generation: rules.generation,
                new_rules: NewRulesStatus::of(rules, seen),
                connections: counted.opened,
                failures: counted.failed,
                letters_refused: counted.letters_refused,
                heartbeat: counted.heartbeat,
                filtered: counted.filtered.iter().map(|(route, count)| (route.to_string(), *count)).collect(),
                ledger: ledger.collect(),
                counted,
            })
        };
        (0..).map(SinkId).zip(&self.config.sinks).filter_map(sink).collect()
    }
}

/// Whether every component is active.
pub(super) fn is_ready(parts: &BTreeMap<String, Health>) -> bool {
    parts.values().all(|health| health.state == State::Active)
}

impl From<auth::AccountStats> for AccountStatus {
    fn from(stats: auth::AccountStats) -> Self {
        Self {
            token_expires: stats.expires,
            token_renews: stats.renews,
            logins_succeeded: stats.succeeded,
            logins_refused: stats.refused,
            logins_unanswered: stats.unanswered,
            clock_ahead: stats.ahead.as_secs_f64(),
        }
    }
}
