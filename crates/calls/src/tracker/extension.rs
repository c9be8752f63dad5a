//! `extenUpdate`: the conversations of an extension.

use super::{Fold, GRACE, Tracker};
use crate::{
    call::{Call, Departure, Detail, Leg},
    model::{CallKey, LegState, Party, Step, Transfer, TransferKind},
    observe::{self, Conversation, Extension},
};

impl Tracker {
    pub(super) fn extension(&mut self, args: &[u8], fold: &mut Fold) {
        let Some(number) = observe::number(args) else { return };
        if self.repeats.contains(&number, args) {
            return;
        }
        let Some(mut state) = observe::extension(args) else { return };
        let mut gone = self.legs.get(&*state.number).cloned().unwrap_or_default();
        // The order in memory depends on the past; a restored tracker must do the same.
        gone.sort_unstable();
        self.correct_channels(&gone, &mut state);
        for conversation in &state.conversations {
            match take(&mut gone, |(channel, _)| *channel == *conversation.channel)
                .or_else(|| self.take_by_unique_id(&mut gone, &state, conversation))
            {
                Some((channel, key)) => self.update_leg(key, &channel, &state, conversation, fold),
                None => self.add_leg(&state, conversation, fold),
            }
        }
        for (channel, _) in gone {
            self.end_leg(&state.number, &channel, fold);
        }
        self.hold(&state, fold);
        if fold.has_changed {
            self.repeats.forget(&number);
        } else if !state.conversations.is_empty() {
            self.repeats.remember(&number, args);
        }
    }

    /// Tells the extension's own channel from its partner where that is the extension's as well, as in a conference.
    fn correct_channels(&self, known: &[(String, CallKey)], state: &mut Extension<'_>) {
        let number = &state.number;
        for conversation in &mut state.conversations {
            if !observe::is_of(&conversation.partner, number) {
                continue;
            }
            let is_it = |(channel, key): &&(String, CallKey)| {
                let leg = self.calls.get(key).and_then(|call| call.leg(channel));
                leg.is_some_and(|leg| leg.unique_id == conversation.unique_id)
            };
            if known.iter().find(is_it).is_some_and(|(channel, _)| **channel == *conversation.partner) {
                std::mem::swap(&mut conversation.channel, &mut conversation.partner);
            }
        }
    }

    /// Finds the leg of a conversation whose channel was named differently before.
    fn take_by_unique_id(
        &self,
        gone: &mut Vec<(String, CallKey)>,
        state: &Extension<'_>,
        conversation: &Conversation<'_>,
    ) -> Option<(String, CallKey)> {
        if conversation.unique_id.is_empty() {
            return None;
        }
        let is_same = |(channel, key): &(String, CallKey)| {
            let leg = self.calls.get(key).and_then(|call| call.leg(channel));
            let is_listed = state.conversations.iter().any(|other| *other.channel == **channel);
            !is_listed && leg.is_some_and(|leg| leg.unique_id == conversation.unique_id)
        };
        take(gone, is_same)
    }

    /// Compares a leg with its conversation.
    fn update_leg(
        &mut self,
        key: CallKey,
        channel: &str,
        state: &Extension<'_>,
        conversation: &Conversation<'_>,
        fold: &mut Fold,
    ) {
        let Some(call) = self.calls.get_mut(&key) else { return };
        let at = fold.at;
        let Some(leg) = call.leg_mut(channel) else { return };
        let is_alone = state.conversations.len() == 1;
        let is_repeated = leg.is_unchanged_by(conversation);
        fold.has_changed |=
            !is_repeated || leg.is_unconfirmed || (leg.was_alone, leg.is_alone) != (is_alone, is_alone);
        (leg.was_alone, leg.is_alone) = (leg.is_alone, is_alone);
        if is_repeated {
            leg.is_unconfirmed = false;
            return;
        }
        let (old_partner, old_number) = (leg.partner.clone(), leg.counterpart.number.clone());
        let has_new_id = leg.linked_id != conversation.linked_id;
        leg.update(conversation);
        let is_renamed = leg.channel != conversation.channel;
        if is_renamed {
            leg.channel = conversation.channel.to_string();
        }
        let has_connected = conversation.is_connected && !leg.is_connected();
        let was_connected = leg.was_connected;
        if has_connected {
            leg.set_state(LegState::Connected, at);
        } else if !conversation.is_connected && leg.is_connected() {
            // The other party has been replaced by one that rings.
            let was_held = leg.state == LegState::Hold;
            leg.set_state(if leg.is_outgoing { LegState::Initiated } else { LegState::Alerting }, at);
            if was_held {
                let detail = Detail { leg: Some(channel.to_owned()), ..Detail::default() };
                fold.emit(call, Step::Resumed, detail);
            }
        }
        let Some(leg) = call.leg_mut(&conversation.channel) else { return };
        let (partner, counterpart) = (leg.partner.clone(), leg.counterpart.clone());
        let has_moved = was_connected && partner != old_partner && counterpart.number != old_number;
        if is_renamed {
            if call.originator.as_deref() == Some(channel) {
                call.originator = Some(conversation.channel.to_string());
            }
            self.rename(&state.number, channel, &conversation.channel);
        }
        self.reindex(key, fold);
        let is_related = !has_connected && !has_new_id && partner == old_partner;
        let key = if is_related { key } else { self.merge_related(key, conversation, fold) };
        let Some(call) = self.calls.get_mut(&key) else { return };
        call.update_direction(&conversation.channel);
        if has_moved && call.leg(&partner).is_none() {
            call.moved = Some((counterpart, fold.seq, at));
        }
        if has_connected {
            announce_connection(call, &conversation.channel, fold);
        }
        self.reindex(key, fold);
    }

