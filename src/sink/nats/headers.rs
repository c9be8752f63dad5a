//! CloudEvents on NATS: each attribute is a header `ce-<attribute>`, percent-encoded.

use std::{borrow::Cow, collections::HashMap, fmt::Write as _, sync::Arc};

use async_nats::{HeaderMap, HeaderName, HeaderValue};
use bytes::Bytes;

use crate::{
    event::{Attribute, CloudEvent, Mark, Origin, structured},
    route::Names,
    sink::config::ContentMode,
};

const CONTENT_TYPE: HeaderName = HeaderName::from_static("content-type");

/// Converts events to messages.
///
/// A header map is a hash table of allocated strings, and cloning one costs half of building it. So the map of
/// each kind of event is cached, and the few values that change are set in a clone.
#[derive(Debug)]
pub(super) struct Envelopes {
    mode: ContentMode,
    cache: HashMap<Shape, (Arc<Names>, HeaderMap)>,
    /// The approximate size of the cache, in bytes.
    bytes: usize,
    scratch: String,
}

/// The key of a cached map. The address identifies the names, as it can't be reused while they are cached.
type Shape = (usize, u16, Origin, bool, bool, std::mem::Discriminant<Mark>);

/// The size limit of the cache, in bytes.
const CACHE: usize = 8 << 20;
/// The overhead of a header, in bytes.
const OVERHEAD: usize = 96;

impl Envelopes {
    pub(super) fn new(mode: ContentMode) -> Self {
        Self { mode, cache: HashMap::new(), bytes: 0, scratch: String::new() }
    }

    /// Returns the headers and the payload of an event. `None` if an attribute can't be a header, which the encoding rules out.
    pub(super) fn message(
        &mut self,
        names: &Arc<Names>,
        event: &CloudEvent<'_>,
    ) -> Option<(HeaderMap, Bytes)> {
        match self.mode {
            ContentMode::Binary => Some((self.headers(names, event)?, event.data.clone())),
            ContentMode::Structured => {
                let mut payload = Vec::with_capacity(event.data.len() + 512);
                structured(event, &mut self.scratch, &mut payload);
                let headers =
                    HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from("application/cloudevents+json"))]);
                Some((headers, payload.into()))
            }
        }
    }

    fn headers(&mut self, names: &Arc<Names>, event: &CloudEvent<'_>) -> Option<HeaderMap> {
        let kind = std::mem::discriminant(&event.mark);
        let shape = (
            Arc::as_ptr(names).addr(),
            event.args,
            event.origin,
            event.binary,
            event.redacted.is_some(),
            kind,
        );
        let mut legal = true;
        let mut headers = HeaderMap::new();
        let mut put = |headers: &mut HeaderMap, attribute, value: &str| match value.parse::<HeaderValue>() {
            Ok(value) => headers.insert(name(attribute), value),
            Err(_) => legal = false,
        };
        if let Some((_, cached)) = self.cache.get(&shape) {
            headers.clone_from(cached);
            event.changing(&mut self.scratch, |attribute, value| {
                put(&mut headers, attribute, value);
            });
        } else {
            event.attributes(&mut self.scratch, |attribute, value| {
                put(&mut headers, attribute, &encode(value));
            });
            self.cache(shape, names, &headers);
        }
        legal.then_some(headers)
    }

    fn cache(&mut self, shape: Shape, names: &Arc<Names>, headers: &HeaderMap) {
        if names.is_large() {
            return;
        }
        let bytes = names.size() + size(headers, &Bytes::new()) + headers.len() * OVERHEAD;
        if self.bytes + bytes > CACHE {
            self.cache.clear();
            self.bytes = 0;
        }
        self.bytes += bytes;
        self.cache.insert(shape, (Arc::clone(names), headers.clone()));
    }
}

