//! Writes secret files: accessible only to the owner, never over an existing file unless requested, and synced.

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

/// The reason why a file could not be written.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub(crate) enum FileError {
    #[error("{} already exists: name another file, or add --force to replace it", .0.display())]
    Exists(PathBuf),
    #[error("can't write {}: {source}", path.display())]
    Write { path: PathBuf, source: io::Error },
}

/// A temporary file next to its final name, which a secret is written to.
#[derive(Debug)]
pub(crate) struct SecretFile {
    path: PathBuf,
    force: bool,
    /// The temporary path, until [`SecretFile::keep`].
    at: PathBuf,
    file: File,
    /// Set if the file is not needed, and removed on drop.
    is_waste: bool,
}

/// More than any secret needs.
const ROOM: [u8; 8192] = [b'\n'; 8192];

impl SecretFile {
    /// Proves that a secret can be written and synced there, before a user is asked for one. An existing file stays unchanged
    /// until [`SecretFile::keep`], and files that a crash left next to it stay for good: they may hold a secret in use.
    pub(crate) fn prepare(path: &Path, force: bool) -> Result<Self, FileError> {
        // A dangling link counts as an existing file.
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

    /// Writes and syncs the secret.
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

    /// Replaces the file atomically: a reader sees the old one or the new one.
    pub(crate) fn replace(path: &Path, secret: &SecretString) -> Result<(), FileError> {
        let at = beside(path, ".new");
        // Left by a crash.
        let _ = fs::remove_file(&at);
        let mut file = Self::create(path, at, true)?;
        file.fill(secret)?;
        file.keep().map(drop)
    }

    /// Renames the file to its final name, and returns that.
    pub(crate) fn keep(&self) -> Result<PathBuf, FileError> {
        let path = &self.path;
        let flags = if self.force { RenameFlags::empty() } else { RenameFlags::NOREPLACE };
        let renamed = match renameat_with(CWD, &self.at, CWD, path, flags) {
            Err(Errno::EXIST) => return Err(FileError::Exists(path.clone())),
            // Not every file system supports the flag.
            Err(Errno::INVAL | Errno::NOSYS) => fs::rename(&self.at, path),
            renamed => renamed.map_err(io::Error::from),
        };
        renamed
            .and_then(|()| sync_directory(path))
            .map_err(|source| FileError::Write { path: path.clone(), source })?;
        // The configuration needs an absolute path, or one relative to its own file.
        Ok(fs::canonicalize(path).unwrap_or_else(|_| path.clone()))
    }

    /// Removes the file.
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
                tracing::warn!(path = %self.at.display(), %error, "could not remove an unused secret");
            }
            _ => {}
        }
    }
}

/// Returns true if only the owner may read or write it.
pub(crate) fn is_private(path: &Path) -> io::Result<bool> {
    const OTHERS: u32 = 0o077;
    Ok(fs::metadata(path)?.permissions().mode() & OTHERS == 0)
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.file_name().map(OsString::from).unwrap_or_default();
    name.push(ending);
    path.with_file_name(name)
}

/// Syncs the directory: only then a new name is durable.
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
    fn an_existing_file_is_kept_and_a_new_one_is_private() {
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
        assert_eq!(fs::read_to_string(&late).unwrap(), "another's", "it was created in between");
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
        assert_eq!(files(directory.path()), 1, "no temporary file is left");
        fs::write(beside(&path, ".new"), "half").unwrap();
        SecretFile::replace(&path, &"newer".into()).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "newer\n");
        assert!(is_private(&path).unwrap());
        assert_eq!(files(directory.path()), 1, "not even one left by a crash");
    }

    #[test]
    fn an_unwritable_directory_stays_unchanged() {
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
