//! From the partitions' queues to the producers.

use std::{sync::Arc, time::Instant};

use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::{Publisher, STATUS};
use crate::sink::{
    Outgoing, SinkError,
    kafka::{
        flight::State,
        message::topic,
        producers::{Unsent, Which},
        queue::{Queue, Queued},
        refusal::failure,
    },
};

impl Publisher {
    /// Queues an event for its partition, and sends what may go. A heartbeat goes at once.
    pub(super) fn enqueue(&mut self, outgoing: &Outgoing<'_>) -> Result<(), SinkError> {
        let Some(position) = outgoing.position else { return self.send_single(STATUS, outgoing) };
        let message = self.envelopes.message(outgoing.names, &outgoing.event);
        let size = message.size();
        let number = self.flight.add(position, outgoing.partition, size);
        let is_single = self.shared.is_single() || self.shared.may_be_refused(size);
        let queued = Queued { number, names: Arc::clone(outgoing.names), message, is_single };
        if let Some(queue) = self.queues.get_mut(outgoing.partition) {
            queue.push(queued);
            self.dispatch(outgoing.partition);
        }
        Ok(())
    }

    /// Hands the producers every message that a partition's queue releases.
    pub(super) fn dispatch(&mut self, index: usize) {
        let partition = i32::try_from(index).unwrap_or_default();
        while self.end.is_none()
            && let Some(queued) = self.queues.get_mut(index).and_then(Queue::next)
        {
            let Queued { number, names, message, is_single } = queued;
            let which = if is_single { Which::Single } else { Which::Events };
            let place = (topic(&self.config.topics, &names), partition);
            let sent = self.producers.send(which, number, place, message, &self.config);
            let Some((unsent, message)) = sent else { continue };
            let Some(queue) = self.queues.get_mut(index) else { return };
            if let Unsent::TooLarge = unsent {
                queue.answered();
                let reason = format!("it is larger than `max_message` ({} bytes)", self.config.max_message);
                self.flight.set(number, State::Refused(reason));
                continue;
            }
            queue.put_back(Queued { number, names, message, is_single });
            // For a producer that ended with a refused batch, a delivery report gives the reason.
            let is_refused = self.producers.fatal() == Some(RDKafkaErrorCode::GaplessGuarantee);
            match unsent {
                Unsent::NoRoom => self.full = Some(Instant::now()),
                Unsent::NoProducer(error) => self.finish(error),
                Unsent::Failed(error) if !is_refused => {
                    let error = self.unusable(&error);
                    self.finish(error);
                }
                _ => {}
            }
            return;
        }
    }

    /// Sends a message outside of the order with the single-message producer.
    pub(super) fn send_single(&mut self, number: usize, outgoing: &Outgoing<'_>) -> Result<(), SinkError> {
        let message = self.envelopes.message(outgoing.names, &outgoing.event);
        let place = (topic(&self.config.topics, outgoing.names), 0);
        match self.producers.send(Which::Single, number, place, message, &self.config) {
            None => Ok(()),
            Some((Unsent::TooLarge, _)) => self.handle((number, Err(RDKafkaErrorCode::MessageSizeTooLarge))),
            // A heartbeat is worthless while so much is queued.
            Some((Unsent::NoRoom, _)) if number == STATUS => Ok(()),
            Some((Unsent::NoRoom, _)) => Err(self.cause.error("no room for a dead letter", &self.config)),
            Some((Unsent::NoProducer(error), _)) => Err(error),
            Some((Unsent::Failed(error), _)) => Err(self.unusable(&error)),
        }
    }

    fn unusable(&self, error: &KafkaError) -> SinkError {
        let code = self.root(error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Unknown));
        let what = "the client accepts nothing more";
        failure(code, &self.config.topics.events, what, (&self.cause, &self.config))
    }
}
