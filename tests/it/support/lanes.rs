//! A journal delivered to a simulated broker with several partitions and links that break.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use cti_bridge::{
    event::{JournalId, Mark, Notice, Position, RawEvent, Seq, SinkId, SourceId},
    health::Board,
    journal::{self, Journal, Live, Opened, WhenFull, fs},
    retry::Range,
    route::{Names, Plan, Rules},
    shutdown::Stop,
    sink::{
        Acked, Context, Driver, Link, Options, Outcome, Outgoing, Partitions, Process, Sink, SinkError,
        Stored, Tail,
    },
};
use jiff::Timestamp;

/// The sources; two of them share a partition.
pub(crate) const SOURCES: [&str; 4] = ["a", "b", "c", "d"];
pub(crate) const LANES: usize = 3;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    Source,
    Entity,
    /// One partition for all, as a stream.
    Nothing,
}

impl By {
    pub(crate) fn partitions(self, names: &Names) -> Partitions {
        match (self, &names.subject) {
            (Self::Nothing, _) => Partitions::One(0),
            (Self::Source, _) => {
                Partitions::One(SOURCES.iter().position(|it| *it == names.source_name()).unwrap() % LANES)
            }
            (Self::Entity, Some(subject)) => {
                Partitions::One(usize::from(*subject.as_bytes().last().unwrap()) % LANES)
            }
            (Self::Entity, None) => Partitions::Every,
        }
    }
}

