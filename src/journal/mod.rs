//! The one durable line between sessions and sinks.
//!
//! ```text
//! session(a) ──Live::commit──▶ ┌────────────── line ──────────────┐ ◀──Reader(sink x): next = 7
//! session(b) ──Live::commit──▶ │ 5 │ 6 │ 7 │ 8 │ 9 │ 10 │ … │ end │ ◀──Reader(sink y): next = 10
//!                              └──────────────────────────────────┘
//! ```
//!
//! **What it owns.** The order of all records ([`Position`], dense), the number of each source's
//! records ([`Seq`]), one cursor and one ledger per sink.
//!
//! **What it promises.**
//! * Appending never waits for a broker, nor for a reader.
//! * A source's numbers rise by one, and no number is given twice.
//! * No event precedes the `gap` of its session: [`Ingest::begin`] consumes the ingest and appends the
//!   gap; only the [`Live`] it returns takes events.
//! * A record leaves the line when every cursor has passed it, or when the bound in bytes demands it.
//!   What a sink then misses is counted in its ledger and announced on the line (`lost`).
//! * For every source and sink, at any time:
//!   `received = published + filtered + dead-lettered + pending + lost`.
//!
//! **What it does not do.** It looks into no record, and knows neither names nor destinations.
//!
//! This is the memory journal: its records do not outlive the process, and its numbering starts at the
//! Unix time in microseconds, so that a new one is above all that went before.

pub mod config;
mod cursor;
mod ingest;
mod line;
mod reader;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use cursor::{Cursor, Ledger, Settled};
pub use ingest::{Ingest, Live, Opened};
pub use reader::Reader;
use tokio::sync::watch;

use self::line::Line;
use crate::{
    event::{JournalId, Notice, Position, Seq, SourceId},
    socketio::BadFrame,
};

/// A cheap handle; all clones are the same line.
#[derive(Debug, Clone)]
pub struct Journal(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    id: JournalId,
    line: Mutex<Line>,
    end: watch::Sender<Position>,
}

impl Journal {
    /// A new, empty line for these sources and sinks, bounded to `capacity` bytes.
    pub fn memory(capacity: usize, sources: &[String], sinks: &[String]) -> Self {
        let first = Seq(u64::try_from(jiff::Timestamp::now().as_microsecond()).unwrap_or_default());
        let line = Line::new(capacity, first, sources, sinks);
        Self(Arc::new(Shared {
            id: JournalId::draw(),
            end: watch::Sender::new(line.end()),
            line: Mutex::new(line),
        }))
    }

    /// Its name: half of every event's id.
    pub fn id(&self) -> JournalId {
        self.0.id
    }

    /// The writing end for one source. A source has one session at a time, so take it once.
    pub fn ingest(&self, source: SourceId) -> Ingest {
        Ingest::new(self.clone(), source)
    }

    /// The reading end for one sink, by its place in the list given at opening.
    pub fn reader(&self, sink: usize) -> Reader {
        Reader::new(self.clone(), sink, self.0.end.subscribe())
    }

    /// Appends a notice outside of any session.
    pub fn notice(&self, source: SourceId, notice: Notice) -> Seq {
        let seq = self.line().notice(source, notice);
        self.wake();
        seq
    }

    /// Announces what was lost since the last call. The line also does so by itself when it grows.
    pub fn announce_losses(&self) {
        if self.line().announce_losses() {
            self.wake();
        }
    }

    /// The newest number and the newest notice of loss of a source.
    pub fn newest(&self, source: SourceId) -> (Seq, Seq) {
        self.line().newest(source)
    }

    /// The ledger of one source at one sink, and how many of its records wait.
    pub fn ledger(&self, sink: usize, source: SourceId) -> (Ledger, u64) {
        self.line().ledger(sink, source)
    }

    /// Counts an event that must not reach the line.
    pub fn withhold(&self, source: SourceId) {
        self.line().withhold(source);
    }

    /// Counts a frame that is no event, and logs the first, second, fourth, eighth … of its source.
    pub fn bad_frame(&self, source: SourceId, bad: &BadFrame) {
        let count = self.line().bad_frame(source);
        if count.is_power_of_two() {
            tracing::warn!(source = source.0, count, reason = %bad.reason, bytes = bad.size, "a frame is no event: set aside");
        }
    }

    /// How many frames of a source were no events.
    pub fn bad_frames(&self, source: SourceId) -> u64 {
        self.line().bad_frames(source)
    }

    fn line(&self) -> MutexGuard<'_, Line> {
        // The line is consistent between any two of its own statements that can unwind.
        self.0.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake(&self) {
        let end = self.line().end();
        self.0.end.send_replace(end);
    }
}
