//! `POST /trigger` sends one event to every session that may receive it, and `POST /call` plays a call. No real PBX has these paths.
//!
//! They need the name and password of an account (RFC 7617). A page in a browser can't use them, even if it knows both: it would send
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
    world::script::Script,
};

pub(super) const EVENT: &str = "/trigger";
pub(super) const CALL: &str = "/call";

/// The body for [`EVENT`].
#[derive(Deserialize)]
struct Event<'a> {
    #[serde(borrow)]
    event: &'a RawValue,
    #[serde(borrow)]
    args: &'a RawValue,
}

/// The body for [`CALL`].
#[derive(Deserialize)]
struct Call<'a> {
    script: &'a str,
}

/// Answers `{"sessions":N}`, the number of sessions that the event or the call goes to; otherwise an envelope with the reason.
pub(super) fn answer(pbx: &Pbx, parts: &Parts, body: &[u8]) -> Reply {
    if let Some(refusal) = refusal(pbx, parts) {
        return refusal;
    }
    let sessions = if parts.uri.path() == CALL { call(pbx, body) } else { event(pbx, body) };
    match sessions {
        Ok(sessions) => Reply::json(200, format!(r#"{{"sessions":{sessions}}}"#)),
        Err(reason) => Reply::envelope(400, "null", &reason),
    }
}

/// Sends the event. The error is the reason why it is invalid.
fn event(pbx: &Pbx, body: &[u8]) -> Result<usize, String> {
    let event = serde_json::from_slice(body).map_err(BadLine::from);
    let event = event.and_then(|Event { event, args }| Ok((audience(event), replay::frame(event, args)?)));
    let (audience, frame) = event.map_err(|reason| reason.to_string())?;
    Ok(pbx.hub.publish(&audience, &Out::Bytes(frame)))
}

/// Plays the call to every session. The error is the reason why it can't be played.
fn call(pbx: &Pbx, body: &[u8]) -> Result<usize, String> {
    let Call { script } = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    let script = Script::named(script).ok_or("there is no such call script")?;
    let sessions = *pbx.hub.watch().borrow();
    if sessions > 0 && !lock(&pbx.world).cue(pbx.began.elapsed(), script) {
        return Err("too many extensions are busy: try again in a moment".to_owned());
    }
    pbx.cued.notify_one();
    Ok(sessions)
}

/// Returns the answer to a request that is not allowed; `None` for one that is.
fn refusal(pbx: &Pbx, parts: &Parts) -> Option<Reply> {
    if !is_asked_by_address(parts) {
        return Some(Reply::envelope(421, "null", "unknown host name: use an IP address or localhost"));
    }
    if parts.headers.contains_key(ORIGIN) {
        return Some(Reply::envelope(403, "null", "requests from web pages are refused"));
    }
    if parts.method != Method::POST {
        return Some(Reply::envelope(405, "null", "use POST"));
    }
    let unauthorized = || {
        Reply::envelope(401, "null", "use the name and password of the simulator's user")
            .challenged(r#"Basic realm="simulator""#)
    };
    (!is_authorized(pbx, parts)).then(unauthorized)
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
