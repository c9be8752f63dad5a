//! The profile `outside`, which has the form of the PBX's own masking.

#![allow(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::event::SourceId;

fn masked(event: &str, data: &str) -> String {
    let mut redactor = Redactor::of_one(Privacy::outside());
    let hidden = redactor.event(SourceId(0), event.as_bytes(), data.as_bytes());
    hidden.map_or_else(|| data.to_owned(), |hidden| String::from_utf8(hidden.to_vec()).unwrap())
}

const CALL: &str = concat!(
    r#"{"exten":"201", "name":"Ada Neri","username":"ada","ip":"10.1.2.9","port":"5060","mac":"","#,
    r#""sipuseragent":"Yealink SIP-T46S 66.84.0.15 805ec0aabbcc","cf":"0721000222","cfb":"202","n":1e999,"#,
    r#""conversations":{"PJSIP/201-0000000a>PJSIP/0721000111-00000123":{"id":"PJSIP/201-0000000a>PJSIP/0721000111-00000123","#,
    r#""owner":"201","startTime":1795538000000,"uniqueId":"1795538000.20","linkedId":"1795538000.20","#,
    r#""counterpartNum":"0721\u003000111","counterpartName":"Ros\"si","chDest":{"callerNum":721000111,"callerName":""}}}}"#
);

#[test]
fn a_masked_call_can_still_be_followed() {
    let expected = concat!(
        r#"{"exten":"201", "name":"Ada Neri","username":"ada","ip":"xxx","port":"5060","mac":"","#,
        r#""sipuseragent":"Yealink SIP-T46S xxx xxx","cf":"0721000xxx","cfb":"202","n":1e999,"#,
        r#""conversations":{"PJSIP/201-0000000a>PJSIP/0721000xxx-00000123":{"id":"PJSIP/201-0000000a>PJSIP/0721000xxx-00000123","#,
        r#""owner":"201","startTime":1795538000000,"uniqueId":"1795538000.20","linkedId":"1795538000.20","#,
        r#""counterpartNum":"0721000xxx","counterpartName":"xxx","chDest":{"callerNum":"721000xxx","callerName":""}}}}"#
    );
    assert_eq!(masked("extenUpdate", CALL), expected);
    assert_eq!(masked("extenUpdate", expected), expected, "masking twice changes nothing");
}

