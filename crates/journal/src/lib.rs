//! The one durable log between sessions and sinks.
//!
//! ```text
//! session(a) ──Live::commit──▶ ┌────────────── log ───────────────┐ ◀──Reader(sink x): next = 7
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
//!   place: superseded states go first (`compaction`), then the oldest. What a sink then misses is counted in its ledger and announced on the log (`lost`).
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
//! **Disk trouble.** When a write or a sync fails, the log goes on in memory, delivery continues, the part `journal`
//! is failing with the reason, and what no longer fits is dropped and announced. Once a second a new segment is tried,
//! with everything only memory holds. A failed sync is never repeated on the same file.
//!
//! Without a directory it is a memory journal: the same log, whose records do not outlive the process.

mod archive;
pub mod clock;
mod counters;
mod cursor;
pub(crate) mod disk;
pub(crate) mod entry;
pub mod fs;
#[doc(hidden)]
#[allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "it fails by a panic")]
pub mod fuzz;
mod ingest;
pub mod inspect;
mod journal;
mod log;
mod maintenance;
mod monitor;
mod note;
mod options;
mod progress;
mod reader;
mod recovery;
mod rename;
mod search;
mod space;
mod state_losses;
mod stats;

pub use archive::{Archive, Segment, Verified};
pub use counters::{Announced, Counted, Gaps, OTHER, Recent};
pub use cursor::{Cursor, Ledger, Loss, Settled, SourceCursor};
pub use entry::{Absence, Entry, Kind, Missing};
pub use ingest::{Ingest, Live, Opened};
pub use journal::Journal;
pub use monitor::{Monitor, Unmonitored};
pub use note::Note;
pub use options::{Options, Sync, WhenFull};
pub use reader::Reader;
pub use recovery::{OpenError, Recovery};
pub use rename::{Renamed, Undelivered, rename};
pub use search::Search;
pub use stats::{DiskUse, SinkStats, SourceStats, Stats};
