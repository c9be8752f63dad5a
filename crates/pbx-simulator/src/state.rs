//! The state that events and snapshots tell of, to compare a consumer's own with.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{pbx::Pbx, snapshot};
use event::entity_token;

/// Snapshots of entities that look the same in their event.
const WHOLE: [(&str, &str); 4] = [
    ("/astproxy/extensions", "extenUpdate"),
    ("/astproxy/queues", "queueUpdate"),
    ("/astproxy/trunks", "trunkUpdate"),
    ("/astproxy/parkings", "parkingUpdate"),
];
/// A presence in `/user/endpoints/all`, and where its event has it.
const PARTS: [(&str, &str); 3] = [
    ("presence", "presence"),
    ("presenceOnBusy", "presence_onbusy"),
    ("presenceOnUnavailable", "presence_onunavailable"),
];

pub(super) fn of(pbx: &Pbx, username: &str) -> BTreeMap<(String, String), String> {
    let fetch = |path: &str| -> serde_json::Map<String, Value> {
        // What is refused is an empty body.
        serde_json::from_str(&snapshot::answer(pbx, username, path).body).unwrap_or_default()
    };
    let mut state = BTreeMap::new();
    let mut put = |name: &str, entity: String, value: &Value| {
        state.insert((name.to_owned(), entity), settled(&value.to_string()));
    };
    for (path, name) in WHOLE {
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
        for (field, part) in PARTS {
            let entity = entity_token(Some(format!("{username}/{part}").as_bytes())).into_owned();
            put("userPresenceUpdate", entity, &json!({part: presence(&user[field])}));
        }
    }
    state
}

/// The text of an event's data in a form that can be compared: keys in order, and without what the passing of time
/// alone changes (`duration`, `waiting`), or the simulator adds to make events larger (`padding`).
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
