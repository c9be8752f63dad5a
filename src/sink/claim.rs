//! Determines, for `check`, whether the last event of a broker's partition is from the journal on disk: a start does so with
//! the journal open.

use std::{io, path::PathBuf, time::Duration};

use jiff::Timestamp;

use super::{
    Process, SinkError, Stored,
    proof::{NOT_OURS, copy, foreign, patience},
};
use crate::{
    event::{JournalId, Seq},
    health::Trouble,
    journal::{Archive, Entry, Note, OpenError},
};

/// The journal that the bridge would write from.
#[derive(Debug, Clone, Default)]
pub struct Claim {
    /// Its name, its directory, and whether a running bridge has it. `None` for one that is still to be created.
    pub journal: Option<(JournalId, PathBuf, bool)>,
    /// The sink.
    pub sink: String,
    /// A journal that the sink may go on after.
    pub adopt: Option<JournalId>,
    /// The interval of the sink's heartbeats.
    pub heartbeat: Option<Duration>,
}

/// The verdict of the journal on disk on an event that carries its name.
enum Verdict {
    Ours,
    Other,
    /// A process gave the number that this directory knows nothing of.
    Unknown,
}

impl Claim {
    /// Fails as a start would, if the partition's end is another journal's or a copy's. Else a warning, if there is one. `watch`
    /// looks for another process with the same journal.
    pub async fn check(
        &self,
        stored: &Stored,
        watch: impl AsyncFnOnce(Process, Duration) -> Result<Option<String>, SinkError>,
    ) -> Result<Option<String>, SinkError> {
        if self.adopt == Some(stored.journal) {
            return Ok(None);
        }
        let Some((journal, dir, is_in_use)) = &self.journal else { return Err(foreign(stored, None)) };
        if stored.journal != *journal {
            return Err(foreign(stored, Some(*journal)));
        }
        let (path, sink, end) = (dir.clone(), self.sink.clone(), stored.clone());
        let verdict = tokio::task::spawn_blocking(move || verdict(&path, &sink, &end));
        let unreadable = |error: &dyn std::error::Error| {
            let text = format!("can't read the journal {}: {error}; check its disk", dir.display());
            SinkError::operator(Trouble::Local, text)
        };
        match verdict.await.map_err(|error| unreadable(&error))?.map_err(|error| unreadable(&error))? {
            Verdict::Ours => Ok(None),
            Verdict::Other => Err(copy(stored, NOT_OURS)),
            // The bridge that has it finds out by itself.
            Verdict::Unknown if *is_in_use => Ok(None),
            Verdict::Unknown => {
                let ours = Process { journal: *journal, start: 0 };
                match watch(ours, patience(self.heartbeat)).await? {
                    Some(why) => Err(copy(stored, &why)),
                    None => Ok(Some(format!(
                        "{} is ahead of the journal {}, which was restored from a backup or copied: if a bridge runs with the \
                         original, stop it or run `cti-bridge journal rename` here",
                        stored.location,
                        dir.display()
                    ))),
                }
            }
        }
    }
}

/// The reason why the journal on disk gives no verdict.
#[derive(Debug, thiserror::Error)]
enum Unreadable {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Read(#[from] io::Error),
}

/// Blocks.
fn verdict(dir: &std::path::Path, sink: &str, stored: &Stored) -> Result<Verdict, Unreadable> {
    let archive = Archive::open(dir)?;
    let Some(source) = (0..)
        .map(crate::event::SourceId)
        .zip(&*archive.sources)
        .find_map(|(id, name)| (*name == stored.source).then_some(id))
    else {
        return Ok(Verdict::Other);
    };
    let cursor =
        archive.cursors.iter().find(|(name, _)| name == sink).and_then(|(_, cursor)| cursor.as_ref());
    let note = cursor.and_then(|cursor| cursor.notes.get(source.index()));
    if let Some(note) = note.filter(|note| note.seq == stored.seq) {
        let is_ours = note.is(stored.time, &stored.ty);
        return Ok(if is_ours { Verdict::Ours } else { Verdict::Other });
    }
    Ok(match archive.find(source, stored.seq)? {
        Some(Entry::Record(record)) if !Note::from(&record).is(stored.time, &stored.ty) => Verdict::Other,
        Some(Entry::Record(_)) => Verdict::Ours,
        // A start numbers above the clock: no process of ours has come so far.
        _ if stored.seq > now() => Verdict::Other,
        _ if cursor.is_some_and(|cursor| is_older(cursor.notes.get(source.index()), stored.seq)) => {
            Verdict::Ours
        }
        _ => Verdict::Unknown,
    })
}

fn now() -> Seq {
    Seq(u64::try_from(Timestamp::now().as_microsecond()).unwrap_or_default())
}

/// What the broker has forgotten, or lost at its end, is older than what the cursor notes: a start sends it again.
fn is_older(note: Option<&Note>, seq: Seq) -> bool {
    note.is_some_and(|note| seq < note.seq)
}
