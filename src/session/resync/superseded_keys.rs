//! The entities that events have superseded since a snapshot was requested. Pure.

use std::collections::HashSet;

use super::snapshot::{Key, Snapshot};
use crate::event::{Fingerprints, RawEvent};

/// Keys that are recorded. Beyond it every entity counts as superseded: a snapshot must never overwrite newer state.
const CAPACITY: usize = 1 << 17;

#[derive(Debug)]
pub(super) struct SupersededKeys {
    snapshot: Snapshot,
    keys: HashSet<u128>,
    entities: HashSet<u128>,
    fingerprints: Fingerprints,
}

impl SupersededKeys {
    pub(super) fn new(snapshot: Snapshot) -> Self {
        let fingerprints = Fingerprints::default();
        Self { snapshot, keys: HashSet::new(), entities: HashSet::new(), fingerprints }
    }

    pub(super) fn record(&mut self, frame: &RawEvent) {
        if self.is_full() {
            return;
        }
        for key in self.snapshot.keys(frame) {
            self.entities.insert(self.fingerprints.of(&key.entity));
            self.keys.insert(self.fingerprints.of(&key));
        }
    }

    fn is_full(&self) -> bool {
        self.keys.len() >= CAPACITY
    }

    /// Whether an event has superseded this key.
    pub(super) fn has(&self, key: &Key) -> bool {
        self.is_full() || self.keys.contains(&self.fingerprints.of(key))
    }

