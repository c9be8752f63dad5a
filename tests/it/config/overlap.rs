//! Two sinks that write to the same place are refused, with the place of both.
#![cfg(all(feature = "nats", feature = "kafka"))]

use crate::support::config::Place;

const SOURCES: &str = "[sources.p1]\nurl = \"https://p1\"\nusername = \"u\"\npassword = \"p\"\n[sources.p2]\nurl = \"https://p2\"\nusername = \"u\"\npassword = \"p\"\n";

/// Sinks `a` and `b` of these lines. That of `a` begins at line 9 with its header.
fn place(a: &str, b: &str) -> Place {
    Place::new(&format!("{SOURCES}[sinks.a]\n{a}\n[sinks.b]\n{b}\n[journal]\ndir = \"journal\"\n"))
}

#[track_caller]
fn refused(a: &str, b: &str, expected: &str) {
    let problems = place(a, b).problems();
    assert!(problems.len() == 1 && problems[0].contains(expected), "{problems:#?}\nlacks {expected}");
}

#[track_caller]
fn accepted(a: &str, b: &str) -> Vec<String> {
    let place = place(a, b);
    let file = place.flags.config.clone().unwrap().display().to_string();
    place.good().warnings.iter().map(|warning| warning.replace(&file, "FILE")).collect()
}

fn kafka(lines: &str) -> String {
    format!("type = \"kafka\"\nallow_plaintext = true\n{lines}")
}

fn core(lines: &str) -> String {
    format!("type = \"nats\"\nallow_plaintext = true\n{lines}")
}

fn jetstream(lines: &str) -> String {
    core(&format!("mode = \"jetstream\"\n{lines}"))
}

#[test]
fn a_topic_of_events_has_one_sink() {
    refused(
        &kafka("brokers = [\"localhost:9092\", \"k1:9092\"]\ntopic = \"t\""),
        &kafka("brokers = [\"k2:9092\", \"127.0.0.1:9092\"]\ntopic = \"t\""),
        "FILE:18: sinks.b.topic: sinks.a (FILE:13) writes to the same topic, t, so every event would be stored twice: keep one \
         sink with all brokers of the cluster in `brokers`, or choose another topic",
    );
    // Nobody has set the topic: the tables are named.
    refused(&kafka(""), &kafka(""), "FILE:13: sinks.b.topic: sinks.a (FILE:9) writes to the same topic");
    refused(
        &kafka("topic = \"t\""),
        &kafka("topic = \"u\"\ndlq_topic = \"t\""),
        "sinks.b.dlq_topic: sinks.a (FILE:9) has t as its events topic",
    );
    refused(
        &kafka("topic = \"t\"\nstatus_topic = \"u\""),
        &kafka("topic = \"u\""),
        "sinks.b.topic: sinks.a (FILE:12) writes status, dead letters or replays to u",
    );
    // Status, dead letters and replays are shared.
    assert!(accepted(&kafka("topic = \"t\""), &kafka("topic = \"u\"")).is_empty());
    assert!(accepted(&kafka("brokers = [\"k1:9092\"]"), &kafka("brokers = [\"k2:9092\"]")).is_empty());
    assert!(accepted(&kafka("brokers = [\"k1:9092\"]"), &kafka("brokers = [\"k1:9093\"]")).is_empty());
}

#[test]
fn a_stream_has_one_sink() {
    refused(
        &jetstream(""),
        &jetstream("servers = [\"nats://LOCALHOST\"]\nsubject = \"x.{source}.{class}\""),
        "FILE:14: sinks.b.stream: sinks.a (FILE:9) writes to the same stream, cti-bridge, so the two would refuse each other's events",
    );
    refused(
        &jetstream("stream = \"s\""),
        &jetstream("stream = \"t\""),
        "sinks.b.subject: sinks.a (FILE:9) publishes to the same subjects, cti.v1.p1.event.*.*, so every event would arrive twice",
    );
    let apart = "stream = \"t\"\nsubject = \"x.{source}.{class}.{slug}\"";
    assert!(accepted(&jetstream(""), &jetstream(apart)).is_empty());
    assert!(accepted(&jetstream(""), &jetstream("servers = [\"nats://n2\"]")).is_empty());
    // The stream of `a` stores `x.p1.event.>`.
    refused(
        &jetstream("subject = \"x.{source}.{class}.{slug}\""),
        &jetstream("stream = \"t\"\nsubject = \"x.{source}.event.{class}.{slug}\""),
        "sinks.b.subject: sinks.a (FILE:13) has a stream that would also store messages published here, x.p1.event.event.*",
    );
}

