//! The durable log between sessions and sinks.
//!
//! ```text
//! session(a) ──Live::commit──▶ ┌────────────── log ───────────────┐ ◀──Reader(sink x): next = 7
//! session(b) ──Live::commit──▶ │ 5 │ 6 │ 7 │ 8 │ 9 │ 10 │ … │ end │ ◀──Reader(sink y): next = 10
//!                              └──────────────────────────────────┘
//! ```
//!
//! **Owns** the order of all records ([`Position`](event::Position)), the numbers of each source's records
//! ([`Seq`](event::Seq)), a cursor and a ledger per sink, and the directory that stores them.
//!
//! **Guarantees**
//! * Appending never waits for a broker or a reader. Records written by [`Live::commit`] survive the process.
//! * A source's numbers rise. A number that may have left the process is never assigned again, whatever is lost.
//! * No event precedes the `gap` of its session: [`Ingest::begin`] consumes the ingest and appends the gap; only the
//!   [`Live`] it returns accepts events.
//! * A record is retained until every cursor has passed it (and on disk for `retain` longer), or until a bound requires
//!   its space: superseded events go first (`maintenance::compaction`), then the oldest. A sink's ledger counts what it
//!   loses, and a `lost` notice announces it.
//! * For every source and sink, at any time: `received = published + filtered + dead-lettered + pending + lost`.
//! * Every number occupies a position in the log: as a record, or in an [`Absence`] that gives the reason (skipped at a
//!   start, refused, lost, erased). Positions and each source's numbers are therefore dense, and a loss that was not announced
//!   before the process ended is found at the next start.
//! * What is derived from a record ([`Derive`]) is appended in the same commit, directly behind it, and once, wherever the
//!   process is killed.
//! * Damaged data never prevents opening: it is set aside and reported.
//!
//! **Does not** interpret records, except for the event name (quotas), the entity (compaction), and whether the data is
//! that of the entity's previous event ([`Journal::track_changes`]). It knows no destinations.
//!
//! # Example
//! ```
//! use journal::{Journal, Opened, Settled};
//! use event::{RawEvent, SinkId, SourceId};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let journal = Journal::memory(1 << 20, &["pbx1".to_owned()], &["bus".to_owned()]);
//! let opened = Opened {
//!     user: "bridge".into(),
//!     profile: None,
//!     sees: vec![],
//!     privacy: None,
//!     may_have_missed: vec![],
//! };
//! let mut live = journal.ingest(SourceId(0)).begin(opened);
//! live.event(RawEvent {
//!     at: jiff::Timestamp::now(),
//!     bytes: r#"42["queueUpdate",{"queue":"401"}]"#.into(),
//!     name: 4..15,
//!     args: 17..32,
//!     argc: 1,
//!     attachments: Box::default(),
//! });
//! live.commit();
//!
//! let mut reader = journal.reader(SinkId(0));
//! let mut records = Vec::new();
//! reader.read(100, &mut records).await;
//! assert_eq!(records.len(), 3, "gap, connected, queueUpdate");
//! reader.settle(records.iter().map(|it| (it.position, it.source, it.seq, Settled::Published)));
//! assert_eq!(reader.pending(), 0);
//! # }
//! ```
//!
//! # On disk
//! ```text
//! lock              held by the process that writes
//! identity          name, sources and sinks, reserved numbers, clean-shutdown marker                 (text, checksummed)
//! segments/N.log    header, head: the state of what is derived, then entries: records and absences   (see disk::segment, codec)
//! cursors/SINK      the sink's next position, its ledger per source, unannounced losses              (text, checksummed)
//! quarantine/       damaged files, as they were found
//! dead/             events that a broker permanently refused
//! renamed/NAME/     identity, segments and cursors from before `journal rename`
//! ```
//! Each open creates a segment with a higher N, unless there are many small ones. Entries are appended and never
//! overwritten in place. Small files and compacted segments are written to a temporary file, synced and renamed, and
//! their directory is synced. Directories have mode 0700, files 0600.
//!
//! **Recovery.** Segments are read in the order of N; where two hold the same position, the higher N takes precedence.
//! The newest one and all that some sink has not settled are read completely; the others are trusted until a sink reads
//! them.
//! * An incomplete entry at the end is truncated.
//! * Damage in the middle: the file moves to `quarantine/` and is replaced by a copy with every intact entry before and
//!   after the damage, and an absence in between: `lost`, reason `damaged`. The header of the next segment and the
//!   numbers around the damage identify the owners of the lost records. If they can't, the loss is announced to every
//!   source and charged to none.
//! * A damaged header, identity or cursor: the file moves to `quarantine/`. The identity is rebuilt from the segments; a
//!   sink without a cursor gets everything that is retained.
//! * A file in a later version of the format is rejected and left unchanged. Format 4 reads 1 to 3.
//! * Derived records: the state of each source is restored from the newest intact head, and the records behind it are folded.
//!   What follows from them and is not there is appended first. Without an intact head, the state starts empty.
//!
//! **Numbers** are reserved on disk before use. Each process starts above all reservations and above the clock in
//! microseconds: it never assigns a number that an earlier process or a copy of this journal may have assigned. The next
//! `gap` lists the skipped numbers.
//!
//! **Sync.** Records are written at each commit and synced by a dedicated thread; `sync` bounds what a power failure can
//! lose. Delivery does not wait for it: the number of a record that was delivered and then lost is skipped.
//!
//! **Erasure.** [`Journal::erase`] removes events of a person: it seals the newest segment and rewrites each one that
//! holds some, in a record or in its head, delivered or not. Absences take their place, which sinks pass as filtered, so consumers see no hole.
//! Each step leaves a valid journal; after a kill the call is repeated. `quarantine/` and `renamed/` are not searched.
//!
//! **Disk failures.** If a write or a sync fails, the log continues in memory, delivery continues, and the component
//! `journal` is failing with the reason. Records that no longer fit are dropped and announced. Once a second the journal
//! tries a new segment with everything that is in memory only. A failed sync is never repeated on the same file.
//!
//! Without a directory the journal is in memory: the same log, but its records do not survive the process.

mod archive;
mod changes;
pub mod clock;
mod counters;
mod cursor;
mod derive;
pub(crate) mod disk;
pub(crate) mod entry;
mod erase;
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

pub use archive::{Archive, Bookmark, SavedStates, Segment, Verified};
pub use counters::{Announced, EventCount, Gaps, OTHER, Recent};
pub use cursor::{Cursor, Ledger, Loss, Settled, SourceCursor};
pub use derive::{Derivation, Derive, Derived, NewState};
pub use entry::{Absence, Entry, Kind, Missing};
pub use erase::Erased;
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
