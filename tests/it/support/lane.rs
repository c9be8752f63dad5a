//! A journal whose records the tests deliver to a stream by a loop of their own, and the resulting stream.

use std::{collections::HashMap, sync::Arc, time::Duration};

use async_nats::jetstream;
use cti_bridge::{
    app::config::load_with,
    config::{Assignment, Flags},
    event::{Body, EncodedCall, Mark, Notice, Origin, Position, Record, Seq, SinkId, SourceId},
    journal::Journal,
    route::{Plan, Rules, Verdict},
    sink::{Bridge, Link as _, Outgoing, Sink as _, SinkError, Tail, nats::JetStream},
};
use futures_util::FutureExt as _;
use tokio::time::{sleep, timeout};

/// Configuration that enables JetStream, with storage that survives a kill.
pub(crate) const JETSTREAM: &str = "jetstream: { store_dir: \"$DIR/js\" }";
pub(crate) const STREAM: &str = "phones";
const SOURCES: [&str; 2] = ["a", "b"];

/// A sink with these settings.
pub(crate) fn sink(servers: &[String], settings: &[&str]) -> JetStream {
    let mut set: Vec<String> = [
        "sources.a.url=http://127.0.0.1:1",
        "sources.a.username=u",
        "sources.a.password=p",
        "sinks.s.type=nats",
    ]
    .map(str::to_owned)
    .to_vec();
    set.extend(["sinks.s.mode=jetstream", "journal.dir=unused"].map(str::to_owned));
    let servers: Vec<String> = servers.iter().map(|server| format!("\"{server}\"")).collect();
    set.push(format!("sinks.s.servers=[{}]", servers.join(",")));
    set.extend(settings.iter().map(|setting| format!("sinks.s.{setting}")));
    let set = set.iter().map(|set| set.parse::<Assignment>().unwrap()).collect();
    let loaded = load_with(&Flags { set, ..Flags::default() }, []);
    let config = loaded.unwrap_or_else(|problems| panic!("{problems}")).config;
    let bridge = Bridge { instance: STREAM, sources: &SOURCES.map(str::to_owned) };
    JetStream::new(config.sinks["s"].of().unwrap(), bridge)
}

/// Records of two sources, in the order they were appended.
pub(crate) struct Line {
    records: Vec<Record>,
    ids: Vec<String>,
    places: HashMap<(String, Seq), usize>,
    plan: Plan,
    /// The records that were permanently refused, with the reason.
    pub(crate) refused: Vec<(usize, String)>,
    /// The pause between two batches, so that a delivery lasts while something breaks.
    pub(crate) pause: Duration,
    /// The reasons for which links ended.
    pub(crate) ends: Vec<String>,
}

impl Line {
    /// Creates `count` records; each carries text of the size that `size` returns.
    pub(crate) fn new(count: usize, size: impl Fn(usize) -> usize) -> Self {
        let sources: Arc<[String]> = Arc::new(SOURCES.map(str::to_owned));
        let journal = Journal::memory(1 << 30, &sources, &["s".to_owned()]);
        for number in 0..count {
            let reason = format!("{number}{}", "x".repeat(size(number)));
            let source = SourceId(u16::try_from(number * number / 3 % 2).unwrap());
            journal.notice(
                source,
                &Notice::AuthFailed {
                    reason: cti_bridge::event::AuthFailure::CredentialsRefused,
                    detail: reason,
                    operator: false,
                    failures: 1,
                    slow: false,
                    retry_in: 5,
                },
            );
        }
        let mut records = Vec::new();
        // A read from memory completes at once.
        journal.reader(SinkId(0)).read(count, &mut records).now_or_never().expect("memory makes nobody wait");
        assert_eq!(records.len(), count);
        let name = |record: &Record| SOURCES[record.source.index()];
        let ids =
            records.iter().map(|it| format!("/cti/{} {}-{}", name(it), journal.id(), it.seq.0)).collect();
        let places = records.iter().enumerate().map(|(at, it)| ((name(it).to_owned(), it.seq), at)).collect();
        let plan = Plan::new(journal.id(), sources, Rules::default());
        Self { records, ids, places, plan, refused: Vec::new(), pause: Duration::ZERO, ends: Vec::new() }
    }

    /// As [`Line::new`], with all records from number `from` on being events of calls. Returns also a copy without those.
    pub(crate) fn with_calls(count: usize, from: usize) -> (Self, Self) {
        let mut line = Self::new(count, |_| 0);
        let mut before = line.twin();
        before.records.truncate(from);
        before.ids.truncate(from);
        for record in &mut line.records[from..] {
            let key = record.seq.0.to_string().into();
            record.origin = Origin::Derived;
            record.body =
                Body::Call(EncodedCall { step: "started".into(), key, cause: record.seq, data: "{}".into() });
        }
        (line, before)
    }

    /// A copy with the same records, for another deliverer.
    pub(crate) fn twin(&self) -> Self {
        let sources: Arc<[String]> = Arc::new(SOURCES.map(str::to_owned));
        Self {
            records: self.records.clone(),
            ids: self.ids.clone(),
            places: self.places.clone(),
            plan: Plan::new(self.plan.journal(), sources, Rules::default()),
            refused: Vec::new(),
            pause: self.pause,
            ends: Vec::new(),
        }
    }

