//! Mailboxes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The number of new messages in one mailbox.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NewVoiceMessageCounter {
    /// The mailbox, named after its extension.
    pub voicemail: String,
    /// Number of new messages. A number as a string; some paths of the PBX send a number.
    pub counter: Value,
}

/// The numbers of new and old messages in one mailbox, for the users of that mailbox.
pub type UpdateNewVoiceMessages = BTreeMap<String, MailboxCounters>;

/// The counters of the mailbox.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MailboxCounters {
    /// Number of new messages. A number as a string.
    pub inbox: String,
    /// Number of messages already heard. A number as a string.
    pub old: String,
}
