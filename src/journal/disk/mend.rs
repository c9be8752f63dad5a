//! What is damaged is set aside in `quarantine/`; what is whole stays.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;

use super::segment::{Header, Summary, summarize};
use crate::{
    event::{Position, Record},
    journal::fs::{self, File, Fs},
};

/// The whole content of a segment.
pub(crate) fn content(file: &dyn File) -> io::Result<Bytes> {
    let length = usize::try_from(file.length()?).unwrap_or(usize::MAX);
    let mut content = vec![0; length];
    let read = fs::read_fully(file, &mut content, 0)?;
    content.truncate(read);
    Ok(content.into())
}

/// A segment that has been looked through.
#[derive(Debug)]
pub(crate) struct Mended {
    /// The file, or the one that took its place.
    pub(crate) file: Arc<dyn File>,
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
    /// Where its records begin.
    pub(crate) start: usize,
    /// What a later generation holds as well is not looked at.
    pub(crate) limit: Position,
}

impl Suspect<'_> {
    /// Looks through it, cuts a torn tail, and replaces the file if its middle is damaged: by what is whole, with
    /// holes for what is not. The damaged one is moved to `quarantine/`. `notes` gets a sentence for each; `each` sees
    /// every record, and its size.
    pub(crate) fn mend(
        self,
        notes: &mut Vec<String>,
        each: impl FnMut(&Record, usize),
    ) -> io::Result<Mended> {
        let Self { fs, dir, path, file, header, start, limit } = self;
        let content = content(&*file)?;
        let mut summary = summarize(&content, header, start, limit, each);
        let mut length = (content.len() - summary.torn) as u64;
        let name = path.display();
        let Some(mended) = summary.mended.take() else {
            if summary.torn > 0 {
                file.truncate(length)?;
                let torn = summary.torn;
                notes.push(format!("{name}: the last {torn} bytes are no whole record and were cut off"));
            }
            return Ok(Mended { file, length, summary });
        };
        let aside = set_aside(fs, dir, path)?;
        let beside = path.with_extension("new");
        let _ = fs.remove(&beside);
        let new = fs.create(&beside)?;
        fs::append_all(&*new, &mended)?;
        new.sync()?;
        // The damaged one keeps its second name.
        fs.rename(path, &aside)?;
        fs.rename(&beside, path)?;
        fs.sync_dir(path.parent().unwrap_or(dir))?;
        length = mended.len() as u64;
        let lost: u64 =
            summary.holes.iter().flat_map(|hole| &hole.missing).map(|missing| missing.count).sum();
        notes.push(format!(
            "{name}: {} damaged bytes, {lost} records are gone; the damaged file is kept as {}",
            summary.damaged + summary.torn,
            aside.display()
        ));
        Ok(Mended { file: fs.open(path, true)?, length, summary })
    }
}

/// A name in `quarantine/` that is free.
fn set_aside(fs: &dyn Fs, dir: &Path, path: &Path) -> io::Result<PathBuf> {
    let quarantine = dir.join("quarantine");
    fs.create_dir(&quarantine)?;
    let taken = fs.list(&quarantine)?;
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let names = std::iter::once(name.clone()).chain((1..).map(|number| format!("{name}.{number}")));
    let free = names.into_iter().find(|name| !taken.contains(name)).unwrap_or(name);
    Ok(quarantine.join(free))
}

/// Moves a file that can't be used at all to `quarantine/`.
pub(crate) fn quarantine(fs: &dyn Fs, dir: &Path, path: &Path) -> io::Result<PathBuf> {
    let aside = set_aside(fs, dir, path)?;
    fs.rename(path, &aside)?;
    Ok(aside)
}
