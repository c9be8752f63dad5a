//! `[[sinks.NAME.routes]]`.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    condition::{Condition, Test},
    glob::Glob,
    reach,
    rules::{Action, Route, Routes},
    selector::{CLASSES, Selector},
    words::{Scalar, Words},
};
use crate::{
    config::{Section, name},
    event::Class,
};

/// A rule for some events: drops them, or changes their subject. The first that matches an event applies.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(extend("required" = ["match"]))] // as the default serves all other keys, the derive can't tell
pub(crate) struct Table {
    /// The name of the route in metrics and `/status`; defaults to its number. Letters, digits, `-` and `_`; 64 at most.
    #[schemars(extend("pattern" = name::PATTERN))]
    name: Option<String>,
    /// The events that the route applies to. All keys must match; without any, it applies to every event.
    #[serde(rename = "match")]
    selector: SelectorTable,
    /// Drop the events. They count as filtered.
    drop: bool,
    /// NATS: the subject of the events. `{source}`, `{class}`, `{slug}` and `{entity}` are filled in.
    subject: Option<String>,
    /// Drop an event whose data equals that of its entity's previous event, volatile values aside.
    on_change: bool,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
struct SelectorTable {
    /// Names of events, or steps of a call. `*` stands for any characters, `?` for one.
    event: Option<Words>,
    /// Classes: "event" (the PBX's), "call" (of calls) or "bridge" (the bridge's own). A route that drops events never matches the
    /// bridge's, and one with `on_change` matches only the PBX's.
    class: Option<Words>,
    /// Entities, as in the CloudEvents attribute `subject`: "extension/2??", "queue/401/*", "call/*".
    entity: Option<Words>,
    /// Names of sources.
    source: Option<Words>,
    /// Conditions on the data. All must hold.
    #[serde(rename = "where")]
    conditions: Vec<ConditionTable>,
}

/// A condition on one value. Scalars are compared by their text; an object or array equals nothing.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(extend("required" = ["path"], "minProperties" = 2, "maxProperties" = 2))]
struct ConditionTable {
    /// The place of the value: a JSON Pointer (RFC 6901) into the data, such as "/queue".
    path: Option<String>,
    /// The value is one of these.
    #[serde(rename = "in")]
    one_of: Option<Vec<Scalar>>,
    /// The value is absent, or none of these.
    not_in: Option<Vec<Scalar>>,
    /// true: there is a value. false: there is none.
    exists: Option<bool>,
    /// The value is this.
    equals: Option<Scalar>,
}

/// Checks the routes of a sink, which is `section`. Returns `None` if it has reported a problem.
pub(crate) fn validate(tables: Vec<Table>, section: &mut Section<'_>) -> Option<Routes> {
    let mut routes: Vec<Option<Route>> = Vec::new();
    let mut names: Vec<(String, String)> = Vec::new();
    for (index, table) in tables.into_iter().enumerate() {
        let place = section.place(&format!("routes[{index}]"));
        let name = table.name.clone().unwrap_or_else(|| (index + 1).to_string());
        let mut route = section.table(&format!("routes[{index}]"));
        if let Err(error) = name::check(&name) {
            route.problem("name", error.to_string());
        } else if let Some((_, other)) = names.iter().find(|(known, _)| *known == name) {
            route.problem(
                "name",
                format!("\"{name}\" is the name of another route ({other}): choose another"),
            );
        }
        names.push((name.clone(), place.clone()));
        routes.push(table.validate(name.into(), place, &mut route));
    }
    let routes = Routes::new(routes.into_iter().collect::<Option<_>>()?);
    reach::warn(&routes, section);
    Some(routes)
}

impl Table {
    fn validate(self, name: Arc<str>, place: String, section: &mut Section<'_>) -> Option<Route> {
        let subject = self.subject.map(|subject| {
            subject.parse().map_err(|error: super::template::TemplateError| {
                section.problem("subject", error.to_string());
            })
        });
        let rest = [("subject", subject.is_some()), ("on_change", self.on_change)];
        if let Some((key, _)) = rest.into_iter().find(|(_, is_set)| self.drop && *is_set) {
            section.problem(key, "has no effect on events that are dropped: remove it, or `drop`");
        }
        let action = if self.drop {
            Action::Drop
        } else {
            Action::Publish { subject: subject.transpose().ok()?, on_change: self.on_change }
        };
        let selector = self.selector.validate(&action, &mut section.table("match"))?;
        Some(Route::new(name, place, selector, action))
    }
}

impl SelectorTable {
    fn validate(self, action: &Action, section: &mut Section<'_>) -> Option<Selector> {
        let class = globs("class", self.class, section);
        let event = globs("event", self.event, section);
        let entity = globs("entity", self.entity, section);
        let source = globs("source", self.source, section);
        let mut conditions = Vec::new();
        for (index, table) in self.conditions.into_iter().enumerate() {
            conditions.push(table.validate(&mut section.table(&format!("where[{index}]"))));
        }
        let class = class?;
        let is_of = |glob: &Glob, class: Class| glob.matches(class.as_str().as_bytes());
        let key = if *action == Action::Drop { "drop" } else { "on_change" };
        for (of, why) in [
            (Class::Bridge, "events of the bridge, as consumers recognise losses and gaps by them"),
            (Class::Call, "events of calls, as each is a step of its own"),
        ] {
            let is_only = |glob: &Glob| CLASSES.iter().all(|class| is_of(glob, *class) == (*class == of));
            if !action.applies_to(of) && class.iter().flatten().any(is_only) {
                let name = of.as_str();
                let text = format!(
                    "is \"{name}\", but `{key}` never applies to {why}: remove \"{name}\", or `{key}`"
                );
                section.problem("class", text);
            }
        }
        let classes = match &class {
            None => CLASSES.to_vec(),
            Some(globs) => {
                CLASSES.into_iter().filter(|class| globs.iter().any(|glob| is_of(glob, *class))).collect()
            }
        };
        if classes.is_empty() {
            section.warn(
                "class",
                "matches none of \"event\", \"bridge\" and \"call\", so the route never matches",
            );
        }
        Some(Selector {
            classes,
            event: event?,
            source: source?,
            entity: entity?,
            conditions: conditions.into_iter().collect::<Option<_>>()?,
        })
    }
}

/// The patterns of a key. `Some(None)` if it is not set; `None` if it has reported a problem.
#[allow(clippy::option_option, reason = "a key that is absent differs from a wrong one")]
fn globs(key: &str, words: Option<Words>, section: &mut Section<'_>) -> Option<Option<Box<[Glob]>>> {
    let words = match words {
        None => return Some(None),
        Some(Words::One(word)) => vec![(key.to_owned(), word)],
        Some(Words::Several(words)) => {
            words.into_iter().enumerate().map(|(index, word)| (format!("{key}[{index}]"), word)).collect()
        }
    };
    let mut globs = Some(Vec::new());
    for (key, word) in words {
        if word.is_empty() {
            section.problem(&key, "is empty: write a name, or a pattern such as \"queue*\"");
            globs = None;
        } else if let Some(globs) = &mut globs {
            globs.push(Glob::from(&*word));
        }
    }
    globs.map(|globs| Some(globs.into()))
}

impl ConditionTable {
    fn validate(self, section: &mut Section<'_>) -> Option<Condition> {
        if section.has_problem() {
            return None;
        }
        let path = self.path?.parse().map_err(|_| {
            section.problem(
                "path",
                "is not a JSON Pointer: write \"/queue\", or \"/a/b\" for a value within another (`~0` is ~, and `~1` is / within a name)",
            );
        });
        let texts = |scalars: Vec<Scalar>| scalars.into_iter().map(String::from).collect();
        let mut tests = [
            self.one_of.map(|scalars| Test::In(texts(scalars))),
            self.not_in.map(|scalars| Test::NotIn(texts(scalars))),
            self.exists.map(Test::Exists),
            self.equals.map(|scalar| Test::In(texts(vec![scalar]))),
        ]
        .into_iter()
        .flatten();
        let (first, second) = (tests.next(), tests.next());
        if first.is_none() || second.is_some() {
            let what = if first.is_none() { "tests nothing" } else { "has several tests" };
            section.problem("", format!("{what}: write one of `in`, `not_in`, `exists` and `equals`"));
            return None;
        }
        Some(Condition { path: path.ok()?, test: first? })
    }
}
