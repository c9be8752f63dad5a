//! A journal that fills up while a sink is away: the newest state survives, and no name evicts another.

use std::{collections::BTreeMap, path::Path, time::Duration};

use event::{LossReason, Record, SinkId};
use journal::{Journal, Options, Sync, WhenFull};

use journal_kit::{
    DIR, RUNTIME, adds_up, announced, begin, close, config, disk, events,
    faulty_fs::{Faults, FaultyFs, Survives, Writes},
    id, open, open_as, read, segments, settle,
    states::{States, newest, of_name},
};

const MIB: u64 = 1 << 20;

/// A small journal with little memory.
fn small(max_bytes: u64, name_quota: u8) -> Options {
    Options { max_bytes: Some(max_bytes), name_quota, memory: 64 << 10, ..config() }
}

fn lost(journal: &Journal, sink: SinkId) -> BTreeMap<LossReason, u64> {
    journal.ledger(sink, id(journal, "a")).0.lost
}

fn only(reason: LossReason, count: u64) -> BTreeMap<LossReason, u64> {
    [(reason, count)].into()
}

fn bytes(disk: &FaultyFs) -> u64 {
    let within = Path::new(DIR).join("segments");
    let files = disk.files().into_iter().filter(|(path, _)| path.parent() == Some(&within));
    files.map(|(_, content)| content.len() as u64).sum()
}

/// Reads and settles everything for a sink, including the `lost` notices.
fn deliver(journal: &Journal, sink: SinkId) -> Vec<Record> {
    let mut reader = journal.reader(sink);
    let mut all = read(&mut reader);
    settle(&mut reader, &all);
    journal.announce_losses();
    let notices = read(&mut reader);
    settle(&mut reader, &notices);
    assert!(reader.is_drained());
    all.extend(notices);
    all
}

#[test]
fn the_newest_state_of_an_extension_survives_400_updates() {
    let disk = disk();
    let config = small(4 * MIB, 50);
    let (journal, _) = open(&disk, &config);
    let (mut live, mut states) = (begin(&journal, "a"), States::default());
    for _ in 0..40 {
        states.append(&mut live, "201", 10, 20_000);
        journal.sync();
        assert!(bytes(&disk) <= 4 * MIB, "{} bytes", bytes(&disk));
    }
    assert!(lost(&journal, SinkId(0)).is_empty(), "nothing is lost before a sink passes it");
    adds_up(&journal);
    disk.crash();
    let (journal, notes) = open(&disk, &config);
    assert_eq!(notes, Vec::<String>::new());
    let records = deliver(&journal, SinkId(0));
    assert_eq!(newest(&records), states.newest);
    let kept = of_name(&records, "extenUpdate").len() as u64;
    assert!(kept > 30, "no more goes than has to: {kept}");
    assert_eq!(lost(&journal, SinkId(0)), only(LossReason::Superseded, 400 - kept));
    assert_eq!(announced(&records, "x"), [("superseded".to_owned(), 400 - kept)].into());
    adds_up(&journal);
}

#[test]
fn a_session_does_not_outrun_compaction() {
    let disk = disk();
    let (journal, _) =
        open(&disk, &Options { sync: Sync::Every(Duration::from_millis(1)), ..small(4 * MIB, 100) });
    let (mut live, mut states) = (begin(&journal, "a"), States::default());
    for _ in 0..400 {
        states.append(&mut live, "201", 1, 20_000);
        RUNTIME.block_on(live.synced());
    }
    let records = deliver(&journal, SinkId(0));
    assert_eq!(newest(&records), states.newest);
    assert_eq!(lost(&journal, SinkId(0)).into_keys().collect::<Vec<_>>(), [LossReason::Superseded]);
    adds_up(&journal);
}

#[test]
fn only_states_are_superseded_and_each_by_its_own_entity() {
    let disk = disk();
    let config = small(2 * MIB, 100);
    let (journal, _) = open(&disk, &config);
    let (mut live, mut other, mut states) = (begin(&journal, "a"), begin(&journal, "b"), States::default());
    // Another source's extension of the same number, and one that does not change again.
    states.append(&mut other, "b 200", 1, 5_000);
    states.append(&mut live, "299", 1, 5_000);
    for round in 0..60 {
        for exten in 200..210 {
            states.append(&mut live, &exten.to_string(), 1, 5_000);
        }
        events(&mut live, "extenRinging", 3, 200);
        if round % 10 == 0 {
            states.append(&mut other, "b 201", 1, 5_000);
        }
        journal.sync();
    }
    for round in [SinkId(0), SinkId(1)] {
        let records = deliver(&journal, round);
        assert_eq!(newest(&records), states.newest, "{round:?}");
        assert_eq!(of_name(&records, "extenRinging").len(), 180);
        let kept = of_name(&records, "extenUpdate").len() as u64;
        let lost = journal.ledger(round, id(&journal, "b")).0.lost.values().sum::<u64>()
            + lost(&journal, round)[&LossReason::Superseded];
        assert_eq!((kept + lost, lost > 200), (608, true), "{kept} kept");
        adds_up(&journal);
    }
    let files = segments(&disk).len();
    assert!(files <= 64, "what is left of segments is joined: {files}");
}