    /// Joins the calls that a conversation shows to be one. Returns the one that remains.
    fn merge_related(&mut self, key: CallKey, conversation: &Conversation<'_>, fold: &mut Fold) -> CallKey {
        let mut key = key;
        let linked = self.by_linked_id(&conversation.linked_id);
        // The partner of a channel that rings is a guess of the PBX.
        let partner = conversation.is_connected.then(|| self.by_channel(&conversation.partner)).flatten();
        let outside = || {
            let is_other = conversation.is_connected && conversation.through_trunk;
            is_other.then(|| self.by_partner(&conversation.partner)).flatten()
        };
        for other in [linked, partner, outside()].into_iter().flatten() {
            if other != key && self.calls.contains_key(&other) {
                key = self.merge(key, other, fold);
            }
        }
        if let Some(call) = self.calls.get_mut(&key) {
            call.add_linked_id(&conversation.linked_id);
        }
        self.reindex(key, fold);
        key
    }

    /// Continues a leg that had disappeared from its call; false if there is none.
    fn resume_leg(
        &mut self,
        state: &Extension<'_>,
        conversation: &Conversation<'_>,
        fold: &mut Fold,
    ) -> bool {
        let is_it = |leg: &Leg| leg.channel == conversation.channel && leg.extension == state.number;
        let found = self.find(&conversation.channel, |call| call.legs.iter().any(is_it));
        let Some(call) = found.and_then(|key| self.calls.get_mut(&key)) else { return false };
        let Some(leg) = call.legs.iter_mut().find(|leg| is_it(leg)) else { return false };
        let state_before = match (leg.ended_on_hold, leg.is_outgoing) {
            (true, _) => LegState::Hold,
            (false, true) => LegState::Initiated,
            (false, false) => LegState::Alerting,
        };
        leg.set_state(state_before, fold.at);
        let key = call.key;
        call.departures.retain(|left| left.by.extension.as_deref() != Some(&*state.number));
        call.mark_visible();
        self.reindex(key, fold);
        self.legs.entry(state.number.to_string()).or_default().push((conversation.channel.to_string(), key));
        self.update_leg(key, &conversation.channel, state, conversation, fold);
        true
    }

    /// Adds a new leg to its call, or begins one.
    fn add_leg(&mut self, state: &Extension<'_>, conversation: &Conversation<'_>, fold: &mut Fold) {
        fold.has_changed = true;
        if self.resume_leg(state, conversation, fold) {
            return;
        }
        let leg = Leg::new(state, conversation, fold.at);
        let channel = leg.channel.clone();
        let found = [
            self.by_linked_id(&conversation.linked_id),
            // The extension itself waits in a queue, or was parked.
            self.by_channel(&channel),
            self.by_channel(&conversation.partner),
            if conversation.through_trunk { self.by_partner(&conversation.partner) } else { None },
        ];
        let key = match found.into_iter().flatten().min() {
            Some(key) => {
                let Some(call) = self.calls.get_mut(&key) else { return };
                call.add(leg);
                call.mark_visible();
                call.certain &= fold.certain;
                call.fill_parties(&channel);
                self.reindex(key, fold);
                key
            }
            None => self.begin(conversation.started, fold, |call| {
                call.add(leg);
                call.fill_parties(&channel);
            }),
        };
        self.legs.entry(state.number.to_string()).or_default().push((channel.clone(), key));
        let key = self.merge_related(key, conversation, fold);
        let Some(call) = self.calls.get_mut(&key) else { return };
        if !conversation.is_outgoing
            && let Some(to) = call.leg(&channel).map(Leg::party)
        {
            follow_transfer(call, to, fold);
        }
        if conversation.is_connected {
            if let Some(leg) = call.leg_mut(&channel) {
                leg.set_state(LegState::Connected, fold.at);
            }
            announce_connection(call, &channel, fold);
        } else if !conversation.is_outgoing {
            fold.emit(call, Step::Ringing, Detail { leg: Some(channel), ..Detail::default() });
        }
        self.reindex(key, fold);
    }

