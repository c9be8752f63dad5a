//! Heartbeats: status messages without a number, which are not in the journal.

use std::collections::BTreeMap;

use bytes::Bytes;
use jiff::Timestamp;
use serde::Serialize;

use super::{Context, Outgoing};
use crate::{
    event::{CloudEvent, Mark, Origin, Seq, SinkId, SourceId},
    health::Health,
    journal::{Journal, Ledger},
    route::{Plan, Published},
};

/// Builds the heartbeats of one sink.
#[derive(Debug)]
pub(super) struct Heartbeat {
    context: Context,
    sink: SinkId,
    count: u64,
}

/// The data of a heartbeat.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Data<'a> {
    version: &'static str,
    last_sequence: Seq,
    pending: u64,
    bad_frames: u64,
    counters: Ledger,
    components: &'a BTreeMap<String, Health>,
}

/// A heartbeat of one source.
#[derive(Debug)]
pub struct Beat {
    status: Published,
    gap: Seq,
    mark: Mark,
    time: Timestamp,
}

impl Heartbeat {
    pub(super) fn new(context: &Context, sink: SinkId) -> Self {
        Self { context: context.clone(), sink, count: 0 }
    }

    /// The shared state of the drivers.
    pub(super) fn context(&self) -> &Context {
        &self.context
    }

    /// Returns a heartbeat for each source.
    pub(super) fn beats(&mut self, plan: &mut Plan) -> Vec<Beat> {
        self.count += 1;
        let journal: &Journal = &self.context.journal;
        let components = self.context.board.snapshot();
        let mark = Mark::Status { start: self.context.started.as_microsecond(), count: self.count };
        let sources = 0..u16::try_from(self.context.sources.len()).unwrap_or(u16::MAX);
        sources
            .map(SourceId)
            .filter_map(|source| {
                let (last_sequence, gap) = journal.newest(source);
                let (counters, pending) = journal.ledger(self.sink, source);
                let version = env!("CARGO_PKG_VERSION");
                let bad_frames = journal.bad_frames(source);
                let data =
                    Data { version, last_sequence, pending, bad_frames, counters, components: &components };
                let data = serde_json::to_vec(&data).unwrap_or_default().into();
                let status = plan.status(source, "heartbeat", &data)?;
                Some(Beat { status, gap, mark, time: Timestamp::now() })
            })
            .collect()
    }
}

/// Returns a status message for each source, to test whether a sink accepts it.
pub fn checks(plan: &mut Plan, sources: usize) -> Vec<Beat> {
    let data = Bytes::from_static(concat!("{\"version\":\"", env!("CARGO_PKG_VERSION"), "\"}").as_bytes());
    let beat = |source| {
        let status = plan.status(SourceId(source), "check", &data)?;
        let time = Timestamp::now();
        let mark = Mark::Status { start: time.as_microsecond(), count: 1 };
        Some(Beat { status, gap: Seq(0), mark, time })
    };
    (0..u16::try_from(sources).unwrap_or(u16::MAX)).filter_map(beat).collect()
}

impl Beat {
    /// Returns the message of the heartbeat.
    pub fn outgoing(&self, plan: &Plan) -> Outgoing<'_> {
        Outgoing {
            position: None,
            partition: 0,
            names: &self.status.names,
            event: CloudEvent {
                journal: plan.journal(),
                mark: self.mark,
                sink: None,
                gap: self.gap,
                source: &self.status.names.source,
                ty: &self.status.names.ty,
                subject: None,
                event: None,
                time: self.time,
                args: 1,
                origin: Origin::Live,
                binary: false,
                redacted: self.status.redacted.as_deref(),
                cause: None,
                schema: self.status.names.schema.as_deref(),
                data: self.status.data.clone(),
            },
        }
    }
}
