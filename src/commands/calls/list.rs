//! The calls of a journal, each with its newest event.

use std::collections::BTreeMap;

use bytes::Bytes;
use calls::{CallEvent, CallKey, Party, Tracker};
use jiff::Timestamp;

use super::Sources;
use crate::{
    event::{Body, Position, Record, SourceId},
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
    /// The newest record. Behind damage, records are read again.
    newest: Position,
}

impl Calls {
    /// Returns an empty list for calls that go on, or ended after this time. `named` limits it to calls with a number.
    pub(super) fn new(since: Timestamp, named: Option<Named>) -> Self {
        Self { since, named, rows: BTreeMap::new(), newest: Position(0) }
    }

    /// Takes the calls that went on at a time, as the source with this name has saved them; none that another version saved.
    pub(super) fn restore(&mut self, source: &str, id: SourceId, saved: &[u8], at: Timestamp) {
        for event in Tracker::restore(saved).iter().flat_map(|tracker| tracker.calls(at)) {
            let Ok(data) = serde_json::to_vec(&event) else { continue };
            let is_named = self.named.as_ref().is_none_or(|named| named.is_party(source, &event));
            let key = (id, event.call);
            let row = Row { source: id, event, data: data.into(), transfers: 0, is_named, is_changed: true };
            self.rows.insert(key, row);
        }
    }

    /// Takes the next record, of the source with this name.
    pub(super) fn take(&mut self, source: &str, record: Record) {
        if record.position <= self.newest {
            return;
        }
        self.newest = record.position;
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
        let row =
            Row { source: record.source, event, data: call.data, transfers, is_named, is_changed: true };
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

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
pub(super) mod tests {
    use std::{
        borrow::Cow,
        sync::atomic::{AtomicU64, Ordering},
    };

    use serde_json::{Value, json};

    use super::*;
    use crate::{
        app::config::SourceCalls,
        event::{EncodedCall, Origin, Seq},
    };

    /// An inbound call for 201. `more` are members of its event.
    fn data(more: &str) -> Value {
        let mut data = json!({
            "call": "17", "linkedIds": ["1795538000.20"], "direction": "inbound",
            "from": { "number": "0721000111" }, "to": { "number": "201", "name": "Ada Neri", "extension": "201" },
            "originalFrom": { "number": "0721000111" }, "throughTrunk": true, "startedAt": "2026-11-24T10:00:00Z",
            "waitSeconds": 6.0, "talkSeconds": 65.0, "legs": [], "recording": false, "certain": true
        });
        let more: Value = serde_json::from_str(&format!("{{{more}}}")).unwrap();
        data.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        data
    }

    pub(in super::super) fn row(more: &str) -> Row {
        let data = data(more).to_string();
        Row {
            source: SourceId(0),
            event: serde_json::from_str(&data).unwrap(),
            data: data.into(),
            transfers: 0,
            is_named: true,
            is_changed: true,
        }
    }

    static NEXT: AtomicU64 = AtomicU64::new(1);

    fn record(at: &str, more: &str) -> Record {
        let data = data(more).to_string().into();
        let call = EncodedCall { step: Cow::Borrowed("any"), key: "17".into(), cause: Seq(17), data };
        Record {
            position: Position(NEXT.fetch_add(1, Ordering::Relaxed)),
            source: SourceId(0),
            seq: Seq(20),
            at: at.parse().unwrap(),
            session: 1,
            origin: Origin::Derived,
            gap: Seq(1),
            unchanged: false,
            body: Body::Call(call),
        }
    }

    fn shown(calls: &mut Calls) -> Vec<(String, u32)> {
        calls.take_changed().iter().map(|row| (row.event.call.to_string(), row.transfers)).collect()
    }

    const ENDED: &str = r#""state":"ended","outcome":"answered""#;

    #[test]
    fn a_call_is_shown_again_only_if_it_changes() {
        let mut calls = Calls::new("2026-11-24T10:00:00Z".parse().unwrap(), None);
        calls.take("pbx1", record("2026-11-24T09:00:00Z", r#""call":"3","state":"connected""#));
        calls.take("pbx1", record("2026-11-24T09:00:00Z", &format!(r#""call":"4",{ENDED}"#)));
        let transfer =
            r#""state":"connected","transfer":{"by":{},"from":{},"to":{"number":"202"},"kind":"blind"}"#;
        calls.take("pbx1", record("2026-11-24T10:00:01Z", transfer));
        assert_eq!(shown(&mut calls), [("3".to_owned(), 0), ("17".to_owned(), 1)]);
        assert_eq!(shown(&mut calls), []);
        calls.take("pbx1", record("2026-11-24T10:00:09Z", ENDED));
        assert_eq!(shown(&mut calls), [("17".to_owned(), 1)]);
    }

    #[test]
    fn a_number_is_found_in_any_form_unless_it_is_masked() {
        let dialling = Dialling { country_code: "39".to_owned(), ..Dialling::default() };
        let sources = Sources::from([("pbx1".to_owned(), SourceCalls { is_derived: true, dialling })]);
        let finds = |number: &str, more: &str| {
            let mut calls = Calls::new(Timestamp::MIN, Some(Named::new(number, &sources).unwrap()));
            calls.take("pbx1", record("2026-11-24T10:00:00Z", more));
            !calls.take_changed().is_empty()
        };
        let state = r#""state":"ringing""#;
        for number in ["+39 0721 000111", "0721000111", "00390721000111", "201"] {
            assert!(finds(number, state), "{number}");
        }
        assert!(!finds("202", state) && !finds("0721000", state));
        let masked =
            r#""state":"ringing","from":{"number":"0721000xxx"},"originalFrom":{"number":"0721000xxx"}"#;
        assert!(!finds("0721000", masked) && !finds("0721000111", masked));
        assert!(Named::new("xxx", &sources).is_none());
    }
}
