//! A simulated disk with faults: files in memory, and a page cache in front of what survives. Content
//! survives a power failure once its file was synced, a name once its directory was.

mod process;

use std::{
    collections::BTreeMap,
    io,
    ops::Range,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use fastrand::Rng;
use jiff::Timestamp;
use journal::fs::Fs;
use process::Process;

/// What of the unsynced data survives a power failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Survives {
    Nothing,
    /// A prefix of what was appended to each file and of the name operations.
    Prefix,
    /// Pages out of order, zeroes, garbage at the end.
    Anything,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Writes {
    #[default]
    Work,
    /// Write a random part.
    Short,
    /// Succeed for so many more bytes, then fail with `ENOSPC`.
    Space(u64),
    /// Fail with `EROFS`, also for names.
    ReadOnly,
    /// Fail with `EIO`.
    Fail,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Syncs {
    #[default]
    Work,
    /// The next sync fails and its data is lost: as on Linux, a later sync does not restore it.
    FailOnce,
    Fail,
}

/// Injected faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Faults {
    pub writes: Writes,
    pub syncs: Syncs,
    /// Every read fails with `EIO`.
    pub reads_fail: bool,
}

/// The disk. Clones share it.
#[derive(Debug, Clone)]
pub struct FaultyFs(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    random: Rng,
    /// Number of the process; file handles of earlier ones are dead.
    life: u64,
    inodes: Vec<Inode>,
    names: BTreeMap<PathBuf, Node>,
    durable: BTreeMap<PathBuf, Node>,
    /// Name operations since their directories were synced.
    deeds: Vec<Deed>,
    locks: Vec<PathBuf>,
    /// Time of day; `None` for the real one.
    now: Option<Timestamp>,
    faults: Faults,
    /// Reads block forever.
    reads_hang: bool,
    failed_syncs: u64,
    failed_reads: u64,
    /// Number of calls until the process is killed.
    calls_left: Option<u64>,
}

#[derive(Debug, Default)]
struct Inode {
    content: Vec<u8>,
    synced: Vec<u8>,
    /// Ranges dropped by a failed sync that may still be read from the cache.
    doomed: Vec<Range<usize>>,
}

/// Index of a file's inode; `None` for a directory.
type Node = Option<usize>;

/// A name that is created, removed, or both.
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
    /// Creates an empty disk with this permanent directory.
    pub fn new(seed: u64, dir: &Path) -> Self {
        let names: BTreeMap<_, _> = dir.ancestors().map(|dir| (dir.to_owned(), None)).collect();
        Self(Arc::new(Mutex::new(State {
            random: Rng::with_seed(seed),
            life: 0,
            inodes: Vec::new(),
            durable: names.clone(),
            names,
            deeds: Vec::new(),
            locks: Vec::new(),
            now: None,
            faults: Faults::default(),
            reads_hang: false,
            failed_syncs: 0,
            failed_reads: 0,
            calls_left: None,
        })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the disk as the running process sees it.
    pub fn process(&self) -> Arc<dyn Fs> {
        Arc::new(Process { disk: self.clone(), life: self.state().life })
    }

    /// Sets the clock, which stands still then.
    pub fn set_time(&self, now: Timestamp) {
        self.state().now = Some(now);
    }

    pub fn set(&self, faults: Faults) {
        self.state().faults = faults;
    }

    /// Returns the current faults.
    pub fn faults(&self) -> Faults {
        self.state().faults
    }

    /// Blocks all reads, or unblocks them.
    pub fn hang_reads(&self, hang: bool) {
        self.state().reads_hang = hang;
    }

    /// Returns the number of failed syncs so far.
    pub fn failed_syncs(&self) -> u64 {
        self.state().failed_syncs
    }

    /// Returns the number of failed reads so far.
    pub fn failed_reads(&self) -> u64 {
        self.state().failed_reads
    }

    /// Kills the process (SIGKILL).
    pub fn crash(&self) {
        self.state().kill();
    }

    /// Kills the process after so many more calls; `None` disables it.
    pub fn crash_after(&self, calls: Option<u64>) {
        self.state().calls_left = calls;
    }

    /// Returns whether that has happened.
    pub fn has_crashed(&self) -> bool {
        self.state().calls_left == Some(0)
    }

    /// Simulates a power failure and a restart.
    pub fn power_failure(&self, survives: Survives) {
        let mut state = self.state();
        let state = &mut *state;
        state.life += 1;
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

    /// Returns every file and its content.
    pub fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let state = self.state();
        let files = state.names.iter().filter_map(|(path, node)| Some((path.clone(), (*node)?)));
        files.map(|(path, inode)| (path, state.inodes[inode].content.clone())).collect()
    }

    /// Modifies a file's content directly.
    pub fn edit(&self, path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
        let mut state = self.state();
        let inode = state.file(path).unwrap();
        let inode = &mut state.inodes[inode];
        change(&mut inode.content);
        inode.synced = inode.content.clone();
    }
}

impl Inode {
    fn survivor(&self, survives: Survives, random: &mut Rng) -> Vec<u8> {
        // A file that was truncated and not synced since has its old content.
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

    /// Marks data that was not written as written.
    fn fail(&mut self, evicted: bool) {
        let range = self.synced.len().min(self.content.len())..self.content.len();
        if evicted {
            self.content[range.clone()].fill(0);
        }
        self.doomed.push(range);
    }
}

impl State {
    fn kill(&mut self) {
        self.life += 1;
        self.locks.clear();
    }

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
