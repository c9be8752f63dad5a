//! Finds routes that can never match, and patterns that match no known event.

use super::{
    glob::Glob,
    rules::{Route, Routes},
    selector::Selector,
};
use crate::{
    config::{Section, nearest},
    event::{self, Class, Schema},
};

/// The limit for the parts that a selector is split into.
const PARTS: usize = 1000;

/// Warns of routes that can never match, and of patterns without a known event.
pub(super) fn warn(routes: &Routes, section: &mut Section<'_>) {
    for (index, route) in routes.iter().enumerate() {
        let before: Vec<&Route> = routes.iter().take(index).collect();
        let mut section = section.table(&format!("routes[{index}]"));
        if let Some(covers) = covering(&before, &route.selector) {
            let names = covers.iter().map(|route| format!("\"{}\" ({})", route.name, route.place));
            let text = match names.collect::<Vec<_>>().as_slice() {
                [one] => format!("route {one}, which comes first"),
                all => format!("the routes {}, which come first", all.join(", ")),
            };
            section.warn("match", format!("never matches: all its events match {text}"));
        }
        let mut section = section.table("match");
        for (key, reason) in empty(&route.selector) {
            section.warn(&key, format!("{reason}, so the route never matches"));
        }
        unknown_events(route, &mut section);
    }
}

/// Warns of patterns that match no configured source.
pub(super) fn warn_of_sources(routes: &Routes, sources: &[String], section: &mut Section<'_>) {
    for (index, route) in routes.iter().enumerate() {
        let unknown = |glob: &&Glob| !sources.iter().any(|source| glob.matches(source.as_bytes()));
        for glob in route.selector.source.iter().flatten().filter(unknown) {
            let hint = hint(glob, sources.iter().map(String::as_str))
                .unwrap_or_else(|| format!("; the configuration has {}", sources.join(", ")));
            section.warn(
                &format!("routes[{index}].match.source"),
                format!("\"{glob}\" matches no configured source{hint}"),
            );
        }
    }
}

/// Returns the keys that select nothing, with the reason.
fn empty(selector: &Selector) -> Vec<(String, &'static str)> {
    let lists = [("event", &selector.event), ("source", &selector.source), ("entity", &selector.entity)];
    let lists = lists.into_iter().filter(|(_, globs)| globs.as_ref().is_some_and(|globs| globs.is_empty()));
    let conditions = selector.conditions.iter().enumerate().filter(|(_, condition)| condition.never_holds());
    lists
        .map(|(key, _)| (key.to_owned(), "is an empty list"))
        .chain(conditions.map(|(index, _)| (format!("where[{index}].in"), "is an empty list")))
        .collect()
}

fn unknown_events(route: &Route, section: &mut Section<'_>) {
    let classes = &route.selector.classes;
    let known = || {
        let schemas = event::schemas().iter().filter(|schema| classes.contains(&schema.class));
        schemas.flat_map(Schema::names)
    };
    for glob in route.selector.event.iter().flatten() {
        if known().any(|name| glob.matches(name.as_bytes())) || classes.is_empty() {
            continue;
        }
        let is_notice = event::schemas()
            .iter()
            .any(|schema| schema.class == Class::Bridge && glob.matches(schema.name.as_bytes()));
        let text = match hint(glob, known()) {
            _ if is_notice && !route.action.applies_to(Class::Bridge) => {
                "is an event of the bridge, which a route that drops events never matches".to_owned()
            }
            hint => format!("matches no event of the catalogue{}", hint.unwrap_or_default()),
        };
        section.warn("event", format!("\"{glob}\" {text}"));
    }
}

/// The hint at the word that was probably meant.
fn hint<'a>(glob: &Glob, known: impl Iterator<Item = &'a str>) -> Option<String> {
    let wrong = glob.to_string();
    // `nearest` compares in lower case, as keys are; names of events have both.
    let known: Vec<(String, &str)> = known.map(|word| (word.to_ascii_lowercase(), word)).collect();
    let right = nearest(&wrong, known.iter().map(|(folded, _)| &**folded))?;
    let (_, right) = known.iter().find(|(folded, _)| folded == right)?;
    Some(format!("; did you mean \"{right}\"?"))
}

/// Returns the routes that together match everything that `selector` matches. `None` if it can match an event that none of
/// them matches, or if that is not recognised.
fn covering<'a>(before: &[&'a Route], selector: &Selector) -> Option<Vec<&'a Route>> {
    let mut all: Vec<&Route> = Vec::new();
    let parts = parts(selector);
    for part in &parts {
        let cover = before.iter().find(|route| covers(&route.selector, part))?;
        if !all.iter().any(|known| known.name == cover.name) {
            all.push(cover);
        }
    }
    Some(all).filter(|all| !all.is_empty())
}

