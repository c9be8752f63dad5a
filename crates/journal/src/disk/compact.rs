//! Rewrites sealed segments with absences in place of removed events. Holds no lock.
//!
//! The copy is written to a temporary file, synced and renamed over the old file; then the directory is
//! synced. The copy keeps the generation, the header and the key, so a crash between two steps leaves one of
//! the two files, and either is valid. Merged segments take the lowest generation: while the files of the
//! others exist, they take precedence for their positions, and their content is the same.

use std::{
    collections::HashMap,
    io,
    path::{Path, PathBuf},
};

use event::{LossReason, Position, Record};
use jiff::Timestamp;

use super::{
    codec::{self, Format},
    names::{NO_NAME, NameIds},
    segment::Header,
    segment_range::SegmentRange,
    superseded::{Index, stored},
};

use crate::{
    entry::{Absence, Entry, Kind},
    fs::{self, File, Fs},
};

/// Bytes written at a time.
const CHUNK: usize = 256 << 10;

/// A sealed segment on stable storage.
#[derive(Debug, Clone)]
pub(crate) struct Sealed {
    pub(crate) range: SegmentRange,
    pub(crate) created: Timestamp,
    pub(crate) newest: Option<Timestamp>,
    /// Bytes of names over their quota.
    pub(crate) over: HashMap<u32, u64>,
}

impl Sealed {
    /// Returns the generation and the revision.
    pub(crate) fn file(&self) -> (u64, u32) {
        (self.range.generation, self.range.revision)
    }
}

/// Events to leave out of a copy.
#[derive(Debug)]
pub(crate) struct Omit<'a> {
    pub(crate) index: &'a Index,
    /// Position that every sink has reached.
    pub(crate) passed: Position,
    /// Names whose superseded events are removed; `None` for all.
    pub(crate) only: Option<&'a [u32]>,
    /// Bytes to remove by name, oldest events first.
    pub(crate) oldest: HashMap<u32, u64>,
}

impl Omit<'_> {
    /// Returns whether superseded events of a name are removed.
    pub(crate) fn is_meant(&self, name: u32) -> bool {
        self.only.is_none_or(|only| only.contains(&name))
    }

    /// Returns why a record is left out; `None` if it stays.
    pub(crate) fn reason(&mut self, record: &Record, name: u32) -> Option<LossReason> {
        if record.position < self.passed {
            return None;
        }
        if self.is_meant(name) && self.index.supersedes(record) {
            return Some(LossReason::Superseded);
        }
        let left = self.oldest.get_mut(&name).filter(|left| **left > 0)?;
        *left = left.saturating_sub(stored(record));
        Some(LossReason::Quota)
    }
}

/// A file that replaces one or several segments.
#[derive(Debug)]
pub(crate) struct Copy {
    /// Path of the file.
    pub(crate) path: PathBuf,
    pub(crate) format: Format,
    /// Offset of the first entry.
    pub(crate) start: u64,
    pub(crate) length: u64,
    /// Bytes by event name.
    pub(crate) bytes_by_name: HashMap<u32, u64>,
}

/// Calls `each` with the entries of a segment from a position on. Returns whether the segment is intact.
pub(crate) fn walk(
    range: &SegmentRange,
    from: Position,
    mut each: impl FnMut(Entry) -> io::Result<()>,
) -> io::Result<bool> {
    let mut place = range.start;
    while place.position < range.end {
        let chunk = range.read(place, from)?;
        chunk.entries.into_iter().try_for_each(&mut each)?;
        if chunk.damaged || chunk.next == place {
            return Ok(false);
        }
        place = chunk.next;
    }
    Ok(true)
}

/// Decides what replaces a record of this name; `None` leaves it.
pub(crate) type Replace<'a> = &'a mut dyn FnMut(&Record, u32) -> Option<Kind>;

/// Writes and syncs a copy of adjacent segments without a head, with absences in place of some records. `None` if a segment is damaged;
/// [`Suspect::repair`](super::repair::Suspect::repair) handles that.
pub(crate) fn rewrite(
    fs: &dyn Fs,
    path: &Path,
    run: &[Sealed],
    names: &NameIds,
    replace: Replace,
) -> io::Result<Option<Copy>> {
    let Some(first) = run.first() else { return Ok(None) };
    let Ok((header, _)) = Header::read(&*first.range.file) else { return Ok(None) };
    let format = if header.format == Format::Unkeyed { Format::draw()? } else { header.format };
    match fs.remove(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let file = fs.create(path)?;
    let copied = copy(&*file, &Header { format, head: 0, ..header }, run, names, replace);
    match copied {
        Ok(Some((start, length, bytes_by_name))) => {
            Ok(Some(Copy { path: path.to_owned(), format, start, length, bytes_by_name }))
        }
        other => {
            let _ = fs.remove(path);
            other.map(|_| None)
        }
    }
}

type Copied = (u64, u64, HashMap<u32, u64>);

fn copy(
    file: &dyn File,
    header: &Header,
    run: &[Sealed],
    names: &NameIds,
    replace: Replace,
) -> io::Result<Option<Copied>> {
    let buffer = header.encode();
    let start = buffer.len() as u64;
    let mut writer = Writer {
        file,
        format: header.format,
        buffer,
        length: 0,
        bytes_by_name: HashMap::new(),
        absence: None,
    };
    for segment in run {
        let is_intact = walk(&segment.range, segment.range.start.position, |entry| {
            let name = entry.record().map_or(NO_NAME, |record| names.known(&record.body));
            let kind = entry.record().and_then(|record| replace(record, name));
            match (entry, kind) {
                (Entry::Record(record), Some(kind)) => writer.omit(Absence::of(&record, kind)),
                (Entry::Absence(absence), _) => writer.omit(absence),
                (entry, None) => writer.keep(name, &entry),
            }
        })?;
        if !is_intact {
            return Ok(None);
        }
        // An absence must not span files, because the other file may still exist.
        writer.end_absence();
    }
    writer.write()?;
    file.sync()?;
    Ok(Some((start, writer.length, writer.bytes_by_name)))
}

struct Writer<'a> {
    file: &'a dyn File,
    format: Format,
    buffer: Vec<u8>,
    /// Number of bytes written.
    length: u64,
    bytes_by_name: HashMap<u32, u64>,
    /// Absence after the buffer, which may still grow.
    absence: Option<Absence>,
}

impl Writer<'_> {
    fn keep(&mut self, name: u32, entry: &Entry) -> io::Result<()> {
        self.end_absence();
        let size = codec::encode(self.format, entry, &mut self.buffer);
        *self.bytes_by_name.entry(name).or_default() += size as u64;
        if self.buffer.len() >= CHUNK { self.write() } else { Ok(()) }
    }

    fn omit(&mut self, absence: Absence) -> io::Result<()> {
        if self.absence.as_mut().is_some_and(|before| before.extend(&absence)) {
            return Ok(());
        }
        self.end_absence();
        self.absence = Some(absence);
        if self.buffer.len() >= CHUNK { self.write() } else { Ok(()) }
    }

    fn end_absence(&mut self) {
        if let Some(absence) = self.absence.take() {
            let size = codec::encode(self.format, &Entry::Absence(absence), &mut self.buffer);
            *self.bytes_by_name.entry(NO_NAME).or_default() += size as u64;
        }
    }

    fn write(&mut self) -> io::Result<()> {
        fs::append_all(self.file, &self.buffer)?;
        self.length += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }
}
