//! Events that repeat their entity's data: a sink may filter them and still has each entity's newest state.

use std::collections::BTreeMap;

use event::{Body, LossReason, Notice, RawEvent, Record, ResyncReason, SinkId};
use jiff::Timestamp;
use journal::{Journal, Live, Options, Settled};
use proptest::prelude::*;

use journal_kit::{adds_up, begin, close, config, disk, id, open, read, settle};

/// Builds an update of an extension; the duration is volatile.
fn update(exten: u8, status: u8, duration: u32, size: usize) -> RawEvent {
    let text = format!(
        r#"42["extenUpdate",{{"exten":"{exten}","status":"{status}","conversations":{{"c":{{"duration":{duration}}}}},"pad":"{}"}}]"#,
        "x".repeat(size)
    );
    let args = 17..u32::try_from(text.len()).unwrap() - 1;
    let (at, bytes) = (Timestamp::now(), text.into());
    RawEvent { at, bytes, name: 4..15, args, argc: 1, attachments: Box::default() }
}

type States = BTreeMap<(u16, String), String>;

/// Folds records to the newest state of each extension, by source.
fn fold<'a>(records: impl IntoIterator<Item = &'a Record>) -> States {
    let mut states = States::new();
    for record in records {
        if let Body::Event(event) = &record.body {
            let data: serde_json::Value = serde_json::from_slice(&event.args()).unwrap();
            let text = |key: &str| data[key].as_str().unwrap().to_owned();
            states.insert((record.source.0, text("exten")), text("status"));
        }
    }
    states
}

fn is_filtered(record: &Record) -> bool {
    record.unchanged
}

fn append(live: &mut Live, exten: u8, status: u8, duration: u32, size: usize) {
    live.event(update(exten, status, duration, size));
    live.commit();
}

fn marks(journal: &Journal) -> Vec<bool> {
    let records = read(&mut journal.reader(SinkId(1)));
    records.iter().filter(|it| matches!(it.body, Body::Event(_))).map(is_filtered).collect()
}

#[test]
fn the_mark_survives_a_restart_and_the_table_does_not() {
    let disk = disk();
    let (journal, _) = open(&disk, &config());
    let mut live = begin(&journal, "a");
    append(&mut live, 1, 1, 1, 0);
    append(&mut live, 1, 1, 2, 0);
    journal.track_changes(true);
    append(&mut live, 1, 1, 3, 0);
    live.snapshot([update(1, 1, 4, 0)]);
    append(&mut live, 1, 2, 5, 0);
    append(&mut live, 1, 2, 6, 300 << 10);
    append(&mut live, 1, 2, 7, 300 << 10);
    let expected = [false, false, false, true, false, false, true];
    assert_eq!(marks(&journal), expected);
    drop(live);
    close(journal);
    let (journal, notes) = open(&disk, &config());
    assert_eq!((marks(&journal), notes), (expected.to_vec(), vec![]));
    journal.track_changes(true);
    append(&mut begin(&journal, "a"), 1, 2, 8, 0);
    assert_eq!(marks(&journal).last(), Some(&false));
}

#[test]
fn compaction_keeps_the_event_that_unchanged_ones_equal() {
    let disk = disk();
    let small = Options { max_bytes: Some(2 << 20), memory: 64 << 10, ..config() };
    let (journal, _) = open(&disk, &small);
    journal.track_changes(true);
    let mut live = begin(&journal, "a");
    let mut expected = States::new();
    for round in 0..120u32 {
        for exten in 0..10 {
            // Each extension changes in other rounds, and one never does.
            let status = if exten == 0 { 0 } else { u8::try_from(round / (20 + u32::from(exten))).unwrap() };
            append(&mut live, exten, status, round, 3_000);
            expected.insert((id(&journal, "a").0, exten.to_string()), status.to_string());
        }
        journal.sync();
    }
    let mut reader = journal.reader(SinkId(0));
    let records = read(&mut reader);
    reader.settle(records.iter().map(|record| {
        let how = if is_filtered(record) { Settled::Filtered } else { Settled::Published };
        (record.position, record.source, record.seq, how)
    }));
    let lost = journal.ledger(SinkId(0), id(&journal, "a")).0.lost;
    assert!(lost.keys().eq([&LossReason::Superseded]) && lost[&LossReason::Superseded] > 500, "{lost:?}");
    assert!(records.iter().any(is_filtered), "unchanged ones are left");
    assert_eq!(fold(&records), expected);
    assert_eq!(fold(records.iter().filter(|it| !is_filtered(it))), expected);
    adds_up(&journal);
}

