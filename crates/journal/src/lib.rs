//! The one durable line between sessions and sinks.
//!
//! ```text
//! session(a) ──Live::commit──▶ ┌────────────── line ──────────────┐ ◀──Reader(sink x): next = 7
//! session(b) ──Live::commit──▶ │ 5 │ 6 │ 7 │ 8 │ 9 │ 10 │ … │ end │ ◀──Reader(sink y): next = 10
//!                              └──────────────────────────────────┘
//! ```
//!
//! **What it owns.** The order of all records ([`Position`]), the number of each source's records ([`Seq`]), one cursor
//! and one ledger per sink, and the directory they are kept in.
//!
//! **What it promises.**
//! * Appending never waits for a broker, nor for a reader. What [`Live::commit`] has written survives the process.
//! * A source's numbers rise, and no number that may have left the process is given twice, whatever was lost.
//! * No event precedes the `gap` of its session: [`Ingest::begin`] consumes the ingest and appends the
//!   gap; only the [`Live`] it returns takes events.
//! * A record is kept until every cursor has passed it (and on disk for `retain` longer), or until a bound demands its
//!   place: superseded states go first (`compaction`), then the oldest. What a sink then misses is counted in its ledger and announced on the line (`lost`).
//! * For every source and sink, at any time: `received = published + filtered + dead-lettered + pending + lost`.
//! * Every number takes a place in the log: a record, or an [`Absence`] that says why there is none (skipped at a start,
//!   refused, lost). So positions and each source's numbers are dense, and a loss that was not announced when the process
//!   ended is found again at the next start.
//! * Opening is never refused because of data: what is damaged is set aside, and reported.
//!
//! **What it does not do.** It looks into no record but for the name its quota goes by, and knows no destinations.
//!
//! # On disk
//! ```text
//! lock              held by the one process that may write
//! identity          the journal's name, its sources and sinks, reserved numbers, clean or not         (text, checksummed)
//! segments/N.log    header, then entries: records and absences                                   (see disk::segment, codec)
//! cursors/SINK      the sink's next position, its ledger per source, losses not announced yet          (text, checksummed)
//! quarantine/       what was damaged, as it was found
//! dead/             events that a broker refused for good
//! renamed/NAME/     identity, segments and cursors from before `journal rename`
//! ```
//! Every open creates a segment, with a higher N, unless there are many that hold next to nothing. Entries are appended, and
//! never overwritten in place. Small files and compacted segments are written beside, synced, renamed, their directory
//! synced. Directories are 0700, files 0600.
//!
//! **Recovery.** Segments are read in the order of N; where two hold the same position, the higher N is right. The
//! newest, and all that some sink has not settled, are read through; the others are trusted until a sink reads them.
//! * An incomplete entry at the end is cut off.
//! * A damaged middle: the file moves to `quarantine/`, and a copy takes its place that holds every intact entry, before and
//!   behind the damage, and an absence between them that counts what is gone: `lost`, reason `damaged`. The header of the
//!   segment that follows, and the numbers around the damage, identify the owner of those records. Where they can't, the
//!   loss is announced to every source and charged to none.
//! * A damaged header, identity or cursor: the file moves to `quarantine/`. The identity is rebuilt from the segments;
//!   a sink without its cursor gets everything that is still there.
//! * A file of a later version of the format is refused, untouched. Version N reads N-1.
//!
//! **Numbers** are reserved on disk ahead of use. Each process begins above all that was reserved, and above the clock in
//! microseconds: no number that an earlier process may have given is given again, nor one that a copy of this journal
//! gives. The next `gap` names those that were skipped.
//!
//! **Sync.** Records are written at each commit and synced by a thread of its own; `sync` is how long a power failure
//! may reach back. Delivery does not wait for it: a record that was delivered and then lost is one whose number is skipped.
//!
//! **Disk trouble.** When a write or a sync fails, the line goes on in memory, delivery continues, the part `journal`
//! is failing with the reason, and what no longer fits is dropped and announced. Once a second a new segment is tried,
//! with everything only memory holds. A failed sync is never repeated on the same file.
//!
//! Without a directory it is a memory journal: the same line, whose records do not outlive the process.

