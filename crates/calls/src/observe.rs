//! Reads the PBX's states: conversations of an extension, callers in a queue, a parked caller.

use std::borrow::Cow;

use event::{field, fields};
use jiff::Timestamp;

/// State of an extension.
#[derive(Debug)]
pub(crate) struct Extension<'a> {
    pub(crate) number: Cow<'a, str>,
    pub(crate) name: Cow<'a, str>,
    pub(crate) user: Cow<'a, str>,
    pub(crate) is_on_hold: bool,
    pub(crate) conversations: Vec<Conversation<'a>>,
}

/// A conversation of an extension: its view of one call.
#[derive(Debug)]
#[allow(clippy::struct_excessive_bools, reason = "the PBX's own flags")]
pub(crate) struct Conversation<'a> {
    /// The extension's own channel, which its leg is anchored on; its unique id where no channel is named.
    pub(crate) channel: Cow<'a, str>,
    /// The other party's channel; empty if it is not visible.
    pub(crate) partner: Cow<'a, str>,
    pub(crate) unique_id: Cow<'a, str>,
    pub(crate) linked_id: Cow<'a, str>,
    pub(crate) is_outgoing: bool,
    pub(crate) is_connected: bool,
    pub(crate) through_trunk: bool,
    /// True if the call came through a queue.
    pub(crate) through_queue: bool,
    pub(crate) is_recorded: bool,
    /// `None` where the PBX gives no usable time.
    pub(crate) started: Option<Timestamp>,
    pub(crate) number: Cow<'a, str>,
    pub(crate) name: Cow<'a, str>,
}

/// A caller in a queue or in a parking slot.
#[derive(Debug)]
pub(crate) struct Waiting<'a> {
    pub(crate) channel: Cow<'a, str>,
    pub(crate) number: Cow<'a, str>,
    pub(crate) name: Cow<'a, str>,
    pub(crate) started: Option<Timestamp>,
}

/// Reads the number of an `extenUpdate`; `None` if it has none.
pub(crate) fn number(args: &[u8]) -> Option<Cow<'_, str>> {
    Some(text(field(args, "exten"))).filter(|number| !number.is_empty())
}

/// Reads an `extenUpdate`; `None` without a number.
pub(crate) fn extension(args: &[u8]) -> Option<Extension<'_>> {
    const KEYS: [&str; 5] = ["exten", "name", "username", "status", "conversations"];
    let [number, name, user, status, map] = pick(args, KEYS);
    let number = Some(text(number)).filter(|number| !number.is_empty())?;
    let conversations =
        fields(map.unwrap_or_default()).take(MOST).filter_map(|(_, value)| conversation(&number, value));
    Some(Extension {
        conversations: conversations.collect(),
        name: text(name),
        user: text(user),
        is_on_hold: text(status) == "onhold",
        number,
    })
}

fn conversation<'a>(extension: &str, value: &'a [u8]) -> Option<Conversation<'a>> {
    const KEYS: [&str; 14] = [
        "id",
        "direction",
        "connected",
        "startTime",
        "uniqueId",
        "linkedId",
        "queueId",
        "throughQueue",
        "throughTrunk",
        "recording",
        "counterpartNum",
        "counterpartName",
        "chSource",
        "chDest",
    ];
    let [
        id,
        direction,
        connected,
        started,
        unique_id,
        linked_id,
        queue,
        through_queue,
        through_trunk,
        recording,
        number,
        name,
        source,
        dest,
    ] = pick(value, KEYS);
    let is_outgoing = text(direction) == "out";
    let (own, other) = if is_outgoing { (source, dest) } else { (dest, source) };
    let named = |side: Option<&'a [u8]>| side.map(|side| text(field(side, "channel"))).unwrap_or_default();
    let (own, other) = (named(own), named(other));
    // The sides may have changed places: a channel that is named after the extension is its own.
    let is_swapped = is_of(&other, extension) && !is_of(&own, extension);
    let (own, other) = if is_swapped { (other, own) } else { (own, other) };
    let (source, dest) = split(text(id));
    let unique_id = text(unique_id);
    // Both sides can be null: the id then tells which side is the extension's.
    let (from_id, rest) = match (is_of(&source, extension), is_of(&dest, extension)) {
        (true, false) => (source, dest),
        (false, true) => (dest, source),
        (true, true) if is_outgoing => (source, dest),
        (true, true) => (dest, source),
        (false, false) => (Cow::Borrowed(""), Cow::Borrowed("")),
    };
    let channel = [own, from_id, unique_id.clone()].into_iter().find(|text| !text.is_empty())?;
    let partner = [other, rest].into_iter().find(|text| !text.is_empty()).unwrap_or_default();
    Some(Conversation {
        partner: if partner == channel { Cow::Borrowed("") } else { partner },
        channel,
        unique_id,
        linked_id: text(linked_id),
        is_outgoing,
        is_connected: is_true(connected),
        through_trunk: is_true(through_trunk),
        through_queue: is_true(through_queue) || !text(queue).is_empty(),
        is_recorded: matches!(&*text(recording), "true" | "mute"),
        started: time(started),
        number: text(number),
        name: text(name),
    })
}

/// Returns the two sides of a conversation's id, `source>dest`.
fn split(id: Cow<'_, str>) -> (Cow<'_, str>, Cow<'_, str>) {
    match id {
        Cow::Borrowed(id) => {
            let (source, dest) = id.split_once('>').unwrap_or((id, ""));
            (Cow::Borrowed(source), Cow::Borrowed(dest))
        }
        Cow::Owned(id) => {
            let (source, dest) = id.split_once('>').unwrap_or((&id, ""));
            (Cow::Owned(source.to_owned()), Cow::Owned(dest.to_owned()))
        }
    }
}

