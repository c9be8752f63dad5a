//! The life of one call, as one extension sees it.

use super::extension::{Channel, Conversation};

/// Where a call is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Ringing,
    Talking,
    Held,
    Over,
}

/// A call with somebody outside.
#[derive(Debug, Clone)]
pub(super) struct Call {
    number_in_day: u64,
    pub(super) exten: &'static str,
    /// The outside party; a number set aside for fiction.
    pub(super) number: String,
    pub(super) name: &'static str,
    pub(super) queue: Option<&'static str>,
    incoming: bool,
    started: i64,
    step: Option<Step>,
}

const OUTSIDE: &[&str] = &["Rossi", "Bruni", "Ferrari", "Example Ltd", "Müller", "O'Neill"];

impl Call {
    pub(super) fn new(count: u64, exten: &'static str, now: i64, random: &mut fastrand::Rng) -> Self {
        let queue = [None, None, Some("401"), Some("402")];
        let queue = queue.get(random.usize(..queue.len())).copied().flatten();
        Self {
            number_in_day: count,
            exten,
            number: format!("+1555010{:04}", random.u16(..10_000)),
            name: OUTSIDE.get(random.usize(..OUTSIDE.len())).copied().unwrap_or("Rossi"),
            queue,
            incoming: queue.is_some() || random.bool(),
            started: now,
            step: None,
        }
    }

    /// Moves on: rings, is answered or not, is held now and then, ends.
    pub(super) fn next(&mut self, random: &mut fastrand::Rng) -> Step {
        let step = match self.step {
            None => Step::Ringing,
            Some(Step::Ringing) if random.u8(..8) == 0 => Step::Over,
            Some(Step::Talking) if random.u8(..3) == 0 => Step::Held,
            Some(Step::Ringing | Step::Held) => Step::Talking,
            Some(Step::Talking | Step::Over) => Step::Over,
        };
        self.step = Some(step);
        step
    }

    pub(super) fn status(&self, step: Step) -> &'static str {
        match step {
            Step::Ringing if self.incoming => "ringing",
            Step::Ringing | Step::Talking => "busy",
            Step::Held => "onhold",
            Step::Over => "online",
        }
    }

    pub(super) fn trunk_channel(&self) -> String {
        format!("PJSIP/voip1-{:08x}", self.number_in_day)
    }

    fn own_channel(&self) -> String {
        format!("PJSIP/{}-{:08x}", self.exten, self.number_in_day)
    }

    pub(super) fn id(&self) -> String {
        let (from, to) = (self.trunk_channel(), self.own_channel());
        if self.incoming { format!("{from}>{to}") } else { format!("{to}>{from}") }
    }

    pub(super) fn conversation(&self, step: Step, now: i64) -> Conversation {
        let unique = format!("{}.{}", self.started / 1000, self.number_in_day);
        let channel = |kind, channel: String, state| Channel {
            kind,
            channel,
            caller_num: self.number.clone(),
            caller_name: self.name.to_owned(),
            bridged_num: self.exten.to_owned(),
            bridged_name: String::new(),
            channel_status: state,
            in_conference: false,
            start_time: self.started,
        };
        let state = if step == Step::Ringing { "ringing" } else { "up" };
        Conversation {
            id: self.id(),
            owner: self.exten.to_owned(),
            direction: if self.incoming { "in" } else { "out" },
            connected: step != Step::Ringing,
            duration: (now - self.started) / 1000,
            start_time: self.started,
            unique_id: unique.clone(),
            linked_id: unique,
            queue_id: self.queue.unwrap_or_default().to_owned(),
            through_queue: self.queue.is_some(),
            through_trunk: true,
            in_conference: false,
            recording: "false",
            counterpart_num: self.number.clone(),
            counterpart_name: self.name.to_owned(),
            ch_source: Some(channel("source", self.trunk_channel(), "up")),
            ch_dest: Some(channel("dest", self.own_channel(), state)),
        }
    }
}
