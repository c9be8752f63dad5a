//! How far a sink has come, and what became of everything before that.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::event::{LossReason, Position, Seq, SourceId};

/// What became of one source's records at one sink. Counted by position, not by acknowledgement: a
/// record that is sent twice counts once.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Ledger {
    /// Everything that arrived.
    pub received: u64,
    /// Acknowledged by the broker.
    pub published: u64,
    /// Left out by rule.
    pub filtered: u64,
    /// Refused by the broker for good and set aside.
    pub dead_lettered: u64,
    /// Dropped before delivery, by reason.
    pub lost: BTreeMap<LossReason, u64>,
}

impl Ledger {
    /// Everything accounted for; with what is pending it equals [`Ledger::received`].
    pub fn settled(&self) -> u64 {
        self.published + self.filtered + self.dead_lettered + self.lost.values().sum::<u64>()
    }
}

/// A record that a sink is done with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// The broker has it.
    Published,
    /// It was left out.
    Filtered,
    /// The broker refused it for good.
    DeadLettered,
}

/// A sink's place on the line.
#[derive(Debug, Clone)]
pub struct Cursor {
    /// The first record it has not settled.
    pub next: Position,
    /// Per source, the number it settled last as published: what `ctiprev` continues from.
    pub lane: Vec<Seq>,
    /// Per source.
    pub ledgers: Vec<Ledger>,
}

impl Cursor {
    pub(super) fn new(next: Position, sources: usize) -> Self {
        Self { next, lane: vec![Seq(0); sources], ledgers: vec![Ledger::default(); sources] }
    }

    /// Moves past one record.
    pub(super) fn settle(&mut self, source: SourceId, seq: Seq, how: Settled) {
        self.next = self.next.next();
        let (Some(ledger), Some(lane)) =
            (self.ledgers.get_mut(source.index()), self.lane.get_mut(source.index()))
        else {
            return;
        };
        match how {
            Settled::Published => {
                ledger.published += 1;
                *lane = seq;
            }
            Settled::Filtered => ledger.filtered += 1,
            Settled::DeadLettered => ledger.dead_lettered += 1,
        }
    }
}
