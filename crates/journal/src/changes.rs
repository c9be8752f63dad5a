//! Finds events that repeat the data of their entity's previous event.

use std::{collections::HashMap, hash::RandomState};

use event::{Body, Fingerprints, RawEvent, SourceId, data_fingerprint, entity};

/// Maximum number of entities per source: what fits into a table of 1 MiB.
const MOST: usize = 28_000;

/// The newest data of each entity, as hashes with random keys. Nothing is lost with an entry: an event without a
/// predecessor counts as changed.
#[derive(Debug, Default)]
pub(super) struct Changes {
    /// By source; `None` while nobody needs them.
    tables: Option<Vec<HashMap<u128, u64>>>,
    keys: (Fingerprints, RandomState),
}

impl Changes {
    /// Starts with empty tables, or releases them.
    pub(super) fn track(&mut self, is_wanted: bool) {
        self.tables = is_wanted.then(Vec::new);
    }

    /// Forgets all data.
    pub(super) fn clear(&mut self) {
        if let Some(tables) = &mut self.tables {
            tables.clear();
        }
    }

    /// Notes a record that is about to be appended. Returns whether it is an event whose data equals that of the
    /// source's previous record of this name and entity.
    pub(super) fn note(&mut self, source: SourceId, body: &Body) -> bool {
        let Some(tables) = &mut self.tables else { return false };
        if tables.len() <= source.index() {
            tables.resize(source.index() + 1, HashMap::new());
        }
        let Some(table) = tables.get_mut(source.index()) else { return false };
        match body {
            Body::Event(event) => {
                let (key, data) = (self.keys.0.of(&key(event)), data_fingerprint(event, &self.keys.1));
                if table.len() >= MOST && !table.contains_key(&key) {
                    table.clear();
                }
                table.insert(key, data) == Some(data)
            }
            Body::Notice(notice) => {
                if is_break(&notice.name) {
                    table.clear();
                }
                false
            }
            Body::Call(_) => false,
        }
    }
}

/// Returns the name, and the entity if there is one.
fn key(event: &RawEvent) -> (Vec<u8>, Option<Vec<u8>>) {
    let (name, args) = (event.name(), event.args());
    let entity = entity(&name, &args).map(|entity| entity.key().into_owned());
    (name.into_owned(), entity)
}

/// Returns whether a consumer may lack earlier events after a notice of this name, so that the next event of each entity
/// must reach it.
fn is_break(notice: &str) -> bool {
    matches!(notice, "gap" | "lost" | "deadlettered" | "rewound" | "resync.started" | "reconfigured")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use event::{EncodedNotice, Notice};
    use jiff::Timestamp;

    use super::*;

    const ONE: SourceId = SourceId(1);

    fn event(name: &str, args: &str) -> Body {
        let text = format!(r#"42["{name}",{args}]"#);
        let name_end = 4 + u32::try_from(name.len()).unwrap();
        let args = name_end + 2..u32::try_from(text.len()).unwrap() - 1;
        let (at, bytes) = (Timestamp::UNIX_EPOCH, text.into());
        Body::Event(RawEvent { at, bytes, name: 4..name_end, args, argc: 1, attachments: Box::default() })
    }

    fn exten(id: &str, status: &str, duration: u32) -> Body {
        let text = format!(
            r#"{{"exten":"{id}","status":"{status}","conversations":{{"c":{{"duration":{duration}}}}}}}"#
        );
        event("extenUpdate", &text)
    }

    fn tracking() -> Changes {
        let mut changes = Changes::default();
        changes.track(true);
        changes
    }

    #[test]
    fn an_event_is_compared_with_its_entitys_last() {
        let mut changes = tracking();
        for (id, status, duration, is_unchanged) in [
            ("201", "online", 1, false),
            ("201", "online", 1, true),
            ("201", "online", 2, true),
            ("202", "online", 2, false),
            ("201", "busy", 2, false),
            ("202", "online", 3, true),
            ("201", "online", 1, false),
            ("201", "online", 4, true),
        ] {
            assert_eq!(
                changes.note(ONE, &exten(id, status, duration)),
                is_unchanged,
                "{id} {status} {duration}"
            );
        }
        assert!(!changes.note(SourceId(0), &exten("201", "online", 4)), "another source");
        assert!(changes.note(ONE, &exten("201", "online", 5)));
    }

    #[test]
    fn an_event_without_an_entity_is_compared_by_its_name_and_a_part_by_itself() {
        let mut changes = tracking();
        let presence =
            |part: &str| event("userPresenceUpdate", &format!(r#"{{"{part}":{{"username":"ada"}}}}"#));
        for (body, is_unchanged) in [
            (event("message", "1"), false),
            (event("other", "1"), false),
            (event("message", "1"), true),
            (event("message", "2"), false),
            (event("message", "1"), false),
            (presence("presence"), false),
            (presence("presence_onbusy"), false),
            (presence("presence"), true),
            (presence("presence_onbusy"), true),
        ] {
            assert_eq!(changes.note(ONE, &body), is_unchanged, "{body:?}");
        }
    }

    #[test]
    fn notices_after_which_a_consumer_may_lack_events_clear_the_sources_table() {
        let notice =
            |name: &'static str| Body::Notice(EncodedNotice { name: name.into(), data: "{}".into() });
        for (name, clears) in [
            ("gap", true),
            ("lost", true),
            ("deadlettered", true),
            ("rewound", true),
            ("resync.started", true),
            ("reconfigured", true),
            ("resync.completed", false),
            ("connected", false),
            ("vanished", false),
        ] {
            let mut changes = tracking();
            for source in [SourceId(0), ONE] {
                changes.note(source, &exten("201", "online", 1));
            }
            assert!(!changes.note(ONE, &notice(name)), "a notice is never unchanged");
            assert!(!changes.note(ONE, &notice(name)), "a notice is never unchanged");
            assert_eq!(changes.note(ONE, &exten("201", "online", 1)), !clears, "{name}");
            assert!(changes.note(SourceId(0), &exten("201", "online", 1)), "{name} of another source");
        }
        let resync =
            Notice::ResyncStarted { session: 1, reason: event::ResyncReason::Requested, snapshots: vec![] };
        assert!(is_break(&EncodedNotice::from(&resync).name));
    }

    #[test]
    fn a_full_table_is_cleared() {
        let mut changes = tracking();
        for id in 0..MOST {
            assert!(!changes.note(ONE, &exten(&id.to_string(), "online", 1)));
        }
        assert!(changes.note(ONE, &exten("0", "online", 1)), "a known entity needs no room");
        assert!(!changes.note(ONE, &exten("one more", "online", 1)));
        assert!(!changes.note(ONE, &exten("0", "online", 1)));
        let table = &changes.tables.as_ref().unwrap()[1];
        assert!(table.len() == 2 && table.capacity() < MOST + MOST / 8, "{}", table.capacity());
    }

    #[test]
    fn nothing_is_compared_unless_somebody_wants_it() {
        let mut changes = Changes::default();
        let same = exten("201", "online", 1);
        for is_wanted in [false, true, false, true, true] {
            changes.track(is_wanted);
            assert!(!changes.note(ONE, &same));
            assert_eq!(changes.note(ONE, &same), is_wanted);
        }
        changes.track(false);
        assert!(changes.tables.is_none());
    }
}
