//! Reads the PBX's state when a session starts, on request, and periodically, to recover what a gap has swallowed.
//!
//! A task beside the session requests one snapshot at a time. From the moment before the request is sent the session records
//! which entities events concern ([`SupersededKeys`]): these are left out of the answer, as the event may be newer. All others
//! are appended as the equivalent events, some at a time, so that events and snapshots interleave in the journal. So the last
//! event of each entity in the journal has its newest state.
//!
//! It never takes something for deleted because an answer does not hold it: a second one, 10 s later, has to confirm that
//! ([`entity_tracker::EntityTracker`]), and an empty answer is ignored, as a PBX that is starting gives one too.

mod backlog;
mod entity_tracker;
mod fetch;
mod losses;
mod report;
mod schedule;
mod snapshot;
mod superseded_keys;

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use tokio::time::{Instant, sleep_until};

use self::{
    backlog::{Backlog, LONGEST},
    entity_tracker::{CONFIRMED_AFTER, EntityTracker, Vanished},
    fetch::{Task, Unread},
    losses::Losses,
    report::Report,
    snapshot::{Item, Sliced, Snapshot},
    superseded_keys::SupersededKeys,
};
use super::{drift::Detector, feed::Feed, retry_policy::FAR, supervisor::Source};
use crate::{
    auth::Account,
    event::{Notice, Origin, RawEvent, ResyncReason},
    health::Component,
    journal::Live,
    request::TriggerReceiver,
    retry::Range,
};

/// Entities appended per turn: bounds how long an event waits behind them.
const CHUNK: usize = 256;
/// Attempts at a snapshot before the others are read, and the delays between them.
const TRIES: u32 = 3;
const RETRY: Range = Range { from: Duration::from_secs(1), to: Duration::from_secs(10) };
/// Notices of vanished entities per snapshot; the next snapshot reports the others.
const VANISHED: usize = 100;

/// Of one source, across its sessions.
pub(super) struct Resync {
    account: Account,
    health: Component,
    on: bool,
    every: Option<Duration>,
    /// The largest answer.
    limit: usize,
    asked: TriggerReceiver,
    /// Time of the next resync, unless one is requested.
    due: Instant,
    entities: BTreeMap<Snapshot, EntityTracker>,
    /// Snapshots with missing entities, and when to confirm that these have vanished.
    to_confirm: BTreeMap<Snapshot, Instant>,
    /// Snapshots that could not be read.
    backlog: Backlog,
    losses: Losses,
    /// The resync in progress.
    run: Option<Run>,
}

struct Run {
    /// The first is the current one.
    left: VecDeque<Snapshot>,
    attempts: u32,
    purpose: Purpose,
    /// Whether the start was announced. A retry is announced only once it succeeds: until then nothing has changed.
    announced: bool,
    /// The token has died once in this run. More logins would not help.
    renewed: bool,
    stage: Stage,
    report: Report,
}

/// The purpose of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    Resync(ResyncReason),
    /// Confirms missing entities. Announces only those that have vanished, and appends nothing.
    Confirm,
}

enum Stage {
    /// Waiting to request the current snapshot.
    Due(Instant),
    Asking(SupersededKeys, Instant, Task),
    Appending(SupersededKeys, std::vec::IntoIter<Item>),
}

/// The next thing that happens.
pub(super) enum Turn {
    Start(Purpose),
    Ask,
    Answer(Result<Sliced, Unread>),
    Append,
}

impl Resync {
    pub(super) fn new(source: &Source) -> Self {
        let config = &source.config;
        Self {
            account: source.account.clone(),
            health: source.health.clone(),
            on: config.resync,
            every: config.resync_interval,
            limit: config.max_frame,
            asked: source.resync.clone(),
            due: Instant::now() + FAR,
            entities: BTreeMap::new(),
            to_confirm: BTreeMap::new(),
            backlog: Backlog::default(),
            losses: Losses::new(source),
            run: None,
        }
    }

    /// Starts a resync for a new session.
    pub(super) fn begin(&mut self, live: &mut Live) {
        self.run = None;
        if self.on {
            self.start(Purpose::Resync(ResyncReason::Connected), live);
        }
    }

