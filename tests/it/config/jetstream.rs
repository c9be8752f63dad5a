//! The keys of mode "jetstream": what is taken, and what is said of the rest.
#![cfg(feature = "nats")]

use cti_bridge::sink::nats::config::{Config, Mode};

use crate::support::config::{GOOD, Place};

fn jetstream(keys: &str) -> Place {
    Place::new(&format!("{GOOD}mode = \"jetstream\"\n{keys}\n[journal]\ndir = \"journal\"\n"))
}

#[test]
fn all_of_it_arrives() {
    let place = jetstream(
        "stream = \"phones_1\"\ncreate_stream = false\nstream_max_age = \"2years\"\nstream_max_bytes = \"8GiB\"\n\
         stream_replicas = 3\nadopt = \"abcdefghi7\"\ndomain = \"hub\"\ninbox_prefix = \"_INBOX_a.b\"\ntls_first = true",
    );
    let loaded = place.good();
    assert_eq!(loaded.warnings, [""; 0]);
    let sink = &loaded.config.sinks["bus"];
    assert_eq!(sink.adopt.unwrap().as_str(), "abcdefghi7");
    let config = sink.of::<Config>().unwrap();
    let stream = &config.stream;
    assert_eq!(config.mode, Mode::JetStream);
    assert_eq!((stream.name.as_deref(), stream.create, stream.replicas), (Some("phones_1"), false, 3));
    assert_eq!((stream.max_age, stream.max_bytes), (humantime::parse_duration("2years").ok(), 8 << 30));
    assert!(stream.fence && !stream.msg_id);
    assert_eq!((stream.domain.as_deref(), config.inbox_prefix.as_str()), (Some("hub"), "_INBOX_a.b"));
    assert!(config.tls_first && config.require_tls);
    let place = jetstream("stream_max_age = \"off\"");
    let config = place.good().config.sinks["bus"].of::<Config>().unwrap().clone();
    assert_eq!((config.stream.name, config.stream.max_age), (None, None));
}

#[test]
fn what_is_wrong_is_said_with_its_remedy() {
    for (keys, expected) in [
        ("domain = \"a.b\"", "domain: is not a JetStream domain: use 1 to 255 of A-Z a-z 0-9 - _"),
        ("inbox_prefix = \"_INBOX.\"", "inbox_prefix: is not a subject: write tokens with dots between"),
        ("inbox_prefix = \"a.>\"", "inbox_prefix: is not a subject"),
        ("dataschema = \"schemas/v1/\"", "dataschema: is not an absolute URI that ends with /"),
        (
            "dataschema = \"https://schemas.example.org/v1\"",
            "dataschema: is not an absolute URI that ends with /",
        ),
        (
            "dataschema = \"https://schemas.example.org/?v=1/\"",
            "dataschema: is not an absolute URI that ends with /",
        ),
        ("stream = \"a.b\"", "stream: is not a valid stream name: use 1 to 255 of A-Z a-z 0-9 - _"),
        (
            "stream_max_bytes = \"1000\"",
            "stream_max_bytes: is too little for a stream of events: write 1MiB or more",
        ),
        ("stream_max_age = \"1s\"", "write \"1m\" or more, or \"off\""),
        ("stream_max_age = \"11years\"", "stream_max_age: is more than ten years: write \"off\" to keep all"),
        ("stream_replicas = 0", "stream_replicas: must be from 1 to 5: write 1, or 3 for a cluster"),
        ("stream_replicas = -1", "stream_replicas: must be from 1 to 5"),
        ("adopt = \"ABC\"", "adopt: is not a journal's id: write the 10 characters of a-z 2-7"),
        (
            "subject = \"cti.{source}.{slug}\"",
            "subject: needs {class} as a token of its own in mode \"jetstream\"",
        ),
        ("subject = \"cti-{source}.{class}.{slug}\"", "subject: needs {source} as a token of its own"),
    ] {
        let problems = jetstream(keys).problems();
        assert!(problems.len() == 1 && problems[0].contains(expected), "{problems:?}");
    }
}

#[test]
fn a_weakened_guarantee_raises_a_warning() {
    let warnings = |place: Place| place.good().warnings;
    let told = warnings(jetstream("fence = false"));
    assert!(told.iter().any(|it| it.contains("fence: is off: events are stored at least once")), "{told:?}");
    assert!(told.iter().any(|it| it.contains("set `msg_id = true`")), "{told:?}");
    let told = warnings(jetstream("fence = false\nmsg_id = true"));
    assert_eq!(told.len(), 1, "{told:?}");
    let told = warnings(jetstream("msg_id = true"));
    assert!(told.len() == 1 && told[0].contains("costs about 30 % of the rate"), "{told:?}");
    let told = warnings(Place::new(&format!("{GOOD}stream = \"a\"\nfence = true\n")));
    assert!(
        told.len() == 2 && told.iter().all(|it| it.contains("has no effect in mode \"core\"")),
        "{told:?}"
    );
}
