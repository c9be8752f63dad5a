//! Where to go on when there are several lanes, each with an end of its own.
//!
//! Sending begins where the lane that is furthest behind ends; what the others have already is settled on the way,
//! without being sent.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{
    Driver, Sink, SinkError, Stored,
    proof::{NOT_OURS, Proof, foreign, prove, unknown, unread},
};
use crate::{
    event::{Position, Seq, SourceId},
    journal::{Cursor, Journal, Note},
};

/// How far back to go, and from which number on: what a lane has forgotten.
type Back = (Position, Option<(SourceId, Seq)>);

impl Driver {
    /// Moves the reader to where the lane that is furthest behind ends, and notes what the others have.
    pub(super) async fn resume_lanes<S: Sink>(
        &mut self,
        sink: &S,
        link: &mut S::Link,
        ends: Vec<Vec<Stored>>,
    ) -> Result<(), SinkError> {
        let journal = self.reader.journal().clone();
        let cursor = self.reader.rewind();
        let mut known = cursor.ends.clone();
        known.resize(ends.len(), Vec::new());
        for known in &mut known {
            known.resize(journal.sources().len(), Note::default());
        }
        let lanes = self.prove_lanes(sink, link, ends, (&known, &cursor)).await?;
        self.have = Vec::with_capacity(lanes.len());
        let mut back: Option<Back> = None;
        let mut gone = BTreeMap::new();
        for (lane, known) in lanes.into_iter().zip(&mut known) {
            let last = lane.last(known);
            if let Some(End::Forgotten(..)) = last {
                lane.shorter_than(known).for_each(|(source, seq)| keep_least(&mut gone, source, seq));
            }
            let delivered = delivered(&journal, known, &lane).await?;
            let (has, forgotten) = match last {
                Some(last) => end(last, delivered, &cursor),
                None if delivered.is_some() => {
                    let moment = Timestamp::now().checked_sub(self.options.retain).unwrap_or_default();
                    let from = journal.since(moment).await.map_err(|error| unread(&journal, &error))?;
                    (from, Some((from, None)))
                }
                None => (Position(0), None),
            };
            agree(&journal, known, &lane, has).await?;
            self.have.push(has);
            back = [back, forgotten].into_iter().flatten().min_by_key(|(position, _)| *position);
        }
        if let Some((position, newest)) = back
            && position < cursor.next
        {
            self.go_back(position, newest).await?;
            for (source, seq) in gone {
                self.count_forgotten(source, seq, position);
            }
        }
        // Last: a process that ends before this finds out again what was forgotten.
        self.lanes = known.iter().map(|lane| lane.iter().map(|note| note.seq).collect()).collect();
        self.reader.set_ends(known);
        self.trust();
        Ok(())
    }

    /// Finds what all lanes end with in the journal. Refuses what another one has written, or a copy of ours.
    async fn prove_lanes<S: Sink>(
        &mut self,
        sink: &S,
        link: &mut S::Link,
        ends: Vec<Vec<Stored>>,
        (known, cursor): (&[Vec<Note>], &Cursor),
    ) -> Result<Vec<Lane>, SinkError> {
        let journal = self.reader.journal().clone();
        let mut lanes = Vec::with_capacity(ends.len());
        let mut doubt: Option<(Position, Stored)> = None;
        for (newest, known) in ends.into_iter().zip(known) {
            let mut lane = Lane::default();
            for stored in newest {
                if stored.journal != journal.id() {
                    if self.options.adopt != Some(stored.journal) {
                        return Err(foreign(&stored, Some(journal.id())));
                    }
                    lane.is_adopted = true;
                    continue;
                }
                let source = journal.source(&stored.source).ok_or_else(|| unknown(&stored))?;
                let proof = prove(&journal, known.get(source.index()), (source, &stored)).await?;
                match proof {
                    Proof::Copy if self.is_adopted() => lane.is_adopted = true,
                    Proof::Copy => return Err(self.refuse(&stored, NOT_OURS)),
                    Proof::Unknown(next) if doubt.as_ref().is_none_or(|(furthest, _)| next > *furthest) => {
                        doubt = Some((next, stored.clone()));
                    }
                    _ => {}
                }
                lane.take(source, Note::new(stored.seq, stored.time, stored.ty), proof);
            }
            lanes.push(lane);
        }
        if let Some((next, stored)) = doubt {
            self.look_twice(sink, link, &stored, next >= cursor.next).await?;
        }
        Ok(lanes)
    }
}

