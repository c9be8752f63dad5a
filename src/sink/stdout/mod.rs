//! The stdout sink: one event a line, for pipes and for people.

pub mod config;
mod pretty;

use std::io;

use tokio::io::{AsyncWriteExt as _, Stdout as Console};

use self::config::{Config, Format};
use super::{Acked, Link, Outgoing, Sink, SinkError};
use crate::event::{Position, structured};

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
    type Link = Lines<Console>;

    async fn open(&self) -> Result<Self::Link, SinkError> {
        Ok(Lines::new(tokio::io::stdout(), self.format))
    }
}

/// Events as lines on a writer.
#[derive(Debug)]
pub struct Lines<W> {
    writer: W,
    format: Format,
    text: Vec<u8>,
    scratch: String,
    written: Option<Position>,
}

impl<W: tokio::io::AsyncWrite + Unpin + Send> Lines<W> {
    /// Writes to `writer`.
    pub fn new(writer: W, format: Format) -> Self {
        Self { writer, format, text: Vec::new(), scratch: String::new(), written: None }
    }
}

impl<W: tokio::io::AsyncWrite + Unpin + Send> Link for Lines<W> {
    async fn send(&mut self, batch: &[Outgoing<'_>]) -> Result<(), SinkError> {
        self.text.clear();
        for outgoing in batch {
            let start = self.text.len();
            match self.format {
                Format::Json => structured(&outgoing.event, &mut self.scratch, &mut self.text),
                Format::Pretty => pretty::line(&outgoing.event, &mut self.text),
            }
            // JSON allows line breaks between its tokens, and nowhere else: a space is the same.
            for byte in self.text.iter_mut().skip(start).filter(|byte| matches!(byte, b'\n' | b'\r')) {
                *byte = b' ';
            }
            self.text.push(b'\n');
        }
        let written = async {
            self.writer.write_all(&self.text).await?;
            self.writer.flush().await
        };
        written.await.map_err(|error| match error.kind() {
            io::ErrorKind::BrokenPipe => {
                SinkError::Gone("the reader of standard output has closed it".to_owned())
            }
            _ => SinkError::Again(format!("can't write to standard output: {error}")),
        })?;
        self.written = batch.iter().rev().find_map(|outgoing| outgoing.position).or(self.written);
        Ok(())
    }

    async fn acked(&mut self) -> Result<Acked, SinkError> {
        match self.written.take() {
            Some(through) => Ok(Acked { through, refused: None }),
            None => std::future::pending().await,
        }
    }

    async fn close(mut self) {
        let _ = self.writer.flush().await;
    }
}
