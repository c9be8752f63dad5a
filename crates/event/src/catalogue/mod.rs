//! Catalogue of the events this version knows, compiled from `schemas/` at the top of the workspace.
//!
//! The schemas are the single source of what an event means: its entity, whether it carries a state, who receives it,
//! and which of its values are personal. Events that are not listed are published too, without an entity.

mod drift;
mod node;
#[cfg(test)]
mod rules;
mod schema;
mod subject;
mod vocabulary;
mod volatile;

use std::{borrow::Cow, sync::LazyLock};

pub use self::{
    drift::{Drift, DriftKind, drifts},
    node::Node,
    schema::{Schema, Step},
    vocabulary::{Audience, Class, Personal, Type},
};
pub use subject::Template;
pub use volatile::data_fingerprint;

use super::{is_legal, slug};

/// The embedded files: stem and text.
const FILES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/schemas.rs"));

static CATALOGUE: LazyLock<Catalogue> =
    // A test proves that the embedded files compile.
    LazyLock::new(|| Catalogue::compile(FILES).unwrap_or_default());

/// The compiled catalogue.
#[derive(Debug, Default)]
struct Catalogue {
    /// All schemas, by class and title.
    schemas: &'static [Schema],
    /// Events of the PBX. Comparing a few dozen names side by side beats any table: most differ in length.
    by_name: Vec<(&'static str, &'static Schema)>,
}

/// Entity that an event describes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entity<'a> {
    /// Kind of the entity: `extension`, `queue`.
    pub kind: &'static str,
    /// Name of the entity on the PBX, such as `201`.
    pub id: Cow<'a, [u8]>,
    /// Word before the part in the subject; `None` if the part follows the id directly.
    pub word: Option<&'static str>,
    /// Part of the entity, such as a member of a queue, or one of the three presences of a user.
    pub part: Option<Cow<'a, [u8]>>,
}

impl Catalogue {
    fn compile(files: &[(&'static str, &'static str)]) -> Result<Self, serde_json::Error> {
        let mut schemas =
            files.iter().map(|(stem, text)| Schema::parse(stem, text)).collect::<Result<Vec<_>, _>>()?;
        schemas.sort_by(|a, b| (a.class, &a.title).cmp(&(b.class, &b.title)));
        // The catalogue lives as long as the program.
        let schemas: &'static [Schema] = schemas.leak();
        let of_pbx = schemas.iter().filter(|schema| schema.class == Class::Event);
        Ok(Self { schemas, by_name: of_pbx.map(|schema| (&*schema.name, schema)).collect() })
    }

    /// Returns the index in both lists: the events of the PBX are the first class.
    fn event_index(&self, name: &[u8]) -> Option<usize> {
        self.by_name.iter().position(|(known, _)| known.as_bytes() == name)
    }
}

/// Returns all schemas: events of the PBX, notices, heartbeat, dead letter and call.
pub fn schemas() -> &'static [Schema] {
    CATALOGUE.schemas
}

/// Returns the schema of a PBX event; `None` if the catalogue has none.
pub fn event_schema(name: &[u8]) -> Option<&'static Schema> {
    schemas().get(event_index(name)?)
}

/// Returns the index in [`schemas`] of a PBX event's schema; `None` if the catalogue has none.
pub fn event_index(name: &[u8]) -> Option<usize> {
    CATALOGUE.event_index(name)
}

/// Returns the schema of an event of the bridge or of a call with this name, as in its CloudEvents type; `None` if there is
/// none.
pub fn notice_schema(class: Class, name: &str) -> Option<&'static Schema> {
    let is_named = |schema: &Schema| schema.names().any(|known| known == name);
    schemas()
        .iter()
        .filter(|_| class != Class::Event)
        .find(|schema| schema.class == class && is_named(schema))
}

/// Returns the names of the events that carry the complete state of their entity, and that a gap may therefore hide.
pub fn state_events() -> impl Iterator<Item = &'static str> {
    CATALOGUE.by_name.iter().filter(|(_, schema)| schema.is_state).map(|(name, _)| *name)
}

/// Returns whether events of this name carry the complete state of their entity.
pub fn is_state_event(name: &[u8]) -> bool {
    event_schema(name).is_some_and(|schema| schema.is_state)
}

/// Returns the entity whose complete state an event carries: a newer event of the same name and entity
/// supersedes it. `None` for other events.
pub fn state_entity<'a>(name: &[u8], args: &'a [u8]) -> Option<Entity<'a>> {
    let schema = event_schema(name).filter(|schema| schema.is_state)?;
    let has_parts = schema.subjects.iter().any(Template::has_part);
    entity_of(schema, args).filter(|entity| entity.part.is_some() == has_parts)
}

