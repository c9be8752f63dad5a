//! Answers and transfers.

use super::{Fold, GRACE};
use crate::{
    call::{Call, Departure, Detail},
    model::{Party, Step, Transfer, TransferKind},
};

/// Announces the first connection of a leg as `answered` or `joined`.
pub(super) fn announce_connection(call: &mut Call, channel: &str, fold: &mut Fold) {
    let Some(leg) = call.leg_mut(channel).filter(|leg| !leg.is_announced) else { return };
    leg.is_announced = true;
    let (party, at) = (leg.party(), fold.at);
    let Some(leg) = call.leg(channel) else { return };
    let detail = || Detail { leg: Some(channel.to_owned()), ..Detail::default() };
    match (call.answered, call.is_originator(leg)) {
        (None, true) => {
            let is_queued = leg.through_queue || call.queue.is_some() || call.last_queue.is_some();
            let has_called = call.legs.iter().any(|leg| leg.channel != channel);
            if !is_queued && !has_called {
                (call.answered, call.is_answer_inferred) = (Some(at), true);
                fold.emit(call, Step::Answered, detail());
            }
        }
        (None, false) => {
            (call.answered, call.to) = (Some(at), party);
            fold.emit(call, Step::Answered, detail());
        }
        (Some(_), true) => {}
        // The called leg of an answer that the originator has shown just before. An outgoing leg was not called.
        (Some(since), false)
            if call.is_answer_inferred && !leg.is_outgoing && at.duration_since(since) < GRACE =>
        {
            (call.is_answer_inferred, call.to) = (false, party);
        }
        (Some(_), false) => fold.emit(call, Step::Joined, detail()),
    }
    if let Some(leg) = call.leg(channel).cloned() {
        call.update_direction(&leg.channel);
    }
}

/// Announces a transfer if a called party, or a queue, appears just after a party has left an answered call.
pub(super) fn follow_transfer(call: &mut Call, to: Party, fold: &mut Fold) {
    if call.answered.is_none() {
        return;
    }
    match call.departures.pop_back() {
        Some(left) if fold.at.duration_since(left.at) < GRACE && left.by.extension != to.extension => {
            transfer(call, left.by, to, fold);
        }
        _ => call.invited = Some((to, fold.at)),
    }
}

/// Announces a transfer if the party that leaves has been replaced; else waits for a replacement.
pub(super) fn record_departure(call: &mut Call, by: Party, fold: &mut Fold) {
    // An extension can have two channels in one conference.
    if call.open_legs().any(|leg| Some(&leg.extension) == by.extension.as_ref()) {
        return;
    }
    let is_near = |at| fold.at.duration_since(at) < GRACE;
    if let Some((between, to, at)) = call.transferor.take() {
        if by.extension.as_deref() == Some(&*between) && is_near(at) {
            return attended(call, by, to, fold);
        }
        call.transferor = Some((between, to, at));
    }
    if let Some((to, at)) = call.invited.take()
        && is_near(at)
        && (to.extension.is_none()
            || call.open_legs().any(|leg| Some(&leg.extension) == to.extension.as_ref()))
    {
        return transfer(call, by, to, fold);
    }
    call.departures.push_back(Departure { by, at: fold.at });
}

/// Announces a blind transfer.
fn transfer(call: &mut Call, by: Party, to: Party, fold: &mut Fold) {
    // A snapshot shows the parties, not the steps before it.
    let kind = if fold.certain { TransferKind::Blind } else { TransferKind::Unknown };
    emit_transfer(call, Transfer { from: by.clone(), by, to, kind }, fold);
}

/// Announces an attended transfer.
pub(super) fn attended(call: &mut Call, by: Party, to: Party, fold: &mut Fold) {
    emit_transfer(call, Transfer { from: by.clone(), by, to, kind: TransferKind::Attended }, fold);
}

fn emit_transfer(call: &mut Call, transfer: Transfer, fold: &mut Fold) {
    call.replace(&transfer);
    fold.emit(call, Step::Transferred, Detail { transfer: Some(transfer), ..Detail::default() });
}
