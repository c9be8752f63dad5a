//! Two NATS sinks on the same servers.

use secrecy::ExposeSecret as _;

use super::{
    config::{Config, Credentials, Mode},
    jetstream::filter,
};
use crate::{
    route::template::Values,
    sink::{
        Bridge,
        overlap::{Overlap, host},
    },
};

/// The classes with events, and all classes.
const EVENTS: [&str; 2] = ["event", "bridge"];
const ALL: [&str; 5] = ["event", "bridge", "status", "dlq", "replay"];

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
    let overlap = |key, what, remedy| Some(Overlap { key, what, remedy, is_possible });
    let stream = |nats: &Config| nats.stream.name.clone().unwrap_or_else(|| instance.to_owned());
    let has_stream = |nats: &Config| nats.mode == Mode::JetStream;
    let is_one_domain = first.stream.domain == second.stream.domain;
    if has_stream(first) && has_stream(second) && is_one_domain && stream(first) == stream(second) {
        return overlap(
            "stream",
            format!(
                "writes to the same stream, {}, so the two would refuse each other's events",
                stream(first)
            ),
            "keep one sink with all servers in `servers`, or set another `stream` and `subject`",
        );
    }
    let stored = |nats: &Config| if has_stream(nats) { filters(nats, sources) } else { Vec::new() };
    if let Some(subject) = shared(&subjects(first, sources, &EVENTS), subjects(second, sources, &EVENTS)) {
        return overlap(
            "subject",
            format!("publishes to the same subjects, {subject}, so every event would arrive twice"),
            "keep one sink with all servers in `servers`, or set another `subject`",
        );
    }
    if let Some(subject) = shared(&stored(first), subjects(second, sources, &ALL)) {
        return overlap(
            "subject",
            format!(
                "has a stream that would also store messages published here, {subject}, and then refuse its own events"
            ),
            "set another `subject`",
        );
    }
    let subject = shared(&stored(second), subjects(first, sources, &ALL))?;
    overlap(
        "subject",
        format!(
            "publishes to subjects that this stream would also store, {subject}, and the stream would then refuse its own events"
        ),
        "set another `subject`",
    )
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

/// Returns the subjects of these classes, with `*` for the parts that depend on the event.
fn subjects(nats: &Config, sources: &[String], classes: &[&str]) -> Vec<String> {
    let render =
        |source: &String, class: &&str| nats.subject.render(Values { source, class, slug: "*", entity: "*" });
    sources.iter().flat_map(|source| classes.iter().map(move |class| render(source, class))).collect()
}

/// Returns the subjects of the stream. They are wider, as a wildcard there matches a complete token.
fn filters(nats: &Config, sources: &[String]) -> Vec<String> {
    sources.iter().flat_map(|source| EVENTS.map(|class| filter(&nats.subject, source, class))).collect()
}

/// Returns the first of `others` that intersects one of `ours`.
fn shared(ours: &[String], others: Vec<String>) -> Option<String> {
    others.into_iter().find(|other| ours.iter().any(|our| intersect(our.as_bytes(), other.as_bytes())))
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
