//! The wire format, compared with a file: change `tests/golden/wire.txt` only with the contract (`BLESS=1` rewrites it).

use std::sync::Arc;

use bytes::Bytes;
use cti_bridge::{
    event::{
        AuthFailure, Body, Class, DriftKind, EncodedCall, EndReason, GapReason, LossReason, Mark, Notice,
        OnTakeover, Origin, Position, RawEvent, Record, Seq, SourceId, notice_schema, structured,
    },
    route::{Plan, Rules, Verdict},
    socketio::{Packet, decode},
};
use jiff::Timestamp;

fn frame(text: &str, attachments: &[&[u8]]) -> Body {
    let Ok(Packet::Event(event)) = decode(text.as_bytes()) else { panic!("no event: {text}") };
    Body::Event(RawEvent {
        at: at(),
        bytes: Bytes::copy_from_slice(text.as_bytes()),
        name: event.name,
        args: event.args,
        argc: event.argc,
        attachments: attachments.iter().map(|bytes| Bytes::copy_from_slice(bytes)).collect(),
    })
}

fn at() -> Timestamp {
    "2026-11-24T10:00:00.123456789Z".parse().unwrap()
}

fn bodies() -> Vec<Body> {
    let mut bodies = vec![
        frame(
            r#"42["extenUpdate",{"exten":"201","status":"ringing","n":1e999,"n":12345678901234567890}]"#,
            &[],
        ),
        frame(r#"42["userMainPresenceUpdate",{"mainPresence":{"username":"ada","status":"busy"}}]"#, &[]),
        frame(
            r#"42["userPresenceUpdate",{"presence_onbusy":{"username":"o'neill","status":"cellphone","to":"xxx"}}]"#,
            &[],
        ),
        frame(r#"42["queueUpdate",{"queue":"401","members":{}}]"#, &[]),
        frame(r#"42["queueMemberUpdate",{"queue":"401","member":"201"}]"#, &[]),
        frame(r#"42["trunkUpdate",{"exten":"a trunk/1","status":"online"}]"#, &[]),
        frame(r#"42["parkingUpdate",{"parking":"71","parkedCaller":{}}]"#, &[]),
        frame(r#"42["newVoiceMessageCounter",{"voicemail":"_","counter":"2"}]"#, &[]),
        frame(r#"42["updateNewVoiceMessages",{"201":{"inbox":"2"}}]"#, &[]),
        frame(r#"42["answerWebrtc","201"]"#, &[]),
        frame(r#"42["takeOver"]"#, &[]),
        frame(r#"42["actionNethLink", "link" , "type"]"#, &[]),
        frame(r#"42["satellite/transcription",{"is_final":true}]"#, &[]),
        frame(r#"42["\ud83d\ude00 \u0000\ud800",1]"#, &[]),
        frame(r#"42["",null]"#, &[]),
        frame(&format!(r#"42["{}",true]"#, "long/".repeat(30)), &[]),
        frame(
            r#"452-["image",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]"#,
            &[b"\x00\xff", b""],
        ),
    ];
    let notices = [
        Notice::Started { version: "0.1.0" },
        Notice::Connected {
            session: 2,
            user: "bridge".into(),
            profile: Some("Advanced".into()),
            sees: vec!["trunks".into()],
            privacy: Some(false),
        },
        Notice::Disconnected {
            session: 2,
            reason: EndReason::ConnectionClosed,
            detail: "the PBX closed the connection".into(),
        },
        Notice::Gap {
            reason: GapReason::Disconnected,
            from: Some(at()),
            to: at(),
            last_sequence: Some(Seq(7)),
            skipped: None,
            certain: false,
            may_have_missed: vec![
                "extenUpdate",
                "userMainPresenceUpdate",
                "userPresenceUpdate",
                "queueUpdate",
                "queueMemberUpdate",
                "trunkUpdate",
                "parkingUpdate",
                "newVoiceMessageCounter",
            ],
        },
        Notice::AuthFailed {
            reason: AuthFailure::CredentialsRefused,
            detail: "refused".into(),
            operator: true,
            failures: 1,
            slow: false,
            retry_in: 5,
        },
        Notice::Takenover {
            session: 2,
            policy: Some(OnTakeover::StandBy),
            until: Some(at()),
            contested: false,
        },
        Notice::Lost {
            sink: "bus".into(),
            count: 3,
            reason: LossReason::JournalFull,
            from: Some(Seq(1)),
            to: Some(Seq(3)),
        },
        Notice::Deadlettered { sink: "bus".into(), sequence: Seq(9), reason: "too large".into() },
        Notice::Stopping { reason: "SIGTERM" },
        Notice::FeedSilent { session: 2, since: at(), last_event: None },
        Notice::Vanished { event: "extenUpdate", subject: "extension/299".to_owned() },
        Notice::Drift {
            event: "extenUpdate".to_owned(),
            path: "/conversations/*/chSource/transport".to_owned(),
            kind: DriftKind::UnknownField,
            count: 1,
        },
    ];
    bodies.extend(notices.into_iter().map(|notice| Body::Notice((&notice).into())));
    let schema = notice_schema(Class::Call, "started").unwrap();
    bodies.extend(["started", "ended"].into_iter().zip(["417", "417-1"]).map(|(step, key)| {
        let data = serde_json::from_str::<serde_json::Value>(schema.examples[0].get()).unwrap();
        let data = Bytes::from(data.to_string());
        Body::Call(EncodedCall { step: step.into(), key: key.into(), cause: Seq(417), data })
    }));
    bodies
}

#[test]
fn the_wire_is_as_it_was() {
    let sources: Arc<[String]> = Arc::new(["pbx1".to_owned()]);
    let mut plan = Plan::new("abcdefgh23".parse().unwrap(), sources, Rules::default());
    let mut wire = String::new();
    for (number, body) in (0..).zip(bodies()) {
        let record = Record {
            session: 1,
            position: Position(number),
            source: SourceId(0),
            seq: Seq(1_795_538_000_000_000 + number),
            at: at(),
            origin: match &body {
                Body::Call(_) => Origin::Derived,
                _ if number == 3 => Origin::Snapshot,
                _ => Origin::Live,
            },
            gap: Seq(1_795_538_000_000_000),
            unchanged: false,
            body,
        };
        let Verdict::Publish(published) = plan.decide(&record) else { panic!("filtered") };
        let mut event = Vec::new();
        structured(
            &plan.envelope(
                &record,
                &published,
                Mark::Numbered { seq: record.seq, prev: Seq(record.seq.0 - 1) },
            ),
            &mut String::new(),
            &mut event,
        );
        let event = String::from_utf8(event).unwrap();
        serde_json::from_str::<Box<serde_json::value::RawValue>>(&event).unwrap();
        wire.push_str(std::str::from_utf8(&published.names.destination).unwrap());
        wire.push(' ');
        wire.push_str(&event);
        wire.push('\n');
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/wire.txt");
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(path, &wire).unwrap();
    }
    let golden = std::fs::read_to_string(path).unwrap();
    for (is, was) in wire.lines().zip(golden.lines()) {
        assert_eq!(is, was);
    }
    assert_eq!(wire, golden);
}

#[test]
fn the_schema_of_an_event_is_announced_where_there_is_one() {
    let sources: Arc<[String]> = Arc::new(["pbx1".to_owned()]);
    let schemas = Some("https://schemas.example.org/v1/".to_owned());
    let rules = Rules { schemas, ..Rules::default() };
    let mut plan = Plan::new("abcdefgh23".parse().unwrap(), sources, rules);
    let announced: Vec<_> = bodies()
        .into_iter()
        .map(|body| {
            let record = Record {
                session: 1,
                position: Position(1),
                source: SourceId(0),
                seq: Seq(1),
                at: at(),
                origin: Origin::Live,
                gap: Seq(0),
                unchanged: false,
                body,
            };
            let Verdict::Publish(published) = plan.decide(&record) else { panic!("filtered") };
            let event = plan.envelope(&record, &published, Mark::Copy { seq: record.seq });
            let letter = plan.dead_letter(&published.names);
            assert_eq!(letter.schema.as_deref(), Some("https://schemas.example.org/v1/dlq.deadletter.json"));
            (event.ty.to_owned(), event.binary, event.schema.map(str::to_owned))
        })
        .collect();
    let of = |ty: &str, binary: bool| {
        let found = announced.iter().find(|(found, is_binary, _)| found == ty && *is_binary == binary);
        found.unwrap_or_else(|| panic!("no {ty}")).2.as_deref()
    };
    assert_eq!(
        of("cti.event.extenUpdate.v1", false),
        Some("https://schemas.example.org/v1/extenUpdate.json")
    );
    assert_eq!(
        of("cti.bridge.auth.failed.v1", false),
        Some("https://schemas.example.org/v1/bridge.auth.failed.json")
    );
    assert_eq!(of("cti.call.ended.v1", false), Some("https://schemas.example.org/v1/call.json"));
    for (ty, binary, schema) in &announced {
        let is_described =
            !binary && cti_bridge::event::schemas().iter().any(|schema| schema.types().contains(ty));
        assert_eq!(schema.is_some(), is_described, "{ty}");
    }
    assert!(announced.iter().any(|(_, binary, _)| *binary), "no event has attachments");
    let heartbeat = plan.status(SourceId(0), "heartbeat", &Bytes::from_static(b"{}")).unwrap();
    assert_eq!(
        heartbeat.names.schema.as_deref(),
        Some("https://schemas.example.org/v1/status.heartbeat.json")
    );
}
