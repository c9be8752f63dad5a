//! What an event is called: its subject, its CloudEvents type, its entity.

use std::{collections::HashMap, sync::Arc};

use super::template::{Template, Values};
use crate::event::{Entity, NONE, entity_token, event_type, is_legal, notice_type, slug};

/// The names of all events of one source that have the same name and entity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    /// Where it goes on a bus.
    pub destination: bytes::Bytes,
    /// `event`, `bridge`, `status`, `dlq` or `replay`.
    pub class: String,
    /// `/cti/<source>`.
    pub source: String,
    /// `cti.event.<slug>.v1`, `cti.bridge.<what>.v1`.
    pub ty: String,
    /// The entity as CloudEvents subject.
    pub subject: Option<String>,
    /// The Socket.IO name, when it is not the slug.
    pub event: Option<String>,
}

impl Names {
    /// The source's name as it is configured.
    pub fn source_name(&self) -> &str {
        self.source.strip_prefix("/cti/").unwrap_or(&self.source)
    }

    /// The same names for a letter about the event.
    pub fn as_dead_letter(&self) -> Arc<Self> {
        Arc::new(Self { ty: "cti.bridge.deadletter.v1".to_owned(), ..self.clone() })
    }
}

/// Builds names, and remembers them: a PBX has a few hundred.
#[derive(Debug)]
pub(super) struct Naming {
    template: Template,
    known: HashMap<Box<[u8]>, Arc<Names>>,
    key: Vec<u8>,
}

/// Names beyond this are not remembered any longer: event data must not grow our memory.
const REMEMBERED: usize = 16 * 1024;

impl Naming {
    pub(super) fn new(template: Template) -> Self {
        Self { template, known: HashMap::new(), key: Vec::new() }
    }

    /// The names of a PBX event.
    pub(super) fn event(
        &mut self,
        source: &str,
        class: &str,
        name: &[u8],
        entity: Option<&Entity<'_>>,
    ) -> Arc<Names> {
        self.start_key(&[source.as_bytes(), name, class.as_bytes()]);
        if let Some(entity) = entity {
            self.key.push(entity.kind as u8);
            self.key.extend_from_slice(&entity.id.len().to_le_bytes());
            self.key.extend_from_slice(&entity.id);
            if let Some(part) = &entity.part {
                self.key.extend_from_slice(part);
            }
        }
        self.remembered(|naming| naming.build(source, class, name, entity))
    }

    /// The names of an event of the bridge itself: class `bridge` or `status`.
    pub(super) fn bridge(&mut self, source: &str, class: &str, what: &str) -> Arc<Names> {
        self.start_key(&[source.as_bytes(), what.as_bytes(), class.as_bytes()]);
        // No kind of entity.
        self.key.push(u8::MAX);
        self.remembered(|naming| naming.build_bridge(source, class, what))
    }

    /// Lengths go first, so that no two names share a key.
    fn start_key(&mut self, parts: &[&[u8]]) {
        self.key.clear();
        for part in parts {
            self.key.extend_from_slice(&part.len().to_le_bytes());
            self.key.extend_from_slice(part);
        }
    }

    fn remembered(&mut self, build: impl FnOnce(&Self) -> Names) -> Arc<Names> {
        if let Some(names) = self.known.get(self.key.as_slice()) {
            return Arc::clone(names);
        }
        let names = Arc::new(build(self));
        if self.known.len() >= REMEMBERED {
            self.known.clear();
        }
        self.known.insert(self.key.as_slice().into(), Arc::clone(&names));
        names
    }

    fn build(&self, source: &str, class: &str, name: &[u8], entity: Option<&Entity<'_>>) -> Names {
        let slug = slug(name);
        let key = entity.map(Entity::key);
        let token = entity_token(key.as_deref());
        let values = Values { source, class, slug: &slug, entity: &token };
        Names {
            destination: self.template.render(values).into(),
            class: class.to_owned(),
            source: format!("/cti/{source}"),
            ty: event_type(&slug),
            subject: entity.map(Entity::subject),
            event: std::str::from_utf8(name)
                .ok()
                .filter(|text| *text != slug && !text.is_empty() && is_legal(text))
                .map(str::to_owned),
        }
    }

    fn build_bridge(&self, source: &str, class: &str, what: &str) -> Names {
        let values = Values { source, class, slug: &slug(what.as_bytes()), entity: NONE };
        Names {
            destination: self.template.render(values).into(),
            class: class.to_owned(),
            source: format!("/cti/{source}"),
            ty: notice_type(what),
            subject: None,
            event: None,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::event;

    fn naming() -> Naming {
        Naming::new("cti.v1.{source}.{class}.{slug}.{entity}".parse().unwrap())
    }

    fn subject(names: &Names) -> &str {
        std::str::from_utf8(&names.destination).unwrap()
    }

    #[test]
    fn a_known_event_carries_its_entity() {
        let args = br#"{"exten":"201"}"#;
        let mut naming = naming();
        let names =
            naming.event("pbx1", "event", b"extenUpdate", event::entity(b"extenUpdate", args).as_ref());
        assert_eq!(subject(&names), "cti.v1.pbx1.event.extenUpdate.201");
        assert_eq!(names.ty, "cti.event.extenUpdate.v1");
        assert_eq!(names.subject.as_deref(), Some("extension/201"));
        assert_eq!(names.event, None);
        let again =
            naming.event("pbx1", "event", b"extenUpdate", event::entity(b"extenUpdate", args).as_ref());
        assert!(Arc::ptr_eq(&names, &again));
    }

    #[test]
    fn event_data_never_adds_a_token() {
        for name in [&b"a.b"[..], b"*", b">", b"a b", b"", b"\xff\r\n"] {
            let names = naming().event("pbx1", "event", name, None);
            assert_eq!(subject(&names).split('.').count(), 6, "{names:?}");
            assert!(!subject(&names).contains(['*', '>', ' ', '\r', '\n']), "{names:?}");
        }
        let names = naming().event("pbx1", "event", b"satellite/summary", None);
        assert_eq!(names.event.as_deref(), Some("satellite/summary"));
        assert_eq!(
            naming().event("pbx1", "event", b"a\nb", None).event,
            None,
            "a control character is illegal in CloudEvents"
        );
    }

    #[test]
    fn the_bridges_own_events() {
        let names = naming().bridge("pbx1", "bridge", "auth.failed");
        assert_eq!(subject(&names), "cti.v1.pbx1.bridge.auth=2Efailed._");
        assert_eq!(names.ty, "cti.bridge.auth.failed.v1");
    }
}
