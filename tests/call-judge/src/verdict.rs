//! What a judge finds.

/// Kind of a flaw.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FlawKind {
    /// A step that was shown is missing, or one is claimed that never happened.
    WrongKind,
    /// Steps are in another order.
    WrongOrder,
    /// An event is certain of something that is not true.
    FalseCertain,
    /// A promise about the events of a call is broken.
    Invariant,
}

/// Something that is wrong with the derived calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flaw {
    /// Kind.
    pub kind: FlawKind,
    /// What is wrong.
    pub text: String,
}

/// The judgement of a run, or of several.
#[derive(Debug, Clone, Default)]
pub struct Verdict {
    /// Runs.
    pub runs: u64,
    /// Calls that really happened.
    pub calls: u64,
    /// Calls that were derived.
    pub found: u64,
    /// Derived events.
    pub events: u64,
    /// Derived events with `certain: false`.
    pub uncertain: u64,
    /// Of those, steps that did not happen.
    pub wrong_guesses: u64,
    /// Calls that rang, and whose direction has stayed unknown.
    pub undirected: u64,
    /// Flaws.
    pub flaws: Vec<Flaw>,
}

impl Verdict {
    pub(crate) fn blame(&mut self, kind: FlawKind, text: String) {
        self.flaws.push(Flaw { kind, text });
    }

    /// Adds another run's judgement.
    pub fn add(&mut self, other: Self) {
        self.runs += other.runs;
        self.calls += other.calls;
        self.found += other.found;
        self.events += other.events;
        self.uncertain += other.uncertain;
        self.wrong_guesses += other.wrong_guesses;
        self.undirected += other.undirected;
        self.flaws.extend(other.flaws);
    }

    /// Returns the number of flaws of a kind.
    pub fn count(&self, kind: FlawKind) -> usize {
        self.flaws.iter().filter(|flaw| flaw.kind == kind).count()
    }
}
