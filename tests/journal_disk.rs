//! The journal on a disk: what a stop, a crash, damage and its bounds leave of it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

#[path = "support/faulty_fs.rs"]
mod faulty_fs;

use std::{
    collections::BTreeMap,
    ops::Range,
    path::{Path, PathBuf},
    sync::{Arc, LazyLock},
    time::{Duration, Instant},
};

use bytes::Bytes;
use cti_bridge::{
    event::{Body, EndReason, LossReason, Notice, Position, Record, Seq, SourceId},
    health::Board,
    journal::{
        Journal, Live, OpenError, Opened, Reader, Recovery, Settled,
        config::{Disk, Sync, WhenFull},
        fs,
    },
    socketio::Frame,
};
use faulty_fs::FaultyFs;
use jiff::Timestamp;
use proptest::{prelude::*, sample::Index};

static RUNTIME: LazyLock<tokio::runtime::Runtime> = LazyLock::new(|| tokio::runtime::Runtime::new().unwrap());
const DIR: &str = "/journal";
/// No bound, no retention that ends, and syncs only where a test asks for them.
fn config() -> Disk {
    Disk {
        dir: DIR.into(),
        sync: Sync::Every(Duration::from_hours(1)),
        max_bytes: Some(1 << 30),
        max_age: None,
        when_full: WhenFull::DropOldest,
        name_quota: 100,
        retain: Duration::from_hours(1),
        memory: 64 << 20,
    }
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

fn open_as(
    disk: &FaultyFs,
    config: &Disk,
    sources: &[&str],
    sinks: &[&str],
) -> Result<(Journal, Recovery), OpenError> {
    let health = Board::default().component("journal".to_owned());
    Journal::open(config, disk.process(), &names(sources), &names(sinks), health)
}

/// Sources a and b, sinks x and y.
fn open(disk: &FaultyFs, config: &Disk) -> (Journal, Vec<String>) {
    let (journal, recovery) = open_as(disk, config, &["a", "b"], &["x", "y"]).unwrap();
    adds_up(&journal);
    (journal, recovery.notes)
}

fn disk() -> FaultyFs {
    FaultyFs::new(1, Path::new(DIR))
}

fn id(journal: &Journal, name: &str) -> SourceId {
    journal.source(name).unwrap_or_else(|| panic!("no source {name}"))
}

fn frame(name: &str, size: usize, attachments: usize) -> Frame {
    let text = format!("42[\"{name}\",\"{}\"]", "x".repeat(size));
    let (name_end, end) = (4 + u32::try_from(name.len()).unwrap(), u32::try_from(text.len()).unwrap() - 1);
    let attachments = (0..attachments).map(|n| Bytes::from(vec![u8::try_from(n).unwrap(); size])).collect();
    let args = name_end + 2..end;
    Frame { at: Timestamp::now(), bytes: text.into(), name: 4..name_end, args, argc: 1, attachments }
}

/// A live session; its `gap` and `connected` come first.
fn begin(journal: &Journal, source: &str) -> Live {
    let opened =
        Opened { user: "bridge".into(), profile: None, sees: vec![], privacy: None, may_have_missed: vec![] };
    journal.ingest(id(journal, source)).begin(opened)
}

fn events(live: &mut Live, name: &str, count: usize, size: usize) {
    for _ in 0..count {
        live.event(frame(name, size, 0));
        live.commit();
    }
}

/// Everything from where the reader stands.
fn read(reader: &mut Reader) -> Vec<Record> {
    let deadline = Instant::now() + Duration::from_secs(30);
    let mut records = Vec::new();
    while !reader.at_end() {
        RUNTIME.block_on(reader.read(256, &mut records));
        assert!(Instant::now() < deadline, "the reader stands still after {}", records.len());
    }
    for pair in records.windows(2) {
        assert!(pair[0].position < pair[1].position, "{pair:?}");
    }
    records
}

fn settle(reader: &mut Reader, records: &[Record]) {
    reader.settle(
        records.iter().map(|record| (record.position, record.source, record.seq, Settled::Published)),
    );
}

/// The ledger's identity, for two sources and two sinks.
fn adds_up(journal: &Journal) {
    for (sink, source) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
        let (ledger, pending) = journal.ledger(sink, SourceId(source));
        assert_eq!(ledger.received, ledger.settled() + pending, "sink {sink} source {source}: {ledger:?}");
    }
}

