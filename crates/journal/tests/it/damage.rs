//! The journal on a damaged disk: intact entries are delivered, the rest is set aside and counted.

use std::{collections::BTreeMap, ops::Range, path::Path};

use event::{Body, Notice, Record, SinkId, SourceId};
use journal::OpenError;
use proptest::{prelude::*, sample::Index};

use journal_kit::{
    DIR, RUNTIME, begin, close, config, content, contents, disk, events, faulty_fs::FaultyFs, frame, id,
    notice_of, open, open_as, read, segments, settle,
};

#[test]
fn files_of_a_later_version_are_rejected_and_left_unchanged() {
    for later in ["segments", "identity", "cursors"] {
        let disk = disk();
        let (journal, _) = open(&disk, &config());
        events(&mut begin(&journal, "a"), "e", 10, 10);
        close(journal);
        let path =
            disk.files().into_keys().find(|path| path.starts_with(Path::new(DIR).join(later))).unwrap();
        disk.edit(&path, |content| {
            if later == "segments" {
                // Its checksum matches, so it is not damaged.
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
fn a_damaged_identity_or_cursor_reuses_no_number() {
    for damaged in ["identity", "cursors/x", "cursors/y"] {
        for kill in [true, false] {
            let disk = disk();
            let (journal, _) = open(&disk, &config());
            let (mut x, name) = (journal.reader(SinkId(0)), journal.id());
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
            let pending = contents(&read(&mut journal.reader(SinkId(0))));
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

#[test]
fn bytes_after_a_small_file_left_by_a_power_failure_are_ignored() {
    let disk = disk();
    let (journal, _) = open(&disk, &config());
    let mut x = journal.reader(SinkId(0));
    events(&mut begin(&journal, "a"), "e", 100, 10);
    let records = read(&mut x);
    settle(&mut x, &records[..50]);
    close(journal);
    drop(x);
    for left in [&b"\0\0\0\0"[..], b"}{", b"\xff\xfe"] {
        for file in ["identity", "cursors/x", "cursors/y"] {
            disk.edit(&Path::new(DIR).join(file), |content| content.extend_from_slice(left));
        }
        let (journal, notes) = open(&disk, &config());
        assert_eq!(notes, Vec::<String>::new());
        assert_eq!(contents(&read(&mut journal.reader(SinkId(0)))), contents(&records[50..]));
        close(journal);
    }
}

#[derive(Debug, Clone)]
enum Damage {
    Cut,
    Flip(u8),
    Insert(Vec<u8>),
    Remove(usize),
}

/// Bytes before an entry's body.
const PREFIX: usize = 12;

/// Returns the end of the header and the range of each entry.
fn layout(content: &[u8]) -> (usize, Vec<Range<usize>>) {
    let word = |at: usize| u32::from_le_bytes(content[at..at + 4].try_into().unwrap()) as usize;
    let start = word(12);
    let mut records: Vec<Range<usize>> = Vec::new();
    let mut at = start;
    while at < content.len() {
        let end = at + PREFIX + word(at);
        records.push(at..end);
        at = end;
    }
    (start, records)
}

/// Damage to one segment, and what must be left of it.
struct Damaged {
    content: Vec<u8>,
    /// Positions of the records before and after the damage; empty if it hit the header.
    intact: Vec<u64>,
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
        let position = |at: &Range<usize>| {
            u64::from_le_bytes(before[at.start + PREFIX..at.start + PREFIX + 8].try_into().unwrap())
        };
        // An absence: numbers that a process skipped at its start.
        let is_record = |it: &&Range<usize>| before[it.start + PREFIX + 38] != 3;
        let is_intact = |it: &&Range<usize>| at >= start && (it.end <= at || it.start >= until);
        let is_behind = records.iter().any(|it| it.start >= until);
        Self {
            intact: records.iter().filter(is_intact).filter(is_record).map(position).collect(),
            is_middle: is_behind || at < start,
            hits_last: at < start || records.last().is_none_or(|last| !is_intact(&last)),
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

/// Source b or a; size; attachments, or else a notice; settled by x.
type Write = (bool, usize, usize, bool, bool);

/// Fills a journal in several processes without closing the last. Returns its content.
fn fill(disk: &FaultyFs, processes: &[(Vec<Write>, bool)]) -> Vec<Record> {
    let mut all = Vec::new();
    for (writes, close) in processes {
        let (journal, notes) = open(disk, &config());
        assert_eq!(notes, Vec::<String>::new());
        let (mut x, mut lives) = (journal.reader(SinkId(0)), [begin(&journal, "a"), begin(&journal, "b")]);
        for &(b, size, attachments, is_notice, settled) in writes {
            let live = &mut lives[usize::from(b)];
            if is_notice {
                live.notice(&Notice::AuthFailed {
                    reason: event::AuthFailure::CredentialsRefused,
                    detail: "n".repeat(size),
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
            all = read(&mut journal.reader(SinkId(1)));
            journal.close();
        } else {
            all = read(&mut journal.reader(SinkId(1)));
            journal.sync();
            disk.crash();
        }
    }
    all
}

fn is_contained(
    processes: &[(Vec<Write>, bool)],
    damages: &[(Index, Index, Damage)],
) -> Result<(), TestCaseError> {
    let disk = disk();
    let truth = fill(&disk, processes);
    let paths = segments(&disk);
    let mut hit: BTreeMap<usize, Damaged> = BTreeMap::new();
    for (segment, at, damage) in damages {
        let segment = segment.index(paths.len());
        if hit.contains_key(&segment) {
            continue;
        }
        let before = disk.files()[&paths[segment]].clone();
        let damaged = Damaged::new(&before, damage, at.index(before.len()));
        disk.edit(&paths[segment], |content| content.clone_from(&damaged.content));
        hit.insert(segment, damaged);
    }
    let mut intact: Vec<u64> = hit.values().flat_map(|damaged| damaged.intact.clone()).collect();
    for path in (0..paths.len()).filter(|it| !hit.contains_key(it)).map(|it| &paths[it]) {
        intact.extend(Damaged::new(&disk.files()[path], &Damage::Insert(vec![]), usize::MAX).intact);
    }

    let (journal, notes) = open(&disk, &config());
    let mut known: BTreeMap<_, _> = truth.iter().map(|it| ((it.source.0, it.seq), content(it))).collect();
    let newest =
        [SourceId(0), SourceId(1)].map(|of| truth.iter().filter(|it| it.source == of).map(|it| it.seq).max());
    let records = read(&mut journal.reader(SinkId(1)));
    read(&mut journal.reader(SinkId(0)));
    for record in &records {
        match known.remove(&(record.source.0, record.seq)) {
            Some(before) => prop_assert_eq!(content(record), before),
            None => prop_assert!(matches!(record.body, Body::Notice(_)), "from nowhere: {:?}", record),
        }
    }
    let read_positions: Vec<u64> = records.iter().map(|record| record.position.0).collect();
    let missing = intact.iter().find(|position| !read_positions.contains(position));
    prop_assert_eq!(missing, None, "it was intact; {:?}", notes);
    let aside: Vec<Vec<u8>> = disk
        .files()
        .into_iter()
        .filter(|(path, _)| path.starts_with("/journal/quarantine"))
        .map(|(_, it)| it)
        .collect();
    for damaged in hit.values().filter(|damaged| damaged.is_middle) {
        prop_assert!(aside.contains(&damaged.content), "not in quarantine; {:?}", notes);
    }
    let is_end_known = hit.get(&(paths.len() - 1)).is_none_or(|damaged| !damaged.hits_last);
    if is_end_known || !notes.is_empty() {
        for (source, newest) in [SourceId(0), SourceId(1)].into_iter().zip(newest) {
            prop_assert!(
                Some(journal.notice(source, &Notice::Started { version: "1" })) > newest,
                "{:?}",
                notes
            );
        }
    }
    close(journal);

    let (journal, again) = open(&disk, &config());
    prop_assert_eq!(again, Vec::<String>::new(), "after {:?}", notes);
    let mut reader = journal.reader(SinkId(1));
    let after = read(&mut reader);
    prop_assert!(contents(&after).starts_with(&contents(&records)));
    settle(&mut reader, &after);
    let (mut published, mut lost) = (0, 0);
    for source in [SourceId(0), SourceId(1)] {
        let (ledger, pending) = journal.ledger(SinkId(1), source);
        prop_assert_eq!((pending, ledger.received), (0, ledger.settled()));
        published += ledger.published;
        lost += ledger.lost.values().sum::<u64>();
    }
    prop_assert_eq!(published, after.len() as u64);
    // No header follows the newest segment. If the numbers around the damage don't identify the owners, the
    // loss is announced to every source and charged to none.
    let is_newest_hit = hit.contains_key(&(paths.len() - 1));
    journal.announce_losses();
    let notices = read(&mut reader);
    let announced = |source| notices.iter().any(|it| it.source == source && notice_of(it).0 == "lost");
    if is_end_known && is_newest_hit && lost < known.len() as u64 {
        prop_assert!([SourceId(0), SourceId(1)].into_iter().all(announced), "{:?}", notes);
    } else if is_end_known {
        prop_assert_eq!(lost, known.len() as u64, "{:?}", notes);
    }
    Ok(())
}

/// The damaged entry's length then points exactly after the intact one.
#[test]
fn lost_bytes_as_long_as_the_next_entry_do_not_hide_it() {
    let disk = disk();
    let (journal, _) = open(&disk, &config());
    let mut live = begin(&journal, "a");
    for size in [900, 40, 40] {
        live.event(frame("e", size, 0));
    }
    live.commit();
    drop(live);
    let before = read(&mut journal.reader(SinkId(1)));
    close(journal);
    let path = &segments(&disk)[0];
    let (_, entries) = layout(&disk.files()[path]);
    // After the gap and the session's first notice.
    let (damaged, next) = (entries[2].clone(), entries[3].len());
    disk.edit(path, |content| drop(content.drain(damaged.end - next - 20..damaged.end - 20)));
    let (journal, _) = open(&disk, &config());
    let after = read(&mut journal.reader(SinkId(1)));
    let expected: Vec<_> =
        before.iter().map(|it| it.position).filter(|position| position.0 != before[2].position.0).collect();
    let read: Vec<_> = after.iter().map(|it| it.position).take(expected.len()).collect();
    assert_eq!(read, expected);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Any damage: the journal opens, delivers only what was appended, everything except what was hit, and
    /// counts the rest.
    #[test]
    fn damage_is_contained_counted_and_set_aside(
        processes in proptest::collection::vec(
            (proptest::collection::vec(any::<Write>().prop_map(|(b, size, attachments, notice, settled)|
                (b, size % 2_000, attachments % 3, notice, settled)), 0..20), any::<bool>()), 1..4),
        damages in proptest::collection::vec(damage(), 1..4),
    ) {
        is_contained(&processes, &damages)?;
    }
}
