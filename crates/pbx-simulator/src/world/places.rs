//! The JSON of queues, their members, and parking slots.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{
    World,
    channel::{Channel, Party, Place},
    office::PARKINGS,
    view::text,
};

impl World {
    /// The channels that wait in a queue, in order.
    pub(super) fn waiting(&self, place: Place) -> impl Iterator<Item = &Channel> {
        self.channels.values().filter(move |channel| channel.place == Some(place))
    }

    pub(super) fn member(&self, queue: usize, place: usize) -> Value {
        let queue = &self.queues[queue];
        let member = &queue.members[place];
        let extension = &self.extensions[member.extension];
        json!({
            "type": if member.dynamic { "dynamic" } else { "static" },
            "name": extension.name,
            "queue": queue.number,
            "member": extension.number,
            "paused": member.paused,
            "loggedIn": true,
            "callsTakenCount": member.calls,
            "lastCallTimestamp": member.last_call,
            "lastPausedInReason": if member.paused_at > 0 { "pausa pranzo" } else { "" },
            "lastPausedInTimestamp": member.paused_at,
            "lastPausedOutTimestamp": member.resumed_at,
        })
    }

    /// Counters are strings, as on the real server, which copies them from Asterisk's manager interface.
    pub(super) fn queue_json(&self, index: usize) -> String {
        let queue = &self.queues[index];
        let members: BTreeMap<&str, Value> = (0..queue.members.len())
            .map(|place| {
                let number = &self.extensions[queue.members[place].extension].number;
                (number.as_str(), self.member(index, place))
            })
            .collect();
        let now = self.wall();
        let callers: BTreeMap<String, Value> = (1..)
            .zip(self.waiting(Place::Queue(index)))
            .map(|(position, caller)| {
                let channel = self.channel_name(caller);
                let created = caller.id.created;
                let caller = self.shown(self.identity(&caller.owner));
                let waiting = json!({
                    "id": channel,
                    "channel": channel,
                    "num": caller.number,
                    "name": caller.name,
                    "queue": queue.number,
                    "position": i32::to_string(&position),
                    "waiting": (now - created) / 1000,
                    "waitingTime": created,
                });
                (channel, waiting)
            })
            .collect();
        let served = queue.completed + queue.abandoned;
        let level = if served == 0 { 0.0 } else { f64::from(queue.completed) * 100.0 / f64::from(served) };
        text(&json!({
            "queue": queue.number,
            "name": queue.name,
            "avgHoldTime": "31",
            "avgTalkTime": "210",
            "completedCallsCount": queue.completed.to_string(),
            "abandonedCallsCount": queue.abandoned.to_string(),
            "serviceLevelTimePeriod": "60",
            "serviceLevelPercentage": format!("{level:.1}"),
            "members": members,
            "waitingCallers": callers,
        }))
    }

    /// Returns the parking slot; an empty one is `{}`, never null.
    pub(super) fn parking_json(&self, slot: usize) -> String {
        let parking = PARKINGS[slot];
        let parked = self.channels.values().find_map(|channel| match channel.place {
            Some(Place::Parking { slot: at, parker }) if at == slot => Some((channel, parker)),
            _ => None,
        });
        let parked = parked.map(|(channel, parker)| {
            let caller = self.shown(self.identity(&channel.owner));
            let parker = self.shown(self.identity(&Party::Extension(parker)));
            json!({
                "num": caller.number,
                "name": caller.name,
                "parking": parking,
                "channel": self.channel_name(channel),
                "timeout": 45,
                "parkeeNum": parker.number,
                "parkeeName": parker.name,
            })
        });
        text(&json!({
            "name": parking,
            "parking": parking,
            "timeout": 45,
            "parkedCaller": parked.unwrap_or_else(|| json!({})),
        }))
    }
}
