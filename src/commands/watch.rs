//! A look at a PBX beside the bridge: a login and a session of its own, on a line in memory alone.
//!
//! The session is of no type, so it takes nobody's place. What fails before it is live ends the command, as one-shot
//! commands do; from then on it comes back by itself, and tells of the gap.

use std::{net::SocketAddr, time::Duration};

use tokio::{task::JoinHandle, time::timeout};
use tracing::Instrument as _;

use super::farewell::{self, LOGOUT};
use crate::{
    app,
    auth::Account,
    event::{JournalId, Record, SinkId, SourceId},
    exit::Exit,
    health::{Board, State},
    journal::{Journal, Reader, Settled},
    request::Call,
    session::{self, config::Config as Source, config::UaType},
    shutdown::Stop,
    telemetry, text,
};

/// A terminal that stands still must not make the PBX keep our backlog: so much waits here, and then the oldest goes.
const MEMORY: usize = 16 * 1024 * 1024;
/// How soon a session that fails is noticed.
const LOOK: Duration = Duration::from_millis(50);
/// Records taken at a time.
const MOST: usize = 256;
const PART: &str = "source";

/// Why there is nothing more to see.
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

    /// A clean end is none to speak of.
    pub(super) fn unless_clean(self) -> Result<(), Self> {
        if self.exit == Exit::Clean { Ok(()) } else { Err(self) }
    }

    /// The same, of this source.
    pub(super) fn of(self, source: &str) -> Self {
        Self { reason: format!("sources.{source}: {}", self.reason), ..self }
    }
}

/// A session that is watched.
pub(super) struct Watch {
    reader: Reader,
    name: String,
    /// Where a running bridge is asked whether it has the same token.
    bridge: Option<SocketAddr>,
    account: Account,
    stop: Stop,
    board: Board,
    session: JoinHandle<()>,
    live: bool,
    /// Nobody calls; the session listens all the same.
    _calls: Call,
}

impl Watch {
    /// Logs in, and starts the session.
    pub(super) async fn open(name: &str, source: &Source, bridge: Option<SocketAddr>) -> Result<Self, Ended> {
        // What the PBX sends, and nothing that it was asked for.
        let config =
            Source { ua_type: UaType::None, publish_action_nethlink: false, resync: false, ..source.clone() };
        let account = app::account(&config).map_err(|error| Ended::new(Exit::Config, error))?;
        // The session's own attempts never end; this one does, and the session goes on with its token.
        if let Err(error) = account.grant().await {
            farewell::log_out(&account, name, bridge).await;
            return Err(Ended::new((&error).into(), &error));
        }
        let journal = Journal::memory(MEMORY, &[name.to_owned()], &[String::new()]);
        let (board, stop, calls) = (Board::default(), Stop::default(), Call::default());
        let session = session::Source {
            id: SourceId(0),
            config,
            account: account.clone(),
            journal: journal.clone(),
            health: board.component(PART.to_owned()),
            board: board.clone(),
            sinks: Vec::new(),
            stop: stop.clone(),
            retry: calls.listen(),
            resync: calls.listen(),
            reconnect: calls.listen(),
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

    /// Whose numbers the records have.
    pub(super) fn journal(&self) -> JournalId {
        self.reader.journal().id()
    }

    /// The records that have come. Cancel safe.
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
                _ = &mut self.session => return Err(Ended::new(Exit::Internal, "the session's task ended unasked")),
                () = tokio::time::sleep(LOOK), if !self.live => {}
            }
        }
    }

    /// Ends the session and logs out.
    pub(super) async fn close(mut self) {
        self.stop.end_sessions();
        if !self.session.is_finished() {
            let _ = timeout(LOGOUT, &mut self.session).await;
        }
        farewell::log_out(&self.account, &self.name, self.bridge).await;
    }
}
