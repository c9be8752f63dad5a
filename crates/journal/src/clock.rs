//! A monotonic clock.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Returns the time since boot, including suspend, which [`std::time::Instant`] leaves out.
pub fn uptime() -> Duration {
    let time = clock_gettime(ClockId::Boottime);
    // Neither is negative.
    Duration::new(
        u64::try_from(time.tv_sec).unwrap_or_default(),
        u32::try_from(time.tv_nsec).unwrap_or_default(),
    )
}
