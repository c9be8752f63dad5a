//! Where to go on when there are several lanes, each with an end of its own.
//!
//! Sending begins where the lane that is furthest behind ends; what the others have already is settled on the way,
//! without being sent.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{
    Driver, SinkError, Stored,
    resume::{foreign, unknown},
};
use crate::{
    event::{Position, Seq, SourceId},
    journal::{Cursor, Journal, Search},
};

/// How far back to go, and from which number on: what a lane has forgotten.
type Back = (Position, Option<(SourceId, Seq)>);

impl Driver {
    /// Moves the reader to where the lane that is furthest behind ends, and notes what the others have.
    pub(super) async fn resume_lanes(&mut self, ends: Vec<Vec<Stored>>) -> Result<(), SinkError> {
        let journal = self.reader.journal().clone();
        let cursor = self.reader.rewind();
        let mut known = cursor.ends.clone();
        known.resize(ends.len(), Vec::new());
        self.have = Vec::with_capacity(ends.len());
        let mut back: Option<Back> = None;
        let mut gone = BTreeMap::new();
        for (newest, known) in ends.into_iter().zip(&mut known) {
            known.resize(journal.sources().len(), Seq(0));
            let newest = self.numbered(&journal, newest)?;
            let last = last(&journal, &newest, known).await;
            if let Some(End::Forgotten(..)) = last {
                newest.shorter_than(known).for_each(|(source, seq)| keep_least(&mut gone, source, seq));
            }
            let (has, forgotten) = match last {
                Some(last) => end(last, delivered(&journal, known, &newest).await, &cursor),
                None if delivered(&journal, known, &newest).await.is_some() => {
                    let moment = Timestamp::now().checked_sub(self.options.retain).unwrap_or_default();
                    let from = journal.since(moment).await;
                    (from, Some((from, None)))
                }
                None => (Position(0), None),
            };
            agree(&journal, known, &newest, has).await;
            self.have.push(has);
            back = [back, forgotten].into_iter().flatten().min_by_key(|(position, _)| *position);
        }
        if let Some((position, newest)) = back
            && position < cursor.next
        {
            self.go_back(position, newest).await;
            for (source, seq) in gone {
                self.count_forgotten(source, seq, position);
            }
        }
        // Last: a process that ends before this finds out again what was forgotten.
        self.reader.set_ends(known.clone());
        self.lanes = known;
        Ok(())
    }

    /// A lane's newest numbers, all of our journal.
    fn numbered(&self, journal: &Journal, newest: Vec<Stored>) -> Result<Newest, SinkError> {
        let mut numbered = Newest::default();
        for stored in newest {
            if stored.journal == journal.id() {
                let source = journal.source(&stored.source).ok_or_else(|| unknown(&stored.source))?;
                numbered.ours.push((source, stored.seq));
            } else if self.options.adopt == Some(stored.journal) {
                numbered.is_adopted = true;
            } else {
                return Err(foreign(stored.journal, Some(journal.id())));
            }
        }
        Ok(numbered)
    }
}

/// What a lane ends with.
#[derive(Debug, Default)]
struct Newest {
    /// The newest number of each source.
    ours: Vec<(SourceId, Seq)>,
    /// Another journal's, after which we go on.
    is_adopted: bool,
}

impl Newest {
    fn of(&self, source: SourceId) -> Option<Seq> {
        self.ours.iter().find(|(of, _)| *of == source).map(|(_, seq)| *seq)
    }

    /// Those after which the lane had more.
    fn shorter_than(&self, known: &[Seq]) -> impl Iterator<Item = (SourceId, Seq)> {
        self.ours.iter().copied().filter(move |(source, seq)| had_more(known, *source, *seq))
    }
}

fn had_more(known: &[Seq], source: SourceId, seq: Seq) -> bool {
    known.get(source.index()).is_some_and(|known| *known > seq)
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
    /// The journal does not know it yet.
    Beyond,
    /// Another journal's.
    Adopted,
}

/// The one of a lane's newest records that is last on the line, and where that is.
async fn last(journal: &Journal, newest: &Newest, known: &[Seq]) -> Option<End> {
    let mut last = newest.is_adopted.then_some(End::Adopted);
    for (source, seq) in newest.ours.iter().copied() {
        let end = match journal.search(source, seq).await {
            Search::Older(_) if !had_more(known, source, seq) => End::LongAgo,
            Search::Older(first) => End::Forgotten(first, (source, seq)),
            Search::Before(next) => End::At(next, (source, seq)),
            Search::Beyond => {
                journal.skip_above(source, seq);
                End::Beyond
            }
        };
        last = last.max(Some(end));
    }
    last
}

/// Where the newest record ends that was delivered to a lane and is not at its end, as far as it is kept.
async fn delivered(journal: &Journal, known: &[Seq], newest: &Newest) -> Option<Position> {
    let mut delivered = None;
    for (source, known) in (0..).map(SourceId).zip(known.iter().copied()) {
        if known > newest.of(source).unwrap_or_default()
            && let Search::Before(next) = journal.search(source, known).await
        {
            delivered = delivered.max(Some(next));
        }
    }
    delivered
}

/// Up to where a lane has everything, and from where on it has forgotten what it had.
fn end(end: End, delivered: Option<Position>, cursor: &Cursor) -> (Position, Option<Back>) {
    match end {
        End::At(next, newest) if delivered.is_some_and(|delivered| next < delivered) => {
            (next, Some((next, Some(newest))))
        }
        End::At(next, _) => (next, None),
        End::Forgotten(first, newest) => (first, Some((first, Some(newest)))),
        End::LongAgo | End::Beyond | End::Adopted => (cursor.next, None),
    }
}

/// Makes what is known of a lane what is there: its newest numbers, and those that lie deeper than its end was read.
async fn agree(journal: &Journal, known: &mut [Seq], newest: &Newest, has: Position) {
    for (source, known) in (0..).map(SourceId).zip(known) {
        if let Some(seq) = newest.of(source) {
            *known = seq;
        } else if *known > Seq(0)
            && let Search::Before(next) = journal.search(source, *known).await
            && next > has
        {
            *known = Seq(0);
        }
    }
}
