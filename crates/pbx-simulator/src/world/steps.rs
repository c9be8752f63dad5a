//! The steps of the simulation, and how calls start.

use serde_json::json;

use super::{
    World,
    call::{Call, Party},
    office,
    view::text,
};
pub(super) const SECOND: u64 = 1_000;
const MINUTE: u64 = 60 * SECOND;

/// A scheduled step. A step for a call that has ended does nothing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    /// An external call to the first extension, which is answered.
    FirstCall,
    /// A new call.
    Dial,
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
            Step::Dial => self.dial(),
            Step::Answer(id) => self.answer(*id),
            Step::NoAnswer(id) => self.no_answer(*id),
            Step::HangUp(id) => self.hang_up(*id, "normal_clearing"),
            Step::Hold(id) => self.hold(*id, true),
            Step::Resume(id) => self.hold(*id, false),
            Step::Park(id) => self.park(*id),
            Step::RetrieveParked(id) => self.retrieve_parked(*id),
            Step::Transfer(id) => self.transfer(*id),
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
        let free: Vec<usize> = among
            .iter()
            .copied()
            .filter(|index| self.status(*index) == "online" && self.extensions[*index].forward.is_empty())
            .collect();
        self.rng.choice(free)
    }

    pub(super) fn any_free(&mut self, but: Option<usize>) -> Option<usize> {
        let all: Vec<usize> = (0..self.extensions.len()).filter(|index| Some(*index) != but).collect();
        self.free(&all)
    }

    fn external_caller(&mut self) -> Party {
        let (number, name) = office::external_caller(&mut self.rng);
        Party::Outside { trunk: 0, number, name }
    }

    fn dial(&mut self) {
        let after = self.seconds(4..14);
        self.schedule(after, Step::Dial);
        match self.rng.u8(0..10) {
            0..4 => {
                let queue = self.rng.usize(0..self.queues.len());
                let from = self.external_caller();
                let id = self.start_call(from, None, Some(queue));
                self.publish_queue(queue);
                self.publish_trunk(0);
                let (ring_agent, patience) = (self.seconds(1..4), self.seconds(90..180));
                self.schedule(ring_agent, Step::RingAgent(id));
                self.schedule(patience, Step::GiveUp(id));
            }
            4..7 => {
                if let Some(to) = self.any_free(None) {
                    let from = self.external_caller();
                    self.ring(from, Party::Extension(to));
                }
            }
            7..9 => {
                if let Some(from) = self.any_free(None) {
                    let to = self.external_caller();
                    self.ring(Party::Extension(from), to);
                }
            }
            _ => {
                if let Some(from) = self.any_free(None)
                    && let Some(to) = self.any_free(Some(from))
                {
                    self.ring(Party::Extension(from), Party::Extension(to));
                }
            }
        }
    }

    fn start_call(&mut self, from: Party, to: Option<Party>, queue: Option<usize>) -> u32 {
        let id = self.next_call;
        self.next_call += 1;
        let started = self.wall();
        let call = Call { id, from, to, started, answered: false, held: false, queue, parked: None };
        self.calls.insert(id, call);
        id
    }

    fn start_ringing(&mut self, from: Party, to: Party) -> u32 {
        let id = self.start_call(from, Some(to), None);
        self.publish_call(id);
        self.announce_ringing(id);
        id
    }

    fn ring(&mut self, from: Party, to: Party) {
        let id = self.start_ringing(from, to);
        let (answered, after) = (self.rng.u8(0..10) < 8, self.seconds(3..20));
        self.schedule(after, if answered { Step::Answer(id) } else { Step::NoAnswer(id) });
    }

    pub(super) fn publish_call(&mut self, id: u32) {
        let Some(call) = self.calls.get(&id) else { return };
        let (extensions, trunk): (Vec<usize>, _) = (call.extensions().collect(), call.trunk());
        for index in extensions {
            self.publish_extension(index);
        }
        if let Some(trunk) = trunk {
            self.publish_trunk(trunk);
        }
    }

    pub(super) fn announce_ringing(&mut self, id: u32) {
        let Some(call) = self.calls.get(&id) else { return };
        let Some(Party::Extension(index)) = call.to else { return };
        let caller = self.identity(&call.from);
        let called = &self.extensions[index].number;
        let ringing = json!({
            "numCalled": called,
            "callerNum": caller.number,
            "callerName": caller.name,
            "callerHasConf": false,
        });
        self.notify(index, "extenRinging", text(&ringing));
    }
}
