//! A small company's telephones: extensions, queues, trunks, and calls that come and go.
//!
//! Pure and deterministic: the same seed tells the same story. Numbers are from ranges set aside for
//! fiction, addresses from those set aside for documentation.

mod call;
mod extension;

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};

use self::{
    call::{Call, Step},
    extension::Extension,
};

/// Event name and arguments: JSON texts, comma separated.
pub type Told = (String, String);

/// The company.
#[derive(Debug)]
pub struct World {
    random: fastrand::Rng,
    /// Milliseconds since the epoch; each tick moves it on.
    now: i64,
    calls: u64,
    ticks: u64,
    extensions: BTreeMap<String, Extension>,
    queues: BTreeMap<String, Value>,
    trunks: BTreeMap<String, Value>,
    parkings: BTreeMap<String, Value>,
    live: Vec<Call>,
    /// Events of the current tick.
    told: Vec<Told>,
}

const PEOPLE: &[(&str, &str, &str)] = &[
    ("201", "Ada Neri", "ada"),
    ("202", "Bo Larsen", "bo"),
    ("203", "Chiara Conti", "chiara"),
    ("204", "Dmitri Volkov", "dmitri"),
    ("205", "Eva Brandt", "eva"),
    ("206", "Farid Haddad", "farid"),
    ("207", "Greta Holm", "greta"),
    ("208", "Hugo Blanc", "hugo"),
];
const MINUTE: i64 = 60_000;

impl World {
    /// A company at rest. `payload` pads each extension to at least that many bytes.
    pub fn new(seed: u64, payload: usize) -> Self {
        let extensions = PEOPLE
            .iter()
            .zip(11..)
            .map(|(&(exten, name, username), host)| {
                let natural = text(&Extension::new(exten, name, username, host, 0)).len();
                let padding = payload.saturating_sub(natural);
                (exten.to_owned(), Extension::new(exten, name, username, host, padding))
            })
            .collect();
        let queue = |(id, name): (&str, &str)| {
            let members: BTreeMap<_, _> = PEOPLE
                .iter()
                .take(4)
                .map(|(exten, name, _)| (*exten, member(id, exten, name, false)))
                .collect();
            let queue = json!({ "queue": id, "name": name, "avgHoldTime": "31", "avgTalkTime": "210", "completedCallsCount": "0",
                "abandonedCallsCount": "0", "serviceLevelTimePeriod": "60", "serviceLevelPercentage": "91.4", "members": members, "waitingCallers": {} });
            (id.to_owned(), queue)
        };
        let trunk = |id: &str| {
            let trunk = json!({ "exten": id, "name": id, "ip": "198.51.100.9", "port": "5060", "codecs": [], "status": "online", "registration": "registered",
                "chanType": "pjsip", "maxChannels": 30, "sipuseragent": "", "conversations": {} });
            (id.to_owned(), trunk)
        };
        let parking = |id: &str| {
            (id.to_owned(), json!({ "name": id, "parking": id, "timeout": 45, "parkedCaller": {} }))
        };
        Self {
            random: fastrand::Rng::with_seed(seed),
            now: 1_795_538_000_000,
            calls: 0,
            ticks: 0,
            extensions,
            queues: [("401", "Support"), ("402", "Sales")].into_iter().map(queue).collect(),
            trunks: ["voip1", "voip2"].into_iter().map(trunk).collect(),
            parkings: ["71", "72", "73"].into_iter().map(parking).collect(),
            live: Vec::new(),
            told: Vec::new(),
        }
    }

    /// One thing happens; the events the PBX sends of it.
    pub fn tick(&mut self) -> Vec<Told> {
        let before = self.now;
        self.now += self.random.i64(500..3_000);
        self.ticks += 1;
        if before / MINUTE != self.now / MINUTE {
            // Every queue is told once a minute, whatever happens.
            for id in self.queues.keys().cloned().collect::<Vec<_>>() {
                self.tell_queue(&id);
            }
        }
        if self.ticks.is_multiple_of(40) {
            self.odds_and_ends();
        }
        let idle = PEOPLE.len() / 2 > self.live.len() && self.random.u8(..3) == 0;
        if self.live.is_empty() || idle {
            self.new_call();
        } else {
            self.proceed();
        }
        std::mem::take(&mut self.told)
    }

