//! The answers of the server, and the reaction to each: one table for all errors.

use async_nats::{Message, StatusCode};
use serde::Deserialize;

use crate::{health::Trouble, sink::SinkError, text::PeerText};

/// An error of JetStream (<https://github.com/nats-io/nats-server/blob/main/server/errors.json>).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Fault {
    #[serde(default)]
    pub(super) code: u16,
    #[serde(default)]
    pub(super) err_code: u32,
    #[serde(default)]
    pub(super) description: PeerText,
}

/// The answer to a message.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Stored {
        stream: String,
        seq: u64,
    },
    Failed(Fault),
    /// No stream has this subject.
    NoResponders,
    Unreadable,
}

/// The required reaction to an error.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Disposition {
    /// Reconnect soon.
    Again(&'static str),
    /// An operator must fix the cause, as described.
    Operator(&'static str),
    /// The message itself can't be stored.
    Refused(&'static str),
}

impl Answer {
    pub(super) fn read(message: &Message) -> Self {
        #[derive(Deserialize)]
        struct Raw {
            error: Option<Fault>,
            #[serde(default)]
            stream: String,
            #[serde(default)]
            seq: u64,
        }
        if message.status == Some(StatusCode::NO_RESPONDERS) {
            return Self::NoResponders;
        }
        match serde_json::from_slice(&message.payload) {
            Ok(Raw { error: Some(fault), .. }) => Self::Failed(fault),
            Ok(Raw { error: None, stream, seq }) => Self::Stored { stream, seq },
            Err(_) => Self::Unreadable,
        }
    }
}

impl Fault {
    /// Returns true if the fence rejected a message.
    pub(super) fn is_wrong_sequence(&self) -> bool {
        self.err_code == 10071
    }

    /// Returns the reaction to the error.
    pub(super) fn disposition(&self) -> Disposition {
        use Disposition::{Again, Operator, Refused};
        match self.err_code {
            // Normal after a failure: a message before it is missing, or was stored by an old connection.
            10071 => Again("the stream continues after another message"),
            // Too many messages are queued in the server.
            10167 => Again("the server is busy: sending fewer messages at once"),
            // No leader, an incomplete cluster, a changing raft group.
            10004 | 10008 | 10041 => {
                Again("the stream has no leader: check that enough servers of the cluster are up")
            }
            // A message of a batch was lost, or the stream was deleted meanwhile: the next link finds out.
            10037 | 10059 | 10063 => Again("the stream was changed"),
            // `maximum bytes exceeded`, `maximum messages exceeded`, and the like, with the policy `new`.
            10077 => {
                Operator("the stream is full: raise its limits, or let it drop the oldest (`discard: old`)")
            }
            10054 => Refused("raise max_msg_size of the stream"),
            10060 => Operator("the subject belongs to another stream: check `stream` and `subject`"),
            10109 => Operator("unseal the stream, or choose another one with `stream`"),
            10002 | 10023 | 10028 | 10047 => {
                Operator("lower `stream_max_bytes`, or give JetStream and the account more storage")
            }
            10005 | 10074 => Operator("lower `stream_replicas`, or add servers to the cluster"),
            10035 | 10039 | 10076 => Operator("enable JetStream for the server and for the account"),
            10065 => Operator(
                "another stream has these subjects: set `stream` to it, remove them from it, or set another `subject`",
            ),
            10027 => Operator("raise the account's stream limit, or set `stream` to an existing one"),
            10058 => Again("another client has just created the stream"),
            _ => Again("see the server's log"),
        }
    }

    /// Makes the error for a call: `what` the server can't do.
    pub(super) fn error(&self, server: &str, what: &str) -> SinkError {
        let Self { code, err_code, description } = self;
        let what = format!("{server} can't {what} ({code}/{err_code} {description})");
        match self.disposition() {
            Disposition::Again(remedy) => {
                SinkError::again(Trouble::Code(i64::from(*err_code)), format!("{what}: {remedy}"))
            }
            Disposition::Operator(remedy) | Disposition::Refused(remedy) => {
                SinkError::operator(Trouble::Code(i64::from(*err_code)), format!("{what}: {remedy}"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(payload: &'static str, status: Option<StatusCode>) -> Answer {
        Answer::read(&Message {
            subject: "s".into(),
            reply: None,
            payload: payload.into(),
            headers: None,
            status,
            description: None,
            length: 0,
        })
    }

    #[test]
    fn answers_are_classified() {
        let stored = answer(r#"{"stream":"S","seq":7,"domain":"x"}"#, None);
        assert_eq!(stored, Answer::Stored { stream: "S".to_owned(), seq: 7 });
        assert_eq!(answer("", Some(StatusCode::NO_RESPONDERS)), Answer::NoResponders);
        assert_eq!(answer("+OK", None), Answer::Unreadable);
        let failed = answer(
            r#"{"error":{"code":400,"err_code":10071,"description":"wrong"},"stream":"S","seq":0}"#,
            None,
        );
        let is_again = |fault: &Fault| matches!(fault.disposition(), Disposition::Again(_));
        assert!(matches!(failed, Answer::Failed(fault) if is_again(&fault)));
    }

    #[test]
    fn an_unknown_error_is_tried_again_with_the_servers_text() {
        let fault = Fault { code: 500, err_code: 19999, description: PeerText::new("a new one") };
        let error = fault.error("nats://a", "store an event in stream S");
        assert!(matches!(error, SinkError::Again(_)));
        assert!(error.to_string().contains("500/19999 a new one"), "{error}");
    }

    #[test]
    fn errors_for_an_operator_have_a_remedy() {
        for (code, remedy) in
            [(10077, "discard"), (10047, "storage"), (10074, "stream_replicas"), (10065, "subjects")]
        {
            let fault = Fault { code: 500, err_code: code, description: PeerText::default() };
            let error = fault.error("nats://a", "store");
            assert!(matches!(error, SinkError::Operator(_)) && error.to_string().contains(remedy), "{error}");
        }
    }
}
