//! The log: order, numbers, and a ledger that always balances.

use bytes::Bytes;
use event::{Body, EndReason, LossReason, Notice, Position, RawEvent, Record, Seq, SinkId, SourceId};
use futures_util::FutureExt as _;
use jiff::Timestamp;
use journal::{Journal, Opened, Reader, Settled};
use proptest::prelude::*;
use serde_json::Value;

const A: SourceId = SourceId(0);
const B: SourceId = SourceId(1);

fn frame(size: usize) -> RawEvent {
    let text = format!("42[\"e\",\"{}\"]", "x".repeat(size));
    let end = u32::try_from(text.len()).unwrap() - 1;
    RawEvent {
        at: Timestamp::now(),
        bytes: Bytes::from(text),
        name: 4..5,
        args: 7..end,
        argc: 1,
        attachments: Box::default(),
    }
}

fn opened() -> Opened {
    Opened { user: "bridge".into(), profile: None, sees: vec![], privacy: None, may_have_missed: vec![] }
}

fn journal(capacity: usize) -> Journal {
    Journal::memory(capacity, &["a".into(), "b".into()], &["x".into(), "y".into()])
}

/// Reads what is in memory, without waiting.
fn read(reader: &mut Reader, most: usize) -> Vec<Record> {
    let mut records = Vec::new();
    reader.read(most, &mut records).now_or_never().expect("a memory journal never waits");
    records
}

fn settle(reader: &mut Reader, records: &[Record], how: Settled) {
    reader.settle(records.iter().map(|record| (record.position, record.source, record.seq, how)));
}

/// Returns the data of a notice with this name.
fn notice(record: &Record, what: &str) -> Value {
    match &record.body {
        Body::Notice(notice) if notice.name == what => serde_json::from_slice(&notice.data).unwrap(),
        _ => panic!("not {what}: {record:?}"),
    }
}

#[test]
fn a_session_starts_with_its_gap_and_numbers_are_dense() {
    let journal = journal(1 << 20);
    let mut reader = journal.reader(SinkId(0));
    let mut live = journal.ingest(A).begin(opened());
    live.event(frame(10));
    live.event(frame(10));
    live.commit();
    journal.notice(B, &Notice::Started { version: "1" });
    let ingest = live.end(EndReason::ConnectionClosed, "cut".into());
    let mut live = ingest.begin(opened());
    live.event(frame(10));
    live.commit();
    let records = read(&mut reader, 100);
    let positions: Vec<_> = records.iter().map(|record| record.position).collect();
    assert_eq!(positions, (1..=9).map(Position).collect::<Vec<_>>());
    let of_a: Vec<_> = records.iter().filter(|record| record.source == A).collect();
    for pair in of_a.windows(2) {
        assert_eq!(pair[1].seq, pair[0].seq.next());
    }
    assert!(of_a[0].seq.0 > 1_700_000_000_000_000, "a new journal starts at the time in microseconds");
    assert!(of_a[0].seq.0 < 1 << 53, "a double holds it");
    assert_eq!(notice(of_a[0], "gap")["lastSequence"], Value::Null);
    let gap = of_a[5];
    let data = notice(gap, "gap");
    assert_eq!(data["lastSequence"], of_a[4].seq.0, "the last number before the gap");
    let from: Timestamp = data["from"].as_str().unwrap().parse().unwrap();
    // Times in `data` have microseconds.
    assert!(from.as_microsecond() >= of_a[3].at.as_microsecond(), "seen up to the last frame at least");
    assert_eq!((of_a[3].gap, of_a[7].gap), (of_a[0].seq, gap.seq), "ctigap moves with the gap");
}

#[test]
fn a_dropped_session_still_ends() {
    let journal = journal(1 << 20);
    let mut reader = journal.reader(SinkId(0));
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let mut live = journal.ingest(A).begin(opened());
        live.event(frame(10));
        panic!("a bug");
    }));
    assert!(panicked.is_err());
    let records = read(&mut reader, 10);
    assert_eq!(records.len(), 4, "gap, connected, the event, disconnected");
    assert_eq!(notice(&records[3], "disconnected")["reason"], "internal");
}

