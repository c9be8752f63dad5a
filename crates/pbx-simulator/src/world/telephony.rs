//! What channels do in Asterisk: dial, ring, connect, wait, end. The history hears of each step.

use super::{
    World,
    channel::{Channel, ChannelId, Identity, Party, Place},
    history::{Fact, Kind},
};

impl World {
    /// Creates the channel of a caller. Returns its number.
    pub(super) fn originate(&mut self, owner: Party, dialled: Identity) -> u32 {
        let number = self.create(owner, dialled, true, None);
        let (now, channel) = (self.wall(), &self.channels[&number]);
        let from = self.identity(&channel.owner);
        self.history.begin(now, channel, from);
        number
    }

    /// Creates the channel of a called party, which rings. Returns its number; `None` if the caller has hung up.
    pub(super) fn dial(&mut self, caller: u32, owner: Party) -> Option<u32> {
        let channel = self.channels.get(&caller)?;
        let (linked, queue) = (channel.linked, channel.queue);
        let dialled = self.identity(&channel.owner);
        let is_outside = owner.extension().is_none();
        let number = self.create(owner, dialled, false, Some(linked));
        if let Some(called) = self.channels.get_mut(&number) {
            called.queue = queue;
        }
        self.history.add(number, caller, is_outside);
        if !is_outside {
            self.note(Kind::Ringing, number);
        }
        Some(number)
    }

    fn create(&mut self, owner: Party, dialled: Identity, is_caller: bool, linked: Option<ChannelId>) -> u32 {
        let number = self.next_channel;
        self.next_channel += 1;
        let id = ChannelId { created: self.wall(), number };
        let channel = Channel {
            id,
            owner,
            linked: linked.unwrap_or(id),
            is_caller,
            is_up: false,
            bridge: None,
            is_holding: false,
            place: None,
            queue: None,
            dialled,
            is_in_conference: false,
            consults_for: None,
            transferred_by: None,
        };
        self.channels.insert(number, channel);
        number
    }

    /// A called party answers: it talks to the caller, and the others that rang with it stop.
    pub(super) fn connect(&mut self, caller: u32, called: u32) -> bool {
        if !self.channels.contains_key(&caller) || !self.channels.contains_key(&called) {
            return false;
        }
        let rivals = self.ringing(caller).into_iter().filter(|number| *number != called).collect::<Vec<_>>();
        self.leave_place(caller);
        self.bridge(&[caller, called]);
        for rival in rivals {
            self.end(rival);
        }
        true
    }

    /// Bridges channels, which takes them out of other bridges and links them.
    pub(super) fn bridge(&mut self, numbers: &[u32]) {
        self.next_bridge += 1;
        for number in numbers {
            if let Some(channel) = self.channels.get_mut(number) {
                (channel.bridge, channel.is_up) = (Some(self.next_bridge), true);
            }
        }
        self.link(numbers);
        // The called party first: its answer is that of the call.
        let mut connected: Vec<u32> = numbers.to_vec();
        connected.sort_by_key(|number| self.channels.get(number).is_none_or(|channel| channel.is_caller));
        for number in connected {
            self.has_connected(number);
        }
    }

    fn has_connected(&mut self, number: u32) {
        let (now, Some(channel)) = (self.wall(), self.channels.get(&number)) else { return };
        if channel.owner.extension().is_some() {
            self.history.connected(now, channel);
        } else {
            let id = channel.id.number;
            self.history.outside_connected(now, id);
        }
    }

    /// Channels that meet have the linked id of the oldest from then on, and so have those that were linked with them.
    pub(super) fn link(&mut self, numbers: &[u32]) {
        let linked: Vec<ChannelId> =
            numbers.iter().filter_map(|number| Some(self.channels.get(number)?.linked)).collect();
        let Some(oldest) = linked.iter().min().copied() else { return };
        for channel in self.channels.values_mut().filter(|channel| linked.contains(&channel.linked)) {
            channel.linked = oldest;
        }
        let now = self.wall();
        for pair in numbers.windows(2) {
            self.history.join(now, pair[0], pair[1]);
        }
    }

