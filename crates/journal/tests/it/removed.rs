//! A journal whose directory is removed while it is open.

use std::{sync::Arc, time::Duration};

use event::{Notice, SinkId, SourceId};
use journal::{Journal, Options, Settled, Sync, WhenFull, fs};
use journal_kit::Failure;

#[tokio::test]
async fn a_removed_directory_is_reported_with_its_remedy() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Options {
        dir: dir.path().join("journal"),
        sync: Sync::Every(Duration::from_millis(20)),
        max_bytes: Some(1 << 30),
        max_age: None,
        when_full: WhenFull::DropOldest,
        name_quota: 100,
        retain: Duration::from_mins(15),
        memory: 64 << 20,
    };
    let (failure, sources, sinks) = (Failure::default(), ["a".to_owned()], ["s".to_owned()]);
    let (journal, _) =
        Journal::open(&disk, Arc::new(fs::Disk), &sources, &sinks, Arc::new(failure.clone())).unwrap();
    std::fs::remove_dir_all(&disk.dir).unwrap();
    let mut reader = journal.reader(SinkId(0));
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    let reason = loop {
        journal.notice(SourceId(0), &Notice::Started { version: "test" });
        let mut records = Vec::new();
        reader.read(10, &mut records).await;
        reader.settle(records.iter().map(|it| (it.position, it.source, it.seq, Settled::Published)));
        journal.sync();
        if let Some(reason) = failure.reason() {
            break reason;
        }
        assert!(std::time::Instant::now() < deadline, "no failure was reported");
    };
    assert!(reason.contains("a directory of the journal was removed: restore it"), "{reason}");
    assert!(!reason.contains("free space"), "{reason}");
}
