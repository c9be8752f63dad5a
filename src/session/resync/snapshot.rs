//! Converts an answer of the API to the corresponding events. Pure.

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::value::RawValue;

use crate::event::{RawEvent, entity, field, fields};

/// The snapshots of the PBX's state, in the order in which they are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Snapshot {
    Extensions,
    Users,
    Queues,
    Trunks,
    Parkings,
}

/// Only the presences of `/user/endpoints/all`. It also holds the account's own SIP password, so nothing else of it
/// may leave this module, not even to a log.
const PRESENCES: [(&str, &str); 4] = [
    ("mainPresence", "mainPresence"),
    ("presence", "presence"),
    ("presenceOnBusy", "presence_onbusy"),
    ("presenceOnUnavailable", "presence_onunavailable"),
];
const MAIN: &str = "userMainPresenceUpdate";
const PART: &str = "userPresenceUpdate";
/// A queue contains its members, in the form of the events about them.
const MEMBERS: &str = "members";
const MEMBER: &str = "queueMemberUpdate";

/// Identifies the state that an event carries: of two events with the same key, the newer one supersedes the other.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Key {
    /// The event's name.
    pub(super) event: &'static str,
    /// The entity's name, with that of the queue for a member: `201`, `401/201`.
    pub(super) entity: Box<[u8]>,
    /// One of the three parts of a user's presence.
    part: &'static str,
}

/// One entity of a snapshot.
#[derive(Debug, Clone)]
pub(super) struct Item {
    pub(super) key: Key,
    /// The entity's name, as in the CloudEvents `subject`.
    pub(super) subject: String,
    pub(super) frame: RawEvent,
}

/// The contents of an answer.
#[derive(Debug, Default)]
pub(in crate::session) struct Sliced {
    pub(super) items: Vec<Item>,
    /// The number of values in it that do not describe an entity.
    pub(super) unusable: u64,
}

/// The reason why an answer can't be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadAnswer {
    /// It is not a JSON object.
    #[error("the answer is not a JSON object")]
    NoObject,
    /// It would take too much memory.
    #[error("the answer holds more entities than any PBX has")]
    TooMany,
}

/// The limit for the names of the entities of one answer, in bytes; a large PBX needs a tenth of it.
const NAMES: usize = 8 << 20;
/// The share of an entity in addition to its name.
const EACH: usize = 128;
/// The longest name of an entity; entities with longer names are ignored.
const LONGEST: usize = 1024;

impl Snapshot {
    pub(super) const ALL: [Self; 5] =
        [Self::Extensions, Self::Users, Self::Queues, Self::Trunks, Self::Parkings];

    /// The name in notices and logs.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Extensions => "/astproxy/extensions",
            Self::Users => "/user/endpoints/all",
            Self::Queues => "/astproxy/queues",
            Self::Trunks => "/astproxy/trunks",
            Self::Parkings => "/astproxy/parkings",
        }
    }

    /// The path below the API's base.
    pub(super) fn path(self) -> &'static str {
        self.name().trim_start_matches('/')
    }

    /// The names of the corresponding events.
    pub(super) fn events(self) -> &'static [&'static str] {
        match self {
            Self::Extensions => &["extenUpdate"],
            Self::Users => &[MAIN, PART],
            Self::Queues => &["queueUpdate", MEMBER],
            Self::Trunks => &["trunkUpdate"],
            Self::Parkings => &["parkingUpdate"],
        }
    }

    /// The keys of a live event, if it carries the state that this snapshot does.
    pub(super) fn keys(self, frame: &RawEvent) -> Vec<Key> {
        let name = frame.name();
        let Some(event) = self.events().iter().find(|event| event.as_bytes() == &*name) else {
            return vec![];
        };
        keys(event, &frame.args())
    }

    /// Splits an answer into events, with each value's text as the PBX wrote it.
    pub(super) fn slice(self, answer: &[u8], at: Timestamp) -> Result<Sliced, BadAnswer> {
        // What passes here is complete, so the walk below finds every field.
        serde_json::from_slice::<&RawValue>(answer).map_err(|_| BadAnswer::NoObject)?;
        if !answer.trim_ascii_start().starts_with(b"{") {
            return Err(BadAnswer::NoObject);
        }
        let (mut sliced, mut names) = (Sliced::default(), 0);
        for (name, value) in fields(answer) {
            let before = sliced.items.len();
            if self == Self::Users {
                sliced.items.extend(presences(name, value, at));
            } else {
                let event = self.events().first().copied().unwrap_or_default();
                sliced.items.extend(item(event, value, at));
            }
            sliced.unusable += u64::from(sliced.items.len() == before);
            if self == Self::Queues {
                for (_, member) in field(value, MEMBERS).into_iter().flat_map(fields) {
                    let item = item(MEMBER, member, at);
                    sliced.unusable += u64::from(item.is_none());
                    sliced.items.extend(item);
                }
            }
            let new = sliced.items.iter().skip(before);
            names += new.map(|item| item.key.entity.len() + item.subject.len() + EACH).sum::<usize>();
            if names > NAMES {
                return Err(BadAnswer::TooMany);
            }
        }
        Ok(sliced)
    }
}

