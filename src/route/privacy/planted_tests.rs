//! A corpus generated from the schemas, with personal data planted in every place: none of it leaves.

#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::panic, reason = "tests")]

use std::{collections::BTreeSet, fmt::Write as _, sync::Arc};

use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::{
    rules::{Place, Rule},
    settings::Settings,
    strict_tests::key,
    *,
};
use crate::{
    event::{
        Body, Class, EncodedCall, Mark, Origin, Position, RawEvent, Record, Seq, SourceId, notice_schema,
        schemas, structured,
    },
    route::{Plan, Rules, Verdict},
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A number alone.
    Number,
    /// A text with a number in it.
    WithNumber,
    Name,
    /// One word, as in an id.
    Username,
    Address,
    Content,
}

/// What is planted, and what of it must not survive.
const PLANTS: &[(Kind, &str, &[&str])] = &[
    (Kind::Number, "0721000111", &["721000111"]),
    (Kind::Number, "+390721000111", &["721000111"]),
    (Kind::Number, "00390721000111", &["721000111"]),
    (Kind::Number, "0721 000 111", &["0721", "000 111"]),
    (Kind::Number, "+39 0721 000-111", &["0721", "000-111"]),
    (Kind::Number, "(0721) 000.111", &["0721", "000.111"]),
    (Kind::WithNumber, "PJSIP/0721000111-0000000a", &["721000111"]),
    (Kind::WithNumber, "Local/0721000111@from-internal-0000000b;1", &["721000111"]),
    (Kind::WithNumber, "PJSIP/201-0000000c>PJSIP/0721000111-0000000d", &["721000111"]),
    (Kind::WithNumber, "call 0721000111 now", &["721000111"]),
    (Kind::WithNumber, "sip:0721000111@pbx.example.org", &["721000111", "example"]),
    (Kind::WithNumber, "line0721000111x", &["721000111"]),
    (Kind::Name, "Ada Neri", &["Ada", "Neri"]),
    (Kind::Name, "Nicolò Però", &["Nicol", "Però"]),
    (Kind::Name, "PJSIP/Ada Neri-0000000a", &["Ada", "Neri"]),
    (Kind::Username, "ada.neri", &["ada.neri"]),
    (Kind::Address, "10.1.2.9", &["10.1.2.9"]),
    (Kind::Address, "10.1.2.9:5060", &["10.1.2.9"]),
    (Kind::Address, "2001:db8::9", &["db8"]),
    (Kind::Address, "00:15:65:aa:0b:cc", &["65:aa"]),
    (Kind::Address, "001565aa0bcc", &["65aa0b"]),
    (Kind::Address, "ada@example.org", &["ada@", "example"]),
    (Kind::Address, "sip:ada@example.org:5060", &["ada@", "example"]),
    (Kind::Content, "my card is lost", &["card"]),
    (Kind::Content, "data:image/png;base64,iVBORw0KGgo", &["iVBOR"]),
];

/// Builds the data of an event with a plant in every place that may hold it.
struct Planter<'a> {
    kind: Kind,
    plant: &'a str,
    may_hold: fn(Kind, Place) -> bool,
    /// The event has a schema, which describes the keys of its maps.
    is_described: bool,
    planted: u64,
}

impl Planter<'_> {
    fn leaf(&mut self, place: Place) -> Value {
        if (self.may_hold)(self.kind, place.of_text()) {
            self.planted += 1;
            self.plant.into()
        } else {
            json!("201")
        }
    }

    fn value(&mut self, place: Place) -> Value {
        let settings = Settings::from(Profile::Clear);
        let Some(node) = place.node else { return self.leaf(place) };
        if node.describes_fields() {
            let mut fields = Map::new();
            for (name, _) in node.properties.iter() {
                fields.insert(name.clone(), self.value(place.under(Some(name), settings)));
            }
            if node.additional.is_some() {
                let key = self.key(node.key_personal.is_some());
                fields.insert(key.clone(), self.value(place.under(Some(&key), settings)));
            }
            // Everything in a map is one of its keys.
            if node.additional.is_none() {
                self.unknown(&mut fields);
            }
            return fields.into();
        }
        match &node.items {
            Some(_) => json!([self.value(place.element(settings)), self.value(place.element(settings))]),
            None => self.leaf(place),
        }
    }

    /// A key of a map. One that looks like the name of a field may stay.
    fn key(&mut self, is_map: bool) -> String {
        let may_hold = match self.kind {
            Kind::Number | Kind::WithNumber | Kind::Address => true,
            Kind::Name | Kind::Content => (self.may_hold)(Kind::Name, UNKNOWN),
            Kind::Username => is_map && self.is_described && (self.may_hold)(Kind::Name, UNKNOWN),
        };
        self.planted += u64::from(may_hold);
        if may_hold { self.plant.to_owned() } else { "201".to_owned() }
    }

    /// Adds fields that no schema has.
    fn unknown(&mut self, fields: &mut Map<String, Value>) {
        let leaf = self.leaf(UNKNOWN);
        let key = self.key(false);
        fields.insert("somethingNew".to_owned(), leaf.clone());
        fields.insert(
            "more".to_owned(),
            json!([leaf, { "deep": leaf, "callerNum": leaf, "speaker_name": leaf, "username": leaf }]),
        );
        fields.entry(key).or_insert(leaf);
        self.planted += 5;
    }
}

