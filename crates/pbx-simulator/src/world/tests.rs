use std::{collections::BTreeMap, time::Duration};

use serde_json::Value;

use super::{Event, NATURAL_RATE, World};
use crate::profile::Audience;

const START: i64 = 1_795_500_000_000;
const HOUR: Duration = Duration::from_hours(1);

fn run_world(seed: u64, tempo: f64, until: Duration) -> (World, Vec<Event>) {
    let mut world = World::new(seed, START, tempo);
    let mut events = Vec::new();
    while world.advance(until, &mut events) {}
    (world, events)
}

fn argument(event: &Event) -> Value {
    serde_json::from_str(&event.args).unwrap()
}

/// Removes the fields that change with time alone.
fn without_clocks(mut value: Value) -> Value {
    match &mut value {
        Value::Object(fields) => {
            fields.remove("duration");
            fields.remove("waiting");
            for field in fields.values_mut() {
                *field = without_clocks(field.take());
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| *item = without_clocks(item.take())),
        _ => {}
    }
    value
}

#[test]
fn a_seed_determines_the_events() {
    let (_, first) = run_world(7, 3.0, HOUR / 6);
    let (_, second) = run_world(7, 3.0, HOUR / 6);
    let (_, other) = run_world(8, 3.0, HOUR / 6);
    assert!(first.len() > 1_000, "only {} events", first.len());
    assert_eq!(first, second);
    assert_ne!(first, other);
}

#[test]
fn the_last_event_of_each_entity_equals_the_snapshot() {
    let keys = [
        ("extenUpdate", "exten"),
        ("trunkUpdate", "exten"),
        ("queueUpdate", "queue"),
        ("parkingUpdate", "parking"),
    ];
    let mut world = World::new(3, START, 1.0);
    let mut state: BTreeMap<&str, BTreeMap<String, Value>> = BTreeMap::new();
    // An entity that never changed was never sent, so it is as at the start.
    let snapshot = |world: &World, name: &str| {
        let text = match name {
            "extenUpdate" => world.extensions(),
            "trunkUpdate" => world.trunks(),
            "queueUpdate" => world.queues(),
            _ => world.parkings(),
        };
        let all: BTreeMap<String, Value> = serde_json::from_str(&text).unwrap();
        all.into_iter().map(|(key, value)| (key, without_clocks(value))).collect::<BTreeMap<_, _>>()
    };
    for (name, _) in keys {
        state.insert(name, snapshot(&world, name));
    }
    let mut events = Vec::new();
    let mut steps = 0;
    while world.advance(HOUR / 2, &mut events) {
        for event in events.drain(..) {
            if let Some((name, key)) = keys.iter().find(|(name, _)| *name == event.name) {
                let value = without_clocks(argument(&event));
                let entity = value[*key].as_str().unwrap().to_owned();
                state.get_mut(name).unwrap().insert(entity, value);
            }
        }
        steps += 1;
        for (name, _) in keys {
            assert_eq!(state[name], snapshot(&world, name), "{name} after step {steps}");
        }
    }
    assert!(steps > 500, "only {steps} steps");
}

#[test]
fn every_kind_of_event_happens_and_calls_end() {
    let (world, events) = run_world(1, 1.0, HOUR * 5);
    let names: BTreeMap<&str, usize> = events.iter().fold(BTreeMap::new(), |mut names, event| {
        *names.entry(event.name).or_default() += 1;
        names
    });
    for name in [
        "extenUpdate",
        "userMainPresenceUpdate",
        "userPresenceUpdate",
        "queueUpdate",
        "queueMemberUpdate",
        "trunkUpdate",
        "parkingUpdate",
        "newVoiceMessageCounter",
        "updateNewVoiceMessages",
        "extenRinging",
        "extenConnected",
        "extenConvConnected",
        "extenHangup",
        "serverReloaded",
        "userProfileAvatarUpdate",
        "qmAlarm",
        "updateDefaultDevice",
        "phoneLightOn",
        "satellite/summary",
        "huntGroupUpdate.v2",
        "message",
    ] {
        assert!(names.contains_key(name), "no {name} in {names:?}");
    }
    let ended = events.iter().filter(|event| event.name == "extenHangup").count();
    assert!(ended > 500 && world.channels.len() < 40, "{ended} ended, {} going on", world.channels.len());
    for event in &events {
        let packet = event.packet();
        let args: Vec<Value> = serde_json::from_str(packet.strip_prefix("42").unwrap()).unwrap();
        assert_eq!(args[0], event.name);
        let own = matches!(event.audience, Audience::Owner(_));
        assert_eq!(
            own,
            event.name.starts_with("exten") && event.name != "extenUpdate"
                || event.name == "updateNewVoiceMessages",
            "{event:?}"
        );
    }
}

#[test]
fn the_natural_rate_and_the_size_of_an_extension_are_as_stated() {
    let mut count = 0.0;
    let (mut bytes, mut extensions) = (0, 0);
    for seed in 0..3 {
        for event in run_world(seed, 1.0, HOUR).1 {
            count += 1.0;
            if event.name == "extenUpdate" {
                bytes += event.args.len();
                extensions += 1;
            }
        }
    }
    let rate = count / (3.0 * HOUR.as_secs_f64());
    assert!((0.75..1.25).contains(&(rate / NATURAL_RATE)), "{rate} per second");
    let size = bytes / extensions;
    assert!((600..1_200).contains(&size), "{size} bytes");
}

#[test]
fn times_are_real_however_fast_the_office_lives() {
    let (world, events) = run_world(1, 100.0, Duration::from_mins(1));
    let end = START + 60_000;
    assert!((START..=end).contains(&world.wall()));
    let starts: Vec<i64> = events
        .iter()
        .filter(|event| event.name == "extenUpdate")
        .flat_map(|event| {
            let conversations = argument(event)["conversations"].as_object().cloned().unwrap();
            conversations.into_iter().map(|(_, value)| value["startTime"].as_i64().unwrap())
        })
        .collect();
    assert!(!starts.is_empty() && starts.iter().all(|start| (START..=end).contains(start)));
}
