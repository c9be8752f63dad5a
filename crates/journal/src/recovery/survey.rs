//! Finds the segments, identity and cursors in the directory. Sets unreadable files aside.

use std::{collections::HashMap, path::Path, sync::Arc};

use event::{JournalId, Seq};

use super::{OpenError, at, cursor_path};

use crate::{
    cursor::Cursor,
    disk::{
        identity::{Identity, Source},
        repair::quarantine,
        sealed::{self, Unreadable},
        segment::{self, BadHeader, Opened as Found},
    },
    fs::Fs,
};

/// Whether the directory held a journal.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Existing {
    New,
    Known,
}

/// Opens all segments, oldest generation first. Invalid ones are moved to `quarantine/` if `notes` is given,
/// and skipped otherwise.
pub(super) fn survey(
    fs: &Arc<dyn Fs>,
    dir: &Path,
    mut notes: Option<&mut Vec<String>>,
) -> Result<Vec<Found>, OpenError> {
    let segments = dir.join("segments");
    let mut found = Vec::new();
    for name in at(&segments, fs.list(&segments))? {
        let path = segments.join(&name);
        match segment::open(fs, &segments, &name) {
            None => {}
            Some(Ok(segment)) => found.push(segment),
            Some(Err(BadHeader::Newer(version))) => {
                return Err(OpenError::Newer { path, reason: BadHeader::Newer(version).to_string() });
            }
            Some(Err(BadHeader::Io(source))) => return Err(OpenError::Io { path, source }),
            Some(Err(BadHeader::Damaged)) => {
                if let Some(notes) = &mut notes {
                    let aside = at(&path, quarantine(&**fs, dir, &path))?;
                    notes.push(format!(
                        "{}: {}; it is kept as {}",
                        path.display(),
                        BadHeader::Damaged,
                        aside.display()
                    ));
                }
            }
        }
    }
    found.sort_by_key(|found| found.header.generation);
    Ok(found)
}

pub(super) fn identify(
    fs: &dyn Fs,
    dir: &Path,
    found: &[Found],
    notes: &mut Vec<String>,
) -> Result<(Identity, Existing), OpenError> {
    let path = Identity::path(dir);
    match Identity::read(fs, dir) {
        Ok(identity) => return Ok((identity, Existing::Known)),
        Err(Unreadable::Newer(version)) => {
            return Err(OpenError::Newer { path, reason: Unreadable::Newer(version).to_string() });
        }
        Err(Unreadable::Io(source)) => return Err(OpenError::Io { path, source }),
        Err(Unreadable::Damaged) => {
            let aside = at(&path, quarantine(fs, dir, &path))?;
            notes.push(format!("{} is damaged and kept as {}", path.display(), aside.display()));
        }
        Err(Unreadable::Missing) if !found.is_empty() => notes.push(format!("{} is missing", path.display())),
        Err(Unreadable::Missing) => {}
    }
    // Segments hold the name and the sources, but neither the clean-shutdown marker nor the reservations.
    let newest = found.last().map(|found| &found.header);
    let sources = newest.into_iter().flat_map(|header| &header.sources);
    let identity = Identity {
        journal: newest.map_or_else(JournalId::draw, |header| header.journal),
        clean: false,
        sources: sources
            .map(|(name, _)| Source { name: name.clone(), reserved: Seq(0), seen: None })
            .collect(),
        sinks: fs.list(&dir.join("cursors")).unwrap_or_default(),
    };
    Ok((identity, if newest.is_some() { Existing::Known } else { Existing::New }))
}

/// Reads the cursors of sinks that existed before; `None` for an unreadable one.
pub(super) fn read_cursors(
    fs: &dyn Fs,
    dir: &Path,
    sinks: &[String],
    known: &[String],
    notes: &mut Vec<String>,
) -> Result<HashMap<String, Option<Cursor>>, OpenError> {
    let mut cursors = HashMap::new();
    for name in sinks.iter().filter(|name| known.contains(name)) {
        let path = cursor_path(dir, name);
        let cursor = match sealed::read::<Cursor>(fs, &path, "cursor") {
            Ok(cursor) => Some(cursor),
            Err(Unreadable::Newer(version)) => {
                return Err(OpenError::Newer { path, reason: Unreadable::Newer(version).to_string() });
            }
            Err(error) => {
                if !matches!(error, Unreadable::Missing) {
                    let _ = quarantine(fs, dir, &path);
                }
                notes.push(format!("{} {error}: the sink gets all retained events again", path.display()));
                None
            }
        };
        cursors.insert(name.clone(), cursor);
    }
    Ok(cursors)
}

/// Opens the segments, oldest first, of a journal that another process may be writing to. Changes nothing.
pub(crate) fn read_only(fs: &Arc<dyn Fs>, dir: &Path) -> Result<Vec<Found>, OpenError> {
    survey(fs, dir, None)
}