mod archive;
pub mod clock;
mod compaction;
mod cursor;
pub(crate) mod disk;
pub(crate) mod entry;
pub mod fs;
#[doc(hidden)]
#[allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "it fails by a panic")]
pub mod fuzz;
mod glance;
mod ingest;
mod keeper;
pub(crate) mod line;
pub mod look;
mod monitor;
mod note;
mod options;
mod reader;
mod rename;
mod search;
mod state_losses;
mod tally;

use std::{fmt::Display, sync::Arc};

use event::{JournalId, Notice, Position, Seq, SinkId, SourceId};
use parking_lot::MutexGuard;

pub use archive::{Archive, Segment, Verified};
pub use cursor::{Cursor, Lane, Ledger, Loss, Settled};
pub use disk::open::{OpenError, Recovery};
pub use entry::{Absence, Entry, Kind, Missing};
pub use glance::{DiskUse, Glance, SinkGlance, SourceGlance};
pub use ingest::{Ingest, Live, Opened};
pub use monitor::{Monitor, Unmonitored};
pub use note::Note;
pub use options::{Options, Sync, WhenFull};
pub use reader::Reader;
pub use rename::{Renamed, Undelivered, rename};
pub use search::Search;
pub use tally::{Announced, Counted, Gaps, OTHER, Recent};

use self::{
    disk::identity::Identity,
    fs::Fs,
    keeper::{Keeper, Shared},
    line::{Line, Sink, Standing},
};

/// A cheap handle; all clones are the same line.
#[derive(Debug, Clone)]
pub struct Journal(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    shared: Arc<Shared>,
    /// Stopped, without a last sync, when the last handle is dropped.
    _keeper: Option<Keeper>,
}

impl Journal {
    /// A new, empty line for these sources and sinks, bounded to `capacity` bytes, in memory alone.
    pub fn memory(capacity: usize, sources: &[String], sinks: &[String]) -> Self {
        let next = Seq(u64::try_from(jiff::Timestamp::now().as_microsecond()).unwrap_or_default());
        let standing = vec![Standing { next, ..Standing::default() }; sources.len()];
        let mut line = Line::new(Position(1), standing.clone(), capacity, WhenFull::DropOldest);
        let cursor = Cursor::new(Position(1), &standing);
        line.sinks = sinks.iter().map(|name| Sink::new(name, cursor.clone())).collect();
        let shared = Shared::new(JournalId::draw(), sources.into(), line, false);
        Self(Arc::new(Inner { shared: Arc::new(shared), _keeper: None }))
    }

    /// A line of records of another one, for one sink to publish again.
    pub fn replay(id: JournalId, sources: &Arc<[String]>, sink: &str, records: Vec<event::Record>) -> Self {
        let line = Line::of(records, sources.len(), sink);
        let shared = Shared::new(id, Arc::clone(sources), line, false);
        Self(Arc::new(Inner { shared: Arc::new(shared), _keeper: None }))
    }

    /// Opens the line in a directory, or begins one there. Blocks.
    pub fn open(
        options: &Options,
        fs: Arc<dyn Fs>,
        sources: &[String],
        sinks: &[String],
        monitor: Arc<dyn Monitor>,
    ) -> Result<(Self, Recovery), OpenError> {
        monitor.active();
        let disk::open::Opened { line, identity, lock, recovery } =
            disk::open::open(options, &fs, sources, sinks, monitor)?;
        let names =
            identity.sources.iter().map(|source: &disk::identity::Source| source.name.clone()).collect();
        let always = options.sync == Sync::Always;
        let shared =
            Shared::new(identity.journal, names, line, always).on(fs, options.dir.clone(), identity, lock);
        let shared = Arc::new(shared);
        let interval = match options.sync {
            Sync::Always => std::time::Duration::ZERO,
            Sync::Every(interval) => interval,
        };
        let keeper = Keeper::start(&shared, interval);
        Ok((Self(Arc::new(Inner { shared, _keeper: Some(keeper) })), recovery))
    }

    /// Its name: half of every event's id.
    pub fn id(&self) -> JournalId {
        self.0.shared.id
    }

    /// Whether what waits outlives the process: there is a directory, and its disk accepts writes.
    pub fn is_durable(&self) -> bool {
        self.0.shared.disk.is_some() && !self.line().is_in_trouble()
    }

