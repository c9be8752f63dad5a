//! Derived records: appended directly behind their cause, and written with it.

use std::io;

use event::{Body, Origin, Record, SourceId};
use jiff::Timestamp;

use super::Log;

use crate::{derive::Derived, disk::head::Head, entry::Entry};

impl Log {
    /// Takes the head of the next segment, if the next entry begins one. Called before anything is folded, so that the
    /// head gives what was not written with it.
    pub(super) fn prepare_head(&mut self) {
        let Self { store, derives, .. } = self;
        if let Some(store) = store.as_mut().filter(|store| store.failure.is_none()) {
            store.prepare(|| Head::of(derives));
        }
    }

    /// Begins a segment with the current state in its head, unless nothing is derived, the newest segment is empty, or
    /// the disk is failing. Returns whether it did. Everything must have been written.
    pub(crate) fn begin_with_head(&mut self) -> io::Result<bool> {
        if self.derives.iter().all(Option::is_none) {
            return Ok(false);
        }
        let Some(store) = self.store.as_mut().filter(|store| store.failure.is_none()) else {
            return Ok(false);
        };
        if store.segments.back().is_some_and(|newest| newest.end == newest.first) {
            return Ok(false);
        }
        store.begin(self.end, &self.written, Head::of(&self.derives).as_ref()).map(|()| true)
    }

    /// Same as [`Log::begin_with_head`]. If the disk refuses it, the next write begins the segment.
    pub(crate) fn replace_headless(&mut self) {
        if self.begin_with_head().is_err()
            && let Some(store) = &mut self.store
        {
            store.seal();
        }
    }

    /// Returns what follows from a record.
    pub(super) fn fold(&mut self, record: &Record) -> Vec<Derived> {
        let derive = self.derives.get_mut(record.source.index()).and_then(Option::as_mut);
        derive.map_or_else(Vec::new, |derive| derive.fold(record))
    }

    /// Appends what follows from the time. Returns whether anything did.
    pub(crate) fn tick(&mut self, at: Timestamp) -> bool {
        let mut has_derived = false;
        for (index, source) in (0..).map(SourceId).take(self.derives.len()).enumerate() {
            let derive = self.derives.get(index).and_then(Option::as_ref);
            if !derive.is_some_and(|derive| derive.is_due(at)) {
                continue;
            }
            self.seal_refusal();
            self.prepare_head();
            let derive = self.derives.get_mut(index).and_then(Option::as_mut);
            let derived = derive.map_or_else(Vec::new, |derive| derive.tick(at));
            has_derived |= !derived.is_empty();
            let session = self.sources.get(index).map_or(0, |source| source.sessions);
            self.push_derived(source, session, derived);
        }
        self.trim();
        has_derived
    }

    /// Appends derived records.
    pub(crate) fn push_derived(&mut self, source: SourceId, session: u32, derived: Vec<Derived>) {
        for Derived { at, call } in derived {
            let Some(progress) = self.progress.get_mut(source.index()) else { return };
            let record = Record {
                position: self.end,
                source,
                seq: progress.next,
                at,
                session,
                origin: Origin::Derived,
                gap: progress.gap,
                unchanged: false,
                body: Body::Call(call),
            };
            // Not left out of what counts as a loss of state: it would scatter the few ranges that are remembered.
            progress.note(&record);
            self.push(Entry::Record(record));
        }
    }
}
