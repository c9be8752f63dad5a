//! Parses stored events by their attributes, in either content mode.

use serde_json::Value;

use super::{Stored, verify::Held, verify_calls::HeldCall};
use crate::event::Seq;

/// The attributes of an event, from headers or from the JSON object of structured mode.
struct Attributes<H> {
    header: H,
    /// `None` in binary mode.
    structured: Option<Value>,
}

impl<H: Fn(&str) -> Option<String>> Attributes<H> {
    fn of(header: H, payload: &[u8]) -> Self {
        let structured = if header("id").is_none() { serde_json::from_slice(payload).ok() } else { None };
        Self { header, structured }
    }

    fn get(&self, name: &str) -> Option<String> {
        match &self.structured {
            Some(event) => event.get(name)?.as_str().map(str::to_owned),
            None => (self.header)(name),
        }
    }

    fn stored(&self) -> Option<Stored> {
        let (source, id) = (self.get("source")?, self.get("id")?);
        let (journal, seq) = id.split_once('-')?;
        Some(Stored {
            source: source.strip_prefix("/cti/")?.to_owned(),
            journal: journal.parse().ok()?,
            seq: Seq(seq.parse().ok()?),
            time: self.get("time")?.parse().ok()?,
            ty: self.get("type")?,
            location: String::new(),
            place: String::new(),
        })
    }
}

/// Parses a numbered event. `None` if no cti-bridge wrote it. `header` finds the header of an attribute.
pub fn stored(header: impl Fn(&str) -> Option<String>, payload: &[u8]) -> Option<Stored> {
    Attributes::of(header, payload).stored()
}

/// Returns the id of an event, with or without a number.
pub fn id(header: impl Fn(&str) -> Option<String>, payload: &[u8]) -> Option<String> {
    Attributes::of(header, payload).get("id")
}

/// Parses a numbered event for `verify`. `None` if no cti-bridge wrote it.
pub fn held(header: impl Fn(&str) -> Option<String>, payload: &[u8]) -> Option<Held> {
    let attributes = Attributes::of(header, payload);
    let stored = attributes.stored()?;
    let data = || match &attributes.structured {
        Some(event) => event.get("data").cloned().unwrap_or_default(),
        None => serde_json::from_slice(payload).unwrap_or_default(),
    };
    let notice = stored.ty.starts_with("cti.bridge.").then(data);
    let is_redacted = attributes.get("ctiredacted").is_some();
    let call = stored.ty.starts_with("cti.call.").then(|| HeldCall { data: data(), is_redacted });
    Some(Held { partition: 0, stored, prev: Seq(attributes.get("ctiprev")?.parse().ok()?), notice, call })
}
