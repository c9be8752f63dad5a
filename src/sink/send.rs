//! Sends records and heartbeats on an open link.

use std::sync::Arc;

use tokio::time::{Instant, timeout};

use super::{Driver, Link, Outgoing, Partitions, SinkError, flights::Flight};
use crate::{
    event::{Mark, Record, Seq},
    health::Trouble,
    journal::Settled,
    route::Verdict,
};

/// The limit for records in flight, in bytes. One record larger than half of it may exceed it, as the last one.
const IN_FLIGHT: usize = 16 << 20;

impl Driver {
    /// Returns the number of records that may be sent now.
    pub(super) fn room(&self, window: usize) -> usize {
        let window = window.min(self.options.window);
        let batch = window.min(self.options.batch);
        let room = window.saturating_sub(self.flights.len()).min(batch);
        // At least half a batch, so that a busy sink sends few large batches.
        let is_worthwhile = room >= batch.div_ceil(2) && self.in_flight <= IN_FLIGHT / 2;
        let room = if is_worthwhile { room } else { 0 };
        match self.options.limit {
            None => room,
            Some(limit) => {
                let left = limit.saturating_sub(self.published + self.flights.len() as u64);
                room.min(usize::try_from(left).unwrap_or(usize::MAX))
            }
        }
    }

    /// Reads up to `most` records, and sends those that the plan publishes.
    pub(super) async fn send<L: Link>(
        &mut self,
        link: &mut L,
        most: usize,
        records: &mut Vec<Record>,
    ) -> Result<(), SinkError> {
        records.clear();
        self.reader.read_within(most, IN_FLIGHT - self.in_flight.min(IN_FLIGHT / 2), records).await;
        if let Some(border) = self.switch.border() {
            // The others are read again, and sent under the next rules.
            records.truncate(records.partition_point(|record| record.position < border));
        }
        // A loss before these records must show as a hole in each partition.
        for partition in &mut self.partitions {
            for (last, gone) in partition.iter_mut().zip(self.reader.gone()) {
                *last = (*gone).max(*last);
            }
        }
        let verdicts: Vec<_> = records.iter().map(|record| self.plan.decide(record)).collect();
        let mut batch = Vec::with_capacity(verdicts.len());
        let mut outcomes = Vec::with_capacity(verdicts.len());
        for (record, verdict) in records.iter().zip(&verdicts) {
            let published = match verdict {
                Verdict::Publish(published) => published,
                Verdict::Filtered(route) => {
                    outcomes.push((Settled::Filtered, Partitions::One(0), true, Some(Arc::clone(route))));
                    continue;
                }
            };
            let (partitions, seq, before) = (link.partitions(&published.names), record.seq, batch.len());
            for partition in partitions.among(self.partitions.len()) {
                let Some(prev) = self.advance_partition(partition, record) else { continue };
                let mark =
                    if self.options.copies { Mark::Copy { seq } } else { Mark::Numbered { seq, prev } };
                batch.push(Outgoing {
                    position: Some(record.position),
                    partition,
                    names: &published.names,
                    event: self.plan.envelope(record, published, mark),
                });
            }
            outcomes.push((Settled::Published, partitions, batch.len() == before, None));
        }
        let sent = timeout(self.options.deadline, link.send(&batch)).await;
        sent.map_err(|_| {
            SinkError::again(
                Trouble::Silent,
                format!("the broker accepted nothing for {:?}: it is slow or stuck", self.options.deadline),
            )
        })??;
        drop(batch);
        self.in_flight += records.iter().map(Record::size).sum::<usize>();
        let flight = |(record, (settled, partitions, unsent, route))| Flight {
            record,
            settled,
            partitions,
            unsent,
            route,
        };
        self.flights.extend(records.drain(..).zip(outcomes).map(flight));
        self.settle_filtered();
        Ok(())
    }

    /// Advances a partition to this record. Returns the number of the record before it; `None` if the partition already has it.
    fn advance_partition(&mut self, partition: usize, record: &Record) -> Option<Seq> {
        if self.complete.get(partition).is_some_and(|from| record.position < *from) {
            return None;
        }
        let last =
            self.partitions.get_mut(partition).and_then(|partition| partition.get_mut(record.source.index()));
        Some(last.map_or(Seq(0), |last| std::mem::replace(last, record.seq)))
    }

    /// Sends a heartbeat of each source.
    pub(super) async fn send_heartbeat<L: Link>(&mut self, link: &mut L) -> Result<(), SinkError> {
        let beats = self.heartbeat.beats(&mut self.plan);
        let batch: Vec<_> = beats.iter().map(|beat| beat.outgoing(&self.plan)).collect();
        let sent = timeout(self.options.deadline, link.send(&batch)).await;
        sent.map_err(|_| {
            SinkError::again(Trouble::Silent, "the broker does not accept a heartbeat: it is slow or stuck")
        })??;
        self.counters.heartbeat_sent();
        self.first_heartbeat.get_or_insert_with(Instant::now);
        Ok(())
    }
}
