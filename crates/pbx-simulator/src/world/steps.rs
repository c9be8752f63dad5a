//! The steps of the simulation, and how calls start.

use super::{World, acts::Act, channel::Party, quirks::Entity, script::Script};

pub(super) const SECOND: u64 = 1_000;
const MINUTE: u64 = 60 * SECOND;

/// A scheduled step. A call is known by its caller's channel. A step for a call that has ended does nothing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    /// An external call to the first extension, which is answered.
    FirstCall,
    /// A new call.
    Dial,
    /// An act of a play.
    Act(usize, Act),
    /// A play is over.
    Curtain(usize),
    /// A script begins.
    Play(Script),
    /// An entity's state is sent.
    Publish(Entity),
    Answer(u32),
    /// A call that nobody answers.
    NoAnswer(u32),
    HangUp(u32),
    Hold(u32),
    Resume(u32),
    Park(u32),
    /// An extension takes over a parked call.
    RetrieveParked(u32),
    Transfer(u32),
    /// A call that is being transferred rings at this extension.
    RingAt(u32, usize),
    /// Somebody puts a call on hold and calls a colleague about it.
    Consult(u32),
    /// The held call goes to the colleague.
    Complete(u32),
    /// A queue rings a free agent.
    RingAgent(u32),
    /// A caller hangs up while waiting in a queue.
    GiveUp(u32),
    QueueMinute(usize),
    Pause,
    Presence,
    Registration,
    Trunk,
    Unexpected,
}

impl World {
    /// Schedules the first steps.
    pub(super) fn begin(&mut self) {
        // A client that connects right after the start sees a call at the first extension of the snapshot.
        self.schedule(0, Step::FirstCall);
        let after = self.seconds(1..4);
        self.schedule(after, Step::Dial);
        for queue in 0..self.queues.len() {
            self.schedule(SECOND + 7 * SECOND * queue as u64, Step::QueueMinute(queue));
        }
        for (after, step) in [
            (20, Step::Pause),
            (35, Step::Presence),
            (50, Step::Registration),
            (110, Step::Trunk),
            (75, Step::Unexpected),
        ] {
            self.schedule(after * SECOND, step);
        }
    }

    pub(super) fn run(&mut self, step: &Step) {
        match step {
            Step::FirstCall => {
                let from = self.external_caller();
                let id = self.start_ringing(from, Party::Extension(0));
                let after = self.seconds(3..20);
                self.schedule(after, Step::Answer(id));
            }
            Step::Dial => self.dial_any(),
            Step::Act(play, act) => self.act(*play, *act),
            Step::Curtain(play) => drop(self.plays.remove(play)),
            Step::Play(script) => self.play(*script),
            Step::Publish(entity) => self.publish_now(*entity),
            Step::Answer(id) => self.answer(*id),
            Step::NoAnswer(id) => self.no_answer(*id),
            Step::HangUp(id) => self.hang_up(*id, "normal_clearing"),
            Step::Hold(id) => self.hold(*id, true),
            Step::Resume(id) => self.hold(*id, false),
            Step::Park(id) => self.park(*id),
            Step::RetrieveParked(id) => self.retrieve_parked(*id),
            Step::Transfer(id) => self.transfer(*id),
            Step::RingAt(id, extension) => self.ring_at(*id, *extension),
            Step::Consult(id) => self.consult(*id),
            Step::Complete(id) => self.complete(*id),
            Step::RingAgent(id) => self.ring_agent(*id),
            Step::GiveUp(id) => self.give_up(*id),
            Step::QueueMinute(queue) => {
                self.publish_queue(*queue);
                self.schedule(MINUTE, step.clone());
            }
            Step::Pause => self.repeat(step, 2 * MINUTE, Self::toggle_pause),
            Step::Presence => self.repeat(step, 3 * MINUTE, Self::toggle_presence),
            Step::Registration => self.repeat(step, 4 * MINUTE, Self::toggle_registration),
            Step::Trunk => self.repeat(step, 10 * MINUTE, Self::toggle_trunk),
            Step::Unexpected => self.repeat(step, 5 * MINUTE, Self::send_unexpected),
        }
    }

    fn repeat(&mut self, step: &Step, every: u64, action: fn(&mut Self)) {
        action(self);
        let after = self.rng.u64(every / 2..every * 3 / 2);
        self.schedule(after, step.clone());
    }

    pub(super) fn seconds(&mut self, range: std::ops::Range<u64>) -> u64 {
        self.rng.u64(range.start * SECOND..range.end * SECOND)
    }

    /// Returns a random extension that can take a call; `None` if there is none.
    pub(super) fn free(&mut self, among: &[usize]) -> Option<usize> {
        let free: Vec<usize> = among.iter().copied().filter(|index| self.is_free(*index)).collect();
        self.rng.choice(free)
    }

    /// Returns true if an extension can take a call.
    pub(super) fn is_free(&self, index: usize) -> bool {
        self.status(index) == "online" && self.extensions[index].forward.is_empty()
    }

    pub(super) fn any_free(&mut self, but: Option<usize>) -> Option<usize> {
        let all: Vec<usize> = (0..self.extensions.len()).filter(|index| Some(*index) != but).collect();
        self.free(&all)
    }
}
