//! Endless exponential backoff with jitter.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};

/// The range of the delays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    /// The first delay.
    pub from: Duration,
    /// No delay is longer than this.
    pub to: Duration,
}

impl Range {
    /// The delay after `n` doublings, shortened by up to a half like in [`Backoff`], for callers that count themselves.
    pub fn nth(self, n: u32) -> Duration {
        jittered(self.from.saturating_mul(2_u32.saturating_pow(n)).min(self.to))
    }
}

fn jittered(step: Duration) -> Duration {
    step.mul_f64(0.5 + fastrand::f64() / 2.0)
}

/// Delays that double from [`Range::from`] to [`Range::to`], each shortened by up to a half so that
/// clients of one server do not return in step. It never ends; [`Backoff::reset`] starts again.
#[derive(Debug)]
pub struct Backoff {
    range: Range,
    delays: ExponentialBackoff,
}

impl Backoff {
    /// Starts at `range.from`.
    pub fn new(range: Range) -> Self {
        let delays = ExponentialBuilder::new()
            .with_min_delay(range.from)
            .with_max_delay(range.to)
            .with_factor(2.0)
            .without_max_times()
            .build();
        Self { range, delays }
    }

    /// The next delay, between half of the current step and all of it.
    pub fn delay(&mut self) -> Duration {
        jittered(self.delays.next().unwrap_or(self.range.to))
    }

    /// Forgets past failures. Call it after a stable period, not on connect.
    pub fn reset(&mut self) {
        *self = Self::new(self.range);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RANGE: Range = Range { from: Duration::from_millis(500), to: Duration::from_secs(30) };

    #[test]
    fn delays_double_up_to_the_limit_and_never_end() {
        let mut backoff = Backoff::new(RANGE);
        let mut step = RANGE.from;
        for n in 0..10_000 {
            let delay = backoff.delay();
            let nth = RANGE.nth(n);
            for delay in [delay, nth] {
                assert!(delay >= step / 2 && delay <= step, "{delay:?} for a step of {step:?}");
            }
            step = (step * 2).min(RANGE.to);
        }
    }

    #[test]
    fn a_reset_starts_again() {
        let mut backoff = Backoff::new(RANGE);
        for _ in 0..8 {
            backoff.delay();
        }
        backoff.reset();
        assert!(backoff.delay() <= RANGE.from);
    }
}
