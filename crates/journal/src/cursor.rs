//! How far a sink has come, and what became of everything before that.

use std::collections::BTreeMap;

use event::{Body, LossReason, Position, Record, Seq, SourceId};
use serde::{Deserialize, Serialize};

use crate::{
    entry::{Absence, Entry, Kind, Missing},
    note::Note,
    progress::SourceProgress,
};

/// What became of one source's records at one sink. Counted by position, not by acknowledgement: a
/// record that is sent twice counts once.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Ledger {
    /// Everything that arrived: what is settled, and what is pending.
    pub received: u64,
    /// Acknowledged by the broker.
    pub published: u64,
    /// Left out by rule.
    pub filtered: u64,
    /// Refused by the broker for good and set aside.
    pub dead_lettered: u64,
    /// Dropped before delivery, by reason.
    pub lost: BTreeMap<LossReason, u64>,
}

impl Ledger {
    /// Everything accounted for; with what is pending it equals [`Ledger::received`].
    pub fn settled(&self) -> u64 {
        self.published + self.filtered + self.dead_lettered + self.lost.values().sum::<u64>()
    }

    /// So many of what was settled is not settled any longer.
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

/// A record that a sink is done with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// The broker has it.
    Published,
    /// It was left out.
    Filtered,
    /// The broker refused it for good.
    DeadLettered,
}

/// One source, as a sink has settled it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SourceCursor {
    /// The number it settled last as published: what `ctiprev` continues from.
    pub published: Seq,
    /// The number it settled last.
    pub last: Seq,
    /// The number it settled last as dead-lettered or lost: `ctiprev` continues from it too, so that the hole shows.
    pub gone: Seq,
    /// How many of the source's records lie before the cursor, since the journal was created.
    pub count: u64,
    /// What became of them.
    pub ledger: Ledger,
}

/// A sink's place on the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// The first record it has not settled.
    pub next: Position,
    /// By [`SourceId`].
    #[serde(rename = "lanes")]
    pub sources: Vec<SourceCursor>,
    /// By [`SourceId`]: the newest record that it settled as published.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<Note>,
    /// Where the broker has several partitions: the newest record of each source in each of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ends: Vec<Vec<Note>>,
    /// Refused events before this position are in the ledger.
    #[serde(default)]
    pub charged: Position,
    /// What is in the ledger as lost and not announced yet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unannounced: Vec<Loss>,
    /// Of these a notice is about to be appended. Written before that, so that the next process can tell whether it was.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub announcing: Vec<Loss>,
}

/// Records that a sink never gets, for one reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loss {
    /// Whose; `None` if nobody can know.
    pub source: Option<SourceId>,
    /// Why.
    pub reason: LossReason,
    /// How many.
    pub count: u64,
    /// The first number; 0 if nobody can know.
    pub from: Seq,
    /// The last number.
    pub to: Seq,
}

impl Cursor {
    /// A new sink's: everything before is none of its concern.
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
        // Just made long enough.
        #[allow(clippy::indexing_slicing, reason = "within the length set above")]
        &mut self.sources[index]
    }

    /// Moves past one record.
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

    /// Notes what was published of a source last.
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

    /// The broker ends with an event of a process that the log knows nothing of: the source goes on behind it.
    pub(super) fn believe(&mut self, source: SourceId, note: Note) {
        self.source_mut(source).published = note.seq;
        self.publish(source, note);
    }

    /// Counts records it never gets, and notes them for announcement.
    pub(super) fn miss(&mut self, missing: &Missing, reason: LossReason) {
        self.pass(missing);
        let cursor = self.source_mut(missing.source);
        cursor.count += missing.count;
        cursor.ledger.lose(reason, missing.count);
        self.note(missing, reason);
    }

    /// Counts an event that the journal refused, and notes it for announcement. It has no record, so it waits for nobody.
    pub(super) fn refuse(&mut self, missing: &Missing, reason: LossReason) {
        self.source_mut(missing.source).ledger.lose(reason, missing.count);
        self.note(missing, reason);
    }

    /// Moves past numbers.
    pub(super) fn pass(&mut self, missing: &Missing) {
        let cursor = self.source_mut(missing.source);
        cursor.last = cursor.last.max(missing.to);
        if missing.count > 0 {
            cursor.gone = cursor.gone.max(missing.to);
        }
    }

    /// Notes a loss for announcement.
    pub(super) fn note(&mut self, missing: &Missing, reason: LossReason) {
        let Missing { source, count, from, to } = *missing;
        if count > 0 {
            self.note_loss(Loss { source: Some(source), reason, count, from, to });
        }
    }

    /// The same, if need be without a source.
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

    /// Takes in what the log holds beyond [`Cursor::charged`], as it is read through at a start.
    pub(super) fn recover(&mut self, sink: &str, entry: &Entry) {
        // Version 1 had no refused events in its log.
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
    /// The losses that are announced next.
    pub(super) fn start_announcing(&mut self) {
        if self.announcing.is_empty() {
            self.announcing = std::mem::take(&mut self.unannounced);
        }
    }

    /// No notice of these was found in the log, so they are to be announced.
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
