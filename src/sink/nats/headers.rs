//! CloudEvents on NATS: an attribute is the header `ce-<attribute>`, percent-encoded.

use std::{borrow::Cow, fmt::Write as _};

use async_nats::{HeaderMap, HeaderName, HeaderValue};
use bytes::Bytes;

use crate::{
    event::{Attribute, CloudEvent, structured},
    sink::config::ContentMode,
};

const CONTENT_TYPE: HeaderName = HeaderName::from_static("content-type");

/// Headers and payload of an event. None if an attribute can't be a header, which the encoding excludes.
pub(super) fn message(
    event: &CloudEvent<'_>,
    mode: ContentMode,
    scratch: &mut String,
) -> Option<(HeaderMap, Bytes)> {
    match mode {
        ContentMode::Binary => Some((binary(event, scratch)?, event.data.clone())),
        ContentMode::Structured => {
            let mut payload = Vec::with_capacity(event.data.len() + 512);
            structured(event, scratch, &mut payload);
            let headers =
                HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from("application/cloudevents+json"))]);
            Some((headers, payload.into()))
        }
    }
}

fn binary(event: &CloudEvent<'_>, scratch: &mut String) -> Option<HeaderMap> {
    let mut headers = HeaderMap::new();
    let mut legal = true;
    event.attributes(scratch, |attribute, value| match encode(value).parse::<HeaderValue>() {
        Ok(value) => headers.insert(name(attribute), value),
        Err(_) => legal = false,
    });
    legal.then_some(headers)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodes_as_the_binding_says() {
        assert_eq!(encode("extension/201"), "extension/201");
        assert_eq!(encode("Euro € 😀 \"%\""), "Euro%20%E2%82%AC%20%F0%9F%98%80%20%22%25%22");
        assert_eq!(encode("a\r\nb"), "a%0D%0Ab");
    }
}
