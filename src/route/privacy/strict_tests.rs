//! The profile `strict`, and single settings.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::fmt::Write as _;

use super::*;
use crate::event::{self, Class, SourceId};

pub(super) fn key() -> Key {
    Key::parse(&"0b".repeat(32)).unwrap()
}

fn italy() -> Dialling {
    Dialling { country_code: "39".to_owned(), ..Dialling::default() }
}

fn redactor(settings: Settings, own: OwnNumbers) -> Redactor {
    let privacy = Privacy::new(settings, own, Some(key()));
    Redactor::new(privacy.dialling([("a".to_owned(), italy())].into()), &["a".to_owned()])
}

fn strict() -> Settings {
    Profile::Strict.into()
}

fn hidden_with(settings: Settings, event: &str, data: &str) -> String {
    let hidden = redactor(settings, OwnNumbers::Short).event(SourceId(0), event.as_bytes(), data.as_bytes());
    hidden.map_or_else(|| data.to_owned(), |hidden| String::from_utf8(hidden.to_vec()).unwrap())
}

/// The text with pseudonyms for `~number~` and `^name^`.
fn expected(text: &str) -> String {
    let mut out = String::new();
    for (index, part) in text.split('~').enumerate() {
        if index % 2 == 1 {
            out.push_str(&key().number(&italy().e164(part).unwrap()));
            continue;
        }
        for (index, part) in part.split('^').enumerate() {
            out.push_str(&if index % 2 == 1 { key().name(part) } else { part.to_owned() });
        }
    }
    out
}

#[test]
fn a_call_can_be_followed_by_its_pseudonyms() {
    let call = concat!(
        r#"{"exten":"201", "name":"Ada Neri","username":"ada","status":"busy","ip":"10.1.2.9","port":"5060","mac":"","context":"from-internal","#,
        r#""sipuseragent":"Yealink SIP-T46S 66.84.0.15","cf":"0721000222","cfb":"202","n":1e999,"codecs":["alaw"],"#,
        r#""conversations":{"PJSIP/201-0000000a>PJSIP/0721000111-00000123":{"id":"PJSIP/201-0000000a>PJSIP/0721000111-00000123","#,
        r#""owner":"201","startTime":1795538000000,"uniqueId":"1795538000.20","linkedId":"1795538000.20","#,
        r#""counterpartNum":"+39 0721\u0020000-111","counterpartName":"Ros\u0073i","chDest":{"callerNum":"0721000xxx","callerName":"","bridgedNum":"<unknown>"}}}}"#
    );
    let result = expected(concat!(
        r#"{"exten":"201", "name":"^Ada Neri^","username":"^ada^","status":"busy","ip":"xxx","port":"5060","mac":"","context":"from-internal","#,
        r#""sipuseragent":"xxx","cf":"~0721000222~","cfb":"202","n":1e999,"codecs":["alaw"],"#,
        r#""conversations":{"PJSIP/201-0000000a>PJSIP/~0721000111~-00000123":{"id":"PJSIP/201-0000000a>PJSIP/~0721000111~-00000123","#,
        r#""owner":"201","startTime":1795538000000,"uniqueId":"1795538000.20","linkedId":"1795538000.20","#,
        r#""counterpartNum":"~0721000111~","counterpartName":"^Rossi^","chDest":{"callerNum":"0721000xxx","callerName":"","bridgedNum":"<unknown>"}}}}"#
    ));
    assert_eq!(hidden_with(strict(), "extenUpdate", call), result);
}

