//! A session of a command's own beside a running bridge, on a journal in memory.
//!
//! The session has no `ua_type`, so it takes over no other session. A failure before it is live ends the command, as in
//! one-shot commands; after that it reconnects by itself and reports the gap.

use std::{net::SocketAddr, time::Duration};

use tokio::{task::JoinHandle, time::timeout};
use tracing::Instrument as _;

use super::logout;
use crate::{
    auth::Account,
    event::{JournalId, Record, SinkId, SourceId},
    exit::Exit,
    health::{Board, State},
    journal::{Journal, Reader, Settled},
    request::Trigger,
    session::{self, config::Config as Source, config::UaType},
    shutdown::Stop,
    telemetry, text,
};

/// Bytes of backlog. A stalled terminal must not make the PBX buffer events, so the oldest are dropped beyond this.
const MEMORY: usize = 16 * 1024 * 1024;
/// Interval of the checks for a failure before the session is live.
const POLL: Duration = Duration::from_millis(50);
/// Records taken at a time.
const MOST: usize = 256;
const PART: &str = "source";

/// The reason why a command ends.
#[derive(Debug, thiserror::Error)]
#[error("{reason}")]
pub(super) struct Ended {
    pub(super) exit: Exit,
    reason: String,
}

impl Ended {
    pub(super) fn new(exit: Exit, reason: impl std::fmt::Display) -> Self {
        Self { exit, reason: text::sentence(&reason.to_string()) }
    }

    /// Treats a clean end as success.
    pub(super) fn unless_clean(self) -> Result<(), Self> {
        if self.exit == Exit::Clean { Ok(()) } else { Err(self) }
    }

    /// Names the source it concerns.
    pub(super) fn of(self, source: &str) -> Self {
        Self { reason: format!("sources.{source}: {}", self.reason), ..self }
    }
}

/// The session and its account.
pub(super) struct LiveSession {
    reader: Reader,
    name: String,
    /// The admin endpoint of a running bridge, which may have the same token.
    bridge: Option<SocketAddr>,
    account: Account,
    stop: Stop,
    board: Board,
    session: JoinHandle<()>,
    live: bool,
    /// Kept so that the session's receivers stay open.
    _calls: Trigger,
}

impl LiveSession {
    /// Logs in, and starts the session.
    pub(super) async fn open(name: &str, source: &Source, bridge: Option<SocketAddr>) -> Result<Self, Ended> {
        // Only what the PBX sends by itself.
        let config = Source {
            ua_type: UaType::None,
            publish_action_nethlink: false,
            resync: false,
            detect_drift: false,
            derive_calls: None,
            ..source.clone()
        };
        let account = session::account(&config).map_err(|error| Ended::new(Exit::Config, error))?;
        // The session retries forever; this attempt does not, and the session uses its token.
        if let Err(error) = account.grant().await {
            logout::log_out(&account, name, bridge).await;
            return Err(Ended::new((&error).into(), &error));
        }
        let journal = Journal::memory(MEMORY, &[name.to_owned()], &[String::new()]);
        let (board, stop, calls) = (Board::default(), Stop::default(), Trigger::default());
        let session = session::Source {
            id: SourceId(0),
            config,
            account: account.clone(),
            journal: journal.clone(),
            health: board.component(PART.to_owned()),
            findings: session::Findings::default(),
            board: board.clone(),
            sinks: Vec::new(),
            stop: stop.clone(),
            retry: calls.subscribe(),
            resync: calls.subscribe(),
            reconnect: calls.subscribe(),
        };
        let session = tokio::spawn(session::run(session).instrument(telemetry::span::source(name)));
        Ok(Self {
            name: name.to_owned(),
            bridge,
            reader: journal.reader(SinkId(0)),
            account,
            stop,
            board,
            session,
            live: false,
            _calls: calls,
        })
    }

    /// The journal that numbers the records.
    pub(super) fn journal(&self) -> JournalId {
        self.reader.journal().id()
    }

    /// The next records. Cancel safe.
    pub(super) async fn next(&mut self) -> Result<Vec<Record>, Ended> {
        loop {
            if !self.live {
                match self.board.snapshot().remove(PART).map(|health| health.state) {
                    Some(State::Active) => self.live = true,
                    Some(State::Failing { reason }) => return Err(Ended::new(Exit::Unavailable, reason)),
                    Some(State::Pending) | None => {}
                }
            }
            let mut records = Vec::new();
            self.reader.read(MOST, &mut records).await;
            if !records.is_empty() {
                let settled =
                    |record: &Record| (record.position, record.source, record.seq, Settled::Published);
                self.reader.settle(records.iter().map(settled));
                return Ok(records);
            }
            tokio::select! {
                () = self.reader.ready() => {}
                _ = &mut self.session => return Err(Ended::new(Exit::Internal, "session task exited unexpectedly")),
                () = tokio::time::sleep(POLL), if !self.live => {}
            }
        }
    }

    /// Ends the session and logs out.
    pub(super) async fn close(mut self) {
        self.stop.end_sessions();
        if !self.session.is_finished() {
            let _ = timeout(logout::TIMEOUT, &mut self.session).await;
        }
        logout::log_out(&self.account, &self.name, self.bridge).await;
    }
}
