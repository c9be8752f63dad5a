//! Engine.IO 4 packets and the Socket.IO 5 packets inside them, as text frames. Pure and total.
//!
//! ```text
//! 2                                Engine.IO ping
//! 4 2 [ "extenUpdate" , {…} ]      message, Socket.IO event
//! 4 5 1 - /ns , 17 [ "name" , … ]  binary event: 1 attachment to come, namespace, acknowledgement requested
//! ```
//!
//! Payload bytes are never changed or parsed into values: an event is the frame and ranges in it.
//! Sources: <https://github.com/socketio/engine.io-protocol>, <https://github.com/socketio/socket.io-protocol>.

use std::{fmt, ops::Range};

use serde::{
    Deserialize, Deserializer,
    de::{Error as _, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

/// A decoded text frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Packet {
    /// `0`: the open packet; the range of its JSON.
    Open(Range<u32>),
    /// `1`: the server closes the transport.
    Close,
    /// `2`: a ping, to be answered with `3`.
    Ping,
    /// `3` or `6`: ignored.
    Idle,
    /// `40`: the namespace is joined.
    Connected,
    /// `41`: the namespace is left.
    Disconnected,
    /// `42`, `45`: an event.
    Event(Event),
    /// `43`, `46`: the acknowledgement of an event that we sent.
    Ack {
        /// The id of the acknowledged event.
        id: u64,
        /// The number of binary attachments to come.
        attachments: usize,
    },
    /// `44`: the namespace was refused; the range of the reason's JSON.
    Refused(Range<u32>),
}

/// An event, as ranges in its frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The name's JSON text without its quotes.
    pub name: Range<u32>,
    /// From the first argument to the closing bracket; empty without arguments.
    pub args: Range<u32>,
    /// The number of arguments.
    pub argc: u16,
    /// The id of the acknowledgement that the server requests.
    pub ack: Option<u64>,
    /// The number of binary attachments to come.
    pub attachments: usize,
}

/// The reason why a frame is not a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Malformed {
    /// Empty, or of a type that does not exist.
    #[error("unknown packet type")]
    Type,
    /// Invalid attachment count or acknowledgement id.
    #[error("broken packet header")]
    Header,
    /// A namespace that was not joined.
    #[error("another namespace")]
    Namespace,
    /// The payload is not JSON, or not of the shape that its type requires.
    #[error("broken payload")]
    Payload,
}

/// The byte order mark, in UTF-8.
const BOM: &[u8] = "\u{feff}".as_bytes();

/// Decodes a text frame. A byte order mark before it, or before the JSON in it, is skipped (RFC 8259, section 8.1).
pub fn decode(frame: &[u8]) -> Result<Packet, Malformed> {
    let from = if frame.starts_with(BOM) { BOM.len() } else { 0 };
    match frame.get(from..).unwrap_or_default() {
        [b'0', ..] => Payload::new(frame, from + 1)?.value(b'{').map(Packet::Open),
        b"1" => Ok(Packet::Close),
        [b'2', ..] => Ok(Packet::Ping),
        [b'3', ..] | b"6" => Ok(Packet::Idle),
        [b'4', kind, ..] => message(frame, from + 2, *kind),
        _ => Err(Malformed::Type),
    }
}

fn message(frame: &[u8], mut at: usize, kind: u8) -> Result<Packet, Malformed> {
    let attachments = if matches!(kind, b'5' | b'6') {
        let count = number(frame, &mut at).ok_or(Malformed::Header)?;
        if frame.get(at) != Some(&b'-') {
            return Err(Malformed::Header);
        }
        at += 1;
        usize::try_from(count).map_err(|_| Malformed::Header)?
    } else {
        0
    };
    namespace(frame, &mut at)?;
    match kind {
        b'0' => Ok(Packet::Connected),
        b'1' => Ok(Packet::Disconnected),
        b'2' | b'5' => {
            let ack = number(frame, &mut at);
            let Parts { name, args, argc } = Payload::new(frame, at)?.event()?;
            Ok(Packet::Event(Event { name, args, argc, ack, attachments }))
        }
        b'3' | b'6' => {
            let id = number(frame, &mut at).ok_or(Malformed::Header)?;
            Payload::new(frame, at)?.value(b'[')?;
            Ok(Packet::Ack { id, attachments })
        }
        b'4' => Payload::new(frame, at)?.any().map(Packet::Refused),
        _ => Err(Malformed::Type),
    }
}

/// Skips `/,`, the explicit main namespace; rejects any other.
fn namespace(frame: &[u8], at: &mut usize) -> Result<(), Malformed> {
    let Some(rest @ [b'/', ..]) = frame.get(*at..) else { return Ok(()) };
    let end = memchr::memchr(b',', rest).unwrap_or(rest.len());
    let name = rest.get(..end).unwrap_or_default();
    let bare = name.split(|&byte| byte == b'?').next().unwrap_or_default();
    if bare != b"/" {
        return Err(Malformed::Namespace);
    }
    *at += (end + 1).min(rest.len());
    Ok(())
}

