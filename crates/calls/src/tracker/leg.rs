//! Legs that appear, change and end.

use super::{
    Fold, GRACE, Tracker,
    transfer::{announce_connection, follow_transfer, record_departure},
};
use crate::{
    call::{Detail, Leg},
    model::{CallKey, LegState, Step},
    observe::{Conversation, Extension},
};

impl Tracker {
    /// Updates a leg from its conversation, and announces what has changed.
    pub(super) fn update_leg(
        &mut self,
        key: CallKey,
        channel: &str,
        state: &Extension<'_>,
        conversation: &Conversation<'_>,
        fold: &mut Fold,
    ) {
        let Some(call) = self.calls.get_mut(&key) else { return };
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
        let was_connected = leg.was_connected;
        let was_held = leg.state == LegState::Hold;
        let has_connected = leg.connect_or_ring(conversation.is_connected, fold.at);
        if was_held && !leg.is_connected() {
            fold.emit(call, Step::Resumed, Detail { leg: Some(channel.to_owned()), ..Detail::default() });
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
            call.moved = Some((counterpart, fold.seq, fold.at));
        }
        if has_connected {
            announce_connection(call, &conversation.channel, fold);
        }
        self.reindex(key, fold);
    }

    /// Merges the calls that a conversation shows to be one. Returns the one that remains.
    fn merge_related(&mut self, key: CallKey, conversation: &Conversation<'_>, fold: &mut Fold) -> CallKey {
        let mut key = key;
        let linked = self.by_linked_id(&conversation.linked_id);
        // The PBX guesses the partner of a channel that rings.
        let partner = conversation.is_connected.then(|| self.by_channel(&conversation.partner)).flatten();
        let outside = || {
            let is_other = conversation.is_connected && conversation.through_trunk;
            is_other.then(|| self.by_partner(&conversation.partner)).flatten()
        };
        for other in [linked, partner, outside()].into_iter().flatten() {
            if other != key && self.calls.contains_key(&other) {
                key = self.merge(key, other, &conversation.linked_id, fold);
            }
        }
        if let Some(call) = self.calls.get_mut(&key) {
            call.add_linked_id(&conversation.linked_id);
        }
        self.reindex(key, fold);
        key
    }

    /// Resumes a leg that had disappeared from its call. Returns false if there is none.
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

    /// Adds a new leg to its call, or starts a call.
    pub(super) fn add_leg(
        &mut self,
        state: &Extension<'_>,
        conversation: &Conversation<'_>,
        fold: &mut Fold,
    ) {
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
            None => self.start_call(conversation.started, fold, |call| {
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
        // In an attended transfer to a party that rings, the transferring extension leaves with two legs, one of which has not talked.
        let has_talked = |leg: &Leg| {
            leg.was_connected
                && leg.extension == extension
                && (leg.channel == channel || fold.at.duration_since(leg.since) < GRACE)
        };
        if is_answered && call.parking.is_none() && call.legs.iter().any(has_talked) {
            record_departure(call, party, fold);
        }
        let waits = !call.departures.is_empty();
        self.start_end_timer(key, is_hidden, fold);
        if waits {
            self.set_timer(key, fold.at);
        }
        self.reindex(key, fold);
    }

    fn rename(&mut self, extension: &str, channel: &str, new: &str) {
        let legs = self.legs.get_mut(extension).into_iter().flatten();
        for (known, _) in legs.filter(|(known, _)| known == channel) {
            new.clone_into(known);
        }
    }
}
