//! Summarises an event in a few words. An event of unexpected shape has no phrase.

use std::fmt::Write as _;

use jiff::{Timestamp, tz::TimeZone};
use serde_json::{Map, Value};

use super::clock;

/// The entity of an event, and what happened. Not yet safe for a terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Phrase {
    pub(super) whom: String,
    pub(super) text: String,
}

type Object = Map<String, Value>;

impl Phrase {
    /// Summarises an event of the PBX, or of the bridge. `None` for an unknown event or shape.
    pub(super) fn of(name: &str, of_pbx: bool, data: &[u8], zone: &TimeZone) -> Option<Self> {
        let Ok(Value::Object(event)) = serde_json::from_slice(data) else { return None };
        let (whom, text) = if of_pbx {
            match name {
                "extenUpdate" => (pair(&event, "exten", "name")?, extension(&event)),
                "trunkUpdate" => (pair(&event, "exten", "name")?, trunk(&event)),
                "queueUpdate" => (pair(&event, "queue", "name")?, queue(&event)),
                "queueMemberUpdate" => member(&event)?,
                "parkingUpdate" => (text(&event, "parking")?, parked(&event)),
                "userMainPresenceUpdate" | "userPresenceUpdate" => presence(&event)?,
                _ => return None,
            }
        } else {
            ("-".to_owned(), notice(name, &event, zone)?)
        };
        Some(Self { whom, text })
    }

    /// Summarises a step of a call: parties, direction, and what the step adds. `None` for an unexpected shape.
    pub(super) fn of_call(step: &str, data: &[u8]) -> Option<Self> {
        let Ok(Value::Object(event)) = serde_json::from_slice(data) else { return None };
        let whom = format!("#{}", text(&event, "call")?);
        let party = |object: &Object, key: &str| {
            let party = object.get(key).and_then(Value::as_object);
            party.and_then(|party| pair(party, "number", "name")).unwrap_or_else(|| "unknown".to_owned())
        };
        let mut out = format!("{} → {}", party(&event, "from"), party(&event, "to"));
        let seconds =
            |key: &str| format!("{:.0} s", event.get(key).and_then(Value::as_f64).unwrap_or_default());
        let transfer = event.get("transfer").and_then(Value::as_object);
        let talked = seconds("talkSeconds");
        let details = [
            text(&event, "direction"),
            text(&event, "queue").map(|queue| format!("queue {queue}")),
            text(&event, "parking").map(|slot| format!("slot {slot}")),
            (step == "answered").then(|| format!("waited {}", seconds("waitSeconds"))),
            transfer.map(|it| {
                format!(
                    "{} for {}, {}",
                    party(it, "to"),
                    party(it, "from"),
                    text(it, "kind").unwrap_or_default()
                )
            }),
            text(&event, "absorbed").map(|call| format!("with #{call}")),
            text(&event, "outcome"),
            text(&event, "into").map(|call| format!("into #{call}")),
            (step == "ended")
                .then(|| format!("talked {talked}"))
                .filter(|_| event.contains_key("answeredAt")),
            (!is(&event, "certain")).then(|| "uncertain".to_owned()),
        ];
        for detail in details.into_iter().flatten() {
            let _ = write!(out, ", {detail}");
        }
        Some(Self { whom, text: out })
    }
}

/// Returns a value as text. `None` if it is missing, empty, or neither a string nor a number.
fn text(object: &Object, key: &str) -> Option<String> {
    match object.get(key)? {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn is(object: &Object, key: &str) -> bool {
    object.get(key).and_then(Value::as_bool).unwrap_or_default()
}

fn objects<'a>(object: &'a Object, key: &str) -> impl Iterator<Item = &'a Object> {
    object.get(key).and_then(Value::as_object).into_iter().flat_map(Map::values).filter_map(Value::as_object)
}

/// Returns a number and a name. `None` without a number; the name may be missing.
fn pair(object: &Object, number: &str, name: &str) -> Option<String> {
    let mut out = text(object, number)?;
    if let Some(name) = text(object, name).filter(|name| *name != out) {
        let _ = write!(out, " {name}");
    }
    Some(out)
}

