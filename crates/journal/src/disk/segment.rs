//! A segment: a file of records, with what was known when it was begun.
//!
//! ```text
//! magic "CTIJRNL\0" │ version u16 │ sources u16 │ length of the header u32 │ journal [10] │ generation u64
//! │ created i64 (Unix ns) │ first position u64 │ key [8]
//! │ for each source: length of its name u8 │ name │ next seq u64 │ gap u64 │ records before u64 │ seen i64 │ crc32c u32
//! ```
//!
//! Version 1 had no key.

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
    /// How its entries are written.
    pub(crate) format: Format,
    /// Every source there was, by its id, and where it stood.
    pub(crate) sources: Vec<(String, SourceProgress)>,
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
        let version = if self.format == Format::Unkeyed { UNKEYED } else { VERSION };
        out.extend_from_slice(&version.to_le_bytes());
        out.extend_from_slice(&u16::try_from(self.sources.len()).unwrap_or(u16::MAX).to_le_bytes());
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(self.journal.as_str().as_bytes());
        out.extend_from_slice(&self.generation.to_le_bytes());
        out.extend_from_slice(&nanoseconds(Some(self.created)).to_le_bytes());
        out.extend_from_slice(&self.first.0.to_le_bytes());
        out.extend(self.format.key().into_iter().flatten());
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
        fields(version, bytes, rest).map(|header| (header, length)).ok_or(BadHeader::Damaged)
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
    Some(Header { journal, generation, created, first, format, sources: progresses })
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

/// A segment's file, which is opened when it is needed, and its header.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) name: String,
    pub(crate) file: Arc<dyn File>,
    pub(crate) header: Header,
    /// Where its records begin.
    pub(crate) start: usize,
}

/// Reads the header of a segment, by its name. None for another file.
pub(crate) fn open(fs: &Arc<dyn Fs>, dir: &Path, name: &str) -> Option<Result<Opened, BadHeader>> {
    name.strip_suffix(".log")?.parse::<u64>().ok()?;
    let file = OnDemand { fs: Arc::clone(fs), path: dir.join(name) };
    let header = fs.open(&file.path, false).map_err(BadHeader::Io).and_then(|opened| Header::read(&*opened));
    Some(header.map(|(header, start)| Opened { name: name.to_owned(), file: Arc::new(file), header, start }))
}

/// Start of the segment that follows.
#[derive(Debug, Clone)]
pub(crate) struct Next {
    /// Position of its first entry: what it holds is not read from the segment before.
    pub(crate) first: Position,
    /// Each source's numbers and records before that.
    pub(crate) progress: Vec<SourceProgress>,
}

/// What follows a segment, among all of a journal in the order of their generations: a later one is right about what it
/// holds.
pub(crate) fn next(found: &[Opened], index: usize) -> Option<Next> {
    let later = found.get(index + 1..)?.iter().min_by_key(|later| later.header.first)?;
    Some(Next { first: later.header.first, progress: later.header.progress() })
}
