//! Erasure of events in memory.

use std::collections::HashSet;

use event::{Body, Position, Record};

use super::Log;

use crate::entry::{Absence, Entry, Kind};

impl Log {
    /// Seals the newest segment. Returns the end of the log, and the events in memory, those of calls included.
    pub(crate) fn seal(&mut self) -> (Position, Vec<Record>) {
        self.flush();
        // What follows must not count as unchanged because of an event that is erased.
        self.changes.clear();
        // An older segment keeps its head until there is a new one.
        if matches!(self.begin_with_head(), Ok(false))
            && let Some(store) = self.store.as_mut().filter(|store| store.failure.is_none())
        {
            store.seal();
        }
        let events = self.tail.iter().filter_map(Entry::record);
        (self.end, events.filter(|record| !matches!(record.body, Body::Notice(_))).cloned().collect())
    }

    /// Returns why segments can't be rewritten: not everything before `end` is on stable storage, in sealed segments.
    pub(crate) fn unstable(&self, end: Position) -> Option<String> {
        let store = self.store.as_ref()?;
        let is_stable = store.synced >= end && !store.is_open_before(end);
        let failed_meanwhile = || (!is_stable).then(|| "the disk failed during the erasure".to_owned());
        store.failure.clone().or_else(failed_meanwhile)
    }

    /// Replaces events in memory by absences.
    pub(crate) fn erase(&mut self, erased: &HashSet<Position>) {
        if erased.is_empty() {
            return;
        }
        for entry in std::mem::take(&mut self.tail) {
            let entry = match entry {
                Entry::Record(record) if erased.contains(&record.position) => {
                    Entry::Absence(Absence::of(&record, Kind::Erased))
                }
                other => other,
            };
            if let (Some(Entry::Absence(before)), Entry::Absence(next)) = (self.tail.back_mut(), &entry)
                && next.kind == Kind::Erased
                && before.extend(next)
            {
                continue;
            }
            self.tail.push_back(entry);
        }
        self.tail_bytes = self.tail.iter().map(Entry::size).sum();
    }
}
