//! Which entities there are, and which have gone. Pure.

use std::collections::BTreeMap;

use super::snapshot::Item;

/// Entities by the name the PBX gives them, with their CloudEvents `subject`.
type Entities = BTreeMap<Box<[u8]>, String>;

/// Entities that are missed at the same time; of others nobody is told that they have gone.
const MISSING: usize = 16 * 1024;

/// What the snapshots of one kind held, over all sessions.
#[derive(Debug, Default)]
pub(super) struct Census {
    present: Entities,
    /// Held by an earlier snapshot and not by the last one.
    missing: Entities,
}

impl Census {
    /// Takes what a snapshot holds; `alive` are entities that an event told of meanwhile. Yields those that two in a
    /// row no longer hold, at most so many; others wait for the next snapshot. One that holds nothing counts for nothing.
    pub(super) fn take(&mut self, items: &[Item], alive: impl Fn(&[u8]) -> bool, most: usize) -> Vec<String> {
        if items.is_empty() {
            return vec![];
        }
        let mut found: Entities =
            items.iter().map(|item| (item.key.entity.clone(), item.subject.clone())).collect();
        let mut gone = Vec::new();
        let mut missing = Entities::new();
        let before = std::mem::take(&mut self.missing).into_iter().map(|entry| (entry, true));
        for ((entity, subject), again) in
            before.chain(std::mem::take(&mut self.present).into_iter().map(|entry| (entry, false)))
        {
            if found.contains_key(&entity) {
                continue;
            }
            if alive(&entity) {
                found.insert(entity, subject);
            } else if again && gone.len() < most {
                gone.push(subject);
            } else if missing.len() < MISSING {
                missing.insert(entity, subject);
            }
        }
        (self.present, self.missing) = (found, missing);
        gone
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

    fn take(census: &mut Census, numbers: &[u32]) -> Vec<String> {
        census.take(&items(numbers), |_| false, 10)
    }

    #[test]
    fn an_entity_has_gone_when_two_snapshots_in_a_row_agree() {
        let mut census = Census::default();
        assert!(take(&mut census, &[1, 2, 3]).is_empty());
        assert!(take(&mut census, &[1, 2]).is_empty());
        assert_eq!(take(&mut census, &[1, 2]), ["extension/3"]);
        assert!(take(&mut census, &[1, 2]).is_empty(), "told once");
        assert!(take(&mut census, &[1]).is_empty());
        assert!(take(&mut census, &[1, 2]).is_empty());
        assert!(take(&mut census, &[1]).is_empty(), "it was back meanwhile");
    }

    #[test]
    fn an_empty_answer_deletes_nothing_however_often_it_comes() {
        let mut census = Census::default();
        take(&mut census, &[1, 2]);
        for _ in 0..3 {
            assert!(take(&mut census, &[]).is_empty());
        }
        take(&mut census, &[1]);
        assert!(take(&mut census, &[]).is_empty());
        assert_eq!(take(&mut census, &[1]), ["extension/2"]);
    }

    #[test]
    fn an_event_proves_that_it_is_there_and_the_list_is_bounded() {
        let mut census = Census::default();
        take(&mut census, &[1, 2, 3, 4]);
        take(&mut census, &[1]);
        assert_eq!(census.take(&items(&[1]), |entity| entity == b"2", 1), ["extension/3"]);
        assert_eq!(take(&mut census, &[1]), ["extension/4"], "the second is missing only now");
        assert_eq!(take(&mut census, &[1]), ["extension/2"]);
    }
}