/// What a lane ends with.
#[derive(Debug, Default)]
struct Lane {
    /// The newest record of each source.
    newest: BTreeMap<SourceId, (Note, Proof)>,
    /// Another journal's, after which we go on.
    is_adopted: bool,
}

impl Lane {
    fn take(&mut self, source: SourceId, note: Note, proof: Proof) {
        if self.newest.get(&source).is_none_or(|(newest, _)| newest.seq < note.seq) {
            self.newest.insert(source, (note, proof));
        }
    }

    fn of(&self, source: SourceId) -> Option<&Note> {
        self.newest.get(&source).map(|(note, _)| note)
    }

    /// Those after which the lane had more.
    fn shorter_than(&self, known: &[Note]) -> impl Iterator<Item = (SourceId, Seq)> {
        let all = self.newest.iter().map(|(source, (note, _))| (*source, note.seq));
        all.filter(move |(source, seq)| had_more(known, *source, *seq))
    }

    /// The one of the newest records that is last in the journal, and where that is.
    fn last(&self, known: &[Note]) -> Option<End> {
        let ends = self.newest.iter().map(|(source, (note, proof))| match *proof {
            Proof::Older(first) if had_more(known, *source, note.seq) => {
                End::Forgotten(first, (*source, note.seq))
            }
            Proof::Older(_) => End::LongAgo,
            Proof::Ours(next) | Proof::Unknown(next) => End::At(next, (*source, note.seq)),
            Proof::Copy => End::Adopted,
        });
        ends.chain(self.is_adopted.then_some(End::Adopted)).max()
    }
}

fn had_more(known: &[Note], source: SourceId, seq: Seq) -> bool {
    known.get(source.index()).is_some_and(|known| known.seq > seq)
}

fn keep_least(least: &mut BTreeMap<SourceId, Seq>, source: SourceId, seq: Seq) {
    let known = least.entry(source).or_insert(seq);
    *known = seq.min(*known);
}

/// Where a lane's newest record is, the later the greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum End {
    /// Delivered before the journal's oldest, and nothing since.
    LongAgo,
    /// Before the journal's oldest, which is here, though newer ones were delivered.
    Forgotten(Position, (SourceId, Seq)),
    /// Right before this position.
    At(Position, (SourceId, Seq)),
    /// Another journal's.
    Adopted,
}

/// Where the newest record ends that was delivered to a lane and is not at its end, as far as it is kept.
async fn delivered(journal: &Journal, known: &[Note], lane: &Lane) -> Result<Option<Position>, SinkError> {
    let mut delivered = None;
    for (source, known) in (0..).map(SourceId).zip(known) {
        if known.seq > lane.of(source).map_or(Seq(0), |newest| newest.seq) {
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

/// Up to where a lane has everything, and from where on it has forgotten what it had.
fn end(end: End, delivered: Option<Position>, cursor: &Cursor) -> (Position, Option<Back>) {
    match end {
        End::At(next, newest) if delivered.is_some_and(|delivered| next < delivered) => {
            (next, Some((next, Some(newest))))
        }
        End::At(next, _) => (next, None),
        End::Forgotten(first, newest) => (first, Some((first, Some(newest)))),
        End::LongAgo | End::Adopted => (cursor.next, None),
    }
}

/// Makes what is known of a lane what is there: its newest records, and those that lie deeper than its end was read.
async fn agree(journal: &Journal, known: &mut [Note], lane: &Lane, has: Position) -> Result<(), SinkError> {
    for (source, known) in (0..).map(SourceId).zip(known) {
        if let Some(newest) = lane.of(source) {
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
