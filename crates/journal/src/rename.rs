//! Giving a journal a name of its own: what a copy of another bridge's journal needs.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use event::{JournalId, Position, Seq};

use crate::{
    archive::Archive,
    disk::identity::Identity,
    fs::{Disk, Fs as _},
    recovery::OpenError,
};

/// What was done, and what it leaves behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Renamed {
    /// The name it had.
    pub old: JournalId,
    /// The name it has now.
    pub new: JournalId,
    /// Where its records and cursors are now; `journal export --dir` reads them there.
    pub aside: PathBuf,
    /// What the sinks had not been sent.
    pub undelivered: Vec<Undelivered>,
}

/// Records of one source that one sink had not been sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undelivered {
    /// The sink.
    pub sink: String,
    /// The source.
    pub source: String,
    /// How many.
    pub count: u64,
    /// The first number.
    pub from: Seq,
    /// The last number.
    pub to: Seq,
}

/// What is set aside.
const PARTS: [&str; 2] = ["segments", "cursors"];

/// Draws a new name for the journal in a directory, and sets its records and cursors aside. Sources keep their numbers, which
/// go on. Refused while a bridge uses it. Blocks.
pub fn rename(dir: &Path) -> Result<Renamed, OpenError> {
    let at = |path: &Path| {
        let path = path.to_owned();
        move |source: io::Error| OpenError::Io { path, source }
    };
    // First: the lock would create a file where there is no journal.
    let known = |dir| {
        let path = Identity::path(dir);
        Identity::read(&Disk, dir).map_err(|error| {
            let error = io::Error::other(format!("{error}; a start of the bridge repairs it"));
            at(&path)(error)
        })
    };
    known(dir)?;
    let lock = Disk.lock(&dir.join("lock")).map_err(at(dir))?;
    let _lock = lock.ok_or_else(|| OpenError::Locked { dir: dir.to_owned() })?;
    let mut identity = known(dir)?;
    for part in PARTS {
        // One that was interrupted has moved it.
        Disk.create_dir(&dir.join(part)).map_err(at(dir))?;
    }
    let undelivered = undelivered(&Archive::open(dir)?).map_err(at(dir))?;
    let (old, new) = (identity.journal, JournalId::draw());
    let aside = unused(&dir.join("renamed"), old.as_str());
    Disk.create_dir(&aside).map_err(at(&aside))?;
    // The old state, complete, and last of all the new name: whatever interrupts this, it can be repeated.
    identity.write(&Disk, &aside).map_err(at(&aside))?;
    for part in PARTS {
        let from = dir.join(part);
        fs::rename(&from, aside.join(part)).map_err(at(&from))?;
    }
    Disk.sync_dir(&aside).and_then(|()| Disk.sync_dir(dir)).map_err(at(dir))?;
    (identity.journal, identity.sinks) = (new, Vec::new());
    identity.write(&Disk, dir).map_err(at(dir))?;
    Ok(Renamed { old, new, aside, undelivered })
}

/// A directory that is not there yet.
fn unused(within: &Path, name: &str) -> PathBuf {
    let numbered = (2..).map(|number| within.join(format!("{name}-{number}")));
    let mut all = std::iter::once(within.join(name)).chain(numbered);
    all.find(|path| !path.exists()).unwrap_or_else(|| within.join(name))
}

/// What is behind each sink's cursor; everything, where that can't be read.
fn undelivered(archive: &Archive) -> io::Result<Vec<Undelivered>> {
    let mut found: BTreeMap<(&str, usize), (u64, Seq, Seq)> = BTreeMap::new();
    for record in archive.records() {
        let record = record?;
        for (sink, cursor) in &archive.cursors {
            if record.position >= cursor.as_ref().map_or(Position(0), |cursor| cursor.next) {
                let range = found.entry((sink, record.source.index())).or_insert((0, record.seq, record.seq));
                (range.0, range.2) = (range.0 + 1, record.seq);
            }
        }
    }
    let name = |source: usize| archive.sources.get(source).cloned().unwrap_or_default();
    let named = found.into_iter().map(|((sink, source), (count, from, to))| Undelivered {
        sink: sink.to_owned(),
        source: name(source),
        count,
        from,
        to,
    });
    Ok(named.collect())
}
