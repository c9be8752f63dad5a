//! Verifies that a partition is complete, from its content alone. Pure.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::Value;

use super::{Stored, verify_calls::HeldCall};
use crate::{event::Seq, text::PeerText};

/// An event as a partition stores it.
#[derive(Debug, Clone)]
pub struct Held {
    /// The index of the partition.
    pub partition: usize,
    /// Its source, journal and number.
    pub stored: Stored,
    /// `ctiprev`: the number of the source's event before it in this partition.
    pub prev: Seq,
    /// The data of a bridge event. `None` for any other event.
    pub notice: Option<Value>,
    /// The event of a call. `None` for any other event.
    pub call: Option<HeldCall>,
}

/// A fault of a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// A source's events from the first to the second number are missing, with the reason if a notice gives one.
    Hole(String, Seq, Seq, Option<String>),
    /// A number is repeated, or follows a higher one.
    Disorder(String, Seq),
}

/// Checks partitions event by event.
#[derive(Debug, Default)]
pub struct Checker {
    since: Option<Timestamp>,
    last: BTreeMap<(usize, String), Seq>,
    /// Bridge events, which may be in every partition.
    seen: BTreeSet<(String, Seq)>,
    holes: Vec<(String, Seq, Seq)>,
    reasons: Vec<(String, Seq, Seq, String)>,
    disorder: Vec<Finding>,
    /// Checked events.
    pub events: u64,
    /// Announced gaps: what the PBX sent meanwhile was never received.
    pub gaps: u64,
}

impl Checker {
    /// Returns a checker for events received since a time. `None` checks all events.
    pub fn new(since: Option<Timestamp>) -> Self {
        Self { since, ..Self::default() }
    }

    /// Checks the next event of its partition.
    pub fn take(&mut self, held: &Held) {
        let source = &held.stored.source;
        let seq = held.stored.seq;
        let counts = self.since.is_none_or(|since| held.stored.time >= since);
        let is_copy = held.notice.is_some() && !self.seen.insert((source.clone(), seq));
        if counts && !is_copy {
            self.events += 1;
            self.gaps += u64::from(held.stored.ty == "cti.bridge.gap.v1");
        }
        if let Some(notice) = held.notice.as_ref().filter(|_| !is_copy) {
            self.note(source, &held.stored.ty, notice);
        }
        let place = (held.partition, source.clone());
        let last = self.last.get(&place).copied();
        if let Some(last) = last {
            if seq <= last {
                if counts {
                    self.disorder.push(Finding::Disorder(source.clone(), seq));
                }
                return;
            }
            if held.prev > last && counts {
                self.holes.push((source.clone(), last, held.prev));
            }
        }
        self.last.insert(place, seq);
    }

    fn note(&mut self, source: &str, ty: &str, notice: &Value) {
        let number = |key: &str| notice.get(key).and_then(Value::as_u64).map(Seq);
        let reason = PeerText::new(notice.get("reason").and_then(Value::as_str).unwrap_or_default());
        let explained = match ty {
            "cti.bridge.lost.v1" => {
                number("from").zip(number("to")).map(|range| (range, format!("lost: {reason}")))
            }
            "cti.bridge.deadlettered.v1" => {
                number("sequence").map(|seq| ((seq, seq), format!("dead-lettered: {reason}")))
            }
            _ => None,
        };
        if let Some(((from, to), text)) = explained {
            self.reasons.push((source.to_owned(), from, to, text));
        }
    }

    /// Returns all findings. The reason for a hole may follow the hole, so it is known only at the end.
    pub fn finish(self) -> Vec<Finding> {
        let Self { holes, reasons, mut disorder, .. } = self;
        disorder.extend(holes.into_iter().map(|(source, after, to)| {
            let explains = |(of, from, until, _): &&(String, Seq, Seq, String)| {
                *of == source && *until > after && *from <= to
            };
            let reason = reasons.iter().find(explains).map(|(.., text)| text.clone());
            Finding::Hole(source, after.next(), to, reason)
        }));
        disorder
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::JournalId;

    fn held(seq: u64, prev: u64) -> Held {
        let stored = Stored {
            source: "a".to_owned(),
            journal: JournalId::draw(),
            seq: Seq(seq),
            time: Timestamp::UNIX_EPOCH,
            ty: "cti.event.e.v1".to_owned(),
            location: String::new(),
            place: String::new(),
        };
        Held { partition: 0, stored, prev: Seq(prev), notice: None, call: None }
    }

    fn found(events: &[Held]) -> Vec<Finding> {
        let mut checker = Checker::new(None);
        for held in events {
            checker.take(held);
        }
        checker.finish()
    }

    #[test]
    fn a_complete_partition_has_no_findings() {
        assert_eq!(found(&[held(7, 3), held(8, 7), held(20, 8), held(21, 20)]), []);
    }

    #[test]
    fn a_hole_has_the_reason_that_a_later_notice_gives() {
        let notice = serde_json::json!({ "sink": "bus", "count": 2, "reason": "quota", "from": 9, "to": 10 });
        let mut lost = Held { notice: Some(notice), ..held(12, 11) };
        "cti.bridge.lost.v1".clone_into(&mut lost.stored.ty);
        let reason = Some("lost: quota".to_owned());
        let events = [held(8, 7), held(11, 10), lost, held(15, 14)];
        assert_eq!(
            found(&events),
            [
                Finding::Hole("a".to_owned(), Seq(9), Seq(10), reason),
                Finding::Hole("a".to_owned(), Seq(13), Seq(14), None)
            ]
        );
    }

    #[test]
    fn a_repeated_number_is_found() {
        assert_eq!(found(&[held(8, 7), held(9, 8), held(8, 7)]), [Finding::Disorder("a".to_owned(), Seq(8))]);
    }
}
