//! Maintenance of the files: syncing, cursors, reservations, retention. Runs on its own thread, so that a
//! slow disk blocks nothing else.

use std::{
    io,
    path::PathBuf,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle, Thread},
    time::{Duration, Instant},
};

use event::{JournalId, Position, Seq};
use jiff::Timestamp;
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::watch;

mod compaction;
mod dead_letters;
mod erase;
mod replace;

use self::compaction::Compactor;
use crate::{
    cursor::Cursor,
    disk::{
        identity::{Identity, RESERVE},
        repair::Suspect,
        sealed,
        segment::{Header, file_name},
        wakeup::Wakeup,
    },
    fs::{Fs, Lock},
    log::Log,
    recovery::cursor_path,
};

/// Interval of maintenance passes.
const PACE: Duration = Duration::from_secs(1);
/// Time after which a pass counts as stalled: a disk that is merely slow is faster.
const STALLED: Duration = Duration::from_secs(30);
/// Seconds that `seen` may lag on disk while only pings arrive.
const SEEN: i64 = 5;

/// State shared by all handles.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) id: JournalId,
    pub(super) sources: Arc<[String]>,
    log: Mutex<Log>,
    pub(super) end: watch::Sender<Position>,
    pub(super) synced: watch::Sender<Position>,
    /// Sends when compaction makes progress.
    pub(super) compacted: watch::Sender<()>,
    pub(super) always: bool,
    pub(super) disk: Option<OnDisk>,
    /// Held while syncing: Linux reports a failed sync only once, so a concurrent one would wrongly succeed.
    syncing: Mutex<()>,
    dirty: AtomicBool,
    /// Number of erasures, after which entries that were read ahead are stale.
    erasures: AtomicU64,
    stopped: AtomicBool,
    thread: OnceLock<Thread>,
    /// Start of the thread's last round.
    round: Mutex<Instant>,
}

/// On-disk part of a journal, apart from its segments.
#[derive(Debug)]
pub(super) struct OnDisk {
    pub(super) fs: Arc<dyn Fs>,
    pub(super) dir: PathBuf,
    state: Mutex<Files>,
    /// Held while a segment's file is replaced.
    compactor: Mutex<Compactor>,
    /// Wakes the compaction thread.
    pub(super) wakeup: Arc<Wakeup>,
    _lock: Box<dyn Lock>,
}

/// Content of the small files as last written.
#[derive(Debug)]
struct Files {
    identity: Identity,
    cursors: Vec<Option<Cursor>>,
}

impl Shared {
    pub(super) fn new(id: JournalId, sources: Arc<[String]>, log: Log, always: bool) -> Self {
        Self {
            id,
            sources,
            end: watch::Sender::new(log.end()),
            synced: watch::Sender::new(log.end()),
            compacted: watch::Sender::default(),
            log: Mutex::new(log),
            always,
            disk: None,
            syncing: Mutex::new(()),
            dirty: AtomicBool::new(false),
            erasures: AtomicU64::new(0),
            stopped: AtomicBool::new(false),
            thread: OnceLock::new(),
            round: Mutex::new(Instant::now()),
        }
    }

    pub(super) fn on(self, fs: Arc<dyn Fs>, dir: PathBuf, identity: Identity, lock: Box<dyn Lock>) -> Self {
        let cursors = self.log().sinks.iter().map(|_| None).collect();
        let state = Mutex::new(Files { identity, cursors });
        let wakeup = self.log().store.as_ref().map(|store| Arc::clone(&store.wakeup)).unwrap_or_default();
        let compactor = Mutex::default();
        Self { disk: Some(OnDisk { fs, dir, state, compactor, wakeup, _lock: lock }), ..self }
    }