#[test]
fn in_a_flood_the_newest_survive_and_no_other_name_is_dropped() {
    let disk = disk();
    let config = small(4 * MIB, 25);
    let (journal, _) = open(&disk, &config);
    let (mut live, mut states) = (begin(&journal, "a"), States::default());
    for _ in 0..100 {
        states.messages(&mut live, 100, 1_000);
        states.append(&mut live, "201", 1, 1_000);
        events(&mut live, "extenRinging", 2, 200);
        journal.sync();
    }
    let (records, of) =
        (deliver(&journal, SinkId(0)), |records: &[Record], name: &str| of_name(records, name).len() as u64);
    assert_eq!((of(&records, "extenUpdate"), of(&records, "extenRinging")), (100, 200));
    let messages = of_name(&records, "message");
    let kept = messages.len() as u64;
    assert_eq!(messages, (10_000 - kept..10_000).collect::<Vec<_>>(), "the oldest go");
    assert!(kept * 1_100 < MIB + MIB / 4 && kept * 1_100 > MIB / 2, "a quarter of the journal: {kept}");
    assert_eq!(lost(&journal, SinkId(0)), only(LossReason::Quota, 10_000 - kept));
    assert_eq!(announced(&records, "x"), [("quota".to_owned(), 10_000 - kept)].into());
    adds_up(&journal);
}

#[test]
fn drop_newest_refuses_the_newest_of_a_name_over_its_quota() {
    let disk = disk();
    let config = Options { when_full: WhenFull::DropNewest, ..small(2 * MIB, 25) };
    let (journal, _) = open(&disk, &config);
    let (mut live, mut states) = (begin(&journal, "a"), States::default());
    states.append(&mut live, "201", 100, 20_000);
    journal.sync();
    let kept: Vec<_> = of_name(&deliver(&journal, SinkId(0)), "extenUpdate");
    assert_eq!(kept, (0..kept.len() as u64).collect::<Vec<_>>());
    assert_eq!(lost(&journal, SinkId(0)), only(LossReason::Quota, 100 - kept.len() as u64));
    adds_up(&journal);
}

#[test]
fn a_sink_that_keeps_up_loses_nothing() {
    let disk = disk();
    let (journal, _) = open(&disk, &small(MIB, 100));
    let (mut live, mut states, mut x) = (begin(&journal, "a"), States::default(), journal.reader(SinkId(0)));
    let mut seen = 0;
    for _ in 0..100 {
        states.append(&mut live, "201", 5, 5_000);
        let records = read(&mut x);
        settle(&mut x, &records);
        seen += of_name(&records, "extenUpdate").len();
        journal.sync();
        adds_up(&journal);
    }
    assert_eq!((seen, lost(&journal, SinkId(0))), (500, BTreeMap::new()));
    let records = deliver(&journal, SinkId(1));
    assert_eq!(newest(&records), states.newest);
    assert_eq!(
        lost(&journal, SinkId(1)),
        only(LossReason::Superseded, 500 - of_name(&records, "extenUpdate").len() as u64)
    );
}

/// Leaves a journal with 100 updates of 10 extensions and 50 other events.
fn left_behind(disk: &FaultyFs, max_bytes: u64, size: usize) -> States {
    let (journal, _) = open(disk, &small(max_bytes, 100));
    let (mut live, mut states) = (begin(&journal, "a"), States::default());
    for exten in (0..10).cycle().take(100) {
        states.append(&mut live, &exten.to_string(), 1, size);
        if exten % 2 == 0 {
            events(&mut live, "e", 1, 100);
        }
    }
    live.end(event::EndReason::Stopping, String::new());
    close(journal);
    states
}

/// Options with little room for the journal left behind.
fn tight() -> Options {
    small(600_000, 100)
}

