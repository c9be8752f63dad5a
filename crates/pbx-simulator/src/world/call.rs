//! A call, and the conversations that an extension and a trunk show of it.

use serde::Serialize;

/// One end of a call.
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

/// A call from its first ring to its end. Times are Unix milliseconds.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) id: u32,
    pub(super) from: Party,
    /// `None` while the caller waits in a queue or is parked.
    pub(super) to: Option<Party>,
    pub(super) started: i64,
    pub(super) answered: bool,
    pub(super) held: bool,
    pub(super) queue: Option<usize>,
    /// The parking slot, and the extension that parked the call.
    pub(super) parked: Option<(usize, usize)>,
}

/// Number and name of a party.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) number: String,
    pub(super) name: String,
    /// The device after which its channels are named.
    pub(super) device: String,
}

impl Call {
    pub(super) fn is_waiting_in(&self, queue: usize) -> bool {
        self.queue == Some(queue) && !self.answered
    }

    /// Returns whether the extension is the caller; `None` if it is not in the call.
    pub(super) fn side_of(&self, extension: usize) -> Option<bool> {
        let here = Party::Extension(extension);
        if self.from == here { Some(true) } else { (self.to.as_ref() == Some(&here)).then_some(false) }
    }

    pub(super) fn trunk(&self) -> Option<usize> {
        [Some(&self.from), self.to.as_ref()].into_iter().flatten().find_map(|party| match party {
            Party::Outside { trunk, .. } => Some(*trunk),
            Party::Extension(_) => None,
        })
    }

    pub(super) fn extensions(&self) -> impl Iterator<Item = usize> {
        [Some(&self.from), self.to.as_ref()].into_iter().flatten().filter_map(|party| match party {
            Party::Extension(extension) => Some(*extension),
            Party::Outside { .. } => None,
        })
    }

    /// Returns the linked id in Asterisk's form: Unix seconds and a serial number.
    pub(super) fn linked_id(&self) -> String {
        format!("{}.{}", self.started / 1000, self.id * 2)
    }
}

/// A call with the identities of both parties.
#[derive(Debug)]
pub(super) struct Sides<'a> {
    pub(super) call: &'a Call,
    pub(super) from: Identity,
    pub(super) to: Identity,
    /// Unix milliseconds.
    pub(super) now: i64,
}

/// A conversation of an extension.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(clippy::struct_excessive_bools, reason = "the server's own names and flags")]
pub(super) struct Conversation {
    pub(super) id: String,
    owner: String,
    direction: &'static str,
    connected: bool,
    duration: i64,
    start_time: i64,
    unique_id: String,
    linked_id: String,
    queue_id: &'static str,
    through_queue: bool,
    through_trunk: bool,
    in_conference: bool,
    recording: &'static str,
    counterpart_num: String,
    counterpart_name: String,
    ch_source: Channel,
    ch_dest: Channel,
}

/// A conversation of a trunk.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TrunkConversation {
    pub(super) id: String,
    owner: &'static str,
    direction: &'static str,
    duration: i64,
    recording: &'static str,
    through_queue: bool,
    internal_num: String,
    internal_name: String,
    external_num: String,
    external_name: String,
    ch_source: Channel,
    ch_dest: Channel,
}

/// One channel of a conversation.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(clippy::struct_field_names, reason = "the server's own names and flags")]
struct Channel {
    r#type: &'static str,
    channel: String,
    caller_num: String,
    caller_name: String,
    bridged_num: String,
    bridged_name: String,
    bridged_channel: String,
    channel_status: &'static str,
    in_conference: bool,
    start_time: i64,
}

impl Sides<'_> {
    fn names(&self) -> (String, String) {
        let id = self.call.id;
        let channel = |device: &str, number| format!("PJSIP/{device}-{number:08x}");
        (channel(&self.from.device, id * 2), channel(&self.to.device, id * 2 + 1))
    }

    fn channels(&self) -> (Channel, Channel) {
        let (source, dest) = self.names();
        let up = self.call.answered;
        let channel =
            |r#type, own: &Identity, channel: &str, other: &Identity, bridged: &str, status| Channel {
                r#type,
                channel: channel.to_owned(),
                caller_num: own.number.clone(),
                caller_name: own.name.clone(),
                bridged_num: other.number.clone(),
                bridged_name: other.name.clone(),
                bridged_channel: if up { bridged.to_owned() } else { String::new() },
                channel_status: status,
                in_conference: false,
                start_time: self.call.started,
            };
        (
            channel("source", &self.from, &source, &self.to, &dest, if up { "up" } else { "ring" }),
            channel("dest", &self.to, &dest, &self.from, &source, if up { "up" } else { "ringing" }),
        )
    }

    fn id(&self) -> String {
        let (source, dest) = self.names();
        format!("{source}>{dest}")
    }

    /// Returns the conversation of the caller's extension (`outgoing`) or of the called one.
    pub(super) fn conversation(&self, outgoing: bool, queue_id: &'static str) -> Conversation {
        let (own, other) = if outgoing { (&self.from, &self.to) } else { (&self.to, &self.from) };
        let (ch_source, ch_dest) = self.channels();
        Conversation {
            id: self.id(),
            owner: own.number.clone(),
            direction: if outgoing { "out" } else { "in" },
            connected: self.call.answered,
            duration: (self.now - self.call.started) / 1000,
            start_time: self.call.started,
            unique_id: self.call.linked_id(),
            linked_id: self.call.linked_id(),
            queue_id,
            through_queue: self.call.queue.is_some(),
            through_trunk: self.call.trunk().is_some(),
            in_conference: false,
            recording: "false",
            counterpart_num: other.number.clone(),
            counterpart_name: other.name.clone(),
            ch_source,
            ch_dest,
        }
    }

    /// Returns the conversation of the trunk.
    pub(super) fn trunk_conversation(&self, trunk: &'static str) -> TrunkConversation {
        let incoming = matches!(self.call.from, Party::Outside { .. });
        let (inside, outside) = if incoming { (&self.to, &self.from) } else { (&self.from, &self.to) };
        let (ch_source, ch_dest) = self.channels();
        TrunkConversation {
            id: self.id(),
            owner: trunk,
            direction: if incoming { "in" } else { "out" },
            duration: (self.now - self.call.started) / 1000,
            recording: "false",
            through_queue: self.call.queue.is_some(),
            internal_num: inside.number.clone(),
            internal_name: inside.name.clone(),
            external_num: outside.number.clone(),
            external_name: outside.name.clone(),
            ch_source,
            ch_dest,
        }
    }

    /// Returns the caller's channel, which identifies a caller in a queue.
    pub(super) fn caller_channel(&self) -> String {
        self.names().0
    }
}
