//! Dead letters: events that a broker refused permanently, written to a file and published in the class `dlq`.

use std::fmt::Write as _;

use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};

use crate::event::{JournalId, Record, micros};

/// The size of a letter's own fields and headers, at most, in bytes.
const OVERHEAD: usize = 4096;

/// The data of a dead letter.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Letter<'a> {
    sink: &'a str,
    id: String,
    sequence: u64,
    source: &'a str,
    r#type: &'a str,
    destination: &'a str,
    reason: &'a str,
    #[serde(serialize_with = "micros::serialize")]
    time: jiff::Timestamp,
    size: usize,
    sha256: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<&'a RawValue>,
}

/// An event that a sink could not publish.
#[derive(Debug, Clone, Copy)]
pub(super) struct Refused<'a> {
    pub(super) journal: JournalId,
    pub(super) sink: &'a str,
    pub(super) record: &'a Record,
    pub(super) source: &'a str,
    /// Where the sink publishes it.
    pub(super) destination: &'a str,
    pub(super) ty: &'a str,
    pub(super) data: &'a Bytes,
    pub(super) reason: &'a str,
}

/// Returns the dead letter of an event. The payload is omitted if the letter would be longer than `most` bytes. `None` sets no limit.
pub(super) fn letter(refused: &Refused<'_>, most: Option<usize>) -> Bytes {
    let Refused { journal, sink, record, source, destination, ty, data, reason } = *refused;
    let fits = most.is_none_or(|most| data.len() + OVERHEAD <= most);
    let text = std::str::from_utf8(data).ok().filter(|_| fits);
    let letter = Letter {
        sink,
        id: format!("{journal}-{}", record.seq.0),
        sequence: record.seq.0,
        source,
        r#type: ty,
        destination,
        reason,
        time: record.at,
        size: data.len(),
        sha256: Sha256::digest(data).iter().fold(String::new(), |mut hex, byte| {
            // Writing to a String can't fail.
            let _ = write!(hex, "{byte:02x}");
            hex
        }),
        payload: text.and_then(|text| serde_json::from_str(text).ok()),
    };
    // Serializing text and numbers can't fail.
    serde_json::to_vec(&letter).unwrap_or_default().into()
}
