//! Writes to disk: bounded batches, and large frames without a copy.

use std::{
    io,
    path::Path,
    sync::{Arc, Mutex},
};

use journal::{
    Journal, Options, Unmonitored,
    fs::{self, File, Fs, Lock, Room},
};

use journal_kit::{begin, config, frame, names};

/// Address and length of each append.
type Appends = Arc<Mutex<Vec<(usize, usize)>>>;

/// A real disk that records its writes.
#[derive(Debug, Default)]
struct Noting(Appends);

#[derive(Debug)]
struct NotingFile(Arc<dyn File>, Appends);

impl File for NotingFile {
    fn append(&self, bytes: &[u8]) -> io::Result<usize> {
        self.1.lock().unwrap().push((bytes.as_ptr().addr(), bytes.len()));
        self.0.append(bytes)
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.0.read_at(buffer, offset)
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        self.0.truncate(length)
    }

    fn length(&self) -> io::Result<u64> {
        self.0.length()
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync()
    }
}

impl Noting {
    fn file(&self, file: Arc<dyn File>) -> Arc<dyn File> {
        Arc::new(NotingFile(file, Arc::clone(&self.0)))
    }
}

impl Fs for Noting {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        fs::Disk.create_dir(path)
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        Ok(self.file(fs::Disk.create(path)?))
    }

    fn open(&self, path: &Path, append: bool) -> io::Result<Arc<dyn File>> {
        Ok(self.file(fs::Disk.open(path, append)?))
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        fs::Disk.list(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::Disk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::Disk.remove(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        fs::Disk.sync_dir(path)
    }

    fn lock(&self, path: &Path) -> io::Result<Option<Box<dyn Lock>>> {
        fs::Disk.lock(path)
    }

    fn room(&self, path: &Path) -> io::Result<Room> {
        fs::Disk.room(path)
    }
}

fn open(dir: &Path) -> (Journal, Appends) {
    let disk = Options { dir: dir.join("journal"), ..config() };
    let noting = Noting::default();
    let appends = Arc::clone(&noting.0);
    let opened =
        Journal::open(&disk, Arc::new(noting), &names(&["a"]), &names(&["x"]), Arc::new(Unmonitored));
    (opened.unwrap().0, appends)
}

#[test]
fn a_long_batch_is_written_in_pieces_of_a_mebibyte() {
    const EVENT: usize = 10_000;
    let dir = tempfile::tempdir().unwrap();
    let (journal, appends) = open(dir.path());
    let mut live = begin(&journal, "a");
    appends.lock().unwrap().clear();
    live.snapshot((0..800).map(|_| frame("e", EVENT, 0)));
    let sizes: Vec<usize> = appends.lock().unwrap().iter().map(|(_, length)| *length).collect();
    assert!(sizes.iter().sum::<usize>() > 800 * EVENT, "all of it is written: {sizes:?}");
    let bound = (1 << 20) + 2 * EVENT;
    assert!(sizes.iter().all(|size| *size <= bound), "{sizes:?}");
    assert!(sizes.len() < 30, "in few writes: {sizes:?}");
}

#[test]
fn a_large_frame_is_written_without_a_copy() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, appends) = open(dir.path());
    let mut live = begin(&journal, "a");
    let large = frame("e", 600_000, 1);
    let places: Vec<_> =
        [&large.bytes, &large.attachments[0]].map(|bytes| (bytes.as_ptr().addr(), bytes.len())).to_vec();
    live.event(large);
    live.event(frame("e", 100, 0));
    live.commit();
    let appends = appends.lock().unwrap().clone();
    assert!(places.iter().all(|place| appends.contains(place)), "{places:?} {appends:?}");
}
