//! Hides personal data in the names of entities, as in the data of their events.

use std::borrow::Cow;

use bytes::Bytes;

use super::{
    MASK,
    key::Kind,
    redactor::{Redactor, Source},
    rules::{Place, Rule},
};
use crate::event::{Entity, SourceId};

impl Redactor {
    /// Hides personal data in an entity, as in the data. `None` if nothing changes.
    pub(crate) fn entity<'a>(&mut self, source: SourceId, entity: &Entity<'a>) -> Option<Entity<'a>> {
        if self.privacy.is_clear() {
            return None;
        }
        let mut of = self.of(source)?;
        let id = of.named(entity.kind, &entity.id);
        let found = entity.word.zip(entity.part.as_deref());
        let part = found.and_then(|(word, part)| of.named(word, part));
        if id.is_none() && part.is_none() {
            return None;
        }
        let owned = |text: Option<String>| text.map(|text| Cow::Owned(text.into_bytes()));
        Some(Entity {
            id: owned(id).unwrap_or_else(|| entity.id.clone()),
            part: owned(part).or_else(|| entity.part.clone()),
            ..entity.clone()
        })
    }

    /// Hides the subject of `vanished` like that of the state events it refers to.
    pub(super) fn vanished(&mut self, source: SourceId, data: &[u8]) -> Option<Bytes> {
        #[derive(serde::Serialize, serde::Deserialize)]
        struct Vanished {
            event: String,
            subject: String,
        }
        if self.privacy.is_clear() {
            return None;
        }
        let Ok(mut vanished) = serde_json::from_slice::<Vanished>(data) else {
            return Some(Bytes::from_static(b"\"xxx\""));
        };
        vanished.subject = self.subject(source, &vanished.subject)?;
        Some(serde_json::to_vec(&vanished).unwrap_or_default().into())
    }

    /// Hides personal data in a CloudEvents `subject`. `None` if nothing changes.
    pub(crate) fn subject(&mut self, source: SourceId, subject: &str) -> Option<String> {
        if self.privacy.is_clear() {
            return None;
        }
        let mut of = self.of(source)?;
        let (kind, rest) = subject.split_once('/').unwrap_or(("", subject));
        // `queue/401/member/201`; `user/ada/presence`, which names the part itself.
        let (id, word, part) = match (rest.split_once("/member/"), rest.rsplit_once('/')) {
            (Some((id, part)), _) => {
                (id, "/member/", of.named("member", part.as_bytes()).unwrap_or_else(|| part.to_owned()))
            }
            (None, Some((id, part))) if kind == "user" && part.starts_with("presence") => {
                (id, "/", part.to_owned())
            }
            _ => (rest, "", String::new()),
        };
        let id = of.named(kind, id.as_bytes()).unwrap_or_else(|| id.to_owned());
        let hidden = format!("{kind}/{id}{word}{part}");
        (hidden != subject && !kind.is_empty()).then_some(hidden)
    }
}

impl Source<'_> {
    /// Returns the replacement for a name of this kind of entity. `None` if it stays.
    fn named(&mut self, kind: &str, raw: &[u8]) -> Option<String> {
        let settings = self.texts.rules.settings;
        let Ok(text) = std::str::from_utf8(raw) else { return Some(MASK.to_owned()) };
        if !settings.is_thorough() {
            return self.texts.free(text);
        }
        let (rule, kind) = match kind {
            "user" => (Rule::Username, Kind::Name),
            "channel" | "queue" | "parking" | "stream" => (Rule::Id, Kind::Name),
            _ => (Rule::OwnNumber, Kind::Number),
        };
        let mut out = String::new();
        let is_replaced = self.text(Place { rule, node: None }, Some(text), &mut out);
        self.texts.distinct(kind, text, is_replaced.then_some(out))
    }
}
