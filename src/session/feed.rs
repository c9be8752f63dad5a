//! Detects a live session that no longer delivers events.
//!
//! A PBX with queues sends an update of each queue every minute. A session that receives none for longer is useless although
//! its transport answers: its login may have joined no rooms, or the PBX may have lost its telephone system.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::retry_policy::FAR;
use crate::{event::Notice, event::RawEvent, socketio::Deadline};

/// The state of the feed, across sessions.
#[derive(Debug)]
pub(super) struct Feed {
    /// Limit of the silence. `None` disables the check.
    after: Option<Duration>,
    /// Whether there are queues that the account sees.
    queues: bool,
    /// Sessions that were ended for silence since the last event.
    pub(super) silences: u32,
    /// Start of this session.
    since: Timestamp,
    /// This session's last event.
    last: Option<Timestamp>,
    /// Events came since [`Feed::settle`].
    fresh: bool,
    /// Time of the last event, or of the session's start.
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

    /// Starts a session. `sees_queues`: whether the account may see queues.
    pub(super) fn begin(&mut self, sees_queues: bool) {
        self.queues &= sees_queues;
        (self.since, self.last, self.quiet_since) = (Timestamp::now(), None, Instant::now());
    }

    /// Notes that there are queues, though none has sent an update yet.
    pub(super) fn has_queues(&mut self) {
        self.queues = true;
    }

    /// An event was received.
    pub(super) fn heard(&mut self, frame: &RawEvent) {
        self.queues = self.queues || *frame.name() == *b"queueUpdate";
        self.last = Some(frame.at);
        self.fresh = true;
    }

    /// Called after all events of a wake-up. Returns whether they end a silence.
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

    /// Whether the silence has lasted too long, and all data that had arrived by then was read. An event that is being
    /// received, however slowly, ends the silence.
    pub(super) fn is_silent(&mut self, is_receiving: bool) -> bool {
        let now = Instant::now();
        if is_receiving {
            self.quiet_since = now;
        }
        self.deadline.is_over(self.end(), now)
    }

    /// The end of the allowed silence. The limit doubles with each silent session, up to 16 times: if one new login does not
    /// fix it, many will not either.
    fn end(&self) -> Instant {
        let after = self.after.filter(|_| self.queues);
        self.quiet_since + after.map_or(FAR, |after| after.saturating_mul(1 << self.silences.min(4)).min(FAR))
    }

    /// The state in a sentence, constant during a silence.
    pub(super) fn sentence(&self) -> String {
        let after = humantime::format_duration(self.after.unwrap_or_default());
        format!(
            "the session is up, but the PBX has sent no events for {after} or longer, although it updates each queue every \
             minute: check that its CTI server still reaches the telephone system (`dead_feed_after` sets the limit)"
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
    async fn a_feed_is_not_dead_before_received_data_is_read() {
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
