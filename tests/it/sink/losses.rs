//! A loss shows in `ctiprev` of what follows it, in each lane, whether or not its notice has come.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use cti_bridge::{
    event::{Seq, SinkId, SourceId},
    health::Board,
    journal::{Journal, Options, WhenFull, fs},
};

use crate::support::lanes::{Bench, By, Kept, LANES, SOURCES, frame};

const A: SourceId = SourceId(0);

/// Numbers that a lane does not hold: those above `last`, up to `prev`, which the record `seq` names as its
/// predecessor.
#[derive(Debug)]
struct Hole {
    last: Seq,
    prev: Seq,
    seq: Seq,
}

fn holes(lane: &[Kept]) -> Vec<Hole> {
    let mut newest: BTreeMap<&str, Seq> = BTreeMap::new();
    let mut holes = Vec::new();
    for kept in lane {
        let last = newest.insert(&kept.source, kept.seq);
        if let Some(last) = last.filter(|last| kept.prev > *last) {
            holes.push(Hole { last, prev: kept.prev, seq: kept.seq });
        }
        assert!(kept.prev < kept.seq, "{kept:?}");
    }
    holes
}

fn journal(dir: &std::path::Path, when_full: WhenFull) -> Journal {
    let config = Options {
        dir: dir.to_owned(),
        sync: journal::Sync::Every(Duration::from_millis(20)),
        max_bytes: Some(256 << 10),
        max_age: None,
        when_full,
        name_quota: 100,
        retain: Duration::from_hours(1),
        memory: 16 << 10,
    };
    let health = Board::default().component("journal".to_owned());
    let (sources, sinks) = (SOURCES.map(str::to_owned), ["sink".to_owned()]);
    Journal::open(&config, Arc::new(fs::Disk), &sources, &sinks, Arc::new(health)).unwrap().0
}

#[tokio::test]
async fn the_event_after_a_loss_names_the_last_lost_number() {
    for by in [By::Source, By::Entity] {
        for when_full in [WhenFull::DropOldest, WhenFull::DropNewest] {
            let dir = tempfile::tempdir().unwrap();
            let mut bench = Bench::new(by, journal(dir.path(), when_full));
            bench.drain(|| None).await;
            for _ in 0..4_000 {
                bench.sessions[0].event(frame(1));
                bench.sessions[0].commit();
            }
            let lost = bench.context.journal.ledger(SinkId(0), A).0.lost.values().sum::<u64>();
            if when_full == WhenFull::DropNewest {
                assert!(lost > 1_000, "{lost}");
            }
            bench.context.journal.announce_losses();
            bench.drain(|| None).await;
            let (ledger, pending) = bench.context.journal.ledger(SinkId(0), A);
            let lost = ledger.lost.values().sum::<u64>();
            assert!(lost > 0 && pending == 0 && ledger.received == ledger.settled(), "{ledger:?}");
            let lanes = bench.lanes.lock().unwrap();
            let of_a: Vec<&Vec<Kept>> =
                lanes.iter().filter(|lane| lane.iter().any(|kept| kept.source == "a")).collect();
            assert_eq!(of_a.len(), if by == By::Source { 1 } else { LANES });
            for lane in of_a {
                let lane: Vec<Kept> = lane.iter().filter(|kept| kept.source == "a").cloned().collect();
                let found = holes(&lane);
                match when_full {
                    WhenFull::DropNewest => assert_eq!(found.len(), 1, "one run was lost: {found:?}"),
                    // What compaction leaves of a segment, the newest of its names, is between two runs.
                    WhenFull::DropOldest => assert!(!found.is_empty()),
                }
                if by == By::Source {
                    let missing: u64 = found.iter().map(|hole| hole.prev.0 - hole.last.0).sum();
                    // What was read before it was dropped is delivered although it was charged.
                    assert!(missing <= lost, "{missing} of {lost} lost: {found:?}");
                }
                for Hole { prev, seq, .. } in found {
                    // Another lane may have what came right after it.
                    if when_full == WhenFull::DropNewest || by == By::Source {
                        assert_eq!(prev.next(), seq, "what follows is next to what was lost");
                    }
                }
            }
        }
    }
}

#[tokio::test]
async fn a_reader_notices_drops_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let mut bench = Bench::new(By::Source, journal(dir.path(), WhenFull::DropOldest));
    let journal = bench.context.journal.clone();
    let mut reader = journal.reader(SinkId(0));
    let mut append = |events: u32| {
        for _ in 0..events {
            bench.sessions[0].event(frame(1));
            bench.sessions[0].commit();
        }
    };
    append(10);
    let mut read = Vec::new();
    reader.read(usize::MAX, &mut read).await;
    append(4_000);
    read.clear();
    reader.read(usize::MAX, &mut read).await;
    assert_eq!(reader.gone()[0].next(), read[0].seq, "what follows is next to what was lost");
}
