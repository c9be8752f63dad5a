//! A bridge's event as a consumer receives it: the envelope read back.

use std::collections::BTreeMap;

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::value::RawValue;

use super::{CloudEvent, JournalId, Mark, Origin, Seq};

/// A numbered event, parsed from its envelope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// `/cti/<source>`.
    pub source: String,
    journal: JournalId,
    seq: Seq,
    prev: Seq,
    gap: Seq,
    ty: String,
    subject: Option<String>,
    event: Option<String>,
    time: Timestamp,
    args: u16,
    origin: Origin,
    binary: bool,
    redacted: Option<String>,
    cause: Option<Seq>,
    schema: Option<String>,
    data: Bytes,
}

impl Received {
    /// Parses an event from its data and its attributes by name. `None` unless it is a numbered event of the
    /// class `event`, `bridge` or `call`: for a status message, a dead letter, a replay, or a foreign event.
    pub fn new(data: Bytes, attribute: impl Fn(&str) -> Option<String>) -> Option<Self> {
        let (journal, seq) =
            attribute("id")?.split_once('-').map(|(journal, seq)| (journal.parse(), seq.parse()))?;
        let number = |name| attribute(name)?.parse().ok().map(Seq);
        let origin = match attribute("ctiorigin").as_deref() {
            None => Origin::Live,
            Some("snapshot") => Origin::Snapshot,
            Some("derived") => Origin::Derived,
            Some(_) => return None,
        };
        Some(Self {
            source: attribute("source")?,
            journal: journal.ok()?,
            seq: Seq(seq.ok()?),
            // Only events of the journal have one.
            prev: number("ctiprev")?,
            gap: number("ctigap")?,
            ty: attribute("type")?,
            subject: attribute("subject"),
            event: attribute("ctievent"),
            time: attribute("time")?.parse().ok()?,
            args: attribute("ctiargs").and_then(|args| args.parse().ok()).unwrap_or(1),
            origin,
            binary: attribute("ctibinary").is_some_and(|binary| binary == "true"),
            redacted: attribute("ctiredacted"),
            cause: attribute("causationid").and_then(|id| Some(Seq(id.split_once('-')?.1.parse().ok()?))),
            schema: attribute("dataschema"),
            data,
        })
    }

    /// Returns the source and the number, which define the order.
    pub fn place(&self) -> (&str, Seq) {
        (&self.source, self.seq)
    }

    /// Returns the event in its envelope.
    pub fn event(&self) -> CloudEvent<'_> {
        CloudEvent {
            journal: self.journal,
            mark: Mark::Numbered { seq: self.seq, prev: self.prev },
            sink: None,
            gap: self.gap,
            source: &self.source,
            ty: &self.ty,
            subject: self.subject.as_deref(),
            event: self.event.as_deref(),
            time: self.time,
            args: self.args,
            origin: self.origin,
            binary: self.binary,
            redacted: self.redacted.as_deref(),
            cause: self.cause,
            schema: self.schema.as_deref(),
            data: self.data.clone(),
        }
    }
}

/// Parses an event in structured mode; its data stays unchanged.
pub fn parse_structured(text: &[u8]) -> Option<Received> {
    let fields: BTreeMap<String, &RawValue> = serde_json::from_slice(text).ok()?;
    let data = Bytes::copy_from_slice(fields.get("data")?.get().as_bytes());
    Received::new(data, |name| {
        let raw = fields.get(name)?.get();
        // Numbers and booleans have no quotes.
        Some(serde_json::from_str(raw).unwrap_or_else(|_| raw.to_owned()))
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::structured;

    fn event(mark: Mark) -> CloudEvent<'static> {
        CloudEvent {
            journal: "abcdefghij".parse().unwrap(),
            mark,
            sink: None,
            gap: Seq(3),
            source: "/cti/pbx1",
            ty: "cti.event.odd=2Fname.v1",
            subject: Some("extension/\"201\""),
            event: Some("odd/name"),
            time: "2026-11-24T10:00:00.5Z".parse().unwrap(),
            args: 2,
            origin: Origin::Snapshot,
            binary: true,
            redacted: Some("strict:k7x2m4qa"),
            cause: Some(Seq(6)),
            schema: Some("https://example.org/a.json"),
            data: Bytes::from_static(br#"[{"n":1e999,  "s":"\ud800","s":1},2]"#),
        }
    }

    fn text(event: &CloudEvent<'_>) -> Vec<u8> {
        let mut out = Vec::new();
        structured(event, &mut String::new(), &mut out);
        out
    }

    #[test]
    fn a_parsed_event_serializes_unchanged() {
        let before = text(&event(Mark::Numbered { seq: Seq(9), prev: Seq(7) }));
        let received = parse_structured(&before).unwrap();
        assert_eq!(String::from_utf8(text(&received.event())).unwrap(), String::from_utf8(before).unwrap());
        assert_eq!(received.place(), ("/cti/pbx1", Seq(9)));
    }

    #[test]
    fn anything_but_a_numbered_event_is_rejected() {
        assert_eq!(parse_structured(&text(&event(Mark::Status { start: 1, count: 3 }))), None);
        assert_eq!(parse_structured(&text(&event(Mark::Copy { seq: Seq(3) }))), None);
        for strange in ["", "{}", "[]", r#"{"id":"x","data":1}"#] {
            assert_eq!(parse_structured(strange.as_bytes()), None, "{strange}");
        }
    }
}
