//! Calls that the real binary derives, in a topic and in a stream, in both content modes.
#![cfg(all(feature = "nats", feature = "kafka"))]

use std::{path::Path, time::Duration};

use async_nats::{
    HeaderMap,
    jetstream::{self, consumer::pull::OrderedConfig},
};
use calls::{Step, invariants::Checker};
use futures_util::StreamExt as _;
use rdkafka::{
    ClientConfig,
    message::{Header, Headers as _, Message as _, OwnedHeaders, OwnedMessage},
    producer::{BaseProducer, BaseRecord, Producer as _},
};
use serde_json::Value;
use tempfile::TempDir;

use super::delivery::broker;
use crate::support::{
    bridge::program,
    kafka::{Kafka, event},
    lane::JETSTREAM,
    nats::Nats,
    office,
};

const TOPIC: &str = "cti.events.v1";
const STRUCTURED_TOPIC: &str = "structured.events";

/// A stream and a topic in each content mode, and a stream without the starts.
fn sinks(nats: &Nats, broker: &Kafka) -> String {
    let stream = format!(
        "type = \"nats\"\nmode = \"jetstream\"\nservers = [\"{}\"]\nheartbeat = \"off\"\n",
        nats.url()
    );
    let topic = format!("type = \"kafka\"\nbrokers = [\"{}\"]\nheartbeat = \"off\"\n", broker.address());
    let named = |name: &str| {
        format!("stream = \"{name}\"\nsubject = \"{name}.{{source}}.{{class}}.{{slug}}.{{entity}}\"\n")
    };
    let topics = ["", "status_", "dlq_", "replay_"].map(|kind| match kind {
        "" => format!("topic = \"{STRUCTURED_TOPIC}\"\n"),
        kind => format!("{kind}topic = \"structured.{kind}\"\n"),
    });
    let [structured, routed] = ["structured", "routed"].map(named);
    format!(
        "[sinks.stream]\n{stream}[sinks.structured_stream]\n{stream}{structured}content_mode = \"structured\"\n\
         [sinks.topic]\n{topic}[sinks.structured_topic]\n{topic}{}content_mode = \"structured\"\n\
         [sinks.routed]\n{stream}{routed}[[sinks.routed.routes]]\nmatch = {{ class = \"call\", event = \"started\" }}\ndrop = true\n",
        topics.concat()
    )
}

/// What a place holds, in the form of structured mode, with the subject or the key of each.
type Stored = Vec<(String, Value)>;

async fn of_stream(nats: &Nats, name: &str) -> Stored {
    let context = jetstream::new(async_nats::connect(nats.url()).await.unwrap());
    let stream = context.get_stream(name).await.unwrap();
    let count = usize::try_from(stream.cached_info().state.messages).unwrap();
    let messages = stream.create_consumer(OrderedConfig::default()).await.unwrap().messages().await.unwrap();
    let read = |message: Result<jetstream::Message, _>| {
        let message = message.unwrap();
        let payload: Value = serde_json::from_slice(&message.payload).unwrap();
        let headers = message.headers.as_ref().unwrap();
        let event = if headers.get("content-type").is_some() {
            assert_eq!(headers.get("content-type").unwrap().as_str(), "application/cloudevents+json");
            payload
        } else {
            let attributes = headers.iter().filter_map(|(name, values)| {
                let name = name.to_string().strip_prefix("ce-")?.to_owned();
                Some((name, Value::from(values[0].as_str())))
            });
            attributes.chain([("data".to_owned(), payload)]).collect()
        };
        (message.subject.to_string(), event)
    };
    messages.take(count).map(read).collect().await
}

fn of_topic(broker: &Kafka, name: &str) -> Stored {
    let read = |record: &OwnedMessage| {
        let is_binary = record.headers().unwrap().iter().any(|header| header.key == "ce_id");
        let mut event = if is_binary {
            event(record)
        } else {
            serde_json::from_slice(record.payload().unwrap()).unwrap()
        };
        let key = String::from_utf8(record.key().unwrap().to_vec()).unwrap();
        assert_eq!(event.as_object_mut().unwrap().remove("partitionkey"), Some(key.clone().into()));
        (key, event)
    };
    broker.records(name, 0, 0).iter().map(read).collect()
}