/// What must come out as it went in.
fn content(record: &Record) -> (Position, SourceId, Seq, Timestamp, Vec<u8>) {
    let bytes = match &record.body {
        Body::Event(frame) => format!("{:?}", (&frame.bytes, &frame.name, &frame.args, &frame.attachments)),
        Body::Notice(told) => format!("{told:?}"),
    };
    (record.position, record.source, record.seq, record.at, bytes.into_bytes())
}

fn contents(records: &[Record]) -> Vec<(Position, SourceId, Seq, Timestamp, Vec<u8>)> {
    records.iter().map(content).collect()
}

fn told(record: &Record) -> (&str, serde_json::Value) {
    match &record.body {
        Body::Notice(told) => (&told.what, serde_json::from_slice(&told.data).unwrap()),
        Body::Event(frame) => (std::str::from_utf8(&frame.bytes[4..5]).unwrap(), serde_json::Value::Null),
    }
}

/// The `lost` notices for a sink: counts by reason.
fn announced(records: &[Record], sink: &str) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for (what, data) in records.iter().map(told) {
        if what == "lost" && data["sink"] == sink {
            assert!(data["from"].as_u64() <= data["to"].as_u64(), "{data}");
            *counts.entry(data["reason"].as_str().unwrap().to_owned()).or_default() +=
                data["count"].as_u64().unwrap();
        }
    }
    counts
}

fn segments(disk: &FaultyFs) -> Vec<PathBuf> {
    let within = Path::new(DIR).join("segments");
    disk.files().into_keys().filter(|path| path.parent() == Some(&within)).collect()
}

fn close(journal: Journal) {
    journal.close();
    drop(journal);
}

#[test]
fn a_stop_and_a_crash_lose_nothing_and_the_numbers_go_on() {
    let disk = disk();
    let mut last: Option<(Seq, String)> = None;
    let mut undelivered = Vec::new();
    for round in 0..6 {
        let (journal, notes) = open(&disk, &config());
        assert_eq!(notes, Vec::<String>::new(), "round {round}");
        let mut reader = journal.reader(0);
        let before = read(&mut reader);
        assert_eq!(contents(&before), contents(&undelivered), "round {round}");
        let mut live = begin(&journal, "a");
        events(&mut live, "e", 20, 100);
        let new = read(&mut reader);
        let (what, gap) = told(&new[0]);
        assert_eq!(what, "gap");
        let reason = if round == 0 { "started" } else { ["restarted", "crashed"][(round + 1) % 2] };
        assert_eq!((&gap["reason"], &gap["skipped"]), (&reason.into(), &serde_json::Value::Null), "{gap}");
        if let Some((seq, journal_id)) = &last {
            assert_eq!((new[0].seq, journal.id().to_string()), (seq.next(), journal_id.clone()));
            assert_eq!(gap["lastSequence"], seq.0);
        }
        let all = [before, new].concat();
        settle(&mut reader, &all[..all.len() / 2]);
        undelivered = all[all.len() / 2..].to_vec();
        adds_up(&journal);
        if round % 2 == 0 {
            live.end(EndReason::Stopping, String::new());
            undelivered.extend(read(&mut reader));
            journal.close();
        } else {
            // What a killed process had settled and not yet noted is delivered again.
            journal.sync();
            disk.crash();
        }
        last = undelivered.last().map(|record| (record.seq, journal.id().to_string()));
    }
    let (journal, _) = open(&disk, &config());
    let (ledger, pending) = journal.ledger(0, id(&journal, "a"));
    assert_eq!((pending, ledger.lost.len()), (undelivered.len() as u64, 0), "{ledger:?}");
    assert_eq!(ledger.received, 6 * 22 + 3, "gap, connected, 20 events; three said goodbye");
}