#[test]
fn no_stream_stores_what_another_sink_publishes() {
    refused(
        &core(""),
        &core("servers = [\"nats://localhost:4222\", \"nats://n2\"]"),
        "sinks.b.subject: sinks.a (FILE:9) publishes to the same subjects, cti.v1.p1.event.*.*",
    );
    refused(
        &core("subject = \"cti.v1.{source}.event.{class}.x.{slug}\""),
        &jetstream(""),
        "sinks.b.subject: sinks.a (FILE:12) publishes to subjects that this stream would also store, cti.v1.p1.event.event.x.*",
    );
    refused(
        &jetstream(""),
        &core("subject = \"cti.v1.{source}.event.{class}.x.{slug}\""),
        "sinks.b.subject: sinks.a (FILE:9) has a stream that would also store messages published here",
    );
    assert!(accepted(&core("subject = \"x-{slug}\""), &core("subject = \"y-{slug}\"")).is_empty());
    assert!(accepted(&core(""), &jetstream("subject = \"js.{source}.{class}\"")).is_empty());
}

#[test]
fn users_of_nats_that_differ_may_be_of_accounts_that_do() {
    for b in [
        "username = \"u\"\npassword = \"p\"",
        "servers = [\"nats://planted:secret@127.0.0.1\"]",
        "token = \"planted\"",
    ] {
        let warnings = accepted(&core(""), &core(b));
        let warned = warnings.iter().any(|warning| {
            warning.contains("sinks.b.subject: sinks.a (FILE:9) publishes to the same subjects")
                && warning.ends_with("unless the two users belong to different accounts")
        });
        assert!(warned && !warnings.concat().contains("planted"), "{warnings:#?}");
    }
}

#[test]
fn standard_output_is_one_place() {
    refused(
        "type = \"stdout\"",
        "type = \"stdout\"\nformat = \"pretty\"",
        "FILE:12: sinks.b.type: sinks.a (FILE:10) writes to standard output too",
    );
    assert!(accepted("type = \"stdout\"", &core("")).is_empty());
}

/// A route of the sink before it.
fn route(sink: &str, subject: &str) -> String {
    format!("\n[[sinks.{sink}.routes]]\nmatch = {{ event = \"queueUpdate\" }}\nsubject = \"{subject}\"")
}

#[test]
fn routes_share_no_subjects_with_another_sink() {
    let apart = "stream = \"t\"\nsubject = \"x.{source}.{class}.{slug}\"";
    let moved =
        |sink: &str, more: &str| jetstream(&format!("{more}{}", route(sink, "wall.{source}.{entity}")));
    refused(
        &moved("a", ""),
        &moved("b", apart),
        "FILE:25: sinks.b.routes[0].subject: sinks.a (FILE:16) publishes to the same subjects, wall.p1.*, so every event would arrive twice",
    );
    refused(
        &jetstream(""),
        &core(&format!("subject = \"x.{{slug}}\"{}", route("b", "cti.v1.p1.event.{entity}"))),
        "FILE:20: sinks.b.routes[0].subject: sinks.a (FILE:9) has a stream that would also store messages published here, cti.v1.p1.event.*",
    );
    refused(
        &moved("a", ""),
        &core("subject = \"wall.{source}.{class}\""),
        "sinks.b.subject: sinks.a (FILE:16) publishes to the same subjects, wall.p1.event",
    );
    assert!(accepted(&moved("a", ""), &jetstream(apart)).is_empty());
}

#[test]
fn routes_stay_apart_from_what_their_sink_publishes_otherwise() {
    let own = |subject: &str| jetstream(&route("a", subject));
    let other = core("subject = \"x.{slug}\"");
    refused(
        &own("cti.v1.{source}.{slug}.x.{entity}"),
        &other,
        "FILE:16: sinks.a.routes[0].subject: overlaps with cti.v1.p1.status.*.*, where the sink publishes heartbeats, dead letters or \
         replays, which must stay out of the stream: choose another subject",
    );
    refused(
        &own("{entity}.v1.p1.event.{slug}"),
        &other,
        "FILE:16: sinks.a.routes[0].subject: overlaps with cti.v1.p1.event.>, where this sink publishes other events, so a stream or \
         subscription can't have both: choose another subject",
    );
    refused(
        &jetstream(&(route("a", "w.{entity}.x") + &route("a", "w.{source}.{slug}"))),
        &other,
        "FILE:19: sinks.a.routes[1].subject: overlaps with w.*.x",
    );
    // A subject within the stream's own is fine, and so are heartbeats beside it in core mode.
    assert!(accepted(&own("cti.v1.{source}.event.wall.{entity}"), &other).is_empty());
    assert!(accepted(&core(&route("a", "cti.v1.{source}.status.wall.{entity}")), &other).is_empty());
}

#[test]
fn only_nats_has_subjects() {
    refused(
        &kafka(&route("a", "wall.{entity}")),
        &core(""),
        "FILE:15: sinks.a.routes[0].subject: is for sinks of type \"nats\", and this one is of type \"kafka\": for another topic or file, \
         add another sink whose routes drop all other events",
    );
}
