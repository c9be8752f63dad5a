//! The recordings in `fixtures/`: scenes in the simulated office, as the account of the user `ada` hears them, who owns
//! extension 201 and has every right. They follow from this file and the catalogue;
//! `UPDATE_FIXTURES=1 cargo test -p pbx-simulator --lib recordings` writes them.

use std::{fmt::Write as _, fs, path::PathBuf, time::Duration};

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    Event, World,
    channel::Party,
    script::Script,
    steps::{SECOND, Step},
};
use crate::profile::{Audience, Profile};

/// 24 November 2026, 9:00 UTC, in Unix milliseconds.
const BEGAN: i64 = 1_795_510_800_000;
const ADA: usize = 0;
const BRUNO: usize = 1;
const CHIARA: usize = 2;

/// A scene and what was heard of it, as `cti-bridge record` writes it.
struct Scene {
    world: World,
    lines: String,
}

impl Scene {
    /// An office in which nothing happens by itself.
    fn new(seed: u64) -> Self {
        let mut world = World::new(seed, BEGAN, 1.0);
        world.schedule.clear();
        Self { world, lines: String::new() }
    }

    /// Lets the office live on until `seconds` after the beginning; then this happens.
    fn at<T>(&mut self, seconds: f64, act: impl FnOnce(&mut World) -> T) -> T {
        let until = Duration::from_secs_f64(seconds);
        let mut events = Vec::new();
        while self.world.advance(until, &mut events) {
            self.record(events.drain(..));
        }
        self.world.now = u64::try_from(until.as_millis()).unwrap();
        let result = act(&mut self.world);
        let events = std::mem::take(&mut self.world.events);
        self.record(events.into_iter());
        result
    }

    /// Like [`Self::at`], but nothing follows from it.
    fn only<T>(&mut self, seconds: f64, act: impl FnOnce(&mut World) -> T) -> T {
        let result = self.at(seconds, act);
        self.world.schedule.clear();
        result
    }

    fn record(&mut self, events: impl Iterator<Item = Event>) {
        let ada = Profile::default();
        let heard = events.filter(|event| ada.hears(&event.audience, "ada"));
        // Events of one moment come one after the other.
        for (micros, event) in (120..).step_by(85).zip(heard) {
            let at = Timestamp::from_microsecond(self.world.wall() * 1_000 + micros).unwrap();
            line(&mut self.lines, at, event.name, &event.args);
        }
    }
}

