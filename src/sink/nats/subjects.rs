//! The subjects that a sink publishes to, with wildcards for what depends on the event.

use super::config::Config;
use crate::route::template::{Template, Values};

/// The classes with events, which a stream stores in order.
pub(super) const EVENTS: [&str; 3] = ["event", "bridge", "call"];
/// The classes outside of the order.
pub(super) const OUTSIDE: [&str; 3] = ["status", "dlq", "replay"];

/// Returns the filter for all subjects of one source and class: the last tokens that depend on the event become `>`.
pub(super) fn filter(subject: &Template, source: &str, class: &str) -> String {
    let pattern = pattern(subject, source, class);
    let mut tokens: Vec<&str> = pattern.split('.').collect();
    let kept = tokens.iter().rposition(|token| *token != "*").map_or(0, |last| last + 1);
    if kept < tokens.len() {
        tokens.truncate(kept);
        tokens.push(">");
    }
    tokens.join(".")
}

/// Returns the pattern of all subjects of one source and class. A token that depends on the event becomes `*`, as a wildcard must be a
/// complete token.
pub(super) fn pattern(subject: &Template, source: &str, class: &str) -> String {
    let rendered = subject.render(Values { source, class, slug: "*", entity: "*" });
    let tokens = rendered.split('.').map(|token| if token.contains('*') { "*" } else { token });
    tokens.collect::<Vec<_>>().join(".")
}

/// Returns what `each` makes of every source and class.
pub(super) fn all(sources: &[String], classes: &[&str], each: impl Fn(&str, &str) -> String) -> Vec<String> {
    sources.iter().flat_map(|source| classes.iter().map(|class| each(source, class))).collect()
}

/// Returns the patterns of the subjects of a route. The route may apply to every class.
pub(super) fn of_route(subject: &Template, sources: &[String]) -> Vec<String> {
    distinct(all(sources, &EVENTS, |source, class| pattern(subject, source, class)))
}

/// Returns the subjects of a stream: `own` of the sink, and those of its routes.
pub(super) fn of_stream(config: &Config, sources: &[String]) -> Vec<String> {
    let own = all(sources, &EVENTS, |source, class| filter(&config.subject, source, class));
    let routes = config.route_subjects.iter().flat_map(|route| of_route(&route.template, sources));
    distinct(own.into_iter().chain(routes).collect())
}

/// Removes the patterns that another one covers: a server allows no overlap, and sends twice what two subscriptions match.
pub(super) fn distinct(patterns: Vec<String>) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for pattern in patterns {
        if !all.iter().any(|known| covers(known, &pattern)) {
            all.retain(|known| !covers(&pattern, known));
            all.push(pattern);
        }
    }
    all
}

/// Returns true if every subject that matches `narrow` matches `wide` too.
pub(super) fn covers(wide: &str, narrow: &str) -> bool {
    let (mut wide, mut narrow) = (wide.split('.'), narrow.split('.'));
    loop {
        match (wide.next(), narrow.next()) {
            (None, None) => return true,
            (Some(">"), Some(_)) => return true,
            (Some("*"), Some(token)) if token != ">" => {}
            (Some(one), Some(other)) if one == other => {}
            _ => return false,
        }
    }
}

/// Returns true if some subject matches both.
pub(super) fn overlaps(one: &str, other: &str) -> bool {
    let (mut one, mut other) = (one.split('.'), other.split('.'));
    loop {
        match (one.next(), other.next()) {
            (None, None) => return true,
            (Some(">"), Some(_)) | (Some(_), Some(">")) => return true,
            (Some(a), Some(b)) if a == b || a == "*" || b == "*" => {}
            _ => return false,
        }
    }
}

/// Returns true if some subject matches both, but neither covers the other. A server refuses a stream with such subjects.
pub(super) fn are_entangled(one: &str, other: &str) -> bool {
    overlaps(one, other) && !covers(one, other) && !covers(other, one)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn subjects_come_from_the_template() {
        let of = |template: &str| filter(&template.parse().unwrap(), "pbx1", "event");
        assert_eq!(of("cti.v1.{source}.{class}.{slug}.{entity}"), "cti.v1.pbx1.event.>");
        assert_eq!(of("{class}.{source}"), "event.pbx1");
        assert_eq!(of("{source}.{slug}.{class}.x-{entity}"), "pbx1.*.event.>");
        assert_eq!(of("{slug}.{class}.{source}.end"), "*.event.pbx1.end");
        let sources = ["a".to_owned(), "b".to_owned()];
        assert_eq!(of_route(&"wall.x-{slug}.{entity}".parse().unwrap(), &sources), ["wall.*.*"]);
        assert_eq!(of_route(&"wall.{source}".parse().unwrap(), &sources), ["wall.a", "wall.b"]);
    }

    #[test]
    fn wildcards_cover_and_overlap() {
        for (wide, narrow, covered, overlapping) in [
            ("a.>", "a.b.c", true, true),
            ("a.>", "a", false, false),
            ("a.*", "a.b", true, true),
            ("a.*", "a.>", false, true),
            ("a.b", "a.*", false, true),
            (">", "a.>", true, true),
            ("a.*.c", "a.b.d", false, false),
            ("a.*", "*.b", false, true),
        ] {
            assert_eq!(covers(wide, narrow), covered, "{wide} {narrow}");
            assert_eq!(overlaps(wide, narrow), overlapping, "{wide} {narrow}");
        }
        assert!(are_entangled("a.*", "*.b") && !are_entangled("a.*", "a.b") && !are_entangled("a.*", "b.*"));
    }

    #[test]
    fn covered_patterns_are_left_out() {
        let list = |patterns: &[&str]| patterns.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(distinct(list(&["a.b", "c.d", "a.*", "a.c", "c.d"])), ["c.d", "a.*"]);
    }
}
