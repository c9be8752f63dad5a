//! A sink's cursor: its position in the log and the outcome of everything before it.

use std::collections::BTreeMap;

use event::{Body, LossReason, Position, Record, Seq, SourceId};
use serde::{Deserialize, Serialize};

use crate::{
    entry::{Absence, Entry, Kind, Missing},
    note::Note,
    progress::SourceProgress,
};

/// Counts the outcomes of one source's records at one sink. Counted by position, not by acknowledgement: a
/// record that is sent twice counts once.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Ledger {
    /// All records: settled and pending.
    pub received: u64,
    /// Acknowledged by the broker.
    pub published: u64,
    /// Excluded by a filter.
    pub filtered: u64,
    /// Permanently refused by the broker and written to a dead letter.
    pub dead_lettered: u64,
    /// Lost before delivery, by reason.
    pub lost: BTreeMap<LossReason, u64>,
}

impl Ledger {
    /// Returns the number of settled records. Adding the pending ones gives [`Ledger::received`].
    pub fn settled(&self) -> u64 {
        self.published + self.filtered + self.dead_lettered + self.lost.values().sum::<u64>()
    }

    /// Reverts `count` records from settled to pending.
    pub fn take_back(&mut self, mut count: u64) {
        let lost = self.lost.values_mut();
        for counter in
            [&mut self.published, &mut self.filtered, &mut self.dead_lettered].into_iter().chain(lost)
        {
            let taken = count.min(*counter);
            *counter -= taken;
            count -= taken;
        }
    }

    pub(super) fn lose(&mut self, reason: LossReason, count: u64) {
        if count > 0 {
            *self.lost.entry(reason).or_default() += count;
        }
    }
}

/// Outcome of a record at a sink.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// Acknowledged by the broker.
    Published,
    /// Excluded by a filter.
    Filtered,
    /// Permanently refused by the broker.
    DeadLettered,
}

/// A sink's progress in one source.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SourceCursor {
    /// The last published number, from which `ctiprev` continues.
    pub published: Seq,
    /// The last settled number.
    pub last: Seq,
    /// The last dead-lettered or lost number. `ctiprev` continues from it too, so that consumers see the gap.
    pub gone: Seq,
    /// Number of the source's records before the cursor, since the journal was created.
    pub count: u64,
    /// Outcomes of those records.
    pub ledger: Ledger,
}

/// A sink's position in the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// Position of the first unsettled record.
    pub next: Position,
    /// Progress by [`SourceId`].
    #[serde(rename = "lanes")]
    pub sources: Vec<SourceCursor>,
    /// The last published record by [`SourceId`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<Note>,
    /// The newest record by partition, then by source, if the broker has several partitions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ends: Vec<Vec<Note>>,
    /// Position before which refused events are counted in the ledger.
    #[serde(default)]
    pub charged: Position,
    /// Losses that are in the ledger but not announced yet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unannounced: Vec<Loss>,
    /// Losses whose notice is about to be appended. Written first, so that the next process can tell whether
    /// the notice was appended.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub announcing: Vec<Loss>,
}

/// Records that a sink lost for one reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loss {
    /// Owner of the records; `None` if unknown.
    pub source: Option<SourceId>,
    /// Reason of the loss.
    pub reason: LossReason,
    /// Number of records.
    pub count: u64,
    /// The first number; 0 if unknown.
    pub from: Seq,
    /// The last number; 0 if unknown.
    pub to: Seq,
}

impl Cursor {
    /// Creates the cursor of a new sink, with everything before `next` settled.
    pub(super) fn new(next: Position, progress: &[SourceProgress]) -> Self {
        let settled_all = |progress: &SourceProgress| SourceCursor {
            count: progress.count,
            last: Seq(progress.next.0.saturating_sub(1)),
            ..SourceCursor::default()
        };
        Self {
            next,
            sources: progress.iter().map(settled_all).collect(),
            notes: Vec::new(),
            ends: Vec::new(),
            charged: next,
            unannounced: Vec::new(),
            announcing: Vec::new(),
        }
    }

    pub(super) fn source_mut(&mut self, source: SourceId) -> &mut SourceCursor {
        let index = source.index();
        if self.sources.len() <= index {
            self.sources.resize(index + 1, SourceCursor::default());
        }
        // In bounds: the vector was just extended.
        #[allow(clippy::indexing_slicing, reason = "within the length set above")]
        &mut self.sources[index]
    }

