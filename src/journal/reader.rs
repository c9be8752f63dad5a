//! The reading end: one sink's view of the line.

use tokio::sync::watch;

use super::{Cursor, Journal, Settled};
use crate::event::{Position, Record, Seq, SourceId};

/// Reads the line from a sink's cursor on, and moves the cursor.
#[derive(Debug)]
pub struct Reader {
    journal: Journal,
    sink: usize,
    end: watch::Receiver<Position>,
    next: Position,
}

impl Reader {
    pub(super) fn new(journal: Journal, sink: usize, end: watch::Receiver<Position>) -> Self {
        let next = journal.line().cursor(sink).map_or(Position(1), |cursor| cursor.next);
        Self { journal, sink, end, next }
    }

    /// The line it reads.
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// Goes back to the cursor: what was read and not settled is read again.
    pub fn rewind(&mut self) -> Cursor {
        let cursor = self.journal.line().cursor(self.sink).cloned();
        let cursor = cursor.unwrap_or_else(|| Cursor::new(self.next, 0));
        self.next = cursor.next;
        cursor
    }

    /// Appends at most `most` further records to `into`, without waiting.
    pub fn read(&mut self, most: usize, into: &mut Vec<Record>) {
        let before = into.len();
        self.journal.line().copy(self.next, most, into);
        if let Some(last) = into.get(before..).and_then(<[Record]>::last) {
            self.next = last.position.next();
        }
    }

    /// Whether everything that was appended has been read.
    pub fn at_end(&self) -> bool {
        self.next >= *self.end.borrow()
    }

    /// Whether everything that was appended has been settled.
    pub fn is_drained(&self) -> bool {
        self.pending() == 0
    }

    /// How many records are not settled.
    pub fn pending(&self) -> u64 {
        let end = *self.end.borrow();
        self.journal.line().cursor(self.sink).map_or(0, |cursor| end.0.saturating_sub(cursor.next.0))
    }

    /// Waits until there is something to read. Cancel safe.
    pub async fn ready(&mut self) {
        let next = self.next;
        // The sender lives as long as the journal, which this reader holds.
        let _ = self.end.wait_for(|end| *end > next).await;
    }

    /// Settles records, in order: moves the cursor and counts them in the ledger.
    pub fn settle(&mut self, settled: impl Iterator<Item = (Position, SourceId, Seq, Settled)>) {
        self.journal.line().settle(self.sink, settled);
    }
}
