//! A disk that can be taken away: files in memory, a page cache before what survives, and a journal on it.
//! Content survives a power failure once its file was synced, a name once its directory was.
#![allow(dead_code, reason = "each test file uses its part")]

use std::{
    collections::BTreeMap,
    io,
    ops::Range,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use cti_bridge::journal::fs::{File, Fs, Lock, Room};
use fastrand::Rng;

/// What of the unsynced is there after a power failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Survives {
    Nothing,
    /// The beginning of what was appended to each file, and of what was done to names.
    Prefix,
    /// Pages out of order, zeroes, garbage at the end.
    Anything,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Writes {
    #[default]
    Work,
    /// Take a random part.
    Short,
    /// Fit until so many more bytes; then `ENOSPC`.
    Space(u64),
    /// `EROFS`, also for names.
    ReadOnly,
    /// `EIO`.
    Fail,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Syncs {
    #[default]
    Work,
    /// The next one fails, and what it should have written is gone: as on Linux, a later one does not bring it back.
    FailOnce,
    Fail,
}

/// What doesn't work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Faults {
    pub(crate) writes: Writes,
    pub(crate) syncs: Syncs,
    /// Every read fails with `EIO`.
    pub(crate) reads_fail: bool,
}

/// The disk. Clones are the same.
#[derive(Debug, Clone)]
pub(crate) struct FaultyFs(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    random: Rng,
    boots: u64,
    /// Counts processes: what an earlier one holds is dead.
    life: u64,
    inodes: Vec<Inode>,
    names: BTreeMap<PathBuf, Node>,
    durable: BTreeMap<PathBuf, Node>,
    /// What was done to names since their directories were synced.
    deeds: Vec<Deed>,
    locks: Vec<PathBuf>,
    faults: Faults,
    failed_syncs: u64,
    room: Room,
}

#[derive(Debug, Default)]
struct Inode {
    content: Vec<u8>,
    synced: Vec<u8>,
    /// Dropped by a sync that failed; still read from the cache, perhaps.
    doomed: Vec<Range<usize>>,
}

/// A file's place among the inodes; none for a directory.
type Node = Option<usize>;

/// A name that is made, removed, or both.
#[derive(Debug, Clone)]
struct Deed {
    from: Option<PathBuf>,
    to: Option<PathBuf>,
    node: Node,
}

impl Deed {
    fn dirs(&self) -> impl Iterator<Item = &Path> {
        self.from.iter().chain(&self.to).filter_map(|path| path.parent())
    }

    fn apply(&self, names: &mut BTreeMap<PathBuf, Node>) {
        names.retain(|path, _| Some(path) != self.from.as_ref());
        names.extend(self.to.clone().map(|to| (to, self.node)));
    }
}

const EIO: i32 = 5;
const ENOSPC: i32 = 28;
const EROFS: i32 = 30;

fn errno(code: i32) -> io::Error {
    io::Error::from_raw_os_error(code)
}

impl FaultyFs {
    /// An empty disk, with this directory on it for good.
    pub(crate) fn new(seed: u64, dir: &Path) -> Self {
        let names: BTreeMap<_, _> = dir.ancestors().map(|dir| (dir.to_owned(), None)).collect();
        Self(Arc::new(Mutex::new(State {
            random: Rng::with_seed(seed),
            boots: 1,
            life: 0,
            inodes: Vec::new(),
            durable: names.clone(),
            names,
            deeds: Vec::new(),
            locks: Vec::new(),
            faults: Faults::default(),
            failed_syncs: 0,
            room: Room { total: 1 << 40, free: 1 << 40 },
        })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The disk as the running process sees it.
    pub(crate) fn process(&self) -> Arc<dyn Fs> {
        Arc::new(Process { disk: self.clone(), life: self.state().life })
    }

    pub(crate) fn set(&self, faults: Faults) {
        self.state().faults = faults;
    }

    /// What does not work at the moment.
    pub(crate) fn faults(&self) -> Faults {
        self.state().faults
    }

    /// How many syncs have failed so far.
    pub(crate) fn failed_syncs(&self) -> u64 {
        self.state().failed_syncs
    }

    pub(crate) fn set_room(&self, room: Room) {
        self.state().room = room;
    }

    /// Kill -9.
    pub(crate) fn crash(&self) {
        let mut state = self.state();
        state.life += 1;
        state.locks.clear();
    }

    /// The power fails, and comes back.
    pub(crate) fn power_failure(&self, survives: Survives) {
        let mut state = self.state();
        let state = &mut *state;
        state.life += 1;
        state.boots += 1;
        state.locks.clear();
        let deeds = std::mem::take(&mut state.deeds);
        let kept = if survives == Survives::Nothing { 0 } else { state.random.usize(..=deeds.len()) };
        deeds[..kept].iter().for_each(|deed| deed.apply(&mut state.durable));
        let dirs = state.durable.clone();
        state.durable.retain(|path, _| path.ancestors().all(|above| dirs.contains_key(above)));
        state.names = state.durable.clone();
        for inode in &mut state.inodes {
            let content = inode.survivor(survives, &mut state.random);
            *inode = Inode { content: content.clone(), synced: content, doomed: Vec::new() };
        }
    }

    /// Every file and its content.
    pub(crate) fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let state = self.state();
        let files = state.names.iter().filter_map(|(path, node)| Some((path.clone(), (*node)?)));
        files.map(|(path, inode)| (path, state.inodes[inode].content.clone())).collect()
    }

    /// Changes what a file holds, behind everybody's back.
    pub(crate) fn edit(&self, path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
        let mut state = self.state();
        let inode = state.file(path).unwrap();
        let inode = &mut state.inodes[inode];
        change(&mut inode.content);
        inode.synced = inode.content.clone();
    }
}

impl Inode {
    fn survivor(&self, survives: Survives, random: &mut Rng) -> Vec<u8> {
        // One that was cut, and not synced since, is as it was.
        let tail = self.content.strip_prefix(&self.synced[..]).unwrap_or_default();
        let mut content = self.synced.clone();
        let start = content.len();
        if survives != Survives::Nothing {
            content.extend_from_slice(&tail[..random.usize(..=tail.len())]);
        }
        if survives == Survives::Anything {
            match random.u8(..4) {
                0 => content.truncate(start),
                1 => content.extend((0..random.usize(..300)).map(|_| random.u8(..))),
                2 => content.resize(content.len() + random.usize(..5_000), 0),
                _ => content[start..].chunks_mut(512).step_by(3).for_each(|page| page.fill(0)),
            }
        }
        content
    }

    fn sync(&mut self) {
        self.synced = self.content.clone();
        for range in &self.doomed {
            self.synced[range.clone()].fill(0);
        }
    }

    /// What was not written is marked as if it were.
    fn fail(&mut self, evicted: bool) {
        let range = self.synced.len().min(self.content.len())..self.content.len();
        if evicted {
            self.content[range.clone()].fill(0);
        }
        self.doomed.push(range);
    }
}

impl State {
    fn find(&self, path: &Path) -> io::Result<Node> {
        self.names.get(path).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn file(&self, path: &Path) -> io::Result<usize> {
        self.find(path)?.ok_or_else(|| io::ErrorKind::IsADirectory.into())
    }

    fn deed(&mut self, from: Option<&Path>, to: Option<&Path>, node: Node) -> io::Result<()> {
        if self.faults.writes == Writes::ReadOnly {
            return Err(errno(EROFS));
        }
        if let Some(dir) = to.and_then(Path::parent) {
            self.find(dir)?;
        }
        let deed = Deed { from: from.map(Path::to_owned), to: to.map(Path::to_owned), node };
        deed.apply(&mut self.names);
        self.deeds.push(deed);
        Ok(())
    }

    fn make(&mut self, path: &Path) -> io::Result<usize> {
        if self.names.contains_key(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let inode = self.inodes.len();
        self.deed(None, Some(path), Some(inode))?;
        self.inodes.push(Inode::default());
        Ok(inode)
    }
}

#[derive(Debug, Clone)]
struct Process {
    disk: FaultyFs,
    life: u64,
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
    /// An error once the process is dead.
    fn state(&self) -> io::Result<MutexGuard<'_, State>> {
        let state = self.disk.state();
        if state.life == self.life { Ok(state) } else { Err(errno(EIO)) }
    }

    fn handle(&self, inode: usize, append: bool) -> Arc<dyn File> {
        Arc::new(Handle { process: self.clone(), inode, append })
    }
}

impl Fs for Process {
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
        // A rename between two directories is one deed: it takes along what came before it in both.
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
        Ok(self.state()?.room)
    }

    fn boot(&self) -> String {
        format!("boot-{}", self.disk.state().boots)
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
        let state = self.process.state()?;
        if state.faults.reads_fail {
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
