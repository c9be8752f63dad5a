//! What a broker refuses, and whose fault that is: the message's own, or the place's.

use std::fmt;

use rdkafka::error::RDKafkaErrorCode as Code;

use super::{cause::Cause, config::Config};
use crate::{health::Trouble, sink::SinkError};

/// Why a message was not stored.
#[derive(Debug)]
pub(super) enum Refusal {
    /// It is too large.
    Size,
    /// The broker calls it, or another one of its batch, invalid.
    Invalid,
    /// Whatever message it is: with the remedy.
    Place(SinkError),
}

impl Refusal {
    /// Reads the code of a delivery report for this topic.
    pub(super) fn of(code: Code, topic: &str, cause: &Cause, config: &Config) -> Self {
        match code {
            Code::MessageSizeTooLarge => Self::Size,
            Code::InvalidRecord | Code::InvalidDifferentRecord => Self::Invalid,
            _ => Self::Place(failure(
                code,
                topic,
                format_args!("{topic} accepted no more ({code})"),
                (cause, config),
            )),
        }
    }

    /// Why a message that was refused by itself can't be stored.
    pub(super) fn reason(self, topic: &str) -> String {
        match self {
            Self::Size => {
                format!("it is larger than the topic accepts: raise `max.message.bytes` of {topic}")
            }
            Self::Invalid => "the broker calls the record invalid".to_owned(),
            Self::Place(error) => error.to_string(),
        }
    }
}

/// An error with the remedy; `what` is said of a code that has none of its own.
pub(super) fn failure(
    code: Code,
    topic: &str,
    what: fmt::Arguments<'_>,
    (cause, config): (&Cause, &Config),
) -> SinkError {
    let brokers = config.brokers.join(", ");
    match code {
        Code::TopicAuthorizationFailed | Code::ClusterAuthorizationFailed => SinkError::operator(
            Trouble::Permission,
            format!(
                "{brokers} does not let us write to {topic}: allow the account WRITE and DESCRIBE on the topics of the sink, and READ on that of events"
            ),
        ),
        Code::UnknownTopicOrPartition | Code::UnknownTopic | Code::UnknownPartition => SinkError::operator(
            Trouble::Setup,
            format!("{brokers} has no topic {topic} (any more): create it, or set `create_topics = true`"),
        ),
        Code::InvalidTimestamp => SinkError::operator(
            Trouble::Refused,
            format!(
                "{brokers} refuses the timestamps of what is written to {topic}: check the clock of this machine and those of \
             the brokers, and `message.timestamp.before.max.ms` and `message.timestamp.after.max.ms` of the topic"
            ),
        ),
        Code::PolicyViolation => SinkError::operator(
            Trouble::Refused,
            format!("a policy of {brokers} refuses what is written to {topic}"),
        ),
        // A broker's own answer; the client's codes are negative.
        _ if code as i32 > 0 => SinkError::again(
            Trouble::Refused,
            format!("{brokers} refuses what is written to {topic} ({code}): see the brokers' logs"),
        ),
        _ => cause.error(&what.to_string(), config),
    }
}

/// A batch of several messages was refused, and it is not known for which of them.
pub(super) fn batch(refusal: &Refusal, topic: &str, config: &Config, is_known: bool) -> SinkError {
    let brokers = config.brokers.join(", ");
    let Refusal::Size = refusal else {
        return SinkError::again(
            Trouble::Refused,
            format!(
                "{brokers} refuses a batch for {topic} as invalid: sending one message after another until it is known which one is"
            ),
        );
    };
    let unknown = if is_known {
        String::new()
    } else {
        format!("; allow the account DESCRIBE_CONFIGS on {topic}, so that its limit is known")
    };
    SinkError::again(
        Trouble::Refused,
        format!(
            "{brokers} refuses a batch for {topic} for its size: reading `max.message.bytes` again, and sending smaller batches{unknown}"
        ),
    )
}
