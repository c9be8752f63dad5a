//! Describes a call in the event of a step.

use jiff::Timestamp;

use super::{Call, LEGS, Leg};
use crate::model::{CallEvent, CallKey, CallState, LegState, Outcome, Step, Transfer};

/// Part of an event that is about the step, not the call.
#[derive(Debug, Default)]
pub(crate) struct Detail {
    pub(crate) leg: Option<String>,
    pub(crate) transfer: Option<Transfer>,
    pub(crate) absorbed: Option<CallKey>,
    pub(crate) into: Option<CallKey>,
    pub(crate) outcome: Option<Outcome>,
    pub(crate) is_uncertain: bool,
}

impl Call {
    pub(crate) fn state(&self) -> CallState {
        if self.parking.is_some() {
            return CallState::Parked;
        }
        let has = |wanted: fn(&Leg) -> bool| self.open_legs().any(wanted);
        if self.answered.is_some() && has(Leg::is_connected) {
            let is_held = has(|leg| leg.state == LegState::Hold);
            return if is_held { CallState::Held } else { CallState::Connected };
        }
        if has(|leg| leg.state == LegState::Alerting) {
            return CallState::Ringing;
        }
        match self.queue {
            Some(_) => CallState::Queued,
            None if self.is_visible() || self.invisible_since.is_none() => CallState::Initiated,
            None => CallState::Ended,
        }
    }

    /// Returns how the call ended, as far as it was visible.
    pub(crate) fn outcome(&self) -> Outcome {
        let has_rung = self.legs.iter().any(|leg| !leg.is_outgoing);
        match (self.answered, &self.last_queue) {
            (Some(_), _) => Outcome::Answered,
            _ if self.hidden_in.is_some() => Outcome::Unknown,
            (None, Some(_)) => Outcome::Abandoned,
            (None, None) if has_rung || self.originator.is_some() => Outcome::Missed,
            (None, None) => Outcome::Unknown,
        }
    }

    /// Builds the event of a step.
    pub(crate) fn event(&self, step: Step, at: Timestamp, detail: Detail) -> CallEvent {
        let ended = (step == Step::Ended)
            .then(|| self.invisible_since.map_or(at, |(since, _)| since).max(self.started));
        let until = ended.unwrap_or(at);
        let between = ended.and(self.hidden_in);
        let view = |leg: &Leg| if ended.is_some() { leg.final_view(at) } else { leg.view() };
        let legs = self.legs.iter().take(LEGS).map(view);
        CallEvent {
            call: self.key,
            linked_ids: self.linked_ids.clone(),
            direction: self.direction,
            from: self.from.clone(),
            to: self.to.clone(),
            original_from: self.original_from.clone(),
            queue: self.queue.as_ref().map(|queue| queue.number.clone()).or_else(|| self.last_queue.clone()),
            parking: self.parking.as_ref().map(|parking| parking.number.clone()),
            through_trunk: self.through_trunk,
            state: if step == Step::Ended { CallState::Ended } else { self.state() },
            started_at: self.started,
            answered_at: self.answered,
            ended_at: ended,
            wait_seconds: seconds(self.started, self.answered.unwrap_or(until)),
            talk_seconds: self.answered.map_or(0.0, |answered| seconds(answered, until)),
            legs: legs.collect(),
            recording: ended.is_none() && self.open_legs().any(|leg| leg.is_recorded),
            certain: self.certain && self.hidden_in.is_none() && !detail.is_uncertain,
            leg: detail.leg,
            transfer: detail.transfer,
            absorbed: detail.absorbed,
            into: detail.into,
            outcome: detail.outcome,
            ended_between: between.map(|(from, to)| [format!("{from:.6}"), format!("{to:.6}")]),
        }
    }
}

/// Returns the seconds between two times, at most six digits after the point.
fn seconds(from: Timestamp, to: Timestamp) -> f64 {
    let micros = (to.as_microsecond() - from.as_microsecond()).max(0);
    #[allow(clippy::cast_precision_loss, reason = "2^53 microseconds are 285 years")]
    let micros = micros as f64;
    micros / 1e6
}
