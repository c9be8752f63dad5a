//! The history of the last hour, for the page's charts: a value per minute for each source and sink, and the last gaps.
//! Bounded to 60 values each. It uses the monotonic clock, so that changes of the system clock do not distort it.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use serde::Serialize;
use tokio::time::Instant;

use super::{
    recent::NoticeStatus,
    status::{Status, View},
};

/// The minutes of an hour.
const MINUTES: usize = 60;
const MINUTE: Duration = Duration::from_mins(1);
/// The time between two samples. A shorter lag may be missed.
const SAMPLE: Duration = Duration::from_secs(10);
/// The limit of remembered gaps: more than a status has notices, so that none is added twice.
const GAPS: usize = 32;
/// The longest period, in minutes, over which the journal's growth is measured; the shortest is one.
const GROWTH: usize = 5;
/// The lag below which the journal is not expected to fill: delivered events are removed.
const BEHIND: f64 = 60.0;
/// The longest time that is reported; a journal that fills more slowly counts as not filling.
const FOREVER: f64 = 366.0 * 86_400.0;

/// The history. Clones share it.
#[derive(Debug, Clone)]
pub(super) struct History(Arc<Mutex<HistoryState>>);

/// One value per minute; the last one is of the current minute.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Hour {
    /// The elapsed seconds of the current minute.
    pub running_seconds: u64,
    /// The events received from each source, oldest minute first.
    pub sources: BTreeMap<String, VecDeque<u64>>,
    /// The largest lag of each sink, in seconds, oldest minute first.
    pub sinks: BTreeMap<String, VecDeque<f64>>,
}

#[derive(Debug)]
struct HistoryState {
    start: Instant,
    /// The minutes since the start.
    minute: u64,
    hour: Hour,
    /// The events of each source up to the last sample.
    totals: BTreeMap<String, u64>,
    /// The size of the journal in bytes, in the first sample of each of the last minutes.
    journal: VecDeque<(Instant, u64)>,
    gaps: VecDeque<NoticeStatus>,
}

impl History {
    /// Creates an empty history that starts now.
    pub(super) fn new() -> Self {
        Self(Arc::new(Mutex::new(HistoryState {
            start: Instant::now(),
            minute: 0,
            hour: Hour::default(),
            totals: BTreeMap::new(),
            journal: VecDeque::new(),
            gaps: VecDeque::new(),
        })))
    }

    /// Adds a status, and completes it with the history.
    pub(super) fn complete(&self, now: Instant, status: &mut Status) {
        let mut kept = self.0.lock();
        kept.add(now, status);
        status.journal.full_at = kept.full_at(now, status);
        status.history = kept.hour.clone();
        status.gaps = kept.gaps.iter().rev().cloned().collect();
    }
}

/// Samples a view forever.
pub(super) async fn sample(view: View) {
    loop {
        // Every status counts as a sample.
        let _ = view.status();
        tokio::time::sleep(SAMPLE).await;
    }
}

impl HistoryState {
    fn add(&mut self, now: Instant, status: &Status) {
        let age = now.saturating_duration_since(self.start);
        let minute = age.as_secs() / MINUTE.as_secs();
        let passed = usize::try_from(minute.saturating_sub(self.minute)).unwrap_or(MINUTES).min(MINUTES);
        self.minute = self.minute.max(minute);
        self.hour.running_seconds = age.as_secs() % MINUTE.as_secs();
        for source in &status.sources {
            let total = self.totals.entry(source.name.clone()).or_default();
            let minutes = self.hour.sources.entry(source.name.clone()).or_insert_with(|| [0].into());
            turn(minutes, passed);
            // Of two concurrent samples, the older one may arrive last.
            if let Some(last) = minutes.back_mut() {
                *last += source.events.saturating_sub(*total);
            }
            *total = source.events.max(*total);
        }
        for sink in &status.sinks {
            let minutes = self.hour.sinks.entry(sink.name.clone()).or_insert_with(|| [0.0].into());
            turn(minutes, passed);
            if let Some(last) = minutes.back_mut() {
                *last = last.max((sink.lag_seconds * 10.0).round() / 10.0);
            }
        }
        if passed > 0 || self.journal.is_empty() {
            self.journal.push_back((now, status.journal.bytes));
            while self.journal.len() > GROWTH + 1 {
                self.journal.pop_front();
            }
        }
        for notice in status.notices.iter().rev().filter(|notice| notice.what == "gap") {
            if !self.gaps.iter().any(|gap| gap.at == notice.at && gap.source == notice.source) {
                self.gaps.push_back(notice.clone());
            }
        }
        while self.gaps.len() > GAPS {
            self.gaps.pop_front();
        }
    }

    /// The time at which the journal will be full at the rate of the last minutes; `None` if it does not fill or no sink lags.
    #[allow(clippy::cast_precision_loss, reason = "an estimate")]
    fn full_at(&self, now: Instant, status: &Status) -> Option<Timestamp> {
        let is_behind = status.sinks.iter().any(|sink| sink.lag_seconds > BEHIND);
        let (then, before) = self.journal.front().filter(|_| is_behind)?;
        let journal = &status.journal;
        let age = now.saturating_duration_since(*then);
        let growth = journal.bytes.checked_sub(*before).filter(|growth| *growth > 0 && age >= MINUTE)?;
        let room = journal.max_bytes.saturating_sub(journal.bytes);
        let seconds = room as f64 * age.as_secs_f64() / growth as f64;
        let left = SignedDuration::try_from_secs_f64(seconds).ok().filter(|_| seconds < FOREVER)?;
        status.now.checked_add(left).ok()
    }
}

