//! A call that is going on.

use std::collections::VecDeque;

use event::Seq;
use jiff::Timestamp;

use crate::{
    model::{CallEvent, CallKey, CallState, Direction, LegState, LegView, Outcome, Party, Step, Transfer},
    observe::{Conversation, Extension},
};

/// The most legs that a call keeps, ended ones included. A queue can ring its agents for hours.
pub(crate) const LEGS: usize = 64;
/// The most linked ids of a call.
const LINKED_IDS: usize = 16;

/// A leg: one extension's part in a call.
#[derive(Debug, Clone)]
#[allow(clippy::struct_excessive_bools, reason = "independent facts")]
pub(crate) struct Leg {
    pub(crate) extension: String,
    pub(crate) name: String,
    pub(crate) user: String,
    /// The extension's channel, or its unique id.
    pub(crate) channel: String,
    pub(crate) unique_id: String,
    pub(crate) linked_id: String,
    /// The other party's channel; empty if it is not visible.
    pub(crate) partner: String,
    pub(crate) counterpart: Party,
    pub(crate) state: LegState,
    pub(crate) since: Timestamp,
    pub(crate) is_outgoing: bool,
    pub(crate) through_trunk: bool,
    pub(crate) through_queue: bool,
    pub(crate) is_recorded: bool,
    /// It has been connected.
    pub(crate) was_connected: bool,
    /// Its first connection has been announced, or needs no announcement.
    pub(crate) is_announced: bool,
    /// It was on hold when it disappeared.
    pub(crate) ended_on_hold: bool,
    /// It has not been seen since a gap.
    pub(crate) is_unconfirmed: bool,
    /// It is its extension's only conversation, so that the extension's hold is this one's.
    pub(crate) is_alone: bool,
    /// It was that in the state before.
    pub(crate) was_alone: bool,
}

/// A caller in a queue or in a parking slot.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    /// Number of the queue or of the slot.
    pub(crate) number: String,
    pub(crate) channel: String,
    /// It has not been seen since a gap.
    pub(crate) is_unconfirmed: bool,
}

/// A party that may have been replaced; what follows within three seconds decides.
#[derive(Debug, Clone)]
pub(crate) struct Departure {
    /// The party that has left.
    pub(crate) by: Party,
    pub(crate) at: Timestamp,
}

/// A call that is going on.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) key: CallKey,
    pub(crate) linked_ids: Vec<String>,
    pub(crate) direction: Direction,
    pub(crate) from: Party,
    pub(crate) to: Party,
    pub(crate) original_from: Party,
    /// Channel of the leg that began the call by dialling; `None` for a call from outside.
    pub(crate) originator: Option<String>,
    pub(crate) queue: Option<Place>,
    /// The last channel that has waited in a queue or in a parking slot. A caller can go from one queue to another.
    pub(crate) waiting_channel: Option<String>,
    /// The last queue the call was in.
    pub(crate) last_queue: Option<String>,
    pub(crate) parking: Option<Place>,
    pub(crate) through_trunk: bool,
    pub(crate) started: Timestamp,
    pub(crate) answered: Option<Timestamp>,
    /// Nobody but the originator was seen to connect, so the answer is taken from it.
    pub(crate) is_answer_inferred: bool,
    pub(crate) legs: Vec<Leg>,
    pub(crate) certain: bool,
    /// Since when nothing of it is visible, and the record that showed it.
    pub(crate) invisible_since: Option<(Timestamp, Seq)>,
    /// The gap that hid its end: the last confirmed moment before, the first after.
    pub(crate) hidden_in: Option<(Timestamp, Timestamp)>,
    pub(crate) departures: VecDeque<Departure>,
    /// A called party, or a queue, that appeared after the answer, while the others were still connected.
    pub(crate) invited: Option<(Party, Timestamp)>,
    /// A party that a connected leg talks to instead of the one before, the record that showed it, and its time.
    pub(crate) moved: Option<(Party, Seq, Timestamp)>,
    /// The extension that had a leg in this call and in one that has joined it, which makes its end a transfer.
    pub(crate) transferor: Option<(String, Party, Timestamp)>,
}