#[test]
fn a_slow_sink_holds_back_no_other_and_each_goes_on_from_its_own_place() {
    let disk = disk();
    for round in 1..=3 {
        let (journal, _) = open(&disk, &config());
        let (mut x, mut lives) = (journal.reader(0), [begin(&journal, "a"), begin(&journal, "b")]);
        for live in &mut lives {
            events(live, "e", 50, 50);
        }
        let records = read(&mut x);
        assert_eq!(records.len(), 104);
        settle(&mut x, &records);
        assert_eq!(journal.reader(1).pending(), round * 104);
        adds_up(&journal);
        journal.sync();
        disk.crash();
    }
    let (journal, _) = open(&disk, &config());
    assert_eq!((read(&mut journal.reader(0)).len(), read(&mut journal.reader(1)).len()), (0, 312));
}

#[test]
fn sources_and_sinks_may_come_and_go() {
    let disk = disk();
    let fill = |journal: &Journal, source| events(&mut begin(journal, source), "e", 5, 50);
    let (journal, _) = open_as(&disk, &config(), &["b"], &["y"]).unwrap();
    fill(&journal, "b");
    let first = contents(&read(&mut journal.reader(0)));
    assert_eq!(first.len(), 8);
    close(journal);
    // b goes, a comes; x comes before y.
    let (journal, _) = open_as(&disk, &config(), &["a"], &["x", "y"]).unwrap();
    fill(&journal, "a");
    let (x, y) = (read(&mut journal.reader(0)), read(&mut journal.reader(1)));
    assert_eq!((x.len(), y.len()), (8, 16), "a new sink starts at the end");
    assert_eq!(contents(&y[..8]), first, "of a source that is gone");
    assert_ne!(x[0].source, first[0].1, "a place is given once");
    close(journal);
    let (journal, notes) = open_as(&disk, &config(), &["a", "b"], &["x", "y"]).unwrap();
    assert_eq!((id(&journal, "a"), id(&journal, "b")), (x[0].source, first[0].1), "{notes:?}");
    fill(&journal, "b");
    let all = read(&mut journal.reader(1));
    assert!(all[16].seq > first[7].2);
    for sink in [0, 1] {
        for source in ["a", "b"] {
            let (ledger, pending) = journal.ledger(sink, id(&journal, source));
            assert_eq!(ledger.received, ledger.settled() + pending, "{sink} {source}");
        }
    }
}

#[test]
fn a_backlog_larger_than_memory_is_read_from_the_disk_in_order() {
    let disk = disk();
    let small = Disk { memory: 1 << 20, ..config() };
    for _ in 0..2 {
        let (journal, notes) = open(&disk, &small);
        assert_eq!(notes, Vec::<String>::new());
        if journal.newest(id(&journal, "a")).1 == Seq(0) {
            events(&mut begin(&journal, "a"), "e", 20_000, 1_000);
        }
        let records = read(&mut journal.reader(0));
        assert_eq!(records.len(), 20_003);
        assert!(records.windows(2).all(|pair| pair[1].seq == pair[0].seq.next()));
        adds_up(&journal);
        disk.crash();
    }
}

