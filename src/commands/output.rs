//! Standard output and standard error of a command that runs once.
//!
//! Every write to standard output is checked, including the last flush: a command with incomplete output never ends with exit
//! code 0. A reader that closes the pipe (`| head`) ends the command cleanly, as with any filter. Standard error is best
//! effort: the exit code is authoritative.

use std::{
    io::{self, ErrorKind, Write},
    os::fd::AsFd,
};

use rustix::fs::{FileType, fstat, fsync};

use crate::{
    exit::Exit,
    telemetry,
    text::io::{Screened, stderr, stdout},
};

/// Standard output, which remembers the first error.
pub(crate) struct Output {
    screened: Screened<io::Stdout>,
    /// What is printed has escape sequences of our own: all text of peers in it is safe already.
    styled: bool,
    /// Something was written: only then there is something to flush. The other writers of standard output flush themselves, and may
    /// be waiting for a reader who never comes.
    is_used: bool,
    failure: Option<io::Error>,
}

/// Standard error, behind the log's lines.
pub(crate) struct Errors(Screened<io::Stderr>);

/// Runs a command, and checks that its output was written.
pub(crate) fn run(command: impl FnOnce(&mut Output, &mut Errors) -> io::Result<Exit>) -> Exit {
    let mut out = Output { screened: stdout(), styled: false, is_used: false, failure: None };
    let mut err = Errors(stderr());
    let result = command(&mut out, &mut err);
    out.finish(result, &mut err)
}

/// The sentence about output that could not be written to `place`.
pub(crate) fn unwritable(place: impl std::fmt::Display, error: &io::Error) -> String {
    format!("can't write to {place}: {error}")
}

impl Output {
    /// For a command that prints colours or a QR code.
    pub(crate) fn styled(&mut self) -> &mut Self {
        self.styled = true;
        self
    }

    /// Remembers the error.
    pub(crate) fn check<T>(&mut self, result: io::Result<T>) -> io::Result<T> {
        self.is_used = true;
        if let Err(error) = &result
            && error.kind() != ErrorKind::Interrupted
            && self.failure.is_none()
        {
            // An error can't be cloned: its number gives the same text.
            let same = error.raw_os_error().map(io::Error::from_raw_os_error);
            self.failure = Some(same.unwrap_or_else(|| error.kind().into()));
        }
        result
    }

    fn finish(mut self, result: io::Result<Exit>, err: &mut impl Write) -> Exit {
        if self.is_used && self.failure.is_none() {
            let complete = self.screened.flush().and_then(|()| sync(io::stdout()));
            let _ = self.check(complete);
        }
        let (exit, sentence) = match (self.failure, result) {
            (None, Ok(exit)) => return exit,
            (None, Err(error)) => (Exit::Internal, error.to_string()),
            (Some(error), result) => {
                let exit = result.unwrap_or(Exit::Clean);
                if error.kind() == ErrorKind::BrokenPipe {
                    return exit;
                }
                (exit.worse(Exit::OUTPUT), unwritable("standard output", &error))
            }
        };
        let _ = writeln!(err, "{sentence}");
        exit
    }
}

/// Syncs it, if it is a file: some file systems report a full disk or quota only then.
pub(crate) fn sync(file: impl AsFd) -> io::Result<()> {
    let is_file = fstat(&file).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode).is_file());
    if is_file { Ok(fsync(&file)?) } else { Ok(()) }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = if self.styled { io::stdout().write(bytes) } else { self.screened.write(bytes) };
        self.check(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        let flushed = self.screened.flush();
        self.check(flushed)
    }
}

impl Write for Errors {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        telemetry::flush();
        let _ = self.0.write_all(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let _ = self.0.flush();
        Ok(())
    }
}
