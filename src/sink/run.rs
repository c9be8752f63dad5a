//! Runs the driver of a configured sink.

use std::sync::Arc;

use tracing::Instrument as _;

use super::{Bridge, Context, Driver, Options, Outcome, SinkError, Task, config::Config, verify::Held};
use crate::{event::SinkId, journal::Journal, route::REPLAY, telemetry};

/// Creates the driver of a sink. Returns the body of its task.
pub fn spawn(context: &Context, sink: SinkId, config: &Config) -> Task {
    if config.routes.need_changes() {
        context.journal.track_changes(true);
    }
    let options = Options {
        heartbeat: config.heartbeat,
        limit: context.limit,
        adopt: config.adopt,
        retain: context.retain,
        ..config.kind.options()
    };
    let plan = config.plan(context.journal.id(), Arc::clone(&context.sources));
    let bridge = Bridge { instance: &context.instance, sources: &context.sources };
    context.counters.sink(sink).add_routes(config.routes.iter().map(|route| &route.name));
    config.kind.run(Driver::new(context, sink, plan, options), bridge)
}

/// Publishes every record of the journal in the class `replay`.
pub async fn replay(journal: Journal, name: &str, config: &Config) -> Outcome {
    let context = Context::new("replay", journal, [name.to_owned()].into());
    context.stop.drain();
    let options = Options { heartbeat: None, copies: true, ..Options::default() };
    let plan = config.plan(context.journal.id(), Arc::clone(&context.sources));
    let bridge = Bridge { instance: &context.instance, sources: &context.sources };
    let driver = Driver::new(&context, SinkId(0), plan.in_class(REPLAY), options);
    config.kind.replay(driver, bridge).instrument(telemetry::span::sink(name)).await
}

/// Calls `each` with every event that a sink stores.
pub async fn read_back(
    config: &Config,
    bridge: Bridge<'_>,
    mut each: impl FnMut(&Held) + Send,
) -> Result<(), SinkError> {
    config.kind.read_back(bridge, &mut each).await
}
