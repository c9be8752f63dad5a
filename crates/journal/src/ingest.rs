//! The write side: an [`Ingest`] between sessions, a [`Live`] during one.

use std::fmt::Display;

use event::RawEvent;
use event::{EndReason, GapReason, Notice, Origin, Seq, SourceId};
use jiff::Timestamp;

use crate::journal::Journal;

/// Details of a new session.
#[derive(Debug, Clone)]
pub struct Opened {
    /// The service account.
    pub user: String,
    /// Its profile on the PBX.
    pub profile: Option<String>,
    /// What the account can see.
    pub sees: Vec<String>,
    /// Whether the PBX masks numbers and names for the account; `None` if unknown.
    pub privacy: Option<bool>,
    /// Events that the preceding gap may have hidden.
    pub may_have_missed: Vec<&'static str>,
}

/// A source without a session. Accepts notices only.
#[derive(Debug)]
pub struct Ingest {
    journal: Journal,
    source: SourceId,
}

impl Journal {
    /// Returns the writer of a source. A source has one session at a time, so call this once per source.
    pub fn ingest(&self, source: SourceId) -> Ingest {
        Ingest { journal: self.clone(), source }
    }
}

impl Ingest {
    /// Starts a session: appends `gap` and `connected`. Consumes the ingest, so no event can precede its gap.
    pub fn begin(self, opened: Opened) -> Live {
        let Self { journal, source } = self;
        let Opened { user, profile, sees, privacy, may_have_missed } = opened;
        let session = {
            let mut log = journal.log();
            let now = log.now();
            let (last, _) = log.newest(source);
            let session = log.open_session(source);
            let (reason, from, skipped, certain) = log.before_session(source, now);
            // Numbers skipped immediately before were never published.
            let last = skipped.filter(|(_, to)| *to == last).map_or(last, |(from, _)| Seq(from.0 - 1));
            log.gap(source, reason, from, now);
            log.notice(
                source,
                session,
                &Notice::Gap {
                    reason,
                    from,
                    to: now,
                    last_sequence: (reason != GapReason::Started).then_some(last),
                    skipped,
                    certain,
                    may_have_missed,
                },
            );
            let connected = Notice::Connected { session: session.into(), user, profile, sees, privacy };
            log.notice(source, session, &connected);
            log.seen(source, now);
            session
        };
        journal.commit();
        Live { journal, source, session, batch: Vec::new(), ended: false }
    }

    /// Appends a notice, such as a failed login.
    pub fn notice(&self, notice: &Notice) -> Seq {
        self.journal.notice(self.source, notice)
    }
}

/// A source with a live session.
///
/// Dropping it (a panic in the session's task) ends the session as [`EndReason::Internal`].
#[derive(Debug)]
pub struct Live {
    journal: Journal,
    source: SourceId,
    session: u32,
    batch: Vec<RawEvent>,
    ended: bool,
}

impl Live {
    /// Returns the number of this session, counted per source.
    pub fn session(&self) -> u64 {
        self.session.into()
    }

    /// Buffers an event. It is appended and numbered at the next [`Live::commit`].
    pub fn event(&mut self, frame: RawEvent) {
        self.batch.push(frame);
    }

    /// Counts an event that a filter keeps out of the log.
    pub fn withhold(&self) {
        self.journal.withhold(self.source);
    }

    /// Counts a malformed frame; see [`Journal::bad_frame`].
    pub fn bad_frame(&self, reason: impl Display, bytes: usize) {
        self.journal.bad_frame(self.source, reason, bytes);
    }

    /// Appends the buffered events in order and wakes the readers. Never waits for a broker.
    pub fn commit(&mut self) {
        let Some(newest) = self.batch.last().map(|frame| frame.at) else { return };
        {
            let mut log = self.journal.log();
            log.seen(self.source, newest);
            for frame in self.batch.drain(..) {
                log.event(self.source, self.session, Origin::Live, frame);
            }
        }
        self.journal.commit();
    }

    /// Appends events derived from a REST response, after the buffered ones.
    pub fn snapshot(&mut self, frames: impl IntoIterator<Item = RawEvent>) {
        self.commit();
        {
            let mut log = self.journal.log();
            for frame in frames {
                log.event(self.source, self.session, Origin::Snapshot, frame);
            }
        }
        self.journal.commit();
    }

    /// Waits until committed records are on stable storage, if `sync` is "always". If the journal is almost
    /// full, waits briefly for compaction. Cancel safe.
    pub async fn synced(&self) {
        self.journal.synced().await;
    }

    /// Records that the session was gap-free at this moment, although no event arrived.
    pub fn seen(&self, at: Timestamp) {
        self.journal.log().seen(self.source, at);
    }

    /// Appends a notice after the buffered events.
    pub fn notice(&mut self, notice: &Notice) {
        self.commit();
        self.journal.notice(self.source, notice);
    }

    /// Ends the session: commits and appends `disconnected`.
    pub fn end(mut self, reason: EndReason, detail: String) -> Ingest {
        self.finish(reason, detail);
        Ingest { journal: self.journal.clone(), source: self.source }
    }

    fn finish(&mut self, reason: EndReason, detail: String) {
        self.ended = true;
        let session = self.session.into();
        self.notice(&Notice::Disconnected { session, reason, detail });
        self.journal.log().close_session(self.source, reason);
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        if !self.ended {
            self.finish(EndReason::Internal, "the session's task exited unexpectedly".to_owned());
        }
    }
}
