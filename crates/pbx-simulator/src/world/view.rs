//! The JSON of extensions and trunks. Events and snapshots share it, so they cannot disagree.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{
    World,
    channel::{Channel, Identity, Party, Place},
    conversation::{Conversation, Side, Sides, TrunkConversation},
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
        let (number, name) = match party {
            Party::Extension(index) => {
                let extension = &self.extensions[*index];
                (extension.number.clone(), extension.name.to_owned())
            }
            Party::Outside { number, name, .. } => (number.clone(), name.clone()),
        };
        Identity { number, name }
    }

    /// Returns a channel's name: the device of its owner, and its number.
    pub(super) fn channel_name(&self, channel: &Channel) -> String {
        format!("PJSIP/{}-{:08x}", self.device(&channel.owner), channel.id.number)
    }

    /// Returns the number of an extension, or the id of a trunk.
    fn device(&self, owner: &Party) -> &str {
        match owner {
            Party::Extension(index) => &self.extensions[*index].number,
            Party::Outside { trunk, .. } => self.trunks[*trunk].id,
        }
    }

    /// Returns the conversation that a channel stands for.
    fn sides<'a>(&'a self, own: &'a Channel) -> Sides<'a> {
        let side = |channel: &'a Channel| Side {
            channel: Some(channel),
            identity: self.shown(self.identity(&channel.owner)),
            name: self.channel_name(channel),
        };
        let nobody =
            || Side { channel: None, identity: self.shown(own.dialled.clone()), name: String::new() };
        // The number is that of the connected line, whichever partner is shown.
        let is_guess = self.quirks.guesses && own.bridge.is_none();
        let other = |channel: &'a Channel| Side {
            identity: if is_guess { nobody().identity } else { side(channel).identity },
            ..side(channel)
        };
        let is_music = matches!(own.place, Some(Place::Queue(_))) && self.quirks.is_music_connected;
        let is_alone = own.is_in_conference && own.is_up;
        Sides {
            owner: self.device(&own.owner),
            own: side(own),
            other: self.partner(own).map_or_else(nobody, other),
            queue: own.queue.map_or("", |queue| self.queues[queue].number),
            is_flipped: self.quirks.flips && self.dice(own, 1).is_multiple_of(3),
            is_swapped: self.quirks.swaps,
            is_own_start: self.quirks.is_own_start,
            is_blind: self.quirks.is_blind && !self.dice(own, 2).is_multiple_of(3),
            now: self.wall(),
            is_connected: own.bridge.is_some() || is_music || is_alone,
        }
    }

    /// The extension's channels.
    pub(super) fn channels_of(&self, index: usize) -> impl Iterator<Item = &Channel> {
        self.channels.values().filter(move |channel| channel.owner == Party::Extension(index))
    }

    pub(super) fn status(&self, index: usize) -> &'static str {
        let extension = &self.extensions[index];
        let has = |wanted: fn(&Channel) -> bool| self.channels_of(index).any(wanted);
        let is_ringing = has(|channel| !channel.is_up && !channel.is_caller);
        let is_talking = has(|channel| (channel.is_up || channel.is_caller) && !channel.is_holding);
        let is_holding = has(|channel| channel.is_holding);
        match (is_ringing, is_talking, is_holding) {
            _ if !extension.registered => "offline",
            (_, talking, true) if self.quirks.is_hold_first || !talking => "onhold",
            (true, true, _) => "busy_ringing",
            (true, false, _) => "ringing",
            (false, true, _) => "busy",
            _ if extension.dnd => "dnd",
            _ => "online",
        }
    }

    pub(super) fn extension_json(&self, index: usize) -> String {
        let extension = &self.extensions[index];
        let conversations = self.channels_of(index).filter_map(|channel| {
            let conversation = self.sides(channel).conversation()?;
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
        let is_here =
            |channel: &&Channel| matches!(channel.owner, Party::Outside { trunk, .. } if trunk == index);
        let conversations = self.channels.values().filter(is_here).map(|channel| {
            let conversation = self.sides(channel).trunk_conversation();
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
}