fn text<'a>(event: &'a Value, name: &str) -> &'a str {
    event[name].as_str().unwrap_or_default()
}

fn step_of(event: &Value) -> Option<Step> {
    let name = text(event, "type").strip_prefix("cti.call.")?.strip_suffix(".v1")?;
    Step::ALL.into_iter().find(|step| step.name() == name)
}

fn events(stored: &Stored) -> Vec<&Value> {
    stored.iter().map(|(_, event)| event).collect()
}

/// Asserts that each call has one start and one end, and names and attributes as the contract says. Returns the number of calls.
fn check(stream: &Stored, topic: &Stored) -> u64 {
    let mut checker = Checker::default();
    for ((subject, event), (key, _)) in stream.iter().zip(topic) {
        let Some(step) = step_of(event) else {
            assert_ne!(text(event, "ctiorigin"), "derived", "{event}");
            continue;
        };
        let call = text(&event["data"], "call");
        assert_eq!(*subject, format!("cti.v1.pbx1.call.{}.{call}", step.name()));
        assert_eq!(*key, format!("pbx1/call/{call}"));
        assert_eq!((text(event, "ctiorigin"), text(event, "subject")), ("derived", &*format!("call/{call}")));
        let cause = stream.iter().find(|(_, cause)| cause["id"] == event["causationid"]).expect("no cause");
        assert!(
            step_of(&cause.1).is_none() && text(&cause.1, "sequence") < text(event, "sequence"),
            "{event}"
        );
        checker.take(step, &serde_json::from_value(event["data"].clone()).unwrap());
    }
    let calls = checker.calls;
    assert_eq!(checker.finish(true), []);
    calls
}

/// The exit code of `verify --calls`, and what it prints.
fn verify(dir: &Path, sink: &str) -> (Option<i32>, String) {
    let mut command = program();
    command.args(["verify", "--calls", "--sink", sink, "--config"]).arg(dir.join("config.toml"));
    let output = command.output().unwrap();
    (
        output.status.code(),
        [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap()).concat(),
    )
}

/// The last `ended`, once more, with the number after the newest.
fn ended_again(stored: &Stored) -> Value {
    let mut again =
        events(stored).into_iter().rfind(|event| step_of(event) == Some(Step::Ended)).unwrap().clone();
    let newest = &stored.last().unwrap().1;
    let (journal, number) = text(newest, "id").split_once('-').unwrap();
    let number: u64 = number.parse().unwrap();
    again["ctiprev"] = newest["sequence"].clone();
    again["id"] = format!("{journal}-{}", number + 1).into();
    again["sequence"] = format!("{:020}", number + 1).into();
    again
}

/// Attributes and payload of an event in binary mode.
fn binary(event: &Value) -> (Vec<(&str, &str)>, String) {
    let attributes =
        event.as_object().unwrap().iter().filter_map(|(name, value)| Some((&**name, value.as_str()?)));
    (attributes.collect(), event["data"].to_string())
}

async fn publish(nats: &Nats, subject: String, event: &Value) {
    let context = jetstream::new(async_nats::connect(nats.url()).await.unwrap());
    let (attributes, data) = binary(event);
    let mut headers = HeaderMap::new();
    for (name, value) in attributes {
        headers.insert(format!("ce-{name}"), value);
    }
    context.publish_with_headers(subject, headers, data.into()).await.unwrap().await.unwrap();
}

fn produce(broker: &Kafka, topic: &str, headers: OwnedHeaders, payload: &str) {
    let producer: BaseProducer =
        ClientConfig::new().set("bootstrap.servers", broker.address()).create().unwrap();
    let record = BaseRecord::to(topic).key("pbx1/call/1").headers(headers).payload(payload);
    producer.send(record).map_err(|(error, _)| error).unwrap();
    producer.flush(Duration::from_secs(20)).unwrap();
}

