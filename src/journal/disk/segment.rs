//! A segment: a file of records, with what was known when it was begun.
//!
//! ```text
//! magic "CTIJRNL\0" │ version u16 │ sources u16 │ length of the header u32 │ journal [10] │ generation u64
//! │ created i64 (Unix ns) │ first position u64
//! │ for each source: length of its name u8 │ name │ next seq u64 │ gap u64 │ records before u64 │ seen i64 │ crc32c u32
//! ```

use std::{io, path::Path, sync::Arc};

use bytes::Bytes;
use jiff::Timestamp;

use super::{
    codec::{self, Entry, Found},
    sealed::VERSION,
};
use crate::{
    event::{JournalId, Position, Seq, SourceId},
    journal::{
        fs::{self, File, Fs},
        line::{Hole, Missing, Standing},
    },
};

const MAGIC: &[u8; 8] = b"CTIJRNL\0";
/// No header is longer: 65,536 sources with names of 64 bytes.
const LONGEST: usize = 8 << 20;

/// What a segment begins with.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Header {
    pub(crate) journal: JournalId,
    /// Rises with each segment that is begun. Where two hold the same position, the higher one is right.
    pub(crate) generation: u64,
    pub(crate) created: Timestamp,
    pub(crate) first: Position,
    /// Every source there was, by its id, and where it stood.
    pub(crate) sources: Vec<(String, Standing)>,
}

/// Why a segment's header can't be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BadHeader {
    #[error("its header is damaged")]
    Damaged,
    #[error("a later version of cti-bridge wrote it (format {0}, this one reads {VERSION})")]
    Newer(u16),
    #[error("it can't be read: {0}")]
    Io(#[from] io::Error),
}

impl Header {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.extend_from_slice(&u16::try_from(self.sources.len()).unwrap_or(u16::MAX).to_le_bytes());
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(self.journal.as_str().as_bytes());
        out.extend_from_slice(&self.generation.to_le_bytes());
        out.extend_from_slice(&nanoseconds(Some(self.created)).to_le_bytes());
        out.extend_from_slice(&self.first.0.to_le_bytes());
        for (name, standing) in &self.sources {
            let name = name.as_bytes();
            out.push(u8::try_from(name.len()).unwrap_or(u8::MAX));
            out.extend(name.iter().take(255));
            for number in [standing.next.0, standing.gap.0, standing.count] {
                out.extend_from_slice(&number.to_le_bytes());
            }
            out.extend_from_slice(&nanoseconds(standing.seen).to_le_bytes());
        }
        let length = u32::try_from(out.len() + 4).unwrap_or(u32::MAX).to_le_bytes();
        if let Some(place) = out.get_mut(12..16) {
            place.copy_from_slice(&length);
        }
        let sum = crc32c::crc32c(&out).to_le_bytes();
        out.extend_from_slice(&sum);
        out
    }

    /// The header, and its length.
    pub(crate) fn decode(bytes: &[u8]) -> Result<(Self, usize), BadHeader> {
        if bytes.get(..8) != Some(MAGIC) {
            return Err(BadHeader::Damaged);
        }
        // Every version keeps its length here and its sum at the end, so that damage is not taken for a version.
        let length =
            bytes.get(12..16).and_then(|four| four.try_into().ok()).map_or(0, u32::from_le_bytes) as usize;
        let (content, sum) = bytes
            .get(..length)
            .and_then(|header| header.split_last_chunk::<4>())
            .ok_or(BadHeader::Damaged)?;
        if u32::from_le_bytes(*sum) != crc32c::crc32c(content) {
            return Err(BadHeader::Damaged);
        }
        let mut rest = bytes.get(8..).unwrap_or_default();
        let version = take(&mut rest).map(u16::from_le_bytes).ok_or(BadHeader::Damaged)?;
        if version > VERSION {
            return Err(BadHeader::Newer(version));
        }
        fields(bytes, rest).map(|header| (header, length)).ok_or(BadHeader::Damaged)
    }

    pub(crate) fn read(file: &dyn File) -> Result<(Self, usize), BadHeader> {
        let mut bytes = vec![0; 4096];
        let read = fs::read_fully(file, &mut bytes, 0)?;
        bytes.truncate(read);
        let length = bytes.get(12..16).and_then(|four| four.try_into().ok()).map_or(0, u32::from_le_bytes);
        if length as usize > bytes.len() && (length as usize) < LONGEST {
            bytes = vec![0; length as usize];
            let read = fs::read_fully(file, &mut bytes, 0)?;
            bytes.truncate(read);
        }
        Self::decode(&bytes)
    }

    pub(crate) fn standing(&self) -> Vec<Standing> {
        self.sources.iter().map(|(_, standing)| standing.clone()).collect()
    }
}

