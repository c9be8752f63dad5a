//! Logs: to standard error, as text on a terminal and as JSON otherwise; to journald with fields, where standard error is
//! its. And the table of metrics.

pub mod config;
mod fields;
mod journald;
pub mod metrics;

use std::{
    io::{self, IsTerminal as _},
    sync::OnceLock,
};

use config::{Config, Format};
use journald::Journald;
use libsystemd::logging::connected_to_journal;
use tracing_subscriber::{
    Layer as _, Registry,
    filter::{LevelFilter, Targets},
    layer::SubscriberExt as _,
    reload,
    util::SubscriberInitExt as _,
};

/// Where the level of the log that runs is set.
static LEVEL: OnceLock<reload::Handle<Targets, Registry>> = OnceLock::new();

/// Starts logging; once per process. A panic becomes a log line too, so nothing reaches standard error beside it.
pub fn start(config: &Config) {
    let format = match config.format {
        Format::Auto if io::stderr().is_terminal() => Format::Text,
        Format::Auto if connected_to_journal() => Format::Journald,
        Format::Auto => Format::Json,
        format => format,
    };
    let layer = tracing_subscriber::fmt::layer().with_writer(io::stderr);
    let layer = match format {
        Format::Journald => Journald.boxed(),
        Format::Text => {
            layer.fmt_fields(fields::text()).with_ansi(io::stderr().is_terminal()).with_target(false).boxed()
        }
        Format::Json | Format::Auto => layer.event_format(fields::Json).boxed(),
    };
    let (level, handle) = reload::Layer::new(filter(&config.level));
    // A second start, as in tests, keeps the first.
    if tracing_subscriber::registry().with(layer.with_filter(level)).try_init().is_ok() {
        let _ = LEVEL.set(handle);
    }
    std::panic::set_hook(Box::new(|panic| {
        let at = panic.location().map(ToString::to_string).unwrap_or_default();
        let message = panic.payload_as_str().unwrap_or("a panic without a message");
        tracing::error!(at, message, "panic: this is a bug, please report it with this line");
    }));
}

/// Another level, from now on.
pub fn set_level(level: &Targets) {
    // Without a log there is no level.
    let _ = LEVEL.get().map(|handle| handle.reload(filter(level)));
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
