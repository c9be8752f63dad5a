//! The main job: the real binary between a simulated PBX and a real nats-server.
#![cfg(feature = "nats")]

use std::time::Duration;

use async_nats::{Message, Subscriber};
use futures_util::StreamExt as _;
use pbx_simulator::{Account, Options, Simulator};

use crate::support::{bridge::Bridge, nats::Nats, switched_proxy::SwitchedProxy};

const PASSWORD: &str = "planted-password-7261";
const TOTP: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

async fn pbx() -> Simulator {
    let account = Account::new("bridge", PASSWORD).with_totp(TOTP);
    Simulator::start(Options::quiet(account)).await.unwrap()
}

fn config(pbx: &Simulator, nats: &str, more: &str) -> String {
    format!(
        "drain_timeout = \"2s\"\n[sources.pbx1]\nurl = \"{}\"\nusername = \"bridge\"\nresync = false\ndetect_drift = false\npassword = \"{PASSWORD}\"\n\
         totp_secret = \"{TOTP}\"\n[sinks.bus]\ntype = \"nats\"\nservers = [\"{nats}\"]\n{more}\n",
        pbx.url()
    )
}

async fn subscribe(url: &str, subject: &'static str) -> Subscriber {
    let client = async_nats::connect(url).await.unwrap();
    let subscriber = client.subscribe(subject).await.unwrap();
    client.flush().await.unwrap();
    subscriber
}

async fn next(subscriber: &mut Subscriber) -> Message {
    let waited = tokio::time::timeout(Duration::from_secs(30), subscriber.next()).await;
    waited.expect("no message in 30 s").expect("the subscription ended")
}

fn header<'a>(message: &'a Message, name: &str) -> Option<&'a str> {
    message.headers.as_ref().and_then(|headers| headers.get(name)).map(async_nats::HeaderValue::as_str)
}

/// The next message of a type.
async fn next_of(subscriber: &mut Subscriber, ty: &str) -> Message {
    loop {
        let message = next(subscriber).await;
        if header(&message, "ce-type") == Some(ty) {
            return message;
        }
    }
}

/// Frame, subject, data, and the headers that not every event has.
type Expected = (&'static str, &'static str, &'static str, &'static [(&'static str, &'static str)]);

async fn logged_in(pbx: &Simulator) {
    let mut live = pbx.live();
    tokio::time::timeout(Duration::from_secs(30), live.wait_for(|live| *live == 1)).await.unwrap().unwrap();
}

