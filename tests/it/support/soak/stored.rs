//! Reads the stream back with a plain client.

use std::{
    collections::{BTreeMap, HashSet},
    time::{Duration, Instant},
};

use async_nats::{
    Message,
    jetstream::{self, consumer::pull::OrderedConfig, message::StreamMessage},
};
use futures_util::StreamExt as _;
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use super::{RECOVERY, probe};
use pbx_simulator::settled;

const STREAM: &str = "cti-bridge";

/// A notice that events may be missing; times in microseconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Gap {
    /// The number of probes stored before it.
    pub(crate) place: usize,
    pub(crate) from: Option<u64>,
    pub(crate) to: u64,
}

/// The content of the stream.
#[derive(Debug, Default)]
pub(crate) struct Stored {
    pub(crate) messages: usize,
    /// The numbers of the probes, in stored order.
    pub(crate) probes: Vec<usize>,
    pub(crate) gaps: Vec<Gap>,
    /// Violations of the order gap, connected, events, disconnected.
    pub(crate) misplaced: Vec<String>,
    /// The number of repeated ids.
    pub(crate) duplicates: usize,
    /// The number of sequences that are not above the one before.
    pub(crate) out_of_order: usize,
    /// The number of notices by type.
    pub(crate) notices: BTreeMap<String, usize>,
    /// The newest event of each name and entity, in the form of [`pbx_simulator::Simulator::state`].
    pub(crate) state: BTreeMap<(String, String), String>,
}

/// Waits until the stream holds this probe. Returns the elapsed time; `None` if it took longer than [`RECOVERY`].
pub(crate) async fn wait_for_probe(context: &jetstream::Context, last: usize) -> Option<Duration> {
    let subject = format!("cti.v1.pbx1.event.{}._", probe::NAME);
    wait_for(context, &subject, |message| number(&message.payload) == Some(last)).await
}

/// Waits until the newest resync in the stream ended after this time, in Unix microseconds, and was complete.
pub(crate) async fn wait_for_resync(context: &jetstream::Context, after: u64) -> Option<Duration> {
    wait_for(context, "cti.v1.pbx1.bridge.resync=2Ecompleted._", |message| {
        let data: Value = serde_json::from_slice(&message.payload).unwrap();
        let complete = ["refused", "failed", "empty"].iter().all(|left| data[*left] == json!([]));
        let time = message.headers.get("ce-time").and_then(|time| micros(time.as_str()));
        complete && time.is_some_and(|time| time >= after)
    })
    .await
}

async fn wait_for(
    context: &jetstream::Context,
    subject: &str,
    is_wanted: impl Fn(&StreamMessage) -> bool,
) -> Option<Duration> {
    let began = Instant::now();
    while began.elapsed() < RECOVERY {
        if let Ok(stream) = context.get_stream(STREAM).await
            && let Ok(message) = stream.get_last_raw_message_by_subject(subject).await
            && is_wanted(&message)
        {
            return Some(began.elapsed());
        }
        sleep(Duration::from_millis(50)).await;
    }
    None
}

pub(crate) async fn read(context: &jetstream::Context) -> Stored {
    let stream = context.get_stream(STREAM).await.unwrap();
    let count = stream.cached_info().state.messages;
    let mut messages =
        stream.create_consumer(OrderedConfig::default()).await.unwrap().messages().await.unwrap();
    let mut stored = Stored::default();
    let mut reader = Reader::default();
    for _ in 0..count {
        let message = timeout(Duration::from_secs(20), messages.next()).await;
        let message = message.expect("the stream can't be read").unwrap().unwrap();
        reader.take(&message, &mut stored);
    }
    stored
}

#[derive(Default)]
struct Reader {
    ids: HashSet<String>,
    newest: u64,
    /// Set by the last notice that starts or ends a session.
    place: Place,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Place {
    #[default]
    Between,
    Gap,
    Live,
}

impl Reader {
    fn take(&mut self, message: &Message, stored: &mut Stored) {
        let headers = message.headers.as_ref().unwrap();
        let header = |name: &str| headers.get(name).map(|value| value.as_str().to_owned());
        stored.messages += 1;
        let (id, ty) = (header("ce-id").unwrap(), header("ce-type").unwrap());
        let sequence: u64 = header("ce-sequence").unwrap().parse().unwrap();
        stored.duplicates += usize::from(!self.ids.insert(id.clone()));
        stored.out_of_order += usize::from(sequence <= self.newest);
        self.newest = self.newest.max(sequence);
        if let Some(name) = ty.strip_prefix("cti.event.").and_then(|rest| rest.strip_suffix(".v1")) {
            if self.place != Place::Live {
                stored.misplaced.push(format!("{id} {name} outside of any session"));
            }
            if name == probe::NAME {
                stored.probes.extend(number(&message.payload));
            }
            let (key, data) = state_of(name, message);
            stored.state.insert(key, data);
            return;
        }
        *stored.notices.entry(ty.clone()).or_default() += 1;
        self.place = match (ty.as_str(), self.place) {
            ("cti.bridge.gap.v1", place) => {
                if place == Place::Gap {
                    stored.misplaced.push(format!("{id}: a second gap for the same session"));
                }
                stored.gaps.push(gap(message, stored.probes.len()));
                Place::Gap
            }
            ("cti.bridge.connected.v1", place) => {
                if place != Place::Gap {
                    stored.misplaced.push(format!("{id}: connected without a gap"));
                }
                Place::Live
            }
            ("cti.bridge.disconnected.v1", _) => Place::Between,
            (_, place) => place,
        };
    }
}

/// The key and the value of an event, in the form of [`Simulator::state`].
///
/// [`Simulator::state`]: pbx_simulator::Simulator::state
fn state_of(name: &str, message: &Message) -> ((String, String), String) {
    let text = String::from_utf8_lossy(&message.payload);
    let entity = message.subject.rsplit('.').next().unwrap().to_owned();
    ((name.to_owned(), entity), settled(&text))
}

fn gap(message: &Message, place: usize) -> Gap {
    let data: Value = serde_json::from_slice(&message.payload).unwrap();
    let at = |name: &str| micros(data[name].as_str()?);
    Gap { place, from: at("from"), to: at("to").unwrap() }
}

fn micros(time: &str) -> Option<u64> {
    let time: jiff::Timestamp = time.parse().unwrap();
    u64::try_from(time.as_microsecond()).ok()
}

fn number(payload: &[u8]) -> Option<usize> {
    serde_json::from_slice::<Value>(payload).ok()?["n"].as_u64()?.try_into().ok()
}