#[test]
fn what_the_catalogue_does_not_describe_is_treated_as_a_name() {
    for (event, data, hidden) in [
        (
            "newThing",
            r#"{"a":"Rossi","b":"busy","c":"false","d":7,"e":"201","f":"1795538000.20","g":"2026-11-24T10:00:00Z"}"#,
            r#"{"a":"^Rossi^","b":"busy","c":"false","d":7,"e":"201","f":"1795538000.20","g":"2026-11-24T10:00:00Z"}"#,
        ),
        (
            "newThing",
            r#"{"a":721000111,"b":1795538000000,"c":-3331234567.5,"d":["0721 000 111"]}"#,
            r#"{"a":"~721000111~","b":1795538000000,"c":"~33312345675~","d":["~0721000111~"]}"#,
        ),
        (
            "newThing",
            r#"{"Ada Neri":{"0721000111":1},"field":{"username":"ada"},"ada@x.org":2}"#,
            r#"{"^Ada Neri^":{"~0721000111~":1},"field":{"username":"^ada^"},"ADDR":2}"#,
        ),
        (
            "extenUpdate",
            r#"{"status":"Ada Neri","chanType":"ada","context":"call 0721000111","codecs":["0721000111"]}"#,
            r#"{"status":"xxx","chanType":"ada","context":"xxx","codecs":["~0721000111~"]}"#,
        ),
        (
            "trunkUpdate",
            r#"{"exten":"fascio1","conversations":{">PJSIP/fascio1-0000000a":{"id":">PJSIP/fascio1-0000000a"}}}"#,
            r#"{"exten":"^fascio1^","conversations":{">PJSIP/^fascio1^-0000000a":{"id":">PJSIP/^fascio1^-0000000a"}}}"#,
        ),
        (
            "queueUpdate",
            r#"{"queue":"401","name":"Support","avgHoldTime":"12","members":{"201":{"name":"Ada"},"0721000111":{}},"waitingCallers":{"Local/0721000111@from-queue-0000002c;1":{"num":"0721000111"}}}"#,
            r#"{"queue":"401","name":"^Support^","avgHoldTime":"12","members":{"201":{"name":"^Ada^"},"~0721000111~":{}},"waitingCallers":{"Local/~0721000111~@from-queue-0000002c;1":{"num":"~0721000111~"}}}"#,
        ),
        (
            "satellite/transcription",
            r#"{"uniqueid":"1795538000.20","transcription":"my card is","timestamp":1795538000.123}"#,
            r#"{"uniqueid":"1795538000.20","transcription":"xxx","timestamp":1795538000.123}"#,
        ),
        ("callWebrtc", r#""sip:+390721000111@pbx.example.org""#, r#""~0721000111~""#),
    ] {
        let result = expected(hidden).replace("ADDR", &key().pseudonym(key::Kind::Name, "ada@x.org"));
        assert_eq!(hidden_with(strict(), event, data), result, "{event}");
    }
    assert_eq!(hidden_with(strict(), "x", r#"{"a":"\ud800"}"#), r#"{"a":"xxx"}"#);
    assert_eq!(hidden_with(strict(), "x", r#"{"a":1"#), r#""xxx""#);
}

#[test]
fn each_setting_stands_alone() {
    let clear = Settings::from(Profile::Clear);
    let data = r#"{"exten":"201","name":"Ada","username":"ada","ip":"10.1.2.9","counterpartNum":"0721000111","x":"call +39 0721 000-111 or 10.1.2.9 on 2026-11-24"}"#;
    let numbers = Settings { numbers: Numbers::Pseudonym, ..clear };
    let result = expected(
        r#"{"exten":"201","name":"Ada","username":"ada","ip":"10.1.2.9","counterpartNum":"~0721000111~","x":"call ~0721000111~ or 10.1.2.9 on 2026-11-24"}"#,
    );
    assert_eq!(hidden_with(numbers, "newThing", data), result);
    let numbers = Settings { numbers: Numbers::Drop, ..clear };
    assert_eq!(
        hidden_with(numbers, "newThing", data),
        data.replace("0721000111", "xxx").replace("+39 0721 000-111", "xxx")
    );
    let addresses = Settings { addresses: Addresses::Pseudonym, ..clear };
    let address = key().pseudonym(key::Kind::Address, "10.1.2.9");
    assert_eq!(hidden_with(addresses, "newThing", data), data.replace("10.1.2.9", &address));
    let names = Settings { names: Names::Drop, ..clear };
    let result = expected(
        r#"{"exten":"201","name":"xxx","username":"^ada^","ip":"10.1.2.9","counterpartNum":"0721000111"}"#,
    );
    assert_eq!(
        hidden_with(
            names,
            "extenUpdate",
            r#"{"exten":"201","name":"Ada","username":"ada","ip":"10.1.2.9","counterpartNum":"0721000111"}"#
        ),
        result
    );
    assert_eq!(hidden_with(clear, "newThing", data), data);
}

#[test]
fn explicit_own_numbers_hide_short_numbers_that_are_not_own() {
    let mut redactor = redactor(strict(), OwnNumbers::Globs(vec!["2??".to_owned(), "0721555*".to_owned()]));
    let data = br#"{"exten":"201","cf":"0721555123","cfb":"301","conversations":{"PJSIP/301-0000000a>PJSIP/201-0000000b":{}}}"#;
    let hidden = redactor.event(SourceId(0), b"extenUpdate", data).unwrap();
    let result = expected(
        r#"{"exten":"201","cf":"0721555123","cfb":"~301~","conversations":{"PJSIP/~301~-0000000a>PJSIP/201-0000000b":{}}}"#,
    );
    assert_eq!(String::from_utf8(hidden.to_vec()).unwrap(), result);
}

#[test]
fn the_entity_is_that_of_the_hidden_data() {
    let mut redactor = redactor(strict(), OwnNumbers::Short);
    for (name, args) in [
        ("extenUpdate", r#"{"exten":"201"}"#),
        ("extenUpdate", r#"{"exten":"0721000111"}"#),
        ("userMainPresenceUpdate", r#"{"mainPresence":{"username":"ada.neri"}}"#),
        ("userPresenceUpdate", r#"{"presence_onbusy":{"username":"ada"}}"#),
        ("queueMemberUpdate", r#"{"queue":"401","member":"0721000111"}"#),
        ("trunkUpdate", r#"{"exten":"fascio1"}"#),
        ("trunkUpdate", r#"{"exten":"0721000111"}"#),
        ("updateNewVoiceMessages", r#"{"0721000111":{"inbox":"2"}}"#),
        ("streamingSourceUpdate", r#"{"streaming":{"source":"gate1"}}"#),
        ("satellite/summary", r#"{"uniqueid":"1795538000.20"}"#),
        ("userProfileAvatarUpdate", r#"{"username":"a\u0064a"}"#),
    ] {
        let (name, args) = (name.as_bytes(), args.as_bytes());
        let entity = event::entity(name, args).unwrap();
        let hidden = redactor.entity(SourceId(0), &entity).unwrap_or_else(|| entity.clone());
        let data = redactor.event(SourceId(0), name, args).unwrap_or_else(|| args.to_vec().into());
        assert_eq!(event::entity(name, &data).unwrap(), hidden);
        // The notice `vanished` refers to it.
        let subject = redactor.subject(SourceId(0), &entity.subject()).unwrap_or_else(|| entity.subject());
        assert_eq!(subject, hidden.subject());
    }
}

#[test]
fn notices_and_heartbeats_are_hidden_too() {
    let mut redactor = redactor(strict(), OwnNumbers::Short);
    for (class, name, data, hidden) in [
        (
            Class::Bridge,
            "connected",
            r#"{"session":1,"user":"ada","profile":"Base","sees":["trunks"],"privacy":false}"#,
            r#"{"session":1,"user":"^ada^","profile":"Base","sees":["trunks"],"privacy":false}"#,
        ),
        (
            Class::Bridge,
            "vanished",
            r#"{"event":"userMainPresenceUpdate","subject":"user/ada"}"#,
            r#"{"event":"userMainPresenceUpdate","subject":"user/^ada^"}"#,
        ),
        (
            Class::Bridge,
            "deadlettered",
            r#"{"sink":"bus","sequence":1795538000000123,"reason":"cti.v1.a.event.x.ada: too large"}"#,
            r#"{"sink":"bus","sequence":1795538000000123,"reason":"xxx"}"#,
        ),
        (
            Class::Bridge,
            "gap",
            r#"{"reason":"started","from":null,"to":"2026-11-24T10:00:00.000000Z","lastSequence":null,"skipped":[1,1795538000000123],"certain":false,"mayHaveMissed":["extenUpdate"]}"#,
            r#"{"reason":"started","from":null,"to":"2026-11-24T10:00:00.000000Z","lastSequence":null,"skipped":[1,1795538000000123],"certain":false,"mayHaveMissed":["extenUpdate"]}"#,
        ),
        (
            Class::Bridge,
            "drift",
            r#"{"event":"newThing","path":"/a/Rossi","kind":"unknown_field","count":1}"#,
            r#"{"event":"newThing","path":"/a/Rossi","kind":"unknown_field","count":1}"#,
        ),
        (
            Class::Status,
            "heartbeat",
            r#"{"version":"0.1.0","lastSequence":1795538000000123,"components":{"sink/bus":{"state":"failing","reason":"user ada refused","since":"2026-11-24T10:00:00Z"}}}"#,
            r#"{"version":"0.1.0","lastSequence":1795538000000123,"components":{"sink/bus":{"state":"failing","reason":"xxx","since":"2026-11-24T10:00:00Z"}}}"#,
        ),
    ] {
        let after = redactor.notice(SourceId(0), (class, name), data.as_bytes());
        let after = after.map_or_else(|| data.to_owned(), |after| String::from_utf8(after.to_vec()).unwrap());
        assert_eq!(after, expected(hidden), "{name}");
    }
}

#[test]
fn the_name_of_an_unknown_event_is_hidden_if_it_may_be_data() {
    for (privacy, hidden) in [
        (Privacy::outside(), [false, false, false, true, false]),
        (Privacy::strict(key()), [false, false, false, true, true]),
        (Privacy::clear(), [false; 5]),
    ] {
        let mut redactor = Redactor::of_one(privacy);
        let names = ["extenUpdate", "satellite/other", "newThing.v2", "call 0721000111", "Ada Neri"];
        assert_eq!(names.map(|name| redactor.event_name(name.as_bytes()).is_some()), hidden);
    }
}

/// The rows of the table in the docs: event, as sent, outside, strict.
#[test]
fn the_examples_in_the_docs_are_true() {
    let page = include_str!("../../../docs/operate/privacy.md");
    let (_, table) = page.split_once("| class | event |").unwrap();
    let mut rows = 0;
    let mut wrong = String::new();
    for row in table.lines().skip(2).take_while(|line| line.starts_with('|')) {
        let cells: Vec<&str> =
            row.trim_matches('|').split('|').map(|cell| cell.trim().trim_matches('`')).collect();
        let [_, event, sent, outside, strict] = cells[..] else { panic!("{row}") };
        let mut redactor = Redactor::of_one(Privacy::outside());
        let hidden = redactor.event(SourceId(0), event.as_bytes(), sent.as_bytes());
        let by_outside =
            hidden.map_or_else(|| sent.to_owned(), |hidden| String::from_utf8(hidden.to_vec()).unwrap());
        let by_strict = hidden_with(self::strict(), event, sent);
        if (outside, strict) != (&*by_outside, &*by_strict) {
            writeln!(wrong, "{event}\t`{by_outside}`\t`{by_strict}`").unwrap();
        }
        rows += 1;
    }
    assert!(wrong.is_empty() && rows == 10, "{rows} rows:\n{wrong}");
}
