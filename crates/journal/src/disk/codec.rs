//! Encodes and decodes log entries. Pure functions; little-endian throughout.
//!
//! ```text
//! entry    length u32 │ crc32c of key.0, length u32 │ crc32c of key.1, length, body u32 │ body     length counts the body
//! body     position u64 │ seq u64 │ gap u64 │ at i64 (Unix ns) │ session u32 │ source u16 │ kind u8 │ origin u8 │ rest
//! origin   0 live, 1 snapshot, 2 derived; 128 is added to that of an unchanged event
//! event    argc u16 │ attachments u16 │ name from, to u32 │ args from, to u32 │ frame length u32 │ length u32 of each
//!          attachment │ frame │ attachments
//! notice   length of its name u8 │ name │ JSON
//! call     cause u64 │ length of its step u8 │ step │ length of its key u8 │ key │ JSON
//! absence  positions u64 │ why u8 │ reason u8 │ ranges u16 │ for each: source u16, count u64, first u64, last u64
//! ```
//!
//! The key is random, drawn for each segment and stored in its header. Senders of events don't know it, so no
//! payload can contain bytes that pass for an entry, wherever a search for the next intact entry starts. The
//! length has its own checksum: if it is valid, a damaged body is skipped as one.
//!
//! Version 3 had no calls, version 2 neither unchanged nor erased events. Version 1 had no key, no checksum of the length,
//! and instead of absences it had holes, all of them for damage: `count u64 │ sources u16 │ for each: source u16, lost u64,
//! first u64, last u64`. It is read but not written.

use std::io;

use bytes::Bytes;
use event::{
    Body, EncodedCall, EncodedNotice, LossReason, Origin, Position, RawEvent, Record, Seq, SourceId,
};
use jiff::Timestamp;
use ring::rand::{SecureRandom as _, SystemRandom};

use crate::entry::{Absence, Entry, Kind, Missing};

/// Size of a body's fixed fields.
const FIXED: usize = 8 * 4 + 4 + 2 + 2;
/// Maximum size of a body: frames and attachments are bounded well below it.
const LONGEST: usize = 1 << 30;

const EVENT: u8 = 1;
const NOTICE: u8 = 2;
const CALL: u8 = 4;
/// Kind of an absence; a hole in version 1.
const ABSENCE: u8 = 3;

/// Added to the origin of an unchanged event.
const UNCHANGED: u8 = 0x80;

/// Encoding of a segment's entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// Version 1. Read only.
    Unkeyed,
    /// Version 2 or later, with the segment's key.
    Keyed([u32; 2]),
}

impl Format {
    /// Creates the current version with a new key.
    pub(crate) fn draw() -> io::Result<Self> {
        let mut key = [0; 8];
        SystemRandom::new().fill(&mut key).map_err(|_| io::Error::other("no random numbers available"))?;
        Ok(Self::from_key(key))
    }

    pub(crate) fn from_key(key: [u8; 8]) -> Self {
        let key = u64::from_le_bytes(key);
        #[allow(clippy::cast_possible_truncation, reason = "its two halves")]
        Self::Keyed([key as u32, (key >> 32) as u32])
    }

    /// Returns the key; `None` for version 1.
    pub(crate) fn key(self) -> Option<[u8; 8]> {
        match self {
            Self::Unkeyed => None,
            Self::Keyed([first, second]) => Some((u64::from(second) << 32 | u64::from(first)).to_le_bytes()),
        }
    }

    /// Returns the number of bytes before an entry's body.
    pub(crate) fn prefix(self) -> usize {
        match self {
            Self::Unkeyed => 8,
            Self::Keyed(_) => 12,
        }
    }

    /// Returns the checksum of a length; `None` for version 1.
    fn length_sum(self, length: [u8; 4]) -> Option<u32> {
        match self {
            Self::Unkeyed => None,
            Self::Keyed([key, _]) => Some(crc32c::crc32c_append(crc32c::crc32c(&key.to_le_bytes()), &length)),
        }
    }

    fn sum(self, length: [u8; 4], body: &[u8]) -> u32 {
        let start = match self {
            Self::Unkeyed => crc32c::crc32c(&length),
            Self::Keyed([_, key]) => crc32c::crc32c_append(crc32c::crc32c(&key.to_le_bytes()), &length),
        };
        crc32c::crc32c_append(start, body)
    }
}

