//! Routes: rules that drop events, or that change their subject. The first that matches an event applies.

use std::sync::Arc;

use super::{
    reach,
    selector::{Candidate, Mismatch, Selector},
    template::Template,
};
use crate::{config::Section, event::Class};

/// The routes of one sink, in the order of the configuration.
#[derive(Debug, Clone, Default)]
pub struct Routes(Arc<[Route]>);

/// One route.
#[derive(Debug)]
pub struct Route {
    /// The name, as in the metrics.
    pub name: Arc<str>,
    /// The place in the configuration: file and line.
    pub place: String,
    pub(super) selector: Selector,
    pub(super) action: Action,
}

/// The action of a route on the events that it matches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Drops them.
    Drop,
    /// Publishes them.
    Publish {
        /// The subject. `None` keeps that of the sink.
        subject: Option<Template>,
        /// Drops those that did not change their entity.
        on_change: bool,
    },
}

impl Action {
    /// Returns true if it may drop events.
    pub(super) fn may_drop(&self) -> bool {
        !matches!(self, Self::Publish { on_change: false, .. })
    }

    /// Returns true if it applies to events of this class. No route drops notices, as the guarantee rests on them, and no event of
    /// a call repeats the one before.
    pub(super) fn applies_to(&self, class: Class) -> bool {
        match self {
            Self::Drop => class != Class::Bridge,
            Self::Publish { on_change, .. } => !on_change || class == Class::Event,
        }
    }
}

/// The decision of the routes on an event.
#[derive(Debug, Clone, Copy)]
pub enum Decision<'a> {
    /// The route of this name drops it.
    Drop(&'a Arc<str>),
    /// It is published with this subject template. `None` uses that of the sink.
    Publish(Option<&'a Template>),
}

impl Route {
    pub(super) fn new(name: Arc<str>, place: String, mut selector: Selector, action: Action) -> Self {
        selector.classes.retain(|class| action.applies_to(*class));
        Self { name, place, selector, action }
    }

    /// Returns the subject of its events. `None` keeps that of the sink.
    pub fn subject(&self) -> Option<&Template> {
        match &self.action {
            Action::Publish { subject, .. } => subject.as_ref(),
            Action::Drop => None,
        }
    }

    /// Returns true if it drops events that did not change their entity.
    pub fn is_on_change(&self) -> bool {
        matches!(self.action, Action::Publish { on_change: true, .. })
    }

    /// Returns the first key that the event does not match. `None` for an event that it matches.
    pub fn mismatch(&self, candidate: &Candidate<'_>) -> Option<Mismatch<'_>> {
        self.selector.mismatch(candidate)
    }
}

impl Routes {
    pub(super) fn new(routes: Vec<Route>) -> Self {
        Self(routes.into())
    }

    /// Returns all routes, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Route> {
        self.0.iter()
    }

    /// Returns true if one of them needs the journal to compare events with their predecessors.
    pub fn need_changes(&self) -> bool {
        self.iter().any(Route::is_on_change)
    }

    /// Returns true if one of them may drop events.
    pub fn may_drop(&self) -> bool {
        self.0.iter().any(|route| route.action.may_drop())
    }

    /// Warns of patterns that match none of the configured sources. `section` is the table of the sink.
    pub(crate) fn check_sources(&self, sources: &[String], section: &mut Section<'_>) {
        reach::warn_of_sources(self, sources, section);
    }

    /// Decides on an event.
    pub fn decide(&self, candidate: &Candidate<'_>) -> Decision<'_> {
        let Some(route) = self.0.iter().find(|route| route.selector.selects(candidate)) else {
            return Decision::Publish(None);
        };
        match &route.action {
            Action::Drop => Decision::Drop(&route.name),
            Action::Publish { on_change: true, .. } if candidate.is_unchanged => Decision::Drop(&route.name),
            Action::Publish { subject, .. } => Decision::Publish(subject.as_ref()),
        }
    }
}
