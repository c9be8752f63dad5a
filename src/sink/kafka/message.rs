//! An event as a Kafka record: topic, partition, key, headers (CloudEvents Kafka binding 1.0.2, section 3).

use std::collections::BTreeSet;

use bytes::Bytes;
use rdkafka::message::{Header, Headers as _, OwnedHeaders};

use super::config::{PartitionBy, Topics};
use crate::{
    event::{Attribute, CloudEvent, structured_with_key},
    route::Names,
    sink::{Partitions, config::ContentMode},
};

/// A record without its topic and partition.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) key: String,
    pub(super) headers: OwnedHeaders,
    pub(super) payload: Bytes,
}

impl Message {
    /// Returns an upper bound of its uncompressed size in a batch of its own, in bytes.
    pub(super) fn size(&self) -> usize {
        // The batch header has 61 bytes; the record's own fields and lengths are varints.
        const HEADS: usize = 61 + 24;
        let header = |header: Header<'_, &[u8]>| header.key.len() + header.value.map_or(0, <[u8]>::len) + 6;
        HEADS + self.key.len() + self.payload.len() + self.headers.iter().map(header).sum::<usize>()
    }
}

/// Converts events to records.
#[derive(Debug)]
pub(super) struct Envelopes {
    mode: ContentMode,
    scratch: String,
}

impl Envelopes {
    pub(super) fn new(mode: ContentMode) -> Self {
        Self { mode, scratch: String::new() }
    }

    pub(super) fn message(&mut self, names: &Names, event: &CloudEvent<'_>) -> Message {
        let key = key(names);
        match self.mode {
            ContentMode::Binary => {
                let mut headers = Some(OwnedHeaders::new_with_capacity(16));
                let mut put = |name: &str, value: &str| {
                    headers = headers
                        .take()
                        .map(|headers| headers.insert(Header { key: name, value: Some(value) }));
                };
                event.attributes(&mut self.scratch, |attribute, value| put(name(attribute), value));
                put("ce_partitionkey", &key);
                Message { headers: headers.unwrap_or_default(), payload: event.data.clone(), key }
            }
            ContentMode::Structured => {
                let mut payload = Vec::with_capacity(event.data.len() + 512);
                structured_with_key(event, &key, &mut self.scratch, &mut payload);
                let header = Header { key: CONTENT_TYPE, value: Some("application/cloudevents+json") };
                Message {
                    headers: OwnedHeaders::new_with_capacity(1).insert(header),
                    payload: payload.into(),
                    key,
                }
            }
        }
    }
}

pub(super) const CONTENT_TYPE: &str = "content-type";

/// The header of an attribute. `content-type` replaces `datacontenttype`.
const fn name(attribute: Attribute) -> &'static str {
    match attribute {
        Attribute::SpecVersion => "ce_specversion",
        Attribute::Id => "ce_id",
        Attribute::Source => "ce_source",
        Attribute::Type => "ce_type",
        Attribute::Time => "ce_time",
        Attribute::DataContentType => CONTENT_TYPE,
        Attribute::Sequence => "ce_sequence",
        Attribute::CtiPrev => "ce_ctiprev",
        Attribute::CtiGap => "ce_ctigap",
        Attribute::Subject => "ce_subject",
        Attribute::CtiEvent => "ce_ctievent",
        Attribute::CtiArgs => "ce_ctiargs",
        Attribute::CtiOrigin => "ce_ctiorigin",
        Attribute::CtiBinary => "ce_ctibinary",
        Attribute::CtiRedacted => "ce_ctiredacted",
        Attribute::CausationId => "ce_causationid",
        Attribute::DataSchema => "ce_dataschema",
    }
}

/// The key: `<source>/<subject, else event name>`.
pub(super) fn key(names: &Names) -> String {
    let source = names.source_name();
    let what = names.subject.as_deref().or(names.event.as_deref()).unwrap_or_else(|| {
        let ty = names.ty.strip_prefix("cti.event.").or_else(|| names.ty.strip_prefix("cti.bridge."));
        ty.and_then(|ty| ty.strip_suffix(".v1")).unwrap_or(&names.ty)
    });
    format!("{source}/{what}")
}