    /// Settles one record.
    pub(super) fn settle(&mut self, source: SourceId, seq: Seq, how: Settled) {
        self.next = self.next.next();
        let cursor = self.source_mut(source);
        cursor.count += 1;
        cursor.last = seq;
        match how {
            Settled::Published => {
                cursor.ledger.published += 1;
                cursor.published = seq;
            }
            Settled::Filtered => cursor.ledger.filtered += 1,
            Settled::DeadLettered => {
                cursor.ledger.dead_lettered += 1;
                cursor.gone = seq;
            }
        }
    }

    /// Notes the last published event of a source.
    pub(super) fn publish(&mut self, source: SourceId, note: Note) {
        let index = source.index();
        if self.notes.len() <= index {
            self.notes.resize(index + 1, Note::default());
        }
        keep_newer(self.notes.get_mut(index), note);
    }

    /// Notes that one of the broker's partitions has this record.
    pub(super) fn reach(&mut self, partition: usize, source: SourceId, note: Note) {
        keep_newer(self.ends.get_mut(partition).and_then(|ends| ends.get_mut(source.index())), note);
    }

    /// Continues a source after an event at the broker that the log does not know, because another process
    /// published it.
    pub(super) fn believe(&mut self, source: SourceId, note: Note) {
        self.source_mut(source).published = note.seq;
        self.publish(source, note);
    }

    /// Counts lost records and queues their announcement.
    pub(super) fn lose(&mut self, missing: &Missing, reason: LossReason) {
        self.pass(missing);
        let cursor = self.source_mut(missing.source);
        cursor.count += missing.count;
        cursor.ledger.lose(reason, missing.count);
        self.note(missing, reason);
    }

    /// Counts an event that the journal refused and queues its announcement. A refused event has no record,
    /// so it is never pending.
    pub(super) fn refuse(&mut self, missing: &Missing, reason: LossReason) {
        self.source_mut(missing.source).ledger.lose(reason, missing.count);
        self.note(missing, reason);
    }

    /// Counts erased events. Consumers need not notice, so `gone` stays.
    pub(super) fn filter(&mut self, missing: &Missing) {
        let cursor = self.source_mut(missing.source);
        cursor.last = cursor.last.max(missing.to);
        cursor.count += missing.count;
        cursor.ledger.filtered += missing.count;
    }

    /// Moves past numbers without records.
    pub(super) fn pass(&mut self, missing: &Missing) {
        let cursor = self.source_mut(missing.source);
        cursor.last = cursor.last.max(missing.to);
        if missing.count > 0 {
            cursor.gone = cursor.gone.max(missing.to);
        }
    }

    /// Queues the announcement of a loss.
    pub(super) fn note(&mut self, missing: &Missing, reason: LossReason) {
        let Missing { source, count, from, to } = *missing;
        if count > 0 {
            self.note_loss(Loss { source: Some(source), reason, count, from, to });
        }
    }

    /// Queues the announcement of a loss whose source may be unknown.
    pub(super) fn note_loss(&mut self, loss: Loss) {
        let is_same = |known: &&mut Loss| (known.source, known.reason) == (loss.source, loss.reason);
        match self.unannounced.iter_mut().find(is_same) {
            Some(known) => {
                known.count += loss.count;
                known.from = known.from.min(loss.from);
                known.to = known.to.max(loss.to);
            }
            None => self.unannounced.push(loss),
        }
    }

    /// Applies a log entry beyond [`Cursor::charged`] during recovery.
    pub(super) fn recover(&mut self, sink: &str, entry: &Entry) {
        // Version 1 did not log refused events.
        let charged = if self.charged == Position(0) { self.next } else { self.charged };
        if entry.position() < charged {
            return;
        }
        match entry {
            Entry::Absence(Absence { kind: Kind::Refused(reason), ranges, .. }) => {
                for missing in ranges {
                    self.refuse(missing, *reason);
                }
            }
            Entry::Record(Record { source, body: Body::Notice(notice), .. }) => {
                if let Some((_, reason)) = notice.loss().filter(|(of, _)| of == sink) {
                    self.announcing
                        .retain(|it| it.reason != reason || it.source.is_some_and(|of| of != *source));
                }
            }
            _ => {}
        }
    }
}

impl Cursor {
    /// Takes up the queued losses for the next announcement.
    pub(super) fn start_announcing(&mut self) {
        if self.announcing.is_empty() {
            self.announcing = std::mem::take(&mut self.unannounced);
        }
    }

    /// Queues losses again whose notice recovery did not find in the log.
    pub(super) fn resume_announcing(&mut self) {
        for loss in std::mem::take(&mut self.announcing) {
            self.note_loss(loss);
        }
    }
}

fn keep_newer(kept: Option<&mut Note>, note: Note) {
    if let Some(kept) = kept.filter(|kept| kept.seq <= note.seq) {
        *kept = note;
    }
}
