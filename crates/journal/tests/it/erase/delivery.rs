//! Erased events at the sinks.

use std::path::PathBuf;

use event::{Body, Record, Seq, SinkId};
use journal::{Cursor, Entry, Erased, Journal, Kind, Options, Reader, Search};

use journal_kit::{RUNTIME, adds_up, close, config, disk, open, read, segments, settle};

use super::{deliver, erase, fill, fill_each, is_planted, outcome, planted, small, traces};

#[test]
fn erased_events_are_gone_and_count_as_filtered() {
    let disk = disk();
    let (journal, _) = open(&disk, &small());
    fill(&journal, 300, 1_000);
    let mut x = journal.reader(SinkId(0));
    let all = deliver(&mut x);
    assert!(segments(&disk).len() > 3 && traces(&disk).len() > 3);
    let erased = erase(&journal);
    assert_eq!(erased.records.iter().sum::<u64>(), 100);
    assert_eq!(erased.records, [80, 20]);
    assert!(erased.segments > 3 && erased.bytes > 100_000, "{erased:?}");
    assert_eq!((erased.quarantined, erased.renamed), (0, 0));
    assert_eq!(traces(&disk), Vec::<PathBuf>::new());
    assert_eq!(erase(&journal), Erased::default(), "nothing is left");
    // A broker's tail may be an erased event.
    for event in all.iter().filter(|it| is_planted(it)).take(3) {
        let found = RUNTIME.block_on(journal.search(event.source, event.seq)).unwrap();
        assert!(matches!(found, Search::Lost(next) if next == event.position.next()), "{found:?}");
    }

    let mut y = journal.reader(SinkId(1));
    let rest = deliver(&mut y);
    assert_eq!((planted(&all), planted(&rest), rest.len()), (100, 0, all.len() - 100));
    assert_eq!(outcome(&journal, SinkId(0)), [all.len() as u64, 0, 0]);
    assert_eq!(outcome(&journal, SinkId(1)), [rest.len() as u64, 100, 0]);
    assert!(y.gone().iter().all(|gone| *gone == Seq(0)), "consumers see no hole");
    let stats = journal.stats().sinks;
    assert_eq!([stats[0].erased, stats[1].erased], [0, 100]);
    journal.announce_losses();
    assert!(x.at_end() && y.at_end(), "no loss is announced");
    drop((x, y));
    close(journal);
    let (journal, notes) = open(&disk, &small());
    assert_eq!(notes, Vec::<String>::new());
    assert_eq!(outcome(&journal, SinkId(1)), [rest.len() as u64, 100, 0]);
    adds_up(&journal);
}

#[test]
fn notices_are_never_erased_and_neighbours_share_an_absence() {
    let place = tempfile::tempdir().unwrap();
    let options = Options { dir: place.path().join("j"), ..config() };
    let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
    let open = || {
        let fs = std::sync::Arc::new(journal::fs::Disk);
        let monitor = std::sync::Arc::new(journal::Unmonitored);
        Journal::open(&options, fs, &names(&["a", "b"]), &names(&["x", "y"]), monitor).unwrap().0
    };
    let journal = open();
    // A renamed journal's segments, and a file of the operator's.
    std::fs::create_dir_all(options.dir.join("renamed/old/segments")).unwrap();
    std::fs::write(options.dir.join("renamed/old/segments/000000000001.log"), "").unwrap();
    std::fs::write(options.dir.join("renamed/note"), "").unwrap();
    fill(&journal, 50, 10);
    let before = read(&mut journal.reader(SinkId(0)));
    let erased = journal.erase(&|_| true).unwrap();
    assert_eq!((erased.records.iter().sum::<u64>(), erased.renamed, erased.quarantined), (50, 1, 0));
    let after = read(&mut journal.reader(SinkId(0)));
    assert!(after.iter().all(|it| matches!(it.body, Body::Notice(_))));
    assert_eq!(after.len(), before.len() - 50);
    close(journal);
    let archive = journal::Archive::open(&options.dir).unwrap();
    let entries: Vec<Entry> = archive.entries().map(Result::unwrap).collect();
    let absences: Vec<_> = entries
        .iter()
        .filter_map(|entry| match entry {
            Entry::Absence(absence) if absence.kind == Kind::Erased => Some(absence),
            _ => None,
        })
        .collect();
    assert_eq!((absences.len(), absences[0].count()), (1, 50), "{entries:?}");
    assert_eq!(absences[0].ranges.len(), 2);
    let journal = open();
    assert_eq!(deliver(&mut journal.reader(SinkId(0))).len(), after.len());
    assert_eq!(outcome(&journal, SinkId(0)), [after.len() as u64, 50, 0]);
}