#[tokio::test]
async fn every_event_arrives_as_the_contract_says_and_a_stop_is_clean() {
    let (pbx, nats, dir) = (pbx().await, Nats::start("").await, tempfile::tempdir().unwrap());
    let mut events = subscribe(&nats.url(), "cti.v1.>").await;
    let mut bridge = Bridge::start(dir.path(), &config(&pbx, &nats.url(), "heartbeat = \"1s\""));
    next_of(&mut events, "cti.bridge.connected.v1").await;

    let table: &[Expected] = &[
        (
            r#"42["extenUpdate",{"exten":"201","n":12345678901234567890,"n":1e999,"s":"\ud800 \u0000"}]"#,
            "cti.v1.pbx1.event.extenUpdate.201",
            r#"{"exten":"201","n":12345678901234567890,"n":1e999,"s":"\ud800 \u0000"}"#,
            &[("ce-type", "cti.event.extenUpdate.v1"), ("ce-subject", "extension/201")],
        ),
        (
            r#"42["queueMemberUpdate",{"queue":"401","member":"201"}]"#,
            "cti.v1.pbx1.event.queueMemberUpdate.401=2F201",
            r#"{"queue":"401","member":"201"}"#,
            &[("ce-subject", "queue/401/member/201")],
        ),
        (r#"42["newThing"]"#, "cti.v1.pbx1.event.newThing._", "[]", &[("ce-ctiargs", "0")]),
        (r#"42["two", 1 , "b" ]"#, "cti.v1.pbx1.event.two._", r#"[1 , "b"]"#, &[("ce-ctiargs", "2")]),
        (
            r#"42["satellite/summary",{"uniqueid":"1.1"}]"#,
            "cti.v1.pbx1.event.satellite=2Fsummary.1=2E1",
            r#"{"uniqueid":"1.1"}"#,
            &[
                ("ce-ctievent", "satellite/summary"),
                ("ce-type", "cti.event.satellite=2Fsummary.v1"),
                ("ce-subject", "channel/1.1"),
            ],
        ),
        (r#"42["error",null]"#, "cti.v1.pbx1.event.error._", "null", &[]),
        (
            r#"42["a.b *>","x"]"#,
            "cti.v1.pbx1.event.a=2Eb=20=2A=3E._",
            r#""x""#,
            &[("ce-ctievent", "a.b%20*>")],
        ),
        (r#"42["",1]"#, "cti.v1.pbx1.event.=._", "1", &[]),
    ];
    // Not events: counted, and the session lives.
    for bad in ["42{x", "zzz", r#"42["a",}]"#] {
        pbx.send_text(bad);
    }
    pbx.emit("actionNethLink", r#""http://admin:secret@192.0.2.1/","x""#);
    for (frame, ..) in table {
        pbx.send_text(frame);
    }
    let mut last: Option<u64> = None;
    for (frame, subject, data, headers) in table {
        let message = loop {
            let message = next(&mut events).await;
            if header(&message, "ce-type") != Some("cti.bridge.heartbeat.v1") {
                break message;
            }
        };
        assert_eq!(message.subject.as_str(), *subject, "{frame}");
        assert_eq!(std::str::from_utf8(&message.payload).unwrap(), *data, "{frame}");
        for (name, value) in *headers {
            assert_eq!(header(&message, name), Some(*value), "{frame}");
        }
        let sequence: u64 = header(&message, "ce-sequence").unwrap().parse().unwrap();
        let prev: u64 = header(&message, "ce-ctiprev").unwrap().parse().unwrap();
        assert!(last.is_none_or(|last| last == prev), "a hole before {frame}");
        assert!(header(&message, "ce-id").unwrap().ends_with(&format!("-{sequence}")));
        assert_eq!(header(&message, "ce-source"), Some("/cti/pbx1"));
        last = Some(sequence);
    }
    let heartbeat = next_of(&mut events, "cti.bridge.heartbeat.v1").await;
    assert_eq!(heartbeat.subject.as_str(), "cti.v1.pbx1.status.heartbeat._");
    let heartbeat: serde_json::Value = serde_json::from_slice(&heartbeat.payload).unwrap();
    assert_eq!(heartbeat["badFrames"], 3);
    let counters = &heartbeat["counters"];
    assert_eq!(counters["filtered"], 1, "{heartbeat}");
    assert_eq!(
        counters["received"].as_u64().unwrap(),
        counters["published"].as_u64().unwrap() + 1 + heartbeat["pending"].as_u64().unwrap()
    );

    assert_eq!(bridge.stop().await, Some(0));
    next_of(&mut events, "cti.bridge.disconnected.v1").await;
    let stopping = next_of(&mut events, "cti.bridge.stopping.v1").await;
    assert_eq!(&stopping.payload[..], br#"{"reason":"SIGTERM"}"#);
    assert_eq!(pbx.tokens(), 0, "the token was not logged out");
    for secret in [PASSWORD, TOTP, "eyJ", "admin:secret"] {
        assert!(!bridge.output().contains(secret), "{secret} was logged");
    }
}

#[tokio::test]
async fn a_cut_is_announced_before_later_events() {
    let (pbx, nats, dir) = (pbx().await, Nats::start("").await, tempfile::tempdir().unwrap());
    let mut events = subscribe(&nats.url(), "cti.v1.*.event.>").await;
    let mut notices = subscribe(&nats.url(), "cti.v1.*.bridge.>").await;
    let _bridge = Bridge::start(dir.path(), &config(&pbx, &nats.url(), ""));
    next_of(&mut notices, "cti.bridge.connected.v1").await;
    pbx.emit("extenUpdate", r#"{"exten":"201"}"#);
    let before = next(&mut events).await;
    pbx.cut();
    next_of(&mut notices, "cti.bridge.disconnected.v1").await;
    let gap = next_of(&mut notices, "cti.bridge.gap.v1").await;
    let data: serde_json::Value = serde_json::from_slice(&gap.payload).unwrap();
    assert_eq!(data["reason"], "disconnected");
    logged_in(&pbx).await;
    pbx.emit("extenUpdate", r#"{"exten":"202"}"#);
    let after = next(&mut events).await;
    assert_eq!(header(&after, "ce-ctigap"), header(&gap, "ce-sequence"));
    assert!(header(&gap, "ce-sequence") > header(&before, "ce-sequence"));
    assert!(header(&after, "ce-sequence") > header(&gap, "ce-sequence"));
}

#[tokio::test]
async fn pending_events_arrive_in_order() {
    let (pbx, mut nats, dir) = (pbx().await, Nats::start("").await, tempfile::tempdir().unwrap());
    let gate = SwitchedProxy::to(nats.url().replace("nats://", "")).await;
    let mut notices = subscribe(&nats.url(), "cti.v1.>").await;
    let mut bridge = Bridge::start(dir.path(), &config(&pbx, &gate.url(), "heartbeat = \"off\""));
    let connected = next_of(&mut notices, "cti.bridge.connected.v1").await;
    let first: u64 = header(&connected, "ce-sequence").unwrap().parse().unwrap();
    // The gate stays shut until the subscriber is back: core NATS keeps nothing for it.
    gate.set(false);
    nats.kill();
    bridge.says("\"reason\":\"nats://127.0.0.1").await;
    for number in 0..2_000 {
        pbx.emit("extenUpdate", &format!(r#"{{"exten":"201","n":{number}}}"#));
    }
    nats.up().await;
    let mut events = subscribe(&nats.url(), "cti.v1.*.event.>").await;
    gate.set(true);
    let mut expected = 0;
    while expected < 2_000 {
        let message = next(&mut events).await;
        let data: serde_json::Value = serde_json::from_slice(&message.payload).unwrap();
        let number = data["n"].as_u64().unwrap();
        assert!(number <= expected, "{number} came before {expected}");
        if number == expected {
            assert_eq!(header(&message, "ce-sequence").unwrap().parse::<u64>().unwrap(), first + 1 + number);
            expected += 1;
        }
    }
    assert_eq!(bridge.stop().await, Some(0));
    let output = bridge.output();
    assert!(!output.contains("async_nats") && !output.contains("ERROR"), "an outage is told once: {output}");
}

#[tokio::test]
async fn an_event_that_is_too_large_is_reported_and_skipped() {
    let (pbx, nats, dir) =
        (pbx().await, Nats::start("max_payload: 65536").await, tempfile::tempdir().unwrap());
    let mut events = subscribe(&nats.url(), "cti.v1.>").await;
    let _bridge = Bridge::start(dir.path(), &config(&pbx, &nats.url(), "heartbeat = \"off\""));
    next_of(&mut events, "cti.bridge.connected.v1").await;
    pbx.emit(
        "userProfileAvatarUpdate",
        &format!(r#"{{"username":"ada","avatar":"{}"}}"#, "A".repeat(70_000)),
    );
    pbx.emit("extenUpdate", r#"{"exten":"201"}"#);
    next_of(&mut events, "cti.event.extenUpdate.v1").await;
    let dead = next_of(&mut events, "cti.bridge.deadlettered.v1").await;
    let dead: serde_json::Value = serde_json::from_slice(&dead.payload).unwrap();
    assert!(dead["reason"].as_str().unwrap().contains("raise max_payload"), "{dead}");
}

#[tokio::test]
async fn broker_problems_are_reported_in_a_sentence() {
    let users = "authorization: { users: [\n{ user: mute, password: p, permissions: { publish: \"other.>\" } }\n\
                 { user: bridge, password: right } ] }";
    let (pbx, nats, dir) = (pbx().await, Nats::start(users).await, tempfile::tempdir().unwrap());
    let login = |user: &str, password: &str| {
        config(&pbx, &nats.url(), &format!("username = \"{user}\"\npassword = \"{password}\""))
    };
    let mut wrong = Bridge::start(dir.path(), &login("bridge", "planted-wrong-5512"));
    wrong.says("refuses the credentials").await;
    assert_eq!(wrong.stop().await, Some(75), "stopped with undelivered events");
    assert!(!wrong.output().contains("planted-wrong-5512"));
    let mute = Bridge::start(dir.path(), &login("mute", "p"));
    mute.says("allow the account to publish").await;
    drop(mute);
    let nobody = Bridge::start(dir.path(), &config(&pbx, "nats://127.0.0.1:1", ""));
    nobody.says("can't connect to nats://127.0.0.1:1").await;
}

#[tokio::test]
async fn a_missing_right_to_heartbeats_is_a_warning_and_no_outage() {
    let users = "authorization: { users: [ { user: bridge, password: p, permissions: { publish: [ \"cti.v1.*.event.>\", \
                 \"cti.v1.*.bridge.>\", \"_INBOX.>\" ] } }, { user: reader, password: r } ] }\nno_auth_user: reader";
    let (pbx, nats, dir) = (pbx().await, Nats::start(users).await, tempfile::tempdir().unwrap());
    let mut events = subscribe(&nats.url(), "cti.v1.>").await;
    let login = "username = \"bridge\"\npassword = \"p\"\nheartbeat = \"1s\"";
    let mut bridge = Bridge::start(dir.path(), &config(&pbx, &nats.url(), login));
    bridge.says("refuses heartbeats").await;
    bridge.says("allow the account to publish cti.v1.pbx1.status.heartbeat._, or set `heartbeat").await;
    logged_in(&pbx).await;
    pbx.emit("extenUpdate", r#"{"exten":"201"}"#);
    next_of(&mut events, "cti.event.extenUpdate.v1").await;
    assert_eq!(bridge.stop().await, Some(0), "{}", bridge.output());
    assert!(!bridge.output().contains("\"message\":\"failing\""), "{}", bridge.output());
}

#[tokio::test]
async fn structured_mode_carries_the_same_event() {
    let (pbx, nats, dir) = (pbx().await, Nats::start("").await, tempfile::tempdir().unwrap());
    let mut events = subscribe(&nats.url(), "phones.>").await;
    let more = "content_mode = \"structured\"\nsubject = \"phones.{source}.{slug}.{entity}\"";
    let _bridge = Bridge::start(dir.path(), &config(&pbx, &nats.url(), more));
    logged_in(&pbx).await;
    pbx.emit("extenUpdate", r#"{"exten":"201","b":1,"a":2}"#);
    let message = loop {
        let message = next(&mut events).await;
        if message.subject.as_str() == "phones.pbx1.extenUpdate.201" {
            break message;
        }
    };
    assert_eq!(header(&message, "content-type"), Some("application/cloudevents+json"));
    let text = std::str::from_utf8(&message.payload).unwrap();
    assert!(text.ends_with(r#""data":{"exten":"201","b":1,"a":2}}"#), "{text}");
    let event: serde_json::Value = serde_json::from_str(text).unwrap();
    assert_eq!(event["subject"], "extension/201");
}
