//! Looking through the segments: their ends, their holes, and where each source stands.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    path::Path,
    sync::Arc,
};

use super::{OpenError, at};
use crate::{
    event::{Position, Seq, SourceId},
    journal::{
        cursor::Cursor,
        disk::{
            held::Segment,
            mend::Suspect,
            segment::{Header, Opened as Found},
            store::Store,
        },
        line::{Hole, Missing, Standing},
    },
};

/// What the segments hold.
pub(super) struct Loading {
    pub(super) store: Store,
    pub(super) holes: BTreeMap<Position, Hole>,
    /// As of the end.
    pub(super) standing: Vec<Standing>,
    pub(super) end: Position,
    /// Whether anything was mended: what damaged that may have cut off the newest records, even between two of them.
    pub(super) torn: bool,
}

impl Loading {
    /// Looks through what is not delivered, and the newest segment; the others are believed until they are read.
    pub(super) fn of(
        store: Store,
        dir: &Path,
        found: Vec<Found>,
        cursors: &HashMap<String, Option<Cursor>>,
        notes: &mut Vec<String>,
    ) -> Result<Self, OpenError> {
        let mut loading =
            Self { store, holes: BTreeMap::new(), standing: Vec::new(), end: Position(1), torn: false };
        let reached: HashSet<Position> = cursors
            .values()
            .map(|cursor| cursor.as_ref().map_or(Position(0), |cursor| cursor.next))
            .collect();
        let needed = reached.iter().min().copied();
        let firsts: Vec<Position> = found.iter().map(|found| found.header.first).collect();
        let count = found.len();
        for (index, found) in found.into_iter().enumerate() {
            // A later generation is right about what it holds.
            let limit = firsts.iter().skip(index + 1).min().copied().unwrap_or(Position(u64::MAX));
            loading.store.next_generation = found.header.generation + 1;
            if found.header.first >= limit {
                let _ = loading.store.fs.remove(&loading.store.dir.join(&found.name));
                continue;
            }
            let is_newest = index + 1 == count;
            let believed = !is_newest && needed.is_some_and(|needed| limit <= needed);
            loading.bridge(&found.header);
            let segment = if believed {
                (loading.standing, loading.end) = (Vec::new(), limit);
                let length = at(&loading.store.dir, found.file.length())?;
                believe(&found, limit, length)
            } else {
                loading.mend(dir, found, limit, &reached, notes)?
            };
            loading.store.add(segment);
        }
        Ok(loading)
    }

    /// Reads a segment through; damage is cut or set aside.
    fn mend(
        &mut self,
        dir: &Path,
        found: Found,
        limit: Position,
        reached: &HashSet<Position>,
        notes: &mut Vec<String>,
    ) -> Result<Segment, OpenError> {
        let path = self.store.dir.join(&found.name);
        let mut segment = believe(&found, limit, 0);
        let Found { file, header, start, .. } = found;
        let names = &mut self.store.names;
        let (tally, known) = (&mut segment.tally, &mut segment.known);
        let suspect = Suspect { fs: &*self.store.fs, dir, path: &path, file, header: &header, start, limit };
        let told = notes.len();
        let mended = suspect.mend(notes, |record, size| {
            *tally.entry(names.of(&record.body)).or_default() += size as u64;
            if reached.contains(&record.position) {
                known.push((record.position, record.at));
            }
        });
        let mended = at(&path, mended)?;
        segment.file = mended.file;
        segment.length = mended.length;
        segment.end = mended.summary.end;
        segment.newest = mended.summary.newest.or(segment.newest);
        self.torn |= notes.len() > told;
        self.holes.extend(mended.summary.holes.into_iter().map(|hole| (hole.from, hole)));
        self.standing = mended.summary.standing;
        self.end = segment.end;
        Ok(segment)
    }

    /// Between two segments: if the first ends early, its last records are missing.
    fn bridge(&mut self, next: &Header) {
        if self.standing.is_empty() || self.store.segments.is_empty() || next.first <= self.end {
            return;
        }
        let before = self.standing.iter().cloned().chain(std::iter::repeat(Standing::default()));
        let missing = (0_u16..).map(SourceId).zip(before).zip(next.standing()).filter_map(
            |((source, before), after)| {
                let count = after.count.saturating_sub(before.count);
                (count > 0).then(|| Missing {
                    source,
                    count,
                    from: before.next,
                    to: Seq(after.next.0.saturating_sub(1)),
                })
            },
        );
        let hole = Hole { from: self.end, to: next.first, missing: missing.collect() };
        if !hole.missing.is_empty() {
            self.holes.insert(hole.from, hole);
        }
    }
}

/// A segment as its header tells, that ends at `limit`.
fn believe(found: &Found, limit: Position, length: u64) -> Segment {
    let header = &found.header;
    Segment {
        generation: header.generation,
        start: found.start as u64,
        length,
        first: header.first,
        end: limit,
        begun: header.created,
        standing: header.standing(),
        newest: Some(header.created),
        known: Vec::new(),
        passed: None,
        tally: HashMap::new(),
        file: Arc::clone(&found.file),
    }
}
