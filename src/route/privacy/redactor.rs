//! Hides personal data in the events of a sink, and remembers what it replaced.

use std::{borrow::Cow, collections::HashMap, fmt, sync::Arc};

use bytes::Bytes;

use super::{
    Privacy,
    dialling::Dialling,
    rules::{KeyPlace, Place, Rule},
    settings::Settings,
    text::Texts,
    walk::walk,
};
use crate::event::{Class, HIDDEN_NAME, SourceId};

/// The longest text that is remembered, in bytes.
const LARGE: usize = 512;
/// The limit of what is remembered for one source, in bytes.
const REMEMBERED: usize = 1 << 20;
/// The approximate overhead of a remembered text, in bytes.
const OVERHEAD: usize = 96;

/// The privacy rules of a sink, with a memory of its own.
pub(crate) struct Redactor {
    pub(super) privacy: Privacy,
    dialling: Vec<Dialling>,
    /// By source. Holds personal data.
    memories: Vec<Memory>,
}

/// Replaced texts. `None` is a text that stays.
#[derive(Default)]
struct Memory {
    texts: HashMap<Rule, HashMap<Box<str>, Option<Box<str>>>>,
    bytes: usize,
}

impl Redactor {
    /// Applies rules to the events of these sources.
    pub(crate) fn new(privacy: Privacy, sources: &[String]) -> Self {
        let dialling: Vec<_> = sources
            .iter()
            .map(|source| privacy.0.dialling.get(source).cloned().unwrap_or_default())
            .collect();
        let memories = dialling.iter().map(|_| Memory::default()).collect();
        Self { privacy, dialling, memories }
    }

    /// Applies rules to the events of one source without dialling rules.
    pub(crate) fn of_one(privacy: Privacy) -> Self {
        Self { privacy, dialling: vec![Dialling::default()], memories: vec![Memory::default()] }
    }

    /// The value of `ctiredacted` for an event that was changed.
    pub(crate) fn label(&self) -> &Arc<str> {
        &self.privacy.0.label
    }

    /// Hides personal data in the data of a PBX event. `None` if nothing changes.
    pub(crate) fn event(&mut self, source: SourceId, name: &[u8], data: &[u8]) -> Option<Bytes> {
        self.data(source, data, |_| Place::of_event(name))
    }

    /// Hides personal data in the data of a PBX event with attachments, which are beside its arguments. `None` if nothing changes.
    pub(crate) fn binary_event(&mut self, source: SourceId, name: &[u8], data: &[u8]) -> Option<Bytes> {
        self.data(source, data, |settings| Place::of_event(name).beside_attachments(settings))
    }

    /// Hides personal data in the data of a bridge event or a status message. `None` if nothing changes.
    pub(crate) fn notice(
        &mut self,
        source: SourceId,
        (class, name): (Class, &str),
        data: &[u8],
    ) -> Option<Bytes> {
        if name == "vanished" {
            return self.vanished(source, data);
        }
        self.data(source, data, |_| Place::of_notice(class, name))
    }

    fn data(
        &mut self,
        source: SourceId,
        data: &[u8],
        place: impl FnOnce(Settings) -> Place,
    ) -> Option<Bytes> {
        if self.privacy.is_clear() {
            return None;
        }
        let place = place(self.privacy.0.settings);
        match walk(data, place, &mut self.of(source)?) {
            Some(Cow::Borrowed(_)) => None,
            Some(Cow::Owned(hidden)) => Some(hidden.into()),
            None => Some(Bytes::from_static(b"\"xxx\"")),
        }
    }

    /// The rules for one source. `None` for an unknown one.
    pub(super) fn of(&mut self, source: SourceId) -> Option<Source<'_>> {
        let dialling = self.dialling.get(source.index())?;
        let memory = self.memories.get_mut(source.index())?;
        Some(Source { texts: Texts { rules: &self.privacy.0, dialling }, memory })
    }

    /// Returns the name under which a PBX event is published. `None` if its own hides nothing.
    pub(crate) fn event_name(&mut self, name: &[u8]) -> Option<&'static str> {
        if self.privacy.is_clear() || crate::event::is_known(name) {
            return None;
        }
        let of = self.of(SourceId(0))?;
        let Ok(text) = std::str::from_utf8(name) else { return Some(HIDDEN_NAME) };
        // As in `satellite/summary`.
        let is_changed = text.split('/').any(|part| of.texts.key(KeyPlace::Unknown, Some(part)).is_some());
        (is_changed || of.texts.free(text).is_some()).then_some(HIDDEN_NAME)
    }

    /// Hides numbers and addresses in a text of the bridge or of a broker.
    pub(crate) fn sentence<'a>(&mut self, source: SourceId, text: &'a str) -> Cow<'a, str> {
        if self.privacy.is_clear() {
            return Cow::Borrowed(text);
        }
        let hidden = self.of(source).and_then(|of| of.texts.free(text));
        hidden.map_or(Cow::Borrowed(text), Cow::Owned)
    }
}

/// The rules for one source.
pub(super) struct Source<'a> {
    pub(super) texts: Texts<'a>,
    memory: &'a mut Memory,
}

impl Source<'_> {
    /// Appends the replacement for a text. Returns false if it stays.
    pub(super) fn text(&mut self, place: Place, text: Option<&str>, out: &mut String) -> bool {
        let (place, settings) = (place.of_text(), self.texts.rules.settings);
        let Some(known) = text.filter(|text| text.len() <= LARGE && settings.is_thorough()) else {
            return append(self.texts.text(place, text), out);
        };
        // Nothing that a longer way would change.
        if known.is_empty() || place.is_known(known) || self.texts.is_short_number(place.rule, known) {
            return false;
        }
        if let Some(replaced) = self.memory.texts.get(&place.rule).and_then(|texts| texts.get(known)) {
            return append(replaced.as_deref(), out);
        }
        let replaced = self.texts.text(place, text).map(String::into_boxed_str);
        self.memory.add(place.rule, known, replaced.clone());
        append(replaced, out)
    }

    /// Appends the replacement for a key. Returns false if it stays.
    pub(super) fn key(&mut self, place: Place, key: Option<&str>, out: &mut String) -> bool {
        let place = key.map_or(KeyPlace::Unknown, |key| place.key(key));
        match place {
            KeyPlace::Field => false,
            _ => append(self.texts.key(place, key), out),
        }
    }
}

fn append(replaced: Option<impl AsRef<str>>, out: &mut String) -> bool {
    match replaced {
        Some(text) => {
            out.push_str(text.as_ref());
            true
        }
        None => false,
    }
}

impl Memory {
    fn add(&mut self, rule: Rule, text: &str, replaced: Option<Box<str>>) {
        let bytes = text.len() + replaced.as_ref().map_or(0, |replaced| replaced.len()) + OVERHEAD;
        if self.bytes + bytes > REMEMBERED {
            *self = Self::default();
        }
        self.bytes += bytes;
        self.texts.entry(rule).or_default().insert(text.into(), replaced);
    }
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redactor").field("privacy", &self.privacy).finish_non_exhaustive()
    }
}