fn fields(bytes: &[u8], mut rest: &[u8]) -> Option<Header> {
    let sources = take(&mut rest).map(u16::from_le_bytes)?;
    let length = take(&mut rest).map(u32::from_le_bytes)? as usize;
    if length > bytes.len() {
        return None;
    }
    let journal = take::<10>(&mut rest)?;
    let journal = std::str::from_utf8(&journal).ok()?.parse().ok()?;
    let generation = take(&mut rest).map(u64::from_le_bytes)?;
    let created = timestamp(take(&mut rest)?).ok()??;
    let first = take(&mut rest).map(u64::from_le_bytes).map(Position)?;
    let mut standings = Vec::new();
    for _ in 0..sources {
        let [length] = take(&mut rest)?;
        let (name, after) = rest.split_at_checked(length.into())?;
        rest = after;
        let mut number = || take(&mut rest).map(u64::from_le_bytes);
        let (next, gap, count) = (Seq(number()?), Seq(number()?), number()?);
        let seen = timestamp(take(&mut rest)?).ok()?;
        standings.push((std::str::from_utf8(name).ok()?.to_owned(), Standing { next, gap, count, seen }));
    }
    Some(Header { journal, generation, created, first, sources: standings })
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, after) = rest.split_first_chunk()?;
    *rest = after;
    Some(*taken)
}

/// 0 stands for never.
fn nanoseconds(at: Option<Timestamp>) -> i64 {
    at.map_or(0, |at| i64::try_from(at.as_nanosecond()).unwrap_or(i64::MAX))
}

fn timestamp(bytes: [u8; 8]) -> Result<Option<Timestamp>, jiff::Error> {
    match i64::from_le_bytes(bytes) {
        0 => Ok(None),
        nanoseconds => Timestamp::from_nanosecond(nanoseconds.into()).map(Some),
    }
}

/// Name of a segment's file; in the order of their generations.
pub(crate) fn file_name(generation: u64) -> String {
    format!("{generation:012}.log")
}

/// A segment's file, and its header.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) name: String,
    pub(crate) file: Arc<dyn File>,
    pub(crate) header: Header,
    /// Where its records begin.
    pub(crate) start: usize,
}

/// Opens a segment by its name. None for another file.
pub(crate) fn open(fs: &dyn Fs, dir: &Path, name: &str) -> Option<Result<Opened, BadHeader>> {
    name.strip_suffix(".log")?.parse::<u64>().ok()?;
    let path = dir.join(name);
    let file = match fs.open(&path, true).or_else(|_| fs.open(&path, false)) {
        Ok(file) => file,
        Err(error) => return Some(Err(error.into())),
    };
    let header = Header::read(&*file);
    Some(header.map(|(header, start)| Opened { name: name.to_owned(), file, header, start }))
}

/// A piece of a segment's content.
#[derive(Debug)]
pub(crate) enum Piece {
    /// An entry, and where its bytes lie.
    Entry(Entry, std::ops::Range<usize>),
    /// Bytes that are no entry; none, if entries are missing and nothing is in their place.
    Damaged(std::ops::Range<usize>),
}

/// Cuts a segment's content into pieces, from an offset on. `expected` is the position of the first entry. After
/// damage it looks for the next place where an entry with a believable position and a right checksum stands.
pub(crate) fn pieces(content: &Bytes, mut at: usize, mut expected: Position) -> Vec<Piece> {
    let mut pieces = Vec::new();
    while at < content.len() {
        let found = codec::decode(&content.slice(at..));
        match found {
            Found::Entry(entry, size) if entry.position() >= expected => {
                if entry.position() > expected {
                    pieces.push(Piece::Damaged(at..at));
                }
                expected = entry.end();
                pieces.push(Piece::Entry(entry, at..at + size));
                at += size;
            }
            _ => {
                let next = resume(content, at + 1, expected).unwrap_or(content.len());
                pieces.push(Piece::Damaged(at..next));
                if let Found::Entry(entry, size) = codec::decode(&content.slice(next..)) {
                    expected = entry.end();
                    pieces.push(Piece::Entry(entry, next..next + size));
                    at = next + size;
                } else {
                    at = content.len();
                }
            }
        }
    }
    pieces
}

/// Damage does not hide more than this many records behind it.
const FURTHEST: u64 = 1 << 32;

fn resume(content: &Bytes, from: usize, expected: Position) -> Option<usize> {
    (from..content.len().saturating_sub(codec::PREFIX + 8)).find(|&at| {
        let believable = content
            .get(at + codec::PREFIX..at + codec::PREFIX + 8)
            .and_then(|eight| eight.try_into().ok())
            .map(u64::from_le_bytes)
            .is_some_and(|position| position >= expected.0 && position - expected.0 < FURTHEST);
        believable
            && codec::length(&content[at..]).is_some_and(|length| length <= content.len() - at)
            && matches!(codec::decode(&content.slice(at..)), Found::Entry(..))
    })
}

