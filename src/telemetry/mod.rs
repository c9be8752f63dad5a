//! Logs: to standard error, as text on a terminal and as JSON otherwise.

pub mod config;

use std::io::{self, IsTerminal as _};

use config::{Config, Format};
use tracing_subscriber::{
    Layer as _,
    filter::{LevelFilter, Targets},
    layer::SubscriberExt as _,
    util::SubscriberInitExt as _,
};

/// Starts logging; once per process. A panic becomes a log line too, so nothing reaches standard error beside it.
pub fn start(config: &Config) {
    let text = match config.format {
        Format::Auto => io::stderr().is_terminal(),
        Format::Text => true,
        Format::Json => false,
    };
    let layer = tracing_subscriber::fmt::layer().with_writer(io::stderr);
    let layer = if text {
        layer.with_ansi(io::stderr().is_terminal()).with_target(false).boxed()
    } else {
        layer.json().flatten_event(true).with_current_span(false).with_span_list(false).boxed()
    };
    // A second start, as in tests, keeps the first.
    let _ = tracing_subscriber::registry().with(layer.with_filter(filter(&config.level))).try_init();
    std::panic::set_hook(Box::new(|panic| {
        let at = panic.location().map(ToString::to_string).unwrap_or_default();
        let message = panic.payload_as_str().unwrap_or("a panic without a message");
        tracing::error!(at, message, "panic: this is a bug, please report it with this line");
    }));
}

/// The NATS client calls the end of each connection an error, as its own reconnecting is off; the sink says the
/// same once, with the remedy. Who names the client in `level` hears it all the same.
fn filter(level: &Targets) -> Targets {
    let client = "async_nats";
    if level.iter().any(|(target, _)| target.starts_with(client)) {
        return level.clone();
    }
    level.clone().with_target(client, LevelFilter::OFF)
}