/// What an event says beyond the call itself.
#[derive(Debug, Default)]
pub(crate) struct Detail {
    pub(crate) leg: Option<String>,
    pub(crate) transfer: Option<Transfer>,
    pub(crate) absorbed: Option<CallKey>,
    pub(crate) into: Option<CallKey>,
    pub(crate) outcome: Option<Outcome>,
    pub(crate) is_uncertain: bool,
}

impl Leg {
    pub(crate) fn new(of: &Extension<'_>, conversation: &Conversation<'_>, at: Timestamp) -> Self {
        let mut leg = Self {
            extension: of.number.to_string(),
            name: of.name.to_string(),
            user: of.user.to_string(),
            channel: conversation.channel.to_string(),
            unique_id: conversation.unique_id.to_string(),
            linked_id: String::new(),
            partner: String::new(),
            counterpart: Party::default(),
            state: if conversation.is_outgoing { LegState::Initiated } else { LegState::Alerting },
            since: at,
            is_outgoing: conversation.is_outgoing,
            through_trunk: false,
            through_queue: false,
            is_recorded: false,
            was_connected: false,
            is_announced: false,
            ended_on_hold: false,
            is_unconfirmed: false,
            is_alone: of.conversations.len() == 1,
            was_alone: false,
        };
        leg.update(conversation);
        leg
    }

    /// Returns true if a conversation shows nothing new.
    pub(crate) fn is_unchanged_by(&self, conversation: &Conversation<'_>) -> bool {
        self.is_connected() == conversation.is_connected
            && self.channel == conversation.channel
            && self.linked_id == conversation.linked_id
            && (self.partner == conversation.partner || conversation.partner.is_empty())
            && self.counterpart.number.as_deref().unwrap_or_default() == conversation.number
            && self.counterpart.name.as_deref().unwrap_or_default() == conversation.name
            && self.unique_id == conversation.unique_id
            && (self.through_trunk, self.through_queue, self.is_recorded)
                == (conversation.through_trunk, conversation.through_queue, conversation.is_recorded)
    }

    /// Takes over what can change without a change of state.
    pub(crate) fn update(&mut self, conversation: &Conversation<'_>) {
        set(&mut self.linked_id, &conversation.linked_id);
        if !conversation.partner.is_empty() {
            set(&mut self.partner, &conversation.partner);
        }
        if !conversation.unique_id.is_empty() {
            set(&mut self.unique_id, &conversation.unique_id);
        }
        let known = |text: &str| !text.is_empty() && text != "<unknown>";
        if known(&conversation.number) {
            set_some(&mut self.counterpart.number, &conversation.number);
        }
        if known(&conversation.name) {
            set_some(&mut self.counterpart.name, &conversation.name);
        }
        self.through_trunk |= conversation.through_trunk;
        self.through_queue |= conversation.through_queue;
        self.is_recorded = conversation.is_recorded;
        self.is_unconfirmed = false;
    }

    pub(crate) fn is_open(&self) -> bool {
        self.state != LegState::Null
    }

    pub(crate) fn is_connected(&self) -> bool {
        matches!(self.state, LegState::Connected | LegState::Hold)
    }

    pub(crate) fn set_state(&mut self, state: LegState, at: Timestamp) {
        (self.state, self.since) = (state, at);
        self.was_connected |= self.is_connected();
    }

    pub(crate) fn party(&self) -> Party {
        let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Party {
            number: text(&self.extension),
            name: text(&self.name),
            extension: text(&self.extension),
            user: text(&self.user),
        }
    }

    fn size(&self) -> usize {
        size_of::<Self>()
            + self.channel.len()
            + self.partner.len()
            + self.extension.len()
            + self.name.len()
            + self.user.len()
            + self.unique_id.len()
            + self.linked_id.len()
            + party(&self.counterpart)
    }

