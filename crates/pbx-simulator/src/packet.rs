//! Engine.IO 4 and Socket.IO 5 packets as the backend's parser reads them from a client. Pure.
//!
//! What that parser can't read ends the connection at once, so "malformed" is a result, not an error.

use serde_json::Value;

/// One text frame of a client.
#[derive(Debug, PartialEq)]
pub(super) enum Packet<'a> {
    /// `2`: only the server may ask in version 4, so it ends the connection.
    Ping,
    /// `3`.
    Pong,
    /// A packet the server takes note of and does nothing about: `0`, `1`, `5`, `6`.
    Idle,
    Connect(&'a str),
    Disconnect(&'a str),
    Event {
        namespace: &'a str,
        ack: &'a str,
        args: Vec<Value>,
    },
    /// An event or acknowledgement whose attachments follow in this many binary frames.
    Binary(usize),
    /// An acknowledgement or an error: nothing waits for it.
    Ignored,
    Malformed,
}

/// Reads one text frame.
pub(super) fn parse(text: &str) -> Packet<'_> {
    let mut chars = text.chars();
    match chars.next() {
        Some('2') => Packet::Ping,
        Some('3') => Packet::Pong,
        Some('0' | '1' | '5' | '6') => Packet::Idle,
        Some('4') => message(chars.as_str()).unwrap_or(Packet::Malformed),
        _ => Packet::Malformed,
    }
}

fn message(text: &str) -> Option<Packet<'_>> {
    let kind = text.chars().next()?;
    let mut rest = text.get(1..)?;
    let mut attachments = 0;
    if matches!(kind, '5' | '6') {
        let (count, after) = rest.split_once('-')?;
        attachments = count.parse().ok()?;
        rest = after;
    }
    let mut namespace = "/";
    if rest.starts_with('/') {
        (namespace, rest) = rest.split_once(',').unwrap_or((rest, ""));
        namespace = namespace.split('?').next().unwrap_or(namespace);
    }
    let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (ack, payload) = rest.split_at(digits);
    let payload = if payload.is_empty() { None } else { Some(serde_json::from_str::<Value>(payload).ok()?) };
    match (kind, payload) {
        ('0', None | Some(Value::Object(_))) => Some(Packet::Connect(namespace)),
        ('1', None) => Some(Packet::Disconnect(namespace)),
        ('2', Some(Value::Array(args))) if !args.is_empty() => Some(Packet::Event { namespace, ack, args }),
        ('2' | '3', None) | ('3', Some(Value::Array(_))) => Some(Packet::Ignored),
        ('4', None | Some(Value::String(_) | Value::Object(_))) => Some(Packet::Ignored),
        ('5' | '6', Some(Value::Array(_))) => Some(Packet::Binary(attachments)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn packets_are_distinguished() {
        assert_eq!(parse("40"), Packet::Connect("/"));
        assert_eq!(parse(r#"40{"token":"x"}"#), Packet::Connect("/"));
        assert_eq!(parse("40/foo,"), Packet::Connect("/foo"));
        assert_eq!(parse("41"), Packet::Disconnect("/"));
        assert_eq!(parse("1"), Packet::Idle);
        assert_eq!(parse("451-[\"x\",{\"_placeholder\":true,\"num\":0}]"), Packet::Binary(1));
        let event = |ack| Packet::Event { namespace: "/", ack, args: vec![json!("ping")] };
        assert_eq!(parse(r#"42["ping"]"#), event(""));
        assert_eq!(parse(r#"427["ping"]"#), event("7"));
    }

    #[test]
    fn unreadable_packets_are_malformed() {
        for text in ["", "4", "45", "zzz", "42{x", "42{}", "42[]", "41[]", "40[]", "48"] {
            assert_eq!(parse(text), Packet::Malformed, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in "[0-9]{0,3}[/a-z,\\-]{0,4}.{0,40}") {
            parse(&text);
        }
    }
}
