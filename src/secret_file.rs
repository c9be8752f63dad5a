//! A file with a secret: its owner's only, never over another file unless asked, on disk before it counts.

use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
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

/// A written secret that may still be taken back.
#[derive(Debug)]
pub(crate) struct SecretFile {
    path: PathBuf,
    /// Where it lies until [`SecretFile::keep`].
    at: PathBuf,
}

impl SecretFile {
    /// Whether it may be written. Asked first, so that a file in the way costs no login.
    pub(crate) fn free(path: &Path, force: bool) -> Result<(), FileError> {
        // A link that leads nowhere is in the way too.
        if !force && path.symlink_metadata().is_ok() {
            return Err(FileError::Exists(path.to_owned()));
        }
        Ok(())
    }

    /// Writes it, down to the disk. With `force`, a file of that name stays as it is until [`SecretFile::keep`].
    pub(crate) fn write(path: &Path, force: bool, secret: &SecretString) -> Result<Self, FileError> {
        let at = if force { beside(path) } else { path.to_owned() };
        let written = || {
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&at)?;
            writeln!(file, "{}", secret.expose_secret())?;
            file.sync_all()?;
            sync_directory(&at)
        };
        match written() {
            Ok(()) => Ok(Self { path: path.to_owned(), at }),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(FileError::Exists(at)),
            Err(source) => Err(FileError::Write { path: at, source }),
        }
    }

    /// Writes it over whatever has that name; a reader sees the old one or the new one.
    pub(crate) fn replace(path: &Path, secret: &SecretString) -> Result<(), FileError> {
        // Left by a crash on the way.
        let _ = fs::remove_file(beside(path));
        Self::write(path, true, secret)?.keep().map(drop)
    }

    /// Gives it its name, and that back.
    pub(crate) fn keep(self) -> Result<PathBuf, FileError> {
        let Self { path, at } = self;
        if path != at {
            fs::rename(&at, &path)
                .and_then(|()| sync_directory(&path))
                .map_err(|source| FileError::Write { path: path.clone(), source })?;
        }
        // The configuration wants an absolute path, or one relative to its own file.
        Ok(fs::canonicalize(&path).unwrap_or(path))
    }

    /// Removes it.
    pub(crate) fn discard(self) {
        if let Err(error) = fs::remove_file(&self.at) {
            tracing::warn!(path = %self.at.display(), %error, "a secret that is of no use could not be removed");
        }
    }
}

/// Whether only its owner may read or write it.
pub(crate) fn is_private(path: &Path) -> io::Result<bool> {
    const OTHERS: u32 = 0o077;
    Ok(fs::metadata(path)?.permissions().mode() & OTHERS == 0)
}

fn beside(path: &Path) -> PathBuf {
    let mut name = path.file_name().map(OsString::from).unwrap_or_default();
    name.push(".new");
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

    #[test]
    fn a_file_in_the_way_is_kept_and_the_new_one_is_its_owners_only() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("secret");
        let written = SecretFile::write(&path, false, &"ABC".into()).unwrap().keep().unwrap();
        assert_eq!(fs::read_to_string(&written).unwrap(), "ABC\n");
        assert_eq!(written.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert!(matches!(SecretFile::free(&path, false), Err(FileError::Exists(_))));
        assert!(matches!(SecretFile::write(&path, false, &"DEF".into()), Err(FileError::Exists(_))));
        let link = directory.path().join("link");
        symlink(directory.path().join("elsewhere"), &link).unwrap();
        assert!(matches!(SecretFile::free(&link, false), Err(FileError::Exists(_))));
        assert!(SecretFile::write(&link, false, &"DEF".into()).is_err(), "a link is not followed");
    }

    #[test]
    fn the_old_file_stays_until_the_new_one_counts() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("secret");
        fs::write(&path, "old").unwrap();
        SecretFile::write(&path, true, &"new".into()).unwrap().discard();
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        SecretFile::write(&path, true, &"new".into()).unwrap().keep().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new\n");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "nothing is left beside it");
        fs::write(beside(&path), "half").unwrap();
        SecretFile::replace(&path, &"newer".into()).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "newer\n");
        assert!(is_private(&path).unwrap());
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "not even what a crash left");
    }
}