/// The numbers of each source, as assigned by the last journal.
pub(crate) fn newest(lane: &[Kept]) -> Vec<Stored> {
    let mut newest: BTreeMap<&str, Stored> = BTreeMap::new();
    let journal = lane.last().map(|kept| kept.journal);
    for kept in lane.iter().rev().take(200).filter(|kept| Some(kept.journal) == journal) {
        let stored = kept.stored();
        let newest = newest.entry(&kept.source).or_insert_with(|| stored.clone());
        if newest.seq < stored.seq {
            *newest = stored;
        }
    }
    newest.into_values().collect()
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Kept {
    pub(crate) source: String,
    pub(crate) journal: JournalId,
    pub(crate) seq: Seq,
    pub(crate) prev: Seq,
    pub(crate) time: Timestamp,
    pub(crate) what: String,
    pub(crate) subject: Option<String>,
}

impl Kept {
    /// The stored time in microseconds, as a broker returns it.
    pub(crate) fn stored(&self) -> Stored {
        Stored {
            source: self.source.clone(),
            journal: self.journal,
            seq: self.seq,
            time: Timestamp::from_microsecond(self.time.as_microsecond()).unwrap(),
            ty: self.what.clone(),
            location: "lane".to_owned(),
            place: "#1".to_owned(),
        }
    }
}

/// The content of the broker's partitions.
pub(crate) type Store = Arc<Mutex<[Vec<Kept>; LANES]>>;

/// A broker whose links break after a number of records; `None` means never.
#[derive(Clone)]
pub(crate) struct Broker {
    pub(crate) by: By,
    pub(crate) lanes: Store,
    pub(crate) breaks: Arc<dyn Fn() -> Option<usize> + Send + Sync>,
    /// Evidence of another writer, if any.
    pub(crate) rival: Arc<Mutex<Option<String>>>,
}

pub(crate) struct Connection {
    pub(crate) by: By,
    pub(crate) lanes: Store,
    left: Option<usize>,
    acked: VecDeque<Position>,
}

impl Sink for Broker {
    type Link = Connection;

    async fn open(&self) -> Result<(Connection, Tail), SinkError> {
        let tail = {
            let lanes = self.lanes.lock().unwrap();
            match self.by {
                By::Nothing => {
                    Tail::Partitions(vec![lanes[0].last().map(Kept::stored).into_iter().collect()])
                }
                _ => Tail::Partitions(lanes.iter().map(|kept| newest(kept)).collect()),
            }
        };
        let (lanes, left) = (Arc::clone(&self.lanes), (self.breaks)());
        Ok((Connection { by: self.by, lanes, left, acked: VecDeque::new() }, tail))
    }

    async fn rival(&self, _: &mut Connection, _: Process, _: Duration) -> Result<Option<String>, SinkError> {
        Ok(self.rival.lock().unwrap().clone())
    }
}

impl Link for Connection {
    fn partitions(&self, names: &Names) -> Partitions {
        self.by.partitions(names)
    }

    /// Sends a batch. A link that breaks leaves a prefix of each partition's share and acknowledges none of it.
    async fn send(&mut self, batch: &[Outgoing<'_>]) -> Result<(), SinkError> {
        let breaks = self.left.is_some_and(|left| left < batch.len());
        let mut shares: BTreeMap<usize, Vec<Kept>> = BTreeMap::new();
        for outgoing in batch {
            let Mark::Numbered { seq, prev } = outgoing.event.mark else { continue };
            let kept = Kept {
                journal: outgoing.event.journal,
                seq,
                prev,
                time: outgoing.event.time,
                what: outgoing.names.ty.clone(),
                subject: outgoing.names.subject.clone(),
                source: outgoing.names.source_name().to_owned(),
            };
            shares.entry(outgoing.partition).or_default().push(kept);
        }
        for (lane, share) in shares {
            let stored = if breaks { fastrand::usize(..=share.len()) } else { share.len() };
            self.lanes.lock().unwrap()[lane].extend(share.into_iter().take(stored));
        }
        if breaks {
            return Err(SinkError::Again("cut".into()));
        }
        self.left = self.left.map(|left| left - batch.len());
        self.acked.extend(batch.iter().filter_map(|outgoing| outgoing.position));
        Ok(())
    }

    async fn acked(&mut self) -> Result<Acked, SinkError> {
        // Acknowledgements come late or never.
        match self.acked.pop_front() {
            Some(through) => Ok(Acked { through, refused: None }),
            None => std::future::pending().await,
        }
    }

    async fn close(self) {}
}

pub(crate) struct Bench {
    pub(crate) by: By,
    pub(crate) context: Context,
    pub(crate) lanes: Store,
    pub(crate) rival: Arc<Mutex<Option<String>>>,
    pub(crate) sessions: Vec<Live>,
    /// The rules of the sink.
    pub(crate) rules: Rules,
}

pub(crate) fn frame(extension: u8) -> RawEvent {
    let text = format!("42[\"extenUpdate\",{{\"exten\":\"20{extension}\"}}]");
    let end = u32::try_from(text.len()).unwrap() - 1;
    RawEvent {
        at: jiff::Timestamp::now(),
        bytes: Bytes::from(text),
        name: 4..15,
        args: 17..end,
        argc: 1,
        attachments: Box::default(),
    }
}

impl Bench {
    pub(crate) fn new(by: By, journal: Journal) -> Self {
        let opened = || Opened {
            user: "bridge".into(),
            profile: None,
            sees: vec![],
            privacy: None,
            may_have_missed: vec![],
        };
        let sessions = (0..4).map(|source| journal.ingest(SourceId(source)).begin(opened())).collect();
        let context = Context::new("test", journal, Arc::new(["sink".to_owned()]));
        let context = Context { retain: Duration::from_mins(15), ..context };
        let rules = Rules::default();
        Self { by, context, lanes: Store::default(), rival: Arc::default(), sessions, rules }
    }

    /// Keeps the broker, and opens the journal of the next process.
    pub(crate) fn reopened(self, open: impl FnOnce() -> Journal) -> Self {
        let Self { by, context, lanes, rival, sessions, rules } = self;
        drop(sessions);
        context.journal.close();
        drop(context);
        Self { lanes, rival, rules, ..Self::new(by, open()) }
    }

    pub(crate) fn append(&mut self, count: usize) {
        for _ in 0..count {
            let source = fastrand::usize(..SOURCES.len());
            if fastrand::u8(..10) == 0 {
                let reason = "x".to_owned();
                let told = Notice::AuthFailed {
                    reason: cti_bridge::event::AuthFailure::CredentialsRefused,
                    detail: reason,
                    operator: false,
                    failures: 1,
                    slow: false,
                    retry_in: 5,
                };
                self.context.journal.notice(SourceId(u16::try_from(source).unwrap()), &told);
            } else {
                // Some entities have many events, others few.
                let extension = fastrand::u8(..5) * fastrand::u8(..2);
                self.sessions[source].event(frame(extension));
                self.sessions[source].commit();
            }
        }
    }

    /// The number of received records.
    pub(crate) fn received(&self) -> u64 {
        (0..4).map(|source| self.context.journal.ledger(SinkId(0), SourceId(source)).0.received).sum()
    }

    pub(crate) fn driver(&self) -> Driver {
        let plan =
            Plan::new(self.context.journal.id(), Arc::clone(&self.context.sources), self.rules.clone());
        let backoff = Range { from: Duration::from_millis(1), to: Duration::from_millis(2) };
        let options = Options {
            heartbeat: None,
            backoff,
            window: 64,
            batch: 16,
            retain: Duration::from_mins(15),
            ..Options::default()
        };
        Driver::new(&self.context, SinkId(0), plan, options)
    }

    pub(crate) fn broker(&self, breaks: impl Fn() -> Option<usize> + Send + Sync + 'static) -> Broker {
        Broker {
            by: self.by,
            lanes: Arc::clone(&self.lanes),
            breaks: Arc::new(breaks),
            rival: Arc::clone(&self.rival),
        }
    }

    /// Delivers everything, over links that may break.
    pub(crate) async fn drain(&mut self, breaks: impl Fn() -> Option<usize> + Send + Sync + 'static) {
        let sink = self.broker(breaks);
        let deadline = std::time::Instant::now() + Duration::from_mins(1);
        loop {
            assert!(std::time::Instant::now() < deadline, "the delivery never ends");
            self.context.stop = Stop::default();
            self.context.stop.drain();
            match self.driver().run(sink.clone()).await {
                Outcome::Drained => return,
                // When a link breaks during a stop, the rest stays on disk.
                Outcome::Undelivered(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// Asserts that every record that is not filtered is stored exactly once in each of its partitions, in order and without a gap in `ctiprev`.
    pub(crate) fn is_whole(&self) {
        let mut stored: BTreeMap<(String, Seq), Vec<&Kept>> = BTreeMap::new();
        let lanes = self.lanes.lock().unwrap();
        for lane in lanes.iter() {
            let mut newest: BTreeMap<&str, Seq> = BTreeMap::new();
            for kept in lane {
                let last = newest.insert(&kept.source, kept.seq).unwrap_or(Seq(0));
                assert_eq!(kept.prev, last, "{kept:?}");
                assert!(kept.seq > last, "{kept:?}");
                stored.entry((kept.source.clone(), kept.seq)).or_default().push(kept);
            }
        }
        for copies in stored.values() {
            let in_all = self.by == By::Entity && copies[0].subject.is_none();
            assert_eq!(copies.len(), if in_all { LANES } else { 1 }, "{copies:?}");
        }
        let counts = (0..4).map(|source| self.context.journal.ledger(SinkId(0), SourceId(source)));
        let (published, filtered, pending) =
            counts.fold((0, 0, 0), |(published, filtered, pending), (ledger, waiting)| {
                assert_eq!(ledger.received, ledger.settled() + waiting, "{ledger:?}");
                (published + ledger.published, filtered + ledger.filtered, pending + waiting)
            });
        assert_eq!((published, pending), (stored.len() as u64, 0));
        assert_eq!(published + filtered, self.received());
    }
}

pub(crate) fn by(seed: u64) -> By {
    if seed.is_multiple_of(2) { By::Source } else { By::Entity }
}

pub(crate) fn memory() -> Journal {
    Journal::memory(64 << 20, &SOURCES.map(str::to_owned), &["sink".to_owned()])
}

pub(crate) fn on_disk(dir: &std::path::Path) -> Journal {
    keeping(dir, Duration::from_hours(1))
}

pub(crate) fn keeping(dir: &std::path::Path, retain: Duration) -> Journal {
    opened(dir, retain, Arc::new(fs::Disk))
}

pub(crate) fn opened(dir: &std::path::Path, retain: Duration, disk: Arc<dyn fs::Fs>) -> Journal {
    let config = journal::Options {
        dir: dir.to_owned(),
        sync: journal::Sync::Every(Duration::from_millis(20)),
        max_bytes: Some(1 << 30),
        max_age: None,
        when_full: WhenFull::DropOldest,
        name_quota: 100,
        retain,
        memory: 64 << 20,
    };
    let health = Board::default().component("journal".to_owned());
    let opened =
        Journal::open(&config, disk, &SOURCES.map(str::to_owned), &["sink".to_owned()], Arc::new(health));
    opened.unwrap().0
}

/// Removes the newest records of a partition, like a broker that lost unsynced data.
pub(crate) fn forget(bench: &Bench, lane: usize, count: usize) -> Vec<Kept> {
    let mut lanes = bench.lanes.lock().unwrap();
    let at = lanes[lane].len().saturating_sub(count);
    lanes[lane].split_off(at)
}