/// Returns whether the catalogue has an event of this name.
pub fn is_known(name: &[u8]) -> bool {
    event_schema(name).is_some()
}

/// Returns the entity of an event. `args` is the text between the name and the closing bracket. `None` for an
/// unknown event and for one without its key.
pub fn entity<'a>(name: &[u8], args: &'a [u8]) -> Option<Entity<'a>> {
    entity_of(event_schema(name)?, args)
}

impl Schema {
    /// Returns the entity of an event of this schema. `args` is as in [`entity`]. `None` for one without its key.
    pub fn entity<'a>(&'static self, args: &'a [u8]) -> Option<Entity<'a>> {
        entity_of(self, args)
    }
}

fn entity_of<'a>(schema: &'static Schema, args: &'a [u8]) -> Option<Entity<'a>> {
    let mut found = schema.subjects.iter().filter_map(|template| template.entity(args));
    let first = found.next()?;
    // An event with two parts describes neither alone.
    Some(if found.next().is_some() { Entity { word: None, part: None, ..first } } else { first })
}

impl Entity<'_> {
    /// Formats the CloudEvents `subject`: `extension/201`, `queue/401/member/201`,
    /// `user/ada/presence_onbusy`.
    pub fn subject(&self) -> String {
        let mut subject = format!("{}/{}", self.kind, legal(&self.id));
        for segment in self.word.map(Cow::Borrowed).into_iter().chain(self.part.as_deref().map(legal)) {
            subject.push('/');
            subject.push_str(&segment);
        }
        subject
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
    fn the_embedded_schemas_compile() {
        let catalogue = Catalogue::compile(FILES).unwrap();
        assert_eq!(catalogue.schemas.len(), FILES.len());
        assert!(catalogue.by_name.len() >= 28, "{:?}", catalogue.by_name);
    }

    #[test]
    fn a_bad_schema_is_an_error_that_names_it() {
        let (_, good) = FILES.iter().find(|(stem, _)| *stem == "extenUpdate").unwrap();
        assert!(Catalogue::compile(&[("extenUpdate", good)]).is_ok());
        for (from, to, expected) in [
            ("\"title\": \"extenUpdate\"", "\"title\": \"other\"", "extenUpdate.json: `title` differs"),
            ("\"x-cti-state\"", "\"x-cti-stat\"", "unknown field `x-cti-stat`"),
            ("\"x-cti-audience\": \"all\",", "", "extenUpdate.json: `x-cti-audience`"),
            ("/v1/extenUpdate", "/extenUpdate", "extenUpdate.json: `$id`"),
            ("extension/{/exten}", "extension", "subject template \"extension\""),
            (
                "\"x-cti-audience\": \"all\"",
                "\"x-cti-audience\": \"right\"",
                "extenUpdate.json: `x-cti-right`",
            ),
        ] {
            assert!(good.contains(from), "{from}");
            let bad: &'static str = good.replace(from, to).leak();
            let error = Catalogue::compile(&[("extenUpdate", bad)]).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn the_steps_of_a_call_share_a_schema() {
        let schema = notice_schema(Class::Call, "started").unwrap();
        assert_eq!((&*schema.title, &*schema.types()[0]), ("call", "cti.call.started.v1"));
        assert!(
            notice_schema(Class::Call, "call").is_none() && notice_schema(Class::Bridge, "state").is_none()
        );
        let example = schema.examples[0].get().as_bytes();
        assert_eq!(schema.entity(example).unwrap().subject(), "call/1795538000000417");
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
            ("updateDefaultDevice", r#""201",{"colour":"red"}"#, "extension/201"),
            ("extenConnected", r#"{"extenConnected":"201"}"#, "extension/201"),
            ("extenConvConnected", r#"{"num1":"201","uniqueid":"1795538000.20"}"#, "channel/1795538000.20"),
            ("satellite/transcription", r#"{"uniqueid":"1795538000.20"}"#, "channel/1795538000.20"),
            ("satellite/summary", r#"{"uniqueid":"1795538000.20"}"#, "channel/1795538000.20"),
            ("streamingSourceUpdate", r#"{"streaming":{"source":"gate1"}}"#, "stream/gate1"),
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
        assert_eq!(subject("phoneLightOn", r#"{"exten":"201"}"#), None);
        assert_eq!(subject("callWebrtc", r#""0721000111""#), None, "an outside number is never a name");
    }
}