/// Returns true for a channel of this extension: `PJSIP/201-0000000a`.
pub(crate) fn is_of(channel: &str, extension: &str) -> bool {
    let name = channel.split_once('/').and_then(|(_, name)| name.rsplit_once('-'));
    name.is_some_and(|(peer, _)| peer == extension)
}

/// Reads the number of the queue and the waiting callers of a `queueUpdate`; `None` without a number.
pub(crate) fn queue(args: &[u8]) -> Option<(Cow<'_, str>, Vec<Waiting<'_>>)> {
    let number = Some(text(field(args, "queue"))).filter(|number| !number.is_empty())?;
    let callers = fields(field(args, "waitingCallers").unwrap_or_default());
    let callers = callers.take(MOST).filter_map(|(_, caller)| waiting(caller, "waitingTime"));
    Some((number, callers.collect()))
}

/// Reads the slot and the parked caller of a `parkingUpdate`; `None` without a slot.
pub(crate) fn parking(args: &[u8]) -> Option<(Cow<'_, str>, Option<Waiting<'_>>)> {
    let slot = Some(text(field(args, "parking"))).filter(|slot| !slot.is_empty())?;
    let caller = field(args, "parkedCaller").and_then(|caller| waiting(caller, ""));
    Some((slot, caller))
}

fn waiting<'a>(caller: &'a [u8], since: &str) -> Option<Waiting<'a>> {
    let [channel, number, name, started] = pick(caller, ["channel", "num", "name", since]);
    let channel = Some(text(channel)).filter(|channel| !channel.is_empty())?;
    Some(Waiting { channel, number: text(number), name: text(name), started: time(started) })
}

/// Returns the raw values of these keys, in one pass; of a repeated key, the first.
fn pick<'a, const N: usize>(object: &'a [u8], keys: [&str; N]) -> [Option<&'a [u8]>; N] {
    let mut found = [None; N];
    for (name, value) in fields(object) {
        if let Some(index) = keys.iter().position(|key| key.as_bytes() == name)
            && let Some(place) = found.get_mut(index)
        {
            place.get_or_insert(value);
        }
    }
    found
}

/// Returns a text; empty if it is absent, another value, or longer than any name of a PBX.
fn text(value: Option<&[u8]>) -> Cow<'_, str> {
    let Some(value) = value.filter(|value| value.first() == Some(&b'"') && value.len() <= LONGEST) else {
        return Cow::Borrowed("");
    };
    let plain = value.get(1..value.len().saturating_sub(1)).filter(|inner| !inner.contains(&b'\\'));
    match plain.and_then(|inner| std::str::from_utf8(inner).ok()) {
        Some(text) => Cow::Borrowed(text),
        None => Cow::Owned(serde_json::from_slice(value).unwrap_or_default()),
    }
}

/// Most conversations of an extension, or callers in a queue, that are read.
const MOST: usize = 1024;
/// Longest name, number or channel, in bytes. An id has two channels.
const LONGEST: usize = 1024;

fn is_true(value: Option<&[u8]>) -> bool {
    value == Some(b"true")
}

/// Returns a time in Unix milliseconds; `None` if it is absent or out of range.
fn time(value: Option<&[u8]>) -> Option<Timestamp> {
    let millis: i64 = std::str::from_utf8(value?).ok()?.parse().ok().filter(|millis| *millis > 0)?;
    Timestamp::from_millisecond(millis).ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn channels(direction: &str, id: &str, rest: &str) -> (String, String) {
        let args = format!(
            r#"{{"exten":"201","conversations":{{"x":{{"id":"{id}","direction":"{direction}","uniqueId":"17.4",{rest}}}}}}}"#
        );
        let state = extension(args.as_bytes()).unwrap();
        let found = state.conversations.first().unwrap();
        (found.channel.to_string(), found.partner.to_string())
    }

    #[test]
    fn a_leg_is_anchored_on_the_owners_channel() {
        let both = r#""chSource":{"channel":"PJSIP/trk-0b"},"chDest":{"channel":"PJSIP/201-0a"}"#;
        let null = r#""chSource":null,"chDest":null"#;
        let own = ("PJSIP/201-0a".to_owned(), "PJSIP/trk-0b".to_owned());
        assert_eq!(channels("in", "anything", both), own);
        let swapped = r#""chSource":{"channel":"PJSIP/201-0a"},"chDest":{"channel":"PJSIP/trk-0b"}"#;
        assert_eq!(channels("in", "anything", swapped), own, "the channels change places");
        assert_eq!(channels("in", "PJSIP/trk-0b>PJSIP/201-0a", null), own);
        assert_eq!(channels("in", "PJSIP/201-0a>PJSIP/trk-0b", null), own, "the sides of an id flip");
        assert_eq!(channels("out", ">PJSIP/201-0a", null), ("PJSIP/201-0a".to_owned(), String::new()));
        assert_eq!(channels("out", "Local/9@x-0b>", null), ("17.4".to_owned(), String::new()));
    }

    #[test]
    fn odd_values_are_absent() {
        assert!(extension(br#"{"exten":201}"#).is_none());
        assert!(extension(br#"{"exten":"201","conversations":[1,{}]}"#).unwrap().conversations.is_empty());
        let state = extension(br#"{"exten":"2\u0030 1","conversations":{"x":{"uniqueId":"1.2","startTime":-5,"connected":"true"}}}"#).unwrap();
        assert_eq!(state.number, "20 1");
        let odd = state.conversations.first().unwrap();
        assert!(odd.started.is_none() && !odd.is_connected);
        assert!(parking(br#"{"parking":"71","parkedCaller":{}}"#).unwrap().1.is_none());
        assert!(queue(br#"{"waitingCallers":{}}"#).is_none());
    }
}
