//! Subject templates: `cti.v1.{source}.{class}.{slug}.{entity}`.
//!
//! A template is confined: data of an event fills exactly its placeholder and can
//! add no token, as every value is escaped first (see [`crate::event::escape`]).

use std::{fmt, str::FromStr};

/// A placeholder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Place {
    Source,
    Class,
    Slug,
    Entity,
}

const PLACES: &[(&str, Place)] =
    &[("source", Place::Source), ("class", Place::Class), ("slug", Place::Slug), ("entity", Place::Entity)];

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Part {
    Text(String),
    Place(Place),
}

/// A parsed template.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Template(Vec<Part>);

/// The values of one event; each is one token.
#[derive(Debug, Clone, Copy)]
#[allow(missing_docs, reason = "named after the placeholders")]
pub struct Values<'a> {
    pub source: &'a str,
    pub class: &'a str,
    pub slug: &'a str,
    pub entity: &'a str,
}

/// The reason why a template is invalid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum TemplateError {
    #[error("{{{0}}} is not a placeholder: use {{source}}, {{class}}, {{slug}} and {{entity}}")]
    Unknown(String),
    #[error("unclosed brace: close each {{ with }}")]
    Open,
    #[error("{0:?} is not allowed in a subject: write tokens of A-Z a-z 0-9 _ - =, joined by single dots")]
    Illegal(String),
}

impl Template {
    /// Renders the subject for these values.
    pub fn render(&self, values: Values<'_>) -> String {
        let mut out = String::with_capacity(64);
        for part in &self.0 {
            out.push_str(match part {
                Part::Text(text) => text,
                Part::Place(Place::Source) => values.source,
                Part::Place(Place::Class) => values.class,
                Part::Place(Place::Slug) => values.slug,
                Part::Place(Place::Entity) => values.entity,
            });
        }
        out
    }
}

/// The documented default: `cti.v1.{source}.{class}.{slug}.{entity}`.
impl Default for Template {
    fn default() -> Self {
        let text = |text: &str| Part::Text(text.to_owned());
        Self(vec![
            text("cti.v1."),
            Part::Place(Place::Source),
            text("."),
            Part::Place(Place::Class),
            text("."),
            Part::Place(Place::Slug),
            text("."),
            Part::Place(Place::Entity),
        ])
    }
}

impl FromStr for Template {
    type Err = TemplateError;

    fn from_str(text: &str) -> Result<Self, TemplateError> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(open) = rest.find(['{', '}']) {
            let (before, from) = rest.split_at(open);
            if !before.is_empty() {
                parts.push(Part::Text(before.to_owned()));
            }
            let inner = from.strip_prefix('{').ok_or(TemplateError::Open)?;
            let (name, after) = inner.split_once('}').ok_or(TemplateError::Open)?;
            let place = PLACES.iter().find(|(known, _)| *known == name);
            let (_, place) = place.ok_or_else(|| TemplateError::Unknown(name.to_owned()))?;
            parts.push(Part::Place(*place));
            rest = after;
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        let template = Self(parts);
        let probe = template.render(Values { source: "x", class: "x", slug: "x", entity: "x" });
        let legal = |token: &str| {
            !token.is_empty() && token.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-=".contains(&b))
        };
        if probe.split('.').all(legal) { Ok(template) } else { Err(TemplateError::Illegal(text.to_owned())) }
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in &self.0 {
            match part {
                Part::Text(text) => f.write_str(text)?,
                Part::Place(place) => {
                    let name = PLACES.iter().find(|(_, known)| known == place).map_or("", |(name, _)| name);
                    write!(f, "{{{name}}}")?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn fills_its_placeholders() {
        let template: Template = "cti.v1.{source}.{class}.{slug}.{entity}".parse().unwrap();
        let values = Values { source: "pbx1", class: "event", slug: "extenUpdate", entity: "201" };
        assert_eq!(template.render(values), "cti.v1.pbx1.event.extenUpdate.201");
        assert_eq!(template.to_string(), "cti.v1.{source}.{class}.{slug}.{entity}");
        assert_eq!(template, Template::default());
        let joined: Template = "phones-{source}.{slug}".parse().unwrap();
        assert_eq!(joined.render(values), "phones-pbx1.extenUpdate");
    }

    #[test]
    fn rejects_invalid_subjects() {
        assert_eq!("a.{event}".parse::<Template>(), Err(TemplateError::Unknown("event".into())));
        assert_eq!("a.{slug".parse::<Template>(), Err(TemplateError::Open));
        assert_eq!("a.slug}".parse::<Template>(), Err(TemplateError::Open));
        for text in ["", "a..b", ".a", "a.", "a.*", "a.>", "a b", "a.{slug}. "] {
            assert_eq!(text.parse::<Template>(), Err(TemplateError::Illegal(text.into())), "{text:?}");
        }
    }
}