    /// Follows the extension's hold. With several conversations it is not visible which one is held, nor, with some telephones,
    /// whether one is. A change that shows once they have become one again may have happened before.
    fn hold(&mut self, state: &Extension<'_>, fold: &mut Fold) {
        let legs = self.legs.get(&*state.number).map(Vec::as_slice).unwrap_or_default();
        let has_held = || {
            let leg = |(channel, key): &(String, CallKey)| self.calls.get(key)?.leg(channel);
            legs.iter().filter_map(leg).any(|leg| leg.state == LegState::Hold)
        };
        if !state.is_on_hold && !has_held() {
            return;
        }
        let talking: Vec<_> = legs
            .iter()
            .filter_map(|(channel, key)| {
                let leg = self.calls.get(key)?.leg(channel).filter(|leg| leg.is_connected())?;
                Some((leg, channel, *key))
            })
            .collect();
        let is_held = |leg: &Leg| leg.state == LegState::Hold;
        let chosen = match (&*talking, state.is_on_hold) {
            ([(leg, channel, key)], true) if !is_held(leg) => Some((*channel, *key, !leg.was_alone)),
            ([(leg, channel, key)], false) if is_held(leg) && leg.is_alone => {
                Some((*channel, *key, !leg.was_alone))
            }
            ([_, _, ..], true) if !talking.iter().any(|(leg, ..)| is_held(leg)) => {
                let oldest = talking.iter().min_by_key(|(leg, channel, key)| (leg.since, *key, *channel));
                oldest.map(|(_, channel, key)| (*channel, *key, true))
            }
            _ => None,
        };
        let chosen = chosen.map(|(channel, key, is_uncertain)| (channel.clone(), key, is_uncertain));
        let Some((channel, key, is_uncertain)) = chosen else { return };
        let Some(call) = self.calls.get_mut(&key) else { return };
        let Some(leg) = call.leg_mut(&channel) else { return };
        let (new, step) = if state.is_on_hold {
            (LegState::Hold, Step::Held)
        } else {
            (LegState::Connected, Step::Resumed)
        };
        leg.set_state(new, fold.at);
        fold.has_changed = true;
        fold.emit(call, step, Detail { leg: Some(channel), is_uncertain, ..Detail::default() });
    }

    /// Ends a leg that is no longer there.
    pub(super) fn end_leg(&mut self, extension: &str, channel: &str, fold: &mut Fold) {
        fold.has_changed = true;
        let legs = self.legs.get(extension);
        let key = legs.and_then(|legs| legs.iter().find(|(known, _)| known == channel)).map(|(_, key)| *key);
        self.forget(extension, channel);
        let Some(key) = key else { return };
        let Some(call) = self.calls.get_mut(&key) else { return };
        let is_answered = call.answered.is_some();
        let Some(leg) = call.leg_mut(channel) else { return };
        leg.ended_on_hold = leg.state == LegState::Hold;
        leg.set_state(LegState::Null, fold.at);
        let (party, is_hidden) = (leg.party(), leg.is_unconfirmed);
        // Whoever hands a call over while the new party rings leaves with two legs, one of which has not talked.
        let has_talked = |leg: &Leg| {
            leg.was_connected
                && leg.extension == extension
                && (leg.channel == channel || fold.at.duration_since(leg.since) < GRACE)
        };
        if is_answered && call.parking.is_none() && call.legs.iter().any(has_talked) {
            record_departure(call, party, fold);
        }
        let waits = !call.departures.is_empty();
        self.settle_visibility(key, is_hidden, fold);
        if waits {
            self.set_timer(key, fold.at);
        }
        self.reindex(key, fold);
    }

    /// Starts the time after which a call that is not visible has ended.
    pub(super) fn settle_visibility(&mut self, key: CallKey, is_hidden: bool, fold: &Fold) {
        let gap = self.gap;
        let Some(call) = self.calls.get_mut(&key) else { return };
        if call.is_visible() || call.invisible_since.is_some() {
            return;
        }
        call.invisible_since = Some((fold.at, fold.seq));
        if is_hidden {
            call.hidden_in = gap;
        }
        self.set_timer(key, fold.at);
    }

    fn rename(&mut self, extension: &str, channel: &str, new: &str) {
        let legs = self.legs.get_mut(extension).into_iter().flatten();
        for (known, _) in legs.filter(|(known, _)| known == channel) {
            new.clone_into(known);
        }
    }
}

/// Removes and returns the first element that matches.
fn take<T>(list: &mut Vec<T>, matches: impl FnMut(&T) -> bool) -> Option<T> {
    let index = list.iter().position(matches)?;
    Some(list.remove(index))
}

/// A leg has connected for the first time.
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
        // The called leg of an answer that the originator has shown just before. Whoever dialled was not called.
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

/// A called party, or a queue, appears in a call that was answered: the party that has just left has transferred it.
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

/// A connected leg has ended: a party may have been replaced.
fn record_departure(call: &mut Call, by: Party, fold: &mut Fold) {
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
pub(super) fn transfer(call: &mut Call, by: Party, to: Party, fold: &mut Fold) {
    // A snapshot shows who talks now, not how it came to that.
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
