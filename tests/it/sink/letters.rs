//! A dead letter is settled when it is answered, and its event announced once, whatever becomes of the link.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex},
    time::Duration,
};

use cti_bridge::{
    event::{Notice, SinkId, SourceId},
    journal::Journal,
    retry::Range,
    route::{Plan, Rules},
    sink::{Acked, Context, Driver, Link, Options, Outcome, Outgoing, Sink, SinkError, Tail},
};

/// What a broker makes of the letters that come, one after another.
#[derive(Debug, Clone, Copy)]
enum Answer {
    Taken,
    Refused,
    Breaks,
    Silence,
}

/// Refuses each event whose reason is "large", and keeps the types of all others, by id.
#[derive(Default)]
struct Broker {
    answers: VecDeque<Answer>,
    events: BTreeMap<String, String>,
    letters: Vec<String>,
    /// What the ledger said when a letter came: dead letters.
    settled: Vec<u64>,
}

#[derive(Clone)]
struct Fake(Arc<Mutex<Broker>>, Journal);

struct Connection {
    fake: Fake,
    acked: VecDeque<Acked>,
}

impl Sink for Fake {
    type Link = Connection;

    async fn open(&self) -> Result<(Connection, Tail), SinkError> {
        Ok((Connection { fake: self.clone(), acked: VecDeque::new() }, Tail::Unknown))
    }
}

fn id(outgoing: &Outgoing<'_>) -> String {
    let (mut id, mut scratch) = (String::new(), String::new());
    outgoing.event.attributes(&mut scratch, |attribute, value| {
        if attribute.name() == "id" {
            value.clone_into(&mut id);
        }
    });
    id
}

impl Link for Connection {
    async fn send(&mut self, batch: &[Outgoing<'_>]) -> Result<(), SinkError> {
        for outgoing in batch {
            let is_large = outgoing.event.data.windows(5).any(|text| text == b"large");
            let refused =
                (is_large && outgoing.event.ty.contains("auth.failed")).then(|| "it is large".to_owned());
            if refused.is_none() {
                self.fake.0.lock().unwrap().events.insert(id(outgoing), outgoing.event.ty.to_owned());
            }
            self.acked.push_back(Acked { through: outgoing.position.unwrap(), refused });
        }
        Ok(())
    }

    async fn acked(&mut self) -> Result<Acked, SinkError> {
        match self.acked.pop_front() {
            Some(acked) => Ok(acked),
            None => std::future::pending().await,
        }
    }

    async fn letter(&mut self, letter: &Outgoing<'_>) -> Result<Option<String>, SinkError> {
        let answer = {
            let mut broker = self.fake.0.lock().unwrap();
            broker.letters.push(id(letter));
            broker.settled.push(self.fake.1.ledger(SinkId(0), SourceId(0)).0.dead_lettered);
            broker.answers.pop_front().unwrap_or(Answer::Taken)
        };
        match answer {
            Answer::Taken => Ok(None),
            Answer::Refused => Ok(Some("no".to_owned())),
            Answer::Breaks => Err(SinkError::Again("it broke".into())),
            Answer::Silence => std::future::pending().await,
        }
    }

    async fn close(self) {}
}

fn append(journal: &Journal, reason: &str) -> u64 {
    let reason = reason.to_owned();
    let notice = Notice::AuthFailed {
        reason: cti_bridge::event::AuthFailure::CredentialsRefused,
        detail: reason,
        operator: false,
        failures: 1,
        slow: false,
        retry_in: 5,
    };
    journal.notice(SourceId(0), &notice).0
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_is_resent_until_answered_and_announced_once() {
    let sources: Arc<[String]> = Arc::new(["a".to_owned()]);
    let sinks: Arc<[String]> = Arc::new(["bus".to_owned()]);
    let journal = Journal::memory(64 << 20, &sources, &sinks);
    let plan = Plan::new(journal.id(), sources, Rules::default());
    append(&journal, "small");
    let first = append(&journal, "large");
    let second = append(&journal, "large");
    append(&journal, "small");
    let answers = [Answer::Breaks, Answer::Silence, Answer::Taken, Answer::Refused].into();
    let broker = Arc::new(Mutex::new(Broker { answers, ..Broker::default() }));
    let context = Context::new("test", journal.clone(), sinks);
    let backoff = Range { from: Duration::from_millis(1), to: Duration::from_millis(5) };
    let driver =
        Driver::new(&context, SinkId(0), plan, Options { heartbeat: None, backoff, ..Options::default() });
    context.stop.drain();
    let running = driver.run(Fake(Arc::clone(&broker), journal.clone()));
    assert_eq!(tokio::time::timeout(Duration::from_mins(5), running).await.unwrap(), Outcome::Drained);
    let broker = broker.lock().unwrap();
    let letter = |sequence| format!("{}-{sequence}-bus", journal.id());
    assert_eq!(broker.letters, [letter(first), letter(first), letter(first), letter(second)]);
    assert_eq!(broker.settled, [0, 0, 0, 1], "a letter that nobody answered was settled");
    let announced = |event: &&String| event.contains("deadlettered");
    assert_eq!(broker.events.values().filter(announced).count(), 2, "{:?}", broker.events);
    assert_eq!(journal.ledger(SinkId(0), SourceId(0)).0.dead_lettered, 2);
    assert_eq!(context.counters.sink(SinkId(0)).read().letters_refused, 1);
    let warnings = &context.board.snapshot()["sink/bus"].warnings;
    assert!(warnings["refused"].contains("refused permanently"), "{warnings:?}");
}
