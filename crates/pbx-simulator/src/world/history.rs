//! What really happened: the calls as Asterisk knows them, and which steps the CTI server has shown to an account without
//! extensions. It is kept for rehearsals only, as it grows.

use std::collections::{BTreeMap, BTreeSet};

use super::channel::{Channel, Identity};
use crate::rehearsal::{PastCall, PastDirection, PastStep};

pub(super) use crate::rehearsal::PastKind as Kind;

/// The time after which a step no longer counts as shown, in milliseconds: a later state shows that it has happened, not when.
const PROMPT: i64 = 1_000;

/// The past. It records nothing unless it is kept.
#[derive(Debug, Clone, Default)]
pub(crate) struct History {
    pub(crate) is_kept: bool,
    /// The bridge has no session.
    pub(crate) is_in_gap: bool,
    /// There is no bridge.
    pub(crate) is_deaf: bool,
    pub(crate) calls: Vec<PastCall>,
    pub(crate) steps: Vec<PastStep>,
    /// By channel: its call.
    pub(crate) of: BTreeMap<u32, usize>,
    /// Channels whose answer is a step already.
    connected: BTreeSet<u32>,
    /// By number of an extension, queue or slot: the channels in its newest state that was heard, and its time.
    shown: BTreeMap<String, (i64, Vec<u32>)>,
    /// By channel: the extension that was heard to talk on it.
    heard: BTreeMap<u32, String>,
    /// Steps that may still be shown.
    fresh: Vec<usize>,
}

/// A step of a channel.
#[derive(Debug)]
pub(super) struct Fact {
    /// Unix milliseconds.
    pub(super) at: i64,
    pub(super) kind: Kind,
    pub(super) channel: u32,
    /// Number of the queue or slot that the step is about.
    pub(super) place: Option<&'static str>,
}

/// A channel in a state that is being sent.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shown {
    pub(super) channel: u32,
    pub(super) is_connected: bool,
    pub(super) is_holding: bool,
}

impl History {
    /// A caller begins a call.
    pub(super) fn begin(&mut self, now: i64, channel: &Channel, from: Identity) {
        if !self.is_kept {
            return;
        }
        let direction = match channel.owner.extension() {
            Some(_) => PastDirection::Internal,
            None => PastDirection::Inbound,
        };
        let number = channel.id.number;
        self.of.insert(number, self.calls.len());
        self.calls.push(PastCall {
            originator: number,
            from: from.number,
            direction,
            created: now,
            answered: None,
            was_queued: false,
            has_started: false,
            into: None,
            gone: None,
        });
        if channel.owner.extension().is_some() {
            self.settle(now, number, &[number]);
        }
    }

    /// A channel belongs to the call of its caller.
    pub(super) fn add(&mut self, channel: u32, caller: u32, is_outside: bool) {
        let Some(call) = self.call_of(caller) else { return };
        self.of.insert(channel, call);
        let call = &mut self.calls[call];
        if is_outside && call.direction == PastDirection::Internal && call.answered.is_none() {
            call.direction = PastDirection::Outbound;
        }
    }

    /// Returns the call that a channel's call is part of now.
    fn call_of(&self, channel: u32) -> Option<usize> {
        let mut call = *self.of.get(&channel)?;
        while let Some(into) = self.calls[call].into {
            call = into;
        }
        Some(call)
    }

    pub(super) fn note(&mut self, fact: Fact) {
        let Some(call) = self.call_of(fact.channel) else { return };
        self.calls[call].was_queued |= fact.kind == Kind::Queued;
        self.fresh.push(self.steps.len());
        self.steps.push(PastStep {
            at: fact.at,
            call,
            kind: fact.kind,
            channel: fact.channel,
            place: fact.place,
            seen: None,
        });
    }

    /// An extension's channel has connected.
    pub(super) fn connected(&mut self, now: i64, channel: &Channel) {
        let number = channel.id.number;
        let Some(call) = self.call_of(number) else { return };
        if !self.connected.insert(number) || self.calls[call].originator == number {
            return;
        }
        let kind = if self.calls[call].answered.is_some() { Kind::Joined } else { Kind::Answered };
        self.calls[call].answered.get_or_insert(now);
        self.note(Fact { at: now, kind, channel: number, place: None });
    }

    /// A channel of a party outside has connected. Only the extension that called it shows that.
    pub(super) fn outside_connected(&mut self, now: i64, channel: u32) {
        let Some(call) = self.call_of(channel) else { return };
        let originator = self.calls[call].originator;
        if originator != channel && self.calls[call].answered.is_none() {
            self.answered_alone(now, originator);
        }
    }

    /// A caller is connected, and no called extension is visible.
    pub(super) fn answered_alone(&mut self, now: i64, channel: u32) {
        let Some(call) = self.call_of(channel) else { return };
        if self.calls[call].answered.is_none() {
            self.calls[call].answered = Some(now);
            self.note(Fact { at: now, kind: Kind::Answered, channel, place: None });
        }
    }

