//! `queueUpdate` and `parkingUpdate`: callers that wait. They have a channel, but no linked id.

use super::{Fold, Tracker, transfer::follow_transfer};
use crate::{
    call::{Call, Detail, Place},
    model::{CallKey, Direction, Party, Step},
    observe::{self, Waiting},
};

impl Tracker {
    pub(super) fn queue(&mut self, args: &[u8], fold: &mut Fold) {
        let Some((number, callers)) = observe::queue(args) else { return };
        let mut left = Vec::new();
        for key in self.index.candidates(&number).collect::<Vec<_>>() {
            let Some(call) = self.calls.get_mut(&key) else { continue };
            let Some(place) = call.queue.as_mut().filter(|place| place.number == number) else { continue };
            if callers.iter().any(|caller| caller.channel == place.channel) {
                place.is_unconfirmed = false;
            } else {
                left.push(call.key);
            }
        }
        for key in left {
            self.dequeue(key, fold);
        }
        for caller in &callers {
            self.enqueue(&number, caller, fold);
        }
    }

    fn enqueue(&mut self, number: &str, caller: &Waiting<'_>, fold: &mut Fold) {
        let key = match self.caller(caller) {
            Some(key) => key,
            None => self.start_call(caller.started, fold, |call| describe(call, caller, number)),
        };
        let place = self.calls.get(&key).and_then(|call| call.queue.as_ref());
        if place.is_some_and(|place| place.number == number) {
            return;
        }
        if place.is_some() {
            self.dequeue(key, fold);
        }
        let Some(call) = self.calls.get_mut(&key) else { return };
        follow_transfer(call, Party { number: Some(number.to_owned()), ..Party::default() }, fold);
        call.queue = Some(place_of(number, caller));
        call.waiting_channel = Some(caller.channel.to_string());
        call.last_queue = Some(number.to_owned());
        call.mark_visible();
        call.certain &= fold.certain;
        fold.emit(call, Step::Queued, Detail::default());
        self.reindex(key, fold);
    }

    pub(super) fn dequeue(&mut self, key: CallKey, fold: &mut Fold) {
        let Some(call) = self.calls.get_mut(&key) else { return };
        let Some(place) = call.queue.take() else { return };
        fold.emit(call, Step::Dequeued, Detail::default());
        self.start_end_timer(key, place.is_unconfirmed, fold);
        self.reindex(key, fold);
    }

    pub(super) fn parking(&mut self, args: &[u8], fold: &mut Fold) {
        let Some((slot, caller)) = observe::parking(args) else { return };
        let is_here = |call: &Call| call.parking.as_ref().is_some_and(|place| place.number == slot);
        if let Some(key) = self.find(&slot, is_here)
            && let Some(call) = self.calls.get_mut(&key)
        {
            let place = call.parking.as_mut();
            if let (Some(place), Some(caller)) = (place, &caller)
                && place.channel == caller.channel
            {
                place.is_unconfirmed = false;
                return;
            }
            self.unpark(key, fold);
        }
        if let Some(caller) = caller {
            self.park(&slot, &caller, fold);
        }
    }

    fn park(&mut self, slot: &str, caller: &Waiting<'_>, fold: &mut Fold) {
        let key = match self.caller(caller) {
            Some(key) => key,
            // It was answered, unseen, before it was parked.
            None => self.start_call(None, fold, |call| {
                describe(call, caller, "");
                call.certain = false;
            }),
        };
        let Some(call) = self.calls.get_mut(&key) else { return };
        call.parking = Some(place_of(slot, caller));
        call.waiting_channel = Some(caller.channel.to_string());
        call.departures.clear();
        call.mark_visible();
        call.certain &= fold.certain;
        fold.emit(call, Step::Parked, Detail::default());
        self.reindex(key, fold);
    }

    pub(super) fn unpark(&mut self, key: CallKey, fold: &mut Fold) {
        let Some(call) = self.calls.get_mut(&key) else { return };
        let Some(place) = call.parking.take() else { return };
        fold.emit(call, Step::Unparked, Detail::default());
        self.start_end_timer(key, place.is_unconfirmed, fold);
        self.reindex(key, fold);
    }

    /// Finds the call of a waiting or parked caller.
    fn caller(&self, caller: &Waiting<'_>) -> Option<CallKey> {
        self.by_channel(&caller.channel).or_else(|| self.by_partner(&caller.channel))
    }
}

fn place_of(number: &str, caller: &Waiting<'_>) -> Place {
    Place { number: number.to_owned(), channel: caller.channel.to_string(), is_unconfirmed: false }
}

/// Describes a call that is known by its waiting caller only.
fn describe(call: &mut Call, caller: &Waiting<'_>, queue: &str) {
    let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    call.from = Party { number: text(&caller.number), name: text(&caller.name), ..Party::default() };
    call.original_from = call.from.clone();
    call.to = Party { number: text(queue), ..Party::default() };
    // The channel of an extension, or of one of its devices, is named after its number. The caller's number can't tell: it may be
    // masked. A trunk with such a name, and a Local channel, are known once a leg shows them.
    let peer =
        caller.channel.split_once('/').and_then(|(_, name)| name.rsplit_once('-')).map(|(peer, _)| peer);
    if peer.is_some_and(|peer| !peer.contains('@') && peer.bytes().any(|byte| !byte.is_ascii_digit())) {
        (call.direction, call.through_trunk) = (Direction::Inbound, true);
    }
}
