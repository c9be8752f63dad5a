//! Restores what is derived: from the newest intact head, and the records behind it.

use event::{Body, Record, Seq, SourceId};

use crate::{
    derive::{Derivation, Derive, Derived},
    disk::{compact::walk, head::Head, segment::Header, segment_state::Segment, store::Store},
    entry::Entry,
    progress::SourceProgress,
};

/// Restored states.
#[derive(Debug, Default)]
pub(super) struct Restored {
    /// States by source; `None` for those that are not derived from.
    pub(super) derives: Vec<Option<Box<dyn Derive>>>,
    /// Derived records to append first, with the session of their cause.
    pub(super) missing: Vec<(SourceId, u32, Vec<Derived>)>,
    /// Whether the head of the newest segment still fits, so that the segment can be continued.
    pub(super) is_newest_fit: bool,
}

/// State of a source while its records are folded.
#[derive(Debug)]
struct Source {
    id: SourceId,
    derive: Box<dyn Derive>,
    /// What follows from the newest record or time and was not found yet.
    expected: Vec<Derived>,
    session: u32,
}

impl Restored {
    /// Folds the records behind the newest head. What follows from them and was not written is missing: a kill has cut
    /// it off. A source that is no longer derived from ends everything that goes on. `is_set_aside` is true if segments
    /// were set aside, which may have had heads.
    pub(super) fn of(
        store: &Store,
        progress: &[SourceProgress],
        derivation: Option<&Derivation>,
        is_set_aside: bool,
        notes: &mut Vec<String>,
    ) -> Self {
        let Some(derivation) = derivation else { return Self { is_newest_fit: true, ..Self::default() } };
        let mut derives = derivation.states(&store.sources);
        let Some((index, head)) = newest_head(store) else {
            if derives.iter().any(Option::is_some) && (is_set_aside || has_damaged_head(store)) {
                notes.push(
                    "what was known of the calls that were going on is damaged: they get no end".to_owned(),
                );
            }
            return Self { derives, ..Self::default() };
        };
        let wanted = (0..).map(SourceId).zip(&derives).filter_map(|(id, derive)| derive.as_ref().map(|_| id));
        let is_newest = index + 1 == store.segments.len();
        let mut is_newest_fit = is_newest && wanted.eq(head.0.iter().map(|(id, _)| *id));
        let mut sources = Vec::new();
        for (id, state) in head.0 {
            let name = store.sources.get(id.index()).map(String::as_str).unwrap_or_default();
            let mut derive = (derivation.new)(name);
            if derive.restore(&state) {
                sources.push(Source { id, derive, expected: Vec::new(), session: 0 });
            } else {
                notes.push(format!(
                    "{name}: the calls that were going on were saved by another version and get no end"
                ));
                is_newest_fit = false;
            }
        }
        if !sources.is_empty() {
            fold(store.segments.iter().skip(index), &mut sources, notes);
        }
        let mut missing = Vec::new();
        for Source { id, mut derive, mut expected, session } in sources {
            if let Some(state @ Some(_)) = derives.get_mut(id.index()) {
                *state = Some(derive);
            } else {
                let next = progress.get(id.index()).map_or(0, |progress| progress.next.0);
                expected.extend(derive.finish(Seq(next.saturating_sub(1)), store.fs.now()));
            }
            if !expected.is_empty() {
                missing.push((id, session, expected));
            }
        }
        Self { derives, is_newest_fit: is_newest_fit && missing.is_empty(), missing }
    }
}

/// Returns the newest intact head, and the index of its segment.
fn newest_head(store: &Store) -> Option<(usize, Head)> {
    store.segments.iter().enumerate().rev().find_map(|(index, segment)| {
        let (header, start) = Header::read(&*segment.file).ok()?;
        Some((index, Head::read(&*segment.file, &header, start).ok()??))
    })
}

/// Returns whether a segment should have a head. None is intact.
fn has_damaged_head(store: &Store) -> bool {
    let mut headers = store.segments.iter().filter_map(|segment| Header::read(&*segment.file).ok());
    headers.any(|(header, _)| header.head > 0)
}

fn fold<'a>(segments: impl Iterator<Item = &'a Segment>, sources: &mut [Source], notes: &mut Vec<String>) {
    for segment in segments {
        let walked = walk(&segment.range(), segment.first, |entry| {
            if let Entry::Record(record) = entry
                && let Some(source) = sources.iter_mut().find(|source| source.id == record.source)
            {
                source.take(&record);
            }
            Ok(())
        });
        if !matches!(walked, Ok(true)) {
            notes.push("records that calls follow from are damaged: calls may be incomplete".to_owned());
        }
    }
}

impl Source {
    /// Takes the next record from the disk.
    fn take(&mut self, record: &Record) {
        let Body::Call(call) = &record.body else {
            self.session = record.session;
            self.expected = self.derive.fold(record);
            return;
        };
        if self.find(record) {
            return;
        }
        // A record that follows from the time alone gives that time.
        if self.derive.is_due(record.at) {
            self.expected = self.derive.tick(record.at);
        }
        if !self.find(record) {
            self.derive.adopt(call);
        }
    }

    /// Removes a stored record, and what precedes it, from what is expected. Returns false if it is not expected.
    fn find(&mut self, record: &Record) -> bool {
        let Body::Call(stored) = &record.body else { return false };
        let is_it =
            |derived: &Derived| (&derived.call.step, &derived.call.key) == (&stored.step, &stored.key);
        let Some(index) = self.expected.iter().position(is_it) else { return false };
        self.expected.drain(..=index);
        true
    }
}