    /// The answer of a REST snapshot; `{}` for what there is none of.
    pub fn snapshot(&self, what: &str) -> String {
        match what {
            "extensions" => text(&self.extensions),
            "queues" => text(&self.queues),
            "trunks" => text(&self.trunks),
            "parkings" => text(&self.parkings),
            "endpoints" => text(&self.endpoints()),
            _ => "{}".to_owned(),
        }
    }

    fn endpoints(&self) -> BTreeMap<&str, Value> {
        let user = |extension: &Extension| {
            json!({ "name": extension.name, "username": extension.username, "mainPresence": extension.status, "presence": "online",
                "presenceOnBusy": "online", "presenceOnUnavailable": "online", "recallOnBusy": "disabled",
                "endpoints": { "mainextension": [{ "id": extension.exten }], "extension": [{ "id": extension.exten, "type": "physical", "description": "" }],
                    "email": [], "cellphone": [], "voicemail": [], "jabber": [] } })
        };
        self.extensions.values().map(|extension| (extension.username.as_str(), user(extension))).collect()
    }

    fn tell(&mut self, name: &str, args: String) {
        self.told.push((name.to_owned(), args));
    }

    /// The PBX tells an owner's presence after each update of an extension, also when it did not change.
    fn tell_extension(&mut self, exten: &str) {
        let Some(extension) = self.extensions.get_mut(exten) else { return };
        for conversation in extension.conversations.values_mut() {
            conversation.duration = (self.now - conversation.start_time) / 1000;
        }
        let args = text(extension);
        let presence =
            json!({ "mainPresence": { "username": extension.username, "status": extension.status } })
                .to_string();
        self.tell("extenUpdate", args);
        self.tell("userMainPresenceUpdate", presence);
    }

    fn tell_queue(&mut self, id: &str) {
        if let Some(queue) = self.queues.get(id) {
            let args = queue.to_string();
            self.tell("queueUpdate", args);
        }
    }

    /// What happens rarely: presence, voicemail, alarms, agents, and events of no known shape.
    fn odds_and_ends(&mut self) {
        let (exten, name, username) =
            PEOPLE.get(self.random.usize(..PEOPLE.len())).copied().unwrap_or(("201", "Ada Neri", "ada"));
        match self.ticks / 40 % 8 {
            0 => self.tell(
                "userPresenceUpdate",
                json!({ "presence": { "username": username, "status": "dnd" } }).to_string(),
            ),
            1 => {
                self.tell(
                    "newVoiceMessageCounter",
                    json!({ "voicemail": exten, "counter": "2" }).to_string(),
                );
            }
            2 => {
                let member = member("401", exten, name, true);
                self.tell("queueMemberUpdate", member.to_string());
                if let Some(members) = self.queues.get_mut("401").and_then(|queue| queue.get_mut("members"))
                    && let Some(known) = members.get_mut(exten)
                {
                    *known = member;
                }
                self.tell_queue("401");
            }
            3 => {
                let trunk = self.trunks.get("voip2").map(Value::to_string).unwrap_or_default();
                self.tell("trunkUpdate", trunk);
            }
            4 => {
                let parking = self.parkings.get("71").map(Value::to_string).unwrap_or_default();
                self.tell("parkingUpdate", parking);
            }
            5 => self.tell("updateDefaultDevice", json!(exten).to_string()),
            6 => self.tell(
                "satellite/summary",
                json!({ "uniqueid": format!("{}.1", self.now / 1000) }).to_string(),
            ),
            _ => self.tell("streamingStatus", format!("{},{}", json!("gate1"), json!("on"))),
        }
    }

    fn new_call(&mut self) {
        self.calls += 1;
        let busy = |exten: &str, live: &[Call]| live.iter().any(|call| call.exten == exten);
        let free: Vec<&str> =
            PEOPLE.iter().map(|(exten, ..)| *exten).filter(|exten| !busy(exten, &self.live)).collect();
        let Some(exten) = self.random.choice(free) else { return self.proceed() };
        let call = Call::new(self.calls, exten, self.now, &mut self.random);
        if let Some(queue) = call.queue {
            self.wait_in(queue, &call, true);
        }
        self.live.push(call);
        self.proceed();
    }