#[derive(Debug, Clone)]
enum Step {
    Event { b: bool, exten: u8, status: u8, is_snapshot: bool },
    Notice { b: bool, kind: u8 },
    Session { b: bool },
    Track(bool),
    Restart { is_clean: bool },
}

fn step() -> impl Strategy<Value = Step> {
    let event = (any::<bool>(), 0..3u8, 0..2u8, any::<bool>());
    prop_oneof![
        20 => event.prop_map(|(b, exten, status, is_snapshot)| Step::Event { b, exten, status, is_snapshot }),
        3 => (any::<bool>(), 0..5u8).prop_map(|(b, kind)| Step::Notice { b, kind }),
        1 => any::<bool>().prop_map(|b| Step::Session { b }),
        2 => prop::bool::weighted(0.7).prop_map(Step::Track),
        1 => any::<bool>().prop_map(|is_clean| Step::Restart { is_clean }),
    ]
}

fn notice(kind: u8) -> Notice {
    let sink = "x".to_owned();
    match kind {
        0 => Notice::ResyncStarted { session: 1, reason: ResyncReason::Scheduled, snapshots: vec![] },
        1 => Notice::Rewound { sink, from: event::Seq(1) },
        2 => Notice::Deadlettered { sink, sequence: event::Seq(1), reason: String::new() },
        3 => Notice::Stopping { reason: "test" },
        _ => Notice::Started { version: "1" },
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// At any point, also for a consumer that has nothing from before a notice of loss.
    #[test]
    fn events_that_are_not_marked_hold_every_state(steps in proptest::collection::vec(step(), 1..80)) {
        let disk = disk();
        let (mut journal, _) = open(&disk, &config());
        let mut lives = [begin(&journal, "a"), begin(&journal, "b")];
        let mut is_tracking = false;
        for (at, step) in (0..).zip(steps) {
            match step {
                Step::Event { b, exten, status, is_snapshot: false } => append(&mut lives[usize::from(b)], exten, status, at, 0),
                Step::Event { b, exten, status, .. } => lives[usize::from(b)].snapshot([update(exten, status, at, 0)]),
                Step::Notice { b, kind } => lives[usize::from(b)].notice(&notice(kind)),
                Step::Session { b } => lives[usize::from(b)] = begin(&journal, if b { "b" } else { "a" }),
                Step::Track(on) => {
                    journal.track_changes(on);
                    is_tracking = on;
                }
                Step::Restart { is_clean } => {
                    if is_clean { journal.close() } else { disk.crash() }
                    drop(lives);
                    drop(journal);
                    (journal, _) = open(&disk, &config());
                    journal.track_changes(is_tracking);
                    lives = [begin(&journal, "a"), begin(&journal, "b")];
                }
            }
        }
        let records = read(&mut journal.reader(SinkId(0)));
        let (mut all, mut unmarked) = (States::new(), States::new());
        for record in &records {
            all.extend(fold([record]));
            if !record.unchanged {
                unmarked.extend(fold([record]));
            }
            prop_assert_eq!(&all, &unmarked, "at {:?}", record.position);
            if let Body::Notice(notice) = &record.body {
                prop_assert!(!record.unchanged);
                if ["gap", "rewound", "deadlettered", "resync.started"].contains(&&*notice.name) {
                    all.retain(|(source, _), _| *source != record.source.0);
                    unmarked.retain(|(source, _), _| *source != record.source.0);
                }
            }
        }
    }
}

#[test]
fn a_journal_in_memory_marks_events_too() {
    let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
    let journal = Journal::memory(1 << 20, &names(&["a"]), &names(&["x"]));
    journal.track_changes(true);
    let mut live = begin(&journal, "a");
    append(&mut live, 1, 1, 1, 0);
    append(&mut live, 1, 1, 2, 0);
    let mut reader = journal.reader(SinkId(0));
    let records = read(&mut reader);
    settle(&mut reader, &records);
    assert_eq!(records.iter().map(is_filtered).collect::<Vec<_>>(), [false, false, false, true]);
    let replayed = Journal::replay(journal.id(), &journal.sources(), "x", records);
    let replayed = read(&mut replayed.reader(SinkId(0)));
    assert!(replayed.iter().all(|it| !it.unchanged), "the event that it equals may not be replayed");
}
