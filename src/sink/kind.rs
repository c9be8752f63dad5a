//! A configured sink, as the rest of the bridge sees it.

use std::{any::Any, fmt, hash::Hasher, sync::Arc};

use futures_util::future::BoxFuture;

use super::{
    Driver, Options, Outcome, Overlap, Probe, ProbeReport, ProbeStep, SinkError, Subscription, verify::Held,
};
use crate::{
    route::{Names, template::Template},
    tls::Trust,
};

/// The body of a sink's task.
pub type Task = BoxFuture<'static, Outcome>;

/// The outcome of [`SinkConfig::probe`], once it is connected.
pub type Connecting<'a> = BoxFuture<'a, Result<(Box<dyn Probe>, ProbeReport), SinkError>>;

/// The outcome of [`SinkConfig::subscribe`], once it is connected.
pub type Subscribing<'a> = BoxFuture<'a, Result<Box<dyn Subscription>, SinkError>>;

/// The bridge that publishes to a sink, or has published there.
#[derive(Debug, Clone, Copy)]
pub struct Bridge<'a> {
    /// Its name, which distinguishes it from other bridges on the same bus.
    pub instance: &'a str,
    /// The names of its sources, by [`SourceId`](crate::event::SourceId).
    pub sources: &'a [String],
}

/// The subject of a route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteSubject {
    /// The index of the route.
    pub index: usize,
    /// The template.
    pub template: Template,
}

/// The settings of one sink, and its operations. Each sink implements it once, for its own `Config`;
/// nothing outside the sink's directory depends on its type.
pub trait SinkConfig: Any + fmt::Debug + Send + Sync {
    /// The value of `type`.
    fn type_name(&self) -> &'static str;

    /// The driver's limits.
    fn options(&self) -> Options {
        Options::default()
    }

    /// The subject template, if the sink has one.
    fn destination(&self) -> Template {
        Template::default()
    }

    /// Returns the same settings for events that routes publish to these subjects too. `None` for a sink without subjects.
    fn with_route_subjects(&self, _: &[RouteSubject]) -> Option<Kind> {
        None
    }

    /// Returns where events with these names are published, in the broker's terms: ("subject", …). Empty for a sink with a single place.
    fn address(&self, _: &Names) -> Vec<(&'static str, String)> {
        Vec::new()
    }

    /// Returns the subjects of routes that can't be used beside those of the sink: the index of the route, and the problem.
    fn route_problems(&self, _: Bridge<'_>) -> Vec<(usize, String)> {
        Vec::new()
    }

    /// Delivers until the driver ends. Connects to nothing before the task is polled.
    fn run(&self, driver: Driver, bridge: Bridge<'_>) -> Task;

    /// As [`run`](Self::run), for events of the class `replay`, which no consumer mistakes for new ones.
    fn replay(&self, driver: Driver, bridge: Bridge<'_>) -> Task {
        self.run(driver, bridge)
    }

    /// Connects for `check`, without publishing an event.
    fn probe<'a>(&'a self, bridge: Bridge<'a>) -> Connecting<'a>;

    /// The steps of `check` once the sink is connected, in order.
    fn probe_steps(&self) -> &'static [ProbeStep] {
        &[]
    }

    /// Calls `each` with every event that the sink stores, each partition in its order.
    fn read_back<'a>(
        &'a self,
        _bridge: Bridge<'a>,
        _each: &'a mut (dyn FnMut(&Held) + Send),
    ) -> BoxFuture<'a, Result<(), SinkError>> {
        Box::pin(async { Err(SinkError::keeps_nothing()) })
    }

    /// Subscribes to the events of the bridge, for `tail`. Does not affect other consumers.
    fn subscribe<'a>(&'a self, bridge: Bridge<'a>) -> Result<Subscribing<'a>, NoSubscription>;

    /// Finds a destination that this sink and `second` must not share. `None` without a conflict.
    fn overlap(&self, second: &dyn SinkConfig, bridge: Bridge<'_>) -> Option<Overlap>;

    /// Returns true if the sink verifies by the journal's id that it is the only writer: each start then needs the same journal.
    fn needs_durable_journal(&self) -> bool {
        false
    }

    /// The trusted CAs and the client certificate. `None` without TLS.
    fn trust(&self) -> Option<&Trust> {
        None
    }

    /// The keys of its table that a reload applies.
    fn reloadable(&self) -> &'static [&'static str] {
        &[]
    }

    /// Hashes the secrets. The files that [`trust`](Self::trust) names are hashed by the caller.
    fn hash_secrets(&self, _state: &mut dyn Hasher) {}
}

impl dyn SinkConfig {
    /// Returns the settings as the sink's own type. `None` for another type.
    pub fn downcast_ref<T: SinkConfig>(&self) -> Option<&T> {
        let any: &dyn Any = self;
        any.downcast_ref()
    }
}

/// The settings of any sink.
pub type Kind = Arc<dyn SinkConfig>;

/// The reason why `tail` can't read from a sink, and the alternative. Completes the sentence "sinks.NAME is …".
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NoSubscription(pub &'static str);
