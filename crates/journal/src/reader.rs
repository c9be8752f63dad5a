//! The reading end: one sink's view of the log.

use std::{collections::VecDeque, time::Duration};

use event::{LossReason, Position, Record, Seq, SinkId, SourceId};
use tokio::sync::watch;

use crate::{
    cursor::{Cursor, Loss, Settled},
    disk::stretch::{Place, Stretch},
    entry::{Absence, Entry, Missing},
    journal::Journal,
    log,
    note::Note,
};

/// Reads the log from a sink's cursor on, and moves the cursor.
#[derive(Debug)]
pub struct Reader {
    journal: Journal,
    sink: usize,
    end: watch::Receiver<Position>,
    next: Position,
    /// Read from the disk already.
    ahead: VecDeque<Entry>,
    /// Where `next` is on the disk: the file, and the place in it.
    place: Option<(File, Place)>,
    /// Passed, and not settled, as records before them are not.
    passed: VecDeque<Absence>,
    /// By source: the newest number before `next` that was lost, refused or dead-lettered.
    gone: Vec<Seq>,
}

/// A file that is read: a segment's generation, and how often its file was replaced.
type File = (u64, u32);

impl Journal {
    /// The reading end for one sink.
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
            place: None,
            passed: VecDeque::new(),
            gone: Vec::new(),
        };
        reader.rewind();
        reader
    }

    /// The log it reads.
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// Goes back to the cursor: what was read and not settled is read again.
    pub fn rewind(&mut self) -> Cursor {
        let cursor = self.journal.log().cursor(self.sink).cloned();
        let cursor = cursor.unwrap_or_else(|| Cursor::new(self.next, &[]));
        self.seek(&cursor);
        cursor
    }

    /// Reads on from a cursor.
    fn seek(&mut self, cursor: &Cursor) {
        self.next = cursor.next;
        self.ahead.clear();
        self.place = None;
        self.passed.clear();
        self.gone = cursor.sources.iter().map(|cursor| cursor.gone).collect();
        self.gone.resize(self.journal.sources().len(), Seq(0));
    }

    /// By source: the newest number before the records that are read next which was lost, refused or dead-lettered. What
    /// follows it tells so in `ctiprev`.
    pub fn gone(&self) -> &[Seq] {
        &self.gone
    }

    /// Appends at most `most` further records to `into`, from memory, or from the disk. Nothing if there is nothing,
    /// or if the disk can't be read at the moment. Numbers without records are passed, and settled in their turn; no
    /// batch goes on behind some, so that [`Reader::gone`] holds for all of it. Cancel safe.
    pub async fn read(&mut self, most: usize, into: &mut Vec<Record>) {
        self.read_within(most, usize::MAX, into).await;
    }

    /// The same, and no more than so many bytes of them, unless the first one is larger.
    pub async fn read_within(&mut self, most: usize, bytes: usize, into: &mut Vec<Record>) {
        let before = into.len();
        while into.len() == before && !self.at_end() {
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
                    log::Place::Disk(stretch) => self.fetch(stretch).await,
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

    /// Moves what was read ahead to `into`, up to an absence; absences, if they come first, are passed.
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

    /// What was to be read next is not kept any longer, and the cursor was charged with it.
    fn note_dropped(&mut self, next: Position) {
        self.next = next;
        let log = self.journal.log();
        let cursors = log.cursor(self.sink).map_or(&[][..], |cursor| &cursor.sources);
        for (gone, cursor) in self.gone.iter_mut().zip(cursors) {
            *gone = cursor.gone.max(*gone);
        }
    }

    fn pass(&mut self, mut absence: Absence) {
        // The records before were read, and are in flight: some of them went when their segment was compacted.
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

    async fn fetch(&mut self, stretch: Stretch) {
        let file = (stretch.generation, stretch.revision);
        let place = match self.place {
            Some((known, place)) if known == file => place,
            _ => stretch.start,
        };
        let next = self.next;
        let read = tokio::task::spawn_blocking(move || stretch.read(place, next)).await;
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
                    Ok(Ok(false)) => "it is intact, and could not be read".to_owned(),
                    Ok(Err(error)) => error.to_string(),
                    Err(error) => error.to_string(),
                }
            }
            // The file was removed, or replaced, before it was opened.
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

    /// Whether everything that was appended has been read.
    pub fn at_end(&self) -> bool {
        self.next >= *self.end.borrow()
    }

    /// Whether everything that was appended has been settled.
    pub fn is_drained(&self) -> bool {
        self.journal.log().is_drained(self.sink)
    }

    /// How many records are not settled.
    pub fn pending(&self) -> u64 {
        self.journal.log().pending(self.sink)
    }

    /// Waits until there is something to read. Cancel safe.
    pub async fn ready(&mut self) {
        let next = self.next;
        // The sender lives as long as the journal, which this reader holds.
        let _ = self.end.wait_for(|end| *end > next).await;
    }

    /// Settles records, in order: moves the cursor and counts them in the ledger.
    pub fn settle(&mut self, settled: impl Iterator<Item = (Position, SourceId, Seq, Settled)>) {
        let mut log = self.journal.log();
        let mut settled = settled.peekable();
        // Record by record, for as long as absences are between them.
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

    /// Notes what was published last, by source.
    pub fn published(&mut self, published: impl Iterator<Item = (SourceId, Note)>) {
        if let Some(sink) = self.journal.log().sinks.get_mut(self.sink) {
            published.for_each(|(source, note)| sink.cursor.publish(source, note));
        }
    }

    /// Notes that the broker ends with an event that the log does not know.
    pub fn believe(&mut self, source: SourceId, note: Note) {
        if let Some(sink) = self.journal.log().sinks.get_mut(self.sink) {
            sink.cursor.believe(source, note);
        }
    }

    /// Notes what several partitions have, by partition.
    pub fn reached(&mut self, reached: impl Iterator<Item = (usize, SourceId, Note)>) {
        if let Some(sink) = self.journal.log().sinks.get_mut(self.sink) {
            reached.for_each(|(partition, source, note)| sink.cursor.reach(partition, source, note));
        }
    }

    /// Replaces what is known of several partitions: by partition, by source.
    pub fn set_ends(&mut self, ends: Vec<Vec<Note>>) {
        if let Some(sink) = self.journal.log().sinks.get_mut(self.sink) {
            sink.cursor.ends = ends;
        }
    }

    /// Replaces the cursor: the broker has forgotten what was settled.
    pub fn forget(&mut self, cursor: Cursor) {
        self.seek(&cursor);
        if let Some(sink) = self.journal.log().sinks.get_mut(self.sink) {
            sink.cursor = cursor;
        }
    }

    /// Counts what was published, is forgotten, and can't be sent again, and has it announced.
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
