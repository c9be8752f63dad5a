//! Loads the segments: their ends and each source's numbers.

use std::{
    collections::{HashMap, HashSet},
    path::Path,
    sync::Arc,
};

use event::Position;

use super::{OpenError, at};

use crate::{
    cursor::Cursor,
    disk::{
        names::NO_NAME,
        repair::Suspect,
        segment::{self, Next, Opened as Found},
        segment_state::Segment,
        store::Store,
    },
    entry::Entry,
    progress::SourceProgress,
};

/// Content of the segments.
pub(super) struct Loading {
    pub(super) store: Store,
    /// Progress of each source at the end.
    pub(super) progress: Vec<SourceProgress>,
    pub(super) end: Position,
    /// Whether anything was repaired: the damage may also have removed the newest records, even at a segment
    /// boundary.
    pub(super) torn: bool,
    /// Whether the newest segment was read and needed no repair.
    pub(super) is_newest_intact: bool,
}

impl Loading {
    /// Reads the undelivered segments and the newest one. The others are trusted until a reader needs them.
    /// Applies entries that the cursors do not cover yet.
    pub(super) fn of(
        store: Store,
        dir: &Path,
        found: Vec<Found>,
        cursors: &mut HashMap<String, Option<Cursor>>,
        notes: &mut Vec<String>,
    ) -> Result<Self, OpenError> {
        let mut loading =
            Self { store, progress: Vec::new(), end: Position(1), torn: false, is_newest_intact: false };
        let reached: HashSet<Position> = cursors
            .values()
            .map(|cursor| cursor.as_ref().map_or(Position(0), |cursor| cursor.next))
            .collect();
        let needed = reached.iter().min().copied();
        let nexts: Vec<Option<Next>> = (0..found.len()).map(|index| segment::next(&found, index)).collect();
        for (found, next) in found.into_iter().zip(nexts) {
            loading.store.next_generation = found.header.generation + 1;
            if next.as_ref().is_some_and(|next| found.header.first >= next.first) {
                let _ = loading.store.fs.remove(&loading.store.dir.join(&found.name));
                continue;
            }
            let delivered = |next: &&Next| needed.is_some_and(|needed| next.first <= needed);
            let segment = if let Some(next) = next.as_ref().filter(delivered) {
                (loading.progress, loading.end) = (next.progress.clone(), next.first);
                let length = at(&loading.store.dir, found.file.length())?;
                from_header(&found, next.first, length)
            } else {
                loading.read(dir, found, next.as_ref(), (&reached, cursors), notes)?
            };
            loading.store.add(segment);
        }
        Ok(loading)
    }

    /// Reads a segment, and repairs it if necessary.
    fn read(
        &mut self,
        dir: &Path,
        found: Found,
        next: Option<&Next>,
        (reached, cursors): (&HashSet<Position>, &mut HashMap<String, Option<Cursor>>),
        notes: &mut Vec<String>,
    ) -> Result<Segment, OpenError> {
        let path = self.store.dir.join(&found.name);
        let mut segment = from_header(&found, found.header.first, 0);
        let Found { file, header, start, .. } = found;
        let before = notes.len();
        let suspect = Suspect { fs: &*self.store.fs, dir, path: &path, file, header: &header, start, next };
        let repaired = at(&path, suspect.repair(notes))?;
        self.is_newest_intact = notes.len() == before;
        self.torn |= !self.is_newest_intact;
        (segment.format, segment.start) = (repaired.format, repaired.start as u64);
        segment.length = repaired.length;
        let summary = repaired.summary;
        segment.end = summary.end;
        segment.newest = summary.newest.or(segment.newest);
        for (entry, bytes) in &summary.entries {
            let name = entry.record().map_or(NO_NAME, |record| self.store.names.of(&record.body));
            *segment.bytes_by_name.entry(name).or_default() += bytes.len() as u64;
            if let Some(record) = entry.record().filter(|record| reached.contains(&record.position)) {
                segment.known.push((record.position, record.at));
            }
            recover(cursors, entry);
        }
        self.progress = summary.progress;
        self.end = segment.end;
        Ok(segment)
    }
}

fn recover(cursors: &mut HashMap<String, Option<Cursor>>, entry: &Entry) {
    for (sink, cursor) in cursors {
        if let Some(cursor) = cursor {
            cursor.recover(sink, entry);
        }
    }
}

/// Returns a segment as described by its header, ending at `limit`.
fn from_header(found: &Found, limit: Position, length: u64) -> Segment {
    let header = &found.header;
    Segment {
        generation: header.generation,
        revision: 0,
        format: header.format,
        start: found.start as u64,
        length,
        first: header.first,
        end: limit,
        created: header.created,
        progress: header.progress(),
        newest: Some(header.created),
        known: Vec::new(),
        passed: None,
        bytes_by_name: HashMap::new(),
        file: Arc::clone(&found.file),
    }
}