#[test]
fn a_full_journal_drops_as_it_is_told_and_says_so() {
    for when_full in [WhenFull::DropOldest, WhenFull::DropNewest] {
        let disk = disk();
        let (bound, memory) = (4 << 20, 1 << 20);
        let (journal, _) = open(&disk, &Disk { max_bytes: Some(bound), when_full, memory, ..config() });
        let mut live = begin(&journal, "a");
        events(&mut live, "e", 1_000, 1_000);
        let first = read(&mut journal.reader(0))[0].seq;
        events(&mut live, "e", 9_000, 1_000);
        journal.sync();
        journal.announce_losses();
        let on_disk: usize = disk.files().values().map(Vec::len).sum();
        assert!(on_disk as u64 <= bound * 5 / 4, "{on_disk} bytes");
        let (ledger, pending) = journal.ledger(0, id(&journal, "a"));
        let records = read(&mut journal.reader(0));
        assert_eq!((records.len() as u64, ledger.lost.len()), (pending, 1), "{ledger:?}");
        let lost = ledger.lost[&LossReason::JournalFull];
        assert!(lost > 4_000 && pending > 1_000, "{lost} lost, {pending} kept");
        for sink in ["x", "y"] {
            assert_eq!(
                announced(&records, sink),
                [("journal_full".to_owned(), lost)].into(),
                "{when_full:?}"
            );
        }
        let keeps_oldest = when_full == WhenFull::DropNewest;
        assert_eq!(records[0].seq == first, keeps_oldest, "{when_full:?}");
        adds_up(&journal);
    }
}

#[test]
fn a_flood_of_one_name_does_not_evict_another() {
    let disk = disk();
    let (bound, memory) = (8 << 20, 1 << 20);
    let (journal, _) = open(&disk, &Disk { max_bytes: Some(bound), name_quota: 25, memory, ..config() });
    let mut live = begin(&journal, "a");
    for _ in 0..200 {
        events(&mut live, "message", 100, 1_000);
        events(&mut live, "extenUpdate", 5, 200);
    }
    journal.announce_losses();
    let records = read(&mut journal.reader(0));
    let of = |name: &[u8]| {
        records.iter().filter(|it| matches!(&it.body, Body::Event(f) if &*f.name() == name)).count()
    };
    assert_eq!(of(b"extenUpdate"), 1_000);
    let (ledger, _) = journal.ledger(0, id(&journal, "a"));
    let lost = ledger.lost[&LossReason::Quota];
    assert_eq!((ledger.lost.len(), of(b"message") as u64 + lost), (1, 20_000), "{ledger:?}");
    assert_eq!(announced(&records, "x"), [("quota".to_owned(), lost)].into());
    adds_up(&journal);
}

#[test]
fn what_waited_too_long_expires_and_what_was_delivered_is_kept_for_a_while() {
    let disk = disk();
    let fill = |config: &Disk| {
        let (journal, _) = open(&disk, config);
        events(&mut begin(&journal, "a"), "e", 100, 100);
        for sink in [0, 1] {
            let mut reader = journal.reader(sink);
            let records = read(&mut reader);
            settle(&mut reader, &records);
        }
        journal.sync();
        let many = segments(&disk).len();
        close(journal);
        many
    };
    assert!((fill(&config()), fill(&config())).1 > 1, "what was delivered is kept");
    assert_eq!(fill(&Disk { retain: Duration::ZERO, ..config() }), 1, "what was delivered is removed");
    let (journal, _) = open(&disk, &Disk { max_age: Some(Duration::from_millis(50)), ..config() });
    events(&mut begin(&journal, "a"), "e", 100, 100);
    let deadline = Instant::now() + Duration::from_secs(20);
    while journal.ledger(0, id(&journal, "a")).0.lost.get(&LossReason::Expired) < Some(&103) {
        assert!(Instant::now() < deadline, "{:?}", journal.ledger(0, id(&journal, "a")));
        std::thread::sleep(Duration::from_millis(20));
        journal.sync();
        adds_up(&journal);
    }
}

