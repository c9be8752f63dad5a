//! A PBX that shows what a script lets its channels do.

use std::collections::BTreeMap;

use bytes::Bytes;
use calls::{CallEvent, Derived, Step, Tracker, invariants::Checker};
use event::{Body, EncodedNotice, Origin, Position, RawEvent, Record, Seq, SourceId};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

/// One conversation of an extension.
#[derive(Debug, Clone)]
pub(crate) struct Talk {
    pub(crate) own: String,
    pub(crate) other: String,
    pub(crate) linked: String,
    pub(crate) out: bool,
    pub(crate) up: bool,
    pub(crate) trunk: bool,
    pub(crate) number: String,
    pub(crate) queue: String,
}

/// Calls `n` counts channels: `PJSIP/201-00000001`.
pub(crate) fn channel(peer: &str, n: u32) -> String {
    format!("PJSIP/{peer}-{n:08x}")
}

/// A tracker, and what it has derived.
pub(crate) struct Office {
    tracker: Tracker,
    now: Timestamp,
    seq: u64,
    talks: BTreeMap<String, Vec<Talk>>,
    on_hold: BTreeMap<String, bool>,
    pub(crate) derived: Vec<Derived>,
    /// The records, to fold them again.
    records: Vec<Record>,
    /// Ticks, and the number of the record that follows.
    ticks: Vec<(u64, Timestamp)>,
    /// Leaves out the channels, as the PBX does for calls from before its start.
    pub(crate) hides_channels: bool,
    /// Saves and restores the tracker before each record.
    is_restored: bool,
}

impl Office {
    pub(crate) fn new() -> Self {
        Self {
            tracker: Tracker::default(),
            now: "2026-11-30T10:00:00Z".parse().unwrap(),
            seq: 100,
            talks: BTreeMap::new(),
            on_hold: BTreeMap::new(),
            derived: Vec::new(),
            records: Vec::new(),
            ticks: Vec::new(),
            hides_channels: false,
            is_restored: true,
        }
    }

    pub(crate) fn wait(&mut self, millis: i64) {
        self.now += SignedDuration::from_millis(millis);
        self.ticks.push((self.seq + 1, self.now));
        self.derived.extend(self.tracker.tick(self.now));
    }

    /// Lets an extension have this conversation.
    pub(crate) fn talk(&mut self, extension: &str, talk: Talk) {
        let talks = self.talks.entry(extension.to_owned()).or_default();
        talks.retain(|it| it.own != talk.own);
        talks.push(talk);
        self.show(extension);
    }

    pub(crate) fn hang_up(&mut self, extension: &str, own: &str) {
        self.talks.entry(extension.to_owned()).or_default().retain(|it| it.own != own);
        self.show(extension);
    }

    pub(crate) fn hold(&mut self, extension: &str, is_held: bool) {
        self.on_hold.insert(extension.to_owned(), is_held);
        self.show(extension);
    }

    /// Changes what an extension has without showing it, as in a gap.
    pub(crate) fn hide(&mut self, change: impl FnOnce(&mut BTreeMap<String, Vec<Talk>>)) {
        change(&mut self.talks);
    }

    pub(crate) fn show(&mut self, extension: &str) {
        self.state_of(extension, Origin::Live);
    }

    pub(crate) fn state_of(&mut self, extension: &str, origin: Origin) {
        let talks = self.talks.get(extension).cloned().unwrap_or_default();
        let is_held = self.on_hold.get(extension).copied().unwrap_or_default();
        let state = json!({
            "exten": extension, "name": format!("Name {extension}"), "username": format!("u{extension}"),
            "status": if is_held { "onhold" } else { "busy" },
            "conversations": talks.iter().map(|talk| {
                let (source, dest) = if talk.out { (&talk.own, &talk.other) } else { (&talk.other, &talk.own) };
                let id = format!("{source}>{dest}");
                let side = |name: &String| if self.hides_channels || name.is_empty() { Value::Null } else { json!({"channel": name}) };
                let value = json!({
                    "id": id, "owner": extension, "direction": if talk.out { "out" } else { "in" }, "connected": talk.up,
                    "startTime": self.now.as_millisecond(), "uniqueId": unique_id(&talk.own), "linkedId": talk.linked,
                    "throughTrunk": talk.trunk, "queueId": talk.queue, "throughQueue": !talk.queue.is_empty(), "recording": "false",
                    "counterpartNum": talk.number, "counterpartName": "", "chSource": side(source), "chDest": side(dest),
                });
                (id, value)
            }).collect::<BTreeMap<_, _>>(),
        });
        self.event("extenUpdate", &state, origin);
    }

    pub(crate) fn queue(&mut self, number: &str, callers: &[&str]) {
        let callers: BTreeMap<&str, Value> = callers
            .iter()
            .map(|channel| {
                (*channel, json!({"channel": channel, "num": "0721000111", "name": "Rossi", "queue": number}))
            })
            .collect();
        self.event("queueUpdate", &json!({"queue": number, "waitingCallers": callers}), Origin::Live);
    }

    pub(crate) fn parking(&mut self, slot: &str, channel: Option<&str>) {
        let caller = channel.map_or(json!({}), |channel| json!({"channel": channel, "num": "0721000111"}));
        self.event("parkingUpdate", &json!({"parking": slot, "parkedCaller": caller}), Origin::Live);
    }

    /// The PBX has read its configuration again.
    pub(crate) fn reload(&mut self) {
        self.event("serverReloaded", &Value::Null, Origin::Live);
    }