/// What a segment's content comes to.
#[derive(Debug)]
pub(crate) struct Summary {
    /// Position after the last entry.
    pub(crate) end: Position,
    /// Where each source stands after it.
    pub(crate) standing: Vec<Standing>,
    /// Receive time of the newest record.
    pub(crate) newest: Option<Timestamp>,
    pub(crate) holes: Vec<Hole>,
    /// Bytes at the end that are no entry.
    pub(crate) torn: usize,
    /// The content without its damage, holes in its place; none if there is no damage but a torn tail.
    pub(crate) mended: Option<Vec<u8>>,
    /// Damaged bytes in the middle.
    pub(crate) damaged: usize,
}

/// Reads a whole segment, header included. `limit`: what a later generation holds as well is not looked at.
/// `each` sees every record and the bytes it takes.
pub(crate) fn summarize(
    content: &Bytes,
    header: &Header,
    start: usize,
    limit: Position,
    mut each: impl FnMut(&crate::event::Record, usize),
) -> Summary {
    let mut pieces = pieces(content, start, header.first);
    pieces.retain(|piece| !matches!(piece, Piece::Entry(entry, _) if entry.position() >= limit));
    let torn = match pieces.pop_if(|piece| matches!(piece, Piece::Damaged(_))) {
        Some(Piece::Damaged(range)) => range.len(),
        _ => 0,
    };
    let mut standing = header.standing();
    let mut summary = Summary {
        end: header.first,
        standing: Vec::new(),
        newest: None,
        holes: Vec::new(),
        torn,
        mended: None,
        damaged: 0,
    };
    let mut mended: Vec<u8> = content.slice(..start).into();
    for (index, piece) in pieces.iter().enumerate() {
        match piece {
            Piece::Entry(Entry::Record(record), range) => {
                note(&mut standing, record);
                summary.newest = summary.newest.max(Some(record.at));
                each(record, range.len());
                summary.end = record.position.next();
                mended.extend_from_slice(content.get(range.clone()).unwrap_or_default());
            }
            Piece::Entry(Entry::Hole(hole), range) => {
                pass(&mut standing, hole);
                summary.end = hole.to;
                mended.extend_from_slice(content.get(range.clone()).unwrap_or_default());
                summary.holes.push(hole.clone());
            }
            Piece::Damaged(range) => {
                let after = pieces.get(index + 1..).unwrap_or_default();
                let to = after.iter().find_map(position).unwrap_or(summary.end);
                let hole =
                    Hole { from: summary.end, to, missing: missing(&standing, summary.end, to, after) };
                pass(&mut standing, &hole);
                if hole.to > hole.from {
                    codec::encode_hole(&hole, &mut mended);
                    summary.holes.push(hole);
                }
                summary.end = to;
                summary.damaged += range.len().max(1);
            }
        }
    }
    summary.mended = (summary.damaged > 0).then_some(mended);
    summary.standing = standing;
    summary
}

fn position(piece: &Piece) -> Option<Position> {
    match piece {
        Piece::Entry(entry, _) => Some(entry.position()),
        Piece::Damaged(_) => None,
    }
}

fn note(standing: &mut Vec<Standing>, record: &crate::event::Record) {
    let index = record.source.index();
    if standing.len() <= index {
        standing.resize(index + 1, Standing::default());
    }
    if let Some(standing) = standing.get_mut(index) {
        standing.note(record);
    }
}

fn pass(standing: &mut [Standing], hole: &Hole) {
    for missing in &hole.missing {
        if let Some(standing) = standing.get_mut(missing.source.index()) {
            standing.count += missing.count;
            standing.next = standing.next.max(missing.to.next());
        }
    }
}

/// Whose records were in a hole: each source's numbers before and after it tell, as they are dense within a segment.
fn missing(standing: &[Standing], from: Position, to: Position, after: &[Piece]) -> Vec<Missing> {
    let mut left = to.0.saturating_sub(from.0);
    let mut missing = Vec::new();
    let sources = (0_u16..).map(SourceId).zip(standing);
    let mut silent = None;
    for (source, before) in sources {
        let next = after.iter().find_map(|piece| match piece {
            Piece::Entry(Entry::Record(record), _) if record.source == source => Some(record.seq),
            _ => None,
        });
        let Some(next) = next else {
            silent = silent.or(Some((source, before)));
            continue;
        };
        let count = next.0.saturating_sub(before.next.0).min(left);
        if count > 0 {
            left -= count;
            missing.push(Missing { source, count, from: before.next, to: Seq(next.0 - 1) });
        }
    }
    // Of a source that says nothing afterwards; or, when numbers had been left out too, of the first.
    let rest = silent.or_else(|| standing.first().map(|standing| (SourceId(0), standing)));
    if let Some((source, before)) = rest.filter(|_| left > 0) {
        let to = Seq(before.next.0.saturating_add(left - 1));
        missing.push(Missing { source, count: left, from: before.next, to });
    }
    missing
}
