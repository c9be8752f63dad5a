//! A call as an extension and as a trunk show it.

use serde::Serialize;

use super::channel::Identity;

/// A channel and its partner, with their identities.
#[derive(Debug)]
#[allow(clippy::struct_excessive_bools, reason = "independent habits of a server")]
pub(super) struct Sides<'a> {
    /// Number of the extension, or id of the trunk.
    pub(super) owner: &'a str,
    pub(super) own: Side<'a>,
    /// The partner; a side without a channel is only shown as a counterpart.
    pub(super) other: Side<'a>,
    pub(super) queue: &'static str,
    /// The sides of the id are swapped.
    pub(super) is_flipped: bool,
    /// If so, the channels are swapped as well.
    pub(super) is_swapped: bool,
    /// The conversation is as old as the owner's channel.
    pub(super) is_own_start: bool,
    /// The server does not know the channels.
    pub(super) is_blind: bool,
    /// Unix milliseconds.
    pub(super) now: i64,
    pub(super) is_connected: bool,
}

/// One side of a conversation.
#[derive(Debug)]
pub(super) struct Side<'a> {
    pub(super) channel: Option<&'a super::channel::Channel>,
    pub(super) identity: Identity,
    /// Name of the channel; empty without one.
    pub(super) name: String,
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
    ch_source: Option<Channel>,
    ch_dest: Option<Channel>,
}

/// A conversation of a trunk.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TrunkConversation {
    pub(super) id: String,
    owner: String,
    direction: &'static str,
    duration: i64,
    recording: &'static str,
    through_queue: bool,
    internal_num: String,
    internal_name: String,
    external_num: String,
    external_name: String,
    ch_source: Option<Channel>,
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
    fn is_caller(&self) -> bool {
        self.own.channel.is_some_and(|channel| channel.is_caller)
    }

    /// The calling and the called side.
    fn ordered(&self) -> (&Side<'_>, &Side<'_>) {
        if self.is_caller() { (&self.own, &self.other) } else { (&self.other, &self.own) }
    }

    /// The calling and the called channel; `None` where there is none, or none is known.
    fn channels(&self) -> (Option<Channel>, Option<Channel>) {
        let (mut source, mut dest) = self.ordered();
        if self.is_flipped && self.is_swapped {
            (source, dest) = (dest, source);
        }
        let show = |r#type, side: &Side<'_>, other: &Side<'_>| {
            let channel = side.channel.filter(|_| !self.is_blind)?;
            let is_bridged = channel.bridge.is_some();
            Some(Channel {
                r#type,
                channel: side.name.clone(),
                caller_num: side.identity.number.clone(),
                caller_name: side.identity.name.clone(),
                bridged_num: other.identity.number.clone(),
                bridged_name: other.identity.name.clone(),
                bridged_channel: if is_bridged { other.name.clone() } else { String::new() },
                channel_status: match (channel.is_up, channel.is_caller) {
                    (true, _) => "up",
                    (false, true) => "ring",
                    (false, false) => "ringing",
                },
                in_conference: channel.is_in_conference,
                start_time: channel.id.created,
            })
        };
        (show("source", source, dest), show("dest", dest, source))
    }

    fn id(&self) -> String {
        let (source, dest) = self.ordered();
        let (source, dest) = (&source.name, &dest.name);
        if self.is_flipped { format!("{dest}>{source}") } else { format!("{source}>{dest}") }
    }

    /// When the conversation began: the calling channel's time.
    fn started(&self) -> i64 {
        let (source, dest) = self.ordered();
        let own = self.own.channel.filter(|_| self.is_own_start);
        own.or(source.channel).or(dest.channel).map_or(self.now, |channel| channel.id.created)
    }

    /// Returns the conversation of the extension that owns the channel; `None` without a channel.
    pub(super) fn conversation(&self) -> Option<Conversation> {
        let own = self.own.channel?;
        let (ch_source, ch_dest) = self.channels();
        Some(Conversation {
            id: self.id(),
            owner: self.owner.to_owned(),
            direction: if own.is_caller { "out" } else { "in" },
            connected: self.is_connected,
            duration: (self.now - self.started()) / 1000,
            start_time: self.started(),
            unique_id: own.id.unique_id(),
            linked_id: own.linked.unique_id(),
            queue_id: self.queue,
            through_queue: !self.queue.is_empty(),
            through_trunk: self.other.channel.is_some_and(|other| other.owner.extension().is_none()),
            in_conference: own.is_in_conference,
            recording: "false",
            counterpart_num: self.other.identity.number.clone(),
            counterpart_name: self.other.identity.name.clone(),
            ch_source,
            ch_dest,
        })
    }

    /// Returns the conversation of the trunk that owns the channel.
    pub(super) fn trunk_conversation(&self) -> TrunkConversation {
        let (ch_source, ch_dest) = self.channels();
        TrunkConversation {
            id: self.id(),
            owner: self.owner.to_owned(),
            direction: if self.is_caller() { "in" } else { "out" },
            duration: (self.now - self.started()) / 1000,
            recording: "false",
            through_queue: !self.queue.is_empty(),
            internal_num: self.other.identity.number.clone(),
            internal_name: self.other.identity.name.clone(),
            external_num: self.own.identity.number.clone(),
            external_name: self.own.identity.name.clone(),
            ch_source,
            ch_dest,
        }
    }
}
