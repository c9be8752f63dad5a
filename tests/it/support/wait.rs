//! Waits for conditions.

use std::time::{Duration, Instant};

/// A timeout far beyond what any test needs on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// Waits until a condition holds, and panics with `otherwise` if it never does.
pub(crate) async fn until(otherwise: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "{otherwise}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
