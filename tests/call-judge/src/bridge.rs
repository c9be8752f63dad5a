//! The bridge as far as the tracker sees it: records in order, and ticks.

use std::collections::BTreeMap;

use bytes::Bytes;
use calls::{Derived, Step, Tracker};
use event::{Body, EncodedCall, EncodedNotice, Origin, Position, RawEvent, Record, Seq, SourceId};
use jiff::Timestamp;
use pbx_simulator::rehearsal::{Rehearsal, Sent};
use serde_json::{Value, json};

/// The process ends before this record, and another one starts after a while.
#[derive(Debug, Clone, Copy)]
pub struct Interruption {
    /// The number of records before it.
    pub after: u64,
    /// Milliseconds until the next process has a session.
    pub millis: i64,
}

/// A tracker, and what it has derived.
#[derive(Debug, Default)]
pub struct Bridge {
    tracker: Tracker,
    /// Number of records.
    pub records: u64,
    /// Events, in order.
    pub derived: Vec<Derived>,
    /// By record: the channels that wait in the queue or slot that it describes.
    pub waiting: BTreeMap<Seq, Vec<String>>,
    now: i64,
}

impl Bridge {
    /// Returns what is stored in a journal.
    pub fn of(records: &[Record]) -> Self {
        let mut bridge = Self::default();
        for record in records {
            match &record.body {
                Body::Event(frame) if has_waiting(&frame.name()) => {
                    bridge.waiting.insert(record.seq, waiting(&frame.args()));
                }
                Body::Call(call) => bridge.derived.extend(decode(record.at, call)),
                Body::Event(_) | Body::Notice(_) => {}
            }
        }
        bridge
    }

    /// Follows a rehearsal to its end, and waits until every call has ended.
    pub fn follow(rehearsal: &mut Rehearsal, interruption: Option<Interruption>) -> Self {
        let mut bridge = Self { now: rehearsal.start(), ..Self::default() };
        let mut interruption = interruption;
        let mut gap = None;
        while let Some(at) = rehearsal.next_at() {
            bridge.tick_until(at);
            let Some((at, sent)) = rehearsal.advance() else { break };
            match (gap, rehearsal.is_in_gap()) {
                (None, true) => {
                    gap = Some(at);
                    bridge.notice("disconnected", &json!({"reason": "connection_closed"}), at);
                }
                (Some(from), false) => {
                    gap = None;
                    bridge.reconnect(from, at, rehearsal);
                }
                _ => {}
            }
            if gap.is_some() {
                continue;
            }
            bridge.hear(&sent, rehearsal);
            if let Some(Interruption { after, millis }) = interruption
                && bridge.records >= after
            {
                interruption = None;
                bridge.interrupt(millis, rehearsal);
            }
        }
        for second in 1..=10 {
            bridge.tick(bridge.now + second * 1_000);
        }
        bridge
    }

    fn hear(&mut self, sent: &[Sent], rehearsal: &Rehearsal) {
        for event in sent {
            self.event(event.name, &event.args, event.at, Origin::Live);
        }
        if sent.iter().any(|event| event.name == "serverReloaded") {
            self.resync(self.now, rehearsal);
        }
    }

    /// The process ends. What the office does until the next one has a session is not seen.
    fn interrupt(&mut self, millis: i64, rehearsal: &mut Rehearsal) {
        // A state that could not be restored would leave every call without an end, which the judge notices.
        self.tracker = Tracker::restore(&self.tracker.save()).unwrap_or_default();
        let (from, to) = (self.now, self.now + millis);
        rehearsal.deafen(true);
        while rehearsal.next_at().is_some_and(|at| at < to) {
            rehearsal.advance();
        }
        rehearsal.deafen(false);
        self.reconnect(from, to, rehearsal);
    }

    /// A session begins after a gap.
    fn reconnect(&mut self, from: i64, to: i64, rehearsal: &Rehearsal) {
        self.now = to;
        let time = |millis| timestamp(millis).to_string();
        self.notice("gap", &json!({"from": time(from), "to": time(to)}), to);
        self.resync(to, rehearsal);
    }

    fn resync(&mut self, at: i64, rehearsal: &Rehearsal) {
        self.notice("resync.started", &json!({}), at);
        for (name, args) in rehearsal.snapshots() {
            self.event(name, &args, at, Origin::Snapshot);
        }
        self.notice("resync.completed", &json!({"failed": []}), at);
    }

    fn event(&mut self, name: &'static str, args: &str, at: i64, origin: Origin) {
        if has_waiting(name.as_bytes()) {
            self.waiting.insert(Seq(self.records + 1), waiting(args.as_bytes()));
        }
        self.record(Body::Event(frame(name, args, at)), at, origin);
    }

    fn notice(&mut self, name: &'static str, data: &Value, at: i64) {
        let data = data.to_string().into();
        self.record(Body::Notice(EncodedNotice { name: name.into(), data }), at, Origin::Live);
    }

    fn record(&mut self, body: Body, at: i64, origin: Origin) {
        self.records += 1;
        let record = Record {
            position: Position(self.records),
            source: SourceId(0),
            seq: Seq(self.records),
            at: timestamp(at),
            session: 1,
            origin,
            gap: Seq(0),
            unchanged: false,
            body,
        };
        self.derived.extend(self.tracker.fold(&record));
    }

    /// Ticks each second up to a time.
    fn tick_until(&mut self, at: i64) {
        let first = (self.now / 1_000 + 1) * 1_000;
        if !self.tracker.is_empty() {
            for tick in (first..=at).step_by(1_000) {
                self.tick(tick);
            }
        }
        self.now = self.now.max(at);
    }

    fn tick(&mut self, at: i64) {
        self.derived.extend(self.tracker.tick(timestamp(at)));
    }

    /// Returns true if no call is going on.
    pub fn is_idle(&self) -> bool {
        self.tracker.is_empty()
    }
}

/// Returns a stored event; `None` for one that is not of this version.
fn decode(at: Timestamp, call: &EncodedCall) -> Option<Derived> {
    let step = Step::ALL.into_iter().find(|step| step.name() == call.step)?;
    Some(Derived { at, cause: call.cause, step, event: serde_json::from_slice(&call.data).ok()? })
}

/// Returns the frame of an event.
pub(crate) fn frame(name: &str, args: &str, at: i64) -> RawEvent {
    let bytes = format!("42[\"{name}\",{args}]");
    let place = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
    RawEvent {
        at: timestamp(at),
        name: 4..place(name.len() + 4),
        args: place(name.len() + 6)..place(bytes.len() - 1),
        bytes: Bytes::from(bytes),
        argc: 1,
        attachments: Box::default(),
    }
}

pub(crate) fn timestamp(millis: i64) -> Timestamp {
    Timestamp::from_millisecond(millis).unwrap_or_default()
}

fn has_waiting(name: &[u8]) -> bool {
    matches!(name, b"queueUpdate" | b"parkingUpdate")
}

fn waiting(args: &[u8]) -> Vec<String> {
    let Ok(state) = serde_json::from_slice::<Value>(args) else { return Vec::new() };
    let queued = state["waitingCallers"].as_object().into_iter().flat_map(|callers| callers.keys().cloned());
    let parked = state["parkedCaller"]["channel"].as_str().map(str::to_owned);
    queued.chain(parked).collect()
}
