//! Disk writes and their failures: the log continues in memory and returns to the disk when it recovers.

use std::{io, path::Path};

use event::Seq;

use super::Log;

use crate::{
    disk::{scan::apply, store::Store},
    entry::Entry,
    fs::Room,
    progress::SourceProgress,
    space::shortage,
};

impl Log {
    /// Writes appended entries. The log continues if the disk fails.
    pub(crate) fn flush(&mut self) {
        self.seal_refusal();
        let Some(store) = self.store.as_mut().filter(|store| store.failure.is_none()) else { return };
        match store.write(self.end, &self.written) {
            Ok(()) => self.written.clone_from(&self.progress),
            Err(error) => {
                store.discard();
                let failure = format!("can't write to {}: {error}", store.dir.display());
                self.report_failure(failure, &error);
            }
        }
    }

    fn report_failure(&mut self, reason: String, error: &io::Error) {
        if let Some(monitor) = &self.monitor {
            let text = format!(
                "{reason}: events are kept in memory meanwhile, and are lost if the process ends; {}",
                remedy(error)
            );
            monitor.failing(&text);
        }
        if let Some(store) = &mut self.store {
            store.failure = Some(reason);
            store.unconfirmed = true;
        }
    }

    /// Handles a failed sync: writes the unsynced entries again, to another file.
    pub(crate) fn sync_failed(&mut self, error: &io::Error) {
        let first = self.tail_first();
        let Some(store) = &mut self.store else { return };
        // Entries that are no longer in memory can't be written again.
        store.synced = store.synced.max(first.min(store.written));
        store.discard_unsynced();
        let reason = format!("can't sync {}: {error}", store.dir.display());
        self.report_failure(reason, error);
        self.retry();
    }

    /// Retries a failed disk: creates a segment with all entries that are in memory only.
    pub(crate) fn retry(&mut self) {
        self.seal_refusal();
        let first = self.tail_first();
        let Some(store) = self.store.as_mut().filter(|store| store.failure.is_some()) else { return };
        let first = first.max(store.written);
        // Roll back from the end of the log to the end of the disk.
        let (mut progress, skip) = (self.progress.clone(), self.index(first));
        let lost = self.dropped.clone().filter(|dropped| dropped.to == first).map(Entry::Absence);
        let again: Vec<&Entry> = lost.iter().chain(self.tail.range(skip..)).collect();
        for entry in again.iter().rev() {
            revert(&mut progress, entry, &self.written);
        }
        let first = again.first().map_or(first, |entry| entry.position());
        let Some(store) = &mut self.store else { return };
        // Before entries that are already folded, the state is not known any more.
        let written =
            store.begin(first, &progress, None).and_then(|()| write_again(store, &again, &mut progress));
        match written {
            Ok(()) => {
                store.failure = None;
                self.dropped = None;
                self.written.clone_from(&self.progress);
                self.replace_headless();
            }
            Err(error) => {
                store.discard();
                store.remove_empty();
                // Keep what was written before the error.
                store.written = store.written.max(first);
                if store.written > first {
                    self.dropped = None;
                    self.written = progress;
                }
                tracing::debug!(%error, "the journal's disk is still failing");
            }
        }
    }

    pub(crate) fn is_disk_failing(&self) -> bool {
        self.store.as_ref().is_some_and(|store| store.failure.is_some())
    }

    /// Returns why the disk rejects writes, and how many of a sink's pending records are in memory only.
    pub(crate) fn at_risk(&self, sink: usize) -> Option<(String, u64)> {
        let store = self.store.as_ref()?;
        let reason = store.failure.clone()?;
        let first = self.cursor(sink)?.next.max(store.written);
        let count = self.tail.range(self.index(first)..).filter_map(Entry::record).count();
        Some((reason, count as u64))
    }

    /// Reports that a small file can't be written. The segments may still be writable.
    pub(crate) fn report_cursor_failure(&self, error: &io::Error) {
        if let (Some(monitor), Some(store)) = (&self.monitor, &self.store)
            && store.failure.is_none()
        {
            let text = format!(
                "can't write the cursors beside {}: {error}: after a crash events are sent twice; {}",
                store.dir.display(),
                remedy(error)
            );
            monitor.failing(&text);
        }
    }

    /// Reports a healthy disk, once all small files are written and a sync has succeeded since the last
    /// failure.
    pub(crate) fn report_recovered(&self) {
        let proven = self.store.as_ref().is_some_and(|store| store.failure.is_none() && !store.unconfirmed);
        if let (Some(monitor), true) = (&self.monitor, proven) {
            monitor.active();
        }
    }

    /// Warns while the volume is too small for the journal's maximum size.
    pub(crate) fn note_room(&self, dir: &Path, room: Room) {
        if let (Some(monitor), Some(store)) = (&self.monitor, &self.store) {
            monitor.shortage(shortage(dir, room, store.total(), store.limits.max_bytes));
        }
    }
}

/// Returns the remedy for a disk error.
fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::NotFound => {
            "a directory of the journal was removed: restore it with its content; if that is lost, stop the bridge, which \
             first delivers what is in memory, and start it with a new journal"
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            "grant this user write access, and check whether the volume was remounted read-only after an error"
        }
        _ => "free space or repair the disk",
    }
}

/// Writes entries in segments of the usual size, so that the oldest can be removed separately. `progress` is
/// the state before the first entry; on return, before the first unwritten one.
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

/// Reverts `progress` to before an entry. `written` is the state at the end of the disk.
fn revert(progress: &mut [SourceProgress], entry: &Entry, written: &[SourceProgress]) {
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
                if absence.kind.held_records() {
                    progress.count = progress.count.saturating_sub(missing.count);
                }
            }
        }
    }
}
