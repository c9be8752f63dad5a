//! Scans a segment: finds intact entries, damage, and the owners of damaged records.

use std::ops::Range;

use bytes::Bytes;
use event::{LossReason, Position, Seq, SourceId};
use jiff::Timestamp;

use super::{
    codec::{self, Format, Found},
    segment::{Header, Next},
};

use crate::{
    entry::{Absence, Entry, Kind, Missing},
    progress::SourceProgress,
};

/// A piece of a segment's content.
#[derive(Debug)]
pub(crate) enum Piece {
    /// An entry and the range of its bytes.
    Entry(Entry, Range<usize>),
    /// Bytes that are not an entry; an empty range if entries are missing without a trace.
    Damaged(Range<usize>),
}

impl Piece {
    fn entry(&self) -> Option<&Entry> {
        match self {
            Self::Entry(entry, _) => Some(entry),
            Self::Damaged(_) => None,
        }
    }
}

/// Splits a segment's content into pieces, starting at an offset. `expected` is the position of the first
/// entry.
pub(crate) fn pieces(format: Format, content: &Bytes, mut at: usize, mut expected: Position) -> Vec<Piece> {
    let mut pieces = Vec::new();
    while at < content.len() {
        let found = codec::decode(format, &content.slice(at..));
        match found {
            Found::Entry(entry, size) if is_believable(&entry, expected) => {
                if entry.position() > expected && !matches!(pieces.last(), Some(Piece::Damaged(_))) {
                    pieces.push(Piece::Damaged(at..at));
                }
                expected = entry.end();
                pieces.push(Piece::Entry(entry, at..at + size));
                at += size;
            }
            _ => {
                let next = resume(format, content, at, &found, expected);
                pieces.push(Piece::Damaged(at..next));
                at = next;
            }
        }
    }
    pieces
}

/// Maximum number of positions that damage can hide.
const FURTHEST: u64 = 1 << 32;

fn is_believable(entry: &Entry, expected: Position) -> bool {
    let position = entry.position();
    position >= expected && position.0 - expected.0 < FURTHEST
}

/// Finds the next intact entry after damage at `at`; the end of the content if there is none.
fn resume(format: Format, content: &Bytes, at: usize, found: &Found, expected: Position) -> usize {
    let end = content.len();
    let is_intact = |at: usize| matches!(codec::decode(format, &content.slice(at..)), Found::Entry(entry, _) if is_believable(&entry, expected));
    // Without a key, an entry's payload could pass for entries, so the length is trusted. With a key it is
    // not: after lost bytes, the length may lead past intact entries.
    match found {
        Found::Entry(_, size) | Found::Damaged(Some(size))
            if format == Format::Unkeyed && (at + size == end || is_intact(at + size)) =>
        {
            return at + size;
        }
        // An incomplete write.
        Found::Cut(_) if format == Format::Unkeyed => return end,
        _ => {}
    }
    // Bytes were lost or added, or the length is damaged. Only entries written with the segment's key match.
    let mut from = at + 1;
    while from < end {
        let has_length = content.get(from..).is_some_and(|rest| codec::length(format, rest).is_some());
        if has_length && is_intact(from) {
            return from;
        }
        from += 1;
    }
    end
}

/// Summary of a segment's content.
#[derive(Debug)]
pub(crate) struct Summary {
    /// Position after the last entry.
    pub(crate) end: Position,
    /// Progress of each source after the last entry.
    pub(crate) progress: Vec<SourceProgress>,
    /// Receive time of the newest record.
    pub(crate) newest: Option<Timestamp>,
    /// Bytes at the end that are not an entry, if nothing indicates that there was one.
    pub(crate) torn: usize,
    /// Number of damaged bytes; at least one per damaged place.
    pub(crate) damaged: usize,
    /// Number of lost positions.
    pub(crate) lost: u64,
    /// All entries with the range of their bytes; an absence replaces each damaged place.
    pub(crate) entries: Vec<(Entry, Range<usize>)>,
}

