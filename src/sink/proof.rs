//! Whether the event that a broker's partition ends with is ours. Another process may have a copy of our journal, and its name.

use std::{io, time::Duration};

use jiff::Timestamp;

use super::{Driver, Sink, SinkError};
use crate::{
    event::{JournalId, Position, Seq, SourceId},
    health::Trouble,
    journal::{Journal, Note, Search},
    text::PeerText,
};

/// How often a bridge shows itself unless it is configured.
const BEAT: Duration = Duration::from_secs(10);
/// One that shows itself less often is not waited for.
const SLOWEST: Duration = Duration::from_secs(30);
/// For a heartbeat to arrive.
const MARGIN: Duration = Duration::from_secs(1);

/// How long to watch for another bridge with a copy of our journal, by how often a sink gets a heartbeat.
pub(super) fn patience(heartbeat: Option<Duration>) -> Duration {
    heartbeat.unwrap_or(BEAT).min(SLOWEST) + MARGIN
}

/// What the log says of an event with a number of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Proof {
    /// It is ours, and the log goes on here.
    Ours(Position),
    /// It is older than what is kept, which begins here, and no other journal's.
    Older(Position),
    /// No process that the log knows has given its number: one did whose records the disk has lost, or one that has a copy.
    /// Either has published what is before this position.
    Unknown(Position),
    /// Somebody else gave the number.
    Copy,
}

/// A record as a broker keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Name of its source.
    pub source: String,
    /// The journal that numbered it.
    pub journal: JournalId,
    /// Its number.
    pub seq: Seq,
    /// When it was received, to the microsecond.
    pub time: Timestamp,
    /// Its `CloudEvents` type.
    pub ty: String,
    /// What keeps it, for an operator: `stream phones at nats://…`.
    pub location: String,
    /// Its place there, as `adopt` names it: `#17`.
    pub place: String,
}

/// A process that writes from a journal; its heartbeats are named so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Process {
    /// Its journal.
    pub journal: JournalId,
    /// When it began, in microseconds since 1970.
    pub start: i64,
}

impl Process {
    /// Whether a heartbeat of this id is another process's with the same journal.
    pub fn is_rival(&self, id: &str) -> bool {
        let rest = id.strip_prefix(self.journal.as_str()).and_then(|rest| rest.strip_prefix("-status-"));
        rest.and_then(|rest| rest.split_once('-')).is_some_and(|(start, _)| start.parse() != Ok(self.start))
    }
}

/// Compares an event with its record, or with what the cursor noted of it.
pub(super) async fn prove(
    journal: &Journal,
    note: Option<&Note>,
    (source, stored): (SourceId, &Stored),
) -> Result<Proof, SinkError> {
    let note = note.filter(|note| note.seq == stored.seq);
    if note.is_some_and(|note| !note.is(stored.time, &stored.ty)) {
        return Ok(Proof::Copy);
    }
    let found = journal.search(source, stored.seq).await.map_err(|error| unread(journal, &error))?;
    Ok(match found {
        Search::Found(record) if !Note::from(&*record).is(stored.time, &stored.ty) => Proof::Copy,
        Search::Found(record) => Proof::Ours(record.position.next()),
        Search::Lost(next) => Proof::Ours(next),
        // It was believed before.
        Search::Skipped(next) if note.is_some() => Proof::Ours(next),
        Search::Skipped(next) => Proof::Unknown(next),
        Search::Older(first) => Proof::Older(first),
        Search::Beyond => Proof::Copy,
    })
}

/// Why an event is not ours that the journal knows nothing of, or something else.
pub(super) const NOT_OURS: &str = "the journal has another event of this number, or none";

/// The journal can't be read where the end of a partition has to be found in it.
pub(super) fn unread(journal: &Journal, error: &io::Error) -> SinkError {
    SinkError::again(
        Trouble::Local,
        format!(
            "can't read the journal {}: {error}; nothing is sent until it shows where the broker's end lies: check its disk",
            journal.id()
        ),
    )
}

/// The partition was last written by another journal than ours, which may not have been created yet.
pub(super) fn foreign(
    Stored { journal: theirs, location, .. }: &Stored,
    ours: Option<JournalId>,
) -> SinkError {
    let ours = ours.map_or_else(|| "a new one".to_owned(), |ours| ours.to_string());
    SinkError::operator(
        Trouble::Foreign,
        format!(
            "{location} was last written by the journal {theirs}, and this one is {ours}: two bridges share a name, or this \
         one's journal was lost. Give each bridge its own `instance` (or `stream`; on Kafka, `topic`); if the other one is gone \
         for good, set `adopt = \"{theirs}\"`"
        ),
    )
}

/// The partition was last written by our journal, for a source that it does not know.
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

/// The partition was last written by a copy of our journal.
pub(super) fn copy(Stored { journal, seq, location, place, .. }: &Stored, why: &str) -> SinkError {
    SinkError::operator(
        Trouble::Foreign,
        format!(
            "{location} ends with {journal}-{} ({place}), which has the name of this journal and was not written by it ({why}): two \
         bridges run with copies of one journal. Stop one of them, or run `cti-bridge journal rename` here and give this bridge an \
         `instance` (or `stream`; on Kafka, `topic`) of its own; if the other one is gone for good, set `adopt = \"{journal}\"`; if \
         this one event is a stray, `adopt = \"{place}\"`",
            seq.0
        ),
    )
}

/// What a driver has found out about its partitions.
#[derive(Debug, Default)]
pub(super) struct Trust {
    /// A link of this process has found the end to be ours.
    is_proven: bool,
    /// What was said of a copy: it is said the same way while the copy goes on writing.
    refusal: Option<String>,
}

impl Driver {
    /// Refuses to write beside a copy of the journal.
    pub(super) fn refuse(&mut self, stored: &Stored, why: &str) -> SinkError {
        let refusal = self.trust.refusal.get_or_insert_with(|| copy(stored, why).to_string());
        SinkError::operator(Trouble::Foreign, refusal.clone())
    }

    /// Whether the operator answers for what the journal can't prove. Once: what comes later shows who else writes.
    pub(super) fn is_adopted(&self) -> bool {
        !self.trust.is_proven && self.options.adopt == Some(self.reader.journal().id())
    }

    /// The ends are ours.
    pub(super) fn trust(&mut self) {
        self.trust = Trust { is_proven: true, refusal: None };
    }

    /// An end whose number no process gave that the log knows. It is believed if this process has sent nothing behind it
    /// yet, or goes back to it, and nobody writes there now.
    pub(super) async fn rule_out_copy<S: Sink>(
        &mut self,
        sink: &S,
        link: &mut S::Link,
        stored: &Stored,
        goes_on: bool,
    ) -> Result<(), SinkError> {
        if self.is_adopted() {
            return Ok(());
        }
        if self.trust.is_proven && goes_on {
            return Err(self.refuse(stored, "it came while this bridge wrote"));
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
