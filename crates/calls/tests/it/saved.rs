//! Saved calls: exact, compact, bounded, and refused if they are damaged.

use calls::{Step, Tracker};
use serde_json::json;

use super::office::{Office, Talk, channel};

/// Has calls of all kinds going on: talking, held, queued, parked, merged, and seen through a gap.
fn busy() -> Office {
    let mut office = Office::new();
    for n in 1..6 {
        let extension = format!("20{n}");
        let talk = Talk {
            own: channel(&extension, n),
            other: channel("trk", 10 + n),
            linked: format!("1795538000.{n}"),
            out: n % 2 == 0,
            up: n > 2,
            trunk: true,
            number: "0721000111".to_owned(),
            queue: String::new(),
        };
        office.talk(&extension, talk);
    }
    office.hold("203", true);
    office.queue("401", &[&channel("trk", 30), &channel("trk", 31)]);
    office.parking("71", Some(&channel("trk", 14)));
    office.hang_up("205", &channel("205", 5));
    office.gap(5);
    office.notice("resync.completed", &json!({"failed": [{"snapshot": "/astproxy/queues"}]}));
    office
}

/// Lets everything that uses restored calls happen to them.
fn use_all(tracker: &mut Tracker, office: &Office) {
    for record in office.records() {
        tracker.fold(record);
    }
    let at = office.records().last().unwrap().at;
    tracker.tick(at + jiff::SignedDuration::from_mins(5));
    tracker.adopt("101", "ended");
    tracker.finish(event::Seq(1), at);
    assert!(tracker.is_empty() && tracker.size() == 0);
}

#[test]
fn calls_are_restored_exactly() {
    let office = busy();
    let saved = office.tracker().save();
    let restored = Tracker::restore(&saved).unwrap();
    assert_eq!(restored.save(), saved);
    assert_eq!(restored.size(), office.tracker().size());
}

#[test]
fn damaged_calls_are_refused_or_harmless() {
    let office = busy();
    let saved = office.tracker().save();
    let limit = 4 * saved.len() + (1 << 20);
    let mut restored = 0;
    let mut check = |bytes: &[u8]| {
        if let Some(mut tracker) = Tracker::restore(bytes) {
            restored += 1;
            assert!(tracker.size() < limit);
            use_all(&mut tracker, &office);
        }
    };
    for end in 0..saved.len() {
        check(&saved[..end]);
    }
    for place in 0..saved.len() {
        for change in [0x01, 0xFF] {
            let mut damaged = saved.clone();
            damaged[place] ^= change;
            check(&damaged);
        }
    }
    assert!(restored > 0, "some changes are just another text");
    let mut other_version = saved;
    other_version[0] += 1;
    assert!(Tracker::restore(&other_version).is_none());
    assert!(Tracker::restore(&[]).is_none());
}

/// Calls with this many legs each, whose texts are as long as they can be.
fn hostile(calls: usize, legs: usize) -> Office {
    let mut office = Office::new();
    let filler = "x".repeat(900);
    for call in 0..calls {
        for leg in 0..legs {
            let n = u32::try_from(call * legs + leg).unwrap();
            let extension = format!("{n}-{filler}");
            let talk = Talk {
                own: channel(&extension, n),
                other: channel(&format!("trk{filler}"), n),
                linked: format!("{call}-{filler}"),
                out: false,
                up: leg == 0,
                trunk: true,
                number: format!("{n}{filler}"),
                queue: String::new(),
            };
            office.receive(&extension, talk);
            assert!(office.tracker().size() <= 8 << 20);
        }
    }
    office
}

#[test]
fn large_calls_end_before_they_take_too_much_memory() {
    let mut many = hostile(1000, 1);
    assert!(many.tracker().len() > 500, "{}", many.tracker().len());
    assert!(many.tracker().save().len() <= 8 << 20);
    let ended = many.derived.iter().find(|it| it.step == Step::Ended).unwrap();
    assert!(!ended.event.certain);
    many.end_all();
    let mut large = hostile(1, 100);
    assert!(large.tracker().size() <= 256 << 10);
    large.end_all();
}
