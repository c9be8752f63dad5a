//! Tracks which entities exist, and which have vanished. Pure.

use std::{collections::BTreeMap, time::Duration};

use tokio::time::Instant;

use super::snapshot::{Item, Key};

/// Missing entities that are tracked at the same time; no notice is sent for others.
const MISSING: usize = 16 * 1024;

/// An entity has to be missing for this long to count as vanished: a PBX that applies a new configuration briefly omits some.
pub(super) const CONFIRMED_AFTER: Duration = Duration::from_secs(10);

/// An entity that has vanished.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Vanished {
    /// The event with its state.
    pub(super) event: &'static str,
    /// As in the CloudEvents `subject`.
    pub(super) subject: String,
}

/// The entities of one kind of snapshot, across sessions.
#[derive(Debug, Default)]
pub(super) struct EntityTracker {
    /// With the CloudEvents `subject`.
    present: BTreeMap<Key, String>,
    /// Entities of an earlier snapshot that later ones lack.
    missing: BTreeMap<Key, (String, Instant)>,
}

impl EntityTracker {
    /// Updates the entities from a snapshot that was requested at `asked`; `alive` are entities of events since then. Returns
    /// at most `most` entities that were missing for [`CONFIRMED_AFTER`] or longer; others wait for the next snapshot. An
    /// empty snapshot is ignored.
    pub(super) fn take(
        &mut self,
        items: &[Item],
        asked: Instant,
        alive: impl Fn(&[u8]) -> bool,
        most: usize,
    ) -> Vec<Vanished> {
        if items.is_empty() {
            return vec![];
        }
        let mut found: BTreeMap<Key, String> =
            items.iter().map(|item| (item.key.clone(), item.subject.clone())).collect();
        let mut vanished = Vec::new();
        let mut missing = BTreeMap::new();
        let earlier = std::mem::take(&mut self.missing).into_iter();
        let newly = std::mem::take(&mut self.present).into_iter();
        for (key, (subject, since)) in earlier.chain(newly.map(|(key, subject)| (key, (subject, asked)))) {
            if found.contains_key(&key) {
                continue;
            }
            if alive(&key.entity) {
                found.insert(key, subject);
            } else if asked.duration_since(since) >= CONFIRMED_AFTER && vanished.len() < most {
                vanished.push(Vanished { event: key.event, subject });
            } else if missing.len() < MISSING {
                missing.insert(key, (subject, since));
            }
        }
        (self.present, self.missing) = (found, missing);
        vanished
    }

    /// Whether another snapshot has to confirm missing entities.
    pub(super) fn is_missing_some(&self) -> bool {
        !self.missing.is_empty()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use jiff::Timestamp;

    use super::{super::snapshot::Snapshot, *};

    fn items(numbers: &[u32]) -> Vec<Item> {
        let all: Vec<_> = numbers.iter().map(|n| format!(r#""{n}":{{"exten":"{n}"}}"#)).collect();
        let answer = format!("{{{}}}", all.join(","));
        Snapshot::Extensions.slice(answer.as_bytes(), Timestamp::UNIX_EPOCH).unwrap().items
    }

    /// Snapshots that were asked for so many seconds after the test began.
    struct Times(Instant);

    impl Times {
        fn at(&self, seconds: u64) -> Instant {
            self.0 + Duration::from_secs(seconds)
        }

        fn take(&self, seconds: u64, tracker: &mut EntityTracker, numbers: &[u32]) -> Vec<String> {
            let vanished = tracker.take(&items(numbers), self.at(seconds), |_| false, 10);
            assert!(vanished.iter().all(|it| it.event == "extenUpdate"));
            vanished.into_iter().map(|it| it.subject).collect()
        }
    }

    #[test]
    fn an_entity_vanishes_when_a_later_snapshot_confirms_it() {
        let (mut tracker, times) = (EntityTracker::default(), Times(Instant::now()));
        assert!(times.take(0, &mut tracker, &[1, 2, 3]).is_empty());
        assert!(!tracker.is_missing_some());
        assert!(times.take(60, &mut tracker, &[1, 2]).is_empty());
        assert!(times.take(69, &mut tracker, &[1, 2]).is_empty(), "too soon");
        assert!(tracker.is_missing_some());
        assert_eq!(times.take(70, &mut tracker, &[1, 2]), ["extension/3"]);
        assert!(times.take(90, &mut tracker, &[1, 2]).is_empty(), "once");
        assert!(!tracker.is_missing_some());
        assert!(times.take(100, &mut tracker, &[1]).is_empty());
        assert!(times.take(105, &mut tracker, &[1, 2]).is_empty());
        assert!(times.take(110, &mut tracker, &[1]).is_empty(), "it was back meanwhile");
    }

    #[test]
    fn an_empty_answer_deletes_nothing_however_often_it_comes() {
        let (mut tracker, times) = (EntityTracker::default(), Times(Instant::now()));
        times.take(0, &mut tracker, &[1, 2]);
        for round in 1..4 {
            assert!(times.take(round * 20, &mut tracker, &[]).is_empty());
        }
        times.take(100, &mut tracker, &[1]);
        assert!(times.take(120, &mut tracker, &[]).is_empty());
        assert_eq!(times.take(140, &mut tracker, &[1]), ["extension/2"]);
    }

    #[test]
    fn an_event_proves_that_it_is_there_and_the_list_is_bounded() {
        let (mut tracker, times) = (EntityTracker::default(), Times(Instant::now()));
        times.take(0, &mut tracker, &[1, 2, 3, 4]);
        times.take(10, &mut tracker, &[1]);
        let vanished = tracker.take(&items(&[1]), times.at(20), |entity| entity == b"2", 1);
        assert_eq!(vanished, [Vanished { event: "extenUpdate", subject: "extension/3".to_owned() }]);
        assert_eq!(times.take(21, &mut tracker, &[1]), ["extension/4"], "the second is missing only now");
        assert_eq!(times.take(31, &mut tracker, &[1]), ["extension/2"]);
    }
}