    fn event(&mut self, name: &str, data: &Value, origin: Origin) {
        let bytes = format!("42[\"{name}\",{data}]");
        let args = u32::try_from(name.len()).unwrap() + 6..u32::try_from(bytes.len()).unwrap() - 1;
        let frame = RawEvent {
            at: self.now,
            name: 4..u32::try_from(name.len()).unwrap() + 4,
            args,
            bytes: Bytes::from(bytes),
            argc: 1,
            attachments: Box::default(),
        };
        self.record(Body::Event(frame), origin);
    }

    pub(crate) fn notice(&mut self, name: &'static str, data: &Value) {
        let data = data.to_string().into();
        self.record(Body::Notice(EncodedNotice { name: name.into(), data }), Origin::Live);
    }

    pub(crate) fn gap(&mut self, seconds: i64) {
        let from = self.now;
        self.now += SignedDuration::from_secs(seconds);
        self.notice("gap", &json!({"from": from.to_string(), "to": self.now.to_string()}));
    }

    fn record(&mut self, body: Body, origin: Origin) {
        self.seq += 1;
        let record = Record {
            position: Position(self.seq),
            source: SourceId(0),
            seq: Seq(self.seq),
            at: self.now,
            session: 1,
            origin,
            gap: Seq(0),
            unchanged: false,
            body,
        };
        self.records.push(record.clone());
        if self.is_restored {
            // The saved state is as good as the one in memory.
            self.tracker = Tracker::restore(&self.tracker.save()).unwrap();
        }
        self.derived.extend(self.tracker.fold(&record));
    }

    /// Shows an extension with this conversation only, without saving and restoring.
    pub(crate) fn receive(&mut self, extension: &str, talk: Talk) {
        self.is_restored = false;
        self.talk(extension, talk);
    }

    /// Ends what goes on, as if nothing was derived any more, and checks the promises.
    pub(crate) fn end_all(&mut self) {
        self.derived.extend(self.tracker.finish(Seq(self.seq), self.now));
        let mut checker = Checker::default();
        for derived in &self.derived {
            checker.take(derived.step, &derived.event);
        }
        assert_eq!(checker.finish(true), []);
    }

    pub(crate) fn tracker(&self) -> &Tracker {
        &self.tracker
    }

    pub(crate) fn records(&self) -> &[Record] {
        &self.records
    }

    /// Returns the steps, in order, without the calls' numbers: `answered 202`.
    pub(crate) fn steps(&self) -> Vec<String> {
        self.derived
            .iter()
            .map(|it| {
                let Derived { step, event, .. } = it;
                let leg = event.leg.as_deref().and_then(|own| own.split_once('/')?.1.rsplit_once('-'));
                let about = match (step, leg, &event.transfer, event.outcome) {
                    (_, Some((peer, _)), ..) => format!(" {peer}"),
                    (_, _, Some(it), _) => {
                        let word = serde_json::to_value(it.kind).unwrap();
                        format!(
                            " {} {}>{}",
                            word.as_str().unwrap(),
                            it.by.number.as_deref().unwrap_or("?"),
                            it.to.number.as_deref().unwrap_or("?")
                        )
                    }
                    (_, _, _, Some(outcome)) => {
                        format!(" {}", serde_json::to_value(outcome).unwrap().as_str().unwrap())
                    }
                    _ => String::new(),
                };
                let doubt = if event.certain { "" } else { " ?" };
                format!("{}{about}{doubt}", step.name())
            })
            .collect()
    }

    pub(crate) fn last(&self, step: Step) -> &CallEvent {
        &self.derived.iter().rev().find(|it| it.step == step).unwrap().event
    }

    /// Folds the records again, and compares.
    pub(crate) fn fold_again(&self) {
        let mut tracker = Tracker::default();
        let mut derived = Vec::new();
        let mut ticks = self.ticks.iter().peekable();
        for record in &self.records {
            while let Some((_, at)) = ticks.next_if(|(before, _)| *before <= record.seq.0) {
                derived.extend(tracker.tick(*at));
            }
            derived.extend(tracker.fold(record));
        }
        derived.extend(ticks.flat_map(|(_, at)| tracker.tick(*at)));
        assert_eq!(derived, self.derived);
    }

    /// Waits until every call has ended, and checks the promises.
    pub(crate) fn finish(&mut self) {
        self.wait(3000);
        // A resync that never comes holds no call open for longer than a minute.
        self.wait(60_000);
        let mut checker = Checker::default();
        for derived in &self.derived {
            checker.take(derived.step, &derived.event);
        }
        assert_eq!(checker.finish(true), [], "{:#?}", self.steps());
        assert!(self.tracker.is_empty());
    }
}

fn unique_id(channel: &str) -> String {
    let number = channel.rsplit_once('-').map_or("0", |(_, number)| number);
    format!("1795538000.{}", u32::from_str_radix(number, 16).unwrap_or_default())
}

/// Returns a ringing conversation: own channel, other channel, linked id.
pub(crate) fn talk(own: &str, other: &str, linked: &str) -> Talk {
    Talk {
        own: own.to_owned(),
        other: other.to_owned(),
        linked: linked.to_owned(),
        out: false,
        up: false,
        trunk: false,
        number: String::new(),
        queue: String::new(),
    }
}

/// An outside caller talks to 201.
pub(crate) fn inbound(office: &mut Office) -> Talk {
    let ring = Talk {
        trunk: true,
        number: "0721000111".to_owned(),
        ..talk(&channel("201", 2), &channel("trk", 1), "L1")
    };
    office.talk("201", ring.clone());
    office.wait(4000);
    let up = Talk { up: true, ..ring };
    office.talk("201", up.clone());
    up
}
