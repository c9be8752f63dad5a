//! A small office whose events become calls, at random.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use calls::Tracker;
use event::{EncodedCall, Notice, RawEvent, Record, Seq};
use fastrand::Rng;
use jiff::{SignedDuration, Timestamp};
use journal::{Derivation, Derive, Derived, Journal, Live};

const EXTENSIONS: [&str; 4] = ["201", "202", "203", "204"];

/// The calls of a source, as the bridge derives them.
#[derive(Debug, Default)]
struct Calls(Tracker);

fn encode(derived: &[calls::Derived]) -> Vec<Derived> {
    derived.iter().map(|it| Derived { at: it.at, call: it.encode() }).collect()
}

impl Derive for Calls {
    fn fold(&mut self, record: &Record) -> Vec<Derived> {
        encode(&self.0.fold(record))
    }

    fn is_due(&self, at: Timestamp) -> bool {
        self.0.is_due(at)
    }

    fn tick(&mut self, at: Timestamp) -> Vec<Derived> {
        encode(&self.0.tick(at))
    }

    fn adopt(&mut self, stored: &EncodedCall) {
        self.0.adopt(&stored.key, &stored.step);
    }

    fn finish(&mut self, cause: Seq, at: Timestamp) -> Vec<Derived> {
        encode(&self.0.finish(cause, at))
    }

    fn save(&self) -> Vec<u8> {
        self.0.save()
    }

    fn restore(&mut self, saved: &[u8]) -> bool {
        Tracker::restore(saved).map(|tracker| self.0 = tracker).is_some()
    }
}

/// Derives calls from these sources.
pub fn derivation(sources: &[&str]) -> Derivation {
    Derivation { new: Arc::new(|_| Box::<Calls>::default()), sources: crate::names(sources) }
}

/// An `extenUpdate` of an extension with these conversations: own channel, other channel, linked id, and whether both talk.
pub fn exten_update(
    at: Timestamp,
    extension: &str,
    is_on_hold: bool,
    talks: &[(String, String, String, bool)],
) -> RawEvent {
    let conversations: Vec<String> = talks
        .iter()
        .map(|(own, other, linked, up)| {
            format!(
                r#""{other}>{own}":{{"id":"{other}>{own}","owner":"{extension}","direction":"in","connected":{up},"startTime":{},"uniqueId":"{own}","linkedId":"{linked}","queueId":"","throughQueue":false,"throughTrunk":true,"recording":"false","counterpartNum":"0721000111","counterpartName":"Rossi","chSource":{{"channel":"{other}"}},"chDest":{{"channel":"{own}"}}}}"#,
                at.as_millisecond()
            )
        })
        .collect();
    let status = if is_on_hold { "onhold" } else { "busy" };
    let text = format!(
        r#"42["extenUpdate",{{"exten":"{extension}","name":"Name {extension}","username":"u{extension}","status":"{status}","conversations":{{{}}}}}]"#,
        conversations.join(",")
    );
    let end = u32::try_from(text.len()).unwrap() - 1;
    RawEvent {
        at,
        bytes: Bytes::from(text),
        name: 4..15,
        args: 17..end,
        argc: 1,
        attachments: Box::default(),
    }
}

/// A resync in which nothing failed.
pub fn resync_completed() -> Notice {
    Notice::ResyncCompleted {
        session: 1,
        counts: BTreeMap::new(),
        superseded: 0,
        unusable: 0,
        refused: Vec::new(),
        failed: Vec::new(),
        empty: Vec::new(),
    }
}

/// The office.
#[derive(Debug)]
pub struct Office {
    random: Rng,
    pub now: Timestamp,
    talks: BTreeMap<&'static str, Vec<(String, String, String, bool)>>,
    channels: u32,
}

impl Office {
    pub fn new(seed: u64) -> Self {
        Self { random: Rng::with_seed(seed), now: Timestamp::now(), talks: BTreeMap::new(), channels: 0 }
    }

    /// Lets something happen.
    pub fn happen(&mut self, journal: &Journal, live: &mut Live) {
        self.now += SignedDuration::from_millis(self.random.i64(1..1500));
        if self.random.u8(..4) == 0 {
            return journal.tick(self.now);
        }
        let extension = EXTENSIONS[self.random.usize(..EXTENSIONS.len())];
        let (random, talks) = (&mut self.random, self.talks.entry(extension).or_default());
        match random.u8(..5) {
            0 | 1 if talks.len() < 2 => {
                self.channels += 1;
                let channel = |peer: &str| format!("PJSIP/{peer}-{:08x}", self.channels);
                let linked = if random.bool() { format!("L{}", random.u8(..6)) } else { String::new() };
                talks.push((channel(extension), channel("trunk"), linked, random.bool()));
            }
            2 | 3 if !talks.is_empty() => {
                if let Some(talk) = talks.iter_mut().find(|talk| !talk.3) {
                    talk.3 = true;
                } else {
                    talks.remove(random.usize(..talks.len()));
                }
            }
            _ => {}
        }
        let is_on_hold = self.random.u8(..5) == 0;
        live.event(exten_update(self.now, extension, is_on_hold, &self.talks[extension]));
        live.commit();
    }

    /// Completes a resync: everything is visible again.
    pub fn resync(&mut self, live: &mut Live) {
        live.notice(&resync_completed());
    }

    /// Lets everybody hang up, and time pass.
    pub fn close(&mut self, journal: &Journal, live: &mut Live) {
        for extension in EXTENSIONS {
            self.now += SignedDuration::from_millis(1);
            live.event(exten_update(self.now, extension, false, &[]));
        }
        live.commit();
        for _ in 0..3 {
            self.now += SignedDuration::from_secs(5);
            journal.tick(self.now);
        }
    }
}
