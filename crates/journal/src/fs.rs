//! The file system interface that the journal uses; tests replace it to inject faults.
//!
//! [`Disk`] is the real one. A test implementation must support short writes, failing writes and syncs, and
//! discarding unsynced data, as a power failure does.

use std::{
    fmt,
    fs::{self, OpenOptions, TryLockError},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, FileExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;

/// An open file. Only one caller appends at a time; reads may run concurrently.
pub trait File: fmt::Debug + Send + Sync {
    /// Appends bytes and returns how many were written, as `write(2)` does.
    fn append(&self, bytes: &[u8]) -> io::Result<usize>;
    /// Reads at an offset and returns how many bytes were read, as `pread(2)` does.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;
    /// Truncates the file to `length` bytes.
    fn truncate(&self, length: u64) -> io::Result<()>;
    /// Returns the length in bytes.
    fn length(&self) -> io::Result<u64>;
    /// Flushes the content to stable storage.
    fn sync(&self) -> io::Result<()>;
}

/// Holds a lock until it is dropped.
pub trait Lock: fmt::Debug + Send + Sync {}

/// Capacity of a volume, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// Total size.
    pub total: u64,
    /// Free space.
    pub free: u64,
}

/// A file system, with its clock.
pub trait Fs: fmt::Debug + Send + Sync {
    /// Returns the time of day.
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
    /// Creates a directory and its parents, accessible to the owner only.
    fn create_dir(&self, path: &Path) -> io::Result<()>;
    /// Creates an empty file, accessible to the owner only.
    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>>;
    /// Opens an existing file for reading, and for appending if `append` is set.
    fn open(&self, path: &Path, append: bool) -> io::Result<Arc<dyn File>>;
    /// Lists the names in a directory.
    fn list(&self, path: &Path) -> io::Result<Vec<String>>;
    /// Renames a file, replacing the target.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Flushes a directory's entries to stable storage.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;
    /// Locks a file, creating it if necessary; `None` if another process holds the lock.
    fn lock(&self, path: &Path) -> io::Result<Option<Box<dyn Lock>>>;
    /// Returns the capacity of the volume that holds `path`.
    fn room(&self, path: &Path) -> io::Result<Room>;
}

/// Lists the names in a directory; none if it is not one.
pub(super) fn list_any(fs: &dyn Fs, dir: &Path) -> io::Result<Vec<String>> {
    match fs.list(dir) {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Ok(Vec::new())
        }
        listed => listed,
    }
}

/// Removes a file unless it is gone.
pub(super) fn remove_any(fs: &dyn Fs, path: &Path) -> io::Result<()> {
    match fs.remove(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// Reads the complete content of a file.
pub(super) fn read(fs: &dyn Fs, path: &Path) -> io::Result<Vec<u8>> {
    let file = fs.open(path, false)?;
    let length = usize::try_from(file.length()?).unwrap_or(usize::MAX);
    let mut content = vec![0; length];
    let read = read_fully(&*file, &mut content, 0)?;
    content.truncate(read);
    Ok(content)
}

/// Fills the buffer from an offset; returns fewer bytes only at the end of the file.
pub(super) fn read_fully(file: &dyn File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, offset + filled as u64) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// Appends all bytes.
pub(super) fn append_all(file: &dyn File, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match file.append(bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// A file that is opened for each use, so that a journal with many segments keeps few files open. The path
/// may refer to another file by then, or to none.
#[derive(Debug)]
pub(super) struct OnDemand {
    pub(super) fs: Arc<dyn Fs>,
    pub(super) path: PathBuf,
}

impl File for OnDemand {
    fn append(&self, bytes: &[u8]) -> io::Result<usize> {
        self.fs.open(&self.path, true)?.append(bytes)
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.fs.open(&self.path, false)?.read_at(buffer, offset)
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        self.fs.open(&self.path, true)?.truncate(length)
    }

    fn length(&self) -> io::Result<u64> {
        self.fs.open(&self.path, false)?.length()
    }

    fn sync(&self) -> io::Result<()> {
        self.fs.open(&self.path, false)?.sync()
    }
}

/// The operating system's file system.
#[derive(Debug, Clone, Copy, Default)]
pub struct Disk;

#[derive(Debug)]
struct DiskFile(fs::File);

impl File for DiskFile {
    fn append(&self, bytes: &[u8]) -> io::Result<usize> {
        (&self.0).write(bytes)
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.0.read_at(buffer, offset)
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        self.0.set_len(length)
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }
}

#[derive(Debug)]
struct DiskLock {
    _file: fs::File,
}

impl Lock for DiskLock {}

impl Fs for Disk {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(path)?;
        // An existing file may have wider permissions.
        let mut permissions = fs::metadata(path)?.permissions();
        if permissions.mode() & 0o077 != 0 {
            permissions.set_mode(0o700);
            fs::set_permissions(path, permissions)?;
        }
        Ok(())
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        let file = OpenOptions::new().read(true).append(true).create_new(true).mode(0o600).open(path)?;
        Ok(Arc::new(DiskFile(file)))
    }

    fn open(&self, path: &Path, append: bool) -> io::Result<Arc<dyn File>> {
        Ok(Arc::new(DiskFile(OpenOptions::new().read(true).append(append).open(path)?)))
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        let mut names: Vec<String> = fs::read_dir(path)?
            .map(|entry| entry.map(|entry| entry.file_name().to_string_lossy().into_owned()))
            .collect::<io::Result<_>>()?;
        names.sort();
        Ok(names)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        fs::File::open(path)?.sync_all()
    }

    fn lock(&self, path: &Path) -> io::Result<Option<Box<dyn Lock>>> {
        let file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
        // `check` holds the lock briefly while it tests whether a bridge is running.
        let mut again = 5;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Some(Box::new(DiskLock { _file: file }))),
                Err(TryLockError::WouldBlock) if again > 0 => again -= 1,
                Err(TryLockError::WouldBlock) => return Ok(None),
                Err(TryLockError::Error(error)) => return Err(error),
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn room(&self, path: &Path) -> io::Result<Room> {
        let stat = rustix::fs::statvfs(path)?;
        Ok(Room {
            total: stat.f_blocks.saturating_mul(stat.f_frsize),
            free: stat.f_bavail.saturating_mul(stat.f_frsize),
        })
    }
}