fn keys(event: &'static str, args: &[u8]) -> Vec<Key> {
    let Some(found) = entity(event.as_bytes(), args) else { return vec![] };
    if event != PART {
        return vec![Key { event, entity: found.key().into(), part: "" }];
    }
    let key = |part| Key { event, entity: found.id.as_ref().into(), part };
    let parts = PRESENCES.iter().skip(1).map(|(_, part)| *part);
    parts.filter(|part| field(args, part).is_some()).map(key).collect()
}

fn item(event: &'static str, args: &[u8], at: Timestamp) -> Option<Item> {
    let subject = entity(event.as_bytes(), args).filter(|entity| entity.key().len() <= LONGEST)?.subject();
    let key = keys(event, args).pop()?;
    Some(Item { key, subject, frame: frame(event, args, at)? })
}

/// `name` is the user's, as the JSON text of a key without its quotes.
fn presences(name: &[u8], user: &[u8], at: Timestamp) -> Vec<Item> {
    if name.len() > LONGEST {
        return vec![];
    }
    let to = field(user, "to").filter(|to| to.starts_with(b"\""));
    let one = |(from, part): (&str, &str)| {
        let status = field(user, from).filter(|status| status.starts_with(b"\""))?;
        let mut args = Vec::with_capacity(96);
        for piece in [b"{\"", part.as_bytes(), b"\":{\"username\":\"", name, b"\",\"status\":", status] {
            args.extend_from_slice(piece);
        }
        // A number goes with one status only.
        if let Some(to) = to.filter(|_| status == b"\"callforward\"") {
            args.extend_from_slice(b",\"to\":");
            args.extend_from_slice(to);
        }
        args.extend_from_slice(b"}}");
        item(if from == "mainPresence" { MAIN } else { PART }, &args, at)
    };
    PRESENCES.into_iter().filter_map(one).collect()
}

