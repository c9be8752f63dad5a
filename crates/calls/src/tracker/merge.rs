//! Calls that turn out to be one.

use super::{
    Fold, GRACE, Tracker,
    transfer::{announce_connection, attended},
};
use crate::{
    call::{Call, Detail, Leg},
    model::{CallKey, Party, Step},
};

impl Tracker {
    /// Merges two calls into the older one. `linked_id` is that of the conversation that shows it. Returns its key.
    pub(super) fn merge(
        &mut self,
        one: CallKey,
        other: CallKey,
        linked_id: &str,
        fold: &mut Fold,
    ) -> CallKey {
        let (older, younger) = (one.min(other), one.max(other));
        let Some(absorbed) = self.calls.get(&younger).cloned() else { return older };
        // Ends the younger call in the index as well; its legs are added again below.
        let mut events = Fold::new(fold.seq, fold.at, fold.certain);
        self.end(younger, &mut events, Some(older));
        let Some(call) = self.calls.get_mut(&older) else { return older };
        let transferor = find_transferor(call, &absorbed, fold);
        let had_linked_id = call.has_linked_id(linked_id);
        let was_answered = call.answered.is_some();
        absorb(call, &absorbed);
        // The linked id of the first channel remains. If a snapshot showed the other call first, its originator has been called.
        if absorbed.has_linked_id(linked_id) && !had_linked_id {
            call.originator.clone_from(&absorbed.originator);
            (call.from, call.direction) = (absorbed.from.clone(), absorbed.direction);
        }
        fold.has_changed = true;
        fold.emit(call, Step::Merged, Detail { absorbed: Some(younger), ..Detail::default() });
        fold.derived.append(&mut events.derived);
        if let Some((by, to)) = transferor {
            let has_left = !call.open_legs().any(|leg| Some(&leg.extension) == by.extension.as_ref());
            if has_left {
                attended(call, by, to, fold);
            } else if let Some(extension) = by.extension {
                call.transferor = Some((extension, to, fold.at));
            }
        }
        if !was_answered {
            let talking = call.open_legs().find(|leg| leg.is_connected() && !call.is_originator(leg));
            if let Some(channel) = talking.map(|leg| leg.channel.clone()) {
                announce_connection(call, &channel, fold);
            }
        }
        for leg in absorbed.open_legs() {
            self.legs.entry(leg.extension.clone()).or_default().push((leg.channel.clone(), older));
        }
        self.reindex(older, fold);
        older
    }
}

/// Moves everything of a call into an older one.
fn absorb(call: &mut Call, absorbed: &Call) {
    for leg in &absorbed.legs {
        call.add(leg.clone());
    }
    for id in &absorbed.linked_ids {
        call.add_linked_id(id);
    }
    if call.queue.is_none() {
        call.queue.clone_from(&absorbed.queue);
    }
    if call.last_queue.is_none() {
        call.last_queue.clone_from(&absorbed.last_queue);
    }
    if call.waiting_channel.is_none() {
        call.waiting_channel.clone_from(&absorbed.waiting_channel);
    }
    if call.parking.is_none() {
        call.parking.clone_from(&absorbed.parking);
    }
    call.answered = call.answered.or(absorbed.answered.map(|answered| answered.max(call.started)));
    call.certain &= absorbed.certain;
    call.through_trunk |= absorbed.through_trunk;
    if call.is_visible() {
        call.mark_visible();
    }
}

/// Finds the extension that has just talked in both calls, and the party that it leaves behind in the younger one.
fn find_transferor(call: &Call, absorbed: &Call, fold: &Fold) -> Option<(Party, Party)> {
    let has_talked =
        |leg: &&Leg| leg.was_connected && (leg.is_open() || fold.at.duration_since(leg.since) < GRACE);
    // The call may be handed over while the new party still rings.
    let has_called = |leg: &&Leg| leg.is_outgoing || has_talked(leg);
    let between =
        call.legs.iter().filter(has_talked).find(|leg| {
            absorbed.legs.iter().filter(has_called).any(|other| other.extension == leg.extension)
        })?;
    let stays = |leg: &&Leg| leg.is_open() && leg.extension != between.extension;
    let to = absorbed.legs.iter().find(stays).map_or_else(|| absorbed.to.clone(), Leg::party);
    Some((between.party(), to))
}
