//! Proves that the last event of a broker's partition is ours. Another process may have a copy of our journal, with its id.

use std::{io, time::Duration};

use jiff::Timestamp;

use super::{Driver, Sink, SinkError};
use crate::{
    event::{JournalId, Position, Seq, SourceId},
    health::Trouble,
    journal::{Journal, Note, Search},
    text::PeerText,
};

/// The default interval of heartbeats.
const HEARTBEAT: Duration = Duration::from_secs(10);
/// The longest interval that is waited for.
const SLOWEST: Duration = Duration::from_secs(30);
/// The time for a heartbeat to arrive.
const MARGIN: Duration = Duration::from_secs(1);

/// Returns the time to watch for another bridge with a copy of our journal, from the interval of the sink's heartbeats.
pub(super) fn patience(heartbeat: Option<Duration>) -> Duration {
    heartbeat.unwrap_or(HEARTBEAT).min(SLOWEST) + MARGIN
}

/// The origin of an event with a number of ours, according to the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Proof {
    /// Ours; the journal continues at this position.
    Ours(Position),
    /// Ours, but older than the oldest kept record, which has this position.
    Older(Position),
    /// Numbered by a process that the journal does not know: its records were lost from disk, or it uses a copy of the journal.
    /// Either way everything before this position was published.
    Unknown(Position),
    /// Numbered by another process.
    Copy,
}

/// A record as a broker stores it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// The name of its source.
    pub source: String,
    /// The journal that numbered it.
    pub journal: JournalId,
    /// Its number.
    pub seq: Seq,
    /// When it was received, to the microsecond.
    pub time: Timestamp,
    /// Its `CloudEvents` type.
    pub ty: String,
    /// The stream or partition for an operator: `stream phones at nats://…`.
    pub location: String,
    /// Its place in there, in the form that `adopt` accepts: `#17`.
    pub place: String,
}

/// A process that writes from a journal, as the ids of its heartbeats identify it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Process {
    /// Its journal.
    pub journal: JournalId,
    /// The time of its start, in microseconds since 1970.
    pub start: i64,
}

impl Process {
    /// Returns true if a heartbeat with this id is from another process with the same journal.
    pub fn is_rival(&self, id: &str) -> bool {
        let rest = id.strip_prefix(self.journal.as_str()).and_then(|rest| rest.strip_prefix("-status-"));
        rest.and_then(|rest| rest.split_once('-')).is_some_and(|(start, _)| start.parse() != Ok(self.start))
    }
}

/// Compares an event with its record in the journal, or with the cursor's note of it.
pub(super) async fn prove(
    journal: &Journal,
    note: Option<&Note>,
    (source, stored): (SourceId, &Stored),
) -> Result<Proof, SinkError> {
    let note = note.filter(|note| note.seq == stored.seq);
    if note.is_some_and(|note| !note.is(stored.time, &stored.ty)) {
        return Ok(Proof::Copy);
    }
    let found = journal.search(source, stored.seq).await.map_err(|error| unread(journal, error))?;
    Ok(match found {
        Search::Found(record) if !Note::from(&*record).is(stored.time, &stored.ty) => Proof::Copy,
        Search::Found(record) => Proof::Ours(record.position.next()),
        Search::Lost(next) => Proof::Ours(next),
        // It was accepted before.
        Search::Skipped(next) if note.is_some() => Proof::Ours(next),
        Search::Skipped(next) => Proof::Unknown(next),
        Search::Older(first) => Proof::Older(first),
        Search::Beyond => Proof::Copy,
    })
}

/// The evidence for an event that the journal does not have.
pub(super) const NOT_OURS: &str = "the journal has another event of this number, or none";

/// The error of a journal that can't be searched for the last event of a partition.
pub(super) fn unread(journal: &Journal, error: io::Error) -> SinkError {
    SinkError::again(Trouble::Local, format!("can't read the journal {}", journal.id()))
        .because(error)
        .remedy("check its disk; nothing is sent until the broker's last event is found in it")
}

