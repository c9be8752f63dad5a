//! Standard error, behind the queue.

use std::io::{self, ErrorKind, Write};

use rustix::event::{PollFd, PollFlags, poll};
use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;

use super::{Line, queue};

/// Makes each event of the log a line in the queue.
#[derive(Debug)]
pub(super) struct Lines;

/// Takes one line.
#[derive(Debug)]
pub(super) struct Pen {
    is_urgent: bool,
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Pen;

    fn make_writer(&'a self) -> Pen {
        Pen { is_urgent: false }
    }

    fn make_writer_for(&'a self, event: &Metadata<'_>) -> Pen {
        Pen { is_urgent: *event.level() == Level::ERROR }
    }
}

impl Write for Pen {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        queue().push(Line::Text(line.to_vec()), self.is_urgent);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes all of it, for as long as the reader takes.
pub(super) fn write(mut text: &[u8]) -> io::Result<()> {
    let mut stderr = io::stderr();
    while !text.is_empty() {
        match stderr.write(text) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(count) => text = text.get(count..).unwrap_or_default(),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // Whoever shares the pipe or the terminal may have made it non-blocking.
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                poll(&mut [PollFd::new(&stderr, PollFlags::OUT)], None)?;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
