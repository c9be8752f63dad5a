//! The calls of a journal, each with its newest event.

use std::collections::BTreeMap;

use bytes::Bytes;
use calls::{CallEvent, CallKey, Party};
use jiff::Timestamp;

use super::Sources;
use crate::{
    event::{Body, Record, SourceId},
    route::privacy::{Dialling, E164},
};

/// A call.
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) source: SourceId,
    /// The newest event, and its data as it was published.
    pub(super) event: CallEvent,
    pub(super) data: Bytes,
    /// How often it was transferred, as far as the journal shows.
    pub(super) transfers: u32,
    /// A party has the number that is looked for.
    is_named: bool,
    /// It was not shown since its newest event.
    is_changed: bool,
}

impl Row {
    /// Whether the call has ended.
    pub(super) fn is_over(&self) -> bool {
        self.event.outcome.is_some()
    }
}

/// The calls that are shown.
#[derive(Debug)]
pub(super) struct Calls {
    since: Timestamp,
    named: Option<Named>,
    rows: BTreeMap<(SourceId, CallKey), Row>,
}

impl Calls {
    /// Returns an empty list for calls that go on, or ended after this time. `named` limits it to calls with a number.
    pub(super) fn new(since: Timestamp, named: Option<Named>) -> Self {
        Self { since, named, rows: BTreeMap::new() }
    }

    /// Takes the next record, of the source with this name.
    pub(super) fn take(&mut self, source: &str, record: Record) {
        let Body::Call(call) = record.body else { return };
        // A newer version may have changed what this one can't read.
        let Ok(event) = serde_json::from_slice::<CallEvent>(&call.data) else { return };
        let key = (record.source, event.call);
        let before = self.rows.get(&key);
        let is_named = before.is_some_and(|row| row.is_named)
            || self.named.as_ref().is_none_or(|named| named.is_party(source, &event));
        let transfers = before.map_or(0, |row| row.transfers) + u32::from(event.transfer.is_some());
        if event.outcome.is_some() && record.at < self.since {
            self.rows.remove(&key);
            return;
        }
        let row = Row { source: record.source, event, data: call.data, transfers, is_named, is_changed: true };
        self.rows.insert(key, row);
    }

    /// Returns the calls that have changed since the last time, in the order of their start. Forgets those that have ended.
    pub(super) fn take_changed(&mut self) -> Vec<Row> {
        let is_shown = |row: &mut Row| std::mem::take(&mut row.is_changed) && row.is_named;
        let shown = self.rows.values_mut().filter_map(|row| is_shown(row).then(|| row.clone()));
        let mut changed: Vec<Row> = shown.collect();
        self.rows.retain(|_, row| !row.is_over());
        changed.sort_by_key(|row| row.event.started_at);
        changed
    }
}

/// A number that is looked for, in the form of each source.
#[derive(Debug)]
pub(super) struct Named {
    by_source: BTreeMap<String, (Dialling, E164)>,
    /// For a source that the configuration does not have.
    plain: E164,
}

impl Named {
    /// Returns the number; `None` if it has no digits.
    pub(super) fn new(number: &str, sources: &Sources) -> Option<Self> {
        let by_source = sources.iter().filter_map(|(name, source)| {
            Some((name.clone(), (source.dialling.clone(), source.dialling.e164(number)?)))
        });
        Some(Self { by_source: by_source.collect(), plain: Dialling::default().e164(number)? })
    }

    fn is_party(&self, source: &str, event: &CallEvent) -> bool {
        let transfer = event.transfer.iter().flat_map(|it| [&it.by, &it.from, &it.to]);
        let parties = [&event.from, &event.to, &event.original_from].into_iter().chain(transfer);
        let numbers = parties.flat_map(|Party { number, extension, .. }| [number, extension]).flatten();
        let legs = event.legs.iter().map(|leg| &leg.extension);
        numbers.chain(legs).any(|number| self.is_it(source, number))
    }

    fn is_it(&self, source: &str, number: &str) -> bool {
        // The PBX masks with letters.
        if number.chars().any(char::is_alphabetic) {
            return false;
        }
        match self.by_source.get(source) {
            Some((dialling, wanted)) => dialling.e164(number).as_ref() == Some(wanted),
            None => Dialling::default().e164(number).as_ref() == Some(&self.plain),
        }
    }
}