/// Appends an encoded entry and returns its length.
pub(crate) fn encode(format: Format, entry: &Entry, out: &mut Vec<u8>) -> usize {
    match entry {
        Entry::Record(record) => encode_record(format, record, out),
        Entry::Absence(absence) => encode_absence(format, absence, out),
    }
}

/// Appends an encoded record and returns its length.
pub(crate) fn encode_record(format: Format, record: &Record, out: &mut Vec<u8>) -> usize {
    let start = out.len();
    let mut size = encode_head(format, record, out);
    if let Body::Event(frame) = &record.body {
        for bytes in pieces(frame) {
            out.extend_from_slice(bytes);
            size += bytes.len();
        }
    }
    debug_assert_eq!(size, out.len() - start);
    size
}

/// Returns the pieces of a frame, which follow a record's head.
pub(crate) fn pieces(frame: &RawEvent) -> impl Iterator<Item = &Bytes> + Clone {
    std::iter::once(&frame.bytes).chain(&frame.attachments)
}

/// Appends an encoded record up to the [`pieces`] of its frame, which the checksum covers, and returns the
/// length.
pub(crate) fn encode_head(format: Format, record: &Record, out: &mut Vec<u8>) -> usize {
    let start = begin(format, out);
    out.extend_from_slice(&record.position.0.to_le_bytes());
    out.extend_from_slice(&record.seq.0.to_le_bytes());
    out.extend_from_slice(&record.gap.0.to_le_bytes());
    out.extend_from_slice(&nanoseconds(record.at).to_le_bytes());
    out.extend_from_slice(&record.session.to_le_bytes());
    out.extend_from_slice(&record.source.0.to_le_bytes());
    let origin = match record.origin {
        Origin::Live | Origin::Replay => 0,
        Origin::Snapshot => 1,
        Origin::Derived => 2,
    };
    match &record.body {
        Body::Event(frame) => {
            out.extend_from_slice(&[EVENT, if record.unchanged { origin | UNCHANGED } else { origin }]);
            encode_places(frame, out);
            return finish(format, start, out, pieces(frame));
        }
        Body::Notice(notice) => {
            out.extend_from_slice(&[NOTICE, origin]);
            encode_name(&notice.name, out);
            out.extend_from_slice(&notice.data);
        }
        Body::Call(call) => {
            out.extend_from_slice(&[CALL, origin]);
            out.extend_from_slice(&call.cause.0.to_le_bytes());
            encode_name(&call.step, out);
            encode_name(&call.key, out);
            out.extend_from_slice(&call.data);
        }
    }
    finish(format, start, out, std::iter::empty())
}

/// Appends a short name and its length.
fn encode_name(name: &str, out: &mut Vec<u8>) {
    let name = name.as_bytes().get(..255).unwrap_or(name.as_bytes());
    out.push(u8::try_from(name.len()).unwrap_or(u8::MAX));
    out.extend_from_slice(name);
}

fn encode_places(frame: &RawEvent, out: &mut Vec<u8>) {
    out.extend_from_slice(&frame.argc.to_le_bytes());
    out.extend_from_slice(&u16::try_from(frame.attachments.len()).unwrap_or(u16::MAX).to_le_bytes());
    for number in [frame.name.start, frame.name.end, frame.args.start, frame.args.end] {
        out.extend_from_slice(&number.to_le_bytes());
    }
    let length = |bytes: &Bytes| u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes();
    out.extend_from_slice(&length(&frame.bytes));
    for attachment in &frame.attachments {
        out.extend_from_slice(&length(attachment));
    }
}

