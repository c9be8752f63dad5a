//! Channels, as Asterisk has them.

use super::office::PARKINGS;

/// The owner of a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Party {
    /// An extension, by its index.
    Extension(usize),
    Outside {
        trunk: usize,
        number: String,
        name: String,
    },
}

impl Party {
    /// Returns the extension's index; `None` for a party outside.
    pub(super) fn extension(&self) -> Option<usize> {
        match self {
            Self::Extension(index) => Some(*index),
            Self::Outside { .. } => None,
        }
    }
}

/// Number and name of a party.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Identity {
    pub(super) number: String,
    pub(super) name: String,
}

/// A place in which a caller hears music.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Queue(usize),
    /// A slot, and the extension that parked the call.
    Parking {
        slot: usize,
        parker: usize,
    },
}

impl Place {
    /// Returns the number of the queue or of the slot.
    pub(super) fn number(self, queues: &[super::office::Queue]) -> &'static str {
        match self {
            Self::Queue(queue) => queues[queue].number,
            Self::Parking { slot, .. } => PARKINGS[slot],
        }
    }
}

/// The id of a channel: all that its unique id is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ChannelId {
    /// Creation time in Unix milliseconds.
    pub(super) created: i64,
    /// Running number.
    pub(super) number: u32,
}

impl ChannelId {
    /// Formats it as Asterisk does: seconds, and the running number.
    pub(super) fn unique_id(self) -> String {
        format!("{}.{}", self.created / 1000, self.number)
    }
}

/// A channel from its creation to its end.
#[derive(Debug, Clone)]
#[allow(clippy::struct_excessive_bools, reason = "independent facts")]
pub(super) struct Channel {
    pub(super) id: ChannelId,
    pub(super) owner: Party,
    /// The oldest channel that this one is linked with; itself at first.
    pub(super) linked: ChannelId,
    /// The owner called; false if he is called.
    pub(super) is_caller: bool,
    pub(super) is_up: bool,
    /// The channels of one bridge hear each other.
    pub(super) bridge: Option<u32>,
    /// The owner has put the others on hold.
    pub(super) is_holding: bool,
    pub(super) place: Option<Place>,
    /// The queue that the call came through.
    pub(super) queue: Option<usize>,
    /// Who is shown while no other channel is.
    pub(super) dialled: Identity,
    pub(super) is_in_conference: bool,
    /// The channel whose call this one asks about, in an attended transfer.
    pub(super) consults_for: Option<u32>,
    /// The extension that has sent this channel on.
    pub(super) transferred_by: Option<usize>,
}