/// Asserts that the fault of a call is found, and named with the call.
fn finds(dir: &TempDir, sink: &str, call: &str, fault: &str) -> String {
    let (code, report) = verify(dir.path(), sink);
    assert_eq!(code, Some(73), "{sink}: {report}");
    assert!(report.contains(&format!("pbx1: call {call} {fault}: sequence ")), "{sink}: {report}");
    report
}

// Commands block.
#[tokio::test(flavor = "multi_thread")]
async fn calls_are_the_same_everywhere_and_faults_are_found() {
    let (broker, nats, dir) = (broker().await, Nats::start(JETSTREAM).await, tempfile::tempdir().unwrap());
    // One that allows to delete messages, unlike what the bridge creates.
    let context = jetstream::new(async_nats::connect(nats.url()).await.unwrap());
    let subjects = ["event", "bridge", "call"].map(|class| format!("structured.pbx1.{class}.>")).to_vec();
    let config = jetstream::stream::Config { name: "structured".to_owned(), subjects, ..Default::default() };
    context.create_stream(config).await.unwrap();
    office::play(dir.path(), &nats, &sinks(&nats, broker), 10).await;
    let (stream, structured) = (of_stream(&nats, "cti-bridge").await, of_stream(&nats, "structured").await);
    let (topic, structured_topic) =
        tokio::task::block_in_place(|| (of_topic(broker, TOPIC), of_topic(broker, STRUCTURED_TOPIC)));
    for other in [&structured, &topic, &structured_topic] {
        assert_eq!(events(other), events(&stream));
    }
    let calls = check(&stream, &topic);
    for sink in ["stream", "structured_stream", "topic", "structured_topic"] {
        let (code, report) = verify(dir.path(), sink);
        assert_eq!(code, Some(0), "{report}");
        assert!(report.contains("complete, in order, everything once"), "{report}");
        assert!(
            report.contains(&format!("{sink}: calls: {calls}, going on: 0, events of calls: ")),
            "{report}"
        );
        assert!(report.contains("; one start and one end each, every step fits"), "{report}");
    }

    // A route drops the starts.
    let call = |event: &Value| text(&event["data"], "call").to_owned();
    let first =
        call(events(&stream).into_iter().find(|event| step_of(event) == Some(Step::Started)).unwrap());
    let report = finds(&dir, "routed", &first, "does not begin with exactly one `started`");
    assert!(report.contains("routed: events: ") && report.contains("; complete, in order"), "{report}");

    // A second end.
    let again = ended_again(&stream);
    let twice = "goes on after its `ended`";
    publish(&nats, format!("cti.v1.pbx1.call.ended.{}", call(&again)), &again).await;
    finds(&dir, "stream", &call(&again), twice);
    let (attributes, data) = binary(&again);
    let headers = attributes.into_iter().fold(OwnedHeaders::new(), |headers, (name, value)| {
        headers.insert(Header { key: &format!("ce_{name}"), value: Some(value) })
    });
    produce(broker, TOPIC, headers, &data);
    finds(&dir, "topic", &call(&again), twice);
    let headers = Header { key: "content-type", value: Some("application/cloudevents+json") };
    produce(broker, STRUCTURED_TOPIC, OwnedHeaders::new().insert(headers), &again.to_string());
    finds(&dir, "structured_topic", &call(&again), twice);

    // A start that is gone.
    let is_start = |event: &&Value| step_of(event) == Some(Step::Started);
    let index = events(&structured).iter().position(is_start).unwrap();
    context.get_stream("structured").await.unwrap().delete_message(index as u64 + 1).await.unwrap();
    let report = finds(&dir, "structured_stream", &first, "does not begin with exactly one `started`");
    let number = text(&structured[index].1, "sequence").trim_start_matches('0');
    assert!(
        report.contains(&format!("pbx1: missing from {number} to {number}, and no notice says why")),
        "{report}"
    );
}
