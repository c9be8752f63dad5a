//! Renames a journal, as a copy of another bridge's journal requires.

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

/// Result of a rename.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Renamed {
    /// The previous name.
    pub old: JournalId,
    /// The new name.
    pub new: JournalId,
    /// Directory that now holds the records and cursors; `journal export --dir` reads them there.
    pub aside: PathBuf,
    /// Records that were not delivered.
    pub undelivered: Vec<Undelivered>,
}

/// Undelivered records of one source at one sink.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undelivered {
    /// Name of the sink.
    pub sink: String,
    /// Name of the source.
    pub source: String,
    /// Number of records.
    pub count: u64,
    /// The first number.
    pub from: Seq,
    /// The last number.
    pub to: Seq,
}

/// Directories that are set aside.
const PARTS: [&str; 2] = ["segments", "cursors"];

/// Gives the journal in a directory a new random name and sets its records and cursors aside. Sources
/// continue their numbers. Fails while a bridge uses the journal. Blocks.
pub fn rename(dir: &Path) -> Result<Renamed, OpenError> {
    let at = |path: &Path| {
        let path = path.to_owned();
        move |source: io::Error| OpenError::Io { path, source }
    };
    // Checked first, because locking would create a file where there is no journal.
    let known = |dir| {
        let path = Identity::path(dir);
        Identity::read(&Disk, dir).map_err(|error| {
            let error = io::Error::other(format!("{error}; starting the bridge repairs it"));
            at(&path)(error)
        })
    };
    known(dir)?;
    let lock = Disk.lock(&dir.join("lock")).map_err(at(dir))?;
    let _lock = lock.ok_or_else(|| OpenError::Locked { dir: dir.to_owned() })?;
    let mut identity = known(dir)?;
    for part in PARTS {
        // An interrupted rename has already moved it.
        Disk.create_dir(&dir.join(part)).map_err(at(dir))?;
    }
    let undelivered = undelivered(&Archive::open(dir)?).map_err(at(dir))?;
    let (old, new) = (identity.journal, JournalId::draw());
    let aside = unused(&dir.join("renamed"), old.as_str());
    Disk.create_dir(&aside).map_err(at(&aside))?;
    // The complete old state first, the new name last: an interrupted rename can be repeated.
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

/// Returns a directory name that is not in use.
fn unused(within: &Path, name: &str) -> PathBuf {
    let numbered = (2..).map(|number| within.join(format!("{name}-{number}")));
    let mut all = std::iter::once(within.join(name)).chain(numbered);
    all.find(|path| !path.exists()).unwrap_or_else(|| within.join(name))
}

/// Returns the records after each sink's cursor, or all records if the cursor is unreadable.
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
