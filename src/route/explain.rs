//! Explains the decision of the routes on a record, for people.

use super::{
    plan::{call_entity, data},
    rules::{Route, Routes},
    selector::Candidate,
};
use crate::event::{self, Body, Record};

/// The routes that were tried on a record.
#[derive(Debug)]
pub struct Explanation<'a> {
    /// The routes before the one that applies, each with the first key that the record does not match.
    pub passed: Vec<(&'a Route, String)>,
    /// The route that applies. `None` publishes the record as usual.
    pub route: Option<&'a Route>,
}

impl Routes {
    /// Explains the decision on a record of this source.
    pub fn explain(&self, source: &str, record: &Record) -> Explanation<'_> {
        match &record.body {
            Body::Event(frame) => {
                let (name, args, data) = (frame.name(), frame.args(), data(frame));
                let entity = event::entity(&name, &args);
                self.tried(&Candidate::event(source, (&name, entity.as_ref()), &data, false))
            }
            Body::Notice(notice) => self.tried(&Candidate::notice(source, &notice.name, &notice.data)),
            Body::Call(call) => {
                let entity = call_entity(call);
                self.tried(&Candidate::call(source, &call.step, &entity, &call.data))
            }
        }
    }

    fn tried(&self, candidate: &Candidate<'_>) -> Explanation<'_> {
        let mut passed = Vec::new();
        for route in self.iter() {
            match route.mismatch(candidate) {
                Some(mismatch) => passed.push((route, mismatch.to_string())),
                None => return Explanation { passed, route: Some(route) },
            }
        }
        Explanation { passed, route: None }
    }
}