const UNKNOWN: Place = Place { rule: Rule::Unknown, node: None };

/// Strict hides everything everywhere. Only one word may be what the catalogue says it is: no name.
fn strict_holds(kind: Kind, place: Place) -> bool {
    kind != Kind::Username || !matches!(place.rule, Rule::Id | Rule::Described)
}

/// The profile `outside` hides what the PBX itself hides: by the kind of the value, and numbers and IP addresses in text.
fn outside_holds(kind: Kind, place: Place) -> bool {
    match (kind, place.rule) {
        (_, Rule::Address | Rule::Media | Rule::Speech | Rule::Text) => true,
        (_, Rule::Id) => false,
        (Kind::Number | Kind::WithNumber, Rule::Number) => true,
        (Kind::Name | Kind::Username | Kind::Number, Rule::Name) => true,
        _ => false,
    }
}

fn record(name: &str, args: &str, argc: u16, attachments: &[&str]) -> Record {
    let name = json!(name).to_string();
    let bytes = [name.trim_matches('"'), args].concat();
    let (split, end) = (u32::try_from(name.len() - 2).unwrap(), u32::try_from(bytes.len()).unwrap());
    Record {
        position: Position(1),
        source: SourceId(0),
        seq: Seq(1),
        at: jiff::Timestamp::UNIX_EPOCH,
        session: 1,
        origin: Origin::Live,
        gap: Seq(0),
        unchanged: false,
        body: Body::Event(RawEvent {
            at: jiff::Timestamp::UNIX_EPOCH,
            bytes: Bytes::from(bytes),
            name: 0..split,
            args: split..end,
            argc,
            attachments: attachments.iter().map(|text| Bytes::copy_from_slice(text.as_bytes())).collect(),
        }),
    }
}

/// Writes every letter and digit of the texts as an escape.
fn escaped(json: &str) -> String {
    let mut in_text = false;
    json.chars().fold(String::new(), |mut out, c| {
        in_text ^= c == '"';
        if in_text && c.is_ascii_alphanumeric() {
            write!(out, "\\u{:04x}", u32::from(c)).unwrap();
        } else {
            out.push(c);
        }
        out
    })
}

fn texts(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                found.push(key.clone());
                texts(value, found);
            }
        }
        Value::Array(values) => values.iter().for_each(|value| texts(value, found)),
        Value::String(text) => found.push(text.clone()),
        other => found.push(other.to_string()),
    }
}

/// The structure without texts: keys change, and with them their order.
fn shape(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.values().map(shape).collect();
            fields.sort();
            format!("{{{}}}", fields.join(","))
        }
        Value::Array(values) => format!("[{}]", values.iter().map(shape).collect::<Vec<_>>().join(",")),
        _ => "_".to_owned(),
    }
}

struct Corpus {
    plan: Plan,
    events: u64,
    planted: u64,
    survivors: Vec<String>,
    pseudonyms: BTreeSet<String>,
}

impl Corpus {
    fn new(privacy: &Privacy) -> Self {
        let italy = Dialling { country_code: "39".to_owned(), ..Dialling::default() };
        let privacy = privacy.dialling([("a".to_owned(), italy)].into());
        let sources: Arc<[String]> = Arc::new(["a".to_owned()]);
        let plan = Plan::new("abcdefghij".parse().unwrap(), sources, Rules { privacy, ..Rules::default() });
        Self { plan, events: 0, planted: 0, survivors: vec![], pseudonyms: BTreeSet::new() }
    }