/// Splits a selector into selectors of one class and one pattern per key, unless there are too many.
fn parts(selector: &Selector) -> Vec<Selector> {
    let each = |globs: &Option<Box<[Glob]>>| match globs {
        None => vec![None],
        Some(globs) => globs.iter().map(|glob| Some(Box::from([glob.clone()]))).collect::<Vec<_>>(),
    };
    let (events, sources, entities) = (each(&selector.event), each(&selector.source), each(&selector.entity));
    let is_known = |class: Class, globs: &[Glob]| {
        let mut names =
            event::schemas().iter().filter(|schema| schema.class == class).flat_map(Schema::names);
        names.any(|name| globs.iter().any(|glob| glob.matches(name.as_bytes())))
    };
    let may_be_a_call = |globs: &[Glob]| globs.iter().any(|glob| glob.may_start_with(b"call/"));
    if selector.classes.len() * events.len() * sources.len() * entities.len() > PARTS {
        return vec![selector.clone()];
    }
    let mut parts = Vec::new();
    for class in &selector.classes {
        for event in &events {
            for source in &sources {
                for entity in &entities {
                    // A notice has no entity, and a notice or a step of a call one of few names.
                    let names_one = event.as_deref().is_none_or(|globs| is_known(*class, globs));
                    let is_possible = match class {
                        Class::Bridge => entity.is_none() && names_one,
                        Class::Call => names_one && entity.as_deref().is_none_or(may_be_a_call),
                        _ => true,
                    };
                    if !is_possible {
                        continue;
                    }
                    parts.push(Selector {
                        classes: vec![*class],
                        event: event.clone(),
                        source: source.clone(),
                        entity: entity.clone(),
                        conditions: selector.conditions.clone(),
                    });
                }
            }
        }
    }
    parts
}

/// Returns true if `wide` selects everything that `narrow` selects. It may not recognise that.
fn covers(wide: &Selector, narrow: &Selector) -> bool {
    let globs = |wide: &Option<Box<[Glob]>>, narrow: &Option<Box<[Glob]>>, all: bool| match (wide, narrow) {
        (None, _) => true,
        // Every event has a name and a source, but not every one an entity.
        (Some(wide), None) => all && wide.iter().any(|wide| wide.covers(&Glob::from("*"))),
        (Some(wide), Some(narrow)) => narrow.iter().all(|narrow| wide.iter().any(|wide| wide.covers(narrow))),
    };
    narrow.classes.iter().all(|class| wide.classes.contains(class))
        && globs(&wide.event, &narrow.event, true)
        && globs(&wide.source, &narrow.source, true)
        && globs(&wide.entity, &narrow.entity, false)
        && wide.conditions.iter().all(|wide| {
            wide.always_holds() || narrow.conditions.iter().any(|narrow| wide.follows_from(narrow))
        })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        event::Entity,
        route::{
            condition::tests::{any_condition, any_data},
            rules::Action,
            selector::{CLASSES, Candidate},
        },
    };

    type Globs = Option<Box<[Glob]>>;

    fn globs(patterns: &'static [&'static str]) -> impl Strategy<Value = Globs> {
        let glob = prop::sample::select(patterns).prop_map(Glob::from);
        prop::option::of(prop::collection::vec(glob, 0..3).prop_map(Vec::into_boxed_slice))
    }

    fn any_route() -> impl Strategy<Value = Route> {
        let classes = prop::sample::subsequence(CLASSES.to_vec(), 1..=2);
        let selector = (
            classes,
            globs(&["*", "a*", "ab", "?", "gap", "g*"]),
            globs(&["*", "p", "q"]),
            globs(&["*", "x/*", "x/1"]),
            prop::collection::vec(any_condition(), 0..2),
        );
        let action = prop_oneof![
            Just(Action::Drop),
            any::<bool>().prop_map(|on_change| Action::Publish { subject: None, on_change })
        ];
        (selector, action).prop_map(|((classes, event, source, entity, conditions), action)| {
            let selector = Selector { classes, event, source, entity, conditions: conditions.into() };
            Route::new("".into(), String::new(), selector, action)
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        #[test]
        fn no_event_reaches_a_route_that_others_cover(
            mut routes in prop::collection::vec(any_route(), 2..5),
            name in prop::sample::select(&["a", "ab", "abc", "gap", "b"][..]),
            source in prop::sample::select(&["p", "q"][..]),
            id in prop::sample::select(&["", "1", "2"][..]),
            data in any_data(),
            is_notice in any::<bool>(),
        ) {
            for (route, name) in routes.iter_mut().zip(["0", "1", "2", "3"]) {
                route.name = name.into();
            }
            let entity = Entity { kind: "x", id: id.as_bytes().into(), word: None, part: None };
            let entity = Some(&entity).filter(|_| !id.is_empty());
            let candidate = if is_notice {
                // A notice has one of the names of the catalogue.
                Candidate::notice(source, "gap", data.as_bytes())
            } else {
                Candidate::event(source, (name.as_bytes(), entity), data.as_bytes(), false)
            };
            let first = routes.iter().position(|route| route.mismatch(&candidate).is_none());
            if let Some(first) = first {
                let before: Vec<&Route> = routes.iter().take(first).collect();
                let found = covering(&before, &routes[first].selector);
                prop_assert!(found.is_none(), "{:?} {:?}", found, routes[first]);
            }
        }
    }

    #[test]
    fn several_routes_cover_together() {
        let route = |event: &[&str]| {
            let event = event.iter().map(|text| Glob::from(*text)).collect();
            let selector = Selector { event: Some(event), ..Selector::default() };
            Route::new(event_names(&selector).into(), String::new(), selector, Action::Drop)
        };
        let (one, other) = (route(&["a*"]), route(&["b", "c"]));
        let cover =
            |before: &[&Route], event: &[&str]| covering(before, &route(event).selector).map(|all| all.len());
        assert_eq!(cover(&[&one, &other], &["ab", "b"]), Some(2));
        assert_eq!(cover(&[&one, &other], &["ab", "d"]), None);
        assert_eq!(cover(&[&one, &other], &["a?"]), Some(1));
    }

    fn event_names(selector: &Selector) -> String {
        selector.event.iter().flatten().map(ToString::to_string).collect()
    }
}
