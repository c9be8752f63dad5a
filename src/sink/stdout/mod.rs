//! The stdout sink: one event a line, for pipes and for people.

pub mod config;
mod pretty;

use std::{
    fmt::Write as _,
    io::{self, IsTerminal as _},
};

use tokio::io::{AsyncWriteExt as _, Stdout as Console};

use self::{
    config::{Config, Format},
    pretty::Printer,
};
use super::{Acked, Link, Outgoing, Sink, SinkError, Tail};
use crate::event::{CloudEvent, Position, structured};

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

    async fn open(&self) -> Result<(Self::Link, Tail), SinkError> {
        Ok((Lines::to_stdout(self.format), Tail::Unknown))
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
    /// Control characters must not reach it.
    terminal: bool,
    printer: Printer,
}

impl Lines<Console> {
    /// Writes to standard output.
    pub fn to_stdout(format: Format) -> Self {
        Self { terminal: io::stdout().is_terminal(), ..Self::new(tokio::io::stdout(), format) }
    }
}

impl<W: tokio::io::AsyncWrite + Unpin + Send> Lines<W> {
    /// Writes to `writer`.
    pub fn new(writer: W, format: Format) -> Self {
        Self {
            writer,
            format,
            text: Vec::new(),
            scratch: String::new(),
            written: None,
            terminal: false,
            printer: Printer::for_stdout(),
        }
    }

    /// Writes an event a line. The error says that it could not be written, or that the reader is gone.
    pub async fn print<'a>(
        &mut self,
        events: impl Iterator<Item = &'a CloudEvent<'a>>,
    ) -> Result<(), SinkError> {
        self.text.clear();
        for event in events {
            self.line(event);
        }
        if self.terminal {
            escape_controls(&mut self.text);
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
        })
    }

    fn line(&mut self, event: &CloudEvent<'_>) {
        let start = self.text.len();
        match self.format {
            Format::Json => structured(event, &mut self.scratch, &mut self.text),
            Format::Pretty => self.printer.line(event, &mut self.text),
        }
        // JSON allows line breaks between its tokens, and nowhere else: a space is the same.
        for byte in self.text.iter_mut().skip(start).filter(|byte| matches!(byte, b'\n' | b'\r')) {
            *byte = b' ';
        }
        self.text.push(b'\n');
    }
}

impl<W: tokio::io::AsyncWrite + Unpin + Send> Link for Lines<W> {
    async fn send(&mut self, batch: &[Outgoing<'_>]) -> Result<(), SinkError> {
        self.print(batch.iter().map(|outgoing| &outgoing.event)).await?;
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

/// JSON forbids control characters up to U+001F in its strings, and allows U+007F to U+009F, which a terminal may
/// act on as well: as escapes they mean the same.
fn escape_controls(text: &mut Vec<u8>) {
    let is_control = |character: char| matches!(character, '\u{7F}'..='\u{9F}');
    let Ok(shown) = std::str::from_utf8(text) else { return };
    if !shown.contains(is_control) {
        return;
    }
    let mut escaped = String::with_capacity(shown.len() + 16);
    for character in shown.chars() {
        if is_control(character) {
            // Writing to a String can't fail.
            let _ = write!(escaped, "\\u{:04x}", u32::from(character));
        } else {
            escaped.push(character);
        }
    }
    *text = escaped.into_bytes();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_may_act_on_is_escaped_and_means_the_same() {
        let mut text = "{\"a\":\"\u{9b}31m\u{7f}è\"}\n".as_bytes().to_vec();
        escape_controls(&mut text);
        assert_eq!(text, "{\"a\":\"\\u009b31m\\u007fè\"}\n".as_bytes());
    }
}
