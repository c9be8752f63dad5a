//! The part of a route that selects events: `match`.

use std::{cell::OnceCell, fmt};

use super::{condition::Condition, glob::Glob};
use crate::event::{Class, Entity};

/// The classes of records: events of the PBX, notices of the bridge, and events of calls.
pub(super) const CLASSES: [Class; 3] = [Class::Event, Class::Bridge, Class::Call];

/// A selection of events. All keys must match.
#[derive(Debug, Clone)]
pub(super) struct Selector {
    /// The selected classes.
    pub(super) classes: Vec<Class>,
    /// Patterns of the name. `None` selects every name.
    pub(super) event: Option<Box<[Glob]>>,
    /// Patterns of the source's name. `None` selects every source.
    pub(super) source: Option<Box<[Glob]>>,
    /// Patterns of the entity as the CloudEvents subject. `None` also selects events without an entity.
    pub(super) entity: Option<Box<[Glob]>>,
    /// All must hold.
    pub(super) conditions: Box<[Condition]>,
}

/// Selects everything.
impl Default for Selector {
    fn default() -> Self {
        Self {
            classes: CLASSES.to_vec(),
            event: None,
            source: None,
            entity: None,
            conditions: Box::default(),
        }
    }
}

/// The properties of an event that routes look at.
#[derive(Debug)]
pub struct Candidate<'a> {
    source: &'a str,
    class: Class,
    name: &'a [u8],
    entity: Option<&'a Entity<'a>>,
    /// The entity as the CloudEvents subject, once a route needs it.
    subject: OnceCell<Option<String>>,
    data: &'a [u8],
    /// True if its data equals that of its entity's previous event.
    pub(super) is_unchanged: bool,
}

impl<'a> Candidate<'a> {
    /// An event of the PBX with this name and entity. `data` is the data before anything is hidden; `is_unchanged` is true if
    /// it equals that of the entity's previous event of this name.
    pub fn event(
        source: &'a str,
        (name, entity): (&'a [u8], Option<&'a Entity<'a>>),
        data: &'a [u8],
        is_unchanged: bool,
    ) -> Self {
        Self { source, class: Class::Event, name, entity, subject: OnceCell::new(), data, is_unchanged }
    }

    /// A notice of the bridge.
    pub fn notice(source: &'a str, name: &'a str, data: &'a [u8]) -> Self {
        let name = name.as_bytes();
        let subject = OnceCell::new();
        Self { source, class: Class::Bridge, name, entity: None, subject, data, is_unchanged: false }
    }

    /// An event of a call with this step. `entity` is the call.
    pub fn call(source: &'a str, step: &'a str, entity: &'a Entity<'a>, data: &'a [u8]) -> Self {
        let (name, subject) = (step.as_bytes(), OnceCell::new());
        Self { source, class: Class::Call, name, entity: Some(entity), subject, data, is_unchanged: false }
    }

    fn subject(&self) -> Option<&str> {
        self.subject.get_or_init(|| self.entity.map(Entity::subject)).as_deref()
    }
}

/// The first key of a selector that an event does not match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mismatch<'a> {
    /// `class`, or the route never matches notices.
    Class,
    /// `event`.
    Event,
    /// `source`.
    Source,
    /// `entity`.
    Entity,
    /// This condition of `where`.
    Where(&'a Condition),
}

impl Selector {
    /// Returns the first key that the event does not match. `None` for a selected event.
    pub(super) fn mismatch(&self, candidate: &Candidate<'_>) -> Option<Mismatch<'_>> {
        let is_any = |globs: &Option<Box<[Glob]>>, name: &[u8]| match globs {
            None => true,
            Some(globs) => globs.iter().any(|glob| glob.matches(name)),
        };
        if !self.classes.contains(&candidate.class) {
            return Some(Mismatch::Class);
        }
        if !is_any(&self.event, candidate.name) {
            return Some(Mismatch::Event);
        }
        if !is_any(&self.source, candidate.source.as_bytes()) {
            return Some(Mismatch::Source);
        }
        if self.entity.is_some()
            && !candidate.subject().is_some_and(|subject| is_any(&self.entity, subject.as_bytes()))
        {
            return Some(Mismatch::Entity);
        }
        self.conditions.iter().find(|condition| !condition.holds(candidate.data)).map(Mismatch::Where)
    }

    /// Returns true if the event is selected.
    pub(super) fn selects(&self, candidate: &Candidate<'_>) -> bool {
        self.mismatch(candidate).is_none()
    }
}

/// The mismatch as the end of the sentence "it does not match …".
impl fmt::Display for Mismatch<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Class => f.write_str("class"),
            Self::Event => f.write_str("event"),
            Self::Source => f.write_str("source"),
            Self::Entity => f.write_str("entity"),
            Self::Where(condition) => write!(f, "where: {condition}"),
        }
    }
}