/// The frame in which the PBX would have sent it; `None` if it exceeds the largest frame.
fn frame(event: &str, args: &[u8], at: Timestamp) -> Option<RawEvent> {
    const HEAD: &str = "42[\"";
    let bytes = [HEAD.as_bytes(), event.as_bytes(), b"\",", args, b"]"].concat();
    let place = |from: usize, length: usize| {
        let to = u32::try_from(from + length).ok()?;
        Some(u32::try_from(from).ok()?..to)
    };
    let name = place(HEAD.len(), event.len())?;
    let args = place(HEAD.len() + event.len() + 2, args.len())?;
    Some(RawEvent { at, bytes: Bytes::from(bytes), name, args, argc: 1, attachments: Box::default() })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn slice(snapshot: Snapshot, text: &str) -> Vec<(String, String)> {
        let sliced = snapshot.slice(text.as_bytes(), Timestamp::UNIX_EPOCH).unwrap();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        sliced.items.iter().map(|item| (text(&item.frame.name()), text(&item.frame.args()))).collect()
    }

    #[test]
    fn a_value_is_the_text_that_the_pbx_wrote() {
        let odd = r#"{ "exten" : "201","n":1e999,"n":12345678901234567890123,"s":"\ud800","é":[ ] }"#;
        let answer = format!("\n{{ \"201\" :{odd} ,\"202\":{{\"exten\":\"202\"}}}} ");
        let (name, second) = ("extenUpdate".to_owned(), r#"{"exten":"202"}"#.to_owned());
        assert_eq!(slice(Snapshot::Extensions, &answer), [(name.clone(), odd.to_owned()), (name, second)]);
        let twice = r#"{"401":{"queue":"401","name":"a"},"401":{"queue":"401","name":"b"}}"#;
        assert_eq!(slice(Snapshot::Queues, twice).len(), 2, "either may be the current one");
    }

    #[test]
    fn a_frame_is_the_one_the_codec_would_produce() {
        let sliced =
            Snapshot::Trunks.slice(br#"{"t":{"exten":"t","a":[1,2]}}"#, Timestamp::UNIX_EPOCH).unwrap();
        let frame = &sliced.items[0].frame;
        assert_eq!(&frame.bytes[..], br#"42["trunkUpdate",{"exten":"t","a":[1,2]}]"#);
        assert_eq!(
            (&*frame.name(), &frame.args()[..]),
            (&b"trunkUpdate"[..], &br#"{"exten":"t","a":[1,2]}"#[..])
        );
        assert_eq!(sliced.items[0].subject, "trunk/t");
    }

    #[test]
    fn of_a_user_only_presences_are_used() {
        let answer = r#"{"ada":{"name":"Ada Neri","username":"ada","mainPresence":"busy","presence":"callforward",
            "presenceOnBusy":"voicemail","presenceOnUnavailable":null,"to":"0721","lkhash":"planted",
            "endpoints":{"extension":[{"id":"201","secret":"planted","mainPresence":"planted"}]}},
            "b\"ob":{"mainPresence":"online"},"eve":7}"#;
        let expected = [
            ("userMainPresenceUpdate", r#"{"mainPresence":{"username":"ada","status":"busy"}}"#),
            ("userPresenceUpdate", r#"{"presence":{"username":"ada","status":"callforward","to":"0721"}}"#),
            ("userPresenceUpdate", r#"{"presence_onbusy":{"username":"ada","status":"voicemail"}}"#),
            ("userMainPresenceUpdate", r#"{"mainPresence":{"username":"b\"ob","status":"online"}}"#),
        ];
        let found = slice(Snapshot::Users, answer);
        assert_eq!(found, expected.map(|(name, args)| (name.to_owned(), args.to_owned())));
        let sliced = Snapshot::Users.slice(answer.as_bytes(), Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!(sliced.unusable, 1);
        assert!(!format!("{sliced:?}").contains("planted"));
        // Each part is a state of its own.
        assert_ne!(sliced.items[1].key, sliced.items[2].key);
        for item in &sliced.items {
            assert_eq!(Snapshot::Users.keys(&item.frame), std::slice::from_ref(&item.key));
        }
    }

    #[test]
    fn a_queue_holds_its_members_and_each_is_a_state_of_its_own() {
        let answer = r#"{"401":{"queue":"401","members":{"201":{"queue":"401","member":"201","paused":1e0},"x":{},
            "202":{"queue":"401","member":"202"}}},"402":{"queue":"402","members":{"201":{"queue":"402","member":"201"}}},
            "403":{"queue":"403","members":[]}}"#;
        let found = slice(Snapshot::Queues, answer);
        let names: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
        let (queue, member) = ("queueUpdate", "queueMemberUpdate");
        assert_eq!(names, [queue, member, member, queue, member, queue]);
        assert_eq!(found[1].1, r#"{"queue":"401","member":"201","paused":1e0}"#);
        let sliced = Snapshot::Queues.slice(answer.as_bytes(), Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!(sliced.unusable, 1);
        let keys: std::collections::BTreeSet<_> = sliced.items.iter().map(|item| &item.key).collect();
        assert_eq!(keys.len(), 6, "{keys:?}");
        assert_eq!(sliced.items[4].subject, "queue/402/member/201");
        for item in &sliced.items {
            assert_eq!(Snapshot::Queues.keys(&item.frame), std::slice::from_ref(&item.key));
        }
    }

    #[test]
    fn non_objects_are_rejected_and_non_entities_counted() {
        for text in ["", "[]", "null", "\"x\"", "{", r#"{"a":1"#, r#"{"a":1}{"b":2}"#, "\u{feff}{}"] {
            assert_eq!(
                Snapshot::Queues.slice(text.as_bytes(), Timestamp::UNIX_EPOCH).err(),
                Some(BadAnswer::NoObject),
                "{text}"
            );
        }
        let sliced = Snapshot::Queues
            .slice(br#"{"401":null,"402":[],"403":{"name":"x"},"404":{"queue":{}}}"#, Timestamp::UNIX_EPOCH)
            .unwrap();
        assert_eq!((sliced.items.len(), sliced.unusable), (0, 4));
        assert_eq!(slice(Snapshot::Queues, " {} "), []);
    }

    #[test]
    fn an_answer_of_many_or_long_entities_is_bounded() {
        let many: Vec<_> =
            (0..80_000).map(|number| format!(r#""{number}":{{"queue":"{number}"}}"#)).collect();
        let answer = format!("{{{}}}", many.join(","));
        let sliced = Snapshot::Queues.slice(answer.as_bytes(), Timestamp::UNIX_EPOCH);
        assert_eq!(sliced.err(), Some(BadAnswer::TooMany));
        let long = "x".repeat(1 << 20);
        let answer = format!(
            r#"{{"{long}":{{"username":"{long}","presence":"online","mainPresence":"online"}},
            "a":{{"queue":"{long}"}},"b":{{"queue":"b"}}}}"#
        );
        let sliced = Snapshot::Users.slice(answer.as_bytes(), Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!((sliced.items.len(), sliced.unusable), (0, 3));
        let sliced = Snapshot::Queues.slice(answer.as_bytes(), Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!((sliced.items.len(), sliced.unusable), (1, 2));
    }

    fn json() -> impl Strategy<Value = String> {
        let leaf = prop_oneof![
            Just("null".to_owned()),
            Just("-0.1e-7".to_owned()),
            any::<i64>().prop_map(|n| n.to_string()),
            Just(r#""\ud834\"}]{""#.to_owned()),
            any::<String>().prop_map(|s| serde_json::to_string(&s).unwrap()),
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(|all| format!("[{}]", all.join(" , "))),
                prop::collection::vec((any::<String>(), inner), 0..4).prop_map(|all| {
                    let all = all
                        .iter()
                        .map(|(key, value)| format!("{}: {value}", serde_json::to_string(key).unwrap()));
                    format!("{{{}}}", all.collect::<Vec<_>>().join(","))
                }),
            ]
        })
    }

    proptest! {
        #[test]
        fn every_entity_comes_out_untouched(values in prop::collection::vec((any::<String>(), json()), 0..6)) {
            let values: Vec<(String, String)> = values.into_iter().map(|(id, value)| {
                let value = format!(r#"{{"extra":{value}, "queue":{}}}"#, serde_json::to_string(&id).unwrap());
                (id, value)
            }).collect();
            let all: Vec<_> = values.iter().map(|(id, value)| format!("{}:{value}", serde_json::to_string(id).unwrap())).collect();
            let answer = format!("{{{}}}", all.join(" ,\n"));
            let sliced = Snapshot::Queues.slice(answer.as_bytes(), Timestamp::UNIX_EPOCH).unwrap();
            prop_assert_eq!(sliced.items.len(), values.len());
            for (item, (id, value)) in sliced.items.iter().zip(&values) {
                prop_assert_eq!(&item.frame.args()[..], value.as_bytes());
                prop_assert_eq!(&*item.key.entity, id.as_bytes());
            }
        }

        #[test]
        fn no_text_makes_it_panic(text in "[{}\\[\\]\",:a-c\\\\u0d8 ]{0,40}") {
            for snapshot in Snapshot::ALL {
                let _ = snapshot.slice(text.as_bytes(), Timestamp::UNIX_EPOCH);
            }
        }
    }
}
