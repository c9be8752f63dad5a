//! Compares each state with the one before it. Pure.

mod extension;
mod fold;
mod index;
mod leg;
mod merge;
mod notice;
mod repeats;
mod restore;
mod timers;
mod transfer;
mod waiting;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use event::{Body, Origin, Record, Seq};
use jiff::{SignedDuration, Timestamp};

pub use self::fold::Derived;
use self::{fold::Fold, index::Index, repeats::Repeats};
use crate::{
    call::{Call, Detail},
    model::{CallEvent, CallKey, Outcome, Step},
};

/// Time for which nothing of a call is visible before it counts as ended. In a blind transfer, the transferring telephone leaves
/// the call before the new one rings.
const GRACE: SignedDuration = SignedDuration::from_secs(3);
/// Time that a resync may take. After that, calls end without it.
const RESYNC_TIMEOUT: SignedDuration = SignedDuration::from_secs(60);
/// Most calls at once.
const CALLS: usize = 4096;
/// Most memory that the calls of a source may use, in bytes, as estimated. Saved calls take less, so the head of a segment stays smaller
/// than the segment.
const BYTES: usize = 8 << 20;
/// Most memory that one call may use, in bytes. Its events have to fit into a message of the broker.
const CALL_BYTES: usize = 256 << 10;

/// Calls of one source that are going on.
///
/// At most 4,096 calls, which may use 8 MiB, and 256 KiB or 64 legs each. Beyond that, the oldest calls, or the one that is too large, end
/// with `certain: false`. A text longer than 1,024 bytes counts as absent; 1,024 conversations or callers of a state are read.
#[derive(Debug, Default)]
pub struct Tracker {
    calls: BTreeMap<CallKey, Call>,
    /// Newest gap: the last confirmed moment before it, the first after.
    gap: Option<(Timestamp, Timestamp)>,
    visibility: Visibility,
    /// Time after which calls end without the resync that follows a gap; `None` while there is no session.
    resync_deadline: Option<Timestamp>,
    /// Time of the newest state.
    last_state_at: Option<Timestamp>,
    /// Next time at which a call has to be checked; `None` if no call waits for anything.
    timer: Option<Timestamp>,
    /// Time of the newest record.
    last_record_at: Option<Timestamp>,
    /// By extension: its open legs, by channel.
    legs: HashMap<String, Vec<(String, CallKey)>>,
    index: Index,
    /// Calls that may wait for a timer: those that are not visible, and those that a party has left.
    pending: BTreeSet<CallKey>,
    repeats: Repeats,
}

/// Completeness of the states that arrive.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Visibility {
    /// Each state arrives when it changes.
    #[default]
    Current,
    /// A snapshot is missing: a state may show what happened long before.
    Partial,
    /// There is no session, or no snapshot yet. A call that is not visible may be in the snapshot, so no call ends.
    Interrupted,
}

impl Tracker {
    /// Returns the number of calls going on.
    pub fn len(&self) -> usize {
        self.calls.len()
    }

    /// Returns true if no call is going on.
    pub fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    /// Returns the calls going on, oldest first, each as the event `state` at this time would describe it.
    pub fn calls(&self, at: Timestamp) -> impl Iterator<Item = CallEvent> {
        self.calls.values().map(move |call| call.event(Step::State, at, Detail::default()))
    }

    /// Estimates the memory use in bytes.
    pub fn size(&self) -> usize {
        self.index.bytes()
    }

    /// Folds the next record of the source. Returns the events that follow from it, in order.
    pub fn fold(&mut self, record: &Record) -> Vec<Derived> {
        let certain = record.origin == Origin::Live && self.visibility == Visibility::Current;
        let mut fold = Fold::new(record.seq, record.at, certain);
        if let Body::Notice(notice) = &record.body {
            self.interrupt_by_notice(&notice.name, &notice.data, record.at);
        }
        self.run_timers(&mut fold);
        match &record.body {
            Body::Event(frame) => match &*frame.name() {
                b"serverReloaded" => self.interrupt(self.last_state_at.unwrap_or(record.at), record.at),
                name => {
                    match name {
                        b"extenUpdate" => self.extension(&frame.args(), &mut fold),
                        b"queueUpdate" => self.queue(&frame.args(), &mut fold),
                        b"parkingUpdate" => self.parking(&frame.args(), &mut fold),
                        _ => return fold.derived,
                    }
                    self.last_state_at = Some(record.at);
                }
            },
            Body::Notice(notice) => self.notice(&notice.name, &notice.data, &mut fold),
            Body::Call(_) => {}
        }
        self.bound(&mut fold);
        fold.derived
    }

