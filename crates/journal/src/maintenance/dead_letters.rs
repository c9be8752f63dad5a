//! Copies of dead letters in `dead/`.

use std::{io, path::Path};

use super::Shared;
use crate::fs::{self, Fs};

/// Maximum size of `dead/` in bytes.
const DEAD: u64 = 64 << 20;

impl Shared {
    pub(crate) fn write_dead_letter(&self, name: &str, content: impl FnOnce() -> bytes::Bytes) {
        let Some(disk) = &self.disk else { return };
        if let Err(error) = write(&*disk.fs, &disk.dir.join("dead"), name, &content()) {
            tracing::warn!(%error, name, "could not write a dead letter to disk");
        }
    }

    pub(crate) fn erase_dead_letters(&self, matches: &dyn Fn(&[u8]) -> bool) -> io::Result<u64> {
        let Some(disk) = &self.disk else { return Ok(0) };
        let dir = disk.dir.join("dead");
        let mut removed = 0;
        for name in fs::list_any(&*disk.fs, &dir)? {
            let path = dir.join(name);
            match fs::read(&*disk.fs, &path) {
                Ok(content) if matches(&content) => {
                    fs::remove_any(&*disk.fs, &path)?;
                    removed += 1;
                }
                // The oldest are removed when there are too many.
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        // Also if nothing is left: an earlier call may have failed here.
        match disk.fs.sync_dir(&dir) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(removed),
        }
    }
}

fn write(disk: &dyn Fs, dir: &Path, name: &str, content: &[u8]) -> io::Result<()> {
    disk.create_dir(dir)?;
    let mut letters = Vec::new();
    for name in disk.list(dir)? {
        match disk.open(&dir.join(&name), false) {
            Ok(letter) => letters.push((name, letter.length()?)),
            // Erased meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    let path = dir.join(name);
    if letters.iter().any(|(known, _)| known == name) {
        return Ok(());
    }
    // File names start with the source and sort by number, so the oldest come first.
    let mut total = letters.iter().map(|(_, size)| size).sum::<u64>() + content.len() as u64;
    for (name, size) in letters {
        if total <= DEAD {
            break;
        }
        fs::remove_any(disk, &dir.join(name))?;
        total -= size;
    }
    fs::append_all(&*disk.create(&path)?, content)
}
