//! A segment file: a header with the state at its creation, then entries.
//!
//! ```text
//! magic "CTIJRNL\0" │ version u16 │ sources u16 │ length of the header u32 │ journal [10] │ generation u64
//! │ created i64 (Unix ns) │ first position u64 │ key [8] │ length of the head u32
//! │ for each source: length of its name u8 │ name │ next seq u64 │ gap u64 │ records before u64 │ seen i64 │ crc32c u32
//! │ head │ entries
//! ```
//!
//! Versions 2 and 3 had no head, version 1 no key either.

use std::{io, path::Path, sync::Arc};

use event::{JournalId, Position, Seq};
use jiff::Timestamp;

use super::{codec::Format, sealed::VERSION};

use crate::{
    fs::{self, File, Fs, OnDemand},
    progress::SourceProgress,
};

const MAGIC: &[u8; 8] = b"CTIJRNL\0";
/// The version without a key.
const UNKEYED: u16 = 1;
/// The first version with a head.
const HEADED: u16 = 4;
/// Maximum size of a header: 65,536 sources with names of 64 bytes.
const LONGEST: usize = 8 << 20;

/// Header of a segment.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Header {
    pub(crate) journal: JournalId,
    /// Rises with each new segment. If two segments hold the same position, the higher generation takes
    /// precedence.
    pub(crate) generation: u64,
    pub(crate) created: Timestamp,
    pub(crate) first: Position,
    /// Encoding of the entries.
    pub(crate) format: Format,
    /// Length of the [`Head`](super::head::Head) that follows; 0 if there is none.
    pub(crate) head: u32,
    /// All sources by id, with their progress before the first entry.
    pub(crate) sources: Vec<(String, SourceProgress)>,
}

/// Reason why a header is unusable.
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
        let version = if self.format == Format::Unkeyed { UNKEYED } else { VERSION };
        out.extend_from_slice(&version.to_le_bytes());
        out.extend_from_slice(&u16::try_from(self.sources.len()).unwrap_or(u16::MAX).to_le_bytes());
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(self.journal.as_str().as_bytes());
        out.extend_from_slice(&self.generation.to_le_bytes());
        out.extend_from_slice(&nanoseconds(Some(self.created)).to_le_bytes());
        out.extend_from_slice(&self.first.0.to_le_bytes());
        out.extend(self.format.key().into_iter().flatten());
        if version >= HEADED {
            out.extend_from_slice(&self.head.to_le_bytes());
        }
        for (name, progress) in &self.sources {
            let name = name.as_bytes();
            out.push(u8::try_from(name.len()).unwrap_or(u8::MAX));
            out.extend(name.iter().take(255));
            for number in [progress.next.0, progress.gap.0, progress.count] {
                out.extend_from_slice(&number.to_le_bytes());
            }
            out.extend_from_slice(&nanoseconds(progress.seen).to_le_bytes());
        }
        let length = u32::try_from(out.len() + 4).unwrap_or(u32::MAX).to_le_bytes();
        if let Some(place) = out.get_mut(12..16) {
            place.copy_from_slice(&length);
        }
        let sum = crc32c::crc32c(&out).to_le_bytes();
        out.extend_from_slice(&sum);
        out
    }

    /// Decodes a header. Returns the offset of the first entry with it.
    pub(crate) fn decode(bytes: &[u8]) -> Result<(Self, usize), BadHeader> {
        if bytes.get(..8) != Some(MAGIC) {
            return Err(BadHeader::Damaged);
        }
        // All versions have the length at this offset and the checksum at the end, so damage is not mistaken
        // for a later version.
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
        let header = fields(version, bytes, rest).ok_or(BadHeader::Damaged)?;
        let start = length + header.head as usize;
        Ok((header, start))
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

    /// Returns whether a segment, whose header is intact, has the current version. Older ones are not appended to:
    /// a process of that version must not find entries that it can't read.
    pub(crate) fn is_current(file: &dyn File) -> io::Result<bool> {
        let mut version = [0; 2];
        fs::read_fully(file, &mut version, MAGIC.len() as u64)?;
        Ok(u16::from_le_bytes(version) == VERSION)
    }

    pub(crate) fn progress(&self) -> Vec<SourceProgress> {
        self.sources.iter().map(|(_, progress)| progress.clone()).collect()
    }
}

fn fields(version: u16, bytes: &[u8], mut rest: &[u8]) -> Option<Header> {
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
    let format = if version == UNKEYED { Format::Unkeyed } else { Format::from_key(take(&mut rest)?) };
    let head = if version >= HEADED { take(&mut rest).map(u32::from_le_bytes)? } else { 0 };
    let mut progresses = Vec::new();
    for _ in 0..sources {
        let [length] = take(&mut rest)?;
        let (name, after) = rest.split_at_checked(length.into())?;
        rest = after;
        let mut number = || take(&mut rest).map(u64::from_le_bytes);
        let (next, gap, count) = (Seq(number()?), Seq(number()?), number()?);
        let seen = timestamp(take(&mut rest)?).ok()?;
        progresses
            .push((std::str::from_utf8(name).ok()?.to_owned(), SourceProgress { next, gap, count, seen }));
    }
    Some(Header { journal, generation, created, first, format, head, sources: progresses })
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, after) = rest.split_first_chunk()?;
    *rest = after;
    Some(*taken)
}

/// Encodes a time; 0 stands for none.
fn nanoseconds(at: Option<Timestamp>) -> i64 {
    at.map_or(0, |at| i64::try_from(at.as_nanosecond()).unwrap_or(i64::MAX))
}

fn timestamp(bytes: [u8; 8]) -> Result<Option<Timestamp>, jiff::Error> {
    match i64::from_le_bytes(bytes) {
        0 => Ok(None),
        nanoseconds => Timestamp::from_nanosecond(nanoseconds.into()).map(Some),
    }
}

/// Returns the name of a segment's file. Names sort by generation.
pub(crate) fn file_name(generation: u64) -> String {
    format!("{generation:012}.log")
}

/// A segment's header, and its file, which is opened on demand.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) name: String,
    pub(crate) file: Arc<dyn File>,
    pub(crate) header: Header,
    /// Offset of the first entry.
    pub(crate) start: usize,
}

/// Opens a segment and reads its header. `None` if the name is not a segment's.
pub(crate) fn open(fs: &Arc<dyn Fs>, dir: &Path, name: &str) -> Option<Result<Opened, BadHeader>> {
    name.strip_suffix(".log")?.parse::<u64>().ok()?;
    let file = OnDemand { fs: Arc::clone(fs), path: dir.join(name) };
    let header = fs.open(&file.path, false).map_err(BadHeader::Io).and_then(|opened| Header::read(&*opened));
    Some(header.map(|(header, start)| Opened { name: name.to_owned(), file: Arc::new(file), header, start }))
}

/// Start of the segment that follows.
#[derive(Debug, Clone)]
pub(crate) struct Next {
    /// Position of its first entry. Entries of the previous segment from here on are ignored.
    pub(crate) first: Position,
    /// Progress of each source before that entry.
    pub(crate) progress: Vec<SourceProgress>,
}

/// Returns the start of the next segment, which takes precedence for its positions. `found` is sorted by
/// generation.
pub(crate) fn next(found: &[Opened], index: usize) -> Option<Next> {
    let later = found.get(index + 1..)?.iter().min_by_key(|later| later.header.first)?;
    Some(Next { first: later.header.first, progress: later.header.progress() })
}
