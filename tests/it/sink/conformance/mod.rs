//! The guarantees of every sink, tested in the same way. A new sink adds a file with its [`Bench`].

mod file;
#[cfg(feature = "kafka")]
mod kafka;
#[cfg(feature = "nats")]
mod nats;
mod routes;

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use cti_bridge::{
    event::{Notice, SinkId, SourceId},
    journal::Journal,
    route::{Plan, Rules},
    sink::{
        self, Acked, Bridge, Claim, Context, Driver, Link, NewRules, Options, Outcome, Outgoing, ProbeStep,
        Sink, SinkError, Tail, config::Config, stdout,
    },
};
use serde_json::Value;

/// A sink, and a view of what has arrived behind it.
trait Bench: Send + Sized {
    type Sink: Sink;
    /// Whether a test can see what it writes by its own settings.
    const RUNS: bool = true;
    /// Whether routes may have subjects.
    const HAS_SUBJECTS: bool = false;
    async fn start() -> Self;
    fn sink(&self) -> Self::Sink;
    /// The same, as it is configured.
    fn config(&self) -> Config;
    /// What has arrived since the last call, as structured CloudEvents; waits a moment for more.
    async fn arrived(&mut self) -> Vec<Value>;
}

/// A line of two sources for one sink, and the driver's ingredients.
struct Line {
    context: Context,
    plan: Plan,
}

impl Line {
    fn new() -> Self {
        let sources: Arc<[String]> = Arc::new(["a".to_owned(), "b".to_owned()]);
        let sinks: Arc<[String]> = Arc::new(["sink".to_owned()]);
        let journal = Journal::memory(64 << 20, &sources, &sinks);
        let plan = Plan::new(journal.id(), Arc::clone(&sources), Rules::default());
        Self { context: Context::new("bridge", journal, sinks), plan }
    }

    fn append(&self, count: u64) {
        append(&self.context.journal, count);
    }

    fn driver(self, options: Options) -> (Context, Driver) {
        let driver = Driver::new(&self.context, SinkId(0), self.plan, options);
        (self.context, driver)
    }
}

/// Appends notices, in turn for both sources.
fn append(journal: &Journal, count: u64) {
    for number in 0..count {
        let source = SourceId(u16::try_from(number % 2).unwrap());
        let notice = Notice::AuthFailed {
            reason: cti_bridge::event::AuthFailure::CredentialsRefused,
            detail: number.to_string(),
            operator: false,
            failures: 1,
            slow: false,
            retry_in: 5,
        };
        journal.notice(source, &notice);
    }
}

fn quick() -> Options {
    let backoff = cti_bridge::retry::Range { from: Duration::from_millis(1), to: Duration::from_millis(5) };
    Options { heartbeat: None, backoff, ..Options::default() }
}

/// The numbered events, in order of arrival, until there are `count` different ones.
async fn collect(bench: &mut impl Bench, count: usize) -> Vec<Value> {
    let (mut all, mut seen) = (Vec::new(), HashSet::new());
    let deadline = std::time::Instant::now() + Duration::from_secs(30);
    while seen.len() < count {
        assert!(std::time::Instant::now() < deadline, "{} of {count} arrived", seen.len());
        for event in bench.arrived().await {
            if event.get("sequence").is_some() {
                // An id is unique within its source, as CloudEvents has it.
                seen.insert(format!("{}{}", event["source"], event["id"]));
                all.push(event);
            }
        }
    }
    all
}

fn number(event: &Value) -> u64 {
    event["data"]["detail"].as_str().unwrap().parse().unwrap()
}

async fn everything_arrives_once_in_order_and_a_stop_drains(bench: &mut impl Bench) {
    let line = Line::new();
    line.append(3_000);
    let (context, driver) = line.driver(quick());
    context.stop.drain();
    assert_eq!(driver.run(bench.sink()).await, Outcome::Drained);
    let events = collect(bench, 3_000).await;
    assert_eq!(events.iter().map(number).collect::<Vec<_>>(), (0..3_000).collect::<Vec<_>>());
    let mut last: HashMap<String, String> = HashMap::new();
    for event in &events {
        let source = event["source"].as_str().unwrap().to_owned();
        let prev = last.insert(source, event["sequence"].as_str().unwrap().to_owned());
        assert_eq!(event["ctiprev"].as_str().unwrap(), prev.unwrap_or_else(|| "0".repeat(20)));
        assert_eq!(event["type"], "cti.bridge.auth.failed.v1");
    }
    for source in [SourceId(0), SourceId(1)] {
        let (ledger, pending) = context.journal.ledger(SinkId(0), source);
        assert_eq!((ledger.received, ledger.published, pending), (1_500, 1_500, 0));
    }
}

