//! Where to go on: right behind what each of the broker's partitions ends with.
//!
//! Sending begins where the partition that is furthest behind ends. What the others have already is settled on the way,
//! without being sent.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{
    Driver, Sink, SinkError, Stored,
    partition_end::{Back, End, PartitionEnd, end},
    proof::{NOT_OURS, Proof, foreign, prove, unknown, unread},
};
use crate::{
    event::{Position, Seq, SourceId},
    journal::{Cursor, Journal, Note},
};

/// What the partitions have forgotten.
#[derive(Debug, Default)]
struct Forgotten {
    /// The furthest to go back.
    back: Option<Back>,
    /// By source: the oldest number after which a partition had more, of those that forgot what the journal no longer has.
    gone: BTreeMap<SourceId, Seq>,
}

impl Forgotten {
    fn from(&mut self, back: Option<Back>) {
        self.back = [self.back, back].into_iter().flatten().min_by_key(|(position, _)| *position);
    }

    fn after(&mut self, source: SourceId, seq: Seq) {
        let least = self.gone.entry(source).or_insert(seq);
        *least = seq.min(*least);
    }
}

impl Driver {
    /// Moves the reader to where the partition that is furthest behind ends, and notes what the others have.
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
        self.have = Vec::with_capacity(ends.len());
        for (end, known) in ends.iter().zip(&mut known) {
            let has = self.locate(end, known, &cursor, &mut forgotten).await?;
            agree(&journal, known, end, has).await?;
            self.have.push(has);
        }
        if let Some((position, newest)) = forgotten.back
            && position < cursor.next
        {
            self.go_back(position, newest).await?;
            for (source, seq) in forgotten.gone {
                self.count_forgotten(source, seq, position);
            }
        }
        // Last: a process that ends before this finds out again what was forgotten.
        self.partitions =
            known.iter().map(|partition| partition.iter().map(|note| note.seq).collect()).collect();
        self.reader.set_ends(known);
        Ok(())
    }

    /// The position up to which a partition has everything. Adds what it has forgotten.
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
            partition.shorter_than(known).for_each(|(source, seq)| forgotten.after(source, seq));
        }
        let (has, back) = match last {
            Some(last) => end(last, delivered, cursor),
            // An empty partition that was filled gets again what was delivered lately. Older events have had their time, and a
            // broker that forgot them by age is as it should be.
            None if delivered.is_some() => {
                let moment = Timestamp::now().checked_sub(self.options.retain).unwrap_or_default();
                let from = journal.since(moment).await.map_err(|error| unread(journal, &error))?;
                (from, Some((from, None)))
            }
            None => (Position(0), None),
        };
        forgotten.from(back);
        Ok(has)
    }

    /// Finds what all partitions end with in the journal. Refuses what another one has written, or a copy of ours.
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
                    Proof::Copy if self.is_adopted() => partition.is_adopted = true,
                    Proof::Copy => return Err(self.refuse(&stored, NOT_OURS)),
                    Proof::Unknown(next) if doubt.as_ref().is_none_or(|(furthest, ..)| next > *furthest) => {
                        doubt = Some((next, source, stored.clone()));
                    }
                    _ => {}
                }
                partition.take(source, Note::new(stored.seq, stored.time, stored.ty), proof);
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

/// By partition and source: the newest record that was delivered there, by the cursor. A sink that has one partition may have
/// been another sink before, which noted only the newest record of each source.
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

/// Where the newest record ends that was delivered to a partition and is not at its end, as far as it is kept.
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

/// Where the journal goes on behind a number, if its place is kept.
async fn next(journal: &Journal, source: SourceId, seq: Seq) -> Result<Option<Position>, SinkError> {
    let found = journal.search(source, seq).await.map_err(|error| unread(journal, &error))?;
    Ok(found.next())
}

/// Makes what is known of a partition what is there: its newest records, and those that lie deeper than its end was read.
async fn agree(
    journal: &Journal,
    known: &mut [Note],
    partition: &PartitionEnd,
    has: Position,
) -> Result<(), SinkError> {
    for (source, known) in (0..).map(SourceId).zip(known) {
        if let Some(newest) = partition.of(source) {
            known.clone_from(newest);
        } else if known.seq > Seq(0)
            && let Some(next) = next(journal, source, known.seq).await?
            && next > has
        {
            *known = Note::default();
        }
    }
    Ok(())
}