    /// Delivers everything, over as many links as necessary. Links may break, but no error may require an operator.
    pub(crate) async fn deliver(&mut self, sink: &JetStream) {
        let deadline = std::time::Instant::now() + Duration::from_mins(2);
        while let Err(error) = self.session(sink).await {
            assert!(matches!(error, SinkError::Again(_)), "{error}");
            assert!(std::time::Instant::now() < deadline, "no end of it: {:?}", self.ends);
            self.ends.push(format!("{error:#}"));
            sleep(Duration::from_millis(fastrand::u64(5..30))).await;
        }
    }

    /// One link.
    pub(crate) async fn session(&mut self, sink: &JetStream) -> Result<(), SinkError> {
        let late = |what: &str| SinkError::Again(format!("late: {what}").into());
        let (mut link, tail) =
            timeout(Duration::from_secs(10), sink.open()).await.map_err(|_| late("open"))??;
        let Tail::Partitions(ends) = tail else { panic!("a stream knows its end") };
        let mut acked = match &ends[..] {
            [end] => end.first().map_or(0, |end| self.places[&(end.source.clone(), end.seq)] + 1),
            _ => panic!("a stream is one partition"),
        };
        let first = self.records[0].position.0;
        let mut sent = acked;
        while acked < self.records.len() {
            let room = link.window().saturating_sub(sent - acked).min(64).min(self.records.len() - sent);
            if room > 0 {
                self.send(&mut link, sent..sent + room).await?;
                sent += room;
                sleep(self.pause).await;
                continue;
            }
            let answer =
                timeout(Duration::from_secs(10), link.acked()).await.map_err(|_| late("answer"))??;
            let at = usize::try_from(answer.through.0 - first).unwrap();
            assert!(at < sent && at + 1 > acked, "an answer for what is not in flight");
            acked = at + 1;
            self.refused.extend(answer.refused.map(|reason| (at, reason)));
        }
        link.close().await;
        Ok(())
    }

    async fn send(
        &mut self,
        link: &mut cti_bridge::sink::nats::Publisher,
        range: std::ops::Range<usize>,
    ) -> Result<(), SinkError> {
        let records = &self.records[range];
        let mut verdicts = Vec::new();
        for record in records {
            let Verdict::Publish(published) = self.plan.decide(record) else { panic!("filtered") };
            verdicts.push((record, published));
        }
        let batch: Vec<_> = verdicts
            .iter()
            .map(|(record, published)| Outgoing {
                position: Some(Position(record.position.0)),
                partition: 0,
                names: &published.names,
                event: self.plan.envelope(
                    record,
                    published,
                    Mark::Numbered { seq: record.seq, prev: Seq(0) },
                ),
            })
            .collect();
        timeout(Duration::from_secs(10), link.send(&batch))
            .await
            .map_err(|_| SinkError::Again("late: send".into()))?
    }

    /// The expected content of the stream: everything that was not refused.
    pub(crate) fn expected(&self) -> Vec<String> {
        let refused: Vec<usize> = self.refused.iter().map(|(at, _)| *at).collect();
        let kept = self.ids.iter().enumerate().filter(|(at, _)| !refused.contains(at));
        kept.map(|(_, id)| id.clone()).collect()
    }

    /// Asserts that the stream holds every record exactly once, in order.
    pub(crate) async fn is_stored(&self, url: &str) {
        let (stored, expected) = (stored(url).await, self.expected());
        if let Some(at) =
            (0..stored.len().max(expected.len())).find(|at| stored.get(*at) != expected.get(*at))
        {
            panic!(
                "{} stored, {} expected; at {at} {:?} instead of {:?}",
                stored.len(),
                expected.len(),
                stored.get(at),
                expected.get(at)
            );
        }
    }
}

pub(crate) async fn context(url: &str) -> jetstream::Context {
    jetstream::new(async_nats::connect(url).await.unwrap())
}

/// Everything in the stream, as source and id.
pub(crate) async fn stored(url: &str) -> Vec<String> {
    use futures_util::StreamExt as _;
    let context = context(url).await;
    let deadline = std::time::Instant::now() + Duration::from_mins(1);
    let mut stream = loop {
        // A cluster may be without a leader for a moment.
        match context.get_stream(STREAM).await {
            Ok(stream) => break stream,
            Err(error) => assert!(std::time::Instant::now() < deadline, "the stream can't be read: {error}"),
        }
        sleep(Duration::from_millis(100)).await;
    };
    let state = stream.info().await.unwrap().state.clone();
    let consumer = jetstream::consumer::pull::OrderedConfig::default();
    let consumer = stream.create_consumer(consumer).await.unwrap();
    let mut messages = consumer.messages().await.unwrap();
    let mut all = Vec::new();
    for _ in 0..state.messages {
        let message = timeout(Duration::from_secs(20), messages.next())
            .await
            .expect("a message is missing")
            .unwrap()
            .unwrap();
        all.push(identity(&message));
    }
    all
}

fn identity(message: &async_nats::Message) -> String {
    let headers = message.headers.as_ref().unwrap();
    let header = |name: &str| headers.get(name).map(|value| value.as_str().to_owned());
    if let (Some(source), Some(id)) = (header("ce-source"), header("ce-id")) {
        return format!("{source} {id}");
    }
    let body: serde_json::Value = serde_json::from_slice(&message.payload).unwrap();
    format!("{} {}", body["source"].as_str().unwrap(), body["id"].as_str().unwrap())
}

/// How many messages the stream holds; none before it is there.
pub(crate) async fn count(url: &str) -> u64 {
    match context(url).await.get_stream(STREAM).await {
        Ok(stream) => stream.cached_info().state.messages,
        Err(_) => 0,
    }
}
