//! Compares states with the ones before. Pure.

mod extension;
mod merge;
mod notice;
mod waiting;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use event::{Body, EncodedCall, Origin, Record, Seq};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{
    call::{Call, Detail, Leg},
    model::{CallEvent, CallKey, Outcome, Step, Transfer, TransferKind},
};

/// The time for which nothing of a call is visible before it counts as ended. In a blind transfer one telephone is out of the
/// call before the other rings.
const GRACE: SignedDuration = SignedDuration::from_secs(3);
/// The time that a resync may take. Calls end without it after that.
const PATIENCE: SignedDuration = SignedDuration::from_secs(60);
/// The most calls at once.
const CALLS: usize = 4096;

/// The calls of one source that are going on.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Tracker {
    calls: BTreeMap<CallKey, Call>,
    /// Numbers of the queues that have been seen.
    queues: BTreeSet<String>,
    /// The newest gap: the last confirmed moment before it, the first after.
    gap: Option<(Timestamp, Timestamp)>,
    sight: Sight,
    /// When a resync that follows a gap is no longer waited for; `None` while there is no session.
    patience: Option<Timestamp>,
    /// Time of the newest state.
    heard: Option<Timestamp>,
    /// When the next call has to be looked at; `None` if no call waits for anything.
    due: Option<Timestamp>,
    /// Time of the newest record.
    last: Option<Timestamp>,
    /// By extension: its open legs, by channel.
    #[serde(skip)]
    legs: HashMap<String, Vec<(String, CallKey)>>,
}

/// What the states are worth.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Sight {
    /// Each state arrives as it comes to be.
    #[default]
    Clear,
    /// A snapshot is missing: what a state shows may have happened long before.
    Doubtful,
    /// There is no session, or no snapshot yet. A call that is not visible may come back with one, so none ends.
    Lost,
}

/// An event to append after the record that caused it.
#[derive(Debug, Clone, PartialEq)]
pub struct Derived {
    /// Time of the event.
    pub at: Timestamp,
    /// Number of the record that it follows from.
    pub cause: Seq,
    /// Step of the call.
    pub step: Step,
    /// The event.
    pub event: CallEvent,
}

impl Derived {
    /// Encodes the event as it is stored and published.
    pub fn encode(&self) -> EncodedCall {
        let Self { cause, step, event, .. } = self;
        // Texts, numbers and times can't fail to serialize.
        let data = serde_json::to_vec(event).unwrap_or_default().into();
        EncodedCall { step: step.name().into(), key: event.call.to_string().into(), cause: *cause, data }
    }
}

/// The record that is being folded, and what it has caused so far.
#[derive(Debug)]
struct Fold {
    seq: Seq,
    at: Timestamp,
    /// The record shows what the PBX has just sent, and no gap precedes it.
    certain: bool,
    /// Calls that this record began.
    begun: u16,
    derived: Vec<Derived>,
}

impl Fold {
    fn new(seq: Seq, at: Timestamp, certain: bool) -> Self {
        Self { seq, at, certain, begun: 0, derived: Vec::new() }
    }

    fn emit(&mut self, call: &Call, step: Step, detail: Detail) {
        let event = call.event(step, self.at, detail);
        self.derived.push(Derived { at: self.at, cause: self.seq, step, event });
    }
}

impl Tracker {
    /// Restores the calls that [`Tracker::save`] saved; `None` if the text is damaged or of another version.
    pub fn restore(text: &[u8]) -> Option<Self> {
        let (version, rest) = text.split_first()?;
        let mut tracker: Self = serde_json::from_slice(rest).ok().filter(|_| *version == VERSION)?;
        for call in tracker.calls.values() {
            for leg in call.open_legs() {
                tracker.legs.entry(leg.extension.clone()).or_default().push((leg.channel.clone(), call.key));
            }
        }
        Some(tracker)
    }

    /// Saves the calls that are going on.
    pub fn save(&self) -> Vec<u8> {
        let mut text = vec![VERSION];
        // Maps, texts and numbers can't fail to serialize, nor a Vec to be written to.
        let _ = serde_json::to_writer(&mut text, self);
        text
    }

    /// Returns the number of calls going on.
    pub fn len(&self) -> usize {
        self.calls.len()
    }

