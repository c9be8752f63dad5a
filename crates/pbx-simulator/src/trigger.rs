//! `POST /trigger`: sends one event to every session that may receive it. No real PBX has this path.
//!
//! Needs the name and password of an account (RFC 7617). A page in a browser can't use it, even if it knows them: it would send
//! its `Origin`, or ask under a name that its owner has pointed at this address (DNS rebinding).

use std::net::IpAddr;

use data_encoding::BASE64;
use hyper::{
    Method,
    header::{AUTHORIZATION, HOST, ORIGIN},
    http::{request::Parts, uri::Authority},
};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    hub::Out,
    lock,
    pbx::Pbx,
    profile::Audience,
    replay::{self, BadLine},
    reply::Reply,
};

pub(super) const PATH: &str = "/trigger";

/// The body.
#[derive(Deserialize)]
struct Event<'a> {
    #[serde(borrow)]
    event: &'a RawValue,
    #[serde(borrow)]
    args: &'a RawValue,
}

/// Answers `{"sessions":N}`, the number of sessions that the event went to; otherwise an envelope with the reason.
pub(super) fn answer(pbx: &Pbx, parts: &Parts, body: &[u8]) -> Reply {
    if !is_asked_by_address(parts) {
        return Reply::envelope(421, "null", "unknown host name: use an IP address or localhost");
    }
    if parts.headers.contains_key(ORIGIN) {
        return Reply::envelope(403, "null", "requests from web pages are refused");
    }
    if parts.method != Method::POST {
        return Reply::envelope(405, "null", "use POST");
    }
    if !is_authorized(pbx, parts) {
        return Reply::envelope(401, "null", "use the name and password of the simulator's user")
            .challenged(r#"Basic realm="simulator""#);
    }
    let event = serde_json::from_slice(body).map_err(BadLine::from);
    match event.and_then(|Event { event, args }| Ok((audience(event), replay::frame(event, args)?))) {
        Ok((audience, frame)) => {
            let sessions = pbx.hub.publish(&audience, &Out::Bytes(frame));
            Reply::json(200, format!(r#"{{"sessions":{sessions}}}"#))
        }
        Err(reason) => Reply::envelope(400, "null", &reason.to_string()),
    }
}

/// Whether every name of the request is an address or `localhost`. A request without a name comes from no browser.
fn is_asked_by_address(parts: &Parts) -> bool {
    let hosts = parts.headers.get_all(HOST).iter().map(|value| value.to_str().unwrap_or_default());
    hosts.chain(parts.uri.authority().map(Authority::as_str)).all(|text| {
        text.parse::<Authority>().is_ok_and(|authority| {
            let host = authority.host().trim_matches(['[', ']']);
            host.parse::<IpAddr>().is_ok() || host.eq_ignore_ascii_case("localhost")
        })
    })
}

fn is_authorized(pbx: &Pbx, parts: &Parts) -> bool {
    let shown = parts.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let shown = shown.and_then(|value| value.strip_prefix("Basic "));
    let shown = shown.and_then(|value| BASE64.decode(value.trim().as_bytes()).ok());
    let shown = shown.and_then(|value| String::from_utf8(value).ok());
    let credentials = shown.as_deref().and_then(|shown| shown.split_once(':'));
    credentials.is_some_and(|(username, password)| lock(&pbx.accounts).right(username, password))
}

/// By the right that the catalogue names. What a real PBX sends to an owner or a subscriber goes to every session, as if each
/// was one.
fn audience(event: &RawValue) -> Audience {
    let name: String = serde_json::from_str(event.get()).unwrap_or_default();
    match event::event_schema(name.as_bytes()).and_then(|schema| schema.right.as_deref()) {
        Some("presence_panel") => Audience::Presence,
        Some("queue_agent") => Audience::Queues,
        Some("parkings") => Audience::Parkings,
        Some("qmanager") => Audience::QueueManagers,
        _ => Audience::All,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_right_of_the_catalogue_has_its_audience() {
        for schema in event::schemas().iter().filter(|schema| schema.class == event::Class::Event) {
            let name = serde_json::value::to_raw_value(&schema.name).unwrap_or_default();
            assert_eq!(schema.right.is_some(), audience(&name) != Audience::All, "{}", schema.name);
        }
    }
}
