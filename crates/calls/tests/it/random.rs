//! Whatever a PBX sends, the promises about calls hold.

use std::collections::BTreeMap;

use calls::Tracker;
use event::{Body, Origin, Record, Seq};
use proptest::prelude::*;
use serde_json::json;

use super::office::{Office, Talk, channel};

/// Something that happens.
#[derive(Debug, Clone)]
enum Happening {
    Talk { extension: usize, n: u32, other: usize, linked: u8, out: bool, up: bool, trunk: bool },
    HangUp { extension: usize, n: u32 },
    Hold { extension: usize, is_held: bool },
    Queue { number: usize, callers: Vec<u32> },
    Park { slot: usize, caller: Option<u32> },
    Gap,
    Snapshot { extension: usize },
    Resync,
    Lost,
    Wait(i64),
}

const EXTENSIONS: [&str; 4] = ["201", "202", "203", "204"];
const PEERS: [&str; 6] = ["201", "202", "203", "204", "trk", ""];

fn happening() -> impl Strategy<Value = Happening> {
    let extension = 0..EXTENSIONS.len();
    prop_oneof![
        8 => (extension.clone(), 0..3u32, 0..PEERS.len(), 0..4u8, any::<[bool; 3]>()).prop_map(
            |(extension, n, other, linked, [out, up, trunk])| Happening::Talk { extension, n, other, linked, out, up, trunk }
        ),
        5 => (extension.clone(), 0..3u32).prop_map(|(extension, n)| Happening::HangUp { extension, n }),
        2 => (extension.clone(), any::<bool>()).prop_map(|(extension, is_held)| Happening::Hold { extension, is_held }),
        2 => (0..2usize, prop::collection::vec(0..3u32, 0..3)).prop_map(|(number, callers)| Happening::Queue { number, callers }),
        1 => (0..2usize, prop::option::of(0..3u32)).prop_map(|(slot, caller)| Happening::Park { slot, caller }),
        1 => Just(Happening::Gap),
        2 => extension.prop_map(|extension| Happening::Snapshot { extension }),
        1 => Just(Happening::Resync),
        1 => Just(Happening::Lost),
        3 => (0..5000i64).prop_map(Happening::Wait),
    ]
}

/// The PBX counts its channels: a name is never used twice.
#[derive(Debug, Default)]
struct Names(BTreeMap<(usize, u32), u32>);

impl Names {
    fn of(&self, extension: usize, n: u32) -> String {
        let round = self.0.get(&(extension, n)).copied().unwrap_or_default();
        channel(EXTENSIONS[extension], n + 16 * round)
    }

    fn end(&mut self, extension: usize, n: u32) -> String {
        let name = self.of(extension, n);
        *self.0.entry((extension, n)).or_default() += 1;
        name
    }
}

fn apply(office: &mut Office, names: &mut Names, happening: Happening) {
    match happening {
        Happening::Talk { extension, n, other, linked, out, up, trunk } => {
            let (own, extension) = (names.of(extension, n), EXTENSIONS[extension]);
            let other = match (PEERS[other], other) {
                ("", _) => String::new(),
                ("trk", _) => channel("trk", n),
                _ => names.of(other, n),
            };
            let linked = if linked == 0 { String::new() } else { format!("L{linked}") };
            let talk = Talk {
                own,
                other,
                linked,
                out,
                up,
                trunk,
                number: "0721000111".to_owned(),
                queue: String::new(),
            };
            office.talk(extension, talk);
        }
        Happening::HangUp { extension, n } => office.hang_up(EXTENSIONS[extension], &names.end(extension, n)),
        Happening::Hold { extension, is_held } => office.hold(EXTENSIONS[extension], is_held),
        Happening::Queue { number, callers } => {
            let callers: Vec<String> = callers.iter().map(|n| channel("trk", *n)).collect();
            let callers: Vec<&str> = callers.iter().map(String::as_str).collect();
            office.queue(["401", "402"][number], &callers);
        }
        Happening::Park { slot, caller } => {
            let caller = caller.map(|n| channel("trk", n));
            office.parking(["71", "72"][slot], caller.as_deref());
        }
        Happening::Gap => office.gap(30),
        Happening::Snapshot { extension } => office.state_of(EXTENSIONS[extension], Origin::Snapshot),
        Happening::Resync => office.notice("resync.completed", &json!({"failed": []})),
        Happening::Lost => office.notice("lost", &json!({"sink": "bus"})),
        Happening::Wait(millis) => office.wait(millis),
    }
}

/// Ends everything, as a PBX does at night.
fn close(office: &mut Office, names: &mut Names) {
    for (index, extension) in EXTENSIONS.iter().enumerate() {
        for n in 0..3 {
            office.hang_up(extension, &names.end(index, n));
        }
    }
    for number in ["401", "402"] {
        office.queue(number, &[]);
    }
    for slot in ["71", "72"] {
        office.parking(slot, None);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn the_promises_hold(happenings in prop::collection::vec(happening(), 0..60), is_hidden in any::<bool>()) {
        let mut office = Office::new();
        let mut names = Names::default();
        office.hides_channels = is_hidden;
        for happening in happenings {
            apply(&mut office, &mut names, happening);
        }
        close(&mut office, &mut names);
        office.finish();
        office.fold_again();
    }

    #[test]
    fn a_repeated_state_is_recognised_only_while_it_changes_nothing(happenings in prop::collection::vec(happening(), 0..20)) {
        let mut office = Office::new();
        let mut names = Names::default();
        for happening in happenings {
            apply(&mut office, &mut names, happening);
        }
        // A restored tracker remembers no state.
        let (mut running, mut restored) = (Tracker::default(), Tracker::default());
        let mut latest = BTreeMap::new();
        let mut seq = Seq(0);
        for record in office.records() {
            let extension = match &record.body {
                Body::Event(frame) => String::from_utf8_lossy(&frame.bytes).chars().take(30).collect(),
                _ => String::new(),
            };
            latest.insert(extension, record.clone());
            // The PBX repeats the state of every extension.
            for repeated in [record].into_iter().chain(latest.values()).chain(latest.values()) {
                seq = Seq(seq.0 + 1);
                let repeated = Record { seq, at: record.at, ..repeated.clone() };
                restored = Tracker::restore(&restored.save()).unwrap();
                prop_assert_eq!(running.fold(&repeated), restored.fold(&repeated));
            }
        }
        prop_assert_eq!(running.save(), restored.save());
    }
}
