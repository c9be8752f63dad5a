//! The records in flight of a driver, and their results.

use std::{collections::BTreeMap, sync::Arc};

use tokio::time::timeout;

use super::{
    Acked, Driver, Link, Outgoing, Partitions, SinkError,
    dead_letter::{Refused, letter},
};
use crate::{
    event::{Body, CloudEvent, Mark, Notice, Record},
    health::Trouble,
    journal::Settled,
    route::{Plan, Verdict},
};

/// A record that was sent or filtered, and is not settled yet.
#[derive(Debug)]
pub(super) struct Flight {
    pub(super) record: Record,
    pub(super) settled: Settled,
    pub(super) partitions: Partitions,
    /// It was not sent, so it needs no acknowledgement.
    pub(super) unsent: bool,
    /// The route that filters it. `None` for a published record.
    pub(super) route: Option<Arc<str>>,
}

impl Driver {
    /// Moves the cursor past everything that the broker has acknowledged.
    pub(super) async fn settle<L: Link>(&mut self, acked: Acked, link: &mut L) -> Result<(), SinkError> {
        let through = |flight: &Flight| flight.record.position <= acked.through;
        let count = self.flights.iter().take_while(|flight| through(flight)).count();
        if let (Some(reason), Some(refused)) = (&acked.refused, self.flights.iter().take(count).next_back()) {
            let record = refused.record.clone();
            self.advance(count.saturating_sub(1));
            self.dead_letter(&record, reason, link).await?;
            if let Some(refused) = self.flights.front_mut() {
                refused.settled = Settled::DeadLettered;
            }
            self.advance(1);
        } else {
            self.advance(count);
        }
        self.settle_filtered();
        Ok(())
    }

    /// Dead-letters an event that the broker refuses permanently: reports it once, writes it to disk, and publishes a dead letter.
    /// A refused dead letter is counted, and not sent again.
    async fn dead_letter<L: Link>(
        &mut self,
        record: &Record,
        reason: &str,
        link: &mut L,
    ) -> Result<(), SinkError> {
        let reason = &crate::text::sentence(reason);
        let journal = self.reader.journal().clone();
        let is_new = self.refusals.add(record.position, record.seq, reason, &self.health);
        if is_new {
            let (sink, reason) = (self.name.to_string(), reason.to_owned());
            journal.notice(record.source, &Notice::Deadlettered { sink, sequence: record.seq, reason });
        }
        let (Verdict::Publish(published), Some(mut copy)) =
            (self.plan.decide(record), self.plan.copy(record, "dlq"))
        else {
            return Ok(());
        };
        let destination = link.destination(&published.names);
        let shown = self.plan.sentence(record, reason).into_owned();
        let refused = Refused {
            journal: journal.id(),
            sink: &self.name,
            record,
            source: &published.names.source,
            destination: &destination,
            ty: &published.names.ty,
            data: &published.data,
            reason: &shown,
        };
        if is_new {
            let name = format!("{}-{}-{}.json", published.names.source_name(), record.seq.0, self.name);
            // The file keeps the original.
            let (ty, data) = (&record.ty(), &Plan::original(record));
            journal.write_dead_letter(&name, || letter(&Refused { ty, data, reason, ..refused }, None));
        }
        (copy.data, copy.args, copy.binary) = (letter(&refused, Some(link.largest())), 1, false);
        copy.names = self.plan.dead_letter(&copy.names);
        let event = CloudEvent {
            sink: Some(&self.name),
            ..self.plan.envelope(record, &copy, Mark::Copy { seq: record.seq })
        };
        let outgoing = Outgoing { position: None, partition: 0, names: &copy.names, event };
        let answer = timeout(self.options.deadline, link.letter(&outgoing)).await;
        let late = |_| {
            SinkError::again(Trouble::Silent, "the broker does not answer a dead letter: it is slow or stuck")
        };
        if let Some(refused) = answer.map_err(late)?? {
            tracing::debug!(sequence = record.seq.0, refused, "dead letter refused");
            self.refusals.lost_letter();
            self.counters.letter_refused();
        }
        Ok(())
    }

    /// Settles filtered records, which need no answer once everything before them is settled.
    pub(super) fn settle_filtered(&mut self) {
        let count = self.flights.iter().take_while(|flight| flight.unsent).count();
        self.advance(count);
    }

    /// Settles the first `count` records.
    fn advance(&mut self, count: usize) {
        let routes = self.flights.iter().take(count).filter_map(|flight| flight.route.as_ref());
        self.counters.filtered(routes);
        let done = self.flights.iter().take(count).map(|Flight { record, settled, unsent, .. }| {
            let is_timed = *settled == Settled::Published && !unsent && matches!(record.body, Body::Event(_));
            (record.source, *settled, is_timed.then_some(record.at))
        });
        self.counters.settled(done);
        self.in_flight -= self.flights.iter().take(count).map(|flight| flight.record.size()).sum::<usize>();
        self.record_newest(count);
        self.settled += count as u64;
        let settled = self.flights.drain(..count).map(|Flight { record, settled, .. }| {
            if settled == Settled::Published {
                self.published += 1;
            }
            (record.position, record.source, record.seq, settled)
        });
        self.reader.settle(settled);
    }

    /// Records the newest published event of each source, and of each partition and source, among the first `count`.
    fn record_newest(&mut self, count: usize) {
        let (mut sources, mut partitions) = (BTreeMap::new(), BTreeMap::new());
        let stored = self.flights.iter().take(count).filter(|it| it.settled == Settled::Published);
        for flight in stored {
            let (record, source) = (&flight.record, flight.record.source);
            sources.insert(source, record);
            if !self.complete.is_empty() {
                partitions.extend(
                    flight
                        .partitions
                        .among(self.partitions.len())
                        .map(|partition| ((partition, source), record)),
                );
            }
        }
        self.reader.published(sources.into_iter().map(|(source, record)| (source, record.into())));
        self.reader.reached(
            partitions.into_iter().map(|((partition, source), record)| (partition, source, record.into())),
        );
    }
}
