//! Changes to the list of segments: creates, resumes, replaces and removes them.

use std::{collections::HashMap, io};

use event::Position;

use super::{
    codec::Format,
    head::Head,
    repair::Repaired,
    segment::{Header, file_name},
    segment_state::Segment,
    store::{Store, on_demand},
};

use crate::{fs, progress::SourceProgress};

/// Part of the journal's size that a head may use. A larger one is left out.
const HEADS: u64 = 4;
/// Number of segments below which reusing the newest one is not worthwhile.
const FEW: usize = 16;

impl Store {
    /// Seals the newest segment and creates another one at `first`. Buffered entries must have been written,
    /// or they start the new segment. `head` is the state before the first entry; `None` if it is not known.
    pub(crate) fn begin(
        &mut self,
        first: Position,
        progress: &[SourceProgress],
        head: Option<&Head>,
    ) -> io::Result<()> {
        let head = head.map(Head::encode).filter(|head| (head.len() as u64) < self.limits.max_bytes / HEADS);
        let head = head.unwrap_or_default();
        let generation = self.next_generation;
        let names = self.sources.iter().cloned();
        let progresses = progress.iter().cloned().chain(std::iter::repeat(SourceProgress::default()));
        let header = Header {
            journal: self.journal,
            generation,
            created: self.fs.now(),
            first,
            format: self.next_format,
            head: u32::try_from(head.len()).map_err(io::Error::other)?,
            sources: names.zip(progresses).collect(),
        };
        let next_format = Format::draw()?;
        let mut bytes = header.encode();
        bytes.extend_from_slice(&head);
        let path = self.dir.join(file_name(generation));
        let file = self.fs.create(&path)?;
        // A name is used once, even if writing its file failed.
        self.next_generation += 1;
        if let Err(error) = fs::append_all(&*file, &bytes).and_then(|()| self.fs.sync_dir(&self.dir)) {
            let _ = self.fs.remove(&path);
            return Err(error);
        }
        self.next_format = next_format;
        // Compaction works on sealed segments, and there is a new one.
        if self.is_over_threshold() {
            self.wakeup.notify();
        }
        if let Some(active) = self.segments.back_mut() {
            let closed = on_demand(&self.fs, &self.dir, active.generation);
            let file = std::mem::replace(&mut active.file, closed);
            if active.end > self.synced {
                self.unsynced.push_back((file, active.end));
            }
        }
        self.add(Segment {
            generation,
            revision: 0,
            file,
            format: header.format,
            start: bytes.len() as u64,
            length: bytes.len() as u64,
            first,
            end: first,
            created: header.created,
            known: Vec::new(),
            progress: progress.to_vec(),
            newest: None,
            passed: None,
            bytes_by_name: HashMap::new(),
        });
        self.sealed = false;
        self.head = None;
        self.written = first;
        Ok(())
    }

    /// Continues the newest segment, if there are many small segments, as after a series of failed starts.
    /// Its header must equal that of a new one. Returns whether it does.
    ///
    /// Otherwise a new segment is better: its header identifies skipped numbers even if entries are damaged.
    pub(crate) fn resume_newest(&mut self) -> io::Result<bool> {
        let (room, sources) = (self.limits.segment_bytes, self.sources.len());
        let needed = usize::try_from(self.total / room.max(1)).unwrap_or(usize::MAX);
        if self.segments.len() < FEW.saturating_add(needed.saturating_mul(2)) {
            return Ok(false);
        }
        let is_fit = |newest: &Segment| {
            newest.length.saturating_sub(newest.start) < room && newest.progress.len() == sources
        };
        let Some(newest) = self.segments.back_mut().filter(|newest| is_fit(newest)) else { return Ok(false) };
        let file = self.fs.open(&self.dir.join(file_name(newest.generation)), true)?;
        if !Header::is_current(&*file)? {
            return Ok(false);
        }
        newest.file = file;
        self.sealed = false;
        self.written = newest.end;
        Ok(true)
    }

    /// Adds the newest segment.
    pub(crate) fn add(&mut self, segment: Segment) {
        self.total += segment.length;
        for (name, size) in &segment.bytes_by_name {
            *self.held.entry(*name).or_default() += size;
        }
        self.segments.push_back(segment);
    }

    /// Updates a segment after its file was replaced.
    pub(crate) fn replace(&mut self, generation: u64, new: &Repaired) {
        let Some(segment) = self.segments.iter_mut().find(|segment| segment.generation == generation) else {
            return;
        };
        self.total = (self.total + new.length).saturating_sub(segment.length);
        segment.revision += 1;
        segment.file = on_demand(&self.fs, &self.dir, generation);
        segment.format = new.format;
        (segment.start, segment.length) = (new.start as u64, new.length);
    }

    /// Removes the newest segment if it is empty.
    pub(crate) fn remove_empty(&mut self) {
        if let Some(empty) = self.segments.pop_back_if(|newest| newest.end == newest.first) {
            self.total = self.total.saturating_sub(empty.length);
            self.sealed = true;
            let _ = self.fs.remove(&self.dir.join(file_name(empty.generation)));
        }
    }
}
