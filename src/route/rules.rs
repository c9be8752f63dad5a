//! Routes: rules that drop events, or that change their subject. The first that matches an event applies.

use std::sync::Arc;

use super::template::Template;
use crate::event::Entity;

/// The routes of one sink, in the order of the configuration.
#[derive(Debug, Clone, Default)]
pub struct Routes {
    routes: Arc<[Route]>,
}

/// One route.
#[derive(Debug)]
struct Route {
    /// The name, as in the metrics.
    name: Arc<str>,
    is_drop: bool,
    /// The subject of its events. `None` keeps that of the sink.
    subject: Option<Template>,
}

/// The properties of an event that routes look at.
#[derive(Debug, Clone, Copy)]
pub struct Candidate<'a> {
    /// The name of its source.
    pub source: &'a str,
    /// Its class.
    pub class: &'a str,
    /// Its Socket.IO name, or the name of a notice.
    pub name: &'a [u8],
    /// Its entity.
    pub entity: Option<&'a Entity<'a>>,
    /// Its data, before anything is hidden.
    pub data: &'a [u8],
}

/// The decision of the routes on an event.
#[derive(Debug, Clone, Copy)]
pub enum Decision<'a> {
    /// The route of this name drops it.
    Drop(&'a Arc<str>),
    /// It is published with this subject template. `None` uses that of the sink.
    Publish(Option<&'a Template>),
}

impl Routes {
    /// Decides on an event.
    pub fn decide(&self, _: &Candidate<'_>) -> Decision<'_> {
        match self.routes.first() {
            Some(Route { name, is_drop: true, .. }) => Decision::Drop(name),
            Some(route) => Decision::Publish(route.subject.as_ref()),
            None => Decision::Publish(None),
        }
    }
}
