//! Whether a live session still brings anything.
//!
//! A PBX with queues sends an update of each every minute. A session that is up and brings none for longer is of no
//! use, though its transport answers: its login may have joined no rooms, or the PBX may have lost its telephone
//! system.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::pace::FAR;
use crate::{event::Notice, event::RawEvent, socketio::Deadline};

/// What is known of the feed, across sessions.
#[derive(Debug)]
pub(super) struct Feed {
    /// Nothing for so long is too long. None: it never is.
    after: Option<Duration>,
    /// There are queues, and the account sees them.
    queues: bool,
    /// Sessions that were ended for silence, since an event last came.
    pub(super) silences: u32,
    /// When this session began.
    since: Timestamp,
    /// This session's last event.
    last: Option<Timestamp>,
    /// Events came since [`Feed::settle`].
    fresh: bool,
    /// When the session, or its last event, was.
    quiet_since: Instant,
    deadline: Deadline,
}

impl Feed {
    pub(super) fn new(after: Option<Duration>) -> Self {
        let (since, quiet_since) = (Timestamp::now(), Instant::now());
        Self {
            after,
            queues: false,
            silences: 0,
            since,
            last: None,
            fresh: false,
            quiet_since,
            deadline: Deadline::default(),
        }
    }

    /// A session begins. `sees_queues`: whether the account may see queues.
    pub(super) fn begin(&mut self, sees_queues: bool) {
        self.queues &= sees_queues;
        (self.since, self.last, self.quiet_since) = (Timestamp::now(), None, Instant::now());
    }

    /// There are queues, though none has told of itself yet.
    pub(super) fn has_queues(&mut self) {
        self.queues = true;
    }

    /// An event came.
    pub(super) fn heard(&mut self, frame: &RawEvent) {
        self.queues = self.queues || *frame.name() == *b"queueUpdate";
        self.last = Some(frame.at);
        self.fresh = true;
    }

    /// After all events of one wake-up. Whether they end a silence.
    pub(super) fn settle(&mut self) -> bool {
        if std::mem::take(&mut self.fresh) {
            self.quiet_since = Instant::now();
            return self.silences > 0;
        }
        false
    }

    /// When to call [`Feed::is_silent`] next.
    pub(super) fn due(&self) -> Instant {
        self.deadline.due(self.end())
    }

    /// Whether the silence has lasted too long, and what had arrived by then was read. An event that is arriving, however
    /// slowly, is none.
    pub(super) fn is_silent(&mut self, is_receiving: bool) -> bool {
        let now = Instant::now();
        if is_receiving {
            self.quiet_since = now;
        }
        self.deadline.is_over(self.end(), now)
    }

    /// When the silence has lasted too long. Doubles with each session in vain, up to 16 times: what a new login does
    /// not mend, many won't.
    fn end(&self) -> Instant {
        let after = self.after.filter(|_| self.queues);
        self.quiet_since + after.map_or(FAR, |after| after.saturating_mul(1 << self.silences.min(4)).min(FAR))
    }

    /// The state in a sentence; the same for the whole silence.
    pub(super) fn sentence(&self) -> String {
        let after = humantime::format_duration(self.after.unwrap_or_default());
        format!(
            "the session is up, but the PBX has sent nothing for {after} or longer, though it tells of each queue every \
             minute: does its CTI server still reach the telephone system? (`dead_feed_after` sets the time)"
        )
    }

    pub(super) fn notice(&self, session: u64) -> Notice {
        Notice::FeedSilent { session, since: self.since, last_event: self.last }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{advance, sleep_until};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_feed_is_not_dead_before_what_arrived_is_read() {
        let mut feed = Feed::new(Some(Duration::from_mins(3)));
        feed.has_queues();
        feed.begin(true);
        advance(Duration::from_secs(200)).await;
        assert!(!feed.is_silent(false), "the process was stopped");
        sleep_until(feed.due()).await;
        assert!(feed.is_silent(false));

        feed.begin(true);
        advance(Duration::from_mins(3)).await;
        assert!(!feed.is_silent(true), "an event is arriving");
        advance(Duration::from_secs(179)).await;
        assert!(!feed.is_silent(false));
    }
}
