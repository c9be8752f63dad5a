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

/// Returns true if the extension has conversations, without reading them.
pub(crate) fn has_conversations(args: &[u8]) -> bool {
    field(args, "conversations").is_some_and(|map| fields(map).next().is_some())
}

/// Returns the extension that an `extenUpdate` describes; `None` without a number.
pub(crate) fn extension_number(args: &[u8]) -> Option<Cow<'_, str>> {
    Some(text(args, "exten")).filter(|number| !number.is_empty())
}

/// Reads an `extenUpdate`; `None` without a number.
pub(crate) fn extension(args: &[u8]) -> Option<Extension<'_>> {
    let number = extension_number(args)?;
    let map = field(args, "conversations").unwrap_or_default();
    let conversations = fields(map).filter_map(|(_, value)| conversation(&number, value)).collect();
    Some(Extension {
        name: text(args, "name"),
        user: text(args, "username"),
        is_on_hold: text(args, "status") == "onhold",
        conversations,
        number,
    })
}

fn conversation<'a>(extension: &str, value: &'a [u8]) -> Option<Conversation<'a>> {
    let is_outgoing = text(value, "direction") == "out";
    let (own, other) = if is_outgoing { ("chSource", "chDest") } else { ("chDest", "chSource") };
    let id = text(value, "id");
    let (source, dest) = split(id);
    let named = |key| field(value, key).map(|side| text(side, "channel")).unwrap_or_default();
    let (own, other) = (named(own), named(other));
    let unique_id = text(value, "uniqueId");
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
        linked_id: text(value, "linkedId"),
        is_outgoing,
        is_connected: is_true(value, "connected"),
        through_trunk: is_true(value, "throughTrunk"),
        through_queue: is_true(value, "throughQueue") || !text(value, "queueId").is_empty(),
        is_recorded: matches!(&*text(value, "recording"), "true" | "mute"),
        started: time(value, "startTime"),
        number: text(value, "counterpartNum"),
        name: text(value, "counterpartName"),
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
fn is_of(channel: &str, extension: &str) -> bool {
    let name = channel.split_once('/').and_then(|(_, name)| name.rsplit_once('-'));
    name.is_some_and(|(peer, _)| peer == extension)
}

/// Reads the number of the queue and the waiting callers of a `queueUpdate`; `None` without a number.
pub(crate) fn queue(args: &[u8]) -> Option<(Cow<'_, str>, Vec<Waiting<'_>>)> {
    let number = Some(text(args, "queue")).filter(|number| !number.is_empty())?;
    let callers = fields(field(args, "waitingCallers").unwrap_or_default());
    let callers = callers.filter_map(|(_, caller)| waiting(caller, "waitingTime"));
    Some((number, callers.collect()))
}

/// Reads the slot and the parked caller of a `parkingUpdate`; `None` without a slot.
pub(crate) fn parking(args: &[u8]) -> Option<(Cow<'_, str>, Option<Waiting<'_>>)> {
    let slot = Some(text(args, "parking")).filter(|slot| !slot.is_empty())?;
    let caller = field(args, "parkedCaller").and_then(|caller| waiting(caller, ""));
    Some((slot, caller))
}

fn waiting<'a>(caller: &'a [u8], since: &str) -> Option<Waiting<'a>> {
    let channel = Some(text(caller, "channel")).filter(|channel| !channel.is_empty())?;
    Some(Waiting {
        channel,
        number: text(caller, "num"),
        name: text(caller, "name"),
        started: time(caller, since),
    })
}

/// Returns the text of a field; empty if it is absent or not a text.
fn text<'a>(object: &'a [u8], key: &str) -> Cow<'a, str> {
    let Some(value) = field(object, key).filter(|value| value.first() == Some(&b'"')) else {
        return Cow::Borrowed("");
    };
    let plain = value.get(1..value.len().saturating_sub(1)).filter(|inner| !inner.contains(&b'\\'));
    match plain.and_then(|inner| std::str::from_utf8(inner).ok()) {
        Some(text) => Cow::Borrowed(text),
        None => Cow::Owned(serde_json::from_slice(value).unwrap_or_default()),
    }
}

fn is_true(object: &[u8], key: &str) -> bool {
    field(object, key) == Some(b"true")
}

/// Returns a time in Unix milliseconds; `None` if it is absent or out of range.
fn time(object: &[u8], key: &str) -> Option<Timestamp> {
    let text = std::str::from_utf8(field(object, key)?).ok()?;
    let millis: i64 = text.parse().ok().filter(|millis| *millis > 0)?;
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