async fn a_link_that_breaks_anywhere_loses_nothing_and_keeps_order(bench: &mut impl Bench) {
    let line = Line::new();
    line.append(3_000);
    let (context, driver) = line.driver(Options { window: 128, batch: 32, ..quick() });
    context.stop.drain();
    let proxy = FaultyProxy { sink: bench.sink(), calls: Arc::new(AtomicU32::new(0)) };
    let cuts = Arc::clone(&proxy.calls);
    assert_eq!(driver.run(proxy).await, Outcome::Drained);
    assert!(cuts.load(Ordering::Relaxed) > 100, "nothing was cut");
    let events = collect(bench, 3_000).await;
    // A resend starts at a record that was sent before, and goes on without a hole.
    let mut next = 0;
    for event in &events {
        let number = number(event);
        assert!(number <= next, "{number} came where {next} was due");
        next = next.max(number + 1);
    }
    let mut ids = HashMap::new();
    for event in &events {
        let id = event["id"].as_str().unwrap();
        assert_eq!(*ids.entry(number(event)).or_insert(id), id, "another id for the same event");
    }
}

async fn heartbeats_are_sent_beside_the_line(bench: &mut impl Bench) {
    let line = Line::new();
    line.append(2);
    let (context, driver) = line.driver(Options { heartbeat: Some(Duration::from_millis(50)), ..quick() });
    let running = tokio::spawn(driver.run(bench.sink()));
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    let beat = loop {
        assert!(std::time::Instant::now() < deadline, "no heartbeat");
        let beats = bench.arrived().await;
        // The first goes out with the connection; a later one has something to tell.
        let told = beats.into_iter().find(|event| {
            event["type"] == "cti.bridge.heartbeat.v1" && event["data"]["counters"]["published"] == 1
        });
        if let Some(beat) = told {
            break beat;
        }
    };
    assert!(beat.get("sequence").is_none() && beat.get("ctigap").is_some(), "{beat}");
    assert_eq!(beat["data"]["components"]["sink/sink"]["state"], "active");
    context.stop.drain();
    assert_eq!(running.await.unwrap(), Outcome::Drained, "a heartbeat waits for no answer");
}

async fn a_hard_stop_counts_what_is_left(bench: &mut impl Bench) {
    let line = Line::new();
    line.append(10);
    let (context, driver) = line.driver(quick());
    let running = tokio::spawn(driver.run(Shut(bench.sink())));
    context.stop.at_once();
    assert_eq!(running.await.unwrap(), Outcome::Undelivered(10));
}

async fn reloaded_rules_apply_from_their_notice_on(bench: &mut impl Bench) {
    let line = Line::new();
    let (context, driver) = line.driver(Options { window: 128, batch: 32, ..quick() });
    let proxy = FaultyProxy { sink: bench.sink(), calls: Arc::new(AtomicU32::new(0)) };
    let running = tokio::spawn(driver.run(proxy));
    for rules in 1..=20_u8 {
        append(&context.journal, 100);
        let dataschema = Some(format!("https://schemas.example/{rules}/"));
        let config = Config { dataschema, ..bench.config() };
        context.switches.announce("sink", NewRules { config, fingerprint: rules.into() }, &context.journal);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    context.stop.drain();
    assert_eq!(running.await.unwrap(), Outcome::Drained);
    let ledgers = [SourceId(0), SourceId(1)].map(|source| context.journal.ledger(SinkId(0), source).0);
    let count = ledgers.iter().map(|ledger| ledger.published).sum::<u64>();
    let rules =
        |event: &Value| event["dataschema"].as_str().and_then(|uri| uri.split('/').nth(3)?.parse().ok());
    let mut by_source: HashMap<String, BTreeMap<String, Value>> = HashMap::new();
    for event in collect(bench, usize::try_from(count).unwrap()).await {
        let events = by_source.entry(event["source"].as_str().unwrap().to_owned()).or_default();
        let known =
            events.entry(event["sequence"].as_str().unwrap().to_owned()).or_insert_with(|| event.clone());
        assert_eq!(rules(known), rules(&event), "sent again under other rules");
    }
    assert_eq!(by_source.len(), 2);
    for events in by_source.into_values() {
        let mut before: (u64, Option<u8>) = (1, None);
        for event in events.values() {
            if event["type"] == "cti.bridge.reconfigured.v1" {
                assert!(rules(event) > before.1, "{event}");
                before = (before.0 + 1, rules(event));
                assert_eq!(event["data"]["generation"], before.0);
            }
            assert_eq!(rules(event), before.1, "{event}");
        }
        assert!(before.0 > 2 && before.1 == Some(20), "{before:?}");
    }
}

/// What commands, `check` and the configuration do with a sink of any type.
async fn its_settings_do_all_that_the_bridge_asks_of_them<B: Bench>(bench: &mut B) {
    let line = Line::new();
    line.append(100);
    let (config, context) = (bench.config(), line.context);
    let bridge = Bridge { instance: &context.instance, sources: &context.sources };
    let (mut probe, report) = config.kind.probe(bridge).await.unwrap();
    assert!(!report.message.is_empty());
    for step in config.kind.probe_steps() {
        let report = match step {
            ProbeStep::Inspect => probe.inspect(&Claim::default()).await,
            ProbeStep::Publish => probe.publish().await,
        };
        assert!(!report.unwrap().message.is_empty(), "{step:?}");
    }
    drop(probe);
    assert!(
        bench.arrived().await.iter().all(|event| event.get("sequence").is_none()),
        "a probe sends no event"
    );
    let overlap = config.kind.overlap(&*config.kind, bridge).expect("two of the same write to one place");
    assert!(!overlap.is_possible && !overlap.remedy.is_empty(), "{overlap:?}");
    if !B::RUNS {
        return;
    }
    context.stop.drain();
    assert_eq!(sink::spawn(&context, SinkId(0), &config).await, Outcome::Drained);
    let events = collect(bench, 100).await;
    assert_eq!(events.iter().map(number).collect::<Vec<_>>(), (0..100).collect::<Vec<_>>());
    let mut read = 0;
    match sink::read_back(&config, bridge, |_| read += 1).await {
        Ok(()) => assert_eq!(read, 100),
        Err(error) => assert!(format!("{error:#}").contains("stores no events"), "{error}"),
    }
}

/// Ends each link after a few calls, before or after the call had its effect.
struct FaultyProxy<S> {
    sink: S,
    calls: Arc<AtomicU32>,
}

struct CutLink<L> {
    link: L,
    calls: Arc<AtomicU32>,
    left: u32,
}

impl<S: Sink> Sink for FaultyProxy<S> {
    type Link = CutLink<S::Link>;

    async fn open(&self) -> Result<(Self::Link, Tail), SinkError> {
        let (link, tail) = self.sink.open().await?;
        Ok((CutLink { link, calls: Arc::clone(&self.calls), left: fastrand::u32(0..8) }, tail))
    }
}

impl<L> CutLink<L> {
    fn cut(&mut self) -> Result<(), SinkError> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.left = self.left.checked_sub(1).ok_or_else(|| SinkError::Again("cut".into()))?;
        Ok(())
    }
}

