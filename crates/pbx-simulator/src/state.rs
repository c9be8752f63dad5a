//! The state that events and snapshots describe, for comparison with a consumer's.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{pbx::Pbx, snapshot};
use event::entity_token;

/// Snapshots of entities that look the same in their event.
const ENTITIES: [(&str, &str); 4] = [
    ("/astproxy/extensions", "extenUpdate"),
    ("/astproxy/queues", "queueUpdate"),
    ("/astproxy/trunks", "trunkUpdate"),
    ("/astproxy/parkings", "parkingUpdate"),
];
/// The presences in `/user/endpoints/all`, each with its field in the event.
const PRESENCES: [(&str, &str); 3] = [
    ("presence", "presence"),
    ("presenceOnBusy", "presence_onbusy"),
    ("presenceOnUnavailable", "presence_onunavailable"),
];

pub(super) fn of(pbx: &Pbx, username: &str) -> BTreeMap<(String, String), String> {
    let fetch = |path: &str| -> serde_json::Map<String, Value> {
        // A refusal has an empty body.
        serde_json::from_str(&snapshot::answer(pbx, username, path).body).unwrap_or_default()
    };
    let mut state = BTreeMap::new();
    let mut put = |name: &str, entity: String, value: &Value| {
        state.insert((name.to_owned(), entity), settled(&value.to_string()));
    };
    for (path, name) in ENTITIES {
        for (entity, value) in fetch(path) {
            put(name, entity_token(Some(entity.as_bytes())).into_owned(), &value);
        }
    }
    for (username, user) in fetch("/user/endpoints/all") {
        let entity = entity_token(Some(username.as_bytes()));
        let presence = |status: &Value| {
            let mut presence = json!({"username": username, "status": status});
            if status == "callforward" && !user["to"].is_null() {
                presence["to"] = user["to"].clone();
            }
            presence
        };
        let main = json!({"mainPresence": presence(&user["mainPresence"])});
        put("userMainPresenceUpdate", entity.into_owned(), &main);
        for (field, part) in PRESENCES {
            let entity = entity_token(Some(format!("{username}/{part}").as_bytes())).into_owned();
            put("userPresenceUpdate", entity, &json!({part: presence(&user[field])}));
        }
    }
    state
}

/// Normalizes an event's data for comparison: sorts keys, and removes the fields that change with time alone (`duration`,
/// `waiting`) or only make events larger (`padding`).
pub fn settled(data: &str) -> String {
    fn settle(value: &mut Value) {
        match value {
            Value::Object(fields) => {
                for clock in ["duration", "waiting", "padding"] {
                    fields.remove(clock);
                }
                fields.values_mut().for_each(settle);
                fields.sort_keys();
            }
            Value::Array(items) => items.iter_mut().for_each(settle),
            _ => {}
        }
    }
    let Ok(mut value) = serde_json::from_str(data) else { return data.to_owned() };
    settle(&mut value);
    value.to_string()
}