    /// Returns true if no call is going on.
    pub fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    /// Estimates the memory use in bytes.
    pub fn size(&self) -> usize {
        self.calls.values().map(Call::size).sum()
    }

    /// Folds the next record of the source. Returns the events that follow from it, in order.
    pub fn fold(&mut self, record: &Record) -> Vec<Derived> {
        let certain = record.origin == Origin::Live && self.sight == Sight::Clear;
        let mut fold = Fold::new(record.seq, record.at, certain);
        if let Body::Notice(notice) = &record.body {
            self.lose_sight_with(&notice.name, &notice.data, record.at);
        }
        self.pass(&mut fold);
        match &record.body {
            Body::Event(frame) => match &*frame.name() {
                b"serverReloaded" => self.lose_sight(self.heard.unwrap_or(record.at), record.at),
                name => {
                    match name {
                        b"extenUpdate" => self.extension(&frame.args(), &mut fold),
                        b"queueUpdate" => self.queue(&frame.args(), &mut fold),
                        b"parkingUpdate" => self.parking(&frame.args(), &mut fold),
                        _ => return fold.derived,
                    }
                    self.heard = Some(record.at);
                }
            },
            Body::Notice(notice) => self.notice(&notice.name, &notice.data, &mut fold),
            Body::Call(_) => {}
        }
        self.bound(&mut fold);
        fold.derived
    }

    /// Ends calls whose time has come. Call it at least once a second while there are calls.
    pub fn tick(&mut self, at: Timestamp) -> Vec<Derived> {
        let mut fold = Fold::new(Seq(0), at, true);
        self.pass(&mut fold);
        fold.derived
    }

    /// Returns true if [`Tracker::tick`] has something to do at this time.
    pub fn is_due(&self, at: Timestamp) -> bool {
        let waits = if self.sight == Sight::Lost { self.patience } else { self.due };
        waits.is_some_and(|then| at >= then || self.last.is_some_and(|last| at < last))
    }

