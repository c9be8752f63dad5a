//! Numbers without records: refused, skipped and damaged ones occupy positions in the log, so that no loss is
//! silent and none is charged to the wrong source.

use std::collections::BTreeMap;

use bytes::Bytes;
use event::{LossReason, Notice, RawEvent, Record, Seq, SinkId};
use jiff::Timestamp;
use journal::{Journal, Options, WhenFull};
use serde_json::Value;

use journal_kit::{
    adds_up, announced, begin, close, config, contents, disk, events, frame, id, notice_of, open, open_as,
    read, segments, settle,
};

/// Options with room for about fifty events of 20 KB of one name; further ones are refused.
fn small() -> Options {
    Options { max_bytes: Some(1 << 20), when_full: WhenFull::DropNewest, name_quota: 90, ..config() }
}

pub(crate) fn lost(journal: &Journal, sink: SinkId, source: &str, reason: LossReason) -> u64 {
    journal.ledger(sink, id(journal, source)).0.lost.get(&reason).copied().unwrap_or_default()
}

/// Returns the data of each `lost` notice for a sink.
fn notices(records: &[Record], sink: &str) -> Vec<Value> {
    let lost = records.iter().map(notice_of).filter(|(what, data)| *what == "lost" && data["sink"] == sink);
    lost.map(|(_, data)| data).collect()
}

#[test]
fn a_kill_hides_no_event_that_was_refused() {
    let disk = disk();
    let (journal, _) = open(&disk, &small());
    let (mut a, mut b) = (begin(&journal, "a"), begin(&journal, "b"));
    events(&mut a, "e", 100, 20_000);
    events(&mut b, "e", 7, 20_000);
    let refused = lost(&journal, SinkId(0), "a", LossReason::Quota);
    assert!(refused > 30 && lost(&journal, SinkId(1), "b", LossReason::Quota) == 7, "{refused}");
    // The process ends before it announces anything, with or without having written its cursors.
    journal.sync();
    events(&mut a, "e", 5, 20_000);
    let newest = journal.newest(id(&journal, "a")).0;
    disk.crash();

    let (journal, notes) = open(&disk, &small());
    assert_eq!(notes, Vec::<String>::new());
    adds_up(&journal);
    assert_eq!(lost(&journal, SinkId(0), "a", LossReason::Quota), refused + 5);
    journal.announce_losses();
    let records = read(&mut journal.reader(SinkId(1)));
    for sink in ["x", "y"] {
        let of_a = notices(&records, sink)[0].clone();
        assert_eq!((of_a["count"].as_u64(), of_a["to"].as_u64()), (Some(refused + 5), Some(newest.0)));
        assert_eq!(announced(&records, sink), BTreeMap::from([("quota".into(), refused + 5 + 7)]));
    }
    // An announced loss is not announced again.
    journal.sync();
    disk.crash();
    let (journal, _) = open(&disk, &small());
    journal.announce_losses();
    assert_eq!(announced(&read(&mut journal.reader(SinkId(1))), "y"), announced(&records, "y"));
    assert_eq!(lost(&journal, SinkId(0), "a", LossReason::Quota), refused + 5);
}

#[test]
fn a_loss_announced_after_the_cursor_is_not_announced_again() {
    let disk = disk();
    let (journal, _) = open(&disk, &small());
    events(&mut begin(&journal, "a"), "e", 60, 20_000);
    journal.sync();
    journal.announce_losses();
    let reported = announced(&read(&mut journal.reader(SinkId(0))), "x");
    assert!(!reported.is_empty());
    disk.crash();
    let (journal, _) = open(&disk, &small());
    journal.announce_losses();
    assert_eq!(announced(&read(&mut journal.reader(SinkId(0))), "x"), reported);
}

#[test]
fn the_event_after_refused_ones_shows_the_hole() {
    let disk = disk();
    let (journal, _) = open(&disk, &small());
    let mut live = begin(&journal, "a");
    events(&mut live, "e", 60, 20_000);
    let (newest, _) = journal.newest(id(&journal, "a"));
    live.notice(&Notice::Started { version: "1" });
    let mut reader = journal.reader(SinkId(0));
    let (mut gone, mut last) = (Seq(0), Seq(0));
    while !reader.at_end() {
        let mut records = Vec::new();
        journal_kit::RUNTIME.block_on(reader.read(256, &mut records));
        gone = reader.gone()[0];
        assert!(records.iter().all(|record| record.seq > gone), "a loss after {gone:?} is none before it");
        last = records.last().map_or(last, |record| record.seq);
    }
    assert_eq!((gone, last), (newest, newest.next()));
}