#[test]
fn each_event_with_personal_data_is_known() {
    for (event, data, expected) in [
        ("callWebrtc", r#""+39 0721 000-111""#, r#""+39 0721 000-xxx""#),
        ("answerWebrtc", r#""201""#, r#""201""#),
        (
            "queueUpdate",
            r#"{"name":"Support","members":{"201":{"name":"Ada"}},"waitingCallers":{"a/0541222333-0000002c":{"num":"0541222333","name":"Conti","position":"1"}}}"#,
            r#"{"name":"Support","members":{"201":{"name":"Ada"}},"waitingCallers":{"a/0541222xxx-0000002c":{"num":"0541222xxx","name":"xxx","position":"1"}}}"#,
        ),
        (
            "parkingUpdate",
            r#"{"name":"71","parkedCaller":{"num":"333000111","name":"Bruni","parkeeNum":"201","parkeeName":"Ada"}}"#,
            r#"{"name":"71","parkedCaller":{"num":"333000xxx","name":"xxx","parkeeNum":"201","parkeeName":"xxx"}}"#,
        ),
        (
            "extenRinging",
            r#"{"numCalled":"201","callerNum":"0721000111","callerName":"Rossi","pbContact":{"company":"Rossi","n":[7,"a"]}}"#,
            r#"{"numCalled":"201","callerNum":"0721000xxx","callerName":"xxx","pbContact":{"company":"xxx","n":["xxx","xxx"]}}"#,
        ),
        (
            "satellite/transcription",
            r#"{"uniqueid":"1795538000.20","transcription":"my card is","speaker_name":"Rossi","speaker_number":"0721000111","timestamp":1.5}"#,
            r#"{"uniqueid":"1795538000.20","transcription":"xxx","speaker_name":"xxx","speaker_number":"0721000xxx","timestamp":1.5}"#,
        ),
        (
            "userMainPresenceUpdate",
            r#"{"mainPresence":{"username":"ada","status":"callforward","to":"3331234567"}}"#,
            r#"{"mainPresence":{"username":"ada","status":"callforward","to":"3331234xxx"}}"#,
        ),
        (
            "userProfileAvatarUpdate",
            r#"{"username":"ada","avatar":"data:image/png;base64,AA"}"#,
            r#"{"username":"ada","avatar":"xxx"}"#,
        ),
        (
            "streamingSourceUpdate",
            r#"{"streaming":{"source":"gate1","image":"/9j/"}}"#,
            r#"{"streaming":{"source":"gate1","image":"xxx"}}"#,
        ),
        ("message", r#"{"message":"call Rossi","destUser":"ada"}"#, r#"{"message":"xxx","destUser":"xxx"}"#),
        (
            "newThing",
            r#"{"a":"from 2001:db8::9, 00:15:65:aa:0b:cc","b":"10.1.2.9:5060.","c":"at 10:20:30","d":"x-12345678"}"#,
            r#"{"a":"from xxx, xxx","b":"xxx","c":"at 10:20:30","d":"x-12345xxx"}"#,
        ),
        ("actionNethLink", r#"["http://admin:admin@10.0.0.1","url"]"#, r#"["xxx","xxx"]"#),
        (
            "newThing",
            r#"{"Name":"Rossi","x":"tel 0721000111!","y":["10.1.2.9",12]}"#,
            r#"{"Name":"xxx","x":"tel 0721000xxx!","y":["xxx",12]}"#,
        ),
        (
            "extenUpdate",
            r#"{"counterpartNum":"anonymous","cf":"mario@example.org"}"#,
            r#"{"counterpartNum":"anonymous","cf":"xxx"}"#,
        ),
    ] {
        assert_eq!(masked(event, data), expected, "{event}");
    }
}

#[test]
fn invalid_json_is_masked_completely() {
    for bad in ["", "{", r#"{"a":1"#, r#"{"a" 1}"#, "[1,]x", "0721000111 ", "\"\u{7}", r#""a"b"#] {
        assert!(!masked("callWebrtc", bad).contains("0721000111"), "{bad}");
    }
    assert_eq!(masked("extenUpdate", r#"{"a":1"#), r#""xxx""#);
    assert_eq!(masked("extenUpdate", &"[".repeat(100_000)), r#""xxx""#);
    assert_eq!(masked("x", r#"{"a":"\ud800"}"#), r#"{"a":"xxx"}"#, "undecodable text is masked");
}

/// Keys under which nothing is masked because of the key alone.
const OPEN: &[&str] = &["x", "conversations", "waitingCallers", "username", "PJSIP/0721555444-0000000b"];
const ANY: &[&str] = &[
    "x",
    "conversations",
    "waitingCallers",
    "username",
    "PJSIP/0721555444-0000000b",
    "callerNum",
    "counterpartName",
    "name",
    "ip",
    "pbContact",
    "to",
    "caller\"Num",
];

/// Anything that a PBX could send, with one number in many places.
fn json(keys: &'static [&'static str]) -> impl Strategy<Value = Value> {
    const PLANTED: [&str; 5] = [
        "0721555444",
        "+390721555444",
        "PJSIP/0721555444-0000000a",
        "call 0721555444 now",
        "Local/0721555444@x-00000001;1",
    ];
    let key = prop::sample::select(keys);
    let planted = prop::sample::select(&PLANTED[..]).prop_map(Value::from);
    let leaf = prop_oneof![
        planted,
        any::<i64>().prop_map(|n| (n % 100_000).into()),
        any::<bool>().prop_map(Value::from),
        Just(Value::Null),
        "[a-zè\u{7f}\"\\\\]{0,6}".prop_map(Value::from)
    ];
    leaf.prop_recursive(4, 40, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((key.clone(), inner), 0..5)
                .prop_map(|fields| fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()),
        ]
    })
}

/// The structure without texts and key names; where a scalar of either is text, masking may have put it there.
fn shape(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            format!("{{{}}}", fields.values().map(shape).collect::<Vec<_>>().join(","))
        }
        Value::Array(values) => format!("[{}]", values.iter().map(shape).collect::<Vec<_>>().join(",")),
        Value::String(_) | Value::Number(_) => "_".to_owned(),
        other => other.to_string(),
    }
}

proptest! {
    #[test]
    fn no_planted_number_survives_and_the_shape_stays(
        value in json(ANY),
        event in prop::sample::select(&["extenUpdate", "new", "message", "callWebrtc"][..]),
    ) {
        let after = masked(event, &value.to_string());
        prop_assert!(!after.contains("0721555444"), "{}", after);
        let parsed: Value = serde_json::from_str(&after).unwrap();
        prop_assert_eq!(shape(&parsed), shape(&value));
        prop_assert_eq!(masked(event, &after), after, "masking is idempotent");
    }

    #[test]
    fn everything_but_the_number_stays_byte_for_byte(value in json(OPEN), pretty in any::<bool>()) {
        let text = if pretty { format!("{value:#}") } else { value.to_string() };
        prop_assert_eq!(masked("extenUpdate", &text), text.replace("0721555444", "0721555xxx"));
    }

    #[test]
    fn garbage_neither_panics_nor_yields_garbage(text in "[\\[\\]{}:,\"\\\\0a-]{0,24}") {
        let after = masked("extenUpdate", &text);
        if serde_json::from_str::<Value>(&text).is_ok() {
            prop_assert!(serde_json::from_str::<Value>(&after).is_ok(), "{} {}", text, after);
        }
    }
}