    pub(super) fn log(&self) -> MutexGuard<'_, Log> {
        // The log is consistent wherever its code may unwind, so poisoning is not needed.
        self.log.lock()
    }

    pub(super) fn stalled_for(&self) -> Option<Duration> {
        // Without a thread nothing can stall.
        self.thread.get()?;
        let since = self.round.lock().elapsed();
        (since > STALLED).then_some(since)
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }

    /// Returns the number of erasures so far.
    pub(super) fn erasures(&self) -> u64 {
        self.erasures.load(Ordering::Acquire)
    }

    fn note_erasure(&self) {
        self.erasures.fetch_add(1, Ordering::Release);
    }

    /// Notifies the thread that there is something to sync.
    pub(super) fn wake(&self) {
        if !self.dirty.swap(true, Ordering::AcqRel)
            && let Some(thread) = self.thread.get()
        {
            thread.unpark();
        }
    }

    /// Syncs written entries.
    pub(super) fn sync(&self) {
        let _alone = self.syncing.lock();
        self.log().retry();
        let Some((files, end)) = self.log().store.as_ref().map(crate::disk::store::Store::to_sync) else {
            return;
        };
        let result = files.iter().try_for_each(|file| file.sync());
        let mut log = self.log();
        match result {
            Ok(()) => {
                if let Some(store) = &mut log.store {
                    store.note_synced(end);
                    store.unconfirmed &= store.failure.is_some() || files.is_empty();
                }
            }
            Err(error) => log.sync_failed(&error),
        }
        let synced = log.store.as_ref().map_or(end, |store| store.synced);
        drop(log);
        self.synced.send_replace(synced);
    }

    /// Runs a maintenance pass, except for syncing.
    pub(super) fn keep(&self) {
        let Some(disk) = &self.disk else { return };
        {
            let mut log = self.log();
            log.retry();
            log.flush();
            let now = log.now();
            log.expire(now);
            let passed = log.passed();
            if let Some(store) = &mut log.store {
                store.tidy(passed, Instant::now());
                if store.is_mostly_empty()
                    && let Some(mut compactor) = disk.compactor.try_lock()
                {
                    compactor.forget();
                }
            }
        }
        let reserved = self.reserve(disk, &mut disk.state.lock());
        match reserved.and(self.write_cursors()) {
            Ok(()) => {
                self.log().report_recovered();
                if let Ok(room) = disk.fs.room(&disk.dir) {
                    self.log().note_room(&disk.dir, room);
                }
            }
            Err(error) => self.log().report_cursor_failure(&error),
        }
    }

    /// Writes the cursors that have changed.
    pub(super) fn write_cursors(&self) -> io::Result<()> {
        let Some(disk) = &self.disk else { return Ok(()) };
        // Locked first, so that no older cursor overwrites a newer one.
        let mut state = disk.state.lock();
        let (end, cursors): (Position, Vec<(String, Cursor)>) = {
            let mut log = self.log();
            log.flush();
            (log.end(), log.sinks.iter().map(|sink| (sink.name.clone(), sink.cursor.clone())).collect())
        };
        let mut result = Ok(());
        for (index, (name, cursor)) in cursors.into_iter().enumerate() {
            let Some(known) = state.cursors.get_mut(index) else { continue };
            let charged = known.as_ref().map_or(cursor.charged, |known| known.charged);
            let cursor = Cursor { charged, ..cursor };
            if known.as_ref() != Some(&cursor) {
                // Everything refused before `end` is in this cursor's ledger.
                let cursor = Cursor { charged: end, ..cursor };
                let written = sealed::write(&*disk.fs, &cursor_path(&disk.dir, &name), "cursor", &cursor);
                match written {
                    Ok(()) => *known = Some(cursor),
                    Err(error) => result = Err(error),
                }
            }
        }
        result
    }

    /// Keeps reservations ahead of the assigned numbers, and `seen` up to date on disk.
    fn reserve(&self, disk: &OnDisk, state: &mut Files) -> io::Result<()> {
        let progress = self.log().progress.clone();
        let mut identity = state.identity.clone();
        for (index, progress) in progress.iter().enumerate() {
            let Some(source) = identity.source_mut(index) else { continue };
            if progress.next.0 + RESERVE / 2 > source.reserved.0 {
                source.reserved = Seq(progress.next.0 + RESERVE);
            }
            let lag = |seen: Timestamp| {
                source.seen.is_none_or(|known| (seen.as_second() - known.as_second()).abs() >= SEEN)
            };
            if progress.seen.is_some_and(lag) {
                source.seen = progress.seen;
            }
        }
        if identity != state.identity {
            identity.write(&*disk.fs, &disk.dir)?;
            state.identity = identity;
        }
        Ok(())
    }

    pub(super) fn close(&self) {
        let Some(disk) = &self.disk else { return };
        let mut state = disk.state.lock();
        let log = self.log();
        let clean = !log.is_disk_failing();
        for (source, progress) in state.identity.sources.iter_mut().zip(&log.progress) {
            source.seen = progress.seen;
        }
        drop(log);
        state.identity.clean = clean;
        if let Err(error) = state.identity.write(&*disk.fs, &disk.dir) {
            tracing::warn!(%error, "could not write the clean-shutdown marker; the next start will run crash recovery");
        }
    }

    /// Repairs a segment that a reader found damaged. Returns whether its file was replaced or truncated
    /// since the reader opened it.
    pub(super) fn repair(&self, (generation, revision): (u64, u32)) -> io::Result<bool> {
        let Some(disk) = &self.disk else { return Ok(false) };
        let _alone = disk.compactor.lock();
        let (file, next) = {
            let mut log = self.log();
            // Buffered entries belong to the newest segment, which is sealed below if it is the damaged one.
            log.flush();
            let next = log.next_of(generation);
            let Some(store) = &mut log.store else { return Ok(false) };
            if store.segments.back().is_some_and(|active| active.generation == generation) {
                store.sealed = true;
            }
            let Some(segment) = store.segments.iter().find(|segment| segment.generation == generation) else {
                return Ok(true);
            };
            if segment.revision != revision {
                return Ok(true);
            }
            (Arc::clone(&segment.file), next)
        };
        let (header, start) = Header::read(&*file).map_err(io::Error::other)?;
        let path = disk.dir.join("segments").join(file_name(generation));
        let (fs, dir, next) = (&*disk.fs, &*disk.dir, next.as_ref());
        let mut notes = Vec::new();
        let repaired =
            Suspect { fs, dir, path: &path, file, header: &header, start, next }.repair(&mut notes)?;
        let is_changed = !notes.is_empty();
        if is_changed && let Some(store) = &mut self.log().store {
            store.replace(generation, &repaired);
        }
        for note in notes {
            tracing::error!(note, "the journal was damaged");
        }
        Ok(is_changed)
    }
}