/// Scans a segment's content, header included. `next` is `None` for the newest segment.
pub(crate) fn summarize(content: &Bytes, header: &Header, start: usize, next: Option<&Next>) -> Summary {
    let limit = next.map_or(Position(u64::MAX), |next| next.first);
    let mut pieces = pieces(header.format, content, start, header.first);
    pieces.retain(|piece| piece.entry().is_none_or(|entry| entry.position() < limit));
    let mut torn = match pieces.pop_if(|piece| matches!(piece, Piece::Damaged(_))) {
        Some(Piece::Damaged(range)) => range.len(),
        _ => 0,
    };
    let end = pieces.iter().rev().find_map(Piece::entry).map_or(header.first, Entry::end);
    if end < limit && next.is_some() {
        // The last entries are missing.
        let at = content.len() - torn;
        pieces.push(Piece::Damaged(at..content.len()));
        torn = 0;
    }
    let mut ownership = Ownership::new(header, next, &pieces);
    let mut summary = Summary {
        end: header.first,
        progress: header.progress(),
        newest: None,
        torn,
        damaged: 0,
        lost: 0,
        entries: Vec::with_capacity(pieces.len()),
    };
    let mut pieces = pieces.into_iter().peekable();
    while let Some(piece) = pieces.next() {
        let (entry, range) = match piece {
            Piece::Entry(entry, range) => {
                ownership.pass(&entry);
                (entry, range)
            }
            Piece::Damaged(range) => {
                summary.damaged += range.len().max(1);
                let to = pieces.peek().and_then(Piece::entry).map_or(limit, Entry::position);
                let from = summary.end;
                if to <= from || to == Position(u64::MAX) {
                    continue;
                }
                summary.lost += to.0 - from.0;
                let ranges = ownership.of(from..to, &summary.progress);
                let kind = Kind::Lost(LossReason::Damaged);
                (Entry::Absence(Absence { from, to, kind, ranges }), range.end..range.end)
            }
        };
        if let Entry::Record(record) = &entry {
            summary.newest = summary.newest.max(Some(record.at));
        }
        apply(&mut summary.progress, &entry);
        summary.end = entry.end();
        summary.entries.push((entry, range));
    }
    summary
}

/// Advances the sources past an entry.
pub(crate) fn apply(progress: &mut Vec<SourceProgress>, entry: &Entry) {
    match entry {
        Entry::Record(record) => of(progress, record.source).note(record),
        Entry::Absence(absence) => {
            absence
                .ranges
                .iter()
                .for_each(|missing| of(progress, missing.source).pass(missing, absence.kind));
        }
    }
}

fn of(progress: &mut Vec<SourceProgress>, source: SourceId) -> &mut SourceProgress {
    let index = source.index();
    if progress.len() <= index {
        progress.resize(index + 1, SourceProgress::default());
    }
    // In bounds: the vector was just extended.
    #[allow(clippy::indexing_slicing, reason = "within the length set above")]
    &mut progress[index]
}

/// Determines the owners of damaged records. Numbers are dense, so the numbers before and after the damage
/// identify them; the header of the next segment holds the number of records of each source.
struct Ownership {
    /// First number of each entry ahead, by source, nearest last.
    ahead: Vec<Vec<Seq>>,
    /// Missing records not accounted for, by source. `None` for the newest segment.
    missing: Option<Vec<u64>>,
    /// Next number after the segment, by source.
    next: Vec<Option<Seq>>,
    /// Number of damaged places ahead.
    places: usize,
}

