//! A record as bytes. Pure; little-endian throughout.
//!
//! ```text
//! record   length u32 │ crc32c u32 │ body                      length counts the body; the sum covers length and body
//! body     position u64 │ seq u64 │ gap u64 │ at i64 (Unix ns) │ session u32 │ source u16 │ kind u8 │ origin u8 │ rest
//! event    argc u16 │ attachments u16 │ name from, to u32 │ args from, to u32 │ frame length u32 │ length u32 of each
//!          attachment │ frame │ attachments
//! notice   length of its name u8 │ name │ JSON
//! hole     count u64 │ sources u16 │ for each: source u16, lost u64, first u64, last u64
//! ```
//!
//! A hole stands where damaged records stood: it takes `count` positions, the first of them its own.

use bytes::Bytes;
use jiff::Timestamp;

use crate::{
    event::{Body, Origin, Position, Record, Seq, SourceId, Told},
    journal::line::{Hole, Missing},
    socketio::Frame,
};

/// Length and sum.
pub(crate) const PREFIX: usize = 8;
/// Of a body's fixed fields.
const FIXED: usize = 8 * 4 + 4 + 2 + 2;
/// No record is longer: a frame and its attachments are bounded well below.
const LONGEST: usize = 1 << 30;

const EVENT: u8 = 1;
const NOTICE: u8 = 2;
const HOLE: u8 = 3;

/// What stands in a segment.
#[derive(Debug, Clone)]
pub(crate) enum Entry {
    Record(Record),
    Hole(Hole),
}

impl Entry {
    pub(crate) fn position(&self) -> Position {
        match self {
            Self::Record(record) => record.position,
            Self::Hole(hole) => hole.from,
        }
    }

    /// The position of what follows.
    pub(crate) fn end(&self) -> Position {
        match self {
            Self::Record(record) => record.position.next(),
            Self::Hole(hole) => hole.to,
        }
    }
}

/// Appends a record's bytes; how many.
pub(crate) fn encode(record: &Record, out: &mut Vec<u8>) -> usize {
    let start = begin(out);
    out.extend_from_slice(&record.position.0.to_le_bytes());
    out.extend_from_slice(&record.seq.0.to_le_bytes());
    out.extend_from_slice(&record.gap.0.to_le_bytes());
    out.extend_from_slice(&nanoseconds(record.at).to_le_bytes());
    out.extend_from_slice(&record.session.to_le_bytes());
    out.extend_from_slice(&record.source.0.to_le_bytes());
    let origin = match record.origin {
        Origin::Live => 0,
        Origin::Snapshot => 1,
    };
    match &record.body {
        Body::Event(frame) => {
            out.extend_from_slice(&[EVENT, origin]);
            encode_frame(frame, out);
        }
        Body::Notice(told) => {
            out.extend_from_slice(&[NOTICE, origin]);
            let what = told.what.as_bytes().get(..255).unwrap_or(told.what.as_bytes());
            out.push(u8::try_from(what.len()).unwrap_or(u8::MAX));
            out.extend_from_slice(what);
            out.extend_from_slice(&told.data);
        }
    }
    finish(start, out)
}

fn encode_frame(frame: &Frame, out: &mut Vec<u8>) {
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
    out.extend_from_slice(&frame.bytes);
    for attachment in &frame.attachments {
        out.extend_from_slice(attachment);
    }
}

/// Appends a hole's bytes.
pub(crate) fn encode_hole(hole: &Hole, out: &mut Vec<u8>) -> usize {
    let start = begin(out);
    out.extend_from_slice(&hole.from.0.to_le_bytes());
    out.extend_from_slice(&[0; FIXED - 8 - 2]);
    out.extend_from_slice(&[HOLE, 0]);
    out.extend_from_slice(&hole.to.0.saturating_sub(hole.from.0).to_le_bytes());
    out.extend_from_slice(&u16::try_from(hole.missing.len()).unwrap_or(u16::MAX).to_le_bytes());
    for Missing { source, count, from, to } in &hole.missing {
        out.extend_from_slice(&source.0.to_le_bytes());
        for number in [*count, from.0, to.0] {
            out.extend_from_slice(&number.to_le_bytes());
        }
    }
    finish(start, out)
}

