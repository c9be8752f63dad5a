//! Reads a segment entry by entry, past damage.

use std::{
    cell::Cell,
    collections::VecDeque,
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use event::Position;

use super::{Bookmark, Segment};
use crate::{
    disk::{
        repair,
        scan::summarize,
        segment_range::{Place, SegmentRange},
    },
    entry::Entry,
};

/// Iterates over the intact entries of a segment.
pub(super) struct Walk<'a> {
    segment: &'a Segment,
    gone: &'a AtomicU64,
    range: Option<SegmentRange>,
    place: Place,
    ahead: VecDeque<Entry>,
    bookmark: Option<&'a Cell<Option<Bookmark>>>,
}

impl<'a> Walk<'a> {
    /// Walks the segment, and counts damaged entries in `gone`.
    pub(super) fn of(segment: &'a Segment, gone: &'a AtomicU64) -> Self {
        let start = Place { offset: segment.found.start as u64, position: segment.first };
        let range = SegmentRange {
            generation: 0,
            revision: 0,
            file: Arc::clone(&segment.found.file),
            format: segment.found.header.format,
            start,
            length: segment.bytes,
            end: segment.next.as_ref().map_or(Position(u64::MAX), |next| next.first),
        };
        Self { segment, gone, range: Some(range), place: start, ahead: VecDeque::new(), bookmark: None }
    }

    /// Skips what was read, if it is of this segment. The bookmark follows.
    pub(super) fn behind(mut self, read: Option<Bookmark>, bookmark: &'a Cell<Option<Bookmark>>) -> Self {
        if let Some(read) = read.filter(|read| read.segment == self.segment.first) {
            self.place = read.place;
        }
        self.bookmark = Some(bookmark);
        self
    }

    /// Returns the segment's intact entries from `from` on, read as a repair reads them.
    fn past_damage(&self, from: Position) -> io::Result<Vec<Entry>> {
        let found = &self.segment.found;
        let content = repair::content(&*found.file)?;
        let summary = summarize(&content, &found.header, found.start, self.segment.next.as_ref());
        self.gone.fetch_add(summary.lost, Ordering::Relaxed);
        let entries = summary.entries.into_iter().map(|(entry, _)| entry);
        Ok(entries.filter(|entry| entry.position() >= from).collect())
    }
}

impl Iterator for Walk<'_> {
    type Item = io::Result<Entry>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.ahead.is_empty() {
            let range = self.range.as_ref()?;
            match range.read(self.place, self.place.position) {
                Ok(chunk) => {
                    let is_stuck = chunk.next.offset == self.place.offset;
                    self.place = chunk.next;
                    if let Some(bookmark) = self.bookmark {
                        bookmark.set(Some(Bookmark { segment: self.segment.first, place: self.place }));
                    }
                    if is_stuck || chunk.damaged {
                        self.range = None;
                    }
                    self.ahead = chunk.entries;
                    if chunk.damaged {
                        match self.past_damage(chunk.next.position) {
                            Ok(rest) => self.ahead.extend(rest),
                            Err(error) => return Some(Err(error)),
                        }
                    }
                }
                Err(error) => {
                    self.range = None;
                    return Some(Err(error));
                }
            }
        }
        self.ahead.pop_front().map(Ok)
    }
}
