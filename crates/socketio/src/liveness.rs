//! Detects dead peers.
//!
//! Any received byte proves that the peer is alive, also within an incomplete message: a large one takes minutes.
//! A connection ends by silence, by an unanswered probe, or by a message that never completes.

use std::time::Duration;

use tokio::time::Instant;

use crate::{CloseReason, Options, Probe, deadline::Deadline, stream::Activity};

/// The liveness of one connection.
#[derive(Debug)]
pub(super) struct Liveness {
    /// The longest silence: the server's ping interval plus a margin.
    silence: Duration,
    message: Duration,
    probe: Option<Probe>,
    probing: Probing,
    deadline: Deadline,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Probing {
    /// No probe is outstanding. Trusted once one was answered: a server that answers none is not expected to.
    Idle { trusted: bool },
    /// A probe is outstanding, sent at this time.
    Out { trusted: bool, at: Instant },
}

/// The required action.
#[derive(Debug)]
pub(super) enum Verdict<'a> {
    /// Wait.
    Alive,
    /// Send a probe: the event of this name.
    Probe(&'a str),
    /// Close the connection.
    Dead(CloseReason),
}

impl Liveness {
    pub(super) fn new(ping_interval: Duration, options: &Options) -> Self {
        Self {
            silence: ping_interval.saturating_add(options.margin),
            message: options.message,
            probe: options.probe.clone(),
            probing: Probing::Idle { trusted: false },
            deadline: Deadline::default(),
        }
    }

    /// Records the answer to a probe.
    pub(super) fn answered(&mut self) {
        self.probing = Probing::Idle { trusted: true };
    }

    /// The time to call [`Liveness::judge`] next.
    pub(super) fn due(&self, activity: Activity) -> Instant {
        let end = self.deadline.due(self.end(activity).0);
        match (&self.probe, self.probing) {
            (Some(probe), Probing::Idle { .. }) => end.min(activity.last_read + probe.after),
            _ => end,
        }
    }

    pub(super) fn judge(&mut self, activity: Activity, now: Instant) -> Verdict<'_> {
        let (end, reason) = self.end(activity);
        if self.deadline.is_over(end, now) {
            return Verdict::Dead(reason);
        }
        match (&self.probe, self.probing) {
            (Some(probe), Probing::Idle { trusted }) if now >= activity.last_read + probe.after => {
                self.probing = Probing::Out { trusted, at: now };
                Verdict::Probe(&probe.event)
            }
            _ => Verdict::Alive,
        }
    }

    /// The time at which the connection ends unless something arrives, and the reason.
    fn end(&self, Activity { last_read, message_since }: Activity) -> (Instant, CloseReason) {
        let mut end = (last_read + self.silence, CloseReason::Silent(self.silence));
        // A server that has not answered one may not know the probe: wait for silence instead.
        if let (Some(probe), Probing::Out { trusted: true, at }) = (&self.probe, self.probing) {
            let by = at.max(last_read) + probe.answer;
            if by < end.0 {
                end = (by, CloseReason::ProbeUnanswered(probe.answer));
            }
        }
        if let Some(by) = message_since.map(|since| since + self.message)
            && by < end.0
        {
            end = (by, CloseReason::Incomplete(self.message));
        }
        end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_secs(25);

    struct Line {
        liveness: Liveness,
        start: Instant,
        activity: Activity,
    }

    impl Line {
        fn new() -> Self {
            let start = Instant::now();
            let activity = Activity { last_read: start, message_since: None };
            let ten = Duration::from_secs(10);
            let probe = Some(Probe { event: "ping".to_owned(), after: ten, answer: ten });
            let options = Options { probe, ..Options::default() };
            Self { liveness: Liveness::new(INTERVAL, &options), start, activity }
        }

        fn at(&self, seconds: f64) -> Instant {
            self.start + Duration::from_secs_f64(seconds)
        }

        /// Receives a part of a message.
        fn part(&mut self, seconds: f64) {
            let now = self.at(seconds);
            self.activity.last_read = now;
            self.activity.message_since.get_or_insert(now);
        }

        /// Runs until this time. Returns when and why the peer was declared dead.
        fn run(&mut self, until: f64) -> Option<(f64, String)> {
            loop {
                let due = self.liveness.due(self.activity);
                if due > self.at(until) {
                    return None;
                }
                if let Verdict::Dead(reason) = self.liveness.judge(self.activity, due) {
                    return Some(((due - self.start).as_secs_f64(), reason.to_string()));
                }
            }
        }
    }

    #[test]
    fn silence_ends_a_connection_and_a_trusted_probe_sooner() {
        let mut line = Line::new();
        assert_eq!(line.run(100.0), Some((45.1, "the server was silent for 45s".to_owned())));
        let mut line = Line::new();
        line.liveness.answered();
        let unanswered = "the server did not answer a probe within 10s".to_owned();
        assert_eq!(line.run(100.0), Some((20.1, unanswered)));
    }

    #[test]
    fn without_a_probe_silence_alone_ends_a_connection() {
        let mut line = Line::new();
        line.liveness = Liveness::new(INTERVAL, &Options::default());
        line.liveness.answered();
        assert_eq!(line.run(45.0), None);
        assert_eq!(line.run(100.0), Some((45.1, "the server was silent for 45s".to_owned())));
    }

    #[test]
    fn a_message_that_takes_minutes_keeps_a_connection_alive() {
        let mut line = Line::new();
        line.liveness.answered();
        assert_eq!(line.run(13.0), None);
        for second in 13..300 {
            line.part(f64::from(second));
            assert_eq!(line.run(f64::from(second) + 0.9), None, "{second}");
        }
        line.activity.message_since = None;
        assert_eq!(line.run(1000.0).map(|(at, _)| at), Some(309.1), "the probe is still outstanding");
    }

    #[test]
    fn a_message_that_never_ends_does_not() {
        let mut line = Line::new();
        let mut ended = None;
        for second in 0..1000 {
            line.part(f64::from(second));
            ended = ended.or_else(|| line.run(f64::from(second) + 0.9));
        }
        let (at, reason) = ended.unwrap_or_default();
        assert!((600.0..602.0).contains(&at), "{at}");
        assert!(reason.contains("incomplete"), "{reason}");
    }

    #[test]
    fn after_a_pause_there_is_time_to_read() {
        let mut line = Line::new();
        line.liveness.answered();
        assert_eq!(line.run(12.0), None);
        let wake = line.at(60.0);
        assert!(matches!(line.liveness.judge(line.activity, wake), Verdict::Alive));
        line.part(60.001);
        line.activity.message_since = None;
        assert_eq!(line.run(70.0), None);
        assert!(line.run(71.0).is_some());
    }
}
