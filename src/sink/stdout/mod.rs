//! The stdout sink: one event a line, for pipes and for people.
//!
//! A reader that stalls is not a broken link: [`Link::send`](super::Link::send) only queues lines, and
//! [`Link::acked`](super::Link::acked) writes them, for as long as that takes. So nothing is written twice, and nothing else
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
    /// A sink that writes JSON lines or text.
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
