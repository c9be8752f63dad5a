//! Catalogue of the events this version knows, and the entity each one describes.
//!
//! Events that are not listed are published too, without an entity. Derived from the public code of the PBX's
//! CTI server and its clients.

use std::borrow::Cow;

use super::{is_legal, json, slug};

/// Entity that an event describes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entity<'a> {
    /// Kind of the entity.
    pub kind: Kind,
    /// Name of the entity on the PBX, such as `201`.
    pub id: Cow<'a, [u8]>,
    /// Part of the entity, such as a member of a queue, or one of the three presences of a user.
    pub part: Option<Cow<'a, [u8]>>,
}

/// Kinds of entities.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Kind {
    Extension,
    Queue,
    Trunk,
    Parking,
    User,
    Voicemail,
    Conference,
}

/// Location of the entity's name in an event's arguments.
enum Key {
    /// `args[0][field]`.
    Field(&'static str),
    /// `args[0][outer][field]`.
    Nested(&'static str, &'static str),
    /// `args[0][one of these][field]`, and which one matched. If several match, the event describes no single
    /// part.
    OneOf(&'static [&'static str], &'static str),
    /// `args[0][field]`, and a part of it in `args[0][other]`.
    Pair(&'static str, &'static str),
    /// The name of the first field of `args[0]`.
    NameOfFirst,
    /// `args[0]` itself.
    Argument,
}

const KNOWN: &[(&str, Kind, Key)] = &[
    ("extenUpdate", Kind::Extension, Key::Field("exten")),
    ("userMainPresenceUpdate", Kind::User, Key::Nested("mainPresence", "username")),
    ("queueUpdate", Kind::Queue, Key::Field("queue")),
    ("queueMemberUpdate", Kind::Queue, Key::Pair("queue", "member")),
    ("trunkUpdate", Kind::Trunk, Key::Field("exten")),
    ("parkingUpdate", Kind::Parking, Key::Field("parking")),
    (
        "userPresenceUpdate",
        Kind::User,
        Key::OneOf(&["presence", "presence_onbusy", "presence_onunavailable"], "username"),
    ),
    ("userProfileAvatarUpdate", Kind::User, Key::Field("username")),
    ("newVoiceMessageCounter", Kind::Voicemail, Key::Field("voicemail")),
    ("updateNewVoiceMessages", Kind::Voicemail, Key::NameOfFirst),
    ("qmAlarm", Kind::Queue, Key::Field("queue")),
    ("confBridgeUpdate", Kind::Conference, Key::Field("id")),
    ("confBridgeEnd", Kind::Conference, Key::Field("id")),
    ("meetmeConfUpdate", Kind::Conference, Key::Field("id")),
    ("meetmeConfEnd", Kind::Conference, Key::Field("id")),
    ("extenRinging", Kind::Extension, Key::Field("numCalled")),
    ("extenConnected", Kind::Extension, Key::Field("extenConnected")),
    ("extenHangup", Kind::Extension, Key::Field("channelExten")),
    ("answerWebrtc", Kind::Extension, Key::Argument),
    ("updateDefaultDevice", Kind::Extension, Key::Argument),
];

/// Events that carry the complete state of their entity, and that a gap may therefore hide.
pub const STATE_EVENTS: &[&str] = &[
    "extenUpdate",
    "userMainPresenceUpdate",
    "userPresenceUpdate",
    "queueUpdate",
    "queueMemberUpdate",
    "trunkUpdate",
    "parkingUpdate",
    "newVoiceMessageCounter",
];

/// Returns the entity whose complete state an event carries: a newer event of the same name and entity
/// supersedes it. `None` for other events.
pub fn state_entity<'a>(name: &[u8], args: &'a [u8]) -> Option<Entity<'a>> {
    if !STATE_EVENTS.iter().any(|known| known.as_bytes() == name) {
        return None;
    }
    let has_parts = KNOWN
        .iter()
        .any(|(known, _, key)| known.as_bytes() == name && matches!(key, Key::OneOf(..) | Key::Pair(..)));
    entity(name, args).filter(|entity| entity.part.is_some() == has_parts)
}

/// Returns whether the catalogue has an event of this name.
pub fn is_known(name: &[u8]) -> bool {
    KNOWN.iter().any(|(known, ..)| known.as_bytes() == name)
}

/// Returns the entity of an event. `args` is the text between the name and the closing bracket. `None` for an
/// unknown event and for one without its key.
pub fn entity<'a>(name: &[u8], args: &'a [u8]) -> Option<Entity<'a>> {
    let (_, kind, key) = KNOWN.iter().find(|(known, ..)| known.as_bytes() == name)?;
    let complete = |id| Entity { kind: *kind, id, part: None };
    match key {
        Key::Field(field) => json::field(args, field).and_then(json::scalar).map(complete),
        Key::Nested(outer, field) => {
            json::field(json::field(args, outer)?, field).and_then(json::scalar).map(complete)
        }
        Key::OneOf(parts, field) => {
            let mut found = parts.iter().filter_map(|part| Some((part, json::field(args, part)?)));
            let (part, object) = found.next()?;
            let id = json::field(object, field).and_then(json::scalar)?;
            let part = found.next().is_none().then_some(Cow::Borrowed(part.as_bytes()));
            Some(Entity { kind: *kind, id, part })
        }
        Key::Pair(field, other) => {
            let id = json::field(args, field).and_then(json::scalar)?;
            let part = json::field(args, other).and_then(json::scalar)?;
            Some(Entity { kind: *kind, id, part: Some(part) })
        }
        Key::NameOfFirst => json::first_field(args).map(|(key, _)| complete(Cow::Borrowed(key))),
        Key::Argument => json::scalar(args.trim_ascii()).map(complete),
    }
}

