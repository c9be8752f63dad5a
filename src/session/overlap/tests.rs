use bytes::Bytes;
use jiff::Timestamp;
use proptest::prelude::*;

use super::*;

fn frame(content: &str) -> RawEvent {
    RawEvent {
        at: Timestamp::UNIX_EPOCH,
        bytes: Bytes::copy_from_slice(content.as_bytes()),
        name: 0..0,
        args: 0..0,
        argc: 0,
        attachments: Box::default(),
    }
}

/// The sessions that receive an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Room {
    Both,
    OldOnly,
    NewOnly,
}

/// An action of the PBX: an event, or one of four steps (the acceptance, then the three barriers).
#[derive(Debug, Clone)]
enum Happens {
    Event(Room, String),
    Step,
}

/// The numbered events in order, and true if the merge claims to be certain.
fn run(all: &[Happens]) -> (Vec<String>, bool) {
    let (mut overlap, mut numbered, mut step, mut behind) = (Overlap::default(), vec![], 0, vec![]);
    for happens in all {
        match happens {
            Happens::Step => {
                step += 1;
                match step {
                    2 => overlap.first(),
                    3 => overlap.second(),
                    _ => {}
                }
            }
            Happens::Event(room, content) => {
                if *room != Room::NewOnly && step < 4 {
                    overlap.old(&frame(content));
                    numbered.push(content.clone());
                }
                if *room != Room::OldOnly && (1..4).contains(&step) {
                    overlap.new_frame(frame(content));
                }
                if *room != Room::OldOnly && step == 4 {
                    behind.push(frame(content));
                }
            }
        }
    }
    let Merged { frames, mut echoes, certain } = overlap.finish(true);
    let text = |frame: &RawEvent| String::from_utf8_lossy(&frame.bytes).into_owned();
    numbered.extend(frames.iter().filter(|(_, copy)| !copy).map(|(frame, _)| text(frame)));
    // Late events of the new session come first.
    numbered.extend(behind.iter().filter(|frame| !echoes.is_echo(frame)).map(text));
    (numbered, certain)
}

fn sent(all: &[Happens]) -> Vec<String> {
    let mut step = 0;
    let mut sent = Vec::new();
    for happens in all {
        match happens {
            Happens::Step => step += 1,
            // Before the acceptance and after the third barrier there is only one session.
            Happens::Event(Room::NewOnly, _) if step == 0 => {}
            Happens::Event(Room::OldOnly, _) if step == 4 => {}
            Happens::Event(_, content) => sent.push(content.clone()),
        }
    }
    sent
}

/// Events of `kinds` contents for both sessions, and, if `rooms`, of some for one of them; the steps somewhere between.
fn happens(kinds: u32, rooms: bool) -> impl Strategy<Value = Vec<Happens>> {
    let room = if rooms {
        prop_oneof![6 => Just(Room::Both), 1 => Just(Room::OldOnly), 1 => Just(Room::NewOnly)].boxed()
    } else {
        Just(Room::Both).boxed()
    };
    let events = prop::collection::vec((room, 0..kinds), 0..14);
    (events, prop::collection::vec(0.0..=1.0, 4)).prop_map(|(events, steps)| {
        let mut all: Vec<_> =
            events.into_iter().map(|(room, kind)| Happens::Event(room, format!("{room:?} {kind}"))).collect();
        let count = all.len();
        let mut places: Vec<usize> = steps
            .iter()
            .map(|step: &f64| {
                #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within 0 to 14")]
                let place = (step * f64::from(u32::try_from(count).unwrap_or_default())).round() as usize;
                place
            })
            .collect();
        places.sort_unstable();
        for place in places.into_iter().rev() {
            all.insert(place, Happens::Step);
        }
        all
    })
}

/// The surplus of numbered over sent events, by content.
fn surplus(numbered: &[String], sent: &[String]) -> Vec<(String, i64)> {
    let count =
        |all: &[String], one: &String| i64::try_from(all.iter().filter(|other| *other == one).count());
    let difference = |one: &String| {
        Some((one.clone(), count(numbered, one).ok()? - count(sent, one).ok()?))
            .filter(|(_, more)| *more != 0)
    };
    sent.iter().filter_map(difference).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn a_certain_merge_neither_loses_nor_doubles_an_event(all in happens(3, false)) {
        let (numbered, certain) = run(&all);
        let surplus = surplus(&numbered, &sent(&all));
        prop_assert!(surplus.iter().all(|(_, more)| *more > 0), "{surplus:?} of {numbered:?}");
        prop_assert!(!certain || numbered == sent(&all), "{surplus:?} of {numbered:?}");
    }

    #[test]
    fn different_rights_leave_no_event_out(all in happens(3, true)) {
        let (numbered, certain) = run(&all);
        let surplus = surplus(&numbered, &sent(&all));
        prop_assert!(surplus.iter().all(|(_, more)| *more > 0), "{surplus:?} of {numbered:?}");
        prop_assert!(!certain || surplus.is_empty(), "{surplus:?} of {numbered:?}");
    }

    #[test]
    fn distinct_events_are_numbered_once_with_any_rights(all in happens(u32::MAX, true)) {
        let (numbered, certain) = run(&all);
        prop_assert!(certain);
        prop_assert!(surplus(&numbered, &sent(&all)).is_empty(), "{numbered:?}");
    }
}

#[test]
fn without_barriers_only_unique_frames_count_as_copies() {
    let mut overlap = Overlap::default();
    for content in ["a", "b", "b", "c"] {
        overlap.old(&frame(content));
    }
    for content in ["b", "c", "d"] {
        overlap.new_frame(frame(content));
    }
    overlap.first();
    let Merged { frames, echoes, certain } = overlap.finish(false);
    assert_eq!(frames.iter().map(|(_, copy)| *copy).collect::<Vec<_>>(), [false, true, false]);
    assert!(echoes.is_empty() && !certain);
}

#[test]
fn held_frames_are_bounded_in_bytes() {
    let mut overlap = Overlap::default();
    let large = frame(&"x".repeat(HELD / 4));
    for _ in 0..4 {
        assert!(!overlap.is_full());
        overlap.new_frame(large.clone());
    }
    assert!(overlap.is_full());
    for _ in 0..REMEMBERED + 5 {
        overlap.old(&frame("small"));
    }
    assert_eq!(overlap.old.len(), REMEMBERED);
}
