//! A look at a journal's place from outside, before a bridge uses it or while one does: nothing there is changed.

use std::{
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use bytesize::ByteSize;
use event::JournalId;

use super::{
    Options,
    disk::{
        identity::Identity,
        open::{OpenError, default_bound, read_only},
    },
    fs::{Disk as FileSystem, Fs, Room},
};

/// Below this not even the first segments find room.
const LEAST: u64 = 32 << 20;

/// What is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// Who has it.
    pub standing: Standing,
    /// Of the volume.
    pub room: Room,
    /// How much the journal may take.
    pub bound: u64,
    /// How much it takes.
    pub used: u64,
    /// Its name, if it has one already.
    pub journal: Option<JournalId>,
}

/// Who has the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Nobody yet: it will be begun.
    New,
    /// Nobody at present.
    Free,
    /// A running bridge.
    InUse,
}

/// Looks, and tries to write beside what is there: a file of its own, which it removes at once. Blocks.
pub fn look(options: &Options) -> Result<Look, OpenError> {
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
        return enough(Look { standing: Standing::New, room, bound, used: 0, journal: None }, dir);
    }
    let standing = if is_locked(&dir.join("lock")).map_err(at(dir))? {
        Standing::InUse
    } else {
        // Of a later version, perhaps.
        let fs: Arc<dyn Fs> = Arc::new(FileSystem);
        read_only(&fs, dir)?;
        Standing::Free
    };
    let mut used = 0;
    for entry in fs::read_dir(dir.join("segments")).map_err(at(dir))? {
        // A running bridge may have removed it by now.
        used += entry.and_then(|entry| entry.metadata()).map_or(0, |found| found.len());
    }
    let journal = Identity::read(&FileSystem, dir).ok().map(|identity| identity.journal);
    enough(Look { standing, room, bound, used, journal }, dir)
}

/// What to say of a volume that can't take all that the journal may grow to. The figures in it don't change with each
/// event: it is compared, to be told once.
pub fn shortage(dir: &Path, room: Room, used: u64, bound: u64) -> Option<String> {
    let growth = bound.saturating_sub(used);
    (room.free < growth).then(|| {
        format!(
            "the volume of {} has less room left than the journal may still take (it is allowed {}): free some, or set \
             [journal] max_bytes lower, so that the oldest events go and not the newest",
            dir.display(),
            ByteSize(bound)
        )
    })
}

fn enough(look: Look, dir: &Path) -> Result<Look, OpenError> {
    let least = LEAST.min(look.bound.saturating_sub(look.used));
    if look.room.free < least {
        let text =
            format!("its volume has {} left, and {} is the least", ByteSize(look.room.free), ByteSize(least));
        let source = io::Error::new(io::ErrorKind::StorageFull, text);
        return Err(OpenError::Io { path: dir.to_owned(), source });
    }
    Ok(look)
}

/// The directory, or the one above it in which it will be made.
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

/// Whether a process has the lock. It is tried for a moment, and shared.
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
    fn a_shortage_is_what_growth_finds_no_room_for() {
        let dir = Path::new("/j");
        let room = Room { total: 100, free: 10 };
        assert_eq!(shortage(dir, room, 90, 100), None);
        let told = shortage(dir, room, 89, 100).unwrap();
        assert!(told.contains("/j") && told.contains("max_bytes"), "{told}");
        assert_eq!(shortage(dir, Room { free: 9, ..room }, 0, 100), shortage(dir, room, 0, 100), "told once");
    }

    #[test]
    fn a_file_in_its_place_and_a_place_that_takes_none_are_told() {
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