#[test]
fn a_journal_in_memory_is_erased_too() {
    let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
    for (in_flight, each) in [(9, 3), (9, 1), (15, 1)] {
        let journal = Journal::memory(1 << 20, &names(&["a", "b"]), &names(&["x", "y"]));
        fill_each(&journal, 30, 10, each);
        let total = 30 / each;
        let mut all = deliver(&mut journal.reader(SinkId(1)));
        let mut x = journal.reader(SinkId(0));
        let mut first = Vec::new();
        RUNTIME.block_on(x.read(in_flight, &mut first));
        let before = journal.stats().memory;
        assert_eq!(erase(&journal).records.iter().sum::<u64>(), total);
        assert!(journal.stats().memory < before);
        settle(&mut x, &first);
        let rest = deliver(&mut x);
        assert_eq!(planted(&rest), 0);
        let published = (first.len() + rest.len()) as u64;
        assert_eq!(outcome(&journal, SinkId(0)), [published, total - planted(&first), 0]);
        assert_eq!((x.pending(), journal.stats().memory), (0, 0));
        fill_each(&journal, 30, 10, each);
        erase(&journal);
        all.extend(deliver(&mut journal.reader(SinkId(1))));
        assert_eq!(outcome(&journal, SinkId(1)), [all.len() as u64, total, 0]);
    }
}

/// A sink that has read ahead, has events in flight, or goes back, gets each event at most once more.
#[test]
fn events_in_flight_settle_once_and_those_read_ahead_are_dropped() {
    for (in_flight, each) in [(1, 3), (7, 3), (40, 3), (7, 1), (70, 1)] {
        for breaks in [false, true] {
            let disk = disk();
            let (journal, _) = open(&disk, &small());
            fill_each(&journal, 120, 1_000, each);
            close(journal);
            let (journal, _) = open(&disk, &small());
            let mut x = journal.reader(SinkId(0));
            let mut first = Vec::new();
            while first.len() < in_flight {
                // From disk, which is read in chunks.
                RUNTIME.block_on(x.read(in_flight - first.len(), &mut first));
            }
            erase(&journal);
            if breaks {
                // The broker has accepted some.
                settle(&mut x, &first[..in_flight / 2]);
                first.truncate(in_flight / 2);
                x.rewind();
            }
            settle(&mut x, &first);
            let rest = deliver(&mut x);
            assert_eq!(planted(&rest), 0, "{in_flight} in flight");
            let published = (first.len() + rest.len()) as u64;
            assert_eq!(outcome(&journal, SinkId(0)), [published, 120 / each - planted(&first), 0]);
            adds_up(&journal);
        }
    }
}

/// Moves a sink's cursor back, as for a broker that has lost acknowledged events.
fn rewind(journal: &Journal, reader: &mut Reader, to: &Record) {
    let sources = RUNTIME.block_on(journal.source_cursors_at(to.position)).unwrap();
    let (mut sources, cursor) = (sources.unwrap(), reader.rewind());
    for (source, old) in sources.iter_mut().zip(&cursor.sources) {
        source.ledger = old.ledger.clone();
        source.gone = if old.gone <= source.last { old.gone } else { Seq(0) };
        source.ledger.take_back(old.count - source.count);
    }
    reader.forget(Cursor { next: to.position, sources, ..cursor });
}

#[test]
fn a_rewind_over_erased_events_counts_each_record_once() {
    for delivers_before in [true, false] {
        let disk = disk();
        let (journal, _) = open(&disk, &small());
        fill(&journal, 300, 1_000);
        let mut x = journal.reader(SinkId(0));
        let all = read(&mut journal.reader(SinkId(1)));
        if delivers_before {
            deliver(&mut x);
        }
        erase(&journal);
        if !delivers_before {
            deliver(&mut x);
        }
        let kept: Vec<&Record> = all.iter().filter(|it| !is_planted(it)).collect();
        for to in [kept[0], kept[100], kept[kept.len() - 1]] {
            rewind(&journal, &mut x, to);
            let again = deliver(&mut x);
            assert_eq!(again.len(), kept.iter().filter(|it| it.position >= to.position).count());
            let [published, filtered, lost] = outcome(&journal, SinkId(0));
            assert_eq!((published + filtered, lost), (all.len() as u64, 0));
        }
        journal.sync();
        disk.crash();
        let (journal, _) = open(&disk, &small());
        let [published, filtered, lost] = outcome(&journal, SinkId(0));
        assert_eq!((published + filtered, lost), (all.len() as u64, 0));
    }
}

#[test]
fn delivered_segments_that_are_only_retained_are_rewritten_too() {
    let disk = disk();
    let (journal, _) = open(&disk, &small());
    fill(&journal, 300, 1_000);
    let all = deliver(&mut journal.reader(SinkId(0)));
    deliver(&mut journal.reader(SinkId(1)));
    journal.sync();
    let before = segments(&disk).len();
    assert_eq!(erase(&journal).records, [80, 20]);
    assert_eq!((traces(&disk), segments(&disk).len()), (vec![], before));
    assert_eq!(outcome(&journal, SinkId(0)), [all.len() as u64, 0, 0]);
    let mut x = journal.reader(SinkId(0));
    rewind(&journal, &mut x, &all[10]);
    assert_eq!(planted(&deliver(&mut x)), 0);
}