/// The JSON text of a frame.
///
/// It is validated, and split into ranges, but never parsed into values: `RawValue` accepts nesting of any depth without
/// recursion, numbers of any size and lone surrogates, all of which are JSON (RFC 8259).
struct Payload<'a> {
    /// The offset of the text in the frame.
    at: usize,
    text: &'a str,
}

/// The ranges of an event's name and arguments in the frame.
struct Parts {
    name: Range<u32>,
    args: Range<u32>,
    argc: u16,
}

impl<'a> Payload<'a> {
    fn new(frame: &'a [u8], at: usize) -> Result<Self, Malformed> {
        let rest = frame.get(at..).unwrap_or_default();
        let at = if rest.starts_with(BOM) { at + BOM.len() } else { at };
        let text = frame.get(at..).and_then(|rest| std::str::from_utf8(rest).ok());
        text.map(|text| Self { at, text }).ok_or(Malformed::Payload)
    }

    /// One value, and nothing after it.
    fn any(&self) -> Result<Range<u32>, Malformed> {
        self.raw().and_then(|value| self.place(value))
    }

    /// One value that starts with this byte, and nothing after it.
    fn value(&self, start: u8) -> Result<Range<u32>, Malformed> {
        let value = self.raw()?;
        if value.as_bytes().first() == Some(&start) { self.place(value) } else { Err(Malformed::Payload) }
    }

    fn raw(&self) -> Result<&'a str, Malformed> {
        serde_json::from_str::<&RawValue>(self.text).map(RawValue::get).map_err(|_| Malformed::Payload)
    }

    /// An array of a string, the event's name, and its arguments.
    fn event(&self) -> Result<Parts, Malformed> {
        let Elements { name, args, argc } =
            serde_json::from_str(self.text).map_err(|_| Malformed::Payload)?;
        let name = self.place(name)?;
        let args = match args {
            Some((first, last)) => self.place(first)?.start..self.place(last)?.end,
            None => name.end..name.end,
        };
        // Without its quotes.
        Ok(Parts { name: name.start + 1..name.end - 1, args, argc })
    }

    /// The range of a part of the text. A frame is bounded far below 4 GiB.
    fn place(&self, part: &str) -> Result<Range<u32>, Malformed> {
        let start = self.at + (part.as_ptr().addr() - self.text.as_ptr().addr());
        let place = |at| u32::try_from(at).map_err(|_| Malformed::Payload);
        Ok(place(start)?..place(start + part.len())?)
    }
}

/// The elements of an event's array, as they are in its text.
struct Elements<'a> {
    /// With its quotes.
    name: &'a str,
    /// The first and the last argument.
    args: Option<(&'a str, &'a str)>,
    argc: u16,
}

impl<'de> Deserialize<'de> for Elements<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Array;

        impl<'de> Visitor<'de> for Array {
            type Value = Elements<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array that starts with a string")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Self::Value, A::Error> {
                let mut next = || elements.next_element::<&RawValue>().map(|raw| raw.map(RawValue::get));
                let name = next()?.filter(|name| name.starts_with('"'));
                let name = name.ok_or_else(|| A::Error::custom("no event name"))?;
                let (mut args, mut argc) = (None, 0_u16);
                while let Some(arg) = next()? {
                    args = Some((args.map_or(arg, |(first, _)| first), arg));
                    argc = argc.checked_add(1).ok_or_else(|| A::Error::custom("too many arguments"))?;
                }
                Ok(Elements { name, args, argc })
            }
        }

        deserializer.deserialize_seq(Array)
    }
}

