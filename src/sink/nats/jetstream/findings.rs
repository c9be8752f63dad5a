//! Checks the settings of an existing stream.

use std::time::Duration;

use async_nats::jetstream::stream::{Config, DiscardPolicy, PersistenceMode, RetentionPolicy, StorageType};

use super::stream::Ours;
use crate::{
    sink::nats::subjects::{are_entangled, covers, overlaps},
    text::PeerText,
};

/// An unsuitable setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Finding {
    /// The stream can't be used.
    pub(super) fatal: bool,
    /// The finding with its remedy, as a predicate of "the stream".
    pub(super) sentence: String,
}

/// Limits below these do not cover the outage of a consumer over a weekend.
const FEW_BYTES: i64 = 64 << 20;
const FEW_MESSAGES: i64 = 100_000;
const SHORT: Duration = Duration::from_hours(1);

/// Returns everything unsuitable about `config`.
pub(super) fn findings(config: &Config, ours: &Ours) -> Vec<Finding> {
    let mut findings = Vec::new();
    fatal(config, ours, |sentence| findings.push(Finding { fatal: true, sentence }));
    unwise(config, ours, |sentence| findings.push(Finding { fatal: false, sentence }));
    findings
}

fn fatal(config: &Config, ours: &Ours, mut find: impl FnMut(String)) {
    let name = &config.name;
    let recreate =
        format!("set `stream` to another one, or run `nats stream rm {name}` and let the bridge recreate it");
    if config.mirror.is_some() {
        find(format!("it is a mirror, which accepts no messages: {recreate}"));
        // The other settings are those of the mirrored stream.
        return;
    }
    match config.retention {
        RetentionPolicy::Limits => {}
        RetentionPolicy::Interest | RetentionPolicy::WorkQueue => {
            find(format!(
                "its retention is not `limits`, so its newest messages disappear once consumers have read them: {recreate}"
            ));
        }
    }
    if config.sealed {
        find(format!("it is sealed, so nothing can be added: {recreate}"));
    }
    if config.no_ack {
        find(format!("it does not acknowledge messages (`no_ack`): `nats stream edit {name} --ack`"));
    }
    if config.subject_transform.is_some() {
        find(format!("it renames subjects (`subject_transform`), so its end can't be read: {recreate}"));
    }
    let missing = missing(config, ours);
    if !missing.is_empty() {
        find(format!(
            "it does not accept {}: set `create_stream = true`, or `nats stream edit {name} --subjects={}`",
            missing.join(", "),
            config.subjects.iter().chain(&missing).map(String::as_str).collect::<Vec<_>>().join(",")
        ));
    }
    let entangled = config
        .subjects
        .iter()
        .find_map(|other| Some((other, ours.subjects.iter().find(|own| are_entangled(own, other))?)));
    if let Some((other, own)) = entangled {
        find(format!(
            "it accepts {}, which overlaps with {own}, and the subjects of a stream must not overlap: set another `subject`",
            PeerText::new(other)
        ));
    }
    let outside: Vec<&str> = ours
        .outside
        .iter()
        .filter(|out| config.subjects.iter().any(|it| overlaps(it, out)))
        .map(String::as_str)
        .collect();
    if !outside.is_empty() {
        find(format!(
            "it also accepts {}, which are not part of the order: `nats stream edit {name} --subjects={}`",
            PeerText::new(&outside.join(", ")),
            ours.subjects.join(",")
        ));
    }
}

fn unwise(config: &Config, ours: &Ours, mut find: impl FnMut(String)) {
    let name = &config.name;
    if config.discard == DiscardPolicy::New {
        find(format!(
            "it refuses new events when it is full, and delivery stalls: `nats stream edit {name} --discard=old`"
        ));
    }
    if config.storage == StorageType::Memory {
        find(
            "it is stored in memory, so a restart of the server empties it: recreate it with file storage"
                .to_owned(),
        );
    }
    if config.persist_mode == Some(PersistenceMode::Async) {
        find("it acknowledges before it has written to disk (`persist_mode: async`), so a crash of the server loses acknowledged events: recreate it without".to_owned());
    }
    if config.max_bytes > 0 && config.max_bytes < FEW_BYTES {
        find(format!(
            "it keeps only {} bytes, less than 64 MiB: `nats stream edit {name} --max-bytes=1GiB`",
            config.max_bytes
        ));
    }
    if config.max_messages > 0 && config.max_messages < FEW_MESSAGES {
        find(format!(
            "it keeps only {} messages, less than {FEW_MESSAGES}: `nats stream edit {name} --max-msgs=-1`",
            config.max_messages
        ));
    }
    if !config.max_age.is_zero() && config.max_age < SHORT {
        find(format!(
            "it keeps messages for only {}, less than an hour: `nats stream edit {name} --max-age=7d`",
            humantime::format_duration(config.max_age)
        ));
    }
    if config.max_messages_per_subject > 0 {
        find(format!(
            "it keeps only {} messages of each subject, so older ones disappear from the middle: `nats stream edit {name} --max-msgs-per-subject=-1`",
            config.max_messages_per_subject
        ));
    }
    if config.sources.as_ref().is_some_and(|sources| !sources.is_empty()) {
        find("it receives messages of other streams (`sources`), so its newest message may not be ours: give them a stream of their own".to_owned());
    }
    let foreign: Vec<&str> = config
        .subjects
        .iter()
        .filter(|subject| !ours.subjects.iter().any(|own| covers(own, subject)))
        .map(String::as_str)
        .collect();
    if !foreign.is_empty() {
        find(format!(
            "it also accepts {}, so its newest message may not be ours: unless a former route published there, `nats stream edit {name} --subjects={}`",
            PeerText::new(&foreign.join(", ")),
            ours.subjects.join(",")
        ));
    }
}

/// Returns our subjects that the stream does not accept.
pub(super) fn missing(config: &Config, ours: &Ours) -> Vec<String> {
    let taken = |own: &&String| config.subjects.iter().any(|subject| covers(subject, own));
    ours.subjects.iter().filter(|own| !taken(own)).cloned().collect()
}

#[cfg(test)]
#[path = "findings_tests.rs"]
mod tests;