/// Starts `passed` new minutes.
fn turn<T: Default>(minutes: &mut VecDeque<T>, passed: usize) {
    for _ in 0..passed {
        minutes.push_back(T::default());
    }
    while minutes.len() > MINUTES {
        minutes.pop_front();
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use serde_json::value::RawValue;

    use super::*;
    use crate::admin::status::{JournalStatus, SinkStatus, SourceStatus};

    fn status(events: u64, lag: f64, bytes: u64) -> Status {
        let journal = JournalStatus {
            id: String::new(),
            durable: true,
            place: "disk",
            health: None,
            bytes,
            max_bytes: 100_000,
            segments: 1,
            memory_bytes: 0,
            full_at: None,
        };
        let source = SourceStatus {
            calls: None,
            name: "pbx1".to_owned(),
            url: String::new(),
            username: String::new(),
            health: None,
            sessions: 1,
            session_ends: BTreeMap::new(),
            gaps: BTreeMap::new(),
            last_seen: None,
            newest_sequence: crate::event::Seq(1),
            events,
            bytes: 0,
            bad_frames: 0,
            account: None,
            drift: Vec::new(),
            drift_counts: BTreeMap::new(),
            by_name: Vec::new(),
        };
        let sink = SinkStatus {
            name: "bus".to_owned(),
            kind: "nats",
            health: None,
            lag_events: 0,
            lag_seconds: lag,
            generation: 1,
            new_rules: None,
            connections: 0,
            failures: 0,
            letters_refused: 0,
            heartbeat: None,
            filtered: BTreeMap::new(),
            ledger: BTreeMap::new(),
            counted: crate::sink::SinkCounts::default(),
        };
        Status {
            instance: String::new(),
            version: "",
            commit: "",
            started: Timestamp::UNIX_EPOCH,
            now: Timestamp::UNIX_EPOCH,
            ready: true,
            reload: None,
            journal,
            sources: vec![source],
            sinks: vec![sink],
            notices: Vec::new(),
            events: Vec::new(),
            gaps: Vec::new(),
            history: Hour::default(),
        }
    }

    fn notice(second: i64, what: &str) -> NoticeStatus {
        let data = Some(RawValue::from_string("{}".to_owned()).unwrap());
        NoticeStatus {
            at: Timestamp::from_second(second).unwrap(),
            source: "pbx1".to_owned(),
            what: what.to_owned(),
            data,
        }
    }

    fn after(history: &History, seconds: u64, mut status: Status) -> Status {
        let start = history.0.lock().start;
        history.complete(start + Duration::from_secs(seconds), &mut status);
        status
    }

    #[test]
    fn events_of_a_minute_and_its_largest_lag_are_counted_once() {
        let history = History::new();
        for (second, events, lag) in
            [(0, 0, 0.0), (10, 30, 4.24), (30, 50, 1.0), (70, 57, 0.0), (65, 55, 0.0), (200, 60, 2.0)]
        {
            after(&history, second, status(events, lag, 0));
        }
        let hour = after(&history, 215, status(61, 0.0, 0)).history;
        assert_eq!(hour.running_seconds, 35);
        assert_eq!(hour.sources["pbx1"], [50, 7, 0, 4]);
        assert_eq!(hour.sinks["bus"], [4.2, 0.0, 0.0, 2.0]);
    }

    #[test]
    fn exactly_one_hour_is_kept() {
        let history = History::new();
        for minute in 0..500 {
            after(&history, minute * 60, status(minute * 10, 0.0, 0));
        }
        let hour = after(&history, 500 * 60 + 1, status(5_000, 0.0, 0)).history;
        assert_eq!((hour.sources["pbx1"].len(), hour.sinks["bus"].len()), (MINUTES, MINUTES));
        assert!(hour.sources["pbx1"].iter().all(|events| *events == 10));
        // After a day of suspension the last hour is empty.
        let hour = after(&history, 86_400, status(5_000, 0.0, 0)).history;
        assert_eq!(hour.sources["pbx1"], [0; MINUTES]);
    }

    #[test]
    fn a_gap_is_kept_once_and_longer_than_its_notice() {
        let history = History::new();
        for second in 0..100 {
            let mut status = status(0, 0.0, 0);
            status.notices =
                vec![notice(second + 1, "connected"), notice(second, "gap"), notice(second - 1, "gap")];
            after(&history, 1, status);
        }
        let gaps = after(&history, 2, status(0, 0.0, 0)).gaps;
        let at: Vec<i64> = gaps.iter().map(|gap| gap.at.as_second()).collect();
        assert_eq!(at, (68..100).rev().collect::<Vec<_>>());
    }

    #[test]
    fn the_fill_time_follows_the_rate_of_the_last_minutes() {
        let history = History::new();
        let full = |second, lag, bytes| {
            let at = after(&history, second, status(0, lag, bytes)).journal.full_at;
            at.map(Timestamp::as_second)
        };
        assert_eq!(full(0, 100.0, 10_000), None);
        assert_eq!(full(30, 100.0, 20_000), None, "half a minute is too short for an estimate");
        // 10,000 bytes a minute, and room for 80,000.
        assert_eq!(full(60, 100.0, 20_000), Some(480));
        assert_eq!(full(60, 59.0, 20_000), None, "no sink is behind");
        assert_eq!(full(90, 100.0, 9_000), None, "it shrinks");
        for minute in 2..10 {
            full(minute * 60, 100.0, 20_000);
        }
        assert_eq!(full(600, 100.0, 20_000), None, "it no longer grows");
        // 5,000 bytes in the five minutes since 360 s, and room for 75,000.
        assert_eq!(full(660, 100.0, 25_000), Some(75 * 60));
    }
}