    /// Whether an event concerned this entity.
    pub(super) fn has_entity(&self, entity: &[u8]) -> bool {
        self.is_full() || self.entities.contains(&self.fingerprints.of(&entity))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::collections::{BTreeMap, VecDeque};

    use jiff::Timestamp;
    use proptest::prelude::*;

    use super::{
        super::{
            report::Report,
            snapshot::{Item, Key, Snapshot},
        },
        CAPACITY, SupersededKeys,
    };

    #[test]
    fn beyond_the_capacity_every_entity_counts_as_superseded() {
        let of = |number: usize| {
            let answer = format!(r#"{{"q":{{"queue":"{number}"}}}}"#);
            Snapshot::Queues.slice(answer.as_bytes(), Timestamp::UNIX_EPOCH).unwrap().items.pop().unwrap()
        };
        let mut superseded = SupersededKeys::new(Snapshot::Queues);
        let other = of(usize::MAX);
        assert!(!superseded.has(&other.key) && !superseded.has_entity(&other.key.entity));
        for number in 0..CAPACITY + 1000 {
            superseded.record(&of(number).frame);
        }
        assert_eq!(superseded.keys.len(), CAPACITY);
        assert!(superseded.has(&other.key) && superseded.has_entity(&other.key.entity));
    }

    const USERS: usize = 4;

    /// What may happen, in any order; what can't happen now does nothing.
    #[derive(Debug, Clone)]
    enum Step {
        /// A part of a user's presence changes on the PBX, which sends an event.
        Change(usize, bool),
        /// The session reads the next event.
        Read,
        /// The session asks for the snapshot.
        Ask,
        /// The PBX makes it.
        Make,
        /// The session takes the answer.
        Take,
        /// Some entities are appended.
        Append(usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (0..USERS, any::<bool>()).prop_map(|(user, busy)| Step::Change(user, busy)),
            4 => Just(Step::Read),
            1 => Just(Step::Ask),
            1 => Just(Step::Make),
            1 => Just(Step::Take),
            2 => (1..4usize).prop_map(Step::Append),
        ]
    }

    /// The PBX and the session, as far as they matter here: `presence` and `presence_onbusy` of some users.
    #[derive(Default)]
    struct Play {
        version: u32,
        state: BTreeMap<(usize, bool), u32>,
        wire: VecDeque<String>,
        superseded: Option<SupersededKeys>,
        made: Option<String>,
        items: Option<VecDeque<Item>>,
        line: BTreeMap<Key, String>,
        report: Option<Report>,
        done: u32,
    }

    impl Play {
        fn user(&self, user: usize) -> String {
            let status = |busy| self.state.get(&(user, busy)).copied().unwrap_or_default();
            format!(r#""u{user}":{{"presence":"{}","presenceOnBusy":"{}"}}"#, status(false), status(true))
        }

        fn snapshot(&self) -> String {
            format!("{{{}}}", (0..USERS).map(|user| self.user(user)).collect::<Vec<_>>().join(","))
        }

        /// An event is made as the snapshot's are: of one user, and one part.
        fn take_event(&mut self, event: &str) {
            let sliced = Snapshot::Users.slice(event.as_bytes(), Timestamp::UNIX_EPOCH).unwrap();
            for item in sliced.items {
                if let Some(superseded) = &mut self.superseded {
                    superseded.record(&item.frame);
                }
                self.append(item);
            }
        }

        fn append(&mut self, item: Item) {
            let text = String::from_utf8(item.frame.args().to_vec()).unwrap();
            self.line.insert(item.key, text);
        }

        fn take(&mut self, step: &Step) {
            match *step {
                Step::Change(user, busy) => {
                    self.version += 1;
                    self.state.insert((user, busy), self.version);
                    let part = if busy { "presenceOnBusy" } else { "presence" };
                    self.wire.push_back(format!(r#"{{"u{user}":{{"{part}":"{}"}}}}"#, self.version));
                }
                Step::Read => {
                    if let Some(event) = self.wire.pop_front() {
                        self.take_event(&event);
                    }
                }
                Step::Ask if self.superseded.is_none() => {
                    self.superseded = Some(SupersededKeys::new(Snapshot::Users));
                }
                Step::Make if self.superseded.is_some() && self.made.is_none() && self.items.is_none() => {
                    self.made = Some(self.snapshot());
                }
                Step::Take => {
                    if let Some(answer) = self.made.take() {
                        let sliced = Snapshot::Users.slice(answer.as_bytes(), Timestamp::UNIX_EPOCH).unwrap();
                        self.items = Some(sliced.items.into());
                        self.report = Some(Report::new(1));
                    }
                }
                Step::Append(count) => {
                    for _ in 0..count {
                        let (Some(items), Some(superseded), Some(report)) =
                            (&mut self.items, &self.superseded, &mut self.report)
                        else {
                            return;
                        };
                        let Some(item) = items.pop_front() else {
                            (self.items, self.superseded) = (None, None);
                            self.done += 1;
                            return;
                        };
                        if !report.supersedes(superseded, &item.key) {
                            self.append(item);
                        }
                    }
                }
                Step::Ask | Step::Make => {}
            }
        }
    }

    proptest! {
        #[test]
        fn the_last_state_is_the_newest_in_any_interleaving(
            steps in prop::collection::vec(step(), 0..60),
            lost in 0..5usize,
        ) {
            let mut play = Play::default();
            // Before the session: what happens now, nobody reads.
            for (user, busy) in [(0, false), (1, true), (2, false), (3, true), (0, true)].into_iter().take(lost) {
                play.take(&Step::Change(user, busy));
            }
            play.wire.clear();
            for step in &steps {
                play.take(step);
            }
            // What is under way ends, and one more resync if there was none.
            for _ in 0..2 {
                for step in [Step::Ask, Step::Make, Step::Take, Step::Append(usize::MAX)] {
                    play.take(&step);
                }
            }
            while !play.wire.is_empty() {
                play.take(&Step::Read);
            }
            prop_assert!(play.done > 0);
            let newest = Snapshot::Users.slice(play.snapshot().as_bytes(), Timestamp::UNIX_EPOCH).unwrap();
            for item in newest.items {
                let expected = String::from_utf8(item.frame.args().to_vec()).unwrap();
                prop_assert_eq!(play.line.get(&item.key), Some(&expected));
            }
        }
    }
}
