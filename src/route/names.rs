//! The names of an event: its subject, its CloudEvents type, its entity.

use std::{collections::HashMap, sync::Arc};

use super::template::{Template, Values};
use crate::event::{
    Class, Entity, Fingerprints, NONE, Schema, call_type, entity_token, event_schema, event_type, is_legal,
    notice_schema, notice_type, slug,
};

/// The names of all events of one source that have the same name and entity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    /// The subject.
    pub destination: bytes::Bytes,
    /// `event`, `bridge`, `status`, `dlq` or `replay`.
    pub class: String,
    /// `/cti/<source>`.
    pub source: String,
    /// `cti.event.<slug>.v1`, `cti.bridge.<what>.v1`.
    pub ty: String,
    /// The entity, as the CloudEvents `subject`.
    pub subject: Option<String>,
    /// The Socket.IO name, if it differs from the slug.
    pub event: Option<String>,
    /// The URI of the data's schema; `None` unless the sink announces schemas and the catalogue has one.
    pub schema: Option<String>,
}

/// The limit for cached names of one event, in bytes; real ones are shorter.
const LARGE: usize = 4 << 10;

impl Names {
    /// The source's configured name.
    pub fn source_name(&self) -> &str {
        self.source.strip_prefix("/cti/").unwrap_or(&self.source)
    }

    /// Their size in memory, in bytes.
    pub fn size(&self) -> usize {
        let optional = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        let texts = self.destination.len() + self.class.len() + self.source.len() + self.ty.len();
        size_of::<Self>() + texts + optional(&self.subject) + optional(&self.event) + optional(&self.schema)
    }

    /// Returns true if they are too large to cache: no PBX sends such names on purpose.
    pub fn is_large(&self) -> bool {
        self.size() > LARGE
    }
}

/// Builds names, and caches them: a PBX has a few hundred.
#[derive(Debug)]
pub(super) struct Naming {
    template: Template,
    /// The URI that the schemas' file names are appended to.
    schemas: Option<String>,
    known: HashMap<u128, Arc<Names>>,
    /// The size of the names in `known`, in bytes.
    bytes: usize,
    fingerprints: Fingerprints,
}

/// The limit of the cache, in bytes.
const REMEMBERED: usize = 4 << 20;

impl Naming {
    /// Names by this template. `schemas` is the URI that the schemas' file names are appended to; `None` announces none.
    pub(super) fn new(template: Template, schemas: Option<String>) -> Self {
        Self { template, schemas, known: HashMap::new(), bytes: 0, fingerprints: Fingerprints::default() }
    }

    /// The names of the dead letter of an event with these names.
    pub(super) fn dead_letter(&self, names: &Names) -> Arc<Names> {
        const NAME: &str = "deadletter";
        let schema = self.uri(notice_schema(Class::Dlq, NAME));
        Arc::new(Names { ty: notice_type(NAME), schema, ..names.clone() })
    }

    fn uri(&self, schema: Option<&Schema>) -> Option<String> {
        Some(format!("{}{}.json", self.schemas.as_deref()?, schema?.title))
    }

    /// The names of a PBX event. `template` is that of its route; `None` uses the sink's.
    pub(super) fn event(
        &mut self,
        (source, class): (&str, &str),
        name: &[u8],
        entity: Option<&Entity<'_>>,
        template: Option<&Template>,
    ) -> Arc<Names> {
        let whose = entity.map(|entity| (entity.kind, &*entity.id, entity.part.as_deref()));
        let key = self.fingerprints.of(&(source, class, name, whose, template));
        self.remembered(key, |naming| {
            naming.build((source, class), name, entity, template.unwrap_or(&naming.template))
        })
    }

    /// The names of an event of the bridge itself: class `bridge` or `status`. `template` is that of its route; `None` uses the
    /// sink's.
    pub(super) fn bridge(
        &mut self,
        (source, class): (&str, &str),
        what: &str,
        template: Option<&Template>,
    ) -> Arc<Names> {
        let key = self.fingerprints.of(&("bridge", source, class, what, template));
        self.remembered(key, |naming| {
            naming.build_bridge((source, class), what, template.unwrap_or(&naming.template))
        })
    }

    /// The names of an event of a call. Not cached, as each call has few.
    pub(super) fn call(
        &self,
        (source, class): (&str, &str),
        step: &str,
        entity: &Entity<'_>,
        template: Option<&Template>,
    ) -> Arc<Names> {
        let key = entity.key();
        let token = entity_token(Some(&key));
        let values = Values { source, class, slug: step, entity: &token };
        Arc::new(Names {
            destination: template.unwrap_or(&self.template).render(values).into(),
            class: class.to_owned(),
            source: format!("/cti/{source}"),
            ty: call_type(step),
            subject: Some(entity.subject()),
            event: None,
            schema: self.uri(notice_schema(Class::Call, step)),
        })
    }

    fn remembered(&mut self, key: u128, build: impl FnOnce(&Self) -> Names) -> Arc<Names> {
        if let Some(names) = self.known.get(&key) {
            return Arc::clone(names);
        }
        let names = Arc::new(build(self));
        if !names.is_large() {
            if self.bytes + names.size() > REMEMBERED {
                self.known.clear();
                self.bytes = 0;
            }
            self.bytes += names.size();
            self.known.insert(key, Arc::clone(&names));
        }
        names
    }