    /// Two channels have met: their calls are one.
    pub(super) fn join(&mut self, now: i64, one: u32, other: u32) {
        let (Some(one), Some(other)) = (self.call_of(one), self.call_of(other)) else { return };
        if one == other {
            return;
        }
        let (older, younger) = (one.min(other), one.max(other));
        self.calls[younger].into = Some(older);
        self.calls[younger].gone = Some(now);
        let was_queued = self.calls[younger].was_queued;
        self.calls[older].was_queued |= was_queued;
        let channel = self.calls[older].originator;
        self.note(Fact { at: now, kind: Kind::Merged { absorbed: younger }, channel, place: None });
        // The answer of the younger call is the answer of this one.
        if self.calls[older].answered.is_none() && self.calls[younger].answered.is_some() {
            self.calls[older].answered = Some(now);
        }
    }

    /// Notes whether the call of a channel is visible: an extension takes part, or a caller waits.
    pub(super) fn settle(&mut self, now: i64, channel: u32, visible: &[u32]) {
        let Some(call) = self.call_of(channel) else { return };
        let is_visible = visible.iter().any(|other| self.call_of(*other) == Some(call));
        let past = &mut self.calls[call];
        if !is_visible {
            past.gone.get_or_insert(now);
            return;
        }
        past.gone = None;
        if !std::mem::replace(&mut past.has_started, true) {
            self.note(Fact { at: now, kind: Kind::Started, channel, place: None });
        }
    }

    /// The CTI server sends an extension's state.
    pub(super) fn saw_extension(&mut self, now: i64, number: &str, shown: &[Shown], is_on_hold: bool) {
        let is_single = shown.iter().filter(|it| it.is_connected).count() == 1;
        let calls: Vec<_> = shown.iter().map(|it| self.call_of(it.channel)).collect();
        let channels = shown.iter().map(|it| it.channel).collect();
        if self.is_heard() {
            let talking = shown.iter().filter(|it| it.is_connected);
            self.heard.extend(talking.map(|it| (it.channel, number.to_owned())));
        }
        self.look(now, number, channels, |history, step| {
            let channel = shown.iter().find(|it| it.channel == step.channel);
            match &step.kind {
                Kind::Started => calls.contains(&Some(step.call)) && history.calls[step.call].into.is_none(),
                Kind::Merged { absorbed } => {
                    shown.iter().any(|it| history.of.get(&it.channel) == Some(absorbed))
                }
                Kind::Ringing => channel.is_some_and(|it| !it.is_connected),
                Kind::Answered | Kind::Joined => channel.is_some_and(|it| it.is_connected),
                Kind::Held => channel.is_some_and(|it| it.is_holding && is_on_hold && is_single),
                Kind::Resumed => channel.is_some_and(|it| !it.is_holding && !is_on_hold && shown.len() == 1),
                Kind::Transferred { by, to, .. } => history.shows_transfer(step, by, to),
                Kind::Queued | Kind::Dequeued | Kind::Parked | Kind::Unparked => false,
            }
        });
    }

    /// The CTI server sends the callers in a queue, or in a parking slot.
    pub(super) fn saw_place(&mut self, now: i64, number: &str, waiting: &[u32]) {
        self.look(now, number, waiting.to_vec(), |history, step| {
            let is_there = waiting.contains(&step.channel);
            match &step.kind {
                Kind::Started => is_there,
                Kind::Queued | Kind::Parked => step.place == Some(number) && is_there,
                Kind::Dequeued | Kind::Unparked => step.place == Some(number) && !is_there,
                Kind::Transferred { by, to, .. } => history.shows_transfer(step, by, to),
                _ => false,
            }
        });
    }

    /// The new party has been shown in the call, and the one that it replaces out of it.
    fn shows_transfer(&self, step: &PastStep, by: &str, to: &str) -> bool {
        let is_in_call = |channel: &u32| self.call_of(*channel) == Some(step.call);
        let was_there = self.heard.iter().any(|(channel, number)| number == by && is_in_call(channel));
        let stays = self.shown.get(by).is_none_or(|(_, channels)| channels.iter().any(is_in_call));
        let has_come = |(at, channels): &(i64, Vec<u32>)| *at >= step.at && channels.contains(&step.channel);
        was_there && !stays && self.shown.get(to).is_some_and(has_come)
    }

    fn is_heard(&self) -> bool {
        self.is_kept && !self.is_in_gap && !self.is_deaf
    }

    fn look(
        &mut self,
        now: i64,
        number: &str,
        channels: Vec<u32>,
        is_shown: impl Fn(&Self, &PastStep) -> bool,
    ) {
        if !self.is_heard() {
            return;
        }
        self.shown.insert(number.to_owned(), (now, channels));
        let mut fresh = std::mem::take(&mut self.fresh);
        fresh.retain(|index| {
            let is_prompt = now - self.steps[*index].at < PROMPT;
            let is_seen = is_prompt && is_shown(self, &self.steps[*index]);
            if is_seen {
                self.steps[*index].seen = Some(now);
            }
            is_prompt && !is_seen
        });
        fresh.append(&mut self.fresh);
        self.fresh = fresh;
    }
}