fn extension(event: &Object) -> String {
    let mut out = text(event, "status").unwrap_or_default();
    if is(event, "dnd") && out != "dnd" {
        out.push_str(", dnd");
    }
    for (key, when) in [("cf", ""), ("cfb", " if busy"), ("cfu", " if unanswered")] {
        if let Some(to) = text(event, key) {
            let _ = write!(out, ", forwards to {to}{when}");
        }
    }
    let legs = objects(event, "conversations").map(|leg| {
        let mut phrase = format!(
            "{} {}, {}",
            arrow(leg),
            pair(leg, "counterpartNum", "counterpartName").unwrap_or_else(|| "unknown".to_owned()),
            if is(leg, "connected") { "talking" } else { "ringing" }
        );
        if is(leg, "throughQueue") {
            let _ = write!(phrase, ", queue {}", text(leg, "queueId").unwrap_or_default());
        }
        if is(leg, "inConference") {
            phrase.push_str(", conference");
        }
        if matches!(text(leg, "recording").as_deref(), Some("true" | "mute")) {
            phrase.push_str(", recording");
        }
        phrase
    });
    with(out, legs)
}

fn trunk(event: &Object) -> String {
    let mut out = text(event, "status").unwrap_or_default();
    if let Some(registration) = text(event, "registration").filter(|state| *state != out) {
        let _ = write!(out, ", {registration}");
    }
    let legs = objects(event, "conversations").map(|leg| {
        let outside = pair(leg, "externalNum", "externalName").unwrap_or_else(|| "unknown".to_owned());
        let inside = pair(leg, "internalNum", "internalName").unwrap_or_else(|| "-".to_owned());
        format!("{} {outside}, with {inside}", arrow(leg))
    });
    with(out, legs)
}

fn queue(event: &Object) -> String {
    let (mut agents, mut paused) = (0, 0);
    for member in objects(event, "members").filter(|member| is(member, "loggedIn")) {
        agents += 1;
        paused += usize::from(is(member, "paused"));
    }
    let callers: Vec<_> = objects(event, "waitingCallers")
        .map(|caller| {
            let mut phrase = pair(caller, "num", "name").unwrap_or_else(|| "unknown".to_owned());
            if let Some(waiting) = text(caller, "waiting") {
                let _ = write!(phrase, " for {waiting} s");
            }
            phrase
        })
        .collect();
    let out = format!("{} waiting, {agents} agents, {paused} paused", callers.len());
    with(out, callers.into_iter())
}

fn member(event: &Object) -> Option<(String, String)> {
    let whom = format!("{} in {}", pair(event, "member", "name")?, text(event, "queue")?);
    let mut out = if is(event, "loggedIn") { "logged in" } else { "logged out" }.to_owned();
    if is(event, "paused") {
        let _ = write!(out, ", paused {}", text(event, "lastPausedInReason").unwrap_or_default());
    }
    Some((whom, out.trim_end().to_owned()))
}

fn parked(event: &Object) -> String {
    let Some(caller) = event.get("parkedCaller").and_then(Value::as_object) else { return String::new() };
    let Some(mut out) = pair(caller, "num", "name") else { return "free".to_owned() };
    if let Some(by) = pair(caller, "parkeeNum", "parkeeName") {
        let _ = write!(out, ", parked by {by}");
    }
    out
}

fn presence(event: &Object) -> Option<(String, String)> {
    let kinds = [
        ("mainPresence", ""),
        ("presence", ""),
        ("presence_onbusy", "if busy: "),
        ("presence_onunavailable", "if unavailable: "),
    ];
    let (presence, when) =
        kinds.iter().find_map(|(key, when)| Some((event.get(*key)?.as_object()?, when)))?;
    let to = text(presence, "to").map(|to| format!(" to {to}")).unwrap_or_default();
    Some((text(presence, "username")?, format!("{when}{}{to}", text(presence, "status")?)))
}

