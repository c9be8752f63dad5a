//! How a CTI server shows what it knows: late, coalesced, masked, and with gaps of its own.

use std::ops::Range;

use fastrand::Rng;

use super::{
    World,
    channel::{Channel, Identity, Place},
    history::Shown,
    office::PARKINGS,
    steps::Step,
};
use crate::profile::Audience;

/// Habits of a server.
#[derive(Debug, Clone, Default)]
#[allow(clippy::struct_excessive_bools, reason = "independent habits")]
pub(crate) struct Quirks {
    /// Milliseconds from a change to its event, which shows the state at that time; `None` for events at once.
    pub(super) lag: Option<Range<u64>>,
    /// Numbers end in `xxx`, names are `xxx`.
    pub(crate) is_masked: bool,
    /// `chSource` and `chDest` are null most of the time.
    pub(super) is_blind: bool,
    /// The sides of a conversation's id change places at times.
    pub(super) flips: bool,
    /// The channels change places with them.
    pub(super) swaps: bool,
    /// Of several channels that may be a ringing one's partner, any is shown.
    pub(super) guesses: bool,
    /// A conversation begins with the extension's own channel, not with the caller's.
    pub(super) is_own_start: bool,
    /// States are sent again without a reason.
    pub(super) repeats: bool,
    /// An extension that holds one call and talks in another is `onhold`.
    pub(super) is_hold_first: bool,
    /// A caller in a queue is connected to the music.
    pub(super) is_music_connected: bool,
    pub(super) seed: u64,
}

impl Quirks {
    /// Draws the habits of a server.
    pub(super) fn draw(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed ^ 0x9e37_79b9);
        let lags = [1..2, 20..200, 20..200, 100..700];
        Self {
            lag: Some(lags[rng.usize(0..lags.len())].clone()),
            is_masked: rng.u8(0..4) == 0,
            is_blind: rng.u8(0..4) == 0,
            flips: rng.u8(0..4) == 0,
            swaps: rng.bool(),
            guesses: rng.bool(),
            is_own_start: rng.u8(0..4) == 0,
            repeats: rng.u8(0..4) == 0,
            is_hold_first: rng.bool(),
            is_music_connected: rng.bool(),
            seed,
        }
    }
}

/// What an event describes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Entity {
    Extension(usize),
    Trunk(usize),
    Queue(usize),
    Parking(usize),
}

impl World {
    /// Sends an entity's state: at once, or after a while. A state that waits to be sent takes later changes along.
    pub(super) fn publish(&mut self, entity: Entity) {
        match self.quirks.lag.clone() {
            None => self.publish_now(entity),
            Some(lag) => {
                if self.unsent.insert(entity) {
                    let after = self.rng.u64(lag);
                    self.schedule(after, Step::Publish(entity));
                }
            }
        }
    }

    pub(super) fn publish_now(&mut self, entity: Entity) {
        if self.is_reloading {
            return;
        }
        self.unsent.remove(&entity);
        self.show(entity);
        match entity {
            Entity::Extension(index) => self.send_extension(index),
            Entity::Trunk(index) => self.push(Audience::Presence, "trunkUpdate", self.trunk_json(index)),
            Entity::Queue(index) => self.push(Audience::Queues, "queueUpdate", self.queue_json(index)),
            Entity::Parking(slot) => self.push(Audience::Parkings, "parkingUpdate", self.parking_json(slot)),
        }
    }

    /// Lets the history see what is sent.
    fn show(&mut self, entity: Entity) {
        if !self.history.is_kept {
            return;
        }
        let now = self.wall();
        match entity {
            Entity::Extension(index) => {
                let show = |channel: &Channel| Shown {
                    channel: channel.id.number,
                    is_connected: channel.bridge.is_some() || channel.is_in_conference,
                    is_holding: channel.is_holding,
                };
                let shown: Vec<Shown> = self.channels_of(index).map(show).collect();
                let is_on_hold = self.status(index) == "onhold";
                let number = &self.extensions[index].number;
                self.history.saw_extension(now, number, &shown, is_on_hold);
            }
            Entity::Trunk(_) => {}
            Entity::Queue(index) => {
                let waiting: Vec<u32> =
                    self.waiting(Place::Queue(index)).map(|channel| channel.id.number).collect();
                self.history.saw_place(now, self.queues[index].number, &waiting);
            }
            Entity::Parking(slot) => {
                let is_here = |channel: &&Channel| matches!(channel.place, Some(Place::Parking { slot: at, .. }) if at == slot);
                let waiting: Vec<u32> =
                    self.channels.values().filter(is_here).map(|channel| channel.id.number).collect();
                self.history.saw_place(now, PARKINGS[slot], &waiting);
            }
        }
    }

    /// Sends some state again, as the server does when a telephone registers.
    pub(super) fn publish_again(&mut self) {
        if self.quirks.repeats {
            let index = self.rng.usize(0..self.extensions.len());
            self.publish_extension(index);
            let queue = self.rng.usize(0..self.queues.len());
            self.publish_queue(queue);
        }
    }

    /// Returns an identity as the account may see it.
    pub(super) fn shown(&self, identity: Identity) -> Identity {
        if !self.quirks.is_masked {
            return identity;
        }
        let Identity { mut number, name } = identity;
        let kept = number.len().saturating_sub(3);
        if !number.is_empty() {
            number.truncate(kept);
            number.push_str("xxx");
        }
        Identity { number, name: if name.is_empty() { name } else { "xxx".to_owned() } }
    }

    /// Returns a number that a channel, the time and the seed determine.
    pub(super) fn dice(&self, channel: &Channel, salt: u64) -> u64 {
        Rng::with_seed(self.quirks.seed ^ self.now << 20 ^ u64::from(channel.id.number) << 4 ^ salt).u64(..)
    }
}
