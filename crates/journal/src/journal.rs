//! The journal's handle.

use std::{fmt::Display, sync::Arc, time::Duration};

use event::{JournalId, Notice, Position, Seq, SinkId, SourceId};
use jiff::Timestamp;
use parking_lot::MutexGuard;
use tokio::sync::watch;

use crate::{
    cursor::{Cursor, Ledger},
    derive::Derivation,
    disk::identity,
    fs::Fs,
    log::{Log, Sink},
    maintenance::{Maintenance, Shared},
    monitor::Monitor,
    options::{Options, Sync, WhenFull},
    progress::SourceProgress,
    recovery::{self, OpenError, Recovery},
    stats::Stats,
};

/// A handle that is cheap to clone; all clones share the same log.
#[derive(Debug, Clone)]
pub struct Journal(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    shared: Arc<Shared>,
    /// Stopped without a final sync when the last handle is dropped.
    _maintenance: Option<Maintenance>,
}

impl Journal {
    /// Creates an empty in-memory journal, bounded to `capacity` bytes.
    pub fn memory(capacity: usize, sources: &[String], sinks: &[String]) -> Self {
        let next = Seq(u64::try_from(jiff::Timestamp::now().as_microsecond()).unwrap_or_default());
        let progress = vec![SourceProgress { next, ..SourceProgress::default() }; sources.len()];
        let mut log = Log::new(Position(1), progress.clone(), capacity, WhenFull::DropOldest);
        let cursor = Cursor::new(Position(1), &progress);
        log.sinks = sinks.iter().map(|name| Sink::new(name, cursor.clone())).collect();
        let shared = Shared::new(JournalId::draw(), sources.into(), log, false);
        Self(Arc::new(Inner { shared: Arc::new(shared), _maintenance: None }))
    }

    /// Appends what `derivation` derives. For a journal in memory, before its first record.
    #[must_use]
    pub fn deriving(self, derivation: &Derivation) -> Self {
        self.log().derives = derivation.states(&self.sources());
        self
    }

    /// Appends what follows from the time. Call it at least once a second if anything is derived.
    pub fn tick(&self, at: Timestamp) {
        if self.log().tick(at) {
            self.commit();
        }
    }

    /// Creates an in-memory journal from records of another one, for one sink to publish again.
    pub fn replay(id: JournalId, sources: &Arc<[String]>, sink: &str, records: Vec<event::Record>) -> Self {
        let log = Log::of(records, sources.len(), sink);
        let shared = Shared::new(id, Arc::clone(sources), log, false);
        Self(Arc::new(Inner { shared: Arc::new(shared), _maintenance: None }))
    }

    /// Opens or creates the journal in a directory. Blocks.
    pub fn open(
        options: &Options,
        fs: Arc<dyn Fs>,
        sources: &[String],
        sinks: &[String],
        monitor: Arc<dyn Monitor>,
    ) -> Result<(Self, Recovery), OpenError> {
        Self::open_with(options, fs, sources, sinks, monitor, None)
    }

    /// Same as [`Journal::open`]. Appends what `derivation` derives, first of all what a kill has cut off; without one,
    /// nothing is derived. Call [`Journal::tick`] then. Sources that are no longer derived from end what was going on.
    pub fn open_with(
        options: &Options,
        fs: Arc<dyn Fs>,
        sources: &[String],
        sinks: &[String],
        monitor: Arc<dyn Monitor>,
        derivation: Option<&Derivation>,
    ) -> Result<(Self, Recovery), OpenError> {
        monitor.active();
        let recovery::Opened { log, identity, lock, recovery } =
            recovery::open(options, &fs, sources, sinks, monitor, derivation)?;
        let names = identity.sources.iter().map(|source: &identity::Source| source.name.clone()).collect();
        let always = options.sync == Sync::Always;
        let shared =
            Shared::new(identity.journal, names, log, always).on(fs, options.dir.clone(), identity, lock);
        let shared = Arc::new(shared);
        let interval = match options.sync {
            Sync::Always => Duration::ZERO,
            Sync::Every(interval) => interval,
        };
        let maintenance = Maintenance::start(&shared, interval);
        Ok((Self(Arc::new(Inner { shared, _maintenance: Some(maintenance) })), recovery))
    }

    /// Returns the journal's name: half of every event's id.
    pub fn id(&self) -> JournalId {
        self.0.shared.id
    }

    /// Returns whether pending records survive the process: the journal is on disk, and the disk accepts
    /// writes.
    pub fn is_durable(&self) -> bool {
        self.0.shared.disk.is_some() && !self.log().is_disk_failing()
    }

    /// Returns why the disk rejects writes and how many of a sink's pending records are in memory only.
    /// `None` for a healthy disk and for an in-memory journal.
    pub fn at_risk(&self, sink: SinkId) -> Option<(String, u64)> {
        self.log().at_risk(sink.index())
    }

    /// Returns all source names, indexed by id. Sources keep their ids after they are removed from the
    /// configuration.
    pub fn sources(&self) -> Arc<[String]> {
        Arc::clone(&self.0.shared.sources)
    }

    /// Returns a source's name; empty for an unknown id.
    pub fn source_name(&self, id: SourceId) -> String {
        self.0.shared.sources.get(id.index()).cloned().unwrap_or_default()
    }