const fn name(attribute: Attribute) -> HeaderName {
    HeaderName::from_static(match attribute {
        Attribute::SpecVersion => "ce-specversion",
        Attribute::Id => "ce-id",
        Attribute::Source => "ce-source",
        Attribute::Type => "ce-type",
        Attribute::Time => "ce-time",
        Attribute::DataContentType => "ce-datacontenttype",
        Attribute::Sequence => "ce-sequence",
        Attribute::CtiPrev => "ce-ctiprev",
        Attribute::CtiGap => "ce-ctigap",
        Attribute::Subject => "ce-subject",
        Attribute::CtiEvent => "ce-ctievent",
        Attribute::CtiArgs => "ce-ctiargs",
        Attribute::CtiOrigin => "ce-ctiorigin",
        Attribute::CtiBinary => "ce-ctibinary",
        Attribute::CtiRedacted => "ce-ctiredacted",
        Attribute::CausationId => "ce-causationid",
        Attribute::DataSchema => "ce-dataschema",
    })
}

/// Space, `"`, `%` and everything outside printable ASCII as `%XX` of its UTF-8 (CloudEvents HTTP binding
/// 3.1.3.2, which the NATS binding takes over).
fn encode(value: &str) -> Cow<'_, str> {
    let plain = |byte: u8| matches!(byte, 0x21..=0x7E) && byte != b'"' && byte != b'%';
    if value.bytes().all(plain) {
        return Cow::Borrowed(value);
    }
    let mut out = String::with_capacity(value.len() + 16);
    for byte in value.bytes() {
        if plain(byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a String can't fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    Cow::Owned(out)
}

/// Returns a message's size as a server counts it: headers on the wire, and payload. In bytes.
pub(super) fn size(headers: &HeaderMap, payload: &Bytes) -> usize {
    let lines: usize = headers
        .iter()
        .map(|(name, values)| {
            let name: &str = name.as_ref();
            values.iter().map(|value| name.len() + value.as_str().len() + 4).sum::<usize>()
        })
        .sum();
    payload.len() + lines + "NATS/1.0\r\n\r\n".len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Seq;

    #[test]
    fn stored_headers_are_bounded_in_bytes() {
        let mut envelopes = Envelopes::new(ContentMode::Binary);
        let mut held = 0;
        for number in 0..20_000 {
            let length = if number % 100 == 0 { 300_000 } else { 1000 };
            let names = Arc::new(Names {
                destination: Bytes::from_static(b"a"),
                class: "event".to_owned(),
                source: "/cti/a".to_owned(),
                ty: "cti.event.a.v1".to_owned(),
                subject: Some(format!("{number}{}", "x".repeat(length))),
                event: None,
                schema: None,
            });
            let event = CloudEvent {
                journal: crate::event::JournalId::draw(),
                mark: Mark::Numbered { seq: Seq(2), prev: Seq(1) },
                gap: Seq(0),
                source: &names.source,
                ty: &names.ty,
                subject: names.subject.as_deref(),
                event: None,
                time: jiff::Timestamp::UNIX_EPOCH,
                args: 1,
                origin: Origin::Live,
                binary: false,
                redacted: None,
                cause: None,
                schema: None,
                sink: None,
                data: Bytes::from_static(b"{}"),
            };
            let first = envelopes.message(&names, &event);
            assert_eq!(envelopes.message(&names, &event), first);
            if number % 500 != 499 {
                continue;
            }
            held = envelopes
                .cache
                .values()
                .map(|(names, headers)| names.size() + size(headers, &Bytes::new()))
                .sum();
            assert!(held <= CACHE, "{held}");
        }
        assert!(held > 0);
    }

    #[test]
    fn values_are_percent_encoded() {
        assert_eq!(encode("extension/201"), "extension/201");
        assert_eq!(encode("Euro € 😀 \"%\""), "Euro%20%E2%82%AC%20%F0%9F%98%80%20%22%25%22");
        assert_eq!(encode("a\r\nb"), "a%0D%0Ab");
    }
}
