//! What a driver has sent and nobody has answered for yet, and what becomes of it.

use tokio::time::timeout;

use super::{Acked, Driver, Lanes, Link, Outgoing, SinkError, deadletter::letter};
use crate::{
    event::{Body, Mark, Notice, Record},
    journal::Settled,
    route::Verdict,
};

/// A record that was sent, or left out, and is not settled yet.
#[derive(Debug)]
pub(super) struct Flight {
    pub(super) record: Record,
    pub(super) settled: Settled,
    pub(super) lanes: Lanes,
    /// It was not sent, so nobody answers for it.
    pub(super) unsent: bool,
}

impl Driver {
    /// Moves the cursor past everything the broker has answered for.
    pub(super) async fn settle<L: Link>(&mut self, acked: Acked, link: &mut L) -> Result<(), SinkError> {
        let through = |flight: &Flight| flight.record.position <= acked.through;
        let count = self.flights.iter().take_while(|flight| through(flight)).count();
        if let (Some(reason), Some(refused)) = (&acked.refused, self.flights.iter().take(count).next_back()) {
            let record = refused.record.clone();
            self.advance(count.saturating_sub(1));
            self.set_aside(&record, reason, link).await?;
            if let Some(refused) = self.flights.front_mut() {
                refused.settled = Settled::DeadLettered;
            }
            self.advance(1);
        } else {
            self.advance(count);
        }
        self.settle_left_out();
        Ok(())
    }

    /// An event that the broker refuses for good: it is kept on disk, announced on the line, and a dead letter tells of
    /// it. A dead letter that is refused as well is not tried again.
    async fn set_aside<L: Link>(
        &mut self,
        record: &Record,
        reason: &str,
        link: &mut L,
    ) -> Result<(), SinkError> {
        let reason = &crate::text::sentence(reason);
        tracing::warn!(sink = &*self.name, sequence = record.seq.0, reason, "an event was refused for good");
        let journal = self.reader.journal().clone();
        let notice = Notice::Deadlettered {
            sink: self.name.to_string(),
            sequence: record.seq,
            reason: reason.to_owned(),
        };
        journal.notice(record.source, &notice);
        let (Verdict::Publish(published), Some(mut copy)) =
            (self.plan.decide(record), self.plan.copy(record, "dlq"))
        else {
            return Ok(());
        };
        let whose = (journal.id(), &*self.name);
        let whole = letter(whose, record, &published, reason, None);
        journal
            .bury(&format!("{}-{}-{}.json", published.names.source_name(), record.seq.0, self.name), &whole);
        (copy.data, copy.args, copy.binary) =
            (letter(whose, record, &published, reason, Some(link.largest())), 1, false);
        copy.names = copy.names.as_dead_letter();
        let event = self.plan.envelope(record, &copy, Mark::Copy { seq: record.seq });
        let outgoing = Outgoing { position: None, lane: 0, names: &copy.names, event };
        let sent = timeout(self.options.deadline, link.send(&[outgoing])).await;
        sent.map_err(|_| SinkError::Again("the broker takes no dead letter: it is slow or stuck".to_owned()))?
    }

    /// What was left out needs no answer once everything before it is settled.
    pub(super) fn settle_left_out(&mut self) {
        let count = self.flights.iter().take_while(|flight| flight.unsent).count();
        self.advance(count);
    }

    fn advance(&mut self, count: usize) {
        let done = self.flights.iter().take(count).map(|Flight { record, settled, unsent, .. }| {
            let is_timed = *settled == Settled::Published && !unsent && matches!(record.body, Body::Event(_));
            (record.source, *settled, is_timed.then_some(record.at))
        });
        self.figures.settled(done);
        if !self.have.is_empty() {
            let stored = self.flights.iter().take(count).filter(|it| it.settled == Settled::Published);
            self.reader.reached(stored.flat_map(|Flight { record, lanes, .. }| {
                lanes.among(self.lanes.len()).map(|lane| (lane, record.source, record.seq))
            }));
        }
        let settled = self.flights.drain(..count).map(|Flight { record, settled, .. }| {
            if settled == Settled::Published {
                self.published += 1;
            }
            (record.position, record.source, record.seq, settled)
        });
        self.reader.settle(settled);
    }
}