    /// Moves one call on by a step.
    fn proceed(&mut self) {
        if self.live.is_empty() {
            return;
        }
        let place = self.random.usize(..self.live.len());
        let mut call = self.live.swap_remove(place);
        let step = call.next(&mut self.random);
        if let Some(extension) = self.extensions.get_mut(call.exten) {
            extension.status = call.status(step);
            if step == Step::Over {
                extension.conversations.remove(&call.id());
            } else {
                let conversation = call.conversation(step, self.now);
                extension.conversations.insert(call.id(), conversation);
            }
        }
        if let (Step::Talking | Step::Over, Some(queue)) = (step, call.queue) {
            self.wait_in(queue, &call, false);
        }
        self.tell_extension(call.exten);
        if step != Step::Over {
            self.live.push(call);
        }
    }

    /// A caller joins or leaves a queue.
    fn wait_in(&mut self, queue: &str, call: &Call, joins: bool) {
        let Some(waiting) = self
            .queues
            .get_mut(queue)
            .and_then(|queue| queue.get_mut("waitingCallers"))
            .and_then(Value::as_object_mut)
        else {
            return;
        };
        if joins {
            waiting.insert(call.trunk_channel(), json!({ "id": call.trunk_channel(), "channel": call.trunk_channel(), "num": call.number, "name": call.name,
                "queue": queue, "position": "1", "waiting": 0, "waitingTime": self.now }));
        } else {
            waiting.remove(&call.trunk_channel());
        }
        self.tell_queue(queue);
    }
}

fn member(queue: &str, exten: &str, name: &str, paused: bool) -> Value {
    json!({ "type": "dynamic", "name": name, "queue": queue, "member": exten, "paused": paused, "loggedIn": true, "callsTakenCount": 3,
        "lastCallTimestamp": 1_795_537_000, "lastPausedInReason": "lunch", "lastPausedInTimestamp": 1_795_538_100, "lastPausedOutTimestamp": 0 })
}

/// Structs of text and numbers: that can't fail.
fn text(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn story(seed: u64, ticks: usize) -> (World, Vec<Told>) {
        let mut world = World::new(seed, 0);
        let told = (0..ticks).flat_map(|_| world.tick()).collect();
        (world, told)
    }

    #[test]
    fn the_same_seed_tells_the_same_story() {
        assert_eq!(story(7, 200).1, story(7, 200).1);
        assert_ne!(story(7, 200).1, story(8, 200).1);
    }

    #[test]
    fn all_known_events_happen_and_all_arguments_are_json() {
        let (_, told) = story(1, 500);
        let names: BTreeSet<_> = told.iter().map(|(name, _)| name.as_str()).collect();
        for name in crate::event::STATE_EVENTS {
            assert!(names.contains(name), "{name} never happened");
        }
        for (name, args) in &told {
            let args: Vec<Value> = serde_json::from_str(&format!("[{args}]")).unwrap();
            assert!(!args.is_empty(), "{name}");
        }
    }

    #[test]
    fn the_last_update_of_an_extension_is_its_snapshot() {
        let (world, told) = story(3, 400);
        let snapshot: BTreeMap<String, Value> = serde_json::from_str(&world.snapshot("extensions")).unwrap();
        let mut last = BTreeMap::new();
        for (_, args) in told.iter().filter(|(name, _)| name == "extenUpdate") {
            let state: Value = serde_json::from_str(args).unwrap();
            last.insert(state["exten"].as_str().unwrap().to_owned(), state);
        }
        assert_eq!(last.len(), PEOPLE.len());
        for (exten, state) in last {
            assert_eq!(snapshot.get(&exten), Some(&state), "{exten}");
        }
    }

    #[test]
    fn payloads_are_as_large_as_asked() {
        let mut world = World::new(1, 2000);
        let told: Vec<_> = (0..20).flat_map(|_| world.tick()).collect();
        assert!(told.iter().filter(|(name, _)| name == "extenUpdate").all(|(_, args)| args.len() >= 2000));
    }
}
