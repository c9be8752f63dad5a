//! A call that is going on.

mod leg;
mod size;
mod step;

use std::collections::VecDeque;

use event::Seq;
use jiff::Timestamp;

pub(crate) use self::{leg::Leg, step::Detail};
use crate::model::{CallKey, Direction, Party, Transfer};

/// Most legs that a call keeps, ended ones included. A queue can ring its agents for hours.
pub(crate) const LEGS: usize = 64;
/// Most linked ids of a call.
const LINKED_IDS: usize = 16;

/// A caller in a queue or in a parking slot.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    /// Number of the queue or of the slot.
    pub(crate) number: String,
    pub(crate) channel: String,
    /// True if it has not been seen since a gap.
    pub(crate) is_unconfirmed: bool,
}

/// Party that has left and may have been replaced. The next three seconds decide.
#[derive(Debug, Clone)]
pub(crate) struct Departure {
    /// Party that has left.
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
    /// True if only the originator was seen to connect, so that its connection counts as the answer.
    pub(crate) is_answer_inferred: bool,
    pub(crate) legs: Vec<Leg>,
    pub(crate) certain: bool,
    /// Time since which nothing of the call is visible, and the record that showed it; `None` while it is visible.
    pub(crate) invisible_since: Option<(Timestamp, Seq)>,
    /// Gap that hid its end: the last confirmed moment before, the first after. `None` if the end was seen.
    pub(crate) hidden_in: Option<(Timestamp, Timestamp)>,
    pub(crate) departures: VecDeque<Departure>,
    /// A called party, or a queue, that appeared after the answer, while the others were still connected.
    pub(crate) invited: Option<(Party, Timestamp)>,
    /// Party that a connected leg talks to instead of the one before, the record that showed it, and its time.
    pub(crate) moved: Option<(Party, Seq, Timestamp)>,
    /// Extension with a leg in this call and in one that has joined it, the party it leaves behind, and the time of the merger. When
    /// it leaves, it has transferred the call.
    pub(crate) transferor: Option<(String, Party, Timestamp)>,
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

    /// Notes that the call is visible again.
    pub(crate) fn mark_visible(&mut self) {
        (self.invisible_since, self.hidden_in) = (None, None);
    }

    pub(crate) fn has_linked_id(&self, id: &str) -> bool {
        self.linked_ids.iter().any(|known| known == id)
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

    /// Fills in the parties that are not known yet from a leg.
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

    /// Returns the other party of a leg: another leg of the call if it is visible, else the PBX's counterpart.
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

    /// Replaces a party by the one that a transfer brings.
    pub(crate) fn replace(&mut self, transfer: &Transfer) {
        let is_caller = transfer.from.extension.is_some() && self.from.extension == transfer.from.extension;
        *(if is_caller { &mut self.from } else { &mut self.to }) = transfer.to.clone();
        self.departures.clear();
        (self.invited, self.moved, self.transferor) = (None, None, None);
    }

    /// Determines the direction again after a leg has changed.
    pub(crate) fn update_direction(&mut self, channel: &str) {
        if let Some(leg) = self.leg(channel).cloned() {
            self.through_trunk |= leg.through_trunk;
            self.infer_direction(&leg);
        }
    }
}
