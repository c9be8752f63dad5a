//! Invariants that hold for any disk content. Violations panic.

use bytes::Bytes;
use event::{Body, EncodedNotice, JournalId, Origin, Position, RawEvent, Record, Seq, SourceId};
use jiff::Timestamp;

use crate::{
    disk::{
        codec::{self, Format, Found},
        scan::summarize,
        segment::{Header, Next},
    },
    entry::Entry,
    progress::SourceProgress,
};

/// Writes and damages a segment in either format, as directed by two-byte steps, and checks that what is read
/// back is in order, is located where it says, and round-trips.
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
        head: 0,
        sources: vec![
            ("a".to_owned(), SourceProgress::default()),
            ("b".to_owned(), SourceProgress::default()),
        ],
    };
    let mut content = header.encode();
    let start = content.len();
    let mut position = 1_u64;
    for step in steps.chunks_exact(2) {
        let [what, value] = [step[0], step[1]];
        // Offset of the damage.
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
    let next = Next { first: Position(position), progress: header.progress() };
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
        // Format that a repair writes.
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
        Body::Notice(EncodedNotice {
            name: "gap".into(),
            data: Bytes::from(vec![value; usize::from(value) / 8]),
        })
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
        origin: Origin::Live,
        gap: Seq(0),
        unchanged: value.is_multiple_of(2) && matches!(body, Body::Event(_)),
        body,
    }
}