/// The error of a partition that another journal wrote last. `ours` is `None` if ours is yet to be created.
pub(super) fn foreign(
    Stored { journal: theirs, location, .. }: &Stored,
    ours: Option<JournalId>,
) -> SinkError {
    let ours = ours.map_or_else(|| "a new one".to_owned(), |ours| ours.to_string());
    SinkError::operator(
        Trouble::Foreign,
        format!(
            "{location} was last written by the journal {theirs}, and this one is {ours}: two bridges share a name, or this \
         one's journal was lost. Give each bridge its own `instance` (or `stream`; on Kafka, `topic`); if the other one no longer \
         exists, set `adopt = \"{theirs}\"`"
        ),
    )
}

/// The error of a partition that our journal wrote last, for a source that it does not know.
pub(super) fn unknown(Stored { location, source, .. }: &Stored) -> SinkError {
    let source = PeerText::new(source).to_string();
    SinkError::operator(
        Trouble::Foreign,
        format!(
            "{location} ends with an event of the source {source:?}, which this journal does not know: set \
         `[journal] dir` to the directory it was written from"
        ),
    )
}

/// The error of a partition that a copy of our journal wrote last.
pub(super) fn copy(Stored { journal, seq, location, place, .. }: &Stored, why: &str) -> SinkError {
    SinkError::operator(
        Trouble::Foreign,
        format!(
            "{location} ends with {journal}-{} ({place}), which has this journal's id but was not written by it ({why}): two \
         bridges run with copies of one journal. Stop one of them, or run `cti-bridge journal rename` here and give this bridge an \
         `instance` (or `stream`; on Kafka, `topic`) of its own; if the other one no longer exists, set `adopt = \"{journal}\"`; if \
         only this event is foreign, set `adopt = \"{place}\"`",
            seq.0
        ),
    )
}

/// A driver's knowledge about its partitions.
#[derive(Debug, Default)]
pub(super) struct Trust {
    /// A link of this process has proven the last events to be ours.
    is_proven: bool,
    /// The last error about a copy: it stays the same while the copy continues to write.
    refusal: Option<String>,
}

impl Driver {
    /// Makes the error for a copy of the journal that writes too.
    pub(super) fn refuse(&mut self, stored: &Stored, why: &str) -> SinkError {
        let refusal = self.trust.refusal.get_or_insert_with(|| format!("{:#}", copy(stored, why)));
        SinkError::operator(Trouble::Foreign, refusal.clone())
    }

    /// Returns true if `adopt` names our own journal, so that events are accepted without proof. Only once: later ones show another
    /// writer.
    pub(super) fn is_own_adopted(&self) -> bool {
        !self.trust.is_proven && self.options.adopt == Some(self.reader.journal().id())
    }

    /// Records that the last events are ours.
    pub(super) fn trust(&mut self) {
        self.trust = Trust { is_proven: true, refusal: None };
    }

    /// Accepts a last event that the journal does not know, if this process has sent nothing after it, or rewinds to it, and no other
    /// process writes there now.
    pub(super) async fn rule_out_copy<S: Sink>(
        &mut self,
        sink: &S,
        link: &mut S::Link,
        stored: &Stored,
        is_ahead: bool,
    ) -> Result<(), SinkError> {
        if self.is_own_adopted() {
            return Ok(());
        }
        if self.trust.is_proven && is_ahead {
            return Err(self.refuse(stored, "it was stored while this bridge was writing"));
        }
        let patience = patience(self.options.heartbeat);
        if self.trust.refusal.is_none() {
            tracing::warn!(
                location = stored.location,
                newest = stored.seq.0,
                ?patience,
                "the broker is ahead of this journal, which is a restored backup or a copy: checking whether another process writes there"
            );
        }
        let context = self.heartbeat.context();
        let ours = Process { journal: context.journal.id(), start: context.started.as_microsecond() };
        match Box::pin(sink.rival(link, ours, patience)).await? {
            Some(why) => Err(self.refuse(stored, &why)),
            None => Ok(()),
        }
    }
}
