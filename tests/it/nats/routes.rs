//! Subjects of routes in a stream: added, found again, and kept when the route is gone.
#![cfg(feature = "nats")]

use std::{sync::Arc, time::Duration};

use async_nats::jetstream::stream::Config;
use cti_bridge::{
    event::{Notice, SinkId, SourceId},
    journal::Journal,
    shutdown::Stop,
    sink::{self, Bridge, Claim, Context, Outcome, verify::Checker},
};

use crate::support::{
    config::{GOOD, Place},
    lane::{JETSTREAM, context as client},
    nats::Nats,
};

const OWN: [&str; 3] = ["cti.v1.pbx1.bridge.>", "cti.v1.pbx1.call.>", "cti.v1.pbx1.event.>"];
const WALL: &str =
    "\n[[sinks.bus.routes]]\nmatch = { class = \"bridge\" }\nsubject = \"wall.{source}.{slug}\"\n";

/// A journal, and the stream that it is delivered to.
struct Bench {
    nats: Nats,
    context: Context,
    sent: u64,
}

impl Bench {
    async fn start() -> Self {
        let sources: Arc<[String]> = Arc::new(["pbx1".to_owned()]);
        let journal = Journal::memory(1 << 20, &sources, &["bus".to_owned()]);
        let context = Context::new("phones", journal, Arc::new(["bus".to_owned()]));
        Self { nats: Nats::start(JETSTREAM).await, context, sent: 0 }
    }

    fn config(&self, routes: &str) -> sink::config::Config {
        let sink = format!(
            "mode = \"jetstream\"\nservers = [\"{}\"]\nheartbeat = \"off\"\n{routes}[journal]\ndir = \"j\"\n",
            self.nats.url()
        );
        Place::new(&format!("{GOOD}{sink}")).good().config.sinks["bus"].clone()
    }

    /// Appends some notices, and delivers them with a driver of its own, as after a restart.
    async fn deliver(&mut self, routes: &str) {
        for _ in 0..5 {
            self.context.journal.notice(SourceId(0), &Notice::Started { version: "test" });
        }
        self.sent += 5;
        let context = Context { stop: Stop::default(), ..self.context.clone() };
        context.stop.drain();
        let running = sink::spawn(&context, SinkId(0), &self.config(routes));
        let ended = tokio::time::timeout(Duration::from_secs(20), running).await.unwrap();
        assert_eq!(ended, Outcome::Drained, "{:?}", context.board.snapshot());
    }

    async fn subjects(&self) -> Vec<String> {
        let context = client(&self.nats.url()).await;
        let mut subjects = context.get_stream("phones").await.unwrap().cached_info().config.subjects.clone();
        subjects.sort();
        subjects
    }

    /// Asserts that the stream holds everything once, and in order, whatever the subject.
    async fn is_complete(&self, routes: &str) {
        let (mut checker, config) = (Checker::new(None), self.config(routes));
        let bridge = Bridge { instance: "phones", sources: &self.context.sources };
        sink::read_back(&config, bridge, |held| checker.take(held)).await.unwrap();
        assert_eq!((checker.events, checker.finish()), (self.sent, vec![]));
    }
}

#[tokio::test]
async fn a_route_widens_the_stream_and_a_former_one_stays() {
    let mut bench = Bench::start().await;
    bench.deliver("").await;
    assert_eq!(bench.subjects().await, OWN);
    bench.deliver(WALL).await;
    let wide = [&OWN[..], &["wall.pbx1.*"]].concat();
    assert_eq!(bench.subjects().await, wide);
    // The end of the stream lies under the subject of a route that is gone.
    bench.deliver("").await;
    assert_eq!(bench.subjects().await, wide);
    bench.deliver(&WALL.replace("{source}.", "")).await;
    assert_eq!(bench.subjects().await, [&OWN[..], &["wall.*", "wall.pbx1.*"]].concat());
    bench.is_complete("").await;
}

#[tokio::test]
async fn the_end_is_found_under_a_subject_that_was_removed() {
    let mut bench = Bench::start().await;
    bench.deliver(WALL).await;
    let context = client(&bench.nats.url()).await;
    let mut narrow = context.get_stream("phones").await.unwrap().cached_info().config.clone();
    narrow.subjects = OWN.map(str::to_owned).to_vec();
    context.update_stream(&narrow).await.unwrap();
    bench.deliver("").await;
    bench.is_complete("").await;
}

#[tokio::test]
async fn subjects_that_overlap_with_a_former_route_are_refused_clearly() {
    let mut bench = Bench::start().await;
    bench.deliver(WALL).await;
    let config = bench.config(&WALL.replace("wall.{source}.{slug}", "{slug}.pbx1.wall"));
    let bridge = Bridge { instance: "phones", sources: &bench.context.sources };
    let (probe, _) = config.kind.probe(bridge).await.unwrap();
    let error = probe.inspect(&Claim::default()).await.unwrap_err();
    let expected = "it accepts wall.pbx1.*, which overlaps with *.pbx1.wall, and the subjects of a stream must not overlap";
    assert!(format!("{error:#}").contains(expected), "{error:#}");
}

#[tokio::test]
async fn check_names_the_subjects_that_will_be_added() {
    let bench = Bench::start().await;
    let subjects = OWN.map(str::to_owned).to_vec();
    let config = Config { name: "phones".to_owned(), subjects, ..Config::default() };
    client(&bench.nats.url()).await.create_stream(config).await.unwrap();
    let bridge = Bridge { instance: "phones", sources: &bench.context.sources };
    let (probe, _) = bench.config(WALL).kind.probe(bridge).await.unwrap();
    let message = probe.inspect(&Claim::default()).await.unwrap().message;
    assert_eq!(message, "stream phones exists; the bridge will add wall.pbx1.*");
}

#[tokio::test]
async fn a_subscription_sees_what_routes_move() {
    let mut bench = Bench::start().await;
    let (sources, config) = (Arc::clone(&bench.context.sources), bench.config(WALL));
    let bridge = Bridge { instance: "phones", sources: &sources };
    let mut subscription = config.kind.subscribe(bridge).unwrap().await.unwrap();
    bench.deliver(WALL).await;
    let mut received = 0;
    while received < bench.sent {
        let next = tokio::time::timeout(Duration::from_secs(20), subscription.next());
        received += next.await.unwrap().unwrap().len() as u64;
    }
    assert_eq!(received, bench.sent);
}