    /// Describes the leg in the end of its call. It is open if it goes on in another call, or if nothing more is derived.
    fn final_view(&self, at: Timestamp) -> LegView {
        if !self.is_open() {
            return self.view();
        }
        let outcome = if self.was_connected { Outcome::Answered } else { Outcome::Unknown };
        LegView { state: LegState::Null, since: at, outcome: Some(outcome), ..self.view() }
    }

    fn view(&self) -> LegView {
        let outcome = (!self.is_open()).then_some(match (self.was_connected, self.is_outgoing) {
            (true, _) => Outcome::Answered,
            (false, false) => Outcome::Missed,
            (false, true) => Outcome::Unknown,
        });
        LegView {
            extension: self.extension.clone(),
            user: (!self.user.is_empty()).then(|| self.user.clone()),
            state: self.state,
            channel: self.channel.clone(),
            uniqueid: self.unique_id.clone(),
            since: self.since,
            outcome,
        }
    }
}

impl Call {
    pub(crate) fn new(key: CallKey, started: Timestamp, certain: bool) -> Self {
        Self {
            key,
            linked_ids: Vec::new(),
            direction: Direction::Unknown,
            from: Party::default(),
            to: Party::default(),
            original_from: Party::default(),
            originator: None,
            queue: None,
            waiting_channel: None,
            last_queue: None,
            parking: None,
            through_trunk: false,
            started,
            answered: None,
            is_answer_inferred: false,
            legs: Vec::new(),
            certain,
            invisible_since: None,
            hidden_in: None,
            departures: VecDeque::new(),
            invited: None,
            moved: None,
            transferor: None,
        }
    }

    pub(crate) fn open_legs(&self) -> impl Iterator<Item = &Leg> {
        self.legs.iter().filter(|leg| leg.is_open())
    }

    pub(crate) fn leg_mut(&mut self, channel: &str) -> Option<&mut Leg> {
        self.legs.iter_mut().find(|leg| leg.is_open() && leg.channel == channel)
    }

    pub(crate) fn leg(&self, channel: &str) -> Option<&Leg> {
        self.legs.iter().find(|leg| leg.is_open() && leg.channel == channel)
    }

    pub(crate) fn is_originator(&self, leg: &Leg) -> bool {
        self.originator.as_deref() == Some(&*leg.channel)
    }

    /// Returns true while something of the call is visible.
    pub(crate) fn is_visible(&self) -> bool {
        self.queue.is_some() || self.parking.is_some() || self.open_legs().next().is_some()
    }

    /// Something of it is visible again.
    pub(crate) fn mark_visible(&mut self) {
        (self.invisible_since, self.hidden_in) = (None, None);
    }

    pub(crate) fn add_linked_id(&mut self, id: &str) {
        if !id.is_empty() && self.linked_ids.len() < LINKED_IDS && !self.linked_ids.iter().any(|it| it == id)
        {
            self.linked_ids.push(id.to_owned());
        }
    }

    /// Adds a leg; the oldest ended one makes room.
    pub(crate) fn add(&mut self, leg: Leg) {
        if self.legs.len() >= LEGS
            && let Some(ended) = self.legs.iter().position(|leg| !leg.is_open())
        {
            self.legs.remove(ended);
        }
        self.through_trunk |= leg.through_trunk;
        self.add_linked_id(&leg.linked_id);
        self.legs.push(leg);
    }

