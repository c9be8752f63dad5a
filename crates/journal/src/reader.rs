//! The read side: a sink's view of the log.

use std::{collections::VecDeque, time::Duration};

use event::{LossReason, Position, Record, Seq, SinkId, SourceId};
use tokio::sync::watch;

use crate::{
    cursor::{Cursor, Loss, Settled},
    disk::segment_range::{Place, SegmentRange},
    entry::{Absence, Entry, Missing},
    journal::Journal,
    log,
    note::Note,
};

/// Reads the log from a sink's cursor on, and advances the cursor.
#[derive(Debug)]
pub struct Reader {
    journal: Journal,
    sink: usize,
    end: watch::Receiver<Position>,
    next: Position,
    /// Entries read ahead from disk.
    ahead: VecDeque<Entry>,
    /// Number of erasures before these were read.
    erasures: u64,
    /// Location of `next` on disk: the file and the place in it.
    place: Option<(File, Place)>,
    /// Absences that are passed but not settled, because earlier records are pending.
    passed: VecDeque<Absence>,
    /// Newest lost, refused or dead-lettered number before `next`, by source.
    gone: Vec<Seq>,
}

/// A segment's file: its generation and revision.
type File = (u64, u32);

impl Journal {
    /// Returns the reader of a sink.
    pub fn reader(&self, sink: SinkId) -> Reader {
        Reader::new(self.clone(), sink.index(), self.subscribe())
    }
}

impl Reader {
    fn new(journal: Journal, sink: usize, end: watch::Receiver<Position>) -> Self {
        let mut reader = Self {
            journal,
            sink,
            end,
            next: Position(1),
            ahead: VecDeque::new(),
            erasures: 0,
            place: None,
            passed: VecDeque::new(),
            gone: Vec::new(),
        };
        reader.rewind();
        reader
    }

    /// Returns the journal.
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// Returns to the cursor, so that unsettled records are read again.
    pub fn rewind(&mut self) -> Cursor {
        let cursor = self.journal.log().cursor(self.sink).cloned();
        let cursor = cursor.unwrap_or_else(|| Cursor::new(self.next, &[]));
        self.seek(&cursor);
        cursor
    }

    /// Continues at a cursor.
    fn seek(&mut self, cursor: &Cursor) {
        self.next = cursor.next;
        self.ahead.clear();
        self.place = None;
        self.passed.clear();
        self.gone = cursor.sources.iter().map(|cursor| cursor.gone).collect();
        self.gone.resize(self.journal.sources().len(), Seq(0));
    }

    /// Returns the newest lost, refused or dead-lettered number before the next records, by source. The next
    /// record's `ctiprev` refers to it.
    pub fn gone(&self) -> &[Seq] {
        &self.gone
    }

    /// Appends up to `most` records to `into`, from memory or disk. Appends nothing at the end of the log, or
    /// if the disk is unreadable at the moment. Absences are passed, and settled in order; a batch never
    /// spans one, so that [`Reader::gone`] applies to all of it. Cancel safe.
    pub async fn read(&mut self, most: usize, into: &mut Vec<Record>) {
        self.read_within(most, usize::MAX, into).await;
    }

    /// Reads like [`Reader::read`], but at most `bytes` bytes unless the first record is larger.
    pub async fn read_within(&mut self, most: usize, bytes: usize, into: &mut Vec<Record>) {
        let before = into.len();
        while into.len() == before && !self.at_end() {
            let erasures = self.journal.shared().erasures();
            if std::mem::replace(&mut self.erasures, erasures) != erasures {
                self.ahead.clear();
                self.place = None;
            }
            if self.ahead.is_empty() {
                let (mut next, mut absence) = (self.next, None);
                let place = {
                    let log = self.journal.log();
                    let place = log.locate(&mut next);
                    if matches!(place, log::Place::Memory) {
                        absence = log.copy(next, (most, bytes), into);
                    }
                    place
                };
                if next > self.next {
                    self.note_dropped(next);
                }
                match place {
                    log::Place::Memory => self.place = None,
                    log::Place::Disk(range) => self.fetch(range).await,
                    log::Place::Nowhere => return,
                }
                if let Some(absence) = absence {
                    self.pass(absence);
                }
            }
            self.take_ahead((most, bytes), before, into);
            if let Some(last) = into.get(before..).and_then(<[Record]>::last) {
                self.next = last.position.next();
            }
        }
    }

    /// Moves entries read ahead to `into`, up to an absence. Passes leading absences.
    fn take_ahead(&mut self, (most, bytes): (usize, usize), before: usize, into: &mut Vec<Record>) {
        let mut taken: usize = into.iter().skip(before).map(Record::size).sum();
        while into.len() - before < most {
            if taken > 0
                && let Some(Entry::Record(next)) = self.ahead.front()
                && taken + next.size() > bytes
            {
                return;
            }
            match self.ahead.pop_front() {
                None => return,
                Some(Entry::Record(record)) => {
                    taken += record.size();
                    into.push(record);
                }
                Some(Entry::Absence(absence)) if into.len() == before => self.pass(absence),
                Some(absence) => {
                    self.ahead.push_front(absence);
                    return;
                }
            }
        }
    }

    /// Skips records that were dropped before they were read; the cursor is already charged with them.
    fn note_dropped(&mut self, next: Position) {
        self.next = next;
        let log = self.journal.log();
        let cursors = log.cursor(self.sink).map_or(&[][..], |cursor| &cursor.sources);
        for (gone, cursor) in self.gone.iter_mut().zip(cursors) {
            *gone = cursor.gone.max(*gone);
        }
    }

