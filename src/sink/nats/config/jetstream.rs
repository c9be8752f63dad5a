//! The keys that hold in mode "jetstream".

use super::{Mode, Stream, Table};
use crate::{
    config::Section,
    route::template::{Template, Values},
};

const KEYS: &[&str] = &[
    "stream",
    "domain",
    "create_stream",
    "stream_max_age",
    "stream_max_bytes",
    "stream_replicas",
    "fence",
    "msg_id",
    "adopt",
];

/// The smallest stream: a smaller one holds only minutes of a busy PBX, so it is probably a wrong unit.
const LEAST_BYTES: usize = 1 << 20;

/// The stream's settings; problems are reported to `section`.
pub(super) fn stream(table: &Table, subject: Option<&Template>, section: &mut Section<'_>) -> Stream {
    if table.mode == Mode::Core {
        for key in KEYS.iter().filter(|key| section.is_set(key)).collect::<Vec<_>>() {
            section.warn(key, "has no effect in mode \"core\": set `mode = \"jetstream\"`, or remove it");
        }
    } else {
        check(table, section);
        if let Some(subject) = subject {
            check_subject(subject, section);
        }
    }
    Stream {
        name: table.stream.clone(),
        domain: table.domain.clone(),
        create: table.create_stream,
        max_age: table.stream_max_age.0,
        max_bytes: i64::try_from(table.stream_max_bytes.0).unwrap_or(i64::MAX),
        replicas: usize::try_from(table.stream_replicas).unwrap_or(1),
        fence: table.fence,
        msg_id: table.msg_id,
        ignored: Vec::new(),
    }
}

fn check(table: &Table, section: &mut Section<'_>) {
    let legal = |name: &str| {
        matches!(name.len(), 1..=255)
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
    };
    if table.stream.as_deref().is_some_and(|name| !legal(name)) {
        section.problem("stream", "is not a valid stream name: use 1 to 255 of A-Z a-z 0-9 - _");
    }
    if table.domain.as_deref().is_some_and(|domain| !legal(domain)) {
        section.problem("domain", "is not a JetStream domain: use 1 to 255 of A-Z a-z 0-9 - _");
    }
    if table.stream_max_bytes.0 < LEAST_BYTES {
        section.problem("stream_max_bytes", "is too little for a stream of events: write 1MiB or more");
    }
    if table.stream_max_age.0.is_some_and(|age| age.as_secs() < 60) {
        section.problem(
            "stream_max_age",
            "is too short for anyone to read the stream: write \"1m\" or more, or \"off\"",
        );
    }
    if !(1..=5).contains(&table.stream_replicas) {
        section.problem("stream_replicas", "must be from 1 to 5: write 1, or 3 for a cluster");
    }
    match (table.fence, table.msg_id) {
        (true, true) => section.warn(
            "msg_id",
            "adds nothing to the fence, and costs about 30 % of the rate: remove it, or set `fence = false` if others write to the stream",
        ),
        (true, false) => {}
        (false, msg_id) => {
            section.warn(
                "fence",
                "is off: events are stored at least once, and their order is best effort: set `fence = true` unless others write to the stream",
            );
            if !msg_id {
                section.warn(
                    "msg_id",
                    "is off, and so is `fence`: the server stores again what is sent again: set `msg_id = true`",
                );
            }
        }
    }
}

/// Status and dead letters must stay out of the stream, and a source's events be distinct from another's: only complete
/// tokens can do that, as a stream's subjects know no other wildcards.
fn check_subject(subject: &Template, section: &mut Section<'_>) {
    // Marks that no template's text can hold.
    let rendered = subject.render(Values { source: "<source>", class: "<class>", slug: "*", entity: "*" });
    for name in ["source", "class"] {
        if !rendered.split('.').any(|token| token == format!("<{name}>")) {
            section.problem(
                "subject",
                format!("needs {{{name}}} as a token of its own in mode \"jetstream\": write cti.v1.{{source}}.{{class}}.{{slug}}.{{entity}}"),
            );
        }
    }
}