fn line(lines: &mut String, at: Timestamp, name: &str, args: &str) {
    writeln!(lines, r#"{{"at":"{at:.6}","event":"{name}","args":[{args}]}}"#).unwrap();
}

fn caller(number: &str, name: &str) -> Party {
    Party::Outside { trunk: 0, number: number.to_owned(), name: name.to_owned() }
}

fn conti() -> Party {
    caller("0721000111", "Conti Forniture")
}

/// Conti calls Ada; she asks Bruno, and then hands the call over to him.
fn attended_transfer() -> String {
    let mut scene = Scene::new(1);
    let call = scene.only(0.0, |office| office.start_ringing(conti(), Party::Extension(ADA)));
    scene.only(6.214, |office| office.answer(call));
    scene.only(36.05, |office| office.hold(call, true));
    let second = scene.only(38.47, |office| office.consult_with(call, BRUNO));
    scene.only(43.902, |office| office.answer(second));
    scene.only(59.118, |office| office.complete(second));
    scene.only(151.33, |office| office.hang_up(call, "normal_clearing"));
    scene.lines
}

/// Conti calls Ada, who sends the call on to Chiara without asking.
fn blind_transfer() -> String {
    let mut scene = Scene::new(1);
    let call = scene.only(0.0, |office| office.start_ringing(conti(), Party::Extension(ADA)));
    scene.only(4.881, |office| office.answer(call));
    scene.only(31.02, |office| office.transfer_to(call, CHIARA));
    scene.only(31.347, |office| office.ring_at(call, CHIARA));
    scene.only(36.5, |office| office.answer(call));
    scene.only(122.73, |office| office.hang_up(call, "normal_clearing"));
    scene.lines
}

/// Three callers, and one agent who isn't paused: the second caller gives up.
fn queue_abandonment() -> String {
    let mut scene = Scene::new(1);
    scene.only(0.0, |office| {
        for (place, after) in (1..4).zip([1_800, 1_260, 45]) {
            office.queues[0].members[place].paused = true;
            office.queues[0].members[place].paused_at = BEGAN / 1000 - after;
        }
        office.publish_queue(0);
    });
    let first = scene.only(2.31, |office| office.enter_queue(conti(), 0));
    scene.only(4.02, |office| office.ring_agent(first));
    scene.only(16.4, |office| office.no_answer(first));
    scene.only(17.41, |office| office.ring_agent(first));
    scene.only(22.96, |office| office.answer(first));
    let second = caller("0541000222", "Bruni Marta");
    let second = scene.only(30.08, |office| office.enter_queue(second, 0));
    scene.only(32.1, |office| office.ring_agent(second));
    let third = scene.only(45.55, |office| office.enter_queue(caller("02000333", ""), 0));
    scene.only(60.0, |office| office.publish_queue(0));
    scene.only(98.71, |office| office.give_up(second));
    scene.only(110.34, |office| office.hang_up(first, "normal_clearing"));
    scene.only(111.36, |office| office.ring_agent(third));
    scene.only(116.09, |office| office.answer(third));
    scene.only(120.0, |office| office.publish_queue(0));
    scene.only(171.92, |office| office.hang_up(third, "normal_clearing"));
    scene.only(180.0, |office| office.publish_queue(0));
    scene.lines
}

/// Ada parks two callers: Chiara fetches the first, the second hangs up.
fn parking() -> String {
    let mut scene = Scene::new(1);
    let first = scene.only(0.0, |office| office.start_ringing(conti(), Party::Extension(ADA)));
    scene.only(5.7, |office| office.answer(first));
    scene.only(25.16, |office| office.park(first));
    let second = caller("0541000222", "Bruni Marta");
    let second = scene.only(32.0, |office| office.start_ringing(second, Party::Extension(ADA)));
    scene.only(35.28, |office| office.answer(second));
    scene.only(41.84, |office| office.retrieve_parked_at(first, CHIARA));
    scene.only(52.63, |office| office.park(second));
    scene.only(77.95, |office| office.hang_up(second, "normal_clearing"));
    scene.only(133.4, |office| office.hang_up(first, "normal_clearing"));
    scene.lines
}

/// A colleague picks up a call that rings elsewhere; later a consultation becomes a conference of three.
fn conference() -> String {
    let mut scene = Scene::new(4);
    scene.at(0.0, |office| office.play(Script::named("pick-up").unwrap()));
    scene.at(120.0, |office| office.play(Script::named("consultation-conference").unwrap()));
    scene.at(400.0, |_| ());
    scene.lines
}

/// Somebody applies the configuration while two calls go on and a third waits; a telephone comes back differently.
fn reload_storm() -> String {
    let mut scene = Scene::new(1);
    let first = scene.only(0.0, |office| office.start_ringing(conti(), Party::Extension(ADA)));
    scene.only(3.4, |office| office.answer(first));
    let inside =
        scene.only(5.19, |office| office.start_ringing(Party::Extension(CHIARA), Party::Extension(BRUNO)));
    scene.only(9.66, |office| office.answer(inside));
    let waiting = caller("0541000222", "Bruni Marta");
    let waiting = scene.only(14.07, |office| office.enter_queue(waiting, 1));
    scene.only(21.5, |office| {
        office.extensions[9].registered = false;
        office.push(Audience::All, "serverReloaded", String::new());
        office.publish_all();
    });
    scene.only(23.82, |office| {
        office.extensions[9].registered = true;
        office.publish_extension(9);
    });
    scene.only(29.13, |office| office.ring_agent(waiting));
    scene.only(33.77, |office| office.answer(waiting));
    for (seconds, call) in [(48.2, inside), (61.05, first), (84.9, waiting)] {
        scene.only(seconds, |office| office.hang_up(call, "normal_clearing"));
    }
    scene.lines
}

/// When something begins, in seconds, and what.
type Beginning = (f64, fn(&mut World));

/// An hour of a quiet morning.
fn office_hour() -> String {
    let mut scene = Scene::new(11);
    scene.at(0.0, |office| {
        office.schedule(5 * SECOND, Step::QueueMinute(0));
        office.schedule(12 * SECOND, Step::QueueMinute(1));
    });
    let beginnings: [Beginning; 23] = [
        (41.0, World::toggle_presence),
        (75.2, World::dial_in),
        (190.4, World::dial_queue),
        (312.9, World::dial_inside),
        (400.0, World::toggle_pause),
        (523.7, World::dial_out),
        (701.3, World::dial_queue),
        (905.5, World::toggle_presence),
        (1_013.1, World::dial_queue),
        (1_104.6, World::dial_out),
        (1_251.0, World::toggle_registration),
        (1_402.2, World::dial_in),
        (1_634.0, World::dial_in),
        (1_799.3, World::toggle_presence),
        (1_867.4, World::dial_inside),
        (2_010.0, World::toggle_trunk),
        (2_118.6, World::dial_in),
        (2_290.7, World::dial_queue),
        (2_466.1, World::dial_out),
        (2_603.0, World::toggle_trunk),
        (2_700.5, World::toggle_pause),
        (3_040.2, World::dial_queue),
        (3_133.9, World::dial_in),
    ];
    for (seconds, begin) in beginnings {
        scene.at(seconds, begin);
    }
    for (seconds, status) in [(3_242.0, "warning"), (3_301.0, "okay")] {
        scene.at(seconds, |office| office.alarm(status));
    }
    scene.at(3_600.0, |_| ());
    scene.lines
}

/// The examples of the catalogue, one second after the other.
fn every_event() -> String {
    let mut lines = String::new();
    let events = event::schemas().iter().filter(|schema| schema.class == event::Class::Event);
    let examples = events.flat_map(|schema| schema.examples.iter().map(move |example| (schema, example)));
    for (second, (schema, example)) in (0..).zip(examples) {
        let at = Timestamp::from_millisecond(BEGAN + second * 1_000).unwrap();
        // One line, and nothing else changed: a line break can't be part of a text.
        let data: String = example.get().lines().map(str::trim_start).collect();
        let args = if schema.args == 1 { &data } else { data.trim_matches(['[', ']']) };
        line(&mut lines, at, &schema.name, args);
    }
    lines
}

fn folder() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures"))
}

