//! Every event that the simulator and the recordings send matches its schema in the catalogue.

use std::{collections::BTreeMap, time::Duration};

use event::{Class, Schema, drifts, event_schema, schemas};
use jsonschema::Validator;
use serde_json::{Value, value::RawValue};

use super::{World, recordings::recordings};
use crate::rehearsal::{Rehearsal, Script};

/// Names that the simulator invents: no catalogue has them.
const INVENTED: [&str; 2] = ["phoneLightOn", "huntGroupUpdate.v2"];

/// The catalogue's events, read as draft-07 by an independent implementation.
struct Judge {
    validators: BTreeMap<&'static str, (&'static Schema, Validator)>,
    events: usize,
    flaws: Vec<String>,
}

impl Judge {
    fn new() -> Self {
        let validators = schemas().iter().filter(|schema| schema.class == Class::Event).map(|schema| {
            let text = serde_json::from_str(schema.text).unwrap();
            (&*schema.name, (schema, jsonschema::draft7::new(&text).unwrap()))
        });
        Self { validators: validators.collect(), events: 0, flaws: Vec::new() }
    }

    /// `args` is the text of the arguments, separated by commas.
    fn hear(&mut self, name: &str, args: &str) {
        self.events += 1;
        let Some((schema, validator)) = self.validators.get(name) else {
            assert!(INVENTED.contains(&name) && event_schema(name.as_bytes()).is_none(), "{name} is unknown");
            return;
        };
        let mut values: Vec<Value> = serde_json::from_str(&format!("[{args}]")).unwrap();
        let count = u16::try_from(values.len()).unwrap();
        let data = if count == 1 { values.remove(0) } else { Value::Array(values) };
        self.flaws.extend(validator.iter_errors(&data).map(|error| format!("{name}: {error}: {args}")));
        let drifts = drifts(schema, count, args.as_bytes());
        self.flaws.extend(drifts.iter().map(|drift| format!("{name}: {drift:?}: {args}")));
    }

    #[allow(clippy::print_stdout, reason = "the counts are for people")]
    fn judge(self, what: &str) {
        println!("{what}: {} events match the catalogue, {} do not", self.events, self.flaws.len());
        let worst = self.flaws.iter().take(10).map(|flaw| flaw.chars().take(600).collect::<String>());
        assert!(self.flaws.is_empty(), "{}", worst.collect::<Vec<_>>().join("\n"));
    }
}

#[test]
fn every_event_of_the_office_matches_the_catalogue() {
    let mut judge = Judge::new();
    for seed in 0..3 {
        let mut world = World::new(seed, 1_795_500_000_000, 1.0);
        let mut events = Vec::new();
        while world.advance(Duration::from_mins(40), &mut events) {}
        for event in &events {
            judge.hear(event.name, &event.args);
        }
    }
    assert!(judge.events > 5_000, "only {} events", judge.events);
    judge.judge("office");
}

#[test]
fn every_event_of_the_scripts_matches_the_catalogue() {
    let mut judge = Judge::new();
    for (seed, script) in (0..).zip(Script::all().chain(Script::all())) {
        let mut rehearsal = Rehearsal::of(script, seed);
        while let Some((_, events)) = rehearsal.advance() {
            for event in events {
                judge.hear(event.name, &event.args);
            }
        }
    }
    judge.judge("scripts");
}

#[test]
fn every_recorded_event_matches_the_catalogue() {
    #[derive(serde::Deserialize)]
    struct Line<'a> {
        event: String,
        #[serde(borrow)]
        args: &'a RawValue,
    }
    for (name, lines) in recordings() {
        let mut judge = Judge::new();
        for line in lines.lines() {
            let Line { event, args } = serde_json::from_str(line).unwrap();
            judge.hear(&event, args.get().strip_prefix('[').and_then(|args| args.strip_suffix(']')).unwrap());
        }
        judge.judge(name);
    }
}