    /// Puts a caller into a queue or a parking slot.
    pub(super) fn enter_place(&mut self, number: u32, place: Place) {
        let Some(channel) = self.channels.get_mut(&number) else { return };
        (channel.is_up, channel.bridge, channel.place) = (true, None, Some(place));
        let kind = match place {
            Place::Queue(queue) => {
                channel.queue = Some(queue);
                Kind::Queued
            }
            Place::Parking { .. } => Kind::Parked,
        };
        self.note_at(kind, number, Some(place.number(&self.queues)));
    }

    /// Takes a caller out of its queue or parking slot.
    pub(super) fn leave_place(&mut self, number: u32) -> Option<Place> {
        let place = self.channels.get_mut(&number)?.place.take()?;
        let kind = match place {
            Place::Queue(_) => Kind::Dequeued,
            Place::Parking { .. } => Kind::Unparked,
        };
        self.note_at(kind, number, Some(place.number(&self.queues)));
        Some(place)
    }

    pub(super) fn set_hold(&mut self, number: u32, is_holding: bool) -> bool {
        let Some(channel) = self.channels.get_mut(&number).filter(|channel| channel.bridge.is_some()) else {
            return false;
        };
        if channel.is_holding != is_holding {
            channel.is_holding = is_holding;
            self.note(if is_holding { Kind::Held } else { Kind::Resumed }, number);
        }
        true
    }

    /// Ends a channel. Returns it; `None` if it has ended before.
    pub(super) fn end(&mut self, number: u32) -> Option<Channel> {
        self.leave_place(number);
        let channel = self.channels.remove(&number)?;
        self.settle(number);
        Some(channel)
    }

    /// Tells the history whether a call is still visible.
    fn settle(&mut self, number: u32) {
        let now = self.wall();
        let visible = self.channels.values();
        let visible =
            visible.filter(|channel| channel.owner.extension().is_some() || channel.place.is_some());
        let visible: Vec<u32> = visible.map(|channel| channel.id.number).collect();
        self.history.settle(now, number, &visible);
    }

    pub(super) fn note(&mut self, kind: Kind, channel: u32) {
        self.note_at(kind, channel, None);
    }

    fn note_at(&mut self, kind: Kind, channel: u32, place: Option<&'static str>) {
        let fact = Fact { at: self.wall(), kind, channel, place };
        self.history.note(fact);
        self.settle(channel);
    }

    /// The other channels of a channel's bridge.
    pub(super) fn peers(&self, number: u32) -> Vec<u32> {
        let Some(bridge) = self.channels.get(&number).and_then(|channel| channel.bridge) else {
            return Vec::new();
        };
        let here = self.channels.values().filter(|channel| channel.bridge == Some(bridge));
        here.map(|channel| channel.id.number).filter(|other| *other != number).collect()
    }

    /// The called channels that ring for a caller.
    pub(super) fn ringing(&self, caller: u32) -> Vec<u32> {
        let Some(linked) = self.channels.get(&caller).map(|channel| channel.linked) else {
            return Vec::new();
        };
        let called = |channel: &&Channel| !channel.is_caller && !channel.is_up && channel.linked == linked;
        self.channels.values().filter(called).map(|channel| channel.id.number).collect()
    }

    /// The channel that the CTI server takes for a channel's partner: that of its bridge; while it rings, any with the same
    /// linked id. Three in a conference have no partner, or any.
    pub(super) fn partner(&self, channel: &Channel) -> Option<&Channel> {
        if matches!(channel.place, Some(Place::Parking { .. })) {
            return None;
        }
        let peers = self.peers(channel.id.number);
        if peers.len() > 1 && !self.quirks.guesses {
            return None;
        }
        let is_other = |other: &&Channel| match channel.bridge {
            Some(_) => peers.contains(&other.id.number),
            None => other.id != channel.id && other.linked == channel.linked,
        };
        let others: Vec<&Channel> = self.channels.values().filter(is_other).collect();
        if !self.quirks.guesses {
            return others.first().copied();
        }
        let choice = usize::try_from(self.dice(channel, 3)).unwrap_or_default().checked_rem(others.len())?;
        others.get(choice).copied()
    }
}
