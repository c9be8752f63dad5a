//! Encoded entries that wait for the next write to the newest segment.

use std::io;

use bytes::Bytes;
use event::Body;
use jiff::Timestamp;

use super::codec::{self, Format};

use crate::{
    entry::Entry,
    fs::{self, File},
};

/// Size in bytes from which a frame is written without being copied.
const LARGE: usize = 256 << 10;
/// Number of buffered bytes that triggers a write.
const BATCH: u64 = 1 << 20;

/// Encoded entries, in order.
#[derive(Debug, Default)]
pub(super) struct WriteBuffer {
    copied: Vec<u8>,
    /// Frame pieces too large to copy, with the offset in `copied` at which they are written.
    large: Vec<(usize, Bytes)>,
    bytes: u64,
    /// Name and size in bytes of each entry.
    sizes: Vec<(u32, u64)>,
    newest: Option<Timestamp>,
}

impl WriteBuffer {
    pub(super) fn is_empty(&self) -> bool {
        self.copied.is_empty()
    }

    /// Returns the total bytes of all entries.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Returns whether there is enough for a write.
    pub(super) fn is_full(&self) -> bool {
        self.bytes >= BATCH
    }

    /// Returns the receive time of the newest record; `None` without records.
    pub(super) fn newest(&self) -> Option<Timestamp> {
        self.newest
    }

    /// Adds an entry. Returns its encoded size in bytes.
    pub(super) fn put(&mut self, format: Format, entry: &Entry, name: u32) -> u64 {
        let size = self.encode(format, entry) as u64;
        self.bytes += size;
        self.sizes.push((name, size));
        self.newest = self.newest.max(entry.record().map(|record| record.at));
        size
    }

    fn encode(&mut self, format: Format, entry: &Entry) -> usize {
        if let Entry::Record(record) = entry
            && let Body::Event(frame) = &record.body
            && frame.size() >= LARGE
        {
            let head = codec::encode_head(format, record, &mut self.copied);
            let at = self.copied.len();
            self.large.extend(codec::pieces(frame).map(|bytes| (at, bytes.clone())));
            return head + frame.size();
        }
        codec::encode(format, entry, &mut self.copied)
    }

    /// Appends all entries to a file. The buffer keeps them.
    pub(super) fn append_to(&self, file: &dyn File) -> io::Result<()> {
        let mut from = 0;
        for (at, bytes) in &self.large {
            fs::append_all(file, self.copied.get(from..*at).unwrap_or_default())?;
            fs::append_all(file, bytes)?;
            from = *at;
        }
        fs::append_all(file, self.copied.get(from..).unwrap_or_default())
    }

    /// Empties the buffer. Returns name and size in bytes of each entry.
    pub(super) fn take(&mut self) -> impl Iterator<Item = (u32, u64)> {
        self.copied.clear();
        self.copied.shrink_to(1 << 20);
        self.large.clear();
        self.bytes = 0;
        self.newest = None;
        self.sizes.drain(..)
    }
}
