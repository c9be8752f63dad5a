//! The part of the log in one segment, as a reader reads it: chunk by chunk.

use std::{collections::VecDeque, io, sync::Arc};

use bytes::Bytes;
use event::Position;

use super::codec::{self, Format, Found};

use crate::{
    entry::Entry,
    fs::{self, File},
};

/// Bytes read from disk at a time.
const CHUNK: usize = 256 * 1024;

/// The part of the log in one segment.
#[derive(Debug, Clone)]
pub(crate) struct SegmentRange {
    pub(crate) generation: u64,
    /// Number of times that its file was replaced. Offsets are valid for one revision only.
    pub(crate) revision: u32,
    pub(crate) file: Arc<dyn File>,
    pub(crate) format: Format,
    /// Place of the first entry.
    pub(crate) start: Place,
    pub(crate) length: u64,
    pub(crate) end: Position,
}

/// A place in a segment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) offset: u64,
    /// Position of the entry at the offset.
    pub(crate) position: Position,
}

/// Content of a chunk.
#[derive(Debug, Default)]
pub(crate) struct Chunk {
    pub(crate) entries: VecDeque<Entry>,
    /// Place of the next chunk.
    pub(crate) next: Place,
    /// Whether an entry at `next` is missing or damaged.
    pub(crate) damaged: bool,
}

impl SegmentRange {
    /// Reads a chunk from a place, without entries before `from`. Blocks.
    pub(crate) fn read(&self, place: Place, from: Position) -> io::Result<Chunk> {
        let mut chunk = Chunk { next: place, ..Chunk::default() };
        let mut size = CHUNK;
        while chunk.next.offset < self.length && chunk.entries.is_empty() && !chunk.damaged {
            if chunk.next.position >= self.end {
                return Ok(chunk);
            }
            let left = usize::try_from(self.length - chunk.next.offset).unwrap_or(usize::MAX);
            let mut buffer = vec![0; size.min(left)];
            let read = fs::read_fully(&*self.file, &mut buffer, chunk.next.offset)?;
            buffer.truncate(read);
            let is_last = read < left.min(size) || size >= left;
            let content = Bytes::from(buffer);
            let mut at = 0;
            loop {
                match codec::decode(self.format, &content.slice(at..)) {
                    Found::Entry(entry, taken) if entry.position() == chunk.next.position => {
                        at += taken;
                        chunk.next.offset += taken as u64;
                        chunk.take(entry, from);
                        if chunk.next.position >= self.end {
                            return Ok(chunk);
                        }
                    }
                    Found::Cut(need) if !is_last => {
                        size = if at == 0 { need.max(CHUNK) } else { CHUNK };
                        break;
                    }
                    Found::Cut(_) if at == content.len() => break,
                    _ => {
                        chunk.damaged = true;
                        break;
                    }
                }
            }
        }
        // The last entries of the segment are missing.
        chunk.damaged |= chunk.next.offset >= self.length && chunk.next.position < self.end;
        Ok(chunk)
    }
}

impl Chunk {
    fn take(&mut self, entry: Entry, from: Position) {
        self.next.position = entry.end();
        if entry.end() > from {
            self.entries.push_back(entry);
        }
    }
}
