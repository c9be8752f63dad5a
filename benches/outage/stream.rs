//! The stream, read back by a plain client.

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use async_nats::{
    Message,
    jetstream::{self, consumer::pull::OrderedConfig},
};
use futures_util::StreamExt as _;
use jiff::Timestamp;
use tokio::time::{sleep, timeout};

use super::common::{self, STREAM};

/// A writer that stores nothing for so long has given up: longer than any pause between attempts.
const GIVEN_UP: Duration = Duration::from_secs(15);
/// The last event is there; nothing may follow it for so long.
const QUIET: Duration = Duration::from_secs(2);

/// A notice that events may be missing.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Gap {
    /// How many events are stored before it.
    pub(crate) place: usize,
    /// Microseconds; nothing if the bridge did not know.
    pub(crate) from: Option<u64>,
    pub(crate) to: u64,
}

/// What the stream holds.
#[derive(Debug, Default)]
pub(crate) struct Stored {
    /// The numbers of the events, as they are stored.
    pub(crate) numbers: Vec<usize>,
    pub(crate) gaps: Vec<Gap>,
    /// Ids that were there before.
    pub(crate) ids_again: usize,
    /// Sequences that are not above the one before.
    pub(crate) sequences_back: usize,
}

/// Waits until the writer has delivered the last event, or no longer delivers; when it last did.
pub(crate) async fn settled(context: &jetstream::Context, last: usize) -> Instant {
    let (mut count, mut since) = (None, Instant::now());
    loop {
        sleep(Duration::from_millis(50)).await;
        let now = common::stored(context).await;
        if now.is_some() && now != count {
            (count, since) = (now, Instant::now());
        }
        if since.elapsed() > GIVEN_UP || since.elapsed() > QUIET && newest(context).await == Some(last) {
            return since;
        }
    }
}

/// The number of the newest event.
async fn newest(context: &jetstream::Context) -> Option<usize> {
    let stream = context.get_stream(STREAM).await.ok()?;
    for subject in ["cti.v1.pbx1.event.>", "cti.bench.>"] {
        if let Ok(message) = stream.get_last_raw_message_by_subject(subject).await {
            return number(&message.payload);
        }
    }
    None
}

/// All that is stored, in order.
pub(crate) async fn read(context: &jetstream::Context) -> Stored {
    let stream = context.get_stream(STREAM).await.unwrap();
    let count = stream.cached_info().state.messages;
    let mut messages =
        stream.create_consumer(OrderedConfig::default()).await.unwrap().messages().await.unwrap();
    let mut stored = Stored::default();
    let (mut ids, mut newest) = (HashSet::new(), 0);
    for _ in 0..count {
        let message =
            timeout(Duration::from_secs(20), messages.next()).await.expect("the stream can't be read");
        let message = message.unwrap().unwrap();
        let header = |name: &str| message.headers.as_ref()?.get(name).map(|value| value.as_str().to_owned());
        if let Some(id) = header("ce-id") {
            stored.ids_again += usize::from(!ids.insert(id));
        }
        if let Some(sequence) = header("ce-sequence") {
            let sequence: u64 = sequence.parse().unwrap();
            stored.sequences_back += usize::from(sequence <= newest);
            newest = sequence;
        }
        if header("ce-type").as_deref() == Some("cti.bridge.gap.v1") {
            stored.gaps.push(gap(&message, stored.numbers.len()));
        } else if let Some(number) = number(&message.payload) {
            stored.numbers.push(number);
        }
    }
    stored
}

fn gap(message: &Message, place: usize) -> Gap {
    let data: serde_json::Value = serde_json::from_slice(&message.payload).unwrap();
    let micros = |name: &str| {
        let time: Timestamp = data[name].as_str()?.parse().unwrap();
        u64::try_from(time.as_microsecond()).ok()
    };
    Gap { place, from: micros("from"), to: micros("to").unwrap() }
}

/// The number behind `"n":`.
fn number(payload: &[u8]) -> Option<usize> {
    let from = memchr::memmem::find(payload, b"\"n\":")? + 4;
    let digits = payload[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    std::str::from_utf8(&payload[from..from + digits]).ok()?.parse().ok()
}
