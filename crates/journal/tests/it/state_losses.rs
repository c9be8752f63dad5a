//! Reports of lost state, on which sessions read the state again.

use event::{LossReason, SinkId};
use journal::{Options, WhenFull};

use journal_kit::{begin, config, disk, events, frame, id, open};

const STATE: &str = "extenUpdate";

fn small(when_full: WhenFull) -> Options {
    Options { max_bytes: Some(1 << 20), when_full, ..config() }
}

#[test]
fn dropping_live_events_is_a_loss_of_state() {
    for when_full in [WhenFull::DropOldest, WhenFull::DropNewest] {
        let disk = disk();
        let (journal, _) = open(&disk, &small(when_full));
        let lost = journal.state_losses(id(&journal, "a"));
        let mut live = begin(&journal, "a");
        events(&mut live, STATE, 100, 1_000);
        assert!(lost.borrow().is_empty(), "{when_full:?}");
        // All different, so that none is superseded.
        events(&mut live, STATE, 2_000, 1_000);
        assert!(lost.borrow().iter().all(|count| *count > 0) && lost.borrow().len() == 2, "{when_full:?}");
        assert!(journal.state_losses(id(&journal, "b")).borrow().is_empty(), "{when_full:?}");
    }
}

#[test]
fn dropping_snapshot_events_is_not_a_loss_of_state() {
    for when_full in [WhenFull::DropOldest, WhenFull::DropNewest] {
        let disk = disk();
        let (journal, _) = open(&disk, &small(when_full));
        let source = id(&journal, "a");
        let lost = journal.state_losses(source);
        let mut live = begin(&journal, "a");
        for _ in 0..2_000 {
            live.snapshot([frame(STATE, 1_000, 0)]);
        }
        let (ledger, _) = journal.ledger(SinkId(0), source);
        assert!(ledger.lost.values().sum::<u64>() > 0, "{ledger:?}");
        assert!(lost.borrow().is_empty(), "{when_full:?}: {:?}", *lost.borrow());
    }
}

#[test]
fn an_unannounced_loss_is_announced_after_a_restart() {
    let disk = disk();
    let config = small(WhenFull::DropNewest);
    let (journal, _) = open(&disk, &config);
    events(&mut begin(&journal, "a"), STATE, 2_000, 1_000);
    let lost = journal.ledger(SinkId(0), id(&journal, "a")).0.lost;
    assert_eq!(lost.keys().collect::<Vec<_>>(), [&LossReason::JournalFull]);
    journal.sync();
    drop(journal);
    let (journal, _) = open(&disk, &config);
    assert_eq!(journal.state_losses(id(&journal, "a")).borrow().len(), 2);
}
