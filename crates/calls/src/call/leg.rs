//! A leg of a call that is going on.

use jiff::Timestamp;

use crate::{
    model::{LegState, LegView, Outcome, Party},
    observe::{Conversation, Extension},
};

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
    /// True if it has ever been connected.
    pub(crate) was_connected: bool,
    /// True if its first connection has been announced, or needs no announcement.
    pub(crate) is_announced: bool,
    /// True if it was on hold when it disappeared.
    pub(crate) ended_on_hold: bool,
    /// True if it has not been seen since a gap.
    pub(crate) is_unconfirmed: bool,
    /// True if it is its extension's only conversation, so that the extension's hold is this one's.
    pub(crate) is_alone: bool,
    /// Value of `is_alone` in the state before.
    pub(crate) was_alone: bool,
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

    /// Updates everything but the state.
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

    /// Connects the leg, or lets it ring again if its partner was replaced by one that rings. Returns true if it has connected.
    pub(crate) fn connect_or_ring(&mut self, is_connected: bool, at: Timestamp) -> bool {
        if is_connected == self.is_connected() {
            return false;
        }
        self.set_state(
            match (is_connected, self.is_outgoing) {
                (true, _) => LegState::Connected,
                (false, true) => LegState::Initiated,
                (false, false) => LegState::Alerting,
            },
            at,
        );
        is_connected
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

    /// Describes the leg in the end of its call. It is open if it goes on in another call, or if nothing more is derived.
    pub(super) fn final_view(&self, at: Timestamp) -> LegView {
        if !self.is_open() {
            return self.view();
        }
        let outcome = if self.was_connected { Outcome::Answered } else { Outcome::Unknown };
        LegView { state: LegState::Null, since: at, outcome: Some(outcome), ..self.view() }
    }

    pub(super) fn view(&self) -> LegView {
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
