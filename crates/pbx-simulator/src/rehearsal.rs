//! Calls with a known history: a script, a seed, and what really happened. Pure, in virtual time.
//!
//! What a consumer derives from the events can be compared with it.

use std::time::Duration;

use crate::{profile::Audience, world::World};

pub use crate::world::script::Script;

/// Start of a rehearsal: 24 November 2026, 9:00 UTC, in Unix milliseconds.
const START: i64 = 1_795_510_800_000;

/// Direction of a call, as the company sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PastDirection {
    /// An outside party has called.
    Inbound,
    /// An extension has called an outside party.
    Outbound,
    /// An extension has called an extension or a queue.
    Internal,
}

/// A call as Asterisk knows it.
#[derive(Debug, Clone)]
pub struct PastCall {
    /// Number of the channel that began it.
    pub originator: u32,
    /// Number of the party that began it.
    pub from: String,
    /// Direction.
    pub direction: PastDirection,
    /// When it began, in Unix milliseconds.
    pub created: i64,
    /// When it was answered, in Unix milliseconds.
    pub answered: Option<i64>,
    /// A caller has waited in a queue.
    pub was_queued: bool,
    /// It could be seen at some time.
    pub has_started: bool,
    /// The older call that it has joined, as an index.
    pub into: Option<usize>,
    /// Since when nothing of it can be seen; `None` while something can.
    pub gone: Option<i64>,
}

/// Kind of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PastKind {
    /// The call can be seen.
    Started,
    /// An extension rings.
    Ringing,
    /// A caller enters a queue.
    Queued,
    /// A caller leaves a queue.
    Dequeued,
    /// The first called party connects.
    Answered,
    /// Another party connects.
    Joined,
    /// A party puts the others on hold.
    Held,
    /// A party takes the others off hold.
    Resumed,
    /// A caller enters a parking slot.
    Parked,
    /// A caller leaves a parking slot.
    Unparked,
    /// A party takes another one's place.
    Transferred {
        /// The extension that has left.
        by: String,
        /// The party in its place.
        to: String,
        /// It had talked to the new party before.
        is_attended: bool,
    },
    /// Another call has joined this one.
    Merged {
        /// Index of the other call.
        absorbed: usize,
    },
}

/// A step of a call.
#[derive(Debug, Clone)]
pub struct PastStep {
    /// Unix milliseconds.
    pub at: i64,
    /// Index of the call that it was a step of.
    pub call: usize,
    /// Kind.
    pub kind: PastKind,
    /// Number of the channel.
    pub channel: u32,
    /// Number of the queue or slot that the step is about.
    pub place: Option<&'static str>,
    /// When the CTI server has shown it within a second, in Unix milliseconds; `None` if it has not: later states may show that it
    /// has happened, but not when.
    pub seen: Option<i64>,
}

/// An event that the CTI server sends to an account without extensions.
#[derive(Debug, Clone)]
pub struct Sent {
    /// Unix milliseconds.
    pub at: i64,
    /// Name.
    pub name: &'static str,
    /// Arguments as JSON text.
    pub args: String,
}

/// An office in which scripts run.
#[derive(Debug, Clone)]
pub struct Rehearsal {
    world: World,
}

impl Rehearsal {
    /// An office in which one script runs, and nothing else.
    pub fn of(script: Script, seed: u64) -> Self {
        let mut world = World::rehearsal(seed, START);
        world.play(script);
        Self { world }
    }

    /// An office on a busy day: calls of all kinds begin at random, about one every `every`, for `duration`.
    pub fn day(seed: u64, every: Duration, duration: Duration) -> Self {
        let mut world = World::rehearsal(seed, START);
        world.play_at_random(every, duration);
        Self { world }
    }

    /// Returns the start in Unix milliseconds.
    pub fn start(&self) -> i64 {
        START
    }

    /// Returns what is sent next, and when; `None` if nothing more happens.
    pub fn advance(&mut self) -> Option<(i64, Vec<Sent>)> {
        let mut events = Vec::new();
        let due = self.world.next_due()?;
        self.world.advance(due, &mut events);
        let at = START + i64::try_from(due.as_millis()).unwrap_or(i64::MAX);
        let heard = events.into_iter().filter(|event| !matches!(event.audience, Audience::Owner(_)));
        Some((at, heard.map(|event| Sent { at, name: event.name, args: event.args }).collect()))
    }

    /// Returns the time of the next step in Unix milliseconds; `None` if nothing more happens.
    pub fn next_at(&self) -> Option<i64> {
        let due = self.world.next_due()?;
        Some(START + i64::try_from(due.as_millis()).unwrap_or(i64::MAX))
    }

    /// Nobody hears what is sent, as in a gap; or somebody does again.
    pub fn deafen(&mut self, is_deaf: bool) {
        self.world.history.is_deaf = is_deaf;
    }

    /// Returns true while the script wants a gap.
    pub fn is_in_gap(&self) -> bool {
        self.world.history.is_in_gap
    }

    /// Returns the state of everything, as the REST interface does, split into events.
    pub fn snapshots(&self) -> Vec<(&'static str, String)> {
        self.world.snapshots()
    }

    /// Returns the calls so far.
    pub fn calls(&self) -> &[PastCall] {
        &self.world.history.calls
    }

    /// Returns the index of the call that a channel, by its number, was created for.
    pub fn call_of(&self, channel: u32) -> Option<usize> {
        self.world.history.of.get(&channel).copied()
    }

    /// Returns their steps, in order.
    pub fn steps(&self) -> &[PastStep] {
        &self.world.history.steps
    }

    /// Returns true if the server masks numbers and names.
    pub fn is_masked(&self) -> bool {
        self.world.quirks.is_masked
    }
}
