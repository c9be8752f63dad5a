//! Repairs damaged segments: the damaged file moves to `quarantine/`, intact entries stay.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;

use super::{
    codec::{self, Format},
    scan::{Summary, summarize},
    segment::{Header, Next},
};
use crate::fs::{self, File, Fs};

/// Reads the complete content of a segment.
pub(crate) fn content(file: &dyn File) -> io::Result<Bytes> {
    let length = usize::try_from(file.length()?).unwrap_or(usize::MAX);
    let mut content = vec![0; length];
    let read = fs::read_fully(file, &mut content, 0)?;
    content.truncate(read);
    Ok(content.into())
}

/// A segment that has been read and repaired.
#[derive(Debug)]
pub(crate) struct Repaired {
    pub(crate) format: Format,
    /// Offset of the first entry.
    pub(crate) start: usize,
    pub(crate) length: u64,
    pub(crate) summary: Summary,
}

/// A segment that may be damaged.
#[derive(Debug)]
pub(crate) struct Suspect<'a> {
    pub(crate) fs: &'a dyn Fs,
    /// The journal's directory.
    pub(crate) dir: &'a Path,
    pub(crate) path: &'a Path,
    pub(crate) file: Arc<dyn File>,
    pub(crate) header: &'a Header,
    /// Offset of the first entry.
    pub(crate) start: usize,
    /// Start of the next segment; `None` for the newest.
    pub(crate) next: Option<&'a Next>,
}

impl Suspect<'_> {
    /// Reads the segment and truncates an incomplete last entry. If entries are damaged or missing, replaces
    /// the file by one with the intact entries and absences for the others, and moves the damaged file to
    /// `quarantine/`. Adds a sentence to `notes` for each repair.
    pub(crate) fn repair(self, notes: &mut Vec<String>) -> io::Result<Repaired> {
        let Self { fs, dir, path, file, header, start, next } = self;
        let content = content(&*file)?;
        let summary = summarize(&content, header, start, next);
        let (format, name) = (header.format, path.display());
        if summary.damaged == 0 {
            let length = (content.len() - summary.torn) as u64;
            if summary.torn > 0 {
                file.truncate(length)?;
                let torn = summary.torn;
                notes.push(format!("{name}: the last {torn} bytes are an incomplete entry and were cut off"));
            }
            return Ok(Repaired { format, start, length, summary });
        }
        let (bytes, format, start) = rewrite(header, &content, start, &summary)?;
        let aside = set_aside(fs, dir, path)?;
        let beside = path.with_extension("new");
        let _ = fs.remove(&beside);
        let new = fs.create(&beside)?;
        fs::append_all(&*new, &bytes)?;
        new.sync()?;
        // The damaged file stays in quarantine, by its second link.
        fs.rename(path, &aside)?;
        fs.rename(&beside, path)?;
        fs.sync_dir(path.parent().unwrap_or(dir))?;
        notes.push(format!(
            "{name}: damaged bytes: {}, lost entries: {}; the damaged file is kept as {}",
            summary.damaged + summary.torn,
            summary.lost,
            aside.display()
        ));
        Ok(Repaired { format, start, length: bytes.len() as u64, summary })
    }
}

/// Encodes a segment with these entries in the current version. `first` is the offset of the first entry. Returns its bytes, the format, and the offset
/// of the first entry.
fn rewrite(
    header: &Header,
    content: &Bytes,
    first: usize,
    summary: &Summary,
) -> io::Result<(Vec<u8>, Format, usize)> {
    let format = if header.format == Format::Unkeyed { Format::draw()? } else { header.format };
    // As it was found: if it is damaged, its checksum says so.
    let head = content.get(first.saturating_sub(header.head as usize)..first).unwrap_or_default();
    let length = u32::try_from(head.len()).unwrap_or_default();
    let mut bytes = Header { format, head: length, ..header.clone() }.encode();
    bytes.extend_from_slice(head);
    let start = bytes.len();
    for (entry, range) in &summary.entries {
        match content.get(range.clone()) {
            Some(intact) if !intact.is_empty() && format == header.format => bytes.extend_from_slice(intact),
            _ => drop(codec::encode(format, entry, &mut bytes)),
        }
    }
    Ok((bytes, format, start))
}

/// Returns an unused name in `quarantine/`.
fn set_aside(fs: &dyn Fs, dir: &Path, path: &Path) -> io::Result<PathBuf> {
    let quarantine = dir.join("quarantine");
    fs.create_dir(&quarantine)?;
    let taken = fs.list(&quarantine)?;
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let names = std::iter::once(name.clone()).chain((1..).map(|number| format!("{name}.{number}")));
    let free = names.into_iter().find(|name| !taken.contains(name)).unwrap_or(name);
    Ok(quarantine.join(free))
}

/// Moves an unusable file to `quarantine/`.
pub(crate) fn quarantine(fs: &dyn Fs, dir: &Path, path: &Path) -> io::Result<PathBuf> {
    let aside = set_aside(fs, dir, path)?;
    fs.rename(path, &aside)?;
    Ok(aside)
}
