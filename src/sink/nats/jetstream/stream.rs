//! Our stream: its subjects, its settings, and its creation.

use std::time::Duration;

use async_nats::jetstream::stream::{self, DiscardPolicy, RetentionPolicy, StorageType};
use serde_json::Value;

use super::{
    api::{Api, Info},
    findings::{Finding, findings, missing},
};
use crate::{
    health::Trouble,
    sink::{
        SinkError,
        nats::{
            config,
            subjects::{self, OUTSIDE, covers, filter},
        },
    },
};

/// The names of our stream and subjects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ours {
    pub(super) stream: String,
    /// The subjects that the stream must accept: events, bridge events and calls of each source, also while no calls are derived, and
    /// what routes move.
    pub(super) subjects: Vec<String>,
    /// The subjects that it must not accept, as they are outside of the order: status, dead letters and replays.
    pub(super) outside: Vec<String>,
}

impl Ours {
    pub(super) fn new(stream: String, config: &config::Config, sources: &[String]) -> Self {
        let outside = |source: &str, class: &str| filter(&config.subject, source, class);
        Self {
            stream,
            subjects: subjects::of_stream(config, sources),
            outside: subjects::all(sources, &OUTSIDE, outside),
        }
    }
}

/// The deduplication window of a stream with a fence. It is unused there, and a server reads it at its start: 0.04 to 0.8 s
/// instead of 2 s.
const NO_WINDOW: Duration = Duration::from_millis(100);
/// The deduplication window of a stream that uses message ids.
const WINDOW: Duration = Duration::from_mins(2);

/// Returns the settings of a new stream.
pub(super) fn desired(settings: &config::Stream, ours: &Ours) -> stream::Config {
    let max_age = settings.max_age.unwrap_or_default();
    let window = if settings.msg_id { WINDOW } else { NO_WINDOW };
    stream::Config {
        name: ours.stream.clone(),
        description: Some("Events of cti-bridge; nothing else may publish here".to_owned()),
        subjects: ours.subjects.clone(),
        storage: StorageType::File,
        retention: RetentionPolicy::Limits,
        discard: DiscardPolicy::Old,
        max_bytes: settings.max_bytes,
        max_messages: -1,
        max_messages_per_subject: -1,
        max_consumers: -1,
        max_age,
        duplicate_window: if max_age.is_zero() { window } else { window.min(max_age) },
        deny_delete: true,
        deny_purge: true,
        num_replicas: settings.replicas,
        ..stream::Config::default()
    }
}

/// Finds or creates the stream, adds missing subjects, and checks its settings. Returns it with its non-fatal findings.
pub(super) async fn prepare(
    api: &Api<'_>,
    settings: &config::Stream,
    ours: &Ours,
) -> Result<(Info, Vec<Finding>), SinkError> {
    let name = &ours.stream;
    let info = match api.info().await? {
        Some(info) => info,
        None if settings.create => {
            let info = api.create(&desired(settings, ours)).await?;
            tracing::info!(stream = name, "stream created");
            info
        }
        None => return Err(absent(api, ours)),
    };
    let info = if settings.create && !missing(&info.config, ours).is_empty() {
        widen(api, info, ours).await?
    } else {
        info
    };
    let (fatal, unwise): (Vec<_>, Vec<_>) =
        findings(&info.config, ours).into_iter().partition(|finding| finding.fatal);
    refuse(api, name, fatal)?;
    Ok((info, unwise))
}

fn absent(api: &Api<'_>, ours: &Ours) -> SinkError {
    let name = &ours.stream;
    SinkError::operator(
        Trouble::Setup,
        format!(
            "{} has no stream {name}, and `create_stream` is off: set `create_stream = true`, or run `nats stream add {name} --subjects={}`",
            api.connected.server,
            ours.subjects.join(",")
        ),
    )
}

/// As [`prepare`], without changing anything. Returns the stream, the subjects that would be added, and the findings; `None` if it
/// does not exist and would be created.
pub(super) async fn inspect(
    api: &Api<'_>,
    settings: &config::Stream,
    ours: &Ours,
) -> Result<Option<(Info, Vec<String>, Vec<Finding>)>, SinkError> {
    let Some(info) = api.info().await? else {
        return if settings.create { Ok(None) } else { Err(absent(api, ours)) };
    };
    let mut config = info.config.clone();
    let added = if settings.create { missing(&config, ours) } else { Vec::new() };
    if !added.is_empty() {
        config.subjects = widened(&config.subjects, &ours.subjects);
    }
    let (fatal, unwise): (Vec<_>, Vec<_>) =
        findings(&config, ours).into_iter().partition(|finding| finding.fatal);
    refuse(api, &ours.stream, fatal)?;
    Ok(Some((info, added, unwise)))
}

fn refuse(api: &Api<'_>, name: &str, fatal: Vec<Finding>) -> Result<(), SinkError> {
    if fatal.is_empty() {
        return Ok(());
    }
    let sentences: Vec<String> = fatal.into_iter().map(|finding| finding.sentence).collect();
    let server = &api.connected.server;
    Err(SinkError::operator(
        Trouble::Setup,
        format!("stream {name} at {server} can't be used: {}", sentences.join("; ")),
    ))
}

/// Adds our subjects, unless the stream is unusable for another reason.
async fn widen(api: &Api<'_>, info: Info, ours: &Ours) -> Result<Info, SinkError> {
    let mut wide = info.config.clone();
    wide.subjects = widened(&info.config.subjects, &ours.subjects);
    refuse(api, &ours.stream, findings(&wide, ours).into_iter().filter(|finding| finding.fatal).collect())?;
    let mut raw = info.raw;
    if let Some(subjects) = raw.get_mut("subjects") {
        *subjects = Value::from(wide.subjects);
    } else if let Some(table) = raw.as_object_mut() {
        table.insert("subjects".to_owned(), Value::from(wide.subjects));
    }
    let info = api.update(&raw).await?;
    tracing::info!(stream = ours.stream, "missing subjects added to the stream");
    Ok(info)
}

/// Merges both lists, without entries that another one covers: the server allows no overlap.
fn widened(have: &[String], want: &[String]) -> Vec<String> {
    let mut all: Vec<String> =
        have.iter().filter(|subject| !want.iter().any(|wanted| covers(wanted, subject))).cloned().collect();
    for wanted in want {
        if !all.iter().any(|subject| covers(subject, wanted)) {
            all.push(wanted.clone());
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_are_added_without_overlap() {
        let list = |subjects: &[&str]| subjects.iter().map(ToString::to_string).collect::<Vec<_>>();
        let want = list(&["a.event.>", "a.bridge.>"]);
        assert_eq!(widened(&[], &want), want);
        let have = list(&["a.event.x", "other", "a.bridge.>"]);
        assert_eq!(widened(&have, &want), ["other", "a.event.>", "a.bridge.>"]);
    }
}
