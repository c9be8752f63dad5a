//! What a sink has in flight is bounded in bytes, whatever its link could take.

use std::{
    future::pending,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use cti_bridge::{
    event::{Position, RawEvent, SinkId, SourceId},
    journal::{Journal, Opened},
    retry::Range,
    route::{Plan, Rules},
    sink::{Acked, Context, Driver, Link, Options, Outcome, Outgoing, Sink, SinkError, Tail},
};
use tokio::sync::Notify;

const MIB: usize = 1 << 20;

/// A broker that answers when it is asked to.
#[derive(Debug, Clone, Default)]
struct Broker {
    /// Positions and sizes.
    sent: Arc<Mutex<Vec<(Position, usize)>>>,
    answered: Arc<Mutex<usize>>,
    answers: Arc<Notify>,
}

impl Broker {
    fn in_flight(&self) -> Vec<usize> {
        let (sent, answered) = (self.sent.lock().unwrap(), *self.answered.lock().unwrap());
        sent[answered..].iter().map(|(_, size)| *size / MIB).collect()
    }
}

impl Sink for Broker {
    type Link = Self;

    async fn open(&self) -> Result<(Self, Tail), SinkError> {
        Ok((self.clone(), Tail::Unknown))
    }
}

impl Link for Broker {
    async fn send(&mut self, batch: &[Outgoing<'_>]) -> Result<(), SinkError> {
        let mut sent = self.sent.lock().unwrap();
        sent.extend(batch.iter().filter_map(|it| Some((it.position?, it.event.data.len()))));
        Ok(())
    }

    async fn acked(&mut self) -> Result<Acked, SinkError> {
        self.answers.notified().await;
        let last = self.sent.lock().unwrap().last().copied();
        let Some((through, _)) = last else { return pending().await };
        *self.answered.lock().unwrap() = self.sent.lock().unwrap().len();
        Ok(Acked { through, refused: None })
    }

    async fn close(self) {}
}

fn frame(size: usize) -> RawEvent {
    let text = format!("42[\"e\",\"{}\"]", "x".repeat(size));
    let end = u32::try_from(text.len()).unwrap() - 1;
    let bytes = Bytes::from(text);
    RawEvent {
        at: jiff::Timestamp::now(),
        bytes,
        name: 4..5,
        args: 7..end,
        argc: 1,
        attachments: Box::default(),
    }
}

#[tokio::test(start_paused = true)]
async fn the_window_is_bounded_in_bytes() {
    let journal = Journal::memory(512 * MIB, &["a".to_owned()], &["sink".to_owned()]);
    let context = Context::new("test", journal.clone(), ["sink".to_owned()].into());
    let opened =
        Opened { user: "u".into(), profile: None, sees: vec![], privacy: None, may_have_missed: vec![] };
    let mut live = journal.ingest(SourceId(0)).begin(opened);
    let sizes = [1; 40].into_iter().chain([60, 60, 60]).chain([1; 40]);
    for size in sizes {
        live.event(frame(size * MIB));
    }
    live.commit();
    let plan = Plan::new(journal.id(), Arc::clone(&context.sources), Rules::default());
    let backoff = Range { from: Duration::from_secs(1), to: Duration::from_secs(1) };
    let options = Options { heartbeat: None, backoff, answer: None, ..Options::default() };
    let broker = Broker::default();
    let running = tokio::spawn(Driver::new(&context, SinkId(0), plan, options).run(broker.clone()));
    let mut most_of_small = 0;
    while !running.is_finished() {
        // Time is paused: this waits until nothing else happens.
        tokio::time::sleep(Duration::from_secs(3)).await;
        let flight = broker.in_flight();
        let bytes: usize = flight.iter().sum();
        assert!(
            bytes <= 16 || flight.iter().filter(|size| **size > 1).count() == 1 && bytes <= 68,
            "{flight:?}"
        );
        if bytes <= 16 {
            most_of_small = most_of_small.max(bytes);
        }
        if flight.is_empty() {
            context.stop.drain();
        }
        broker.answers.notify_one();
    }
    assert_eq!(running.await.unwrap(), Outcome::Drained);
    assert_eq!(broker.sent.lock().unwrap().len(), 85);
    assert!(most_of_small >= 12, "{most_of_small} MiB are not worth a window");
}
