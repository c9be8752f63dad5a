//! Two Kafka sinks on one cluster: they may share all topics except for the events topic.

use super::config::Config;
use crate::sink::overlap::{Overlap, host};

/// Finds the topic that both write to, if they must not share it.
pub(super) fn find(first: &Config, second: &Config) -> Option<Overlap> {
    let known: Vec<String> = first.brokers.iter().map(|broker| normal(broker)).collect();
    if !second.brokers.iter().any(|broker| known.contains(&normal(broker))) {
        return None;
    }
    let (ours, theirs) = (&first.topics, &second.topics);
    let overlap =
        |key, what, remedy| Some(Overlap { keys: Overlap::both(key), what, remedy, is_possible: false });
    if ours.events == theirs.events {
        return overlap(
            "topic",
            format!("writes to the same topic, {}, so every event would be stored twice", ours.events),
            "keep one sink with all brokers of the cluster in `brokers`, or choose another topic",
        );
    }
    let others = [
        ("status_topic", &theirs.status),
        ("dlq_topic", &theirs.dead_letters),
        ("replay_topic", &theirs.replay),
    ];
    if let Some((key, topic)) = others.into_iter().find(|(_, topic)| **topic == ours.events) {
        return overlap(
            key,
            format!("has {topic} as its events topic, which must hold nothing else"),
            "choose another topic",
        );
    }
    [&ours.status, &ours.dead_letters, &ours.replay].contains(&&theirs.events).then(|| Overlap {
        keys: Overlap::both("topic"),
        what: format!(
            "writes status, dead letters or replays to {}, and an events topic must hold nothing else",
            theirs.events
        ),
        remedy: "choose another topic",
        is_possible: false,
    })
}

/// Returns a broker's address in a comparable form.
fn normal(broker: &str) -> String {
    let (name, port) = broker.rsplit_once(':').unwrap_or((broker, ""));
    format!("{}:{port}", host(name))
}
