//! Extensions, as the PBX shows them.

use std::collections::BTreeMap;

use serde::Serialize;

/// The whole state of an extension: what `extenUpdate` carries.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(clippy::struct_excessive_bools, reason = "the PBX's own fields")]
pub(super) struct Extension {
    pub(super) exten: String,
    pub(super) name: String,
    pub(super) username: String,
    pub(super) status: &'static str,
    pub(super) ip: String,
    pub(super) port: &'static str,
    pub(super) mac: &'static str,
    pub(super) chan_type: &'static str,
    #[serde(rename = "sipuseragent")]
    pub(super) user_agent: String,
    pub(super) codecs: Vec<&'static str>,
    pub(super) context: &'static str,
    pub(super) use_websocket: bool,
    pub(super) dnd: bool,
    pub(super) cf: &'static str,
    pub(super) cfb: &'static str,
    pub(super) cfu: &'static str,
    pub(super) cf_vm: &'static str,
    pub(super) cfb_vm: &'static str,
    pub(super) cfu_vm: &'static str,
    pub(super) conversations: BTreeMap<String, Conversation>,
}

/// One leg of a call.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(clippy::struct_excessive_bools, reason = "the PBX's own fields")]
pub(super) struct Conversation {
    pub(super) id: String,
    pub(super) owner: String,
    pub(super) direction: &'static str,
    pub(super) connected: bool,
    pub(super) duration: i64,
    pub(super) start_time: i64,
    pub(super) unique_id: String,
    pub(super) linked_id: String,
    pub(super) queue_id: String,
    pub(super) through_queue: bool,
    pub(super) through_trunk: bool,
    pub(super) in_conference: bool,
    /// Text: "false", "true" or "mute".
    pub(super) recording: &'static str,
    pub(super) counterpart_num: String,
    pub(super) counterpart_name: String,
    pub(super) ch_source: Option<Channel>,
    pub(super) ch_dest: Option<Channel>,
}

/// One end of a leg.
#[allow(clippy::struct_field_names, reason = "the PBX's own fields")]
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Channel {
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    pub(super) channel: String,
    pub(super) caller_num: String,
    pub(super) caller_name: String,
    pub(super) bridged_num: String,
    pub(super) bridged_name: String,
    pub(super) channel_status: &'static str,
    pub(super) in_conference: bool,
    pub(super) start_time: i64,
}

impl Extension {
    pub(super) fn new(exten: &str, name: &str, username: &str, host: u8, padding: usize) -> Self {
        Self {
            exten: exten.to_owned(),
            name: name.to_owned(),
            username: username.to_owned(),
            status: "online",
            ip: format!("192.0.2.{host}"),
            port: "5060",
            mac: "",
            chan_type: "pjsip",
            user_agent: format!("Yealink SIP-T46U 108.86.0.118{}", " ".repeat(padding)),
            codecs: vec!["alaw", "ulaw", "g722"],
            context: "from-internal",
            use_websocket: false,
            dnd: false,
            cf: "",
            cfb: "",
            cfu: "",
            cf_vm: "",
            cfb_vm: "",
            cfu_vm: "",
            conversations: BTreeMap::new(),
        }
    }
}