    /// Cancels the resync in progress, as the session ends.
    pub(super) fn cancel(&mut self) {
        self.run = None;
    }

    /// Records an event. Without a resync in progress this is one comparison.
    pub(super) fn heard(&mut self, frame: &RawEvent) {
        if let Some(Run { stage: Stage::Asking(superseded, ..) | Stage::Appending(superseded, _), .. }) =
            &mut self.run
        {
            superseded.record(frame);
        }
    }

    /// Waits for the next turn. Cancel safe.
    pub(super) async fn turn(&mut self) -> Turn {
        match &mut self.run {
            None if !self.on => std::future::pending().await,
            None => {
                let confirm = self.to_confirm.values().min().copied();
                let purpose = tokio::select! {
                    () = self.asked.triggered() => Purpose::Resync(ResyncReason::Requested),
                    () = sleep_until(self.due) => Purpose::Resync(ResyncReason::Scheduled),
                    () = self.losses.due() => Purpose::Resync(ResyncReason::Lost),
                    () = until(self.backlog.due()) => Purpose::Resync(ResyncReason::Retried),
                    () = until(confirm) => Purpose::Confirm,
                };
                Turn::Start(purpose)
            }
            Some(run) => match &mut run.stage {
                Stage::Due(at) => {
                    sleep_until(*at).await;
                    Turn::Ask
                }
                Stage::Asking(_, _, task) => Turn::Answer(task.await.unwrap_or_else(|error| {
                    // The panic's message is in the log already, from the panic hook.
                    Err(Unread::Failed(format!("the task that reads it exited unexpectedly: {error}")))
                })),
                Stage::Appending(..) => Turn::Append,
            },
        }
    }

    /// Handles a turn. Does not wait.
    pub(super) fn take(&mut self, turn: Turn, live: &mut Live, feed: &mut Feed, drift: &mut Detector) {
        match turn {
            Turn::Start(purpose) => self.start(purpose, live),
            Turn::Ask => self.ask(),
            Turn::Answer(Ok(sliced)) => self.answered(sliced, live, feed),
            Turn::Answer(Err(unread)) => self.unread(&unread),
            Turn::Append => self.append(live, drift),
        }
        if self.run.as_ref().is_some_and(|run| run.left.is_empty()) {
            self.complete(live);
        }
    }

    fn start(&mut self, purpose: Purpose, live: &mut Live) {
        let now = Instant::now();
        let left = match purpose {
            Purpose::Confirm => {
                let ripe = self.to_confirm.iter().filter(|(_, due)| **due <= now);
                ripe.map(|(snapshot, _)| *snapshot).collect()
            }
            Purpose::Resync(ResyncReason::Retried) => self.backlog.ripe(now),
            Purpose::Resync(reason) => {
                // This one fulfils earlier requests.
                self.asked.clear();
                self.backlog.clear();
                self.losses.resync(reason);
                Snapshot::ALL.to_vec()
            }
        };
        let mut run = Run {
            left: left.into(),
            attempts: 0,
            purpose,
            announced: false,
            renewed: false,
            stage: Stage::Due(now),
            report: Report::new(live.session()),
        };
        if purpose != Purpose::Resync(ResyncReason::Retried) {
            run.announce(live);
        }
        self.run = Some(run);
    }

    /// From here on events count as newer than the answer.
    fn ask(&mut self) {
        let Some(run) = &mut self.run else { return };
        let Some(snapshot) = run.left.front().copied() else { return };
        run.attempts += 1;
        // If it cannot be read, it is added to the backlog.
        self.to_confirm.remove(&snapshot);
        let task = fetch::start(&self.account, snapshot, self.limit);
        run.stage = Stage::Asking(SupersededKeys::new(snapshot), Instant::now(), task);
    }

