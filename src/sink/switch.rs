//! Passes reloaded rules to the drivers of running sinks. Each driver switches at an exact place of the journal.
//!
//! The place is that of the notice `reconfigured`, which is appended as soon as the rules are announced: the records before
//! it are sent under the old rules, it and the records after it under the new ones. A driver switches once everything before
//! the place is settled. Until then later rules wait, and only the newest are kept, so that each source has at most one
//! notice of a sink that did not take effect yet.

use std::{collections::BTreeMap, sync::Arc};

use jiff::Timestamp;
use parking_lot::Mutex;

use super::config::Config;
use crate::{
    event::{Notice, Position},
    journal::Journal,
};

/// The rules of all running sinks. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Switches(Arc<Mutex<BTreeMap<String, Switch>>>);

/// A configuration, of which a driver applies the rules: routes, privacy, names and heartbeat.
#[derive(Debug, Clone)]
pub struct NewRules {
    /// The configuration of the sink.
    pub config: Config,
    /// The fingerprint of the rules, by which they are compared.
    pub fingerprint: u128,
}

/// The state of a sink's rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SwitchState {
    /// The number of the rules in force: 1 for those of the start.
    pub generation: u64,
    /// The position from which on the next rules apply, and the time of their announcement. `None` if there are none.
    pub outstanding: Option<(Position, Timestamp)>,
}

/// The rules of one sink. Clones share them.
#[derive(Debug, Clone)]
pub(super) struct Switch {
    sink: Arc<str>,
    rules: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    generation: u64,
    outstanding: Option<Outstanding>,
    /// The rules that follow those outstanding.
    next: Option<NewRules>,
}

#[derive(Debug)]
struct Outstanding {
    rules: NewRules,
    from: Position,
    since: Timestamp,
}

impl Switches {
    /// Announces rules that differ from the last announced ones, in the journal and to the sink's driver.
    pub fn announce(&self, sink: &str, rules: NewRules, journal: &Journal) {
        self.of(sink).announce(rules, journal);
    }

    /// Returns the state of a sink's rules.
    pub fn state(&self, sink: &str) -> SwitchState {
        let switch = self.of(sink);
        let state = switch.rules.lock();
        let outstanding = state.outstanding.as_ref().map(|outstanding| (outstanding.from, outstanding.since));
        SwitchState { generation: state.generation, outstanding }
    }

    /// Returns the rules of one sink.
    pub(super) fn of(&self, sink: &str) -> Switch {
        let mut sinks = self.0.lock();
        let switch = sinks.entry(sink.to_owned()).or_insert_with(|| {
            let state = State { generation: 1, outstanding: None, next: None };
            Switch { sink: sink.into(), rules: Arc::new(Mutex::new(state)) }
        });
        switch.clone()
    }
}

impl Switch {
    fn announce(&self, rules: NewRules, journal: &Journal) {
        let mut state = self.rules.lock();
        match &state.outstanding {
            // Those are on their way already.
            Some(outstanding) if outstanding.rules.fingerprint == rules.fingerprint => state.next = None,
            Some(_) => state.next = Some(rules),
            None => state.append(&self.sink, rules, journal),
        }
    }

    /// Returns the position from which on the next rules apply. `None` if there are none.
    ///
    /// A driver asks after it has read: the notice is appended and its position stored under one lock, so a record at or after it
    /// is never taken for one under the old rules.
    pub(super) fn border(&self) -> Option<Position> {
        self.rules.lock().outstanding.as_ref().map(|outstanding| outstanding.from)
    }

    /// Puts the next rules into force, and announces those that waited for it. Returns their configuration and generation; `None` if
    /// there are none.
    pub(super) fn complete(&self, journal: &Journal) -> Option<(Config, u64)> {
        let mut state = self.rules.lock();
        let done = state.outstanding.take()?;
        state.generation += 1;
        if let Some(next) = state.next.take() {
            state.append(&self.sink, next, journal);
        }
        Some((done.rules.config, state.generation))
    }
}

impl State {
    fn append(&mut self, sink: &str, rules: NewRules, journal: &Journal) {
        // Before the notice, which empties the journal's comparison: what the old rules have dropped is no state of this sink.
        if rules.config.routes.need_changes() {
            journal.track_changes(true);
        }
        let notice = Notice::Reconfigured { sink: sink.to_owned(), generation: self.generation + 1 };
        let from = journal.notice_all(&notice);
        self.outstanding = Some(Outstanding { rules, from, since: Timestamp::now() });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{event::SinkId, sink::stdout};

    #[test]
    fn only_the_newest_rules_wait_for_those_outstanding() {
        let journal = Journal::memory(1 << 20, &["a".to_owned(), "b".to_owned()], &["sink".to_owned()]);
        let rules = |fingerprint: u8| NewRules {
            config: Config {
                dataschema: Some(fingerprint.to_string()),
                ..Config::new(None, stdout::config::Config { format: stdout::config::Format::Json })
            },
            fingerprint: fingerprint.into(),
        };
        let switches = Switches::default();
        let notices = || journal.stats().sinks.first().map_or(0, |sink| sink.pending);
        let complete = || {
            switches.of("sink").complete(&journal).map(|(config, generation)| (config.dataschema, generation))
        };
        assert_eq!(complete(), None);
        for fingerprint in [1, 2, 3] {
            switches.announce("sink", rules(fingerprint), &journal);
        }
        assert_eq!((notices(), switches.of("sink").border()), (2, Some(Position(1))), "one per source");
        assert_eq!(complete(), Some((Some("1".to_owned()), 2)));
        assert_eq!(
            (notices(), switches.state("sink").outstanding.map(|(from, _)| from)),
            (4, Some(Position(3)))
        );
        // Back and forth while the third is outstanding: nothing is left to do.
        switches.announce("sink", rules(1), &journal);
        switches.announce("sink", rules(3), &journal);
        assert_eq!(complete(), Some((Some("3".to_owned()), 3)));
        assert_eq!((notices(), complete(), switches.state("sink").generation), (4, None, 3));
        assert_eq!(journal.ledger(SinkId(0), crate::event::SourceId(1)).1, 2);
    }
}
