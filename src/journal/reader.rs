//! The reading end: one sink's view of the line.

use std::{collections::VecDeque, io, sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::sync::watch;

use super::{
    Cursor, Journal, Note, Settled,
    disk::codec::{self, Entry, Found},
    fs::{self, File},
    line::{Hole, Missing, Place},
};
use crate::event::{LossReason, Position, Record, Seq, SourceId};

/// Bytes read from the disk at a time.
const CHUNK: usize = 256 * 1024;

/// A part of the line that a segment holds.
#[derive(Debug, Clone)]
pub(super) struct Stretch {
    pub(super) generation: u64,
    pub(super) file: Arc<dyn File>,
    pub(super) start: u64,
    pub(super) length: u64,
    pub(super) end: Position,
}

/// What a chunk of a segment held.
#[derive(Debug, Default)]
pub(super) struct Chunk {
    pub(super) records: VecDeque<Record>,
    pub(super) holes: Vec<Hole>,
    /// Where the next chunk begins.
    offset: u64,
    /// What it holds begins here.
    next: Position,
    pub(super) damaged: bool,
}

impl Stretch {
    /// Reads a chunk's worth from an offset; records before `from` are left out. Blocks.
    pub(super) fn read(&self, mut offset: u64, from: Position) -> io::Result<Chunk> {
        let mut chunk = Chunk { offset, next: from, ..Chunk::default() };
        let mut size = CHUNK;
        while offset < self.length && chunk.records.is_empty() && !chunk.damaged {
            let left = usize::try_from(self.length - offset).unwrap_or(usize::MAX);
            let mut buffer = vec![0; size.min(left)];
            let read = fs::read_fully(&*self.file, &mut buffer, offset)?;
            buffer.truncate(read);
            let whole = read < left.min(size) || size >= left;
            let content = Bytes::from(buffer);
            let mut at = 0;
            loop {
                match codec::decode(&content.slice(at..)) {
                    Found::Entry(entry, taken) => {
                        at += taken;
                        chunk.take(entry, from, self.end);
                    }
                    Found::Cut(need) if !whole => {
                        size = if at == 0 { need.max(CHUNK) } else { CHUNK };
                        break;
                    }
                    Found::Cut(_) if at == content.len() => break,
                    Found::Cut(_) | Found::Damaged => {
                        chunk.damaged = true;
                        break;
                    }
                }
            }
            offset += at as u64;
            chunk.offset = offset;
            if chunk.next >= self.end {
                break;
            }
        }
        // The segment's last records are not there.
        chunk.damaged |= offset >= self.length && chunk.records.is_empty() && chunk.next < self.end;
        Ok(chunk)
    }
}

impl Chunk {
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    pub(super) fn next(&self) -> Position {
        self.next
    }

    fn take(&mut self, entry: Entry, from: Position, end: Position) {
        if entry.position() >= end {
            return;
        }
        self.next = self.next.max(entry.end());
        match entry {
            Entry::Record(record) if record.position >= from => self.records.push_back(record),
            Entry::Record(_) => {}
            Entry::Hole(hole) => self.holes.push(hole),
        }
    }
}

/// Reads the line from a sink's cursor on, and moves the cursor.
#[derive(Debug)]
pub struct Reader {
    journal: Journal,
    sink: usize,
    end: watch::Receiver<Position>,
    next: Position,
    /// Read from the disk already.
    ahead: VecDeque<Record>,
    /// Where `next` stands on the disk: the segment, and the offset in it.
    place: Option<(u64, u64)>,
}

impl Reader {
    pub(super) fn new(journal: Journal, sink: usize, end: watch::Receiver<Position>) -> Self {
        let next = journal.line().cursor(sink).map_or(Position(1), |cursor| cursor.next);
        Self { journal, sink, end, next, ahead: VecDeque::new(), place: None }
    }

    /// The line it reads.
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// Goes back to the cursor: what was read and not settled is read again.
    pub fn rewind(&mut self) -> Cursor {
        let cursor = self.journal.line().cursor(self.sink).cloned();
        let cursor = cursor.unwrap_or_else(|| Cursor::new(self.next, &[]));
        self.seek(cursor.next);
        cursor
    }

    /// Reads on from here.
    pub(super) fn seek(&mut self, next: Position) {
        self.next = next;
        self.ahead.clear();
        self.place = None;
    }

    /// Appends at most `most` further records to `into`, from memory, or from the disk. Nothing if there is nothing,
    /// or if the disk can't be read at the moment. Cancel safe.
    pub async fn read(&mut self, most: usize, into: &mut Vec<Record>) {
        let before = into.len();
        while into.len() == before && !self.at_end() {
            if self.ahead.is_empty() {
                let mut next = self.next;
                let place = {
                    let line = self.journal.line();
                    let place = line.locate(&mut next);
                    if matches!(place, Place::Memory) {
                        line.copy(next, most, into);
                    }
                    place
                };
                self.next = next;
                match place {
                    Place::Memory => self.place = None,
                    Place::Disk(stretch) => self.fetch(stretch).await,
                    Place::Nowhere => return,
                }
            }
            let ahead = most.saturating_sub(into.len() - before).min(self.ahead.len());
            into.extend(self.ahead.drain(..ahead));
            if let Some(last) = into.get(before..).and_then(<[Record]>::last) {
                self.next = last.position.next();
            }
        }
    }

    async fn fetch(&mut self, stretch: Stretch) {
        let generation = stretch.generation;
        let offset = match self.place {
            Some((known, offset)) if known == generation => offset,
            _ => stretch.start,
        };
        let (next, end) = (self.next, stretch.end);
        let read = tokio::task::spawn_blocking(move || stretch.read(offset, next)).await;
        let failure = match read {
            Ok(Ok(chunk)) => {
                if !chunk.holes.is_empty() {
                    let mut line = self.journal.line();
                    line.holes.extend(chunk.holes.into_iter().map(|hole| (hole.from, hole)));
                }
                self.place = Some((generation, chunk.offset));
                if !chunk.records.is_empty() {
                    self.ahead = chunk.records;
                    return;
                }
                if !chunk.damaged {
                    // A hole, or nothing that is new.
                    self.next = self.next.max(chunk.next);
                    return;
                }
                self.place = None;
                let journal = self.journal.clone();
                match tokio::task::spawn_blocking(move || journal.mend(generation)).await {
                    Ok(Ok(true)) => return,
                    // There is nothing to mend: its last records are missing.
                    Ok(Ok(false)) => {
                        self.next = end;
                        return;
                    }
                    Ok(Err(error)) => error.to_string(),
                    Err(error) => error.to_string(),
                }
            }
            Ok(Err(error)) => error.to_string(),
            Err(error) => error.to_string(),
        };
        tracing::error!(error = failure, generation, "a segment of the journal can't be read: trying again");
        tokio::time::sleep(Duration::from_secs(1)).await;
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
        self.journal.line().pending(self.sink)
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

    /// Notes what was published last, by source.
    pub fn published(&mut self, published: impl Iterator<Item = (SourceId, Note)>) {
        if let Some(sink) = self.journal.line().sinks.get_mut(self.sink) {
            published.for_each(|(source, note)| sink.cursor.note(source, note));
        }
    }

    /// Notes that the broker ends with an event that the log does not know.
    pub fn believe(&mut self, source: SourceId, note: Note) {
        if let Some(sink) = self.journal.line().sinks.get_mut(self.sink) {
            sink.cursor.believe(source, note);
        }
    }

    /// Notes what several lanes have, by lane.
    pub fn reached(&mut self, reached: impl Iterator<Item = (usize, SourceId, Note)>) {
        if let Some(sink) = self.journal.line().sinks.get_mut(self.sink) {
            reached.for_each(|(lane, source, note)| sink.cursor.reach(lane, source, note));
        }
    }

    /// Replaces what is known of several lanes: by lane, by source.
    pub fn set_ends(&mut self, ends: Vec<Vec<Note>>) {
        if let Some(sink) = self.journal.line().sinks.get_mut(self.sink) {
            sink.cursor.ends = ends;
        }
    }

    /// Replaces the cursor: the broker has forgotten what was settled.
    pub fn forget(&mut self, cursor: Cursor) {
        self.seek(cursor.next);
        if let Some(sink) = self.journal.line().sinks.get_mut(self.sink) {
            sink.cursor = cursor;
        }
    }

    /// Counts what was published, is forgotten, and can't be sent again, and has it announced.
    pub fn forgotten(&mut self, source: SourceId, count: u64, (from, to): (Seq, Seq), reason: LossReason) {
        let mut line = self.journal.line();
        if let Some(sink) = line.sinks.get_mut(self.sink)
            && count > 0
        {
            let ledger = &mut sink.cursor.lane(source).ledger;
            ledger.take_back(count);
            ledger.lose(reason, count);
            sink.announce(&Missing { source, count, from, to }, reason);
        }
        drop(line);
        self.journal.announce_losses();
    }
}