#[test]
fn dropped_records_are_charged_only_to_the_sink_that_lost_them() {
    let journal = journal(20_000);
    let (mut x, mut y) = (journal.reader(SinkId(0)), journal.reader(SinkId(1)));
    let mut live = journal.ingest(A).begin(opened());
    for _ in 0..100 {
        live.event(frame(1_000));
        live.commit();
        let records = read(&mut x, 10);
        settle(&mut x, &records, Settled::Published);
    }
    let (ledger, pending) = journal.ledger(SinkId(0), A);
    assert_eq!((ledger.published, ledger.lost.len(), pending), (102, 0, 0), "x kept up");
    let (ledger, pending) = journal.ledger(SinkId(1), A);
    let lost = ledger.lost[&LossReason::JournalFull];
    assert_eq!((ledger.received, lost + pending), (102, 102), "y did not");
    journal.announce_losses();
    y.rewind();
    let records = read(&mut y, 1_000);
    let data = notice(records.last().unwrap(), "lost");
    assert_eq!((&data["sink"], &data["count"]), (&"y".into(), &lost.into()));
    let number = |key: &str| data[key].as_u64().unwrap();
    assert_eq!(number("to") - number("from") + 1, lost, "one source: the range is what was lost");
    assert_eq!(records[0].seq.0, number("to") + 1, "what is left follows what was lost");
    assert_eq!(journal.newest(A).1, records.last().unwrap().seq, "ctigap refers to it");
}

#[test]
fn an_event_that_must_not_be_written_is_counted_as_filtered() {
    let journal = journal(1 << 20);
    let live = journal.ingest(A).begin(opened());
    live.withhold();
    let (ledger, pending) = journal.ledger(SinkId(0), A);
    assert_eq!((ledger.received, ledger.filtered, pending), (3, 1, 2));
}

#[tokio::test]
async fn a_reader_wakes_up_on_an_append() {
    let journal = journal(1 << 20);
    let mut reader = journal.reader(SinkId(0));
    let waiting = tokio::spawn(async move {
        reader.ready().await;
        read(&mut reader, 1).len()
    });
    journal.notice(A, &Notice::Started { version: "1" });
    assert_eq!(waiting.await.unwrap(), 1);
}

#[derive(Debug, Clone)]
enum Deed {
    Event(bool, usize),
    Read(usize),
    Settle(usize),
    Rewind,
    Announce,
}

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        4 => (any::<bool>(), 0usize..3_000).prop_map(|(b, size)| Deed::Event(b, size)),
        2 => (1usize..20).prop_map(Deed::Read),
        2 => (1usize..20).prop_map(Deed::Settle),
        1 => Just(Deed::Rewind),
        1 => Just(Deed::Announce),
    ]
}

proptest! {
    /// After every step, received = published + pending + lost for every source and sink, and each sink reads
    /// a source's numbers without a gap except for those counted as lost.
    #[test]
    fn the_ledger_always_adds_up(deeds in proptest::collection::vec(deed(), 1..200)) {
        let journal = journal(16_000);
        let mut reader = journal.reader(SinkId(0));
        let mut lives = [journal.ingest(A).begin(opened()), journal.ingest(B).begin(opened())];
        let mut held: Vec<Record> = Vec::new();
        let mut last: [Option<Seq>; 2] = [None, None];
        for deed in deeds {
            match deed {
                Deed::Event(b, size) => {
                    let live = &mut lives[usize::from(b)];
                    live.event(frame(size));
                    live.commit();
                }
                Deed::Read(most) => held.extend(read(&mut reader, most)),
                Deed::Settle(most) => {
                    let settled: Vec<_> = held.drain(..most.min(held.len())).collect();
                    for record in &settled {
                        let last = &mut last[record.source.index()];
                        prop_assert!(last.is_none_or(|last| last < record.seq));
                        *last = Some(record.seq);
                    }
                    settle(&mut reader, &settled, Settled::Published);
                }
                Deed::Rewind => {
                    held.clear();
                    reader.rewind();
                    last = [None, None];
                }
                Deed::Announce => journal.announce_losses(),
            }
            for source in [A, B] {
                for sink in [SinkId(0), SinkId(1)] {
                    let (ledger, pending) = journal.ledger(sink, source);
                    prop_assert_eq!(ledger.received, ledger.settled() + pending);
                }
            }
        }
    }
}
