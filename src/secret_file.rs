//! A file with a secret: its owner's only, never over another file unless asked, on disk before it counts.

use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions},
    io::{self, Seek as _, Write as _},
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use rustix::{
    fs::{CWD, RenameFlags, renameat_with},
    io::Errno,
};
use secrecy::{ExposeSecret as _, SecretString};

/// Why there is no file.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub(crate) enum FileError {
    #[error("{} is there already: name another file, or add --force to replace it", .0.display())]
    Exists(PathBuf),
    #[error("can't write {}: {source}", path.display())]
    Write { path: PathBuf, source: io::Error },
}

/// A file beside its later name, which a secret is written to.
#[derive(Debug)]
pub(crate) struct SecretFile {
    path: PathBuf,
    force: bool,
    /// Where it is until [`SecretFile::keep`].
    at: PathBuf,
    file: File,
    /// It is of no use, and removed with the value.
    is_waste: bool,
}

/// More than a secret takes.
const ROOM: [u8; 8192] = [b'\n'; 8192];

impl SecretFile {
    /// Proves that a secret can be written and synced there, before anybody is asked for one. A file of that name stays as it is
    /// until [`SecretFile::keep`], and what a crash left beside it for good: it may hold a secret that is in use.
    pub(crate) fn prepare(path: &Path, force: bool) -> Result<Self, FileError> {
        // A link that leads nowhere is in the way too.
        if !force && path.symlink_metadata().is_ok() {
            return Err(FileError::Exists(path.to_owned()));
        }
        let tag: String = std::iter::repeat_with(fastrand::alphanumeric).take(8).collect();
        let mut prepared = Self::create(path, beside(path, &format!(".{tag}.new")), force)?;
        prepared.write(&ROOM)?;
        prepared.is_waste = true;
        Ok(prepared)
    }

    fn create(path: &Path, at: PathBuf, force: bool) -> Result<Self, FileError> {
        match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&at) {
            Ok(file) => Ok(Self { path: path.to_owned(), force, at, file, is_waste: true }),
            Err(source) => Err(FileError::Write { path: at, source }),
        }
    }

    /// Writes the secret, down to the disk.
    pub(crate) fn fill(&mut self, secret: &SecretString) -> Result<(), FileError> {
        self.write(format!("{}\n", secret.expose_secret()).as_bytes())?;
        self.is_waste = false;
        Ok(())
    }

    fn write(&mut self, content: &[u8]) -> Result<(), FileError> {
        let written = self
            .file
            .rewind()
            .and_then(|()| self.file.write_all(content))
            .and_then(|()| self.file.set_len(content.len() as u64))
            .and_then(|()| self.file.sync_all())
            .and_then(|()| sync_directory(&self.at));
        written.map_err(|source| FileError::Write { path: self.at.clone(), source })
    }

    /// Writes it over whatever has that name; a reader sees the old one or the new one.
    pub(crate) fn replace(path: &Path, secret: &SecretString) -> Result<(), FileError> {
        let at = beside(path, ".new");
        // Left by a crash on the way.
        let _ = fs::remove_file(&at);
        let mut file = Self::create(path, at, true)?;
        file.fill(secret)?;
        file.keep().map(drop)
    }

    /// Gives it its name, and that back.
    pub(crate) fn keep(&self) -> Result<PathBuf, FileError> {
        let path = &self.path;
        let flags = if self.force { RenameFlags::empty() } else { RenameFlags::NOREPLACE };
        let renamed = match renameat_with(CWD, &self.at, CWD, path, flags) {
            Err(Errno::EXIST) => return Err(FileError::Exists(path.clone())),
            // Not every file system knows the flag.
            Err(Errno::INVAL | Errno::NOSYS) => fs::rename(&self.at, path),
            renamed => renamed.map_err(io::Error::from),
        };
        renamed
            .and_then(|()| sync_directory(path))
            .map_err(|source| FileError::Write { path: path.clone(), source })?;
        // The configuration wants an absolute path, or one relative to its own file.
        Ok(fs::canonicalize(path).unwrap_or_else(|_| path.clone()))
    }

    /// Removes it.
    pub(crate) fn discard(mut self) {
        self.is_waste = true;
    }
}

impl Drop for SecretFile {
    fn drop(&mut self) {
        if !self.is_waste {
            return;
        }
        match fs::remove_file(&self.at) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(path = %self.at.display(), %error, "a secret that is of no use could not be removed");
            }
            _ => {}
        }
    }
}

/// Whether only its owner may read or write it.
pub(crate) fn is_private(path: &Path) -> io::Result<bool> {
    const OTHERS: u32 = 0o077;
    Ok(fs::metadata(path)?.permissions().mode() & OTHERS == 0)
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.file_name().map(OsString::from).unwrap_or_default();
    name.push(ending);
    path.with_file_name(name)
}

/// A new name is only on disk once its directory is.
fn sync_directory(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(parent)?.sync_all()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn store(path: &Path, force: bool, secret: &str) -> Result<PathBuf, FileError> {
        let mut file = SecretFile::prepare(path, force)?;
        file.fill(&secret.into())?;
        file.keep()
    }

    fn files(directory: &Path) -> usize {
        fs::read_dir(directory).unwrap().count()
    }

    #[test]
    fn a_file_in_the_way_is_kept_and_the_new_one_is_its_owners_only() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("secret");
        let written = store(&path, false, "ABC").unwrap();
        assert_eq!(fs::read_to_string(&written).unwrap(), "ABC\n");
        assert_eq!(written.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert!(matches!(SecretFile::prepare(&path, false), Err(FileError::Exists(_))));
        let link = directory.path().join("link");
        symlink(directory.path().join("elsewhere"), &link).unwrap();
        assert!(matches!(SecretFile::prepare(&link, false), Err(FileError::Exists(_))));
        let late = directory.path().join("late");
        let mut file = SecretFile::prepare(&late, false).unwrap();
        file.fill(&"DEF".into()).unwrap();
        fs::write(&late, "another's").unwrap();
        assert!(matches!(file.keep(), Err(FileError::Exists(_))));
        assert_eq!(fs::read_to_string(&late).unwrap(), "another's", "it came in between");
    }

    #[test]
    fn the_old_file_stays_until_the_new_one_counts() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("secret");
        fs::write(&path, "old").unwrap();
        let mut file = SecretFile::prepare(&path, true).unwrap();
        file.fill(&"new".into()).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        file.discard();
        drop(SecretFile::prepare(&path, true).unwrap());
        assert_eq!((fs::read_to_string(&path).unwrap().as_str(), files(directory.path())), ("old", 1));
        store(&path, true, "new").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new\n");
        assert_eq!(files(directory.path()), 1, "nothing is left beside it");
        fs::write(beside(&path, ".new"), "half").unwrap();
        SecretFile::replace(&path, &"newer".into()).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "newer\n");
        assert!(is_private(&path).unwrap());
        assert_eq!(files(directory.path()), 1, "not even what a crash left");
    }

    #[test]
    fn where_nothing_can_be_written_nothing_is_prepared_or_removed() {
        let directory = tempfile::tempdir().unwrap();
        let missing = directory.path().join("missing/secret");
        assert!(matches!(SecretFile::prepare(&missing, true), Err(FileError::Write { .. })));
        let path = directory.path().join("secret");
        let stale = beside(&path, ".new");
        fs::write(&stale, "a secret that may be in use").unwrap();
        store(&path, false, "ABC").unwrap();
        assert_eq!(fs::read_to_string(stale).unwrap(), "a secret that may be in use");
    }
}
