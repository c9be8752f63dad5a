//! Erasure of events: rewrites the segments that hold some, one after the other.
//!
//! Each step leaves a valid journal, in which the events of the remaining steps are still there. The journal's lock is
//! not held while files are read or written. Compaction and repairs wait while a segment is rewritten.

use std::{collections::HashSet, io, slice};

use event::{Body, Position, Record};

use super::{OnDisk, Shared, replace::put_in_place};
use crate::{
    disk::{
        compact::{Sealed, rewrite},
        fill_level::Wanted,
        names::NameIds,
        segment::{Header, file_name},
        segment_range::SegmentRange,
    },
    entry::{Entry, Kind},
    erase::{Erased, Matches},
    fs,
};

/// Maximum number of attempts at a segment that is damaged, or that is replaced meanwhile.
const TRIES: usize = 4;

/// Content of a segment.
#[derive(Debug, PartialEq, Eq)]
enum Content {
    /// Nothing to erase.
    Clean,
    /// Matching events, a head, whose states may hold anything, or bytes after the last entry, which a failed write left there.
    Meant,
    /// Entries that can't be read.
    Damaged,
}

fn is_meant(record: &Record, matches: Matches) -> bool {
    !matches!(record.body, Body::Notice(_)) && matches(record)
}

impl Shared {
    pub(crate) fn erase(&self, matches: Matches) -> io::Result<Erased> {
        let erased = self.erase_all(matches);
        // Also after an error: some entries that readers hold may be gone.
        self.note_erasure();
        erased
    }

    fn erase_all(&self, matches: Matches) -> io::Result<Erased> {
        let mut erased = Erased::default();
        let (end, mut events) = self.log().seal();
        if self.disk.is_some() {
            self.sync();
            if let Some(reason) = self.log().unstable(end) {
                return Err(io::Error::other(reason));
            }
        }
        events.retain(|record| is_meant(record, matches));
        self.log().erase(&events.iter().map(|record| record.position).collect());
        match &self.disk {
            Some(disk) => self.erase_from_disk(disk, end, matches, &mut erased)?,
            None => events.iter().for_each(|record| erased.count(record)),
        }
        Ok(erased)
    }

    fn erase_from_disk(
        &self,
        disk: &OnDisk,
        end: Position,
        matches: Matches,
        erased: &mut Erased,
    ) -> io::Result<()> {
        let (mut from, mut tries) = (Position(0), 0);
        let mut last = None;
        while let Some((segment, is_done)) = self.erase_next(disk, (from, end), matches, erased)? {
            tries = if last == Some(segment.generation) { tries + 1 } else { 1 };
            last = Some(segment.generation);
            if is_done {
                from = segment.end;
            } else if tries == TRIES {
                return Err(io::Error::other("a segment can't be read, although it is intact"));
            }
        }
        self.remove_leftovers(disk)?;
        let renamed = disk.dir.join("renamed");
        for name in fs::list_any(&*disk.fs, &renamed)? {
            erased.renamed += fs::list_any(&*disk.fs, &renamed.join(name).join("segments"))?.len() as u64;
        }
        erased.quarantined = fs::list_any(&*disk.fs, &disk.dir.join("quarantine"))?.len() as u64;
        Ok(())
    }

    /// Erases the matching events of the first segment in a range, and returns it; `None` if there is none. Returns
    /// `false` with it if its file was repaired or removed, so that it must be looked up again.
    fn erase_next(
        &self,
        disk: &OnDisk,
        (from, end): (Position, Position),
        matches: Matches,
        erased: &mut Erased,
    ) -> io::Result<Option<(SegmentRange, bool)>> {
        let mut compactor = disk.compactor.lock();
        let next = self.log().store.as_ref().and_then(|store| {
            let segment = store.between(from, end)?;
            Some((segment, store.names.clone()))
        });
        let Some((segment, names)) = next else { return Ok(None) };
        let range = segment.range.clone();
        let again = |error| {
            if self.log().has_file(segment.file()) { Err(error) } else { Ok(Some((range.clone(), false))) }
        };
        match search(&segment.range, matches) {
            Ok(Content::Clean) => return Ok(Some((range, true))),
            Ok(Content::Meant) => {}
            Ok(Content::Damaged) => {
                drop(compactor);
                self.repair(segment.file())?;
                return Ok(Some((range, false)));
            }
            Err(error) => return again(error),
        }
        let mut part = Erased { segments: 1, ..Erased::default() };
        let copy = match copy_without(disk, &segment, &names, matches, &mut part) {
            Ok(Some(copy)) => copy,
            Ok(None) => return Ok(Some((range, false))),
            Err(error) => return again(error),
        };
        if put_in_place(self, &*disk.fs, &[segment.file()], copy, Wanted::Any)? {
            erased.add(&part);
        }
        // It may refer to an erased event as the newest of its entity.
        compactor.forget();
        Ok(Some((range, true)))
    }

    /// Removes files that belong to no segment any more. They may hold erased events, and the next open might even
    /// read them.
    fn remove_leftovers(&self, disk: &OnDisk) -> io::Result<()> {
        let _alone = disk.compactor.lock();
        let dir = disk.dir.join("segments");
        // Listed first: a segment that is created afterwards is not in the list.
        let mut names = disk.fs.list(&dir)?;
        let segments: HashSet<String> = self.log().store.as_ref().map_or_else(HashSet::new, |store| {
            store.segments.iter().map(|segment| file_name(segment.generation)).collect()
        });
        names.retain(|name| {
            let stem = name.strip_suffix(".log").or_else(|| name.strip_suffix(".new"));
            stem.is_some_and(|stem| stem.parse::<u64>().is_ok()) && !segments.contains(name)
        });
        for name in names {
            fs::remove_any(&*disk.fs, &dir.join(name))?;
        }
        // Also after a directory could not be synced earlier.
        disk.fs.sync_dir(&dir)
    }
}

fn search(range: &SegmentRange, matches: Matches) -> io::Result<Content> {
    // Read from the file: compaction may have replaced it by one without a head.
    if Header::read(&*range.file).is_ok_and(|(header, _)| header.head > 0) {
        return Ok(Content::Meant);
    }
    let mut place = range.start;
    while place.position < range.end {
        let chunk = range.read(place, place.position)?;
        if chunk.entries.iter().filter_map(Entry::record).any(|record| is_meant(record, matches)) {
            return Ok(Content::Meant);
        }
        if chunk.damaged || chunk.next == place {
            return Ok(Content::Damaged);
        }
        place = chunk.next;
    }
    Ok(if range.file.length()? > place.offset { Content::Meant } else { Content::Clean })
}

/// Writes a copy of a segment without the matching events, which `erased` counts. `None` if the segment is damaged.
fn copy_without(
    disk: &OnDisk,
    segment: &Sealed,
    names: &NameIds,
    matches: Matches,
    erased: &mut Erased,
) -> io::Result<Option<crate::disk::compact::Copy>> {
    let name = file_name(segment.range.generation);
    let path = disk.dir.join("segments").join(name).with_extension("new");
    rewrite(&*disk.fs, &path, slice::from_ref(segment), names, &mut |record, _| {
        is_meant(record, matches).then(|| {
            erased.count(record);
            Kind::Erased
        })
    })
}