impl Entity<'_> {
    /// Formats the CloudEvents `subject`: `extension/201`, `queue/401/member/201`,
    /// `user/ada/presence_onbusy`.
    pub fn subject(&self) -> String {
        let kind = match self.kind {
            Kind::Extension => "extension",
            Kind::Queue => "queue",
            Kind::Trunk => "trunk",
            Kind::Parking => "parking",
            Kind::User => "user",
            Kind::Voicemail => "voicemail",
            Kind::Conference => "conference",
        };
        let id = legal(&self.id);
        match &self.part {
            None => format!("{kind}/{id}"),
            Some(part) if self.kind == Kind::User => format!("{kind}/{id}/{}", legal(part)),
            Some(part) => format!("{kind}/{id}/member/{}", legal(part)),
        }
    }

    /// Returns a single unescaped name: `201`, `401/201`.
    pub fn key(&self) -> Cow<'_, [u8]> {
        match &self.part {
            None => Cow::Borrowed(&self.id),
            Some(part) => Cow::Owned([&self.id[..], b"/", part].concat()),
        }
    }
}

/// Returns the text unchanged if CloudEvents allows it in an attribute, otherwise escaped.
fn legal(raw: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(raw) {
        Ok(text) if is_legal(text) => Cow::Borrowed(text),
        _ => slug(raw),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn subject(name: &str, args: &str) -> Option<String> {
        entity(name.as_bytes(), args.as_bytes()).map(|entity| entity.subject())
    }

    #[test]
    fn each_known_event_names_its_entity() {
        for (name, args, expected) in [
            ("extenUpdate", r#"{"exten":"201","name":"Ada"}"#, "extension/201"),
            ("userMainPresenceUpdate", r#"{"mainPresence":{"username":"ada","status":"busy"}}"#, "user/ada"),
            ("userPresenceUpdate", r#"{"presence":{"username":"ada","status":"dnd"}}"#, "user/ada/presence"),
            (
                "userPresenceUpdate",
                r#"{"presence_onbusy":{"username":"ada","status":"dnd"}}"#,
                "user/ada/presence_onbusy",
            ),
            (
                "userPresenceUpdate",
                r#"{"presence_onunavailable":{"username":"ada","status":"dnd"}}"#,
                "user/ada/presence_onunavailable",
            ),
            ("queueUpdate", r#"{"members":{"201":{"queue":"9"}},"queue":"401"}"#, "queue/401"),
            (
                "queueMemberUpdate",
                r#"{"type":"dynamic","queue":"401","member":"201"}"#,
                "queue/401/member/201",
            ),
            ("trunkUpdate", r#"{"exten":"trk","ip":""}"#, "trunk/trk"),
            ("parkingUpdate", r#"{"parking":"71","parkedCaller":{}}"#, "parking/71"),
            ("updateNewVoiceMessages", r#"{"201":{"inbox":"2"}}"#, "voicemail/201"),
            ("answerWebrtc", r#""201""#, "extension/201"),
            ("extenConnected", r#"{"extenConnected":"201"}"#, "extension/201"),
        ] {
            assert_eq!(subject(name, args).as_deref(), Some(expected), "{name}");
        }
    }

    #[test]
    fn each_presence_of_a_user_is_an_entity_of_its_own() {
        let state = |name: &str, args: &'static str| state_entity(name.as_bytes(), args.as_bytes());
        let busy = state("userPresenceUpdate", r#"{"presence_onbusy":{"username":"ada"}}"#).unwrap();
        assert_eq!(&*busy.key(), b"ada/presence_onbusy");
        let both = r#"{"presence":{"username":"ada"},"presence_onbusy":{"username":"ada"}}"#;
        assert_eq!(subject("userPresenceUpdate", both).as_deref(), Some("user/ada"));
        assert_eq!(state("userPresenceUpdate", both), None, "it carries two states");
        assert_eq!(state("extenRinging", r#"{"numCalled":"201"}"#), None, "it carries no state");
        assert!(state("extenUpdate", r#"{"exten":"201"}"#).is_some());
    }

    #[test]
    fn a_missing_key_an_odd_type_and_an_unknown_event_have_none() {
        assert_eq!(subject("extenUpdate", r#"{"name":"Ada"}"#), None);
        assert_eq!(subject("extenUpdate", r#"{"exten":{"a":1}}"#), None);
        assert_eq!(subject("extenUpdate", ""), None);
        assert_eq!(subject("satellite/summary", r#"{"exten":"201"}"#), None);
        assert_eq!(subject("callWebrtc", r#""0721000111""#), None, "an outside number is never a name");
    }
}
