//! The events that `route test` reads: `CloudEvents` of the bridge, Socket.IO arrays, and lines of a recording.

use std::collections::BTreeMap;

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::value::RawValue;

use crate::event::{
    Body, Class, EncodedCall, EncodedNotice, Origin, Position, RawEvent, Record, Seq, SourceId, elements,
    field, notice_schema,
};

/// The recordings in the program.
pub(super) const FIXTURES: &[(&str, &str)] = &[
    ("attended-transfer", include_str!("../../../fixtures/attended-transfer.jsonl")),
    ("blind-transfer", include_str!("../../../fixtures/blind-transfer.jsonl")),
    ("calls/attended-transfer", include_str!("../../../fixtures/calls/attended-transfer.jsonl")),
    ("calls/queue-abandonment", include_str!("../../../fixtures/calls/queue-abandonment.jsonl")),
    ("conference", include_str!("../../../fixtures/conference.jsonl")),
    ("every-event", include_str!("../../../fixtures/every-event.jsonl")),
    ("office-hour", include_str!("../../../fixtures/office-hour.jsonl")),
    ("parking", include_str!("../../../fixtures/parking.jsonl")),
    ("queue-abandonment", include_str!("../../../fixtures/queue-abandonment.jsonl")),
    ("reload-storm", include_str!("../../../fixtures/reload-storm.jsonl")),
];

/// An event, and the name of the source that it comes from, if it names one.
#[derive(Debug)]
pub(super) struct Input {
    pub(super) source: Option<String>,
    pub(super) body: Body,
}

/// The reason why a line can't be tested.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum InvalidLine {
    #[error(
        "it is neither a CloudEvent of the bridge, nor a Socket.IO array [\"name\", …], nor a line of a recording"
    )]
    Unknown,
    #[error("it is a heartbeat or dead letter, which no route applies to")]
    Outside,
}

impl Input {
    /// Parses a line.
    pub(super) fn parse(line: &str) -> Result<Self, InvalidLine> {
        let line = line.trim();
        if line.starts_with('[') {
            // The walker needs well-formed text.
            let _: &RawValue = serde_json::from_str(line).map_err(|_| InvalidLine::Unknown)?;
            let name = elements(line.as_bytes()).next().ok_or(InvalidLine::Unknown)?;
            let rest = line.as_bytes().get(1..line.len() - 1).unwrap_or_default().trim_ascii();
            let args = rest.get(name.len()..).unwrap_or_default().trim_ascii_start();
            let args = args.strip_prefix(b",").unwrap_or_default();
            let body = Body::Event(frame(name, args, Box::default()).ok_or(InvalidLine::Unknown)?);
            return Ok(Self { source: None, body });
        }
        let fields: BTreeMap<String, &RawValue> =
            serde_json::from_str(line).map_err(|_| InvalidLine::Unknown)?;
        let raw = |key: &str| fields.get(key).map(|value| value.get());
        if let (Some(name), Some(args), None) = (raw("event"), raw("args"), raw("specversion")) {
            let event = frame(name.as_bytes(), inner(args.as_bytes()), Box::default());
            return Ok(Self { source: None, body: Body::Event(event.ok_or(InvalidLine::Unknown)?) });
        }
        let text = |key: &str| raw(key).and_then(|text| serde_json::from_str::<String>(text).ok());
        let (ty, data) = (text("type"), raw("data").map(str::as_bytes));
        let (ty, data) = ty.zip(data).ok_or(InvalidLine::Unknown)?;
        let source = text("source").and_then(|source| source.strip_prefix("/cti/").map(str::to_owned));
        let (class, name) = class_and_name(&ty).ok_or(InvalidLine::Unknown)?;
        let body = match class {
            "event" => {
                let slug = name;
                let name = text("ctievent").unwrap_or_else(|| slug.to_owned());
                let (count, is_binary) = (raw("ctiargs"), raw("ctibinary") == Some("true"));
                Body::Event(cloud_event(&name, data, count, is_binary).ok_or(InvalidLine::Unknown)?)
            }
            "call" => {
                let key =
                    text("subject").and_then(|subject| subject.strip_prefix("call/").map(str::to_owned));
                let key = key.ok_or(InvalidLine::Unknown)?.into();
                let data = Bytes::copy_from_slice(data);
                Body::Call(EncodedCall { step: name.to_owned().into(), key, cause: Seq(0), data })
            }
            "bridge" => {
                let is_outside = |class| notice_schema(class, name).is_some();
                if notice_schema(Class::Bridge, name).is_none()
                    && (is_outside(Class::Status) || is_outside(Class::Dlq))
                {
                    return Err(InvalidLine::Outside);
                }
                let data = Bytes::copy_from_slice(data);
                Body::Notice(EncodedNotice { name: name.to_owned().into(), data })
            }
            _ => return Err(InvalidLine::Unknown),
        };
        Ok(Self { source, body })
    }

    /// Makes the record of the event.
    pub(super) fn record(self, source: SourceId) -> Record {
        let origin = if matches!(self.body, Body::Call(_)) { Origin::Derived } else { Origin::Live };
        Record {
            position: Position(0),
            source,
            seq: Seq(0),
            at: Timestamp::UNIX_EPOCH,
            session: 0,
            origin,
            gap: Seq(0),
            unchanged: false,
            body: self.body,
        }
    }
}