fn encode_absence(format: Format, absence: &Absence, out: &mut Vec<u8>) -> usize {
    let start = begin(format, out);
    out.extend_from_slice(&absence.from.0.to_le_bytes());
    out.extend_from_slice(&[0; FIXED - 8 - 2]);
    out.extend_from_slice(&[ABSENCE, 0]);
    out.extend_from_slice(&absence.to.0.saturating_sub(absence.from.0).to_le_bytes());
    let (why, reason) = match absence.kind {
        Kind::Skipped => (0, 0),
        Kind::Refused(reason) => (1, reason_number(reason)),
        Kind::Lost(reason) => (2, reason_number(reason)),
        Kind::Erased => (3, 0),
    };
    out.extend_from_slice(&[why, reason]);
    out.extend_from_slice(&u16::try_from(absence.ranges.len()).unwrap_or(u16::MAX).to_le_bytes());
    for Missing { source, count, from, to } in &absence.ranges {
        out.extend_from_slice(&source.0.to_le_bytes());
        for number in [*count, from.0, to.0] {
            out.extend_from_slice(&number.to_le_bytes());
        }
    }
    finish(format, start, out, std::iter::empty())
}

/// Codes of loss reasons on disk. Codes are never reused.
const REASONS: [(LossReason, u8); 7] = [
    (LossReason::JournalFull, 1),
    (LossReason::Quota, 2),
    (LossReason::Expired, 3),
    (LossReason::Disk, 4),
    (LossReason::Damaged, 5),
    (LossReason::Forgotten, 6),
    (LossReason::Superseded, 7),
];

fn reason_number(reason: LossReason) -> u8 {
    REASONS.iter().find(|(known, _)| *known == reason).map_or(0, |(_, number)| *number)
}

fn begin(format: Format, out: &mut Vec<u8>) -> usize {
    let start = out.len();
    out.resize(start + format.prefix(), 0);
    start
}

/// Fills in the prefix of an entry that consists of `out` from `start` on and the `pieces`. Returns the
/// entry's length in `out`.
fn finish<'a>(
    format: Format,
    start: usize,
    out: &mut [u8],
    pieces: impl Iterator<Item = &'a Bytes> + Clone,
) -> usize {
    let Some((prefix, body)) =
        out.get_mut(start..).and_then(|entry| entry.split_at_mut_checked(format.prefix()))
    else {
        return 0;
    };
    let length = body.len() + pieces.clone().map(Bytes::len).sum::<usize>();
    let length = u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes();
    let sum = pieces.fold(format.sum(length, body), |sum, bytes| crc32c::crc32c_append(sum, bytes));
    let sums = format.length_sum(length).into_iter().chain([sum]);
    let (first, rest) = prefix.split_at_mut(4);
    first.copy_from_slice(&length);
    for (place, sum) in rest.chunks_exact_mut(4).zip(sums) {
        place.copy_from_slice(&sum.to_le_bytes());
    }
    format.prefix() + body.len()
}

fn nanoseconds(at: Timestamp) -> i64 {
    i64::try_from(at.as_nanosecond()).unwrap_or(i64::MAX)
}

/// Result of decoding.
#[derive(Debug)]
pub(crate) enum Found {
    /// An entry and its length.
    Entry(Entry, usize),
    /// The beginning of an entry of this length, as far as the length can be trusted.
    Cut(usize),
    /// No intact entry. The damaged entry had this length, if the length can be trusted.
    Damaged(Option<usize>),
}

/// Returns the length of the entry that starts here, prefix included. `None` if the length is invalid.
pub(crate) fn length(format: Format, bytes: &[u8]) -> Option<usize> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    if let Some(sum) = format.length_sum(*length)
        && rest.first_chunk().copied().map(u32::from_le_bytes) != Some(sum)
    {
        return None;
    }
    let length = u32::from_le_bytes(*length) as usize;
    (FIXED..=LONGEST).contains(&length).then_some(format.prefix() + length)
}

/// Decodes one entry. The record shares the memory of `bytes` and keeps it alive.
pub(crate) fn decode(format: Format, bytes: &Bytes) -> Found {
    let prefix = format.prefix();
    if bytes.len() < prefix {
        return Found::Cut(prefix);
    }
    let Some(size) = length(format, bytes) else { return Found::Damaged(None) };
    if bytes.len() < size {
        return Found::Cut(size);
    }
    let body = bytes.slice(prefix..size);
    let word = |at: usize| bytes.get(at..at + 4).and_then(|four| four.try_into().ok()).unwrap_or_default();
    if u32::from_le_bytes(word(prefix - 4)) != format.sum(word(0), &body) {
        return Found::Damaged(Some(size));
    }
    match entry(format, &mut Cursor { bytes: body, at: 0 }) {
        Some(entry) => Found::Entry(entry, size),
        None => Found::Damaged(Some(size)),
    }
}