    /// Takes over a stored event that the restored calls do not give: a call that has ended is gone.
    pub fn adopt(&mut self, key: &str, step: &str) {
        if step == Step::Ended.name()
            && let Some(call) = key.parse().ok().and_then(|key| self.calls.remove(&key))
        {
            for leg in call.open_legs() {
                self.forget(&leg.extension, &leg.channel);
            }
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

    /// Settles what depends on the time.
    fn pass(&mut self, fold: &mut Fold) {
        let is_set_back = self.last.replace(fold.at).is_some_and(|last| fold.at < last);
        if is_set_back {
            self.patience = self.patience.map(|patience| patience.min(add(fold.at, PATIENCE)));
        }
        if self.sight == Sight::Lost && self.patience.is_some_and(|patience| fold.at >= patience) {
            (self.sight, self.due) = (Sight::Doubtful, Some(fold.at));
        }
        if self.sight == Sight::Lost || !is_set_back && self.due.is_none_or(|due| fold.at < due) {
            return;
        }
        let (mut ended, mut replaced, mut due) = (Vec::new(), Vec::new(), None::<Timestamp>);
        for call in self.calls.values_mut() {
            let left = call.left.front_mut().map(|left| &mut left.at);
            let empty = call.empty.as_mut().map(|(since, _)| since);
            for (since, settled) in [(left, &mut replaced), (empty, &mut ended)] {
                let Some(since) = since else { continue };
                // A clock that was set back restarts the time.
                *since = (*since).min(fold.at);
                if fold.at.duration_since(*since) >= GRACE {
                    settled.push(call.key);
                } else {
                    let then = add(*since, GRACE);
                    due = Some(due.map_or(then, |due| due.min(then)));
                }
            }
        }
        self.due = due;
        for key in replaced {
            self.settle_replacement(key, fold);
        }
        for key in ended {
            self.end(key, fold, None);
        }
    }

    /// Has a call looked at three seconds after this moment.
    fn wait(&mut self, since: Timestamp) {
        let then = add(since, GRACE);
        self.due = Some(self.due.map_or(then, |due| due.min(then)));
    }

    /// Decides on a party that has left three seconds ago.
    fn settle_replacement(&mut self, key: CallKey, fold: &mut Fold) {
        let Some(call) = self.calls.get_mut(&key) else { return };
        let Some(left) = call.left.pop_front() else { return };
        let next = call.left.front().map(|left| left.at);
        let moved = call.moved.take().filter(|(.., at)| at.duration_since(left.at).abs() < GRACE);
        if let Some((to, seq, _)) = moved
            && call.open_legs().any(Leg::is_connected)
        {
            let transfer = Transfer { from: left.by.clone(), by: left.by, to, kind: TransferKind::Unknown };
            call.replace(&transfer);
            let seq = std::mem::replace(&mut fold.seq, seq);
            let detail = Detail { transfer: Some(transfer), is_uncertain: true, ..Detail::default() };
            fold.emit(call, Step::Transferred, detail);
            fold.seq = seq;
        }
        if let Some(next) = next {
            self.wait(next);
        }
    }

    /// Ends a call. `into` is the call that it has joined.
    fn end(&mut self, key: CallKey, fold: &mut Fold, into: Option<CallKey>) {
        let Some(call) = self.calls.remove(&key) else { return };
        for leg in call.open_legs() {
            self.forget(&leg.extension, &leg.channel);
        }
        let outcome = if into.is_some() { Outcome::Merged } else { call.outcome() };
        // The record after which nothing was visible any more.
        let cause = call.empty.filter(|_| into.is_none()).map(|(_, seq)| seq);
        let seq = fold.seq;
        fold.seq = cause.unwrap_or(seq);
        let is_uncertain = call.empty.is_none() && into.is_none();
        let detail = Detail { outcome: Some(outcome), into, is_uncertain, ..Detail::default() };
        fold.emit(&call, Step::Ended, detail);
        fold.seq = seq;
    }

    /// Ends the oldest calls if there are too many.
    fn bound(&mut self, fold: &mut Fold) {
        while self.calls.len() > CALLS {
            let Some(oldest) = self.calls.keys().next().copied() else { return };
            self.end(oldest, fold, None);
        }
    }

    /// Begins a call, and announces it once `describe` has filled it in.
    fn begin(
        &mut self,
        started: Option<Timestamp>,
        fold: &mut Fold,
        describe: impl FnOnce(&mut Call),
    ) -> CallKey {
        let key = CallKey { seq: fold.seq, index: fold.begun };
        fold.begun += 1;
        // A clock of the PBX that is ahead, or a channel that is older than a day.
        let sane =
            |at: &Timestamp| *at <= fold.at && fold.at.duration_since(*at) < SignedDuration::from_hours(24);
        let mut call = Call::new(key, started.filter(sane).unwrap_or(fold.at), fold.certain);
        describe(&mut call);
        // It may have been answered, and passed on, before anybody could see it.
        let earliest = call.linked_ids.iter().filter_map(|id| seconds(id)).chain(started).min();
        if let (Some(earliest), Some((_, to))) = (earliest, self.gap) {
            call.certain &= earliest > to;
        }
        fold.emit(&call, Step::Started, Detail::default());
        self.calls.insert(key, call);
        key
    }

    /// Removes an ended leg from the index.
    fn forget(&mut self, extension: &str, channel: &str) {
        if let Some(legs) = self.legs.get_mut(extension) {
            legs.retain(|(known, _)| known != channel);
            if legs.is_empty() {
                self.legs.remove(extension);
            }
        }
    }

    /// Finds the call that a channel belongs to: as a leg, or as a waiting or parked caller.
    fn by_channel(&self, channel: &str) -> Option<CallKey> {
        if channel.is_empty() {
            return None;
        }
        let has = |call: &&Call| {
            let places = call.queue.iter().chain(&call.parking);
            call.leg(channel).is_some()
                || call.waited.as_deref() == Some(channel)
                || places.into_iter().any(|place| place.channel == channel)
        };
        self.calls.values().find(has).map(|call| call.key)
    }

    /// Finds the call that talks to a channel which belongs to no extension.
    fn by_partner(&self, channel: &str) -> Option<CallKey> {
        if channel.is_empty() {
            return None;
        }
        let talks = |call: &&Call| call.legs.iter().any(|leg| leg.partner == channel);
        self.calls.values().find(talks).map(|call| call.key)
    }

    fn by_linked_id(&self, id: &str) -> Option<CallKey> {
        if id.is_empty() {
            return None;
        }
        self.calls.values().find(|call| call.linked_ids.iter().any(|known| known == id)).map(|call| call.key)
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

/// Version of the saved form.
const VERSION: u8 = 1;