/// Handle of the maintenance and compaction threads.
#[derive(Debug)]
pub(super) struct Maintenance {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

impl Maintenance {
    pub(super) fn start(shared: &Arc<Shared>, interval: Duration) -> Self {
        let of_thread = Arc::clone(shared);
        let syncing =
            thread::Builder::new().name("journal".to_owned()).spawn(move || run(&of_thread, interval));
        if let Ok(thread) = &syncing {
            let _ = shared.thread.set(thread.thread().clone());
        }
        let compacts = shared.log().store.as_ref().is_some_and(|store| store.limits.compacts);
        let compacting = compacts.then(|| {
            let shared = Arc::clone(shared);
            thread::Builder::new().name("journal-compact".to_owned()).spawn(move || shared.run_compaction())
        });
        let mut threads = Vec::new();
        for spawned in std::iter::once(syncing).chain(compacting) {
            match spawned {
                Ok(thread) => threads.push(thread),
                Err(error) => tracing::error!(
                    %error,
                    "cannot start a journal thread: records are not synced before shutdown, or a full journal is not compacted"
                ),
            }
        }
        Self { shared: Arc::clone(shared), threads }
    }
}

fn run(shared: &Shared, interval: Duration) {
    let mut kept = Instant::now();
    // Since when there is something to sync.
    let mut waits: Option<Instant> = None;
    while !shared.is_stopped() {
        *shared.round.lock() = Instant::now();
        if waits.is_none() && shared.dirty.load(Ordering::Acquire) {
            waits = Some(Instant::now());
        }
        if waits.is_some_and(|since| since.elapsed() >= interval) {
            waits = None;
            shared.dirty.store(false, Ordering::Release);
            shared.sync();
        }
        if kept.elapsed() >= PACE {
            kept = Instant::now();
            shared.keep();
        }
        let rest = PACE.saturating_sub(kept.elapsed());
        thread::park_timeout(waits.map_or(rest, |since| rest.min(interval.saturating_sub(since.elapsed()))));
    }
}

impl Drop for Maintenance {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::Release);
        if let Some(disk) = &self.shared.disk {
            disk.wakeup.notify();
        }
        for thread in self.threads.drain(..) {
            thread.thread().unpark();
            let _ = thread.join();
        }
    }
}