/// All recordings by name.
pub(super) fn recordings() -> [(&'static str, String); 8] {
    [
        ("office-hour", office_hour()),
        ("attended-transfer", attended_transfer()),
        ("blind-transfer", blind_transfer()),
        ("queue-abandonment", queue_abandonment()),
        ("parking", parking()),
        ("conference", conference()),
        ("reload-storm", reload_storm()),
        ("every-event", every_event()),
    ]
}

/// A recording's lines, as JSON: the order of fields is no matter.
fn parsed(lines: &str) -> Vec<Value> {
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn the_fixtures_are_these_recordings() {
    let update = std::env::var_os("UPDATE_FIXTURES").is_some();
    let mut size = 0;
    for (name, lines) in recordings() {
        let path = folder().join(name).with_extension("jsonl");
        if update {
            fs::write(&path, &lines).unwrap();
        }
        let stored = fs::read_to_string(&path).unwrap_or_default();
        assert!(
            parsed(&stored) == parsed(&lines),
            "{} is out of date: run `UPDATE_FIXTURES=1 cargo test -p pbx-simulator --lib recordings`",
            path.display(),
        );
        size += stored.len();
    }
    assert!(size < 500_000, "{size} bytes");
}

#[test]
fn a_recorded_scene_ends_with_every_call_ended() {
    for (name, lines) in recordings().into_iter().filter(|(name, _)| *name != "every-event") {
        let mut busy = std::collections::BTreeMap::new();
        for event in parsed(&lines) {
            let data = &event["args"][0];
            if event["event"] == "extenUpdate" || event["event"] == "trunkUpdate" {
                busy.insert(data["exten"].to_string(), data["conversations"] != json!({}));
            }
        }
        assert!(busy.len() > 1 && !busy.values().any(|busy| *busy), "{name}: {busy:?}");
    }
}
