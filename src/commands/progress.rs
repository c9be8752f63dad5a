//! The progress of a command that may take minutes: one line on standard error, if it is a terminal.

use std::{
    io::{self, IsTerminal as _, Write as _},
    time::{Duration, Instant},
};

/// Interval of the updates.
const INTERVAL: Duration = Duration::from_millis(200);
/// Counts between two checks of the clock.
const STRIDE: u64 = 256;

/// Counts, and shows it. The line is removed at the end.
#[derive(Debug)]
pub(super) struct Progress {
    what: &'static str,
    count: u64,
    /// When the line was updated; `None` where there is no terminal.
    shown: Option<Instant>,
    is_visible: bool,
}

impl Progress {
    /// Of so many `what`, as in `events read`. Nothing is shown if standard output is a terminal that the results scroll over.
    pub(super) fn new(what: &'static str, has_results: bool) -> Self {
        let is_shown = io::stderr().is_terminal() && !(has_results && io::stdout().is_terminal());
        Self { what, count: 0, shown: is_shown.then(Instant::now), is_visible: false }
    }

    /// Counts one more.
    pub(super) fn step(&mut self) {
        self.count += 1;
        let Some(shown) = self.shown else { return };
        if self.count.is_multiple_of(STRIDE) && shown.elapsed() >= INTERVAL {
            let _ = write!(io::stderr(), "{}", line(self.count, self.what));
            (self.shown, self.is_visible) = (Some(Instant::now()), true);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.is_visible {
            let _ = write!(io::stderr(), "\r\u{1b}[K");
        }
    }
}

/// From the first column on, over what was there.
fn line(count: u64, what: &str) -> String {
    let digits = count.to_string();
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    format!("\r\u{1b}[K{grouped} {what}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_readable() {
        assert_eq!(line(7, "events read"), "\r\u{1b}[K7 events read");
        assert_eq!(line(1_234_567, "events read"), "\r\u{1b}[K1,234,567 events read");
        assert_eq!(line(100_000, "e"), "\r\u{1b}[K100,000 e");
    }
}
