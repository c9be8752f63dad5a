//! Refused messages: whether the message itself is at fault, or the destination refuses any message.

use rdkafka::error::RDKafkaErrorCode as Code;

use super::{cause::Cause, config::Config};
use crate::{health::Trouble, sink::SinkError};

/// The reason why a message was not stored.
#[derive(Debug)]
pub(super) enum Refusal {
    /// The message is too large.
    TooLarge,
    /// The broker calls the message, or another one of its batch, invalid.
    Invalid,
    /// The destination refuses any message.
    Destination(SinkError),
}

impl Refusal {
    /// Classifies the code of a delivery report for this topic.
    pub(super) fn of(code: Code, topic: &str, cause: &Cause, config: &Config) -> Self {
        match code {
            Code::MessageSizeTooLarge => Self::TooLarge,
            Code::InvalidRecord | Code::InvalidDifferentRecord => Self::Invalid,
            _ => Self::Destination(failure(
                code,
                topic,
                &format!("{topic} accepts no more messages"),
                (cause, config),
            )),
        }
    }

    /// The reason why a message that was refused alone can't be stored.
    pub(super) fn reason(self, topic: &str) -> String {
        match self {
            Self::TooLarge => {
                format!("it is larger than the topic accepts: raise `max.message.bytes` of {topic}")
            }
            Self::Invalid => "the broker calls the record invalid".to_owned(),
            Self::Destination(error) => format!("{error:#}"),
        }
    }
}

/// Makes the error for a code, with its remedy. `what` describes the failure if the code has no description of its own.
pub(super) fn failure(code: Code, topic: &str, what: &str, (cause, config): (&Cause, &Config)) -> SinkError {
    let brokers = config.brokers.join(", ");
    let error = match code {
        Code::TopicAuthorizationFailed | Code::ClusterAuthorizationFailed => {
            SinkError::operator(Trouble::Permission, format!("{brokers} does not let us write to {topic}"))
                .remedy(
                    "allow the account WRITE and DESCRIBE on the sink's topics, and READ on the events topic",
                )
        }
        Code::UnknownTopicOrPartition | Code::UnknownTopic | Code::UnknownPartition => {
            SinkError::operator(Trouble::Setup, format!("{brokers} no longer has the topic {topic}"))
                .remedy("create it, or set `create_topics = true`")
        }
        Code::InvalidTimestamp => SinkError::operator(
            Trouble::Refused,
            format!("{brokers} refuses the timestamps of messages for {topic}"),
        )
        .remedy(
            "check the clocks of this machine and of the brokers, and `message.timestamp.before.max.ms` and \
                     `message.timestamp.after.max.ms` of the topic",
        ),
        Code::PolicyViolation => SinkError::operator(
            Trouble::Refused,
            format!("a policy of {brokers} refuses messages for {topic}"),
        )
        .remedy("see the brokers' logs"),
        // The broker's own answer: the client's codes are negative.
        _ if code as i32 > 0 => {
            SinkError::again(Trouble::Refused, format!("{brokers} refuses messages for {topic}"))
                .remedy("see the brokers' logs")
        }
        _ => match cause.known(what, config) {
            Some(error) => return error,
            None => cause.error(what, config),
        },
    };
    error.because(code)
}

/// Makes the error for a refused batch of several messages, of which it is not known which one is at fault.
pub(super) fn batch(
    code: Code,
    refusal: &Refusal,
    topic: &str,
    config: &Config,
    is_known: bool,
) -> SinkError {
    let brokers = config.brokers.join(", ");
    let error = |what: &str| {
        SinkError::again(Trouble::Refused, format!("{brokers} refuses a batch for {topic} {what}"))
            .because(code)
    };
    let Refusal::TooLarge = refusal else {
        return error("as invalid").remedy("sending single messages until the invalid one is found");
    };
    let error = error("as too large").remedy("reading `max.message.bytes` again and sending smaller batches");
    if is_known {
        return error;
    }
    error.remedy(format!("allow the account DESCRIBE_CONFIGS on {topic}, so that its limit is known"))
}
