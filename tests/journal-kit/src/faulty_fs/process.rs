//! The disk as seen by one process, until it is dead.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{Arc, MutexGuard},
};

use jiff::Timestamp;
use journal::fs::{File, Fs, Lock, Room};

use super::{EIO, ENOSPC, EROFS, FaultyFs, State, Syncs, Writes, errno};

#[derive(Debug, Clone)]
pub(super) struct Process {
    pub disk: FaultyFs,
    pub life: u64,
}

#[derive(Debug)]
struct Handle {
    process: Process,
    inode: usize,
    append: bool,
}

#[derive(Debug)]
struct Held {
    process: Process,
    path: PathBuf,
}

impl Lock for Held {}

impl Drop for Held {
    fn drop(&mut self) {
        if let Ok(mut state) = self.process.state() {
            state.locks.retain(|path| *path != self.path);
        }
    }
}

impl Process {
    /// Returns the state, or an error once the process is dead.
    fn state(&self) -> io::Result<MutexGuard<'_, State>> {
        let mut state = self.disk.state();
        match &mut state.calls_left {
            Some(1) => {
                state.calls_left = Some(0);
                state.kill();
            }
            Some(left) => *left = left.saturating_sub(1),
            None => {}
        }
        if state.life == self.life { Ok(state) } else { Err(errno(EIO)) }
    }

    fn handle(&self, inode: usize, append: bool) -> Arc<dyn File> {
        Arc::new(Handle { process: self.clone(), inode, append })
    }
}

impl Fs for Process {
    fn now(&self) -> Timestamp {
        self.disk.state().now.unwrap_or_else(Timestamp::now)
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state()?;
        let above: Vec<_> = path.ancestors().filter(|dir| state.find(dir).is_err()).collect();
        above.into_iter().rev().try_for_each(|dir| state.deed(None, Some(dir), None))
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        self.state()?.make(path).map(|inode| self.handle(inode, true))
    }

    fn open(&self, path: &Path, append: bool) -> io::Result<Arc<dyn File>> {
        let state = self.state()?;
        let inode = state.file(path)?;
        if append && state.faults.writes == Writes::ReadOnly {
            return Err(errno(EROFS));
        }
        Ok(self.handle(inode, append))
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        let state = self.state()?;
        state.find(path)?;
        let within = state.names.keys().filter(|name| name.parent() == Some(path));
        Ok(within.map(|name| name.file_name().unwrap().to_str().unwrap().to_owned()).collect())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state()?;
        let inode = state.file(from)?;
        state.deed(Some(from), Some(to), Some(inode))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state()?;
        state.file(path)?;
        state.deed(Some(path), None, None)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state()?;
        let state = &mut *state;
        state.find(path)?;
        // A rename between two directories is one operation, which carries along all earlier ones in both.
        let (mut dirs, mut now) = (vec![path.to_owned()], Vec::new());
        for at in (0..state.deeds.len()).rev() {
            if state.deeds[at].dirs().any(|dir| dirs.iter().any(|it| it == dir)) {
                let deed = state.deeds.remove(at);
                dirs.extend(deed.dirs().map(Path::to_owned));
                now.push(deed);
            }
        }
        now.iter().rev().for_each(|deed| deed.apply(&mut state.durable));
        Ok(())
    }

    fn lock(&self, path: &Path) -> io::Result<Option<Box<dyn Lock>>> {
        let mut state = self.state()?;
        if state.find(path).is_err() {
            state.make(path)?;
        }
        if state.locks.iter().any(|locked| locked == path) {
            return Ok(None);
        }
        state.locks.push(path.to_owned());
        Ok(Some(Box::new(Held { process: self.clone(), path: path.to_owned() })))
    }

    fn room(&self, _: &Path) -> io::Result<Room> {
        self.state().map(|_| Room { total: 1 << 40, free: 1 << 40 })
    }
}

impl File for Handle {
    fn append(&self, bytes: &[u8]) -> io::Result<usize> {
        let mut state = self.process.state()?;
        assert!(self.append, "a file that was opened for reading is written to");
        let taken = match state.faults.writes {
            Writes::Work => bytes.len(),
            Writes::Short => state.random.usize(1.min(bytes.len())..=bytes.len()),
            Writes::Space(0) if !bytes.is_empty() => return Err(errno(ENOSPC)),
            Writes::Space(left) => bytes.len().min(usize::try_from(left).unwrap()),
            Writes::ReadOnly => return Err(errno(EROFS)),
            Writes::Fail => return Err(errno(EIO)),
        };
        if let Writes::Space(left) = &mut state.faults.writes {
            *left -= taken as u64;
        }
        state.inodes[self.inode].content.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        while self.process.state()?.reads_hang {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        let mut state = self.process.state()?;
        if state.faults.reads_fail {
            state.failed_reads += 1;
            return Err(errno(EIO));
        }
        let content = &state.inodes[self.inode].content;
        let content = content.get(usize::try_from(offset).unwrap()..).unwrap_or_default();
        let read = buffer.len().min(content.len());
        buffer[..read].copy_from_slice(&content[..read]);
        Ok(read)
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        let mut state = self.process.state()?;
        if state.faults.writes == Writes::ReadOnly {
            return Err(errno(EROFS));
        }
        let length = usize::try_from(length).unwrap();
        let inode = &mut state.inodes[self.inode];
        inode.content.resize(length, 0);
        inode.doomed.retain_mut(|range| {
            range.end = range.end.min(length);
            range.start < range.end
        });
        Ok(())
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.process.state()?.inodes[self.inode].content.len() as u64)
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.process.state()?;
        let inode = &state.inodes[self.inode];
        if state.faults.writes == Writes::ReadOnly && inode.content != inode.synced {
            return Err(errno(EROFS));
        }
        match state.faults.syncs {
            Syncs::Work => {
                state.inodes[self.inode].sync();
                return Ok(());
            }
            Syncs::FailOnce => state.faults.syncs = Syncs::Work,
            Syncs::Fail => {}
        }
        state.failed_syncs += 1;
        let evicted = state.random.bool();
        state.inodes[self.inode].fail(evicted);
        Err(errno(EIO))
    }
}
