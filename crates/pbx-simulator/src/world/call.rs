//! A call: its legs and its parties.

/// One end of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Party {
    /// An extension, by its index.
    Extension(usize),
    Outside {
        trunk: usize,
        number: String,
        name: String,
    },
}

/// A channel of Asterisk: one leg of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Leg {
    /// Running number.
    pub(super) number: u32,
    /// Creation time in Unix milliseconds.
    pub(super) created: i64,
}

impl Leg {
    /// Formats it as Asterisk does: seconds, and the running number.
    pub(super) fn unique_id(self) -> String {
        format!("{}.{}", self.created / 1000, self.number)
    }

    pub(super) fn channel(self, device: &str) -> String {
        format!("PJSIP/{device}-{:08x}", self.number)
    }
}

/// A call from its first ring to its end. Times are Unix milliseconds.
#[derive(Debug, Clone)]
pub(super) struct Call {
    /// The caller's leg.
    pub(super) source: Leg,
    /// The called party's leg. It means nothing while `to` is absent.
    pub(super) dest: Leg,
    pub(super) from: Party,
    /// `None` while the caller waits in a queue or is parked.
    pub(super) to: Option<Party>,
    pub(super) started: i64,
    pub(super) answered: bool,
    pub(super) held: bool,
    pub(super) queue: Option<usize>,
    /// The parking slot, and the extension that parked the call.
    pub(super) parked: Option<(usize, usize)>,
    /// The held call that this one asks about, in an attended transfer.
    pub(super) consults_for: Option<u32>,
}

/// Number and name of a party.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) number: String,
    pub(super) name: String,
    /// The device after which its channels are named.
    pub(super) device: String,
}

impl Call {
    pub(super) fn is_waiting_in(&self, queue: usize) -> bool {
        self.queue == Some(queue) && !self.answered
    }

    /// Returns whether the extension is the caller; `None` if it is not in the call.
    pub(super) fn side_of(&self, extension: usize) -> Option<bool> {
        let here = Party::Extension(extension);
        if self.from == here { Some(true) } else { (self.to.as_ref() == Some(&here)).then_some(false) }
    }

    pub(super) fn trunk(&self) -> Option<usize> {
        [Some(&self.from), self.to.as_ref()].into_iter().flatten().find_map(|party| match party {
            Party::Outside { trunk, .. } => Some(*trunk),
            Party::Extension(_) => None,
        })
    }

    pub(super) fn extensions(&self) -> impl Iterator<Item = usize> {
        [Some(&self.from), self.to.as_ref()].into_iter().flatten().filter_map(|party| match party {
            Party::Extension(extension) => Some(*extension),
            Party::Outside { .. } => None,
        })
    }

    /// The id that all legs of the call share: that of the first.
    pub(super) fn linked_id(&self) -> String {
        self.source.unique_id()
    }

    /// The leg of the caller (`outgoing`) or of the called party.
    pub(super) fn leg(&self, outgoing: bool) -> Leg {
        if outgoing { self.source } else { self.dest }
    }
}