    /// Runs the timers that are due. Call it at least once a second while there are calls.
    pub fn tick(&mut self, at: Timestamp) -> Vec<Derived> {
        let mut fold = Fold::new(Seq(0), at, true);
        self.run_timers(&mut fold);
        fold.derived
    }

    /// Returns true if [`Tracker::tick`] has something to do at this time.
    pub fn is_due(&self, at: Timestamp) -> bool {
        let waits =
            if self.visibility == Visibility::Interrupted { self.resync_deadline } else { self.timer };
        waits.is_some_and(|then| at >= then || self.last_record_at.is_some_and(|last| at < last))
    }

    /// Takes over a stored event that the restored calls do not give: a call that has ended is gone.
    pub fn adopt(&mut self, key: &str, step: &str) {
        if step == Step::Ended.name()
            && let Ok(key) = key.parse()
        {
            self.remove(key);
        }
    }

    /// Ends all calls, when nothing will be derived any more.
    pub fn finish(&mut self, seq: Seq, at: Timestamp) -> Vec<Derived> {
        let mut fold = Fold::new(seq, at, false);
        for key in self.calls.keys().copied().collect::<Vec<_>>() {
            self.end(key, &mut fold, None);
        }
        fold.derived
    }

    /// Ends a call. `into` is the call that it has joined.
    fn end(&mut self, key: CallKey, fold: &mut Fold, into: Option<CallKey>) {
        let Some(call) = self.remove(key) else { return };
        let outcome = if into.is_some() { Outcome::Merged } else { call.outcome() };
        // The record after which nothing was visible any more.
        let cause = call.invisible_since.filter(|_| into.is_none()).map(|(_, seq)| seq);
        let seq = fold.seq;
        fold.seq = cause.unwrap_or(seq);
        let is_uncertain = call.invisible_since.is_none() && into.is_none();
        let detail = Detail { outcome: Some(outcome), into, is_uncertain, ..Detail::default() };
        fold.emit(&call, Step::Ended, detail);
        fold.seq = seq;
    }

    /// Removes a call without an event.
    fn remove(&mut self, key: CallKey) -> Option<Call> {
        let call = self.calls.remove(&key)?;
        for leg in call.open_legs() {
            self.forget(&leg.extension, &leg.channel);
        }
        self.index.remove(key);
        self.pending.remove(&key);
        Some(call)
    }

    /// Ends calls that are too large, and the oldest ones if there are too many.
    fn bound(&mut self, fold: &mut Fold) {
        debug_assert_eq!(
            self.index.bytes(),
            self.calls.values().map(Call::size).sum::<usize>(),
            "sizes depend on the past"
        );
        for key in std::mem::take(&mut fold.oversized) {
            self.end(key, fold, None);
        }
        while self.calls.len() > CALLS || self.index.bytes() > BYTES {
            let Some(oldest) = self.calls.keys().next().copied() else { return };
            self.end(oldest, fold, None);
        }
    }

    /// Starts a call, and announces it after `describe` has filled it in.
    fn start_call(
        &mut self,
        started: Option<Timestamp>,
        fold: &mut Fold,
        describe: impl FnOnce(&mut Call),
    ) -> CallKey {
        let key = CallKey { seq: fold.seq, index: fold.started_calls };
        fold.started_calls += 1;
        // A clock of the PBX that is ahead, or a channel that is older than a day.
        let sane =
            |at: &Timestamp| *at <= fold.at && fold.at.duration_since(*at) < SignedDuration::from_hours(24);
        let mut call = Call::new(key, started.filter(sane).unwrap_or(fold.at), fold.certain);
        describe(&mut call);
        // A call from before the gap may have been answered and transferred unseen.
        let earliest = call.linked_ids.iter().filter_map(|id| seconds(id)).chain(started).min();
        if let (Some(earliest), Some((_, to))) = (earliest, self.gap) {
            call.certain &= earliest > to;
        }
        fold.emit(&call, Step::Started, Detail::default());
        self.calls.insert(key, call);
        self.reindex(key, fold);
        key
    }

    /// Removes an ended leg from the index.
    fn forget(&mut self, extension: &str, channel: &str) {
        self.repeats.forget(extension);
        if let Some(legs) = self.legs.get_mut(extension) {
            legs.retain(|(known, _)| known != channel);
            if legs.is_empty() {
                self.legs.remove(extension);
            }
        }
    }
}

/// Returns the time at which the channel that began a call was created, rounded down to a second: its linked id begins with it.
fn seconds(linked_id: &str) -> Option<Timestamp> {
    let (seconds, _) = linked_id.split_once('.')?;
    Timestamp::from_second(seconds.parse().ok()?).ok()
}

fn add(at: Timestamp, duration: SignedDuration) -> Timestamp {
    at.checked_add(duration).unwrap_or(at)
}
