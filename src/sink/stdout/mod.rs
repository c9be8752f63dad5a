//! The stdout sink: one line per event, for pipes and for terminals.
//!
//! A stalled reader does not break the link: [`Link::send`](super::Link::send) only queues lines, and
//! [`Link::acked`](super::Link::acked) writes them, however long that takes. So nothing is written twice, and no other sink
//! waits.

pub mod config;
mod link;
mod pretty;
mod probe;

use self::config::{Config, Format};
pub use self::link::Lines;
use super::{Sink, SinkError, SinkType, Tail};

/// `type = "stdout"`.
pub(in crate::sink) const TYPE: SinkType = SinkType::new::<config::Table>("stdout");

/// Standard output.
#[derive(Debug)]
pub struct Stdout {
    format: Format,
}

impl Stdout {
    /// Returns a sink that writes JSON lines or text.
    pub fn new(config: &Config) -> Self {
        Self { format: config.format }
    }
}

impl Sink for Stdout {
    type Link = Lines<tokio::io::Stdout>;

    async fn open(&self) -> Result<(Self::Link, Tail), SinkError> {
        Ok((Lines::to_stdout(self.format), Tail::Unknown))
    }
}
