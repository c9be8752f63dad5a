//! Numbered state events of extensions, and the resulting state at a consumer.

use std::collections::BTreeMap;

use event::{Body, RawEvent, Record};
use jiff::Timestamp;
use journal::Live;

/// What was appended.
#[derive(Debug, Clone, Default)]
pub struct States {
    next: u64,
    messages: u64,
    /// Number of the newest update of each extension.
    pub newest: BTreeMap<String, u64>,
}

impl States {
    /// Appends updates of an extension, each of about `size` bytes.
    pub fn append(&mut self, live: &mut Live, exten: &str, count: usize, size: usize) {
        for _ in 0..count {
            live.event(state(exten, self.next, size));
            live.commit();
            self.newest.insert(exten.to_owned(), self.next);
            self.next += 1;
        }
    }

    /// Appends events without state.
    pub fn messages(&mut self, live: &mut Live, count: usize, size: usize) {
        for _ in 0..count {
            live.event(frame(
                "message",
                &format!(r#"{{"n":{},"pad":"{}"}}"#, self.messages, "x".repeat(size)),
            ));
            live.commit();
            self.messages += 1;
        }
    }
}

/// Builds an update of an extension.
pub fn state(exten: &str, number: u64, size: usize) -> RawEvent {
    frame("extenUpdate", &format!(r#"{{"exten":"{exten}","n":{number},"pad":"{}"}}"#, "x".repeat(size)))
}

/// Builds an event without state.
pub fn message(number: u64, size: usize) -> RawEvent {
    frame("message", &format!(r#"{{"n":{number},"pad":"{}"}}"#, "x".repeat(size)))
}

fn frame(name: &str, args: &str) -> RawEvent {
    let text = format!("42[\"{name}\",{args}]");
    let name_end = 4 + u32::try_from(name.len()).unwrap();
    let end = u32::try_from(text.len()).unwrap() - 1;
    let bytes = text.into();
    RawEvent {
        at: Timestamp::now(),
        bytes,
        name: 4..name_end,
        args: name_end + 2..end,
        argc: 1,
        attachments: Box::default(),
    }
}

fn value(record: &Record, name: &str) -> Option<serde_json::Value> {
    let Body::Event(frame) = &record.body else { return None };
    if &*frame.name() != name.as_bytes() {
        return None;
    }
    serde_json::from_slice(&frame.args()).ok()
}

/// Returns the number of the newest update of each extension.
pub fn newest(records: &[Record]) -> BTreeMap<String, u64> {
    let updates = records.iter().filter_map(|record| value(record, "extenUpdate"));
    updates.map(|data| (data["exten"].as_str().unwrap().to_owned(), data["n"].as_u64().unwrap())).collect()
}

/// Returns the numbers of the events of a name; 0 for those without one.
pub fn of_name(records: &[Record], name: &str) -> Vec<u64> {
    let data = records.iter().filter_map(|record| value(record, name));
    data.map(|data| data["n"].as_u64().unwrap_or_default()).collect()
}