impl<L: Link> Link for CutLink<L> {
    async fn send(&mut self, batch: &[Outgoing<'_>]) -> Result<(), SinkError> {
        if fastrand::bool() {
            self.cut()?;
        }
        self.link.send(batch).await?;
        if fastrand::bool() { self.cut() } else { Ok(()) }
    }

    async fn acked(&mut self) -> Result<Acked, SinkError> {
        let acked = self.link.acked().await?;
        // An answer that is lost after the broker gave it.
        if fastrand::u8(..4) == 0 {
            self.cut()?;
        }
        Ok(acked)
    }

    async fn close(self) {
        self.link.close().await;
    }
}

/// Never opens.
struct Shut<S>(S);

impl<S: Sink> Sink for Shut<S> {
    type Link = S::Link;

    async fn open(&self) -> Result<(Self::Link, Tail), SinkError> {
        Err(SinkError::Again("shut".into()))
    }
}

async fn all<B: Bench>() {
    everything_arrives_once_in_order_and_a_stop_drains(&mut B::start().await).await;
    a_link_that_breaks_anywhere_loses_nothing_and_keeps_order(&mut B::start().await).await;
    heartbeats_are_sent_beside_the_line(&mut B::start().await).await;
    reloaded_rules_apply_from_their_notice_on(&mut B::start().await).await;
    a_hard_stop_counts_what_is_left(&mut B::start().await).await;
    its_settings_do_all_that_the_bridge_asks_of_them(&mut B::start().await).await;
    routes::routes_keep_the_ledger_exact(&mut B::start().await).await;
}

/// What a file has got since the last call.
async fn new_lines(path: &std::path::Path, read: &mut usize) -> Vec<Value> {
    tokio::time::sleep(Duration::from_millis(10)).await;
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let new = &text[*read..text.rfind('\n').map_or(*read, |end| end + 1)];
    *read += new.len();
    new.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The stdout sink, with a file for standard output.
struct File {
    file: tempfile::NamedTempFile,
    read: usize,
}

struct Piped(std::path::PathBuf);

impl Sink for Piped {
    type Link = stdout::Lines<tokio::fs::File>;

    async fn open(&self) -> Result<(Self::Link, Tail), SinkError> {
        let file = tokio::fs::OpenOptions::new().append(true).open(&self.0).await.unwrap();
        Ok((stdout::Lines::new(file, stdout::config::Format::Json), Tail::Unknown))
    }
}

impl Bench for File {
    type Sink = Piped;
    /// Standard output is that of the test.
    const RUNS: bool = false;

    async fn start() -> Self {
        Self { file: tempfile::NamedTempFile::new().unwrap(), read: 0 }
    }

    fn sink(&self) -> Piped {
        Piped(self.file.path().to_owned())
    }

    fn config(&self) -> Config {
        Config::new(None, stdout::config::Config { format: stdout::config::Format::Json })
    }

    async fn arrived(&mut self) -> Vec<Value> {
        new_lines(self.file.path(), &mut self.read).await
    }
}

#[tokio::test]
async fn stdout() {
    Box::pin(all::<File>()).await;
}
