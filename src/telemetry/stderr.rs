//! Writes to standard error, through the queue.

use std::io::{self, Write};

use rustix::{
    event::{PollFd, PollFlags, poll},
    io::Errno,
};
use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;

use super::{Line, queue};

/// Turns each log event into a line in the queue.
#[derive(Debug)]
pub(super) struct Lines;

/// Collects one line.
#[derive(Debug)]
pub(super) struct LineWriter {
    is_urgent: bool,
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = LineWriter;

    fn make_writer(&'a self) -> LineWriter {
        LineWriter { is_urgent: false }
    }

    fn make_writer_for(&'a self, event: &Metadata<'_>) -> LineWriter {
        LineWriter { is_urgent: *event.level() == Level::ERROR }
    }
}

impl Write for LineWriter {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        queue().push(Line::Text(line.to_vec()), self.is_urgent);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes all bytes, however long the reader takes. Without the lock of [`io::stderr`], so that no other thread blocks.
pub(super) fn write(mut text: &[u8]) -> io::Result<()> {
    let stderr = io::stderr();
    while !text.is_empty() {
        match rustix::io::write(&stderr, text) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => text = text.get(count..).unwrap_or_default(),
            Err(Errno::INTR) => {}
            // Another process that shares the pipe or terminal may have made it non-blocking.
            Err(Errno::AGAIN) => {
                poll(&mut [PollFd::new(&stderr, PollFlags::OUT)], None)?;
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
