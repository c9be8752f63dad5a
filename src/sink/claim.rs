//! Verifies, for `check`, that the last event of a broker's partition is from the journal on disk. A start verifies it with
//! the journal open.

use std::{error::Error, io, path::PathBuf, time::Duration};

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
    /// Its id, its directory, and whether a running bridge uses it. `None` for one that is yet to be created.
    pub journal: Option<(JournalId, PathBuf, bool)>,
    /// The sink.
    pub sink: String,
    /// A journal after whose events the sink may continue.
    pub adopt: Option<JournalId>,
    /// The interval of the sink's heartbeats. `None` without heartbeats.
    pub heartbeat: Option<Duration>,
}

/// The origin of an event that carries the id of the journal on disk.
enum Verdict {
    Ours,
    Other,
    /// A process numbered it that this directory has no trace of.
    Unknown,
}

impl Claim {
    /// Fails, as a start would, if another journal or a copy of ours wrote the partition's last event. Returns a warning, if there is
    /// one. `watch` looks for another process with the same journal.
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
        let unreadable = |error: Box<dyn Error + Send + Sync>| {
            SinkError::operator(Trouble::Local, format!("can't read the journal {}", dir.display()))
                .because(error)
                .remedy("check its disk")
        };
        match verdict
            .await
            .map_err(|error| unreadable(error.into()))?
            .map_err(|error| unreadable(error.into()))?
        {
            Verdict::Ours => Ok(None),
            Verdict::Other => Err(copy(stored, NOT_OURS)),
            // The running bridge verifies it itself.
            Verdict::Unknown if *is_in_use => Ok(None),
            Verdict::Unknown => {
                let ours = Process { journal: *journal, start: 0 };
                match watch(ours, patience(self.heartbeat)).await? {
                    Some(why) => Err(copy(stored, &why)),
                    None => Ok(Some(format!(
                        "{} is ahead of the journal {}, which was restored from a backup or copied: if another bridge runs with the \
                         original, stop it or run `cti-bridge journal rename` here",
                        stored.location,
                        dir.display()
                    ))),
                }
            }
        }
    }
}

/// The reason why the journal on disk can't be read.
#[derive(Debug, thiserror::Error)]
enum Unreadable {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Read(#[from] io::Error),
}

/// Determines the origin of an event. Blocks.
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
        // Each start numbers from the clock on, so no process of ours can have reached this number.
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

/// Returns true if the cursor has a newer event, so that the broker has lost events: a start sends them again.
fn is_older(note: Option<&Note>, seq: Seq) -> bool {
    note.is_some_and(|note| seq < note.seq)
}