struct Cursor {
    bytes: Bytes,
    at: usize,
}

impl Cursor {
    fn take(&mut self, count: usize) -> Option<Bytes> {
        let end = self.at.checked_add(count).filter(|end| *end <= self.bytes.len())?;
        let taken = self.bytes.slice(self.at..end);
        self.at = end;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?[..].try_into().ok()
    }

    fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    fn name(&mut self) -> Option<String> {
        let [length] = self.array()?;
        let name = self.take(length.into())?;
        Some(std::str::from_utf8(&name).ok()?.to_owned())
    }

    fn rest(&mut self) -> Option<Bytes> {
        self.take(self.bytes.len() - self.at)
    }
}

fn entry(format: Format, from: &mut Cursor) -> Option<Entry> {
    let (position, seq, gap) = (Position(from.u64()?), Seq(from.u64()?), Seq(from.u64()?));
    let at = Timestamp::from_nanosecond(i64::from_le_bytes(from.array()?).into()).ok()?;
    let (session, source) = (from.u32()?, SourceId(from.u16()?));
    let [kind, origin] = from.array()?;
    let unchanged = kind == EVENT && origin & UNCHANGED != 0;
    let origin = match if unchanged { origin & !UNCHANGED } else { origin } {
        0 => Origin::Live,
        1 => Origin::Snapshot,
        2 => Origin::Derived,
        _ => return None,
    };
    let body = match kind {
        EVENT => Body::Event(frame(at, from)?),
        NOTICE => {
            let name = from.name()?.into();
            Body::Notice(EncodedNotice { name, data: from.rest()? })
        }
        CALL => {
            let cause = Seq(from.u64()?);
            let (step, key) = (from.name()?.into(), from.name()?.into());
            Body::Call(EncodedCall { step, key, cause, data: from.rest()? })
        }
        ABSENCE => return absence(format, position, from).map(Entry::Absence),
        _ => return None,
    };
    Some(Entry::Record(Record { position, source, seq, at, session, origin, gap, unchanged, body }))
}

fn frame(at: Timestamp, from: &mut Cursor) -> Option<RawEvent> {
    let (argc, attachments) = (from.u16()?, from.u16()?);
    let name = from.u32()?..from.u32()?;
    let args = from.u32()?..from.u32()?;
    let length = from.u32()?;
    let lengths: Vec<u32> = (0..attachments).map(|_| from.u32()).collect::<Option<_>>()?;
    let bytes = from.take(length as usize)?;
    let inside = |range: &std::ops::Range<u32>| range.start <= range.end && range.end <= length;
    if !inside(&name) || !inside(&args) {
        return None;
    }
    let attachments =
        lengths.into_iter().map(|length| from.take(length as usize)).collect::<Option<Box<[_]>>>()?;
    (from.at == from.bytes.len()).then_some(RawEvent { at, bytes, name, args, argc, attachments })
}

fn absence(format: Format, from: Position, cursor: &mut Cursor) -> Option<Absence> {
    let to = Position(from.0.checked_add(cursor.u64()?)?);
    let [why, reason] = match format {
        Format::Unkeyed => [2, reason_number(LossReason::Damaged)],
        Format::Keyed(_) => cursor.array()?,
    };
    let reason = REASONS.iter().find(|(_, number)| *number == reason).map(|(reason, _)| *reason);
    let kind = match (why, reason) {
        (0, _) => Kind::Skipped,
        (1, Some(reason)) => Kind::Refused(reason),
        (2, Some(reason)) => Kind::Lost(reason),
        (3, _) => Kind::Erased,
        _ => return None,
    };
    let count = cursor.u16()?;
    let ranges = (0..count)
        .map(|_| {
            let source = SourceId(cursor.u16()?);
            Some(Missing { source, count: cursor.u64()?, from: Seq(cursor.u64()?), to: Seq(cursor.u64()?) })
        })
        .collect::<Option<_>>()?;
    Some(Absence { from, to, kind, ranges })
}