/// Returns the topic of an event's class.
pub(super) fn topic<'a>(topics: &'a Topics, names: &Names) -> &'a str {
    match names.class.as_str() {
        "status" => &topics.status,
        "dlq" => &topics.dead_letters,
        "replay" => &topics.replay,
        _ => &topics.events,
    }
}

/// Returns the partitions of an event: the one that the Java client would choose for the source's name, or for the record's own
/// key. Where a source is spread over several partitions, bridge events go to all of them.
pub(super) fn partitions_of(names: &Names, by: PartitionBy, partitions: i32) -> Partitions {
    let partition = match by {
        PartitionBy::Source => partition(names.source_name(), partitions),
        PartitionBy::Entity if names.class == "bridge" => return Partitions::Every,
        PartitionBy::Entity => partition(&key(names), partitions),
    };
    Partitions::One(usize::try_from(partition).unwrap_or_default())
}

/// Returns every partition that events of these sources may go to.
pub(super) fn used(sources: &[String], by: PartitionBy, partitions: i32) -> BTreeSet<i32> {
    match by {
        PartitionBy::Source => sources.iter().map(|source| partition(source, partitions)).collect(),
        PartitionBy::Entity => (0..partitions).collect(),
    }
}

/// Returns the partition of a key, as the Java client chooses it.
fn partition(key: &str, partitions: i32) -> i32 {
    let hash = murmur2(key.as_bytes()) & 0x7fff_ffff;
    let partitions = u32::try_from(partitions.max(1)).unwrap_or(1);
    i32::try_from(hash % partitions).unwrap_or_default()
}

/// `MurmurHash2` with the seed of Kafka's Java client (`Utils.murmur2`).
fn murmur2(data: &[u8]) -> u32 {
    const M: u32 = 0x5bd1_e995;
    let mut hash = 0x9747_b28c ^ u32::try_from(data.len()).unwrap_or(u32::MAX);
    let (words, rest) = data.as_chunks::<4>();
    for word in words {
        let mut k = u32::from_le_bytes(*word).wrapping_mul(M);
        k ^= k >> 24;
        hash = hash.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    if !rest.is_empty() {
        for (index, byte) in rest.iter().enumerate() {
            hash ^= u32::from(*byte) << (8 * index);
        }
        hash = hash.wrapping_mul(M);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(M);
    hash ^ (hash >> 15)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn structured_mode_has_the_key_as_an_attribute() {
        let names = Names {
            destination: Bytes::new(),
            class: "event".to_owned(),
            source: "/cti/a".to_owned(),
            ty: "cti.event.extenUpdate.v1".to_owned(),
            subject: Some("extension/2\"1".to_owned()),
            event: None,
            schema: None,
        };
        let event = CloudEvent {
            journal: crate::event::JournalId::draw(),
            mark: crate::event::Mark::Copy { seq: crate::event::Seq(1) },
            gap: crate::event::Seq(0),
            source: &names.source,
            ty: &names.ty,
            subject: names.subject.as_deref(),
            event: None,
            time: jiff::Timestamp::UNIX_EPOCH,
            args: 1,
            origin: crate::event::Origin::Live,
            binary: false,
            redacted: None,
            cause: None,
            schema: None,
            sink: None,
            data: Bytes::from_static(b"{}"),
        };
        let message = Envelopes::new(ContentMode::Structured).message(&names, &event);
        let json: serde_json::Value = serde_json::from_slice(&message.payload).unwrap_or_default();
        assert_eq!(
            (&*message.key, &json["partitionkey"]),
            ("a/extension/2\"1", &message.key.as_str().into())
        );
        assert_eq!((&json["specversion"], &json["data"]), (&"1.0".into(), &serde_json::json!({})));
    }

    #[test]
    fn the_hash_is_that_of_the_java_client() {
        // From Kafka's own UtilsTest.
        for (text, expected) in [
            ("21", -973_932_308_i32),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
        ] {
            assert_eq!(murmur2(text.as_bytes()).cast_signed(), expected, "{text}");
        }
        assert!((0..7).contains(&partition("pbx1", 7)));
        assert_eq!(partition("pbx1", 1), 0);
    }
}
