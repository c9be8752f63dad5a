//! Writing to the disk, and what is done when it refuses: the log goes on in memory, and returns.

use std::{io, path::Path};

use event::Seq;

use super::Log;

use crate::{
    disk::{scan::apply, store::Store},
    entry::{Entry, Kind},
    fs::Room,
    progress::SourceProgress,
    space::shortage,
};

impl Log {
    /// Writes what was appended. A disk that refuses does not stop the log.
    pub(crate) fn flush(&mut self) {
        self.seal_refusal();
        let Some(store) = self.store.as_mut().filter(|store| store.trouble.is_none()) else { return };
        match store.write(self.end, &self.written) {
            Ok(()) => self.written.clone_from(&self.progress),
            Err(error) => {
                store.discard();
                let trouble = format!("can't write to {}: {error}", store.dir.display());
                self.trouble(trouble, &error);
            }
        }
    }

    fn trouble(&mut self, reason: String, error: &io::Error) {
        if let Some(monitor) = &self.monitor {
            let text = format!(
                "{reason}: events are kept in memory meanwhile, and are lost if the process ends; {}",
                remedy(error)
            );
            monitor.failing(&text);
        }
        if let Some(store) = &mut self.store {
            store.trouble = Some(reason);
            store.unproven = true;
        }
    }

    /// A sync failed: what was not synced is written anew, elsewhere.
    pub(crate) fn distrust(&mut self, error: &io::Error) {
        let first = self.tail_first();
        let Some(store) = &mut self.store else { return };
        // What memory no longer holds can't be written again.
        store.synced = store.synced.max(first.min(store.written));
        store.distrust();
        let reason = format!("can't sync {}: {error}", store.dir.display());
        self.trouble(reason, error);
        self.retry();
    }

    /// Back to the disk, if it lets us: a new segment with everything that only memory holds.
    pub(crate) fn retry(&mut self) {
        self.seal_refusal();
        let first = self.tail_first();
        let Some(store) = self.store.as_mut().filter(|store| store.trouble.is_some()) else { return };
        let first = first.max(store.written);
        // Back from the end to where the disk ends.
        let (mut progress, skip) = (self.progress.clone(), self.index(first));
        let lost = self.dropped.clone().filter(|dropped| dropped.to == first).map(Entry::Absence);
        let again: Vec<&Entry> = lost.iter().chain(self.tail.range(skip..)).collect();
        for entry in again.iter().rev() {
            take_back(&mut progress, entry, &self.written);
        }
        let first = again.first().map_or(first, |entry| entry.position());
        let Some(store) = &mut self.store else { return };
        let written = store.begin(first, &progress).and_then(|()| write_again(store, &again, &mut progress));
        match written {
            Ok(()) => {
                store.trouble = None;
                self.dropped = None;
                self.written.clone_from(&self.progress);
            }
            Err(error) => {
                store.discard();
                store.remove_empty();
                // As far as it came.
                store.written = store.written.max(first);
                if store.written > first {
                    self.dropped = None;
                    self.written = progress;
                }
                tracing::debug!(%error, "the journal's disk still refuses");
            }
        }
    }

    pub(crate) fn is_in_trouble(&self) -> bool {
        self.store.as_ref().is_some_and(|store| store.trouble.is_some())
    }

    /// Why the disk refuses, and how many of a sink's undelivered records only memory holds.
    pub(crate) fn at_risk(&self, sink: usize) -> Option<(String, u64)> {
        let store = self.store.as_ref()?;
        let reason = store.trouble.clone()?;
        let first = self.cursor(sink)?.next.max(store.written);
        let count = self.tail.range(self.index(first)..).filter_map(Entry::record).count();
        Some((reason, count as u64))
    }

    /// A small file can't be written. The log itself may still be.
    pub(crate) fn trouble_aside(&self, error: &io::Error) {
        if let (Some(monitor), Some(store)) = (&self.monitor, &self.store)
            && store.trouble.is_none()
        {
            let text = format!(
                "can't write the cursors beside {}: {error}: after a crash events are sent twice; {}",
                store.dir.display(),
                remedy(error)
            );
            monitor.failing(&text);
        }
    }

    /// All small files are as they should be; and all segments, if a sync has succeeded since they were not.
    pub(crate) fn untroubled(&self) {
        let proven = self.store.as_ref().is_some_and(|store| store.trouble.is_none() && !store.unproven);
        if let (Some(monitor), true) = (&self.monitor, proven) {
            monitor.active();
        }
    }

    /// Warns, while the volume can't take all that the journal may grow to.
    pub(crate) fn note_room(&self, dir: &Path, room: Room) {
        if let (Some(monitor), Some(store)) = (&self.monitor, &self.store) {
            monitor.shortage(shortage(dir, room, store.total(), store.limits.max_bytes));
        }
    }
}

/// What to do about an error of the disk.
fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::NotFound => {
            "a directory of the journal was removed: put it back with what was in it, or, if that is gone, stop the bridge, which \
             delivers what is in memory first, and start it with a new journal"
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            "let this user write there, and see whether the volume was mounted read-only after an error"
        }
        _ => "free space or repair the disk",
    }
}

/// Writes entries in segments of the usual size, so that the oldest of them can go without the others. `progress` is where the
/// sources are before the first, and then before the first that was not written.
fn write_again(store: &mut Store, entries: &[&Entry], progress: &mut Vec<SourceProgress>) -> io::Result<()> {
    let mut after = progress.clone();
    for (index, entry) in entries.iter().enumerate() {
        store.put(entry);
        apply(&mut after, entry);
        if store.is_segment() || index + 1 == entries.len() {
            store.write(entry.end(), progress)?;
            progress.clone_from(&after);
        }
    }
    Ok(())
}

/// Where the sources were before an entry. `written` is where they were on the disk.
fn take_back(progress: &mut [SourceProgress], entry: &Entry, written: &[SourceProgress]) {
    match entry {
        Entry::Record(record) => {
            let Some(progress) = progress.get_mut(record.source.index()) else { return };
            progress.next = record.seq;
            progress.count -= 1;
            let before = written.get(record.source.index()).map_or(Seq(0), |written| written.gap);
            progress.gap = if record.gap == record.seq { before } else { record.gap };
        }
        Entry::Absence(absence) => {
            for missing in &absence.ranges {
                let Some(progress) = progress.get_mut(missing.source.index()) else { continue };
                progress.next = missing.from;
                if let Kind::Lost(_) = absence.kind {
                    progress.count = progress.count.saturating_sub(missing.count);
                }
            }
        }
    }
}