#[test]
fn one_process_has_it_and_nobody_else_may_look() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().unwrap();
    let config = Disk { dir: dir.path().join("deep/journal"), ..config() };
    let open = || {
        let health = Board::default().component("journal".to_owned());
        Journal::open(&config, Arc::new(fs::Disk), &names(&["a"]), &names(&["x"]), health)
    };
    let (journal, _) = open().unwrap();
    let refused = open();
    assert!(matches!(refused, Err(OpenError::Locked { .. })), "{refused:?}");
    events(&mut begin(&journal, "a"), "e", 10, 10);
    journal.sync();
    let mut left = vec![config.dir.clone()];
    let mut seen = 0;
    while let Some(path) = left.pop() {
        let about = std::fs::metadata(&path).unwrap();
        let mode = about.permissions().mode() & 0o777;
        assert_eq!(mode, if about.is_dir() { 0o700 } else { 0o600 }, "{path:?}");
        if about.is_dir() {
            left.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        }
        seen += 1;
    }
    assert!(seen >= 6, "directories, lock, identity, segment, cursor: {seen}");
    let records = contents(&read(&mut journal.reader(0)));
    close(journal);
    let (journal, recovery) = open().unwrap();
    assert_eq!((contents(&read(&mut journal.reader(0))), recovery.notes), (records, vec![]));
}

#[test]
fn what_a_later_version_wrote_is_refused_and_left_alone() {
    for later in ["segments", "identity", "cursors"] {
        let disk = disk();
        let (journal, _) = open(&disk, &config());
        events(&mut begin(&journal, "a"), "e", 10, 10);
        close(journal);
        let path =
            disk.files().into_keys().find(|path| path.starts_with(Path::new(DIR).join(later))).unwrap();
        disk.edit(&path, |content| {
            if later == "segments" {
                // Its checksum is right: it is no damage.
                let end = layout(content).0;
                content[8] = 9;
                let sum = crc32c::crc32c(&content[..end - 4]).to_le_bytes();
                content[end - 4..end].copy_from_slice(&sum);
            } else {
                let text = String::from_utf8(content.clone()).unwrap();
                let (head, rest) = text.split_once('\n').unwrap();
                let mut words: Vec<_> = head.split(' ').collect();
                words[2] = "9";
                *content = format!("{}\n{rest}", words.join(" ")).into_bytes();
            }
        });
        let before = disk.files();
        let refused = open_as(&disk, &config(), &["a", "b"], &["x", "y"]);
        assert!(matches!(refused, Err(OpenError::Newer { .. })), "{later}: {refused:?}");
        assert!(refused.unwrap_err().to_string().contains("format 9"));
        assert_eq!(disk.files(), before, "{later}");
    }
}

#[test]
fn a_damaged_identity_or_cursor_is_reported_and_no_number_is_given_again() {
    for damaged in ["identity", "cursors/x", "cursors/y"] {
        for kill in [true, false] {
            let disk = disk();
            let (journal, _) = open(&disk, &config());
            let (mut x, name) = (journal.reader(0), journal.id());
            events(&mut begin(&journal, "a"), "e", 100, 10);
            let records = read(&mut x);
            settle(&mut x, &records[..50]);
            journal.sync();
            if kill {
                disk.crash();
            } else {
                journal.close();
            }
            drop((x, journal));
            disk.edit(&Path::new(DIR).join(damaged), |content| content.truncate(content.len() / 2));
            let (journal, notes) = open(&disk, &config());
            assert_eq!((notes.len(), journal.id()), (1, name), "{damaged}: {notes:?}");
            let pending = contents(&read(&mut journal.reader(0)));
            assert!(
                pending.ends_with(&contents(&records[50..])),
                "{damaged}: {} delivered again",
                pending.len()
            );
            let seq = journal.notice(id(&journal, "a"), &Notice::Started { version: "1" });
            assert!(seq > records.last().unwrap().seq, "{damaged}");
            close(journal);
            assert_eq!(open(&disk, &config()).1, Vec::<String>::new(), "{damaged}: it was repaired");
        }
    }
}

