//! What must hold whatever a peer, a disk or a file says. Each function panics if it does not.
//!
//! `tests/fuzz` and `benches/fuzz` call these with bytes of their own making; see `benches/README.md`.

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::value::RawValue;

use crate::{
    config::{Address, Flags, load_with},
    event::RawEvent,
    event::{Body, JournalId, Position, Record, Seq, SourceId, Told},
    journal::{
        disk::{
            codec::{self, Format, Found},
            scan::{Next, summarize},
            segment::Header,
        },
        entry::Entry,
        line::Standing,
    },
    socketio::{self, Packet},
};

/// A frame of the PBX: what is taken for an event is one, and its arguments are as many JSON texts as it says.
pub fn packet(input: &[u8]) {
    let Ok(Packet::Event(event)) = socketio::decode(input) else { return };
    let args = &input[event.args.start as usize..event.args.end as usize];
    // A frame that is no UTF-8 never gets as far as the codec.
    let Ok(args) = std::str::from_utf8(args) else { return };
    // The parser stops at a depth of 128; the codec does not.
    if args.bytes().filter(|byte| matches!(byte, b'[' | b'{')).count() < 100 {
        let parsed: Vec<Box<RawValue>> = serde_json::from_str(&format!("[{args}]")).expect("not JSON");
        assert_eq!(parsed.len(), usize::from(event.argc));
    }
    let frame = RawEvent {
        at: Timestamp::UNIX_EPOCH,
        bytes: Bytes::copy_from_slice(input),
        name: event.name,
        args: event.args,
        argc: event.argc,
        attachments: Box::default(),
    };
    let (name, args) = (frame.name(), frame.args());
    assert!(crate::event::slug(&name).len() <= 64);
    if let Some(entity) = crate::event::entity(&name, &args) {
        assert!(crate::event::entity_token(Some(&entity.key())).len() <= 64);
    }
}

/// A segment of the journal in either format, as a program of two-byte steps writes and damages it: what is read is in
/// order, lies where it says, and is read again as it was.
pub fn segment(input: &[u8]) {
    let Some(([version, key], steps)) = input.split_first_chunk() else { return };
    let format = if version % 2 == 0 {
        Format::Unkeyed
    } else {
        Format::Keyed([u32::from(*key), u32::from(*version)])
    };
    let header = Header {
        journal: "abcdefghij".parse::<JournalId>().expect("a name"),
        generation: 1,
        created: Timestamp::UNIX_EPOCH,
        first: Position(1),
        format,
        sources: vec![("a".to_owned(), Standing::default()), ("b".to_owned(), Standing::default())],
    };
    let mut content = header.encode();
    let start = content.len();
    let mut position = 1_u64;
    for step in steps.chunks_exact(2) {
        let [what, value] = [step[0], step[1]];
        // Where something is damaged.
        let at = start + usize::from(value) * (content.len() - start) / 256;
        match what % 8 {
            0..=2 => {
                codec::encode(format, &Entry::Record(record(position, value)), &mut content);
                position += 1;
            }
            3 => position += u64::from(value),
            4 => content.push(value),
            5 if at < content.len() => content[at] ^= 1 << (what / 8 % 8),
            6 => content.truncate(at),
            7 => drop(content.splice(at..at, [value; 3])),
            _ => {}
        }
    }
    let content = Bytes::from(content);
    let next = Next { first: Position(position), standing: header.standing() };
    for next in [None, Some(&next)] {
        let summary = summarize(&content, &header, start, next);
        let (mut end, mut at) = (header.first, start);
        for (entry, range) in &summary.entries {
            assert_eq!(entry.position(), end, "entries are dense");
            assert!(range.start >= at && range.end <= content.len() && entry.end() > entry.position());
            (end, at) = (entry.end(), range.end);
        }
        assert_eq!(end, summary.end);
        assert!(summary.torn <= content.len() - start);
        // What a repair writes.
        let format = Format::from_key([7; 8]);
        let mut repaired = Vec::new();
        for (entry, _) in &summary.entries {
            codec::encode(format, entry, &mut repaired);
        }
        let repaired = Bytes::from(repaired);
        let mut at = 0;
        for (entry, _) in &summary.entries {
            let Found::Entry(read, size) = codec::decode(format, &repaired.slice(at..)) else {
                panic!("{entry:?} can't be read")
            };
            assert_eq!(format!("{read:?}"), format!("{entry:?}"));
            at += size;
        }
    }
}

fn record(position: u64, value: u8) -> Record {
    let body = if value.is_multiple_of(3) {
        Body::Notice(Told { what: "gap".into(), data: Bytes::from(vec![value; usize::from(value) / 8]) })
    } else {
        let bytes = Bytes::from(format!("42[\"e\",\"{}\"]", "x".repeat(usize::from(value) / 4)));
        let end = u32::try_from(bytes.len()).unwrap_or_default() - 1;
        let attachments = vec![Bytes::from_static(b"attached"); usize::from(value % 3)].into();
        Body::Event(RawEvent {
            at: Timestamp::UNIX_EPOCH,
            bytes,
            name: 4..5,
            args: 7..end,
            argc: 1,
            attachments,
        })
    };
    Record {
        position: Position(position),
        source: SourceId(u16::from(value % 2)),
        seq: Seq(position),
        at: Timestamp::UNIX_EPOCH,
        session: 1,
        origin: crate::event::Origin::Live,
        gap: Seq(0),
        body,
    }
}

/// A configuration: whatever is wrong is a problem with a text, in one line.
pub fn config(file: &std::path::Path, input: &[u8]) {
    if std::fs::write(file, input).is_err() {
        return;
    }
    match load_with(&Flags { config: Some(file.to_owned()), ..Flags::default() }, []) {
        Ok(loaded) => assert!(!loaded.config.sources.is_empty() && !loaded.config.sinks.is_empty()),
        Err(problems) => assert!(!problems.to_string().is_empty()),
    }
}

/// What a NATS server sends: how it is cut makes no difference, and the client never waits for more than the bounds.
#[cfg(feature = "nats")]
pub fn framing(input: &[u8]) {
    use crate::sink::nats::Framing;
    let Some((cut, input)) = input.split_first() else { return };
    let at_once = Framing::default().check(input);
    let mut framing = Framing::default();
    let in_pieces = input.chunks(usize::from(*cut).max(1)).try_for_each(|piece| framing.check(piece));
    assert_eq!(at_once, in_pieces);
    if at_once.is_ok() {
        assert!(framing.buffered() <= 1 << 20);
    }
}

/// A URL: what is printed has no part of what was written before an `@`, and can be read again.
pub fn address(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let Ok(address) = text.parse::<Address>() else { return };
    let printed = address.to_string();
    assert!(!address.url().as_str().contains('@') || address.user_info().is_none(), "{printed}");
    assert!(address.url().host_str().is_some_and(|host| !host.is_empty()));
    let again: Address = address.with_user_info().as_str().parse().expect("it can't be read again");
    assert_eq!(again.to_string(), printed);
}

/// `Date` and `Retry-After`: any text is a time within bounds, or none.
pub fn http(input: &[u8]) {
    let (date, wait) = input.split_at(input.len() / 2);
    crate::api::fuzz(date, wait);
}
