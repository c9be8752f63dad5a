//! The output queue of the log: bounded, and emptied by a thread.
//!
//! **What it promises.** Logging never waits. A reader that stalls (a full pipe, a stopped terminal, a hung journald) blocks
//! only this thread; lines that no longer fit are dropped and counted, and the count is reported as soon as there is room again.
//! [`Queue::flush`] waits for the reader, for a bounded time.

use std::{
    collections::VecDeque,
    io,
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use parking_lot::{Condvar, Mutex, MutexGuard};

/// The limit of the queue in bytes, including the line that is being written.
const CAPACITY: usize = 256 << 10;
/// Additional room for errors and panics, so that a flood of other lines does not displace them.
const RESERVE: usize = 64 << 10;

/// An element of the queue.
pub(super) trait Line: Send + 'static {
    /// The size in bytes.
    fn size(&self) -> usize;
}

impl Line for Vec<u8> {
    fn size(&self) -> usize {
        self.len()
    }
}

/// A bounded queue.
#[derive(Debug)]
pub(super) struct Queue<L> {
    state: Mutex<State<L>>,
    pushed: Condvar,
    written: Condvar,
    dropped: AtomicU64,
}

#[derive(Debug)]
struct State<L> {
    lines: VecDeque<L>,
    bytes: usize,
    /// Set until half of the queue is free: no line is accepted, so that the report of dropped lines precedes newer ones.
    is_full: bool,
    /// Set while a line is being written, or a report made.
    is_busy: bool,
    unreported: u64,
}

impl<L: Line> Queue<L> {
    pub(super) const fn new() -> Self {
        let lines = VecDeque::new();
        Self {
            state: Mutex::new(State { lines, bytes: 0, is_full: false, is_busy: false, unreported: 0 }),
            pushed: Condvar::new(),
            written: Condvar::new(),
            dropped: AtomicU64::new(0),
        }
    }

    /// Starts the thread. It writes with `output`; `report` gets the number of dropped lines, and may push one.
    pub(super) fn start(
        &'static self,
        mut output: impl FnMut(&L) -> io::Result<()> + Send + 'static,
        report: impl Fn(u64) + Send + 'static,
    ) -> io::Result<()> {
        let work = move || {
            loop {
                let line = self.next();
                let is_written = output(&line).is_ok();
                if let Some(count) = self.settle(line.size(), is_written) {
                    report(count);
                }
            }
        };
        thread::Builder::new().name("log".to_owned()).spawn(work).map(drop)
    }

    /// Adds a line, or drops it. Never blocks.
    pub(super) fn push(&self, line: L, is_urgent: bool) {
        let mut state = self.lock();
        let (size, reserve) = (line.size(), if is_urgent { RESERVE } else { 0 });
        if state.bytes + size > CAPACITY + reserve || state.is_full && !is_urgent {
            state.is_full |= state.bytes > CAPACITY / 2;
            self.drop_one(&mut state);
            return;
        }
        state.bytes += size;
        state.lines.push_back(line);
        self.pushed.notify_one();
    }

    /// Waits until everything has been written, for `limit` at most.
    pub(super) fn flush(&self, limit: Duration) {
        let deadline = Instant::now() + limit;
        let mut state = self.lock();
        while !state.lines.is_empty() || state.is_busy {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            self.written.wait_for(&mut state, left);
        }
    }

    /// The number of lines dropped since the start.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, State<L>> {
        self.state.lock()
    }

    fn drop_one(&self, state: &mut State<L>) {
        state.unreported += 1;
        self.dropped.fetch_add(1, Ordering::Relaxed);
    }

    fn next(&self) -> L {
        let mut state = self.lock();
        state.is_busy = false;
        self.written.notify_all();
        loop {
            if let Some(line) = state.lines.pop_front() {
                state.is_busy = true;
                return line;
            }
            self.pushed.wait(&mut state);
        }
    }

    /// Removes a written line. Returns the number of dropped lines, once they can be reported.
    fn settle(&self, size: usize, is_written: bool) -> Option<u64> {
        let mut state = self.lock();
        state.bytes -= size;
        if !is_written {
            self.drop_one(&mut state);
        }
        state.is_full &= state.bytes > CAPACITY / 2;
        let can_report = is_written && !state.is_full && state.unreported > 0;
        can_report.then(|| std::mem::take(&mut state.unreported))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::sync::mpsc;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(20);

    /// A queue whose reader takes a line when the test sends it a result, and the lines it has taken.
    fn queue() -> (&'static Queue<Vec<u8>>, mpsc::Sender<io::Result<()>>, mpsc::Receiver<String>) {
        let queue: &'static Queue<Vec<u8>> = Box::leak(Box::new(Queue::new()));
        let ((permit, permits), (taken, lines)) = (mpsc::channel(), mpsc::channel());
        let output = move |line: &Vec<u8>| {
            let permit: io::Result<()> = permits.recv().unwrap();
            if permit.is_ok() {
                taken.send(String::from_utf8_lossy(line).trim_end_matches('.').to_owned()).unwrap();
            }
            permit
        };
        queue.start(output, |count| queue.push(format!("{count} dropped").into(), false)).unwrap();
        (queue, permit, lines)
    }

    /// A line of 1 KiB.
    fn line(number: usize) -> Vec<u8> {
        format!("{number:.<1024}").into()
    }

    #[test]
    fn a_stalled_reader_blocks_no_push_and_sees_the_count() {
        let (queue, permit, lines) = queue();
        let fit = CAPACITY / 1024;
        for number in 0..fit + 100 {
            queue.push(line(number), false);
        }
        queue.push(b"a panic".to_vec(), true);
        assert_eq!(queue.dropped(), 100);
        queue.flush(Duration::from_millis(50));
        for _ in 0..fit + 2 {
            permit.send(Ok(())).unwrap();
        }
        queue.flush(LIMIT);
        let taken: Vec<String> = lines.try_iter().collect();
        let kept: Vec<String> = (0..fit).map(|number| number.to_string()).collect();
        assert_eq!(taken[..fit], kept);
        assert_eq!(taken[fit..], ["a panic", "100 dropped"]);
    }

    #[test]
    fn a_failed_write_is_reported_with_the_next_line() {
        let (queue, permit, lines) = queue();
        for number in 0..3 {
            queue.push(vec![b'0' + number], false);
        }
        for result in [Err(io::ErrorKind::StorageFull.into()), Ok(()), Ok(()), Ok(())] {
            permit.send(result).unwrap();
        }
        queue.flush(LIMIT);
        assert_eq!(lines.try_iter().collect::<Vec<_>>(), ["1", "2", "1 dropped"]);
        assert_eq!(queue.dropped(), 1);
    }

    #[test]
    fn a_line_larger_than_the_queue_is_dropped_and_others_pass() {
        let (queue, permit, lines) = queue();
        queue.push(vec![b'x'; CAPACITY + 1], false);
        queue.push(b"next".to_vec(), false);
        permit.send(Ok(())).unwrap();
        permit.send(Ok(())).unwrap();
        queue.flush(LIMIT);
        assert_eq!(lines.try_iter().collect::<Vec<_>>(), ["next", "1 dropped"]);
    }
}
