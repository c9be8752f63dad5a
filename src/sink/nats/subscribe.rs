//! Subscribes to the events of a bridge: a plain subscription, which stores nothing and does not affect other consumers.

use std::sync::Arc;

use async_nats::{Client, HeaderMap, Message, Subscriber};
use futures_util::{FutureExt as _, StreamExt as _, future::BoxFuture, stream::SelectAll};

use super::{
    config::Config,
    connect::Servers,
    events::Events,
    subjects::{EVENTS, all, distinct, of_route, pattern},
};
use crate::{
    event::{Received, parse_structured},
    route::template::Template,
    sink::{self, SinkError},
};

/// The most messages returned at once.
const MOST: usize = 256;

/// A subscription to the events of some sources.
#[derive(Debug)]
pub struct Subscription {
    messages: SelectAll<Subscriber>,
    events: Arc<Events>,
    sources: Vec<String>,
    /// Closes the connection when dropped.
    _client: Client,
}

impl Subscription {
    /// Connects, and subscribes to the events, notices and calls of these sources.
    pub async fn open(config: &Config, sources: &[String]) -> Result<Self, SinkError> {
        let routes = config.route_subjects.iter().map(|route| &route.template);
        let subjects = patterns(&config.subject, routes, sources);
        let listed = subjects.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        let connected = Servers::new(config).connect(format!("to subscribe to {listed}")).await?;
        let mut messages = SelectAll::new();
        for subject in subjects {
            let subscribed = connected.client.subscribe(subject).await;
            messages.push(subscribed.map_err(|error| connected.events.failed(error))?);
        }
        Ok(Self {
            messages,
            events: connected.events,
            sources: sources.iter().map(|source| format!("/cti/{source}")).collect(),
            _client: connected.client,
        })
    }

    async fn next(&mut self) -> Result<Vec<Received>, SinkError> {
        loop {
            let mut next = tokio::select! {
                biased;
                message = self.messages.next() => Some(message.ok_or_else(|| self.events.error())?),
                () = self.events.down() => return Err(self.events.error()),
            };
            let mut received = Vec::new();
            while let Some(message) = next {
                received.extend(read(&message).filter(|event| self.sources.contains(&event.source)));
                let more = received.len() < MOST;
                next = if more { self.messages.next().now_or_never().flatten() } else { None };
            }
            // Restores the order across subscriptions within a burst.
            received.sort_by(|one, other| one.place().cmp(&other.place()));
            if !received.is_empty() {
                return Ok(received);
            }
        }
    }
}

impl sink::Subscription for Subscription {
    fn next(&mut self) -> BoxFuture<'_, Result<Vec<Received>, SinkError>> {
        Box::pin(self.next())
    }
}

/// Returns the patterns of the subjects of events of these sources.
fn patterns<'a>(
    own: &Template,
    routes: impl Iterator<Item = &'a Template>,
    sources: &[String],
) -> Vec<String> {
    let own = all(sources, &EVENTS, |source, class| pattern(own, source, class));
    distinct(own.into_iter().chain(routes.flat_map(|route| of_route(route, sources))).collect())
}

/// Parses a numbered event of a bridge, in either content mode. `None` for any other message.
fn read(message: &Message) -> Option<Received> {
    match message.headers.as_ref().filter(|headers| headers.get("ce-id").is_some()) {
        Some(headers) => Received::new(message.payload.clone(), |name| attribute(headers, name)),
        None => parse_structured(&message.payload),
    }
}

fn attribute(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(format!("ce-{name}").as_str()).map(|value| decode(value.as_str()))
}

/// Reverses the percent-encoding of the binding.
fn decode(value: &str) -> String {
    let mut out = Vec::with_capacity(value.len());
    let mut rest = value.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let hex = after.get(..2).filter(|_| byte == b'%');
        if let Some(decoded) = hex.and_then(|hex| data_encoding::HEXUPPER_PERMISSIVE.decode(hex).ok()) {
            out.extend(decoded);
            rest = after.get(2..).unwrap_or_default();
        } else {
            out.push(byte);
            rest = after;
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn subscriptions_cover_every_class_for_any_template() {
        let of = |template: &str, route: &str| {
            let routes = [route.parse().unwrap()];
            patterns(&template.parse().unwrap(), routes.iter(), &["a".to_owned(), "b".to_owned()]).join(" ")
        };
        assert_eq!(
            of("cti.v1.{source}.{class}.{slug}.{entity}", "cti.v1.{source}.event.wall.{entity}"),
            "cti.v1.a.event.*.* cti.v1.a.bridge.*.* cti.v1.a.call.*.* cti.v1.b.event.*.* cti.v1.b.bridge.*.* \
             cti.v1.b.call.*.*",
            "an event is received once"
        );
        assert_eq!(of("phones-{source}.x-{slug}", "wall.{entity}"), "phones-a.* phones-b.* wall.*");
    }

    #[test]
    fn decoding_inverts_the_binding() {
        assert_eq!(decode("Euro%20%E2%82%AC%20%25"), "Euro € %");
        assert_eq!(decode("100%"), "100%");
        assert_eq!(decode("%zz%+4%4"), "%zz%+4%4");
    }
}
