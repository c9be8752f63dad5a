use std::{collections::BTreeMap, time::Duration};

use serde_json::Value;

use super::{Event, NATURAL_RATE, World};

const BEGAN: i64 = 1_795_500_000_000;

fn live(world: &mut World, until: Duration) -> Vec<Event> {
    let mut events = Vec::new();
    while world.advance(until, &mut events) {}
    events
}
