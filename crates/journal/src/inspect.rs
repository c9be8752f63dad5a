//! Inspects a journal directory from outside, whether or not a bridge is using it. Changes nothing.

use std::{
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use bytesize::ByteSize;
use event::JournalId;

pub use crate::space::shortage;
use crate::{
    disk::identity::Identity,
    fs::{Disk as FileSystem, Fs, Room},
    options::Options,
    recovery::{OpenError, read_only},
    space::default_bound,
};

/// Minimum free space in bytes; below it not even the first segments fit.
const LEAST: u64 = 32 << 20;

/// State of a journal directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspection {
    /// Whether the journal exists and is in use.
    pub lock: LockState,
    /// Capacity of the volume.
    pub room: Room,
    /// Maximum size of the journal in bytes.
    pub bound: u64,
    /// Current size of the journal in bytes.
    pub used: u64,
    /// Name of the journal; `None` if it does not exist yet.
    pub journal: Option<JournalId>,
}

/// Whether a journal exists and is in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockState {
    /// No journal yet; it will be created.
    New,
    /// Not in use.
    Free,
    /// In use by a running bridge.
    InUse,
}

/// Inspects the directory, and checks that it is writable by creating and removing a temporary file. Blocks.
pub fn inspect(options: &Options) -> Result<Inspection, OpenError> {
    let dir = &options.dir;
    let at = |path: &Path| {
        let path = path.to_owned();
        move |source| OpenError::Io { path, source }
    };
    let place = existing(dir).map_err(at(dir))?;
    writable(&place).map_err(at(&place))?;
    let room = FileSystem.room(&place).map_err(at(&place))?;
    let bound = options.max_bytes.unwrap_or_else(|| default_bound(room));
    if place != *dir || !dir.join("segments").exists() {
        return enough(Inspection { lock: LockState::New, room, bound, used: 0, journal: None }, dir);
    }
    let lock = if is_locked(&dir.join("lock")).map_err(at(dir))? {
        LockState::InUse
    } else {
        // Detects files of a later version.
        let fs: Arc<dyn Fs> = Arc::new(FileSystem);
        read_only(&fs, dir)?;
        LockState::Free
    };
    let mut used = 0;
    for entry in fs::read_dir(dir.join("segments")).map_err(at(dir))? {
        // A running bridge may have removed it meanwhile.
        used += entry.and_then(|entry| entry.metadata()).map_or(0, |found| found.len());
    }
    let journal = Identity::read(&FileSystem, dir).ok().map(|identity| identity.journal);
    enough(Inspection { lock, room, bound, used, journal }, dir)
}

fn enough(inspection: Inspection, dir: &Path) -> Result<Inspection, OpenError> {
    let least = LEAST.min(inspection.bound.saturating_sub(inspection.used));
    if inspection.room.free < least {
        let text = format!(
            "its volume has {} free, but at least {} is required",
            ByteSize(inspection.room.free),
            ByteSize(least)
        );
        let source = io::Error::new(io::ErrorKind::StorageFull, text);
        return Err(OpenError::Io { path: dir.to_owned(), source });
    }
    Ok(inspection)
}

/// Returns the directory, or its nearest existing ancestor.
fn existing(dir: &Path) -> io::Result<PathBuf> {
    let mut place = dir.to_owned();
    loop {
        match fs::metadata(&place) {
            Ok(found) if found.is_dir() => return Ok(place),
            Ok(_) => {
                return Err(io::Error::new(
                    io::ErrorKind::NotADirectory,
                    format!("{} is a file", place.display()),
                ));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound && place.pop() => {
                if place.as_os_str().is_empty() {
                    place.push(".");
                }
            }
            Err(error) => return Err(error),
        }
    }
}

fn writable(dir: &Path) -> io::Result<()> {
    let path = dir.join(format!(".cti-bridge-check-{}", std::process::id()));
    let file = FileSystem.create(&path)?;
    let written = super::fs::append_all(&*file, b"may be removed\n");
    fs::remove_file(&path)?;
    written
}

/// Returns whether a process holds the lock. Tries a shared lock and releases it at once.
fn is_locked(path: &Path) -> io::Result<bool> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    match file.try_lock_shared() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_file_or_an_unwritable_directory_is_reported() {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("file");
        fs::write(&file, "x").unwrap();
        let said = |dir: PathBuf| existing(&dir).and_then(|dir| writable(&dir)).unwrap_err().to_string();
        assert!(said(file.clone()).contains("is a file"));
        assert!(!said(file.join("below")).is_empty());
        assert!(!said("/proc/cti-bridge".into()).is_empty());
        assert!(existing(&place.path().join("a/b/c")).is_ok_and(|found| found == place.path()));
    }
}