    /// Returns a source's id.
    pub fn source(&self, name: &str) -> Option<SourceId> {
        let index = self.0.shared.sources.iter().position(|source| source == name)?;
        u16::try_from(index).ok().map(SourceId)
    }

    /// Appends a notice outside of any session.
    pub fn notice(&self, source: SourceId, notice: &Notice) -> Seq {
        let seq = self.log().notice(source, 0, notice);
        self.commit();
        seq
    }

    /// Appends a notice for every source at once. Returns the position of the first.
    pub fn notice_all(&self, notice: &Notice) -> Position {
        let first = self.log().notice_all(notice);
        self.commit();
        first
    }

    /// Announces the losses since the last call. Blocks for a small write per sink: if the process is killed,
    /// a loss is either in a cursor or announced in the log, never both.
    pub fn announce_losses(&self) {
        if self.log().start_announcing() {
            // The next maintenance pass reports a failing disk. A duplicate announcement is better than none.
            let _ = self.0.shared.write_cursors();
            self.log().announce_losses();
            self.commit();
        }
    }

    /// Returns a source's newest number and the number of its newest notice of loss.
    pub fn newest(&self, source: SourceId) -> (Seq, Seq) {
        self.log().newest(source)
    }

    /// Returns the ledger of a source at a sink, and the number of pending records.
    pub fn ledger(&self, sink: SinkId, source: SourceId) -> (Ledger, u64) {
        self.log().ledger(sink.index(), source)
    }

    /// Watches how often each sink, in the order given at opening, has lost state of a source.
    pub fn state_losses(&self, source: SourceId) -> watch::Receiver<Vec<u64>> {
        self.log().state_losses.subscribe(source)
    }

    /// Counts an event that a filter keeps out of the log.
    pub fn withhold(&self, source: SourceId) {
        self.log().withhold(source);
    }

    /// Starts to compare each event with its entity's previous one, for [`Record::unchanged`](event::Record::unchanged),
    /// or stops. The first event of each entity after this call counts as changed: until then others may have decided
    /// what a sink gets. Off at first.
    pub fn track_changes(&self, is_wanted: bool) {
        self.log().changes.track(is_wanted);
    }

    /// Counts a malformed frame, and logs the first, second, fourth, eighth … of each source.
    pub fn bad_frame(&self, source: SourceId, reason: impl Display, bytes: usize) {
        let count = self.log().bad_frame(source);
        if count.is_power_of_two() {
            let source = self.source_name(source);
            tracing::warn!(source, count, %reason, bytes, "malformed frame discarded");
        }
    }

    /// Returns the number of malformed frames of a source.
    pub fn bad_frames(&self, source: SourceId) -> u64 {
        self.log().bad_frames(source)
    }

    /// Returns statistics for status and metrics.
    pub fn stats(&self) -> Stats {
        self.log().stats()
    }

    /// Returns how long the maintenance thread has been stalled, once that exceeds what a slow disk explains.
    pub fn stalled_for(&self) -> Option<Duration> {
        self.0.shared.stalled_for()
    }

    /// Writes a file to `dead/`, unless the journal is in memory. Removes the oldest files when `dead/`
    /// exceeds its bound. Blocks for a small write.
    pub fn write_dead_letter(&self, name: &str, content: impl FnOnce() -> bytes::Bytes) {
        self.0.shared.write_dead_letter(name, content);
    }

    /// Runs one maintenance pass now: syncs, writes cursors, reserves numbers, removes segments that are no
    /// longer needed, retries a failed disk, and compacts. Blocks.
    pub fn sync(&self) {
        self.0.shared.sync();
        self.0.shared.keep();
        self.0.shared.compact();
    }

    /// Flushes everything and marks the shutdown as clean. Blocks.
    pub fn close(&self) {
        self.log().flush();
        self.0.shared.sync();
        self.0.shared.keep();
        self.0.shared.close();
    }

    /// Waits until committed records are on stable storage, if `sync` is "always". If the journal is almost
    /// full, waits briefly for compaction. Cancel safe.
    pub async fn synced(&self) {
        self.0.shared.wait_for_space().await;
        if self.0.shared.always {
            let mut synced = self.0.shared.synced.subscribe();
            let end = self.log().end();
            // Does not wait for a failing disk.
            let _ = synced.wait_for(|synced| *synced >= end || self.log().is_disk_failing()).await;
        }
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.0.shared
    }

    /// Repairs a damaged segment, identified by its generation and revision. Returns whether the file was
    /// replaced. Blocks.
    pub(crate) fn repair(&self, file: (u64, u32)) -> std::io::Result<bool> {
        self.0.shared.repair(file)
    }

    pub(crate) fn log(&self) -> MutexGuard<'_, Log> {
        self.0.shared.log()
    }

    /// Watches the end of the log.
    pub(crate) fn subscribe(&self) -> watch::Receiver<Position> {
        self.0.shared.end.subscribe()
    }

    /// Writes appended entries and wakes the readers.
    pub(crate) fn commit(&self) {
        let end = {
            let mut log = self.log();
            log.flush();
            log.end()
        };
        self.0.shared.end.send_replace(end);
        self.0.shared.wake();
    }
}
