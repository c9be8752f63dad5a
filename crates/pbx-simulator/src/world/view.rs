//! The JSON of each entity. Events and snapshots share it, so they cannot disagree.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};

use super::{
    World,
    call::{Call, Identity, Party},
    conversation::{Conversation, Sides, TrunkConversation},
    office::PARKINGS,
};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ExtensionView<'a> {
    exten: &'a str,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<&'a str>,
    status: &'static str,
    ip: String,
    port: &'static str,
    mac: String,
    chan_type: &'static str,
    sipuseragent: &'a str,
    codecs: [&'static str; 2],
    context: &'static str,
    use_websocket: bool,
    dnd: bool,
    cf: &'a str,
    cfb: &'static str,
    cfu: &'static str,
    #[serde(rename = "cfVm")]
    cf_vm: &'static str,
    #[serde(rename = "cfbVm")]
    cfb_vm: &'static str,
    #[serde(rename = "cfuVm")]
    cfu_vm: &'static str,
    conversations: BTreeMap<String, Conversation>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TrunkView {
    exten: &'static str,
    name: &'static str,
    ip: &'static str,
    port: &'static str,
    codecs: [&'static str; 1],
    status: &'static str,
    registration: &'static str,
    chan_type: &'static str,
    max_channels: u32,
    sipuseragent: &'static str,
    conversations: BTreeMap<String, TrunkConversation>,
}

/// Serializes a value that cannot fail to serialize.
pub(super) fn text(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

impl World {
    pub(super) fn identity(&self, party: &Party) -> Identity {
        match party {
            Party::Extension(index) => {
                let extension = &self.extensions[*index];
                let number = extension.number.clone();
                Identity { device: number.clone(), number, name: extension.name.to_owned() }
            }
            Party::Outside { trunk, number, name } => Identity {
                number: number.clone(),
                name: name.clone(),
                device: self.trunks[*trunk].id.to_owned(),
            },
        }
    }

    pub(super) fn sides<'a>(&self, call: &'a Call) -> Sides<'a> {
        let nobody = || {
            let number = call.queue.map_or("", |queue| self.queues[queue].number);
            Identity { number: number.to_owned(), name: String::new(), device: String::new() }
        };
        Sides {
            call,
            from: self.identity(&call.from),
            to: call.to.as_ref().map_or_else(nobody, |to| self.identity(to)),
            now: self.wall(),
        }
    }

    pub(super) fn status(&self, index: usize) -> &'static str {
        let extension = &self.extensions[index];
        let mut calls = self.calls.values().filter_map(|call| Some((call, call.side_of(index)?)));
        match calls.next() {
            _ if !extension.registered => "offline",
            Some((call, _)) if call.held => "onhold",
            Some((call, outgoing)) if !call.answered && !outgoing => "ringing",
            Some(_) => "busy",
            None if extension.dnd => "dnd",
            None => "online",
        }
    }

    pub(super) fn extension_json(&self, index: usize) -> String {
        let extension = &self.extensions[index];
        let conversations = self.calls.values().filter_map(|call| {
            let outgoing = call.side_of(index)?;
            let queue = call.queue.map_or("", |queue| self.queues[queue].number);
            let conversation = self.sides(call).conversation(outgoing, queue);
            Some((conversation.id.clone(), conversation))
        });
        let websocket = extension.agent.starts_with("NethPhone");
        text(&ExtensionView {
            exten: &extension.number,
            name: extension.name,
            username: extension.username,
            status: self.status(index),
            ip: if extension.registered { format!("192.0.2.{}", 10 + index) } else { String::new() },
            port: if extension.registered { "5060" } else { "" },
            mac: format!("02:00:00:00:00:{:02x}", 10 + index),
            chan_type: "pjsip",
            sipuseragent: extension.agent,
            codecs: ["alaw", "g722"],
            context: "from-internal",
            use_websocket: websocket,
            dnd: extension.dnd,
            cf: &extension.forward,
            cfb: "",
            cfu: "",
            cf_vm: "",
            cfb_vm: "",
            cfu_vm: "",
            conversations: conversations.collect(),
        })
    }

    pub(super) fn trunk_json(&self, index: usize) -> String {
        let trunk = &self.trunks[index];
        let conversations = self.calls.values().filter(|call| call.trunk() == Some(index)).map(|call| {
            let conversation = self.sides(call).trunk_conversation(trunk.id);
            (conversation.id.clone(), conversation)
        });
        text(&TrunkView {
            exten: trunk.id,
            name: trunk.name,
            ip: "198.51.100.20",
            port: "5060",
            codecs: ["alaw"],
            status: if trunk.registered { "online" } else { "offline" },
            registration: if trunk.registered { "registered" } else { "unregistered" },
            chan_type: "pjsip",
            max_channels: 30,
            sipuseragent: "",
            conversations: conversations.collect(),
        })
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
            .zip(self.calls.values().filter(|call| call.is_waiting_in(index)))
            .map(|(position, call)| {
                let channel = self.sides(call).caller_channel();
                let caller = self.identity(&call.from);
                let waiting = json!({
                    "id": channel,
                    "channel": channel,
                    "num": caller.number,
                    "name": caller.name,
                    "queue": queue.number,
                    "position": i32::to_string(&position),
                    "waiting": (now - call.started) / 1000,
                    "waitingTime": call.started,
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
        let parked = self.calls.values().find_map(|call| {
            let (at, parker) = call.parked?;
            let parker = &self.extensions[parker];
            (at == slot).then(|| {
                let caller = self.identity(&call.from);
                json!({
                    "num": caller.number,
                    "name": caller.name,
                    "parking": parking,
                    "channel": self.sides(call).caller_channel(),
                    "timeout": 45,
                    "parkeeNum": parker.number,
                    "parkeeName": parker.name,
                })
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