#[derive(Debug, Clone)]
enum Damage {
    Cut,
    Flip(u8),
    Insert(Vec<u8>),
    Remove(usize),
}

/// Where the header ends, and where each record lies.
fn layout(content: &[u8]) -> (usize, Vec<Range<usize>>) {
    let word = |at: usize| u32::from_le_bytes(content[at..at + 4].try_into().unwrap()) as usize;
    let start = word(12);
    let mut records: Vec<Range<usize>> = Vec::new();
    let mut at = start;
    while at < content.len() {
        let end = at + 8 + word(at);
        records.push(at..end);
        at = end;
    }
    (start, records)
}

/// What was done to one segment, and what must be left of it.
struct Damaged {
    content: Vec<u8>,
    /// Positions of the records before and behind the damage; none if it hit the header.
    whole: Vec<u64>,
    is_middle: bool,
    hits_last: bool,
}

impl Damaged {
    fn new(before: &[u8], damage: &Damage, at: usize) -> Self {
        let mut content = before.to_vec();
        let until = match damage {
            Damage::Cut => {
                content.truncate(at);
                before.len()
            }
            Damage::Flip(bits) => {
                content[at] ^= bits;
                at + 1
            }
            Damage::Insert(garbage) => {
                let at = at.min(content.len());
                content.splice(at..at, garbage.iter().copied());
                at
            }
            Damage::Remove(count) => {
                let until = before.len().min(at + count);
                content.drain(at..until);
                until
            }
        };
        let (start, records) = layout(before);
        let position =
            |at: &Range<usize>| u64::from_le_bytes(before[at.start + 8..at.start + 16].try_into().unwrap());
        let is_whole = |it: &&Range<usize>| at >= start && (it.end <= at || it.start >= until);
        let is_behind = records.iter().any(|it| it.start >= until);
        Self {
            whole: records.iter().filter(is_whole).map(position).collect(),
            is_middle: is_behind || at < start,
            hits_last: at < start || records.last().is_none_or(|last| !is_whole(&last)),
            content,
        }
    }
}

fn damage() -> impl Strategy<Value = (Index, Index, Damage)> {
    let kind = prop_oneof![
        Just(Damage::Cut),
        (1u8..).prop_map(Damage::Flip),
        proptest::collection::vec(any::<u8>(), 1..200).prop_map(Damage::Insert),
        (1usize..500).prop_map(Damage::Remove),
    ];
    (any::<Index>(), any::<Index>(), kind)
}

/// Of b or of a; size; attachments; or else a notice; settled by x.
type Write = (bool, usize, usize, bool, bool);