fn notice(name: &str, event: &Object, zone: &TimeZone) -> Option<String> {
    let time = |key| text(event, key)?.parse::<Timestamp>().ok().map(|at| clock(at, zone));
    let reason = || text(event, "reason").unwrap_or_default().replace('_', " ");
    Some(match name {
        "gap" if is(event, "certain") => format!("events are missing: {}", reason()),
        "gap" => match (time("from"), time("to")) {
            (Some(from), Some(to)) => format!("may have missed events from {from} to {to}: {}", reason()),
            (None, Some(to)) => format!("nothing was seen before {to}: {}", reason()),
            _ => return None,
        },
        "connected" => {
            let profile = text(event, "profile").map(|profile| format!(", profile {profile}"));
            format!("as {}{}", text(event, "user")?, profile.unwrap_or_default())
        }
        "disconnected" | "auth.failed" => text(event, "detail")?,
        "drift" => format!(
            "{}{}: {}, not in the event catalogue",
            text(event, "event")?,
            text(event, "path").map(|path| format!(" {path}")).unwrap_or_default(),
            text(event, "kind")?.replace('_', " "),
        ),
        "lost" => format!("{} events, sink {}: {}", text(event, "count")?, text(event, "sink")?, reason()),
        _ => return None,
    })
}

fn arrow(leg: &Object) -> char {
    match text(leg, "direction").as_deref() {
        Some("out") => '→',
        Some("in") => '←',
        _ => '·',
    }
}

fn with(mut out: String, legs: impl Iterator<Item = String>) -> String {
    for (index, leg) in legs.enumerate() {
        out.push_str(if index == 0 { "  " } else { "; " });
        out.push_str(&leg);
    }
    out
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn summary(name: &str, data: &str) -> (String, String) {
        let Phrase { whom, text } = Phrase::of(name, true, data.as_bytes(), &TimeZone::UTC).unwrap();
        (whom, text)
    }

    #[test]
    fn each_kind_of_state_has_its_phrase() {
        for (name, data, whom, text) in [
            (
                "extenUpdate",
                r#"{"exten":"201","name":"Ada","status":"online","dnd":true,"cf":"3331234xxx","conversations":{"a":{"direction":"in","connected":false,"counterpartNum":"202","counterpartName":"Bo"},"b":{"direction":"in","connected":true,"inConference":true}}}"#,
                "201 Ada",
                "online, dnd, forwards to 3331234xxx  ← 202 Bo, ringing; ← unknown, talking, conference",
            ),
            (
                "trunkUpdate",
                r#"{"exten":"trk","name":"trk","status":"online","registration":"registered","conversations":{"a":{"direction":"in","externalNum":"0721000xxx","internalNum":"201"}}}"#,
                "trk",
                "online, registered  ← 0721000xxx, with 201",
            ),
            (
                "queueUpdate",
                r#"{"queue":"401","name":"Support","members":{"201":{"loggedIn":true,"paused":true},"202":{"loggedIn":false}},"waitingCallers":{"x":{"num":"0541222xxx","name":"xxx","waiting":14}}}"#,
                "401 Support",
                "1 waiting, 1 agents, 1 paused  0541222xxx xxx for 14 s",
            ),
            (
                "queueMemberUpdate",
                r#"{"queue":"401","member":"201","name":"Ada","loggedIn":true,"paused":true,"lastPausedInReason":"lunch"}"#,
                "201 Ada in 401",
                "logged in, paused lunch",
            ),
            ("parkingUpdate", r#"{"parking":"71","parkedCaller":{}}"#, "71", "free"),
            (
                "parkingUpdate",
                r#"{"parking":"71","parkedCaller":{"num":"333000xxx","parkeeNum":"201"}}"#,
                "71",
                "333000xxx, parked by 201",
            ),
            (
                "userPresenceUpdate",
                r#"{"presence_onbusy":{"username":"ada","status":"callforward","to":"333000xxx"}}"#,
                "ada",
                "if busy: callforward to 333000xxx",
            ),
        ] {
            assert_eq!(summary(name, data), (whom.to_owned(), text.to_owned()), "{name}");
        }
    }

    #[test]
    fn events_of_another_shape_have_no_phrase() {
        for (name, data) in
            [("extenUpdate", "[]"), ("extenUpdate", r#"{"exten":{}}"#), ("new", "{}"), ("queueUpdate", "{")]
        {
            assert_eq!(Phrase::of(name, true, data.as_bytes(), &TimeZone::UTC), None, "{name} {data}");
        }
        assert_eq!(Phrase::of("extenUpdate", false, br#"{"exten":"201"}"#, &TimeZone::UTC), None);
    }
}