    /// Why the disk refuses, and how many of a sink's undelivered records only memory holds meanwhile. `None` while it
    /// does not refuse, and without a directory.
    pub fn at_risk(&self, sink: SinkId) -> Option<(String, u64)> {
        self.line().at_risk(sink.index())
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

    /// The writing end for one source. A source has one session at a time, so take it once.
    pub fn ingest(&self, source: SourceId) -> Ingest {
        Ingest::new(self.clone(), source)
    }

    /// The reading end for one sink.
    pub fn reader(&self, sink: SinkId) -> Reader {
        Reader::new(self.clone(), sink.index(), self.0.shared.end.subscribe())
    }

    /// Appends a notice outside of any session.
    pub fn notice(&self, source: SourceId, notice: &Notice) -> Seq {
        let seq = self.line().notice(source, 0, notice);
        self.commit();
        seq
    }

    /// Announces what was lost since the last call. Blocks for a small write per sink: what a killed process leaves is noted
    /// in the cursors or announced in the log, and never both.
    pub fn announce_losses(&self) {
        if self.line().start_announcing() {
            // A disk that refuses is reported by the next pass. Twice is better than never.
            let _ = self.0.shared.write_cursors();
            self.line().announce_losses();
            self.commit();
        }
    }

    /// The newest number and the newest notice of loss of a source.
    pub fn newest(&self, source: SourceId) -> (Seq, Seq) {
        self.line().newest(source)
    }

    /// The ledger of one source at one sink, and how many of its records wait.
    pub fn ledger(&self, sink: SinkId, source: SourceId) -> (Ledger, u64) {
        self.line().ledger(sink.index(), source)
    }

    /// How often each sink, in the order given at opening, has lost something that told of a source's state.
    pub fn state_losses(&self, source: SourceId) -> tokio::sync::watch::Receiver<Vec<u64>> {
        self.line().state_losses.subscribe(source)
    }

    /// Counts an event that must not reach the line.
    pub fn withhold(&self, source: SourceId) {
        self.line().withhold(source);
    }

    /// Counts a frame that is not an event, and logs the first, second, fourth, eighth … of its source.
    pub fn bad_frame(&self, source: SourceId, reason: impl Display, bytes: usize) {
        let count = self.line().bad_frame(source);
        if count.is_power_of_two() {
            let source = self.source_name(source);
            tracing::warn!(source, count, %reason, bytes, "malformed frame discarded");
        }
    }

    /// How many frames of a source were no events.
    pub fn bad_frames(&self, source: SourceId) -> u64 {
        self.line().bad_frames(source)
    }

    /// How the line stands, for those who look at it.
    pub fn glance(&self) -> Glance {
        self.line().glance()
    }

    /// Since when the keeper's thread has not come round, if that is longer than a slow disk explains.
    pub fn stands_still(&self) -> Option<std::time::Duration> {
        self.0.shared.stands_still()
    }

    /// Keeps a file in `dead/`, if there is a directory; the oldest go when there are too many. Blocks for one small write.
    pub fn bury(&self, name: &str, content: impl FnOnce() -> bytes::Bytes) {
        self.0.shared.bury(name, content);
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
        self.line().flush();
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
            let end = self.line().end();
            // A disk in trouble is not waited for.
            let _ = synced.wait_for(|synced| *synced >= end || self.line().is_in_trouble()).await;
        }
    }

    /// Repairs a damaged segment, by its generation and how often its file was replaced. Whether there is another file now.
    /// Blocks.
    fn repair(&self, file: (u64, u32)) -> std::io::Result<bool> {
        self.0.shared.repair(file)
    }

    fn line(&self) -> MutexGuard<'_, Line> {
        self.0.shared.line()
    }

    /// Writes what was appended, and wakes those who read.
    fn commit(&self) {
        let end = {
            let mut line = self.line();
            line.flush();
            line.end()
        };
        self.0.shared.end.send_replace(end);
        self.0.shared.wake();
    }
}

impl Identity {
    /// The place of a source.
    fn source_mut(&mut self, index: usize) -> Option<&mut disk::identity::Source> {
        self.sources.get_mut(index)
    }
}