impl Ownership {
    fn new(header: &Header, next: Option<&Next>, pieces: &[Piece]) -> Self {
        let sources = header.sources.len();
        let mut counted = header.progress();
        let mut ahead = vec![Vec::new(); sources];
        let mut note = |source: SourceId, seq: Seq| {
            if let Some(numbers) = ahead.get_mut(source.index()) {
                numbers.push(seq);
            }
        };
        let is_damaged = pieces.iter().any(|piece| matches!(piece, Piece::Damaged(_)));
        for entry in pieces.iter().filter_map(Piece::entry).filter(|_| is_damaged) {
            apply(&mut counted, entry);
            match entry {
                Entry::Record(record) => note(record.source, record.seq),
                Entry::Absence(absence) => {
                    absence.ranges.iter().for_each(|missing| note(missing.source, missing.from));
                }
            }
        }
        for numbers in &mut ahead {
            numbers.reverse();
        }
        let of = |index: usize| next.and_then(|next| next.progress.get(index));
        let missing = next.map(|_| {
            let counted = counted.iter().map(|progress| progress.count).enumerate();
            counted
                .map(|(index, counted)| of(index).map_or(0, |after| after.count.saturating_sub(counted)))
                .collect()
        });
        Self {
            ahead,
            missing,
            next: (0..sources).map(|index| of(index).map(|progress| progress.next)).collect(),
            places: pieces.iter().filter(|piece| matches!(piece, Piece::Damaged(_))).count(),
        }
    }

    fn pass(&mut self, entry: &Entry) {
        let mut of = |source: SourceId| {
            if let Some(numbers) = self.ahead.get_mut(source.index()) {
                numbers.pop();
            }
        };
        match entry {
            Entry::Record(record) => of(record.source),
            Entry::Absence(absence) => absence.ranges.iter().for_each(|missing| of(missing.source)),
        }
    }

    /// Returns each source's numbers at a damaged place; empty if the owners are unknown.
    fn of(&mut self, place: Range<Position>, before: &[SourceProgress]) -> Vec<Missing> {
        self.places = self.places.saturating_sub(1);
        let sources = (0_u16..).map(SourceId).zip(before).take(self.ahead.len());
        let gaps: Vec<(SourceId, Seq, Option<Seq>)> = sources
            .map(|(source, before)| {
                let ahead = self.ahead.get(source.index()).and_then(|numbers| numbers.last().copied());
                let next = self.next.get(source.index()).copied().flatten();
                (source, before.next, ahead.or(next))
            })
            .collect();
        let is_last = self.places == 0;
        match &mut self.missing {
            Some(missing) => by_count(&gaps, missing, is_last),
            None => by_numbers(&gaps, place.end.0 - place.start.0),
        }
    }
}

fn range(source: SourceId, count: u64, from: Seq, next: Seq) -> Option<Missing> {
    (next > from).then(|| Missing { source, count, from, to: Seq(next.0 - 1) })
}

/// Determines the owners if the number of missing records of each source is known.
fn by_count(gaps: &[(SourceId, Seq, Option<Seq>)], missing: &mut [u64], is_last: bool) -> Vec<Missing> {
    let mut ranges = Vec::new();
    for (source, from, next) in gaps {
        let (Some(left), Some(next)) = (missing.get_mut(source.index()), next) else { continue };
        let gap = next.0.saturating_sub(from.0);
        let count = if is_last { *left } else { gap.min(*left) };
        *left -= count;
        ranges.extend(range(*source, count, *from, *next));
    }
    ranges
}

/// Determines the owners from the surrounding numbers and the number of missing positions.
fn by_numbers(gaps: &[(SourceId, Seq, Option<Seq>)], positions: u64) -> Vec<Missing> {
    let known = || gaps.iter().filter_map(|(source, from, next)| Some((*source, *from, (*next)?)));
    let sum: u64 = known().map(|(_, from, next)| next.0.saturating_sub(from.0)).sum();
    let silent: Vec<_> = gaps.iter().filter(|(.., next)| next.is_none()).collect();
    let with_gaps = known().filter(|(_, from, next)| next > from).count();
    if sum > positions {
        // Some of these numbers had no record, so the owner is certain only if there is one source.
        if with_gaps > 1 || !silent.is_empty() {
            return Vec::new();
        }
        return known().filter_map(|(source, from, next)| range(source, positions, from, next)).collect();
    }
    let mut ranges: Vec<_> = known()
        .filter_map(|(source, from, next)| range(source, next.0.saturating_sub(from.0), from, next))
        .collect();
    match (positions - sum, silent.as_slice()) {
        (0, _) | (_, []) => {}
        (rest, [(source, from, _)]) => {
            ranges.extend(range(*source, rest, *from, Seq(from.0.saturating_add(rest))));
        }
        _ => return Vec::new(),
    }
    ranges
}