/// Parses leading decimal digits, if there are any that fit.
fn number(frame: &[u8], at: &mut usize) -> Option<u64> {
    let rest = frame.get(*at..)?;
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let value = std::str::from_utf8(rest.get(..digits)?).ok()?.parse().ok()?;
    *at += digits;
    Some(value)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text<'a>(frame: &'a str, range: &Range<u32>) -> &'a str {
        &frame[range.start as usize..range.end as usize]
    }

    fn read(frame: &str) -> (String, String, u16, Option<u64>, usize) {
        match decode(frame.as_bytes()) {
            Ok(Packet::Event(event)) => (
                text(frame, &event.name).to_owned(),
                text(frame, &event.args).to_owned(),
                event.argc,
                event.ack,
                event.attachments,
            ),
            other => panic!("{frame}: {other:?}"),
        }
    }

    #[test]
    fn events_of_every_shape() {
        let event = |name: &str, args: &str, argc, ack, attachments| {
            (name.into(), args.into(), argc, ack, attachments)
        };
        assert_eq!(
            read(r#"42["extenUpdate",{"exten":"201"}]"#),
            event("extenUpdate", r#"{"exten":"201"}"#, 1, None, 0)
        );
        assert_eq!(read(r#"42["takeOver"]"#), event("takeOver", "", 0, None, 0));
        assert_eq!(read(r#"42[ "a" , 1 , [2,3] ] "#), event("a", "1 , [2,3]", 2, None, 0));
        assert_eq!(read(r#"4217["ask","x"]"#), event("ask", r#""x""#, 1, Some(17), 0));
        assert_eq!(read(r#"42/,["a",null]"#), event("a", "null", 1, None, 0));
        assert_eq!(
            read(r#"452-["img",{"_placeholder":true,"num":0}]"#),
            event("img", r#"{"_placeholder":true,"num":0}"#, 1, None, 2)
        );
        assert_eq!(read(r#"451-/,7["img",1]"#), event("img", "1", 1, Some(7), 1));
        assert_eq!(read(r#"42["","\ud800",1e999]"#), event("", r#""\ud800",1e999"#, 2, None, 0));
        assert_eq!(read(r#"42["a\"]",1]"#), event(r#"a\"]"#, "1", 1, None, 0));
    }

    #[test]
    fn a_byte_order_mark_is_skipped() {
        for frame in ["\u{feff}42[\"a\",1]", "42\u{feff}[\"a\",1]", "\u{feff}42\u{feff}[\"a\",1]"] {
            assert_eq!(read(frame), ("a".into(), "1".into(), 1, None, 0), "{frame}");
        }
        assert_eq!(decode("0\u{feff}{}".as_bytes()), Ok(Packet::Open(4..6)));
        assert_eq!(decode("\u{feff}2".as_bytes()), Ok(Packet::Ping));
        assert_eq!(decode("44\u{feff}{}".as_bytes()), Ok(Packet::Refused(5..7)));
        assert_eq!(decode("42[\u{feff}\"a\"]".as_bytes()), Err(Malformed::Payload));
    }

    #[test]
    fn the_other_packets() {
        assert_eq!(decode(br#"0{"sid":"a"}"#), Ok(Packet::Open(1..12)));
        assert_eq!(decode(b"1"), Ok(Packet::Close));
        assert_eq!(decode(b"2"), Ok(Packet::Ping));
        assert_eq!(decode(b"3probe"), Ok(Packet::Idle));
        assert_eq!(decode(br#"40{"sid":"b"}"#), Ok(Packet::Connected));
        assert_eq!(decode(b"41"), Ok(Packet::Disconnected));
        assert_eq!(decode(b"43009[]"), Ok(Packet::Ack { id: 9, attachments: 0 }));
        assert_eq!(decode(br#"44{"message":"x"}"#), Ok(Packet::Refused(2..17)));
    }

    #[test]
    fn malformed_packets_are_rejected() {
        for (frame, why) in [
            ("", Malformed::Type),
            ("9", Malformed::Type),
            ("4", Malformed::Type),
            ("47", Malformed::Type),
            ("zzz", Malformed::Type),
            ("42{x", Malformed::Payload),
            ("42", Malformed::Payload),
            ("42[]", Malformed::Payload),
            ("42[1]", Malformed::Payload),
            (r#"42["a",]"#, Malformed::Payload),
            (r#"42["a"]x"#, Malformed::Payload),
            (r#"42/foo,["a"]"#, Malformed::Namespace),
            (r#"45["a"]"#, Malformed::Header),
            (r#"45x-["a"]"#, Malformed::Header),
            (r#"4599999999999999999999-["a"]"#, Malformed::Header),
            ("43[]", Malformed::Header),
        ] {
            assert_eq!(decode(frame.as_bytes()), Err(why), "{frame}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_answered(frame in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = decode(&frame);
        }

        #[test]
        fn a_valid_start_may_have_any_end(tail in "[\\[\\]{}\",:0-9a-f\\\\/ -]{0,24}", kind in "4[0-6]") {
            let frame = format!("{kind}{tail}");
            if let Ok(Packet::Event(event)) = decode(frame.as_bytes()) {
                let whole = format!("[{}]", text(&frame, &event.args));
                let args: Vec<Box<serde_json::value::RawValue>> = serde_json::from_str(&whole).unwrap();
                prop_assert_eq!(args.len(), usize::from(event.argc));
            }
        }

        #[test]
        fn events_come_back_as_they_were(name in any::<String>(), args in proptest::collection::vec(any::<(String, f64)>(), 0..4)) {
            let mut parts = vec![serde_json::to_string(&name).unwrap()];
            parts.extend(args.iter().map(|arg| serde_json::to_string(arg).unwrap()));
            let frame = format!("42[{}]", parts.join(","));
            let (got, rest, argc, ..) = read(&frame);
            prop_assert_eq!(format!("\"{got}\""), &parts[0][..]);
            prop_assert_eq!(rest, parts[1..].join(","));
            prop_assert_eq!(usize::from(argc), args.len());
        }
    }
}
