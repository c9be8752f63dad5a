//! A call as an extension and as a trunk show it.

use serde::Serialize;

use super::call::{Call, Identity, Leg, Party};

/// A call with the identities of both parties.
#[derive(Debug)]
pub(super) struct Sides<'a> {
    pub(super) call: &'a Call,
    pub(super) from: Identity,
    /// Without a device while nobody is called.
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
    ch_dest: Option<Channel>,
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
    ch_dest: Option<Channel>,
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
        let Self { call, from, to, .. } = self;
        let dest = if call.to.is_some() { call.dest.channel(&to.device) } else { String::new() };
        (call.source.channel(&from.device), dest)
    }

    /// The channels of the caller and of the called party; `None` while nobody is called.
    fn channels(&self) -> (Channel, Option<Channel>) {
        let (source, dest) = self.names();
        let up = self.call.answered;
        let channel = |r#type,
                       leg: Leg,
                       (own, channel): (&Identity, &str),
                       (other, bridged): (&Identity, &str),
                       status| {
            Channel {
                r#type,
                channel: channel.to_owned(),
                caller_num: own.number.clone(),
                caller_name: own.name.clone(),
                bridged_num: other.number.clone(),
                bridged_name: other.name.clone(),
                bridged_channel: if up { bridged.to_owned() } else { String::new() },
                channel_status: status,
                in_conference: false,
                start_time: leg.created,
            }
        };
        let (from, to) = ((&self.from, &*source), (&self.to, &*dest));
        // A caller in a queue or a parking hears music on an answered channel.
        let calling = if up || self.call.to.is_none() { "up" } else { "ring" };
        let called = if up { "up" } else { "ringing" };
        (
            channel("source", self.call.source, from, to, calling),
            self.call.to.is_some().then(|| channel("dest", self.call.dest, to, from, called)),
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
            unique_id: self.call.leg(outgoing).unique_id(),
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