    /// Names the parties by their first leg, as far as they are not known.
    pub(crate) fn fill_parties(&mut self, channel: &str) {
        let Some(leg) = self.legs.iter().find(|leg| leg.channel == channel).cloned() else { return };
        let (near, far) = (leg.party(), self.far_end(&leg));
        // A linked id is the unique id of the channel that began the call, which need not be the first to be seen.
        let began = leg.unique_id == leg.linked_id && self.linked_ids.first() == Some(&leg.linked_id);
        if leg.is_outgoing && self.originator.is_none() && (began || self.from == Party::default()) {
            self.originator = Some(leg.channel.clone());
            if self.from.extension.is_none() {
                self.from = near.clone();
            }
        }
        let is_caller = self.is_originator(&leg);
        let (from, to) = if is_caller { (near, far) } else { (far, near) };
        if self.from == Party::default() {
            self.from = from;
        }
        if self.to == Party::default() && self.answered.is_none() {
            self.to = to;
        }
        if self.original_from == Party::default() {
            self.original_from = self.from.clone();
        }
        self.infer_direction(&leg);
    }

    /// The other party of a leg: another leg of the call if it is visible, else the PBX's counterpart.
    fn far_end(&self, leg: &Leg) -> Party {
        let partner = self.legs.iter().find(|it| !leg.partner.is_empty() && it.channel == leg.partner);
        partner.map_or_else(|| leg.counterpart.clone(), Leg::party)
    }

    fn infer_direction(&mut self, leg: &Leg) {
        if self.direction != Direction::Unknown {
            return;
        }
        self.direction = match (leg.through_trunk, self.is_originator(leg), leg.is_outgoing) {
            (true, true, _) => Direction::Outbound,
            (true, false, false) => Direction::Inbound,
            (false, true, _) if leg.was_connected || self.legs.len() > 1 => Direction::Internal,
            (false, false, false) if self.originator.is_some() => Direction::Internal,
            _ => Direction::Unknown,
        };
    }

    /// Puts the party that a transfer brings in the place of the one it replaces.
    pub(crate) fn replace(&mut self, transfer: &Transfer) {
        let is_caller = transfer.from.extension.is_some() && self.from.extension == transfer.from.extension;
        *(if is_caller { &mut self.from } else { &mut self.to }) = transfer.to.clone();
        self.departures.clear();
        (self.invited, self.moved, self.transferor) = (None, None, None);
    }

    /// Reconsiders the direction when a leg has changed.
    pub(crate) fn update_direction(&mut self, channel: &str) {
        if let Some(leg) = self.leg(channel).cloned() {
            self.through_trunk |= leg.through_trunk;
            self.infer_direction(&leg);
        }
    }

    pub(crate) fn state(&self) -> CallState {
        if self.parking.is_some() {
            return CallState::Parked;
        }
        let has = |wanted: fn(&Leg) -> bool| self.open_legs().any(wanted);
        if self.answered.is_some() && has(Leg::is_connected) {
            let is_held = has(|leg| leg.state == LegState::Hold);
            return if is_held { CallState::Held } else { CallState::Connected };
        }
        if has(|leg| leg.state == LegState::Alerting) {
            return CallState::Ringing;
        }
        match self.queue {
            Some(_) => CallState::Queued,
            None if self.is_visible() || self.invisible_since.is_none() => CallState::Initiated,
            None => CallState::Ended,
        }
    }

    /// Returns how the call ended, as far as it was visible.
    pub(crate) fn outcome(&self) -> Outcome {
        let has_rung = self.legs.iter().any(|leg| !leg.is_outgoing);
        match (self.answered, &self.last_queue) {
            (Some(_), _) => Outcome::Answered,
            _ if self.hidden_in.is_some() => Outcome::Unknown,
            (None, Some(_)) => Outcome::Abandoned,
            (None, None) if has_rung || self.originator.is_some() => Outcome::Missed,
            (None, None) => Outcome::Unknown,
        }
    }