/// Fills a journal in several processes, the last of which is gone; everything that is in it.
fn fill(disk: &FaultyFs, processes: &[(Vec<Write>, bool)]) -> Vec<Record> {
    let mut all = Vec::new();
    for (writes, close) in processes {
        let (journal, notes) = open(disk, &config());
        assert_eq!(notes, Vec::<String>::new());
        let (mut x, mut lives) = (journal.reader(0), [begin(&journal, "a"), begin(&journal, "b")]);
        for &(b, size, attachments, is_notice, settled) in writes {
            let live = &mut lives[usize::from(b)];
            if is_notice {
                live.notice(&Notice::AuthFailed {
                    reason: "n".repeat(size),
                    operator: false,
                    failures: 1,
                    slow: false,
                    retry_in: 5,
                });
            } else {
                live.event(frame("e", size, attachments));
                live.commit();
            }
            if settled {
                let mut records = Vec::new();
                RUNTIME.block_on(x.read(1, &mut records));
                settle(&mut x, &records);
            }
        }
        if *close {
            drop(lives);
            all = read(&mut journal.reader(1));
            journal.close();
        } else {
            all = read(&mut journal.reader(1));
            journal.sync();
            disk.crash();
        }
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever happens to the bytes: it opens, gives out nothing but what went in, all of it but what was hit, and
    /// counts the rest.
    #[test]
    fn damage_is_contained_counted_and_set_aside(
        processes in proptest::collection::vec(
            (proptest::collection::vec(any::<Write>().prop_map(|(b, size, attachments, notice, settled)|
                (b, size % 2_000, attachments % 3, notice, settled)), 0..20), any::<bool>()), 1..4),
        damages in proptest::collection::vec(damage(), 1..4),
    ) {
        let disk = disk();
        let truth = fill(&disk, &processes);
        let paths = segments(&disk);
        let mut hit: BTreeMap<usize, Damaged> = BTreeMap::new();
        for (segment, at, damage) in &damages {
            let segment = segment.index(paths.len());
            if hit.contains_key(&segment) {
                continue;
            }
            let before = disk.files()[&paths[segment]].clone();
            let damaged = Damaged::new(&before, damage, at.index(before.len()));
            disk.edit(&paths[segment], |content| content.clone_from(&damaged.content));
            hit.insert(segment, damaged);
        }
        let mut whole: Vec<u64> = hit.values().flat_map(|damaged| damaged.whole.clone()).collect();
        for path in (0..paths.len()).filter(|it| !hit.contains_key(it)).map(|it| &paths[it]) {
            whole.extend(Damaged::new(&disk.files()[path], &Damage::Insert(vec![]), usize::MAX).whole);
        }

        let (journal, notes) = open(&disk, &config());
        let mut known: BTreeMap<_, _> = truth.iter().map(|it| ((it.source.0, it.seq), content(it))).collect();
        let newest = [SourceId(0), SourceId(1)].map(|of| truth.iter().filter(|it| it.source == of).map(|it| it.seq).max());
        let records = read(&mut journal.reader(1));
        read(&mut journal.reader(0));
        for record in &records {
            match known.remove(&(record.source.0, record.seq)) {
                Some(before) => prop_assert_eq!(content(record), before),
                None => prop_assert!(matches!(record.body, Body::Notice(_)), "from nowhere: {:?}", record),
            }
        }
        let read_positions: Vec<u64> = records.iter().map(|record| record.position.0).collect();
        let missing = whole.iter().find(|position| !read_positions.contains(position));
        prop_assert_eq!(missing, None, "it was whole; {:?}", notes);
        let aside: Vec<Vec<u8>> =
            disk.files().into_iter().filter(|(path, _)| path.starts_with("/journal/quarantine")).map(|(_, it)| it).collect();
        for damaged in hit.values().filter(|damaged| damaged.is_middle) {
            prop_assert!(aside.contains(&damaged.content), "not in quarantine; {:?}", notes);
        }
        let is_end_known = hit.get(&(paths.len() - 1)).is_none_or(|damaged| !damaged.hits_last);
        if is_end_known || !notes.is_empty() {
            for (source, newest) in [SourceId(0), SourceId(1)].into_iter().zip(newest) {
                prop_assert!(Some(journal.notice(source, &Notice::Started { version: "1" })) > newest, "{:?}", notes);
            }
        }
        close(journal);

        let (journal, again) = open(&disk, &config());
        prop_assert_eq!(again, Vec::<String>::new(), "after {:?}", notes);
        let mut reader = journal.reader(1);
        let after = read(&mut reader);
        prop_assert!(contents(&after).starts_with(&contents(&records)));
        settle(&mut reader, &after);
        let (mut published, mut lost) = (0, 0);
        for source in [SourceId(0), SourceId(1)] {
            let (ledger, pending) = journal.ledger(1, source);
            prop_assert_eq!((pending, ledger.received), (0, ledger.settled()));
            published += ledger.published;
            lost += ledger.lost.values().sum::<u64>();
        }
        prop_assert_eq!(published, after.len() as u64);
        if is_end_known {
            prop_assert_eq!(lost, known.len() as u64, "{:?}", notes);
        }
    }
}