#[test]
fn damage_after_a_number_jump_is_charged_to_its_owner() {
    for restart in [true, false] {
        let disk = disk();
        let (journal, _) = open(&disk, &config());
        events(&mut begin(&journal, "a"), "e", 5, 100);
        events(&mut begin(&journal, "b"), "e", 5, 100);
        close(journal);
        // Each process skips numbers.
        let (journal, _) = open(&disk, &config());
        let (mut a, mut b) = (begin(&journal, "a"), begin(&journal, "b"));
        events(&mut b, "damaged", 1, 3_000);
        events(&mut a, "e", 5, 100);
        events(&mut b, "e", 5, 100);
        if restart {
            disk.crash();
        } else {
            drop((a, b));
            close(journal);
        }
        disk.edit(&segments(&disk)[1], |content| {
            let at = content.windows(7).position(|bytes| bytes == b"damaged").unwrap();
            content[at] ^= 1;
        });
        let (journal, notes) = open(&disk, &config());
        assert_eq!(notes.len(), 1, "{notes:?}");
        for sink in [SinkId(0), SinkId(1)] {
            let mut reader = journal.reader(sink);
            let records = read(&mut reader);
            settle(&mut reader, &records);
            assert_eq!((lost(&journal, sink, "a", LossReason::Damaged), reader.pending()), (0, 0));
            assert_eq!(lost(&journal, sink, "b", LossReason::Damaged), 1);
            assert!(reader.is_drained());
        }
        adds_up(&journal);
    }
}

#[test]
fn damage_of_unknown_owner_is_announced_to_all_sources() {
    let (disk, sources) = (disk(), ["a", "b", "c"]);
    let (journal, _) = open_as(&disk, &config(), &sources, &["x", "y"]).unwrap();
    let mut lives = sources.map(|source| begin(&journal, source));
    events(&mut lives[0], "damaged", 1, 100);
    events(&mut lives[1], "damaged", 1, 100);
    // The only entry after the damage, so the owners of the damaged records are unknown.
    events(&mut lives[2], "e", 1, 100);
    disk.crash();
    disk.edit(&segments(&disk)[0], |content| {
        let at = |content: &[u8]| content.windows(7).position(|bytes| bytes == b"damaged");
        while let Some(at) = at(content) {
            content[at] ^= 1;
        }
    });
    let (journal, recovery) = open_as(&disk, &config(), &sources, &["x", "y"]).unwrap();
    assert_eq!(recovery.notes.len(), 1, "{:?}", recovery.notes);
    for sink in [SinkId(0), SinkId(1)] {
        let mut reader = journal.reader(sink);
        let records = read(&mut reader);
        settle(&mut reader, &records);
        assert!(reader.is_drained());
        for source in sources {
            let (ledger, pending) = journal.ledger(sink, id(&journal, source));
            assert_eq!((ledger.lost.len(), pending), (0, 0), "{source}");
        }
    }
    let mut x = journal.reader(SinkId(0));
    journal.announce_losses();
    let (records, null) = (read(&mut x), Value::Null);
    let reported: Vec<_> = records.iter().map(|it| (it.source.0, notice_of(it).0)).collect();
    assert_eq!(
        reported.iter().filter(|(_, what)| *what == "lost").count(),
        2 * sources.len(),
        "{reported:?}"
    );
    for lost in notices(&records, "x") {
        assert_eq!((lost["count"].as_u64(), &lost["from"], &lost["to"]), (Some(2), &null, &null));
    }
}

/// An event whose attachment contains complete entries from another journal's segment.
#[test]
fn an_attachment_can_not_pass_for_an_entry_after_a_torn_write() {
    let forge = journal_kit::disk();
    let (journal, _) = open(&forge, &config());
    let mut live = begin(&journal, "b");
    for _ in 0..50 {
        live.event(frame("forged", 10, 0));
        live.commit();
    }
    close(journal);
    let forged = forge.files()[&segments(&forge)[0]].clone();

    for cut in [20, 500, 5_000] {
        let disk = disk();
        let (journal, _) = open(&disk, &config());
        let mut live = begin(&journal, "a");
        events(&mut live, "e", 1, 10);
        let text = r#"45["hidden",{"_placeholder":true,"num":0}]"#;
        let attachments = Box::new([Bytes::from(forged.clone())]) as Box<[Bytes]>;
        let end = u32::try_from(text.len()).unwrap() - 1;
        let bytes = Bytes::from_static(text.as_bytes());
        live.event(RawEvent {
            at: Timestamp::now(),
            bytes,
            name: 4..10,
            args: 12..end,
            argc: 1,
            attachments,
        });
        live.commit();
        let truth = read(&mut journal.reader(SinkId(0)));
        disk.crash();
        disk.edit(&segments(&disk)[0], |content| content.truncate(content.len() - cut));
        let (journal, notes) = open(&disk, &config());
        assert_eq!(notes.len(), 1, "{notes:?}");
        let records = read(&mut journal.reader(SinkId(0)));
        assert_eq!(contents(&records), contents(&truth[..truth.len() - 1]), "cut by {cut}");
    }
}