    /// Builds the event of a step. `ended` is the time at which the call was no longer visible.
    pub(crate) fn event(&self, step: Step, at: Timestamp, detail: Detail) -> CallEvent {
        let ended = (step == Step::Ended)
            .then(|| self.invisible_since.map_or(at, |(since, _)| since).max(self.started));
        let until = ended.unwrap_or(at);
        let between = ended.and(self.hidden_in);
        let view = |leg: &Leg| if ended.is_some() { leg.final_view(at) } else { leg.view() };
        let legs = self.legs.iter().take(LEGS).map(view);
        CallEvent {
            call: self.key,
            linked_ids: self.linked_ids.clone(),
            direction: self.direction,
            from: self.from.clone(),
            to: self.to.clone(),
            original_from: self.original_from.clone(),
            queue: self.queue.as_ref().map(|queue| queue.number.clone()).or_else(|| self.last_queue.clone()),
            parking: self.parking.as_ref().map(|parking| parking.number.clone()),
            through_trunk: self.through_trunk,
            state: if step == Step::Ended { CallState::Ended } else { self.state() },
            started_at: self.started,
            answered_at: self.answered,
            ended_at: ended,
            wait_seconds: seconds(self.started, self.answered.unwrap_or(until)),
            talk_seconds: self.answered.map_or(0.0, |answered| seconds(answered, until)),
            legs: legs.collect(),
            recording: ended.is_none() && self.open_legs().any(|leg| leg.is_recorded),
            certain: self.certain && self.hidden_in.is_none() && !detail.is_uncertain,
            leg: detail.leg,
            transfer: detail.transfer,
            absorbed: detail.absorbed,
            into: detail.into,
            outcome: detail.outcome,
            ended_between: between.map(|(from, to)| [format!("{from:.6}"), format!("{to:.6}")]),
        }
    }

    /// Returns the names that it can be found by; not empty, and perhaps repeated.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        let legs = self.legs.iter().flat_map(|leg| [&leg.channel, &leg.partner]);
        let places = self.queue.iter().chain(&self.parking).flat_map(|place| [&place.number, &place.channel]);
        let names = self.linked_ids.iter().chain(&self.waiting_channel).chain(legs).chain(places);
        names.map(String::as_str).filter(|name| !name.is_empty())
    }

    /// Estimates the memory use in bytes.
    pub(crate) fn size(&self) -> usize {
        let texts = |texts: &[Option<&String>]| texts.iter().flatten().map(|text| text.len()).sum::<usize>();
        let parties = [&self.from, &self.to, &self.original_from].into_iter();
        let parties = parties
            .chain(self.invited.iter().map(|(party, _)| party))
            .chain(self.moved.iter().map(|(party, ..)| party))
            .chain(self.transferor.iter().map(|(_, party, _)| party));
        let places = self.queue.iter().chain(&self.parking);
        size_of::<Self>()
            + self.legs.iter().map(Leg::size).sum::<usize>()
            + self.linked_ids.iter().map(|id| size_of::<String>() + id.len()).sum::<usize>()
            + self.departures.iter().map(|left| size_of::<Departure>() + party(&left.by)).sum::<usize>()
            + parties.map(party).sum::<usize>()
            + places.map(|place| place.number.len() + place.channel.len()).sum::<usize>()
            + texts(&[self.originator.as_ref(), self.waiting_channel.as_ref(), self.last_queue.as_ref()])
            + self.transferor.as_ref().map_or(0, |(extension, ..)| extension.len())
    }
}

fn party(party: &Party) -> usize {
    [&party.number, &party.name, &party.extension, &party.user].into_iter().flatten().map(String::len).sum()
}

/// Returns the seconds between two times, at most six digits after the point.
fn seconds(from: Timestamp, to: Timestamp) -> f64 {
    let micros = (to.as_microsecond() - from.as_microsecond()).max(0);
    #[allow(clippy::cast_precision_loss, reason = "2^53 microseconds are 285 years")]
    let micros = micros as f64;
    micros / 1e6
}

/// Replaces a text, and allocates only if it differs.
fn set(text: &mut String, new: &str) {
    if text != new {
        new.clone_into(text);
    }
}

fn set_some(text: &mut Option<String>, new: &str) {
    if text.as_deref() != Some(new) {
        *text = Some(new.to_owned());
    }
}