    fn answered(&mut self, sliced: Sliced, live: &mut Live, feed: &mut Feed) {
        let Some(run) = &mut self.run else { return };
        let Some(snapshot) = run.left.front().copied() else { return };
        let stage = std::mem::replace(&mut run.stage, Stage::Due(Instant::now()));
        let Stage::Asking(superseded, asked, _) = stage else { return };
        run.announce(live);
        self.backlog.settled(snapshot);
        if snapshot == Snapshot::Queues && !sliced.items.is_empty() {
            feed.has_queues();
        }
        let tracker = self.entities.entry(snapshot).or_default();
        for Vanished { event, subject } in
            tracker.take(&sliced.items, asked, |entity| superseded.has_entity(entity), VANISHED)
        {
            live.notice(&Notice::Vanished { event, subject });
        }
        if tracker.is_missing_some() {
            self.to_confirm.insert(snapshot, Instant::now() + CONFIRMED_AFTER);
        }
        run.report.unusable += sliced.unusable;
        if sliced.items.is_empty() {
            run.report.empty.push(snapshot.name());
        }
        let items = if run.purpose == Purpose::Confirm { vec![] } else { sliced.items };
        run.stage = Stage::Appending(superseded, items.into_iter());
    }

    fn append(&mut self, live: &mut Live, drift: &mut Detector) {
        let Some(Run { left, attempts, stage, report, .. }) = &mut self.run else { return };
        let Stage::Appending(superseded, items) = stage else { return };
        let chunk: Vec<Item> = items.by_ref().take(CHUNK).collect();
        if chunk.is_empty() {
            left.pop_front();
            (*attempts, *stage) = (0, Stage::Due(Instant::now()));
            return;
        }
        let current = chunk.into_iter().filter(|item| !report.supersedes(superseded, &item.key));
        let frames: Vec<RawEvent> = current.map(|item| item.frame).collect();
        let found: Vec<Notice> =
            frames.iter().flat_map(|frame| drift.inspect(frame, Origin::Snapshot)).collect();
        live.snapshot(frames);
        for notice in &found {
            live.notice(notice);
        }
    }

    fn unread(&mut self, unread: &Unread) {
        let Some(run) = &mut self.run else { return };
        let Some(snapshot) = run.left.front().copied() else { return };
        let wait = match unread {
            Unread::Transient(_, wait)
                if run.attempts < TRIES && run.purpose != Purpose::Resync(ResyncReason::Retried) =>
            {
                let wait = wait.unwrap_or_default().min(LONGEST);
                Some(RETRY.nth(run.attempts - 1).max(wait))
            }
            Unread::TokenDied(_) if !std::mem::replace(&mut run.renewed, true) => Some(Duration::ZERO),
            _ => None,
        };
        if let Some(wait) = wait {
            tracing::debug!(snapshot = snapshot.name(), ?unread, ?wait, "requesting the snapshot again");
            run.stage = Stage::Due(Instant::now() + wait);
            return;
        }
        // Without a token nothing else can be read, and more logins may lock the account.
        let rest = matches!(unread, Unread::NoToken(_) | Unread::TokenDied(_));
        let unread_count = if rest { run.left.len() } else { 1 };
        for snapshot in run.left.drain(..unread_count) {
            run.report.unread(snapshot, unread);
            self.backlog.failed(snapshot, unread, Instant::now());
        }
        (run.attempts, run.stage) = (0, Stage::Due(Instant::now()));
    }

    fn complete(&mut self, live: &mut Live) {
        let Some(run) = self.run.take() else { return };
        if !matches!(run.purpose, Purpose::Confirm | Purpose::Resync(ResyncReason::Retried)) {
            self.due = Instant::now() + self.every.unwrap_or(FAR);
        }
        self.health.warning("resync", self.backlog.warning());
        if run.announced {
            live.notice(&run.report.completed());
        }
    }
}

impl Run {
    fn announce(&mut self, live: &mut Live) {
        let Purpose::Resync(reason) = self.purpose else { return };
        if !std::mem::replace(&mut self.announced, true) {
            live.notice(&self.report.started(reason, self.left.iter().copied()));
        }
    }
}

/// Waits until `due`; forever if it is `None`.
async fn until(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due).await,
        None => std::future::pending().await,
    }
}