#[test]
fn records_read_before_a_segment_is_rewritten_are_charged_once() {
    // In the large journal a segment exceeds one disk read.
    let large = (1..=20).map(|in_flight| (8, in_flight, 1, false));
    let cases =
        [(1, 70, 70, false), (1, 70, 10, false), (1, 70, 35, true), (1, 70, 0, true), (1, 3, 2, true)];
    for (scale, in_flight, acknowledged, breaks) in large.chain(cases) {
        let disk = disk();
        let (max_bytes, size) = (scale * MIB, 5_000 * usize::try_from(scale).unwrap());
        let mut states = left_behind(&disk, max_bytes, size);
        let (journal, _) = open(&disk, &small(max_bytes, 100));
        let mut reader = journal.reader(SinkId(0));
        let mut first = Vec::new();
        while first.len() < in_flight {
            RUNTIME.block_on(reader.read(in_flight - first.len(), &mut first));
        }
        let mut live = begin(&journal, "a");
        for exten in (0..10).cycle().take(100) {
            states.append(&mut live, &exten.to_string(), 1, size);
            journal.sync();
        }
        settle(&mut reader, &first[..acknowledged]);
        adds_up(&journal);
        if breaks {
            reader.rewind();
        }
        let mut rest = read(&mut reader);
        if !breaks {
            settle(&mut reader, &first[acknowledged..]);
        }
        settle(&mut reader, &rest);
        journal.announce_losses();
        rest.extend(read(&mut reader));
        let notices = announced(&rest, "x");
        let delivered = if breaks { acknowledged } else { in_flight };
        let mut all = first[..delivered].to_vec();
        all.extend(rest);
        let kept = of_name(&all, "extenUpdate");
        let mut sorted = kept.clone();
        sorted.dedup();
        assert_eq!(kept, sorted, "none comes twice");
        let gone = 200 - kept.len() as u64;
        assert!(gone > 0);
        assert_eq!(lost(&journal, SinkId(0)), only(LossReason::Superseded, gone), "{in_flight} in flight");
        assert_eq!(notices, [("superseded".to_owned(), gone)].into());
        assert_eq!((newest(&all), of_name(&all, "e").len()), (states.newest, 50));
        adds_up(&journal);
    }
}

#[test]
fn a_kill_between_any_two_steps_leaves_a_valid_journal() {
    let mut after = 1;
    for power in [None, Some(Survives::Nothing), Some(Survives::Prefix)] {
        let mut steps = 0;
        loop {
            let disk = FaultyFs::new(after, Path::new(DIR));
            let states = left_behind(&disk, MIB, 5_000);
            disk.crash_after(Some(after));
            if let Ok((journal, _)) = open_as(&disk, &tight(), &["a", "b"], &["x", "y"]) {
                journal.sync();
            }
            let is_over = !disk.has_crashed();
            disk.crash_after(None);
            match power {
                None => disk.crash(),
                Some(survives) => disk.power_failure(survives),
            }
            let (journal, notes) = open(&disk, &tight());
            let damage: Vec<_> = notes.iter().filter(|note| note.contains("gone")).collect();
            assert!(damage.is_empty(), "killed after {after} calls: {notes:?}");
            assert!(bytes(&disk) < 700_000, "leftovers: {:?}", segments(&disk));
            journal.sync();
            let records = deliver(&journal, SinkId(0));
            let kept = of_name(&records, "extenUpdate").len() as u64;
            assert_eq!((newest(&records), of_name(&records, "e").len()), (states.newest, 50));
            assert_eq!(lost(&journal, SinkId(0)), only(LossReason::Superseded, 100 - kept), "{after} calls");
            adds_up(&journal);
            steps += 1;
            after += 1;
            if is_over {
                break;
            }
        }
        assert!(steps > 50, "{steps} steps");
        after = 1;
    }
}

#[test]
fn without_room_for_a_copy_the_oldest_are_dropped() {
    let disk = disk();
    let (journal, _) = open(&disk, &Options { memory: 64 << 20, ..small(2 * MIB, 100) });
    let (mut live, mut states) = (begin(&journal, "a"), States::default());
    // Each with its own state, so that none is superseded.
    for exten in 0..600 {
        states.append(&mut live, &exten.to_string(), 1, 5_000);
        if exten % 10 == 0 {
            journal.sync();
        }
        assert!(bytes(&disk) <= 2 * MIB + 2 * 5_200, "{}", bytes(&disk));
    }
    // The volume has space for appends but not for a copy.
    for exten in (590..600).cycle().take(400) {
        disk.set(Faults { writes: Writes::Space(6_000), ..Faults::default() });
        states.append(&mut live, &exten.to_string(), 1, 5_000);
        disk.set(Faults { writes: Writes::Space(0), ..Faults::default() });
        if exten % 10 == 0 {
            journal.sync();
        }
        assert!(bytes(&disk) <= 2 * MIB + 2 * 5_200, "{}", bytes(&disk));
    }
    disk.set(Faults::default());
    journal.sync();
    let records = deliver(&journal, SinkId(0));
    assert_eq!(of_name(&records, "extenUpdate").last(), Some(&999));
    let kept = of_name(&records, "extenUpdate").len() as u64;
    let lost = lost(&journal, SinkId(0));
    assert_eq!(lost.values().sum::<u64>() + kept, 1_000 + lost_notices(&lost), "{lost:?}");
    assert!(lost.contains_key(&LossReason::JournalFull), "{lost:?}");
    adds_up(&journal);
}

/// Counts the `gap` and `connected` notices that were dropped with the oldest events.
fn lost_notices(lost: &BTreeMap<LossReason, u64>) -> u64 {
    if lost.contains_key(&LossReason::JournalFull) { 2 } else { 0 }
}