    fn pass(&mut self, mut absence: Absence) {
        // Earlier records are in flight; compaction removed some of them after they were read.
        absence.from = absence.from.max(self.next);
        self.next = self.next.max(absence.to);
        if absence.loss().is_some() {
            for missing in absence.ranges.iter().filter(|missing| missing.count > 0) {
                if let Some(gone) = self.gone.get_mut(missing.source.index()) {
                    *gone = missing.to.max(*gone);
                }
            }
        }
        self.passed.push_back(absence);
        self.settle(std::iter::empty());
    }

    async fn fetch(&mut self, range: SegmentRange) {
        let file = (range.generation, range.revision);
        let place = match self.place {
            Some((known, place)) if known == file => place,
            _ => range.start,
        };
        let next = self.next;
        let read = tokio::task::spawn_blocking(move || range.read(place, next)).await;
        let failure = match read {
            Ok(Ok(chunk)) if !chunk.entries.is_empty() || !chunk.damaged => {
                self.place = Some((file, chunk.next));
                if chunk.entries.is_empty() {
                    self.next = self.next.max(chunk.next.position);
                }
                self.ahead = chunk.entries;
                return;
            }
            Ok(Ok(_)) => {
                self.place = None;
                let journal = self.journal.clone();
                match tokio::task::spawn_blocking(move || journal.repair(file)).await {
                    Ok(Ok(true)) => return,
                    Ok(Ok(false)) => "the segment could not be read, but it is intact".to_owned(),
                    Ok(Err(error)) => error.to_string(),
                    Err(error) => error.to_string(),
                }
            }
            // The file was removed or replaced before it was opened.
            Ok(Err(_)) if !self.journal.log().has_file(file) => return,
            Ok(Err(error)) => error.to_string(),
            Err(error) => error.to_string(),
        };
        tracing::error!(
            error = failure,
            generation = file.0,
            "cannot read a segment of the journal: retrying"
        );
        tokio::time::sleep(Duration::from_secs(1)).await;
    }

    /// Returns the position of the next record to read.
    pub fn position(&self) -> Position {
        self.next
    }

    /// Returns whether everything appended has been read.
    pub fn at_end(&self) -> bool {
        self.next >= *self.end.borrow()
    }

    /// Returns whether everything appended has been settled.
    pub fn is_drained(&self) -> bool {
        self.journal.log().is_drained(self.sink)
    }

    /// Returns the number of pending records.
    pub fn pending(&self) -> u64 {
        self.journal.log().pending(self.sink)
    }

    /// Waits for a record to read. Cancel safe.
    pub async fn ready(&mut self) {
        let next = self.next;
        // The sender lives as long as the journal, which this reader holds.
        let _ = self.end.wait_for(|end| *end > next).await;
    }

    /// Settles records in order: advances the cursor and updates the ledger.
    pub fn settle(&mut self, settled: impl Iterator<Item = (Position, SourceId, Seq, Settled)>) {
        let mut log = self.journal.log();
        let mut settled = settled.peekable();
        // Settle one at a time while absences lie in between.
        while let Some(absence) = self.passed.front() {
            while let Some(record) = settled.next_if(|(position, ..)| *position < absence.from) {
                log.settle(self.sink, std::iter::once(record));
            }
            let is_due = log.cursor(self.sink).is_none_or(|cursor| cursor.next >= absence.from);
            if !is_due && settled.peek().is_none() {
                return;
            }
            log.pass(self.sink, absence);
            self.passed.pop_front();
        }
        log.settle(self.sink, settled);
    }

    /// Notes the last published event of each source.
    pub fn published(&mut self, published: impl Iterator<Item = (SourceId, Note)>) {
        if let Some(sink) = self.journal.log().sinks.get_mut(self.sink) {
            published.for_each(|(source, note)| sink.cursor.publish(source, note));
        }
    }

    /// Notes that the broker's newest event is unknown to the log.
    pub fn believe(&mut self, source: SourceId, note: Note) {
        if let Some(sink) = self.journal.log().sinks.get_mut(self.sink) {
            sink.cursor.believe(source, note);
        }
    }

    /// Notes the newest records of several partitions, by partition.
    pub fn reached(&mut self, reached: impl Iterator<Item = (usize, SourceId, Note)>) {
        if let Some(sink) = self.journal.log().sinks.get_mut(self.sink) {
            reached.for_each(|(partition, source, note)| sink.cursor.reach(partition, source, note));
        }
    }

    /// Replaces the known ends of several partitions, by partition and source.
    pub fn set_ends(&mut self, ends: Vec<Vec<Note>>) {
        if let Some(sink) = self.journal.log().sinks.get_mut(self.sink) {
            sink.cursor.ends = ends;
        }
    }

    /// Replaces the cursor after the broker has lost settled records.
    pub fn forget(&mut self, cursor: Cursor) {
        self.seek(&cursor);
        if let Some(sink) = self.journal.log().sinks.get_mut(self.sink) {
            sink.cursor = cursor;
        }
    }

    /// Counts and announces published records that the broker has lost and that can't be sent again.
    pub fn forgotten(&mut self, source: SourceId, count: u64, (from, to): (Seq, Seq), reason: LossReason) {
        let mut log = self.journal.log();
        if let Some(sink) = log.sinks.get_mut(self.sink)
            && count > 0
        {
            let ledger = &mut sink.cursor.source_mut(source).ledger;
            ledger.take_back(count);
            ledger.lose(reason, count);
            sink.cursor.note_loss(Loss { source: Some(source), reason, count, from, to });
            log.state_losses.lost(self.sink, &Missing { source, count, from, to }, reason);
        }
        drop(log);
        self.journal.announce_losses();
    }
}
