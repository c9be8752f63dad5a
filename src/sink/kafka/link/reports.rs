//! Delivery reports: the broker's answer to each message.

use rdkafka::error::RDKafkaErrorCode;

use super::{LETTER, Publisher, STATUS};
use crate::{
    health::Trouble,
    sink::{
        SinkError,
        kafka::{
            client::Report,
            flight::State,
            refusal::{self, Refusal},
        },
    },
};

impl Publisher {
    /// Handles every report that has arrived.
    pub(super) fn drain_reports(&mut self) -> Result<(), SinkError> {
        while let Ok(report) = self.reports.try_recv() {
            self.handle(report)?;
        }
        Ok(())
    }

    /// Handles a report. Fails if the link must end at once.
    pub(super) fn handle(&mut self, (number, outcome): Report) -> Result<(), SinkError> {
        let outcome = outcome.map_err(|code| self.root(code));
        match number {
            LETTER => {
                let topic = &self.config.topics.dead_letters;
                let refused = |code| Refusal::of(code, topic, &self.cause, &self.config);
                self.letter = Some(outcome.map(drop).map_err(refused));
                Ok(())
            }
            STATUS => self.handle_heartbeat(outcome),
            _ => {
                self.handle_event(number, outcome);
                Ok(())
            }
        }
    }

    fn handle_heartbeat(&mut self, outcome: Result<i64, RDKafkaErrorCode>) -> Result<(), SinkError> {
        match outcome {
            Ok(_) => {
                self.cause.clear();
                self.heartbeat = None;
            }
            // The report of the refused message follows.
            Err(RDKafkaErrorCode::GaplessGuarantee) => {}
            Err(code) => match Refusal::of(code, &self.config.topics.status, &self.cause, &self.config) {
                // The broker's own answer, and to a heartbeat alone.
                Refusal::Destination(error) if code as i32 > 0 => {
                    self.heartbeat = Some(format!("{error:#}; or set `heartbeat = \"off\"`"));
                }
                Refusal::Destination(error) => return Err(error),
                // A heartbeat is not worth an outage.
                Refusal::TooLarge | Refusal::Invalid => {}
            },
        }
        Ok(())
    }

    /// Returns the error for which a client has given up: from then on it refuses everything as `Fatal`.
    pub(super) fn root(&self, code: RDKafkaErrorCode) -> RDKafkaErrorCode {
        if code == RDKafkaErrorCode::Fatal { self.producers.fatal().unwrap_or(code) } else { code }
    }

    fn handle_event(&mut self, number: usize, outcome: Result<i64, RDKafkaErrorCode>) {
        let Some((index, bytes)) = self.flight.waiting(number) else { return };
        let Some(queue) = self.queues.get_mut(index) else { return };
        let single = queue.answered().then_some(bytes);
        let state = match outcome {
            Ok(offset) => self.stored(index, offset, single),
            Err(code) => self.refused(code, single),
        };
        let is_stored = state == State::Stored;
        self.flight.set(number, state);
        if is_stored && self.end.is_none() && self.flight.is_answered() {
            self.shared.widen();
        }
        self.dispatch(index);
    }

    /// Returns the state of a stored message. `single` is its size if it was the only one of its batch.
    fn stored(&mut self, index: usize, offset: i64, single: Option<usize>) -> State {
        self.cause.clear();
        let partition = i32::try_from(index).unwrap_or_default();
        let Some(queue) = self.queues.get_mut(index) else { return State::Dropped };
        if queue.stored(offset, single.is_some()) {
            if let Some(bytes) = single {
                self.shared.learn(bytes, true);
            }
            // A message stored after a cut proves nothing: the next link reads what the partition holds.
            if self.end.is_none() {
                self.shared.resumed(partition);
            }
            return State::Stored;
        }
        self.shared.cut(partition, offset);
        self.finish(SinkError::again(Trouble::Foreign, format!(
            "partition {partition} of {} stored an event at offset {offset}, below newer ones: the topic was recreated or has \
             lost its end; comparing its content with the journal",
            self.config.topics.events
        )));
        State::Dropped
    }

    /// Returns the state of a message that was not stored. `single` is its size if it was the only one of its batch.
    fn refused(&mut self, code: RDKafkaErrorCode, single: Option<usize>) -> State {
        use RDKafkaErrorCode as C;
        if matches!(code, C::PurgeQueue | C::PurgeInflight | C::GaplessGuarantee | C::Fatal) {
            return State::Dropped;
        }
        let topic = self.config.topics.events.clone();
        let refusal = Refusal::of(code, &topic, &self.cause, &self.config);
        match (refusal, single) {
            (Refusal::Destination(error), _) => self.finish(error),
            (refusal, Some(bytes)) => {
                if matches!(refusal, Refusal::TooLarge) {
                    self.shared.learn(bytes, false);
                }
                return State::Refused(refusal.reason(&topic));
            }
            (refusal, None) if self.end.is_none() => {
                let error = refusal::batch(code, &refusal, &topic, &self.config, self.shared.is_known());
                self.shared.narrow(matches!(refusal, Refusal::TooLarge));
                self.finish(error);
            }
            _ => {}
        }
        State::Dropped
    }
}
