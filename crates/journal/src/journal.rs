//! The journal's handle.

use std::{fmt::Display, sync::Arc, time::Duration};

use event::{JournalId, Notice, Position, Seq, SinkId, SourceId};
use parking_lot::MutexGuard;
use tokio::sync::watch;

use crate::{
    cursor::{Cursor, Ledger},
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

/// A cheap handle; all clones are the same log.
#[derive(Debug, Clone)]
pub struct Journal(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    shared: Arc<Shared>,
    /// Stopped, without a last sync, when the last handle is dropped.
    _maintenance: Option<Maintenance>,
}

impl Journal {
    /// A new, empty log for these sources and sinks, bounded to `capacity` bytes, in memory alone.
    pub fn memory(capacity: usize, sources: &[String], sinks: &[String]) -> Self {
        let next = Seq(u64::try_from(jiff::Timestamp::now().as_microsecond()).unwrap_or_default());
        let progress = vec![SourceProgress { next, ..SourceProgress::default() }; sources.len()];
        let mut log = Log::new(Position(1), progress.clone(), capacity, WhenFull::DropOldest);
        let cursor = Cursor::new(Position(1), &progress);
        log.sinks = sinks.iter().map(|name| Sink::new(name, cursor.clone())).collect();
        let shared = Shared::new(JournalId::draw(), sources.into(), log, false);
        Self(Arc::new(Inner { shared: Arc::new(shared), _maintenance: None }))
    }

    /// A log of records of another one, for one sink to publish again.
    pub fn replay(id: JournalId, sources: &Arc<[String]>, sink: &str, records: Vec<event::Record>) -> Self {
        let log = Log::of(records, sources.len(), sink);
        let shared = Shared::new(id, Arc::clone(sources), log, false);
        Self(Arc::new(Inner { shared: Arc::new(shared), _maintenance: None }))
    }

    /// Opens the log in a directory, or begins one there. Blocks.
    pub fn open(
        options: &Options,
        fs: Arc<dyn Fs>,
        sources: &[String],
        sinks: &[String],
        monitor: Arc<dyn Monitor>,
    ) -> Result<(Self, Recovery), OpenError> {
        monitor.active();
        let recovery::Opened { log, identity, lock, recovery } =
            recovery::open(options, &fs, sources, sinks, monitor)?;
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

    /// Its name: half of every event's id.
    pub fn id(&self) -> JournalId {
        self.0.shared.id
    }

    /// Whether what waits outlives the process: there is a directory, and its disk accepts writes.
    pub fn is_durable(&self) -> bool {
        self.0.shared.disk.is_some() && !self.log().is_in_trouble()
    }

    /// Why the disk refuses, and how many of a sink's undelivered records only memory holds meanwhile. `None` while it
    /// does not refuse, and without a directory.
    pub fn at_risk(&self, sink: SinkId) -> Option<(String, u64)> {
        self.log().at_risk(sink.index())
    }

    /// Every source's name, by its id. Those that are no longer configured keep theirs.
    pub fn sources(&self) -> Arc<[String]> {
        Arc::clone(&self.0.shared.sources)
    }

    /// A source's name; empty if there is none of this id.
    pub fn source_name(&self, id: SourceId) -> String {
        self.0.shared.sources.get(id.index()).cloned().unwrap_or_default()
    }

    /// A source's id.
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

    /// Announces what was lost since the last call. Blocks for a small write per sink: what a killed process leaves is noted
    /// in the cursors or announced in the log, and never both.
    pub fn announce_losses(&self) {
        if self.log().start_announcing() {
            // A disk that refuses is reported by the next pass. Twice is better than never.
            let _ = self.0.shared.write_cursors();
            self.log().announce_losses();
            self.commit();
        }
    }

    /// The newest number and the newest notice of loss of a source.
    pub fn newest(&self, source: SourceId) -> (Seq, Seq) {
        self.log().newest(source)
    }

    /// The ledger of one source at one sink, and how many of its records wait.
    pub fn ledger(&self, sink: SinkId, source: SourceId) -> (Ledger, u64) {
        self.log().ledger(sink.index(), source)
    }

    /// How often each sink, in the order given at opening, has lost something that told of a source's state.
    pub fn state_losses(&self, source: SourceId) -> watch::Receiver<Vec<u64>> {
        self.log().state_losses.subscribe(source)
    }

    /// Counts an event that must not reach the log.
    pub fn withhold(&self, source: SourceId) {
        self.log().withhold(source);
    }

    /// Counts a frame that is not an event, and logs the first, second, fourth, eighth … of its source.
    pub fn bad_frame(&self, source: SourceId, reason: impl Display, bytes: usize) {
        let count = self.log().bad_frame(source);
        if count.is_power_of_two() {
            let source = self.source_name(source);
            tracing::warn!(source, count, %reason, bytes, "malformed frame discarded");
        }
    }

    /// How many frames of a source were no events.
    pub fn bad_frames(&self, source: SourceId) -> u64 {
        self.log().bad_frames(source)
    }

    /// How the log stands, for those who look at it.
    pub fn stats(&self) -> Stats {
        self.log().stats()
    }

    /// Since when the keeper's thread has not come round, if that is longer than a slow disk explains.
    pub fn stalled_for(&self) -> Option<Duration> {
        self.0.shared.stalled_for()
    }

    /// Keeps a file in `dead/`, if there is a directory; the oldest go when there are too many. Blocks for one small write.
    pub fn write_dead_letter(&self, name: &str, content: impl FnOnce() -> bytes::Bytes) {
        self.0.shared.write_dead_letter(name, content);
    }

    /// One pass of the keeper, now: syncs, writes cursors, reserves numbers, lets go of what is no longer needed, and
    /// tries a disk that had refused; and compacts. Blocks.
    pub fn sync(&self) {
        self.0.shared.sync();
        self.0.shared.keep();
        self.0.shared.compact();
    }

    /// Writes everything, and notes that the stop was a clean one. Blocks.
    pub fn close(&self) {
        self.log().flush();
        self.0.shared.sync();
        self.0.shared.keep();
        self.0.shared.close();
    }

    /// Waits until what was committed is on stable storage, if that is the rule; and, in a journal that is all but full,
    /// a moment for compacting. Cancel safe.
    pub async fn synced(&self) {
        self.0.shared.roomy().await;
        if self.0.shared.always {
            let mut synced = self.0.shared.synced.subscribe();
            let end = self.log().end();
            // A disk in trouble is not waited for.
            let _ = synced.wait_for(|synced| *synced >= end || self.log().is_in_trouble()).await;
        }
    }

    /// Repairs a damaged segment, by its generation and how often its file was replaced. Whether there is another file now.
    /// Blocks.
    pub(crate) fn repair(&self, file: (u64, u32)) -> std::io::Result<bool> {
        self.0.shared.repair(file)
    }

    pub(crate) fn log(&self) -> MutexGuard<'_, Log> {
        self.0.shared.log()
    }

    /// Follows the end of the journal.
    pub(crate) fn subscribe(&self) -> watch::Receiver<Position> {
        self.0.shared.end.subscribe()
    }

    /// Writes what was appended, and wakes those who read.
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
