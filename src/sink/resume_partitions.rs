//! Resumes right after the end of each of the broker's partitions.
//!
//! Sending starts at the end of the partition that is furthest behind. Records that the other partitions already have are
//! settled without being sent.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{
    Driver, Sink, SinkError, Stored,
    partition_end::{End, PartitionEnd, Rewind, end},
    proof::{NOT_OURS, Proof, foreign, prove, unknown, unread},
};
use crate::{
    event::{Position, Seq, SourceId},
    journal::{Cursor, Journal, Note},
};

/// The events that partitions have lost.
#[derive(Debug, Default)]
struct Forgotten {
    /// The furthest rewind.
    rewind: Option<Rewind>,
    /// By source: the oldest number after which a partition had more, for partitions that lost events that the journal no longer has.
    gone: BTreeMap<SourceId, Seq>,
}

impl Forgotten {
    fn add_rewind(&mut self, rewind: Option<Rewind>) {
        self.rewind = [self.rewind, rewind].into_iter().flatten().min_by_key(|(position, _)| *position);
    }

    fn add_gone(&mut self, source: SourceId, seq: Seq) {
        let least = self.gone.entry(source).or_insert(seq);
        *least = seq.min(*least);
    }
}

impl Driver {
    /// Moves the reader to the end of the partition that is furthest behind, and records what the others have.
    pub(super) async fn resume_partitions<S: Sink>(
        &mut self,
        sink: &S,
        link: &mut S::Link,
        ends: Vec<Vec<Stored>>,
    ) -> Result<(), SinkError> {
        let journal = self.reader.journal().clone();
        let cursor = self.reader.rewind();
        let mut known = delivered_before(&cursor, ends.len(), journal.sources().len());
        let ends = self.prove_partitions(sink, link, ends, (&known, &cursor)).await?;
        let mut forgotten = Forgotten::default();
        self.complete = Vec::with_capacity(ends.len());
        for (end, known) in ends.iter().zip(&mut known) {
            let complete = self.locate(end, known, &cursor, &mut forgotten).await?;
            correct(&journal, known, end, complete).await?;
            self.complete.push(complete);
        }
        if let Some((position, newest)) = forgotten.rewind
            && position < cursor.next
        {
            self.rewind_to(position, newest).await?;
            for (source, seq) in forgotten.gone {
                self.count_forgotten(source, seq, position);
            }
        }
        // Last: a process that exits before this detects the lost events again.
        self.partitions =
            known.iter().map(|partition| partition.iter().map(|note| note.seq).collect()).collect();
        self.reader.set_ends(known);
        Ok(())
    }

    /// Returns the position up to which a partition is complete. Adds the events that it has lost to `forgotten`.
    async fn locate(
        &self,
        partition: &PartitionEnd,
        known: &[Note],
        cursor: &Cursor,
        forgotten: &mut Forgotten,
    ) -> Result<Position, SinkError> {
        let journal = self.reader.journal();
        let delivered = delivered(journal, known, partition).await?;
        let last = partition.last(known);
        if let Some(End::Forgotten(..)) = last {
            partition.shorter_than(known).for_each(|(source, seq)| forgotten.add_gone(source, seq));
        }
        let (complete, rewind) = match last {
            Some(last) => end(last, delivered, cursor),
            // A partition that has become empty gets recently delivered events again. A broker may have expired older ones.
            None if delivered.is_some() => {
                let moment = Timestamp::now().checked_sub(self.options.retain).unwrap_or_default();
                let from = journal.since(moment).await.map_err(|error| unread(journal, error))?;
                (from, Some((from, None)))
            }
            None => (Position(0), None),
        };
        forgotten.add_rewind(rewind);
        Ok(complete)
    }

    /// Finds the newest events of all partitions in the journal. Fails if another journal, or a copy of ours, has written them.
    async fn prove_partitions<S: Sink>(
        &mut self,
        sink: &S,
        link: &mut S::Link,
        ends: Vec<Vec<Stored>>,
        (known, cursor): (&[Vec<Note>], &Cursor),
    ) -> Result<Vec<PartitionEnd>, SinkError> {
        let journal = self.reader.journal().clone();
        let mut partitions = Vec::with_capacity(ends.len());
        let mut doubt: Option<(Position, SourceId, Stored)> = None;
        for (newest, known) in ends.into_iter().zip(known) {
            let mut partition = PartitionEnd::default();
            for stored in newest {
                if stored.journal != journal.id() {
                    if self.options.adopt != Some(stored.journal) {
                        return Err(foreign(&stored, Some(journal.id())));
                    }
                    partition.is_adopted = true;
                    continue;
                }
                let source = journal.source(&stored.source).ok_or_else(|| unknown(&stored))?;
                let proof = prove(&journal, known.get(source.index()), (source, &stored)).await?;
                match proof {
                    Proof::Copy if self.is_own_adopted() => partition.is_adopted = true,
                    Proof::Copy => return Err(self.refuse(&stored, NOT_OURS)),
                    Proof::Unknown(next) if doubt.as_ref().is_none_or(|(furthest, ..)| next > *furthest) => {
                        doubt = Some((next, source, stored.clone()));
                    }
                    _ => {}
                }
                partition.add(source, Note::new(stored.seq, stored.time, stored.ty), proof);
            }
            partitions.push(partition);
        }
        if let Some((next, source, stored)) = doubt {
            self.rule_out_copy(sink, link, &stored, next >= cursor.next).await?;
            self.reader.believe(source, Note::new(stored.seq, stored.time, stored.ty));
        }
        Ok(partitions)
    }
}

/// Returns, by partition and source, the newest delivered record according to the cursor. A sink with one partition may have been
/// of another type before, whose cursor holds only the newest record of each source.
fn delivered_before(cursor: &Cursor, partitions: usize, sources: usize) -> Vec<Vec<Note>> {
    let mut known = match (cursor.ends.is_empty(), partitions) {
        (true, 1) => vec![cursor.notes.clone()],
        _ => cursor.ends.clone(),
    };
    known.resize(partitions, Vec::new());
    for partition in &mut known {
        partition.resize(sources, Note::default());
    }
    known
}

/// Returns the position after the newest record that was delivered to a partition but is not at its end. `None` if there is none, or
/// it is no longer kept.
async fn delivered(
    journal: &Journal,
    known: &[Note],
    partition: &PartitionEnd,
) -> Result<Option<Position>, SinkError> {
    let mut delivered = None;
    for (source, known) in (0..).map(SourceId).zip(known) {
        if known.seq > partition.of(source).map_or(Seq(0), |newest| newest.seq) {
            delivered = delivered.max(next(journal, source, known.seq).await?);
        }
    }
    Ok(delivered)
}

/// Returns the position after a number. `None` if it is no longer kept.
async fn next(journal: &Journal, source: SourceId, seq: Seq) -> Result<Option<Position>, SinkError> {
    let found = journal.search(source, seq).await.map_err(|error| unread(journal, error))?;
    Ok(found.next())
}

/// Corrects the known records of a partition to those it holds: its newest ones, and those below the part that was read.
async fn correct(
    journal: &Journal,
    known: &mut [Note],
    partition: &PartitionEnd,
    complete: Position,
) -> Result<(), SinkError> {
    for (source, known) in (0..).map(SourceId).zip(known) {
        if let Some(newest) = partition.of(source) {
            known.clone_from(newest);
        } else if known.seq > Seq(0)
            && let Some(next) = next(journal, source, known.seq).await?
            && next > complete
        {
            *known = Note::default();
        }
    }
    Ok(())
}