/// Splits `cti.<class>.<name>.v1`. `None` if the type has another form.
fn class_and_name(ty: &str) -> Option<(&str, &str)> {
    ty.strip_prefix("cti.")?.strip_suffix(".v1")?.split_once('.')
}

/// Takes the data of a `CloudEvent` apart. `count` is `ctiargs`.
fn cloud_event(name: &str, data: &[u8], count: Option<&str>, is_binary: bool) -> Option<RawEvent> {
    let name = serde_json::to_vec(name).ok()?;
    let attachments = if is_binary { field(data, "attachments").map(attachments)?? } else { Box::default() };
    let args = match (is_binary, count) {
        (true, _) => inner(field(data, "args")?),
        (false, None | Some("1" | "\"1\"")) => data,
        (false, Some(_)) => inner(data),
    };
    frame(&name, args, attachments)
}

fn attachments(list: &[u8]) -> Option<Box<[Bytes]>> {
    let decode = |text: &[u8]| {
        let text: String = serde_json::from_slice(text).ok()?;
        data_encoding::BASE64.decode(text.as_bytes()).ok().map(Bytes::from)
    };
    elements(list).map(decode).collect()
}

/// Returns the text between the brackets of an array.
fn inner(array: &[u8]) -> &[u8] {
    let array = array.trim_ascii();
    array.strip_prefix(b"[").and_then(|array| array.strip_suffix(b"]")).unwrap_or_default()
}

/// Makes the frame of an event. `name` is its JSON string. `None` if it is not a string.
fn frame(name: &[u8], args: &[u8], attachments: Box<[Bytes]>) -> Option<RawEvent> {
    let inside = name.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    let args = args.trim_ascii();
    let place = |at: usize| u32::try_from(at).ok();
    Some(RawEvent {
        at: Timestamp::UNIX_EPOCH,
        bytes: [inside, args].concat().into(),
        name: 0..place(inside.len())?,
        args: place(inside.len())?..place(inside.len() + args.len())?,
        argc: crate::event::arguments(args).count().try_into().unwrap_or(u16::MAX),
        attachments,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn event(line: &str) -> (String, String, u16) {
        let input = Input::parse(line).unwrap();
        let Body::Event(event) = input.body else { unreachable!("a notice") };
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        (text(&event.name()), text(&event.args()), event.argc)
    }

    #[test]
    fn an_event_is_the_same_in_every_form() {
        let one = ("extenUpdate".to_owned(), r#"{"exten": "201"}"#.to_owned(), 1);
        let two = ("satellite/a".to_owned(), "1, [2]".to_owned(), 2);
        for (line, expected) in [
            (r#" ["extenUpdate", {"exten": "201"}] "#, &one),
            (r#"{"at":"2026-11-24T09:00:00Z","event":"extenUpdate","args":[{"exten": "201"}]}"#, &one),
            (r#"{"specversion":"1.0","type":"cti.event.extenUpdate.v1","data":{"exten": "201"}}"#, &one),
            (r#"["satellite/a",1, [2]]"#, &two),
            (
                r#"{"specversion":"1.0","type":"cti.event.satellite=2Fa.v1","ctievent":"satellite/a","ctiargs":2,"data":[1, [2]]}"#,
                &two,
            ),
            (
                r#"{"specversion":"1.0","type":"cti.event.satellite=2Fa.v1","ctievent":"satellite/a","ctibinary":true,"data":{"args":[1, [2]],"attachments":["AA=="]}}"#,
                &two,
            ),
        ] {
            assert_eq!(&event(line), expected, "{line}");
        }
        assert_eq!(event("[\"a\"]"), ("a".to_owned(), String::new(), 0));
    }

    #[test]
    fn a_notice_names_its_source() {
        let line = r#"{"specversion":"1.0","type":"cti.bridge.gap.v1","source":"/cti/pbx1","data":{"reason":"started"}}"#;
        let input = Input::parse(line).unwrap();
        assert_eq!(input.source.as_deref(), Some("pbx1"));
        assert!(matches!(input.body, Body::Notice(EncodedNotice { name, .. }) if name == "gap"));
    }

    #[test]
    fn a_step_of_a_call_has_the_key_of_its_subject() {
        let line =
            r#"{"specversion":"1.0","type":"cti.call.ringing.v1","subject":"call/17","data":{"call":"17"}}"#;
        let record = Input::parse(line).unwrap().record(SourceId(0));
        assert_eq!(record.origin, Origin::Derived);
        assert!(matches!(record.body, Body::Call(call) if call.step == "ringing" && &*call.key == "17"));
        let keyless = line.replace("call/17", "17");
        assert_eq!(Input::parse(&keyless).unwrap_err(), InvalidLine::Unknown);
    }

    #[test]
    fn other_lines_are_refused() {
        for line in ["", "{", "[]", "[1]", "[\"a\"", "{}", "7", r#"{"type":"x","data":1}"#] {
            assert_eq!(Input::parse(line).unwrap_err(), InvalidLine::Unknown, "{line}");
        }
        let beat = r#"{"specversion":"1.0","type":"cti.bridge.heartbeat.v1","data":{}}"#;
        assert_eq!(Input::parse(beat).unwrap_err(), InvalidLine::Outside);
    }

    #[test]
    fn every_line_of_the_recordings_is_an_event() {
        for (name, text) in FIXTURES {
            for line in text.lines() {
                assert!(Input::parse(line).is_ok(), "{name}: {line}");
            }
        }
    }
}
