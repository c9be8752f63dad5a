//! Standard output whose reader stalls.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use cti_bridge::{
    event::{Notice, SinkId, SourceId},
    health::State,
    journal::Journal,
    route::{Plan, Rules},
    sink::{
        Context, Driver, Options, Outcome, Sink, SinkError, Tail,
        stdout::{Lines, config::Format},
    },
};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader, DuplexStream, duplex},
    time::{sleep, timeout},
};

/// A pipe; what is written to it after its link was opened again comes behind what the first link had written.
struct Pipe {
    end: Mutex<Option<DuplexStream>>,
    opened: Arc<AtomicU32>,
}

impl Sink for Pipe {
    type Link = Lines<DuplexStream>;

    async fn open(&self) -> Result<(Self::Link, Tail), SinkError> {
        self.opened.fetch_add(1, Ordering::Relaxed);
        let end = self.end.lock().unwrap().take();
        let end = end.ok_or_else(|| SinkError::Again("opened a second time".into()))?;
        Ok((Lines::new(end, Format::Json), Tail::Unknown))
    }
}

fn context() -> Context {
    let journal = Journal::memory(64 << 20, &["a".to_owned()], &["console".to_owned()]);
    Context::new("test", journal, ["console".to_owned()].into())
}

fn append(context: &Context, count: u64) {
    for _ in 0..count {
        context.journal.notice(SourceId(0), &Notice::Started { version: "test" });
    }
}

fn driver(context: &Context) -> Driver {
    let plan = Plan::new(context.journal.id(), Arc::clone(&context.sources), Rules::default());
    // As `[sinks.NAME] type = "stdout"` has it.
    let options = Options { heartbeat: Some(Duration::from_secs(1)), answer: None, ..Options::default() };
    Driver::new(context, SinkId(0), plan, options)
}

fn state(context: &Context) -> State {
    context.board.snapshot().remove("sink/console").unwrap().state
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_stalls_and_reads_on_gets_everything_once() {
    let (context, (ours, theirs)) = (context(), duplex(64 << 10));
    let opened = Arc::new(AtomicU32::new(0));
    let pipe = Pipe { end: Mutex::new(Some(ours)), opened: Arc::clone(&opened) };
    append(&context, 3_000);
    let running = tokio::spawn(driver(&context).run(pipe));
    sleep(Duration::from_mins(10)).await;
    let State::Failing { reason } = state(&context) else { panic!("{:?}", state(&context)) };
    assert!(reason.starts_with("nobody reads standard output"), "{reason}");
    assert!(context.journal.ledger(SinkId(0), SourceId(0)).1 > 2_000);
    let mut lines = BufReader::new(theirs).lines();
    let (mut last, mut beats) = (0, 0);
    for _ in 0..3_000 {
        let event = loop {
            let line =
                timeout(Duration::from_secs(5), lines.next_line()).await.expect("stalls").unwrap().unwrap();
            let event: serde_json::Value = serde_json::from_str(&line).unwrap();
            if event.get("sequence").is_some() {
                break event;
            }
            beats += 1;
        };
        let number = |key: &str| event[key].as_str().unwrap().parse::<u64>().unwrap();
        assert_eq!(number("ctiprev"), last);
        last = number("sequence");
    }
    assert!(beats < 60, "{beats} heartbeats of the time in which nobody read");
    context.stop.drain();
    assert_eq!(running.await.unwrap(), Outcome::Drained);
    assert_eq!(opened.load(Ordering::Relaxed), 1);
    assert_eq!(state(&context), State::Active);
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_is_not_stalled() {
    let (context, (ours, theirs)) = (context(), duplex(4 << 10));
    let pipe = Pipe { end: Mutex::new(Some(ours)), opened: Arc::default() };
    append(&context, 1_000);
    let running = tokio::spawn(driver(&context).run(pipe));
    let mut lines = BufReader::with_capacity(512, theirs).lines();
    for _ in 0..900 {
        lines.next_line().await.unwrap().unwrap();
        sleep(Duration::from_millis(100)).await;
        assert_eq!(state(&context), State::Active);
    }
    running.abort();
}
