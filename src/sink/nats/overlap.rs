//! Subjects that must not meet: those of two sinks on the same servers, and those of a sink and its routes.

use secrecy::ExposeSecret as _;

use super::{
    config::{Config, Credentials, Mode},
    subjects::{self, EVENTS, OUTSIDE, are_entangled, filter, of_route},
};
use crate::{
    route::template::Values,
    sink::{
        Bridge,
        overlap::{Overlap, host},
    },
};

/// All classes.
const ALL: [&str; 6] = ["event", "bridge", "call", "status", "dlq", "replay"];

/// Subjects, and the key that they come from.
struct Pattern {
    key: String,
    text: String,
}

/// Finds the stream or subjects that both use. With different users the overlap is only possible, as they may belong to accounts
/// that do not share subjects.
pub(super) fn find(
    Bridge { instance, sources }: Bridge<'_>,
    first: &Config,
    second: &Config,
) -> Option<Overlap> {
    let known = servers(first);
    if !servers(second).iter().any(|server| known.contains(server)) {
        return None;
    }
    let is_possible = !same_user(first, second);
    let overlap = |keys, what, remedy| Some(Overlap { keys, what, remedy, is_possible });
    let stream = |nats: &Config| nats.stream.name.clone().unwrap_or_else(|| instance.to_owned());
    let has_stream = |nats: &Config| nats.mode == Mode::JetStream;
    let is_one_domain = first.stream.domain == second.stream.domain;
    if has_stream(first) && has_stream(second) && is_one_domain && stream(first) == stream(second) {
        return overlap(
            Overlap::both("stream"),
            format!(
                "writes to the same stream, {}, so the two would refuse each other's events",
                stream(first)
            ),
            "keep one sink with all servers in `servers`, or set another `stream` and `subject`",
        );
    }
    let stored = |nats: &Config| if has_stream(nats) { filters(nats, sources) } else { Vec::new() };
    if let Some((keys, subject)) =
        shared(&patterns(first, sources, &EVENTS), patterns(second, sources, &EVENTS))
    {
        return overlap(
            keys,
            format!("publishes to the same subjects, {subject}, so every event would arrive twice"),
            "keep one sink with all servers in `servers`, or set another `subject`",
        );
    }
    if let Some((keys, subject)) = shared(&stored(first), patterns(second, sources, &ALL)) {
        return overlap(
            keys,
            format!(
                "has a stream that would also store messages published here, {subject}, and then refuse its own events"
            ),
            "set another `subject`",
        );
    }
    let ([second_key, first_key], subject) = shared(&stored(second), patterns(first, sources, &ALL))?;
    overlap(
        [first_key, second_key],
        format!(
            "publishes to subjects that this stream would also store, {subject}, and the stream would then refuse its own events"
        ),
        "set another `subject`",
    )
}

/// Finds subjects of routes that can't be used beside the sink's own: the index of the route, and the problem.
pub(super) fn of_routes(nats: &Config, sources: &[String]) -> Vec<(usize, String)> {
    let has_stream = nats.mode == Mode::JetStream;
    let outside: Vec<Pattern> = if has_stream { own(nats, sources, &OUTSIDE) } else { Vec::new() };
    let own = if has_stream { filter } else { subjects::pattern };
    let own = |source: &str, class: &str| own(&nats.subject, source, class);
    let mut others = subjects::all(sources, &EVENTS, own);
    let mut problems = Vec::new();
    for route in &nats.route_subjects {
        let patterns = of_route(&route.template, sources);
        let meets = |pattern: &String| {
            outside.iter().find(|other| intersect(other.text.as_bytes(), pattern.as_bytes()))
        };
        let entangled = |pattern: &String| others.iter().find(|other| are_entangled(other, pattern));
        if let Some(other) = patterns.iter().find_map(meets) {
            problems.push((
                route.index,
                format!(
                    "overlaps with {}, where the sink publishes heartbeats, dead letters or replays, which must stay out of the stream: \
                     choose another subject",
                    other.text
                ),
            ));
        } else if let Some(other) = patterns.iter().find_map(entangled) {
            problems.push((
                route.index,
                format!(
                    "overlaps with {other}, where this sink publishes other events, so a stream or subscription can't have both: choose \
                     another subject"
                ),
            ));
        }
        others.extend(patterns);
    }
    problems
}