    /// Publishes an event, and looks for what must be hidden in everything that leaves.
    fn publish(&mut self, what: &str, record: &Record, needles: &[&str]) -> Value {
        self.events += 1;
        let Verdict::Publish(published) = self.plan.decide(record) else { panic!("{what} is filtered") };
        let mark = Mark::Numbered { seq: Seq(1), prev: Seq(0) };
        let mut event = Vec::new();
        structured(&self.plan.envelope(record, &published, mark), &mut String::new(), &mut event);
        let after: Value = serde_json::from_slice(&published.data).unwrap();
        let names = &published.names;
        let destination = String::from_utf8_lossy(&names.destination)
            .replace("=20", " ")
            .replace("=40", "@")
            .replace("=3A", ":")
            .replace("=2E", ".")
            .replace("=2F", "/");
        let mut seen = vec![String::from_utf8_lossy(&event).into_owned(), destination];
        texts(&after, &mut seen);
        seen.extend(
            [names.subject.clone(), names.event.clone(), Some(names.ty.clone())].into_iter().flatten(),
        );
        for needle in needles {
            if let Some(found) = seen.iter().find(|text| text.contains(needle)) {
                self.survivors.push(format!("{what}: {needle:?} in {found}"));
            }
        }
        assert_eq!(shape(&after), shape(&serde_json::from_slice(&Plan::original(record)).unwrap()), "{what}");
        assert!(published.redacted.is_some(), "{what}: not announced");
        after
    }

    /// Plants in every place of an event of a call.
    fn plant_calls(&mut self, may_hold: fn(Kind, Place) -> bool, plants: &[(Kind, &str, &[&str])]) {
        let schema = notice_schema(Class::Call, "started").unwrap();
        for (kind, plant, needles) in plants {
            let mut planter = Planter { kind: *kind, plant, may_hold, is_described: true, planted: 0 };
            let data = planter.value(Place::of_notice(Class::Call, "started")).to_string();
            self.planted += planter.planted;
            for step in schema.names().filter(|_| planter.planted > 0) {
                let call = EncodedCall {
                    step: step.into(),
                    key: "17".into(),
                    cause: Seq(1),
                    data: Bytes::from(data.clone()),
                };
                let call = Record { body: Body::Call(call), ..record("", "{}", 1, &[]) };
                self.publish(&format!("call.{step} ({plant:?})"), &call, needles);
            }
        }
    }

    fn plant_all(&mut self, may_hold: fn(Kind, Place) -> bool, plants: &[(Kind, &str, &[&str])]) {
        for (kind, plant, needles) in plants {
            for schema in schemas().iter().filter(|schema| schema.class == Class::Event) {
                let build = |is_described| {
                    let mut planter = Planter { kind: *kind, plant, may_hold, is_described, planted: 0 };
                    let data = planter.value(Place::of_event(schema.name.as_bytes()));
                    (data.to_string(), planter.planted)
                };
                let (text, planted) = build(true);
                let (unknown, _) = build(false);
                let base64 = data_encoding::BASE64.encode(plant.as_bytes());
                let hidden: Vec<&str> = needles.iter().copied().chain([&*base64]).collect();
                for (how, name, args, argc, attachments) in [
                    ("one argument", &*schema.name, text.clone(), 1, &[][..]),
                    ("escapes", &*schema.name, escaped(&text), 1, &[]),
                    ("two arguments", &*schema.name, format!("{text},{text}"), 2, &[]),
                    ("unknown event", "newThing", unknown.clone(), 1, &[]),
                    ("attachments", &*schema.name, unknown, 1, &[*plant][..]),
                ] {
                    // Without a schema, nothing says what a value is.
                    if planted == 0
                        || (how == "unknown event" || how == "attachments") && !may_hold(*kind, UNKNOWN)
                    {
                        continue;
                    }
                    self.planted += planted * u64::from(argc);
                    let what = format!("{} ({how}, {plant:?})", schema.name);
                    let after = self.publish(&what, &record(name, &args, argc, attachments), &hidden);
                    if *kind == Kind::Number {
                        self.note_pseudonyms(&after);
                    }
                }
            }
        }
    }

    /// Collects the pseudonyms of what is not the name of a user.
    fn note_pseudonyms(&mut self, value: &Value) {
        match value {
            Value::Object(fields) => {
                for (key, value) in fields {
                    if super::key::is_pseudonym(key) {
                        self.pseudonyms.insert(key.clone());
                    }
                    if key != "username" {
                        self.note_pseudonyms(value);
                    }
                }
            }
            Value::Array(values) => values.iter().for_each(|value| self.note_pseudonyms(value)),
            Value::String(text) if super::key::is_pseudonym(text) => {
                self.pseudonyms.insert(text.clone());
            }
            _ => {}
        }
    }

