//! Templates of the CloudEvents `subject`, which also say where the entity's name is in an event.
//!
//! `queue/{/queue}/member/{/member}`: literal segments, and in braces a JSON Pointer (RFC 6901) into the data. `{}` is
//! the data itself, `{key}` the name of the object's first field.

use std::borrow::Cow;

use serde::Deserialize;

use super::Entity;
use crate::json;

/// A template of a subject: the kind of the entity, its name, and the part of it that an event describes.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Template {
    text: String,
    kind: String,
    id: Place,
    part: Option<Part>,
}

/// The part of an entity.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    /// Named by the template.
    Named(String),
    /// Found in the data, under a word in the subject.
    Found(String, Place),
}

/// A place in the data.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    /// The fields on the way to the value; none for the data itself.
    Pointer(Vec<String>),
    /// The name of the first field.
    FirstKey,
}

/// An invalid template.
#[derive(Debug, thiserror::Error)]
#[error(
    "subject template {0:?}: expected `kind/{{pointer}}`, `kind/{{pointer}}/part` or `kind/{{pointer}}/word/{{pointer}}`"
)]
pub struct InvalidTemplate(String);

impl TryFrom<String> for Template {
    type Error = InvalidTemplate;

    fn try_from(text: String) -> Result<Self, InvalidTemplate> {
        let parsed = parse(&text);
        match parsed {
            Some((kind, id, part)) => Ok(Self { kind: kind.to_owned(), id, part, text }),
            None => Err(InvalidTemplate(text)),
        }
    }
}

fn parse(text: &str) -> Option<(&str, Place, Option<Part>)> {
    // Pointers contain slashes, so braces are taken first.
    let (kind, rest) = text.split_once("/{")?;
    let (id, rest) = rest.split_once('}')?;
    let part = match rest.strip_prefix('/') {
        None if rest.is_empty() => None,
        None => return None,
        Some(rest) => Some(match rest.split_once("/{") {
            None => Part::Named(literal(rest)?.to_owned()),
            Some((word, place)) => {
                Part::Found(literal(word)?.to_owned(), Place::parse(place.strip_suffix('}')?)?)
            }
        }),
    };
    Some((literal(kind)?, Place::parse(id)?, part))
}

fn literal(text: &str) -> Option<&str> {
    (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'))
        .then_some(text)
}

impl Place {
    fn parse(text: &str) -> Option<Self> {
        if text == "key" {
            return Some(Self::FirstKey);
        }
        if text.is_empty() {
            return Some(Self::Pointer(vec![]));
        }
        let segments = text.strip_prefix('/')?.split('/');
        Some(Self::Pointer(segments.map(|segment| segment.replace("~1", "/").replace("~0", "~")).collect()))
    }

    /// Returns the name at this place of the first argument. Reads no further than the name: the argument may be long.
    fn find<'a>(&self, args: &'a [u8]) -> Option<Cow<'a, [u8]>> {
        match self {
            Self::FirstKey => json::first_field(args).map(|(key, _)| Cow::Borrowed(key)),
            Self::Pointer(segments) if segments.is_empty() => json::scalar(json::arguments(args).next()?),
            Self::Pointer(segments) => {
                json::scalar(segments.iter().try_fold(args, |value, segment| json::field(value, segment))?)
            }
        }
    }
}

impl Template {
    /// Returns the template as written in the schema.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns whether the subject names a part of its entity.
    pub(super) fn has_part(&self) -> bool {
        self.part.is_some()
    }

    /// Returns the entity; `None` if the data lacks a name that the template refers to.
    pub(super) fn entity<'a>(&'static self, args: &'a [u8]) -> Option<Entity<'a>> {
        let id = self.id.find(args)?;
        let (word, part) = match &self.part {
            None => (None, None),
            Some(Part::Named(part)) => (None, Some(Cow::Borrowed(part.as_bytes()))),
            Some(Part::Found(word, place)) => (Some(word.as_str()), Some(place.find(args)?)),
        };
        Some(Entity { kind: &self.kind, id, word, part })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn an_invalid_template_is_an_error() {
        for text in
            ["", "queue", "queue/", "{/queue}", "queue/{queue}", "queue/{/a", "queue/{/a}x", "a b/{/c}"]
        {
            let error = Template::try_from(text.to_owned()).unwrap_err();
            assert!(error.to_string().contains(&format!("{text:?}")), "{error}");
        }
    }

    #[test]
    fn a_pointer_is_unescaped() {
        let template = Box::leak(Box::new(Template::try_from("stream/{/a~1b/c~0d}".to_owned()).unwrap()));
        let entity = template.entity(br#"{"a/b":{"c~d":"gate1"}}"#).unwrap();
        assert_eq!(entity.subject(), "stream/gate1");
        assert_eq!(template.as_str(), "stream/{/a~1b/c~0d}");
    }
}
