//! Tests each finding alone.

use async_nats::jetstream::stream::{Source, SubjectTransform};

use super::*;

fn ours() -> Ours {
    Ours {
        stream: "S".to_owned(),
        subjects: ["cti.v1.a.event.>", "cti.v1.a.bridge.>", "cti.v1.a.call.>"].map(str::to_owned).into(),
        outside: ["cti.v1.a.status.>", "cti.v1.a.dlq.>", "cti.v1.a.replay.>"].map(str::to_owned).into(),
    }
}

fn good() -> Config {
    Config { name: "S".to_owned(), subjects: ours().subjects, ..Config::default() }
}

/// A change, whether it is fatal, and part of the sentence.
type Case = (fn(&mut Config), bool, &'static str);

const CASES: &[Case] = &[
    (|c| c.retention = RetentionPolicy::WorkQueue, true, "retention"),
    (|c| c.subjects.push("*.v1.a.event.x".to_owned()), true, "must not overlap"),
    (|c| c.retention = RetentionPolicy::Interest, true, "retention"),
    (|c| c.sealed = true, true, "sealed"),
    (|c| c.no_ack = true, true, "--ack"),
    (|c| c.mirror = Some(Source::default()), true, "mirror"),
    (
        |c| {
            c.subject_transform =
                Some(SubjectTransform { source: "a".to_owned(), destination: "b".to_owned() });
        },
        true,
        "subject_transform",
    ),
    (|c| c.subjects.truncate(1), true, "--subjects=cti.v1.a.event.>,cti.v1.a.bridge.>,cti.v1.a.call.>"),
    (|c| c.subjects = vec!["cti.v1.a.>".to_owned()], true, "cti.v1.a.status.>, cti.v1.a.dlq.>"),
    (|c| c.subjects.push("cti.v1.a.replay.>".to_owned()), true, "also accepts cti.v1.a.replay.>"),
    (|c| c.discard = DiscardPolicy::New, false, "--discard=old"),
    (|c| c.storage = StorageType::Memory, false, "memory"),
    (|c| c.persist_mode = Some(PersistenceMode::Async), false, "persist_mode"),
    (|c| c.max_bytes = 1 << 20, false, "64 MiB"),
    (|c| c.max_messages = 10, false, "100000"),
    (|c| c.max_age = Duration::from_mins(1), false, "only 1m, less than an hour"),
    (|c| c.max_messages_per_subject = 1, false, "--max-msgs-per-subject=-1"),
    (|c| c.sources = Some(vec![Source::default()]), false, "sources"),
    (|c| c.subjects.push("other.>".to_owned()), false, "also accepts other.>"),
];

#[test]
fn each_unsuitable_setting_is_found_with_its_remedy() {
    assert_eq!(findings(&good(), &ours()), []);
    for (change, fatal, part) in CASES {
        let mut config = good();
        change(&mut config);
        let found = findings(&config, &ours());
        assert!(
            found.iter().any(|finding| finding.fatal == *fatal && finding.sentence.contains(part)),
            "{part}: {found:?}"
        );
        assert!(*fatal || found.iter().all(|finding| !finding.fatal), "{part}: {found:?}");
        assert!(found.iter().all(|finding| finding.sentence.contains(": ")), "no remedy: {found:?}");
    }
}

#[test]
fn harmless_settings_are_not_reported() {
    let sources = Some(Vec::new());
    let config = Config {
        allow_rollup: true,
        max_bytes: 1 << 30,
        max_age: Duration::from_hours(24),
        num_replicas: 3,
        sources,
        ..good()
    };
    assert_eq!(findings(&config, &ours()), []);
}