/// Returns the host and port of each server.
fn servers(nats: &Config) -> Vec<(String, u16)> {
    let of = |url: &url::Url| (host(url.host_str().unwrap_or_default()), url.port().unwrap_or(4222));
    nats.servers.iter().map(|server| of(server.url())).collect()
}

/// Returns true if both use the same credentials.
fn same_user(first: &Config, second: &Config) -> bool {
    let user = |nats: &Config| {
        let text = |secret: &secrecy::SecretString| secret.expose_secret().to_owned();
        let own = nats.servers.iter().find_map(|server| server.user_info());
        match (&nats.credentials, own) {
            (_, Some(own)) => Some(text(&own.username)),
            (Credentials::None, None) => None,
            (Credentials::Password { username, .. }, None) => Some(username.clone()),
            (Credentials::File(secret) | Credentials::Nkey(secret) | Credentials::Token(secret), None) => {
                Some(text(secret))
            }
        }
    };
    user(first) == user(second)
}

/// Returns the sink's own subjects of these classes, with `*` for the parts that depend on the event.
fn own(nats: &Config, sources: &[String], classes: &[&str]) -> Vec<Pattern> {
    let render =
        |source: &str, class: &str| nats.subject.render(Values { source, class, slug: "*", entity: "*" });
    let patterns = subjects::all(sources, classes, render);
    patterns.into_iter().map(|text| Pattern { key: "subject".to_owned(), text }).collect()
}

/// Returns the subjects of these classes and of the routes.
fn patterns(nats: &Config, sources: &[String], classes: &[&str]) -> Vec<Pattern> {
    let mut patterns = own(nats, sources, classes);
    patterns.extend(of_all_routes(nats, sources));
    patterns
}

fn of_all_routes(nats: &Config, sources: &[String]) -> impl Iterator<Item = Pattern> {
    nats.route_subjects.iter().flat_map(|route| {
        let key = format!("routes[{}].subject", route.index);
        of_route(&route.template, sources).into_iter().map(move |text| Pattern { key: key.clone(), text })
    })
}

/// Returns the subjects of the stream. They are wider, as a wildcard there matches a complete token.
fn filters(nats: &Config, sources: &[String]) -> Vec<Pattern> {
    let own = subjects::all(sources, &EVENTS, |source, class| filter(&nats.subject, source, class));
    let own = own.into_iter().map(|text| Pattern { key: "subject".to_owned(), text });
    own.chain(of_all_routes(nats, sources)).collect()
}

/// Returns the keys of the first pair that intersects, ours first, and the other's subject.
fn shared(ours: &[Pattern], others: Vec<Pattern>) -> Option<([String; 2], String)> {
    others.into_iter().find_map(|other| {
        let our = ours.iter().find(|our| intersect(our.text.as_bytes(), other.text.as_bytes()))?;
        Some(([our.key.clone(), other.key], other.text))
    })
}

/// Returns true if some subject matches both. `*` matches one or more characters within a token, `>` the rest.
fn intersect(a: &[u8], b: &[u8]) -> bool {
    let (Some((first, a_rest)), Some((second, b_rest))) = (a.split_first(), b.split_first()) else {
        return a.is_empty() && b.is_empty();
    };
    match (first, second) {
        (b'>', _) | (_, b'>') => true,
        (b'*', b'*') => intersect(a_rest, b_rest) || intersect(a, b_rest) || intersect(a_rest, b),
        (b'*', other) => *other != b'.' && (intersect(a_rest, b_rest) || intersect(a, b_rest)),
        (other, b'*') => *other != b'.' && (intersect(a_rest, b_rest) || intersect(a_rest, b)),
        _ => first == second && intersect(a_rest, b_rest),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_intersect_if_one_subject_matches_both() {
        for (a, b, expected) in [
            ("cti.v1.a.event.*.*", "cti.v1.a.event.*.*", true),
            ("cti.v1.a.event.*.*", "cti.v1.b.event.*.*", false),
            ("cti.v1.a.event.>", "cti.v1.a.event.x.y.z", true),
            ("cti.v1.a.event.>", "cti.v1.a.event", false),
            ("x-*.a", "y-*.a", false),
            ("x-*.a", "*-y.a", true),
            ("x*", "x", false),
            ("*", "a.b", false),
            ("*.b", "a.*", true),
            ("a*c*", "*b*d", true),
        ] {
            assert_eq!(intersect(a.as_bytes(), b.as_bytes()), expected, "{a} {b}");
            assert_eq!(intersect(b.as_bytes(), a.as_bytes()), expected, "{b} {a}");
        }
    }
}
