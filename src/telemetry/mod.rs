//! The log: to standard error, as text on a terminal and as JSON otherwise; to journald with fields, if standard error is
//! connected to it. And the table of metrics.
//!
//! Logging never waits for a reader: lines pass through a bounded queue, and [`flush`] waits for a bounded time.

pub mod config;
mod fields;
mod format;
mod journald;
pub mod metrics;
pub mod process;
mod queue;
pub(crate) mod span;
mod stderr;

use std::{
    io::{self, IsTerminal as _},
    sync::OnceLock,
    time::Duration,
};

use config::{Config, Format};
use journald::Journald;
use libsystemd::logging::connected_to_journal;
use tracing_subscriber::{
    Layer as _, Registry,
    filter::{FilterExt as _, LevelFilter, Targets},
    layer::SubscriberExt as _,
    reload,
    util::SubscriberInitExt as _,
};

use self::queue::Queue;
use crate::{terminal::has_colours, text};

/// The handle that changes the level of the running log.
static LEVEL: OnceLock<reload::Handle<Targets, Registry>> = OnceLock::new();

/// The time that the end of the process, or a panic, waits for the log to be read.
const FLUSH: Duration = Duration::from_secs(2);

/// A log line in the form of its destination.
#[derive(Debug)]
enum Line {
    Text(Vec<u8>),
    Entry(journald::Entry),
}

impl queue::Line for Line {
    fn size(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Entry(entry) => entry.size(),
        }
    }
}

impl Line {
    /// Writes the line. Blocks while the reader does not read.
    fn write(&self) -> io::Result<()> {
        match self {
            Self::Text(text) => stderr::write(text),
            Self::Entry(entry) => entry.send(),
        }
    }
}

/// The process's one queue, for the log and other messages on standard error.
fn queue() -> &'static Queue<Line> {
    static QUEUE: Queue<Line> = Queue::new();
    static STARTED: OnceLock<()> = OnceLock::new();
    STARTED.get_or_init(|| {
        let report = |count| {
            tracing::warn!(
                count,
                "log lines were dropped because standard error or journald did not accept them"
            );
        };
        // Without a thread nothing works: starting the runtime fails too, and has an exit code for that.
        let _ = QUEUE.start(Line::write, report);
    });
    &QUEUE
}

/// Writes a line for people to standard error, after the log's lines. Never blocks.
pub fn print(line: &str) {
    let line = text::io::for_people(line);
    queue().push(Line::Text(format!("{line}\n").into()), true);
}

/// Waits until the log has been read, for two seconds at most.
pub fn flush() {
    queue().flush(FLUSH);
}

/// The number of log lines dropped since the start.
pub fn dropped_lines() -> u64 {
    queue().dropped()
}

/// Turns a panic into a log line, or a line on standard error before the log starts. It is read before the thread
/// unwinds, unless the reader stalls.
pub fn catch_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let at = panic.location().map(ToString::to_string).unwrap_or_default();
        let message = panic.payload_as_str().unwrap_or("a panic without a message");
        if LEVEL.get().is_some() {
            tracing::error!(at, panic = message, "panic: this is a bug, please report it with this line");
        } else {
            print(&format!("panic at {at}: {message}: this is a bug, please report it with this line"));
        }
        flush();
    }));
}

/// Starts logging, once per process.
pub fn start(config: &Config) {
    let format = match config.format {
        Format::Auto if io::stderr().is_terminal() => Format::Text,
        Format::Auto if connected_to_journal() => Format::Journald,
        Format::Auto => Format::Json,
        format => format,
    };
    let layer = tracing_subscriber::fmt::layer().with_writer(stderr::Lines).log_internal_errors(false);
    let layer = match format {
        Format::Journald => Journald.boxed(),
        Format::Text => {
            layer.event_format(format::Text).with_ansi(has_colours(io::stderr().is_terminal())).boxed()
        }
        Format::Json | Format::Auto => layer.event_format(format::Json).boxed(),
    };
    let layer = span::Spans.and_then(layer);
    let (level, handle) = reload::Layer::new(filter(&config.level));
    // A second start, as in tests, keeps the first.
    if tracing_subscriber::registry().with(layer.with_filter(level.or(span::filter()))).try_init().is_ok() {
        let _ = LEVEL.set(handle);
    }
}

/// Changes the level.
pub fn set_level(level: &Targets) {
    // Without a log there is no level.
    let _ = LEVEL.get().map(|handle| handle.reload(filter(level)));
}

/// The NATS client logs the end of each connection as an error, as its own reconnecting is off; the sink reports the
/// same once, with the remedy. Setting the client's target in `level` shows its messages nevertheless.
fn filter(level: &Targets) -> Targets {
    let client = "async_nats";
    if level.iter().any(|(target, _)| target.starts_with(client)) {
        return level.clone();
    }
    level.clone().with_target(client, LevelFilter::OFF)
}
