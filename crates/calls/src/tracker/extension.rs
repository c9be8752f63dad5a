//! `extenUpdate`: the conversations of an extension.

use super::{Fold, Tracker};
use crate::{
    call::{Detail, Leg},
    model::{CallKey, LegState, Step},
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
        // The order in memory depends on the past, and a restored tracker has to derive the same.
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
        self.update_hold(&state, fold);
        if fold.has_changed {
            self.repeats.forget(&number);
        } else if !state.conversations.is_empty() {
            self.repeats.remember(&number, args);
        }
    }

    /// Swaps the channels of a conversation whose partner is the extension's own channel, as in a conference.
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

    /// Holds or resumes a leg as the extension's status says. With several conversations the status does not show which one is held, nor,
    /// with some telephones, whether one is. A change that shows when one is left may have happened earlier.
    fn update_hold(&mut self, state: &Extension<'_>, fold: &mut Fold) {
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
}

/// Removes and returns the first element that matches.
fn take<T>(list: &mut Vec<T>, matches: impl FnMut(&T) -> bool) -> Option<T> {
    let index = list.iter().position(matches)?;
    Some(list.remove(index))
}
