//! A part of the log as a reader goes through it: a segment, chunk by chunk.

use std::{collections::VecDeque, io, sync::Arc};

use bytes::Bytes;
use event::Position;

use super::codec::{self, Format, Found};

use crate::{
    entry::Entry,
    fs::{self, File},
};

/// Bytes read from the disk at a time.
const CHUNK: usize = 256 * 1024;

/// A part of the log that a segment holds.
#[derive(Debug, Clone)]
pub(crate) struct Stretch {
    pub(crate) generation: u64,
    /// How often its file was replaced: places in one are none in another.
    pub(crate) revision: u32,
    pub(crate) file: Arc<dyn File>,
    pub(crate) format: Format,
    /// Where its entries begin, and the position of the first.
    pub(crate) start: Place,
    pub(crate) length: u64,
    pub(crate) end: Position,
}

/// A place in a segment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) offset: u64,
    /// Of the entry at the offset.
    pub(crate) position: Position,
}

/// What a chunk of a segment held.
#[derive(Debug, Default)]
pub(crate) struct Chunk {
    pub(crate) entries: VecDeque<Entry>,
    /// Where the next chunk begins.
    pub(crate) next: Place,
    /// An entry is missing or damaged there.
    pub(crate) damaged: bool,
}

impl Stretch {
    /// Reads a chunk's worth from a place; entries before `from` are left out. Blocks.
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
        // The segment's last entries are not there.
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
