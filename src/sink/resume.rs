//! Resumes after the newest events that the broker holds, compared with the cursor.

use std::time::Duration;

use super::{Driver, Sink, SinkError, Tail, proof::unread};
use crate::{
    event::{LossReason, Notice, Position, Seq, SourceId},
    journal::Cursor,
};

impl Driver {
    /// Moves the cursor and the reader to the end of what the broker holds.
    pub(super) async fn resume<S: Sink>(
        &mut self,
        sink: &S,
        link: &mut S::Link,
        tail: Tail,
    ) -> Result<(), SinkError> {
        match tail {
            Tail::Unknown => {
                let cursor = self.reader.rewind();
                let mut published: Vec<Seq> = cursor.sources.iter().map(|source| source.published).collect();
                published.resize(self.reader.journal().sources().len(), Seq(0));
                self.complete.clear();
                self.partitions = vec![published];
            }
            Tail::Partitions(ends) => self.resume_partitions(sink, link, ends).await?,
        }
        self.trust();
        Ok(())
    }

    /// Moves the cursor back for a broker that has lost acknowledged events, and reports it.
    pub(super) async fn rewind_to(
        &mut self,
        next: Position,
        newest: Option<(SourceId, Seq)>,
    ) -> Result<(), SinkError> {
        let journal = self.reader.journal().clone();
        let sources = journal.source_cursors_at(next).await.map_err(|error| unread(&journal, error))?;
        let Some(mut sources) = sources else { return Ok(()) };
        let cursor = self.reader.rewind();
        for (source, old) in sources.iter_mut().zip(&cursor.sources) {
            source.ledger = old.ledger.clone();
            // Losses after this position are detected again on the way.
            source.gone = if old.gone <= source.last { old.gone } else { Seq(0) };
            // Records from before the sink was added are not its concern.
            source.count = source.count.min(old.count);
            source.ledger.take_back(old.count - source.count);
        }
        self.reader.forget(Cursor { next, sources, ..cursor });
        let (sink, from) = (self.name.to_string(), newest.map_or(Seq(0), |(_, seq)| seq.next()));
        tracing::warn!(from = from.0, "the broker lost acknowledged events: sending them again");
        let source = newest.map_or(SourceId(0), |(source, _)| source);
        journal.notice(source, &Notice::Rewound { sink, from });
        Ok(())
    }

    /// Counts the events that the broker has lost and the journal no longer has. Where a source is spread over several partitions,
    /// and not all have lost events, this is an upper bound.
    pub(super) fn count_forgotten(&mut self, source: SourceId, stored: Seq, first: Position) {
        let kept = self.reader.rewind();
        if kept.next != first {
            return;
        }
        let Some(settled) = kept.sources.get(source.index()) else { return };
        let count = settled.last.0.saturating_sub(stored.0);
        self.reader.forgotten(source, count, (stored.next(), settled.last), LossReason::Forgotten);
    }
}

/// The default time for which delivered records are kept.
pub(super) const RETAIN: Duration = Duration::from_mins(15);
