//! The acts of a script: what its parties do with their telephones.

use super::channel::Party;

/// A channel of a play, in the order of creation.
pub(super) type Slot = u8;

/// A party of a play.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Role {
    /// An extension.
    Inside(u8),
    /// A party outside.
    Outside(u8),
}

/// A number that a party dials and that no telephone has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Code {
    PickUp,
    Retrieve,
    Room,
    Queue(usize),
}

/// An act. If a channel it needs has ended, nothing happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Act {
    /// A party calls another: the new channel is in the slot.
    Call(Slot, Role, Role),
    /// A party dials a code.
    Dial(Slot, Role, Code),
    /// A caller's call rings at a party.
    Ring {
        caller: Slot,
        called: Slot,
        at: Role,
    },
    /// A called party answers.
    Answer {
        caller: Slot,
        called: Slot,
    },
    /// A channel ends. The one that it talked to ends as well, unless others are there.
    HangUp(Slot),
    /// A telephone stops ringing.
    Stop(Slot),
    Hold(Slot, bool),
    /// A caller enters a queue.
    Enqueue(Slot, usize),
    /// A caller leaves its queue or parking slot.
    Leave(Slot),
    /// A party parks the caller that it talks to.
    Park {
        caller: Slot,
        by: Slot,
    },
    /// A channel takes a caller out of its slot.
    Retrieve {
        caller: Slot,
        by: Slot,
    },
    /// A party sends the one that it talks to on, and hangs up.
    SendOn {
        peer: Slot,
        by: Slot,
    },
    /// Who was sent on rings at a party.
    RingOnBehalf {
        peer: Slot,
        called: Slot,
        at: Role,
    },
    /// A party connects those on its two channels, and hangs up.
    HandOver {
        peer: Slot,
        first: Slot,
        second: Slot,
        colleague: Slot,
    },
    /// A channel takes over a call that rings elsewhere.
    PickUp {
        caller: Slot,
        by: Slot,
    },
    /// Channels meet in a conference.
    Meet([Slot; 4], u8),
    /// The bridge loses its session, or has one again.
    Gap(bool),
    /// The CTI server reads its configuration.
    Reload(bool),
}

/// A script that runs.
#[derive(Debug, Clone)]
pub(super) struct Play {
    pub(super) inside: Vec<usize>,
    pub(super) outside: Vec<Party>,
    /// Numbers of the channels; 0 for one that does not exist yet.
    pub(super) channels: [u32; 16],
}

impl Act {
    /// The channels that it concerns.
    pub(super) fn slots(self) -> Vec<Slot> {
        match self {
            Self::Call(slot, ..)
            | Self::Dial(slot, ..)
            | Self::HangUp(slot)
            | Self::Stop(slot)
            | Self::Hold(slot, _)
            | Self::Leave(slot)
            | Self::Enqueue(slot, _) => vec![slot],
            Self::Ring { caller, called, .. }
            | Self::Answer { caller, called }
            | Self::RingOnBehalf { peer: caller, called, .. } => vec![caller, called],
            Self::Park { caller, by }
            | Self::Retrieve { caller, by }
            | Self::PickUp { caller, by }
            | Self::SendOn { peer: caller, by } => vec![caller, by],
            Self::HandOver { peer, first, second, colleague } => vec![peer, first, second, colleague],
            Self::Meet(slots, count) => slots[..usize::from(count)].to_vec(),
            Self::Gap(_) | Self::Reload(_) => Vec::new(),
        }
    }
}