    fn build(
        &self,
        (source, class): (&str, &str),
        name: &[u8],
        entity: Option<&Entity<'_>>,
        template: &Template,
    ) -> Names {
        let slug = slug(name);
        let key = entity.map(Entity::key);
        let token = entity_token(key.as_deref());
        let values = Values { source, class, slug: &slug, entity: &token };
        Names {
            destination: template.render(values).into(),
            class: class.to_owned(),
            source: format!("/cti/{source}"),
            ty: event_type(&slug),
            subject: entity.map(Entity::subject),
            event: std::str::from_utf8(name)
                .ok()
                .filter(|text| *text != slug && !text.is_empty() && is_legal(text))
                .map(str::to_owned),
            schema: self.uri(event_schema(name)),
        }
    }

    fn build_bridge(&self, (source, class): (&str, &str), what: &str, template: &Template) -> Names {
        let values = Values { source, class, slug: &slug(what.as_bytes()), entity: NONE };
        Names {
            destination: template.render(values).into(),
            class: class.to_owned(),
            source: format!("/cti/{source}"),
            ty: notice_type(what),
            subject: None,
            event: None,
            schema: self
                .uri(notice_schema(if class == "status" { Class::Status } else { Class::Bridge }, what)),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::event;

    fn naming() -> Naming {
        Naming::new("cti.v1.{source}.{class}.{slug}.{entity}".parse().unwrap(), None)
    }

    fn subject(names: &Names) -> &str {
        std::str::from_utf8(&names.destination).unwrap()
    }

    #[test]
    fn a_known_event_carries_its_entity() {
        let args = br#"{"exten":"201"}"#;
        let mut naming = naming();
        let names = naming.event(
            ("pbx1", "event"),
            b"extenUpdate",
            event::entity(b"extenUpdate", args).as_ref(),
            None,
        );
        assert_eq!(subject(&names), "cti.v1.pbx1.event.extenUpdate.201");
        assert_eq!(names.ty, "cti.event.extenUpdate.v1");
        assert_eq!(names.subject.as_deref(), Some("extension/201"));
        assert_eq!(names.event, None);
        let again = naming.event(
            ("pbx1", "event"),
            b"extenUpdate",
            event::entity(b"extenUpdate", args).as_ref(),
            None,
        );
        assert!(Arc::ptr_eq(&names, &again));
    }

    #[test]
    fn the_cache_is_bounded_in_bytes() {
        let mut naming = naming();
        let held = |naming: &Naming| naming.known.values().map(|names| names.size()).sum::<usize>();
        for number in 0..600 {
            let args = format!(r#"{{"exten":"{number}{}"}}"#, "x".repeat(300_000));
            let entity = event::entity(b"extenUpdate", args.as_bytes());
            let names = naming.event(("pbx1", "event"), b"extenUpdate", entity.as_ref(), None);
            assert!(names.subject.as_deref().is_some_and(|subject| subject.len() < 300));
        }
        for number in 0..20_000 {
            let name = format!("{number}{}", "x".repeat(1000));
            naming.event(("pbx1", "event"), name.as_bytes(), None, None);
            assert!(naming.bytes <= REMEMBERED);
            if number % 500 == 0 {
                assert_eq!(held(&naming), naming.bytes);
            }
        }
    }

    #[test]
    fn names_split_differently_stay_distinct() {
        let mut naming = naming();
        let mut all = std::collections::HashSet::new();
        for (source, class, name) in [("a", "b", "c"), ("ab", "", "c"), ("a", "bc", ""), ("", "ab", "c")] {
            all.insert(Arc::as_ptr(&naming.event((source, class), name.as_bytes(), None, None)));
            all.insert(Arc::as_ptr(&naming.bridge((source, class), name, None)));
        }
        assert_eq!(all.len(), 8);
    }

    #[test]
    fn event_data_never_adds_a_token() {
        for name in [&b"a.b"[..], b"*", b">", b"a b", b"", b"\xff\r\n"] {
            let names = naming().event(("pbx1", "event"), name, None, None);
            assert_eq!(subject(&names).split('.').count(), 6, "{names:?}");
            assert!(!subject(&names).contains(['*', '>', ' ', '\r', '\n']), "{names:?}");
        }
        let names = naming().event(("pbx1", "event"), b"satellite/summary", None, None);
        assert_eq!(names.event.as_deref(), Some("satellite/summary"));
        assert_eq!(
            naming().event(("pbx1", "event"), b"a\nb", None, None).event,
            None,
            "a control character is illegal in CloudEvents"
        );
    }

    #[test]
    fn the_bridges_own_events() {
        let names = naming().bridge(("pbx1", "bridge"), "auth.failed", None);
        assert_eq!(subject(&names), "cti.v1.pbx1.bridge.auth=2Efailed._");
        assert_eq!(names.ty, "cti.bridge.auth.failed.v1");
    }
}