fn begin(out: &mut Vec<u8>) -> usize {
    let start = out.len();
    out.extend_from_slice(&[0; PREFIX]);
    start
}

fn finish(start: usize, out: &mut [u8]) -> usize {
    let Some((prefix, body)) = out.get_mut(start..).and_then(|record| record.split_at_mut_checked(PREFIX))
    else {
        return 0;
    };
    let length = u32::try_from(body.len()).unwrap_or(u32::MAX).to_le_bytes();
    let sum = sum(length, body).to_le_bytes();
    prefix.copy_from_slice(&[length, sum].concat());
    PREFIX + body.len()
}

fn sum(length: [u8; 4], body: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&length), body)
}

fn nanoseconds(at: Timestamp) -> i64 {
    i64::try_from(at.as_nanosecond()).unwrap_or(i64::MAX)
}

/// What stands at the start of some bytes.
#[derive(Debug)]
pub(crate) enum Found {
    /// An entry of this many bytes.
    Entry(Entry, usize),
    /// The start of one that needs this many bytes, if it is one.
    Cut(usize),
    /// Nothing that was written here.
    Damaged,
}

/// The whole length of the record that starts here, as far as its prefix can be believed.
pub(crate) fn length(bytes: &[u8]) -> Option<usize> {
    let length = u32::from_le_bytes(bytes.get(..4)?.try_into().ok()?) as usize;
    (FIXED..=LONGEST).contains(&length).then_some(PREFIX + length)
}

/// Reads one entry. Slices of `bytes` become the record's, so its memory lives as long as they do.
pub(crate) fn decode(bytes: &Bytes) -> Found {
    if bytes.len() < PREFIX {
        return Found::Cut(PREFIX);
    }
    let Some(whole) = length(bytes) else { return Found::Damaged };
    if bytes.len() < whole {
        return Found::Cut(whole);
    }
    let body = bytes.slice(PREFIX..whole);
    let prefix = |at: usize| bytes.get(at..at + 4).and_then(|four| four.try_into().ok()).unwrap_or_default();
    if u32::from_le_bytes(prefix(4)) != sum(prefix(0), &body) {
        return Found::Damaged;
    }
    match entry(&mut Cursor { bytes: body, at: 0 }) {
        Some(entry) => Found::Entry(entry, whole),
        None => Found::Damaged,
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

    fn rest(&mut self) -> Option<Bytes> {
        self.take(self.bytes.len() - self.at)
    }
}

fn entry(from: &mut Cursor) -> Option<Entry> {
    let (position, seq, gap) = (Position(from.u64()?), Seq(from.u64()?), Seq(from.u64()?));
    let at = Timestamp::from_nanosecond(i64::from_le_bytes(from.array()?).into()).ok()?;
    let (session, source) = (from.u32()?, SourceId(from.u16()?));
    let [kind, origin] = from.array()?;
    let origin = match origin {
        0 => Origin::Live,
        1 => Origin::Snapshot,
        _ => return None,
    };
    let body = match kind {
        EVENT => Body::Event(frame(at, from)?),
        NOTICE => {
            let [length] = from.array()?;
            let what = from.take(length.into())?;
            let what = std::str::from_utf8(&what).ok()?.to_owned().into();
            Body::Notice(Told { what, data: from.rest()? })
        }
        HOLE => return hole(position, from).map(Entry::Hole),
        _ => return None,
    };
    Some(Entry::Record(Record { position, source, seq, at, session, origin, gap, body }))
}

fn frame(at: Timestamp, from: &mut Cursor) -> Option<Frame> {
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
    (from.at == from.bytes.len()).then_some(Frame { at, bytes, name, args, argc, attachments })
}

fn hole(from: Position, cursor: &mut Cursor) -> Option<Hole> {
    let to = Position(from.0.checked_add(cursor.u64()?)?);
    let sources = cursor.u16()?;
    let missing = (0..sources)
        .map(|_| {
            let source = SourceId(cursor.u16()?);
            Some(Missing { source, count: cursor.u64()?, from: Seq(cursor.u64()?), to: Seq(cursor.u64()?) })
        })
        .collect::<Option<_>>()?;
    Some(Hole { from, to, missing })
}
