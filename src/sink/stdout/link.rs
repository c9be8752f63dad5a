//! The link: writes lines to a writer.

use std::{
    collections::VecDeque,
    io::{self, IsTerminal as _},
    time::Duration,
};

use tokio::{
    io::{AsyncWriteExt as _, Stdout as Console},
    time::Instant,
};

use super::{config::Format, pretty::Printer};
use crate::{
    event::{CloudEvent, Position, structured},
    health::Trouble,
    sink::{Acked, Link, Outgoing, SinkError},
    text::escaped_as_json,
};

/// The most queued records.
const WINDOW: usize = 256;
/// The most bytes written at once. Each chunk that a slow reader accepts counts as progress.
const CHUNK: usize = 16 << 10;
/// The time after which a reader that reads nothing has stalled.
const STALLED: Duration = Duration::from_secs(5);

/// Events as lines on a writer.
#[derive(Debug)]
pub struct Lines<W> {
    writer: W,
    format: Format,
    /// The queued lines.
    text: Vec<u8>,
    /// The bytes of `text` passed to the writer, and those flushed.
    given: usize,
    written: usize,
    /// The end offsets in `text` of the lines of records.
    ends: VecDeque<(usize, Position)>,
    /// The time of the last write, or at which the queue was last empty.
    moved: Instant,
    scratch: String,
    /// The writer is a terminal, which must not receive control characters.
    is_terminal: bool,
    printer: Printer,
}

impl Lines<Console> {
    /// Writes to standard output.
    pub fn to_stdout(format: Format) -> Self {
        Self { is_terminal: io::stdout().is_terminal(), ..Self::new(tokio::io::stdout(), format) }
    }
}

impl<W: tokio::io::AsyncWrite + Unpin + Send> Lines<W> {
    /// Writes to `writer`.
    pub fn new(writer: W, format: Format) -> Self {
        Self {
            writer,
            format,
            text: Vec::new(),
            given: 0,
            written: 0,
            ends: VecDeque::new(),
            moved: Instant::now(),
            scratch: String::new(),
            is_terminal: false,
            printer: Printer::for_stdout(),
        }
    }

    /// Writes one line per event. Fails if it could not be written, or the reader is gone.
    pub async fn print<'a>(
        &mut self,
        events: impl Iterator<Item = &'a CloudEvent<'a>>,
    ) -> Result<(), SinkError> {
        self.trim();
        for event in events {
            self.line(event);
        }
        while self.is_waiting() {
            self.write().await?;
        }
        Ok(())
    }

    fn is_waiting(&self) -> bool {
        self.written < self.text.len()
    }

    /// Writes a chunk of the queue. Cancel safe.
    async fn write(&mut self) -> Result<(), SinkError> {
        let written = async {
            if self.given == self.written {
                let rest = self.text.get(self.given..).unwrap_or_default();
                self.given += match self.writer.write(chunk(rest)).await? {
                    0 => return Err(io::ErrorKind::WriteZero.into()),
                    given => given,
                };
            }
            self.writer.flush().await
        };
        written.await.map_err(|error| match error.kind() {
            io::ErrorKind::BrokenPipe => {
                SinkError::Gone("the reader of standard output has closed it".into())
            }
            _ => SinkError::again(Trouble::Local, "can't write to standard output").because(error),
        })?;
        self.written = self.given;
        self.moved = Instant::now();
        Ok(())
    }

    /// Discards what has been written.
    fn trim(&mut self) {
        if !self.is_waiting() {
            self.moved = Instant::now();
        }
        self.text.drain(..self.written);
        for (end, _) in &mut self.ends {
            *end = end.saturating_sub(self.written);
        }
        self.given -= self.written;
        self.written = 0;
    }

    fn line(&mut self, event: &CloudEvent<'_>) {
        let start = self.text.len();
        match self.format {
            Format::Json => structured(event, &mut self.scratch, &mut self.text),
            Format::Pretty => self.printer.line(event, &mut self.text),
        }
        // JSON allows line breaks only between tokens, where a space has the same meaning.
        for byte in self.text.iter_mut().skip(start).filter(|byte| matches!(byte, b'\n' | b'\r')) {
            *byte = b' ';
        }
        self.text.push(b'\n');
        if self.is_terminal {
            let line = self.text.split_off(start);
            // JSON has escaped the others; in text format they are our colours.
            let line = escaped_as_json(&String::from_utf8_lossy(&line), |ch| ch < '\u{7f}').into_owned();
            self.text.append(&mut line.into_bytes());
        }
    }
}

impl<W: tokio::io::AsyncWrite + Unpin + Send> Link for Lines<W> {
    async fn send(&mut self, batch: &[Outgoing<'_>]) -> Result<(), SinkError> {
        self.trim();
        let is_status = batch.iter().all(|outgoing| outgoing.position.is_none());
        if is_status && self.is_waiting() && self.moved.elapsed() >= Duration::from_secs(1) {
            // An outdated heartbeat is of no use to a reader that resumes.
            return Ok(());
        }
        for outgoing in batch {
            self.line(&outgoing.event);
            self.ends.extend(outgoing.position.map(|position| (self.text.len(), position)));
        }
        Ok(())
    }

    async fn acked(&mut self) -> Result<Acked, SinkError> {
        loop {
            let count = self.ends.partition_point(|(end, _)| *end <= self.written);
            if let Some((_, through)) = self.ends.drain(..count).next_back() {
                return Ok(Acked { through, refused: None });
            }
            if !self.is_waiting() {
                std::future::pending::<()>().await;
            }
            self.write().await?;
        }
    }

    fn window(&self) -> usize {
        WINDOW
    }

    fn trouble(&self) -> Option<SinkError> {
        (self.is_waiting() && self.moved.elapsed() >= STALLED).then(|| {
            SinkError::again(
                Trouble::Silent,
                format!("nobody reads standard output: nothing was read for {STALLED:?}; events are kept until it is read"),
            )
        })
    }

    async fn close(mut self) {
        while self.is_waiting() && self.write().await.is_ok() {}
    }
}

/// Returns complete lines of a text, at most [`CHUNK`] bytes unless the first line is longer: a dropped link cuts no line.
fn chunk(text: &[u8]) -> &[u8] {
    let is_end = |byte: &u8| *byte == b'\n';
    let within = text.get(..CHUNK).unwrap_or(text).iter().rposition(is_end);
    let end = within.or_else(|| text.iter().position(is_end));
    end.and_then(|end| text.get(..=end)).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_escaped_with_the_same_meaning() {
        let shown = escaped_as_json("{\"a\":\"\u{9b}31m\u{7f}è\u{202e}\u{e0041}\"}\n", |ch| ch < '\u{7f}');
        assert_eq!(shown, "{\"a\":\"\\u009b31m\\u007fè\\u202e\\udb40\\udc41\"}\n");
    }
}