    fn finish(&self, profile: &str) {
        let (events, planted, survivors) = (self.events, self.planted, self.survivors.len());
        println!("{profile}: {events} events, {planted} planted values, {survivors} survivors");
        assert!(
            self.survivors.is_empty(),
            "{survivors} survivors: {:#?}",
            &self.survivors[..survivors.min(20)]
        );
    }
}

#[test]
fn strict_leaves_nothing_that_was_planted() {
    let mut corpus = Corpus::new(&Privacy::strict(key()));
    corpus.plant_all(strict_holds, PLANTS);
    for (kind, plant, needles) in PLANTS.iter().filter(|(kind, ..)| *kind != Kind::Username) {
        corpus.publish(&format!("an event named {kind:?}"), &record(plant, "{}", 1, &[]), needles);
        corpus.planted += 1;
    }
    corpus.finish("strict");
    let number =
        Dialling { country_code: "39".to_owned(), ..Dialling::default() }.e164("0721000111").unwrap();
    assert_eq!(corpus.pseudonyms, [key().number(&number)].into(), "one number, one pseudonym");
}

#[test]
fn strict_leaves_nothing_that_was_planted_in_calls() {
    let mut corpus = Corpus::new(&Privacy::strict(key()));
    corpus.plant_calls(strict_holds, PLANTS);
    corpus.finish("strict, calls");
}

#[test]
fn outside_leaves_nothing_of_outside_parties() {
    let mut corpus = Corpus::new(&Privacy::outside());
    let plain: Vec<_> = PLANTS
        .iter()
        .copied()
        .filter(|(_, plant, _)| !plant.contains([' ', '@']) || plant.starts_with("data:"))
        .filter(|(kind, ..)| *kind != Kind::Username)
        .collect();
    corpus.plant_all(outside_holds, &plain);
    corpus.finish("outside");
}

/// Everything that a sink makes of a record: the event, its dead letter and its replay, a bridge event, a heartbeat, and a broker's
/// answer. Subject, key and headers are made from the names and the attributes.
#[test]
fn every_place_that_leaves_is_hidden() {
    let mut corpus = Corpus::new(&Privacy::strict(key()));
    let data = r#"{"mainPresence":{"username":"ada.neri","status":"busy","to":"0721000111"}}"#;
    let record = record("userMainPresenceUpdate", data, 1, &[]);
    let needles = ["ada", "721000111"];
    corpus.publish("event", &record, &needles);
    let letter = corpus.plan.copy(&record, "dlq").unwrap();
    let names = corpus.plan.dead_letter(&letter.names);
    let Verdict::Publish(event) = corpus.plan.decide(&record) else { panic!("filtered") };
    assert_eq!(
        (&letter.data, &letter.names.subject, &letter.redacted),
        (&event.data, &event.names.subject, &event.redacted)
    );
    let answer = corpus
        .plan
        .sentence(&record, "subject cti.v1.a.event.x.0721000111 from 192.0.2.7 refused")
        .into_owned();
    let user = crate::event::Notice::Connected {
        session: 1,
        user: "ada.neri".to_owned(),
        profile: None,
        sees: vec![],
        privacy: None,
    };
    let notice = Record { body: Body::Notice((&user).into()), ..record.clone() };
    let Verdict::Publish(notice) = corpus.plan.decide(&notice) else { panic!("filtered") };
    let health = json!({ "components": { "sink/bus": { "state": "failing", "reason": "ada.neri is refused at 0721000111" } } });
    let status = corpus.plan.status(SourceId(0), "heartbeat", &health.to_string().into()).unwrap();
    let mut replay = Corpus::new(&Privacy::strict(key()));
    replay.plan = replay.plan.in_class(crate::route::REPLAY);
    replay.publish("replay", &record, &needles);
    let seen = format!("{letter:?} {names:?} {answer} {notice:?} {status:?}");
    for needle in needles {
        assert!(!seen.contains(needle), "{needle}: {seen}");
    }
    assert!(
        Plan::original(&record).windows(8).any(|part| part == b"ada.neri"),
        "the file of a dead letter keeps the original"
    );
    corpus.finish("places");
    replay.finish("replay");
}
